/*
 * pool.c
 *	  The pool of requests in main shared memory, seen from both sides.
 *
 * Must never call a device, and never wait for anything but a latch or a
 * condition variable.  What lets go (abandon, end, recycle) neither raises nor
 * allocates: it runs while transactions fail.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "fault.h"
#include "request/devices.h"
#include "request/hold.h"
#include "request/request.h"
#include "request/staging.h"
#include "request/wait_event.h"

/* Slots for each process that can exist: views send for a few at a time, and
 * an upload needs three at once.  So nobody waits for one, but behind many
 * that were abandoned. */
#define SLOTS_PER_PROCESS 6
#define MIN_SLOTS 64

/* A waiting backend looks by itself this often, whatever became of wake-ups. */
#define RECHECK_MS 5000

typedef struct GstorePool
{
	pg_atomic_uint32 keeper_procno; /* NO_KEEPER, or index in allProcs; written
									 * by the keeper */
	pg_atomic_uint64 next_ticket;
	pg_atomic_uint32 nqueued; /* slots that are QUEUED, or soon will be */
	ConditionVariable freed;  /* a slot became FREE */
	int nslots;				  /* fixed */
	GstoreRequest slots[FLEXIBLE_ARRAY_MEMBER];
} GstorePool;

#define NO_KEEPER PG_UINT32_MAX

GstoreRequestHooks gstore_request_hooks;

static GstorePool *pool = NULL;
static int held = 0;

/* ---- shared memory ---- */

/* Index of this process in allProcs, whatever the server version calls it. */
static int
my_procno(void)
{
	return (int) (MyProc - ProcGlobal->allProcs);
}

static int
slots_wanted(void)
{
	return Max(MIN_SLOTS, SLOTS_PER_PROCESS * MaxBackends);
}

size_t
gstore_request_shmem_size(void)
{
	return MAXALIGN(offsetof(GstorePool, slots) +
					slots_wanted() * sizeof(GstoreRequest));
}

void
gstore_request_shmem_startup(void)
{
	bool found;

	pool = ShmemInitStruct("gstore_fdw requests", gstore_request_shmem_size(),
						   &found);
	if (found)
		return;
	memset(pool, 0, gstore_request_shmem_size());
	pg_atomic_init_u32(&pool->keeper_procno, NO_KEEPER);
	pg_atomic_init_u64(&pool->next_ticket, 1);
	pg_atomic_init_u32(&pool->nqueued, 0);
	ConditionVariableInit(&pool->freed);
	pool->nslots = slots_wanted();
	for (int i = 0; i < pool->nslots; i++)
	{
		SpinLockInit(&pool->slots[i].mutex);
		pg_atomic_init_u32(&pool->slots[i].state, GSTORE_REQUEST_FREE);
	}
}

int
gstore_request_in_use(void)
{
	int count = 0;

	for (int i = 0; pool != NULL && i < pool->nslots; i++)
		if (pg_atomic_read_u32(&pool->slots[i].state) != GSTORE_REQUEST_FREE)
			count++;
	return count;
}

int
gstore_request_slots(void)
{
	return pool->nslots;
}

int
gstore_request_index(const GstoreRequest *request)
{
	return (int) (request - pool->slots);
}

int
gstore_request_held(void)
{
	return held;
}

/* ---- letting go ---- */

/* Give up staging and pin. */
static void
drop_property(GstoreRequest *request)
{
	gstore_staging_give(request->staging_offset, request->staging_length);
	request->staging_length = 0;
	if (request->is_pinned)
		gstore_request_hooks.unpin(request->pinned);
	for (int i = 0; request->is_pinned && i < request->nmore; i++)
		gstore_request_hooks.unpin(request->more[i]);
	request->is_pinned = false;
	request->pinned = InvalidDsaPointer;
	request->nmore = 0;
}

void
gstore_request_recycle(GstoreRequest *request)
{
	drop_property(request);
	request->location.kind = GSTORE_LOCATION_NONE;
	pg_write_barrier();
	pg_atomic_write_u32(&request->state, GSTORE_REQUEST_FREE);
	ConditionVariableSignal(&pool->freed);
}

