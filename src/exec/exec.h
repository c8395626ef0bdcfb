/*
 * exec.h
 *	  What fdw/ asks of the engine: which expressions it can compute, and to
 *	  compute them.
 *
 * Planning asks supports for each expression, and only what it said yes to is
 * given to compile when execution starts.  Both walk the same code, so they
 * cannot disagree; what still may fail then (a program too long) is told by
 * NULL, and the caller evaluates the expressions itself.
 */
#ifndef GSTORE_EXEC_H
#define GSTORE_EXEC_H

#include "nodes/execnodes.h"

#include "exec/engine.h"
#include "exec/engine_program.h"

#include "numeric.h"

/* Can this be computed from columns of the relation varno, constants, and
 * what stays the same during execution (parameters, stable functions)? */
extern bool gstore_program_supports(Expr *expr, Index varno);

/*
 * A program whose filter is a list of expressions that are supported; what
 * stays the same is evaluated now, in the current memory context, where the
 * program is too.  NULL: it would be too long.
 */
extern GstoreProgram *gstore_program_compile_filter(List *quals, Index varno,
													PlanState *parent);

/* Is this the same for all rows of a scan: no column, nothing volatile? */
extern bool gstore_is_constant(Node *node);

/* What such an expression is now. */
extern Datum gstore_evaluate_constant(Expr *expr, PlanState *parent,
									  bool *isnull);

/* Does the collation order texts by their bytes? */
extern bool gstore_collation_is_bytewise(Oid collation);

/* Attribute number of a program's column. */
extern AttrNumber gstore_program_attnum(const GstoreProgram *program,
										int column);

/* The opcode that computes a function of PostgreSQL under a collation, or -1;
 * *swapped: with its arguments the other way round. */
extern int gstore_function_opcode(Oid function, Oid collation, bool *swapped);

/* The same as supports, but it may be a constant: an argument, a key. */
extern bool gstore_program_supports_value(Expr *expr, Index varno);

/* Numbers of the states that an aggregate's result is made of. */
typedef struct GstoreStateNumbers
{
	uint16 values;
	uint16 squares; /* exact variances: of the values' squares */
} GstoreStateNumbers;

/*
 * A program that filters by quals, groups by keys, and accumulates what a list
 * of Aggrefs wants; all of them supported.  states[i] are those of the i-th
 * one.  narrow: numerics of known scale
 * are computed in 64 bits, which may end in GSTORE_STATE_BEYOND where 128 would
 * do.  NULL: it would be too long.
 */
extern GstoreProgram *gstore_program_compile_aggregate(List *quals, List *keys,
													   List *aggrefs,
													   Index varno,
													   PlanState *parent,
													   bool narrow,
													   GstoreStateNumbers *states);

/* ---- aggregates.c ---- */

/* Can the engine compute the aggregate; group by the key, whose equality
 * operator is given? */
extern bool gstore_aggregate_supports(const Aggref *aggref, Index varno);
extern bool gstore_key_supports(Expr *key, Oid equality, Index varno);

/* Of a supported one: what is accumulated of what (NULL: of rows). */
extern GstoreAggregateKind gstore_aggregate_kind(const Aggref *aggref);
/* Is it made of the squares too?  *opcode multiplies values without loss. */
extern bool gstore_aggregate_squares(const Aggref *aggref,
									 GstoreOpcode *opcode);
extern Expr *gstore_aggregate_argument(const Aggref *aggref);
/* Must it see each value once? */
extern bool gstore_aggregate_is_distinct(const Aggref *aggref);

/* How a key's or an aggregate's values are made: looked up once. */
typedef struct GstoreResultForm
{
	Oid type;  /* below domains */
	int final; /* of an aggregate */
} GstoreResultForm;

extern GstoreResultForm gstore_result_form(Node *key_or_aggref);

/* Can programs read it: is it in the states as it is? */
extern GstoreGroupPart gstore_result_part(Node *key_or_aggref);

/* Results, in the current memory context, or in room for a numeric, of
 * GSTORE_RESULT_ROOM bytes; states are the group's. */
#define GSTORE_RESULT_ROOM MAXALIGN(GSTORE_NUMERIC_BYTES)
extern Datum gstore_aggregate_result(const GstoreResultForm *form,
									 const GstoreAggregateState *states,
									 GstoreStateNumbers numbers, void *room,
									 bool *isnull);
extern Datum gstore_key_value(const GstoreResultForm *form,
							  const GstoreGroupKey *key, void *room,
							  bool *isnull);

/* ---- results.c: programs over groups ---- */

/*
 * Where results are rows for another program, its expressions have Vars of
 * INDEX_VAR instead of them: number n is the n-th key or Aggref of exprs.
 */

/* The expression with such Vars, of those results that programs can read. */
extern Node *gstore_results_as_vars(Node *expr, List *exprs);
/* What the program's columns are then: one for each of exprs. */
extern GstoreGroupColumn *gstore_results_columns(List *exprs, int nkeys,
												 const GstoreProgram *program,
												 const GstoreStateNumbers *states);
/* Such an expression, or a list of them, as it is to be compiled for those
 * columns. */
extern Node *gstore_results_typed(Node *expr, const GstoreGroupColumn *columns);

/* ---- run.c: the engine in a backend ---- */

/* Threads a query of this backend may compute with. */
extern int gstore_exec_threads(void);

/* An engine that goes with the current memory context, or raises.  Its groups
 * may take memory_limit bytes, 0: any. */
extern GstoreEngine *gstore_exec_engine(const GstoreProgram *program,
										uint64 memory_limit);

/* Raise what an engine's call returned, unless it is OK. */
extern void gstore_exec_check(GstoreEngine *engine, GstoreEngineStatus status,
							  const char *relname);

#endif
