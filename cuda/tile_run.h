/*
 * tile_run.h
 *	  The program over a tile: operators, conjuncts, all of it.
 *
 * An operator works on all of a lane's rows at a time where its operands are
 * there; where one is NULL or an error, and where its code is long, row by row.
 */
#ifndef GSTORE_TILE_RUN_H
#define GSTORE_TILE_RUN_H

#include "tile_load.h"

/* ---- operators ---- */

/* All operands are there. */
#define GSTORE_STRICT_CASE(NAME, by_row, rtype, call) \
	case GSTORE_OP_##NAME: \
		UNROLLED EACH_ROW if (!(by_row)) \
		{ \
			gstore_##rtype value; \
			uint8 state = call; \
\
			result.words[r] = gstore_to_word_##rtype(value); \
			result.states |= (uint32) state << (8 * r); \
		} \
		break;

#define GSTORE_CASE1(NAME, function, rtype, atype) \
	GSTORE_STRICT_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, atype), \
					   rtype, \
					   gstore_op_##function(&value, \
											gstore_word_##atype(a.words[r])))
#define GSTORE_CASE2(NAME, function, rtype, atype, btype) \
	GSTORE_STRICT_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, btype), \
					   rtype, \
					   gstore_op_##function(&value, \
											gstore_word_##atype(a.words[r]), \
											gstore_word_##btype(b.words[r])))

/* What looks at states. */
GSTORE_LANE_FUNC GstoreLaneValues
gstore_run_logic(const GstoreTile *tile,
				 const GstoreKernelInstruction *instruction,
				 const GstoreLaneValues *a, const GstoreLaneValues *b)
{
	GstoreLaneValues result;
	GstoreLaneValues c = *b;

	if (instruction->opcode >= GSTORE_OP_DISTINCT)
		c = gstore_tile_fetch(tile, instruction->c);
	result.states = 0;
	UNROLLED EACH_ROW
	{
		gstore_logic av = (gstore_logic) a->words[r];
		gstore_logic value = 0;
		uint8 as = gstore_state_of(a->states, r);
		uint8 bs = gstore_state_of(b->states, r);
		uint8 cs = gstore_state_of(c.states, r);
		uint8 state = as > GSTORE_STATE_NULL ? as
											 : (uint8) GSTORE_STATE_VALUE;
		int which;

		switch (instruction->opcode)
		{
			case GSTORE_OP_AND:
				state = gstore_op_and(&value, av, as,
									  (gstore_logic) b->words[r], bs);
				break;
			case GSTORE_OP_OR:
				state = gstore_op_or(&value, av, as,
									 (gstore_logic) b->words[r], bs);
				break;
			case GSTORE_OP_IS_NULL:
				value = as == GSTORE_STATE_NULL;
				break;
			case GSTORE_OP_IS_NOT_NULL:
				value = as != GSTORE_STATE_NULL;
				break;
			case GSTORE_OP_IS_TRUE:
				value = as == GSTORE_STATE_VALUE && av;
				break;
			case GSTORE_OP_IS_FALSE:
				value = as == GSTORE_STATE_VALUE && !av;
				break;
			case GSTORE_OP_DISTINCT:
				state = gstore_op_distinct(&value, av, as, bs, cs);
				break;
			default:
				break;
		}
		result.words[r] = value;
		if (instruction->opcode >= GSTORE_OP_SELECT)
		{
			state = GSTORE_STATE_NULL;
			which = gstore_op_pick(instruction->opcode, av,
								   instruction->opcode == GSTORE_OP_COALESCE
									   ? (uint8) 0
									   : as,
								   bs, cs, &state);
			result.words[r] = which == 2 ? c.words[r] : b->words[r];
			if (which > 0)
				state = which == 2 ? cs : bs;
		}
		result.states |= (uint32) state << (8 * r);
	}
	return result;
}

