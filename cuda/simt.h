/*
 * simt.h
 *	  What kernels need of the machine that runs them: who a lane is, barriers,
 *	  votes, shared memory, and addresses of device memory made pointers.
 *
 * There are two machines: a GPU, by nvcc, and the driver's stand-in
 * (test/cudasim/lanes.c), which compiles the same kernels as C and runs each
 * lane as a fiber.  So kernels are in the language that C and C++ share, and
 * reach all of this through the functions here, never by CUDA's own names.
 *
 * Blocks have one dimension and whole warps.  Barriers and votes are reached by
 * every lane of the warp or block: a lane with nothing to do goes along.
 * gstore_global says how many bytes from an address on are used: the stand-in
 * ends a kernel that leaves its memory.
 */
#ifndef GSTORE_SIMT_H
#define GSTORE_SIMT_H

#include "kernel.h"

#ifdef __CUDACC__

#define GSTORE_KERNEL extern "C" __global__ void
#define GSTORE_LANE_FUNC static __device__ __forceinline__

GSTORE_LANE_FUNC uint32
gstore_thread(void)
{
	return threadIdx.x;
}

GSTORE_LANE_FUNC uint32
gstore_block(void)
{
	return blockIdx.x;
}

GSTORE_LANE_FUNC uint32
gstore_threads(void)
{
	return blockDim.x;
}

GSTORE_LANE_FUNC uint32
gstore_blocks(void)
{
	return gridDim.x;
}

GSTORE_LANE_FUNC void
gstore_sync_block(void)
{
	__syncthreads();
}

/* Also: what the warp's lanes wrote is seen by all of them. */
GSTORE_LANE_FUNC void
gstore_sync_warp(void)
{
	__syncwarp();
}

GSTORE_LANE_FUNC bool
gstore_warp_any(bool vote)
{
	return __any_sync(0xFFFFFFFFu, vote) != 0;
}

/* A bit for each lane of the warp. */
GSTORE_LANE_FUNC uint32
gstore_warp_ballot(bool vote)
{
	return __ballot_sync(0xFFFFFFFFu, vote);
}

/* What another lane of the warp gave. */
GSTORE_LANE_FUNC uint32
gstore_warp_take(uint32 value, uint32 lane)
{
	return __shfl_sync(0xFFFFFFFFu, value, (int) lane);
}

GSTORE_LANE_FUNC uint32
gstore_count_bits(uint32 word)
{
	return (uint32) __popc(word);
}

/* The number of the lowest bit of a word that is not 0. */
GSTORE_LANE_FUNC uint32
gstore_lowest_bit(uint32 word)
{
	return (uint32) __ffs(word) - 1;
}

/* What a lane wrote before this, others see before what it writes after. */
GSTORE_LANE_FUNC void
gstore_fence(void)
{
	__threadfence();
}

/* A word that others change meanwhile. */
GSTORE_LANE_FUNC uint64
gstore_read_word(const uint64 *word)
{
	return *(const volatile uint64 *) word;
}

/* These give what was there before. */
GSTORE_LANE_FUNC uint64
gstore_atomic_add(uint64 *word, uint64 value)
{
	return atomicAdd((unsigned long long *) word, (unsigned long long) value);
}

GSTORE_LANE_FUNC uint64
gstore_atomic_exchange(uint64 *word, uint64 value)
{
	return atomicExch((unsigned long long *) word, (unsigned long long) value);
}

GSTORE_LANE_FUNC uint64
gstore_atomic_replace(uint64 *word, uint64 old, uint64 value)
{
	return atomicCAS((unsigned long long *) word, (unsigned long long) old,
					 (unsigned long long) value);
}

GSTORE_LANE_FUNC void
gstore_atomic_add_real(uint64 *word, double value)
{
	(void) atomicAdd((double *) word, value);
}

GSTORE_LANE_FUNC void
gstore_atomic_least(uint64 *word, int64 value)
{
	(void) atomicMin((long long *) word, (long long) value);
}

