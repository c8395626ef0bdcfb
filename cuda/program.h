/*
 * program.h
 *	  A program: what a query asks of each row, flat and relocatable.
 *
 * One block of memory, no pointers: the header, then arrays at byte offsets
 * from its start.  It can be copied to a device as it is.
 *
 *	 columns		which attributes are loaded, and as what type
 *	 registers		typed; each is written by one instruction, or constant
 *	 instructions	in order; conjuncts own ranges of them, from the first on
 *	 conjuncts		of the filter: a row goes on while all are true
 *	 keys			registers to group by
 *	 aggregates		what is accumulated
 *
 * A row whose conjunct ends in an error state goes on marked: who reads the
 * rows must evaluate the condition again, and gets PostgreSQL's own error.
 */
#ifndef GSTORE_PROGRAM_H
#define GSTORE_PROGRAM_H

#include "ops_datetime.h"
#include "ops_decimal.h"
#include "ops_float.h"
#include "ops_int.h"
#include "ops_interval.h"
#include "ops_numeric.h"
#include "ops_span.h"
#include "ops_text.h"
#include "ops_zone.h"

#define GSTORE_PROGRAM_MAGIC 0x31505347 /* GSP1 */
#define GSTORE_NO_REGISTER 0xFFFF
#define GSTORE_MAX_REGISTERS 2048

typedef enum GstoreOpcode
{
	/* not strict; a, b and c are registers unless said otherwise */
	GSTORE_OP_LOAD,		   /* a: index of a column */
	GSTORE_OP_AND,		   /* a, b */
	GSTORE_OP_OR,		   /* a, b */
	GSTORE_OP_IS_NULL,	   /* a of any type */
	GSTORE_OP_IS_NOT_NULL, /* a of any type */
	GSTORE_OP_IS_TRUE,	   /* a */
	GSTORE_OP_IS_FALSE,	   /* a */
	GSTORE_OP_DISTINCT,	   /* a: are they equal?; b, c: of any type */
	GSTORE_OP_SELECT,	   /* a ? b : c */
	GSTORE_OP_COALESCE,	   /* b, c */
	GSTORE_OP_NULLIF,	   /* a: are they equal?; b */
	GSTORE_OP_CHOOSE,	   /* a ? b : c, or what is not NULL of b and c */
#define GSTORE_OP1(NAME, function, result, a) GSTORE_OP_##NAME,
#define GSTORE_OP2(NAME, function, result, a, b) GSTORE_OP_##NAME,
#include "opcodes.def"
	GSTORE_OP_COUNT
} GstoreOpcode;

typedef enum GstoreAggregateKind
{
	GSTORE_AGGREGATE_COUNT, /* of rows, or of values */
	GSTORE_AGGREGATE_SUM,	/* and count; integers, numeric, float8 */
	GSTORE_AGGREGATE_MIN,	/* any type but text */
	GSTORE_AGGREGATE_MAX,
	GSTORE_AGGREGATE_AND, /* bool, integers bit by bit */
	GSTORE_AGGREGATE_OR,
	GSTORE_AGGREGATE_MOMENTS /* float8: count, sum, sum of squared deviations */
} GstoreAggregateKind;

typedef struct GstoreInstruction
{
	uint16 opcode;
	uint16 result;
	uint16 a;
	uint16 b;
	uint16 c;
	uint16 padding;
} GstoreInstruction;

typedef struct GstoreProgramColumn
{
	int16 attnum;
	uint8 type; /* GstoreType */
	uint8 padding;
} GstoreProgramColumn;

typedef struct GstoreRegister
{
	uint8 type; /* GstoreType */
	uint8 is_constant;
	uint8 state;  /* of a constant */
	uint8 scale;  /* of a DECIMAL */
	uint32 value; /* of a constant: offset in the program; a text is its
				   * length in 4 bytes, then the bytes */
} GstoreRegister;

typedef struct GstoreConjunct
{
	uint16 end; /* instructions from the last one's end to here */
	uint16 result;
} GstoreConjunct;

typedef struct GstoreProgramAggregate
{
	uint8 kind;		 /* GstoreAggregateKind */
	uint8 type;		 /* GstoreType of the argument */
	uint16 argument; /* register, or GSTORE_NO_REGISTER for count(*) */
	uint16 filter;	 /* register, or GSTORE_NO_REGISTER */
	uint8 distinct;	 /* each value of a group once */
	uint8 padding;
} GstoreProgramAggregate;

typedef struct GstoreProgram
{
	uint32 magic;
	uint32 bytes; /* of everything */
	uint16 ncolumns;
	uint16 nregisters;
	uint16 ninstructions;
	uint16 nconjuncts;
	uint16 nkeys;
	uint16 naggregates;
	uint16 is_aggregate; /* even with no key and no aggregate */
	uint16 padding;
	uint32 columns; /* offsets from the program's start */
	uint32 registers;
	uint32 instructions;
	uint32 conjuncts;
	uint32 keys; /* uint16 each */
	uint32 aggregates;
} GstoreProgram;

StaticAssertDecl(sizeof(GstoreInstruction) == 12, "instructions are packed");
StaticAssertDecl(sizeof(GstoreRegister) == 8, "registers are packed");
StaticAssertDecl(sizeof(GstoreProgram) == 48, "a program's header is packed");

#define GSTORE_PROGRAM_PART(program, type, part) \
	((const type *) ((const uint8 *) (program) + (program)->part))

/* ---- operators that look at states, for both engines ---- */

/* Of DISTINCT, given whether the values are equal. */
GSTORE_DEVICE_FUNC uint8
gstore_op_distinct(gstore_logic *r, gstore_logic equal, uint8 es, uint8 bs,
				   uint8 cs)
{
	*r = (gstore_logic) (bs || cs ? bs != cs : !equal);
	if (bs > GSTORE_STATE_NULL || cs > GSTORE_STATE_NULL)
		return gstore_state_join(bs, cs);
	return (uint8) (es > GSTORE_STATE_NULL ? es : GSTORE_STATE_VALUE);
}

/* Which operand the result is: 1 for b, 2 for c, 0 for neither, and then
 * *state says what. */
GSTORE_DEVICE_FUNC int
gstore_op_pick(int opcode, gstore_logic a, uint8 as, uint8 bs, uint8 cs,
			   uint8 *state)
{
	switch (opcode)
	{
		case GSTORE_OP_SELECT:
			*state = as;
			if (as > GSTORE_STATE_NULL)
				return 0;
			return as == GSTORE_STATE_VALUE && a ? 1 : 2;
		case GSTORE_OP_COALESCE: /* of b and c */
			return bs == GSTORE_STATE_NULL ? 2 : 1;
		case GSTORE_OP_NULLIF:
			*state = as > GSTORE_STATE_NULL ? as : (uint8) GSTORE_STATE_NULL;
			return *state == GSTORE_STATE_NULL &&
						   !(as == GSTORE_STATE_VALUE && a)
					   ? 1
					   : 0;
		default: /* CHOOSE */
			if (bs > GSTORE_STATE_NULL || cs == GSTORE_STATE_NULL)
				return 1;
			if (cs > GSTORE_STATE_NULL || bs == GSTORE_STATE_NULL)
				return 2;
			*state = as;
			return as ? 0 : (a ? 1 : 2);
	}
}

#endif
