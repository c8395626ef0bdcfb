/*
 * group_few.h
 *	  A warp's own table of groups, in shared memory: see group.h.
 */
#ifndef GSTORE_GROUP_FEW_H
#define GSTORE_GROUP_FEW_H

#include "group.h"

/* In the small table: the row has no group there. */
#define NO_FEW 0xFF

/*
 * A group has some copies of its accumulators, so that more lanes have some of
 * their own: a lane goes through the rows of a copy, for an aggregate.  Where
 * there are more groups than fit so, copies become fewer.
 */
typedef struct GstoreFewGroups
{
	const GstoreLaunch *launch;
	const GstoreKernelAggregate *aggregates;
	uint64 *keys;					 /* [nkeys + 1][few] */
	GstoreAccumulator *accumulators; /* [group][copy][aggregate] */
	uint8 *index;					 /* [2 * few] number + 1; 0: free */
	uint8 *numbers;					 /* of the groups of a tile's rows */
	/* the same in all lanes: */
	uint32 copies;
	uint32 capacity;
	uint32 used;
	bool open; /* rows go to it at all */
} GstoreFewGroups;

GSTORE_LANE_FUNC void
gstore_few_begin(GstoreFewGroups *few, const GstoreTile *tile, uint8 *shared)
{
	const GstoreLaunch *launch = tile->launch;
	uint32 n = launch->few;
	uint32 naccumulators = launch->few_records * launch->naggregates;

	few->launch = launch;
	few->aggregates =
		(const GstoreKernelAggregate *) ((const uint8 *) launch +
										 launch->aggregates);
	few->copies = launch->copies;
	few->capacity = Min(n, launch->few_records / launch->copies);
	few->used = 0;
	few->open = n > 0;
	few->keys = (uint64 *) shared;
	few->accumulators =
		(GstoreAccumulator *) (few->keys + n * (launch->nkeys + 1));
	few->index = (uint8 *) (few->accumulators + naccumulators);
	few->numbers = few->index + 2 * n;
	if (n == 0)
		return;
	for (uint32 i = tile->lane; i < naccumulators; i += GSTORE_WARP)
		few->accumulators[i].low = few->accumulators[i].high =
			few->accumulators[i].count = 0;
	for (uint32 i = tile->lane; i < 2 * n; i += GSTORE_WARP)
		few->index[i] = 0;
	gstore_sync_warp();
}

/* Make room by halving the copies; false: there is none to be had. */
GSTORE_LANE_FUNC bool
gstore_few_widen(GstoreFewGroups *few, const GstoreTile *tile)
{
	uint32 naggregates = few->launch->naggregates;
	uint32 half = few->copies / 2;

	if (half == 0 || few->capacity == few->launch->few)
		return false;
	gstore_sync_warp();
	/* what is written has been read: it goes to the front */
	for (uint32 a = tile->lane; a < naggregates; a += GSTORE_WARP)
		for (uint32 i = 0; i < few->used * half; i++)
		{
			uint32 from = i / half * few->copies + i % half;
			GstoreAccumulator sum = few->accumulators[from * naggregates + a];

			gstore_accumulator_merge(&sum, few->aggregates[a].kind,
									 gstore_type_is_real(few->aggregates[a].type),
									 &few->accumulators[(from + half) *
															naggregates +
														a]);
			few->accumulators[i * naggregates + a] = sum;
		}
	gstore_sync_warp();
	for (uint32 i = few->used * half * naggregates + tile->lane;
		 i < few->launch->few_records * naggregates; i += GSTORE_WARP)
		few->accumulators[i].low = few->accumulators[i].high =
			few->accumulators[i].count = 0;
	gstore_sync_warp();
	few->copies = half;
	few->capacity = Min(few->launch->few, few->launch->few_records / half);
	return true;
}

GSTORE_LANE_FUNC GstoreKeys
gstore_keys_of_few(const GstoreFewGroups *few, uint32 number)
{
	GstoreKeys keys;

	keys.words = few->keys + number;
	keys.stride = few->launch->few;
	return keys;
}

/* The number of a row's group, NO_FEW if there is none; *at is where in the
 * index it is, or would be. */
