/*
 * merge.c
 *	  Merging chunks; see merge.h.
 *
 * Must never wait for a heavyweight lock, nor look at rows some snapshot may
 * not see.  Works in any process that can make requests, with or without a
 * database.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fault.h"
#include "store/build.h"
#include "store/merge.h"
#include "store/progress.h"
#include "store/schema.h"

/* Fewer small chunks than this are left alone, unless eager. */
#define FEW_CHUNKS 8
/* A chunk is rewritten once so many times its rows follow it: rows come no more,
 * or still do, and there will soon be more to rewrite it with. */
#define FOLLOWING_AT_REST 1
#define FOLLOWING_WHILE_GROWING 3
/* Chunks read into one merge at most: their images are all pinned. */
#define MOST_CHUNKS 4096
/* How often, and after how long, a writer's lock is asked for again: those who
 * commit row by row have it half of the time, but never for long.  It is not
 * waited for in the queue, where others would wait behind us. */
#define TRIES 50
#define TRY_AGAIN_US 200

typedef struct Source
{
	GstoreChunk *chunk;	   /* pinned */
	dsa_pointer deletions; /* as they were when it was chosen */
	uint64 deleted;		   /* rows that everyone sees deleted */
} Source;

typedef struct Merge
{
	GstoreTable *table;
	FullTransactionId horizon;
	uint64 image_bytes;
	bool eager;
	bool growing;	 /* rows came since the last time */
	Source *sources; /* [nsources] */
	uint32 nsources;
	uint32 npinned;		 /* of them: all once they were chosen */
	uint64 bytes;		 /* of the sources' images */
	const char *relname; /* or its number */
	const char *purpose;
} Merge;

/* ---- choosing ---- */

/* Count the deleted rows; false if a deletion is not yet settled for all. */
static bool
deletions_settled(const GstoreChunk *chunk, FullTransactionId horizon,
				  uint64 *deleted)
{
	dsa_pointer pointer = chunk->deletions;

	*deleted = 0;
	while (DsaPointerIsValid(pointer))
	{
		GstoreDeletion *deletion = dsa_get_address(gstore_dsa(), pointer);

		if (gstore_stamp_seen_by_all(&deletion->stamp, horizon))
			*deleted += deletion->rows;
		else if (gstore_stamp_outcome(&deletion->stamp) != GSTORE_ABORTED)
			return false;
		pointer = deletion->next;
	}
	return true;
}

/* Do all snapshots see the same of this chunk, now and later? */
static bool
is_settled(const GstoreChunk *chunk, FullTransactionId horizon,
		   uint64 *deleted)
{
	GstoreOutcome xmax = gstore_stamp_outcome(&chunk->xmax);

	if ((xmax != GSTORE_UNSTAMPED && xmax != GSTORE_ABORTED) ||
		gstore_chunk_is_lost(chunk))
		return false;
	for (uint32 i = 0; i < chunk->nranges; i++)
		if (!gstore_stamp_seen_by_all(&chunk->ranges[i].stamp, horizon))
			return false;
	return deletions_settled(chunk, horizon, deleted);
}

/* Is the chunk better rewritten, whatever its neighbours are? */
static bool
is_mostly_deleted(const Source *source, bool eager)
{
	return source->deleted > (eager ? 0 : source->chunk->rows / 2);
}

/*
 * Is the run found so far worth merging?  Leading chunks that are large beside
 * all that follows are left out: a row is then rewritten only when its chunk at
 * least doubles, so that n rows cost n log n in all.
 */
static bool
is_worth_it(Merge *merge)
{
	int following = merge->growing ? FOLLOWING_WHILE_GROWING : FOLLOWING_AT_REST;
	uint64 total = 0;
	uint32 first = 0;

	for (uint32 i = 0; i < merge->nsources; i++)
		total += merge->sources[i].chunk->image_bytes;
	if (!merge->eager)
		while (first < merge->nsources &&
			   !is_mostly_deleted(&merge->sources[first], false) &&
			   merge->sources[first].chunk->image_bytes >
				   total / (following + 1))
			total -= merge->sources[first++].chunk->image_bytes;
	memmove(merge->sources, merge->sources + first,
			(merge->nsources - first) * sizeof(Source));
	merge->nsources -= first;
	merge->bytes = total;

	if (merge->nsources >= (merge->eager ? 2 : FEW_CHUNKS))
		return true;
	for (uint32 i = 0; i < merge->nsources; i++)
		if (is_mostly_deleted(&merge->sources[i], merge->eager))
			return true;
	return false;
}

/* May the chunk join the run?  One stamp of columns, one format, one device,
 * and together not more than a chunk. */
