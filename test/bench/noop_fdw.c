/*
 * noop_fdw.c
 *	  A foreign table that keeps nothing: what PostgreSQL itself costs a load or
 *	  a scan, whoever stores the rows.
 *
 * Rows that are inserted are forgotten, but for the first of the session.  A
 * scan returns that one, as often as the table's option "rows" says: virtual
 * tuples whose values point into memory that stays.
 *
 * Built and used by the benchmark alone; see run.sh.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/defrem.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(noop_fdw_handler);

static Datum *row_values = NULL; /* of the first row, in TopMemoryContext */
static bool *row_nulls;
static int row_natts;

/* ---- writing ---- */

static int
is_updatable(Relation relation)
{
	return 1 << CMD_INSERT;
}

static void
begin_modify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
			 List *fdw_private, int subplan_index, int eflags)
{
}

static void
begin_insert(ModifyTableState *mtstate, ResultRelInfo *rinfo)
{
}

static void
remember(TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	TupleDesc desc = slot->tts_tupleDescriptor;
	HeapTuple tuple = ExecCopySlotHeapTuple(slot);

	row_natts = desc->natts;
	row_values = palloc(row_natts * sizeof(Datum));
	row_nulls = palloc(row_natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, row_values, row_nulls);
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
exec_insert(EState *estate, ResultRelInfo *rinfo, TupleTableSlot *slot,
			TupleTableSlot *plan_slot)
{
	if (unlikely(row_values == NULL))
		remember(slot);
	return slot;
}

/* ---- reading ---- */

typedef struct NoopScan
{
	int64 left;
} NoopScan;

static int64
table_rows(Oid relid)
{
	ListCell *cell;

	foreach(cell, GetForeignTable(relid)->options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, "rows") == 0)
			return strtoll(defGetString(option), NULL, 10);
	}
	return 0;
}

static void
get_size(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	rel->rows = Max(table_rows(relid), 1);
}

static void
get_paths(PlannerInfo *root, RelOptInfo *rel, Oid relid)
{
	add_path(rel, (Path *) create_foreignscan_path(root, rel, NULL, rel->rows,
#if PG_VERSION_NUM >= 180000
												   0,
#endif
												   0, rel->rows * 0.01, NIL,
												   NULL, NULL,
#if PG_VERSION_NUM >= 170000
												   NIL,
#endif
												   NIL));
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *rel, Oid relid, ForeignPath *path,
		 List *targets, List *clauses, Plan *outer)
{
	return make_foreignscan(targets, extract_actual_clauses(clauses, false),
							rel->relid, NIL, NIL, NIL, NIL, outer);
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	NoopScan *scan = palloc0(sizeof(NoopScan));

	scan->left = table_rows(RelationGetRelid(node->ss.ss_currentRelation));
	node->fdw_state = scan;
}

static TupleTableSlot *
iterate(ForeignScanState *node)
{
	NoopScan *scan = node->fdw_state;
	TupleTableSlot *slot = node->ss.ss_ScanTupleSlot;
	int natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	if (scan->left == 0 || row_natts != natts)
		return slot;
	scan->left--;
	memcpy(slot->tts_values, row_values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, row_nulls, natts * sizeof(bool));
	return ExecStoreVirtualTuple(slot);
}

static void
rescan(ForeignScanState *node)
{
	begin_scan(node, 0);
}

static void
end_scan(ForeignScanState *node)
{
}

Datum
noop_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = get_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->IsForeignRelUpdatable = is_updatable;
	routine->BeginForeignModify = begin_modify;
	routine->ExecForeignInsert = exec_insert;
	routine->BeginForeignInsert = begin_insert;
	PG_RETURN_POINTER(routine);
}
