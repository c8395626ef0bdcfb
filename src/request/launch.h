/*
 * launch.h
 *	  A kernel over chunks where they lie on a device.
 *
 * What the kernel is told is written to staging; the keeper copies it to device
 * memory of the launch's own, or of somebody's who has more to do there, runs the
 * kernel, and copies back what it tells.
 * The request is held, and with it staging and pins: an error or a cancellation
 * lets the keeper clean up once the kernel has ended.
 */
#ifndef GSTORE_LAUNCH_H
#define GSTORE_LAUNCH_H

#include "device/location.h"
#include "kernel.h"
#include "utils/dsa.h"

/* Chunks one launch may read. */
#define GSTORE_LAUNCH_CHUNKS 16

typedef struct GstoreRequest GstoreLaunchRun;

/* Device memory that outlives a launch.  It is held: who is cancelled leaves it
 * to the keeper, who frees it once no kernel works on it. */
typedef struct GstoreRequest GstoreDeviceMemory;

typedef struct GstoreLaunchOrder
{
	int device;
	const GstoreDeviceMemory *memory;  /* where; NULL: memory of its own */
	const GstoreDeviceMemory *written; /* what it works on besides; or NULL */
	uint32 epoch;					   /* of the chunks' locations */
	GstoreKernel kernel;
	uint32 blocks; /* that could be of use */
	uint32 shared_bytes;
	uint64 told_bytes;	 /* from the start: what the kernel is told */
	uint64 total_bytes;	 /* of device memory of its own */
	uint64 result_at;	 /* in it: */
	uint64 result_bytes; /* what it tells */
	uint64 zero_at;		 /* what must be zero before */
	uint64 zero_bytes;
	bool keeps_memory; /* more can be fetched afterwards */
	int nchunks;
	dsa_pointer chunks[GSTORE_LAUNCH_CHUNKS]; /* the caller has them pinned */
} GstoreLaunchOrder;

/* Can the device run kernels?  Else *why not; NULL: it is shared memory, where
 * nobody expects it. */
extern bool gstore_launch_is_possible(int device, const char **why);
/* Bytes a second that its memory gives at best; 0: not known. */
extern uint64 gstore_launch_memory_rate(int device);
/* Blocks that could be of use at most. */
extern uint32 gstore_launch_blocks(int device);

/* Memory for what the kernel is told; NULL: the staging area is too small. */
extern GstoreLaunchRun *gstore_launch_prepare(const GstoreLaunchOrder *order);
extern void *gstore_launch_memory(const GstoreLaunchRun *run);
/*
 * Run it, and wait (interruptible): what it told, until end.  NULL: the device
 * would not, for want of memory or otherwise, and the run is gone; *why says
 * so.  Raises when the device is lost.
 */
extern const void *gstore_launch_run(GstoreLaunchRun *run, const char *purpose,
									 const char **why);
/* Of one that keeps its memory: where that is, until end.  What was told is gone:
 * who fetches more needs the staging area for it. */
extern GstoreLocation gstore_launch_keep(GstoreLaunchRun *run);
extern void gstore_launch_end(GstoreLaunchRun *run);

/*
 * Memory of a device, charged to it, of which all is zero from zeros_from on.
 * NULL, and *why: the device had none, or refused.  Raises when it is lost.
 */
extern GstoreDeviceMemory *gstore_device_memory_take(int device, uint64 bytes,
													 uint64 zeros_from,
													 const char *purpose,
													 const char **why);
extern GstoreLocation gstore_device_memory_location(const GstoreDeviceMemory *memory);
/* It is the caller's from now on, by its location. */
extern GstoreLocation gstore_device_memory_keep(GstoreDeviceMemory *memory);
extern void gstore_device_memory_give(GstoreDeviceMemory *memory);

#endif