GSTORE_LANE_FUNC uint8
gstore_few_find(const GstoreFewGroups *few, GstoreKeys keys, uint32 *at)
{
	uint32 mask = 2 * few->launch->few - 1;

	*at = (uint32) gstore_keys_hash(keys, few->launch->nkeys) & mask;
	for (; few->index[*at] != 0; *at = (*at + 1) & mask)
	{
		uint8 number = (uint8) (few->index[*at] - 1);

		if (gstore_keys_equal(gstore_keys_of_few(few, number), keys,
							  few->launch->nkeys))
			return number;
	}
	return NO_FEW;
}

/* Look for the groups of some of the lane's rows; those that have none. */
GSTORE_LANE_FUNC uint32
gstore_few_look(GstoreFewGroups *few, const GstoreTile *tile, uint32 rows)
{
	uint32 lacking = 0;

	ROLLED EACH_ROW
	{
		uint32 row = tile->lane * GSTORE_LANE_ROWS + r;
		uint32 at;

		if ((rows >> r & 1) == 0)
			continue;
		few->numbers[row] =
			gstore_few_find(few, gstore_keys_of_row(tile, row), &at);
		if (few->numbers[row] == NO_FEW)
			lacking |= 1u << r;
	}
	return lacking;
}

/* A group for a row that has none; there is room for it. */
GSTORE_LANE_FUNC void
gstore_few_make(GstoreFewGroups *few, const GstoreTile *tile, uint32 row)
{
	GstoreKeys keys = gstore_keys_of_row(tile, row);
	uint32 at;

	(void) gstore_few_find(few, keys, &at);
	for (uint32 k = 0; k <= few->launch->nkeys; k++)
		few->keys[k * few->launch->few + few->used] =
			keys.words[k * keys.stride];
	few->index[at] = (uint8) (few->used + 1);
}

/* What a lane accumulates, of every so manieth row of the tile. */
typedef struct GstoreFewShare
{
	GstoreKernelAggregate aggregate;
	uint32 number; /* of the aggregate */
	uint32 copy;
	uint32 rows;
} GstoreFewShare;

/* Row i of a share.  Not the same one in lanes of other aggregates: it would be
 * in one bank of memory. */
GSTORE_LANE_FUNC uint32
gstore_few_row(const GstoreFewGroups *few, const GstoreFewShare *share,
			   uint32 i)
{
	return ((i + share->number) & (share->rows - 1)) * few->copies +
		   share->copy;
}

GSTORE_LANE_FUNC GstoreAccumulator *
gstore_few_accumulator(const GstoreFewGroups *few, const GstoreFewShare *share,
					   uint32 group)
{
	return few->accumulators +
		   (group * few->copies + share->copy) * few->launch->naggregates +
		   share->number;
}

/* Is it a count, or a sum of integers, of a slot or of rows, without a filter? */
GSTORE_LANE_FUNC bool
gstore_is_plain(const GstoreKernelAggregate *aggregate)
{
	return aggregate->filter == GSTORE_NO_REGISTER &&
		   (aggregate->argument == GSTORE_NO_REGISTER ||
			(aggregate->argument & GSTORE_OPERAND_CONSTANT) == 0) &&
		   (aggregate->kind == GSTORE_AGGREGATE_COUNT ||
			(aggregate->kind == GSTORE_AGGREGATE_SUM &&
			 !gstore_type_is_real(aggregate->type)));
}

/* The short way for those. */
GSTORE_LANE_FUNC void
gstore_few_add_plain(const GstoreFewGroups *few, const GstoreTile *tile,
					 const GstoreFewShare *share, uint32 *error)
{
	uint32 type = share->aggregate.type;
	bool has_argument = share->aggregate.argument != GSTORE_NO_REGISTER;
	uint32 slot = has_argument ? share->aggregate.argument : 0;
	const uint64 *words = tile->words + slot * GSTORE_TILE_ROWS;
	const uint8 *states = (const uint8 *) (tile->states + slot * GSTORE_WARP);
	uint32 unused_bits = type == GSTORE_TYPE_INT4	? 32
						 : type == GSTORE_TYPE_INT2 ? 48
													: 0;

	for (uint32 i = 0; i < share->rows; i++)
	{
		uint32 row = gstore_few_row(few, share, i);
		uint32 group = few->numbers[row];
		uint8 state = has_argument ? states[row] : (uint8) GSTORE_STATE_VALUE;
		GstoreAccumulator *to;
		int64 value;

		if (group == NO_FEW)
			continue;
		if (state != GSTORE_STATE_VALUE)
		{
			if (state > GSTORE_STATE_NULL)
				*error = state;
			continue;
		}
		/* of a count it means nothing */
		value = (int64) (words[row] << unused_bits) >> unused_bits;
		to = gstore_few_accumulator(few, share, group);
		to->low += (uint64) value;
		to->high += (uint64) (value >> 63) + (to->low < (uint64) value);
		to->count++;
	}
}

