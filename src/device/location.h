/*
 * location.h
 *	  Where a chunk's bytes lie.  A location is a name, never a pointer: only
 *	  device/ and the views of request/view.h turn it into memory.
 */
#ifndef GSTORE_LOCATION_H
#define GSTORE_LOCATION_H

#include "port.h"

typedef enum GstoreLocationKind
{
	GSTORE_LOCATION_NONE = 0,
	GSTORE_LOCATION_ARENA,	/* an extent of the arena */
	GSTORE_LOCATION_DEVICE, /* an allocation of a keeper-only device */
	GSTORE_LOCATION_OPENED	/* another process's, which the keeper has opened */
} GstoreLocationKind;

typedef struct GstoreLocation
{
	uint8 kind;		/* GstoreLocationKind */
	int16 device;	/* the device it is charged to */
	uint32 epoch;	/* the device's epoch at allocation; the bytes
								 * are lost once the device has another */
	uint64 address; /* arena: byte offset of the extent; device:
								 * GstoreDeviceAddress */
	uint64 length;	/* bytes allocated, at least the image's */
} GstoreLocation;

StaticAssertDecl(sizeof(GstoreLocation) == 24, "GstoreLocation is 24 bytes");

#endif
