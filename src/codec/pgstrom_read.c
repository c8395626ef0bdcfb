/*
 * pgstrom_read.c
 *	  An image of format pgstrom -> rows.
 *
 * Must never trust an offset, a length or a count it reads from an image: a
 * foreign program may have overwritten any byte.
 */
#include <string.h>

#include "codec/fixed.h"
#include "codec/pgstrom.h"
#include "varlena.h"

/* A column's block, in bytes from the image's first. */
typedef struct Extent
{
	uint64 offset; /* 0: NULL in every row */
	uint64 length;
	uint64 array; /* bytes of values or offsets, with padding */
	bool has_validity;
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
	return GSTORE_PGSTROM_BODY(schema->ncols);
}

static uint32
column_stride(const GstoreColumn *def)
{
	return GSTORE_PGSTROM_STRIDE(def->attlen, def->attalign);
}

/* ---- opening ---- */

static GstoreCodecStatus
parse_column(const GstorePgstromColumn *meta, const GstoreSchema *schema,
			 int number, uint64 rows, uint64 image_bytes, Extent *extent,
			 GstoreCodecError *error)
{
	const GstoreColumn *def = &schema->columns[number];

	memset(extent, 0, sizeof(*extent));
	if (meta->va_offset == 0 || def->dropped)
		return GSTORE_CODEC_OK;
	extent->offset = (uint64) meta->va_offset * 8;
	extent->length = (uint64) meta->va_length * 8;
	extent->array = GSTORE_ALIGN(rows * column_stride(def), 8);
	if (meta->attlen != def->attlen)
		return gstore_codec_corrupt(error, number,
									"the chunk's header names another type");
	if (extent->offset < header_bytes(schema) ||
		extent->offset > image_bytes ||
		extent->length > image_bytes - extent->offset)
		return gstore_codec_corrupt(error, number,
									"the chunk's header points outside the chunk");
	if (extent->length < extent->array)
		return gstore_codec_corrupt(error, number,
									"the chunk has fewer values than it has rows");
	if (def->attlen >= 0 && extent->length > extent->array)
	{
		if (extent->length - extent->array < (rows + 7) / 8)
			return gstore_codec_corrupt(error, number,
										"the chunk's null bitmap is shorter than it has rows");
		extent->has_validity = true;
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
open_image(const void *bytes, uint64 image_bytes, const GstoreSchema *schema,
		   const GstoreAllocator *allocator, GstoreImage **image,
		   GstoreCodecError *error)
{
	GstorePgstromHeader header;
	GstoreImage *result;

	if (image_bytes < header_bytes(schema))
		return gstore_codec_corrupt(error, -1, "a chunk's header is damaged");
	/* Once: nobody may change it between being checked and being used. */
	memcpy(&header, bytes, sizeof(header));
	if (header.length != image_bytes ||
		header.format != GSTORE_PGSTROM_FORMAT_COLUMN ||
		header.ncols != (uint32) schema->ncols)
		return gstore_codec_corrupt(error, -1, "a chunk's header is damaged");
	result = allocator->alloc(allocator->state, sizeof(GstoreImage) + schema->ncols * sizeof(Extent));
	if (result == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	result->schema = schema;
	result->allocator = *allocator;
	result->rows = header.nitems;
	for (int i = 0; i < schema->ncols; i++)
	{
		GstorePgstromColumn meta = *gstore_pgstrom_column(bytes, i);
		GstoreCodecStatus status =
			parse_column(&meta, schema, i, result->rows, image_bytes,
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

/* Fixed length: values, then the bitmap's bytes.  Varlena: offsets, then all
 * values, because which of them the rows need only the offsets tell. */
static int
column_ranges(const GstoreImage *image, int column, uint64 first,
			  uint64 count, GstoreByteRange *ranges)
{
	const Extent *extent = &image->columns[column];
	const GstoreColumn *def = &image->schema->columns[column];
	uint32 stride = column_stride(def);

	if (extent->offset == 0)
		return 0;
	ranges[0].offset = extent->offset + first * stride;
	ranges[0].length = count * stride;
	if (def->attlen < 0)
	{
		ranges[1].offset = extent->offset + extent->array;
		ranges[1].length = extent->length - extent->array;
		return 2;
	}
	if (!extent->has_validity)
		return 1;
	ranges[1].offset = extent->offset + extent->array + first / 8;
	ranges[1].length = (first % 8 + count + 7) / 8;
	return 2;
}

static GstoreCodecStatus
bind(const GstoreImage *image, int column, uint64 first, uint64 count,
	 const void *const *pointers, GstoreColumnView *view,
	 GstoreCodecError *error)
{
	const Extent *extent = &image->columns[column];
	const GstoreColumn *def = &image->schema->columns[column];

	memset(view, 0, sizeof(*view));
	if (first > image->rows || count > image->rows - first)
		return gstore_codec_corrupt(error, column,
									"the chunk has fewer rows than its table says");
	view->attlen = def->attlen;
	view->attbyval = def->attbyval;
	view->stride = column_stride(def);
	view->typid = def->typid;
	if (extent->offset == 0)
	{
		view->encoding = GSTORE_ENCODING_ABSENT;
		return GSTORE_CODEC_OK;
	}
	view->values = pointers[0];
	if (def->attlen < 0)
	{
		view->encoding = GSTORE_ENCODING_PGSTROM_VARLENA;
		view->base = (const uint8 *) ((uintptr_t) pointers[1] - extent->array);
		view->base_from = extent->array;
		view->base_to = extent->length;
		return GSTORE_CODEC_OK;
	}
	view->encoding = GSTORE_ENCODING_FIXED;
	if (extent->has_validity)
	{
		view->validity = pointers[1];
		view->validity_bit = first % 8;
	}
	return GSTORE_CODEC_OK;
}

/* ---- decoding ---- */

static inline bool
is_sound(const GstoreColumnView *view, uint64 offset)
{
	return offset >= view->base_from && offset < view->base_to &&
		   gstore_varlena_is_sound(view->base + offset,
								   view->base_to - offset);
}

static GstoreCodecStatus
decode_varlena(const GstoreColumnView *view, uint64 from, uint64 count,
			   const uint8 *only, GstoreValue *values, bool *nulls,
			   GstoreCodecError *error)
{
	const uint32 *offsets = (const uint32 *) view->values + from;

	for (uint64 i = 0; i < count; i++)
	{
		uint64 offset = (uint64) offsets[i] * 8;

		nulls[i] = offset == 0;
		values[i] = 0;
		if (offset == 0 || (only != NULL && !gstore_bit(only, i)))
			continue;
		if (unlikely(!is_sound(view, offset)))
			return gstore_codec_corrupt(error, -1,
										"a value points outside its chunk's dictionary");
		values[i] = (GstoreValue) (uintptr_t) (view->base + offset);
	}
	return GSTORE_CODEC_OK;
}

static GstoreCodecStatus
decode(const GstoreColumnView *view, uint64 from, uint64 count,
	   const uint8 *only, GstoreValue *values, bool *nulls,
	   GstoreScratch *scratch, GstoreCodecError *error)
{
	(void) scratch;
	switch (view->encoding)
	{
		case GSTORE_ENCODING_FIXED:
			gstore_decode_fixed(view, from, count, values, nulls);
			return GSTORE_CODEC_OK;
		case GSTORE_ENCODING_PGSTROM_VARLENA:
			return decode_varlena(view, from, count, only, values, nulls, error);
		default:
			memset(nulls, true, count * sizeof(bool));
			memset(values, 0, count * sizeof(GstoreValue));
			return GSTORE_CODEC_OK;
	}
}

/* ---- validating ---- */

static GstoreCodecStatus
validate_column(const GstoreImage *image, int column, const uint8 *bytes,
				GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN] = {{0, 0}};
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreColumnView view;
	GstoreCodecStatus status;
	int n = column_ranges(image, column, 0, image->rows, ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = bytes + ranges[i].offset;
	status = bind(image, column, 0, image->rows, pointers, &view, error);
	if (status != GSTORE_CODEC_OK ||
		view.encoding != GSTORE_ENCODING_PGSTROM_VARLENA)
		return status;
	for (uint64 row = 0; row < image->rows; row++)
	{
		uint64 offset = (uint64) ((const uint32 *) view.values)[row] * 8;

		if (offset != 0 && !is_sound(&view, offset))
			return gstore_codec_corrupt(error, column,
										"a value points outside its chunk's dictionary");
	}
	return GSTORE_CODEC_OK;
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

const GstoreCodec gstore_pgstrom_codec = {
	.name = "pgstrom",
	.format = GSTORE_FORMAT_PGSTROM,
	.alignment = GSTORE_PGSTROM_UNIT,
	.builder_create = gstore_pgstrom_create,
	.builder_destroy = gstore_pgstrom_destroy,
	.builder_reset = gstore_pgstrom_reset,
	.append = gstore_pgstrom_append,
	.append_column = gstore_pgstrom_append_column,
	.set_rows = gstore_pgstrom_set_rows,
	.builder_schema = gstore_pgstrom_schema,
	.builder_rows = gstore_pgstrom_rows,
	.builder_image_bytes = gstore_pgstrom_bytes,
	.builder_column_bytes = gstore_pgstrom_column_bytes,
	.builder_memory = gstore_pgstrom_memory,
	.builder_bounds = gstore_pgstrom_bounds,
	.write_header = gstore_pgstrom_write_header,
	.write_column = gstore_pgstrom_write_column,
	.reset_column = gstore_pgstrom_reset_column,
	.lay_out = gstore_pgstrom_lay_out,
	.header_bytes = header_bytes,
	.open = open_image,
	.close = close_image,
	.rows = image_rows,
	.column_ranges = column_ranges,
	.bind = bind,
	.decode = decode,
	.validate = validate,
};
