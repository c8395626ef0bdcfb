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

static inline void
add_integer(GstoreAggregateState *state, int kind, GstoreInt128 value)
{
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (!gstore_int128_add(&state->value.integer,
								   state->value.integer, value))
				state->state = GSTORE_STATE_BEYOND;
			break;
		case GSTORE_AGGREGATE_MIN:
			if (state->count == 0 || value < state->value.integer)
				state->value.integer = value;
			break;
		case GSTORE_AGGREGATE_MAX:
			if (state->count == 0 || value > state->value.integer)
				state->value.integer = value;
			break;
		case GSTORE_AGGREGATE_AND:
			state->value.integer = state->count == 0
									   ? value
									   : (state->value.integer & value);
			break;
		case GSTORE_AGGREGATE_OR:
			state->value.integer |= value;
			break;
		default:
			break;
	}
	state->count++;
}

static inline void
add_real(GstoreAggregateState *state, int kind, double value)
{
	switch (kind)
	{
		case GSTORE_AGGREGATE_SUM:
			state->value.real.sum += value;
			state->infinite |= gstore_infinite_float8(value);
			break;
		case GSTORE_AGGREGATE_MIN:
			if (state->count == 0 ||
				KEEPS_REAL(value, state->value.real.sum, -1))
				state->value.real.sum = value;
			break;
		case GSTORE_AGGREGATE_MAX:
			if (state->count == 0 ||
				KEEPS_REAL(value, state->value.real.sum, 1))
				state->value.real.sum = value;
			break;
		case GSTORE_AGGREGATE_MOMENTS:
		{
			/* Youngs and Cramer */
			double n = (double) state->count + 1;
			double sum = state->value.real.sum + value;

			state->infinite |= gstore_infinite_float8(value);
			if (state->count > 0)
			{
				double t = value * n - sum;

				state->value.real.deviations += t * t / (n * (n - 1));
			}
			else if (value - value != 0) /* infinite or NaN */
				state->value.real.deviations = NAN;
			state->value.real.sum = sum;
			break;
		}
		default:
			break;
	}
	state->count++;
}

