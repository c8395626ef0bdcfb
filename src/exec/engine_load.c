/*
 * engine_load.c
 *	  Columns into vectors: every encoding of both formats as the types that
 *	  programs compute with.
 *
 * Images can be hostile: nothing outside the view is read, whatever it says.
 * What cannot be had here (lz4, a value larger than the room for plain ones)
 * is BEYOND, and PostgreSQL decides on the row.  Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "codec/arrow.h"
#include "exec/engine_vector.h"
#include "pglz.h"

/* Memory for decompressed values: one vector's, of one thread. */
#define PLAIN_BLOCK_BYTES ((uint64) 256 * 1024)
#define PLAIN_BYTES ((uint64) 16 * 1024 * 1024)

typedef struct GstorePlainBlock
{
	GstorePlainBlock *next;
	uint64 room;
	uint64 used;
	uint8 data[];
} PlainBlock;

/* ---- memory for plain values ---- */

void
gstore_machine_forget(GstoreMachine *machine)
{
	PlainBlock *first = machine->plain;

	if (first == NULL)
		return;
	/* one block is kept warm */
	while (first->next != NULL)
	{
		PlainBlock *next = first->next;

		first->next = next->next;
		machine->plain_bytes -= next->room;
		free(next);
	}
	first->used = 0;
	if (first->room > PLAIN_BLOCK_BYTES)
	{
		free(first);
		machine->plain = NULL;
		machine->plain_bytes = 0;
	}
}

void
gstore_machine_free_plain(GstoreMachine *machine)
{
	gstore_machine_forget(machine);
	free(machine->plain);
	machine->plain = NULL;
	machine->plain_bytes = 0;
}

/* Room until the next vector; NULL when there is no more. */
static uint8 *
plain_room(GstoreMachine *machine, uint64 bytes)
{
	PlainBlock *block = machine->plain;
	uint64 room = Max(PLAIN_BLOCK_BYTES, bytes);

	if (block == NULL || block->room - block->used < bytes)
	{
		if (room > PLAIN_BYTES - machine->plain_bytes)
			return NULL;
		block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return NULL;
		block->room = room;
		block->used = 0;
		block->next = machine->plain;
		machine->plain = block;
		machine->plain_bytes += room;
	}
	block->used += bytes;
	return block->data + block->used - bytes;
}

static void
plain_give_back(GstoreMachine *machine, uint64 bytes)
{
	machine->plain->used -= bytes;
}

/* ---- NULLs ---- */

static inline bool
row_is_null(const GstoreColumnView *view, uint64 row)
{
	uint64 bit = view->validity_bit + row;

	return view->validity != NULL &&
		   (view->validity[bit / 8] & (1 << (bit % 8))) == 0;
}

static void
load_validity(GstoreVector *vector, const GstoreColumnView *view,
			  uint64 first, const uint16 *selection, int n)
{
	uint8 seen = 0;

	vector->clean = view->validity == NULL;
	if (vector->clean)
		return;
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;

		vector->states[at] = row_is_null(view, first + at);
		seen |= vector->states[at];
	}
	vector->clean = seen == 0;
}

/* The same for all rows: the column is absent, or not what the program was
 * compiled for. */
static void
load_state(GstoreVector *vector, uint8 state)
{
	memset(vector->states, state, GSTORE_VECTOR_ROWS);
	vector->values = vector->own;
	vector->clean = false;
}

/* ---- which rows ---- */

/*
 * Of fixed length: is it faster to load all rows up to the last selected one?
 * Memory is read in lines and ahead, so one row in sixteen costs as much.
 */
static inline bool
is_dense(const uint16 *selection, int n)
{
	return selection == NULL || n >= GSTORE_SPARSE_ROWS;
}

static inline int
dense_rows(const uint16 *selection, int n)
{
	return selection == NULL ? n : selection[n - 1] + 1;
}

/* ---- values of fixed length ---- */

/* A value of fixed size, as bytes: images may be anywhere, but compilers make
 * one load of it. */
#define LOAD_FIXED(ctype) \
	do \
	{ \
		ctype *to = vector->own; \
\
		for (int i = 0; i < n; i++) \
		{ \
			int at = selection ? selection[i] : i; \
\
			memcpy(&to[at], \
				   view->values + (first + at) * view->stride, \
				   sizeof(ctype)); \
		} \
	} while (0)

