/*
 * test_codec_pgstrom.c
 *	  The codec `pgstrom' without a server.
 *
 * With arguments it writes an image and its rows, for
 * test/clients/check_images.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/pgstrom.h"
#include "gstore_format.h"
#include "rows.h"
#include "varlena.h"

static const GstoreCodec *codec = &gstore_pgstrom_codec;

static const uint64 sizes[] = {0, 1, 7, 8, 9, 1023, 1024, 1025,
							   65535, 65536, 65537};

/* The same rows by the accessors that other programs use. */
static bool
accessors_agree(const uint8 *image, uint64 bytes, const Rows *rows)
{
	const GstorePgstromHeader *header = (const GstorePgstromHeader *) image;

	if (header->length != bytes || header->nitems != rows->count ||
		header->usage != bytes / 8 || header->format != 5 ||
		header->has_attnames != 1 || header->hash_max != 0xFFFFFFFF)
		return false;
	for (int i = 0; i < rows->schema->ncols; i++)
	{
		const GstorePgstromColumn *meta = gstore_pgstrom_column(image, i);

		if (strcmp(gstore_pgstrom_name(image, i),
				   rows->schema->columns[i].name) != 0 ||
			meta->attnum != i + 1)
			return false;
		for (uint64 row = 0; row < rows->count; row += 1 + rows->count / 99)
		{
			const void *at = gstore_pgstrom_value(image, i, row);
			GstoreValue value = (GstoreValue) (uintptr_t) at;
			uint8 buffer[256];

			if ((at == NULL) != row_is_null(rows, i, row))
				return false;
			if (at == NULL)
				continue;
			if (meta->attbyval)
				switch (meta->attlen)
				{
					case 1:
						value = (GstoreValue) (int64) * (const int8 *) at;
						break;
					case 2:
						value = (GstoreValue) (int64) * (const int16 *) at;
						break;
					case 4:
						value = (GstoreValue) (int64) * (const int32 *) at;
						break;
					default:
						value = *(const uint64 *) at;
				}
			if (!values_equal(&rows->schema->columns[i],
							  row_value(rows, i, row, buffer), value))
				return false;
		}
	}
	return true;
}

static void
test_sizes(void)
{
	GstoreSchema *schema = schema_of_everything();

	for (int s = 0; s < (int) lengthof(sizes); s++)
		for (int pattern = 0; pattern < NULL_PATTERNS; pattern++)
		{
			Rows rows = {schema, sizes[s], pattern, s * 10 + pattern,
						 pattern % 2 ? 0 : 100, pattern == NULLS_SOME};
			GstoreBuilder *builder;
			GstoreCodecError error;
			uint64 bytes;
			uint8 *image;
			bool good;

			if (sizes[s] > 60000 && pattern > NULLS_SOME)
				continue;
			builder = codec->builder_create(schema, &gstore_malloc_allocator);
			good = rows_append(codec, builder, &rows, 0, sizes[s], &error) ==
				   GSTORE_CODEC_OK;
			image = builder_image(codec, builder, &bytes);
			good = good &&
				   image_holds(codec, image, bytes, &rows, UINT64_MAX / 2) &&
				   image_holds(codec, image, bytes, &rows,
							   1 + sizes[s] / 3) &&
				   accessors_agree(image, bytes, &rows) &&
				   codec->validate(image, bytes, schema, &error) ==
					   GSTORE_CODEC_OK;
			tap_ok(good, "%llu rows, NULL pattern %d",
				   (unsigned long long) sizes[s], pattern);
			free(image);
			codec->builder_destroy(builder);
		}
	free(schema);
}

