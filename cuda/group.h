/*
 * group.h
 *	  Groups: a small table of each warp's own, and one that all have in common.
 *
 * A warp keeps the first groups it meets in shared memory, where it is alone:
 * lanes share out not the rows of a tile but the aggregates, and each goes
 * through the rows with accumulators that no other lane touches.  So nothing
 * there is atomic, however few groups there are.  Rows of other groups go to the
 * common table in device memory, each lane with its own, by atomic operations;
 * and a warp that meets too many of them gives its own table up.  At the end what
 * warps have goes to the common table too, which is all that is told.
 *
 * In the common table a word is in one of these states, and goes to the next:
 *
 *	 0						free
 *	 hash, GROUP_MADE		a lane is making the record; others with the hash wait
 *	 hash, number + 1		the record can be read
 *	 hash, GROUP_LACKING	there was no room for the record: the launch is void
 *
 * Nobody who has a word in the second state waits for anything, so there is no
 * deadlock.  Keys are compared as words: equal values have equal ones.
 */
#ifndef GSTORE_GROUP_H
#define GSTORE_GROUP_H

#include "accumulate.h"

#define GROUP_MADE UINT64_C(0xFFFFFFFF)
#define GROUP_LACKING UINT64_C(0xFFFFFFFE)
#define GROUP_NUMBER UINT64_C(0xFFFFFFFF)

/* In the small table: the row has no group there. */
#define NO_FEW 0xFF

/* The words by which a row or a group is known: key k is at [k * stride], and
 * behind the last one is which of them are NULL. */
typedef struct GstoreKeys
{
	const uint64 *words;
	uint32 stride;
} GstoreKeys;

/* ---- keys ---- */

/* A text of up to 8 bytes as a word; *left: it is longer, or has a zero. */
GSTORE_LANE_FUNC uint64
gstore_text_key(const GstoreTile *tile, uint64 word, uint32 *left)
{
	GstoreText text = gstore_tile_text(tile, word);
	uint64 key = 0;

	if (text.length > sizeof(key))
	{
		*left = 1;
		return 0;
	}
	ROLLED for (uint32 i = 0; i < text.length; i++)
	{
		if (text.data[i] == 0)
			*left = 1;
		key |= (uint64) text.data[i] << (8 * i);
	}
	return key;
}

GSTORE_LANE_FUNC uint64
gstore_key_of(const GstoreTile *tile, int type, uint64 word, uint32 *left)
{
	double value;

	if (type == GSTORE_TYPE_TEXT)
		return gstore_text_key(tile, word, left);
	word = gstore_widen(type, word);
	if (!gstore_type_is_real(type))
		return word;
	value = gstore_word_float8(word);
	if (value == 0)
		return 0; /* also of minus zero */
	return value == value ? word : UINT64_C(0x7FF8000000000000);
}

/* The keys of the lane's rows that are alive, into the slots for them. */
GSTORE_LANE_FUNC void
gstore_tile_keys(GstoreTile *tile, const GstoreKernelKey *keys, uint32 *error,
				 uint32 *left)
{
	const GstoreLaunch *launch = tile->launch;
	uint64 *slots = tile->words + launch->key_slot * GSTORE_TILE_ROWS +
					tile->lane * GSTORE_LANE_ROWS;

	ROLLED EACH_ROW
	{
		uint64 *to = slots + r;
		uint64 nulls = 0;

		if ((tile->alive >> r & 1) == 0)
			continue;
		for (uint32 k = 0; k < launch->nkeys; k++, to += GSTORE_TILE_ROWS)
		{
			uint64 word;
			uint8 state =
				gstore_tile_value(tile, keys[k].operand,
								  tile->lane * GSTORE_LANE_ROWS + r, &word);

			*to = 0;
			if (state == GSTORE_STATE_VALUE)
				*to = gstore_key_of(tile, keys[k].type, word, left);
			else if (state == GSTORE_STATE_NULL)
				nulls |= UINT64_C(1) << k;
			else
				*error = state;
		}
		*to = nulls;
	}
}

/* What the tile has of a row. */
GSTORE_LANE_FUNC GstoreKeys
gstore_keys_of_row(const GstoreTile *tile, uint32 row)
{
	GstoreKeys keys;

	keys.words = tile->words + tile->launch->key_slot * GSTORE_TILE_ROWS + row;
	keys.stride = GSTORE_TILE_ROWS;
	return keys;
}