GSTORE_LANE_FUNC void
gstore_atomic_greatest(uint64 *word, int64 value)
{
	(void) atomicMax((long long *) word, (long long) value);
}

GSTORE_LANE_FUNC void
gstore_atomic_and(uint64 *word, uint64 value)
{
	(void) atomicAnd((unsigned long long *) word, (unsigned long long) value);
}

GSTORE_LANE_FUNC void
gstore_atomic_or(uint64 *word, uint64 value)
{
	(void) atomicOr((unsigned long long *) word, (unsigned long long) value);
}

/* A lane waits for another one, of any block. */
GSTORE_LANE_FUNC void
gstore_pause(void)
{
	__nanosleep(100);
}

/* The block's memory, 16-aligned, of as many bytes as the launch said. */
GSTORE_LANE_FUNC uint8 *
gstore_shared(void)
{
	extern __shared__ __align__(16) uint8 shared[];

	return shared;
}

GSTORE_LANE_FUNC void *
gstore_global(uint64 address, uint64 bytes)
{
	(void) bytes;
	return (void *) address;
}

/* The address of what gstore_global gave. */
GSTORE_LANE_FUNC uint64
gstore_address(const void *pointer)
{
	return (uint64) pointer;
}

#else

#define GSTORE_KERNEL void
#define GSTORE_LANE_FUNC static inline __attribute__((unused))

extern uint32 gstore_thread(void);
extern uint32 gstore_block(void);
extern uint32 gstore_threads(void);
extern uint32 gstore_blocks(void);
extern void gstore_sync_block(void);
extern void gstore_sync_warp(void);
extern bool gstore_warp_any(bool vote);
extern uint32 gstore_warp_ballot(bool vote);
extern uint32 gstore_warp_take(uint32 value, uint32 lane);
extern uint8 *gstore_shared(void);
extern void *gstore_global(uint64 address, uint64 bytes);
extern uint64 gstore_address(const void *pointer);
extern void gstore_fence(void);
extern void gstore_pause(void);
extern uint64 gstore_read_word(const uint64 *word);
extern uint64 gstore_atomic_add(uint64 *word, uint64 value);
extern uint64 gstore_atomic_exchange(uint64 *word, uint64 value);
extern uint64 gstore_atomic_replace(uint64 *word, uint64 old, uint64 value);
extern void gstore_atomic_add_real(uint64 *word, double value);
extern void gstore_atomic_least(uint64 *word, int64 value);
extern void gstore_atomic_greatest(uint64 *word, int64 value);
extern void gstore_atomic_and(uint64 *word, uint64 value);
extern void gstore_atomic_or(uint64 *word, uint64 value);

GSTORE_LANE_FUNC uint32
gstore_count_bits(uint32 word)
{
	return (uint32) __builtin_popcount(word);
}

GSTORE_LANE_FUNC uint32
gstore_lowest_bit(uint32 word)
{
	return (uint32) __builtin_ctz(word);
}

#endif

/* ---- made of these ---- */

GSTORE_LANE_FUNC uint64
gstore_warp_take_wide(uint64 value, uint32 lane)
{
	uint32 low = gstore_warp_take((uint32) value, lane);

	return (uint64) gstore_warp_take((uint32) (value >> 32), lane) << 32 | low;
}

/* The sum of what the lanes before this one gave; *total: of all. */
GSTORE_LANE_FUNC uint32
gstore_warp_sum_before(uint32 value, uint32 lane, uint32 *total)
{
	uint32 sum = value;

	for (uint32 step = 1; step < GSTORE_WARP; step *= 2)
	{
		uint32 other = gstore_warp_take(sum, (lane - step) % GSTORE_WARP);

		sum += lane >= step ? other : 0;
	}
	*total = gstore_warp_take(sum, GSTORE_WARP - 1);
	return sum - value;
}

#endif
