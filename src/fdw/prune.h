/*
 * prune.h
 *	  Which blocks of a table certainly have no row that a query's conditions
 *	  let pass, by the bounds of their columns.
 */
#ifndef GSTORE_PRUNE_H
#define GSTORE_PRUNE_H

#include "nodes/execnodes.h"

#include "store/window.h"

/* How PostgreSQL's btree operators order a type; NONE if bounds cannot tell. */
extern GstoreOrder gstore_order_of_type(Oid typid);

typedef struct GstorePruning GstorePruning;

/*
 * What the conditions (implicitly ANDed) on a relation of the range table say
 * of its columns, with the values that parameters have now.  NULL if nothing.
 * In the current memory context.
 */
extern GstorePruning *gstore_pruning_make(List *quals, Index varno,
										  PlanState *parent);

/* A GstoreBlockTest whose state is a GstorePruning. */
extern bool gstore_pruning_wants(void *pruning, const GstoreBounds *bounds,
								 int ncolumns, uint32 rows);

#endif
