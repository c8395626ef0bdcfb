/*
 * arena.c
 *	  One sealed, sparse, memfd-backed mapping that all server processes share
 *	  at the same address: device memory of the host device, staging memory of
 *	  the CUDA device.
 *
 * Layout of the mapping:
 *
 *		[0, staging)			the staging area
 *		[staging, mapping end)	the pool
 *
 * The pool's address range is twice its budget, so that holes between extents
 * do not make an extent fail that the budget allows; what is not used of it
 * costs nothing but bits.
 *
 * The bookkeeping stands in the main shared memory segment (ArenaShared, then
 * for each area its two bitmaps, pages.h), one bit a page:
 *
 *		used		in an extent, or being punched: nobody may take it
 *		populated	holds physical memory
 *
 * A page is one of: free and cold (0, 0), free and warm (0, 1), in an extent
 * (1, 1), on its way into one (1, 0: fallocate runs), being punched (1, 0).
 * Freed pages stay warm, and warm ones are preferred, because the first touch
 * of a page costs more than what is written to it; they are punched out only
 * when the memory is wanted for an extent elsewhere.
 *
 * Lock protocol: one LWLock an area guards everything of the area in shared
 * memory.  It is never held across a system call that takes long: fallocate
 * and punching run without it, on pages that the used bit reserves for us.
 *
 * Memory is charged before the kernel is asked.  pages_charged counts the
 * populated pages and those whose fallocate is still to come, and an extent
 * is refused when extents would pass the budget; before every fallocate the
 * room that machine and cgroups leave is looked at too, because a process
 * that passes its cgroup's limit is killed, not refused.
 *
 * Only gstore_arena_create() and the two shmem hooks may raise, and nothing
 * here may wait for anything but the area's lock.  No other process can
 * truncate or grow the memfd under us (it can be opened through /proc): it is
 * sealed.
 */
#include "postgres.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "device/arena.h"
#include "device/headroom.h"
#include "device/pages.h"

/* Of Linux 5.14; others say that they do not know it. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Fewer bytes are not worth a call. */
#define MAPPED_AT_ONCE (UINT64_C(256) << 10)

#define ARENA_AREAS 2

/* Runs of pages one round of punching takes. */
#define SHED_RUNS 64

/* Pages populated at a time where they lie free: a system call for a single
 * page costs as much as for these. */
#define STRIDE 256

/* How long, and for how much, one look at the machine's memory is trusted. */
#define CREDIT_NANOSECONDS INT64CONST(1000000000)
#define CREDIT_PAGES (UINT64CONST(64) * 1024 * 1024 / GSTORE_ARENA_PAGE)

/* first_page and budget never change; all else is under the lock. */
typedef struct ArenaArea
{
	LWLock lock;
	uint64 first_page;	  /* of the mapping */
	uint64 budget;		  /* pages extents may hold */
	uint64 pages_used;	  /* in extents */
	uint64 pages_charged; /* populated, or fallocate is to come */
	uint64 pages_coming;  /* of these: fallocate is to come */
	uint64 credit;		  /* pages that need no look at the machine */
	int64 credit_until;	  /* ... until then, CLOCK_MONOTONIC ns */
	GstorePageMap map;	  /* its bits lie in this segment, at the same
								 * address in every process */
} ArenaArea;

typedef struct ArenaShared
{
	int tranche;
	ArenaArea area[ARENA_AREAS]; /* indexed by GstoreArenaArea */
} ArenaShared;

/* Set in the postmaster before fork: the same in every process. */
static char *arena_base = NULL;
static uint64 arena_bytes = 0;
static uint64 arena_pages[ARENA_AREAS]; /* with an address */
static uint64 arena_budget[ARENA_AREAS];
static int arena_memfd = -1;

/* Set in the shmem startup hook, also before fork. */
static ArenaShared *arena = NULL;

/*
 * fallocate a run of the area, with mode.  Signals are blocked: fallocate of
 * much memory starts over when it is interrupted and might never end.
 */
static int
change_pages(GstoreArenaArea which, int mode, const GstorePageRun *run)
{
	off_t from;
	off_t length = (off_t) (run->pages * GSTORE_ARENA_PAGE);
	sigset_t saved;
	int error = 0;

	from = (off_t) ((arena->area[which].first_page + run->first) *
					GSTORE_ARENA_PAGE);
	if (IsUnderPostmaster)
		sigprocmask(SIG_SETMASK, &BlockSig, &saved);
	while (fallocate(arena_memfd, mode, from, length) != 0)
	{
		error = errno;
		if (error != EINTR)
			break;
		error = 0;
	}
	if (IsUnderPostmaster)
		sigprocmask(SIG_SETMASK, &saved, NULL);
	return error;
}

