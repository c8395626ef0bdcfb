/*
 * pushdown.c
 *	  Conditions of a scan that the engine evaluates; see pushdown.h.
 *
 * The pushed expressions travel in the plan's fdw_recheck_quals: PostgreSQL
 * prepares them, looks for their parameters, and evaluates them again where a
 * row is checked once more, which is also what happens to a row the engine
 * could not decide on.  So every error is PostgreSQL's own.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "exec/exec.h"
#include "fdw/kernels.h"
#include "fdw/pushdown.h"
#include "guc.h"

/* Rows filtered at a time: few at first, for whoever wants only some. */
#define FIRST_SLICE (4 * GSTORE_BATCH_ROWS)
#define LARGEST_SLICE (1024 * GSTORE_BATCH_ROWS)

struct GstorePushdown
{
	ForeignScanState *node;
	const AttrNumber *attnums;
	int ncolumns;
	const char *relname;
	MemoryContext context; /* of the program and its engine */
	GstoreProgram *program;
	GstoreEngine *engine;
	bool compiled; /* program may still be NULL: PostgreSQL decides all */
	int threads;
	GstoreColumnView *columns; /* in the program's order */
	uint64 slice_rows;		   /* size of the next slice */
	const GstoreWindow *window;
	uint64 slice_first; /* rows [slice_first, slice_end) are filtered */
	uint64 slice_end;
	uint64 room; /* rows the bitmaps have room for */
	uint8 *pass;
	uint8 *recheck;
	uint64 rechecked;
	uint64 window_bytes; /* of the program's columns */
	GstoreEngineUse use;
	int device;
	GstoreKernels *kernels; /* NULL: not asked for, or they cannot */
	bool asked_kernels;
	GstoreKernelUse kernel_use;
};

/* ---- planning ---- */

List *
gstore_pushdown_split(RelOptInfo *baserel, List *clauses, List **local)
{
	List *pushed = NIL;
	ListCell *cell;

	*local = NIL;
	foreach(cell, clauses)
	{
		RestrictInfo *clause = lfirst_node(RestrictInfo, cell);

		if (clause->pseudoconstant)
			continue;
		/* A condition that may leak what a security barrier hides waits for
		 * the barrier, which may not be ours to evaluate. */
		if (gstore_guc_enable_pushdown &&
			(clause->leakproof ||
			 clause->security_level <= baserel->baserestrict_min_security) &&
			gstore_program_supports(clause->clause, baserel->relid))
			pushed = lappend(pushed, clause->clause);
		else
			*local = lappend(*local, clause->clause);
	}
	return pushed;
}

/* ---- execution ---- */

GstorePushdown *
gstore_pushdown_begin(ForeignScanState *node, const AttrNumber *attnums,
					  int ncolumns, const char *relname)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	GstorePushdown *pushdown;

	if (plan->fdw_recheck_quals == NIL)
		return NULL;
	pushdown = palloc0(sizeof(*pushdown));
	pushdown->node = node;
	pushdown->attnums = attnums;
	pushdown->ncolumns = ncolumns;
	pushdown->relname = relname;
	pushdown->context = AllocSetContextCreate(CurrentMemoryContext,
											  "gstore program",
											  ALLOCSET_DEFAULT_SIZES);
	pushdown->slice_rows = FIRST_SLICE;
	return pushdown;
}

/* Make the program and its engine, from what the parameters are now. */
static void
compile_program(GstorePushdown *pushdown)
{
	ForeignScan *plan = (ForeignScan *) pushdown->node->ss.ps.plan;
	MemoryContext old = MemoryContextSwitchTo(pushdown->context);

	pushdown->compiled = true;
	pushdown->program =
		gstore_program_compile_filter(plan->fdw_recheck_quals,
									  plan->scan.scanrelid,
									  &pushdown->node->ss.ps);
	if (pushdown->program != NULL)
	{
		pushdown->engine = gstore_exec_engine(pushdown->program, 0);
		pushdown->threads = gstore_exec_threads();
		pushdown->columns = palloc0(Max(1, pushdown->program->ncolumns) *
									sizeof(GstoreColumnView));
	}
	MemoryContextSwitchTo(old);
}