GSTORE_LANE_FUNC uint64
gstore_keys_hash(GstoreKeys keys, uint32 nkeys)
{
	uint64 hash = 0;

	for (uint32 k = 0; k <= nkeys; k++)
	{
		hash = (hash ^ keys.words[k * keys.stride]) *
			   UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	return hash;
}

GSTORE_LANE_FUNC bool
gstore_keys_equal(GstoreKeys a, GstoreKeys b, uint32 nkeys)
{
	uint64 differing = 0;

	for (uint32 k = 0; k <= nkeys; k++)
		differing |= a.words[k * a.stride] ^ b.words[k * b.stride];
	return differing == 0;
}

/* ---- the common table ---- */

typedef struct GstoreGroupTable
{
	const GstoreLaunch *launch;
	const GstoreKernelAggregate *aggregates;
	GstoreLaunchResult *result;
	uint64 *table;
	uint64 *records;
	uint32 record_words;
} GstoreGroupTable;

GSTORE_LANE_FUNC void
gstore_table_begin(GstoreGroupTable *table, const GstoreLaunch *launch,
				   uint64 argument)
{
	const uint8 *base = (const uint8 *) launch;

	table->launch = launch;
	table->aggregates =
		(const GstoreKernelAggregate *) (base + launch->aggregates);
	table->result = (GstoreLaunchResult *) (base + launch->result);
	table->record_words = (uint32) GSTORE_RECORD_WORDS(launch->nkeys,
													   launch->naggregates);
	table->table =
		(uint64 *) gstore_global(argument + launch->table,
								 (launch->mask + 1) * sizeof(uint64));
	table->records =
		(uint64 *) gstore_global(argument + launch->records,
								 launch->capacity * table->record_words *
									 sizeof(uint64));
}

GSTORE_LANE_FUNC bool
gstore_table_is_full(const GstoreGroupTable *table)
{
	return gstore_read_word(&table->result->ngroups) >
		   table->launch->capacity;
}

/* What a state is before anything is accumulated. */
GSTORE_LANE_FUNC void
gstore_shared_state_begin(GstoreSharedState *state, int kind)
{
	state->low = kind == GSTORE_AGGREGATE_MIN	? (uint64) INT64_MAX
				 : kind == GSTORE_AGGREGATE_MAX ? (uint64) INT64_MIN
				 : kind == GSTORE_AGGREGATE_AND ? ~UINT64_C(0)
												: 0;
	state->high = 0;
	state->count = 0;
	state->middle = GSTORE_NO_MIDDLE;
}

/* A new record; NULL: there is no room. */
GSTORE_LANE_FUNC uint64 *
gstore_table_make(GstoreGroupTable *table, GstoreKeys keys, uint64 *number)
{
	const GstoreLaunch *launch = table->launch;
	uint64 *record;
	GstoreSharedState *states;

	*number = gstore_atomic_add(&table->result->ngroups, 1);
	if (*number >= launch->capacity)
		return NULL;
	record = table->records + *number * table->record_words;
	for (uint32 k = 0; k <= launch->nkeys; k++)
		record[k] = keys.words[k * keys.stride];
	states = (GstoreSharedState *) (record + launch->nkeys + 1);
	for (uint32 i = 0; i < launch->naggregates; i++)
		gstore_shared_state_begin(&states[i], table->aggregates[i].kind);
	return record;
}

/* Is it the keys' record?  It was written before its number was: a fence, which
 * costs, is needed only if that was not enough. */
GSTORE_LANE_FUNC bool
gstore_record_is(const uint64 *record, GstoreKeys keys, uint32 nkeys)
{
	for (int attempt = 0; attempt < 2; attempt++)
	{
		uint64 differing = 0;

		for (uint32 k = 0; k <= nkeys; k++)
			differing |= gstore_read_word(&record[k]) ^
						 keys.words[k * keys.stride];
		if (differing == 0)
			return true;
		gstore_fence();
	}
	return false;
}

/* The record of a group, made if there is none; NULL: there is no room. */
GSTORE_LANE_FUNC uint64 *
gstore_table_find(GstoreGroupTable *table, GstoreKeys keys)
{
	const GstoreLaunch *launch = table->launch;
	uint64 hash = gstore_keys_hash(keys, launch->nkeys);
	uint64 tag = hash & ~GROUP_NUMBER;
	uint64 at = hash & launch->mask;
	uint64 seen = 0;

	/* once there is no room, words run out too */
	while (seen <= launch->mask)
	{
		uint64 word = gstore_read_word(&table->table[at]);
		uint64 *record;
		uint64 number;

		if (word == 0)
		{
			if (gstore_table_is_full(table))
				return NULL;
			word = gstore_atomic_replace(&table->table[at], 0,
										 tag | GROUP_MADE);
			if (word == 0)
			{
				record = gstore_table_make(table, keys, &number);
				gstore_fence();
				(void) gstore_atomic_exchange(&table->table[at],
											  tag | (record == NULL ? GROUP_LACKING
																	: number + 1));
				return record;
			}
		}
		if ((word & ~GROUP_NUMBER) == tag)
		{
			number = word & GROUP_NUMBER;
			if (number == GROUP_LACKING)
				return NULL;
			if (number == GROUP_MADE)
			{
				gstore_pause();
				continue;
			}
			record = table->records + (number - 1) * table->record_words;
			if (gstore_record_is(record, keys, launch->nkeys))
				return record;
		}
		at = (at + 1) & launch->mask;
		seen++;
	}
	return NULL;
}

/* The middle of a group's values: the first one that comes is it. */
GSTORE_LANE_FUNC double
gstore_shared_middle(GstoreSharedState *state, double value)
{
	uint64 middle = gstore_read_word(&state->middle);

	if (middle == GSTORE_NO_MIDDLE)
	{
		uint64 own = value == value ? gstore_to_word_float8(value)
									: UINT64_C(0x7FF8000000000000);

		middle = gstore_atomic_replace(&state->middle, GSTORE_NO_MIDDLE, own);
		if (middle == GSTORE_NO_MIDDLE)
			middle = own;
	}
	return gstore_word_float8(middle);
}

/* What was accumulated elsewhere, into the state of a group. */
GSTORE_LANE_FUNC void
gstore_shared_merge(GstoreSharedState *to, int kind, bool real,
					const GstoreAccumulator *from)
{
	uint64 n = gstore_values_counted(from);
	double value = gstore_word_float8(from->low);
	int64 rank = real ? gstore_rank(value) : (int64) from->low;
	uint64 carry;
	double mean;
	double apart;

	if (n == 0)
		return;
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (real)
			{
				gstore_atomic_add_real(&to->low, value);
				break;
			}
			carry = gstore_atomic_add(&to->low, from->low) > ~from->low;
			if (from->high + carry != 0)
				(void) gstore_atomic_add(&to->high, from->high + carry);
			break;
		case GSTORE_AGGREGATE_MIN:
			gstore_atomic_least(&to->low, rank);
			break;
		case GSTORE_AGGREGATE_MAX:
			gstore_atomic_greatest(&to->low, rank);
			break;
		case GSTORE_AGGREGATE_AND:
			gstore_atomic_and(&to->low, from->low);
			break;
		case GSTORE_AGGREGATE_OR:
			gstore_atomic_or(&to->low, from->low);
			break;
		case GSTORE_AGGREGATE_MOMENTS:
			mean = value / (double) n;
			apart = mean - gstore_shared_middle(to, mean);
			gstore_atomic_add_real(&to->low, value);
			gstore_atomic_add_real(&to->high,
								   gstore_word_float8(from->high) +
									   (double) n * apart * apart);
			break;
		default:
			break;
	}
	(void) gstore_atomic_add(&to->count, n);
	if (from->count & GSTORE_SAW_INFINITE)
		gstore_atomic_or(&to->count, GSTORE_SAW_INFINITE);
}

