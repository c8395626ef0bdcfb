/*
 * test_exec.c
 *	  Programs run by the CPU engine: operators at their edges, three-valued
 *	  logic, filters over hidden rows and NULLs, aggregates and groups on
 *	  several threads, hostile varlena, cancellation.
 */
#include <stdio.h>
#include <stdlib.h>

#include "exec/engine.h"
#include "exec/engine_program.h"
#include "rows.h"

/* ---- operators ---- */

static void
test_integers(void)
{
	int16 i2;
	int32 i4;
	int64 i8;

	tap_ok(gstore_op_int4pl(&i4, INT32_MAX, 0) == 0 && i4 == INT32_MAX,
		   "int4 + 0 at its maximum");
	tap_ok(gstore_op_int4pl(&i4, INT32_MAX, 1) == GSTORE_STATE_INTEGER,
		   "int4 + overflows");
	tap_ok(gstore_op_int4um(&i4, INT32_MIN) == GSTORE_STATE_INTEGER,
		   "int4 unary minus overflows");
	tap_ok(gstore_op_int4div(&i4, INT32_MIN, -1) == GSTORE_STATE_INTEGER,
		   "int4 minimum / -1 overflows");
	tap_ok(gstore_op_int4mod(&i4, INT32_MIN, -1) == 0 && i4 == 0,
		   "int4 minimum %% -1 is 0");
	tap_ok(gstore_op_int4div(&i4, 1, 0) == GSTORE_STATE_DIVISION,
		   "int4 / 0");
	tap_ok(gstore_op_int4div(&i4, -7, 2) == 0 && i4 == -3, "int4 / truncates");
	tap_ok(gstore_op_int2mul(&i2, 256, 128) == GSTORE_STATE_SMALLINT,
		   "int2 * overflows");
	tap_ok(gstore_op_int8pl(&i8, INT64_MAX, 1) == GSTORE_STATE_BIGINT,
		   "int8 + overflows");
	tap_ok(gstore_op_int8mi(&i8, INT64_MIN, 1) == GSTORE_STATE_BIGINT,
		   "int8 - overflows");
	tap_ok(gstore_op_int8mul(&i8, INT64_MIN, -1) == GSTORE_STATE_BIGINT,
		   "int8 * overflows");
	tap_ok(gstore_op_int8mul(&i8, 3037000499LL, 3037000499LL) == 0 &&
			   i8 == 9223372030926249001LL,
		   "int8 * just fits");
	tap_ok(gstore_op_int8div(&i8, INT64_MIN, -1) == GSTORE_STATE_BIGINT,
		   "int8 minimum / -1 overflows");
	tap_ok(gstore_op_int8_int2(&i2, 32768) == GSTORE_STATE_SMALLINT,
		   "int8 to int2 overflows");
	tap_ok(gstore_op_float8_int4(&i4, 2.5) == 0 && i4 == 2,
		   "float8 to int4 rounds halves to even");
	tap_ok(gstore_op_float8_int4(&i4, 2147483647.5) == GSTORE_STATE_INTEGER,
		   "float8 to int4 overflows after rounding");
	tap_ok(gstore_op_float8_int8(&i8, NAN) == GSTORE_STATE_BIGINT,
		   "NaN is no int8");
	tap_ok(gstore_op_float8_int8(&i8, -9223372036854775808.0) == 0 &&
			   i8 == INT64_MIN,
		   "the least int8 from float8");
}