GSTORE_LANE_FUNC void
gstore_few_add_any(const GstoreFewGroups *few, const GstoreTile *tile,
				   const GstoreFewShare *share, uint32 *error)
{
	bool real = gstore_type_is_real(share->aggregate.type);

	for (uint32 i = 0; i < share->rows; i++)
	{
		uint32 row = gstore_few_row(few, share, i);
		uint32 group = few->numbers[row];
		GstoreAccumulator *to;
		GstoreAccumulator sum;
		GstoreAccumulator one;
		uint64 word;

		if (group == NO_FEW ||
			!gstore_counts(tile, &share->aggregate, row, &word, error))
			continue;
		to = gstore_few_accumulator(few, share, group);
		sum = *to;
		one = gstore_accumulator_of(&share->aggregate, real, word);
		gstore_accumulator_merge(&sum, share->aggregate.kind, real, &one);
		*to = sum;
	}
}

/* The rows that have a group, into its accumulators. */
GSTORE_LANE_FUNC void
gstore_few_accumulate(const GstoreFewGroups *few, const GstoreTile *tile,
					  uint32 *error)
{
	uint32 naggregates = few->launch->naggregates;

	for (uint32 unit = tile->lane; unit < few->copies * naggregates;
		 unit += GSTORE_WARP)
	{
		GstoreFewShare share;

		share.number = unit % naggregates;
		share.copy = unit / naggregates;
		share.rows = GSTORE_TILE_ROWS / few->copies;
		share.aggregate = few->aggregates[share.number];
		if (gstore_is_plain(&share.aggregate))
			gstore_few_add_plain(few, tile, &share, error);
		else
			gstore_few_add_any(few, tile, &share, error);
	}
}

/* The rows of the tile that are alive; returns those whose group is not in the
 * table.  One that has most rows elsewhere is closed. */
GSTORE_LANE_FUNC uint32
gstore_few_add(GstoreFewGroups *few, const GstoreTile *tile, uint32 *error)
{
	uint32 lacking;
	uint32 lanes;

	if (!few->open)
		return tile->alive;
	UNROLLED EACH_ROW few->numbers[tile->lane * GSTORE_LANE_ROWS + r] = NO_FEW;
	lacking = gstore_few_look(few, tile, tile->alive);
	lanes = gstore_warp_ballot(lacking != 0);
	while (lanes != 0 &&
		   (few->used < few->capacity || gstore_few_widen(few, tile)))
	{
		if (tile->lane == gstore_lowest_bit(lanes))
			gstore_few_make(few, tile,
							tile->lane * GSTORE_LANE_ROWS +
								gstore_lowest_bit(lacking));
		few->used++;
		gstore_sync_warp();
		lacking = gstore_few_look(few, tile, lacking);
		lanes = gstore_warp_ballot(lacking != 0);
	}
	gstore_sync_warp();
	gstore_few_accumulate(few, tile, error);
	few->open = gstore_count_bits(lanes) <= GSTORE_WARP / 2;
	gstore_sync_warp();
	return lacking;
}

/* All of it into the common table. */
GSTORE_LANE_FUNC void
gstore_few_end(GstoreFewGroups *few, GstoreGroupTable *table, uint32 lane)
{
	const GstoreLaunch *launch = few->launch;

	for (uint32 g = lane; g < few->used; g += GSTORE_WARP)
	{
		uint64 *record = gstore_table_find(table, gstore_keys_of_few(few, g));
		GstoreSharedState *states;

		if (record == NULL)
			return;
		states = (GstoreSharedState *) (record + launch->nkeys + 1);
		for (uint32 i = 0; i < few->copies * launch->naggregates; i++)
		{
			uint32 number = i % launch->naggregates;
			GstoreKernelAggregate aggregate = few->aggregates[number];

			gstore_shared_merge(&states[number], aggregate.kind,
								gstore_type_is_real(aggregate.type),
								&few->accumulators[g * few->copies *
													   launch->naggregates +
												   i]);
		}
	}
}

#endif
