/*
 * test_codec_merge.c
 *	  Rows from image to image: formats, kept rows, columns that came and went.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/arrow.h"
#include "rows.h"

static const GstoreAllocator *allocator = &gstore_malloc_allocator;

/* Rows as an image, opened. */
typedef struct Source
{
	const GstoreCodec *codec;
	GstoreSchema *schema;
	uint8 *bytes;
	uint64 size;
	GstoreImage *image;
} Source;

static Source
source_make(const GstoreCodec *codec, GstoreSchema *schema, const Rows *rows)
{
	GstoreBuilder *builder = codec->builder_create(schema, allocator);
	GstoreCodecError error;
	Source source = {codec, schema, NULL, 0, NULL};

	rows_append(codec, builder, rows, 0, rows->count, &error);
	source.bytes = builder_image(codec, builder, &source.size);
	codec->builder_destroy(builder);
	if (codec->open(source.bytes, source.size, schema, allocator,
					&source.image, &error) != GSTORE_CODEC_OK)
		abort();
	return source;
}

static void
source_free(Source *source)
{
	source->codec->close(source->image);
	free(source->bytes);
}

/* All rows of two images, from any format to any. */
static void
test_formats(void)
{
	static const GstoreCodec *const codecs[] = {&gstore_pgstrom_codec,
												&gstore_arrow_codec};

	for (int from = 0; from < 2; from++)
		for (int to = 0; to < 2; to++)
		{
			GstoreSchema *schema = schema_of_arrow(false);
			Rows rows = {schema, 2500, NULLS_SOME, 21, 0, false};
			GstoreBuilder *builder;
			Source source;
			GstoreCodecError error;
			GstoreCodecStatus status;
			uint64 bytes;
			uint8 *image;

			/* pgstrom would store the text of an output as its type. */
			schema->columns[19].attlen = -1;
			source = source_make(codecs[from], schema, &rows);
			builder = codecs[to]->builder_create(schema, allocator);
			status = gstore_codec_merge(codecs[to], builder, schema,
										codecs[from], source.image, schema,
										source.bytes, NULL, allocator,
										&error);
			image = builder_image(codecs[to], builder, &bytes);
			tap_ok(status == GSTORE_CODEC_OK &&
					   image_holds(codecs[to], image, bytes, &rows, 5000),
				   "%s to %s", codecs[from]->name, codecs[to]->name);
			/* Twice is twice. */
			gstore_codec_merge(codecs[to], builder, schema, codecs[from],
							   source.image, schema, source.bytes, NULL,
							   allocator, &error);
			tap_ok(codecs[to]->builder_rows(builder) == 5000,
				   "%s to %s, once more", codecs[from]->name,
				   codecs[to]->name);
			free(image);
			codecs[to]->builder_destroy(builder);
			source_free(&source);
			free(schema);
		}
}

static void
test_keep(void)
{
	const GstoreCodec *codec = &gstore_pgstrom_codec;
	GstoreSchema *schema = schema_new(1);
	Rows rows = {schema, 5000, NULLS_NONE, 4, 0, false};
	GstoreBuilder *builder;
	GstoreCodecError error;
	uint8 keep[625] = {0};
	GstoreValue values[GSTORE_BATCH_ROWS];
	bool nulls[GSTORE_BATCH_ROWS];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	GstoreColumnView view;
	GstoreImage *image;
	Source source;
	uint64 bytes;
	uint8 *merged;
	uint64 kept = 0;
	bool good = true;

	schema_set(schema, 0, "i", 20, 8, 8, true);
	source = source_make(codec, schema, &rows);
	for (uint64 row = 0; row < rows.count; row++)
		if (row < 1024 ? false : mix(row) % 7 == 0)
			keep[row / 8] |= 1 << (row % 8);
	builder = codec->builder_create(schema, allocator);
	gstore_codec_merge(codec, builder, schema, codec, source.image, schema,
					   source.bytes, keep, allocator, &error);
	merged = builder_image(codec, builder, &bytes);
	codec->open(merged, bytes, schema, allocator, &image, &error);
	codec->column_ranges(image, 0, 0, codec->rows(image), ranges);
	pointers[0] = merged + ranges[0].offset;
	codec->bind(image, 0, 0, codec->rows(image), pointers, &view, &error);
	codec->decode(&view, 0, Min(codec->rows(image), GSTORE_BATCH_ROWS),
				  NULL, values, nulls, NULL, &error);
	for (uint64 row = 0; row < rows.count; row++)
	{
		uint8 buffer[256];

		if (keep[row / 8] & (1 << (row % 8)))
			good = good && values[kept++] == row_value(&rows, 0, row, buffer);
	}
	tap_ok(good && kept == codec->rows(image) && kept > 100,
		   "%llu of 5000 rows are kept", (unsigned long long) kept);
	codec->close(image);
	free(merged);
	codec->builder_destroy(builder);
	source_free(&source);
	free(schema);
}

/* The target has a column more, and one dropped that the source has. */
static void
test_columns(void)
{
	const GstoreCodec *codec = &gstore_pgstrom_codec;
	GstoreSchema *before = schema_new(3);
	GstoreSchema *after = schema_new(4);
	Rows old = {before, 1500, NULLS_SOME, 8, 0, false};
	Rows expected = {after, 1500, NULLS_SOME, 8, 0, false};
	GstoreBuilder *builder;
	GstoreCodecError error;
	GstoreCodecStatus status;
	Source source;
	uint64 bytes;
	uint8 *image;

	for (int i = 0; i < 3; i++)
	{
		schema_set(before, i, "c", i == 1 ? 25 : 20, i == 1 ? -1 : 8, 8,
				   i != 1);
		after->columns[i] = before->columns[i];
	}
	schema_set(after, 3, "new", 25, -1, 4, false);
	after->columns[1].dropped = true;
	source = source_make(codec, before, &old);
	builder = codec->builder_create(after, allocator);
	status = gstore_codec_merge(codec, builder, after, codec, source.image,
								before, source.bytes, NULL, allocator,
								&error);
	image = builder_image(codec, builder, &bytes);
	/* What was added reads as what was dropped does: NULL. */
	after->columns[3].dropped = true;
	tap_ok(status == GSTORE_CODEC_OK &&
			   image_holds(codec, image, bytes, &expected, 2000),
		   "a column added and one dropped");
	free(image);
	codec->builder_destroy(builder);
	source_free(&source);
	free(before);
	free(after);
}

int
main(void)
{
	test_formats();
	test_keep();
	test_columns();
	return tap_done();
}
