/*
 * deleter.c
 *	  Deleting rows by deletion vectors; see deleter.h.
 *
 * A statement's deletions of one chunk become one vector.  Nothing of the
 * image is touched.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "fault.h"
#include "store/deleter.h"
#include "store/pending.h"
#include "store/transaction.h"

/* What a deleter knows of a chunk it deletes from.  Bitmaps are over the
 * chunk's rows, LSB first, NULL while empty. */
typedef struct Victim
{
	uint32 *rows; /* staged row numbers */
	uint32 nrows;
	uint32 room;
	bool sorted;		/* rows ascends */
	dsa_pointer looked; /* deletions when the bitmaps were made */
	uint8 *ours;		/* deleted by this command */
	uint8 *later;		/* deleted by a later command of ours */
	uint8 *theirs;		/* deleted by someone unseen */
} Victim;

struct GstoreDeleter
{
	GstorePending pending;
	MemoryContext context;
	const GstoreTarget *target;
	GstoreTable *table;
	GstoreSeenSet *set;
	GstoreSight sight;
	bool by_update;
	FullTransactionId xid;
	CommandId cid;
	SubTransactionId subid;
	uint64 staged;		/* rows not yet flushed, of all victims */
	Victim **victims;	/* [set->nchunks], NULL: untouched */
	uint32 *by_address; /* chunk numbers in order of first_row */
};

static void
flush_pending(void *state)
{
	gstore_deleter_flush(state);
}

static int
compare_addresses(const void *a, const void *b, void *arg)
{
	const GstoreSeenChunk *chunks = arg;
	uint64 left = chunks[*(const uint32 *) a].chunk->first_row;
	uint64 right = chunks[*(const uint32 *) b].chunk->first_row;

	return left < right ? -1 : left > right;
}

GstoreDeleter *
gstore_deleter_begin(const GstoreTarget *target, GstoreSeenSet *set,
					 Snapshot snapshot, bool by_update)
{
	GstoreDeleter *deleter = palloc0(sizeof(GstoreDeleter));
	Size n = Max(1, set->nchunks);

	deleter->context = CurrentMemoryContext;
	deleter->target = target;
	deleter->table = gstore_table_find(target->relid);
	deleter->set = set;
	gstore_sight_init(&deleter->sight, snapshot, NULL);
	deleter->by_update = by_update;
	deleter->xid = GetCurrentFullTransactionId();
	deleter->cid = GetCurrentCommandId(true);
	deleter->subid = GetCurrentSubTransactionId();
	deleter->victims = palloc0(n * sizeof(Victim *));
	deleter->by_address = palloc(n * sizeof(uint32));
	for (uint32 i = 0; i < set->nchunks; i++)
		deleter->by_address[i] = i;
	qsort_arg(deleter->by_address, set->nchunks, sizeof(uint32),
			  compare_addresses, set->chunks);
	gstore_pending_add(&deleter->pending, target->relid, flush_pending,
					   deleter);
	return deleter;
}

/* The number in the set of the chunk that has the address. */
static uint32
find_chunk(const GstoreDeleter *deleter, uint64 address)
{
	const GstoreSeenChunk *chunks = deleter->set->chunks;
	uint32 low = 0;
	uint32 high = deleter->set->nchunks;

	while (low < high)
	{
		uint32 middle = low + (high - low) / 2;
		const GstoreChunk *chunk = chunks[deleter->by_address[middle]].chunk;

		if (address < chunk->first_row)
			high = middle;
		else if (address - chunk->first_row >= chunk->rows)
			low = middle + 1;
		else
			return deleter->by_address[middle];
	}
	elog(ERROR, "row address " UINT64_FORMAT " is in no chunk of foreign table \"%s\"",
		 address, deleter->target->relname);
}

/* ---- who deleted what meanwhile ---- */

static bool
test_bit(const uint8 *bitmap, uint32 row)
{
	return bitmap != NULL && (bitmap[row / 8] & (1 << (row % 8))) != 0;
}

