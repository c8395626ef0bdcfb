/*
 * test_cuda.c
 *	  The CUDA room against the driver's stand-in: what works, every fault it
 *	  can be made to have, memory shared between processes, garbage handles.
 *
 * A lost device stays lost for its process, and faults are set before the
 * driver starts: so each case is a process of its own.  The stand-in is named
 * by GSTORE_CUDASIM.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/device.h"

#define MIB (UINT64_C(1) << 20)
#define STAGING_BYTES (4 * MIB)

/* Ends the case, which then has failed. */
#define EXPECT(condition) \
	do \
	{ \
		if (!(condition)) \
		{ \
			printf("# line %d: not %s (%s: %s)\n", __LINE__, #condition, \
				   error.what, error.text); \
			fflush(stdout); \
			_exit(1); \
		} \
	} while (0)

/* Same, of a call that must fail in this way. */
#define REFUSED(call, wanted) EXPECT(!(call) && error.kind == (wanted))

static const GstoreDeviceOps *const cuda = &gstore_cuda_device;
static const char *simulator;
static GstoreDeviceError error;
static unsigned char *staging;
static int completion = -1;

/* ---- tools ---- */

static GstoreDeviceConfig
config_of(const char *library)
{
	GstoreDeviceConfig config = {.cuda_library = library,
								 .completion_fd = completion};

	return config;
}

