/*
 * pages.h
 *	  A map of pages, two bits each: used and populated.  What the arena keeps
 *	  its books with.
 *
 * Nothing here locks, allocates or calls the system; the bits may lie in
 * shared memory, under the caller's lock.
 */
#ifndef GSTORE_PAGES_H
#define GSTORE_PAGES_H

#include "port.h"

typedef struct GstorePageMap
{
	uint64 pages;
	uint64 *used;		/* gstore_pages_words(pages) each; bits past */
	uint64 *populated;	/* the last page are set in used */
	uint64 lowest_free; /* no page below it is free */
} GstorePageMap;

typedef struct GstorePageRun
{
	uint64 first;
	uint64 pages;
} GstorePageRun;

static inline uint64
gstore_pages_words(uint64 pages)
{
	return (pages + 63) / 64;
}

/* All free and cold; the bits must be zero. */
extern void gstore_pages_init(GstorePageMap *map, uint64 pages, uint64 *used,
							  uint64 *populated);

/* Set or clear bits of a run; returns how many changed. */
extern uint64 gstore_pages_set_used(GstorePageMap *map,
									const GstorePageRun *run, bool value);
extern uint64 gstore_pages_set_populated(GstorePageMap *map,
										 const GstorePageRun *run, bool value);

/* Pages of a run that are not populated. */
extern uint64 gstore_pages_cold(const GstorePageMap *map,
								const GstorePageRun *run);

/* The first run of want (> 0) free pages, with warm of free populated ones.
 * When there is none, *longest is the longest there is. */
extern bool gstore_pages_find(GstorePageMap *map, uint64 want, bool warm,
							  uint64 *first, uint64 *longest);

/* How many of the pages from first on, at most most, are free and cold. */
extern uint64 gstore_pages_cold_ahead(const GstorePageMap *map, uint64 first,
									  uint64 most);

/* Up to wanted free populated pages, from the end of the map on down, as at
 * most max runs; marks nothing.  Returns the number of runs. */
extern int gstore_pages_find_warm(const GstorePageMap *map, uint64 wanted,
								  GstorePageRun *runs, int max);

#endif
