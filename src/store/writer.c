/*
 * writer.c
 *	  Staging rows and turning them into chunks; see writer.h.
 *
 * A writer's private memory is the builder's column buffers: about one chunk
 * (gstore_fdw.chunk_size), kept from one chunk to the next.  The image is
 * written straight to where the device wants it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/pg_lzcompress.h"
#include "utils/memutils.h"

#include "fault.h"
#include "guc.h"
#include "request/view.h"
#include "store/join.h"
#include "store/pending.h"
#include "store/publish.h"
#include "store/table.h"
#include "store/writer.h"

struct GstoreWriter
{
	GstorePending pending;
	const GstoreTarget *target;
	GstoreAllocator allocator;
	GstoreBuilder *builder;
	uint64 chunk_bytes; /* image size at which a chunk is full */
	bool by_update;
	FullTransactionId xid;
	CommandId cid;
	SubTransactionId subid;
	char *purpose;							   /* for error messages */
	char *(*refused)(void *state, int column); /* or NULL */
	void *refused_state;
};

/* ---- the codec's memory and errors ---- */

static void *
context_alloc(void *state, size_t bytes)
{
	return MemoryContextAllocExtended(state, bytes, MCXT_ALLOC_HUGE);
}

static void *
context_resize(void *state, void *memory, size_t bytes)
{
	return memory == NULL ? context_alloc(state, bytes) : repalloc_huge(memory, bytes);
}

static void
context_free(void *state, void *memory)
{
	(void) state;
	if (memory != NULL)
		pfree(memory);
}

static int32
context_compress(const char *source, int32 length, char *target)
{
	return pglz_compress(source, length, target, PGLZ_strategy_default);
}

GstoreAllocator
gstore_context_allocator(void)
{
	GstoreAllocator allocator = {
		context_alloc, context_resize, context_free, CurrentMemoryContext,
		context_compress};

	return allocator;
}

void
gstore_codec_raise(GstoreCodecStatus status, const GstoreCodecError *error,
				   const char *relname, const GstoreSchema *schema)
{
	static const int sqlstates[] = {
		[GSTORE_CODEC_OK] = ERRCODE_INTERNAL_ERROR,
		[GSTORE_CODEC_OUT_OF_MEMORY] = ERRCODE_OUT_OF_MEMORY,
		[GSTORE_CODEC_LIMIT] = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		[GSTORE_CODEC_VALUE] = ERRCODE_INVALID_PARAMETER_VALUE,
		[GSTORE_CODEC_CORRUPT] = ERRCODE_DATA_CORRUPTED,
	};
	const char *column = error->column >= 0 && error->column < schema->ncols ? schema->columns[error->column].name : NULL;

	ereport(ERROR,
			(errcode(sqlstates[status]),
			 column != NULL ? errmsg("column \"%s\" of foreign table \"%s\": %s",
									 column, relname, error->message)
							: errmsg("foreign table \"%s\": %s", relname, error->message),
			 error->hint[0] != '\0' ? errhint("%s", error->hint) : 0));
}

/* ---- writers ---- */

static void
flush_pending(void *state)
{
	gstore_writer_flush(state);
}

GstoreWriter *
gstore_writer_begin(const GstoreTarget *target, bool by_update)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gstore_fdw writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GstoreWriter *writer = palloc0(sizeof(GstoreWriter));

	writer->target = target;
	writer->by_update = by_update;
	writer->chunk_bytes = (uint64) gstore_guc_chunk_size * 1024;
	writer->cid = GetCurrentCommandId(true);
	writer->subid = GetCurrentSubTransactionId();
	writer->purpose = psprintf("writing foreign table \"%s\"",
							   target->relname);
	writer->allocator = gstore_context_allocator();
	gstore_pending_add(&writer->pending, target->relid, flush_pending,
					   writer);
	MemoryContextSwitchTo(old);
	return writer;
}

void
gstore_writer_on_refusal(GstoreWriter *writer,
						 char *(*describe)(void *state, int column),
						 void *state)
{
	writer->refused = describe;
	writer->refused_state = state;
}

void
gstore_writer_append(GstoreWriter *writer, const GstoreValue *values,
					 const bool *nulls)
{
	const GstoreTarget *target = writer->target;
	const GstoreCodec *codec = target->codec;
	GstoreCodecStatus status;
	GstoreCodecError error;

	if (unlikely(writer->builder == NULL))
	{
		writer->xid = GetCurrentFullTransactionId();
		writer->builder = codec->builder_create(target->schema,
												&writer->allocator);
		if (writer->builder == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory while %s", writer->purpose)));
	}

	status = codec->append(writer->builder, values, nulls, &error);
	if (unlikely(status == GSTORE_CODEC_LIMIT &&
				 codec->builder_rows(writer->builder) > 0))
	{
		/* The chunk is full before its time: the row opens the next one. */
		gstore_writer_flush(writer);
		status = codec->append(writer->builder, values, nulls, &error);
	}
	if (unlikely(status == GSTORE_CODEC_VALUE && writer->refused != NULL &&
				 error.column >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of foreign table \"%s\": %s",
						target->schema->columns[error.column].name,
						target->relname, error.message),
				 errdetail("The value is %s.",
						   writer->refused(writer->refused_state,
										   error.column)),
				 error.hint[0] != '\0' ? errhint("%s", error.hint) : 0));
	if (unlikely(status != GSTORE_CODEC_OK))
		gstore_codec_raise(status, &error, target->relname, target->schema);
	if (unlikely(codec->builder_image_bytes(writer->builder) >=
				 writer->chunk_bytes))
		gstore_writer_flush(writer);
}

void
gstore_writer_flush(GstoreWriter *writer)
{
	const GstoreTarget *target = writer->target;
	const GstoreCodec *codec = target->codec;
	GstoreTable *table;
	GstoreImageSpace *space;
	GstoreChunk *chunk;
	GstoreHold *hold;
	uint64 bytes;

	if (writer->builder == NULL || codec->builder_rows(writer->builder) == 0)
		return;

	table = gstore_table_get(target->relid);
	bytes = codec->builder_image_bytes(writer->builder);
	chunk = gstore_chunk_create(1, &hold);
	space = gstore_image_reserve(target->pinning, bytes, &table->shelf,
								 writer->purpose);
	GSTORE_FAULT_POINT("writer-before-encode");
	codec->builder_write(writer->builder, gstore_image_memory(space));
	chunk->format = codec->format;
	chunk->pinning = target->pinning;
	chunk->rows = codec->builder_rows(writer->builder);
	chunk->image_bytes = bytes;
	gstore_chunk_keep_bounds(chunk, target->schema, gstore_image_memory(space),
							 target->relname);
	chunk->location = gstore_image_place(space);
	GSTORE_FAULT_POINT("writer-before-publish");

	chunk->schema = gstore_schema_stamp_get(table, target->schema,
											target->fingerprints);
	gstore_stamp_set(&chunk->ranges[0].stamp, writer->xid, writer->cid);
	chunk->ranges[0].rows = chunk->rows;
	gstore_table_publish(table, chunk, hold, writer->by_update,
						 writer->subid);
	GSTORE_FAULT_POINT("writer-after-publish");
	codec->builder_reset(writer->builder);
	if (writer->subid == GetCurrentSubTransactionId())
		gstore_join_latest(target, table);
}
