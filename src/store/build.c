/*
 * build.c
 *	  Chunks made of chunks; see build.h.
 *
 * Private memory: about the size of the image, until it is written.  Must know
 * nothing of who sees which rows: its callers say which to keep.
 */
#include "postgres.h"

#include "request/view.h"
#include "store/build.h"
#include "store/writer.h"

static void
check(const GstoreGathering *gathering, GstoreCodecStatus status,
	  GstoreCodecError *error)
{
	if (status == GSTORE_CODEC_OK)
		return;
	if (status == GSTORE_CODEC_LIMIT && gathering->for_export)
		strlcpy(error->hint,
				gathering->codec->format == GSTORE_FORMAT_ARROW
					? "Set the table's option large_text to 'on', or export it chunk by chunk, with gstore_export_chunks()."
					: "Export the table chunk by chunk, with gstore_export_chunks().",
				sizeof(error->hint));
	gstore_codec_raise(status, error, gathering->relname, gathering->schema);
}

void
gstore_gathering_begin(GstoreGathering *gathering)
{
	gathering->allocator = gstore_context_allocator();
	gathering->builder = gathering->codec->builder_create(gathering->schema,
														  &gathering->allocator);
	if (gathering->builder == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory while %s", gathering->purpose)));
}

void
gstore_gathering_add(GstoreGathering *gathering, const GstoreChunk *chunk,
					 const GstoreSchema *then, const uint8 *keep)
{
	const GstoreCodec *codec = gstore_codec(chunk->format);
	GstoreByteRange all = {0, chunk->image_bytes};
	GstoreView *view = gstore_view_open(chunk->location, chunk->self, &all, 1,
										gathering->purpose);
	GstoreCodecStatus status;
	GstoreCodecError error;
	GstoreImage *image;
	const void *bytes;
	void *copy = NULL;

	gstore_view_wait(view);
	bytes = gstore_view_pointer(view, 0);
	if (gstore_table_is_exposed(gathering->table) && chunk->format == GSTORE_FORMAT_PGSTROM &&
		chunk->location.kind == GSTORE_LOCATION_ARENA)
	{
		/* somebody may write into it: the length of a value must not change
		 * once it was checked */
		copy = palloc_extended(chunk->image_bytes, MCXT_ALLOC_HUGE);
		bytes = memcpy(copy, bytes, chunk->image_bytes);
	}
	status = codec->open(bytes, chunk->image_bytes, then,
						 &gathering->allocator, &image, &error);
	check(gathering, status, &error);
	status = gstore_codec_merge(gathering->codec, gathering->builder,
								gathering->schema, codec, image, then, bytes,
								keep, &gathering->allocator, &error);
	check(gathering, status, &error);
	codec->close(image);
	gstore_view_close(view);
	if (copy != NULL)
		pfree(copy);
}

void
gstore_gathering_write(GstoreGathering *gathering, int pinning,
					   GstoreShelf *shelf, GstoreChunk *chunk)
{
	const GstoreCodec *codec = gathering->codec;
	GstoreBuilder *builder = gathering->builder;
	int ncols = gathering->schema->ncols;
	GstoreImageSpace *space;
	GstoreBounds *bounds;

	chunk->format = codec->format;
	chunk->pinning = pinning;
	chunk->rows = codec->builder_rows(builder);
	chunk->image_bytes = codec->builder_image_bytes(builder);
	space = gstore_image_reserve(pinning, chunk->image_bytes, shelf,
								 gathering->purpose);
	gstore_builder_write(codec, builder, gstore_image_memory(space));
	bounds = gstore_bounds_make(CurrentMemoryContext, chunk->rows, ncols);
	for (int i = 0; bounds != NULL && i < ncols; i++)
		codec->builder_bounds(builder, i, chunk->rows, bounds + i, ncols);
	gstore_chunk_keep_bounds(chunk, bounds, ncols);
	if (bounds != NULL)
		pfree(bounds);
	chunk->location = gstore_image_place(space);
}
