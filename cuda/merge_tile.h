/*
 * merge_tile.h
 *	  The primitives that merge kernels are composed of: which rows a tile has,
 *	  their values, bitmaps, offsets and text; and the values of dictionaries.
 *
 * A warp works on a tile; merge.h tells how it is told.  Must never use an offset
 * or a length of a source that it has not compared with what there is, nor read
 * one twice and trust the second.
 */
#ifndef GSTORE_MERGE_TILE_H
#define GSTORE_MERGE_TILE_H

#include "merge.h"
#include "simt.h"
#include "tile.h"
#include "varlena.h"

/* Loads of a lane that are on their way at once. */
#define GSTORE_MERGE_AT_ONCE 4

typedef struct GstoreMergeView
{
	const uint8 *told;
	const GstoreMerge *merge;
	const GstoreMergePiece *pieces;
	const GstoreMergeColumn *columns;
	const GstoreMergeSource *sources;
	uint32 *ends; /* shared, of the warp: where a row's text ends */
	uint32 *rows; /* a row of its piece */
	uint8 *of;	  /* the piece */
	uint64 to;
	uint32 count;
	uint32 number;
	uint32 lane;
} GstoreMergeView;

/* ---- small things ---- */

GSTORE_LANE_FUNC uint64
gstore_warp_add(uint64 value, uint32 lane)
{
	for (uint32 step = GSTORE_WARP / 2; step > 0; step /= 2)
		value += gstore_warp_take_wide(value, lane ^ step);
	return value;
}

/* As gstore_warp_sum_before; sums of small values, as nearly all are, need half
 * of it. */
GSTORE_LANE_FUNC uint64
gstore_warp_sum_before_wide(uint64 value, uint32 lane, uint64 *total)
{
	uint64 sum = value;

	if (!gstore_warp_any(value >= (1u << 27)))
	{
		uint32 narrow;
		uint64 before = gstore_warp_sum_before((uint32) value, lane, &narrow);

		*total = narrow;
		return before;
	}
	for (uint32 step = 1; step < GSTORE_WARP; step *= 2)
	{
		uint64 other = gstore_warp_take_wide(sum, (lane - step) % GSTORE_WARP);

		sum += lane >= step ? other : 0;
	}
	*total = gstore_warp_take_wide(sum, GSTORE_WARP - 1);
	return sum - value;
}

GSTORE_LANE_FUNC void
gstore_merge_fail(const uint8 *told, uint32 result, GstoreMergeError error,
				  uint32 column)
{
	/* which of several is told does not matter: each is one */
	((GstoreMergeResult *) (told + result))->error =
		(uint32) error | column << GSTORE_MERGE_COLUMN;
}

GSTORE_LANE_FUNC uint64
gstore_merge_read(uint64 address, uint32 shift)
{
	const void *at = gstore_global(address, (uint64) 1 << shift);

	switch (shift)
	{
		case 0:
			return *(const uint8 *) at;
		case 1:
			return *(const uint16 *) at;
		case 2:
			return *(const uint32 *) at;
		default:
			return *(const uint64 *) at;
	}
}

GSTORE_LANE_FUNC void
gstore_merge_write(uint64 address, uint32 shift, uint64 value)
{
	void *at = gstore_global(address, (uint64) 1 << shift);

	switch (shift)
	{
		case 0:
			*(uint8 *) at = (uint8) value;
			break;
		case 1:
			*(uint16 *) at = (uint16) value;
			break;
		case 2:
			*(uint32 *) at = (uint32) value;
			break;
		default:
			*(uint64 *) at = value;
	}
}

/* Up to 8 bytes from anywhere on: whole words are read, in which some of them
 * are. */
GSTORE_LANE_FUNC uint64
gstore_merge_read_bytes(uint64 address, uint32 bytes)
{
	uint32 off = (uint32) (address % 8);
	uint64 word = gstore_merge_read(address - off, 3) >> (8 * off);

	if (off + bytes > 8)
		word |= gstore_merge_read(address - off + 8, 3) << (64 - 8 * off);
	return bytes < 8 ? word & (((uint64) 1 << (8 * bytes)) - 1) : word;
}

