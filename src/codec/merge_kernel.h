/*
 * merge_kernel.h
 *	  One image of the rows of several, by kernels: what they are told, in
 *	  which order, and what becomes of what they tell.
 *
 * Includes no PostgreSQL header and touches no device.  Who uses it runs the
 * steps one after the other:
 *
 *	 begin	the sources, in the format and with the schema of the new image
 *	 next	a step, while there are any; its memory is written, the kernel runs
 *			on it where the workspace is, and take looks at what it told
 *	 size	how large the new image will be
 *	 place	where it will be: then next gives the steps that make it
 *
 * A step's memory is what the kernel is told, copied to the workspace's first
 * bytes, and behind it room for what it tells, to be copied back.  Steps work on
 * a few sources each, which are the only ones that must stay while it runs.
 *
 * The image is what the codec's own merge would have made, but for the values of
 * dictionaries: each stands there once for each source that has it, in the
 * sources' order.  Where values repeat so much that this would make the image
 * larger by more than a quarter, there is none.
 */
#ifndef GSTORE_MERGE_KERNEL_H
#define GSTORE_MERGE_KERNEL_H

#include "codec/bounds.h"
#include "codec/codec.h"
#include "merge.h"

typedef struct GstoreMergePlan GstoreMergePlan;

/* An image on a device. */
typedef struct GstoreKernelSource
{
	const void *header; /* its first header_bytes, in memory */
	uint64 image_bytes;
	uint64 address;
	uint64 rows;
	const uint8 *keep; /* rows to keep (LSB first); NULL: all */
} GstoreKernelSource;

typedef struct GstoreKernelStep
{
	GstoreKernel kernel;
	uint32 blocks;		 /* that could be of use */
	uint32 shared_bytes; /* of each */
	uint32 told_bytes;	 /* from the beginning */
	uint32 result_at;	 /* behind it */
	uint32 result_bytes;
	uint32 first_source; /* which it reads */
	uint32 nsources;	 /* at most GSTORE_MERGE_PIECES */
	bool writes;		 /* to the new image, or reads it */
} GstoreKernelStep;

/*
 * Sources and their keep bitmaps stay in use; no step has more than most_bytes,
 * told and result together.  NULL with an error of the codec; or with
 * GSTORE_CODEC_OK, where *why is a phrase: kernels cannot do it.
 */
extern GstoreMergePlan *
gstore_merge_plan_begin(const GstoreCodec *codec, const GstoreSchema *schema,
						const GstoreKernelSource *sources, uint32 nsources,
						uint32 most_bytes, const GstoreAllocator *allocator,
						const char **why, GstoreCodecStatus *status,
						GstoreCodecError *error);
extern void gstore_merge_plan_end(GstoreMergePlan *merge);

/* Rows that are kept: where there are none, there is no image. */
extern uint64 gstore_merge_plan_rows(const GstoreMergePlan *merge);
/* Bytes the workspace must have; those from *zeros_from on must be zero when
 * the first step begins. */
extern uint64 gstore_merge_plan_workspace(const GstoreMergePlan *merge,
										  uint64 *zeros_from);

/* The next step; false: there is none before the image has its size, or its
 * place, or at all. */
extern bool gstore_merge_plan_next(GstoreMergePlan *merge,
								   GstoreKernelStep *step);
/* What the step at hand tells the kernel, to memory of told_bytes; workspace is
 * the address of the workspace. */
extern void gstore_merge_plan_write(GstoreMergePlan *merge,
									uint64 workspace, void *memory);
/* What the kernel told.  GSTORE_CODEC_OK with *why: kernels cannot go on. */
extern GstoreCodecStatus gstore_merge_plan_take(GstoreMergePlan *merge,
												const void *result,
												const char **why,
												GstoreCodecError *error);

/* All is counted: the bytes of the new image; 0 and *why: there will be none. */
extern uint64 gstore_merge_plan_size(GstoreMergePlan *merge,
									 const char **why);
/* It will be there.  bounds, if not NULL, gets the bounds of its blocks, as
 * a builder of its rows would have them. */
extern void gstore_merge_plan_place(GstoreMergePlan *merge, uint64 address,
									GstoreBounds *bounds);

#endif
