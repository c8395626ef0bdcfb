/*
 * schema.h
 *	  Schema stamps: what the columns of a table were when a chunk was written.
 *
 * Chunks outlive ALTER TABLE: every chunk points to the stamp of its columns,
 * and readers compare it with the columns of today.  A table's stamps are
 * linked, newest first, and live as long as the table.
 */
#ifndef GSTORE_SCHEMA_H
#define GSTORE_SCHEMA_H

#include "codec/codec.h"
#include "store/catalog.h"

/*
 * The columns as the codec wants them, and a fingerprint of each type that
 * changes when the type is altered underneath (attributes of a composite, base
 * of a domain).  Never changes once linked.
 */
typedef struct GstoreSchemaStamp
{
	dsa_pointer next;	 /* an older stamp, or InvalidDsaPointer */
	Size fingerprints;	 /* bytes from the stamp's start to uint64
								 * [ncols] */
	GstoreSchema schema; /* nfields columns follow */
} GstoreSchemaStamp;

static inline const uint64 *
gstore_schema_fingerprints(const GstoreSchemaStamp *stamp)
{
	return (const uint64 *) ((const char *) stamp + stamp->fingerprints);
}

static inline Size
gstore_schema_bytes(int nfields)
{
	return offsetof(GstoreSchema, columns) + nfields * sizeof(GstoreColumn);
}

/* The stamp of these columns in the table, made if it is not there yet (53200
 * when out of memory).  The caller is the table's writer. */
extern dsa_pointer gstore_schema_stamp_get(GstoreTable *table,
										   const GstoreSchema *schema,
										   const uint64 *fingerprints);

/* Free all stamps of a table that goes. */
extern void gstore_schema_stamps_free(GstoreTable *table);

#endif
