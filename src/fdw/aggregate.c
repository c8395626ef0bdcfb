/*
 * aggregate.c
 *	  The scan node that returns groups instead of rows.
 *
 * The engine goes over the windows of the foreign scan in the outer plan, or over
 * the groups of a node like this one there; that plan is not run then.  Where the
 * engine cannot do it, the outer plan is: its rows have the same columns, keys
 * first, then aggregates.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "exec/exec.h"
#include "fdw/extremes.h"
#include "fdw/groups.h"
#include "fdw/kernels.h"
#include "fdw/plan.h"
#include "fdw/pushdown.h"
#include "fdw/scan.h"
#include "fdw/upper.h"
#include "guc.h"

typedef struct AggregateState
{
	ForeignScanState *node;
	ForeignScanState *below; /* in the outer plan: a table's scan, or a node
							  * that groups */
	GstoreGroupForm form;
	List *over;			   /* what exprs are, of the results of below */
	MemoryContext context; /* of the program, its engine and the groups */
	GstoreProgram *program;
	GstoreEngine *engine;		  /* NULL before the first row, and where it is not
							 * needed */
	GstoreGroupRows *rows;		  /* NULL before the first row */
	GstoreAggregateState *counts; /* one group, of counted rows alone */
	bool started;
	bool falls_back; /* the outer plan is run */
	int threads;
	GstoreEngineUse use;
	bool no_kernels; /* they were refused */
	GstoreKernelUse kernel_use;
} AggregateState;

/* The foreign scan in the outer plan that is not between others. */
static ForeignScanState *
find_scan(PlanState *node)
{
	while (node != NULL && !IsA(node, ForeignScanState))
		node = IsA(node, SubqueryScanState) ? ((SubqueryScanState *) node)->subplan
											: outerPlanState(node);
	if (node == NULL)
		elog(ERROR, "an aggregate of a foreign table has no scan");
	return (ForeignScanState *) node;
}

void
gstore_aggregate_begin(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	AggregateState *state = palloc0(sizeof(AggregateState));
	GstoreGroupForm *form = &state->form;
	ListCell *cell;

	(void) eflags;
	node->fdw_state = state;
	state->node = node;
	form->nkeys = intVal(linitial(plan->fdw_private));
	state->over = lsecond(plan->fdw_private);
	state->below = find_scan(outerPlanState(node));
	foreach(cell, plan->fdw_scan_tlist)
		form->exprs = lappend(form->exprs, lfirst_node(TargetEntry, cell)->expr);
	form->states = palloc0((list_length(form->exprs) + 1) *
						   sizeof(GstoreStateNumbers));
	form->forms = palloc0((list_length(form->exprs) + 1) *
						  sizeof(GstoreResultForm));
	foreach(cell, form->exprs)
		form->forms[foreach_current_index(cell)] =
			gstore_result_form(lfirst(cell));
}

/* Of conditions, and of exprs or what stands for them. */
static GstoreProgram *
compile_program(AggregateState *state, List *quals, List *exprs, Index varno,
				bool narrow)
{
	return gstore_program_compile_aggregate(quals,
											list_copy_head(exprs, state->form.nkeys),
											list_copy_tail(exprs, state->form.nkeys),
											varno, &state->below->ss.ps, narrow,
											state->form.states);
}

/* Is the number of rows all that is asked for? */
static bool
only_counts(const AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->below->ss.ps.plan;
	ListCell *cell;

	if (state->form.nkeys > 0 || plan->fdw_recheck_quals != NIL)
		return false;
	foreach(cell, state->form.exprs)
	{
		const Aggref *aggref = lfirst_node(Aggref, cell);

		if (gstore_aggregate_kind(aggref) != GSTORE_AGGREGATE_COUNT ||
			gstore_aggregate_argument(aggref) != NULL ||
			aggref->aggfilter != NULL)
			return false;
	}
	return true;
}

