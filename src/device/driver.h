/*
 * driver.h
 *	  The calls of the CUDA driver that we use, once and for all: what cuda.c
 *	  looks up, what test/cudasim implements, what test/unit checks.
 *
 * The driver's header, cuda.h, comes with the toolkit, which is not needed to
 * build: names, values and signatures are declared here once more, as the
 * driver's binary interface has them (CUDA 12.0 and later; most are older).
 * test/unit/test_driver.c compares them with cuda.h where there is one.  Who
 * includes cuda.h does so before this file, and then has its types.
 *
 * Must never include another header of ours but port.h.
 */
#ifndef GSTORE_DRIVER_H
#define GSTORE_DRIVER_H

#include "port.h"

/* Results we tell apart: RESULT(name, value). */
#define GSTORE_DRIVER_RESULTS(RESULT) \
	RESULT(CUDA_SUCCESS, 0) \
	RESULT(CUDA_ERROR_INVALID_VALUE, 1) \
	RESULT(CUDA_ERROR_OUT_OF_MEMORY, 2) \
	RESULT(CUDA_ERROR_NOT_INITIALIZED, 3) \
	RESULT(CUDA_ERROR_DEINITIALIZED, 4) \
	RESULT(CUDA_ERROR_STUB_LIBRARY, 34) \
	RESULT(CUDA_ERROR_DEVICE_UNAVAILABLE, 46) \
	RESULT(CUDA_ERROR_NO_DEVICE, 100) \
	RESULT(CUDA_ERROR_INVALID_DEVICE, 101) \
	RESULT(CUDA_ERROR_INVALID_IMAGE, 200) \
	RESULT(CUDA_ERROR_INVALID_CONTEXT, 201) \
	RESULT(CUDA_ERROR_MAP_FAILED, 205) \
	RESULT(CUDA_ERROR_NO_BINARY_FOR_GPU, 209) \
	RESULT(CUDA_ERROR_ECC_UNCORRECTABLE, 214) \
	RESULT(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, 217) \
	RESULT(CUDA_ERROR_INVALID_PTX, 218) \
	RESULT(CUDA_ERROR_NVLINK_UNCORRECTABLE, 220) \
	RESULT(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222) \
	RESULT(CUDA_ERROR_CONTAINED, 226) \
	RESULT(CUDA_ERROR_INVALID_HANDLE, 400) \
	RESULT(CUDA_ERROR_NOT_FOUND, 500) \
	RESULT(CUDA_ERROR_NOT_READY, 600) \
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, 700) \
	RESULT(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701) \
	RESULT(CUDA_ERROR_LAUNCH_TIMEOUT, 702) \
	RESULT(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709) \
	RESULT(CUDA_ERROR_ASSERT, 710) \
	RESULT(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, 712) \
	RESULT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, 713) \
	RESULT(CUDA_ERROR_HARDWARE_STACK_ERROR, 714) \
	RESULT(CUDA_ERROR_ILLEGAL_INSTRUCTION, 715) \
	RESULT(CUDA_ERROR_MISALIGNED_ADDRESS, 716) \
	RESULT(CUDA_ERROR_INVALID_ADDRESS_SPACE, 717) \
	RESULT(CUDA_ERROR_INVALID_PC, 718) \
	RESULT(CUDA_ERROR_LAUNCH_FAILED, 719) \
	RESULT(CUDA_ERROR_TENSOR_MEMORY_LEAK, 721) \
	RESULT(CUDA_ERROR_NOT_PERMITTED, 800) \
	RESULT(CUDA_ERROR_NOT_SUPPORTED, 801) \
	RESULT(CUDA_ERROR_SYSTEM_NOT_READY, 802) \
	RESULT(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803) \
	RESULT(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804) \
	RESULT(CUDA_ERROR_MPS_CONNECTION_FAILED, 805) \
	RESULT(CUDA_ERROR_MPS_RPC_FAILURE, 806) \
	RESULT(CUDA_ERROR_MPS_SERVER_NOT_READY, 807) \
	RESULT(CUDA_ERROR_MPS_CLIENT_TERMINATED, 810) \
	RESULT(CUDA_ERROR_EXTERNAL_DEVICE, 911) \
	RESULT(CUDA_ERROR_UNKNOWN, 999)

