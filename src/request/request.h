/*
 * request.h
 *	  What a backend asks of the keeper, and how: the only thing both sides
 *	  know.
 *
 * Requests stand in a fixed pool in main shared memory.  Life of one:
 *
 *	 FREE -> (begin) FILLING -> (submit) QUEUED -> RUNNING -> DONE -> FREE
 *
 * A request owns what it works on until the keeper has completed it: the
 * staging extent in `staging`, the pin named by `pinned`, and on an upload the
 * device allocation it made.  If the backend goes away meanwhile (cancel,
 * error, exit) its hold marks the request ABANDONED and forgets it; the keeper
 * finishes it, frees what it owns, and returns the slot.  A request's
 * generation grows each time its slot is reused, so a late wake-up or a stale
 * pointer is recognised.
 *
 * Lock protocol: `state` is an atomic; QUEUED -> RUNNING -> DONE are made by
 * the keeper alone, all else by the owning backend, and FILLING/QUEUED/RUNNING
 * -> abandoned by compare-and-swap of the `abandoned` flag under the slot's
 * spinlock.  No lock is ever held across a device call or a wait.
 */
#ifndef GSTORE_REQUEST_H
#define GSTORE_REQUEST_H

#include "device/device.h"
#include "device/location.h"
#include "port/atomics.h"
#include "storage/spin.h"
#include "utils/dsa.h"

/* Byte ranges one request copies. */
#define GSTORE_REQUEST_SEGMENTS 64

typedef enum GstoreRequestKind
{
	GSTORE_REQUEST_UPLOAD,		/* allocate on a device and copy staging there;
								 * result: location */
	GSTORE_REQUEST_FETCH,		/* copy ranges of an allocation to staging */
	GSTORE_REQUEST_BARRIER		/* nothing: answers when all before it, and the
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

/* One copy: device bytes [source, source + length) of the location to staging
 * offset target (both counted from the start of their extent). */
typedef struct GstoreSegment
{
	uint64		device_offset;
	uint64		staging_offset;
	uint64		length;
} GstoreSegment;

/* All fields but state, abandoned: owner writes while FILLING, keeper after. */
typedef struct GstoreRequest
{
	pg_atomic_uint32 state;		/* GstoreRequestState */
	slock_t		mutex;			/* guards abandoned against completion */
	bool		abandoned;		/* the backend forgot it: the keeper cleans */
	uint64		generation;		/* ++ at every begin */
	uint64		ticket;			/* order of submission */
	int			owner_pgprocno; /* whose latch to set when done */
	int			owner_pid;
	GstoreRequestKind kind;
	int			device;
	GstoreLocation location;	/* fetch: source.  upload: result */
	uint64		staging_offset; /* extent owned by the request; length 0: none */
	uint64		staging_length;
	dsa_pointer pinned;			/* chunk whose pin the request owns, or
								 * InvalidDsaPointer; see store/chunk.h */
	uint64		bytes;			/* upload: image bytes */
	int			nsegments;
	GstoreSegment segments[GSTORE_REQUEST_SEGMENTS];
	GstoreDeviceError error;	/* result: kind GSTORE_DEVICE_OK = success */
	uint64		wanted;			/* on OUT_OF_MEMORY: bytes wanted and free */
	uint64		available;
} GstoreRequest;

extern size_t gstore_request_shmem_size(void);
extern void gstore_request_shmem_startup(void);

/* ---- the backend's side ---- */

/*
 * Take a free slot, waiting for one if need be (interruptible).  Raises 55000
 * when the keeper does not run.  The request is held: an error abandons it.
 */
extern GstoreRequest *gstore_request_begin(GstoreRequestKind kind, int device);
extern void gstore_request_submit(GstoreRequest *request);
/*
 * Wait until it is done (interruptible).  On success returns and the caller
 * owns what the request owned (staging, pin, location); it must then call
 * gstore_request_end.  On failure frees what it owned, ends it and raises the
 * mapped error, with purpose ("loading table \"t\"") as context.
 */
extern void gstore_request_wait(GstoreRequest *request, const char *purpose);
extern bool gstore_request_is_done(GstoreRequest *request);
extern void gstore_request_end(GstoreRequest *request);

/* ---- the keeper's side ---- */

extern void gstore_request_keeper_attach(void); /* publishes its latch */
extern void gstore_request_keeper_detach(void);
/* The oldest QUEUED request, now RUNNING; NULL if none. */
extern GstoreRequest *gstore_request_next(void);
/*
 * Results are filled in: make it DONE and wake its owner; returns false when
 * it was abandoned, and then the keeper must release what it owns and call
 * gstore_request_recycle.
 */
extern bool gstore_request_complete(GstoreRequest *request);
extern void gstore_request_recycle(GstoreRequest *request);
/* Fail everything queued or running: the keeper starts or loses a device. */
extern void gstore_request_fail_all(const GstoreDeviceError *error);
/* Wake the keeper: there is memory to free. */
extern void gstore_request_wake_keeper(void);

/* Slots not FREE, for the monitoring view and leak tests. */
extern int	gstore_request_in_use(void);

#endif