uint64
gstore_pushdown_bind(const GstoreProgram *program, const GstoreWindow *window,
					 const AttrNumber *attnums, int ncolumns,
					 const char *relname, GstoreColumnView *columns)
{
	uint64 bytes = 0;

	for (int i = 0; i < program->ncolumns; i++)
	{
		AttrNumber attnum = gstore_program_attnum(program, i);
		int at = 0;

		while (at < ncolumns && attnums[at] != attnum)
			at++;
		if (at == ncolumns)
			elog(ERROR, "column %d of foreign table \"%s\" is used but not read",
				 attnum, relname);
		columns[i] = window->columns[at];
		bytes += window->bytes[at];
	}
	return bytes;
}

/* The GstoreSiftRows: have kernels filter a chunk. */
static bool
sift_rows(void *state, const GstoreWindow *window, uint8 *pass, uint8 *recheck)
{
	GstorePushdown *pushdown = state;
	MemoryContext old;
	uint64 bytes;

	if (!pushdown->compiled)
		compile_program(pushdown);
	if (pushdown->program == NULL)
		return false;
	if (!pushdown->asked_kernels)
	{
		old = MemoryContextSwitchTo(pushdown->context);
		pushdown->asked_kernels = true;
		pushdown->kernels = gstore_kernels_sieve(pushdown->program,
												 pushdown->device,
												 pushdown->relname,
												 &pushdown->kernel_use);
		MemoryContextSwitchTo(old);
	}
	if (pushdown->kernels == NULL)
		return false;
	bytes = gstore_pushdown_bind(pushdown->program, window, pushdown->attnums,
								 pushdown->ncolumns, pushdown->relname,
								 pushdown->columns);
	if (gstore_kernels_sift(pushdown->kernels, window, pushdown->columns, bytes,
							pass, recheck))
		return true;

	/* what was refused once is not asked for again, but for columns of another
	 * kind */
	if (pushdown->kernel_use.why_not != NULL)
		pushdown->kernels = NULL;
	return false;
}

/* The GstoreGatherRows: have a kernel fetch rows that passed. */
static bool
gather_rows(void *state, const GstoreWindow *window, int ncolumns,
			const uint32 *rows, uint32 nrows, GstoreColumnView *views,
			uint64 *bytes)
{
	GstorePushdown *pushdown = state;

	return pushdown->kernels != NULL &&
		   gstore_kernels_gather(pushdown->kernels, window, ncolumns, rows,
								 nrows, views, bytes);
}

void
gstore_pushdown_sift(GstorePushdown *pushdown, GstoreWindowScan *windows,
					 int device, const bool *for_filter)
{
	pushdown->device = device;
	gstore_windows_sift(windows, sift_rows, gather_rows, pushdown, for_filter);
}

static void
bind_window(GstorePushdown *pushdown, const GstoreWindow *window)
{
	pushdown->window = window;
	pushdown->slice_end = 0;
	if (pushdown->program != NULL)
		pushdown->window_bytes =
			gstore_pushdown_bind(pushdown->program, window, pushdown->attnums,
								 pushdown->ncolumns, pushdown->relname,
								 pushdown->columns);
}

static void
make_room(GstorePushdown *pushdown, uint64 rows)
{
	MemoryContext context = GetMemoryChunkContext(pushdown);

	if (rows <= pushdown->room)
		return;
	if (pushdown->pass != NULL)
	{
		pfree(pushdown->pass);
		pfree(pushdown->recheck);
	}
	pushdown->room = GSTORE_ALIGN(rows, GSTORE_VECTOR_ROWS);
	pushdown->pass = MemoryContextAlloc(context, pushdown->room / 8);
	pushdown->recheck = MemoryContextAlloc(context, pushdown->room / 8);
}

