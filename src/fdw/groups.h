/*
 * groups.h
 *	  Groups on their way out of the engine: those that HAVING wants, as rows.
 */
#ifndef GSTORE_FDW_GROUPS_H
#define GSTORE_FDW_GROUPS_H

#include "nodes/execnodes.h"

#include "exec/exec.h"

/* What a node's rows are made of. */
typedef struct GstoreGroupForm
{
	List *exprs; /* keys, then Aggrefs */
	int nkeys;
	GstoreStateNumbers *states; /* by Aggref */
	GstoreResultForm *forms;	/* by element of exprs */
	const char *exposed;		/* a table whose texts other programs may have
								 * overwritten; or NULL */
} GstoreGroupForm;

typedef struct GstoreGroupRows GstoreGroupRows;

/*
 * The groups of an engine that has finished, in the current memory context;
 * having: conditions on them, with Vars of INDEX_VAR for what exprs are.  What
 * stays the same in these is evaluated for the node.
 */
extern GstoreGroupRows *gstore_group_rows_begin(const GstoreGroupForm *form,
												GstoreEngine *engine,
												const GstoreProgram *program,
												List *having,
												PlanState *node);
/* The next one's values into the slot, where they stay until the next call;
 * *recheck: PostgreSQL has to decide on it.  False: there is none. */
extern bool gstore_group_rows_next(GstoreGroupRows *rows, TupleTableSlot *slot,
								   bool *recheck);

#endif
