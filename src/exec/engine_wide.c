/*
 * engine_wide.c
 *	  Groups of one integer key whose values lie close together.
 *
 * A value less the base is the number of its group's record: nothing is hashed,
 * compared or looked up.  Memory is taken for the values between the least and
 * the greatest seen, so that is done only while those are not many more than
 * there are rows; where they come to lie too far apart, or the memory does not
 * allow it, the table goes on as a hashed one.  Includes no PostgreSQL header.
 */
#include <stdlib.h>

#include "exec/engine_groups.h"

/* Values in either direction of the first: records of the whole range are
 * address space. */
#define MAX_VALUES (INT64_C(1) << 23)
/* Values that may always be between the least and the greatest, and how many
 * for each row. */
#define FEW_VALUES (INT64_C(1) << 16)
#define VALUES_PER_ROW 8
/* Bytes that come into memory at once, at least. */
#define PAGE 4096

typedef struct Range
{
	int64 least;
	int64 greatest;
} Range;

bool
gstore_wide_supports(const GstoreGroups *groups)
{
	if (groups->nkeys != 1)
		return false;
	switch (groups->keys[0].type)
	{
		case GSTORE_TYPE_INT2:
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_DECIMAL:
		case GSTORE_TYPE_TIMESTAMP:
			return true;
		default:
			return false;
	}
}

/* ---- ranges of values ---- */

#define RANGE_OF(NAME, ctype) \
	GSTORE_VECTORISED static Range range_of_##NAME(const ctype *values, const uint8 *states, \
												   const uint16 *selection, int n) \
	{ \
		ctype least = values[selection ? selection[0] : 0]; \
		ctype greatest = least; \
		Range range; \
\
		if (selection == NULL && states == NULL) \
			for (int i = 0; i < n; i++) \
			{ \
				least = Min(least, values[i]); \
				greatest = Max(greatest, values[i]); \
			} \
		else \
		{ \
			bool any = false; \
\
			for (int i = 0; i < n; i++) \
			{ \
				int at = selection ? selection[i] : i; \
\
				if (states != NULL && states[at] != GSTORE_STATE_VALUE) \
					continue; \
				least = any ? Min(least, values[at]) : values[at]; \
				greatest = any ? Max(greatest, values[at]) : values[at]; \
				any = true; \
			} \
			if (!any) \
				return (Range){INT64_MAX, INT64_MIN}; \
		} \
		range.least = least; \
		range.greatest = greatest; \
		return range; \
	}

RANGE_OF(int2, int16)
RANGE_OF(int4, int32)
RANGE_OF(int8, int64)

/* Of the key's values in a vector; of none, the least is greater. */
static Range
range_of(const GstoreGroups *groups, const GstoreMachine *machine,
		 const uint16 *selection, int n)
{
	const GstoreVector *vector = &machine->registers[groups->keys[0].reg];
	const uint8 *states = vector->clean ? NULL : vector->states;

	switch (groups->keys[0].type)
	{
		case GSTORE_TYPE_INT2:
			return range_of_int2(vector->values, states, selection, n);
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			return range_of_int4(vector->values, states, selection, n);
		default:
			return range_of_int8(vector->values, states, selection, n);
	}
}

static Range
join_ranges(Range a, Range b)
{
	return (Range){Min(a.least, b.least), Max(a.greatest, b.greatest)};
}

/* How many values, as far as that matters. */
static int64
width_of(Range range)
{
	uint64 width = (uint64) range.greatest - (uint64) range.least;

	if (range.greatest < range.least)
		return 0;
	return width >= (uint64) MAX_VALUES ? MAX_VALUES : (int64) width + 1;
}

/* That the table's numbers stand for now; without the one of NULL. */
static Range
open_range(const GstoreGroups *groups)
{
	if (groups->from >= groups->ngroups)
		return (Range){INT64_MAX, INT64_MIN};
	return (Range){(int64) ((uint64) groups->base + groups->from),
				   (int64) ((uint64) groups->base + groups->ngroups - 1)};
}

