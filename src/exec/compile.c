/*
 * compile.c
 *	  Expressions of PostgreSQL into programs.
 *
 * One recursive walk does both: with a builder it emits instructions, without
 * one it only says whether it could.  Whatever it does not know it refuses, and
 * the expression stays with PostgreSQL.
 *
 * Not for planning to reach: evaluation of parameters and stable functions,
 * which happens with a builder only.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "exec/compile.h"

/* ---- leaves ---- */

/* Anything in it that is not the same for all rows of the scan? */
static bool
changes(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, Aggref) || IsA(node, WindowFunc) ||
		IsA(node, GroupingFunc) || IsA(node, SubLink) || IsA(node, SubPlan) ||
		IsA(node, AlternativeSubPlan) || IsA(node, PlaceHolderVar) ||
		IsA(node, CaseTestExpr) || IsA(node, CurrentOfExpr) ||
		IsA(node, SetToDefault) || IsA(node, NextValueExpr) ||
		IsA(node, CoerceToDomainValue))
		return true;
	return expression_tree_walker(node, changes, context);
}

bool
gstore_is_constant(Node *node)
{
	return !changes(node, NULL) && !contain_volatile_functions(node);
}

Datum
gstore_evaluate_constant(Expr *expr, PlanState *parent, bool *isnull)
{
	if (IsA(expr, Const))
	{
		*isnull = ((Const *) expr)->constisnull;
		return ((Const *) expr)->constvalue;
	}
	return ExecEvalExpr(ExecInitExpr(expr, parent), parent->ps_ExprContext,
						isnull);
}

/* A constant expression: evaluated once, now. */
static bool
compile_constant(GstoreCompiler *compiler, Node *node, GstoreOperand *to)
{
	GstoreType type;
	Datum value;
	bool isnull;

	if (!gstore_type_of(exprType(node), &type))
		return false;
	if (compiler->builder == NULL)
		return gstore_add_constant(compiler, type, 0, true, to);
	value = gstore_evaluate_constant((Expr *) node, compiler->parent, &isnull);
	return gstore_add_constant(compiler, type, value, isnull, to);
}

static bool
compile_var(GstoreCompiler *compiler, Var *var, GstoreOperand *to)
{
	GstoreType type;

	if (var->varno != (int) compiler->varno || var->varattno <= 0 ||
		var->varlevelsup != 0 || !gstore_type_of(var->vartype, &type))
		return false;
	gstore_add_column(compiler, var->varattno, type, var->vartypmod, to);
	return true;
}

/* ---- what is not strict ---- */

static bool
compile_logic(GstoreCompiler *compiler, BoolExpr *expr, GstoreOperand *to)
{
	GstoreOperand next;
	ListCell *cell;

	if (!gstore_compile_node(compiler, linitial(expr->args), to) ||
		to->type != GSTORE_TYPE_BOOL)
		return false;
	if (expr->boolop == NOT_EXPR)
		return gstore_emit(compiler, GSTORE_OP_NOT, *to, gstore_no_operand, gstore_no_operand, to);
	for_each_from(cell, expr->args, 1)
	{
		if (!gstore_compile_node(compiler, lfirst(cell), &next) ||
			next.type != GSTORE_TYPE_BOOL ||
			!gstore_emit(compiler,
						 expr->boolop == AND_EXPR ? GSTORE_OP_AND : GSTORE_OP_OR, *to,
						 next, gstore_no_operand, to))
			return false;
	}
	return true;
}

static bool
compile_boolean_test(GstoreCompiler *compiler, BooleanTest *expr, GstoreOperand *to)
{
	GstoreOperand operand;
	GstoreOpcode opcode = GSTORE_OP_IS_NULL;
	bool negate = false;

	if (!gstore_compile_node(compiler, (Node *) expr->arg, &operand))
		return false;
	switch (expr->booltesttype)
	{
		case IS_TRUE:
		case IS_NOT_TRUE:
			opcode = GSTORE_OP_IS_TRUE;
			negate = expr->booltesttype == IS_NOT_TRUE;
			break;
		case IS_FALSE:
		case IS_NOT_FALSE:
			opcode = GSTORE_OP_IS_FALSE;
			negate = expr->booltesttype == IS_NOT_FALSE;
			break;
		case IS_UNKNOWN:
			break;
		case IS_NOT_UNKNOWN:
			opcode = GSTORE_OP_IS_NOT_NULL;
			break;
	}
	if (!gstore_emit(compiler, opcode, operand, gstore_no_operand, gstore_no_operand, to))
		return false;
	return !negate || gstore_emit(compiler, GSTORE_OP_NOT, *to, gstore_no_operand, gstore_no_operand, to);
}

