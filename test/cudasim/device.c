/*
 * device.c
 *	  Devices, contexts, names of errors, and how calls are found.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

pthread_mutex_t sim_mutex = PTHREAD_MUTEX_INITIALIZER;
SimDevice sim_devices[SIM_MAX_DEVICES];

static int ndevices;
static pid_t initialized_by; /* the driver does not survive fork() */
static __thread SimDevice *current;

/* ---- entering ---- */

static int
number_from(const char *name, int otherwise, int most)
{
	const char *value = getenv(name);
	int number = value == NULL ? otherwise : atoi(value);

	return number < 0 ? 0 : number > most ? most
										  : number;
}

/* After these a context is of no use any more. */
static bool
is_sticky(CUresult result)
{
	switch (result)
	{
		case CUDA_ERROR_ECC_UNCORRECTABLE:
		case CUDA_ERROR_NVLINK_UNCORRECTABLE:
		case CUDA_ERROR_ILLEGAL_ADDRESS:
		case CUDA_ERROR_LAUNCH_TIMEOUT:
		case CUDA_ERROR_ASSERT:
		case CUDA_ERROR_HARDWARE_STACK_ERROR:
		case CUDA_ERROR_ILLEGAL_INSTRUCTION:
		case CUDA_ERROR_MISALIGNED_ADDRESS:
		case CUDA_ERROR_INVALID_ADDRESS_SPACE:
		case CUDA_ERROR_INVALID_PC:
		case CUDA_ERROR_LAUNCH_FAILED:
			return true;
		default:
			return false;
	}
}

CUresult
sim_enter_call(const char *call, SimDevice **device)
{
	CUresult fault;

	if (initialized_by != getpid())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (device != NULL && (current == NULL || current->retained == 0))
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&sim_mutex);
	sim_fault_refresh();
	if (device != NULL)
	{
		*device = current;
		if (current->lost != CUDA_SUCCESS)
			return sim_leave(current->lost);
	}
	fault = sim_fault_of_call(call);
	if (fault == CUDA_SUCCESS)
		return CUDA_SUCCESS;
	if (device != NULL && is_sticky(fault))
		sim_lose(current, fault);
	return sim_leave(fault);
}

CUresult
sim_leave(CUresult result)
{
	pthread_mutex_unlock(&sim_mutex);
	return result;
}

void
sim_lose(SimDevice *device, CUresult result)
{
	if (device->lost != CUDA_SUCCESS)
		return;
	device->lost = result;
	sim_streams_stop(device);
}

CUresult
sim_misuse(CUresult result, const char *call, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "cudasim: %s refused: ", call);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return result;
}

/* ---- the driver and its devices ---- */

CUresult
cuInit(unsigned int flags)
{
	CUresult result = CUDA_SUCCESS;

	pthread_mutex_lock(&sim_mutex);
	if (initialized_by != 0 && initialized_by != getpid())
		return sim_leave(CUDA_ERROR_NOT_INITIALIZED);
	ndevices = number_from("GSTORE_CUDASIM_DEVICES", 1, SIM_MAX_DEVICES);
	for (int i = 0; initialized_by == 0 && i < ndevices; i++)
	{
		SimDevice *device = &sim_devices[i];

		device->number = i;
		device->total = (uint64_t) number_from("GSTORE_CUDASIM_MEMORY_MB",
											   2048, 1 << 20)
						<< 20;
		/* No process has anything there, nor can have: a program that takes
		 * it for a pointer is killed. */
		device->next_address = UINT64_C(0x00d0000000000000) +
							   ((uint64_t) i << 44);
	}
	sim_fault_refresh();
	if (flags != 0)
		result = CUDA_ERROR_INVALID_VALUE;
	else if (sim_fault_value(SIM_FAULT_INIT) != 0)
		result = sim_fault_value(SIM_FAULT_INIT);
	else if (ndevices == 0)
		result = CUDA_ERROR_NO_DEVICE;
	else
		initialized_by = getpid();
	return sim_leave(result);
}

