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

/* One row in so many has to be left for a conjunct to be evaluated for all. */
#define MASKED_SHARE 8

typedef struct Task
{
	const GstoreEngineInput *input;
	uint64 from;
	uint64 count;
	uint8 *pass; /* NULL: aggregate */
	uint8 *recheck;
	bool long_texts; /* there may be some in the input */
} Task;

typedef struct Worker
{
	GstoreEngine *engine;
	pthread_t thread;
	GstoreMachine machine;
	GstoreGroups *groups;
	uint16 selections[2][GSTORE_VECTOR_ROWS];
	uint16 marked[GSTORE_VECTOR_ROWS];
	uint8 mask[GSTORE_VECTOR_ROWS]; /* 1: passes all conjuncts so far */
} Worker;

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
	int next_part;						  /* where next_group goes on */
	uint64 next_group;

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

/* ---- one vector ---- */

/* The rows of a vector that are not hidden; NULL and n when all are there. */
static const uint16 *
visible_rows(const GstoreEngineInput *input, uint64 first, int *n,
			 uint16 *selection)
{
	const uint8 *hidden = input->hidden;
	uint64 bit = input->hidden_bit + first;
	bool any = false;
	int found = 0;

	if (hidden == NULL)
		return NULL;
	for (uint64 byte = bit / 8; byte <= (bit + *n - 1) / 8; byte++)
		any |= hidden[byte] != 0;
	if (!any)
		return NULL;
	for (int i = 0; i < *n; i++, bit++)
		if ((hidden[bit / 8] & (1 << (bit % 8))) == 0)
			selection[found++] = (uint16) i;
	*n = found;
	return selection;
}

/* Positions of the bytes of a mask that are 1. */
static int
select_rows(const uint8 *mask, int n, uint16 *selection)
{
	int found = 0;

	for (int i = 0; i < n; i += 8)
	{
		uint64 word;

		/* masks have room for a whole vector, and are 0 behind n */
		memcpy(&word, mask + i, sizeof(word));
		for (; word != 0; word &= word - 1)
			selection[found++] = (uint16) (i + __builtin_ctzll(word) / 8);
	}
	return found;
}

/*
 * Is it cheap to evaluate a conjunct for rows that do not matter any more?  Its
 * operators then work on vectors as they lie, not through a selection.
 */
static bool
is_cheap(const GstoreMachine *machine, int from, int to)
{
	const GstoreInstruction *instruction =
		GSTORE_PROGRAM_PART(machine->program, GstoreInstruction, instructions);
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(machine->program, GstoreRegister, registers);

	for (int i = from; i < to; i++)
	{
		int type = registers[instruction[i].result].type;

		if (type == GSTORE_TYPE_NUMERIC || type == GSTORE_TYPE_TEXT ||
			type == GSTORE_TYPE_SPAN || type == GSTORE_TYPE_UUID ||
			(type == GSTORE_TYPE_DECIMAL &&
			 instruction[i].opcode == GSTORE_OP_LOAD &&
			 machine->input->columns[instruction[i].a].encoding ==
				 GSTORE_ENCODING_PGSTROM_VARLENA))
			return false;
	}
	return true;
}

/* Clear the rows of a mask that do not pass; returns how many are left.  Those
 * whose condition ended in an error are cleared too, and marked. */
GSTORE_VECTORISED static int
narrow_mask(Worker *worker, const GstoreVector *result, int n, int *nmarked)
{
	const gstore_logic *restrict values = result->values;
	uint8 *restrict mask = worker->mask;
	int left = 0;

	if (result->clean)
		for (int i = 0; i < n; i++)
			mask[i] &= values[i];
	else
		for (int i = 0; i < n; i++)
		{
			if (mask[i] && result->states[i] > GSTORE_STATE_NULL)
				worker->marked[(*nmarked)++] = (uint16) i;
			mask[i] &= (result->states[i] == GSTORE_STATE_VALUE) & values[i];
		}
	for (int i = 0; i < n; i++)
		left += mask[i];
	return left;
}

