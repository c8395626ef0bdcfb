/*
 * direct.c
 *	  UPDATE and DELETE that happen inside the scan of their table, where the
 *	  engine has decided every condition: no row goes up to the ModifyTable
 *	  node and back, and a DELETE of everything is a mark on each chunk.
 *
 * Core asks only where no row trigger, no check option and no generated column
 * wants to see rows.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "fdw/columns.h"
#include "fdw/modify.h"
#include "fdw/plan.h"
#include "fdw/routine.h"
#include "fdw/scan.h"
#include "store/deleter.h"

/* ri_FdwState; the node's fdw_state is the scan's. */
typedef struct DirectState
{
	GstoreModify *modify;
	bool all; /* every row goes, and nobody asks for it */
	bool can_set_tag;
	List *columns;			/* integer List: those of SET */
	List *values;			/* ExprStates: what they become */
	TupleTableSlot *latest; /* of an UPDATE: the new row */
	bool done;
} DirectState;

/* ---- planning ---- */

/* The scan below a ModifyTable node that only changes what it finds. */
static ForeignScan *
scan_of(ModifyTable *plan, int subplan_index)
{
	Plan *subplan = outerPlan(plan);

	if (IsA(subplan, Append) &&
		subplan_index < list_length(((Append *) subplan)->appendplans))
		subplan = list_nth(((Append *) subplan)->appendplans, subplan_index);
	return IsA(subplan, ForeignScan) ? (ForeignScan *) subplan : NULL;
}

/*
 * Take the values of SET out of the scan's target list, whose shape stays: the
 * executor would compute them once more of the new row.  Which entries are what
 * says the statement's own list, that of a partition is made after.  False if
 * there is more than columns of the row besides.
 */
static bool
take_values(PlannerInfo *root, ForeignScan *scan, List **values)
{
	List *tlist = NIL;
	ListCell *of_statement;
	ListCell *cell;

	*values = NIL;
	if (list_length(root->processed_tlist) !=
		list_length(scan->scan.plan.targetlist))
		return false;
	forboth(of_statement, root->processed_tlist,
			cell, scan->scan.plan.targetlist)
	{
		TargetEntry *model = lfirst_node(TargetEntry, of_statement);
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		Node *expr = (Node *) entry->expr;

		if (!model->resjunk)
			*values = lappend(*values, entry->expr);
		else if (!IsA(expr, Var) && !IsA(expr, Const))
			return false;
		/* the sub-select of SET (a, b) = (SELECT ...) has no name */
		if (!model->resjunk || model->resname == NULL ||
			strcmp(model->resname, "tableoid") != 0)
		{
			entry = flatCopyTargetEntry(entry);
			entry->expr = (Expr *) makeNullConst(exprType(expr),
												 exprTypmod(expr),
												 exprCollation(expr));
		}
		tlist = lappend(tlist, entry);
	}
	scan->scan.plan.targetlist = tlist;
	return true;
}

static bool
plan_direct_modify(PlannerInfo *root, ModifyTable *plan, Index result_relation,
				   int subplan_index)
{
	ForeignScan *scan = scan_of(plan, subplan_index);
	List *columns = NIL;
	List *values;

	if ((plan->operation != CMD_DELETE && plan->operation != CMD_UPDATE) ||
		scan == NULL || scan->scan.scanrelid != result_relation ||
		scan->scan.plan.qual != NIL)
		return false;
	if (plan->operation == CMD_UPDATE)
	{
		columns = list_nth(plan->updateColnosLists, subplan_index);
		/* A row may have to move to another partition. */
		if (plan->partColsUpdated)
			return false;
	}
	if (!take_values(root, scan, &values) ||
		(plan->operation == CMD_UPDATE &&
		 list_length(values) != list_length(columns)))
		return false;
	scan->operation = plan->operation;
	scan->resultRelation = result_relation;
	scan->fdw_exprs = plan->operation == CMD_UPDATE ? values : NIL;
	scan->fdw_private = lappend(scan->fdw_private, columns);
	scan->fdw_private = lappend(scan->fdw_private,
								makeBoolean(plan->canSetTag));
	return true;
}

/* ---- execution ---- */

static void
begin_direct_modify(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	EState *estate = node->ss.ps.state;
	ResultRelInfo *rinfo = node->resultRelInfo;
	DirectState *state = palloc0(sizeof(DirectState));

	rinfo->ri_FdwState = state;
	gstore_scan_begin(node, eflags);
	state->columns = list_nth(plan->fdw_private, GSTORE_SCAN_SET);
	state->can_set_tag = boolVal(list_nth(plan->fdw_private,
										  GSTORE_SCAN_CAN_SET_TAG));
	state->all = plan->operation == CMD_DELETE &&
				 plan->fdw_recheck_quals == NIL &&
				 rinfo->ri_projectReturning == NULL;
	state->values = ExecInitExprList(plan->fdw_exprs, &node->ss.ps);
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	if (plan->operation == CMD_UPDATE)
		state->latest = ExecInitExtraTupleSlot(estate,
											   RelationGetDescr(rinfo->ri_RelationDesc),
											   &TTSOpsVirtual);
	state->modify = gstore_modify_begin(estate, rinfo, plan->operation);
}

