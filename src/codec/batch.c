/*
 * batch.c
 *	  Staging rows and taking them apart; see batch.h.
 *
 * A staged row begins on a multiple of 8 bytes with a head of 8: for a tuple
 * those of its own header that follow GSTORE_TUPLE_SKIP, of which the first two
 * bytes say which form the row has.
 *
 *	 byte 0		0 tuple, 1 values
 *		  2		uint16 attributes and flags		(tuple)
 *		  4		uint16 flags; bit 0: has NULLs	(tuple)
 *		  6		uint8 bytes of the header		(tuple)
 *		  7		NULL bitmap						(tuple)
 *		  8		values, then NULLs, then what values point to	(values)
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/batch.h"
#include "codec/copy.h"
#include "varlena.h"

#define FORM_TUPLE 0
#define FORM_VALUES 1

#define HAS_NULLS 0x0001

/* Rows of a batch at most, and the bytes that values of all columns take. */
#define MOST_ROWS 1024
#define MOST_VALUE_BYTES (1 << 20)
#define FEWEST_ROWS 64

/* ---- life ---- */

bool
gstore_batch_can(const GstoreSchema *schema)
{
	return schema->nfields == schema->ncols;
}

static void
describe(GstoreBatch *batch, const GstoreSchema *schema)
{
	uint32 at = 0;
	bool fixed = true;

	for (uint32 i = 0; i < batch->ncols; i++)
	{
		const GstoreColumn *def = &schema->columns[i];
		GstoreBatchColumn *column = &batch->columns[i];

		column->length = def->attlen;
		column->align = def->attalign;
		column->by_value = def->attbyval ? (uint8) def->attlen : 0;
		/* What is kept as the text of its type comes as a text. */
		if (!def->dropped && def->arrow_kind == GSTORE_ARROW_OUTPUT)
			*column = (GstoreBatchColumn){-1, 4, 0};
		if (!column->by_value && !def->dropped)
			batch->by_reference[batch->nby_reference++] = i;
		fixed = fixed && column->length > 0;
		if (!fixed)
			continue;
		at = (uint32) GSTORE_ALIGN(at, column->align);
		batch->offsets[batch->nfixed++] = at;
		at += column->length;
	}
}

bool
gstore_batch_init(GstoreBatch *batch, const GstoreSchema *schema, uint32 room,
				  const GstoreAllocator *allocator)
{
	uint64 ncols = schema->ncols;
	uint64 rows = MOST_VALUE_BYTES / ((ncols + 1) * (sizeof(GstoreValue) + sizeof(bool)));
	uint64 per_row;
	uint64 per_column;
	uint8 *memory;

	rows = Min(Max(rows, FEWEST_ROWS), MOST_ROWS) / 8 * 8;
	per_column = rows * (sizeof(GstoreValue) + sizeof(bool)) +
				 sizeof(GstoreBatchColumn) + 2 * sizeof(uint32) + sizeof(bool);
	per_row = sizeof(uint32);
	memory = allocator->alloc(allocator->state,
							  (size_t) room + rows * per_row +
								  ncols * per_column);
	if (memory == NULL)
		return false;
	memset(batch, 0, sizeof(*batch));
	batch->allocator = allocator;
	batch->ncols = (uint32) ncols;
	batch->max_rows = (uint32) rows;
	batch->room = room / 8 * 8;
	batch->bytes = memory;
	batch->values = (GstoreValue *) (memory + batch->room);
	batch->rows = (uint32 *) (batch->values + ncols * rows);
	batch->offsets = batch->rows + rows;
	batch->by_reference = batch->offsets + ncols;
	batch->columns = (GstoreBatchColumn *) (batch->by_reference + ncols);
	batch->nulls = (bool *) (batch->columns + ncols);
	batch->any_null = batch->nulls + ncols * rows;
	describe(batch, schema);
	return true;
}

void
gstore_batch_empty(GstoreBatch *batch)
{
	for (uint32 i = 0; i < batch->nreplacements; i++)
		batch->allocator->free(batch->allocator->state,
							   batch->replacements[i]);
	batch->nreplacements = 0;
	batch->nwishes = 0;
	batch->nrows = 0;
	batch->used = 0;
}

void
gstore_batch_free(GstoreBatch *batch)
{
	const GstoreAllocator *allocator = batch->allocator;

	if (batch->bytes == NULL)
		return;
	gstore_batch_empty(batch);
	allocator->free(allocator->state, batch->bytes);
	if (batch->wishes != NULL)
		allocator->free(allocator->state, batch->wishes);
	if (batch->replacements != NULL)
		allocator->free(allocator->state, batch->replacements);
	memset(batch, 0, sizeof(*batch));
}

