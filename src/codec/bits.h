/*
 * bits.h
 *	  Bitmaps of rows: LSB first, a row may begin at any bit.
 */
#ifndef GSTORE_BITS_H
#define GSTORE_BITS_H

#include <string.h>

#include "port.h"

static inline bool
gstore_bit(const uint8 *bitmap, uint64 bit)
{
	return (bitmap[bit / 8] >> (bit % 8) & 1) != 0;
}

/* A validity bitmap, whose bit first is row 0, as one bool per row that is
 * true where the row is NULL. */
static inline void
gstore_bits_to_nulls(const uint8 *bitmap, uint64 first, uint64 count,
					 bool *nulls)
{
	uint64 i = 0;

	while (i < count)
	{
		uint64 bit = first + i;
		uint32 byte = bitmap[bit / 8];

		if (bit % 8 == 0 && count - i >= 8)
		{
			if (byte == 0xFF)
				memset(nulls + i, 0, 8);
			else
				for (int j = 0; j < 8; j++)
					nulls[i + j] = !(byte >> j & 1);
			i += 8;
			continue;
		}
		nulls[i++] = !(byte >> (bit % 8) & 1);
	}
}

/* Clear the bits of those rows that are NULL, the first one at row; how many they
 * are.  Without a bitmap they are only counted; nulls NULL: none is. */
static inline uint64
gstore_mark_nulls(uint8 *bitmap, uint64 row, const bool *nulls, uint32 count)
{
	uint64 found = 0;

	for (uint32 i = 0; nulls != NULL && i < count; i++, row++)
		if (nulls[i])
		{
			if (bitmap != NULL)
				bitmap[row / 8] &= ~(1 << (row % 8));
			found++;
		}
	return found;
}

#endif
