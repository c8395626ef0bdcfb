/*
 * fault.c
 *	  Named fault points: parsing of the setting, what happens at a point, and
 *	  the SQL functions with which a test lets a waiting process go on.
 *
 * A process that waits at a point stands in a small table in shared memory: an
 * entry per point, with the number of those waiting and the number of wake-ups
 * so far.  Entries are guarded by the table's spinlock; one condition variable
 * serves all.  Never used in production: whoever sets the setting is a
 * superuser and means it.
 */
#include "postgres.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"

#include "fault.h"

#define POINT_LENGTH 64
#define MAX_FAULTS 16
#define MAX_WAITED_POINTS 64

typedef enum FaultAction
{
	FAULT_ERROR,
	FAULT_FATAL,
	FAULT_WAIT,
	FAULT_KILL
} FaultAction;

typedef struct Fault
{
	char point[POINT_LENGTH];
	FaultAction action;
	int count;	/* 0: at every passage */
	int passed; /* passages so far */
} Fault;

/* The setting as parsed; the "extra" of its value. */
typedef struct Faults
{
	int nfaults;
	Fault faults[MAX_FAULTS];
} Faults;

typedef struct WaitedPoint
{
	char point[POINT_LENGTH]; /* empty: unused */
	int waiting;			  /* processes that stand there */
	int leaving;			  /* those of them that were woken */
	uint64 wakeups;			  /* calls of gstore_fault_wakeup */
} WaitedPoint;

/* All fields under mutex. */
typedef struct FaultShared
{
	slock_t mutex;
	ConditionVariable woken;
	WaitedPoint points[MAX_WAITED_POINTS];
} FaultShared;

bool gstore_fault_armed = false;

static Faults *current = NULL;
static FaultShared *shared = NULL;

PG_FUNCTION_INFO_V1(gstore_fault_wakeup);
PG_FUNCTION_INFO_V1(gstore_fault_waiting);

/* ---- shared memory ---- */

Size
gstore_fault_shmem_size(void)
{
	return MAXALIGN(sizeof(FaultShared));
}

void
gstore_fault_shmem_startup(void)
{
	bool found;

	shared = ShmemInitStruct("gstore_fdw fault points", sizeof(FaultShared),
							 &found);
	if (!found)
	{
		memset(shared, 0, sizeof(FaultShared));
		SpinLockInit(&shared->mutex);
		ConditionVariableInit(&shared->woken);
	}
}

/* ---- the setting ---- */

static const struct
{
	const char *word;
	FaultAction action;
} actions[] =
	{
		{"error", FAULT_ERROR},
		{"fatal", FAULT_FATAL},
		{"wait", FAULT_WAIT},
		{"kill", FAULT_KILL},
};

/* What a check hook hands to its assign hook must come from here. */
static void *
allocate_extra(Size bytes)
{
#if PG_VERSION_NUM >= 160000
	return guc_malloc(LOG, bytes);
#else
	return malloc(bytes);
#endif
}

static void
free_extra(void *extra)
{
#if PG_VERSION_NUM >= 160000
	guc_free(extra);
#else
	free(extra);
#endif
}

/* Parse "point:action[:count]", which is overwritten. */
static bool
parse_fault(char *text, Fault *fault)
{
	char *action = strchr(text, ':');
	char *count = NULL;

	if (action == NULL)
		return false;
	*action++ = '\0';
	count = strchr(action, ':');
	if (count != NULL)
		*count++ = '\0';
	if (text[0] == '\0' || strlen(text) >= POINT_LENGTH)
		return false;

	memset(fault, 0, sizeof(*fault));
	strlcpy(fault->point, text, POINT_LENGTH);
	if (count != NULL)
	{
		char *end;
		long value = strtol(count, &end, 10);

		if (end == count || *end != '\0' || value < 1 || value > INT_MAX)
			return false;
		fault->count = (int) value;
	}
	for (int i = 0; i < (int) lengthof(actions); i++)
	{
		if (strcmp(action, actions[i].word) == 0)
		{
			fault->action = actions[i].action;
			return true;
		}
	}
	return false;
}

bool
gstore_fault_check(char **newval, void **extra, GucSource source)
{
	Faults *faults;
	char *copy;
	char *rest;
	char *item;
	bool good = true;

	if (*newval == NULL || **newval == '\0')
		return true;

	faults = allocate_extra(sizeof(Faults));
	if (faults == NULL)
		return false;
	faults->nfaults = 0;
	copy = pstrdup(*newval);
	rest = copy;
	while (good && (item = strtok_r(rest, ", \t\n", &rest)) != NULL)
	{
		if (faults->nfaults == MAX_FAULTS)
		{
			GUC_check_errdetail("At most %d faults can be set.", MAX_FAULTS);
			good = false;
		}
		else if (!parse_fault(item, &faults->faults[faults->nfaults++]))
		{
			GUC_check_errdetail("Each fault is \"point:action[:count]\", with action one of error, fatal, wait, kill.");
			good = false;
		}
	}
	pfree(copy);

	/* What was refused nobody frees. */
	if (!good)
	{
		free_extra(faults);
		return false;
	}
	*extra = faults;
	return true;
}

