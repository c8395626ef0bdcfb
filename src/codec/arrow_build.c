/*
 * arrow_build.c
 *	  Rows -> an image of format arrow.
 *
 * Columns are kept as the buffers they become.  Bitmaps begin as all ones
 * (validity) or zeros (bool) and are touched where a row differs.  The image's
 * size is kept in counters of buffers by their width, not summed over columns.
 *
 * A list or struct column has no text but fields: columns with rows of their
 * own, that come behind the table's columns in the builder as in the schema.
 *
 * A row is added wholly or not at all.
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/normalize.h"

/* Rows there is room for at first; a multiple of 8. */
#define FIRST_ROOM 64

typedef struct Column
{
	const GstoreColumn *def;
	const GstoreArrowType *type;
	uint8 kind;		 /* GstoreArrowKind */
	uint8 shift;	 /* a row has 1 << shift bytes of values: values, or
						 * offsets; bits: 0 */
	uint8 *values;	 /* [room << shift]: values; bits [room / 8]; or where
						 * each row's text ends, int32 or int64 */
	uint8 *validity; /* [room / 8] */
	uint64 null_count;
	uint8 *text;
	uint64 text_bytes; /* of a list: rows of its field */
	uint64 text_room;
	bool is_field; /* of a list or struct; then: */
	uint64 rows;
	uint64 room;
} Column;

struct GstoreBuilder
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	GstoreScratch scratch; /* for normalize.h */
	uint64 rows;
	uint64 room;
	uint64 memory;
	uint64 bytes;			/* of the image */
	uint64 max_text;		/* bytes of text that int32 offsets reach */
	uint32 width_count[5];	/* buffers of rows << index bytes */
	uint32 offset_count[2]; /* buffers of rows + 1 int32, int64 */
	uint32 bits_count;		/* buffers of rows bits: bools and validity */
	uint64 text_bytes;		/* of all columns, each padded */
	Column columns[];
};

#define PAD(bytes) GSTORE_ALIGN(bytes, GSTORE_ARROW_ALIGNMENT)

static inline bool
has_offsets(const Column *column)
{
	return column->type->encoding == GSTORE_ENCODING_ARROW_TEXT ||
		   column->type->encoding == GSTORE_ENCODING_ARROW_LIST;
}

