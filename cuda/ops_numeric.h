/*
 * ops_numeric.h
 *	  numeric as an exact 128-bit integer and a scale.
 *
 * What does not fit 128 bits, NaN and infinities are GSTORE_STATE_BEYOND:
 * never a wrong digit.
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

/* ---- division ---- */

/* a / b rounded half away from zero; b > 0. */
GSTORE_DEVICE_FUNC GstoreInt128
gstore_int128_round(GstoreInt128 a, GstoreInt128 b)
{
	GstoreInt128 rest = a % b;
	GstoreInt128 size = rest < 0 ? -rest : rest;

	return a / b + (size >= b - size ? (a < 0 ? -1 : 1) : 0);
}

/* The first digit in base 10000 of a number that is not negative, and what
 * power of 10000 it counts. */
GSTORE_DEVICE_FUNC int
gstore_numeric_head(GstoreNumeric a, int *weight)
{
	int exponent = -a.scale; /* of ten, of the highest decimal digit */
	int shift;

	*weight = 0;
	if (a.value == 0)
		return 0;
	for (GstoreInt128 rest = a.value / 10; rest > 0; rest /= 10)
		exponent++;
	*weight = (exponent >= 0 ? exponent : exponent - 3) / 4;
	shift = a.scale + 4 * *weight;
	return (int) (shift >= 0 ? a.value / gstore_power_of_ten(shift)
							 : a.value * gstore_power_of_ten(-shift));
}

/*
 * The result's scale gives at least 16 significant digits, guessed from the
 * operands' first digits as PostgreSQL guesses.
 */
