/*
 * merge_kernel_steps.c
 *	  The steps of a merge by kernels: which is next, how large it is, and what
 *	  its kernel is told (cuda/merge.h).
 *
 * Must never write more than the step said that it would.
 */
#include <string.h>

#include "codec/arrow.h"
#include "codec/merge_kernel_plan.h"

/* ---- which steps, and how large ---- */

static uint32
blocks_for(uint64 warps)
{
	uint64 blocks = (warps + GSTORE_KERNEL_WARPS - 1) / GSTORE_KERNEL_WARPS;

	return (uint32) Min(blocks, UINT32_MAX / GSTORE_KERNEL_WARPS);
}

/* Where the parts of a launch over rows begin. */
static void
lay_out_rows(const GstoreMergePlan *merge, const GstorePlannedLaunch *launch,
			 GstoreMerge *told, GstoreKernelStep *step)
{
	bool makes = merge->phase == GSTORE_MERGE_MAKING;
	bool last = merge->at + 1 == merge->launches.count;
	uint64 at = GSTORE_MERGE_PART(sizeof(GstoreMerge));

	memset(told, 0, sizeof(*told));
	told->ncolumns = merge->ncolumns;
	told->npieces = launch->npieces;
	told->ntiles = launch->ntiles;
	told->columns = (uint32) at;
	at += merge->ncolumns * sizeof(GstoreMergeColumn);
	told->pieces = (uint32) at;
	at += GSTORE_MERGE_PART(launch->npieces * sizeof(GstoreMergePiece));
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
		at += GSTORE_MERGE_PART(told->header_bytes);
	}
	/* bitmaps come here: see write_rows */
	for (uint32 i = 0; i < launch->npieces; i++)
	{
		const GstorePlannedPiece *piece =
			gstore_merge_pieces_of(merge, launch) + i;

		if (merge->given[piece->source].keep != NULL)
			at += GSTORE_MERGE_PART((piece->end - piece->first + 7) / 8);
	}
	step->told_bytes = (uint32) at + sizeof(GstoreMergeResult);
	told->result = (uint32) at;
	step->result_at = told->result;
	step->result_bytes = (uint32) (sizeof(GstoreMergeResult) +
								   (makes ? 0
										  : (uint64) merge->ncounted *
												launch->ntiles *
												sizeof(GstoreMergeCount)));
	told->bytes = step->result_at + step->result_bytes;
}

static void
step_over_rows(const GstoreMergePlan *merge, GstoreKernelStep *step)
{
	const GstorePlannedLaunch *launch = gstore_merge_launch_at(merge);
	const GstorePlannedPiece *pieces = gstore_merge_pieces_of(merge, launch);
	GstoreMerge told;

	lay_out_rows(merge, launch, &told, step);
	step->kernel = merge->phase == GSTORE_MERGE_MAKING
					   ? GSTORE_KERNEL_MERGE_ROWS
					   : GSTORE_KERNEL_MERGE_COUNT;
	step->shared_bytes = GSTORE_MERGE_SHARED;
	step->blocks = blocks_for(launch->ntiles);
	step->first_source = launch->first_source;
	step->nsources = pieces[launch->npieces - 1].source -
					 launch->first_source + 1;
	step->writes = merge->phase == GSTORE_MERGE_MAKING;
}

static void
lay_out_units(const GstoreMergePlan *merge,
			  const GstorePlannedUnitsLaunch *launch,
			  GstoreMergeDictionaries *told, GstoreKernelStep *step)
{
	bool copies = merge->phase == GSTORE_MERGE_COPYING_UNITS;
	uint64 at = GSTORE_MERGE_PART(sizeof(GstoreMergeDictionaries));
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
	const GstorePlannedUnitsLaunch *launch = gstore_merge_units_launch_at(merge);
	const GstorePlannedUnits *units = gstore_merge_units_of(merge, launch);
	GstoreMergeDictionaries told;

	lay_out_units(merge, launch, &told, step);
	step->kernel = merge->phase == GSTORE_MERGE_COPYING_UNITS
					   ? GSTORE_KERNEL_UNITS_COPY
					   : GSTORE_KERNEL_UNITS_COUNT;
	step->shared_bytes = 0;
	step->blocks = blocks_for(launch->ntiles);
	step->first_source = units[0].source;
	step->nsources = units[launch->nunits - 1].source - units[0].source + 1;
	step->writes = merge->phase == GSTORE_MERGE_COPYING_UNITS;
}

uint32
gstore_merge_blocks_at_once(const GstoreMergePlan *merge)
{
	uint64 each = merge->ncolumns * sizeof(GstoreBounds);
	uint64 told = GSTORE_MERGE_PART(sizeof(GstoreBoundsLaunch)) +
				  merge->ncolumns * sizeof(GstoreBoundsColumn) +
				  sizeof(GstoreMergeResult) + 2 * GSTORE_MERGE_RESULT_ALIGNMENT;

	return (uint32) Min((merge->most_bytes - told) / each,
						gstore_block_count(merge->rows) - merge->at);
}