static void
load_fixed(GstoreVector *vector, const GstoreColumnView *view, uint64 first,
		   uint32 bytes, const uint16 *selection, int n)
{
	const uint8 *start = view->values + first * view->stride;
	uint32 alignment = Min(bytes, 8);

	if (view->stride == bytes && ((uintptr_t) start & (alignment - 1)) == 0)
		vector->values = (void *) (uintptr_t) start;
	else
	{
		vector->values = vector->own;
		switch (bytes)
		{
			case 1:
				LOAD_FIXED(uint8);
				break;
			case 2:
				LOAD_FIXED(uint16);
				break;
			case 4:
				LOAD_FIXED(uint32);
				break;
			case 8:
				LOAD_FIXED(uint64);
				break;
			default:
				LOAD_FIXED(GstoreUuid);
				break;
		}
	}
	load_validity(vector, view, first, selection, n);
}

static void
load_bits(GstoreVector *vector, const GstoreColumnView *view, uint64 first,
		  const uint16 *selection, int n)
{
	gstore_logic *to = vector->own;

	vector->values = vector->own;
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint64 bit = view->values_bit + first + at;

		to[at] = (view->values[bit / 8] >> (bit % 8)) & 1;
	}
	load_validity(vector, view, first, selection, n);
}

/* Decimals are checked as the codec checks them: a damaged one is told. */
static void
load_decimals(GstoreVector *vector, const GstoreColumnView *view,
			  uint64 first, const uint16 *selection, int n)
{
	GstoreNumeric *to = vector->own;
	GstoreInt128 limit = gstore_power_of_ten(Min(view->precision, 38));
	GstoreInt128 factor = gstore_power_of_ten(view->scale < 0
												  ? Min(-view->scale, 38)
												  : 0);
	int32 scale = Max(view->scale, 0);
	uint8 seen = 0;

	vector->values = vector->own;
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 state = row_is_null(view, first + at);
		GstoreInt128 value;

		memcpy(&value, view->values + (first + at) * view->stride,
			   sizeof(value));
		if (state == GSTORE_STATE_VALUE && (value <= -limit || value >= limit))
			state = GSTORE_STATE_CORRUPT;
		else if (view->scale < 0 && state == GSTORE_STATE_VALUE &&
				 (view->scale < -38 ||
				  !gstore_int128_multiply(&value, value, factor)))
			state = GSTORE_STATE_BEYOND;
		to[at].value = value;
		to[at].scale = scale;
		vector->states[at] = state;
		seen |= state;
	}
	vector->clean = seen == 0;
}

/* The low halves of all rows; returns not zero if some value is odd. */
GSTORE_VECTORISED static uint64
load_low_halves(uint64 *restrict to, const uint64 *words, uint64 limit, int n)
{
	uint64 odd = 0;

	for (int i = 0; i < n; i++)
	{
		to[i] = words[2 * i];
		odd |= gstore_small_decimal_odd(words[2 * i], words[2 * i + 1], limit);
	}
	return odd;
}

/* The same of few rows. */
static uint64
fetch_low_halves(uint64 *to, const uint64 *words, uint64 limit,
				 const uint16 *selection, int n)
{
	uint64 odd = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection[i];

		to[at] = words[2 * at];
		odd |= gstore_small_decimal_odd(words[2 * at], words[2 * at + 1], limit);
	}
	return odd;
}

/*
 * The same for a column of up to 18 digits, as 64 bits.  All values at once
 * first; where one is NULL or does not fit, one by one.
 */