/* Bytes of the descriptors and buffers of a column's fields. */
static uint64
fields_bytes(const GstoreBuilder *builder, const Column *column)
{
	uint64 bytes = column->def->nchildren * sizeof(GstoreArrowColumn);

	for (uint32 i = 0; i < column->def->nchildren; i++)
	{
		const Column *field = &builder->columns[column->def->first_child + i];
		uint64 rows = field->rows;

		if (field->null_count > 0)
			bytes += PAD((rows + 7) / 8);
		if (has_offsets(field))
			bytes += PAD((rows + 1) << field->shift);
		else if (field->kind == GSTORE_ARROW_BOOL)
			bytes += PAD((rows + 7) / 8);
		else if (field->kind != GSTORE_ARROW_STRUCT)
			bytes += PAD(rows << field->shift);
		if (field->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
			bytes += PAD(field->text_bytes);
		bytes += fields_bytes(builder, field);
	}
	return bytes;
}

static uint64
image_bytes(const GstoreBuilder *builder, uint64 rows)
{
	uint64 bytes = GSTORE_ARROW_BODY(builder->schema->ncols) +
				   builder->text_bytes +
				   builder->bits_count * PAD((rows + 7) / 8);

	for (int shift = 0; shift < 5; shift++)
		bytes += builder->width_count[shift] * PAD(rows << shift);
	for (int large = 0; large < 2; large++)
		bytes += builder->offset_count[large] * PAD((rows + 1) * (large ? 8 : 4));
	if (builder->schema->nfields > builder->schema->ncols)
		for (int i = 0; i < builder->schema->ncols; i++)
			bytes += fields_bytes(builder, &builder->columns[i]);
	return bytes;
}

/* ---- life ---- */

static void
describe_column(GstoreBuilder *builder, Column *column)
{
	const GstoreColumn *def = column->def;

	column->kind = gstore_arrow_kind(def);
	column->type = gstore_arrow_type(def);
	switch (column->type->encoding)
	{
		case GSTORE_ENCODING_ABSENT:
		case GSTORE_ENCODING_ARROW_STRUCT:
			break;
		case GSTORE_ENCODING_ARROW_BITS:
			if (!column->is_field)
				builder->bits_count++;
			break;
		case GSTORE_ENCODING_ARROW_TEXT:
		case GSTORE_ENCODING_ARROW_LIST:
			column->shift = def->large_text ? 3 : 2;
			if (!column->is_field)
				builder->offset_count[def->large_text]++;
			break;
		default:
			column->shift = __builtin_ctz(column->type->bytes);
			if (!column->is_field)
				builder->width_count[column->shift]++;
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
	builder->scratch.allocator = &builder->allocator;
	builder->memory = bytes;
	builder->max_text = INT32_MAX;
	for (int i = 0; i < schema->nfields; i++)
	{
		builder->columns[i].def = &schema->columns[i];
		builder->columns[i].is_field = i >= schema->ncols;
		describe_column(builder, &builder->columns[i]);
	}
	builder->bytes = image_bytes(builder, 0);
	return builder;
}

void
gstore_arrow_destroy(GstoreBuilder *builder)
{
	GstoreAllocator allocator = builder->allocator;

	for (int i = 0; i < builder->schema->nfields; i++)
	{
		Column *column = &builder->columns[i];

		if (column->values != NULL)
			allocator.free(allocator.state, column->values);
		if (column->validity != NULL)
			allocator.free(allocator.state, column->validity);
		if (column->text != NULL)
			allocator.free(allocator.state, column->text);
	}
	gstore_scratch_free(&builder->scratch);
	allocator.free(allocator.state, builder);
}

void
gstore_arrow_reset(GstoreBuilder *builder)
{
	for (int i = 0; i < builder->schema->nfields; i++)
	{
		Column *column = &builder->columns[i];
		uint64 rows = column->is_field ? column->rows : builder->rows;
		uint64 bits = (rows + 7) / 8;

		if (column->validity != NULL && column->null_count > 0)
		{
			memset(column->validity, 0xFF, bits);
			if (!column->is_field)
				builder->bits_count--;
		}
		if (column->kind == GSTORE_ARROW_BOOL && column->values != NULL)
			memset(column->values, 0, bits);
		column->null_count = 0;
		column->text_bytes = 0;
		column->rows = 0;
	}
	builder->rows = 0;
	builder->text_bytes = 0;
	builder->bytes = image_bytes(builder, 0);
}

uint64
gstore_arrow_rows(const GstoreBuilder *builder)
{
	return builder->rows;
}

uint64
gstore_arrow_bytes(const GstoreBuilder *builder)
{
	return builder->bytes;
}

uint64
gstore_arrow_memory(const GstoreBuilder *builder)
{
	return builder->memory + builder->scratch.room;
}

void
gstore_arrow_limit(GstoreBuilder *builder, uint64 text_bytes)
{
	builder->max_text = text_bytes;
}

/* ---- adding a row ---- */

static bool
grow_column(GstoreBuilder *builder, Column *column, uint64 before,
			uint64 room)
{
	const GstoreAllocator *allocator = &builder->allocator;
	bool bits = column->kind == GSTORE_ARROW_BOOL;
	uint64 bytes = bits ? room / 8 : room << column->shift;
	uint8 *grown;

	if (column->kind == GSTORE_ARROW_STRUCT)
		bytes = 0;
	else
	{
		grown = allocator->resize(allocator->state, column->values, bytes);
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
	builder->memory += (bytes + room / 8) * (room - before) / room;
	return true;
}

/* Room for more rows in every column; on failure some have it, which is no
 * harm. */
static bool
make_room(GstoreBuilder *builder)
{
	uint64 room = builder->room == 0 ? FIRST_ROOM : builder->room * 2;

	for (int i = 0; i < builder->schema->ncols; i++)
		if (builder->columns[i].kind != GSTORE_ARROW_NONE &&
			!grow_column(builder, &builder->columns[i], builder->room, room))
			return false;
	builder->room = room;
	return true;
}

static GstoreCodecStatus append_field(GstoreBuilder *builder, Column *field,
									  GstoreValue value, bool isnull,
									  GstoreCodecError *error);

static inline void
set_text_end(Column *column, uint64 row)
{
	if (column->shift == 3)
		((uint64 *) column->values)[row] = column->text_bytes;
	else
		((uint32 *) column->values)[row] = (uint32) column->text_bytes;
}

static uint64
text_end(const Column *column, uint64 row)
{
	return column->shift == 3 ? ((const uint64 *) column->values)[row]
							  : ((const uint32 *) column->values)[row];
}

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
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
				append_field(builder,
							 &builder->columns[column->def->first_child + i],
							 0, true, error);

			if (status != GSTORE_CODEC_OK)
				return status;
		}
	else if (has_offsets(column))
		set_text_end(column, row);
	else if (column->kind != GSTORE_ARROW_BOOL)
		memset(column->values + (row << column->shift), 0,
			   (size_t) 1 << column->shift);
	column->validity[row / 8] &= ~(1 << (row % 8));
	if (column->null_count++ == 0 && !column->is_field)
		builder->bits_count++;
	return GSTORE_CODEC_OK;
}

/* Forget what a column's fields have for its rows from `rows' on. */
static void
truncate_fields(GstoreBuilder *builder, Column *column, uint64 rows)
{
	uint64 keep = rows;

	if (column->kind == GSTORE_ARROW_LIST)
	{
		keep = rows == 0 ? 0 : text_end(column, rows - 1);
		column->text_bytes = keep;
	}
	for (uint32 i = 0; i < column->def->nchildren; i++)
	{
		Column *field = &builder->columns[column->def->first_child + i];

		for (uint64 row = keep; row < field->rows; row++)
		{
			uint8 bit = 1 << (row % 8);

			if (!(field->validity[row / 8] & bit))
				field->null_count--;
			field->validity[row / 8] |= bit;
			if (field->kind == GSTORE_ARROW_BOOL)
				field->values[row / 8] &= ~bit;
		}
		if (field->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
			field->text_bytes = keep == 0 ? 0 : text_end(field, keep - 1);
		truncate_fields(builder, field, keep);
		field->rows = keep;
	}
}

/* Take back what a row that failed did to the columns before end, and to the
 * fields of column end. */
static void
undo_row(GstoreBuilder *builder, const bool *nulls, int end)
{
	uint64 row = builder->rows;

	truncate_fields(builder, &builder->columns[end], row);
	for (int i = 0; i < end; i++)
	{
		Column *column = &builder->columns[i];

		if (column->kind == GSTORE_ARROW_NONE)
			continue;
		truncate_fields(builder, column, row);
		if (nulls[i])
		{
			column->validity[row / 8] |= 1 << (row % 8);
			if (--column->null_count == 0)
				builder->bits_count--;
		}
		else if (column->kind == GSTORE_ARROW_BOOL)
			column->values[row / 8] &= ~(1 << (row % 8));
		else if (column->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
		{
			uint64 before = row == 0 ? 0 : text_end(column, row - 1);

			builder->text_bytes -= PAD(column->text_bytes) - PAD(before);
			column->text_bytes = before;
		}
	}
}

static GstoreCodecStatus
too_much_text(GstoreCodecError *error, int column)
{
	return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, column,
							 "the text of one chunk exceeds the 2 GB that 32-bit offsets address",
							 "Set the table's option large_text to 'on', or lower gstore_fdw.chunk_size.");
}

static GstoreCodecStatus
add_text(GstoreBuilder *builder, Column *column, uint64 row,
		 const uint8 *bytes, uint64 length, GstoreCodecError *error)
{
	uint64 end = column->text_bytes + length;

	if (unlikely(column->shift == 2 && end > builder->max_text))
		return too_much_text(error, -1);
	if (unlikely(end > column->text_room))
	{
		uint64 room = Max(end, Max(column->text_room + column->text_room / 2,
								   1024));
		uint8 *grown = builder->allocator.resize(builder->allocator.state,
												 column->text, room);

		if (grown == NULL)
			return no_memory(error);
		builder->memory += room - column->text_room;
		column->text = grown;
		column->text_room = room;
	}
	if (length > 0)
		memcpy(column->text + column->text_bytes, bytes, length);
	if (!column->is_field)
		builder->text_bytes += PAD(end) - PAD(column->text_bytes);
	column->text_bytes = end;
	set_text_end(column, row);
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
							  &builder->scratch, &varlena, error);
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
			append_field(builder, is_list ? field : field + i,
						 nested->values[i], nested->nulls[i], error);

		if (status != GSTORE_CODEC_OK)
			return status;
	}
	if (is_list)
	{
		column->text_bytes += nested->count;
		set_text_end(column, row);
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
			return gstore_arrow_convert(column->def, value, &builder->scratch,
										target, error);
	}
}

