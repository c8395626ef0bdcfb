/*
 * engine_groups.c
 *	  Groups: a table of a thread's own, and how two become one.
 *
 * A hash table of record numbers, grown at half full, finds a group's record.
 * Texts of up to 8 bytes are kept in the key itself, longer ones are copied,
 * so that groups outlive the columns they came from.  Includes no PostgreSQL
 * header.
 */
#include <stdlib.h>

#include "exec/engine_groups.h"

/* The first block of texts, and the most that later ones grow to. */
#define FIRST_TEXT_BYTES (1 << 13)
#define TEXT_BLOCK_BYTES (1 << 18)

/* Texts of keys, one after the other. */
struct GstoreTextBlock
{
	GstoreTextBlock *next;
	uint64 used;
	uint64 room;
	uint8 data[];
};

/* Groups from which on they are beyond the caches. */
#define PREFETCH_GROUPS 8192
#define PREFETCH_AHEAD 16
/* Groups from which on another thread's finding them too costs more than
 * sharing them. */
#define MANY_GROUPS 32768

/* Count bytes that are about to be taken; false: they would pass the limit. */
static bool
count_memory(GstoreGroups *groups, uint64 bytes, GstoreEngineStatus *status)
{
	if (groups->memory_limit > 0 &&
		groups->memory + groups->ngroups * groups->record_bytes + bytes >
			groups->memory_limit)
	{
		*status = GSTORE_ENGINE_LIMIT;
		return false;
	}
	groups->memory += bytes;
	return true;
}

GstoreGroups *
gstore_groups_make(const GstoreProgram *program, const uint16 *keys, int nkeys,
				   int naggregates, uint64 memory_limit)
{
	GstoreGroups *groups = calloc(1, sizeof(*groups));
	uint64 most;

	if (groups == NULL)
		return NULL;
	groups->nkeys = nkeys;
	groups->naggregates = naggregates;
	groups->aggregates = GSTORE_PROGRAM_PART(program, GstoreProgramAggregate,
											 aggregates);
	groups->registers = GSTORE_PROGRAM_PART(program, GstoreRegister,
											registers);
	groups->memory_limit = memory_limit;
	groups->record_bytes = (uint32) Max(16, nkeys * sizeof(GstoreGroupKey) +
												naggregates *
													sizeof(GstoreAggregateState));
	most = (uint64) groups->record_bytes * (nkeys == 0 ? 1 : GSTORE_NO_GROUP);
	if (memory_limit > 0)
		most = Min(most, memory_limit + groups->record_bytes);
	groups->mask = 1023;
	groups->key_registers = calloc(Max(1, nkeys), sizeof(uint16));
	groups->keys = malloc(Max(1, nkeys) * sizeof(GstoreGroupKey) *
						  GSTORE_VECTOR_ROWS);
	if (groups->key_registers == NULL || groups->keys == NULL ||
		!gstore_space_reserve(&groups->records, most) ||
		!gstore_space_reserve(&groups->slots,
							  (groups->mask + 1) * sizeof(uint64)) ||
		!gstore_space_grow(&groups->slots,
						   (groups->mask + 1) * sizeof(uint64)))
	{
		gstore_groups_destroy(groups);
		return NULL;
	}
	for (int i = 0; i < nkeys; i++)
	{
		groups->key_registers[i] = keys[i];
		groups->has_texts |= groups->registers[keys[i]].type == GSTORE_TYPE_TEXT;
	}
	groups->direct = gstore_direct_keys_create(groups);
	return groups;
}

GstoreGroups *
gstore_groups_create(const GstoreProgram *program, uint64 memory_limit)
{
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);
	int tables = 1;
	GstoreGroups *groups;

	for (int i = 0; i < program->naggregates; i++)
		tables += aggregates[i].distinct;
	groups = gstore_groups_make(program,
								GSTORE_PROGRAM_PART(program, uint16, keys),
								program->nkeys, program->naggregates,
								memory_limit / tables);
	if (groups != NULL && tables > 1 &&
		!gstore_distinct_create(groups, program))
	{
		gstore_groups_destroy(groups);
		return NULL;
	}
	return groups;
}

void
gstore_groups_destroy(GstoreGroups *groups)
{
	if (groups == NULL)
		return;
	while (groups->texts != NULL)
	{
		GstoreTextBlock *next = groups->texts->next;

		free(groups->texts);
		groups->texts = next;
	}
	gstore_space_release(&groups->records);
	gstore_space_release(&groups->slots);
	free(groups->keys);
	free(groups->key_registers);
	gstore_distinct_destroy(groups);
	gstore_direct_keys_destroy(groups->direct);
	free(groups);
}

