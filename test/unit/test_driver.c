/*
 * test_driver.c
 *	  What device/driver.h declares is what cuda.h declares.
 *
 * The comparison is made by the compiler: a difference is an error.  Without
 * the toolkit there is nothing to compare with.
 */
#include <stdio.h>

#if __has_include("/usr/local/cuda/include/cuda.h")
#include "/usr/local/cuda/include/cuda.h"
#include "device/driver.h"

#define SAME_VALUE(name, value) \
	StaticAssertDecl((int) name == (value), #name " has another value");
#define SAME_SIGNATURE(symbol, name, version, parameters) \
	extern CUresult CUDAAPI symbol parameters;

GSTORE_DRIVER_RESULTS(SAME_VALUE)
GSTORE_DRIVER_ATTRIBUTES(SAME_VALUE)
SAME_VALUE(CU_GET_PROC_ADDRESS_SUCCESS, 0)
SAME_VALUE(CU_CTX_SCHED_BLOCKING_SYNC, 4)
SAME_VALUE(CU_MEMHOSTREGISTER_PORTABLE, 1)
SAME_VALUE(CU_STREAM_NON_BLOCKING, 1)
SAME_VALUE(CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS, 1)

/* A declaration that differs from the one in cuda.h does not compile. */
GSTORE_DRIVER_CALLS(SAME_SIGNATURE)
GSTORE_DRIVER_CLIENT_CALLS(SAME_SIGNATURE)
GSTORE_DRIVER_ENTRY(SAME_SIGNATURE)

StaticAssertDecl(sizeof(CUresult) == sizeof(int), "CUresult is an int");
StaticAssertDecl(sizeof(CUdevice_attribute) == sizeof(int),
				 "CUdevice_attribute is an int");
StaticAssertDecl(sizeof(CUdevice) == sizeof(int), "CUdevice is an int");
StaticAssertDecl(sizeof(CUdeviceptr) == 8, "CUdeviceptr has 8 bytes");
StaticAssertDecl(sizeof(CUuuid) == 16, "CUuuid has 16 bytes");
StaticAssertDecl(sizeof(CUipcMemHandle) == 64, "CUipcMemHandle has 64 bytes");
StaticAssertDecl(sizeof(cuuint64_t) == sizeof(GstoreDriverFlags),
				 "cuuint64_t has 8 bytes");

int
main(void)
{
	printf("1..1\nok 1 - driver.h agrees with cuda.h of CUDA %d.%d\n",
		   CUDA_VERSION / 1000, CUDA_VERSION % 1000 / 10);
	return 0;
}
#else
int
main(void)
{
	printf("1..0 # SKIP no cuda.h\n");
	return 0;
}
#endif
