/*
 * pglz.h
 *	  Decompression of PostgreSQL's pglz streams, for CPU and GPU.
 *
 * A stream is a sequence of groups: a control byte, then one item for each of
 * its bits, lowest first.  Bit 0: a literal byte.  Bit 1: a copy of 3 to 273
 * bytes from 1 to 4095 bytes back, in two bytes (length - 3 in the low four
 * bits of the first, the distance's upper four bits in its upper ones, its
 * lower eight bits in the second) or, where those say 18, in three (the third
 * is added to the length).  A copy may overlap what it writes.
 *
 * Must never read outside the source nor write outside the target, whatever the
 * stream says.
 */
#ifndef GSTORE_PGLZ_H
#define GSTORE_PGLZ_H

#include "gstore_format.h"

/*
 * Decompress source_bytes into exactly target_bytes.  0, or -1 if the stream
 * is not one that holds exactly so many bytes; then the target's content is
 * undefined.
 */
GSTORE_INLINE int
gstore_pglz_decompress(const uint8_t *source, uint64_t source_bytes,
					   uint8_t *target, uint64_t target_bytes)
{
	uint64_t in = 0;
	uint64_t out = 0;

	while (in < source_bytes && out < target_bytes)
	{
		uint32_t control = source[in++];
		int item;

		for (item = 0; item < 8 && in < source_bytes && out < target_bytes;
			 item++, control >>= 1)
		{
			uint64_t length;
			uint64_t distance;

			if (!(control & 1))
			{
				target[out++] = source[in++];
				continue;
			}
			if (source_bytes - in < 2)
				return -1;
			length = (uint64_t) (source[in] & 0x0F) + 3;
			distance = (uint64_t) (source[in] & 0xF0) << 4 | source[in + 1];
			in += 2;
			if (length == 18)
			{
				if (in >= source_bytes)
					return -1;
				length += source[in++];
			}
			/* PostgreSQL's own compressor never lets a copy pass the end,
			 * but its decompressor cuts one that does. */
			if (length > target_bytes - out)
				length = target_bytes - out;
			if (distance == 0 || distance > out)
				return -1;
			for (; length > 0; length--, out++)
				target[out] = target[out - distance];
		}
	}
	return in == source_bytes && out == target_bytes ? 0 : -1;
}

#endif