void
gstore_fault_assign(const char *newval, void *extra)
{
	current = extra;
	if (current != NULL)
		for (int i = 0; i < current->nfaults; i++)
			current->faults[i].passed = 0;
	gstore_fault_armed = current != NULL && current->nfaults > 0;
}

/* ---- waiting ---- */

/* The entry of a point, made if need be; NULL if the table is full.  Caller
 * holds the mutex. */
static WaitedPoint *
find_point(const char *point, bool create)
{
	WaitedPoint *unused = NULL;

	for (int i = 0; i < MAX_WAITED_POINTS; i++)
	{
		WaitedPoint *entry = &shared->points[i];

		if (entry->point[0] == '\0')
		{
			if (unused == NULL)
				unused = entry;
		}
		else if (strcmp(entry->point, point) == 0)
			return entry;
	}
	if (create && unused != NULL)
		strlcpy(unused->point, point, POINT_LENGTH);
	return create ? unused : NULL;
}

/* One process's wait. */
typedef struct Wait
{
	WaitedPoint *entry;
	uint64 before; /* wakeups when it began */
} Wait;

/* Stop waiting, for whatever reason; argument is the Wait. */
static void
leave_point(int code, Datum argument)
{
	Wait *wait = (Wait *) DatumGetPointer(argument);
	WaitedPoint *entry = wait->entry;

	SpinLockAcquire(&shared->mutex);
	if (entry->wakeups != wait->before)
		entry->leaving--;
	if (--entry->waiting == 0)
		entry->point[0] = '\0';
	SpinLockRelease(&shared->mutex);
}

static void
wait_at(const char *point)
{
	Wait wait = {0};

	if (shared == NULL)
		return;

	SpinLockAcquire(&shared->mutex);
	wait.entry = find_point(point, true);
	if (wait.entry != NULL)
	{
		wait.entry->waiting++;
		wait.before = wait.entry->wakeups;
	}
	SpinLockRelease(&shared->mutex);
	if (wait.entry == NULL)
		elog(ERROR, "too many fault points are waited at");

	PG_ENSURE_ERROR_CLEANUP(leave_point, PointerGetDatum(&wait));
	{
		ConditionVariablePrepareToSleep(&shared->woken);
		for (;;)
		{
			bool woken;

			SpinLockAcquire(&shared->mutex);
			woken = wait.entry->wakeups != wait.before;
			SpinLockRelease(&shared->mutex);
			if (woken)
				break;
			ConditionVariableSleep(&shared->woken, PG_WAIT_EXTENSION);
		}
		ConditionVariableCancelSleep();
	}
	PG_END_ENSURE_ERROR_CLEANUP(leave_point, PointerGetDatum(&wait));
	leave_point(0, PointerGetDatum(&wait));
}

static void
happen(Fault *fault)
{
	switch (fault->action)
	{
		case FAULT_ERROR:
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("injected fault at \"%s\"", fault->point)));
			break;
		case FAULT_FATAL:
			ereport(FATAL,
					(errcode(ERRCODE_ADMIN_SHUTDOWN),
					 errmsg("injected end of the session at \"%s\"",
							fault->point)));
			break;
		case FAULT_WAIT:
			wait_at(fault->point);
			break;
		case FAULT_KILL:
			kill(getpid(), SIGKILL);
			/* It may be delivered a moment later: do not go on. */
			for (;;)
				pause();
	}
}

void
gstore_fault_reached(const char *point)
{
	Faults *faults = current;

	if (faults == NULL)
		return;
	for (int i = 0; i < faults->nfaults; i++)
	{
		Fault *fault = &faults->faults[i];

		if (strcmp(fault->point, point) != 0)
			continue;
		fault->passed++;
		if (fault->count != 0 && fault->passed != fault->count)
			continue;
		happen(fault);

		/* While it waited the setting may have been changed. */
		if (faults != current)
			return;
	}
}

/* ---- SQL ---- */

static void
require_superuser(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to use fault points")));
	if (shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("fault points need gstore_fdw in shared_preload_libraries")));
}

/* gstore_fault_wakeup(text) returns boolean: let everybody who waits at the
 * point go on; false when nobody does. */
Datum
gstore_fault_wakeup(PG_FUNCTION_ARGS)
{
	char *point = text_to_cstring(PG_GETARG_TEXT_PP(0));
	WaitedPoint *entry;
	bool found;

	require_superuser();
	SpinLockAcquire(&shared->mutex);
	entry = find_point(point, false);
	found = entry != NULL && entry->waiting > entry->leaving;
	if (found)
	{
		entry->wakeups++;
		entry->leaving = entry->waiting;
	}
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->woken);
	PG_RETURN_BOOL(found);
}

/* gstore_fault_waiting(text) returns boolean: does anybody wait there who has
 * not been woken? */
Datum
gstore_fault_waiting(PG_FUNCTION_ARGS)
{
	char *point = text_to_cstring(PG_GETARG_TEXT_PP(0));
	WaitedPoint *entry;
	bool waiting;

	require_superuser();
	SpinLockAcquire(&shared->mutex);
	entry = find_point(point, false);
	waiting = entry != NULL && entry->waiting > entry->leaving;
	SpinLockRelease(&shared->mutex);
	PG_RETURN_BOOL(waiting);
}
