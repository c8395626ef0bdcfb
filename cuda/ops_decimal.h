/*
 * ops_decimal.h
 *	  numeric(p,s) of up to 18 digits as a 64-bit integer whose scale the
 *	  program knows.
 *
 * The scale belongs to the register, not to the value: whoever compiles a
 * program brings operands to one scale.  What does not fit 64 bits is BEYOND,
 * and computed again with GstoreNumeric, or by PostgreSQL.
 */
#ifndef GSTORE_OPS_DECIMAL_H
#define GSTORE_OPS_DECIMAL_H

#include "ops_int.h"
#include "ops_numeric.h"

/* Most digits, and the largest scale, of a column that is a DECIMAL. */
#define GSTORE_SMALL_DECIMAL_DIGITS 18

GSTORE_DEFINE_COMPARISONS(decimal)

GSTORE_DEVICE_FUNC uint8
gstore_fit_decimal(gstore_decimal *r, GstoreInt128 value)
{
	*r = (int64) value;
	return (uint8) (gstore_int128_small(value) ? GSTORE_STATE_VALUE
											   : GSTORE_STATE_BEYOND);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_decimalpl(gstore_decimal *r, gstore_decimal a, gstore_decimal b)
{
	return (uint8) (gstore_op_int8pl(r, a, b) ? GSTORE_STATE_BEYOND
											  : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_decimalmi(gstore_decimal *r, gstore_decimal a, gstore_decimal b)
{
	return (uint8) (gstore_op_int8mi(r, a, b) ? GSTORE_STATE_BEYOND
											  : GSTORE_STATE_VALUE);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_decimalmul(gstore_decimal *r, gstore_decimal a, gstore_decimal b)
{
	return gstore_fit_decimal(r, (GstoreInt128) a * b);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_decimalum(gstore_decimal *r, gstore_decimal a)
{
	return gstore_fit_decimal(r, -(GstoreInt128) a);
}

GSTORE_DEVICE_FUNC uint8
gstore_op_decimalabs(gstore_decimal *r, gstore_decimal a)
{
	return gstore_fit_decimal(r, a < 0 ? -(GstoreInt128) a : a);
}

/* With the scale, from where it has to be a value of its own. */
GSTORE_DEVICE_FUNC uint8
gstore_op_decimal_numeric(gstore_numeric *r, gstore_decimal a,
						  gstore_int4 scale)
{
	r->value = a;
	r->scale = scale;
	return GSTORE_STATE_VALUE;
}

/* An integer is a DECIMAL of scale 0. */
GSTORE_DEVICE_FUNC uint8
gstore_op_int8_decimal(gstore_decimal *r, gstore_int8 a)
{
	*r = a;
	return GSTORE_STATE_VALUE;
}

/*
 * Is it not zero: 128 bits, as Arrow's decimals are, are no value of up to the
 * digits that limit is the power of ten of.
 */
GSTORE_DEVICE_FUNC uint64
gstore_small_decimal_odd(uint64 low, uint64 high, uint64 limit)
{
	return (high ^ (0 - (low >> 63))) |
		   (((low + (limit - 1)) | (limit - 1 - low)) >> 63);
}

/*
 * A numeric's body (numeric.h) of this display scale.  Values of up to four
 * groups of digits take the short way; the others are left to
 * gstore_numeric_decode.
 */
GSTORE_DEVICE_FUNC uint8
gstore_decimal_decode(gstore_decimal *r, int scale, const uint8 *data,
					  uint64 length)
{
	/* powers of ten by which a group of digits counts */
	const int64 powers[] = {1, 10, 100, 1000};
	GstoreNumeric wide;
	uint8 state;
	uint16 header;

	*r = 0;
	if (length >= 2 && length <= 10 && length % 2 == 0 &&
		((header = gstore_read_u16(data)) & 0xC000) == 0x8000 &&
		(header & 0x1F80) >> 7 == scale)
	{
		int weight = (header & 0x3F) - ((header & 0x40) ? 64 : 0);
		int ndigits = (int) length / 2 - 1;
		/* of ten, by which the last group has to be multiplied */
		int exponent = 4 * (weight - ndigits + 1) + scale;
		int64 value = 0;

		for (int i = 0; i < ndigits; i++)
			value = value * 10000 + gstore_read_u16(data + 2 + 2 * i);
		if (exponent >= 0 && exponent <= 3 && ndigits < 4)
			value *= powers[exponent];
		else if (exponent < 0 && exponent >= -3 &&
				 value % powers[-exponent] == 0)
			value /= powers[-exponent];
		else if (value != 0)
			goto general;
		*r = (header & 0x2000) ? -value : value;
		return GSTORE_STATE_VALUE;
	}

general:
	state = gstore_numeric_decode(&wide, data, length);
	if (state != GSTORE_STATE_VALUE)
		return state;
	if (wide.scale != scale)
		return GSTORE_STATE_BEYOND;
	return gstore_fit_decimal(r, wide.value);
}

#endif
