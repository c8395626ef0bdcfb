/*
 * held.c
 *	  The functions behind gstore_held and gstore_progress_*: what memory nobody
 *	  needs but somebody keeps, and how far long operations are.
 *
 * Who keeps it is found in SQL, where PostgreSQL's own views know the
 * transactions; here is only which memory waits for which of them.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "share/lease.h"
#include "share/visible.h"
#include "store/progress.h"
#include "store/table.h"

/* Rows of one table that one transaction deleted, or (without xid) an image
 * that is in no table any more. */
typedef struct Dead
{
	GstoreTableKey key;
	TransactionId xid;
	TimestampTz since; /* 0: not known */
	uint64 rows;
	uint64 bytes;
} Dead;

/* ---- what is in a table and deleted ---- */

/* Rows of the same table and transaction come one after the other. */
static void
add(List **list, const GstoreTable *table, const GstoreStamp *stamp,
	uint64 rows, uint64 bytes)
{
	Dead *dead = *list == NIL ? NULL : llast(*list);
	TransactionId xid = XidFromFullTransactionId(stamp->xid);

	if (gstore_stamp_outcome(stamp) != GSTORE_COMMITTED)
		return;
	if (dead == NULL || dead->xid != xid ||
		memcmp(&dead->key, &table->key, sizeof(table->key)) != 0)
	{
		dead = palloc0(sizeof(Dead));
		dead->key = table->key;
		dead->xid = xid;
		*list = lappend(*list, dead);
	}
	dead->rows += rows;
	dead->bytes += bytes;
}

static bool
collect(GstoreTable *table, void *state)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer *list;

	LWLockAcquire(&table->lock, LW_SHARED);
	list = table->nchunks == 0 ? NULL : dsa_get_address(area, table->chunks);
	for (uint32 i = 0; i < table->nchunks; i++)
	{
		const GstoreChunk *chunk = dsa_get_address(area, list[i]);
		dsa_pointer pointer = chunk->deletions;

		if (gstore_stamp_outcome(&chunk->xmax) == GSTORE_COMMITTED)
		{
			add(state, table, &chunk->xmax, chunk->rows,
				chunk->location.length);
			continue;
		}
		while (DsaPointerIsValid(pointer))
		{
			const GstoreDeletion *deletion = dsa_get_address(area, pointer);

			add(state, table, &deletion->stamp, deletion->rows,
				(uint64) ((double) chunk->location.length * deletion->rows /
						  chunk->rows));
			pointer = deletion->next;
		}
	}
	LWLockRelease(&table->lock);
	return true;
}

/* ---- what is in none ---- */

/* Exports tell of those they keep themselves. */
static void
add_retired(List **list)
{
	int nretired;
	int nleases;
	GstoreRetired *retired = gstore_chunks_retired(&nretired);
	GstoreLease *leases = gstore_leases(&nleases);

	for (int i = 0; i < nretired; i++)
	{
		Dead *dead;
		bool is_leased = false;

		for (int j = 0; j < nleases && !is_leased; j++)
			is_leased = leases[j].chunk_id == retired[i].id;
		if (is_leased)
			continue;
		dead = palloc0(sizeof(Dead));
		dead->key = retired[i].key;
		dead->since = retired[i].since;
		dead->rows = retired[i].rows;
		dead->bytes = retired[i].bytes;
		*list = lappend(*list, dead);
	}
}

/*
 * gstore_dead(): memory that is freed once nobody needs it any more.  xid is who
 * deleted the rows, or NULL for an image that was replaced (by a merge, say)
 * while somebody read it, and since says when that was.
 */
PG_FUNCTION_INFO_V1(gstore_dead);

Datum
gstore_dead(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List *list = NIL;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	gstore_catalog_walk(false, collect, &list);
	add_retired(&list);
	foreach(cell, list)
	{
		const Dead *dead = lfirst(cell);
		Datum values[6];
		bool nulls[6] = {false};

		if (!gstore_is_visible(dead->key.database, dead->key.table))
			continue;
		values[0] = ObjectIdGetDatum(dead->key.database);
		values[1] = ObjectIdGetDatum(dead->key.table);
		nulls[2] = !TransactionIdIsValid(dead->xid);
		values[2] = TransactionIdGetDatum(dead->xid);
		nulls[3] = dead->since == 0;
		values[3] = TimestampTzGetDatum(dead->since);
		values[4] = Int64GetDatum((int64) dead->rows);
		values[5] = Int64GetDatum((int64) dead->bytes);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

/* ---- progress ---- */

static const char *const compact_phases[] = {
	[GSTORE_COMPACT_CHOOSING] = "choosing chunks",
	[GSTORE_COMPACT_READING] = "reading chunks",
	[GSTORE_COMPACT_WRITING] = "writing merged chunk",
	[GSTORE_COMPACT_SWAPPING] = "swapping chunks",
};

static const char *const load_phases[] = {
	[GSTORE_LOAD_LOCKING] = "waiting for writers",
	[GSTORE_LOAD_COPYING] = "copying rows",
	[GSTORE_LOAD_FINISHING] = "writing last chunks",
};

/* What a view shows of a place: most are numbers. */
static Datum
shown(GstoreProgressPlace place, int64 value)
{
	switch (place)
	{
		case GSTORE_COMPACT_PHASE:
			return CStringGetTextDatum(compact_phases[value]);
		case GSTORE_LOAD_PHASE:
			return CStringGetTextDatum(load_phases[value]);
		case GSTORE_LOAD_SOURCE:
			return ObjectIdGetDatum((Oid) value);
		default:
			return Int64GetDatum(value);
	}
}

/* Columns before the places. */
#define FIRST_PLACE 3

/* The view of a command, whose last place is before end. */
static Datum
report(FunctionCallInfo fcinfo, GstoreProgressCommand command,
	   GstoreProgressPlace end)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int nplaces = end % GSTORE_PROGRESS_PLACES;
	GstoreProgress *list;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	list = gstore_progress_list(command, &count);
	for (int i = 0; i < count; i++)
	{
		const GstoreProgress *progress = &list[i];
		Datum values[FIRST_PLACE + GSTORE_PROGRESS_PLACES];
		bool nulls[FIRST_PLACE + GSTORE_PROGRESS_PLACES] = {false};

		values[0] = Int32GetDatum(progress->pid);
		values[1] = ObjectIdGetDatum(progress->database);
		values[2] = ObjectIdGetDatum(progress->table);
		for (int place = 0; place < nplaces; place++)
			values[FIRST_PLACE + place] =
				shown((GstoreProgressPlace) (end - nplaces + place),
					  progress->places[place]);
		/* As PostgreSQL's own views of progress do. */
		if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) &&
			!has_privs_of_role(GetUserId(), progress->role))
			memset(&nulls[2], true, (1 + nplaces) * sizeof(bool));
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(gstore_progress_compact);

Datum
gstore_progress_compact(PG_FUNCTION_ARGS)
{
	return report(fcinfo, GSTORE_PROGRESS_COMPACT, GSTORE_COMPACT_END);
}

PG_FUNCTION_INFO_V1(gstore_progress_load);

Datum
gstore_progress_load(PG_FUNCTION_ARGS)
{
	return report(fcinfo, GSTORE_PROGRESS_LOAD, GSTORE_LOAD_END);
}