static void
set_bit(uint8 *bitmap, uint32 row)
{
	bitmap[row / 8] |= 1 << (row % 8);
}

static uint8 *
need_bitmap(GstoreDeleter *deleter, uint8 **bitmap, const GstoreChunk *chunk)
{
	if (*bitmap == NULL)
		*bitmap = gstore_empty_bitmap(deleter->context, chunk->rows);
	return *bitmap;
}

static void
add_deletion(uint8 *bitmap, const GstoreDeletion *deletion,
			 const GstoreChunk *chunk)
{
	for (uint32 i = 0; i < (deletion->is_bitmap ? chunk->rows : deletion->rows); i++)
		if (!deletion->is_bitmap)
			set_bit(bitmap, deletion->list[i]);
		else if (test_bit((const uint8 *) deletion->list, i))
			set_bit(bitmap, i);
}

/*
 * Sort the deletions our snapshot does not see by whose they are.  The chunk
 * is pinned and we hold the writer lock: only this backend adds vectors, and
 * none is removed.
 */
static void
look_at_deletions(GstoreDeleter *deleter, Victim *victim,
				  const GstoreChunk *chunk)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer pointer;

	for (pointer = chunk->deletions; DsaPointerIsValid(pointer) &&
									 pointer != victim->looked;)
	{
		const GstoreDeletion *deletion = dsa_get_address(area, pointer);
		const GstoreStamp *stamp = &deletion->stamp;
		uint8 **bitmap;

		pointer = deletion->next;
		if (gstore_stamp_outcome(stamp) == GSTORE_ABORTED ||
			gstore_stamp_seen(stamp, &deleter->sight))
			continue;
		if (!TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(stamp->xid)))
			bitmap = &victim->theirs;
		else
			bitmap = stamp->cid == deleter->cid ? &victim->ours : &victim->later;
		add_deletion(need_bitmap(deleter, bitmap, chunk), deletion, chunk);
	}
	victim->looked = chunk->deletions;
}

static void
refuse_later(const GstoreDeleter *deleter)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("tuple to be %s was already modified by an operation triggered by the current command",
					deleter->by_update ? "updated" : "deleted"),
			 errhint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")));
}

void
gstore_deleter_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/* The whole chunk may have gone since our snapshot: by one of our own later
 * commands, or under REPEATABLE READ by someone else. */
static void
check_xmax(const GstoreDeleter *deleter, const GstoreChunk *chunk)
{
	const GstoreStamp *xmax = &chunk->xmax;
	GstoreOutcome outcome = gstore_stamp_outcome(xmax);

	if (outcome == GSTORE_UNSTAMPED || outcome == GSTORE_ABORTED)
		return;
	if (TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(xmax->xid)))
		refuse_later(deleter);
	gstore_deleter_refuse();
}

static Victim *
find_victim(GstoreDeleter *deleter, uint32 number, const GstoreChunk *chunk)
{
	Victim *victim = deleter->victims[number];

	if (victim == NULL)
	{
		victim = MemoryContextAllocZero(deleter->context, sizeof(Victim));
		victim->looked = InvalidDsaPointer;
		victim->sorted = true;
		deleter->victims[number] = victim;
	}
	check_xmax(deleter, chunk);
	if (chunk->deletions != victim->looked)
		look_at_deletions(deleter, victim, chunk);
	return victim;
}

/* ---- staging and flushing ---- */

