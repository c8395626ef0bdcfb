/*
 * engine.c
 *	  The threads of the CPU engine, and how they share the rows of an input.
 *
 * Threads are made when an input is large enough to share, with all signals
 * blocked, and sleep between calls.  A call publishes a task; threads, the caller's among them,
 * take morsels of it off one counter until it is empty or somebody failed.
 * Only the caller's thread polls for cancellation: between its vectors, and
 * while it waits for the others' last ones.  Includes no PostgreSQL header.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "exec/engine_groups.h"
#include "exec/engine_vector.h"

/* Rows a thread takes at a time: a millisecond of work or so. */
#define MORSEL_ROWS (16 * GSTORE_VECTOR_ROWS)
/* Rows that are worth waking the other threads for. */
#define SHARED_ROWS (4 * MORSEL_ROWS)

/*
 * Vectors are short at first where texts may be long, and as long as the last
 * one took little time: who cancels is not to wait for a thousand megabytes.
 */
#define SHORT_ROWS 8
#define LONG_TEXT_BYTES 65536 /* of a column, all its different values */
#define QUICK_NANOSECONDS 1000000
#define SLOW_NANOSECONDS (10 * QUICK_NANOSECONDS)

typedef struct Worker Worker;

/* What the threads are to do, piece by piece. */
typedef struct Task
{
	/* up to a vector of places, from one on */
	void (*run)(Worker *worker, uint64 first, int n);
	uint64 from; /* the first place */
	uint64 count;
	const GstoreEngineInput *input; /* places are its rows */
	const GstoreEngine *inner;		/* places are positions of its groups */
	const GstoreGroupColumn *columns;
	uint8 *pass; /* NULL: aggregate */
	uint8 *recheck;
	bool long_texts; /* there may be some in the input */
} Task;

struct Worker
{
	GstoreEngine *engine;
	pthread_t thread;
	GstoreMachine machine;
	GstoreGroups *groups;
	GstoreEngineOptions options; /* whether this one is to stop */
	GstoreResults *results;		 /* of another engine; NULL before they are needed */
	bool gathers;				 /* rows in groups of its own, before they are shared */
	GstoreSieve sieve;
};

struct GstoreEngine
{
	const GstoreProgram *program;
	GstoreEngineOptions options;
	int nworkers;
	int nthreads;  /* workers with a thread of their own: all but 0 */
	bool started;  /* the other workers than 0 were made */
	bool has_room; /* worker 0's groups may take all the memory there is */
	Worker *workers;
	Task task;
	atomic_uint_fast64_t next; /* row of the task nobody has taken */
	atomic_int failed;		   /* GstoreEngineStatus of the first failure */
	atomic_int error_state;
	_Atomic(GstoreSharedGroups *) shared; /* NULL until a thread has many */
	GstoreGroupBatch *batch;			  /* that next_group gives */
	uint64 next_position;
	int next_group; /* in the batch */

	pthread_mutex_t lock;
	pthread_cond_t wake; /* the round has begun, or stop */
	pthread_cond_t done; /* running has become 0 */
	/* under lock */
	uint64 round;
	int running;
	bool stop;
};

/* Unless it is OK. */
static void
fail(GstoreEngine *engine, GstoreEngineStatus status, int state)
{
	int expected = GSTORE_ENGINE_OK;

	if (status == GSTORE_ENGINE_OK)
		return;
	if (atomic_compare_exchange_strong(&engine->failed, &expected,
									   (int) status))
		atomic_store(&engine->error_state, state);
}

/* ---- rows that passed ---- */

/* Groups that are shared from now on; NULL when there is no memory. */
static GstoreSharedGroups *
share_groups(GstoreEngine *engine)
{
	GstoreSharedGroups *shared;

	pthread_mutex_lock(&engine->lock);
	shared = atomic_load(&engine->shared);
	if (shared == NULL)
		shared = gstore_shared_create(engine->program, engine->nworkers,
									  engine->options.memory_limit);
	atomic_store(&engine->shared, shared);
	pthread_mutex_unlock(&engine->lock);
	return shared;
}

/* The worker's own groups become the others' too.  Had it found each of them but
 * once, that was in vain, and it had better share rows. */
static GstoreEngineStatus
give_groups(Worker *worker, GstoreSharedGroups *shared)
{
	GstoreGroups *groups = worker->groups;
	GstoreEngineStatus status;

	if (gstore_groups_empty(groups))
		return GSTORE_ENGINE_OK;
	worker->gathers = gstore_groups_pay(groups);
	status = gstore_shared_merge(shared, groups);
	return status == GSTORE_ENGINE_OK ? gstore_groups_clear(groups) : status;
}