/* ---- staging ---- */

bool
gstore_batch_add_tuple(GstoreBatch *batch, const void *tuple, uint32 length)
{
	uint8 *target = batch->bytes + batch->used;
	uint32 bytes = length - GSTORE_TUPLE_SKIP;

	if (unlikely(bytes > batch->room - batch->used ||
				 batch->nrows >= batch->max_rows))
		return false;
	memcpy(target, (const uint8 *) tuple + GSTORE_TUPLE_SKIP, bytes);
	memset(target, 0, 2);
	batch->rows[batch->nrows++] = batch->used;
	batch->used = (uint32) GSTORE_ALIGN(batch->used + bytes, 8);
	return true;
}

/* What builders read: also what pglz has compressed, but nothing else that is not
 * plain. */
static inline bool
is_storable(const uint8 *value)
{
	GstoreVarlena varlena;

	if (likely(gstore_varlena_is_plain(value)))
		return true;
	varlena = gstore_varlena(value);
	return !(value[0] & 1) && gstore_varlena_method(&varlena) == 0;
}

/* Bytes of any in-line value. */
static inline uint64
varlena_bytes(const uint8 *value)
{
	uint32 header;

	if (value[0] & 1)
		return value[0] >> 1;
	memcpy(&header, value, sizeof(header));
	return header >> 2;
}

GstoreBatchOutcome
gstore_batch_add_values(GstoreBatch *batch, const GstoreValue *values,
						const bool *nulls)
{
	uint32 ncols = batch->ncols;
	uint64 fixed = 8 + ncols * sizeof(GstoreValue) + GSTORE_ALIGN(ncols, 8);
	uint8 *target = batch->bytes + batch->used;
	uint64 left = batch->room - batch->used;
	uint64 at = fixed;
	GstoreValue *row_values = (GstoreValue *) (target + 8);
	bool *row_nulls = (bool *) (row_values + ncols);

	if (unlikely(fixed > left || batch->nrows >= batch->max_rows))
		return GSTORE_BATCH_NO_ROOM;
	target[0] = FORM_VALUES;
	memcpy(row_values, values, ncols * sizeof(GstoreValue));
	memcpy(row_nulls, nulls, ncols);
	for (uint32 i = 0; i < batch->nby_reference; i++)
	{
		uint32 column = batch->by_reference[i];
		const uint8 *from = (const uint8 *) (uintptr_t) values[column];
		uint64 bytes;

		if (nulls[column])
			continue;
		bytes = (uint64) batch->columns[column].length;
		if (batch->columns[column].length < 0)
		{
			if (unlikely(!is_storable(from)))
				return GSTORE_BATCH_NOT_STORABLE;
			bytes = varlena_bytes(from);
		}
		if (unlikely(bytes > left - at))
			return GSTORE_BATCH_NO_ROOM;
		gstore_copy(target + at, from, bytes);
		row_values[column] = (GstoreValue) (uintptr_t) (target + at);
		at = GSTORE_ALIGN(at + bytes, 8);
	}
	batch->rows[batch->nrows++] = batch->used;
	batch->used += (uint32) at;
	return GSTORE_BATCH_ADDED;
}

/* ---- taking apart ---- */

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
}

/* An array with room for one more; NULL: out of memory. */
static void *
grown(const GstoreBatch *batch, void *array, uint32 n, uint32 *room,
	  size_t width)
{
	uint32 more = *room == 0 ? 64 : *room * 2;
	void *result;

	if (n < *room)
		return array;
	result = batch->allocator->resize(batch->allocator->state, array,
									  more * width);
	if (result != NULL)
		*room = more;
	return result;
}

static bool
wish(GstoreBatch *batch, uint32 column, uint32 row)
{
	GstoreBatchWish *wishes = grown(batch, batch->wishes, batch->nwishes,
									&batch->wishes_room, sizeof(*wishes));

	if (wishes == NULL)
		return false;
	batch->wishes = wishes;
	wishes[batch->nwishes].column = column;
	wishes[batch->nwishes++].row = row;
	return true;
}

/* As PostgreSQL makes Datums of values. */
static inline GstoreValue
fetch(const GstoreBatchColumn *column, const uint8 *at)
{
	switch (column->by_value)
	{
		case 1:
			return (GstoreValue) (int64) * (const int8 *) at;
		case 2:
			return (GstoreValue) (int64) * (const int16 *) at;
		case 4:
			return (GstoreValue) (int64) * (const int32 *) at;
		case 8:
			return *(const uint64 *) at;
		default:
			return (GstoreValue) (uintptr_t) at;
	}
}

