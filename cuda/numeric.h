/*
 * numeric.h
 *	  PostgreSQL's numeric <-> a 128-bit integer times a power of ten, exactly,
 *	  for CPU and GPU.
 *
 * The body of a numeric (behind its varlena header) is a header of one or two
 * 16-bit words and digits in base 10000, the most significant first, without
 * zeros at either end:
 *
 *	 word 0	11..............	special: 0xC000 NaN, 0xD000 infinity,
 *								0xF000 -infinity
 *			10sddddddwwwwwww	short: sign, digits shown behind the point,
 *								weight (7 bits, signed)
 *			0sdddddddddddddd	long: sign, digits shown; word 1: weight
 *	 weight	the first digit counts 10000^weight
 *
 * Never reads outside the body, whatever it says.
 */
#ifndef GSTORE_NUMERIC_H
#define GSTORE_NUMERIC_H

#include <string.h>

#include "gstore_format.h"

__extension__ typedef __int128 GstoreInt128;
__extension__ typedef unsigned __int128 GstoreUint128;

/* Digits a decimal128 holds. */
#define GSTORE_DECIMAL_DIGITS 38

/* Bytes that gstore_decimal_to_numeric may write. */
#define GSTORE_NUMERIC_BYTES 32

typedef enum GstoreNumericStatus
{
	GSTORE_NUMERIC_OK = 0,
	GSTORE_NUMERIC_NAN,
	GSTORE_NUMERIC_INFINITY,
	GSTORE_NUMERIC_TOO_LARGE, /* more digits than the precision */
	GSTORE_NUMERIC_TOO_FINE,  /* digits behind those the scale holds */
	GSTORE_NUMERIC_DAMAGED
} GstoreNumericStatus;

GSTORE_INLINE GstoreUint128
gstore_power_of_ten(int exponent)
{
	GstoreUint128 power = 1;

	for (; exponent >= 18; exponent -= 18)
		power *= UINT64_C(1000000000000000000);
	for (; exponent > 0; exponent--)
		power *= 10;
	return power;
}

/* The header of a numeric. */
typedef struct GstoreNumericHeader
{
	GstoreNumericStatus status; /* OK, NAN, INFINITY or DAMAGED */
	int negative;
	int weight;
	uint32_t ndigits;
	const uint8_t *digits; /* uint16 each, unaligned */
} GstoreNumericHeader;

GSTORE_INLINE GstoreNumericHeader
gstore_numeric_header(const uint8_t *body, uint32_t bytes)
{
	GstoreNumericHeader header;
	uint32_t head = 2;
	uint16_t word;

	memset(&header, 0, sizeof(header));
	header.status = GSTORE_NUMERIC_DAMAGED;
	if (bytes < 2 || bytes % 2 != 0)
		return header;
	memcpy(&word, body, sizeof(word));
	if ((word & 0xC000) == 0xC000)
	{
		header.status = (word & 0x1000) ? GSTORE_NUMERIC_INFINITY : GSTORE_NUMERIC_NAN;
		header.negative = (word & 0x2000) != 0;
		return header;
	}
	if (word & 0x8000)
	{
		header.negative = (word & 0x2000) != 0;
		header.weight = (int) (word & 0x3F) - ((word & 0x40) ? 64 : 0);
	}
	else
	{
		int16_t weight;

		if (bytes < 4)
			return header;
		memcpy(&weight, body + 2, sizeof(weight));
		header.negative = (word & 0x4000) != 0;
		header.weight = weight;
		head = 4;
	}
	header.ndigits = (bytes - head) / 2;
	header.digits = body + head;
	header.status = GSTORE_NUMERIC_OK;
	return header;
}

/* *sum = *sum * factor + digit, unless that passes limit: then 0. */
GSTORE_INLINE int
gstore_decimal_push(GstoreUint128 *sum, uint32_t factor, uint32_t digit,
					GstoreUint128 limit)
{
	if (digit > limit || *sum > (limit - digit) / factor)
		return 0;
	*sum = *sum * factor + digit;
	return 1;
}

