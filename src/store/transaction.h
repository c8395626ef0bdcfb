/*
 * transaction.h
 *	  What the running transaction did to gstore tables, and what becomes of it
 *	  when it, or a subtransaction, ends.
 */
#ifndef GSTORE_TRANSACTION_H
#define GSTORE_TRANSACTION_H

#include "store/chunk.h"

typedef enum GstoreWriteKind
{
	GSTORE_WRITE_INSERT,	/* a range of a chunk */
	GSTORE_WRITE_DELETE,	/* a deletion vector */
	GSTORE_WRITE_DELETE_ALL /* a chunk's xmax */
} GstoreWriteKind;

/* _PG_init: register the callbacks and the drop hook. */
extern void gstore_transaction_init(void);

/* Make room for n more records of changes of a table, so that recording cannot
 * fail. */
extern void gstore_transaction_reserve(GstoreTable *table, uint32 n);
/* by_update: the rows count as updated, not as deleted and inserted. */
extern void gstore_transaction_record(GstoreWriteKind kind,
									  GstoreTable *table, GstoreChunk *chunk,
									  GstoreStamp *stamp, uint32 rows,
									  bool by_update, SubTransactionId subid);

#endif
