/*
 * ops_numeric.h
 *	  numeric as an exact 128-bit integer and a scale.
 *
 * What does not fit 128 bits, NaN and infinities are GSTORE_STATE_BEYOND:
 * never a wrong digit.  Division is left to PostgreSQL, whose result scale
 * depends on the operands.
 */
#ifndef GSTORE_OPS_NUMERIC_H
#define GSTORE_OPS_NUMERIC_H

#include "numeric.h"
#include "scalar.h"

typedef unsigned __int128 GstoreUint128;

#define GSTORE_INT128_MAX ((GstoreInt128) (((GstoreUint128) 1 << 127) - 1))

/* Most decimal digits 128 bits hold. */
#define GSTORE_NUMERIC_DIGITS 38

GSTORE_DEVICE_FUNC bool
gstore_int128_small(GstoreInt128 a)
{
	return a == (GstoreInt128) (int64) a;
}

/* a * b, false when 128 bits do not hold it. */
GSTORE_DEVICE_FUNC bool
gstore_int128_multiply(GstoreInt128 *r, GstoreInt128 a, GstoreInt128 b)
{
	GstoreUint128 ua = a < 0 ? -(GstoreUint128) a : (GstoreUint128) a;
	GstoreUint128 ub = b < 0 ? -(GstoreUint128) b : (GstoreUint128) b;

	*r = 0;
	if (!(gstore_int128_small(a) && gstore_int128_small(b)) && ua != 0 &&
		ub > (GstoreUint128) GSTORE_INT128_MAX / ua)
		return false;
	ua *= ub;
	*r = (a < 0) != (b < 0) ? -(GstoreInt128) ua : (GstoreInt128) ua;
	return true;
}

GSTORE_DEVICE_FUNC bool
gstore_int128_add(GstoreInt128 *r, GstoreInt128 a, GstoreInt128 b)
{
	GstoreUint128 sum = (GstoreUint128) a + (GstoreUint128) b;

	*r = (GstoreInt128) sum;
	return !((((GstoreUint128) a ^ sum) & ((GstoreUint128) b ^ sum)) >> 127);
}

/* Give a at least this many digits after the point. */
GSTORE_DEVICE_FUNC bool
gstore_numeric_rescale(GstoreNumeric *a, int32 scale)
{
	int32 more = scale - a->scale;

	if (more <= 0)
		return true;
	if (a->value != 0 &&
		(more > GSTORE_NUMERIC_DIGITS ||
		 !gstore_int128_multiply(&a->value, a->value,
								 (GstoreInt128) gstore_power_of_ten(more))))
		return false;
	a->scale = scale;
	return true;
}

/* ---- from PostgreSQL's bytes ---- */

/*
 * A numeric without its varlena header: a 16-bit header (short: sign, display
 * scale and weight; long: sign and display scale, then the weight), and base
 * 10000 digits.
 */
GSTORE_DEVICE_FUNC uint8
gstore_numeric_decode(GstoreNumeric *r, const uint8 *data, uint64 length)
{
	uint16 header;
	int32 weight;
	int32 fraction;
	uint64 header_bytes = 2;
	uint64 ndigits;
	bool negative;
	GstoreInt128 value = 0;

	r->value = 0;
	r->scale = 0;
	if (length < 2)
		return GSTORE_STATE_CORRUPT;
	header = gstore_read_u16(data);
	if ((header & 0xC000) == 0xC000)
		return GSTORE_STATE_BEYOND;
	if (header & 0x8000)
	{
		negative = (header & 0x2000) != 0;
		r->scale = (header & 0x1F80) >> 7;
		weight = (header & 0x003F) - ((header & 0x0040) ? 64 : 0);
	}
	else
	{
		if (length < 4)
			return GSTORE_STATE_CORRUPT;
		negative = (header & 0x4000) != 0;
		r->scale = header & 0x3FFF;
		weight = (int16) gstore_read_u16(data + 2);
		header_bytes = 4;
	}
	ndigits = (length - header_bytes) / 2;
	if (ndigits == 0)
		return GSTORE_STATE_VALUE;
	if (ndigits > GSTORE_NUMERIC_DIGITS / 4)
		return GSTORE_STATE_BEYOND;
	data += header_bytes;
	for (uint64 i = 0; i < ndigits; i++)
		value = value * 10000 + gstore_read_u16(data + 2 * i);

	/* From 4 decimal digits a group to the display scale.  Never cuts digits
	 * that are not zero, unless the bytes are no numeric of PostgreSQL's. */
	fraction = 4 * ((int32) ndigits - 1 - weight);
	if (fraction > r->scale)
	{
		GstoreInt128 power;

		if (fraction - r->scale > GSTORE_NUMERIC_DIGITS)
			return GSTORE_STATE_BEYOND;
		power = (GstoreInt128) gstore_power_of_ten(fraction - r->scale);
		if (gstore_int128_small(value) && gstore_int128_small(power))
		{
			if ((int64) value % (int64) power != 0)
				return GSTORE_STATE_BEYOND;
			value = (int64) value / (int64) power;
		}
		else
		{
			if (value % power != 0)
				return GSTORE_STATE_BEYOND;
			value /= power;
		}
	}
	else if (fraction < r->scale)
	{
		if (r->scale - fraction > GSTORE_NUMERIC_DIGITS ||
			!gstore_int128_multiply(&value, value,
									(GstoreInt128) gstore_power_of_ten(r->scale - fraction)))
			return GSTORE_STATE_BEYOND;
	}
	r->value = negative ? -value : value;
	return GSTORE_STATE_VALUE;
}

