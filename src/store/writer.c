/*
 * writer.c
 *	  Staging rows and turning them into chunks; see writer.h.
 *
 * The first rows of a statement are added to the builder one by one; more of
 * them are staged in batches, which an encoder's threads put into the builder
 * beside the executor (encoder.h), and which show their errors later: at the
 * next batch, or when the writer is flushed.  When a chunk is full, the same
 * threads write its image straight to where the device wants it, while the next
 * rows are staged; with the batches that follow it is sent to the device, and
 * published when it is there, at the latest when the next one is full or the
 * writer is flushed.
 *
 * Where an image stays where it is written, the columns settle there as soon as it
 * is clear how it will be laid out (codec.h), and are not copied any more.
 *
 * A writer's private memory is the builder's column buffers, about one chunk
 * (gstore_fdw.chunk_size) or what a chunk has before its columns settle, kept from
 * one chunk to the next, and sixteen batches of at most 1/64 of a chunk.  It is not
 * the memory context's: threads touch it.  What they touch must not go before they
 * were stopped, so a hold, newer than that of the image's memory, stops them when a
 * query fails.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "codec/encoder.h"
#include "fault.h"
#include "guc.h"
#include "request/view.h"
#include "store/codec_context.h"
#include "store/join.h"
#include "store/pending.h"
#include "store/progress.h"
#include "store/publish.h"
#include "store/table.h"
#include "store/transaction.h"
#include "store/writer.h"

/* So many rows of a statement are not worth a batch. */
#define FEW_ROWS 32
/* Bytes of a batch of rows: a part of a chunk, within limits. */
#define BATCH_SHARE 64
#define LEAST_BATCH 8192
#define MOST_BATCH (256 * 1024)
/* Smaller chunks would be full before threads have begun. */
#define LEAST_SHARED_CHUNK (4 * 1024 * 1024)
/* What the offsets of texts can always reach: batches under way may have more
 * text than bytes. */
#define MOST_CHUNK_BYTES (UINT64CONST(1536) * 1024 * 1024)
#define MOST_CHUNK_ROWS (UINT64CONST(1) << 31)
/* The part of a chunk after which its columns settle where its image is to be. */
#define SETTLING_SHARE 16

/* Outlives the writer where its hold does. */
typedef struct Guard
{
	GstoreEncoder *encoder; /* NULL: it is gone */
	GstoreHold *hold;		/* NULL: nothing to guard */
} Guard;

/* A chunk whose image is being written. */
typedef struct Filling
{
	GstoreChunk *chunk; /* NULL: there is none */
	GstoreHold *hold;
	GstoreImageSpace *space;
	GstoreImageSpace *left; /* where columns had settled that are copied from there,
							 * or NULL */
	GstoreBounds *bounds;	/* NULL: none are kept */
	bool sent;				/* to its device */
} Filling;

struct GstoreWriter
{
	GstorePending pending;
	const GstoreTarget *target;
	GstoreHelper *helper; /* who gets the chunks; NULL: the table */
	MemoryContext context;
	GstoreEncoder *encoder; /* NULL before the first row */
	GstoreBuilder *builder; /* the encoder's */
	GstoreBatch *batch;		/* being filled; NULL: rows are added alone */
	Guard *guard;
	MemoryContextCallback gone;
	Filling filling;
	GstoreImageSpace *ahead; /* where the builder's columns settled, or NULL */
	void *ahead_memory;
	uint64 ahead_rows;	/* there is room for */
	uint32 batch_rows;	/* of a batch of the chunk, at most */
	bool may_settle;	/* the chunk's columns have not been asked yet */
	bool lost;			/* an error came when rows were no longer here */
	uint64 chunk_bytes; /* image size at which a chunk is full */
	int threads;
	uint32 batch_room;
	uint64 added; /* rows that were added alone */
	bool can_batch;
	int nchecked;
	int *checked; /* [nchecked] columns that refuse some values */
	bool by_update;
	FullTransactionId xid;
	CommandId cid;
	SubTransactionId subid;
	char *purpose;				 /* for error messages */
	GstoreDescribeValue refused; /* or NULL */
	void *refused_state;
	GstoreMakeStorable storable;
};

