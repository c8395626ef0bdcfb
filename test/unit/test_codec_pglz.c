/*
 * test_codec_pglz.c
 *	  Decompression of pglz, and values that come compressed or packed.
 *
 * Streams are made by a compressor of our own, which knows only the format;
 * test/sql/compression.sql has the server's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/normalize.h"
#include "codec/pgstrom.h"
#include "gstore_format.h"
#include "pglz.h"
#include "rows.h"

/* Greedy: the longest copy from at most 4095 bytes back. */
static uint32
find_copy(const uint8 *bytes, uint32 at, uint32 length, uint32 *distance)
{
	uint32 best = 0;

	for (uint32 back = 1; back <= at && back <= 4095; back++)
	{
		uint32 n = 0;

		while (n < 273 && at + n < length && bytes[at + n] == bytes[at + n - back])
			n++;
		if (n > best)
		{
			best = n;
			*distance = back;
		}
	}
	return best;
}

static int32
compress(const char *source, int32 length, char *target)
{
	const uint8 *bytes = (const uint8 *) source;
	uint8 *out = malloc((size_t) length * 2 + 16);
	uint32 used = 0;
	uint32 control = 0;
	uint32 at = 0;

	for (int item = 0; at < (uint32) length; item++)
	{
		uint32 distance = 0;
		uint32 n = find_copy(bytes, at, length, &distance);

		if (item % 8 == 0)
		{
			control = used++;
			out[control] = 0;
		}
		if (n < 3)
		{
			out[used++] = bytes[at++];
			continue;
		}
		out[control] |= 1 << (item % 8);
		out[used++] = (uint8) ((distance >> 4 & 0xF0) | (Min(n, 18) - 3));
		out[used++] = (uint8) distance;
		if (n >= 18)
			out[used++] = (uint8) (n - 18);
		at += n;
	}
	if (used < (uint32) length)
		memcpy(target, out, used);
	free(out);
	return used < (uint32) length ? (int32) used : -1;
}

/* Text that repeats itself more or less. */
static void
make_text(uint64 seed, uint8 *text, uint32 length)
{
	uint32 letters = 1 + mix(seed) % 6;

	for (uint32 i = 0; i < length; i++)
		text[i] = i > 20 && mix(seed + i) % 9 > letters
					  ? text[i - 1 - mix(seed) % 20]
					  : (uint8) ('a' + mix(seed * 31 + i) % letters);
}

static void
test_streams(void)
{
	bool good = true;
	bool bounded = true;
	int compressed = 0;

	for (uint64 seed = 0; seed < 400; seed++)
	{
		uint32 length = 1 + mix(seed) % 1500;
		uint8 *text = malloc(length);
		uint8 *stream = malloc(length + 4);
		uint8 *back = malloc(length);
		int32 bytes;

		make_text(seed, text, length);
		bytes = compress((const char *) text, length, (char *) stream);
		if (bytes > 0)
		{
			uint8 *exact = malloc(bytes);

			compressed++;
			memcpy(exact, stream, bytes);
			good = good &&
				   gstore_pglz_decompress(exact, bytes, back, length) == 0 &&
				   memcmp(text, back, length) == 0;
			/* One byte less to read, one less to write. */
			good = good && gstore_pglz_decompress(exact, bytes - 1, back, length) != 0;
			for (int damage = 0; damage < 40; damage++)
			{
				uint64 bit = mix(seed * 100 + damage) % ((uint64) bytes * 8);
				int status;

				exact[bit / 8] ^= 1 << (bit % 8);
				status = gstore_pglz_decompress(exact, bytes, back, length);
				bounded = bounded && (status == 0 || status == -1);
				exact[bit / 8] ^= 1 << (bit % 8);
			}
			free(exact);
		}
		free(text);
		free(stream);
		free(back);
	}
	tap_ok(good && compressed > 300, "%d streams and their stumps",
		   compressed);
	tap_ok(bounded, "damaged streams");
	tap_ok(gstore_pglz_decompress(NULL, 0, NULL, 0) == 0,
		   "nothing is nothing");
}