/* That the catalogue knows. */
static void
count_rows(AggregateState *state)
{
	int n = list_length(state->form.exprs);

	state->counts = palloc0(Max(1, n) * sizeof(GstoreAggregateState));
	for (int i = 0; i < n; i++)
	{
		state->counts[i].count = gstore_scan_rows(state->below);
		state->form.states[i].values = (uint16) i;
	}
}

/* Of a whole table, min and max need a few blocks; NULL: all blocks are needed. */
static GstoreExtremes *
find_extremes(const AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->below->ss.ps.plan;
	Snapshot snapshot;

	if (!gstore_guc_enable_pruning || state->form.nkeys > 0 ||
		plan->fdw_recheck_quals != NIL)
		return NULL;
	return gstore_extremes_make(state->form.exprs,
								gstore_scan_set(state->below, &snapshot));
}

/* Let the engine have all rows, or as many as it takes until it fails; those on
 * a GPU kernels, where they can.  *refused: they did not after all. */
static GstoreEngineStatus
run_program(AggregateState *state, bool *refused)
{
	GstoreScanInput input;
	GstoreExtremes *extremes;
	GstoreKernels *kernels = NULL;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	instr_time start;
	instr_time end;

	state->threads = gstore_exec_threads();
	state->engine = gstore_exec_engine(state->program, get_hash_memory_limit());
	gstore_scan_open(state->below, state->program, &input);
	extremes = find_extremes(state);
	if (extremes != NULL)
		gstore_scan_prune(state->below, gstore_extremes_want, extremes);
	if (!state->no_kernels)
		kernels = gstore_kernels_begin(&input, gstore_scan_device(state->below),
									   get_hash_memory_limit(),
									   &state->kernel_use);
	*refused = false;
	while (status == GSTORE_ENGINE_OK && !*refused && gstore_scan_next(&input))
	{
		CHECK_FOR_INTERRUPTS();
		if (input.window->in_place)
		{
			*refused = !gstore_kernels_add(kernels, state->engine, &status);
			continue;
		}
		INSTR_TIME_SET_CURRENT(start);
		status = gstore_engine_aggregate(state->engine, &input.rows);
		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_ACCUM_DIFF(state->use.time, end, start);
		state->use.bytes += input.bytes;
	}
	if (extremes != NULL)
		gstore_scan_prune(state->below, NULL, NULL);
	if (kernels != NULL && status == GSTORE_ENGINE_OK && !*refused)
		*refused = !gstore_kernels_finish(kernels, state->engine, &status);
	INSTR_TIME_SET_CURRENT(start);
	if (status == GSTORE_ENGINE_OK && !*refused)
		status = gstore_engine_finish(state->engine);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(state->use.time, end, start);
	if (status == GSTORE_ENGINE_CANCELLED || status == GSTORE_ENGINE_OUT_OF_MEMORY)
		gstore_exec_check(state->engine, status, input.relname);
	return status;
}

/* As it was before the engine. */
static void
forget(AggregateState *state)
{
	if (state->context != NULL)
		MemoryContextReset(state->context);
	state->program = NULL;
	state->engine = NULL;
	state->rows = NULL;
	state->counts = NULL;
}

/* Is it worth trying again with numerics of 128 bits? */
static bool
was_too_narrow(const AggregateState *state, GstoreEngineStatus status)
{
	return status == GSTORE_ENGINE_STATE &&
		   gstore_program_is_narrow(state->program) &&
		   gstore_engine_error_state(state->engine) == GSTORE_STATE_BEYOND;
}

/* Aggregate a table; false: the engine cannot.  Numerics are computed in 64 bits
 * first, and in 128 where that was not enough. */
