/*
 * aggregate.c
 *	  The scan node that returns groups instead of rows.
 *
 * The engine goes over the windows of the foreign scan in the outer plan, which
 * is not run then.  Where the engine cannot do it, the outer plan is: its rows
 * have the same columns, keys first, then aggregates.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "exec/exec.h"
#include "fdw/extremes.h"
#include "fdw/kernels.h"
#include "fdw/plan.h"
#include "fdw/pushdown.h"
#include "fdw/scan.h"
#include "fdw/sound.h"
#include "fdw/upper.h"
#include "guc.h"

typedef struct AggregateState
{
	ForeignScanState *scan; /* in the outer plan */
	int nkeys;
	List *exprs;				  /* keys, then Aggrefs, of the node's rows */
	GstoreStateNumbers *states;	  /* by Aggref */
	GstoreResultForm *forms;	  /* by element of exprs */
	MemoryContext context;		  /* of the program, its engine and the groups */
	GstoreEngine *engine;		  /* NULL before the first row, and where it is not
							* needed */
	GstoreAggregateState *counts; /* one group, of counted rows alone */
	bool started;
	bool falls_back; /* the outer plan is run */
	int threads;
	GstoreEngineUse use;
	bool no_kernels; /* they were refused */
	GstoreKernelUse kernel_use;
} AggregateState;

/* The foreign scan at the bottom of the outer plan. */
static ForeignScanState *
find_scan(PlanState *node)
{
	while (node != NULL && !IsA(node, ForeignScanState))
		node = outerPlanState(node);
	if (node == NULL)
		elog(ERROR, "an aggregate of a foreign table has no scan");
	return (ForeignScanState *) node;
}

void
gstore_aggregate_begin(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	AggregateState *state = palloc0(sizeof(AggregateState));
	ListCell *cell;

	(void) eflags;
	node->fdw_state = state;
	state->nkeys = intVal(linitial(plan->fdw_private));
	state->scan = find_scan(outerPlanState(node));
	foreach(cell, plan->fdw_scan_tlist)
		state->exprs = lappend(state->exprs,
							   lfirst_node(TargetEntry, cell)->expr);
	state->states = palloc0((list_length(state->exprs) + 1) *
							sizeof(GstoreStateNumbers));
	state->forms = palloc0((list_length(state->exprs) + 1) *
						   sizeof(GstoreResultForm));
	foreach(cell, state->exprs)
		state->forms[foreach_current_index(cell)] =
			gstore_result_form(lfirst(cell));
}

static GstoreProgram *
compile_program(AggregateState *state, bool narrow)
{
	ForeignScan *plan = (ForeignScan *) state->scan->ss.ps.plan;
	List *keys = list_copy_head(state->exprs, state->nkeys);
	List *aggrefs = list_copy_tail(state->exprs, state->nkeys);

	return gstore_program_compile_aggregate(plan->fdw_recheck_quals, keys,
											aggrefs, plan->scan.scanrelid,
											&state->scan->ss.ps, narrow,
											state->states);
}

/* Is the number of rows all that is asked for? */
static bool
only_counts(const AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->scan->ss.ps.plan;
	ListCell *cell;

	if (state->nkeys > 0 || plan->fdw_recheck_quals != NIL)
		return false;
	foreach(cell, state->exprs)
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
	int n = list_length(state->exprs);

	state->counts = palloc0(Max(1, n) * sizeof(GstoreAggregateState));
	for (int i = 0; i < n; i++)
	{
		state->counts[i].count = gstore_scan_rows(state->scan);
		state->states[i].values = (uint16) i;
	}
}

/* Of a whole table, min and max need a few blocks; NULL: all blocks are needed. */
static GstoreExtremes *
find_extremes(const AggregateState *state)
{
	ForeignScan *plan = (ForeignScan *) state->scan->ss.ps.plan;
	Snapshot snapshot;

	if (!gstore_guc_enable_pruning || state->nkeys > 0 ||
		plan->fdw_recheck_quals != NIL)
		return NULL;
	return gstore_extremes_make(state->exprs,
								gstore_scan_set(state->scan, &snapshot));
}

/* Let the engine have all rows, or as many as it takes until it fails; those on
 * a GPU kernels, where they can.  *refused: they did not after all. */
