/*
 * publish.c
 *	  Putting a filled chunk on its table's list; see publish.h.
 *
 * The one place where the list grows and the transaction is told: table.c
 * knows nothing of transactions, which take from its lists when they end.
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "store/publish.h"
#include "store/transaction.h"

/* Make room for one more chunk in the list; only the writer makes it grow. */
static void
reserve_place(GstoreTable *table)
{
	dsa_area *area = gstore_dsa();
	uint32 capacity = Max(16, table->capacity * 2);
	dsa_pointer larger;
	dsa_pointer smaller = table->chunks;

	if (table->nchunks < table->capacity)
		return;

	larger = dsa_allocate_extended(area, capacity * sizeof(dsa_pointer),
								   DSA_ALLOC_HUGE);
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	if (table->nchunks > 0)
		memcpy(dsa_get_address(area, larger), dsa_get_address(area, smaller),
			   table->nchunks * sizeof(dsa_pointer));
	table->chunks = larger;
	table->capacity = capacity;
	LWLockRelease(&table->lock);
	if (DsaPointerIsValid(smaller))
		dsa_free(area, smaller);
}

void
gstore_table_publish(GstoreTable *table, GstoreChunk *chunk, GstoreHold *hold,
					 bool by_update, SubTransactionId subid)
{
	dsa_pointer *list;

	if (table->next_row + chunk->rows > GSTORE_MAX_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the row addresses of foreign table \"%s\" are used up",
						get_rel_name(table->key.table)),
				 errhint("Create the table anew and copy its rows.")));
	reserve_place(table);
	gstore_transaction_reserve(table, 1);

	list = dsa_get_address(gstore_dsa(), table->chunks);
	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	chunk->first_row = table->next_row;
	table->next_row += chunk->rows;
	list[table->nchunks++] = chunk->self;
	table->revision++;
	LWLockRelease(&table->lock);

	gstore_transaction_record(GSTORE_WRITE_INSERT, table, chunk, NULL,
							  chunk->rows, by_update, subid);
	gstore_hold_forget(hold);
}
