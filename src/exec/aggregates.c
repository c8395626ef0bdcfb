/*
 * aggregates.c
 *	  Which aggregates of PostgreSQL the engine has, and its groups as
 *	  PostgreSQL's values.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "exec/exec.h"
#include "numeric.h"

/* What the result is made of the state. */
typedef enum Final
{
	FINAL_COUNT,
	FINAL_VALUE, /* sum, min, max, and, or */
	FINAL_MEAN,
	FINAL_VAR_POP,
	FINAL_VAR_SAMP,
	FINAL_STDDEV_POP,
	FINAL_STDDEV_SAMP
} Final;

typedef struct AggregateEntry
{
	Oid function;
	GstoreAggregateKind kind;
	Final final;
} AggregateEntry;

static const AggregateEntry entries[] = {
	{F_COUNT_, GSTORE_AGGREGATE_COUNT, FINAL_COUNT},
	{F_COUNT_ANY, GSTORE_AGGREGATE_COUNT, FINAL_COUNT},
	{F_SUM_INT2, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_SUM_INT4, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_SUM_INT8, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_SUM_FLOAT4, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_SUM_FLOAT8, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_SUM_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_VALUE},
	{F_AVG_INT2, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_AVG_INT4, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_AVG_INT8, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_AVG_FLOAT4, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_AVG_FLOAT8, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_AVG_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_MEAN},
	{F_MIN_INT2, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_INT4, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_INT8, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_FLOAT4, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_FLOAT8, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_NUMERIC, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_DATE, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_TIME, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_TIMESTAMP, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MIN_TIMESTAMPTZ, GSTORE_AGGREGATE_MIN, FINAL_VALUE},
	{F_MAX_INT2, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_INT4, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_INT8, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_FLOAT4, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_FLOAT8, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_NUMERIC, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_DATE, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_TIME, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_TIMESTAMP, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_MAX_TIMESTAMPTZ, GSTORE_AGGREGATE_MAX, FINAL_VALUE},
	{F_BOOL_AND, GSTORE_AGGREGATE_AND, FINAL_VALUE},
	{F_EVERY, GSTORE_AGGREGATE_AND, FINAL_VALUE},
	{F_BOOL_OR, GSTORE_AGGREGATE_OR, FINAL_VALUE},
	{F_BIT_AND_INT2, GSTORE_AGGREGATE_AND, FINAL_VALUE},
	{F_BIT_AND_INT4, GSTORE_AGGREGATE_AND, FINAL_VALUE},
	{F_BIT_AND_INT8, GSTORE_AGGREGATE_AND, FINAL_VALUE},
	{F_BIT_OR_INT2, GSTORE_AGGREGATE_OR, FINAL_VALUE},
	{F_BIT_OR_INT4, GSTORE_AGGREGATE_OR, FINAL_VALUE},
	{F_BIT_OR_INT8, GSTORE_AGGREGATE_OR, FINAL_VALUE},
	{F_VAR_POP_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_POP},
	{F_VAR_POP_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_POP},
	{F_VAR_SAMP_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_SAMP},
	{F_VAR_SAMP_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_SAMP},
	{F_VARIANCE_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_SAMP},
	{F_VARIANCE_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_VAR_SAMP},
	{F_STDDEV_POP_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_POP},
	{F_STDDEV_POP_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_POP},
	{F_STDDEV_SAMP_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_SAMP},
	{F_STDDEV_SAMP_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_SAMP},
	{F_STDDEV_FLOAT4, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_SAMP},
	{F_STDDEV_FLOAT8, GSTORE_AGGREGATE_MOMENTS, FINAL_STDDEV_SAMP},
};

static const AggregateEntry *
find_entry(Oid function)
{
	for (size_t i = 0; i < lengthof(entries); i++)
		if (entries[i].function == function)
			return &entries[i];
	return NULL;
}

Expr *
gstore_aggregate_argument(const Aggref *aggref)
{
	return aggref->args == NIL ? NULL : linitial_node(TargetEntry, aggref->args)->expr;
}

GstoreAggregateKind
gstore_aggregate_kind(const Aggref *aggref)
{
	return find_entry(aggref->aggfnoid)->kind;
}

bool
gstore_aggregate_is_distinct(const Aggref *aggref)
{
	switch (find_entry(aggref->aggfnoid)->kind)
	{
		case GSTORE_AGGREGATE_COUNT:
		case GSTORE_AGGREGATE_SUM:
		case GSTORE_AGGREGATE_MOMENTS:
			return aggref->aggdistinct != NIL;
		default: /* the same value again changes nothing */
			return false;
	}
}

bool
gstore_aggregate_supports(const Aggref *aggref, Index varno)
{
	Expr *argument;

	if (find_entry(aggref->aggfnoid) == NULL ||
		aggref->aggkind != AGGKIND_NORMAL || aggref->aggorder != NIL || aggref->aggsplit != AGGSPLIT_SIMPLE ||
		aggref->agglevelsup != 0 || list_length(aggref->args) > 1)
		return false;
	argument = gstore_aggregate_argument(aggref);
	if (gstore_aggregate_is_distinct(aggref) &&
		!gstore_key_supports(argument,
							 linitial_node(SortGroupClause,
										   aggref->aggdistinct)
								 ->eqop,
							 varno))
		return false;
	return (argument == NULL ||
			gstore_program_supports_value(argument, varno)) &&
		   (aggref->aggfilter == NULL ||
			gstore_program_supports_value(aggref->aggfilter, varno));
}

