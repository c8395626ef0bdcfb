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
 * A vote is two barriers: everybody has voted, everybody has counted.  Before
 * some of the atomic operations, too, it is another lane's turn: what a lane does
 * between two of them others may see half done, as on a GPU.
 */
#define _GNU_SOURCE
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
	uint32_t vote; /* what it gave the others */
	ucontext_t beginning;
	void *place[5]; /* where it goes on, once started */
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
	uint32_t threads;
	Lane *lanes; /* [threads] */
	char *stacks;
	char *shared;	  /* ends where a page begins that nobody may touch */
	char *shared_map; /* all of it */
	size_t shared_map_bytes;
	uint32_t block;
	uint32_t lane;	  /* the one that runs */
	uint32_t atomics; /* operations so far */
	void *scheduler[5];
	CUresult failure;
	Place places[PLACES];
	uint32_t next_place;
} Machine;

/* Of this thread, kept from kernel to kernel: fibers are costly to make. */
static __thread Machine *machine;

/* ---- fibers ---- */

/*
 * The compiler's own jumps, which are a few instructions: there are thousands of
 * them, and a sanitizer that the program is built with must not think that a
 * stack ends: it would look through all that is between that and the thread's.
 * Who jumps must not be who can be jumped to.
 */
#define JUMPS __attribute__((noinline, no_sanitize_address))

static void JUMPS __attribute__((noreturn))
jump(void **place)
{
	__builtin_longjmp(place, 1);
}

static void JUMPS
yield(LaneState state)
{
	Lane *lane = &machine->lanes[machine->lane];

	lane->state = state;
	if (__builtin_setjmp(lane->place) == 0)
		jump(machine->scheduler);
}

/* Block after block, kernel after kernel. */
static void
fiber(void)
{
	for (;;)
	{
		machine->launch->kernel(machine->launch->argument);
		yield(DONE);
	}
}

/* Let a lane run to its next barrier, or its end. */
static void JUMPS
resume(uint32_t number)
{
	Lane *lane = &machine->lanes[number];

	machine->lane = number;
	if (__builtin_setjmp(machine->scheduler) != 0)
		return;
	if (lane->started)
		jump(lane->place);
	lane->started = true;
	getcontext(&lane->beginning);
	lane->beginning.uc_stack.ss_sp = machine->stacks + number * STACK_BYTES;
	lane->beginning.uc_stack.ss_size = STACK_BYTES;
	lane->beginning.uc_link = NULL;
	makecontext(&lane->beginning, fiber, 0);
	setcontext(&lane->beginning);
}

