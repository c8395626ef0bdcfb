/*
 * functions.c
 *	  Which functions of PostgreSQL have an operator here: the catalogue side
 *	  of opcodes.def.
 */
#include "postgres.h"

#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"

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

bool
gstore_collation_is_bytewise(Oid collation)
{
	return OidIsValid(collation) && lc_collate_is_c(collation);
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