/* The devices, with staging memory page-locked. */
static void
open_all(void)
{
	GstoreDeviceConfig config;

	completion = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	config = config_of(simulator);
	staging = mmap(NULL, STAGING_BYTES, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(staging != MAP_FAILED);
	EXPECT(cuda->open(&config, &error));
	EXPECT(cuda->register_staging(staging, STAGING_BYTES, &error));
}

static GstoreStream *
new_stream(int device)
{
	GstoreStream *stream = NULL;

	EXPECT(cuda->stream_create(device, &stream, &error));
	return stream;
}

static GstoreDeviceAddress
new_memory(int device, uint64 bytes)
{
	GstoreDeviceAddress address = 0;

	EXPECT(cuda->alloc(device, bytes, &address, &error));
	return address;
}

/* What goes wrong from now on; "": nothing is changed. */
static void
set_faults(const char *faults)
{
	const char *path = getenv("GSTORE_CUDASIM_CONTROL");

	if (faults[0] == '\0')
		(void) unlink(path);
	else
	{
		FILE *control = fopen(path, "w");

		EXPECT(control != NULL && fputs(faults, control) >= 0);
		EXPECT(fclose(control) == 0);
	}
}

static void
rest(void)
{
	struct timespec little = {0, 200000};

	nanosleep(&little, NULL);
}

/* Until all that was queued is done (ten seconds at most); false: it failed. */
static bool
finish(GstoreStream *stream)
{
	bool done = false;

	for (int i = 0; i < 50000 && !done; i++)
	{
		if (!cuda->stream_query(stream, &done, &error))
			return false;
		if (!done)
			rest();
	}
	EXPECT(done);
	return true;
}

static void
pattern(unsigned char *to, uint64 bytes, unsigned seed)
{
	for (uint64 i = 0; i < bytes; i++)
		to[i] = (unsigned char) ((i * 31 + seed) ^ (i >> 8));
}

static bool
is_pattern(const unsigned char *from, uint64 bytes, unsigned seed)
{
	for (uint64 i = 0; i < bytes; i++)
		if (from[i] != (unsigned char) ((i * 31 + seed) ^ (i >> 8)))
			return false;
	return true;
}

/* A copy there and back works on this device. */
static void
device_works(int device)
{
	GstoreStream *stream = new_stream(device);
	GstoreDeviceAddress memory = new_memory(device, MIB);

	pattern(staging, MIB, 7);
	EXPECT(cuda->copy_to_device(stream, memory, staging, MIB, &error));
	EXPECT(cuda->copy_to_host(stream, staging + MIB, memory, MIB, &error));
	EXPECT(finish(stream));
	EXPECT(is_pattern(staging + MIB, MIB, 7));
	cuda->stream_destroy(stream);
	EXPECT(cuda->free(device, memory, &error));
}

static uint64
bytes_free(int device)
{
	uint64 bytes = 0;

	EXPECT(cuda->free_bytes(device, &bytes, &error));
	return bytes;
}

/* ---- opening ---- */

static void
no_library(void)
{
	GstoreDeviceConfig config = config_of("/nonexistent/libcuda.so.1");

	REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
	EXPECT(strcmp(error.what, "dlopen") == 0);
	EXPECT(strstr(error.text, "/nonexistent/libcuda.so.1") != NULL);
	EXPECT(cuda->count() == 0);
	cuda->close();
}

static void
another_library(void)
{
	GstoreDeviceConfig config = config_of("libm.so.6");

	REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
	EXPECT(strstr(error.text, "cuInit") != NULL);
}

static void
no_devices(void)
{
	GstoreDeviceConfig config = config_of(simulator);

	REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
	EXPECT(error.code == 100 && strcmp(error.what, "cuInit") == 0);
	EXPECT(strstr(error.text, "CUDA_ERROR_NO_DEVICE") != NULL);
}

static void
init_fails(void)
{
	GstoreDeviceConfig config = config_of(simulator);

	REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
	EXPECT(error.code == 803 && strcmp(error.what, "cuInit") == 0);
}

static void
context_fails(void)
{
	GstoreDeviceConfig config = config_of(simulator);

	REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
	EXPECT(error.code == 2 &&
		   strcmp(error.what, "cuDevicePrimaryCtxRetain") == 0);
	EXPECT(cuda->count() == 0);
}

static void
register_fails(void)
{
	GstoreDeviceConfig config = config_of(simulator);
	static unsigned char memory[8192];

	EXPECT(cuda->open(&config, &error));
	REFUSED(cuda->register_staging(memory, sizeof(memory), &error),
			GSTORE_DEVICE_OUT_OF_MEMORY);
	EXPECT(strcmp(error.what, "cuMemHostRegister_v2") == 0);
	cuda->close();
}

static void
describes(void)
{
	GstoreDeviceInfo info[2];

	open_all();
	EXPECT(cuda->count() == 2);
	for (int i = 0; i < 2; i++)
	{
		EXPECT(cuda->describe(i, &info[i], &error));
		EXPECT(info[i].number == i && strcmp(info[i].kind, "cuda") == 0);
		EXPECT(info[i].name[0] != '\0' && info[i].ipc_capable);
		EXPECT(info[i].total_bytes == 96 * MIB);
		EXPECT(info[i].compute_major == 7 && info[i].compute_minor == 5);
		EXPECT(info[i].multiprocessors == 2);
		EXPECT(strlen(info[i].uuid) == 36 && info[i].uuid[8] == '-' &&
			   info[i].uuid[13] == '-' && info[i].uuid[23] == '-');
	}
	EXPECT(strcmp(info[0].uuid, info[1].uuid) != 0);
	REFUSED(cuda->describe(2, &info[0], &error), GSTORE_DEVICE_INVALID);
	REFUSED(cuda->describe(-1, &info[0], &error), GSTORE_DEVICE_INVALID);
	cuda->close();
	EXPECT(cuda->count() == 0);
}

static void
opens_again(void)
{
	open_all();
	device_works(0);
	cuda->close();
	munmap(staging, STAGING_BYTES);
	close(completion);
	open_all();
	device_works(1);
	cuda->close();
}

/* ---- memory and copies ---- */

static void
copies(void)
{
	open_all();
	for (int device = 0; device < 2; device++)
	{
		uint64 before = bytes_free(device);
		GstoreStream *stream = new_stream(device);
		GstoreDeviceAddress a = new_memory(device, 1);
		GstoreDeviceAddress b = new_memory(device, GSTORE_DEVICE_GRANULE + 1);

		EXPECT(bytes_free(device) == before - 3 * GSTORE_DEVICE_GRANULE);
		pattern(staging, MIB, 3);
		EXPECT(cuda->copy_to_device(stream, a, staging, MIB, &error));
		EXPECT(cuda->copy_on_device(stream, b + 100, a, MIB, &error));
		EXPECT(cuda->fill(stream, b, 0x5c, 100, &error));
		EXPECT(cuda->copy_to_host(stream, staging + MIB, b, MIB + 100,
								  &error));
		EXPECT(finish(stream));
		for (int i = 0; i < 100; i++)
			EXPECT(staging[MIB + i] == 0x5c);
		EXPECT(is_pattern(staging + MIB + 100, MIB, 3));
		EXPECT(cuda->free(device, a, &error));
		EXPECT(cuda->free(device, b, &error));
		EXPECT(bytes_free(device) == before);
		cuda->stream_destroy(stream);
	}
	cuda->close();
}

static void
notifies(void)
{
	GstoreStream *stream;
	GstoreDeviceAddress memory;
	struct pollfd event;
	bool done;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, MIB);
	event.fd = completion;
	event.events = POLLIN;
	EXPECT(cuda->stream_query(stream, &done, &error) && done);
	for (int i = 0; i < 5; i++)
		EXPECT(cuda->copy_to_device(stream, memory, staging, MIB, &error));
	EXPECT(poll(&event, 1, 0) == 0);
	EXPECT(cuda->stream_notify(stream, &error));
	EXPECT(poll(&event, 1, 10000) == 1);
	EXPECT(finish(stream));
	cuda->stream_destroy(stream);
	cuda->close();
}

