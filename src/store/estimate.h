/*
 * estimate.h
 *	  How big a table is: for the planner, EXPLAIN and the views.
 */
#ifndef GSTORE_ESTIMATE_H
#define GSTORE_ESTIMATE_H

#include "store/table.h"

typedef struct GstoreTableSize
{
	uint64 live;   /* rows inserted and not deleted, as committed
								 * or by this transaction */
	uint64 dead;   /* rows deleted and not yet reclaimed */
	uint64 bytes;  /* of all its chunk images */
	uint64 memory; /* that they take on the device */
	uint32 chunks;
} GstoreTableSize;

/* As of now, without a snapshot.  table may be NULL: all zero. */
extern GstoreTableSize gstore_table_size(GstoreTable *table);

/* May somebody who begins now, or this transaction, see rows of chunks that
 * were written with this stamp? */
extern bool gstore_schema_is_used(GstoreTable *table, dsa_pointer stamp);

#endif
