/*
 * maintenance.h
 *	  The worker that takes back and merges chunks, beside the keeper.
 */
#ifndef GSTORE_MAINTENANCE_H
#define GSTORE_MAINTENANCE_H

/* _PG_init: register the worker. */
extern void gstore_maintenance_register(void);

#endif
