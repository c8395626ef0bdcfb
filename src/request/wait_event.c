/*
 * wait_event.c
 *	  Names of wait events.
 *
 * Ask for one outside of spinlocks and before going to sleep on a condition
 * variable: the first time it may take an LWLock.
 */
#include "postgres.h"

#include "pgstat.h"

#include "request/wait_event.h"

#if PG_VERSION_NUM >= 170000

uint32
gstore_wait_event(GstoreWaitEvent event)
{
	static const char *const names[GSTORE_WAIT_EVENTS] = {
		[GSTORE_WAIT_KEEPER_MAIN] = "GstoreKeeperMain",
		[GSTORE_WAIT_KEEPER_START] = "GstoreKeeperStart",
		[GSTORE_WAIT_REQUEST] = "GstoreRequest",
		[GSTORE_WAIT_SLOT] = "GstoreRequestSlot",
		[GSTORE_WAIT_STAGING] = "GstoreStaging",
		[GSTORE_WAIT_HANDOVER] = "GstoreHandover",
	};
	static uint32 events[GSTORE_WAIT_EVENTS];

	if (events[event] == 0)
		events[event] = WaitEventExtensionNew(names[event]);
	return events[event];
}

#else

uint32
gstore_wait_event(GstoreWaitEvent event)
{
	(void) event;
	return PG_WAIT_EXTENSION;
}

#endif