CUresult
cuDriverGetVersion(int *version)
{
	CUresult result = sim_enter(NULL);

	if (result != CUDA_SUCCESS)
		return result;
	*version = 12040;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDeviceGetCount(int *count)
{
	CUresult result = sim_enter(NULL);

	if (result != CUDA_SUCCESS)
		return result;
	*count = ndevices;
	return sim_leave(CUDA_SUCCESS);
}

/* Enter with a device's number; then it is one. */
#define enter_with(device) enter_with_call(__func__, device)

static CUresult
enter_with_call(const char *call, CUdevice device)
{
	CUresult result = sim_enter_call(call, NULL);

	if (result == CUDA_SUCCESS && (device < 0 || device >= ndevices))
		return sim_leave(CUDA_ERROR_INVALID_DEVICE);
	return result;
}

CUresult
cuDeviceGet(CUdevice *device, int ordinal)
{
	CUresult result = enter_with(ordinal);

	if (result != CUDA_SUCCESS)
		return result;
	*device = ordinal;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDeviceGetName(char *name, int bytes, CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	snprintf(name, bytes, "stand-in for a GPU");
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	memcpy(uuid->bytes, "gstore-cudasim-", 15);
	uuid->bytes[15] = (char) device;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	*bytes = sim_devices[device].total;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDeviceGetAttribute(int *value, CUdevice_attribute attribute,
					 CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	switch (attribute)
	{
		case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
			*value = 2;
			break;
		case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
			*value = 5001000;
			break;
		case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
			*value = 256;
			break;
		case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
			*value = 1;
			break;
		case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
			*value = 7;
			break;
		case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
			*value = 5;
			break;
		default:
			result = CUDA_ERROR_INVALID_VALUE;
	}
	return sim_leave(result);
}

/* ---- contexts ---- */

CUresult
cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags)
{
	CUresult result = enter_with(device);

	(void) flags;
	return result != CUDA_SUCCESS ? result : sim_leave(CUDA_SUCCESS);
}

CUresult
cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	if (sim_fault_value(SIM_FAULT_CONTEXT) != 0)
		return sim_leave(sim_fault_value(SIM_FAULT_CONTEXT));
	if (sim_devices[device].lost != CUDA_SUCCESS)
		return sim_leave(sim_devices[device].lost);
	sim_devices[device].retained++;
	*context = &sim_devices[device];
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
	CUresult result = enter_with(device);

	if (result != CUDA_SUCCESS)
		return result;
	if (sim_devices[device].retained == 0)
		return sim_leave(CUDA_ERROR_INVALID_CONTEXT);

	/* With its context goes all the memory, but nobody should need that. */
	sim_devices[device].retained--;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuCtxSetCurrent(CUcontext context)
{
	CUresult result = sim_enter(NULL);

	if (result != CUDA_SUCCESS)
		return result;
	if (context != NULL && (context < sim_devices ||
							context >= sim_devices + ndevices ||
							context->retained == 0))
		return sim_leave(CUDA_ERROR_INVALID_CONTEXT);
	current = context;
	return sim_leave(CUDA_SUCCESS);
}

/* ---- errors ---- */

CUresult
cuGetErrorName(CUresult error, const char **name)
{
	switch (error)
	{
#define NAME(symbol, value) \
	case symbol: \
		*name = #symbol; \
		return CUDA_SUCCESS;
		GSTORE_DRIVER_RESULTS(NAME)
	}
	*name = NULL;
	return CUDA_ERROR_INVALID_VALUE;
}

CUresult
cuGetErrorString(CUresult error, const char **text)
{
	const char *name;

	if (cuGetErrorName(error, &name) != CUDA_SUCCESS)
	{
		*text = NULL;
		return CUDA_ERROR_INVALID_VALUE;
	}
	*text = error == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "said by the stand-in";
	return CUDA_SUCCESS;
}

/* ---- finding calls ---- */

CUresult
cuGetProcAddress_v2(const char *name, void **function, int version,
					GstoreDriverFlags flags,
					CUdriverProcAddressQueryResult *found)
{
	static const struct
	{
		const char *name;
		int version;
		void (*function)(void);
	} calls[] = {
#define LIST(symbol, base, since, parameters) \
	{base, since, (void (*)(void)) symbol},
		GSTORE_DRIVER_CALLS(LIST) GSTORE_DRIVER_CLIENT_CALLS(LIST)};

	(void) flags;
	for (size_t i = 0; i < lengthof(calls); i++)
	{
		/* Of an older version there would be another variant, with other
		 * parameters, which we do not have. */
		if (strcmp(calls[i].name, name) != 0 || version < calls[i].version)
			continue;
		memcpy(function, &calls[i].function, sizeof(*function));
		*found = CU_GET_PROC_ADDRESS_SUCCESS;
		return CUDA_SUCCESS;
	}
	*function = NULL;
	return CUDA_ERROR_NOT_FOUND;
}
