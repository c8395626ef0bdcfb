/*
 * visibility.c
 *	  PostgreSQL's visibility rules over stamps; see visibility.h.
 *
 * Must never look at rows or chunks: a stamp and a snapshot are all it needs.
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/predicate.h"
#include "storage/procarray.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/visibility.h"

/*
 * A 32-bit xid that some snapshot still cares about is within 2^31 of the
 * next one: its upper half follows.
 */
static uint64
full_xid(TransactionId xid)
{
	uint64 next = U64FromFullTransactionId(ReadNextFullTransactionId());

	return next - (uint32) ((uint32) next - xid);
}

void
gstore_sight_init(GstoreSight *sight, Snapshot snapshot, Relation relation)
{
	sight->snapshot = snapshot;
	sight->xmin = full_xid(snapshot->xmin);
	sight->ssi_relation = relation != NULL &&
								  CheckForSerializableConflictOutNeeded(relation, snapshot)
							  ? relation
							  : NULL;
}

/*
 * We read past something a concurrent transaction did: tell the serializable
 * conflict checks, as heapam does for the tuples it skips.
 */
static void
report_unseen(const GstoreStamp *stamp, const GstoreSight *sight)
{
	if (sight->ssi_relation != NULL &&
		TransactionIdFollowsOrEquals(stamp->top, TransactionXmin) &&
		!TransactionIdIsCurrentTransactionId(stamp->top))
		CheckForSerializableConflictOut(sight->ssi_relation, stamp->top,
										sight->snapshot);
}

bool
gstore_stamp_seen(const GstoreStamp *stamp, const GstoreSight *sight)
{
	GstoreOutcome outcome = gstore_stamp_outcome(stamp);
	TransactionId xid = XidFromFullTransactionId(stamp->xid);
	bool seen;

	if (outcome == GSTORE_FROZEN)
		return true;
	if (outcome == GSTORE_UNSTAMPED || outcome == GSTORE_ABORTED)
		return false;
	if (outcome == GSTORE_COMMITTED &&
		U64FromFullTransactionId(stamp->xid) < sight->xmin)
		return true;
	if (outcome == GSTORE_IN_PROGRESS &&
		TransactionIdIsCurrentTransactionId(xid))
		return stamp->cid < sight->snapshot->curcid;

	/*
	 * In the snapshot means: not finished when it was taken.  Else it had
	 * finished, so that the commit log knows even where the outcome is about
	 * to be recorded.
	 */
	if (XidInMVCCSnapshot(xid, sight->snapshot))
		seen = false;
	else
		seen = outcome == GSTORE_COMMITTED || TransactionIdDidCommit(xid);
	if (!seen)
		report_unseen(stamp, sight);
	return seen;
}

void
gstore_stamp_set(GstoreStamp *stamp, FullTransactionId xid, CommandId cid)
{
	stamp->xid = xid;
	stamp->top = GetTopTransactionId();
	stamp->cid = cid;
	stamp->padding = 0;
	pg_atomic_init_u32(&stamp->outcome, GSTORE_IN_PROGRESS);
}

bool
gstore_stamp_seen_by_all(const GstoreStamp *stamp, FullTransactionId horizon)
{
	GstoreOutcome outcome = gstore_stamp_outcome(stamp);

	return outcome == GSTORE_FROZEN ||
		   (outcome == GSTORE_COMMITTED &&
			FullTransactionIdPrecedes(stamp->xid, horizon));
}

FullTransactionId
gstore_horizon(void)
{
	/* NULL: the horizon of shared relations, which counts every database. */
	return FullTransactionIdFromU64(
		full_xid(GetOldestNonRemovableTransactionId(NULL)));
}
