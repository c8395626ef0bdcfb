/*
 * pages.c
 *	  A map of pages, two bits each; see pages.h.
 *
 * Words of 64 pages are stepped over whole where they can be: a pool of a
 * hundred gigabytes has four hundred thousand of them.  This file includes no
 * PostgreSQL header and must never write outside the bits it was given.
 */
#include "device/pages.h"

void
gstore_pages_init(GstorePageMap *map, uint64 pages, uint64 *used,
				  uint64 *populated)
{
	map->pages = pages;
	map->used = used;
	map->populated = populated;
	map->lowest_free = 0;

	/* Pages past the end, in the last word, are nobody's to take. */
	if (pages % 64 != 0)
		used[pages / 64] |= ~UINT64_C(0) << (pages % 64);
}

/* The bits of a run within the word that holds its first page. */
static uint64
word_mask(uint64 first, uint64 pages, uint64 *here)
{
	uint64 shift = first % 64;

	*here = Min(64 - shift, pages);
	return (*here == 64 ? ~UINT64_C(0) : (UINT64_C(1) << *here) - 1) << shift;
}

static uint64
set_bits(uint64 *bits, const GstorePageRun *run, bool value)
{
	uint64 first = run->first;
	uint64 left = run->pages;
	uint64 changed = 0;

	while (left > 0)
	{
		uint64 here;
		uint64 mask = word_mask(first, left, &here);
		uint64 *word = &bits[first / 64];

		changed += (uint64) __builtin_popcountll((value ? ~*word : *word) &
												 mask);
		if (value)
			*word |= mask;
		else
			*word &= ~mask;
		first += here;
		left -= here;
	}
	return changed;
}

uint64
gstore_pages_set_used(GstorePageMap *map, const GstorePageRun *run, bool value)
{
	if (!value)
		map->lowest_free = Min(map->lowest_free, run->first);
	return set_bits(map->used, run, value);
}

uint64
gstore_pages_set_populated(GstorePageMap *map, const GstorePageRun *run,
						   bool value)
{
	return set_bits(map->populated, run, value);
}

uint64
gstore_pages_cold(const GstorePageMap *map, const GstorePageRun *run)
{
	uint64 first = run->first;
	uint64 left = run->pages;
	uint64 cold = 0;

	while (left > 0)
	{
		uint64 here;
		uint64 mask = word_mask(first, left, &here);

		cold += (uint64) __builtin_popcountll(~map->populated[first / 64] &
											  mask);
		first += here;
		left -= here;
	}
	return cold;
}

bool
gstore_pages_find(GstorePageMap *map, uint64 want, bool warm, uint64 *first,
				  uint64 *longest)
{
	uint64 words = gstore_pages_words(map->pages);
	uint64 lowest = map->pages;
	uint64 run = 0;
	uint64 w;

	*longest = 0;
	for (w = map->lowest_free / 64; w < words; w++)
	{
		uint64 open = ~map->used[w];
		int at = 0;

		if (open != 0 && lowest == map->pages)
			lowest = w * 64 + (uint64) __builtin_ctzll(open);
		if (warm)
			open &= map->populated[w];
		while (at < 64)
		{
			uint64 rest = open >> at;
			int ones;

			if (rest == 0)
			{
				run = 0;
				break;
			}
			if ((rest & 1) == 0)
			{
				run = 0;
				at += __builtin_ctzll(rest);
				rest = open >> at;
			}
			ones = ~rest == 0 ? 64 : __builtin_ctzll(~rest);
			ones = Min(ones, 64 - at);
			at += ones;
			run += (uint64) ones;
			*longest = Max(*longest, run);
			if (run >= want)
			{
				*first = w * 64 + (uint64) at - run;
				map->lowest_free = lowest;
				return true;
			}
		}
	}
	map->lowest_free = lowest;
	return false;
}

uint64
gstore_pages_cold_ahead(const GstorePageMap *map, uint64 first, uint64 most)
{
	uint64 found = 0;

	most = first < map->pages ? Min(most, map->pages - first) : 0;
	while (found < most)
	{
		uint64 page = first + found;
		uint64 taken = (map->used[page / 64] |
						map->populated[page / 64]) >>
					   (page % 64);

		if (taken != 0)
		{
			found += (uint64) __builtin_ctzll(taken);
			break;
		}
		found += 64 - page % 64;
	}
	return Min(found, most);
}

int
gstore_pages_find_warm(const GstorePageMap *map, uint64 wanted,
					   GstorePageRun *runs, int max)
{
	uint64 w = gstore_pages_words(map->pages);
	uint64 taken = 0;
	int n = 0;

	while (w > 0 && taken < wanted)
	{
		uint64 warm;

		w--;
		warm = ~map->used[w] & map->populated[w];
		while (warm != 0 && taken < wanted)
		{
			int high = 63 - __builtin_clzll(warm);
			int low = high;
			uint64 pages = 1;

			while (low > 0 && (warm >> (low - 1) & 1) != 0 &&
				   taken + pages < wanted)
			{
				low--;
				pages++;
			}
			if (n > 0 && runs[n - 1].first == w * 64 + (uint64) high + 1)
			{
				runs[n - 1].first -= pages;
				runs[n - 1].pages += pages;
			}
			else if (n == max)
				return n;
			else
			{
				runs[n].first = w * 64 + (uint64) low;
				runs[n].pages = pages;
				n++;
			}
			taken += pages;
			warm &= (UINT64_C(1) << low) - 1;
		}
	}
	return n;
}