static GstoreEngineStatus
run_program(AggregateState *state, const GstoreProgram *program, bool *refused)
{
	GstoreScanInput input;
	GstoreExtremes *extremes;
	GstoreKernels *kernels = NULL;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	instr_time start;
	instr_time end;

	state->threads = gstore_exec_threads();
	state->engine = gstore_exec_engine(program, get_hash_memory_limit());
	gstore_scan_open(state->scan, program, &input);
	extremes = find_extremes(state);
	if (extremes != NULL)
		gstore_scan_prune(state->scan, gstore_extremes_want, extremes);
	if (!state->no_kernels)
		kernels = gstore_kernels_begin(&input, gstore_scan_device(state->scan),
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
		gstore_scan_prune(state->scan, NULL, NULL);
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

/* Aggregate; false: the engine cannot.  Numerics are computed in 64 bits first,
 * and in 128 where that was not enough. */
static bool
aggregate_rows(AggregateState *state)
{
	if (only_counts(state))
	{
		count_rows(state);
		return true;
	}
	for (int wide = 0; wide <= 1;)
	{
		GstoreProgram *program = compile_program(state, !wide);
		GstoreEngineStatus status;
		bool refused;

		if (program == NULL)
			return false;
		status = run_program(state, program, &refused);
		if (refused)
		{
			/* all over again, without them */
			state->no_kernels = true;
			gstore_scan_close(state->scan);
			MemoryContextReset(state->context);
			state->engine = NULL;
			continue;
		}
		if (status == GSTORE_ENGINE_OK)
			return true;
		if (status != GSTORE_ENGINE_STATE || !gstore_program_is_narrow(program) ||
			gstore_engine_error_state(state->engine) != GSTORE_STATE_BEYOND)
			return false;
		MemoryContextReset(state->context);
		state->engine = NULL;
		wide++;
	}
	return false;
}

/* The scan below hears of changed parameters, as it would if the nodes between
 * were run. */
static void
pass_parameters(PlanState *outer, PlanState *scan)
{
	for (PlanState *node = outer; node != NULL; node = outerPlanState(node))
		if (node->chgParam != NULL)
		{
			ExecReScan(node);
			if (node == scan)
				return;
		}
}

/* Aggregate, or find that the outer plan has to. */
static void
start(AggregateState *state, PlanState *outer)
{
	MemoryContext old;

	pass_parameters(outer, &state->scan->ss.ps);
	if (state->context == NULL)
		state->context = AllocSetContextCreate(CurrentMemoryContext,
											   "gstore aggregate",
											   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(state->context);
	state->falls_back = !aggregate_rows(state);
	MemoryContextSwitchTo(old);
	state->started = true;
	if (state->falls_back)
	{
		MemoryContextReset(state->context);
		state->engine = NULL;
		gstore_scan_close(state->scan);
	}
}

/* The next group; false at the end. */
static bool
next_group(AggregateState *state, const GstoreGroupKey **keys,
		   const GstoreAggregateState **states)
{
	if (state->engine != NULL)
		return gstore_engine_next_group(state->engine, keys, states);
	*keys = NULL;
	*states = state->counts;
	state->counts = NULL;
	return *states != NULL;
}

static bool
is_text(const GstoreResultForm *form)
{
	return form->type == TEXTOID || form->type == VARCHAROID ||
		   form->type == BPCHAROID;
}

static void
store_group(AggregateState *state, const GstoreGroupKey *keys,
			const GstoreAggregateState *states, TupleTableSlot *slot)
{
	int n = list_length(state->exprs);
	bool exposed = gstore_scan_is_exposed(state->scan);

	for (int i = 0; i < state->nkeys; i++)
	{
		slot->tts_values[i] = gstore_key_value(&state->forms[i], &keys[i],
											   &slot->tts_isnull[i]);
		if (exposed && !slot->tts_isnull[i] && is_text(&state->forms[i]) &&
			!gstore_sound_text(slot->tts_values[i]))
			gstore_sound_refuse(NULL, RelationGetRelationName(state->scan->ss.ss_currentRelation));
	}
	for (int i = state->nkeys; i < n; i++)
		slot->tts_values[i] =
			gstore_aggregate_result(&state->forms[i], states,
									state->states[i - state->nkeys],
									&slot->tts_isnull[i]);
	ExecStoreVirtualTuple(slot);
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

TupleTableSlot *
gstore_aggregate_iterate(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	const GstoreGroupKey *keys;
	const GstoreAggregateState *states;
	MemoryContext old;

	if (!state->started)
	{
		old = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
		start(state, outerPlanState(node));
		MemoryContextSwitchTo(old);
	}
	ExecClearTuple(slot);
	if (state->falls_back)
	{
		TupleTableSlot *below;

		/* A plan node expects the query's memory, not a row's. */
		old = MemoryContextSwitchTo(node->ss.ps.state->es_query_cxt);
		below = ExecProcNode(outerPlanState(node));
		MemoryContextSwitchTo(old);
		return TupIsNull(below) ? slot : borrow_row(slot, below);
	}
	if (!next_group(state, &keys, &states))
		return slot;
	/* The executor resets it before it asks for the next row. */
	old = MemoryContextSwitchTo(node->ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
	store_group(state, keys, states, slot);
	MemoryContextSwitchTo(old);
	return slot;
}

void
gstore_aggregate_rescan(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;

	if (state->context != NULL)
		MemoryContextReset(state->context);
	state->engine = NULL;
	state->counts = NULL;
	state->started = state->falls_back = false;
}

void
gstore_aggregate_end(ForeignScanState *node)
{
	AggregateState *state = node->fdw_state;

	if (state != NULL && state->context != NULL)
		MemoryContextDelete(state->context);
}

void
gstore_aggregate_explain(ForeignScanState *node, ExplainState *es)
{
	AggregateState *state = node->fdw_state;

	if (!es->analyze)
		return;
	ExplainPropertyBool("Left to PostgreSQL", state->falls_back, es);
	if (state->falls_back)
		return;
	if (es->verbose)
		ExplainPropertyInteger("Threads", NULL, state->threads, es);
	gstore_engine_use_explain(&state->use, es);
	gstore_kernels_explain(&state->kernel_use, es);
	gstore_scan_explain_input(state->scan, es);
}
