/*
 * shelf.h
 *	  Pages of the arena from which small images are cut.
 *
 * A single-row commit makes an image of some hundred bytes.  Were it to have a
 * page, as every extent has, it would take ten times its memory, and each
 * process that looks at it would meet a page it has never touched.  So each
 * table has a shelf: one open page, from which its small images are cut one
 * after the other.  A page goes back to the arena with its last piece, once the
 * shelf has another one.
 */
#ifndef GSTORE_SHELF_H
#define GSTORE_SHELF_H

#include "port/atomics.h"

/* Pieces are so many bytes, or a multiple. */
#define GSTORE_SHELF_UNIT 64
/* Two of the largest fit into a page. */
#define GSTORE_SHELF_LARGEST (31 * GSTORE_SHELF_UNIT)

/*
 * The open page's offset in the arena, and below it how many units are left of
 * it; none left: no page is open.  Changed by compare and exchange, by whoever
 * cuts and whoever closes.
 */
typedef struct GstoreShelf
{
	pg_atomic_uint64 open;
} GstoreShelf;

extern void gstore_shelf_init(GstoreShelf *shelf);

/*
 * Take a piece of at most GSTORE_SHELF_LARGEST bytes, a multiple of the unit.
 * Like an extent, it belongs to no process.  False when the arena has no page,
 * with *available as gstore_arena_alloc() tells it.
 */
extern bool gstore_shelf_cut(GstoreShelf *shelf, uint64 length,
							 uint64 *offset, uint64 *available);

/* Give a piece back.  No lock is needed; neither raises nor allocates. */
extern void gstore_shelf_free(uint64 offset, uint64 length);

/* Is a place in the arena of this length a piece, not an extent? */
extern bool gstore_shelf_is_piece(uint64 length);

/* Close the open page: it goes with its last piece.  With only_unused only where
 * it has none.  Neither raises nor allocates. */
extern void gstore_shelf_close(GstoreShelf *shelf, bool only_unused);

#endif
