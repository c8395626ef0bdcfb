/*
 * engine_groups.c
 *	  Groups and what they accumulate: one table per thread, merged at the end.
 *
 * A group is a record of keys and aggregate states, in blocks of records that
 * never move; a hash table of record numbers, grown at half full, finds it.
 * Texts of up to 8 bytes are kept in the key itself, longer ones are copied,
 * so that groups outlive the columns they came from.  Includes no PostgreSQL
 * header.
 */
#include <stdlib.h>

#include "exec/engine_vector.h"

#define BLOCK_RECORDS 1024
#define TEXT_BLOCK_BYTES (1 << 18)

/* Texts of keys, one after the other. */
typedef struct TextBlock
{
	struct TextBlock *next;
	uint64 used;
	uint64 room;
	uint8 data[];
} TextBlock;

struct GstoreGroups
{
	const GstoreProgram *program;
	const GstoreProgramAggregate *aggregates;
	const uint16 *key_registers;
	const GstoreRegister *registers;
	uint64 memory_limit;
	uint64 memory;
	uint64 ngroups;
	uint32 record_bytes;
	uint8 **blocks;
	uint64 blocks_room;
	uint64 *slots; /* high half of the hash, and record number + 1 */
	uint64 mask;
	TextBlock *texts;
	/* of the vector being added */
	GstoreGroupKey *keys; /* [nkeys][GSTORE_VECTOR_ROWS] */
	uint64 hashes[GSTORE_VECTOR_ROWS];
	uint8 *records[GSTORE_VECTOR_ROWS];
};

static void *
take_memory(GstoreGroups *groups, uint64 bytes, GstoreEngineStatus *status)
{
	void *memory;

	if (groups->memory_limit > 0 &&
		groups->memory + bytes > groups->memory_limit)
	{
		*status = GSTORE_ENGINE_LIMIT;
		return NULL;
	}
	memory = calloc(1, bytes);
	if (memory == NULL)
		*status = GSTORE_ENGINE_OUT_OF_MEMORY;
	else
		groups->memory += bytes;
	return memory;
}

static inline uint8 *
record_at(const GstoreGroups *groups, uint64 index)
{
	return groups->blocks[index / BLOCK_RECORDS] +
		   (index % BLOCK_RECORDS) * groups->record_bytes;
}

static inline GstoreAggregateState *
states_of(const GstoreGroups *groups, uint8 *record)
{
	return (GstoreAggregateState *) (record +
									 groups->program->nkeys *
										 sizeof(GstoreGroupKey));
}

GstoreGroups *
gstore_groups_create(const GstoreProgram *program, uint64 memory_limit)
{
	GstoreGroups *groups = calloc(1, sizeof(*groups));

	if (groups == NULL)
		return NULL;
	groups->program = program;
	groups->aggregates = GSTORE_PROGRAM_PART(program, GstoreProgramAggregate,
											 aggregates);
	groups->key_registers = GSTORE_PROGRAM_PART(program, uint16, keys);
	groups->registers = GSTORE_PROGRAM_PART(program, GstoreRegister,
											registers);
	groups->memory_limit = memory_limit;
	groups->record_bytes = (uint32) Max(16, program->nkeys * sizeof(GstoreGroupKey) +
												program->naggregates *
													sizeof(GstoreAggregateState));
	groups->mask = 1023;
	groups->slots = calloc(groups->mask + 1, sizeof(uint64));
	groups->keys = malloc(Max(1, program->nkeys) * sizeof(GstoreGroupKey) *
						  GSTORE_VECTOR_ROWS);
	if (groups->slots == NULL || groups->keys == NULL)
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
	for (uint64 i = 0; i * BLOCK_RECORDS < groups->ngroups; i++)
		free(groups->blocks[i]);
	while (groups->texts != NULL)
	{
		TextBlock *next = groups->texts->next;

		free(groups->texts);
		groups->texts = next;
	}
	free(groups->blocks);
	free(groups->slots);
	free(groups->keys);
	free(groups);
}

