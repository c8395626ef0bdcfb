/*
 * gather.h
 *	  Rows here and there in columns become columns of their own: the kernel
 *	  GATHER, and what it is told and tells.
 *
 * A warp takes 32 of the rows at a time, a lane each.  Values of fixed length go
 * to an array, whether they are there to an array of bytes.  Texts go behind the
 * arrays in any order, and to the array goes where they are; there may be too
 * little room for them, and then it is told how much would do.
 *
 * What is read may have been overwritten by programs that map it: a length is
 * read once, compared, then used.  Offsets are from the beginning of the launch.
 */
#ifndef GSTORE_GATHER_H
#define GSTORE_GATHER_H

#include "kernel.h"

typedef enum GstoreGatherKind
{
	GSTORE_GATHER_VALUES = 0, /* of width bytes */
	GSTORE_GATHER_BITS,		  /* to bytes */
	GSTORE_GATHER_VARLENA,	  /* uint32 in units of 8 bytes from base, 0: NULL;
							   * to the same, from the room for texts */
	GSTORE_GATHER_OFFSETS_4,  /* of bytes from base; one more than values: to a
							   * GstoreGatherText */
	GSTORE_GATHER_OFFSETS_8
} GstoreGatherKind;

typedef struct GstoreGatherText
{
	uint32 units; /* of 8 bytes, from the room for texts */
	uint32 length;
} GstoreGatherText;

typedef struct GstoreGatherColumn
{
	uint64 values; /* of row 0, as in GstoreKernelColumn */
	uint64 validity;
	uint64 base;
	uint64 base_from;
	uint64 base_to;
	uint64 to_values;
	uint64 to_validity; /* 0: none */
	uint32 width;
	uint8 kind; /* GstoreGatherKind */
	uint8 validity_bit;
	uint8 values_bit;
	uint8 padding;
} GstoreGatherColumn;

/* What it tells, before the arrays. */
typedef struct GstoreGatherResult
{
	uint64 used; /* bytes of the room for texts: 8 from the start, for nothing is
				  * at 0; more than there are: so many it would take */
	uint32 damaged;
	uint32 padding;
} GstoreGatherResult;

typedef struct GstoreGather
{
	uint64 bytes; /* of everything */
	uint64 rows;  /* uint32 [nrows], ascending */
	uint64 columns;
	uint64 result;
	uint64 texts; /* the room for them, 8-aligned */
	uint64 texts_bytes;
	uint32 nrows;
	uint32 ncolumns;
} GstoreGather;

StaticAssertDecl(sizeof(GstoreGatherColumn) == 64, "a column is packed");
StaticAssertDecl(sizeof(GstoreGather) == 56, "a gather is packed");

#endif
