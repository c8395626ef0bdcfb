/*
 * engine_shared.c
 *	  Groups that all threads share, once there are many.
 *
 * Threads with a table each would find every group once each, and one of them
 * would merge what all have found, while the others wait.  Parts of one table,
 * told apart by the top bits of a key's hash, with a lock each: a thread sorts
 * the rows of a vector by part, and takes a part that nobody has.  Includes no
 * PostgreSQL header.
 */
#include <pthread.h>
#include <stdlib.h>

#include "exec/engine_groups.h"

/* Parts a thread finds free ones among; a vector's rows are split by as many. */
#define PARTS_PER_THREAD 4
#define MAX_PARTS 64
/* Groups of a thread's own table that are sorted by part at a time. */
#define GROUPS_AT_A_TIME 16384

typedef struct Part
{
	pthread_mutex_t lock;
	GstoreGroups *groups;
} Part;

struct GstoreSharedGroups
{
	int nparts; /* a power of 2, at least 2 */
	int shift;	/* of a head, to its part */
	Part parts[MAX_PARTS];
};

/* Rows of a vector, or groups of a table, sorted by part. */
typedef struct Sorted
{
	uint32 first[MAX_PARTS + 1];		  /* of each part's */
	uint16 positions[GSTORE_VECTOR_ROWS]; /* among the selected rows */
	uint16 rows[GSTORE_VECTOR_ROWS];	  /* in the vector */
	uint32 numbers[GROUPS_AT_A_TIME];	  /* of the groups */
} Sorted;

GstoreSharedGroups *
gstore_shared_create(const GstoreProgram *program, int threads,
					 uint64 memory_limit)
{
	GstoreSharedGroups *shared = calloc(1, sizeof(*shared));

	if (shared == NULL)
		return NULL;
	shared->nparts = 2;
	shared->shift = 63;
	while (shared->nparts < MAX_PARTS &&
		   shared->nparts < threads * PARTS_PER_THREAD)
	{
		shared->nparts *= 2;
		shared->shift--;
	}
	for (int i = 0; i < shared->nparts; i++)
		pthread_mutex_init(&shared->parts[i].lock, NULL);
	for (int i = 0; i < shared->nparts; i++)
	{
		shared->parts[i].groups =
			gstore_groups_create(program, memory_limit / shared->nparts, NULL);
		if (shared->parts[i].groups == NULL)
		{
			gstore_shared_destroy(shared);
			return NULL;
		}
		gstore_groups_only_hash(shared->parts[i].groups);
	}
	return shared;
}

void
gstore_shared_destroy(GstoreSharedGroups *shared)
{
	if (shared == NULL)
		return;
	for (int i = 0; i < shared->nparts; i++)
	{
		gstore_groups_destroy(shared->parts[i].groups);
		pthread_mutex_destroy(&shared->parts[i].lock);
	}
	free(shared);
}

static void
sort_rows(const GstoreSharedGroups *shared, const uint64 *heads,
		  const uint16 *selection, int n, Sorted *sorted)
{
	uint32 next[MAX_PARTS] = {0};

	for (int i = 0; i < n; i++)
		next[heads[i] >> shared->shift]++;
	sorted->first[0] = 0;
	for (int p = 0; p < shared->nparts; p++)
	{
		sorted->first[p + 1] = sorted->first[p] + next[p];
		next[p] = sorted->first[p];
	}
	for (int i = 0; i < n; i++)
	{
		uint32 at = next[heads[i] >> shared->shift]++;

		sorted->positions[at] = (uint16) i;
		sorted->rows[at] = selection ? selection[i] : (uint16) i;
	}
}

/* Rows of one part into its groups. */
static GstoreEngineStatus
add_to_part(GstoreGroups *groups, const GstoreGroups *own,
			const GstoreMachine *machine, const uint16 *positions,
			const uint16 *rows, int n, uint8 *error)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	for (int i = 0; i < n; i++)
		groups->heads[i] = own->heads[positions[i]];
	for (int i = 0; i < n; i++)
	{
		if (i % GSTORE_PREFETCH_ROWS == 0)
			gstore_groups_prefetch(groups, &groups->heads[i],
								   Min(n - i, GSTORE_PREFETCH_ROWS));
		groups->numbers[i] =
			gstore_group_find(groups, own->words + positions[i],
							  GSTORE_VECTOR_ROWS, groups->heads[i], &status);
		if (groups->numbers[i] == GSTORE_NO_GROUP)
			return status;
	}
	*error = gstore_groups_accumulate(groups, machine, rows, n);
	return *error == GSTORE_STATE_VALUE ? groups->failed : GSTORE_ENGINE_STATE;
}

/* The next part whose turn it is, locked: first those that nobody has, then the
 * others.  -1: all are done. */
