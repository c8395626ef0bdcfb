/*
 * as_gstore.c
 *	  For `make check-postgres` alone: tables that PostgreSQL's own regression
 *	  tests create become gstore tables, without a change to the tests.
 *
 * A CREATE TABLE is executed as CREATE FOREIGN TABLE ... SERVER gstore_fdw;
 * what foreign tables cannot have (keys, indexes, storage parameters) is left
 * out, and DROP TABLE, COPY ... TO and VACUUM of such a table become what does
 * the same to it.  Tables that are partitioned, typed, made LIKE another, or of
 * another access method stay what they are, and so do temporary ones that do
 * something ON COMMIT.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

PG_MODULE_MAGIC;

void _PG_init(void);

static ProcessUtility_hook_type next_hook;

static bool
is_gstore(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);

	return OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE;
}

static bool
is_gstore_or_above(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);
	char kind = OidIsValid(relid) ? get_rel_relkind(relid) : 0;

	return kind == RELKIND_FOREIGN_TABLE || kind == RELKIND_PARTITIONED_TABLE;
}

/* ---- CREATE TABLE ---- */

/* Constraints that need an index, and what only qualifies those. */
static bool
needs_index(const Constraint *constraint)
{
	switch (constraint->contype)
	{
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
		case CONSTR_EXCLUSION:
		case CONSTR_FOREIGN:
		case CONSTR_ATTR_DEFERRABLE:
		case CONSTR_ATTR_NOT_DEFERRABLE:
		case CONSTR_ATTR_DEFERRED:
		case CONSTR_ATTR_IMMEDIATE:
			return true;
		default:
			return false;
	}
}

static void
make_not_null(ColumnDef *column)
{
	Constraint *constraint = makeNode(Constraint);

	constraint->contype = CONSTR_NOTNULL;
	constraint->location = -1;
	column->constraints = lappend(column->constraints, constraint);
}

/* The columns of a key are not null all the same. */
static void
make_key_not_null(List *elements, const Constraint *key)
{
	ListCell *name;
	ListCell *cell;

	foreach(name, key->keys)
		foreach(cell, elements)
		{
			ColumnDef *column = lfirst(cell);

			if (IsA(column, ColumnDef) && column->colname != NULL &&
				strcmp(column->colname, strVal(lfirst(name))) == 0)
				make_not_null(column);
		}
}

static List *
without_keys(List *elements)
{
	List *rest = NIL;
	ListCell *cell;

	foreach(cell, elements)
	{
		Node *element = lfirst(cell);

		if (IsA(element, ColumnDef))
		{
			ColumnDef *column = (ColumnDef *) element;
			List *kept = NIL;
			bool key = false;
			ListCell *inner;

			foreach(inner, column->constraints)
			{
				Constraint *constraint = lfirst(inner);

				key |= constraint->contype == CONSTR_PRIMARY;
				if (!needs_index(constraint))
					kept = lappend(kept, constraint);
			}
			column->constraints = kept;
			if (key)
				make_not_null(column);
		}
		else if (IsA(element, Constraint) && needs_index((Constraint *) element))
		{
			if (((Constraint *) element)->contype == CONSTR_PRIMARY)
				make_key_not_null(elements, (Constraint *) element);
			continue;
		}
		rest = lappend(rest, element);
	}
	return rest;
}

static bool
can_be_gstore(const CreateStmt *stmt)
{
	ListCell *cell;

	if (stmt->partspec != NULL || stmt->ofTypename != NULL ||
		stmt->accessMethod != NULL || stmt->oncommit != ONCOMMIT_NOOP)
		return false;
	foreach(cell, stmt->tableElts)
		if (IsA(lfirst(cell), TableLikeClause))
			return false;
	return true;
}

static Node *
create_table(CreateStmt *stmt)
{
	CreateForeignTableStmt *foreign;

	stmt->tableElts = without_keys(stmt->tableElts);
	if (!can_be_gstore(stmt))
		return (Node *) stmt;
	foreign = makeNode(CreateForeignTableStmt);
	foreign->base = *stmt;
	NodeSetTag(&foreign->base, T_CreateForeignTableStmt);
	foreign->base.options = NIL;
	foreign->base.tablespacename = NULL;
	if (stmt->relation->relpersistence == RELPERSISTENCE_UNLOGGED)
		foreign->base.relation->relpersistence = RELPERSISTENCE_PERMANENT;
	foreign->servername = pstrdup("gstore_fdw");
	return (Node *) foreign;
}

/* ---- CREATE TABLE AS: the rows move once they are there ---- */

static void
execute(const char *command)
{
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not execute: %s", command);
}

static void
move_rows(RangeVar *name)
{
	Oid relid = RangeVarGetRelid(name, NoLock, true);
	Relation rel;
	StringInfoData columns;
	char *schema;
	char *table;
	char *heap;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION)
		return;
	rel = table_open(relid, AccessShareLock);
	initStringInfo(&columns);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);

		appendStringInfo(&columns, "%s%s %s", i == 0 ? "" : ", ",
						 quote_identifier(NameStr(attribute->attname)),
						 format_type_with_typemod(attribute->atttypid,
												  attribute->atttypmod));
		if (OidIsValid(attribute->attcollation))
			appendStringInfo(&columns, " COLLATE %s",
							 generate_collation_name(attribute->attcollation));
	}
	schema = get_namespace_name_or_temp(RelationGetNamespace(rel));
	table = pstrdup(quote_qualified_identifier(schema,
											   RelationGetRelationName(rel)));
	heap = pstrdup(quote_qualified_identifier(schema, "heap of create table as"));
	table_close(rel, NoLock);

	SPI_connect();
	execute(psprintf("ALTER TABLE %s RENAME TO \"heap of create table as\"", table));
	execute(psprintf("CREATE FOREIGN TABLE %s (%s) SERVER gstore_fdw", table,
					 columns.data));
	execute(psprintf("INSERT INTO %s SELECT * FROM %s", table, heap));
	execute(psprintf("DROP TABLE %s", heap));
	SPI_finish();
}

