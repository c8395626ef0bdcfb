/*
 * kernels.c
 *	  A scan's program run by kernels; see kernels.h.
 *
 * Windows that stay in place are collected, and become pieces of one launch:
 * when it has as many chunks as a request can pin, and at the end.  A launch is
 * waited for: who is cancelled leaves it to the keeper.
 */
#include "postgres.h"

#include "exec/engine_kernel.h"
#include "fdw/kernels.h"
#include "guc.h"
#include "request/launch.h"

/* Pieces of one launch: blocks that were left out make more of them. */
#define MOST_PIECES 4096

struct GstoreKernels
{
	GstoreScanInput *input;
	GstoreKernelProgram program;
	GstoreKernelUse *use;
	GstoreColumnView *views; /* of a window that is asked about */
	char *purpose;
	GstoreEngineInput *pieces; /* collected */
	int npieces;
	int room;
	uint64 bytes; /* of their columns */
	GstoreLaunchOrder order;
};

/* The GstorePlaceTest: can kernels read these columns? */
static bool
takes_window(void *state, const GstoreWindow *window)
{
	GstoreKernels *kernels = state;
	GstoreEngineInput input = {0};

	(void) gstore_scan_bind(kernels->input, window, kernels->views);
	input.columns = kernels->views;
	return gstore_kernel_takes(&kernels->program, &input);
}

GstoreKernels *
gstore_kernels_sieve(const GstoreProgram *program, int device,
					 const char *relname, GstoreKernelUse *use)
{
	GstoreKernels *kernels;

	if (!gstore_guc_enable_kernels)
	{
		use->why_not = "gstore_fdw.enable_kernels is off";
		return NULL;
	}
	if (!gstore_launch_is_possible(device, &use->why_not))
		return NULL;
	kernels = palloc0(sizeof(*kernels));
	if (!gstore_kernel_translate(program, palloc(gstore_kernel_memory(program)),
								 &kernels->program, &use->why_not))
		return NULL;
	kernels->use = use;
	kernels->purpose = psprintf("computing on foreign table \"%s\"", relname);
	kernels->order.device = device;
	kernels->order.kernel = GSTORE_KERNEL_SCAN;
	kernels->order.shared_bytes = gstore_kernel_shared(&kernels->program);
	return kernels;
}

GstoreKernels *
gstore_kernels_begin(GstoreScanInput *input, int device, GstoreKernelUse *use)
{
	GstoreKernels *kernels;

	gstore_scan_in_place(input, NULL, NULL);
	kernels = gstore_kernels_sieve(input->program, device, input->relname, use);
	if (kernels == NULL)
		return NULL;
	kernels->input = input;
	kernels->views = palloc0(Max(1, input->program->ncolumns) *
							 sizeof(GstoreColumnView));
	gstore_scan_in_place(input, takes_window, kernels);
	return kernels;
}

/* Launch over the pieces; the result, or NULL: it was refused. */
static const void *
run_pieces(GstoreKernels *kernels, uint32 blocks, GstoreLaunchLayout *layout,
		   GstoreLaunchRun **run)
{
	GstoreLaunchOrder *order = &kernels->order;
	const void *result;
	instr_time start;
	instr_time end;

	INSTR_TIME_SET_CURRENT(start);
	if (!gstore_kernel_layout(&kernels->program, kernels->pieces,
							  kernels->npieces, blocks, layout))
	{
		kernels->use->why_not = "there are too many rows";
		return NULL;
	}
	order->blocks = gstore_launch_blocks(order->device);
	order->told_bytes = layout->copied_bytes;
	order->total_bytes = layout->launch.bytes;
	order->result_at = layout->launch.result;
	order->result_bytes = layout->result_bytes;
	*run = gstore_launch_prepare(order);
	if (*run == NULL)
	{
		kernels->use->why_not = "the staging area is too small";
		return NULL;
	}
	gstore_kernel_write(&kernels->program, kernels->pieces, kernels->npieces,
						layout, gstore_launch_memory(*run));
	result = gstore_launch_run(*run, kernels->purpose, &kernels->use->why_not);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_ACCUM_DIFF(kernels->use->use.time, end, start);
	if (result == NULL)
		return NULL;
	kernels->use->use.bytes += kernels->bytes;
	kernels->use->launches++;
	kernels->bytes = 0;
	kernels->npieces = 0;
	order->nchunks = 0;
	return result;
}

