/*
 * test_pages.c
 *	  The arena's page map against a plain array of pages: many random steps,
 *	  and after each the same answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/pages.h"

#define MOST_PAGES 1000
#define STEPS 20000

static char used[MOST_PAGES];
static char populated[MOST_PAGES];
static int failures;
static int tests;

static void
ok(bool good, const char *text)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, text);
	failures += !good;
}

/* First run of want pages, or -1 and the longest. */
static long
plain_find(uint64 pages, uint64 want, bool warm, uint64 *longest)
{
	uint64 run = 0;
	uint64 i;

	*longest = 0;
	for (i = 0; i < pages; i++)
	{
		run = !used[i] && (!warm || populated[i]) ? run + 1 : 0;
		*longest = Max(*longest, run);
		if (run >= want)
			return (long) (i + 1 - run);
	}
	return -1;
}

static bool
same_find(GstorePageMap *map, uint64 want, bool warm, long *place)
{
	uint64 first = 0;
	uint64 longest;
	uint64 plain_longest;
	bool found = gstore_pages_find(map, want, warm, &first, &longest);

	*place = plain_find(map->pages, want, warm, &plain_longest);
	return found ? *place == (long) first : *place < 0 && longest == plain_longest;
}

static bool
same_warm(GstorePageMap *map, uint64 wanted)
{
	GstorePageRun runs[8];
	int n = gstore_pages_find_warm(map, wanted, runs, lengthof(runs));
	uint64 total = 0;
	uint64 there = 0;
	uint64 below = map->pages;
	int i;
	uint64 page;

	for (page = 0; page < map->pages; page++)
		there += !used[page] && populated[page];
	for (i = 0; i < n; i++)
	{
		if (runs[i].pages == 0 || runs[i].first + runs[i].pages > below)
			return false;
		for (page = runs[i].first; page < runs[i].first + runs[i].pages; page++)
			if (used[page] || !populated[page])
				return false;
		below = runs[i].first;
		total += runs[i].pages;
	}
	return n == lengthof(runs) ? total <= wanted : total == Min(wanted, there);
}

static bool
steps(uint64 pages, unsigned seed)
{
	uint64 bits[2][(MOST_PAGES + 63) / 64] = {0};
	GstorePageMap map;
	int step;

	srand(seed);
	memset(used, 0, sizeof(used));
	memset(populated, 0, sizeof(populated));
	gstore_pages_init(&map, pages, bits[0], bits[1]);
	for (step = 0; step < STEPS; step++)
	{
		GstorePageRun run;
		uint64 want = 1 + (uint64) rand() % (rand() % 8 ? 20 : pages + 2);
		long place;
		uint64 changed = 0;
		uint64 plain_changed = 0;
		bool value = rand() % 2;
		uint64 i;

		if (!same_find(&map, want, true, &place) ||
			!same_find(&map, want, false, &place))
			return false;

		/* Take what was found, or change any run. */
		run.first = place >= 0 && rand() % 2 ? (uint64) place : (uint64) rand() % pages;
		run.pages = Min(want, pages - run.first);
		changed = 0;
		for (i = run.first; i < run.first + run.pages; i++)
			changed += !populated[i];
		if (gstore_pages_cold(&map, &run) != changed)
			return false;
		for (i = 0; run.first + i < pages && i < want; i++)
			if (used[run.first + i] || populated[run.first + i])
				break;
		if (gstore_pages_cold_ahead(&map, run.first, want) != i)
			return false;
		if (!same_warm(&map, want))
			return false;

		if (rand() % 3 == 0)
		{
			changed = gstore_pages_set_populated(&map, &run, value);
			for (i = run.first; i < run.first + run.pages; i++)
			{
				plain_changed += populated[i] != value;
				populated[i] = value;
			}
		}
		else
		{
			changed = gstore_pages_set_used(&map, &run, value);
			for (i = run.first; i < run.first + run.pages; i++)
			{
				plain_changed += used[i] != value;
				used[i] = value;
			}
		}
		if (changed != plain_changed)
			return false;
	}
	return true;
}

int
main(void)
{
	GstorePageMap map;
	uint64 bits[2] = {0, 0};
	uint64 first;
	uint64 longest;

	printf("1..6\n");
	ok(steps(MOST_PAGES, 1), "a thousand pages");
	ok(steps(64, 2), "one word exactly");
	ok(steps(65, 3), "a word and a page");
	ok(steps(3, 4), "less than a word");

	gstore_pages_init(&map, 10, &bits[0], &bits[1]);
	ok(!gstore_pages_find(&map, 11, false, &first, &longest) && longest == 10,
	   "pages past the end are not there");
	gstore_pages_init(&map, 0, NULL, NULL);
	ok(!gstore_pages_find(&map, 1, false, &first, &longest) && longest == 0 &&
		   gstore_pages_cold_ahead(&map, 0, 5) == 0,
	   "an area without pages");
	return failures == 0 ? 0 : 1;
}
