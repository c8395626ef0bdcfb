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
 * aggregate; or that a row ended in an error, as if it were one of ours. */
extern GstoreEngineStatus gstore_engine_absorb(GstoreEngine *engine,
											   int aggregate,
											   const GstoreAggregateState *state);
/* The same with keys: the group to absorb into, made if there is none; its
 * states are there until the next call of the engine. */
extern GstoreEngineStatus
gstore_engine_absorb_group(GstoreEngine *engine, const GstoreGroupKey *keys,
						   GstoreAggregateState **states);
extern GstoreEngineStatus gstore_engine_refuse(GstoreEngine *engine,
											   int state);
extern GstoreEngineStatus gstore_engine_finish(GstoreEngine *engine);
/* False at the end.  Without keys there is exactly one group.  Pointers stay
 * valid until destroy. */
extern bool gstore_engine_next_group(GstoreEngine *engine,
									 const GstoreGroupKey **keys,
									 const GstoreAggregateState **states);
/* The GstoreState behind GSTORE_ENGINE_STATE. */
extern int gstore_engine_error_state(const GstoreEngine *engine);

#endif
