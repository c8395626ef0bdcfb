/*
 * table.c
 *	  The chunk list of a table; see table.h.
 *
 * Chunks are pinned under the table's lock in shared mode; what they look like
 * to a snapshot is worked out after it is released.  That is safe because a
 * pinned chunk keeps its deletion vectors (reclaim passes it over) and because
 * vectors that are linked later are not seen by a snapshot taken earlier.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "store/table.h"

/* Bytes from which on a bitmap comes from the kernel, page by page as it is
 * written to, so that a few deletions of a large chunk cost little. */
#define LARGE_BITMAP (64 * 1024)

/* ---- what a snapshot sees ---- */

static void
release_set(void *what)
{
	GstoreSeenSet *set = what;

	for (uint32 i = 0; i < set->npinned; i++)
		gstore_chunk_unpin(set->chunks[i].chunk);
	MemoryContextDelete(set->context);
}

/* Pin every chunk of the list, into an array with room for all of them. */
static void
pin_all(GstoreTable *table, GstoreSeenSet *set)
{
	dsa_area *area = gstore_dsa();
	uint32 room = 0;

	for (;;)
	{
		uint32 needed = table->nchunks;
		dsa_pointer *list;

		if (needed > room)
		{
			Size size;

			room = needed + needed / 8;
			size = room * sizeof(GstoreSeenChunk);
			if (set->chunks != NULL)
				pfree(set->chunks);
			set->chunks = MemoryContextAllocHuge(set->context, size);
		}

		LWLockAcquire(&table->lock, LW_SHARED);
		if (table->nchunks > room)
		{
			LWLockRelease(&table->lock);
			continue;
		}
		if (table->nchunks > 0)
		{
			list = dsa_get_address(area, table->chunks);
			while (set->npinned < table->nchunks)
			{
				GstoreSeenChunk *seen = &set->chunks[set->npinned];

				seen->chunk = dsa_get_address(area, list[set->npinned]);
				seen->deletions = seen->chunk->deletions;
				seen->xmax = seen->chunk->xmax;
				gstore_chunk_pin(seen->chunk);
				set->npinned++;
			}
		}
		LWLockRelease(&table->lock);
		return;
	}
}

static void
free_bitmap(void *bitmap)
{
	free(bitmap);
}

uint8 *
gstore_empty_bitmap(MemoryContext context, uint64 rows)
{
	Size bytes = (rows + 7) / 8;
	MemoryContextCallback *callback;

	if (bytes < LARGE_BITMAP)
		return MemoryContextAllocZero(context, bytes);
	callback = MemoryContextAllocZero(context, sizeof(*callback));
	callback->func = free_bitmap;
	callback->arg = calloc(1, bytes);
	if (callback->arg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("A bitmap of %llu rows could not be allocated.",
						   (unsigned long long) rows)));
	MemoryContextRegisterResetCallback(context, callback);
	return callback->arg;
}

/* Hide rows [first, first + count); returns how many were not hidden yet. */
static uint32
hide_rows(uint8 *hidden, uint32 first, uint32 count)
{
	uint32 fresh = 0;

	for (uint32 row = first; row < first + count; row++)
	{
		fresh += (hidden[row / 8] & (1 << (row % 8))) == 0;
		hidden[row / 8] |= 1 << (row % 8);
	}
	return fresh;
}

/* Hide the rows of a bitmap, word by word. */
static uint32
hide_bits(uint8 *hidden, const uint8 *bits, Size bytes)
{
	uint32 fresh = 0;
	uint64 news;
	uint64 old;

	for (; bytes >= sizeof(old); bytes -= sizeof(old))
	{
		memcpy(&old, hidden, sizeof(old));
		memcpy(&news, bits, sizeof(news));
		fresh += pg_popcount64(news & ~old);
		old |= news;
		memcpy(hidden, &old, sizeof(old));
		hidden += sizeof(old);
		bits += sizeof(old);
	}
	for (; bytes > 0; bytes--, hidden++, bits++)
	{
		fresh += pg_popcount32(*bits & ~*hidden & 0xFF);
		*hidden |= *bits;
	}
	return fresh;
}