static void
test_floats(void)
{
	gstore_logic yes;
	double f8;
	float f4;

	gstore_op_float8eq(&yes, NAN, NAN);
	tap_ok(yes, "NaN = NaN");
	gstore_op_float8gt(&yes, NAN, INFINITY);
	tap_ok(yes, "NaN > infinity");
	gstore_op_float8lt(&yes, NAN, NAN);
	tap_ok(!yes, "not NaN < NaN");
	gstore_op_float8le(&yes, 1, NAN);
	tap_ok(yes, "1 <= NaN");
	gstore_op_float8eq(&yes, 0.0, -0.0);
	tap_ok(yes, "0 = -0");
	tap_ok(gstore_op_float8mul(&f8, 1e300, 1e300) == GSTORE_STATE_OVERFLOW,
		   "float8 * overflows");
	tap_ok(gstore_op_float8mul(&f8, 1e-300, 1e-300) == GSTORE_STATE_UNDERFLOW,
		   "float8 * underflows");
	tap_ok(gstore_op_float8mul(&f8, INFINITY, 2) == 0 && f8 == INFINITY,
		   "infinity * 2 is no overflow");
	tap_ok(gstore_op_float8div(&f8, 1, 0) == GSTORE_STATE_DIVISION,
		   "float8 / 0");
	tap_ok(gstore_op_float8div(&f8, NAN, 0) == 0 && f8 != f8, "NaN / 0 is NaN");
	tap_ok(gstore_op_float8div(&f8, 1, INFINITY) == 0 && f8 == 0,
		   "1 / infinity is no underflow");
	tap_ok(gstore_op_float8_float4(&f4, 1e39) == GSTORE_STATE_OVERFLOW,
		   "float8 to float4 overflows");
	tap_ok(gstore_op_float8_float4(&f4, 1e-60) == GSTORE_STATE_UNDERFLOW,
		   "float8 to float4 underflows");
	tap_ok(gstore_op_float8_float4(&f4, FLT_MAX) == 0 && f4 == FLT_MAX,
		   "the greatest float4 from float8");
}

static GstoreNumeric
number(int64 value, int scale)
{
	GstoreNumeric n = {.value = value, .scale = scale};

	return n;
}

static void
test_numeric(void)
{
	/* 12345.678: weight 1, digits 1 2345 6780, display scale 3 */
	const uint8 short_form[] = {0x81, 0x81, 1, 0, 0x29, 0x09, 0x7C, 0x1A};
	/* -12345.678 with a long header */
	const uint8 long_form[] = {0x03, 0x40, 1, 0, 1, 0, 0x29, 0x09, 0x7C, 0x1A};
	const uint8 nan[] = {0x00, 0xC0};
	const uint8 zero[] = {0x00, 0x81}; /* 0.00 */
	/* 1e20: weight 5, digit 1 */
	const uint8 big[] = {0x05, 0x80, 1, 0};
	uint8 wide[2 + 2 * 12] = {0x0B, 0x80};
	GstoreNumeric r;
	gstore_logic yes;

	tap_ok(gstore_numeric_decode(&r, short_form, sizeof(short_form)) == 0 &&
			   r.value == 12345678 && r.scale == 3,
		   "a numeric with a short header");
	tap_ok(gstore_numeric_decode(&r, long_form, sizeof(long_form)) == 0 &&
			   r.value == -12345678 && r.scale == 3,
		   "a negative numeric with a long header");
	tap_ok(gstore_numeric_decode(&r, nan, 2) == GSTORE_STATE_BEYOND,
		   "numeric NaN is not computed here");
	tap_ok(gstore_numeric_decode(&r, zero, 2) == 0 && r.value == 0 &&
			   r.scale == 2,
		   "zero keeps its scale");
	tap_ok(gstore_numeric_decode(&r, big, sizeof(big)) == 0 &&
			   r.value == (GstoreInt128) 10000000000LL * 10000000000LL,
		   "trailing groups of zeros that are not stored");
	tap_ok(gstore_numeric_decode(&r, short_form, 1) == GSTORE_STATE_CORRUPT,
		   "a numeric of one byte is corrupt");
	memset(wide + 2, 0x0F, sizeof(wide) - 2);
	tap_ok(gstore_numeric_decode(&r, wide, sizeof(wide)) == GSTORE_STATE_BEYOND,
		   "a numeric of 48 digits is not computed here");
	tap_ok(gstore_op_numericadd(&r, number(15, 1), number(25, 2)) == 0 &&
			   r.value == 175 && r.scale == 2,
		   "1.5 + 0.25");
	tap_ok(gstore_op_numericmul(&r, number(-15, 1), number(25, 2)) == 0 &&
			   r.value == -375 && r.scale == 3,
		   "-1.5 * 0.25");
	gstore_op_numericmul(&r, number(INT64_MAX, 0), number(INT64_MAX, 0));
	tap_ok(gstore_op_numericmul(&r, r, number(4, 0)) == GSTORE_STATE_BEYOND,
		   "a product past 128 bits is noticed");
	r.value = GSTORE_INT128_MAX;
	r.scale = 0;
	tap_ok(gstore_op_numericadd(&r, r, number(1, 0)) == GSTORE_STATE_BEYOND,
		   "a sum past 128 bits is noticed");
	gstore_op_numericeq(&yes, number(150, 2), number(15, 1));
	tap_ok(yes, "1.50 = 1.5");
	gstore_op_numericlt(&yes, number(-1, 0), number(-5, 1));
	tap_ok(yes, "-1 < -0.5");
}

