/*
 * test_groups.c
 *	  Many groups: integers close together and far apart, in one table and in
 *	  several threads', with sums beyond 64 bits and values that are NULL; and
 *	  programs over groups.  All is checked against plain loops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "codec/arrow.h"
#include "exec/engine.h"
#include "exec/engine_program.h"
#include "rows.h"

/* ---- rows ---- */

#define ROWS 200000
#define GROUPS (1 << 18) /* room of the table they are looked up in */

/* Not reached: a limit keeps addresses few, of which sanitizers have fewer. */
#define MEMORY ((uint64) 1 << 30)

static int64 keys[ROWS];
static int64 values[ROWS];
static double reals[ROWS];
static uint8 key_validity[ROWS / 8];
static uint8 value_validity[ROWS / 8];

static uint64 seed = 88172645463325252ULL;

static uint64
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool
is_valid(const uint8 *validity, int i)
{
	return (validity[i / 8] >> (i % 8)) & 1;
}

typedef int64 (*MakeKey)(int row);

static int64
close_together(int row)
{
	return row / 3 % 40000 - 20000;
}

static int64
anywhere_close(int row)
{
	(void) row;
	return (int64) (draw() % 150000);
}

static int64
far_apart(int row)
{
	(void) row;
	return (int64) (draw() % 120000) * 1000003;
}

/* In order, so that a thread meets each some times in a row. */
static int64
far_in_order(int row)
{
	return (int64) (row / 2) * 1000003;
}

/* Close at first. */
static int64
later_far(int row)
{
	return row < ROWS / 2 ? row % 100000 : row * INT64_C(123456789);
}

static int64
at_the_ends(int row)
{
	return row % 2 ? INT64_MAX - row % 10 : INT64_MIN + row % 10;
}

static void
make_rows(MakeKey make)
{
	for (int i = 0; i < ROWS; i++)
	{
		keys[i] = make(i);
		/* some sums need more than 64 bits */
		values[i] = i % 5 == 0 ? INT64_MAX - (int64) (draw() % 100)
							   : (int64) (draw() % 1000) - 500;
		if (i % 97 == 0)
			values[i] = INT64_MIN + 7;
		reals[i] = (double) (draw() % 1000);
		if (i % 8 == 0)
			key_validity[i / 8] = value_validity[i / 8] = 0;
		key_validity[i / 8] |= (uint8) ((i % 1009 != 0) << (i % 8));
		value_validity[i / 8] |= (uint8) ((draw() % 10 != 0) << (i % 8));
	}
}

/* ---- what is to be found ---- */

typedef struct Expected
{
	bool used;
	bool is_null;
	int64 key;
	int64 rows;
	int64 count; /* of values */
	GstoreInt128 sum;
	int64 least;
	int64 filtered; /* count of values above 0 */
	double real;
	double greatest;
	bool found;
} Expected;

static Expected expected[GROUPS];
static int nexpected;

static Expected *
look_up(int64 key, bool is_null)
{
	uint64 at = ((uint64) key * UINT64_C(0x9E3779B97F4A7C15)) >> 46;

	if (is_null)
		at = key = 0;
	while (expected[at].used &&
		   (expected[at].key != key || expected[at].is_null != is_null))
		at = (at + 1) % GROUPS;
	if (!expected[at].used)
	{
		memset(&expected[at], 0, sizeof(Expected));
		expected[at].used = true;
		expected[at].key = key;
		expected[at].is_null = is_null;
		nexpected++;
	}
	return &expected[at];
}

static void
expect(void)
{
	memset(expected, 0, sizeof(expected));
	nexpected = 0;
	for (int i = 0; i < ROWS; i++)
	{
		Expected *e = look_up(keys[i], !is_valid(key_validity, i));

		e->greatest = e->rows == 0 ? reals[i] : Max(e->greatest, reals[i]);
		e->rows++;
		e->real += reals[i];
		if (!is_valid(value_validity, i))
			continue;
		e->least = e->count == 0 ? values[i] : Min(e->least, values[i]);
		e->count++;
		e->sum += values[i];
		e->filtered += values[i] > 0;
	}
}

