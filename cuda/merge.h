/*
 * merge.h
 *	  What kernels are told that make one image of the rows of several, and what
 *	  they tell.
 *
 * A merge goes through kernels in this order; between two of them the host adds
 * up what the first one counted (src/codec/merge_kernel_results.c):
 *
 *	 MERGE_COUNT	rows: how many are NULL, how many bytes of text they have;
 *					marks in a map which values of a dictionary they use
 *	 UNITS_COUNT	dictionaries: how long the marked values are
 *	 UNITS_COPY		dictionaries: the marked values; their places go to the map
 *	 MERGE_ROWS		rows: values, bitmaps, offsets, text; the image's header
 *	 BOUNDS			the new image: extremes of its blocks
 *
 * Work is cut by where it goes to: a tile is so many rows of the new image next
 * to each other, and a warp makes all their columns.  So no two warps write to
 * one word, but where a launch goes on in a word that an earlier one began.
 *
 * Source images may have been overwritten by programs that map them, also while
 * kernels run: whatever is read from them is read once, then compared, then
 * used.  Offsets without a unit are from the beginning of what a launch is told.
 */
#ifndef GSTORE_MERGE_TOLD_H
#define GSTORE_MERGE_TOLD_H

#include "kernel.h"
#include "keys.h"

/* Rows of a tile. */
#define GSTORE_MERGE_ROWS 512
/* Units of 8 bytes of a dictionary's tile. */
#define GSTORE_MERGE_UNITS 1024
/* Pieces of one launch: their numbers fit a byte. */
#define GSTORE_MERGE_PIECES 16

#define GSTORE_MERGE_NONE 0xFFFFFFFFu

/* Shared memory of a warp: for each row of its tile where its text ends, its row
 * in its piece, and the piece. */
#define GSTORE_MERGE_SHARED \
	(GSTORE_KERNEL_WARPS * GSTORE_MERGE_ROWS * (2 * sizeof(uint32) + 1))

typedef enum GstoreMergeError
{
	GSTORE_MERGE_GOOD = 0,
	GSTORE_MERGE_TEXT,	  /* a text points outside its chunk */
	GSTORE_MERGE_VALUE,	  /* a value points outside its dictionary */
	GSTORE_MERGE_CHANGED, /* what was counted is not there any more */
	GSTORE_MERGE_LARGE	  /* a tile has more than is counted in 32 bits */
} GstoreMergeError;

/* What a launch tells besides: error, and behind GSTORE_MERGE_COLUMN bits the
 * column it was met in. */
#define GSTORE_MERGE_COLUMN 8

typedef struct GstoreMergeResult
{
	uint32 error;
	uint32 padding;
} GstoreMergeResult;

/* ---- rows ---- */

typedef enum GstoreMergeKind
{
	GSTORE_MERGE_NOTHING = 0, /* the new image has no buffers of it */
	GSTORE_MERGE_FIXED,		  /* values of some units each */
	GSTORE_MERGE_BITS,		  /* values are a bitmap */
	GSTORE_MERGE_OFFSETS,	  /* offsets into text */
	GSTORE_MERGE_DICTIONARY	  /* offsets into a dictionary */
} GstoreMergeKind;

/* A column of the new image.  Addresses are 0 while rows are counted. */
typedef struct GstoreMergeColumn
{
	uint64 values;
	uint64 validity; /* 0: no row is NULL */
	uint64 base;	 /* of text */
	uint32 units;	 /* FIXED: of a value */
	uint32 longest;	 /* OFFSETS: bytes of a value */
	uint32 before;	 /* DICTIONARY: units from the first offset to it */
	uint32 counted;	 /* its place among the columns that are counted, or
					  * GSTORE_MERGE_NONE */
	uint32 text;	 /* its place among those with text, or _NONE */
	uint8 kind;		 /* GstoreMergeKind */
	uint8 shift;	 /* a unit, or an offset, has 1 << shift bytes */
	uint16 padding;
} GstoreMergeColumn;

/* A column of a piece of a source image. */
typedef struct GstoreMergeSource
{
	uint64 values;	 /* address of the piece's first; 0: all are NULL */
	uint64 validity; /* address of the byte with its bit; 0: no NULL */
	uint64 base;	 /* of text, or the dictionary */
	uint64 room;	 /* bytes of it */
	uint64 map;		 /* address of uint32 [room / 8]: 0, or 1 for a value that
					  * is used, then 1 + its place in the new dictionary */
	uint32 before;	 /* units from the first offset to the dictionary */
	uint8 validity_bit;
	uint8 values_bit;
	uint16 padding;
} GstoreMergeSource;

/* Rows next to each other of one source. */
typedef struct GstoreMergePiece
{
	uint32 rows;
	uint32 keep; /* offset of a bitmap of those that are kept, of uint32;
				  * 0: all */
} GstoreMergePiece;

