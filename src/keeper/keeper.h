/*
 * keeper.h
 *	  The background worker that owns the GPUs.
 *
 * One per server, without a database connection.  It alone calls keeper-only
 * devices; what it is to do comes as requests (request/request.h) and from the
 * hooks below.
 */
#ifndef GSTORE_KEEPER_H
#define GSTORE_KEEPER_H

#include "device/location.h"

/* What store/ wants done in the keeper; set in _PG_init; may be NULL. */
typedef struct GstoreKeeperHooks
{
	/* The next device memory to free; false when there is no more.  Called
	 * whenever the keeper is woken. */
	bool (*next_free)(GstoreLocation *location);
} GstoreKeeperHooks;

extern GstoreKeeperHooks gstore_keeper_hooks;

/* In _PG_init of a preloaded library.  Does nothing under binary upgrade. */
extern void gstore_keeper_register(void);

extern PGDLLEXPORT void gstore_keeper_main(Datum argument);

#endif
