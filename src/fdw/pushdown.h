/*
 * pushdown.h
 *	  Conditions of a scan that the engine evaluates over columns, before rows
 *	  are made.
 */
#ifndef GSTORE_PUSHDOWN_H
#define GSTORE_PUSHDOWN_H

#include "commands/explain.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "portability/instr_time.h"

#include "compat.h"
#include "exec/engine.h"
#include "store/window.h"

/* Planning: of a list of RestrictInfos, the expressions the engine evaluates;
 * *local gets those that stay with PostgreSQL.  Pseudoconstants are in
 * neither. */
extern List *gstore_pushdown_split(RelOptInfo *baserel, List *clauses,
								   List **local);

typedef struct GstorePushdown GstorePushdown;

/* Execution: NULL when the plan pushed nothing.  attnums are the columns of
 * the windows.  Lives in the query's memory context. */
extern GstorePushdown *gstore_pushdown_begin(ForeignScanState *node,
											 const AttrNumber *attnums,
											 int ncolumns,
											 const char *relname);

/* The columns that only the conditions need are left out of windows that
 * kernels have sifted.  Where they can, they do. */
extern void gstore_pushdown_sift(GstorePushdown *pushdown,
								 GstoreWindowScan *windows, int device,
								 const bool *for_filter);

/*
 * Which of the rows [first, first + count) of a window pass: bit i of *pass is
 * row first + i.  Of those in *recheck PostgreSQL must decide.  first goes up
 * in steps of GSTORE_BATCH_ROWS; count is at most that.  False: none passes.
 */
extern bool gstore_pushdown_batch(GstorePushdown *pushdown,
								  const GstoreWindow *window, uint64 first,
								  uint64 count, const uint8 **pass,
								  const uint8 **recheck);

/* What an engine has done, for EXPLAIN. */
typedef struct GstoreEngineUse
{
	instr_time time;
	uint64 bytes; /* of the columns that its program read */
} GstoreEngineUse;

extern void gstore_engine_use_explain(const GstoreEngineUse *use,
									  ExplainState *es);

/* The columns of a window, whose attnums are given, in a program's order;
 * returns how many bytes they take. */
extern uint64 gstore_pushdown_bind(const GstoreProgram *program,
								   const GstoreWindow *window,
								   const AttrNumber *attnums, int ncolumns,
								   const char *relname,
								   GstoreColumnView *columns);

/* Before a row is put together to be rechecked: the last one's memory is
 * needed no more. */
extern void gstore_pushdown_forget_row(GstorePushdown *pushdown);
/* PostgreSQL's word on a row that the engine could not decide on. */
extern bool gstore_pushdown_recheck(GstorePushdown *pushdown,
									TupleTableSlot *slot);

/* The scan starts over; its parameters may have changed. */
extern void gstore_pushdown_rescan(GstorePushdown *pushdown);

extern void gstore_pushdown_explain(ForeignScanState *node,
									const GstorePushdown *pushdown,
									ExplainState *es);

#endif
