/*
 * arrow_read.c
 *	  An image of format arrow -> rows.
 *
 * Must never trust an offset, a length or a count it reads from an image: a
 * foreign program may have overwritten any byte, also while we read.
 *
 * The fields of a list or struct are described in its data, which is read only
 * when the column is: then they are views of their own.
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/fixed.h"

/* No image has more: keeps sums below 2^64. */
#define MAX_ROWS (UINT64_C(1) << 40)

/* A column's buffers, in bytes from the image's first. */
typedef struct Extent
{
	GstoreByteRange validity; /* offset 0: no row is NULL */
	GstoreByteRange values;	  /* values or offsets */
	GstoreByteRange text;	  /* or the fields and their buffers */
} Extent;

struct GstoreImage
{
	const GstoreSchema *schema;
	GstoreAllocator allocator;
	uint64 rows;
	Extent columns[];
};

static uint64
header_bytes(const GstoreSchema *schema)
{
	return GSTORE_ARROW_BODY(schema->ncols);
}

/* ---- opening ---- */

/* Bytes that so many rows have in the buffer of values or offsets. */
static uint64
values_bytes(const GstoreColumn *def, uint64 rows)
{
	const GstoreArrowType *type = gstore_arrow_type(def);

	switch (type->encoding)
	{
		case GSTORE_ENCODING_ARROW_BITS:
			return (rows + 7) / 8;
		case GSTORE_ENCODING_ARROW_TEXT:
		case GSTORE_ENCODING_ARROW_LIST:
			return (rows + 1) * (def->large_text ? 8 : 4);
		default:
			return rows * type->bytes;
	}
}

/* Is a range of at least so many bytes within the bytes [low, high)? */
static bool
is_inside(uint64 low, uint64 high, const GstoreByteRange *range, uint64 least)
{
	return range->offset % GSTORE_ARROW_ALIGNMENT == 0 &&
		   range->offset >= low && range->offset <= high &&
		   range->length <= high - range->offset && range->length >= least;
}

