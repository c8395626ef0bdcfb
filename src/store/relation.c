/*
 * relation.c
 *	  Telling gstore tables from other relations; see relation.h.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/lsyscache.h"

#include "store/relation.h"

extern Datum gstore_fdw_handler(PG_FUNCTION_ARGS);

bool
gstore_is_table(Oid relid)
{
	ForeignServer *server;
	Oid handler;
	FmgrInfo function;

	if (get_rel_relkind(relid) != RELKIND_FOREIGN_TABLE)
		return false;
	server = GetForeignServer(GetForeignTable(relid)->serverid);
	handler = GetForeignDataWrapper(server->fdwid)->fdwhandler;
	if (!OidIsValid(handler))
		return false;
	fmgr_info(handler, &function);
	return function.fn_addr == gstore_fdw_handler;
}
