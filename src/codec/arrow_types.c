/*
 * arrow_types.c
 *	  PostgreSQL's types as Arrow's, and values whose bytes differ in the two.
 *
 * A value that Arrow cannot hold exactly is refused, never bent.
 */
#include <stdio.h>
#include <string.h>

#include "codec/arrow.h"
#include "codec/bounds.h"
#include "codec/normalize.h"
#include "numeric.h"

static const GstoreArrowType types[] = {
#define GSTORE_ARROW_TYPE(name, format, bytes, encoding) \
	{format, bytes, GSTORE_ENCODING_##encoding},
	GSTORE_ARROW_KINDS(GSTORE_ARROW_TYPE)
#undef GSTORE_ARROW_TYPE
};

GstoreArrowKind
gstore_arrow_kind(const GstoreColumn *column)
{
	return column->dropped || column->arrow_kind >= lengthof(types)
			   ? GSTORE_ARROW_NONE
			   : (GstoreArrowKind) column->arrow_kind;
}

const GstoreArrowType *
gstore_arrow_type(const GstoreColumn *column)
{
	return &types[gstore_arrow_kind(column)];
}

void
gstore_arrow_format(const GstoreColumn *column, char *format)
{
	memset(format, 0, 32);
	switch (gstore_arrow_kind(column))
	{
		case GSTORE_ARROW_NUMERIC:
			snprintf(format, 32, "d:%d,%d", column->precision, column->scale);
			break;
		case GSTORE_ARROW_BYTEA:
			format[0] = column->large_text ? 'Z' : 'z';
			break;
		case GSTORE_ARROW_TEXT:
		case GSTORE_ARROW_NAME:
		case GSTORE_ARROW_OUTPUT:
			format[0] = column->large_text ? 'U' : 'u';
			break;
		case GSTORE_ARROW_LIST:
			strcpy(format, column->large_text ? "+L" : "+l");
			break;
		default:
			strcpy(format, gstore_arrow_type(column)->format);
	}
}

bool
gstore_arrow_same_kinds(const GstoreSchema *schema, int column,
						const GstoreSchema *other_schema, int other_column)
{
	const GstoreColumn *a = &schema->columns[column];
	const GstoreColumn *b = &other_schema->columns[other_column];

	if (a->arrow_kind != b->arrow_kind || a->nchildren != b->nchildren)
		return false;
	for (uint32 i = 0; i < a->nchildren; i++)
		if (!gstore_arrow_same_kinds(schema, (int) (a->first_child + i),
									 other_schema,
									 (int) (b->first_child + i)))
			return false;
	return true;
}

GstoreArrowKind
gstore_arrow_kind_of_type(uint32 typid, bool bool_byte)
{
	/* pg_type.oid of types that are there before any other. */
	switch (typid)
	{
		case 16: /* bool */
			return bool_byte ? GSTORE_ARROW_BOOL_BYTE : GSTORE_ARROW_BOOL;
		case 17: /* bytea */
		/* these have no input function */
		case 194:  /* pg_node_tree */
		case 3361: /* pg_ndistinct */
		case 3402: /* pg_dependencies */
		case 4600: /* pg_brin_bloom_summary */
		case 4601: /* pg_brin_minmax_multi_summary */
		case 5017: /* pg_mcv_list */
			return GSTORE_ARROW_BYTEA;
		case 19: /* name */
			return GSTORE_ARROW_NAME;
		case 20: /* int8 */
			return GSTORE_ARROW_INT8;
		case 21: /* int2 */
			return GSTORE_ARROW_INT2;
		case 23: /* int4 */
			return GSTORE_ARROW_INT4;
		case 25:   /* text */
		case 114:  /* json */
		case 142:  /* xml */
		case 1042: /* bpchar */
		case 1043: /* varchar */
			return GSTORE_ARROW_TEXT;
		case 26: /* oid */
		/* names of what has an oid, which may get another name */
		case 24:   /* regproc */
		case 2202: /* regprocedure */
		case 2203: /* regoper */
		case 2204: /* regoperator */
		case 2205: /* regclass */
		case 2206: /* regtype */
		case 3734: /* regconfig */
		case 3769: /* regdictionary */
		case 4089: /* regnamespace */
		case 4096: /* regrole */
		case 4191: /* regcollation */
			return GSTORE_ARROW_OID;
		case 700: /* float4 */
			return GSTORE_ARROW_FLOAT4;
		case 701: /* float8 */
			return GSTORE_ARROW_FLOAT8;
		case 1082: /* date */
			return GSTORE_ARROW_DATE;
		case 1083: /* time */
			return GSTORE_ARROW_TIME;
		case 1114: /* timestamp */
			return GSTORE_ARROW_TIMESTAMP;
		case 1184: /* timestamptz */
			return GSTORE_ARROW_TIMESTAMPTZ;
		case 1186: /* interval */
			return GSTORE_ARROW_INTERVAL;
		case 1700: /* numeric */
			return GSTORE_ARROW_NUMERIC;
		case 2950: /* uuid */
			return GSTORE_ARROW_UUID;
		default:
			return GSTORE_ARROW_OUTPUT;
	}
}

/* ---- to Arrow ---- */

static GstoreCodecStatus
refuse(GstoreCodecError *error, const char *what)
{
	return gstore_codec_fail(error, GSTORE_CODEC_VALUE, -1, what,
							 "Format \"pgstrom\" can hold it; or store NULL.");
}

static GstoreCodecStatus
convert_date(int32 days, void *target, GstoreCodecError *error)
{
	if (days == INT32_MIN || days == INT32_MAX)
		return refuse(error, days < 0 ? "format \"arrow\" cannot hold the date -infinity" : "format \"arrow\" cannot hold the date infinity");
	if (days > INT32_MAX - GSTORE_EPOCH_DAYS)
		return refuse(error, "format \"arrow\" cannot hold so late a date");
	days += GSTORE_EPOCH_DAYS;
	memcpy(target, &days, sizeof(days));
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
convert_time(int64 microseconds, void *target, GstoreCodecError *error)
{
	if (microseconds < 0 || microseconds >= GSTORE_DAY_MICROSECONDS)
		return refuse(error, "format \"arrow\" cannot hold the time 24:00:00");
	memcpy(target, &microseconds, sizeof(microseconds));
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
convert_timestamp(int64 microseconds, void *target, GstoreCodecError *error)
{
	if (microseconds == INT64_MIN || microseconds == INT64_MAX)
		return refuse(error, microseconds < 0 ? "format \"arrow\" cannot hold the timestamp -infinity" : "format \"arrow\" cannot hold the timestamp infinity");
	if (microseconds > INT64_MAX - GSTORE_EPOCH_MICROSECONDS)
		return refuse(error,
					  "format \"arrow\" cannot hold timestamps after 294247-01-10 04:00:54.775807");
	microseconds += GSTORE_EPOCH_MICROSECONDS;
	memcpy(target, &microseconds, sizeof(microseconds));
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
convert_interval(const void *value, void *target, GstoreCodecError *error)
{
	GstoreInterval from;
	GstoreArrowInterval to;

	memcpy(&from, value, sizeof(from));
	to.months = from.months;
	to.days = from.days;
	if (__builtin_mul_overflow(from.microseconds, 1000, &to.nanoseconds))
		return refuse(error,
					  "format \"arrow\" cannot hold an interval whose hours pass 292 years");
	memcpy(target, &to, sizeof(to));
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
convert_numeric(const GstoreColumn *column, const void *value,
				GstoreScratch *scratch, void *target, GstoreCodecError *error)
{
	GstoreVarlena varlena;
	GstoreInt128 decimal = 0;
	GstoreCodecStatus status = gstore_normalize(value,
												GSTORE_COMPRESSION_NONE,
												scratch, &varlena, error);
	char message[120];

	if (status != GSTORE_CODEC_OK)
		return status;
	switch (gstore_numeric_to_decimal(varlena.body, varlena.body_bytes,
									  column->precision, column->scale,
									  &decimal))
	{
		case GSTORE_NUMERIC_OK:
			memcpy(target, &decimal, sizeof(decimal));
			return GSTORE_CODEC_OK;
		case GSTORE_NUMERIC_NAN:
			return refuse(error,
						  "format \"arrow\" cannot hold the numeric NaN");
		case GSTORE_NUMERIC_INFINITY:
			return refuse(error,
						  "format \"arrow\" cannot hold an infinite numeric");
		case GSTORE_NUMERIC_TOO_LARGE:
			snprintf(message, sizeof(message),
					 "a numeric has too many digits for decimal128(%d,%d)",
					 column->precision, column->scale);
			return refuse(error, message);
		case GSTORE_NUMERIC_TOO_FINE:
			snprintf(message, sizeof(message),
					 "a numeric has digits behind the %d that decimal128(%d,%d) holds",
					 column->scale, column->precision, column->scale);
			return refuse(error, message);
		case GSTORE_NUMERIC_DAMAGED:
			break;
	}
	return gstore_codec_corrupt(error, -1, "a numeric is damaged");
}

GstoreCodecStatus
gstore_arrow_convert(const GstoreColumn *column, GstoreValue value,
					 GstoreScratch *scratch, void *target,
					 GstoreCodecError *error)
{
	const void *pointer = (const void *) (uintptr_t) value;

	switch (gstore_arrow_kind(column))
	{
		case GSTORE_ARROW_DATE:
			return convert_date((int32) value, target, error);
		case GSTORE_ARROW_TIME:
			return convert_time((int64) value, target, error);
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			return convert_timestamp((int64) value, target, error);
		case GSTORE_ARROW_INTERVAL:
			return convert_interval(pointer, target, error);
		case GSTORE_ARROW_NUMERIC:
			return convert_numeric(column, pointer, scratch, target, error);
		default:
			return gstore_codec_fail(error, GSTORE_CODEC_VALUE, -1,
									 "a value of this kind needs no conversion",
									 "");
	}
}

/* ---- many at once ---- */

/* Digits of a numeric that make a number of 64 bits. */
#define SMALL_DIGITS 4

/* 10^exponent, for exponents that leave room for SMALL_DIGITS. */
static const uint64 small_powers[] = {1, 10, 100};

/*
 * A numeric of few digits in units of 10^-scale, if that is a whole number below
 * limit; false: look closer.
 */
static inline bool
convert_small_numeric(const uint8 *body, uint32 bytes, int scale,
					  uint64 limit, int64 *result)
{
	/* of dividing by 10, 100, 1000: factors that are exact for digits */
	static const uint32 inverse[] = {0, 104858, 10486, 1049};
	static const uint32 units[] = {1, 10, 100, 1000};
	static const uint32 rests[] = {10000, 1000, 100, 10};
	uint32 ndigits = (bytes - 2) / 2;
	uint16 word;
	int exponent; /* of ten, of the last digit, in units of the result */
	uint64 sum = 0;
	uint32 fine = 0;
	uint32 quotient;

	if (unlikely(bytes < 2 || bytes % 2 != 0 || ndigits > SMALL_DIGITS))
		return false;
	memcpy(&word, body, sizeof(word));
	if (unlikely((word & 0xC000) != 0x8000))
		return false;
	exponent = 4 * ((int) (word & 0x3F) - ((word & 0x40) ? 64 : 0) -
					(int) ndigits + 1) +
			   scale;
	if (unlikely(ndigits > 0 && (exponent < -3 || exponent > 2)))
		return false;
	for (uint32 i = 0; i < ndigits; i++)
	{
		uint16 digit;

		memcpy(&digit, body + 2 + 2 * i, sizeof(digit));
		if (unlikely(digit > 9999))
			return false;
		if (i + 1 < ndigits || exponent >= 0)
		{
			sum = sum * 10000 + digit;
			continue;
		}
		fine = (uint32) -exponent;
		quotient = digit * inverse[fine] >> 20;
		if (unlikely(quotient * units[fine] != digit))
			return false;
		sum = sum * rests[fine] + quotient;
	}
	if (ndigits > 0 && exponent > 0)
		sum *= small_powers[exponent];
	if (unlikely(sum >= limit))
		return false;
	*result = (word & 0x2000) ? -(int64) sum : (int64) sum;
	return true;
}

/* What numbers have to be below so as not to have too many digits. */
static inline uint64
small_limit(const GstoreColumn *column)
{
	return column->precision > 18 ? UINT64_C(10000000000000000000)
								  : (uint64) gstore_power_of_ten(column->precision);
}

static GstoreCodecStatus
convert_numerics(const GstoreColumn *column, const GstoreValue *values,
				 const bool *nulls, uint32 count, GstoreScratch *scratch,
				 GstoreDecimal *target, GstoreCodecError *error)
{
	uint64 limit = small_limit(column);
	int scale = column->scale;

	for (uint32 i = 0; i < count; i++)
	{
		const void *pointer = (const void *) (uintptr_t) values[i];
		GstoreVarlena varlena;
		GstoreCodecStatus status;
		int64 small;

		if (nulls != NULL && nulls[i])
		{
			target[i] = 0;
			continue;
		}
		varlena = gstore_varlena(pointer);
		if (likely(gstore_varlena_is_plain(pointer) &&
				   convert_small_numeric(varlena.body, varlena.body_bytes,
										 scale, limit, &small)))
		{
			target[i] = small;
			continue;
		}
		status = convert_numeric(column, pointer, scratch, &target[i], error);
		if (status != GSTORE_CODEC_OK)
		{
			error->row = i;
			return status;
		}
	}
	return GSTORE_CODEC_OK;
}

/* Of kinds whose values are by value: `make' is an expression in `value', which
 * `good' says to be held. */
#define CONVERT_ALL(type, good, make) \
	do \
	{ \
		type *to = target; \
\
		for (uint32 i = 0; i < count; i++) \
		{ \
			type value = (type) values[i]; \
\
			if (nulls != NULL && nulls[i]) \
				to[i] = 0; \
			else if (likely(good)) \
				to[i] = (make); \
			else \
			{ \
				GstoreCodecStatus status = \
					gstore_arrow_convert(column, values[i], scratch, \
										 &to[i], error); \
\
				error->row = i; \
				return status; \
			} \
		} \
		return GSTORE_CODEC_OK; \
	} while (0)

#define GOOD_DATE(value) \
	((value) != INT32_MIN && (value) <= INT32_MAX - GSTORE_EPOCH_DAYS)
#define GOOD_TIME(value) ((uint64) (value) < (uint64) GSTORE_DAY_MICROSECONDS)
#define GOOD_TIMESTAMP(value) \
	((value) != INT64_MIN && (value) <= INT64_MAX - GSTORE_EPOCH_MICROSECONDS)

GstoreCodecStatus
gstore_arrow_convert_all(const GstoreColumn *column,
						 const GstoreValue *values, const bool *nulls,
						 uint32 count, GstoreScratch *scratch, void *target,
						 GstoreCodecError *error)
{
	GstoreArrowInterval *intervals = target;

	switch (gstore_arrow_kind(column))
	{
		case GSTORE_ARROW_DATE:
			CONVERT_ALL(int32, GOOD_DATE(value), value + GSTORE_EPOCH_DAYS);
		case GSTORE_ARROW_TIME:
			CONVERT_ALL(int64, GOOD_TIME(value), value);
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			CONVERT_ALL(int64, GOOD_TIMESTAMP(value),
						value + GSTORE_EPOCH_MICROSECONDS);
		case GSTORE_ARROW_NUMERIC:
			return convert_numerics(column, values, nulls, count, scratch,
									target, error);
		default:
			break;
	}
	for (uint32 i = 0; i < count; i++)
	{
		GstoreCodecStatus status;

		memset(&intervals[i], 0, sizeof(intervals[i]));
		if (nulls != NULL && nulls[i])
			continue;
		status = gstore_arrow_convert(column, values[i], scratch,
									  &intervals[i], error);
		if (status != GSTORE_CODEC_OK)
		{
			error->row = i;
			return status;
		}
	}
	return GSTORE_CODEC_OK;
}

/* ---- asking first ---- */

bool
gstore_arrow_refuses(const GstoreColumn *column)
{
	return gstore_arrow_type(column)->encoding == GSTORE_ENCODING_ARROW_FIXED ||
		   gstore_arrow_kind(column) == GSTORE_ARROW_TIME;
}

/* Does already the head of a numeric tell that its digits fit? */
static inline bool
has_few_digits(const void *pointer, const GstoreColumn *column)
{
	GstoreVarlena varlena = gstore_varlena(pointer);
	uint16 word;
	int weight;

	if (unlikely(!gstore_varlena_is_plain(pointer) || varlena.body_bytes < 2))
		return false;
	memcpy(&word, varlena.body, sizeof(word));
	weight = (int) (word & 0x3F) - ((word & 0x40) ? 64 : 0);
	return (word & 0xC000) == 0x8000 &&
		   (word >> 7 & 0x3F) <= column->scale &&
		   4 * (weight + 1) <= column->precision - column->scale;
}

/* Is a value sure to be held?  Where not, look closer. */
static inline bool
is_surely_held(const GstoreColumn *column, GstoreValue value)
{
	switch ((GstoreArrowKind) column->arrow_kind)
	{
		case GSTORE_ARROW_DATE:
			return GOOD_DATE((int32) value);
		case GSTORE_ARROW_TIME:
			return GOOD_TIME((int64) value);
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			return GOOD_TIMESTAMP((int64) value);
		case GSTORE_ARROW_NUMERIC:
			return has_few_digits((const void *) (uintptr_t) value, column);
		default:
			return false;
	}
}

GstoreCodecStatus
gstore_arrow_check(const GstoreSchema *schema, const int *columns,
				   int ncolumns, const GstoreValue *values,
				   const bool *nulls, GstoreCodecError *error)
{
	GstoreScratch scratch = {.allocator = &gstore_malloc_allocator};
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	for (int i = 0; i < ncolumns && status == GSTORE_CODEC_OK; i++)
	{
		const GstoreColumn *column = &schema->columns[columns[i]];
		GstoreInt128 target;

		if (nulls[columns[i]] || is_surely_held(column, values[columns[i]]))
			continue;
		status = gstore_arrow_convert(column, values[columns[i]], &scratch,
									  &target, error);
		if (status != GSTORE_CODEC_OK)
			error->column = columns[i];
	}
	gstore_scratch_free(&scratch);
	return status;
}

/* ---- and back ---- */

static void
revert_dates(const int32 *source, uint64 count, GstoreValue *values)
{
	/* Unsigned: what a foreign program wrote may be anything. */
	for (uint64 i = 0; i < count; i++)
		values[i] = (GstoreValue) (int64) (int32) ((uint32) source[i] - GSTORE_EPOCH_DAYS);
}

static void
revert_timestamps(const int64 *source, uint64 count, GstoreValue *values)
{
	for (uint64 i = 0; i < count; i++)
		values[i] = (uint64) source[i] - (uint64) GSTORE_EPOCH_MICROSECONDS;
}

static GstoreCodecStatus
revert_intervals(const GstoreArrowInterval *source, uint64 count,
				 GstoreValue *values, GstoreScratch *scratch,
				 GstoreCodecError *error)
{
	GstoreInterval *target =
		gstore_scratch_reserve(scratch, count * sizeof(GstoreInterval));

	if (target == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	for (uint64 i = 0; i < count; i++)
	{
		target[i].microseconds = source[i].nanoseconds / 1000;
		target[i].days = source[i].days;
		target[i].months = source[i].months;
		values[i] = (GstoreValue) (uintptr_t) &target[i];
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
revert_numerics(const GstoreColumnView *view, const uint8 *source,
				uint64 count, GstoreValue *values, const bool *nulls,
				GstoreScratch *scratch, GstoreCodecError *error)
{
	GstoreInt128 limit =
		(GstoreInt128) gstore_power_of_ten(Min(view->precision,
											   GSTORE_DECIMAL_DIGITS));
	uint8 *target = gstore_scratch_reserve(scratch,
										   count * GSTORE_NUMERIC_BYTES);

	if (target == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	for (uint64 i = 0; i < count; i++, target += GSTORE_NUMERIC_BYTES)
	{
		GstoreInt128 decimal;

		values[i] = 0;
		if (nulls[i])
			continue;
		memcpy(&decimal, source + i * sizeof(decimal), sizeof(decimal));
		if (decimal <= -limit || decimal >= limit)
			return gstore_codec_corrupt(error, -1,
										"a decimal has more digits than its column");
		gstore_decimal_to_numeric(decimal, view->scale, target);
		values[i] = (GstoreValue) (uintptr_t) target;
	}
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_arrow_revert(const GstoreColumnView *view, uint64 from, uint64 count,
					GstoreValue *values, const bool *nulls,
					GstoreScratch *scratch, GstoreCodecError *error)
{
	const uint8 *source = view->values + from * view->stride;

	switch (view->arrow_kind)
	{
		case GSTORE_ARROW_DATE:
			revert_dates((const int32 *) source, count, values);
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			revert_timestamps((const int64 *) source, count, values);
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_INTERVAL:
			return revert_intervals((const GstoreArrowInterval *) source,
									count, values, scratch, error);
		default:
			return revert_numerics(view, source, count, values, nulls,
								   scratch, error);
	}
}
