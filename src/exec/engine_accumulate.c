/*
 * engine_accumulate.c
 *	  From the values of a vector's rows into the states of their groups.
 *
 * Where there are few groups, the sums of a vector are taken in an array that
 * stays in the first cache and are added to the states once; else, and where a
 * row is NULL, filtered away or too large for that, state by state.  Includes
 * no PostgreSQL header.
 */
#include "exec/engine_groups.h"

/* Groups whose sums are taken vector by vector. */
#define FEW_GROUPS 64
/* What all values of a vector must be below for 64 bits to hold their sum. */
#define SMALL_VALUE (UINT64_C(1) << 52)

/* ---- one value ---- */

/* Is value the one to keep, for min (sign -1) or max (1)?  NaN is greatest. */
#define KEEPS_REAL(value, kept, sign) \
	((sign) > 0 ? (value) > (kept) || ((value) != (value) && (kept) == (kept)) \
				: (value) < (kept) || ((kept) != (kept) && (value) == (value)))

bool
gstore_keeps_real(int kind, double value, double kept)
{
	return kind == GSTORE_AGGREGATE_MIN ? KEEPS_REAL(value, kept, -1)
										: KEEPS_REAL(value, kept, 1);
}

/* Youngs and Cramer; own are sum and squared deviations. */
static inline void
add_moment(double *own, int64 count, double value)
{
	double n = (double) count + 1;
	double sum = own[0] + value;

	if (count > 0)
	{
		double t = value * n - sum;

		own[1] += t * t / (n * (n - 1));
	}
	else if (value - value != 0) /* infinite or NaN */
		own[1] = NAN;
	own[0] = sum;
}

static inline bool
add_integer(GstoreAggregateState *state, int kind, GstoreInt128 value)
{
	if (kind == GSTORE_AGGREGATE_SUM &&
		!gstore_int128_add(&state->value.integer, state->value.integer, value))
		return false;
	state->count++;
	return true;
}

void
gstore_state_add_numeric(GstoreAggregateState *state, int kind,
						 const GstoreNumeric *value)
{
	GstoreNumeric kept;
	GstoreNumeric other = *value;

	if (state->scale == value->scale && kind == GSTORE_AGGREGATE_SUM)
	{
		if (!add_integer(state, kind, value->value))
			state->state = GSTORE_STATE_BEYOND;
		return;
	}
	kept.value = state->value.integer;
	kept.scale = state->scale;
	if (kind == GSTORE_AGGREGATE_SUM)
	{
		if (gstore_op_numericadd(&kept, kept, other) != GSTORE_STATE_VALUE)
			state->state = GSTORE_STATE_BEYOND;
	}
	else
	{
		uint8 failed = GSTORE_STATE_VALUE;
		int order = state->count == 0
						? 0
						: gstore_numeric_compare(other, kept, &failed);

		if (failed)
			state->state = failed;
		if (state->count == 0 ||
			(kind == GSTORE_AGGREGATE_MIN ? order < 0 : order > 0))
			kept = other;
	}
	state->value.integer = kept.value;
	state->scale = kept.scale;
	state->count++;
}

/* ---- row by row ---- */

/* One aggregate over a vector, and where its states are. */
typedef struct Rows
{
	GstoreGroups *groups;
	int index;
	const GstoreVector *argument; /* NULL: of rows */
	const GstoreVector *filter;	  /* NULL: all */
	const uint32 *numbers;		  /* NULL: of group 0 */
	const uint16 *selection;
	int n;
} Rows;

/* Does a row's value count?  *error: it, or whether, is an error. */
static inline bool
row_counts(const Rows *rows, int at, uint32 number, uint8 *error)
{
	const GstoreVector *filter = rows->filter;
	const GstoreVector *argument = rows->argument;
	GstoreExtra *extra;

	if (filter != NULL && !filter->clean &&
		filter->states[at] != GSTORE_STATE_VALUE)
	{
		if (filter->states[at] > GSTORE_STATE_NULL)
			*error = filter->states[at];
		return false;
	}
	if (filter != NULL && !((const gstore_logic *) filter->values)[at])
		return false;
	if (argument == NULL || argument->clean ||
		argument->states[at] == GSTORE_STATE_VALUE)
		return true;
	if (argument->states[at] > GSTORE_STATE_NULL)
		*error = argument->states[at];
	else if (filter == NULL &&
			 rows->groups->layouts[rows->index].form != GSTORE_FORM_FULL &&
			 !rows->groups->layouts[rows->index].counts)
	{
		extra = gstore_group_extra(rows->groups, number, rows->index);
		if (extra != NULL)
			extra->missing++;
	}
	return false;
}