static GstoreText
text(const char *string)
{
	GstoreText t = {(const uint8 *) string, strlen(string)};

	return t;
}

static bool
like(const char *string, const char *pattern)
{
	gstore_logic yes;

	return gstore_op_text_like(&yes, text(string), text(pattern)) == 0 && yes;
}

static void
test_text_and_dates(void)
{
	gstore_logic yes;
	GstoreNumeric n;
	int32 date;
	int64 at;

	tap_ok(like("", "") && like("", "%") && !like("", "_") && !like("a", ""),
		   "LIKE with empty operands");
	tap_ok(like("abcabd", "%ab_") && like("abcabd", "a%b%d") &&
			   !like("abcabd", "%abc"),
		   "LIKE goes back to the last %%");
	tap_ok(like("\xC3\xA9t\xC3\xA9", "_t_") && !like("\xC3\xA9", "__"),
		   "_ is a character, not a byte");
	tap_ok(like("100%", "100\\%") && !like("1000", "100\\%"), "LIKE with escapes");
	gstore_op_bpchareq(&yes, text("ab  "), text("ab"));
	tap_ok(yes, "char(n) overlooks trailing blanks");
	gstore_op_textlt(&yes, text("ab"), text("ab "));
	tap_ok(yes, "text does not");
	gstore_op_textgt(&yes, text("\xC3\xA9"), text("z"));
	tap_ok(yes, "bytes compare unsigned");
	tap_ok(gstore_op_date_pli(&date, INT32_MAX, 1) == 0 && date == INT32_MAX,
		   "infinity + 1 day");
	tap_ok(gstore_op_date_mii(&date, -2451545, 1) == GSTORE_STATE_DATE,
		   "the day before the first");
	tap_ok(gstore_op_date_timestamp(&at, 109203528 - 2451545) ==
			   GSTORE_STATE_DATE,
		   "a date past the last timestamp");
	tap_ok(gstore_op_date_field(&n, 0, GSTORE_FIELD_YEAR) == 0 && n.value == 2000 &&
			   gstore_op_date_field(&n, -1, GSTORE_FIELD_YEAR) == 0 && n.value == 1999,
		   "years around 2000");
	gstore_op_date_field(&n, 59, GSTORE_FIELD_MONTH);
	tap_ok(n.value == 2 && gstore_op_date_field(&n, 59, GSTORE_FIELD_DAY) == 0 && n.value == 29,
		   "29 February 2000");
	gstore_op_date_field(&n, -730485, GSTORE_FIELD_YEAR); /* 1 January of it */
	tap_ok(n.value == -1, "the year before 1 is 1 BC");
	tap_ok(gstore_op_timestamp_field(&n, -1, GSTORE_FIELD_DAY) == 0 && n.value == 31,
		   "a microsecond before 2000");
}

/* ---- programs ---- */

#define ROWS 100000

static int32 int_values[ROWS];
static double float_values[ROWS];
static uint8 int_validity[ROWS / 8 + 1];
static uint8 hidden_rows[ROWS / 8 + 1];
static uint32 text_offsets[ROWS];
static uint8 text_heap[64];

