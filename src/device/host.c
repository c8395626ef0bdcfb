/*
 * host.c
 *	  The host device: the arena's shared memory, for servers without a GPU.
 *
 * An address is a byte offset in the arena's mapping.  Extents are taken from
 * the arena by whoever needs them (arena.h), so that nobody waits for the
 * keeper: alloc, free and handles are refused here.  Copies are done when the
 * call returns.  Must never include a PostgreSQL header, nor raise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/device.h"

struct GstoreStream
{
	int device;
};

static char *base;
static uint64 bytes_in_all;
static GstoreStream only_stream;

static bool
fail(GstoreDeviceError *error, GstoreDeviceErrorKind kind, const char *what,
	 const char *text)
{
	error->kind = kind;
	error->code = 0;
	snprintf(error->what, sizeof(error->what), "%s", what);
	snprintf(error->text, sizeof(error->text), "%s", text);
	return false;
}

static bool
check_range(GstoreDeviceAddress address, uint64 bytes, const char *what,
			GstoreDeviceError *error)
{
	if (address > bytes_in_all || bytes > bytes_in_all - address)
		return fail(error, GSTORE_DEVICE_INVALID, what,
					"the range is outside the arena");
	return true;
}

static bool
open_host(const GstoreDeviceConfig *config, GstoreDeviceError *error)
{
	(void) error;
	base = config->arena_base;
	bytes_in_all = config->arena_bytes;
	return true;
}

static void
close_host(void)
{
	base = NULL;
	bytes_in_all = 0;
}

static int
count(void)
{
	return 1;
}

static bool
describe(int device, GstoreDeviceInfo *info, GstoreDeviceError *error)
{
	if (device != 0)
		return fail(error, GSTORE_DEVICE_INVALID, "describe",
					"the host device has the number 0");
	memset(info, 0, sizeof(*info));
	strcpy(info->kind, "host");
	strcpy(info->name, "shared memory");
	info->total_bytes = bytes_in_all;
	info->multiprocessors = (int32) sysconf(_SC_NPROCESSORS_ONLN);
	return true;
}

static bool
free_bytes(int device, uint64 *bytes, GstoreDeviceError *error)
{
	(void) device;
	(void) bytes;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "free_bytes",
				"the arena keeps this count itself");
}

static bool
register_staging(void *start, uint64 bytes, GstoreDeviceError *error)
{
	(void) start;
	(void) bytes;
	(void) error;
	return true;
}

static bool
alloc(int device, uint64 bytes, GstoreDeviceAddress *address,
	  GstoreDeviceError *error)
{
	(void) device;
	(void) bytes;
	(void) address;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "alloc",
				"extents are taken from the arena");
}

static bool
free_memory(int device, GstoreDeviceAddress address, GstoreDeviceError *error)
{
	(void) device;
	(void) address;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "free",
				"extents are given back to the arena");
}

static bool
stream_create(int device, GstoreStream **stream, GstoreDeviceError *error)
{
	if (device != 0)
		return fail(error, GSTORE_DEVICE_INVALID, "stream_create",
					"the host device has the number 0");
	only_stream.device = device;
	*stream = &only_stream;
	return true;
}

static void
stream_destroy(GstoreStream *stream)
{
	(void) stream;
}

static bool
copy_to_device(GstoreStream *stream, GstoreDeviceAddress to, const void *from,
			   uint64 bytes, GstoreDeviceError *error)
{
	(void) stream;
	if (!check_range(to, bytes, "copy_to_device", error))
		return false;
	memmove(base + to, from, bytes);
	return true;
}

static bool
copy_to_host(GstoreStream *stream, void *to, GstoreDeviceAddress from,
			 uint64 bytes, GstoreDeviceError *error)
{
	(void) stream;
	if (!check_range(from, bytes, "copy_to_host", error))
		return false;
	memmove(to, base + from, bytes);
	return true;
}

static bool
copy_on_device(GstoreStream *stream, GstoreDeviceAddress to,
			   GstoreDeviceAddress from, uint64 bytes,
			   GstoreDeviceError *error)
{
	(void) stream;
	if (!check_range(from, bytes, "copy_on_device", error) ||
		!check_range(to, bytes, "copy_on_device", error))
		return false;
	memmove(base + to, base + from, bytes);
	return true;
}

static bool
fill(GstoreStream *stream, GstoreDeviceAddress to, uint8 value, uint64 bytes,
	 GstoreDeviceError *error)
{
	(void) stream;
	if (!check_range(to, bytes, "fill", error))
		return false;
	memset(base + to, value, bytes);
	return true;
}

static bool
stream_notify(GstoreStream *stream, GstoreDeviceError *error)
{
	(void) stream;
	(void) error;
	return true;
}

static bool
stream_query(GstoreStream *stream, bool *done, GstoreDeviceError *error)
{
	(void) stream;
	(void) error;
	*done = true;
	return true;
}

static bool
launch(GstoreStream *stream, GstoreKernel kernel, GstoreDeviceAddress argument,
	   uint32 blocks, uint32 shared_bytes, GstoreDeviceError *error)
{
	(void) stream;
	(void) kernel;
	(void) argument;
	(void) blocks;
	(void) shared_bytes;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "launch",
				"on the host the engine computes");
}

static bool
export_handle(int device, GstoreDeviceAddress address,
			  GstoreIpcHandle *handle, GstoreDeviceError *error)
{
	(void) device;
	(void) address;
	(void) handle;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "export_handle",
				"host memory is shared through the arena's file");
}

static bool
open_handle(int device, const GstoreIpcHandle *handle,
			GstoreDeviceAddress *address, uint64 *bytes,
			GstoreDeviceError *error)
{
	(void) device;
	(void) handle;
	(void) address;
	(void) bytes;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "open_handle",
				"nothing a caller names is opened on the host");
}

static bool
close_handle(int device, GstoreDeviceAddress address,
			 GstoreDeviceError *error)
{
	(void) device;
	(void) address;
	return fail(error, GSTORE_DEVICE_UNSUPPORTED, "close_handle",
				"nothing a caller names is opened on the host");
}

const GstoreDeviceOps gstore_host_device = {
	.kind = "host",
	.keeper_only = false,
	.open = open_host,
	.close = close_host,
	.count = count,
	.describe = describe,
	.free_bytes = free_bytes,
	.register_staging = register_staging,
	.alloc = alloc,
	.free = free_memory,
	.stream_create = stream_create,
	.stream_destroy = stream_destroy,
	.copy_to_device = copy_to_device,
	.copy_to_host = copy_to_host,
	.copy_on_device = copy_on_device,
	.fill = fill,
	.launch = launch,
	.stream_notify = stream_notify,
	.stream_query = stream_query,
	.export_handle = export_handle,
	.open_handle = open_handle,
	.close_handle = close_handle,
};
