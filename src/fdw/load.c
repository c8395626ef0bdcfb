/*
 * load.c
 *	  gstore_load(): what is to be done, and doing it in this process; see
 *	  load.h.
 *
 * Must never read or write a row that INSERT ... SELECT would refuse to: every
 * check is PostgreSQL's own, made when the statement is analysed, rewritten and
 * started.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "postmaster/bgworker_internals.h"
#include "storage/bufmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "fdw/load.h"
#include "store/progress.h"
#include "store/relation.h"

/* ---- the two relations ---- */

/* As INSERT locks it first; its writers are waited for when it is started. */
static Relation
open_target(Oid relid)
{
	Relation target = table_open(relid, RowExclusiveLock);

	if (!gstore_is_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a gstore_fdw table",
						RelationGetRelationName(target))));
	return target;
}

static Relation
open_source(Oid relid, Relation target)
{
	Relation source = relation_open(relid, AccessShareLock);
	char relkind = source->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_MATVIEW)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot load from \"%s\"",
						RelationGetRelationName(source)),
				 errdetail_relkind_not_supported(relkind),
				 errhint("Use INSERT INTO %s SELECT ... FROM %s.",
						 RelationGetRelationName(target),
						 RelationGetRelationName(source))));
	return source;
}

/* ---- the statement ---- */

static char *
qualified_name(Relation relation)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
									  RelationGetRelationName(relation));
}

/* Is a column of the source to be copied?  Columns have the same name on both
 * sides; what both generate is generated. */
static bool
is_copied(const GstoreLoad *load, Form_pg_attribute attribute)
{
	AttrNumber number;

	if (attribute->attisdropped)
		return false;
	number = get_attnum(RelationGetRelid(load->target),
						NameStr(attribute->attname));
	if (AttributeNumberIsValid(number))
		return !(attribute->attgenerated &&
				 TupleDescAttr(RelationGetDescr(load->target), number - 1)->attgenerated);
	if (attribute->attgenerated)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					NameStr(attribute->attname),
					RelationGetRelationName(load->target)),
			 errdetail("\"%s\" has a column of that name.",
					   RelationGetRelationName(load->source)),
			 errhint("Add the column, or use INSERT INTO %s SELECT the columns to be copied.",
					 RelationGetRelationName(load->target))));
}

/* Identity columns are copied too, as by COPY. */
static char *
statement_text(const GstoreLoad *load)
{
	TupleDesc desc = RelationGetDescr(load->source);
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (is_copied(load, attribute))
			appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
							 quote_identifier(NameStr(attribute->attname)));
	}
	return psprintf("INSERT INTO %s %s%s%s OVERRIDING SYSTEM VALUE SELECT %s FROM %s",
					qualified_name(load->target),
					names.len > 0 ? "(" : "", names.data,
					names.len > 0 ? ")" : "",
					names.data, qualified_name(load->source));
}

/* Where an error says a place in the statement, show the statement. */
static void
show_statement(void *text)
{
	int position = geterrposition();

	if (position <= 0)
		return;
	errposition(0);
	internalerrposition(position);
	internalerrquery(text);
}

/* What is computed for each row: besides what the statement says, generated
 * columns, constraints and the bounds of a partition. */
static List *
expressions(const PlannedStmt *plan, Relation target)
{
	const TupleConstr *constr = RelationGetDescr(target)->constr;
	List *list = list_concat_copy(RelationGetPartitionQual(target),
								  outerPlan(plan->planTree)->targetlist);

	for (int i = 0; constr != NULL && i < constr->num_check; i++)
		list = lappend(list, stringToNode(constr->check[i].ccbin));
	for (int i = 0; constr != NULL && i < constr->num_defval; i++)
		if (TupleDescAttr(RelationGetDescr(target),
						  constr->defval[i].adnum - 1)
				->attgenerated)
			list = lappend(list, stringToNode(constr->defval[i].adbin));
	return list;
}

/* PostgreSQL tells it of queries only. */
static bool
are_parallel_safe(List *expressions)
{
	Query *query = makeNode(Query);
	ListCell *cell;

	foreach(cell, expressions)
	{
		Node *node = lfirst(cell);

		query->targetList = lappend(query->targetList,
									IsA(node, TargetEntry) ? (TargetEntry *) node : makeTargetEntry((Expr *) node, 1, NULL, false));
	}
	return max_parallel_hazard(query) == PROPARALLEL_SAFE;
}

