/*
 * textform.c
 *	  Values as text and back, by their type's own functions; see textform.h.
 *
 * Texts must not depend on who reads them: dates and the like are written in
 * the ISO style, money as in the locale C, floats so that they come back exactly,
 * all of it in UTF-8.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "fdw/textform.h"

/* Of utils/pg_locale.h, which wants ICU's headers. */
extern PGDLLIMPORT char *locale_monetary;

struct GstoreTextForm
{
	FmgrInfo output;
	FmgrInfo input;
	Oid parameter; /* of the input function */
	int32 typmod;
};

GstoreTextForm *
gstore_text_form(Oid type, int32 typmod)
{
	GstoreTextForm *form = palloc(sizeof(GstoreTextForm));
	Oid function;
	bool is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	fmgr_info(function, &form->output);
	getTypeInputInfo(type, &function, &form->parameter);
	fmgr_info(function, &form->input);
	form->typmod = typmod;
	return form;
}

/* The settings that output functions heed, as a reader expects them; what they
 * were is back when the nest level ends, also after an error. */
static int
use_neutral_settings(void)
{
	int level = NewGUCNestLevel();

	if (DateStyle != USE_ISO_DATES)
		(void) set_config_option("datestyle", "ISO", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	if (IntervalStyle != INTSTYLE_POSTGRES)
		(void) set_config_option("intervalstyle", "postgres", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	if (strcmp(locale_monetary, "C") != 0)
		(void) set_config_option("lc_monetary", "C", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	if (extra_float_digits < 1)
		(void) set_config_option("extra_float_digits", "1", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return level;
}

Datum
gstore_text_form_output(GstoreTextForm *form, Datum value)
{
	int level = use_neutral_settings();
	char *text = OutputFunctionCall(&form->output, value);

	AtEOXact_GUC(true, level);
	if (GetDatabaseEncoding() != PG_UTF8)
		text = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	return CStringGetTextDatum(text);
}

Datum
gstore_text_form_input(GstoreTextForm *form, Datum stored)
{
	int level = use_neutral_settings();
	char *string = TextDatumGetCString(stored);
	Datum value;

	if (GetDatabaseEncoding() != PG_UTF8)
		string = pg_any_to_server(string, (int) strlen(string), PG_UTF8);
	value = InputFunctionCall(&form->input, string, form->parameter,
							  form->typmod);
	AtEOXact_GUC(true, level);
	return value;
}

/* Bytes of a value that an error shows. */
#define SHOWN_BYTES 64

char *
gstore_value_text(Oid type, Datum value)
{
	int level = use_neutral_settings();
	Oid function;
	bool is_varlena;
	char *text;
	int length;

	getTypeOutputInfo(type, &function, &is_varlena);
	text = OidOutputFunctionCall(function, value);
	AtEOXact_GUC(true, level);
	length = (int) strlen(text);
	if (length <= SHOWN_BYTES)
		return psprintf("\"%s\"", text);
	text[pg_mbcliplen(text, length, SHOWN_BYTES)] = '\0';
	return psprintf("\"%s...\", of %d bytes", text, length);
}
