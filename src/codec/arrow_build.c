/*
 * arrow_build.c
 *	  Rows -> an image of format arrow.
 *
 * Columns are kept as the buffers they become.  Bitmaps begin as all ones
 * (validity) or zeros (bool) and are touched where a row differs.  The image's
 * size is kept in counters of buffers by their width, not summed over columns.
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
	uint64 text_bytes;
	uint64 text_room;
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
			break;
		case GSTORE_ENCODING_ARROW_BITS:
			builder->bits_count++;
			break;
		case GSTORE_ENCODING_ARROW_TEXT:
			column->shift = def->large_text ? 3 : 2;
			builder->offset_count[def->large_text]++;
			break;
		default:
			column->shift = __builtin_ctz(column->type->bytes);
			builder->width_count[column->shift]++;
	}
}

GstoreBuilder *
gstore_arrow_create(const GstoreSchema *schema,
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
	builder->max_text = INT32_MAX;
	for (int i = 0; i < schema->ncols; i++)
	{
		builder->columns[i].def = &schema->columns[i];
		describe_column(builder, &builder->columns[i]);
	}
	builder->bytes = image_bytes(builder, 0);
	return builder;
}

void
gstore_arrow_destroy(GstoreBuilder *builder)
{
	GstoreAllocator allocator = builder->allocator;

	for (int i = 0; i < builder->schema->ncols; i++)
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
	uint64 bits = (builder->rows + 7) / 8;

	for (int i = 0; i < builder->schema->ncols; i++)
	{
		Column *column = &builder->columns[i];

		if (column->validity != NULL && column->null_count > 0)
		{
			memset(column->validity, 0xFF, bits);
			builder->bits_count--;
		}
		if (column->kind == GSTORE_ARROW_BOOL && column->values != NULL)
			memset(column->values, 0, bits);
		column->null_count = 0;
		column->text_bytes = 0;
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
		bool bits = column->kind == GSTORE_ARROW_BOOL;
		uint64 bytes = bits ? room / 8 : room << column->shift;
		uint8 *grown;

		if (column->kind == GSTORE_ARROW_NONE)
			continue;
		grown = allocator->resize(allocator->state, column->values, bytes);
		if (grown == NULL)
			return false;
		column->values = grown;
		if (bits)
			memset(grown + before / 8, 0, (room - before) / 8);
		grown = allocator->resize(allocator->state, column->validity,
								  room / 8);
		if (grown == NULL)
			return false;
		memset(grown + before / 8, 0xFF, (room - before) / 8);
		column->validity = grown;
		added += bytes / room * (room - before) + (room - before) / 8;
	}
	builder->memory += added;
	builder->room = room;
	return true;
}

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

static void
append_null(GstoreBuilder *builder, Column *column)
{
	uint64 row = builder->rows;

	column->validity[row / 8] &= ~(1 << (row % 8));
	if (column->null_count++ == 0)
		builder->bits_count++;
	if (column->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
		set_text_end(column, row);
	else if (column->kind != GSTORE_ARROW_BOOL)
		memset(column->values + (row << column->shift), 0,
			   (size_t) 1 << column->shift);
}

/* Take back what a row that failed did to the columns before end. */
static void
undo_row(GstoreBuilder *builder, const bool *nulls, int end)
{
	uint64 row = builder->rows;

	for (int i = 0; i < end; i++)
	{
		Column *column = &builder->columns[i];

		if (column->kind == GSTORE_ARROW_NONE)
			continue;
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
add_text(GstoreBuilder *builder, Column *column, const uint8 *bytes,
		 uint64 length, GstoreCodecError *error)
{
	uint64 end = column->text_bytes + length;

	if (unlikely(column->shift == 2 && end > builder->max_text))
		return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
								 "the text of one chunk exceeds the 2 GB that 32-bit offsets address",
								 "Set the table's option large_text to 'on', or lower gstore_fdw.chunk_size.");
	if (unlikely(end > column->text_room))
	{
		uint64 room = Max(end, Max(column->text_room + column->text_room / 2,
								   1024));
		uint8 *grown = builder->allocator.resize(builder->allocator.state,
												 column->text, room);

		if (grown == NULL)
			return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
									 "out of memory", "");
		builder->memory += room - column->text_room;
		column->text = grown;
		column->text_room = room;
	}
	if (length > 0)
		memcpy(column->text + column->text_bytes, bytes, length);
	builder->text_bytes += PAD(end) - PAD(column->text_bytes);
	column->text_bytes = end;
	set_text_end(column, builder->rows);
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
append_text(GstoreBuilder *builder, Column *column, GstoreValue value,
			GstoreCodecError *error)
{
	const void *pointer = (const void *) (uintptr_t) value;
	GstoreVarlena varlena;
	GstoreCodecStatus status;

	if (column->kind == GSTORE_ARROW_NAME)
		return add_text(builder, column, pointer,
						strnlen(pointer, GSTORE_NAME_LENGTH - 1), error);
	status = gstore_normalize(pointer, GSTORE_COMPRESSION_NONE,
							  &builder->scratch, &varlena, error);
	if (status != GSTORE_CODEC_OK)
		return status;
	return add_text(builder, column, varlena.body, varlena.body_bytes, error);
}

static GstoreCodecStatus
append_value(GstoreBuilder *builder, Column *column, GstoreValue value,
			 GstoreCodecError *error)
{
	uint64 row = builder->rows;
	uint8 *target = column->values + (row << column->shift);

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
			return append_text(builder, column, value, error);
		default:
			return gstore_arrow_convert(column->def, value, &builder->scratch,
										target, error);
	}
}

