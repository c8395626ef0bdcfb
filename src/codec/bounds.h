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

/*
 * The bounds of an image that lies wholly in memory: bounds has room for
 * gstore_block_count(rows) * ncols, block by block.  Columns of order NONE get
 * bounds that exclude nothing.
 */
extern GstoreCodecStatus gstore_bounds_of_image(const GstoreCodec *codec,
												const GstoreSchema *schema,
												const void *bytes,
												uint64 image_bytes,
												const GstoreAllocator *allocator,
												GstoreBounds *bounds,
												GstoreCodecError *error);

#endif
