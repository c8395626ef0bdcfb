/*
 * pgstrom_build.c
 *	  Rows -> an image of format pgstrom.
 *
 * A builder keeps every column ready to be copied into the image as it is:
 * arrays of values and, for variable-length columns, of places in a dictionary.
 * A null bitmap begins as all ones and is touched by NULLs only.  Nothing is
 * shared by two columns, so that each can be worked on by a thread of its own.
 *
 * A row that is added alone is added wholly or not at all.
 */
#include <string.h>

#include "codec/bounds.h"
#include "codec/dictionary.h"
#include "codec/fixed.h"
#include "codec/normalize.h"
#include "codec/pgstrom.h"

/* Rows there is room for at first; a multiple of 8. */
#define FIRST_ROOM 64

typedef enum ColumnKind
{
	KIND_DROPPED,
	KIND_BYVAL1,
	KIND_BYVAL2,
	KIND_BYVAL4,
	KIND_BYVAL8,
	KIND_BYREF,
	KIND_VARLENA
} ColumnKind;

typedef struct Column
{
	const GstoreColumn *def;
	uint8 kind;		 /* ColumnKind */
	uint32 stride;	 /* bytes from value to value; varlena: 4 */
	uint64 rows;	 /* a dropped column has none */
	uint64 room;	 /* rows the arrays hold */
	uint8 *values;	 /* [room * stride]; varlena: uint32, 0 = NULL, else
						 * a place in the dictionary */
	uint8 *validity; /* [room / 8], fixed length only; bits behind the last
						 * row are 1 */
	uint64 null_count;
	uint64 added_row; /* 1 + the last row that added to the dictionary */
	uint64 memory;
	uint64 at; /* where its part of the image begins */
	GstoreDictionary dictionary;
	GstoreScratch scratch; /* for normalize.h */
	GstoreColumnBounds bounds;
} Column;

struct GstoreBuilder
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	uint64 rows;
	uint64 max_rows;
	uint64 max_bytes;
	Column columns[];
};

/* Bytes of a column's block; one that is NULL in every row has none. */
static uint64
block_bytes(const GstoreColumn *def, uint64 rows, const GstoreColumnSize *size)
{
	uint64 bytes;

	if (def->dropped || size->nulls == rows)
		return 0;
	bytes = GSTORE_ALIGN(rows * GSTORE_PGSTROM_STRIDE(def->attlen,
													  def->attalign),
						 8);
	if (def->attlen < 0)
		bytes += size->bytes;
	else if (size->nulls > 0)
		bytes += GSTORE_ALIGN((rows + 7) / 8, 8);
	return bytes;
}

static uint64
column_bytes(const Column *column)
{
	GstoreColumnSize size = {column->null_count, column->dictionary.used};

	return block_bytes(column->def, column->rows, &size);
}

uint64
gstore_pgstrom_column_bytes(const GstoreBuilder *builder, int column)
{
	return column_bytes(&builder->columns[column]);
}

uint64
gstore_pgstrom_bytes(const GstoreBuilder *builder)
{
	uint64 bytes = GSTORE_PGSTROM_BODY(builder->schema->ncols);

	for (int i = 0; i < builder->schema->ncols; i++)
		bytes += column_bytes(&builder->columns[i]);
	return bytes;
}

/* ---- life ---- */

static ColumnKind
column_kind(const GstoreColumn *def)
{
	if (def->dropped)
		return KIND_DROPPED;
	if (def->attlen < 0)
		return KIND_VARLENA;
	if (!def->attbyval)
		return KIND_BYREF;
	switch (def->attlen)
	{
		case 1:
			return KIND_BYVAL1;
		case 2:
			return KIND_BYVAL2;
		case 4:
			return KIND_BYVAL4;
		default:
			return KIND_BYVAL8;
	}
}

GstoreBuilder *
gstore_pgstrom_create(const GstoreSchema *schema,
					  const GstoreAllocator *allocator)
{
	size_t bytes = sizeof(GstoreBuilder) + schema->ncols * sizeof(Column);
	GstoreBuilder *builder = allocator->alloc(allocator->state, bytes);

	if (builder == NULL)
		return NULL;
	memset(builder, 0, bytes);
	builder->schema = schema;
	builder->allocator = *allocator;
	builder->max_rows = GSTORE_PGSTROM_MAX_ROWS;
	builder->max_bytes = GSTORE_PGSTROM_MAX_BYTES;
	for (int i = 0; i < schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		column->def = &schema->columns[i];
		column->kind = column_kind(column->def);
		column->stride = GSTORE_PGSTROM_STRIDE(column->def->attlen,
											   column->def->attalign);
		column->scratch.allocator = &builder->allocator;
		gstore_column_bounds_init(&column->bounds, column->def);
	}
	return builder;
}

