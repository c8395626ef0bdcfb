/*
 * request.h
 *	  What a backend asks of the keeper, and how: the only thing both sides
 *	  know.
 *
 * Requests stand in a fixed pool in main shared memory.  Life of one:
 *
 *	 FREE -> (begin) FILLING -> (submit) QUEUED -> RUNNING -> DONE -> FREE
 *											^------ (submit) ------'
 *
 * A request owns what it works on until the keeper has completed it: the
 * staging window in `staging_*`, a pin of its own on the chunk `pinned`, and on
 * an upload the device allocation it made, on an open the memory it opened.  If
 * the backend goes away meanwhile (cancel, error, exit) its hold marks the
 * request abandoned and forgets it;
 * the keeper finishes it, frees what it owns, and returns the slot.  A backend
 * that goes away after its upload was done, or a launch that keeps its memory,
 * turns the slot into a RELEASE request, after an open into a CLOSE: nothing needs
 * to be allocated to let go.
 *
 * What the keeper was doing when it died is not touched until the next keeper
 * starts, for only then is it certain that no copy still writes into staging.
 *
 * Lock protocol: `state` is an atomic; QUEUED -> RUNNING -> DONE are made by
 * the keeper alone, all else by the owning backend.  `abandoned` is set by the
 * backend, and DONE by the keeper, under the slot's spinlock, so that exactly
 * one of the two cleans up.  No lock is ever held across a device call or a
 * wait.
 */
#ifndef GSTORE_REQUEST_H
#define GSTORE_REQUEST_H

#include "compat.h"
#include "device/device.h"
#include "device/location.h"
#include "port/atomics.h"
#include "storage/spin.h"
#include "utils/dsa.h"

/* Byte ranges one request copies. */
#define GSTORE_REQUEST_SEGMENTS 64

/* Chunks that a kernel of one request may read, besides `pinned`. */
#define GSTORE_REQUEST_MORE_PINS 15

typedef enum GstoreRequestKind
{
	GSTORE_REQUEST_UPLOAD,	/* allocate `bytes` on a device, or `wanted` if
								 * that is more, and, where there is staging,
								 * copy `bytes` there; behind them all is
								 * zero; result: location */
	GSTORE_REQUEST_WRITE,	/* copy staging to segments of an allocation */
	GSTORE_REQUEST_FETCH,	/* copy segments of an allocation to staging */
	GSTORE_REQUEST_RELEASE, /* free an allocation */
	GSTORE_REQUEST_EXPORT,	/* result: handle, by which other processes open
							 * the allocation at location */
	GSTORE_REQUEST_OPEN,	/* result: location, memory that another process
							 * has, by its handle */
	GSTORE_REQUEST_CLOSE,	/* the end of that */
	GSTORE_REQUEST_LAUNCH,	/* copy `bytes` of staging to `wanted` bytes of new
							 * device memory, run a kernel on it, copy
							 * segments of it to staging, and free it, or
							 * where it is kept; result: location */
	GSTORE_REQUEST_RUN,		/* copy `bytes` of staging to an allocation,
							 * location, run a kernel on it, which may
							 * work on `written` besides, and copy
							 * segments of location to staging */
	GSTORE_REQUEST_BARRIER	/* nothing: answers when all before it, and the
								 * pending frees, are done (tests, DROP) */
} GstoreRequestKind;

typedef enum GstoreRequestState
{
	GSTORE_REQUEST_FREE = 0,
	GSTORE_REQUEST_FILLING,
	GSTORE_REQUEST_QUEUED,
	GSTORE_REQUEST_RUNNING,
	GSTORE_REQUEST_DONE
} GstoreRequestState;

/* One copy, between device_offset of the allocation and staging_offset of the
 * request's window. */
typedef struct GstoreSegment
{
	uint64 device_offset;
	uint64 staging_offset;
	uint64 length;
} GstoreSegment;