static bool
joins_run(const Merge *merge, const Source *source)
{
	const GstoreChunk *chunk = source->chunk;
	const GstoreChunk *first;

	if (chunk->image_bytes > merge->image_bytes / 2 &&
		!is_mostly_deleted(source, merge->eager))
		return false;
	if (merge->nsources == 0)
		return true;
	first = merge->sources[0].chunk;
	return merge->nsources < MOST_CHUNKS &&
		   merge->bytes + chunk->image_bytes <= merge->image_bytes &&
		   chunk->schema == first->schema && chunk->format == first->format &&
		   chunk->pinning == first->pinning;
}

static void
release_sources(void *what)
{
	Merge *merge = what;

	for (uint32 i = 0; i < merge->npinned; i++)
		gstore_chunk_unpin(merge->sources[i].chunk);
	pfree(merge);
}

/* Find the first run worth merging, and pin it. */
static bool
choose(Merge *merge)
{
	GstoreTable *table = merge->table;
	dsa_pointer *list;
	bool found = false;

	LWLockAcquire(&table->lock, LW_SHARED);
	merge->growing = !merge->eager && table->next_row != table->looked_at;
	if (!merge->eager)
		table->looked_at = table->next_row;
	list = table->nchunks == 0 ? NULL : dsa_get_address(gstore_dsa(), table->chunks);
	for (uint32 i = 0; i <= table->nchunks && !found; i++)
	{
		Source source = {NULL, InvalidDsaPointer, 0};

		if (i < table->nchunks)
		{
			source.chunk = dsa_get_address(gstore_dsa(), list[i]);
			source.deletions = source.chunk->deletions;
		}
		if (source.chunk != NULL &&
			is_settled(source.chunk, merge->horizon, &source.deleted) &&
			joins_run(merge, &source))
		{
			merge->sources[merge->nsources++] = source;
			merge->bytes += source.chunk->image_bytes;
			continue;
		}
		found = is_worth_it(merge);
		if (found)
			break;
		merge->nsources = 0;
		merge->bytes = 0;
	}
	for (; merge->npinned < merge->nsources; merge->npinned++)
		gstore_chunk_pin(merge->sources[merge->npinned].chunk);
	LWLockRelease(&table->lock);
	return found;
}

/* ---- building ---- */

static void
clear_bit(uint8 *bitmap, uint32 row)
{
	bitmap[row / 8] &= ~(1 << (row % 8));
}

/* The rows that are left, or NULL: all. */
static uint8 *
rows_to_keep(const Source *source, FullTransactionId horizon)
{
	uint32 rows = source->chunk->rows;
	Size bytes = ((Size) rows + 7) / 8;
	dsa_pointer pointer;
	uint8 *keep;

	if (source->deleted == 0)
		return NULL;
	keep = MemoryContextAllocExtended(CurrentMemoryContext, bytes,
									  MCXT_ALLOC_HUGE);
	memset(keep, 0xFF, bytes);
	for (pointer = source->deletions; DsaPointerIsValid(pointer);)
	{
		GstoreDeletion *deletion = dsa_get_address(gstore_dsa(), pointer);

		pointer = deletion->next;
		if (!gstore_stamp_seen_by_all(&deletion->stamp, horizon))
			continue;
		if (deletion->is_bitmap)
			for (Size i = 0; i < bytes; i++)
				keep[i] &= ~((const uint8 *) deletion->list)[i];
		else
			for (uint32 i = 0; i < deletion->rows; i++)
				clear_bit(keep, deletion->list[i]);
	}
	return keep;
}

/* The merged chunk, not yet known to anyone; NULL if no row is left. */
static GstoreChunk *
build(Merge *merge, GstoreHold **hold)
{
	const GstoreChunk *first = merge->sources[0].chunk;
	const GstoreSchemaStamp *stamp = dsa_get_address(gstore_dsa(),
													 first->schema);
	GstoreBuildSource *sources = palloc(merge->nsources * sizeof(*sources));
	GstoreBuild build = {.codec = gstore_codec(first->format),
						 .schema = &stamp->schema,
						 .pinning = first->pinning,
						 .nranges = 1,
						 .for_export = merge->image_bytes == UINT64_MAX,
						 .table = merge->table,
						 .relname = merge->relname,
						 .purpose = merge->purpose,
						 .sources = sources,
						 .nsources = merge->nsources};
	GstoreChunk *chunk;

	for (uint32 i = 0; i < merge->nsources; i++)
	{
		sources[i].chunk = merge->sources[i].chunk;
		sources[i].schema = &stamp->schema;
		sources[i].keep = rows_to_keep(&merge->sources[i], merge->horizon);
	}
	chunk = gstore_build_chunk(&build, hold);
	if (chunk == NULL)
		return NULL;
	chunk->schema = first->schema;
	chunk->ranges[0].stamp = first->ranges[0].stamp;
	pg_atomic_init_u32(&chunk->ranges[0].stamp.outcome, GSTORE_FROZEN);
	chunk->ranges[0].rows = chunk->rows;
	return chunk;
}

/* ---- publishing ---- */