/* Rows that passed, into the worker's groups or those of all. */
static GstoreEngineStatus
add_rows(Worker *worker, const uint16 *selection, int n, uint8 *state)
{
	GstoreEngine *engine = worker->engine;
	GstoreSharedGroups *shared = atomic_load_explicit(&engine->shared,
													  memory_order_acquire);
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	bool many = engine->nthreads > 0 && gstore_groups_many(worker->groups);

	if (shared == NULL && many)
	{
		shared = share_groups(engine);
		if (shared == NULL)
			return GSTORE_ENGINE_OUT_OF_MEMORY;
	}
	if (shared != NULL && (many || !worker->gathers))
		status = give_groups(worker, shared);
	if (status != GSTORE_ENGINE_OK)
		return status;
	if (shared == NULL || worker->gathers)
		return gstore_groups_add(worker->groups, &worker->machine, selection,
								 n, state);
	return gstore_shared_add(shared, worker->groups, &worker->machine,
							 selection, n, state);
}

static void
aggregate_vector(Worker *worker, const uint16 *selection, int n)
{
	const GstoreProgram *program = worker->engine->program;
	GstoreEngineStatus status;
	int filtered = 0;
	uint8 state = 0;

	if (n == 0)
		return;
	if (program->nconjuncts > 0)
		filtered = GSTORE_PROGRAM_PART(program, GstoreConjunct,
									   conjuncts)[program->nconjuncts - 1]
					   .end;
	gstore_machine_run(&worker->machine, filtered, program->ninstructions,
					   selection, n);
	status = add_rows(worker, selection, n, &state);
	fail(worker->engine, status, state);
}

/* ---- what threads do ---- */

/* Filter rows of an input; false: a condition ended in an error, which an
 * aggregate cannot have. */
static bool
sift_vector(Worker *worker, const GstoreEngineInput *input, uint64 first,
			int *n, const uint16 **selection, int *nmarked)
{
	GstoreMachine *machine = &worker->machine;

	machine->input = input;
	machine->first = first;
	gstore_machine_forget(machine);
	*nmarked = gstore_sieve_run(&worker->sieve, machine, n, selection);
	if (*nmarked == 0 || worker->engine->task.pass != NULL)
		return true;
	fail(worker->engine, GSTORE_ENGINE_STATE,
		 gstore_sieve_state(machine, worker->sieve.marked[0]));
	return false;
}

static void
set_bits(uint8 *bitmap, const uint16 *selection, int n)
{
	if (selection == NULL)
	{
		memset(bitmap, 0xFF, n / 8);
		for (int i = n / 8 * 8; i < n; i++)
			bitmap[i / 8] |= (uint8) (1 << (i % 8));
		return;
	}
	for (int i = 0; i < n; i++)
		bitmap[selection[i] / 8] |= (uint8) (1 << (selection[i] % 8));
}

/* Rows of the task's input. */
static void
run_rows(Worker *worker, uint64 first, int n)
{
	const Task *task = &worker->engine->task;
	uint64 at = (first - task->from) / 8;
	const uint16 *selection;
	int nmarked;

	if (!sift_vector(worker, task->input, first, &n, &selection, &nmarked))
		return;
	if (task->pass == NULL)
	{
		aggregate_vector(worker, selection, n);
		return;
	}
	set_bits(task->pass + at, selection, n);
	set_bits(task->pass + at, worker->sieve.marked, nmarked);
	set_bits(task->recheck + at, worker->sieve.marked, nmarked);
}

/* Bits of the positions where rows were. */
static void
set_places(uint8 *bitmap, const uint16 *where, const uint16 *selection, int n)
{
	for (int i = 0; i < n; i++)
	{
		uint16 at = where[selection ? selection[i] : i];

		bitmap[at / 8] |= (uint8) (1 << (at % 8));
	}
}

