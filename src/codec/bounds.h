/*
 * bounds.h
 *	  The least and the greatest value of a column in each block of an image.
 *
 * Values are compared by keys of 64 bits, like PostgreSQL's abbreviated keys:
 * a value that is less has a key that is not greater.  So different values may
 * have one key, and what bounds say is that a value is certainly not in a
 * block, never that it is.
 */
#ifndef GSTORE_BOUNDS_H
#define GSTORE_BOUNDS_H

#include "codec/codec.h"
#include "keys.h"

/* Keys next to a numeric's that may be those of equal values: two ways lead to
 * its approximation, each off by a few units in the last place.  Bounds of
 * blocks are wider by that. */
#define GSTORE_NUMERIC_SLACK 32

static inline uint32
gstore_block_count(uint64 rows)
{
	return (uint32) ((rows + GSTORE_BLOCK_ROWS - 1) / GSTORE_BLOCK_ROWS);
}

/* What equals a numeric in the block has a key within its widened bounds. */
extern void gstore_bounds_widen(GstoreBounds *bounds);

/* Take a key in. */
static inline void
gstore_bounds_add(GstoreBounds *bounds, uint64 key)
{
	if (key < bounds->least)
		bounds->least = key;
	if (key > bounds->greatest)
		bounds->greatest = key;
}

/*
 * The key of a value that is not NULL (varlena with any in-line header).
 * False: this one has none (it is compressed).
 */
extern bool gstore_bounds_key(GstoreOrder order, int16 attlen,
							  GstoreValue value, uint64 *key);

/* As a builder's memory has it: of 8-byte alignment. */
typedef GstoreInt128 GstoreDecimal __attribute__((aligned(8)));

/* The bounds of a builder's column, which takes them as rows come. */
typedef struct GstoreColumnBounds
{
	GstoreOrder order;
	int16 attlen;
	uint64 rows;		  /* taken in */
	GstoreBounds *blocks; /* [room] */
	uint64 room;
	GstoreBounds ranks; /* of numerics in the current block */
} GstoreColumnBounds;

extern void gstore_column_bounds_init(GstoreColumnBounds *bounds,
									  const GstoreColumn *column);
/* Take rows in, which are in the order of their column; false: out of memory.
 * nulls may be NULL. */
extern bool gstore_column_bounds_add(GstoreColumnBounds *bounds,
									 const GstoreValue *values,
									 const bool *nulls, uint32 count,
									 const GstoreAllocator *allocator);
/* The last row was not added after all; the extremes may be too far by it. */
extern void gstore_column_bounds_undo(GstoreColumnBounds *bounds,
									  bool isnull);
/* Take in numerics that are integers times 10^-scale by now. */
extern bool gstore_column_bounds_add_decimals(GstoreColumnBounds *bounds,
											  int scale,
											  const GstoreDecimal *values,
											  const bool *nulls, uint32 count,
											  const GstoreAllocator *allocator);
/* Of so many rows, block by block, stride apart.  A column of order NONE has
 * bounds that exclude nothing. */
extern void gstore_column_bounds_get(const GstoreColumnBounds *bounds,
									 uint64 rows, GstoreBounds *target,
									 int stride);
extern void gstore_column_bounds_reset(GstoreColumnBounds *bounds);
extern void gstore_column_bounds_free(GstoreColumnBounds *bounds,
									  const GstoreAllocator *allocator);

#endif
