/*
 * test_kernel_merge.c
 *	  Images merged by kernels, on the driver's stand-in, have what the codec's
 *	  own merge gives: random rows of every type, NULLs, kept rows of many
 *	  patterns, launches of many sizes; then images that somebody has overwritten,
 *	  before and while they are merged.
 *
 *	 test_kernel_merge [MERGES [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/arrow.h"
#include "codec/bounds.h"
#include "codec/merge_kernel.h"
#include "gpu.h"
#include "rows.h"

#define MIB (UINT64_C(1) << 20)
#define STAGING_BYTES (32 * MIB)
#define MOST_SOURCES 24

static const GstoreAllocator *allocator = &gstore_malloc_allocator;

/* ---- the device ---- */

static GstoreDeviceAddress
take_device(uint64 bytes, uint8 fill)
{
	GstoreDeviceAddress address;

	if (!cuda->alloc(0, GSTORE_ALIGN(bytes, GSTORE_DEVICE_GRANULE), &address,
					 &error) ||
		!cuda->fill(stream, address, fill,
					GSTORE_ALIGN(bytes, GSTORE_DEVICE_GRANULE), &error))
		die("no device memory");
	finish();
	return address;
}

static void
to_device(GstoreDeviceAddress to, const void *bytes, uint64 length)
{
	memcpy(staging, bytes, length);
	if (!cuda->copy_to_device(stream, to, staging, length, &error))
		die("no copy");
	finish();
}

static void
from_device(void *to, GstoreDeviceAddress from, uint64 length)
{
	if (!cuda->copy_to_host(stream, staging, from, length, &error))
		die("no copy");
	finish();
	memcpy(to, staging, length);
}

/* ---- sources ---- */

typedef struct Source
{
	uint8 *image;
	uint64 bytes;
	uint64 rows;
	uint8 *keep; /* NULL: all */
	GstoreDeviceAddress address;
} Source;

static uint8 *
make_keep(uint64 rows)
{
	uint8 *keep = calloc(rows / 8 + 16, 1);
	uint64 how = any(6);
	uint64 from = any(rows);
	uint64 to = from + any(rows - from + 1);

	for (uint64 row = 0; row < rows; row++)
	{
		bool kept = how == 0   ? any(2) == 0
					: how == 1 ? any(50) != 0
					: how == 2 ? any(200) == 0
					: how == 3 ? row < from || row >= to
					: how == 4 ? row >= from && row < to
							   : false;

		keep[row / 8] |= (uint8) (kept << (row % 8));
	}
	/* what is behind the last row means nothing */
	if (rows % 8 != 0)
		keep[rows / 8] |= (uint8) (0xFF << (rows % 8));
	return keep;
}

static void
make_source(const GstoreCodec *codec, const GstoreSchema *schema,
			uint64 most_rows, Source *source)
{
	Rows rows = {schema, 1 + any(most_rows), (NullPattern) any(NULL_PATTERNS),
				 (uint32) any(1000), any(2) ? (uint32) any(400) : 0,
				 any(2) != 0};
	GstoreBuilder *builder = codec->builder_create(schema, allocator);
	GstoreCodecError codec_error;

	if (any(3) == 0)
		rows.nulls = NULLS_SOME;
	if (rows_append(codec, builder, &rows, 0, rows.count, &codec_error) !=
		GSTORE_CODEC_OK)
		die(codec_error.message);
	source->image = builder_image(codec, builder, &source->bytes);
	source->rows = rows.count;
	source->keep = any(3) == 0 ? NULL : make_keep(rows.count);
	source->address = take_device(source->bytes, 0x77);
	to_device(source->address, source->image, source->bytes);
	codec->builder_destroy(builder);
}

static void
free_source(Source *source)
{
	if (!cuda->free(0, source->address, &error))
		die("a source is not freed");
	free(source->image);
	free(source->keep);
}

/* ---- merging ---- */

