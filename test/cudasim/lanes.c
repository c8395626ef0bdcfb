/*
 * lanes.c
 *	  Kernels on a CPU: what cuda/simt.h asks of a machine.
 *
 * Blocks run one after the other on the stream's thread.  Each lane of a block
 * is a fiber that runs until it comes to a barrier; then it is another one's
 * turn, in an order that is forward, backward, odd first, from block to block,
 * so that a missing barrier shows.  What not all lanes of a warp or block reach
 * would hang or misbehave on a GPU: here it ends the kernel, as leaving an
 * allocation does.
 *
 * A vote is two barriers: everybody has voted, everybody has counted.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "sim.h"
#include "simt.h"

#define STACK_BYTES ((size_t) 64 * 1024)
#define PLACES 8

typedef enum LaneState
{
	READY,
	AT_WARP,
	AT_BLOCK,
	DONE
} LaneState;

typedef struct Lane
{
	LaneState state;
	bool started;
	bool vote;
	ucontext_t beginning;
	jmp_buf place; /* where it goes on, once started */
} Lane;

/* Where an address was found before: an allocation stays while kernels run. */
typedef struct Place
{
	uint64_t address;
	uint64_t bytes;
	char *mapping;
} Place;

typedef struct Machine
{
	const SimLaunch *launch;
	Lane *lanes;
	char *stacks;
	char *shared;	  /* ends where a page begins that nobody may touch */
	char *shared_map; /* all of it */
	size_t shared_map_bytes;
	uint32_t block;
	uint32_t lane; /* the one that runs */
	jmp_buf scheduler;
	CUresult failure;
	Place places[PLACES];
	uint32_t next_place;
} Machine;

static __thread Machine *machine;

/* ---- fibers ---- */

/* Neither call saves the signal mask: there are thousands of them. */
static void
yield(LaneState state)
{
	Lane *lane = &machine->lanes[machine->lane];

	lane->state = state;
	if (_setjmp(lane->place) == 0)
		_longjmp(machine->scheduler, 1);
}

static void
fiber(void)
{
	machine->launch->kernel(machine->launch->argument);
	machine->lanes[machine->lane].state = DONE;
	_longjmp(machine->scheduler, 1);
}

/* Let a lane run to its next barrier, or its end. */
static void
resume(uint32_t number)
{
	Lane *lane = &machine->lanes[number];

	machine->lane = number;
	if (_setjmp(machine->scheduler) != 0)
		return;
	if (lane->started)
		_longjmp(lane->place, 1);
	lane->started = true;
	getcontext(&lane->beginning);
	lane->beginning.uc_stack.ss_sp = machine->stacks + number * STACK_BYTES;
	lane->beginning.uc_stack.ss_size = STACK_BYTES;
	lane->beginning.uc_link = NULL;
	makecontext(&lane->beginning, fiber, 0);
	setcontext(&lane->beginning);
}

/* The kernel is over; does not return to its lane. */
static void
end_kernel(CUresult failure)
{
	machine->failure = failure;
	machine->lanes[machine->lane].state = DONE;
	_longjmp(machine->scheduler, 1);
}

/* ---- a block ---- */

/* Lanes [from, to) go on if all of them wait at this kind of barrier. */
static bool
pass_barrier(uint32_t from, uint32_t to, LaneState state)
{
	for (uint32_t i = from; i < to; i++)
		if (machine->lanes[i].state != state)
			return false;
	for (uint32_t i = from; i < to; i++)
		machine->lanes[i].state = READY;
	return true;
}

static uint32_t
in_order(uint32_t turn)
{
	uint32_t threads = machine->launch->threads;

	switch (machine->block % 3)
	{
		case 1:
			return threads - 1 - turn;
		case 2:
			return turn < threads / 2 ? 2 * turn + 1 : 2 * (turn - threads / 2);
		default:
			return turn;
	}
}

static void
run_block(void)
{
	uint32_t threads = machine->launch->threads;
	bool ran = true;

	memset(machine->lanes, 0, threads * sizeof(Lane));
	memset(machine->shared, 0xa5, machine->launch->shared_bytes);
	while (ran)
	{
		ran = false;
		for (uint32_t i = 0; i < threads; i++)
		{
			uint32_t number = in_order(i);

			if (machine->lanes[number].state != READY)
				continue;
			resume(number);
			ran = true;
			if (machine->failure != CUDA_SUCCESS)
				return;
		}
		for (uint32_t warp = 0; warp < threads; warp += GSTORE_WARP)
			ran |= pass_barrier(warp, warp + GSTORE_WARP, AT_WARP);
		ran |= pass_barrier(0, threads, AT_BLOCK);
	}
	for (uint32_t i = 0; i < threads; i++)
		if (machine->lanes[i].state != DONE)
		{
			fprintf(stderr,
					"cudasim: %s refused: block %u, lane %u waits at a barrier that others do not reach\n",
					machine->launch->name, machine->block, i);
			machine->failure = CUDA_ERROR_LAUNCH_FAILED;
			return;
		}
}

