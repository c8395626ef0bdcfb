/*
 * arena.c
 *	  The shared mapping and its extents; see arena.h.
 *
 * Two bitmaps per area, one bit a page: used (handed out) and populated (holds
 * a physical page).  An allocation takes the first run of free pages it finds
 * that is warm, populated by an earlier life, and else the first run of free
 * ones; it populates what is missing outside the lock, after charging it.
 * Must never ask the kernel for a page that the budget does not allow.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "device/arena.h"

#define WORD_BITS 64

/* Pages populated at a time at least: asking the kernel what it has left, and
 * for it, costs as much for one page as for these. */
#define STRIDE 256

/* Under lock: everything but base and pages. */
typedef struct Area
{
	LWLock lock;
	uint64 base; /* first page's number in the mapping */
	uint64 pages;
	uint64 budget; /* pages that may be populated at a time */
	uint64 used;
	uint64 populated; /* charged: populated or about to be */
	uint64 hint;	  /* page to begin the search at */
	uint64 *used_map; /* [pages / WORD_BITS]; same address in every
								 * process: main shared memory */
	uint64 *populated_map;
} Area;

typedef struct ArenaShared
{
	int tranche;
	Area areas[2]; /* by GstoreArenaArea */
} ArenaShared;

/* Made before fork, the same in every process. */
static char *arena_base;
static uint64 arena_bytes;
static uint64 staging_bytes;
static int arena_fd = -1;

static ArenaShared *shared;

/* ---- how much there may be ---- */

/* A number in a file, or UINT64_MAX ("max", no such file). */
static uint64
read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long long number = UINT64_MAX;

	if (file == NULL)
		return UINT64_MAX;
	if (fscanf(file, "%llu", &number) != 1)
		number = UINT64_MAX;
	fclose(file);
	return number;
}

/* Bytes the memory cgroup leaves, both versions; UINT64_MAX without one. */
static uint64
cgroup_headroom(void)
{
	static const char *const files[][2] = {
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
		{"/sys/fs/cgroup/memory/memory.limit_in_bytes",
		 "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
	};
	uint64 least = UINT64_MAX;

	for (int i = 0; i < (int) lengthof(files); i++)
	{
		uint64 limit = read_number(files[i][0]);
		uint64 current = read_number(files[i][1]);

		if (limit != UINT64_MAX && current != UINT64_MAX)
			least = Min(least, limit > current ? limit - current : 0);
	}
	return least;
}

/* MemAvailable of /proc/meminfo, in bytes. */
static uint64
available_memory(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long long kilobytes;
	uint64 result = UINT64_MAX;

	if (file == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1)
			result = (uint64) kilobytes * 1024;
	fclose(file);
	return result;
}

static uint64
headroom(void)
{
	return Min(cgroup_headroom(), available_memory());
}

uint64
gstore_arena_default_bytes(void)
{
	uint64 most = headroom();

	if (most == UINT64_MAX)
		most = (uint64) sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	return GSTORE_ALIGN(most / 2, GSTORE_ARENA_PAGE * WORD_BITS);
}

/* ---- creation ---- */

void
gstore_arena_create(uint64 pool, uint64 staging)
{
	pool = GSTORE_ALIGN(pool, GSTORE_ARENA_PAGE * WORD_BITS);
	staging_bytes = GSTORE_ALIGN(staging, GSTORE_ARENA_PAGE * WORD_BITS);
	arena_bytes = pool + staging_bytes;

	arena_fd = memfd_create("gstore_fdw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (arena_fd < 0 || ftruncate(arena_fd, arena_bytes) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create %llu bytes of shared memory for gstore_fdw: %m",
						(unsigned long long) arena_bytes)));

	/* Any process of this user can open it through /proc: none may truncate
	 * it under us, nor grow it past the mapping. */
	if (fcntl(arena_fd, F_ADD_SEALS,
			  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not seal the shared memory of gstore_fdw: %m")));
	arena_base = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_NORESERVE, arena_fd, 0);
	if (arena_base == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %llu bytes of shared memory for gstore_fdw: %m",
						(unsigned long long) arena_bytes),
				 errhint("Lower gstore_fdw.host_memory.")));
	(void) madvise(arena_base, arena_bytes, MADV_DONTDUMP);
}

static uint64
map_words(void)
{
	return arena_bytes / GSTORE_ARENA_PAGE / WORD_BITS;
}

size_t
gstore_arena_shmem_size(void)
{
	return MAXALIGN(sizeof(ArenaShared)) + 2 * map_words() * sizeof(uint64);
}

