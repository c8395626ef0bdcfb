/*
 * bounds.c
 *	  Keys of values, and their extremes in the blocks of an image; see
 *	  bounds.h.
 */
#include "codec/bounds.h"

#include <string.h>

#include "codec/arrow.h"
#include "numeric.h"
#include "varlena.h"

/* ---- keys ---- */

/* Digits of the key by which numerics are compared first. */
#define DIGITS_OF_RANK 3

/*
 * A cheaper key of a numeric, for finding the extremes of many: sign, weight
 * and first digits.  *exact: it has all the digits.
 */
static inline uint64
numeric_rank(const GstoreNumericHeader *header, bool *exact)
{
	uint64 rank = (uint64) (header->weight + 32768) << (14 * DIGITS_OF_RANK);

	*exact = header->ndigits <= DIGITS_OF_RANK;
	if (header->ndigits == 0)
		return GSTORE_KEY_SIGN;
	for (uint32 i = 0; i < DIGITS_OF_RANK && i < header->ndigits; i++)
	{
		uint16 digit;

		memcpy(&digit, header->digits + 2 * i, sizeof(digit));
		rank |= (uint64) (digit & 0x3FFF) << (14 * (DIGITS_OF_RANK - 1 - i));
	}
	return header->negative ? ~(rank | GSTORE_KEY_SIGN) : rank | GSTORE_KEY_SIGN;
}

