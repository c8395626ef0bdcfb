/*
 * engine_distinct.c
 *	  Aggregates of DISTINCT values.
 *
 * Each has a table of its own, of the groups' keys and the value: a thread only
 * collects, as it cannot know what the others have seen.  Once all threads'
 * tables are one, every value in it goes into its group's state.  Includes no
 * PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_groups.h"

bool
gstore_distinct_create(GstoreGroups *groups, const GstoreProgram *program)
{
	uint16 *keys = calloc(groups->nkeys + 1, sizeof(uint16));
	bool fine = keys != NULL;

	groups->sets = calloc(groups->naggregates, sizeof(GstoreGroups *));
	fine = fine && groups->sets != NULL;
	for (int k = 0; fine && k < groups->nkeys; k++)
		keys[k] = groups->keys[k].reg;
	for (int i = 0; fine && i < groups->naggregates; i++)
	{
		if (!groups->aggregates[i].distinct)
			continue;
		keys[groups->nkeys] = groups->aggregates[i].argument;
		groups->sets[i] = gstore_groups_make(program, keys, groups->nkeys + 1,
											 0, false, groups->memory_limit);
		fine = groups->sets[i] != NULL;
		if (fine)
			groups->sets[i]->options = groups->options;
	}
	free(keys);
	return fine;
}

void
gstore_distinct_destroy(GstoreGroups *groups)
{
	for (int i = 0; groups->sets != NULL && i < groups->naggregates; i++)
		gstore_groups_destroy(groups->sets[i]);
	free(groups->sets);
}

/* The rows whose value counts; *error: one ended in that state. */
static int
select_values(const GstoreProgramAggregate *aggregate,
			  const GstoreMachine *machine, const uint16 *selection, int n,
			  uint16 *to, uint8 *error)
{
	const GstoreVector *argument = &machine->registers[aggregate->argument];
	const GstoreVector *filter =
		aggregate->filter == GSTORE_NO_REGISTER
			? NULL
			: &machine->registers[aggregate->filter];
	int found = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 state = filter == NULL || filter->clean ? 0 : filter->states[at];

		if (state == GSTORE_STATE_VALUE &&
			(filter == NULL || ((const gstore_logic *) filter->values)[at]))
		{
			state = argument->clean ? 0 : argument->states[at];
			to[found] = (uint16) at;
			found += state == GSTORE_STATE_VALUE;
		}
		if (state > GSTORE_STATE_NULL)
		{
			*error = state;
			return 0;
		}
	}
	return found;
}

GstoreEngineStatus
gstore_distinct_add(GstoreGroups *groups, const GstoreMachine *machine,
					const uint16 *selection, int n, uint8 *error)
{
	uint16 rows[GSTORE_VECTOR_ROWS];

	for (int i = 0; i < groups->naggregates; i++)
	{
		GstoreEngineStatus status;
		int count;

		if (groups->sets[i] == NULL)
			continue;
		*error = GSTORE_STATE_VALUE;
		count = select_values(&groups->aggregates[i], machine, selection, n,
							  rows, error);
		if (*error != GSTORE_STATE_VALUE)
			return GSTORE_ENGINE_STATE;
		if (count == 0)
			continue;
		status = gstore_groups_number(groups->sets[i], machine, rows, count,
									  error);
		if (status != GSTORE_ENGINE_OK)
			return status;
		groups->sets[i]->rows += count;
		gstore_groups_count(groups->sets[i], groups->sets[i]->numbers, count);
	}
	return GSTORE_ENGINE_OK;
}

/* The values of one aggregate. */
static GstoreEngineStatus
finish_set(GstoreGroups *groups, int index, const GstoreEngineOptions *options)
{
	const GstoreGroups *set = groups->sets[index];
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	/* bits of the keys that both have */
	uint64 prefix = (UINT64_C(1) << Min(groups->nkeys, GSTORE_HEAD_KEYS)) - 1;
	uint64 *words = malloc(set->key_words * sizeof(uint64));
	uint64 looked = 0;

	if (words == NULL)
		return GSTORE_ENGINE_OUT_OF_MEMORY;
	for (uint64 i = 0; status == GSTORE_ENGINE_OK && gstore_groups_next(set, &i);
		 i++)
	{
		uint64 head = gstore_group_words(set, i, words);
		GstoreGroupKey value;
		uint32 number = 0;

		if (looked++ % GSTORE_VECTOR_ROWS == 0 && gstore_engine_stops(options))
			status = GSTORE_ENGINE_CANCELLED;
		/* the groups' keys are the set's first */
		if (groups->is_wide)
			number = (head & 1) ? 0
								: (uint32) (words[0] - (uint64) groups->base);
		else if (groups->nkeys > 0)
			number = gstore_group_find(groups, words, 1,
									   gstore_group_head(groups, groups->nkeys, words, 1,
														 (uint32) (head & prefix)),
									   &status);
		if (status != GSTORE_ENGINE_OK)
			break;
		gstore_group_key(set, groups->nkeys, words, head, &value);
		gstore_state_add(groups, number, index, &value);
	}
	free(words);
	return status == GSTORE_ENGINE_OK ? groups->failed : status;
}

GstoreEngineStatus
gstore_distinct_finish(GstoreGroups *groups,
					   const GstoreEngineOptions *options)
{
	for (int i = 0; i < groups->naggregates; i++)
	{
		GstoreEngineStatus status = GSTORE_ENGINE_OK;

		if (groups->sets[i] != NULL)
			status = finish_set(groups, i, options);
		if (status != GSTORE_ENGINE_OK)
			return status;
	}
	return GSTORE_ENGINE_OK;
}
