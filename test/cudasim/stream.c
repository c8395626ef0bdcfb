/*
 * stream.c
 *	  Streams: a thread each, so that what is queued on one is done in order and
 *	  later, and nothing is known of the order between two.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define MAX_STREAMS 256

typedef enum OperationKind
{
	COPY,
	FILL,
	CALL_HOST,
	KERNEL
} OperationKind;

typedef struct Operation
{
	struct Operation *next;
	OperationKind kind;
	uint64_t ticket; /* order of queueing, over all streams */
	char *to;
	const char *from;
	size_t bytes;
	unsigned char value;
	bool loses;		  /* the device, instead of copying */
	uint64_t held;	  /* as long as the settings are these; 0: it is not */
	const char *host; /* of to and from the one in host memory; NULL: neither */
	CUhostFn function;
	void *argument;
	SimLaunch launch;
} Operation;

typedef struct CUstream_st
{
	SimDevice *device;
	pthread_t thread;
	pthread_cond_t queued;
	Operation *first; /* the one under way, or next */
	Operation *last;
	bool working; /* first is under way */
	bool ending;
} SimStream;

static SimStream *streams[MAX_STREAMS];
static uint64_t next_ticket = 1;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;

/* ---- the threads ---- */

/* Returns what the device died of, if it did. */
static CUresult
do_operation(const Operation *operation, int delay)
{
	if (delay > 0)
	{
		struct timespec rest = {0, (rand() % delay + 1) * 1000L};

		while (rest.tv_nsec >= 1000000000L)
		{
			rest.tv_sec++;
			rest.tv_nsec -= 1000000000L;
		}
		nanosleep(&rest, NULL);
	}
	switch (operation->kind)
	{
		case COPY:
			if (!operation->loses)
				memmove(operation->to, operation->from, operation->bytes);
			break;
		case FILL:
			memset(operation->to, operation->value, operation->bytes);
			break;
		case CALL_HOST:
			operation->function(operation->argument);
			break;
		case KERNEL:
			if (!operation->loses)
				return sim_run(&operation->launch);
			break;
	}
	return operation->loses ? CUDA_ERROR_LAUNCH_FAILED : CUDA_SUCCESS;
}

/* Keep an operation under way for as long as a test wants it to be. */
static void
hold(const SimStream *stream, const Operation *operation)
{
	static const struct timespec moment = {0, 1000000};

	fprintf(stderr, "cudasim: a copy of %zu bytes is held\n", operation->bytes);
	while (operation->held == sim_fault_generation() &&
		   stream->device->lost == CUDA_SUCCESS)
	{
		pthread_mutex_unlock(&sim_mutex);
		nanosleep(&moment, NULL);
		pthread_mutex_lock(&sim_mutex);
		sim_fault_refresh();
	}
}

static void *
work(void *argument)
{
	SimStream *stream = argument;

	pthread_mutex_lock(&sim_mutex);
	while (!stream->ending || stream->first != NULL)
	{
		Operation *operation = stream->first;
		CUresult result;
		int delay;

		if (operation == NULL)
		{
			pthread_cond_wait(&stream->queued, &sim_mutex);
			continue;
		}

		/* After an error of the context, callbacks are not called. */
		if (stream->device->lost == CUDA_SUCCESS)
		{
			stream->working = true;
			if (operation->held != 0)
				hold(stream, operation);
			delay = sim_fault_value(SIM_FAULT_DELAY);
			pthread_mutex_unlock(&sim_mutex);
			result = do_operation(operation, delay);
			pthread_mutex_lock(&sim_mutex);
			stream->working = false;
			if (result != CUDA_SUCCESS)
				sim_lose(stream->device, result);
		}
		stream->first = operation->next;
		free(operation);
		pthread_cond_broadcast(&progress);
	}
	pthread_mutex_unlock(&sim_mutex);
	sim_lanes_forget();
	return NULL;
}

void
sim_streams_stop(SimDevice *device)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (streams[i] != NULL && streams[i]->device == device)
			pthread_cond_signal(&streams[i]->queued);
}

static bool
is_drained(const SimDevice *device, uint64_t ticket)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (streams[i] != NULL && streams[i]->device == device &&
			streams[i]->first != NULL && streams[i]->first->ticket < ticket)
			return false;
	return true;
}