static void
load_small_decimals(GstoreVector *vector, const GstoreColumnView *view,
					uint64 first, int scale, const uint16 *selection, int n)
{
	const uint64 *words =
		(const uint64 *) (view->values + first * sizeof(GstoreInt128));
	uint64 limit = (uint64) gstore_power_of_ten(Min(view->precision, 18));
	uint64 odd;
	uint8 seen = 0;

	vector->values = vector->own;
	if (view->stride != sizeof(GstoreInt128) || view->scale != scale ||
		view->precision > GSTORE_SMALL_DECIMAL_DIGITS ||
		(uintptr_t) words % sizeof(uint64) != 0)
	{
		load_state(vector, GSTORE_STATE_BEYOND);
		return;
	}
	if (is_dense(selection, n))
		odd = load_low_halves(vector->own, words, limit,
							  dense_rows(selection, n));
	else
		odd = fetch_low_halves(vector->own, words, limit, selection, n);
	vector->clean = odd == 0 && view->validity == NULL;
	if (vector->clean)
		return;
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 state = row_is_null(view, first + at);

		if (state == GSTORE_STATE_VALUE &&
			gstore_small_decimal_odd(words[2 * at], words[2 * at + 1], limit))
			state = GSTORE_STATE_CORRUPT;
		vector->states[at] = state;
		seen |= state;
	}
	vector->clean = seen == 0;
}

/* Days and instants that count from 1970.  Unsigned: what a foreign program
 * wrote may be anything. */
#define LOAD_SHIFTED(ctype, epoch) \
	do \
	{ \
		ctype *restrict to = target; \
		ctype value; \
\
		if (is_dense(selection, n)) \
			for (int at = 0, end = dense_rows(selection, n); at < end; at++) \
			{ \
				memcpy(&value, source + (size_t) at * sizeof(ctype), \
					   sizeof(ctype)); \
				to[at] = value - (ctype) (epoch); \
			} \
		else \
			for (int i = 0; i < n; i++) \
			{ \
				memcpy(&value, \
					   source + (size_t) selection[i] * sizeof(ctype), \
					   sizeof(ctype)); \
				to[selection[i]] = value - (ctype) (epoch); \
			} \
	} while (0)

GSTORE_VECTORISED static void
load_days(void *target, const uint8 *source, const uint16 *selection, int n)
{
	LOAD_SHIFTED(uint32, GSTORE_EPOCH_DAYS);
}

GSTORE_VECTORISED static void
load_instants(void *target, const uint8 *source, const uint16 *selection, int n)
{
	LOAD_SHIFTED(uint64, GSTORE_EPOCH_MICROSECONDS);
}

static void
load_intervals(GstoreVector *vector, const GstoreColumnView *view,
			   uint64 first, const uint16 *selection, int n)
{
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		GstoreSpan *to = (GstoreSpan *) vector->own + at;
		GstoreArrowInterval value;

		memcpy(&value, view->values + (first + at) * sizeof(value),
			   sizeof(value));
		to->microseconds = value.nanoseconds / 1000;
		to->days = value.days;
		to->months = value.months;
	}
}

/* What Arrow counts from 1970, or lays out differently. */
static void
load_arrow_fixed(GstoreVector *vector, const GstoreColumnView *view,
				 uint64 first, const uint16 *selection, int n)
{
	vector->values = vector->own;
	if (view->arrow_kind == GSTORE_ARROW_INTERVAL)
		load_intervals(vector, view, first, selection, n);
	else if (view->arrow_kind == GSTORE_ARROW_DATE)
		load_days(vector->own, view->values + first * sizeof(uint32), selection,
				  n);
	else
		load_instants(vector->own, view->values + first * sizeof(uint64),
					  selection, n);
	load_validity(vector, view, first, selection, n);
}

/* ---- values of any length ---- */

/* A compressed varlena's plain bytes. */
static uint8
find_plain(GstoreMachine *machine, const uint8 *body, uint64 length,
		   GstoreText *text)
{
	uint32 word;
	uint8 *plain;

	if (length < 4)
		return GSTORE_STATE_CORRUPT;
	word = gstore_read_u32(body);
	text->length = word & 0x3FFFFFFF;
	if (word >> 30 != 0) /* not pglz */
		return GSTORE_STATE_BEYOND;
	plain = plain_room(machine, text->length);
	if (plain == NULL)
		return GSTORE_STATE_BEYOND;
	text->data = plain;
	return gstore_pglz_decompress(body + 4, length - 4, plain, text->length) == 0
			   ? GSTORE_STATE_VALUE
			   : GSTORE_STATE_CORRUPT;
}

