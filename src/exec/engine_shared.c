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
#define PARTS_PER_THREAD 8
#define MAX_PARTS 64

typedef struct Part
{
	pthread_mutex_t lock;
	GstoreGroups *groups;
} Part;

struct GstoreSharedGroups
{
	int nparts; /* a power of 2, at least 2 */
	int shift;	/* of a hash, to its part */
	Part parts[MAX_PARTS];
};

/* The rows of a vector, sorted by part. */
typedef struct SortedRows
{
	uint16 first[MAX_PARTS + 1];		  /* of each part's */
	uint16 positions[GSTORE_VECTOR_ROWS]; /* among the selected rows */
	uint16 rows[GSTORE_VECTOR_ROWS];	  /* in the vector */
} SortedRows;

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
			gstore_groups_create(program, memory_limit / shared->nparts);
		if (shared->parts[i].groups == NULL)
		{
			gstore_shared_destroy(shared);
			return NULL;
		}
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
sort_rows(const GstoreSharedGroups *shared, const uint64 *hashes,
		  const uint16 *selection, int n, SortedRows *sorted)
{
	uint16 next[MAX_PARTS] = {0};

	for (int i = 0; i < n; i++)
		next[hashes[i] >> shared->shift]++;
	sorted->first[0] = 0;
	for (int p = 0; p < shared->nparts; p++)
	{
		sorted->first[p + 1] = (uint16) (sorted->first[p] + next[p]);
		next[p] = sorted->first[p];
	}
	for (int i = 0; i < n; i++)
	{
		uint16 at = next[hashes[i] >> shared->shift]++;

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
		groups->hashes[i] = own->hashes[positions[i]];
	for (int i = 0; i < n; i++)
	{
		if (i % GSTORE_PREFETCH_ROWS == 0)
			gstore_groups_prefetch(groups, &groups->hashes[i],
								   Min(n - i, GSTORE_PREFETCH_ROWS));
		groups->numbers[i] =
			gstore_group_find(groups, own->keys + positions[i],
							  GSTORE_VECTOR_ROWS, groups->hashes[i], &status);
		if (groups->numbers[i] == GSTORE_NO_GROUP)
			return status;
	}
	*error = gstore_groups_accumulate(groups, machine, rows, n);
	return *error == GSTORE_STATE_VALUE ? GSTORE_ENGINE_OK
										: GSTORE_ENGINE_STATE;
}

GstoreEngineStatus
gstore_shared_add(GstoreSharedGroups *shared, GstoreGroups *own,
				  const GstoreMachine *machine, const uint16 *selection,
				  int n, uint8 *error)
{
	GstoreEngineStatus status = gstore_groups_hash(own, machine, selection, n,
												   error);
	bool done[MAX_PARTS] = {0};
	SortedRows sorted;

	if (status != GSTORE_ENGINE_OK)
		return status;
	sort_rows(shared, own->hashes, selection, n, &sorted);

	/* Those that nobody has, then the others. */
	for (int round = 0; round < 2; round++)
		for (int p = 0; p < shared->nparts; p++)
		{
			Part *part = &shared->parts[p];
			int first = sorted.first[p];

			if (done[p] || sorted.first[p + 1] == first)
				continue;
			if (round > 0)
				pthread_mutex_lock(&part->lock);
			else if (pthread_mutex_trylock(&part->lock) != 0)
				continue;
			status = add_to_part(part->groups, own, machine,
								 &sorted.positions[first], &sorted.rows[first],
								 sorted.first[p + 1] - first, error);
			pthread_mutex_unlock(&part->lock);
			if (status != GSTORE_ENGINE_OK)
				return status;
			done[p] = true;
		}
	return GSTORE_ENGINE_OK;
}

GstoreEngineStatus
gstore_shared_merge(GstoreSharedGroups *shared, const GstoreGroups *own)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	for (int p = 0; p < shared->nparts && status == GSTORE_ENGINE_OK; p++)
	{
		Part *part = &shared->parts[p];

		pthread_mutex_lock(&part->lock);
		status = gstore_groups_merge_some(part->groups, own,
										  UINT64_MAX << shared->shift,
										  (uint64) p << shared->shift);
		pthread_mutex_unlock(&part->lock);
	}
	return status;
}

bool
gstore_shared_get(const GstoreSharedGroups *shared, int *part, uint64 *index,
				  const GstoreGroupKey **keys, GstoreAggregateState **states)
{
	while (*part < shared->nparts &&
		   !gstore_groups_get(shared->parts[*part].groups, *index, keys,
							  states))
	{
		(*part)++;
		*index = 0;
	}
	return *part < shared->nparts;
}
