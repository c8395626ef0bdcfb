/*
 * run.c
 *	  The engine in a backend: how many threads, cancellation, errors.
 *
 * The engine's threads touch nothing of PostgreSQL's, and sleep whenever a call
 * of the engine has returned: so errors may be raised between calls.
 */
#include "postgres.h"

#include <sched.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/exec.h"
#include "guc.h"

/* For how long the CPUs that this process may run on are taken for known: who
 * inserts single rows asks the kernel for nothing else. */
#define KNOWN_MS 1000

static int
usable_cpus(void)
{
	static int cpus = 0;
	static TimestampTz known = 0;
	TimestampTz now = GetCurrentStatementStartTimestamp();
	cpu_set_t set;

	if (cpus > 0 && !TimestampDifferenceExceeds(known, now, KNOWN_MS))
		return cpus;
	known = now;
	cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	return cpus;
}

/* As many as the setting, or the CPUs that this process may run on. */
static int
wanted_threads(void)
{
	return gstore_guc_host_threads > 0 ? gstore_guc_host_threads
									   : usable_cpus();
}

int
gstore_exec_threads(void)
{
	/* Workers have one each, and the leader what they leave of the setting. */
	if (IsParallelWorker())
		return 1;
	return Max(1, wanted_threads() -
					  (IsInParallelMode() ? max_parallel_workers_per_gather : 0));
}

/* Is somebody waiting for this query to end? */
static bool
query_must_end(void *state)
{
	(void) state;
	return QueryCancelPending || ProcDiePending;
}

static void
destroy_engine(void *engine)
{
	gstore_engine_destroy(engine);
}

GstoreEngine *
gstore_exec_engine(const GstoreProgram *program, uint64 memory_limit)
{
	GstoreEngineOptions options = {0};
	MemoryContextCallback *callback = palloc0(sizeof(*callback));
	GstoreEngine *engine;

	options.threads = gstore_exec_threads();
	options.memory_limit = memory_limit;
	options.poll = query_must_end;
	engine = gstore_engine_create(program, &options);
	if (engine == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("The vectors of %d threads could not be allocated.",
						   options.threads),
				 errhint("Lower gstore_fdw.host_threads.")));
	callback->func = destroy_engine;
	callback->arg = engine;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return engine;
}

/* PostgreSQL's own words for what an operator found. */
static void
raise_state(int state, const char *relname)
{
	static const struct
	{
		int code;
		const char *message;
	} errors[] = {
		[GSTORE_STATE_DIVISION] = {ERRCODE_DIVISION_BY_ZERO, "division by zero"},
		[GSTORE_STATE_SMALLINT] = {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "smallint out of range"},
		[GSTORE_STATE_INTEGER] = {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"},
		[GSTORE_STATE_BIGINT] = {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"},
		[GSTORE_STATE_OVERFLOW] = {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow"},
		[GSTORE_STATE_UNDERFLOW] = {ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow"},
		[GSTORE_STATE_DATE] = {ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "date out of range"},
		[GSTORE_STATE_TIMESTAMP] = {ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "timestamp out of range"},
		[GSTORE_STATE_INFINITE] = {ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "cannot subtract infinite dates"},
		[GSTORE_STATE_INTERVAL] = {ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "interval out of range"},
		[GSTORE_STATE_SUBSTRING] = {ERRCODE_SUBSTRING_ERROR, "negative substring length not allowed"},
		[GSTORE_STATE_LIKE_ESCAPE] = {ERRCODE_INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character"}};

	if (state == GSTORE_STATE_CORRUPT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a chunk of foreign table \"%s\" contradicts itself",
						relname),
				 errhint("A program that mapped the exported memory may have overwritten it.")));
	if (state >= 0 && state < (int) lengthof(errors) &&
		errors[state].message != NULL)
		ereport(ERROR,
				(errcode(errors[state].code),
				 errmsg("%s", errors[state].message)));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a value of foreign table \"%s\" cannot be computed with in 128 bits",
					relname),
			 errhint("Set gstore_fdw.enable_pushdown to off for this query.")));
}

void
gstore_exec_check(GstoreEngine *engine, GstoreEngineStatus status,
				  const char *relname)
{
	switch (status)
	{
		case GSTORE_ENGINE_OK:
			return;
		case GSTORE_ENGINE_CANCELLED:
			CHECK_FOR_INTERRUPTS();
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceling statement due to user request")));
			break;
		case GSTORE_ENGINE_STATE:
			raise_state(gstore_engine_error_state(engine), relname);
			break;
		case GSTORE_ENGINE_LIMIT:
		case GSTORE_ENGINE_OUT_OF_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory"),
					 errdetail("The engine could not allocate memory for a query of foreign table \"%s\".",
							   relname)));
	}
}
