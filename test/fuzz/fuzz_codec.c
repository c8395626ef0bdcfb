/*
 * fuzz_codec.c
 *	  Whatever bytes an image, a compressed stream or a numeric has: an error,
 *	  or values that lie within them.  A libFuzzer target:
 *
 *		make fuzz [SECONDS=60]
 *
 * The first byte of an input says what the others are; test/fuzz/corpus begins
 * with images that are sound, and test/unit/test_codec_corpus.c replays it.
 */
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "gstore_format.h"
#include "numeric.h"
#include "pglz.h"
#include "rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum
{
	FUZZ_PGSTROM,
	FUZZ_ARROW,
	FUZZ_ARROW_LARGE,
	FUZZ_PGLZ,
	FUZZ_NUMERIC,
	FUZZ_NESTED,
	FUZZ_NESTED_LARGE,
	FUZZ_KINDS
};

/* Its own length is the one thing of an image that is easily right. */
static void
set_length(const GstoreCodec *codec, uint8 *image, uint64 bytes)
{
	size_t at = codec->format == GSTORE_FORMAT_ARROW
					? offsetof(GstoreArrowHeader, length)
					: offsetof(GstorePgstromHeader, length);

	if (bytes >= at + sizeof(bytes))
		memcpy(image + at, &bytes, sizeof(bytes));
}

/* Read it, then copy all of it into a new image. */
static void
try_image(const GstoreCodec *codec, GstoreSchema *schema, const uint8 *data,
		  size_t size)
{
	GstoreCodecError error;
	GstoreImage *opened;
	void *image;

	if (posix_memalign(&image, 64, size + (size == 0)) != 0)
		abort();
	if (size > 0)
		memcpy(image, data, size);
	set_length(codec, image, size);
	(void) codec->validate(image, size, schema, &error);
	(void) image_walk(codec, image, size, schema);
	if (codec->open(image, size, schema, &gstore_malloc_allocator, &opened,
					&error) == GSTORE_CODEC_OK)
	{
		if (codec->rows(opened) < 5000)
		{
			GstoreBuilder *builder =
				codec->builder_create(schema, &gstore_malloc_allocator);

			(void) gstore_codec_merge(codec, builder, schema, codec, opened,
									  schema, image, NULL,
									  &gstore_malloc_allocator, &error);
			codec->builder_destroy(builder);
		}
		codec->close(opened);
	}
	free(image);
	free(schema);
}

static void
try_pglz(const uint8 *data, size_t size)
{
	uint16 raw;
	uint8 *plain;

	if (size < 2)
		return;
	memcpy(&raw, data, sizeof(raw));
	plain = malloc(raw + 1);
	if (gstore_pglz_decompress(data + 2, size - 2, plain, raw) == 0)
		for (uint32 i = 0; i < raw; i++)
			(void) *(volatile uint8 *) &plain[i];
	free(plain);
}

static void
try_numeric(const uint8 *data, size_t size)
{
	uint8 numeric[GSTORE_NUMERIC_BYTES];
	GstoreInt128 decimal;
	GstoreInt128 back;
	int precision;
	int scale;

	if (size < 2)
		return;
	precision = 1 + data[0] % 38;
	scale = (int8) data[1];
	if (gstore_numeric_to_decimal(data + 2, (uint32) size - 2, precision,
								  scale, &decimal) != GSTORE_NUMERIC_OK)
		return;
	/* What could be read can be written, and reads the same. */
	if (gstore_numeric_to_decimal(numeric + 4,
								  gstore_decimal_to_numeric(decimal, scale,
															numeric) -
									  4,
								  precision, scale, &back) !=
			GSTORE_NUMERIC_OK ||
		back != decimal)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	switch (data[0] % FUZZ_KINDS)
	{
		case FUZZ_PGSTROM:
			try_image(&gstore_pgstrom_codec, schema_of_everything(), data + 1,
					  size - 1);
			break;
		case FUZZ_ARROW:
			try_image(&gstore_arrow_codec, schema_of_arrow(false), data + 1,
					  size - 1);
			break;
		case FUZZ_ARROW_LARGE:
			try_image(&gstore_arrow_codec, schema_of_arrow(true), data + 1,
					  size - 1);
			break;
		case FUZZ_NESTED:
			try_image(&gstore_arrow_codec, schema_of_nested(false), data + 1,
					  size - 1);
			break;
		case FUZZ_NESTED_LARGE:
			try_image(&gstore_arrow_codec, schema_of_nested(true), data + 1,
					  size - 1);
			break;
		case FUZZ_PGLZ:
			try_pglz(data + 1, size - 1);
			break;
		default:
			try_numeric(data + 1, size - 1);
	}
	return 0;
}
