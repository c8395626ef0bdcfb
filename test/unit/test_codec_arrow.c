/*
 * test_codec_arrow.c
 *	  The codec `arrow' without a server.
 *
 * With arguments it writes an image and its rows, for
 * test/clients/check_images.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/arrow.h"
#include "numeric.h"
#include "rows.h"
#include "varlena.h"

static const GstoreCodec *codec = &gstore_arrow_codec;

/* The table of every kind of column, or that of lists and structs. */
static GstoreSchema *
make_schema(bool nested, bool large_text)
{
	return nested ? schema_of_nested(large_text) : schema_of_arrow(large_text);
}

static const uint64 sizes[] = {0, 1, 7, 8, 9, 1023, 1024, 1025,
							   65535, 65536, 65537};

/* Every buffer is 64-aligned and padded with zeros; nothing overlaps. */
static bool
is_well_laid(const uint8 *image, uint64 bytes, const Rows *rows)
{
	const GstoreArrowHeader *header = (const GstoreArrowHeader *) image;
	uint64 at = header->header_bytes;

	if (!GSTORE_IMAGE_IS_ARROW(image) || header->length != bytes ||
		header->rows != rows->count ||
		header->ncols != (uint32) rows->schema->ncols)
		return false;
	for (uint32 i = 0; i < header->ncols; i++)
	{
		const GstoreArrowColumn *meta = gstore_arrow_column(image, i);
		uint64 nulls = 0;
		uint64 buffers[3][2] = {
			{meta->validity_offset, meta->validity_length},
			{meta->offsets_offset, meta->offsets_length},
			{meta->data_offset, meta->data_length}};

		for (uint64 row = 0; row < rows->count; row++)
		{
			nulls += row_is_null(rows, i, row);
			if (!gstore_arrow_is_valid(image, meta, row) !=
				row_is_null(rows, i, row))
				return false;
		}
		if (nulls != meta->null_count)
			return false;
		for (int j = 0; j < 3; j++)
		{
			if (buffers[j][0] == 0)
				continue;
			if (buffers[j][0] != at)
				return false;
			at += buffers[j][1];
			for (; at % 64 != 0; at++)
				if (image[at] != 0)
					return false;
		}
	}
	return at == bytes;
}

static void
test_sizes(bool nested)
{
	for (int s = 0; s < (int) lengthof(sizes); s++)
		for (int pattern = 0; pattern < NULL_PATTERNS; pattern++)
		{
			GstoreSchema *schema = make_schema(nested, pattern % 2 == 0);
			Rows rows = {schema, sizes[s], pattern, s * 10 + pattern,
						 pattern % 2 ? 0 : 100, pattern == NULLS_SOME};
			GstoreBuilder *builder =
				codec->builder_create(schema, &gstore_malloc_allocator);
			GstoreCodecError error;
			uint64 bytes;
			uint8 *image;
			bool good = sizes[s] < 60000 || pattern == NULLS_SOME;

			if (good)
			{
				good = rows_append(codec, builder, &rows, 0, sizes[s],
								   &error) == GSTORE_CODEC_OK;
				image = builder_image(codec, builder, &bytes);
				good = good && is_well_laid(image, bytes, &rows) &&
					   image_holds(codec, image, bytes, &rows,
								   UINT64_MAX / 2) &&
					   image_holds(codec, image, bytes, &rows,
								   1 + sizes[s] / 3) &&
					   codec->validate(image, bytes, schema, &error) ==
						   GSTORE_CODEC_OK;
				tap_ok(good, "%llu rows, NULL pattern %d%s",
					   (unsigned long long) sizes[s], pattern,
					   nested ? ", nested" : "");
				free(image);
			}
			codec->builder_destroy(builder);
			free(schema);
		}
}

