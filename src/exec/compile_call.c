/*
 * compile_call.c
 *	  Calls of functions and operators: those that need a look at their
 *	  arguments here, all others by the table in functions.c.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"

#include "exec/compile.h"

/* LIKE: where bytes may stand for characters.  In UTF-8 any pattern will do, but
 * one that is known not to be well-formed; in others it must be known. */
static bool
like_is_bytewise(Node *pattern, Oid collation)
{
	const Const *value = (const Const *) pattern;
	text *bytes;
	int length;

	if (!OidIsValid(collation) || !get_collation_isdeterministic(collation))
		return false;
	if (!IsA(pattern, Const))
		return GetDatabaseEncoding() == PG_UTF8;
	if (value->constisnull)
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

	if (!IsA(pattern, Const) || !like_is_bytewise(pattern, collation))
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

/* What extract, date_part and date_trunc are of each type, and which fields they
 * have of it: from the first to the last, and the epoch.  Others are
 * PostgreSQL's to refuse. */
typedef struct FieldFunction
{
	Oid function;
	GstoreOpcode opcode;
	int first;
	int last;
	bool epoch;
	bool zoned; /* but for the epoch, of what clocks show */
} FieldFunction;

static const FieldFunction field_functions[] = {
	{F_EXTRACT_TEXT_DATE, GSTORE_OP_DATE_FIELD, GSTORE_FIELD_DAY,
	 GSTORE_FIELD_ISOYEAR, true, false},
	{F_EXTRACT_TEXT_TIME, GSTORE_OP_TIME_FIELD, GSTORE_FIELD_MICROSECOND,
	 GSTORE_FIELD_HOUR, true, false},
	{F_EXTRACT_TEXT_TIMESTAMP, GSTORE_OP_TIMESTAMP_FIELD,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_ISOYEAR, true, false},
	{F_EXTRACT_TEXT_TIMESTAMPTZ, GSTORE_OP_TIMESTAMP_FIELD,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_ISOYEAR, true, true},
	{F_EXTRACT_TEXT_INTERVAL, GSTORE_OP_SPAN_FIELD, GSTORE_FIELD_MICROSECOND,
	 GSTORE_FIELD_MILLENNIUM, true, false},
	{F_DATE_PART_TEXT_TIME, GSTORE_OP_TIME_PART, GSTORE_FIELD_MICROSECOND,
	 GSTORE_FIELD_HOUR, true, false},
	{F_DATE_PART_TEXT_TIMESTAMP, GSTORE_OP_TIMESTAMP_PART,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_ISOYEAR, true, false},
	{F_DATE_PART_TEXT_TIMESTAMPTZ, GSTORE_OP_TIMESTAMP_PART,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_ISOYEAR, true, true},
	{F_DATE_PART_TEXT_INTERVAL, GSTORE_OP_SPAN_PART, GSTORE_FIELD_MICROSECOND,
	 GSTORE_FIELD_MILLENNIUM, true, false},
	{F_DATE_TRUNC_TEXT_TIMESTAMP, GSTORE_OP_TIMESTAMP_TRUNC,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_MILLENNIUM, false, false},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ, GSTORE_OP_TIMESTAMP_TRUNC,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_MILLENNIUM, false, true},
	{F_DATE_TRUNC_TEXT_TIMESTAMPTZ_TEXT, GSTORE_OP_TIMESTAMP_TRUNC,
	 GSTORE_FIELD_MICROSECOND, GSTORE_FIELD_MILLENNIUM, false, true},
	{F_DATE_TRUNC_TEXT_INTERVAL, GSTORE_OP_SPAN_TRUNC, GSTORE_FIELD_MICROSECOND,
	 GSTORE_FIELD_MILLENNIUM, false, false}};

static const FieldFunction *
find_field_function(Oid function)
{
	for (size_t i = 0; i < lengthof(field_functions); i++)
		if (field_functions[i].function == function)
			return &field_functions[i];
	return NULL;
}

/* The first argument becomes a number, as the second. */
static bool
compile_field(GstoreCompiler *compiler, const FieldFunction *function,
			  List *args, GstoreOperand *to)
{
	GstoreOperand operands[2];
	int field = field_of(linitial(args));

	if (field < 0 ||
		(field == GSTORE_FIELD_EPOCH
			 ? !function->epoch
			 : field < function->first || field > function->last) ||
		(field == GSTORE_FIELD_WEEK && gstore_opcode_argument(function->opcode, 0) == GSTORE_TYPE_SPAN) ||
		!gstore_compile_node(compiler, lsecond(args), &operands[0]))
		return false;
	if (function->zoned && function->opcode == GSTORE_OP_TIMESTAMP_TRUNC)
	{
		*to = operands[0];
		return gstore_apply_zone_trunc(compiler, (GstoreField) field,
									   list_length(args) == 3 ? lthird(args) : NULL,
									   to);
	}
	if (function->zoned && field != GSTORE_FIELD_EPOCH &&
		!gstore_apply_local(compiler, &operands[0]))
		return false;
	return gstore_add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(field),
							   false, &operands[1]) &&
		   gstore_apply(compiler, function->opcode, false, operands, 2, to);
}

