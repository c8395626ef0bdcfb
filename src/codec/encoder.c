/*
 * encoder.c
 *	  Encoding and writing on several threads; see encoder.h.
 *
 * What was handed over stands in a ring of jobs, numbered from the first one on:
 *
 *	 tail				the oldest that is not done
 *	 group.next			the job whose step the group does next
 *	 head				where the next one will stand
 *
 * A job is a batch, which goes
 *
 *	 SUBMITTED -> SPREADING -> (WANTING ->) READY
 *
 * when it is taken apart, or an image, which is READY at once.  It is done when all
 * groups have passed it.  A step is done by whoever finds it first: the caller, while
 * it waits, or a thread.
 *
 * Lock protocol: one mutex guards the ring, the groups' places and the failure.  It is
 * held for the book-keeping only.  A job's batch and the columns of a group belong to
 * whoever does a step with them; builder->rows is the caller's.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encoder.h"
#include "codec/space.h"

/* Jobs under way at most: what is lost when one thread waits for another. */
#define JOBS 16
/* Jobs under way before threads are woken: each time costs the caller as much as
 * staging some dozen rows, and nobody waits for the first ones. */
#define WAKING_JOBS 4
/* More threads than these would wait for the caller's rows. */
#define MOST_THREADS 8
/* Batches after which threads are worth being made. */
#define FEW_BATCHES 2
/* Groups for each thread, so that all of them end at the same time. */
#define GROUPS_PER_THREAD 8

typedef enum JobState
{
	JOB_SUBMITTED,
	JOB_SPREADING,
	JOB_WANTING, /* the caller has to prepare values */
	JOB_READY
} JobState;

typedef struct Job
{
	JobState state;
	int left;			/* groups that have not passed it */
	GstoreBatch *batch; /* NULL: it is an image */
	void *image;
	uint64 image_rows;
	GstoreBounds *bounds; /* or NULL */
} Job;

typedef struct Group
{
	int first; /* columns order[first .. end - 1] */
	int end;
	bool for_caller; /* only its thread may do the steps */
	/* under the lock: */
	bool busy;
	uint64 next;
	uint64 bytes; /* of its columns in an image */
} Group;

/* What to do: take a batch apart, or a group's part of a job. */
typedef struct Step
{
	Job *job;
	Group *group; /* NULL: take apart */
} Step;

struct GstoreEncoder
{
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	GstoreEncoderOptions options;
	GstoreAllocator allocator;
	GstoreBuilder *builder;
	int *order; /* [ncols] columns, by groups */
	Group *groups;
	int ngroups;
	/* the caller's: */
	GstoreBatch *batch; /* being filled */
	uint64 nbatches;	/* handed over */
	uint64 image_job;
	bool started;
	int nthreads;
	pthread_t threads[MOST_THREADS];

	pthread_mutex_t lock;
	pthread_cond_t changed; /* there may be a step, or somebody's wait may end */
	/* under the lock: */
	Job jobs[JOBS];
	uint64 head;
	uint64 tail;
	GstoreBatch *free[JOBS]; /* empty ones, the last used on top */
	int nfree;
	int nallocated;
	int waiting; /* threads that wait for changed */
	bool stop;
	GstoreCodecStatus status; /* of the first failure */
	GstoreCodecError error;
	const GstoreBatch *failed; /* its batch */
};

/* ---- steps ---- */

static Job *
job_at(GstoreEncoder *encoder, uint64 number)
{
	return &encoder->jobs[number % JOBS];
}

/* Something has changed; the lock is held. */
static void
tell(GstoreEncoder *encoder)
{
	if (encoder->waiting > 0)
		pthread_cond_broadcast(&encoder->changed);
}

static void
wait_for_change(GstoreEncoder *encoder)
{
	encoder->waiting++;
	pthread_cond_wait(&encoder->changed, &encoder->lock);
	encoder->waiting--;
}

