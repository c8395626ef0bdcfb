/*
 * publish.h
 *	  Putting a filled chunk on its table's list.
 */
#ifndef GSTORE_PUBLISH_H
#define GSTORE_PUBLISH_H

#include "store/table.h"

/*
 * Link a filled chunk (see gstore_chunk_create) as the table's last, give it
 * its row addresses, and record it with the transaction, for the subtransaction
 * subid.  The chunk's hold ends.  The caller holds the writer lock.  Raises
 * 54000 when the table's row addresses are used up.
 */
extern void gstore_table_publish(GstoreTable *table, GstoreChunk *chunk,
								 GstoreHold *hold, bool by_update,
								 SubTransactionId subid);

#endif
