/*
 * pending.h
 *	  Changes of this backend that are staged and not yet in the shared
 *	  catalogue: rows in writers, row numbers in deleters.
 *
 * Whoever reads or changes a table flushes first what is pending for it, so
 * that triggers and functions see what their statement did so far.
 */
#ifndef GSTORE_PENDING_H
#define GSTORE_PENDING_H

#include "lib/ilist.h"
#include "utils/palloc.h"

typedef struct GstorePending
{
	dlist_node node;
	Oid relid;
	void (*flush)(void *state);
	void *state;
	MemoryContextCallback forget;
} GstorePending;

/* Put it on the list until the current memory context is reset. */
extern void gstore_pending_add(GstorePending *pending, Oid relid,
							   void (*flush)(void *state), void *state);
/* Nothing is pending there any more. */
extern void gstore_pending_remove(GstorePending *pending);
/* Flush what others of the same kind have pending for the same table. */
extern void gstore_pending_flush_others(const GstorePending *mine);
/* Flush all that is pending for a table. */
extern void gstore_pending_flush(Oid relid);

#endif