static void
enqueue(GstoreRequest *request)
{
	request->ticket = pg_atomic_fetch_add_u64(&pool->next_ticket, 1);

	/* An atomic that changes is a barrier: the keeper sees all of it. */
	pg_atomic_fetch_add_u32(&pool->nqueued, 1);
	pg_atomic_write_u32(&request->state, GSTORE_REQUEST_QUEUED);
	gstore_request_wake_keeper();
}

/* The owner, and nobody else, has it: give the slot back.  An allocation it
 * made is the keeper's to free, what it opened the keeper's to close, and the
 * slot becomes the errand. */
static void
let_go(GstoreRequest *request)
{
	bool made = (request->kind == GSTORE_REQUEST_UPLOAD ||
				 request->kind == GSTORE_REQUEST_LAUNCH) &&
				request->location.kind == GSTORE_LOCATION_DEVICE;
	bool opened = request->kind == GSTORE_REQUEST_OPEN &&
				  request->location.kind == GSTORE_LOCATION_OPENED;

	held--;
	if ((made || opened) &&
		pg_atomic_read_u32(&request->state) == GSTORE_REQUEST_DONE)
	{
		drop_property(request);
		request->kind = made ? GSTORE_REQUEST_RELEASE : GSTORE_REQUEST_CLOSE;
		request->abandoned = true;
		enqueue(request);
		return;
	}
	gstore_request_recycle(request);
}

/* A hold's release callback: whatever state the request is in. */
static void
abandon(void *what)
{
	GstoreRequest *request = what;
	uint32 state;

	SpinLockAcquire(&request->mutex);
	state = pg_atomic_read_u32(&request->state);
	if (state == GSTORE_REQUEST_QUEUED || state == GSTORE_REQUEST_RUNNING)
		request->abandoned = true;
	SpinLockRelease(&request->mutex);

	if (state == GSTORE_REQUEST_QUEUED || state == GSTORE_REQUEST_RUNNING)
		held--;
	else
		let_go(request);
}

/* ---- the backend's side ---- */

/* The lowest free slot: what is in use stays together, so that it is found
 * without looking at all of a large pool. */
static GstoreRequest *
take_slot(void)
{
	for (int i = 0; i < pool->nslots; i++)
	{
		GstoreRequest *request = &pool->slots[i];
		uint32 expected = GSTORE_REQUEST_FREE;

		if (pg_atomic_read_u32(&request->state) == GSTORE_REQUEST_FREE &&
			pg_atomic_compare_exchange_u32(&request->state, &expected,
										   GSTORE_REQUEST_FILLING))
			return request;
	}
	return NULL;
}

GstoreRequest *
gstore_request_begin(GstoreRequestKind kind, int device)
{
	GstoreRequest *request;
	GstoreHold *hold;

	if (pg_atomic_read_u32(&pool->keeper_procno) == NO_KEEPER)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the GPU memory keeper is not running"),
				 errhint("It restarts by itself: try again, and see the server log.")));

	hold = gstore_hold_prepare("gstore_fdw request", abandon);
	request = take_slot();
	if (request == NULL)
	{
		GSTORE_FAULT_POINT("request-slot-wait");
		ConditionVariablePrepareToSleep(&pool->freed);
		while ((request = take_slot()) == NULL)
			(void) ConditionVariableTimedSleep(&pool->freed, RECHECK_MS,
											   gstore_wait_event(GSTORE_WAIT_SLOT));
		ConditionVariableCancelSleep();
	}

	request->abandoned = false;
	request->hold = hold;
	request->owner_pgprocno = my_procno();
	request->owner_pid = MyProcPid;
	request->kind = kind;
	request->device = device;
	memset(&request->location, 0, sizeof(request->location));
	memset(&request->written, 0, sizeof(request->written));
	request->staging_offset = 0;
	request->staging_length = 0;
	request->pinned = InvalidDsaPointer;
	request->is_pinned = false;
	request->nmore = 0;
	request->bytes = 0;
	request->zero_bytes = 0;
	request->keeps_memory = false;
	request->nsegments = 0;
	request->error.kind = GSTORE_DEVICE_OK;
	request->wanted = 0;
	request->available = 0;
	gstore_hold_take(hold, request);
	held++;
	return request;
}

