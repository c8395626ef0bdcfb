/*
 * device.h
 *	  The one table of callbacks behind which every kind of device stands, and
 *	  the words in which a device is spoken of.
 *
 * There are two rooms: host.c (device memory is the arena) and cuda.c (the
 * CUDA driver, opened with dlopen).  Neither includes a PostgreSQL header,
 * neither raises: every call returns true, or false with *error filled.  One
 * place, error.c, turns a GstoreDeviceError into an SQLSTATE and a message.
 *
 * Only the keeper calls a device whose ops say keeper_only.
 */
#ifndef GSTORE_DEVICE_H
#define GSTORE_DEVICE_H

#include "kernel.h"
#include "port.h"

/* Most devices one keeper serves; pinning is below it. */
#define GSTORE_MAX_DEVICES 16

/* A device allocation is a multiple of this: smaller CUDA allocations share a
 * 2 MiB block, and an IPC handle exposes the whole block (CUDA C Programming
 * Guide, "Interprocess Communication"). */
#define GSTORE_DEVICE_GRANULE (UINT64_C(2) << 20)

/* What went wrong, in classes that map one to one to an SQLSTATE. */
typedef enum GstoreDeviceErrorKind
{
	GSTORE_DEVICE_OK = 0,
	GSTORE_DEVICE_OUT_OF_MEMORY, /* 53200: asks for more than is free */
	GSTORE_DEVICE_LOST,			 /* 58030: sticky error; the context is dead */
	GSTORE_DEVICE_UNAVAILABLE,	 /* 55000: no library, driver or device */
	GSTORE_DEVICE_INVALID,		 /* 22023: the caller's value was refused */
	GSTORE_DEVICE_UNSUPPORTED,	 /* 0A000: this device cannot do it */
	GSTORE_DEVICE_FAILED		 /* 58000: anything else the device said */
} GstoreDeviceErrorKind;

typedef struct GstoreDeviceError
{
	GstoreDeviceErrorKind kind;
	int32 code;		/* CUresult on cuda, errno on host, else 0 */
	char what[64];	/* the call: "cuMemAlloc_v2" */
	char text[192]; /* the device's own name and words for code */
} GstoreDeviceError;

/* What does not change while a device is open. */
typedef struct GstoreDeviceInfo
{
	int32 number;		 /* 0 .. count - 1; what "pinning" names */
	char kind[8];		 /* "host" or "cuda" */
	char name[96];		 /* the device's own name */
	char uuid[40];		 /* 8-4-4-4-12 hex digits; empty on host */
	uint64 total_bytes;	 /* memory the device has for everybody */
	int32 compute_major; /* compute capability; 0 on host */
	int32 compute_minor;
	int32 driver_version;  /* of CUDA, as 12040 for 12.4; 0 on host */
	int32 multiprocessors; /* streaming multiprocessors; CPUs on host */
	uint64 memory_rate;	   /* bytes a second at best; 0: not known */
	bool ipc_capable;	   /* memory can be exported to processes */
	bool has_kernels;	   /* launch works; else without_kernels says why not */
	char without_kernels[160];
} GstoreDeviceInfo;

/* An address on a device: CUdeviceptr on cuda, byte offset in the arena on
 * host.  Never dereferenced outside device/. */
typedef uint64 GstoreDeviceAddress;

/* A queue of copies that complete in order; streams are independent. */
typedef struct GstoreStream GstoreStream;

/* 64 opaque bytes that name an exported allocation: CUipcMemHandle. */
typedef struct GstoreIpcHandle
{
	uint8 bytes[64];
} GstoreIpcHandle;

typedef struct GstoreDeviceConfig
{
	const char *cuda_library; /* file name for dlopen; cuda only */
	void *arena_base;		  /* the arena's mapping, and its bytes */
	uint64 arena_bytes;
	int completion_fd; /* eventfd written when a stream may have
								 * advanced; -1: poll only */
} GstoreDeviceConfig;

typedef struct GstoreDeviceOps
{
	const char *kind; /* "host" or "cuda" */
	bool keeper_only; /* no backend may call it */

	/* Open the library and every device.  Once per process; close undoes. */
	bool (*open)(const GstoreDeviceConfig *config,
				 GstoreDeviceError *error);
	void (*close)(void);

	int (*count)(void);
	bool (*describe)(int device, GstoreDeviceInfo *info,
					 GstoreDeviceError *error);
	/* Free bytes now, all users of the device counted. */
	bool (*free_bytes)(int device, uint64 *bytes,
					   GstoreDeviceError *error);

	/* Page-lock [base, base + bytes) for all devices; unlocked by close. */
	bool (*register_staging)(void *base, uint64 bytes,
							 GstoreDeviceError *error);

	/* May block and synchronise the device: call on the helper thread. */
	bool (*alloc)(int device, uint64 bytes,
				  GstoreDeviceAddress *address,
				  GstoreDeviceError *error);
	bool (*free)(int device, GstoreDeviceAddress address,
				 GstoreDeviceError *error);

	bool (*stream_create)(int device, GstoreStream **stream,
						  GstoreDeviceError *error);
	void (*stream_destroy)(GstoreStream *stream);
	/* Asynchronous; host memory must be page-locked and stay as it is until
	 * the stream is done. */
	bool (*copy_to_device)(GstoreStream *stream,
						   GstoreDeviceAddress to, const void *from,
						   uint64 bytes, GstoreDeviceError *error);
	bool (*copy_to_host)(GstoreStream *stream, void *to,
						 GstoreDeviceAddress from, uint64 bytes,
						 GstoreDeviceError *error);
	bool (*copy_on_device)(GstoreStream *stream,
						   GstoreDeviceAddress to,
						   GstoreDeviceAddress from, uint64 bytes,
						   GstoreDeviceError *error);
	bool (*fill)(GstoreStream *stream, GstoreDeviceAddress to,
				 uint8 value, uint64 bytes, GstoreDeviceError *error);
	/*
	 * Run a kernel with so many bytes of shared memory per block.  blocks is
	 * how many could be of use: no more are made than the device can run at
	 * once, so a kernel goes over its work in steps of what there is.
	 */
	bool (*launch)(GstoreStream *stream, GstoreKernel kernel,
				   GstoreDeviceAddress argument, uint32 blocks,
				   uint32 shared_bytes, GstoreDeviceError *error);
	/* Ask for a write to completion_fd when all queued so far is done. */
	bool (*stream_notify)(GstoreStream *stream,
						  GstoreDeviceError *error);
	/* *done: all that was queued has completed.  False: it failed. */
	bool (*stream_query)(GstoreStream *stream, bool *done,
						 GstoreDeviceError *error);

	/* Sharing.  close_handle takes what open_handle gave. */
	bool (*export_handle)(int device, GstoreDeviceAddress address,
						  GstoreIpcHandle *handle,
						  GstoreDeviceError *error);
	bool (*open_handle)(int device, const GstoreIpcHandle *handle,
						GstoreDeviceAddress *address, uint64 *bytes,
						GstoreDeviceError *error);
	bool (*close_handle)(int device, GstoreDeviceAddress address,
						 GstoreDeviceError *error);
} GstoreDeviceOps;

extern const GstoreDeviceOps gstore_host_device;
extern const GstoreDeviceOps gstore_cuda_device;

#endif