/* Take a step to do: of the group that is behind the others, or a batch. */
static bool
take_step(GstoreEncoder *encoder, bool is_caller, Step *step)
{
	Group *behind = NULL;

	if (encoder->status != GSTORE_CODEC_OK || encoder->stop)
		return false;
	for (int i = 0; i < encoder->ngroups; i++)
	{
		Group *group = &encoder->groups[i];

		if (group->busy || group->next == encoder->head ||
			(group->for_caller && !is_caller) ||
			job_at(encoder, group->next)->state != JOB_READY)
			continue;
		if (behind == NULL || group->next < behind->next)
			behind = group;
	}
	step->group = behind;
	if (behind != NULL)
	{
		behind->busy = true;
		step->job = job_at(encoder, behind->next);
		return true;
	}
	for (uint64 number = encoder->tail; number < encoder->head; number++)
	{
		step->job = job_at(encoder, number);
		if (step->job->state != JOB_SUBMITTED)
			continue;
		step->job->state = JOB_SPREADING;
		return true;
	}
	return false;
}

static GstoreCodecStatus
encode(GstoreEncoder *encoder, const Step *step, uint64 *bytes,
	   GstoreCodecError *error)
{
	const GstoreCodec *codec = encoder->codec;
	const GstoreBatch *batch = step->job->batch;

	*bytes = 0;
	for (int i = step->group->first; i < step->group->end; i++)
	{
		int column = encoder->order[i];
		GstoreCodecStatus status =
			codec->append_column(encoder->builder, column,
								 gstore_batch_values(batch, column),
								 gstore_batch_nulls(batch, column),
								 batch->nrows, error);

		if (status != GSTORE_CODEC_OK)
			return status;
		*bytes += codec->builder_column_bytes(encoder->builder, column);
	}
	return GSTORE_CODEC_OK;
}

static void
write_columns(GstoreEncoder *encoder, const Step *step)
{
	const GstoreCodec *codec = encoder->codec;
	const Job *job = step->job;

	for (int i = step->group->first; i < step->group->end; i++)
	{
		int column = encoder->order[i];

		codec->write_column(encoder->builder, column, job->image);
		if (job->bounds != NULL)
			codec->builder_bounds(encoder->builder, column, job->image_rows,
								  job->bounds + column,
								  encoder->schema->ncols);
		codec->reset_column(encoder->builder, column);
	}
}

/* A job that all groups have passed is no more; the lock is held. */
static void
end_job(GstoreEncoder *encoder, Job *job)
{
	if (job->batch != NULL)
	{
		gstore_batch_empty(job->batch);
		encoder->free[encoder->nfree++] = job->batch;
		job->batch = NULL;
	}
	while (encoder->tail < encoder->head &&
		   job_at(encoder, encoder->tail)->left == 0)
		encoder->tail++;
}

/* Do a step that was taken.  The lock is held before and after. */
static void
do_step(GstoreEncoder *encoder, const Step *step)
{
	Job *job = step->job;
	Group *group = step->group;
	GstoreCodecStatus status = GSTORE_CODEC_OK;
	GstoreCodecError error;
	uint64 bytes = 0;

	pthread_mutex_unlock(&encoder->lock);
	if (group == NULL)
		status = gstore_batch_spread(job->batch, &error);
	else if (job->batch != NULL)
		status = encode(encoder, step, &bytes, &error);
	else
		write_columns(encoder, step);
	pthread_mutex_lock(&encoder->lock);

	if (status != GSTORE_CODEC_OK)
	{
		if (encoder->status == GSTORE_CODEC_OK)
		{
			encoder->status = status;
			encoder->error = error;
			encoder->failed = job->batch;
		}
	}
	else if (group == NULL)
		job->state = job->batch->nwishes > 0 ? JOB_WANTING : JOB_READY;
	else
	{
		group->bytes = bytes;
		group->next++;
		if (--job->left == 0)
			end_job(encoder, job);
	}
	if (group != NULL)
		group->busy = false;
	tell(encoder);
}