/* ---- writers ---- */

static void
flush_pending(void *state)
{
	gstore_writer_flush(state);
}

static GstoreWriter *
create_writer(const GstoreTarget *target, int threads)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gstore_fdw writer",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GstoreWriter *writer = palloc0(sizeof(GstoreWriter));

	writer->target = target;
	writer->context = context;
	writer->chunk_bytes = Min((uint64) gstore_guc_chunk_size * 1024,
							  MOST_CHUNK_BYTES);
	writer->batch_room = Min(Max(writer->chunk_bytes / BATCH_SHARE,
								 LEAST_BATCH),
							 MOST_BATCH);
	gstore_writer_set_threads(writer, threads);
	writer->can_batch = gstore_batch_can(target->schema);
	writer->may_settle = target->codec->settle != NULL;
	writer->purpose = psprintf("writing foreign table \"%s\"",
							   target->relname);
	gstore_pending_add(&writer->pending, target->relid, flush_pending,
					   writer);
	MemoryContextSwitchTo(old);
	return writer;
}

GstoreWriter *
gstore_writer_begin(const GstoreTarget *target, bool by_update, int threads)
{
	GstoreWriter *writer = create_writer(target, threads);

	writer->by_update = by_update;
	writer->cid = GetCurrentCommandId(true);
	writer->subid = GetCurrentSubTransactionId();
	return writer;
}

GstoreWriter *
gstore_writer_begin_helping(const GstoreTarget *target, GstoreHelper *helper,
							int threads)
{
	GstoreWriter *writer = create_writer(target, threads);

	writer->helper = helper;
	return writer;
}

void
gstore_writer_set_threads(GstoreWriter *writer, int threads)
{
	writer->threads = writer->chunk_bytes < LEAST_SHARED_CHUNK ? 1 : threads;
}

void
gstore_writer_prepare(GstoreWriter *writer)
{
	writer->xid = GetCurrentFullTransactionId();
	/* If the entry is new, the transaction knows it before anything fails. */
	gstore_transaction_reserve(gstore_table_get(writer->target->relid), 1);
}

void
gstore_writer_on_refusal(GstoreWriter *writer, GstoreDescribeValue describe,
						 void *state)
{
	writer->refused = describe;
	writer->refused_state = state;
}

void
gstore_writer_make_storable(GstoreWriter *writer, GstoreMakeStorable storable)
{
	writer->storable = storable;
}

/* ---- errors ---- */

/* An error of a codec.  value: what was refused, NULL: of the row at hand. */
static void
raise_codec(GstoreWriter *writer, GstoreCodecStatus status,
			const GstoreCodecError *error, const GstoreValue *value)
{
	const GstoreTarget *target = writer->target;

	if (status == GSTORE_CODEC_VALUE && writer->refused != NULL &&
		error->column >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of foreign table \"%s\": %s",
						target->schema->columns[error->column].name,
						target->relname, error->message),
				 errdetail("The value is %s.",
						   writer->refused(writer->refused_state,
										   error->column, value)),
				 error->hint[0] != '\0' ? errhint("%s", error->hint) : 0));
	gstore_codec_raise(status, error, target->relname, target->schema);
}

/* An error that the encoder met with some batch. */
static void
check_encoder(GstoreWriter *writer, GstoreCodecStatus status,
			  const GstoreCodecError *error)
{
	const GstoreBatch *batch;
	const GstoreValue *value = NULL;

	if (likely(status == GSTORE_CODEC_OK))
		return;
	batch = gstore_encoder_failed(writer->encoder);
	if (batch != NULL && error->column >= 0)
		value = &gstore_batch_values(batch, error->column)[error->row];
	raise_codec(writer, status, error, value);
}

