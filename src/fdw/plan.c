/*
 * plan.c
 *	  Row counts, costs and plans of foreign scans.  Must never reach a device.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/restrictinfo.h"
#include "utils/rel.h"

#include "compat.h"
#include "fdw/plan.h"
#include "fdw/pushdown.h"
#include "fdw/routine.h"
#include "fdw/upper.h"
#include "guc.h"
#include "store/estimate.h"

/*
 * A row read from columns costs a part of what a heap tuple costs, which has
 * to be found on a page, checked for visibility and deformed.
 */
#define ROW_COST_FACTOR 0.5

/* And an operator over columns a small part of one over a row: measured at 1/50
 * for integers, 1/10 for texts. */
#define COLUMN_COST_FACTOR 0.05

static void
get_rel_size(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	GstoreTableSize size = gstore_table_size(gstore_table_find(relid));

	/* Exact, and never "unknown": an empty table is known to be empty. */
	baserel->tuples = size.live;
	baserel->pages = (size.bytes + BLCKSZ - 1) / BLCKSZ;
	set_baserel_size_estimates(root, baserel);
}

static void
get_paths(PlannerInfo *root, RelOptInfo *baserel, Oid relid)
{
	List *local;
	List *pushed = gstore_pushdown_split(baserel, baserel->baserestrictinfo,
										 &local);
	double passing = baserel->tuples *
					 clauselist_selectivity(root, pushed, 0, JOIN_INNER, NULL);
	QualCost by_column;
	QualCost by_row;
	Cost startup;
	Cost total;

	(void) relid;
	cost_qual_eval(&by_column, pushed, root);
	cost_qual_eval(&by_row, local, root);
	startup = by_column.startup + by_row.startup +
			  baserel->reltarget->cost.startup;
	total = startup +
			baserel->tuples * by_column.per_tuple * COLUMN_COST_FACTOR +
			passing * (cpu_tuple_cost * ROW_COST_FACTOR + by_row.per_tuple) +
			baserel->rows * baserel->reltarget->cost.per_tuple;
	add_path(baserel, (Path *)
						  gstore_create_foreignscan_path(root, baserel, NULL,
														 baserel->rows, startup, total,
														 NIL, baserel->lateral_relids,
														 NULL, NIL));
}

/* Attribute numbers that target list and conditions use, in order.  The target
 * is the relation's: the plan's own list may not have been made yet. */
static List *
used_columns(RelOptInfo *baserel, List *clauses,
			 bool *row_address)
{
	Bitmapset *used = NULL;
	List *columns = NIL;
	bool whole_row;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) clauses, baserel->relid, &used);
	whole_row = bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
	*row_address =
		bms_is_member(SelfItemPointerAttributeNumber -
						  FirstLowInvalidHeapAttributeNumber,
					  used);
	for (AttrNumber attnum = 1; attnum <= baserel->max_attr; attnum++)
		if (whole_row ||
			bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used))
			columns = lappend_int(columns, attnum);
	bms_free(used);
	return columns;
}

static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *baserel, Oid relid,
		 ForeignPath *best_path, List *tlist, List *scan_clauses,
		 Plan *outer_plan)
{
	List *local;
	List *pushed;
	bool row_address;
	List *output;
	List *columns;

	(void) root;
	if (IS_UPPER_REL(baserel))
		return gstore_upper_plan(best_path, tlist, outer_plan);
	pushed = gstore_pushdown_split(baserel, scan_clauses, &local);
	output = used_columns(baserel, local, &row_address);
	columns = used_columns(baserel, list_concat_copy(local, pushed),
						   &row_address);
	return make_foreignscan(tlist, local, baserel->relid, NIL,
							list_make3(columns, makeBoolean(row_address),
									   output),
							NIL, pushed, outer_plan);
}

/*
 * A parallel worker can read a table as anyone can: what is seen follows from
 * stamps and the snapshot alone, and rows that the leader has staged become
 * chunks before it launches workers (gstore_scan_begin).  A scan is never shared
 * among workers, for its conditions run on several threads anyway; but different
 * partitions, and the other side of a join, may be read at the same time: where
 * the leader and as many workers as it may have are no more than the threads that
 * a query was given.
 */
static bool
is_parallel_safe(PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte)
{
	return gstore_guc_host_threads == 0 ||
		   max_parallel_workers_per_gather < gstore_guc_host_threads;
}

void
gstore_plan_callbacks(FdwRoutine *routine)
{
	routine->IsForeignScanParallelSafe = is_parallel_safe;
	routine->GetForeignRelSize = get_rel_size;
	routine->GetForeignPaths = get_paths;
	routine->GetForeignPlan = get_plan;
}
