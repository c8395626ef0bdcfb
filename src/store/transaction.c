/*
 * transaction.c
 *	  Recording outcomes when (sub)transactions end, and freeing what a
 *	  committed DROP leaves; see transaction.h.
 *
 * The callbacks must neither allocate nor raise: everything they need is put
 * down beforehand, in TopTransactionContext.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "guc.h"
#include "request/request.h"
#include "store/table.h"
#include "store/transaction.h"

/*
 * One change of ours whose outcome is open.  It has a pin on its chunk: as soon
 * as outcomes are recorded others may take the chunk away.
 */
typedef struct Write
{
	GstoreWriteKind kind;
	bool by_update;
	uint32 rows;
	SubTransactionId subid; /* InvalidSubTransactionId: aborted */
	GstoreTable *table;
	GstoreChunk *chunk;
	GstoreStamp *stamp; /* NULL: those of the chunk's ranges */
} Write;

/* A table to be dropped if the transaction commits. */
typedef struct Drop
{
	SubTransactionId subid; /* InvalidSubTransactionId: aborted */
	GstoreTable *table;
} Drop;

typedef struct TransactionState
{
	Write *writes;
	uint64 nwrites;
	uint64 room;
	List *drops;	/* of Drop */
	List *created;	/* of GstoreTable: entries this transaction made */
	uint64 *starts; /* [nlevels] writes there were when the subtransaction of
					 * a nesting level began, at most */
	int nlevels;
} TransactionState;

/* NULL: this transaction did nothing to gstore tables yet. */
static TransactionState *current;
static object_access_hook_type next_object_access_hook;

static TransactionState *
current_state(void)
{
	if (current == NULL)
		current = MemoryContextAllocZero(TopTransactionContext,
										 sizeof(TransactionState));
	return current;
}

/* Remember the entry if this transaction made it. */
static void
note_created(TransactionState *state, GstoreTable *table)
{
	MemoryContext old;

	if (!FullTransactionIdEquals(table->creator,
								 GetTopFullTransactionIdIfAny()) ||
		list_member_ptr(state->created, table))
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	state->created = lappend(state->created, table);
	MemoryContextSwitchTo(old);
}

void
gstore_transaction_reserve(GstoreTable *table, uint32 n)
{
	TransactionState *state = current_state();
	uint64 room = Max(8, state->room);

	note_created(state, table);
	while (room < state->nwrites + n)
		room *= 2;
	if (room == state->room)
		return;
	if (state->writes == NULL)
		state->writes = MemoryContextAllocHuge(TopTransactionContext,
											   room * sizeof(Write));
	else
		state->writes = repalloc_huge(state->writes, room * sizeof(Write));
	state->room = room;
}

void
gstore_transaction_record(GstoreWriteKind kind, GstoreTable *table,
						  GstoreChunk *chunk, GstoreStamp *stamp, uint32 rows,
						  bool by_update, SubTransactionId subid)
{
	Write *write;

	Assert(current != NULL && current->nwrites < current->room);
	gstore_chunk_pin(chunk);
	write = &current->writes[current->nwrites++];
	write->kind = kind;
	write->by_update = by_update;
	write->rows = rows;
	write->subid = subid;
	write->table = table;
	write->chunk = chunk;
	write->stamp = stamp;
}

/* ---- joining chunks ---- */

/* Records looked through at most, so that a transaction which changes other
 * tables by many statements does not pay for it. */
#define MOST_RECORDS 1024

int
gstore_transaction_latest(const GstoreTable *table, GstoreChunk **chunks,
						  int most)
{
	SubTransactionId subid = GetCurrentSubTransactionId();
	uint64 end = current->nwrites > MOST_RECORDS ? current->nwrites - MOST_RECORDS : 0;
	bool by_update = false;
	int n = 0;

	for (uint64 i = current->nwrites; i > end && n < most; i--)
	{
		const Write *write = &current->writes[i - 1];

		if (write->table != table || write->subid == InvalidSubTransactionId)
			continue;
		if (write->kind != GSTORE_WRITE_INSERT)
			continue;
		if (write->subid != subid || (n > 0 && write->by_update != by_update))
			break;
		by_update = write->by_update;
		chunks[n++] = write->chunk;
	}
	return n;
}

/* All are the current subtransaction's, so no other one's records move past
 * where it began. */
void
gstore_transaction_replace(GstoreChunk *const *chunks, int n,
						   GstoreChunk *joined)
{
	uint64 first = current->nwrites;
	uint64 kept;
	int left = n;

	while (left > 0)
	{
		Assert(first > 0);
		if (current->writes[--first].kind == GSTORE_WRITE_INSERT &&
			current->writes[first].chunk == chunks[n - left])
			left--;
	}

	/* The oldest one's record becomes the joined chunk's. */
	gstore_chunk_pin(joined);
	current->writes[first].chunk = joined;
	current->writes[first].rows = joined->rows;
	gstore_chunk_unpin(chunks[n - 1]);
	kept = first + 1;
	left = n - 1;
	for (uint64 i = kept; i < current->nwrites; i++)
		if (left > 0 && current->writes[i].kind == GSTORE_WRITE_INSERT &&
			current->writes[i].chunk == chunks[left - 1])
			gstore_chunk_unpin(chunks[--left]);
		else
			current->writes[kept++] = current->writes[i];
	current->nwrites = kept;
}

