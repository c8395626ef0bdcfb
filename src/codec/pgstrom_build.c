/*
 * pgstrom_build.c
 *	  Rows -> an image of format pgstrom.
 *
 * Adding a row is the hottest path of loading a table, so a builder keeps
 * every column ready to be copied into the image as it is: arrays of values
 * and, for variable-length columns, of places in a dictionary.  A null bitmap
 * begins as all ones and is touched by NULLs only.  The image's size is kept
 * up to date in a few counters (see image_bytes), not summed over columns.
 *
 * A row is added wholly or not at all.
 */
#include <string.h>

#include "codec/dictionary.h"
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
	bool present;	 /* some row is not NULL: it has a block */
	uint32 stride;	 /* bytes from value to value; varlena: 4 */
	uint8 *values;	 /* [room * stride]; varlena: uint32, 0 = NULL, else
						 * a place in the dictionary */
	uint8 *validity; /* [room / 8], fixed length only; bits behind the last
						 * row are 1 */
	uint64 null_count;
	uint64 added_row; /* 1 + the last row that added to the dictionary */
	GstoreDictionary dictionary;
} Column;

struct GstoreBuilder
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	GstoreScratch scratch; /* for normalize.h */
	uint64 rows;
	uint64 room; /* rows the arrays hold */
	uint64 memory;
	uint64 bytes; /* of the image */
	uint64 max_rows;
	uint64 max_bytes;

	/* Of the columns present, what image_bytes needs.  A stride s counts as
	 * s / 8 * 8 whole bytes per row and a rest of s % 8, whose array is
	 * padded. */
	uint64 whole_bytes;		 /* sum of s / 8 * 8 */
	uint32 rest_count[8];	 /* columns with that rest */
	uint32 bitmap_count;	 /* fixed-length columns with a NULL */
	uint64 dictionary_bytes; /* all dictionaries */
	Column columns[];
};

static uint64
image_bytes(const GstoreBuilder *builder, uint64 rows)
{
	uint64 bytes = GSTORE_PGSTROM_BODY(builder->schema->ncols) +
				   builder->dictionary_bytes + builder->whole_bytes * rows +
				   builder->bitmap_count * GSTORE_ALIGN((rows + 7) / 8, 8);

	for (int rest = 1; rest < 8; rest++)
		bytes += builder->rest_count[rest] * GSTORE_ALIGN(rows * rest, 8);
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
	builder->scratch.allocator = &builder->allocator;
	builder->memory = bytes;
	builder->max_rows = GSTORE_PGSTROM_MAX_ROWS;
	builder->max_bytes = GSTORE_PGSTROM_MAX_BYTES;
	builder->bytes = image_bytes(builder, 0);
	for (int i = 0; i < schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		column->def = &schema->columns[i];
		column->kind = column_kind(column->def);
		column->stride = GSTORE_PGSTROM_STRIDE(column->def->attlen,
											   column->def->attalign);
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
	}
	gstore_scratch_free(&builder->scratch);
	allocator.free(allocator.state, builder);
}

void
gstore_pgstrom_reset(GstoreBuilder *builder)
{
	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		if (column->validity != NULL && column->null_count > 0)
			memset(column->validity, 0xFF, (builder->rows + 7) / 8);
		column->present = false;
		column->null_count = 0;
		column->added_row = 0;
		gstore_dictionary_reset(&column->dictionary);
	}
	builder->rows = 0;
	builder->whole_bytes = 0;
	memset(builder->rest_count, 0, sizeof(builder->rest_count));
	builder->bitmap_count = 0;
	builder->dictionary_bytes = 0;
	builder->bytes = image_bytes(builder, 0);
}

uint64
gstore_pgstrom_rows(const GstoreBuilder *builder)
{
	return builder->rows;
}

uint64
gstore_pgstrom_bytes(const GstoreBuilder *builder)
{
	return builder->bytes;
}

uint64
gstore_pgstrom_memory(const GstoreBuilder *builder)
{
	return builder->memory + builder->scratch.room;
}

void
gstore_pgstrom_limit(GstoreBuilder *builder, uint64 rows, uint64 bytes)
{
	builder->max_rows = rows;
	builder->max_bytes = bytes;
}

/* ---- adding a row ---- */