/* Groups of the task's other engine. */
static void
run_groups(Worker *worker, uint64 first, int n)
{
	GstoreEngine *engine = worker->engine;
	const Task *task = &engine->task;
	const GstoreEngineInput *input;
	const uint16 *selection;
	const uint16 *where;
	int nmarked;
	bool fine;

	if (worker->results == NULL)
		worker->results = gstore_results_create(engine->program,
												task->inner->program);
	if (worker->results == NULL)
	{
		fail(engine, GSTORE_ENGINE_OUT_OF_MEMORY, 0);
		return;
	}
	fine = gstore_results_read(worker->results, task->inner, task->columns,
							   first);
	input = gstore_results_rows(worker->results, &where);
	n = (int) input->rows;
	if (n == 0)
		return;
	if (!fine && task->pass == NULL)
		fail(engine, GSTORE_ENGINE_STATE, GSTORE_STATE_BEYOND);
	else if (!fine)
	{
		set_places(task->pass + first / 8, where, NULL, n);
		set_places(task->recheck + first / 8, where, NULL, n);
	}
	else if (sift_vector(worker, input, 0, &n, &selection, &nmarked))
	{
		if (task->pass == NULL)
		{
			aggregate_vector(worker, selection, n);
			return;
		}
		set_places(task->pass + first / 8, where, selection, n);
		set_places(task->pass + first / 8, where, worker->sieve.marked, nmarked);
		set_places(task->recheck + first / 8, where, worker->sieve.marked,
				   nmarked);
	}
}

/* Numbers of wide groups, of which the first worker's become those of all. */
static void
run_merge(Worker *worker, uint64 first, int n)
{
	GstoreEngine *engine = worker->engine;

	for (int i = 1; i < engine->nworkers; i++)
		gstore_groups_merge_part(engine->workers[0].groups,
								 engine->workers[i].groups, first,
								 first + (uint64) n);
}

/* ---- taking pieces of a task ---- */

static int64
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* How many rows the next vector should have, by the time that this one took. */
static uint64
run_timed(Worker *worker, uint64 first, int n)
{
	int64 began = nanoseconds();
	int64 took;

	worker->engine->task.run(worker, first, n);
	took = nanoseconds() - began;
	if (took < QUICK_NANOSECONDS)
		return Min(GSTORE_ALIGN(n, SHORT_ROWS) * 2, GSTORE_VECTOR_ROWS);
	if (took > SLOW_NANOSECONDS)
		return Max(GSTORE_ALIGN(n / 2, SHORT_ROWS), SHORT_ROWS);
	return GSTORE_ALIGN(n, SHORT_ROWS);
}

/* Take morsels until there are none.  The caller's worker polls. */
static void
run_task(Worker *worker, bool polls)
{
	GstoreEngine *engine = worker->engine;
	const Task *task = &engine->task;

	uint64 rows = task->long_texts ? SHORT_ROWS : GSTORE_VECTOR_ROWS;

	while (atomic_load_explicit(&engine->failed, memory_order_relaxed) ==
		   GSTORE_ENGINE_OK)
	{
		uint64 from = atomic_fetch_add(&engine->next, MORSEL_ROWS);
		uint64 end = Min(from + MORSEL_ROWS, task->count);
		int n;

		if (from >= task->count)
			return;
		for (; from < end; from += n)
		{
			n = (int) Min(end - from, rows);
			if (task->long_texts)
				rows = run_timed(worker, task->from + from, n);
			else
				task->run(worker, task->from + from, n);
			if (polls && gstore_engine_stops(&engine->options))
				fail(engine, GSTORE_ENGINE_CANCELLED, 0);
			if (atomic_load_explicit(&engine->failed,
									 memory_order_relaxed) != GSTORE_ENGINE_OK)
				return;
		}
	}
}

/* ---- threads ---- */

static void *
thread_main(void *argument)
{
	Worker *worker = argument;
	GstoreEngine *engine = worker->engine;
	uint64 round = 0;

	pthread_mutex_lock(&engine->lock);
	for (;;)
	{
		while (!engine->stop && engine->round == round)
			pthread_cond_wait(&engine->wake, &engine->lock);
		if (engine->stop)
			break;
		round = engine->round;
		pthread_mutex_unlock(&engine->lock);
		run_task(worker, false);
		pthread_mutex_lock(&engine->lock);
		if (--engine->running == 0)
			pthread_cond_signal(&engine->done);
	}
	pthread_mutex_unlock(&engine->lock);
	return NULL;
}

static void
stop_worker(Worker *worker)
{
	gstore_machine_free(&worker->machine);
	gstore_results_destroy(worker->results);
	gstore_groups_destroy(worker->groups);
	worker->groups = NULL;
}

/* Has a thread that is not the caller's to stop?  Somebody failed, or the caller
 * was told to. */
static bool
others_stop(void *engine)
{
	return atomic_load_explicit(&((GstoreEngine *) engine)->failed,
								memory_order_relaxed) != GSTORE_ENGINE_OK;
}