static GstoreColumnView views[3];

static bool
bit(const uint8 *bitmap, uint64 i)
{
	return (bitmap[i / 8] >> (i % 8)) & 1;
}

/* Row i: int i % 1000 - 500 (NULL each 7th), float i / 2, text one of 3
 * (NULL each 11th); each 13th is hidden. */
static void
make_columns(void)
{
	const char *words[3] = {"A", "bcd", "a text of more than 8 bytes"};
	uint32 at[3];
	uint32 used = 8;

	for (int i = 0; i < 3; i++)
	{
		uint32 header = (uint32) (strlen(words[i]) + 4) << 2;

		at[i] = used / 8;
		memcpy(text_heap + used, &header, 4);
		memcpy(text_heap + used + 4, words[i], strlen(words[i]));
		used = (uint32) GSTORE_ALIGN(used + 4 + strlen(words[i]), 8);
	}
	for (int i = 0; i < ROWS; i++)
	{
		int_values[i] = i % 1000 - 500;
		float_values[i] = i / 2.0;
		if (i % 7 != 0)
			int_validity[i / 8] |= (uint8) (1 << (i % 8));
		if (i % 13 == 0)
			hidden_rows[i / 8] |= (uint8) (1 << (i % 8));
		text_offsets[i] = i % 11 == 0 ? 0 : at[i % 3];
	}
	views[0].encoding = GSTORE_ENCODING_FIXED;
	views[0].attlen = 4;
	views[0].stride = 4;
	views[0].values = (uint8 *) int_values;
	views[0].validity = int_validity;
	views[1].encoding = GSTORE_ENCODING_FIXED;
	views[1].attlen = 8;
	views[1].stride = 8;
	views[1].values = (uint8 *) float_values;
	views[2].encoding = GSTORE_ENCODING_PGSTROM_VARLENA;
	views[2].attlen = -1;
	views[2].values = (uint8 *) text_offsets;
	views[2].base = text_heap;
	views[2].base_to = sizeof(text_heap);
}

static GstoreEngineInput
all_rows(void)
{
	GstoreEngineInput input = {views, ROWS, hidden_rows, 0};

	return input;
}

static uint16
constant_int(GstoreProgramBuilder *builder, int32 value)
{
	return gstore_program_constant(builder, GSTORE_TYPE_INT4, 0, &value);
}

/* a / b > 1 with b = 0 among the rows: errors mark rows, CASE avoids them */
static void
test_filter(int threads)
{
	GstoreEngineOptions options = {.threads = threads};
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreEngineInput input = all_rows();
	static uint8 pass[ROWS / 8 + GSTORE_VECTOR_ROWS];
	static uint8 recheck[ROWS / 8 + GSTORE_VECTOR_ROWS];
	GstoreText word = text("bcd");
	uint16 column = gstore_program_column(b, 1, GSTORE_TYPE_INT4);
	uint16 ratio = gstore_program_operator(b, GSTORE_OP_INT4_DIV,
										   constant_int(b, 100), column, 0);
	GstoreProgram *program;
	GstoreEngine *engine;
	int wrong = 0;
	int passed = 0;

	gstore_program_column(b, 2, GSTORE_TYPE_FLOAT8);
	gstore_program_filter(b, gstore_program_operator(b, GSTORE_OP_INT4_GT,
													 ratio,
													 constant_int(b, 1), 0));
	gstore_program_filter(b,
						  gstore_program_operator(b, GSTORE_OP_TEXT_EQ,
												  gstore_program_column(b, 3, GSTORE_TYPE_TEXT),
												  gstore_program_constant(b, GSTORE_TYPE_TEXT, 0, &word), 0));
	program = gstore_program_finish(b);
	gstore_program_end(b);
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_filter(engine, &input, 8, ROWS - 8, pass, recheck) ==
			   GSTORE_ENGINE_OK,
		   "a filter runs on %d threads", threads);
	for (int i = 8; i < ROWS; i++)
	{
		int v = i % 1000 - 500;
		bool visible = i % 13 != 0;
		bool error = visible && i % 7 != 0 && v == 0;
		bool expect = visible && i % 7 != 0 && v != 0 && 100 / v > 1 &&
					  i % 11 != 0 && i % 3 == 1;

		wrong += bit(recheck, i - 8) != error;
		wrong += bit(pass, i - 8) != (expect || error);
		passed += expect;
	}
	tap_ok(wrong == 0 && passed > 100, "NULL, hidden and failing rows of a filter");
	gstore_engine_destroy(engine);
	free(program);
}

