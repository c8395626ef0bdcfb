/*
 * engine_merge.c
 *	  How tables of groups become one, and how that is read.
 *
 * Includes no PostgreSQL header.
 */
#include "exec/engine_groups.h"

/* Groups from which on another thread's finding them too costs more than
 * sharing them. */
#define MANY_GROUPS 32768

/* ---- what a table is like ---- */

bool
gstore_groups_many(const GstoreGroups *groups)
{
	return groups->ngroups >= MANY_GROUPS && groups->sets == NULL &&
		   groups->direct == NULL && !groups->is_wide;
}

bool
gstore_groups_empty(const GstoreGroups *groups)
{
	uint64 number = 0;

	return !gstore_groups_next(groups, &number);
}

bool
gstore_groups_pay(const GstoreGroups *groups)
{
	return groups->rows >= groups->ngroups * 2;
}

GstoreEngineStatus
gstore_groups_failed(const GstoreGroups *groups)
{
	return groups->failed;
}

/* Its records are 0 again; a wide one becomes hashed. */
GstoreEngineStatus
gstore_groups_clear(GstoreGroups *groups)
{
	GstoreGroups *fresh;

	if (!groups->is_wide && groups->extras.data == NULL && !groups->has_texts)
	{
		memset(groups->records.data, 0, groups->ngroups * groups->record_bytes);
		memset(groups->slots.data, 0, (groups->mask + 1) * sizeof(uint64));
		groups->ngroups = groups->rows = 0;
		gstore_groups_only_hash(groups);
		return GSTORE_ENGINE_OK;
	}
	fresh = gstore_groups_create(groups->program, groups->memory_limit,
								 groups->options);
	if (fresh == NULL)
		return GSTORE_ENGINE_OUT_OF_MEMORY;
	gstore_groups_only_hash(fresh);
	gstore_groups_replace(groups, fresh);
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_groups_absorb(GstoreGroups *groups, int aggregate,
					 const GstoreAggregateState *state)
{
	gstore_state_put(groups, 0, aggregate, state, 0);
	return groups->failed;
}

/* Keys as words of a record; returns which are NULL. */
static uint32
words_of(const GstoreGroups *groups, const GstoreGroupKey *keys, uint64 *words)
{
	uint32 nulls = 0;

	for (int k = 0; k < groups->nkeys; k++)
	{
		const GstoreKeyLayout *key = &groups->keys[k];
		bool is_null = keys[k].meta == GSTORE_KEY_NULL;

		words[key->word] = is_null ? 0 : keys[k].word;
		if (key->has_meta)
			words[key->word + 1] = is_null || key->type == GSTORE_TYPE_TEXT ||
										   key->type == GSTORE_TYPE_NUMERIC
									   ? keys[k].meta
									   : 0;
		else if (is_null)
			nulls |= 1U << k;
	}
	return nulls;
}

GstoreEngineStatus
gstore_groups_absorb_group(GstoreGroups *groups, const GstoreGroupKey *keys,
						   const GstoreAggregateState *states)
{
	GstoreEngineStatus status = groups->is_wide ? gstore_wide_leave(groups)
												: GSTORE_ENGINE_OK;
	uint64 *words = groups->words; /* of no vector now */
	int64 counted = 0;
	uint32 number;
	uint32 nulls;

	if (status != GSTORE_ENGINE_OK)
		return status;
	nulls = words_of(groups, keys, words);
	number = gstore_group_find(groups, words, 1,
							   gstore_group_head(groups, groups->nkeys, words, 1,
												 nulls),
							   &status);
	if (number == GSTORE_NO_GROUP)
		return status;
	/* as many rows as any aggregate saw, which is mostly what all saw */
	for (int i = 0; i < groups->naggregates; i++)
		if (!groups->layouts[i].counts)
			counted = Max(counted, states[i].count);
	*gstore_group_rows(groups, number) += (uint64) counted;
	for (int i = 0; i < groups->naggregates; i++)
		gstore_state_put(groups, number, i, &states[i], counted);
	return groups->failed;
}

GstoreEngineStatus
gstore_groups_take(GstoreGroups *groups, const GstoreGroups *other,
				   const uint32 *numbers, int n)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint64 heads[GSTORE_PREFETCH_ROWS];
	uint64 words[GSTORE_PREFETCH_ROWS * 2];
	/* words of many keys stay where they are; wide tables have but one */
	bool in_place = !other->is_wide;

	for (int first = 0; first < n; first += GSTORE_PREFETCH_ROWS)
	{
		int end = Min(n - first, GSTORE_PREFETCH_ROWS);

		for (int i = 0; i < end; i++)
			heads[i] = in_place
						   ? *(uint64 *) gstore_group_record(other, numbers[first + i])
						   : gstore_group_words(other, numbers[first + i],
												&words[i]);
		gstore_groups_prefetch(groups, heads, end);
		for (int i = 0; i < end; i++)
		{
			uint32 from = numbers[first + i];
			const uint64 *own =
				in_place ? (uint64 *) gstore_group_record(other, from) + 1
						 : &words[i];
			uint32 number = gstore_group_find(groups, own, 1, heads[i], &status);

			if (number == GSTORE_NO_GROUP)
				return status;
			gstore_group_merge(groups, number, other, from);
		}
		if (groups->failed != GSTORE_ENGINE_OK)
			return groups->failed;
	}
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_groups_take_all(GstoreGroups *groups, const GstoreGroups *other,
					   const GstoreEngineOptions *options)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint32 numbers[GSTORE_VECTOR_ROWS];
	uint64 number = 0;
	int n = 0;

	do
	{
		for (n = 0; n < GSTORE_VECTOR_ROWS && gstore_groups_next(other, &number);
			 n++)
			numbers[n] = (uint32) number++;
		status = gstore_groups_take(groups, other, numbers, n);
		if (status == GSTORE_ENGINE_OK && options != NULL &&
			gstore_engine_stops(options))
			status = GSTORE_ENGINE_CANCELLED;
	} while (status == GSTORE_ENGINE_OK && n == GSTORE_VECTOR_ROWS);
	return status;
}

