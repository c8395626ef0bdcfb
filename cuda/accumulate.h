/*
 * accumulate.h
 *	  From the rows of a tile into accumulators, and accumulators into one.
 *
 * Without groups each lane has accumulators of its own in shared memory, so no
 * two ever write to one place.  Sums of integers are of 128 bits, which no
 * number of rows overflows.
 */
#ifndef GSTORE_ACCUMULATE_H
#define GSTORE_ACCUMULATE_H

#include "tile.h"

/* In a float's high word. */
#define GSTORE_SAW_INFINITE UINT64_C(1)

typedef struct GstoreAccumulators
{
	const GstoreKernelAggregate *aggregates;
	uint32 naggregates;
	uint64 *low; /* [aggregate][lane of the block] */
	uint64 *high;
	uint32 *count;
} GstoreAccumulators;

/* One accumulator, in registers. */
typedef struct GstoreAccumulator
{
	uint64 low;
	uint64 high;
	uint64 count;
} GstoreAccumulator;

GSTORE_LANE_FUNC bool
gstore_type_is_real(int type)
{
	return type == GSTORE_TYPE_FLOAT4 || type == GSTORE_TYPE_FLOAT8;
}

GSTORE_LANE_FUNC void
gstore_accumulators_begin(GstoreAccumulators *accumulators,
						  const GstoreLaunch *launch, uint8 *shared)
{
	uint32 n = launch->naggregates * GSTORE_KERNEL_THREADS;

	accumulators->aggregates =
		(const GstoreKernelAggregate *) ((const uint8 *) launch +
										 launch->aggregates);
	accumulators->naggregates = launch->naggregates;
	accumulators->low = (uint64 *) shared;
	accumulators->high = accumulators->low + n;
	accumulators->count = (uint32 *) (accumulators->high + n);
	for (uint32 i = gstore_thread(); i < n; i += GSTORE_KERNEL_THREADS)
	{
		accumulators->low[i] = accumulators->high[i] = 0;
		accumulators->count[i] = 0;
	}
}

/* Which of two values min and max keep; of floats, NaN is the greatest. */
GSTORE_LANE_FUNC bool
gstore_replaces(int kind, bool real, uint64 value, uint64 kept)
{
	gstore_logic less;
	gstore_logic greater;

	if (real)
	{
		(void) gstore_op_float8lt(&less, gstore_word_float8(value),
								  gstore_word_float8(kept));
		(void) gstore_op_float8gt(&greater, gstore_word_float8(value),
								  gstore_word_float8(kept));
	}
	else
	{
		less = (int64) value < (int64) kept;
		greater = (int64) value > (int64) kept;
	}
	return kind == GSTORE_AGGREGATE_MIN ? less : greater;
}

/* Another accumulator of the same aggregate, or one value, into this one. */
GSTORE_LANE_FUNC void
gstore_accumulator_merge(GstoreAccumulator *to, int kind, bool real,
						 const GstoreAccumulator *from)
{
	if (from->count == 0)
		return;
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (real)
			{
				to->low =
					gstore_to_word_float8(gstore_word_float8(to->low) +
										  gstore_word_float8(from->low));
				to->high |= from->high;
			}
			else
			{
				to->low += from->low;
				to->high += from->high + (to->low < from->low);
			}
			break;
		case GSTORE_AGGREGATE_MIN:
		case GSTORE_AGGREGATE_MAX:
			if (to->count == 0 ||
				gstore_replaces(kind, real, from->low, to->low))
				to->low = from->low;
			break;
		case GSTORE_AGGREGATE_AND:
			to->low = to->count == 0 ? from->low : to->low & from->low;
			break;
		case GSTORE_AGGREGATE_OR:
			to->low |= from->low;
			break;
		default:
			break;
	}
	to->count += from->count;
}