/* From the last WHEN to the first. */
static bool
compile_case(GstoreCompiler *compiler, CaseExpr *expr, GstoreOperand *to)
{
	const GstoreOperand *outer = compiler->case_value;
	GstoreOperand value;
	bool fine = true;

	if (expr->defresult == NULL ||
		!gstore_compile_node(compiler, (Node *) expr->defresult, to))
		return false;
	if (expr->arg != NULL)
	{
		if (!gstore_compile_node(compiler, (Node *) expr->arg, &value))
			return false;
		compiler->case_value = &value;
	}
	for (int i = list_length(expr->args) - 1; i >= 0 && fine; i--)
	{
		CaseWhen *when = list_nth_node(CaseWhen, expr->args, i);
		GstoreOperand condition;
		GstoreOperand result;

		fine = gstore_compile_node(compiler, (Node *) when->expr, &condition) &&
			   condition.type == GSTORE_TYPE_BOOL &&
			   gstore_compile_node(compiler, (Node *) when->result, &result) &&
			   gstore_unify(compiler, &result, to) &&
			   gstore_emit(compiler, GSTORE_OP_SELECT, condition, result, *to, to);
	}
	compiler->case_value = outer;
	return fine;
}

static bool
compile_coalesce(GstoreCompiler *compiler, CoalesceExpr *expr, GstoreOperand *to)
{
	if (!gstore_compile_node(compiler, llast(expr->args), to))
		return false;
	for (int i = list_length(expr->args) - 2; i >= 0; i--)
	{
		GstoreOperand operand;

		if (!gstore_compile_node(compiler, list_nth(expr->args, i), &operand) ||
			!gstore_unify(compiler, &operand, to) ||
			!gstore_emit(compiler, GSTORE_OP_COALESCE, gstore_no_operand, operand, *to, to))
			return false;
	}
	return true;
}

/* IS DISTINCT FROM and NULLIF, both made of an equality. */
static bool
compile_equality(GstoreCompiler *compiler, OpExpr *expr, bool is_nullif, GstoreOperand *to)
{
	bool swapped;
	int opcode = gstore_function_opcode(expr->opfuncid, expr->inputcollid,
										&swapped);
	GstoreOperand operands[2];
	GstoreOperand as_given[2];
	GstoreOperand equal;

	if (opcode < 0 || list_length(expr->args) != 2)
		return false;
	for (int i = 0; i < 2; i++)
	{
		if (!gstore_compile_node(compiler, list_nth(expr->args, i), &operands[i]))
			return false;
		as_given[i] = operands[i];
	}
	if (!gstore_apply(compiler, opcode, swapped, operands, 2, &equal))
		return false;
	if (is_nullif)
		return gstore_emit(compiler, GSTORE_OP_NULLIF, equal, as_given[0], gstore_no_operand, to);
	if (!gstore_emit(compiler, GSTORE_OP_DISTINCT, equal, as_given[0], as_given[1],
					 to))
		return false;
	return true;
}

/* GREATEST and LEAST; of texts where their collation orders bytewise. */
static bool
compile_extreme(GstoreCompiler *compiler, MinMaxExpr *expr, GstoreOperand *to)
{
	static const int less[GSTORE_TYPE_COUNT] = {
		[GSTORE_TYPE_INT2] = GSTORE_OP_INT2_LT,
		[GSTORE_TYPE_INT4] = GSTORE_OP_INT4_LT,
		[GSTORE_TYPE_INT8] = GSTORE_OP_INT8_LT,
		[GSTORE_TYPE_FLOAT4] = GSTORE_OP_FLOAT4_LT,
		[GSTORE_TYPE_FLOAT8] = GSTORE_OP_FLOAT8_LT,
		[GSTORE_TYPE_NUMERIC] = GSTORE_OP_NUMERIC_LT,
		[GSTORE_TYPE_DECIMAL] = GSTORE_OP_DECIMAL_LT,
		[GSTORE_TYPE_DATE] = GSTORE_OP_DATE_LT,
		[GSTORE_TYPE_SPAN] = GSTORE_OP_SPAN_LT,
		[GSTORE_TYPE_UUID] = GSTORE_OP_UUID_LT,
		[GSTORE_TYPE_OID] = GSTORE_OP_OID_LT,
		[GSTORE_TYPE_TIMESTAMP] = GSTORE_OP_TIMESTAMP_LT,
		[GSTORE_TYPE_BOOL] = GSTORE_OP_BOOL_LT,
		[GSTORE_TYPE_TEXT] = GSTORE_OP_TEXT_LT};
	bool padded = getBaseType(expr->minmaxtype) == BPCHAROID;
	ListCell *cell;

	if (!gstore_compile_node(compiler, linitial(expr->args), to) || less[to->type] == 0 ||
		(to->type == GSTORE_TYPE_TEXT &&
		 !gstore_collation_is_bytewise(expr->inputcollid)))
		return false;
	for_each_from(cell, expr->args, 1)
	{
		GstoreOperand next;
		GstoreOperand is_less;
		bool least = expr->op == IS_LEAST;

		/* the later one only where it is truly less, or greater */
		if (!gstore_compile_node(compiler, lfirst(cell), &next) ||
			!gstore_unify(compiler, &next, to) ||
			!gstore_emit(compiler, (GstoreOpcode) (padded ? GSTORE_OP_BPCHAR_LT : less[to->type]),
						 least ? next : *to,
						 least ? *to : next, gstore_no_operand, &is_less) ||
			!gstore_emit(compiler, GSTORE_OP_CHOOSE, is_less, next, *to, to))
			return false;
	}
	return true;
}

