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
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
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

/* Deeper, or with more fields, an array or composite is kept as text. */
#define MAX_DEPTH 16
#define MAX_FIELDS 16384

/* A schema in the making: it moves when fields are added. */
typedef struct Description
{
	GstoreSchema *schema;
	const GstoreTableOptions *table;
	const GstoreColumnOptions *options; /* of the column */
} Description;

static void describe_type(Description *description, int field, Oid type,
						  int32 typmod, int depth);

/* The digits of a decimal128; false: they are not fixed. */
static bool
describe_numeric(const GstoreColumnOptions *options, int32 typmod,
				 GstoreColumn *column)
{
	column->precision = DECIMAL_DIGITS;
	if (typmod >= (int32) VARHDRSZ)
	{
		/* As numeric.c packs it: precision in the upper half, and a signed
		 * scale in the lower eleven bits. */
		int32 packed = typmod - VARHDRSZ;
		int precision = (packed >> 16) & 0xFFFF;

		column->precision = Min(precision, DECIMAL_DIGITS);
		column->scale = ((packed & 0x7FF) ^ 1024) - 1024;
		return true;
	}
	column->scale = Max(options->scale, 0);
	return options->scale >= 0;
}

/* Add so many fields to a column or field; the first of them. */
static int
add_fields(Description *description, int field, int n)
{
	GstoreSchema *schema = description->schema;
	int first = schema->nfields;

	schema = repalloc(schema, gstore_schema_bytes(first + n));
	memset(&schema->columns[first], 0, n * sizeof(GstoreColumn));
	schema->nfields = first + n;
	schema->columns[field].nchildren = n;
	schema->columns[field].first_child = first;
	description->schema = schema;
	return first;
}

static void
describe_field(Description *description, int field, const char *name,
			   int number, Oid type, int32 typmod, int depth)
{
	GstoreColumn *column = &description->schema->columns[field];
	char align;

	strlcpy(column->name, name, GSTORE_NAME_LENGTH);
	column->typid = type;
	column->typmod = typmod;
	column->attnum = number;
	get_typlenbyvalalign(type, &column->attlen, &column->attbyval, &align);
	column->attalign = align_bytes(align);
	describe_type(description, field, type, typmod, depth);
}

/* The attributes of a composite that are not dropped; false: kept as text. */
static bool
describe_composite(Description *description, int field, Oid type,
				   int32 typmod, int depth)
{
	TupleDesc desc = lookup_rowtype_tupdesc_copy(type, typmod);
	int n = 0;
	int next;

	for (int i = 0; i < desc->natts; i++)
		n += !TupleDescAttr(desc, i)->attisdropped;
	if (n == 0 || description->schema->nfields + n > MAX_FIELDS)
		return false;
	description->schema->columns[field].arrow_kind = GSTORE_ARROW_STRUCT;
	next = add_fields(description, field, n);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped)
			continue;
		describe_field(description, next, NameStr(attribute->attname), i + 1,
					   attribute->atttypid, attribute->atttypmod, depth + 1);
		next++;
	}
	FreeTupleDesc(desc);
	return true;
}

/* What a column or field is in Arrow. */
static void
describe_type(Description *description, int field, Oid type, int32 typmod,
			  int depth)
{
	GstoreColumn *column = &description->schema->columns[field];
	Oid base = getBaseTypeAndTypmod(type, &typmod);
	/* Subscripts of these two begin at 0, which a list could not say. */
	Oid element = base == INT2VECTOROID || base == OIDVECTOROID
					  ? InvalidOid
					  : get_element_type(base);

	column->large_text = description->table->large_text;
	if (OidIsValid(element) && depth < MAX_DEPTH &&
		description->schema->nfields < MAX_FIELDS)
	{
		column->arrow_kind = GSTORE_ARROW_LIST;
		describe_field(description, add_fields(description, field, 1), "item",
					   1, element, typmod, depth + 1);
		return;
	}
	if (get_typtype(base) == TYPTYPE_COMPOSITE && depth < MAX_DEPTH &&
		describe_composite(description, field, base, typmod, depth))
		return;
	column->arrow_kind =
		gstore_arrow_kind_of_type(base, description->options->bool_byte);
	/* Texts become UTF-8 on the way that output takes, and nothing that knows
	 * texts in the database's encoding alone reads them there. */
	if (GetDatabaseEncoding() != PG_UTF8 &&
		(column->arrow_kind == GSTORE_ARROW_TEXT ||
		 column->arrow_kind == GSTORE_ARROW_NAME))
	{
		column->arrow_kind = GSTORE_ARROW_OUTPUT;
		column->order = 0;
	}
	if (column->arrow_kind != GSTORE_ARROW_NUMERIC ||
		describe_numeric(description->options, typmod, column))
		return;
	if (depth == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of type numeric has no fixed scale",
						column->name),
				 errdetail("In the format arrow every value of a column has the same number of digits behind the point."),
				 errhint("Declare the column as numeric(precision, scale), give it the option \"scale\", or use the format pgstrom.")));
	column->arrow_kind = GSTORE_ARROW_OUTPUT;
	column->precision = 0;
}

