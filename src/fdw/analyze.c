/*
 * analyze.c
 *	  ANALYZE: a random sample of the rows, and their exact number.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/sampling.h"
#include "utils/snapmgr.h"

#include "codec/arrow.h"
#include "fdw/columns.h"
#include "fdw/routine.h"
#include "fdw/form.h"
#include "fdw/rowaddress.h"
#include "fdw/sound.h"
#include "store/codec_context.h"
#include "store/estimate.h"
#include "store/pending.h"
#include "store/window.h"

/* What the sampling carries from row to row. */
typedef struct Sample
{
	HeapTuple *rows;
	int room;
	int filled;
	double seen; /* rows passed so far */
	double skip; /* rows to pass before the next is taken */
	ReservoirStateData reservoir;
} Sample;

/* Where the next row goes, or -1: it is not in the sample (Vitter's reservoir
 * sampling, as utils/sampling.h offers it). */
static int
next_place(Sample *sample)
{
	sample->seen += 1;
	if (sample->filled < sample->room)
		return sample->filled++;
	if (sample->skip < 0)
		sample->skip = reservoir_get_next_S(&sample->reservoir,
											sample->seen - 1, sample->room);
	if (sample->skip >= 1)
	{
		sample->skip -= 1;
		return -1;
	}
	sample->skip = -1;
	return (int) (sample->room *
				  sampler_random_fract(&sample->reservoir.randstate));
}

/* What decode gave for column i as a value of its type. */
static void
make_value(const GstoreWindow *window, int i, Form_pg_attribute attribute,
		   bool exposed, const GstoreTarget *target, Datum *value)
{
	const GstoreColumnView *view = &window->columns[i];
	bool is_sound = true;

	if (gstore_form_is_needed(view->arrow_kind))
		is_sound = gstore_form_load(gstore_form(attribute->atttypid,
												attribute->atttypmod),
									view, exposed, value);
	else if (exposed)
		is_sound = gstore_sound_copy(gstore_sound(attribute->atttypid), view,
									 value);
	if (!is_sound)
		gstore_sound_refuse(NameStr(attribute->attname), target->relname);
}

/* One row of a window as a tuple. */
static HeapTuple
form_row(GstoreWindow *window, uint64 row, TupleDesc desc,
		 const AttrNumber *attnums, int ncolumns, const GstoreTarget *target)
{
	bool exposed = gstore_table_is_exposed(gstore_table_find(target->relid));
	Datum *values = palloc0(Max(1, desc->natts) * sizeof(Datum));
	bool *nulls = palloc(Max(1, desc->natts) * sizeof(bool));
	GstoreScratch *scratch = palloc0(Max(1, ncolumns) * sizeof(GstoreScratch));
	GstoreAllocator allocator = gstore_context_allocator();
	HeapTuple tuple;
	GstoreCodecError error;

	memset(nulls, true, Max(1, desc->natts) * sizeof(bool));
	for (int i = 0; i < ncolumns; i++)
	{
		int to = attnums[i] - 1;
		GstoreValue value;
		GstoreCodecStatus status;

		scratch[i].allocator = &allocator;
		status = window->codec->decode(&window->columns[i], row, 1, NULL, &value,
									   &nulls[to], &scratch[i], &error);

		if (status != GSTORE_CODEC_OK)
		{
			error.column = to;
			gstore_codec_raise(status, &error, target->relname,
							   target->schema);
		}
		values[to] = (Datum) value;
		if (!nulls[to])
			make_value(window, i, TupleDescAttr(desc, to), exposed, target,
					   &values[to]);
	}
	tuple = heap_form_tuple(desc, values, nulls);
	for (int i = 0; i < ncolumns; i++)
		gstore_scratch_free(&scratch[i]);
	pfree(scratch);
	pfree(values);
	pfree(nulls);
	return tuple;
}

static void
sample_window(GstoreWindow *window, Sample *sample, TupleDesc desc,
			  const AttrNumber *attnums, int ncolumns,
			  const GstoreTarget *target)
{
	const uint8 *hidden = window->seen->hidden;

	for (uint64 row = 0; row < window->rows; row++)
	{
		uint64 bit = window->first + row;
		int place;

		if (hidden != NULL && (hidden[bit / 8] & (1 << (bit % 8))) != 0)
			continue;
		place = next_place(sample);
		if (place < 0)
			continue;
		if (sample->rows[place] != NULL)
			heap_freetuple(sample->rows[place]);
		sample->rows[place] = form_row(window, row, desc, attnums, ncolumns,
									   target);
		gstore_row_address_to_tid(window->seen->chunk->first_row + bit,
								  &sample->rows[place]->t_self);
	}
}

/* In the order in which they lie, by which correlations are told. */
static int
compare_places(const void *a, const void *b)
{
	return ItemPointerCompare(&(*(HeapTuple *) a)->t_self,
							  &(*(HeapTuple *) b)->t_self);
}

static int
acquire_sample(Relation relation, int elevel, HeapTuple *rows, int room,
			   double *total, double *dead)
{
	Oid relid = RelationGetRelid(relation);
	TupleDesc desc = RelationGetDescr(relation);
	GstoreTarget *target = gstore_target(relation);
	AttrNumber *attnums = palloc(Max(1, desc->natts) * sizeof(AttrNumber));
	int ncolumns = 0;
	Sample sample = {.rows = rows, .room = room, .skip = -1};
	GstoreSeenSet *set;
	GstoreWindowScan *windows;
	GstoreWindow *window;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			attnums[ncolumns++] = i + 1;

	memset(rows, 0, room * sizeof(HeapTuple));
	reservoir_init_selection_state(&sample.reservoir, room);
	gstore_pending_flush(relid);
	set = gstore_seen_set_take(gstore_table_find(relid), GetActiveSnapshot(),
							   NULL);
	windows = gstore_windows_begin(set, target, attnums, ncolumns);
	while ((window = gstore_windows_next(windows)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		sample_window(window, &sample, desc, attnums, ncolumns, target);
	}
	gstore_windows_end(windows);
	gstore_seen_set_release(set);
	qsort(rows, sample.filled, sizeof(HeapTuple), compare_places);

	*total = sample.seen;
	*dead = gstore_table_size(gstore_table_find(relid)).dead;
	ereport(elevel,
			(errmsg("\"%s\": %.0f live rows; %d rows in sample",
					target->relname, *total, sample.filled)));
	return sample.filled;
}

static bool
analyze_table(Relation relation, AcquireSampleRowsFunc *function,
			  BlockNumber *pages)
{
	GstoreTableSize size =
		gstore_table_size(gstore_table_find(RelationGetRelid(relation)));

	*function = acquire_sample;
	*pages = Min((size.bytes + BLCKSZ - 1) / BLCKSZ, MaxBlockNumber);
	return true;
}

void
gstore_analyze_callbacks(FdwRoutine *routine)
{
	routine->AnalyzeForeignTable = analyze_table;
}
