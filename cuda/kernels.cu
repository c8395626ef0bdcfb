/*
 * kernels.cu
 *	  The kernels.
 *
 * Compiled by nvcc for GPUs and, as C, by the driver's stand-in: see simt.h.
 * Must never use a CUDA name directly, nor trust an index that it has not
 * compared with the number it was told.
 */
#include "kernel_gather.h"
#include "kernel_scan.h"
#include "merge_kernels.h"
#include "simt.h"

/*
 * Add up values, each block those of its lanes: the barriers, the votes and the
 * memory that all kernels stand on.
 */
GSTORE_KERNEL
gstore_kernel_probe(uint64 argument)
{
	GstoreProbe *probe = (GstoreProbe *) gstore_global(argument,
													   sizeof(GstoreProbe));
	uint64 *partial = (uint64 *) gstore_shared();
	uint64 stride = (uint64) gstore_blocks() * gstore_threads();
	uint64 at = (uint64) gstore_block() * gstore_threads() + gstore_thread();
	uint64 sum = 0;

	/* A warp goes on while one of its lanes has something to add. */
	while (gstore_warp_any(at < probe->nvalues))
	{
		if (at < probe->nvalues)
			sum += *(const uint64 *) gstore_global(probe->values + 8 * at, 8);
		at += stride;
	}
	partial[gstore_thread()] = sum;
	gstore_sync_warp();
	for (uint32 step = GSTORE_WARP / 2; step > 0; step /= 2)
	{
		if (gstore_thread() % GSTORE_WARP < step)
			partial[gstore_thread()] += partial[gstore_thread() + step];
		gstore_sync_warp();
	}
	gstore_sync_block();
	if (gstore_thread() != 0)
		return;
	for (uint32 warp = GSTORE_WARP; warp < gstore_threads();
		 warp += GSTORE_WARP)
		partial[0] += partial[warp];
	if (gstore_block() < probe->nsums)
		*(uint64 *) gstore_global(probe->sums + 8 * gstore_block(), 8) =
			partial[0];
	if (gstore_block() == 0)
	{
		probe->pointer_bytes = sizeof(void *);
		probe->probe_bytes = sizeof(GstoreProbe);
		probe->blocks = gstore_blocks();
		probe->threads = gstore_threads();
	}
}