/* The caller has to wait: it does a step, or sleeps until something changes.
 * Leaves by longjmp only without the lock, and with nothing half done. */
static void
help(GstoreEncoder *encoder)
{
	Step step;

	for (uint64 number = encoder->tail; number < encoder->head; number++)
	{
		Job *job = job_at(encoder, number);

		if (job->state != JOB_WANTING || encoder->status != GSTORE_CODEC_OK)
			continue;
		pthread_mutex_unlock(&encoder->lock);
		encoder->options.prepare(encoder->options.prepare_state, job->batch);
		pthread_mutex_lock(&encoder->lock);
		job->state = JOB_READY;
		tell(encoder);
		return;
	}
	if (take_step(encoder, true, &step))
		do_step(encoder, &step);
	else
		wait_for_change(encoder);
}

static inline bool
is_working(const GstoreEncoder *encoder)
{
	return encoder->status == GSTORE_CODEC_OK && !encoder->stop;
}

/* What calls return; the lock is held. */
static GstoreCodecStatus
outcome(const GstoreEncoder *encoder, GstoreCodecError *error)
{
	if (encoder->status != GSTORE_CODEC_OK)
	{
		*error = encoder->error;
		return encoder->status;
	}
	if (encoder->stop)
		return gstore_codec_fail(error, GSTORE_CODEC_LIMIT, -1,
								 "rows of this statement were lost when an error was met before",
								 "Run the statement again.");
	return GSTORE_CODEC_OK;
}

/* ---- threads ---- */

static void *
thread_main(void *argument)
{
	GstoreEncoder *encoder = argument;
	Step step;

	pthread_mutex_lock(&encoder->lock);
	while (!encoder->stop)
		if (take_step(encoder, false, &step))
			do_step(encoder, &step);
		else
			wait_for_change(encoder);
	pthread_mutex_unlock(&encoder->lock);
	return NULL;
}

/* Those of all encoders, which are the callers' of one thread. */
static int all_threads = 0;

/* Threads that cannot be had are done without, and so are those that others
 * have already: rows may go to many tables at once. */