static void
raise_out_of_memory(const GstoreWriter *writer)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory while %s", writer->purpose)));
}

/* ---- the encoder ---- */

static void
release_guard(void *what)
{
	Guard *guard = what;

	guard->hold = NULL;
	if (guard->encoder != NULL)
		gstore_encoder_stop(guard->encoder);
	else
		pfree(guard);
}

/* The writer's memory goes. */
static void
destroy_encoder(void *argument)
{
	GstoreWriter *writer = argument;
	Guard *guard = writer->guard;

	gstore_encoder_destroy(guard->encoder);
	guard->encoder = NULL;
	if (guard->hold == NULL)
		pfree(guard);
}

/* The encoder's prepare callback. */
static void
prepare_batch(void *state, GstoreBatch *batch)
{
	GstoreWriter *writer = state;

	for (uint32 i = 0; i < batch->nwishes; i++)
	{
		const GstoreBatchWish *wish = &batch->wishes[i];
		GstoreValue value = gstore_batch_values(batch,
												wish->column)[wish->row];
		struct varlena *storable = writer->storable(value);

		if (!gstore_batch_replace(batch, wish, storable, VARSIZE_ANY(storable)))
			raise_out_of_memory(writer);
		if ((GstoreValue) (uintptr_t) storable != value)
			pfree(storable);
	}
}

static void
create_encoder(GstoreWriter *writer)
{
	const GstoreTarget *target = writer->target;
	const GstoreSchema *schema = target->schema;
	GstoreEncoderOptions options = {
		.threads = writer->threads,
		.batch_room = writer->batch_room,
		.prepare = prepare_batch,
		.prepare_state = writer,
		.compress = gstore_context_allocator().compress};

	if (writer->helper == NULL)
		gstore_writer_prepare(writer);
	writer->checked = MemoryContextAlloc(writer->context,
										 Max(schema->ncols, 1) * sizeof(int));
	for (int i = 0; target->codec->refuses != NULL && i < schema->ncols; i++)
		if (target->codec->refuses(&schema->columns[i]))
			writer->checked[writer->nchecked++] = i;
	writer->guard = MemoryContextAllocZero(TopMemoryContext, sizeof(Guard));
	writer->guard->encoder = gstore_encoder_create(target->codec, schema,
												   &options);
	if (writer->guard->encoder == NULL)
	{
		pfree(writer->guard);
		raise_out_of_memory(writer);
	}
	writer->gone.func = destroy_encoder;
	writer->gone.arg = writer;
	MemoryContextRegisterResetCallback(writer->context, &writer->gone);
	writer->encoder = writer->guard->encoder;
	writer->builder = gstore_encoder_builder(writer->encoder);
}

/* ---- chunks ---- */

/* From now on an error stops the threads before the memory goes that was taken
 * until now. */
static void
guard(GstoreWriter *writer)
{
	GstoreHold *hold = gstore_hold_prepare("gstore_fdw image being written",
										   release_guard);

	if (writer->guard->hold != NULL)
		gstore_hold_forget(writer->guard->hold);
	gstore_hold_take(hold, writer->guard);
	writer->guard->hold = hold;
}

/* Have the columns settle where the chunk's image is to be, if that can be done. */
static void
settle(GstoreWriter *writer)
{
	const GstoreTarget *target = writer->target;
	GstoreCodecStatus status;
	GstoreCodecError error;
	GstoreImageSpace *space;
	uint64 bytes;

	writer->may_settle = false;
	status = gstore_encoder_drain(writer->encoder, &error);
	check_encoder(writer, status, &error);
	bytes = target->codec->image_for(writer->builder, writer->chunk_bytes,
									 &writer->ahead_rows);
	space = bytes == 0 ? NULL : gstore_image_reserve_ahead(target->pinning, bytes, writer->purpose);
	if (space == NULL)
		return;
	guard(writer);
	writer->ahead_memory = gstore_image_memory(space);
	target->codec->settle(writer->builder, writer->ahead_memory);
	writer->ahead = space;
	GSTORE_FAULT_POINT("writer-settled");
}