/* Is it worth the memory, given so many rows? */
static bool
is_worth(const GstoreGroups *groups, Range range, uint64 rows)
{
	int64 width = width_of(range);

	return width < MAX_VALUES &&
		   width <= Max(FEW_VALUES, (int64) Min(rows, MAX_VALUES) * VALUES_PER_ROW) &&
		   (groups->memory_limit == 0 ||
			(uint64) width * groups->record_bytes <= groups->memory_limit);
}

/* Open the records of a range: false, and nothing has happened: that cannot be. */
static bool
open_records(GstoreGroups *groups, Range range)
{
	uint64 from = (uint64) range.least - (uint64) groups->base;
	uint64 to = (uint64) range.greatest - (uint64) groups->base + 1;
	GstoreEngineStatus status = GSTORE_ENGINE_OK;
	uint64 old_from = groups->from;
	uint64 old_to = groups->ngroups;

	/* 0 is NULL's */
	if (from == 0 || from > (uint64) 2 * MAX_VALUES ||
		to > (uint64) 2 * MAX_VALUES)
		return false;
	if (old_from < old_to)
	{
		from = Min(from, old_from);
		to = Max(to, old_to);
	}
	groups->from = from;
	groups->ngroups = to;
	if (gstore_groups_count_memory(groups, 0, &status) &&
		gstore_space_open(&groups->records, from * groups->record_bytes,
						  to * groups->record_bytes))
		return true;
	groups->from = old_from;
	groups->ngroups = old_to;
	return false;
}

bool
gstore_wide_reserve(GstoreGroups *groups)
{
	return gstore_space_reserve(&groups->records,
								(2 * MAX_VALUES + 1) * groups->record_bytes) &&
		   gstore_space_grow(&groups->records, groups->record_bytes);
}

/* ---- becoming wide, and hashed again ---- */

/* Where the first value's number lies in the middle of all. */
static void
set_base(GstoreGroups *groups, Range range)
{
	groups->base = (int64) ((uint64) range.least - (uint64) MAX_VALUES);
}

static GstoreGroups *
make_like(const GstoreGroups *groups, bool is_wide)
{
	GstoreGroups *like = gstore_groups_make(groups->program,
											&groups->keys[0].reg, 1,
											groups->naggregates, is_wide,
											groups->memory_limit);

	if (like != NULL)
		like->options = groups->options;
	return like;
}

/* The hashed groups' range; and there may be one of NULL. */
static Range
hashed_range(const GstoreGroups *groups)
{
	Range range = {INT64_MAX, INT64_MIN};

	for (uint64 number = 0; number < groups->ngroups; number++)
	{
		const uint64 *record =
			(const uint64 *) gstore_group_record(groups, number);
		Range one = {(int64) record[1], (int64) record[1]};

		if ((record[0] & 1) == 0)
			range = join_ranges(range, one);
	}
	return range;
}

GstoreEngineStatus
gstore_wide_try(GstoreGroups *groups, const GstoreMachine *machine,
				const uint16 *selection, int n)
{
	Range range = join_ranges(hashed_range(groups),
							  range_of(groups, machine, selection, n));
	GstoreGroups *wide;

	if (width_of(range) == 0 ||
		!is_worth(groups, range, groups->rows + machine->input->rows))
		return GSTORE_ENGINE_OK;
	wide = make_like(groups, true);
	if (wide == NULL)
		return GSTORE_ENGINE_OUT_OF_MEMORY;
	set_base(wide, range);
	if (!open_records(wide, range))
	{
		gstore_groups_destroy(wide);
		return GSTORE_ENGINE_OK;
	}
	for (uint64 number = 0; number < groups->ngroups; number++)
	{
		const uint64 *record =
			(const uint64 *) gstore_group_record(groups, number);
		uint64 to = (record[0] & 1) ? 0 : record[1] - (uint64) wide->base;

		gstore_group_merge(wide, to, groups, number);
	}
	wide->rows = groups->rows;
	gstore_groups_replace(groups, wide);
	return groups->failed;
}

GstoreEngineStatus
gstore_wide_leave(GstoreGroups *groups)
{
	GstoreGroups *hashed = make_like(groups, false);
	GstoreEngineStatus status;

	if (hashed == NULL)
		return GSTORE_ENGINE_OUT_OF_MEMORY;
	gstore_groups_only_hash(hashed);
	status = gstore_groups_take_all(hashed, groups, groups->options);
	hashed->rows = groups->rows;
	gstore_groups_replace(groups, hashed);
	return status;
}

