/*
 * cuda.c
 *	  CUDA devices, through the driver's library, which is opened when the
 *	  server runs: nothing of CUDA is needed to build.
 *
 * Each device's primary context is kept from open to close.  What open finds
 * out is not changed until close, so any thread may call between them: each
 * call makes the context it needs the thread's current one.  All copies are
 * asynchronous.  cuMemAlloc and cuMemFree may wait for the whole device.
 *
 * An error that leaves the context dead, so that only a new process helps, is
 * GSTORE_DEVICE_LOST.  While opening, every error is
 * GSTORE_DEVICE_UNAVAILABLE: there is nothing to lose yet.
 *
 * Must never include a PostgreSQL header, raise, or wait for a stream.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/cuda_image.h"
#include "device/device.h"
#include "device/driver.h"

/* One pointer for each call, of the call's name. */
typedef struct Driver
{
#define DECLARE_CALL(symbol, name, version, parameters) \
	CUresult(*symbol) parameters;
	GSTORE_DRIVER_CALLS(DECLARE_CALL)
	GSTORE_DRIVER_ENTRY(DECLARE_CALL)
#undef DECLARE_CALL
} Driver;

/* How each is found, and where its pointer goes. */
typedef struct Symbol
{
	const char *symbol;
	const char *name;
	int version;
	size_t offset;
} Symbol;