#define WORD(offset) (*(int64 *) (record + (offset)))
#define REAL(offset) ((double *) (record + (offset)))

/*
 * The rows whose value counts: position i of the selection is row at, and
 * record its group's.  Two loops, as mostly all do.
 */
#define EACH_ROW(statement) \
	do \
	{ \
		uint8 *data = rows->groups->records.data; \
		uint64 bytes = rows->groups->record_bytes; \
		const uint16 *selection = rows->selection; \
		const uint32 *numbers = rows->numbers; \
		int n = rows->n; \
\
		if (rows->filter == NULL && \
			(rows->argument == NULL || rows->argument->clean)) \
			for (int i = 0; i < n; i++) \
			{ \
				int at = selection ? selection[i] : i; \
				uint32 number = numbers ? numbers[i] : 0; \
				uint8 *record = data + number * bytes; \
\
				(void) at; \
				statement \
			} \
		else \
			for (int i = 0; i < n; i++) \
			{ \
				int at = selection ? selection[i] : i; \
				uint32 number = numbers ? numbers[i] : 0; \
				uint8 *record = data + number * bytes; \
\
				if (!row_counts(rows, at, number, &error)) \
					continue; \
				if (layout.counts) \
					WORD(layout.count) \
				++; \
				statement \
			} \
	} while (0)

/* A sum went beyond 64 bits, or came back. */
static void
carry(const Rows *rows, uint32 number, bool negative)
{
	GstoreExtra *extra = gstore_group_extra(rows->groups, number, rows->index);

	if (extra != NULL)
		extra->carry += negative ? -1 : 1;
}

#define ADD_INTEGERS(ctype) \
	do \
	{ \
		const ctype *values = rows->argument->values; \
\
		switch (kind) \
		{ \
			case GSTORE_AGGREGATE_SUM: \
				EACH_ROW({ \
					int64 *sum = &WORD(layout.value); \
\
					if (unlikely(__builtin_add_overflow(*sum, (int64) values[at], sum))) \
						carry(rows, number, values[at] < 0); \
				}); \
				break; \
			case GSTORE_AGGREGATE_MIN: \
				EACH_ROW(WORD(layout.value) = Min(WORD(layout.value), values[at]);); \
				break; \
			case GSTORE_AGGREGATE_MAX: \
				EACH_ROW(WORD(layout.value) = Max(WORD(layout.value), values[at]);); \
				break; \
			case GSTORE_AGGREGATE_AND: \
				EACH_ROW(WORD(layout.value) &= values[at];); \
				break; \
			default: \
				EACH_ROW(WORD(layout.value) |= values[at];); \
				break; \
		} \
	} while (0)

/* Of infinite inputs the sum may be infinite; of others it has overflowed. */
static void
mark_infinite(const Rows *rows, uint32 number, double value)
{
	GstoreExtra *extra;

	if (!gstore_infinite_float8(value))
		return;
	extra = gstore_group_extra(rows->groups, number, rows->index);
	if (extra != NULL)
		extra->infinite = 1;
}

#define ADD_REALS(ctype) \
	do \
	{ \
		const ctype *values = rows->argument->values; \
\
		switch (kind) \
		{ \
			case GSTORE_AGGREGATE_SUM: \
				EACH_ROW({ \
					double value = values[at]; \
\
					*REAL(layout.value) += value; \
					if (unlikely(value - value != 0)) \
						mark_infinite(rows, number, value); \
				}); \
				break; \
			case GSTORE_AGGREGATE_MIN: \
				EACH_ROW({ \
					double *own = REAL(layout.value); \
\
					if (KEEPS_REAL(values[at], *own, -1)) \
						*own = values[at]; \
				}); \
				break; \
			case GSTORE_AGGREGATE_MAX: \
				EACH_ROW({ \
					double *own = REAL(layout.value); \
\
					if (KEEPS_REAL(values[at], *own, 1)) \
						*own = values[at]; \
				}); \
				break; \
			default: \
				EACH_ROW({ \
					double value = values[at]; \
\
					/* the loop for rows that do not all count has counted */ \
					if (plain) \
						WORD(layout.count) \
					++; \
					add_moment(REAL(layout.value), WORD(layout.count) - 1, value); \
					if (unlikely(value - value != 0)) \
						mark_infinite(rows, number, value); \
				}); \
				break; \
		} \
	} while (0)

