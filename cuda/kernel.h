/*
 * kernel.h
 *	  What is told to a kernel, and what it tells: the one header that both
 *	  those who launch and the kernels include.
 *
 * Every kernel takes one argument, the address of a block of device memory that
 * begins with a structure from here.  Addresses in it are of device memory too.
 */
#ifndef GSTORE_KERNEL_H
#define GSTORE_KERNEL_H

#include "port.h"

#define GSTORE_WARP 32

/* Lanes of a block: two warps, so that shared memory, of which each row in
 * work takes its part, is shared out in small pieces. */
#define GSTORE_KERNEL_THREADS 64

/* Every kernel: KERNEL(NAME, symbol). */
#define GSTORE_KERNELS(KERNEL) \
	KERNEL(PROBE, gstore_kernel_probe) \
	KERNEL(SCAN, gstore_kernel_scan)

typedef enum GstoreKernel
{
#define GSTORE_KERNEL_ENUM(NAME, symbol) GSTORE_KERNEL_##NAME,
	GSTORE_KERNELS(GSTORE_KERNEL_ENUM)
#undef GSTORE_KERNEL_ENUM
	GSTORE_KERNEL_COUNT
} GstoreKernel;

/*
 * PROBE: does what is asked of a machine hold on this one?  Shared memory:
 * GSTORE_PROBE_SHARED bytes.
 */
#define GSTORE_PROBE_SHARED (GSTORE_KERNEL_THREADS * sizeof(uint64))

typedef struct GstoreProbe
{
	uint64 values; /* address of [nvalues] uint64 */
	uint64 nvalues;
	uint64 sums; /* address of [nsums] uint64: block b of the launch puts the
				  * sum of its values at b, if b is below nsums */
	uint64 nsums;
	uint32 pointer_bytes; /* what the kernel's machine says of itself */
	uint32 probe_bytes;
	uint32 blocks;
	uint32 threads;
} GstoreProbe;

StaticAssertDecl(sizeof(GstoreProbe) == 48, "a probe has no padding");

/* ---- programs ---- */

/*
 * A warp works on a tile of rows at a time.  A register of the program is a slot
 * of shared memory: a word for each row of the tile, then, for all slots, a
 * state (GstoreState) for each row.  Each lane computes on rows of its own, next
 * to each other; only loads are shared out differently.
 */
#define GSTORE_LANE_ROWS 4
#define GSTORE_TILE_ROWS (GSTORE_WARP * GSTORE_LANE_ROWS)
#define GSTORE_KERNEL_WARPS (GSTORE_KERNEL_THREADS / GSTORE_WARP)

/* Shared memory that a block may have on every GPU. */
#define GSTORE_KERNEL_SHARED (48 * 1024)

/* An operand: a slot, or a constant. */
#define GSTORE_OPERAND_CONSTANT 0x8000

typedef struct GstoreKernelInstruction
{
	uint16 opcode; /* GstoreOpcode */
	uint16 result; /* slot */
	uint16 a;	   /* operands; LOAD: number of the column */
	uint16 b;
	uint16 c;
	uint8 type;	 /* GstoreType of the result */
	uint8 scale; /* of a DECIMAL */
} GstoreKernelInstruction;

typedef struct GstoreKernelConstant
{
	uint64 word;
	uint32 state;
	uint32 padding;
} GstoreKernelConstant;

typedef struct GstoreKernelConjunct
{
	uint16 end;	   /* instructions from the last one's end to here */
	uint16 result; /* operand */
} GstoreKernelConjunct;

typedef struct GstoreKernelAggregate
{
	uint8 kind;		 /* GstoreAggregateKind */
	uint8 type;		 /* GstoreType of the argument */
	uint16 argument; /* operand, or GSTORE_NO_REGISTER: rows are counted */
	uint16 filter;	 /* operand, or GSTORE_NO_REGISTER */
	uint16 padding;
} GstoreKernelAggregate;

