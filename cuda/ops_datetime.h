/*
 * ops_datetime.h
 *	  date, and timestamps with and without time zone where the zone plays no
 *	  part.  Comparison is that of integers (ops_int.h).
 */
#ifndef GSTORE_OPS_DATETIME_H
#define GSTORE_OPS_DATETIME_H

#include "scalar.h"

#define GSTORE_DATE_INFINITY 2147483647
#define GSTORE_DATE_MINUS_INFINITY (-2147483647 - 1)
#define GSTORE_TIMESTAMP_INFINITY ((int64) 9223372036854775807LL)
#define GSTORE_TIMESTAMP_MINUS_INFINITY (-GSTORE_TIMESTAMP_INFINITY - 1)
#define GSTORE_DAY ((int64) 86400000000LL)

/* Days since 2000-01-01 that a date can be: Julian day 0 to JULIAN_MAX, and
 * days whose midnight a timestamp can be. */
#define GSTORE_DATE_FIRST (-2451545)
#define GSTORE_DATE_END (2147483494 - 2451545)
#define GSTORE_TIMESTAMP_DATE_END (109203528 - 2451545)

GSTORE_DEVICE_FUNC bool
gstore_date_infinite(int32 a)
{
	return a == GSTORE_DATE_INFINITY || a == GSTORE_DATE_MINUS_INFINITY;
}

GSTORE_DEVICE_FUNC uint8
gstore_date_move(gstore_date *r, int32 a, int64 days)
{
	int64 sum = a + days;

	*r = a;
	if (gstore_date_infinite(a))
		return GSTORE_STATE_VALUE;
	if (sum < GSTORE_DATE_FIRST || sum >= GSTORE_DATE_END)
		return GSTORE_STATE_DATE;
	*r = (int32) sum;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_pli(gstore_date *r, gstore_date a, gstore_int4 days)
{
	return gstore_date_move(r, a, days);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_mii(gstore_date *r, gstore_date a, gstore_int4 days)
{
	return gstore_date_move(r, a, -(int64) days);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_date_mi(gstore_int4 *r, gstore_date a, gstore_date b)
{
	*r = (int32) ((uint32) a - (uint32) b);
	return (uint8) (gstore_date_infinite(a) || gstore_date_infinite(b)
						? GSTORE_STATE_INFINITE
						: GSTORE_STATE_VALUE);
}

/* The cast: a date that no timestamp can be is an error. */
GSTORE_DEVICE_FUNC uint8
gstore_op_date_timestamp(gstore_timestamp *r, gstore_date a)
{
	*r = 0;
	if (a == GSTORE_DATE_INFINITY)
		*r = GSTORE_TIMESTAMP_INFINITY;
	else if (a == GSTORE_DATE_MINUS_INFINITY)
		*r = GSTORE_TIMESTAMP_MINUS_INFINITY;
	else if (a >= GSTORE_TIMESTAMP_DATE_END)
		return GSTORE_STATE_DATE;
	else
		*r = a * GSTORE_DAY;
	return GSTORE_STATE_VALUE;
}

/* To be compared with timestamps: such a date is later than all of them but
 * infinity. */
GSTORE_DEVICE_FUNC uint8
gstore_op_date_instant(gstore_timestamp *r, gstore_date a)
{
	if (gstore_op_date_timestamp(r, a) != GSTORE_STATE_VALUE)
		*r = GSTORE_TIMESTAMP_INFINITY - 1;
	return GSTORE_STATE_VALUE;
}

/* ---- the calendar ---- */

typedef struct GstoreCalendar
{
	int64 year; /* astronomical: 0 is 1 BC */
	int32 month;
	int32 day;
} GstoreCalendar;

/* Civil date of a number of days since 2000-01-01, by eras of 400 years that
 * begin on 1 March. */
GSTORE_DEVICE_FUNC GstoreCalendar
gstore_calendar(int64 days)
{
	GstoreCalendar r;
	int64 since = days + 730425; /* 0000-03-01 to 2000-01-01 */
	int64 era = (since >= 0 ? since : since - 146096) / 146097;
	int64 of_era = since - era * 146097;
	int64 year = (of_era - of_era / 1460 + of_era / 36524 -
				  of_era / 146096) /
				 365;
	int64 of_year = of_era - (365 * year + year / 4 - year / 100);
	int64 month = (5 * of_year + 2) / 153; /* from March */

	r.day = (int32) (of_year - (153 * month + 2) / 5 + 1);
	r.month = (int32) (month < 10 ? month + 3 : month - 9);
	r.year = year + era * 400 + (r.month <= 2);
	return r;
}

#endif
