/*
 * statement.h
 *	  What the nodes of one data-modifying statement share: the writer locks,
 *	  the snapshot taken after them, and the chunks of each target.
 *
 * Under READ COMMITTED the target of an UPDATE or DELETE is read with a
 * snapshot taken after the lock was got, so nothing that committed before is
 * lost and nobody else writes until we end.  Under the higher levels it is
 * read with the transaction's snapshot, and a row changed by someone that it
 * does not see raises 40001 when we change it too.
 */
#ifndef GSTORE_STATEMENT_H
#define GSTORE_STATEMENT_H

#include "nodes/execnodes.h"

#include "store/table.h"

/* Take the table's writer lock, until the transaction ends. */
extern void gstore_lock_for_writing(Oid relid);

/* Is this scan's relation changed, or locked FOR UPDATE/SHARE, by the
 * statement?  Then all of the statement's gstore targets are locked and
 * *snapshot is the one to read it with. */
extern bool gstore_statement_target(EState *estate, Index scanrelid,
									Snapshot *snapshot);

/* The scan of a target ends without error: its snapshot is not needed again.
 * (After an error the resource owner lets it go.) */
extern void gstore_statement_end_scan(EState *estate);

/* The set a target was scanned with is kept here for the ModifyTable node above
 * that scan, which finds it by the range table index that both have: a
 * statement may change one table in several nodes (data-modifying WITH). */
extern void gstore_statement_keep_set(EState *estate, Index target,
									  GstoreSeenSet *set, Snapshot snapshot);
extern GstoreSeenSet *gstore_statement_find_set(EState *estate, Index target,
												Snapshot *snapshot);

#endif
