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
	KERNEL(SCAN, gstore_kernel_scan) \
	KERNEL(GROUP, gstore_kernel_group) \
	KERNEL(GATHER, gstore_kernel_gather) \
	KERNEL(MERGE_COUNT, gstore_kernel_merge_count) \
	KERNEL(UNITS_COUNT, gstore_kernel_units_count) \
	KERNEL(UNITS_COPY, gstore_kernel_units_copy) \
	KERNEL(MERGE_ROWS, gstore_kernel_merge_rows) \
	KERNEL(BOUNDS, gstore_kernel_bounds)

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

/* With an opcode: one of those that are run row by row. */
#define GSTORE_OPCODE_BY_ROW 0x8000

/*
 * A text as a word: where its bytes are, from the launch on, and how many.
 * Those too long or too far away are left to the CPU.
 */
#define GSTORE_TEXT_LENGTH_BITS 16
#define GSTORE_TEXT_MOST ((1 << GSTORE_TEXT_LENGTH_BITS) - 1)

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

/* Keys a program may have. */
#define GSTORE_KERNEL_KEYS 16

typedef struct GstoreKernelKey
{
	uint16 operand;
	uint8 type; /* GstoreType */
	uint8 padding;
} GstoreKernelKey;

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
	GSTORE_LOAD_DECIMAL,   /* 128 bits, of which 64 are used */
	GSTORE_LOAD_VARLENA,   /* uint32, 0: NULL, else in units of 8 bytes from
							* base: where a varlena is */
	GSTORE_LOAD_OFFSETS_4, /* of bytes from base; one more than values */
	GSTORE_LOAD_OFFSETS_8
} GstoreKernelLoad;

typedef struct GstoreKernelColumn
{
	uint64 values;	 /* address of the piece's first value, or, of bits, of the
					  * byte that it is in */
	uint64 validity; /* address of the byte in which its bit is; 0: no NULL */
	uint8 load;		 /* GstoreKernelLoad */
	uint8 validity_bit;
	uint8 values_bit;
	uint8 padding[5];
	uint64 limit; /* decimals: what their digits do not reach */
	uint64 base;  /* texts: bytes [base_from, base_to) from it are theirs */
	uint64 base_from;
	uint64 base_to;
} GstoreKernelColumn;

/* Rows next to each other, of one chunk. */
typedef struct GstoreKernelPiece
{
	uint64 rows;
	uint64 first_tile; /* tiles of the pieces before */
	uint32 hidden;	   /* offset of a bitmap of rows nobody is to see; 0: none */
	uint32 hidden_bit; /* in its first byte, of the first row */
} GstoreKernelPiece;

/* In a count: a value was infinite. */
#define GSTORE_SAW_INFINITE (UINT64_C(1) << 63)

/*
 * What an aggregate has accumulated.  A sum of integers is of 128 bits, a float's
 * value is the bits of a float8.
 *
 *				low						high
 *	 SUM		the sum
 *	 MIN, MAX	the value
 *	 AND, OR	the bits
 *	 MOMENTS	the sum					squared deviations from the mean
 */
typedef struct GstoreAccumulator
{
	uint64 low;
	uint64 high;
	uint64 count; /* of values, and GSTORE_SAW_INFINITE */
} GstoreAccumulator;

/*
 * The same of a group that blocks have in common, changed by atomic operations.
 *
 *	 MIN, MAX	low is int64, a float in an order of its own (gstore_rank): from
 *				the start the one that every value replaces
 *	 AND		low is all ones from the start
 *	 MOMENTS	high are squared deviations from middle, the first value that
 *				came, or GSTORE_NO_MIDDLE
 */
typedef struct GstoreSharedState
{
	uint64 low;
	uint64 high;
	uint64 count;
	uint64 middle;
} GstoreSharedState;

/* A NaN that no value is. */
#define GSTORE_NO_MIDDLE UINT64_C(0x7FF8000000000BAD)

