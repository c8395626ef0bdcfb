/*
 * maintenance.c
 *	  The background worker that takes back what no one sees any more, and
 *	  merges small chunks.
 *
 * It is a process of its own, not a part of the keeper's loop: it reads and
 * writes chunks by requests like a backend, which the keeper could not make of
 * itself, and its long work must not hold up anybody's requests.  It has no
 * database and runs no transactions.  It must be the only one to remove
 * entries from the catalogue.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "keeper/maintenance.h"
#include "store/merge.h"

/* Rest between two rounds, when the last one found work (at least) and when
 * not. */
#define BUSY_MS 20
#define IDLE_MS 250

PGDLLEXPORT void gstore_maintenance_main(Datum argument);

void
gstore_maintenance_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "gstore_fdw maintenance worker", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "gstore_fdw maintenance worker", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "gstore_fdw", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "gstore_maintenance_main", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

/* ---- one round ---- */

typedef struct TableList
{
	GstoreTable **tables;
	uint32 count;
	uint32 room;
} TableList;

static bool
count_table(GstoreTable *table, void *state)
{
	(void) table;
	((TableList *) state)->room++;
	return true;
}

static bool
list_table(GstoreTable *table, void *state)
{
	TableList *list = state;

	if (!table->dropped && list->count < list->room)
		list->tables[list->count++] = table;
	return true;
}

/* Once in each table, where it is worth it; the tables stay while we, who alone
 * remove them, work.  Returns for how many ms to rest: as long as the merges
 * took, so that they never take more than half of one CPU. */
static long
merge_tables(void)
{
	TableList list = {NULL, 0, 0};
	long pause = IDLE_MS;
	TimestampTz start = GetCurrentTimestamp();
	int64 won;

	gstore_catalog_walk(false, count_table, &list);
	list.tables = palloc(Max(1, list.room) * sizeof(GstoreTable *));
	gstore_catalog_walk(false, list_table, &list);
	for (uint32 i = 0; i < list.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (gstore_merge_table(list.tables[i],
							   (uint64) gstore_guc_chunk_size * 1024, false,
							   &won))
			pause = BUSY_MS;
	}
	if (pause == IDLE_MS)
		return IDLE_MS;
	return Max(BUSY_MS, TimestampDifferenceMilliseconds(start,
														GetCurrentTimestamp()));
}

/* ---- the process ---- */

/* Let go of everything an interrupted round held. */
static void
release_all(bool at_exit)
{
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	LockReleaseSession(DEFAULT_LOCKMETHOD); /* all we take, see merge.c */
	ResourceOwnerRelease(CurrentResourceOwner, RESOURCE_RELEASE_BEFORE_LOCKS,
						 false, !at_exit);
}

static void
on_exit_release(int code, Datum argument)
{
	(void) code;
	(void) argument;
	release_all(true);
}

static void
rest(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

void
gstore_maintenance_main(Datum argument)
{
	MemoryContext round;
	sigjmp_buf recover;

	(void) argument;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "gstore_fdw maintenance");
	round = AllocSetContextCreate(TopMemoryContext, "gstore_fdw maintenance",
								  ALLOCSET_DEFAULT_SIZES);
	before_shmem_exit(on_exit_release, (Datum) 0);

	/* Out of memory, say, must not end the worker: report, let go, go on. */
	if (sigsetjmp(recover, 1) != 0)
	{
		error_context_stack = NULL;
		HOLD_INTERRUPTS();
		EmitErrorReport();
		release_all(false);
		MemoryContextSwitchTo(TopMemoryContext);
		FlushErrorState();
		RESUME_INTERRUPTS();
		rest(1000);
	}
	PG_exception_stack = &recover;

	for (;;)
	{
		MemoryContextSwitchTo(round);
		MemoryContextReset(round);
		gstore_reclaim(true);
		gstore_graveyard_sweep();
		rest(gstore_guc_autocompact ? merge_tables() : IDLE_MS);
	}
}