void
gstore_pgstrom_destroy(GstoreBuilder *builder)
{
	GstoreAllocator allocator = builder->allocator;

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		if (column->values != NULL)
			allocator.free(allocator.state, column->values);
		if (column->validity != NULL)
			allocator.free(allocator.state, column->validity);
		gstore_dictionary_free(&column->dictionary, &allocator);
		gstore_scratch_free(&column->scratch);
		gstore_column_bounds_free(&column->bounds, &allocator);
	}
	allocator.free(allocator.state, builder);
}

void
gstore_pgstrom_reset_column(GstoreBuilder *builder, int number)
{
	Column *column = &builder->columns[number];

	if (column->validity != NULL && column->null_count > 0)
		memset(column->validity, 0xFF, (column->rows + 7) / 8);
	column->rows = 0;
	column->null_count = 0;
	column->added_row = 0;
	gstore_dictionary_reset(&column->dictionary);
	gstore_column_bounds_reset(&column->bounds);
}

void
gstore_pgstrom_reset(GstoreBuilder *builder)
{
	for (int i = 0; i < builder->schema->ncols; i++)
		gstore_pgstrom_reset_column(builder, i);
	builder->rows = 0;
}

const GstoreSchema *
gstore_pgstrom_schema(const GstoreBuilder *builder)
{
	return builder->schema;
}

uint64
gstore_pgstrom_rows(const GstoreBuilder *builder)
{
	return builder->rows;
}

void
gstore_pgstrom_set_rows(GstoreBuilder *builder, uint64 rows)
{
	builder->rows = rows;
}

uint64
gstore_pgstrom_memory(const GstoreBuilder *builder)
{
	uint64 bytes = sizeof(GstoreBuilder) +
				   builder->schema->ncols * sizeof(Column);

	for (int i = 0; i < builder->schema->ncols; i++)
		bytes += builder->columns[i].memory + builder->columns[i].scratch.room;
	return bytes;
}

void
gstore_pgstrom_limit(GstoreBuilder *builder, uint64 rows, uint64 bytes)
{
	builder->max_rows = rows;
	builder->max_bytes = bytes;
}

void
gstore_pgstrom_bounds(const GstoreBuilder *builder, int column, uint64 rows,
					  GstoreBounds *bounds, int stride)
{
	gstore_column_bounds_get(&builder->columns[column].bounds, rows, bounds,
							 stride);
}

/* ---- room ---- */

static GstoreCodecStatus
no_memory(GstoreCodecError *error, int column)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, column,
							 "out of memory", "");
}

static GstoreCodecStatus
too_large(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
							 "a chunk exceeds the 32 GB that format \"pgstrom\" can address",
							 "Lower gstore_fdw.chunk_size.");
}

static GstoreCodecStatus
too_many(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
							 "a chunk of format \"pgstrom\" holds at most 4294967295 rows",
							 "Lower gstore_fdw.chunk_size.");
}

/* Room for so many rows, at least twice as many as there was. */
static bool
grow_column(GstoreBuilder *builder, Column *column, uint64 rows)
{
	const GstoreAllocator *allocator = &builder->allocator;
	uint64 before = column->room;
	uint64 room = Max(GSTORE_ALIGN(rows, FIRST_ROOM), before * 2);
	uint8 *grown = allocator->resize(allocator->state, column->values,
									 room * column->stride);

	if (grown == NULL)
		return false;
	column->values = grown;
	column->memory += (room - before) * column->stride;
	if (column->kind != KIND_VARLENA)
	{
		grown = allocator->resize(allocator->state, column->validity,
								  room / 8);
		if (grown == NULL)
			return false;
		memset(grown + before / 8, 0xFF, (room - before) / 8);
		column->validity = grown;
		column->memory += (room - before) / 8;
	}
	column->room = room;
	return true;
}

static inline bool
make_room(GstoreBuilder *builder, Column *column, uint32 count)
{
	uint64 rows = column->rows + count;

	return likely(rows <= column->room) || grow_column(builder, column, rows);
}

