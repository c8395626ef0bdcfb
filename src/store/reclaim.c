/*
 * reclaim.c
 *	  Taking back what no one can see, and freezing what everyone sees.
 *
 * Runs in the keeper, and in a backend that is short of memory.  Must never
 * wait for a heavyweight lock or a snapshot: what is still seen waits for the
 * next sweep.  Pinned chunks keep their deletion vectors.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "fault.h"
#include "store/table.h"

/* Did every insertion into the chunk come to nothing, or does everyone see
 * that all of it was deleted? */
static bool
is_dead(const GstoreChunk *chunk, FullTransactionId horizon)
{
	return gstore_stamp_seen_by_all(&chunk->xmax, horizon) ||
		   gstore_chunk_all_aborted(chunk);
}

/* A stamp everyone sees needs no xid any more. */
static void
freeze(GstoreStamp *stamp, FullTransactionId horizon)
{
	if (gstore_stamp_outcome(stamp) == GSTORE_COMMITTED &&
		gstore_stamp_seen_by_all(stamp, horizon))
		pg_atomic_write_u32(&stamp->outcome, GSTORE_FROZEN);
}

/* Drop the deletion vectors that came to nothing, freeze the others; true if
 * every row of the chunk is deleted for everyone. */
static bool
tidy_deletions(GstoreChunk *chunk, FullTransactionId horizon)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer *link = &chunk->deletions;
	uint64 deleted = 0;

	while (DsaPointerIsValid(*link))
	{
		GstoreDeletion *deletion = dsa_get_address(area, *link);

		if (gstore_stamp_outcome(&deletion->stamp) == GSTORE_ABORTED)
		{
			dsa_pointer gone = *link;

			*link = deletion->next;
			dsa_free(area, gone);
			continue;
		}
		freeze(&deletion->stamp, horizon);
		if (gstore_stamp_outcome(&deletion->stamp) == GSTORE_FROZEN)
			deleted += deletion->rows;
		link = &deletion->next;
	}
	return deleted == chunk->rows;
}

uint64
gstore_table_reclaim(GstoreTable *table, FullTransactionId horizon)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer *list;
	uint32 kept = 0;
	uint64 unlinked = 0;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	list = table->nchunks > 0 ? dsa_get_address(area, table->chunks) : NULL;
	for (uint32 i = 0; i < table->nchunks; i++)
	{
		GstoreChunk *chunk = dsa_get_address(area, list[i]);
		bool dead = is_dead(chunk, horizon);

		if (!dead && pg_atomic_read_u32(&chunk->pins) == 0)
			dead = tidy_deletions(chunk, horizon);
		if (dead)
		{
			unlinked += chunk->image_bytes;
			gstore_chunk_unlink(chunk, 0, &table->key);
			continue;
		}
		for (uint32 j = 0; j < chunk->nranges; j++)
			freeze(&chunk->ranges[j].stamp, horizon);
		list[kept++] = list[i];
	}
	if (kept < table->nchunks)
		table->revision++;
	table->nchunks = kept;
	gstore_shelf_close(&table->shelf, true);
	LWLockRelease(&table->lock);
	if (unlinked > 0)
		GSTORE_FAULT_POINT("reclaim-unlinked");
	return unlinked;
}

static bool
reclaim_one(GstoreTable *table, void *state)
{
	if (table->dropped)
		return false;
	gstore_table_reclaim(table, *(FullTransactionId *) state);
	return true;
}

void
gstore_reclaim(bool is_keeper)
{
	FullTransactionId horizon = gstore_horizon();

	gstore_catalog_walk(is_keeper, reclaim_one, &horizon);
}

void
gstore_reclaim_for_room(void)
{
	gstore_reclaim(false);
}
