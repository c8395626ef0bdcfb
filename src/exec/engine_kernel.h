/*
 * engine_kernel.h
 *	  Programs, and the columns they run over, as kernels take them.
 *
 * What a kernel is told is one block of memory (cuda/kernel.h): made here, copied
 * to the device by whoever launches.  Includes no PostgreSQL header and touches
 * no device: columns of an input are addresses there.
 */
#ifndef GSTORE_ENGINE_KERNEL_H
#define GSTORE_ENGINE_KERNEL_H

#include "exec/engine.h"

#include "kernel.h"

/* A program that kernels run: instructions over slots. */
typedef struct GstoreKernelProgram
{
	const GstoreProgram *program;
	GstoreLaunch launch; /* all that does not depend on the rows */
	uint8 *code;		 /* what comes behind it */
	uint32 code_bytes;
} GstoreKernelProgram;

/* How a launch is laid out. */
typedef struct GstoreLaunchLayout
{
	GstoreLaunch launch;
	uint32 copied_bytes; /* from the start: what the device must be given */
	uint32 result_bytes; /* from launch.result: what it gives */
} GstoreLaunchLayout;

/* Bytes of memory that translating a program takes. */
extern uint64 gstore_kernel_memory(const GstoreProgram *program);
/*
 * Translate; memory stays in use.  False, and *why is a phrase ("groups", "a
 * value of the type text"): kernels cannot run it.
 */
extern bool gstore_kernel_translate(const GstoreProgram *program,
									void *memory,
									GstoreKernelProgram *translated,
									const char **why);
/* Shared memory that a block needs. */
extern uint32 gstore_kernel_shared(const GstoreKernelProgram *program);

/* Can it run over these columns, whose pointers are addresses of a device? */
extern bool gstore_kernel_takes(const GstoreKernelProgram *program,
								const GstoreEngineInput *input);
/*
 * One launch over inputs, each of at least a row, whose hidden bitmaps are in
 * memory of ours.  blocks is how many the device may run at once, 0: it filters.
 * False: it would be too large.
 */
extern bool gstore_kernel_layout(const GstoreKernelProgram *program,
								 const GstoreEngineInput *inputs, int ninputs,
								 uint32 blocks, GstoreLaunchLayout *layout);
/* Write its first copied_bytes. */
extern void gstore_kernel_write(const GstoreKernelProgram *program,
								const GstoreEngineInput *inputs, int ninputs,
								const GstoreLaunchLayout *layout, void *memory);

/* An aggregate's result: into an engine of the same program. */
extern GstoreEngineStatus gstore_kernel_absorb(const GstoreKernelProgram *program,
											   const GstoreLaunchLayout *layout,
											   const void *result,
											   GstoreEngine *engine);
/*
 * A filter's result: bits of rows [from, from + count) of the input whose first
 * tile is given, from a multiple of GSTORE_LANE_ROWS * 2.
 */
extern void gstore_kernel_passes(const GstoreLaunchLayout *layout,
								 const void *result, uint64 first_tile,
								 uint64 from, uint64 count, uint8 *pass,
								 uint8 *recheck);

#endif
