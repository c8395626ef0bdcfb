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

/* ---- engine_filter.c ---- */

/* Which rows of a vector go on. */
typedef struct GstoreSieve
{
	uint16 selections[2][GSTORE_VECTOR_ROWS];
	uint16 marked[GSTORE_VECTOR_ROWS]; /* whose condition ended in an error */
	uint8 mask[GSTORE_VECTOR_ROWS];	   /* 1: passes all conjuncts so far */
} GstoreSieve;

/* Of the first *n rows of the machine's vector those that are there and pass, in
 * *selection (NULL: all of the first *n); returns how many are marked. */
extern int gstore_sieve_run(GstoreSieve *sieve, GstoreMachine *machine, int *n,
							const uint16 **selection);
/* The state a marked row ended in. */
extern int gstore_sieve_state(const GstoreMachine *machine, uint16 at);

/* ---- engine_results.c: groups as rows of another program ---- */

typedef struct GstoreResults GstoreResults;

/* Room for a vector of them; NULL when out of memory. */
extern GstoreResults *gstore_results_create(const GstoreProgram *program,
											const GstoreProgram *inner);
extern void gstore_results_destroy(GstoreResults *results);
/* The groups at a position of another engine, as rows.  False: a value is not
 * one that the program can have. */
extern bool gstore_results_read(GstoreResults *results,
								const GstoreEngine *inner,
								const GstoreGroupColumn *columns,
								uint64 position);
/* What the last read made; where[i]: from the position, of row i. */
extern const GstoreEngineInput *gstore_results_rows(const GstoreResults *results,
													const uint16 **where);

/* ---- groups: a table of a thread's own ---- */

typedef struct GstoreGroups GstoreGroups;

/* Where it has much to do at once it asks the options whether to stop. */
extern GstoreGroups *gstore_groups_create(const GstoreProgram *program,
										  uint64 memory_limit,
										  const GstoreEngineOptions *options);
extern void gstore_groups_destroy(GstoreGroups *groups);
/* Selected rows of the machine's vectors into their groups.  *state is set to
 * the first error state of a row. */
extern GstoreEngineStatus gstore_groups_add(GstoreGroups *groups,
											const GstoreMachine *machine,
											const uint16 *selection, int n,
											uint8 *state);
/* Are there so many groups that threads had better share them? */
extern bool gstore_groups_many(const GstoreGroups *groups);
extern bool gstore_groups_empty(const GstoreGroups *groups);
/* Did rows meet groups that were there already, mostly? */
extern bool gstore_groups_pay(const GstoreGroups *groups);
/* As if it were new, hashed from now on. */
extern GstoreEngineStatus gstore_groups_clear(GstoreGroups *groups);
/* What somebody else has accumulated into the only group. */
extern GstoreEngineStatus
gstore_groups_absorb(GstoreGroups *groups, int aggregate,
					 const GstoreAggregateState *state);
/* The same into the group of some keys, all aggregates. */
extern GstoreEngineStatus
gstore_groups_absorb_group(GstoreGroups *groups, const GstoreGroupKey *keys,
						   const GstoreAggregateState *states);
/* What went wrong with memory, besides what calls returned. */
extern GstoreEngineStatus gstore_groups_failed(const GstoreGroups *groups);
/* The first error state of a group, or 0: a float sum that became infinite of
 * finite values has overflowed. */
extern uint8 gstore_groups_error(const GstoreGroups *groups);
/* All groups of another table into this one, which may grow to the options'
 * limit.  Polls. */
extern GstoreEngineStatus
gstore_groups_merge(GstoreGroups *groups, const GstoreGroups *other,
					const GstoreEngineOptions *options);
/* The same in parts, by several threads, of tables without sets that are wide:
 * room for the other's groups, and the numbers from which to which there are
 * any; false: they are not like that.  Then the groups of some numbers. */
extern bool gstore_groups_join(GstoreGroups *groups, const GstoreGroups *other,
							   const GstoreEngineOptions *options, uint64 *from,
							   uint64 *to);
extern void gstore_groups_merge_part(GstoreGroups *groups,
									 const GstoreGroups *other, uint64 from,
									 uint64 to);
/* After the last merge.  Polls. */
extern GstoreEngineStatus
gstore_groups_finish(GstoreGroups *groups, const GstoreEngineOptions *options);
/* Neither codes nor wide records. */
extern void gstore_groups_only_hash(GstoreGroups *groups);
/* Places of groups, some of which may be empty: as many, and the groups at up to
 * a vector of them.  From several threads at once. */
extern uint64 gstore_groups_positions(const GstoreGroups *groups);
extern void gstore_groups_read(const GstoreGroups *groups, uint64 position,
							   GstoreGroupBatch *batch);

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
/* As those of one table; *position becomes the one in the table that has it. */
extern uint64 gstore_shared_positions(const GstoreSharedGroups *shared);
extern const GstoreGroups *gstore_shared_at(const GstoreSharedGroups *shared,
											uint64 *position);
/* As gstore_groups_error. */
extern uint8 gstore_shared_error(const GstoreSharedGroups *shared);

#endif