/* An error state of a row, or 0. */
static uint8
add_rows(const Rows *rows)
{
	const GstoreProgramAggregate *aggregate =
		&rows->groups->aggregates[rows->index];
	const GstoreStateLayout layout = rows->groups->layouts[rows->index];
	bool plain = rows->filter == NULL &&
				 (rows->argument == NULL || rows->argument->clean);
	int kind = aggregate->kind;
	uint8 error = GSTORE_STATE_VALUE;

	if (kind == GSTORE_AGGREGATE_COUNT)
	{
		/* without a filter, it is what rows are less those that are missing */
		if (!plain)
			EACH_ROW((void) record;);
		return error;
	}
	switch (aggregate->type)
	{
		case GSTORE_TYPE_BOOL:
			ADD_INTEGERS(uint8);
			break;
		case GSTORE_TYPE_INT2:
			ADD_INTEGERS(int16);
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			ADD_INTEGERS(int32);
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
		case GSTORE_TYPE_DECIMAL:
			ADD_INTEGERS(int64);
			break;
		case GSTORE_TYPE_FLOAT4:
			ADD_REALS(float);
			break;
		case GSTORE_TYPE_FLOAT8:
			ADD_REALS(double);
			break;
		case GSTORE_TYPE_NUMERIC:
			EACH_ROW(gstore_state_add_numeric((GstoreAggregateState *) (record + layout.value),
											  kind,
											  (const GstoreNumeric *) rows->argument->values + at););
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	return error;
}

/* ---- the vector at once ---- */

/* Rows of each group in the vector. */
typedef struct VectorCounts
{
	int64 rows[FEW_GROUPS];
} VectorCounts;

/*
 * Sums of values, two by two so that an addition need not wait for the one
 * before it.  SEEN says what is looked at besides: values too large.
 */
#define SUM_VECTOR(ctype, sumtype, seen) \
	do \
	{ \
		const ctype *values = argument->values; \
		sumtype sums[2][FEW_GROUPS] = {{0}}; \
		int i = 0; \
\
		for (; i + 2 <= n; i += 2) \
		{ \
			ctype first = values[selection ? selection[i] : i]; \
			ctype second = values[selection ? selection[i + 1] : i + 1]; \
\
			seen; \
			sums[0][numbers[i]] += first; \
			sums[1][numbers[i + 1]] += second; \
		} \
		if (i < n) \
		{ \
			ctype first = values[selection ? selection[i] : i]; \
			ctype second = first; \
\
			seen; \
			sums[0][numbers[i]] += first; \
		} \
		for (uint64 g = 0; g < groups->ngroups; g++) \
			totals[g] = sums[0][g] + sums[1][g]; \
	} while (0)

/* The same without groups, in the four lanes that a register has. */
#define SUM_ALL(ctype, sumtype, seen) \
	do \
	{ \
		const ctype *values = argument->values; \
		sumtype sums[4] = {0}; \
		int i = 0; \
\
		if (selection == NULL) \
			for (; i + 4 <= n; i += 4) \
				for (int j = 0; j < 4; j++) \
				{ \
					ctype first = values[i + j]; \
					ctype second = first; \
\
					seen; \
					sums[j] += first; \
				} \
		for (; i < n; i++) \
		{ \
			ctype first = values[selection ? selection[i] : i]; \
			ctype second = first; \
\
			seen; \
			sums[i % 4] += first; \
		} \
		totals[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]); \
	} while (0)

#define SUM(ctype, sumtype, seen) \
	do \
	{ \
		if (numbers == NULL) \
			SUM_ALL(ctype, sumtype, seen); \
		else \
			SUM_VECTOR(ctype, sumtype, seen); \
	} while (0)

#define NOTHING_SEEN ((void) second)
#define MAGNITUDE_SEEN \
	(magnitude |= (uint64) (first ^ (first >> 63)) | \
				  (uint64) (second ^ (second >> 63)))

