/*
 * devices.c
 *	  The table of devices in main shared memory.
 *
 * Written by the keeper, or on the host device once by the postmaster; read
 * without locks by everybody.  Must never call a keeper-only device.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "device/arena.h"
#include "device/location.h"
#include "guc.h"
#include "request/devices.h"
#include "request/wait_event.h"

/* How long a statement waits for a starting keeper. */
#define START_TIMEOUT_MS 30000

static GstoreDevices *devices = NULL;

/* ---- shared memory ---- */

void
gstore_devices_publish_host(void)
{
	static bool opened = false;
	GstoreDeviceConfig config = {0};
	GstoreDeviceInfo info;
	GstoreDeviceError error;
	GstoreArenaUsage pool;

	gstore_arena_usage(GSTORE_ARENA_POOL, &pool);
	config.arena_base = gstore_arena_mapping(&config.arena_bytes);
	config.completion_fd = -1;

	/* After a crash the postmaster comes here again, with the device open. */
	memset(&info, 0, sizeof(info));
	if ((!opened && !gstore_host_device.open(&config, &error)) ||
		!gstore_host_device.describe(0, &info, &error))
	{
		gstore_devices_publish_failure(&error);
		return;
	}
	opened = true;
	gstore_devices_publish(&info, &pool.total, 1, true);
}

Size
gstore_devices_shmem_size(void)
{
	return MAXALIGN(sizeof(GstoreDevices));
}

void
gstore_devices_shmem_startup(void)
{
	bool found;

	devices = ShmemInitStruct("gstore_fdw devices", sizeof(GstoreDevices),
							  &found);
	if (found)
		return;

	memset(devices, 0, sizeof(GstoreDevices));
	ConditionVariableInit(&devices->changed);
	for (int i = 0; i < GSTORE_MAX_DEVICES; i++)
	{
		pg_atomic_init_u32(&devices->slots[i].state, GSTORE_DEVICE_STARTING);
		pg_atomic_init_u32(&devices->slots[i].epoch, 1);
		SpinLockInit(&devices->slots[i].mutex);
		pg_atomic_init_u64(&devices->slots[i].used, 0);
	}
	if (gstore_guc_device == GSTORE_CHOOSE_HOST)
		gstore_devices_publish_host();
}

/* ---- reading ---- */

static bool
is_resolved(void)
{
	bool resolved = *(volatile bool *) &devices->resolved;

	pg_read_barrier();
	return resolved;
}

static void
wait_until_resolved(void)
{
	TimestampTz give_up = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  START_TIMEOUT_MS);

	ConditionVariablePrepareToSleep(&devices->changed);
	while (!is_resolved())
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													give_up);

		if (left <= 0)
		{
			ConditionVariableCancelSleep();
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the GPU memory keeper did not start within %d seconds",
							START_TIMEOUT_MS / 1000),
					 errhint("See the server log; max_worker_processes must leave room for two more background workers.")));
		}
		(void) ConditionVariableTimedSleep(&devices->changed, left,
										   gstore_wait_event(GSTORE_WAIT_KEEPER_START));
	}
	ConditionVariableCancelSleep();
}

GstoreDevices *
gstore_devices(void)
{
	if (devices == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gstore_fdw was not loaded at server start"),
				 errhint("Add \"gstore_fdw\" to shared_preload_libraries and restart the server.")));
	if (!is_resolved())
		wait_until_resolved();
	if (devices->failed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no device can be used"),
				 errdetail("%.64s: %.192s.", devices->failure.what,
						   devices->failure.text),
				 errhint("Set gstore_fdw.device to \"host\" to keep tables in shared memory without a GPU.")));
	return devices;
}

GstoreDevices *
gstore_devices_nowait(void)
{
	return devices != NULL && is_resolved() ? devices : NULL;
}

