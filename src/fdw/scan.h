/*
 * scan.h
 *	  A foreign scan's rows, for whoever changes them or computes on their
 *	  columns.
 */
#ifndef GSTORE_SCAN_H
#define GSTORE_SCAN_H

#include "commands/explain.h"
#include "nodes/execnodes.h"

#include "compat.h"
#include "exec/engine.h"
#include "store/window.h"

/* The callbacks of a table's scan; a row's slot has its address if the plan
 * wants it. */
extern void gstore_scan_begin(ForeignScanState *node, int eflags);
extern TupleTableSlot *gstore_scan_iterate(ForeignScanState *node);
extern void gstore_scan_end(ForeignScanState *node);
extern void gstore_scan_explain(ForeignScanState *node, ExplainState *es);

/* All that it sees, by which snapshot. */
extern GstoreSeenSet *gstore_scan_set(ForeignScanState *node,
									  Snapshot *snapshot);

typedef struct GstoreScanInput
{
	const char *relname;
	GstoreEngineInput rows; /* of the window at hand, as the program wants */
	uint64 bytes;			/* of the program's columns in it */
	const GstoreWindow *window;
	/* internal */
	ForeignScanState *scan;
	const GstoreProgram *program;
	GstoreColumnView *columns;
} GstoreScanInput;

/* Read a scan from its start, for a program whose columns it reads. */
extern void gstore_scan_open(ForeignScanState *scan,
							 const GstoreProgram *program,
							 GstoreScanInput *input);
/* Leave out blocks by a test, NULL: none; of a scan without conditions that was
 * opened. */
extern void gstore_scan_prune(ForeignScanState *scan, GstoreBlockTest test,
							  void *state);
/* The next window; false at the end. */
extern bool gstore_scan_next(GstoreScanInput *input);
/* Before the first window: which stay on their device; NULL: none. */
extern void gstore_scan_in_place(GstoreScanInput *input, GstorePlaceTest test,
								 void *state);
/* The columns of a window as the program wants them; returns their bytes. */
extern uint64 gstore_scan_bind(GstoreScanInput *input,
							   const GstoreWindow *window,
							   GstoreColumnView *columns);
/* May what it read be anything?  See fdw/sound.h. */
extern bool gstore_scan_is_exposed(ForeignScanState *scan);
/* The device its table is on. */
extern int gstore_scan_device(ForeignScanState *scan);
/* How many rows the scan sees, with no condition on them. */
extern uint64 gstore_scan_rows(ForeignScanState *scan);
/* Back to the start, row by row. */
extern void gstore_scan_close(ForeignScanState *scan);
/* What was read. */
extern void gstore_scan_explain_input(ForeignScanState *scan,
									  ExplainState *es);

#endif
