/*
 * fault.h
 *	  Named points at which a test can make something happen: the way races
 *	  and crashes are proved, instead of sleeping and hoping.
 *
 * gstore_fdw.debug_fault = 'point:action[:count], ...'.  The actions:
 *
 *	 error	ERROR XX000 "injected fault"
 *	 fatal	the session ends in order, as after pg_terminate_backend()
 *	 wait	until another session calls gstore_fault_wakeup('point');
 *			interruptible.  gstore_fault_waiting('point') tells a test that
 *			somebody stands there
 *	 kill	SIGKILL to itself
 *
 * With count n it happens at the nth passage only, counted per process since
 * the setting was made; without, at every passage.  Costs one predictable
 * branch when unset.  Only a process's main thread may pass a point, never
 * while it holds a spinlock.
 */
#ifndef GSTORE_FAULT_H
#define GSTORE_FAULT_H

#include "utils/guc.h"

extern bool gstore_fault_armed;
extern void gstore_fault_reached(const char *point);

#define GSTORE_FAULT_POINT(point) \
	do \
	{ \
		if (unlikely(gstore_fault_armed)) \
			gstore_fault_reached(point); \
	} while (0)

extern Size gstore_fault_shmem_size(void);
extern void gstore_fault_shmem_startup(void);

/* The hooks of the string setting gstore_fdw.debug_fault. */
extern bool gstore_fault_check(char **newval, void **extra, GucSource source);
extern void gstore_fault_assign(const char *newval, void *extra);

#endif
