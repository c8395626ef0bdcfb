/*
 * test_encoder.c
 *	  Batches, and encoding them on several threads, without a server: the image
 *	  must be, byte for byte, that of a builder to which the rows were added one by
 *	  one.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/arrow.h"
#include "codec/encoder.h"
#include "rows.h"
#include "varlena.h"

#define CHUNKS 3

typedef enum RowForm
{
	AS_TUPLES,
	AS_VALUES,
	MIXED
} RowForm;

/* ---- tuples ---- */

/* A heap tuple of a row, malloc'ed exactly as long as it is. */
static uint8 *
make_tuple(const GstoreSchema *schema, const GstoreValue *values,
		   const bool *nulls, uint32 *length)
{
	static uint8 buffer[1 << 16];
	uint64 at = 23;
	uint64 header;
	uint16 flags = 0;
	uint8 *tuple;

	memset(buffer, 0, sizeof(buffer));
	memset(buffer, 0xEE, GSTORE_TUPLE_SKIP + 2);
	for (int i = 0; i < schema->ncols; i++)
		flags |= nulls[i];
	if (flags)
		at += (schema->ncols + 7) / 8;
	header = at = GSTORE_ALIGN(at, 8);
	for (int i = 0; i < schema->ncols; i++)
	{
		const GstoreColumn *def = &schema->columns[i];
		bool is_text = def->attlen < 0 || def->arrow_kind == GSTORE_ARROW_OUTPUT;
		const uint8 *value = (const uint8 *) (uintptr_t) values[i];
		uint64 bytes = def->attlen;

		if (nulls[i])
			continue;
		buffer[23 + i / 8] |= flags ? 1 << (i % 8) : 0;
		if (!is_text && def->attbyval)
			value = (const uint8 *) &values[i];
		if (is_text)
		{
			uint32 word;

			memcpy(&word, value, sizeof(word));
			bytes = value[0] & 1 ? (uint64) value[0] >> 1 : word >> 2;
		}
		if (!is_text || !(value[0] & 1))
			at = GSTORE_ALIGN(at, is_text ? 4 : def->attalign);
		memcpy(buffer + at, value, bytes);
		at += bytes;
	}
	memcpy(buffer + 20, &flags, sizeof(flags));
	buffer[22] = (uint8) header;
	tuple = malloc(at);
	memcpy(tuple, buffer, at);
	*length = (uint32) at;
	return tuple;
}

/* ---- rows ---- */

typedef struct Row
{
	GstoreValue *values;
	bool *nulls;
	uint8 *buffers;
} Row;

static Row
row_new(const GstoreSchema *schema)
{
	size_t n = schema->ncols + 1;
	Row row = {calloc(n, sizeof(GstoreValue)), calloc(n, sizeof(bool)),
			   malloc(n * ROW_BUFFER)};

	return row;
}

static void
row_free(Row *row)
{
	free(row->values);
	free(row->nulls);
	free(row->buffers);
}

static void
row_fill(Row *row, const Rows *rows, uint64 number)
{
	for (int i = 0; i < rows->schema->ncols; i++)
	{
		row->nulls[i] = row_is_null(rows, i, number);
		row->values[i] = row->nulls[i] ? 0 : row_value(rows, i, number, row->buffers + i * ROW_BUFFER);
	}
}

/* Hand a row to an encoder, alone where it does not fit into a batch. */
static GstoreCodecStatus
give(GstoreEncoder *encoder, const GstoreCodec *codec, const Row *row,
	 const GstoreSchema *schema, bool as_tuple, GstoreCodecError *error)
{
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	GstoreBatch *batch = gstore_encoder_batch(encoder);

	for (int turn = 0; turn < 2 && batch != NULL; turn++)
	{
		uint32 length;
		uint8 *tuple;
		bool added;

		if (as_tuple)
		{
			tuple = make_tuple(schema, row->values, row->nulls, &length);
			added = gstore_batch_add_tuple(batch, tuple, length);
			free(tuple);
		}
		else
			added = gstore_batch_add_values(batch, row->values, row->nulls) ==
					GSTORE_BATCH_ADDED;
		if (added)
			return GSTORE_CODEC_OK;
		status = gstore_encoder_submit(encoder, error);
		if (status != GSTORE_CODEC_OK)
			return status;
		batch = gstore_encoder_batch(encoder);
	}
	status = gstore_encoder_drain(encoder, error);
	return status != GSTORE_CODEC_OK ? status : codec->append(gstore_encoder_builder(encoder), row->values, row->nulls, error);
}