GstoreDeviceSlot *
gstore_device_slot(int pinning)
{
	GstoreDevices *table = gstore_devices();

	if (pinning < 0 || pinning >= table->count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no device %d", pinning),
				 table->count == 1 ? errdetail("The only device is 0.") : errdetail("The devices are 0 to %d.", table->count - 1),
				 errhint("Set the table option \"pinning\" to one of them.")));
	return &table->slots[pinning];
}

bool
gstore_location_alive(int device, uint32 epoch, uint8 kind)
{
	if (kind == GSTORE_LOCATION_ARENA)
		return true;
	if ((kind != GSTORE_LOCATION_DEVICE && kind != GSTORE_LOCATION_OPENED) ||
		devices == NULL || device < 0 || device >= GSTORE_MAX_DEVICES)
		return false;
	return pg_atomic_read_u32(&devices->slots[device].epoch) == epoch;
}

/* ---- charging ---- */

bool
gstore_device_charge(GstoreDeviceSlot *slot, GstoreLocationKind kind,
					 uint64 bytes, uint64 *available)
{
	uint64 used;
	bool fits;

	SpinLockAcquire(&slot->mutex);
	used = pg_atomic_read_u64(&slot->used);
	*available = used < slot->limit ? slot->limit - used : 0;
	fits = bytes <= *available;
	if (fits)
	{
		pg_atomic_write_u64(&slot->used, used + bytes);
		if (kind == GSTORE_LOCATION_ARENA)
			slot->in_arena += bytes;
	}
	SpinLockRelease(&slot->mutex);
	return fits;
}

void
gstore_device_uncharge(GstoreDeviceSlot *slot, GstoreLocationKind kind,
					   uint32 epoch, uint64 bytes)
{
	SpinLockAcquire(&slot->mutex);
	if (kind == GSTORE_LOCATION_ARENA ||
		pg_atomic_read_u32(&slot->epoch) == epoch)
	{
		pg_atomic_write_u64(&slot->used,
							pg_atomic_read_u64(&slot->used) - bytes);
		if (kind == GSTORE_LOCATION_ARENA)
			slot->in_arena -= bytes;
	}
	SpinLockRelease(&slot->mutex);
}

/* ---- the keeper's side ---- */

static void
set_resolved(void)
{
	pg_write_barrier();
	devices->resolved = true;

	/* In the postmaster there is nobody to wake, nor a PGPROC to do it with. */
	if (MyProc != NULL)
		ConditionVariableBroadcast(&devices->changed);
}

void
gstore_devices_publish(const GstoreDeviceInfo *infos, const uint64 *limits,
					   int count, bool on_host)
{
	Assert(count <= GSTORE_MAX_DEVICES);
	for (int i = 0; i < count; i++)
	{
		GstoreDeviceSlot *slot = &devices->slots[i];

		slot->info = infos[i];
		slot->limit = limits[i];
		pg_write_barrier();
		pg_atomic_write_u32(&slot->state, GSTORE_DEVICE_READY);
	}
	devices->on_host = on_host;
	devices->count = count;
	devices->failed = false;
	set_resolved();
}

void
gstore_devices_publish_failure(const GstoreDeviceError *error)
{
	devices->failure = *error;
	pg_write_barrier();
	devices->failed = true;
	set_resolved();
}

void
gstore_devices_mark_down(void)
{
	if (devices->on_host)
		return;
	for (int i = 0; i < GSTORE_MAX_DEVICES; i++)
	{
		GstoreDeviceSlot *slot = &devices->slots[i];

		if (pg_atomic_read_u32(&slot->state) != GSTORE_DEVICE_READY)
			continue;
		pg_atomic_write_u32(&slot->state, GSTORE_DEVICE_DOWN);
		SpinLockAcquire(&slot->mutex);
		pg_atomic_fetch_add_u32(&slot->epoch, 1);
		pg_atomic_write_u64(&slot->used, slot->in_arena);
		SpinLockRelease(&slot->mutex);
	}
}
