/*
 * tile_load.h
 *	  Columns into the slots of a tile.
 *
 * What a lane loads need not be of the rows it computes on: each access is of 16
 * bytes that lie next to the neighbour's, where the column allows.  Images may be
 * hostile, and change meanwhile: a place or length is read once, compared, then
 * used.
 */
#ifndef GSTORE_TILE_LOAD_H
#define GSTORE_TILE_LOAD_H

#include "tile.h"

typedef struct GstoreSixteen
{
#ifdef __CUDACC__
	__align__(16)
#endif
		uint64 low;
	uint64 high;
} GstoreSixteen;

/* 16 bytes: at once where they are aligned and all of the rows, which begin
 * at row, are there; what of them is not is 0. */
GSTORE_LANE_FUNC GstoreSixteen
gstore_load_sixteen(uint64 values, uint32 row, uint32 rows, uint32 bytes)
{
	uint64 from = values + (uint64) row * bytes;
	GstoreSixteen sixteen = {0, 0};

	if (row + 16 / bytes <= rows && from % 16 == 0)
		return *(const GstoreSixteen *) gstore_global(from, 16);
	for (uint32 i = 0; i < 16 / bytes && row + i < rows; i++)
	{
		uint64 part;

		if (bytes == 4)
		{
			part = *(const uint32 *) gstore_global(from + 4 * i, 4);
			if (i < 2)
				sixteen.low |= part << (32 * i);
			else
				sixteen.high |= part << (32 * (i - 2));
		}
		else if (bytes == 8)
		{
			part = *(const uint64 *) gstore_global(from + 8 * i, 8);
			if (i == 0)
				sixteen.low = part;
			else
				sixteen.high = part;
		}
		else
		{
			sixteen.low = *(const uint64 *) gstore_global(from, 8);
			sixteen.high = *(const uint64 *) gstore_global(from + 8, 8);
		}
	}
	return sixteen;
}

/* So many sixteens of a lane, whose first begins at row and whose next are step
 * rows apart: all under way at once, where the tile is whole and aligned. */
#define GSTORE_LOAD_SIXTEENS(got, n, values, row, step, bytes) \
	do \
	{ \
		uint64 from = (values) + (uint64) (row) * (bytes); \
\
		if (tile->rows == GSTORE_TILE_ROWS && (values) % 16 == 0) \
			UNROLLED for (uint32 i = 0; i < (n); i++)(got)[i] = \
				*(const GstoreSixteen *) gstore_global(from + (uint64) i * \
																  (step) * (bytes), \
													   16); \
		else \
			UNROLLED for (uint32 i = 0; i < (n); i++)(got)[i] = \
				gstore_load_sixteen((values), (row) + i * (step), tile->rows, \
									(bytes)); \
	} while (0)

/* Values of 4 bytes; less is taken from each. */
GSTORE_LANE_FUNC void
gstore_load_narrow(const GstoreTile *tile, uint64 values, uint32 less,
				   uint64 *words)
{
	uint32 row = tile->lane * 4;
	GstoreSixteen got[1];

	GSTORE_LOAD_SIXTEENS(got, 1, values, row, 0, 4);
	words[row] = (uint32) got[0].low - less;
	words[row + 1] = (uint32) (got[0].low >> 32) - less;
	words[row + 2] = (uint32) got[0].high - less;
	words[row + 3] = (uint32) (got[0].high >> 32) - less;
}

/* Of 8 bytes. */
GSTORE_LANE_FUNC void
gstore_load_wide(const GstoreTile *tile, uint64 values, uint64 less,
				 uint64 *words)
{
	uint32 row = tile->lane * 2;
	GstoreSixteen got[GSTORE_LANE_ROWS / 2];

	GSTORE_LOAD_SIXTEENS(got, GSTORE_LANE_ROWS / 2, values, row,
						 2 * GSTORE_WARP, 8);
	UNROLLED for (uint32 i = 0; i < GSTORE_LANE_ROWS / 2; i++)
	{
		words[row + i * 2 * GSTORE_WARP] = got[i].low - less;
		words[row + i * 2 * GSTORE_WARP + 1] = got[i].high - less;
	}
}

