/*
 * kernels.cu
 *	  The kernels.
 *
 * Compiled by nvcc for GPUs and, as C, by the driver's stand-in: see simt.h.
 * Must never use a CUDA name directly, nor trust an index that it has not
 * compared with the number it was told.
 */
#include "accumulate.h"
#include "kernel.h"
#include "simt.h"
#include "tile.h"

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

/*
 * Go over columns: load, filter, and tell which rows pass or accumulate them.  A
 * warp goes from tile to tile, each lane with accumulators of its own; at the
 * end a block's become one.
 */
GSTORE_KERNEL
gstore_kernel_scan(uint64 argument)
{
	const GstoreLaunch *launch =
		(const GstoreLaunch *) gstore_global(argument, sizeof(GstoreLaunch));
	const uint8 *base = (const uint8 *) gstore_global(argument, launch->bytes);
	const GstoreKernelPiece *pieces =
		(const GstoreKernelPiece *) (base + launch->pieces);
	GstoreLaunchResult *result = (GstoreLaunchResult *) (base + launch->result);
	uint32 warp = gstore_thread() / GSTORE_WARP;
	uint32 filtered = 0;
	uint32 piece = 0;
	uint32 error = 0;
	GstoreAccumulators accumulators;
	GstoreTile tile;

	tile.launch = launch;
	tile.instructions =
		(const GstoreKernelInstruction *) (base + launch->instructions);
	tile.constants = (const GstoreKernelConstant *) (base + launch->constants);
	tile.lane = gstore_thread() % GSTORE_WARP;
	tile.words = (uint64 *) gstore_shared() +
				 (uint64) warp * launch->nslots * GSTORE_TILE_ROWS;
	tile.states = (uint32 *) ((uint64 *) gstore_shared() +
							  (uint64) GSTORE_KERNEL_WARPS * launch->nslots *
								  GSTORE_TILE_ROWS) +
				  warp * launch->nslots * GSTORE_WARP;
	gstore_accumulators_begin(&accumulators, launch,
							  gstore_shared() +
								  (uint64) GSTORE_KERNEL_WARPS *
									  launch->nslots * GSTORE_SLOT_BYTES);
	if (launch->nconjuncts > 0)
		filtered = ((const GstoreKernelConjunct *) (base + launch->conjuncts))
					   [launch->nconjuncts - 1]
						   .end;

	for (uint64 number = (uint64) gstore_block() * GSTORE_KERNEL_WARPS + warp;
		 number < launch->ntiles;
		 number += (uint64) gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		bool any;

		gstore_tile_enter(&tile, argument, pieces, &piece, number);
		any = gstore_tile_filter(&tile, &error);
		if (launch->passes != 0)
			gstore_tile_tell(&tile, argument + launch->passes +
										number * GSTORE_WARP);
		if (!any || launch->passes != 0)
			continue;
		gstore_tile_run_all(&tile, filtered, launch->ninstructions);
		gstore_accumulate(&accumulators, &tile, &error);
	}

	/* which of several errors is told does not matter: each is one */
	if (error != 0)
		result->error = error;
	gstore_sync_block();
	gstore_accumulators_end(&accumulators,
							(GstorePartial *) (result + 1) +
								(uint64) gstore_block() * launch->naggregates);
	if (gstore_block() == 0 && gstore_thread() == 0)
		result->blocks = gstore_blocks();
}