typedef struct GstoreLaunchResult
{
	uint32 error; /* GstoreState of a row that ended in one, or 0 */
	uint32 blocks;
	uint32 left; /* a key is a text too long for kernels */
	uint32 padding;
	uint64 ngroups; /* more than there is room for: there are more groups */
	uint64 more_padding;
} GstoreLaunchResult;

/*
 * One program over pieces.  Offsets are from the beginning of the launch; what is
 * at result is zero before.
 *
 * SCAN: without keys.  Where passes is not 0, it is a filter: passes has a byte
 * for each GSTORE_LANE_ROWS rows, GSTORE_WARP of them for each tile: in the low
 * bits which of the rows pass, in the high ones which only because their
 * condition ended in an error.  Else the rows that pass are accumulated, and each
 * block tells what it has.
 *
 * GROUP: with keys.  A group is a record of words: its keys, then a bitmap of
 * those that are NULL, then its states.  Records are numbered in the order they
 * come, and found by a hash table: of a word its high half is the hash's, its
 * low half a number (group.h).  That is zero before; records are not.  A warp
 * has a small table of its own besides, of the first groups it meets.
 */
typedef struct GstoreLaunch
{
	uint64 bytes; /* of everything */
	uint64 ntiles;
	uint32 ninstructions;
	uint32 nconjuncts;
	uint32 nkeys;
	uint32 naggregates;
	uint32 ncolumns;
	uint32 npieces;
	uint32 nslots;
	uint32 max_blocks; /* there is room for accumulators of so many */
	uint32 instructions;
	uint32 constants;
	uint32 conjuncts;
	uint32 keys;
	uint32 aggregates;
	uint32 pieces;
	uint32 columns;		/* [npieces][ncolumns] */
	uint32 result;		/* GstoreLaunchResult, then, without keys,
					 * GstoreAccumulator [block][aggregate] */
	uint32 passes;		/* [ntiles][GSTORE_WARP], behind the result */
	uint32 key_slot;	/* the first of nkeys + 1: keys as they are compared, and
					  * which of them are NULL */
	uint32 few;			/* groups of a warp's own table, 0: none */
	uint32 few_bytes;	/* of it */
	uint32 copies;		/* of a group's accumulators, at first: so that more lanes
					   * have some of their own */
	uint32 few_records; /* of them all, groups' and copies', in the table */
	uint64 records;
	uint64 capacity; /* records there is room for */
	uint64 table;
	uint64 mask; /* words of the table, less one */
} GstoreLaunch;

/* Bytes of a warp's slots, and of the accumulators of a block: for each
 * aggregate one of each lane. */
#define GSTORE_SLOT_BYTES (GSTORE_TILE_ROWS * (sizeof(uint64) + 1))
#define GSTORE_ACCUMULATOR_BYTES \
	(GSTORE_KERNEL_THREADS * sizeof(GstoreAccumulator))

/* Words of a group's record. */
#define GSTORE_RECORD_WORDS(nkeys, naggregates) \
	(1 + (nkeys) + (naggregates) * (sizeof(GstoreSharedState) / sizeof(uint64)))

/*
 * Bytes of a warp's own table of groups: keys and what is NULL, accumulators,
 * an index of twice as many bytes as there are groups, and for each row of the
 * tile the number of its group.
 */
#define GSTORE_FEW_BYTES(few, records, nkeys, naggregates) \
	((uint32) GSTORE_ALIGN((few) * (((nkeys) + 1) * sizeof(uint64) + 2) + \
							   (records) * (naggregates) * \
								   sizeof(GstoreAccumulator) + \
							   GSTORE_TILE_ROWS, \
						   8))

StaticAssertDecl(sizeof(GstoreKernelInstruction) == 12, "instructions are packed");
StaticAssertDecl(sizeof(GstoreKernelColumn) == 56, "a column is packed");
StaticAssertDecl(sizeof(GstoreLaunchResult) == 32, "a result is packed");
StaticAssertDecl(sizeof(GstoreLaunch) == 136, "a launch is packed");

#endif
