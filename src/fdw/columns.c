/*
 * columns.c
 *	  Relation -> GstoreTarget; see columns.h.
 *
 * A type's fingerprint changes when the type is altered in a way that changes
 * what its stored values mean.  PostgreSQL refuses that for types that tables
 * use, but does not count foreign tables.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/table.h"
#include "access/toast_compression.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "compat.h"
#include "fdw/columns.h"
#include "fdw/options.h"
#include "store/schema.h"

static uint64 type_fingerprint(Oid type, int32 typmod);

static uint64
composite_fingerprint(Oid type, int32 typmod)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, typmod);
	uint64 print = type;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		print = hash_combine64(print, attribute->attisdropped ? 0 : type_fingerprint(attribute->atttypid, attribute->atttypmod));
	}
	ReleaseTupleDesc(desc);
	return print;
}

static uint64
type_fingerprint(Oid type, int32 typmod)
{
	Oid inner;

	check_stack_depth();
	if (type == RECORDOID)
		return type; /* says itself what is in it */
	switch (get_typtype(type))
	{
		case TYPTYPE_COMPOSITE:
			return composite_fingerprint(type, typmod);
		case TYPTYPE_DOMAIN:
			inner = getBaseTypeAndTypmod(type, &typmod);
			return hash_combine64(type, type_fingerprint(inner, typmod));
		case TYPTYPE_RANGE:
			return hash_combine64(type,
								  type_fingerprint(get_range_subtype(type),
												   -1));
		case TYPTYPE_MULTIRANGE:
			return hash_combine64(type,
								  type_fingerprint(get_multirange_range(type),
												   -1));
		default:
			inner = get_element_type(type);
			return OidIsValid(inner) ? hash_combine64(type, type_fingerprint(inner, typmod)) : type;
	}
}

static uint8
align_bytes(char attalign)
{
	switch (attalign)
	{
		case TYPALIGN_CHAR:
			return 1;
		case TYPALIGN_SHORT:
			return 2;
		case TYPALIGN_INT:
			return 4;
		default:
			return 8;
	}
}

static void
describe_column(Oid relid, Form_pg_attribute attribute, GstoreColumn *column)
{
	memcpy(column->name, NameStr(attribute->attname), GSTORE_NAME_LENGTH);
	column->typid = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->attnum = attribute->attnum;
	column->attlen = attribute->attlen;
	column->attalign = align_bytes(attribute->attalign);
	column->attbyval = attribute->attbyval;
	column->dropped = attribute->attisdropped;
	if (!attribute->attisdropped && attribute->attlen == -1)
		column->compression =
			gstore_column_compression(relid, attribute->attnum);
}

GstoreTarget *
gstore_target(Relation relation)
{
	Oid relid = RelationGetRelid(relation);
	TupleDesc desc = RelationGetDescr(relation);
	GstoreTableOptions options = gstore_table_options(relid);
	GstoreTarget *target = palloc(sizeof(GstoreTarget));
	GstoreSchema *schema = palloc0(gstore_schema_bytes(desc->natts));
	uint64 *fingerprints = palloc0(Max(desc->natts, 1) * sizeof(uint64));

	schema->table_oid = relid;
	schema->row_type = relation->rd_rel->reltype;
	schema->ncols = desc->natts;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		describe_column(relid, attribute, &schema->columns[i]);
		if (!attribute->attisdropped)
			fingerprints[i] = type_fingerprint(attribute->atttypid,
											   attribute->atttypmod);
	}

	target->relid = relid;
	target->relname = pstrdup(RelationGetRelationName(relation));
	target->pinning = options.pinning;
	target->codec = gstore_codec(options.format);
	target->schema = schema;
	target->fingerprints = fingerprints;
	return target;
}

Datum
gstore_flatten(Datum value)
{
	struct varlena *attr = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(attr))
		attr = detoast_external_attr(attr);
	if (VARATT_IS_COMPRESSED(attr) &&
		VARDATA_COMPRESSED_GET_COMPRESS_METHOD(attr) != TOAST_PGLZ_COMPRESSION_ID)
		attr = detoast_attr(attr);
	return PointerGetDatum(attr);
}