/* ---- the ends of transactions ---- */

static void
record_outcome(const Write *write, GstoreOutcome outcome)
{
	if (write->kind != GSTORE_WRITE_INSERT)
		pg_atomic_write_u32(&write->stamp->outcome, outcome);
	else
		for (uint32 i = 0; i < write->chunk->nranges; i++)
			pg_atomic_write_u32(&write->chunk->ranges[i].stamp.outcome,
								outcome);
}

/* Nothing of the write is looked at after this. */
static void
forget_write(Write *write)
{
	write->subid = InvalidSubTransactionId;
	gstore_chunk_unpin(write->chunk);
}

/*
 * Record that a write came to nothing, and give back at once the memory of a
 * chunk of which nothing is left.  Newest first, so that lists shrink from
 * their ends.  Vectors wait for the maintenance worker's sweep.
 */
static void
abort_write(Write *write)
{
	record_outcome(write, GSTORE_ABORTED);
	if (write->kind == GSTORE_WRITE_INSERT &&
		gstore_chunk_all_aborted(write->chunk))
		gstore_table_unlink(write->table, write->chunk);
	forget_write(write);
}

/* What a committed write adds to the table's counters. */
static void
count_write(const Write *write)
{
	GstoreTable *table = write->table;

	if (write->kind == GSTORE_WRITE_INSERT && !write->by_update)
		pg_atomic_fetch_add_u64(&table->inserted, write->rows);
	else if (write->kind != GSTORE_WRITE_INSERT)
		pg_atomic_fetch_add_u64(write->by_update ? &table->updated : &table->deleted,
								write->rows);
}

/*
 * What the transaction deleted for good goes at once: mostly nobody else is
 * looking any more.  Only after every outcome is recorded, since stamps go with
 * their chunks.
 */
static void
unlink_deleted(void)
{
	FullTransactionId horizon = InvalidFullTransactionId;

	for (uint64 i = 0; i < current->nwrites; i++)
	{
		Write *write = &current->writes[i];

		if (write->kind != GSTORE_WRITE_DELETE_ALL ||
			write->subid == InvalidSubTransactionId)
			continue;
		if (!FullTransactionIdIsValid(horizon))
			horizon = gstore_horizon();
		if (gstore_stamp_seen_by_all(write->stamp, horizon))
			gstore_table_unlink(write->table, write->chunk);
	}
}

/* What the table shows to others has changed. */
static void
count_revision(GstoreTable *table)
{
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	table->revision++;
	LWLockRelease(&table->lock);
}

static void
commit_writes(void)
{
	for (uint64 i = current->nwrites; i > 0; i--)
	{
		Write *write = &current->writes[i - 1];

		if (write->subid == InvalidSubTransactionId)
			continue;
		count_write(write);
		record_outcome(write, GSTORE_COMMITTED);
		if (i == current->nwrites || write->table != write[1].table)
			count_revision(write->table);
	}
	unlink_deleted();
	for (uint64 i = current->nwrites; i > 0; i--)
		if (current->writes[i - 1].subid != InvalidSubTransactionId)
			forget_write(&current->writes[i - 1]);
}

/*
 * An entry that an aborted transaction made belongs, as far as it can know, to
 * a table whose creation is rolled back too.  Once marked it may be freed.
 */
static void
forget_created(void)
{
	ListCell *cell;

	foreach(cell, current->created)
	{
		GstoreTable *table = lfirst(cell);

		if (table->nchunks == 0)
			table->dropped = true;
	}
}

static void
abort_writes(void)
{
	for (uint64 i = current->nwrites; i > 0; i--)
		if (current->writes[i - 1].subid != InvalidSubTransactionId)
			abort_write(&current->writes[i - 1]);
	forget_created();
}

static void
commit_drops(void)
{
	ListCell *cell;

	foreach(cell, current->drops)
	{
		Drop *drop = lfirst(cell);

		if (drop->subid != InvalidSubTransactionId)
			gstore_table_drop(drop->table);
	}
}

/* A transaction that wrote to a device that is gone must not commit. */
static void
check_devices(void)
{
	for (uint64 i = 0; i < current->nwrites; i++)
	{
		Write *write = &current->writes[i];

		if (write->subid != InvalidSubTransactionId &&
			write->kind == GSTORE_WRITE_INSERT &&
			gstore_chunk_is_lost(write->chunk))
			ereport(ERROR,
					(errcode(ERRCODE_IO_ERROR),
					 errmsg("rows written to foreign table \"%s\" are lost",
							get_rel_name(write->table->key.table)),
					 errdetail("The device that held them failed before the transaction committed."),
					 errhint("Repeat the transaction once gstore_devices shows the device as ready.")));
	}
}

