/*
 * sim.h
 *	  What the parts of the CUDA driver's stand-in share.
 *
 * One mutex guards everything below; the streams' threads let go of it while
 * they copy.  sim_enter() takes it, sim_leave() gives it back, and every call
 * of the driver is between the two.
 */
#ifndef GSTORE_CUDASIM_H
#define GSTORE_CUDASIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/driver.h"

#define DECLARE_CALL(symbol, name, version, parameters) \
	extern CUresult symbol parameters;
GSTORE_DRIVER_CALLS(DECLARE_CALL)
GSTORE_DRIVER_CLIENT_CALLS(DECLARE_CALL)
GSTORE_DRIVER_ENTRY(DECLARE_CALL)
#undef DECLARE_CALL

#define SIM_MAX_DEVICES 16
#define SIM_GRANULE ((uint64_t) 2 << 20)

/* A device and its primary context, which are one here. */
typedef struct CUctx_st
{
	int number;
	int retained;
	uint64_t total;
	uint64_t used;
	uint64_t next_address; /* addresses are never given twice */
	CUresult lost;		   /* sticky; CUDA_SUCCESS: alive */
} SimDevice;

/* An allocation, or one of another process that was opened. */
typedef struct SimMemory
{
	struct SimMemory *next;
	SimDevice *device;
	uint64_t address; /* what the program sees: no pointer */
	uint64_t bytes;
	char *mapping; /* where it really is */
	int fd;		   /* the memfd; -1: opened */
	ino_t inode;
	bool exported;
	int opened; /* times opened; 0: our own */
} SimMemory;

extern pthread_mutex_t sim_mutex;
extern SimDevice sim_devices[SIM_MAX_DEVICES];

/* Take the mutex, if the process may call the driver at all, its thread's
 * current context lives, and this call is not to fail; else the error.  device
 * may be NULL: no context is needed. */
extern CUresult sim_enter_call(const char *call, SimDevice **device);
#define sim_enter(device) sim_enter_call(__func__, device)
extern CUresult sim_leave(CUresult result);
/* The device is dead from now on. */
extern void sim_lose(SimDevice *device, CUresult result);
/* Somebody used the driver in a way that would be a bug of ours: say so. */
extern CUresult sim_misuse(CUresult result, const char *call,
						   const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- fault.c ---- */

typedef enum SimFault
{
	SIM_FAULT_INIT,			 /* cuInit returns this code */
	SIM_FAULT_CONTEXT,		 /* retaining a context returns this code */
	SIM_FAULT_REGISTER,		 /* page-locking returns this code */
	SIM_FAULT_ALLOC_OOM,	 /* the nth allocation: out of memory */
	SIM_FAULT_ALLOC_LOST,	 /* the nth allocation loses the device */
	SIM_FAULT_FREE_FAIL,	 /* the nth free is refused */
	SIM_FAULT_COPY_FAIL,	 /* the nth copy is refused */
	SIM_FAULT_COPY_LOST,	 /* the nth copy, under way, loses the device */
	SIM_FAULT_HOLD_COPY,	 /* the nth copy waits until the settings change */
	SIM_FAULT_EXPORT_REFUSE, /* exporting returns this code */
	SIM_FAULT_OPEN_REFUSE,	 /* opening a handle returns this code */
	SIM_FAULT_KERNEL_LOST,	 /* the nth kernel, under way, loses the device */
	SIM_FAULT_LOST,			 /* device n - 1 is lost now */
	SIM_FAULT_DELAY,		 /* up to so many microseconds per operation */
	SIM_FAULTS
} SimFault;

/* Read the settings again where they changed. */
extern void sim_fault_refresh(void);
/* The number set, or 0. */
extern int sim_fault_value(SimFault fault);
/* Grows whenever the settings are read again. */
extern uint64_t sim_fault_generation(void);
/* Count down; true when this is the nth time. */
extern bool sim_fault_strikes(SimFault fault);
/* What this call of the driver is to fail with; CUDA_SUCCESS: it is not. */
extern CUresult sim_fault_of_call(const char *call);

/* ---- memory.c ---- */

/* The memory that has all of [address, address + bytes); NULL if none. */
extern SimMemory *sim_memory_find(const SimDevice *device, uint64_t address,
								  uint64_t bytes);
/* Enter memory (malloc'ed) into the table, with an address of its own. */
extern void sim_memory_add(SimMemory *memory);
extern void sim_memory_remove(SimMemory *memory);
/* Walk the table: NULL is its beginning. */
extern SimMemory *sim_memory_next(const SimMemory *memory);
/* May the device copy from and to this host memory? */
extern bool sim_is_registered(const void *base, uint64_t bytes);

/* ---- kernel.c: modules, and kernels as they are queued ---- */

typedef void (*SimKernel)(uint64_t argument);

typedef struct SimLaunch
{
	SimDevice *device;
	SimKernel kernel;
	const char *name;
	uint64_t argument;
	uint32_t blocks;
	uint32_t threads;
	uint32_t shared_bytes;
} SimLaunch;

/* ---- lanes.c ---- */

/* Run a kernel to its end, on the calling thread, without the mutex; else what
 * the device died of. */
extern CUresult sim_run(const SimLaunch *launch);
/* A thread that ran kernels ends. */
extern void sim_lanes_forget(void);

/* ---- stream.c ---- */

/* Queue a kernel; ends the call. */
extern CUresult sim_enqueue_kernel(CUstream stream, const SimDevice *device,
								   const SimLaunch *launch);

/* Is a copy or fill queued that works on memory of this mapping? */
extern bool sim_is_worked_on(const char *mapping, uint64_t bytes);
/* Wait until all that was queued on the device before is done. */
extern void sim_drain(SimDevice *device);
/* The device is lost: forget what is queued. */
extern void sim_streams_stop(SimDevice *device);

#endif
