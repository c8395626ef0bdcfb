/*
 * helper.h
 *	  The keeper's helper threads: device calls that may block.
 *
 * Frees and closes are done in the order they were handed over, and so are
 * allocations and opens; nothing is known of the order between the two.  The
 * threads touch nothing of PostgreSQL.
 */
#ifndef GSTORE_HELPER_H
#define GSTORE_HELPER_H

#include "device/device.h"

typedef enum GstoreJobKind
{
	GSTORE_JOB_ALLOC,
	GSTORE_JOB_FREE,
	GSTORE_JOB_OPEN,
	GSTORE_JOB_CLOSE
} GstoreJobKind;

/* Owned by a thread from submit until finished returns it. */
typedef struct GstoreJob
{
	struct GstoreJob *next;
	GstoreJobKind kind;
	int device;
	uint64 bytes;				 /* alloc; result of open */
	GstoreIpcHandle handle;		 /* open */
	GstoreDeviceAddress address; /* free, close; result of alloc, open */
	bool good;					 /* result; else error */
	GstoreDeviceError error;
	uint64 available; /* when out of memory: bytes the device has */
	void *task;		  /* for the submitter */
} GstoreJob;

/* notify_fd: eventfd that is written to when a job is finished.  False, with
 * errno, when there can be no threads. */
extern bool gstore_helper_start(const GstoreDeviceOps *ops, int notify_fd);
/* End the threads after the jobs they are at; false when that takes longer than
 * timeout_ms: then one still runs, and the device must not be closed. */
extern bool gstore_helper_stop(int timeout_ms);

extern void gstore_helper_submit(GstoreJob *job);
/* A finished job; NULL if there is none. */
extern GstoreJob *gstore_helper_finished(void);

#endif