/* Only what was rolled back with its subtransaction can be prepared. */
static void
check_prepare(void)
{
	bool changed = false;
	ListCell *cell;

	for (uint64 i = 0; i < current->nwrites; i++)
		changed |= current->writes[i].subid != InvalidSubTransactionId;
	foreach(cell, current->drops)
		changed |= ((Drop *) lfirst(cell))->subid != InvalidSubTransactionId;
	if (changed)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that changed gstore_fdw tables"),
				 errhint("COMMIT it instead.")));
}

static void
on_transaction(XactEvent event, void *arg)
{
	(void) arg;
	if (current == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			check_devices();
			break;
		case XACT_EVENT_PRE_PREPARE:
			check_prepare();
			break;
		case XACT_EVENT_PREPARE:
			forget_created();
			current = NULL;
			break;
		case XACT_EVENT_COMMIT:
			commit_writes();
			commit_drops();
			current = NULL;
			break;
		case XACT_EVENT_ABORT:
			abort_writes();
			current = NULL;
			break;
		default:
			break;
	}
}

/* So many writes were there when the current subtransaction began: only those
 * after them can be its own. */
static void
note_start(void)
{
	int level = GetCurrentTransactionNestLevel();

	if (level >= current->nlevels)
	{
		int nlevels = Max(16, level * 2);
		uint64 *starts = MemoryContextAllocZero(TopTransactionContext,
												nlevels * sizeof(uint64));

		if (current->nlevels > 0)
			memcpy(starts, current->starts,
				   current->nlevels * sizeof(uint64));
		current->starts = starts;
		current->nlevels = nlevels;
	}
	current->starts[level] = current->nwrites;
}

static void
end_subtransaction(bool commit, SubTransactionId mine, SubTransactionId parent)
{
	int level = GetCurrentTransactionNestLevel();
	uint64 start = level < current->nlevels ? current->starts[level] : 0;
	ListCell *cell;

	for (uint64 i = current->nwrites; i > start; i--)
	{
		Write *write = &current->writes[i - 1];

		if (write->subid != mine)
			continue;
		if (commit)
			write->subid = parent;
		else
			abort_write(write);
	}
	while (current->nwrites > start &&
		   current->writes[current->nwrites - 1].subid ==
			   InvalidSubTransactionId)
		current->nwrites--;
	foreach(cell, current->drops)
	{
		Drop *drop = lfirst(cell);

		if (drop->subid == mine)
			drop->subid = commit ? parent : InvalidSubTransactionId;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId mine,
				  SubTransactionId parent, void *arg)
{
	(void) arg;
	if (current == NULL)
		return;
	if (event == SUBXACT_EVENT_START_SUB)
		note_start();
	else if (event == SUBXACT_EVENT_COMMIT_SUB ||
			 event == SUBXACT_EVENT_ABORT_SUB)
		end_subtransaction(event == SUBXACT_EVENT_COMMIT_SUB, mine, parent);
}

/* ---- drops ---- */

/* Put down that the table goes if the transaction commits, with all the
 * commit callback will touch mapped. */
static void
note_drop(GstoreTable *table)
{
	TransactionState *state = current_state();
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Drop *drop = palloc(sizeof(Drop));

	drop->subid = GetCurrentSubTransactionId();
	drop->table = table;
	state->drops = lappend(state->drops, drop);
	MemoryContextSwitchTo(old);
	gstore_table_map(table);
}

typedef struct DatabaseTables
{
	Oid database;
	List *tables;
} DatabaseTables;

static bool
collect_database_table(GstoreTable *table, void *state)
{
	DatabaseTables *found = state;

	if (table->key.database == found->database && !table->dropped)
		found->tables = lappend(found->tables, table);
	return true;
}

/* Nobody is connected to it, so its tables stay what they are until commit. */
static void
note_database_drop(Oid database)
{
	DatabaseTables found = {database, NIL};
	ListCell *cell;

	gstore_catalog_walk(false, collect_database_table, &found);
	foreach(cell, found.tables)
		note_drop(lfirst(cell));
}

static void
on_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
				 int sub_id, void *arg)
{
	if (next_object_access_hook)
		next_object_access_hook(access, class_id, object_id, sub_id, arg);

	if (access != OAT_DROP || !gstore_preloaded || sub_id != 0)
		return;
	if (class_id == RelationRelationId &&
		get_rel_relkind(object_id) == RELKIND_FOREIGN_TABLE)
	{
		GstoreTable *table = gstore_table_find(object_id);

		if (table != NULL)
			note_drop(table);
	}
	else if (class_id == DatabaseRelationId)
		note_database_drop(object_id);
}

void
gstore_transaction_init(void)
{
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
	next_object_access_hook = object_access_hook;
	object_access_hook = on_object_access;
}
