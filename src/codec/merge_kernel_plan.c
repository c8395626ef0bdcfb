/*
 * merge_kernel_plan.c
 *	  A merge by kernels, planned: what is to be counted of each column, and
 *	  which rows and dictionaries each launch goes over.
 *
 * Launches are made as large as what they are told and tell may be, here by an
 * upper bound: merge_kernel_steps.c lays out what there really is.
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/merge_kernel_plan.h"
#include "codec/pgstrom.h"

/* Rows looked at before the size of a launch is: a multiple of 64. */
#define ROWS_AT_ONCE 65536

/* ---- small things ---- */

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
}

/* One more item, all zero; NULL if there is no memory. */
static void *
add_item(GstoreMergePlan *merge, GstoreMergeList *list, size_t bytes)
{
	char *item;

	if (list->count == list->room)
	{
		uint64 room = Max(list->room * 2, 16);
		void *grown = merge->allocator.resize(merge->allocator.state,
											  list->items, room * bytes);

		if (grown == NULL)
			return NULL;
		list->items = grown;
		list->room = room;
	}
	item = (char *) list->items + list->count++ * bytes;
	memset(item, 0, bytes);
	return item;
}

void *
gstore_merge_alloc(GstoreMergePlan *merge, uint64 bytes)
{
	void *memory = merge->allocator.alloc(merge->allocator.state,
										  Max(bytes, 8));

	if (memory != NULL)
		memset(memory, 0, Max(bytes, 8));
	return memory;
}

void
gstore_merge_free(GstoreMergePlan *merge, void *memory)
{
	if (memory != NULL)
		merge->allocator.free(merge->allocator.state, memory);
}

GstoreCodecStatus
gstore_merge_bind_at(const GstoreMergePlan *merge, const GstoreImage *image,
					 uint64 address, uint32 column, uint64 first, uint64 count,
					 GstoreColumnView *view, GstoreCodecError *error)
{
	GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	int n = merge->codec->column_ranges(image, (int) column, first, count,
										ranges);

	for (int i = 0; i < n; i++)
		pointers[i] = (const void *) (uintptr_t) (address + ranges[i].offset);
	return merge->codec->bind(image, (int) column, first, count, pointers,
							  view, error);
}

/* ---- planning: columns ---- */

static void
describe_column(const GstoreMergePlan *merge, uint32 number,
				GstorePlannedColumn *column)
{
	const GstoreColumn *def = &merge->schema->columns[number];
	uint32 stride;

	column->counted = GSTORE_MERGE_NONE;
	column->text = GSTORE_MERGE_NONE;
	if (def->dropped)
		return;
	if (merge->codec->format == GSTORE_FORMAT_PGSTROM)
	{
		stride = GSTORE_PGSTROM_STRIDE(def->attlen, def->attalign);
		column->kind = def->attlen < 0 ? GSTORE_MERGE_DICTIONARY
									   : GSTORE_MERGE_FIXED;
	}
	else
	{
		const GstoreArrowType *type = gstore_arrow_type(def);

		stride = type->bytes;
		column->kind = type->encoding == GSTORE_ENCODING_ABSENT ? GSTORE_MERGE_NOTHING
					   : type->encoding == GSTORE_ENCODING_ARROW_BITS
						   ? GSTORE_MERGE_BITS
					   : type->encoding == GSTORE_ENCODING_ARROW_TEXT
						   ? GSTORE_MERGE_OFFSETS
						   : GSTORE_MERGE_FIXED;
	}
	if (column->kind == GSTORE_MERGE_FIXED)
	{
		column->shift = (uint8) Min(__builtin_ctz(stride | 8), 3);
		column->units = stride >> column->shift;
	}
	else if (column->kind == GSTORE_MERGE_OFFSETS)
		column->shift = def->large_text ? 3 : 2;
}

/* What is to be counted of a column, which is in all sources. */
static GstoreCodecStatus
look_at_sources(GstoreMergePlan *merge, uint32 number,
				GstoreCodecError *error)
{
	GstorePlannedColumn *column = &merge->columns[number];
	bool nulls = column->kind == GSTORE_MERGE_DICTIONARY;

	if (column->kind == GSTORE_MERGE_NOTHING)
		return GSTORE_CODEC_OK;
	for (uint32 i = 0; i < merge->nsources; i++)
	{
		GstorePlannedSource *source = gstore_merge_source_of(merge, i, number);
		GstoreColumnView view;
		GstoreCodecStatus status =
			gstore_merge_bind_at(merge, merge->images[i], 8, number, 0,
								 merge->given[i].rows, &view, error);

		if (status != GSTORE_CODEC_OK)
			return status;
		nulls |= view.encoding == GSTORE_ENCODING_ABSENT ||
				 view.validity != NULL;
		if (view.encoding != GSTORE_ENCODING_PGSTROM_VARLENA)
			continue;
		source->units = (view.base_to - view.base_from) / 8;
		source->map = merge->map_bytes;
		merge->map_bytes += GSTORE_MERGE_PART(source->units * sizeof(uint32));
	}
	if (column->kind == GSTORE_MERGE_OFFSETS)
		column->text = merge->ntext++;
	if (nulls || column->kind == GSTORE_MERGE_OFFSETS)
		column->counted = merge->ncounted++;
	return GSTORE_CODEC_OK;
}

