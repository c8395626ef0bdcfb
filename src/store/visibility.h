/*
 * visibility.h
 *	  Who did it, whether it committed, and whether a snapshot sees it.
 *
 * A stamp is the mark of one command of one transaction on rows: on a range of
 * a chunk (they were inserted), on a deletion vector or on a whole chunk (they
 * were deleted).  Its outcome is recorded by the transaction itself when it
 * ends, after it left the proc array; until then, and in the moment between,
 * the commit log decides.  Nothing asks the commit log about a xid whose
 * outcome is recorded.
 */
#ifndef GSTORE_VISIBILITY_H
#define GSTORE_VISIBILITY_H

#include "access/transam.h"
#include "port/atomics.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef enum GstoreOutcome
{
	GSTORE_UNSTAMPED = 0, /* no transaction put its mark here */
	GSTORE_IN_PROGRESS,
	GSTORE_COMMITTED,
	GSTORE_ABORTED,
	GSTORE_FROZEN /* committed, and seen by every snapshot */
} GstoreOutcome;

/* Written by the one writer of the table; outcome also by the keeper, which
 * freezes. */
typedef struct GstoreStamp
{
	FullTransactionId xid; /* of the subtransaction that did it */
	TransactionId top;	   /* its top-level transaction, for SSI */
	CommandId cid;
	pg_atomic_uint32 outcome; /* GstoreOutcome */
	uint32 padding;
} GstoreStamp;

/* A snapshot made ready to judge many stamps. */
typedef struct GstoreSight
{
	Snapshot snapshot;
	uint64 xmin;		   /* snapshot->xmin as a full transaction id */
	Relation ssi_relation; /* not NULL: report what we cannot see to the
								 * serializable conflict checks */
} GstoreSight;

/* relation may be NULL: then nothing is reported. */
extern void gstore_sight_init(GstoreSight *sight, Snapshot snapshot,
							  Relation relation);

/* Is what the stamp marks done, as this snapshot sees it? */
extern bool gstore_stamp_seen(const GstoreStamp *stamp,
							  const GstoreSight *sight);

/* Mark for a subtransaction, which need not be the current one. */
extern void gstore_stamp_set(GstoreStamp *stamp, FullTransactionId xid,
							 CommandId cid);

/* Committed and before horizon: no snapshot, now or later, fails to see it. */
extern bool gstore_stamp_seen_by_all(const GstoreStamp *stamp,
									 FullTransactionId horizon);

/* The oldest transaction some snapshot of this cluster may not see yet. */
extern FullTransactionId gstore_horizon(void);

static inline GstoreOutcome
gstore_stamp_outcome(const GstoreStamp *stamp)
{
	return (GstoreOutcome)
		pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &stamp->outcome));
}

#endif
