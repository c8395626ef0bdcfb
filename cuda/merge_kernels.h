/*
 * merge_kernels.h
 *	  The kernels that make one image of the rows of several: see merge.h.
 *
 * A part of kernels.cu.
 */
#ifndef GSTORE_MERGE_KERNELS_H
#define GSTORE_MERGE_KERNELS_H

#include "merge_tile.h"

/* ---- counting rows ---- */

/* What a tile has of a column. */
GSTORE_LANE_FUNC GstoreMergeCount
gstore_merge_count(const GstoreMergeView *view, uint32 number)
{
	const GstoreMergeColumn *column = &view->columns[number];
	GstoreMergeCount count;
	uint64 bytes = 0;
	uint32 nulls = 0;

	if (column->kind == GSTORE_MERGE_DICTIONARY)
		nulls = gstore_merge_mark(view, number);
	else
		for (uint32 j = view->lane; j < view->count; j += GSTORE_WARP)
			nulls += !gstore_merge_is_valid(
				view, gstore_merge_source(view, number, j), j);
	if (column->kind == GSTORE_MERGE_OFFSETS)
		gstore_merge_count_text(view, number, &bytes);
	count.bytes = (uint32) bytes;
	count.nulls = (uint32) gstore_warp_add(nulls, view->lane);
	return count;
}

GSTORE_KERNEL
gstore_kernel_merge_count(uint64 argument)
{
	GstoreMergeView view;

	gstore_merge_begin(&view, argument);
	for (uint32 number = gstore_block() * GSTORE_KERNEL_WARPS +
						 gstore_thread() / GSTORE_WARP;
		 number < view.merge->ntiles;
		 number += gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		gstore_merge_enter(&view, number);
		for (uint32 i = 0; i < view.merge->ncolumns; i++)
		{
			uint32 place = view.columns[i].counted;
			GstoreMergeCount count;

			if (place == GSTORE_MERGE_NONE)
				continue;
			count = gstore_merge_count(&view, i);
			if (view.lane == 0)
				((GstoreMergeCount *) (view.told + view.merge->result +
									   sizeof(GstoreMergeResult)))
					[(uint64) place * view.merge->ntiles + number] = count;
		}
	}
}

/* ---- making rows ---- */

/* What the image begins with, and what is between its buffers. */
GSTORE_LANE_FUNC void
gstore_merge_frame(const GstoreMergeView *view)
{
	const GstoreMerge *merge = view->merge;
	const uint64 *header = (const uint64 *) (view->told + merge->header);
	const GstoreMergeZeros *zeros =
		(const GstoreMergeZeros *) (view->told + merge->zeros);

	for (uint32 i = view->lane; i < merge->header_bytes / 8; i += GSTORE_WARP)
		gstore_merge_write(merge->header_to + 8 * (uint64) i, 3, header[i]);
	for (uint32 i = view->lane; i < merge->nzeros; i += GSTORE_WARP)
		for (uint64 j = 0; j < zeros[i].bytes; j++)
			gstore_merge_write(zeros[i].address + j, 0, 0);
}

/* A column of a tile. */
GSTORE_LANE_FUNC void
gstore_merge_make(const GstoreMergeView *view, uint32 number)
{
	const GstoreMergeColumn *column = &view->columns[number];

	switch (column->kind)
	{
		case GSTORE_MERGE_FIXED:
			if (column->shift == 3)
				gstore_merge_values(view, number, 3);
			else if (column->shift == 2)
				gstore_merge_values(view, number, 2);
			else
				gstore_merge_values(view, number, column->shift);
			break;
		case GSTORE_MERGE_BITS:
			gstore_merge_bits(view, number, column->values, true);
			break;
		case GSTORE_MERGE_OFFSETS:
		{
			const uint64 *starts =
				(const uint64 *) (view->told + view->merge->starts) +
				(uint64) column->text * (view->merge->ntiles + 1) +
				view->number;
			uint32 bytes = (uint32) (starts[1] - starts[0]);

			if (gstore_merge_offsets(view, number, starts[0], bytes))
				gstore_merge_copy_text(view, number, starts[0], bytes);
			break;
		}
		case GSTORE_MERGE_DICTIONARY:
			gstore_merge_places(view, number);
			break;
		default:
			break;
	}
	if (column->validity != 0)
		gstore_merge_bits(view, number, column->validity, false);
}