/* ---- other commands ---- */

static void
drop_tables(DropStmt *stmt)
{
	ObjectAddresses *objects = new_object_addresses();
	ListCell *cell;

	foreach(cell, stmt->objects)
	{
		RangeVar *name = makeRangeVarFromNameList(lfirst(cell));
		ObjectAddress object = {.classId = RelationRelationId};

		object.objectId = RangeVarGetRelid(name, AccessExclusiveLock,
										   stmt->missing_ok);
		if (OidIsValid(object.objectId))
			add_exact_object_address(&object, objects);
		else
			ereport(NOTICE, (errmsg("table \"%s\" does not exist, skipping",
									name->relname)));
	}
	PreventCommandIfReadOnly("DROP TABLE");
	performMultipleDeletions(objects, stmt->behavior, 0);
}

static bool
drops_gstore(const DropStmt *stmt)
{
	ListCell *cell;

	if (stmt->removeType != OBJECT_TABLE)
		return false;
	foreach(cell, stmt->objects)
		if (is_gstore(makeRangeVarFromNameList(lfirst(cell))))
			return true;
	return false;
}

/* COPY table TO, of a query. */
static void
copy_query(CopyStmt *stmt)
{
	SelectStmt *select = makeNode(SelectStmt);
	List *names = stmt->attlist;
	ListCell *cell;

	if (names == NIL)
	{
		Relation rel = table_openrv(stmt->relation, AccessShareLock);

		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), i);

			if (!attribute->attisdropped && !attribute->attgenerated)
				names = lappend(names,
								makeString(pstrdup(NameStr(attribute->attname))));
		}
		table_close(rel, NoLock);
	}
	foreach(cell, names)
	{
		ColumnRef *column = makeNode(ColumnRef);
		ResTarget *target = makeNode(ResTarget);

		column->fields = list_make1(lfirst(cell));
		column->location = -1;
		target->val = (Node *) column;
		target->location = -1;
		select->targetList = lappend(select->targetList, target);
	}
	select->fromClause = list_make1(stmt->relation);
	stmt->relation = NULL;
	stmt->attlist = NIL;
	stmt->query = (Node *) select;
}

/* Without VACUUM there remains ANALYZE, or nothing. */
static bool
vacuum_or_nothing(VacuumStmt *stmt)
{
	ListCell *cell;

	if (!stmt->is_vacuumcmd || stmt->rels == NIL)
		return true;
	foreach(cell, stmt->rels)
		if (!is_gstore(lfirst_node(VacuumRelation, cell)->relation))
			return true;
	stmt->is_vacuumcmd = false;
	foreach(cell, stmt->options)
		if (strcmp(lfirst_node(DefElem, cell)->defname, "analyze") == 0)
		{
			stmt->options = NIL;
			return true;
		}
	return false;
}

/* ALTER TABLE without what indexes are needed for, and storage parameters. */
static bool
alter_or_nothing(AlterTableStmt *stmt)
{
	List *rest = NIL;
	ListCell *cell;

	if (!is_gstore_or_above(stmt->relation))
		return true;
	foreach(cell, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst(cell);

		if (cmd->subtype == AT_AddConstraint &&
			needs_index((Constraint *) cmd->def))
			continue;
		if (cmd->subtype == AT_SetRelOptions)
			continue;
		if (cmd->subtype == AT_AddColumn)
			cmd->def = linitial(without_keys(list_make1(cmd->def)));
		rest = lappend(rest, cmd);
	}
	stmt->cmds = rest;
	return rest != NIL;
}

/* False where nothing is left to do. */
static bool
become_gstore(Node **node)
{
	switch (nodeTag(*node))
	{
		case T_CreateStmt:
			*node = create_table((CreateStmt *) *node);
			return true;
		case T_IndexStmt:
			return !is_gstore_or_above(((IndexStmt *) *node)->relation);
		case T_AlterTableStmt:
			return alter_or_nothing((AlterTableStmt *) *node);
		case T_VacuumStmt:
			return vacuum_or_nothing((VacuumStmt *) *node);
		case T_DropStmt:
			if (!drops_gstore((DropStmt *) *node))
				return true;
			drop_tables((DropStmt *) *node);
			return false;
		case T_CopyStmt:
		{
			CopyStmt *stmt = (CopyStmt *) *node;

			if (!stmt->is_from && stmt->relation != NULL &&
				is_gstore(stmt->relation))
				copy_query(stmt);
			return true;
		}
		default:
			return true;
	}
}

static void
process(PlannedStmt *pstmt, const char *query, bool read_only_tree,
		ProcessUtilityContext context, ParamListInfo params,
		QueryEnvironment *environment, DestReceiver *dest,
		QueryCompletion *completion)
{
	Node *as = pstmt->utilityStmt;

	if (!creating_extension)
	{
		pstmt = copyObject(pstmt);
		if (!become_gstore(&pstmt->utilityStmt))
			return;
	}
	(next_hook ? next_hook : standard_ProcessUtility)(
		pstmt, query, false, context, params, environment, dest, completion);
	if (!creating_extension && IsA(as, CreateTableAsStmt) &&
		((CreateTableAsStmt *) as)->objtype == OBJECT_TABLE &&
		((CreateTableAsStmt *) as)->into->onCommit == ONCOMMIT_NOOP)
		move_rows(((CreateTableAsStmt *) as)->into->rel);
}

void
_PG_init(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = process;
}
