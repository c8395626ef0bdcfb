/*
 * upper.h
 *	  Aggregates computed where the data is: planning, and the scan node that
 *	  does it.
 */
#ifndef GSTORE_UPPER_H
#define GSTORE_UPPER_H

#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "compat.h"

/* upper.c: the plan of a path that it added. */
extern ForeignScan *gstore_upper_plan(ForeignPath *path, List *tlist,
									  Plan *outer_plan);

/* Is the scan node one of these, rather than of a table? */
static inline bool
gstore_is_upper(ForeignScanState *node)
{
	return ((Scan *) node->ss.ps.plan)->scanrelid == 0;
}

/* aggregate.c: what scan.c's callbacks do for such a node. */
extern void gstore_aggregate_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *gstore_aggregate_iterate(ForeignScanState *node);
extern void gstore_aggregate_rescan(ForeignScanState *node);
extern void gstore_aggregate_end(ForeignScanState *node);
extern void gstore_aggregate_explain(ForeignScanState *node,
									 ExplainState *es);

#endif
