/*
 * direct.c
 *	  Changes done where the data is, without fetching rows: for now the
 *	  DELETE of everything.
 *
 * Core asks only where no row trigger and no check option wants to see rows.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/plannodes.h"
#include "storage/predicate.h"
#include "utils/rel.h"

#include "fdw/columns.h"
#include "fdw/routine.h"
#include "fdw/statement.h"
#include "store/deleter.h"
#include "store/pending.h"

typedef struct DirectState
{
	GstoreTarget *target;
	Snapshot snapshot;
	bool done;
} DirectState;

/* The scan below a ModifyTable node, past a projection that adds nothing. */
static ForeignScan *
scan_of(ModifyTable *plan, int subplan_index)
{
	Plan *subplan = outerPlan(plan);

	if (IsA(subplan, Append) &&
		subplan_index < list_length(((Append *) subplan)->appendplans))
		subplan = list_nth(((Append *) subplan)->appendplans, subplan_index);
	return IsA(subplan, ForeignScan) ? (ForeignScan *) subplan : NULL;
}

static bool
plan_direct_modify(PlannerInfo *root, ModifyTable *plan, Index result_relation,
				   int subplan_index)
{
	ForeignScan *scan = scan_of(plan, subplan_index);

	(void) root;
	if (plan->operation != CMD_DELETE || plan->returningLists != NIL ||
		scan == NULL || scan->scan.scanrelid != result_relation ||
		scan->scan.plan.qual != NIL || scan->fdw_recheck_quals != NIL)
		return false;
	scan->operation = CMD_DELETE;
	scan->resultRelation = result_relation;
	return true;
}

static void
begin_direct_modify(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState *estate = node->ss.ps.state;
	Relation relation = node->resultRelInfo->ri_RelationDesc;
	DirectState *state = palloc0(sizeof(DirectState));

	node->fdw_state = state;
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	gstore_lock_for_writing(RelationGetRelid(relation));
	if (!gstore_statement_target(estate, plan->resultRelation,
								 &state->snapshot))
		elog(ERROR, "relation %u is no target of its statement",
			 plan->resultRelation);
	CheckForSerializableConflictIn(relation, NULL, InvalidBlockNumber);
	state->target = gstore_target(relation);
}

static TupleTableSlot *
iterate_direct_modify(ForeignScanState *node)
{
	DirectState *state = node->fdw_state;
	EState *estate = node->ss.ps.state;
	Relation relation = node->resultRelInfo->ri_RelationDesc;
	GstoreSeenSet *set;
	uint64 deleted;

	if (state->done)
		return ExecClearTuple(node->ss.ss_ScanTupleSlot);

	gstore_pending_flush(state->target->relid);
	PredicateLockRelation(relation, state->snapshot);
	set = gstore_seen_set_take(gstore_table_find(state->target->relid),
							   state->snapshot, relation);
	deleted = gstore_delete_seen(state->target, set, state->snapshot);
	gstore_seen_set_release(set);
	state->done = true;
	estate->es_processed += deleted;
	if (node->ss.ps.instrument)
		node->ss.ps.instrument->tuplecount += deleted;
	return ExecClearTuple(node->ss.ss_ScanTupleSlot);
}

static void
end_direct_modify(ForeignScanState *node)
{
	if (node->fdw_state != NULL)
		gstore_statement_end_scan(node->ss.ps.state);
}

void
gstore_direct_callbacks(FdwRoutine *routine)
{
	routine->PlanDirectModify = plan_direct_modify;
	routine->BeginDirectModify = begin_direct_modify;
	routine->IterateDirectModify = iterate_direct_modify;
	routine->EndDirectModify = end_direct_modify;
}