/* The next row of a field. */
static GstoreCodecStatus
append_field(GstoreBuilder *builder, Column *field, GstoreValue value,
			 bool isnull, GstoreCodecError *error)
{
	GstoreCodecStatus status;

	if (field->rows >= field->room)
	{
		uint64 room = field->room == 0 ? FIRST_ROOM : field->room * 2;

		if (!grow_column(builder, field, field->room, room))
			return no_memory(error);
		field->room = room;
	}
	status = isnull ? append_null(builder, field, field->rows, error)
					: append_value(builder, field, field->rows, value, error);
	if (status == GSTORE_CODEC_OK)
		field->rows++;
	return status;
}

GstoreCodecStatus
gstore_arrow_append(GstoreBuilder *builder, const GstoreValue *values,
					const bool *nulls, GstoreCodecError *error)
{
	uint64 row = builder->rows;
	int ncols = builder->schema->ncols;
	Column *column = builder->columns;

	if (unlikely(row >= builder->room) && !make_room(builder))
		return no_memory(error);
	for (int i = 0; i < ncols; i++, column++)
	{
		GstoreCodecStatus status;

		if (column->kind == GSTORE_ARROW_NONE)
			continue;
		status = nulls[i] ? append_null(builder, column, row, error)
						  : append_value(builder, column, row, values[i], error);
		if (unlikely(status != GSTORE_CODEC_OK))
		{
			undo_row(builder, nulls, i);
			error->column = i;
			return status;
		}
	}
	builder->rows = row + 1;
	builder->bytes = image_bytes(builder, row + 1);
	return GSTORE_CODEC_OK;
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

/* Ends become offsets: a zero before them. */
static uint64
write_offsets(uint8 *image, uint64 *at, const Column *column, uint64 rows)
{
	uint64 offset = *at;
	uint64 width = (uint64) 1 << column->shift;

	memset(image + offset, 0, width);
	*at += width;
	/* What is padded is both together. */
	if (rows > 0)
		memcpy(image + *at, column->values, rows << column->shift);
	*at += rows << column->shift;
	memset(image + *at, 0, PAD(*at) - *at);
	*at = PAD(*at);
	return offset;
}

static void write_column(const GstoreBuilder *builder, const Column *column,
						 uint64 rows, uint8 *image, uint64 *at,
						 GstoreArrowColumn *meta);

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
		write_column(builder, field, field->rows, image, at, &metas[i]);
	}
	meta->data_length = *at - meta->data_offset;
}