/* The row that an UPDATE makes of one that it found. */
static TupleTableSlot *
new_row(ForeignScanState *node, DirectState *state, TupleTableSlot *old)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;
	TupleTableSlot *slot = state->latest;
	int natts = slot->tts_tupleDescriptor->natts;
	ListCell *column;
	ListCell *value;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, old->tts_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, old->tts_isnull, natts * sizeof(bool));
	econtext->ecxt_scantuple = old;
	forboth(column, state->columns, value, state->values)
	{
		int i = lfirst_int(column) - 1;

		slot->tts_values[i] = ExecEvalExpr(lfirst(value), econtext,
										   &slot->tts_isnull[i]);
	}
	return ExecStoreVirtualTuple(slot);
}

static void
count_rows(ForeignScanState *node, DirectState *state, uint64 rows)
{
	if (state->can_set_tag)
		node->ss.ps.state->es_processed += rows;
}

/* Change the next row and return it as RETURNING is to see it; NULL at the
 * end. */
static TupleTableSlot *
change_next(ForeignScanState *node, DirectState *state)
{
	EState *estate = node->ss.ps.state;
	ResultRelInfo *rinfo = node->resultRelInfo;

	for (;;)
	{
		TupleTableSlot *slot = gstore_scan_iterate(node);
		ItemPointerData tid;

		CHECK_FOR_INTERRUPTS();
		if (TupIsNull(slot))
			return NULL;
		tid = slot->tts_tid;
		if (state->latest != NULL)
		{
			slot = new_row(node, state, slot);
			slot->tts_tableOid = RelationGetRelid(rinfo->ri_RelationDesc);
			if (gstore_modify_update(estate, rinfo, state->modify, &tid, slot))
				return slot;
		}
		else if (gstore_modify_delete(estate, rinfo, state->modify, &tid))
			return slot;
	}
}

static uint64
delete_everything(ForeignScanState *node)
{
	Snapshot snapshot;
	GstoreSeenSet *set = gstore_scan_set(node, &snapshot);

	return gstore_delete_seen(gstore_target(node->ss.ss_currentRelation), set,
							  snapshot);
}

static uint64
change_all(ForeignScanState *node, DirectState *state)
{
	EState *estate = node->ss.ps.state;
	uint64 rows = 0;

	while (change_next(node, state) != NULL)
	{
		rows++;
		ResetExprContext(node->ss.ps.ps_ExprContext);
		ResetPerTupleExprContext(estate);
	}
	return rows;
}

static TupleTableSlot *
iterate_direct_modify(ForeignScanState *node)
{
	ResultRelInfo *rinfo = node->resultRelInfo;
	DirectState *state = rinfo->ri_FdwState;
	TupleTableSlot *slot = NULL;

	if (state->done)
		return ExecClearTuple(node->ss.ss_ScanTupleSlot);
	if (rinfo->ri_projectReturning != NULL)
		slot = change_next(node, state);
	if (slot != NULL)
	{
		rinfo->ri_projectReturning->pi_exprContext->ecxt_scantuple = slot;
		count_rows(node, state, 1);
		return node->ss.ss_ScanTupleSlot;
	}
	state->done = true;
	if (rinfo->ri_projectReturning == NULL)
	{
		uint64 rows = state->all ? delete_everything(node)
								 : change_all(node, state);

		count_rows(node, state, rows);
		if (node->ss.ps.instrument)
			node->ss.ps.instrument->tuplecount += rows;
	}
	return ExecClearTuple(node->ss.ss_ScanTupleSlot);
}

static void
end_direct_modify(ForeignScanState *node)
{
	DirectState *state = node->resultRelInfo->ri_FdwState;

	if (state != NULL && state->modify != NULL)
		gstore_modify_end(state->modify);
	gstore_scan_end(node);
}

/* ---- EXPLAIN ---- */

static void
explain_direct_modify(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	DirectState *state = node->resultRelInfo->ri_FdwState;
	List *context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan,
											 NIL);
	StringInfoData set;
	ListCell *column;
	ListCell *value;

	initStringInfo(&set);
	forboth(column, state->columns, value, plan->fdw_exprs)
		appendStringInfo(&set, "%s%s = %s", set.len > 0 ? ", " : "",
						 quote_identifier(get_attname(RelationGetRelid(node->ss.ss_currentRelation),
													  lfirst_int(column), false)),
						 deparse_expression(lfirst(value), context,
											es->verbose, false));
	if (set.len > 0)
		ExplainPropertyText("Set", set.data, es);
	gstore_scan_explain(node, es);
}

void
gstore_direct_callbacks(FdwRoutine *routine)
{
	routine->PlanDirectModify = plan_direct_modify;
	routine->BeginDirectModify = begin_direct_modify;
	routine->IterateDirectModify = iterate_direct_modify;
	routine->EndDirectModify = end_direct_modify;
	routine->ExplainDirectModify = explain_direct_modify;
}
