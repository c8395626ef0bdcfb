/*
 * engine_memory.h
 *	  Inside the engine: memory of tables that may become large.
 *
 * Zeroed, straight from the kernel, in huge pages where it gives them soon: a table
 * of groups is read at random, and small pages would cost a miss of their own each
 * time.
 */
#ifndef GSTORE_ENGINE_MEMORY_H
#define GSTORE_ENGINE_MEMORY_H

#include "port.h"

/* An array that grows without moving. */
typedef struct GstoreSpace
{
	uint8 *data;  /* NULL before the first growth */
	uint64 bytes; /* that may be touched, from the start; */
	uint64 from;  /* and those of [from, to) */
	uint64 to;
	uint64 reserved; /* addresses that are ours */
	bool chosen;	 /* whether huge pages are asked for on */
} GstoreSpace;

/* Addresses for up to limit bytes, none of which takes memory yet.  False: the
 * kernel gives none. */
extern bool gstore_space_reserve(GstoreSpace *space, uint64 limit);
/* Let at least so many bytes be touched; false: no memory, or beyond the limit. */
extern bool gstore_space_grow(GstoreSpace *space, uint64 bytes);
/* Let bytes in [from, to) be touched, too: what was opened before is in there.
 * False: no memory. */
extern bool gstore_space_open(GstoreSpace *space, uint64 from, uint64 to);
extern void gstore_space_release(GstoreSpace *space);

#endif
