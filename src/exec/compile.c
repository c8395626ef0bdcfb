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

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "exec/exec.h"

/* Elements of a list that are worth comparing one by one. */
#define MAX_LIST 64
/* Instructions one expression may have: some of these fill a program. */
#define MAX_EMITTED 400

typedef struct Operand
{
	GstoreType type;
	uint16 reg;
} Operand;

typedef struct Compiler
{
	GstoreProgramBuilder *builder; /* NULL: only see whether it could */
	Index varno;
	PlanState *parent;		   /* evaluates what stays the same */
	const Operand *case_value; /* of the CASE around */
	int emitted;
} Compiler;

static bool compile(Compiler *compiler, Node *node, Operand *to);

/* ---- types ---- */

static bool
type_of(Oid typid, GstoreType *type)
{
	switch (getBaseType(typid))
	{
		case BOOLOID:
			*type = GSTORE_TYPE_BOOL;
			return true;
		case INT2OID:
			*type = GSTORE_TYPE_INT2;
			return true;
		case INT4OID:
			*type = GSTORE_TYPE_INT4;
			return true;
		case INT8OID:
			*type = GSTORE_TYPE_INT8;
			return true;
		case FLOAT4OID:
			*type = GSTORE_TYPE_FLOAT4;
			return true;
		case FLOAT8OID:
			*type = GSTORE_TYPE_FLOAT8;
			return true;
		case NUMERICOID:
			*type = GSTORE_TYPE_NUMERIC;
			return true;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			*type = GSTORE_TYPE_TEXT;
			return true;
		case DATEOID:
			*type = GSTORE_TYPE_DATE;
			return true;
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			*type = GSTORE_TYPE_TIMESTAMP;
			return true;
		case INTERVALOID:
			*type = GSTORE_TYPE_SPAN;
			return true;
		case UUIDOID:
			*type = GSTORE_TYPE_UUID;
			return true;
		case OIDOID:
			*type = GSTORE_TYPE_OID;
			return true;
		default:
			return false;
	}
}

static bool
emit(Compiler *compiler, GstoreOpcode opcode, Operand a, Operand b, Operand c,
	 Operand *to)
{
	if (++compiler->emitted > MAX_EMITTED)
		return false;
	to->type = gstore_opcode_result(opcode, b.type);
	to->reg = 0;
	if (compiler->builder != NULL)
		to->reg = gstore_program_operator(compiler->builder, opcode, a.reg,
										  b.reg, c.reg);
	return true;
}

static const Operand none = {GSTORE_TYPE_BOOL, 0};

/* Make an operand of the type an operator takes. */
static bool
widen(Compiler *compiler, Operand *operand, int type)
{
	static const struct
	{
		GstoreType from;
		GstoreType to;
		GstoreOpcode opcode;
	} casts[] = {
		{GSTORE_TYPE_INT2, GSTORE_TYPE_INT4, GSTORE_OP_INT2_TO_INT4},
		{GSTORE_TYPE_INT2, GSTORE_TYPE_INT8, GSTORE_OP_INT2_TO_INT8},
		{GSTORE_TYPE_INT4, GSTORE_TYPE_INT8, GSTORE_OP_INT4_TO_INT8},
		{GSTORE_TYPE_FLOAT4, GSTORE_TYPE_FLOAT8, GSTORE_OP_FLOAT4_TO_FLOAT8},
		{GSTORE_TYPE_DATE, GSTORE_TYPE_TIMESTAMP, GSTORE_OP_DATE_TO_INSTANT}};

	if ((int) operand->type == type)
		return true;
	for (size_t i = 0; i < lengthof(casts); i++)
		if (casts[i].from == operand->type && (int) casts[i].to == type)
			return emit(compiler, casts[i].opcode, *operand, none, none,
						operand);
	return false;
}

/* ---- leaves ---- */