/* The columns of a tuple from `from' on, the first of which lies behind byte
 * `at' of data. */
static GstoreCodecStatus
spread_tuple(GstoreBatch *batch, uint32 row, const uint8 *data, uint32 from,
			 uint64 at, const uint8 *bits, GstoreCodecError *error)
{
	uint32 end = row + 1 < batch->nrows ? batch->rows[row + 1] : batch->used;
	const GstoreBatchColumn *columns = batch->columns;
	uint64 stride = batch->max_rows;
	GstoreValue *value = batch->values + from * stride + row;

	for (uint32 i = from; i < batch->ncols; i++, value += stride)
	{
		const GstoreBatchColumn *column = &columns[i];

		if (bits != NULL && !(bits[i / 8] & (1 << (i % 8))))
		{
			batch->nulls[i * stride + row] = true;
			batch->any_null[i] = true;
			*value = 0;
			continue;
		}
		if (column->length > 0)
		{
			at = GSTORE_ALIGN(at, column->align);
			*value = fetch(column, data + at);
			at += (uint64) column->length;
			continue;
		}
		/* Padding is zeros, which no packed value begins with. */
		if (data[at] == 0)
			at = GSTORE_ALIGN(at, column->align);
		*value = (GstoreValue) (uintptr_t) (data + at);
		if (unlikely(!is_storable(data + at)) && !wish(batch, i, row))
			return no_memory(error);
		at += varlena_bytes(data + at);
	}
	if (unlikely(data + at > batch->bytes + end))
		return gstore_codec_fail(error, GSTORE_CODEC_CORRUPT, -1,
								 "a row is longer than its tuple", "");
	return GSTORE_CODEC_OK;
}

static void
spread_values(GstoreBatch *batch, uint32 row, const uint8 *head)
{
	const GstoreValue *values = (const GstoreValue *) (head + 8);
	const bool *nulls = (const bool *) (values + batch->ncols);
	uint64 stride = batch->max_rows;

	for (uint32 i = 0; i < batch->ncols; i++)
	{
		batch->values[i * stride + row] = values[i];
		if (unlikely(nulls[i]))
		{
			batch->nulls[i * stride + row] = true;
			batch->any_null[i] = true;
		}
	}
}

GstoreCodecStatus
gstore_batch_spread(GstoreBatch *batch, GstoreCodecError *error)
{
	uint32 nfixed = batch->nfixed;
	uint64 stride = batch->max_rows;
	uint64 behind = nfixed == 0 ? 0 : batch->offsets[nfixed - 1] + (uint64) batch->columns[nfixed - 1].length;

	memset(batch->nulls, 0, batch->ncols * stride);
	memset(batch->any_null, 0, batch->ncols);
	for (uint32 row = 0; row < batch->nrows; row++)
	{
		const uint8 *head = batch->bytes + batch->rows[row];
		const uint8 *data;
		GstoreCodecStatus status;
		uint16 flags;

		if (head[0] == FORM_VALUES)
		{
			spread_values(batch, row, head);
			continue;
		}
		memcpy(&flags, head + 4, sizeof(flags));
		data = head + head[6] - GSTORE_TUPLE_SKIP;
		if (flags & HAS_NULLS)
			status = spread_tuple(batch, row, data, 0, 0, head + 7, error);
		else
		{
			for (uint32 i = 0; i < nfixed; i++)
				batch->values[i * stride + row] =
					fetch(&batch->columns[i], data + batch->offsets[i]);
			status = spread_tuple(batch, row, data, nfixed, behind, NULL,
								  error);
		}
		if (unlikely(status != GSTORE_CODEC_OK))
			return status;
	}
	return GSTORE_CODEC_OK;
}

bool
gstore_batch_replace(GstoreBatch *batch, const GstoreBatchWish *wish,
					 const void *value, uint64 bytes)
{
	void **list = grown(batch, batch->replacements, batch->nreplacements,
						&batch->replacements_room, sizeof(void *));
	void *copy;

	if (list == NULL)
		return false;
	batch->replacements = list;
	copy = batch->allocator->alloc(batch->allocator->state, bytes);
	if (copy == NULL)
		return false;
	memcpy(copy, value, bytes);
	list[batch->nreplacements++] = copy;
	batch->values[wish->column * (uint64) batch->max_rows + wish->row] =
		(GstoreValue) (uintptr_t) copy;
	return true;
}
