/*
 * codec.c
 *	  The list of codecs, and malloc as their memory.
 */
#include <stdlib.h>

#include "codec/codec.h"

static void *
malloc_alloc(void *state, size_t bytes)
{
	(void) state;
	return malloc(bytes);
}

static void *
malloc_resize(void *state, void *memory, size_t bytes)
{
	(void) state;
	return realloc(memory, bytes);
}

static void
malloc_free(void *state, void *memory)
{
	(void) state;
	free(memory);
}

const GstoreAllocator gstore_malloc_allocator = {
	malloc_alloc, malloc_resize, malloc_free, NULL};

const GstoreCodec *
gstore_codec(GstoreFormat format)
{
	return format == GSTORE_FORMAT_PGSTROM ? &gstore_pgstrom_codec : NULL;
}