/* Launch what was collected. */
static bool
launch(GstoreKernels *kernels, GstoreEngine *engine, GstoreEngineStatus *status)
{
	GstoreLaunchLayout layout;
	GstoreLaunchRun *run;
	const void *result;

	if (kernels->npieces == 0)
		return true;
	result = run_pieces(kernels, gstore_launch_blocks(kernels->order.device),
						&layout, &run);
	if (result == NULL)
		return false;
	*status = gstore_kernel_absorb(&kernels->program, &layout, result, engine);
	gstore_launch_end(run);
	return true;
}

bool
gstore_kernels_sift(GstoreKernels *kernels, const GstoreWindow *window,
					const GstoreColumnView *columns, uint64 bytes, uint8 *pass,
					uint8 *recheck)
{
	const GstoreChunk *chunk = window->seen->chunk;
	GstoreEngineInput piece = {.columns = columns,
							   .rows = window->rows,
							   .hidden = window->seen->hidden,
							   .hidden_bit = window->first};
	GstoreLaunchLayout layout;
	GstoreLaunchRun *run;
	const void *result;

	if (!gstore_kernel_takes(&kernels->program, &piece))
		return false;
	kernels->pieces = &piece;
	kernels->npieces = 1;
	kernels->bytes = bytes;
	kernels->order.chunks[0] = chunk->self;
	kernels->order.nchunks = 1;
	kernels->order.epoch = chunk->location.epoch;
	result = run_pieces(kernels, 0, &layout, &run);
	kernels->pieces = NULL;
	if (result == NULL)
		return false;
	gstore_kernel_passes(&layout, result, 0, 0, window->rows, pass, recheck);
	gstore_launch_end(run);
	return true;
}

static void
collect(GstoreKernels *kernels)
{
	const GstoreScanInput *input = kernels->input;
	Size bytes = Max(1, input->program->ncolumns) * sizeof(GstoreColumnView);
	GstoreColumnView *columns = palloc(bytes);

	if (kernels->pieces == NULL)
	{
		kernels->room = 16;
		kernels->pieces = palloc(kernels->room * sizeof(GstoreEngineInput));
	}
	if (kernels->npieces == kernels->room)
	{
		kernels->room *= 2;
		kernels->pieces = repalloc(kernels->pieces,
								   kernels->room * sizeof(GstoreEngineInput));
	}
	memcpy(columns, input->columns, bytes);
	kernels->pieces[kernels->npieces] = input->rows;
	kernels->pieces[kernels->npieces++].columns = columns;
	kernels->bytes += input->bytes;
}

bool
gstore_kernels_add(GstoreKernels *kernels, GstoreEngine *engine,
				   GstoreEngineStatus *status)
{
	const GstoreChunk *chunk = kernels->input->window->seen->chunk;
	GstoreLaunchOrder *order = &kernels->order;

	if (order->nchunks > 0 &&
		order->chunks[order->nchunks - 1] != chunk->self &&
		(order->nchunks == GSTORE_LAUNCH_CHUNKS ||
		 order->epoch != chunk->location.epoch) &&
		!launch(kernels, engine, status))
		return false;
	if (kernels->npieces == MOST_PIECES && !launch(kernels, engine, status))
		return false;
	if (*status != GSTORE_ENGINE_OK)
		return true;
	if (order->nchunks == 0 ||
		order->chunks[order->nchunks - 1] != chunk->self)
		order->chunks[order->nchunks++] = chunk->self;
	order->epoch = chunk->location.epoch;
	collect(kernels);
	return true;
}

bool
gstore_kernels_finish(GstoreKernels *kernels, GstoreEngine *engine,
					  GstoreEngineStatus *status)
{
	return launch(kernels, engine, status);
}

void
gstore_kernels_explain(const GstoreKernelUse *use, ExplainState *es)
{
	double seconds = INSTR_TIME_GET_DOUBLE(use->use.time);

	if (!es->verbose || !es->timing)
		return;
	if (use->why_not != NULL)
		ExplainPropertyText("Without Kernels", use->why_not, es);
	if (use->launches == 0)
		return;
	ExplainPropertyInteger("Kernel Launches", NULL, use->launches, es);
	ExplainPropertyFloat("Kernel Time", "ms", seconds * 1000, 3, es);
	ExplainPropertyInteger("Kernel Bytes", NULL, use->use.bytes, es);
	if (seconds > 0)
		ExplainPropertyFloat("Kernel Rate", "GB/s",
							 use->use.bytes / seconds / 1e9, 3, es);
}
