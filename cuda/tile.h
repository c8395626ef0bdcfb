/*
 * tile.h
 *	  The primitives that kernels are composed of: the tile a warp works on,
 *	  which of its rows are there, loads of columns, operators, conjuncts.
 *
 * kernel.h tells the layout.  A lane's values of an operand are four words in
 * registers of the machine; all loops over them are unrolled, so that nothing
 * needs memory of the lane's own.  What takes long for one row goes through them
 * one by one, in shared memory.  Never reads behind the rows of a piece.
 */
#ifndef GSTORE_TILE_H
#define GSTORE_TILE_H

#include "kernel.h"
#include "kernel_ops.h"
#include "program.h"
#include "simt.h"

#define EACH_ROW for (int r = 0; r < GSTORE_LANE_ROWS; r++)

#ifdef __CUDACC__
#define UNROLLED _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")
#else
#define UNROLLED
#define ROLLED
#endif

/* Four words, and their states byte by byte. */
typedef struct GstoreLaneValues
{
	uint64 words[GSTORE_LANE_ROWS];
	uint32 states;
} GstoreLaneValues;

typedef struct GstoreTile
{
	const GstoreLaunch *launch;
	uint64 argument; /* its address */
	const GstoreKernelInstruction *instructions;
	const GstoreKernelConstant *constants;
	const GstoreKernelColumn *columns; /* of the piece */
	uint64 *words;					   /* [slot][row], the warp's own */
	uint32 *states;					   /* [slot][lane] */
	uint64 first;					   /* row of the piece */
	uint32 rows;					   /* of the tile that there are */
	uint32 lane;
	uint32 alive;  /* bit r: row r of the lane is there, and passes so far */
	uint32 marked; /* its condition ended in an error */
} GstoreTile;

GSTORE_LANE_FUNC uint8
gstore_state_of(uint32 states, int r)
{
	return (uint8) (states >> (8 * r));
}

/* ---- operands ---- */

GSTORE_LANE_FUNC GstoreLaneValues
gstore_tile_fetch(const GstoreTile *tile, uint32 operand)
{
	GstoreLaneValues values;

	if (operand & GSTORE_OPERAND_CONSTANT)
	{
		const GstoreKernelConstant *constant =
			&tile->constants[operand & ~GSTORE_OPERAND_CONSTANT];

		UNROLLED EACH_ROW values.words[r] = constant->word;
		values.states = constant->state * 0x01010101u;
	}
	else
	{
		const uint64 *words = tile->words + operand * GSTORE_TILE_ROWS +
							  tile->lane * GSTORE_LANE_ROWS;

		UNROLLED EACH_ROW values.words[r] = words[r];
		values.states = tile->states[operand * GSTORE_WARP + tile->lane];
	}
	return values;
}

/* Of one row of the tile, whose lane need not be this one; its state. */
GSTORE_LANE_FUNC uint8
gstore_tile_value(const GstoreTile *tile, uint32 operand, uint32 row,
				  uint64 *word)
{
	if (operand & GSTORE_OPERAND_CONSTANT)
	{
		const GstoreKernelConstant *constant =
			&tile->constants[operand & ~GSTORE_OPERAND_CONSTANT];

		*word = constant->word;
		return (uint8) constant->state;
	}
	*word = tile->words[operand * GSTORE_TILE_ROWS + row];
	return ((const uint8 *) (tile->states + operand * GSTORE_WARP))[row];
}

GSTORE_LANE_FUNC void
gstore_tile_store(GstoreTile *tile, uint32 slot, const GstoreLaneValues *values)
{
	uint64 *words = tile->words + slot * GSTORE_TILE_ROWS +
					tile->lane * GSTORE_LANE_ROWS;

	UNROLLED EACH_ROW words[r] = values->words[r];
	tile->states[slot * GSTORE_WARP + tile->lane] = values->states;
}

/* ---- texts ---- */

