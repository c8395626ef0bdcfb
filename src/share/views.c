/*
 * views.c
 *	  The functions behind gstore_devices, gstore_tables and
 *	  pgstrom.gstore_fdw_chunk_info.
 *
 * The catalogue is walked with partition locks held, so rows are collected
 * first and returned, with everything that looks at system catalogues, after.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "codec/codec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "request/devices.h"
#include "share/visible.h"
#include "store/estimate.h"

/* ---- gstore_devices ---- */

static const char *
device_state(uint32 state)
{
	switch (state)
	{
		case GSTORE_DEVICE_STARTING:
			return "starting";
		case GSTORE_DEVICE_READY:
			return "ready";
		default:
			return "lost";
	}
}

PG_FUNCTION_INFO_V1(gstore_devices_view);

Datum
gstore_devices_view(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GstoreDevices *devices;

	InitMaterializedSRF(fcinfo, 0);
	(void) gstore_dsa(); /* says what is wrong without the preload */
	devices = gstore_devices();
	for (int i = 0; i < devices->count; i++)
	{
		GstoreDeviceSlot *slot = &devices->slots[i];
		uint64 used = pg_atomic_read_u64(&slot->used);
		Datum values[10];
		bool nulls[10] = {false};

		values[0] = Int32GetDatum(slot->info.number);
		values[1] = CStringGetTextDatum(slot->info.kind);
		values[2] = CStringGetTextDatum(slot->info.name);
		nulls[3] = slot->info.uuid[0] == '\0';
		if (!nulls[3])
			values[3] = DirectFunctionCall1(uuid_in,
											CStringGetDatum(slot->info.uuid));
		nulls[4] = slot->info.compute_major == 0;
		if (!nulls[4])
			values[4] = CStringGetTextDatum(psprintf("%d.%d",
													 slot->info.compute_major,
													 slot->info.compute_minor));
		values[5] = Int64GetDatum(slot->limit);
		values[6] = Int64GetDatum(used);
		values[7] = Int64GetDatum(slot->limit > used ? slot->limit - used : 0);
		values[8] = Int32GetDatum(pg_atomic_read_u32(&slot->epoch));
		values[9] = CStringGetTextDatum(device_state(pg_atomic_read_u32(&slot->state)));
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* ---- the catalogue's contents ---- */

typedef struct ChunkRow
{
	Oid database;
	Oid table;
	uint32 revision;
	TransactionId xmin;
	TransactionId xmax;
	int pinning;
	GstoreFormat format;
	uint64 bytes;
	uint32 rows;
} ChunkRow;

typedef struct TableRow
{
	Oid table;
	GstoreTableSize size;
	uint32 revision;
	uint64 inserted;
	uint64 updated;
	uint64 deleted;
	TimestampTz last_merge;
	bool lost;
} TableRow;

typedef struct Collection
{
	bool want_chunks;
	List *rows; /* of ChunkRow or TableRow */
} Collection;

/* As system columns show it: 2 for everyone, 0 for no one. */
static TransactionId
shown_xid(const GstoreStamp *stamp)
{
	switch (gstore_stamp_outcome(stamp))
	{
		case GSTORE_UNSTAMPED:
		case GSTORE_ABORTED:
			return InvalidTransactionId;
		case GSTORE_FROZEN:
			return FrozenTransactionId;
		default:
			return XidFromFullTransactionId(stamp->xid);
	}
}

static void
collect_chunks(GstoreTable *table, Collection *collection)
{
	dsa_pointer *list = table->nchunks == 0 ? NULL : dsa_get_address(gstore_dsa(), table->chunks);

	for (uint32 i = 0; i < table->nchunks; i++)
	{
		GstoreChunk *chunk = dsa_get_address(gstore_dsa(), list[i]);
		ChunkRow *row = palloc(sizeof(ChunkRow));

		row->database = table->key.database;
		row->table = table->key.table;
		row->revision = table->revision;
		row->xmin = shown_xid(&chunk->ranges[chunk->nranges - 1].stamp);
		row->xmax = shown_xid(&chunk->xmax);
		row->pinning = chunk->pinning;
		row->format = chunk->format;
		row->bytes = chunk->image_bytes;
		row->rows = chunk->rows;
		collection->rows = lappend(collection->rows, row);
	}
}

static bool
any_lost(GstoreTable *table)
{
	dsa_pointer *list = table->nchunks == 0 ? NULL : dsa_get_address(gstore_dsa(), table->chunks);

	for (uint32 i = 0; i < table->nchunks; i++)
		if (gstore_chunk_is_lost(dsa_get_address(gstore_dsa(), list[i])))
			return true;
	return false;
}

static bool
collect(GstoreTable *table, void *state)
{
	Collection *collection = state;

	if (table->dropped)
		return true;
	if (collection->want_chunks)
	{
		LWLockAcquire(&table->lock, LW_SHARED);
		collect_chunks(table, collection);
		LWLockRelease(&table->lock);
	}
	else if (table->key.database == MyDatabaseId)
	{
		TableRow *row = palloc(sizeof(TableRow));

		row->table = table->key.table;
		row->size = gstore_table_size(table);
		row->revision = table->revision;
		row->inserted = pg_atomic_read_u64(&table->inserted);
		row->updated = pg_atomic_read_u64(&table->updated);
		row->deleted = pg_atomic_read_u64(&table->deleted);
		row->last_merge = table->last_merge;
		LWLockAcquire(&table->lock, LW_SHARED);
		row->lost = any_lost(table);
		LWLockRelease(&table->lock);
		collection->rows = lappend(collection->rows, row);
	}
	return true;
}

bool
gstore_is_visible(Oid database, Oid table)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return true;
	return database == MyDatabaseId &&
		   get_rel_relkind(table) == RELKIND_FOREIGN_TABLE &&
		   pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

PG_FUNCTION_INFO_V1(gstore_fdw_chunk_info);

Datum
gstore_fdw_chunk_info(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Collection collection = {true, NIL};
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	gstore_catalog_walk(false, collect, &collection);
	foreach(cell, collection.rows)
	{
		ChunkRow *row = lfirst(cell);
		Datum values[9];
		bool nulls[9] = {false};

		if (!gstore_is_visible(row->database, row->table))
			continue;
		values[0] = ObjectIdGetDatum(row->database);
		values[1] = ObjectIdGetDatum(row->table);
		values[2] = Int32GetDatum((int32) row->revision);
		values[3] = TransactionIdGetDatum(row->xmin);
		values[4] = TransactionIdGetDatum(row->xmax);
		values[5] = Int32GetDatum(row->pinning);
		values[6] = CStringGetTextDatum(gstore_codec(row->format)->name);
		values[7] = Int64GetDatum(row->bytes);
		values[8] = Int64GetDatum(row->rows);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(gstore_tables);

Datum
gstore_tables(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Collection collection = {false, NIL};
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	gstore_catalog_walk(false, collect, &collection);
	foreach(cell, collection.rows)
	{
		TableRow *row = lfirst(cell);
		Datum values[12];
		bool nulls[12] = {false};

		if (!gstore_is_visible(MyDatabaseId, row->table))
			continue;
		values[0] = ObjectIdGetDatum(row->table);
		values[1] = Int64GetDatum(row->size.live);
		values[2] = Int64GetDatum(row->size.dead);
		values[3] = Int32GetDatum(row->size.chunks);
		values[4] = Int64GetDatum(row->size.bytes);
		values[5] = Int64GetDatum(row->size.memory);
		values[6] = Int32GetDatum((int32) row->revision);
		values[7] = Int64GetDatum(row->inserted);
		values[8] = Int64GetDatum(row->updated);
		values[9] = Int64GetDatum(row->deleted);
		nulls[10] = row->last_merge == 0;
		values[10] = TimestampTzGetDatum(row->last_merge);
		values[11] = CStringGetTextDatum(row->lost ? "lost" : "ready");
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
