/*
 * launch.h
 *	  A kernel over chunks where they lie on a device.
 *
 * What the kernel is told is written to staging; the keeper copies it to device
 * memory of the launch's own, runs the kernel, and copies back what it tells.
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

typedef struct GstoreLaunchOrder
{
	int device;
	uint32 epoch; /* of the chunks' locations */
	GstoreKernel kernel;
	uint32 blocks; /* that could be of use */
	uint32 shared_bytes;
	uint64 told_bytes;	 /* from the start: what the kernel is told */
	uint64 total_bytes;	 /* of device memory */
	uint64 result_at;	 /* in it: */
	uint64 result_bytes; /* what it tells */
	uint64 zero_at;		 /* what must be zero before */
	uint64 zero_bytes;
	bool keeps_memory; /* more can be fetched afterwards */
	int nchunks;
	dsa_pointer chunks[GSTORE_LAUNCH_CHUNKS]; /* the caller has them pinned */
} GstoreLaunchOrder;

typedef struct GstoreRequest GstoreLaunchRun;

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

#endif
