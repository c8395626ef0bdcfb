/*
 * upper.c
 *	  Paths that aggregate a table where its data is.
 *
 * Such a path has an outer path: what PostgreSQL would do, an Agg over the
 * foreign scan.  The engine reads through that scan, so its conditions, columns
 * and pruning are planned once; and where the engine finds at execution that it
 * cannot go on (an encoding it does not read, too many groups for the memory,
 * an error in a row, which PostgreSQL then raises in its own words) the outer
 * plan is run instead.  Must never reach a device.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/value.h"
#include "optimizer/appendinfo.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "optimizer/prep.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/selfuncs.h"

#include "compat.h"
#include "exec/exec.h"
#include "fdw/plan.h"
#include "fdw/pushdown.h"
#include "fdw/routine.h"
#include "fdw/upper.h"
#include "guc.h"

/* What a row costs the engine, of what it costs the executor. */
#define ENGINE_COST_FACTOR 0.1

/* What a row of groups costs another engine. */
#define GROUP_COST_FACTOR 0.05

/* What the node has to compute. */
typedef struct Wanted
{
	Index varno;		/* of the table, or of the subquery */
	ForeignPath *inner; /* that groups the subquery; NULL: it is a table */
	List *inner_exprs;	/* its keys and aggregates */
	List *inner_tlist;	/* of the subquery */
	PathTarget *keys;	/* with their sortgrouprefs */
	List *aggrefs;
	AggSplit aggsplit; /* of a partition: their transition states, to be
						* combined with those of others */
} Wanted;

/* ---- what a subquery gives ---- */

static Node *
replace_outputs(Node *node, void *context)
{
	const Wanted *wanted = context;
	TargetEntry *entry;

	if (node == NULL)
		return NULL;
	if (!IsA(node, Var) || ((Var *) node)->varno != (int) wanted->varno)
		return expression_tree_mutator(node, replace_outputs, context);
	entry = get_tle_by_resno(wanted->inner_tlist, ((Var *) node)->varattno);
	return entry == NULL
			   ? (Node *) copyObject(node)
			   : gstore_results_as_vars((Node *) entry->expr, wanted->inner_exprs);
}

/* An expression as the engine gets it: of a table's columns as it is; of a
 * subquery's, as one of the results of its groups. */
static Node *
for_engine(const Wanted *wanted, Node *node)
{
	return wanted->inner == NULL ? node
								 : replace_outputs(node, (void *) wanted);
}

/* Of which relation such an expression's columns are. */
static Index
engine_varno(const Wanted *wanted)
{
	return wanted->inner == NULL ? wanted->varno : INDEX_VAR;
}

static bool
supports_key(const Wanted *wanted, Node *key, Oid equality)
{
	return gstore_key_supports((Expr *) for_engine(wanted, key), equality,
							   engine_varno(wanted));
}

/* ---- what is wanted ---- */

/* Is the expression made of keys, aggregates the engine has, and what stays the
 * same?  Collects the aggregates. */
static bool
is_computable(Node *node, Wanted *wanted)
{
	if (node == NULL)
		return true;
	if (list_member(wanted->keys->exprs, node))
		return true;
	switch (nodeTag(node))
	{
		case T_Aggref:
			if (!gstore_aggregate_supports((Aggref *) for_engine(wanted, node),
										   engine_varno(wanted)))
				return false;
			wanted->aggrefs = list_append_unique(wanted->aggrefs, node);
			return true;
		case T_Var:
		case T_PlaceHolderVar:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_SubPlan:
		case T_AlternativeSubPlan:
			return false;
		case T_List:
		{
			ListCell *cell;

			foreach(cell, (List *) node)
				if (!is_computable(lfirst(cell), wanted))
					return false;
			return true;
		}
		default:
		{
			List *parts = pull_var_clause(node,
										  PVC_INCLUDE_AGGREGATES |
											  PVC_INCLUDE_PLACEHOLDERS |
											  PVC_INCLUDE_WINDOWFUNCS);

			return !contain_subplans(node) && is_computable((Node *) parts, wanted);
		}
	}
}

/* An expression of the query, as one of the table's: a partition has columns of
 * its own. */
static Node *
translate(PlannerInfo *root, RelOptInfo *table, Node *expr)
{
	AppendRelInfo **appinfos;
	int n;

	if (table->reloptkind != RELOPT_OTHER_MEMBER_REL)
		return expr;
	appinfos = find_appinfos_by_relids(root, table->relids, &n);
	return adjust_appendrel_attrs(root, expr, n, appinfos);
}

