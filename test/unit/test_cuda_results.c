/*
 * test_cuda_results.c
 *	  What the CUDA room makes of every result of the driver that it knows: the
 *	  class of the error, its number and its name.
 *
 * The stand-in, GSTORE_CUDASIM, refuses to tell the free memory, and to open a
 * handle, with each of them in turn, each time in a process of its own.  What is expected is written down
 * by number, so that a result that changes its class is noticed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/device.h"
#include "device/driver.h"

/* The context is dead. */
static const int lost[] = {4, 46, 214, 220, 226, 700, 702, 709, 710, 714,
						   715, 716, 717, 718, 719, 721, 806, 810, 911, 999};
/* There is no driver or device to speak of. */
static const int unavailable[] = {3, 34, 100, 802, 803, 804, 805, 807};

static const char *const opening = "cuIpcOpenMemHandle_v2";

static bool
is_one_of(int result, const int *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == result)
			return true;
	return false;
}

/* A handle comes from a caller: it is to blame for whatever the driver says of
 * it, while the device answers other calls (as it does under open_refuse). */
static GstoreDeviceErrorKind
expected_kind(int result, bool of_handle)
{
	if (is_one_of(result, lost, lengthof(lost)))
		return of_handle ? GSTORE_DEVICE_INVALID : GSTORE_DEVICE_LOST;
	if (is_one_of(result, unavailable, lengthof(unavailable)))
		return GSTORE_DEVICE_UNAVAILABLE;
	if (result == 2)
		return GSTORE_DEVICE_OUT_OF_MEMORY;
	if (result == 801)
		return GSTORE_DEVICE_UNSUPPORTED;
	return of_handle ? GSTORE_DEVICE_INVALID : GSTORE_DEVICE_FAILED;
}

/* In a process of its own: with what error does a call end? */
static bool
is_classified(const char *library, const char *call, int result,
			  const char *name)
{
	const GstoreDeviceOps *ops = &gstore_cuda_device;
	GstoreDeviceConfig config = {.cuda_library = library, .completion_fd = -1};
	bool of_handle = strcmp(call, opening) == 0;
	GstoreIpcHandle handle = {{0}};
	GstoreDeviceAddress address;
	GstoreDeviceError error = {0};
	uint64 bytes;
	bool good;

	good = ops->open(&config, &error) &&
		   !(of_handle
				 ? ops->open_handle(0, &handle, &address, &bytes, &error)
				 : ops->free_bytes(0, &bytes, &error)) &&
		   error.kind == expected_kind(result, of_handle) &&
		   error.code == result && strcmp(error.what, call) == 0 &&
		   strncmp(error.text, name, strlen(name)) == 0;
	if (!good)
		printf("# kind %d, code %d, %s: %s\n", error.kind, error.code,
			   error.what, error.text);
	return good;
}

/* Does a call end as it should when the driver refuses it with a result? */
static bool
ends_as_it_should(const char *library, const char *call, int result,
				  const char *name)
{
	char faults[64];
	int status = -1;
	pid_t child;

	snprintf(faults, sizeof(faults), "%s=%d",
			 strcmp(call, opening) == 0 ? "open_refuse" : call, result);
	setenv("GSTORE_CUDASIM_FAULTS", faults, 1);
	fflush(stdout);
	child = fork();
	if (child == 0)
	{
		bool good = is_classified(library, call, result, name);

		fflush(stdout);
		_exit(good ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int
main(void)
{
	static const struct
	{
		int result;
		const char *name;
	} results[] = {
#define LIST(name, value) {name, #name},
		GSTORE_DRIVER_RESULTS(LIST)};
	const char *const call[] = {"cuMemGetInfo_v2", opening};
	const char *library = getenv("GSTORE_CUDASIM");
	int tests = 0;

	if (library == NULL || access(library, R_OK) != 0)
	{
		printf("1..0 # SKIP no stand-in for the driver: set GSTORE_CUDASIM\n");
		return 0;
	}
	unsetenv("GSTORE_CUDASIM_CONTROL");
	setenv("GSTORE_CUDASIM_DEVICES", "1", 1);
	for (size_t i = 0; i < lengthof(results); i++)
	{
		if (results[i].result == CUDA_SUCCESS)
			continue;
		for (size_t j = 0; j < lengthof(call); j++)
			printf("%sok %d - %s of %s\n",
				   ends_as_it_should(library, call[j], results[i].result,
									 results[i].name)
					   ? ""
					   : "not ",
				   ++tests, results[i].name, call[j]);
	}
	printf("1..%d\n", tests);
	return 0;
}
