/*
 * region.c
 *	  Device memory that another process has; see region.h.
 *
 * Must never wait for anything but the keeper while it has a narrow staging
 * window.
 */
#include "postgres.h"

#include "device/arena.h"
#include "device/driver.h"
#include "request/devices.h"
#include "request/region.h"
#include "request/staging.h"

/* Writes under way at once: while one is copied, the next one is there. */
#define MAX_WRITES 2

struct GstoreRegion
{
	GstoreRequest *opened; /* keeps it open */
	int nwrites;		   /* on their way, oldest first */
	GstoreRequest *writes[MAX_WRITES];
	char *purpose;
};

/* ---- opening ---- */

void
gstore_region_refuse(int device, int sqlstate, const char *detail,
					 const char *hint, const char *purpose)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("device %d cannot open the handle", device),
			 errdetail("%s", detail), errhint("%s", hint),
			 errcontext("%s", purpose)));
}

/* The likely cause. */
static const char *
hint_of(int32 code)
{
	switch ((CUresult) code)
	{
		case CUDA_ERROR_INVALID_CONTEXT:
			return "The memory is the server's own: import while the export lasts, in the database it was made in.";
		case CUDA_ERROR_NOT_PERMITTED:
		case CUDA_ERROR_NOT_SUPPORTED:
			return "Memory cannot be shared between processes here, as on MIG instances and under WSL.";
		default:
			return "Its program must still have the memory, on this device, and run as the server's user in the server's container or pid namespace. On MIG instances and under WSL memory cannot be shared.";
	}
}

GstoreRegion *
gstore_region_open(int device, const GstoreIpcHandle *handle,
				   const char *purpose)
{
	GstoreRegion *region = palloc0(sizeof(*region));
	GstoreRequest *request = gstore_request_begin(GSTORE_REQUEST_OPEN, device);

	region->purpose = pstrdup(purpose);
	region->opened = request;
	request->handle = *handle;
	gstore_request_submit(request);
	gstore_request_await(request);
	if (request->error.kind == GSTORE_DEVICE_LOST)
		gstore_request_wait(request, purpose);
	if (request->error.kind != GSTORE_DEVICE_OK)
	{
		GstoreDeviceError error = request->error;

		gstore_request_end(request);
		gstore_region_refuse(device, gstore_request_sqlstate(error.kind),
							 psprintf("%.64s: %.192s.", error.what, error.text),
							 hint_of(error.code), purpose);
	}
	return region;
}

GstoreLocation
gstore_region_location(const GstoreRegion *region)
{
	return region->opened->location;
}

void
gstore_region_close(GstoreRegion *region)
{
	gstore_region_flush(region);
	gstore_request_end(region->opened);
	pfree(region->purpose);
	pfree(region);
}

/* ---- writing ---- */

/* Wait until only so many are under way. */
static void
await_writes(GstoreRegion *region, int most)
{
	while (region->nwrites > most)
	{
		GstoreRequest *request = region->writes[0];

		region->nwrites--;
		memmove(region->writes, region->writes + 1,
				region->nwrites * sizeof(GstoreRequest *));
		gstore_request_wait(request, region->purpose);
		gstore_request_end(request);
	}
}

void
gstore_region_flush(GstoreRegion *region)
{
	await_writes(region, 0);
}

/* Send as much as a window takes; returns how much that is.  Nobody waits for
 * a narrow window with a window of its own, nor keeps one while the caller does
 * something else. */
static uint64
send_piece(GstoreRegion *region, uint64 offset, const void *bytes,
		   uint64 length)
{
	GstoreLocation location = region->opened->location;
	GstoreRequest *request;
	bool roomy;
	uint64 piece;

	await_writes(region, MAX_WRITES - 1);
	request = gstore_request_begin(GSTORE_REQUEST_WRITE, location.device);
	roomy = gstore_staging_take_roomy(length, &request->staging_offset,
									  &request->staging_length);
	if (!roomy)
	{
		gstore_region_flush(region);
		if (!gstore_staging_take_narrow(true, &request->staging_offset,
										&request->staging_length))
			elog(ERROR, "the staging area is not open");
	}
	piece = Min(length, request->staging_length);
	memcpy(gstore_arena_pointer(request->staging_offset), bytes, piece);
	request->location = location;
	request->nsegments = 1;
	request->segments[0].device_offset = offset;
	request->segments[0].staging_offset = 0;
	request->segments[0].length = piece;
	gstore_request_submit(request);
	region->writes[region->nwrites++] = request;
	if (!roomy)
		gstore_region_flush(region);
	return piece;
}

void
gstore_region_write(GstoreRegion *region, uint64 offset, const void *bytes,
					uint64 length)
{
	const char *from = bytes;

	while (length > 0)
	{
		uint64 piece = send_piece(region, offset, from, length);

		offset += piece;
		from += piece;
		length -= piece;
	}
}