typedef struct Merged
{
	uint8 *image; /* NULL: there is none */
	uint64 bytes;
	GstoreBounds *bounds;
	const char *why; /* kernels cannot */
	GstoreCodecStatus status;
	GstoreCodecError error;
	int steps;
} Merged;

/* Called between two steps: somebody else is at the images. */
typedef void (*Meddler)(Source *sources, uint32 nsources);

static void
run_steps(GstoreMergePlan *merge, GstoreDeviceAddress workspace,
		  Source *sources, uint32 nsources, Meddler meddler, Merged *merged)
{
	GstoreKernelStep step;

	while (merged->status == GSTORE_CODEC_OK && merged->why == NULL &&
		   gstore_merge_plan_next(merge, &step))
	{
		uint8 *result = staging + step.result_at;

		if (step.result_at + step.result_bytes > STAGING_BYTES ||
			step.nsources > GSTORE_MERGE_PIECES ||
			step.first_source + step.nsources > nsources)
			die("a step is too large");
		gstore_merge_plan_write(merge, workspace, staging);
		if (!cuda->copy_to_device(stream, workspace, staging, step.told_bytes,
								  &error) ||
			!cuda->launch(stream, step.kernel, workspace, step.blocks,
						  step.shared_bytes, &error) ||
			!cuda->copy_to_host(stream, result, workspace + step.result_at,
								step.result_bytes, &error))
			die("no launch");
		finish();
		merged->steps++;
		merged->status = gstore_merge_plan_take(merge, result, &merged->why,
												&merged->error);
		if (meddler != NULL)
			meddler(sources, nsources);
	}
}

static void
merge_by_kernels(const GstoreCodec *codec, const GstoreSchema *schema,
				 Source *sources, uint32 nsources, uint32 most_bytes,
				 Meddler meddler, Merged *merged)
{
	GstoreKernelSource given[MOST_SOURCES];
	GstoreMergePlan *merge;
	GstoreDeviceAddress workspace;
	GstoreDeviceAddress target;
	uint64 bytes;
	uint64 zeros_from;

	memset(merged, 0, sizeof(*merged));
	for (uint32 i = 0; i < nsources; i++)
		given[i] = (GstoreKernelSource){sources[i].image, sources[i].bytes,
										sources[i].address, sources[i].rows,
										sources[i].keep};
	merge = gstore_merge_plan_begin(codec, schema, given, nsources,
									most_bytes, allocator, &merged->why,
									&merged->status, &merged->error);
	if (merge == NULL)
		return;
	if (gstore_merge_plan_rows(merge) == 0)
	{
		gstore_merge_plan_end(merge);
		return;
	}
	bytes = gstore_merge_plan_workspace(merge, &zeros_from);
	workspace = take_device(bytes, 0x33);
	if (bytes > zeros_from &&
		!cuda->fill(stream, workspace + zeros_from, 0, bytes - zeros_from,
					&error))
		die("no fill");
	run_steps(merge, workspace, sources, nsources, meddler, merged);
	if (merged->status == GSTORE_CODEC_OK && merged->why == NULL)
		merged->bytes = gstore_merge_plan_size(merge, &merged->why);
	if (merged->bytes > 0)
	{
		uint64 rows = gstore_merge_plan_rows(merge);

		target = take_device(merged->bytes, 0xa5);
		merged->bounds = calloc(gstore_block_count(rows) *
									(uint64) schema->ncols,
								sizeof(GstoreBounds));
		gstore_merge_plan_place(merge, target, merged->bounds);
		run_steps(merge, workspace, sources, nsources, meddler, merged);
		if (merged->status == GSTORE_CODEC_OK && merged->why == NULL)
		{
			merged->image = aligned_alloc(64, GSTORE_ALIGN(merged->bytes, 64));
			from_device(merged->image, target, merged->bytes);
		}
		if (!cuda->free(0, target, &error))
			die("the target is not freed");
	}
	if (!cuda->free(0, workspace, &error))
		die("the workspace is not freed");
	gstore_merge_plan_end(merge);
}