GSTORE_KERNEL
gstore_kernel_merge_rows(uint64 argument)
{
	GstoreMergeView view;

	gstore_merge_begin(&view, argument);
	for (uint32 number = gstore_block() * GSTORE_KERNEL_WARPS +
						 gstore_thread() / GSTORE_WARP;
		 number < view.merge->ntiles;
		 number += gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		gstore_merge_enter(&view, number);
		for (uint32 i = 0; i < view.merge->ncolumns; i++)
			gstore_merge_make(&view, i);
	}
	if (view.merge->header_to != 0 && gstore_block() == 0 &&
		gstore_thread() < GSTORE_WARP)
		gstore_merge_frame(&view);
}

/* ---- dictionaries ---- */

typedef struct GstoreUnitsView
{
	const uint8 *told;
	const GstoreMergeDictionaries *all;
	const GstoreMergeUnits *dictionary; /* of the tile */
	uint64 first;						/* unit of it */
	uint32 lane;
} GstoreUnitsView;

GSTORE_LANE_FUNC void
gstore_units_begin(GstoreUnitsView *view, uint64 argument)
{
	view->all = (const GstoreMergeDictionaries *)
		gstore_global(argument, sizeof(GstoreMergeDictionaries));
	view->told = (const uint8 *) gstore_global(argument, view->all->bytes);
	view->dictionary =
		(const GstoreMergeUnits *) (view->told + view->all->dictionaries);
	view->lane = gstore_thread() % GSTORE_WARP;
}

/* Tiles come in rising order. */
GSTORE_LANE_FUNC void
gstore_units_enter(GstoreUnitsView *view, uint32 number)
{
	const GstoreMergeUnits *end =
		(const GstoreMergeUnits *) (view->told + view->all->dictionaries) +
		view->all->ndictionaries;

	while (view->dictionary + 1 < end &&
		   view->dictionary[1].first_tile <= number)
		view->dictionary++;
	view->first = (uint64) (number - view->dictionary->first_tile) *
				  GSTORE_MERGE_UNITS;
}

/* The head of the value that begins at a unit of the tile, and its units; 0: no
 * marked value begins there, or, with *bad, none at all. */
GSTORE_LANE_FUNC uint64
gstore_units_value(const GstoreUnitsView *view, uint32 at, uint64 *head,
				   bool *bad)
{
	const GstoreMergeUnits *dictionary = view->dictionary;
	uint64 unit = view->first + at;
	uint64 units;

	*head = 0;
	if (unit >= dictionary->units ||
		gstore_merge_read(dictionary->map + 4 * unit, 2) == 0)
		return 0;
	*head = gstore_merge_read(dictionary->values + 8 * unit, 3);
	units = gstore_merge_units_of((uint32) *head, dictionary->units - unit);
	*bad |= units == 0;
	return units;
}

GSTORE_KERNEL
gstore_kernel_units_count(uint64 argument)
{
	GstoreUnitsView view;

	gstore_units_begin(&view, argument);
	for (uint32 number = gstore_block() * GSTORE_KERNEL_WARPS +
						 gstore_thread() / GSTORE_WARP;
		 number < view.all->ntiles;
		 number += gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		uint64 sum = 0;
		uint32 values = 0;
		bool bad = false;

		gstore_units_enter(&view, number);
		for (uint32 at = view.lane; at < GSTORE_MERGE_UNITS; at += GSTORE_WARP)
		{
			uint64 head;
			uint64 units = gstore_units_value(&view, at, &head, &bad);

			sum += units;
			values += units > 0;
		}
		if (bad)
			gstore_merge_fail(view.told, view.all->result, GSTORE_MERGE_VALUE,
							  view.dictionary->column);
		sum = gstore_warp_add(sum, view.lane);
		values = (uint32) gstore_warp_add(values, view.lane);
		if (view.lane == 0)
		{
			GstoreMergeUnitCount *count =
				(GstoreMergeUnitCount *) (view.told + view.all->result +
										  sizeof(GstoreMergeResult)) +
				number;

			if (sum > 0xFFFFFFFFu)
				gstore_merge_fail(view.told, view.all->result,
								  GSTORE_MERGE_LARGE, view.dictionary->column);
			count->units = (uint32) sum;
			count->values = values;
		}
	}
}