/* Nothing has to be waited for behind another's long work. */
static void
streams_are_independent(void)
{
	GstoreStream *slow;
	GstoreStream *quick;
	GstoreDeviceAddress memory;
	GstoreDeviceAddress unused;
	bool done;

	open_all();
	slow = new_stream(0);
	quick = new_stream(0);
	memory = new_memory(0, MIB);
	unused = new_memory(0, MIB);
	for (int i = 0; i < 200; i++)
		EXPECT(cuda->fill(slow, memory, 1, MIB, &error));
	EXPECT(cuda->fill(quick, memory + MIB, 2, 10, &error));
	EXPECT(finish(quick));
	EXPECT(cuda->stream_query(slow, &done, &error) && !done);

	/* A free waits for all that runs; what is still used is not to be freed. */
	EXPECT(!cuda->free(0, memory, &error));
	EXPECT(cuda->free(0, unused, &error));
	EXPECT(cuda->stream_query(slow, &done, &error) && done);
	EXPECT(cuda->free(0, memory, &error));
	cuda->stream_destroy(slow);
	cuda->stream_destroy(quick);
	cuda->close();
}

/* What would be mistakes of ours is refused, and nothing is lost by it. */
static void
misuse(void)
{
	static unsigned char plain[4096];
	GstoreStream *stream;
	GstoreDeviceAddress memory;
	GstoreDeviceAddress other;
	GstoreDeviceAddress gone;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, MIB);
	other = new_memory(1, MIB);
	gone = new_memory(0, MIB);
	EXPECT(cuda->free(0, gone, &error));

	REFUSED(cuda->copy_to_device(stream, memory, plain, 100, &error),
			GSTORE_DEVICE_FAILED);
	EXPECT(error.code == 1 &&
		   strstr(error.text, "CUDA_ERROR_INVALID_VALUE") != NULL);
	REFUSED(cuda->copy_to_host(stream, plain, memory, 100, &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging, gone, 100, &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging, other, 100, &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging, 0, 100, &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging,
							   memory + GSTORE_DEVICE_GRANULE - 50, 100,
							   &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging + STAGING_BYTES - 50, memory,
							   100, &error),
			GSTORE_DEVICE_FAILED);
	REFUSED(cuda->fill(stream, gone, 1, 1, &error), GSTORE_DEVICE_FAILED);
	REFUSED(cuda->free(0, gone, &error), GSTORE_DEVICE_FAILED);
	REFUSED(cuda->free(0, memory + 4096, &error), GSTORE_DEVICE_FAILED);
	REFUSED(cuda->free(0, other, &error), GSTORE_DEVICE_FAILED);
	REFUSED(cuda->free(7, memory, &error), GSTORE_DEVICE_INVALID);
	REFUSED(cuda->alloc(2, MIB, &gone, &error), GSTORE_DEVICE_INVALID);
	REFUSED(cuda->alloc(0, 0, &gone, &error), GSTORE_DEVICE_INVALID);
	REFUSED(cuda->alloc(0, UINT64_MAX, &gone, &error), GSTORE_DEVICE_INVALID);
	REFUSED(cuda->register_staging(staging, 4096, &error),
			GSTORE_DEVICE_FAILED);

	EXPECT(finish(stream));
	EXPECT(cuda->free(0, memory, &error));
	EXPECT(cuda->free(1, other, &error));
	device_works(0);
	device_works(1);
	cuda->close();
}

