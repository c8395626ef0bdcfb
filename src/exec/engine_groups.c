/*
 * engine_groups.c
 *	  Groups: a table of a thread's own.
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
#define PREFETCH_AHEAD 64

bool
gstore_groups_count_memory(GstoreGroups *groups, uint64 bytes,
						   GstoreEngineStatus *status)
{
	uint64 each = groups->record_bytes +
				  (groups->extras.data == NULL
					   ? 0
					   : groups->naggregates * sizeof(GstoreExtra));
	uint64 records = groups->is_wide ? groups->ngroups - groups->from
									 : groups->ngroups;

	if (groups->memory_limit > 0 &&
		groups->memory + records * each + bytes > groups->memory_limit)
	{
		*status = GSTORE_ENGINE_LIMIT;
		return false;
	}
	groups->memory += bytes;
	return true;
}

/* Where the keys' words are in a record. */
static void
lay_out_keys(GstoreGroups *groups, const uint16 *keys)
{
	for (int i = 0; i < groups->nkeys; i++)
	{
		GstoreKeyLayout *key = &groups->keys[i];

		key->reg = keys[i];
		key->type = groups->registers[keys[i]].type;
		key->has_meta = key->type == GSTORE_TYPE_TEXT ||
						key->type == GSTORE_TYPE_NUMERIC ||
						i >= GSTORE_HEAD_KEYS;
		key->word = groups->key_words;
		groups->key_words += key->has_meta ? 2 : 1;
		groups->has_texts |= key->type == GSTORE_TYPE_TEXT;
	}
}

static bool
reserve_hashed(GstoreGroups *groups)
{
	uint64 most = groups->nkeys == 0 ? 1 : GSTORE_NO_GROUP;

	if (groups->memory_limit > 0)
		most = Min(most, groups->memory_limit / groups->record_bytes + 1);
	groups->mask = 1023;
	return gstore_space_reserve(&groups->records, most * groups->record_bytes) &&
		   gstore_space_reserve(&groups->slots,
								(groups->mask + 1) * sizeof(uint64)) &&
		   gstore_space_grow(&groups->slots,
							 (groups->mask + 1) * sizeof(uint64));
}

GstoreGroups *
gstore_groups_make(const GstoreProgram *program, const uint16 *keys, int nkeys,
				   int naggregates, bool is_wide, uint64 memory_limit)
{
	GstoreGroups *groups = calloc(1, sizeof(*groups));
	bool fine;

	if (groups == NULL)
		return NULL;
	groups->nkeys = nkeys;
	groups->naggregates = naggregates;
	groups->program = program;
	groups->aggregates = GSTORE_PROGRAM_PART(program, GstoreProgramAggregate,
											 aggregates);
	groups->registers = GSTORE_PROGRAM_PART(program, GstoreRegister,
											registers);
	groups->memory_limit = memory_limit;
	groups->is_wide = is_wide;
	groups->keys = calloc(Max(1, nkeys), sizeof(GstoreKeyLayout));
	groups->layouts = calloc(Max(1, naggregates), sizeof(GstoreStateLayout));
	fine = groups->keys != NULL && groups->layouts != NULL;
	if (fine)
		lay_out_keys(groups, keys);
	fine = fine &&
		   gstore_states_lay_out(groups, is_wide || nkeys == 0
											 ? 0
											 : (uint32) ((1 + groups->key_words) *
														 sizeof(uint64)));
	if (is_wide)
		fine = fine && gstore_wide_reserve(groups);
	else
	{
		groups->words = malloc(Max(1, groups->key_words) * sizeof(uint64) *
							   GSTORE_VECTOR_ROWS);
		fine = fine && groups->words != NULL && reserve_hashed(groups);
	}
	if (!fine)
	{
		gstore_groups_destroy(groups);
		return NULL;
	}
	if (!is_wide)
		groups->direct = gstore_direct_keys_create(groups);
	return groups;
}

GstoreGroups *
gstore_groups_create(const GstoreProgram *program, uint64 memory_limit,
					 const GstoreEngineOptions *options)
{
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);
	int tables = 1;
	GstoreGroups *groups;

	for (int i = 0; i < program->naggregates; i++)
		tables += aggregates[i].distinct;
	groups = gstore_groups_make(program,
								GSTORE_PROGRAM_PART(program, uint16, keys),
								program->nkeys, program->naggregates, false,
								memory_limit / tables);
	if (groups != NULL)
		groups->options = options;
	if (groups != NULL && tables > 1 &&
		!gstore_distinct_create(groups, program))
	{
		gstore_groups_destroy(groups);
		return NULL;
	}
	return groups;
}