#define DESCRIBE_CALL(symbol, name, version, parameters) \
	{#symbol, name, version, offsetof(Driver, symbol)},

static const Symbol symbols[] = {GSTORE_DRIVER_CALLS(DESCRIBE_CALL)};

typedef struct Device
{
	CUdevice handle;
	CUcontext context;						 /* NULL: not retained */
	CUfunction kernels[GSTORE_KERNEL_COUNT]; /* if info.has_kernels */
	GstoreDeviceInfo info;
} Device;

struct GstoreStream
{
	int device;
	CUstream handle;
};

/* Written by open, register_staging and close only. */
static Driver driver;
static void *library;
static Device devices[GSTORE_MAX_DEVICES];
static int ndevices;
static int completion_fd = -1;
static void *staging;

/* ---- errors ---- */

static bool
refuse(GstoreDeviceError *error, GstoreDeviceErrorKind kind, const char *what,
	   const char *text)
{
	memset(error, 0, sizeof(*error));
	error->kind = kind;
	snprintf(error->what, sizeof(error->what), "%s", what);
	snprintf(error->text, sizeof(error->text), "%s", text);
	return false;
}

static GstoreDeviceErrorKind
classify(CUresult result)
{
	switch (result)
	{
		case CUDA_SUCCESS:
			return GSTORE_DEVICE_OK;

		case CUDA_ERROR_OUT_OF_MEMORY:
			return GSTORE_DEVICE_OUT_OF_MEMORY;

		case CUDA_ERROR_DEINITIALIZED:
		case CUDA_ERROR_DEVICE_UNAVAILABLE:
		case CUDA_ERROR_ECC_UNCORRECTABLE:
		case CUDA_ERROR_NVLINK_UNCORRECTABLE:
		case CUDA_ERROR_CONTAINED:
		case CUDA_ERROR_ILLEGAL_ADDRESS:
		case CUDA_ERROR_LAUNCH_TIMEOUT:
		case CUDA_ERROR_CONTEXT_IS_DESTROYED:
		case CUDA_ERROR_ASSERT:
		case CUDA_ERROR_HARDWARE_STACK_ERROR:
		case CUDA_ERROR_ILLEGAL_INSTRUCTION:
		case CUDA_ERROR_MISALIGNED_ADDRESS:
		case CUDA_ERROR_INVALID_ADDRESS_SPACE:
		case CUDA_ERROR_INVALID_PC:
		case CUDA_ERROR_LAUNCH_FAILED:
		case CUDA_ERROR_TENSOR_MEMORY_LEAK:
		case CUDA_ERROR_MPS_RPC_FAILURE:
		case CUDA_ERROR_MPS_CLIENT_TERMINATED:
		case CUDA_ERROR_EXTERNAL_DEVICE:
		case CUDA_ERROR_UNKNOWN:
			return GSTORE_DEVICE_LOST;

		case CUDA_ERROR_STUB_LIBRARY:
		case CUDA_ERROR_NO_DEVICE:
		case CUDA_ERROR_NOT_INITIALIZED:
		case CUDA_ERROR_SYSTEM_NOT_READY:
		case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
		case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
		case CUDA_ERROR_MPS_CONNECTION_FAILED:
		case CUDA_ERROR_MPS_SERVER_NOT_READY:
			return GSTORE_DEVICE_UNAVAILABLE;

		case CUDA_ERROR_NOT_SUPPORTED:
			return GSTORE_DEVICE_UNSUPPORTED;

		default:
			return GSTORE_DEVICE_FAILED;
	}
}

/* True for success; else fills *error with the driver's words. */
static bool
check(CUresult result, const char *what, GstoreDeviceError *error)
{
	const char *name = NULL;
	const char *text = NULL;

	if (result == CUDA_SUCCESS)
		return true;
	refuse(error, classify(result), what, "");
	error->code = (int32) result;
	if (driver.cuGetErrorName != NULL)
		(void) driver.cuGetErrorName(result, &name);
	if (driver.cuGetErrorString != NULL)
		(void) driver.cuGetErrorString(result, &text);
	if (name != NULL && text != NULL)
		snprintf(error->text, sizeof(error->text), "%s: %s", name, text);
	else
		snprintf(error->text, sizeof(error->text), "CUDA error %d",
				 (int) result);
	return false;
}

/* Call the driver: CALL(cuInit, (0), error). */
#define CALL(symbol, arguments, error) \
	check(driver.symbol arguments, #symbol, error)

/* ---- finding the calls ---- */

static bool
look_up(const Symbol *symbol, GstoreDeviceError *error)
{
	CUdriverProcAddressQueryResult found;
	void *function = NULL;

	if (driver.cuGetProcAddress_v2 == NULL ||
		driver.cuGetProcAddress_v2(symbol->name, &function, symbol->version, 0,
								   &found) != CUDA_SUCCESS)
		function = NULL;
	if (function == NULL)
		function = dlsym(library, symbol->symbol);
	if (function == NULL)
	{
		refuse(error, GSTORE_DEVICE_UNAVAILABLE, "cuGetProcAddress", "");
		snprintf(error->text, sizeof(error->text),
				 "the CUDA driver has no %s of CUDA %d.%d: it is too old",
				 symbol->symbol, symbol->version / 1000,
				 symbol->version % 1000 / 10);
		return false;
	}
	memcpy((char *) &driver + symbol->offset, &function, sizeof(function));
	return true;
}

static bool
open_library(const char *file, GstoreDeviceError *error)
{
	void *entry;

	if (file == NULL || file[0] == '\0')
		file = "libcuda.so.1";
	library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
	{
		const char *reason = dlerror();

		return refuse(error, GSTORE_DEVICE_UNAVAILABLE, "dlopen",
					  reason != NULL ? reason : file);
	}
	entry = dlsym(library, "cuGetProcAddress_v2");
	memcpy(&driver.cuGetProcAddress_v2, &entry, sizeof(entry));
	for (size_t i = 0; i < lengthof(symbols); i++)
		if (!look_up(&symbols[i], error))
			return false;
	return true;
}

/* ---- opening ---- */

static bool
read_uuid(Device *device, GstoreDeviceError *error)
{
	CUuuid uuid;
	char *out = device->info.uuid;

	if (!CALL(cuDeviceGetUuid_v2, (&uuid, device->handle), error))
		return false;
	for (int i = 0; i < 16; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		out += sprintf(out, "%02x", (unsigned char) uuid.bytes[i]);
	}
	return true;
}

static bool
read_attribute(const Device *device, CUdevice_attribute attribute,
			   int32 *value, GstoreDeviceError *error)
{
	int result = 0;

	if (!CALL(cuDeviceGetAttribute, (&result, attribute, device->handle),
			  error))
		return false;
	*value = result;
	return true;
}

/* What the memory's clock and width come to: two transfers a cycle.  A driver
 * that does not tell is no error. */
static uint64
read_memory_rate(const Device *device)
{
	GstoreDeviceError ignored;
	int32 kilohertz = 0;
	int32 bits = 0;

	if (!read_attribute(device, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE,
						&kilohertz, &ignored) ||
		!read_attribute(device, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
						&bits, &ignored) ||
		kilohertz <= 0 || bits <= 0)
		return 0;
	return (uint64) kilohertz * 1000 * 2 * (uint64) (bits / 8);
}

static bool
open_device(int number, GstoreDeviceError *error)
{
	Device *device = &devices[number];
	GstoreDeviceInfo *info = &device->info;
	size_t total = 0;
	int32 unified = 0;

	info->number = number;
	strcpy(info->kind, "cuda");
	if (!CALL(cuDriverGetVersion, (&info->driver_version), error) ||
		!CALL(cuDeviceGet, (&device->handle, number), error) ||
		!CALL(cuDeviceGetName,
			  (info->name, (int) sizeof(info->name), device->handle), error) ||
		!read_uuid(device, error) ||
		!CALL(cuDeviceTotalMem_v2, (&total, device->handle), error) ||
		!read_attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
						&info->compute_major, error) ||
		!read_attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
						&info->compute_minor, error) ||
		!read_attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
						&info->multiprocessors, error) ||
		!read_attribute(device, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING,
						&unified, error))
		return false;
	info->name[sizeof(info->name) - 1] = '\0';
	info->total_bytes = total;
	info->memory_rate = read_memory_rate(device);

	/* The driver shares memory between processes only with unified
	 * addressing. */
	info->ipc_capable = unified != 0;

	/* A thread that waits should sleep: there are others to run.  Refused
	 * where the context is in use already, which does no harm. */
	(void) driver.cuDevicePrimaryCtxSetFlags_v2(device->handle,
												CU_CTX_SCHED_BLOCKING_SYNC);
	return CALL(cuDevicePrimaryCtxRetain, (&device->context, device->handle),
				error);
}