/* ---- adding a row ---- */

static void
append_null(Column *column)
{
	uint64 row = column->rows;

	memset(column->values + row * column->stride, 0, column->stride);
	if (column->kind != KIND_VARLENA)
		column->validity[row / 8] &= ~(1 << (row % 8));
	column->null_count++;
}

/* Take back the last row. */
static void
undo_row(Column *column, bool isnull)
{
	uint64 row = --column->rows;

	if (isnull)
	{
		column->null_count--;
		if (column->kind != KIND_VARLENA)
			column->validity[row / 8] |= 1 << (row % 8);
	}
	else if (column->kind == KIND_VARLENA && column->added_row == row + 1)
		gstore_dictionary_undo(&column->dictionary,
							   ((uint32 *) column->values)[row]);
}

/* A value's place in row `row'. */
static inline GstoreCodecStatus
append_varlena(GstoreBuilder *builder, Column *column, uint64 row,
			   GstoreValue value, GstoreCodecError *error)
{
	const void *pointer = (const void *) (uintptr_t) value;
	bool plain = column->def->compression == GSTORE_COMPRESSION_NONE &&
				 gstore_varlena_is_plain(pointer);
	GstoreVarlena varlena = gstore_varlena(pointer);
	uint32 place;
	bool added;

	if (unlikely(!plain))
	{
		GstoreCodecStatus status =
			gstore_normalize(pointer, column->def->compression,
							 &column->scratch, &varlena, error);

		if (status != GSTORE_CODEC_OK)
			return status;
	}
	if (unlikely(column->dictionary.used + varlena.body_bytes + 12 >
				 builder->max_bytes))
		return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
								 "the values of one chunk exceed the 32 GB that format \"pgstrom\" can address",
								 "Lower gstore_fdw.chunk_size.");
	place = gstore_dictionary_place(&column->dictionary, &varlena,
									&builder->allocator, &column->memory,
									&added);
	if (unlikely(place == 0))
		return no_memory(error, -1);
	if (added)
		column->added_row = row + 1;
	((uint32 *) column->values)[row] = place;
	return GSTORE_CODEC_OK;
}

static inline void
append_byref(Column *column, uint64 row, GstoreValue value)
{
	uint8 *target = column->values + row * column->stride;
	uint32 length = (uint32) column->def->attlen;

	memcpy(target, (const void *) (uintptr_t) value, length);
	memset(target + length, 0, column->stride - length);
}

static GstoreCodecStatus
append_one(GstoreBuilder *builder, Column *column, GstoreValue value,
		   bool isnull, GstoreCodecError *error)
{
	uint64 row = column->rows;
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	if (!make_room(builder, column, 1))
		return no_memory(error, -1);
	if (isnull)
		append_null(column);
	else
		switch ((ColumnKind) column->kind)
		{
			case KIND_BYVAL1:
				column->values[row] = (uint8) value;
				break;
			case KIND_BYVAL2:
				((uint16 *) column->values)[row] = (uint16) value;
				break;
			case KIND_BYVAL4:
				((uint32 *) column->values)[row] = (uint32) value;
				break;
			case KIND_BYVAL8:
				((uint64 *) column->values)[row] = value;
				break;
			case KIND_VARLENA:
				status = append_varlena(builder, column, row, value, error);
				break;
			default:
				append_byref(column, row, value);
				break;
		}
	if (status == GSTORE_CODEC_OK)
		column->rows++;
	return status;
}