/* The bytes of a varlena without its header; VALUE, NULL or an error. */
static uint8
find_varlena(GstoreMachine *machine, const GstoreColumnView *view, uint64 row,
			 GstoreText *text)
{
	uint64 offset = (uint64) gstore_read_u32(view->values + 4 * row) * 8;
	uint32 header;

	text->data = NULL;
	text->length = 0;
	if (offset == 0 || row_is_null(view, row))
		return GSTORE_STATE_NULL;
	if (offset < view->base_from || view->base_to < 4 ||
		offset > view->base_to - 4)
		return GSTORE_STATE_CORRUPT;
	header = gstore_read_u32(view->base + offset);
	if ((header & 1) != 0 || header < 16 ||
		(header >> 2) > view->base_to - offset)
		return GSTORE_STATE_CORRUPT;
	if ((header & 3) == 2)
		return find_plain(machine, view->base + offset + 4, (header >> 2) - 4,
						  text);
	text->data = view->base + offset + 4;
	text->length = (header >> 2) - 4;
	return GSTORE_STATE_VALUE;
}

static void
load_varlena(GstoreMachine *machine, GstoreVector *vector,
			 const GstoreColumnView *view, const GstoreRegister *reg,
			 const uint16 *selection, int n)
{
	bool is_text = reg->type == GSTORE_TYPE_TEXT;
	uint8 seen = 0;

	vector->values = vector->own;
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		GstorePlainBlock *block = machine->plain;
		uint64 used = block ? block->used : 0;
		GstoreText text;
		uint8 state = find_varlena(machine, view, machine->first + at, &text);

		if (is_text)
			((GstoreText *) vector->own)[at] = text;
		else if (state == GSTORE_STATE_VALUE && reg->type == GSTORE_TYPE_DECIMAL)
			state = gstore_decimal_decode((gstore_decimal *) vector->own + at,
										  reg->scale, text.data, text.length);
		else if (state == GSTORE_STATE_VALUE)
			state = gstore_numeric_decode((GstoreNumeric *) vector->own + at,
										  text.data, text.length);
		/* a number that was read, and bytes that are none, need no room */
		if (machine->plain != NULL && (!is_text || state != 0))
			plain_give_back(machine,
							machine->plain->used -
								(machine->plain == block ? used : 0));
		vector->states[at] = state;
		seen |= state;
	}
	vector->clean = seen == 0;
}