/* Some of the lane's rows into the common table. */
GSTORE_LANE_FUNC void
gstore_table_add(GstoreGroupTable *table, const GstoreTile *tile, uint32 rows,
				 uint32 *error)
{
	const GstoreLaunch *launch = table->launch;

	ROLLED EACH_ROW
	{
		uint32 row = tile->lane * GSTORE_LANE_ROWS + r;
		GstoreSharedState *states;
		uint64 *record;

		if ((rows >> r & 1) == 0)
			continue;
		record = gstore_table_find(table, gstore_keys_of_row(tile, row));
		if (record == NULL)
			return;
		states = (GstoreSharedState *) (record + launch->nkeys + 1);
		for (uint32 i = 0; i < launch->naggregates; i++)
		{
			GstoreKernelAggregate aggregate = table->aggregates[i];
			bool real = gstore_type_is_real(aggregate.type);
			GstoreAccumulator one;
			uint64 word;

			if (!gstore_counts(tile, &aggregate, row, &word, error))
				continue;
			one = gstore_accumulator_of(&aggregate, real, word);
			gstore_shared_merge(&states[i], aggregate.kind, real, &one);
		}
	}
}

/* ---- a warp's own table ---- */

typedef struct GstoreFewGroups
{
	const GstoreLaunch *launch;
	const GstoreKernelAggregate *aggregates;
	uint64 *keys;					 /* [nkeys + 1][few] */
	GstoreAccumulator *accumulators; /* [few][unit]; a unit is a copy's
									  * aggregate */
	uint8 *index;					 /* [2 * few] number + 1; 0: free */
	uint8 *numbers;					 /* of the groups of a tile's rows */
	uint32 units;
	uint32 used;
	bool open; /* rows go to it at all; the same in all lanes */
} GstoreFewGroups;