bool
gstore_key_supports(Expr *key, Oid equality, Index varno)
{
	Oid type = exprType((Node *) key);
	Oid base = getBaseType(type);
	Oid collation = exprCollation((Node *) key);

	/* Equal by the type's own operator, which is what the engine takes. */
	if (lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr != equality ||
		!gstore_program_supports_value(key, varno))
		return false;
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return false;
	/* These have no key. */
	if (base == UUIDOID || base == INTERVALOID || base == OIDOID)
		return false;
	/* 1.0 and 1.00 are equal, and so are texts of unequal length with blanks at
	 * their end: unless the column's modifier gives all one form. */
	if (base == NUMERICOID || base == BPCHAROID)
		return IsA(key, Var) && ((Var *) key)->vartypmod >= (int32) VARHDRSZ;
	return true;
}

/* ---- values ---- */

/* Largest value of 38 digits. */
#define DECIMAL_LIMIT ((GstoreInt128) gstore_power_of_ten(GSTORE_DECIMAL_DIGITS))

static Numeric
make_decimal(GstoreInt128 value, int scale)
{
	uint8 *bytes = palloc(GSTORE_NUMERIC_BYTES);

	(void) gstore_decimal_to_numeric(value, scale, bytes);
	return (Numeric) bytes;
}

static Datum
make_numeric(GstoreInt128 value, int scale)
{
	GstoreInt128 unit = (GstoreInt128) gstore_power_of_ten(19);
	Datum high;

	if (value < DECIMAL_LIMIT &&
		value > -DECIMAL_LIMIT)
		return NumericGetDatum(make_decimal(value, scale));
	high = DirectFunctionCall2(numeric_mul,
							   NumericGetDatum(make_decimal(value / unit, scale)),
							   NumericGetDatum(make_decimal(unit, 0)));
	return DirectFunctionCall2(numeric_add, high,
							   NumericGetDatum(make_decimal(value % unit, scale)));
}

static Datum
make_int8(GstoreInt128 value)
{
	if (value < PG_INT64_MIN || value > PG_INT64_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	return Int64GetDatum((int64) value);
}

/* A value of the engine's as one of a PostgreSQL type. */
static Datum
make_value(Oid type, const GstoreAggregateState *state)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
			return BoolGetDatum(state->value.integer != 0);
		case INT2OID:
			return Int16GetDatum((int16) state->value.integer);
		case INT4OID:
		case DATEOID:
			return Int32GetDatum((int32) state->value.integer);
		case FLOAT4OID:
			return Float4GetDatum((float4) state->value.real.sum);
		case FLOAT8OID:
			return Float8GetDatum(state->value.real.sum);
		case NUMERICOID:
			return make_numeric(state->value.integer, state->scale);
		default:
			return make_int8(state->value.integer);
	}
}

static Datum
make_mean(const Aggref *aggref, const GstoreAggregateState *state)
{
	if (aggref->aggtype == FLOAT8OID)
		return Float8GetDatum(state->value.real.sum / (double) state->count);
	return DirectFunctionCall2(numeric_div,
							   make_numeric(state->value.integer, state->scale),
							   NumericGetDatum(int64_to_numeric(state->count)));
}

Datum
gstore_aggregate_result(const Aggref *aggref,
						const GstoreAggregateState *state, bool *isnull)
{
	Final final = find_entry(aggref->aggfnoid)->final;
	double deviations = state->value.real.deviations;
	double n = (double) state->count;

	*isnull = state->count == 0 && final != FINAL_COUNT;
	if (final == FINAL_VAR_SAMP || final == FINAL_STDDEV_SAMP)
		*isnull = state->count < 2;
	if (*isnull)
		return (Datum) 0;
	switch (final)
	{
		case FINAL_COUNT:
			return Int64GetDatum(state->count);
		case FINAL_VALUE:
			return make_value(aggref->aggtype, state);
		case FINAL_MEAN:
			return make_mean(aggref, state);
		case FINAL_VAR_POP:
			return Float8GetDatum(deviations / n);
		case FINAL_VAR_SAMP:
			return Float8GetDatum(deviations / (n - 1));
		case FINAL_STDDEV_POP:
			return Float8GetDatum(sqrt(deviations / n));
		case FINAL_STDDEV_SAMP:
			return Float8GetDatum(sqrt(deviations / (n - 1)));
	}
	return (Datum) 0;
}

Datum
gstore_key_value(Oid type, const GstoreGroupKey *key, bool *isnull)
{
	double real;

	*isnull = key->meta == GSTORE_KEY_NULL;
	if (*isnull)
		return (Datum) 0;
	switch (getBaseType(type))
	{
		case BOOLOID:
			return BoolGetDatum(key->word != 0);
		case INT2OID:
			return Int16GetDatum((int16) key->word);
		case INT4OID:
		case DATEOID:
			return Int32GetDatum((int32) key->word);
		case FLOAT4OID:
		case FLOAT8OID:
			memcpy(&real, &key->word, sizeof(real));
			return getBaseType(type) == FLOAT4OID ? Float4GetDatum((float4) real) : Float8GetDatum(real);
		case NUMERICOID:
			return make_numeric((int64) key->word, (int) key->meta);
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return PointerGetDatum(cstring_to_text_with_len(key->meta <= 8 ? (const char *) &key->word
																		   : (const char *) (uintptr_t) key->word,
															(int) key->meta));
		default:
			return Int64GetDatum((int64) key->word);
	}
}
