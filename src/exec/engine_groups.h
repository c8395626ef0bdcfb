/*
 * engine_groups.h
 *	  Inside the engine: a thread's groups.
 *
 * A group is a record of keys and aggregate states; records are numbered from 0,
 * lie one after the other, and never move.
 *
 *	 engine_groups		the records, the hash table that finds them, merging
 *	 engine_shared		one table for all threads, once there are many groups
 *	 engine_keys		rows of a vector to numbers of groups
 *	 engine_accumulate	rows of a vector into the states of their groups
 *	 engine_distinct	values that count once
 */
#ifndef GSTORE_ENGINE_GROUPS_H
#define GSTORE_ENGINE_GROUPS_H

#include "exec/engine_memory.h"
#include "exec/engine_vector.h"

#define GSTORE_NO_GROUP UINT32_MAX

typedef struct GstoreTextBlock GstoreTextBlock;
typedef struct GstoreDirectKeys GstoreDirectKeys;

struct GstoreGroups
{
	int nkeys;
	int naggregates;
	uint16 *key_registers;
	const GstoreProgramAggregate *aggregates;
	const GstoreRegister *registers;
	uint64 memory_limit;
	uint64 memory; /* of slots and texts; records are counted by themselves */
	uint64 ngroups;
	uint32 record_bytes;
	bool has_texts; /* among the keys */
	GstoreSpace records;
	GstoreSpace slots; /* uint64: low half of the hash, and number + 1 */
	uint64 mask;
	GstoreTextBlock *texts;
	GstoreDirectKeys *direct; /* NULL: keys are hashed */
	/* by aggregate: the groups' distinct values, keyed by theirs and the value;
	 * NULL where it is not DISTINCT, and in such a set itself */
	GstoreGroups **sets;
	/* of the vector being added */
	GstoreGroupKey *keys; /* [nkeys][GSTORE_VECTOR_ROWS] */
	uint64 hashes[GSTORE_VECTOR_ROWS];
	uint32 numbers[GSTORE_VECTOR_ROWS]; /* groups of the selected rows */
};

static inline uint8 *
gstore_group_record(const GstoreGroups *groups, uint64 number)
{
	return groups->records.data + number * groups->record_bytes;
}

static inline GstoreAggregateState *
gstore_group_states(const GstoreGroups *groups, uint8 *record)
{
	return (GstoreAggregateState *) (record +
									 groups->nkeys *
										 sizeof(GstoreGroupKey));
}

/* ---- engine_groups.c ---- */

/* A table without aggregates if there are none, without keys likewise. */
extern GstoreGroups *gstore_groups_make(const GstoreProgram *program,
										const uint16 *keys, int nkeys,
										int naggregates, uint64 memory_limit);

/* A new group; GSTORE_NO_GROUP, and *status says why. */
extern uint32 gstore_group_new(GstoreGroups *groups,
							   GstoreEngineStatus *status);
/* The group of keys that lie stride apart, made if there is none. */
extern uint32 gstore_group_find(GstoreGroups *groups,
								const GstoreGroupKey *keys, uint64 stride,
								uint64 hash, GstoreEngineStatus *status);
/* Are these the keys of the group?  Some of them are texts. */
extern bool gstore_group_has_texts(const GstoreGroups *groups, uint32 number,
								   const GstoreGroupKey *keys, uint64 stride);
/* Bring the slots and records of a batch of hashes closer. */
#define GSTORE_PREFETCH_ROWS 128
extern void gstore_groups_prefetch(const GstoreGroups *groups,
								   const uint64 *hashes, int n);
/* The hash of the first keys, and one more. */
extern uint64 gstore_group_hash(const GstoreGroups *groups, int key,
								const GstoreGroupKey *value, uint64 hash);

static inline bool
gstore_group_is(const GstoreGroups *groups, uint32 number,
				const GstoreGroupKey *keys, uint64 stride)
{
	const GstoreGroupKey *own =
		(const GstoreGroupKey *) gstore_group_record(groups, number);
	uint64 differing = 0;

	if (groups->has_texts)
		return gstore_group_has_texts(groups, number, keys, stride);
	for (int i = 0; i < groups->nkeys; i++, keys += stride)
		differing |= (own[i].meta ^ keys->meta) | (own[i].word ^ keys->word);
	return differing == 0;
}

/* ---- engine_keys.c ---- */

/* NULL: the keys are not of types that have few values. */
extern GstoreDirectKeys *gstore_direct_keys_create(const GstoreGroups *groups);
extern void gstore_direct_keys_destroy(GstoreDirectKeys *direct);
/* Fill in keys and hashes; *error is the state of a row whose key is an error. */
extern GstoreEngineStatus gstore_groups_hash(GstoreGroups *groups,
											 const GstoreMachine *machine,
											 const uint16 *selection, int n,
											 uint8 *error);
/* Fill in numbers; *error is the state of a row whose key is an error. */
extern GstoreEngineStatus gstore_groups_number(GstoreGroups *groups,
											   const GstoreMachine *machine,
											   const uint16 *selection, int n,
											   uint8 *error);

/* ---- engine_accumulate.c ---- */

/* The rows into the states of numbers, or of group 0 where there are no keys;
 * an error state of a row, or 0. */
extern uint8 gstore_groups_accumulate(GstoreGroups *groups,
									  const GstoreMachine *machine,
									  const uint16 *selection, int n);
/* One value: integers of any width, a numeric, a float. */
extern void gstore_aggregate_value(const GstoreProgramAggregate *aggregate,
								   GstoreAggregateState *state,
								   const GstoreGroupKey *value);
/* One group's state into another's. */
extern void gstore_aggregate_merge(const GstoreProgramAggregate *aggregate,
								   GstoreAggregateState *to,
								   const GstoreAggregateState *from);

/* ---- engine_distinct.c ---- */

/* Make the sets; false: out of memory. */
extern bool gstore_distinct_create(GstoreGroups *groups,
								   const GstoreProgram *program);
extern void gstore_distinct_destroy(GstoreGroups *groups);
/* The values of the rows into the sets; *error as in gstore_groups_add. */
extern GstoreEngineStatus gstore_distinct_add(GstoreGroups *groups,
											  const GstoreMachine *machine,
											  const uint16 *selection, int n,
											  uint8 *error);
/* Each value of the sets into its group's state, once. */
extern GstoreEngineStatus
gstore_distinct_finish(GstoreGroups *groups, const GstoreEngineOptions *options);

#endif