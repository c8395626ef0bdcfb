/*
 * ops_interval.h
 *	  Intervals, and what they do to dates and timestamps without time zone;
 *	  fields of dates and times, and instants cut off at a unit.
 *
 * Fields and units are numbers (GstoreField) by the time a program runs.
 * Infinities, and calendars before year 1 where PostgreSQL counts in its own
 * way, are left to it.
 */
#ifndef GSTORE_OPS_INTERVAL_H
#define GSTORE_OPS_INTERVAL_H

#include "ops_datetime.h"

/* What a timestamp can be: from Julian day 0 to the end of year 294276. */
#define GSTORE_TIMESTAMP_FIRST (GSTORE_DATE_FIRST * GSTORE_DAY)
#define GSTORE_TIMESTAMP_END (GSTORE_TIMESTAMP_DATE_END * GSTORE_DAY)

typedef enum GstoreField
{
	GSTORE_FIELD_MICROSECOND,
	GSTORE_FIELD_MILLISECOND,
	GSTORE_FIELD_SECOND,
	GSTORE_FIELD_MINUTE,
	GSTORE_FIELD_HOUR,
	GSTORE_FIELD_DAY,
	GSTORE_FIELD_WEEK,
	GSTORE_FIELD_MONTH,
	GSTORE_FIELD_QUARTER,
	GSTORE_FIELD_YEAR,
	GSTORE_FIELD_DECADE,
	GSTORE_FIELD_CENTURY,
	GSTORE_FIELD_MILLENNIUM,
	/* not to be cut off at */
	GSTORE_FIELD_DOW,
	GSTORE_FIELD_ISODOW,
	GSTORE_FIELD_DOY,
	GSTORE_FIELD_ISOYEAR,
	GSTORE_FIELD_EPOCH
} GstoreField;

/* ---- intervals ---- */

/* Months of 30 days of 24 hours, as PostgreSQL compares them. */
GSTORE_DEVICE_FUNC GstoreInt128
gstore_span_length(GstoreSpan a)
{
	int64 days = (int64) a.months * 30 + a.days;

	return (GstoreInt128) days * GSTORE_DAY + a.microseconds;
}