static void
release(GstoreGroups *groups)
{
	while (groups->texts != NULL)
	{
		GstoreTextBlock *next = groups->texts->next;

		free(groups->texts);
		groups->texts = next;
	}
	gstore_space_release(&groups->records);
	gstore_space_release(&groups->slots);
	gstore_space_release(&groups->extras);
	free(groups->words);
	free(groups->keys);
	free(groups->layouts);
	free(groups->fresh);
	gstore_distinct_destroy(groups);
	gstore_direct_keys_destroy(groups->direct);
}

void
gstore_groups_destroy(GstoreGroups *groups)
{
	if (groups == NULL)
		return;
	release(groups);
	free(groups);
}

void
gstore_groups_replace(GstoreGroups *groups, GstoreGroups *by)
{
	by->sets = groups->sets;
	groups->sets = NULL;
	release(groups);
	*groups = *by;
	free(by);
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

	if (!gstore_groups_count_memory(groups, bytes, status))
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
gstore_groups_prefetch(const GstoreGroups *groups, const uint64 *heads,
					   int n)
{
	const uint64 *slots = slots_of(groups);

	if (groups->ngroups < PREFETCH_GROUPS)
		return;
	/* The slots first, then the records that these name. */
	for (int i = 0; i < n + PREFETCH_AHEAD; i++)
	{
		if (i < n)
			__builtin_prefetch(&slots[gstore_head_hash(heads[i]) & groups->mask]);
		if (i >= PREFETCH_AHEAD)
		{
			uint32 hash = gstore_head_hash(heads[i - PREFETCH_AHEAD]);
			uint64 slot = slots[hash & groups->mask];

			if (slot != 0)
			{
				const uint8 *record =
					gstore_group_record(groups, (uint32) slot - 1);

				for (uint32 at = 0; at < groups->record_bytes; at += 64)
					__builtin_prefetch(record + at);
				__builtin_prefetch(record + groups->record_bytes - 1);
			}
		}
	}
}

uint32
gstore_group_new(GstoreGroups *groups, GstoreEngineStatus *status)
{
	if (groups->ngroups >= GSTORE_NO_GROUP)
	{
		*status = GSTORE_ENGINE_LIMIT;
		return GSTORE_NO_GROUP;
	}
	groups->ngroups++;
	if (!gstore_groups_count_memory(groups, 0, status))
	{
		groups->ngroups--;
		return GSTORE_NO_GROUP;
	}
	if (!gstore_space_grow(&groups->records,
						   groups->ngroups * groups->record_bytes))
	{
		groups->ngroups--;
		*status = GSTORE_ENGINE_OUT_OF_MEMORY;
		return GSTORE_NO_GROUP;
	}
	if (groups->fresh != NULL)
		memcpy(gstore_group_record(groups, groups->ngroups - 1), groups->fresh,
			   groups->record_bytes);
	return (uint32) groups->ngroups - 1;
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

		if (!gstore_groups_count_memory(groups, sizeof(GstoreTextBlock) + room, status))
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
is_long_text(const GstoreKeyLayout *key, uint64 meta)
{
	return key->type == GSTORE_TYPE_TEXT && meta != GSTORE_KEY_NULL && meta > 8;
}

bool
gstore_group_has_texts(const GstoreGroups *groups, uint32 number,
					   const uint64 *words, uint64 stride)
{
	const uint64 *own =
		(const uint64 *) gstore_group_record(groups, number) + 1;

	for (int i = 0; i < groups->nkeys; i++)
	{
		const GstoreKeyLayout *key = &groups->keys[i];
		uint64 word = words[key->word * stride];
		uint64 meta;

		if (key->has_meta && own[key->word + 1] != words[(key->word + 1) * stride])
			return false;
		if (own[key->word] == word)
			continue;
		meta = key->has_meta ? own[key->word + 1] : 0;
		if (!is_long_text(key, meta) ||
			memcmp((const void *) (uintptr_t) own[key->word],
				   (const void *) (uintptr_t) word, meta) != 0)
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

static uint64
mix_text(uint64 hash, const uint8 *data, uint64 length)
{
	uint64 word;

	for (uint64 i = 0; i + 8 <= length; i += 8)
	{
		memcpy(&word, data + i, 8);
		hash = mix(hash, word);
	}
	memcpy(&word, data + length - 8, 8);
	return mix(hash, word);
}

uint64
gstore_group_head(const GstoreGroups *groups, int nkeys, const uint64 *words,
				  uint64 stride, uint32 nulls)
{
	uint64 hash = nulls;

	for (int i = 0; i < nkeys; i++)
	{
		const GstoreKeyLayout *key = &groups->keys[i];
		uint64 word = words[key->word * stride];
		uint64 meta = 0;

		if (key->has_meta)
		{
			meta = words[(key->word + 1) * stride];
			hash = mix(hash, meta);
		}
		hash = is_long_text(key, meta)
				   ? mix_text(hash, (const uint8 *) (uintptr_t) word, meta)
				   : mix(hash, word);
	}
	return hash << 32 | nulls;
}

/* Keep the keys in a new group's record, long texts as copies. */
static bool
keep_keys(GstoreGroups *groups, uint32 number, const uint64 *words,
		  uint64 stride, uint64 head, GstoreEngineStatus *status)
{
	uint64 *own = (uint64 *) gstore_group_record(groups, number);

	*own++ = head;
	for (uint32 i = 0; i < groups->key_words; i++)
		own[i] = words[i * stride];
	for (int i = 0; groups->has_texts && i < groups->nkeys; i++)
	{
		const GstoreKeyLayout *key = &groups->keys[i];

		if (key->has_meta && is_long_text(key, own[key->word + 1]))
		{
			uint8 *text =
				keep_text(groups, (const uint8 *) (uintptr_t) own[key->word],
						  own[key->word + 1], status);

			if (text == NULL)
				return false;
			own[key->word] = (uintptr_t) text;
		}
	}
	return true;
}

uint32
gstore_group_find(GstoreGroups *groups, const uint64 *words, uint64 stride,
				  uint64 head, GstoreEngineStatus *status)
{
	uint64 hash = gstore_head_hash(head);
	uint64 at = hash & groups->mask;
	uint64 slot;
	uint32 number;

	while ((slot = slots_of(groups)[at]) != 0)
	{
		number = (uint32) slot - 1;
		if (slot >> 32 == hash &&
			gstore_group_is(groups, number, words, stride, head))
			return number;
		at = (at + 1) & groups->mask;
	}
	if (groups->ngroups * 2 > groups->mask)
	{
		if (!grow_slots(groups, status))
			return GSTORE_NO_GROUP;
		at = hash & groups->mask;
		while (slots_of(groups)[at] != 0)
			at = (at + 1) & groups->mask;
	}
	number = gstore_group_new(groups, status);
	if (number == GSTORE_NO_GROUP)
		return GSTORE_NO_GROUP;
	if (!keep_keys(groups, number, words, stride, head, status))
	{
		/* no slot leads to it: as if it were not there */
		groups->ngroups--;
		return GSTORE_NO_GROUP;
	}
	slots_of(groups)[at] = (hash << 32) | groups->ngroups;
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
	return *error == GSTORE_STATE_VALUE ? groups->failed : GSTORE_ENGINE_STATE;
}

bool
gstore_groups_next(const GstoreGroups *groups, uint64 *number)
{
	if (!groups->is_wide)
		return *number < groups->ngroups;
	for (; *number < groups->ngroups; ++*number)
	{
		if (*number > 0 && *number < groups->from)
			*number = groups->from;
		if (*gstore_group_rows(groups, *number) > 0)
			return true;
	}
	return false;
}

uint64
gstore_group_words(const GstoreGroups *groups, uint64 number, uint64 *words)
{
	const uint64 *record = (const uint64 *) gstore_group_record(groups, number);

	if (!groups->is_wide)
	{
		memcpy(words, record + 1, groups->key_words * sizeof(uint64));
		return groups->nkeys == 0 ? 0 : record[0];
	}
	words[0] = number == 0 ? 0 : (uint64) groups->base + number;
	return gstore_group_head(groups, 1, words, 1, number == 0);
}
