/*
 * copy.c
 *	  Copying what a snapshot sees into one image; see copy.h.
 *
 * Private memory: about the size of the image, until it is written.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "codec/arrow.h"
#include "request/view.h"
#include "store/build.h"
#include "store/copy.h"
#include "store/window.h"

/* Is what the codec takes and gives something else than the type's values? */
static bool
needs_form(const GstoreColumn *column)
{
	return column->arrow_kind == GSTORE_ARROW_OUTPUT ||
		   column->nchildren > 0;
}

/*
 * Are its columns what they are today?  A column that the format arrow keeps as
 * the text of its type, or as a list or struct, can be made from nothing else
 * here.
 */
static void
check_source(const GstoreTarget *target, const GstoreSeenChunk *seen)
{
	const GstoreSchema *then = &seen->stamp->schema;

	for (int i = 0; i < then->ncols && i < target->schema->ncols; i++)
	{
		const GstoreColumn *now = &target->schema->columns[i];

		if (now->dropped || then->columns[i].dropped)
			continue;
		gstore_check_column(target, seen->stamp, i + 1);
		if ((needs_form(now) || needs_form(&then->columns[i])) &&
			!gstore_arrow_same_kinds(target->schema, i, then, i))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("foreign table \"%s\" has rows of two formats",
							target->relname),
					 errdetail("Column \"%s\" is kept in different forms in them.",
							   now->name),
					 errhint("Copy the rows into a new table of one format.")));
	}
}

/* The rows that are seen: what is hidden, inverted; NULL for all. */
static uint8 *
rows_to_keep(const GstoreSeenChunk *seen)
{
	Size bytes = ((Size) seen->chunk->rows + 7) / 8;
	uint8 *keep;

	if (seen->hidden == NULL)
		return NULL;
	keep = palloc_extended(bytes, MCXT_ALLOC_HUGE);
	for (Size i = 0; i < bytes; i++)
		keep[i] = ~seen->hidden[i];
	return keep;
}

static GstoreChunk *
write_chunk(const GstoreTarget *target, GstoreBuilder *builder,
			const char *purpose, GstoreHold **hold)
{
	const GstoreCodec *codec = target->codec;
	uint64 bytes = codec->builder_image_bytes(builder);
	GstoreChunk *chunk = gstore_chunk_create(0, hold);
	GstoreImageSpace *space = gstore_image_reserve_shareable(target->pinning,
															 bytes, purpose);

	gstore_builder_write(codec, builder, gstore_image_memory(space));
	chunk->location = gstore_image_place(space);
	chunk->format = codec->format;
	chunk->pinning = target->pinning;
	chunk->rows = codec->builder_rows(builder);
	chunk->image_bytes = bytes;
	return chunk;
}

GstoreChunk *
gstore_copy_rows(const GstoreTarget *target, const GstoreSeenSet *set,
				 uint32 first, uint32 count, GstoreHold **hold)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gstore_fdw copy",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GstoreGathering gathering = {.codec = target->codec,
								 .schema = target->schema,
								 .relname = target->relname,
								 .table = gstore_table_find(target->relid),
								 .for_export = true};
	GstoreChunk *chunk = NULL;

	gathering.purpose = psprintf("copying foreign table \"%s\"",
								 target->relname);
	gstore_gathering_begin(&gathering);
	for (uint32 i = first; i < first + count; i++)
	{
		const GstoreSeenChunk *seen = &set->chunks[i];
		uint8 *keep = rows_to_keep(seen);

		CHECK_FOR_INTERRUPTS();
		check_source(target, seen);
		gstore_gathering_add(&gathering, seen->chunk, &seen->stamp->schema,
							 keep);
		if (keep != NULL)
			pfree(keep);
	}
	if (target->codec->builder_rows(gathering.builder) > 0)
		chunk = write_chunk(target, gathering.builder, gathering.purpose,
							hold);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return chunk;
}
