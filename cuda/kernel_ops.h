/*
 * kernel_ops.h
 *	  Which operators kernels have: those whose operands and result fit a word
 *	  of 64 bits; and how values of their types become words and come back.
 *
 * Compiled for the CPU too, where it is asked whether a program can be run by
 * kernels, so that both sides go by one list.
 */
#ifndef GSTORE_KERNEL_OPS_H
#define GSTORE_KERNEL_OPS_H

#include "epoch.h"
#include "program.h"

/* GSTORE_WORDS_type: 1 if its values are words. */
#define GSTORE_WORDS_logic 1
#define GSTORE_WORDS_int2 1
#define GSTORE_WORDS_int4 1
#define GSTORE_WORDS_int8 1
#define GSTORE_WORDS_float4 1
#define GSTORE_WORDS_float8 1
#define GSTORE_WORDS_numeric 0
#define GSTORE_WORDS_decimal 1
#define GSTORE_WORDS_text 1
#define GSTORE_WORDS_date 1
#define GSTORE_WORDS_timestamp 1
#define GSTORE_WORDS_span 0
#define GSTORE_WORDS_uuid 0
#define GSTORE_WORDS_oid 1

/* GSTORE_TEXT_type: 1 if it is. */
#define GSTORE_TEXT_logic 0
#define GSTORE_TEXT_int2 0
#define GSTORE_TEXT_int4 0
#define GSTORE_TEXT_int8 0
#define GSTORE_TEXT_float4 0
#define GSTORE_TEXT_float8 0
#define GSTORE_TEXT_numeric 0
#define GSTORE_TEXT_decimal 0
#define GSTORE_TEXT_text 1
#define GSTORE_TEXT_date 0
#define GSTORE_TEXT_timestamp 0
#define GSTORE_TEXT_span 0
#define GSTORE_TEXT_uuid 0
#define GSTORE_TEXT_oid 0