/* The plan, without compiling: it has few expressions, if any. */
static PlannedStmt *
plan_statement(GstoreLoad *load, char *text)
{
	ErrorContextCallback callback = {error_context_stack, show_statement,
									 text};
	RawStmt *raw;
	Query *query;
	PlannedStmt *plan;

	error_context_stack = &callback;
	raw = linitial_node(RawStmt, pg_parse_query(text));
	query = linitial_node(Query, pg_analyze_and_rewrite_fixedparams(raw, text, NULL, 0,
																	NULL));
	load->parallel_safe = query->withCheckOptions == NIL &&
						  max_parallel_hazard(query) == PROPARALLEL_SAFE;
	plan = pg_plan_query(query, text, 0, NULL);
	load->parallel_safe = load->parallel_safe &&
						  are_parallel_safe(expressions(plan, load->target));
	plan->jitFlags = 0;
	error_context_stack = callback.previous;
	return plan;
}

/* ---- how the rows are read ---- */

static bool
find_scan(PlanState *node, void *found)
{
	List **scans = found;
	Relation relation;

	switch (nodeTag(node))
	{
		case T_SeqScanState:
			relation = ((SeqScanState *) node)->ss.ss_currentRelation;
			if (relation->rd_rel->relam != HEAP_TABLE_AM_OID)
				return true;
			*scans = lappend(*scans, node);
			break;
		case T_AppendState:
		case T_SubqueryScanState:
			break;
		case T_ResultState:
			if (outerPlanState(node) == NULL)
				return true;
			break;
		default:
			return true;
	}
	return planstate_tree_walker(node, find_scan, found);
}

List *
gstore_load_find_scans(QueryDesc *query, PlanState *plan)
{
	List *scans = NIL;

	if (query->plannedstmt->subplans != NIL || find_scan(plan, &scans))
		return NIL;
	return scans;
}

void
gstore_load_begin_scan(GstoreLoad *load, ScanState *scan,
					   ParallelTableScanDesc memory)
{
	Relation relation = scan->ss_currentRelation;

	if (load->scans == NULL)
		load->scans = palloc(sizeof(ParallelBlockTableScanDesc));
	else
		load->scans = repalloc(load->scans,
							   (load->nscans + 1) *
								   sizeof(ParallelBlockTableScanDesc));
	table_parallelscan_initialize(relation, memory,
								  load->query->estate->es_snapshot);
	scan->ss_currentScanDesc = table_beginscan_parallel(relation, memory);
	load->scans[load->nscans++] = (ParallelBlockTableScanDesc) memory;
}

static void
begin_scans(GstoreLoad *load, List *scans)
{
	ListCell *cell;

	foreach(cell, scans)
	{
		ScanState *scan = lfirst(cell);
		Size size = table_parallelscan_estimate(scan->ss_currentRelation,
												load->query->estate->es_snapshot);

		gstore_load_begin_scan(load, scan, palloc(size));
	}
}

/*
 * How many workers to ask for: as many as were wanted, else by the size of what
 * is read, as PostgreSQL finds it for a scan, and as for other maintenance at
 * most max_parallel_maintenance_workers.
 */
static int
count_workers(const GstoreLoad *load, List *scans, int wanted)
{
	bool is_partitioned = load->source->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	double threshold = Max(min_parallel_table_scan_size, 1);
	double blocks = 0;
	int workers = is_partitioned ? -1 : RelationGetParallelWorkers(load->source, -1);
	ListCell *cell;

	if (!load->parallel_safe)
		return 0;
	foreach(cell, scans)
	{
		Relation relation = ((ScanState *) lfirst(cell))->ss_currentRelation;

		if (RelationUsesLocalBuffers(relation))
			return 0;
		blocks += RelationGetNumberOfBlocks(relation);
	}
	if (blocks == 0)
		return 0;
	if (wanted >= 0)
		return wanted;
	if (workers < 0)
		for (workers = 0; blocks >= threshold; threshold *= 3)
			workers++;
	return Min(workers, max_parallel_maintenance_workers);
}

/* ---- copying ---- */

void
gstore_load_copy(EState *estate, PlanState *plan, ResultRelInfo *rinfo)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	for (;;)
	{
		TupleTableSlot *slot = ExecProcNode(plan);

		if (TupIsNull(slot))
			break;
		gstore_modify_insert(estate, rinfo, slot);
		ResetPerTupleExprContext(estate);
	}
	MemoryContextSwitchTo(old);
}

static uint64
count_rows(const GstoreLoad *load)
{
	return gstore_modify_watched(load->rinfo->ri_FdwState) +
		   (load->team == NULL ? 0 : gstore_load_team_rows(load->team));
}

