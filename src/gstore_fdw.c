/*
 * gstore_fdw.c
 *	  Wiring: settings, shared memory, hooks, the keeper, the handler.
 *
 * Nothing happens here that is not a call into a room.
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"

#include "device/arena.h"
#include "fault.h"
#include "fdw/ddl.h"
#include "fdw/routine.h"
#include "guc.h"
#include "keeper/keeper.h"
#include "keeper/maintenance.h"
#include "request/devices.h"
#include "request/hold.h"
#include "request/request.h"
#include "request/staging.h"
#include "share/lease.h"
#include "store/catalog.h"
#include "store/chunk.h"
#include "store/table.h"
#include "store/transaction.h"

PG_MODULE_MAGIC;

int gstore_guc_device = GSTORE_CHOOSE_AUTO;
int gstore_guc_host_memory = 0;
int gstore_guc_staging_memory = 256;
int gstore_guc_device_memory = 0;
int gstore_guc_chunk_size = 256 * 1024;
char *gstore_guc_cuda_library = NULL;
char *gstore_guc_fault = NULL;
int gstore_guc_small_image = 1024;
int gstore_guc_host_threads = 0;
bool gstore_guc_enable_pushdown = true;
bool gstore_guc_enable_pruning = true;
bool gstore_guc_enable_kernels = true;
int gstore_guc_max_exports = 1024;
int gstore_guc_max_session_exports = 256;
bool gstore_guc_autocompact = true;
bool gstore_preloaded = false;

static const struct config_enum_entry device_choices[] = {
	{"auto", GSTORE_CHOOSE_AUTO, false},
	{"host", GSTORE_CHOOSE_HOST, false},
	{"cuda", GSTORE_CHOOSE_CUDA, false},
	{NULL, 0, false}};

static shmem_request_hook_type next_shmem_request_hook;
static shmem_startup_hook_type next_shmem_startup_hook;

static void
define_server_settings(void)
{
	DefineCustomEnumVariable("gstore_fdw.device",
							 "Selects the kind of memory that holds the tables.",
							 "\"cuda\" is GPU memory, \"host\" is shared host memory, \"auto\" is cuda where there is a GPU and host elsewhere.",
							 &gstore_guc_device, GSTORE_CHOOSE_AUTO,
							 device_choices, PGC_POSTMASTER, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.host_memory",
							"Sets how much shared host memory tables may take.",
							"With CUDA this is for small chunks only. 0 means half of what the machine and its memory cgroup leave at server start.",
							&gstore_guc_host_memory, 0, 0, INT_MAX,
							PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.staging_memory",
							"Sets how much page-locked host memory data passes through on its way to and from GPUs.",
							"It is taken at server start where there is a GPU, and not at all on the host device.",
							&gstore_guc_staging_memory, 256, 16, INT_MAX / 2,
							PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.device_memory",
							"Sets how much memory of each GPU tables may take.",
							"0 means all that is there.",
							&gstore_guc_device_memory, 0, 0, INT_MAX,
							PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomBoolVariable("gstore_fdw.autocompact",
							 "Merges small chunks in the background.",
							 "gstore_compact() does it at once, whatever this is.",
							 &gstore_guc_autocompact, true, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.max_exports",
							"Sets how many exported images all sessions may have.",
							NULL,
							&gstore_guc_max_exports, 1024, 1, 1000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("gstore_fdw.cuda_library",
							   "Sets the name of the CUDA driver's library.",
							   "Only the keeper process opens it.",
							   &gstore_guc_cuda_library, "libcuda.so.1",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
}

static void
define_session_settings(void)
{
	DefineCustomIntVariable("gstore_fdw.chunk_size",
							"Sets the size at which a chunk of rows is closed.",
							"A session that loads a table needs about as much private memory.",
							&gstore_guc_chunk_size, 256 * 1024, 64,
							2 * 1024 * 1024, PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("gstore_fdw.enable_pushdown",
							 "Evaluates conditions where the data is.",
							 "Off leaves them all to PostgreSQL, row by row.",
							 &gstore_guc_enable_pushdown, true, PGC_USERSET,
							 GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("gstore_fdw.enable_pruning",
							 "Leaves out blocks of rows by the least and greatest values in them.",
							 NULL,
							 &gstore_guc_enable_pruning, true, PGC_USERSET,
							 GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomBoolVariable("gstore_fdw.enable_kernels",
							 "Computes on a GPU what lies there, where kernels can.",
							 "Off brings columns to host memory, for the CPU.",
							 &gstore_guc_enable_kernels, true, PGC_USERSET,
							 GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.host_threads",
							"Sets how many threads a query or load computes with on the CPU.",
							"0 means as many as there are CPUs it may run on.",
							&gstore_guc_host_threads, 0, 0, 256,
							PGC_USERSET, GUC_EXPLAIN, NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.max_session_exports",
							"Sets how many exported images one session may have.",
							NULL,
							&gstore_guc_max_session_exports, 256, 0, 1000000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("gstore_fdw.debug_small_image",
							"Images of fewer kilobytes stay in host memory.",
							"For tests: lets little data come to a GPU.",
							&gstore_guc_small_image, 1024, 0, 1024, PGC_SUSET,
							GUC_UNIT_KB | GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							NULL, NULL, NULL);
	DefineCustomStringVariable("gstore_fdw.debug_fault",
							   "Makes something happen at named points of the code.",
							   "For tests: a list of point:action[:count], where action is error, fatal, wait or kill.",
							   &gstore_guc_fault, "", PGC_SUSET,
							   GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL,
							   gstore_fault_check, gstore_fault_assign, NULL);
}

static void
request_shmem(void)
{
	Size size = 0;

	if (next_shmem_request_hook)
		next_shmem_request_hook();

	size = add_size(size, gstore_arena_shmem_size());
	size = add_size(size, gstore_devices_shmem_size());
	size = add_size(size, gstore_request_shmem_size());
	size = add_size(size, gstore_staging_shmem_size());
	size = add_size(size, gstore_fault_shmem_size());
	size = add_size(size, gstore_chunk_shmem_size());
	size = add_size(size, gstore_catalog_shmem_size());
	size = add_size(size, gstore_lease_shmem_size());
	RequestAddinShmemSpace(size);
}

static void
start_shmem(void)
{
	if (next_shmem_startup_hook)
		next_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	gstore_arena_shmem_startup();
	gstore_devices_shmem_startup();
	gstore_request_shmem_startup();
	gstore_staging_shmem_startup();
	gstore_fault_shmem_startup();
	gstore_chunk_shmem_startup();
	gstore_catalog_shmem_startup();
	gstore_lease_shmem_startup();
	LWLockRelease(AddinShmemInitLock);
}

/* Memory that outlives everything but the server, and the process that owns
 * the GPUs. */
