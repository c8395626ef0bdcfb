/*
 * build.h
 *	  Chunks made of chunks: what merging, copying and joining have in common.
 */
#ifndef GSTORE_BUILD_H
#define GSTORE_BUILD_H

#include "store/chunk.h"

/* What a chunk is made of. */
typedef struct GstoreBuildSource
{
	const GstoreChunk *chunk;	/* pinned */
	const GstoreSchema *schema; /* it was written with */
	uint8 *keep;				/* its rows to take (LSB first); NULL: all */
} GstoreBuildSource;

typedef struct GstoreBuild
{
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	int pinning;
	uint32 nranges;		 /* of the new chunk, for the caller to fill */
	bool shareable;		 /* it is to be shared with other processes: no
						  * bounds */
	bool for_export;	 /* all there is goes into one image */
	GstoreTable *table;	 /* whose images they are */
	GstoreShelf *shelf;	 /* its, for an image that is small; NULL: in memory of
						  * its own */
	const char *relname; /* names the table in the codec's errors */
	const char *purpose; /* "merging chunks" */
	const GstoreBuildSource *sources;
	uint32 nsources;
} GstoreBuild;

/*
 * A chunk that only the caller knows, of the rows to take in the order of the
 * sources; NULL: there is none.  Its location, and what follows from its image,
 * are filled.  In the current memory context, which the caller deletes.
 */
extern GstoreChunk *gstore_build_chunk(const GstoreBuild *build,
									   GstoreHold **hold);

/* Raise 54000 where a chunk has no room for so many rows. */
extern void gstore_build_check_rows(uint64 rows);

#endif