/* One value of one column, refused or not, and what comes back. */
static GstoreCodecStatus
try_value(GstoreArrowKind kind, int precision, int scale, GstoreValue value,
		  int attlen, GstoreCodecError *error)
{
	GstoreSchema *schema = schema_new(2);
	GstoreColumn *def = schema_set(schema, 1, "x", 1, attlen, 8,
								   attlen == 4 || attlen == 8);
	GstoreValue values[2] = {0, value};
	bool nulls[2] = {false, false};
	uint8 buffer[32] = {7 << 2, 0, 0, 0, 'o', 'l', 'd'};
	GstoreBuilder *builder;
	GstoreCodecStatus status;
	uint64 before;

	schema_set(schema, 0, "text", 25, -1, 4, false)->arrow_kind =
		GSTORE_ARROW_TEXT;
	values[0] = (GstoreValue) (uintptr_t) buffer;
	def->arrow_kind = kind;
	def->precision = precision;
	def->scale = scale;
	builder = codec->builder_create(schema, &gstore_malloc_allocator);
	before = codec->builder_image_bytes(builder);
	status = codec->append(builder, values, nulls, error);
	if (status != GSTORE_CODEC_OK &&
		(codec->builder_image_bytes(builder) != before ||
		 codec->builder_rows(builder) != 0 || error->column != 1))
		status = (GstoreCodecStatus) 99;
	codec->builder_destroy(builder);
	free(schema);
	return status;
}

static void
test_refusals(void)
{
	GstoreCodecError error;
	GstoreInterval interval = {INT64_MAX / 1000, 1, 1};
	uint16 special[3][4] = {{6 << 2, 0, 0xC000, 0},
							{6 << 2, 0, 0xD000, 0},
							{6 << 2, 0, 0xF000, 0}};
	static const struct
	{
		GstoreArrowKind kind;
		int64 value;
		int attlen;
		GstoreCodecStatus status;
	} cases[] = {
		{GSTORE_ARROW_DATE, INT32_MAX, 4, GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_DATE, INT32_MIN, 4, GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_DATE, 2145031948, 4, GSTORE_CODEC_OK},
		{GSTORE_ARROW_DATE, -2451545, 4, GSTORE_CODEC_OK},
		{GSTORE_ARROW_TIME, INT64_C(86400000000), 8, GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_TIME, INT64_C(86399999999), 8, GSTORE_CODEC_OK},
		{GSTORE_ARROW_TIMESTAMP, INT64_MAX, 8, GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_TIMESTAMPTZ, INT64_MIN, 8, GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_TIMESTAMP, INT64_C(9223371331199999999), 8,
		 GSTORE_CODEC_VALUE},
		{GSTORE_ARROW_TIMESTAMP, INT64_C(-211813488000000000), 8,
		 GSTORE_CODEC_OK},
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		GstoreCodecStatus status =
			try_value(cases[i].kind, 0, 0, (GstoreValue) cases[i].value,
					  cases[i].attlen, &error);

		tap_ok(status == cases[i].status, "case %d: %s", i,
			   status == GSTORE_CODEC_OK ? "taken" : error.message);
	}
	tap_ok(try_value(GSTORE_ARROW_INTERVAL, 0, 0,
					 (GstoreValue) (uintptr_t) &interval, 16, &error) ==
			   GSTORE_CODEC_OK,
		   "the longest interval");
	interval.microseconds++;
	tap_ok(try_value(GSTORE_ARROW_INTERVAL, 0, 0,
					 (GstoreValue) (uintptr_t) &interval, 16, &error) ==
			   GSTORE_CODEC_VALUE,
		   "a longer interval: %s", error.message);
	for (int i = 0; i < 3; i++)
		tap_ok(try_value(GSTORE_ARROW_NUMERIC, 10, 2,
						 (GstoreValue) (uintptr_t) special[i], -1, &error) ==
				   GSTORE_CODEC_VALUE,
			   "special numeric %d: %s", i, error.message);
}

/* ---- numeric, as PostgreSQL writes it ---- */

/* The words of a literal behind the varlena header. */
static const struct
{
	const char *literal;
	uint16 words[12];
	int nwords;
	int precision;
	int scale;
	const char *decimal; /* NULL: does not fit */
} numerics[] = {
	{"0", {0x8000}, 1, 10, 0, "0"},
	{"0.00", {0x8100}, 1, 10, 2, "0"},
	{"1", {0x8000, 1}, 2, 10, 0, "1"},
	{"-1", {0xA000, 1}, 2, 10, 0, "-1"},
	{"12345.67", {0x8101, 1, 2345, 6700}, 4, 10, 2, "1234567"},
	{"12345.67", {0x8101, 1, 2345, 6700}, 4, 10, 4, "123456700"},
	{"12345.67", {0x8101, 1, 2345, 6700}, 4, 10, 1, NULL},
	{"12345.67", {0x8101, 1, 2345, 6700}, 4, 6, 2, NULL},
	{"10000", {0x8001, 1}, 2, 10, 0, "10000"},
	{"0.0001", {0x827F, 1}, 2, 10, 4, "1"},
	{"0.00001", {0x82FE, 1000}, 2, 10, 5, "1"},
	{"-99999999999999999999999999999999999999",
	 {0xA009, 99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999},
	 11,
	 38,
	 0,
	 "-99999999999999999999999999999999999999"},
	{"99999999999999999999999999999999999999 (37 digits allowed)",
	 {0x8009, 99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999},
	 11,
	 37,
	 0,
	 NULL},
	{"1e100", {0x8019, 1}, 2, 38, 0, NULL},
	{"1e-100, all digits shown", {0x0064, 0xFFE7, 1}, 3, 38, 100, "1"},
	{"12300 of numeric(3,-2)", {0x8001, 1, 2300}, 3, 3, -2, "123"},
	{"12345 of numeric(3,-2)", {0x8001, 1, 2345}, 3, 3, -2, NULL},
};

