/*
 * test_kernels.c
 *	  Kernels on the driver's stand-in, GSTORE_CUDASIM: that its barriers, votes
 *	  and shared memory are those of a GPU, and what becomes of kernels that do
 *	  what they must not.
 *
 * A lost device stays lost for its process: each case is a process of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "device/device.h"

#define MIB (UINT64_C(1) << 20)
#define STAGING_BYTES (4 * MIB)
#define MOST_SUMS 64

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

static const GstoreDeviceOps *const cuda = &gstore_cuda_device;
static const char *simulator;
static GstoreDeviceError error;
static unsigned char *staging;

static void
open_all(void)
{
	GstoreDeviceConfig config = {.cuda_library = simulator,
								 .completion_fd = -1};

	staging = mmap(NULL, STAGING_BYTES, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(staging != MAP_FAILED);
	EXPECT(cuda->open(&config, &error));
	EXPECT(cuda->register_staging(staging, STAGING_BYTES, &error));
}

/* Until all that was queued is done (a minute at most); false: it failed. */
static bool
finish(GstoreStream *stream)
{
	struct timespec little = {0, 200000};
	bool done = false;

	for (int i = 0; i < 300000 && !done; i++)
	{
		if (!cuda->stream_query(stream, &done, &error))
			return false;
		if (!done)
			nanosleep(&little, NULL);
	}
	EXPECT(done);
	return true;
}

/* A stream on which a probe of the values 1 .. n was queued, its memory being
 * [probe, sums, values]; spoil is added to the number of values it is told. */
static GstoreStream *
queue_probe(int device, uint64 n, uint64 spoil, uint32 blocks)
{
	GstoreDeviceAddress memory;
	GstoreStream *stream;
	GstoreProbe probe = {0};
	uint64 *values = (uint64 *) (staging + sizeof(probe)) + MOST_SUMS;
	uint64 bytes = sizeof(probe) + 8 * (MOST_SUMS + n);

	EXPECT(cuda->alloc(device, bytes, &memory, &error));
	EXPECT(cuda->stream_create(device, &stream, &error));
	probe.sums = memory + sizeof(probe);
	probe.nsums = MOST_SUMS;
	probe.values = probe.sums + 8 * MOST_SUMS;
	probe.nvalues = n + spoil;
	memset(staging, 0, sizeof(probe) + 8 * MOST_SUMS);
	memcpy(staging, &probe, sizeof(probe));
	for (uint64 i = 0; i < n; i++)
		values[i] = i + 1;
	EXPECT(cuda->copy_to_device(stream, memory, staging, bytes, &error));
	EXPECT(cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, blocks,
						GSTORE_PROBE_SHARED, &error));
	EXPECT(cuda->copy_to_host(stream, staging, memory,
							  sizeof(probe) + 8 * MOST_SUMS, &error));
	return stream;
}

/* ---- cases ---- */

static void
adds_up(void)
{
	open_all();
	for (uint32 blocks = 1; blocks <= 33; blocks += 8)
		for (uint64 n = 0; n <= 70000; n = n * 7 + 1)
		{
			const GstoreProbe *probe = (const GstoreProbe *) staging;
			const uint64 *sums = (const uint64 *) (probe + 1);
			GstoreStream *stream = queue_probe(blocks % 2, n, 0, blocks);
			uint64 sum = 0;

			EXPECT(finish(stream));
			/* two multiprocessors, of 1024 lanes each */
			EXPECT(probe->blocks == Min(blocks, 32));
			EXPECT(probe->threads == GSTORE_KERNEL_THREADS);
			EXPECT(probe->pointer_bytes == 8);
			EXPECT(probe->probe_bytes == sizeof(GstoreProbe));
			for (uint32 i = 0; i < probe->blocks; i++)
				sum += sums[i];
			EXPECT(sum == n * (n + 1) / 2);
			cuda->stream_destroy(stream);
		}
	cuda->close();
}

/* A kernel that reads behind its memory kills the device. */
static void
leaves_memory(void)
{
	GstoreStream *stream;

	open_all();
	stream = queue_probe(0, 1000, 2 * MIB, 4);
	EXPECT(!finish(stream));
	EXPECT(error.kind == GSTORE_DEVICE_LOST && error.code == 700);
	/* and no other */
	stream = queue_probe(1, 1000, 0, 4);
	EXPECT(finish(stream));
}

/* On a CPU every address will do; on a GPU, and here, it must be a multiple of
 * the size of what is there. */