static void
test_logic(void)
{
	gstore_logic r;

	tap_ok(gstore_op_and(&r, 0, 0, 0, GSTORE_STATE_DIVISION) == 0 && !r,
		   "false and an error is false");
	tap_ok(gstore_op_and(&r, 0, 1, 0, 0) == 0 && !r, "NULL and false is false");
	tap_ok(gstore_op_and(&r, 0, 1, 1, 0) == 1, "NULL and true is NULL");
	tap_ok(gstore_op_or(&r, 1, 0, 0, GSTORE_STATE_DIVISION) == 0 && r,
		   "true or an error is true");
	tap_ok(gstore_op_or(&r, 0, 1, 0, 0) == 1, "NULL or false is NULL");
	tap_ok(gstore_op_or(&r, 0, GSTORE_STATE_DIVISION, 1, 0) ==
			   GSTORE_STATE_DIVISION,
		   "an error or true is the error");
	tap_ok(gstore_op_distinct(&r, 0, 1, 1, 1) == 0 && !r,
		   "NULL is not distinct from NULL");
	tap_ok(gstore_op_distinct(&r, 0, 1, 0, 1) == 0 && r,
		   "a value is distinct from NULL");
}

/* Groups by text and by int, checked against plain loops. */
static void
test_groups(int threads)
{
	GstoreEngineOptions options = {.threads = threads};
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreEngineInput input = all_rows();
	uint16 i4 = gstore_program_column(b, 1, GSTORE_TYPE_INT4);
	uint16 f8 = gstore_program_column(b, 2, GSTORE_TYPE_FLOAT8);
	uint16 key = gstore_program_column(b, 3, GSTORE_TYPE_TEXT);
	uint16 positive = gstore_program_operator(b, GSTORE_OP_INT4_GT, i4,
											  constant_int(b, 0), 0);
	GstoreProgram *program;
	GstoreEngine *engine;
	const GstoreGroupKey *keys;
	const GstoreAggregateState *states;
	int found = 0;
	int wrong = 0;

	gstore_program_key(b, key);
	gstore_program_key(b, i4);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, GSTORE_NO_REGISTER,
							 GSTORE_NO_REGISTER, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM, f8, positive, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_MIN, i4, GSTORE_NO_REGISTER, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_MAX, f8, GSTORE_NO_REGISTER, false);
	program = gstore_program_finish(b);
	gstore_program_end(b);
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_OK &&
			   gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK,
		   "two inputs into groups on %d threads", threads);
	while (gstore_engine_next_group(engine, &keys, &states))
	{
		int64 count = 0;
		double sum = 0;
		double max = -1;
		bool null_text = keys[0].meta == GSTORE_KEY_NULL;
		bool null_int = keys[1].meta == GSTORE_KEY_NULL;
		int which = keys[0].meta == 1 ? 0 : keys[0].meta == 3 ? 1
															  : 2;

		/* a sample is enough: this is rows times groups */
		if (found++ % 97 != 0)
			continue;
		for (int i = 0; i < ROWS; i++)
		{
			if (i % 13 == 0 || null_text != (i % 11 == 0) ||
				(!null_text && i % 3 != which) ||
				null_int != (i % 7 == 0) ||
				(!null_int && int_values[i] != (int32) keys[1].word))
				continue;
			count += 2;
			sum += !null_int && int_values[i] > 0 ? 2 * float_values[i] : 0;
			max = Max(max, float_values[i]);
		}
		wrong += states[0].count != count;
		wrong += states[1].value.real.sum != sum;
		wrong += states[2].count != (null_int ? 0 : count);
		wrong += states[3].value.real.sum != max;
	}
	tap_ok(found == 4 * 1001, "as many groups as there are: %d", found);
	tap_ok(wrong == 0, "their counts, sums, minima and maxima");
	gstore_engine_destroy(engine);
	free(program);
}