static void
preload(void)
{
	uint64 pool = (uint64) gstore_guc_host_memory << 20;
	uint64 staging = gstore_guc_device == GSTORE_CHOOSE_HOST ? 0 : (uint64) gstore_guc_staging_memory << 20;

	gstore_preloaded = true;
	gstore_arena_create(pool > 0 ? pool : gstore_arena_default_bytes(),
						staging);
	next_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	next_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
	gstore_keeper_hooks.next_free = gstore_graveyard_pop;
	gstore_request_hooks.pin = gstore_chunk_pin_again;
	gstore_request_hooks.unpin = gstore_chunk_unpin_pointer;
	gstore_request_hooks.make_room = gstore_reclaim_for_room;
	gstore_keeper_register();
	gstore_maintenance_register();
}

void _PG_init(void);

void
_PG_init(void)
{
	/* Settings of the server make sense only where we are preloaded. */
	if (process_shared_preload_libraries_in_progress)
		define_server_settings();
	define_session_settings();
	MarkGUCPrefixReserved("gstore_fdw");

	gstore_hold_init();
	gstore_transaction_init();
	gstore_ddl_init();
	gstore_upper_hooks();
	gstore_lease_init();
	if (process_shared_preload_libraries_in_progress)
		preload();
}

PG_FUNCTION_INFO_V1(gstore_fdw_handler);

Datum
gstore_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	(void) fcinfo;
	gstore_plan_callbacks(routine);
	gstore_scan_callbacks(routine);
	gstore_modify_callbacks(routine);
	gstore_direct_callbacks(routine);
	gstore_analyze_callbacks(routine);
	gstore_upper_callbacks(routine);
	gstore_import_callbacks(routine);
	PG_RETURN_POINTER(routine);
}
