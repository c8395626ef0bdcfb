/*
 * batch.h
 *	  Rows on their way into a builder: first as they came, one behind the
 *	  other, then taken apart into the values of each column.
 *
 * To stage a row is to copy its bytes, which whoever brings rows can afford;
 * taking apart and encoding can be done by another thread.  A row comes in one
 * of two forms:
 *
 *	 tuple	a heap tuple's bytes, from byte GSTORE_TUPLE_SKIP on
 *	 values	an array of values and of NULLs; what they point to is copied
 *
 * Values point into the batch, or to what replaced them, until it is emptied.
 * Knows nothing of builders.  Trusts the tuples, but for their lengths.
 */
#ifndef GSTORE_BATCH_H
#define GSTORE_BATCH_H

#include "codec/codec.h"

/* Leading bytes of a heap tuple that say nothing of its values, and are not
 * there in a minimal tuple. */
#define GSTORE_TUPLE_SKIP 16

/* A value that the backend has to make storable first. */
typedef struct GstoreBatchWish
{
	uint32 column;
	uint32 row;
} GstoreBatchWish;

/* How a column's values are represented. */
typedef struct GstoreBatchColumn
{
	int16 length;	/* bytes, or -1: varlena */
	uint8 align;	/* bytes */
	uint8 by_value; /* 1, 2, 4 or 8 bytes; 0: by reference */
} GstoreBatchColumn;

typedef struct GstoreBatch
{
	const GstoreAllocator *allocator;
	uint32 ncols;
	uint32 nrows;
	uint32 max_rows; /* a multiple of 8 */
	uint32 used;	 /* of bytes */
	uint32 room;
	uint8 *bytes; /* [room] NULL: nothing was ever staged */
	uint32 *rows; /* [max_rows] where in bytes each begins */
	GstoreBatchColumn *columns;
	uint32 *by_reference; /* [nby_reference] columns */
	uint32 nby_reference;
	uint32 nfixed;	 /* columns that lie at the same place in every tuple
						 * without NULLs */
	uint32 *offsets; /* [nfixed] that place */

	/* of the rows taken apart */
	GstoreValue *values; /* [ncols][max_rows] */
	bool *nulls;		 /* [ncols][max_rows] */
	bool *any_null;		 /* [ncols] */
	GstoreBatchWish *wishes;
	uint32 nwishes;
	uint32 wishes_room;
	void **replacements; /* what replaced values, to be freed */
	uint32 nreplacements;
	uint32 replacements_room;
} GstoreBatch;

/* Can rows of this schema be staged?  Not those with arrays or composites that
 * are stored as lists or structs. */
extern bool gstore_batch_can(const GstoreSchema *schema);
/* An empty batch of at most so many bytes of rows; false: out of memory, and
 * there is nothing to be freed.  Begin with zeros. */
extern bool gstore_batch_init(GstoreBatch *batch, const GstoreSchema *schema,
							  uint32 room, const GstoreAllocator *allocator);
extern void gstore_batch_free(GstoreBatch *batch);
extern void gstore_batch_empty(GstoreBatch *batch);

/*
 * Stage a row; false when there is no room for it.  tuple points to a heap
 * tuple's header, length is all of it; it has all of the schema's columns and no
 * pointers to values elsewhere.
 */
extern bool gstore_batch_add_tuple(GstoreBatch *batch, const void *tuple,
								   uint32 length);

typedef enum GstoreBatchOutcome
{
	GSTORE_BATCH_ADDED,
	GSTORE_BATCH_NO_ROOM,
	GSTORE_BATCH_NOT_STORABLE /* builders do not read some value as it is */
} GstoreBatchOutcome;

extern GstoreBatchOutcome gstore_batch_add_values(GstoreBatch *batch,
												  const GstoreValue *values,
												  const bool *nulls);

/* Take the rows apart.  What is in wishes then has to be replaced before
 * values are used. */
extern GstoreCodecStatus gstore_batch_spread(GstoreBatch *batch,
											 GstoreCodecError *error);
/* Put a copy of another value, a varlena, in the place of one; false: out of
 * memory. */
extern bool gstore_batch_replace(GstoreBatch *batch,
								 const GstoreBatchWish *wish,
								 const void *value, uint64 bytes);

static inline const GstoreValue *
gstore_batch_values(const GstoreBatch *batch, int column)
{
	return batch->values + (uint64) column * batch->max_rows;
}

/* NULL where no row is NULL. */
static inline const bool *
gstore_batch_nulls(const GstoreBatch *batch, int column)
{
	return batch->any_null[column] ? batch->nulls + (uint64) column * batch->max_rows
								   : NULL;
}

#endif
