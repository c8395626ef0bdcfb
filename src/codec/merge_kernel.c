/*
 * merge_kernel.c
 *	  One image of the rows of several, by kernels; see merge_kernel.h.
 *
 * What is to be done is planned when it begins: the rows that are kept are cut
 * into tiles by where they go to, and tiles into launches by how much a launch
 * may be told.  The same launches count and make.  What is counted for each tile
 * becomes, added up, where its text goes.
 *
 * Must never dereference an address of a device: column views of images there
 * have such in place of pointers.
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/merge_kernel.h"
#include "codec/pgstrom.h"

/* Rows looked at before the size of a launch is: a multiple of 64. */
#define ROWS_AT_ONCE 65536

/* Where parts of what is told begin. */
#define PART_ALIGNMENT 8
#define PART(bytes) GSTORE_ALIGN(bytes, PART_ALIGNMENT)
#define RESULT_ALIGNMENT 64

/* A column whose values are fewer than this share of its rows repeats them. */
#define REPEATS(values, rows) ((values) / 3 < (rows) / 4)

/* An array that grows. */
typedef struct List
{
	void *items;
	uint64 count;
	uint64 room;
} List;

/* Rows [first, end) of a source, of which some are kept. */
typedef struct Piece
{
	uint32 source;
	uint64 first; /* a multiple of 64 */
	uint64 end;
} Piece;

/* Pieces and tiles of one launch. */
typedef struct Launch
{
	uint64 first_piece;
	uint64 first_tile;
	uint32 first_source;
	uint32 npieces;
	uint32 ntiles;
	uint64 keep_bytes; /* of all bitmaps */
} Launch;

/* Units of one column's dictionary of one source: from `first' on so many
 * tiles. */
typedef struct Units
{
	uint32 source;
	uint32 column;
	uint64 first;
	uint64 first_tile;
} Units;

typedef struct UnitsLaunch
{
	uint64 first_units;
	uint64 first_tile;
	uint32 nunits;
	uint32 ntiles;
} UnitsLaunch;

typedef struct Column
{
	uint8 kind;	 /* GstoreMergeKind */
	uint8 shift; /* as in GstoreMergeColumn */
	uint32 units;
	uint32 counted; /* GSTORE_MERGE_NONE: no row of any source can be NULL, nor
					 * has text */
	uint32 text;
	uint64 nulls;
	uint64 bytes;		/* of text, or of the new dictionary */
	uint64 values;		/* of it */
	uint64 most_units;	/* that one source has */
	uint32 *text_bytes; /* [tiles] */
	uint64 text_start;	/* of the launch at hand */
} Column;

/* A column of a source. */
typedef struct Source
{
	uint64 units;	  /* of its dictionary */
	uint64 map;		  /* where its map begins in the workspace */
	uint64 new_units; /* of values that are kept */
} Source;

typedef enum Phase
{
	COUNTING,
	COUNTING_UNITS,
	COPYING_UNITS,
	MAKING,
	BOUNDING,
	DONE
} Phase;

struct GstoreMergePlan
{
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	const GstoreKernelSource *given;
	uint32 nsources;
	uint32 ncolumns;
	uint32 ncounted;
	uint32 ntext;
	uint64 most_bytes;
	GstoreAllocator allocator;
	uint64 rows;
	GstoreImage **images; /* [nsources] */
	bool *used;			  /* [nsources]: some of its rows are kept */
	Source *sources;	  /* [nsources][ncolumns] */
	Column *columns;	  /* [ncolumns] */
	List pieces;		  /* Piece */
	List tiles;			  /* GstoreMergeTile; pieces counted from their
						   * launch's first */
	List launches;		  /* Launch */
	List units;			  /* Units */
	List unit_counts;	  /* GstoreMergeUnitCount, a tile each */
	List unit_launches;	  /* UnitsLaunch */
	uint64 map_bytes;

	Phase phase;
	uint64 at; /* launch of the phase, or the first block */
	bool counted;
	GstoreKernelStep step;

	void *header; /* of the new image */
	uint64 image_bytes;
	GstoreImage *image;
	uint64 address;
	GstoreBounds *bounds;
};

/* ---- small things ---- */

