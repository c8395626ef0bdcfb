/*
 * groups.c
 *	  Groups on their way out of the engine; see groups.h.
 *
 * A batch of groups becomes values column by column, in memory that the next
 * batch uses again.  HAVING is evaluated over all groups at first, so that only
 * those become rows which are wanted.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/memutils.h"

#include "fdw/groups.h"
#include "fdw/sound.h"
#include "numeric.h"

struct GstoreGroupRows
{
	const GstoreGroupForm *form;
	GstoreEngine *engine;
	const GstoreProgram *program;
	int ncolumns;
	GstoreGroupBatch *batch;
	uint64 position; /* of the next batch */
	uint8 *pass;	 /* by position; NULL: all do */
	uint8 *recheck;
	int n;	  /* rows of the batch that are wanted */
	int next; /* the one to be given */
	bool *rechecks;
	Datum *values; /* [column][row] */
	bool *nulls;
	char *room;			   /* of numerics: likewise */
	MemoryContext context; /* of other values of the batch */
};

static void
destroy_batch(void *batch)
{
	gstore_group_batch_destroy(batch);
}

/* ---- HAVING ---- */

/* Which groups are wanted, as bits by position.  What the engine cannot decide is
 * left to be rechecked. */
static void
filter_groups(GstoreGroupRows *rows, List *having, PlanState *node)
{
	const GstoreGroupForm *form = rows->form;
	GstoreGroupColumn *columns =
		gstore_results_columns(form->exprs, form->nkeys, rows->program,
							   form->states);
	GstoreProgram *program =
		gstore_program_compile_filter((List *) gstore_results_typed((Node *) having,
																	columns),
									  INDEX_VAR, node);
	uint64 bytes = GSTORE_ALIGN(gstore_engine_positions(rows->engine),
								GSTORE_VECTOR_ROWS) /
				   8;
	GstoreEngine *filter;

	rows->pass = MemoryContextAllocHuge(CurrentMemoryContext, Max(bytes, 1));
	rows->recheck = MemoryContextAllocHuge(CurrentMemoryContext, Max(bytes, 1));
	if (program == NULL)
	{
		memset(rows->pass, 0xFF, bytes);
		memset(rows->recheck, 0xFF, bytes);
		return;
	}
	filter = gstore_exec_engine(program, 0);
	gstore_exec_check(filter,
					  gstore_engine_filter_groups(filter, rows->engine, columns,
												  rows->pass, rows->recheck),
					  "");
}

GstoreGroupRows *
gstore_group_rows_begin(const GstoreGroupForm *form, GstoreEngine *engine,
						const GstoreProgram *program, List *having,
						PlanState *node)
{
	GstoreGroupRows *rows = palloc0(sizeof(*rows));
	MemoryContextCallback *callback = palloc0(sizeof(*callback));
	Size cells;

	rows->form = form;
	rows->engine = engine;
	rows->program = program;
	rows->ncolumns = list_length(form->exprs);
	cells = (Size) Max(1, rows->ncolumns) * GSTORE_VECTOR_ROWS;
	rows->batch = gstore_group_batch_create(program);
	if (rows->batch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				 errdetail("A batch of %d groups could not be allocated.",
						   GSTORE_VECTOR_ROWS)));
	callback->func = destroy_batch;
	callback->arg = rows->batch;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	rows->rechecks = palloc(GSTORE_VECTOR_ROWS * sizeof(bool));
	rows->values = palloc(cells * sizeof(Datum));
	rows->nulls = palloc(cells * sizeof(bool));
	rows->room = palloc(cells * GSTORE_RESULT_ROOM);
	rows->context = AllocSetContextCreate(CurrentMemoryContext, "gstore groups",
										  ALLOCSET_DEFAULT_SIZES);
	if (having != NIL)
		filter_groups(rows, having, node);
	return rows;
}

/* ---- rows ---- */

static inline bool
is_set(const uint8 *bitmap, uint64 at)
{
	return (bitmap[at / 8] & (1 << (at % 8))) != 0;
}