/* ---- the program ---- */

enum
{
	ROWS_COUNT,
	VALUES_COUNT,
	SUM,
	LEAST,
	FILTERED,
	REAL_SUM,
	GREATEST
};

static GstoreProgram *
make_program(GstoreType key_type)
{
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	uint16 key = gstore_program_column(b, 1, key_type);
	uint16 value = gstore_program_column(b, 2, GSTORE_TYPE_INT8);
	uint16 real = gstore_program_column(b, 3, GSTORE_TYPE_FLOAT8);
	int64 nothing = 0;
	uint16 zero = gstore_program_constant(b, GSTORE_TYPE_INT8,
										  GSTORE_STATE_VALUE, &nothing);
	uint16 positive = gstore_program_operator(b, GSTORE_OP_INT8_GT, value, zero,
											  0);
	const uint16 none = GSTORE_NO_REGISTER;
	GstoreProgram *program;

	gstore_program_key(b, key);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, none, none, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, value, none, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM, value, none, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_MIN, value, none, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, none, positive, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM, real, none, false);
	gstore_program_aggregate(b, GSTORE_AGGREGATE_MAX, real, none, false);
	program = gstore_program_finish(b);
	gstore_program_end(b);
	return program;
}

static GstoreColumnView
view_of(const void *data, const uint8 *validity, int first)
{
	GstoreColumnView view = {.encoding = GSTORE_ENCODING_FIXED};

	view.attlen = 8;
	view.stride = 8;
	view.values = (const uint8 *) data + (size_t) first * 8;
	view.validity = validity;
	view.validity_bit = (uint32) first;
	return view;
}

/* All rows, in two inputs. */
static GstoreEngineStatus
add_rows(GstoreEngine *engine)
{
	GstoreEngineStatus status = GSTORE_ENGINE_OK;

	for (int half = 0; half < 2 && status == GSTORE_ENGINE_OK; half++)
	{
		int first = half * (ROWS / 2);
		GstoreColumnView columns[3] = {view_of(keys, key_validity, first),
									   view_of(values, value_validity, first),
									   view_of(reals, NULL, first)};
		GstoreEngineInput input = {.columns = columns, .rows = ROWS / 2};

		status = gstore_engine_aggregate(engine, &input);
	}
	return status;
}

static bool
is_as_expected(const Expected *e, const GstoreAggregateState *states)
{
	return states[ROWS_COUNT].count == e->rows &&
		   states[VALUES_COUNT].count == e->count &&
		   states[SUM].count == e->count &&
		   (e->count == 0 || states[SUM].value.integer == e->sum) &&
		   (e->count == 0 || states[LEAST].value.integer == e->least) &&
		   states[FILTERED].count == e->filtered &&
		   states[REAL_SUM].value.real.sum == e->real &&
		   states[GREATEST].value.real.sum == e->greatest;
}

static void
test_groups(const char *name, MakeKey make, GstoreType type, int threads)
{
	GstoreEngineOptions options = {.threads = threads, .memory_limit = MEMORY};
	GstoreProgram *program = make_program(type);
	GstoreEngine *engine = gstore_engine_create(program, &options);
	const GstoreGroupKey *key;
	const GstoreAggregateState *states;
	int found = 0;
	int wrong = 0;

	make_rows(make);
	expect();
	tap_ok(add_rows(engine) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK,
		   "%s on %d threads", name, threads);
	while (gstore_engine_next_group(engine, &key, &states))
	{
		Expected *e = look_up((int64) key->word, key->meta == GSTORE_KEY_NULL);

		wrong += e->found || !is_as_expected(e, states);
		e->found = true;
		found++;
	}
	tap_ok(found == nexpected, "%d groups, of %d", found, nexpected);
	tap_ok(wrong == 0, "%d of them are wrong", wrong);
	gstore_engine_destroy(engine);
	free(program);
}

