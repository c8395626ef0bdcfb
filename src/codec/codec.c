/*
 * codec.c
 *	  The list of codecs, malloc as their memory, and their errors.
 */
#include <stdlib.h>
#include <string.h>

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
	malloc_alloc, malloc_resize, malloc_free, NULL, NULL};

GstoreScratch *
gstore_scratch_children(GstoreScratch *scratch, uint32 nchildren)
{
	const GstoreAllocator *allocator = scratch->allocator;
	GstoreScratch *children;

	if (nchildren <= scratch->nchildren)
		return scratch->children;
	children = allocator->resize(allocator->state, scratch->children,
								 nchildren * sizeof(GstoreScratch));
	if (children == NULL)
		return NULL;
	memset(children + scratch->nchildren, 0,
		   (nchildren - scratch->nchildren) * sizeof(GstoreScratch));
	for (uint32 i = scratch->nchildren; i < nchildren; i++)
		children[i].allocator = allocator;
	scratch->children = children;
	scratch->nchildren = nchildren;
	return children;
}

static void
release_memory(GstoreScratch *scratch)
{
	if (scratch->memory != NULL)
		scratch->allocator->free(scratch->allocator->state, scratch->memory);
	scratch->memory = NULL;
	scratch->room = 0;
}

void *
gstore_scratch_reserve(GstoreScratch *scratch, uint64 bytes)
{
	uint64 room = Max(bytes, 1024);

	if (bytes <= scratch->room && scratch->memory != NULL)
		return scratch->memory;
	release_memory(scratch);
	room += room / 4;
	scratch->memory = scratch->allocator->alloc(scratch->allocator->state,
												room);
	if (scratch->memory != NULL)
		scratch->room = room;
	return scratch->memory;
}

void
gstore_scratch_free(GstoreScratch *scratch)
{
	release_memory(scratch);
	for (uint32 i = 0; i < scratch->nchildren; i++)
		gstore_scratch_free(&scratch->children[i]);
	if (scratch->children != NULL)
		scratch->allocator->free(scratch->allocator->state, scratch->children);
	scratch->children = NULL;
	scratch->nchildren = 0;
}

static void
copy_text(char *target, size_t room, const char *text)
{
	size_t length = Min(strlen(text), room - 1);

	memcpy(target, text, length);
	target[length] = '\0';
}

GstoreCodecStatus
gstore_codec_fail(GstoreCodecError *error, GstoreCodecStatus status,
				  int column, const char *message, const char *hint)
{
	error->column = column;
	error->row = 0;
	copy_text(error->message, sizeof(error->message), message);
	copy_text(error->hint, sizeof(error->hint), hint);
	return status;
}

GstoreCodecStatus
gstore_codec_corrupt(GstoreCodecError *error, int column,
					 const char *message)
{
	return gstore_codec_fail(error, GSTORE_CODEC_CORRUPT, column, message,
							 "A program that mapped the exported memory may have overwritten it.");
}

void
gstore_builder_write(const GstoreCodec *codec, GstoreBuilder *builder,
					 void *image)
{
	codec->write_header(builder, image);
	for (int i = 0; i < codec->builder_schema(builder)->ncols; i++)
		codec->write_column(builder, i, image);
}

const GstoreCodec *
gstore_codec(GstoreFormat format)
{
	switch (format)
	{
		case GSTORE_FORMAT_PGSTROM:
			return &gstore_pgstrom_codec;
		case GSTORE_FORMAT_ARROW:
			return &gstore_arrow_codec;
	}
	return NULL;
}