/* A value whose head, the first unit, is known: units from address `from' go to
 * `to', by the lanes from lane on in steps; behind its end are zeros. */
GSTORE_LANE_FUNC void
gstore_units_copy(uint64 head, uint64 from, uint64 to, uint64 units,
				  uint32 lane, uint32 step)
{
	uint32 rest = (uint32) ((uint32) head >> 2) % 8;

	for (uint64 i = lane; i < units; i += step)
	{
		uint64 word = i == 0 ? head : gstore_merge_read(from + 8 * i, 3);

		if (i == units - 1 && rest != 0)
			word &= ((uint64) 1 << (8 * rest)) - 1;
		gstore_merge_write(to + 8 * i, 3, word);
	}
}

/* Values longer than this are copied by all lanes together. */
#define GSTORE_LONG_UNITS 16

/* A tile's marked values go to place and on, which has so many units. */
GSTORE_LANE_FUNC void
gstore_units_move(const GstoreUnitsView *view, uint32 place, uint64 room)
{
	const GstoreMergeUnits *dictionary = view->dictionary;
	uint64 done = 0;
	bool bad = false;

	for (uint32 first = 0; first < GSTORE_MERGE_UNITS; first += GSTORE_WARP)
	{
		uint64 head;
		uint64 units = gstore_units_value(view, first + view->lane, &head,
										  &bad);
		uint64 from = dictionary->values +
					  8 * (view->first + first + view->lane);
		uint64 total;
		uint64 before;
		uint64 to;
		uint32 long_ones;

		/* where nothing is kept */
		if (!gstore_warp_any(units > 0))
			continue;
		before = gstore_warp_sum_before_wide(units, view->lane, &total);
		to = dictionary->to + 8 * (place + done + before);
		if (units > 0 && done + before + units > room)
		{
			bad = true;
			units = 0;
		}
		if (units > 0)
			gstore_merge_write(dictionary->map +
								   4 * (view->first + first + view->lane),
							   2, place + (uint32) (done + before) + 1);
		if (units <= GSTORE_LONG_UNITS)
			gstore_units_copy(head, from, to, units, 0, 1);
		long_ones = gstore_warp_ballot(units > GSTORE_LONG_UNITS);
		for (; long_ones != 0; long_ones &= long_ones - 1)
		{
			uint32 lane = gstore_lowest_bit(long_ones);

			gstore_units_copy(gstore_warp_take_wide(head, lane),
							  gstore_warp_take_wide(from, lane),
							  gstore_warp_take_wide(to, lane),
							  gstore_warp_take_wide(units, lane), view->lane,
							  GSTORE_WARP);
		}
		done += total;
	}
	if (bad || done != room)
		gstore_merge_fail(view->told, view->all->result, GSTORE_MERGE_CHANGED,
						  dictionary->column);
}

GSTORE_KERNEL
gstore_kernel_units_copy(uint64 argument)
{
	GstoreUnitsView view;

	gstore_units_begin(&view, argument);
	for (uint32 number = gstore_block() * GSTORE_KERNEL_WARPS +
						 gstore_thread() / GSTORE_WARP;
		 number < view.all->ntiles;
		 number += gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		const GstoreMergeUnitCount *count =
			(const GstoreMergeUnitCount *) (view.told + view.all->counts) +
			number;

		gstore_units_enter(&view, number);
		gstore_units_move(&view, count->values, count->units);
	}
}

/* ---- bounds ---- */

