/*
 * window.c
 *	  Walking the chunks of a set and binding their columns; see window.h.
 *
 * Two slots alternate: while the rows of one are read, the other's bytes are
 * on their way from the device.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "request/view.h"
#include "store/codec_context.h"
#include "store/window.h"

/* Bytes of row-wise data a window of a device chunk aims at. */
#define WINDOW_BYTES (UINT64CONST(16) << 20)

/* One row in so many of the blocks that have any is few; and how many, of how many
 * bytes, are gathered at a time. */
#define FEW_SHARE 8
#define GATHERED_ROWS 32768
#define GATHERED_BYTES (UINT64CONST(4) << 20)

/* A window being fetched or read. */
typedef struct Slot
{
	bool filled;
	GstoreWindow window;
	GstoreView *view;		/* NULL: no bytes are needed */
	int *nranges;			/* [ncolumns] */
	bool only_output;		/* the others were for sifting alone, which is done */
	MemoryContext gathered; /* of its rows, where they are; NULL: not yet */
} Slot;

/* Which rows of a chunk are wanted: as many chunks may have windows at a time,
 * and one more is on its way. */
#define SIEVES 3

typedef struct Sifted
{
	uint8 *pass; /* NULL: free */
	uint8 *recheck;
	bool any_recheck;
	bool few; /* rows are to be gathered */
} Sifted;

struct GstoreWindowScan
{
	MemoryContext context;
	GstoreSeenSet *set;
	const GstoreTarget *target;
	int ncolumns;
	AttrNumber *attnums;
	GstoreAllocator allocator;
	char *purpose;
	GstoreByteRange *ranges; /* [ncolumns * GSTORE_RANGES_PER_COLUMN] */
	Slot slots[2];
	int reading; /* slot handed out last */

	/* where the next window comes from */
	uint32 next_chunk;
	uint64 next_row;
	uint64 run_end;	 /* rows from next_row on that may be wanted */
	uint64 run_next; /* where to look for more of them */
	uint64 rows_per_window;
	GstoreImage *image; /* of set->chunks[next_chunk], if opened */
	const GstoreCodec *codec;
	GstoreBlockTest test; /* NULL: every block is read */
	void *test_state;
	GstorePlaceTest place_test; /* NULL: all bytes are brought */
	void *place_state;
	GstoreSiftRows sift; /* NULL: none */
	GstoreGatherRows gather;
	void *sift_state;
	const bool *only_sifted;
	bool sifted;  /* the chunk at hand was, or cannot be */
	bool counted; /* all its blocks are in the stats */
	Sifted sieves[SIEVES];
	Sifted *sieve; /* of the chunk at hand; NULL: all its rows are wanted */
	GstoreWindowStats stats;
};

GstoreWindowScan *
gstore_windows_begin(GstoreSeenSet *set, const GstoreTarget *target,
					 const AttrNumber *attnums, int ncolumns)
{
	GstoreWindowScan *scan = palloc0(sizeof(GstoreWindowScan));

	scan->context = CurrentMemoryContext;
	scan->set = set;
	scan->target = target;
	scan->ncolumns = ncolumns;
	scan->attnums = palloc(Max(ncolumns, 1) * sizeof(AttrNumber));
	memcpy(scan->attnums, attnums, ncolumns * sizeof(AttrNumber));
	scan->allocator = gstore_context_allocator();
	scan->purpose = psprintf("reading foreign table \"%s\"", target->relname);
	scan->ranges = palloc(Max(ncolumns, 1) * GSTORE_RANGES_PER_COLUMN *
						  sizeof(GstoreByteRange));
	for (int i = 0; i < 2; i++)
	{
		scan->slots[i].window.columns =
			palloc0(Max(ncolumns, 1) * sizeof(GstoreColumnView));
		scan->slots[i].window.bytes = palloc0(Max(ncolumns, 1) *
											  sizeof(uint64));
		scan->slots[i].nranges = palloc0(Max(ncolumns, 1) * sizeof(int));
	}
	return scan;
}

void
gstore_windows_prune(GstoreWindowScan *scan, GstoreBlockTest test, void *state)
{
	scan->test = test;
	scan->test_state = state;
}

void
gstore_windows_in_place(GstoreWindowScan *scan, GstorePlaceTest test,
						void *state)
{
	scan->place_test = test;
	scan->place_state = state;
}