/* The same by the codec; image NULL: no row, or an error. */
static void
merge_by_codec(const GstoreCodec *codec, const GstoreSchema *schema,
			   Source *sources, uint32 nsources, Merged *merged)
{
	GstoreBuilder *builder = codec->builder_create(schema, allocator);

	memset(merged, 0, sizeof(*merged));
	for (uint32 i = 0; i < nsources && merged->status == GSTORE_CODEC_OK; i++)
	{
		GstoreImage *image;

		merged->status = codec->open(sources[i].image, sources[i].bytes,
									 schema, allocator, &image,
									 &merged->error);
		if (merged->status != GSTORE_CODEC_OK)
			break;
		merged->status = gstore_codec_merge(codec, builder, schema, codec,
											image, schema, sources[i].image,
											sources[i].keep, allocator,
											&merged->error);
		codec->close(image);
	}
	if (merged->status == GSTORE_CODEC_OK && codec->builder_rows(builder) > 0)
		merged->image = builder_image(codec, builder, &merged->bytes);
	codec->builder_destroy(builder);
}

static void
free_merged(Merged *merged)
{
	free(merged->image);
	free(merged->bounds);
}

/* ---- comparing ---- */

/* All of a column's values; NULL if it cannot be read. */
typedef struct Decoded
{
	GstoreValue values[GSTORE_BATCH_ROWS];
	bool nulls[GSTORE_BATCH_ROWS];
	GstoreScratch scratch;
	GstoreColumnView view;
} Decoded;

static bool
bind_all(const GstoreCodec *codec, GstoreImage *image, const uint8 *bytes,
		 int column, Decoded *decoded)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	GstoreCodecError codec_error;
	int n = codec->column_ranges(image, column, 0, codec->rows(image), ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = bytes + ranges[i].offset;
	decoded->scratch = (GstoreScratch){.allocator = allocator};
	return codec->bind(image, column, 0, codec->rows(image), pointers,
					   &decoded->view, &codec_error) == GSTORE_CODEC_OK;
}

static bool
columns_equal(const GstoreCodec *codec, const GstoreSchema *schema, int column,
			  GstoreImage *a, const uint8 *a_bytes, GstoreImage *b,
			  const uint8 *b_bytes)
{
	static Decoded one;
	static Decoded other;
	uint64 rows = codec->rows(a);
	GstoreCodecError codec_error;
	bool good = codec->rows(b) == rows &&
				bind_all(codec, a, a_bytes, column, &one) &&
				bind_all(codec, b, b_bytes, column, &other);

	for (uint64 from = 0; good && from < rows; from += GSTORE_BATCH_ROWS)
	{
		uint64 count = Min(GSTORE_BATCH_ROWS, rows - from);

		good = codec->decode(&one.view, from, count, NULL, one.values,
							 one.nulls, &one.scratch, &codec_error) ==
				   GSTORE_CODEC_OK &&
			   codec->decode(&other.view, from, count, NULL, other.values,
							 other.nulls, &other.scratch, &codec_error) ==
				   GSTORE_CODEC_OK;
		for (uint64 i = 0; good && i < count; i++)
			good = one.nulls[i] == other.nulls[i] &&
				   (one.nulls[i] || values_equal(&schema->columns[column],
												 one.values[i],
												 other.values[i]));
	}
	gstore_scratch_free(&one.scratch);
	gstore_scratch_free(&other.scratch);
	return good;
}

static bool
images_equal(const GstoreCodec *codec, const GstoreSchema *schema,
			 const Merged *a, const Merged *b)
{
	GstoreCodecError codec_error;
	GstoreImage *one;
	GstoreImage *other;
	bool good = true;

	if (codec->open(a->image, a->bytes, schema, allocator, &one,
					&codec_error) != GSTORE_CODEC_OK)
		return false;
	if (codec->open(b->image, b->bytes, schema, allocator, &other,
					&codec_error) != GSTORE_CODEC_OK)
		return false;
	for (int i = 0; good && i < schema->ncols; i++)
		good = columns_equal(codec, schema, i, one, a->image, other, b->image);
	codec->close(one);
	codec->close(other);
	return good;
}