static bool
init_worker(GstoreEngine *engine, Worker *worker)
{
	worker->engine = engine;
	worker->options = engine->options;
	if (worker != engine->workers)
	{
		worker->options.poll = others_stop;
		worker->options.poll_state = engine;
	}
	worker->gathers = true;
	if (engine->program->is_aggregate)
	{
		worker->groups = gstore_groups_create(engine->program,
											  engine->options.memory_limit /
												  engine->options.threads,
											  &worker->options);
		if (worker->groups == NULL)
			return false;
	}
	return gstore_machine_init(&worker->machine, engine->program);
}

/* Threads that cannot be had are done without: the caller's always works.
 * Called when there is work for them: a small input is done sooner alone. */
static void
start_threads(GstoreEngine *engine)
{
	sigset_t all;
	sigset_t old;

	engine->started = true;
	while (engine->nworkers < engine->options.threads)
		if (!init_worker(engine, &engine->workers[engine->nworkers++]))
		{
			engine->nworkers--;
			stop_worker(&engine->workers[engine->nworkers]);
			break;
		}

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (engine->nthreads + 1 < engine->nworkers &&
		   pthread_create(&engine->workers[engine->nthreads + 1].thread, NULL,
						  thread_main,
						  &engine->workers[engine->nthreads + 1]) == 0)
		engine->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* May there be long texts in an input? */
static bool
has_long_texts(const GstoreEngine *engine, const GstoreEngineInput *input)
{
	for (int i = 0; i < engine->program->ncolumns; i++)
		if (input->columns[i].base != NULL &&
			input->columns[i].base_to - input->columns[i].base_from >=
				LONG_TEXT_BYTES)
			return true;
	return false;
}

/* Let the threads work on the task, work too, and wait for all. */
static GstoreEngineStatus
run_round(GstoreEngine *engine, Task task)
{
	engine->task = task;
	/* Once failed, always failed: groups may be half done. */
	if (atomic_load(&engine->failed) != GSTORE_ENGINE_OK)
		return (GstoreEngineStatus) atomic_load(&engine->failed);
	atomic_store(&engine->next, 0);
	if (engine->task.count > SHARED_ROWS && !engine->started)
		start_threads(engine);
	if (engine->nthreads > 0 && engine->task.count > SHARED_ROWS)
	{
		pthread_mutex_lock(&engine->lock);
		engine->round++;
		engine->running = engine->nthreads;
		pthread_cond_broadcast(&engine->wake);
		pthread_mutex_unlock(&engine->lock);
	}
	run_task(&engine->workers[0], true);

	pthread_mutex_lock(&engine->lock);
	while (engine->running > 0)
	{
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 10 * 1000 * 1000;
		if (until.tv_nsec >= 1000000000)
		{
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&engine->done, &engine->lock, &until);
		if (engine->running > 0 && gstore_engine_stops(&engine->options))
			fail(engine, GSTORE_ENGINE_CANCELLED, 0);
	}
	pthread_mutex_unlock(&engine->lock);
	return (GstoreEngineStatus) atomic_load(&engine->failed);
}

GstoreEngine *
gstore_engine_create(const GstoreProgram *program,
					 const GstoreEngineOptions *options)
{
	GstoreEngine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->program = program;
	engine->options = *options;
	engine->options.threads = Max(1, options->threads);
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->wake, NULL);
	pthread_cond_init(&engine->done, NULL);
	engine->workers = calloc(engine->options.threads, sizeof(Worker));
	if (engine->workers == NULL ||
		!init_worker(engine, &engine->workers[engine->nworkers++]))
	{
		gstore_engine_destroy(engine);
		return NULL;
	}
	return engine;
}

void
gstore_engine_destroy(GstoreEngine *engine)
{
	if (engine == NULL)
		return;
	pthread_mutex_lock(&engine->lock);
	engine->stop = true;
	pthread_cond_broadcast(&engine->wake);
	pthread_mutex_unlock(&engine->lock);
	for (int i = 1; i <= engine->nthreads; i++)
		pthread_join(engine->workers[i].thread, NULL);
	for (int i = 0; engine->workers != NULL && i < engine->nworkers; i++)
		stop_worker(&engine->workers[i]);
	gstore_shared_destroy(atomic_load(&engine->shared));
	gstore_group_batch_destroy(engine->batch);
	pthread_mutex_destroy(&engine->lock);
	pthread_cond_destroy(&engine->wake);
	pthread_cond_destroy(&engine->done);
	free(engine->workers);
	free(engine);
}