/* ---- finding groups ---- */

static inline uint64 *
slots_of(const GstoreGroups *groups)
{
	return (uint64 *) groups->slots.data;
}

static bool
grow_slots(GstoreGroups *groups, GstoreEngineStatus *status)
{
	uint64 mask = groups->mask * 2 + 1;
	uint64 bytes = (mask + 1) * sizeof(uint64);
	GstoreSpace space;
	uint64 *slots;

	if (!count_memory(groups, bytes, status))
		return false;
	if (!gstore_space_reserve(&space, bytes) ||
		!gstore_space_grow(&space, bytes))
	{
		gstore_space_release(&space);
		*status = GSTORE_ENGINE_OUT_OF_MEMORY;
		return false;
	}
	slots = (uint64 *) space.data;
	/* The slot keeps 32 bits of hash: enough to place it again. */
	for (uint64 i = 0; i <= groups->mask; i++)
	{
		uint64 slot = slots_of(groups)[i];
		uint64 at = (slot >> 32) & mask;

		if (slot == 0)
			continue;
		while (slots[at] != 0)
			at = (at + 1) & mask;
		slots[at] = slot;
	}
	groups->memory -= bytes / 2;
	gstore_space_release(&groups->slots);
	groups->slots = space;
	groups->mask = mask;
	return true;
}

void
gstore_groups_prefetch(const GstoreGroups *groups, const uint64 *hashes,
					   int n)
{
	const uint64 *slots = slots_of(groups);

	if (groups->ngroups < PREFETCH_GROUPS)
		return;
	/* The slots first, then the records that these name. */
	for (int i = 0; i < n + PREFETCH_AHEAD; i++)
	{
		if (i < n)
			__builtin_prefetch(&slots[hashes[i] & UINT32_MAX & groups->mask]);
		if (i >= PREFETCH_AHEAD)
		{
			uint64 hash = hashes[i - PREFETCH_AHEAD] & UINT32_MAX;
			uint64 slot = slots[hash & groups->mask];

			if (slot != 0)
				for (uint32 at = 0; at < groups->record_bytes; at += 64)
					__builtin_prefetch(gstore_group_record(groups,
														   (uint32) slot - 1) +
									   at);
		}
	}
}

uint32
gstore_group_new(GstoreGroups *groups, GstoreEngineStatus *status)
{
	if (groups->ngroups >= GSTORE_NO_GROUP ||
		!count_memory(groups, groups->record_bytes, status))
	{
		*status = GSTORE_ENGINE_LIMIT;
		return GSTORE_NO_GROUP;
	}
	groups->memory -= groups->record_bytes;
	if (!gstore_space_grow(&groups->records,
						   (groups->ngroups + 1) * groups->record_bytes))
	{
		*status = GSTORE_ENGINE_OUT_OF_MEMORY;
		return GSTORE_NO_GROUP;
	}
	return (uint32) groups->ngroups++;
}

/* A copy of a long text that lives as long as the groups. */
static uint8 *
keep_text(GstoreGroups *groups, const uint8 *data, uint64 length,
		  GstoreEngineStatus *status)
{
	GstoreTextBlock *block = groups->texts;
	uint8 *to;

	if (block == NULL || block->room - block->used < length)
	{
		uint64 room = block == NULL ? FIRST_TEXT_BYTES
									: Min(TEXT_BLOCK_BYTES, 2 * block->room);

		room = Max(room, length);

		if (!count_memory(groups, sizeof(GstoreTextBlock) + room, status))
			return NULL;
		block = malloc(sizeof(GstoreTextBlock) + room);
		if (block == NULL)
		{
			*status = GSTORE_ENGINE_OUT_OF_MEMORY;
			return NULL;
		}
		block->used = 0;
		block->room = room;
		block->next = groups->texts;
		groups->texts = block;
	}
	to = block->data + block->used;
	block->used += length;
	return memcpy(to, data, length);
}

static inline bool
is_long_text(const GstoreGroups *groups, int key, const GstoreGroupKey *value)
{
	return groups->registers[groups->key_registers[key]].type ==
			   GSTORE_TYPE_TEXT &&
		   value->meta != GSTORE_KEY_NULL && value->meta > 8;
}

