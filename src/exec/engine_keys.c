/*
 * engine_keys.c
 *	  From the keys of a vector's rows to the numbers of their groups.
 *
 * Keys of types that often have few values (bool, texts of one byte, integers
 * and dates around a first one) are coded directly: a row's group is an element
 * of an array.  A row with a key beyond the codes takes the long way, by hash;
 * if many do, all do from then on.  Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_groups.h"

/* Codes of all keys together, at most. */
#define MAX_CODES ((uint64) 1 << 18)
#define NO_CODE UINT32_MAX

typedef struct DirectKey
{
	bool has_base;
	int64 base; /* value of code 1; 0 is NULL */
	uint32 ncodes;
	uint32 stride;
} DirectKey;

struct GstoreDirectKeys
{
	uint32 codes[GSTORE_VECTOR_ROWS];
	uint32 *groups; /* by code: number + 1, or 0 */
	DirectKey keys[];
};

/* ---- keys as they are kept ---- */

/* The bits of a key by which equal values are equal. */
static inline uint8
make_key(GstoreGroupKey *key, const GstoreRegister *reg, const void *values,
		 int at)
{
	key->meta = 0;
	switch (reg->type)
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
			double value = reg->type == GSTORE_TYPE_FLOAT4
							   ? ((const float *) values)[at]
							   : ((const double *) values)[at];

			if (value == 0)
				value = 0; /* not minus zero */
			if (value != value)
				value = NAN;
			memcpy(&key->word, &value, 8);
			break;
		}
		case GSTORE_TYPE_DECIMAL:
			key->word = (uint64) ((const gstore_decimal *) values)[at];
			key->meta = reg->scale;
			break;
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

/* The key of a row; an error state, or 0. */
static inline uint8
row_key(const GstoreGroups *groups, const GstoreMachine *machine, int key,
		int at, GstoreGroupKey *to)
{
	uint16 reg = groups->key_registers[key];
	const GstoreVector *vector = &machine->registers[reg];
	uint8 state = vector->clean ? 0 : vector->states[at];

	if (state == GSTORE_STATE_NULL)
	{
		to->word = 0;
		to->meta = GSTORE_KEY_NULL;
		return GSTORE_STATE_VALUE;
	}
	return state ? state : make_key(to, &groups->registers[reg], vector->values, at);
}

/* ---- by hash ---- */

/* One row, by the long way. */
static uint32
find_row(GstoreGroups *groups, const GstoreMachine *machine, int at,
		 GstoreEngineStatus *status, uint8 *error)
{
	uint64 hash = 0;

	for (int k = 0; k < groups->nkeys; k++)
	{
		*error = row_key(groups, machine, k, at, &groups->keys[k]);
		if (*error != GSTORE_STATE_VALUE)
		{
			*status = GSTORE_ENGINE_STATE;
			return GSTORE_NO_GROUP;
		}
		hash = gstore_group_hash(groups, k, &groups->keys[k], hash);
	}
	return gstore_group_find(groups, groups->keys, 1, hash, status);
}

GstoreEngineStatus
gstore_groups_hash(GstoreGroups *groups, const GstoreMachine *machine,
				   const uint16 *selection, int n, uint8 *error)
{
	memset(groups->hashes, 0, n * sizeof(uint64));
	for (int k = 0; k < groups->nkeys; k++)
	{
		GstoreGroupKey *keys = groups->keys + (size_t) k * GSTORE_VECTOR_ROWS;

		for (int i = 0; i < n; i++)
		{
			*error = row_key(groups, machine, k, selection ? selection[i] : i,
							 &keys[i]);
			if (*error != GSTORE_STATE_VALUE)
				return GSTORE_ENGINE_STATE;
			groups->hashes[i] = gstore_group_hash(groups, k, &keys[i],
												  groups->hashes[i]);
		}
	}
	return GSTORE_ENGINE_OK;
}

static GstoreEngineStatus
number_by_hash(GstoreGroups *groups, const GstoreMachine *machine,
			   const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status = gstore_groups_hash(groups, machine, selection,
												   n, error);
	uint32 number = GSTORE_NO_GROUP;

	if (status != GSTORE_ENGINE_OK)
		return status;
	for (int i = 0; i < n; i++)
	{
		const GstoreGroupKey *keys = groups->keys + i;

		if (i % GSTORE_PREFETCH_ROWS == 0)
			gstore_groups_prefetch(groups, &groups->hashes[i],
								   Min(n - i, GSTORE_PREFETCH_ROWS));
		/* often the same as the row before */
		if (number == GSTORE_NO_GROUP ||
			groups->hashes[i] != groups->hashes[i - 1] ||
			!gstore_group_is(groups, number, keys, GSTORE_VECTOR_ROWS))
			number = gstore_group_find(groups, keys, GSTORE_VECTOR_ROWS,
									   groups->hashes[i], &status);
		if (number == GSTORE_NO_GROUP)
			return status;
		groups->numbers[i] = number;
	}
	return GSTORE_ENGINE_OK;
}

/* ---- by code ---- */