static GstoreInt128
parse_decimal(const char *digits)
{
	GstoreInt128 value = 0;
	bool negative = *digits == '-';

	for (digits += negative; *digits; digits++)
		value = value * 10 + (*digits - '0');
	return negative ? -value : value;
}

static void
test_numerics(void)
{
	bool good = true;

	for (int i = 0; i < (int) lengthof(numerics); i++)
	{
		const uint8 *body = (const uint8 *) numerics[i].words;
		uint32 bytes = numerics[i].nwords * 2;
		uint8 back[GSTORE_NUMERIC_BYTES];
		uint32 header = (bytes + 4) << 2;
		GstoreInt128 decimal = 0;
		GstoreNumericStatus status =
			gstore_numeric_to_decimal(body, bytes, numerics[i].precision,
									  numerics[i].scale, &decimal);
		bool right = numerics[i].decimal == NULL
						 ? status == GSTORE_NUMERIC_TOO_FINE ||
							   status == GSTORE_NUMERIC_TOO_LARGE
						 : status == GSTORE_NUMERIC_OK &&
							   decimal == parse_decimal(numerics[i].decimal);

		/* Written again it is the same, if it shows as many digits. */
		if (right && status == GSTORE_NUMERIC_OK && i != 5)
			right = gstore_decimal_to_numeric(decimal, numerics[i].scale,
											  back) == bytes + 4 &&
					memcmp(back, &header, 4) == 0 &&
					memcmp(back + 4, body, bytes) == 0;
		tap_ok(right, "numeric %s", numerics[i].literal);
	}

	/* There and back, every scale. */
	for (int scale = -50; good && scale <= 120; scale++)
		for (uint64 i = 0; good && i < 200; i++)
		{
			uint8 numeric[GSTORE_NUMERIC_BYTES];
			GstoreUint128 random =
				((GstoreUint128) mix(i * 3 + scale) << 64 | mix(i)) %
				gstore_power_of_ten(i % 39);
			GstoreInt128 value = i % 2 ? (GstoreInt128) random
									   : -(GstoreInt128) random;
			GstoreInt128 back;
			uint32 length = gstore_decimal_to_numeric(value, scale, numeric);

			good = length <= GSTORE_NUMERIC_BYTES &&
				   gstore_numeric_to_decimal(numeric + 4, length - 4, 38,
											 scale, &back) ==
					   GSTORE_NUMERIC_OK &&
				   back == value;
		}
	tap_ok(good, "decimals there and back");

	/* Any bytes: never out of bounds, and no status that is none. */
	for (uint64 i = 0; good && i < 20000; i++)
	{
		uint32 length = mix(i) % 40;
		uint8 *bytes = malloc(length + 1);
		GstoreInt128 decimal;

		for (uint32 j = 0; j < length; j++)
			bytes[j] = (uint8) (mix(i * 41 + j) >> (j % 3 * 8));
		good = gstore_numeric_to_decimal(bytes, length, 1 + i % 38,
										 (int) (mix(i) % 80) - 20, &decimal) <=
			   GSTORE_NUMERIC_DAMAGED;
		free(bytes);
	}
	tap_ok(good, "random bytes for numerics");
}

/* ---- the rest ---- */

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