static bool
add_constant(Compiler *compiler, GstoreType type, Datum value, bool isnull,
			 Operand *to)
{
	union
	{
		bool logic;
		int16 i2;
		int32 i4;
		int64 i8;
		float4 f4;
		float8 f8;
		GstoreNumeric numeric;
		GstoreText text;
		GstoreSpan span;
		GstoreUuid uuid;
		Oid oid;
	} bytes;
	uint8 state = isnull ? GSTORE_STATE_NULL : GSTORE_STATE_VALUE;
	struct varlena *varlena;

	to->type = type;
	to->reg = 0;
	if (compiler->builder == NULL)
		return true;
	memset(&bytes, 0, sizeof(bytes));
	if (!isnull)
		switch (type)
		{
			case GSTORE_TYPE_BOOL:
				bytes.logic = DatumGetBool(value);
				break;
			case GSTORE_TYPE_INT2:
				bytes.i2 = DatumGetInt16(value);
				break;
			case GSTORE_TYPE_INT4:
			case GSTORE_TYPE_DATE:
				bytes.i4 = DatumGetInt32(value);
				break;
			case GSTORE_TYPE_INT8:
			case GSTORE_TYPE_TIMESTAMP:
				bytes.i8 = DatumGetInt64(value);
				break;
			case GSTORE_TYPE_FLOAT4:
				bytes.f4 = DatumGetFloat4(value);
				break;
			case GSTORE_TYPE_FLOAT8:
				bytes.f8 = DatumGetFloat8(value);
				break;
			case GSTORE_TYPE_OID:
				bytes.oid = DatumGetObjectId(value);
				break;
			case GSTORE_TYPE_SPAN:
				memcpy(&bytes.span, DatumGetPointer(value),
					   sizeof(bytes.span));
				break;
			case GSTORE_TYPE_UUID:
				memcpy(&bytes.uuid, DatumGetPointer(value),
					   sizeof(bytes.uuid));
				break;
			case GSTORE_TYPE_NUMERIC:
				varlena = PG_DETOAST_DATUM_PACKED(value);
				state = gstore_numeric_decode(&bytes.numeric,
											  (uint8 *) VARDATA_ANY(varlena),
											  VARSIZE_ANY_EXHDR(varlena));
				break;
			default:
				varlena = PG_DETOAST_DATUM_PACKED(value);
				bytes.text.data = (uint8 *) VARDATA_ANY(varlena);
				bytes.text.length = VARSIZE_ANY_EXHDR(varlena);
				break;
		}
	to->reg = gstore_program_constant(compiler->builder, type, state, &bytes);
	return true;
}

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
compile_constant(Compiler *compiler, Node *node, Operand *to)
{
	GstoreType type;
	Datum value;
	bool isnull;

	if (!type_of(exprType(node), &type))
		return false;
	if (compiler->builder == NULL)
		return add_constant(compiler, type, 0, true, to);
	value = gstore_evaluate_constant((Expr *) node, compiler->parent, &isnull);
	return add_constant(compiler, type, value, isnull, to);
}

static bool
compile_var(Compiler *compiler, Var *var, Operand *to)
{
	if (var->varno != (int) compiler->varno || var->varattno <= 0 ||
		var->varlevelsup != 0 || !type_of(var->vartype, &to->type))
		return false;
	to->reg = 0;
	if (compiler->builder != NULL)
		to->reg = gstore_program_column(compiler->builder, var->varattno,
										to->type);
	return true;
}

/* ---- functions and operators ---- */

/* LIKE: only a pattern that is known and well-formed, where bytes may stand
 * for characters. */
static bool
like_is_bytewise(Node *pattern, Oid collation)
{
	const Const *value = (const Const *) pattern;
	text *bytes;
	int length;

	if (!IsA(pattern, Const) || value->constisnull ||
		!OidIsValid(collation) || !get_collation_isdeterministic(collation))
		return false;
	bytes = DatumGetTextPP(value->constvalue);
	length = VARSIZE_ANY_EXHDR(bytes);
	if (length > 0 && VARDATA_ANY(bytes)[length - 1] == '\\')
		return false;
	if (GetDatabaseEncoding() == PG_UTF8)
		return true;
	return pg_database_encoding_max_length() == 1 &&
		   memchr(VARDATA_ANY(bytes), '_', length) == NULL;
}

/*
 * ILIKE: only where the collation makes small letters of A to Z as ASCII does
 * (Turkish does not), and for a pattern in ASCII.
 */
static bool
ilike_is_bytewise(Node *pattern, Oid collation)
{
	static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	text *bytes;

	if (!like_is_bytewise(pattern, collation))
		return false;
	bytes = DatumGetTextPP(((Const *) pattern)->constvalue);
	for (uint32 i = 0; i < VARSIZE_ANY_EXHDR(bytes); i++)
		if (IS_HIGHBIT_SET(VARDATA_ANY(bytes)[i]))
			return false;
	return strcmp(str_tolower(upper, strlen(upper), collation),
				  "abcdefghijklmnopqrstuvwxyz") == 0;
}