typedef struct GstoreMergeTile
{
	uint64 to; /* its first row in the new image */
	uint32 count;
	uint32 piece; /* where its first row comes from: */
	uint32 from;  /* rows of the piece from here on */
	uint32 padding;
} GstoreMergeTile;

/* What a tile has of a column. */
typedef struct GstoreMergeCount
{
	uint32 bytes; /* of text */
	uint32 nulls;
} GstoreMergeCount;

/* Bytes that are to be zero. */
typedef struct GstoreMergeZeros
{
	uint64 address;
	uint64 bytes;
} GstoreMergeZeros;

/* MERGE_COUNT, MERGE_ROWS */
typedef struct GstoreMerge
{
	uint32 bytes; /* of everything */
	uint32 ncolumns;
	uint32 npieces;
	uint32 ntiles;
	uint32 columns;
	uint32 pieces;
	uint32 sources; /* [npieces][ncolumns] */
	uint32 tiles;
	uint32 starts; /* ROWS: uint64 [text][ntiles + 1]: where tiles' text
					* begins */
	uint32 zeros;
	uint32 nzeros;
	uint32 header;	  /* what the image begins with */
	uint64 header_to; /* where that goes; 0: an other launch's business */
	uint32 header_bytes;
	uint32 result; /* GstoreMergeResult; COUNT: and GstoreMergeCount
					* [counted][ntiles] */
} GstoreMerge;

/* ---- dictionaries ---- */

/* Tiles of one source's dictionary. */
typedef struct GstoreMergeUnits
{
	uint64 map;	   /* of the first unit, as in GstoreMergeSource */
	uint64 values; /* its address */
	uint64 units;  /* from it to the dictionary's end */
	uint64 to;	   /* COPY: address of the new dictionary */
	uint32 first_tile;
	uint32 column;
} GstoreMergeUnits;

typedef struct GstoreMergeUnitCount
{
	uint32 units;  /* that the tile's marked values have */
	uint32 values; /* COUNT: how many they are; COPY: where they begin, in units
					* of the new dictionary */
} GstoreMergeUnitCount;

/* UNITS_COUNT, UNITS_COPY */
typedef struct GstoreMergeDictionaries
{
	uint32 bytes;
	uint32 ndictionaries;
	uint32 ntiles;
	uint32 dictionaries;
	uint32 counts; /* COPY: GstoreMergeUnitCount [ntiles] */
	uint32 result; /* GstoreMergeResult; COUNT: and such counts */
} GstoreMergeDictionaries;

/* ---- bounds ---- */

typedef enum GstoreBoundsLoad
{
	GSTORE_BOUNDS_ANYTHING = 0, /* none are kept */
	GSTORE_BOUNDS_NOTHING,		/* every row is NULL */
	GSTORE_BOUNDS_FIXED,		/* as PostgreSQL has it */
	GSTORE_BOUNDS_BITS,
	GSTORE_BOUNDS_DATE, /* as Arrow has it, until _DECIMAL */
	GSTORE_BOUNDS_TIMESTAMP,
	GSTORE_BOUNDS_SPAN,
	GSTORE_BOUNDS_DECIMAL,
	GSTORE_BOUNDS_OFFSETS,
	GSTORE_BOUNDS_DICTIONARY
} GstoreBoundsLoad;

typedef struct GstoreBoundsColumn
{
	uint64 values;
	uint64 validity; /* 0: no NULL */
	uint64 base;	 /* what offsets count from */
	uint64 room;	 /* bytes from there on */
	uint32 stride;	 /* offsets: their bytes */
	int16 scale;	 /* DECIMAL */
	uint8 load;		 /* GstoreBoundsLoad */
	uint8 order;	 /* GstoreOrder */
	uint32 attlen;
	uint32 padding;
} GstoreBoundsColumn;

/* BOUNDS: of some blocks. */
typedef struct GstoreBoundsLaunch
{
	uint32 bytes;
	uint32 ncolumns;
	uint32 columns;
	uint32 nblocks;
	uint64 first_block;
	uint64 rows;   /* of the image */
	uint32 result; /* GstoreMergeResult, GstoreBounds [nblocks][ncolumns] */
	uint32 padding;
} GstoreBoundsLaunch;

StaticAssertDecl(sizeof(GstoreMergeColumn) == 48, "a column is packed");
StaticAssertDecl(sizeof(GstoreMergeSource) == 48, "a source is packed");
StaticAssertDecl(sizeof(GstoreMergeTile) == 24, "a tile is packed");
StaticAssertDecl(sizeof(GstoreMerge) == 64, "a merge is packed");
StaticAssertDecl(sizeof(GstoreMergeUnits) == 40, "units are packed");
StaticAssertDecl(sizeof(GstoreBoundsColumn) == 48, "a column is packed");
StaticAssertDecl(sizeof(GstoreBoundsLaunch) == 40, "a launch is packed");

#endif
