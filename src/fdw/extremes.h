/*
 * extremes.h
 *	  Which blocks min() and max() of whole columns have to read.
 */
#ifndef GSTORE_EXTREMES_H
#define GSTORE_EXTREMES_H

#include "nodes/pg_list.h"

#include "store/table.h"
#include "store/window.h"

typedef struct GstoreExtremes GstoreExtremes;

/*
 * What the bounds of a set's blocks say of a list of Aggrefs that see every row
 * of it.  NULL if they are not all min and max of columns whose order bounds
 * tell.  In the current memory context; the set must live as long.
 */
extern GstoreExtremes *gstore_extremes_make(List *aggrefs,
											const GstoreSeenSet *set);

/* A GstoreBlockTest whose state is a GstoreExtremes. */
extern bool gstore_extremes_want(void *extremes, const GstoreBounds *bounds,
								 int ncolumns, uint32 rows);

#endif
