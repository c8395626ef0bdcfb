/*
 * arrow_build.c
 *	  Rows -> an image of format arrow.
 *
 * Columns are kept as the buffers they become.  Bitmaps begin as all ones
 * (validity) or zeros (bool) and are touched where a row differs.  Nothing is
 * shared by two columns, so that each can be worked on by a thread of its own.
 *
 * A list or struct column has no text but fields: columns with rows of their
 * own, that come behind the table's columns in the builder as in the schema.
 *
 * A row that is added alone is added wholly or not at all.
 *
 * Columns may have settled in the image that is to be (arrow_settle.c): then their
 * arrays lie there, until they outgrow it or the image is written.
 */
#include <string.h>

#include "codec/arrow_builder.h"
#include "codec/copy.h"
#include "codec/fixed.h"
#include "codec/normalize.h"

/* Rows there is room for at first; a multiple of 8. */
#define FIRST_ROOM 64

typedef GstoreArrowBuild Column;

#define PAD GSTORE_ARROW_PAD
#define has_offsets gstore_arrow_has_offsets

/* Bytes of a column's buffers, and of its fields' descriptors and buffers. */
static uint64
column_bytes(const GstoreBuilder *builder, const Column *column)
{
	uint64 rows = column->rows;
	uint64 bytes = column->def->nchildren * sizeof(GstoreArrowColumn);

	if (column->kind == GSTORE_ARROW_NONE)
		return 0;
	if (column->null_count > 0)
		bytes += PAD((rows + 7) / 8);
	if (has_offsets(column))
		bytes += PAD((rows + 1) << column->shift);
	else if (column->kind == GSTORE_ARROW_BOOL)
		bytes += PAD((rows + 7) / 8);
	else if (column->kind != GSTORE_ARROW_STRUCT)
		bytes += PAD(rows << column->shift);
	if (column->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
		bytes += PAD(column->text_bytes);
	for (uint32 i = 0; i < column->def->nchildren; i++)
		bytes += column_bytes(builder,
							  &builder->columns[column->def->first_child + i]);
	return bytes;
}

uint64
gstore_arrow_column_bytes(const GstoreBuilder *builder, int column)
{
	return column_bytes(builder, &builder->columns[column]);
}

uint64
gstore_arrow_bytes(const GstoreBuilder *builder)
{
	uint64 bytes = GSTORE_ARROW_BODY(builder->schema->ncols);

	for (int i = 0; i < builder->schema->ncols; i++)
		bytes += column_bytes(builder, &builder->columns[i]);
	return bytes;
}

/* ---- life ---- */

static void
describe_column(Column *column)
{
	const GstoreColumn *def = column->def;

	column->kind = gstore_arrow_kind(def);
	column->type = gstore_arrow_type(def);
	switch (column->type->encoding)
	{
		case GSTORE_ENCODING_ABSENT:
		case GSTORE_ENCODING_ARROW_STRUCT:
		case GSTORE_ENCODING_ARROW_BITS:
			break;
		case GSTORE_ENCODING_ARROW_TEXT:
		case GSTORE_ENCODING_ARROW_LIST:
			column->shift = def->large_text ? 3 : 2;
			break;
		default:
			column->shift = __builtin_ctz(column->type->bytes);
	}
}

GstoreBuilder *
gstore_arrow_create(const GstoreSchema *schema,
					const GstoreAllocator *allocator)
{
	size_t bytes = sizeof(GstoreBuilder) + schema->nfields * sizeof(Column);
	GstoreBuilder *builder = allocator->alloc(allocator->state, bytes);

	if (builder == NULL)
		return NULL;
	memset(builder, 0, bytes);
	builder->schema = schema;
	builder->allocator = *allocator;
	builder->max_text = INT32_MAX;
	for (int i = 0; i < schema->nfields; i++)
	{
		Column *column = &builder->columns[i];

		column->def = &schema->columns[i];
		column->scratch.allocator = &builder->allocator;
		describe_column(column);
		gstore_column_bounds_init(&column->bounds, column->def);
		if (i >= schema->ncols)
			column->bounds.order = GSTORE_ORDER_NONE;
	}
	return builder;
}

/* A column's arrays are private again, and empty: those it had before it settled. */
static void
unsettle(Column *column)
{
	if (column->values_place.settled)
	{
		column->values = column->values_place.own;
		column->room = column->values_place.own_room;
	}
	if (column->text_place.settled)
	{
		column->text = column->text_place.own;
		column->text_room = column->text_place.own_room;
	}
	column->values_place.settled = column->text_place.settled = false;
	column->values_place.own = column->text_place.own = NULL;
}

void
gstore_arrow_destroy(GstoreBuilder *builder)
{
	GstoreAllocator allocator = builder->allocator;

	for (int i = 0; i < builder->schema->nfields; i++)
	{
		Column *column = &builder->columns[i];

		unsettle(column);
		if (column->values != NULL)
			allocator.free(allocator.state, column->values);
		if (column->validity != NULL)
			allocator.free(allocator.state, column->validity);
		if (column->text != NULL)
			allocator.free(allocator.state, column->text);
		gstore_scratch_free(&column->scratch);
		gstore_column_bounds_free(&column->bounds, &allocator);
	}
	allocator.free(allocator.state, builder);
}

static void
reset_column(GstoreBuilder *builder, Column *column)
{
	uint64 bits = (column->rows + 7) / 8;

	if (column->validity != NULL && column->null_count > 0)
		memset(column->validity, 0xFF, bits);
	if (column->kind == GSTORE_ARROW_BOOL && column->values != NULL)
		memset(column->values, 0, bits);
	unsettle(column);
	column->null_count = 0;
	column->text_bytes = 0;
	column->rows = 0;
	gstore_column_bounds_reset(&column->bounds);
	for (uint32 i = 0; i < column->def->nchildren; i++)
		reset_column(builder,
					 &builder->columns[column->def->first_child + i]);
}

void
gstore_arrow_reset_column(GstoreBuilder *builder, int column)
{
	reset_column(builder, &builder->columns[column]);
}

void
gstore_arrow_reset(GstoreBuilder *builder)
{
	for (int i = 0; i < builder->schema->ncols; i++)
		reset_column(builder, &builder->columns[i]);
	builder->rows = 0;
	builder->closed_up = 0;
}

const GstoreSchema *
gstore_arrow_schema(const GstoreBuilder *builder)
{
	return builder->schema;
}

uint64
gstore_arrow_rows(const GstoreBuilder *builder)
{
	return builder->rows;
}

void
gstore_arrow_set_rows(GstoreBuilder *builder, uint64 rows)
{
	builder->rows = rows;
}

uint64
gstore_arrow_memory(const GstoreBuilder *builder)
{
	uint64 bytes = sizeof(GstoreBuilder) +
				   builder->schema->nfields * sizeof(Column);

	for (int i = 0; i < builder->schema->nfields; i++)
	{
		const Column *column = &builder->columns[i];
		uint64 rows = column->values_place.settled ? column->values_place.own_room
												   : column->room;

		if (column->kind == GSTORE_ARROW_BOOL)
			bytes += rows / 8;
		else if (column->kind != GSTORE_ARROW_STRUCT)
			bytes += rows << column->shift;
		bytes += column->text_place.settled ? column->text_place.own_room
											: column->text_room;
		bytes += column->room / 8 + column->scratch.room;
	}
	return bytes;
}

void
gstore_arrow_limit(GstoreBuilder *builder, uint64 text_bytes)
{
	builder->max_text = text_bytes;
}

/* ---- room ---- */

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
}