static void
start_threads(GstoreEncoder *encoder)
{
	int wanted = Min(encoder->options.threads - 1, MOST_THREADS) - all_threads;
	sigset_t all;
	sigset_t old;

	encoder->started = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (encoder->nthreads < wanted &&
		   pthread_create(&encoder->threads[encoder->nthreads], NULL,
						  thread_main, encoder) == 0)
		encoder->nthreads++;
	all_threads += encoder->nthreads;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void
gstore_encoder_stop(GstoreEncoder *encoder)
{
	pthread_mutex_lock(&encoder->lock);
	encoder->stop = true;
	pthread_cond_broadcast(&encoder->changed);
	pthread_mutex_unlock(&encoder->lock);
	for (int i = 0; i < encoder->nthreads; i++)
		pthread_join(encoder->threads[i], NULL);
	all_threads -= encoder->nthreads;
	encoder->nthreads = 0;
}

/* ---- life ---- */

/* Columns in groups: those that only the caller may encode in the last. */
static void
make_groups(GstoreEncoder *encoder)
{
	const GstoreSchema *schema = encoder->schema;
	int wanted = encoder->options.threads > 1
					 ? Min(encoder->options.threads, MOST_THREADS + 1) *
						   GROUPS_PER_THREAD
					 : 1;
	int n = 0;
	int nothers;
	int per_group;

	for (int i = 0; i < schema->ncols; i++)
		if (schema->columns[i].compression == GSTORE_COMPRESSION_NONE)
			encoder->order[n++] = i;
	nothers = n;
	for (int i = 0; i < schema->ncols; i++)
		if (schema->columns[i].compression != GSTORE_COMPRESSION_NONE)
			encoder->order[n++] = i;

	per_group = Max((nothers + wanted - 1) / wanted, 1);
	for (int i = 0; i < nothers; i += per_group)
	{
		Group *group = &encoder->groups[encoder->ngroups++];

		group->first = i;
		group->end = Min(i + per_group, nothers);
	}
	if (n > nothers)
	{
		Group *group = &encoder->groups[encoder->ngroups++];

		group->first = nothers;
		group->end = n;
		group->for_caller = true;
	}
	/* A table without columns still has rows that come and go. */
	if (encoder->ngroups == 0)
		encoder->ngroups = 1;
}

GstoreEncoder *
gstore_encoder_create(const GstoreCodec *codec, const GstoreSchema *schema,
					  const GstoreEncoderOptions *options)
{
	GstoreEncoder *encoder = calloc(1, sizeof(*encoder));

	if (encoder == NULL)
		return NULL;
	pthread_mutex_init(&encoder->lock, NULL);
	pthread_cond_init(&encoder->changed, NULL);
	encoder->codec = codec;
	encoder->schema = schema;
	encoder->options = *options;
	encoder->allocator = gstore_space_allocator;
	encoder->allocator.compress = options->compress;
	encoder->order = calloc(schema->ncols + 1, sizeof(int));
	encoder->groups = calloc(schema->ncols + 1, sizeof(Group));
	encoder->builder = codec->builder_create(schema, &encoder->allocator);
	if (encoder->order == NULL || encoder->groups == NULL ||
		encoder->builder == NULL)
	{
		gstore_encoder_destroy(encoder);
		return NULL;
	}
	make_groups(encoder);
	return encoder;
}

static void
free_batch(GstoreBatch *batch)
{
	if (batch == NULL)
		return;
	gstore_batch_free(batch);
	free(batch);
}

void
gstore_encoder_destroy(GstoreEncoder *encoder)
{
	gstore_encoder_stop(encoder);
	free_batch(encoder->batch);
	for (int i = 0; i < encoder->nfree; i++)
		free_batch(encoder->free[i]);
	for (uint64 number = encoder->tail; number < encoder->head; number++)
		free_batch(job_at(encoder, number)->batch);
	if (encoder->builder != NULL)
		encoder->codec->builder_destroy(encoder->builder);
	free(encoder->groups);
	free(encoder->order);
	pthread_cond_destroy(&encoder->changed);
	pthread_mutex_destroy(&encoder->lock);
	free(encoder);
}

GstoreBuilder *
gstore_encoder_builder(GstoreEncoder *encoder)
{
	return encoder->builder;
}

/* ---- batches ---- */

/* An empty batch; the lock is held.  NULL: out of memory, or a failure. */
static GstoreBatch *
find_batch(GstoreEncoder *encoder)
{
	GstoreBatch *batch;

	while (encoder->nfree == 0 && encoder->nallocated == JOBS &&
		   is_working(encoder))
		help(encoder);
	if (encoder->nfree > 0)
		return encoder->free[--encoder->nfree];
	if (!is_working(encoder))
		return NULL;
	batch = calloc(1, sizeof(*batch));
	if (batch != NULL &&
		!gstore_batch_init(batch, encoder->schema, encoder->options.batch_room,
						   &encoder->allocator))
	{
		free(batch);
		batch = NULL;
	}
	encoder->nallocated += batch != NULL;
	return batch;
}

GstoreBatch *
gstore_encoder_batch(GstoreEncoder *encoder)
{
	if (unlikely(encoder->batch == NULL))
	{
		pthread_mutex_lock(&encoder->lock);
		encoder->batch = find_batch(encoder);
		pthread_mutex_unlock(&encoder->lock);
	}
	return encoder->batch;
}

/* Put a job on the ring; the lock is held. */
static Job *
add_job(GstoreEncoder *encoder, JobState state)
{
	Job *job = job_at(encoder, encoder->head);

	memset(job, 0, sizeof(*job));
	job->state = state;
	job->left = encoder->ngroups;
	encoder->head++;
	return job;
}

/* With no other thread, what was handed over is done at once: it is in the
 * cache. */
static void
carry_on(GstoreEncoder *encoder)
{
	if (encoder->nthreads > 0)
	{
		if (encoder->head - encoder->tail >= WAKING_JOBS)
			tell(encoder);
	}
	else
		while (encoder->tail < encoder->head && is_working(encoder))
			help(encoder);
}

GstoreCodecStatus
gstore_encoder_submit(GstoreEncoder *encoder, GstoreCodecError *error)
{
	GstoreBatch *batch = encoder->batch;
	GstoreCodecStatus status;

	if (batch != NULL && batch->nrows > 0 && !encoder->started &&
		encoder->options.threads > 1 && ++encoder->nbatches > FEW_BATCHES)
		start_threads(encoder);
	pthread_mutex_lock(&encoder->lock);
	if (batch != NULL && batch->nrows > 0)
	{
		while (encoder->head - encoder->tail == JOBS && is_working(encoder))
			help(encoder);
		if (is_working(encoder))
		{
			encoder->batch = NULL;
			encoder->codec->set_rows(encoder->builder,
									 encoder->codec->builder_rows(encoder->builder) +
										 batch->nrows);
			add_job(encoder, JOB_SUBMITTED)->batch = batch;
			carry_on(encoder);
		}
	}
	status = outcome(encoder, error);
	pthread_mutex_unlock(&encoder->lock);
	return status;
}

GstoreCodecStatus
gstore_encoder_drain(GstoreEncoder *encoder, GstoreCodecError *error)
{
	GstoreCodecStatus status;

	pthread_mutex_lock(&encoder->lock);
	if (encoder->tail < encoder->head)
		tell(encoder);
	while (encoder->tail < encoder->head && is_working(encoder))
		help(encoder);
	status = outcome(encoder, error);
	pthread_mutex_unlock(&encoder->lock);
	return status;
}

uint64
gstore_encoder_bytes(GstoreEncoder *encoder)
{
	uint64 bytes = encoder->codec->header_bytes(encoder->schema);

	pthread_mutex_lock(&encoder->lock);
	for (int i = 0; i < encoder->ngroups; i++)
		bytes += encoder->groups[i].bytes;
	pthread_mutex_unlock(&encoder->lock);
	return bytes;
}

const GstoreBatch *
gstore_encoder_failed(GstoreEncoder *encoder)
{
	return encoder->failed;
}

/* ---- images ---- */

void
gstore_encoder_write(GstoreEncoder *encoder, void *image,
					 GstoreBounds *bounds)
{
	Job *job;

	encoder->codec->write_header(encoder->builder, image);
	pthread_mutex_lock(&encoder->lock);
	encoder->image_job = encoder->head;
	job = add_job(encoder, JOB_READY);
	job->image = image;
	job->image_rows = encoder->codec->builder_rows(encoder->builder);
	job->bounds = bounds;
	/* what comes next is another image's, when this one is not written yet, too */
	for (int i = 0; i < encoder->ngroups; i++)
		encoder->groups[i].bytes = 0;
	encoder->codec->set_rows(encoder->builder, 0);
	if (encoder->nthreads > 0)
		tell(encoder);
	carry_on(encoder);
	pthread_mutex_unlock(&encoder->lock);
}

GstoreCodecStatus
gstore_encoder_await(GstoreEncoder *encoder, GstoreCodecError *error)
{
	GstoreCodecStatus status;

	pthread_mutex_lock(&encoder->lock);
	while (encoder->tail <= encoder->image_job && is_working(encoder))
		help(encoder);
	status = outcome(encoder, error);
	pthread_mutex_unlock(&encoder->lock);
	return status;
}

bool
gstore_encoder_written(GstoreEncoder *encoder)
{
	bool written;

	pthread_mutex_lock(&encoder->lock);
	written = encoder->tail > encoder->image_job;
	pthread_mutex_unlock(&encoder->lock);
	return written;
}
