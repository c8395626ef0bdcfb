/*
 * kernels.c
 *	  A scan's program run by kernels; see kernels.h.
 *
 * Windows that stay in place are collected, and become pieces of one launch:
 * when it has as many chunks as a request can pin, and at the end.  A launch is
 * waited for: who is cancelled leaves it to the keeper.
 *
 * Groups stay in the launch's memory until they were fetched.  A launch that finds
 * more of them than it has room for comes to nothing, and is made once more with
 * more room.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "exec/engine_gather.h"
#include "exec/engine_kernel.h"
#include "fdw/kernels.h"
#include "guc.h"
#include "request/launch.h"
#include "request/view.h"
#include "store/codec_context.h"

/* Pieces of one launch: blocks that were left out make more of them. */
#define MOST_PIECES 4096

/* Groups that there is room for at first, and by how much more next time. */
#define FIRST_GROUPS 32768
#define MORE_GROUPS 8
/* One row in so many may be left for PostgreSQL to decide on. */
#define FEW_RECHECKED 64
/* Of a bitmap, at a time. */
#define COUNTED_BYTES (UINT64CONST(1) << 20)

/* Bytes of groups fetched at a time. */
#define FETCHED_BYTES (UINT64CONST(4) << 20)

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
	uint64 groups_room;
	uint64 most_groups; /* that the engine has room for */
	GstoreLaunchOrder order;
};

/* Where a chunk lies, which need not be where the table is pinned by now. */
static bool
can_launch(GstoreKernels *kernels, const GstoreChunk *chunk)
{
	const char *why_not;
	bool can = gstore_launch_is_possible(chunk->location.device, &why_not);

	if (!can)
		kernels->use->why_not = why_not;
	return can;
}

/* A launch's first chunk. */
static void
aim(GstoreLaunchOrder *order, const GstoreChunk *chunk)
{
	order->device = chunk->location.device;
	order->epoch = chunk->location.epoch;
	order->chunks[0] = chunk->self;
	order->nchunks = 1;
}

/* The GstorePlaceTest: can kernels read these columns? */
static bool
takes_window(void *state, const GstoreWindow *window)
{
	GstoreKernels *kernels = state;
	GstoreEngineInput input = {0};

	(void) gstore_scan_bind(kernels->input, window, kernels->views);
	input.columns = kernels->views;
	return can_launch(kernels, window->seen->chunk) &&
		   gstore_kernel_takes(&kernels->program, &input);
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
	use->memory_rate = gstore_launch_memory_rate(device);
	kernels->purpose = psprintf("computing on foreign table \"%s\"", relname);
	kernels->order.kernel = gstore_kernel_of(&kernels->program);
	kernels->order.shared_bytes = gstore_kernel_shared(&kernels->program);
	return kernels;
}

GstoreKernels *
gstore_kernels_begin(GstoreScanInput *input, int device, uint64 memory_limit,
					 GstoreKernelUse *use)
{
	const GstoreProgram *program = input->program;
	uint64 group_bytes = program->nkeys * sizeof(GstoreGroupKey) +
						 program->naggregates * sizeof(GstoreAggregateState);
	GstoreKernels *kernels;

	gstore_scan_in_place(input, NULL, NULL);
	kernels = gstore_kernels_sieve(input->program, device, input->relname, use);
	if (kernels == NULL)
		return NULL;
	kernels->input = input;
	kernels->most_groups =
		memory_limit == 0 ? PG_UINT32_MAX
						  : Max(1, memory_limit / Max(1, group_bytes));
	kernels->groups_room = Min(FIRST_GROUPS, kernels->most_groups);
	kernels->order.keeps_memory = program->nkeys > 0;
	kernels->views = palloc0(Max(1, input->program->ncolumns) *
							 sizeof(GstoreColumnView));
	gstore_scan_in_place(input, takes_window, kernels);
	return kernels;
}

/* Launch over the pieces, with room as gstore_kernel_layout wants it; the result,
 * or NULL: it was refused. */
static const void *
run_pieces(GstoreKernels *kernels, uint64 room, GstoreLaunchLayout *layout,
		   GstoreLaunchRun **run)
{
	GstoreLaunchOrder *order = &kernels->order;
	const void *result;
	instr_time start;
	instr_time end;

	INSTR_TIME_SET_CURRENT(start);
	if (!gstore_kernel_layout(&kernels->program, kernels->pieces,
							  kernels->npieces, room, layout))
	{
		kernels->use->why_not = "there are too many rows";
		return NULL;
	}
	order->blocks = gstore_launch_blocks(order->device);
	order->told_bytes = layout->copied_bytes;
	order->total_bytes = layout->launch.bytes;
	order->result_at = layout->launch.result;
	order->result_bytes = layout->result_bytes;
	order->zero_at = layout->zero_at;
	order->zero_bytes = layout->zero_bytes;
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
	kernels->use->launches++;
	return result;
}

