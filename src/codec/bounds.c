/*
 * bounds.c
 *	  Keys of values, and their extremes in the blocks of an image; see
 *	  bounds.h.
 *
 * Columns that lie in an image as numbers are gone through as they lie; all
 * others are decoded first.
 */
#include "codec/bounds.h"

#include <string.h>

#include "codec/arrow.h"
#include "codec/bits.h"
#include "codec/fixed.h"
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

/* As gstore_prefix_key, of many. */
static inline uint64
prefix_key(const uint8 *bytes, uint64 length)
{
	uint64 key = 0;

	if (length >= sizeof(key))
		memcpy(&key, bytes, sizeof(key));
	else
		memcpy(&key, bytes, length);
	return __builtin_bswap64(key);
}

static inline uint64
bpchar_key(const uint8 *bytes, uint64 length)
{
	return prefix_key(bytes, gstore_length_without_blanks(bytes, length));
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

/* ---- columns of an image ---- */

static const GstoreBounds nothing = {UINT64_MAX, 0, 0, 0};
static const GstoreBounds anything = {0, UINT64_MAX, 0, 0};

static inline bool
is_null(const GstoreColumnView *view, uint64 row)
{
	uint64 bit = view->validity_bit + row;

	return (view->validity[bit / 8] & (1 << (bit % 8))) == 0;
}

/*
 * Go through the values of rows [from, to) of a view as they lie: key is an
 * expression in `at', the address of a value.
 */
#define ADD_KEYS(key) \
	do \
	{ \
		const uint8 *at = view->values + from * view->stride; \
		uint64 least = UINT64_MAX; \
		uint64 greatest = 0; \
\
		for (uint64 row = from; row < to; row++, at += view->stride) \
		{ \
			uint64 one; \
\
			if (view->validity != NULL && is_null(view, row)) \
			{ \
				bounds->nulls++; \
				continue; \
			} \
			one = (key); \
			least = one < least ? one : least; \
			greatest = one > greatest ? one : greatest; \
		} \
		bounds->least = least; \
		bounds->greatest = greatest; \
		return true; \
	} while (0)

#define LOAD(type) (*(const type *) at)

/* Encoding FIXED; false where values have to be decoded. */
static bool
bounds_of_fixed(const GstoreColumnView *view, GstoreOrder order, uint64 from,
				uint64 to, GstoreBounds *bounds)
{
	switch (order)
	{
		case GSTORE_ORDER_INTEGER:
			if (view->attlen == 8)
				ADD_KEYS(gstore_integer_key(LOAD(int64)));
			if (view->attlen == 4)
				ADD_KEYS(gstore_integer_key(LOAD(int32)));
			if (view->attlen == 2)
				ADD_KEYS(gstore_integer_key(LOAD(int16)));
			return false;
		case GSTORE_ORDER_TIMESTAMP:
			ADD_KEYS(gstore_integer_key(LOAD(int64)));
		case GSTORE_ORDER_DATE:
			ADD_KEYS(gstore_date_key(LOAD(int32)));
		case GSTORE_ORDER_UNSIGNED:
			if (view->attlen == 4)
				ADD_KEYS(LOAD(uint32));
			return false;
		case GSTORE_ORDER_FLOAT:
			if (view->attlen == 8)
				ADD_KEYS(gstore_float_key(LOAD(double)));
			ADD_KEYS(gstore_float_key(LOAD(float)));
		case GSTORE_ORDER_UUID:
			ADD_KEYS(prefix_key(at, 16));
		default:
			return false;
	}
}

static bool
bounds_of_decimals(const GstoreColumnView *view, uint64 from, uint64 to,
				   GstoreBounds *bounds)
{
	const uint8 *at = view->values + from * view->stride;
	GstoreInt128 least = 0;
	GstoreInt128 greatest = 0;
	bool any = false;

	for (uint64 row = from; row < to; row++, at += view->stride)
	{
		GstoreInt128 value;

		if (view->validity != NULL && is_null(view, row))
		{
			bounds->nulls++;
			continue;
		}
		memcpy(&value, at, sizeof(value));
		least = !any || value < least ? value : least;
		greatest = !any || value > greatest ? value : greatest;
		any = true;
	}
	if (any)
	{
		bounds->least = gstore_decimal_key(least, view->scale);
		bounds->greatest = gstore_decimal_key(greatest, view->scale);
	}
	return true;
}

/* Encoding ARROW_FIXED. */
static bool
bounds_of_converted(const GstoreColumnView *view, GstoreOrder order,
					uint64 from, uint64 to, GstoreBounds *bounds)
{
	switch (order)
	{
		case GSTORE_ORDER_NUMERIC:
			return bounds_of_decimals(view, from, to, bounds);
		case GSTORE_ORDER_DATE:
			ADD_KEYS(gstore_date_key(LOAD(int32) - GSTORE_EPOCH_DAYS));
		case GSTORE_ORDER_TIMESTAMP:
			ADD_KEYS(gstore_integer_key(LOAD(int64) - GSTORE_EPOCH_MICROSECONDS));
		default:
			return false;
	}
}

/* Take decoded numerics in; ranks are of the extremes so far. */
static void
add_numerics(GstoreBounds *bounds, GstoreBounds *ranks,
			 const GstoreValue *values, const bool *nulls, uint64 count)
{
	for (uint64 i = 0; i < count; i++)
	{
		GstoreVarlena varlena;
		GstoreNumericHeader header;
		uint64 rank;
		uint64 key;
		bool exact;

		/* A value that repeats is often stored once. */
		if (nulls[i] || (i > 0 && !nulls[i - 1] && values[i] == values[i - 1]))
		{
			bounds->nulls += nulls[i];
			continue;
		}
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
			gstore_bounds_add(bounds, key);
		else
		{
			gstore_bounds_add(bounds, anything.least);
			gstore_bounds_add(bounds, anything.greatest);
		}
	}
}

/* Any encoding. */
static GstoreCodecStatus
bounds_of_decoded(const GstoreCodec *codec, const GstoreColumnView *view,
				  GstoreOrder order, uint64 from, uint64 to,
				  GstoreScratch *scratch, GstoreBounds *bounds,
				  GstoreCodecError *error)
{
	GstoreValue values[GSTORE_BATCH_ROWS];
	bool nulls[GSTORE_BATCH_ROWS];
	GstoreBounds sum = nothing;
	GstoreBounds ranks = nothing;
	bool all = true;

	for (uint64 at = from; at < to; at += GSTORE_BATCH_ROWS)
	{
		uint64 count = to - at < GSTORE_BATCH_ROWS ? to - at : GSTORE_BATCH_ROWS;
		GstoreCodecStatus status = codec->decode(view, at, count, NULL, values,
												 nulls, scratch, error);

		if (status != GSTORE_CODEC_OK)
			return status;
		if (order == GSTORE_ORDER_NUMERIC)
		{
			add_numerics(&sum, &ranks, values, nulls, count);
			continue;
		}
		for (uint64 i = 0; i < count; i++)
		{
			uint64 key;

			if (nulls[i])
				sum.nulls++;
			else if (gstore_bounds_key(order, view->attlen, values[i], &key))
				gstore_bounds_add(&sum, key);
			else
				all = false;
		}
	}
	if (!all)
	{
		sum.least = anything.least;
		sum.greatest = anything.greatest;
	}
	*bounds = sum;
	return GSTORE_CODEC_OK;
}

void
gstore_bounds_widen(GstoreBounds *bounds)
{
	if (bounds->least > bounds->greatest)
		return;
	bounds->least -= bounds->least < GSTORE_NUMERIC_SLACK ? bounds->least : GSTORE_NUMERIC_SLACK;
	bounds->greatest += UINT64_MAX - bounds->greatest < GSTORE_NUMERIC_SLACK ? UINT64_MAX - bounds->greatest : GSTORE_NUMERIC_SLACK;
}

/* All blocks of one column; bounds are stride apart. */
static GstoreCodecStatus
bounds_of_column(const GstoreCodec *codec, const GstoreColumnView *view,
				 GstoreOrder order, uint64 rows, GstoreScratch *scratch,
				 GstoreBounds *bounds, int stride, GstoreCodecError *error)
{
	for (uint64 from = 0; from < rows; from += GSTORE_BLOCK_ROWS)
	{
		uint64 to = from + GSTORE_BLOCK_ROWS < rows ? from + GSTORE_BLOCK_ROWS : rows;
		bool done = false;

		*bounds = nothing;
		if (view->encoding == GSTORE_ENCODING_ABSENT)
		{
			bounds->nulls = (uint32) (to - from);
			done = true;
		}
		else if (view->encoding == GSTORE_ENCODING_FIXED)
			done = bounds_of_fixed(view, order, from, to, bounds);
		else if (view->encoding == GSTORE_ENCODING_ARROW_FIXED)
			done = bounds_of_converted(view, order, from, to, bounds);
		if (!done)
		{
			GstoreCodecStatus status = bounds_of_decoded(codec, view, order,
														 from, to, scratch,
														 bounds, error);

			if (status != GSTORE_CODEC_OK)
				return status;
		}
		if (order == GSTORE_ORDER_NUMERIC)
			gstore_bounds_widen(bounds);
		bounds += stride;
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
bind_column(const GstoreCodec *codec, const GstoreImage *image, int column,
			const void *bytes, GstoreColumnView *view,
			GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	uint64 rows = codec->rows(image);
	int nranges = codec->column_ranges(image, column, 0, rows, ranges);

	for (int i = 0; i < nranges; i++)
		pointers[i] = (const uint8 *) bytes + ranges[i].offset;
	return codec->bind(image, column, 0, rows, pointers, view, error);
}

GstoreCodecStatus
gstore_bounds_of_image(const GstoreCodec *codec, const GstoreSchema *schema,
					   const void *bytes, uint64 image_bytes,
					   const GstoreAllocator *allocator, GstoreBounds *bounds,
					   GstoreCodecError *error)
{
	GstoreScratch scratch = {.allocator = allocator};
	GstoreImage *image;
	GstoreCodecStatus status = codec->open(bytes, image_bytes, schema,
										   allocator, &image, error);
	uint64 rows;

	if (status != GSTORE_CODEC_OK)
		return status;
	rows = codec->rows(image);
	for (int i = 0; i < schema->ncols && status == GSTORE_CODEC_OK; i++)
	{
		GstoreOrder order = (GstoreOrder) schema->columns[i].order;
		GstoreColumnView view;

		if (schema->columns[i].dropped || order == GSTORE_ORDER_NONE)
		{
			for (uint32 block = 0; block < gstore_block_count(rows); block++)
				bounds[block * (uint64) schema->ncols + i] = anything;
			continue;
		}
		status = bind_column(codec, image, i, bytes, &view, error);
		if (status == GSTORE_CODEC_OK)
			status = bounds_of_column(codec, &view, order, rows, &scratch,
									  bounds + i, schema->ncols, error);
	}
	gstore_scratch_free(&scratch);
	codec->close(image);
	return status;
}