/* result = value * 10^scale, with at most precision digits (up to 38). */
GSTORE_INLINE GstoreNumericStatus
gstore_numeric_to_decimal(const uint8_t *body, uint32_t bytes, int precision,
						  int scale, GstoreInt128 *result)
{
	GstoreNumericHeader header = gstore_numeric_header(body, bytes);
	GstoreUint128 limit = gstore_power_of_ten(precision) - 1;
	GstoreUint128 sum = 0;
	int exponent; /* of ten, of the digit at hand, in units of the result */
	uint32_t i;

	if (header.status != GSTORE_NUMERIC_OK)
		return header.status;
	exponent = 4 * header.weight + scale;
	for (i = 0; i < header.ndigits; i++, exponent -= 4)
	{
		uint16_t digit;
		uint32_t unit = 1; /* the part of the digit that is too fine */
		int fine;

		memcpy(&digit, header.digits + 2 * i, sizeof(digit));
		if (digit > 9999)
			return GSTORE_NUMERIC_DAMAGED;
		if (exponent <= -4)
		{
			if (digit != 0)
				return GSTORE_NUMERIC_TOO_FINE;
			continue;
		}
		for (fine = exponent; fine < 0; fine++)
			unit *= 10;
		if (digit % unit != 0)
			return GSTORE_NUMERIC_TOO_FINE;
		if (!gstore_decimal_push(&sum, 10000 / unit, digit / unit, limit))
			return GSTORE_NUMERIC_TOO_LARGE;
	}
	/* exponent is now 4 less than the last digit's. */
	for (exponent += 4; sum != 0 && exponent > 0; exponent--)
		if (!gstore_decimal_push(&sum, 10, 0, limit))
			return GSTORE_NUMERIC_TOO_LARGE;
	*result = header.negative ? -(GstoreInt128) sum : (GstoreInt128) sum;
	return GSTORE_NUMERIC_OK;
}

/*
 * The numeric value / 10^scale, with its 4-byte varlena header, as PostgreSQL
 * would store it: returns its length.  |value| must be below 10^38, scale
 * between -1000 and 1000.  target has GSTORE_NUMERIC_BYTES.
 */
GSTORE_INLINE uint32_t
gstore_decimal_to_numeric(GstoreInt128 value, int scale, uint8_t *target)
{
	GstoreUint128 rest = value < 0 ? -(GstoreUint128) value : (GstoreUint128) value;
	int negative = value < 0;
	int shown = scale > 0 ? scale : 0;
	uint16_t digits[12]; /* the least significant first */
	int ndigits = 0;
	int first = 0;
	/* The lowest digit counts 10000^weight and holds odd decimal places that
	 * are below the value's unit. */
	int weight = scale > 0 ? -((scale + 3) / 4) : -scale / 4;
	int odd = -scale - 4 * weight;
	uint32_t length = 4;
	uint32_t header;
	uint16_t word;

	if (rest != 0)
	{
		uint32_t low = (uint32_t) gstore_power_of_ten(4 - odd);
		uint64_t small;

		/* Most fit in a word, of which digits are taken much sooner. */
		if (rest >> 64 != 0)
		{
			digits[ndigits++] = (uint16_t) ((uint32_t) (rest % low) * (uint32_t) gstore_power_of_ten(odd));
			rest /= low;
			low = 10000;
			odd = 0;
		}
		for (; rest >> 64 != 0; rest /= 10000)
			digits[ndigits++] = (uint16_t) (rest % 10000);
		small = (uint64_t) rest;
		if (small != 0)
		{
			digits[ndigits++] = (uint16_t) ((uint32_t) (small % low) * (uint32_t) gstore_power_of_ten(odd));
			small /= low;
		}
		for (; small != 0; small /= 10000)
			digits[ndigits++] = (uint16_t) (small % 10000);
	}
	while (first < ndigits && digits[first] == 0)
		first++;
	weight = ndigits == 0 ? 0 : weight + ndigits - 1;

	if (shown <= 63 && weight >= -64 && weight <= 63)
	{
		word = (uint16_t) (0x8000 | (negative ? 0x2000 : 0) | shown << 7 | (weight & 0x7F));
		memcpy(target + length, &word, 2);
		length += 2;
	}
	else
	{
		int16_t weight16 = (int16_t) weight;

		word = (uint16_t) ((negative ? 0x4000 : 0) | shown);
		memcpy(target + length, &word, 2);
		memcpy(target + length + 2, &weight16, 2);
		length += 4;
	}
	while (ndigits > first)
	{
		memcpy(target + length, &digits[--ndigits], 2);
		length += 2;
	}
	header = length << 2;
	memcpy(target, &header, 4);
	return length;
}

#endif