/* ---- planning: rows ---- */

/* Bytes a launch is told, and tells, whatever its kernel is. */
static uint64
launch_bytes(const GstoreMergePlan *merge, const GstorePlannedLaunch *launch)
{
	uint64 n = merge->ncolumns;

	return GSTORE_MERGE_PART(sizeof(GstoreMerge)) +
		   n * sizeof(GstoreMergeColumn) +
		   launch->npieces * (sizeof(GstoreMergePiece) +
							  4 * GSTORE_MERGE_PART_ALIGNMENT +
							  n * sizeof(GstoreMergeSource)) +
		   launch->keep_bytes + launch->ntiles * sizeof(GstoreMergeTile) +
		   (uint64) merge->ntext * (launch->ntiles + 1) * sizeof(uint64) +
		   (uint64) merge->ncounted * launch->ntiles * sizeof(GstoreMergeCount) +
		   (GSTORE_RANGES_PER_COLUMN + 1) * n * sizeof(GstoreMergeZeros) +
		   merge->codec->header_bytes(merge->schema) +
		   sizeof(GstoreMergeResult) + 2 * GSTORE_MERGE_RESULT_ALIGNMENT;
}

/*
 * How far to go from a row of a source, but not beyond end, to have taken at
 * most `most' rows that are kept; *taken is how many.
 */
static uint64
advance(const uint8 *keep, uint64 from, uint64 end, uint64 most,
		uint64 *taken)
{
	uint64 row = from;

	*taken = 0;
	if (keep == NULL)
	{
		*taken = Min(most, end - from);
		return from + *taken;
	}
	while (row < end && *taken < most)
	{
		uint64 word = 0;
		uint64 bits;

		/* whole words, where that is not too much */
		if (row % 64 == 0 && row + 64 <= end)
		{
			memcpy(&word, keep + row / 8, sizeof(word));
			bits = (uint64) __builtin_popcountll(word);
			if (*taken + bits <= most)
			{
				*taken += bits;
				row += 64;
				continue;
			}
		}
		*taken += keep[row / 8] >> (row % 8) & 1;
		row++;
	}
	return row;
}

typedef struct Planning
{
	GstoreMergePlan *merge;
	GstorePlannedLaunch *launch;
	GstorePlannedPiece *piece; /* of the launch, its last; NULL: of another
								* source */
	GstoreMergeTile *tile;	   /* being filled; NULL: none is */
} Planning;

/* A launch with a piece that begins near row. */
static bool
begin_piece(Planning *planning, uint32 source, uint64 row)
{
	GstoreMergePlan *merge = planning->merge;

	if (planning->launch == NULL ||
		planning->launch->npieces == GSTORE_MERGE_PIECES ||
		source - planning->launch->first_source >= GSTORE_MERGE_PIECES)
	{
		planning->tile = NULL;
		planning->launch = add_item(merge, &merge->launches,
									sizeof(GstorePlannedLaunch));
		if (planning->launch == NULL)
			return false;
		planning->launch->first_piece = merge->pieces.count;
		planning->launch->first_tile = merge->tiles.count;
		planning->launch->first_source = source;
	}
	merge->used[source] = true;
	planning->piece = add_item(merge, &merge->pieces, sizeof(GstorePlannedPiece));
	if (planning->piece == NULL)
		return false;
	planning->piece->source = source;
	planning->piece->first = row - row % 64;
	planning->piece->end = row;
	planning->launch->npieces++;
	return true;
}

/* A tile that begins with a row of the last piece. */
static bool
begin_tile(Planning *planning, uint64 row)
{
	GstoreMergePlan *merge = planning->merge;

	planning->tile = add_item(merge, &merge->tiles, sizeof(GstoreMergeTile));
	if (planning->tile == NULL)
		return false;
	planning->tile->to = merge->rows;
	planning->tile->piece = planning->launch->npieces - 1;
	planning->tile->from = (uint32) (row - planning->piece->first);
	planning->launch->ntiles++;
	return true;
}

/* May a launch be told of one more tile and piece, and bits of so many rows? */
static bool
has_room(const GstoreMergePlan *merge, const GstorePlannedLaunch *launch,
		 uint64 rows)
{
	GstorePlannedLaunch larger = *launch;

	larger.ntiles++;
	larger.npieces++;
	larger.keep_bytes += rows / 8 + GSTORE_MERGE_PART_ALIGNMENT;
	return launch_bytes(merge, &larger) <= merge->most_bytes;
}

