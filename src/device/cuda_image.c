/*
 * cuda_image.c
 *	  The kernels, made by nvcc from cuda/kernels.cu, as bytes in this library:
 *	  so they cannot be of another version than what launches them.
 *
 * GSTORE_KERNEL_IMAGE names the file, where the Makefile found an nvcc.
 */
#include "device/cuda_image.h"

#ifdef GSTORE_KERNEL_IMAGE
__asm__(".pushsection .rodata\n"
		".balign 64\n"
		".hidden gstore_kernel_image\n"
		".globl gstore_kernel_image\n"
		"gstore_kernel_image:\n"
		".incbin \"" GSTORE_KERNEL_IMAGE "\"\n"
		".byte 0\n"
		".popsection\n");

extern const char gstore_kernel_image[]
	__attribute__((visibility("hidden")));

#define BUILT true
#else
static const char gstore_kernel_image[] =
	"gstore_fdw was built without nvcc: there are no kernels here";

#define BUILT false
#endif

const void *
gstore_cuda_image(void)
{
	return gstore_kernel_image;
}

bool
gstore_cuda_image_built(void)
{
	return BUILT;
}
