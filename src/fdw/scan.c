/*
 * scan.c
 *	  Row by row out of column windows: the executor's side of a foreign scan.
 *
 * Columns are decoded in batches of GSTORE_BATCH_ROWS into arrays of Datums;
 * by-reference values point into the pinned memory of the window.  Memory: the
 * batch arrays, 9 bytes for each row and column read.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/predicate.h"
#include "utils/rel.h"

#include "codec/arrow.h"
#include "compat.h"
#include "fdw/columns.h"
#include "fdw/form.h"
#include "fdw/plan.h"
#include "fdw/prune.h"
#include "fdw/pushdown.h"
#include "fdw/routine.h"
#include "fdw/rowaddress.h"
#include "fdw/scan.h"
#include "fdw/sound.h"
#include "fdw/statement.h"
#include "fdw/upper.h"
#include "guc.h"
#include "store/codec_context.h"
#include "store/deleter.h"
#include "store/estimate.h"
#include "store/pending.h"
#include "store/window.h"

typedef struct GstoreScanState
{
	Relation relation;
	GstoreTarget *target;
	Snapshot snapshot;
	bool is_target;	  /* the statement changes or locks it */
	bool row_address; /* fill in the ctid */
	int ncolumns;
	AttrNumber *attnums;	  /* [ncolumns] */
	bool *for_filter;		  /* [ncolumns] read only by pushed conditions */
	GstorePushdown *pushdown; /* NULL: nothing is pushed */

	GstoreDeleter *locker; /* of FOR UPDATE under one snapshot; or NULL */
	MemoryContext pruning; /* NULL: no condition to prune blocks by */

	GstoreSeenSet *set; /* NULL until the first row is asked for */
	GstoreWindowScan *windows;
	GstoreWindow *window; /* NULL before the first and after the last */
	uint64 row;			  /* next row of the window */
	uint64 batch_first;	  /* rows of the window that are decoded */
	uint64 batch_end;
	const uint8 *pass;	  /* bitmap of the batch, where conditions are pushed */
	const uint8 *recheck; /* of them, PostgreSQL must decide */
	bool filter_decoded;  /* the columns for_filter are decoded too */
	Datum **values;		  /* [ncolumns][GSTORE_BATCH_ROWS] */
	bool **nulls;
	GstoreAllocator allocator;
	GstoreScratch *scratch; /* [ncolumns] */
	GstoreForm **forms;		/* [ncolumns], NULL until needed */
	bool any_form;			/* the window keeps some column as text */
	GstoreTable *table;		/* NULL: never had a row */
	GstoreSound **sounds;	/* [ncolumns], NULL until needed */
} GstoreScanState;

/* ---- begin ---- */

void
gstore_scan_begin(ForeignScanState *node, int eflags)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List *columns = list_nth(plan->fdw_private, GSTORE_SCAN_COLUMNS);
	List *output = list_nth(plan->fdw_private, GSTORE_SCAN_OUTPUT);
	GstoreScanState *state;
	ListCell *cell;

	state = palloc0(sizeof(GstoreScanState));
	node->fdw_state = state;
	state->relation = node->ss.ss_currentRelation;
	state->row_address = boolVal(list_nth(plan->fdw_private,
										  GSTORE_SCAN_ROW_ADDRESS));
	state->attnums = palloc(Max(1, list_length(columns)) *
							sizeof(AttrNumber));
	state->for_filter = palloc0(Max(1, list_length(columns)) * sizeof(bool));
	foreach(cell, columns)
	{
		AttrNumber attnum = lfirst_int(cell);

		if (!TupleDescAttr(RelationGetDescr(state->relation),
						   attnum - 1)
				 ->attisdropped)
		{
			state->for_filter[state->ncolumns] =
				!list_member_int(output, attnum);
			state->attnums[state->ncolumns++] = attnum;
		}
	}
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;

	/* Workers do not see what this process has staged, and nothing can be
	 * written once they run. */
	if (plan->scan.plan.parallel_safe && !IsInParallelMode())
		gstore_pending_flush(RelationGetRelid(state->relation));
	state->target = gstore_target(state->relation);
	state->snapshot = node->ss.ps.state->es_snapshot;
	state->is_target = gstore_statement_target(node->ss.ps.state,
											   plan->scan.scanrelid,
											   &state->snapshot);
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	if (gstore_is_upper(node))
		gstore_aggregate_begin(node, eflags);
	else
		gstore_scan_begin(node, eflags);
}