/* ---- what is offered ---- */

GstoreEngineStatus
gstore_engine_filter(GstoreEngine *engine, const GstoreEngineInput *input,
					 uint64 from, uint64 count, uint8 *pass, uint8 *recheck)
{
	uint64 bytes = GSTORE_ALIGN(count, GSTORE_VECTOR_ROWS) / 8;

	memset(pass, 0, bytes);
	memset(recheck, 0, bytes);
	return run_round(engine,
					 (Task){.run = run_rows, .from = from, .count = count, .input = input, .pass = pass, .recheck = recheck, .long_texts = has_long_texts(engine, input)});
}

GstoreEngineStatus
gstore_engine_aggregate(GstoreEngine *engine, const GstoreEngineInput *input)
{
	return run_round(engine,
					 (Task){.run = run_rows, .count = input->rows, .input = input, .long_texts = has_long_texts(engine, input)});
}

GstoreEngineStatus
gstore_engine_filter_groups(GstoreEngine *engine, const GstoreEngine *inner,
							const GstoreGroupColumn *columns, uint8 *pass,
							uint8 *recheck)
{
	uint64 positions = gstore_engine_positions(inner);
	uint64 bytes = GSTORE_ALIGN(positions, GSTORE_VECTOR_ROWS) / 8;

	memset(pass, 0, bytes);
	memset(recheck, 0, bytes);
	return run_round(engine,
					 (Task){.run = run_groups, .count = positions, .inner = inner, .columns = columns, .pass = pass, .recheck = recheck});
}

GstoreEngineStatus
gstore_engine_aggregate_groups(GstoreEngine *engine, const GstoreEngine *inner,
							   const GstoreGroupColumn *columns)
{
	return run_round(engine,
					 (Task){.run = run_groups, .count = gstore_engine_positions(inner), .inner = inner, .columns = columns});
}

/* Where there are no keys there is one group, of whatever rows. */
static GstoreEngineStatus
ensure_group(GstoreEngine *engine)
{
	GstoreGroups *groups = engine->workers[0].groups;
	uint8 state;

	if (engine->program->nkeys > 0 || !gstore_groups_empty(groups))
		return GSTORE_ENGINE_OK;
	return gstore_groups_add(groups, &engine->workers[0].machine, NULL, 0,
							 &state);
}

GstoreEngineStatus
gstore_engine_absorb(GstoreEngine *engine, int aggregate,
					 const GstoreAggregateState *state)
{
	GstoreEngineStatus status = ensure_group(engine);

	if (status != GSTORE_ENGINE_OK)
		return status;
	return gstore_groups_absorb(engine->workers[0].groups, aggregate, state);
}

/* The caller's own table, which has room for its share of the groups only, once
 * more, with room for all. */
