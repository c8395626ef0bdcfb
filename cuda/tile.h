/*
 * tile.h
 *	  The primitives that kernels are composed of: the tile a warp works on, its
 *	  operands, which of its rows are there.
 *
 *	 tile_load.h	columns into slots
 *	 tile_run.h		operators, conjuncts, the whole program
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

#endif