/* The number of a field that is a known word, or -1. */
static int
field_of(Node *field)
{
	static const struct
	{
		const char *name;
		GstoreField field;
	} fields[] = {
		{"microseconds", GSTORE_FIELD_MICROSECOND},
		{"milliseconds", GSTORE_FIELD_MILLISECOND},
		{"second", GSTORE_FIELD_SECOND},
		{"minute", GSTORE_FIELD_MINUTE},
		{"hour", GSTORE_FIELD_HOUR},
		{"day", GSTORE_FIELD_DAY},
		{"week", GSTORE_FIELD_WEEK},
		{"month", GSTORE_FIELD_MONTH},
		{"quarter", GSTORE_FIELD_QUARTER},
		{"year", GSTORE_FIELD_YEAR},
		{"decade", GSTORE_FIELD_DECADE},
		{"century", GSTORE_FIELD_CENTURY},
		{"millennium", GSTORE_FIELD_MILLENNIUM},
		{"dow", GSTORE_FIELD_DOW},
		{"isodow", GSTORE_FIELD_ISODOW},
		{"doy", GSTORE_FIELD_DOY},
		{"isoyear", GSTORE_FIELD_ISOYEAR},
		{"epoch", GSTORE_FIELD_EPOCH}};
	char *name;

	if (!IsA(field, Const) || ((Const *) field)->constisnull)
		return -1;
	name = TextDatumGetCString(((Const *) field)->constvalue);
	for (size_t i = 0; i < lengthof(fields); i++)
		if (strcmp(name, fields[i].name) == 0)
			return fields[i].field;
	return -1;
}

/* An operator on operands that are compiled. */
static bool
apply(Compiler *compiler, int opcode, bool swapped, Operand *operands,
	  int noperands, Operand *to)
{
	if (swapped)
	{
		Operand first = operands[0];

		operands[0] = operands[1];
		operands[1] = first;
	}
	for (int i = 0; i < 2; i++)
	{
		int type = gstore_opcode_argument((GstoreOpcode) opcode, i);

		if ((type >= 0) != (i < noperands))
			return false;
		if (type >= 0 && !widen(compiler, &operands[i], type))
			return false;
	}
	return emit(compiler, (GstoreOpcode) opcode, operands[0],
				noperands > 1 ? operands[1] : none, none, to);
}

/* extract, date_part and date_trunc: the first argument becomes a number, as
 * the second.  Fields that a type has not are PostgreSQL's to refuse. */
static bool
compile_field(Compiler *compiler, Oid function, List *args, Operand *to)
{
	Operand operands[2];
	int field = field_of(linitial(args));
	bool of_day = field >= GSTORE_FIELD_DAY && field < GSTORE_FIELD_EPOCH;
	bool fine = field >= 0;
	int opcode;

	switch (function)
	{
		case F_EXTRACT_TEXT_DATE:
			opcode = GSTORE_OP_DATE_FIELD;
			fine = fine && field >= GSTORE_FIELD_DAY;
			break;
		case F_EXTRACT_TEXT_TIMESTAMP:
			opcode = GSTORE_OP_TIMESTAMP_FIELD;
			break;
		case F_EXTRACT_TEXT_TIMESTAMPTZ: /* others depend on the zone */
			opcode = GSTORE_OP_TIMESTAMP_FIELD;
			fine = field == GSTORE_FIELD_EPOCH;
			break;
		case F_EXTRACT_TEXT_TIME:
			opcode = GSTORE_OP_TIME_FIELD;
			fine = fine && !of_day;
			break;
		case F_DATE_PART_TEXT_TIMESTAMP:
			opcode = GSTORE_OP_TIMESTAMP_PART;
			break;
		case F_DATE_PART_TEXT_TIME:
			opcode = GSTORE_OP_TIME_PART;
			fine = fine && !of_day;
			break;
		default: /* date_trunc */
			opcode = GSTORE_OP_TIMESTAMP_TRUNC;
			fine = fine && field <= GSTORE_FIELD_MILLENNIUM;
			break;
	}
	return fine && compile(compiler, lsecond(args), &operands[0]) &&
		   add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(field),
						false, &operands[1]) &&
		   apply(compiler, opcode, false, operands, 2, to);
}

