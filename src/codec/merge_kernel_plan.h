/*
 * merge_kernel_plan.h
 *	  Inside a merge by kernels: what its files share.
 *
 * What is to be done is planned when it begins: the rows that are kept are cut
 * into tiles by where they go to, the dictionaries of their sources by their
 * bytes, and tiles into launches by how much a launch may be told.  The same
 * launches count and make.
 *
 *	 merge_kernel_plan		the plan, made and freed
 *	 merge_kernel_steps		which launch is next, and what it is told
 *	 merge_kernel_results	what launches told, added up: the new image's size,
 *							and where in it each tile's text and values go
 *
 * None may dereference an address of a device: column views of images there have
 * such in place of pointers.
 */
#ifndef GSTORE_MERGE_KERNEL_PLAN_H
#define GSTORE_MERGE_KERNEL_PLAN_H

#include "codec/merge_kernel.h"

/* Where parts of what is told begin. */
#define GSTORE_MERGE_PART_ALIGNMENT 8
#define GSTORE_MERGE_PART(bytes) GSTORE_ALIGN(bytes, GSTORE_MERGE_PART_ALIGNMENT)
#define GSTORE_MERGE_RESULT_ALIGNMENT 64

/* An array that grows. */
typedef struct GstoreMergeList
{
	void *items;
	uint64 count;
	uint64 room;
} GstoreMergeList;

/* Rows [first, end) of a source, of which some are kept. */
typedef struct GstorePlannedPiece
{
	uint32 source;
	uint64 first; /* a multiple of 64 */
	uint64 end;
} GstorePlannedPiece;

/* Pieces and tiles of one launch. */
typedef struct GstorePlannedLaunch
{
	uint64 first_piece;
	uint64 first_tile;
	uint32 first_source;
	uint32 npieces;
	uint32 ntiles;
	uint64 keep_bytes; /* of all bitmaps */
} GstorePlannedLaunch;

/* Units of one column's dictionary of one source: from `first' on so many
 * tiles. */
typedef struct GstorePlannedUnits
{
	uint32 source;
	uint32 column;
	uint64 first;
	uint64 first_tile;
} GstorePlannedUnits;

typedef struct GstorePlannedUnitsLaunch
{
	uint64 first_units;
	uint64 first_tile;
	uint32 nunits;
	uint32 ntiles;
} GstorePlannedUnitsLaunch;

typedef struct GstorePlannedColumn
{
	uint8 kind;	 /* GstoreMergeKind */
	uint8 shift; /* as in GstoreMergeColumn */
	uint32 units;
	uint32 counted; /* GSTORE_MERGE_NONE: no row of any source can be NULL, nor
					 * has text */
	uint32 text;
	uint64 nulls;
	uint64 bytes;		/* of text, or of the new dictionary */
	uint64 values;		/* of it */
	uint64 most_units;	/* that one source has */
	uint32 *text_bytes; /* [tiles] */
	uint64 text_start;	/* of the launch at hand */
} GstorePlannedColumn;

/* A column of a source. */
typedef struct GstorePlannedSource
{
	uint64 units;	  /* of its dictionary */
	uint64 map;		  /* where its map begins in the workspace */
	uint64 new_units; /* of values that are kept */
} GstorePlannedSource;

typedef enum GstoreMergePhase
{
	GSTORE_MERGE_COUNTING,
	GSTORE_MERGE_COUNTING_UNITS,
	GSTORE_MERGE_COPYING_UNITS,
	GSTORE_MERGE_MAKING,
	GSTORE_MERGE_BOUNDING,
	GSTORE_MERGE_DONE
} GstoreMergePhase;

struct GstoreMergePlan
{
	const GstoreCodec *codec;
	const GstoreSchema *schema;
	const GstoreKernelSource *given;
	uint32 nsources;
	uint32 ncolumns;
	uint32 ncounted;
	uint32 ntext;
	uint64 most_bytes;
	GstoreAllocator allocator;
	uint64 rows;
	GstoreImage **images;		   /* [nsources] */
	bool *used;					   /* [nsources]: some of its rows are kept */
	GstorePlannedSource *sources;  /* [nsources][ncolumns] */
	GstorePlannedColumn *columns;  /* [ncolumns] */
	GstoreMergeList pieces;		   /* GstorePlannedPiece */
	GstoreMergeList tiles;		   /* GstoreMergeTile; pieces counted from their
									* launch's first */
	GstoreMergeList launches;	   /* GstorePlannedLaunch */
	GstoreMergeList units;		   /* GstorePlannedUnits */
	GstoreMergeList unit_counts;   /* GstoreMergeUnitCount, a tile each */
	GstoreMergeList unit_launches; /* GstorePlannedUnitsLaunch */
	uint64 map_bytes;

	GstoreMergePhase phase;
	uint64 at; /* launch of the phase, or the first block */
	GstoreKernelStep step;

	void *header; /* of the new image */
	uint64 image_bytes;
	GstoreImage *image;
	uint64 address;
	GstoreBounds *bounds;
};

static inline GstorePlannedSource *
gstore_merge_source_of(const GstoreMergePlan *merge, uint32 source,
					   uint32 column)
{
	return &merge->sources[(uint64) source * merge->ncolumns + column];
}

/* The launch at hand. */
static inline const GstorePlannedLaunch *
gstore_merge_launch_at(const GstoreMergePlan *merge)
{
	return (const GstorePlannedLaunch *) merge->launches.items + merge->at;
}

static inline const GstorePlannedUnitsLaunch *
gstore_merge_units_launch_at(const GstoreMergePlan *merge)
{
	return (const GstorePlannedUnitsLaunch *) merge->unit_launches.items +
		   merge->at;
}

static inline const GstorePlannedPiece *
gstore_merge_pieces_of(const GstoreMergePlan *merge,
					   const GstorePlannedLaunch *launch)
{
	return (const GstorePlannedPiece *) merge->pieces.items +
		   launch->first_piece;
}

static inline const GstorePlannedUnits *
gstore_merge_units_of(const GstoreMergePlan *merge,
					  const GstorePlannedUnitsLaunch *launch)
{
	return (const GstorePlannedUnits *) merge->units.items +
		   launch->first_units;
}

/* Memory, all zero, for gstore_merge_free; NULL if there is none. */
extern void *gstore_merge_alloc(GstoreMergePlan *merge, uint64 bytes);
/* NULL is nothing to free. */
extern void gstore_merge_free(GstoreMergePlan *merge, void *memory);

/* A view of a column of an image at an address of a device. */
extern GstoreCodecStatus
gstore_merge_bind_at(const GstoreMergePlan *merge, const GstoreImage *image,
					 uint64 address, uint32 column, uint64 first, uint64 count,
					 GstoreColumnView *view, GstoreCodecError *error);

/* Blocks whose bounds are found in one launch, from merge->at on. */
extern uint32 gstore_merge_blocks_at_once(const GstoreMergePlan *merge);

#endif