/* The group keys; false if one is not for the engine. */
static bool
collect_keys(PlannerInfo *root, RelOptInfo *table, PathTarget *target,
			 List *group_clause, Wanted *wanted)
{
	int i = 0;
	ListCell *cell;

	foreach(cell, target->exprs)
	{
		Index ref = get_pathtarget_sortgroupref(target, i);
		SortGroupClause *clause = ref == 0 ? NULL : get_sortgroupref_clause_noerr(ref, group_clause);

		i++;
		if (clause == NULL)
			continue;
		if (!supports_key(wanted, lfirst(cell), clause->eqop))
			return false;
		add_column_to_pathtarget(wanted->keys, lfirst(cell), ref);
	}
	/* A key that the result does not show is not in the target. */
	foreach(cell, group_clause)
	{
		SortGroupClause *clause = lfirst(cell);
		Expr *expr = (Expr *) translate(root, table,
										get_sortgroupclause_expr(clause,
																 root->parse->targetList));

		if (list_member(wanted->keys->exprs, expr))
			continue;
		if (!supports_key(wanted, (Node *) expr, clause->eqop))
			return false;
		add_column_to_pathtarget(wanted->keys, expr, clause->tleSortGroupRef);
	}
	return true;
}

/* Are all conditions of the table evaluated by the engine? */
static bool
filters_all(RelOptInfo *baserel)
{
	List *local;
	List *pushed = gstore_pushdown_split(baserel, baserel->baserestrictinfo,
										 &local);

	return local == NIL &&
		   list_length(pushed) == list_length(baserel->baserestrictinfo);
}

/* The scan of the table that the engine reads through. */
static Path *
find_scan(RelOptInfo *baserel)
{
	ListCell *cell;

	foreach(cell, baserel->pathlist)
	{
		Path *path = lfirst(cell);
		Path *below = IsA(path, ProjectionPath) ? ((ProjectionPath *) path)->subpath : path;

		if (IsA(below, ForeignPath) && path->param_info == NULL)
			return path;
	}
	return NULL;
}

/*
 * What PostgreSQL would do above the scan.  DISTINCT in an aggregate needs
 * sorted groups there; and since 16 the aggregates count on input that is sorted
 * by their arguments, groups or not, where the planner has said so.
 */
static Path *
make_fallback(PlannerInfo *root, RelOptInfo *upper, Path *scan,
			  PathTarget *target, List *group_clause, AggSplit aggsplit,
			  bool sorts, double groups)
{
	AggStrategy strategy = AGG_HASHED;
	AggClauseCosts costs;

	MemSet(&costs, 0, sizeof(costs));
	get_agg_clause_costs(root, aggsplit, &costs);
	if (group_clause == NIL)
		strategy = AGG_PLAIN;
	else if (sorts)
		strategy = AGG_SORTED;
	if (sorts && root->group_pathkeys != NIL)
		scan = (Path *) create_sort_path(root, upper, scan,
										 root->group_pathkeys, -1.0);
	return (Path *) create_agg_path(root, upper, scan, target, strategy,
									aggsplit, group_clause, NIL, &costs,
									groups);
}

/*
 * Will groups by these keys not fit?  PostgreSQL can spill them.  Of an expression
 * the estimate is that of its columns' values, and date_trunc has far fewer: so
 * only keys that are columns count, and should others be many after all, the
 * engine notices before it has read much.
 */
static bool
are_too_many(PlannerInfo *root, const Wanted *wanted, double rows)
{
	List *columns = NIL;
	double groups = 1;
	ListCell *cell;

	foreach(cell, wanted->keys->exprs)
		if (IsA(lfirst(cell), Var))
			columns = lappend(columns, lfirst(cell));
	if (columns != NIL)
		groups = estimate_num_groups(root, columns, rows, NULL, NULL);
	return groups * (list_length(wanted->keys->exprs) + list_length(wanted->aggrefs) + 4) *
			   sizeof(uint64) >
		   get_hash_memory_limit();
}

/* Groups of a path's rows whose keys and aggregates are wanted, as a path of an
 * upper relation with the given target; cost is that of computing them. */
static void
add_group_path(PlannerInfo *root, Path *below, Cost cost, RelOptInfo *upper,
			   PathTarget *upper_target, Wanted *wanted, List *group_clause,
			   bool sorts, Node *having)
{
	PathTarget *target = copy_pathtarget(wanted->keys);
	double groups = 1;
	Path *fallback;
	List *over = NIL;
	ListCell *cell;

	add_new_columns_to_pathtarget(target, wanted->aggrefs);
	set_pathtarget_cost_width(root, target);
	if (group_clause != NIL)
		groups = estimate_num_groups(root, wanted->keys->exprs, below->rows,
									 NULL, NULL);
	if (are_too_many(root, wanted, below->rows))
		return;
	fallback = make_fallback(root, upper, below, target, group_clause,
							 wanted->aggsplit, sorts, groups);
	if (wanted->inner != NULL)
		foreach(cell, target->exprs)
			over = lappend(over, for_engine(wanted, lfirst(cell)));
	cost += groups * cpu_tuple_cost;
	add_path(upper,
			 (Path *) gstore_create_foreign_upper_path(root, upper,
													   upper_target, groups,
													   cost, cost, NIL, fallback,
													   list_make4(target->exprs,
																  (List *) having,
																  makeInteger(list_length(wanted->keys->exprs)),
																  over)));
}