/* The text that a word names. */
GSTORE_LANE_FUNC GstoreText
gstore_tile_text(const GstoreTile *tile, uint64 word)
{
	GstoreText text;
	uint64 address = tile->argument + (uint64) ((int64) word >> GSTORE_TEXT_LENGTH_BITS);

	text.length = word & GSTORE_TEXT_MOST;
	text.data = (const uint8 *) gstore_global(address, text.length);
	return text;
}

/* The word for bytes at an address; false: there is none. */
GSTORE_LANE_FUNC bool
gstore_text_word(const GstoreTile *tile, uint64 address, uint64 length,
				 uint64 *word)
{
	uint64 away = address - tile->argument;

	*word = away << GSTORE_TEXT_LENGTH_BITS | length;
	return length <= GSTORE_TEXT_MOST &&
		   (uint64) ((int64) *word >> GSTORE_TEXT_LENGTH_BITS) == away;
}

/* As the macros of operators call them: there is a tile. */
#define gstore_word_text(word) gstore_tile_text(tile, word)
#define gstore_to_word_text(text) gstore_part_word(tile, text)

/* A part of a text that has a word has one. */
GSTORE_LANE_FUNC uint64
gstore_part_word(const GstoreTile *tile, GstoreText text)
{
	uint64 word;

	(void) gstore_text_word(tile, gstore_address(text.data), text.length,
							&word);
	return word;
}

/* ---- which rows there are ---- */

/* Four bits from a bit on; no byte behind the last bit wanted is read. */
GSTORE_LANE_FUNC uint32
gstore_four_bits(uint64 bitmap, uint64 bit, uint32 wanted)
{
	uint32 shift = (uint32) (bit % 8);
	uint32 bits = *(const uint8 *) gstore_global(bitmap + bit / 8, 1) >> shift;

	if (shift + wanted > 8)
		bits |= (uint32) * (const uint8 *) gstore_global(bitmap + bit / 8 + 1, 1)
				<< (8 - shift);
	return bits & ((1u << wanted) - 1);
}

/* Rows of the lane that the tile has. */
GSTORE_LANE_FUNC uint32
gstore_tile_lane_rows(const GstoreTile *tile)
{
	uint32 first = tile->lane * GSTORE_LANE_ROWS;

	return tile->rows <= first ? 0
							   : Min(tile->rows - first, GSTORE_LANE_ROWS);
}

/* Before the first tile; shared is the block's memory. */
GSTORE_LANE_FUNC void
gstore_tile_begin(GstoreTile *tile, uint64 argument, uint8 *shared)
{
	const GstoreLaunch *launch =
		(const GstoreLaunch *) gstore_global(argument, sizeof(GstoreLaunch));
	const uint8 *base = (const uint8 *) gstore_global(argument, launch->bytes);
	uint64 words = (uint64) launch->nslots * GSTORE_TILE_ROWS;
	uint32 warp = gstore_thread() / GSTORE_WARP;

	tile->launch = launch;
	tile->argument = argument;
	tile->instructions =
		(const GstoreKernelInstruction *) (base + launch->instructions);
	tile->constants =
		(const GstoreKernelConstant *) (base + launch->constants);
	tile->lane = gstore_thread() % GSTORE_WARP;
	tile->words = (uint64 *) shared + warp * words;
	tile->states =
		(uint32 *) ((uint64 *) shared + GSTORE_KERNEL_WARPS * words) +
		warp * launch->nslots * GSTORE_WARP;
}

/* Shared memory behind all warps' slots. */
GSTORE_LANE_FUNC uint8 *
gstore_tile_end(const GstoreTile *tile, uint8 *shared)
{
	return shared + (uint64) GSTORE_KERNEL_WARPS * tile->launch->nslots *
						GSTORE_SLOT_BYTES;
}

/* Instructions that conjuncts own: those behind them are for rows that pass. */
GSTORE_LANE_FUNC uint32
gstore_tile_filtered(const GstoreTile *tile)
{
	const GstoreLaunch *launch = tile->launch;
	const GstoreKernelConjunct *conjuncts =
		(const GstoreKernelConjunct *) ((const uint8 *) launch +
										launch->conjuncts);

	return launch->nconjuncts == 0 ? 0
								   : conjuncts[launch->nconjuncts - 1].end;
}