/* The bounds that a builder of the image's rows has. */
static bool
find_bounds(const GstoreCodec *codec, const GstoreSchema *schema,
			const Merged *merged, uint64 rows, GstoreBounds *bounds)
{
	GstoreBuilder *builder = codec->builder_create(schema, allocator);
	GstoreCodecError codec_error;
	GstoreImage *image;
	bool good = builder != NULL &&
				codec->open(merged->image, merged->bytes, schema, allocator,
							&image, &codec_error) == GSTORE_CODEC_OK;

	if (!good)
		return false;
	good = gstore_codec_merge(codec, builder, schema, codec, image, schema,
							  merged->image, NULL, allocator,
							  &codec_error) == GSTORE_CODEC_OK;
	for (int i = 0; good && i < schema->ncols; i++)
		codec->builder_bounds(builder, i, rows, bounds + i, schema->ncols);
	codec->close(image);
	codec->builder_destroy(builder);
	return good;
}

/* Up to the slack of numerics, which are found in another way. */
static bool
bounds_equal(const GstoreCodec *codec, const GstoreSchema *schema,
			 const Merged *merged, uint64 rows)
{
	uint64 n = gstore_block_count(rows) * (uint64) schema->ncols;
	GstoreBounds *expected = calloc(n, sizeof(GstoreBounds));
	bool good = find_bounds(codec, schema, merged, rows, expected);

	for (uint64 i = 0; good && i < n; i++)
	{
		const GstoreBounds *a = &expected[i];
		const GstoreBounds *b = &merged->bounds[i];
		bool loose = schema->columns[i % schema->ncols].order ==
					 GSTORE_ORDER_NUMERIC;
		uint64 slack = loose ? 4 : 0;

		good = a->nulls == b->nulls && a->least - b->least + slack <= 2 * slack &&
			   a->greatest - b->greatest + slack <= 2 * slack;
		if (!good)
			printf("# block %d, column %s: %llx .. %llx, %u instead of %llx .. %llx, %u\n",
				   (int) (i / schema->ncols),
				   schema->columns[i % schema->ncols].name,
				   (unsigned long long) b->least,
				   (unsigned long long) b->greatest, b->nulls,
				   (unsigned long long) a->least,
				   (unsigned long long) a->greatest, a->nulls);
	}
	free(expected);
	return good;
}

/* ---- tests ---- */

static GstoreSchema *
with_orders(GstoreSchema *schema, bool numerics)
{
	for (int i = 0; i < schema->ncols; i++)
	{
		GstoreColumn *def = &schema->columns[i];

		switch (def->typid)
		{
			case 20:
			case 21:
			case 23:
			case 1083:
				def->order = GSTORE_ORDER_INTEGER;
				break;
			case 16:
			case 26:
				def->order = GSTORE_ORDER_UNSIGNED;
				break;
			case 700:
			case 701:
				def->order = GSTORE_ORDER_FLOAT;
				break;
			case 1082:
				def->order = GSTORE_ORDER_DATE;
				break;
			case 1114:
			case 1184:
				def->order = GSTORE_ORDER_TIMESTAMP;
				break;
			case 1186:
				def->order = GSTORE_ORDER_INTERVAL;
				break;
			case 25:
				def->order = i % 2 ? GSTORE_ORDER_TEXT : GSTORE_ORDER_BPCHAR;
				break;
			case 17:
				def->order = GSTORE_ORDER_TEXT;
				break;
			case 2950:
				def->order = GSTORE_ORDER_UUID;
				break;
			case 1700:
				def->order = numerics ? GSTORE_ORDER_NUMERIC : GSTORE_ORDER_NONE;
				break;
		}
	}
	return schema;
}

static GstoreSchema *
some_schema(const GstoreCodec *codec, bool all_kept_as_type)
{
	GstoreSchema *schema;

	if (codec->format == GSTORE_FORMAT_PGSTROM && any(2))
		return with_orders(schema_of_everything(), false);
	schema = with_orders(schema_of_arrow(any(2)), true);
	/* pgstrom would store the text of an output as its type */
	if (all_kept_as_type)
		schema->columns[19].attlen = -1;
	return schema;
}

