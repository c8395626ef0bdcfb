/*
 * build_kernel.c
 *	  Chunks made of chunks by kernels; see build_kernel.h.
 *
 * What is to be done step by step is codec/merge_kernel.h's; here are the
 * requests.  Device memory: beside the new image a workspace, of up to half the
 * size of the sources' dictionaries.  Both are held, so who is cancelled leaves
 * them, and the kernel that runs, to the keeper.
 *
 * Must never look at a source but through its header: what is in there is the
 * kernels' business, who trust nothing of it.
 */
#include "postgres.h"

#include "codec/merge_kernel.h"
#include "fault.h"
#include "guc.h"
#include "request/launch.h"
#include "request/staging.h"
#include "request/view.h"
#include "store/build_kernel.h"
#include "store/codec_context.h"
#include "store/progress.h"
#include "store/schema.h"

StaticAssertDecl(GSTORE_MERGE_PIECES <= GSTORE_LAUNCH_CHUNKS,
				 "a launch pins all chunks of a step");

/* Of one build; in its memory context. */
typedef struct Making
{
	const GstoreBuild *build;
	GstoreMergePlan *merge;
	GstoreDeviceMemory *workspace;
	GstoreDeviceMemory *target; /* NULL: not yet */
	const char *why;			/* kernels cannot go on */
} Making;

static void
check(const GstoreBuild *build, GstoreCodecStatus status,
	  const GstoreCodecError *error)
{
	if (status != GSTORE_CODEC_OK)
		gstore_codec_raise(status, error, build->relname, build->schema);
}

/* ---- can they? ---- */

static bool
is_same_schema(const GstoreSchema *a, const GstoreSchema *b)
{
	return a == b || (a->nfields == b->nfields &&
					  memcmp(a, b, gstore_schema_bytes(a->nfields)) == 0);
}

/* Does every source lie on the device as the new chunk will?  Nothing is said of
 * where nobody expects kernels. */
static bool
is_possible(const GstoreBuild *build, const char **why)
{
	const GstoreChunk *first;

	*why = NULL;
	if (build->nsources == 0 ||
		!gstore_launch_is_possible(build->pinning, why))
		return false;
	first = build->sources[0].chunk;
	if (!gstore_guc_enable_kernels)
		*why = "gstore_fdw.enable_kernels is off";
	for (uint32 i = 0; i < build->nsources && *why == NULL; i++)
	{
		const GstoreChunk *chunk = build->sources[i].chunk;

		if (chunk->location.kind != GSTORE_LOCATION_DEVICE)
			*why = "a chunk in host memory";
		else if (chunk->location.device != build->pinning ||
				 chunk->location.epoch != first->location.epoch)
			*why = "a chunk on another device";
		else if (chunk->format != build->codec->format ||
				 !is_same_schema(build->sources[i].schema, build->schema))
			*why = "a chunk with other columns";
	}
	return *why == NULL;
}

/* The header of a source, in memory. */
static void *
fetch_header(const GstoreBuild *build, const GstoreChunk *chunk)
{
	GstoreByteRange range = {0, Min(build->codec->header_bytes(build->schema),
									chunk->image_bytes)};
	GstoreView *view = gstore_view_open(chunk->location, chunk->self, &range,
										1, build->purpose);
	void *header = palloc(range.length);

	gstore_view_wait(view);
	memcpy(header, gstore_view_pointer(view, 0), range.length);
	gstore_view_close(view);
	return header;
}

/* ---- steps ---- */

static bool
run_step(Making *making, const GstoreKernelStep *step)
{
	const GstoreBuild *build = making->build;
	GstoreLaunchOrder order = {.device = build->pinning,
							   .memory = making->workspace,
							   .written = step->writes ? making->target : NULL,
							   .kernel = step->kernel,
							   .blocks = step->blocks,
							   .shared_bytes = step->shared_bytes,
							   .told_bytes = step->told_bytes,
							   .result_at = step->result_at,
							   .result_bytes = step->result_bytes,
							   .nchunks = (int) step->nsources};
	GstoreLaunchRun *run;
	GstoreCodecStatus status;
	GstoreCodecError error;
	const void *result;

	for (uint32 i = 0; i < step->nsources; i++)
		order.chunks[i] = build->sources[step->first_source + i].chunk->self;
	run = gstore_launch_prepare(&order);
	if (run == NULL)
	{
		making->why = "the staging area is too small";
		return false;
	}
	gstore_merge_plan_write(making->merge,
							gstore_device_memory_location(making->workspace).address,
							gstore_launch_memory(run));
	result = gstore_launch_run(run, build->purpose, &making->why);
	if (result == NULL)
		return false;
	status = gstore_merge_plan_take(making->merge, result, &making->why,
									&error);
	gstore_launch_end(run);
	check(build, status, &error);
	return making->why == NULL;
}