GSTORE_LANE_FUNC bool
gstore_merge_bit(uint64 address, uint64 bit)
{
	return (gstore_merge_read(address + bit / 8, 0) >> (bit % 8) & 1) != 0;
}

/* ---- the rows of a tile ---- */

GSTORE_LANE_FUNC void
gstore_merge_begin(GstoreMergeView *view, uint64 argument)
{
	const GstoreMerge *merge =
		(const GstoreMerge *) gstore_global(argument, sizeof(GstoreMerge));
	const uint8 *told = (const uint8 *) gstore_global(argument, merge->bytes);
	uint32 warp = gstore_thread() / GSTORE_WARP;
	uint32 *words = (uint32 *) gstore_shared();

	view->told = told;
	view->merge = merge;
	view->pieces = (const GstoreMergePiece *) (told + merge->pieces);
	view->columns = (const GstoreMergeColumn *) (told + merge->columns);
	view->sources = (const GstoreMergeSource *) (told + merge->sources);
	view->lane = gstore_thread() % GSTORE_WARP;
	view->ends = words + warp * 2 * GSTORE_MERGE_ROWS;
	view->rows = view->ends + GSTORE_MERGE_ROWS;
	view->of = (uint8 *) (words + GSTORE_KERNEL_WARPS * 2 * GSTORE_MERGE_ROWS) +
			   warp * GSTORE_MERGE_ROWS;
}

/* The bits of rows that are kept, of a word of a piece; those before `from' are
 * not. */
GSTORE_LANE_FUNC uint32
gstore_merge_kept(const GstoreMergeView *view, const GstoreMergePiece *piece,
				  uint32 word, uint32 from)
{
	uint64 first = (uint64) word * 32;
	uint32 bits = 0xFFFFFFFFu;

	if (first >= piece->rows)
		return 0;
	if (piece->keep != 0)
		bits = ((const uint32 *) (view->told + piece->keep))[word];
	if (piece->rows - first < 32)
		bits &= (1u << (piece->rows - first)) - 1;
	if (from > first)
		bits &= 0xFFFFFFFFu << (from - first);
	return bits;
}

/* Find the rows of a tile: the warp's lanes look at a word each. */
GSTORE_LANE_FUNC void
gstore_merge_enter(GstoreMergeView *view, uint32 number)
{
	const GstoreMergeTile *tile =
		(const GstoreMergeTile *) (view->told + view->merge->tiles) + number;
	uint32 count = Min(tile->count, (uint32) GSTORE_MERGE_ROWS);
	uint32 number_of_piece = tile->piece;
	uint32 from = tile->from;
	uint32 found = 0;

	/* the rows of the tile before may still be in use */
	gstore_sync_warp();
	while (found < count && number_of_piece < view->merge->npieces)
	{
		const GstoreMergePiece *piece = &view->pieces[number_of_piece];
		uint32 word = from / 32 + view->lane;
		uint32 bits = gstore_merge_kept(view, piece, word, from);
		uint32 total;
		uint32 place = found + gstore_warp_sum_before(gstore_count_bits(bits),
													  view->lane, &total);

		for (; bits != 0 && place < count; place++, bits &= bits - 1)
		{
			view->rows[place] = word * 32 + gstore_lowest_bit(bits);
			view->of[place] = (uint8) number_of_piece;
		}
		found += total;
		if (piece->rows / 32 < from / 32 + GSTORE_WARP)
		{
			number_of_piece++;
			from = 0;
		}
		else
			from = (from / 32 + GSTORE_WARP) * 32;
	}
	gstore_sync_warp();
	view->to = tile->to;
	view->count = Min(found, count);
	view->number = number;
}

GSTORE_LANE_FUNC const GstoreMergeSource *
gstore_merge_source(const GstoreMergeView *view, uint32 column, uint32 j)
{
	return &view->sources[view->of[j] * view->merge->ncolumns + column];
}

/* Is row j of the tile not NULL by its source's bitmap? */
GSTORE_LANE_FUNC bool
gstore_merge_is_valid(const GstoreMergeView *view,
					  const GstoreMergeSource *source, uint32 j)
{
	if (source->values == 0)
		return false;
	return source->validity == 0 ||
		   gstore_merge_bit(source->validity,
							(uint64) source->validity_bit + view->rows[j]);
}