/* substring(text from start [for length]) */
static bool
compile_substring(Compiler *compiler, List *args, Operand *to)
{
	Operand text_and[2];
	Operand bounds[2];

	if (GetDatabaseEncoding() != PG_UTF8 ||
		!compile(compiler, linitial(args), &text_and[0]) ||
		!compile(compiler, lsecond(args), &bounds[0]))
		return false;
	text_and[1] = bounds[0];
	if (list_length(args) == 3)
	{
		Operand cut[2] = {text_and[0], {GSTORE_TYPE_INT4, 0}};

		if (!compile(compiler, lthird(args), &bounds[1]) ||
			!apply(compiler, GSTORE_OP_TEXT_PIECE_END, false, bounds, 2,
				   &cut[1]) ||
			!apply(compiler, GSTORE_OP_TEXT_UTF8_UPTO, false, cut, 2,
				   &text_and[0]))
			return false;
	}
	return apply(compiler, GSTORE_OP_TEXT_UTF8_FROM, false, text_and, 2, to);
}

static bool
compile_function(Compiler *compiler, Oid function, Oid collation, List *args,
				 Operand *to)
{
	Operand operands[2] = {{GSTORE_TYPE_BOOL, 0}, {GSTORE_TYPE_BOOL, 0}};
	bool swapped = false;
	int opcode = -1;
	int nargs = list_length(args);

	switch (function)
	{
		case F_EXTRACT_TEXT_DATE:
		case F_EXTRACT_TEXT_TIME:
		case F_EXTRACT_TEXT_TIMESTAMP:
		case F_EXTRACT_TEXT_TIMESTAMPTZ:
		case F_DATE_PART_TEXT_TIME:
		case F_DATE_PART_TEXT_TIMESTAMP:
		case F_DATE_TRUNC_TEXT_TIMESTAMP:
			return compile_field(compiler, function, args, to);
		case F_SUBSTRING_TEXT_INT4:
		case F_SUBSTRING_TEXT_INT4_INT4:
		case F_SUBSTR_TEXT_INT4:
		case F_SUBSTR_TEXT_INT4_INT4:
			return compile_substring(compiler, args, to);
		case F_TEXTICLIKE:
		case F_BPCHARICLIKE:
			if (ilike_is_bytewise(lsecond(args), collation))
				opcode = GSTORE_OP_TEXT_ILIKE;
			break;
		case F_TEXTICNLIKE:
		case F_BPCHARICNLIKE:
			if (ilike_is_bytewise(lsecond(args), collation))
				opcode = GSTORE_OP_TEXT_NOT_ILIKE;
			break;
		case F_TEXTLIKE:
		case F_LIKE_TEXT_TEXT:
		case F_BPCHARLIKE:
			if (like_is_bytewise(lsecond(args), collation))
				opcode = GSTORE_OP_TEXT_LIKE;
			break;
		case F_TEXTNLIKE:
		case F_NOTLIKE_TEXT_TEXT:
		case F_BPCHARNLIKE:
			if (like_is_bytewise(lsecond(args), collation))
				opcode = GSTORE_OP_TEXT_NOT_LIKE;
			break;
		case F_TEXTLEN:
		case F_LENGTH_TEXT:
		case F_CHAR_LENGTH_TEXT:
		case F_CHARACTER_LENGTH_TEXT:
			if (GetDatabaseEncoding() == PG_UTF8)
				opcode = GSTORE_OP_TEXT_UTF8_LENGTH;
			else if (pg_database_encoding_max_length() == 1)
				opcode = GSTORE_OP_TEXT_OCTETS;
			break;
		default:
			opcode = gstore_function_opcode(function, collation, &swapped);
			break;
	}
	if (opcode < 0 || nargs < 1 || nargs > 2)
		return false;
	for (int i = 0; i < nargs; i++)
		if (!compile(compiler, list_nth(args, i), &operands[i]))
			return false;
	return apply(compiler, opcode, swapped, operands, nargs, to);
}

/* What searches a sorted list for the equality or inequality of a comparison;
 * -1 if it is neither, or of a type that has no order here. */
