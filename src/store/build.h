/*
 * build.h
 *	  Chunks made of chunks: what merging, copying and joining have in common.
 */
#ifndef GSTORE_BUILD_H
#define GSTORE_BUILD_H

#include "store/chunk.h"

/* Where rows are gathered, and what they are called in errors. */
typedef struct GstoreGathering
{
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	GstoreBuilder *builder;
	const char *relname; /* names the table in the codec's errors */
	GstoreTable *table;	 /* whose images they are */
	bool for_export;	 /* all there is goes into one image */
	const char *purpose; /* "merging chunks" */
} GstoreGathering;

/* In the current memory context, which its owner deletes.  The codec, the
 * schema, relname, table, purpose and, if need
 * be, for_export are filled. */
extern void gstore_gathering_begin(GstoreGathering *gathering);

/* Append rows of a pinned chunk that was written with the schema then: those
 * whose bits are set in keep (LSB first), or all where it is NULL. */
extern void gstore_gathering_add(GstoreGathering *gathering,
								 const GstoreChunk *chunk,
								 const GstoreSchema *then,
								 const uint8 *keep);

/* Write what was gathered, at least a row, to its place on the device, and fill
 * in of the chunk what follows from that; bounds are kept.  The table's shelf, or
 * NULL: in memory of its own. */
extern void gstore_gathering_write(GstoreGathering *gathering, int pinning,
								   GstoreShelf *shelf, GstoreChunk *chunk);

#endif
