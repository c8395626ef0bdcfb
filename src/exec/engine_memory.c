/*
 * engine_memory.c
 *	  Memory of tables that may become large; see engine_memory.h.
 *
 * A virtual machine may have given free memory back to its host, whole huge pages
 * first, and getting one back takes longer than the small pages that are at hand.
 * So the first huge page of a space is touched to see how long that takes, and if it
 * is long, all do without for a while.
 *
 * Includes no PostgreSQL header.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "exec/engine_memory.h"

#define HUGE_PAGE ((uint64) 2 << 20)
/* The first bytes that may be touched. */
#define FIRST_BYTES ((uint64) 64 << 10)
/* As long as 512 small pages take to be had, about: 1 to 2 us each. */
#define SLOW_NS 700000
#define WHILE_NS INT64_C(1000000000)

/* No huge pages before this time. */
static atomic_llong slow_until;

bool
gstore_space_reserve(GstoreSpace *space, uint64 limit)
{
	/* Without access, the kernel does not count it as promised memory. */
	uint64 bytes = GSTORE_ALIGN(Max(limit, FIRST_BYTES), HUGE_PAGE);
	void *data = mmap(NULL, bytes + HUGE_PAGE, PROT_NONE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64 before;

	memset(space, 0, sizeof(*space));
	if (data == MAP_FAILED)
		return false;
	before = GSTORE_ALIGN((uintptr_t) data, HUGE_PAGE) - (uintptr_t) data;
	space->data = (uint8 *) data + before;
	space->reserved = bytes;
	if (before > 0)
		munmap(data, before);
	if (before < HUGE_PAGE)
		munmap(space->data + bytes, HUGE_PAGE - before);
	/* only a wish */
	(void) madvise(space->data, bytes, MADV_HUGEPAGE);
	return true;
}

static int64
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Bytes [from, to) may be touched now, for the first time or nearly so. */
static void
choose_pages(GstoreSpace *space, uint64 from, uint64 to)
{
	uint64 page = GSTORE_ALIGN(from, HUGE_PAGE);
	int64 began;
	int64 ended;

	if (space->chosen || page + HUGE_PAGE > to)
		return;
	space->chosen = true;
	began = now_ns();
	if (began >= atomic_load(&slow_until))
	{
		/* a write, or there would only be a page of zeros to share */
		(void) __atomic_fetch_or(space->data + page, 0, __ATOMIC_RELAXED);
		ended = now_ns();
		if (ended - began < SLOW_NS)
			return;
		atomic_store(&slow_until, ended + WHILE_NS);
	}
	(void) madvise(space->data, space->reserved, MADV_NOHUGEPAGE);
}

bool
gstore_space_grow(GstoreSpace *space, uint64 bytes)
{
	uint64 room;

	if (bytes <= space->bytes)
		return true;
	room = Max(GSTORE_ALIGN(bytes, FIRST_BYTES), space->bytes * 2);
	room = Min(room, space->reserved);
	if (room < bytes ||
		mprotect(space->data, room, PROT_READ | PROT_WRITE) != 0)
		return false;
	choose_pages(space, space->bytes, room);
	space->bytes = room;
	return true;
}

bool
gstore_space_open(GstoreSpace *space, uint64 from, uint64 to)
{
	uint64 step = FIRST_BYTES;

	if (from >= space->from && to <= space->to)
		return true;
	/* A huge page is had only where all of it may be touched at the first touch. */
	if (to - from >= HUGE_PAGE / 2)
		step = HUGE_PAGE;
	from = from / step * step;
	to = Min(GSTORE_ALIGN(to, step), space->reserved);
	if (mprotect(space->data + from, to - from, PROT_READ | PROT_WRITE) != 0)
		return false;
	if (space->from < space->to)
		choose_pages(space, from, space->from);
	choose_pages(space, Max(from, space->to), to);
	space->from = from;
	space->to = to;
	return true;
}

void
gstore_space_release(GstoreSpace *space)
{
	if (space->data != NULL)
		munmap(space->data, space->reserved);
	memset(space, 0, sizeof(*space));
}
