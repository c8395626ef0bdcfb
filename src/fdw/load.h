/*
 * load.h
 *	  gstore_load(): an ordinary table's rows into a gstore table.
 *
 * It is INSERT ... SELECT, planned as that and started as that, so that locks,
 * privileges, row policies, casts, defaults and constraints are what they would
 * be.  Only the ModifyTable node's part is ours: rows go from the plan below it
 * straight into the writer, and where that plan merely reads tables block by
 * block, parallel workers take part (load_workers.c).
 */
#ifndef GSTORE_LOAD_H
#define GSTORE_LOAD_H

#include "access/relscan.h"
#include "executor/execdesc.h"
#include "nodes/execnodes.h"

#include "fdw/modify.h"

typedef struct GstoreLoadTeam GstoreLoadTeam;

typedef struct GstoreLoad
{
	Relation target;
	Relation source;
	bool parallel_safe; /* all that is computed for a row can be in a worker */
	QueryDesc *query;
	ModifyTableState *node;
	ResultRelInfo *rinfo;			   /* the target's */
	int nscans;						   /* 0: it is not known how rows are read */
	ParallelBlockTableScanDesc *scans; /* [nscans], shared by all who read */
	GstoreLoadTeam *team;			   /* NULL: no workers */
} GstoreLoad;

/* ---- load.c ---- */

/* The scans of which a plan's rows come, each a block scan of a heap: a list of
 * SeqScanState, always in the same order; NIL: they come otherwise. */
extern List *gstore_load_find_scans(QueryDesc *query, PlanState *plan);
/* Read the next of the load's scans by a descriptor that is made in memory, which
 * is large enough, and that says how far it is. */
extern void gstore_load_begin_scan(GstoreLoad *load, ScanState *scan,
								   ParallelTableScanDesc memory);
/* Insert what a plan returns, to its end. */
extern void gstore_load_copy(EState *estate, PlanState *plan,
							 ResultRelInfo *rinfo);
/* Show how far it is. */
extern void gstore_load_report(GstoreLoad *load);

/* ---- load_workers.c ---- */

/* So many workers, or as many as there are, begin; the scans are theirs and
 * ours from now on.  It is parallel mode until the end, or an error. */
extern void gstore_load_team_begin(GstoreLoad *load, List *scans, int workers);
extern int gstore_load_team_size(const GstoreLoadTeam *team);
/* Rows that workers have inserted so far. */
extern uint64 gstore_load_team_rows(const GstoreLoadTeam *team);
/* Publish what they have ready. */
extern void gstore_load_team_receive(GstoreLoad *load);
/* Wait for the rest; from then on team_rows is the last word. */
extern void gstore_load_team_wait(GstoreLoad *load);
/* Once nothing uses the scans any more. */
extern void gstore_load_team_end(GstoreLoad *load);

#endif
