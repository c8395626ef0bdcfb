/*
 * join.c
 *	  Few chunks of the many small ones of one transaction; see join.h.
 *
 * A transaction that inserts row by row adds a chunk with every statement,
 * which nobody may merge before it ends.  So its writer joins them itself: as
 * soon as the latest eight or more are each no larger than all that follow,
 * they become one, which has a range for each of their ranges.  A row is thus
 * copied only when its chunk at least doubles.
 *
 * Only chunks that nobody has pinned but the transaction's own record are
 * joined: a statement that is being executed may hold addresses of the others'
 * rows, and put its deletions there.  The joined chunk has the addresses of its
 * parts, so that addresses which travelled out of a statement stay good.  Must
 * never take chunks of several subtransactions: one may be rolled back alone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "fault.h"
#include "guc.h"
#include "request/view.h"
#include "store/build.h"
#include "store/join.h"
#include "store/schema.h"
#include "store/table.h"
#include "store/transaction.h"

/* Fewer chunks are left alone. */
#define FEW_CHUNKS 8
/* Looked at: enough for any number of rows, as each is as large as the sum of
 * those that follow. */
#define MOST_CHUNKS 64

/* Nothing was done to it, nobody looks at it, and it is small. */
static bool
is_untouched(const GstoreChunk *chunk)
{
	return pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &chunk->pins)) == 1 &&
		   gstore_stamp_outcome(&chunk->xmax) == GSTORE_UNSTAMPED &&
		   !DsaPointerIsValid(chunk->deletions) &&
		   chunk->location.kind == GSTORE_LOCATION_ARENA &&
		   chunk->image_bytes < GSTORE_SMALL_IMAGE / 2 &&
		   !gstore_chunk_is_lost(chunk);
}

/* Do the rows of a chunk come right before those of another of its kind? */
static bool
precedes(const GstoreChunk *chunk, const GstoreChunk *next)
{
	return chunk->first_row + chunk->rows == next->first_row &&
		   chunk->schema == next->schema && chunk->format == next->format &&
		   chunk->pinning == next->pinning;
}

/* How many of the latest chunks, given newest first, to join: 0 for none. */
static int
count_joined(GstoreChunk *const *chunks, int n)
{
	uint64 limit = Min((uint64) gstore_guc_chunk_size * 1024,
					   GSTORE_SMALL_IMAGE);
	uint64 bytes = 0;
	uint64 rows = 0;
	int joined;

	for (joined = 0; joined < n; joined++)
	{
		const GstoreChunk *chunk = chunks[joined];

		if (!is_untouched(chunk) ||
			(joined > 0 && (!precedes(chunk, chunks[joined - 1]) ||
							chunk->rows > rows)) ||
			bytes + chunk->image_bytes > limit)
			break;
		rows += chunk->rows;
		bytes += chunk->image_bytes;
	}
	return joined >= FEW_CHUNKS ? joined : 0;
}

/* One chunk, known to nobody yet, of chunks that are given newest first. */
static GstoreChunk *
build(const GstoreTarget *target, GstoreTable *table,
	  GstoreChunk *const *chunks, int n, GstoreHold **hold)
{
	const GstoreChunk *first = chunks[n - 1];
	const GstoreSchemaStamp *stamp = dsa_get_address(gstore_dsa(),
													 first->schema);
	GstoreBuildSource sources[MOST_CHUNKS];
	GstoreBuild build = {.codec = gstore_codec(first->format),
						 .schema = &stamp->schema,
						 .pinning = first->pinning,
						 .table = table,
						 .shelf = &table->shelf,
						 .relname = target->relname,
						 .sources = sources,
						 .nsources = n};
	GstoreChunk *joined;
	uint32 nranges = 0;

	for (int i = 0; i < n; i++)
	{
		sources[i].chunk = chunks[n - 1 - i];
		sources[i].schema = &stamp->schema;
		sources[i].keep = NULL;
		build.nranges += sources[i].chunk->nranges;
	}
	build.purpose = psprintf("writing foreign table \"%s\"", target->relname);
	joined = gstore_build_chunk(&build, hold);
	joined->schema = first->schema;
	joined->first_row = first->first_row;
	for (int i = n - 1; i >= 0; i--)
	{
		memcpy(&joined->ranges[nranges], chunks[i]->ranges,
			   chunks[i]->nranges * sizeof(GstoreRange));
		nranges += chunks[i]->nranges;
	}
	return joined;
}

/* Put it in the place of its parts, the last of the list.  Since somebody may
 * have pinned a part meanwhile, they are looked at again. */
static bool
swap(GstoreTable *table, GstoreChunk *joined, GstoreChunk *const *chunks,
	 int n)
{
	dsa_pointer *list;
	uint32 first;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	list = dsa_get_address(gstore_dsa(), table->chunks);
	first = table->nchunks - n;
	for (int i = 0; i < n; i++)
		if ((uint32) n > table->nchunks ||
			list[first + i] != chunks[n - 1 - i]->self ||
			!is_untouched(chunks[i]))
		{
			LWLockRelease(&table->lock);
			return false;
		}
	list[first] = joined->self;
	table->nchunks = first + 1;
	table->revision++;
	gstore_transaction_replace(chunks, n, joined);
	for (int i = 0; i < n; i++)
		gstore_chunk_unlink(chunks[i], 0, &table->key);
	LWLockRelease(&table->lock);
	return true;
}

void
gstore_join_latest(const GstoreTarget *target, GstoreTable *table)
{
	GstoreChunk *chunks[MOST_CHUNKS];
	int n = gstore_transaction_latest(table, chunks, MOST_CHUNKS);
	MemoryContext context;
	MemoryContext old;
	GstoreChunk *joined;
	GstoreHold *hold;

	n = count_joined(chunks, n);
	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "gstore_fdw join",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	joined = build(target, table, chunks, n, &hold);
	GSTORE_FAULT_POINT("join-before-swap");
	if (swap(table, joined, chunks, n))
		gstore_hold_forget(hold);
	else
		gstore_hold_release(hold);
	GSTORE_FAULT_POINT("join-after-swap");
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
