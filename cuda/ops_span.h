/*
 * ops_span.h
 *	  Intervals taken apart, cut off at a unit, multiplied, and made from times
 *	  of day.
 *
 * Infinite intervals, which later versions of PostgreSQL have, are left to it.
 */
#ifndef GSTORE_OPS_SPAN_H
#define GSTORE_OPS_SPAN_H

#include "ops_interval.h"

/* ---- fields ---- */

/* A field as PostgreSQL's extract gives it; all parts are cut off toward zero. */
GSTORE_DEVICE_FUNC uint8
gstore_op_span_field(gstore_numeric *r, gstore_span a, gstore_int4 field)
{
	int32 years = a.months / 12;

	r->value = 0;
	r->scale = 0;
	if (gstore_span_extreme(a))
		return GSTORE_STATE_BEYOND;
	switch (field)
	{
		case GSTORE_FIELD_EPOCH: /* years of 365.25 days, months of 30 */
			r->value = ((GstoreInt128) years * 1461 +
						(int64) (a.months % 12) * 120 + (int64) a.days * 4) *
						   (GSTORE_DAY / 4) +
					   a.microseconds;
			r->scale = 6;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_HOUR:
			r->value = a.microseconds / 3600000000LL;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DAY:
			r->value = a.days;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MONTH:
			r->value = a.months % 12;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_QUARTER: /* versions differ before zero */
			r->value = a.months % 12 / 3 + 1;
			return (uint8) (a.months < 0 ? GSTORE_STATE_BEYOND
										 : GSTORE_STATE_VALUE);
		case GSTORE_FIELD_YEAR:
			r->value = years;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DECADE:
			r->value = years / 10;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_CENTURY:
			r->value = years / 100;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MILLENNIUM:
			r->value = years / 1000;
			return GSTORE_STATE_VALUE;
		default:
			return gstore_time_field(r, a.microseconds % 3600000000LL, field);
	}
}

/* The same as a float, rounded as PostgreSQL's sums round. */
GSTORE_DEVICE_FUNC uint8
gstore_op_span_part(gstore_float8 *r, gstore_span a, gstore_int4 field)
{
	GstoreNumeric value;
	uint8 state = gstore_op_span_field(&value, a, field);

	if (field != GSTORE_FIELD_EPOCH || state != GSTORE_STATE_VALUE)
		return gstore_field_part(r, state, value, field);
	*r = (double) a.microseconds / 1000000.0;
	*r += 365.25 * 86400 * (double) (a.months / 12);
	*r += 30.0 * 86400 * (double) (a.months % 12);
	*r += 86400.0 * (double) a.days;
	return GSTORE_STATE_VALUE;
}

/* ---- date_trunc ---- */

GSTORE_DEVICE_FUNC uint8
gstore_op_span_trunc(gstore_span *r, gstore_span a, gstore_int4 field)
{
	int64 unit = 1;
	int32 months = 1;

	*r = a;
	if (gstore_span_extreme(a))
		return GSTORE_STATE_BEYOND;
	switch (field)
	{
		case GSTORE_FIELD_MICROSECOND:
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MILLISECOND:
			unit = 1000;
			break;
		case GSTORE_FIELD_SECOND:
			unit = 1000000;
			break;
		case GSTORE_FIELD_MINUTE:
			unit = 60000000;
			break;
		case GSTORE_FIELD_HOUR:
			unit = 3600000000LL;
			break;
		case GSTORE_FIELD_DAY:
			r->microseconds = 0;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MONTH:
			break;
		case GSTORE_FIELD_QUARTER:
			months = 3;
			break;
		case GSTORE_FIELD_YEAR:
			months = 12;
			break;
		case GSTORE_FIELD_DECADE:
			months = 120;
			break;
		case GSTORE_FIELD_CENTURY:
			months = 1200;
			break;
		case GSTORE_FIELD_MILLENNIUM:
			months = 12000;
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	if (field < GSTORE_FIELD_DAY)
		r->microseconds -= a.microseconds % unit;
	else
	{
		r->microseconds = 0;
		r->days = 0;
		r->months -= a.months % months;
	}
	return GSTORE_STATE_VALUE;
}

/* ---- by numbers ---- */

/* To a whole microsecond, as PostgreSQL rounds seconds. */
GSTORE_DEVICE_FUNC double
gstore_span_round(double seconds)
{
	return rint(seconds * 1000000.0) / 1000000.0;
}

/* Each part times or divided by a factor; what is left of months goes to days,
 * what is left of days to the time.  Step by step as PostgreSQL does it. */
GSTORE_DEVICE_FUNC uint8
gstore_span_scale(GstoreSpan *r, GstoreSpan a, double factor, bool divide)
{
	double months = divide ? a.months / factor : a.months * factor;
	double days = divide ? a.days / factor : a.days * factor;
	double rest;
	double seconds;
	double time;
	int64 day;

	*r = a;
	if (gstore_span_extreme(a) || isnan(factor) || isinf(factor) ||
		!(fabs(months) <= 2147483647.0) || !(fabs(days) <= 2147483647.0))
		return GSTORE_STATE_BEYOND;
	r->months = (int32) months;
	day = (int32) days;
	rest = gstore_span_round((months - r->months) * 30);
	seconds = gstore_span_round((days - (double) day + rest - (double) (int32) rest) *
								86400);
	if (fabs(seconds) >= 86400)
	{
		int32 more = (int32) (seconds / 86400);

		day += more;
		seconds -= (double) more * 86400;
	}
	day += (int32) rest;
	time = divide ? (double) a.microseconds / factor
				  : (double) a.microseconds * factor;
	time = rint(time + seconds * 1000000.0);
	r->days = (int32) day;
	if (r->days != day || !(fabs(time) < 9223372036854775808.0))
		return GSTORE_STATE_BEYOND;
	r->microseconds = (int64) time;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_mul(gstore_span *r, gstore_span a, gstore_float8 factor)
{
	return gstore_span_scale(r, a, factor, false);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_div(gstore_span *r, gstore_span a, gstore_float8 factor)
{
	*r = a;
	if (factor == 0)
		return GSTORE_STATE_DIVISION;
	return gstore_span_scale(r, a, factor, true);
}

/* ---- times of day ---- */

GSTORE_DEVICE_FUNC uint8
gstore_op_time_span(gstore_span *r, gstore_timestamp time)
{
	r->microseconds = time;
	r->days = 0;
	r->months = 0;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_time(gstore_timestamp *r, gstore_span a)
{
	*r = a.microseconds % GSTORE_DAY;
	*r += *r < 0 ? GSTORE_DAY : 0;
	return (uint8) (gstore_span_extreme(a) ? GSTORE_STATE_BEYOND
										   : GSTORE_STATE_VALUE);
}

/* date + time */
GSTORE_DEVICE_FUNC uint8
gstore_op_date_pl_time(gstore_timestamp *r, gstore_date a,
					   gstore_timestamp time)
{
	uint8 state = gstore_op_date_timestamp(r, a);

	if (state != GSTORE_STATE_VALUE || gstore_date_infinite(a))
		return state;
	/* any number may stand where a time of day should */
	if (time < 0 || time > GSTORE_DAY || *r >= GSTORE_TIMESTAMP_END - time)
		return GSTORE_STATE_TIMESTAMP;
	*r += time;
	return GSTORE_STATE_VALUE;
}

#endif