static void
test_failures(bool nested)
{
	static const GstoreAllocator scarce = {scarce_alloc, scarce_resize,
										   scarce_free, NULL, NULL};
	GstoreSchema *schema = make_schema(nested, false);
	bool good = true;
	int failures = 0;

	for (int given = 1; good && given < (nested ? 250 : 120); given++)
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

/* No two buffers share a byte, each is 64-aligned, and between them are zeros. */
static bool
is_apart(const uint8 *image, uint64 bytes)
{
	const GstoreArrowHeader *header = (const GstoreArrowHeader *) image;
	uint8 *taken = calloc(1, bytes / 64 + 1);
	bool good = header->length == bytes && bytes % 64 == 0;

	for (uint32 i = 0; i < header->ncols; i++)
	{
		const GstoreArrowColumn *meta = gstore_arrow_column(image, i);
		uint64 buffers[3][2] = {
			{meta->validity_offset, meta->validity_length},
			{meta->offsets_offset, meta->offsets_length},
			{meta->data_offset, meta->data_length}};

		for (int j = 0; j < 3; j++)
		{
			uint64 end = buffers[j][0] + buffers[j][1];

			if (buffers[j][1] == 0)
				continue;
			good = good && buffers[j][0] % 64 == 0 &&
				   buffers[j][0] >= header->header_bytes && end <= bytes;
			for (uint64 at = buffers[j][0] / 64; good && at < (end + 63) / 64;
				 at++)
				good = taken[at]++ == 0;
			for (; good && end % 64 != 0; end++)
				good = image[end] == 0;
		}
	}
	/* what lay there before is nobody's to see */
	for (uint64 at = header->header_bytes; good && at < bytes; at++)
		good = taken[at / 64] || image[at] == 0;
	free(taken);
	return good;
}

typedef struct Settled
{
	int there; /* images that were written where their columns settled */
	int elsewhere;
} Settled;

/*
 * Rows [0, first) tell where the columns go of an image that is so many times as
 * large; then come those up to rows->count, or, where that is 0, nearly as many as
 * there is room for, so that small gaps stay.  allowed: allocations before memory
 * is out while they settle.
 */
static bool
settles_well(GstoreBuilder *builder, Rows *rows, uint64 first,
			 int times, int allowed, Settled *settled)
{
	GstoreCodecError error;
	uint8 *ahead = NULL;
	uint8 *image;
	uint64 room;
	uint64 bytes;
	uint64 planned;
	bool good;

	good = rows_append(codec, builder, rows, 0, first, &error) == GSTORE_CODEC_OK;
	planned = 0;
	room = codec->image_for(builder, times * codec->builder_image_bytes(builder),
							&planned);
	if (rows->count == 0)
		rows->count = Max(first, planned - planned / 100);
	if (room > 0)
	{
		/* not a byte more, for those who watch over memory */
		ahead = aligned_alloc(64, room);
		memset(ahead, 0xA5, room);
		allowance = allowed;
		codec->settle(builder, ahead);
		allowance = INT32_MAX;
	}
	good = good && rows_append(codec, builder, rows, first, rows->count,
							   &error) == GSTORE_CODEC_OK;
	bytes = codec->close_up(builder);
	image = ahead;
	if (bytes > 0)
	{
		gstore_builder_write(codec, builder, image);
		good = good && bytes <= room && is_apart(image, bytes) &&
			   bytes <= codec->builder_image_bytes(builder) * 33 / 32;
		settled->there++;
	}
	else
	{
		image = builder_image(codec, builder, &bytes);
		settled->elsewhere++;
	}
	good = good && image_holds(codec, image, bytes, rows, 1000) &&
		   codec->validate(image, bytes, rows->schema, &error) == GSTORE_CODEC_OK;
	if (image != ahead)
		free(image);
	codec->builder_reset(builder);
	free(ahead);
	return good;
}

static void
test_settling(void)
{
	static const uint64 firsts[] = {1, 8, 65, 500};
	static const GstoreAllocator scarce = {scarce_alloc, scarce_resize,
										   scarce_free, NULL, NULL};
	Settled settled = {0, 0};
	GstoreBuilder *builder;
	GstoreSchema *schema = make_schema(true, false);
	Rows few = {schema, 10, NULLS_SOME, 1, 0, false};
	GstoreCodecError error;
	uint64 planned;
	bool good = true;

	builder = codec->builder_create(schema, &gstore_malloc_allocator);
	rows_append(codec, builder, &few, 0, few.count, &error);
	tap_ok(codec->image_for(builder, 1000000, &planned) == 0,
		   "lists and structs do not settle");
	codec->builder_destroy(builder);
	free(schema);

	for (int f = 0; f < (int) lengthof(firsts); f++)
		for (int pattern = 0; pattern < NULL_PATTERNS; pattern++)
		{
			uint64 first = firsts[f];

			schema = make_schema(false, pattern % 2 == 0);
			/* one builder after another image, and another */
			allowance = INT32_MAX;
			builder = codec->builder_create(schema, &scarce);
			for (int times = 2; good && times <= 16; times *= 8)
				for (int come = 1; good && come <= 2 * times; come += Max(1, times / 4))
				{
					Rows rows = {schema, first * come, pattern,
								 pattern * 100 + come, 0, pattern == NULLS_SOME};

					good = settles_well(builder, &rows, first, times,
										INT32_MAX, &settled);
				}
			for (uint32 seed = 0; good && seed < 4; seed++)
			{
				Rows rows = {schema, 0, pattern, seed, 0, false};

				good = settles_well(builder, &rows, first, 8, INT32_MAX,
									&settled);
			}
			for (int allowed = 0; good && allowed < 40; allowed += 3)
			{
				Rows rows = {schema, first * 5, pattern, allowed, 0, false};

				good = settles_well(builder, &rows, first, 6, allowed,
									&settled);
			}
			tap_ok(good, "columns settle after %llu rows, NULL pattern %d",
				   (unsigned long long) first, pattern);
			codec->builder_destroy(builder);
			free(schema);
		}
	tap_ok(settled.there > 100 && settled.elsewhere > 20,
		   "%d images were written there, %d elsewhere", settled.there,
		   settled.elsewhere);
}

static void
test_limits(bool nested)
{
	GstoreSchema *schema = make_schema(nested, false);
	Rows rows = {schema, 2000, NULLS_SOME, 9, 0, true};
	GstoreBuilder *builder =
		codec->builder_create(schema, &gstore_malloc_allocator);
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;
	GstoreCodecStatus status;

	gstore_arrow_limit(builder, nested ? 12000 : 20000);
	status = rows_append(codec, builder, &rows, 0, 2000, &error);
	rows.count = codec->builder_rows(builder);
	image = builder_image(codec, builder, &bytes);
	tap_ok(status == GSTORE_CODEC_LIMIT && rows.count > 100 &&
			   image_holds(codec, image, bytes, &rows, 5000),
		   "the limit of 32-bit offsets is an error: %s", error.message);
	free(image);

	/* And the next chunk begins as if nothing had been. */
	codec->builder_reset(builder);
	rows.count = 100;
	rows.nulls = NULLS_NONE;
	rows_append(codec, builder, &rows, 0, rows.count, &error);
	image = builder_image(codec, builder, &bytes);
	tap_ok(image_holds(codec, image, bytes, &rows, 5000) &&
			   is_well_laid(image, bytes, &rows),
		   "a builder that was reset");
	free(image);
	codec->builder_destroy(builder);
	free(schema);
}

static void
test_damage(bool nested)
{
	GstoreSchema *schema = make_schema(nested, false);
	Rows rows = {schema, 20, NULLS_SOME, 11, 10, false};
	GstoreBuilder *builder =
		codec->builder_create(schema, &gstore_malloc_allocator);
	GstoreCodecError error;
	uint64 bytes;
	uint8 *image;
	int refused = 0;
	int cut_through = 0;

	rows_append(codec, builder, &rows, 0, rows.count, &error);
	image = builder_image(codec, builder, &bytes);
	for (uint64 length = 0; length < bytes; length += 7)
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
		image[bit / 8] ^= 1 << (bit % 8);
	}
	tap_ok(refused > 100, "%d of %llu flipped bits are noticed", refused,
		   (unsigned long long) bytes * 8);
	free(image);
	codec->builder_destroy(builder);
	free(schema);
}

/* IMAGE ROWS COUNT PATTERN KIND: see rows_write.  KIND is 1 for large_text, plus
 * 2 for nested columns. */
static int
write_sample(char **arguments)
{
	GstoreSchema *schema = make_schema(atoi(arguments[4]) >= 2,
									   atoi(arguments[4]) % 2 != 0);
	Rows rows = {schema, strtoull(arguments[2], NULL, 10), atoi(arguments[3]),
				 77, 0, false};
	int status = rows_write(codec, &rows, arguments[0], arguments[1]);

	free(schema);
	return status;
}

int
main(int argc, char **argv)
{
	if (argc == 6)
		return write_sample(argv + 1);
	test_refusals();
	test_numerics();
	test_settling();
	for (int nested = 0; nested < 2; nested++)
	{
		test_sizes(nested);
		test_failures(nested);
		test_limits(nested);
		test_damage(nested);
	}
	return tap_done();
}
