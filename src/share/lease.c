/*
 * lease.c
 *	  The table of leases in shared memory; see lease.h.
 *
 * Must let go in every way a session ends but a crash, which ends the leases
 * of all: shared memory starts anew.  Ending a lease neither raises nor
 * allocates.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "request/devices.h"
#include "share/lease.h"

#define TRANCHE "gstore_fdw leases"

typedef struct Leases
{
	int nslots;
	GstoreLease slots[FLEXIBLE_ARRAY_MEMBER];
} Leases;

static Leases *leases;
static LWLock *lock;
static int held = 0; /* by this session */
static ProcessUtility_hook_type next_process_utility;

/* ---- shared memory ---- */

Size
gstore_lease_shmem_size(void)
{
	RequestNamedLWLockTranche(TRANCHE, 1);
	return offsetof(Leases, slots) + gstore_guc_max_exports * sizeof(GstoreLease);
}

void
gstore_lease_shmem_startup(void)
{
	Size size = offsetof(Leases, slots) +
				gstore_guc_max_exports * sizeof(GstoreLease);
	bool found;

	leases = ShmemInitStruct(TRANCHE, size, &found);
	if (!found)
	{
		memset(leases, 0, size);
		leases->nslots = gstore_guc_max_exports;
	}
	lock = &GetNamedLWLockTranche(TRANCHE)->lock;
}

/* ---- ending ---- */

/* Under the lock. */
static void
end_lease(GstoreLease *lease)
{
	lease->pid = 0;
	held--;
	gstore_chunk_unpin_pointer(lease->chunk);
}

static void
end_all(void)
{
	if (held == 0)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < leases->nslots; i++)
		if (leases->slots[i].pid == MyProcPid)
			end_lease(&leases->slots[i]);
	LWLockRelease(lock);
}

static void
end_all_at_exit(int code, Datum arg)
{
	(void) code;
	(void) arg;
	/* An error may have left us holding it. */
	if (lock != NULL && LWLockHeldByMe(lock))
		LWLockRelease(lock);
	end_all();
}

static void
process_utility(PlannedStmt *statement, const char *query, bool read_only,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	const Node *node = statement->utilityStmt;
	bool discards_all = IsA(node, DiscardStmt) &&
						((const DiscardStmt *) node)->target == DISCARD_ALL;

	if (next_process_utility)
		next_process_utility(statement, query, read_only, context, params,
							 environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only, context, params,
								environment, receiver, completion);
	if (discards_all)
		end_all();
}

void
gstore_lease_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

bool
gstore_lease_release(const GstoreIpcHandle *handle)
{
	bool found = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < leases->nslots && !found; i++)
	{
		GstoreLease *lease = &leases->slots[i];

		if (lease->pid != MyProcPid ||
			memcmp(&lease->handle, handle, sizeof(*handle)) != 0)
			continue;
		found = true;
		if (--lease->count == 0)
			end_lease(lease);
	}
	LWLockRelease(lock);
	return found;
}

void
gstore_lease_release_slot(int slot)
{
	GstoreLease *lease = &leases->slots[slot];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (lease->pid == MyProcPid && --lease->count == 0)
		end_lease(lease);
	LWLockRelease(lock);
}

/* ---- beginning ---- */

static void
raise_limit(const char *whose, int limit, const char *setting)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("too many exported images"),
			 errdetail("%s may have %d.", whose, limit),
			 errhint("Release some with gstore_release_ipchandle(), or raise %s.",
					 setting)));
}

void
gstore_lease_take(GstoreLease *wanted)
{
	static bool registered = false;
	GstoreLease *free_slot = NULL;

	if (!registered)
		before_shmem_exit(end_all_at_exit, (Datum) 0);
	registered = true;
	if (held >= gstore_guc_max_session_exports)
		raise_limit("A session", gstore_guc_max_session_exports,
					"gstore_fdw.max_session_exports");

	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < leases->nslots && free_slot == NULL; i++)
		if (leases->slots[i].pid == 0)
			free_slot = &leases->slots[i];
	if (free_slot == NULL)
	{
		LWLockRelease(lock);
		raise_limit("All sessions", leases->nslots, "gstore_fdw.max_exports");
	}
	wanted->slot = (int) (free_slot - leases->slots);
	*free_slot = *wanted;
	free_slot->count = 1;
	free_slot->since = GetCurrentTimestamp();
	if (wanted->in_place)
		gstore_chunk_pin_again(wanted->chunk);
	else
		gstore_chunk_keep_private(dsa_get_address(gstore_dsa(),
												  wanted->chunk));
	free_slot->pid = MyProcPid;
	held++;
	LWLockRelease(lock);
}

bool
gstore_lease_again(Oid table, dsa_pointer chunk, uint64 content,
				   GstoreLease *found)
{
	bool is_found = false;

	if (held == 0)
		return false;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (int i = 0; i < leases->nslots && !is_found; i++)
	{
		GstoreLease *lease = &leases->slots[i];

		if (lease->pid != MyProcPid || lease->table != table ||
			lease->database != MyDatabaseId || lease->role != GetUserId() ||
			(DsaPointerIsValid(chunk) ? !lease->in_place || lease->chunk != chunk
									  : lease->in_place || lease->content != content))
			continue;

		/* A device may have been lost, and the table not with it. */
		if (!gstore_location_alive(lease->location.device,
								   lease->location.epoch,
								   lease->location.kind))
		{
			end_lease(lease);
			continue;
		}
		is_found = true;
		lease->count++;
		*found = *lease;
	}
	LWLockRelease(lock);
	return is_found;
}

/* ---- looking ---- */

/* Several sessions may lease a table's own chunk: one's own lease comes first,
 * for it says what one may. */
static bool
find(const GstoreIpcHandle *handle, bool pin, GstoreLease *found)
{
	bool is_found = false;

	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < leases->nslots; i++)
	{
		const GstoreLease *lease = &leases->slots[i];

		if (lease->pid == 0 || (is_found && lease->pid != MyProcPid) ||
			memcmp(&lease->handle, handle, sizeof(*handle)) != 0)
			continue;
		*found = *lease;
		is_found = true;
	}
	if (is_found && pin)
		gstore_chunk_pin_again(found->chunk);
	LWLockRelease(lock);
	return is_found;
}

bool
gstore_lease_find(const GstoreIpcHandle *handle, GstoreLease *found)
{
	return find(handle, false, found);
}

bool
gstore_lease_pin(const GstoreIpcHandle *handle, GstoreLease *found)
{
	return find(handle, true, found);
}

bool
gstore_lease_are_there(void)
{
	return leases != NULL;
}

GstoreLease *
gstore_leases(int *count)
{
	GstoreLease *list;

	(void) gstore_dsa(); /* says what is wrong without the preload */
	list = palloc(leases->nslots * sizeof(GstoreLease));
	*count = 0;
	LWLockAcquire(lock, LW_SHARED);
	for (int i = 0; i < leases->nslots; i++)
		if (leases->slots[i].pid != 0)
		{
			const GstoreChunk *chunk = dsa_get_address(gstore_dsa(),
													   leases->slots[i].chunk);

			list[*count] = leases->slots[i];
			list[(*count)++].is_retired =
				(pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &chunk->pins)) &
				 GSTORE_CHUNK_UNLINKED) != 0;
		}
	LWLockRelease(lock);
	return list;
}