/* Rows [row, end) of a source, of which so many are kept: at most what the tile
 * at hand has room for. */
static bool
plan_rows(Planning *planning, uint32 source, uint64 row, uint64 end,
		  uint64 taken)
{
	GstoreMergePlan *merge = planning->merge;
	GstorePlannedLaunch *launch = planning->launch;
	bool keeps = merge->given[source].keep != NULL;

	if (launch != NULL &&
		!has_room(merge, launch,
				  keeps ? end - (planning->piece != NULL ? planning->piece->end : row) : 0))
	{
		planning->launch = NULL;
		planning->piece = NULL;
	}
	if (planning->piece == NULL && !begin_piece(planning, source, row))
		return false;
	if (planning->tile == NULL && !begin_tile(planning, row))
		return false;
	if (keeps)
		planning->launch->keep_bytes += (end - planning->piece->end) / 8 + 1;
	planning->piece->end = end;
	planning->tile->count += (uint32) taken;
	merge->rows += taken;
	if (merge->rows % GSTORE_MERGE_ROWS == 0)
		planning->tile = NULL;
	return true;
}

static bool
plan_source(Planning *planning, uint32 source)
{
	GstoreMergePlan *merge = planning->merge;
	const GstoreKernelSource *given = &merge->given[source];

	planning->piece = NULL;
	for (uint64 row = 0; row < given->rows;)
	{
		uint64 room = GSTORE_MERGE_ROWS - merge->rows % GSTORE_MERGE_ROWS;
		uint64 taken;
		uint64 end = advance(given->keep, row,
							 Min(given->rows, row + ROWS_AT_ONCE), room,
							 &taken);

		if (taken > 0 && !plan_rows(planning, source, row, end, taken))
			return false;
		row = end;
	}
	return true;
}

/* ---- planning: dictionaries ---- */

static uint64
units_bytes(uint64 nunits, uint64 ntiles)
{
	return GSTORE_MERGE_PART(sizeof(GstoreMergeDictionaries)) +
		   nunits * sizeof(GstoreMergeUnits) +
		   2 * ntiles * sizeof(GstoreMergeUnitCount) +
		   sizeof(GstoreMergeResult) + 2 * GSTORE_MERGE_RESULT_ALIGNMENT;
}

/* The dictionary of a source's column, in as many launches as it takes. */
static bool
plan_units(GstoreMergePlan *merge, uint32 source, uint32 column,
		   uint32 *first_source)
{
	uint64 total = gstore_merge_source_of(merge, source, column)->units;
	GstorePlannedUnitsLaunch *launches = merge->unit_launches.items;
	GstorePlannedUnitsLaunch *launch =
		launches == NULL ? NULL : launches + merge->unit_launches.count - 1;
	GstorePlannedUnits *units = NULL;

	for (uint64 first = 0; first < total; first += GSTORE_MERGE_UNITS)
	{
		if (launch == NULL ||
			source - *first_source >= GSTORE_MERGE_PIECES ||
			units_bytes(launch->nunits + 1, launch->ntiles + 1) >
				merge->most_bytes)
		{
			launch = add_item(merge, &merge->unit_launches,
							  sizeof(GstorePlannedUnitsLaunch));
			if (launch == NULL)
				return false;
			launch->first_units = merge->units.count;
			launch->first_tile = merge->unit_counts.count;
			*first_source = source;
			units = NULL;
		}
		if (units == NULL)
		{
			units = add_item(merge, &merge->units, sizeof(GstorePlannedUnits));
			if (units == NULL)
				return false;
			units->source = source;
			units->column = column;
			units->first = first;
			units->first_tile = merge->unit_counts.count;
			launch->nunits++;
		}
		if (add_item(merge, &merge->unit_counts,
					 sizeof(GstoreMergeUnitCount)) == NULL)
			return false;
		launch->ntiles++;
	}
	return true;
}

/* ---- beginning ---- */

static bool
plan(GstoreMergePlan *merge)
{
	Planning planning = {.merge = merge};
	uint32 first_source = 0;

	for (uint32 i = 0; i < merge->nsources; i++)
		if (!plan_source(&planning, i))
			return false;
	for (uint32 i = 0; i < merge->nsources; i++)
		for (uint32 j = 0; merge->used[i] && j < merge->ncolumns; j++)
			if (!plan_units(merge, i, j, &first_source))
				return false;
	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		GstorePlannedColumn *column = &merge->columns[i];

		if (column->text == GSTORE_MERGE_NONE)
			continue;
		column->text_bytes = gstore_merge_alloc(merge, merge->tiles.count *
														   sizeof(uint32));
		if (column->text_bytes == NULL)
			return false;
	}
	return true;
}