static bool
aggregate_rows(AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->below->ss.ps.plan;

	if (only_counts(state))
	{
		count_rows(state);
		return true;
	}
	for (int wide = 0; wide <= 1;)
	{
		GstoreEngineStatus status;
		bool refused;

		state->program = compile_program(state, plan->fdw_recheck_quals,
										 state->form.exprs,
										 plan->scan.scanrelid, !wide);
		if (state->program == NULL)
			return false;
		status = run_program(state, &refused);
		if (refused)
		{
			/* all over again, without them */
			state->no_kernels = true;
			gstore_scan_close(state->below);
			forget(state);
			continue;
		}
		if (status == GSTORE_ENGINE_OK)
			return true;
		if (!was_too_narrow(state, status))
			return false;
		forget(state);
		wide++;
	}
	return false;
}

static bool start(AggregateState *state);

/* Aggregate the groups of the node below, where its engine has them. */
static bool
aggregate_groups(AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->below->ss.ps.plan;
	AggregateState *inner = state->below->fdw_state;
	GstoreGroupColumn *columns;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	if (!start(inner) || inner->engine == NULL || plan->scan.plan.qual != NIL)
		return false;
	columns = gstore_results_columns(inner->form.exprs, inner->form.nkeys,
									 inner->program, inner->form.states);
	state->threads = gstore_exec_threads();
	for (int wide = 0; wide <= 1; wide++)
	{
		state->program =
			compile_program(state,
							(List *) gstore_results_typed((Node *) plan->fdw_recheck_quals,
														  columns),
							(List *) gstore_results_typed((Node *) state->over,
														  columns),
							INDEX_VAR, !wide);
		if (state->program == NULL)
			return false;
		state->engine = gstore_exec_engine(state->program,
										   get_hash_memory_limit());
		status = gstore_engine_aggregate_groups(state->engine, inner->engine,
												columns);
		if (status == GSTORE_ENGINE_OK)
			status = gstore_engine_finish(state->engine);
		if (status == GSTORE_ENGINE_CANCELLED ||
			status == GSTORE_ENGINE_OUT_OF_MEMORY)
			gstore_exec_check(state->engine, status, "");
		if (!was_too_narrow(state, status))
			break;
	}
	return status == GSTORE_ENGINE_OK;
}

/* The node below hears of changed parameters, as it would if the nodes between
 * were run. */
static void
pass_parameters(PlanState *outer, PlanState *below)
{
	PlanState *node = outer;

	while (node != NULL)
	{
		if (node->chgParam != NULL)
			ExecReScan(node);
		if (node == below)
			return;
		node = IsA(node, SubqueryScanState) ? ((SubqueryScanState *) node)->subplan
											: outerPlanState(node);
	}
}

