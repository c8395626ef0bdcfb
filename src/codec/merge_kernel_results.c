/*
 * merge_kernel_results.c
 *	  What the kernels of a merge told, and the new image's size that follows.
 *
 * What is counted for each tile becomes, added up, where its text and its values
 * go.  Images may have been overwritten while kernels read them, so what they
 * told may be wrong: a dictionary whose values are longer than itself is an
 * error.
 */
#include <string.h>

#include "codec/merge_kernel_plan.h"

/* A column whose values are fewer than this share of its rows repeats them. */
#define REPEATS(values, rows) ((values) / 3 < (rows) / 4)

/* ---- what kernels tell ---- */

static GstoreCodecStatus
take_error(uint32 told, const char **why, GstoreCodecError *error)
{
	int column = (int) (told >> GSTORE_MERGE_COLUMN);

	switch (told & ((1 << GSTORE_MERGE_COLUMN) - 1))
	{
		case GSTORE_MERGE_GOOD:
			return GSTORE_CODEC_OK;
		case GSTORE_MERGE_TEXT:
			return gstore_codec_corrupt(error, column,
										"a text points outside its chunk");
		case GSTORE_MERGE_VALUE:
			return gstore_codec_corrupt(error, column,
										"a value points outside its chunk's dictionary");
		case GSTORE_MERGE_LARGE:
			*why = "very long values";
			return GSTORE_CODEC_OK;
		default:
			return gstore_codec_corrupt(error, column,
										"a chunk was changed while it was read");
	}
}

static void
take_counts(GstoreMergePlan *merge, const GstoreMergeCount *counts)
{
	const GstorePlannedLaunch *launch = gstore_merge_launch_at(merge);

	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		GstorePlannedColumn *column = &merge->columns[i];
		const GstoreMergeCount *of_column =
			counts + (uint64) column->counted * launch->ntiles;

		if (column->counted == GSTORE_MERGE_NONE)
			continue;
		for (uint32 tile = 0; tile < launch->ntiles; tile++)
		{
			column->nulls += of_column[tile].nulls;
			if (column->text == GSTORE_MERGE_NONE)
				continue;
			column->bytes += of_column[tile].bytes;
			column->text_bytes[launch->first_tile + tile] =
				of_column[tile].bytes;
		}
	}
}

/* The text of a launch has been made. */
static void
pass_text(GstoreMergePlan *merge)
{
	const GstorePlannedLaunch *launch = gstore_merge_launch_at(merge);

	for (uint32 i = 0; i < merge->ncolumns; i++)
		for (uint32 tile = 0;
			 merge->columns[i].text != GSTORE_MERGE_NONE &&
			 tile < launch->ntiles;
			 tile++)
			merge->columns[i].text_start +=
				merge->columns[i].text_bytes[launch->first_tile + tile];
}

/* Values of a dictionary that do not overlap are not longer than it: others are
 * somebody else's, and may be more than can be. */
static GstoreCodecStatus
take_unit_counts(GstoreMergePlan *merge, const GstoreMergeUnitCount *counts,
				 GstoreCodecError *error)
{
	const GstorePlannedUnitsLaunch *launch = gstore_merge_units_launch_at(merge);
	const GstorePlannedUnits *units = gstore_merge_units_of(merge, launch);

	memcpy((GstoreMergeUnitCount *) merge->unit_counts.items +
			   launch->first_tile,
		   counts, launch->ntiles * sizeof(*counts));
	for (uint32 i = 0; i < launch->nunits; i++)
	{
		GstorePlannedSource *source =
			gstore_merge_source_of(merge, units[i].source, units[i].column);
		uint64 end = i + 1 < launch->nunits
						 ? units[i + 1].first_tile - launch->first_tile
						 : launch->ntiles;

		for (uint64 tile = units[i].first_tile - launch->first_tile;
			 tile < end; tile++)
			source->new_units += counts[tile].units;
		if (source->new_units > source->units)
			return gstore_codec_corrupt(error, (int) units[i].column,
										"values of a chunk's dictionary overlap");
	}
	return GSTORE_CODEC_OK;
}