static GstoreEngineStatus
make_room(GstoreEngine *engine)
{
	Worker *worker = &engine->workers[0];
	GstoreGroups *groups = gstore_groups_create(engine->program,
												engine->options.memory_limit,
												&worker->options);
	GstoreEngineStatus status = GSTORE_ENGINE_OUT_OF_MEMORY;

	if (groups != NULL)
		status = gstore_groups_merge(groups, worker->groups, &engine->options);
	if (status != GSTORE_ENGINE_OK)
	{
		gstore_groups_destroy(groups);
		return status;
	}
	gstore_groups_destroy(worker->groups);
	worker->groups = groups;
	engine->has_room = true;
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_engine_absorb_group(GstoreEngine *engine, const GstoreGroupKey *keys,
						   const GstoreAggregateState *states)
{
	GstoreEngineStatus status = engine->has_room ? GSTORE_ENGINE_OK
												 : make_room(engine);

	return status != GSTORE_ENGINE_OK
			   ? status
			   : gstore_groups_absorb_group(engine->workers[0].groups, keys,
											states);
}

GstoreEngineStatus
gstore_engine_refuse(GstoreEngine *engine, int state)
{
	fail(engine, GSTORE_ENGINE_STATE, state);
	return (GstoreEngineStatus) atomic_load(&engine->failed);
}

/* Where all tables are wide, every thread merges a share of their numbers.  False:
 * they are not, or do not become one. */
static bool
merge_wide(GstoreEngine *engine)
{
	GstoreGroups *groups = engine->workers[0].groups;
	uint64 from = 0;
	uint64 to = 0;

	for (int i = 1; i < engine->nworkers; i++)
		if (!gstore_groups_join(groups, engine->workers[i].groups,
								&engine->options, &from, &to))
			return false;
	if (engine->nworkers < 2)
		return false;
	/* the group of NULL, then the others */
	for (int i = 1; i < engine->nworkers; i++)
		gstore_groups_merge_part(groups, engine->workers[i].groups, 0, 1);
	(void) run_round(engine,
					 (Task){.run = run_merge, .from = from, .count = to - from});
	return true;
}

/* All workers' groups into those of the first, or into the shared ones. */
static GstoreEngineStatus
gather_groups(GstoreEngine *engine)
{
	GstoreSharedGroups *shared = atomic_load(&engine->shared);
	GstoreGroups *groups = engine->workers[0].groups;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	if (shared == NULL && merge_wide(engine))
		return gstore_groups_failed(groups);
	for (int i = shared ? 0 : 1;
		 i < engine->nworkers && status == GSTORE_ENGINE_OK; i++)
		status = shared ? give_groups(&engine->workers[i], shared)
						: gstore_groups_merge(groups,
											  engine->workers[i].groups,
											  &engine->options);
	if (status != GSTORE_ENGINE_OK || shared != NULL)
		return status;
	status = ensure_group(engine);
	return status != GSTORE_ENGINE_OK
			   ? status
			   : gstore_groups_finish(groups, &engine->options);
}

GstoreEngineStatus
gstore_engine_finish(GstoreEngine *engine)
{
	GstoreSharedGroups *shared;
	uint8 error;

	fail(engine, gather_groups(engine), 0);
	if (atomic_load(&engine->failed) != GSTORE_ENGINE_OK)
		return (GstoreEngineStatus) atomic_load(&engine->failed);
	shared = atomic_load(&engine->shared);
	error = shared != NULL ? gstore_shared_error(shared)
						   : gstore_groups_error(engine->workers[0].groups);
	if (error != GSTORE_STATE_VALUE)
		fail(engine, GSTORE_ENGINE_STATE, error);
	return (GstoreEngineStatus) atomic_load(&engine->failed);
}

/* ---- reading groups ---- */

uint64
gstore_engine_positions(const GstoreEngine *engine)
{
	GstoreSharedGroups *shared =
		atomic_load(&((GstoreEngine *) engine)->shared);

	return shared != NULL ? gstore_shared_positions(shared)
						  : gstore_groups_positions(engine->workers[0].groups);
}

void
gstore_engine_read(const GstoreEngine *engine, uint64 position,
				   GstoreGroupBatch *batch)
{
	GstoreSharedGroups *shared =
		atomic_load(&((GstoreEngine *) engine)->shared);
	const GstoreGroups *groups = engine->workers[0].groups;

	if (shared != NULL)
		groups = gstore_shared_at(shared, &position);
	gstore_groups_read(groups, position, batch);
}

GstoreGroupBatch *
gstore_group_batch_create(const GstoreProgram *program)
{
	GstoreGroupBatch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	batch->keys = malloc(Max(1, program->nkeys) * sizeof(GstoreGroupKey) *
						 GSTORE_VECTOR_ROWS);
	batch->states = malloc(Max(1, program->naggregates) *
						   sizeof(GstoreAggregateState) * GSTORE_VECTOR_ROWS);
	if (batch->keys == NULL || batch->states == NULL)
	{
		gstore_group_batch_destroy(batch);
		return NULL;
	}
	return batch;
}

void
gstore_group_batch_destroy(GstoreGroupBatch *batch)
{
	if (batch == NULL)
		return;
	free(batch->keys);
	free(batch->states);
	free(batch);
}

bool
gstore_engine_next_group(GstoreEngine *engine, const GstoreGroupKey **keys,
						 const GstoreAggregateState **states)
{
	if (engine->batch == NULL)
		engine->batch = gstore_group_batch_create(engine->program);
	if (engine->batch == NULL)
		return false;
	while (engine->next_group >= engine->batch->n)
	{
		if (engine->next_position >= gstore_engine_positions(engine))
			return false;
		gstore_engine_read(engine, engine->next_position, engine->batch);
		engine->next_position += GSTORE_VECTOR_ROWS;
		engine->next_group = 0;
	}
	*keys = engine->batch->keys + engine->next_group * engine->program->nkeys;
	*states = engine->batch->states +
			  engine->next_group * engine->program->naggregates;
	engine->next_group++;
	return true;
}

int
gstore_engine_error_state(const GstoreEngine *engine)
{
	return atomic_load(&((GstoreEngine *) engine)->error_state);
}
