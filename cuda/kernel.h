/*
 * kernel.h
 *	  What is told to a kernel, and what it tells: the one header that both
 *	  those who launch and the kernels include.
 *
 * Every kernel takes one argument, the address of a block of device memory that
 * begins with a structure from here.  Addresses in it are of device memory too.
 */
#ifndef GSTORE_KERNEL_H
#define GSTORE_KERNEL_H

#include "port.h"

/* Lanes of a block: two warps, so that shared memory, of which each row in
 * work takes its part, is shared out in small pieces. */
#define GSTORE_KERNEL_THREADS 64

/* Every kernel: KERNEL(NAME, symbol). */
#define GSTORE_KERNELS(KERNEL) KERNEL(PROBE, gstore_kernel_probe)

typedef enum GstoreKernel
{
#define GSTORE_KERNEL_ENUM(NAME, symbol) GSTORE_KERNEL_##NAME,
	GSTORE_KERNELS(GSTORE_KERNEL_ENUM)
#undef GSTORE_KERNEL_ENUM
	GSTORE_KERNEL_COUNT
} GstoreKernel;

/*
 * PROBE: does what is asked of a machine hold on this one?  Shared memory:
 * GSTORE_PROBE_SHARED bytes.
 */
#define GSTORE_PROBE_SHARED (GSTORE_KERNEL_THREADS * sizeof(uint64))

typedef struct GstoreProbe
{
	uint64 values; /* address of [nvalues] uint64 */
	uint64 nvalues;
	uint64 sums; /* address of [nsums] uint64: block b of the launch puts the
				  * sum of its values at b, if b is below nsums */
	uint64 nsums;
	uint32 pointer_bytes; /* what the kernel's machine says of itself */
	uint32 probe_bytes;
	uint32 blocks;
	uint32 threads;
} GstoreProbe;

StaticAssertDecl(sizeof(GstoreProbe) == 48, "a probe has no padding");

#endif
