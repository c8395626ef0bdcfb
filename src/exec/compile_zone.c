/*
 * compile_zone.c
 *	  Where a time zone plays a part: casts between timestamps with and without
 *	  it, comparisons of the two, intervals added to instants, AT TIME ZONE.
 *
 * The zone, most often the session's, becomes a constant of the program
 * (ops_zone.h) when execution starts: that is stable, not immutable.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/compile.h"

/* Changes before and after these years are left to PostgreSQL, where there are
 * any: rules that go on for ever. */
#define FIRST_YEAR 1800
#define LAST_YEAR 2200

/* Changes of the zones there are, in these years, and more. */
#define MAX_CHANGES 2000

static int64
instant_of(pg_time_t unix_seconds)
{
	return (unix_seconds - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY) *
		   USECS_PER_SEC;
}

static pg_time_t
seconds_of(int year)
{
	return (date2j(year, 1, 1) - UNIX_EPOCH_JDATE) * (pg_time_t) SECS_PER_DAY;
}

/*
 * The numbers that ops_zone.h wants of a zone; false: it is too much.  words has
 * room for MAX_CHANGES.
 */
static bool
describe_zone(pg_tz *zone, int64 *words)
{
	pg_time_t at = -UNIX_EPOCH_JDATE * (pg_time_t) SECS_PER_DAY;
	long before;
	long after;
	int isdst;
	pg_time_t change;
	int64 n = 0;
	int found = pg_next_dst_boundary(&at, &before, &isdst, &change, &after,
									 &isdst, zone);

	words[GSTORE_ZONE_SINCE] = PG_INT64_MIN;
	words[GSTORE_ZONE_UNTIL] = PG_INT64_MAX;
	words[GSTORE_ZONE_UNIT] = 0;
	if (found > 0 && (change < seconds_of(FIRST_YEAR) ||
					  pg_localtime(&at, zone)->tm_gmtoff != before))
	{
		/* rules without a beginning; or what was before the first change is
		 * one thing to know the time by, and another to set a clock by */
		at = Max(seconds_of(FIRST_YEAR), change);
		words[GSTORE_ZONE_SINCE] = instant_of(at + SECS_PER_DAY);
		found = pg_next_dst_boundary(&at, &before, &isdst, &change, &after,
									 &isdst, zone);
	}
	words[GSTORE_ZONE_FIRST] = before * USECS_PER_SEC;
	while (found > 0)
	{
		if (n == MAX_CHANGES)
			return false;
		if (change >= seconds_of(LAST_YEAR))
		{
			/* what clocks are set to knows of a change a day ahead */
			words[GSTORE_ZONE_UNTIL] = instant_of(change - 2 * SECS_PER_DAY);
			break;
		}
		words[GSTORE_ZONE_HEADER + 2 * n] = instant_of(change);
		words[GSTORE_ZONE_HEADER + 2 * n + 1] = after * USECS_PER_SEC;
		n++;
		at = change;
		found = pg_next_dst_boundary(&at, &before, &isdst, &change, &after,
									 &isdst, zone);
	}
	words[GSTORE_ZONE_CHANGES] = n;
	return found >= 0;
}

/* A zone, the session's if none is given, as a constant. */
static bool
add_zone(GstoreCompiler *compiler, pg_tz *zone, int64 unit, GstoreOperand *to)
{
	static const pg_tz *known = NULL;
	static bool fine;
	static int64 *words;
	GstoreText text;

	memset(to, 0, sizeof(*to));
	to->type = GSTORE_TYPE_TEXT;
	if (compiler->builder == NULL)
		return true;
	if (zone == NULL)
		zone = session_timezone;
	if (known != zone)
	{
		if (words == NULL)
			words = MemoryContextAlloc(TopMemoryContext,
									   (GSTORE_ZONE_HEADER + 2 * MAX_CHANGES) * sizeof(int64));
		fine = describe_zone(zone, words);
		known = zone;
	}
	if (!fine)
		return false;
	words[GSTORE_ZONE_UNIT] = unit;
	text.data = (uint8 *) words;
	text.length = (GSTORE_ZONE_HEADER + 2 * words[GSTORE_ZONE_CHANGES]) * sizeof(int64);
	to->reg = gstore_program_constant(compiler->builder, GSTORE_TYPE_TEXT,
									  GSTORE_STATE_VALUE, &text);
	return true;
}

static bool
apply_zone(GstoreCompiler *compiler, int opcode, pg_tz *zone, int64 unit,
		   GstoreOperand *operand)
{
	GstoreOperand operands[2] = {*operand};

	return add_zone(compiler, zone, unit, &operands[1]) &&
		   gstore_apply(compiler, opcode, false, operands, 2, operand);
}

/* The zone of a known name.  One that may also be an abbreviation, which comes
 * first, is not looked up. */