/* Does any position of a batch pass? */
static bool
any_passes(const GstoreGroupRows *rows, uint64 position)
{
	uint64 end = Min(position + GSTORE_VECTOR_ROWS,
					 gstore_engine_positions(rows->engine));

	if (rows->pass == NULL)
		return true;
	for (uint64 byte = position / 8; byte < (end + 7) / 8; byte++)
		if (rows->pass[byte] != 0)
			return true;
	return false;
}

/* Which groups of the batch are wanted. */
static int
choose_groups(GstoreGroupRows *rows, uint16 *chosen)
{
	const GstoreGroupBatch *batch = rows->batch;
	int n = 0;

	for (int i = 0; i < batch->n; i++)
	{
		uint64 at = rows->position + batch->at[i];

		if (rows->pass != NULL && !is_set(rows->pass, at))
			continue;
		rows->rechecks[n] = rows->recheck != NULL && is_set(rows->recheck, at);
		chosen[n++] = (uint16) i;
	}
	return n;
}

/* Texts of a table that others may have written to: are they texts? */
static void
check_texts(const GstoreGroupRows *rows, int column, const Datum *values,
			const bool *nulls)
{
	Oid type = rows->form->forms[column].type;

	if (rows->form->exposed == NULL ||
		(type != TEXTOID && type != VARCHAROID && type != BPCHAROID))
		return;
	for (int i = 0; i < rows->n; i++)
		if (!nulls[i] && !gstore_sound_text(values[i]))
			gstore_sound_refuse(NULL, rows->form->exposed);
}

static void
make_column(GstoreGroupRows *rows, int column, const uint16 *chosen)
{
	const GstoreGroupForm *form = rows->form;
	const GstoreResultForm *result = &form->forms[column];
	Size first = (Size) column * GSTORE_VECTOR_ROWS;
	Datum *values = rows->values + first;
	bool *nulls = rows->nulls + first;
	char *room = rows->room + first * GSTORE_RESULT_ROOM;

	if (column < form->nkeys)
		for (int i = 0; i < rows->n; i++, room += GSTORE_RESULT_ROOM)
			values[i] = gstore_key_value(result,
										 &rows->batch->keys[chosen[i] * form->nkeys + column],
										 room, &nulls[i]);
	else
		for (int i = 0; i < rows->n; i++, room += GSTORE_RESULT_ROOM)
			values[i] =
				gstore_aggregate_result(result,
										&rows->batch->states[(Size) chosen[i] * rows->program->naggregates],
										form->states[column - form->nkeys],
										room, &nulls[i]);
	check_texts(rows, column, values, nulls);
}

/* The next batch with a row that is wanted; false: there is none. */
static bool
read_batch(GstoreGroupRows *rows)
{
	uint64 positions = gstore_engine_positions(rows->engine);
	uint16 chosen[GSTORE_VECTOR_ROWS];
	MemoryContext old;

	rows->n = rows->next = 0;
	MemoryContextReset(rows->context);
	for (; rows->n == 0 && rows->position < positions;
		 rows->position += GSTORE_VECTOR_ROWS)
	{
		if (!any_passes(rows, rows->position))
			continue;
		gstore_engine_read(rows->engine, rows->position, rows->batch);
		rows->n = choose_groups(rows, chosen);
	}
	old = MemoryContextSwitchTo(rows->context);
	for (int c = 0; c < rows->ncolumns; c++)
		make_column(rows, c, chosen);
	MemoryContextSwitchTo(old);
	return rows->n > 0;
}

bool
gstore_group_rows_next(GstoreGroupRows *rows, TupleTableSlot *slot,
					   bool *recheck)
{
	if (rows->next >= rows->n && !read_batch(rows))
		return false;
	for (int c = 0; c < rows->ncolumns; c++)
	{
		slot->tts_values[c] =
			rows->values[(Size) c * GSTORE_VECTOR_ROWS + rows->next];
		slot->tts_isnull[c] =
			rows->nulls[(Size) c * GSTORE_VECTOR_ROWS + rows->next];
	}
	*recheck = rows->rechecks[rows->next++];
	ExecStoreVirtualTuple(slot);
	return true;
}