/*
 * Give warm pages of the pool back to the system, those at its end first,
 * which are the last to be taken again; how many.
 */
static uint64
shed(uint64 wanted)
{
	ArenaArea *area = &arena->area[GSTORE_ARENA_POOL];
	uint64 done = 0;
	bool refused = false;

	while (done < wanted && !refused)
	{
		GstorePageRun runs[SHED_RUNS];
		int n;
		int i;

		/* Marked as used they are out of everybody's reach. */
		LWLockAcquire(&area->lock, LW_EXCLUSIVE);
		n = gstore_pages_find_warm(&area->map, wanted - done, runs, SHED_RUNS);
		for (i = 0; i < n; i++)
		{
			gstore_pages_set_used(&area->map, &runs[i], true);
			gstore_pages_set_populated(&area->map, &runs[i], false);
			area->pages_charged -= runs[i].pages;
		}
		LWLockRelease(&area->lock);
		if (n == 0)
			break;

		for (i = 0; i < n; i++)
		{
			bool kept;

			kept = change_pages(GSTORE_ARENA_POOL,
								FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
								&runs[i]) != 0;
			LWLockAcquire(&area->lock, LW_EXCLUSIVE);
			gstore_pages_set_used(&area->map, &runs[i], false);
			if (kept)
			{
				gstore_pages_set_populated(&area->map, &runs[i], true);
				area->pages_charged += runs[i].pages;
				refused = true;
			}
			else
				done += runs[i].pages;
			LWLockRelease(&area->lock);
		}
	}
	return done;
}

static int64
now_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * INT64CONST(1000000000) + now.tv_nsec;
}

/*
 * See that cold pages, already charged, can be populated: our own budget must
 * be kept by punching warm pages elsewhere, and the machine and the cgroups
 * must have the room.  False when they do not, with the pages they do have.
 */
static bool
make_room(GstoreArenaArea which, uint64 cold, uint64 *room)
{
	ArenaArea *area = &arena->area[which];
	uint64 excess;
	uint64 coming;
	bool trusted;

	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	excess = area->pages_charged > area->budget ? area->pages_charged - area->budget : 0;
	trusted = area->credit >= cold && now_nanoseconds() < area->credit_until;
	if (trusted)
		area->credit -= cold;
	coming = area->pages_coming;
	LWLockRelease(&area->lock);

	if (excess > 0)
		shed(excess);
	if (trusted)
		return true;

	*room = gstore_headroom("") / GSTORE_ARENA_PAGE;
	if (*room < coming)
		*room += shed(coming - *room);
	if (*room < coming)
	{
		*room = *room > coming - cold ? *room - (coming - cold) : 0;
		return false;
	}

	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	area->credit = Min(CREDIT_PAGES, (*room - coming) / 4);
	area->credit_until = now_nanoseconds() + CREDIT_NANOSECONDS;
	LWLockRelease(&area->lock);
	return true;
}

/*
 * Find a place for want pages, mark it as ours and charge it.  *cold: pages of
 * it that populate() must still get.  Where there are any, some more that
 * follow are taken along, for the extents to come.  The lock is held.
 */
static bool
reserve(ArenaArea *area, uint64 want, GstorePageRun *run, uint64 *cold,
		uint64 *longest)
{
	bool found = false;

	run->pages = want;
	if (want <= area->pages_charged - area->pages_used)
		found = gstore_pages_find(&area->map, want, true, &run->first,
								  longest);
	if (!found)
		found = gstore_pages_find(&area->map, want, false, &run->first,
								  longest);
	if (!found)
		return false;

	*cold = gstore_pages_cold(&area->map, run);
	if (*cold > 0 && want < STRIDE &&
		area->pages_charged + *cold < area->budget)
	{
		uint64 more = Min(STRIDE - want, area->budget -
											 area->pages_charged - *cold);

		more = gstore_pages_cold_ahead(&area->map, run->first + want, more);
		run->pages += more;
		*cold += more;
	}
	gstore_pages_set_used(&area->map, run, true);
	area->pages_used += want; /* the rest is only out of reach for now */
	area->pages_charged += *cold;
	area->pages_coming += *cold;
	return true;
}