/* Bytes of the text of a row, whose address is *at; behind the end nothing. */
GSTORE_LANE_FUNC uint64
gstore_bounds_text(const GstoreBoundsColumn *column, uint64 row, uint64 *at)
{
	uint32 shift = column->stride == 8 ? 3 : 2;
	uint64 from = gstore_merge_read(column->values + (row << shift), shift);
	uint64 end = gstore_merge_read(column->values + ((row + 1) << shift),
								   shift);

	if (from > end || end > column->room)
		return 0;
	*at = column->base + from;
	return end - from;
}

/* Keys of varlena values without their headers. */
GSTORE_LANE_FUNC uint64
gstore_bounds_of_bytes(uint32 order, uint64 address, uint64 bytes)
{
	const uint8 *at = bytes == 0 ? NULL
								 : (const uint8 *) gstore_global(address,
																 bytes);

	if (order == GSTORE_ORDER_NUMERIC)
		return gstore_numeric_key(at, (uint32) bytes);
	if (order == GSTORE_ORDER_BPCHAR)
		bytes = gstore_length_without_blanks(at, bytes);
	return gstore_prefix_key(at, bytes);
}

/* The key of a value as PostgreSQL has it. */
GSTORE_LANE_FUNC uint64
gstore_bounds_of_value(const GstoreBoundsColumn *column, uint64 address)
{
	uint32 narrow;
	float real;
	double wide;
	uint64 word;

	switch (column->order)
	{
		case GSTORE_ORDER_INTEGER:
			if (column->attlen == 8)
				return gstore_integer_key(
					(int64) gstore_merge_read(address, 3));
			if (column->attlen == 4)
				return gstore_integer_key(
					(int32) gstore_merge_read(address, 2));
			return gstore_integer_key((int16) gstore_merge_read(address, 1));
		case GSTORE_ORDER_UNSIGNED:
			return gstore_merge_read(address, column->attlen == 4 ? 2 : 0);
		case GSTORE_ORDER_FLOAT:
			if (column->attlen == 4)
			{
				narrow = (uint32) gstore_merge_read(address, 2);
				memcpy(&real, &narrow, sizeof(real));
				return gstore_float_key(real);
			}
			word = gstore_merge_read(address, 3);
			memcpy(&wide, &word, sizeof(wide));
			return gstore_float_key(wide);
		case GSTORE_ORDER_DATE:
			return gstore_date_key((int32) gstore_merge_read(address, 2));
		case GSTORE_ORDER_TIMESTAMP:
			return gstore_integer_key((int64) gstore_merge_read(address, 3));
		case GSTORE_ORDER_INTERVAL:
			word = gstore_merge_read(address + 8, 3);
			return gstore_interval_key((int32) (word >> 32), (int32) word,
									   (int64) gstore_merge_read(address, 3));
		default: /* UUID */
			return gstore_prefix_key((const uint8 *) gstore_global(address, 8),
									 8);
	}
}

/* The key of a row that is not NULL by the bitmap; false: it is. */
GSTORE_LANE_FUNC bool
gstore_bounds_row(const GstoreBoundsColumn *column, uint64 row, uint64 *key,
				  bool *any)
{
	uint64 address = column->values + row * column->stride;
	uint64 offset;
	uint64 bytes;
	uint64 at = 0;
	uint32 header;
	GstoreInt128 decimal;

	switch (column->load)
	{
		case GSTORE_BOUNDS_FIXED:
			*key = gstore_bounds_of_value(column, address);
			return true;
		case GSTORE_BOUNDS_BITS:
			*key = gstore_merge_bit(column->values, row);
			return true;
		case GSTORE_BOUNDS_DATE:
			*key = gstore_date_key((int32) gstore_merge_read(address, 2) -
								   GSTORE_EPOCH_DAYS);
			return true;
		case GSTORE_BOUNDS_TIMESTAMP:
			*key = gstore_integer_key((int64) gstore_merge_read(address, 3) -
									  GSTORE_EPOCH_MICROSECONDS);
			return true;
		case GSTORE_BOUNDS_SPAN:
			bytes = gstore_merge_read(address, 3);
			*key = gstore_interval_key(
				(int32) bytes, (int32) (bytes >> 32),
				(int64) gstore_merge_read(address + 8, 3) / 1000);
			return true;
		case GSTORE_BOUNDS_DECIMAL:
			decimal = (GstoreInt128) ((GstoreUint128)
											  gstore_merge_read(address + 8, 3)
										  << 64 |
									  gstore_merge_read(address, 3));
			*key = gstore_decimal_key(decimal, column->scale);
			return true;
		case GSTORE_BOUNDS_OFFSETS:
			bytes = gstore_bounds_text(column, row, &at);
			*key = gstore_bounds_of_bytes(column->order, at, bytes);
			return true;
		default: /* DICTIONARY */
			offset = 8 * gstore_merge_read(column->values + 4 * row, 2);
			if (offset == 0)
				return false;
			if (offset > column->room || column->room - offset < 8)
			{
				*any = true;
				return true;
			}
			header = (uint32) gstore_merge_read(column->base + offset, 2);
			if ((header & 3) != 0 ||
				!gstore_varlena_is_sound(&header, column->room - offset))
				*any = true;
			else
				*key = gstore_bounds_of_bytes(column->order,
											  column->base + offset + 4,
											  (header >> 2) - 4);
			return true;
	}
}