/* The groups of one engine are absorbed by another that has them too. */
static void
test_absorb(const char *name, MakeKey make, int threads)
{
	GstoreEngineOptions options = {.threads = threads, .memory_limit = MEMORY};
	GstoreProgram *program = make_program(GSTORE_TYPE_INT8);
	GstoreEngine *engine = gstore_engine_create(program, &options);
	GstoreEngine *other = gstore_engine_create(program, &options);
	GstoreEngineStatus status;
	const GstoreGroupKey *key;
	const GstoreAggregateState *states;
	int found = 0;
	int wrong = 0;

	make_rows(make);
	expect();
	status = add_rows(other);
	if (status == GSTORE_ENGINE_OK)
		status = gstore_engine_finish(other);
	if (status == GSTORE_ENGINE_OK)
		status = add_rows(engine);
	while (status == GSTORE_ENGINE_OK &&
		   gstore_engine_next_group(other, &key, &states))
		status = gstore_engine_absorb_group(engine, key, states);
	tap_ok(status == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK,
		   "groups of another engine, %s, on %d threads", name, threads);
	while (gstore_engine_next_group(engine, &key, &states))
	{
		Expected twice = *look_up((int64) key->word,
								  key->meta == GSTORE_KEY_NULL);

		twice.rows *= 2;
		twice.count *= 2;
		twice.sum *= 2;
		twice.filtered *= 2;
		twice.real *= 2;
		wrong += !is_as_expected(&twice, states);
		found++;
	}
	tap_ok(found == nexpected && wrong == 0, "%d groups, %d of them wrong", found,
		   wrong);
	gstore_engine_destroy(engine);
	gstore_engine_destroy(other);
	free(program);
}

/* ---- what DISTINCT counts ---- */

static void
test_distinct(MakeKey make, int threads)
{
	GstoreEngineOptions options = {.threads = threads, .memory_limit = MEMORY};
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreProgram *program;
	GstoreEngine *engine;
	const GstoreGroupKey *key;
	const GstoreAggregateState *states;
	GstoreInt128 sum = 0;
	bool right;

	gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM,
							 gstore_program_column(b, 1, GSTORE_TYPE_INT8),
							 GSTORE_NO_REGISTER, true);
	(void) gstore_program_column(b, 2, GSTORE_TYPE_INT8);
	(void) gstore_program_column(b, 3, GSTORE_TYPE_FLOAT8);
	program = gstore_program_finish(b);
	gstore_program_end(b);
	make_rows(make);
	expect();
	for (int i = 0; i < GROUPS; i++)
		if (expected[i].used && !expected[i].is_null)
			sum += expected[i].key;
	engine = gstore_engine_create(program, &options);
	right = add_rows(engine) == GSTORE_ENGINE_OK &&
			gstore_engine_finish(engine) == GSTORE_ENGINE_OK &&
			gstore_engine_next_group(engine, &key, &states) &&
			states->count == nexpected - 1 && states->value.integer == sum;
	tap_ok(right, "each value once, on %d threads: %ld of %d", threads,
		   (long) states->count, nexpected - 1);
	gstore_engine_destroy(engine);
	free(program);
}

/* ---- memory ---- */

static void
test_limit(MakeKey make, uint64 limit, bool passes, int threads)
{
	GstoreEngineOptions options = {.threads = threads, .memory_limit = limit};
	GstoreProgram *program = make_program(GSTORE_TYPE_INT8);
	GstoreEngine *engine = gstore_engine_create(program, &options);
	GstoreEngineStatus status;

	make_rows(make);
	status = add_rows(engine);
	if (status == GSTORE_ENGINE_OK)
		status = gstore_engine_finish(engine);
	tap_ok(status == (passes ? GSTORE_ENGINE_OK : GSTORE_ENGINE_LIMIT),
		   "with %lu bytes on %d threads: %d", (unsigned long) limit, threads, status);
	gstore_engine_destroy(engine);
	free(program);
}

/* ---- programs over groups ---- */