/* An operator on one row's operands; VALUE or an error. */
GSTORE_LANE_FUNC uint8
gstore_run_row(const GstoreTile *tile, uint32 opcode, uint64 a, uint64 b,
			   uint64 *result)
{
	uint8 state = GSTORE_STATE_VALUE;

	switch (opcode)
	{
#define GSTORE_ROW_CASE(NAME, rtype, call) \
	case GSTORE_OP_##NAME: \
	{ \
		gstore_##rtype value; \
\
		state = call; \
		*result = gstore_to_word_##rtype(value); \
		break; \
	}
#define GSTORE_ROW_CASE1(NAME, function, rtype, atype) \
	GSTORE_ROW_CASE(NAME, rtype, \
					gstore_op_##function(&value, gstore_word_##atype(a)))
#define GSTORE_ROW_CASE2(NAME, function, rtype, atype, btype) \
	GSTORE_ROW_CASE(NAME, rtype, \
					gstore_op_##function(&value, gstore_word_##atype(a), \
										 gstore_word_##btype(b)))
#define GSTORE_OP1(NAME, function, r, a) \
	GSTORE_IF_WORDS2(r, a) \
	(GSTORE_ROW_CASE1(NAME, function, r, a))
#define GSTORE_OP2(NAME, function, r, a, b) \
	GSTORE_IF_WORDS3(r, a, b) \
	(GSTORE_ROW_CASE2(NAME, function, r, a, b))
#include "opcodes.def"
		default:
			break;
	}
	return state;
}

/* The same over the lane's rows, of those that matter still: one that is long, or
 * whose operands are not all there. */
GSTORE_LANE_FUNC void
gstore_tile_run_rows(GstoreTile *tile,
					 const GstoreKernelInstruction *instruction)
{
	uint32 opcode = instruction->opcode & ~GSTORE_OPCODE_BY_ROW;
	uint64 *words = tile->words + instruction->result * GSTORE_TILE_ROWS;
	uint8 *states =
		(uint8 *) (tile->states + instruction->result * GSTORE_WARP);

	ROLLED EACH_ROW
	{
		uint32 row = tile->lane * GSTORE_LANE_ROWS + r;
		uint64 a;
		uint64 b;
		uint64 result = 0;
		uint8 as = gstore_tile_value(tile, instruction->a, row, &a);
		uint8 state =
			gstore_state_join(as, gstore_tile_value(tile, instruction->b, row,
													&b));

		if ((tile->alive >> r & 1) == 0)
			state = GSTORE_STATE_VALUE;
		else if (state == GSTORE_STATE_VALUE)
			state = gstore_run_row(tile, opcode, a, b, &result);
		words[row] = result;
		states[row] = state;
	}
}

/* An instruction over all of the lane's rows at a time; false: that cannot be. */
GSTORE_LANE_FUNC bool
gstore_tile_run(GstoreTile *tile, const GstoreKernelInstruction *instruction)
{
	uint32 opcode = instruction->opcode;
	GstoreLaneValues a;
	GstoreLaneValues b;
	GstoreLaneValues result;

	if (opcode & GSTORE_OPCODE_BY_ROW)
		return false;
	a = gstore_tile_fetch(tile, instruction->a);
	b = gstore_tile_fetch(tile, instruction->b);
	if (opcode > GSTORE_OP_CHOOSE && (a.states | b.states) != 0)
		return false;
	result.states = 0;
	UNROLLED EACH_ROW result.words[r] = 0;
	switch (opcode)
	{
#define GSTORE_OP1(NAME, function, r, a) \
	GSTORE_IF_WORDS2(r, a) \
	(GSTORE_CASE1(NAME, function, r, a))
#define GSTORE_OP2(NAME, function, r, a, b) \
	GSTORE_IF_WORDS3(r, a, b) \
	(GSTORE_CASE2(NAME, function, r, a, b))
#include "opcodes.def"
		default:
			result = gstore_run_logic(tile, instruction, &a, &b);
			break;
	}
	gstore_tile_store(tile, instruction->result, &result);
	return true;
}

/* ---- programs ---- */

/* Instructions [from, to), by all lanes of the warp. */
GSTORE_LANE_FUNC void
gstore_tile_run_some(GstoreTile *tile, uint32 from, uint32 to)
{
	for (uint32 i = from; i < to; i++)
	{
		const GstoreKernelInstruction *instruction = &tile->instructions[i];

		if (instruction->opcode == GSTORE_OP_LOAD)
			gstore_tile_load(tile, instruction);
		else if (!gstore_tile_run(tile, instruction))
			gstore_tile_run_rows(tile, instruction);
	}
}

/* A conjunct: which rows are still alive, and whose condition ended in an error;
 * *error is the state of one of those. */
GSTORE_LANE_FUNC void
gstore_tile_narrow(GstoreTile *tile, uint32 operand, uint32 *error)
{
	GstoreLaneValues result = gstore_tile_fetch(tile, operand);
	uint32 passes = 0;

	UNROLLED EACH_ROW passes |= (uint32) ((uint8) result.words[r] != 0) << r;
	if (result.states != 0)
		UNROLLED EACH_ROW
		{
			uint8 state = gstore_state_of(result.states, r);

			if (state > GSTORE_STATE_NULL && (tile->alive >> r & 1))
			{
				tile->marked |= 1u << r;
				*error = state;
			}
			if (state != GSTORE_STATE_VALUE)
				passes &= ~(1u << r);
		}
	tile->alive &= passes;
}

/*
 * The program over the tile: conjunct by conjunct, as long as a row of the warp
 * is alive, and then, if it is wanted, the rest.  Returns whether one is alive.
 */
GSTORE_LANE_FUNC bool
gstore_tile_run_program(GstoreTile *tile, bool wants_rest, uint32 *error)
{
	const GstoreLaunch *launch = tile->launch;
	const GstoreKernelConjunct *conjuncts =
		(const GstoreKernelConjunct *) ((const uint8 *) launch +
										launch->conjuncts);
	uint32 from = 0;

	/* one loop, so that the operators are in the kernel once */
	for (uint32 i = 0; gstore_warp_any(tile->alive != 0); i++)
	{
		bool is_rest = i == launch->nconjuncts;

		if (is_rest && !wants_rest)
			return true;
		gstore_tile_run_some(tile, from,
							 is_rest ? launch->ninstructions
									 : conjuncts[i].end);
		if (is_rest)
			return true;
		from = conjuncts[i].end;
		gstore_tile_narrow(tile, conjuncts[i].result, error);
	}
	return false;
}

/* A byte of each lane: the rows that pass, and of them those to be decided on
 * once more. */
GSTORE_LANE_FUNC void
gstore_tile_tell(const GstoreTile *tile, uint64 passes)
{
	*(uint8 *) gstore_global(passes + tile->lane, 1) =
		(uint8) (tile->alive | tile->marked | tile->marked << 4);
}

#endif
