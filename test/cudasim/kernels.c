/*
 * kernels.c
 *	  The kernels of cuda/, compiled as C for lanes.c.
 */
#include "kernel.h"

#define DECLARE_KERNEL(NAME, symbol) extern void symbol(uint64 argument);
GSTORE_KERNELS(DECLARE_KERNEL)
#undef DECLARE_KERNEL

#include "kernels.cu"
