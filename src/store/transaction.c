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

/* One stamp of ours whose outcome is open. */
typedef struct Write
{
	GstoreWriteKind kind;
	bool by_update;
	uint32 rows;
	SubTransactionId subid; /* InvalidSubTransactionId: aborted */
	GstoreTable *table;
	GstoreChunk *chunk;
	GstoreStamp *stamp;
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
	List *drops; /* of Drop */
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

void
gstore_transaction_reserve(uint32 n)
{
	TransactionState *state = current_state();
	uint64 room = Max(64, state->room);

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
	write = &current->writes[current->nwrites++];
	write->kind = kind;
	write->rows = rows;
	write->by_update = by_update;
	write->subid = subid;
	write->table = table;
	write->chunk = chunk;
	write->stamp = stamp;
}

/* ---- the ends of transactions ---- */

/*
 * Record that a write came to nothing, and give back at once the memory of a
 * chunk of which nothing is left.  Newest first, so that lists shrink from
 * their ends.  Vectors wait for the keeper's sweep.
 */
static void
abort_write(Write *write)
{
	write->subid = InvalidSubTransactionId;
	pg_atomic_write_u32(&write->stamp->outcome, GSTORE_ABORTED);
	if (write->kind == GSTORE_WRITE_INSERT && gstore_chunk_all_aborted(write->chunk))
		gstore_table_unlink(write->table, write->chunk);
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

/*
 * An entry that an aborted transaction made belongs, as far as it can know, to
 * a table whose creation is rolled back too.
 */
static void
drop_created_entry(GstoreTable *table)
{
	if (FullTransactionIdEquals(table->creator,
								GetTopFullTransactionIdIfAny()) &&
		table->nchunks == 0)
		table->dropped = true;
}

static void
end_transaction(bool commit)
{
	ListCell *cell;

	for (uint64 i = current->nwrites; i > 0; i--)
	{
		Write *write = &current->writes[i - 1];

		if (write->subid == InvalidSubTransactionId)
			continue;
		if (!commit)
			abort_write(write);
		else
		{
			count_write(write);
			pg_atomic_write_u32(&write->stamp->outcome, GSTORE_COMMITTED);
		}
	}
	if (commit)
		unlink_deleted();
	for (uint64 i = 0; i < current->nwrites; i++)
	{
		GstoreTable *table = current->writes[i].table;

		if (commit)
			count_revision(table);
		else
			drop_created_entry(table);
	}
	foreach(cell, current->drops)
	{
		Drop *drop = lfirst(cell);

		if (commit && drop->subid != InvalidSubTransactionId)
			gstore_table_drop(drop->table);
	}
	current = NULL;
	gstore_request_wake_keeper();
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
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that changed gstore_fdw tables"),
					 errhint("COMMIT it instead.")));
			break;
		case XACT_EVENT_COMMIT:
			end_transaction(true);
			break;
		case XACT_EVENT_ABORT:
			end_transaction(false);
			break;
		default:
			break;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId mine,
				  SubTransactionId parent, void *arg)
{
	ListCell *cell;

	(void) arg;
	if (current == NULL ||
		(event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB))
		return;

	for (uint64 i = current->nwrites; i > 0; i--)
	{
		Write *write = &current->writes[i - 1];

		if (write->subid != mine)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			write->subid = parent;
		else
			abort_write(write);
	}
	foreach(cell, current->drops)
	{
		Drop *drop = lfirst(cell);

		if (drop->subid == mine)
			drop->subid = event == SUBXACT_EVENT_COMMIT_SUB ? parent : InvalidSubTransactionId;
	}
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