/* Go to a tile: *piece is that of an earlier one, or 0. */
GSTORE_LANE_FUNC void
gstore_tile_enter(GstoreTile *tile, uint32 *piece, uint64 number)
{
	const GstoreKernelPiece *pieces =
		(const GstoreKernelPiece *) ((const uint8 *) tile->launch +
									 tile->launch->pieces);
	const GstoreKernelPiece *at;
	uint32 wanted;

	while (*piece + 1 < tile->launch->npieces &&
		   number >= pieces[*piece + 1].first_tile)
		(*piece)++;
	at = &pieces[*piece];
	tile->columns =
		(const GstoreKernelColumn *) ((const uint8 *) tile->launch +
									  tile->launch->columns) +
		(uint64) *piece * tile->launch->ncolumns;
	tile->first = (number - at->first_tile) * GSTORE_TILE_ROWS;
	tile->rows = (uint32) Min(at->rows - tile->first, GSTORE_TILE_ROWS);
	tile->marked = 0;
	wanted = gstore_tile_lane_rows(tile);
	tile->alive = (1u << wanted) - 1;
	if (at->hidden != 0 && wanted > 0)
		tile->alive &= ~gstore_four_bits(tile->argument + at->hidden,
										 at->hidden_bit + tile->first +
											 tile->lane * GSTORE_LANE_ROWS,
										 wanted);
}

/* ---- loads ---- */

typedef struct GstoreSixteen
{
#ifdef __CUDACC__
	__align__(16)
#endif
		uint64 low;
	uint64 high;
} GstoreSixteen;

/* 16 bytes: at once where they are aligned and all of the rows, which begin
 * at row, are there; what of them is not is 0. */
GSTORE_LANE_FUNC GstoreSixteen
gstore_load_sixteen(uint64 values, uint32 row, uint32 rows, uint32 bytes)
{
	uint64 from = values + (uint64) row * bytes;
	GstoreSixteen sixteen = {0, 0};

	if (row + 16 / bytes <= rows && from % 16 == 0)
		return *(const GstoreSixteen *) gstore_global(from, 16);
	for (uint32 i = 0; i < 16 / bytes && row + i < rows; i++)
	{
		uint64 part;

		if (bytes == 4)
		{
			part = *(const uint32 *) gstore_global(from + 4 * i, 4);
			if (i < 2)
				sixteen.low |= part << (32 * i);
			else
				sixteen.high |= part << (32 * (i - 2));
		}
		else if (bytes == 8)
		{
			part = *(const uint64 *) gstore_global(from + 8 * i, 8);
			if (i == 0)
				sixteen.low = part;
			else
				sixteen.high = part;
		}
		else
		{
			sixteen.low = *(const uint64 *) gstore_global(from, 8);
			sixteen.high = *(const uint64 *) gstore_global(from + 8, 8);
		}
	}
	return sixteen;
}

/* All lanes together bring the values into a slot's words, each 16 bytes that
 * lie next to its neighbour's; of decimals the states say whether they are
 * damaged. */
