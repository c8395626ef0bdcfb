/*
 * copy.h
 *	  The rows a snapshot sees of some chunks, in one image that is in no
 *	  table's list.
 */
#ifndef GSTORE_COPY_H
#define GSTORE_COPY_H

#include "store/table.h"
#include "store/writer.h"

/*
 * An image of its own, in memory that can be shared with other processes, of
 * what chunks [first, first + count) of a set have to show, in today's columns
 * and format.  It is the caller's by the hold, or, once that is forgotten, by a
 * pin: gstore_chunk_keep_private.  NULL if there is no row.
 */
extern GstoreChunk *gstore_copy_rows(const GstoreTarget *target,
									 const GstoreSeenSet *set, uint32 first,
									 uint32 count, GstoreHold **hold);

#endif
