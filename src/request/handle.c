/*
 * handle.c
 *	  Handles of images; see handle.h.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "device/arena.h"
#include "request/devices.h"
#include "request/handle.h"
#include "request/shelf.h"

bool
gstore_handle_is_possible(GstoreLocation location)
{
	if (!gstore_devices()->on_host)
		return location.kind == GSTORE_LOCATION_DEVICE;

	/* A piece of a page cannot be mapped without its neighbours. */
	return location.kind == GSTORE_LOCATION_ARENA &&
		   !gstore_shelf_is_piece(location.length);
}

void
gstore_handle_make(GstoreLocation location, GstoreIpcHandle *handle,
				   const char *purpose)
{
	GstoreRequest *request;

	if (!gstore_handle_is_possible(location))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("an image in host memory cannot be opened by a GPU"),
				 errcontext("%s", purpose)));
	if (gstore_devices()->on_host)
	{
		if (!pg_strong_random(handle, sizeof(*handle)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes for a handle")));
		return;
	}
	request = gstore_request_begin(GSTORE_REQUEST_EXPORT, location.device);
	request->location = location;
	gstore_request_submit(request);
	gstore_request_wait(request, purpose);
	*handle = request->handle;
	gstore_request_end(request);
}

/* Have a request answered; what it made stays with it. */
static bool
ask(GstoreRequest *request, GstoreDeviceError *error)
{
	gstore_request_submit(request);
	gstore_request_await(request);
	*error = request->error;
	return error->kind == GSTORE_DEVICE_OK;
}

bool
gstore_handle_probe(int device, GstoreDeviceError *error)
{
	GstoreRequest *memory = gstore_request_begin(GSTORE_REQUEST_UPLOAD, device);
	bool good;

	memory->bytes = GSTORE_DEVICE_GRANULE;
	good = ask(memory, error);
	if (good)
	{
		GstoreRequest *request = gstore_request_begin(GSTORE_REQUEST_EXPORT,
													  device);

		request->location = memory->location;
		good = ask(request, error);
		gstore_request_end(request);
	}
	gstore_request_end(memory);
	return good;
}

char *
gstore_handle_host_file(GstoreLocation location, uint64 *offset)
{
	if (location.kind != GSTORE_LOCATION_ARENA)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the image is in the memory of device %d",
						location.device),
				 errhint("Open the handle with cuIpcOpenMemHandle().")));
	*offset = location.address;
	return psprintf("/proc/%d/fd/%d", PostmasterPid, gstore_arena_fd());
}
