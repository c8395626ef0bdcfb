/*
 * kernel.c
 *	  Modules, functions and launches.  Whatever image a program loads, the
 *	  kernels are those that were compiled into the stand-in: kernels.c.
 */
#include <string.h>

#include "kernel.h"
#include "sim.h"

#define DECLARE_KERNEL(NAME, symbol) extern void symbol(uint64_t argument);
GSTORE_KERNELS(DECLARE_KERNEL)
#undef DECLARE_KERNEL

/* What a block may have without asking for more. */
#define MAX_SHARED (48 * 1024)

/* What a GPU of compute capability 7.5 has for all its blocks at a time. */
#define SHARED_OF_MULTIPROCESSOR (64 * 1024)
#define THREADS_OF_MULTIPROCESSOR 1024

struct CUfunc_st
{
	const char *name;
	SimKernel kernel;
};

static struct CUfunc_st functions[] = {
#define LIST_KERNEL(NAME, symbol) {#symbol, symbol},
	GSTORE_KERNELS(LIST_KERNEL)
#undef LIST_KERNEL
};

/* One of each device's. */
struct CUmod_st
{
	SimDevice *device;
};

static struct CUmod_st modules[SIM_MAX_DEVICES];

CUresult
cuModuleLoadData(CUmodule *module, const void *image)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (image == NULL)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	*module = &modules[device->number];
	(*module)->device = device;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (module == NULL || module->device != device)
		return sim_leave(CUDA_ERROR_INVALID_HANDLE);
	for (size_t i = 0; i < lengthof(functions); i++)
		if (strcmp(functions[i].name, name) == 0)
		{
			*function = &functions[i];
			return sim_leave(CUDA_SUCCESS);
		}
	return sim_leave(CUDA_ERROR_NOT_FOUND);
}

static bool
is_function(CUfunction function)
{
	return function >= functions &&
		   function < functions + lengthof(functions);
}

CUresult
cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function,
											int threads, size_t shared)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (!is_function(function) || threads <= 0)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	*blocks = THREADS_OF_MULTIPROCESSOR / threads;
	if (shared > MAX_SHARED)
		*blocks = 0;
	else if (shared > 0)
		*blocks = (int) Min((size_t) *blocks,
							SHARED_OF_MULTIPROCESSOR / shared);
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuLaunchKernel(CUfunction function, unsigned int blocks_x,
			   unsigned int blocks_y, unsigned int blocks_z,
			   unsigned int threads_x, unsigned int threads_y,
			   unsigned int threads_z, unsigned int shared, CUstream stream,
			   void **parameters, void **extra)
{
	static const char call[] = "cuLaunchKernel";
	SimDevice *device;
	SimLaunch launch = {0};
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (!is_function(function) || parameters == NULL || extra != NULL)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
									"no kernel, or not its parameters"));
	if (blocks_x == 0 || blocks_y != 1 || blocks_z != 1 || threads_x == 0 ||
		threads_x % 32 != 0 || threads_x > 1024 || threads_y != 1 ||
		threads_z != 1)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
									"not blocks of one dimension and whole warps"));
	if (shared > MAX_SHARED)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
									"%u bytes of shared memory", shared));
	launch.device = device;
	launch.kernel = function->kernel;
	launch.name = function->name;
	/* as the driver does: the value is taken now */
	memcpy(&launch.argument, parameters[0], sizeof(launch.argument));
	launch.blocks = blocks_x;
	launch.threads = threads_x;
	launch.shared_bytes = shared;
	return sim_enqueue_kernel(stream, device, &launch);
}