GstoreCodecStatus
gstore_arrow_append(GstoreBuilder *builder, const GstoreValue *values,
					const bool *nulls, GstoreCodecError *error)
{
	uint64 row = builder->rows;
	int ncols = builder->schema->ncols;
	Column *column = builder->columns;

	if (unlikely(row >= builder->room) && !make_room(builder))
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	for (int i = 0; i < ncols; i++, column++)
	{
		GstoreCodecStatus status;

		if (column->kind == GSTORE_ARROW_NONE)
			continue;
		if (nulls[i])
		{
			append_null(builder, column);
			continue;
		}
		status = append_value(builder, column, values[i], error);
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

static void
write_column(const Column *column, uint64 rows, uint8 *image, uint64 *at,
			 GstoreArrowColumn *meta)
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
	else if (column->type->encoding == GSTORE_ENCODING_ARROW_TEXT)
	{
		meta->offsets_length = (rows + 1) << column->shift;
		meta->offsets_offset = write_offsets(image, at, column, rows);
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

void
gstore_arrow_write(const GstoreBuilder *builder, void *image)
{
	const GstoreSchema *schema = builder->schema;
	GstoreArrowHeader *header = image;
	GstoreArrowColumn *metas = (GstoreArrowColumn *) (header + 1);
	uint64 at = GSTORE_ARROW_BODY(schema->ncols);

	memset(image, 0, at);
	header->magic = GSTORE_ARROW_MAGIC;
	header->version = GSTORE_ARROW_VERSION;
	header->header_bytes = (uint32) at;
	header->rows = builder->rows;
	header->ncols = schema->ncols;
	header->column_bytes = sizeof(GstoreArrowColumn);
	header->table_oid = schema->table_oid;
	header->row_type = schema->row_type;
	for (int i = 0; i < schema->ncols; i++)
	{
		const Column *column = &builder->columns[i];
		const GstoreColumn *def = column->def;
		GstoreArrowColumn *meta = &metas[i];

		memcpy(meta->name, def->name, GSTORE_NAME_LENGTH);
		gstore_arrow_format(def, meta->format);
		meta->atttypid = def->dropped ? 0 : def->typid;
		meta->atttypmod = def->typmod;
		meta->attnum = def->attnum;
		meta->null_count = column->null_count;
		if (column->kind == GSTORE_ARROW_NONE)
			meta->null_count = builder->rows;
		else
			write_column(column, builder->rows, image, &at, meta);
	}
	header->length = at;
}