static bool
is_unchanged(const Source *source)
{
	GstoreOutcome xmax = gstore_stamp_outcome(&source->chunk->xmax);

	return (pg_atomic_read_u32(&source->chunk->pins) &
			GSTORE_CHUNK_UNLINKED) == 0 &&
		   source->chunk->deletions == source->deletions &&
		   (xmax == GSTORE_UNSTAMPED || xmax == GSTORE_ABORTED);
}

/* Put the merged chunk, if there is one, in the place of the sources. */
static bool
swap(Merge *merge, GstoreChunk *merged)
{
	GstoreTable *table = merge->table;
	dsa_pointer *list;
	uint32 kept = 0;
	uint32 taken = 0;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	for (uint32 i = 0; i < merge->nsources; i++)
		if (table->dropped || !is_unchanged(&merge->sources[i]) ||
			table->next_row + (merged ? merged->rows : 0) > GSTORE_MAX_ROWS)
		{
			LWLockRelease(&table->lock);
			return false;
		}

	list = dsa_get_address(gstore_dsa(), table->chunks);
	for (uint32 i = 0; i < table->nchunks; i++)
	{
		/* Sources are in the list's order. */
		if (taken < merge->nsources &&
			list[i] == merge->sources[taken].chunk->self)
		{
			gstore_chunk_unlink(merge->sources[taken].chunk, 1, &table->key);
			if (taken++ == 0 && merged != NULL)
				list[kept++] = merged->self;
		}
		else
			list[kept++] = list[i];
	}
	table->nchunks = kept;
	if (merged != NULL)
	{
		merged->first_row = table->next_row;
		table->next_row += merged->rows;
		table->looked_at += merged->rows;
	}
	table->revision++;
	table->last_merge = GetCurrentTimestamp();
	LWLockRelease(&table->lock);
	return true;
}

static bool
publish(Merge *merge, GstoreChunk *merged)
{
	LOCKTAG tag;
	LockAcquireResult result;
	bool done;

	/* A session lock: it needs no transaction and no resource owner. */
	SET_LOCKTAG_RELATION(tag, merge->table->key.database,
						 merge->table->key.table);
	result = LockAcquire(&tag, ShareUpdateExclusiveLock, true, true);
	for (int i = 0; i < TRIES && result == LOCKACQUIRE_NOT_AVAIL; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(TRY_AGAIN_US);
		result = LockAcquire(&tag, ShareUpdateExclusiveLock, true, true);
	}
	if (result == LOCKACQUIRE_NOT_AVAIL)
		return false;

	/* Our own transaction is the writer: its statements hold addresses. */
	if (result == LOCKACQUIRE_ALREADY_HELD)
	{
		LockRelease(&tag, ShareUpdateExclusiveLock, true);
		return false;
	}
	GSTORE_FAULT_POINT("merge-before-swap");
	gstore_progress_tell(GSTORE_COMPACT_PHASE, GSTORE_COMPACT_SWAPPING);
	done = swap(merge, merged);
	GSTORE_FAULT_POINT("merge-after-swap");
	LockRelease(&tag, ShareUpdateExclusiveLock, true);
	return done;
}

/* What errors call the table: a worker without a database knows its number. */
static const char *
name_of(const GstoreTable *table)
{
	char *name = NULL;

	if (IsTransactionState() && table->key.database == MyDatabaseId)
		name = get_rel_name(table->key.table);
	return name != NULL ? name : psprintf("%u", table->key.table);
}

bool
gstore_merge_table(GstoreTable *table, uint64 image_bytes, bool eager,
				   int64 *won)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gstore_fdw merge",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	GstoreHold *own = gstore_hold_prepare("gstore_fdw merge", release_sources);
	Merge *merge;
	GstoreChunk *merged;
	GstoreHold *hold = NULL;
	bool done = false;

	*won = 0;
	/* Not in the context: an error deletes that before holds are released. */
	merge = MemoryContextAllocZero(TopMemoryContext, sizeof(Merge) +
														 MOST_CHUNKS * sizeof(Source));
	merge->sources = (Source *) (merge + 1);
	gstore_hold_take(own, merge);
	merge->table = table;
	merge->horizon = gstore_horizon();
	merge->image_bytes = image_bytes;
	merge->eager = eager;
	merge->purpose = "merging chunks";

	old = MemoryContextSwitchTo(context);
	merge->relname = name_of(table);
	if (choose(merge))
	{
		merged = build(merge, &hold);
		GSTORE_FAULT_POINT("merge-built");
		*won = merge->bytes - (merged ? merged->image_bytes : 0);
		done = publish(merge, merged);
		if (!done)
		{
			*won = 0;
			if (merged != NULL)
				gstore_hold_release(hold);
		}
		else if (merged != NULL)
			gstore_hold_forget(hold);
	}
	gstore_hold_release(own);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return done;
}
