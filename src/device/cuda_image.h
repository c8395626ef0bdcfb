/*
 * cuda_image.h
 *	  The kernels as the driver loads them.
 */
#ifndef GSTORE_CUDA_IMAGE_H
#define GSTORE_CUDA_IMAGE_H

#include "port.h"

/* A fatbin; where there was no nvcc, a text that says so, which no driver takes
 * for kernels (the stand-in, which has its own, does not look). */
extern const void *gstore_cuda_image(void);
/* Was there an nvcc? */
extern bool gstore_cuda_image_built(void);

#endif