static int
search_opcode(int opcode, bool useOr)
{
	static const struct
	{
		GstoreOpcode any; /* = ANY */
		GstoreOpcode all; /* <> ALL */
		GstoreOpcode search;
	} searches[] = {
		{GSTORE_OP_INT2_EQ, GSTORE_OP_INT2_NE, GSTORE_OP_INT2_IN},
		{GSTORE_OP_INT4_EQ, GSTORE_OP_INT4_NE, GSTORE_OP_INT4_IN},
		{GSTORE_OP_INT8_EQ, GSTORE_OP_INT8_NE, GSTORE_OP_INT8_IN},
		{GSTORE_OP_DATE_EQ, GSTORE_OP_DATE_NE, GSTORE_OP_DATE_IN},
		{GSTORE_OP_TIMESTAMP_EQ, GSTORE_OP_TIMESTAMP_NE, GSTORE_OP_TIMESTAMP_IN},
		{GSTORE_OP_OID_EQ, GSTORE_OP_OID_NE, GSTORE_OP_OID_IN},
		{GSTORE_OP_TEXT_EQ, GSTORE_OP_TEXT_NE, GSTORE_OP_TEXT_IN}};

	for (size_t i = 0; i < lengthof(searches); i++)
		if ((int) (useOr ? searches[i].any : searches[i].all) == opcode)
			return searches[i].search;
	return -1;
}

static int
order_words(const void *a, const void *b)
{
	int64 x = *(const int64 *) a;
	int64 y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static int
order_texts(const void *a, const void *b)
{
	return gstore_text_compare(*(const GstoreText *) a,
							   *(const GstoreText *) b);
}

/* A list as gstore_list_search wants it (ops_text.h). */
static GstoreText
sorted_list(GstoreType type, const Datum *values, const bool *nulls, int n)
{
	GstoreText *texts = palloc_extended(n * sizeof(GstoreText),
										MCXT_ALLOC_HUGE);
	int64 *words = palloc_extended((n + 2) * sizeof(int64), MCXT_ALLOC_HUGE);
	StringInfoData bytes;
	GstoreText result;
	int count = 0;
	bool has_null = false;

	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			has_null = true;
		else if (type == GSTORE_TYPE_TEXT)
		{
			struct varlena *varlena = PG_DETOAST_DATUM_PACKED(values[i]);

			texts[count].data = (uint8 *) VARDATA_ANY(varlena);
			texts[count++].length = VARSIZE_ANY_EXHDR(varlena);
		}
		else if (type == GSTORE_TYPE_INT8 || type == GSTORE_TYPE_TIMESTAMP)
			words[2 + count++] = DatumGetInt64(values[i]);
		else if (type == GSTORE_TYPE_INT2)
			words[2 + count++] = DatumGetInt16(values[i]);
		else if (type == GSTORE_TYPE_OID)
			words[2 + count++] = DatumGetObjectId(values[i]);
		else
			words[2 + count++] = DatumGetInt32(values[i]);
	}
	words[0] = has_null;
	words[1] = count;
	initStringInfo(&bytes);
	if (type == GSTORE_TYPE_TEXT)
	{
		int64 end = 0;

		qsort(texts, count, sizeof(GstoreText), order_texts);
		for (int i = 0; i < count; i++)
			words[2 + i] = end += texts[i].length;
	}
	else
		qsort(words + 2, count, sizeof(int64), order_words);
	appendBinaryStringInfo(&bytes, (char *) words,
						   (count + 2) * sizeof(int64));
	for (int i = 0; type == GSTORE_TYPE_TEXT && i < count; i++)
		appendBinaryStringInfo(&bytes, (const char *) texts[i].data,
							   texts[i].length);
	result.data = (uint8 *) bytes.data;
	result.length = bytes.len;
	return result;
}

/* x = ANY (list), x <> ALL (list): long ones are searched. */
static bool
compile_search(Compiler *compiler, int search, bool useOr, Operand value,
			   GstoreType type, const Datum *values, const bool *nulls, int n,
			   Operand *to)
{
	Operand operands[2] = {value, {GSTORE_TYPE_TEXT, 0}};

	if (search < 0)
		return false;
	if (compiler->builder != NULL)
	{
		GstoreText list = sorted_list(type, values, nulls, n);

		operands[1].reg = gstore_program_constant(compiler->builder,
												  GSTORE_TYPE_TEXT,
												  GSTORE_STATE_VALUE, &list);
	}
	return apply(compiler, search, false, operands, 2, to) &&
		   (useOr || emit(compiler, GSTORE_OP_NOT, *to, none, none, to));
}