static int
take_part(GstoreSharedGroups *shared, const Sorted *sorted, bool *done,
		  int *turn)
{
	for (; *turn < 2 * shared->nparts; ++*turn)
	{
		int p = *turn % shared->nparts;

		if (done[p] || sorted->first[p + 1] == sorted->first[p])
			continue;
		if (*turn >= shared->nparts)
			pthread_mutex_lock(&shared->parts[p].lock);
		else if (pthread_mutex_trylock(&shared->parts[p].lock) != 0)
			continue;
		done[p] = true;
		return p;
	}
	return -1;
}

GstoreEngineStatus
gstore_shared_add(GstoreSharedGroups *shared, GstoreGroups *own,
				  const GstoreMachine *machine, const uint16 *selection,
				  int n, uint8 *error)
{
	GstoreEngineStatus status = gstore_groups_hash(own, machine, selection, n,
												   error);
	bool done[MAX_PARTS] = {0};
	int turn = 0;
	Sorted sorted;
	int p;

	if (status != GSTORE_ENGINE_OK)
		return status;
	sort_rows(shared, own->heads, selection, n, &sorted);
	while (status == GSTORE_ENGINE_OK &&
		   (p = take_part(shared, &sorted, done, &turn)) >= 0)
	{
		uint32 first = sorted.first[p];

		status = add_to_part(shared->parts[p].groups, own, machine,
							 &sorted.positions[first], &sorted.rows[first],
							 (int) (sorted.first[p + 1] - first), error);
		pthread_mutex_unlock(&shared->parts[p].lock);
	}
	return status;
}

/* The next groups of a table, by part; false: there are none. */
static bool
sort_groups(const GstoreSharedGroups *shared, const GstoreGroups *own,
			uint64 *number, Sorted *sorted, uint32 *unsorted, uint8 *parts)
{
	uint32 next[MAX_PARTS] = {0};
	int n = 0;

	for (; n < GROUPS_AT_A_TIME && gstore_groups_next(own, number); n++)
	{
		uint64 word;
		uint64 head = own->is_wide
						  ? gstore_group_words(own, *number, &word)
						  : *(const uint64 *) gstore_group_record(own, *number);

		unsorted[n] = (uint32) (*number)++;
		parts[n] = (uint8) (head >> shared->shift);
		next[parts[n]]++;
	}
	sorted->first[0] = 0;
	for (int p = 0; p < shared->nparts; p++)
	{
		sorted->first[p + 1] = sorted->first[p] + next[p];
		next[p] = sorted->first[p];
	}
	for (int i = 0; i < n; i++)
		sorted->numbers[next[parts[i]]++] = unsorted[i];
	return n > 0;
}

GstoreEngineStatus
gstore_shared_merge(GstoreSharedGroups *shared, const GstoreGroups *own)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint32 unsorted[GROUPS_AT_A_TIME];
	uint8 parts[GROUPS_AT_A_TIME];
	uint64 number = 0;
	Sorted sorted;

	while (status == GSTORE_ENGINE_OK &&
		   sort_groups(shared, own, &number, &sorted, unsorted, parts))
	{
		bool done[MAX_PARTS] = {0};
		int turn = 0;
		int p;

		while (status == GSTORE_ENGINE_OK &&
			   (p = take_part(shared, &sorted, done, &turn)) >= 0)
		{
			uint32 first = sorted.first[p];

			status = gstore_groups_take(shared->parts[p].groups, own,
										&sorted.numbers[first],
										(int) (sorted.first[p + 1] - first));
			pthread_mutex_unlock(&shared->parts[p].lock);
		}
	}
	return status;
}

uint64
gstore_shared_positions(const GstoreSharedGroups *shared)
{
	uint64 positions = 0;

	for (int p = 0; p < shared->nparts; p++)
		positions += GSTORE_ALIGN(shared->parts[p].groups->ngroups,
								  GSTORE_VECTOR_ROWS);
	return positions;
}

const GstoreGroups *
gstore_shared_at(const GstoreSharedGroups *shared, uint64 *position)
{
	for (int p = 0; p < shared->nparts; p++)
	{
		const GstoreGroups *groups = shared->parts[p].groups;
		uint64 positions = GSTORE_ALIGN(groups->ngroups, GSTORE_VECTOR_ROWS);

		if (*position < positions)
			return groups;
		*position -= positions;
	}
	return NULL;
}

uint8
gstore_shared_error(const GstoreSharedGroups *shared)
{
	uint8 error = GSTORE_STATE_VALUE;

	for (int p = 0; p < shared->nparts && error == GSTORE_STATE_VALUE; p++)
		error = gstore_groups_error(shared->parts[p].groups);
	return error;
}
