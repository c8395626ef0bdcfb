/*
 * space.c
 *	  Memory for arrays that become large; see space.h.
 *
 * Before each piece stands how large it is, in a head of the alignment that all
 * of them have.  Huge pages are not asked for: what is lost is more than what is
 * won, for memory that is filled once needs fresh ones to be cleared.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "codec/space.h"

/* Pieces of at least so many bytes have pages of their own. */
#define LARGE ((size_t) 128 << 10)
#define PAGE ((size_t) 4096)

typedef struct Head
{
	size_t bytes; /* with the head */
	uint8 padding[56];
} Head;

StaticAssertDecl(sizeof(Head) == 64, "pieces keep their alignment");

static size_t
with_head(size_t bytes)
{
	bytes += sizeof(Head);
	return bytes >= LARGE ? GSTORE_ALIGN(bytes, PAGE) : bytes;
}

static void *
space_alloc(void *state, size_t bytes)
{
	size_t wanted = with_head(bytes);
	Head *head;

	(void) state;
	if (wanted < bytes)
		return NULL;
	if (wanted < LARGE)
		head = malloc(wanted);
	else
	{
		head = mmap(NULL, wanted, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (head == MAP_FAILED)
			return NULL;
	}
	if (head == NULL)
		return NULL;
	head->bytes = wanted;
	return head + 1;
}

static void
space_free(void *state, void *memory)
{
	Head *head;

	(void) state;
	if (memory == NULL)
		return;
	head = (Head *) memory - 1;
	if (head->bytes < LARGE)
		free(head);
	else
		munmap(head, head->bytes);
}

static void *
space_resize(void *state, void *memory, size_t bytes)
{
	size_t wanted = with_head(bytes);
	Head *head;
	void *moved;

	if (memory == NULL)
		return space_alloc(state, bytes);
	head = (Head *) memory - 1;
	if (wanted < bytes)
		return NULL;
	if ((head->bytes < LARGE) != (wanted < LARGE))
	{
		moved = space_alloc(state, bytes);
		if (moved == NULL)
			return NULL;
		memcpy(moved, memory, Min(head->bytes - sizeof(Head), bytes));
		space_free(state, memory);
		return moved;
	}
	moved = wanted < LARGE ? realloc(head, wanted)
						   : mremap(head, head->bytes, wanted, MREMAP_MAYMOVE);
	if (moved == NULL || moved == MAP_FAILED)
		return NULL;
	head = moved;
	head->bytes = wanted;
	return head + 1;
}

const GstoreAllocator gstore_space_allocator = {
	space_alloc, space_resize, space_free, NULL, NULL};