/* All fields but state, abandoned: owner writes while FILLING, keeper after. */
typedef struct GstoreRequest
{
	pg_atomic_uint32 state; /* GstoreRequestState */
	slock_t mutex;			/* guards abandoned against completion */
	bool abandoned;			/* the backend forgot it: the keeper cleans */
	void *hold;				/* the owner's GstoreHold, in its own memory */
	uint64 ticket;			/* order of submission */
	int owner_pgprocno;		/* whose latch to set when done */
	int owner_pid;			/* for the log */
	GstoreRequestKind kind;
	int device;
	GstoreLocation location; /* what to work on.  upload: result */
	GstoreLocation written;	 /* run: another allocation; or none */
	uint64 staging_offset;	 /* window owned by the request (staging.h);
								 * length 0: none */
	uint64 staging_length;
	dsa_pointer pinned; /* chunk to pin while it runs, or
								 * InvalidDsaPointer; cleared by unpinning */
	bool is_pinned;
	int nmore; /* chunks a kernel reads besides; as pinned is */
	dsa_pointer more[GSTORE_REQUEST_MORE_PINS];
	GstoreKernel kernel; /* launch: which, */
	uint32 blocks;		 /* of how many blocks, */
	uint32 shared_bytes; /* with so much shared memory each, */
	uint32 epoch;		 /* over what the device held in this epoch, */
	uint64 zero_at;		 /* some of its memory zero before, */
	uint64 zero_bytes;
	bool keeps_memory;		/* which stays until the request ends */
	uint64 bytes;			/* upload: image bytes */
	GstoreIpcHandle handle; /* open: of what; export: result */
	int nsegments;
	GstoreSegment segments[GSTORE_REQUEST_SEGMENTS];
	GstoreDeviceError error; /* result: kind GSTORE_DEVICE_OK = success */
	uint64 wanted;			 /* on OUT_OF_MEMORY: bytes wanted and free */
	uint64 available;
} GstoreRequest;

extern size_t gstore_request_shmem_size(void);
extern void gstore_request_shmem_startup(void);

/*
 * What request/ needs of store/, which sets it in _PG_init.
 */
typedef struct GstoreRequestHooks
{
	/* One more pin on a chunk by who has one, and one less.  Neither raises
	 * or allocates. */
	void (*pin)(dsa_pointer chunk);
	void (*unpin)(dsa_pointer chunk);
	/* A device is full: unlink whatever nobody can see any more.  Called in
	 * backends that hold no lock. */
	void (*make_room)(void);
} GstoreRequestHooks;

extern GstoreRequestHooks gstore_request_hooks;

/* ---- the backend's side ---- */

/*
 * Take a free slot, waiting for one if need be (interruptible).  Raises 55000
 * when the keeper does not run.  The request is held: an error abandons it.
 */
extern GstoreRequest *gstore_request_begin(GstoreRequestKind kind, int device);
/* Hand it to the keeper; also once more after it was waited for. */
extern void gstore_request_submit(GstoreRequest *request);
/*
 * Wait until it is done (interruptible), whether well or not: see error.kind.
 */
extern void gstore_request_await(GstoreRequest *request);
/*
 * Wait until it is done (interruptible).  On failure frees what it owned, ends
 * it and raises the mapped error, with purpose ("loading table \"t\"") as
 * context.
 */
extern void gstore_request_wait(GstoreRequest *request, const char *purpose);
extern bool gstore_request_is_done(GstoreRequest *request);
/*
 * Give the slot back, with all the request owns.  What the caller takes over
 * it takes out before: staging by setting staging_length to 0, an uploaded
 * allocation by setting location.kind to GSTORE_LOCATION_NONE.
 */
extern void gstore_request_end(GstoreRequest *request);
/* Forget it, whatever state it is in; what it owns is given back.  Neither
 * raises nor waits: also what the request's hold does. */
extern void gstore_request_abandon(GstoreRequest *request);
/* Requests this process has begun and not ended. */
extern int gstore_request_held(void);

/* The SQLSTATE of what a device or the keeper said. */
extern int gstore_request_sqlstate(GstoreDeviceErrorKind kind);

/* What waits to be freed is freed when this returns: for a second attempt
 * after running out of memory.  Interruptible. */
extern void gstore_request_make_room(void);
/* Raise 53200: device could not give wanted bytes, for it has available. */
extern void gstore_request_raise_memory(int device, uint64 wanted,
										uint64 available, const char *purpose)
	pg_attribute_noreturn();

/* ---- the keeper's side ---- */

/* Publishes the calling process as the keeper; detach undoes. */
extern void gstore_request_keeper_attach(void);
extern void gstore_request_keeper_detach(void);
/* The oldest QUEUED request that nobody abandoned, now RUNNING; NULL if
 * there is none. */
extern GstoreRequest *gstore_request_next(void);
/*
 * Results are filled in and no copy of it is under way: make it DONE and wake
 * its owner; returns false when it was abandoned, and then the keeper must
 * free the device memory in location, if it has any, and call
 * gstore_request_recycle.
 */
extern bool gstore_request_complete(GstoreRequest *request);
/* Free the staging and the pin it owns, and the slot. */
extern void gstore_request_recycle(GstoreRequest *request);
/* A new keeper starts: fail what the one before it left behind. */
extern void gstore_request_fail_all(const GstoreDeviceError *error);
/* Wake the keeper: there is memory to free. */
extern void gstore_request_wake_keeper(void);

/* Slots not FREE, for the monitoring view and leak tests. */
extern int gstore_request_in_use(void);
/* Slots there are, and which of them a request is. */
extern int gstore_request_slots(void);
extern int gstore_request_index(const GstoreRequest *request);

#endif