/* Filter the next rows of the window. */
static void
filter_slice(GstorePushdown *pushdown, uint64 first)
{
	const GstoreWindow *window = pushdown->window;
	uint64 rows = Min(pushdown->slice_rows, window->rows - first);
	GstoreEngineInput input = {.columns = pushdown->columns,
							   .rows = window->rows,
							   .hidden = window->seen->hidden,
							   .hidden_bit = window->first};
	GstoreEngineStatus status;
	instr_time start;
	instr_time end;

	make_room(pushdown, rows);
	pushdown->slice_first = first;
	pushdown->slice_end = first + rows;
	pushdown->slice_rows = Min(pushdown->slice_rows * 4, LARGEST_SLICE);
	if (pushdown->program == NULL)
	{
		memset(pushdown->pass, 0xFF, pushdown->room / 8);
		memset(pushdown->recheck, 0xFF, pushdown->room / 8);
		return;
	}
	INSTR_TIME_SET_CURRENT(start);
	status = gstore_engine_filter(pushdown->engine, &input, first, rows,
								  pushdown->pass, pushdown->recheck);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(pushdown->use.time, end, start);
	pushdown->use.bytes += (uint64) ((double) pushdown->window_bytes * rows /
									 window->rows);
	gstore_exec_check(pushdown->engine, status, pushdown->relname);
}

bool
gstore_pushdown_batch(GstorePushdown *pushdown, const GstoreWindow *window,
					  uint64 first, uint64 count, const uint8 **pass,
					  const uint8 **recheck)
{
	uint64 at;
	uint8 any = 0;

	if (window->pass != NULL)
	{
		*pass = window->pass + first / 8;
		*recheck = window->recheck + first / 8;
		for (uint64 i = 0; i < (count + 7) / 8; i++)
			any |= (*pass)[i];
		return any != 0;
	}
	if (!pushdown->compiled)
		compile_program(pushdown);
	if (first == 0 || pushdown->window != window)
		bind_window(pushdown, window);
	if (first >= pushdown->slice_end)
		filter_slice(pushdown, first);
	at = (first - pushdown->slice_first) / 8;
	*pass = pushdown->pass + at;
	*recheck = pushdown->recheck + at;
	for (uint64 i = 0; i < (count + 7) / 8; i++)
		any |= (*pass)[i];
	return any != 0;
}

void
gstore_pushdown_forget_row(GstorePushdown *pushdown)
{
	ResetExprContext(pushdown->node->ss.ps.ps_ExprContext);
}

bool
gstore_pushdown_recheck(GstorePushdown *pushdown, TupleTableSlot *slot)
{
	ForeignScanState *node = pushdown->node;
	ExprContext *econtext = node->ss.ps.ps_ExprContext;

	pushdown->rechecked++;
	econtext->ecxt_scantuple = slot;
	return ExecQual(node->fdw_recheck_quals, econtext);
}

void
gstore_pushdown_rescan(GstorePushdown *pushdown)
{
	pushdown->window = NULL;
	pushdown->slice_end = 0;
	pushdown->slice_rows = FIRST_SLICE;
	if (pushdown->node->ss.ps.chgParam == NULL)
		return;
	MemoryContextReset(pushdown->context);
	pushdown->compiled = false;
	pushdown->program = NULL;
	pushdown->engine = NULL;
	pushdown->kernels = NULL;
	pushdown->asked_kernels = false;
}

/* ---- EXPLAIN ---- */

void
gstore_engine_use_explain(const GstoreEngineUse *use, ExplainState *es)
{
	double seconds = INSTR_TIME_GET_DOUBLE(use->time);

	if (!es->verbose || !es->timing || seconds == 0)
		return;
	ExplainPropertyFloat("Engine Time", "ms", seconds * 1000, 3, es);
	ExplainPropertyInteger("Engine Bytes", NULL, use->bytes, es);
	ExplainPropertyFloat("Engine Rate", "GB/s", use->bytes / seconds / 1e9, 3,
						 es);
}

void
gstore_pushdown_explain(ForeignScanState *node,
						const GstorePushdown *pushdown, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List *context;
	Node *quals;

	if (plan->fdw_recheck_quals == NIL)
		return;
	context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
	quals = (Node *) make_ands_explicit(plan->fdw_recheck_quals);
	ExplainPropertyText("Pushed Filter",
						deparse_expression(quals, context, es->verbose,
										   false),
						es);
	if (!es->analyze || pushdown == NULL)
		return;
	if (es->verbose && pushdown->threads > 0)
		ExplainPropertyInteger("Threads", NULL, pushdown->threads, es);
	gstore_engine_use_explain(&pushdown->use, es);
	gstore_kernels_explain(&pushdown->kernel_use, es);
	if (pushdown->rechecked > 0)
		ExplainPropertyInteger("Rows Rechecked", NULL, pushdown->rechecked,
							   es);
}
