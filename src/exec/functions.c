/*
 * functions.c
 *	  Which functions of PostgreSQL have an operator here: the catalogue side
 *	  of opcodes.def.
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "exec/exec.h"

typedef enum CollationRule
{
	ANY_COLLATION,
	DETERMINISTIC, /* equal means equal bytes */
	BYTEWISE	   /* C, POSIX: so does less */
} CollationRule;

typedef struct FunctionEntry
{
	Oid function;
	uint16 opcode;
	bool swapped;
	CollationRule rule;
} FunctionEntry;

static const FunctionEntry function_entries[] = {
#define GSTORE_FUNCTION(oid, NAME) {oid, GSTORE_OP_##NAME, false, ANY_COLLATION},
#define GSTORE_FUNCTION_C(oid, NAME) {oid, GSTORE_OP_##NAME, false, BYTEWISE},
#define GSTORE_FUNCTION_D(oid, NAME) {oid, GSTORE_OP_##NAME, false, DETERMINISTIC},
#define GSTORE_FUNCTION_SWAP(oid, NAME) {oid, GSTORE_OP_##NAME, true, ANY_COLLATION},
#include "opcodes.def"
};

/*
 * C.UTF-8 orders by code points, which is bytewise in UTF-8; glibc's own has no
 * rules of order at all, since 2.35.  What others call so may be anything.
 */
static bool
c_utf8_is_bytewise(void)
{
#ifdef __GLIBC__
	int major = 0;
	int minor = 0;

	return sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) == 2 &&
		   (major > 2 || (major == 2 && minor >= 35));
#else
	return false;
#endif
}

/*
 * Whether the operating system's locale, or PostgreSQL's own provider, orders
 * bytewise.  ICU never says so.
 */
static bool
locale_is_bytewise(char provider, Datum locale, bool isnull)
{
	char *name;

#if PG_VERSION_NUM >= 170000
	/* its locales differ in what a letter is, not in their order */
	if (provider == COLLPROVIDER_BUILTIN)
		return true;
#endif
	if (provider != COLLPROVIDER_LIBC || isnull)
		return false;
	name = TextDatumGetCString(locale);
	if (pg_strcasecmp(name, "C.UTF-8") == 0 || pg_strcasecmp(name, "C.utf8") == 0)
		return c_utf8_is_bytewise();
	return strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0;
}

static bool
database_is_bytewise(void)
{
	HeapTuple tuple =
		SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool isnull;
	bool bytewise;
	Datum locale;

	if (!HeapTupleIsValid(tuple))
		return false;
	locale = SysCacheGetAttr(DATABASEOID, tuple, Anum_pg_database_datcollate,
							 &isnull);
	bytewise = locale_is_bytewise(
		((Form_pg_database) GETSTRUCT(tuple))->datlocprovider, locale, isnull);
	ReleaseSysCache(tuple);
	return bytewise;
}

/*
 * Out of the catalogues: utils/pg_locale.h cannot be included where ICU's
 * headers are not installed, and what it offers is another thing in each
 * version.
 */
bool
gstore_collation_is_bytewise(Oid collation)
{
	HeapTuple tuple;
	bool isnull;
	bool bytewise;
	Datum locale;

	if (collation == C_COLLATION_OID)
		return true;
	if (collation == DEFAULT_COLLATION_OID)
		return database_is_bytewise();
	tuple = OidIsValid(collation)
				? SearchSysCache1(COLLOID, ObjectIdGetDatum(collation))
				: NULL;
	if (!HeapTupleIsValid(tuple))
		return false;
	locale = SysCacheGetAttr(COLLOID, tuple, Anum_pg_collation_collcollate,
							 &isnull);
	bytewise = locale_is_bytewise(
		((Form_pg_collation) GETSTRUCT(tuple))->collprovider, locale, isnull);
	ReleaseSysCache(tuple);
	return bytewise;
}

static bool
collation_allows(CollationRule rule, Oid collation)
{
	switch (rule)
	{
		case DETERMINISTIC:
			return OidIsValid(collation) &&
				   get_collation_isdeterministic(collation);
		case BYTEWISE:
			return gstore_collation_is_bytewise(collation);
		default:
			return true;
	}
}

int
gstore_function_opcode(Oid function, Oid collation, bool *swapped)
{
	for (size_t i = 0; i < lengthof(function_entries); i++)
	{
		const FunctionEntry *entry = &function_entries[i];

		if (entry->function != function)
			continue;
		if (!collation_allows(entry->rule, collation))
			return -1;
		*swapped = entry->swapped;
		return entry->opcode;
	}
	return -1;
}
