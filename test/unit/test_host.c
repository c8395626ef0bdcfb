/*
 * test_host.c
 *	  The host device over a piece of memory: copies that are done at once,
 *	  ranges that leave it, and what it refuses.
 */
#include <stdio.h>
#include <string.h>

#include "device/device.h"

#define BYTES 8192

static const GstoreDeviceOps *const host = &gstore_host_device;
static GstoreDeviceError error;
static unsigned char arena[BYTES];
static int failures;
static int tests;

static void
ok(bool good, const char *text)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, text);
	failures += !good;
}

static bool
refused(bool answer, GstoreDeviceErrorKind kind)
{
	return !answer && error.kind == kind && error.what[0] != '\0' &&
		   error.text[0] != '\0';
}

static bool
copies(GstoreStream *stream)
{
	unsigned char there[100];
	unsigned char back[100];
	bool done = false;

	for (int i = 0; i < 100; i++)
		there[i] = (unsigned char) (i + 1);
	return host->copy_to_device(stream, BYTES - 100, there, 100, &error) &&
		   host->copy_on_device(stream, 50, BYTES - 100, 100, &error) &&
		   host->copy_on_device(stream, 60, 50, 100, &error) &&
		   host->fill(stream, 0, 9, 50, &error) &&
		   host->copy_to_host(stream, back, 60, 100, &error) &&
		   host->stream_notify(stream, &error) &&
		   host->stream_query(stream, &done, &error) && done &&
		   memcmp(there, back, 100) == 0 && arena[49] == 9 &&
		   arena[50] == 1 && arena[BYTES - 1] == 100;
}

/* Every call, with one range that leaves the arena. */
static bool
all_refuse(GstoreStream *stream, GstoreDeviceAddress address, uint64 bytes)
{
	unsigned char buffer[8] = {0};

	return refused(host->copy_to_device(stream, address, buffer, bytes,
										&error),
				   GSTORE_DEVICE_INVALID) &&
		   refused(host->copy_to_host(stream, buffer, address, bytes, &error),
				   GSTORE_DEVICE_INVALID) &&
		   refused(host->copy_on_device(stream, 0, address, bytes, &error),
				   GSTORE_DEVICE_INVALID) &&
		   refused(host->copy_on_device(stream, address, 0, bytes, &error),
				   GSTORE_DEVICE_INVALID) &&
		   refused(host->fill(stream, address, 1, bytes, &error),
				   GSTORE_DEVICE_INVALID);
}

int
main(void)
{
	GstoreDeviceConfig config = {.arena_base = arena,
								 .arena_bytes = BYTES,
								 .completion_fd = -1};
	GstoreDeviceInfo info;
	GstoreStream *stream = NULL;
	GstoreIpcHandle handle = {{0}};
	GstoreDeviceAddress address;
	uint64 bytes;

	printf("1..10\n");
	ok(host->open(&config, &error) && host->count() == 1, "opens");
	ok(host->describe(0, &info, &error) && strcmp(info.kind, "host") == 0 &&
		   info.total_bytes == BYTES && info.multiprocessors > 0 &&
		   !info.ipc_capable && info.uuid[0] == '\0',
	   "describes itself");
	ok(refused(host->describe(1, &info, &error), GSTORE_DEVICE_INVALID) &&
		   refused(host->stream_create(1, &stream, &error),
				   GSTORE_DEVICE_INVALID),
	   "there is one device");
	ok(host->stream_create(0, &stream, &error), "makes a stream");
	ok(copies(stream), "copies are done at once");
	ok(all_refuse(stream, BYTES - 7, 8) && all_refuse(stream, BYTES, 1) &&
		   all_refuse(stream, 0, BYTES + 1),
	   "ranges that leave the arena");
	ok(all_refuse(stream, UINT64_MAX, 8) && all_refuse(stream, 8, UINT64_MAX),
	   "ranges whose end overflows");
	ok(refused(host->alloc(0, 1, &address, &error), GSTORE_DEVICE_UNSUPPORTED) &&
		   refused(host->free(0, 0, &error), GSTORE_DEVICE_UNSUPPORTED) &&
		   refused(host->free_bytes(0, &bytes, &error),
				   GSTORE_DEVICE_UNSUPPORTED),
	   "extents are the arena's business");
	ok(refused(host->export_handle(0, 0, &handle, &error),
			   GSTORE_DEVICE_UNSUPPORTED) &&
		   refused(host->open_handle(0, &handle, &address, &bytes, &error),
				   GSTORE_DEVICE_UNSUPPORTED) &&
		   refused(host->close_handle(0, 0, &error), GSTORE_DEVICE_UNSUPPORTED),
	   "nothing is opened that a caller names");
	host->stream_destroy(stream);
	host->close();
	ok(all_refuse(stream, 0, 1), "closed, it has no memory");
	return failures == 0 ? 0 : 1;
}
