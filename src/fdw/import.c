/*
 * import.c
 *	  IMPORT FOREIGN SCHEMA: gstore tables shaped like the ordinary tables of a
 *	  schema of this database.  No rows come along: INSERT ... SELECT does that.
 *
 * Which tables LIMIT TO and EXCEPT leave over is core's to say, which also puts
 * them where they shall be.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "foreign/fdwapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "fdw/routine.h"

/* What to take over of a column, by postgres_fdw's names for it. */
typedef struct ImportOptions
{
	bool collate;
	bool defaults;
	bool generated;
	bool not_null;
	List *others; /* of DefElem: options of each table */
} ImportOptions;

/*
 * The tables and their columns as CREATE FOREIGN TABLE wants them.  Partitions
 * are left out, as their rows are those of the table above them.
 */
static const char *const query =
	"SELECT c.relname::text, string_agg(quote_ident(a.attname)"
	" || ' ' || format_type(a.atttypid, a.atttypmod)"
	" || CASE WHEN $2 AND a.attcollation <> t.typcollation"
	" THEN ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(l.collname)"
	" ELSE '' END"
	" || CASE WHEN d.adbin IS NULL THEN ''"
	" WHEN a.attgenerated = 's' THEN CASE WHEN $4"
	" THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' ELSE '' END"
	" WHEN a.attgenerated = '' AND $3 THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)"
	" ELSE '' END"
	" || CASE WHEN $5 AND a.attnotnull THEN ' NOT NULL' ELSE '' END,"
	" ', ' ORDER BY a.attnum)"
	" FROM pg_class c"
	" LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	" LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
	" LEFT JOIN pg_type t ON t.oid = a.atttypid"
	" LEFT JOIN pg_collation l ON l.oid = a.attcollation"
	" LEFT JOIN pg_namespace n ON n.oid = l.collnamespace"
	" WHERE c.relnamespace = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	" GROUP BY c.relname ORDER BY c.relname";

static ImportOptions
read_options(List *list)
{
	ImportOptions options = {true, false, true, true, NIL};
	ListCell *cell;

	foreach(cell, list)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, "import_collate") == 0)
			options.collate = defGetBoolean(option);
		else if (strcmp(option->defname, "import_default") == 0)
			options.defaults = defGetBoolean(option);
		else if (strcmp(option->defname, "import_generated") == 0)
			options.generated = defGetBoolean(option);
		else if (strcmp(option->defname, "import_not_null") == 0)
			options.not_null = defGetBoolean(option);
		else
			options.others = lappend(options.others, option);
	}
	return options;
}

static char *
make_command(const char *name, const char *columns, const char *server,
			 List *options)
{
	StringInfoData command;
	ListCell *cell;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s (%s) SERVER %s",
					 quote_identifier(name), columns != NULL ? columns : "",
					 quote_identifier(server));
	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);

		appendStringInfo(&command, "%s%s %s",
						 cell == list_head(options) ? " OPTIONS (" : ", ",
						 quote_identifier(option->defname),
						 quote_literal_cstr(defGetString(option)));
		if (lnext(options, cell) == NULL)
			appendStringInfoChar(&command, ')');
	}
	return command.data;
}

static List *
import_schema(ImportForeignSchemaStmt *statement, Oid server)
{
	ImportOptions options = read_options(statement->options);
	Oid schema = get_namespace_oid(statement->remote_schema, true);
	Oid types[] = {OIDOID, BOOLOID, BOOLOID, BOOLOID, BOOLOID};
	Datum values[5];
	MemoryContext caller = CurrentMemoryContext;
	List *commands = NIL;
	int nest;

	(void) server;
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
				 errmsg("schema \"%s\" does not exist in this database",
						statement->remote_schema),
				 errhint("Server \"%s\" imports the shapes of this database's own tables.",
						 statement->server_name)));
	values[0] = ObjectIdGetDatum(schema);
	values[1] = BoolGetDatum(options.collate);
	values[2] = BoolGetDatum(options.defaults);
	values[3] = BoolGetDatum(options.generated);
	values[4] = BoolGetDatum(options.not_null);

	/* So that every name in the commands is qualified, and none here is
	 * somebody else's. */
	nest = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(query, lengthof(types), types, values, NULL, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "the tables of schema \"%s\" could not be listed",
			 statement->remote_schema);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		char *name = SPI_getvalue(row, SPI_tuptable->tupdesc, 1);
		char *columns = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
		MemoryContext old = MemoryContextSwitchTo(caller);

		commands = lappend(commands,
						   make_command(name, columns, statement->server_name,
										options.others));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	AtEOXact_GUC(true, nest);
	return commands;
}

void
gstore_import_callbacks(FdwRoutine *routine)
{
	routine->ImportForeignSchema = import_schema;
}
