/*
 * keeper.c
 *	  The background worker: how it starts, waits and ends.
 *
 * It opens the devices, publishes them, and then serves until it is told to
 * stop or loses a device.  However it ends, it is started again a second
 * later, as a new process, which begins a new epoch: what devices held is lost.
 *
 * The loop waits for its latch (requests, signals), for the postmaster's death
 * and for an eventfd, to which the device writes when copies are done and the
 * helper threads when a job is.  All signals are blocked while devices are
 * called, so that threads which a driver makes inherit that.
 *
 * Must never exit with code 0, after which it would not be started again, nor
 * wait for a lock that a statement may keep.
 */
#include "postgres.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "device/arena.h"
#include "guc.h"
#include "keeper/helper.h"
#include "keeper/keeper.h"
#include "keeper/serve.h"
#include "request/devices.h"
#include "request/request.h"
#include "request/staging.h"
#include "request/wait_event.h"

#define KEEPER_NAME "gstore_fdw GPU memory keeper"

/* While copies run: a device that fails need not say so.  And a stream that
 * says it is done is so only once its callback has returned, which may be after
 * we have looked: so the first looks come soon one after the other. */
#define SOON_TIMEOUT_MS 1
#define BUSY_TIMEOUT_MS 50
/* When nothing is to be done. */
#define IDLE_TIMEOUT_MS 10000
/* Before the next attempt to open a device that could not be opened. */
#define RETRY_INTERVAL_MS 15000
/* How long the end waits for a device call that blocks. */
#define HELPER_TIMEOUT_MS 2000

GstoreKeeperHooks gstore_keeper_hooks;

static int completion_fd = -1;
static const GstoreDeviceOps *open_device = NULL;

/* ---- registration ---- */

void
gstore_keeper_register(void)
{
	BackgroundWorker worker = {0};

	if (IsBinaryUpgrade)
		return;
	strlcpy(worker.bgw_name, KEEPER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, KEEPER_NAME, BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_PostmasterStart;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "gstore_fdw",
			sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "gstore_keeper_main",
			sizeof(worker.bgw_function_name));
	RegisterBackgroundWorker(&worker);
}

/* ---- the end ---- */

/*
 * Whatever the reason: from now on nobody asks us, and what the devices held
 * is lost.  Requests under way stay as they are: our successor fails them,
 * when no copy can be running any more.
 */
static void
take_leave(int code, Datum argument)
{
	gstore_request_keeper_detach();
	if (open_device != NULL)
		gstore_devices_mark_down();
}

/*
 * Close the device.  If a helper thread sticks in the driver, closing it
 * under the thread, or running the driver's exit handlers, could crash: a
 * crash here would take the server down, leaving this way does not.
 */
static void
close_device(int code, Datum argument)
{
	if (open_device == NULL)
		return;
	if (!gstore_helper_stop(HELPER_TIMEOUT_MS))
		_exit(1);
	open_device->close();
	open_device = NULL;
}

/* ---- the beginning ---- */

/* Tell everybody of the devices; requests may come from the moment they know.
 * Where several GPUs are opened, all must be good. */
static bool
publish_devices(GstoreDeviceError *error)
{
	GstoreDeviceInfo infos[GSTORE_MAX_DEVICES];
	uint64 limits[GSTORE_MAX_DEVICES];
	int count = Min(open_device->count(), GSTORE_MAX_DEVICES);

	memset(infos, 0, sizeof(infos));
	for (int i = 0; i < count; i++)
	{
		if (!open_device->describe(i, &infos[i], error))
			return false;
		limits[i] = infos[i].total_bytes;
		if (gstore_guc_device_memory > 0)
			limits[i] = Min(limits[i],
							(uint64) gstore_guc_device_memory << 20);
		ereport(LOG,
				(errmsg("gstore_fdw keeps tables on device %d: %s",
						i, infos[i].name),
				 errdetail("%llu MB of its %llu MB may be used.",
						   (unsigned long long) (limits[i] >> 20),
						   (unsigned long long) (infos[i].total_bytes >> 20))));
		if (!infos[i].has_kernels)
			ereport(LOG,
					(errmsg("gstore_fdw leaves computing on what device %d holds to the CPU",
							i),
					 errdetail("%.160s.", infos[i].without_kernels)));
	}
	gstore_request_keeper_attach();
	gstore_devices_publish(infos, limits, count, false);
	return true;
}