/* ---- a kernel ---- */

static bool
make_memory(Machine *made, const SimLaunch *launch)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t shared = (launch->shared_bytes + 15) / 16 * 16;
	size_t room = (shared + page - 1) / page * page;

	made->shared_map_bytes = room + page;
	made->shared_map = mmap(NULL, made->shared_map_bytes,
							PROT_READ | PROT_WRITE,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	made->stacks = mmap(NULL, launch->threads * STACK_BYTES,
						PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
						-1, 0);
	made->lanes = calloc(launch->threads, sizeof(Lane));
	if (made->shared_map == MAP_FAILED || made->stacks == MAP_FAILED ||
		made->lanes == NULL)
		return false;
	made->shared = made->shared_map + room - shared;
	return mprotect(made->shared_map + room, page, PROT_NONE) == 0;
}

static void
free_memory(Machine *made, const SimLaunch *launch)
{
	if (made->shared_map != NULL && made->shared_map != MAP_FAILED)
		munmap(made->shared_map, made->shared_map_bytes);
	if (made->stacks != NULL && made->stacks != MAP_FAILED)
		munmap(made->stacks, launch->threads * STACK_BYTES);
	free(made->lanes);
}

CUresult
sim_run(const SimLaunch *launch)
{
	Machine *made = calloc(1, sizeof(*made));
	CUresult failure = CUDA_ERROR_LAUNCH_FAILED;

	if (made != NULL && make_memory(made, launch))
	{
		machine = made;
		made->launch = launch;
		made->failure = CUDA_SUCCESS;
		for (uint32_t i = 0;
			 i < launch->blocks && made->failure == CUDA_SUCCESS; i++)
		{
			made->block = i;
			run_block();
		}
		failure = made->failure;
		machine = NULL;
	}
	if (made != NULL)
		free_memory(made, launch);
	free(made);
	return failure;
}

/* ---- what simt.h asks for ---- */

uint32
gstore_thread(void)
{
	return machine->lane;
}

uint32
gstore_block(void)
{
	return machine->block;
}

uint32
gstore_threads(void)
{
	return machine->launch->threads;
}

uint32
gstore_blocks(void)
{
	return machine->launch->blocks;
}

void
gstore_sync_block(void)
{
	yield(AT_BLOCK);
}

void
gstore_sync_warp(void)
{
	yield(AT_WARP);
}

bool
gstore_warp_any(bool vote)
{
	uint32_t first = machine->lane / GSTORE_WARP * GSTORE_WARP;
	bool any = false;

	machine->lanes[machine->lane].vote = vote;
	yield(AT_WARP);
	for (uint32_t i = first; i < first + GSTORE_WARP; i++)
		any |= machine->lanes[i].vote;
	yield(AT_WARP);
	return any;
}

uint8 *
gstore_shared(void)
{
	return (uint8 *) machine->shared;
}

void *
gstore_global(uint64 address, uint64 bytes)
{
	SimMemory *memory;
	Place *place;

	for (uint32_t i = 0; i < PLACES; i++)
	{
		place = &machine->places[i];
		if (address >= place->address && bytes <= place->bytes &&
			address - place->address <= place->bytes - bytes)
			return place->mapping + (address - place->address);
	}
	place = &machine->places[machine->next_place++ % PLACES];
	memset(place, 0, sizeof(*place));
	pthread_mutex_lock(&sim_mutex);
	memory = sim_memory_find(machine->launch->device, address, bytes);
	if (memory != NULL)
	{
		place->address = memory->address;
		place->bytes = memory->bytes;
		place->mapping = memory->mapping;
	}
	pthread_mutex_unlock(&sim_mutex);
	if (memory == NULL)
	{
		fprintf(stderr,
				"cudasim: %s refused: %llu bytes at %llx are not all allocated\n",
				machine->launch->name, (unsigned long long) bytes,
				(unsigned long long) address);
		end_kernel(CUDA_ERROR_ILLEGAL_ADDRESS);
	}
	return place->mapping + (address - place->address);
}