static const GstoreCodec *const codecs[] = {&gstore_pgstrom_codec,
											&gstore_arrow_codec};

/* Merges that kernels did. */
static int by_kernels;

static bool
test_once(const GstoreCodec *codec, uint32 nsources, uint64 most_rows,
		  uint32 most_bytes)
{
	GstoreSchema *schema = some_schema(codec, true);
	Source sources[MOST_SOURCES];
	Merged expected;
	Merged merged;
	GstoreCodecError codec_error;
	uint64 rows = 0;
	bool good;

	for (uint32 i = 0; i < nsources; i++)
		make_source(codec, schema, most_rows, &sources[i]);
	merge_by_codec(codec, schema, sources, nsources, &expected);
	merge_by_kernels(codec, schema, sources, nsources, most_bytes, NULL,
					 &merged);
	for (uint32 i = 0; i < nsources; i++)
		for (uint64 row = 0; row < sources[i].rows; row++)
			rows += sources[i].keep == NULL ||
					(sources[i].keep[row / 8] >> (row % 8) & 1);
	good = merged.status == GSTORE_CODEC_OK &&
		   (expected.image == NULL) == (merged.image == NULL);
	/* values that repeat too much are not merged by kernels */
	if (merged.why != NULL &&
		strcmp(merged.why, "values that repeat from chunk to chunk") == 0)
		good = codec->format == GSTORE_FORMAT_PGSTROM && nsources > 1;
	else if (good && merged.image != NULL)
	{
		by_kernels++;
		good = codec->validate(merged.image, merged.bytes, schema,
							   &codec_error) == GSTORE_CODEC_OK &&
			   images_equal(codec, schema, &merged, &expected) &&
			   bounds_equal(codec, schema, &merged, rows);
		/* of Arrow even the padding is the same */
		if (good && codec->format == GSTORE_FORMAT_ARROW)
			good = merged.bytes == expected.bytes &&
				   memcmp(merged.image, expected.image, merged.bytes) == 0;
		if (good && merged.bytes > expected.bytes + expected.bytes / 3)
			good = false;
	}
	if (!good)
		printf("# %s, %u sources, %llu rows, %u bytes: %s, %s, %llu instead of %llu bytes\n",
			   codec->name, nsources, (unsigned long long) rows, most_bytes,
			   merged.status == GSTORE_CODEC_OK ? "good" : merged.error.message,
			   merged.why == NULL ? "" : merged.why,
			   (unsigned long long) merged.bytes,
			   (unsigned long long) expected.bytes);
	for (uint32 i = 0; i < nsources; i++)
		free_source(&sources[i]);
	free_merged(&expected);
	free_merged(&merged);
	free(schema);
	return good;
}

static void
test_random(int merges)
{
	for (int format = 0; format < 2; format++)
	{
		int good = 0;

		by_kernels = 0;
		for (int i = 0; i < merges; i++)
			good += test_once(codecs[format], 1 + (uint32) any(6),
							  i % 10 == 0 ? 20000 : 1500,
							  (uint32) (64 << any(5)) << 10);
		good += test_once(codecs[format], MOST_SOURCES, 700, 1 << 20);
		good += test_once(codecs[format], 2, 70000, 1 << 20);
		tap_ok(good == merges + 2 && by_kernels > merges / 2,
			   "%s: %d merges, as the codec's, %d of them by kernels",
			   codecs[format]->name, good, by_kernels);
	}
}

/* A column of one type, rows by thousands: no dictionary repeats, so that images
 * of pgstrom are the same byte by byte, too. */