/* The pieces are done with. */
static void
forget_pieces(GstoreKernels *kernels)
{
	kernels->use->use.bytes += kernels->bytes;
	kernels->bytes = 0;
	kernels->npieces = 0;
	kernels->order.nchunks = 0;
}

/* ---- groups ---- */

/* Groups [first, number), which are in the launch's memory. */
static GstoreEngineStatus
fetch_groups(GstoreKernels *kernels, const GstoreLaunchLayout *layout,
			 GstoreLocation location, uint64 first, uint64 number,
			 GstoreEngine *engine)
{
	uint64 record_bytes = gstore_kernel_record_bytes(&kernels->program);
	uint64 step = Max(1, FETCHED_BYTES / record_bytes);
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	for (; first < number && status == GSTORE_ENGINE_OK; first += step)
	{
		uint64 n = Min(step, number - first);
		GstoreByteRange range = {layout->launch.records + first * record_bytes,
								 n * record_bytes};
		GstoreView *view = gstore_view_open(location, InvalidDsaPointer,
											&range, 1, kernels->purpose);

		gstore_view_wait(view);
		CHECK_FOR_INTERRUPTS();
		status = gstore_kernel_absorb_groups(&kernels->program,
											 gstore_view_pointer(view, 0), n,
											 engine);
		gstore_view_close(view);
	}
	return status;
}

/* All groups of a launch. */
static GstoreEngineStatus
absorb_groups(GstoreKernels *kernels, const GstoreLaunchLayout *layout,
			  GstoreLaunchRun *run, const void *result, uint64 number,
			  GstoreEngine *engine)
{
	const uint8 *records = (const uint8 *) result + layout->launch.records -
						   layout->launch.result;
	uint64 told = (layout->result_bytes -
				   (layout->launch.records - layout->launch.result)) /
				  gstore_kernel_record_bytes(&kernels->program);
	GstoreEngineStatus status;

	told = Min(told, number);
	status = gstore_kernel_absorb_groups(&kernels->program, records, told,
										 engine);
	if (status != GSTORE_ENGINE_OK || told == number)
		return status;
	return fetch_groups(kernels, layout, gstore_launch_keep(run), told, number,
						engine);
}

static bool
launch_groups(GstoreKernels *kernels, GstoreEngine *engine,
			  GstoreEngineStatus *status)
{
	for (;;)
	{
		GstoreLaunchLayout layout;
		GstoreLaunchRun *run;
		const void *result = run_pieces(kernels, kernels->groups_room, &layout,
										&run);
		bool again = false;
		const char *left;
		uint64 number;

		if (result == NULL)
			return false;
		left = gstore_kernel_left(&kernels->program, result);
		if (left != NULL)
		{
			kernels->use->why_not = left;
			gstore_launch_end(run);
			return false;
		}
		switch (gstore_kernel_groups(&layout, result, &number))
		{
			case GSTORE_GROUPS_TOLD:
				*status = absorb_groups(kernels, &layout, run, result, number,
										engine);
				break;
			case GSTORE_GROUPS_MORE:
				again = kernels->groups_room < kernels->most_groups;
				if (!again)
					*status = GSTORE_ENGINE_LIMIT;
				kernels->groups_room = Min(kernels->groups_room * MORE_GROUPS,
										   kernels->most_groups);
				break;
			case GSTORE_GROUPS_LEFT: /* has been told */
				break;
			case GSTORE_GROUPS_FAILED:
				*status = gstore_engine_refuse(engine, (int) number);
				break;
		}
		gstore_launch_end(run);
		if (again)
			continue;
		forget_pieces(kernels);
		return true;
	}
}

/* Launch what was collected. */
static bool
launch(GstoreKernels *kernels, GstoreEngine *engine, GstoreEngineStatus *status)
{
	GstoreLaunchLayout layout;
	GstoreLaunchRun *run;
	const void *result;
	const char *left;

	if (kernels->npieces == 0)
		return true;
	if (kernels->order.keeps_memory)
		return launch_groups(kernels, engine, status);
	result = run_pieces(kernels, gstore_launch_blocks(kernels->order.device),
						&layout, &run);
	if (result == NULL)
		return false;
	left = gstore_kernel_left(&kernels->program, result);
	if (left != NULL)
		kernels->use->why_not = left;
	else
		*status = gstore_kernel_absorb(&kernels->program, &layout, result,
									   engine);
	gstore_launch_end(run);
	forget_pieces(kernels);
	return left == NULL;
}