/* ---- values and bitmaps ---- */

/* Values of some units each; of rows that are NULL, zeros. */
GSTORE_LANE_FUNC void
gstore_merge_values(const GstoreMergeView *view, uint32 number, uint32 shift)
{
	const GstoreMergeColumn *column = &view->columns[number];
	uint32 units = column->units;
	uint32 total = view->count * units;
	uint64 to = column->values + ((view->to * units) << shift);

	for (uint32 first = view->lane; first < total;
		 first += GSTORE_MERGE_AT_ONCE * GSTORE_WARP)
	{
		uint64 held[GSTORE_MERGE_AT_ONCE];

		UNROLLED for (int r = 0; r < GSTORE_MERGE_AT_ONCE; r++)
		{
			uint32 at = first + r * GSTORE_WARP;
			uint32 j = units == 1 ? at : at / units;
			const GstoreMergeSource *source;

			held[r] = 0;
			if (at >= total)
				continue;
			source = gstore_merge_source(view, number, j);
			if (gstore_merge_is_valid(view, source, j))
				held[r] = gstore_merge_read(
					source->values +
						(((uint64) view->rows[j] * units + (at - j * units))
						 << shift),
					shift);
		}
		UNROLLED for (int r = 0; r < GSTORE_MERGE_AT_ONCE; r++)
		{
			uint32 at = first + r * GSTORE_WARP;

			if (at < total)
				gstore_merge_write(to + ((uint64) at << shift), shift, held[r]);
		}
	}
}

/* Bits of a tile's rows, made a word at a time, to a bitmap of the new image:
 * which rows are not NULL, or, of those, which are true. */
GSTORE_LANE_FUNC void
gstore_merge_bits(const GstoreMergeView *view, uint32 number, uint64 to,
				  bool of_values)
{
	uint32 first = (uint32) (view->to % 32);
	uint32 words = (first + view->count + 31) / 32;
	uint32 mine = 0;

	for (uint32 i = 0; i < words; i++)
	{
		uint32 j = i * 32 + view->lane - first; /* before the first: huge */
		bool set = false;
		uint32 word;

		if (j < view->count)
		{
			const GstoreMergeSource *source = gstore_merge_source(view, number,
																  j);

			set = gstore_merge_is_valid(view, source, j);
			if (set && of_values)
				set = gstore_merge_bit(source->values,
									   (uint64) source->values_bit +
										   view->rows[j]);
		}
		word = gstore_warp_ballot(set);
		if (i == view->lane)
			mine = word;
	}
	if (view->lane < words)
	{
		uint32 *at = (uint32 *) gstore_global(to + (view->to / 32 + view->lane) *
													   4,
											  4);

		/* What an earlier launch began with is there. */
		*at = view->lane == 0 && first != 0 ? *at | mine : mine;
	}
}

/* ---- text ---- */

/* Where the text of row j is in its source; of a NULL nothing.  False: not in
 * there. */
GSTORE_LANE_FUNC bool
gstore_merge_text(const GstoreMergeView *view, uint32 number, uint32 j,
				  uint64 *from, uint64 *length)
{
	const GstoreMergeColumn *column = &view->columns[number];
	const GstoreMergeSource *source = gstore_merge_source(view, number, j);
	uint64 at;
	uint64 end;

	*from = *length = 0;
	if (!gstore_merge_is_valid(view, source, j))
		return true;
	at = source->values + ((uint64) view->rows[j] << column->shift);
	*from = gstore_merge_read(at, column->shift);
	end = gstore_merge_read(at + ((uint64) 1 << column->shift), column->shift);
	if (*from > end || end > source->room || end - *from > column->longest)
		return false;
	*length = end - *from;
	return true;
}

/* Count the text of a tile. */
GSTORE_LANE_FUNC void
gstore_merge_count_text(const GstoreMergeView *view, uint32 number,
						uint64 *bytes)
{
	uint64 sum = 0;
	bool bad = false;

	for (uint32 j = view->lane; j < view->count; j += GSTORE_WARP)
	{
		uint64 from;
		uint64 length;

		bad |= !gstore_merge_text(view, number, j, &from, &length);
		sum += bad ? 0 : length;
	}
	if (bad)
		gstore_merge_fail(view->told, view->merge->result, GSTORE_MERGE_TEXT,
						  number);
	*bytes = gstore_warp_add(sum, view->lane);
	if (*bytes > 0xFFFFFFFFu)
		gstore_merge_fail(view->told, view->merge->result, GSTORE_MERGE_LARGE,
						  number);
}