static inline uint64
arrow_offset(const GstoreColumnView *view, uint64 row)
{
	uint64 wide;
	uint32 narrow;

	if (view->large_text)
	{
		memcpy(&wide, view->values + 8 * row, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, view->values + 4 * row, sizeof(narrow));
	return narrow;
}

/* All rows up to the last selected one, with offsets of 32 bits; returns not zero
 * if some text is not one. */
static uint64
load_short_texts(GstoreText *restrict to, const GstoreColumnView *view,
				 const uint8 *offsets, int n)
{
	const uint8 *base = view->base;
	uint64 last = view->base_to;
	uint64 odd = 0;
	uint32 start;

	memcpy(&start, offsets, sizeof(start));
	odd |= start < view->base_from;
	for (int i = 0; i < n; i++)
	{
		uint32 end;

		memcpy(&end, offsets + 4 * (size_t) (i + 1), sizeof(end));
		odd |= (end < start) | (end > last) | (end - start > 0x3FFFFFFF);
		to[i].data = base + start;
		to[i].length = end - start;
		start = end;
	}
	return odd;
}

static void
load_arrow_text(GstoreVector *vector, const GstoreColumnView *view,
				uint64 first, const uint16 *selection, int n)
{
	GstoreText *to = vector->own;
	uint8 seen = 0;

	vector->values = vector->own;
	if (!view->large_text && is_dense(selection, n) &&
		load_short_texts(to, view, view->values + 4 * first,
						 dense_rows(selection, n)) == 0)
	{
		load_validity(vector, view, first, selection, n);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint64 start = arrow_offset(view, first + at);
		uint64 end = arrow_offset(view, first + at + 1);
		uint8 state = row_is_null(view, first + at);

		if (end < start || end > view->base_to || start < view->base_from ||
			end - start > 0x3FFFFFFF)
		{
			state = state ? state : (uint8) GSTORE_STATE_CORRUPT;
			start = end = view->base_from;
		}
		to[at].data = view->base + start;
		to[at].length = end - start;
		vector->states[at] = state;
		seen |= state;
	}
	vector->clean = seen == 0;
}

/* ---- any column ---- */

/* The type that values of a kind of encoding ARROW_FIXED are loaded as. */
static int
arrow_fixed_type(const GstoreColumnView *view)
{
	switch (view->arrow_kind)
	{
		case GSTORE_ARROW_DATE:
			return GSTORE_TYPE_DATE;
		case GSTORE_ARROW_TIMESTAMP:
		case GSTORE_ARROW_TIMESTAMPTZ:
			return GSTORE_TYPE_TIMESTAMP;
		case GSTORE_ARROW_INTERVAL:
			return GSTORE_TYPE_SPAN;
		case GSTORE_ARROW_NUMERIC:
			return GSTORE_TYPE_NUMERIC;
		default:
			return -1;
	}
}

void
gstore_machine_load(GstoreMachine *machine,
					const GstoreInstruction *instruction,
					const uint16 *selection, int n)
{
	GstoreVector *vector = &machine->registers[instruction->result];
	const GstoreColumnView *view = &machine->input->columns[instruction->a];
	const GstoreRegister *reg =
		&GSTORE_PROGRAM_PART(machine->program, GstoreRegister,
							 registers)[instruction->result];
	GstoreType type = (GstoreType) reg->type;
	bool is_numeric = type == GSTORE_TYPE_NUMERIC || type == GSTORE_TYPE_DECIMAL;
	uint64 first = machine->first;

	if (view->encoding == GSTORE_ENCODING_ABSENT)
		load_state(vector, GSTORE_STATE_NULL);
	else if (view->encoding == GSTORE_ENCODING_REGISTER)
		load_fixed(vector, view, first, gstore_type_bytes(type), selection, n);
	else if (view->encoding == GSTORE_ENCODING_FIXED && !is_numeric &&
			 type != GSTORE_TYPE_TEXT &&
			 view->attlen == (int16) gstore_type_bytes(type))
		load_fixed(vector, view, first, gstore_type_bytes(type), selection, n);
	else if (view->encoding == GSTORE_ENCODING_PGSTROM_VARLENA &&
			 (is_numeric || type == GSTORE_TYPE_TEXT))
		load_varlena(machine, vector, view, reg, selection, n);
	else if (view->encoding == GSTORE_ENCODING_ARROW_BITS &&
			 type == GSTORE_TYPE_BOOL)
		load_bits(vector, view, first, selection, n);
	else if (view->encoding == GSTORE_ENCODING_ARROW_TEXT &&
			 view->arrow_kind == GSTORE_ARROW_TEXT && type == GSTORE_TYPE_TEXT)
		load_arrow_text(vector, view, first, selection, n);
	else if (view->encoding == GSTORE_ENCODING_ARROW_FIXED &&
			 arrow_fixed_type(view) ==
				 (int) (is_numeric ? GSTORE_TYPE_NUMERIC : type))
	{
		if (type == GSTORE_TYPE_DECIMAL)
			load_small_decimals(vector, view, first, reg->scale, selection, n);
		else if (type == GSTORE_TYPE_NUMERIC)
			load_decimals(vector, view, first, selection, n);
		else
			load_arrow_fixed(vector, view, first, selection, n);
	}
	else
		load_state(vector, GSTORE_STATE_BEYOND);
}

void
gstore_machine_prefetch(const GstoreMachine *machine, int from,
						const uint16 *selection, int n)
{
	const GstoreInstruction *instruction =
		GSTORE_PROGRAM_PART(machine->program, GstoreInstruction, instructions);

	for (int i = from; i < machine->program->ninstructions; i++)
	{
		const GstoreColumnView *view =
			&machine->input->columns[instruction[i].a];
		uint32 bytes;

		if (instruction[i].opcode != GSTORE_OP_LOAD)
			continue;
		if (view->encoding == GSTORE_ENCODING_PGSTROM_VARLENA)
			bytes = sizeof(uint32);
		else if (view->encoding == GSTORE_ENCODING_FIXED ||
				 view->encoding == GSTORE_ENCODING_ARROW_FIXED)
			bytes = view->stride;
		else
			continue;
		for (int j = 0; j < n; j++)
			__builtin_prefetch(view->values +
							   (machine->first + selection[j]) * bytes);
	}
}
