/*
 * tables.c
 *	  SQL functions that take one table: what it is, and compacting it.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/objectaddress.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "guc.h"
#include "share/readable.h"
#include "store/estimate.h"
#include "store/merge.h"
#include "store/pending.h"
#include "store/progress.h"
#include "store/relation.h"

Relation
gstore_open_readable(Oid relid)
{
	Relation relation = try_table_open(relid, AccessShareLock);
	AclResult result;

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no table with OID %u", relid),
				 errdetail("It may have been dropped since its name was looked up."),
				 errhint("A function or prepared statement looks it up again if it says 'name'::regclass.")));
	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	if (!gstore_is_table(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a gstore_fdw table",
						RelationGetRelationName(relation))));
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE,
					   RelationGetRelationName(relation));
	return relation;
}

PG_FUNCTION_INFO_V1(gstore_fdw_format);

Datum
gstore_fdw_format(PG_FUNCTION_ARGS)
{
	Relation relation = gstore_open_readable(PG_GETARG_OID(0));
	List *options = GetForeignTable(RelationGetRelid(relation))->options;
	const char *format = "pgstrom";
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, "format") == 0 &&
			pg_strcasecmp(defGetString(option), "default") != 0)
			format = defGetString(option);
	}
	table_close(relation, AccessShareLock);
	PG_RETURN_TEXT_P(cstring_to_text(format));
}

PG_FUNCTION_INFO_V1(gstore_fdw_nattrs);

Datum
gstore_fdw_nattrs(PG_FUNCTION_ARGS)
{
	Relation relation = gstore_open_readable(PG_GETARG_OID(0));
	int64 natts = RelationGetNumberOfAttributes(relation);

	table_close(relation, AccessShareLock);
	PG_RETURN_INT64(natts);
}

/* What the caller's snapshot sees of a table: rows, and bytes of its images. */
static void
measure(Oid relid, int64 *rows, int64 *bytes)
{
	Relation relation = gstore_open_readable(relid);
	GstoreSeenSet *set;

	gstore_pending_flush(relid);
	set = gstore_seen_set_take(gstore_table_find(relid), GetActiveSnapshot(),
							   relation);
	*rows = *bytes = 0;
	for (uint32 i = 0; i < set->nchunks; i++)
	{
		*rows += set->chunks[i].seen_rows;
		*bytes += set->chunks[i].chunk->image_bytes;
	}
	gstore_seen_set_release(set);
	table_close(relation, AccessShareLock);
}

PG_FUNCTION_INFO_V1(gstore_fdw_nitems);

Datum
gstore_fdw_nitems(PG_FUNCTION_ARGS)
{
	int64 rows;
	int64 bytes;

	measure(PG_GETARG_OID(0), &rows, &bytes);
	PG_RETURN_INT64(rows);
}

PG_FUNCTION_INFO_V1(gstore_fdw_rawsize);

Datum
gstore_fdw_rawsize(PG_FUNCTION_ARGS)
{
	int64 rows;
	int64 bytes;

	measure(PG_GETARG_OID(0), &rows, &bytes);
	PG_RETURN_INT64(bytes);
}

/*
 * gstore_compact(table): merge until nothing is left to merge.  For the owner,
 * like VACUUM.  What other transactions still see, and what this one changed,
 * stays for later.
 */
PG_FUNCTION_INFO_V1(gstore_compact);

Datum
gstore_compact(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Relation relation = gstore_open_readable(relid);
	GstoreTable *table = gstore_table_find(relid);
	uint64 image_bytes = (uint64) gstore_guc_chunk_size * 1024;
	int64 total = 0;
	int64 won;
	bool merged;

	if (!gstore_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FOREIGN_TABLE,
					   RelationGetRelationName(relation));
	if (table != NULL)
	{
		GstoreTableSize size = gstore_table_size(table);

		gstore_progress_begin(GSTORE_PROGRESS_COMPACT, relid);
		gstore_progress_tell(GSTORE_COMPACT_CHUNKS_TOTAL, size.chunks);
		gstore_progress_tell(GSTORE_COMPACT_BYTES_TOTAL, (int64) size.bytes);
		do
		{
			CHECK_FOR_INTERRUPTS();
			gstore_progress_tell(GSTORE_COMPACT_PHASE, GSTORE_COMPACT_CHOOSING);
			won = gstore_table_reclaim(table, gstore_horizon());
			total += won;
			gstore_progress_add(GSTORE_COMPACT_BYTES_WON, won);
			merged = gstore_merge_table(table, image_bytes, true, &won);
			total += won;
			gstore_progress_add(GSTORE_COMPACT_BYTES_WON, won);
		} while (merged);
		total += gstore_table_reclaim(table, gstore_horizon());
		gstore_progress_end(GSTORE_PROGRESS_COMPACT);
	}
	table_close(relation, NoLock);
	PG_RETURN_INT64(Max(total, 0));
}
