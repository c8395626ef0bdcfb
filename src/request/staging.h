/*
 * staging.h
 *	  Windows of the arena's staging area: page-locked memory through which
 *	  everything goes to and from a keeper-only device.
 *
 * There are two kinds, because a process may keep a window for long (a cursor
 * left open keeps its view) and must never make others wait for it:
 *
 *	 roomy		as large as asked, given only if there is room at once.  Who
 *				gets none goes through the narrow ones
 *	 narrow		a few of fixed size, kept only while one request and one copy
 *				in memory last.  For these one may wait; who has one never
 *				waits for a second, so all get their turn
 *
 * While somebody waits, who comes waits behind, although there may be room for a
 * roomy window just now: else those who read again and again would be faster than
 * those who wait for their first turn.
 *
 * A window is owned by a request or a view, which let go of it whatever
 * happens.
 */
#ifndef GSTORE_STAGING_H
#define GSTORE_STAGING_H

#include "port.h"

extern size_t gstore_staging_shmem_size(void);
extern void gstore_staging_shmem_startup(void);

/* The keeper, once a keeper-only device is open: set the narrow windows
 * aside.  Does nothing the second time.  False: the area is too small. */
extern bool gstore_staging_open(void);

/* The largest roomy window worth asking for. */
extern uint64 gstore_staging_roomy_bytes(void);
/* Bytes of a narrow window. */
extern uint64 gstore_staging_narrow_bytes(void);

/* False when there is no room now.  Does not raise or wait. */
extern bool gstore_staging_take_roomy(uint64 bytes, uint64 *offset,
									  uint64 *length);
/* False when none is free, or others wait, and wait is not set; waits
 * interruptibly. */
extern bool gstore_staging_take_narrow(bool wait, uint64 *offset,
									   uint64 *length);
/* Does somebody wait? */
extern bool gstore_staging_is_wanted(void);
/* Wait in turn for a narrow window, or until instead, which tries for something
 * better and neither raises nor waits, returns true: then false. */
extern bool gstore_staging_take_turn(bool (*instead)(void *state),
									 void *state, uint64 *offset,
									 uint64 *length);
/* Give back either kind.  Does not raise, wait or allocate. */
extern void gstore_staging_give(uint64 offset, uint64 length);

/* Bytes the narrow windows take of the area. */
extern uint64 gstore_staging_set_aside(void);
/* Narrow windows not free, for leak tests. */
extern int gstore_staging_narrow_in_use(void);

#endif
