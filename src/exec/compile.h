/*
 * compile.h
 *	  Inside the compiler of expressions: what its files share.
 *
 * With a builder the walk emits instructions; without one it only says whether
 * it could.  Every function returns false for what programs cannot do.
 */
#ifndef GSTORE_COMPILE_H
#define GSTORE_COMPILE_H

#include "exec/exec.h"

/* Something computed: a register and what is known of it. */
typedef struct GstoreOperand
{
	GstoreType type;
	uint16 reg;
	int16 scale;	  /* of a DECIMAL */
	bool is_constant; /* a DECIMAL or TIMESTAMP whose value is known */
	int64 value;
} GstoreOperand;

typedef struct GstoreCompiler
{
	GstoreProgramBuilder *builder; /* NULL: only see whether it could */
	Index varno;
	bool narrow;					 /* numerics of known scale in 64 bits */
	PlanState *parent;				 /* evaluates what stays the same */
	const GstoreOperand *case_value; /* of the CASE around */
	int emitted;
	/* powers of ten that are constants already, else of type BOOL */
	GstoreOperand powers[GSTORE_SMALL_DECIMAL_DIGITS + 1];
} GstoreCompiler;

/* Any expression. */
extern bool gstore_compile_node(GstoreCompiler *compiler, Node *node,
								GstoreOperand *to);

/* ---- compile_operator.c ---- */

/* An operand that an instruction has not. */
extern const GstoreOperand gstore_no_operand;

/* The type in which values of a PostgreSQL type, or a domain over it, are
 * computed with. */
extern bool gstore_type_of(Oid typid, GstoreType *type);

/* An instruction on operands of the types it takes; to may be one of them. */
extern bool gstore_emit(GstoreCompiler *compiler, GstoreOpcode opcode,
						GstoreOperand a, GstoreOperand b, GstoreOperand c,
						GstoreOperand *to);
/* The strict operator on operands that may have to be widened. */
extern bool gstore_apply(GstoreCompiler *compiler, int opcode, bool swapped,
						 GstoreOperand *operands, int noperands,
						 GstoreOperand *to);
/* The operands of one type and scale: what CASE and its like choose from. */
extern bool gstore_unify(GstoreCompiler *compiler, GstoreOperand *a,
						 GstoreOperand *b);
/* A constant of a type; a numeric becomes a DECIMAL where it can. */
extern bool gstore_add_constant(GstoreCompiler *compiler, GstoreType type,
								Datum value, bool isnull, GstoreOperand *to);
/* The digits of a numeric(precision, scale); false: it has no such limits. */
extern bool gstore_unpack_numeric(int32 typmod, int *precision, int *scale);
/* A column: numeric(p,s) is a DECIMAL where 64 bits hold p digits. */
extern void gstore_add_column(GstoreCompiler *compiler, AttrNumber attnum,
							  GstoreType type, int32 typmod,
							  GstoreOperand *to);

/* ---- compile_call.c, compile_list.c, compile_zone.c ---- */

extern bool gstore_compile_call(GstoreCompiler *compiler, Oid function,
								Oid collation, List *args, GstoreOperand *to);

/* A call whose result depends on a time zone; *is_zoned: it is one. */
extern bool gstore_compile_zoned(GstoreCompiler *compiler, Oid function,
								 List *args, bool *is_zoned, GstoreOperand *to);
/* An instant becomes what clocks show. */
extern bool gstore_apply_local(GstoreCompiler *compiler,
							   GstoreOperand *operand);
/* An instant cut off at a unit, as clocks show it in the zone of that name, or if
 * NULL in the session's. */
extern bool gstore_apply_zone_trunc(GstoreCompiler *compiler, GstoreField field,
									Node *zone_name, GstoreOperand *operand);

/* x = ANY (list), x <> ALL (list) and the like. */
extern bool gstore_compile_list(GstoreCompiler *compiler,
								ScalarArrayOpExpr *expr, GstoreOperand *to);

#endif