GSTORE_LANE_FUNC void
gstore_load_words(GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint8 *damage)
{
	uint64 values = column->values;

	if (column->load == GSTORE_LOAD_4 || column->load == GSTORE_LOAD_DATE)
	{
		uint32 row = tile->lane * 4;
		uint32 less = column->load == GSTORE_LOAD_DATE ? GSTORE_EPOCH_DAYS : 0;
		GstoreSixteen got =
			gstore_load_sixteen(values + 4 * tile->first, row, tile->rows, 4);

		words[row] = (uint32) got.low - less;
		words[row + 1] = (uint32) (got.low >> 32) - less;
		words[row + 2] = (uint32) got.high - less;
		words[row + 3] = (uint32) (got.high >> 32) - less;
	}
	else if (column->load == GSTORE_LOAD_8 ||
			 column->load == GSTORE_LOAD_TIMESTAMP)
	{
		uint64 less = column->load == GSTORE_LOAD_TIMESTAMP
						  ? (uint64) GSTORE_EPOCH_MICROSECONDS
						  : 0;

		for (uint32 row = tile->lane * 2; row < GSTORE_TILE_ROWS;
			 row += 2 * GSTORE_WARP)
		{
			GstoreSixteen got =
				gstore_load_sixteen(values + 8 * tile->first, row, tile->rows,
									8);

			words[row] = got.low - less;
			words[row + 1] = got.high - less;
		}
	}
	else
	{
		uint64 limit = (uint64) gstore_power_of_ten(column->precision);

		for (uint32 row = tile->lane; row < GSTORE_TILE_ROWS;
			 row += GSTORE_WARP)
		{
			GstoreSixteen got =
				gstore_load_sixteen(values + 16 * tile->first, row,
									tile->rows, 16);

			words[row] = got.low;
			damage[row] = gstore_small_decimal_odd(got.low, got.high, limit)
							  ? GSTORE_STATE_CORRUPT
							  : GSTORE_STATE_VALUE;
		}
	}
}

/* Values of one or two bytes, and bits: each lane its own. */
GSTORE_LANE_FUNC void
gstore_load_small(GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint32 wanted)
{
	uint32 row = tile->lane * GSTORE_LANE_ROWS;
	uint64 at = tile->first + row;

	if (column->load == GSTORE_LOAD_BITS)
	{
		uint32 bits = wanted == 0
						  ? 0
						  : gstore_four_bits(column->values,
											 column->values_bit + at, wanted);

		UNROLLED EACH_ROW words[row + r] = (bits >> r) & 1;
		return;
	}
	for (uint32 i = 0; i < wanted; i++)
		words[row + i] =
			column->load == GSTORE_LOAD_1
				? *(const uint8 *) gstore_global(column->values + at + i, 1)
				: *(const uint16 *) gstore_global(column->values +
													  2 * (at + i),
												  2);
}

/* Where the bytes of a varlena are, whose place in units of 8 bytes is given. */
GSTORE_LANE_FUNC uint8
gstore_find_varlena(const GstoreTile *tile, const GstoreKernelColumn *column,
					uint32 units, uint64 *word)
{
	uint64 offset = (uint64) units * 8;
	uint32 header;

	if (units == 0)
		return GSTORE_STATE_NULL;
	if (offset < column->base_from || column->base_to < 4 ||
		offset > column->base_to - 4)
		return GSTORE_STATE_CORRUPT;
	header = *(const uint32 *) gstore_global(column->base + offset, 4);
	if ((header & 1) != 0 || header < 16 ||
		(header >> 2) > column->base_to - offset)
		return GSTORE_STATE_CORRUPT;
	/* a compressed one is left to the CPU, as one too long is */
	return (header & 3) == 2 ||
				   !gstore_text_word(tile, column->base + offset + 4,
									 (header >> 2) - 4, word)
			   ? GSTORE_STATE_BEYOND
			   : GSTORE_STATE_VALUE;
}

/* The same of Arrow's. */
GSTORE_LANE_FUNC uint8
gstore_find_bytes(const GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 start, uint64 end, uint64 *word)
{
	if (end < start || end > column->base_to || start < column->base_from ||
		end - start > 0x3FFFFFFF)
		return GSTORE_STATE_CORRUPT;
	return gstore_text_word(tile, column->base + start, end - start, word)
			   ? GSTORE_STATE_VALUE
			   : GSTORE_STATE_BEYOND;
}