/* Decimals; states say whether they are damaged. */
GSTORE_LANE_FUNC void
gstore_load_decimals(const GstoreTile *tile, uint64 values, uint64 limit,
					 uint64 *words, uint8 *states)
{
	GstoreSixteen got[GSTORE_LANE_ROWS];

	GSTORE_LOAD_SIXTEENS(got, GSTORE_LANE_ROWS, values, tile->lane, GSTORE_WARP,
						 16);
	UNROLLED EACH_ROW
	{
		uint32 row = tile->lane + (uint32) r * GSTORE_WARP;

		words[row] = got[r].low;
		states[row] = gstore_small_decimal_odd(got[r].low, got[r].high, limit)
						  ? GSTORE_STATE_CORRUPT
						  : GSTORE_STATE_VALUE;
	}
}

/* All lanes together bring the values into a slot's words, each 16 bytes that
 * lie next to its neighbour's. */
GSTORE_LANE_FUNC void
gstore_load_words(const GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint8 *states)
{
	uint64 values = column->values;
	bool shifted = column->load == GSTORE_LOAD_DATE ||
				   column->load == GSTORE_LOAD_TIMESTAMP;

	if (column->load == GSTORE_LOAD_4 || column->load == GSTORE_LOAD_DATE)
		gstore_load_narrow(tile, values + 4 * tile->first,
						   shifted ? GSTORE_EPOCH_DAYS : 0, words);
	else if (column->load == GSTORE_LOAD_DECIMAL)
		gstore_load_decimals(tile, values + 16 * tile->first, column->limit,
							 words, states);
	else
		gstore_load_wide(tile, values + 8 * tile->first,
						 shifted ? (uint64) GSTORE_EPOCH_MICROSECONDS : 0,
						 words);
}

/* Values of one or two bytes, and bits: each lane its own. */
GSTORE_LANE_FUNC void
gstore_load_small(GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint32 wanted)
{
	uint32 row = tile->lane * GSTORE_LANE_ROWS;
	uint64 at = tile->first + row;

	if (column->load == GSTORE_LOAD_BITS)
	{
		uint32 bits = wanted == 0
						  ? 0
						  : gstore_four_bits(column->values,
											 column->values_bit + at, wanted);

		UNROLLED EACH_ROW words[row + r] = (bits >> r) & 1;
		return;
	}
	for (uint32 i = 0; i < wanted; i++)
		words[row + i] =
			column->load == GSTORE_LOAD_1
				? *(const uint8 *) gstore_global(column->values + at + i, 1)
				: *(const uint16 *) gstore_global(column->values +
													  2 * (at + i),
												  2);
}

/* Where the bytes of a varlena are, whose place in units of 8 bytes is given. */
GSTORE_LANE_FUNC uint8
gstore_find_varlena(const GstoreTile *tile, const GstoreKernelColumn *column,
					uint32 units, uint64 *word)
{
	uint64 offset = (uint64) units * 8;
	uint32 header;

	if (units == 0)
		return GSTORE_STATE_NULL;
	if (offset < column->base_from || column->base_to < 4 ||
		offset > column->base_to - 4)
		return GSTORE_STATE_CORRUPT;
	header = *(const uint32 *) gstore_global(column->base + offset, 4);
	if ((header & 1) != 0 || header < 16 ||
		(header >> 2) > column->base_to - offset)
		return GSTORE_STATE_CORRUPT;
	/* a compressed one is left to the CPU, as one too long is */
	return (header & 3) == 2 ||
				   !gstore_text_word(tile, column->base + offset + 4,
									 (header >> 2) - 4, word)
			   ? GSTORE_STATE_BEYOND
			   : GSTORE_STATE_VALUE;
}