/* The offsets of a tile whose text begins at start and has so many bytes; false,
 * and an error: it has others. */
GSTORE_LANE_FUNC bool
gstore_merge_offsets(const GstoreMergeView *view, uint32 number, uint64 start,
					 uint64 bytes)
{
	const GstoreMergeColumn *column = &view->columns[number];
	uint64 done = 0;
	bool bad = false;

	/* where the column before ended may still be looked up */
	gstore_sync_warp();
	for (uint32 first = 0; first < view->count; first += GSTORE_WARP)
	{
		uint32 j = first + view->lane;
		uint64 length = 0;
		uint64 from;
		uint64 before;
		uint64 total;

		if (j < view->count)
			bad |= !gstore_merge_text(view, number, j, &from, &length);
		if (bad)
			length = 0;
		before = gstore_warp_sum_before_wide(length, view->lane, &total);
		if (j < view->count)
		{
			view->ends[j] = (uint32) (done + before + length);
			gstore_merge_write(column->values +
								   ((view->to + j + 1) << column->shift),
							   column->shift, start + done + before + length);
		}
		done += total;
	}
	gstore_sync_warp();
	if (!gstore_warp_any(bad || done != bytes))
		return true;
	if (view->lane == 0)
		gstore_merge_fail(view->told, view->merge->result,
						  GSTORE_MERGE_CHANGED, number);
	return false;
}

/* Up to 8 bytes of row j's text, from `off' in it on; *good: they are there. */
GSTORE_LANE_FUNC uint64
gstore_merge_text_bytes(const GstoreMergeView *view, uint32 number, uint32 j,
						uint64 off, uint32 bytes, bool *good)
{
	const GstoreMergeSource *source = gstore_merge_source(view, number, j);
	uint32 shift = view->columns[number].shift;
	uint64 from = gstore_merge_read(source->values +
										((uint64) view->rows[j] << shift),
									shift);

	if (from > source->room || off + bytes > source->room - from)
	{
		*good = false;
		return 0;
	}
	return gstore_merge_read_bytes(source->base + from + off, bytes);
}

/* Bytes [at, end) of a tile's text, at most 8, put together from its rows. */
GSTORE_LANE_FUNC uint64
gstore_merge_gather(const GstoreMergeView *view, uint32 number, uint32 at,
					uint32 end, bool *good)
{
	uint64 word = 0;
	uint32 low = 0;
	uint32 high = view->count;
	uint32 begin = at;

	/* the row that has the first of them: the first that ends behind it */
	while (low < high)
	{
		uint32 middle = (low + high) / 2;

		if (view->ends[middle] > at)
			high = middle;
		else
			low = middle + 1;
	}
	for (; at < end && low < view->count; low++)
	{
		uint32 start = low == 0 ? 0 : view->ends[low - 1];
		uint32 upto = Min(end, view->ends[low]);

		if (upto <= at)
			continue;
		word |= gstore_merge_text_bytes(view, number, low, at - start,
										upto - at, good)
				<< (8 * (at - begin));
		at = upto;
	}
	return word;
}

/* Is the text of the tile one piece of its source?  Then *from is where. */
GSTORE_LANE_FUNC bool
gstore_merge_is_one_text(const GstoreMergeView *view, uint32 number,
						 uint64 bytes, uint64 *from)
{
	const GstoreMergeSource *source = gstore_merge_source(view, number, 0);
	uint32 shift = view->columns[number].shift;
	uint32 last = view->count - 1;
	uint64 end;

	if (source->values == 0 || view->of[0] != view->of[last] ||
		view->rows[last] - view->rows[0] != last)
		return false;
	*from = gstore_merge_read(source->values +
								  ((uint64) view->rows[0] << shift),
							  shift);
	end = gstore_merge_read(source->values +
								(((uint64) view->rows[last] + 1) << shift),
							shift);
	if (*from > end || end > source->room || end - *from != bytes)
		return false;
	*from += source->base;
	return true;
}

