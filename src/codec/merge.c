/*
 * merge.c
 *	  Rows of images appended to a builder, whatever their formats.
 */
#include <string.h>

#include "codec/codec.h"

typedef struct Batch
{
	GstoreColumnView *views; /* [target ncols] */
	GstoreValue *values;	 /* [target ncols][GSTORE_BATCH_ROWS] */
	bool *nulls;
	GstoreScratch *scratch;	 /* [target ncols] */
	GstoreValue *row_values; /* [target ncols] */
	bool *row_nulls;
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

static GstoreCodecStatus
append_batch(const GstoreCodec *target, GstoreBuilder *builder, int ncols,
			 const GstoreCodec *source, Batch *batch, uint64 first,
			 uint64 count, const uint8 *keep, GstoreCodecError *error)
{
	GstoreCodecStatus status;

	for (int column = 0; column < ncols; column++)
	{
		status = source->decode(&batch->views[column], first, count,
								keep == NULL ? NULL : keep + first / 8,
								batch->values + column * GSTORE_BATCH_ROWS,
								batch->nulls + column * GSTORE_BATCH_ROWS,
								&batch->scratch[column],
								error);
		if (status != GSTORE_CODEC_OK)
		{
			error->column = column;
			return status;
		}
	}
	for (uint64 i = 0; i < count; i++)
	{
		uint64 row = first + i;

		if (keep != NULL && !(keep[row / 8] & (1 << (row % 8))))
			continue;
		for (int column = 0; column < ncols; column++)
		{
			batch->row_values[column] =
				batch->values[column * GSTORE_BATCH_ROWS + i];
			batch->row_nulls[column] =
				batch->nulls[column * GSTORE_BATCH_ROWS + i];
		}
		status = target->append(builder, batch->row_values, batch->row_nulls,
								error);
		if (status != GSTORE_CODEC_OK)
			return status;
	}
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
	size_t per_column = sizeof(GstoreScratch) + sizeof(GstoreColumnView) +
						(GSTORE_BATCH_ROWS + 1) *
							(sizeof(GstoreValue) + sizeof(bool));
	uint64 rows = source->rows(image);
	char *memory = allocator->alloc(allocator->state, n * per_column);
	GstoreCodecStatus status;
	Batch batch;

	if (memory == NULL)
		return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
								 "out of memory", "");
	batch.scratch = (GstoreScratch *) memory;
	batch.views = (GstoreColumnView *) (batch.scratch + n);
	batch.values = (GstoreValue *) (batch.views + n);
	batch.row_values = batch.values + n * GSTORE_BATCH_ROWS;
	batch.nulls = (bool *) (batch.row_values + n);
	batch.row_nulls = batch.nulls + n * GSTORE_BATCH_ROWS;
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