/* Short ones are compared, one element after the other. */
static bool
compile_list(Compiler *compiler, ScalarArrayOpExpr *expr, Operand *to)
{
	Node *list = lsecond(expr->args);
	Oid element = get_base_element_type(exprType(list));
	ArrayType *array;
	GstoreType type;
	int16 typlen;
	bool typbyval;
	char typalign;
	Datum *values;
	bool *nulls;
	int n;
	bool swapped;
	Operand value;
	Datum datum;
	bool isnull;
	int opcode = gstore_function_opcode(get_opcode(expr->opno),
										expr->inputcollid, &swapped);
	int search;

	if (opcode < 0 || swapped || !gstore_is_constant(list) ||
		!OidIsValid(element) || !type_of(element, &type) ||
		!compile(compiler, linitial(expr->args), &value))
		return false;
	search = search_opcode(opcode, expr->useOr);
	if (compiler->builder == NULL && !IsA(list, Const))
	{
		/* how long it is will be seen: only what can be searched will do */
		Operand operands[2] = {value, {type, 0}};

		return search >= 0 && apply(compiler, opcode, false, operands, 2, to);
	}
	if (IsA(list, Const))
	{
		datum = ((Const *) list)->constvalue;
		isnull = ((Const *) list)->constisnull;
	}
	else
		datum = gstore_evaluate_constant((Expr *) list, compiler->parent,
										 &isnull);
	if (isnull)
		return add_constant(compiler, GSTORE_TYPE_BOOL, 0, true, to);
	array = DatumGetArrayTypeP(datum);
	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element, typlen, typbyval, typalign, &values,
					  &nulls, &n);
	if (n > MAX_LIST)
		return compile_search(compiler, search, expr->useOr, value, type,
							  values, nulls, n, to);
	if (!add_constant(compiler, GSTORE_TYPE_BOOL, BoolGetDatum(!expr->useOr),
					  false, to))
		return false;
	for (int i = 0; i < n; i++)
	{
		Operand operands[2] = {value, {type, 0}};
		Operand equal;

		if (!add_constant(compiler, type, values[i], nulls[i], &operands[1]) ||
			!apply(compiler, opcode, false, operands, 2, &equal) ||
			!emit(compiler, expr->useOr ? GSTORE_OP_OR : GSTORE_OP_AND, *to,
				  equal, none, to))
			return false;
	}
	return true;
}

/* ---- what is not strict ---- */

static bool
compile_logic(Compiler *compiler, BoolExpr *expr, Operand *to)
{
	Operand next;
	ListCell *cell;

	if (!compile(compiler, linitial(expr->args), to) ||
		to->type != GSTORE_TYPE_BOOL)
		return false;
	if (expr->boolop == NOT_EXPR)
		return emit(compiler, GSTORE_OP_NOT, *to, none, none, to);
	for_each_from(cell, expr->args, 1)
	{
		if (!compile(compiler, lfirst(cell), &next) ||
			next.type != GSTORE_TYPE_BOOL ||
			!emit(compiler,
				  expr->boolop == AND_EXPR ? GSTORE_OP_AND : GSTORE_OP_OR, *to,
				  next, none, to))
			return false;
	}
	return true;
}

static bool
compile_boolean_test(Compiler *compiler, BooleanTest *expr, Operand *to)
{
	Operand operand;
	GstoreOpcode opcode = GSTORE_OP_IS_NULL;
	bool negate = false;

	if (!compile(compiler, (Node *) expr->arg, &operand))
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
	if (!emit(compiler, opcode, operand, none, none, to))
		return false;
	return !negate || emit(compiler, GSTORE_OP_NOT, *to, none, none, to);
}

/* From the last WHEN to the first. */
static bool
compile_case(Compiler *compiler, CaseExpr *expr, Operand *to)
{
	const Operand *outer = compiler->case_value;
	Operand value;
	bool fine = true;

	if (expr->defresult == NULL ||
		!compile(compiler, (Node *) expr->defresult, to))
		return false;
	if (expr->arg != NULL)
	{
		if (!compile(compiler, (Node *) expr->arg, &value))
			return false;
		compiler->case_value = &value;
	}
	for (int i = list_length(expr->args) - 1; i >= 0 && fine; i--)
	{
		CaseWhen *when = list_nth_node(CaseWhen, expr->args, i);
		Operand condition;
		Operand result;

		fine = compile(compiler, (Node *) when->expr, &condition) &&
			   condition.type == GSTORE_TYPE_BOOL &&
			   compile(compiler, (Node *) when->result, &result) &&
			   result.type == to->type &&
			   emit(compiler, GSTORE_OP_SELECT, condition, result, *to, to);
	}
	compiler->case_value = outer;
	return fine;
}