static GstoreCodecStatus
too_much_text(GstoreCodecError *error, int column)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, column,
							 "the text of one chunk exceeds the 2 GB that 32-bit offsets address",
							 "Set the table's option large_text to 'on', or lower gstore_fdw.chunk_size.");
}

/* An array of so many bytes: one that had settled leaves the image, with the bytes
 * it had room for. */
static uint8 *
resize(const GstoreBuilder *builder, GstoreArrowArray *place, uint8 *array,
	   uint64 before, uint64 bytes)
{
	const GstoreAllocator *allocator = &builder->allocator;
	uint8 *grown = allocator->resize(allocator->state,
									 place->settled ? place->own : array,
									 bytes);

	if (grown != NULL && place->settled)
	{
		memcpy(grown, array, before);
		place->own = NULL;
		place->settled = false;
	}
	return grown;
}

/* Room for so many rows, at least twice as many as there was. */
static bool
grow_column(GstoreBuilder *builder, Column *column, uint64 rows)
{
	const GstoreAllocator *allocator = &builder->allocator;
	bool bits = column->kind == GSTORE_ARROW_BOOL;
	uint64 before = column->room;
	uint64 room = Max(GSTORE_ALIGN(rows, FIRST_ROOM), before * 2);
	uint64 bytes = bits ? room / 8 : room << column->shift;
	uint8 *grown;

	if (column->kind == GSTORE_ARROW_STRUCT)
		bytes = 0;
	else
	{
		grown = resize(builder, &column->values_place, column->values,
					   before << column->shift, bytes);
		if (grown == NULL)
			return false;
		column->values = grown;
		if (bits)
			memset(grown + before / 8, 0, (room - before) / 8);
	}
	grown = allocator->resize(allocator->state, column->validity, room / 8);
	if (grown == NULL)
		return false;
	memset(grown + before / 8, 0xFF, (room - before) / 8);
	column->validity = grown;
	column->room = room;
	return true;
}