/*
 * Load the kernels.  A device that cannot run them (none were built, or none
 * for a GPU so old) still keeps tables: only one that was lost is an error.
 */
static bool
load_kernels(int number, GstoreDeviceError *error)
{
	static const char *const symbols_of[] = {
#define KERNEL_SYMBOL(NAME, symbol) #symbol,
		GSTORE_KERNELS(KERNEL_SYMBOL)
#undef KERNEL_SYMBOL
	};
	Device *device = &devices[number];
	CUmodule module;
	bool good;

	good = CALL(cuCtxSetCurrent, (device->context), error) &&
		   CALL(cuModuleLoadData, (&module, gstore_cuda_image()), error);
	for (int i = 0; good && i < GSTORE_KERNEL_COUNT; i++)
		good = CALL(cuModuleGetFunction,
					(&device->kernels[i], module, symbols_of[i]), error);
	device->info.has_kernels = good;
	if (!good && gstore_cuda_image_built())
		snprintf(device->info.without_kernels,
				 sizeof(device->info.without_kernels), "%.40s: %.110s",
				 error->what, error->text);
	else if (!good)
		snprintf(device->info.without_kernels,
				 sizeof(device->info.without_kernels),
				 "the extension was built without nvcc");
	return good || error->kind != GSTORE_DEVICE_LOST;
}

static bool
open_devices(GstoreDeviceError *error)
{
	int count = 0;

	if (!CALL(cuInit, (0), error) ||
		!CALL(cuDeviceGetCount, (&count), error))
		return false;
	if (count <= 0)
		return refuse(error, GSTORE_DEVICE_UNAVAILABLE, "cuDeviceGetCount",
					  "the driver has no devices");
	count = Min(count, GSTORE_MAX_DEVICES);
	for (int i = 0; i < count; i++)
	{
		ndevices = i + 1;
		if (!open_device(i, error) || !load_kernels(i, error))
			return false;
	}
	return true;
}

/* Errors on the way out are of no use to anybody.  The library stays in the
 * process: its threads may be at work. */
static void
close_cuda(void)
{
	if (staging != NULL && ndevices > 0 &&
		driver.cuCtxSetCurrent(devices[0].context) == CUDA_SUCCESS)
		(void) driver.cuMemHostUnregister(staging);
	for (int i = 0; i < ndevices; i++)
		if (devices[i].context != NULL)
			(void) driver.cuDevicePrimaryCtxRelease_v2(devices[i].handle);
	memset(devices, 0, sizeof(devices));
	ndevices = 0;
	staging = NULL;
	completion_fd = -1;
}

static bool
open_cuda(const GstoreDeviceConfig *config, GstoreDeviceError *error)
{
	memset(error, 0, sizeof(*error));
	completion_fd = config->completion_fd;
	if (open_library(config->cuda_library, error) && open_devices(error))
		return true;
	error->kind = GSTORE_DEVICE_UNAVAILABLE;
	close_cuda();
	return false;
}