/* Where there are no keys: the one group there may be. */
static GstoreEngineStatus
merge_single(GstoreGroups *groups, const GstoreGroups *other)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	if (other->ngroups == 0)
		return GSTORE_ENGINE_OK;
	if (groups->ngroups == 0 &&
		gstore_group_new(groups, &status) == GSTORE_NO_GROUP)
		return status;
	gstore_group_merge(groups, 0, other, 0);
	return groups->failed;
}

GstoreEngineStatus
gstore_groups_merge(GstoreGroups *groups, const GstoreGroups *other,
					const GstoreEngineOptions *options)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	groups->memory_limit = options->memory_limit;
	if (groups->nkeys == 0)
		status = merge_single(groups, other);
	else if (groups->is_wide && other->is_wide && gstore_wide_join(groups, other))
		gstore_wide_merge(groups, other, 0, groups->ngroups);
	else
	{
		if (groups->is_wide)
			status = gstore_wide_leave(groups);
		if (status == GSTORE_ENGINE_OK)
			status = gstore_groups_take_all(groups, other, options);
	}
	for (int i = 0; groups->sets != NULL && i < groups->naggregates; i++)
	{
		if (status == GSTORE_ENGINE_OK && groups->sets[i] != NULL)
			status = gstore_groups_merge(groups->sets[i], other->sets[i],
										 options);
	}
	return status;
}

bool
gstore_groups_join(GstoreGroups *groups, const GstoreGroups *other,
				   const GstoreEngineOptions *options, uint64 *from, uint64 *to)
{
	if (!groups->is_wide || !other->is_wide || groups->sets != NULL)
		return false;
	groups->memory_limit = options->memory_limit;
	if (!gstore_wide_join(groups, other))
		return false;
	*from = groups->from;
	*to = groups->ngroups;
	groups->in_parts = true;
	return true;
}

void
gstore_groups_merge_part(GstoreGroups *groups, const GstoreGroups *other,
						 uint64 from, uint64 to)
{
	gstore_wide_merge(groups, other, from, to);
}

GstoreEngineStatus
gstore_groups_finish(GstoreGroups *groups, const GstoreEngineOptions *options)
{
	return groups->sets == NULL ? GSTORE_ENGINE_OK
								: gstore_distinct_finish(groups, options);
}

void
gstore_groups_only_hash(GstoreGroups *groups)
{
	gstore_direct_keys_destroy(groups->direct);
	groups->direct = NULL;
	groups->stays_hashed = true;
}

/* ---- reading ---- */

uint64
gstore_groups_positions(const GstoreGroups *groups)
{
	/* that of NULL has a vector for itself */
	return groups->is_wide
			   ? GSTORE_VECTOR_ROWS + groups->ngroups - groups->from
			   : groups->ngroups;
}

/* The numbers at positions: how many, and from which one on. */
static uint64
numbers_at(const GstoreGroups *groups, uint64 position, uint64 *number)
{
	if (!groups->is_wide)
	{
		*number = position;
		return groups->ngroups - position;
	}
	if (position == 0)
	{
		*number = 0;
		return 1;
	}
	*number = groups->from + position - GSTORE_VECTOR_ROWS;
	return groups->ngroups - *number;
}

void
gstore_groups_read(const GstoreGroups *groups, uint64 position,
				   GstoreGroupBatch *batch)
{
	GstoreGroupKey *keys = batch->keys;
	GstoreAggregateState *states = batch->states;
	uint64 number;
	int n = (int) Min(numbers_at(groups, position, &number), GSTORE_VECTOR_ROWS);

	batch->n = 0;
	for (int i = 0; i < n; i++, number++)
	{
		if (groups->is_wide)
		{
			if (*gstore_group_rows(groups, number) == 0)
				continue;
			keys->word = number == 0 ? 0 : (uint64) groups->base + number;
			keys->meta = number == 0 ? GSTORE_KEY_NULL : 0;
			if (number > 0 && groups->keys[0].type == GSTORE_TYPE_DECIMAL)
				keys->meta = groups->registers[groups->keys[0].reg].scale;
		}
		else
			for (int k = 0; k < groups->nkeys; k++)
			{
				const uint64 *record =
					(const uint64 *) gstore_group_record(groups, number);

				gstore_group_key(groups, k, record + 1, record[0], &keys[k]);
			}
		keys += groups->nkeys;
		for (int a = 0; a < groups->naggregates; a++)
			gstore_state_get(groups, number, a, states++);
		batch->at[batch->n++] = (uint16) i;
	}
}
