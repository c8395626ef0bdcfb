/*
 * engine_state.c
 *	  The states of aggregates as they lie in records.
 *
 * A record is read and written at random, so it is kept small: eight bytes for
 * most states.  What only some groups need is in extras, which are address space
 * until somebody writes to them.  Includes no PostgreSQL header.
 */
#include <pthread.h>
#include <stdlib.h>

#include "exec/engine_groups.h"

/* Held while extras get room, where several threads may want that. */
static pthread_mutex_t extras_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- layout ---- */

static bool
is_real(const GstoreProgramAggregate *aggregate)
{
	return aggregate->type == GSTORE_TYPE_FLOAT4 ||
		   aggregate->type == GSTORE_TYPE_FLOAT8;
}

static GstoreStateForm
form_of(const GstoreProgramAggregate *aggregate)
{
	if (aggregate->kind == GSTORE_AGGREGATE_COUNT)
		return GSTORE_FORM_NONE;
	if (aggregate->kind == GSTORE_AGGREGATE_MOMENTS)
		return GSTORE_FORM_MOMENTS;
	if (aggregate->type == GSTORE_TYPE_NUMERIC)
		return GSTORE_FORM_FULL;
	return is_real(aggregate) ? GSTORE_FORM_REAL : GSTORE_FORM_INTEGER;
}

/* The value to which any other is preferred; false: it is 0. */
static bool
least_preferred(const GstoreProgramAggregate *aggregate, void *value)
{
	int64 integer;
	double real;

	switch (aggregate->kind)
	{
		case GSTORE_AGGREGATE_MIN:
			integer = INT64_MAX;
			real = NAN;
			break;
		case GSTORE_AGGREGATE_MAX:
			integer = INT64_MIN;
			real = -INFINITY;
			break;
		case GSTORE_AGGREGATE_AND:
			integer = -1;
			real = 0;
			break;
		default:
			return false;
	}
	if (is_real(aggregate))
		memcpy(value, &real, sizeof(real));
	else
		memcpy(value, &integer, sizeof(integer));
	return true;
}

bool
gstore_states_lay_out(GstoreGroups *groups, uint32 offset)
{
	static const uint8 bytes[] = {[GSTORE_FORM_NONE] = 0,
								  [GSTORE_FORM_INTEGER] = sizeof(int64),
								  [GSTORE_FORM_REAL] = sizeof(double),
								  [GSTORE_FORM_MOMENTS] = 2 * sizeof(double),
								  [GSTORE_FORM_FULL] = sizeof(GstoreAggregateState)};
	bool any = false;

	groups->rows_at = offset;
	offset += sizeof(uint64);
	for (int i = 0; i < groups->naggregates; i++)
	{
		const GstoreProgramAggregate *aggregate = &groups->aggregates[i];
		GstoreStateLayout *layout = &groups->layouts[i];

		layout->form = (uint8) form_of(aggregate);
		/* the state that is full has a count in it */
		layout->counts = layout->form == GSTORE_FORM_MOMENTS ||
						 (layout->form != GSTORE_FORM_FULL &&
						  (aggregate->filter != GSTORE_NO_REGISTER ||
						   aggregate->distinct));
		if (layout->counts)
		{
			layout->count = offset;
			offset += sizeof(int64);
		}
		if (layout->form == GSTORE_FORM_FULL)
			offset = (uint32) GSTORE_ALIGN(offset, sizeof(GstoreInt128));
		layout->value = offset;
		offset += bytes[layout->form];
	}
	groups->record_bytes = offset;
	for (int i = 0; i < groups->naggregates; i++)
		if (groups->layouts[i].form == GSTORE_FORM_FULL)
			groups->record_bytes = (uint32) GSTORE_ALIGN(groups->record_bytes,
														 sizeof(GstoreInt128));

	groups->fresh = calloc(1, groups->record_bytes);
	if (groups->fresh == NULL)
		return false;
	for (int i = 0; i < groups->naggregates; i++)
		if (groups->layouts[i].form == GSTORE_FORM_INTEGER ||
			groups->layouts[i].form == GSTORE_FORM_REAL)
			any |= least_preferred(&groups->aggregates[i],
								   groups->fresh + groups->layouts[i].value);
	if (!any)
	{
		free(groups->fresh);
		groups->fresh = NULL;
	}
	return true;
}

/* ---- extras ---- */

/* Address space for the extras of all records there may be. */
static bool
reserve_extras(GstoreGroups *groups)
{
	uint64 records = groups->records.reserved / groups->record_bytes + 1;

	return gstore_space_reserve(&groups->extras,
								Min(records, GSTORE_NO_GROUP) *
									groups->naggregates * sizeof(GstoreExtra));
}