/* Make the device's context the thread's. */
static bool
enter(int device, GstoreDeviceError *error)
{
	if (device < 0 || device >= ndevices)
		return refuse(error, GSTORE_DEVICE_INVALID, "cuCtxSetCurrent",
					  "there is no such device");
	return CALL(cuCtxSetCurrent, (devices[device].context), error);
}

/* ---- what devices there are ---- */

static int
count(void)
{
	return ndevices;
}

static bool
describe(int device, GstoreDeviceInfo *info, GstoreDeviceError *error)
{
	if (device < 0 || device >= ndevices)
		return refuse(error, GSTORE_DEVICE_INVALID, "describe",
					  "there is no such device");
	*info = devices[device].info;
	return true;
}

static bool
free_bytes(int device, uint64 *bytes, GstoreDeviceError *error)
{
	size_t available = 0;
	size_t total = 0;

	if (!enter(device, error) ||
		!CALL(cuMemGetInfo_v2, (&available, &total), error))
		return false;
	*bytes = available;
	return true;
}

/* ---- memory ---- */

static bool
register_staging(void *base, uint64 bytes, GstoreDeviceError *error)
{
	if (!enter(0, error) ||
		!CALL(cuMemHostRegister_v2,
			  (base, bytes, CU_MEMHOSTREGISTER_PORTABLE), error))
		return false;
	staging = base;
	return true;
}

static bool
alloc(int device, uint64 bytes, GstoreDeviceAddress *address,
	  GstoreDeviceError *error)
{
	CUdeviceptr pointer = 0;

	if (bytes == 0 || bytes > UINT64_MAX - GSTORE_DEVICE_GRANULE)
		return refuse(error, GSTORE_DEVICE_INVALID, "cuMemAlloc_v2",
					  "wrong number of bytes");
	if (!enter(device, error) ||
		!CALL(cuMemAlloc_v2,
			  (&pointer, GSTORE_ALIGN(bytes, GSTORE_DEVICE_GRANULE)), error))
		return false;
	*address = pointer;
	return true;
}

static bool
free_memory(int device, GstoreDeviceAddress address, GstoreDeviceError *error)
{
	return enter(device, error) && CALL(cuMemFree_v2, (address), error);
}

/* ---- streams ---- */

static bool
stream_create(int device, GstoreStream **stream, GstoreDeviceError *error)
{
	GstoreStream *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return refuse(error, GSTORE_DEVICE_FAILED, "stream_create",
					  "out of memory");
	made->device = device;
	if (!enter(device, error) ||
		!CALL(cuStreamCreate, (&made->handle, CU_STREAM_NON_BLOCKING), error))
	{
		free(made);
		return false;
	}
	*stream = made;
	return true;
}

static void
stream_destroy(GstoreStream *stream)
{
	GstoreDeviceError ignored;

	if (enter(stream->device, &ignored))
		(void) driver.cuStreamDestroy_v2(stream->handle);
	free(stream);
}

static bool
copy_to_device(GstoreStream *stream, GstoreDeviceAddress to, const void *from,
			   uint64 bytes, GstoreDeviceError *error)
{
	return enter(stream->device, error) &&
		   CALL(cuMemcpyHtoDAsync_v2, (to, from, bytes, stream->handle),
				error);
}

static bool
copy_to_host(GstoreStream *stream, void *to, GstoreDeviceAddress from,
			 uint64 bytes, GstoreDeviceError *error)
{
	return enter(stream->device, error) &&
		   CALL(cuMemcpyDtoHAsync_v2, (to, from, bytes, stream->handle),
				error);
}

static bool
copy_on_device(GstoreStream *stream, GstoreDeviceAddress to,
			   GstoreDeviceAddress from, uint64 bytes,
			   GstoreDeviceError *error)
{
	return enter(stream->device, error) &&
		   CALL(cuMemcpyDtoDAsync_v2, (to, from, bytes, stream->handle),
				error);
}

static bool
fill(GstoreStream *stream, GstoreDeviceAddress to, uint8 value, uint64 bytes,
	 GstoreDeviceError *error)
{
	return enter(stream->device, error) &&
		   CALL(cuMemsetD8Async, (to, value, bytes, stream->handle), error);
}