/*
 * Bring memory into a reserved run and keep want pages of it.  On failure
 * none, *error is the kernel's or 0, *room what machine and cgroups have.
 */
static bool
populate(GstoreArenaArea which, const GstorePageRun *run, uint64 want,
		 uint64 cold, int *error, uint64 *room)
{
	ArenaArea *area = &arena->area[which];
	GstorePageRun spare = {run->first + want, run->pages - want};
	bool ok;

	*error = 0;
	ok = make_room(which, cold, room);
	if (ok)
	{
		*error = change_pages(which, 0, run);
		ok = *error == 0;
		if (!ok)
			*room = 0;
	}

	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	area->pages_coming -= cold;
	if (ok)
	{
		gstore_pages_set_populated(&area->map, run, true);
		gstore_pages_set_used(&area->map, &spare, false);
	}
	else
	{
		/* A fallocate that fails takes back what it had got. */
		gstore_pages_set_used(&area->map, run, false);
		area->pages_used -= want;
		area->pages_charged -= cold;
		area->credit = 0;
	}
	LWLockRelease(&area->lock);
	return ok;
}

bool
gstore_arena_alloc(GstoreArenaArea which, uint64 bytes, uint64 *offset,
				   uint64 *length, uint64 *available)
{
	ArenaArea *area = &arena->area[which];
	GstorePageRun run;
	uint64 want;
	uint64 cold = 0;
	uint64 left;
	uint64 longest = 0;
	uint64 room = 0;
	int error = 0;
	bool found;

	want = bytes / GSTORE_ARENA_PAGE + (bytes % GSTORE_ARENA_PAGE != 0);
	want = Max(want, 1);

	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	left = area->budget - area->pages_used;
	found = want <= left && reserve(area, want, &run, &cold, &longest);
	if (want <= left && !found)
		left = Min(left, longest);
	LWLockRelease(&area->lock);

	if (found && cold > 0 &&
		!populate(which, &run, want, cold, &error, &room))
	{
		left = Min(left, room);
		found = false;
	}
	if (!found)
	{
		*available = left * GSTORE_ARENA_PAGE;
		errno = error;
		return false;
	}

	*offset = (area->first_page + run.first) * GSTORE_ARENA_PAGE;
	*length = want * GSTORE_ARENA_PAGE;
	return true;
}

void
gstore_arena_free(uint64 offset, uint64 length)
{
	ArenaArea *area;
	GstorePageRun run;
	uint64 freed;

	if (length == 0)
		return;
	Assert(offset % GSTORE_ARENA_PAGE == 0 && length % GSTORE_ARENA_PAGE == 0);
	Assert(length <= arena_bytes && offset <= arena_bytes - length);

	area = &arena->area[offset < arena_pages[GSTORE_ARENA_STAGING] *
									 GSTORE_ARENA_PAGE
							? GSTORE_ARENA_STAGING
							: GSTORE_ARENA_POOL];
	run.first = offset / GSTORE_ARENA_PAGE - area->first_page;
	run.pages = length / GSTORE_ARENA_PAGE;

	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	freed = gstore_pages_set_used(&area->map, &run, false);
	Assert(freed == run.pages); /* else it was free already */
	area->pages_used -= freed;
	LWLockRelease(&area->lock);
}

void *
gstore_arena_pointer(uint64 offset)
{
	Assert(offset < arena_bytes);
	return arena_base + offset;
}

void
gstore_arena_map(uint64 offset, uint64 length)
{
	char *memory = arena_base + offset;

	/* A page that is first read is mapped together with its neighbours, one
	 * that is first written to is mapped alone. */
	if (length < MAPPED_AT_ONCE ||
		madvise(memory, length, MADV_POPULATE_READ) != 0)
		(void) *(volatile const char *) memory;
}

void *
gstore_arena_mapping(uint64 *bytes)
{
	*bytes = arena_bytes;
	return arena_base;
}

void *
gstore_arena_staging(uint64 *bytes)
{
	*bytes = arena_pages[GSTORE_ARENA_STAGING] * GSTORE_ARENA_PAGE;
	return arena_base;
}

int
gstore_arena_fd(void)
{
	return arena_memfd;
}

void
gstore_arena_usage(GstoreArenaArea which, GstoreArenaUsage *usage)
{
	ArenaArea *area = &arena->area[which];

	LWLockAcquire(&area->lock, LW_SHARED);
	usage->total = area->budget * GSTORE_ARENA_PAGE;
	usage->used = area->pages_used * GSTORE_ARENA_PAGE;
	usage->populated = (area->pages_charged - area->pages_coming) *
					   GSTORE_ARENA_PAGE;
	LWLockRelease(&area->lock);
}

