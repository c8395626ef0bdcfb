/*
 * arena.h
 *	  One sealed, sparse, memfd-backed mapping that all server processes share
 *	  at the same address: device memory of the host device, staging memory of
 *	  the CUDA device.
 *
 * Layout of the mapping: [0, staging_bytes) is the staging area (0 bytes on
 * host), then the pool.  Both hand out extents of whole pages.  On cuda the
 * keeper populates the staging area once and page-locks it; it is never
 * punched.  With device = auto it takes no memory until the keeper wants it.
 *
 * The bookkeeping is in the main shared memory segment: two bitmaps over the
 * pages (used, populated) under one LWLock each area, so it survives whatever
 * is written into the mapping.  Memory is charged against our own budget
 * before the kernel is asked, because fallocate in a memory cgroup at its
 * limit kills instead of failing.
 *
 * No function here but those that say so raises; alloc returns false with
 * what was wanted and what is free.
 */
#ifndef GSTORE_ARENA_H
#define GSTORE_ARENA_H

#include "port.h"

#define GSTORE_ARENA_PAGE UINT64_C(4096)

typedef enum GstoreArenaArea
{
	GSTORE_ARENA_POOL,
	GSTORE_ARENA_STAGING
} GstoreArenaArea;

typedef struct GstoreArenaUsage
{
	uint64 total;	  /* bytes this area can ever hold: the budget */
	uint64 used;	  /* bytes in extents handed out */
	uint64 populated; /* bytes that hold physical pages */
} GstoreArenaUsage;

/* In the postmaster, before fork (from _PG_init): make and map the memfd of
 * pool_bytes + staging_bytes.  Raises. */
extern void gstore_arena_create(uint64 pool_bytes, uint64 staging_bytes);

/* Bytes of main shared memory the bookkeeping needs; for shmem_request. */
extern size_t gstore_arena_shmem_size(void);

/* In the shmem startup hook.  When the segment is new (a first start, or a
 * crash restart) all pages are punched out and all extents are free. */
extern void gstore_arena_shmem_startup(void);

/* The default of gstore_fdw.host_memory: half of what the machine and the
 * memory cgroup leave, in bytes. */
extern uint64 gstore_arena_default_bytes(void);

/*
 * Take an extent of at least bytes bytes.  Its contents are undefined.  The
 * pages are populated, so touching them cannot fail.  Undone by
 * gstore_arena_free(); the extent belongs to no process and outlives its
 * taker.  False when the budget or the address space does not allow it, with
 * *available = bytes that could still be had in one extent; errno is 0 or the
 * kernel's.
 * With GSTORE_ARENA_STAGING it never waits either: request/ does that.
 */
extern bool gstore_arena_alloc(GstoreArenaArea area, uint64 bytes,
							   uint64 *offset, uint64 *length,
							   uint64 *available);

/* Give an extent back.  Does not raise or allocate: fit for abort. */
extern void gstore_arena_free(uint64 offset, uint64 length);

/* The mapping of an extent.  device/, request/view.c and the keeper only. */
extern void *gstore_arena_pointer(uint64 offset);

/* This process is to write all of an extent: a process that comes to a page for
 * the first time takes longer to get there than to fill it, but for many pages at
 * once.  Does what it can. */
extern void gstore_arena_map(uint64 offset, uint64 length);

extern void gstore_arena_usage(GstoreArenaArea area, GstoreArenaUsage *usage);

/* Base and bytes of the staging area, for page-locking. */
extern void *gstore_arena_staging(uint64 *bytes);

/* Base and bytes of the whole mapping, for GstoreDeviceConfig: more than the
 * areas' totals, because the pool has address space to spare. */
extern void *gstore_arena_mapping(uint64 *bytes);

/* The memfd, for the sharing of host memory. */
extern int gstore_arena_fd(void);

#endif