/* Texts: each lane its own. */
GSTORE_LANE_FUNC void
gstore_load_texts(GstoreTile *tile, const GstoreKernelColumn *column,
				  uint64 *words, uint8 *states, uint32 wanted)
{
	uint32 row = tile->lane * GSTORE_LANE_ROWS;
	uint64 at = tile->first + row;
	bool wide = column->load == GSTORE_LOAD_OFFSETS_8;
	GstoreSixteen four = {0, 0};
	uint32 last = 0;

	if (!wide)
		four = gstore_load_sixteen(column->values + 4 * tile->first, row,
								   tile->rows, 4);
	if (column->load == GSTORE_LOAD_OFFSETS_4 && wanted > 0)
		last = *(const uint32 *) gstore_global(column->values +
												   4 * (at + wanted),
											   4);
	ROLLED for (uint32 r = 0; r < wanted; r++)
	{
		uint64 start = (uint32) four.low;
		uint64 end;
		uint64 word = 0;

		four.low = four.low >> 32 | four.high << 32;
		four.high >>= 32;
		end = r + 1 < wanted ? (uint32) four.low : last;
		if (wide)
		{
			start = *(const uint64 *) gstore_global(column->values +
														8 * (at + r),
													8);
			end = *(const uint64 *) gstore_global(column->values +
													  8 * (at + r + 1),
												  8);
		}
		states[row + r] =
			column->load == GSTORE_LOAD_VARLENA
				? gstore_find_varlena(tile, column, (uint32) start, &word)
				: gstore_find_bytes(tile, column, start, end, &word);
		words[row + r] = word;
	}
}

/* A column into a slot.  Rows that the tile lacks are NULL. */
GSTORE_LANE_FUNC void
gstore_tile_load(GstoreTile *tile, const GstoreKernelInstruction *instruction)
{
	const GstoreKernelColumn *column = &tile->columns[instruction->a];
	uint64 *words = tile->words + instruction->result * GSTORE_TILE_ROWS;
	uint32 *states = tile->states + instruction->result * GSTORE_WARP;
	uint32 wanted = gstore_tile_lane_rows(tile);
	uint32 valid = (1u << wanted) - 1;
	uint32 state = 0;

	/* what the slot held is needed no more, by any lane */
	gstore_sync_warp();
	if (column->load >= GSTORE_LOAD_VARLENA)
		gstore_load_texts(tile, column, words, (uint8 *) states, wanted);
	else if (column->load >= GSTORE_LOAD_4 && column->load != GSTORE_LOAD_BITS)
		gstore_load_words(tile, column, words, (uint8 *) states);
	else if (column->load >= GSTORE_LOAD_1)
		gstore_load_small(tile, column, words, wanted);
	gstore_sync_warp();
	if (column->load >= GSTORE_LOAD_DECIMAL)
		state = states[tile->lane];
	else if (column->load == GSTORE_LOAD_BEYOND)
		state = GSTORE_STATE_BEYOND * 0x01010101u;
	if (column->load == GSTORE_LOAD_NULL)
		valid = 0;
	else if (column->validity != 0 && wanted > 0)
		valid = gstore_four_bits(column->validity,
								 column->validity_bit + tile->first +
									 tile->lane * GSTORE_LANE_ROWS,
								 wanted);
	UNROLLED EACH_ROW if ((valid >> r & 1) == 0)
		state = (state & ~(0xFFu << (8 * r))) | (uint32) GSTORE_STATE_NULL
													<< (8 * r);
	states[tile->lane] = state;
}

/* ---- operators ---- */

#define GSTORE_STRICT_CASE(NAME, by_row, a_states, call) \
	case GSTORE_OP_##NAME: \
		UNROLLED EACH_ROW \
		{ \
			uint8 state = (a_states); \
\
			if (!(by_row) && state == GSTORE_STATE_VALUE) \
				call; \
			result.states |= (uint32) state << (8 * r); \
		} \
		break;

#define GSTORE_CASE1(NAME, function, rtype, atype) \
	GSTORE_STRICT_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, atype), \
					   gstore_state_of(a.states, r), { \
						   gstore_##rtype value; \
\
						   state = gstore_op_##function(&value, \
														gstore_word_##atype(a.words[r])); \
						   result.words[r] = gstore_to_word_##rtype(value); \
					   })
#define GSTORE_CASE2(NAME, function, rtype, atype, btype) \
	GSTORE_STRICT_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, btype), \
					   gstore_state_join(gstore_state_of(a.states, r), \
										 gstore_state_of(b.states, r)), \
					   { \
						   gstore_##rtype value; \
\
						   state = gstore_op_##function( \
							   &value, gstore_word_##atype(a.words[r]), \
							   gstore_word_##btype(b.words[r])); \
						   result.words[r] = gstore_to_word_##rtype(value); \
					   })

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