/* A table's. */
static void
add_table_path(PlannerInfo *root, RelOptInfo *baserel, RelOptInfo *upper,
			   PathTarget *upper_target, Wanted *wanted, List *group_clause,
			   bool sorts, Node *having)
{
	Path *scan = find_scan(baserel);

	if (scan != NULL)
		add_group_path(root, scan,
					   scan->startup_cost +
						   (scan->total_cost - scan->startup_cost) *
							   ENGINE_COST_FACTOR,
					   upper, upper_target, wanted, group_clause, sorts, having);
}

/* Is what comes below an upper relation one table, which the engine reads? */
static bool
is_table(RelOptInfo *input)
{
	return IS_SIMPLE_REL(input) && filters_all(input);
}

static void
add_aggregate_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output,
				   GroupPathExtraData *extra, AggSplit aggsplit)
{
	Query *parse = root->parse;
	List *group_clause = gstore_group_clause(root);
	bool sorts = root->numOrderedAggs > 0;
	bool whole = aggsplit == AGGSPLIT_SIMPLE;
	Wanted wanted = {.aggsplit = aggsplit};

	if (parse->groupingSets != NIL || !grouping_is_hashable(group_clause) ||
		(sorts && input->reloptkind != RELOPT_BASEREL))
		return;
	wanted.varno = input->relid;
	wanted.keys = create_empty_pathtarget();
	if (!collect_keys(root, input, output->reltarget, group_clause, &wanted) ||
		!is_computable((Node *) output->reltarget->exprs, &wanted) ||
		(whole && !is_computable(extra->havingQual, &wanted)))
		return;
	add_table_path(root, input, output, output->reltarget, &wanted,
				   group_clause, sorts, whole ? extra->havingQual : NULL);
}

/* SELECT DISTINCT of a table's columns and what is made of them. */
static void
add_distinct_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	Query *parse = root->parse;
	List *clause = gstore_distinct_clause(root);
	PathTarget *target = root->upper_targets[UPPERREL_DISTINCT];
	Wanted wanted = {0};

	if (parse->hasDistinctOn || parse->groupClause != NIL || parse->hasAggs ||
		parse->hasWindowFuncs || parse->groupingSets != NIL ||
		parse->havingQual != NULL || clause == NIL || target == NULL ||
		!grouping_is_hashable(clause))
		return;
	wanted.varno = input->relid;
	wanted.keys = create_empty_pathtarget();
	if (!collect_keys(root, input, target, clause, &wanted) ||
		!is_computable((Node *) target->exprs, &wanted))
		return;
	add_table_path(root, input, output, target, &wanted, clause, false, NULL);
}

static void
get_upper_paths(PlannerInfo *root, UpperRelationKind stage,
				RelOptInfo *input, RelOptInfo *output, void *extra)
{
	if (!gstore_guc_enable_pushdown || root->parse->hasTargetSRFs ||
		!is_table(input))
		return;
	if (stage == UPPERREL_GROUP_AGG)
		add_aggregate_path(root, input, output, extra, AGGSPLIT_SIMPLE);
	else if (stage == UPPERREL_PARTIAL_GROUP_AGG &&
			 ((GroupPathExtraData *) extra)->patype == PARTITIONWISE_AGGREGATE_PARTIAL)
		add_aggregate_path(root, input, output, extra,
						   AGGSPLIT_INITIAL_SERIAL);
	else if (stage == UPPERREL_DISTINCT)
		add_distinct_path(root, input, output);
}

/* ---- aggregates of a subquery that groups ---- */

static Path *
below_projection(Path *path)
{
	while (path != NULL && IsA(path, ProjectionPath))
		path = ((ProjectionPath *) path)->subpath;
	return path;
}

/* Can the engine evaluate all of HAVING? */
static bool
filters_groups(List *exprs, List *having)
{
	ListCell *cell;

	foreach(cell, having)
		if (!gstore_program_supports((Expr *) gstore_results_as_vars(lfirst(cell),
																	 exprs),
									 INDEX_VAR))
			return false;
	return true;
}

