/*
 * engine_gather.h
 *	  Some rows of columns on a device, as columns in memory.
 *
 * For the kernel GATHER (cuda/gather.h): what it is told is made here, and what it
 * tells becomes views of columns.  Includes no PostgreSQL header and touches no
 * device.
 */
#ifndef GSTORE_ENGINE_GATHER_H
#define GSTORE_ENGINE_GATHER_H

#include "codec/codec.h"

#include "gather.h"

typedef struct GstoreGatherLayout
{
	GstoreGather gather;
	uint64 copied_bytes; /* from the start: what the device must be given */
	uint64 result_bytes; /* from gather.result to the end */
} GstoreGatherLayout;

typedef enum GstoreGatherOutcome
{
	GSTORE_GATHERED,
	GSTORE_GATHER_MORE,	   /* texts need so many bytes */
	GSTORE_GATHER_REFUSED, /* something is damaged */
	GSTORE_GATHER_NO_MEMORY
} GstoreGatherOutcome;

/* Can these columns be gathered, whose pointers are addresses of a device? */
extern bool gstore_gather_takes(const GstoreColumnView *columns, int ncolumns);
/* About how many bytes of text a row has, of rows rows. */
extern uint64 gstore_gather_text_bytes(const GstoreColumnView *columns,
									   int ncolumns, uint64 rows);
/* A launch for so many rows, with room for texts; false: it would be too large. */
extern bool gstore_gather_layout(const GstoreColumnView *columns, int ncolumns,
								 uint32 nrows, uint64 text_bytes,
								 GstoreGatherLayout *layout);
/* Write its first copied_bytes; rows are those of the views. */
extern void gstore_gather_write(const GstoreColumnView *columns, int ncolumns,
								const uint32 *rows,
								const GstoreGatherLayout *layout,
								void *memory);
/*
 * What was told as views, of the same kinds, of memory of the allocator's and of
 * the result, which has to stay.  MORE: *text_bytes would do.
 */
extern GstoreGatherOutcome gstore_gather_read(const GstoreColumnView *columns,
											  int ncolumns,
											  const GstoreGatherLayout *layout,
											  const void *result,
											  const GstoreAllocator *allocator,
											  GstoreColumnView *views,
											  uint64 *text_bytes);

#endif