/* The same of Arrow's. */
GSTORE_LANE_FUNC uint8
gstore_find_bytes(const GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 start, uint64 end, uint64 *word)
{
	if (end < start || end > column->base_to || start < column->base_from ||
		end - start > 0x3FFFFFFF)
		return GSTORE_STATE_CORRUPT;
	return gstore_text_word(tile, column->base + start, end - start, word)
			   ? GSTORE_STATE_VALUE
			   : GSTORE_STATE_BEYOND;
}

/* Texts: each lane its own. */
GSTORE_LANE_FUNC void
gstore_load_texts(GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint8 *states, uint32 wanted)
{
	uint32 row = tile->lane * GSTORE_LANE_ROWS;
	uint64 at = tile->first + row;
	bool wide = column->load == GSTORE_LOAD_OFFSETS_8;
	GstoreSixteen four = {0, 0};
	uint32 last = 0;

	if (!wide)
		four = gstore_load_sixteen(column->values + 4 * tile->first, row,
								   tile->rows, 4);
	if (column->load == GSTORE_LOAD_OFFSETS_4 && wanted > 0)
		last = *(const uint32 *) gstore_global(column->values +
												   4 * (at + wanted),
											   4);
	ROLLED for (uint32 r = 0; r < wanted; r++)
	{
		uint64 start = (uint32) four.low;
		uint64 end;
		uint64 word = 0;

		four.low = four.low >> 32 | four.high << 32;
		four.high >>= 32;
		end = r + 1 < wanted ? (uint32) four.low : last;
		if (wide)
		{
			start = *(const uint64 *) gstore_global(column->values +
														8 * (at + r),
													8);
			end = *(const uint64 *) gstore_global(column->values +
													  8 * (at + r + 1),
												  8);
		}
		states[row + r] =
			column->load == GSTORE_LOAD_VARLENA
				? gstore_find_varlena(tile, column, (uint32) start, &word)
				: gstore_find_bytes(tile, column, start, end, &word);
		words[row + r] = word;
	}
}

/* A column into a slot.  Rows that the tile lacks are NULL. */
GSTORE_LANE_FUNC void
gstore_tile_load(GstoreTile *tile, const GstoreKernelInstruction *instruction)
{
	const GstoreKernelColumn *column = &tile->columns[instruction->a];
	uint64 *words = tile->words + instruction->result * GSTORE_TILE_ROWS;
	uint32 *states = tile->states + instruction->result * GSTORE_WARP;
	uint32 wanted = gstore_tile_lane_rows(tile);
	uint32 valid = (1u << wanted) - 1;
	uint32 state = 0;

	/* what the slot held is needed no more, by any lane */
	gstore_sync_warp();
	if (column->load >= GSTORE_LOAD_VARLENA)
		gstore_load_texts(tile, column, words, (uint8 *) states, wanted);
	else if (column->load >= GSTORE_LOAD_4 && column->load != GSTORE_LOAD_BITS)
		gstore_load_words(tile, column, words, (uint8 *) states);
	else if (column->load >= GSTORE_LOAD_1)
		gstore_load_small(tile, column, words, wanted);
	gstore_sync_warp();
	if (column->load >= GSTORE_LOAD_DECIMAL)
		state = states[tile->lane];
	else if (column->load == GSTORE_LOAD_BEYOND)
		state = GSTORE_STATE_BEYOND * 0x01010101u;
	if (column->load == GSTORE_LOAD_NULL)
		valid = 0;
	else if (column->validity != 0 && wanted > 0)
		valid = gstore_four_bits(column->validity,
								 column->validity_bit + tile->first +
									 tile->lane * GSTORE_LANE_ROWS,
								 wanted);
	UNROLLED EACH_ROW if ((valid >> r & 1) == 0)
		state = (state & ~(0xFFu << (8 * r))) | (uint32) GSTORE_STATE_NULL
													<< (8 * r);
	states[tile->lane] = state;
}

#endif
