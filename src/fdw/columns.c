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
#include "codec/arrow.h"
#include "fdw/columns.h"
#include "fdw/options.h"
#include "fdw/prune.h"
#include "store/schema.h"

static uint64 type_fingerprint(Oid type, int32 typmod);

static uint64
composite_fingerprint(Oid type, int32 typmod)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, typmod);
	uint64 print = type;
	int natts = desc->natts;

	/* Attributes that came and went again leave older values as they are. */
	while (natts > 0 && TupleDescAttr(desc, natts - 1)->attisdropped)
		natts--;
	for (int i = 0; i < natts; i++)
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

/* Digits of a decimal128 that an unconstrained numeric gets. */
#define DECIMAL_DIGITS 38

/* What the column is in Arrow; a numeric needs its digits fixed. */
static void
describe_arrow(const GstoreTableOptions *table,
			   const GstoreColumnOptions *options,
			   Form_pg_attribute attribute, GstoreColumn *column)
{
	int32 typmod = attribute->atttypmod;
	Oid type = getBaseTypeAndTypmod(attribute->atttypid, &typmod);

	column->arrow_kind = gstore_arrow_kind_of_type(type, options->bool_byte);
	column->large_text = table->large_text;
	if (column->arrow_kind != GSTORE_ARROW_NUMERIC)
		return;
	column->precision = DECIMAL_DIGITS;
	if (typmod >= (int32) VARHDRSZ)
	{
		/* As numeric.c packs it: precision in the upper half, and a signed
		 * scale in the lower eleven bits. */
		int32 packed = typmod - VARHDRSZ;
		int precision = (packed >> 16) & 0xFFFF;
		int scale = ((packed & 0x7FF) ^ 1024) - 1024;

		column->precision = Min(precision, DECIMAL_DIGITS);
		column->scale = scale;
	}
	else if (options->scale >= 0)
		column->scale = options->scale;
	else
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of type numeric has no fixed scale",
						NameStr(attribute->attname)),
				 errdetail("In the format arrow every value of a column has the same number of digits behind the point."),
				 errhint("Declare the column as numeric(precision, scale), give it the option \"scale\", or use the format pgstrom.")));
}

static void
describe_column(Oid relid, const GstoreTableOptions *table,
				Form_pg_attribute attribute, GstoreColumn *column)
{
	GstoreColumnOptions options;

	memcpy(column->name, NameStr(attribute->attname), GSTORE_NAME_LENGTH);
	column->typid = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->attnum = attribute->attnum;
	column->attlen = attribute->attlen;
	column->attalign = align_bytes(attribute->attalign);
	column->attbyval = attribute->attbyval;
	column->dropped = attribute->attisdropped;
	if (attribute->attisdropped)
		return;
	column->order = gstore_order_of_type(attribute->atttypid);
	options = gstore_column_options(relid, attribute->attnum);
	if (table->format == GSTORE_FORMAT_ARROW)
		describe_arrow(table, &options, attribute, column);
	else
		column->compression = options.compression;
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

		describe_column(relid, &options, attribute, &schema->columns[i]);
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