GSTORE_DEVICE_FUNC uint8
gstore_op_numericdiv(gstore_numeric *r, gstore_numeric a, gstore_numeric b)
{
	bool negative = (a.value < 0) != (b.value < 0);
	int aweight;
	int bweight;
	int ahead;
	int bhead;
	int32 scale;
	int32 more;
	GstoreInt128 part;

	r->value = 0;
	r->scale = 0;
	if (b.value == 0)
		return GSTORE_STATE_DIVISION;
	if (a.value < -GSTORE_INT128_MAX || b.value < -GSTORE_INT128_MAX)
		return GSTORE_STATE_BEYOND;
	a.value = a.value < 0 ? -a.value : a.value;
	b.value = b.value < 0 ? -b.value : b.value;
	ahead = gstore_numeric_head(a, &aweight);
	bhead = gstore_numeric_head(b, &bweight);
	scale = 16 - 4 * (aweight - bweight - (ahead <= bhead));
	scale = scale > a.scale ? scale : a.scale;
	scale = scale > b.scale ? scale : b.scale;
	if (scale > 1000)
		return GSTORE_STATE_BEYOND;
	r->scale = scale;
	more = scale - a.scale + b.scale;
	if (more <= GSTORE_NUMERIC_DIGITS &&
		gstore_int128_multiply(&part, a.value, gstore_power_of_ten(more)))
		part = gstore_int128_round(part, b.value);
	else
	{
		/* digit by digit */
		GstoreInt128 rest = a.value % b.value;

		if (b.value > GSTORE_INT128_MAX / 10)
			return GSTORE_STATE_BEYOND;
		part = a.value / b.value;
		for (; more > 0; more--)
		{
			if (part > (GSTORE_INT128_MAX - 10) / 10)
				return GSTORE_STATE_BEYOND;
			rest *= 10;
			part = part * 10 + rest / b.value;
			rest %= b.value;
		}
		part += rest >= b.value - rest;
	}
	r->value = negative ? -part : part;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_numericmod(gstore_numeric *r, gstore_numeric a, gstore_numeric b)
{
	*r = a;
	if (b.value == 0)
		return GSTORE_STATE_DIVISION;
	if (!gstore_numeric_rescale(&a, b.scale) ||
		!gstore_numeric_rescale(&b, a.scale))
		return GSTORE_STATE_BEYOND;
	r->scale = a.scale > b.scale ? a.scale : b.scale;
	r->value = b.value == -1 ? 0 : a.value % b.value;
	return GSTORE_STATE_VALUE;
}

/* round(a, digits) */
GSTORE_DEVICE_FUNC uint8
gstore_op_numericround(gstore_numeric *r, gstore_numeric a, gstore_int4 digits)
{
	GstoreInt128 power;

	*r = a;
	if (digits < 0 || digits > GSTORE_NUMERIC_DIGITS ||
		a.scale - digits > GSTORE_NUMERIC_DIGITS)
		return GSTORE_STATE_BEYOND;
	if (digits >= a.scale)
	{
		uint8 fits = gstore_numeric_rescale(r, digits);

		r->scale = digits;
		return (uint8) (fits ? GSTORE_STATE_VALUE : GSTORE_STATE_BEYOND);
	}
	power = gstore_power_of_ten(a.scale - digits);
	r->value = gstore_int128_round(a.value, power);
	r->scale = digits;
	return GSTORE_STATE_VALUE;
}

/* ---- to other types ---- */

#define GSTORE_DEFINE_FROM_NUMERIC(to, low, high, state) \
	GSTORE_DEVICE_FUNC uint8 gstore_op_numeric_##to(gstore_##to *r, \
													gstore_numeric a) \
	{ \
		uint8 outcome = GSTORE_STATE_VALUE; \
\
		*r = 0; \
		if (a.scale > 0) \
			outcome = gstore_op_numericround(&a, a, 0); \
		if (outcome != GSTORE_STATE_VALUE) \
			return outcome; \
		if (a.value < (low) || a.value > (high)) \
			return state; \
		*r = (gstore_##to) a.value; \
		return GSTORE_STATE_VALUE; \
	}

GSTORE_DEFINE_FROM_NUMERIC(int2, -32768, 32767, GSTORE_STATE_SMALLINT)
GSTORE_DEFINE_FROM_NUMERIC(int4, -2147483647LL - 1, 2147483647LL,
						   GSTORE_STATE_INTEGER)
GSTORE_DEFINE_FROM_NUMERIC(int8, -9223372036854775807LL - 1,
						   9223372036854775807LL, GSTORE_STATE_BIGINT)

/* Both exact in a double: so their quotient is the nearest one. */
GSTORE_DEVICE_FUNC uint8
gstore_op_numeric_float8(gstore_float8 *r, gstore_numeric a)
{
	*r = 0;
	if (a.value > 9007199254740992LL || a.value < -9007199254740992LL ||
		a.scale > 22)
		return GSTORE_STATE_BEYOND;
	*r = (double) (int64) a.value;
	if (a.scale <= 18)
		*r /= (double) (int64) gstore_power_of_ten(a.scale);
	else
		*r /= (double) (int64) gstore_power_of_ten(18) *
			  (double) (int64) gstore_power_of_ten(a.scale - 18);
	return GSTORE_STATE_VALUE;
}

/* To float4: what lies half way between two of them was perhaps rounded there. */
GSTORE_DEVICE_FUNC uint8
gstore_op_numeric_float4(gstore_float4 *r, gstore_numeric a)
{
	double wide;
	uint8 state = gstore_op_numeric_float8(&wide, a);
	uint64 bits;

	memcpy(&bits, &wide, sizeof(bits));
	*r = (float) wide;
	return (uint8) (state == GSTORE_STATE_VALUE &&
							(bits & 0x1FFFFFFF) == 0x10000000
						? GSTORE_STATE_BEYOND
						: state);
}

/* ---- from floats ---- */

/*
 * As many significant digits as PostgreSQL takes, the last one rounded half to
 * even, as printf does.  Within what 128 bits hold; *r is then q / 10^scale.
 */
GSTORE_DEVICE_FUNC uint8
gstore_numeric_of_float(GstoreNumeric *r, double a, int digits)
{
	int exponent;
	double fraction = frexp(fabs(a), &exponent);
	GstoreInt128 mantissa = (GstoreInt128) (int64) (fraction * 9007199254740992.0);
	GstoreInt128 limit = (GstoreInt128) gstore_power_of_ten(digits);
	GstoreInt128 value = 0;
	int scale;

	r->value = 0;
	r->scale = 0;
	if (a == 0)
		return GSTORE_STATE_VALUE;
	if (!(fabs(a) >= 1e-7 && fabs(a) < 1e15))
		return GSTORE_STATE_BEYOND;

	/* mantissa * 2^exponent, exponent at most -3; a guess of where the first
	 * digit is, which may be one off */
	exponent -= 53;
	scale = digits - 1 - (int) floor((exponent + 52) * 0.30102999566398120);
	for (int tries = 0; tries < 3; tries++)
	{
		GstoreInt128 above = mantissa;
		GstoreInt128 below = (GstoreInt128) 1 << -exponent;
		GstoreInt128 rest;

		if (scale > 0)
			above *= (GstoreInt128) gstore_power_of_ten(scale);
		else
			below *= (GstoreInt128) gstore_power_of_ten(-scale);
		value = above / below;
		rest = above % below;
		if (rest > below - rest || (rest == below - rest && (value & 1) != 0))
			value++;
		if (value < limit / 10)
			scale++;
		else if (value > limit)
			scale--;
		else
			break;
	}
	for (; scale > 0 && value % 10 == 0; scale--)
		value /= 10;
	if (scale < 0)
	{
		value *= (GstoreInt128) gstore_power_of_ten(-scale);
		scale = 0;
	}
	r->value = a < 0 ? -value : value;
	r->scale = scale;
	return GSTORE_STATE_VALUE;
}

GSTORE_DEVICE_FUNC uint8
gstore_op_float4_numeric(gstore_numeric *r, gstore_float4 a)
{
	return gstore_numeric_of_float(r, a, 6);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_float8_numeric(gstore_numeric *r, gstore_float8 a)
{
	return gstore_numeric_of_float(r, a, 15);
}

/* Of a numeric that was rounded to its scale: does it fit so many digits? */
GSTORE_DEVICE_FUNC uint8
gstore_op_numeric_fit(gstore_numeric *r, gstore_numeric a, gstore_int4 precision)
{
	GstoreInt128 size = a.value < 0 ? -a.value : a.value;

	*r = a;
	return (uint8) (precision > GSTORE_NUMERIC_DIGITS ||
							size >= (GstoreInt128) gstore_power_of_ten(precision)
						? GSTORE_STATE_BEYOND
						: GSTORE_STATE_VALUE);
}

#endif