static void
fills_up(void)
{
	GstoreDeviceAddress parts[48];
	GstoreDeviceAddress one_more;

	open_all();
	REFUSED(cuda->alloc(0, 97 * MIB, &one_more, &error),
			GSTORE_DEVICE_OUT_OF_MEMORY);
	EXPECT(error.code == 2 && strcmp(error.what, "cuMemAlloc_v2") == 0 &&
		   strstr(error.text, "CUDA_ERROR_OUT_OF_MEMORY") != NULL);
	for (int i = 0; i < 48; i++)
		parts[i] = new_memory(0, 2 * MIB);
	EXPECT(bytes_free(0) == 0);
	REFUSED(cuda->alloc(0, 1, &one_more, &error),
			GSTORE_DEVICE_OUT_OF_MEMORY);
	EXPECT(bytes_free(1) == 96 * MIB);
	EXPECT(cuda->free(0, parts[20], &error));
	parts[20] = new_memory(0, 1);
	for (int i = 0; i < 48; i++)
		EXPECT(cuda->free(0, parts[i], &error));
	EXPECT(bytes_free(0) == 96 * MIB);
	cuda->close();
}

/* ---- faults ---- */

static void
third_alloc_fails(void)
{
	GstoreDeviceAddress address;

	open_all();
	(void) new_memory(0, 1);
	(void) new_memory(0, 1);
	REFUSED(cuda->alloc(0, 1, &address, &error), GSTORE_DEVICE_OUT_OF_MEMORY);
	(void) new_memory(0, 1);
	device_works(0);
	cuda->close();
}

static void
second_copy_fails(void)
{
	GstoreStream *stream;
	GstoreDeviceAddress memory;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, 1);
	EXPECT(cuda->copy_to_device(stream, memory, staging, 10, &error));
	REFUSED(cuda->copy_to_device(stream, memory, staging, 10, &error),
			GSTORE_DEVICE_FAILED);
	EXPECT(finish(stream));
	device_works(0);
	cuda->stream_destroy(stream);
	cuda->close();
}

static void
first_free_fails(void)
{
	GstoreDeviceAddress memory;

	open_all();
	memory = new_memory(0, 1);
	REFUSED(cuda->free(0, memory, &error), GSTORE_DEVICE_FAILED);
	EXPECT(cuda->free(0, memory, &error));
	cuda->close();
}