/* Room for more rows in every column; on failure some have it, which is no
 * harm. */
static bool
make_room(GstoreBuilder *builder)
{
	const GstoreAllocator *allocator = &builder->allocator;
	uint64 before = builder->room;
	uint64 room = before == 0 ? FIRST_ROOM : before * 2;
	uint64 added = 0;

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];
		uint8 *grown;

		if (column->kind == KIND_DROPPED)
			continue;
		grown = allocator->resize(allocator->state, column->values,
								  room * column->stride);
		if (grown == NULL)
			return false;
		column->values = grown;
		added += (room - before) * column->stride;
		if (column->kind == KIND_VARLENA)
			continue;
		grown = allocator->resize(allocator->state, column->validity,
								  room / 8);
		if (grown == NULL)
			return false;
		memset(grown + before / 8, 0xFF, (room - before) / 8);
		column->validity = grown;
		added += (room - before) / 8;
	}
	builder->memory += added;
	builder->room = room;
	return true;
}

static void
count_present(GstoreBuilder *builder, Column *column, bool present)
{
	uint32 rest = column->stride % 8;
	int by = present ? 1 : -1;

	column->present = present;
	builder->whole_bytes += (int64) by * (int64) (column->stride - rest);
	if (rest > 0)
		builder->rest_count[rest] += by;
	if (column->kind != KIND_VARLENA && column->null_count > 0)
		builder->bitmap_count += by;
}

static void
append_null(GstoreBuilder *builder, Column *column)
{
	uint64 row = builder->rows;

	memset(column->values + row * column->stride, 0, column->stride);
	if (column->kind != KIND_VARLENA)
	{
		column->validity[row / 8] &= ~(1 << (row % 8));
		if (column->present && column->null_count == 0)
			builder->bitmap_count++;
	}
	column->null_count++;
}

/* Take back what a row that failed did to the columns before end. */
static void
undo_row(GstoreBuilder *builder, const bool *nulls, int end)
{
	uint64 row = builder->rows;

	for (int i = 0; i < end; i++)
	{
		Column *column = &builder->columns[i];

		if (column->kind == KIND_DROPPED)
			continue;
		if (nulls[i])
		{
			column->null_count--;
			if (column->kind == KIND_VARLENA)
				continue;
			column->validity[row / 8] |= 1 << (row % 8);
			if (column->present && column->null_count == 0)
				builder->bitmap_count--;
			continue;
		}
		if (column->kind == KIND_VARLENA && column->added_row == row + 1)
		{
			uint64 used = column->dictionary.used;

			gstore_dictionary_undo(&column->dictionary,
								   ((uint32 *) column->values)[row]);
			builder->dictionary_bytes -= used - column->dictionary.used;
		}
		if (column->null_count == row)
			count_present(builder, column, false);
	}
}

static GstoreCodecStatus
append_varlena(GstoreBuilder *builder, Column *column, GstoreValue pointer,
			   GstoreCodecError *error)
{
	uint64 used = column->dictionary.used;
	int number = (int) (column - builder->columns);
	GstoreVarlena value;
	GstoreCodecStatus status;
	uint32 place;
	bool added;

	status = gstore_normalize((const void *) (uintptr_t) pointer,
							  column->def->compression, &builder->scratch,
							  &value, error);
	if (unlikely(status != GSTORE_CODEC_OK))
	{
		error->column = number;
		return status;
	}
	if (unlikely(used + value.body_bytes + 12 > builder->max_bytes))
		return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, number,
								 "the values of one chunk exceed the 32 GB that format \"pgstrom\" can address",
								 "Lower gstore_fdw.chunk_size.");
	place = gstore_dictionary_place(&column->dictionary, &value,
									&builder->allocator, &builder->memory,
									&added);
	if (unlikely(place == 0))
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, number,
								 "out of memory", "");
	if (added)
	{
		column->added_row = builder->rows + 1;
		builder->dictionary_bytes += column->dictionary.used - used;
	}
	((uint32 *) column->values)[builder->rows] = place;
	return GSTORE_CODEC_OK;
}

static void
append_byref(Column *column, uint64 row, GstoreValue value)
{
	uint8 *target = column->values + row * column->stride;
	uint32 length = (uint32) column->def->attlen;

	memcpy(target, (const void *) (uintptr_t) value, length);
	memset(target + length, 0, column->stride - length);
}