#define GSTORE_DEFINE_SPAN(name, sign) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_span##name(gstore_logic *r, \
												  gstore_span a, \
												  gstore_span b) \
	{ \
		*r = (gstore_logic) (gstore_span_length(a) \
								 sign gstore_span_length(b)); \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_SPAN(eq, ==)
GSTORE_DEFINE_SPAN(ne, !=)
GSTORE_DEFINE_SPAN(lt, <)
GSTORE_DEFINE_SPAN(le, <=)
GSTORE_DEFINE_SPAN(gt, >)
GSTORE_DEFINE_SPAN(ge, >=)

/* a + sign * b; later versions of PostgreSQL have infinite intervals, whose
 * three fields are all extreme. */
GSTORE_DEVICE_FUNC uint8
gstore_span_combine(GstoreSpan *r, GstoreSpan a, GstoreSpan b, int sign)
{
	GstoreInt128 time = (GstoreInt128) a.microseconds +
						(GstoreInt128) b.microseconds * sign;
	int64 days = (int64) a.days + (int64) b.days * sign;
	int64 months = (int64) a.months + (int64) b.months * sign;

	r->microseconds = (int64) time;
	r->days = (int32) days;
	r->months = (int32) months;
	return (uint8) (r->microseconds == time && r->days == days &&
							r->months == months
						? GSTORE_STATE_VALUE
						: GSTORE_STATE_INTERVAL);
}

GSTORE_DEVICE_FUNC bool
gstore_span_extreme(GstoreSpan a)
{
	return (a.months == 2147483647 || a.months < -2147483647) &&
		   (a.days == 2147483647 || a.days < -2147483647);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_pl(gstore_span *r, gstore_span a, gstore_span b)
{
	uint8 state = gstore_span_combine(r, a, b, 1);

	return gstore_span_extreme(a) || gstore_span_extreme(b)
			   ? (uint8) GSTORE_STATE_BEYOND
			   : state;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_mi(gstore_span *r, gstore_span a, gstore_span b)
{
	uint8 state = gstore_span_combine(r, a, b, -1);

	return gstore_span_extreme(a) || gstore_span_extreme(b)
			   ? (uint8) GSTORE_STATE_BEYOND
			   : state;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_span_um(gstore_span *r, gstore_span a)
{
	GstoreSpan zero = {0, 0, 0};

	return gstore_op_span_mi(r, zero, a);
}

/* ---- days and the time of day ---- */

GSTORE_DEVICE_FUNC bool
gstore_timestamp_infinite(int64 a)
{
	return a == GSTORE_TIMESTAMP_INFINITY ||
		   a == GSTORE_TIMESTAMP_MINUS_INFINITY;
}

GSTORE_DEVICE_FUNC int64
gstore_day_of(int64 instant)
{
	return instant / GSTORE_DAY - (instant % GSTORE_DAY < 0);
}

/* Days since 2000-01-01 of a civil date; the reverse of gstore_calendar. */
GSTORE_DEVICE_FUNC int64
gstore_days_of(int64 year, int32 month, int32 day)
{
	int64 y = year - (month <= 2);
	int64 era = (y >= 0 ? y : y - 399) / 400;
	int64 of_era = y - era * 400;
	int64 of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 +
					day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
		   730425;
}

GSTORE_DEVICE_FUNC int32
gstore_month_days(int64 year, int32 month)
{
	if (month == 2)
		return 28 + (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
	return 30 + ((month + (month > 7)) & 1);
}

GSTORE_DEVICE_FUNC uint8
gstore_instant(int64 *r, int64 days, int64 time)
{
	*r = 0;
	if (days < GSTORE_DATE_FIRST || days >= GSTORE_TIMESTAMP_DATE_END)
		return GSTORE_STATE_TIMESTAMP;
	*r = days * GSTORE_DAY + time;
	return GSTORE_STATE_VALUE;
}

/* Months first, whose last day holds longer ones back; then days; then time. */
GSTORE_DEVICE_FUNC uint8
gstore_timestamp_move(int64 *r, int64 a, GstoreSpan span, int sign)
{
	int64 days = gstore_day_of(a);
	int64 time = a - days * GSTORE_DAY;
	GstoreInt128 sum;
	uint8 state = GSTORE_STATE_VALUE;

	*r = a;
	if (gstore_span_extreme(span))
		return GSTORE_STATE_BEYOND;
	if (gstore_timestamp_infinite(a))
		return GSTORE_STATE_VALUE;
	if (span.months != 0)
	{
		GstoreCalendar c = gstore_calendar(days);
		int64 month = c.year * 12 + c.month - 1 + (int64) span.months * sign;
		int64 year = (month >= 0 ? month : month - 11) / 12;
		int32 last;

		month -= year * 12;
		last = gstore_month_days(year, (int32) month + 1);
		days = gstore_days_of(year, (int32) month + 1,
							  c.day < last ? c.day : last);
		state = gstore_instant(r, days, time);
	}
	if (state == GSTORE_STATE_VALUE && span.days != 0)
	{
		days += (int64) span.days * sign;
		state = gstore_instant(r, days, time);
	}
	if (state != GSTORE_STATE_VALUE)
		return state;
	sum = (GstoreInt128) *r + (GstoreInt128) span.microseconds * sign;
	if (sum < GSTORE_TIMESTAMP_FIRST || sum >= GSTORE_TIMESTAMP_END)
		return GSTORE_STATE_TIMESTAMP;
	*r = (int64) sum;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_pl_span(gstore_timestamp *r, gstore_timestamp a,
							gstore_span b)
{
	return gstore_timestamp_move(r, a, b, 1);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_mi_span(gstore_timestamp *r, gstore_timestamp a,
							gstore_span b)
{
	return gstore_timestamp_move(r, a, b, -1);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_pl_span(gstore_timestamp *r, gstore_date a, gstore_span b)
{
	uint8 state = gstore_op_date_timestamp(r, a);

	return state ? state : gstore_timestamp_move(r, *r, b, 1);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_mi_span(gstore_timestamp *r, gstore_date a, gstore_span b)
{
	uint8 state = gstore_op_date_timestamp(r, a);

	return state ? state : gstore_timestamp_move(r, *r, b, -1);
}

/* A time of day goes round. */
GSTORE_DEVICE_FUNC uint8
gstore_time_move(int64 *r, int64 a, GstoreSpan span, int sign)
{
	GstoreInt128 sum = (GstoreInt128) a +
					   (GstoreInt128) span.microseconds * sign;
	int64 rest;

	*r = 0;
	/* PostgreSQL's own sum would wrap */
	if (sum != (int64) sum || gstore_span_extreme(span))
		return GSTORE_STATE_BEYOND;
	rest = (int64) sum % GSTORE_DAY;
	*r = rest < 0 ? rest + GSTORE_DAY : rest;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_time_pl_span(gstore_timestamp *r, gstore_timestamp a, gstore_span b)
{
	return gstore_time_move(r, a, b, 1);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_time_mi_span(gstore_timestamp *r, gstore_timestamp a, gstore_span b)
{
	return gstore_time_move(r, a, b, -1);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_time_mi(gstore_span *r, gstore_timestamp a, gstore_timestamp b)
{
	r->microseconds = (int64) ((uint64) a - (uint64) b);
	r->days = 0;
	r->months = 0;
	return GSTORE_STATE_VALUE;
}

/* Days and a rest of the same sign. */
GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_mi(gstore_span *r, gstore_timestamp a, gstore_timestamp b)
{
	GstoreInt128 difference = (GstoreInt128) a - b;

	r->microseconds = (int64) difference % GSTORE_DAY;
	r->days = (int32) ((int64) difference / GSTORE_DAY);
	r->months = 0;
	if (gstore_timestamp_infinite(a) || gstore_timestamp_infinite(b))
		return GSTORE_STATE_BEYOND;
	return (uint8) (difference == (int64) difference ? GSTORE_STATE_VALUE
													 : GSTORE_STATE_BEYOND);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_date(gstore_date *r, gstore_timestamp a)
{
	*r = (int32) gstore_day_of(a);
	if (a == GSTORE_TIMESTAMP_INFINITY)
		*r = GSTORE_DATE_INFINITY;
	else if (a == GSTORE_TIMESTAMP_MINUS_INFINITY)
		*r = GSTORE_DATE_MINUS_INFINITY;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_time(gstore_timestamp *r, gstore_timestamp a)
{
	*r = a - gstore_day_of(a) * GSTORE_DAY;
	return (uint8) (gstore_timestamp_infinite(a) ? GSTORE_STATE_NULL
												 : GSTORE_STATE_VALUE);
}

/* ---- fields ---- */

GSTORE_DEVICE_FUNC int32
gstore_weekday(int64 days) /* 0: Monday */
{
	int64 rest = (days + 5) % 7;

	return (int32) (rest < 0 ? rest + 7 : rest);
}

/* A field of a day. */
GSTORE_DEVICE_FUNC uint8
gstore_day_field(int64 *r, int64 days, int field)
{
	GstoreCalendar c = gstore_calendar(days);
	GstoreCalendar thursday;

	switch (field)
	{
		case GSTORE_FIELD_DAY:
			*r = c.day;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MONTH:
			*r = c.month;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_QUARTER:
			*r = (c.month - 1) / 3 + 1;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_YEAR: /* 1 BC is year -1, not 0 */
			*r = c.year > 0 ? c.year : c.year - 1;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DOW:
			*r = (gstore_weekday(days) + 1) % 7;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_ISODOW:
			*r = gstore_weekday(days) + 1;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DOY:
			*r = days - gstore_days_of(c.year, 1, 1) + 1;
			return GSTORE_STATE_VALUE;
		default:
			break;
	}
	*r = 0;
	if (c.year <= 1)
		return GSTORE_STATE_BEYOND;
	switch (field)
	{
		case GSTORE_FIELD_WEEK: /* of the year its Thursday is in */
		case GSTORE_FIELD_ISOYEAR:
			days += 3 - gstore_weekday(days);
			thursday = gstore_calendar(days);
			*r = field == GSTORE_FIELD_ISOYEAR
					 ? thursday.year
					 : (days - gstore_days_of(thursday.year, 1, 1)) / 7 + 1;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DECADE:
			*r = c.year / 10;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_CENTURY:
			*r = (c.year + 99) / 100;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MILLENNIUM:
			*r = (c.year + 999) / 1000;
			return GSTORE_STATE_VALUE;
		default:
			return GSTORE_STATE_BEYOND;
	}
}

/* A field of a time of day; with digits behind the point. */
GSTORE_DEVICE_FUNC uint8
gstore_time_field(GstoreNumeric *r, int64 time, int field)
{
	int64 value = time % 60000000;

	r->scale = 0;
	if (field == GSTORE_FIELD_MILLISECOND)
		r->scale = 3;
	else if (field == GSTORE_FIELD_SECOND)
		r->scale = 6;
	else if (field == GSTORE_FIELD_MINUTE)
		value = time / 60000000 % 60;
	else if (field == GSTORE_FIELD_HOUR)
		value = time / 3600000000LL;
	r->value = value;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_field(gstore_numeric *r, gstore_date a, gstore_int4 field)
{
	int64 value = 0;
	uint8 state;

	if (gstore_date_infinite(a))
		state = GSTORE_STATE_BEYOND;
	else if (field == GSTORE_FIELD_EPOCH)
	{
		value = ((int64) a + 10957) * 86400;
		state = GSTORE_STATE_VALUE;
	}
	else
		state = gstore_day_field(&value, a, field);
	r->value = value;
	r->scale = 0;
	return state;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_field(gstore_numeric *r, gstore_timestamp a,
						  gstore_int4 field)
{
	int64 days = gstore_day_of(a);

	r->value = 0;
	r->scale = 0;
	if (gstore_timestamp_infinite(a))
		return GSTORE_STATE_BEYOND;
	if (field == GSTORE_FIELD_EPOCH)
	{
		r->value = (GstoreInt128) a + 10957 * GSTORE_DAY;
		r->scale = 6;
		return GSTORE_STATE_VALUE;
	}
	if (field <= GSTORE_FIELD_HOUR)
		return gstore_time_field(r, a - days * GSTORE_DAY, field);
	return gstore_op_date_field(r, (int32) days, field);
}

/* Of a time of day; 24:00 has hour 24. */
GSTORE_DEVICE_FUNC uint8
gstore_op_time_field(gstore_numeric *r, gstore_timestamp a, gstore_int4 field)
{
	if (field != GSTORE_FIELD_EPOCH)
		return gstore_time_field(r, a, field);
	r->value = a;
	r->scale = 6;
	return GSTORE_STATE_VALUE;
}

/* date_part: the same as a float, rounded as PostgreSQL's sums round. */
GSTORE_DEVICE_FUNC uint8
gstore_field_part(double *r, uint8 state, GstoreNumeric value, int field)
{
	int64 whole = (int64) value.value;

	*r = (double) whole;
	if (state != GSTORE_STATE_VALUE)
		return state;
	if (value.value != whole)
		return GSTORE_STATE_BEYOND;
	if (field == GSTORE_FIELD_MILLISECOND)
		*r = (double) (whole / 1000000) * 1000.0 +
			 (double) (whole % 1000000) / 1000.0;
	else if (field == GSTORE_FIELD_SECOND)
		*r = (double) (whole / 1000000) +
			 (double) (whole % 1000000) / 1000000.0;
	else if (field == GSTORE_FIELD_EPOCH)
		*r = (double) whole / 1000000.0;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_part(gstore_float8 *r, gstore_timestamp a,
						 gstore_int4 field)
{
	GstoreNumeric value;
	uint8 state = gstore_op_timestamp_field(&value, a, field);

	return gstore_field_part(r, state, value, field);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_time_part(gstore_float8 *r, gstore_timestamp a, gstore_int4 field)
{
	GstoreNumeric value;
	uint8 state = gstore_op_time_field(&value, a, field);

	return gstore_field_part(r, state, value, field);
}

/* ---- date_trunc ---- */

GSTORE_DEVICE_FUNC uint8
gstore_op_timestamp_trunc(gstore_timestamp *r, gstore_timestamp a,
						  gstore_int4 field)
{
	int64 days = gstore_day_of(a);
	int64 time = a - days * GSTORE_DAY;
	GstoreCalendar c;

	*r = a;
	if (gstore_timestamp_infinite(a))
		return GSTORE_STATE_VALUE;
	switch (field)
	{
		case GSTORE_FIELD_MICROSECOND:
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MILLISECOND:
			*r = a - time % 1000;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_SECOND:
			*r = a - time % 1000000;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_MINUTE:
			*r = a - time % 60000000;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_HOUR:
			*r = a - time % 3600000000LL;
			return GSTORE_STATE_VALUE;
		case GSTORE_FIELD_DAY:
			*r = a - time;
			return GSTORE_STATE_VALUE;
		default:
			break;
	}
	c = gstore_calendar(days);
	switch (field)
	{
		case GSTORE_FIELD_MONTH:
			return gstore_instant(r, days - c.day + 1, 0);
		case GSTORE_FIELD_QUARTER:
			return gstore_instant(r,
								  gstore_days_of(c.year,
												 (c.month - 1) / 3 * 3 + 1, 1),
								  0);
		case GSTORE_FIELD_YEAR:
			return gstore_instant(r, gstore_days_of(c.year, 1, 1), 0);
		default:
			break;
	}
	if (c.year <= 1)
		return GSTORE_STATE_BEYOND;
	switch (field)
	{
		case GSTORE_FIELD_WEEK:
			return gstore_instant(r, days - gstore_weekday(days), 0);
		case GSTORE_FIELD_DECADE:
			c.year = c.year / 10 * 10;
			break;
		case GSTORE_FIELD_CENTURY:
			c.year = (c.year - 1) / 100 * 100 + 1;
			break;
		case GSTORE_FIELD_MILLENNIUM:
			c.year = (c.year - 1) / 1000 * 1000 + 1;
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	return gstore_instant(r, gstore_days_of(c.year, 1, 1), 0);
}

#endif