static void
write_column(const GstoreBuilder *builder, const Column *column, uint64 rows,
			 uint8 *image, uint64 *at, GstoreArrowColumn *meta)
{
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
		meta->offsets_offset = write_offsets(image, at, column, rows);
		if (column->kind == GSTORE_ARROW_LIST)
		{
			write_fields(builder, column, image, at, meta);
			return;
		}
		meta->data_length = column->text_bytes;
		meta->data_offset = write_buffer(image, at, column->text,
										 column->text_bytes);
	}
	else
	{
		meta->data_length = rows << column->shift;
		meta->data_offset = write_buffer(image, at, column->values,
										 meta->data_length);
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
gstore_arrow_write(const GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	GstoreArrowHeader *header = image;
	GstoreArrowColumn *metas = (GstoreArrowColumn *) (header + 1);
	uint64 at = GSTORE_ARROW_BODY(schema->ncols);

	begin_header(schema, builder->rows, image);
	for (int i = 0; i < schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];
		GstoreArrowColumn *meta = &metas[i];

		describe(column->def, column->null_count, meta);
		if (column->kind == GSTORE_ARROW_NONE)
			meta->null_count = builder->rows;
		else
			write_column(builder, column, builder->rows, image, &at, meta);
	}
	header->length = at;
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