/* The path that groups what a relation of the query is, if one of ours does and
 * nothing comes between; NULL: it is not like that. */
static ForeignPath *
find_inner(RelOptInfo *input)
{
	Path *path = below_projection(input->cheapest_total_path);
	ForeignPath *inner;

	if (path == NULL || !IsA(path, SubqueryScanPath) ||
		path->param_info != NULL || input->baserestrictinfo != NIL)
		return NULL;
	/* the subquery would be run for the sake of what that does */
	if (contain_volatile_functions((Node *) input->subroot->processed_tlist))
		return NULL;
	path = below_projection(((SubqueryScanPath *) path)->subpath);
	if (path == NULL || !IsA(path, ForeignPath) ||
		!IS_UPPER_REL(path->parent) || path->parent->fdwroutine == NULL ||
		path->parent->fdwroutine->GetForeignUpperPaths != get_upper_paths)
		return NULL;
	inner = (ForeignPath *) path;
	return intVal(lthird(inner->fdw_private)) > 0 &&
				   filters_groups(linitial(inner->fdw_private),
								  lsecond(inner->fdw_private))
			   ? inner
			   : NULL;
}

static void
add_outer_path(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output,
			   GroupPathExtraData *extra)
{
	List *group_clause = gstore_group_clause(root);
	bool sorts = root->numOrderedAggs > 0;
	Wanted wanted = {.aggsplit = AGGSPLIT_SIMPLE};

	wanted.inner = find_inner(input);
	if (wanted.inner == NULL || root->parse->groupingSets != NIL ||
		!grouping_is_hashable(group_clause))
		return;
	wanted.varno = input->relid;
	wanted.inner_exprs = linitial(wanted.inner->fdw_private);
	wanted.inner_tlist = input->subroot->processed_tlist;
	wanted.keys = create_empty_pathtarget();
	if (!collect_keys(root, input, output->reltarget, group_clause, &wanted) ||
		!is_computable((Node *) output->reltarget->exprs, &wanted) ||
		!is_computable(extra->havingQual, &wanted))
		return;
	/* one row, whatever the groups are */
	if (wanted.keys->exprs == NIL && wanted.aggrefs == NIL)
		return;
	/* as if the table were below: so the plan is made by us */
	if (output->fdwroutine == NULL)
	{
		RelOptInfo *below = wanted.inner->path.parent;

		output->fdwroutine = below->fdwroutine;
		output->serverid = below->serverid;
		output->userid = below->userid;
		output->useridiscurrent = below->useridiscurrent;
	}
	add_group_path(root, input->cheapest_total_path,
				   wanted.inner->path.total_cost +
					   wanted.inner->path.rows * cpu_tuple_cost *
						   GROUP_COST_FACTOR,
				   output, output->reltarget, &wanted, group_clause, sorts,
				   extra->havingQual);
}

static create_upper_paths_hook_type next_upper_paths_hook;

static void
on_upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input,
			   RelOptInfo *output, void *extra)
{
	if (next_upper_paths_hook)
		next_upper_paths_hook(root, stage, input, output, extra);
	if (stage == UPPERREL_GROUP_AGG && gstore_guc_enable_pushdown &&
		input->reloptkind == RELOPT_BASEREL && input->rtekind == RTE_SUBQUERY &&
		!root->parse->hasTargetSRFs)
		add_outer_path(root, input, output, extra);
}

void
gstore_upper_hooks(void)
{
	next_upper_paths_hook = create_upper_paths_hook;
	create_upper_paths_hook = on_upper_paths;
}

/* ---- plans ---- */

ForeignScan *
gstore_upper_plan(ForeignPath *path, List *tlist, Plan *outer_plan)
{
	List *exprs = linitial(path->fdw_private);
	List *pushed = NIL;
	List *local = NIL;
	List *scan_tlist = NIL;
	ListCell *cell;

	foreach(cell, exprs)
		scan_tlist = lappend(scan_tlist,
							 makeTargetEntry(lfirst(cell),
											 list_length(scan_tlist) + 1,
											 NULL, false));
	foreach(cell, (List *) lsecond(path->fdw_private))
		if (filters_groups(exprs, list_make1(lfirst(cell))))
			pushed = lappend(pushed, lfirst(cell));
		else
			local = lappend(local, lfirst(cell));
	return make_foreignscan(tlist, local, 0, NIL,
							list_make2(lthird(path->fdw_private),
									   lfourth(path->fdw_private)),
							scan_tlist, pushed, outer_plan);
}

void
gstore_upper_callbacks(FdwRoutine *routine)
{
	routine->GetForeignUpperPaths = get_upper_paths;
}
