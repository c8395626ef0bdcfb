/*
 * gpu.c
 *	  The stand-in for tests of kernels; see gpu.h.
 */
#include "gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const GstoreDeviceOps *const cuda = &gstore_cuda_device;
GstoreDeviceError error;
uint8 *staging;
GstoreStream *stream;
uint64 seed = 11;

void
die(const char *what)
{
	printf("Bail out! %s (%s: %s)\n", what, error.what, error.text);
	fflush(stdout);
	_exit(1);
}

uint64
any(uint64 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

void
gpu_open(uint64 staging_bytes)
{
	GstoreDeviceConfig config = {.cuda_library = getenv("GSTORE_CUDASIM"),
								 .completion_fd = -1};

	if (config.cuda_library == NULL || access(config.cuda_library, R_OK) != 0)
	{
		printf("1..0 # SKIP GSTORE_CUDASIM does not name the stand-in\n");
		exit(0);
	}
	unsetenv("GSTORE_CUDASIM_CONTROL");
	unsetenv("GSTORE_CUDASIM_FAULTS");
	staging = mmap(NULL, staging_bytes, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (staging == MAP_FAILED)
		die("no memory");
	if (!cuda->open(&config, &error) ||
		!cuda->register_staging(staging, staging_bytes, &error) ||
		!cuda->stream_create(0, &stream, &error))
		die("no device");
}

void
finish(void)
{
	struct timespec little = {0, 20000};
	bool done = false;

	while (!done)
	{
		if (!cuda->stream_query(stream, &done, &error))
			die("the device was lost");
		if (!done)
			nanosleep(&little, NULL);
	}
}