static GstoreExtra *
find_extra(GstoreGroups *groups, uint64 number, int index)
{
	uint64 at = (number * groups->naggregates + index) * sizeof(GstoreExtra);

	if (groups->extras.data == NULL)
	{
		if (!reserve_extras(groups))
		{
			groups->failed = GSTORE_ENGINE_OUT_OF_MEMORY;
			return NULL;
		}
		/* from here on each group takes more */
		(void) gstore_groups_count_memory(groups, 0, &groups->failed);
	}
	if (at + sizeof(GstoreExtra) > groups->extras.bytes &&
		!gstore_space_grow(&groups->extras, at + sizeof(GstoreExtra)))
	{
		groups->failed = GSTORE_ENGINE_OUT_OF_MEMORY;
		return NULL;
	}
	return (GstoreExtra *) (groups->extras.data + at);
}

GstoreExtra *
gstore_group_extra(GstoreGroups *groups, uint64 number, int index)
{
	GstoreExtra *extra;

	if (!groups->in_parts)
		return find_extra(groups, number, index);
	pthread_mutex_lock(&extras_lock);
	extra = find_extra(groups, number, index);
	pthread_mutex_unlock(&extras_lock);
	return extra;
}

/* ---- in and out ---- */

#define WORD_AT(record, offset) ((int64 *) ((record) + (offset)))
#define REAL_AT(record, offset) ((double *) ((record) + (offset)))

void
gstore_state_get(const GstoreGroups *groups, uint64 number, int index,
				 GstoreAggregateState *to)
{
	const GstoreStateLayout *layout = &groups->layouts[index];
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	const GstoreExtra *extra = gstore_group_has_extra(groups, number, index);
	uint8 *record = gstore_group_record(groups, number);

	if (layout->form == GSTORE_FORM_FULL)
	{
		memcpy(to, record + layout->value, sizeof(*to));
		return;
	}
	memset(to, 0, sizeof(*to));
	to->count = layout->counts ? *WORD_AT(record, layout->count)
							   : *WORD_AT(record, groups->rows_at);
	if (aggregate->type == GSTORE_TYPE_DECIMAL)
		to->scale = groups->registers[aggregate->argument].scale;
	if (extra != NULL)
	{
		to->count -= extra->missing;
		to->value.integer = (GstoreInt128) ((unsigned __int128) extra->carry << 64);
		to->infinite = extra->infinite;
		to->state = extra->state;
	}
	switch (layout->form)
	{
		case GSTORE_FORM_INTEGER:
			to->value.integer += *WORD_AT(record, layout->value);
			break;
		case GSTORE_FORM_REAL:
			to->value.real.sum = *REAL_AT(record, layout->value);
			break;
		case GSTORE_FORM_MOMENTS:
			to->value.real.sum = REAL_AT(record, layout->value)[0];
			to->value.real.deviations = REAL_AT(record, layout->value)[1];
			break;
		default:
			break;
	}
	if (to->count == 0)
		memset(&to->value, 0, sizeof(to->value));
}

/* The count of a state. */
static void
put_count(GstoreGroups *groups, uint64 number, int index, int64 count,
		  int64 counted)
{
	const GstoreStateLayout *layout = &groups->layouts[index];
	GstoreExtra *extra;

	if (layout->counts)
		*WORD_AT(gstore_group_record(groups, number), layout->count) += count;
	else if (count != counted)
	{
		extra = gstore_group_extra(groups, number, index);
		if (extra != NULL)
			extra->missing += counted - count;
	}
}

static void
put_integer(GstoreGroups *groups, uint64 number, int index, GstoreInt128 value)
{
	int64 *own = WORD_AT(gstore_group_record(groups, number),
						 groups->layouts[index].value);
	int64 low = (int64) value;
	int64 carry = (int64) ((value - low) >> 64);
	GstoreExtra *extra;

	switch (groups->aggregates[index].kind)
	{
		case GSTORE_AGGREGATE_SUM:
			if (__builtin_add_overflow(*own, low, own))
				carry += low < 0 ? -1 : 1;
			if (carry == 0)
				break;
			extra = gstore_group_extra(groups, number, index);
			if (extra != NULL)
				extra->carry += carry;
			break;
		case GSTORE_AGGREGATE_MIN:
			*own = Min(*own, low);
			break;
		case GSTORE_AGGREGATE_MAX:
			*own = Max(*own, low);
			break;
		case GSTORE_AGGREGATE_AND:
			*own &= low;
			break;
		default:
			*own |= low;
			break;
	}
}

static void
put_moments(double *own, int64 count, const GstoreAggregateState *from)
{
	double n1 = (double) count;
	double n2 = (double) from->count;

	own[1] += from->value.real.deviations;
	if (count > 0)
	{
		double t = own[0] / n1 - from->value.real.sum / n2;

		own[1] += n1 * n2 * t * t / (n1 + n2);
	}
	own[0] += from->value.real.sum;
}

static void
put_full(GstoreAggregateState *own, int kind, const GstoreAggregateState *from)
{
	GstoreNumeric value = {.value = from->value.integer, .scale = from->scale};
	int64 count = own->count + from->count;

	if (from->count == 0)
		return;
	gstore_state_add_numeric(own, kind, &value);
	own->count = count;
	if (from->state != GSTORE_STATE_VALUE)
		own->state = from->state;
}