/* The bounds of a column in a block, by a warp. */
GSTORE_LANE_FUNC GstoreBounds
gstore_bounds_of_block(const GstoreBoundsColumn *column, uint64 from,
					   uint64 to, uint32 lane)
{
	GstoreBounds bounds;
	bool any = column->load == GSTORE_BOUNDS_ANYTHING;

	if (any)
		to = from;
	bounds.least = UINT64_MAX;
	bounds.greatest = 0;
	bounds.nulls = 0;
	bounds.padding = 0;
	for (uint64 row = from + lane; row < to; row += GSTORE_WARP)
	{
		uint64 key = 0;

		if (column->load == GSTORE_BOUNDS_NOTHING ||
			(column->validity != 0 && !gstore_merge_bit(column->validity, row)) ||
			!gstore_bounds_row(column, row, &key, &any))
		{
			bounds.nulls++;
			continue;
		}
		bounds.least = Min(bounds.least, key);
		bounds.greatest = Max(bounds.greatest, key);
	}
	for (uint32 step = GSTORE_WARP / 2; step > 0; step /= 2)
	{
		uint64 other = gstore_warp_take_wide(bounds.least, lane ^ step);

		bounds.least = Min(bounds.least, other);
		other = gstore_warp_take_wide(bounds.greatest, lane ^ step);
		bounds.greatest = Max(bounds.greatest, other);
		bounds.nulls += gstore_warp_take(bounds.nulls, lane ^ step);
	}
	if (gstore_warp_any(any))
	{
		bounds.least = 0;
		bounds.greatest = UINT64_MAX;
	}
	return bounds;
}

GSTORE_KERNEL
gstore_kernel_bounds(uint64 argument)
{
	const GstoreBoundsLaunch *launch = (const GstoreBoundsLaunch *)
		gstore_global(argument, sizeof(GstoreBoundsLaunch));
	const uint8 *told = (const uint8 *) gstore_global(argument, launch->bytes);
	GstoreBounds *result = (GstoreBounds *) (told + launch->result +
											 sizeof(GstoreMergeResult));
	uint32 lane = gstore_thread() % GSTORE_WARP;

	for (uint64 number = (uint64) gstore_block() * GSTORE_KERNEL_WARPS +
						 gstore_thread() / GSTORE_WARP;
		 number < (uint64) launch->nblocks * launch->ncolumns;
		 number += (uint64) gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		/* neighbours share a column: strings of one length side by side */
		uint32 column = (uint32) (number / launch->nblocks);
		uint32 block = (uint32) (number % launch->nblocks);
		uint64 from = (launch->first_block + block) * GSTORE_BLOCK_ROWS;
		uint64 to = Min(from + GSTORE_BLOCK_ROWS, launch->rows);
		GstoreBounds bounds = gstore_bounds_of_block(
			(const GstoreBoundsColumn *) (told + launch->columns) + column,
			from, to, lane);

		if (lane == 0)
			result[(uint64) block * launch->ncolumns + column] = bounds;
	}
}

#endif