static inline void
add_numeric(GstoreAggregateState *state, int kind, const GstoreNumeric *value)
{
	GstoreNumeric kept;
	GstoreNumeric other = *value;

	if (state->scale == value->scale && kind == GSTORE_AGGREGATE_SUM)
	{
		add_integer(state, kind, value->value);
		return;
	}
	kept.value = state->value.integer;
	kept.scale = state->scale;
	if (kind == GSTORE_AGGREGATE_SUM)
	{
		if (gstore_op_numericadd(&kept, kept, other) != GSTORE_STATE_VALUE)
			state->state = GSTORE_STATE_BEYOND;
	}
	else if (kind != GSTORE_AGGREGATE_COUNT)
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

/* The rows whose value counts: position i of the selection is row at. */
#define EACH_ROW(statement) \
	for (int i = 0; i < n; i++) \
	{ \
		int at = selection ? selection[i] : i; \
		GstoreAggregateState *state; \
\
		if (filter != NULL && (!filter->clean ? filter->states[at] : 0)) \
		{ \
			if (filter->states[at] > GSTORE_STATE_NULL) \
				return filter->states[at]; \
			continue; \
		} \
		if (filter != NULL && !((const gstore_logic *) filter->values)[at]) \
			continue; \
		if (argument != NULL && !argument->clean && argument->states[at]) \
		{ \
			if (argument->states[at] > GSTORE_STATE_NULL) \
				return argument->states[at]; \
			continue; \
		} \
		state = gstore_group_states(groups, \
									gstore_group_record(groups, numbers ? numbers[i] : 0)) + \
				index; \
		statement \
	}

/* One aggregate over a vector. */
static uint8
add_rows(GstoreGroups *groups, const GstoreMachine *machine, int index,
		 const uint32 *numbers, const uint16 *selection, int n)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	const GstoreVector *argument =
		aggregate->argument == GSTORE_NO_REGISTER
			? NULL
			: &machine->registers[aggregate->argument];
	const GstoreVector *filter =
		aggregate->filter == GSTORE_NO_REGISTER
			? NULL
			: &machine->registers[aggregate->filter];
	const void *values = argument ? argument->values : NULL;
	int kind = aggregate->kind;

	if (kind == GSTORE_AGGREGATE_COUNT)
	{
		EACH_ROW(state->count++;)
		return GSTORE_STATE_VALUE;
	}
	switch (aggregate->type)
	{
		case GSTORE_TYPE_BOOL:
			EACH_ROW(add_integer(state, kind, ((const uint8 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT2:
			EACH_ROW(add_integer(state, kind, ((const int16 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			EACH_ROW(add_integer(state, kind, ((const int32 *) values)[at]);)
			break;
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
		case GSTORE_TYPE_DECIMAL:
			EACH_ROW(add_integer(state, kind, ((const int64 *) values)[at]);)
			break;
		case GSTORE_TYPE_FLOAT4:
			EACH_ROW(add_real(state, kind, ((const float *) values)[at]);)
			break;
		case GSTORE_TYPE_FLOAT8:
			EACH_ROW(add_real(state, kind, ((const double *) values)[at]);)
			break;
		case GSTORE_TYPE_NUMERIC:
			EACH_ROW(add_numeric(state, kind,
								 &((const GstoreNumeric *) values)[at]);)
			break;
		default:
			return GSTORE_STATE_BEYOND;
	}
	return GSTORE_STATE_VALUE;
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
		GstoreAggregateState *state =
			gstore_group_states(groups, gstore_group_record(groups, g)) +
			index;

		if (!gstore_int128_add(&state->value.integer, state->value.integer,
							   totals[g]))
			state->state = GSTORE_STATE_BEYOND;
		state->count += counts->rows[g];
	}
	return true;
}

static bool
sum_reals(GstoreGroups *groups, int index, const GstoreVector *argument,
		  const uint32 *numbers, const uint16 *selection, int n,
		  const VectorCounts *counts)
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
	{
		GstoreAggregateState *state =
			gstore_group_states(groups, gstore_group_record(groups, g)) +
			index;

		state->value.real.sum += totals[g];
		state->count += counts->rows[g];
	}
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
}

/* Counts and sums of values that are all there; false: row by row. */
static bool
add_vector(GstoreGroups *groups, const GstoreMachine *machine, int index,
		   const uint32 *numbers, const uint16 *selection, int n,
		   const VectorCounts *counts)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	const GstoreVector *argument;

	if (aggregate->filter != GSTORE_NO_REGISTER ||
		(aggregate->argument != GSTORE_NO_REGISTER &&
		 !machine->registers[aggregate->argument].clean))
		return false;
	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
	{
		for (uint64 g = 0; g < groups->ngroups; g++)
			gstore_group_states(groups, gstore_group_record(groups, g))[index]
				.count += counts->rows[g];
		return true;
	}
	if (aggregate->kind != GSTORE_AGGREGATE_SUM)
		return false;
	argument = &machine->registers[aggregate->argument];
	if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
		aggregate->type == GSTORE_TYPE_FLOAT8)
		return sum_reals(groups, index, argument, numbers, selection, n,
						 counts);
	return sum_integers(groups, index, argument, numbers, selection, n,
						counts);
}

uint8
gstore_groups_accumulate(GstoreGroups *groups, const GstoreMachine *machine,
						 const uint16 *selection, int n)
{
	const uint32 *numbers = groups->nkeys > 0 ? groups->numbers
											  : NULL;
	bool few = groups->ngroups <= FEW_GROUPS;
	VectorCounts counts;

	if (few)
		count_rows(groups, numbers, n, &counts);
	for (int i = 0; i < groups->naggregates; i++)
	{
		uint8 state;

		if (groups->aggregates[i].distinct)
			continue;
		if (few && add_vector(groups, machine, i, numbers, selection, n,
							  &counts))
			continue;
		state = add_rows(groups, machine, i, numbers, selection, n);
		if (state != GSTORE_STATE_VALUE)
			return state;
	}
	return GSTORE_STATE_VALUE;
}

void
gstore_aggregate_value(const GstoreProgramAggregate *aggregate,
					   GstoreAggregateState *state,
					   const GstoreGroupKey *value)
{
	GstoreNumeric numeric = {0};
	double real;

	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
		state->count++;
	else if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
			 aggregate->type == GSTORE_TYPE_FLOAT8)
	{
		memcpy(&real, &value->word, sizeof(real));
		add_real(state, aggregate->kind, real);
	}
	else if (aggregate->type == GSTORE_TYPE_NUMERIC)
	{
		numeric.value = (int64) value->word;
		numeric.scale = (int32) value->meta;
		add_numeric(state, aggregate->kind, &numeric);
	}
	else
		add_integer(state, aggregate->kind, (int64) value->word);
}

/* ---- merging ---- */

void
gstore_aggregate_merge(const GstoreProgramAggregate *aggregate,
					   GstoreAggregateState *to,
					   const GstoreAggregateState *from)
{
	int64 count = to->count + from->count;
	GstoreNumeric value = {0};

	if (from->count == 0)
		return;
	if (from->state)
		to->state = from->state;
	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
		;
	else if (aggregate->kind == GSTORE_AGGREGATE_MOMENTS)
	{
		double n1 = (double) to->count;
		double n2 = (double) from->count;

		to->value.real.deviations += from->value.real.deviations;
		if (to->count > 0)
		{
			double t = to->value.real.sum / n1 - from->value.real.sum / n2;

			to->value.real.deviations += n1 * n2 * t * t / (n1 + n2);
		}
		to->value.real.sum += from->value.real.sum;
	}
	else if (aggregate->type == GSTORE_TYPE_FLOAT4 ||
			 aggregate->type == GSTORE_TYPE_FLOAT8)
	{
		/* of finite values it may be infinite too */
		uint8 infinite = to->infinite;

		add_real(to, aggregate->kind, from->value.real.sum);
		to->infinite = infinite;
	}
	else if (aggregate->type == GSTORE_TYPE_NUMERIC)
	{
		value.value = from->value.integer;
		value.scale = from->scale;
		add_numeric(to, aggregate->kind, &value);
	}
	else
		add_integer(to, aggregate->kind, from->value.integer);
	to->infinite |= from->infinite;
	to->count = count;
}