/* GSTORE_IF_WORDS2(a, b)(text): the text if all of them are, else nothing. */
#define GSTORE_ALL_111(...) __VA_ARGS__
#define GSTORE_ALL_110(...)
#define GSTORE_ALL_101(...)
#define GSTORE_ALL_011(...)
#define GSTORE_ALL_100(...)
#define GSTORE_ALL_010(...)
#define GSTORE_ALL_001(...)
#define GSTORE_ALL_000(...)
#define GSTORE_ALL_PASTE(a, b, c) GSTORE_ALL_##a##b##c
#define GSTORE_ALL(a, b, c) GSTORE_ALL_PASTE(a, b, c)
#define GSTORE_IF_WORDS3(a, b, c) \
	GSTORE_ALL(GSTORE_WORDS_##a, GSTORE_WORDS_##b, GSTORE_WORDS_##c)
#define GSTORE_IF_WORDS2(a, b) GSTORE_IF_WORDS3(a, b, logic)

/* Is a register of this type one? */
GSTORE_DEVICE_FUNC bool
gstore_type_is_word(int type)
{
	switch (type)
	{
#define TYPE(name, ctype) \
	case GSTORE_TYPE_##name: \
		return GSTORE_WORDS_##ctype != 0;
		GSTORE_TYPE_LIST(TYPE)
#undef TYPE
		default:
			return false;
	}
}

/*
 * Operators whose code is long: a calendar, a loop over a text.  They are run row
 * by row, the others for all of a lane's rows at a time.
 */
#define GSTORE_IS_BY_ROW(NAME, r, a, b) \
	(GSTORE_TEXT_##r || GSTORE_TEXT_##a || GSTORE_TEXT_##b || \
	 GSTORE_OP_##NAME == GSTORE_OP_TIMESTAMP_PART || \
	 GSTORE_OP_##NAME == GSTORE_OP_TIME_PART || \
	 GSTORE_OP_##NAME == GSTORE_OP_TIMESTAMP_TRUNC)

GSTORE_DEVICE_FUNC bool
gstore_kernel_by_row(int opcode)
{
	switch (opcode)
	{
#define GSTORE_OP1(NAME, function, r, a) \
	case GSTORE_OP_##NAME: \
		return GSTORE_IS_BY_ROW(NAME, r, a, a);
#define GSTORE_OP2(NAME, function, r, a, b) \
	case GSTORE_OP_##NAME: \
		return GSTORE_IS_BY_ROW(NAME, r, a, b);
#include "opcodes.def"
		default:
			return false;
	}
}

/* Is its second operand no text but a table, whose length nobody looks at? */
GSTORE_DEVICE_FUNC bool
gstore_kernel_takes_table(int opcode)
{
	switch (opcode)
	{
		case GSTORE_OP_INT2_IN:
		case GSTORE_OP_INT4_IN:
		case GSTORE_OP_INT8_IN:
		case GSTORE_OP_FLOAT4_IN:
		case GSTORE_OP_FLOAT8_IN:
		case GSTORE_OP_DATE_IN:
		case GSTORE_OP_TIMESTAMP_IN:
		case GSTORE_OP_OID_IN:
		case GSTORE_OP_TEXT_IN:
		case GSTORE_OP_BPCHAR_IN:
		case GSTORE_OP_ZONE_LOCAL:
		case GSTORE_OP_ZONE_INSTANT:
		case GSTORE_OP_ZONE_TRUNC:
			return true;
		default:
			return false;
	}
}

/* Do kernels have this operator? */
GSTORE_DEVICE_FUNC bool
gstore_kernel_has(int opcode)
{
	switch (opcode)
	{
#define GSTORE_OP1(NAME, function, r, a) \
	case GSTORE_OP_##NAME: \
		return GSTORE_WORDS_##r && GSTORE_WORDS_##a;
#define GSTORE_OP2(NAME, function, r, a, b) \
	case GSTORE_OP_##NAME: \
		return GSTORE_WORDS_##r && GSTORE_WORDS_##a && GSTORE_WORDS_##b;
#include "opcodes.def"
		default:
			return opcode >= GSTORE_OP_LOAD && opcode <= GSTORE_OP_CHOOSE;
	}
}

/* A word's low bytes are the value: integers and floats alike. */
#define GSTORE_DEFINE_WORD(type) \
	GSTORE_DEVICE_FUNC gstore_##type gstore_word_##type(uint64 word) \
	{ \
		return (gstore_##type) word; \
	} \
	GSTORE_DEVICE_FUNC uint64 gstore_to_word_##type(gstore_##type value) \
	{ \
		return (uint64) value; \
	}

GSTORE_DEFINE_WORD(logic)
GSTORE_DEFINE_WORD(int2)
GSTORE_DEFINE_WORD(int4)
GSTORE_DEFINE_WORD(int8)
GSTORE_DEFINE_WORD(decimal)
GSTORE_DEFINE_WORD(date)
GSTORE_DEFINE_WORD(timestamp)
GSTORE_DEFINE_WORD(oid)

GSTORE_DEVICE_FUNC gstore_float4
gstore_word_float4(uint64 word)
{
	uint32 bits = (uint32) word;
	gstore_float4 value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

GSTORE_DEVICE_FUNC uint64
gstore_to_word_float4(gstore_float4 value)
{
	uint32 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

GSTORE_DEVICE_FUNC gstore_float8
gstore_word_float8(uint64 word)
{
	gstore_float8 value;

	memcpy(&value, &word, sizeof(value));
	return value;
}

GSTORE_DEVICE_FUNC uint64
gstore_to_word_float8(gstore_float8 value)
{
	uint64 word;

	memcpy(&word, &value, sizeof(word));
	return word;
}

/* Floats in an order of integers, NaN the greatest. */
GSTORE_DEVICE_FUNC int64
gstore_rank(gstore_float8 value)
{
	int64 rank = (int64) gstore_to_word_float8(value);

	if (value != value)
		return INT64_MAX;
	return rank < 0 ? rank ^ INT64_MAX : rank;
}

GSTORE_DEVICE_FUNC gstore_float8
gstore_unrank(int64 rank)
{
	if (rank == INT64_MAX)
		return NAN;
	return gstore_word_float8((uint64) (rank < 0 ? rank ^ INT64_MAX : rank));
}

#endif
