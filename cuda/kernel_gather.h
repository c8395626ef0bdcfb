/*
 * kernel_gather.h
 *	  The kernel GATHER: see gather.h.  A part of kernels.cu.
 */
#ifndef GSTORE_KERNEL_GATHER_H
#define GSTORE_KERNEL_GATHER_H

#include "gather.h"
#include "simt.h"

/* Texts up to this are copied by a lane each, longer ones by all of them. */
#define GATHER_SHORT 64

typedef struct GstoreGatherState
{
	const GstoreGather *gather;
	uint8 *base;
	GstoreGatherResult *result;
	uint32 lane;
	uint32 at;	/* number of the lane's row among those wanted */
	uint64 row; /* in the columns */
	bool has;	/* the lane has one */
} GstoreGatherState;

GSTORE_LANE_FUNC bool
gstore_gather_bit(uint64 bitmap, uint64 bit)
{
	return *(const uint8 *) gstore_global(bitmap + bit / 8, 1) >> (bit % 8) & 1;
}

/* One value, in steps that its size and places allow. */
GSTORE_LANE_FUNC void
gstore_gather_value(uint8 *to, uint64 from, uint32 width)
{
	uint64 together = from | (uint64) (uintptr_t) to | width;

	if (together % 8 == 0)
		for (uint32 i = 0; i < width; i += 8)
			*(uint64 *) (to + i) = *(const uint64 *) gstore_global(from + i, 8);
	else if (together % 4 == 0)
		for (uint32 i = 0; i < width; i += 4)
			*(uint32 *) (to + i) = *(const uint32 *) gstore_global(from + i, 4);
	else
		for (uint32 i = 0; i < width; i++)
			to[i] = *(const uint8 *) gstore_global(from + i, 1);
}

/* Where the lane's text is, a varlena with its header; false: it is none, or
 * damaged. */
GSTORE_LANE_FUNC bool
gstore_gather_find(const GstoreGatherState *state,
				   const GstoreGatherColumn *column, uint64 *from,
				   uint64 *length)
{
	uint64 start;
	uint64 end = 0;

	if (column->kind == GSTORE_GATHER_OFFSETS_8)
	{
		start = *(const uint64 *) gstore_global(column->values +
													8 * state->row,
												8);
		end = *(const uint64 *) gstore_global(column->values +
												  8 * state->row + 8,
											  8);
	}
	else
		start = *(const uint32 *) gstore_global(column->values +
													4 * state->row,
												4);
	if (column->kind == GSTORE_GATHER_OFFSETS_4)
		end = *(const uint32 *) gstore_global(column->values +
												  4 * state->row + 4,
											  4);
	if (column->kind == GSTORE_GATHER_VARLENA)
	{
		uint32 header = 0;

		if (start == 0)
			return false;
		start *= 8;
		if (start >= column->base_from && column->base_to >= 4 &&
			start <= column->base_to - 4)
			header = *(const uint32 *) gstore_global(column->base + start, 4);
		if ((header & 1) == 0 && header >= 16)
			end = start + (header >> 2);
	}
	*from = column->base + start;
	*length = end - start;
	if (end >= start && end <= column->base_to && start >= column->base_from &&
		*length <= 0x3FFFFFFF)
		return true;
	state->result->damaged = 1;
	return false;
}

/* Copy what each lane has found. */
GSTORE_LANE_FUNC void
gstore_gather_copy(const GstoreGatherState *state, uint64 from, uint64 to,
				   uint32 length)
{
	if (!gstore_warp_any(length > GATHER_SHORT))
	{
		for (uint32 i = 0; i < length; i++)
			state->base[to + i] =
				*(const uint8 *) gstore_global(from + i, 1);
		return;
	}
	for (uint32 lane = 0; lane < GSTORE_WARP; lane++)
	{
		uint32 bytes = gstore_warp_take(length, lane);
		uint64 source = gstore_warp_take_wide(from, lane);
		uint64 target = gstore_warp_take_wide(to, lane);

		for (uint32 i = state->lane; i < bytes; i += GSTORE_WARP)
			state->base[target + i] =
				*(const uint8 *) gstore_global(source + i, 1);
	}
}

/* The text of each lane's row, if it is valid. */
GSTORE_LANE_FUNC void
gstore_gather_text(const GstoreGatherState *state,
				   const GstoreGatherColumn *column, bool valid)
{
	const GstoreGather *gather = state->gather;
	uint64 from = 0;
	uint64 to = 0;
	uint64 length = 0;

	if (valid && gstore_gather_find(state, column, &from, &length))
	{
		to = gstore_atomic_add(&state->result->used, GSTORE_ALIGN(length, 8));
		if (to > gather->texts_bytes || length > gather->texts_bytes - to)
			length = to = 0;
	}
	else
		length = 0;
	if (state->has && column->kind == GSTORE_GATHER_VARLENA)
		((uint32 *) (state->base + column->to_values))[state->at] =
			(uint32) (to / 8);
	else if (state->has)
	{
		GstoreGatherText *text =
			(GstoreGatherText *) (state->base + column->to_values) + state->at;

		text->units = (uint32) (to / 8);
		text->length = (uint32) length;
	}
	gstore_gather_copy(state, from, gather->texts + to, (uint32) length);
}

GSTORE_LANE_FUNC void
gstore_gather_column(const GstoreGatherState *state,
					 const GstoreGatherColumn *column)
{
	bool valid = state->has;

	if (valid && column->validity != 0)
		valid = gstore_gather_bit(column->validity,
								  column->validity_bit + state->row);
	if (state->has && column->to_validity != 0)
		state->base[column->to_validity + state->at] = valid;
	if (column->kind >= GSTORE_GATHER_VARLENA)
		gstore_gather_text(state, column, valid);
	else if (state->has && column->kind == GSTORE_GATHER_BITS)
		state->base[column->to_values + state->at] =
			gstore_gather_bit(column->values,
							  column->values_bit + state->row);
	else if (state->has)
		gstore_gather_value(state->base + column->to_values +
								(uint64) state->at * column->width,
							column->values + state->row * column->width,
							column->width);
}

GSTORE_KERNEL
gstore_kernel_gather(uint64 argument)
{
	const GstoreGather *gather =
		(const GstoreGather *) gstore_global(argument, sizeof(GstoreGather));
	uint32 warp = gstore_block() * GSTORE_KERNEL_WARPS +
				  gstore_thread() / GSTORE_WARP;
	const GstoreGatherColumn *columns;
	const uint32 *rows;
	GstoreGatherState state;

	state.gather = gather;
	state.base = (uint8 *) gstore_global(argument, gather->bytes);
	state.result = (GstoreGatherResult *) (state.base + gather->result);
	state.lane = gstore_thread() % GSTORE_WARP;
	columns = (const GstoreGatherColumn *) (state.base + gather->columns);
	rows = (const uint32 *) (state.base + gather->rows);
	for (uint64 first = (uint64) warp * GSTORE_WARP; first < gather->nrows;
		 first += (uint64) gstore_blocks() * GSTORE_KERNEL_THREADS)
	{
		state.at = (uint32) first + state.lane;
		state.has = state.at < gather->nrows;
		state.row = state.has ? rows[state.at] : 0;
		for (uint32 i = 0; i < gather->ncolumns; i++)
			gstore_gather_column(&state, &columns[i]);
	}
}

#endif
