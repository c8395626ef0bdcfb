/*
 * modify.h
 *	  Rows of one statement on their way into a table and out of it, whoever
 *	  found them.
 */
#ifndef GSTORE_MODIFY_H
#define GSTORE_MODIFY_H

#include "nodes/execnodes.h"

typedef struct GstoreModify GstoreModify;

/* Takes the writer lock; lives in the query's memory context. */
extern GstoreModify *gstore_modify_begin(EState *estate, ResultRelInfo *rinfo,
										 CmdType command);

/*
 * Delete the row at an address that the scan of this target gave; or check the
 * constraints of a new one, which takes its place.  False: the command changed
 * the row before, so it is to be passed over.  What the rows need meanwhile is
 * in the query's per-tuple memory.
 */
extern bool gstore_modify_delete(EState *estate, ResultRelInfo *rinfo,
								 GstoreModify *state, ItemPointer tid);
extern bool gstore_modify_update(EState *estate, ResultRelInfo *rinfo,
								 GstoreModify *state, ItemPointer tid,
								 TupleTableSlot *slot);

/* Flush what is staged. */
extern void gstore_modify_end(GstoreModify *state);

#endif
