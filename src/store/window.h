/*
 * window.h
 *	  The columns of a table, window by window, as a snapshot sees them.
 *
 * A window is a run of rows of one chunk with some columns bound to memory.  In
 * the arena it spans the chunk; on a device as many rows as a part of the
 * staging area holds, and the next window is on its way while one is read.  Of a
 * device's chunk of which few rows are wanted, it is only these.
 */
#ifndef GSTORE_WINDOW_H
#define GSTORE_WINDOW_H

#include "codec/codec.h"
#include "store/table.h"
#include "store/writer.h"

typedef struct GstoreWindow
{
	const GstoreSeenChunk *seen;
	const GstoreCodec *codec; /* of the chunk */
	uint64 first;			  /* rows [first, first + rows) of the chunk, */
	uint64 rows;
	const uint32 *gathered;	   /* or, unless it is NULL, these, of which none is
							 * hidden */
	GstoreColumnView *columns; /* one per requested column, in order */
	uint64 *bytes;			   /* of the image that each takes */
	bool in_place;			   /* columns are addresses on the chunk's device */
	/* Where the chunk was sifted, bitmaps whose bit 0 is the window's first
	 * row, LSB first; else NULL. */
	const uint8 *pass;
	const uint8 *recheck;
} GstoreWindow;

/* What was read so far, for EXPLAIN. */
typedef struct GstoreWindowStats
{
	uint64 chunks;
	uint64 bytes;  /* of images that were bound */
	uint64 blocks; /* that were looked at: read, or left out */
	uint64 pruned; /* of them, left out by their bounds */
} GstoreWindowStats;

/*
 * May a row of a block be wanted?  bounds are of the block's columns, by
 * attribute number less one, those of the ncolumns its chunk was written with;
 * what comes behind is NULL in all its rows.
 */
typedef bool (*GstoreBlockTest)(void *state, const GstoreBounds *bounds,
								int ncolumns, uint32 rows);

/* May a window of a device's chunk stay where it is, its columns being
 * addresses there?  Else its bytes are brought. */
typedef bool (*GstorePlaceTest)(void *state, const GstoreWindow *window);

/*
 * Which rows of a device's chunk are wanted at all?  The window is all of the
 * chunk, in place; the bitmaps have a bit for each of its rows, all 0.  A row that
 * is set in both has to be looked at once more.  False: that cannot be told, and
 * all are wanted.
 */
typedef bool (*GstoreSiftRows)(void *state, const GstoreWindow *window,
							   uint8 *pass, uint8 *recheck);

/*
 * Fetch some rows of it alone, whose numbers ascend: views of its columns in the
 * current memory context, and how many bytes came.  False: that cannot be done.
 */
typedef bool (*GstoreGatherRows)(void *state, const GstoreWindow *window,
								 int ncolumns, const uint32 *rows,
								 uint32 nrows, GstoreColumnView *views,
								 uint64 *bytes);

typedef struct GstoreWindowScan GstoreWindowScan;

/* Is the column of today what the chunk with this stamp was written with?
 * Raises 55000 if not. */
extern void gstore_check_column(const GstoreTarget *target,
								const GstoreSchemaStamp *stamp,
								AttrNumber attnum);

/*
 * Read columns attnums[0 .. ncolumns - 1] of a set, which must live as long.
 * target tells today's columns: a chunk whose column was of another type is
 * refused with 55000 when it is reached; one that lacks the column reads as
 * NULL.  Everything is in the current memory context and goes with it.
 */
extern GstoreWindowScan *gstore_windows_begin(GstoreSeenSet *set,
											  const GstoreTarget *target,
											  const AttrNumber *attnums,
											  int ncolumns);
/* From the first window on, or after a rewind: leave out blocks of which the
 * test says no. */
extern void gstore_windows_prune(GstoreWindowScan *scan, GstoreBlockTest test,
								 void *state);
/* From the first window on, or after a rewind; NULL: all are brought. */
extern void gstore_windows_in_place(GstoreWindowScan *scan,
									GstorePlaceTest test, void *state);
/* The same: blocks without a row that is wanted are left out; and columns that
 * only say which rows are wanted, but for those to be looked at once more.  Where
 * few rows are, these are gathered. */
extern void gstore_windows_sift(GstoreWindowScan *scan, GstoreSiftRows sift,
								GstoreGatherRows gather, void *state,
								const bool *only_sifted);
/* The next window, NULL at the end.  The last one's memory is gone. */
extern GstoreWindow *gstore_windows_next(GstoreWindowScan *scan);
extern void gstore_windows_rewind(GstoreWindowScan *scan);
extern void gstore_windows_end(GstoreWindowScan *scan);
extern const GstoreWindowStats *gstore_windows_stats(GstoreWindowScan *scan);

#endif
