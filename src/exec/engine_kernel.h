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
	uint64 copied_bytes; /* from the start: what the device must be given */
	uint64 result_bytes; /* from launch.result: what it gives; of groups the
						  * first, the others can be fetched */
	uint64 zero_at;		 /* what must be zero besides */
	uint64 zero_bytes;
} GstoreLaunchLayout;

/* Bytes of memory that translating a program takes. */
extern uint64 gstore_kernel_memory(const GstoreProgram *program);
/*
 * Translate; memory stays in use.  False, and *why is a phrase ("a value that
 * does not fit 64 bits"): kernels cannot run it.
 */
extern bool gstore_kernel_translate(const GstoreProgram *program,
									void *memory,
									GstoreKernelProgram *translated,
									const char **why);
/* Which kernel runs it. */
extern GstoreKernel gstore_kernel_of(const GstoreKernelProgram *program);
/* Shared memory that a block needs. */
extern uint32 gstore_kernel_shared(const GstoreKernelProgram *program);

/* Can it run over these columns, whose pointers are addresses of a device? */
extern bool gstore_kernel_takes(const GstoreKernelProgram *program,
								const GstoreEngineInput *input);
/*
 * One launch over inputs, each of at least a row, whose hidden bitmaps are in
 * memory of ours.  room is 0 of one that filters; of one that accumulates how many
 * blocks the device may run at once, or, with keys, for how many groups there
 * is to be room.  False: it would be too large.
 */
extern bool gstore_kernel_layout(const GstoreKernelProgram *program,
								 const GstoreEngineInput *inputs, int ninputs,
								 uint64 room, GstoreLaunchLayout *layout);
/* Write its first copied_bytes. */
extern void gstore_kernel_write(const GstoreKernelProgram *program,
								const GstoreEngineInput *inputs, int ninputs,
								const GstoreLaunchLayout *layout, void *memory);

/* Why what a launch that accumulates tells is to be computed by the CPU: texts that
 * kernels cannot read; NULL: it is not. */
extern const char *gstore_kernel_left(const GstoreKernelProgram *program,
									  const void *result);

/* An aggregate's result: into an engine of the same program. */
extern GstoreEngineStatus gstore_kernel_absorb(const GstoreKernelProgram *program,
											   const GstoreLaunchLayout *layout,
											   const void *result,
											   GstoreEngine *engine);

/* The same by groups, once it is known that there was room for all. */
typedef enum GstoreGroupOutcome
{
	GSTORE_GROUPS_TOLD,	 /* so many */
	GSTORE_GROUPS_MORE,	 /* than there was room for */
	GSTORE_GROUPS_LEFT,	 /* to the CPU: see gstore_kernel_left */
	GSTORE_GROUPS_FAILED /* a row ended in an error: the state */
} GstoreGroupOutcome;

extern GstoreGroupOutcome gstore_kernel_groups(const GstoreLaunchLayout *layout,
											   const void *result,
											   uint64 *number);
/* So many records, of so many bytes each, as they were told. */
extern GstoreEngineStatus
gstore_kernel_absorb_groups(const GstoreKernelProgram *program,
							const void *records, uint64 n,
							GstoreEngine *engine);
extern uint64 gstore_kernel_record_bytes(const GstoreKernelProgram *program);

/*
 * A filter's result: bits of rows [from, from + count) of the input whose first
 * tile is given, from a multiple of GSTORE_LANE_ROWS * 2.
 */
extern void gstore_kernel_passes(const GstoreLaunchLayout *layout,
								 const void *result, uint64 first_tile,
								 uint64 from, uint64 count, uint8 *pass,
								 uint8 *recheck);

#endif