bool
gstore_group_has_texts(const GstoreGroups *groups, uint32 number,
					   const GstoreGroupKey *keys, uint64 stride)
{
	const GstoreGroupKey *own =
		(const GstoreGroupKey *) gstore_group_record(groups, number);

	for (int i = 0; i < groups->nkeys; i++, keys += stride)
	{
		if (own[i].meta != keys->meta)
			return false;
		if (own[i].word != keys->word &&
			(!is_long_text(groups, i, keys) ||
			 memcmp((const void *) (uintptr_t) own[i].word,
					(const void *) (uintptr_t) keys->word, keys->meta) != 0))
			return false;
	}
	return true;
}

static inline uint64
mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 32);
}

uint64
gstore_group_hash(const GstoreGroups *groups, int key,
				  const GstoreGroupKey *value, uint64 hash)
{
	hash = mix(hash, value->meta);
	if (is_long_text(groups, key, value))
	{
		const uint8 *data = (const uint8 *) (uintptr_t) value->word;
		uint64 word;

		for (uint64 i = 0; i + 8 <= value->meta; i += 8)
		{
			memcpy(&word, data + i, 8);
			hash = mix(hash, word);
		}
		memcpy(&word, data + value->meta - 8, 8);
		return mix(hash, word);
	}
	return mix(hash, value->word);
}

/* Keep the keys in a new group's record, long texts as copies. */
static bool
keep_keys(GstoreGroups *groups, uint32 number, const GstoreGroupKey *keys,
		  uint64 stride, GstoreEngineStatus *status)
{
	GstoreGroupKey *own =
		(GstoreGroupKey *) gstore_group_record(groups, number);

	for (int i = 0; i < groups->nkeys; i++)
	{
		own[i] = keys[i * stride];
		if (is_long_text(groups, i, &own[i]))
		{
			uint8 *text = keep_text(groups,
									(const uint8 *) (uintptr_t) own[i].word,
									own[i].meta, status);

			if (text == NULL)
				return false;
			own[i].word = (uintptr_t) text;
		}
	}
	return true;
}

uint32
gstore_group_find(GstoreGroups *groups, const GstoreGroupKey *keys,
				  uint64 stride, uint64 hash, GstoreEngineStatus *status)
{
	uint64 tag = hash & UINT32_MAX;
	uint64 at = tag & groups->mask;
	uint64 slot;
	uint32 number;

	while ((slot = slots_of(groups)[at]) != 0)
	{
		number = (uint32) slot - 1;
		if (slot >> 32 == tag && gstore_group_is(groups, number, keys, stride))
			return number;
		at = (at + 1) & groups->mask;
	}
	if (groups->ngroups * 2 > groups->mask)
	{
		if (!grow_slots(groups, status))
			return GSTORE_NO_GROUP;
		at = tag & groups->mask;
		while (slots_of(groups)[at] != 0)
			at = (at + 1) & groups->mask;
	}
	number = gstore_group_new(groups, status);
	if (number == GSTORE_NO_GROUP)
		return GSTORE_NO_GROUP;
	if (!keep_keys(groups, number, keys, stride, status))
	{
		/* no slot leads to it: as if it were not there */
		groups->ngroups--;
		return GSTORE_NO_GROUP;
	}
	slots_of(groups)[at] = (tag << 32) | groups->ngroups;
	return number;
}

GstoreEngineStatus
gstore_groups_add(GstoreGroups *groups, const GstoreMachine *machine,
				  const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	if (groups->nkeys > 0)
		status = gstore_groups_number(groups, machine, selection, n, error);
	else if (groups->ngroups == 0)
		(void) gstore_group_new(groups, &status);
	if (status != GSTORE_ENGINE_OK)
		return status;
	if (groups->sets != NULL)
		status = gstore_distinct_add(groups, machine, selection, n, error);
	if (status != GSTORE_ENGINE_OK)
		return status;
	*error = gstore_groups_accumulate(groups, machine, selection, n);
	return *error == GSTORE_STATE_VALUE ? GSTORE_ENGINE_OK
										: GSTORE_ENGINE_STATE;
}

/* ---- merging ---- */

