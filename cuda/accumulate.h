/*
 * accumulate.h
 *	  From the rows of a tile into accumulators, and accumulators into one.
 *
 * Without groups each lane has accumulators of its own in shared memory, so no
 * two ever write to one place (groups: see group.h).  Sums of integers are of
 * 128 bits, which no number of rows overflows.
 */
#ifndef GSTORE_ACCUMULATE_H
#define GSTORE_ACCUMULATE_H

#include "tile_run.h"

typedef struct GstoreAccumulators
{
	const GstoreKernelAggregate *aggregates;
	uint32 naggregates;
	uint64 *low; /* [aggregate][lane of the block] */
	uint64 *high;
	uint64 *count;
} GstoreAccumulators;

GSTORE_LANE_FUNC bool
gstore_type_is_real(int type)
{
	return type == GSTORE_TYPE_FLOAT4 || type == GSTORE_TYPE_FLOAT8;
}

GSTORE_LANE_FUNC uint64
gstore_values_counted(const GstoreAccumulator *accumulator)
{
	return accumulator->count & ~GSTORE_SAW_INFINITE;
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
	accumulators->count = accumulators->high + n;
	for (uint32 i = gstore_thread(); i < n; i += GSTORE_KERNEL_THREADS)
		accumulators->low[i] = accumulators->high[i] =
			accumulators->count[i] = 0;
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

/* Another accumulator of the same aggregate into this one; not of MOMENTS. */
GSTORE_LANE_FUNC void
gstore_accumulator_add(GstoreAccumulator *to, int kind, bool real,
					   const GstoreAccumulator *from)
{
	if (gstore_values_counted(from) == 0)
		return;
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (real)
				to->low =
					gstore_to_word_float8(gstore_word_float8(to->low) +
										  gstore_word_float8(from->low));
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
	to->count = (to->count + gstore_values_counted(from)) |
				(from->count & GSTORE_SAW_INFINITE);
}

/* The same of MOMENTS (Chan, Golub and LeVeque). */
GSTORE_LANE_FUNC void
gstore_moments_add(GstoreAccumulator *to, const GstoreAccumulator *from)
{
	double n1 = (double) gstore_values_counted(to);
	double n2 = (double) gstore_values_counted(from);
	double sum1 = gstore_word_float8(to->low);
	double sum2 = gstore_word_float8(from->low);
	double deviations = gstore_word_float8(to->high) +
						gstore_word_float8(from->high);
	double apart = n1 > 0 ? sum1 / n1 - sum2 / n2 : 0;

	if (n2 == 0)
		return;
	deviations += n1 * n2 * apart * apart / (n1 + n2);
	to->low = gstore_to_word_float8(sum1 + sum2);
	to->high = gstore_to_word_float8(deviations);
	to->count = (to->count + gstore_values_counted(from)) |
				(from->count & GSTORE_SAW_INFINITE);
}

GSTORE_LANE_FUNC void
gstore_accumulator_merge(GstoreAccumulator *to, int kind, bool real,
						 const GstoreAccumulator *from)
{
	if (kind == GSTORE_AGGREGATE_MOMENTS)
		gstore_moments_add(to, from);
	else
		gstore_accumulator_add(to, kind, real, from);
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

/* What one value accumulates to. */
GSTORE_LANE_FUNC GstoreAccumulator
gstore_accumulator_of(const GstoreKernelAggregate *aggregate, bool real,
					  uint64 word)
{
	GstoreAccumulator one;
	double value;

	one.low = gstore_widen(aggregate->type, word);
	one.high = (uint64) ((int64) one.low >> 63);
	one.count = 1;
	if (real)
	{
		value = gstore_word_float8(one.low);
		if (gstore_infinite_float8(value))
			one.count |= GSTORE_SAW_INFINITE;
		/* from infinity, and from NaN, nothing has a distance */
		one.high = gstore_to_word_float8(value - value);
	}
	return one;
}

/* Does a row count, and with which value?  *error: a state that is one. */
GSTORE_LANE_FUNC bool
gstore_counts(const GstoreTile *tile, const GstoreKernelAggregate *aggregate,
			  uint32 row, uint64 *word, uint32 *error)
{
	uint8 state = GSTORE_STATE_VALUE;

	*word = 1;
	if (aggregate->filter != GSTORE_NO_REGISTER)
		state = gstore_tile_value(tile, aggregate->filter, row, word);
	if (state == GSTORE_STATE_VALUE && (uint8) *word == 0)
		return false;
	if (state == GSTORE_STATE_VALUE &&
		aggregate->argument != GSTORE_NO_REGISTER)
		state = gstore_tile_value(tile, aggregate->argument, row, word);
	if (state > GSTORE_STATE_NULL)
		*error = state;
	return state == GSTORE_STATE_VALUE;
}

/* The lane's rows of the tile that are alive: of an aggregate whose accumulator
 * takes long to change, one by one. */
GSTORE_LANE_FUNC void
gstore_accumulate_by_row(GstoreAccumulator *sum, const GstoreTile *tile,
						 const GstoreKernelAggregate *aggregate,
						 uint32 *error)
{
	ROLLED EACH_ROW
	{
		GstoreAccumulator one;
		uint64 word;

		if ((tile->alive >> r & 1) == 0 ||
			!gstore_counts(tile, aggregate,
						   tile->lane * GSTORE_LANE_ROWS + r, &word, error))
			continue;
		one = gstore_accumulator_of(aggregate, true, word);
		gstore_moments_add(sum, &one);
	}
}

/* The same, all at a time. */
GSTORE_LANE_FUNC void
gstore_accumulate_rows(GstoreAccumulator *sum, const GstoreTile *tile,
					   const GstoreKernelAggregate *aggregate, uint32 *error)
{
	bool real = gstore_type_is_real(aggregate->type);
	uint32 rows = tile->alive;
	GstoreLaneValues values;

	if (aggregate->filter != GSTORE_NO_REGISTER)
	{
		values = gstore_tile_fetch(tile, aggregate->filter);
		UNROLLED EACH_ROW
		{
			uint8 state = gstore_state_of(values.states, r);

			if (state > GSTORE_STATE_NULL && (rows >> r & 1))
				*error = state;
			if (state != GSTORE_STATE_VALUE || (uint8) values.words[r] == 0)
				rows &= ~(1u << r);
		}
	}
	UNROLLED EACH_ROW values.words[r] = 0;
	values.states = 0;
	if (aggregate->argument != GSTORE_NO_REGISTER)
		values = gstore_tile_fetch(tile, aggregate->argument);
	UNROLLED EACH_ROW
	{
		uint8 state = gstore_state_of(values.states, r);
		GstoreAccumulator one;

		if ((rows >> r & 1) == 0)
			continue;
		if (state > GSTORE_STATE_NULL)
			*error = state;
		one = gstore_accumulator_of(aggregate, real, values.words[r]);
		if (state == GSTORE_STATE_VALUE)
			gstore_accumulator_add(sum, aggregate->kind, real, &one);
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
		GstoreAccumulator sum = {accumulators->low[at], accumulators->high[at],
								 accumulators->count[at]};

		if (aggregate.kind == GSTORE_AGGREGATE_MOMENTS)
			gstore_accumulate_by_row(&sum, tile, &aggregate, error);
		else
			gstore_accumulate_rows(&sum, tile, &aggregate, error);
		accumulators->low[at] = sum.low;
		accumulators->high[at] = sum.high;
		accumulators->count[at] = sum.count;
	}
}

/* After a barrier of the block: its lanes' accumulators into one of each
 * aggregate. */
GSTORE_LANE_FUNC void
gstore_accumulators_end(const GstoreAccumulators *accumulators,
						GstoreAccumulator *to)
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
		to[i] = sum;
	}
}

#endif
