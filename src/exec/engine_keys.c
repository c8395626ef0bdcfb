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
/* Groups from which on codes had better be numbers of records. */
#define WIDE_GROUPS 4096

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

/* Values of a vector that are words as they are. */
#define FILL_WORDS(ctype) \
	do \
	{ \
		const ctype *values = vector->values; \
\
		if (selection == NULL) \
			for (int i = 0; i < n; i++) \
				words[i] = (uint64) values[i]; \
		else \
			for (int i = 0; i < n; i++) \
				words[i] = (uint64) values[selection[i]]; \
	} while (0)

#define FILL_REALS(ctype) \
	do \
	{ \
		const ctype *values = vector->values; \
\
		for (int i = 0; i < n; i++) \
		{ \
			double value = values[selection ? selection[i] : i]; \
\
			if (value == 0) \
				value = 0; /* not minus zero */ \
			if (value != value) \
				value = NAN; \
			memcpy(&words[i], &value, sizeof(value)); \
		} \
	} while (0)

/* A numeric that fits; those of NULL rows may not. */
static void
fill_numerics(const GstoreVector *vector, const uint16 *selection, int n,
			  uint64 *words, uint64 *meta, uint8 *error)
{
	const GstoreNumeric *values = vector->values;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;

		words[i] = (uint64) values[at].value;
		meta[i] = (uint64) values[at].scale;
		if (!gstore_int128_small(values[at].value) &&
			(vector->clean || vector->states[at] == GSTORE_STATE_VALUE))
			*error = GSTORE_STATE_BEYOND;
	}
}

static void
fill_texts(const GstoreVector *vector, const uint16 *selection, int n,
		   uint64 *words, uint64 *meta)
{
	const GstoreText *values = vector->values;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		const GstoreText *value = &values[at];

		words[i] = 0;
		meta[i] = value->length;
		if (!vector->clean && vector->states[at] != GSTORE_STATE_VALUE)
			continue;
		if (value->length <= 8)
			for (uint64 j = 0; j < value->length; j++)
				words[i] |= (uint64) value->data[j] << (8 * j);
		else
			words[i] = (uintptr_t) value->data;
	}
}

/* Rows that are NULL have words of their own; other states are errors. */
static void
fill_nulls(const GstoreKeyLayout *key, int k, const GstoreVector *vector,
		   const uint16 *selection, int n, uint64 *words, uint64 *meta,
		   uint64 *nulls, uint8 *error)
{
	for (int i = 0; i < n; i++)
	{
		uint8 state = vector->states[selection ? selection[i] : i];

		if (state == GSTORE_STATE_VALUE)
			continue;
		if (state > GSTORE_STATE_NULL)
			*error = state;
		words[i] = 0;
		if (key->has_meta)
			meta[i] = GSTORE_KEY_NULL;
		else
			nulls[i] |= UINT64_C(1) << k;
	}
}

