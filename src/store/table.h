/*
 * table.h
 *	  The chunk list of a table: what a snapshot sees of it, taking from it.
 *	  Adding to it is publish.h.
 */
#ifndef GSTORE_TABLE_H
#define GSTORE_TABLE_H

#include "store/chunk.h"
#include "store/schema.h"

/* One chunk as a snapshot sees it. */
typedef struct GstoreSeenChunk
{
	GstoreChunk *chunk; /* pinned */
	const GstoreSchemaStamp *stamp;
	uint32 seen_rows; /* rows the snapshot sees */
	uint8 *hidden;	  /* bitmap (LSB first) of rows it does not see;
								 * NULL: it sees all */
	/* as they were when the set was taken; see gstore_seen_set_take */
	dsa_pointer deletions;
	GstoreStamp xmax;
} GstoreSeenChunk;

/* The chunks a snapshot sees of a table, pinned until released. */
typedef struct GstoreSeenSet
{
	GstoreHold *hold;
	uint32 npinned; /* chunks[0 .. npinned - 1] are pinned */
	uint32 nchunks; /* of them are seen, and come first */
	GstoreSeenChunk *chunks;
	MemoryContext context; /* child of TopMemoryContext: all of this */
} GstoreSeenSet;

/*
 * Pin what the snapshot sees.  With a relation, conflicts are reported for
 * serializable transactions.  An error releases the pins.  Raises 58030 naming
 * the table if a seen chunk was lost with its device.  table may be NULL: the
 * set is empty.
 */
extern GstoreSeenSet *gstore_seen_set_take(GstoreTable *table,
										   Snapshot snapshot,
										   Relation relation);
extern void gstore_seen_set_release(GstoreSeenSet *set);

/*
 * What rows a snapshot sees, of the table or of one chunk, in a number that costs
 * nothing for each row: where it is the same again, they are the same.  seed is
 * whatever else they depend on.  Like gstore_seen_set_take() the first reports
 * conflicts, and raises for lost chunks.
 */
extern uint64 gstore_seen_signature(GstoreTable *table, Snapshot snapshot,
									Relation relation, uint64 seed);
extern uint64 gstore_seen_chunk_signature(const GstoreSeenChunk *seen,
										  Snapshot snapshot, uint64 seed);

/* A bitmap of rows, none set, that goes with the context: not to be pfreed. */
extern uint8 *gstore_empty_bitmap(MemoryContext context, uint64 rows);

/*
 * Take back what no one can see: chunks whose inserters all aborted or whose
 * deletion every snapshot sees, aborted deletion vectors; and freeze stamps
 * that everyone sees.  Returns the bytes of the images that were unlinked.
 * Pinned chunks only lose their place in the list.  Raises only when memory
 * cannot be mapped.
 */
extern uint64 gstore_table_reclaim(GstoreTable *table,
								   FullTransactionId horizon);

/* The same for every table, dropped and empty entries included: the keeper's
 * sweep, also called by a backend that is short of memory. */
extern void gstore_reclaim(bool is_keeper);
/* The same for a backend that found its device full. */
extern void gstore_reclaim_for_room(void);

/* ---- for transaction callbacks: neither raise nor allocate ---- */

/* Take this chunk, which the caller has pinned, out of the list. */
extern void gstore_table_unlink(GstoreTable *table, GstoreChunk *chunk);
/* Mark dropped and unlink every chunk; map first, before the callback. */
extern void gstore_table_map(GstoreTable *table);
extern void gstore_table_drop(GstoreTable *table);

#endif