uint64
gstore_arena_default_bytes(void)
{
	uint64 headroom = gstore_headroom("");

	/* Nothing could be read: what a small machine can spare. */
	if (headroom == UINT64_MAX)
		return UINT64CONST(512) << 20;
	return headroom / 2;
}

/* ---- making it ---- */

void
gstore_arena_create(uint64 pool_bytes, uint64 staging_bytes)
{
	uint64 pool = (pool_bytes + GSTORE_ARENA_PAGE - 1) / GSTORE_ARENA_PAGE;
	uint64 staging = (staging_bytes + GSTORE_ARENA_PAGE - 1) /
					 GSTORE_ARENA_PAGE;
	void *base;

	Assert(arena_base == NULL && !IsUnderPostmaster);

	arena_budget[GSTORE_ARENA_POOL] = pool;
	arena_pages[GSTORE_ARENA_POOL] = 2 * pool;
	arena_budget[GSTORE_ARENA_STAGING] = staging;
	arena_pages[GSTORE_ARENA_STAGING] = staging;
	arena_bytes = (2 * pool + staging) * GSTORE_ARENA_PAGE;
	if (arena_bytes == 0)
		return;

	ReserveExternalFD();
	arena_memfd = memfd_create("gstore_fdw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (arena_memfd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create the shared memory of gstore_fdw: %m")));
	if (ftruncate(arena_memfd, (off_t) arena_bytes) != 0 ||
		fcntl(arena_memfd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not size and seal %llu bytes of shared memory for gstore_fdw: %m",
						(unsigned long long) arena_bytes),
				 errhint("Lower \"gstore_fdw.host_memory\".")));

	base = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_NORESERVE, arena_memfd, 0);
	if (base == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %llu bytes of shared memory for gstore_fdw: %m",
						(unsigned long long) arena_bytes),
				 errdetail("The mapping takes address space twice the size of \"gstore_fdw.host_memory\"; physical memory is taken only as tables fill."),
				 errhint("Lower \"gstore_fdw.host_memory\", or raise the limit on the server's address space.")));

	/* A core file is for the state of a process, not for everyone's tables. */
	(void) madvise(base, arena_bytes, MADV_DONTDUMP);
	arena_base = base;
}

size_t
gstore_arena_shmem_size(void)
{
	size_t size = MAXALIGN(sizeof(ArenaShared));
	int which;

	for (which = 0; which < ARENA_AREAS; which++)
		size += 2 * sizeof(uint64) * gstore_pages_words(arena_pages[which]);
	return size;
}

/* All free, all cold: a first start, or a restart after a crash. */
static void
start_empty(void)
{
	uint64 *bits = (uint64 *) ((char *) arena +
							   MAXALIGN(sizeof(ArenaShared)));
	GstorePageRun all = {0, arena_bytes / GSTORE_ARENA_PAGE};
	int error;
	int which;

	memset(arena, 0, gstore_arena_shmem_size());
	arena->tranche = LWLockNewTrancheId();
	for (which = 0; which < ARENA_AREAS; which++)
	{
		ArenaArea *area = &arena->area[which];
		uint64 words = gstore_pages_words(arena_pages[which]);

		LWLockInitialize(&area->lock, arena->tranche);
		area->first_page = which == GSTORE_ARENA_STAGING ? 0 : arena_pages[GSTORE_ARENA_STAGING];
		area->budget = arena_budget[which];
		gstore_pages_init(&area->map, arena_pages[which], bits, bits + words);
		bits += 2 * words;
	}

	/*
	 * After a crash of a process the postmaster makes new shared memory, but
	 * the memory file, with every page the crashed server had, is the old one.
	 */
	if (arena_bytes == 0)
		return;
	error = change_pages(GSTORE_ARENA_STAGING,
						 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, &all);
	if (error != 0)
	{
		errno = error;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not free the shared memory of gstore_fdw after a crash: %m"),
				 errhint("Restart the server.")));
	}
}

void
gstore_arena_shmem_startup(void)
{
	bool found;

	arena = ShmemInitStruct("gstore_fdw arena", gstore_arena_shmem_size(),
							&found);
	if (!found)
		start_empty();
	LWLockRegisterTranche(arena->tranche, "GstoreArena");
}
