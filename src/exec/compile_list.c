/*
 * compile_list.c
 *	  IN, = ANY and <> ALL: short lists are compared, long ones searched.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "exec/compile.h"

/* Elements of a list that are worth comparing one by one. */
#define MAX_LIST 64

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
		{GSTORE_OP_FLOAT4_EQ, GSTORE_OP_FLOAT4_NE, GSTORE_OP_FLOAT4_IN},
		{GSTORE_OP_FLOAT8_EQ, GSTORE_OP_FLOAT8_NE, GSTORE_OP_FLOAT8_IN},
		{GSTORE_OP_UUID_EQ, GSTORE_OP_UUID_NE, GSTORE_OP_UUID_IN},
		{GSTORE_OP_BPCHAR_EQ, GSTORE_OP_BPCHAR_NE, GSTORE_OP_BPCHAR_IN},
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

/* An element that is searched for as bytes. */
static GstoreText
bytes_of(GstoreType type, int search, Datum value)
{
	GstoreText bytes = {(const uint8 *) DatumGetPointer(value), UUID_LEN};
	struct varlena *varlena;

	if (type != GSTORE_TYPE_TEXT)
		return bytes;
	varlena = PG_DETOAST_DATUM_PACKED(value);
	bytes.data = (const uint8 *) VARDATA_ANY(varlena);
	bytes.length = VARSIZE_ANY_EXHDR(varlena);
	return search == GSTORE_OP_BPCHAR_IN ? gstore_text_trimmed(bytes) : bytes;
}

/* One that is searched for as a number. */
static int64
word_of(GstoreType type, Datum value)
{
	switch (type)
	{
		case GSTORE_TYPE_INT8:
		case GSTORE_TYPE_TIMESTAMP:
			return DatumGetInt64(value);
		case GSTORE_TYPE_INT2:
			return DatumGetInt16(value);
		case GSTORE_TYPE_OID:
			return DatumGetObjectId(value);
		case GSTORE_TYPE_FLOAT4:
			return gstore_float_word(DatumGetFloat4(value));
		case GSTORE_TYPE_FLOAT8:
			return gstore_float_word(DatumGetFloat8(value));
		default:
			return DatumGetInt32(value);
	}
}

/* A list as gstore_list_search wants it (ops_text.h). */
static GstoreText
sorted_list(GstoreType type, int search, const Datum *values,
			const bool *nulls, int n)
{
	bool as_bytes = type == GSTORE_TYPE_TEXT || type == GSTORE_TYPE_UUID;
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
		else if (as_bytes)
			texts[count++] = bytes_of(type, search, values[i]);
		else
			words[2 + count++] = word_of(type, values[i]);
	}
	words[0] = has_null;
	words[1] = count;
	initStringInfo(&bytes);
	if (as_bytes)
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
	for (int i = 0; as_bytes && i < count; i++)
		appendBinaryStringInfo(&bytes, (const char *) texts[i].data,
							   texts[i].length);
	result.data = (uint8 *) bytes.data;
	result.length = bytes.len;
	return result;
}

/* x = ANY (list), x <> ALL (list): long ones are searched. */
static bool
compile_search(GstoreCompiler *compiler, int search, bool useOr, GstoreOperand value,
			   GstoreType type, const Datum *values, const bool *nulls, int n,
			   GstoreOperand *to)
{
	GstoreOperand operands[2] = {value, {.type = GSTORE_TYPE_TEXT}};

	if (search < 0)
		return false;
	if (compiler->builder != NULL)
	{
		GstoreText list = sorted_list(type, search, values, nulls, n);

		operands[1].reg = gstore_program_constant(compiler->builder,
												  GSTORE_TYPE_TEXT,
												  GSTORE_STATE_VALUE, &list);
	}
	return gstore_apply(compiler, search, false, operands, 2, to) &&
		   (useOr || gstore_emit(compiler, GSTORE_OP_NOT, *to, gstore_no_operand, gstore_no_operand, to));
}

/* Short ones are compared, one element after the other. */
bool
gstore_compile_list(GstoreCompiler *compiler, ScalarArrayOpExpr *expr, GstoreOperand *to)
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
	GstoreOperand value;
	Datum datum;
	bool isnull;
	int opcode = gstore_function_opcode(get_opcode(expr->opno),
										expr->inputcollid, &swapped);
	int search;

	if (opcode < 0 || swapped || !gstore_is_constant(list) ||
		!OidIsValid(element) || !gstore_type_of(element, &type) ||
		!gstore_compile_node(compiler, linitial(expr->args), &value))
		return false;
	search = search_opcode(opcode, expr->useOr);
	if (compiler->builder == NULL && !IsA(list, Const))
	{
		/* how long it is will be seen: only what can be searched will do */
		GstoreOperand operands[2] = {value, {.type = type}};

		return search >= 0 && gstore_apply(compiler, opcode, false, operands, 2, to);
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
		return gstore_add_constant(compiler, GSTORE_TYPE_BOOL, 0, true, to);
	array = DatumGetArrayTypeP(datum);
	get_typlenbyvalalign(element, &typlen, &typbyval, &typalign);
	deconstruct_array(array, element, typlen, typbyval, typalign, &values,
					  &nulls, &n);
	if (n > MAX_LIST)
		return compile_search(compiler, search, expr->useOr, value, type,
							  values, nulls, n, to);
	if (!gstore_add_constant(compiler, GSTORE_TYPE_BOOL, BoolGetDatum(!expr->useOr),
							 false, to))
		return false;
	for (int i = 0; i < n; i++)
	{
		GstoreOperand operands[2] = {value, {.type = type}};
		GstoreOperand equal;

		if (!gstore_add_constant(compiler, type, values[i], nulls[i], &operands[1]) ||
			!gstore_apply(compiler, opcode, false, operands, 2, &equal) ||
			!gstore_emit(compiler, expr->useOr ? GSTORE_OP_OR : GSTORE_OP_AND, *to,
						 equal, gstore_no_operand, to))
			return false;
	}
	return true;
}
