/*
 * pending.c
 *	  The list of staged changes; see pending.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/pending.h"

static dlist_head pendings = DLIST_STATIC_INIT(pendings);

static void
forget(void *arg)
{
	dlist_delete(&((GstorePending *) arg)->node);
}

void
gstore_pending_add(GstorePending *pending, Oid relid,
				   void (*flush)(void *state), void *state)
{
	pending->relid = relid;
	pending->flush = flush;
	pending->state = state;
	dlist_push_tail(&pendings, &pending->node);
	pending->forget.func = forget;
	pending->forget.arg = pending;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &pending->forget);
}

void
gstore_pending_flush(Oid relid)
{
	dlist_iter iter;

	dlist_foreach(iter, &pendings)
	{
		GstorePending *pending = dlist_container(GstorePending, node,
												 iter.cur);

		if (pending->relid == relid)
			pending->flush(pending->state);
	}
}