static uint32
hide_deletion(uint8 *hidden, const GstoreDeletion *deletion, uint32 rows)
{
	uint32 fresh = 0;

	if (deletion->is_bitmap)
		fresh = hide_bits(hidden, (const uint8 *) deletion->list,
						  ((Size) rows + 7) / 8);
	else
		for (uint32 i = 0; i < deletion->rows; i++)
			fresh += hide_rows(hidden, deletion->list[i], 1);
	return fresh;
}

/* Work out what the snapshot sees of one pinned chunk. */
static void
look_at(GstoreSeenSet *set, GstoreSeenChunk *seen, const GstoreSight *sight)
{
	dsa_area *area = gstore_dsa();
	GstoreChunk *chunk = seen->chunk;
	uint32 first = 0;
	dsa_pointer pointer;

	seen->seen_rows = 0;
	seen->hidden = NULL;
	if (gstore_stamp_seen(&seen->xmax, sight))
		return;

	for (uint32 i = 0; i < chunk->nranges; i++)
	{
		GstoreRange *range = &chunk->ranges[i];

		if (gstore_stamp_seen(&range->stamp, sight))
			seen->seen_rows += range->rows;
		else if (chunk->nranges > 1)
		{
			if (seen->hidden == NULL)
				seen->hidden = gstore_empty_bitmap(set->context, chunk->rows);
			(void) hide_rows(seen->hidden, first, range->rows);
		}
		first += range->rows;
	}
	if (seen->seen_rows == 0)
		return;

	for (pointer = seen->deletions; DsaPointerIsValid(pointer);)
	{
		GstoreDeletion *deletion = dsa_get_address(area, pointer);

		if (gstore_stamp_seen(&deletion->stamp, sight))
		{
			if (seen->hidden == NULL)
				seen->hidden = gstore_empty_bitmap(set->context, chunk->rows);
			seen->seen_rows -= hide_deletion(seen->hidden, deletion,
											 chunk->rows);
		}
		pointer = deletion->next;
	}
}

static void
report_lost(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_IO_ERROR),
			 errmsg("the rows of foreign table \"%s\" are lost",
					get_rel_name(relid)),
			 errdetail("The device that held them failed, or its keeper was restarted."),
			 errhint("TRUNCATE the table and load it again.")));
}

/* A set with every chunk of the table pinned, and none looked at. */
static GstoreSeenSet *
pin_set(GstoreTable *table)
{
	MemoryContext context;
	GstoreSeenSet *set;
	GstoreHold *hold;

	/* Not the query's: at an abort its memory goes before its pins. */
	hold = gstore_hold_prepare("gstore_fdw chunk pins", release_set);
	context = AllocSetContextCreate(TopMemoryContext, "gstore_fdw seen set",
									ALLOCSET_SMALL_SIZES);
	set = MemoryContextAllocZero(context, sizeof(GstoreSeenSet));
	set->context = context;
	set->hold = hold;
	gstore_hold_take(hold, set);
	if (table != NULL)
		pin_all(table, set);
	return set;
}

GstoreSeenSet *
gstore_seen_set_take(GstoreTable *table, Snapshot snapshot, Relation relation)
{
	GstoreSeenSet *set = pin_set(table);
	GstoreSight sight;

	if (table == NULL)
		return set;
	gstore_sight_init(&sight, snapshot, relation);
	for (uint32 i = 0; i < set->npinned; i++)
	{
		GstoreSeenChunk seen = set->chunks[i];

		look_at(set, &seen, &sight);
		if (seen.seen_rows == 0)
			continue;
		if (gstore_chunk_is_lost(seen.chunk))
			report_lost(table->key.table);
		seen.stamp = dsa_get_address(gstore_dsa(), seen.chunk->schema);

		/* Seen ones to the front; the others keep their pin behind them. */
		set->chunks[i] = set->chunks[set->nchunks];
		set->chunks[set->nchunks++] = seen;
	}

	/* What is not seen need not be kept. */
	while (set->npinned > set->nchunks)
		gstore_chunk_unpin(set->chunks[--set->npinned].chunk);
	return set;
}

