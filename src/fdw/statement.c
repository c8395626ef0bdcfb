/*
 * statement.c
 *	  Writer locks and the snapshot of a data-modifying statement; see
 *	  statement.h.
 *
 * One Statement per EState that changes gstore tables, in its query context,
 * found through a list that a reset callback keeps free of dead ones.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "fdw/statement.h"
#include "store/relation.h"

typedef struct TargetSet
{
	Index target; /* the scan's range table index, and the result relation's */
	GstoreSeenSet *set;
	Snapshot snapshot;
} TargetSet;

typedef struct Statement
{
	dlist_node node; /* in statements */
	MemoryContextCallback forget;
	EState *estate;
	Snapshot snapshot; /* what targets are read with */
	List *sets;		   /* of TargetSet */
} Statement;

static dlist_head statements = DLIST_STATIC_INIT(statements);

void
gstore_lock_for_writing(Oid relid)
{
	LockRelationOid(relid, ShareUpdateExclusiveLock);
}

static void
forget_statement(void *arg)
{
	dlist_delete(&((Statement *) arg)->node);
}

static Statement *
find_statement(EState *estate)
{
	dlist_iter iter;

	dlist_foreach(iter, &statements)
	{
		Statement *statement = dlist_container(Statement, node, iter.cur);

		if (statement->estate == estate)
			return statement;
	}
	return NULL;
}

/* Lock every target in the plan's order: all of them before the snapshot. */
static void
lock_targets(EState *estate)
{
	ListCell *cell;

	foreach(cell, estate->es_plannedstmt->resultRelations)
	{
		Oid relid = exec_rt_fetch(lfirst_int(cell), estate)->relid;

		if (gstore_is_table(relid))
			gstore_lock_for_writing(relid);
	}
	if (estate->es_rowmarks == NULL)
		return;
	for (Index i = 0; i < estate->es_range_table_size; i++)
		if (estate->es_rowmarks[i] != NULL &&
			estate->es_rowmarks[i]->strength != LCS_NONE &&
			gstore_is_table(estate->es_rowmarks[i]->relid))
			gstore_lock_for_writing(estate->es_rowmarks[i]->relid);
}

/*
 * The newest snapshot, but with the statement's command id: it must not see
 * what commands after the statement's start did.
 */
static Snapshot
snapshot_after_lock(EState *estate)
{
	Snapshot latest;

	if (IsolationUsesXactSnapshot())
		return estate->es_snapshot;
	latest = RegisterSnapshot(GetLatestSnapshot());
	latest->curcid = estate->es_snapshot->curcid;
	return latest;
}

static Statement *
begin_statement(EState *estate)
{
	Statement *statement =
		MemoryContextAllocZero(estate->es_query_cxt, sizeof(Statement));

	lock_targets(estate);
	statement->snapshot = snapshot_after_lock(estate);
	statement->estate = estate;
	dlist_push_tail(&statements, &statement->node);
	statement->forget.func = forget_statement;
	statement->forget.arg = statement;
	MemoryContextRegisterResetCallback(estate->es_query_cxt,
									   &statement->forget);
	return statement;
}

/* FOR UPDATE and the like; core calls the mark of a foreign table a copy
 * (ROW_MARK_COPY), whatever was asked for. */
static bool
is_target(EState *estate, Index scanrelid)
{
	ExecRowMark *mark;

	if (list_member_int(estate->es_plannedstmt->resultRelations, scanrelid))
		return true;
	mark = ExecFindRowMark(estate, scanrelid, true);
	return mark != NULL && mark->strength != LCS_NONE;
}

bool
gstore_statement_target(EState *estate, Index scanrelid, Snapshot *snapshot)
{
	Statement *statement;

	if (!is_target(estate, scanrelid))
		return false;
	statement = find_statement(estate);
	if (statement == NULL)
		statement = begin_statement(estate);
	*snapshot = statement->snapshot;
	return true;
}

void
gstore_statement_end_scan(EState *estate)
{
	Statement *statement = find_statement(estate);

	if (statement == NULL || statement->snapshot == NULL)
		return;
	if (statement->snapshot != estate->es_snapshot)
		UnregisterSnapshot(statement->snapshot);
	statement->snapshot = NULL;
}

void
gstore_statement_keep_set(EState *estate, Index target, GstoreSeenSet *set,
						  Snapshot snapshot)
{
	Statement *statement = find_statement(estate);
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	TargetSet *kept = palloc(sizeof(TargetSet));

	kept->target = target;
	kept->set = set;
	kept->snapshot = snapshot;
	statement->sets = lappend(statement->sets, kept);
	MemoryContextSwitchTo(old);
}

GstoreSeenSet *
gstore_statement_find_set(EState *estate, Index target, Snapshot *snapshot)
{
	Statement *statement = find_statement(estate);
	ListCell *cell;

	if (statement == NULL)
		return NULL;
	foreach(cell, statement->sets)
	{
		TargetSet *kept = lfirst(cell);

		if (kept->target == target)
		{
			*snapshot = kept->snapshot;
			return kept->set;
		}
	}
	return NULL;
}
