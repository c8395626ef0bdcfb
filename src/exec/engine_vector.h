/*
 * engine_vector.h
 *	  Inside the engine: registers as vectors of rows, and groups.
 *
 * A selection is a list of positions in the vector, or NULL for all of the
 * first n.  A register keeps the value of a row at the row's position, so that
 * selections only ever shrink and nothing is moved.
 */
#ifndef GSTORE_ENGINE_VECTOR_H
#define GSTORE_ENGINE_VECTOR_H

#include "exec/engine.h"

/*
 * Memory is read in lines and ahead: loading all rows of a vector costs no more
 * than this many of them.
 */
#define GSTORE_SPARSE_ROWS (GSTORE_VECTOR_ROWS / 16)

/*
 * A function whose loops pay to be compiled twice: for any x86-64, and for those
 * with AVX2 (nearly all since 2013), chosen when the library is loaded.  Not
 * with sanitizers, which are not there yet at that time.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define GSTORE_VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define GSTORE_VECTORISED
#endif

typedef struct GstoreVector
{
	void *values;  /* [GSTORE_VECTOR_ROWS], own or a column's memory */
	uint8 *states; /* [GSTORE_VECTOR_ROWS], GstoreState */
	bool clean;	   /* every selected row has a value */
	void *own;	   /* memory of its own */
} GstoreVector;

typedef struct GstorePlainBlock GstorePlainBlock;

/* What one thread runs a program with. */
typedef struct GstoreMachine
{
	const GstoreProgram *program;
	const GstoreEngineInput *input;
	uint64 first; /* row of the input at position 0 */
	GstoreVector *registers;
	uint8 *memory;
	GstorePlainBlock *plain; /* decompressed values of this vector */
	uint64 plain_bytes;
} GstoreMachine;

extern bool gstore_machine_init(GstoreMachine *machine,
								const GstoreProgram *program);
extern void gstore_machine_free(GstoreMachine *machine);
/* Run instructions [from, to) on n rows of a selection. */
extern void gstore_machine_run(GstoreMachine *machine, int from, int to,
							   const uint16 *selection, int n);

/* Load a column; what its vector points to lives until forget, which is called
 * before each vector of rows. */
extern void gstore_machine_load(GstoreMachine *machine,
								const GstoreInstruction *instruction,
								const uint16 *selection, int n);
/* Few rows are left: what instructions from this one on will load of them is
 * fetched from memory all at once. */
extern void gstore_machine_prefetch(const GstoreMachine *machine, int from,
									const uint16 *selection, int n);
extern void gstore_machine_forget(GstoreMachine *machine);
extern void gstore_machine_free_plain(GstoreMachine *machine);

/* ---- groups: a table of a thread's own ---- */

typedef struct GstoreGroups GstoreGroups;

extern GstoreGroups *gstore_groups_create(const GstoreProgram *program,
										  uint64 memory_limit);
extern void gstore_groups_destroy(GstoreGroups *groups);
/* Selected rows of the machine's vectors into their groups.  *state is set to
 * the first error state of a row. */
extern GstoreEngineStatus gstore_groups_add(GstoreGroups *groups,
											const GstoreMachine *machine,
											const uint16 *selection, int n,
											uint8 *state);
/* The states of the group of some keys, made if there is none. */
extern GstoreEngineStatus gstore_groups_absorb(GstoreGroups *groups,
											   const GstoreGroupKey *keys,
											   GstoreAggregateState **states);
/* Are there so many groups that threads had better share them? */
extern bool gstore_groups_many(const GstoreGroups *groups);
extern bool gstore_groups_empty(const GstoreGroups *groups);
/* All groups of another table into this one, which may grow to the options'
 * limit.  Polls. */
extern GstoreEngineStatus
gstore_groups_merge(GstoreGroups *groups, const GstoreGroups *other,
					const GstoreEngineOptions *options);
/* Only those whose hash begins with the top bits of hash; mask has ones where
 * they are. */
extern GstoreEngineStatus gstore_groups_merge_some(GstoreGroups *groups,
												   const GstoreGroups *other,
												   uint64 mask, uint64 hash);
/* After the last merge.  Polls. */
extern GstoreEngineStatus
gstore_groups_finish(GstoreGroups *groups, const GstoreEngineOptions *options);
extern bool gstore_groups_get(const GstoreGroups *groups, uint64 index,
							  const GstoreGroupKey **keys,
							  GstoreAggregateState **states);

/* ---- groups that threads share ---- */

typedef struct GstoreSharedGroups GstoreSharedGroups;

extern GstoreSharedGroups *gstore_shared_create(const GstoreProgram *program,
												int threads,
												uint64 memory_limit);
extern void gstore_shared_destroy(GstoreSharedGroups *shared);
/* As gstore_groups_add, by any thread; own is that thread's table, empty. */
extern GstoreEngineStatus gstore_shared_add(GstoreSharedGroups *shared,
											GstoreGroups *own,
											const GstoreMachine *machine,
											const uint16 *selection, int n,
											uint8 *state);
/* All groups of a thread's own table. */
extern GstoreEngineStatus gstore_shared_merge(GstoreSharedGroups *shared,
											  const GstoreGroups *own);
/* The group at a place, or at the next one where there is one.  The first place
 * is 0, 0; the one after is index + 1. */
extern bool gstore_shared_get(const GstoreSharedGroups *shared, int *part,
							  uint64 *index, const GstoreGroupKey **keys,
							  GstoreAggregateState **states);

#endif
