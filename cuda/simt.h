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
extern uint8 *gstore_shared(void);
extern void *gstore_global(uint64 address, uint64 bytes);

#endif

#endif