/* ---- rows ---- */

#define FILL_NUMBERS(ctype) \
	do \
	{ \
		const ctype *values = vector->values; \
\
		if (selection == NULL) \
			for (int i = 0; i < n; i++) \
				numbers[i] = (uint32) ((uint64) values[i] - base); \
		else \
			for (int i = 0; i < n; i++) \
				numbers[i] = (uint32) ((uint64) values[selection[i]] - base); \
	} while (0)

GSTORE_VECTORISED static void
fill_numbers(const GstoreVector *vector, uint8 type, uint64 base,
			 const uint16 *selection, int n, uint32 *restrict numbers)
{
	switch (type)
	{
		case GSTORE_TYPE_INT2:
			FILL_NUMBERS(int16);
			break;
		case GSTORE_TYPE_INT4:
		case GSTORE_TYPE_DATE:
			FILL_NUMBERS(int32);
			break;
		default:
			FILL_NUMBERS(int64);
			break;
	}
}

GstoreEngineStatus
gstore_wide_number(GstoreGroups *groups, const GstoreMachine *machine,
				   const uint16 *selection, int n, uint8 *error, bool *left)
{
	const GstoreVector *vector = &machine->registers[groups->keys[0].reg];
	Range range = range_of(groups, machine, selection, n);
	Range open = open_range(groups);

	*left = false;
	if (width_of(range) > 0 &&
		(range.least < open.least || range.greatest > open.greatest))
	{
		Range joined = join_ranges(range, open);

		if (!is_worth(groups, joined, groups->rows + machine->input->rows) ||
			!open_records(groups, joined))
		{
			*left = true;
			return gstore_wide_leave(groups);
		}
	}
	fill_numbers(vector, groups->keys[0].type, (uint64) groups->base,
				 selection, n, groups->numbers);
	if (!vector->clean)
		for (int i = 0; i < n; i++)
		{
			uint8 state = vector->states[selection ? selection[i] : i];

			if (state != GSTORE_STATE_VALUE)
				groups->numbers[i] = 0;
			if (state > GSTORE_STATE_NULL)
			{
				*error = state;
				return GSTORE_ENGINE_STATE;
			}
		}
	return GSTORE_ENGINE_OK;
}

/* ---- two become one ---- */

bool
gstore_wide_join(GstoreGroups *groups, const GstoreGroups *other)
{
	Range range = join_ranges(open_range(groups), open_range(other));

	if (width_of(open_range(other)) > 0)
	{
		if (width_of(open_range(groups)) == 0)
			set_base(groups, range);
		if (width_of(range) >= MAX_VALUES || !open_records(groups, range))
			return false;
	}
	return true;
}

/* The page of a byte that may be written to, unless it is *page. */
static inline void
fetch_page(uint8 *byte, uintptr_t *page)
{
	if ((uintptr_t) byte / PAGE == *page)
		return;
	*page = (uintptr_t) byte / PAGE;
	(void) __atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);
}

/*
 * Where only the other has groups, memory is touched for the first time: by a
 * write, for a page that is read first has to be taken from all threads' maps
 * again when it is written to.
 */
void
gstore_wide_merge(GstoreGroups *groups, const GstoreGroups *other, uint64 from,
				  uint64 to)
{
	uintptr_t page = 0;
	/* what a number here is there */
	uint64 shift = (uint64) groups->base - (uint64) other->base;

	if (from == 0 && *gstore_group_rows(other, 0) > 0)
		gstore_group_merge(groups, 0, other, 0);
	for (uint64 number = Max(from, groups->from);
		 number < Min(to, groups->ngroups); number++)
	{
		uint64 there = number + shift;

		if (there < other->from || there >= other->ngroups ||
			*gstore_group_rows(other, there) == 0)
			continue;
		fetch_page(gstore_group_record(groups, number), &page);
		fetch_page(gstore_group_record(groups, number + 1) - 1, &page);
		gstore_group_merge(groups, number, other, there);
	}
}