/* The same for a selection. */
static int
narrow_selection(Worker *worker, const GstoreVector *result,
				 const uint16 *selection, int n, uint16 *to, int *nmarked)
{
	const gstore_logic *values = result->values;
	int found = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 state = result->clean ? GSTORE_STATE_VALUE : result->states[at];

		if (unlikely(state > GSTORE_STATE_NULL))
			worker->marked[(*nmarked)++] = (uint16) at;
		to[found] = (uint16) at;
		found += (state == GSTORE_STATE_VALUE) & (values[at] != 0);
	}
	return found;
}

/*
 * Run the conjuncts: the rows that pass all, in *selection (NULL: all of the
 * first n), and those whose condition ended in an error in marked.  As long as
 * many rows pass, cheap conjuncts only clear bytes of a mask.
 */
static int
run_filter(Worker *worker, const uint16 **selection, int *n)
{
	GstoreMachine *machine = &worker->machine;
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(machine->program, GstoreConjunct, conjuncts);
	int rows = *n;
	bool masked = false;
	bool prefetched = false;
	int nmarked = 0;
	int from = 0;

	for (int c = 0; c<machine->program->nconjuncts && * n> 0; c++)
	{
		const GstoreVector *result = &machine->registers[conjuncts[c].result];
		bool dense = *selection == NULL && *n >= rows / MASKED_SHARE &&
					 is_cheap(machine, from, conjuncts[c].end);
		uint16 *to = worker->selections[*selection == worker->selections[0]];

		if (masked && !dense)
		{
			select_rows(worker->mask, rows, to);
			*selection = to;
			masked = false;
			to = worker->selections[*selection == worker->selections[0]];
		}
		if (*selection != NULL && *n < GSTORE_SPARSE_ROWS && !prefetched)
		{
			gstore_machine_prefetch(machine, from, *selection, *n);
			prefetched = true;
		}
		gstore_machine_run(machine, from, conjuncts[c].end, *selection,
						   *selection == NULL ? rows : *n);
		from = conjuncts[c].end;
		if (dense)
		{
			if (!masked)
			{
				memset(worker->mask, 0, sizeof(worker->mask));
				memset(worker->mask, 1, rows);
			}
			masked = true;
			*n = narrow_mask(worker, result, rows, &nmarked);
			continue;
		}
		*n = narrow_selection(worker, result, *selection, *n, to, &nmarked);
		*selection = to;
	}
	if (masked && *n < rows)
	{
		uint16 *to = worker->selections[0];

		select_rows(worker->mask, rows, to);
		*selection = to;
	}
	return nmarked;
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

/* The state a marked row ended in, when errors cannot be evaluated again. */
static int
marked_state(const Worker *worker, uint16 at)
{
	const GstoreProgram *program = worker->machine.program;
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(program, GstoreConjunct, conjuncts);

	for (int c = 0; c < program->nconjuncts; c++)
	{
		const GstoreVector *result =
			&worker->machine.registers[conjuncts[c].result];

		if (!result->clean && result->states[at] > GSTORE_STATE_NULL)
			return result->states[at];
	}
	return GSTORE_STATE_BEYOND;
}

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

/* The worker's own groups become the others' too. */
static GstoreEngineStatus
give_groups(Worker *worker, GstoreSharedGroups *shared)
{
	GstoreEngineStatus status;

	if (gstore_groups_empty(worker->groups))
		return GSTORE_ENGINE_OK;
	status = gstore_shared_merge(shared, worker->groups);
	gstore_groups_destroy(worker->groups);
	worker->groups = gstore_groups_create(worker->engine->program,
										  worker->engine->options.memory_limit);
	return worker->groups == NULL ? GSTORE_ENGINE_OUT_OF_MEMORY : status;
}

/* Rows that passed, into the worker's groups or those of all. */
static GstoreEngineStatus
add_rows(Worker *worker, const uint16 *selection, int n, uint8 *state)
{
	GstoreEngine *engine = worker->engine;
	GstoreSharedGroups *shared = atomic_load_explicit(&engine->shared,
													  memory_order_acquire);
	GstoreEngineStatus status;

	if (shared == NULL && engine->nthreads > 0 &&
		gstore_groups_many(worker->groups))
	{
		shared = share_groups(engine);
		if (shared == NULL)
			return GSTORE_ENGINE_OUT_OF_MEMORY;
	}
	if (shared == NULL)
		return gstore_groups_add(worker->groups, &worker->machine, selection,
								 n, state);
	status = give_groups(worker, shared);
	if (status == GSTORE_ENGINE_OK)
		status = gstore_shared_add(shared, worker->groups, &worker->machine,
								   selection, n, state);
	return status;
}

static void
run_vector(Worker *worker, uint64 first, int n)
{
	GstoreEngine *engine = worker->engine;
	const Task *task = &engine->task;
	const GstoreProgram *program = engine->program;
	const uint16 *selection;
	int filtered = 0;
	int nmarked;
	uint64 at = (first - task->from) / 8;

	worker->machine.input = task->input;
	worker->machine.first = first;
	gstore_machine_forget(&worker->machine);
	selection = visible_rows(task->input, first, &n, worker->selections[0]);
	nmarked = run_filter(worker, &selection, &n);
	if (task->pass != NULL)
	{
		set_bits(task->pass + at, selection, n);
		set_bits(task->pass + at, worker->marked, nmarked);
		set_bits(task->recheck + at, worker->marked, nmarked);
		return;
	}
	if (nmarked > 0)
	{
		fail(engine, GSTORE_ENGINE_STATE,
			 marked_state(worker, worker->marked[0]));
		return;
	}
	if (n > 0)
	{
		GstoreEngineStatus status;
		uint8 state = 0;

		if (program->nconjuncts > 0)
			filtered = GSTORE_PROGRAM_PART(program, GstoreConjunct,
										   conjuncts)[program->nconjuncts - 1]
						   .end;
		gstore_machine_run(&worker->machine, filtered,
						   program->ninstructions, selection, n);
		status = add_rows(worker, selection, n, &state);
		fail(engine, status, state);
	}
}

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

	run_vector(worker, first, n);
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
				run_vector(worker, task->from + from, n);
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
	gstore_groups_destroy(worker->groups);
	worker->groups = NULL;
}