static pg_tz *
zone_of(Node *name)
{
	const Const *known = (const Const *) name;
	char *spelled;

	if (!IsA(name, Const) || known->constisnull || known->consttype != TEXTOID)
		return NULL;
	spelled = TextDatumGetCString(known->constvalue);
	if (strchr(spelled, '/') == NULL && pg_strcasecmp(spelled, "UTC") != 0)
		return NULL;
	return pg_tzset(spelled);
}

bool
gstore_apply_local(GstoreCompiler *compiler, GstoreOperand *operand)
{
	return apply_zone(compiler, GSTORE_OP_ZONE_LOCAL, NULL, 0, operand);
}

/* Of a date: of its midnight; whether or not a timestamp can be that, as it is
 * compared. */
static bool
apply_instant(GstoreCompiler *compiler, GstoreOperand *operand)
{
	return apply_zone(compiler, GSTORE_OP_ZONE_INSTANT, NULL, 0, operand);
}

bool
gstore_apply_zone_trunc(GstoreCompiler *compiler, GstoreField field,
						Node *zone_name, GstoreOperand *operand)
{
	static const int64 units[] = {
		[GSTORE_FIELD_MICROSECOND] = 1,
		[GSTORE_FIELD_MILLISECOND] = 1000,
		[GSTORE_FIELD_SECOND] = USECS_PER_SEC,
		[GSTORE_FIELD_MINUTE] = USECS_PER_MINUTE,
		[GSTORE_FIELD_HOUR] = USECS_PER_HOUR};
	GstoreOperand operands[2];
	pg_tz *zone = NULL;

	if (zone_name != NULL && (zone = zone_of(zone_name)) == NULL)
		return false;
	if (field <= GSTORE_FIELD_HOUR)
		return apply_zone(compiler, GSTORE_OP_ZONE_TRUNC, zone, units[field], operand);
	if (!apply_zone(compiler, GSTORE_OP_ZONE_LOCAL, zone, 0, operand))
		return false;
	operands[0] = *operand;
	return gstore_add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(field),
							   false, &operands[1]) &&
		   gstore_apply(compiler, GSTORE_OP_TIMESTAMP_TRUNC, false, operands, 2,
						operand) &&
		   apply_zone(compiler, GSTORE_OP_ZONE_INSTANT, zone, 0, operand);
}

/* AT TIME ZONE: either way. */
static bool
compile_at_zone(GstoreCompiler *compiler, int opcode, List *args,
				GstoreOperand *to)
{
	pg_tz *zone = zone_of(linitial(args));

	return zone != NULL && gstore_compile_node(compiler, lsecond(args), to) &&
		   apply_zone(compiler, opcode, zone, 0, to);
}

/* ---- instants and intervals ---- */

static bool
add_span(GstoreCompiler *compiler, int32 months, int32 days, int64 time,
		 GstoreOperand *to)
{
	Interval span = {.month = months, .day = days, .time = time};

	return gstore_add_constant(compiler, GSTORE_TYPE_SPAN,
							   IntervalPGetDatum(&span), false, to);
}

/* Months or days are added to what clocks show. */
static bool
move_local(GstoreCompiler *compiler, int opcode, int32 months, int32 days,
		   GstoreOperand *to)
{
	GstoreOperand operands[2];

	if (months == 0 && days == 0)
		return true;
	if (!gstore_apply_local(compiler, to))
		return false;
	operands[0] = *to;
	return add_span(compiler, months, days, 0, &operands[1]) &&
		   gstore_apply(compiler, opcode, false, operands, 2, to) &&
		   apply_instant(compiler, to);
}

/* instant + interval, instant - interval: of an interval that stays the same. */
static bool
compile_move(GstoreCompiler *compiler, int opcode, Node *instant,
			 Node *interval, GstoreOperand *to)
{
	GstoreOperand operands[2];
	Interval span;
	Datum value;
	bool isnull;

	if (exprType(interval) != INTERVALOID || !gstore_is_constant(interval) ||
		!gstore_compile_node(compiler, instant, to))
		return false;
	if (compiler->builder == NULL)
		return gstore_apply_local(compiler, to) && apply_instant(compiler, to);
	value = gstore_evaluate_constant((Expr *) interval, compiler->parent, &isnull);
	if (isnull)
		return gstore_add_constant(compiler, GSTORE_TYPE_TIMESTAMP, 0, true, to);
	span = *DatumGetIntervalP(value);
	if (span.month == PG_INT32_MIN || span.day == PG_INT32_MIN ||
		span.time == PG_INT64_MIN ||
		(span.month == PG_INT32_MAX && span.day == PG_INT32_MAX))
		return false;
	if (!move_local(compiler, opcode, span.month, 0, to) ||
		!move_local(compiler, opcode, 0, span.day, to))
		return false;
	operands[0] = *to;
	return add_span(compiler, 0, 0, span.time, &operands[1]) &&
		   gstore_apply(compiler, opcode, false, operands, 2, to);
}