/*
 * Memory to write the image to, guarded, and how many bytes it has.  Where the
 * columns settled, they are closed up: no row can be added then, so nothing may
 * raise from there on until the image is written.
 */
static void *
find_image(GstoreWriter *writer, Filling *filling, uint64 *bytes)
{
	const GstoreTarget *target = writer->target;
	const GstoreCodec *codec = target->codec;
	GstoreTable *table = gstore_table_get(target->relid);

	filling->left = NULL;
	if (codec->close_up != NULL)
	{
		if (writer->ahead != NULL)
			GSTORE_FAULT_POINT("writer-before-close");
		*bytes = codec->close_up(writer->builder);
		if (*bytes > 0)
		{
			filling->space = writer->ahead;
			gstore_image_trim(filling->space, *bytes);
			return writer->ahead_memory;
		}
		filling->left = writer->ahead;
	}
	*bytes = codec->builder_image_bytes(writer->builder);
	filling->space = gstore_image_reserve(target->pinning, *bytes,
										  &table->shelf, writer->purpose);
	GSTORE_FAULT_POINT("writer-before-encode");
	guard(writer);
	return gstore_image_memory(filling->space);
}

/* Have the image of a chunk written, of all rows that were handed over. */
static void
begin_chunk(GstoreWriter *writer)
{
	const GstoreTarget *target = writer->target;
	const GstoreCodec *codec = target->codec;
	Filling filling;
	GstoreCodecStatus status;
	GstoreCodecError error;
	void *image;

	status = gstore_encoder_drain(writer->encoder, &error);
	check_encoder(writer, status, &error);
	filling.chunk = gstore_chunk_create(1, &filling.hold);
	filling.chunk->format = codec->format;
	filling.chunk->pinning = target->pinning;
	filling.chunk->rows = codec->builder_rows(writer->builder);
	filling.bounds = gstore_bounds_make(writer->context, filling.chunk->rows,
										target->schema->ncols);
	filling.sent = false;
	image = find_image(writer, &filling, &filling.chunk->image_bytes);
	gstore_encoder_write(writer->encoder, image, filling.bounds);
	writer->filling = filling;
	writer->ahead = NULL;
	writer->batch_rows = 0;
	writer->may_settle = codec->settle != NULL;
}

/* Publish a chunk that is filled but for its stamps and its schema. */
static void
publish(GstoreWriter *writer, GstoreChunk *chunk, GstoreHold *hold)
{
	const GstoreTarget *target = writer->target;
	GstoreTable *table;
	uint64 bytes = chunk->image_bytes;

	GSTORE_FAULT_POINT("writer-before-publish");
	table = gstore_table_get(target->relid);
	chunk->schema = gstore_schema_stamp_get(table, target->schema,
											target->fingerprints);
	gstore_stamp_set(&chunk->ranges[0].stamp, writer->xid, writer->cid);
	chunk->ranges[0].rows = chunk->rows;
	gstore_table_publish(table, chunk, hold, writer->by_update,
						 writer->subid);
	GSTORE_FAULT_POINT("writer-after-publish");
	gstore_progress_chunk(target->relid, bytes);
}

/* Many small chunks of one subtransaction become few. */
static void
join(const GstoreWriter *writer)
{
	if (writer->subid == GetCurrentSubTransactionId())
		gstore_join_latest(writer->target,
						   gstore_table_get(writer->target->relid));
}

void
gstore_writer_publish(GstoreWriter *writer, GstoreChunk *chunk,
					  GstoreHold *hold)
{
	publish(writer, chunk, hold);
	join(writer);
}

