/*
 * ddl.c
 *	  Refusing ALTERs that would make stored rows unreadable, and options that
 *	  do not fit their column; see ddl.h.
 *
 * A validator sees options alone.  What needs the table is checked by the
 * object access hook that follows the change, which sees it through
 * SnapshotSelf.
 *
 * Labels of an enum that format "arrow" keeps as text are not given other names:
 * what is stored would be unknown, or, where two labels change places, another
 * value.
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
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "codec/arrow.h"
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

/* ---- labels of enums ---- */

typedef struct Label
{
	Oid oid;
	NameData name;
} Label;

/* The labels that a snapshot sees of an enum, of pg_enum's rows. */
static List *
labels_of(Oid type, Snapshot snapshot)
{
	Relation catalog = table_open(EnumRelationId, AccessShareLock);
	List *labels = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(type));
	scan = systable_beginscan(catalog, EnumTypIdLabelIndexId, true, snapshot, 1,
							  &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_enum row = (Form_pg_enum) GETSTRUCT(tuple);
		Label *label = palloc(sizeof(Label));

		label->oid = row->oid;
		label->name = row->enumlabel;
		labels = lappend(labels, label);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return labels;
}

/* Has this command given a label another name?  The catalogue's own snapshot
 * does not see it yet. */
static bool
is_label_renamed(Oid type)
{
	List *before = labels_of(type, NULL);
	List *now = labels_of(type, SnapshotSelf);
	ListCell *old;
	ListCell *new;

	foreach(old, before)
		foreach(new, now)
		{
			const Label *a = lfirst(old);
			const Label *b = lfirst(new);

			if (a->oid == b->oid &&
				strcmp(NameStr(a->name), NameStr(b->name)) != 0)
				return true;
		}
	return false;
}

static bool
contains_type(Oid type, Oid wanted)
{
	bool found = false;
	TupleDesc desc;
	Oid element;

	check_stack_depth();
	if (type == wanted)
		return true;
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return contains_type(getBaseType(type), wanted);
		case TYPTYPE_RANGE:
			return contains_type(get_range_subtype(type), wanted);
		case TYPTYPE_MULTIRANGE:
			return contains_type(get_multirange_range(type), wanted);
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc_copy(type, -1);
			for (int i = 0; i < desc->natts && !found; i++)
				found = !TupleDescAttr(desc, i)->attisdropped &&
						contains_type(TupleDescAttr(desc, i)->atttypid, wanted);
			return found;
		default:
			element = get_element_type(type);
			return OidIsValid(element) && contains_type(element, wanted);
	}
}

/* Does a chunk of the table keep values of the type as text? */
static bool
keeps_as_text(GstoreTable *table, Oid type)
{
	dsa_pointer pointer = table->schemas;

	while (DsaPointerIsValid(pointer))
	{
		const GstoreSchemaStamp *stamp = dsa_get_address(gstore_dsa(), pointer);
		const GstoreSchema *schema = &stamp->schema;
		bool found = false;

		for (uint32 i = 0; i < (uint32) schema->nfields && !found; i++)
			found = !schema->columns[i].dropped &&
					schema->columns[i].arrow_kind == GSTORE_ARROW_OUTPUT &&
					contains_type(schema->columns[i].typid, type);
		if (found && gstore_schema_is_used(table, pointer))
			return true;
		pointer = stamp->next;
	}
	return false;
}

static bool
collect_table(GstoreTable *table, void *state)
{
	if (!table->dropped && table->key.database == MyDatabaseId &&
		table->nchunks > 0)
		*(List **) state = lappend_oid(*(List **) state, table->key.table);
	return true;
}

/* An enum was altered: refuse to rename a label that rows have as text. */
static void
check_enum(Oid type)
{
	List *tables = NIL;
	ListCell *cell;

	if (!is_label_renamed(type))
		return;
	gstore_catalog_walk(false, collect_table, &tables);
	list_sort(tables, list_oid_cmp);
	foreach(cell, tables)
	{
		Oid relid = lfirst_oid(cell);
		GstoreTable *table;
		char *name;

		LockRelationOid(relid, AccessShareLock);
		table = gstore_table_find(relid);
		name = get_rel_name(relid); /* NULL: this transaction dropped it */
		if (table == NULL || name == NULL || !keeps_as_text(table, type))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot rename a value of type %s while foreign table \"%s\" has rows that keep it as text",
						format_type_be(type), name),
				 errdetail("The format arrow keeps values of an enum by their names."),
				 errhint("TRUNCATE the table first, or have it in the format pgstrom and write its rows anew.")));
	}
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
	if (access == OAT_POST_ALTER && class_id == TypeRelationId &&
		gstore_preloaded && get_typtype(object_id) == TYPTYPE_ENUM)
		check_enum(object_id);
}

void
gstore_ddl_init(void)
{
	next_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}