/* The words of a key, and where it is NULL. */
static uint8
fill_key(GstoreGroups *groups, const GstoreMachine *machine, int k,
		 const uint16 *selection, int n)
{
	const GstoreKeyLayout *key = &groups->keys[k];
	const GstoreVector *vector = &machine->registers[key->reg];
	uint64 *words = groups->words + (size_t) key->word * GSTORE_VECTOR_ROWS;
	uint64 *meta = key->has_meta ? words + GSTORE_VECTOR_ROWS : NULL;
	uint8 error = GSTORE_STATE_VALUE;

	if (meta != NULL)
		memset(meta, 0, n * sizeof(uint64));
	switch (key->type)
	{
		case GSTORE_TYPE_BOOL:
			FILL_WORDS(gstore_logic);
			break;
		case GSTORE_TYPE_INT2:
			FILL_WORDS(int16);
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			FILL_WORDS(int32);
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
		case GSTORE_TYPE_DECIMAL:
			FILL_WORDS(int64);
			break;
		case GSTORE_TYPE_FLOAT4:
			FILL_REALS(float);
			break;
		case GSTORE_TYPE_FLOAT8:
			FILL_REALS(double);
			break;
		case GSTORE_TYPE_NUMERIC:
			fill_numerics(vector, selection, n, words, meta, &error);
			break;
		case GSTORE_TYPE_TEXT:
			fill_texts(vector, selection, n, words, meta);
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	if (!vector->clean)
		fill_nulls(key, k, vector, selection, n, words, meta, groups->heads,
				   &error);
	return error;
}

void
gstore_group_key(const GstoreGroups *groups, int key, const uint64 *words,
				 uint64 head, GstoreGroupKey *to)
{
	const GstoreKeyLayout *layout = &groups->keys[key];

	to->word = words[layout->word];
	if (layout->has_meta)
		to->meta = words[layout->word + 1];
	else
		to->meta = (head >> key & 1) ? GSTORE_KEY_NULL : 0;
	if (layout->type == GSTORE_TYPE_DECIMAL && to->meta == 0)
		to->meta = groups->registers[layout->reg].scale;
}

/* ---- by hash ---- */

GstoreEngineStatus
gstore_groups_hash(GstoreGroups *groups, const GstoreMachine *machine,
				   const uint16 *selection, int n, uint8 *error)
{
	memset(groups->heads, 0, n * sizeof(uint64));
	for (int k = 0; k < groups->nkeys; k++)
	{
		*error = fill_key(groups, machine, k, selection, n);
		if (*error != GSTORE_STATE_VALUE)
			return GSTORE_ENGINE_STATE;
	}
	if (groups->key_words == 1)
		for (int i = 0; i < n; i++)
			groups->heads[i] = gstore_group_head(groups, 1, &groups->words[i],
												 GSTORE_VECTOR_ROWS,
												 (uint32) groups->heads[i]);
	else
		for (int i = 0; i < n; i++)
			groups->heads[i] = gstore_group_head(groups, groups->nkeys,
												 &groups->words[i],
												 GSTORE_VECTOR_ROWS,
												 (uint32) groups->heads[i]);
	return GSTORE_ENGINE_OK;
}

/* The groups of positions [from, to) whose words and heads are filled in. */
static GstoreEngineStatus
find_groups(GstoreGroups *groups, int from, int to)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint32 number = GSTORE_NO_GROUP;

	for (int i = from; i < to; i++)
	{
		const uint64 *words = groups->words + i;

		if ((i - from) % GSTORE_PREFETCH_ROWS == 0)
			gstore_groups_prefetch(groups, &groups->heads[i],
								   Min(to - i, GSTORE_PREFETCH_ROWS));
		/* often the same as the row before */
		if (number == GSTORE_NO_GROUP ||
			groups->heads[i] != groups->heads[i - 1] ||
			!gstore_group_is(groups, number, words, GSTORE_VECTOR_ROWS,
							 groups->heads[i]))
			number = gstore_group_find(groups, words, GSTORE_VECTOR_ROWS,
									   groups->heads[i], &status);
		if (number == GSTORE_NO_GROUP)
			return status;
		groups->numbers[i] = number;
	}
	return GSTORE_ENGINE_OK;
}

