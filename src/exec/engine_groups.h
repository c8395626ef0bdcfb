/*
 * engine_groups.h
 *	  Inside the engine: a thread's groups.
 *
 * A group is a record of keys and aggregate states; records are numbered from 0
 * and lie in blocks that never move.
 *
 *	 engine_groups		the records, the hash table that finds them, merging
 *	 engine_keys		rows of a vector to numbers of groups
 *	 engine_accumulate	rows of a vector into the states of their groups
 */
#ifndef GSTORE_ENGINE_GROUPS_H
#define GSTORE_ENGINE_GROUPS_H

#include "exec/engine_vector.h"

#define GSTORE_BLOCK_RECORDS 1024
#define GSTORE_NO_GROUP UINT32_MAX

typedef struct GstoreTextBlock GstoreTextBlock;
typedef struct GstoreDirectKeys GstoreDirectKeys;

struct GstoreGroups
{
	const GstoreProgram *program;
	const GstoreProgramAggregate *aggregates;
	const uint16 *key_registers;
	const GstoreRegister *registers;
	uint64 memory_limit;
	uint64 memory;
	uint64 ngroups;
	uint32 record_bytes;
	uint8 **blocks;
	uint64 blocks_room;
	uint64 *slots; /* low half of the hash, and record number + 1 */
	uint64 mask;
	GstoreTextBlock *texts;
	GstoreDirectKeys *direct; /* NULL: keys are hashed */
	/* of the vector being added */
	GstoreGroupKey *keys; /* [nkeys][GSTORE_VECTOR_ROWS] */
	uint64 hashes[GSTORE_VECTOR_ROWS];
	uint32 numbers[GSTORE_VECTOR_ROWS]; /* groups of the selected rows */
};

static inline uint8 *
gstore_group_record(const GstoreGroups *groups, uint64 number)
{
	return groups->blocks[number / GSTORE_BLOCK_RECORDS] +
		   (number % GSTORE_BLOCK_RECORDS) * groups->record_bytes;
}

static inline GstoreAggregateState *
gstore_group_states(const GstoreGroups *groups, uint8 *record)
{
	return (GstoreAggregateState *) (record +
									 groups->program->nkeys *
										 sizeof(GstoreGroupKey));
}

/* ---- engine_groups.c ---- */

/* A new group; GSTORE_NO_GROUP, and *status says why. */
extern uint32 gstore_group_new(GstoreGroups *groups,
							   GstoreEngineStatus *status);
/* The group of keys that lie stride apart, made if there is none. */
extern uint32 gstore_group_find(GstoreGroups *groups,
								const GstoreGroupKey *keys, uint64 stride,
								uint64 hash, GstoreEngineStatus *status);
extern bool gstore_group_is(const GstoreGroups *groups, uint32 number,
							const GstoreGroupKey *keys, uint64 stride);
/* The hash of the first keys, and one more. */
extern uint64 gstore_group_hash(const GstoreGroups *groups, int key,
								const GstoreGroupKey *value, uint64 hash);

/* ---- engine_keys.c ---- */

/* NULL: the keys are not of types that have few values. */
extern GstoreDirectKeys *gstore_direct_keys_create(const GstoreGroups *groups);
extern void gstore_direct_keys_destroy(GstoreDirectKeys *direct);
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
/* One group's state into another's. */
extern void gstore_aggregate_merge(const GstoreProgramAggregate *aggregate,
								   GstoreAggregateState *to,
								   const GstoreAggregateState *from);

#endif