/* ---- values on their way into an image ---- */

/* A builder of one text column, compressing or not. */
static const uint8 *
store_one(GstoreCompression compression, bool can_compress,
		  const void *value, GstoreCodecStatus *status, uint8 **image)
{
	GstoreSchema *schema = schema_new(1);
	GstoreAllocator allocator = gstore_malloc_allocator;
	GstoreValue values[1] = {(GstoreValue) (uintptr_t) value};
	bool nulls[1] = {false};
	GstoreBuilder *builder;
	GstoreCodecError error;
	uint64 bytes;

	schema_set(schema, 0, "t", 25, -1, 4, false)->compression = compression;
	allocator.compress = can_compress ? compress : NULL;
	builder = gstore_pgstrom_codec.builder_create(schema, &allocator);
	*status = gstore_pgstrom_codec.append(builder, values, nulls, &error);
	*image = builder_image(&gstore_pgstrom_codec, builder, &bytes);
	gstore_pgstrom_codec.builder_destroy(builder);
	free(schema);
	return gstore_pgstrom_value(*image, 0, 0);
}

static void
set_header(uint8 *value, uint32 length, uint32 flags)
{
	uint32 header = length << 2 | flags;

	memcpy(value, &header, 4);
}

static void
test_values(void)
{
	static uint8 plain[3004];
	static uint8 packed[3012];
	uint32 raw = 3000;
	int32 bytes;
	GstoreCodecStatus status;
	const uint8 *stored;
	uint8 *image;

	make_text(17, plain + 4, raw);
	set_header(plain, sizeof(plain), 0);
	bytes = compress((const char *) plain + 4, raw, (char *) packed + 8);
	set_header(packed, bytes + 8, 2);
	memcpy(packed + 4, &raw, 4);

	stored = store_one(GSTORE_COMPRESSION_NONE, true, plain, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK &&
			   memcmp(stored, plain, sizeof(plain)) == 0,
		   "plain into plain");
	free(image);
	stored = store_one(GSTORE_COMPRESSION_NONE, true, packed, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK &&
			   memcmp(stored, plain, sizeof(plain)) == 0,
		   "compressed into plain");
	free(image);
	stored = store_one(GSTORE_COMPRESSION_PGLZ, true, packed, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK && gstore_pgstrom_is_compressed(stored) &&
			   gstore_pgstrom_raw_bytes(stored) == raw &&
			   memcmp(stored, packed, bytes + 8) == 0,
		   "compressed stays compressed");
	free(image);
	stored = store_one(GSTORE_COMPRESSION_PGLZ, true, plain, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK &&
			   memcmp(stored, packed, bytes + 8) == 0,
		   "plain is compressed");
	free(image);
	stored = store_one(GSTORE_COMPRESSION_PGLZ, false, plain, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK &&
			   memcmp(stored, plain, sizeof(plain)) == 0,
		   "plain stays where nobody compresses");
	free(image);
	for (uint32 i = 0; i < raw; i++)
		plain[4 + i] = (uint8) mix(i);
	stored = store_one(GSTORE_COMPRESSION_PGLZ, true, plain, &status, &image);
	tap_ok(status == GSTORE_CODEC_OK &&
			   memcmp(stored, plain, sizeof(plain)) == 0,
		   "what does not shrink stays plain");
	free(image);

	packed[7] = 0x40;
	store_one(GSTORE_COMPRESSION_NONE, true, packed, &status, &image);
	tap_ok(status == GSTORE_CODEC_VALUE, "lz4 is refused");
	free(image);
	packed[7] = 0x3F;
	store_one(GSTORE_COMPRESSION_NONE, true, packed, &status, &image);
	tap_ok(status == GSTORE_CODEC_CORRUPT, "a size no stream can have");
	free(image);
	packed[0] = 1;
	store_one(GSTORE_COMPRESSION_NONE, true, packed, &status, &image);
	tap_ok(status == GSTORE_CODEC_VALUE, "a pointer elsewhere is refused");
	free(image);
}

int
main(void)
{
	test_streams();
	test_values();
	return tap_done();
}