/* Open the CUDA device and what goes with it; false with *error. */
static bool
open_cuda(GstoreDeviceError *error)
{
	GstoreDeviceConfig config = {0};
	void *staging;
	uint64 staging_bytes;

	staging = gstore_arena_staging(&staging_bytes);
	config.cuda_library = gstore_guc_cuda_library;
	config.arena_base = gstore_arena_mapping(&config.arena_bytes);
	config.completion_fd = completion_fd;
	if (!gstore_cuda_device.open(&config, error))
		return false;
	open_device = &gstore_cuda_device;

	if (!gstore_staging_open())
	{
		memset(error, 0, sizeof(*error));
		error->kind = GSTORE_DEVICE_UNAVAILABLE;
		strlcpy(error->what, "staging memory", sizeof(error->what));
		snprintf(error->text, sizeof(error->text),
				 "%llu bytes could not be had",
				 (unsigned long long) staging_bytes);
		return false;
	}
	if (!open_device->register_staging(staging, staging_bytes, error))
		return false;
	if (!gstore_helper_start(open_device, completion_fd))
	{
		memset(error, 0, sizeof(*error));
		error->kind = GSTORE_DEVICE_UNAVAILABLE;
		error->code = errno;
		strlcpy(error->what, "pthread_create", sizeof(error->what));
		strlcpy(error->text, strerror(errno), sizeof(error->text));
		return false;
	}
	return true;
}

/* Nothing can be served: say so, and end after a while, to be started again. */
static void
retry_later(const GstoreDeviceError *error)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													RETRY_INTERVAL_MS);

	gstore_devices_publish_failure(error);
	ereport(LOG,
			(errmsg("gstore_fdw cannot use any GPU"),
			 errdetail("%.64s: %.192s.", error->what, error->text),
			 errhint("Set gstore_fdw.device to \"host\" to keep tables in shared memory.")));
	sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
	while (!ShutdownRequestPending && GetCurrentTimestamp() < until)
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 RETRY_INTERVAL_MS, gstore_wait_event(GSTORE_WAIT_KEEPER_MAIN));
		ResetLatch(MyLatch);
	}
	proc_exit(1);
}

/*
 * Decide on the device and open it.  Once the server has had GPUs, it does not
 * turn to shared memory: tables would be lost for the sake of a hiccup.
 */
static void
open_devices(void)
{
	GstoreDevices *before = gstore_devices_nowait();
	bool had_cuda = before != NULL && !before->on_host &&
					before->count > 0;
	GstoreDeviceError error;

	if (before != NULL && before->on_host)
	{
		gstore_request_keeper_attach();
		return;
	}
	memset(&error, 0, sizeof(error));
	if (open_cuda(&error) && publish_devices(&error))
		return;
	if (gstore_guc_device == GSTORE_CHOOSE_CUDA || had_cuda)
		retry_later(&error);

	if (open_device != NULL)
		close_device(0, 0);
	ereport(LOG,
			(errmsg("gstore_fdw keeps tables in shared memory: no GPU can be used"),
			 errdetail("%.64s: %.192s.", error.what, error.text)));
	gstore_request_keeper_attach();
	gstore_devices_publish_host();
}

/* ---- the loop ---- */

static void
loop(void)
{
	MemoryContext context;
	WaitEventSet *events;
	long timeout = SOON_TIMEOUT_MS; /* while busy */

	MemoryContextSwitchTo(TopMemoryContext);
	events = gstore_create_wait_event_set(3);
	context = AllocSetContextCreate(TopMemoryContext, "gstore_fdw keeper loop",
									ALLOCSET_DEFAULT_SIZES);
	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL,
					  NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, completion_fd, NULL, NULL);
	MemoryContextSwitchTo(context);

	while (!ShutdownRequestPending)
	{
		WaitEvent event;
		uint64_t count;

		ResetLatch(MyLatch);
		if (read(completion_fd, &count, sizeof(count)) < 0)
			Assert(errno == EAGAIN || errno == EINTR);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		sigprocmask(SIG_SETMASK, &BlockSig, NULL);
		gstore_serve();
		sigprocmask(SIG_SETMASK, &UnBlockSig, NULL);
		MemoryContextReset(context);

		if (WaitEventSetWait(events,
							 gstore_serve_is_busy() ? timeout : IDLE_TIMEOUT_MS,
							 &event, 1, gstore_wait_event(GSTORE_WAIT_KEEPER_MAIN)) > 0)
			timeout = SOON_TIMEOUT_MS;
		else
			timeout = Min(2 * timeout, BUSY_TIMEOUT_MS);
	}
}

void
gstore_keeper_main(Datum argument)
{
	GstoreDeviceError restarted;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);

	/* Device and driver first, with all signals still blocked. */
	before_shmem_exit(take_leave, 0);
	on_proc_exit(close_device, 0);
	completion_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (completion_fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create an eventfd: %m")));

	/* Our predecessor may have died without a word; and only now that it is
	 * gone can nothing be copied for its requests any more. */
	gstore_devices_mark_down();
	memset(&restarted, 0, sizeof(restarted));
	restarted.kind = GSTORE_DEVICE_LOST;
	strlcpy(restarted.what, "keeper", sizeof(restarted.what));
	strlcpy(restarted.text, "it was restarted", sizeof(restarted.text));
	gstore_request_fail_all(&restarted);

	open_devices();
	gstore_serve_start(open_device);
	BackgroundWorkerUnblockSignals();
	loop();
	proc_exit(1);
}