/* A value as an accumulator has it: int64 or float8. */
GSTORE_LANE_FUNC uint64
gstore_widen(int type, uint64 word)
{
	switch (type)
	{
		case GSTORE_TYPE_BOOL:
			return (uint8) word;
		case GSTORE_TYPE_INT2:
			return (uint64) (int64) (int16) word;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			return (uint64) (int64) (int32) word;
		case GSTORE_TYPE_FLOAT4:
			return gstore_to_word_float8(gstore_word_float4(word));
		default:
			return word;
	}
}

/* The rows of the tile that are alive.  *error: a state that is one. */
GSTORE_LANE_FUNC void
gstore_accumulate(GstoreAccumulators *accumulators, const GstoreTile *tile,
				  uint32 *error)
{
	for (uint32 i = 0; i < accumulators->naggregates; i++)
	{
		GstoreKernelAggregate aggregate = accumulators->aggregates[i];
		uint32 at = i * GSTORE_KERNEL_THREADS + gstore_thread();
		bool real = gstore_type_is_real(aggregate.type);
		uint32 rows = tile->alive;
		GstoreAccumulator sum;
		GstoreLaneValues values;

		if (aggregate.filter != GSTORE_NO_REGISTER)
		{
			values = gstore_tile_fetch(tile, aggregate.filter);
			UNROLLED EACH_ROW
			{
				uint8 state = gstore_state_of(values.states, r);

				if (state > GSTORE_STATE_NULL && (rows >> r & 1))
					*error = state;
				if (state != GSTORE_STATE_VALUE ||
					(uint8) values.words[r] == 0)
					rows &= ~(1u << r);
			}
		}
		UNROLLED EACH_ROW values.words[r] = 0;
		values.states = 0;
		if (aggregate.argument != GSTORE_NO_REGISTER)
			values = gstore_tile_fetch(tile, aggregate.argument);
		sum.low = accumulators->low[at];
		sum.high = accumulators->high[at];
		sum.count = accumulators->count[at];
		UNROLLED EACH_ROW
		{
			uint8 state = gstore_state_of(values.states, r);
			GstoreAccumulator one;

			if ((rows >> r & 1) == 0)
				continue;
			if (state > GSTORE_STATE_NULL)
				*error = state;
			one.low = gstore_widen(aggregate.type, values.words[r]);
			one.high = real ? (gstore_infinite_float8(
								   gstore_word_float8(one.low))
								   ? GSTORE_SAW_INFINITE
								   : 0)
							: (uint64) ((int64) one.low >> 63);
			one.count = state == GSTORE_STATE_VALUE;
			gstore_accumulator_merge(&sum, aggregate.kind, real, &one);
		}
		accumulators->low[at] = sum.low;
		accumulators->high[at] = sum.high;
		accumulators->count[at] = (uint32) sum.count;
	}
}

/* After a barrier of the block: its lanes' accumulators into one partial for
 * each aggregate. */
GSTORE_LANE_FUNC void
gstore_accumulators_end(const GstoreAccumulators *accumulators,
						GstorePartial *partials)
{
	for (uint32 i = gstore_thread(); i < accumulators->naggregates;
		 i += GSTORE_KERNEL_THREADS)
	{
		int kind = accumulators->aggregates[i].kind;
		bool real = gstore_type_is_real(accumulators->aggregates[i].type);
		GstoreAccumulator sum = {0, 0, 0};

		for (uint32 lane = 0; lane < GSTORE_KERNEL_THREADS; lane++)
		{
			uint32 at = i * GSTORE_KERNEL_THREADS + lane;
			GstoreAccumulator one = {accumulators->low[at],
									 accumulators->high[at],
									 accumulators->count[at]};

			gstore_accumulator_merge(&sum, kind, real, &one);
		}
		partials[i].low = sum.low;
		partials[i].high = real ? 0
						   : kind == GSTORE_AGGREGATE_SUM
							   ? sum.high
							   : (uint64) ((int64) sum.low >> 63);
		partials[i].count = sum.count;
		partials[i].infinite = real ? sum.high : 0;
	}
}

#endif
