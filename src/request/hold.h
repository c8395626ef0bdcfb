/*
 * hold.h
 *	  Things that must be let go whatever becomes of the query: pins, staging
 *	  extents, requests, unpublished chunks.
 *
 * A hold belongs to the resource owner that was current when it was taken.  It
 * ends when it is released, or when its owner is: at the end of the portal, of
 * the subtransaction, of the transaction, on every error path.  A hold still
 * there at commit is a leak and draws a WARNING, as PostgreSQL's own do.
 *
 * A hold is gone once it was released or forgotten, or its owner ended: do not
 * touch it again.  What the release callback looks at must not lie in query
 * memory: PostgreSQL deletes a failed portal's executor contexts before it
 * releases its resource owner.  Use TopMemoryContext or a child of it, and let
 * the callback free it.
 */
#ifndef GSTORE_HOLD_H
#define GSTORE_HOLD_H

#include "lib/ilist.h"
#include "utils/resowner.h"

typedef struct GstoreHold GstoreHold;

/* Must not raise or allocate. */
typedef void (*GstoreHoldRelease)(void *what);

struct GstoreHold
{
	dlist_node node;
	ResourceOwner owner;
	GstoreHoldRelease release;
	void *what;
	bool taken;		  /* release is due */
	const char *kind; /* for the leak warning */
};

/* Allocate an idle hold (raises when out of memory): before the thing to be
 * held is taken.  One that is never taken goes with its owner, silently. */
extern GstoreHold *gstore_hold_prepare(const char *kind,
									   GstoreHoldRelease release);
/* From now on what is held.  Cannot fail. */
extern void gstore_hold_take(GstoreHold *hold, void *what);
/* The caller has let go, or has passed what on: only forget the hold. */
extern void gstore_hold_forget(GstoreHold *hold);
/* Let go now. */
extern void gstore_hold_release(GstoreHold *hold);
/* _PG_init: register the callback. */
extern void gstore_hold_init(void);

#endif
