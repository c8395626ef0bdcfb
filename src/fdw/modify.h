/*
 * modify.h
 *	  Rows of one statement on their way into a table and out of it, whoever
 *	  found them.
 */
#ifndef GSTORE_MODIFY_H
#define GSTORE_MODIFY_H

#include "nodes/execnodes.h"

#include "store/handover.h"

typedef struct GstoreModify GstoreModify;

/* Takes the writer lock; lives in the query's memory context. */
extern GstoreModify *gstore_modify_begin(EState *estate, ResultRelInfo *rinfo,
										 CmdType command);
/* In a process that helps the one which began an INSERT: no lock is taken, and
 * its chunks go there. */
extern GstoreModify *gstore_modify_begin_helping(EState *estate,
												 ResultRelInfo *rinfo,
												 GstoreHelper *helper,
												 int threads);
/* Before its first row: encode by so many threads after all. */
extern void gstore_modify_set_threads(GstoreModify *state, int threads);
/* Before others begin to help. */
extern void gstore_modify_prepare(GstoreModify *state);
/* A chunk of a helper's. */
extern void gstore_modify_publish(GstoreModify *state, GstoreChunk *chunk,
								  GstoreHold *hold);
/* Insert a row as the executor would, but for triggers.  What it needs
 * meanwhile is in the query's per-tuple memory. */
extern void gstore_modify_insert(EState *estate, ResultRelInfo *rinfo,
								 TupleTableSlot *slot);
/* Call watch with every so many rows inserted. */
#define GSTORE_WATCH_ROWS 1024
extern void gstore_modify_watch(GstoreModify *state,
								void (*watch)(void *arg), void *arg);
/* Rows inserted so far; counted only while watched. */
extern uint64 gstore_modify_watched(const GstoreModify *state);

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