/* The image of a chunk is written: send it to its device. */
static void
send_chunk(GstoreWriter *writer)
{
	GstoreCodecStatus status;
	GstoreCodecError error;

	if (writer->filling.sent)
		return;
	/* Its holds may go by an error from here on, and its rows are in the image
	 * alone. */
	writer->lost = true;
	status = gstore_encoder_await(writer->encoder, &error);
	check_encoder(writer, status, &error);
	gstore_hold_forget(writer->guard->hold);
	writer->guard->hold = NULL;
	if (writer->filling.left != NULL)
		gstore_image_give_up(writer->filling.left);
	gstore_image_send(writer->filling.space);
	writer->filling.sent = true;
	writer->lost = false;
}

/* Publish the chunk whose image is being written or sent, or pass it on. */
static void
finish_chunk(GstoreWriter *writer)
{
	const GstoreTarget *target = writer->target;
	Filling filling;
	GstoreChunk *chunk;

	send_chunk(writer);
	filling = writer->filling;
	chunk = filling.chunk;
	writer->filling.chunk = NULL;
	writer->lost = true;
	gstore_chunk_keep_bounds(chunk, filling.bounds, target->schema->ncols);
	chunk->location = gstore_image_place(filling.space);
	if (writer->helper != NULL)
		gstore_helper_post(writer->helper, chunk, filling.hold);
	else
		publish(writer, chunk, filling.hold);
	if (filling.bounds != NULL)
		pfree(filling.bounds);
	writer->lost = false;
	if (writer->helper == NULL)
		join(writer);
}

/* Errors were met by somebody else, who went on. */
static void
check_lost(const GstoreWriter *writer)
{
	if (unlikely(writer->lost))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows for foreign table \"%s\" were lost by an error that the statement went on after",
						writer->target->relname),
				 errhint("Run the statement again.")));
}

/* Go on with the chunk whose image is being written, as far as that can be done
 * without waiting. */
static void
tend_chunk(GstoreWriter *writer)
{
	if (writer->filling.chunk == NULL ||
		!gstore_encoder_written(writer->encoder))
		return;
	send_chunk(writer);
	if (gstore_image_is_there(writer->filling.space))
		finish_chunk(writer);
}

/* Would a batch more be too much for a chunk? */
static bool
is_full(const GstoreWriter *writer)
{
	uint64 rows = writer->target->codec->builder_rows(writer->builder);

	return rows >= MOST_CHUNK_ROWS ||
		   (writer->ahead != NULL &&
			rows + writer->batch_rows > writer->ahead_rows) ||
		   (rows > 0 && gstore_encoder_bytes(writer->encoder) +
								writer->batch_room >
							writer->chunk_bytes);
}

static void
hand_over(GstoreWriter *writer)
{
	GstoreCodecStatus status;
	GstoreCodecError error;

	check_lost(writer);
	if (writer->batch != NULL)
		writer->batch_rows = Max(writer->batch_rows, writer->batch->nrows);
	writer->batch = NULL;
	status = gstore_encoder_submit(writer->encoder, &error);
	check_encoder(writer, status, &error);
}

static void
next_batch(GstoreWriter *writer)
{
	GstoreCodecStatus status;
	GstoreCodecError error;

	writer->batch = gstore_encoder_batch(writer->encoder);
	if (likely(writer->batch != NULL))
		return;
	status = gstore_encoder_drain(writer->encoder, &error);
	check_encoder(writer, status, &error);
	raise_out_of_memory(writer);
}

/* Hand the batch over, and look after chunks. */
static void
submit(GstoreWriter *writer)
{
	hand_over(writer);
	tend_chunk(writer);
	if (is_full(writer))
	{
		if (writer->filling.chunk != NULL)
			finish_chunk(writer);
		begin_chunk(writer);
		tend_chunk(writer);
	}
	else if (writer->may_settle && writer->filling.chunk == NULL &&
			 gstore_encoder_bytes(writer->encoder) >=
				 writer->chunk_bytes / SETTLING_SHARE)
		settle(writer);
	next_batch(writer);
}