void
gstore_load_report(GstoreLoad *load)
{
	uint64 done = 0;
	uint64 total = 0;

	for (int i = 0; i < load->nscans; i++)
	{
		ParallelBlockTableScanDesc scan = load->scans[i];

		total += scan->phs_nblocks;
		done += Min(pg_atomic_read_u64(&scan->phs_nallocated),
					scan->phs_nblocks);
	}
	gstore_progress_tell(GSTORE_LOAD_BLOCKS_TOTAL, (int64) total);
	gstore_progress_tell(GSTORE_LOAD_BLOCKS_DONE, (int64) done);
	gstore_progress_tell(GSTORE_LOAD_TUPLES_DONE, (int64) count_rows(load));
}

/* Some rows were inserted by this process. */
static void
look_up(void *arg)
{
	GstoreLoad *load = arg;

	CHECK_FOR_INTERRUPTS();
	if (load->team != NULL)
		gstore_load_team_receive(load);
	gstore_load_report(load);
}

/* Once the plan was started; returns how many rows were inserted. */
static uint64
copy_rows(GstoreLoad *load, int wanted)
{
	EState *estate = load->query->estate;
	PlanState *plan = outerPlanState(load->node);
	List *scans = gstore_load_find_scans(load->query, plan);
	int workers = count_workers(load, scans, wanted);

	gstore_modify_watch(load->rinfo->ri_FdwState, look_up, load);

	/* Triggers are the executor's. */
	if (load->rinfo->ri_TrigDesc != NULL)
	{
		begin_scans(load, scans);
		gstore_load_report(load);
		gstore_executor_run(load->query);
		return estate->es_processed;
	}

	if (workers > 0)
		gstore_load_team_begin(load, scans, workers);
	else
		begin_scans(load, scans);
	gstore_load_report(load);
	if (load->team == NULL || gstore_load_team_size(load->team) == 0 ||
		parallel_leader_participation)
		gstore_load_copy(estate, plan, load->rinfo);
	gstore_progress_tell(GSTORE_LOAD_PHASE, GSTORE_LOAD_FINISHING);
	gstore_modify_end(load->rinfo->ri_FdwState);
	if (load->team != NULL)
		gstore_load_team_wait(load);
	gstore_load_report(load);
	estate->es_processed = count_rows(load);
	return estate->es_processed;
}

static uint64
run(GstoreLoad *load, int workers)
{
	char *text = statement_text(load);
	PlannedStmt *plan = plan_statement(load, text);
	uint64 rows;

	/* What this transaction did before is seen. */
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	load->query = CreateQueryDesc(plan, text, GetActiveSnapshot(),
								  InvalidSnapshot, None_Receiver, NULL, NULL,
								  0);
	ExecutorStart(load->query, 0);
	gstore_progress_tell(GSTORE_LOAD_PHASE, GSTORE_LOAD_COPYING);
	load->node = castNode(ModifyTableState, load->query->planstate);
	load->rinfo = load->node->resultRelInfo;
	rows = copy_rows(load, workers);
	ExecutorFinish(load->query);
	ExecutorEnd(load->query);
	if (load->team != NULL)
		gstore_load_team_end(load);
	FreeQueryDesc(load->query);
	PopActiveSnapshot();
	return rows;
}

/* The argument workers: -1 where it is NULL. */
static int
workers_argument(bool isnull, int32 workers)
{
	if (isnull)
		return -1;
	if (workers < 0 || workers > MAX_PARALLEL_WORKER_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of workers must be from 0 to %d",
						MAX_PARALLEL_WORKER_LIMIT)));
	return workers;
}

/*
 * gstore_load(target, source, workers): INSERT INTO target SELECT the columns of
 * the source FROM source, by as many parallel workers besides this process;
 * returns the number of rows.
 */
PG_FUNCTION_INFO_V1(gstore_load);

Datum
gstore_load(PG_FUNCTION_ARGS)
{
	GstoreLoad load = {0};
	int workers;
	uint64 rows;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	workers = workers_argument(PG_ARGISNULL(2),
							   PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2));
	load.target = open_target(PG_GETARG_OID(0));
	load.source = open_source(PG_GETARG_OID(1), load.target);
	gstore_progress_begin(GSTORE_PROGRESS_LOAD,
						  RelationGetRelid(load.target));
	gstore_progress_tell(GSTORE_LOAD_SOURCE, RelationGetRelid(load.source));
	rows = run(&load, workers);
	gstore_progress_end(GSTORE_PROGRESS_LOAD);
	relation_close(load.source, NoLock);
	table_close(load.target, NoLock);
	PG_RETURN_INT64((int64) rows);
}
