/*
 * diagnose.c
 *	  gstore_diagnose(): what sharing memory with other programs needs, and
 *	  whether it is so here.
 *
 * Looks rather than guesses: a GPU's driver is asked for a handle, the host
 * device's file is opened, and a program is compared with the server.  Must
 * raise for nothing that it can tell in a row instead.
 */
#include "postgres.h"

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "compat.h"
#include "guc.h"
#include "request/devices.h"
#include "request/handle.h"
#include "share/lease.h"

/* DEPENDS: on a program that is not known. */
typedef enum Answer
{
	NOT_OK,
	OK,
	DEPENDS
} Answer;

#define FOR_THE_SERVER (-1)

/* ---- rows ---- */

static void
add(ReturnSetInfo *result, const char *subject, int device, const char *found,
	Answer answer, const char *detail)
{
	Datum values[5];
	bool nulls[5] = {false};

	values[0] = CStringGetTextDatum(subject);
	values[1] = Int32GetDatum(device);
	nulls[1] = device == FOR_THE_SERVER;
	nulls[2] = found == NULL;
	if (!nulls[2])
		values[2] = CStringGetTextDatum(found);
	values[3] = BoolGetDatum(answer == OK);
	nulls[3] = answer == DEPENDS;
	nulls[4] = answer == OK;
	if (!nulls[4])
		values[4] = CStringGetTextDatum(detail);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static char *
error_text(const GstoreDeviceError *error)
{
	return psprintf("%.64s: %.192s", error->what, error->text);
}

/* ---- the operating system ---- */

/* The beginning of a file, or NULL with errno. */
static char *
read_text(const char *path)
{
	char text[4096];
	int file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	ssize_t bytes;

	if (file < 0)
		return NULL;
	bytes = read(file, text, sizeof(text) - 1);
	CloseTransientFile(file);
	if (bytes < 0)
		return NULL;
	while (bytes > 0 && text[bytes - 1] == '\n')
		bytes--;
	return pnstrdup(text, bytes);
}

/* The pid namespace of a process, or NULL with errno. */
static char *
pid_namespace(const char *process)
{
	char text[64];
	char *path = psprintf("/proc/%s/ns/pid", process);
	ssize_t bytes = readlink(path, text, sizeof(text) - 1);

	return bytes < 0 ? NULL : pnstrdup(text, bytes);
}

static char *
user_name(uid_t user)
{
	const struct passwd *entry = getpwuid(user);

	return entry != NULL ? psprintf("%s (%u)", entry->pw_name, (unsigned) user)
						 : psprintf("%u", (unsigned) user);
}

/* Whom a process runs as; false with errno. */
static bool
user_of(const char *process, uid_t *user)
{
	const char *status = read_text(psprintf("/proc/%s/status", process));
	const char *line = status != NULL ? strstr(status, "\nUid:") : NULL;
	unsigned real;
	unsigned effective;

	if (status == NULL)
		return false;
	errno = EINVAL;
	if (line == NULL || sscanf(line, "\nUid: %u %u", &real, &effective) != 2)
		return false;
	*user = effective;
	return true;
}

static void
check_user(ReturnSetInfo *result, const char *process)
{
	char *own = user_name(geteuid());
	uid_t user;

	if (process == NULL)
		add(result, "user", FOR_THE_SERVER, own, DEPENDS,
			"The other program must run as this user.");
	else if (!user_of(process, &user))
		add(result, "user", FOR_THE_SERVER, own, NOT_OK,
			psprintf("Process %s: %s.", process, strerror(errno)));
	else if (user != geteuid())
		add(result, "user", FOR_THE_SERVER, own, NOT_OK,
			psprintf("Process %s runs as %s.", process, user_name(user)));
	else
		add(result, "user", FOR_THE_SERVER, own, OK, NULL);
}

static void
check_pid_namespace(ReturnSetInfo *result, const char *process)
{
	char *own = pid_namespace("self");
	char *its = process != NULL ? pid_namespace(process) : NULL;

	if (own == NULL)
		add(result, "pid namespace", FOR_THE_SERVER, NULL, NOT_OK,
			psprintf("/proc/self/ns/pid: %s.", strerror(errno)));
	else if (process == NULL)
		add(result, "pid namespace", FOR_THE_SERVER, own, DEPENDS,
			"The other program must be in this namespace: its /proc/self/ns/pid tells.");
	else if (its == NULL)
		add(result, "pid namespace", FOR_THE_SERVER, own, NOT_OK,
			psprintf("Process %s: %s.", process, strerror(errno)));
	else if (strcmp(own, its) != 0)
		add(result, "pid namespace", FOR_THE_SERVER, own, NOT_OK,
			psprintf("Process %s is in %s.", process, its));
	else
		add(result, "pid namespace", FOR_THE_SERVER, own, OK, NULL);
}

/* ---- GPUs ---- */

static void
check_system(ReturnSetInfo *result)
{
	char *release = read_text("/proc/sys/kernel/osrelease");

	/* "Microsoft" in the first version, "microsoft" in the second. */
	if (release != NULL && strstr(release, "icrosoft") != NULL)
		add(result, "system", FOR_THE_SERVER, release, NOT_OK,
			"Under WSL memory of GPUs cannot be shared between processes.");
	else
		add(result, "system", FOR_THE_SERVER, release, OK, NULL);
}

/* As the driver names a part of a GPU: "NVIDIA A100-SXM4-40GB MIG 1g.5gb". */
static bool
is_mig(const GstoreDeviceInfo *info)
{
	return strstr(info->name, " MIG ") != NULL;
}

static void
check_gpu(ReturnSetInfo *result, GstoreDeviceSlot *slot)
{
	const GstoreDeviceInfo *info = &slot->info;
	GstoreDeviceError error = {0};

	add(result, "MIG", info->number, is_mig(info) ? "yes" : "no",
		is_mig(info) ? NOT_OK : OK,
		"Memory of a part of a GPU cannot be shared between processes: use the whole GPU.");
	if (!info->ipc_capable)
		add(result, "sharing", info->number, "no unified addressing", NOT_OK,
			"The driver shares memory only of devices with unified addressing.");
	else if (pg_atomic_read_u32(&slot->state) != GSTORE_DEVICE_READY)
		add(result, "sharing", info->number, NULL, NOT_OK,
			"Cannot be tried while the device is not ready.");
	else if (!gstore_handle_probe(info->number, &error))
		add(result, "sharing", info->number, "refused", NOT_OK,
			psprintf("%s.", error_text(&error)));
	else
		add(result, "sharing", info->number, "the driver gives handles", OK,
			NULL);
}

/* ---- shared memory ---- */

/* What a program does that maps it. */
static void
check_host_file(ReturnSetInfo *result)
{
	GstoreLocation location = {.kind = GSTORE_LOCATION_ARENA};
	uint64 offset;
	char *path = gstore_handle_host_file(location, &offset);
	int file = OpenTransientFile(path, O_RDWR | PG_BINARY);

	if (file < 0)
		add(result, "sharing", 0, path, NOT_OK,
			psprintf("%s cannot be opened: %s.", path, strerror(errno)));
	else
	{
		CloseTransientFile(file);
		add(result, "sharing", 0, path, OK, NULL);
	}
}

/* ---- devices ---- */

static void
check_driver(ReturnSetInfo *result, const GstoreDevices *devices)
{
	int version = devices->slots[0].info.driver_version;

	if (devices->failed)
		add(result, "driver", FOR_THE_SERVER, gstore_guc_cuda_library, NOT_OK,
			psprintf("%s.", error_text(&devices->failure)));
	else if (devices->on_host)
		add(result, "driver", FOR_THE_SERVER, "none", OK, NULL);
	else
		add(result, "driver", FOR_THE_SERVER,
			psprintf("CUDA %d.%d", version / 1000, version % 1000 / 10), OK,
			NULL);
}

static void
check_device(ReturnSetInfo *result, GstoreDeviceSlot *slot, bool on_host)
{
	const GstoreDeviceInfo *info = &slot->info;
	bool ready = pg_atomic_read_u32(&slot->state) == GSTORE_DEVICE_READY;

	add(result, "device", info->number, info->name, ready ? OK : NOT_OK,
		"It was lost; the keeper opens it again.");
	if (on_host)
		check_host_file(result);
	else
		check_gpu(result, slot);
}

static void
check_devices(ReturnSetInfo *result)
{
	GstoreDevices *devices = gstore_devices_nowait();
	int nleases;

	if (devices == NULL)
	{
		add(result, "kind of device", FOR_THE_SERVER, NULL, NOT_OK,
			gstore_lease_are_there()
				? "The keeper has not opened a device yet; the server log tells more."
				: "gstore_fdw is not in shared_preload_libraries.");
		return;
	}
	add(result, "kind of device", FOR_THE_SERVER,
		devices->failed ? NULL : devices->slots[0].info.kind,
		devices->failed ? NOT_OK : OK, "No device can be used.");
	check_driver(result, devices);
	for (int i = 0; !devices->failed && i < devices->count; i++)
		check_device(result, &devices->slots[i], devices->on_host);
	(void) gstore_leases(&nleases);
	add(result, "exports", FOR_THE_SERVER,
		psprintf("%d of %d", nleases, gstore_guc_max_exports),
		nleases < gstore_guc_max_exports ? OK : NOT_OK,
		"No more images can be exported: raise gstore_fdw.max_exports.");
}

/*
 * gstore_diagnose(program): a row for each thing that matters.  With the pid of
 * a program, as the server's pid namespace counts, that one is looked at too.
 */
PG_FUNCTION_INFO_V1(gstore_diagnose);

Datum
gstore_diagnose(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char *process = PG_ARGISNULL(0) ? NULL
									: psprintf("%d", PG_GETARG_INT32(0));

	InitMaterializedSRF(fcinfo, 0);
	check_devices(result);
	check_system(result);
	check_user(result, process);
	check_pid_namespace(result, process);
	return (Datum) 0;
}