/*
 * Possibly for another query, which may fail alone, and lets go then of what was
 * taken for it: whatever may raise while a chunk is on its way stands in
 * send_chunk or finish_chunk.
 */
void
gstore_writer_flush(GstoreWriter *writer)
{
	if (writer->encoder == NULL)
		return;
	hand_over(writer);
	if (writer->filling.chunk != NULL)
		finish_chunk(writer);
	if (writer->target->codec->builder_rows(writer->builder) == 0)
		return;
	begin_chunk(writer);
	finish_chunk(writer);
}

/* ---- rows ---- */

/* Are there so many rows that they are worth a batch? */
static bool
begin_batch(GstoreWriter *writer)
{
	if (!writer->can_batch || writer->added < FEW_ROWS)
		return false;
	if (writer->batch == NULL)
		next_batch(writer);
	return true;
}

bool
gstore_writer_append_tuple(GstoreWriter *writer, const void *tuple,
						   uint32 length)
{
	if (likely(writer->batch != NULL &&
			   gstore_batch_add_tuple(writer->batch, tuple, length)))
		return true;
	if (!begin_batch(writer))
		return false;
	if (writer->batch->nrows > 0)
		submit(writer);
	return gstore_batch_add_tuple(writer->batch, tuple, length);
}

/* What is sure to be refused is refused at once. */
static void
check_values(GstoreWriter *writer, const GstoreValue *values,
			 const bool *nulls)
{
	const GstoreTarget *target = writer->target;
	GstoreCodecStatus status;
	GstoreCodecError error;

	if (writer->nchecked == 0)
		return;
	status = target->codec->check(target->schema, writer->checked,
								  writer->nchecked, values, nulls, &error);
	if (unlikely(status != GSTORE_CODEC_OK))
		raise_codec(writer, status, &error, NULL);
}

/* Add a row behind all that were handed over. */
static void
append_alone(GstoreWriter *writer, const GstoreValue *values,
			 const bool *nulls)
{
	const GstoreCodec *codec = writer->target->codec;
	GstoreCodecStatus status;
	GstoreCodecError error;

	check_lost(writer);
	if (writer->encoder == NULL)
		create_encoder(writer);
	status = gstore_encoder_drain(writer->encoder, &error);
	check_encoder(writer, status, &error);
	status = codec->append(writer->builder, values, nulls, &error);
	if (unlikely(status == GSTORE_CODEC_LIMIT &&
				 codec->builder_rows(writer->builder) > 0))
	{
		/* The chunk is full before its time: the row opens the next one. */
		gstore_writer_flush(writer);
		status = codec->append(writer->builder, values, nulls, &error);
	}
	if (unlikely(status != GSTORE_CODEC_OK))
		raise_codec(writer, status, &error, NULL);
	writer->added++;
	if (unlikely(codec->builder_image_bytes(writer->builder) >=
				 writer->chunk_bytes))
		gstore_writer_flush(writer);
}

bool
gstore_writer_append_storable(GstoreWriter *writer, const GstoreValue *values,
							  const bool *nulls)
{
	GstoreBatchOutcome outcome;

	if (!begin_batch(writer))
		return false;
	check_values(writer, values, nulls);
	outcome = gstore_batch_add_values(writer->batch, values, nulls);
	if (unlikely(outcome == GSTORE_BATCH_NO_ROOM && writer->batch->nrows > 0))
	{
		submit(writer);
		outcome = gstore_batch_add_values(writer->batch, values, nulls);
	}
	return outcome == GSTORE_BATCH_ADDED;
}

void
gstore_writer_append(GstoreWriter *writer, const GstoreValue *values,
					 const bool *nulls)
{
	if (gstore_writer_append_storable(writer, values, nulls))
		return;
	if (writer->batch != NULL && writer->batch->nrows > 0)
		submit(writer);
	append_alone(writer, values, nulls);
}