static void
test_sizes(void)
{
	static const uint64 rows[] = {1, 2, 31, 32, 33, 63, 64, 65, 511, 512, 513,
								  1023, 1025, 16384, 16385};

	for (int format = 0; format < 2; format++)
	{
		GstoreSchema *schema = schema_new(2);
		bool good = true;

		with_orders(schema, false);
		schema_set(schema, 0, "i", 23, 4, 4, true)->arrow_kind = GSTORE_ARROW_INT4;
		schema_set(schema, 1, "t", 25, -1, 4, false)->arrow_kind = GSTORE_ARROW_TEXT;
		for (int i = 0; i < (int) lengthof(rows); i++)
		{
			Source sources[3];
			Merged expected;
			Merged merged;

			for (int j = 0; j < 3; j++)
			{
				Rows all = {schema, rows[(i + j) % lengthof(rows)], NULLS_SOME,
							(uint32) (i + j), 0, false};
				GstoreBuilder *builder =
					codecs[format]->builder_create(schema, allocator);
				GstoreCodecError codec_error;

				rows_append(codecs[format], builder, &all, 0, all.count,
							&codec_error);
				sources[j].image = builder_image(codecs[format], builder,
												 &sources[j].bytes);
				sources[j].rows = all.count;
				sources[j].keep = NULL;
				sources[j].address = take_device(sources[j].bytes, 1);
				to_device(sources[j].address, sources[j].image,
						  sources[j].bytes);
				codecs[format]->builder_destroy(builder);
			}
			merge_by_codec(codecs[format], schema, sources, 3, &expected);
			merge_by_kernels(codecs[format], schema, sources, 3, 1 << 20, NULL,
							 &merged);
			good = good && merged.image != NULL &&
				   images_equal(codecs[format], schema, &merged, &expected) &&
				   (format == 0 ||
					(merged.bytes == expected.bytes &&
					 memcmp(merged.image, expected.image, merged.bytes) == 0));
			for (int j = 0; j < 3; j++)
				free_source(&sources[j]);
			free_merged(&expected);
			free_merged(&merged);
		}
		tap_ok(good, "%s: sizes around those of words, tiles and blocks",
			   codecs[format]->name);
		free(schema);
	}
}

/* What repeats from chunk to chunk is left to the codec; what is different in
 * each is not. */
static void
test_repeats(void)
{
	const GstoreCodec *codec = &gstore_pgstrom_codec;
	static const struct
	{
		uint32 distinct;
		uint32 nsources;
		bool by_kernels;
	} cases[] = {{0, 8, true}, {4, 8, true}, {400, 1, true}, {400, 8, false}};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		GstoreSchema *schema = schema_new(1);
		Source sources[8];
		Merged merged;

		schema_set(schema, 0, "t", 25, -1, 4, false);
		for (uint32 j = 0; j < cases[i].nsources; j++)
		{
			Rows all = {schema, 2000, NULLS_NONE, 1, cases[i].distinct, false};
			GstoreBuilder *builder = codec->builder_create(schema, allocator);
			GstoreCodecError codec_error;

			rows_append(codec, builder, &all, 0, all.count, &codec_error);
			sources[j].image = builder_image(codec, builder, &sources[j].bytes);
			sources[j].rows = all.count;
			sources[j].keep = NULL;
			sources[j].address = take_device(sources[j].bytes, 1);
			to_device(sources[j].address, sources[j].image, sources[j].bytes);
			codec->builder_destroy(builder);
		}
		merge_by_kernels(codec, schema, sources, cases[i].nsources, 1 << 20,
						 NULL, &merged);
		tap_ok((merged.image != NULL) == cases[i].by_kernels &&
				   (merged.why == NULL) == cases[i].by_kernels,
			   "%u chunks with %u values each: %s", cases[i].nsources,
			   cases[i].distinct == 0 ? 2000 : cases[i].distinct,
			   merged.why == NULL ? "kernels" : merged.why);
		for (uint32 j = 0; j < cases[i].nsources; j++)
			free_source(&sources[j]);
		free_merged(&merged);
		free(schema);
	}
}