static GstoreCodecStatus
open_sources(GstoreMergePlan *merge, GstoreCodecError *error)
{
	for (uint32 i = 0; i < merge->nsources; i++)
	{
		const GstoreKernelSource *given = &merge->given[i];
		GstoreCodecStatus status =
			merge->codec->open(given->header, given->image_bytes,
							   merge->schema, &merge->allocator,
							   &merge->images[i], error);

		if (status != GSTORE_CODEC_OK)
			return status;
		if (merge->codec->rows(merge->images[i]) != given->rows)
			return gstore_codec_corrupt(error, -1,
										"a chunk's header is damaged");
	}
	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		GstoreCodecStatus status;

		describe_column(merge, i, &merge->columns[i]);
		status = look_at_sources(merge, i, error);
		if (status != GSTORE_CODEC_OK)
			return status;
	}
	return GSTORE_CODEC_OK;
}

GstoreMergePlan *
gstore_merge_plan_begin(const GstoreCodec *codec, const GstoreSchema *schema,
						const GstoreKernelSource *sources, uint32 nsources,
						uint32 most_bytes, const GstoreAllocator *allocator,
						const char **why, GstoreCodecStatus *status,
						GstoreCodecError *error)
{
	GstoreMergePlan *merge;
	GstorePlannedLaunch smallest = {.npieces = 2,
									.ntiles = 2,
									.keep_bytes = ROWS_AT_ONCE / 4};

	*status = GSTORE_CODEC_OK;
	*why = NULL;
	if (schema->nfields > schema->ncols)
	{
		*why = "arrays or composites";
		return NULL;
	}
	merge = allocator->alloc(allocator->state, sizeof(*merge));
	if (merge == NULL)
	{
		*status = no_memory(error);
		return NULL;
	}
	memset(merge, 0, sizeof(*merge));
	merge->codec = codec;
	merge->schema = schema;
	merge->given = sources;
	merge->nsources = nsources;
	merge->ncolumns = (uint32) schema->ncols;
	merge->most_bytes = most_bytes;
	merge->allocator = *allocator;
	merge->images = gstore_merge_alloc(merge, nsources * sizeof(GstoreImage *));
	merge->used = gstore_merge_alloc(merge, nsources * sizeof(bool));
	merge->sources = gstore_merge_alloc(merge, (uint64) nsources *
												   merge->ncolumns *
												   sizeof(GstorePlannedSource));
	merge->columns = gstore_merge_alloc(merge, merge->ncolumns *
												   sizeof(GstorePlannedColumn));
	merge->header = gstore_merge_alloc(merge, codec->header_bytes(schema));
	if (merge->images == NULL || merge->used == NULL || merge->sources == NULL ||
		merge->columns == NULL || merge->header == NULL)
		*status = no_memory(error);
	else
		*status = open_sources(merge, error);
	if (*status == GSTORE_CODEC_OK &&
		launch_bytes(merge, &smallest) > most_bytes)
		*why = "too many columns for the staging area";
	else if (*status == GSTORE_CODEC_OK && !plan(merge))
		*status = no_memory(error);
	if (*status == GSTORE_CODEC_OK && *why == NULL)
		return merge;
	gstore_merge_plan_end(merge);
	return NULL;
}

void
gstore_merge_plan_end(GstoreMergePlan *merge)
{
	GstoreAllocator allocator = merge->allocator;

	for (uint32 i = 0; merge->images != NULL && i < merge->nsources; i++)
		if (merge->images[i] != NULL)
			merge->codec->close(merge->images[i]);
	if (merge->image != NULL)
		merge->codec->close(merge->image);
	for (uint32 i = 0; merge->columns != NULL && i < merge->ncolumns; i++)
		gstore_merge_free(merge, merge->columns[i].text_bytes);
	gstore_merge_free(merge, merge->images);
	gstore_merge_free(merge, merge->used);
	gstore_merge_free(merge, merge->sources);
	gstore_merge_free(merge, merge->columns);
	gstore_merge_free(merge, merge->header);
	gstore_merge_free(merge, merge->pieces.items);
	gstore_merge_free(merge, merge->tiles.items);
	gstore_merge_free(merge, merge->launches.items);
	gstore_merge_free(merge, merge->units.items);
	gstore_merge_free(merge, merge->unit_counts.items);
	gstore_merge_free(merge, merge->unit_launches.items);
	allocator.free(allocator.state, merge);
}

uint64
gstore_merge_plan_rows(const GstoreMergePlan *merge)
{
	return merge->rows;
}

uint64
gstore_merge_plan_workspace(const GstoreMergePlan *merge,
							uint64 *zeros_from)
{
	*zeros_from = GSTORE_ALIGN(merge->most_bytes, GSTORE_MERGE_RESULT_ALIGNMENT);
	return *zeros_from + merge->map_bytes;
}