/* Aggregate; false: the outer plan has to. */
static bool
start(AggregateState *state)
{
	PlanState *node = &state->node->ss.ps;
	MemoryContext old;

	if (state->started)
		return !state->falls_back;
	old = MemoryContextSwitchTo(node->state->es_query_cxt);
	pass_parameters(outerPlanState(node), &state->below->ss.ps);
	if (state->context == NULL)
		state->context = AllocSetContextCreate(CurrentMemoryContext,
											   "gstore aggregate",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(state->context);
	state->falls_back = !(gstore_is_upper(state->below)
							  ? aggregate_groups(state)
							  : aggregate_rows(state));
	MemoryContextSwitchTo(old);
	state->started = true;
	if (state->falls_back)
	{
		forget(state);
		if (!gstore_is_upper(state->below))
			gstore_scan_close(state->below);
	}
	return !state->falls_back;
}

/* The one row of counts alone; false: it was given. */
static bool
store_counts(AggregateState *state, TupleTableSlot *slot)
{
	const GstoreAggregateState *counts = state->counts;

	if (counts == NULL)
		return false;
	state->counts = NULL;
	for (int i = 0; i < list_length(state->form.exprs); i++)
		slot->tts_values[i] =
			gstore_aggregate_result(&state->form.forms[i], counts,
									state->form.states[i], NULL,
									&slot->tts_isnull[i]);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* The table at the bottom, if others may have written to its memory. */
static const char *
exposed_table(const AggregateState *state)
{
	while (gstore_is_upper(state->below))
		state = state->below->fdw_state;
	return gstore_scan_is_exposed(state->below)
			   ? RelationGetRelationName(state->below->ss.ss_currentRelation)
			   : NULL;
}

/* The next group; *recheck: PostgreSQL decides whether it is one.  False: there
 * is none. */
static bool
next_group(AggregateState *state, TupleTableSlot *slot, bool *recheck)
{
	ForeignScan *plan = (ForeignScan *) state->node->ss.ps.plan;
	MemoryContext old;

	*recheck = true;
	if (state->engine == NULL)
		return store_counts(state, slot);
	if (state->rows == NULL)
	{
		old = MemoryContextSwitchTo(state->context);
		state->form.exposed = exposed_table(state);
		state->rows = gstore_group_rows_begin(&state->form, state->engine,
											  state->program,
											  plan->fdw_recheck_quals,
											  &state->node->ss.ps);
		MemoryContextSwitchTo(old);
	}
	return gstore_group_rows_next(state->rows, slot, recheck);
}

/* A row of the outer plan, whose values stay where they are until its next. */
static TupleTableSlot *
borrow_row(TupleTableSlot *slot, TupleTableSlot *below)
{
	int natts = slot->tts_tupleDescriptor->natts;

	slot_getallattrs(below);
	memcpy(slot->tts_values, below->tts_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, below->tts_isnull, natts * sizeof(bool));
	return ExecStoreVirtualTuple(slot);
}

/* The next row, whatever makes it. */
static bool
next_row(AggregateState *state, TupleTableSlot *slot, bool *recheck)
{
	PlanState *node = &state->node->ss.ps;
	TupleTableSlot *below;
	MemoryContext old;

	if (!state->falls_back)
		return next_group(state, slot, recheck);
	/* A plan node expects the query's memory, not a row's. */
	old = MemoryContextSwitchTo(node->state->es_query_cxt);
	below = ExecProcNode(outerPlanState(node));
	MemoryContextSwitchTo(old);
	*recheck = true;
	if (TupIsNull(below))
		return false;
	borrow_row(slot, below);
	return true;
}

/* Is it one that HAVING wants? */
static bool
is_wanted(ForeignScanState *node, TupleTableSlot *slot)
{
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	if (node->fdw_recheck_quals == NULL)
		return true;
	econtext->ecxt_scantuple = slot;
	return ExecQual(node->fdw_recheck_quals, econtext);
}

TupleTableSlot *
gstore_aggregate_iterate(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	bool recheck;

	(void) start(state);
	ExecClearTuple(slot);
	while (next_row(state, slot, &recheck))
	{
		if (!recheck || is_wanted(node, slot))
			return slot;
		ResetExprContext(node->ss.ps.ps_ExprContext);
		ExecClearTuple(slot);
	}
	return slot;
}

void
gstore_aggregate_rescan(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;

	forget(state);
	state->started = state->falls_back = false;
}

void
gstore_aggregate_end(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;

	if (state != NULL && state->context != NULL)
		MemoryContextDelete(state->context);
}

/* What of HAVING is evaluated over the groups. */
static void
explain_having(ForeignScanState *node, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List *context;

	if (plan->fdw_recheck_quals == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
	ExplainPropertyText("Pushed Filter",
						deparse_expression((Node *) make_ands_explicit(plan->fdw_recheck_quals),
										   context, es->verbose, false),
						es);
}

void
gstore_aggregate_explain(ForeignScanState *node, ExplainState *es)
{
	AggregateState *state = node->fdw_state;

	explain_having(node, es);
	if (!es->analyze)
		return;
	ExplainPropertyBool("Left to PostgreSQL", state->falls_back, es);
	if (state->falls_back)
		return;
	if (es->verbose)
		ExplainPropertyInteger("Threads", NULL, state->threads, es);
	if (gstore_is_upper(state->below))
		return;
	gstore_engine_use_explain(&state->use, es);
	gstore_kernels_explain(&state->kernel_use, es);
	gstore_scan_explain_input(state->below, es);
}