void
gstore_windows_sift(GstoreWindowScan *scan, GstoreSiftRows sift,
					GstoreGatherRows gather, void *state,
					const bool *only_sifted)
{
	scan->sift = sift;
	scan->gather = gather;
	scan->sift_state = state;
	scan->only_sifted = only_sifted;
}

const GstoreWindowStats *
gstore_windows_stats(GstoreWindowScan *scan)
{
	return &scan->stats;
}

static void
check_codec(GstoreWindowScan *scan, GstoreCodecStatus status,
			const GstoreCodecError *error)
{
	if (unlikely(status != GSTORE_CODEC_OK))
		gstore_codec_raise(status, error, scan->target->relname,
						   scan->target->schema);
}

void
gstore_check_column(const GstoreTarget *target, const GstoreSchemaStamp *stamp,
					AttrNumber attnum)
{
	const GstoreColumn *now = &target->schema->columns[attnum - 1];
	const GstoreColumn *then = &stamp->schema.columns[attnum - 1];

	if (now->typid != then->typid || now->attlen != then->attlen ||
		target->fingerprints[attnum - 1] !=
			gstore_schema_fingerprints(stamp)[attnum - 1])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the type of column \"%s\" of foreign table \"%s\" has changed since its rows were written",
						now->name, target->relname),
				 errhint("Change the type back, or TRUNCATE the table and load it again.")));
}

static bool
has_column(const GstoreSchemaStamp *stamp, AttrNumber attnum)
{
	return attnum <= stamp->schema.ncols &&
		   !stamp->schema.columns[attnum - 1].dropped;
}

/* Bytes that so many rows of the image need, of the columns that are read. */
static uint64
bytes_of_rows(const GstoreWindowScan *scan, const GstoreSchemaStamp *stamp,
			  uint64 rows)
{
	uint64 bytes = 0;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		int nranges = 0;

		if (has_column(stamp, scan->attnums[i]))
			nranges = scan->codec->column_ranges(scan->image,
												 scan->attnums[i] - 1, 0, rows,
												 scan->ranges);
		for (int j = 0; j < nranges; j++)
			bytes += scan->ranges[j].length;
	}
	return bytes;
}

/*
 * How many rows of an image on a device to bring at a time.  Values of variable
 * length are brought with each window, all of them: so windows are so large that
 * the rest is no less.
 */
static uint64
choose_rows(const GstoreWindowScan *scan, const GstoreSeenChunk *seen)
{
	uint64 rows = seen->chunk->rows;
	uint64 few = Min(rows, 64);
	uint64 chosen = WINDOW_BYTES / (seen->chunk->image_bytes / rows + 1);
	double all_bytes = (double) bytes_of_rows(scan, seen->stamp, rows);
	double few_bytes = (double) bytes_of_rows(scan, seen->stamp, few);
	double row_bytes = rows > few ? (all_bytes - few_bytes) / (rows - few) : 0;
	double shared_bytes = few_bytes - few * row_bytes;

	if (shared_bytes > row_bytes * (rows - 1))
		chosen = rows;
	else if (row_bytes > 0)
		chosen = Max(chosen, (uint64) (shared_bytes / row_bytes));
	/* A multiple of 64 rows keeps bitmaps and alignment simple. */
	return Max(GSTORE_ALIGN(chosen, 64), 4096);
}

/* Read and parse the header of the next chunk, and decide how to cut it. */
static void
open_image(GstoreWindowScan *scan, const GstoreSeenChunk *seen)
{
	const GstoreChunk *chunk = seen->chunk;
	const GstoreSchema *schema = &seen->stamp->schema;
	GstoreByteRange range = {0, 0};
	GstoreView *view;
	GstoreCodecStatus status;
	GstoreCodecError error;

	scan->codec = gstore_codec(chunk->format);
	for (int i = 0; i < scan->ncolumns; i++)
		if (has_column(seen->stamp, scan->attnums[i]))
			gstore_check_column(scan->target, seen->stamp, scan->attnums[i]);

	range.length = Min(scan->codec->header_bytes(schema), chunk->image_bytes);
	view = gstore_view_open(chunk->location, chunk->self, &range, 1,
							scan->purpose);
	gstore_view_wait(view);
	status = scan->codec->open(gstore_view_pointer(view, 0),
							   chunk->image_bytes, schema, &scan->allocator,
							   &scan->image, &error);
	gstore_view_close(view);
	check_codec(scan, status, &error);
	if (scan->codec->rows(scan->image) != chunk->rows)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a chunk of foreign table \"%s\" says it has %llu rows instead of %u",
						scan->target->relname,
						(unsigned long long) scan->codec->rows(scan->image),
						chunk->rows),
				 errhint("A program that mapped the exported memory may have overwritten it.")));

	scan->rows_per_window = chunk->rows;
	if (chunk->location.kind == GSTORE_LOCATION_DEVICE)
		scan->rows_per_window = choose_rows(scan, seen);
	scan->stats.chunks++;
}

