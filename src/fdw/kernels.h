/*
 * kernels.h
 *	  A scan's program run by kernels, over the chunks that lie on a GPU.
 *
 * What kernels cannot do stays with the engine: a program as a whole, or windows
 * one by one.  Both go into the same groups.
 */
#ifndef GSTORE_KERNELS_H
#define GSTORE_KERNELS_H

#include "fdw/pushdown.h"
#include "fdw/scan.h"

typedef struct GstoreKernels GstoreKernels;

/* What kernels have done, for EXPLAIN. */
typedef struct GstoreKernelUse
{
	uint64 launches;
	GstoreEngineUse use;
	uint64 gathered;	 /* rows */
	uint64 memory_rate;	 /* of the device, at best; 0: not known */
	const char *why_not; /* why the CPU computed all; else, or where there
							  * is no GPU, NULL */
} GstoreKernelUse;

/* NULL, and use->why_not says why: kernels cannot run the program.  Lives in the
 * current memory context; from here on windows of the input may stay in place.
 * memory_limit is the engine's. */
extern GstoreKernels *gstore_kernels_begin(GstoreScanInput *input,
										   int device, uint64 memory_limit,
										   GstoreKernelUse *use);
/* The same of a program that filters, whatever reads the rows. */
extern GstoreKernels *gstore_kernels_sieve(const GstoreProgram *program,
										   int device, const char *relname,
										   GstoreKernelUse *use);
/*
 * Which rows of a window, which is in place, pass; the bitmaps are all 0.
 * columns are the window's in the program's order, of so many bytes.  False:
 * kernels cannot tell.
 */
extern bool gstore_kernels_sift(GstoreKernels *kernels,
								const GstoreWindow *window,
								const GstoreColumnView *columns, uint64 bytes,
								uint8 *pass, uint8 *recheck);

/*
 * Some rows of a window that was sifted, as views of its columns in the current
 * memory context; their bytes.  False: that was refused, or cannot be.
 */
extern bool gstore_kernels_gather(GstoreKernels *kernels,
								  const GstoreWindow *window, int ncolumns,
								  const uint32 *rows, uint32 nrows,
								  GstoreColumnView *views, uint64 *bytes);

/* The window at hand, which is in place; its rows go into the engine's groups
 * now or later.  False: a launch was refused, and nothing of this came to
 * anything. */
extern bool gstore_kernels_add(GstoreKernels *kernels, GstoreEngine *engine,
							   GstoreEngineStatus *status);
/* What was not launched yet. */
extern bool gstore_kernels_finish(GstoreKernels *kernels, GstoreEngine *engine,
								  GstoreEngineStatus *status);

extern void gstore_kernels_explain(const GstoreKernelUse *use,
								   ExplainState *es);

#endif