/* substring(text from start [for length]) */
static bool
compile_substring(GstoreCompiler *compiler, List *args, GstoreOperand *to)
{
	GstoreOperand text_and[2];
	GstoreOperand bounds[2];

	if (GetDatabaseEncoding() != PG_UTF8 ||
		!gstore_compile_node(compiler, linitial(args), &text_and[0]) ||
		!gstore_compile_node(compiler, lsecond(args), &bounds[0]))
		return false;
	text_and[1] = bounds[0];
	if (list_length(args) == 3)
	{
		GstoreOperand cut[2] = {text_and[0], {.type = GSTORE_TYPE_INT4}};

		if (!gstore_compile_node(compiler, lthird(args), &bounds[1]) ||
			!gstore_apply(compiler, GSTORE_OP_TEXT_PIECE_END, false, bounds, 2,
						  &cut[1]) ||
			!gstore_apply(compiler, GSTORE_OP_TEXT_UTF8_UPTO, false, cut, 2,
						  &text_and[0]))
			return false;
	}
	return gstore_apply(compiler, GSTORE_OP_TEXT_UTF8_FROM, false, text_and, 2, to);
}

/* length(char(n)) does not count blanks at the end. */
static bool
compile_blank_padded_length(GstoreCompiler *compiler, Node *arg,
							GstoreOperand *to)
{
	GstoreOperand operands[2] = {{.type = GSTORE_TYPE_BOOL}, {.type = GSTORE_TYPE_BOOL}};
	bool is_utf8 = GetDatabaseEncoding() == PG_UTF8;

	return (is_utf8 || pg_database_encoding_max_length() == 1) &&
		   gstore_compile_node(compiler, arg, &operands[0]) &&
		   gstore_apply(compiler, GSTORE_OP_BPCHAR_TO_TEXT, false, operands, 1,
						&operands[0]) &&
		   gstore_apply(compiler, is_utf8 ? GSTORE_OP_TEXT_UTF8_LENGTH : GSTORE_OP_TEXT_OCTETS,
						false, operands, 1, to);
}

/* A numeric brought to numeric(precision, scale). */
static bool
compile_length(GstoreCompiler *compiler, List *args, GstoreOperand *to)
{
	const Const *typmod = lsecond(args);
	GstoreOperand operands[2];
	int precision;
	int scale;

	if (!IsA(typmod, Const) || typmod->constisnull ||
		!gstore_compile_node(compiler, linitial(args), &operands[0]) ||
		(operands[0].type != GSTORE_TYPE_NUMERIC &&
		 operands[0].type != GSTORE_TYPE_DECIMAL) ||
		!gstore_unpack_numeric(DatumGetInt32(typmod->constvalue), &precision, &scale) ||
		scale < 0 ||
		!gstore_add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(scale), false,
							 &operands[1]) ||
		!gstore_apply(compiler, GSTORE_OP_NUMERIC_ROUND, false, operands, 2, &operands[0]))
		return false;
	return gstore_add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(precision),
							   false, &operands[1]) &&
		   gstore_apply(compiler, GSTORE_OP_NUMERIC_FIT, false, operands, 2, to);
}

bool
gstore_compile_call(GstoreCompiler *compiler, Oid function, Oid collation, List *args,
					GstoreOperand *to)
{
	GstoreOperand operands[2] = {{.type = GSTORE_TYPE_BOOL}, {.type = GSTORE_TYPE_BOOL}};
	bool swapped = false;
	int opcode = -1;
	int nargs = list_length(args);
	const FieldFunction *of_field = find_field_function(function);
	bool is_zoned;
	bool fine = of_field != NULL
					? compile_field(compiler, of_field, args, to)
					: gstore_compile_zoned(compiler, function, args, &is_zoned, to);

	if (of_field != NULL || is_zoned)
		return fine;
	switch (function)
	{
		case F_INT2UP:
		case F_INT4UP:
		case F_INT8UP:
		case F_FLOAT4UP:
		case F_FLOAT8UP:
		case F_NUMERIC_UPLUS:
			return gstore_compile_node(compiler, linitial(args), to);
		case F_NUMERIC_NUMERIC_INT4:
			return compile_length(compiler, args, to);
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
		case F_LENGTH_BPCHAR:
		case F_CHAR_LENGTH_BPCHAR:
		case F_CHARACTER_LENGTH_BPCHAR:
			return compile_blank_padded_length(compiler, linitial(args), to);
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
		if (!gstore_compile_node(compiler, list_nth(args, i), &operands[i]))
			return false;
	return gstore_apply(compiler, opcode, swapped, operands, nargs, to);
}
