/*
 * devices.h
 *	  What every process knows of the devices, in main shared memory: who they
 *	  are, whether they live, how much of them is used.
 *
 * The keeper writes everything but `used` and `in_arena` (which whoever takes
 * or gives memory changes, under the slot's mutex) and sets resolved last, with
 * a write barrier.  With gstore_fdw.device = host the shmem startup hook fills
 * it in, so that no backend waits for the keeper.
 */
#ifndef GSTORE_DEVICES_H
#define GSTORE_DEVICES_H

#include "device/device.h"
#include "device/location.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"

typedef enum GstoreDeviceState
{
	GSTORE_DEVICE_STARTING = 0, /* the keeper opens it */
	GSTORE_DEVICE_READY,
	GSTORE_DEVICE_DOWN /* lost; the keeper restarts */
} GstoreDeviceState;

typedef struct GstoreDeviceSlot
{
	GstoreDeviceInfo info;
	pg_atomic_uint32 state; /* GstoreDeviceState */
	pg_atomic_uint32 epoch; /* 1 at first start, ++ when memory was lost;
								 * a location of another epoch is lost */
	slock_t mutex;			/* held while used and in_arena change, and
								 * while an epoch ends */
	pg_atomic_uint64 used;	/* bytes in allocations that hold chunks or
								 * exports, arena extents of small images in it */
	uint64 in_arena;		/* bytes of it in the arena; under the mutex.  An
								 * epoch that ends leaves these */
	uint64 limit;			/* bytes we may use */
} GstoreDeviceSlot;

typedef struct GstoreDevices
{
	bool resolved; /* host or cuda is decided, or failed */
	bool on_host;  /* the device is the arena */
	bool failed;   /* no device could be opened: failure says why;
								 * the keeper goes on trying */
	int count;
	GstoreDeviceError failure;
	ConditionVariable changed; /* broadcast when resolved is set */
	GstoreDeviceSlot slots[GSTORE_MAX_DEVICES];
} GstoreDevices;

extern size_t gstore_devices_shmem_size(void);
extern void gstore_devices_shmem_startup(void);

/* The table, once resolved; waits for a starting keeper (interruptible, at
 * most 30 s), then raises 55000, as it does when no device could be opened. */
extern GstoreDevices *gstore_devices(void);
/* The same without waiting: the keeper, views. */
extern GstoreDevices *gstore_devices_nowait(void);
/* Raises 22023 naming the legal numbers unless pinning is a device. */
extern GstoreDeviceSlot *gstore_device_slot(int pinning);
/* True when the location's bytes are still there.  What lies in the arena
 * stays as long as the catalogue does. */
extern bool gstore_location_alive(int device, uint32 epoch, uint8 kind);

/*
 * Add bytes to what is used of a device; false, with *available, when that
 * would pass its limit.  Undone by gstore_device_uncharge(), which does nothing
 * for bytes on a device whose epoch has ended.  Neither raises nor allocates.
 */
extern bool gstore_device_charge(GstoreDeviceSlot *slot,
								 GstoreLocationKind kind, uint64 bytes,
								 uint64 *available);
extern void gstore_device_uncharge(GstoreDeviceSlot *slot,
								   GstoreLocationKind kind, uint32 epoch,
								   uint64 bytes);

/* ---- the keeper's side ---- */

/* These devices are ready: limits[i] bytes of devices[i] may be used. */
extern void gstore_devices_publish(const GstoreDeviceInfo *devices,
								   const uint64 *limits, int count,
								   bool on_host);
/* The arena is the device. */
extern void gstore_devices_publish_host(void);
/* None could be opened. */
extern void gstore_devices_publish_failure(const GstoreDeviceError *error);
/* What the devices held is lost: ends the epoch of those that were ready.
 * The arena loses nothing. */
extern void gstore_devices_mark_down(void);

#endif
