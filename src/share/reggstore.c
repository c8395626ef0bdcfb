/*
 * reggstore.c
 *	  The type reggstore: the OID of a gstore_fdw table, written as its name.
 *
 * It is to gstore_fdw tables what regclass is to relations, and leans on
 * regclass for names.  Input refuses what is no gstore_fdw table; output never
 * fails: the number of a dropped table is printed as it is.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "store/relation.h"

/* The table's OID, checked.  Zero stays zero, as regclass reads "-". */
static Oid
check_table(Oid relid)
{
	const char *name = OidIsValid(relid) ? get_rel_name(relid) : NULL;

	if (!OidIsValid(relid))
		return relid;
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!gstore_is_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a gstore_fdw table", name),
				 errhint("Name a foreign table of server gstore_fdw.")));
	return relid;
}

PG_FUNCTION_INFO_V1(reggstorein);

Datum
reggstorein(PG_FUNCTION_ARGS)
{
	Datum relid = DirectFunctionCall1(regclassin, PG_GETARG_DATUM(0));

	PG_RETURN_OID(check_table(DatumGetObjectId(relid)));
}

PG_FUNCTION_INFO_V1(reggstoreout);

Datum
reggstoreout(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(regclassout, PG_GETARG_DATUM(0));
}

PG_FUNCTION_INFO_V1(reggstorerecv);

Datum
reggstorerecv(PG_FUNCTION_ARGS)
{
	Datum relid = DirectFunctionCall1(oidrecv, PG_GETARG_DATUM(0));

	PG_RETURN_OID(check_table(DatumGetObjectId(relid)));
}

PG_FUNCTION_INFO_V1(reggstoresend);

Datum
reggstoresend(PG_FUNCTION_ARGS)
{
	return DirectFunctionCall1(oidsend, PG_GETARG_DATUM(0));
}

PG_FUNCTION_INFO_V1(reggstore_from_oid);

Datum
reggstore_from_oid(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(check_table(PG_GETARG_OID(0)));
}