static inline bool
make_room(GstoreBuilder *builder, Column *column, uint32 count)
{
	uint64 rows = column->rows + count;

	return likely(rows <= column->room) || grow_column(builder, column, rows);
}

/* Room for more bytes of text. */
static GstoreCodecStatus
grow_text(GstoreBuilder *builder, Column *column, uint64 end,
		  GstoreCodecError *error)
{
	uint64 room = Max(end, Max(column->text_room + column->text_room / 2,
							   1024));
	uint8 *grown;

	if (unlikely(column->shift == 2 && end > builder->max_text))
		return too_much_text(error, -1);
	if (end <= column->text_room)
		return GSTORE_CODEC_OK;
	grown = resize(builder, &column->text_place, column->text,
				   column->text_room, room);
	if (grown == NULL)
		return no_memory(error);
	column->text = grown;
	column->text_room = room;
	return GSTORE_CODEC_OK;
}

/* ---- adding a row ---- */

static GstoreCodecStatus append_one(GstoreBuilder *builder, Column *column,
									GstoreValue value, bool isnull,
									GstoreCodecError *error);

static inline void
set_text_end(Column *column, uint64 row, uint64 end)
{
	if (column->shift == 3)
		((uint64 *) column->values)[row] = end;
	else
		((uint32 *) column->values)[row] = (uint32) end;
}

static uint64
text_end(const Column *column, uint64 row)
{
	return column->shift == 3 ? ((const uint64 *) column->values)[row]
							  : ((const uint32 *) column->values)[row];
}

/* A NULL in row `row', the next.  The fields of a struct are NULL as well: they
 * have its rows. */
static GstoreCodecStatus
append_null(GstoreBuilder *builder, Column *column, uint64 row,
			GstoreCodecError *error)
{
	if (column->kind == GSTORE_ARROW_STRUCT)
		for (uint32 i = 0; i < column->def->nchildren; i++)
		{
			GstoreCodecStatus status =
				append_one(builder,
						   &builder->columns[column->def->first_child + i], 0,
						   true, error);

			if (status != GSTORE_CODEC_OK)
				return status;
		}
	else if (has_offsets(column))
		set_text_end(column, row, column->text_bytes);
	else if (column->kind != GSTORE_ARROW_BOOL)
		memset(column->values + (row << column->shift), 0,
			   (size_t) 1 << column->shift);
	column->validity[row / 8] &= ~(1 << (row % 8));
	column->null_count++;
	return GSTORE_CODEC_OK;
}

/* Forget the rows of a column, and what its fields have for them, from `keep'
 * on; those of the fields also where a row was not finished. */
static void
truncate_column(GstoreBuilder *builder, Column *column, uint64 keep)
{
	for (uint64 row = keep; row < column->rows; row++)
	{
		uint8 bit = 1 << (row % 8);

		if (!(column->validity[row / 8] & bit))
			column->null_count--;
		column->validity[row / 8] |= bit;
		if (column->kind == GSTORE_ARROW_BOOL)
			column->values[row / 8] &= ~bit;
	}
	column->rows = keep;
	if (has_offsets(column))
		column->text_bytes = keep == 0 ? 0 : text_end(column, keep - 1);
	for (uint32 i = 0; i < column->def->nchildren; i++)
		truncate_column(builder,
						&builder->columns[column->def->first_child + i],
						column->kind == GSTORE_ARROW_LIST ? column->text_bytes
														  : keep);
}

