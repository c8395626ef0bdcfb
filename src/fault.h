/*
 * fault.h
 *	  Named points at which a test can make something happen: the way races
 *	  and crashes are proved, instead of sleeping and hoping.
 *
 * gstore_fdw.debug_fault = 'point:action[:count], ...'.  action is error
 * (ERROR XX000 "injected fault"), wait (until another session calls
 * gstore_fault_wakeup('point')), or kill (SIGKILL to itself); count n: only
 * at the nth passage.  Costs one predictable branch when unset.
 */
#ifndef GSTORE_FAULT_H
#define GSTORE_FAULT_H

extern bool gstore_fault_armed;
extern void gstore_fault_reached(const char *point);

#define GSTORE_FAULT_POINT(point) \
	do { \
		if (unlikely(gstore_fault_armed)) \
			gstore_fault_reached(point); \
	} while (0)

#endif
