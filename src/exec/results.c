/*
 * results.c
 *	  Expressions over the results of groups, as programs over their rows.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "exec/compile.h"

/* Can a program have it as a column? */
static bool
is_readable(Node *key_or_aggref)
{
	GstoreType type;

	return gstore_result_part(key_or_aggref) != GSTORE_GROUP_NOTHING &&
		   gstore_type_of(exprType(key_or_aggref), &type);
}

static Node *
replace_results(Node *node, void *context)
{
	List *exprs = context;
	AttrNumber number = 1;
	ListCell *cell;

	if (node == NULL)
		return NULL;
	foreach(cell, exprs)
	{
		if (equal(node, lfirst(cell)) && is_readable(node))
			return (Node *) makeVar(INDEX_VAR, number, exprType(node),
									exprTypmod(node), exprCollation(node), 0);
		number++;
	}
	return expression_tree_mutator(node, replace_results, context);
}

Node *
gstore_results_as_vars(Node *expr, List *exprs)
{
	return replace_results(expr, exprs);
}

GstoreGroupColumn *
gstore_results_columns(List *exprs, int nkeys, const GstoreProgram *program,
					   const GstoreStateNumbers *states)
{
	GstoreGroupColumn *columns = palloc0((list_length(exprs) + 1) *
										 sizeof(GstoreGroupColumn));
	const GstoreRegister *registers =
		GSTORE_PROGRAM_PART(program, GstoreRegister, registers);
	const uint16 *keys = GSTORE_PROGRAM_PART(program, uint16, keys);
	const GstoreProgramAggregate *aggregates =
		GSTORE_PROGRAM_PART(program, GstoreProgramAggregate, aggregates);
	ListCell *cell;

	foreach(cell, exprs)
	{
		int i = foreach_current_index(cell);
		GstoreGroupColumn *column = &columns[i];
		uint16 reg = GSTORE_NO_REGISTER;

		column->part = (uint8) gstore_result_part(lfirst(cell));
		column->index = (uint16) i;
		if (i < nkeys)
			reg = keys[i];
		else
		{
			column->index = states[i - nkeys].values;
			reg = aggregates[column->index].argument;
		}
		/* the sum of integers is a numeric, too */
		column->scale = 0;
		if (reg != GSTORE_NO_REGISTER &&
			registers[reg].type == GSTORE_TYPE_DECIMAL)
			column->scale = registers[reg].scale;
		else if (reg != GSTORE_NO_REGISTER &&
				 registers[reg].type == GSTORE_TYPE_NUMERIC)
			column->scale = -1;
	}
	return columns;
}

/* Of a numeric whose scale is known, 64 bits are tried first. */
static Node *
add_types(Node *node, void *context)
{
	const GstoreGroupColumn *columns = context;
	Var *var = (Var *) node;

	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && var->varno == INDEX_VAR && var->varattno > 0)
	{
		int scale = columns[var->varattno - 1].scale;

		var = copyObject(var);
		if (var->vartype == NUMERICOID)
			var->vartypmod = scale < 0
								 ? -1
								 : (int32) ((GSTORE_SMALL_DECIMAL_DIGITS << 16 |
											 scale) +
											VARHDRSZ);
		return (Node *) var;
	}
	return expression_tree_mutator(node, add_types, context);
}

Node *
gstore_results_typed(Node *expr, const GstoreGroupColumn *columns)
{
	return add_types(expr, (void *) columns);
}