/* ---- what is written ---- */

typedef struct Image
{
	uint8 *bytes;
	uint64 length;
	GstoreBounds *bounds;
	uint64 rows;
} Image;

static Image
image_new(const GstoreCodec *codec, GstoreBuilder *builder)
{
	int ncols = codec->builder_schema(builder)->ncols;
	Image image = {.length = codec->builder_image_bytes(builder),
				   .rows = codec->builder_rows(builder)};
	size_t blocks = gstore_block_count(image.rows) * (size_t) ncols;
	void *memory;

	if (posix_memalign(&memory, 64, image.length) != 0)
		abort();
	image.bytes = memory;
	memset(image.bytes, 0xA5, image.length);
	image.bounds = calloc(blocks + 1, sizeof(GstoreBounds));
	return image;
}

static void
image_free(Image *image)
{
	free(image->bytes);
	free(image->bounds);
}

/* Rows [from, to), one by one. */
static Image
image_alone(const GstoreCodec *codec, const Rows *rows, uint64 from,
			uint64 to)
{
	GstoreBuilder *builder =
		codec->builder_create(rows->schema, &gstore_malloc_allocator);
	GstoreCodecError error;
	Image image;

	if (rows_append(codec, builder, rows, from, to, &error) != GSTORE_CODEC_OK)
		abort();
	image = image_new(codec, builder);
	gstore_builder_write(codec, builder, image.bytes);
	for (int i = 0; i < rows->schema->ncols; i++)
		codec->builder_bounds(builder, i, image.rows, image.bounds + i,
							  rows->schema->ncols);
	codec->builder_destroy(builder);
	return image;
}