/* ---- finding groups ---- */

static bool
grow_slots(GstoreGroups *groups, GstoreEngineStatus *status)
{
	uint64 mask = groups->mask * 2 + 1;
	uint64 *slots = take_memory(groups, (mask + 1) * sizeof(uint64), status);

	if (slots == NULL)
		return false;
	/* The slot keeps 32 bits of hash: enough to place it again. */
	for (uint64 i = 0; i <= groups->mask; i++)
	{
		uint64 slot = groups->slots[i];
		uint64 at = (slot >> 32) & mask;

		if (slot == 0)
			continue;
		while (slots[at] != 0)
			at = (at + 1) & mask;
		slots[at] = slot;
	}
	groups->memory -= (groups->mask + 1) * sizeof(uint64);
	free(groups->slots);
	groups->slots = slots;
	groups->mask = mask;
	return true;
}

static uint8 *
new_record(GstoreGroups *groups, GstoreEngineStatus *status)
{
	uint64 block = groups->ngroups / BLOCK_RECORDS;

	if (groups->ngroups % BLOCK_RECORDS == 0)
	{
		if (block >= groups->blocks_room)
		{
			uint64 room = Max(64, groups->blocks_room * 2);
			uint8 **blocks = realloc(groups->blocks, room * sizeof(uint8 *));

			if (blocks == NULL)
			{
				*status = GSTORE_ENGINE_OUT_OF_MEMORY;
				return NULL;
			}
			groups->blocks = blocks;
			groups->blocks_room = room;
		}
		groups->blocks[block] = take_memory(groups,
											(uint64) BLOCK_RECORDS *
												groups->record_bytes,
											status);
		if (groups->blocks[block] == NULL)
			return NULL;
	}
	return record_at(groups, groups->ngroups++);
}