/* Attributes of a device, and flags: VALUE(name, value). */
#define GSTORE_DRIVER_ATTRIBUTES(VALUE) \
	VALUE(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16) \
	VALUE(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 36) \
	VALUE(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 37) \
	VALUE(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 41) \
	VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75) \
	VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)

#ifndef __cuda_cuda_h__
#define GSTORE_DRIVER_VALUE(name, value) name = value,

typedef enum CUresult
{
	GSTORE_DRIVER_RESULTS(GSTORE_DRIVER_VALUE)
} CUresult;

typedef enum CUdevice_attribute
{
	GSTORE_DRIVER_ATTRIBUTES(GSTORE_DRIVER_VALUE)
} CUdevice_attribute;

typedef enum CUdriverProcAddressQueryResult
{
	CU_GET_PROC_ADDRESS_SUCCESS = 0
} CUdriverProcAddressQueryResult;

#undef GSTORE_DRIVER_VALUE

#define CU_CTX_SCHED_BLOCKING_SYNC 4
#define CU_MEMHOSTREGISTER_PORTABLE 1
#define CU_STREAM_NON_BLOCKING 1
#define CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS 1

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef void (*CUhostFn)(void *argument);

typedef struct CUuuid
{
	char bytes[16];
} CUuuid;

typedef struct CUipcMemHandle
{
	char reserved[64];
} CUipcMemHandle;
#endif

/*
 * CALL(symbol, name, version, parameters): the symbol the library exports; the
 * name and CUDA version under which cuGetProcAddress gives this variant of it.
 */
