/*
 * group.h
 *	  Groups: a small table of each warp's own (group_few.h), and one that all have
 *	  in common.
 *
 * A warp keeps the first groups it meets in shared memory, where it is alone:
 * lanes share out aggregates before rows, and each goes through its rows with
 * accumulators that no other lane touches.  So nothing
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

#endif
