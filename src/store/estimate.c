/*
 * estimate.c
 *	  Counting a table's rows from its stamps alone; see estimate.h.
 */
#include "postgres.h"

#include "access/xact.h"

#include "store/estimate.h"

/* Done already, or being done by this transaction? */
static bool
is_done(const GstoreStamp *stamp)
{
	GstoreOutcome outcome = gstore_stamp_outcome(stamp);

	return outcome == GSTORE_COMMITTED || outcome == GSTORE_FROZEN ||
		   (outcome == GSTORE_IN_PROGRESS &&
			TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(stamp->xid)));
}

static void
add_chunk(const GstoreChunk *chunk, GstoreTableSize *size)
{
	dsa_area *area = gstore_dsa();
	uint64 inserted = 0;
	uint64 deleted = 0;
	dsa_pointer pointer = chunk->deletions;

	for (uint32 i = 0; i < chunk->nranges; i++)
		if (is_done(&chunk->ranges[i].stamp))
			inserted += chunk->ranges[i].rows;
	while (DsaPointerIsValid(pointer))
	{
		const GstoreDeletion *deletion = dsa_get_address(area, pointer);

		if (is_done(&deletion->stamp))
			deleted += deletion->rows;
		pointer = deletion->next;
	}
	if (is_done(&chunk->xmax))
		deleted = inserted;
	deleted = Min(deleted, inserted);
	size->live += inserted - deleted;
	size->dead += deleted;
	size->bytes += chunk->image_bytes;
	if (!gstore_chunk_is_lost(chunk))
		size->memory += chunk->location.length;
	size->chunks++;
}

GstoreTableSize
gstore_table_size(GstoreTable *table)
{
	dsa_area *area = gstore_dsa();
	GstoreTableSize size = {0};
	dsa_pointer *list;

	if (table == NULL)
		return size;
	LWLockAcquire(&table->lock, LW_SHARED);
	if (table->nchunks > 0)
	{
		list = dsa_get_address(area, table->chunks);
		for (uint32 i = 0; i < table->nchunks; i++)
			add_chunk(dsa_get_address(area, list[i]), &size);
	}
	LWLockRelease(&table->lock);
	return size;
}

bool
gstore_schema_is_used(GstoreTable *table, dsa_pointer stamp)
{
	dsa_area *area = gstore_dsa();
	bool used = false;
	dsa_pointer *list;

	LWLockAcquire(&table->lock, LW_SHARED);
	list = table->nchunks == 0 ? NULL : dsa_get_address(area, table->chunks);
	for (uint32 i = 0; i < table->nchunks && !used; i++)
	{
		const GstoreChunk *chunk = dsa_get_address(area, list[i]);

		used = chunk->schema == stamp && !is_done(&chunk->xmax) &&
			   !gstore_chunk_all_aborted(chunk);
	}
	LWLockRelease(&table->lock);
	return used;
}