static const GstoreGroupColumn columns[] = {
	{GSTORE_GROUP_KEY, GSTORE_TYPE_INT8, 0, 0},
	{GSTORE_GROUP_COUNT, GSTORE_TYPE_INT8, VALUES_COUNT, 0},
	{GSTORE_GROUP_VALUE, GSTORE_TYPE_FLOAT8, REAL_SUM, 0},
	{GSTORE_GROUP_VALUE, GSTORE_TYPE_INT8, SUM, 0},
};

/* Of groups with at least so many rows: how many, the sums of their keys and of
 * their floats. */
static GstoreProgram *
make_outer(int64 least, int summed)
{
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	uint16 limit = gstore_program_constant(b, GSTORE_TYPE_INT8,
										   GSTORE_STATE_VALUE, &least);
	const uint16 none = GSTORE_NO_REGISTER;
	GstoreProgram *program;

	gstore_program_filter(b, gstore_program_operator(b, GSTORE_OP_INT8_GE,
													 gstore_program_column(b, 2, GSTORE_TYPE_INT8),
													 limit, 0));
	if (summed > 0)
	{
		gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, none, none, false);
		gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM,
								 gstore_program_column(b, 1, GSTORE_TYPE_INT8),
								 none, false);
		gstore_program_aggregate(b, GSTORE_AGGREGATE_SUM,
								 gstore_program_column(b, (int16) summed,
													   columns[summed - 1].type),
								 none, false);
	}
	program = gstore_program_finish(b);
	gstore_program_end(b);
	return program;
}

static void
test_over(const char *name, MakeKey make, int threads)
{
	GstoreEngineOptions options = {.threads = threads, .memory_limit = MEMORY};
	GstoreProgram *program = make_program(GSTORE_TYPE_INT8);
	GstoreProgram *outer_program = make_outer(2, 3);
	GstoreProgram *filter_program = make_outer(2, 0);
	GstoreProgram *odd_program = make_outer(0, 4);
	GstoreEngine *engine = gstore_engine_create(program, &options);
	GstoreEngine *outer = gstore_engine_create(outer_program, &options);
	GstoreEngine *filter = gstore_engine_create(filter_program, &options);
	GstoreEngine *odd = gstore_engine_create(odd_program, &options);
	const GstoreGroupKey *key;
	const GstoreAggregateState *states;
	uint64 positions;
	uint8 *pass;
	uint8 *recheck;
	int64 wanted = 0;
	int64 bits = 0;
	GstoreInt128 key_sum = 0;
	double real_sum = 0;

	make_rows(make);
	expect();
	for (int i = 0; i < GROUPS; i++)
		if (expected[i].used && expected[i].count >= 2)
		{
			wanted++;
			key_sum += expected[i].is_null ? 0 : expected[i].key;
			real_sum += expected[i].real;
		}
	tap_ok(add_rows(engine) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK &&
			   gstore_engine_aggregate_groups(outer, engine, columns) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(outer) == GSTORE_ENGINE_OK &&
			   gstore_engine_next_group(outer, &key, &states),
		   "aggregates of groups: %s on %d threads", name, threads);
	tap_ok(states[0].count == wanted && states[1].value.integer == key_sum &&
			   states[2].value.real.sum == real_sum,
		   "of those that a condition wants");

	positions = gstore_engine_positions(engine);
	pass = malloc(positions / 8 + GSTORE_VECTOR_ROWS);
	recheck = malloc(positions / 8 + GSTORE_VECTOR_ROWS);
	tap_ok(gstore_engine_filter_groups(filter, engine, columns, pass, recheck) ==
			   GSTORE_ENGINE_OK,
		   "groups are filtered");
	for (uint64 i = 0; i < positions; i++)
		bits += (pass[i / 8] >> (i % 8) & 1) - (recheck[i / 8] >> (i % 8) & 1);
	tap_ok(bits == wanted, "and as many are wanted");
	tap_ok(gstore_engine_aggregate_groups(odd, engine, columns) == GSTORE_ENGINE_STATE &&
			   gstore_engine_error_state(odd) == GSTORE_STATE_BEYOND,
		   "a sum that is no bigint is told");
	free(pass);
	free(recheck);
	gstore_engine_destroy(outer);
	gstore_engine_destroy(filter);
	gstore_engine_destroy(odd);
	gstore_engine_destroy(engine);
	free(program);
	free(outer_program);
	free(filter_program);
	free(odd_program);
}