/* Overwrite a few bytes of an image, on the device, and here. */
static void
spoil(Source *source, bool header)
{
	for (uint64 n = 1 + any(3); n > 0; n--)
	{
		uint64 at = header ? any(source->bytes) : 2048 + any(source->bytes);
		uint64 word = any(2) ? any(UINT64_MAX) : any(64);

		if (at > source->bytes - 8)
			continue;
		at -= any(2) ? at % 4 : 0;
		memcpy(source->image + at, &word, 1 + any(8));
	}
	to_device(source->address, source->image, source->bytes);
}

static void
meddle(Source *sources, uint32 nsources)
{
	Source copy = sources[any(nsources)];

	/* what the host has of it, the header, stays as it was read */
	copy.image = malloc(copy.bytes);
	from_device(copy.image, copy.address, copy.bytes);
	spoil(&copy, true);
	free(copy.image);
}

/*
 * Whatever a program did to images, merging them is an error or not, and an image
 * that comes of it is sound.  The codec, where it finds nothing wrong with what is
 * kept, gives the same.
 */
static void
test_hostile(int merges)
{
	for (int format = 0; format < 2; format++)
		for (int during = 0; during < 2; during++)
		{
			const GstoreCodec *codec = codecs[format];
			int refused = 0;
			int merged_all = 0;
			bool good = true;

			/* few of the bytes matter so much that merging must be refused */
			for (int i = 0; good && (i < merges || (refused == 0 && i < 20 * merges)); i++)
			{
				GstoreSchema *schema = some_schema(codec, true);
				uint32 nsources = 1 + (uint32) any(3);
				Source sources[MOST_SOURCES];
				GstoreCodecError codec_error;
				Merged expected;
				Merged merged;

				for (uint32 j = 0; j < nsources; j++)
					make_source(codec, schema, 300, &sources[j]);
				if (!during)
					spoil(&sources[any(nsources)], any(4) == 0);
				merge_by_codec(codec, schema, sources, nsources, &expected);
				merge_by_kernels(codec, schema, sources, nsources, 1 << 20,
								 during ? meddle : NULL, &merged);
				if (merged.image != NULL)
				{
					merged_all++;
					good = codec->validate(merged.image, merged.bytes, schema,
										   &codec_error) == GSTORE_CODEC_OK;
				}
				refused += merged.status == GSTORE_CODEC_CORRUPT;
				if (merged.status != GSTORE_CODEC_OK &&
					merged.status != GSTORE_CODEC_CORRUPT)
					good = false;
				if (!good)
					printf("# %s, %d: %s\n", codec->name, i,
						   codec_error.message);
				for (uint32 j = 0; j < nsources; j++)
					free_source(&sources[j]);
				free_merged(&expected);
				free_merged(&merged);
				free(schema);
			}
			tap_ok(good && refused > 0 && merged_all > 0,
				   "%s: images overwritten %s: %d refused, %d merged",
				   codec->name, during ? "meanwhile" : "before", refused,
				   merged_all);
		}
}

static void
test_refused(void)
{
	GstoreSchema *schema = schema_of_nested(false);
	Source source;
	Merged merged;

	make_source(&gstore_arrow_codec, schema, 100, &source);
	merge_by_kernels(&gstore_arrow_codec, schema, &source, 1, 1 << 20, NULL,
					 &merged);
	tap_ok(merged.why != NULL && merged.status == GSTORE_CODEC_OK,
		   "nested columns: %s", merged.why);
	free_source(&source);
	free(schema);
	schema = some_schema(&gstore_pgstrom_codec, true);
	make_source(&gstore_pgstrom_codec, schema, 100, &source);
	merge_by_kernels(&gstore_pgstrom_codec, schema, &source, 1, 4096, NULL,
					 &merged);
	tap_ok(merged.why != NULL && merged.status == GSTORE_CODEC_OK,
		   "no staging: %s", merged.why);
	free_source(&source);
	free(schema);
}

int
main(int argc, char **argv)
{
	int merges = argc > 1 ? atoi(argv[1]) : 30;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	gpu_open(STAGING_BYTES);
	test_sizes();
	test_random(merges);
	test_repeats();
	test_hostile(2 * merges);
	test_refused();
	cuda->stream_destroy(stream);
	cuda->close();
	return tap_done();
}
