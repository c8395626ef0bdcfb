/*
 * options.c
 *	  The one list of options, its validator, and reading the values back.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "fdw/options.h"
#include "guc.h"
#include "request/devices.h"

typedef struct OptionWord
{
	const char *word;
	int value;
} OptionWord;

typedef struct Option
{
	const char *name;
	Oid catalog;			 /* kind of object it belongs to */
	const OptionWord *words; /* legal values; NULL: a number */
	int most;				 /* of a number, which is at least 0 */
	const char *legal;		 /* the numbers, in words */
} Option;

static const OptionWord format_words[] = {
	{"pgstrom", GSTORE_FORMAT_PGSTROM},
	{"default", GSTORE_FORMAT_PGSTROM},
	{"arrow", GSTORE_FORMAT_ARROW},
	{NULL, 0}};

static const OptionWord compression_words[] = {
	{"none", GSTORE_COMPRESSION_NONE},
	{"pglz", GSTORE_COMPRESSION_PGLZ},
	{NULL, 0}};

static const OptionWord bool_words[] = {
	{"bit", false},
	{"byte", true},
	{NULL, 0}};

static const OptionWord switch_words[] = {
	{"off", false},
	{"on", true},
	{"false", false},
	{"true", true},
	{NULL, 0}};

static const Option options[] = {
	{"pinning", ForeignTableRelationId, NULL, GSTORE_MAX_DEVICES - 1,
	 "The value is a device number from 0 to %d; view gstore_devices lists those there are."},
	{"format", ForeignTableRelationId, format_words, 0, NULL},
	{"large_text", ForeignTableRelationId, switch_words, 0, NULL},
	{"compression", AttributeRelationId, compression_words, 0, NULL},
	{"bool", AttributeRelationId, bool_words, 0, NULL},
	{"scale", AttributeRelationId, NULL, 38,
	 "The value is a number of digits from 0 to %d."},
};

static const char *
object_kind(Oid catalog)
{
	switch (catalog)
	{
		case ForeignTableRelationId:
			return "foreign table";
		case AttributeRelationId:
			return "column";
		case ForeignServerRelationId:
			return "server";
		case UserMappingRelationId:
			return "user mapping";
		default:
			return "foreign-data wrapper";
	}
}

static const Option *
find_option(const char *name, Oid catalog)
{
	for (int i = 0; i < (int) lengthof(options); i++)
		if (options[i].catalog == catalog &&
			strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static void
refuse_unknown(const char *name, Oid catalog)
{
	StringInfoData legal;

	initStringInfo(&legal);
	for (int i = 0; i < (int) lengthof(options); i++)
		if (options[i].catalog == catalog)
			appendStringInfo(&legal, "%s\"%s\"", legal.len > 0 ? ", " : "",
							 options[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 legal.len > 0 ? errhint("Options of a gstore_fdw %s are: %s.",
									 object_kind(catalog), legal.data)
						   : errhint("A gstore_fdw %s has no options.",
									 object_kind(catalog))));
}

static void
refuse_value(const Option *option, const char *value, const char *legal)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"",
					option->name, value),
			 errhint("%s", legal)));
}

static int
parse_number(const Option *option, const char *value)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < 0 ||
		number > option->most)
		refuse_value(option, value, psprintf(option->legal, option->most));
	return (int) number;
}

static int
parse_word(const Option *option, const char *value)
{
	StringInfoData legal;

	for (const OptionWord *word = option->words; word->word != NULL; word++)
		if (pg_strcasecmp(word->word, value) == 0)
			return word->value;

	initStringInfo(&legal);
	for (const OptionWord *word = option->words; word->word != NULL; word++)
		appendStringInfo(&legal, "%s\"%s\"", legal.len > 0 ? ", " : "",
						 word->word);
	refuse_value(option, value, psprintf("Legal values are: %s.", legal.data));
	return 0; /* not reached */
}

static int
parse_option(const Option *option, const char *value)
{
	return option->words == NULL ? parse_number(option, value) : parse_word(option, value);
}

PG_FUNCTION_INFO_V1(gstore_fdw_validator);

Datum
gstore_fdw_validator(PG_FUNCTION_ARGS)
{
	List *list = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid catalog = PG_GETARG_OID(1);
	bool given[lengthof(options)] = {false};
	ListCell *cell;

	foreach(cell, list)
	{
		DefElem *def = lfirst(cell);
		const Option *option = find_option(def->defname, catalog);
		int value;

		if (option == NULL)
			refuse_unknown(def->defname, catalog);
		if (given[option - options])
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("option \"%s\" is given more than once",
							def->defname)));
		given[option - options] = true;
		value = parse_option(option, defGetString(def));

		/* Which devices there are only a server that preloaded us knows. */
		if (strcmp(option->name, "pinning") == 0 && gstore_preloaded &&
			!IsBinaryUpgrade)
			(void) gstore_device_slot(value);
	}
	PG_RETURN_VOID();
}

/* The value among an object's options, or fallback if it is not given. */
static int
option_value(List *list, const char *name, Oid catalog, int fallback)
{
	ListCell *cell;

	foreach(cell, list)
	{
		DefElem *def = lfirst(cell);

		if (strcmp(def->defname, name) == 0)
			return parse_option(find_option(name, catalog),
								defGetString(def));
	}
	return fallback;
}

GstoreTableOptions
gstore_table_options(Oid relid)
{
	List *list = GetForeignTable(relid)->options;
	GstoreTableOptions result;

	result.pinning = option_value(list, "pinning", ForeignTableRelationId, 0);
	result.format = option_value(list, "format", ForeignTableRelationId,
								 GSTORE_FORMAT_PGSTROM);
	result.large_text = option_value(list, "large_text",
									 ForeignTableRelationId, false);
	return result;
}

GstoreColumnOptions
gstore_column_options(Oid relid, AttrNumber attnum)
{
	List *list = GetForeignColumnOptions(relid, attnum);
	GstoreColumnOptions result;

	result.compression = option_value(list, "compression",
									  AttributeRelationId,
									  GSTORE_COMPRESSION_NONE);
	result.bool_byte = option_value(list, "bool", AttributeRelationId, false);
	result.scale = option_value(list, "scale", AttributeRelationId, -1);
	return result;
}