/* What was the place of a text may be anything where a row is NULL: here it is a
 * text that is gone. */
static void
test_null_texts(void)
{
	enum
	{
		NROWS = 1024
	};
	static int32 offsets[NROWS + 1];
	char *texts = mmap(NULL, NROWS, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	GstoreProgramBuilder *b = gstore_program_begin(&gstore_malloc_allocator);
	GstoreEngineOptions options = {.threads = 1};
	GstoreColumnView view = {.encoding = GSTORE_ENCODING_ARROW_TEXT,
							 .arrow_kind = GSTORE_ARROW_TEXT,
							 .values = (const uint8 *) offsets,
							 .base = (const uint8 *) texts,
							 .base_to = NROWS};
	GstoreEngineInput input = {.columns = &view, .rows = NROWS};
	const GstoreGroupKey *key;
	const GstoreAggregateState *states;
	GstoreProgram *program;
	GstoreEngine *engine;
	int ngroups = 0;
	int64 rows = 0;

	for (int i = 0; i <= NROWS; i++)
		offsets[i] = i;
	memset(texts, 'a', NROWS);
	gstore_program_key(b, gstore_program_column(b, 1, GSTORE_TYPE_TEXT));
	gstore_program_aggregate(b, GSTORE_AGGREGATE_COUNT, GSTORE_NO_REGISTER,
							 GSTORE_NO_REGISTER, false);
	program = gstore_program_finish(b);
	gstore_program_end(b);
	engine = gstore_engine_create(program, &options);
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_OK,
		   "short texts");
	munmap(texts, NROWS);
	view = (GstoreColumnView){.encoding = GSTORE_ENCODING_ABSENT};
	tap_ok(gstore_engine_aggregate(engine, &input) == GSTORE_ENGINE_OK &&
			   gstore_engine_finish(engine) == GSTORE_ENGINE_OK,
		   "texts that are all NULL");
	while (gstore_engine_next_group(engine, &key, &states))
	{
		rows += states[0].count;
		ngroups++;
	}
	tap_ok(ngroups == 2 && rows == 2 * NROWS, "%d groups", ngroups);
	gstore_engine_destroy(engine);
	free(program);
}

int
main(void)
{
	test_null_texts();
	for (int threads = 1; threads <= 3; threads += 2)
	{
		test_groups("close together", close_together, GSTORE_TYPE_INT8, threads);
		test_groups("anywhere, but close", anywhere_close, GSTORE_TYPE_INT8,
					threads);
		test_groups("instants", anywhere_close, GSTORE_TYPE_TIMESTAMP, threads);
		test_groups("far apart", far_apart, GSTORE_TYPE_INT8, threads);
		test_groups("far apart, in order", far_in_order, GSTORE_TYPE_INT8,
					threads);
		test_groups("close, then far apart", later_far, GSTORE_TYPE_INT8, threads);
		test_groups("at both ends", at_the_ends, GSTORE_TYPE_INT8, threads);
		test_absorb("close together", anywhere_close, threads);
		test_absorb("far apart", far_apart, threads);
		test_distinct(anywhere_close, threads);
		test_distinct(far_apart, threads);
		test_over("close together", anywhere_close, threads);
		test_over("far apart", far_apart, threads);
		test_limit(anywhere_close, 1 << 20, false, threads);
		test_limit(far_apart, 1 << 20, false, threads);
		test_limit(anywhere_close, 512 << 20, true, threads);
		test_limit(far_apart, 512 << 20, true, threads);
	}
	return tap_done();
}
