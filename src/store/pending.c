/*
 * pending.c
 *	  The list of staged changes; see pending.h.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "store/pending.h"

static dlist_head pendings = DLIST_STATIC_INIT(pendings);

void
gstore_pending_remove(GstorePending *pending)
{
	if (pending->flush != NULL)
		dlist_delete(&pending->node);
	pending->flush = NULL;
}

static void
forget(void *arg)
{
	gstore_pending_remove(arg);
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

void
gstore_pending_flush_others(const GstorePending *mine)
{
	dlist_iter iter;

	dlist_foreach(iter, &pendings)
	{
		GstorePending *pending = dlist_container(GstorePending, node,
												 iter.cur);

		if (pending != mine && pending->relid == mine->relid &&
			pending->flush == mine->flush)
			pending->flush(pending->state);
	}
}
