/*
 * merge.c
 *	  Rows of images appended to a builder, whatever their formats.
 */
#include <string.h>

#include "codec/codec.h"

typedef struct Batch
{
	GstoreColumnView *views; /* [target ncols] */
	GstoreScratch *scratch;	 /* [target ncols] */
	GstoreValue *values;	 /* [GSTORE_BATCH_ROWS] */
	bool *nulls;
	uint16 *kept; /* rows of the batch to take */
} Batch;

/* Bind every column that both schemas have to the image in memory. */
static GstoreCodecStatus
bind_all(const GstoreSchema *target, const GstoreCodec *source,
		 const GstoreImage *image, const GstoreSchema *schema,
		 const char *bytes, GstoreColumnView *views, GstoreCodecError *error)
{
	uint64 rows = source->rows(image);

	for (int column = 0; column < target->ncols; column++)
	{
		GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
		const void *pointers[GSTORE_RANGES_PER_COLUMN];
		GstoreCodecStatus status;
		int n;

		memset(&views[column], 0, sizeof(views[column]));
		views[column].encoding = GSTORE_ENCODING_ABSENT;
		if (column >= schema->ncols || schema->columns[column].dropped ||
			target->columns[column].dropped)
			continue;
		n = source->column_ranges(image, column, 0, rows, ranges);
		for (int i = 0; i < n; i++)
			pointers[i] = bytes + ranges[i].offset;
		status = source->bind(image, column, 0, rows, pointers,
							  &views[column], error);
		if (status != GSTORE_CODEC_OK)
			return status;
	}
	return GSTORE_CODEC_OK;
}

static bool
any_kept(const uint8 *keep, uint64 first, uint64 count)
{
	if (keep == NULL)
		return true;
	/* first is a multiple of 8; bits behind the last row do no harm. */
	for (uint64 i = first / 8; i < (first + count + 7) / 8; i++)
		if (keep[i] != 0)
			return true;
	return false;
}

/* Which rows of a batch to take; how many. */
static uint32
find_kept(Batch *batch, uint64 first, uint64 count, const uint8 *keep)
{
	uint32 found = 0;

	for (uint64 i = 0; i < count; i++)
		if (keep[(first + i) / 8] & (1 << ((first + i) % 8)))
			batch->kept[found++] = (uint16) i;
	return found;
}

static GstoreCodecStatus
append_batch(const GstoreCodec *target, GstoreBuilder *builder, int ncols,
			 const GstoreCodec *source, Batch *batch, uint64 first,
			 uint64 count, const uint8 *keep, GstoreCodecError *error)
{
	uint32 found = keep == NULL ? (uint32) count : find_kept(batch, first, count, keep);

	for (int column = 0; column < ncols; column++)
	{
		GstoreCodecStatus status =
			source->decode(&batch->views[column], first, count,
						   keep == NULL ? NULL : keep + first / 8,
						   batch->values, batch->nulls,
						   &batch->scratch[column], error);

		if (status != GSTORE_CODEC_OK)
		{
			error->column = column;
			return status;
		}
		for (uint32 i = 0; found < count && i < found; i++)
		{
			batch->values[i] = batch->values[batch->kept[i]];
			batch->nulls[i] = batch->nulls[batch->kept[i]];
		}
		status = target->append_column(builder, column, batch->values,
									   batch->nulls, found, error);
		if (status != GSTORE_CODEC_OK)
			return status;
	}
	target->set_rows(builder, target->builder_rows(builder) + found);
	return GSTORE_CODEC_OK;
}

GstoreCodecStatus
gstore_codec_merge(const GstoreCodec *target, GstoreBuilder *builder,
				   const GstoreSchema *target_schema,
				   const GstoreCodec *source, const GstoreImage *image,
				   const GstoreSchema *source_schema, const void *bytes,
				   const uint8 *keep, const GstoreAllocator *allocator,
				   GstoreCodecError *error)
{
	size_t n = Max(target_schema->ncols, 1);
	size_t per_column = sizeof(GstoreScratch) + sizeof(GstoreColumnView);
	size_t per_row = sizeof(GstoreValue) + sizeof(uint16) + sizeof(bool);
	uint64 rows = source->rows(image);
	char *memory = allocator->alloc(allocator->state, n * per_column + GSTORE_BATCH_ROWS * per_row);
	GstoreCodecStatus status;
	Batch batch;

	if (memory == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	batch.scratch = (GstoreScratch *) memory;
	batch.views = (GstoreColumnView *) (batch.scratch + n);
	batch.values = (GstoreValue *) (batch.views + n);
	batch.kept = (uint16 *) (batch.values + GSTORE_BATCH_ROWS);
	batch.nulls = (bool *) (batch.kept + GSTORE_BATCH_ROWS);
	for (size_t i = 0; i < n; i++)
		batch.scratch[i] = (GstoreScratch){.allocator = allocator};

	status = bind_all(target_schema, source, image, source_schema, bytes,
					  batch.views, error);
	for (uint64 first = 0; status == GSTORE_CODEC_OK && first < rows;
		 first += GSTORE_BATCH_ROWS)
	{
		uint64 count = Min(GSTORE_BATCH_ROWS, rows - first);

		if (any_kept(keep, first, count))
			status = append_batch(target, builder, target_schema->ncols,
								  source, &batch, first, count, keep, error);
	}
	for (size_t i = 0; i < n; i++)
		gstore_scratch_free(&batch.scratch[i]);
	allocator->free(allocator->state, memory);
	return status;
}