/* One instruction over the lane's rows. */
GSTORE_LANE_FUNC void
gstore_tile_run(GstoreTile *tile, const GstoreKernelInstruction *instruction)
{
	GstoreLaneValues a = gstore_tile_fetch(tile, instruction->a);
	GstoreLaneValues b = gstore_tile_fetch(tile, instruction->b);
	GstoreLaneValues result;

	result.states = 0;
	UNROLLED EACH_ROW result.words[r] = 0;
	switch (instruction->opcode)
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
}

/* One of the operators that are long, on one row's operands; VALUE or an
 * error. */
GSTORE_LANE_FUNC uint8
gstore_run_row(const GstoreTile *tile, uint32 opcode, uint64 a, uint64 b,
			   uint64 *result)
{
	uint8 state = GSTORE_STATE_VALUE;

	switch (opcode)
	{
#define GSTORE_ROW_CASE(NAME, by_row, rtype, call) \
	case GSTORE_OP_##NAME: \
		if (by_row) \
		{ \
			gstore_##rtype value; \
\
			state = call; \
			*result = gstore_to_word_##rtype(value); \
		} \
		break;
#define GSTORE_ROW_CASE1(NAME, function, rtype, atype) \
	GSTORE_ROW_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, atype), rtype, \
					gstore_op_##function(&value, gstore_word_##atype(a)))
#define GSTORE_ROW_CASE2(NAME, function, rtype, atype, btype) \
	GSTORE_ROW_CASE(NAME, GSTORE_IS_BY_ROW(NAME, rtype, atype, btype), rtype, \
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

/* The same over the lane's rows, of those that matter still. */
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
			state = GSTORE_STATE_NULL;
		if (state == GSTORE_STATE_VALUE)
			state = gstore_run_row(tile, opcode, a, b, &result);
		words[row] = result;
		states[row] = state;
	}
}

/* Instructions [from, to), by all lanes of the warp. */
GSTORE_LANE_FUNC void
gstore_tile_run_all(GstoreTile *tile, uint32 from, uint32 to)
{
	for (uint32 i = from; i < to; i++)
		if (tile->instructions[i].opcode == GSTORE_OP_LOAD)
			gstore_tile_load(tile, &tile->instructions[i]);
		else if (tile->instructions[i].opcode & GSTORE_OPCODE_BY_ROW)
			gstore_tile_run_rows(tile, &tile->instructions[i]);
		else
			gstore_tile_run(tile, &tile->instructions[i]);
}

/* ---- the filter ---- */

/* Which rows pass all conjuncts, in alive, and whose condition ended in an
 * error, in marked; *error is the state of one of those.  Returns whether a row
 * of the warp passes. */
GSTORE_LANE_FUNC bool
gstore_tile_filter(GstoreTile *tile, uint32 *error)
{
	const GstoreKernelConjunct *conjuncts =
		(const GstoreKernelConjunct *) ((const uint8 *) tile->launch +
										tile->launch->conjuncts);
	uint32 from = 0;

	for (uint32 i = 0; i < tile->launch->nconjuncts; i++)
	{
		GstoreLaneValues result;

		if (!gstore_warp_any(tile->alive != 0))
			return false;
		gstore_tile_run_all(tile, from, conjuncts[i].end);
		from = conjuncts[i].end;
		result = gstore_tile_fetch(tile, conjuncts[i].result);
		UNROLLED EACH_ROW
		{
			uint8 state = gstore_state_of(result.states, r);

			if (state > GSTORE_STATE_NULL && (tile->alive >> r & 1))
			{
				tile->marked |= 1u << r;
				*error = state;
			}
			if (state != GSTORE_STATE_VALUE || (uint8) result.words[r] == 0)
				tile->alive &= ~(1u << r);
		}
	}
	return gstore_warp_any(tile->alive != 0);
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
