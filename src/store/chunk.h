/*
 * chunk.h
 *	  A chunk: rows of one table that came together, in one image, with the
 *	  marks of who inserted and who deleted them.
 *
 * Life: created by a writer (or a merge) as its own, filled, published into
 * its table's chunk list; read by scans that pin it; unlinked when nobody can
 * see it any more (its transaction aborted, a merge replaced it, its table was
 * dropped or truncated), and freed when the last pin goes.
 *
 * What may be touched when: an image, once published, is never written.  The
 * stamps' outcomes are atomics.  xmax and deletions change under the table's
 * lock, by its one writer (and by reclaim, which removes what no one sees).
 */
#ifndef GSTORE_CHUNK_H
#define GSTORE_CHUNK_H

#include "codec/bounds.h"
#include "device/location.h"
#include "request/hold.h"
#include "store/catalog.h"
#include "store/visibility.h"

/* Rows that one command of one transaction inserted, in row order. */
typedef struct GstoreRange
{
	GstoreStamp stamp;
	uint32 rows;
	uint32 padding;
} GstoreRange;

/*
 * Rows of one chunk that one command of one transaction deleted: a sorted list
 * of row numbers, or, where that would be larger, a bitmap over the chunk's
 * rows (LSB first, 1 = deleted).  Never changes once it is linked, but for the
 * stamp's outcome and next.
 */
typedef struct GstoreDeletion
{
	dsa_pointer self;
	dsa_pointer next; /* an older one, or InvalidDsaPointer; under
								 * the table's lock */
	GstoreStamp stamp;
	uint32 rows; /* rows it deletes */
	bool is_bitmap;
	uint32 list[FLEXIBLE_ARRAY_MEMBER]; /* or the bitmap's bytes */
} GstoreDeletion;

typedef struct GstoreChunk
{
	uint64 id; /* unique since server start */
	dsa_pointer self;
	dsa_pointer next_dead; /* while in the graveyard; under its mutex */
	uint32 retired;		   /* 0, or 1 + its place among the retired; set
								 * before it is unlinked */
	pg_atomic_uint32 pins; /* count, and GSTORE_CHUNK_UNLINKED */
	/* fixed once published */
	uint8 format;  /* GstoreFormat */
	int16 pinning; /* device it belongs to */
	uint32 rows;
	uint64 first_row;	/* row address of its row 0 */
	dsa_pointer schema; /* GstoreSchemaStamp it was written with */
	GstoreLocation location;
	uint64 image_bytes;
	dsa_pointer bounds; /* GstoreBounds of its blocks and columns, block by
						 * block, or InvalidDsaPointer: none are kept */
	/* under the table's lock */
	GstoreStamp xmax;	   /* all rows deleted (TRUNCATE, whole DELETE) */
	dsa_pointer deletions; /* newest GstoreDeletion */
	uint32 nranges;
	GstoreRange ranges[FLEXIBLE_ARRAY_MEMBER];
} GstoreChunk;

#define GSTORE_CHUNK_UNLINKED 0x80000000U

extern Size gstore_chunk_shmem_size(void);
extern void gstore_chunk_shmem_startup(void);

/*
 * A chunk that only the caller knows, held until it is published (the caller
 * then forgets the hold) or an error frees it.  The nranges stamps and the
 * location are for the caller to fill.
 */
extern GstoreChunk *gstore_chunk_create(uint32 nranges, GstoreHold **hold);

/* An idle hold for a chunk that another process created and passes on, and what
 * such a hold does: free a chunk that nobody else knows.  The latter neither
 * raises nor allocates. */
extern GstoreHold *gstore_chunk_prepare_hold(void);
extern void gstore_chunk_discard(GstoreChunk *chunk);

/* Room for the bounds of an image's blocks; NULL for one of so few rows that they
 * are not worth it. */
extern GstoreBounds *gstore_bounds_make(MemoryContext context, uint64 rows,
										int ncols);
/* Keep them, with the chunk's rows filled in; NULL: none. */
extern void gstore_chunk_keep_bounds(GstoreChunk *chunk,
									 const GstoreBounds *bounds, int ncols);

/* Room for them in the chunk itself, for who finds them in another way; NULL: they
 * are not worth it. */
extern GstoreBounds *gstore_chunk_make_bounds(GstoreChunk *chunk, int ncols);

/* The bounds of its block, of as many columns as its schema has; NULL if none
 * are kept.  The chunk is pinned. */
extern const GstoreBounds *gstore_chunk_bounds(const GstoreChunk *chunk,
											   const GstoreSchema *schema,
											   uint32 block);

/*
 * Pin a linked chunk: under its table's lock.  Undone by unpin, which frees
 * the chunk where it was the last pin of an unlinked one; any process may
 * unpin, and no lock is needed.  Neither raises nor allocates.
 */
extern void gstore_chunk_pin(GstoreChunk *chunk);
extern void gstore_chunk_unpin(GstoreChunk *chunk);
extern void gstore_chunk_unpin_pointer(dsa_pointer chunk);
/* One more pin by who has one: also when it was unlinked meanwhile. */
extern void gstore_chunk_pin_again(dsa_pointer chunk);

/* A filled chunk that no list will have: its creator's from here on, by the one
 * pin it has. */
extern void gstore_chunk_keep_private(GstoreChunk *chunk);

/*
 * It is in no table's list any more: freed now or by its last pin.  Under its
 * table's lock, after it left the list.  Of the pins so many are the caller's,
 * about to go: only others make it one of the retired.  Neither raises nor
 * allocates.
 */
extern void gstore_chunk_unlink(GstoreChunk *chunk, uint32 mine,
								const GstoreTableKey *key);

/* A chunk that was unlinked and that somebody still has pinned. */
typedef struct GstoreRetired
{
	uint64 id; /* of the chunk; 0: the place is free */
	GstoreTableKey key;
	uint32 rows;
	uint64 bytes;	   /* of device memory */
	TimestampTz since; /* when it was unlinked */
} GstoreRetired;

/* Those there are, in the current memory context; beyond
 * GSTORE_MOST_RETIRED they are not known. */
#define GSTORE_MOST_RETIRED 1024
extern GstoreRetired *gstore_chunks_retired(int *count);

/* Did every insertion into it come to nothing? */
extern bool gstore_chunk_all_aborted(const GstoreChunk *chunk);

/* Is its memory gone with its device? */
extern bool gstore_chunk_is_lost(const GstoreChunk *chunk);

/*
 * The graveyard: chunks that are freed but for their structs and, on a
 * keeper-only device, their memory.  pop takes one that has memory, frees its
 * struct, and returns true with the memory to free; false when there is none.
 * Keeper only.  sweep frees the structs of the others.  Maintenance worker only.
 */
extern bool gstore_graveyard_pop(GstoreLocation *location);
extern void gstore_graveyard_sweep(void);

#endif