static void
describe_column(Oid relid, Description *description,
				Form_pg_attribute attribute)
{
	int number = attribute->attnum - 1;
	GstoreColumn *column = &description->schema->columns[number];
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
	description->options = &options;
	if (description->table->format == GSTORE_FORMAT_ARROW)
		describe_type(description, number, attribute->atttypid,
					  attribute->atttypmod, 0);
	else
		column->compression = options.compression;
	description->options = NULL;
}

/* ---- targets ---- */

/*
 * A target is one piece of memory: the struct, the fingerprints, the schema,
 * the name.  What was found out of a table is remembered, for that takes some
 * look-ups for each column, and given out as copies, which nobody has to guard
 * against what is forgotten.
 */
typedef struct Remembered
{
	Oid relid;
	Size size;
	GstoreTarget *target; /* in CacheMemoryContext */
} Remembered;

static HTAB *remembered = NULL;

static GstoreTarget *
copy_target(const GstoreTarget *target, Size size)
{
	GstoreTarget *copy = palloc(size);
	const char *from = (const char *) target;
	char *to = (char *) copy;

	memcpy(copy, target, size);
	copy->relname = to + (target->relname - from);
	copy->schema = (GstoreSchema *) (to + ((const char *) target->schema - from));
	copy->fingerprints = (uint64 *) (to + ((const char *) target->fingerprints - from));
	return copy;
}

/* The table, or InvalidOid: any of them, has changed. */
static void
forget(Datum argument, Oid relid)
{
	HASH_SEQ_STATUS status;
	Remembered *entry;

	(void) argument;
	if (OidIsValid(relid))
	{
		entry = hash_search(remembered, &relid, HASH_FIND, NULL);
		if (entry == NULL)
			return;
		pfree(entry->target);
		hash_search(remembered, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&status, remembered);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		pfree(entry->target);
		hash_search(remembered, &entry->relid, HASH_REMOVE, NULL);
	}
}

static void
remember(const GstoreTarget *target, Size size)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);
	GstoreTarget *copy = copy_target(target, size);
	Remembered *entry;

	MemoryContextSwitchTo(old);
	entry = hash_search(remembered, &target->relid, HASH_ENTER, NULL);
	entry->size = size;
	entry->target = copy;
}

static const Remembered *
recall(Oid relid)
{
	if (remembered == NULL)
	{
		HASHCTL control = {.keysize = sizeof(Oid),
						   .entrysize = sizeof(Remembered)};

		remembered = hash_create("gstore_fdw targets", 64, &control,
								 HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
	}
	return hash_search(remembered, &relid, HASH_FIND, NULL);
}

/* Can the type not be altered without the table?  Its changes would not be told
 * to us. */
static bool
is_constant(Oid type)
{
	Oid element;

	if (get_typtype(type) != TYPTYPE_BASE)
		return false;
	element = get_element_type(type);
	return !OidIsValid(element) || get_typtype(element) == TYPTYPE_BASE;
}

GstoreTarget *
gstore_target(Relation relation)
{
	Oid relid = RelationGetRelid(relation);
	const Remembered *known = recall(relid);
	TupleDesc desc = RelationGetDescr(relation);
	GstoreTableOptions options;
	Description description;
	bool constant = true;
	GstoreTarget target = {.relid = relid,
						   .relname = RelationGetRelationName(relation)};
	uint64 *fingerprints;
	GstoreTarget *result;
	Size at_schema = MAXALIGN(sizeof(GstoreTarget)) +
					 MAXALIGN(Max(desc->natts, 1) * sizeof(uint64));
	Size at_name;
	Size size;

	if (known != NULL)
		return copy_target(known->target, known->size);

	options = gstore_table_options(relid);
	description.table = &options;
	description.options = NULL;
	description.schema = palloc0(gstore_schema_bytes(desc->natts));
	description.schema->table_oid = relid;
	description.schema->row_type = relation->rd_rel->reltype;
	description.schema->ncols = description.schema->nfields = desc->natts;
	fingerprints = palloc0(Max(desc->natts, 1) * sizeof(uint64));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		describe_column(relid, &description, attribute);
		if (attribute->attisdropped)
			continue;
		fingerprints[i] = type_fingerprint(attribute->atttypid,
										   attribute->atttypmod);
		constant = constant && is_constant(attribute->atttypid);
	}
	target.pinning = options.pinning;
	target.codec = gstore_codec(options.format);
	target.schema = description.schema;
	target.fingerprints = fingerprints;

	at_name = at_schema + MAXALIGN(gstore_schema_bytes(target.schema->nfields));
	size = at_name + strlen(target.relname) + 1;
	result = palloc0(size);
	*result = target;
	result->fingerprints = memcpy((char *) result + MAXALIGN(sizeof(GstoreTarget)),
								  fingerprints, desc->natts * sizeof(uint64));
	result->schema = memcpy((char *) result + at_schema, target.schema,
							gstore_schema_bytes(target.schema->nfields));
	result->relname = strcpy((char *) result + at_name, target.relname);
	pfree(description.schema);
	pfree(fingerprints);
	if (constant)
		remember(result, size);
	return result;
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