bool
gstore_deleter_add(GstoreDeleter *deleter, uint64 row_address)
{
	uint32 number = find_chunk(deleter, row_address);
	const GstoreChunk *chunk = deleter->set->chunks[number].chunk;
	uint32 row = row_address - chunk->first_row;
	Victim *victim;

	/* Another node of the statement may have met the row. */
	gstore_pending_flush_others(&deleter->pending);
	victim = find_victim(deleter, number, chunk);

	if (test_bit(victim->ours, row))
		return false;
	if (test_bit(victim->later, row))
		refuse_later(deleter);
	if (test_bit(victim->theirs, row))
		gstore_deleter_refuse();

	if (victim->nrows == victim->room)
	{
		uint32 room = Max(64, victim->room * 2);

		victim->rows = victim->rows == NULL ? MemoryContextAllocHuge(deleter->context, room * sizeof(uint32)) : repalloc_huge(victim->rows, room * sizeof(uint32));
		victim->room = room;
	}
	if (victim->nrows > 0 && victim->rows[victim->nrows - 1] > row)
		victim->sorted = false;
	victim->rows[victim->nrows++] = row;
	deleter->staged++;
	set_bit(need_bitmap(deleter, &victim->ours, chunk), row);
	return true;
}

bool
gstore_deleter_is_changed(GstoreDeleter *deleter, uint64 row_address)
{
	uint32 number = find_chunk(deleter, row_address);
	const GstoreChunk *chunk = deleter->set->chunks[number].chunk;
	const GstoreStamp *xmax = &chunk->xmax;
	GstoreOutcome outcome = gstore_stamp_outcome(xmax);
	Victim *victim;

	if (outcome != GSTORE_UNSTAMPED && outcome != GSTORE_ABORTED)
		return !TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(xmax->xid));
	victim = find_victim(deleter, number, chunk);
	return test_bit(victim->theirs, row_address - chunk->first_row);
}

static int
compare_rows(const void *a, const void *b)
{
	uint32 left = *(const uint32 *) a;
	uint32 right = *(const uint32 *) b;

	return left < right ? -1 : left > right;
}

/* Link a vector of the staged rows of one chunk. */
static void
flush_victim(GstoreDeleter *deleter, Victim *victim, GstoreChunk *chunk)
{
	dsa_area *area = gstore_dsa();
	Size bitmap_bytes = ((Size) chunk->rows + 7) / 8;
	Size list_bytes = victim->nrows * sizeof(uint32);
	bool is_bitmap = bitmap_bytes < list_bytes;
	dsa_pointer pointer;
	GstoreDeletion *deletion;

	gstore_transaction_reserve(deleter->table, 1);
	pointer = dsa_allocate_extended(area, offsetof(GstoreDeletion, list) + Min(bitmap_bytes, list_bytes),
									DSA_ALLOC_HUGE | DSA_ALLOC_ZERO);
	deletion = dsa_get_address(area, pointer);
	deletion->self = pointer;
	deletion->rows = victim->nrows;
	deletion->is_bitmap = is_bitmap;
	if (!victim->sorted && !is_bitmap)
		qsort(victim->rows, victim->nrows, sizeof(uint32), compare_rows);
	if (is_bitmap)
		for (uint32 i = 0; i < victim->nrows; i++)
			set_bit((uint8 *) deletion->list, victim->rows[i]);
	else
		memcpy(deletion->list, victim->rows, list_bytes);
	gstore_stamp_set(&deletion->stamp, deleter->xid, deleter->cid);

	LWLockAcquire(&deleter->table->lock, LW_EXCLUSIVE);
	deletion->next = chunk->deletions;
	chunk->deletions = pointer;
	deleter->table->revision++;
	LWLockRelease(&deleter->table->lock);
	gstore_transaction_record(GSTORE_WRITE_DELETE, deleter->table, chunk,
							  &deletion->stamp, deletion->rows,
							  deleter->by_update, deleter->subid);

	/* Its rows are in `ours' already. */
	if (victim->looked == deletion->next)
		victim->looked = pointer;
	victim->nrows = 0;
	victim->sorted = true;
}