static void
close_image(GstoreWindowScan *scan)
{
	if (scan->image != NULL)
		scan->codec->close(scan->image);
	scan->image = NULL;
}

/* Is a column of the slot's window to be read? */
static bool
is_read(const GstoreWindowScan *scan, const Slot *slot, int column)
{
	if (!has_column(slot->window.seen->stamp, scan->attnums[column]))
		return false;
	return !slot->only_output || !scan->only_sifted[column];
}

/* Bind the columns of a slot whose bytes have come, or, in place, are there. */
static void
bind_columns(GstoreWindowScan *scan, Slot *slot, bool in_place)
{
	const void *pointers[GSTORE_RANGES_PER_COLUMN];
	uint64 address = slot->window.seen->chunk->location.address;
	GstoreWindow *window = &slot->window;
	GstoreCodecError error;
	int range = 0;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		GstoreColumnView *column = &window->columns[i];

		if (!is_read(scan, slot, i))
		{
			memset(column, 0, sizeof(*column));
			column->encoding = GSTORE_ENCODING_ABSENT;
			continue;
		}
		for (int j = 0; j < slot->nranges[i]; j++)
		{
			pointers[j] = in_place
							  ? (const void *) (uintptr_t) (address +
															scan->ranges[range].offset)
							  : gstore_view_pointer(slot->view, range);
			range++;
		}
		check_codec(scan,
					window->codec->bind(scan->image, scan->attnums[i] - 1,
										window->first, window->rows, pointers,
										column, &error),
					&error);
	}
}

/* Ask for the ranges of a slot's window; returns how many there are. */
static int
find_ranges(GstoreWindowScan *scan, Slot *slot)
{
	GstoreWindow *window = &slot->window;
	int nranges = 0;

	for (int i = 0; i < scan->ncolumns; i++)
	{
		slot->nranges[i] = 0;
		if (is_read(scan, slot, i))
			slot->nranges[i] =
				scan->codec->column_ranges(scan->image, scan->attnums[i] - 1,
										   window->first, window->rows,
										   &scan->ranges[nranges]);
		window->bytes[i] = 0;
		for (int j = 0; j < slot->nranges[i]; j++)
			window->bytes[i] += scan->ranges[nranges++].length;
	}
	return nranges;
}

/* Do the ranges of a slot lie within its chunk's allocation? */
static bool
lies_within(const GstoreWindowScan *scan, const Slot *slot, int nranges)
{
	uint64 length = slot->window.seen->chunk->location.length;

	for (int i = 0; i < nranges; i++)
		if (scan->ranges[i].offset > length ||
			scan->ranges[i].length > length - scan->ranges[i].offset)
			return false;
	return true;
}

/* ---- blocks ---- */

static bool
passes_bounds(GstoreWindowScan *scan, const GstoreSeenChunk *seen,
			  uint64 first, uint64 rows)
{
	const GstoreSchema *schema = &seen->stamp->schema;
	const GstoreBounds *bounds =
		scan->test == NULL ? NULL
						   : gstore_chunk_bounds(seen->chunk, schema,
												 first / GSTORE_BLOCK_ROWS);

	return bounds == NULL ||
		   scan->test(scan->test_state, bounds, schema->ncols, rows);
}

static void
free_sieve(Sifted *sieve)
{
	if (sieve->pass != NULL)
		pfree(sieve->pass);
	memset(sieve, 0, sizeof(*sieve));
}

/* Are few rows wanted of the blocks that have any? */
static bool
has_few(const Sifted *sieve, uint64 rows)
{
	uint64 wanted = 0;
	uint64 of = 0;

	for (uint64 first = 0; first < rows; first += GSTORE_BLOCK_ROWS)
	{
		uint64 n = Min(GSTORE_BLOCK_ROWS, rows - first);
		uint64 found = pg_popcount((const char *) sieve->pass + first / 8,
								   (int) ((n + 7) / 8));

		wanted += found;
		of += found > 0 ? n : 0;
	}
	return wanted * FEW_SHARE <= of;
}