static bool
launch(GstoreStream *stream, GstoreKernel kernel, GstoreDeviceAddress argument,
	   uint32 blocks, uint32 shared_bytes, GstoreDeviceError *error)
{
	const Device *device = &devices[stream->device];
	unsigned long long parameter = argument;
	void *parameters[] = {&parameter};
	int at_once = 0;

	if (!enter(stream->device, error))
		return false;
	if (!device->info.has_kernels)
		return refuse(error, GSTORE_DEVICE_UNSUPPORTED, "cuLaunchKernel",
					  device->info.without_kernels);
	if (!CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor,
			  (&at_once, device->kernels[kernel], GSTORE_KERNEL_THREADS,
			   shared_bytes),
			  error))
		return false;
	if (at_once <= 0 || blocks == 0)
		return refuse(error, GSTORE_DEVICE_UNSUPPORTED, "cuLaunchKernel",
					  "a block of this kernel is too large for the device");
	blocks = (uint32) Min((uint64) blocks,
						  (uint64) at_once * device->info.multiprocessors);
	return CALL(cuLaunchKernel,
				(device->kernels[kernel], blocks, 1, 1, GSTORE_KERNEL_THREADS,
				 1, 1, shared_bytes, stream->handle, parameters, NULL),
				error);
}

/* Runs on a thread of the driver's, where no CUDA call is allowed.  A write
 * fails only when the counter is full: then the waiter wakes anyway. */
static void
notify(void *argument)
{
	uint64_t one = 1;

	if (write((int) (intptr_t) argument, &one, sizeof(one)) < 0)
		return;
}

static bool
stream_notify(GstoreStream *stream, GstoreDeviceError *error)
{
	if (completion_fd < 0)
		return true;
	return enter(stream->device, error) &&
		   CALL(cuLaunchHostFunc,
				(stream->handle, notify, (void *) (intptr_t) completion_fd),
				error);
}

static bool
stream_query(GstoreStream *stream, bool *done, GstoreDeviceError *error)
{
	CUresult result;

	*done = false;
	if (!enter(stream->device, error))
		return false;
	result = driver.cuStreamQuery(stream->handle);
	if (result == CUDA_ERROR_NOT_READY)
		return true;
	if (!check(result, "cuStreamQuery", error))
		return false;
	*done = true;
	return true;
}

/* ---- sharing ---- */

StaticAssertDecl(sizeof(GstoreIpcHandle) == sizeof(CUipcMemHandle),
				 "an IPC handle is the driver's");

static bool
export_handle(int device, GstoreDeviceAddress address, GstoreIpcHandle *handle,
			  GstoreDeviceError *error)
{
	CUipcMemHandle made;

	if (!enter(device, error) ||
		!CALL(cuIpcGetMemHandle, (&made, address), error))
		return false;
	memcpy(handle->bytes, &made, sizeof(made));
	return true;
}

static bool
close_handle(int device, GstoreDeviceAddress address,
			 GstoreDeviceError *error)
{
	return enter(device, error) &&
		   CALL(cuIpcCloseMemHandle, (address), error);
}

/* Whatever the driver has against a handle, the handle came from a caller: the
 * device is lost only if it says so when asked for something else. */
static bool
open_handle(int device, const GstoreIpcHandle *handle,
			GstoreDeviceAddress *address, uint64 *bytes,
			GstoreDeviceError *error)
{
	CUipcMemHandle foreign;
	CUdeviceptr pointer = 0;
	CUdeviceptr base = 0;
	size_t size = 0;

	memcpy(&foreign, handle->bytes, sizeof(foreign));
	if (!enter(device, error))
		return false;
	if (!CALL(cuIpcOpenMemHandle_v2,
			  (&pointer, foreign, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS), error))
	{
		if (error->kind == GSTORE_DEVICE_FAILED ||
			(error->kind == GSTORE_DEVICE_LOST &&
			 driver.cuMemGetInfo_v2(&size, &size) == CUDA_SUCCESS))
			error->kind = GSTORE_DEVICE_INVALID;
		return false;
	}
	if (!CALL(cuMemGetAddressRange_v2, (&base, &size, pointer), error))
	{
		(void) driver.cuIpcCloseMemHandle(pointer);
		return false;
	}
	*address = pointer;
	*bytes = size - (pointer - base);
	return true;
}

const GstoreDeviceOps gstore_cuda_device = {
	.kind = "cuda",
	.keeper_only = true,
	.open = open_cuda,
	.close = close_cuda,
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