/* Where the buffers of a column or field lie, which is within [low, high). */
static GstoreCodecStatus
parse_column(const GstoreArrowColumn *meta, const GstoreColumn *def,
			 int number, uint64 rows, uint64 low, uint64 high, Extent *extent,
			 GstoreCodecError *error)
{
	GstoreEncoding encoding = gstore_arrow_type(def)->encoding;
	bool has_offsets = encoding == GSTORE_ENCODING_ARROW_TEXT ||
					   encoding == GSTORE_ENCODING_ARROW_LIST;
	bool has_values = encoding != GSTORE_ENCODING_ARROW_STRUCT;
	char format[32];

	memset(extent, 0, sizeof(*extent));
	gstore_arrow_format(def, format);
	/* A column dropped since has another format: it is not read. */
	if (gstore_arrow_kind(def) == GSTORE_ARROW_NONE)
		return GSTORE_CODEC_OK;
	if (memcmp(format, meta->format, sizeof(format)) != 0 ||
		meta->nchildren != def->nchildren)
		return gstore_codec_corrupt(error, number,
									"the chunk's header names another type");
	extent->validity.offset = meta->validity_offset;
	extent->validity.length = meta->validity_length;
	extent->values.offset = has_offsets ? meta->offsets_offset : meta->data_offset;
	extent->values.length = has_offsets ? meta->offsets_length : meta->data_length;
	if (has_offsets || !has_values)
	{
		extent->text.offset = meta->data_offset;
		extent->text.length = meta->data_length;
	}
	if ((has_values &&
		 !is_inside(low, high, &extent->values, values_bytes(def, rows))) ||
		((has_offsets || !has_values) &&
		 !is_inside(low, high, &extent->text,
					def->nchildren * sizeof(GstoreArrowColumn))) ||
		(extent->validity.offset != 0 &&
		 !is_inside(low, high, &extent->validity, (rows + 7) / 8)))
		return gstore_codec_corrupt(error, number,
									"the chunk's header points outside the chunk");
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
open_image(const void *bytes, uint64 image_bytes, const GstoreSchema *schema,
		   const GstoreAllocator *allocator, GstoreImage **image,
		   GstoreCodecError *error)
{
	GstoreArrowHeader header;
	GstoreImage *result;

	if (image_bytes < header_bytes(schema))
		return gstore_codec_corrupt(error, -1, "a chunk's header is damaged");
	/* Once: nobody may change it between being checked and being used. */
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != GSTORE_ARROW_MAGIC ||
		header.version != (schema->nfields > schema->ncols
							   ? GSTORE_ARROW_VERSION_NESTED
							   : GSTORE_ARROW_VERSION) ||
		header.length != image_bytes || header.rows > MAX_ROWS ||
		header.column_bytes != sizeof(GstoreArrowColumn) ||
		header.ncols != (uint32) schema->ncols)
		return gstore_codec_corrupt(error, -1, "a chunk's header is damaged");
	result = allocator->alloc(allocator->state, sizeof(GstoreImage) + schema->ncols * sizeof(Extent));
	if (result == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	result->schema = schema;
	result->allocator = *allocator;
	result->rows = header.rows;
	for (int i = 0; i < schema->ncols; i++)
	{
		GstoreArrowColumn meta = *gstore_arrow_column(bytes, i);
		GstoreCodecStatus status =
			parse_column(&meta, &schema->columns[i], i, result->rows,
						 header_bytes(schema), image_bytes,
						 &result->columns[i], error);

		if (status != GSTORE_CODEC_OK)
		{
			allocator->free(allocator->state, result);
			return status;
		}
	}
	*image = result;
	return GSTORE_CODEC_OK;
}

static void
close_image(GstoreImage *image)
{
	GstoreAllocator allocator = image->allocator;

	allocator.free(allocator.state, image);
}

static uint64
image_rows(const GstoreImage *image)
{
	return image->rows;
}

/* ---- viewing ---- */

/* Values or offsets; the text or the fields; validity: those there are. */
static int
extent_ranges(const Extent *extent, const GstoreColumn *def, uint64 first,
			  uint64 count, GstoreByteRange *ranges)
{
	const GstoreArrowType *type = gstore_arrow_type(def);
	uint64 width = type->bytes;
	int n = 0;

	switch (type->encoding)
	{
		case GSTORE_ENCODING_ABSENT:
			return 0;
		case GSTORE_ENCODING_ARROW_BITS:
			ranges[n].offset = extent->values.offset + first / 8;
			ranges[n++].length = (first % 8 + count + 7) / 8;
			break;
		case GSTORE_ENCODING_ARROW_TEXT:
		case GSTORE_ENCODING_ARROW_LIST:
			width = def->large_text ? 8 : 4;
			ranges[n].offset = extent->values.offset + first * width;
			ranges[n++].length = (count + 1) * width;
			ranges[n++] = extent->text;
			break;
		case GSTORE_ENCODING_ARROW_STRUCT:
			ranges[n++] = extent->text;
			break;
		default:
			ranges[n].offset = extent->values.offset + first * width;
			ranges[n++].length = count * width;
	}
	if (extent->validity.offset != 0)
	{
		ranges[n].offset = extent->validity.offset + first / 8;
		ranges[n++].length = (first % 8 + count + 7) / 8;
	}
	return n;
}

static int
column_ranges(const GstoreImage *image, int column, uint64 first,
			  uint64 count, GstoreByteRange *ranges)
{
	return extent_ranges(&image->columns[column],
						 &image->schema->columns[column], first, count,
						 ranges);
}

/* A view of the bytes that extent_ranges named. */
static void
bind_extent(const GstoreSchema *schema, int field, const Extent *extent,
			uint64 first, const void *const *pointers, GstoreColumnView *view)
{
	const GstoreColumn *def = &schema->columns[field];
	const GstoreArrowType *type = gstore_arrow_type(def);
	int n = 0;

	memset(view, 0, sizeof(*view));
	view->encoding = type->encoding;
	view->attlen = def->attlen;
	view->attbyval = def->attbyval;
	view->typid = def->typid;
	view->stride = type->bytes;
	view->arrow_kind = gstore_arrow_kind(def);
	view->precision = def->precision;
	view->scale = def->scale;
	view->large_text = def->large_text;
	if (type->encoding == GSTORE_ENCODING_ABSENT)
		return;
	if (type->encoding != GSTORE_ENCODING_ARROW_STRUCT)
		view->values = pointers[n++];
	if (type->encoding == GSTORE_ENCODING_ARROW_BITS)
		view->values_bit = first % 8;
	if (type->encoding == GSTORE_ENCODING_ARROW_TEXT ||
		type->encoding == GSTORE_ENCODING_ARROW_LIST ||
		type->encoding == GSTORE_ENCODING_ARROW_STRUCT)
	{
		view->stride = def->large_text ? 8 : 4;
		view->base = pointers[n++];
		view->base_to = extent->text.length;
		view->schema = schema;
		view->field = (uint32) field;
		view->block_offset = extent->text.offset;
		view->first_row = first;
		/* What the reader gets of a type that is kept as its output. */
		if (view->arrow_kind == GSTORE_ARROW_OUTPUT)
		{
			view->attlen = -1;
			view->attbyval = false;
		}
	}
	if (extent->validity.offset != 0)
	{
		view->validity = pointers[n];
		view->validity_bit = first % 8;
	}
}

static GstoreCodecStatus
bind(const GstoreImage *image, int column, uint64 first, uint64 count,
	 const void *const *pointers, GstoreColumnView *view,
	 GstoreCodecError *error)
{
	if (first > image->rows || count > image->rows - first)
		return gstore_codec_corrupt(error, column,
									"the chunk has fewer rows than its table says");
	bind_extent(image->schema, column, &image->columns[column], first,
				pointers, view);
	return GSTORE_CODEC_OK;
}

/*
 * Rows [first, first + count) of a field of a list or struct as a view of their
 * own.  Where rows is given, all from first on instead, and *rows is how many.
 */
static GstoreCodecStatus
bind_field(const GstoreColumnView *view, uint32 number, uint64 first,
		   uint64 count, GstoreColumnView *field, uint64 *rows,
		   GstoreCodecError *error)
{
	const GstoreColumn *parent = &view->schema->columns[view->field];
	int index = (int) (parent->first_child + number);
	const GstoreColumn *def = &view->schema->columns[index];
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreArrowColumn meta;
	GstoreCodecStatus status;
	Extent extent;
	int n;

	memcpy(&meta, view->base + number * sizeof(meta), sizeof(meta));
	/* A row has at least a bit somewhere within: what says it has more is
	 * refused before there is memory for it. */
	if (rows != NULL && first <= meta.rows)
		count = meta.rows - first;
	if (meta.rows > view->base_to * 8 || first > meta.rows ||
		count > meta.rows - first)
		return gstore_codec_corrupt(error, -1,
									"an array or composite points outside its chunk");
	status = parse_column(&meta, def, -1, meta.rows, view->block_offset,
						  view->block_offset + view->base_to, &extent, error);
	if (status != GSTORE_CODEC_OK)
		return status;
	n = extent_ranges(&extent, def, first, count, ranges);
	for (int i = 0; i < n; i++)
		pointers[i] = view->base + (ranges[i].offset - view->block_offset);
	bind_extent(view->schema, index, &extent, first, pointers, field);
	if (rows != NULL)
		*rows = count;
	return GSTORE_CODEC_OK;
}

/* ---- decoding ---- */

static inline uint64
text_offset(const GstoreColumnView *view, uint64 row)
{
	/* A negative one is larger than any text. */
	return view->large_text ? ((const uint64 *) view->values)[row]
							: ((const uint32 *) view->values)[row];
}

/* One text at its place in scratch; how many bytes that took. */
static uint64
put_text(const GstoreColumnView *view, uint64 from, uint64 length,
		 uint8 *target)
{
	uint32 header = (uint32) (length + 4) << 2;

	if (view->arrow_kind == GSTORE_ARROW_NAME)
	{
		memcpy(target, view->base + from, length);
		memset(target + length, 0, GSTORE_NAME_LENGTH - length);
		return GSTORE_NAME_LENGTH;
	}
	memcpy(target, &header, sizeof(header));
	memcpy(target + 4, view->base + from, length);
	return GSTORE_ALIGN(length + 4, 8);
}

static GstoreCodecStatus
decode_text(const GstoreColumnView *view, uint64 from, uint64 count,
			GstoreValue *values, const bool *nulls, GstoreScratch *scratch,
			GstoreCodecError *error)
{
	uint64 first = text_offset(view, from);
	uint64 last = text_offset(view, from + count);
	uint64 longest = GSTORE_ARROW_MAX_TEXT;
	uint64 extra = 12; /* a header, and padding */
	uint64 at = first;
	uint8 *target;

	if (view->arrow_kind == GSTORE_ARROW_NAME)
	{
		longest = GSTORE_NAME_LENGTH - 1;
		extra = GSTORE_NAME_LENGTH;
	}
	if (first > last || last > view->base_to)
		return gstore_codec_corrupt(error, -1,
									"a text points outside its chunk");
	target = gstore_scratch_reserve(scratch, last - first + count * extra);
	if (target == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	for (uint64 i = 0; i < count; i++)
	{
		/* Each offset is read once, and they may only rise to the last: so
		 * what was reserved suffices. */
		uint64 end = text_offset(view, from + i + 1);

		if (unlikely(end < at || end > last || end - at > longest))
			return gstore_codec_corrupt(error, -1,
										"a text points outside its chunk");
		values[i] = 0;
		if (!nulls[i])
		{
			values[i] = (GstoreValue) (uintptr_t) target;
			target += put_text(view, at, end - at, target);
		}
		at = end;
	}
	return GSTORE_CODEC_OK;
}

static void
decode_bits(const GstoreColumnView *view, uint64 from, uint64 count,
			GstoreValue *values)
{
	for (uint64 i = 0; i < count; i++)
		values[i] = gstore_bit(view->values, view->values_bit + from + i);
}

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
}

static GstoreCodecStatus decode(const GstoreColumnView *view, uint64 from,
								uint64 count, const uint8 *only,
								GstoreValue *values, bool *nulls,
								GstoreScratch *scratch,
								GstoreCodecError *error);

/* The elements that the rows have together, decoded at once. */
static GstoreCodecStatus
decode_lists(const GstoreColumnView *view, uint64 from, uint64 count,
			 GstoreValue *values, const bool *nulls, GstoreScratch *scratch,
			 GstoreCodecError *error)
{
	uint64 first = text_offset(view, from);
	uint64 last = text_offset(view, from + count);
	uint64 at = first;
	GstoreScratch *child = gstore_scratch_children(scratch, 1);
	GstoreColumnView field;
	GstoreCodecStatus status;
	GstoreNested *nested;
	GstoreValue *element_values;
	bool *element_nulls;

	if (first > last)
		return gstore_codec_corrupt(error, -1,
									"an array points outside its chunk");
	status = bind_field(view, 0, first, last - first, &field, NULL, error);
	if (status != GSTORE_CODEC_OK)
		return status;
	nested = child == NULL ? NULL : gstore_scratch_reserve(scratch, count * sizeof(GstoreNested) + (last - first) * (sizeof(GstoreValue) + sizeof(bool)));
	if (nested == NULL)
		return no_memory(error);
	element_values = (GstoreValue *) (nested + count);
	element_nulls = (bool *) (element_values + (last - first));
	if (last > first)
		status = decode(&field, 0, last - first, NULL, element_values,
						element_nulls, child, error);
	for (uint64 i = 0; status == GSTORE_CODEC_OK && i < count; i++)
	{
		/* Each offset is read once. */
		uint64 end = text_offset(view, from + i + 1);

		if (unlikely(end < at || end > last))
			return gstore_codec_corrupt(error, -1,
										"an array points outside its chunk");
		nested[i].count = end - at;
		nested[i].values = element_values + (at - first);
		nested[i].nulls = element_nulls + (at - first);
		values[i] = nulls[i] ? 0 : (GstoreValue) (uintptr_t) &nested[i];
		at = end;
	}
	return status;
}

/* Field by field, then put together row by row. */
static GstoreCodecStatus
decode_structs(const GstoreColumnView *view, uint64 from, uint64 count,
			   GstoreValue *values, const bool *nulls, GstoreScratch *scratch,
			   GstoreCodecError *error)
{
	uint64 n = view->schema->columns[view->field].nchildren;
	GstoreScratch *children = gstore_scratch_children(scratch, (uint32) n);
	GstoreNested *nested = children == NULL ? NULL : gstore_scratch_reserve(scratch, count * sizeof(GstoreNested) + (n + 1) * count * (sizeof(GstoreValue) + sizeof(bool)));
	GstoreValue *row_values;
	GstoreValue *field_values;
	bool *row_nulls;
	bool *field_nulls;

	if (nested == NULL)
		return no_memory(error);
	row_values = (GstoreValue *) (nested + count);
	field_values = row_values + n * count;
	row_nulls = (bool *) (field_values + count);
	field_nulls = row_nulls + n * count;
	for (uint64 j = 0; j < n; j++)
	{
		GstoreColumnView field;
		GstoreCodecStatus status = bind_field(view, (uint32) j,
											  view->first_row + from, count,
											  &field, NULL, error);

		if (status == GSTORE_CODEC_OK)
			status = decode(&field, 0, count, NULL, field_values, field_nulls,
							&children[j], error);
		if (status != GSTORE_CODEC_OK)
			return status;
		for (uint64 i = 0; i < count; i++)
		{
			row_values[i * n + j] = field_values[i];
			row_nulls[i * n + j] = field_nulls[i];
		}
	}
	for (uint64 i = 0; i < count; i++)
	{
		nested[i].count = n;
		nested[i].values = row_values + i * n;
		nested[i].nulls = row_nulls + i * n;
		values[i] = nulls[i] ? 0 : (GstoreValue) (uintptr_t) &nested[i];
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
decode(const GstoreColumnView *view, uint64 from, uint64 count,
	   const uint8 *only, GstoreValue *values, bool *nulls,
	   GstoreScratch *scratch, GstoreCodecError *error)
{
	if (view->encoding == GSTORE_ENCODING_ABSENT)
	{
		memset(nulls, true, count * sizeof(bool));
		memset(values, 0, count * sizeof(GstoreValue));
		return GSTORE_CODEC_OK;
	}
	if (view->encoding == GSTORE_ENCODING_FIXED)
	{
		gstore_decode_fixed(view, from, count, values, nulls);
		return GSTORE_CODEC_OK;
	}
	gstore_decode_nulls(view, from, count, nulls);
	gstore_decode_only(only, count, nulls);
	switch (view->encoding)
	{
		case GSTORE_ENCODING_ARROW_BITS:
			decode_bits(view, from, count, values);
			return GSTORE_CODEC_OK;
		case GSTORE_ENCODING_ARROW_TEXT:
			return decode_text(view, from, count, values, nulls, scratch,
							   error);
		case GSTORE_ENCODING_ARROW_LIST:
			return decode_lists(view, from, count, values, nulls, scratch,
								error);
		case GSTORE_ENCODING_ARROW_STRUCT:
			return decode_structs(view, from, count, values, nulls, scratch,
								  error);
		default:
			return gstore_arrow_revert(view, from, count, values, nulls,
									   scratch, error);
	}
}

/* ---- validating ---- */

/* Offsets rise, to at most last, in steps of at most longest. */
static bool
are_offsets_sound(const GstoreColumnView *view, uint64 rows, uint64 last,
				  uint64 longest)
{
	uint64 at = 0;

	for (uint64 row = 0; row <= rows; row++)
	{
		uint64 end = text_offset(view, row);

		if (end < at || end > last || end - at > longest)
			return false;
		at = end;
	}
	return true;
}

static GstoreCodecStatus
validate_view(const GstoreColumnView *view, uint64 rows, int column,
			  GstoreCodecError *error)
{
	uint64 children = 0;

	if (view->encoding == GSTORE_ENCODING_ARROW_TEXT &&
		!are_offsets_sound(view, rows, view->base_to, GSTORE_ARROW_MAX_TEXT))
		return gstore_codec_corrupt(error, column,
									"a text points outside its chunk");
	if (view->encoding == GSTORE_ENCODING_ARROW_LIST ||
		view->encoding == GSTORE_ENCODING_ARROW_STRUCT)
		children = view->schema->columns[view->field].nchildren;
	for (uint32 i = 0; i < children; i++)
	{
		GstoreColumnView field;
		uint64 field_rows = 0;
		GstoreCodecStatus status = bind_field(view, i, 0, 0, &field,
											  &field_rows, error);

		if (status == GSTORE_CODEC_OK)
			status = validate_view(&field, field_rows, column, error);
		if (status != GSTORE_CODEC_OK)
		{
			error->column = column;
			return status;
		}
		if (view->encoding == GSTORE_ENCODING_ARROW_LIST
				? !are_offsets_sound(view, rows, field_rows, UINT64_MAX)
				: field_rows != rows)
			return gstore_codec_corrupt(error, column,
										"an array or composite points outside its chunk");
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
validate_column(const GstoreImage *image, int column, const uint8 *bytes,
				GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreColumnView view;
	GstoreCodecStatus status;
	int n = column_ranges(image, column, 0, image->rows, ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = bytes + ranges[i].offset;
	status = bind(image, column, 0, image->rows, pointers, &view, error);
	if (status != GSTORE_CODEC_OK)
		return status;
	return validate_view(&view, image->rows, column, error);
}

static GstoreCodecStatus
validate(const void *bytes, uint64 image_bytes, const GstoreSchema *schema,
		 GstoreCodecError *error)
{
	GstoreImage *image;
	GstoreCodecStatus status = open_image(bytes, image_bytes, schema,
										  &gstore_malloc_allocator, &image,
										  error);

	if (status != GSTORE_CODEC_OK)
		return status;
	for (int i = 0; status == GSTORE_CODEC_OK && i < schema->ncols; i++)
		status = validate_column(image, i, bytes, error);
	close_image(image);
	return status;
}

const GstoreCodec gstore_arrow_codec = {
	.name = "arrow",
	.format = GSTORE_FORMAT_ARROW,
	.alignment = GSTORE_ARROW_ALIGNMENT,
	.builder_create = gstore_arrow_create,
	.builder_destroy = gstore_arrow_destroy,
	.builder_reset = gstore_arrow_reset,
	.append = gstore_arrow_append,
	.append_column = gstore_arrow_append_column,
	.set_rows = gstore_arrow_set_rows,
	.refuses = gstore_arrow_refuses,
	.check = gstore_arrow_check,
	.builder_schema = gstore_arrow_schema,
	.builder_rows = gstore_arrow_rows,
	.builder_image_bytes = gstore_arrow_bytes,
	.builder_column_bytes = gstore_arrow_column_bytes,
	.builder_memory = gstore_arrow_memory,
	.builder_bounds = gstore_arrow_bounds,
	.image_for = gstore_arrow_image_for,
	.settle = gstore_arrow_settle,
	.close_up = gstore_arrow_close_up,
	.write_header = gstore_arrow_write_header,
	.write_column = gstore_arrow_write_column,
	.reset_column = gstore_arrow_reset_column,
	.lay_out = gstore_arrow_lay_out,
	.header_bytes = header_bytes,
	.open = open_image,
	.close = close_image,
	.rows = image_rows,
	.column_ranges = column_ranges,
	.bind = bind,
	.decode = decode,
	.validate = validate,
};