#define GSTORE_DRIVER_CALLS(CALL) \
	CALL(cuInit, "cuInit", 2000, (unsigned int flags)) \
	CALL(cuGetErrorName, "cuGetErrorName", 6000, \
		 (CUresult error, const char **name)) \
	CALL(cuGetErrorString, "cuGetErrorString", 6000, \
		 (CUresult error, const char **text)) \
	CALL(cuDriverGetVersion, "cuDriverGetVersion", 2020, (int *version)) \
	CALL(cuDeviceGetCount, "cuDeviceGetCount", 2000, (int *count)) \
	CALL(cuDeviceGet, "cuDeviceGet", 2000, (CUdevice * device, int ordinal)) \
	CALL(cuDeviceGetName, "cuDeviceGetName", 2000, \
		 (char *name, int bytes, CUdevice device)) \
	CALL(cuDeviceGetUuid_v2, "cuDeviceGetUuid", 11040, \
		 (CUuuid * uuid, CUdevice device)) \
	CALL(cuDeviceTotalMem_v2, "cuDeviceTotalMem", 3020, \
		 (size_t * bytes, CUdevice device)) \
	CALL(cuDeviceGetAttribute, "cuDeviceGetAttribute", 2000, \
		 (int *value, CUdevice_attribute attribute, CUdevice device)) \
	CALL(cuDevicePrimaryCtxSetFlags_v2, "cuDevicePrimaryCtxSetFlags", 11000, \
		 (CUdevice device, unsigned int flags)) \
	CALL(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", 7000, \
		 (CUcontext * context, CUdevice device)) \
	CALL(cuDevicePrimaryCtxRelease_v2, "cuDevicePrimaryCtxRelease", 11000, \
		 (CUdevice device)) \
	CALL(cuCtxSetCurrent, "cuCtxSetCurrent", 4000, (CUcontext context)) \
	CALL(cuMemGetInfo_v2, "cuMemGetInfo", 3020, \
		 (size_t * free_bytes, size_t * total_bytes)) \
	CALL(cuMemAlloc_v2, "cuMemAlloc", 3020, \
		 (CUdeviceptr * address, size_t bytes)) \
	CALL(cuMemFree_v2, "cuMemFree", 3020, (CUdeviceptr address)) \
	CALL(cuMemGetAddressRange_v2, "cuMemGetAddressRange", 3020, \
		 (CUdeviceptr * base, size_t * bytes, CUdeviceptr address)) \
	CALL(cuMemHostRegister_v2, "cuMemHostRegister", 6050, \
		 (void *base, size_t bytes, unsigned int flags)) \
	CALL(cuMemHostUnregister, "cuMemHostUnregister", 4000, (void *base)) \
	CALL(cuStreamCreate, "cuStreamCreate", 2000, \
		 (CUstream * stream, unsigned int flags)) \
	CALL(cuStreamDestroy_v2, "cuStreamDestroy", 4000, (CUstream stream)) \
	CALL(cuStreamQuery, "cuStreamQuery", 2000, (CUstream stream)) \
	CALL(cuLaunchHostFunc, "cuLaunchHostFunc", 10000, \
		 (CUstream stream, CUhostFn function, void *argument)) \
	CALL(cuMemcpyHtoDAsync_v2, "cuMemcpyHtoDAsync", 3020, \
		 (CUdeviceptr to, const void *from, size_t bytes, CUstream stream)) \
	CALL(cuMemcpyDtoHAsync_v2, "cuMemcpyDtoHAsync", 3020, \
		 (void *to, CUdeviceptr from, size_t bytes, CUstream stream)) \
	CALL(cuMemcpyDtoDAsync_v2, "cuMemcpyDtoDAsync", 3020, \
		 (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)) \
	CALL(cuMemsetD8Async, "cuMemsetD8Async", 3020, \
		 (CUdeviceptr to, unsigned char value, size_t bytes, \
		  CUstream stream)) \
	CALL(cuModuleLoadData, "cuModuleLoadData", 2000, \
		 (CUmodule * module, const void *image)) \
	CALL(cuModuleGetFunction, "cuModuleGetFunction", 2000, \
		 (CUfunction * function, CUmodule module, const char *name)) \
	CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor, \
		 "cuOccupancyMaxActiveBlocksPerMultiprocessor", 6050, \
		 (int *blocks, CUfunction function, int threads, size_t shared)) \
	CALL(cuLaunchKernel, "cuLaunchKernel", 4000, \
		 (CUfunction function, unsigned int blocks_x, unsigned int blocks_y, \
		  unsigned int blocks_z, unsigned int threads_x, \
		  unsigned int threads_y, unsigned int threads_z, \
		  unsigned int shared, CUstream stream, void **parameters, \
		  void **extra)) \
	CALL(cuIpcGetMemHandle, "cuIpcGetMemHandle", 4010, \
		 (CUipcMemHandle * handle, CUdeviceptr address)) \
	CALL(cuIpcOpenMemHandle_v2, "cuIpcOpenMemHandle", 11000, \
		 (CUdeviceptr * address, CUipcMemHandle handle, \
		  unsigned int flags)) \
	CALL(cuIpcCloseMemHandle, "cuIpcCloseMemHandle", 4010, \
		 (CUdeviceptr address))

/* What programs that map exported memory use besides: the stand-in has them,
 * we do not look them up. */
#define GSTORE_DRIVER_CLIENT_CALLS(CALL) \
	CALL(cuMemcpyHtoD_v2, "cuMemcpyHtoD", 3020, \
		 (CUdeviceptr to, const void *from, size_t bytes)) \
	CALL(cuMemcpyDtoH_v2, "cuMemcpyDtoH", 3020, \
		 (void *to, CUdeviceptr from, size_t bytes))

/* How the others are found; from CUDA 12.0 on.  By dlsym(). */
#define GSTORE_DRIVER_ENTRY(CALL) \
	CALL(cuGetProcAddress_v2, "cuGetProcAddress", 12000, \
		 (const char *name, void **function, int version, \
		  GstoreDriverFlags flags, CUdriverProcAddressQueryResult *found))

/* cuuint64_t */
typedef uint64_t GstoreDriverFlags;

#endif
