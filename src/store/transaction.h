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
	GSTORE_WRITE_INSERT,	/* a chunk, all ranges of it */
	GSTORE_WRITE_DELETE,	/* a deletion vector */
	GSTORE_WRITE_DELETE_ALL /* a chunk's xmax */
} GstoreWriteKind;

/* _PG_init: register the callbacks and the drop hook. */
extern void gstore_transaction_init(void);

/* Make room for n more records of changes of a table, so that recording cannot
 * fail. */
extern void gstore_transaction_reserve(GstoreTable *table, uint32 n);
/* stamp: whose outcome it is; NULL for an insertion, which has a chunk's ranges.
 * by_update: the rows count as updated, not as deleted and inserted. */
extern void gstore_transaction_record(GstoreWriteKind kind,
									  GstoreTable *table, GstoreChunk *chunk,
									  GstoreStamp *stamp, uint32 rows,
									  bool by_update, SubTransactionId subid);

/*
 * The latest chunks of a table that the current subtransaction inserted, newest
 * first and at most that many.  They all count as updated, or none does.
 */
extern int gstore_transaction_latest(const GstoreTable *table,
									 GstoreChunk **chunks, int most);
/* They are one chunk now, which gets a pin as each of them had.  Neither raises
 * nor allocates. */
extern void gstore_transaction_replace(GstoreChunk *const *chunks, int n,
									   GstoreChunk *joined);

#endif