GSTORE_LANE_FUNC void
gstore_few_begin(GstoreFewGroups *few, const GstoreTile *tile, uint8 *shared)
{
	const GstoreLaunch *launch = tile->launch;
	uint32 n = launch->few;

	few->launch = launch;
	few->aggregates =
		(const GstoreKernelAggregate *) ((const uint8 *) launch +
										 launch->aggregates);
	few->units = launch->copies * launch->naggregates;
	few->used = 0;
	few->open = n > 0;
	few->keys = (uint64 *) shared;
	few->accumulators =
		(GstoreAccumulator *) (few->keys + n * (launch->nkeys + 1));
	few->index = (uint8 *) (few->accumulators + n * few->units);
	few->numbers = few->index + 2 * n;
	for (uint32 i = tile->lane; i < n * few->units; i += GSTORE_WARP)
		few->accumulators[i].low = few->accumulators[i].high =
			few->accumulators[i].count = 0;
	for (uint32 i = tile->lane; i < 2 * n; i += GSTORE_WARP)
		few->index[i] = 0;
	gstore_sync_warp();
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

/* Each lane accumulates for an aggregate, or for a copy of it over some of the
 * rows. */
GSTORE_LANE_FUNC void
gstore_few_accumulate(GstoreFewGroups *few, const GstoreTile *tile,
					  uint32 *error)
{
	uint32 copies = few->launch->copies;
	uint32 rows = GSTORE_TILE_ROWS / copies;

	for (uint32 unit = tile->lane; unit < few->units; unit += GSTORE_WARP)
	{
		uint32 number = unit % few->launch->naggregates;
		GstoreKernelAggregate aggregate = few->aggregates[number];
		bool real = gstore_type_is_real(aggregate.type);

		/* not the same row in all lanes: it would be in one bank of memory */
		for (uint32 i = 0; i < rows; i++)
		{
			uint32 row = ((i + number) & (rows - 1)) * copies +
						 unit / few->launch->naggregates;
			uint32 group = few->numbers[row];
			GstoreAccumulator *to;
			GstoreAccumulator sum;
			GstoreAccumulator one;
			uint64 word;

			if (group == NO_FEW ||
				!gstore_counts(tile, &aggregate, row, &word, error))
				continue;
			to = few->accumulators + group * few->units + unit;
			sum = *to;
			one = gstore_accumulator_of(&aggregate, real, word);
			gstore_accumulator_merge(&sum, aggregate.kind, real, &one);
			*to = sum;
		}
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
	while (lanes != 0 && few->used < few->launch->few)
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
		for (uint32 unit = 0; unit < few->units; unit++)
		{
			uint32 number = unit % launch->naggregates;
			GstoreKernelAggregate aggregate = few->aggregates[number];

			gstore_shared_merge(&states[number], aggregate.kind,
								gstore_type_is_real(aggregate.type),
								&few->accumulators[g * few->units + unit]);
		}
	}
}

#endif
