/*
 * hold.c
 *	  Things that must be let go whatever becomes of the query.
 *
 * All holds of the process stand in one list, newest first; each names the
 * resource owner it belongs to.  The release callback runs for every owner
 * that ends and takes that owner's holds out of the list.
 *
 * Holds live in a context of their own.  They must not lie in query memory,
 * and neither may what a release callback looks at: when a transaction fails,
 * the executor's contexts are deleted before its resource owners are released.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "request/hold.h"

static MemoryContext holds_context = NULL;
static dlist_head holds = DLIST_STATIC_INIT(holds);

/* Take a hold out of the list and free it; returns what it held. */
static void *
dissolve(GstoreHold *hold, GstoreHoldRelease *release)
{
	void *what = hold->what;

	*release = hold->taken ? hold->release : NULL;
	dlist_delete(&hold->node);
	pfree(hold);
	return what;
}

static void
release_owner(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
			  void *argument)
{
	dlist_mutable_iter iter;

	if (phase != RESOURCE_RELEASE_BEFORE_LOCKS || dlist_is_empty(&holds))
		return;

	dlist_foreach_modify(iter, &holds)
	{
		GstoreHold *hold = dlist_container(GstoreHold, node, iter.cur);
		GstoreHoldRelease release;
		void *what;

		if (hold->owner != CurrentResourceOwner)
			continue;
		if (is_commit && hold->taken)
			elog(WARNING, "resource leak: %s not released", hold->kind);
		what = dissolve(hold, &release);
		if (release != NULL)
			release(what);
	}
}

GstoreHold *
gstore_hold_prepare(const char *kind, GstoreHoldRelease release)
{
	GstoreHold *hold;

	if (holds_context == NULL)
		holds_context = AllocSetContextCreate(TopMemoryContext,
											  "gstore_fdw holds",
											  ALLOCSET_SMALL_SIZES);
	hold = MemoryContextAlloc(holds_context, sizeof(GstoreHold));
	hold->owner = CurrentResourceOwner;
	hold->release = release;
	hold->what = NULL;
	hold->kind = kind;
	hold->taken = false;
	dlist_push_head(&holds, &hold->node);
	return hold;
}

void
gstore_hold_take(GstoreHold *hold, void *what)
{
	Assert(!hold->taken);
	hold->what = what;
	hold->taken = true;
}

void
gstore_hold_forget(GstoreHold *hold)
{
	GstoreHoldRelease release;

	(void) dissolve(hold, &release);
}

void
gstore_hold_release(GstoreHold *hold)
{
	GstoreHoldRelease release;
	void *what = dissolve(hold, &release);

	if (release != NULL)
		release(what);
}

void
gstore_hold_init(void)
{
	RegisterResourceReleaseCallback(release_owner, NULL);
}
