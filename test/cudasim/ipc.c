/*
 * ipc.c
 *	  Memory of one process in another: a handle names the process, and the
 *	  descriptor of the memfd there.
 *
 * A handle that was not made here, or whose memory is gone, is refused, never
 * believed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

#define MAGIC "cudasim1"

typedef struct Handle
{
	char magic[8];
	int32_t pid;
	int32_t fd;
	uint64_t inode;
	uint64_t bytes;
	int32_t device;
	int32_t zero[6];
	uint32_t checksum; /* of all before it */
} Handle;

StaticAssertDecl(sizeof(Handle) == sizeof(CUipcMemHandle),
				 "a handle is as long as the driver's");

static uint32_t
checksum(const Handle *handle)
{
	const unsigned char *bytes = (const unsigned char *) handle;
	uint32_t sum = 2166136261u;

	for (size_t i = 0; i < offsetof(Handle, checksum); i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

CUresult
cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
	SimDevice *device;
	SimMemory *memory;
	Handle made;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (sim_fault_value(SIM_FAULT_EXPORT_REFUSE) != 0)
		return sim_leave(sim_fault_value(SIM_FAULT_EXPORT_REFUSE));
	memory = sim_memory_find(device, address, 1);
	if (memory == NULL || memory->opened > 0)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	memset(&made, 0, sizeof(made));
	memcpy(made.magic, MAGIC, sizeof(made.magic));
	made.pid = getpid();
	made.fd = memory->fd;
	made.inode = memory->inode;
	made.bytes = memory->bytes;
	made.device = device->number;
	made.checksum = checksum(&made);
	memset(handle, 0, sizeof(*handle));
	memcpy(handle, &made, sizeof(made));
	memory->exported = true;
	return sim_leave(CUDA_SUCCESS);
}

/* Map what the handle names; NULL if that is not there. */
static char *
map_foreign(const Handle *handle)
{
	char path[64];
	char *mapping = MAP_FAILED;
	struct stat status;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", handle->pid, handle->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0 && status.st_ino == handle->inode &&
		(uint64_t) status.st_size == handle->bytes)
		mapping = mmap(NULL, handle->bytes, PROT_READ | PROT_WRITE,
					   MAP_SHARED, fd, 0);
	close(fd);
	return mapping == MAP_FAILED ? NULL : mapping;
}

CUresult
cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle,
					  unsigned int flags)
{
	SimDevice *device;
	SimMemory *memory = NULL;
	Handle wanted;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	memcpy(&wanted, &handle, sizeof(wanted));
	if (flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	if (sim_fault_value(SIM_FAULT_OPEN_REFUSE) != 0)
		return sim_leave(sim_fault_value(SIM_FAULT_OPEN_REFUSE));
	if (memcmp(wanted.magic, MAGIC, sizeof(wanted.magic)) != 0 ||
		wanted.checksum != checksum(&wanted) ||
		wanted.device != device->number)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);

	/* The driver opens nothing of its own process. */
	if (wanted.pid == getpid())
		return sim_leave(CUDA_ERROR_INVALID_CONTEXT);

	/* Opened once more, it is counted. */
	while ((memory = sim_memory_next(memory)) != NULL)
		if (memory->opened > 0 && memory->device == device &&
			memory->inode == (ino_t) wanted.inode)
		{
			memory->opened++;
			*address = memory->address;
			return sim_leave(CUDA_SUCCESS);
		}

	memory = calloc(1, sizeof(*memory));
	if (memory == NULL)
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);
	memory->mapping = map_foreign(&wanted);
	if (memory->mapping == NULL)
	{
		free(memory);
		return sim_leave(CUDA_ERROR_INVALID_HANDLE);
	}
	memory->device = device;
	memory->bytes = wanted.bytes;
	memory->fd = -1;
	memory->inode = (ino_t) wanted.inode;
	memory->opened = 1;
	sim_memory_add(memory);
	*address = memory->address;
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuIpcCloseMemHandle(CUdeviceptr address)
{
	SimDevice *device;
	SimMemory *memory;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	memory = sim_memory_find(device, address, 1);
	if (memory == NULL || memory->address != address || memory->opened == 0)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	if (--memory->opened > 0)
		return sim_leave(CUDA_SUCCESS);
	sim_memory_remove(memory);
	sim_drain(device);
	munmap(memory->mapping, memory->bytes);
	free(memory);
	return sim_leave(CUDA_SUCCESS);
}