/* Byte for byte: what the layout says, written down by hand. */
static void
test_bytes(void)
{
	GstoreSchema *schema = schema_new(3);
	GstoreBuilder *builder;
	GstoreCodecError error;
	uint8 varlena[8] = {6 << 2, 0, 0, 0, 'h', 'i', 0, 0};
	uint8 packed[3] = {3 << 1 | 1, 'h', 'i'};
	GstoreValue values[3] = {7, 0, (GstoreValue) (uintptr_t) varlena};
	bool nulls[3] = {false, true, false};
	const uint32 *words;
	uint64 bytes;
	uint8 *image;
	uint64 body = 56 + 3 * 24 + 3 * 64;

	schema_set(schema, 0, "a", 23, 4, 4, true);
	schema_set(schema, 1, "b", 23, 4, 4, true);
	schema_set(schema, 2, "c", 25, -1, 4, false);
	builder = codec->builder_create(schema, &gstore_malloc_allocator);
	codec->append(builder, values, nulls, &error);
	nulls[0] = true;
	values[2] = (GstoreValue) (uintptr_t) packed;
	codec->append(builder, values, nulls, &error);
	nulls[2] = true;
	codec->append(builder, values, nulls, &error);
	image = builder_image(codec, builder, &bytes);
	words = (const uint32 *) (image + body);
	tap_ok(body % 16 == 0 && bytes == body + 16 + 8 + 16 + 8,
		   "an image has the bytes it should have");
	tap_ok(words[0] == 7 && words[1] == 0 && words[2] == 0 && words[3] == 0 &&
			   words[4] == 1 && words[5] == 0,
		   "fixed length: values, then the bitmap");
	tap_ok(words[6] == 2 && words[7] == 2 && words[8] == 0 &&
			   words[9] == 0 && memcmp(words + 10, varlena, 8) == 0,
		   "varlena: offsets, then each value once");
	tap_ok(gstore_pgstrom_column(image, 1)->va_offset == 0 &&
			   gstore_pgstrom_column(image, 1)->va_length == 0 &&
			   gstore_pgstrom_column(image, 2)->va_offset == (body + 24) / 8 &&
			   gstore_pgstrom_column(image, 2)->va_length == 3,
		   "a column that is NULL in every row has no block");
	free(image);
	codec->builder_destroy(builder);
	free(schema);
}

static void
test_columns(int ncols)
{
	GstoreSchema *schema = schema_new(ncols);
	Rows rows = {schema, 50, NULLS_SOME, 5, 7, false};
	GstoreBuilder *builder;
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;

	for (int i = 0; i < ncols; i++)
		schema_set(schema, i, "x", 23, i % 3 ? 4 : -1, 4, i % 3 != 0)
			->dropped = i % 7 == 2;
	builder = codec->builder_create(schema, &gstore_malloc_allocator);
	tap_ok(rows_append(codec, builder, &rows, 0, 50, &error) ==
			   GSTORE_CODEC_OK,
		   "rows of %d columns", ncols);
	image = builder_image(codec, builder, &bytes);
	tap_ok(image_holds(codec, image, bytes, &rows, 50),
		   "and back");
	free(image);
	codec->builder_destroy(builder);
	free(schema);
}

static void
test_dictionary(void)
{
	GstoreSchema *schema = schema_new(1);
	GstoreBuilder *builder = NULL;
	GstoreCodecError error;
	uint64 few;
	uint64 many;

	schema_set(schema, 0, "t", 25, -1, 4, false);
	builder = codec->builder_create(schema, &gstore_malloc_allocator);
	for (int turn = 0; turn < 2; turn++)
	{
		Rows rows = {schema, 30000, NULLS_NONE, 1, 50, false};
		uint8 *image;
		uint64 bytes;

		rows_append(codec, builder, &rows, 0, rows.count, &error);
		few = codec->builder_image_bytes(builder);
		image = builder_image(codec, builder, &bytes);
		tap_ok(few < 30000 * 4 + 50 * 160 + 400 &&
				   image_holds(codec, image, bytes, &rows, 30000),
			   "50 values repeated are stored once%s", turn ? ", again" : "");
		free(image);
		codec->builder_reset(builder);
		rows.distinct = 0;
		rows_append(codec, builder, &rows, 0, rows.count, &error);
		many = codec->builder_memory(builder);
		image = builder_image(codec, builder, &bytes);
		tap_ok(image_holds(codec, image, bytes, &rows, 30000),
			   "values that differ%s", turn ? ", again" : "");
		free(image);
		codec->builder_reset(builder);
	}
	tap_ok(many < 30000 * 100 * 3, "memory is in proportion");
	codec->builder_destroy(builder);
	free(schema);
}

/* An allocator that has so many allocations to give. */
static int allowance;

static void *
scarce_alloc(void *state, size_t bytes)
{
	(void) state;
	return allowance-- > 0 ? malloc(bytes) : NULL;
}

static void *
scarce_resize(void *state, void *memory, size_t bytes)
{
	(void) state;
	return allowance-- > 0 ? realloc(memory, bytes) : NULL;
}

static void
scarce_free(void *state, void *memory)
{
	(void) state;
	free(memory);
}