static inline uint32
load4(const uint8 *bytes)
{
	uint32 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* As gstore_prefix_key, of many. */
static inline uint64
prefix_key(const uint8 *bytes, uint64 length)
{
	uint64 key = 0;

	/* Bytes that are loaded twice are the same both times. */
	if (length >= 8)
		memcpy(&key, bytes, sizeof(key));
	else if (length >= 4)
		key = load4(bytes) |
			  (uint64) load4(bytes + length - 4) << (8 * (length - 4));
	else if (length > 0)
		key = bytes[0] | (uint64) bytes[length / 2] << (8 * (length / 2)) |
			  (uint64) bytes[length - 1] << (8 * (length - 1));
	return __builtin_bswap64(key);
}

static inline uint64
bpchar_key(const uint8 *bytes, uint64 length)
{
	/* Blanks at the end change the key only where its last byte is one. */
	if (length < 8 || bytes[7] == ' ')
		length = gstore_length_without_blanks(bytes, length);
	return prefix_key(bytes, length);
}

static bool
varlena_key(GstoreOrder order, GstoreValue value, uint64 *key)
{
	GstoreVarlena varlena = gstore_varlena((const void *) (uintptr_t) value);

	if (gstore_varlena_is_compressed(&varlena))
		return false;
	if (order == GSTORE_ORDER_NUMERIC)
		*key = gstore_numeric_key(varlena.body, varlena.body_bytes);
	else if (order == GSTORE_ORDER_BPCHAR)
		*key = bpchar_key(varlena.body, varlena.body_bytes);
	else
		*key = prefix_key(varlena.body, varlena.body_bytes);
	return true;
}

bool
gstore_bounds_key(GstoreOrder order, int16 attlen, GstoreValue value,
				  uint64 *key)
{
	const void *pointer = (const void *) (uintptr_t) value;
	GstoreInterval interval;
	double real;
	float single;
	uint32 low = (uint32) value;

	switch (order)
	{
		case GSTORE_ORDER_INTEGER:
			*key = gstore_integer_key(attlen == 2 ? (int16) value : attlen == 4 ? (int32) value
																				: (int64) value);
			return true;
		case GSTORE_ORDER_UNSIGNED:
			*key = attlen == 1 ? (uint8) value : low;
			return true;
		case GSTORE_ORDER_FLOAT:
			if (attlen == 4)
			{
				memcpy(&single, &low, sizeof(single));
				real = single;
			}
			else
				memcpy(&real, &value, sizeof(real));
			*key = gstore_float_key(real);
			return true;
		case GSTORE_ORDER_DATE:
			*key = gstore_date_key((int32) value);
			return true;
		case GSTORE_ORDER_TIMESTAMP:
			*key = gstore_integer_key((int64) value);
			return true;
		case GSTORE_ORDER_INTERVAL:
			memcpy(&interval, pointer, sizeof(interval));
			*key = gstore_interval_key(interval.months, interval.days,
									   interval.microseconds);
			return true;
		case GSTORE_ORDER_UUID:
			*key = prefix_key(pointer, 16);
			return true;
		case GSTORE_ORDER_NUMERIC:
		case GSTORE_ORDER_TEXT:
		case GSTORE_ORDER_BPCHAR:
			return varlena_key(order, value, key);
		default:
			return false;
	}
}

/* ---- columns of a builder ---- */

static const GstoreBounds nothing = {UINT64_MAX, 0, 0, 0};
static const GstoreBounds anything = {0, UINT64_MAX, 0, 0};

void
gstore_column_bounds_init(GstoreColumnBounds *bounds,
						  const GstoreColumn *column)
{
	memset(bounds, 0, sizeof(*bounds));
	bounds->attlen = column->attlen;
	/* What is kept as the text of its type is no value of it. */
	if (!column->dropped && column->arrow_kind != GSTORE_ARROW_OUTPUT)
		bounds->order = (GstoreOrder) column->order;
}

void
gstore_column_bounds_reset(GstoreColumnBounds *bounds)
{
	bounds->rows = 0;
}

void
gstore_column_bounds_free(GstoreColumnBounds *bounds,
						  const GstoreAllocator *allocator)
{
	if (bounds->blocks != NULL)
		allocator->free(allocator->state, bounds->blocks);
}

/* The block that the next row is in; NULL when there is no memory. */
static GstoreBounds *
current_block(GstoreColumnBounds *bounds, const GstoreAllocator *allocator)
{
	uint64 number = bounds->rows / GSTORE_BLOCK_ROWS;

	if (number >= bounds->room)
	{
		uint64 room = Max(4, number * 2);
		GstoreBounds *grown = allocator->resize(allocator->state,
												bounds->blocks,
												room * sizeof(GstoreBounds));

		if (grown == NULL)
			return NULL;
		bounds->blocks = grown;
		bounds->room = room;
	}
	if (bounds->rows % GSTORE_BLOCK_ROWS == 0)
		bounds->blocks[number] = bounds->ranks = nothing;
	return &bounds->blocks[number];
}

/* Take the keys of values that are not NULL in: key is an expression in
 * `value'. */
#define ADD_KEYS(key) \
	do \
	{ \
		uint64 least = block->least; \
		uint64 greatest = block->greatest; \
\
		for (uint32 i = 0; i < count; i++) \
		{ \
			GstoreValue value = values[i]; \
			uint64 one; \
\
			if (nulls != NULL && nulls[i]) \
				continue; \
			one = (key); \
			least = one < least ? one : least; \
			greatest = one > greatest ? one : greatest; \
		} \
		block->least = least; \
		block->greatest = greatest; \
		return; \
	} while (0)

static inline double
double_of(GstoreValue value)
{
	double real;

	memcpy(&real, &value, sizeof(real));
	return real;
}

static inline double
float_of(GstoreValue value)
{
	uint32 low = (uint32) value;
	float single;

	memcpy(&single, &low, sizeof(single));
	return single;
}

/* ranks are of the extremes so far. */
static void
add_numerics(GstoreBounds *block, GstoreBounds *ranks,
			 const GstoreValue *values, const bool *nulls, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
	{
		GstoreVarlena varlena;
		GstoreNumericHeader header;
		uint64 rank;
		uint64 key;
		bool exact;

		if (nulls != NULL && nulls[i])
			continue;
		varlena = gstore_varlena((const void *) (uintptr_t) values[i]);
		header = gstore_numeric_header(varlena.body, varlena.body_bytes);
		if (header.status == GSTORE_NUMERIC_OK &&
			!gstore_varlena_is_compressed(&varlena))
		{
			rank = numeric_rank(&header, &exact);
			if (rank > ranks->least && rank < ranks->greatest)
				continue;
			if (exact && (rank == ranks->least || rank == ranks->greatest))
				continue;
			gstore_bounds_add(ranks, rank);
		}
		if (gstore_bounds_key(GSTORE_ORDER_NUMERIC, -1, values[i], &key))
			gstore_bounds_add(block, key);
		else
		{
			gstore_bounds_add(block, anything.least);
			gstore_bounds_add(block, anything.greatest);
		}
	}
}

/* Texts, which unless they are compressed have a key. */
static void
add_texts(GstoreOrder order, GstoreBounds *block, const GstoreValue *values,
		  const bool *nulls, uint32 count)
{
	uint64 least = block->least;
	uint64 greatest = block->greatest;

	for (uint32 i = 0; i < count; i++)
	{
		GstoreVarlena varlena;
		uint64 key;

		if (nulls != NULL && nulls[i])
			continue;
		varlena = gstore_varlena((const void *) (uintptr_t) values[i]);
		if (unlikely(gstore_varlena_is_compressed(&varlena)))
		{
			least = anything.least;
			greatest = anything.greatest;
			continue;
		}
		key = order == GSTORE_ORDER_BPCHAR
				  ? bpchar_key(varlena.body, varlena.body_bytes)
				  : prefix_key(varlena.body, varlena.body_bytes);
		least = key < least ? key : least;
		greatest = key > greatest ? key : greatest;
	}
	block->least = least;
	block->greatest = greatest;
}

/* Those whose keys are made one by one. */
static void
add_others(GstoreColumnBounds *bounds, GstoreBounds *block,
		   const GstoreValue *values, const bool *nulls, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
	{
		uint64 key;

		if (nulls != NULL && nulls[i])
			continue;
		if (gstore_bounds_key(bounds->order, bounds->attlen, values[i], &key))
			gstore_bounds_add(block, key);
		else
		{
			gstore_bounds_add(block, anything.least);
			gstore_bounds_add(block, anything.greatest);
		}
	}
}

/* Values of one block. */
static void
add_values(GstoreColumnBounds *bounds, GstoreBounds *block,
		   const GstoreValue *values, const bool *nulls, uint32 count)
{
	switch (bounds->order)
	{
		case GSTORE_ORDER_INTEGER:
			if (bounds->attlen == 8)
				ADD_KEYS(gstore_integer_key((int64) value));
			if (bounds->attlen == 4)
				ADD_KEYS(gstore_integer_key((int32) value));
			ADD_KEYS(gstore_integer_key((int16) value));
		case GSTORE_ORDER_TIMESTAMP:
			ADD_KEYS(gstore_integer_key((int64) value));
		case GSTORE_ORDER_DATE:
			ADD_KEYS(gstore_date_key((int32) value));
		case GSTORE_ORDER_UNSIGNED:
			if (bounds->attlen == 1)
				ADD_KEYS((uint8) value);
			ADD_KEYS((uint32) value);
		case GSTORE_ORDER_FLOAT:
			if (bounds->attlen == 8)
				ADD_KEYS(gstore_float_key(double_of(value)));
			ADD_KEYS(gstore_float_key(float_of(value)));
		case GSTORE_ORDER_NUMERIC:
			add_numerics(block, &bounds->ranks, values, nulls, count);
			return;
		case GSTORE_ORDER_TEXT:
		case GSTORE_ORDER_BPCHAR:
			add_texts(bounds->order, block, values, nulls, count);
			return;
		default:
			add_others(bounds, block, values, nulls, count);
	}
}

static uint32
count_nulls(const bool *nulls, uint32 count)
{
	uint32 found = 0;

	for (uint32 i = 0; nulls != NULL && i < count; i++)
		found += nulls[i];
	return found;
}

bool
gstore_column_bounds_add(GstoreColumnBounds *bounds,
						 const GstoreValue *values, const bool *nulls,
						 uint32 count, const GstoreAllocator *allocator)
{
	while (bounds->order != GSTORE_ORDER_NONE && count > 0)
	{
		GstoreBounds *block = current_block(bounds, allocator);
		uint32 left = GSTORE_BLOCK_ROWS - bounds->rows % GSTORE_BLOCK_ROWS;
		uint32 n = Min(count, left);

		if (block == NULL)
			return false;
		add_values(bounds, block, values, nulls, n);
		block->nulls += count_nulls(nulls, n);
		bounds->rows += n;
		values += n;
		nulls = nulls == NULL ? NULL : nulls + n;
		count -= n;
	}
	return true;
}

void
gstore_column_bounds_undo(GstoreColumnBounds *bounds, bool isnull)
{
	if (bounds->order == GSTORE_ORDER_NONE)
		return;
	bounds->rows--;
	bounds->blocks[bounds->rows / GSTORE_BLOCK_ROWS].nulls -= isnull;
}

bool
gstore_column_bounds_add_decimals(GstoreColumnBounds *bounds, int scale,
								  const GstoreDecimal *values,
								  const bool *nulls, uint32 count,
								  const GstoreAllocator *allocator)
{
	while (bounds->order != GSTORE_ORDER_NONE && count > 0)
	{
		GstoreBounds *block = current_block(bounds, allocator);
		uint32 left = GSTORE_BLOCK_ROWS - bounds->rows % GSTORE_BLOCK_ROWS;
		uint32 n = Min(count, left);
		uint32 nnulls = count_nulls(nulls, n);
		GstoreInt128 least = (GstoreInt128) (~(GstoreUint128) 0 >> 1);
		GstoreInt128 greatest = -least;

		if (block == NULL)
			return false;
		for (uint32 i = 0; i < n; i++)
		{
			if (nnulls > 0 && nulls[i])
				continue;
			least = values[i] < least ? values[i] : least;
			greatest = values[i] > greatest ? values[i] : greatest;
		}
		if (nnulls < n)
		{
			gstore_bounds_add(block, gstore_decimal_key(least, scale));
			gstore_bounds_add(block, gstore_decimal_key(greatest, scale));
		}
		block->nulls += nnulls;
		bounds->rows += n;
		values += n;
		nulls = nulls == NULL ? NULL : nulls + n;
		count -= n;
	}
	return true;
}

void
gstore_bounds_widen(GstoreBounds *bounds)
{
	if (bounds->least > bounds->greatest)
		return;
	bounds->least -= bounds->least < GSTORE_NUMERIC_SLACK ? bounds->least : GSTORE_NUMERIC_SLACK;
	bounds->greatest += UINT64_MAX - bounds->greatest < GSTORE_NUMERIC_SLACK ? UINT64_MAX - bounds->greatest : GSTORE_NUMERIC_SLACK;
}

void
gstore_column_bounds_get(const GstoreColumnBounds *bounds, uint64 rows,
						 GstoreBounds *target, int stride)
{
	for (uint32 block = 0; block < gstore_block_count(rows);
		 block++, target += stride)
	{
		*target = bounds->order == GSTORE_ORDER_NONE ? anything : bounds->blocks[block];
		if (bounds->order == GSTORE_ORDER_NUMERIC)
			gstore_bounds_widen(target);
	}
}