static void
init_area(Area *area, uint64 first_byte, uint64 bytes, uint64 *used_map,
		  uint64 *populated_map)
{
	LWLockInitialize(&area->lock, shared->tranche);
	area->base = first_byte / GSTORE_ARENA_PAGE;
	area->pages = bytes / GSTORE_ARENA_PAGE;
	area->budget = area->pages;
	area->used_map = used_map + area->base / WORD_BITS;
	area->populated_map = populated_map + area->base / WORD_BITS;
}

void
gstore_arena_shmem_startup(void)
{
	bool found;
	uint64 *maps;

	shared = ShmemInitStruct("gstore_fdw arena", gstore_arena_shmem_size(),
							 &found);
	if (found)
	{
		LWLockRegisterTranche(shared->tranche, "GstoreArena");
		return;
	}
	memset(shared, 0, gstore_arena_shmem_size());
	maps = (uint64 *) ((char *) shared + MAXALIGN(sizeof(ArenaShared)));
	shared->tranche = LWLockNewTrancheId();
	LWLockRegisterTranche(shared->tranche, "GstoreArena");
	init_area(&shared->areas[GSTORE_ARENA_STAGING], 0, staging_bytes,
			  maps, maps + map_words());
	init_area(&shared->areas[GSTORE_ARENA_POOL], staging_bytes,
			  arena_bytes - staging_bytes, maps, maps + map_words());

	/* After a crash the mapping is the old one, with its pages. */
	(void) fallocate(arena_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 0, arena_bytes);
}

/* ---- bitmaps ---- */

static bool
test_page(const uint64 *map, uint64 page)
{
	return (map[page / WORD_BITS] >> (page % WORD_BITS)) & 1;
}

static void
set_pages(uint64 *map, uint64 first, uint64 count, bool value)
{
	while (count > 0)
	{
		uint64 bit = first % WORD_BITS;
		uint64 n = Min(count, WORD_BITS - bit);
		uint64 mask = (n == WORD_BITS ? ~UINT64CONST(0) : ((UINT64CONST(1) << n) - 1)) << bit;

		if (value)
			map[first / WORD_BITS] |= mask;
		else
			map[first / WORD_BITS] &= ~mask;
		first += n;
		count -= n;
	}
}

/* Free pages of a word, warm ones only if asked. */
static inline uint64
candidates(const Area *area, uint64 word, bool warm)
{
	uint64 bits = ~area->used_map[word];

	return warm ? bits & area->populated_map[word] : bits;
}

/*
 * The first run of count candidate pages in [from, to), or area->pages.  Whole
 * words are stepped over at a time.
 */
static uint64
find_run(const Area *area, uint64 count, uint64 from, uint64 to, bool warm)
{
	uint64 run = 0;
	uint64 page = from;

	while (page < to)
	{
		uint64 bits = candidates(area, page / WORD_BITS, warm);

		if (page % WORD_BITS == 0 && to - page >= WORD_BITS)
		{
			if (bits == 0)
			{
				run = 0;
				page += WORD_BITS;
				continue;
			}
			if (bits == ~UINT64CONST(0))
			{
				run += WORD_BITS;
				page += WORD_BITS;
				if (run >= count)
					return page - run;
				continue;
			}
		}
		run = (bits >> (page % WORD_BITS)) & 1 ? run + 1 : 0;
		page++;
		if (run >= count)
			return page - run;
	}
	return area->pages;
}

/* Where to put count pages: warm ones from the hint on, warm ones anywhere,
 * any from the hint on, any. */
static uint64
find_place(const Area *area, uint64 count)
{
	for (int warm = 1; warm >= 0; warm--)
	{
		uint64 page = find_run(area, count, area->hint, area->pages,
							   warm);

		if (page == area->pages && area->hint > 0)
			page = find_run(area, count, 0,
							Min(area->pages, area->hint + count), warm);
		if (page != area->pages)
			return page;
	}
	return area->pages;
}

static uint64
count_unpopulated(const Area *area, uint64 first, uint64 count)
{
	uint64 missing = 0;

	for (uint64 page = first; page < first + count; page++)
		if (!test_page(area->populated_map, page))
			missing++;
	return missing;
}

/* Take a stride of free, cold pages where the extent needs some: those beyond
 * it stay as warm ones.  Returns the pages taken, and adds to those missing. */
static uint64
stretch(const Area *area, uint64 first, uint64 count, uint64 *missing)
{
	uint64 end = first + count;

	while (end < area->pages && end - first < STRIDE &&
		   area->populated + *missing < area->budget &&
		   !test_page(area->used_map, end) &&
		   !test_page(area->populated_map, end))
	{
		end++;
		(*missing)++;
	}
	return end - first;
}

/* ---- pages ---- */

static bool
call_fallocate(const Area *area, int mode, uint64 first, uint64 count)
{
	int result;

	do
	{
		result = fallocate(arena_fd, mode,
						   (area->base + first) * GSTORE_ARENA_PAGE,
						   count * GSTORE_ARENA_PAGE);
	} while (result != 0 && errno == EINTR);
	return result == 0;
}