void
gstore_seen_set_release(GstoreSeenSet *set)
{
	gstore_hold_release(set->hold);
}

/* ---- what is seen, in a number ---- */

static uint64
add_number(uint64 hash, uint64 number)
{
	return hash_bytes_extended((const unsigned char *) &number,
							   sizeof(number), hash);
}

/* Add what a snapshot sees of a pinned chunk: which of its ranges, but for which
 * deletions.  Nothing if it sees none. */
static uint64
add_chunk(uint64 hash, const GstoreSeenChunk *seen, const GstoreSight *sight)
{
	const GstoreChunk *chunk = seen->chunk;
	uint64 result = add_number(hash, chunk->id);
	bool any = false;

	if (gstore_stamp_seen(&seen->xmax, sight))
		return hash;
	result = add_number(result, (uint64) chunk->nranges << 32 | chunk->rows);
	for (uint32 i = 0; i < chunk->nranges; i++)
	{
		bool is_seen = gstore_stamp_seen(&chunk->ranges[i].stamp, sight);

		any |= is_seen;
		if (!is_seen)
			result = add_number(result, i);
	}
	for (dsa_pointer at = seen->deletions; DsaPointerIsValid(at);)
	{
		const GstoreDeletion *deletion = dsa_get_address(gstore_dsa(), at);

		if (gstore_stamp_seen(&deletion->stamp, sight))
		{
			result = add_number(result,
								U64FromFullTransactionId(deletion->stamp.xid));
			result = add_number(result, (uint64) deletion->stamp.cid << 32 |
											deletion->rows);
			result = add_number(result, at);
		}
		at = deletion->next;
	}
	return any ? result : hash;
}

uint64
gstore_seen_chunk_signature(const GstoreSeenChunk *seen, Snapshot snapshot,
							uint64 seed)
{
	GstoreSight sight;

	gstore_sight_init(&sight, snapshot, NULL);
	return add_chunk(seed, seen, &sight);
}

uint64
gstore_seen_signature(GstoreTable *table, Snapshot snapshot, Relation relation,
					  uint64 seed)
{
	GstoreSeenSet *set = pin_set(table);
	GstoreSight sight;
	uint64 hash = seed;

	gstore_sight_init(&sight, snapshot, relation);
	for (uint32 i = 0; i < set->npinned; i++)
	{
		uint64 before = hash;

		hash = add_chunk(hash, &set->chunks[i], &sight);
		if (hash != before && gstore_chunk_is_lost(set->chunks[i].chunk))
			report_lost(table->key.table);
	}
	gstore_seen_set_release(set);
	return hash;
}

/* ---- taking away, in transaction callbacks ---- */

void
gstore_table_unlink(GstoreTable *table, GstoreChunk *chunk)
{
	dsa_pointer *list;
	uint32 i;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	/* From the end: what a transaction takes back, it added last. */
	list = dsa_get_address(gstore_dsa(), table->chunks);
	for (i = table->nchunks; i > 0 && list[i - 1] != chunk->self; i--)
		;
	if (i > 0)
	{
		memmove(&list[i - 1], &list[i],
				(table->nchunks - i) * sizeof(dsa_pointer));
		table->nchunks--;
		table->revision++;
		gstore_chunk_unlink(chunk, 1, &table->key);
	}
	LWLockRelease(&table->lock);
}

void
gstore_table_map(GstoreTable *table)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer *list;

	LWLockAcquire(&table->lock, LW_SHARED);
	if (table->nchunks > 0)
	{
		list = dsa_get_address(area, table->chunks);
		for (uint32 i = 0; i < table->nchunks; i++)
			(void) dsa_get_address(area, list[i]);
	}
	LWLockRelease(&table->lock);
}

void
gstore_table_drop(GstoreTable *table)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer *list;

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	table->dropped = true;
	if (table->nchunks > 0)
	{
		list = dsa_get_address(area, table->chunks);
		for (uint32 i = 0; i < table->nchunks; i++)
			gstore_chunk_unlink(dsa_get_address(area, list[i]), 0,
								&table->key);
		table->nchunks = 0;
	}
	gstore_shelf_close(&table->shelf, false);
	LWLockRelease(&table->lock);
}