static void
misaligned(void)
{
	GstoreDeviceAddress memory;
	GstoreStream *stream;

	open_all();
	EXPECT(cuda->alloc(0, MIB, &memory, &error));
	EXPECT(cuda->stream_create(0, &stream, &error));
	EXPECT(cuda->fill(stream, memory, 0, MIB, &error));
	EXPECT(cuda->launch(stream, GSTORE_KERNEL_PROBE, memory + 4, 1,
						GSTORE_PROBE_SHARED, &error));
	EXPECT(!finish(stream));
	EXPECT(error.kind == GSTORE_DEVICE_LOST && error.code == 716);
}

static void
loses_device(void)
{
	GstoreStream *stream;

	open_all();
	stream = queue_probe(0, 100, 0, 1);
	EXPECT(finish(stream));
	stream = queue_probe(0, 100, 0, 1);
	EXPECT(!finish(stream));
	EXPECT(error.kind == GSTORE_DEVICE_LOST && error.code == 719);
}

static void
too_large(void)
{
	GstoreDeviceAddress memory;
	GstoreStream *stream;

	open_all();
	EXPECT(cuda->alloc(0, MIB, &memory, &error));
	EXPECT(cuda->stream_create(0, &stream, &error));
	EXPECT(!cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, 1, 1 << 20,
						 &error));
	EXPECT(error.kind == GSTORE_DEVICE_UNSUPPORTED);
	EXPECT(!cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, 0, 1024,
						 &error));
	EXPECT(error.kind == GSTORE_DEVICE_UNSUPPORTED);
	stream = queue_probe(0, 100, 0, 1);
	EXPECT(finish(stream));
	cuda->close();
}

/* A driver that takes no kernels of ours still serves. */
static void
without_kernels(void)
{
	GstoreDeviceInfo info;
	GstoreDeviceAddress memory;
	GstoreStream *stream;

	open_all();
	EXPECT(cuda->describe(0, &info, &error));
	EXPECT(!info.has_kernels && info.without_kernels[0] != '\0');
	EXPECT(cuda->alloc(0, MIB, &memory, &error));
	EXPECT(cuda->stream_create(0, &stream, &error));
	EXPECT(!cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, 1,
						 GSTORE_PROBE_SHARED, &error));
	EXPECT(error.kind == GSTORE_DEVICE_UNSUPPORTED);
	EXPECT(cuda->fill(stream, memory, 1, MIB, &error));
	EXPECT(finish(stream));
	cuda->close();
}

static void
launch_fails(void)
{
	GstoreDeviceAddress memory;
	GstoreStream *stream;

	open_all();
	EXPECT(cuda->alloc(0, MIB, &memory, &error));
	EXPECT(cuda->stream_create(0, &stream, &error));
	EXPECT(!cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, 1,
						 GSTORE_PROBE_SHARED, &error));
	EXPECT(error.kind == GSTORE_DEVICE_FAILED && error.code == 701);
	EXPECT(!cuda->launch(stream, GSTORE_KERNEL_PROBE, memory, 1,
						 GSTORE_PROBE_SHARED, &error));
	EXPECT(error.kind == GSTORE_DEVICE_FAILED && error.code == 1);
	stream = queue_probe(0, 100, 0, 1);
	EXPECT(finish(stream));
	cuda->close();
}

static const struct
{
	const char *text;
	void (*run)(void);
	const char *faults;
} cases[] = {
	{"blocks, warps and lanes add up", adds_up, ""},
	{"a kernel that leaves its memory loses the device", leaves_memory, ""},
	{"a kernel that takes a misaligned address loses the device", misaligned, ""},
	{"fault: a kernel loses the device", loses_device, "kernel_lost=2"},
	{"a block that is too large", too_large, ""},
	{"kernels that the driver does not take", without_kernels,
	 "cuModuleLoadData=209"},
	{"a kernel that is not there", without_kernels,
	 "cuModuleGetFunction=500"},
	{"fault: launching", launch_fails,
	 "cuLaunchKernel@1=701,cuOccupancyMaxActiveBlocksPerMultiprocessor@2=1"},
};

int
main(void)
{
	int failures = 0;

	simulator = getenv("GSTORE_CUDASIM");
	if (simulator == NULL || access(simulator, R_OK) != 0)
	{
		printf("1..0 # SKIP GSTORE_CUDASIM does not name the stand-in\n");
		return 0;
	}
	unsetenv("GSTORE_CUDASIM_CONTROL");
	setenv("GSTORE_CUDASIM_DEVICES", "2", 1);
	printf("1..%d\n", (int) lengthof(cases));
	for (size_t i = 0; i < lengthof(cases); i++)
	{
		int status = -1;
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0)
		{
			alarm(300);
			setenv("GSTORE_CUDASIM_FAULTS", cases[i].faults, 1);
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
	return failures == 0 ? 0 : 1;
}