/* Sift the chunk at hand, if it lies on a device and that can be done.  Its
 * bitmaps take the place of those of the chunk three before it. */
static void
sift_chunk(GstoreWindowScan *scan, const GstoreSeenChunk *seen)
{
	Sifted *sieve = &scan->sieves[scan->next_chunk % SIEVES];
	uint64 bytes = GSTORE_ALIGN(seen->chunk->rows, GSTORE_BATCH_ROWS) / 8;
	Slot whole = {0};
	bool sifted;

	scan->sifted = true;
	if (scan->sift == NULL || scan->ncolumns == 0 ||
		seen->chunk->location.kind != GSTORE_LOCATION_DEVICE)
		return;
	if (scan->image == NULL)
		open_image(scan, seen);
	whole.window.seen = seen;
	whole.window.codec = scan->codec;
	whole.window.rows = seen->chunk->rows;
	whole.window.in_place = true;
	whole.window.columns = palloc0(scan->ncolumns * sizeof(GstoreColumnView));
	whole.window.bytes = palloc0(scan->ncolumns * sizeof(uint64));
	whole.nranges = palloc0(scan->ncolumns * sizeof(int));
	free_sieve(sieve);
	sieve->pass = MemoryContextAllocExtended(scan->context, 2 * bytes,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	sieve->recheck = sieve->pass + bytes;
	sifted = lies_within(scan, &whole, find_ranges(scan, &whole));
	if (sifted)
	{
		bind_columns(scan, &whole, true);
		sifted = scan->sift(scan->sift_state, &whole.window, sieve->pass,
							sieve->recheck);
	}
	pfree(whole.window.columns);
	pfree(whole.window.bytes);
	pfree(whole.nranges);
	if (!sifted)
	{
		free_sieve(sieve);
		return;
	}
	for (uint64 i = 0; i < bytes && !sieve->any_recheck; i++)
		sieve->any_recheck = sieve->recheck[i] != 0;
	sieve->few = scan->gather != NULL && has_few(sieve, seen->chunk->rows);
	scan->sieve = sieve;
}

static bool
has_sifted_rows(GstoreWindowScan *scan, const GstoreSeenChunk *seen,
				uint64 first, uint64 rows)
{
	if (!scan->sifted)
		sift_chunk(scan, seen);
	if (scan->sieve == NULL)
		return true;
	for (uint64 i = first / 8; i < (first + rows + 7) / 8; i++)
		if (scan->sieve->pass[i] != 0)
			return true;
	return false;
}

static bool
is_block_wanted(GstoreWindowScan *scan, const GstoreSeenChunk *seen,
				uint64 first)
{
	uint64 rows = Min(GSTORE_BLOCK_ROWS, seen->chunk->rows - first);

	scan->stats.blocks += !scan->counted;
	if (!passes_bounds(scan, seen, first, rows))
	{
		scan->stats.pruned += !scan->counted;
		return false;
	}
	return has_sifted_rows(scan, seen, first, rows);
}

/* Rows that are gathered need no runs: the run goes to the chunk's end. */
static void
take_the_rest(GstoreWindowScan *scan, const GstoreSeenChunk *seen)
{
	for (; scan->run_next < seen->chunk->rows;
		 scan->run_next += GSTORE_BLOCK_ROWS)
		(void) is_block_wanted(scan, seen, scan->run_next);
	scan->run_end = seen->chunk->rows;
	scan->counted = true;
}

/*
 * Is there more in the chunk that may be wanted?  Then rows [next_row, run_end)
 * are.
 */
static bool
find_run(GstoreWindowScan *scan)
{
	const GstoreSeenChunk *seen = &scan->set->chunks[scan->next_chunk];
	uint64 rows = seen->chunk->rows;

	if (scan->next_row < scan->run_end)
		return true;
	scan->next_row = scan->run_next;
	while (scan->next_row < rows &&
		   !is_block_wanted(scan, seen, scan->next_row))
		scan->next_row += GSTORE_BLOCK_ROWS;
	if (scan->next_row >= rows)
		return false;

	scan->run_end = scan->next_row + GSTORE_BLOCK_ROWS;
	while (scan->run_end < rows && is_block_wanted(scan, seen, scan->run_end))
		scan->run_end += GSTORE_BLOCK_ROWS;
	/* The block that ended the run need not be looked at again. */
	scan->run_next = scan->run_end + GSTORE_BLOCK_ROWS;
	if (scan->sieve != NULL && scan->sieve->few)
		take_the_rest(scan, seen);
	scan->run_end = Min(scan->run_end, rows);
	return true;
}

static void
start_chunk(GstoreWindowScan *scan, uint32 number)
{
	close_image(scan);
	scan->next_chunk = number;
	scan->next_row = scan->run_end = scan->run_next = 0;
	scan->sifted = scan->counted = false;
	scan->sieve = NULL;
}

/* ---- rows here and there ---- */

static inline bool
has_bit(const uint8 *bitmap, uint64 bit)
{
	return (bitmap[bit / 8] & (1 << (bit % 8))) != 0;
}

/* The first row from one on that is set; the end if there is none. */
static uint64
next_set(const uint8 *bitmap, uint64 row, uint64 end)
{
	while (row < end && !has_bit(bitmap, row))
		row += row % 64 == 0 && *(const uint64 *) (bitmap + row / 8) == 0 ? 64 : 1;
	return Min(row, end);
}

/*
 * The next wanted rows of a run, as a slot's window: their numbers, and bitmaps
 * of which all, or those to be looked at once more, are set.  The columns come
 * when the window is read.
 */
static void
take_rows(GstoreWindowScan *scan, Slot *slot)
{
	const Sifted *sieve = scan->sieve;
	const GstoreChunk *chunk = slot->window.seen->chunk;
	GstoreWindow *window = &slot->window;
	uint64 most = GATHERED_BYTES / (chunk->image_bytes / chunk->rows + 1);
	uint64 row = next_set(sieve->pass, scan->next_row, scan->run_end);
	uint32 *rows;
	uint8 *bits;
	uint32 n = 0;

	if (slot->gathered == NULL)
		slot->gathered = AllocSetContextCreate(scan->context,
											   "gstore gathered rows",
											   ALLOCSET_DEFAULT_SIZES);
	most = Min(Max(most, 64), GATHERED_ROWS);
	rows = MemoryContextAlloc(slot->gathered, most * sizeof(uint32));
	bits = MemoryContextAllocZero(slot->gathered, 2 * GATHERED_ROWS / 8);
	for (; row < scan->run_end && n < most;
		 row = next_set(sieve->pass, row + 1, scan->run_end))
	{
		if (has_bit(sieve->recheck, row))
			bits[(GATHERED_ROWS + n) / 8] |= 1 << (n % 8);
		bits[n / 8] |= 1 << (n % 8);
		rows[n++] = (uint32) row;
	}
	scan->next_row = row;
	window->gathered = rows;
	window->first = 0;
	window->rows = n;
	window->in_place = false;
	window->pass = bits;
	window->recheck = bits + GATHERED_ROWS / 8;
	memset(window->bytes, 0, scan->ncolumns * sizeof(uint64));
	slot->view = NULL;
	slot->filled = true;
}

/* Fetch the rows of a slot, whose chunk is at hand; false: that cannot be done. */
static bool
gather_rows(GstoreWindowScan *scan, Slot *slot)
{
	GstoreWindow *window = &slot->window;
	MemoryContext old = MemoryContextSwitchTo(slot->gathered);
	GstoreColumnView *views = palloc0(scan->ncolumns *
									  sizeof(GstoreColumnView));
	Slot whole = *slot;
	uint64 bytes = 0;
	bool gathered;

	whole.window.rows = window->seen->chunk->rows;
	gathered = lies_within(scan, &whole, find_ranges(scan, &whole));
	if (gathered)
	{
		bind_columns(scan, &whole, true);
		gathered = scan->gather(scan->sift_state, &whole.window,
								scan->ncolumns, window->gathered,
								(uint32) window->rows, views, &bytes);
	}
	memset(window->bytes, 0, scan->ncolumns * sizeof(uint64));
	if (gathered)
		memcpy(window->columns, views,
			   scan->ncolumns * sizeof(GstoreColumnView));
	scan->stats.bytes += bytes;
	MemoryContextSwitchTo(old);
	return gathered;
}

/* Rows that cannot be gathered come in blocks, from those of a slot on. */
static void
fetch_blocks(GstoreWindowScan *scan, const Slot *slot)
{
	uint64 row = slot->window.gathered[0];

	scan->next_row = scan->run_end = row / GSTORE_BLOCK_ROWS *
									 GSTORE_BLOCK_ROWS;
	scan->run_next = scan->next_row;
	scan->sieve->few = false;
	/* those before have been read */
	for (uint64 i = scan->next_row; i < row; i++)
		scan->sieve->pass[i / 8] &= ~(1 << (i % 8));
}

/* Can all of the run stay where it is?  Its chunk's image is checked not to
 * reach behind its allocation. */
static bool
stays_in_place(GstoreWindowScan *scan, Slot *slot)
{
	const GstoreChunk *chunk = slot->window.seen->chunk;
	int nranges;

	if (scan->place_test == NULL || scan->ncolumns == 0 ||
		chunk->location.kind != GSTORE_LOCATION_DEVICE)
		return false;
	slot->window.rows = scan->run_end - scan->next_row;
	nranges = find_ranges(scan, slot);
	if (!lies_within(scan, slot, nranges))
		return false;
	bind_columns(scan, slot, true);
	return scan->place_test(scan->place_state, &slot->window);
}

/*
 * Send for the next window into a slot; false at the end.  Views outlive the
 * image's parsed header, which is bound before it is closed.
 */
static bool
fill_slot(GstoreWindowScan *scan, Slot *slot)
{
	const GstoreSeenChunk *seen;
	GstoreWindow *window = &slot->window;
	int nranges = 0;

	Assert(!slot->filled);
	for (;; start_chunk(scan, scan->next_chunk + 1))
	{
		if (scan->next_chunk >= scan->set->nchunks)
			return false;
		if (find_run(scan))
			break;
	}
	seen = &scan->set->chunks[scan->next_chunk];
	if (scan->ncolumns == 0)
		scan->rows_per_window = seen->chunk->rows;
	else if (scan->image == NULL)
		open_image(scan, seen);

	window->seen = seen;
	window->codec = scan->codec;
	window->first = scan->next_row;
	slot->only_output = scan->sieve != NULL && !scan->sieve->any_recheck;
	window->pass = window->recheck = NULL;
	window->gathered = NULL;
	if (scan->sieve != NULL && scan->sieve->few)
	{
		take_rows(scan, slot);
		return true;
	}
	if (scan->sieve != NULL)
	{
		window->pass = scan->sieve->pass + window->first / 8;
		window->recheck = scan->sieve->recheck + window->first / 8;
	}
	window->in_place = stays_in_place(scan, slot);
	if (!window->in_place)
	{
		window->rows = Min(scan->rows_per_window,
						   scan->run_end - scan->next_row);
		nranges = find_ranges(scan, slot);
	}
	for (int i = 0; i < scan->ncolumns; i++)
		scan->stats.bytes += window->bytes[i];
	slot->view = nranges == 0 ? NULL : gstore_view_open(seen->chunk->location, seen->chunk->self, scan->ranges, nranges, scan->purpose);
	slot->filled = true;

	scan->next_row += window->rows;
	return true;
}

static void
empty_slot(Slot *slot)
{
	if (slot->filled && slot->view != NULL)
		gstore_view_close(slot->view);
	slot->view = NULL;
	slot->filled = false;
	if (slot->gathered != NULL)
		MemoryContextReset(slot->gathered);
}

GstoreWindow *
gstore_windows_next(GstoreWindowScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	Slot *current;
	Slot *other;

	empty_slot(&scan->slots[scan->reading]);
	scan->reading = 1 - scan->reading;
	current = &scan->slots[scan->reading];
	other = &scan->slots[1 - scan->reading];

	if (!current->filled && !fill_slot(scan, current))
	{
		MemoryContextSwitchTo(old);
		return NULL;
	}
	if (current->window.gathered != NULL && !gather_rows(scan, current))
	{
		fetch_blocks(scan, current);
		empty_slot(current);
		fill_slot(scan, current);
	}
	if (current->view != NULL)
		gstore_view_wait(current->view);
	if (!current->window.in_place && current->window.gathered == NULL)
		bind_columns(scan, current, false);
	if (find_run(scan))
		fill_slot(scan, other);
	else
		start_chunk(scan, scan->next_chunk + 1);
	MemoryContextSwitchTo(old);
	return &current->window;
}

void
gstore_windows_rewind(GstoreWindowScan *scan)
{
	empty_slot(&scan->slots[0]);
	empty_slot(&scan->slots[1]);
	start_chunk(scan, 0);
}

void
gstore_windows_end(GstoreWindowScan *scan)
{
	gstore_windows_rewind(scan);
}