static bool
compile_coalesce(Compiler *compiler, CoalesceExpr *expr, Operand *to)
{
	if (!compile(compiler, llast(expr->args), to))
		return false;
	for (int i = list_length(expr->args) - 2; i >= 0; i--)
	{
		Operand operand;

		if (!compile(compiler, list_nth(expr->args, i), &operand) ||
			operand.type != to->type ||
			!emit(compiler, GSTORE_OP_COALESCE, none, operand, *to, to))
			return false;
	}
	return true;
}

/* IS DISTINCT FROM and NULLIF, both made of an equality. */
static bool
compile_equality(Compiler *compiler, OpExpr *expr, bool is_nullif, Operand *to)
{
	bool swapped;
	int opcode = gstore_function_opcode(expr->opfuncid, expr->inputcollid,
										&swapped);
	Operand operands[2];
	Operand as_given[2];
	Operand equal;

	if (opcode < 0 || list_length(expr->args) != 2)
		return false;
	for (int i = 0; i < 2; i++)
	{
		if (!compile(compiler, list_nth(expr->args, i), &operands[i]))
			return false;
		as_given[i] = operands[i];
	}
	if (!apply(compiler, opcode, swapped, operands, 2, &equal))
		return false;
	if (is_nullif)
		return emit(compiler, GSTORE_OP_NULLIF, equal, as_given[0], none, to);
	if (!emit(compiler, GSTORE_OP_DISTINCT, equal, as_given[0], as_given[1],
			  to))
		return false;
	return true;
}

/* GREATEST and LEAST; of texts it would take their collation's order. */
static bool
compile_extreme(Compiler *compiler, MinMaxExpr *expr, Operand *to)
{
	static const int less[GSTORE_TYPE_COUNT] = {
		[GSTORE_TYPE_INT2] = GSTORE_OP_INT2_LT,
		[GSTORE_TYPE_INT4] = GSTORE_OP_INT4_LT,
		[GSTORE_TYPE_INT8] = GSTORE_OP_INT8_LT,
		[GSTORE_TYPE_FLOAT4] = GSTORE_OP_FLOAT4_LT,
		[GSTORE_TYPE_FLOAT8] = GSTORE_OP_FLOAT8_LT,
		[GSTORE_TYPE_NUMERIC] = GSTORE_OP_NUMERIC_LT,
		[GSTORE_TYPE_DATE] = GSTORE_OP_DATE_LT,
		[GSTORE_TYPE_SPAN] = GSTORE_OP_SPAN_LT,
		[GSTORE_TYPE_UUID] = GSTORE_OP_UUID_LT,
		[GSTORE_TYPE_OID] = GSTORE_OP_OID_LT,
		[GSTORE_TYPE_TIMESTAMP] = GSTORE_OP_TIMESTAMP_LT};
	ListCell *cell;

	if (!compile(compiler, linitial(expr->args), to) || less[to->type] == 0)
		return false;
	for_each_from(cell, expr->args, 1)
	{
		Operand next;
		Operand is_less;
		bool least = expr->op == IS_LEAST;

		/* the later one only where it is truly less, or greater */
		if (!compile(compiler, lfirst(cell), &next) ||
			next.type != to->type ||
			!emit(compiler, (GstoreOpcode) less[to->type], least ? next : *to,
				  least ? *to : next, none, &is_less) ||
			!emit(compiler, GSTORE_OP_CHOOSE, is_less, next, *to, to))
			return false;
	}
	return true;
}

static bool
compile_relabel(Compiler *compiler, RelabelType *expr, Operand *to)
{
	GstoreType type;

	return compile(compiler, (Node *) expr->arg, to) &&
		   type_of(expr->resulttype, &type) && type == to->type;
}

/* ---- all of it ---- */