static GstoreEngineStatus
number_by_hash(GstoreGroups *groups, const GstoreMachine *machine,
			   const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status = gstore_groups_hash(groups, machine, selection,
												   n, error);

	return status == GSTORE_ENGINE_OK ? find_groups(groups, 0, n) : status;
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
			codes_of((GstoreType) groups->keys[k].type, nkeys);
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
 * integer, of which code 1 stands for 0.  Of a row that is NULL it is not asked:
 * what lies in place of a text is no pointer. */
#define ADD_CODES(VALUE) \
	for (int i = 0; i < n; i++) \
	{ \
		int at = selection ? selection[i] : i; \
		uint64 code; \
\
		if (!vector->clean && vector->states[at]) \
			code = vector->states[at] == GSTORE_STATE_NULL ? 0 : NO_CODE; \
		else \
		{ \
			code = (uint64) (VALUE) + 1; \
			code = code == 0 ? NO_CODE : code; \
		} \
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

/* The same of a vector whose rows all have values that codes stand for, most
 * often.  VALUE as above. */
#define ADD_CLEAN_CODES(VALUE) \
	for (int i = 0; i < n; i++) \
	{ \
		int at = selection ? selection[i] : i; \
		uint64 code = (uint64) (VALUE) + 1; \
\
		code = code - 1 < key->ncodes - 1 ? codes[i] + code * key->stride \
										  : NO_CODE; \
		codes[i] = codes[i] == NO_CODE ? NO_CODE : (uint32) code; \
	}

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
	const GstoreVector *vector = &machine->registers[groups->keys[k].reg];
	DirectKey *key = &groups->direct->keys[k];
	uint32 *codes = groups->direct->codes;

	switch (groups->keys[k].type)
	{
		case GSTORE_TYPE_BOOL:
			ADD_CODES(((const gstore_logic *) vector->values)[at] != 0)
			break;
		case GSTORE_TYPE_TEXT:
			if (vector->clean)
				ADD_CLEAN_CODES(text_code((const GstoreText *) vector->values + at))
			else
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

/* Groups that codes have no number for yet, and rows without a code: hashed, all
 * of the vector at once. */
static GstoreEngineStatus
number_misses(GstoreGroups *groups, const GstoreMachine *machine,
			  const uint16 *selection, int n, uint8 *error)
{
	GstoreDirectKeys *direct = groups->direct;
	GstoreEngineStatus status = gstore_groups_hash(groups, machine, selection,
												   n, error);

	for (int i = 0; i < n && status == GSTORE_ENGINE_OK; i++)
	{
		uint32 code = direct->codes[i];

		if (code != NO_CODE && direct->groups[code] != 0)
			continue;
		status = find_groups(groups, i, i + 1);
		if (status == GSTORE_ENGINE_OK && code != NO_CODE)
			direct->groups[code] = groups->numbers[i] + 1;
	}
	return status;
}

static GstoreEngineStatus
number_by_code(GstoreGroups *groups, const GstoreMachine *machine,
			   const uint16 *selection, int n, uint8 *error)
{
	GstoreDirectKeys *direct = groups->direct;
	GstoreEngineStatus status;
	int unknown = 0;
	int misses = 0;

	memset(direct->codes, 0, n * sizeof(uint32));
	for (int k = 0; k < groups->nkeys; k++)
		add_codes(groups, machine, k, selection, n);
	for (int i = 0; i < n; i++)
	{
		uint32 code = direct->codes[i];

		groups->numbers[i] = (code == NO_CODE ? 0 : direct->groups[code]) - 1;
		unknown += groups->numbers[i] == GSTORE_NO_GROUP;
		misses += code == NO_CODE;
	}
	if (unknown == 0)
		return GSTORE_ENGINE_OK;
	status = number_misses(groups, machine, selection, n, error);
	if (status != GSTORE_ENGINE_OK)
		return status;
	for (int i = 0; i < n; i++)
		if (direct->codes[i] != NO_CODE)
			groups->numbers[i] = direct->groups[direct->codes[i]] - 1;
	if (misses > n / 4)
	{
		gstore_direct_keys_destroy(direct);
		groups->direct = NULL;
	}
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_groups_number(GstoreGroups *groups, const GstoreMachine *machine,
					 const uint16 *selection, int n, uint8 *error)
{
	GstoreEngineStatus status;
	bool left = false;

	/* The codes were not enough, or lead to many groups: are the values close
	 * together? */
	if (!groups->is_wide && !groups->stays_hashed &&
		(groups->direct == NULL || groups->ngroups > WIDE_GROUPS))
	{
		groups->stays_hashed = true;
		status = gstore_wide_supports(groups)
					 ? gstore_wide_try(groups, machine, selection, n)
					 : GSTORE_ENGINE_OK;
		if (status != GSTORE_ENGINE_OK)
			return status;
	}
	if (groups->is_wide)
	{
		status = gstore_wide_number(groups, machine, selection, n, error, &left);
		if (status != GSTORE_ENGINE_OK || !left)
			return status;
	}
	return groups->direct != NULL
			   ? number_by_code(groups, machine, selection, n, error)
			   : number_by_hash(groups, machine, selection, n, error);
}