/* The kernel is over; does not return to its lane. */
static void JUMPS
end_kernel(CUresult failure)
{
	machine->failure = failure;
	machine->lanes[machine->lane].state = DONE;
	jump(machine->scheduler);
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

	for (uint32_t i = 0; i < threads; i++)
		machine->lanes[i].state = READY;
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

/* Shared memory, and before the first kernel fibers. */
static bool
make_memory(Machine *made, const SimLaunch *launch)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t shared = (launch->shared_bytes + 15) / 16 * 16;
	size_t room = (shared + page - 1) / page * page;

	if (made->lanes == NULL)
	{
		made->threads = launch->threads;
		made->stacks = mmap(NULL, launch->threads * STACK_BYTES,
							PROT_READ | PROT_WRITE,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		made->lanes = calloc(launch->threads, sizeof(Lane));
	}
	made->shared_map_bytes = room + page;
	made->shared_map = mmap(NULL, made->shared_map_bytes,
							PROT_READ | PROT_WRITE,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (made->shared_map == MAP_FAILED || made->stacks == MAP_FAILED ||
		made->lanes == NULL)
		return false;
	made->shared = made->shared_map + room - shared;
	return mprotect(made->shared_map + room, page, PROT_NONE) == 0;
}

void
sim_lanes_forget(void)
{
	if (machine == NULL)
		return;
	if (machine->stacks != NULL && machine->stacks != MAP_FAILED)
		munmap(machine->stacks, machine->threads * STACK_BYTES);
	free(machine->lanes);
	free(machine);
	machine = NULL;
}

CUresult
sim_run(const SimLaunch *launch)
{
	CUresult failure = CUDA_ERROR_LAUNCH_FAILED;

	if (machine != NULL && machine->threads != launch->threads)
		sim_lanes_forget();
	if (machine == NULL)
		machine = calloc(1, sizeof(*machine));
	if (machine == NULL)
		return failure;
	machine->shared_map = NULL;
	if (make_memory(machine, launch))
	{
		machine->launch = launch;
		machine->failure = CUDA_SUCCESS;
		memset(machine->places, 0, sizeof(machine->places));
		for (uint32_t i = 0;
			 i < launch->blocks && machine->failure == CUDA_SUCCESS; i++)
		{
			machine->block = i;
			run_block();
		}
		failure = machine->failure;
	}
	if (machine->shared_map != NULL && machine->shared_map != MAP_FAILED)
		munmap(machine->shared_map, machine->shared_map_bytes);

	/* lanes that did not come to their end are of no use any more */
	if (failure != CUDA_SUCCESS)
		sim_lanes_forget();
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

/* What each lane of the warp gave is there between the two barriers. */
static uint32_t
exchange(uint32_t vote)
{
	machine->lanes[machine->lane].vote = vote;
	yield(AT_WARP);
	return machine->lane / GSTORE_WARP * GSTORE_WARP;
}

uint32
gstore_warp_ballot(bool vote)
{
	uint32_t first = exchange(vote);
	uint32 ballot = 0;

	for (uint32_t i = 0; i < GSTORE_WARP; i++)
		ballot |= (uint32) machine->lanes[first + i].vote << i;
	yield(AT_WARP);
	return ballot;
}

bool
gstore_warp_any(bool vote)
{
	return gstore_warp_ballot(vote) != 0;
}

uint32
gstore_warp_take(uint32 value, uint32 lane)
{
	uint32_t first = exchange(value);
	uint32 taken = machine->lanes[first + lane % GSTORE_WARP].vote;

	yield(AT_WARP);
	return taken;
}

/* ---- memory that lanes share ---- */

/* One atomic operation in so many lets others go first. */
#define YIELD_EVERY 5

static uint64 *
take_turns(uint64 *word)
{
	if (machine->atomics++ % YIELD_EVERY == 0)
		yield(READY);
	return word;
}

void
gstore_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
gstore_pause(void)
{
	yield(READY);
}

uint64
gstore_read_word(const uint64 *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

uint64
gstore_atomic_add(uint64 *word, uint64 value)
{
	return __atomic_fetch_add(take_turns(word), value, __ATOMIC_SEQ_CST);
}

uint64
gstore_atomic_exchange(uint64 *word, uint64 value)
{
	return __atomic_exchange_n(take_turns(word), value, __ATOMIC_SEQ_CST);
}

uint64
gstore_atomic_replace(uint64 *word, uint64 old, uint64 value)
{
	(void) __atomic_compare_exchange_n(take_turns(word), &old, value, false,
									   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

/* The blocks of a launch run on one thread, and no two launches work on one
 * word. */
#define ATOMICALLY(type, expression) \
	do \
	{ \
		type before; \
		type after; \
\
		memcpy(&before, take_turns(word), sizeof(before)); \
		after = (expression); \
		memcpy(word, &after, sizeof(after)); \
	} while (0)

void
gstore_atomic_add_real(uint64 *word, double value)
{
	ATOMICALLY(double, before + value);
}

void
gstore_atomic_least(uint64 *word, int64 value)
{
	ATOMICALLY(int64, Min(before, value));
}

void
gstore_atomic_greatest(uint64 *word, int64 value)
{
	ATOMICALLY(int64, Max(before, value));
}

void
gstore_atomic_and(uint64 *word, uint64 value)
{
	(void) __atomic_fetch_and(take_turns(word), value, __ATOMIC_SEQ_CST);
}

void
gstore_atomic_or(uint64 *word, uint64 value)
{
	(void) __atomic_fetch_or(take_turns(word), value, __ATOMIC_SEQ_CST);
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

uint64
gstore_address(const void *pointer)
{
	const char *at = pointer;

	for (uint32_t i = 0; i < PLACES; i++)
	{
		const Place *place = &machine->places[i];

		if (place->bytes > 0 && at >= place->mapping &&
			at <= place->mapping + place->bytes)
			return place->address + (uint64) (at - place->mapping);
	}
	fprintf(stderr, "cudasim: %s refused: %p is nowhere on the device\n",
			machine->launch->name, pointer);
	end_kernel(CUDA_ERROR_ILLEGAL_ADDRESS);
	return 0;
}

/*
 * An address that is no multiple of its type's size: a CPU takes it, a GPU does
 * not.  The kernels are compiled with -fsanitize=alignment, which calls this.
 */
extern void __ubsan_handle_type_mismatch_v1(void *place, void *address)
	__attribute__((visibility("hidden")));

void
__ubsan_handle_type_mismatch_v1(void *place, void *address)
{
	const struct
	{
		const char *file;
		uint32_t line;
		uint32_t column;
	} *where = place;

	fprintf(stderr, "cudasim: %s refused: %p, at %s:%u, is not aligned\n",
			machine->launch->name, address, where->file, where->line);
	end_kernel(CUDA_ERROR_MISALIGNED_ADDRESS);
}