static void
step_over_bounds(const GstoreMergePlan *merge, GstoreKernelStep *step)
{
	uint32 nblocks = gstore_merge_blocks_at_once(merge);

	step->kernel = GSTORE_KERNEL_BOUNDS;
	step->shared_bytes = 0;
	step->blocks = blocks_for((uint64) nblocks * merge->ncolumns);
	step->result_at = (uint32) (GSTORE_MERGE_PART(sizeof(GstoreBoundsLaunch)) +
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
		if (merge->phase == GSTORE_MERGE_DONE ||
			(merge->phase == GSTORE_MERGE_COPYING_UNITS && merge->address == 0))
			return false;
		memset(step, 0, sizeof(*step));
		switch (merge->phase)
		{
			case GSTORE_MERGE_COUNTING:
				if (merge->ncounted == 0 || merge->at >= merge->launches.count)
					continue;
				step_over_rows(merge, step);
				break;
			case GSTORE_MERGE_MAKING:
				if (merge->at >= merge->launches.count)
					continue;
				step_over_rows(merge, step);
				break;
			case GSTORE_MERGE_COUNTING_UNITS:
			case GSTORE_MERGE_COPYING_UNITS:
				if (merge->at >= merge->unit_launches.count)
					continue;
				step_over_units(merge, step);
				break;
			case GSTORE_MERGE_BOUNDING:
				if (merge->bounds == NULL || merge->ncolumns == 0 ||
					merge->at >= gstore_block_count(merge->rows))
					continue;
				step_over_bounds(merge, step);
				break;
			case GSTORE_MERGE_DONE:
				break;
		}
		merge->step = *step;
		return true;
	}
}

/* ---- what kernels are told ---- */

/* Bits of rows [first, end) of a bitmap, to whole bytes. */
static void
write_keep(const uint8 *keep, const GstorePlannedPiece *piece, uint8 *to)
{
	memcpy(to, keep + piece->first / 8, (piece->end - piece->first + 7) / 8);
}

static void
write_source(const GstoreMergePlan *merge, const GstorePlannedPiece *piece,
			 uint32 number, uint64 workspace, GstoreMergeSource *to)
{
	const GstorePlannedSource *source =
		gstore_merge_source_of(merge, piece->source, number);
	GstoreColumnView view;
	GstoreCodecError error;
	uint64 zeros_from;

	memset(to, 0, sizeof(*to));
	/* It was bound before, for all its rows. */
	if (merge->columns[number].kind == GSTORE_MERGE_NOTHING ||
		gstore_merge_bind_at(merge, merge->images[piece->source],
							 merge->given[piece->source].address, number,
							 piece->first, piece->end - piece->first, &view,
							 &error) != GSTORE_CODEC_OK ||
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
	const GstorePlannedColumn *column = &merge->columns[number];
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
	if (merge->phase != GSTORE_MERGE_MAKING)
		return;
	if (column->kind == GSTORE_MERGE_NOTHING ||
		gstore_merge_bind_at(merge, merge->image, merge->address, number, 0,
							 merge->rows, &view, &error) != GSTORE_CODEC_OK ||
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
write_starts(const GstoreMergePlan *merge, const GstorePlannedLaunch *launch,
			 uint64 *starts)
{
	for (uint32 i = 0; i < merge->ncolumns; i++)
	{
		const GstorePlannedColumn *column = &merge->columns[i];
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
	const GstorePlannedLaunch *launch = gstore_merge_launch_at(merge);
	const GstorePlannedPiece *pieces = gstore_merge_pieces_of(merge, launch);
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
		at -= GSTORE_MERGE_PART((pieces_to[i].rows + 7) / 8);
		pieces_to[i].keep = (uint32) at;
		write_keep(keep, &pieces[i], to + at);
	}
	memcpy(to + told->tiles,
		   (const GstoreMergeTile *) merge->tiles.items + launch->first_tile,
		   launch->ntiles * sizeof(GstoreMergeTile));
	if (merge->phase == GSTORE_MERGE_MAKING)
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
	const GstorePlannedUnitsLaunch *launch = gstore_merge_units_launch_at(merge);
	const GstorePlannedUnits *units = gstore_merge_units_of(merge, launch);
	GstoreMergeDictionaries *told = (GstoreMergeDictionaries *) to;
	GstoreMergeUnits *units_to;
	GstoreKernelStep step;

	lay_out_units(merge, launch, told, &step);
	units_to = (GstoreMergeUnits *) (to + told->dictionaries);
	for (uint32 i = 0; i < launch->nunits; i++)
	{
		const GstoreKernelSource *given = &merge->given[units[i].source];
		GstorePlannedPiece all = {units[i].source, 0, given->rows};
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
		if (merge->phase == GSTORE_MERGE_COPYING_UNITS &&
			gstore_merge_bind_at(merge, merge->image, merge->address,
								 units[i].column, 0, merge->rows, &view,
								 &error) == GSTORE_CODEC_OK)
			units_to[i].to = (uintptr_t) view.base + view.base_from;
	}
	if (merge->phase == GSTORE_MERGE_COPYING_UNITS)
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
		gstore_merge_bind_at(merge, merge->image, merge->address, number, 0,
							 merge->rows, &view, &error) != GSTORE_CODEC_OK)
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
	told->columns = GSTORE_MERGE_PART(sizeof(*told));
	told->nblocks = gstore_merge_blocks_at_once(merge);
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
		case GSTORE_MERGE_COUNTING:
		case GSTORE_MERGE_MAKING:
			write_rows(merge, workspace, memory);
			break;
		case GSTORE_MERGE_COUNTING_UNITS:
		case GSTORE_MERGE_COPYING_UNITS:
			write_units(merge, workspace, memory);
			break;
		case GSTORE_MERGE_BOUNDING:
			write_bounds(merge, memory);
			break;
		case GSTORE_MERGE_DONE:
			break;
	}
}
