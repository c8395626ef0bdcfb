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
	const char *unavailable; /* not NULL: announced, refused with this */
} OptionWord;

typedef struct Option
{
	const char *name;
	Oid catalog;			 /* kind of object it belongs to */
	const OptionWord *words; /* legal values; NULL: a device number */
} Option;

static const OptionWord format_words[] = {
	{"pgstrom", GSTORE_FORMAT_PGSTROM, NULL},
	{"default", GSTORE_FORMAT_PGSTROM, NULL},
	{"arrow", GSTORE_FORMAT_ARROW,
	 "This version stores tables as \"pgstrom\" only."},
	{NULL, 0, NULL}};

static const OptionWord compression_words[] = {
	{"none", GSTORE_COMPRESSION_NONE, NULL},
	{"pglz", GSTORE_COMPRESSION_PGLZ, NULL},
	{NULL, 0, NULL}};

static const Option options[] = {
	{"pinning", ForeignTableRelationId, NULL},
	{"format", ForeignTableRelationId, format_words},
	{"compression", AttributeRelationId, compression_words},
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
parse_device(const Option *option, const char *value)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || number < 0 ||
		number >= GSTORE_MAX_DEVICES)
		refuse_value(option, value,
					 psprintf("The value is a device number from 0 to %d; view gstore_devices lists those there are.",
							  GSTORE_MAX_DEVICES - 1));
	return (int) number;
}

static int
parse_word(const Option *option, const char *value)
{
	StringInfoData legal;

	for (const OptionWord *word = option->words; word->word != NULL; word++)
		if (pg_strcasecmp(word->word, value) == 0)
		{
			if (word->unavailable != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("option \"%s\" cannot be \"%s\" yet",
								option->name, value),
						 errhint("%s", word->unavailable)));
			return word->value;
		}

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
	return option->words == NULL ? parse_device(option, value) : parse_word(option, value);
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
		if (option->words == NULL && gstore_preloaded && !IsBinaryUpgrade)
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
	return result;
}

GstoreCompression
gstore_column_compression(Oid relid, AttrNumber attnum)
{
	return option_value(GetForeignColumnOptions(relid, attnum),
						"compression", AttributeRelationId,
						GSTORE_COMPRESSION_NONE);
}
