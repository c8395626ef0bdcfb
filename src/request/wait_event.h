/*
 * wait_event.h
 *	  What pg_stat_activity shows while one of ours waits.
 *
 * Names of one's own exist since PostgreSQL 17; before, it is "Extension".
 */
#ifndef GSTORE_WAIT_EVENT_H
#define GSTORE_WAIT_EVENT_H

typedef enum GstoreWaitEvent
{
	GSTORE_WAIT_KEEPER_MAIN,  /* the keeper, for work */
	GSTORE_WAIT_KEEPER_START, /* for the keeper to open the devices */
	GSTORE_WAIT_REQUEST,	  /* for the keeper to answer */
	GSTORE_WAIT_SLOT,		  /* for a free slot of the request pool */
	GSTORE_WAIT_STAGING,	  /* for a narrow staging window */
	GSTORE_WAIT_HANDOVER,	  /* for chunks of parallel workers, or to be rid
							   * of them */
	GSTORE_WAIT_EVENTS
} GstoreWaitEvent;

extern uint32 gstore_wait_event(GstoreWaitEvent event);

#endif