static bool
same_images(const Image *a, const Image *b)
{
	return a->rows == b->rows && a->length == b->length &&
		   memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* Is every value within the bounds, and are NULLs counted? */
static bool
bounds_hold(const Image *image, const Rows *rows, uint64 from)
{
	const GstoreSchema *schema = rows->schema;
	Row row = row_new(schema);
	uint32 *nulls = calloc(schema->ncols + 1, sizeof(uint32));
	bool good = true;

	for (uint64 number = 0; good && number < image->rows; number++)
	{
		uint64 block = number / GSTORE_BLOCK_ROWS;

		row_fill(&row, rows, from + number);
		for (int i = 0; i < schema->ncols; i++)
		{
			const GstoreColumn *def = &schema->columns[i];
			const GstoreBounds *bounds = &image->bounds[block * schema->ncols + i];
			uint64 key;

			if (def->dropped || def->order == GSTORE_ORDER_NONE ||
				def->arrow_kind == GSTORE_ARROW_OUTPUT)
				continue;
			if (row.nulls[i])
				nulls[i]++;
			else if (gstore_bounds_key(def->order, def->attlen, row.values[i],
									   &key))
				good = good && key >= bounds->least && key <= bounds->greatest;
			if ((number + 1) % GSTORE_BLOCK_ROWS == 0 ||
				number + 1 == image->rows)
			{
				good = good && bounds->nulls == nulls[i];
				nulls[i] = 0;
			}
		}
	}
	free(nulls);
	row_free(&row);
	return good;
}

static void
set_orders(GstoreSchema *schema)
{
	for (int i = 0; i < schema->ncols; i++)
		switch (schema->columns[i].typid)
		{
			case 20:
			case 21:
			case 23:
			case 1083:
				schema->columns[i].order = GSTORE_ORDER_INTEGER;
				break;
			case 16:
			case 26:
				schema->columns[i].order = GSTORE_ORDER_UNSIGNED;
				break;
			case 700:
			case 701:
				schema->columns[i].order = GSTORE_ORDER_FLOAT;
				break;
			case 1082:
				schema->columns[i].order = GSTORE_ORDER_DATE;
				break;
			case 1114:
			case 1184:
				schema->columns[i].order = GSTORE_ORDER_TIMESTAMP;
				break;
			case 1186:
				schema->columns[i].order = GSTORE_ORDER_INTERVAL;
				break;
			case 2950:
				schema->columns[i].order = GSTORE_ORDER_UUID;
				break;
			case 25:
				schema->columns[i].order = i % 2 ? GSTORE_ORDER_TEXT : GSTORE_ORDER_BPCHAR;
				break;
			case 1700:
				/* only format arrow's are sound numerics here */
				if (schema->columns[i].arrow_kind == GSTORE_ARROW_NUMERIC)
					schema->columns[i].order = GSTORE_ORDER_NUMERIC;
		}
}

/* ---- the tests ---- */

/* Rows through an encoder, in several images of which each is written while the
 * next rows come, and one by one. */
static void
test_rows(const GstoreCodec *codec, GstoreSchema *schema, NullPattern nulls,
		  uint64 count, RowForm form, int threads, uint32 room, bool packed)
{
	Rows rows = {schema, count, nulls, (uint32) (count + threads),
				 packed ? 100 : 0, packed};
	GstoreEncoderOptions options = {.threads = threads, .batch_room = room};
	GstoreEncoder *encoder = gstore_encoder_create(codec, schema, &options);
	Row row = row_new(schema);
	Image images[CHUNKS];
	uint64 starts[CHUNKS + 1];
	GstoreCodecError error;
	bool good = true;

	for (int i = 0; i <= CHUNKS; i++)
		starts[i] = count * i / CHUNKS;
	for (int chunk = 0; good && chunk < CHUNKS; chunk++)
	{
		for (uint64 i = starts[chunk]; good && i < starts[chunk + 1]; i++)
		{
			row_fill(&row, &rows, i);
			good = give(encoder, codec, &row, schema,
						form == AS_TUPLES || (form == MIXED && i % 3 == 0),
						&error) == GSTORE_CODEC_OK;
		}
		good = good && gstore_encoder_submit(encoder, &error) == GSTORE_CODEC_OK;
		if (chunk > 0)
			good = good && gstore_encoder_await(encoder, &error) == GSTORE_CODEC_OK;
		good = good && gstore_encoder_drain(encoder, &error) == GSTORE_CODEC_OK;
		images[chunk] = image_new(codec, gstore_encoder_builder(encoder));
		gstore_encoder_write(encoder, images[chunk].bytes,
							 images[chunk].bounds);
	}
	good = good && gstore_encoder_await(encoder, &error) == GSTORE_CODEC_OK &&
		   gstore_encoder_written(encoder);
	for (int chunk = 0; good && chunk < CHUNKS; chunk++)
	{
		Image alone = image_alone(codec, &rows, starts[chunk],
								  starts[chunk + 1]);

		good = same_images(&images[chunk], &alone) &&
			   bounds_hold(&images[chunk], &rows, starts[chunk]) &&
			   bounds_hold(&alone, &rows, starts[chunk]);
		image_free(&alone);
	}
	tap_ok(good, "%s: %llu rows of %d columns as %s, NULL pattern %d, %d threads, batches of %u bytes",
		   codec->name, (unsigned long long) count, schema->ncols,
		   form == AS_TUPLES ? "tuples" : form == AS_VALUES ? "values"
															: "both",
		   nulls, threads, room);
	for (int i = 0; i < CHUNKS; i++)
		image_free(&images[i]);
	row_free(&row);
	gstore_encoder_destroy(encoder);
}

static void
test_codec(const GstoreCodec *codec, GstoreSchema *schema)
{
	bool tuples = true;

	/* What is kept as text has no tuple of its own. */
	for (int i = 0; i < schema->ncols; i++)
		tuples = tuples && schema->columns[i].arrow_kind != GSTORE_ARROW_OUTPUT;
	set_orders(schema);
	for (int pattern = 0; pattern < NULL_PATTERNS; pattern++)
		for (int form = tuples ? AS_TUPLES : AS_VALUES; form <= (tuples ? MIXED : AS_VALUES); form++)
			test_rows(codec, schema, pattern, 3000, form, 1 + pattern % 4,
					  pattern % 2 ? 65536 : 262144, pattern % 3 == 0);
	/* more rows than a block has, and rows that do not fit into a batch */
	test_rows(codec, schema, NULLS_SOME, 70000, tuples ? MIXED : AS_VALUES, 3,
			  65536, true);
	test_rows(codec, schema, NULLS_SOME, 500, tuples ? MIXED : AS_VALUES, 2,
			  1024, false);
	test_rows(codec, schema, NULLS_NONE, 0, AS_VALUES, 2, 1024, false);
}

static void
test_shapes(void)
{
	GstoreSchema *none = schema_new(0);
	GstoreSchema *wide = schema_new(1600);

	for (int i = 0; i < 1600; i++)
	{
		if (i % 7 == 0)
			schema_set(wide, i, "t", 25, -1, 4, false)->arrow_kind = GSTORE_ARROW_TEXT;
		else
			schema_set(wide, i, "i", 23, 4, 4, true)->arrow_kind = GSTORE_ARROW_INT4;
	}
	test_rows(&gstore_arrow_codec, none, NULLS_NONE, 5000, MIXED, 2, 8192,
			  false);
	test_rows(&gstore_pgstrom_codec, none, NULLS_NONE, 5000, MIXED, 2, 8192,
			  false);
	test_rows(&gstore_arrow_codec, wide, NULLS_NONE, 200, AS_VALUES, 4, 65536,
			  true);
	free(none);
	free(wide);
}

/* ---- refusals ---- */

static void
test_refusal(int threads)
{
	GstoreSchema *schema = schema_new(3);
	GstoreEncoderOptions options = {.threads = threads, .batch_room = 16384};
	GstoreEncoder *encoder;
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	GstoreCodecError error;
	const GstoreBatch *batch;
	uint64 given = 0;

	schema_set(schema, 0, "i", 23, 4, 4, true)->arrow_kind = GSTORE_ARROW_INT4;
	schema_set(schema, 1, "d", 1082, 4, 4, true)->arrow_kind = GSTORE_ARROW_DATE;
	schema_set(schema, 2, "j", 23, 4, 4, true)->arrow_kind = GSTORE_ARROW_INT4;
	encoder = gstore_encoder_create(&gstore_arrow_codec, schema, &options);
	for (; status == GSTORE_CODEC_OK && given < 200000; given++)
	{
		GstoreValue values[3] = {given, given == 9000 ? (GstoreValue) INT32_MAX : given, given};
		bool nulls[3] = {false, false, false};
		Row row = {values, nulls, NULL};

		status = give(encoder, &gstore_arrow_codec, &row, schema, false,
					  &error);
	}
	batch = gstore_encoder_failed(encoder);
	tap_ok(status == GSTORE_CODEC_VALUE && given > 9000 && given < 40000 &&
			   error.column == 1 && batch != NULL &&
			   gstore_batch_values(batch, 1)[error.row] == INT32_MAX &&
			   gstore_batch_values(batch, 0)[error.row] == 9000,
		   "a value is refused soon after, and named, with %d threads: %s",
		   threads, error.message);
	tap_ok(gstore_encoder_submit(encoder, &error) == GSTORE_CODEC_VALUE &&
			   gstore_encoder_drain(encoder, &error) == GSTORE_CODEC_VALUE &&
			   error.column == 1,
		   "and again");
	gstore_encoder_destroy(encoder);
	free(schema);
}

static GstoreCodecStatus
check_one(const GstoreColumn *column, GstoreValue value)
{
	GstoreSchema *schema = schema_new(1);
	GstoreCodecError error;
	GstoreCodecStatus status;
	bool isnull = false;
	int number = 0;

	schema->columns[0] = *column;
	status = gstore_arrow_codec.check(schema, &number, 1, &value, &isnull,
									  &error);
	free(schema);
	return status;
}

/* Says the check that a value fits, then it does. */
static void
test_check(void)
{
	GstoreSchema *schema = schema_of_arrow(false);
	Rows rows = {schema, 2000, NULLS_NONE, 5, 0, false};
	Row row = row_new(schema);
	bool good = true;
	int refused = 0;

	for (uint64 i = 0; i < rows.count; i++)
	{
		row_fill(&row, &rows, i);
		for (int column = 0; column < schema->ncols; column++)
		{
			GstoreColumn def = schema->columns[column];
			GstoreScratch scratch = {.allocator = &gstore_malloc_allocator};
			GstoreCodecError error;
			uint8 target[16];

			if (!gstore_arrow_codec.refuses(&def) || def.dropped)
				continue;
			/* too few digits for some */
			if (def.arrow_kind == GSTORE_ARROW_NUMERIC)
				def.precision = (uint8) Max(1, def.precision - i % 12);
			good = good &&
				   check_one(&def, row.values[column]) ==
					   gstore_arrow_convert(&def, row.values[column], &scratch,
											target, &error);
			refused += check_one(&def, row.values[column]) != GSTORE_CODEC_OK;
			gstore_scratch_free(&scratch);
		}
	}
	tap_ok(good && refused > 100, "the check says what becomes of %d values that are refused, and of others",
		   refused);
	row_free(&row);
	free(schema);
}

/* ---- values to be made storable ---- */

static int prepared;

/* A text that says what it was. */
static void
prepare(void *state, GstoreBatch *batch)
{
	(void) state;
	for (uint32 i = 0; i < batch->nwishes; i++)
	{
		uint8 value[9];
		uint32 header = 9 << 2;

		memcpy(value, &header, sizeof(header));
		memcpy(value + 4, "other", 5);
		if (!gstore_batch_replace(batch, &batch->wishes[i], value, 9))
			abort();
		prepared++;
	}
}

static void
test_wishes(int threads)
{
	GstoreSchema *schema = schema_new(2);
	GstoreEncoderOptions options = {.threads = threads, .batch_room = 16384, .prepare = prepare};
	GstoreEncoder *encoder;
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	GstoreCodecError error;
	Image image;
	GstoreImage *opened;
	bool good = true;
	int count = 20000;

	schema_set(schema, 0, "i", 23, 4, 4, true)->arrow_kind = GSTORE_ARROW_INT4;
	schema_set(schema, 1, "t", 25, -1, 4, false)->arrow_kind = GSTORE_ARROW_TEXT;
	encoder = gstore_encoder_create(&gstore_arrow_codec, schema, &options);
	prepared = 0;
	for (int i = 0; status == GSTORE_CODEC_OK && i < count; i++)
	{
		/* 12 bytes, compressed by method 1 */
		uint32 words[3] = {12 << 2 | 2, 100 | 1U << 30, 0};
		uint8 plain[4] = {4 << 1 | 1, 'a', 'b', 'c'};
		GstoreValue values[2] = {i, i % 1000 == 7 ? (GstoreValue) (uintptr_t) words : (GstoreValue) (uintptr_t) plain};
		bool nulls[2] = {false, false};
		Row row = {values, nulls, NULL};

		status = give(encoder, &gstore_arrow_codec, &row, schema, true,
					  &error);
	}
	if (status == GSTORE_CODEC_OK)
		status = gstore_encoder_submit(encoder, &error);
	if (status == GSTORE_CODEC_OK)
		status = gstore_encoder_drain(encoder, &error);
	image = image_new(&gstore_arrow_codec, gstore_encoder_builder(encoder));
	gstore_encoder_write(encoder, image.bytes, NULL);
	good = status == GSTORE_CODEC_OK && prepared == count / 1000 &&
		   gstore_encoder_await(encoder, &error) == GSTORE_CODEC_OK &&
		   gstore_arrow_codec.open(image.bytes, image.length, schema,
								   &gstore_malloc_allocator, &opened,
								   &error) == GSTORE_CODEC_OK;
	if (good)
	{
		const GstoreArrowColumn *meta = gstore_arrow_column(image.bytes, 1);
		const uint32 *offsets = (const uint32 *) (image.bytes + meta->offsets_offset);

		for (int i = 0; i < count; i++)
		{
			const char *text = (const char *) image.bytes + meta->data_offset + offsets[i];
			bool other = i % 1000 == 7;

			good = good && offsets[i + 1] - offsets[i] == (other ? 5 : 3) &&
				   memcmp(text, other ? "other" : "abc", other ? 5 : 3) == 0;
		}
		gstore_arrow_codec.close(opened);
	}
	tap_ok(good, "%d values were made storable, with %d threads", prepared,
		   threads);
	image_free(&image);
	gstore_encoder_destroy(encoder);
	free(schema);
}

/* ---- leaving in the middle ---- */

static void
test_leaving(void)
{
	GstoreSchema *schema = schema_of_everything();
	Row row = row_new(schema);

	for (int turn = 0; turn < 60; turn++)
	{
		Rows rows = {schema, 5000, NULLS_SOME, (uint32) turn, 0, false};
		GstoreEncoderOptions options = {.threads = 1 + turn % 4, .batch_room = 16384};
		GstoreEncoder *encoder = gstore_encoder_create(&gstore_pgstrom_codec,
													   schema, &options);
		GstoreCodecError error;
		Image image = {0};

		for (int i = 0; i < turn * 40; i++)
		{
			row_fill(&row, &rows, i);
			if (give(encoder, &gstore_pgstrom_codec, &row, schema, true,
					 &error) != GSTORE_CODEC_OK)
				abort();
		}
		if (turn % 3 == 0)
		{
			(void) gstore_encoder_submit(encoder, &error);
			(void) gstore_encoder_drain(encoder, &error);
			image = image_new(&gstore_pgstrom_codec,
							  gstore_encoder_builder(encoder));
			gstore_encoder_write(encoder, image.bytes, image.bounds);
		}
		if (turn % 2 == 0)
			gstore_encoder_stop(encoder);
		if (turn % 4 == 0 &&
			gstore_encoder_submit(encoder, &error) == GSTORE_CODEC_OK)
			abort();
		/* the image goes as soon as threads were stopped */
		if (turn % 2 == 0)
			image_free(&image);
		gstore_encoder_destroy(encoder);
		if (turn % 2 != 0)
			image_free(&image);
	}
	tap_ok(true, "leaving with work under way leaves nothing behind");
	row_free(&row);
	free(schema);
}

int
main(void)
{
	GstoreSchema *everything = schema_of_everything();
	GstoreSchema *arrow = schema_of_arrow(false);
	GstoreSchema *large = schema_of_arrow(true);

	test_codec(&gstore_pgstrom_codec, everything);
	/* the same without columns that are kept as text */
	test_codec(&gstore_arrow_codec, large);
	arrow->columns[19].dropped = true;
	arrow->columns[19].arrow_kind = GSTORE_ARROW_NONE;
	test_codec(&gstore_arrow_codec, arrow);
	test_shapes();
	for (int threads = 1; threads <= 4; threads++)
	{
		test_refusal(threads);
		test_wishes(threads);
	}
	test_check();
	test_leaving();
	free(everything);
	free(arrow);
	free(large);
	return tap_done();
}