/* ---- comparisons with what has no zone ---- */

typedef struct MixedComparison
{
	Oid function;
	GstoreOpcode opcode;
	int local; /* which argument has no zone */
} MixedComparison;

static const MixedComparison mixed_comparisons[] = {
#define COMPARE(SIGN) \
	{F_DATE_##SIGN##_TIMESTAMPTZ, GSTORE_OP_TIMESTAMP_##SIGN, 0}, \
		{F_TIMESTAMPTZ_##SIGN##_DATE, GSTORE_OP_TIMESTAMP_##SIGN, 1}, \
		{F_TIMESTAMP_##SIGN##_TIMESTAMPTZ, GSTORE_OP_TIMESTAMP_##SIGN, 0}, \
	{ \
		F_TIMESTAMPTZ_##SIGN##_TIMESTAMP, GSTORE_OP_TIMESTAMP_##SIGN, 1 \
	}
	COMPARE(EQ),
	COMPARE(NE),
	COMPARE(LT),
	COMPARE(LE),
	COMPARE(GT),
	COMPARE(GE)
#undef COMPARE
};

static bool
compile_mixed(GstoreCompiler *compiler, const MixedComparison *comparison,
			  List *args, GstoreOperand *to)
{
	GstoreOperand operands[2];

	return gstore_compile_node(compiler, linitial(args), &operands[0]) &&
		   gstore_compile_node(compiler, lsecond(args), &operands[1]) &&
		   apply_instant(compiler, &operands[comparison->local]) &&
		   gstore_apply(compiler, comparison->opcode, false, operands, 2, to);
}

/* ---- all of it ---- */

/* A cast: first by one operator without a zone, or by none. */
static bool
compile_cast(GstoreCompiler *compiler, int before, bool to_local, int after,
			 Node *arg, GstoreOperand *to)
{
	GstoreOperand operands[2] = {{.type = GSTORE_TYPE_BOOL}, {.type = GSTORE_TYPE_BOOL}};

	if (!gstore_compile_node(compiler, arg, to))
		return false;
	operands[0] = *to;
	if (before >= 0 && !gstore_apply(compiler, before, false, operands, 1, to))
		return false;
	if (!(to_local ? gstore_apply_local(compiler, to) : apply_instant(compiler, to)))
		return false;
	operands[0] = *to;
	return after < 0 || gstore_apply(compiler, after, false, operands, 1, to);
}

bool
gstore_compile_zoned(GstoreCompiler *compiler, Oid function, List *args,
					 bool *is_zoned, GstoreOperand *to)
{
	*is_zoned = true;
	switch (function)
	{
		case F_TIMESTAMP_TIMESTAMPTZ:
			return compile_cast(compiler, -1, true, -1, linitial(args), to);
		case F_DATE_TIMESTAMPTZ:
			return compile_cast(compiler, -1, true, GSTORE_OP_TIMESTAMP_TO_DATE,
								linitial(args), to);
		case F_TIME_TIMESTAMPTZ:
			return compile_cast(compiler, -1, true, GSTORE_OP_TIMESTAMP_TO_TIME,
								linitial(args), to);
		case F_TIMESTAMPTZ_TIMESTAMP:
			return compile_cast(compiler, -1, false, -1, linitial(args), to);
		case F_TIMESTAMPTZ_DATE:
			return compile_cast(compiler, GSTORE_OP_DATE_TO_TIMESTAMP, false, -1,
								linitial(args), to);
		case F_TIMEZONE_TEXT_TIMESTAMPTZ:
			return compile_at_zone(compiler, GSTORE_OP_ZONE_LOCAL, args, to);
		case F_TIMEZONE_TEXT_TIMESTAMP:
			return compile_at_zone(compiler, GSTORE_OP_ZONE_INSTANT, args, to);
		case F_TIMESTAMPTZ_PL_INTERVAL:
			return compile_move(compiler, GSTORE_OP_TIMESTAMP_ADD, linitial(args),
								lsecond(args), to);
		case F_INTERVAL_PL_TIMESTAMPTZ:
			return compile_move(compiler, GSTORE_OP_TIMESTAMP_ADD, lsecond(args),
								linitial(args), to);
		case F_TIMESTAMPTZ_MI_INTERVAL:
			return compile_move(compiler, GSTORE_OP_TIMESTAMP_SUB, linitial(args),
								lsecond(args), to);
		default:
			break;
	}
	for (size_t i = 0; i < lengthof(mixed_comparisons); i++)
		if (mixed_comparisons[i].function == function)
			return compile_mixed(compiler, &mixed_comparisons[i], args, to);
	*is_zoned = false;
	return false;
}