void
gstore_state_put(GstoreGroups *groups, uint64 number, int index,
				 const GstoreAggregateState *from, int64 counted)
{
	const GstoreStateLayout *layout = &groups->layouts[index];
	int kind = groups->aggregates[index].kind;
	uint8 *record = gstore_group_record(groups, number);
	double *real = REAL_AT(record, layout->value);
	GstoreExtra *extra;

	if (layout->form == GSTORE_FORM_FULL)
	{
		put_full((GstoreAggregateState *) (record + layout->value), kind, from);
		return;
	}
	if (from->count > 0)
		switch (layout->form)
		{
			case GSTORE_FORM_INTEGER:
				put_integer(groups, number, index, from->value.integer);
				break;
			case GSTORE_FORM_REAL:
				if (kind == GSTORE_AGGREGATE_SUM)
					*real += from->value.real.sum;
				else if (gstore_keeps_real(kind, from->value.real.sum, *real))
					*real = from->value.real.sum;
				break;
			case GSTORE_FORM_MOMENTS:
				put_moments(real, *WORD_AT(record, layout->count), from);
				break;
			default:
				break;
		}
	put_count(groups, number, index, from->count, counted);
	if ((from->infinite | from->state) == 0)
		return;
	extra = gstore_group_extra(groups, number, index);
	if (extra == NULL)
		return;
	extra->infinite |= from->infinite;
	if (from->state != GSTORE_STATE_VALUE)
		extra->state = from->state;
}

void
gstore_group_merge(GstoreGroups *groups, uint64 number,
				   const GstoreGroups *other, uint64 from)
{
	uint8 *record = gstore_group_record(groups, number);
	const uint8 *source = gstore_group_record(other, from);
	int64 counted = *WORD_AT(source, other->rows_at);

	if (groups->fresh != NULL && *WORD_AT(record, groups->rows_at) == 0 &&
		groups->is_wide)
		memcpy(record, groups->fresh, groups->record_bytes);
	*WORD_AT(record, groups->rows_at) += counted;
	for (int i = 0; i < groups->naggregates; i++)
	{
		const GstoreStateLayout *layout = &groups->layouts[i];
		GstoreAggregateState state;

		/* sums are what there is most of */
		if (layout->form == GSTORE_FORM_REAL && !layout->counts &&
			groups->aggregates[i].kind == GSTORE_AGGREGATE_SUM &&
			other->extras.data == NULL)
		{
			*REAL_AT(record, layout->value) +=
				*REAL_AT(source, other->layouts[i].value);
			continue;
		}
		if (layout->form == GSTORE_FORM_INTEGER && !layout->counts &&
			groups->aggregates[i].kind == GSTORE_AGGREGATE_SUM &&
			other->extras.data == NULL)
		{
			put_integer(groups, number, i,
						*WORD_AT(source, other->layouts[i].value));
			continue;
		}
		gstore_state_get(other, from, i, &state);
		gstore_state_put(groups, number, i, &state, counted);
	}
}

void
gstore_state_add(GstoreGroups *groups, uint64 number, int index,
				 const GstoreGroupKey *value)
{
	const GstoreProgramAggregate *aggregate = &groups->aggregates[index];
	GstoreAggregateState state = {.count = 1};

	if (is_real(aggregate))
	{
		memcpy(&state.value.real.sum, &value->word, sizeof(double));
		state.infinite = gstore_infinite_float8(state.value.real.sum);
		if (state.value.real.sum - state.value.real.sum != 0)
			state.value.real.deviations = NAN;
	}
	else
	{
		state.value.integer = (int64) value->word;
		state.scale = aggregate->type == GSTORE_TYPE_NUMERIC ? (int32) value->meta : 0;
	}
	gstore_state_put(groups, number, index, &state, 0);
}

/* ---- errors ---- */

uint8
gstore_groups_error(const GstoreGroups *groups)
{
	for (int i = 0; i < groups->naggregates; i++)
	{
		bool sums = groups->aggregates[i].kind == GSTORE_AGGREGATE_SUM ||
					groups->aggregates[i].kind == GSTORE_AGGREGATE_MOMENTS;

		if (groups->layouts[i].form != GSTORE_FORM_FULL &&
			(!sums || !is_real(&groups->aggregates[i])) &&
			groups->extras.data == NULL)
			continue;
		for (uint64 n = 0; gstore_groups_next(groups, &n); n++)
		{
			const double *real =
				REAL_AT(gstore_group_record(groups, n),
						groups->layouts[i].value);
			GstoreAggregateState state;

			/* finite sums of floats, which are nearly all */
			if (groups->extras.data == NULL && is_real(&groups->aggregates[i]) &&
				*real - *real == 0)
				continue;
			gstore_state_get(groups, n, i, &state);
			if (state.state != GSTORE_STATE_VALUE)
				return state.state;
			if (sums && is_real(&groups->aggregates[i]) && !state.infinite &&
				gstore_infinite_float8(state.value.real.sum))
				return GSTORE_STATE_OVERFLOW;
		}
	}
	return GSTORE_STATE_VALUE;
}