/* Take the columns' latest row in. */
static GstoreCodecStatus
add_bounds(GstoreBuilder *builder, const GstoreValue *values,
		   const bool *nulls, GstoreCodecError *error)
{
	for (int i = 0; i < builder->schema->ncols; i++)
		if (!gstore_column_bounds_add(&builder->columns[i].bounds, &values[i],
									  &nulls[i], 1, &builder->allocator))
		{
			while (--i >= 0)
				gstore_column_bounds_undo(&builder->columns[i].bounds,
										  nulls[i]);
			return no_memory(error, -1);
		}
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_pgstrom_append(GstoreBuilder *builder, const GstoreValue *values,
					  const bool *nulls, GstoreCodecError *error)
{
	int ncols = builder->schema->ncols;
	Column *columns = builder->columns;
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	int i;

	if (unlikely(builder->rows >= builder->max_rows))
		return too_many(error);
	for (i = 0; i < ncols; i++)
	{
		if (columns[i].kind == KIND_DROPPED)
			continue;
		status = append_one(builder, &columns[i], values[i], nulls[i], error);
		if (unlikely(status != GSTORE_CODEC_OK))
		{
			error->column = i;
			break;
		}
	}
	if (status == GSTORE_CODEC_OK &&
		unlikely(gstore_pgstrom_bytes(builder) > builder->max_bytes))
		status = too_large(error);
	if (status == GSTORE_CODEC_OK)
		status = add_bounds(builder, values, nulls, error);
	if (unlikely(status != GSTORE_CODEC_OK))
	{
		while (--i >= 0)
			if (columns[i].kind != KIND_DROPPED)
				undo_row(&columns[i], nulls[i]);
		return status;
	}
	builder->rows++;
	return GSTORE_CODEC_OK;
}

/* ---- adding a column's values ---- */

#define APPEND_FIXED(type) \
	GSTORE_APPEND_FIXED(type, (type *) column->values + column->rows, values, \
						nulls, count)

static void
append_byrefs(Column *column, const GstoreValue *values, const bool *nulls,
			  uint32 count)
{
	for (uint32 i = 0; i < count; i++)
		if (nulls != NULL && nulls[i])
			memset(column->values + (column->rows + i) * column->stride, 0,
				   column->stride);
		else
			append_byref(column, column->rows + i, values[i]);
}

static GstoreCodecStatus
append_varlenas(GstoreBuilder *builder, Column *column,
				const GstoreValue *values, const bool *nulls, uint32 count,
				GstoreCodecError *error)
{
	uint64 row = column->rows;

	for (uint32 i = 0; i < count; i++, row++)
	{
		GstoreCodecStatus status;

		if (nulls != NULL && nulls[i])
		{
			((uint32 *) column->values)[row] = 0;
			continue;
		}
		status = append_varlena(builder, column, row, values[i], error);
		if (unlikely(status != GSTORE_CODEC_OK))
		{
			error->row = i;
			return status;
		}
	}
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_pgstrom_append_column(GstoreBuilder *builder, int number,
							 const GstoreValue *values, const bool *nulls,
							 uint32 count, GstoreCodecError *error)
{
	Column *column = &builder->columns[number];
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	if (column->kind == KIND_DROPPED)
		return GSTORE_CODEC_OK;
	if (column->rows + count > builder->max_rows)
		return too_many(error);
	if (!make_room(builder, column, count))
		return no_memory(error, number);
	switch ((ColumnKind) column->kind)
	{
		case KIND_BYVAL1:
			APPEND_FIXED(uint8);
			break;
		case KIND_BYVAL2:
			APPEND_FIXED(uint16);
			break;
		case KIND_BYVAL4:
			APPEND_FIXED(uint32);
			break;
		case KIND_BYVAL8:
			APPEND_FIXED(uint64);
			break;
		case KIND_VARLENA:
			status = append_varlenas(builder, column, values, nulls, count,
									 error);
			break;
		default:
			append_byrefs(column, values, nulls, count);
			break;
	}
	if (status != GSTORE_CODEC_OK)
	{
		error->column = number;
		return status;
	}
	column->null_count += gstore_mark_nulls(column->validity, column->rows,
											nulls, count);
	column->rows += count;
	if (column_bytes(column) > builder->max_bytes)
		return too_large(error);
	if (!gstore_column_bounds_add(&column->bounds, values, nulls, count,
								  &builder->allocator))
		return no_memory(error, number);
	return GSTORE_CODEC_OK;
}

/* ---- writing the image ---- */

/* Copy, and zero the rest of the last 8 bytes. */
static uint8 *
write_padded(uint8 *target, const uint8 *source, uint64 bytes)
{
	uint64 padded = GSTORE_ALIGN(bytes, 8);

	memcpy(target, source, bytes);
	memset(target + bytes, 0, padded - bytes);
	return target + padded;
}

static void
write_block(const Column *column, uint8 *target)
{
	uint64 rows = column->rows;
	uint64 array = rows * column->stride;

	if (column->kind == KIND_VARLENA)
	{
		const uint32 *places = (const uint32 *) column->values;
		uint32 *offsets = (uint32 *) target;
		/* Places begin at 1, offsets behind the array. */
		uint32 shift = (uint32) (GSTORE_ALIGN(array, 8) / 8) - 1;

		for (uint64 row = 0; row < rows; row++)
			offsets[row] = places[row] == 0 ? 0 : places[row] + shift;
		if (rows % 2 == 1)
			offsets[rows] = 0;
		memcpy(target + GSTORE_ALIGN(array, 8), column->dictionary.bytes,
			   column->dictionary.used);
		return;
	}
	target = write_padded(target, column->values, array);
	if (column->null_count > 0)
	{
		write_padded(target, column->validity, (rows + 7) / 8);
		if (rows % 8 != 0)
			target[rows / 8] &= (1 << (rows % 8)) - 1;
	}
}

static void
describe_column(const GstoreColumn *def, GstorePgstromColumn *meta)
{
	meta->attbyval = def->attbyval;
	meta->attalign = def->attalign;
	meta->attlen = def->attlen;
	meta->attnum = def->attnum;
	meta->attcacheoff = -1;
	meta->atttypid = def->dropped ? 0 : def->typid;
	meta->atttypmod = def->typmod;
	meta->va_offset = 0;
	meta->va_length = 0;
}

/* The header without its columns. */
static void
begin_header(const GstoreSchema *schema, uint64 rows, void *image)
{
	GstorePgstromHeader *header = image;

	memset(image, 0, GSTORE_PGSTROM_BODY(schema->ncols));
	header->nitems = (uint32) rows;
	header->nrooms = (uint32) rows;
	header->ncols = schema->ncols;
	header->format = GSTORE_PGSTROM_FORMAT_COLUMN;
	header->has_attnames = 1;
	header->tdtypeid = schema->row_type;
	header->tdtypmod = -1;
	header->table_oid = schema->table_oid;
	header->hash_max = 0xFFFFFFFF;
}

/* A column whose block of so many bytes comes at *at. */
static void
put_column(const GstoreSchema *schema, int number, uint64 bytes, void *image,
		   uint64 *at)
{
	const GstoreColumn *def = &schema->columns[number];
	GstorePgstromHeader *header = image;
	GstorePgstromColumn *metas = (GstorePgstromColumn *) (header + 1);
	uint8 *names = (uint8 *) (metas + schema->ncols);

	describe_column(def, &metas[number]);
	memcpy(names + (size_t) number * GSTORE_NAME_LENGTH, def->name,
		   GSTORE_NAME_LENGTH);
	if (!def->dropped && !def->attbyval)
		header->has_notbyval = 1;
	if (bytes == 0)
		return;
	metas[number].va_offset = (uint32) (*at / 8);
	metas[number].va_length = (uint32) (bytes / 8);
	*at += bytes;
}

static void
end_header(void *image, uint64 at)
{
	GstorePgstromHeader *header = image;

	header->length = at;
	header->usage = (uint32) (at / 8);
}

void
gstore_pgstrom_write_header(GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	uint64 at = GSTORE_PGSTROM_BODY(schema->ncols);

	begin_header(schema, builder->rows, image);
	for (int i = 0; i < schema->ncols; i++)
	{
		builder->columns[i].at = at;
		put_column(schema, i, column_bytes(&builder->columns[i]), image, &at);
	}
	end_header(image, at);
}

void
gstore_pgstrom_write_column(GstoreBuilder *builder, int number, void *image)
{
	const Column *column = &builder->columns[number];

	if (column_bytes(column) > 0)
		write_block(column, (uint8 *) image + column->at);
}

/* ---- an image without its rows ---- */

GstoreCodecStatus
gstore_pgstrom_lay_out(const GstoreSchema *schema, uint64 rows,
					   const GstoreColumnSize *sizes, void *header,
					   uint64 *image_bytes, GstoreCodecError *error)
{
	uint64 at = GSTORE_PGSTROM_BODY(schema->ncols);

	if (rows > GSTORE_PGSTROM_MAX_ROWS)
		return too_many(error);
	begin_header(schema, rows, header);
	for (int i = 0; i < schema->ncols; i++)
	{
		uint64 bytes = block_bytes(&schema->columns[i], rows, &sizes[i]);

		if (bytes > GSTORE_PGSTROM_MAX_BYTES ||
			at > GSTORE_PGSTROM_MAX_BYTES - bytes)
			return too_large(error);
		put_column(schema, i, bytes, header, &at);
	}
	end_header(header, at);
	*image_bytes = at;
	return GSTORE_CODEC_OK;
}