/* ---- arithmetic ---- */

GSTORE_DEVICE_FUNC uint8
gstore_op_numericadd(gstore_numeric *r, gstore_numeric a, gstore_numeric b)
{
	bool fits = gstore_numeric_rescale(&a, b.scale) &&
				gstore_numeric_rescale(&b, a.scale);

	r->scale = a.scale > b.scale ? a.scale : b.scale;
	return (uint8) (gstore_int128_add(&r->value, a.value, b.value) && fits
						? GSTORE_STATE_VALUE
						: GSTORE_STATE_BEYOND);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_numericum(gstore_numeric *r, gstore_numeric a)
{
	r->scale = a.scale;
	r->value = (GstoreInt128) - (GstoreUint128) a.value;
	return (uint8) (a.value < -GSTORE_INT128_MAX ? GSTORE_STATE_BEYOND
												 : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_numericsub(gstore_numeric *r, gstore_numeric a, gstore_numeric b)
{
	uint8 state = gstore_op_numericum(&b, b);

	return state ? state : gstore_op_numericadd(r, a, b);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_numericmul(gstore_numeric *r, gstore_numeric a, gstore_numeric b)
{
	r->scale = a.scale + b.scale;
	if (!gstore_int128_multiply(&r->value, a.value, b.value))
		return GSTORE_STATE_BEYOND;
	/* PostgreSQL rounds from here on */
	return (uint8) (r->scale > 16383 ? GSTORE_STATE_BEYOND
									 : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_numericabs(gstore_numeric *r, gstore_numeric a)
{
	*r = a;
	return a.value < 0 ? gstore_op_numericum(r, a)
					   : (uint8) GSTORE_STATE_VALUE;
}

/* -1, 0, 1; *state is BEYOND where the scales cannot be made equal. */
GSTORE_DEVICE_FUNC int
gstore_numeric_compare(GstoreNumeric a, GstoreNumeric b, uint8 *state)
{
	*state = GSTORE_STATE_VALUE;
	if (a.scale != b.scale &&
		!(gstore_numeric_rescale(&a, b.scale) &&
		  gstore_numeric_rescale(&b, a.scale)))
		*state = GSTORE_STATE_BEYOND;
	return (a.value > b.value) - (a.value < b.value);
}

#define GSTORE_DEFINE_NUMERIC_COMPARISON(name, sign) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_numeric##name(gstore_logic *r, \
													 gstore_numeric a, \
													 gstore_numeric b) \
	{ \
		uint8 state; \
\
		*r = (gstore_logic) (gstore_numeric_compare(a, b, &state) \
								 sign 0); \
		return state; \
	}

GSTORE_DEFINE_NUMERIC_COMPARISON(eq, ==)
GSTORE_DEFINE_NUMERIC_COMPARISON(ne, !=)
GSTORE_DEFINE_NUMERIC_COMPARISON(lt, <)
GSTORE_DEFINE_NUMERIC_COMPARISON(le, <=)
GSTORE_DEFINE_NUMERIC_COMPARISON(gt, >)
GSTORE_DEFINE_NUMERIC_COMPARISON(ge, >=)

#define GSTORE_DEFINE_TO_NUMERIC(from) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_##from##_numeric(gstore_numeric *r, \
														gstore_##from a) \
	{ \
		r->value = a; \
		r->scale = 0; \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_TO_NUMERIC(int2)
GSTORE_DEFINE_TO_NUMERIC(int4)
GSTORE_DEFINE_TO_NUMERIC(int8)

#endif
