/*
 * kernel_scan.h
 *	  The kernels that run programs: SCAN and GROUP.  A part of kernels.cu.
 *
 * A warp goes from tile to tile: load, filter, accumulate.
 */
#ifndef GSTORE_KERNEL_SCAN_H
#define GSTORE_KERNEL_SCAN_H

#include "accumulate.h"
#include "group_few.h"

/* Go over columns, and tell which rows pass or accumulate them: each lane in
 * accumulators of its own; at the end a block's become one. */
GSTORE_KERNEL
gstore_kernel_scan(uint64 argument)
{
	uint32 warp = gstore_thread() / GSTORE_WARP;
	uint32 piece = 0;
	uint32 error = 0;
	const GstoreLaunch *launch;
	GstoreLaunchResult *result;
	GstoreAccumulators accumulators;
	GstoreTile tile;

	gstore_tile_begin(&tile, argument, gstore_shared());
	launch = tile.launch;
	result = (GstoreLaunchResult *) ((const uint8 *) launch + launch->result);
	gstore_accumulators_begin(&accumulators, launch,
							  gstore_tile_end(&tile, gstore_shared()));

	for (uint64 number = (uint64) gstore_block() * GSTORE_KERNEL_WARPS + warp;
		 number < launch->ntiles;
		 number += (uint64) gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		bool any;

		gstore_tile_enter(&tile, &piece, number);
		any = gstore_tile_run_program(&tile, launch->passes == 0, &error);
		if (launch->passes != 0)
			gstore_tile_tell(&tile, argument + launch->passes +
										number * GSTORE_WARP);
		else if (any)
			gstore_accumulate(&accumulators, &tile, &error);
	}

	/* which of several errors is told does not matter: each is one */
	if (error != 0)
		result->error = error;
	gstore_sync_block();
	gstore_accumulators_end(&accumulators,
							(GstoreAccumulator *) (result + 1) +
								(uint64) gstore_block() * launch->naggregates);
	if (gstore_block() == 0 && gstore_thread() == 0)
		result->blocks = gstore_blocks();
}

/* The same by groups. */
GSTORE_KERNEL
gstore_kernel_group(uint64 argument)
{
	uint32 warp = gstore_thread() / GSTORE_WARP;
	uint32 piece = 0;
	uint32 error = 0;
	uint32 left = 0;
	const GstoreLaunch *launch;
	const GstoreKernelKey *keys;
	GstoreGroupTable table;
	GstoreFewGroups few;
	GstoreTile tile;

	gstore_tile_begin(&tile, argument, gstore_shared());
	launch = tile.launch;
	keys = (const GstoreKernelKey *) ((const uint8 *) launch + launch->keys);
	gstore_table_begin(&table, launch, argument);
	gstore_few_begin(&few, &tile,
					 gstore_tile_end(&tile, gstore_shared()) +
						 warp * launch->few_bytes);

	for (uint64 number = (uint64) gstore_block() * GSTORE_KERNEL_WARPS + warp;
		 number < launch->ntiles;
		 number += (uint64) gstore_blocks() * GSTORE_KERNEL_WARPS)
	{
		uint32 elsewhere;

		if (gstore_warp_any(gstore_table_is_full(&table)))
			break;
		gstore_tile_enter(&tile, &piece, number);
		if (!gstore_tile_run_program(&tile, true, &error))
			continue;
		gstore_tile_keys(&tile, keys, &error, &left);
		gstore_sync_warp();
		elsewhere = gstore_few_add(&few, &tile, &error);
		gstore_table_add(&table, &tile, elsewhere, &error);
	}
	gstore_few_end(&few, &table, tile.lane);
	if (error != 0)
		table.result->error = error;
	if (left != 0)
		table.result->left = left;
}

#endif