static GstoreCodecStatus
too_many_rows(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
							 "a chunk of format \"pgstrom\" holds at most 4294967295 rows",
							 "Lower gstore_fdw.chunk_size.");
}

static GstoreCodecStatus
too_many_bytes(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
							 "a chunk exceeds the 32 GB that format \"pgstrom\" can address",
							 "Lower gstore_fdw.chunk_size.");
}

/* Before a row: is there room? */
static GstoreCodecStatus
check_room(GstoreBuilder *builder, GstoreCodecError *error)
{
	if (builder->rows >= builder->max_rows)
		return too_many_rows(error);
	if (builder->rows >= builder->room && !make_room(builder))
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_pgstrom_append(GstoreBuilder *builder, const GstoreValue *values,
					  const bool *nulls, GstoreCodecError *error)
{
	uint64 row = builder->rows;
	int ncols = builder->schema->ncols;
	Column *column = builder->columns;
	uint64 bytes;

	if (unlikely(row >= builder->room || row >= builder->max_rows))
	{
		GstoreCodecStatus status = check_room(builder, error);

		if (status != GSTORE_CODEC_OK)
			return status;
	}
	for (int i = 0; i < ncols; i++, column++)
	{
		if (column->kind == KIND_DROPPED)
			continue;
		if (nulls[i])
		{
			append_null(builder, column);
			continue;
		}
		switch ((ColumnKind) column->kind)
		{
			case KIND_BYVAL1:
				column->values[row] = (uint8) values[i];
				break;
			case KIND_BYVAL2:
				((uint16 *) column->values)[row] = (uint16) values[i];
				break;
			case KIND_BYVAL4:
				((uint32 *) column->values)[row] = (uint32) values[i];
				break;
			case KIND_BYVAL8:
				((uint64 *) column->values)[row] = values[i];
				break;
			case KIND_VARLENA:
			{
				GstoreCodecStatus status =
					append_varlena(builder, column, values[i], error);

				if (unlikely(status != GSTORE_CODEC_OK))
				{
					undo_row(builder, nulls, i);
					return status;
				}
				break;
			}
			default:
				append_byref(column, row, values[i]);
				break;
		}
		if (unlikely(!column->present))
			count_present(builder, column, true);
	}
	bytes = image_bytes(builder, row + 1);
	if (unlikely(bytes > builder->max_bytes))
	{
		undo_row(builder, nulls, ncols);
		return too_many_bytes(error);
	}
	builder->bytes = bytes;
	builder->rows = row + 1;
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
write_block(const Column *column, uint64 rows, uint8 *target)
{
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

GstoreCodecStatus
gstore_pgstrom_lay_out(const GstoreSchema *schema, uint64 rows,
					   const GstoreColumnSize *sizes, void *header,
					   uint64 *image_bytes, GstoreCodecError *error)
{
	uint64 at = GSTORE_PGSTROM_BODY(schema->ncols);

	if (rows > GSTORE_PGSTROM_MAX_ROWS)
		return too_many_rows(error);
	begin_header(schema, rows, header);
	for (int i = 0; i < schema->ncols; i++)
	{
		uint64 bytes = block_bytes(&schema->columns[i], rows, &sizes[i]);

		if (bytes > GSTORE_PGSTROM_MAX_BYTES ||
			at > GSTORE_PGSTROM_MAX_BYTES - bytes)
			return too_many_bytes(error);
		put_column(schema, i, bytes, header, &at);
	}
	end_header(header, at);
	*image_bytes = at;
	return GSTORE_CODEC_OK;
}

void
gstore_pgstrom_write(const GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	uint64 at = GSTORE_PGSTROM_BODY(schema->ncols);

	begin_header(schema, builder->rows, image);
	for (int i = 0; i < schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];
		GstoreColumnSize size = {column->null_count, column->dictionary.used};
		uint64 bytes = block_bytes(column->def, builder->rows, &size);

		if (bytes > 0)
			write_block(column, builder->rows, (uint8 *) image + at);
		put_column(schema, i, bytes, image, &at);
	}
	end_header(image, at);
}