static uint64
count_bits(const uint8 *bitmap, uint64 rows)
{
	uint64 count = 0;

	for (uint64 first = 0; first < rows; first += 8 * COUNTED_BYTES)
		count += pg_popcount((const char *) bitmap + first / 8,
							 (int) Min(COUNTED_BYTES,
									   (rows - first + 7) / 8));
	return count;
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

	if (!can_launch(kernels, chunk) ||
		!gstore_kernel_takes(&kernels->program, &piece))
		return false;
	kernels->pieces = &piece;
	kernels->npieces = 1;
	kernels->bytes = bytes;
	aim(&kernels->order, chunk);
	result = run_pieces(kernels, 0, &layout, &run);
	kernels->pieces = NULL;
	if (result == NULL)
		return false;
	forget_pieces(kernels);
	gstore_kernel_passes(&layout, result, 0, 0, window->rows, pass, recheck);
	gstore_launch_end(run);
	if (count_bits(recheck, window->rows) <= window->rows / FEW_RECHECKED)
		return true;

	/* compressed texts, for example */
	kernels->use->why_not = "many rows that kernels cannot decide on";
	memset(pass, 0, (window->rows + 7) / 8);
	memset(recheck, 0, (window->rows + 7) / 8);
	return false;
}

/* ---- rows here and there ---- */

/* Launch for rows, with room for texts; the result, or NULL: it was refused, or
 * would be too large. */
static const void *
run_gather(GstoreKernels *kernels, const GstoreWindow *window, int ncolumns,
		   const uint32 *rows, uint32 nrows, uint64 text_bytes,
		   GstoreGatherLayout *layout, GstoreLaunchRun **run)
{
	const GstoreChunk *chunk = window->seen->chunk;
	const char *why;
	GstoreLaunchOrder order = {.kernel = GSTORE_KERNEL_GATHER};

	if (!gstore_gather_layout(window->columns, ncolumns, nrows, text_bytes,
							  layout))
		return NULL;
	aim(&order, chunk);
	order.blocks = Min(gstore_launch_blocks(order.device),
					   nrows / GSTORE_KERNEL_THREADS + 1);
	order.told_bytes = layout->copied_bytes;
	order.total_bytes = layout->gather.bytes;
	order.result_at = layout->gather.result;
	order.result_bytes = layout->result_bytes;
	*run = gstore_launch_prepare(&order);
	if (*run == NULL)
		return NULL;
	gstore_gather_write(window->columns, ncolumns, rows, layout,
						gstore_launch_memory(*run));
	return gstore_launch_run(*run, kernels->purpose, &why);
}

bool
gstore_kernels_gather(GstoreKernels *kernels, const GstoreWindow *window,
					  int ncolumns, const uint32 *rows, uint32 nrows,
					  GstoreColumnView *views, uint64 *bytes)
{
	GstoreAllocator allocator = gstore_context_allocator();
	uint64 text_bytes = 2 * nrows *
						gstore_gather_text_bytes(window->columns, ncolumns,
												 window->rows);
	GstoreGatherOutcome outcome = GSTORE_GATHER_MORE;

	if (!gstore_gather_takes(window->columns, ncolumns))
		return false;
	/* the second time it is known how large texts are */
	for (int attempt = 0; attempt < 2 && outcome == GSTORE_GATHER_MORE;
		 attempt++)
	{
		GstoreGatherLayout layout;
		GstoreLaunchRun *run;
		const void *result = run_gather(kernels, window, ncolumns, rows, nrows,
										text_bytes, &layout, &run);
		void *copy;

		if (result == NULL)
			return false;
		copy = MemoryContextAllocExtended(CurrentMemoryContext,
										  layout.result_bytes,
										  MCXT_ALLOC_HUGE);
		memcpy(copy, result, layout.result_bytes);
		gstore_launch_end(run);
		kernels->use->launches++;
		*bytes = layout.result_bytes;
		outcome = gstore_gather_read(window->columns, ncolumns, &layout, copy,
									 &allocator, views, &text_bytes);
	}
	if (outcome != GSTORE_GATHERED)
		return false;
	kernels->use->gathered += nrows;
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
		 order->device != chunk->location.device ||
		 order->epoch != chunk->location.epoch) &&
		!launch(kernels, engine, status))
		return false;
	if (kernels->npieces == MOST_PIECES && !launch(kernels, engine, status))
		return false;
	if (*status != GSTORE_ENGINE_OK)
		return true;
	if (order->nchunks == 0)
		aim(order, chunk);
	else if (order->chunks[order->nchunks - 1] != chunk->self)
		order->chunks[order->nchunks++] = chunk->self;
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
	if (use->gathered > 0)
		ExplainPropertyInteger("Rows Gathered", NULL, use->gathered, es);
	if (seconds == 0)
		return;
	ExplainPropertyFloat("Kernel Rate", "GB/s",
						 use->use.bytes / seconds / 1e9, 3, es);
	if (use->memory_rate > 0)
		ExplainPropertyFloat("Kernel Share of Peak", "%",
							 100 * use->use.bytes / seconds / use->memory_rate,
							 3, es);
}