static GstoreCodecStatus
add_text(GstoreBuilder *builder, Column *column, uint64 row,
		 const uint8 *bytes, uint64 length, GstoreCodecError *error)
{
	uint64 end = column->text_bytes + length;
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	if (unlikely(end > column->text_room || end > builder->max_text))
		status = grow_text(builder, column, end, error);
	if (unlikely(status != GSTORE_CODEC_OK))
		return status;
	if (length > 0)
		memcpy(column->text + column->text_bytes, bytes, length);
	column->text_bytes = end;
	set_text_end(column, row, end);
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
append_text(GstoreBuilder *builder, Column *column, uint64 row,
			GstoreValue value, GstoreCodecError *error)
{
	const void *pointer = (const void *) (uintptr_t) value;
	GstoreVarlena varlena;
	GstoreCodecStatus status;

	if (column->kind == GSTORE_ARROW_NAME)
		return add_text(builder, column, row, pointer,
						strnlen(pointer, GSTORE_NAME_LENGTH - 1), error);
	status = gstore_normalize(pointer, GSTORE_COMPRESSION_NONE,
							  &column->scratch, &varlena, error);
	if (status != GSTORE_CODEC_OK)
		return status;
	return add_text(builder, column, row, varlena.body, varlena.body_bytes,
					error);
}

/* The fields' rows of a list or struct; undone by the caller on failure. */
static GstoreCodecStatus
append_nested(GstoreBuilder *builder, Column *column, uint64 row,
			  const GstoreNested *nested, GstoreCodecError *error)
{
	Column *field = &builder->columns[column->def->first_child];
	bool is_list = column->kind == GSTORE_ARROW_LIST;

	if (is_list && column->shift == 2 &&
		nested->count > builder->max_text - column->text_bytes)
		return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
								 "the arrays of one chunk exceed the 2^31 elements that 32-bit offsets count",
								 "Set the table's option large_text to 'on', or lower gstore_fdw.chunk_size.");
	if (!is_list && nested->count != column->def->nchildren)
		return gstore_codec_fail(error, GSTORE_CODEC_VALUE, -1,
								 "a composite value has another number of attributes than its column",
								 "");
	for (uint64 i = 0; i < nested->count; i++)
	{
		GstoreCodecStatus status =
			append_one(builder, is_list ? field : field + i,
					   nested->values[i], nested->nulls[i], error);

		if (status != GSTORE_CODEC_OK)
			return status;
	}
	if (is_list)
	{
		column->text_bytes += nested->count;
		set_text_end(column, row, column->text_bytes);
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
append_value(GstoreBuilder *builder, Column *column, uint64 row,
			 GstoreValue value, GstoreCodecError *error)
{
	uint8 *target = column->values == NULL ? NULL : column->values + (row << column->shift);

	switch ((GstoreArrowKind) column->kind)
	{
		case GSTORE_ARROW_BOOL:
			if ((uint8) value != 0)
				column->values[row / 8] |= 1 << (row % 8);
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_BOOL_BYTE:
			*target = (uint8) value != 0;
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_INT2:
			*(uint16 *) target = (uint16) value;
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_INT4:
		case GSTORE_ARROW_FLOAT4:
		case GSTORE_ARROW_OID:
			*(uint32 *) target = (uint32) value;
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_INT8:
		case GSTORE_ARROW_FLOAT8:
			*(uint64 *) target = value;
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_UUID:
			memcpy(target, (const void *) (uintptr_t) value, 16);
			return GSTORE_CODEC_OK;
		case GSTORE_ARROW_TEXT:
		case GSTORE_ARROW_BYTEA:
		case GSTORE_ARROW_NAME:
		case GSTORE_ARROW_OUTPUT:
			return append_text(builder, column, row, value, error);
		case GSTORE_ARROW_LIST:
		case GSTORE_ARROW_STRUCT:
			return append_nested(builder, column, row,
								 (const GstoreNested *) (uintptr_t) value,
								 error);
		default:
			return gstore_arrow_convert(column->def, value, &column->scratch,
										target, error);
	}
}

/* The next row of a column or field. */
static GstoreCodecStatus
append_one(GstoreBuilder *builder, Column *column, GstoreValue value,
		   bool isnull, GstoreCodecError *error)
{
	GstoreCodecStatus status;

	if (!make_room(builder, column, 1))
		return no_memory(error);
	status = isnull ? append_null(builder, column, column->rows, error)
					: append_value(builder, column, column->rows, value, error);
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
			return no_memory(error);
		}
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_arrow_append(GstoreBuilder *builder, const GstoreValue *values,
					const bool *nulls, GstoreCodecError *error)
{
	int ncols = builder->schema->ncols;
	Column *column = builder->columns;
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	int i;

	for (i = 0; i < ncols && status == GSTORE_CODEC_OK; i++, column++)
	{
		if (column->kind == GSTORE_ARROW_NONE)
			continue;
		status = append_one(builder, column, values[i], nulls[i], error);
		if (unlikely(status != GSTORE_CODEC_OK))
			error->column = i;
	}
	if (likely(status == GSTORE_CODEC_OK))
		status = add_bounds(builder, values, nulls, error);
	if (unlikely(status != GSTORE_CODEC_OK))
	{
		while (--i >= 0)
			if (builder->columns[i].kind != GSTORE_ARROW_NONE)
				truncate_column(builder, &builder->columns[i], builder->rows);
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
append_bools(Column *column, const GstoreValue *values, const bool *nulls,
			 uint32 count)
{
	uint64 row = column->rows;

	for (uint32 i = 0; i < count; i++, row++)
		if ((nulls == NULL || !nulls[i]) && (uint8) values[i] != 0)
			column->values[row / 8] |= 1 << (row % 8);
}

static void
append_bool_bytes(Column *column, const GstoreValue *values,
				  const bool *nulls, uint32 count)
{
	uint8 *target = column->values + column->rows;

	for (uint32 i = 0; i < count; i++)
		target[i] = (nulls == NULL || !nulls[i]) && (uint8) values[i] != 0;
}

static void
append_uuids(Column *column, const GstoreValue *values, const bool *nulls,
			 uint32 count)
{
	uint8 *target = column->values + column->rows * 16;

	for (uint32 i = 0; i < count; i++, target += 16)
		if (nulls != NULL && nulls[i])
			memset(target, 0, 16);
		else
			memcpy(target, (const void *) (uintptr_t) values[i], 16);
}

/* Of texts that are no names. */
static GstoreCodecStatus
append_texts(GstoreBuilder *builder, Column *column, const GstoreValue *values,
			 const bool *nulls, uint32 count, GstoreCodecError *error)
{
	uint64 end = column->text_bytes;
	uint64 room = Min(column->text_room,
					  column->shift == 2 ? builder->max_text : UINT64_MAX);
	uint64 row = column->rows;

	for (uint32 i = 0; i < count; i++, row++)
	{
		const void *pointer = (const void *) (uintptr_t) values[i];
		GstoreVarlena varlena;
		GstoreCodecStatus status = GSTORE_CODEC_OK;

		if (nulls != NULL && nulls[i])
		{
			set_text_end(column, row, end);
			continue;
		}
		varlena = gstore_varlena(pointer);
		if (unlikely(!gstore_varlena_is_plain(pointer)))
			status = gstore_normalize(pointer, GSTORE_COMPRESSION_NONE,
									  &column->scratch, &varlena, error);
		if (unlikely(status == GSTORE_CODEC_OK &&
					 varlena.body_bytes > room - end))
		{
			status = grow_text(builder, column, end + varlena.body_bytes,
							   error);
			room = Min(column->text_room,
					   column->shift == 2 ? builder->max_text : UINT64_MAX);
		}
		if (unlikely(status != GSTORE_CODEC_OK))
		{
			error->row = i;
			return status;
		}
		if (likely(varlena.body_bytes > 0))
			gstore_copy(column->text + end, varlena.body, varlena.body_bytes);
		end += varlena.body_bytes;
		set_text_end(column, row, end);
	}
	column->text_bytes = end;
	return GSTORE_CODEC_OK;
}

/* Of kinds that are gone through row by row. */
static GstoreCodecStatus
append_each(GstoreBuilder *builder, Column *column, const GstoreValue *values,
			const bool *nulls, uint32 count, GstoreCodecError *error)
{
	for (uint32 i = 0; i < count; i++)
	{
		GstoreCodecStatus status =
			append_one(builder, column, values[i], nulls != NULL && nulls[i],
					   error);

		if (status != GSTORE_CODEC_OK)
		{
			error->row = i;
			return status;
		}
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
append_values(GstoreBuilder *builder, Column *column,
			  const GstoreValue *values, const bool *nulls, uint32 count,
			  GstoreCodecError *error)
{
	GstoreCodecStatus status = GSTORE_CODEC_OK;

	if (!make_room(builder, column, count))
		return no_memory(error);
	switch ((GstoreArrowKind) column->kind)
	{
		case GSTORE_ARROW_BOOL:
			append_bools(column, values, nulls, count);
			break;
		case GSTORE_ARROW_BOOL_BYTE:
			append_bool_bytes(column, values, nulls, count);
			break;
		case GSTORE_ARROW_INT2:
			APPEND_FIXED(uint16);
			break;
		case GSTORE_ARROW_INT4:
		case GSTORE_ARROW_FLOAT4:
		case GSTORE_ARROW_OID:
			APPEND_FIXED(uint32);
			break;
		case GSTORE_ARROW_INT8:
		case GSTORE_ARROW_FLOAT8:
			APPEND_FIXED(uint64);
			break;
		case GSTORE_ARROW_UUID:
			append_uuids(column, values, nulls, count);
			break;
		case GSTORE_ARROW_TEXT:
		case GSTORE_ARROW_BYTEA:
		case GSTORE_ARROW_OUTPUT:
			status = append_texts(builder, column, values, nulls, count,
								  error);
			break;
		case GSTORE_ARROW_NAME:
		case GSTORE_ARROW_LIST:
		case GSTORE_ARROW_STRUCT:
			return append_each(builder, column, values, nulls, count, error);
		default:
			status = gstore_arrow_convert_all(column->def, values, nulls,
											  count, &column->scratch,
											  column->values +
												  (column->rows << column->shift),
											  error);
	}
	if (status != GSTORE_CODEC_OK)
		return status;
	column->null_count += gstore_mark_nulls(column->validity, column->rows,
											nulls, count);
	column->rows += count;
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_arrow_append_column(GstoreBuilder *builder, int number,
						   const GstoreValue *values, const bool *nulls,
						   uint32 count, GstoreCodecError *error)
{
	Column *column = &builder->columns[number];
	uint64 row = column->rows;
	GstoreCodecStatus status;
	bool kept;

	if (column->kind == GSTORE_ARROW_NONE)
		return GSTORE_CODEC_OK;
	status = append_values(builder, column, values, nulls, count, error);
	if (status != GSTORE_CODEC_OK)
	{
		error->column = number;
		return status;
	}
	if (column->kind == GSTORE_ARROW_NUMERIC)
		kept = gstore_column_bounds_add_decimals(&column->bounds,
												 column->def->scale,
												 (GstoreDecimal *) column->values + row,
												 nulls, count,
												 &builder->allocator);
	else
		kept = gstore_column_bounds_add(&column->bounds, values, nulls, count,
										&builder->allocator);
	return kept ? GSTORE_CODEC_OK : no_memory(error);
}

/* ---- writing the image ---- */

/* Copy a buffer to the image's end, padded; where it went. */
static uint64
write_buffer(uint8 *image, uint64 *at, const void *source, uint64 bytes)
{
	uint64 offset = *at;

	if (bytes > 0)
		memcpy(image + offset, source, bytes);
	memset(image + offset + bytes, 0, PAD(bytes) - bytes);
	*at = offset + PAD(bytes);
	return offset;
}

/* The same of a column's array, which may be there already. */
static uint64
write_array(uint8 *image, uint64 *at, const GstoreArrowArray *place,
			const uint8 *array, uint64 bytes)
{
	if (!place->settled || array != image + place->at)
		return write_buffer(image, at, array, bytes);
	memset(image + place->at + bytes, 0, PAD(bytes) - bytes);
	return place->at;
}

/* Ends become offsets: a zero before them. */
static uint64
write_offsets(uint8 *image, uint64 *at, const Column *column)
{
	const GstoreArrowArray *place = &column->values_place;
	bool there = place->settled && column->values == image + place->at;
	uint64 width = (uint64) 1 << column->shift;
	uint64 offset = there ? place->at - width : *at;
	uint64 end = offset + width + (column->rows << column->shift);

	memset(image + offset, 0, width);
	/* What is padded is both together. */
	if (column->rows > 0 && !there)
		memcpy(image + offset + width, column->values,
			   column->rows << column->shift);
	memset(image + end, 0, PAD(end) - end);
	if (!there)
		*at = PAD(end);
	return offset;
}

static void write_column(const GstoreBuilder *builder, const Column *column,
						 uint8 *image, uint64 *at, GstoreArrowColumn *meta);

static void
describe(const GstoreColumn *def, uint64 null_count, GstoreArrowColumn *meta)
{
	memcpy(meta->name, def->name, GSTORE_NAME_LENGTH);
	gstore_arrow_format(def, meta->format);
	meta->atttypid = def->dropped ? 0 : def->typid;
	meta->atttypmod = def->typmod;
	meta->attnum = def->attnum;
	meta->null_count = null_count;
	meta->nchildren = def->nchildren;
}

/* The fields of a list or struct, which are its data. */
static void
write_fields(const GstoreBuilder *builder, const Column *column, uint8 *image,
			 uint64 *at, GstoreArrowColumn *meta)
{
	uint32 nchildren = column->def->nchildren;
	GstoreArrowColumn *metas = (GstoreArrowColumn *) (image + *at);

	meta->data_offset = *at;
	memset(metas, 0, nchildren * sizeof(GstoreArrowColumn));
	*at += nchildren * sizeof(GstoreArrowColumn);
	for (uint32 i = 0; i < nchildren; i++)
	{
		const Column *field = &builder->columns[column->def->first_child + i];

		describe(field->def, field->null_count, &metas[i]);
		metas[i].rows = field->rows;
		write_column(builder, field, image, at, &metas[i]);
	}
	meta->data_length = *at - meta->data_offset;
}

static void
write_column(const GstoreBuilder *builder, const Column *column, uint8 *image,
			 uint64 *at, GstoreArrowColumn *meta)
{
	uint64 rows = column->rows;
	uint64 bits = (rows + 7) / 8;

	if (column->null_count > 0)
	{
		meta->validity_length = bits;
		meta->validity_offset = write_buffer(image, at, column->validity,
											 bits);
		if (rows % 8 != 0)
			image[meta->validity_offset + rows / 8] &= (1 << (rows % 8)) - 1;
	}
	if (column->kind == GSTORE_ARROW_BOOL)
	{
		meta->data_length = bits;
		meta->data_offset = write_buffer(image, at, column->values, bits);
	}
	else if (column->type->encoding == GSTORE_ENCODING_ARROW_STRUCT)
		write_fields(builder, column, image, at, meta);
	else if (has_offsets(column))
	{
		meta->offsets_length = (rows + 1) << column->shift;
		meta->offsets_offset = write_offsets(image, at, column);
		if (column->kind == GSTORE_ARROW_LIST)
		{
			write_fields(builder, column, image, at, meta);
			return;
		}
		meta->data_length = column->text_bytes;
		meta->data_offset = write_array(image, at, &column->text_place,
										column->text, column->text_bytes);
	}
	else
	{
		meta->data_length = rows << column->shift;
		meta->data_offset = write_array(image, at, &column->values_place,
										column->values, meta->data_length);
	}
}

/* All of the header but the columns and the length. */
static void
begin_header(const GstoreSchema *schema, uint64 rows, void *image)
{
	GstoreArrowHeader *header = image;
	uint64 bytes = GSTORE_ARROW_BODY(schema->ncols);

	memset(image, 0, bytes);
	header->magic = GSTORE_ARROW_MAGIC;
	header->version = schema->nfields > schema->ncols
						  ? GSTORE_ARROW_VERSION_NESTED
						  : GSTORE_ARROW_VERSION;
	header->header_bytes = (uint32) bytes;
	header->rows = rows;
	header->ncols = schema->ncols;
	header->column_bytes = sizeof(GstoreArrowColumn);
	header->table_oid = schema->table_oid;
	header->row_type = schema->row_type;
}

void
gstore_arrow_write_header(GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	GstoreArrowHeader *header = image;
	GstoreArrowColumn *metas = (GstoreArrowColumn *) (header + 1);
	uint64 at = GSTORE_ARROW_BODY(schema->ncols);
	bool closed_up = image == builder->image && builder->closed_up > 0;

	begin_header(schema, builder->rows, image);
	for (int i = 0; i < schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		describe(column->def, column->null_count, &metas[i]);
		if (column->kind == GSTORE_ARROW_NONE)
			metas[i].null_count = builder->rows;
		if (closed_up)
			continue;
		column->at = at;
		at += column_bytes(builder, column);
	}
	header->length = closed_up ? builder->closed_up : at;
}

void
gstore_arrow_write_column(GstoreBuilder *builder, int number, void *image)
{
	const Column *column = &builder->columns[number];
	GstoreArrowColumn *metas = (GstoreArrowColumn *) ((GstoreArrowHeader *) image + 1);
	uint64 at = column->at;

	if (column->kind != GSTORE_ARROW_NONE)
		write_column(builder, column, image, &at, &metas[number]);
}

void
gstore_arrow_bounds(const GstoreBuilder *builder, int column, uint64 rows,
					GstoreBounds *bounds, int stride)
{
	gstore_column_bounds_get(&builder->columns[column].bounds, rows, bounds,
							 stride);
}

/* ---- an image without its rows ---- */

static uint64
place_buffer(uint64 *at, uint64 bytes)
{
	uint64 offset = *at;

	*at += PAD(bytes);
	return offset;
}

/* As write_column, but for nested columns. */
static void
place_column(const GstoreColumn *def, uint64 rows,
			 const GstoreColumnSize *size, uint64 *at, GstoreArrowColumn *meta)
{
	const GstoreArrowType *type = gstore_arrow_type(def);
	uint64 bits = (rows + 7) / 8;

	if (size->nulls > 0)
	{
		meta->validity_length = bits;
		meta->validity_offset = place_buffer(at, bits);
	}
	if (type->encoding == GSTORE_ENCODING_ARROW_TEXT)
	{
		meta->offsets_length = (rows + 1) << (def->large_text ? 3 : 2);
		meta->offsets_offset = place_buffer(at, meta->offsets_length);
		meta->data_length = size->bytes;
	}
	else if (type->encoding == GSTORE_ENCODING_ARROW_BITS)
		meta->data_length = bits;
	else
		meta->data_length = rows * type->bytes;
	meta->data_offset = place_buffer(at, meta->data_length);
}

GstoreCodecStatus
gstore_arrow_lay_out(const GstoreSchema *schema, uint64 rows,
					 const GstoreColumnSize *sizes, void *image,
					 uint64 *image_bytes, GstoreCodecError *error)
{
	GstoreArrowHeader *header = image;
	GstoreArrowColumn *metas = (GstoreArrowColumn *) (header + 1);
	uint64 at = GSTORE_ARROW_BODY(schema->ncols);

	begin_header(schema, rows, image);
	for (int i = 0; i < schema->ncols; i++)
	{
		const GstoreColumn *def = &schema->columns[i];
		const GstoreArrowType *type = gstore_arrow_type(def);

		describe(def, sizes[i].nulls, &metas[i]);
		if (type->encoding == GSTORE_ENCODING_ABSENT)
		{
			metas[i].null_count = rows;
			continue;
		}
		if (type->encoding == GSTORE_ENCODING_ARROW_TEXT &&
			!def->large_text && sizes[i].bytes > INT32_MAX)
			return too_much_text(error, i);
		place_column(def, rows, &sizes[i], &at, &metas[i]);
	}
	header->length = at;
	*image_bytes = at;
	return GSTORE_CODEC_OK;
}