static void
allocate_batch(GstoreScanState *state)
{
	int n = Max(1, state->ncolumns);

	state->values = palloc(n * sizeof(Datum *));
	state->nulls = palloc(n * sizeof(bool *));
	state->allocator = gstore_context_allocator();
	state->scratch = palloc0(n * sizeof(GstoreScratch));
	state->forms = palloc0(n * sizeof(GstoreForm *));
	state->sounds = palloc0(n * sizeof(GstoreSound *));
	for (int i = 0; i < state->ncolumns; i++)
	{
		state->values[i] = palloc(GSTORE_BATCH_ROWS * sizeof(Datum));
		state->nulls[i] = palloc(GSTORE_BATCH_ROWS * sizeof(bool));
		state->scratch[i].allocator = &state->allocator;
	}
}

/* Leave out blocks by the conditions, with what their parameters are now. */
static void
prune_blocks(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List *quals = list_concat_copy(plan->fdw_recheck_quals,
								   plan->scan.plan.qual);
	GstorePruning *pruning;
	MemoryContext old;

	if (quals == NIL || !gstore_guc_enable_pruning)
		return;
	if (state->pruning == NULL)
		state->pruning = AllocSetContextCreate(CurrentMemoryContext,
											   "gstore pruning",
											   ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(state->pruning);
	old = MemoryContextSwitchTo(state->pruning);
	pruning = gstore_pruning_make(quals, plan->scan.scanrelid, &node->ss.ps);
	gstore_windows_prune(state->windows,
						 pruning == NULL ? NULL : gstore_pruning_wants,
						 pruning);
	MemoryContextSwitchTo(old);
}

/* Conditions leave out rows before columns are brought, where that can be. */
static void
sift_windows(GstoreScanState *state)
{
	if (state->pushdown != NULL)
		gstore_pushdown_sift(state->pushdown, state->windows,
							 state->target->pinning, state->for_filter);
}

/* Look at the table at last: what this transaction has staged becomes chunks,
 * and what the snapshot sees is pinned. */
static void
take_set(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;
	EState *estate = node->ss.ps.state;
	Oid relid = RelationGetRelid(state->relation);
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;

	gstore_pending_flush(relid);
	PredicateLockRelation(state->relation, state->snapshot);
	state->table = gstore_table_find(relid);
	state->set = gstore_seen_set_take(state->table, state->snapshot,
									  state->relation);
	if (state->is_target)
		gstore_statement_keep_set(estate,
								  ((Scan *) node->ss.ps.plan)->scanrelid,
								  state->set, state->snapshot);
	state->windows = gstore_windows_begin(state->set, state->target,
										  state->attnums, state->ncolumns);
	prune_blocks(node);
	if (state->is_target && IsolationUsesXactSnapshot() &&
		!list_member_int(estate->es_plannedstmt->resultRelations,
						 ((Scan *) node->ss.ps.plan)->scanrelid))
		state->locker = gstore_deleter_begin(state->target, state->set,
											 state->snapshot, true);
	allocate_batch(state);
	state->pushdown = gstore_pushdown_begin(node, state->attnums,
											state->ncolumns,
											state->target->relname);
	sift_windows(state);

	/* What is not read is NULL, once and for all. */
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true;
	MemoryContextSwitchTo(old);
}

/* ---- rows ---- */

/* Does the window keep column i in a form that is not its type's? */
static inline bool
needs_form(const GstoreWindow *window, int i)
{
	return window->columns[i].encoding != GSTORE_ENCODING_ABSENT &&
		   gstore_form_is_needed(window->columns[i].arrow_kind);
}

/* Make ready for the columns of a new window that need a form. */
static void
find_forms(GstoreScanState *state)
{
	TupleDesc desc = RelationGetDescr(state->relation);

	state->any_form = false;
	for (int i = 0; i < state->ncolumns; i++)
	{
		Form_pg_attribute attribute;
		MemoryContext old;

		if (!needs_form(state->window, i))
			continue;
		state->any_form = true;
		if (state->forms[i] != NULL)
			continue;
		old = MemoryContextSwitchTo(state->allocator.state);
		attribute = TupleDescAttr(desc, state->attnums[i] - 1);
		state->forms[i] = gstore_form(attribute->atttypid,
									  attribute->atttypmod);
		MemoryContextSwitchTo(old);
	}
}

/* Decode the columns of the batch that only pushed conditions need, or the
 * others. */
static void
decode_batch(GstoreScanState *state, bool for_filter)
{
	GstoreWindow *window = state->window;
	uint64 count = state->batch_end - state->batch_first;
	GstoreCodecError error;

	for (int i = 0; i < state->ncolumns; i++)
	{
		GstoreCodecStatus status;

		if (state->for_filter[i] != for_filter)
			continue;
		status = window->codec->decode(&window->columns[i],
									   state->batch_first, count,
									   state->pushdown == NULL ? NULL : state->pass,
									   state->values[i], state->nulls[i],
									   &state->scratch[i], &error);
		if (unlikely(status != GSTORE_CODEC_OK))
		{
			error.column = state->attnums[i] - 1;
			gstore_codec_raise(status, &error, state->target->relname,
							   state->target->schema);
		}
	}
}

/* Decode the next batch of which rows may pass, of this window or a later one;
 * false at the end. */
static bool
next_batch(GstoreScanState *state)
{
	GstoreWindow *window = state->window;

	do
	{
		CHECK_FOR_INTERRUPTS();
		if (window == NULL || state->batch_end >= window->rows)
		{
			window = state->window = gstore_windows_next(state->windows);
			if (window == NULL)
				return false;
			state->batch_end = 0;
			find_forms(state);
		}
		state->row = state->batch_first = state->batch_end;
		state->batch_end = Min(state->batch_first + GSTORE_BATCH_ROWS,
							   window->rows);
	} while (state->pushdown != NULL &&
			 !gstore_pushdown_batch(state->pushdown, window,
									state->batch_first,
									state->batch_end - state->batch_first,
									&state->pass, &state->recheck));
	decode_batch(state, false);
	state->filter_decoded = false;
	return true;
}

static inline bool
is_hidden(const GstoreWindow *window, uint64 row)
{
	const uint8 *hidden = window->seen->hidden;
	uint64 bit = window->first + row;

	return hidden != NULL && window->gathered == NULL && (hidden[bit / 8] & (1 << (bit % 8))) != 0;
}

static inline bool
has_bit(const uint8 *bitmap, uint64 bit)
{
	return (bitmap[bit / 8] & (1 << (bit % 8))) != 0;
}

static GstoreSound *
find_sound(GstoreScanState *state, int i)
{
	Oid type = TupleDescAttr(RelationGetDescr(state->relation),
							 state->attnums[i] - 1)
				   ->atttypid;
	MemoryContext old;

	if (state->sounds[i] == NULL)
	{
		old = MemoryContextSwitchTo(state->allocator.state);
		state->sounds[i] = gstore_sound(type);
		MemoryContextSwitchTo(old);
	}
	return state->sounds[i];
}

/* Make a value, in the tuple's memory, of what column i has for a row: out of
 * its form, and checked where that may be anything. */
static void
make_value(GstoreScanState *state, int i, bool exposed, Datum *value)
{
	const GstoreColumnView *view = &state->window->columns[i];
	bool is_sound;

	if (needs_form(state->window, i))
		is_sound = gstore_form_load(state->forms[i], view, exposed, value);
	else
		is_sound = !exposed ||
				   gstore_sound_copy(find_sound(state, i), view, value);
	if (unlikely(!is_sound))
		gstore_sound_refuse(state->target->schema->columns[state->attnums[i] - 1].name,
							state->target->relname);
}

/* Put a row's values into the slot. */
static inline void
fill_slot(GstoreScanState *state, TupleTableSlot *slot, uint64 row,
		  bool with_filter)
{
	uint64 from = row - state->batch_first;
	bool exposed = gstore_table_is_exposed(state->table);
	bool as_it_is = !state->any_form && !exposed;

	for (int i = 0; i < state->ncolumns; i++)
	{
		int to = state->attnums[i] - 1;

		if (state->for_filter[i] && !with_filter)
			continue;
		slot->tts_values[to] = state->values[i][from];
		slot->tts_isnull[to] = state->nulls[i][from];
		if (unlikely(!as_it_is) && !slot->tts_isnull[to])
			make_value(state, i, exposed, &slot->tts_values[to]);
	}
	ExecStoreVirtualTuple(slot);
}

/* Does PostgreSQL let a row pass that the engine could not decide on? */
static bool
passes_recheck(GstoreScanState *state, TupleTableSlot *slot, uint64 row)
{
	bool passes;

	gstore_pushdown_forget_row(state->pushdown);
	if (!state->filter_decoded)
	{
		decode_batch(state, true);
		state->filter_decoded = true;
	}
	fill_slot(state, slot, row, true);
	passes = gstore_pushdown_recheck(state->pushdown, slot);
	ExecClearTuple(slot);
	return passes;
}

/*
 * A row is to be locked of which our snapshot sees an old version: refused, as
 * an ordinary table refuses it, if it is in the result at all.
 */
static void
check_locked_row(ForeignScanState *node, TupleTableSlot *slot, uint64 address)
{
	GstoreScanState *state = node->fdw_state;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	if (!gstore_deleter_is_changed(state->locker, address))
		return;
	econtext->ecxt_scantuple = slot;
	if (node->ss.ps.qual == NULL || ExecQual(node->ss.ps.qual, econtext))
		gstore_deleter_refuse();
}

TupleTableSlot *
gstore_scan_iterate(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	uint64 row;

	if (unlikely(state->set == NULL))
		take_set(node);

	ExecClearTuple(slot);
	for (;;)
	{
		if (unlikely(state->window == NULL ||
					 state->row >= state->batch_end) &&
			!next_batch(state))
			return slot;
		row = state->row++;
		if (state->pushdown != NULL &&
			!has_bit(state->pass, row - state->batch_first))
			continue;
		if (is_hidden(state->window, row))
			continue;
		if (state->pushdown == NULL ||
			!has_bit(state->recheck, row - state->batch_first) ||
			passes_recheck(state, slot, row))
			break;
	}

	fill_slot(state, slot, row, false);
	row = state->window->gathered != NULL ? state->window->gathered[row]
										  : state->window->first + row;
	row += state->window->seen->chunk->first_row;
	if (state->row_address)
		gstore_row_address_to_tid(row, &slot->tts_tid);
	if (unlikely(state->locker != NULL))
		check_locked_row(node, slot, row);
	return slot;
}

static TupleTableSlot *
iterate_scan(ForeignScanState *node)
{
	return gstore_is_upper(node) ? gstore_aggregate_iterate(node)
								 : gstore_scan_iterate(node);
}

GstoreSeenSet *
gstore_scan_set(ForeignScanState *node, Snapshot *snapshot)
{
	GstoreScanState *state = node->fdw_state;

	if (state->set == NULL)
		take_set(node);
	*snapshot = state->snapshot;
	return state->set;
}

static void
rescan(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;

	if (gstore_is_upper(node))
	{
		gstore_aggregate_rescan(node);
		return;
	}
	if (state->windows != NULL)
	{
		gstore_windows_rewind(state->windows);
		if (state->pruning != NULL && node->ss.ps.chgParam != NULL)
			prune_blocks(node);
	}
	if (state->pushdown != NULL)
		gstore_pushdown_rescan(state->pushdown);
	state->window = NULL;
	state->row = state->batch_end = 0;
}

void
gstore_scan_end(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;

	if (state == NULL)
		return;
	if (state->locker != NULL)
		gstore_deleter_end(state->locker);
	if (state->windows != NULL)
		gstore_windows_end(state->windows);
	if (state->set != NULL)
		gstore_seen_set_release(state->set);
	if (state->is_target)
		gstore_statement_end_scan(node->ss.ps.state);
}

static void
end_scan(ForeignScanState *node)
{
	if (gstore_is_upper(node))
		gstore_aggregate_end(node);
	else
		gstore_scan_end(node);
}

/* ---- EXPLAIN ---- */

void
gstore_scan_explain_input(ForeignScanState *node, ExplainState *es)
{
	GstoreScanState *state = node->fdw_state;
	const GstoreWindowStats *stats;

	if (state->windows == NULL)
		return;
	stats = gstore_windows_stats(state->windows);
	ExplainPropertyInteger("Chunks Read", NULL, stats->chunks, es);
	ExplainPropertyInteger("Blocks", NULL, stats->blocks, es);
	ExplainPropertyInteger("Blocks Pruned", NULL, stats->pruned, es);
	ExplainPropertyInteger("Bytes Read", NULL, stats->bytes, es);
}

void
gstore_scan_explain(ForeignScanState *node, ExplainState *es)
{
	GstoreScanState *state = node->fdw_state;
	GstoreTable *table = gstore_table_find(RelationGetRelid(state->relation));
	GstoreTableSize size = gstore_table_size(table);

	gstore_pushdown_explain(node, state->pushdown, es);
	ExplainPropertyInteger("Device", NULL,
						   gstore_target(state->relation)->pinning, es);
	ExplainPropertyInteger("Chunks", NULL, size.chunks, es);
	ExplainPropertyInteger("Rows Stored", NULL, size.live, es);
	if (es->verbose)
		ExplainPropertyInteger("Columns Read", NULL, state->ncolumns, es);
	if (es->analyze && node->ss.ps.instrument != NULL &&
		node->ss.ps.instrument->running + node->ss.ps.instrument->nloops > 0)
		gstore_scan_explain_input(node, es);
}

static void
explain_scan(ForeignScanState *node, ExplainState *es)
{
	if (gstore_is_upper(node))
		gstore_aggregate_explain(node, es);
	else
		gstore_scan_explain(node, es);
}

/* ---- as columns ---- */

void
gstore_scan_open(ForeignScanState *node, const GstoreProgram *program,
				 GstoreScanInput *input)
{
	GstoreScanState *state = node->fdw_state;

	if (state->set == NULL)
		take_set(node);
	else
		gstore_windows_rewind(state->windows);
	gstore_windows_sift(state->windows, NULL, NULL, NULL, NULL);
	input->relname = state->target->relname;
	input->scan = node;
	input->program = program;
	input->columns = palloc0(Max(1, program->ncolumns) *
							 sizeof(GstoreColumnView));
}

void
gstore_scan_prune(ForeignScanState *node, GstoreBlockTest test, void *state)
{
	gstore_windows_prune(((GstoreScanState *) node->fdw_state)->windows, test,
						 state);
}

void
gstore_scan_in_place(GstoreScanInput *input, GstorePlaceTest test,
					 void *test_state)
{
	GstoreScanState *state = input->scan->fdw_state;

	gstore_windows_in_place(state->windows, test, test_state);
}

uint64
gstore_scan_bind(GstoreScanInput *input, const GstoreWindow *window,
				 GstoreColumnView *columns)
{
	GstoreScanState *state = input->scan->fdw_state;

	return gstore_pushdown_bind(input->program, window, state->attnums,
								state->ncolumns, input->relname, columns);
}

bool
gstore_scan_next(GstoreScanInput *input)
{
	GstoreScanState *state = input->scan->fdw_state;
	GstoreWindow *window = gstore_windows_next(state->windows);

	if (window == NULL)
		return false;
	input->window = window;
	input->bytes = gstore_scan_bind(input, window, input->columns);
	input->rows.columns = input->columns;
	input->rows.rows = window->rows;
	input->rows.hidden = window->seen->hidden;
	input->rows.hidden_bit = window->first;
	return true;
}

bool
gstore_scan_is_exposed(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;

	return gstore_table_is_exposed(state->table);
}

int
gstore_scan_device(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;

	return state->target->pinning;
}

uint64
gstore_scan_rows(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;
	uint64 rows = 0;

	if (state->set == NULL)
		take_set(node);
	for (uint32 i = 0; i < state->set->nchunks; i++)
		rows += state->set->chunks[i].seen_rows;
	return rows;
}

void
gstore_scan_close(ForeignScanState *node)
{
	GstoreScanState *state = node->fdw_state;

	if (state->windows == NULL)
		return;
	gstore_windows_rewind(state->windows);
	gstore_windows_in_place(state->windows, NULL, NULL);
	sift_windows(state);
}

void
gstore_scan_callbacks(FdwRoutine *routine)
{
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate_scan;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->ExplainForeignScan = explain_scan;
}
