/*
 * build_kernel.h
 *	  Chunks made of chunks by kernels, where all of them lie.
 */
#ifndef GSTORE_BUILD_KERNEL_H
#define GSTORE_BUILD_KERNEL_H

#include "store/build.h"

/* As gstore_build_chunk, to *chunk.  False: kernels cannot, or the device would
 * not; nothing came of it. */
extern bool gstore_build_by_kernels(const GstoreBuild *build,
									GstoreHold **hold, GstoreChunk **chunk);

#endif