/* How the values of a column become words. */
typedef enum GstoreKernelLoad
{
	GSTORE_LOAD_NULL = 0, /* there are none */
	GSTORE_LOAD_BEYOND,	  /* not what the program was compiled for */
	GSTORE_LOAD_1,		  /* bytes of a value */
	GSTORE_LOAD_2,
	GSTORE_LOAD_4,
	GSTORE_LOAD_8,
	GSTORE_LOAD_BITS,	   /* a bitmap */
	GSTORE_LOAD_DATE,	   /* days from 1970 */
	GSTORE_LOAD_TIMESTAMP, /* microseconds from 1970 */
	GSTORE_LOAD_DECIMAL	   /* 128 bits, of which 64 are used */
} GstoreKernelLoad;

typedef struct GstoreKernelColumn
{
	uint64 values;	 /* address of the piece's first value, or, of bits, of the
					  * byte that it is in */
	uint64 validity; /* address of the byte in which its bit is; 0: no NULL */
	uint8 load;		 /* GstoreKernelLoad */
	uint8 precision; /* of a decimal */
	uint8 validity_bit;
	uint8 values_bit;
	uint32 padding;
} GstoreKernelColumn;

/* Rows next to each other, of one chunk. */
typedef struct GstoreKernelPiece
{
	uint64 rows;
	uint64 first_tile; /* tiles of the pieces before */
	uint32 hidden;	   /* offset of a bitmap of rows nobody is to see; 0: none */
	uint32 hidden_bit; /* in its first byte, of the first row */
} GstoreKernelPiece;

/* What a block of the launch has accumulated. */
typedef struct GstorePartial
{
	uint64 low; /* 128 bits, or the bits of a float8 in the low ones */
	uint64 high;
	uint64 count;
	uint64 infinite; /* a value of a float's sum was */
} GstorePartial;

typedef struct GstoreLaunchResult
{
	uint32 error; /* GstoreState of a row that ended in one, or 0 */
	uint32 blocks;
	uint64 padding;
} GstoreLaunchResult;

/*
 * SCAN: one program over pieces.  Offsets are from the beginning of the launch;
 * what is at result is zero before.  Where passes is not 0, it is a filter:
 * passes has a byte for each GSTORE_LANE_ROWS rows, GSTORE_WARP of them for each
 * tile: in the low bits which of the rows pass, in the high ones which only
 * because their condition ended in an error.  Else the rows that pass are
 * accumulated.
 */
typedef struct GstoreLaunch
{
	uint32 bytes; /* of everything */
	uint32 ninstructions;
	uint32 nconjuncts;
	uint32 naggregates;
	uint32 ncolumns;
	uint32 npieces;
	uint32 nslots;
	uint32 max_blocks; /* there is room for partials of so many */
	uint64 ntiles;
	uint32 instructions;
	uint32 constants;
	uint32 conjuncts;
	uint32 aggregates;
	uint32 pieces;
	uint32 columns; /* [npieces][ncolumns] */
	uint32 result;	/* GstoreLaunchResult, GstorePartial [block][aggregate] */
	uint32 passes;	/* [ntiles][GSTORE_WARP], behind the result */
} GstoreLaunch;

/* Bytes of a warp's slots, and of the accumulators of a block: for each
 * aggregate a word, a word and a count of each lane. */
#define GSTORE_SLOT_BYTES (GSTORE_TILE_ROWS * (sizeof(uint64) + 1))
#define GSTORE_ACCUMULATOR_BYTES \
	(GSTORE_KERNEL_THREADS * (2 * sizeof(uint64) + sizeof(uint32)))

StaticAssertDecl(sizeof(GstoreKernelInstruction) == 12, "instructions are packed");
StaticAssertDecl(sizeof(GstoreKernelColumn) == 24, "a column is packed");
StaticAssertDecl(sizeof(GstoreLaunch) == 72, "a launch is packed");

#endif