void
gstore_deleter_flush(GstoreDeleter *deleter)
{
	if (deleter->staged == 0)
		return;
	for (uint32 i = 0; i < deleter->set->nchunks; i++)
	{
		Victim *victim = deleter->victims[i];

		if (victim == NULL || victim->nrows == 0)
			continue;
		GSTORE_FAULT_POINT("deleter-before-publish");
		flush_victim(deleter, victim, deleter->set->chunks[i].chunk);
		GSTORE_FAULT_POINT("deleter-after-publish");
	}
	deleter->staged = 0;
}

void
gstore_deleter_end(GstoreDeleter *deleter)
{
	gstore_deleter_flush(deleter);
	gstore_pending_remove(&deleter->pending);
}

/* ---- everything ---- */

/* Mark a chunk as deleted by this transaction; its table is locked, and there
 * is room to record it. */
static void
mark_deleted(GstoreTable *table, GstoreChunk *chunk, uint64 rows,
			 FullTransactionId xid, CommandId cid)
{
	gstore_stamp_set(&chunk->xmax, xid, cid);
	gstore_transaction_record(GSTORE_WRITE_DELETE_ALL, table, chunk,
							  &chunk->xmax, rows, false,
							  GetCurrentSubTransactionId());
}

/* Did someone we do not see, or a later command of ours, delete a row that we
 * do see? */
static void
check_rows(const Victim *victim, const GstoreSeenChunk *seen,
		   const GstoreDeleter *deleter)
{
	for (uint32 row = 0; row < seen->chunk->rows; row++)
	{
		if (test_bit(seen->hidden, row))
			continue;
		if (test_bit(victim->later, row))
			refuse_later(deleter);
		if (test_bit(victim->theirs, row))
			gstore_deleter_refuse();
	}
}

uint64
gstore_delete_seen(const GstoreTarget *target, GstoreSeenSet *set,
				   Snapshot snapshot)
{
	GstoreDeleter *deleter;
	uint64 deleted = 0;

	if (set->nchunks == 0)
		return 0;
	deleter = gstore_deleter_begin(target, set, snapshot, false);
	gstore_transaction_reserve(deleter->table, set->nchunks);
	for (uint32 i = 0; i < set->nchunks; i++)
	{
		GstoreSeenChunk *seen = &set->chunks[i];
		Victim *victim = find_victim(deleter, i, seen->chunk);

		if (victim->later != NULL || victim->theirs != NULL)
			check_rows(victim, seen, deleter);
	}
	LWLockAcquire(&deleter->table->lock, LW_EXCLUSIVE);
	for (uint32 i = 0; i < set->nchunks; i++)
	{
		mark_deleted(deleter->table, set->chunks[i].chunk,
					 set->chunks[i].seen_rows, deleter->xid, deleter->cid);
		deleted += set->chunks[i].seen_rows;
	}
	deleter->table->revision++;
	LWLockRelease(&deleter->table->lock);
	gstore_pending_remove(&deleter->pending);
	return deleted;
}

void
gstore_delete_all(Oid relid)
{
	dsa_area *area = gstore_dsa();
	GstoreTable *table;
	FullTransactionId xid;
	CommandId cid;
	dsa_pointer *list;

	gstore_pending_flush(relid);
	table = gstore_table_find(relid);
	if (table == NULL || table->nchunks == 0)
		return;
	xid = GetCurrentFullTransactionId();
	cid = GetCurrentCommandId(true);

	/* Nobody else adds chunks: the list can only get shorter. */
	gstore_transaction_reserve(table, table->nchunks);
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	list = dsa_get_address(area, table->chunks);
	for (uint32 i = 0; i < table->nchunks; i++)
	{
		GstoreChunk *chunk = dsa_get_address(area, list[i]);
		GstoreOutcome outcome = gstore_stamp_outcome(&chunk->xmax);

		if (outcome != GSTORE_UNSTAMPED && outcome != GSTORE_ABORTED)
			continue;
		mark_deleted(table, chunk, chunk->rows, xid, cid);
	}
	table->revision++;
	LWLockRelease(&table->lock);
}
