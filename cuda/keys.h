/*
 * keys.h
 *	  Keys of 64 bits by which the bounds of blocks compare values: one source
 *	  for CPU and GPU.  What they are for is told in src/codec/bounds.h.
 *
 * A value that is less has a key that is not greater.  Must never read outside
 * the bytes it is given, whatever they say.
 */
#ifndef GSTORE_KEYS_H
#define GSTORE_KEYS_H

#include <float.h>
#include <math.h>

#include "epoch.h"
#include "numeric.h"

/* How keys are made of a column's values, in the order of the type's btree
 * operators.  Values of one order are comparable across their types. */
typedef enum GstoreOrder
{
	GSTORE_ORDER_NONE = 0, /* no bounds are kept */
	GSTORE_ORDER_INTEGER,  /* int2, int4, int8, money, time: signed, attlen
							* bytes */
	GSTORE_ORDER_UNSIGNED, /* oid, bool */
	GSTORE_ORDER_FLOAT,	   /* float4, float8 */
	GSTORE_ORDER_NUMERIC,  /* by an approximation */
	GSTORE_ORDER_DATE,	   /* as microseconds: comparable with timestamps */
	GSTORE_ORDER_TIMESTAMP,
	GSTORE_ORDER_INTERVAL,
	GSTORE_ORDER_TEXT,	 /* text, varchar, bytea: by bytes */
	GSTORE_ORDER_BPCHAR, /* without the blanks at the end */
	GSTORE_ORDER_UUID
} GstoreOrder;

/* Rows of a block; the last one of an image has what is left. */
#define GSTORE_BLOCK_ROWS 16384

/* The keys of one column in one block. */
typedef struct GstoreBounds
{
	uint64_t least; /* greater than greatest: every row is NULL */
	uint64_t greatest;
	uint32_t nulls; /* rows that are NULL */
	uint32_t padding;
} GstoreBounds;

#define GSTORE_KEY_SIGN (UINT64_C(1) << 63)

GSTORE_INLINE uint64_t
gstore_integer_key(int64_t value)
{
	return (uint64_t) value ^ GSTORE_KEY_SIGN;
}

/* NaN is greatest and equal to itself, 0 equals -0. */
GSTORE_INLINE uint64_t
gstore_float_key(double value)
{
	uint64_t bits;

	if (value != value)
		return UINT64_MAX;
	if (value == 0)
		value = 0;
	memcpy(&bits, &value, sizeof(bits));
	return (bits & GSTORE_KEY_SIGN) ? ~bits : bits | GSTORE_KEY_SIGN;
}

GSTORE_INLINE uint64_t
gstore_date_key(int32_t days)
{
	const int64_t most = INT64_MAX / GSTORE_DAY_MICROSECONDS;

	if (days > most)
		return gstore_integer_key(INT64_MAX);
	if (days < -most)
		return gstore_integer_key(INT64_MIN);
	return gstore_integer_key(days * GSTORE_DAY_MICROSECONDS);
}

/* As PostgreSQL compares them: months of 30 days, days of 24 hours. */
GSTORE_INLINE uint64_t
gstore_interval_key(int32_t months, int32_t days, int64_t microseconds)
{
	GstoreInt128 all = (GstoreInt128) months * 30 + days;

	return gstore_float_key((double) (all * GSTORE_DAY_MICROSECONDS +
									  microseconds));
}

/* 10^exponent, which is not negative.  Exact up to 10^22. */
GSTORE_INLINE double
gstore_real_power_of_ten(int exponent)
{
	double power = 1;
	double square = 10;

	if (exponent > DBL_MAX_10_EXP)
		return INFINITY;
	for (; exponent > 22; exponent -= 22)
		power *= 1e22;
	for (; exponent > 0; exponent >>= 1)
	{
		if (exponent & 1)
			power *= square;
		square *= square;
	}
	return power;
}

/* The approximation of finite numerics, digits * 10^exponent; what is too large
 * for it is the largest, so that infinity is greater. */
GSTORE_INLINE double
gstore_real_scaled(double digits, int exponent)
{
	double value;

	if (exponent > 0)
		value = digits * gstore_real_power_of_ten(exponent);
	else if (exponent >= -300)
		value = digits / gstore_real_power_of_ten(-exponent);
	else
		value = digits / 1e300 / gstore_real_power_of_ten(-exponent - 300);
	return value > DBL_MAX ? DBL_MAX : value;
}

/* Digits of a numeric that a double can tell apart. */
#define GSTORE_KEY_DIGITS 5

/* Of a numeric's body. */
GSTORE_INLINE uint64_t
gstore_numeric_key(const uint8_t *body, uint32_t bytes)
{
	GstoreNumericHeader header = gstore_numeric_header(body, bytes);
	uint32_t ndigits = header.ndigits < GSTORE_KEY_DIGITS ? header.ndigits : GSTORE_KEY_DIGITS;
	double value = 0;

	if (header.status == GSTORE_NUMERIC_INFINITY)
		return gstore_float_key(header.negative ? -INFINITY : INFINITY);
	if (header.status != GSTORE_NUMERIC_OK)
		return UINT64_MAX;
	for (uint32_t i = 0; i < ndigits; i++)
	{
		uint16_t digit;

		memcpy(&digit, header.digits + 2 * i, sizeof(digit));
		value = value * 10000 + digit;
	}
	if (value != 0)
		value = gstore_real_scaled(value,
								   4 * (header.weight - (int) ndigits + 1));
	return gstore_float_key(header.negative ? -value : value);
}

GSTORE_INLINE uint64_t
gstore_decimal_key(GstoreInt128 value, int scale)
{
	double digits = (double) value;

	return gstore_float_key(digits < 0 ? -gstore_real_scaled(-digits, -scale) : gstore_real_scaled(digits, -scale));
}

/* Of the bytes a text or uuid begins with. */
GSTORE_INLINE uint64_t
gstore_prefix_key(const uint8_t *bytes, uint64_t length)
{
	uint64_t key = 0;

	for (uint64_t i = 0; i < 8 && i < length; i++)
		key |= (uint64_t) bytes[i] << (56 - 8 * i);
	return key;
}

/* Bytes of a text without the blanks at its end. */
GSTORE_INLINE uint64_t
gstore_length_without_blanks(const uint8_t *bytes, uint64_t length)
{
	while (length > 0 && bytes[length - 1] == ' ')
		length--;
	return length;
}

#endif