void
gstore_request_submit(GstoreRequest *request)
{
	GSTORE_FAULT_POINT("request-submit");
	if (DsaPointerIsValid(request->pinned) && !request->is_pinned &&
		gstore_request_hooks.pin != NULL)
	{
		gstore_request_hooks.pin(request->pinned);
		for (int i = 0; i < request->nmore; i++)
			gstore_request_hooks.pin(request->more[i]);
		request->is_pinned = true;
	}
	enqueue(request);
	GSTORE_FAULT_POINT("request-submitted");
}

bool
gstore_request_is_done(GstoreRequest *request)
{
	bool done;

	done = pg_atomic_read_u32(&request->state) == GSTORE_REQUEST_DONE;
	pg_read_barrier();
	return done;
}

int
gstore_request_sqlstate(GstoreDeviceErrorKind kind)
{
	switch (kind)
	{
		case GSTORE_DEVICE_OUT_OF_MEMORY:
			return ERRCODE_OUT_OF_MEMORY;
		case GSTORE_DEVICE_LOST:
			return ERRCODE_IO_ERROR;
		case GSTORE_DEVICE_UNAVAILABLE:
			return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
		case GSTORE_DEVICE_INVALID:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case GSTORE_DEVICE_UNSUPPORTED:
			return ERRCODE_FEATURE_NOT_SUPPORTED;
		case GSTORE_DEVICE_OK:
		case GSTORE_DEVICE_FAILED:
			break;
	}
	return ERRCODE_SYSTEM_ERROR;
}

void
gstore_request_raise_memory(int device, uint64 wanted, uint64 available,
							const char *purpose)
{
	GstoreDevices *devices = gstore_devices();
	GstoreDeviceSlot *slot = &devices->slots[device];

	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory on device %d", device),
			 errdetail("%llu bytes were wanted on device %d (%s), %llu of its %llu bytes are free.",
					   (unsigned long long) wanted, device, slot->info.name,
					   (unsigned long long) available,
					   (unsigned long long) slot->limit),
			 devices->on_host ? errhint("TRUNCATE or drop tables, or raise gstore_fdw.host_memory.") : errhint("TRUNCATE or drop tables, raise gstore_fdw.device_memory, or put the table on another device with the option \"pinning\"."),
			 purpose != NULL ? errcontext("%s", purpose) : 0));
}

/* Raise what the keeper reported. */
static void
raise_failure(const GstoreDeviceError *error, int device, uint64 wanted,
			  uint64 available, const char *purpose)
{
	if (error->kind == GSTORE_DEVICE_OUT_OF_MEMORY)
		gstore_request_raise_memory(device, wanted, available, purpose);
	ereport(ERROR,
			(errcode(gstore_request_sqlstate(error->kind)),
			 error->kind == GSTORE_DEVICE_LOST ? errmsg("device %d was lost", device) : errmsg("device %d could not serve a request", device),
			 errdetail("%.64s: %.192s.", error->what, error->text),
			 error->kind == GSTORE_DEVICE_LOST ? errhint("What the device held is gone: TRUNCATE its tables and load them again.") : 0,
			 purpose != NULL ? errcontext("%s", purpose) : 0));
}

void
gstore_request_await(GstoreRequest *request)
{
	GSTORE_FAULT_POINT("request-wait");
	while (!gstore_request_is_done(request))
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RECHECK_MS, gstore_wait_event(GSTORE_WAIT_REQUEST));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	GSTORE_FAULT_POINT("request-done");
}

void
gstore_request_wait(GstoreRequest *request, const char *purpose)
{
	gstore_request_await(request);
	if (request->error.kind != GSTORE_DEVICE_OK)
	{
		GstoreDeviceError error = request->error;
		uint64 wanted = request->wanted;
		uint64 available = request->available;
		int device = request->device;

		gstore_request_end(request);
		raise_failure(&error, device, wanted, available, purpose);
	}
}