/* Give free but populated pages back to the kernel until need more may be
 * charged; under the lock. */
static void
cool_down(Area *area, uint64 need)
{
	for (uint64 page = 0; page < area->pages &&
						  area->populated + need > area->budget;)
	{
		uint64 end = page;

		while (end < area->pages && !test_page(area->used_map, end) &&
			   test_page(area->populated_map, end))
			end++;
		if (end == page)
		{
			page++;
			continue;
		}
		if (!call_fallocate(area, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
							page, end - page))
			return;
		set_pages(area->populated_map, page, end - page, false);
		area->populated -= end - page;
		page = end;
	}
}

/*
 * Populate the pages of an extent of ours that are not; signals are blocked,
 * since an interrupted fallocate of a large extent would begin anew forever.
 */
static bool
populate(Area *area, uint64 first, uint64 count)
{
	uint64 page = first;
	bool good = true;
	int error;

	PG_SETMASK(&BlockSig);
	while (page < first + count && good)
	{
		uint64 end = page;

		while (end < first + count && !test_page(area->populated_map, end))
			end++;
		if (end > page)
			good = call_fallocate(area, 0, page, end - page);
		page = end + 1;
	}
	error = errno;
	PG_SETMASK(&UnBlockSig);
	errno = error;
	return good;
}

/* ---- the interface ---- */

bool
gstore_arena_alloc(GstoreArenaArea which, uint64 bytes, uint64 *offset,
				   uint64 *length, uint64 *available)
{
	Area *area = &shared->areas[which];
	uint64 count = GSTORE_ALIGN(Max(bytes, 1), GSTORE_ARENA_PAGE) /
				   GSTORE_ARENA_PAGE;
	uint64 first;
	uint64 taken = count;
	uint64 missing = 0;
	bool good;

	errno = 0;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	first = count > area->pages - area->used ? area->pages : find_place(area, count);
	if (first != area->pages)
	{
		missing = count_unpopulated(area, first, count);
		if (missing > 0)
			taken = stretch(area, first, count, &missing);
		if (area->populated + missing > area->budget)
			cool_down(area, missing);
	}
	if (first == area->pages || area->populated + missing > area->budget ||
		(missing > 0 && missing * GSTORE_ARENA_PAGE >= headroom()))
	{
		*available = Min((area->budget - area->used) * GSTORE_ARENA_PAGE,
						 headroom());
		LWLockRelease(&area->lock);
		return false;
	}
	set_pages(area->used_map, first, taken, true);
	area->used += taken;
	area->populated += missing;
	area->hint = first + count;
	LWLockRelease(&area->lock);

	good = missing == 0 || populate(area, first, taken);
	if (missing > 0)
	{
		int error = errno;
		uint64 spare = good ? taken - count : taken;

		LWLockAcquire(&area->lock, LW_EXCLUSIVE);
		if (good)
			set_pages(area->populated_map, first, taken, true);
		else
		{
			/* What of it was populated is not known: none is claimed. */
			area->populated -= missing;
			*available = (area->budget - area->used) * GSTORE_ARENA_PAGE;
		}
		set_pages(area->used_map, first + taken - spare, spare, false);
		area->used -= spare;
		LWLockRelease(&area->lock);
		errno = error;
	}
	*offset = (area->base + first) * GSTORE_ARENA_PAGE;
	*length = count * GSTORE_ARENA_PAGE;
	return good;
}

void
gstore_arena_free(uint64 offset, uint64 length)
{
	Area *area = &shared->areas[offset < staging_bytes ? GSTORE_ARENA_STAGING : GSTORE_ARENA_POOL];
	uint64 first = offset / GSTORE_ARENA_PAGE - area->base;
	uint64 count = length / GSTORE_ARENA_PAGE;

	if (length == 0)
		return;
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	set_pages(area->used_map, first, count, false);
	area->used -= count;
	area->hint = Min(area->hint, first);
	LWLockRelease(&area->lock);
}

void *
gstore_arena_pointer(uint64 offset)
{
	return arena_base + offset;
}

void
gstore_arena_usage(GstoreArenaArea which, GstoreArenaUsage *usage)
{
	Area *area = &shared->areas[which];

	LWLockAcquire(&area->lock, LW_SHARED);
	usage->total = area->budget * GSTORE_ARENA_PAGE;
	usage->used = area->used * GSTORE_ARENA_PAGE;
	usage->populated = area->populated * GSTORE_ARENA_PAGE;
	LWLockRelease(&area->lock);
}

void *
gstore_arena_staging(uint64 *bytes)
{
	*bytes = staging_bytes;
	return arena_base;
}

int
gstore_arena_fd(void)
{
	return arena_fd;
}
