/*
 * ops_zone.h
 *	  Instants as clocks of a time zone show them, and back.
 *
 * A zone is a text of 8-byte numbers, all in microseconds, instants counted from
 * 2000-01-01 00:00 UTC:
 *
 *	 0		how many changes of its offset follow
 *	 1		the instant from which on the changes are known
 *	 2		the instant from which on they are not any more
 *	 3		a unit that gstore_op_zone_trunc cuts off at; 0: none
 *	 4		the offset before the first change: local time less UTC
 *	 5 ...	for each change, in their order: the instant, the offset after it
 *
 * What is before or behind what is known is PostgreSQL's to say.
 */
#ifndef GSTORE_OPS_ZONE_H
#define GSTORE_OPS_ZONE_H

#include "ops_interval.h"
#include "ops_text.h"

#define GSTORE_ZONE_CHANGES 0
#define GSTORE_ZONE_SINCE 1
#define GSTORE_ZONE_UNTIL 2
#define GSTORE_ZONE_UNIT 3
#define GSTORE_ZONE_FIRST 4
#define GSTORE_ZONE_HEADER 5

/*
 * The offset at an instant or, local, at what clocks show.  Clocks that are put
 * back show an hour twice: it is taken as the second one.  An hour that is left
 * out is taken as if clocks had not been put forward yet.  Both are what comes of
 * a change counting from the local time that clocks show after it.
 */
GSTORE_DEVICE_FUNC int64
gstore_zone_offset(GstoreText zone, int64 at, bool local)
{
	int64 low = 0;
	int64 high = gstore_list_word(zone, GSTORE_ZONE_CHANGES);

	while (low < high)
	{
		int64 middle = (low + high) / 2;
		int64 place = GSTORE_ZONE_HEADER + 2 * middle;
		int64 change = gstore_list_word(zone, place);

		if (local)
			change += gstore_list_word(zone, place + 1);
		if (change <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return gstore_list_word(zone, low == 0 ? GSTORE_ZONE_FIRST
										   : GSTORE_ZONE_HEADER + 2 * low - 1);
}

/* The result of moving by an offset, if both sides are known. */
GSTORE_DEVICE_FUNC uint8
gstore_zone_move(int64 *r, int64 a, int64 offset, bool local,
				 GstoreText zone)
{
	int64 instant;

	*r = a;
	if (a < GSTORE_TIMESTAMP_FIRST || a >= GSTORE_TIMESTAMP_END)
		return GSTORE_STATE_BEYOND;
	*r = a + offset;
	instant = local ? *r : a;
	return (uint8) (*r < GSTORE_TIMESTAMP_FIRST || *r >= GSTORE_TIMESTAMP_END ||
							instant < gstore_list_word(zone, GSTORE_ZONE_SINCE) ||
							instant >= gstore_list_word(zone, GSTORE_ZONE_UNTIL)
						? GSTORE_STATE_BEYOND
						: GSTORE_STATE_VALUE);
}

/* timestamptz to timestamp */
GSTORE_DEVICE_FUNC uint8
gstore_op_zone_local(gstore_timestamp *r, gstore_timestamp a, gstore_text zone)
{
	*r = a;
	if (gstore_timestamp_infinite(a))
		return GSTORE_STATE_VALUE;
	return gstore_zone_move(r, a, gstore_zone_offset(zone, a, false), false, zone);
}

/* timestamp to timestamptz */
GSTORE_DEVICE_FUNC uint8
gstore_op_zone_instant(gstore_timestamp *r, gstore_timestamp a,
					   gstore_text zone)
{
	*r = a;
	if (gstore_timestamp_infinite(a))
		return GSTORE_STATE_VALUE;
	return gstore_zone_move(r, a, -gstore_zone_offset(zone, a, true), true, zone);
}

/* date_trunc of units up to the hour: the offset stays what it is. */
GSTORE_DEVICE_FUNC uint8
gstore_op_zone_trunc(gstore_timestamp *r, gstore_timestamp a, gstore_text zone)
{
	int64 unit = gstore_list_word(zone, GSTORE_ZONE_UNIT);
	int64 local;
	int64 rest;
	uint8 state = gstore_op_zone_local(&local, a, zone);

	*r = a;
	if (state != GSTORE_STATE_VALUE || gstore_timestamp_infinite(a))
		return state;
	rest = local % unit;
	*r = a - (rest < 0 ? rest + unit : rest);
	return (uint8) (*r < GSTORE_TIMESTAMP_FIRST ? GSTORE_STATE_BEYOND
												: GSTORE_STATE_VALUE);
}

#endif