void
sim_drain(SimDevice *device)
{
	uint64_t ticket = next_ticket;

	while (!is_drained(device, ticket))
		pthread_cond_wait(&progress, &sim_mutex);
}

/* ---- streams ---- */

/* The slot of a stream that is one of the device's; -1: it is none. */
static int
slot_of(const SimStream *stream, const SimDevice *device)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (streams[i] == stream && stream != NULL &&
			stream->device == device && !stream->ending)
			return i;
	return -1;
}

CUresult
cuStreamCreate(CUstream *stream, unsigned int flags)
{
	SimDevice *device;
	int slot = 0;
	CUresult result = sim_enter(&device);

	(void) flags;
	if (result != CUDA_SUCCESS)
		return result;
	while (slot < MAX_STREAMS && streams[slot] != NULL)
		slot++;
	if (slot == MAX_STREAMS ||
		(streams[slot] = calloc(1, sizeof(SimStream))) == NULL)
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);
	streams[slot]->device = device;
	pthread_cond_init(&streams[slot]->queued, NULL);
	if (pthread_create(&streams[slot]->thread, NULL, work, streams[slot]) != 0)
	{
		free(streams[slot]);
		streams[slot] = NULL;
		return sim_leave(CUDA_ERROR_OUT_OF_MEMORY);
	}
	*stream = streams[slot];
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuStreamDestroy_v2(CUstream stream)
{
	SimDevice *device;
	int slot;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	slot = slot_of(stream, device);
	if (slot < 0)
		return sim_leave(CUDA_ERROR_INVALID_HANDLE);

	/* What is queued is still done. */
	stream->ending = true;
	pthread_cond_signal(&stream->queued);
	pthread_mutex_unlock(&sim_mutex);
	pthread_join(stream->thread, NULL);
	pthread_mutex_lock(&sim_mutex);
	streams[slot] = NULL;
	pthread_cond_destroy(&stream->queued);
	free(stream);
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuStreamQuery(CUstream stream)
{
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (slot_of(stream, device) < 0)
		return sim_leave(sim_misuse(CUDA_ERROR_INVALID_HANDLE,
									"cuStreamQuery",
									"not a stream of this context"));
	return sim_leave(stream->first == NULL ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY);
}

/* ---- queueing ---- */

static bool
overlap(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	return a != NULL && b != NULL && a < b + b_bytes && b < a + a_bytes;
}

static bool
is_transfer(const Operation *operation)
{
	return operation->kind == COPY || operation->kind == FILL;
}

/*
 * What is queued on different streams may be done in any order: are the two
 * about the same bytes, and so the result left to chance?  Page-locked host
 * memory is a window that somebody owns: there even reading twice is.
 */
static bool
collide(const Operation *a, const Operation *b)
{
	return overlap(a->host, a->bytes, b->host, b->bytes) ||
		   overlap(a->to, a->bytes, b->to, b->bytes) ||
		   overlap(a->to, a->bytes, b->from, b->bytes) ||
		   overlap(a->from, a->bytes, b->to, b->bytes);
}

static bool
collides_with_others(const SimStream *stream, const Operation *wanted)
{
	for (int i = 0; i < MAX_STREAMS; i++)
	{
		if (streams[i] == NULL || streams[i] == stream)
			continue;
		for (Operation *other = streams[i]->first; other != NULL;
			 other = other->next)
			if (is_transfer(other) && collide(wanted, other))
				return true;
	}
	return false;
}

bool
sim_is_worked_on(const char *mapping, uint64_t bytes)
{
	const Operation all = {.kind = FILL, .to = (char *) mapping, .bytes = bytes};

	return collides_with_others(NULL, &all);
}

static CUresult
enqueue(SimStream *stream, const SimDevice *device, const char *call,
		const Operation *wanted)
{
	Operation *operation;

	if (slot_of(stream, device) < 0)
		return sim_misuse(CUDA_ERROR_INVALID_HANDLE, call,
						  "not a stream of this context");
	if (is_transfer(wanted) && stream->device->lost == CUDA_SUCCESS &&
		collides_with_others(stream, wanted))
		return sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
						  "%zu bytes are being copied on another stream",
						  wanted->bytes);
	operation = malloc(sizeof(*operation));
	if (operation == NULL)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*operation = *wanted;
	operation->ticket = next_ticket++;
	if (stream->first == NULL)
		stream->first = operation;
	else
		stream->last->next = operation;
	stream->last = operation;
	pthread_cond_signal(&stream->queued);
	return CUDA_SUCCESS;
}

