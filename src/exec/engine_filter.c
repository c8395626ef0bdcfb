/*
 * engine_filter.c
 *	  Which rows of a vector pass: conjunct after conjunct.
 *
 * Includes no PostgreSQL header.
 */
#include "exec/engine_vector.h"

/* One row in so many has to be left for a conjunct to be evaluated for all. */
#define MASKED_SHARE 8

/* The rows of a vector that are not hidden; NULL and n when all are there. */
static const uint16 *
visible_rows(const GstoreEngineInput *input, uint64 first, int *n,
			 uint16 *selection)
{
	const uint8 *hidden = input->hidden;
	uint64 bit = input->hidden_bit + first;
	bool any = false;
	int found = 0;

	if (hidden == NULL)
		return NULL;
	for (uint64 byte = bit / 8; byte <= (bit + *n - 1) / 8; byte++)
		any |= hidden[byte] != 0;
	if (!any)
		return NULL;
	for (int i = 0; i < *n; i++, bit++)
		if ((hidden[bit / 8] & (1 << (bit % 8))) == 0)
			selection[found++] = (uint16) i;
	*n = found;
	return selection;
}

/* Positions of the bytes of a mask that are 1. */
static int
select_rows(const uint8 *mask, int n, uint16 *selection)
{
	int found = 0;

	for (int i = 0; i < n; i += 8)
	{
		uint64 word;

		/* masks have room for a whole vector, and are 0 behind n */
		memcpy(&word, mask + i, sizeof(word));
		for (; word != 0; word &= word - 1)
			selection[found++] = (uint16) (i + __builtin_ctzll(word) / 8);
	}
	return found;
}

/*
 * Is it cheap to evaluate a conjunct for rows that do not matter any more?  Its
 * operators then work on vectors as they lie, not through a selection.
 */
static bool
is_cheap(const GstoreMachine *machine, int from, int to)
{
	const GstoreInstruction *instruction =
		GSTORE_PROGRAM_PART(machine->program, GstoreInstruction, instructions);
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(machine->program, GstoreRegister, registers);

	for (int i = from; i < to; i++)
	{
		int type = registers[instruction[i].result].type;

		if (type == GSTORE_TYPE_NUMERIC || type == GSTORE_TYPE_TEXT ||
			type == GSTORE_TYPE_SPAN || type == GSTORE_TYPE_UUID ||
			(type == GSTORE_TYPE_DECIMAL &&
			 instruction[i].opcode == GSTORE_OP_LOAD &&
			 machine->input->columns[instruction[i].a].encoding ==
				 GSTORE_ENCODING_PGSTROM_VARLENA))
			return false;
	}
	return true;
}

/* Clear the rows of a mask that do not pass; returns how many are left.  Those
 * whose condition ended in an error are cleared too, and marked. */
GSTORE_VECTORISED static int
narrow_mask(GstoreSieve *sieve, const GstoreVector *result, int n, int *nmarked)
{
	const gstore_logic *restrict values = result->values;
	uint8 *restrict mask = sieve->mask;
	int left = 0;

	if (result->clean)
		for (int i = 0; i < n; i++)
			mask[i] &= values[i];
	else
		for (int i = 0; i < n; i++)
		{
			if (mask[i] && result->states[i] > GSTORE_STATE_NULL)
				sieve->marked[(*nmarked)++] = (uint16) i;
			mask[i] &= (result->states[i] == GSTORE_STATE_VALUE) & values[i];
		}
	for (int i = 0; i < n; i++)
		left += mask[i];
	return left;
}

/* The same for a selection. */
static int
narrow_selection(GstoreSieve *sieve, const GstoreVector *result,
				 const uint16 *selection, int n, uint16 *to, int *nmarked)
{
	const gstore_logic *values = result->values;
	int found = 0;

	for (int i = 0; i < n; i++)
	{
		int at = selection ? selection[i] : i;
		uint8 state = result->clean ? GSTORE_STATE_VALUE : result->states[at];

		if (unlikely(state > GSTORE_STATE_NULL))
			sieve->marked[(*nmarked)++] = (uint16) at;
		to[found] = (uint16) at;
		found += (state == GSTORE_STATE_VALUE) & (values[at] != 0);
	}
	return found;
}

/*
 * Run the conjuncts: the rows that pass all, in *selection (NULL: all of the
 * first n), and those whose condition ended in an error in marked.  As long as
 * many rows pass, cheap conjuncts only clear bytes of a mask.
 */
static int
run_filter(GstoreSieve *sieve, GstoreMachine *machine,
		   const uint16 **selection, int *n)
{
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(machine->program, GstoreConjunct, conjuncts);
	int rows = *n;
	bool masked = false;
	bool prefetched = false;
	int nmarked = 0;
	int from = 0;

	for (int c = 0; c<machine->program->nconjuncts && * n> 0; c++)
	{
		const GstoreVector *result = &machine->registers[conjuncts[c].result];
		bool dense = *selection == NULL && *n >= rows / MASKED_SHARE &&
					 is_cheap(machine, from, conjuncts[c].end);
		uint16 *to = sieve->selections[*selection == sieve->selections[0]];

		if (masked && !dense)
		{
			select_rows(sieve->mask, rows, to);
			*selection = to;
			masked = false;
			to = sieve->selections[*selection == sieve->selections[0]];
		}
		if (*selection != NULL && *n < GSTORE_SPARSE_ROWS && !prefetched)
		{
			gstore_machine_prefetch(machine, from, *selection, *n);
			prefetched = true;
		}
		gstore_machine_run(machine, from, conjuncts[c].end, *selection,
						   *selection == NULL ? rows : *n);
		from = conjuncts[c].end;
		if (dense)
		{
			if (!masked)
			{
				memset(sieve->mask, 0, sizeof(sieve->mask));
				memset(sieve->mask, 1, rows);
			}
			masked = true;
			*n = narrow_mask(sieve, result, rows, &nmarked);
			continue;
		}
		*n = narrow_selection(sieve, result, *selection, *n, to, &nmarked);
		*selection = to;
	}
	if (masked && *n < rows)
	{
		uint16 *to = sieve->selections[0];

		select_rows(sieve->mask, rows, to);
		*selection = to;
	}
	return nmarked;
}

/* The state a marked row ended in, when errors cannot be evaluated again. */
int
gstore_sieve_state(const GstoreMachine *machine, uint16 at)
{
	const GstoreProgram *program = machine->program;
	const GstoreConjunct *conjuncts =
		GSTORE_PROGRAM_PART(program, GstoreConjunct, conjuncts);

	for (int c = 0; c < program->nconjuncts; c++)
	{
		const GstoreVector *result =
			&machine->registers[conjuncts[c].result];

		if (!result->clean && result->states[at] > GSTORE_STATE_NULL)
			return result->states[at];
	}
	return GSTORE_STATE_BEYOND;
}

int
gstore_sieve_run(GstoreSieve *sieve, GstoreMachine *machine, int *n,
				 const uint16 **selection)
{
	*selection = visible_rows(machine->input, machine->first, n,
							  sieve->selections[0]);
	return run_filter(sieve, machine, selection, n);
}
