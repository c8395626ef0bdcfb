/*
 * schema.c
 *	  Keeping the schema stamps of a table; see schema.h.
 */
#include "postgres.h"

#include "store/schema.h"

static bool
stamp_matches(const GstoreSchemaStamp *stamp, const GstoreSchema *schema,
			  const uint64 *fingerprints)
{
	return stamp->schema.ncols == schema->ncols &&
		   stamp->schema.nfields == schema->nfields &&
		   memcmp(&stamp->schema, schema,
				  gstore_schema_bytes(schema->nfields)) == 0 &&
		   memcmp(gstore_schema_fingerprints(stamp), fingerprints,
				  schema->ncols * sizeof(uint64)) == 0;
}

dsa_pointer
gstore_schema_stamp_get(GstoreTable *table, const GstoreSchema *schema,
						const uint64 *fingerprints)
{
	dsa_area *area = gstore_dsa();
	dsa_pointer pointer;
	GstoreSchemaStamp *stamp;
	Size columns = gstore_schema_bytes(schema->nfields);
	Size where;

	/* Only the table's writer adds, and that is us: no lock to read. */
	for (pointer = table->schemas; DsaPointerIsValid(pointer);
		 pointer = stamp->next)
	{
		stamp = dsa_get_address(area, pointer);
		if (stamp_matches(stamp, schema, fingerprints))
			return pointer;
	}

	where = MAXALIGN(offsetof(GstoreSchemaStamp, schema) + columns);
	pointer = dsa_allocate(area, where + schema->ncols * sizeof(uint64));
	stamp = dsa_get_address(area, pointer);
	stamp->fingerprints = where;
	memcpy(&stamp->schema, schema, columns);
	memcpy((char *) stamp + where, fingerprints,
		   schema->ncols * sizeof(uint64));

	LWLockAcquire(&table->lock, LW_EXCLUSIVE);
	stamp->next = table->schemas;
	table->schemas = pointer;
	LWLockRelease(&table->lock);
	return pointer;
}

void
gstore_schema_stamps_free(GstoreTable *table)
{
	dsa_area *area = gstore_dsa();

	while (DsaPointerIsValid(table->schemas))
	{
		dsa_pointer gone = table->schemas;

		table->schemas =
			((GstoreSchemaStamp *) dsa_get_address(area, gone))->next;
		dsa_free(area, gone);
	}
}
