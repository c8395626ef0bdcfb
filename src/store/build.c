/*
 * build.c
 *	  Chunks made of chunks; see build.h.
 *
 * Where all sources lie on the chunk's device, in its format and columns, kernels
 * make it there: build_kernel.c.  Else rows go through the codec.  Private
 * memory: about the size of the image, until it is written.  Must know nothing of
 * who sees which rows: its callers say which to take.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "request/view.h"
#include "store/build.h"
#include "store/build_kernel.h"
#include "store/codec_context.h"
#include "store/progress.h"

static void
check(const GstoreBuild *build, GstoreCodecStatus status,
	  GstoreCodecError *error)
{
	if (status == GSTORE_CODEC_OK)
		return;
	if (status == GSTORE_CODEC_LIMIT && build->for_export)
		strlcpy(error->hint,
				build->codec->format == GSTORE_FORMAT_ARROW
					? "Set the table's option large_text to 'on', or export it chunk by chunk, with gstore_export_chunks()."
					: "Export the table chunk by chunk, with gstore_export_chunks().",
				sizeof(error->hint));
	gstore_codec_raise(status, error, build->relname, build->schema);
}

void
gstore_build_check_rows(uint64 rows)
{
	if (rows > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("one image holds at most %u rows", PG_UINT32_MAX),
				 errdetail("There are %llu.", (unsigned long long) rows),
				 errhint("Export chunk by chunk: gstore_export_chunks().")));
}

/* Append the rows of a source. */
static void
add(const GstoreBuild *build, const GstoreBuildSource *source,
	GstoreBuilder *builder, const GstoreAllocator *allocator)
{
	const GstoreChunk *chunk = source->chunk;
	const GstoreCodec *codec = gstore_codec(chunk->format);
	GstoreByteRange all = {0, chunk->image_bytes};
	GstoreView *view = gstore_view_open(chunk->location, chunk->self, &all, 1,
										build->purpose);
	GstoreCodecStatus status;
	GstoreCodecError error;
	GstoreImage *image;
	const void *bytes;
	void *copy = NULL;

	gstore_view_wait(view);
	bytes = gstore_view_pointer(view, 0);
	if (gstore_table_is_exposed(build->table) &&
		chunk->format == GSTORE_FORMAT_PGSTROM &&
		chunk->location.kind == GSTORE_LOCATION_ARENA)
	{
		/* somebody may write into it: the length of a value must not change
		 * once it was checked */
		copy = palloc_extended(chunk->image_bytes, MCXT_ALLOC_HUGE);
		bytes = memcpy(copy, bytes, chunk->image_bytes);
	}
	status = codec->open(bytes, chunk->image_bytes, source->schema, allocator,
						 &image, &error);
	check(build, status, &error);
	status = gstore_codec_merge(build->codec, builder, build->schema, codec,
								image, source->schema, bytes, source->keep,
								allocator, &error);
	check(build, status, &error);
	codec->close(image);
	gstore_view_close(view);
	if (copy != NULL)
		pfree(copy);
}

/* Write what was gathered to its place on the device. */
static void
write_image(const GstoreBuild *build, GstoreBuilder *builder, GstoreChunk *chunk)
{
	GstoreImageSpace *space =
		build->shareable
			? gstore_image_reserve_shareable(build->pinning, chunk->image_bytes,
											 build->purpose)
			: gstore_image_reserve(build->pinning, chunk->image_bytes,
								   build->shelf, build->purpose);
	GstoreBounds *bounds = NULL;
	int ncols = build->schema->ncols;

	gstore_builder_write(build->codec, builder, gstore_image_memory(space));
	if (!build->shareable)
		bounds = gstore_chunk_make_bounds(chunk, ncols);
	for (int i = 0; bounds != NULL && i < ncols; i++)
		build->codec->builder_bounds(builder, i, chunk->rows, bounds + i, ncols);
	chunk->location = gstore_image_place(space);
}

static GstoreChunk *
by_codec(const GstoreBuild *build, GstoreHold **hold)
{
	const GstoreCodec *codec = build->codec;
	GstoreAllocator allocator = gstore_context_allocator();
	GstoreBuilder *builder = codec->builder_create(build->schema, &allocator);
	GstoreChunk *chunk;

	if (builder == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory while %s", build->purpose)));
	for (uint32 i = 0; i < build->nsources; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add(build, &build->sources[i], builder, &allocator);
		gstore_progress_read(build->sources[i].chunk->image_bytes);
	}
	if (codec->builder_rows(builder) == 0)
		return NULL;
	gstore_build_check_rows(codec->builder_rows(builder));
	gstore_progress_tell(GSTORE_COMPACT_PHASE, GSTORE_COMPACT_WRITING);
	chunk = gstore_chunk_create(build->nranges, hold);
	chunk->format = codec->format;
	chunk->pinning = build->pinning;
	chunk->rows = codec->builder_rows(builder);
	chunk->image_bytes = codec->builder_image_bytes(builder);
	write_image(build, builder, chunk);
	return chunk;
}

GstoreChunk *
gstore_build_chunk(const GstoreBuild *build, GstoreHold **hold)
{
	GstoreChunk *chunk;

	gstore_progress_tell(GSTORE_COMPACT_PHASE, GSTORE_COMPACT_READING);
	if (gstore_build_by_kernels(build, hold, &chunk))
		return chunk;
	return by_codec(build, hold);
}
