/*
 * handover.h
 *	  Filled chunks on their way from the processes that help a table's writer
 *	  (parallel workers) to the writer, which publishes them.
 *
 * Lies in memory that all of them share.  Every helper has a box of a few
 * places.  A place holds a chunk or nothing; the helper puts a chunk there and
 * the writer takes it out, by a compare-and-exchange, and whoever takes it out
 * has it.  Until then it is the helper's, whose end, however it comes, takes it
 * back and frees it; from then on it is the writer's.  So a chunk always belongs
 * to one living process, which has it mapped, and neither has to look after
 * what the other left.
 *
 * A helper whose places are all full waits for the writer, and at its end until
 * they are empty; it has no staging window then.  The writer waits for helpers
 * only when it has nothing else to do.
 */
#ifndef GSTORE_HANDOVER_H
#define GSTORE_HANDOVER_H

#include "storage/condition_variable.h"
#include "store/chunk.h"

/* Chunks of a helper that may wait while the writer is busy. */
#define GSTORE_HANDOVER_PLACES 4

typedef struct GstoreHandoverBox
{
	pg_atomic_uint64 places[GSTORE_HANDOVER_PLACES]; /* dsa_pointer of a
													  * chunk, or 0 */
	pg_atomic_uint32 finished;						 /* 1: nothing more will come; helper */
} GstoreHandoverBox;

typedef struct GstoreHandover
{
	ConditionVariable changed; /* a place or finished has */
	int nboxes;				   /* fixed */
	GstoreHandoverBox boxes[FLEXIBLE_ARRAY_MEMBER];
} GstoreHandover;

extern Size gstore_handover_size(int nboxes);
extern void gstore_handover_init(GstoreHandover *handover, int nboxes);

/* ---- the helper's side ---- */

/* One helper's end, in the current memory context. */
typedef struct GstoreHelper GstoreHelper;

extern GstoreHelper *gstore_helper_begin(GstoreHandover *handover, int box);
/* Put down a chunk that is filled but for its stamps and its schema; its hold
 * ends.  Waits interruptibly while there is no room. */
extern void gstore_helper_post(GstoreHelper *helper, GstoreChunk *chunk,
							   GstoreHold *hold);
/* Nothing more will come: wait until all is taken. */
extern void gstore_helper_end(GstoreHelper *helper);

/* ---- the writer's side ---- */

/* A chunk that waits, and the hold it has from now on; NULL: none does. */
extern GstoreChunk *gstore_handover_take(GstoreHandover *handover,
										 GstoreHold **hold);
/* Have the first so many helpers finished, and is nothing left of theirs? */
extern bool gstore_handover_is_over(GstoreHandover *handover, int nhelpers);
/* Wait until a chunk is there, they are over, or so many milliseconds have
 * passed.  Interruptible. */
extern void gstore_handover_wait(GstoreHandover *handover, int nhelpers,
								 long timeout_ms);

#endif
