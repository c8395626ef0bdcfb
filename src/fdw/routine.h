/*
 * routine.h
 *	  The callbacks that make up the FdwRoutine, by the file that has them.
 */
#ifndef GSTORE_ROUTINE_H
#define GSTORE_ROUTINE_H

#include "foreign/fdwapi.h"

/* plan.c */
extern void gstore_plan_callbacks(FdwRoutine *routine);
/* scan.c */
extern void gstore_scan_callbacks(FdwRoutine *routine);
/* modify.c */
extern void gstore_modify_callbacks(FdwRoutine *routine);
/* direct.c */
extern void gstore_direct_callbacks(FdwRoutine *routine);
/* analyze.c */
extern void gstore_analyze_callbacks(FdwRoutine *routine);
/* upper.c */
extern void gstore_upper_callbacks(FdwRoutine *routine);
/* Aggregates of subqueries, which have no callback. */
extern void gstore_upper_hooks(void);
/* import.c */
extern void gstore_import_callbacks(FdwRoutine *routine);

#endif
