/*
 * prune.c
 *	  Conditions as tests of blocks' bounds; see prune.h.
 *
 * A condition becomes a tree of tests that are true whenever a row of the block
 * might pass it; whatever is not understood may always pass.  So it matters for
 * speed alone which conditions are known here.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "exec/exec.h"
#include "fdw/prune.h"

typedef enum TestKind
{
	TEST_ALL,	  /* of the parts */
	TEST_ANY,	  /* of the parts */
	TEST_RANGE,	  /* a key between least and greatest */
	TEST_KEYS,	  /* one of some keys */
	TEST_NULL,	  /* a NULL */
	TEST_NOT_NULL /* a value */
} TestKind;

struct GstorePruning
{
	TestKind kind;
	AttrNumber attnum;
	uint64 least;
	uint64 greatest;
	uint64 *keys; /* ascending */
	int nkeys;
	List *parts; /* of GstorePruning */
};

typedef struct Maker
{
	Index varno;
	PlanState *parent;
} Maker;

static GstorePruning *make_test(Maker *maker, Node *node);

/* ---- blocks ---- */

/* Is one of the keys within the bounds? */
static bool
any_key_within(const GstorePruning *test, const GstoreBounds *bounds)
{
	int low = 0;
	int high = test->nkeys;

	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (test->keys[middle] < bounds->least)
			low = middle + 1;
		else
			high = middle;
	}
	return low < test->nkeys && test->keys[low] <= bounds->greatest;
}

bool
gstore_pruning_wants(void *pruning, const GstoreBounds *block, int ncolumns,
					 uint32 rows)
{
	const GstorePruning *test = pruning;
	/* A column that came after the chunk is NULL in it. */
	GstoreBounds bounds = {UINT64_MAX, 0, rows, 0};
	ListCell *cell;

	if (test->attnum > 0 && test->attnum <= ncolumns)
		bounds = block[test->attnum - 1];
	switch (test->kind)
	{
		case TEST_ALL:
			foreach(cell, test->parts)
				if (!gstore_pruning_wants(lfirst(cell), block, ncolumns, rows))
					return false;
			return true;
		case TEST_ANY:
			foreach(cell, test->parts)
				if (gstore_pruning_wants(lfirst(cell), block, ncolumns, rows))
					return true;
			return false;
		case TEST_RANGE:
			return bounds.least <= bounds.greatest &&
				   bounds.least <= test->greatest &&
				   test->least <= bounds.greatest;
		case TEST_KEYS:
			return bounds.least <= bounds.greatest &&
				   any_key_within(test, &bounds);
		case TEST_NULL:
			return bounds.nulls > 0;
		case TEST_NOT_NULL:
			return bounds.least <= bounds.greatest;
	}
	return true;
}

/* ---- what can be compared ---- */

GstoreOrder
gstore_order_of_type(Oid typid)
{
	switch (getBaseType(typid))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case CASHOID:
		case TIMEOID:
			return GSTORE_ORDER_INTEGER;
		case OIDOID:
		case BOOLOID:
			return GSTORE_ORDER_UNSIGNED;
		case FLOAT4OID:
		case FLOAT8OID:
			return GSTORE_ORDER_FLOAT;
		case NUMERICOID:
			return GSTORE_ORDER_NUMERIC;
		case DATEOID:
			return GSTORE_ORDER_DATE;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return GSTORE_ORDER_TIMESTAMP;
		case INTERVALOID:
			return GSTORE_ORDER_INTERVAL;
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
			return GSTORE_ORDER_TEXT;
		case BPCHAROID:
			return GSTORE_ORDER_BPCHAR;
		case UUIDOID:
			return GSTORE_ORDER_UUID;
		default:
			return GSTORE_ORDER_NONE;
	}
}

static bool
is_zoned(Oid type)
{
	return getBaseType(type) == TIMESTAMPTZOID;
}

/* Do keys of the two types compare as their btree operators do?  What timestamp is
 * which timestamptz depends on the time zone: see in_zone. */
static bool
is_comparable(Oid left, Oid right)
{
	GstoreOrder order = gstore_order_of_type(left);
	GstoreOrder other = gstore_order_of_type(right);

	if (order == GSTORE_ORDER_NONE)
		return false;
	if (order == GSTORE_ORDER_DATE || order == GSTORE_ORDER_TIMESTAMP)
		return other == GSTORE_ORDER_DATE || other == GSTORE_ORDER_TIMESTAMP;
	return order == other;
}

/* A column of the relation, under casts that change nothing; or NULL. */
static Var *
column_of(const Maker *maker, Node *node, Oid as_type)
{
	Var *var;

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	var = (Var *) node;
	if (!IsA(node, Var) || var->varno != (int) maker->varno ||
		var->varattno <= 0 || var->varlevelsup != 0 ||
		gstore_order_of_type(var->vartype) == GSTORE_ORDER_NONE ||
		gstore_order_of_type(var->vartype) != gstore_order_of_type(as_type))
		return NULL;
	return var;
}

/* The btree strategy by which the operator's left type is ordered, or
 * InvalidStrategy; inequality is none. */
