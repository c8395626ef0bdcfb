/*
 * launch.c
 *	  A kernel over chunks where they lie on a device; see launch.h.
 *
 * One window of staging has what the kernel is told, and behind it room for what
 * it tells.  Must never wait for anything but the keeper while it has a narrow
 * window: it is filled from memory, then sent.
 */
#include "postgres.h"

#include "device/arena.h"
#include "fault.h"
#include "request/devices.h"
#include "request/launch.h"
#include "request/request.h"
#include "request/staging.h"

/* What SIMD loads and CUDA copies like. */
#define RESULT_ALIGNMENT 64

/* More blocks than this on a multiprocessor are of no use. */
#define BLOCKS_PER_MULTIPROCESSOR 16

bool
gstore_launch_is_possible(int device, const char **why)
{
	const GstoreDevices *devices = gstore_devices();

	*why = NULL;
	if (devices->on_host || device >= devices->count)
		return false;
	if (devices->slots[device].info.has_kernels)
		return true;
	*why = devices->slots[device].info.without_kernels;
	return false;
}

uint64
gstore_launch_memory_rate(int device)
{
	return gstore_devices()->slots[device].info.memory_rate;
}

uint32
gstore_launch_blocks(int device)
{
	return BLOCKS_PER_MULTIPROCESSOR *
		   Max(1, gstore_devices()->slots[device].info.multiprocessors);
}

/* The slot comes first: who has a window waits for nothing but the keeper. */
GstoreLaunchRun *
gstore_launch_prepare(const GstoreLaunchOrder *order)
{
	uint64 result_at = GSTORE_ALIGN(order->told_bytes, RESULT_ALIGNMENT);
	uint64 bytes = result_at + order->result_bytes;
	GstoreRequest *request =
		gstore_request_begin(order->memory != NULL ? GSTORE_REQUEST_RUN
												   : GSTORE_REQUEST_LAUNCH,
							 order->device);

	Assert(order->nchunks >= 0 && order->nchunks <= GSTORE_LAUNCH_CHUNKS);
	StaticAssertStmt(GSTORE_LAUNCH_CHUNKS <= GSTORE_REQUEST_MORE_PINS + 1,
					 "a request pins all chunks of a launch");
	if (!gstore_staging_take_roomy(bytes, &request->staging_offset,
								   &request->staging_length) &&
		(bytes > gstore_staging_narrow_bytes() ||
		 !gstore_staging_take_narrow(true, &request->staging_offset,
									 &request->staging_length)))
	{
		request->staging_length = 0;
		gstore_request_end(request);
		return NULL;
	}
	if (order->nchunks > 0)
	{
		request->pinned = order->chunks[0];
		request->nmore = order->nchunks - 1;
		memcpy(request->more, order->chunks + 1,
			   request->nmore * sizeof(dsa_pointer));
	}
	if (order->memory != NULL)
		request->location = order->memory->location;
	if (order->written != NULL)
		request->written = order->written->location;
	request->kernel = order->kernel;
	request->blocks = order->blocks;
	request->shared_bytes = order->shared_bytes;
	request->epoch = order->epoch;
	request->bytes = order->told_bytes;
	request->wanted = order->total_bytes;
	request->zero_at = order->zero_at;
	request->zero_bytes = order->zero_bytes;
	request->keeps_memory = order->keeps_memory;
	request->nsegments = 1;
	request->segments[0].device_offset = order->result_at;
	request->segments[0].staging_offset = result_at;
	request->segments[0].length = order->result_bytes;
	return request;
}

void *
gstore_launch_memory(const GstoreLaunchRun *run)
{
	return gstore_arena_pointer(run->staging_offset);
}

/* The device would not: the request is gone, and *why says so; or raise. */
static void
refused(GstoreRequest *run, const char *purpose, const char **why)
{
	switch (run->error.kind)
	{
		case GSTORE_DEVICE_LOST:
		case GSTORE_DEVICE_UNAVAILABLE:
			gstore_request_wait(run, purpose);
			break;
		case GSTORE_DEVICE_OUT_OF_MEMORY:
			*why = "the device had no memory for it";
			break;
		default:
			*why = "the device refused it";
			ereport(DEBUG1,
					(errmsg("device %d refused what was for a kernel",
							run->device),
					 errdetail("%.64s: %.192s.", run->error.what,
							   run->error.text)));
			break;
	}
	gstore_request_end(run);
}

const void *
gstore_launch_run(GstoreLaunchRun *run, const char *purpose, const char **why)
{
	GSTORE_FAULT_POINT("launch");
	gstore_request_submit(run);
	gstore_request_await(run);
	if (run->error.kind == GSTORE_DEVICE_OK)
		return gstore_arena_pointer(run->staging_offset +
									run->segments[0].staging_offset);
	refused(run, purpose, why);
	return NULL;
}

GstoreLocation
gstore_launch_keep(GstoreLaunchRun *run)
{
	gstore_staging_give(run->staging_offset, run->staging_length);
	run->staging_length = 0;
	return run->location;
}

void
gstore_launch_end(GstoreLaunchRun *run)
{
	gstore_request_end(run);
}

/* ---- memory that outlives a launch ---- */

/* An upload without staging only allocates, and clears what is to be zero. */
GstoreDeviceMemory *
gstore_device_memory_take(int device, uint64 bytes, uint64 zeros_from,
						  const char *purpose, const char **why)
{
	GstoreRequest *request = gstore_request_begin(GSTORE_REQUEST_UPLOAD,
												  device);

	request->bytes = zeros_from;
	request->wanted = bytes;
	GSTORE_FAULT_POINT("device-memory");
	gstore_request_submit(request);
	gstore_request_await(request);
	if (request->error.kind == GSTORE_DEVICE_OUT_OF_MEMORY)
	{
		gstore_request_make_room();
		request->wanted = bytes;
		gstore_request_submit(request);
		gstore_request_await(request);
	}
	if (request->error.kind == GSTORE_DEVICE_OK)
		return request;
	refused(request, purpose, why);
	return NULL;
}

GstoreLocation
gstore_device_memory_location(const GstoreDeviceMemory *memory)
{
	return memory->location;
}

GstoreLocation
gstore_device_memory_keep(GstoreDeviceMemory *memory)
{
	GstoreLocation location = memory->location;

	memory->location.kind = GSTORE_LOCATION_NONE;
	gstore_request_end(memory);
	return location;
}

void
gstore_device_memory_give(GstoreDeviceMemory *memory)
{
	gstore_request_end(memory);
}