static GstoreCodecStatus
no_memory(GstoreCodecError *error)
{
	return gstore_codec_fail(error, GSTORE_CODEC_OUT_OF_MEMORY, -1,
							 "out of memory", "");
}

/* One more item, all zero; NULL if there is no memory. */
static void *
add_item(GstoreMergePlan *merge, List *list, size_t bytes)
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

static void *
take_memory(GstoreMergePlan *merge, uint64 bytes)
{
	void *memory = merge->allocator.alloc(merge->allocator.state,
										  Max(bytes, 8));

	if (memory != NULL)
		memset(memory, 0, Max(bytes, 8));
	return memory;
}

static void
give_memory(GstoreMergePlan *merge, void *memory)
{
	if (memory != NULL)
		merge->allocator.free(merge->allocator.state, memory);
}

static Source *
source_of(const GstoreMergePlan *merge, uint32 source, uint32 column)
{
	return &merge->sources[(uint64) source * merge->ncolumns + column];
}

/* A view of a column of an image at an address of a device. */
static GstoreCodecStatus
bind_at(const GstoreMergePlan *merge, const GstoreImage *image,
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
describe_column(const GstoreMergePlan *merge, uint32 number, Column *column)
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
	Column *column = &merge->columns[number];
	bool nulls = column->kind == GSTORE_MERGE_DICTIONARY;

	if (column->kind == GSTORE_MERGE_NOTHING)
		return GSTORE_CODEC_OK;
	for (uint32 i = 0; i < merge->nsources; i++)
	{
		GstoreColumnView view;
		GstoreCodecStatus status = bind_at(merge, merge->images[i], 8, number,
										   0, merge->given[i].rows, &view,
										   error);

		if (status != GSTORE_CODEC_OK)
			return status;
		nulls |= view.encoding == GSTORE_ENCODING_ABSENT ||
				 view.validity != NULL;
		if (view.encoding != GSTORE_ENCODING_PGSTROM_VARLENA)
			continue;
		source_of(merge, i, number)->units =
			(view.base_to - view.base_from) / 8;
		source_of(merge, i, number)->map = merge->map_bytes;
		merge->map_bytes +=
			PART(source_of(merge, i, number)->units * sizeof(uint32));
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
launch_bytes(const GstoreMergePlan *merge, const Launch *launch)
{
	uint64 n = merge->ncolumns;

	return PART(sizeof(GstoreMerge)) + n * sizeof(GstoreMergeColumn) +
		   launch->npieces * (sizeof(GstoreMergePiece) + 4 * PART_ALIGNMENT +
							  n * sizeof(GstoreMergeSource)) +
		   launch->keep_bytes + launch->ntiles * sizeof(GstoreMergeTile) +
		   (uint64) merge->ntext * (launch->ntiles + 1) * sizeof(uint64) +
		   (uint64) merge->ncounted * launch->ntiles * sizeof(GstoreMergeCount) +
		   (GSTORE_RANGES_PER_COLUMN + 1) * n * sizeof(GstoreMergeZeros) +
		   merge->codec->header_bytes(merge->schema) +
		   sizeof(GstoreMergeResult) + 2 * RESULT_ALIGNMENT;
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
	Launch *launch;
	Piece *piece;		   /* of the launch, its last; NULL: of another source */
	GstoreMergeTile *tile; /* being filled; NULL: none is */
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
		planning->launch = add_item(merge, &merge->launches, sizeof(Launch));
		if (planning->launch == NULL)
			return false;
		planning->launch->first_piece = merge->pieces.count;
		planning->launch->first_tile = merge->tiles.count;
		planning->launch->first_source = source;
	}
	merge->used[source] = true;
	planning->piece = add_item(merge, &merge->pieces, sizeof(Piece));
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
has_room(const GstoreMergePlan *merge, const Launch *launch, uint64 rows)
{
	Launch larger = *launch;

	larger.ntiles++;
	larger.npieces++;
	larger.keep_bytes += rows / 8 + PART_ALIGNMENT;
	return launch_bytes(merge, &larger) <= merge->most_bytes;
}

/* Rows [row, end) of a source, of which so many are kept: at most what the tile
 * at hand has room for. */
static bool
plan_rows(Planning *planning, uint32 source, uint64 row, uint64 end,
		  uint64 taken)
{
	GstoreMergePlan *merge = planning->merge;
	Launch *launch = planning->launch;
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
	return PART(sizeof(GstoreMergeDictionaries)) +
		   nunits * sizeof(GstoreMergeUnits) +
		   2 * ntiles * sizeof(GstoreMergeUnitCount) +
		   sizeof(GstoreMergeResult) + 2 * RESULT_ALIGNMENT;
}

/* The dictionary of a source's column, in as many launches as it takes. */
static bool
plan_units(GstoreMergePlan *merge, uint32 source, uint32 column,
		   uint32 *first_source)
{
	uint64 total = source_of(merge, source, column)->units;
	UnitsLaunch *launch = merge->unit_launches.count == 0
							  ? NULL
							  : (UnitsLaunch *) merge->unit_launches.items +
									merge->unit_launches.count - 1;
	Units *units = NULL;

	for (uint64 first = 0; first < total; first += GSTORE_MERGE_UNITS)
	{
		if (launch == NULL ||
			source - *first_source >= GSTORE_MERGE_PIECES ||
			units_bytes(launch->nunits + 1, launch->ntiles + 1) >
				merge->most_bytes)
		{
			launch = add_item(merge, &merge->unit_launches,
							  sizeof(UnitsLaunch));
			if (launch == NULL)
				return false;
			launch->first_units = merge->units.count;
			launch->first_tile = merge->unit_counts.count;
			*first_source = source;
			units = NULL;
		}
		if (units == NULL)
		{
			units = add_item(merge, &merge->units, sizeof(Units));
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
		Column *column = &merge->columns[i];

		if (column->text == GSTORE_MERGE_NONE)
			continue;
		column->text_bytes = take_memory(merge, merge->tiles.count *
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
	Launch smallest = {.npieces = 2, .ntiles = 2, .keep_bytes = ROWS_AT_ONCE / 4};

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
	merge->images = take_memory(merge, nsources * sizeof(GstoreImage *));
	merge->used = take_memory(merge, nsources * sizeof(bool));
	merge->sources = take_memory(merge, (uint64) nsources * merge->ncolumns *
											sizeof(Source));
	merge->columns = take_memory(merge, merge->ncolumns * sizeof(Column));
	merge->header = take_memory(merge, codec->header_bytes(schema));
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
		give_memory(merge, merge->columns[i].text_bytes);
	give_memory(merge, merge->images);
	give_memory(merge, merge->used);
	give_memory(merge, merge->sources);
	give_memory(merge, merge->columns);
	give_memory(merge, merge->header);
	give_memory(merge, merge->pieces.items);
	give_memory(merge, merge->tiles.items);
	give_memory(merge, merge->launches.items);
	give_memory(merge, merge->units.items);
	give_memory(merge, merge->unit_counts.items);
	give_memory(merge, merge->unit_launches.items);
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
	*zeros_from = GSTORE_ALIGN(merge->most_bytes, RESULT_ALIGNMENT);
	return *zeros_from + merge->map_bytes;
}

/* ---- steps ---- */

static const Launch *
launch_at(const GstoreMergePlan *merge)
{
	return (const Launch *) merge->launches.items + merge->at;
}

static const UnitsLaunch *
units_launch_at(const GstoreMergePlan *merge)
{
	return (const UnitsLaunch *) merge->unit_launches.items + merge->at;
}

static uint32
blocks_for(uint64 warps)
{
	uint64 blocks = (warps + GSTORE_KERNEL_WARPS - 1) / GSTORE_KERNEL_WARPS;

	return (uint32) Min(blocks, UINT32_MAX / GSTORE_KERNEL_WARPS);
}

/* Where the parts of a launch over rows begin. */
static void
lay_out_rows(const GstoreMergePlan *merge, const Launch *launch,
			 GstoreMerge *told, GstoreKernelStep *step)
{
	bool makes = merge->phase == MAKING;
	bool last = merge->at + 1 == merge->launches.count;
	uint64 at = PART(sizeof(GstoreMerge));

	memset(told, 0, sizeof(*told));
	told->ncolumns = merge->ncolumns;
	told->npieces = launch->npieces;
	told->ntiles = launch->ntiles;
	told->columns = (uint32) at;
	at += merge->ncolumns * sizeof(GstoreMergeColumn);
	told->pieces = (uint32) at;
	at += PART(launch->npieces * sizeof(GstoreMergePiece));
	told->sources = (uint32) at;
	at += (uint64) launch->npieces * merge->ncolumns *
		  sizeof(GstoreMergeSource);
	told->tiles = (uint32) at;
	at += launch->ntiles * sizeof(GstoreMergeTile);
	told->starts = (uint32) at;
	if (makes)
		at += (uint64) merge->ntext * (launch->ntiles + 1) * sizeof(uint64);
	if (makes && last)
	{
		told->zeros = (uint32) at;
		at += (uint64) (GSTORE_RANGES_PER_COLUMN + 1) * merge->ncolumns *
			  sizeof(GstoreMergeZeros);
		told->header = (uint32) at;
		told->header_bytes =
			(uint32) merge->codec->header_bytes(merge->schema);
		told->header_to = merge->address;
		at += PART(told->header_bytes);
	}
	/* bitmaps come here: see write_pieces */
	for (uint32 i = 0; i < launch->npieces; i++)
	{
		const Piece *piece = (const Piece *) merge->pieces.items +
							 launch->first_piece + i;

		if (merge->given[piece->source].keep != NULL)
			at += PART((piece->end - piece->first + 7) / 8);
	}
	step->told_bytes = (uint32) at + sizeof(GstoreMergeResult);
	told->result = (uint32) at;
	step->result_at = told->result;
	step->result_bytes = (uint32) (sizeof(GstoreMergeResult) +
								   (makes ? 0 : (uint64) merge->ncounted * launch->ntiles * sizeof(GstoreMergeCount)));
	told->bytes = step->result_at + step->result_bytes;
}

static void
step_over_rows(const GstoreMergePlan *merge, GstoreKernelStep *step)
{
	const Launch *launch = launch_at(merge);
	const Piece *pieces = (const Piece *) merge->pieces.items +
						  launch->first_piece;
	GstoreMerge told;

	lay_out_rows(merge, launch, &told, step);
	step->kernel = merge->phase == MAKING ? GSTORE_KERNEL_MERGE_ROWS
										  : GSTORE_KERNEL_MERGE_COUNT;
	step->shared_bytes = GSTORE_MERGE_SHARED;
	step->blocks = blocks_for(launch->ntiles);
	step->first_source = launch->first_source;
	step->nsources = pieces[launch->npieces - 1].source -
					 launch->first_source + 1;
	step->writes = merge->phase == MAKING;
}

static void
lay_out_units(const GstoreMergePlan *merge, const UnitsLaunch *launch,
			  GstoreMergeDictionaries *told, GstoreKernelStep *step)
{
	bool copies = merge->phase == COPYING_UNITS;
	uint64 at = PART(sizeof(GstoreMergeDictionaries));
	uint64 counts = launch->ntiles * sizeof(GstoreMergeUnitCount);

	memset(told, 0, sizeof(*told));
	told->ndictionaries = launch->nunits;
	told->ntiles = launch->ntiles;
	told->dictionaries = (uint32) at;
	at += launch->nunits * sizeof(GstoreMergeUnits);
	told->counts = (uint32) at;
	at += copies ? counts : 0;
	told->result = (uint32) at;
	step->told_bytes = (uint32) at + sizeof(GstoreMergeResult);
	step->result_at = told->result;
	step->result_bytes = (uint32) (sizeof(GstoreMergeResult) +
								   (copies ? 0 : counts));
	told->bytes = step->result_at + step->result_bytes;
}

static void
step_over_units(const GstoreMergePlan *merge, GstoreKernelStep *step)
{
	const UnitsLaunch *launch = units_launch_at(merge);
	const Units *units = (const Units *) merge->units.items +
						 launch->first_units;
	GstoreMergeDictionaries told;

	lay_out_units(merge, launch, &told, step);
	step->kernel = merge->phase == COPYING_UNITS ? GSTORE_KERNEL_UNITS_COPY
												 : GSTORE_KERNEL_UNITS_COUNT;
	step->shared_bytes = 0;
	step->blocks = blocks_for(launch->ntiles);
	step->first_source = units[0].source;
	step->nsources = units[launch->nunits - 1].source - units[0].source + 1;
	step->writes = merge->phase == COPYING_UNITS;
}

/* Blocks whose bounds are found in one launch, from merge->at on. */
static uint32
blocks_at_once(const GstoreMergePlan *merge)
{
	uint64 each = merge->ncolumns * sizeof(GstoreBounds);
	uint64 told = PART(sizeof(GstoreBoundsLaunch)) +
				  merge->ncolumns * sizeof(GstoreBoundsColumn) +
				  sizeof(GstoreMergeResult) + 2 * RESULT_ALIGNMENT;

	return (uint32) Min((merge->most_bytes - told) / each,
						gstore_block_count(merge->rows) - merge->at);
}

static void
step_over_bounds(const GstoreMergePlan *merge, GstoreKernelStep *step)
{
	uint32 nblocks = blocks_at_once(merge);

	step->kernel = GSTORE_KERNEL_BOUNDS;
	step->shared_bytes = 0;
	step->blocks = blocks_for((uint64) nblocks * merge->ncolumns);
	step->result_at = (uint32) (PART(sizeof(GstoreBoundsLaunch)) +
								merge->ncolumns * sizeof(GstoreBoundsColumn));
	step->told_bytes = step->result_at + sizeof(GstoreMergeResult);
	step->result_bytes = (uint32) (sizeof(GstoreMergeResult) +
								   (uint64) nblocks * merge->ncolumns *
									   sizeof(GstoreBounds));
	step->first_source = step->nsources = 0;
	step->writes = true;
}

bool
gstore_merge_plan_next(GstoreMergePlan *merge, GstoreKernelStep *step)
{
	for (;; merge->phase++, merge->at = 0)
	{
		/* who counted must say size, and place */
		if (merge->phase == DONE ||
			(merge->phase == COPYING_UNITS && merge->address == 0))
			return false;
		memset(step, 0, sizeof(*step));
		switch (merge->phase)
		{
			case COUNTING:
				if (merge->ncounted == 0 || merge->at >= merge->launches.count)
					continue;
				step_over_rows(merge, step);
				break;
			case MAKING:
				if (merge->at >= merge->launches.count)
					continue;
				step_over_rows(merge, step);
				break;
			case COUNTING_UNITS:
			case COPYING_UNITS:
				if (merge->at >= merge->unit_launches.count)
					continue;
				step_over_units(merge, step);
				break;
			case BOUNDING:
				if (merge->bounds == NULL || merge->ncolumns == 0 ||
					merge->at >= gstore_block_count(merge->rows))
					continue;
				step_over_bounds(merge, step);
				break;
			case DONE:
				break;
		}
		merge->step = *step;
		return true;
	}
}

/* ---- what kernels are told ---- */

/* Bits of rows [first, end) of a bitmap, to whole bytes. */
static void
write_keep(const uint8 *keep, const Piece *piece, uint8 *to)
{
	memcpy(to, keep + piece->first / 8, (piece->end - piece->first + 7) / 8);
}

static void
write_source(const GstoreMergePlan *merge, const Piece *piece,
			 uint32 number, uint64 workspace, GstoreMergeSource *to)
{
	const Source *source = source_of(merge, piece->source, number);
	GstoreColumnView view;
	GstoreCodecError error;
	uint64 zeros_from;

	memset(to, 0, sizeof(*to));
	/* It was bound before, for all its rows. */
	if (merge->columns[number].kind == GSTORE_MERGE_NOTHING ||
		bind_at(merge, merge->images[piece->source],
				merge->given[piece->source].address, number, piece->first,
				piece->end - piece->first, &view, &error) != GSTORE_CODEC_OK ||
		view.encoding == GSTORE_ENCODING_ABSENT)
		return;
	to->values = (uintptr_t) view.values;
	to->values_bit = (uint8) view.values_bit;
	to->validity = (uintptr_t) view.validity;
	to->validity_bit = (uint8) view.validity_bit;
	if (merge->columns[number].kind == GSTORE_MERGE_OFFSETS)
	{
		to->base = (uintptr_t) view.base;
		to->room = view.base_to;
	}
	else if (merge->columns[number].kind == GSTORE_MERGE_DICTIONARY)
	{
		(void) gstore_merge_plan_workspace(merge, &zeros_from);
		to->base = (uintptr_t) view.base + view.base_from;
		to->room = source->units * 8;
		to->map = workspace + zeros_from + source->map;
		to->before = (uint32) (view.base_from / 8);
	}
}

static void
write_column(const GstoreMergePlan *merge, uint32 number,
			 GstoreMergeColumn *to)
{
	const Column *column = &merge->columns[number];
	const GstoreColumn *def = &merge->schema->columns[number];
	GstoreColumnView view;
	GstoreCodecError error;

	memset(to, 0, sizeof(*to));
	to->kind = column->kind;
	to->shift = column->shift;
	to->units = column->units;
	to->counted = column->counted;
	to->text = column->text;
	to->longest = gstore_arrow_kind(def) == GSTORE_ARROW_NAME
					  ? GSTORE_NAME_LENGTH - 1
					  : (uint32) GSTORE_ARROW_MAX_TEXT;
	if (merge->phase != MAKING)
		return;
	if (column->kind == GSTORE_MERGE_NOTHING ||
		bind_at(merge, merge->image, merge->address, number, 0, merge->rows,
				&view, &error) != GSTORE_CODEC_OK ||
		view.encoding == GSTORE_ENCODING_ABSENT)
	{
		to->kind = GSTORE_MERGE_NOTHING;
		return;
	}
	to->values = (uintptr_t) view.values;
	to->validity = (uintptr_t) view.validity;
	to->base = (uintptr_t) view.base;
	to->before = (uint32) (view.base_from / 8);
}

/* Bytes of the new image that no row writes. */
static uint32
write_zeros(const GstoreMergePlan *merge, GstoreMergeZeros *zeros)
{
	uint32 n = 0;

	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		GstoreByteRange ranges[GSTORE_RANGES_PER_COLUMN];
		int nranges = merge->codec->column_ranges(merge->image, (int) i, 0,
												  merge->rows, ranges);

		for (int j = 0; j < nranges; j++)
		{
			uint64 end = ranges[j].offset + ranges[j].length;

			zeros[n].address = merge->address + end;
			zeros[n].bytes = GSTORE_ALIGN(end, merge->codec->alignment) - end;
			n += zeros[n].bytes > 0;
		}
		/* the first offset */
		if (merge->columns[i].kind == GSTORE_MERGE_OFFSETS)
		{
			zeros[n].address = merge->address + ranges[0].offset;
			zeros[n++].bytes = UINT64_C(1) << merge->columns[i].shift;
		}
	}
	return n;
}

/* Where the text of each tile of a launch begins, and the last one's ends. */
static void
write_starts(const GstoreMergePlan *merge, const Launch *launch,
			 uint64 *starts)
{
	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		const Column *column = &merge->columns[i];
		uint64 *to = starts + (uint64) column->text * (launch->ntiles + 1);
		uint64 at = column->text_start;

		if (column->text == GSTORE_MERGE_NONE)
			continue;
		for (uint32 tile = 0; tile <= launch->ntiles; tile++)
		{
			to[tile] = at;
			if (tile < launch->ntiles)
				at += column->text_bytes[launch->first_tile + tile];
		}
	}
}

static void
write_rows(const GstoreMergePlan *merge, uint64 workspace, uint8 *to)
{
	const Launch *launch = launch_at(merge);
	const Piece *pieces = (const Piece *) merge->pieces.items +
						  launch->first_piece;
	GstoreMerge *told = (GstoreMerge *) to;
	GstoreMergePiece *pieces_to;
	GstoreKernelStep step;
	uint64 at;

	lay_out_rows(merge, launch, told, &step);
	pieces_to = (GstoreMergePiece *) (to + told->pieces);
	at = told->result;
	for (uint32 i = 0; i < merge->ncolumns; i++)
		write_column(merge, i, (GstoreMergeColumn *) (to + told->columns) + i);
	for (uint32 i = launch->npieces; i-- > 0;)
	{
		const uint8 *keep = merge->given[pieces[i].source].keep;

		pieces_to[i].rows = (uint32) (pieces[i].end - pieces[i].first);
		pieces_to[i].keep = 0;
		for (uint32 j = 0; j < merge->ncolumns; j++)
			write_source(merge, &pieces[i], j, workspace,
						 (GstoreMergeSource *) (to + told->sources) +
							 (uint64) i * merge->ncolumns + j);
		if (keep == NULL)
			continue;
		/* bitmaps are the last that is told, so from behind */
		at -= PART((pieces_to[i].rows + 7) / 8);
		pieces_to[i].keep = (uint32) at;
		write_keep(keep, &pieces[i], to + at);
	}
	memcpy(to + told->tiles,
		   (const GstoreMergeTile *) merge->tiles.items + launch->first_tile,
		   launch->ntiles * sizeof(GstoreMergeTile));
	if (merge->phase == MAKING)
		write_starts(merge, launch, (uint64 *) (to + told->starts));
	if (told->header_to != 0)
	{
		told->nzeros = write_zeros(merge,
								   (GstoreMergeZeros *) (to + told->zeros));
		memcpy(to + told->header, merge->header, told->header_bytes);
	}
	memset(to + told->result, 0, sizeof(GstoreMergeResult));
}

static void
write_units(const GstoreMergePlan *merge, uint64 workspace, uint8 *to)
{
	const UnitsLaunch *launch = units_launch_at(merge);
	const Units *units = (const Units *) merge->units.items +
						 launch->first_units;
	GstoreMergeDictionaries *told = (GstoreMergeDictionaries *) to;
	GstoreMergeUnits *units_to;
	GstoreKernelStep step;

	lay_out_units(merge, launch, told, &step);
	units_to = (GstoreMergeUnits *) (to + told->dictionaries);
	for (uint32 i = 0; i < launch->nunits; i++)
	{
		const GstoreKernelSource *given = &merge->given[units[i].source];
		Piece all = {units[i].source, 0, given->rows};
		GstoreMergeSource source;
		GstoreColumnView view;
		GstoreCodecError error;

		write_source(merge, &all, units[i].column, workspace, &source);
		memset(&units_to[i], 0, sizeof(units_to[i]));
		units_to[i].map = source.map + units[i].first * sizeof(uint32);
		units_to[i].values = source.base + units[i].first * 8;
		units_to[i].units = source.room / 8 - units[i].first;
		units_to[i].first_tile = (uint32) (units[i].first_tile -
										   launch->first_tile);
		units_to[i].column = units[i].column;
		if (merge->phase == COPYING_UNITS &&
			bind_at(merge, merge->image, merge->address, units[i].column, 0,
					merge->rows, &view, &error) == GSTORE_CODEC_OK)
			units_to[i].to = (uintptr_t) view.base + view.base_from;
	}
	if (merge->phase == COPYING_UNITS)
		memcpy(to + told->counts,
			   (const GstoreMergeUnitCount *) merge->unit_counts.items +
				   launch->first_tile,
			   launch->ntiles * sizeof(GstoreMergeUnitCount));
	memset(to + told->result, 0, sizeof(GstoreMergeResult));
}

/* How the values of a column that has bounds are read. */
static GstoreBoundsLoad
bounds_load(const GstoreColumnView *view)
{
	switch (view->encoding)
	{
		case GSTORE_ENCODING_ABSENT:
			return GSTORE_BOUNDS_NOTHING;
		case GSTORE_ENCODING_FIXED:
			return GSTORE_BOUNDS_FIXED;
		case GSTORE_ENCODING_ARROW_BITS:
			return GSTORE_BOUNDS_BITS;
		case GSTORE_ENCODING_ARROW_TEXT:
			return GSTORE_BOUNDS_OFFSETS;
		case GSTORE_ENCODING_PGSTROM_VARLENA:
			return GSTORE_BOUNDS_DICTIONARY;
		case GSTORE_ENCODING_ARROW_FIXED:
			break;
		default:
			return GSTORE_BOUNDS_ANYTHING;
	}
	switch (view->arrow_kind)
	{
		case GSTORE_ARROW_DATE:
			return GSTORE_BOUNDS_DATE;
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			return GSTORE_BOUNDS_TIMESTAMP;
		case GSTORE_ARROW_INTERVAL:
			return GSTORE_BOUNDS_SPAN;
		case GSTORE_ARROW_NUMERIC:
			return GSTORE_BOUNDS_DECIMAL;
		default:
			return GSTORE_BOUNDS_ANYTHING;
	}
}

static void
write_bounds_column(const GstoreMergePlan *merge, uint32 number,
					GstoreBoundsColumn *to)
{
	const GstoreColumn *def = &merge->schema->columns[number];
	GstoreColumnView view;
	GstoreCodecError error;

	memset(to, 0, sizeof(*to));
	to->load = GSTORE_BOUNDS_ANYTHING;
	to->order = def->order;
	if (def->dropped || def->order == GSTORE_ORDER_NONE ||
		bind_at(merge, merge->image, merge->address, number, 0, merge->rows,
				&view, &error) != GSTORE_CODEC_OK)
		return;
	to->load = bounds_load(&view);
	to->values = (uintptr_t) view.values;
	to->validity = (uintptr_t) view.validity;
	to->base = (uintptr_t) view.base;
	to->room = view.base_to;
	to->stride = view.stride;
	to->scale = view.scale;
	to->attlen = (uint32) view.attlen;
}

static void
write_bounds(const GstoreMergePlan *merge, uint8 *to)
{
	GstoreBoundsLaunch *told = (GstoreBoundsLaunch *) to;

	memset(told, 0, sizeof(*told));
	told->bytes = merge->step.result_at + merge->step.result_bytes;
	told->ncolumns = merge->ncolumns;
	told->columns = PART(sizeof(*told));
	told->nblocks = blocks_at_once(merge);
	told->first_block = merge->at;
	told->rows = merge->rows;
	told->result = merge->step.result_at;
	for (uint32 i = 0; i < merge->ncolumns; i++)
		write_bounds_column(merge, i,
							(GstoreBoundsColumn *) (to + told->columns) + i);
	memset(to + told->result, 0, sizeof(GstoreMergeResult));
}

void
gstore_merge_plan_write(GstoreMergePlan *merge, uint64 workspace,
						void *memory)
{
	switch (merge->phase)
	{
		case COUNTING:
		case MAKING:
			write_rows(merge, workspace, memory);
			break;
		case COUNTING_UNITS:
		case COPYING_UNITS:
			write_units(merge, workspace, memory);
			break;
		case BOUNDING:
			write_bounds(merge, memory);
			break;
		case DONE:
			break;
	}
}

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
	const Launch *launch = launch_at(merge);

	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		Column *column = &merge->columns[i];
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
	const Launch *launch = launch_at(merge);

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
	const UnitsLaunch *launch = units_launch_at(merge);
	const Units *units = (const Units *) merge->units.items +
						 launch->first_units;

	memcpy((GstoreMergeUnitCount *) merge->unit_counts.items +
			   launch->first_tile,
		   counts, launch->ntiles * sizeof(*counts));
	for (uint32 i = 0; i < launch->nunits; i++)
	{
		Source *source = source_of(merge, units[i].source, units[i].column);
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
	uint32 nblocks = blocks_at_once(merge);
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
	if (merge->phase == COUNTING)
		take_counts(merge, (const GstoreMergeCount *) (head + 1));
	else if (merge->phase == MAKING)
		pass_text(merge);
	else if (merge->phase == COUNTING_UNITS)
		status = take_unit_counts(merge,
								  (const GstoreMergeUnitCount *) (head + 1),
								  error);
	if (merge->phase == BOUNDING)
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
	Column *column = &merge->columns[number];
	GstoreMergeUnitCount *counts = merge->unit_counts.items;
	const Units *units = merge->units.items;
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
								 source_of(merge, i, number)->new_units);
}

uint64
gstore_merge_plan_size(GstoreMergePlan *merge, const char **why)
{
	GstoreColumnSize *sizes = take_memory(merge, merge->ncolumns *
													 sizeof(*sizes));
	GstoreCodecStatus status = GSTORE_CODEC_OUT_OF_MEMORY;
	GstoreCodecError error;
	uint64 repeated = 0;

	for (uint32 i = 0; sizes != NULL && i < merge->ncolumns; i++)
	{
		Column *column = &merge->columns[i];

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
	give_memory(merge, sizes);
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