/* Where bytes at a device's address are; NULL if they are not allocated. */
static char *
locate(const SimDevice *device, const char *call, CUdeviceptr address,
	   size_t bytes)
{
	SimMemory *memory = sim_memory_find(device, address, bytes);

	if (memory != NULL)
		return memory->mapping + (address - memory->address);
	(void) sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
					  "%zu bytes at %llx are not all allocated", bytes,
					  address);
	return NULL;
}

static bool
check_host(const char *call, const void *base, size_t bytes)
{
	if (sim_is_registered(base, bytes))
		return true;
	(void) sim_misuse(CUDA_ERROR_INVALID_VALUE, call,
					  "%zu bytes of host memory are not page-locked", bytes);
	return false;
}

/* Queue a copy, and on the way what goes wrong with it; ends the call. */
static CUresult
copy(CUstream stream, const SimDevice *device, const char *call, char *to,
	 const char *from, const char *host, size_t bytes)
{
	Operation operation = {.kind = COPY, .to = to, .from = from, .host = host, .bytes = bytes};

	if (to == NULL || from == NULL ||
		sim_fault_strikes(SIM_FAULT_COPY_FAIL))
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	operation.loses = sim_fault_strikes(SIM_FAULT_COPY_LOST);
	if (sim_fault_strikes(SIM_FAULT_HOLD_COPY))
		operation.held = sim_fault_generation();
	return sim_leave(enqueue(stream, device, call, &operation));
}

CUresult
cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
					 CUstream stream)
{
	static const char call[] = "cuMemcpyHtoDAsync";
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	return copy(stream, device, call, locate(device, call, to, bytes),
				check_host(call, from, bytes) ? from : NULL, from, bytes);
}

CUresult
cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes,
					 CUstream stream)
{
	static const char call[] = "cuMemcpyDtoHAsync";
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	return copy(stream, device, call,
				check_host(call, to, bytes) ? to : NULL,
				locate(device, call, from, bytes), to, bytes);
}

CUresult
cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
					 CUstream stream)
{
	static const char call[] = "cuMemcpyDtoDAsync";
	SimDevice *device;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	return copy(stream, device, call, locate(device, call, to, bytes),
				locate(device, call, from, bytes), NULL, bytes);
}

CUresult
cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes,
				CUstream stream)
{
	static const char call[] = "cuMemsetD8Async";
	SimDevice *device;
	Operation operation = {.kind = FILL, .bytes = bytes, .value = value};
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	operation.to = locate(device, call, to, bytes);
	if (operation.to == NULL)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	return sim_leave(enqueue(stream, device, call, &operation));
}

CUresult
cuLaunchHostFunc(CUstream stream, CUhostFn function, void *argument)
{
	SimDevice *device;
	Operation operation = {.kind = CALL_HOST, .function = function, .argument = argument};
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	if (function == NULL)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	return sim_leave(enqueue(stream, device, "cuLaunchHostFunc", &operation));
}

CUresult
sim_enqueue_kernel(CUstream stream, const SimDevice *device,
				   const SimLaunch *launch)
{
	Operation operation = {.kind = KERNEL, .launch = *launch};

	operation.loses = sim_fault_strikes(SIM_FAULT_KERNEL_LOST);
	return sim_leave(enqueue(stream, device, "cuLaunchKernel", &operation));
}

/* ---- copies that are waited for, of any host memory: for clients ---- */

CUresult
cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
	SimDevice *device;
	char *target;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	target = locate(device, "cuMemcpyHtoD", to, bytes);
	if (target == NULL)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	sim_drain(device);
	memcpy(target, from, bytes);
	return sim_leave(CUDA_SUCCESS);
}

CUresult
cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
	SimDevice *device;
	const char *source;
	CUresult result = sim_enter(&device);

	if (result != CUDA_SUCCESS)
		return result;
	source = locate(device, "cuMemcpyDtoH", from, bytes);
	if (source == NULL)
		return sim_leave(CUDA_ERROR_INVALID_VALUE);
	sim_drain(device);
	memcpy(to, source, bytes);
	return sim_leave(CUDA_SUCCESS);
}
