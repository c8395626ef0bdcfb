/*
 * staging.c
 *	  Windows of the arena's staging area.
 *
 * Roomy windows are extents as the arena gives them.  The narrow ones are
 * extents too, taken once and for good; which of them are free is a bitmap
 * under a spinlock.
 *
 * Must never let a process that has a narrow window wait for anything but the
 * keeper.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "storage/condition_variable.h"
#include "storage/proclist.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "device/arena.h"
#include "fault.h"
#include "request/staging.h"
#include "request/wait_event.h"

/* How many narrow windows, and how large at most: enough for one to fill
 * while others are copied, little enough to leave the area to roomy ones. */
#define NARROW_WINDOWS 4
#define NARROW_MAX_BYTES (UINT64_C(16) << 20)
#define NARROW_SHARE 16 /* of the staging area, each */

/* A waiter looks again after this long, so that nobody who overtakes it, time
 * and again, can keep it from its turn. */
#define RETRY_MS 100

typedef struct GstoreStaging
{
	slock_t mutex;
	bool open;						/* the windows are set aside; written once, by
								 * the keeper, before devices are published */
	uint64 narrow_bytes;			/* with open */
	uint64 offsets[NARROW_WINDOWS]; /* with open */
	uint32 free;					/* bitmap of free narrow windows; mutex */
	ConditionVariable given;		/* signalled when a window of either kind
									 * becomes free; who sleeps here waits for
									 * one */
} GstoreStaging;

static GstoreStaging *staging = NULL;

size_t
gstore_staging_shmem_size(void)
{
	return MAXALIGN(sizeof(GstoreStaging));
}

void
gstore_staging_shmem_startup(void)
{
	bool found;

	staging = ShmemInitStruct("gstore_fdw staging", sizeof(GstoreStaging),
							  &found);
	if (!found)
	{
		memset(staging, 0, sizeof(GstoreStaging));
		SpinLockInit(&staging->mutex);
		ConditionVariableInit(&staging->given);
	}
}

bool
gstore_staging_open(void)
{
	uint64 total;
	uint64 bytes;
	uint64 offset;
	uint64 length;
	uint64 available;

	if (staging->open)
		return true;

	(void) gstore_arena_staging(&total);
	bytes = Min(total / NARROW_SHARE, NARROW_MAX_BYTES);
	bytes -= bytes % GSTORE_ARENA_PAGE;
	if (bytes == 0)
		return false;

	/* To have had all of it once is to have all its pages, for good. */
	if (!gstore_arena_alloc(GSTORE_ARENA_STAGING, total, &offset, &length,
							&available))
		return false;
	gstore_arena_free(offset, length);

	for (int i = 0; i < NARROW_WINDOWS; i++)
	{
		if (!gstore_arena_alloc(GSTORE_ARENA_STAGING, bytes,
								&staging->offsets[i], &length, &available))
		{
			while (--i >= 0)
				gstore_arena_free(staging->offsets[i], bytes);
			return false;
		}
	}
	staging->narrow_bytes = bytes;
	staging->free = (1U << NARROW_WINDOWS) - 1;
	staging->open = true;
	return true;
}

uint64
gstore_staging_roomy_bytes(void)
{
	uint64 total;

	/* Leave room for one more of the size. */
	(void) gstore_arena_staging(&total);
	return (total - gstore_staging_set_aside()) / 2;
}

uint64
gstore_staging_set_aside(void)
{
	return NARROW_WINDOWS * staging->narrow_bytes;
}

uint64
gstore_staging_narrow_bytes(void)
{
	return staging->narrow_bytes;
}

bool
gstore_staging_take_roomy(uint64 bytes, uint64 *offset, uint64 *length)
{
	uint64 available;

	if (!staging->open || bytes > gstore_staging_roomy_bytes())
		return false;
	return gstore_arena_alloc(GSTORE_ARENA_STAGING, bytes, offset, length,
							  &available);
}

static bool
try_narrow(uint64 *offset, uint64 *length)
{
	int window = -1;

	SpinLockAcquire(&staging->mutex);
	if (staging->free != 0)
	{
		window = pg_rightmost_one_pos32(staging->free);
		staging->free &= ~(1U << window);
	}
	SpinLockRelease(&staging->mutex);
	if (window < 0)
		return false;
	*offset = staging->offsets[window];
	*length = staging->narrow_bytes;
	return true;
}

bool
gstore_staging_is_wanted(void)
{
	bool wanted;

	SpinLockAcquire(&staging->given.mutex);
	wanted = !proclist_is_empty(&staging->given.wakeup);
	SpinLockRelease(&staging->given.mutex);
	return wanted;
}

bool
gstore_staging_take_turn(bool (*instead)(void *state), void *state,
						 uint64 *offset, uint64 *length)
{
	bool behind = gstore_staging_is_wanted();
	bool better = false;

	if (!staging->open)
		elog(ERROR, "the staging area is not open");
	if (!behind && instead != NULL && instead(state))
		return false;
	if (!behind && try_narrow(offset, length))
		return true;
	GSTORE_FAULT_POINT("staging-wait");
	ConditionVariablePrepareToSleep(&staging->given);
	/* Who has just come behind others does not try before them. */
	while (behind || !((better = instead != NULL && instead(state)) ||
					   try_narrow(offset, length)))
	{
		(void) ConditionVariableTimedSleep(&staging->given, RETRY_MS,
										   gstore_wait_event(GSTORE_WAIT_STAGING));
		behind = false;
	}
	ConditionVariableCancelSleep();
	/* it may have been woken for a narrow one, which is the next one's now */
	if (better)
		ConditionVariableSignal(&staging->given);
	return !better;
}

bool
gstore_staging_take_narrow(bool wait, uint64 *offset, uint64 *length)
{
	if (!staging->open)
		return false;
	if (wait)
		return gstore_staging_take_turn(NULL, NULL, offset, length);
	return !gstore_staging_is_wanted() && try_narrow(offset, length);
}

void
gstore_staging_give(uint64 offset, uint64 length)
{
	bool narrow = false;

	if (length == 0)
		return;
	for (int i = 0; i < NARROW_WINDOWS && !narrow; i++)
	{
		if (!staging->open || staging->offsets[i] != offset)
			continue;
		SpinLockAcquire(&staging->mutex);
		staging->free |= 1U << i;
		SpinLockRelease(&staging->mutex);
		narrow = true;
	}
	if (!narrow)
		gstore_arena_free(offset, length);
	ConditionVariableSignal(&staging->given);
}

int
gstore_staging_narrow_in_use(void)
{
	uint32 free;

	if (!staging->open)
		return 0;
	SpinLockAcquire(&staging->mutex);
	free = staging->free;
	SpinLockRelease(&staging->mutex);
	return NARROW_WINDOWS - pg_popcount32(free);
}