static bool
init_worker(GstoreEngine *engine, Worker *worker)
{
	worker->engine = engine;
	if (engine->program->is_aggregate)
	{
		worker->groups = gstore_groups_create(engine->program,
											  engine->options.memory_limit /
												  engine->options.threads);
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

/* Let the threads work on the task, work too, and wait for all. */
static GstoreEngineStatus
run_round(GstoreEngine *engine)
{
	/* Once failed, always failed: groups may be half done. */
	if (atomic_load(&engine->failed) != GSTORE_ENGINE_OK)
		return (GstoreEngineStatus) atomic_load(&engine->failed);
	atomic_store(&engine->next, 0);
	for (int i = 0; i < engine->program->ncolumns; i++)
	{
		const GstoreColumnView *column = &engine->task.input->columns[i];

		engine->task.long_texts |= column->base != NULL &&
								   column->base_to - column->base_from >=
									   LONG_TEXT_BYTES;
	}
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
	engine->task = (Task){input, from, count, pass, recheck, false};
	return run_round(engine);
}

GstoreEngineStatus
gstore_engine_aggregate(GstoreEngine *engine, const GstoreEngineInput *input)
{
	engine->task = (Task){input, 0, input->rows, NULL, NULL, false};
	return run_round(engine);
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
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(engine->program, GstoreProgramAggregate,
							aggregates);
	GstoreEngineStatus status = ensure_group(engine);
	const GstoreGroupKey *keys;
	GstoreAggregateState *own;

	if (status != GSTORE_ENGINE_OK)
		return status;
	(void) gstore_groups_get(engine->workers[0].groups, 0, &keys, &own);
	gstore_aggregate_merge(&aggregates[aggregate], &own[aggregate], state);
	return GSTORE_ENGINE_OK;
}

/* The caller's own table, which has room for its share of the groups only, once
 * more, with room for all. */
static GstoreEngineStatus
make_room(GstoreEngine *engine)
{
	Worker *worker = &engine->workers[0];
	GstoreGroups *groups = gstore_groups_create(engine->program,
												engine->options.memory_limit);
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
						   GstoreAggregateState **states)
{
	GstoreEngineStatus status = engine->has_room ? GSTORE_ENGINE_OK
												 : make_room(engine);

	return status != GSTORE_ENGINE_OK
			   ? status
			   : gstore_groups_absorb(engine->workers[0].groups, keys, states);
}

GstoreEngineStatus
gstore_engine_refuse(GstoreEngine *engine, int state)
{
	fail(engine, GSTORE_ENGINE_STATE, state);
	return (GstoreEngineStatus) atomic_load(&engine->failed);
}

/* What is known of all states of an aggregate; and a sum that became infinite
 * of finite values has overflowed. */
static void
finish_states(GstoreEngine *engine, GstoreAggregateState *states)
{
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(engine->program, GstoreRegister, registers);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(engine->program, GstoreProgramAggregate,
							aggregates);

	for (int i = 0; i < engine->program->naggregates; i++)
	{
		bool real = aggregates[i].type == GSTORE_TYPE_FLOAT4 ||
					aggregates[i].type == GSTORE_TYPE_FLOAT8;
		bool sums = aggregates[i].kind == GSTORE_AGGREGATE_SUM ||
					aggregates[i].kind == GSTORE_AGGREGATE_MOMENTS;

		if (aggregates[i].type == GSTORE_TYPE_DECIMAL)
			states[i].scale = registers[aggregates[i].argument].scale;
		if (real && sums && !states[i].infinite &&
			gstore_infinite_float8(states[i].value.real.sum))
			states[i].state = GSTORE_STATE_OVERFLOW;
		if (states[i].state != GSTORE_STATE_VALUE)
			fail(engine, GSTORE_ENGINE_STATE, states[i].state);
	}
}

/* All workers' groups into those of the first, or into the shared ones. */
static GstoreEngineStatus
gather_groups(GstoreEngine *engine)
{
	GstoreSharedGroups *shared = atomic_load(&engine->shared);
	GstoreGroups *groups = engine->workers[0].groups;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

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

/* The group at a place, or at the next one; false: there is none. */
static bool
get_group(GstoreEngine *engine, int *part, uint64 *index,
		  const GstoreGroupKey **keys, GstoreAggregateState **states)
{
	GstoreSharedGroups *shared = atomic_load(&engine->shared);

	if (shared != NULL)
		return gstore_shared_get(shared, part, index, keys, states);
	return gstore_groups_get(engine->workers[0].groups, *index, keys, states);
}

GstoreEngineStatus
gstore_engine_finish(GstoreEngine *engine)
{
	const GstoreGroupKey *keys;
	GstoreAggregateState *states;
	int part = 0;

	fail(engine, gather_groups(engine), 0);
	if (atomic_load(&engine->failed) == GSTORE_ENGINE_OK)
		for (uint64 i = 0; get_group(engine, &part, &i, &keys, &states); i++)
			finish_states(engine, states);
	return (GstoreEngineStatus) atomic_load(&engine->failed);
}

bool
gstore_engine_next_group(GstoreEngine *engine, const GstoreGroupKey **keys,
						 const GstoreAggregateState **states)
{
	GstoreAggregateState *found;

	if (!get_group(engine, &engine->next_part, &engine->next_group, keys,
				   &found))
		return false;
	engine->next_group++;
	*states = found;
	return true;
}

int
gstore_engine_error_state(const GstoreEngine *engine)
{
	return atomic_load(&((GstoreEngine *) engine)->error_state);
}