static bool
compile_relabel(GstoreCompiler *compiler, RelabelType *expr, GstoreOperand *to)
{
	GstoreType type;

	return gstore_compile_node(compiler, (Node *) expr->arg, to) &&
		   gstore_type_of(expr->resulttype, &type) &&
		   (type == to->type || (type == GSTORE_TYPE_NUMERIC &&
								 to->type == GSTORE_TYPE_DECIMAL));
}

/* ---- all of it ---- */

bool
gstore_compile_node(GstoreCompiler *compiler, Node *node, GstoreOperand *to)
{
	GstoreOperand operand;

	check_stack_depth();
	if (gstore_is_constant(node))
		return compile_constant(compiler, node, to);
	switch (nodeTag(node))
	{
		case T_Var:
			return compile_var(compiler, (Var *) node, to);
		case T_CaseTestExpr:
			if (compiler->case_value == NULL)
				return false;
			*to = *compiler->case_value;
			return true;
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			return gstore_compile_call(compiler, ((OpExpr *) node)->opfuncid,
									   ((OpExpr *) node)->inputcollid,
									   ((OpExpr *) node)->args, to);
		case T_FuncExpr:
			return gstore_compile_call(compiler, ((FuncExpr *) node)->funcid,
									   ((FuncExpr *) node)->inputcollid,
									   ((FuncExpr *) node)->args, to);
		case T_DistinctExpr:
			set_opfuncid((OpExpr *) node);
			return compile_equality(compiler, (OpExpr *) node, false, to);
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			return compile_equality(compiler, (OpExpr *) node, true, to);
		case T_ScalarArrayOpExpr:
			return gstore_compile_list(compiler, (ScalarArrayOpExpr *) node, to);
		case T_BoolExpr:
			return compile_logic(compiler, (BoolExpr *) node, to);
		case T_BooleanTest:
			return compile_boolean_test(compiler, (BooleanTest *) node, to);
		case T_NullTest:
			return !((NullTest *) node)->argisrow &&
				   gstore_compile_node(compiler, (Node *) ((NullTest *) node)->arg,
									   &operand) &&
				   gstore_emit(compiler,
							   ((NullTest *) node)->nulltesttype == IS_NULL
								   ? GSTORE_OP_IS_NULL
								   : GSTORE_OP_IS_NOT_NULL,
							   operand, gstore_no_operand, gstore_no_operand, to);
		case T_CaseExpr:
			return compile_case(compiler, (CaseExpr *) node, to);
		case T_CoalesceExpr:
			return compile_coalesce(compiler, (CoalesceExpr *) node, to);
		case T_MinMaxExpr:
			return compile_extreme(compiler, (MinMaxExpr *) node, to);
		case T_RelabelType:
			return compile_relabel(compiler, (RelabelType *) node, to);
		default:
			return false;
	}
}

/* ---- programs in the current memory context ---- */

