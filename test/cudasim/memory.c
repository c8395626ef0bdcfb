/*
 * memory.c
 *	  Device memory: a memfd for each allocation, so that another process can
 *	  map it; and page-locked host memory.
 *
 * The addresses given out are numbers that no program could use as pointers,
 * and none is given out twice: what was freed is never found again.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

/* So much of new memory is filled with garbage, at both ends. */
#define GARBAGE ((uint64_t) 64 << 10)

typedef struct Registered
{
	struct Registered *next;
	char *base;
	uint64_t bytes;
} Registered;

static SimMemory *memories;
static Registered *registered;

/* ---- the table ---- */

SimMemory *
sim_memory_next(const SimMemory *memory)
{
	return memory == NULL ? memories : memory->next;
}

SimMemory *
sim_memory_find(const SimDevice *device, uint64_t address, uint64_t bytes)
{
	for (SimMemory *memory = memories; memory != NULL; memory = memory->next)
		if (memory->device == device && address >= memory->address &&
			address - memory->address <= memory->bytes &&
			bytes <= memory->bytes - (address - memory->address))
			return memory;
	return NULL;
}

void
sim_memory_add(SimMemory *memory)
{
	memory->address = memory->device->next_address;

	/* A gap, so that what runs over is noticed. */
	memory->device->next_address += memory->bytes + SIM_GRANULE;
	memory->next = memories;
	memories = memory;
}

void
sim_memory_remove(SimMemory *memory)
{
	SimMemory **link = &memories;

	while (*link != memory)
		link = &(*link)->next;
	*link = memory->next;
}

/* ---- allocations ---- */

/* Map a memfd of so many bytes into memory; false when the system has none. */
static bool
map_new(SimMemory *memory)
{
	struct stat status;

	memory->fd = memfd_create("cudasim", MFD_CLOEXEC);
	if (memory->fd < 0)
		return false;
	if (ftruncate(memory->fd, (off_t) memory->bytes) != 0 ||
		fstat(memory->fd, &status) != 0)
	{
		close(memory->fd);
		return false;
	}
	memory->inode = status.st_ino;
	memory->mapping = mmap(NULL, memory->bytes, PROT_READ | PROT_WRITE,
						   MAP_SHARED, memory->fd, 0);
	if (memory->mapping == MAP_FAILED)
	{
		close(memory->fd);
		return false;
	}
	memset(memory->mapping, 0xa5, GARBAGE);
	memset(memory->mapping + memory->bytes - GARBAGE, 0xa5, GARBAGE);
	return true;
}

CUresult
cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
	SimDevice *device;
	SimMemory *memory;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (bytes == 0 || bytes % SIM_GRANULE != 0)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, "cuMemAlloc",
									"%zu bytes are no multiple of 2 MiB",
									bytes));
	if (sim_fault_strikes(SIM_FAULT_ALLOC_LOST))
	{
		sim_lose(device, CUDA_ERROR_ECC_UNCORRECTABLE);
		return sim_leave(device->lost);
	}
	if (sim_fault_strikes(SIM_FAULT_ALLOC_OOM) ||
		bytes > device->total - device->used)
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);

	memory = calloc(1, sizeof(*memory));
	if (memory != NULL)
	{
		memory->device = device;
		memory->bytes = bytes;
	}
	if (memory == NULL || !map_new(memory))
	{
		free(memory);
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	device->used += bytes;
	sim_memory_add(memory);
	*address = memory->address;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuMemFree_v2(CUdeviceptr address)
{
	SimDevice *device;
	SimMemory *memory;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	memory = sim_memory_find(device, address, 0);
	if (memory == NULL || memory->address != address || memory->opened > 0)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, "cuMemFree",
									"nothing was allocated at %llx", address));
	if (sim_fault_strikes(SIM_FAULT_FREE_FAIL))
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	/* The driver would wait, and whoever frees with it. */
	if (device->lost == CUDA_SUCCESS &&
		sim_is_worked_on(memory->mapping, memory->bytes))
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE, "cuMemFree",
									"%llx is still being copied", address));

	/* As the driver does: nobody can use it any more, and what is under way
	 * comes to its end. */
	sim_memory_remove(memory);
	sim_drain(device);

	/* Who still maps it is to see that it should not. */
	if (memory->exported)
		memset(memory->mapping, 0xdb, memory->bytes);
	munmap(memory->mapping, memory->bytes);
	close(memory->fd);
	device->used -= memory->bytes;
	free(memory);
	return sim_leave(device->lost);
}

CUresult
cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	*free_bytes = device->total - device->used;
	*total_bytes = device->total;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes,
						CUdeviceptr address)
{
	SimDevice *device;
	SimMemory *memory;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	memory = sim_memory_find(device, address, 1);
	if (memory == NULL)
		return sim_leave(CUDA_ERROR_NOT_FOUND);
	*base = memory->address;
	*bytes = memory->bytes;
	return sim_leave(CUDA_SUCCESS);
}

/* ---- page-locked host memory ---- */

bool
sim_is_registered(const void *base, uint64_t bytes)
{
	const char *start = base;

	for (Registered *one = registered; one != NULL; one = one->next)
		if (start >= one->base && start <= one->base + one->bytes &&
			bytes <= (uint64_t) (one->base + one->bytes - start))
			return true;
	return false;
}

CUresult
cuMemHostRegister_v2(void *base, size_t bytes, unsigned int flags)
{
	SimDevice *device;
	Registered *one;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (sim_fault_value(SIM_FAULT_REGISTER) != 0)
		return sim_leave(sim_fault_value(SIM_FAULT_REGISTER));
	if (base == NULL || bytes == 0)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);

	/* Without it, other devices than the current would copy at half speed. */
	if ((flags & CU_MEMHOSTREGISTER_PORTABLE) == 0)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_VALUE,
									"cuMemHostRegister", "not portable"));
	for (one = registered; one != NULL; one = one->next)
		if ((char *) base < one->base + one->bytes &&
			(char *) base + bytes > one->base)
			return sim_leave(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	one = malloc(sizeof(*one));
	if (one == NULL)
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);
	one->base = base;
	one->bytes = bytes;
	one->next = registered;
	registered = one;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuMemHostUnregister(void *base)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	for (Registered **link = &registered; *link != NULL;
		 link = &(*link)->next)
	{
		Registered *one = *link;

		if (one->base != base)
			continue;
		*link = one->next;
		free(one);
		return sim_leave(CUDA_SUCCESS);
	}
	return sim_leave(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}