/* Every call on device 0 says so; device 1 lives. */
static void
device_is_lost(GstoreStream *stream, GstoreDeviceAddress memory, int32 code)
{
	GstoreIpcHandle handle = {{0}};
	GstoreDeviceAddress address;
	uint64 bytes;
	bool done;

	REFUSED(cuda->stream_query(stream, &done, &error), GSTORE_DEVICE_LOST);
	EXPECT(error.code == code && strstr(error.text, "CUDA_ERROR_") != NULL);
	REFUSED(cuda->copy_to_device(stream, memory, staging, 10, &error),
			GSTORE_DEVICE_LOST);
	REFUSED(cuda->copy_to_host(stream, staging, memory, 10, &error),
			GSTORE_DEVICE_LOST);
	REFUSED(cuda->copy_on_device(stream, memory, memory + 10, 10, &error),
			GSTORE_DEVICE_LOST);
	REFUSED(cuda->fill(stream, memory, 0, 10, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->stream_notify(stream, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->alloc(0, 1, &address, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->free(0, memory, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->free_bytes(0, &bytes, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->stream_create(0, &stream, &error), GSTORE_DEVICE_LOST);
	REFUSED(cuda->export_handle(0, memory, &handle, &error),
			GSTORE_DEVICE_LOST);
	REFUSED(cuda->open_handle(0, &handle, &address, &bytes, &error),
			GSTORE_DEVICE_LOST);
	REFUSED(cuda->close_handle(0, memory, &error), GSTORE_DEVICE_LOST);
	device_works(1);
	cuda->stream_destroy(stream);
	cuda->close();
}

static void
copy_loses_device(void)
{
	GstoreStream *stream;
	GstoreDeviceAddress memory;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, 1);
	EXPECT(cuda->copy_to_device(stream, memory, staging, 10, &error));
	EXPECT(cuda->copy_to_device(stream, memory, staging, 10, &error));
	EXPECT(!finish(stream));
	device_is_lost(stream, memory, 719);
}

static void
alloc_loses_device(void)
{
	GstoreStream *stream;
	GstoreDeviceAddress memory;
	GstoreDeviceAddress address;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, 1);
	REFUSED(cuda->alloc(0, 1, &address, &error), GSTORE_DEVICE_LOST);
	device_is_lost(stream, memory, 214);
}

/* While work is queued, by the control file; then no callback comes, and
 * polling is what notices. */
static void
lost_at_work(void)
{
	GstoreStream *stream;
	GstoreDeviceAddress memory;
	struct pollfd event;

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, MIB);
	set_faults("delay=5000");
	for (int i = 0; i < 100; i++)
		EXPECT(cuda->fill(stream, memory, 1, MIB, &error));
	EXPECT(cuda->stream_notify(stream, &error));
	set_faults("lost=1");
	EXPECT(!finish(stream));
	event.fd = completion;
	event.events = POLLIN;
	EXPECT(poll(&event, 1, 100) == 0);
	device_is_lost(stream, memory, 700);
}

/* Use everything that the keeper uses once; false: with the error. */
static bool
work_once(GstoreStream **stream, GstoreDeviceAddress *memory)
{
	GstoreIpcHandle handle;
	uint64 bytes;
	bool done = false;

	if (!cuda->free_bytes(0, &bytes, &error) ||
		!cuda->alloc(0, MIB, memory, &error) ||
		!cuda->stream_create(0, stream, &error) ||
		!cuda->copy_to_device(*stream, *memory, staging, 10, &error) ||
		!cuda->copy_on_device(*stream, *memory + 20, *memory, 10, &error) ||
		!cuda->fill(*stream, *memory, 1, 10, &error) ||
		!cuda->copy_to_host(*stream, staging, *memory, 10, &error) ||
		!cuda->stream_notify(*stream, &error) ||
		!cuda->export_handle(0, *memory, &handle, &error))
		return false;
	for (int i = 0; i < 50000 && !done; i++)
	{
		if (!cuda->stream_query(*stream, &done, &error))
			return false;
		rest();
	}
	EXPECT(done);
	return true;
}

/* Whichever call fails, and however: the error says which, is of the right
 * kind, and the next time all is well. */
static void
any_call_fails(void)
{
	static const char *const calls[] = {
		"cuMemGetInfo_v2", "cuMemAlloc_v2", "cuStreamCreate",
		"cuMemcpyHtoDAsync_v2", "cuMemcpyDtoDAsync_v2", "cuMemsetD8Async",
		"cuMemcpyDtoHAsync_v2", "cuLaunchHostFunc", "cuIpcGetMemHandle",
		"cuStreamQuery", "cuCtxSetCurrent"};
	static const struct
	{
		int code;
		GstoreDeviceErrorKind kind;
	} ways[] = {{1, GSTORE_DEVICE_FAILED},
				{2, GSTORE_DEVICE_OUT_OF_MEMORY},
				{400, GSTORE_DEVICE_FAILED},
				{801, GSTORE_DEVICE_UNSUPPORTED}};

	open_all();
	for (size_t i = 0; i < lengthof(calls); i++)
		for (size_t j = 0; j < lengthof(ways); j++)
			for (int again = 0; again < 2; again++)
			{
				GstoreStream *stream = NULL;
				GstoreDeviceAddress memory = 0;
				char fault[64];

				snprintf(fault, sizeof(fault), "%s@1=%d", calls[i],
						 ways[j].code);
				if (again == 0)
				{
					set_faults(fault);
					REFUSED(work_once(&stream, &memory), ways[j].kind);
					EXPECT(error.code == ways[j].code &&
						   strcmp(error.what, calls[i]) == 0);
				}
				else
					EXPECT(work_once(&stream, &memory));
				if (stream != NULL)
					cuda->stream_destroy(stream);
				if (memory != 0)
					EXPECT(cuda->free(0, memory, &error));
			}
	EXPECT(bytes_free(0) == 96 * MIB);
	cuda->close();
}

/* No device opens when any of these fails; the next time it does. */
static void
any_call_fails_at_open(void)
{
	static const char *const calls[] = {
		"cuDeviceGetCount", "cuDriverGetVersion", "cuDeviceGet",
		"cuDeviceGetName",
		"cuDeviceGetUuid_v2", "cuDeviceTotalMem_v2", "cuDeviceGetAttribute",
		"cuDevicePrimaryCtxRetain"};
	GstoreDeviceConfig config = config_of(simulator);

	for (size_t i = 0; i < lengthof(calls); i++)
	{
		char fault[64];

		snprintf(fault, sizeof(fault), "%s@2=999", calls[i]);
		set_faults(fault);

		/* Asked for one device at least; the second time is the second
		 * device's, or, of the first call, the second opening. */
		if (i == 0)
		{
			EXPECT(cuda->open(&config, &error));
			cuda->close();
		}
		REFUSED(cuda->open(&config, &error), GSTORE_DEVICE_UNAVAILABLE);
		EXPECT(error.code == 999 && strcmp(error.what, calls[i]) == 0);
		EXPECT(cuda->count() == 0);
		EXPECT(cuda->open(&config, &error) && cuda->count() == 2);
		cuda->close();
	}
}

/* ---- sharing ---- */

static void
tell(int to, const void *what, size_t bytes)
{
	EXPECT(write(to, what, bytes) == (ssize_t) bytes);
}

static void
hear(int from, void *what, size_t bytes)
{
	EXPECT(read(from, what, bytes) == (ssize_t) bytes);
}

/* What the other process does with the first process's handles. */
static void
import(int peer)
{
	GstoreIpcHandle handle;
	GstoreDeviceAddress first = 0;
	GstoreDeviceAddress again = 0;
	GstoreStream *stream;
	uint64 bytes = 0;
	char word;

	open_all();
	stream = new_stream(0);
	hear(peer, &handle, sizeof(handle));
	EXPECT(cuda->open_handle(0, &handle, &first, &bytes, &error));
	EXPECT(bytes == 2 * GSTORE_DEVICE_GRANULE);
	EXPECT(cuda->open_handle(0, &handle, &again, &bytes, &error));
	EXPECT(again == first);
	EXPECT(cuda->close_handle(0, again, &error));

	/* Still open once: read, and write back. */
	EXPECT(cuda->copy_to_host(stream, staging, first, MIB, &error));
	EXPECT(finish(stream));
	EXPECT(is_pattern(staging, MIB, 11));
	pattern(staging, MIB, 12);
	EXPECT(cuda->copy_to_device(stream, first + MIB, staging, MIB, &error));
	EXPECT(finish(stream));

	/* It is not ours: it can be neither freed nor exported. */
	REFUSED(cuda->free(0, first, &error), GSTORE_DEVICE_FAILED);
	{
		GstoreIpcHandle passed_on;

		REFUSED(cuda->export_handle(0, first, &passed_on, &error),
				GSTORE_DEVICE_FAILED);
	}
	EXPECT(cuda->close_handle(0, first, &error));
	REFUSED(cuda->close_handle(0, first, &error), GSTORE_DEVICE_FAILED);
	REFUSED(cuda->copy_to_host(stream, staging, first, 10, &error),
			GSTORE_DEVICE_FAILED);

	/* On the other device it is not. */
	REFUSED(cuda->open_handle(1, &handle, &first, &bytes, &error),
			GSTORE_DEVICE_INVALID);

	/* When its owner has freed it, nobody can open it any more. */
	tell(peer, "r", 1);
	hear(peer, &word, 1);
	REFUSED(cuda->open_handle(0, &handle, &first, &bytes, &error),
			GSTORE_DEVICE_INVALID);
	device_works(0);
	cuda->close();
}

static void
between_processes(void)
{
	GstoreIpcHandle handle;
	GstoreDeviceAddress memory;
	GstoreDeviceAddress mine;
	GstoreStream *stream;
	uint64 bytes;
	int pair[2];
	int status = -1;
	char word;
	pid_t child;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fflush(stdout);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
	{
		close(pair[0]);
		import(pair[1]);
		_exit(0);
	}
	close(pair[1]);

	open_all();
	stream = new_stream(0);
	memory = new_memory(0, GSTORE_DEVICE_GRANULE + 1);
	pattern(staging, MIB, 11);
	EXPECT(cuda->copy_to_device(stream, memory, staging, MIB, &error));
	EXPECT(finish(stream));
	EXPECT(cuda->export_handle(0, memory, &handle, &error));

	/* One's own is refused, and that is the caller's error. */
	REFUSED(cuda->open_handle(0, &handle, &mine, &bytes, &error),
			GSTORE_DEVICE_INVALID);

	tell(pair[0], &handle, sizeof(handle));
	hear(pair[0], &word, 1);
	EXPECT(cuda->copy_to_host(stream, staging, memory + MIB, MIB, &error));
	EXPECT(finish(stream));
	EXPECT(is_pattern(staging, MIB, 12));
	EXPECT(cuda->free(0, memory, &error));
	tell(pair[0], "f", 1);
	EXPECT(waitpid(child, &status, 0) == child && status == 0);

	REFUSED(cuda->export_handle(0, memory, &handle, &error),
			GSTORE_DEVICE_FAILED);
	cuda->close();
}

/* The exporter is killed: what is open stays readable, no more can be. */
static void
exporter_killed(void)
{
	GstoreIpcHandle handle;
	GstoreDeviceAddress memory = 0;
	GstoreDeviceAddress again;
	GstoreStream *stream;
	uint64 bytes;
	int pair[2];
	int status;
	pid_t child;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fflush(stdout);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
	{
		open_all();
		stream = new_stream(0);
		memory = new_memory(0, MIB);
		pattern(staging, MIB, 5);
		EXPECT(cuda->copy_to_device(stream, memory, staging, MIB, &error));
		EXPECT(finish(stream));
		EXPECT(cuda->export_handle(0, memory, &handle, &error));
		tell(pair[1], &handle, sizeof(handle));
		for (;;)
			pause();
	}
	open_all();
	stream = new_stream(0);
	hear(pair[0], &handle, sizeof(handle));
	EXPECT(cuda->open_handle(0, &handle, &memory, &bytes, &error));
	kill(child, SIGKILL);
	EXPECT(waitpid(child, &status, 0) == child);
	EXPECT(cuda->copy_to_host(stream, staging, memory, MIB, &error));
	EXPECT(finish(stream));
	EXPECT(is_pattern(staging, MIB, 5));
	EXPECT(cuda->close_handle(0, memory, &error));
	REFUSED(cuda->open_handle(0, &handle, &again, &bytes, &error),
			GSTORE_DEVICE_INVALID);
	device_works(0);
	cuda->close();
}

/* A handle comes from anybody: whatever it is, it is refused. */
static void
garbage_handles(void)
{
	GstoreIpcHandle good;
	GstoreIpcHandle bad;
	GstoreDeviceAddress memory;
	GstoreDeviceAddress address;
	uint64 bytes;
	int pair[2];
	int status;
	pid_t child;

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fflush(stdout);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
	{
		open_all();
		memory = new_memory(0, MIB);
		EXPECT(cuda->export_handle(0, memory, &good, &error));
		tell(pair[1], &good, sizeof(good));
		for (;;)
			pause();
	}
	open_all();
	hear(pair[0], &good, sizeof(good));
	memset(&bad, 0, sizeof(bad));
	REFUSED(cuda->open_handle(0, &bad, &address, &bytes, &error),
			GSTORE_DEVICE_INVALID);
	memset(&bad, 0xff, sizeof(bad));
	REFUSED(cuda->open_handle(0, &bad, &address, &bytes, &error),
			GSTORE_DEVICE_INVALID);
	srand(1);
	for (int i = 0; i < 2000; i++)
	{
		for (size_t j = 0; j < sizeof(bad); j++)
			bad.bytes[j] = (uint8) rand();
		REFUSED(cuda->open_handle(0, &bad, &address, &bytes, &error),
				GSTORE_DEVICE_INVALID);
	}
	for (size_t i = 0; i < sizeof(bad); i++)
		for (int bit = 0; bit < 8; bit++)
		{
			bad = good;
			bad.bytes[i] ^= (uint8) (1 << bit);
			REFUSED(cuda->open_handle(0, &bad, &address, &bytes, &error),
					GSTORE_DEVICE_INVALID);
		}
	REFUSED(cuda->open_handle(5, &good, &address, &bytes, &error),
			GSTORE_DEVICE_INVALID);
	REFUSED(cuda->close_handle(0, 12345, &error), GSTORE_DEVICE_FAILED);

	/* The good one was good all the time. */
	EXPECT(cuda->open_handle(0, &good, &address, &bytes, &error));
	EXPECT(cuda->close_handle(0, address, &error));
	kill(child, SIGKILL);
	EXPECT(waitpid(child, &status, 0) == child);
	device_works(0);
	cuda->close();
}

static void
sharing_refused(void)
{
	GstoreIpcHandle handle = {{0}};
	GstoreDeviceAddress memory;
	GstoreDeviceAddress address;
	uint64 bytes;

	open_all();
	memory = new_memory(0, 1);
	REFUSED(cuda->export_handle(0, memory, &handle, &error),
			GSTORE_DEVICE_UNSUPPORTED);
	EXPECT(error.code == 801);
	REFUSED(cuda->open_handle(0, &handle, &address, &bytes, &error),
			GSTORE_DEVICE_OUT_OF_MEMORY);
	device_works(0);
	cuda->close();
}

/* ---- threads ---- */

static void *
allocate_and_free(void *argument)
{
	int device = (int) (intptr_t) argument;

	for (int i = 0; i < 200; i++)
	{
		GstoreDeviceError mine;
		GstoreDeviceAddress address;

		if (!cuda->alloc(device, 1 + (uint64) i, &address, &mine) ||
			!cuda->free(device, address, &mine))
			return (void *) "failed";
	}
	return NULL;
}

/* Helpers allocate and free on both devices while others copy. */
static void
threads(void)
{
	pthread_t helpers[4];
	void *result;

	open_all();
	for (int i = 0; i < 4; i++)
		EXPECT(pthread_create(&helpers[i], NULL, allocate_and_free,
							  (void *) (intptr_t) (i % 2)) == 0);
	for (int i = 0; i < 10; i++)
		device_works(i % 2);
	for (int i = 0; i < 4; i++)
		EXPECT(pthread_join(helpers[i], &result) == 0 && result == NULL);
	EXPECT(bytes_free(0) == 96 * MIB && bytes_free(1) == 96 * MIB);
	cuda->close();
}

/* A child of a process with open devices gets errors, nothing worse. */
static void
after_fork(void)
{
	pid_t child;
	int status = -1;

	open_all();
	fflush(stdout);
	child = fork();
	EXPECT(child >= 0);
	if (child == 0)
	{
		GstoreDeviceAddress address;

		REFUSED(cuda->alloc(0, 1, &address, &error),
				GSTORE_DEVICE_UNAVAILABLE);
		_exit(0);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	device_works(0);
	cuda->close();
}

/* ---- all of them ---- */

typedef struct Case
{
	const char *text;
	void (*run)(void);
	const char *devices;
	const char *faults;
} Case;

static const Case cases[] = {
	{"a library that is not there", no_library, "2", ""},
	{"a library that is not the driver", another_library, "2", ""},
	{"a machine without devices", no_devices, "0", ""},
	{"a driver that does not start", init_fails, "2", "init=803"},
	{"a device without room for a context", context_fails, "2", "context=2"},
	{"page-locking refused", register_fails, "2", "register=2"},
	{"two devices describe themselves", describes, "2", ""},
	{"open, close, open", opens_again, "2", ""},
	{"copies and fills in order", copies, "2", ""},
	{"copies and fills in order, slowly", copies, "2", "delay=3000"},
	{"completion is told", notifies, "2", "delay=20000"},
	{"streams do not wait for each other", streams_are_independent, "1",
	 "delay=4000"},
	{"misuse is refused and does no harm", misuse, "2", ""},
	{"a device fills up", fills_up, "2", ""},
	{"fault: the third allocation", third_alloc_fails, "2", "alloc_oom=3"},
	{"fault: the second copy", second_copy_fails, "2", "copy_fail=2"},
	{"fault: the first free", first_free_fails, "1", "free_fail=1"},
	{"fault: a copy loses the device", copy_loses_device, "2", "copy_lost=2"},
	{"fault: an allocation loses the device", alloc_loses_device, "2",
	 "alloc_lost=2"},
	{"fault: the device is lost at work", lost_at_work, "2", ""},
	{"fault: any call", any_call_fails, "2", ""},
	{"fault: any call while opening", any_call_fails_at_open, "2", ""},
	{"memory goes between processes", between_processes, "2", ""},
	{"the exporter is killed", exporter_killed, "1", ""},
	{"garbage handles", garbage_handles, "1", ""},
	{"sharing refused", sharing_refused, "1",
	 "export_refuse=801,open_refuse=2"},
	{"threads", threads, "2", "delay=300"},
	{"after fork", after_fork, "1", ""},
};

int
main(void)
{
	char control[] = "/tmp/gstore_test_cuda_XXXXXX";
	int failures = 0;
	int file;

	simulator = getenv("GSTORE_CUDASIM");
	if (simulator == NULL)
	{
		printf("1..0 # SKIP GSTORE_CUDASIM does not name the stand-in\n");
		return 0;
	}
	file = mkstemp(control);
	if (file < 0)
		return 2;
	close(file);
	printf("1..%d\n", (int) lengthof(cases));
	for (size_t i = 0; i < lengthof(cases); i++)
	{
		int status = -1;
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0)
		{
			/* A case that hangs has failed. */
			alarm(60);
			setenv("GSTORE_CUDASIM_DEVICES", cases[i].devices, 1);
			setenv("GSTORE_CUDASIM_MEMORY_MB", "96", 1);
			setenv("GSTORE_CUDASIM_FAULTS", cases[i].faults, 1);
			setenv("GSTORE_CUDASIM_CONTROL", control, 1);
			set_faults("");
			cases[i].run();
			fflush(stdout);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		{
			failures++;
			printf("# status %d\nnot ", status);
		}
		printf("ok %d - %s\n", (int) i + 1, cases[i].text);
	}
	unlink(control);
	return failures == 0 ? 0 : 1;
}
