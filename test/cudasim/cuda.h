/*
 * cuda.h
 *	  The stand-in's calls, for programs that include the driver's header where
 *	  there is no toolkit.
 */
#ifndef GSTORE_CUDASIM_CUDA_H
#define GSTORE_CUDASIM_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/driver.h"

#define DECLARE_CALL(symbol, name, version, parameters) \
	extern CUresult symbol parameters;
GSTORE_DRIVER_CALLS(DECLARE_CALL)
GSTORE_DRIVER_CLIENT_CALLS(DECLARE_CALL)
#undef DECLARE_CALL

/* As the driver's header names the newest variant of a call. */
#define cuIpcOpenMemHandle cuIpcOpenMemHandle_v2
#define cuMemAlloc cuMemAlloc_v2
#define cuMemFree cuMemFree_v2
#define cuMemcpyDtoH cuMemcpyDtoH_v2
#define cuMemcpyHtoD cuMemcpyHtoD_v2

#endif
