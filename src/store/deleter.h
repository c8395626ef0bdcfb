/*
 * deleter.h
 *	  Row numbers of one statement on their way into deletion vectors.
 */
#ifndef GSTORE_DELETER_H
#define GSTORE_DELETER_H

#include "store/table.h"
#include "store/writer.h"

typedef struct GstoreDeleter GstoreDeleter;

/*
 * A deleter for the current subtransaction and command, of rows that a scan of
 * set found; the caller holds the writer lock, and set lives as long.  It goes
 * with the current memory context, as do rows not flushed by then.
 */
extern GstoreDeleter *gstore_deleter_begin(const GstoreTarget *target,
										   GstoreSeenSet *set,
										   Snapshot snapshot, bool by_update);
/*
 * Delete a row.  False: this command deleted it already, so the row is to be
 * passed over, as the heap does.  Raises 27000 if a later command of this
 * transaction changed the row (a trigger or function of the statement), 40001
 * if somebody changed it whom the snapshot does not see.
 */
extern bool gstore_deleter_add(GstoreDeleter *deleter, uint64 row_address);
extern void gstore_deleter_flush(GstoreDeleter *deleter);
/* Flush the rest; the set may go now, and the deleter is not used again. */
extern void gstore_deleter_end(GstoreDeleter *deleter);

/*
 * Delete every row the set sees at once and return their number: what a
 * deleter given each of them would do, with a mark on each chunk instead of
 * vectors.
 */
extern uint64 gstore_delete_seen(const GstoreTarget *target,
								 GstoreSeenSet *set, Snapshot snapshot);

/*
 * Delete every row there is, seen by any snapshot or none: TRUNCATE.  The
 * caller holds ACCESS EXCLUSIVE.
 */
extern void gstore_delete_all(Oid relid);

/*
 * For a row that is locked, not deleted: has someone our snapshot does not see
 * deleted it?  The caller refuses it then: see gstore_deleter_refuse.
 */
extern bool gstore_deleter_is_changed(GstoreDeleter *deleter,
									  uint64 row_address);
/* 40001: could not serialize access due to concurrent update. */
extern void gstore_deleter_refuse(void);

#endif
