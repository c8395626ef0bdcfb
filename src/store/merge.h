/*
 * merge.h
 *	  Making few large chunks of many small ones, and small ones of those whose
 *	  rows are mostly deleted.
 *
 * Only rows that every snapshot sees are touched, so a merge changes nothing
 * anybody could notice but row addresses.  It works on pinned chunks beside
 * everyone, and swaps the chunk list only if it gets the table's writer lock
 * without waiting (then no statement holds row addresses) and no source
 * changed meanwhile; else it throws its work away.
 */
#ifndef GSTORE_MERGE_H
#define GSTORE_MERGE_H

#include "store/table.h"

/*
 * Merge one run of chunks of a table, if there is one worth it; image_bytes is
 * the size that chunks aim at.  eager: two chunks are worth it, and any with
 * deleted rows.  Returns whether it merged: false if there was nothing to do, or
 * the work was thrown away.  won is by how much the images shrank.  The caller
 * keeps the table from going away, and must be able to raise.
 */
extern bool gstore_merge_table(GstoreTable *table, uint64 image_bytes,
							   bool eager, int64 *won);

#endif
