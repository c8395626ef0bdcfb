/*
 * ddl.c
 *	  Refusing ALTERs that would make stored rows unreadable, and options that
 *	  do not fit their column; see ddl.h.
 *
 * A validator sees options alone.  What needs the table is checked by the
 * object access hook that follows the change, which sees it through
 * SnapshotSelf.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "codec/codec.h"
#include "fdw/ddl.h"
#include "fdw/options.h"
#include "guc.h"
#include "store/estimate.h"
#include "store/pending.h"
#include "store/relation.h"
#include "store/schema.h"

static object_access_hook_type next_object_access_hook;

/* What the newest chunk that has this column was written with, if the table
 * has rows at all. */
static const GstoreColumn *
stored_column(Oid relid, AttrNumber attnum)
{
	GstoreTable *table = gstore_table_find(relid);
	const GstoreSchemaStamp *stamp;

	if (table == NULL || gstore_table_size(table).live == 0 ||
		!DsaPointerIsValid(table->schemas))
		return NULL;
	stamp = dsa_get_address(gstore_dsa(), table->schemas);
	return attnum <= stamp->schema.ncols ? &stamp->schema.columns[attnum - 1] : NULL;
}

static void
check_type(Oid relid, Form_pg_attribute attribute)
{
	const GstoreColumn *stored = stored_column(relid, attribute->attnum);

	if (stored == NULL || stored->dropped ||
		(stored->typid == attribute->atttypid &&
		 stored->typmod == attribute->atttypmod))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change the type of column \"%s\" of foreign table \"%s\" while it has rows",
					NameStr(attribute->attname), get_rel_name(relid)),
			 errhint("TRUNCATE the table first, or copy its rows into a new table.")));
}

static void
refuse_option(Form_pg_attribute attribute, const char *option,
			  const char *why, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"%s\" cannot be used for column \"%s\"", option,
					NameStr(attribute->attname)),
			 errdetail("%s", why),
			 errhint("%s", hint)));
}

static void
check_options(Oid relid, Form_pg_attribute attribute)
{
	GstoreColumnOptions options = gstore_column_options(relid,
														attribute->attnum);
	Oid type = getBaseType(attribute->atttypid);

	if (attribute->attlen != -1 &&
		options.compression != GSTORE_COMPRESSION_NONE)
		refuse_option(attribute, "compression",
					  "Its type has a fixed length.",
					  "Only columns of variable length can be compressed.");
	/* Functions of types that are never toasted (oidvector) take their
	 * arguments as they are. */
	if (attribute->attlen == -1 &&
		get_typstorage(attribute->atttypid) == TYPSTORAGE_PLAIN &&
		options.compression != GSTORE_COMPRESSION_NONE)
		refuse_option(attribute, "compression",
					  "Its type does not allow compressed values.",
					  "Drop the option.");
	if (options.bool_byte && type != BOOLOID)
		refuse_option(attribute, "bool", "Its type is not boolean.",
					  "Drop the option.");
	if (options.scale >= 0 && type != NUMERICOID)
		refuse_option(attribute, "scale", "Its type is not numeric.",
					  "Drop the option.");
}

/* The column as it is now, changes of this command included. */
static void
check_column(Oid relid, AttrNumber attnum)
{
	Relation catalog = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber,
				F_INT2EQ, Int16GetDatum(attnum));
	scan = systable_beginscan(catalog, AttributeRelidNumIndexId, true,
							  SnapshotSelf, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_attribute attribute = (Form_pg_attribute) GETSTRUCT(tuple);

		if (!attribute->attisdropped)
		{
			check_type(relid, attribute);
			CommandCounterIncrement();
			check_options(relid, attribute);
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
on_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
				 int sub_id, void *arg)
{
	if (next_object_access_hook)
		next_object_access_hook(access, class_id, object_id, sub_id, arg);

	if (access == OAT_POST_ALTER && class_id == RelationRelationId &&
		sub_id > 0 && gstore_preloaded &&
		get_rel_relkind(object_id) == RELKIND_FOREIGN_TABLE &&
		gstore_is_table(object_id))
		check_column(object_id, sub_id);
}

void
gstore_ddl_init(void)
{
	next_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}