void
gstore_request_make_room(void)
{
	GstoreRequest *barrier;

	if (gstore_request_hooks.make_room != NULL)
		gstore_request_hooks.make_room();

	/* In the arena that was all. */
	if (gstore_devices()->on_host)
		return;
	barrier = gstore_request_begin(GSTORE_REQUEST_BARRIER, 0);
	gstore_request_submit(barrier);
	gstore_request_wait(barrier, NULL);
	gstore_request_end(barrier);
}

void
gstore_request_abandon(GstoreRequest *request)
{
	gstore_hold_release(request->hold);
}

void
gstore_request_end(GstoreRequest *request)
{
	gstore_hold_forget(request->hold);
	let_go(request);
}

/* ---- the keeper's side ---- */

void
gstore_request_wake_keeper(void)
{
	uint32 procno;

	/* What was queued must be seen by a keeper that this does not wake. */
	pg_memory_barrier();
	if (pool == NULL)
		return;
	procno = pg_atomic_read_u32(&pool->keeper_procno);
	if (procno != NO_KEEPER)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
}

void
gstore_request_keeper_attach(void)
{
	pg_atomic_write_u32(&pool->keeper_procno, my_procno());
	pg_memory_barrier();
}

void
gstore_request_keeper_detach(void)
{
	pg_atomic_write_u32(&pool->keeper_procno, NO_KEEPER);
}

GstoreRequest *
gstore_request_next(void)
{
	GstoreRequest *oldest = NULL;
	uint32 left = pg_atomic_read_u32(&pool->nqueued);

	for (int i = 0; left > 0 && i < pool->nslots; i++)
	{
		GstoreRequest *request = &pool->slots[i];
		bool abandoned;

		if (pg_atomic_read_u32(&request->state) != GSTORE_REQUEST_QUEUED)
			continue;
		pg_read_barrier();
		left--;

		SpinLockAcquire(&request->mutex);
		abandoned = request->abandoned;
		SpinLockRelease(&request->mutex);
		if (abandoned && request->kind != GSTORE_REQUEST_RELEASE &&
			request->kind != GSTORE_REQUEST_CLOSE)
		{
			pg_atomic_fetch_sub_u32(&pool->nqueued, 1);
			gstore_request_recycle(request);
			continue;
		}
		if (oldest == NULL || request->ticket < oldest->ticket)
			oldest = request;
	}
	if (oldest != NULL)
	{
		pg_atomic_fetch_sub_u32(&pool->nqueued, 1);
		pg_atomic_write_u32(&oldest->state, GSTORE_REQUEST_RUNNING);
	}
	return oldest;
}

bool
gstore_request_complete(GstoreRequest *request)
{
	int procno = request->owner_pgprocno;
	bool abandoned;

	SpinLockAcquire(&request->mutex);
	abandoned = request->abandoned;
	if (!abandoned)
		pg_atomic_write_u32(&request->state, GSTORE_REQUEST_DONE);
	SpinLockRelease(&request->mutex);

	/* Its slot may be someone else's by now; the latch at worst wakes for
	 * nothing. */
	if (!abandoned)
		SetLatch(&ProcGlobal->allProcs[procno].procLatch);
	return !abandoned;
}

void
gstore_request_fail_all(const GstoreDeviceError *error)
{
	for (int i = 0; i < pool->nslots; i++)
	{
		GstoreRequest *request = &pool->slots[i];
		uint32 state = pg_atomic_read_u32(&request->state);

		if (state != GSTORE_REQUEST_QUEUED && state != GSTORE_REQUEST_RUNNING)
			continue;
		pg_read_barrier();
		if (state == GSTORE_REQUEST_QUEUED)
			pg_atomic_fetch_sub_u32(&pool->nqueued, 1);
		request->error = *error;
		request->location.kind = GSTORE_LOCATION_NONE;
		if (!gstore_request_complete(request))
			gstore_request_recycle(request);
	}
}