static bool
compile(Compiler *compiler, Node *node, Operand *to)
{
	Operand operand;

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
			return compile_function(compiler, ((OpExpr *) node)->opfuncid,
									((OpExpr *) node)->inputcollid,
									((OpExpr *) node)->args, to);
		case T_FuncExpr:
			return compile_function(compiler, ((FuncExpr *) node)->funcid,
									((FuncExpr *) node)->inputcollid,
									((FuncExpr *) node)->args, to);
		case T_DistinctExpr:
			set_opfuncid((OpExpr *) node);
			return compile_equality(compiler, (OpExpr *) node, false, to);
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			return compile_equality(compiler, (OpExpr *) node, true, to);
		case T_ScalarArrayOpExpr:
			return compile_list(compiler, (ScalarArrayOpExpr *) node, to);
		case T_BoolExpr:
			return compile_logic(compiler, (BoolExpr *) node, to);
		case T_BooleanTest:
			return compile_boolean_test(compiler, (BooleanTest *) node, to);
		case T_NullTest:
			return !((NullTest *) node)->argisrow &&
				   compile(compiler, (Node *) ((NullTest *) node)->arg,
						   &operand) &&
				   emit(compiler,
						((NullTest *) node)->nulltesttype == IS_NULL
							? GSTORE_OP_IS_NULL
							: GSTORE_OP_IS_NOT_NULL,
						operand, none, none, to);
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
	Compiler compiler = {.varno = varno};
	Operand result;

	/* What has no column in it is not for each row: leave it to a gate. */
	return changes((Node *) expr, NULL) &&
		   compile(&compiler, (Node *) expr, &result);
}

bool
gstore_program_supports_value(Expr *expr, Index varno)
{
	Compiler compiler = {.varno = varno};
	Operand result;

	return compile(&compiler, (Node *) expr, &result);
}

/* Each of a list of conditions becomes a conjunct. */
static bool
compile_conjuncts(Compiler *compiler, List *quals)
{
	ListCell *cell;

	foreach(cell, quals)
	{
		Operand result;

		compiler->emitted = 0;
		if (!compile(compiler, lfirst(cell), &result) ||
			result.type != GSTORE_TYPE_BOOL)
			return false;
		gstore_program_filter(compiler->builder, result.reg);
	}
	return true;
}

static bool
compile_aggregate(Compiler *compiler, const Aggref *aggref)
{
	Expr *argument = gstore_aggregate_argument(aggref);
	GstoreAggregateKind kind = gstore_aggregate_kind(aggref);
	Operand value = {GSTORE_TYPE_BOOL, GSTORE_NO_REGISTER};
	Operand filter = {GSTORE_TYPE_BOOL, GSTORE_NO_REGISTER};

	compiler->emitted = 0;
	if (argument != NULL && !compile(compiler, (Node *) argument, &value))
		return false;
	if (aggref->aggfilter != NULL &&
		!compile(compiler, (Node *) aggref->aggfilter, &filter))
		return false;
	gstore_program_aggregate(compiler->builder, kind, value.reg, filter.reg);
	return true;
}

/* What was compiled, or NULL if something was not; the builder is gone. */
static GstoreProgram *
finish(Compiler *compiler, bool fine)
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
	Compiler compiler = {.varno = varno, .parent = parent};

	compiler.builder = gstore_program_begin(&context_allocator);
	if (compiler.builder == NULL)
		return NULL;
	return finish(&compiler, compile_conjuncts(&compiler, quals));
}

GstoreProgram *
gstore_program_compile_aggregate(List *quals, List *keys, List *aggrefs,
								 Index varno, PlanState *parent)
{
	Compiler compiler = {.varno = varno, .parent = parent};
	bool fine;
	ListCell *cell;

	compiler.builder = gstore_program_begin(&context_allocator);
	if (compiler.builder == NULL)
		return NULL;
	fine = compile_conjuncts(&compiler, quals);
	foreach(cell, keys)
	{
		Operand key;

		compiler.emitted = 0;
		fine = fine && compile(&compiler, lfirst(cell), &key);
		if (fine)
			gstore_program_key(compiler.builder, key.reg);
	}
	foreach(cell, aggrefs)
		fine = fine && compile_aggregate(&compiler, lfirst(cell));
	return finish(&compiler, fine);
}

AttrNumber
gstore_program_attnum(const GstoreProgram *program, int column)
{
	return GSTORE_PROGRAM_PART(program, GstoreProgramColumn,
							   columns)[column]
		.attnum;
}