/* How many codes a key of a type gets, 0: none; nkeys share what there is. */
static uint32
codes_of(GstoreType type, int nkeys)
{
	switch (type)
	{
		case GSTORE_TYPE_BOOL:
			return 3;
		case GSTORE_TYPE_TEXT:
			return 2 + 256;
		case GSTORE_TYPE_INT2:
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_DECIMAL:
			return nkeys == 1 ? 1 << 16 : (nkeys == 2 ? 1 << 9 : 1 << 5);
		default:
			return 0;
	}
}

GstoreDirectKeys *
gstore_direct_keys_create(const GstoreGroups *groups)
{
	int nkeys = groups->nkeys;
	GstoreDirectKeys *direct;
	uint64 codes = 1;

	if (nkeys == 0)
		return NULL;
	direct = calloc(1, sizeof(*direct) + nkeys * sizeof(DirectKey));
	if (direct == NULL)
		return NULL;
	for (int k = 0; k < nkeys; k++)
	{
		DirectKey *key = &direct->keys[k];

		key->ncodes =
			codes_of((GstoreType) groups->registers[groups->key_registers[k]].type,
					 nkeys);
		key->stride = (uint32) codes;
		codes *= key->ncodes;
		if (codes == 0 || codes > MAX_CODES)
		{
			free(direct);
			return NULL;
		}
	}
	direct->groups = calloc(codes, sizeof(uint32));
	if (direct->groups == NULL)
	{
		free(direct);
		return NULL;
	}
	return direct;
}

void
gstore_direct_keys_destroy(GstoreDirectKeys *direct)
{
	if (direct != NULL)
		free(direct->groups);
	free(direct);
}

/* Add a key's codes to those of the rows.  VALUE is an expression of at: an
 * integer, of which code 1 stands for 0. */
#define ADD_CODES(VALUE) \
	for (int i = 0; i < n; i++) \
	{ \
		int at = selection ? selection[i] : i; \
		uint64 code = (uint64) (VALUE) + 1; \
\
		if (!vector->clean && vector->states[at]) \
			code = vector->states[at] == GSTORE_STATE_NULL ? 0 : NO_CODE; \
		else if (code == 0) \
			code = NO_CODE; \
		codes[i] = code < key->ncodes && codes[i] != NO_CODE \
					   ? codes[i] + (uint32) code * key->stride \
					   : NO_CODE; \
	}

#define ADD_INTEGER_CODES(ctype) \
	do \
	{ \
		const ctype *values = vector->values; \
\
		if (!key->has_base) \
			key->base = (int64) ((uint64) values[selection ? selection[0] : 0] - \
								 key->ncodes / 2); \
		key->has_base = true; \
		ADD_CODES((uint64) values[at] - (uint64) key->base) \
	} while (0)

/* A text of no or one byte. */
static inline uint64
text_code(const GstoreText *text)
{
	if (text->length > 1)
		return NO_CODE;
	return text->length == 0 ? 0 : 1 + (uint64) text->data[0];
}

static void
add_codes(const GstoreGroups *groups, const GstoreMachine *machine, int k,
		  const uint16 *selection, int n)
{
	uint16 reg = groups->key_registers[k];
	const GstoreVector *vector = &machine->registers[reg];
	DirectKey *key = &groups->direct->keys[k];
	uint32 *codes = groups->direct->codes;

	switch (groups->registers[reg].type)
	{
		case GSTORE_TYPE_BOOL:
			ADD_CODES(((const gstore_logic *) vector->values)[at] != 0)
			break;
		case GSTORE_TYPE_TEXT:
			ADD_CODES(text_code((const GstoreText *) vector->values + at))
			break;
		case GSTORE_TYPE_INT2:
			ADD_INTEGER_CODES(int16);
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			ADD_INTEGER_CODES(int32);
			break;
		default:
			ADD_INTEGER_CODES(int64);
			break;
	}
}

GstoreEngineStatus
gstore_groups_number(GstoreGroups *groups, const GstoreMachine *machine,
					 const uint16 *selection, int n, uint8 *error)
{
	GstoreDirectKeys *direct = groups->direct;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	int misses = 0;

	if (direct == NULL)
		return number_by_hash(groups, machine, selection, n, error);
	memset(direct->codes, 0, n * sizeof(uint32));
	for (int k = 0; k < groups->nkeys; k++)
		add_codes(groups, machine, k, selection, n);
	for (int i = 0; i < n; i++)
	{
		uint32 code = direct->codes[i];
		uint32 number = code == NO_CODE ? 0 : direct->groups[code];

		if (number == 0)
		{
			number = find_row(groups, machine, selection ? selection[i] : i,
							  &status, error) +
					 1;
			if (status != GSTORE_ENGINE_OK)
				return status;
			if (code == NO_CODE)
				misses++;
			else
				direct->groups[code] = number;
		}
		groups->numbers[i] = number - 1;
	}
	if (misses > n / 4)
	{
		gstore_direct_keys_destroy(direct);
		groups->direct = NULL;
	}
	return GSTORE_ENGINE_OK;
}
