/*
 * catalog.h
 *	  The shared catalogue: which tables have rows in device memory.
 *
 * A DSA area created in place in the main shared memory segment holds, for
 * every table that was ever written to, a GstoreTable, found through a dshash
 * keyed by (database, table).  There is no fixed number of anything.
 *
 * Who may hold a GstoreTable pointer: whoever holds any lock on the foreign
 * table (a DROP is then not committed), or the dshash partition lock of its
 * entry (the walk below).  A dropped table is only marked; the keeper removes
 * entry and struct, so that transaction callbacks neither allocate nor touch
 * the DSA allocator.
 */
#ifndef GSTORE_CATALOG_H
#define GSTORE_CATALOG_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "request/shelf.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

typedef struct GstoreTableKey
{
	Oid database;
	Oid table;
} GstoreTableKey;

/*
 * Everything below lock is read under it in shared mode and written under it
 * in exclusive mode, unless the field says otherwise.  lock is never held
 * across a device call, a wait or an allocation that may raise.
 */
typedef struct GstoreTable
{
	LWLock lock;
	GstoreTableKey key;		   /* never changes */
	FullTransactionId creator; /* transaction that made the entry, or with
								 * which it began anew: removed again if it
								 * aborts */
	bool dropped;			   /* by a committed DROP, or empty after its
								 * creator came to nothing: to be removed */
	uint32 revision;		   /* ++ with every change that committed or that
								 * reclaimed something */
	uint64 next_row;		   /* next unused row address */
	dsa_pointer chunks;		   /* dsa_pointer[capacity], in order of
								 * first_row; InvalidDsaPointer before the
								 * first chunk */
	uint32 nchunks;
	uint32 capacity;
	dsa_pointer schemas; /* newest GstoreSchemaStamp; they are linked,
								 * and live as long as the table */
	/* counters of what committed; atomics, added to at commit */
	pg_atomic_uint64 inserted;
	pg_atomic_uint64 updated;
	pg_atomic_uint64 deleted;
	TimestampTz last_merge; /* 0: never */
	/* 1: somebody may write into its images, or did into those its images were
	 * made of; an atomic, set before they are handed out, and never reset */
	pg_atomic_uint32 exposed;
	uint64 looked_at;  /* next_row when the maintenance worker, who alone
							 * reads and writes it, last looked for something to
							 * merge */
	GstoreShelf shelf; /* its writer's small images; needs no lock */
} GstoreTable;

/*
 * A row address has 48 bits, so that it travels in a ctid; this many fit
 * (offset number 0 and block number 0xFFFFFFFF stand for "invalid").
 */
#define GSTORE_ROWS_PER_BLOCK UINT64CONST(65535)
#define GSTORE_MAX_ROWS (UINT64CONST(0xFFFFFFFF) * GSTORE_ROWS_PER_BLOCK)

/* May what its images hold be anything?  NULL: it has none. */
static inline bool
gstore_table_is_exposed(GstoreTable *table)
{
	return table != NULL && pg_atomic_read_u32(&table->exposed) != 0;
}

extern Size gstore_catalog_shmem_size(void);
extern void gstore_catalog_shmem_startup(void);

/* The area, attached on first use in a process.  Raises 55000 where the
 * library was not preloaded. */
extern dsa_area *gstore_dsa(void);

/* The entry of a table of this database, or NULL.  Needs a lock on the
 * relation. */
extern GstoreTable *gstore_table_find(Oid relid);
/* The same, made if it is not there (53200 when out of memory). */
extern GstoreTable *gstore_table_get(Oid relid);

/*
 * Call visit for every table of every database, dropped ones included, each
 * with the entry's partition lock held: visit must be short and not raise.
 * Where it returns false and may_remove is set the entry and the struct are
 * removed (only the keeper may ask for that, and only for a dropped table
 * without chunks).
 */
typedef bool (*GstoreTableVisitor)(GstoreTable *table, void *state);
extern void gstore_catalog_walk(bool may_remove, GstoreTableVisitor visit,
								void *state);

#endif