static void
take_bounds(GstoreMergePlan *merge, const GstoreBounds *bounds)
{
	uint32 nblocks = gstore_merge_blocks_at_once(merge);
	GstoreBounds *to = merge->bounds + merge->at * merge->ncolumns;
	uint64 n = (uint64) nblocks * merge->ncolumns;

	memcpy(to, bounds, n * sizeof(GstoreBounds));
	for (uint64 i = 0; i < n; i++)
	{
		const GstoreColumn *def = &merge->schema->columns[i % merge->ncolumns];

		if (def->order == GSTORE_ORDER_NUMERIC && !def->dropped)
			gstore_bounds_widen(&to[i]);
	}
	merge->at += nblocks;
}

GstoreCodecStatus
gstore_merge_plan_take(GstoreMergePlan *merge, const void *result,
					   const char **why, GstoreCodecError *error)
{
	const GstoreMergeResult *head = result;
	GstoreCodecStatus status;

	*why = NULL;
	status = take_error(head->error, why, error);
	if (status != GSTORE_CODEC_OK || *why != NULL)
		return status;
	if (merge->phase == GSTORE_MERGE_COUNTING)
		take_counts(merge, (const GstoreMergeCount *) (head + 1));
	else if (merge->phase == GSTORE_MERGE_MAKING)
		pass_text(merge);
	else if (merge->phase == GSTORE_MERGE_COUNTING_UNITS)
		status = take_unit_counts(merge,
								  (const GstoreMergeUnitCount *) (head + 1),
								  error);
	if (merge->phase == GSTORE_MERGE_BOUNDING)
		take_bounds(merge, (const GstoreBounds *) (head + 1));
	else
		merge->at++;
	return status;
}

/* ---- the new image ---- */

/* Where each tile's values go in the new dictionary; what it has in all. */
static void
place_units(GstoreMergePlan *merge, uint32 number)
{
	GstorePlannedColumn *column = &merge->columns[number];
	GstoreMergeUnitCount *counts = merge->unit_counts.items;
	const GstorePlannedUnits *units = merge->units.items;
	uint64 at = 0;

	column->bytes = column->values = column->most_units = 0;
	for (uint64 i = 0; i < merge->units.count; i++)
	{
		uint64 end = i + 1 < merge->units.count ? units[i + 1].first_tile
												: merge->unit_counts.count;

		if (units[i].column != number)
			continue;
		for (uint64 tile = units[i].first_tile; tile < end; tile++)
		{
			column->values += counts[tile].values;
			counts[tile].values = (uint32) at;
			at += counts[tile].units;
		}
	}
	column->bytes = at * 8;
	for (uint32 i = 0; i < merge->nsources; i++)
		column->most_units = Max(column->most_units,
								 gstore_merge_source_of(merge, i, number)->new_units);
}

uint64
gstore_merge_plan_size(GstoreMergePlan *merge, const char **why)
{
	GstoreColumnSize *sizes = gstore_merge_alloc(merge, merge->ncolumns *
															sizeof(*sizes));
	GstoreCodecStatus status = GSTORE_CODEC_OUT_OF_MEMORY;
	GstoreCodecError error;
	uint64 repeated = 0;

	for (uint32 i = 0; sizes != NULL && i < merge->ncolumns; i++)
	{
		GstorePlannedColumn *column = &merge->columns[i];

		if (column->kind == GSTORE_MERGE_DICTIONARY)
		{
			place_units(merge, i);
			if (REPEATS(column->values, merge->rows - column->nulls))
				repeated += column->bytes - column->most_units * 8;
		}
		sizes[i].nulls = column->nulls;
		sizes[i].bytes = column->bytes;
	}
	if (sizes != NULL)
		status = merge->codec->lay_out(merge->schema, merge->rows, sizes,
									   merge->header, &merge->image_bytes,
									   &error);
	gstore_merge_free(merge, sizes);
	if (status == GSTORE_CODEC_OK)
		status = merge->codec->open(merge->header, merge->image_bytes,
									merge->schema, &merge->allocator,
									&merge->image, &error);
	*why = NULL;
	if (status != GSTORE_CODEC_OK)
		*why = "more than one image holds";
	else if (repeated > (merge->image_bytes - repeated) / 4)
		*why = "values that repeat from chunk to chunk";
	return *why == NULL ? merge->image_bytes : 0;
}

void
gstore_merge_plan_place(GstoreMergePlan *merge, uint64 address,
						GstoreBounds *bounds)
{
	merge->address = address;
	merge->bounds = bounds;
}
