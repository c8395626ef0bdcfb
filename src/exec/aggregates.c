/*
 * aggregates.c
 *	  Which aggregates of PostgreSQL the engine has, and its groups as
 *	  PostgreSQL's values.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/syscache.h"
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
	FINAL_STDDEV_SAMP,
	/* the same, of exact sums */
	FINAL_EXACT_VAR_POP,
	FINAL_EXACT_VAR_SAMP,
	FINAL_EXACT_STDDEV_POP,
	FINAL_EXACT_STDDEV_SAMP,
	/* transition states, for PostgreSQL to combine */
	PARTIAL_INT8_MEAN, /* int8[]: rows, sum */
	PARTIAL_MOMENTS,   /* float8[]: rows, sum, squared deviations */
	/* those of its functions that serialize one to bytea */
	PARTIAL_INT8_AVG,	  /* rows, sum */
	PARTIAL_NUMERIC_AVG,  /* and what was seen: scales, NaNs, infinities */
	PARTIAL_NUMERIC_POLY, /* rows, sum, sum of squares */
	PARTIAL_NUMERIC		  /* and what was seen */
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
	{F_VAR_POP_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_POP},
	{F_VAR_POP_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_POP},
	{F_VAR_POP_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_POP},
	{F_VAR_POP_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_POP},
	{F_VAR_SAMP_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VAR_SAMP_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VAR_SAMP_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VAR_SAMP_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VARIANCE_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VARIANCE_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VARIANCE_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_VARIANCE_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_VAR_SAMP},
	{F_STDDEV_POP_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_POP},
	{F_STDDEV_POP_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_POP},
	{F_STDDEV_POP_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_POP},
	{F_STDDEV_POP_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_POP},
	{F_STDDEV_SAMP_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_SAMP_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_SAMP_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_SAMP_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_INT2, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_INT4, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_INT8, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
	{F_STDDEV_NUMERIC, GSTORE_AGGREGATE_SUM, FINAL_EXACT_STDDEV_SAMP},
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
gstore_aggregate_squares(const Aggref *aggref, GstoreOpcode *opcode)
{
	Oid type;

	if (find_entry(aggref->aggfnoid)->final < FINAL_EXACT_VAR_POP)
		return false;
	type = getBaseType(exprType((Node *) gstore_aggregate_argument(aggref)));
	*opcode = type == INT2OID || type == INT4OID ? GSTORE_OP_INT8_MUL
												 : GSTORE_OP_NUMERIC_MUL;
	return true;
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

/* What the transition state of an aggregate is made of; false: it is one that
 * is not known. */
static bool
partial_form(const Aggref *aggref, Final *final)
{
	HeapTuple tuple;
	Oid serialize;

	*final = find_entry(aggref->aggfnoid)->final;
	if (aggref->aggtranstype != INTERNALOID)
	{
		if (*final == FINAL_MEAN && aggref->aggtranstype == INT8ARRAYOID)
			*final = PARTIAL_INT8_MEAN;
		else if (aggref->aggtranstype == FLOAT8ARRAYOID)
			*final = PARTIAL_MOMENTS;
		else
			return *final == FINAL_COUNT || *final == FINAL_VALUE;
		return true;
	}
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggref->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		return false;
	serialize = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggserialfn;
	ReleaseSysCache(tuple);
	switch (serialize)
	{
		case F_INT8_AVG_SERIALIZE:
			*final = PARTIAL_INT8_AVG;
			return true;
		case F_NUMERIC_AVG_SERIALIZE:
			*final = PARTIAL_NUMERIC_AVG;
			return true;
		case F_NUMERIC_POLY_SERIALIZE:
			*final = PARTIAL_NUMERIC_POLY;
			return true;
		case F_NUMERIC_SERIALIZE:
			*final = PARTIAL_NUMERIC;
			return true;
		default:
			return false;
	}
}

static bool
supports_split(const Aggref *aggref)
{
	Final final;

	return aggref->aggsplit == AGGSPLIT_SIMPLE ||
		   (aggref->aggsplit == AGGSPLIT_INITIAL_SERIAL &&
			partial_form(aggref, &final));
}

bool
gstore_aggregate_supports(const Aggref *aggref, Index varno)
{
	Expr *argument;
	GstoreOpcode opcode;

	if (find_entry(aggref->aggfnoid) == NULL ||
		aggref->aggkind != AGGKIND_NORMAL || aggref->aggorder != NIL ||
		!supports_split(aggref) || aggref->agglevelsup != 0 || list_length(aggref->args) > 1)
		return false;
	argument = gstore_aggregate_argument(aggref);
	/* Different values have equal squares. */
	if (aggref->aggdistinct != NIL && gstore_aggregate_squares(aggref, &opcode))
		return false;
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

/* Values of extract have the number of digits that its field has. */
static bool
is_extract(Expr *key)
{
	if (!IsA(key, FuncExpr))
		return false;
	switch (((FuncExpr *) key)->funcid)
	{
		case F_EXTRACT_TEXT_DATE:
		case F_EXTRACT_TEXT_TIME:
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_EXTRACT_TEXT_INTERVAL:
			return true;
		default:
			return false;
	}
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
		return is_extract(key) ||
			   (IsA(key, Var) && ((Var *) key)->vartypmod >= (int32) VARHDRSZ);
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

/* In room, where there is any and it is enough. */
static Datum
make_numeric_in(void *room, GstoreInt128 value, int scale)
{
	GstoreInt128 unit = (GstoreInt128) gstore_power_of_ten(19);
	Datum high;

	if (value < DECIMAL_LIMIT &&
		value > -DECIMAL_LIMIT)
	{
		if (room == NULL)
			return NumericGetDatum(make_decimal(value, scale));
		(void) gstore_decimal_to_numeric(value, scale, room);
		return NumericGetDatum(room);
	}
	high = DirectFunctionCall2(numeric_mul,
							   NumericGetDatum(make_decimal(value / unit, scale)),
							   NumericGetDatum(make_decimal(unit, 0)));
	return DirectFunctionCall2(numeric_add, high,
							   NumericGetDatum(make_decimal(value % unit, scale)));
}

static Datum
make_numeric(GstoreInt128 value, int scale)
{
	return make_numeric_in(NULL, value, scale);
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
make_value(Oid type, const GstoreAggregateState *state, void *room)
{
	switch (type)
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
			return make_numeric_in(room, state->value.integer, state->scale);
		default:
			return make_int8(state->value.integer);
	}
}

static Datum
make_mean(Oid type, const GstoreAggregateState *state)
{
	if (type == FLOAT8OID)
		return Float8GetDatum(state->value.real.sum / (double) state->count);
	return DirectFunctionCall2(numeric_div,
							   make_numeric(state->value.integer, state->scale),
							   NumericGetDatum(int64_to_numeric(state->count)));
}

/*
 * The square root, rounded to as many digits as the number has.  numeric_sqrt
 * may give more, and what it rounded up to a half must not be rounded up again.
 */
static Datum
make_root(Datum number)
{
	int32 digits = DatumGetInt32(DirectFunctionCall1(numeric_scale, number));
	Datum root = DirectFunctionCall1(numeric_sqrt, number);
	Datum rounded = DirectFunctionCall2(numeric_round, root,
										Int32GetDatum(digits));
	Datum least;

	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, root)) == digits)
		return rounded;
	least = DirectFunctionCall2(numeric_sub, rounded,
								make_numeric(5, digits + 1));
	if (!DatumGetBool(DirectFunctionCall2(numeric_gt,
										  DirectFunctionCall2(numeric_mul, least, least),
										  number)))
		return rounded;
	return DirectFunctionCall2(numeric_sub, rounded, make_numeric(1, digits));
}

/*
 * (n * sum of squares - square of sum) / (n * divisor), or its root, to as many
 * digits as PostgreSQL's own (numeric_stddev_internal) gives: those that the
 * division chooses.
 */
static Datum
make_exact_variance(const GstoreAggregateState *values,
					const GstoreAggregateState *squares, int64 divisor,
					bool root)
{
	Datum zero = NumericGetDatum(int64_to_numeric(0));
	Datum n = NumericGetDatum(int64_to_numeric(values->count));
	Datum sum = make_numeric(values->value.integer, values->scale);
	Datum sum_of_squares = make_numeric(squares->value.integer, squares->scale);
	Datum result = DirectFunctionCall2(numeric_sub,
									   DirectFunctionCall2(numeric_mul, n, sum_of_squares),
									   DirectFunctionCall2(numeric_mul, sum, sum));

	if (!DatumGetBool(DirectFunctionCall2(numeric_gt, result, zero)))
		return zero;
	result = DirectFunctionCall2(numeric_div, result,
								 make_numeric((GstoreInt128) values->count * divisor, 0));
	return root ? make_root(result) : result;
}

/* ---- transition states ---- */

/* As PostgreSQL's numericvar_serialize writes it: what numeric_send does, with
 * four bytes for each number before the digits. */
static void
send_sum(StringInfo to, const GstoreAggregateState *state)
{
	bytea *sent = DatumGetByteaP(DirectFunctionCall1(numeric_send,
													 make_numeric(state->value.integer,
																  state->scale)));
	StringInfoData from;

	initStringInfo(&from);
	appendBinaryStringInfo(&from, VARDATA(sent), VARSIZE(sent) - VARHDRSZ);
	for (int i = 0; i < 4; i++)
		pq_sendint32(to, (uint32) (int16) pq_getmsgint(&from, 2));
	appendBinaryStringInfo(to, from.data + from.cursor, from.len - from.cursor);
}

/* As numeric_serialize and its likes write them (numeric.c). */
static Datum
serialize(Final form, const GstoreAggregateState *values,
		  const GstoreAggregateState *squares)
{
	StringInfoData to;

	pq_begintypsend(&to);
	pq_sendint64(&to, values->count);
	send_sum(&to, values);
	if (form == PARTIAL_NUMERIC_POLY || form == PARTIAL_NUMERIC)
		send_sum(&to, squares);
	if (form == PARTIAL_NUMERIC_AVG || form == PARTIAL_NUMERIC)
	{
		pq_sendint32(&to, (uint32) values->scale); /* the largest */
		pq_sendint64(&to, values->count);		   /* values of that scale */
		for (int i = 0; i < 3; i++)				   /* NaN and infinities */
			pq_sendint64(&to, 0);
	}
	return PointerGetDatum(pq_endtypsend(&to));
}

static Datum
make_array(Oid type, const Datum *elements, int n)
{
	return PointerGetDatum(construct_array((Datum *) elements, n, type, 8,
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* A transition state of a kind above. */
static Datum
make_partial(Final form, const GstoreAggregateState *values,
			 const GstoreAggregateState *squares)
{
	Datum parts[3];

	if (form == PARTIAL_INT8_MEAN)
	{
		parts[0] = Int64GetDatum(values->count);
		parts[1] = make_int8(values->value.integer);
		return make_array(INT8OID, parts, 2);
	}
	if (form == PARTIAL_MOMENTS)
	{
		parts[0] = Float8GetDatum((double) values->count);
		parts[1] = Float8GetDatum(values->value.real.sum);
		parts[2] = Float8GetDatum(values->value.real.deviations);
		return make_array(FLOAT8OID, parts, 3);
	}
	return serialize(form, values, squares);
}

/* ---- results ---- */

GstoreResultForm
gstore_result_form(Node *key_or_aggref)
{
	GstoreResultForm form = {getBaseType(exprType(key_or_aggref)), FINAL_VALUE};
	Final final;

	if (!IsA(key_or_aggref, Aggref))
		return form;
	final = find_entry(((Aggref *) key_or_aggref)->aggfnoid)->final;
	if (((Aggref *) key_or_aggref)->aggsplit != AGGSPLIT_SIMPLE)
		(void) partial_form((Aggref *) key_or_aggref, &final);
	form.final = final;
	return form;
}

GstoreGroupPart
gstore_result_part(Node *key_or_aggref)
{
	GstoreResultForm form = gstore_result_form(key_or_aggref);

	if (!IsA(key_or_aggref, Aggref))
		return GSTORE_GROUP_KEY;
	if (form.final == FINAL_COUNT)
		return GSTORE_GROUP_COUNT;
	if (form.final == FINAL_VALUE)
		return GSTORE_GROUP_VALUE;
	return form.final == FINAL_MEAN && form.type == FLOAT8OID
			   ? GSTORE_GROUP_MEAN
			   : GSTORE_GROUP_NOTHING;
}

Datum
gstore_aggregate_result(const GstoreResultForm *form,
						const GstoreAggregateState *states,
						GstoreStateNumbers numbers, void *room, bool *isnull)
{
	const GstoreAggregateState *state = &states[numbers.values];
	const GstoreAggregateState *squares = &states[numbers.squares];
	double deviations = state->value.real.deviations;
	int64 n = state->count;

	switch ((Final) form->final)
	{
		case FINAL_COUNT:
			*isnull = false;
			break;
		case FINAL_VAR_SAMP:
		case FINAL_STDDEV_SAMP:
		case FINAL_EXACT_VAR_SAMP:
		case FINAL_EXACT_STDDEV_SAMP:
			*isnull = n < 2;
			break;
		default:
			*isnull = n == 0;
	}
	if (*isnull)
		return (Datum) 0;
	switch ((Final) form->final)
	{
		case FINAL_COUNT:
			return Int64GetDatum(n);
		case FINAL_VALUE:
			return make_value(form->type, state, room);
		case FINAL_MEAN:
			return make_mean(form->type, state);
		case FINAL_VAR_POP:
			return Float8GetDatum(deviations / (double) n);
		case FINAL_VAR_SAMP:
			return Float8GetDatum(deviations / (double) (n - 1));
		case FINAL_STDDEV_POP:
			return Float8GetDatum(sqrt(deviations / (double) n));
		case FINAL_STDDEV_SAMP:
			return Float8GetDatum(sqrt(deviations / (double) (n - 1)));
		case FINAL_EXACT_VAR_POP:
			return make_exact_variance(state, squares, n, false);
		case FINAL_EXACT_VAR_SAMP:
			return make_exact_variance(state, squares, n - 1, false);
		case FINAL_EXACT_STDDEV_POP:
			return make_exact_variance(state, squares, n, true);
		case FINAL_EXACT_STDDEV_SAMP:
			return make_exact_variance(state, squares, n - 1, true);
		case PARTIAL_INT8_MEAN:
		case PARTIAL_MOMENTS:
		case PARTIAL_INT8_AVG:
		case PARTIAL_NUMERIC_AVG:
		case PARTIAL_NUMERIC_POLY:
		case PARTIAL_NUMERIC:
			return make_partial((Final) form->final, state, squares);
	}
	return (Datum) 0;
}

Datum
gstore_key_value(const GstoreResultForm *form, const GstoreGroupKey *key,
				 void *room, bool *isnull)
{
	double real;

	*isnull = key->meta == GSTORE_KEY_NULL;
	if (*isnull)
		return (Datum) 0;
	switch (form->type)
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
			return form->type == FLOAT4OID ? Float4GetDatum((float4) real) : Float8GetDatum(real);
		case NUMERICOID:
			return make_numeric_in(room, (int64) key->word, (int) key->meta);
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