GstoreEngineStatus
gstore_groups_absorb(GstoreGroups *groups, const GstoreGroupKey *keys,
					 GstoreAggregateState **states)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint64 hash = 0;
	uint32 number;

	for (int k = 0; k < groups->nkeys; k++)
		hash = gstore_group_hash(groups, k, &keys[k], hash);
	number = gstore_group_find(groups, keys, 1, hash, &status);
	if (number != GSTORE_NO_GROUP)
		*states = gstore_group_states(groups,
									  gstore_group_record(groups, number));
	return status;
}

bool
gstore_groups_many(const GstoreGroups *groups)
{
	return groups->ngroups >= MANY_GROUPS && groups->sets == NULL &&
		   groups->direct == NULL;
}

bool
gstore_groups_empty(const GstoreGroups *groups)
{
	return groups->ngroups == 0;
}

/* Up to a vector of groups of another table into this one: those whose hash,
 * masked, is as given. */
static GstoreEngineStatus
merge_vector(GstoreGroups *groups, const GstoreGroups *other, uint64 first,
			 int n, uint64 mask, uint64 hash)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint32 *chosen = groups->numbers;
	int nchosen = 0;

	for (int i = 0; i < n; i++)
	{
		const GstoreGroupKey *keys =
			(const GstoreGroupKey *) gstore_group_record(other, first + i);
		uint64 own = 0;

		for (int k = 0; k < groups->nkeys; k++)
			own = gstore_group_hash(groups, k, &keys[k], own);
		groups->hashes[nchosen] = own;
		chosen[nchosen] = (uint32) (first + i);
		nchosen += (own & mask) == hash;
	}
	for (int i = 0; i < nchosen; i++)
	{
		uint8 *from = gstore_group_record(other, chosen[i]);
		GstoreAggregateState *states;
		uint32 number = 0;

		if (i % GSTORE_PREFETCH_ROWS == 0)
			gstore_groups_prefetch(groups, &groups->hashes[i],
								   Min(nchosen - i, GSTORE_PREFETCH_ROWS));
		if (groups->nkeys > 0)
			number = gstore_group_find(groups, (GstoreGroupKey *) from, 1,
									   groups->hashes[i], &status);
		else if (groups->ngroups == 0)
			number = gstore_group_new(groups, &status);
		if (number == GSTORE_NO_GROUP)
			return status;
		states = gstore_group_states(groups,
									 gstore_group_record(groups, number));
		for (int j = 0; j < groups->naggregates; j++)
			gstore_aggregate_merge(&groups->aggregates[j], &states[j],
								   gstore_group_states(other, from) + j);
	}
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_groups_merge_some(GstoreGroups *groups, const GstoreGroups *other,
						 uint64 mask, uint64 hash)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	for (uint64 first = 0;
		 first < other->ngroups && status == GSTORE_ENGINE_OK;
		 first += GSTORE_VECTOR_ROWS)
		status = merge_vector(groups, other, first,
							  (int) Min(other->ngroups - first,
										GSTORE_VECTOR_ROWS),
							  mask, hash);
	return status;
}

GstoreEngineStatus
gstore_groups_merge(GstoreGroups *groups, const GstoreGroups *other,
					const GstoreEngineOptions *options)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	groups->memory_limit = options->memory_limit;
	for (uint64 first = 0; first < other->ngroups; first += GSTORE_VECTOR_ROWS)
	{
		int n = (int) Min(other->ngroups - first, GSTORE_VECTOR_ROWS);

		status = merge_vector(groups, other, first, n, 0, 0);
		if (status == GSTORE_ENGINE_OK && gstore_engine_stops(options))
			status = GSTORE_ENGINE_CANCELLED;
		if (status != GSTORE_ENGINE_OK)
			return status;
	}
	for (int i = 0; groups->sets != NULL && i < groups->naggregates; i++)
	{
		if (groups->sets[i] != NULL)
			status = gstore_groups_merge(groups->sets[i], other->sets[i],
										 options);
		if (status != GSTORE_ENGINE_OK)
			return status;
	}
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_groups_finish(GstoreGroups *groups, const GstoreEngineOptions *options)
{
	return groups->sets == NULL ? GSTORE_ENGINE_OK
								: gstore_distinct_finish(groups, options);
}

bool
gstore_groups_get(const GstoreGroups *groups, uint64 index,
				  const GstoreGroupKey **keys, GstoreAggregateState **states)
{
	uint8 *record;

	if (index >= groups->ngroups)
		return false;
	record = gstore_group_record(groups, index);
	*keys = (GstoreGroupKey *) record;
	*states = gstore_group_states(groups, record);
	return true;
}