/* A copy of a long text that lives as long as the groups. */
static uint8 *
keep_text(GstoreGroups *groups, const uint8 *data, uint64 length,
		  GstoreEngineStatus *status)
{
	TextBlock *block = groups->texts;
	uint8 *to;

	if (block == NULL || block->room - block->used < length)
	{
		uint64 room = Max(TEXT_BLOCK_BYTES, length);

		block = take_memory(groups, sizeof(TextBlock) + room, status);
		if (block == NULL)
			return NULL;
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

static inline bool
keys_equal(const GstoreGroups *groups, const GstoreGroupKey *a,
		   const GstoreGroupKey *b, uint64 stride)
{
	for (int i = 0; i < groups->program->nkeys; i++, b += stride)
	{
		if (a[i].meta != b->meta)
			return false;
		if (a[i].word != b->word &&
			(!is_long_text(groups, i, b) ||
			 memcmp((const void *) (uintptr_t) a[i].word,
					(const void *) (uintptr_t) b->word, b->meta) != 0))
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

static inline uint64
hash_key(const GstoreGroups *groups, int key, const GstoreGroupKey *value,
		 uint64 hash)
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

/* The record of keys that lie stride apart, made if there is none. */
static uint8 *
find_record(GstoreGroups *groups, const GstoreGroupKey *keys, uint64 stride,
			uint64 hash, GstoreEngineStatus *status)
{
	uint64 tag = hash & UINT32_MAX;
	uint64 at = tag & groups->mask;
	uint64 slot;
	uint8 *record;

	while ((slot = groups->slots[at]) != 0)
	{
		if (slot >> 32 == tag)
		{
			record = record_at(groups, (slot & UINT32_MAX) - 1);
			if (keys_equal(groups, (GstoreGroupKey *) record, keys, stride))
				return record;
		}
		at = (at + 1) & groups->mask;
	}
	if (groups->ngroups >= UINT32_MAX - 1)
	{
		*status = GSTORE_ENGINE_LIMIT;
		return NULL;
	}
	if (groups->ngroups * 2 > groups->mask)
	{
		if (!grow_slots(groups, status))
			return NULL;
		at = tag & groups->mask;
		while (groups->slots[at] != 0)
			at = (at + 1) & groups->mask;
	}
	record = new_record(groups, status);
	if (record == NULL)
		return NULL;
	for (int i = 0; i < groups->program->nkeys; i++)
	{
		GstoreGroupKey key = keys[i * stride];

		if (is_long_text(groups, i, &key))
		{
			uint8 *text = keep_text(groups,
									(const uint8 *) (uintptr_t) key.word,
									key.meta, status);

			if (text == NULL)
			{
				/* no slot leads to it: as if it were not there */
				groups->ngroups--;
				if (groups->ngroups % BLOCK_RECORDS == 0)
					free(groups->blocks[groups->ngroups / BLOCK_RECORDS]);
				return NULL;
			}
			key.word = (uintptr_t) text;
		}
		((GstoreGroupKey *) record)[i] = key;
	}
	groups->slots[at] = (tag << 32) | groups->ngroups;
	return record;
}

/* ---- keys of a vector ---- */

/* The bits of a key by which equal values are equal. */
static inline uint8
make_key(GstoreGroupKey *key, GstoreType type, const void *values, int at)
{
	key->meta = 0;
	switch (type)
	{
		case GSTORE_TYPE_BOOL:
			key->word = ((const uint8 *) values)[at] != 0;
			break;
		case GSTORE_TYPE_INT2:
			key->word = (uint64) ((const int16 *) values)[at];
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			key->word = (uint64) ((const int32 *) values)[at];
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
			key->word = (uint64) ((const int64 *) values)[at];
			break;
		case GSTORE_TYPE_FLOAT4:
		case GSTORE_TYPE_FLOAT8:
		{
			double value = type == GSTORE_TYPE_FLOAT4
							   ? ((const float *) values)[at]
							   : ((const double *) values)[at];

			if (value == 0)
				value = 0; /* not minus zero */
			if (value != value)
				value = NAN;
			memcpy(&key->word, &value, 8);
			break;
		}
		case GSTORE_TYPE_NUMERIC:
		{
			const GstoreNumeric *value = (const GstoreNumeric *) values + at;

			if (!gstore_int128_small(value->value))
				return GSTORE_STATE_BEYOND;
			key->word = (uint64) value->value;
			key->meta = (uint64) value->scale;
			break;
		}
		case GSTORE_TYPE_TEXT:
		{
			const GstoreText *value = (const GstoreText *) values + at;

			key->word = 0;
			key->meta = value->length;
			if (value->length <= 8)
				for (uint64 i = 0; i < value->length; i++)
					key->word |= (uint64) value->data[i] << (8 * i);
			else
				key->word = (uintptr_t) value->data;
			break;
		}
		default:
			return GSTORE_STATE_BEYOND;
	}
	return GSTORE_STATE_VALUE;
}

/* Find the record of every selected row. */
static GstoreEngineStatus
find_records(GstoreGroups *groups, const GstoreMachine *machine,
			 const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint8 *last = NULL;
	uint64 last_hash = 0;

	memset(groups->hashes, 0, n * sizeof(uint64));
	for (int k = 0; k < groups->program->nkeys; k++)
	{
		const GstoreVector *vector =
			&machine->registers[groups->key_registers[k]];
		GstoreType type =
			(GstoreType) groups->registers[groups->key_registers[k]].type;
		GstoreGroupKey *keys = groups->keys + (size_t) k * GSTORE_VECTOR_ROWS;

		for (int i = 0; i < n; i++)
		{
			int at = selection ? selection[i] : i;
			uint8 state = vector->clean ? 0 : vector->states[at];

			if (state == GSTORE_STATE_NULL)
			{
				keys[i].word = 0;
				keys[i].meta = GSTORE_KEY_NULL;
			}
			else
			{
				if (state == GSTORE_STATE_VALUE)
					state = make_key(&keys[i], type, vector->values, at);
				if (state != GSTORE_STATE_VALUE)
				{
					*error = state;
					return GSTORE_ENGINE_STATE;
				}
			}
			groups->hashes[i] = hash_key(groups, k, &keys[i],
										 groups->hashes[i]);
		}
	}
	for (int i = 0; i < n; i++)
	{
		const GstoreGroupKey *keys = groups->keys + i;

		if (last == NULL || groups->hashes[i] != last_hash ||
			!keys_equal(groups, (GstoreGroupKey *) last, keys,
						GSTORE_VECTOR_ROWS))
			last = find_record(groups, keys, GSTORE_VECTOR_ROWS,
							   groups->hashes[i], &status);
		if (last == NULL)
			return status;
		last_hash = groups->hashes[i];
		groups->records[i] = last;
	}
	return GSTORE_ENGINE_OK;
}

/* ---- accumulating ---- */

/* Is value the one to keep, for min (sign -1) or max (1)?  NaN is greatest. */
#define KEEPS_REAL(value, kept, sign) \
	((sign) > 0 ? (value) > (kept) || ((value) != (value) && (kept) == (kept)) \
				: (value) < (kept) || ((kept) != (kept) && (value) == (value)))

static inline void
add_integer(GstoreAggregateState *state, int kind, GstoreInt128 value)
{
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (!gstore_int128_add(&state->value.integer,
								   state->value.integer, value))
				state->state = GSTORE_STATE_BEYOND;
			break;
		case GSTORE_AGGREGATE_MIN:
			if (state->count == 0 || value < state->value.integer)
				state->value.integer = value;
			break;
		case GSTORE_AGGREGATE_MAX:
			if (state->count == 0 || value > state->value.integer)
				state->value.integer = value;
			break;
		case GSTORE_AGGREGATE_AND:
			state->value.integer = state->count == 0
									   ? value
									   : (state->value.integer & value);
			break;
		case GSTORE_AGGREGATE_OR:
			state->value.integer |= value;
			break;
		default:
			break;
	}
	state->count++;
}

static inline void
add_real(GstoreAggregateState *state, int kind, double value)
{
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			state->value.real.sum += value;
			state->infinite |= gstore_infinite_float8(value);
			break;
		case GSTORE_AGGREGATE_MIN:
			if (state->count == 0 ||
				KEEPS_REAL(value, state->value.real.sum, -1))
				state->value.real.sum = value;
			break;
		case GSTORE_AGGREGATE_MAX:
			if (state->count == 0 ||
				KEEPS_REAL(value, state->value.real.sum, 1))
				state->value.real.sum = value;
			break;
		case GSTORE_AGGREGATE_MOMENTS:
		{
			/* Youngs and Cramer */
			double n = (double) state->count + 1;
			double sum = state->value.real.sum + value;

			state->infinite |= gstore_infinite_float8(value);
			if (state->count > 0)
			{
				double t = value * n - sum;

				state->value.real.deviations += t * t / (n * (n - 1));
			}
			else if (value - value != 0) /* infinite or NaN */
				state->value.real.deviations = NAN;
			state->value.real.sum = sum;
			break;
		}
		default:
			break;
	}
	state->count++;
}

static inline void
add_numeric(GstoreAggregateState *state, int kind, const GstoreNumeric *value)
{
	GstoreNumeric kept;
	GstoreNumeric other = *value;

	if (state->scale == value->scale && kind == GSTORE_AGGREGATE_SUM)
	{
		add_integer(state, kind, value->value);
		return;
	}
	kept.value = state->value.integer;
	kept.scale = state->scale;
	if (kind == GSTORE_AGGREGATE_SUM)
	{
		if (gstore_op_numericadd(&kept, kept, other) != GSTORE_STATE_VALUE)
			state->state = GSTORE_STATE_BEYOND;
	}
	else if (kind != GSTORE_AGGREGATE_COUNT)
	{
		uint8 failed = GSTORE_STATE_VALUE;
		int order = state->count == 0
						? 0
						: gstore_numeric_compare(other, kept, &failed);

		if (failed)
			state->state = failed;
		if (state->count == 0 ||
			(kind == GSTORE_AGGREGATE_MIN ? order < 0 : order > 0))
			kept = other;
	}
	state->value.integer = kept.value;
	state->scale = kept.scale;
	state->count++;
}

/* Rows of an aggregate: position i of the selection is row at; keep goes to
 * the next one where the value is NULL or filtered away. */
#define EACH_ROW(statement) \
	for (int i = 0; i < n; i++) \
	{ \
		int at = selection ? selection[i] : i; \
		GstoreAggregateState *state; \
\
		if (filter != NULL && (!filter->clean ? filter->states[at] : 0)) \
		{ \
			if (filter->states[at] > GSTORE_STATE_NULL) \
				return filter->states[at]; \
			continue; \
		} \
		if (filter != NULL && !((const gstore_logic *) filter->values)[at]) \
			continue; \
		if (argument != NULL && !argument->clean && argument->states[at]) \
		{ \
			if (argument->states[at] > GSTORE_STATE_NULL) \
				return argument->states[at]; \
			continue; \
		} \
		state = states_of(groups, records ? records[i] : single) + index; \
		statement \
	}

/* One aggregate over a vector; single is the record of all rows where there
 * are no keys, and records NULL. */
static uint8
add_aggregate(GstoreGroups *groups, const GstoreMachine *machine, int index,
			  uint8 **records, uint8 *single, const uint16 *selection, int n)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	const GstoreVector *argument =
		aggregate->argument == GSTORE_NO_REGISTER
			? NULL
			: &machine->registers[aggregate->argument];
	const GstoreVector *filter =
		aggregate->filter == GSTORE_NO_REGISTER
			? NULL
			: &machine->registers[aggregate->filter];
	const void *values = argument ? argument->values : NULL;
	int kind = aggregate->kind;

	if (kind == GSTORE_AGGREGATE_COUNT)
	{
		EACH_ROW(state->count++;)
		return GSTORE_STATE_VALUE;
	}
	switch (aggregate->type)
	{
		case GSTORE_TYPE_BOOL:
			EACH_ROW(add_integer(state, kind, ((const uint8 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT2:
			EACH_ROW(add_integer(state, kind, ((const int16 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			EACH_ROW(add_integer(state, kind, ((const int32 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
			EACH_ROW(add_integer(state, kind, ((const int64 *) values)[at]);)
			break;
		case GSTORE_TYPE_FLOAT4:
			EACH_ROW(add_real(state, kind, ((const float *) values)[at]);)
			break;
		case GSTORE_TYPE_FLOAT8:
			EACH_ROW(add_real(state, kind, ((const double *) values)[at]);)
			break;
		case GSTORE_TYPE_NUMERIC:
			EACH_ROW(add_numeric(state, kind,
								 &((const GstoreNumeric *) values)[at]);)
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	return GSTORE_STATE_VALUE;
}

/* Everything of one group, every value there: the hot loop of a plain sum. */
static bool
add_dense_sum(GstoreGroups *groups, const GstoreMachine *machine, int index,
			  uint8 *single, const uint16 *selection, int n)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	GstoreAggregateState *state = states_of(groups, single) + index;
	const GstoreVector *argument = &machine->registers[aggregate->argument];
	const double *values = argument->values;
	double sums[4] = {0, 0, 0, 0};
	double total;
	int i = 0;

	if (aggregate->kind != GSTORE_AGGREGATE_SUM ||
		aggregate->type != GSTORE_TYPE_FLOAT8 || !argument->clean ||
		aggregate->filter != GSTORE_NO_REGISTER)
		return false;
	if (selection == NULL)
		for (; i + 4 <= n; i += 4)
			for (int j = 0; j < 4; j++)
				sums[j] += values[i + j];
	for (; i < n; i++)
		sums[i % 4] += values[selection ? selection[i] : i];
	total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
	if (total - total != 0) /* infinite or NaN: look at every value */
		return false;
	state->value.real.sum += total;
	state->count += n;
	return true;
}

GstoreEngineStatus
gstore_groups_add(GstoreGroups *groups, const GstoreMachine *machine,
				  const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint8 *single = NULL;

	if (groups->program->nkeys > 0)
	{
		status = find_records(groups, machine, selection, n, error);
		if (status != GSTORE_ENGINE_OK)
			return status;
	}
	else
	{
		single = groups->ngroups > 0 ? record_at(groups, 0)
									 : new_record(groups, &status);
		if (single == NULL)
			return status;
	}
	for (int i = 0; i < groups->program->naggregates; i++)
	{
		if (single != NULL &&
			groups->aggregates[i].argument != GSTORE_NO_REGISTER &&
			add_dense_sum(groups, machine, i, single, selection, n))
			continue;
		*error = add_aggregate(groups, machine, i,
							   single ? NULL : groups->records, single,
							   selection, n);
		if (*error != GSTORE_STATE_VALUE)
			return GSTORE_ENGINE_STATE;
	}
	return GSTORE_ENGINE_OK;
}

/* ---- merging ---- */

static void
merge_state(const GstoreProgramAggregate *aggregate,
			GstoreAggregateState *to, const GstoreAggregateState *from)
{
	int64 count = to->count + from->count;
	GstoreNumeric value = {0};

	if (from->count == 0)
		return;
	if (from->state)
		to->state = from->state;
	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
		;
	else if (aggregate->kind == GSTORE_AGGREGATE_MOMENTS)
	{
		double n1 = (double) to->count;
		double n2 = (double) from->count;

		to->value.real.deviations += from->value.real.deviations;
		if (to->count > 0)
		{
			double t = to->value.real.sum / n1 - from->value.real.sum / n2;

			to->value.real.deviations += n1 * n2 * t * t / (n1 + n2);
		}
		to->value.real.sum += from->value.real.sum;
	}
	else if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
			 aggregate->type == GSTORE_TYPE_FLOAT8)
		add_real(to, aggregate->kind, from->value.real.sum);
	else if (aggregate->type == GSTORE_TYPE_NUMERIC)
	{
		value.value = from->value.integer;
		value.scale = from->scale;
		add_numeric(to, aggregate->kind, &value);
	}
	else
		add_integer(to, aggregate->kind, from->value.integer);
	to->infinite |= from->infinite;
	to->count = count;
}

GstoreEngineStatus
gstore_groups_merge(GstoreGroups *groups, const GstoreGroups *other,
					uint64 memory_limit)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	groups->memory_limit = memory_limit;
	for (uint64 i = 0; i < other->ngroups; i++)
	{
		uint8 *from = record_at(other, i);
		uint8 *to;
		uint64 hash = 0;

		for (int k = 0; k < groups->program->nkeys; k++)
			hash = hash_key(groups, k, (GstoreGroupKey *) from + k, hash);
		if (groups->program->nkeys == 0 && groups->ngroups > 0)
			to = record_at(groups, 0);
		else if (groups->program->nkeys == 0)
			to = new_record(groups, &status);
		else
			to = find_record(groups, (GstoreGroupKey *) from, 1, hash,
							 &status);
		if (to == NULL)
			return status;
		for (int j = 0; j < groups->program->naggregates; j++)
			merge_state(&groups->aggregates[j], states_of(groups, to) + j,
						states_of(other, from) + j);
	}
	return GSTORE_ENGINE_OK;
}

bool
gstore_groups_get(const GstoreGroups *groups, uint64 index,
				  const GstoreGroupKey **keys, GstoreAggregateState **states)
{
	uint8 *record;

	if (index >= groups->ngroups)
		return false;
	record = record_at(groups, index);
	*keys = (GstoreGroupKey *) record;
	*states = states_of(groups, record);
	return true;
}