static bool
sum_integers(GstoreGroups *groups, int index, const GstoreVector *argument,
			 const uint32 *numbers, const uint16 *selection, int n,
			 const VectorCounts *counts)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	int64 totals[FEW_GROUPS];
	uint64 magnitude = 0;

	switch (aggregate->type)
	{
		case GSTORE_TYPE_INT2:
			SUM(int16, int64, NOTHING_SEEN);
			break;
		case GSTORE_TYPE_INT4:
			SUM(int32, int64, NOTHING_SEEN);
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_DECIMAL:
			SUM(int64, uint64, MAGNITUDE_SEEN);
			break;
		default:
			return false;
	}
	if (magnitude >= SMALL_VALUE)
		return false;
	for (uint64 g = 0; g < groups->ngroups; g++)
	{
		GstoreAggregateState state = {.count = counts->rows[g]};

		state.value.integer = totals[g];
		gstore_state_put(groups, g, index, &state, state.count);
	}
	return true;
}

static bool
sum_reals(GstoreGroups *groups, int index, const GstoreVector *argument,
		  const uint32 *numbers, const uint16 *selection, int n)
{
	double totals[FEW_GROUPS];

	if (groups->aggregates[index].type == GSTORE_TYPE_FLOAT8)
		SUM(double, double, NOTHING_SEEN);
	else
		SUM(float, double, NOTHING_SEEN);
	for (uint64 g = 0; g < groups->ngroups; g++)
		if (totals[g] - totals[g] != 0) /* infinite or NaN: value by value */
			return false;
	for (uint64 g = 0; g < groups->ngroups; g++)
		*(double *) (gstore_group_record(groups, g) +
					 groups->layouts[index].value) += totals[g];
	return true;
}

static void
count_rows(const GstoreGroups *groups, const uint32 *numbers, int n,
		   VectorCounts *counts)
{
	memset(counts->rows, 0, groups->ngroups * sizeof(int64));
	if (numbers == NULL)
		counts->rows[0] = n;
	else
		for (int i = 0; i < n; i++)
			counts->rows[numbers[i]]++;
	for (uint64 g = 0; g < groups->ngroups; g++)
		*gstore_group_rows(groups, g) += counts->rows[g];
}

void
gstore_groups_count(GstoreGroups *groups, const uint32 *numbers, int n)
{
	uint8 *data = groups->records.data + groups->rows_at;
	uint64 bytes = groups->record_bytes;

	if (groups->is_wide && groups->fresh != NULL)
		for (int i = 0; i < n; i++)
		{
			uint8 *record = groups->records.data + numbers[i] * bytes;

			if (*(uint64 *) (record + groups->rows_at) == 0)
				memcpy(record, groups->fresh, bytes);
		}
	for (int i = 0; i < n; i++)
		++*(uint64 *) (data + numbers[i] * bytes);
}

/* Counts and sums of values that are all there; false: row by row. */
static bool
add_vector(const Rows *rows, const VectorCounts *counts)
{
	const GstoreProgramAggregate *aggregate =
		&rows->groups->aggregates[rows->index];

	if (rows->filter != NULL ||
		(rows->argument != NULL && !rows->argument->clean))
		return false;
	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
		return true;
	if (aggregate->kind != GSTORE_AGGREGATE_SUM)
		return false;
	if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
		aggregate->type == GSTORE_TYPE_FLOAT8)
		return sum_reals(rows->groups, rows->index, rows->argument,
						 rows->numbers, rows->selection, rows->n);
	return sum_integers(rows->groups, rows->index, rows->argument,
						rows->numbers, rows->selection, rows->n, counts);
}

uint8
gstore_groups_accumulate(GstoreGroups *groups, const GstoreMachine *machine,
						 const uint16 *selection, int n)
{
	const uint32 *numbers = groups->nkeys > 0 ? groups->numbers
											  : NULL;
	bool few = groups->ngroups <= FEW_GROUPS;
	VectorCounts counts;

	groups->rows += n;
	if (few)
		count_rows(groups, numbers, n, &counts);
	else
		gstore_groups_count(groups, numbers, n);
	for (int i = 0; i < groups->naggregates; i++)
	{
		const GstoreProgramAggregate *aggregate = &groups->aggregates[i];
		Rows rows = {groups, i, NULL, NULL, numbers, selection, n};
		uint8 state;

		if (aggregate->distinct)
			continue;
		if (aggregate->argument != GSTORE_NO_REGISTER)
			rows.argument = &machine->registers[aggregate->argument];
		if (aggregate->filter != GSTORE_NO_REGISTER)
			rows.filter = &machine->registers[aggregate->filter];
		if (few && add_vector(&rows, &counts))
			continue;
		state = add_rows(&rows);
		if (state != GSTORE_STATE_VALUE)
			return state;
	}
	return GSTORE_STATE_VALUE;
}
