/*
 * handle.h
 *	  The 64 bytes by which another process reaches an image.
 */
#ifndef GSTORE_HANDLE_H
#define GSTORE_HANDLE_H

#include "request/request.h"

/*
 * A handle of an image, which the caller keeps pinned: on a GPU the
 * CUipcMemHandle of its allocation, the same each time; on the host device
 * random bytes, which mean something only to a lease that has them.  Small
 * images of a server with GPUs are in host memory and have none: 55000.
 */
extern void gstore_handle_make(GstoreLocation location, GstoreIpcHandle *handle,
							   const char *purpose);

/*
 * Would a GPU's driver give a handle now?  Asks it, with memory of its own;
 * false: what it says.  Interruptible.
 */
extern bool gstore_handle_probe(int device, GstoreDeviceError *error);

/* Has it a handle? */
extern bool gstore_handle_is_possible(GstoreLocation location);

/* On the host device: the file that processes of the server's user can map, and
 * where in it the image begins.  The path is palloc'd. */
extern char *gstore_handle_host_file(GstoreLocation location, uint64 *offset);

#endif