/* Whatever fails, the rows before are as they were, and it can go on. */
static void
test_failures(void)
{
	static const GstoreAllocator scarce = {scarce_alloc, scarce_resize,
										   scarce_free, NULL, NULL};
	GstoreSchema *schema = schema_of_everything();
	bool good = true;
	int failures = 0;

	for (int given = 1; good && given < 90; given++)
	{
		Rows rows = {schema, 300, NULLS_SOME, 3, 0, false};
		GstoreBuilder *builder;
		GstoreCodecError error;
		uint64 bytes;
		uint8 *image;

		allowance = given;
		builder = codec->builder_create(schema, &scarce);
		for (uint64 row = 0; good && row < rows.count; row++)
		{
			uint64 before = codec->builder_image_bytes(builder);
			GstoreCodecStatus status = rows_append(codec, builder, &rows, row,
												   row + 1, &error);

			if (status == GSTORE_CODEC_OK)
				continue;
			failures++;
			good = status == GSTORE_CODEC_OUT_OF_MEMORY &&
				   codec->builder_rows(builder) == row &&
				   codec->builder_image_bytes(builder) == before;
			allowance = 1000;
			row--;
		}
		image = builder_image(codec, builder, &bytes);
		good = good && image_holds(codec, image, bytes, &rows, 1000);
		free(image);
		codec->builder_destroy(builder);
	}
	tap_ok(good && failures > 20, "out of memory at %d places", failures);
	free(schema);
}

static void
test_limits(void)
{
	GstoreSchema *schema = schema_of_everything();
	Rows rows = {schema, 2000, NULLS_SOME, 9, 500, true};
	GstoreBuilder *builder =
		codec->builder_create(schema, &gstore_malloc_allocator);
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;
	GstoreCodecStatus status;

	gstore_pgstrom_limit(builder, UINT64_MAX, 40000);
	status = rows_append(codec, builder, &rows, 0, 2000, &error);
	rows.count = codec->builder_rows(builder);
	image = builder_image(codec, builder, &bytes);
	tap_ok(status == GSTORE_CODEC_LIMIT && bytes <= 40000 && bytes > 39000,
		   "the limit of bytes is an error: %s", error.message);
	tap_ok(image_holds(codec, image, bytes, &rows, 5000),
		   "the rows before it are whole");
	free(image);
	codec->builder_reset(builder);
	gstore_pgstrom_limit(builder, 100, UINT64_MAX / 2);
	status = rows_append(codec, builder, &rows, 0, 2000, &error);
	tap_ok(status == GSTORE_CODEC_LIMIT && codec->builder_rows(builder) == 100,
		   "the limit of rows is an error: %s", error.message);
	codec->builder_destroy(builder);
	free(schema);
}

static void
test_damage(void)
{
	GstoreSchema *schema = schema_of_everything();
	Rows rows = {schema, 40, NULLS_SOME, 11, 10, false};
	GstoreBuilder *builder =
		codec->builder_create(schema, &gstore_malloc_allocator);
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;
	int refused = 0;
	int cut_through = 0;

	rows_append(codec, builder, &rows, 0, 40, &error);
	image = builder_image(codec, builder, &bytes);
	for (uint64 length = 0; length < bytes; length++)
	{
		uint8 *cut = malloc(length + 1);

		memcpy(cut, image, length);
		if (image_walk(codec, cut, length, schema) == GSTORE_CODEC_OK)
			cut_through++;
		free(cut);
	}
	tap_ok(cut_through == 0, "no truncated image is accepted");
	for (uint64 bit = 0; bit < bytes * 8; bit++)
	{
		image[bit / 8] ^= 1 << (bit % 8);
		refused += image_walk(codec, image, bytes, schema) != GSTORE_CODEC_OK;
		/* What validate accepts must decode. */
		if (codec->validate(image, bytes, schema, &error) == GSTORE_CODEC_OK &&
			image_walk(codec, image, bytes, schema) != GSTORE_CODEC_OK)
			refused = -1000000;
		image[bit / 8] ^= 1 << (bit % 8);
	}
	tap_ok(refused > 100, "%d of %llu flipped bits are noticed", refused,
		   (unsigned long long) bytes * 8);
	free(image);
	codec->builder_destroy(builder);
	free(schema);
}

/* IMAGE ROWS COUNT PATTERN: see rows_write. */
static int
write_sample(char **arguments)
{
	GstoreSchema *schema = schema_of_everything();
	Rows rows = {schema, strtoull(arguments[2], NULL, 10), atoi(arguments[3]),
				 77, atoi(arguments[3]) % 2 ? 0 : 100, false};
	int status = rows_write(codec, &rows, arguments[0], arguments[1]);

	free(schema);
	return status;
}

int
main(int argc, char **argv)
{
	if (argc == 5)
		return write_sample(argv + 1);
	test_bytes();
	test_sizes();
	test_columns(0);
	test_columns(1);
	test_columns(1600);
	test_dictionary();
	test_failures();
	test_limits();
	test_damage();
	return tap_done();
}