static void *
context_alloc(void *state, size_t bytes)
{
	(void) state;
	return palloc_extended(bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void *
context_resize(void *state, void *memory, size_t bytes)
{
	(void) state;
	return repalloc_huge(memory, bytes);
}

static void
context_free(void *state, void *memory)
{
	(void) state;
	pfree(memory);
}

static const GstoreAllocator context_allocator = {context_alloc,
												  context_resize,
												  context_free, NULL, NULL};

bool
gstore_program_supports(Expr *expr, Index varno)
{
	GstoreCompiler compiler = {.varno = varno};
	GstoreOperand result;

	/* What has no column in it is not for each row: leave it to a gate. */
	return changes((Node *) expr, NULL) &&
		   gstore_compile_node(&compiler, (Node *) expr, &result);
}

bool
gstore_program_supports_value(Expr *expr, Index varno)
{
	GstoreCompiler compiler = {.varno = varno};
	GstoreOperand result;

	return gstore_compile_node(&compiler, (Node *) expr, &result);
}

/* Each of a list of conditions becomes a conjunct. */
static bool
compile_conjuncts(GstoreCompiler *compiler, List *quals)
{
	ListCell *cell;

	foreach(cell, quals)
	{
		GstoreOperand result;

		compiler->emitted = 0;
		if (!gstore_compile_node(compiler, lfirst(cell), &result) ||
			result.type != GSTORE_TYPE_BOOL)
			return false;
		gstore_program_filter(compiler->builder, result.reg);
	}
	return true;
}

static bool
compile_aggregate(GstoreCompiler *compiler, const Aggref *aggref,
				  GstoreStateNumbers *states)
{
	Expr *argument = gstore_aggregate_argument(aggref);
	GstoreAggregateKind kind = gstore_aggregate_kind(aggref);
	GstoreOperand value = {.reg = GSTORE_NO_REGISTER};
	GstoreOperand filter = {.reg = GSTORE_NO_REGISTER};
	GstoreOperand factors[2];
	GstoreOpcode opcode;

	compiler->emitted = 0;
	if (argument != NULL && !gstore_compile_node(compiler, (Node *) argument, &value))
		return false;
	if (aggref->aggfilter != NULL &&
		!gstore_compile_node(compiler, (Node *) aggref->aggfilter, &filter))
		return false;
	states->values = gstore_program_aggregate(compiler->builder, kind, value.reg,
											  filter.reg,
											  gstore_aggregate_is_distinct(aggref));
	states->squares = states->values;
	if (!gstore_aggregate_squares(aggref, &opcode))
		return true;
	if (opcode == GSTORE_OP_NUMERIC_MUL && value.type == GSTORE_TYPE_INT8 &&
		!gstore_apply(compiler, GSTORE_OP_INT8_TO_NUMERIC, false, &value, 1, &value))
		return false;
	factors[0] = factors[1] = value;
	if (!gstore_apply(compiler, opcode, false, factors, 2, &value))
		return false;
	states->squares = gstore_program_aggregate(compiler->builder, kind,
											   value.reg, filter.reg, false);
	return true;
}

/* What was compiled, or NULL if something was not; the builder is gone. */
static GstoreProgram *
finish(GstoreCompiler *compiler, bool fine)
{
	GstoreProgram *program = NULL;

	if (fine)
		program = gstore_program_finish(compiler->builder);
	gstore_program_end(compiler->builder);
	return program;
}

GstoreProgram *
gstore_program_compile_filter(List *quals, Index varno, PlanState *parent)
{
	GstoreCompiler compiler = {.varno = varno, .narrow = true, .parent = parent};

	compiler.builder = gstore_program_begin(&context_allocator);
	if (compiler.builder == NULL)
		return NULL;
	return finish(&compiler, compile_conjuncts(&compiler, quals));
}

GstoreProgram *
gstore_program_compile_aggregate(List *quals, List *keys, List *aggrefs,
								 Index varno, PlanState *parent, bool narrow,
								 GstoreStateNumbers *states)
{
	GstoreCompiler compiler = {.varno = varno, .narrow = narrow, .parent = parent};
	bool fine;
	ListCell *cell;

	compiler.builder = gstore_program_begin(&context_allocator);
	if (compiler.builder == NULL)
		return NULL;
	fine = compile_conjuncts(&compiler, quals);
	foreach(cell, keys)
	{
		GstoreOperand key;

		compiler.emitted = 0;
		fine = fine && gstore_compile_node(&compiler, lfirst(cell), &key);
		if (fine)
			gstore_program_key(compiler.builder, key.reg);
	}
	foreach(cell, aggrefs)
		fine = fine && compile_aggregate(&compiler, lfirst(cell), states++);
	return finish(&compiler, fine);
}

AttrNumber
gstore_program_attnum(const GstoreProgram *program, int column)
{
	return GSTORE_PROGRAM_PART(program, GstoreProgramColumn,
							   columns)[column]
		.attnum;
}