/* The bytes of a tile's text, a word of the new image at a time. */
GSTORE_LANE_FUNC void
gstore_merge_copy_text(const GstoreMergeView *view, uint32 number,
					   uint64 start, uint32 bytes)
{
	uint64 to = view->columns[number].base + start;
	uint64 from = 0;
	bool one = bytes > 0 &&
			   gstore_merge_is_one_text(view, number, bytes, &from);
	bool good = true;

	for (uint64 word = to - to % 8 + 8 * view->lane; bytes > 0 && word < to + bytes; word += 8 * GSTORE_WARP)
	{
		uint32 at = word < to ? 0 : (uint32) (word - to);
		uint32 end = (uint32) (Min(word + 8, to + bytes) - to);
		uint64 value = one ? gstore_merge_read_bytes(from + at, end - at)
						   : gstore_merge_gather(view, number, at, end, &good);

		if (end - at == 8)
			gstore_merge_write(word, 3, value);
		else
			for (; at < end; at++, value >>= 8)
				gstore_merge_write(to + at, 0, value);
	}
	if (!good)
		gstore_merge_fail(view->told, view->merge->result,
						  GSTORE_MERGE_CHANGED, number);
}

/* ---- dictionaries ---- */

/* Where in its source's dictionary the value of row j is, in units; false: it is
 * NULL, or, with *bad, nowhere. */
GSTORE_LANE_FUNC bool
gstore_merge_unit(const GstoreMergeView *view, uint32 number, uint32 j,
				  uint64 *unit, bool *bad)
{
	const GstoreMergeSource *source = gstore_merge_source(view, number, j);
	uint32 offset;

	if (source->values == 0)
		return false;
	offset = (uint32) gstore_merge_read(source->values +
											4 * (uint64) view->rows[j],
										2);
	if (offset == 0)
		return false;
	*unit = (uint64) offset - source->before;
	if (offset < source->before || *unit >= source->room / 8)
	{
		*bad = true;
		return false;
	}
	return true;
}

/* How many units a value with this header has, of those up to the dictionary's
 * end; 0: it is none. */
GSTORE_LANE_FUNC uint64
gstore_merge_units_of(uint32 header, uint64 units)
{
	return gstore_varlena_is_sound(&header, 8 * units)
			   ? ((uint64) (header >> 2) + 7) / 8
			   : 0;
}

/* Mark the values that a tile's rows use; how many rows are NULL. */
GSTORE_LANE_FUNC uint32
gstore_merge_mark(const GstoreMergeView *view, uint32 number)
{
	uint32 nulls = 0;
	bool bad = false;

	for (uint32 j = view->lane; j < view->count; j += GSTORE_WARP)
	{
		const GstoreMergeSource *source = gstore_merge_source(view, number, j);
		uint64 unit;

		if (gstore_merge_unit(view, number, j, &unit, &bad))
			gstore_merge_write(source->map + 4 * unit, 2, 1);
		else
			nulls++;
	}
	if (bad)
		gstore_merge_fail(view->told, view->merge->result, GSTORE_MERGE_VALUE,
						  number);
	return nulls;
}

/* The offsets of a tile into the new dictionary. */
GSTORE_LANE_FUNC void
gstore_merge_places(const GstoreMergeView *view, uint32 number)
{
	const GstoreMergeColumn *column = &view->columns[number];
	bool bad = false;

	for (uint32 j = view->lane; j < view->count; j += GSTORE_WARP)
	{
		const GstoreMergeSource *source = gstore_merge_source(view, number, j);
		uint32 offset = 0;
		uint64 unit;

		if (gstore_merge_unit(view, number, j, &unit, &bad))
		{
			uint32 place = (uint32) gstore_merge_read(source->map + 4 * unit,
													  2);

			bad |= place == 0;
			offset = place - 1 + column->before;
		}
		gstore_merge_write(column->values + 4 * (view->to + j), 2, offset);
	}
	if (bad)
		gstore_merge_fail(view->told, view->merge->result,
						  GSTORE_MERGE_CHANGED, number);
}

#endif
