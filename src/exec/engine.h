/*
 * engine.h
 *	  The CPU engine: programs over columns in memory, on several threads.
 *
 * Includes no PostgreSQL header and raises nothing.  Between calls the threads
 * sleep: whoever uses the engine may leave by an error at any time, as long as
 * gstore_engine_destroy is called before what the program or the columns lie in
 * goes away.  One engine serves one query and is called by one thread.
 *
 *	 filter		rows of an input that pass the conjuncts
 *	 aggregate	rows of an input that pass, into the groups
 *	 finish		the threads' groups become one; then next_group reads them
 */
#ifndef GSTORE_ENGINE_H
#define GSTORE_ENGINE_H

#include "codec/codec.h"

#include "program.h"

/* Rows a vector holds. */
#define GSTORE_VECTOR_ROWS 1024

typedef enum GstoreEngineStatus
{
	GSTORE_ENGINE_OK = 0,
	GSTORE_ENGINE_OUT_OF_MEMORY,
	GSTORE_ENGINE_LIMIT,	 /* the groups passed memory_limit */
	GSTORE_ENGINE_CANCELLED, /* poll said so */
	GSTORE_ENGINE_STATE		 /* a row ended in an error: see error_state */
} GstoreEngineStatus;

typedef struct GstoreEngineOptions
{
	int threads;		 /* with the caller's; at least 1 */
	uint64 memory_limit; /* bytes of groups; 0: none */
	/* Called by the caller's thread every few milliseconds: stop?  Must not
	 * leave by longjmp.  May be NULL. */
	bool (*poll)(void *state);
	void *poll_state;
} GstoreEngineOptions;

/* Does the caller want it to end?  Asked by the caller's thread. */
static inline bool
gstore_engine_stops(const GstoreEngineOptions *options)
{
	return options->poll != NULL && options->poll(options->poll_state);
}

/* Rows of one chunk; columns in the program's order. */
typedef struct GstoreEngineInput
{
	const GstoreColumnView *columns;
	uint64 rows;
	const uint8 *hidden; /* bitmap, LSB first, 1: nobody sees it; or NULL */
	uint64 hidden_bit;	 /* of the first row */
} GstoreEngineInput;

/* What an aggregate has accumulated in a group. */
typedef struct GstoreAggregateState
{
	union
	{
		GstoreInt128 integer; /* sum, also of numeric; min, max, and, or */
		struct
		{
			double sum;
			double deviations; /* squared, from the mean: MOMENTS */
		} real;
	} value;
	int64 count;	/* rows that went in */
	int32 scale;	/* of a numeric */
	uint8 infinite; /* an input of a float sum was infinite */
	uint8 state;	/* an error of the accumulation itself */
} GstoreAggregateState;

/* A group's key, as finish gives it. */
typedef struct GstoreGroupKey
{
	uint64 word; /* the value's bits, or the bytes of a text of up to 8 bytes,
				  * or the address of a longer one */
	uint64 meta; /* GSTORE_KEY_NULL, a text's length, a numeric's scale */
} GstoreGroupKey;

#define GSTORE_KEY_NULL UINT64_MAX

/* Some groups. */
typedef struct GstoreGroupBatch
{
	int n;
	GstoreGroupKey *keys;		   /* of a group side by side */
	GstoreAggregateState *states;  /* likewise */
	uint16 at[GSTORE_VECTOR_ROWS]; /* from the first position */
} GstoreGroupBatch;

/* What a column of a program over groups is. */
typedef enum GstoreGroupPart
{
	GSTORE_GROUP_KEY,
	GSTORE_GROUP_COUNT,
	GSTORE_GROUP_VALUE, /* of any other aggregate */
	GSTORE_GROUP_MEAN,	/* of a sum of floats */
	GSTORE_GROUP_NOTHING
} GstoreGroupPart;

typedef struct GstoreGroupColumn
{
	uint8 part;	  /* GstoreGroupPart */
	uint8 type;	  /* GstoreType */
	uint16 index; /* of the key, or of the aggregate */
	int16 scale;  /* of a numeric, -1: unknown */
} GstoreGroupColumn;

typedef struct GstoreEngine GstoreEngine;

/* NULL when out of memory (or threads).  The program must live as long. */
extern GstoreEngine *gstore_engine_create(const GstoreProgram *program,
										  const GstoreEngineOptions *options);
extern void gstore_engine_destroy(GstoreEngine *engine);

/*
 * Rows [from, from + count) of an input, from a multiple of 8: bit i of pass
 * is set for a row from + i that goes on, and of recheck for one that goes on
 * only because its condition ended in an error.  Both have room for count
 * rounded up to GSTORE_VECTOR_ROWS bits.
 */
extern GstoreEngineStatus gstore_engine_filter(GstoreEngine *engine,
											   const GstoreEngineInput *input,
											   uint64 from, uint64 count,
											   uint8 *pass, uint8 *recheck);

extern GstoreEngineStatus gstore_engine_aggregate(GstoreEngine *engine,
												  const GstoreEngineInput *input);
/* What somebody else has accumulated of other rows, without keys: of one
 * aggregate; or that a row ended in an error, as if it were one of ours.  A key's
 * long text must stay until the call returns. */
extern GstoreEngineStatus gstore_engine_absorb(GstoreEngine *engine,
											   int aggregate,
											   const GstoreAggregateState *state);
/* The same with keys: a group's states of all aggregates. */
extern GstoreEngineStatus
gstore_engine_absorb_group(GstoreEngine *engine, const GstoreGroupKey *keys,
						   const GstoreAggregateState *states);
extern GstoreEngineStatus gstore_engine_refuse(GstoreEngine *engine,
											   int state);
extern GstoreEngineStatus gstore_engine_finish(GstoreEngine *engine);
/* Groups lie at positions, of which some may be empty: after finish.  Without
 * keys there is exactly one group. */
extern uint64 gstore_engine_positions(const GstoreEngine *engine);
/* Those from a position on that is a multiple of GSTORE_VECTOR_ROWS, a vector of
 * positions at most. */
extern void gstore_engine_read(const GstoreEngine *engine, uint64 position,
							   GstoreGroupBatch *batch);
/* One after the other; false at the end.  What keys and states point to stays
 * until the next call. */
extern bool gstore_engine_next_group(GstoreEngine *engine,
									 const GstoreGroupKey **keys,
									 const GstoreAggregateState **states);

/*
 * Groups as rows of another engine's program, whose columns are what columns say
 * they are; inner has finished.  pass and recheck are bitmaps of inner's
 * positions, with room for a vector more.
 */
extern GstoreEngineStatus
gstore_engine_filter_groups(GstoreEngine *engine, const GstoreEngine *inner,
							const GstoreGroupColumn *columns, uint8 *pass,
							uint8 *recheck);
extern GstoreEngineStatus
gstore_engine_aggregate_groups(GstoreEngine *engine, const GstoreEngine *inner,
							   const GstoreGroupColumn *columns);

/* Room for what read reads; NULL when out of memory. */
extern GstoreGroupBatch *gstore_group_batch_create(const GstoreProgram *program);
extern void gstore_group_batch_destroy(GstoreGroupBatch *batch);
/* The GstoreState behind GSTORE_ENGINE_STATE. */
extern int gstore_engine_error_state(const GstoreEngine *engine);

#endif