static bool
run_steps(Making *making)
{
	GstoreKernelStep step;

	while (gstore_merge_plan_next(making->merge, &step))
		if (!run_step(making, &step))
			return false;
	return true;
}

/* Count; then the new image's bytes, or 0. */
static uint64
count(Making *making)
{
	const GstoreBuild *build = making->build;
	uint64 zeros_from;
	uint64 bytes = gstore_merge_plan_workspace(making->merge, &zeros_from);

	making->workspace = gstore_device_memory_take(build->pinning, bytes,
												  zeros_from, build->purpose,
												  &making->why);
	if (making->workspace == NULL || !run_steps(making))
		return 0;
	bytes = gstore_merge_plan_size(making->merge, &making->why);
	if (bytes > 0 && bytes < GSTORE_SMALL_IMAGE && !build->shareable)
	{
		making->why = "an image that stays in host memory";
		return 0;
	}
	return bytes;
}

/* The image where it will stay; false: the device would not. */
static bool
make(Making *making, uint64 bytes, GstoreHold **hold, GstoreChunk **chunk)
{
	const GstoreBuild *build = making->build;
	GstoreChunk *made;

	making->target = gstore_device_memory_take(build->pinning, bytes, bytes,
											   build->purpose, &making->why);
	if (making->target == NULL)
		return false;
	made = gstore_chunk_create(build->nranges, hold);
	made->format = build->codec->format;
	made->pinning = build->pinning;
	made->rows = (uint32) gstore_merge_plan_rows(making->merge);
	made->image_bytes = bytes;
	gstore_merge_plan_place(making->merge,
							gstore_device_memory_location(making->target).address,
							build->shareable
								? NULL
								: gstore_chunk_make_bounds(made,
														   build->schema->ncols));
	/* From here on it is as good as certain that nobody reads them again. */
	for (uint32 i = 0; i < build->nsources; i++)
		gstore_progress_read(build->sources[i].chunk->image_bytes);
	gstore_progress_tell(GSTORE_COMPACT_PHASE, GSTORE_COMPACT_WRITING);
	GSTORE_FAULT_POINT("build-kernels");
	if (!run_steps(making))
	{
		gstore_hold_release(*hold);
		return false;
	}
	made->location = gstore_device_memory_keep(making->target);
	making->target = NULL;
	*chunk = made;
	return true;
}

/* ---- all of it ---- */

static GstoreMergePlan *
begin(Making *making)
{
	const GstoreBuild *build = making->build;
	GstoreAllocator allocator = gstore_context_allocator();
	GstoreKernelSource *sources = palloc_extended(build->nsources *
													  sizeof(GstoreKernelSource),
												  MCXT_ALLOC_HUGE);
	GstoreMergePlan *merge;
	GstoreCodecStatus status;
	GstoreCodecError error;

	for (uint32 i = 0; i < build->nsources; i++)
	{
		const GstoreChunk *chunk = build->sources[i].chunk;

		sources[i].header = fetch_header(build, chunk);
		sources[i].image_bytes = chunk->image_bytes;
		sources[i].address = chunk->location.address;
		sources[i].rows = chunk->rows;
		sources[i].keep = build->sources[i].keep;
	}
	merge = gstore_merge_plan_begin(build->codec, build->schema, sources,
									build->nsources,
									(uint32) gstore_staging_narrow_bytes(),
									&allocator, &making->why, &status,
									&error);
	check(build, status, &error);
	return merge;
}

static bool
try_kernels(Making *making, GstoreHold **hold, GstoreChunk **chunk)
{
	uint64 bytes;
	bool done;

	*chunk = NULL;
	if (!is_possible(making->build, &making->why))
		return false;
	making->merge = begin(making);
	if (making->merge == NULL)
		return false;
	if (gstore_merge_plan_rows(making->merge) == 0)
		return true;
	gstore_build_check_rows(gstore_merge_plan_rows(making->merge));
	bytes = count(making);
	done = bytes > 0 && make(making, bytes, hold, chunk);
	if (making->target != NULL)
		gstore_device_memory_give(making->target);
	if (making->workspace != NULL)
		gstore_device_memory_give(making->workspace);
	return done;
}

bool
gstore_build_by_kernels(const GstoreBuild *build, GstoreHold **hold,
						GstoreChunk **chunk)
{
	Making making = {.build = build};
	bool done = try_kernels(&making, hold, chunk);

	if (making.merge != NULL)
		gstore_merge_plan_end(making.merge);
	if (done)
		ereport(DEBUG1,
				(errmsg_internal("%s: kernels made one of %u chunks, of %u rows",
								 build->purpose, build->nsources,
								 *chunk == NULL ? 0 : (*chunk)->rows)));
	else if (making.why != NULL)
		ereport(DEBUG1,
				(errmsg_internal("%s: without kernels: %s", build->purpose,
								 making.why)));
	return done;
}