static StrategyNumber
strategy_of(Oid opno, Oid collation)
{
	Oid left;
	Oid right;
	TypeCacheEntry *type;
	StrategyNumber strategy;

	op_input_types(opno, &left, &right);
	if (!is_comparable(left, right))
		return InvalidStrategy;
	type = lookup_type_cache(left, TYPECACHE_BTREE_OPFAMILY);
	strategy = get_op_opfamily_strategy(opno, type->btree_opf);
	if (strategy == InvalidStrategy || !OidIsValid(collation))
		return strategy;
	if (strategy == BTEqualStrategyNumber)
		return get_collation_isdeterministic(collation) ? strategy : InvalidStrategy;
	return gstore_collation_is_bytewise(collation) ? strategy : InvalidStrategy;
}

/* ---- tests ---- */

static GstorePruning *
new_test(TestKind kind, AttrNumber attnum)
{
	GstorePruning *test = palloc0(sizeof(GstorePruning));

	test->kind = kind;
	test->attnum = attnum;
	return test;
}

static GstorePruning *
new_range(AttrNumber attnum, uint64 least, uint64 greatest)
{
	GstorePruning *test = new_test(TEST_RANGE, attnum);

	test->least = least;
	test->greatest = greatest;
	return test;
}

static bool
key_of(Oid type, Datum value, uint64 *key)
{
	if (get_typlen(type) == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	return gstore_bounds_key(gstore_order_of_type(type), get_typlen(type),
							 value, key);
}

/*
 * A value without a time zone as one that has it, or the reverse, in the session's:
 * *slack is how far the instants of equal values may lie apart, for clocks are put
 * back.  False: it may not have one.
 */
static bool
in_zone(Oid *type, Datum *value, int64 *slack)
{
	Timestamp instant;

	if (getBaseType(*type) == DATEOID)
	{
		DateADT date = DatumGetDateADT(*value);

		if (DATE_NOT_FINITE(date) ||
			date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return false;
		*value = DirectFunctionCall1(date_timestamp, *value);
	}
	instant = DatumGetTimestamp(*value);
	/* away from where a zone's offset could lead out of range */
	if (TIMESTAMP_NOT_FINITE(instant) ||
		instant < MIN_TIMESTAMP + 2 * USECS_PER_DAY ||
		instant >= END_TIMESTAMP - 2 * USECS_PER_DAY)
		return false;
	if (is_zoned(*type))
	{
		*value = DirectFunctionCall1(timestamptz_timestamp, *value);
		*type = TIMESTAMPOID;
		*slack = 25 * USECS_PER_HOUR; /* dates were left out, but not two */
	}
	else
	{
		*value = DirectFunctionCall1(timestamp_timestamptz, *value);
		*type = TIMESTAMPTZOID;
	}
	return true;
}

/* column op value; a NULL value lets nothing pass. */
static GstorePruning *
make_comparison(Maker *maker, Var *column, StrategyNumber strategy,
				Expr *value)
{
	bool isnull;
	uint64 least = 0;
	uint64 greatest = 0;
	int64 slack = 0;
	Oid type = exprType((Node *) value);
	Datum datum = gstore_evaluate_constant(value, maker->parent, &isnull);

	if (isnull)
		return new_range(column->varattno, 1, 0);
	if (is_zoned(type) != is_zoned(column->vartype) && !in_zone(&type, &datum, &slack))
		return NULL;
	if (slack == 0)
	{
		if (!key_of(type, datum, &least))
			return NULL;
		greatest = least;
	}
	else if (!key_of(type, TimestampGetDatum(DatumGetTimestamp(datum) - slack), &least) ||
			 !key_of(type, TimestampGetDatum(DatumGetTimestamp(datum) + slack), &greatest))
		return NULL;
	switch (strategy)
	{
		case BTLessStrategyNumber:
		case BTLessEqualStrategyNumber:
			return new_range(column->varattno, 0, greatest);
		case BTEqualStrategyNumber:
			return new_range(column->varattno, least, greatest);
		default:
			return new_range(column->varattno, least, UINT64_MAX);
	}
}

/* column LIKE 'prefix%': bytes of the prefix are the first of the key. */
static GstorePruning *
make_like(Maker *maker, OpExpr *expr)
{
	Var *column = column_of(maker, linitial(expr->args), TEXTOID);
	Const *pattern = lsecond(expr->args);
	uint8 bytes[sizeof(uint64)];
	const char *like;
	int length = 0;

	if (column == NULL || !IsA(pattern, Const) || pattern->constisnull ||
		!get_collation_isdeterministic(expr->inputcollid))
		return NULL;
	like = TextDatumGetCString(pattern->constvalue);
	while (length < (int) sizeof(bytes) && like[length] != '\0' &&
		   strchr("%_\\", like[length]) == NULL)
		length++;
	if (length == 0)
		return NULL;
	memset(bytes, 0xFF, sizeof(bytes));
	memcpy(bytes, like, length);
	return new_range(column->varattno,
					 gstore_prefix_key((const uint8 *) like, length),
					 gstore_prefix_key(bytes, sizeof(bytes)));
}

static GstorePruning *
make_operator(Maker *maker, OpExpr *expr)
{
	Oid opno = expr->opno;
	Node *left;
	Node *right;
	Oid left_type;
	Oid right_type;
	StrategyNumber strategy;
	Var *column;

	if (list_length(expr->args) != 2)
		return NULL;
	if (opno == OID_TEXT_LIKE_OP)
		return make_like(maker, expr);
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (gstore_is_constant(left))
	{
		left = right;
		right = linitial(expr->args);
		opno = get_commutator(opno);
	}
	if (!OidIsValid(opno) || !gstore_is_constant(right))
		return NULL;
	op_input_types(opno, &left_type, &right_type);
	strategy = strategy_of(opno, expr->inputcollid);
	column = column_of(maker, left, left_type);
	if (strategy == InvalidStrategy || column == NULL ||
		!is_comparable(exprType(right), right_type))
		return NULL;
	return make_comparison(maker, column, strategy, (Expr *) right);
}

static int
compare_keys(const void *a, const void *b)
{
	uint64 left = *(const uint64 *) a;
	uint64 right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/* column = ANY (array) */
static GstorePruning *
make_list(Maker *maker, ScalarArrayOpExpr *expr)
{
	Node *list = lsecond(expr->args);
	Oid left_type;
	Oid right_type;
	Oid element;
	Var *column;
	GstorePruning *test;
	Datum array;
	Datum *values;
	bool *nulls;
	bool isnull;
	int n;
	int16 typlen;
	bool typbyval;
	char typalign;

	if (!expr->useOr || !gstore_is_constant(list) ||
		strategy_of(expr->opno, expr->inputcollid) != BTEqualStrategyNumber)
		return NULL;
	op_input_types(expr->opno, &left_type, &right_type);
	column = column_of(maker, linitial(expr->args), left_type);
	if (column == NULL)
		return NULL;
	array = gstore_evaluate_constant((Expr *) list, maker->parent, &isnull);
	if (isnull)
		return new_range(column->varattno, 1, 0);
	element = ARR_ELEMTYPE(DatumGetArrayTypeP(array));
	if (!is_comparable(element, right_type) ||
		is_zoned(element) != is_zoned(column->vartype))
		return NULL;
	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(DatumGetArrayTypeP(array), element, typlen, typbyval,
					  typalign, &values, &nulls, &n);
	test = new_test(TEST_KEYS, column->varattno);
	test->keys = palloc(Max(1, n) * sizeof(uint64));
	for (int i = 0; i < n; i++)
		if (!nulls[i] && !key_of(element, values[i], &test->keys[test->nkeys++]))
			return NULL;
	qsort(test->keys, test->nkeys, sizeof(uint64), compare_keys);
	return test;
}

static GstorePruning *
make_null_test(Maker *maker, NullTest *expr)
{
	Var *column = column_of(maker, (Node *) expr->arg,
							exprType((Node *) expr->arg));

	if (column == NULL || expr->argisrow)
		return NULL;
	return new_test(expr->nulltesttype == IS_NULL ? TEST_NULL : TEST_NOT_NULL,
					column->varattno);
}

/* Of some conditions: those that are understood, where all must be true; where
 * one suffices, nothing unless all are. */
static GstorePruning *
make_junction(Maker *maker, TestKind kind, List *conditions)
{
	GstorePruning *test = new_test(kind, InvalidAttrNumber);
	ListCell *cell;

	foreach(cell, conditions)
	{
		GstorePruning *part = make_test(maker, lfirst(cell));

		if (part != NULL)
			test->parts = lappend(test->parts, part);
		else if (kind == TEST_ANY)
			return NULL;
	}
	return test->parts == NIL ? NULL : test;
}

static GstorePruning *
make_logic(Maker *maker, BoolExpr *expr)
{
	Var *column;

	switch (expr->boolop)
	{
		case AND_EXPR:
			return make_junction(maker, TEST_ALL, expr->args);
		case OR_EXPR:
			return make_junction(maker, TEST_ANY, expr->args);
		default:
			column = column_of(maker, linitial(expr->args), BOOLOID);
			return column == NULL || column->vartype != BOOLOID ? NULL : new_range(column->varattno, false, false);
	}
}

static GstorePruning *
make_test(Maker *maker, Node *node)
{
	check_stack_depth();
	switch (nodeTag(node))
	{
		case T_BoolExpr:
			return make_logic(maker, (BoolExpr *) node);
		case T_OpExpr:
			return make_operator(maker, (OpExpr *) node);
		case T_ScalarArrayOpExpr:
			return make_list(maker, (ScalarArrayOpExpr *) node);
		case T_NullTest:
			return make_null_test(maker, (NullTest *) node);
		case T_Var:
			return column_of(maker, node, BOOLOID) == NULL ? NULL : new_range(((Var *) node)->varattno, true, true);
		default:
			return NULL;
	}
}

GstorePruning *
gstore_pruning_make(List *quals, Index varno, PlanState *parent)
{
	Maker maker = {varno, parent};

	return make_junction(&maker, TEST_ALL, quals);
}
