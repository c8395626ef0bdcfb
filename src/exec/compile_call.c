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

/* extract, date_part and date_trunc: the first argument becomes a number, as
 * the second.  Fields that a type has not are PostgreSQL's to refuse. */
static bool
compile_field(GstoreCompiler *compiler, Oid function, List *args, GstoreOperand *to)
{
	GstoreOperand operands[2];
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
	return fine && gstore_compile_node(compiler, lsecond(args), &operands[0]) &&
		   gstore_add_constant(compiler, GSTORE_TYPE_INT4, Int32GetDatum(field),
							   false, &operands[1]) &&
		   gstore_apply(compiler, opcode, false, operands, 2, to);
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

bool
gstore_compile_call(GstoreCompiler *compiler, Oid function, Oid collation, List *args,
					GstoreOperand *to)
{
	GstoreOperand operands[2] = {{.type = GSTORE_TYPE_BOOL}, {.type = GSTORE_TYPE_BOOL}};
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
		if (!gstore_compile_node(compiler, list_nth(args, i), &operands[i]))
			return false;
	return gstore_apply(compiler, opcode, swapped, operands, nargs, to);
}