/* A constant that has no value is not mistaken for a column. */
static void
test_empty_constant(void)
{
	GstoreEngineOptions options = {.threads = 1};
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreEngineInput input = all_rows();
	uint16 column = gstore_program_column(b, 1, GSTORE_TYPE_INT4);
	uint16 null = gstore_program_constant(b, GSTORE_TYPE_INT4,
										  GSTORE_STATE_NULL, NULL);
	uint8 pass[GSTORE_VECTOR_ROWS / 8];
	uint8 recheck[GSTORE_VECTOR_ROWS / 8];
	GstoreProgram *program;
	GstoreEngine *engine;
	uint8 any = 0;

	gstore_program_filter(b, gstore_program_operator(b, GSTORE_OP_INT4_EQ,
													 column, null, 0));
	program = gstore_program_finish(b);
	gstore_program_end(b);
	engine = gstore_engine_create(program, &options);
	gstore_engine_filter(engine, &input, 0, GSTORE_VECTOR_ROWS, pass, recheck);
	for (size_t i = 0; i < sizeof(pass); i++)
		any |= pass[i] | recheck[i];
	tap_ok(column != null && any == 0, "nothing equals a NULL constant");
	gstore_engine_destroy(engine);
	free(program);
}

static bool
stop_at_once(void *state)
{
	(void) state;
	return true;
}

static void
test_ends(void)
{
	GstoreEngineOptions options = {.threads = 2};
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreEngineInput input = all_rows();
	const GstoreGroupKey *keys;
	const GstoreAggregateState *states;
	uint32 before = text_offsets[5000];
	GstoreProgram *program;
	GstoreEngine *engine;

	gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM,
							 gstore_program_column(b, 1, GSTORE_TYPE_INT4),
							 GSTORE_NO_REGISTER, false);
	gstore_program_column(b, 2, GSTORE_TYPE_FLOAT8);
	gstore_program_key(b, gstore_program_column(b, 3, GSTORE_TYPE_TEXT));
	program = gstore_program_finish(b);
	gstore_program_end(b);

	text_offsets[5000] = 0x7FFFFFFF;
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_STATE &&
			   gstore_engine_error_state(engine) == GSTORE_STATE_CORRUPT,
		   "an offset that points nowhere is corrupt");
	gstore_engine_destroy(engine);
	text_offsets[5000] = before;

	options.poll = stop_at_once;
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_CANCELLED,
		   "poll stops it");
	gstore_engine_destroy(engine);

	options.poll = NULL;
	options.memory_limit = 1000;
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_LIMIT,
		   "groups stop at the limit of memory");
	gstore_engine_destroy(engine);
	free(program);

	/* no keys, no rows */
	b = gstore_program_begin(&gstore_malloc_allocator);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, GSTORE_NO_REGISTER,
							 GSTORE_NO_REGISTER, false);
	program = gstore_program_finish(b);
	gstore_program_end(b);
	options.memory_limit = 0;
	engine = gstore_engine_create(program, &options);
	input.rows = 0;
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK &&
			   gstore_engine_next_group(engine, &keys, &states) &&
			   states[0].count == 0 &&
			   !gstore_engine_next_group(engine, &keys, &states),
		   "no rows and no keys are one group");
	gstore_engine_destroy(engine);
	free(program);
}

int
main(void)
{
	test_integers();
	test_floats();
	test_numeric();
	test_text_and_dates();
	test_logic();
	make_columns();
	test_filter(1);
	test_filter(3);
	test_groups(1);
	test_groups(3);
	test_empty_constant();
	test_ends();
	return tap_done();
}
