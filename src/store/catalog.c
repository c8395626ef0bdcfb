/*
 * catalog.c
 *	  The DSA area and the dshash of tables; see catalog.h.
 *
 * Must never look at chunks: what a table holds is the business of table.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "lib/dshash.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "compat.h"
#include "guc.h"
#include "store/catalog.h"
#include "store/schema.h"

/*
 * Bytes of main shared memory in which the area begins.  It grows by dynamic
 * shared memory segments when that is full: a chunk takes about 200 bytes.
 */
#define AREA_BYTES ((Size) 4 * 1024 * 1024)

/* Fixed at server start; the area follows at the next MAXALIGN. */
typedef struct CatalogControl
{
	int area_tranche;
	int hash_tranche;
	int table_tranche;
	dshash_table_handle hash;
} CatalogControl;

typedef struct CatalogEntry
{
	GstoreTableKey key;
	dsa_pointer table;
} CatalogEntry;

static CatalogControl *control;
static dsa_area *area;
static dshash_table *tables;

static void *
area_place(void)
{
	return (char *) control + MAXALIGN(sizeof(CatalogControl));
}

static dshash_parameters
hash_parameters(void)
{
	dshash_parameters parameters = {
		sizeof(GstoreTableKey),
		sizeof(CatalogEntry),
		dshash_memcmp,
		dshash_memhash,
		GSTORE_DSHASH_COPY
			control->hash_tranche};

	return parameters;
}

Size
gstore_catalog_shmem_size(void)
{
	return add_size(MAXALIGN(sizeof(CatalogControl)), AREA_BYTES);
}

/* Area and hash are made once by the postmaster, which must not stay attached:
 * what it maps, its children would inherit half-initialised. */
void
gstore_catalog_shmem_startup(void)
{
	bool found;
	dsa_area *new_area;
	dshash_table *new_hash;
	dshash_parameters parameters;

	control = ShmemInitStruct("gstore_fdw catalogue",
							  gstore_catalog_shmem_size(), &found);
	if (found)
		return;

	control->area_tranche = LWLockNewTrancheId();
	control->hash_tranche = LWLockNewTrancheId();
	control->table_tranche = LWLockNewTrancheId();

	new_area = dsa_create_in_place(area_place(), AREA_BYTES,
								   control->area_tranche, NULL);
	dsa_pin(new_area);

	/* No segments yet: the postmaster could not clean them up. */
	dsa_set_size_limit(new_area, AREA_BYTES);
	parameters = hash_parameters();
	new_hash = dshash_create(new_area, &parameters, NULL);
	control->hash = dshash_get_hash_table_handle(new_hash);
	dsa_set_size_limit(new_area, (size_t) -1);
	dshash_detach(new_hash);
	dsa_detach(new_area);
}

/*
 * Attach on first use.  The mapping is kept until the process ends: an open
 * transaction is aborted by a before_shmem_exit callback, and its abort
 * callback of ours still looks at the catalogue.  Only the reference count in
 * the main segment is given back, by on_shmem_exit.
 */
static void
attach(void)
{
	MemoryContext old;
	dshash_parameters parameters;

	if (!gstore_preloaded || control == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gstore_fdw is not in shared_preload_libraries"),
				 errdetail("Its tables live in shared memory that is set up when the server starts."),
				 errhint("Add 'gstore_fdw' to shared_preload_libraries in postgresql.conf and restart the server.")));

	old = MemoryContextSwitchTo(TopMemoryContext);
	LWLockRegisterTranche(control->area_tranche, "GstoreArea");
	LWLockRegisterTranche(control->hash_tranche, "GstoreCatalog");
	LWLockRegisterTranche(control->table_tranche, "GstoreTable");
	parameters = hash_parameters();
	area = dsa_attach_in_place(area_place(), NULL);
	dsa_pin_mapping(area);
	tables = dshash_attach(area, &parameters, control->hash, NULL);
	on_shmem_exit(dsa_on_shmem_exit_release_in_place,
				  PointerGetDatum(area_place()));
	MemoryContextSwitchTo(old);
}

dsa_area *
gstore_dsa(void)
{
	if (unlikely(tables == NULL))
		attach();
	return area;
}

static GstoreTableKey
key_of(Oid relid)
{
	GstoreTableKey key = {MyDatabaseId, relid};

	return key;
}

/* A standby has none of its primary's rows: no answer, not an empty one. */
static void
refuse_recovery(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gstore_fdw tables cannot be used during recovery"),
				 errdetail("Their rows live in memory of the primary server only."),
				 errhint("Use them on the primary, or load them after promotion.")));
}

GstoreTable *
gstore_table_find(Oid relid)
{
	dsa_area *dsa = gstore_dsa();
	GstoreTableKey key = key_of(relid);
	CatalogEntry *entry;
	GstoreTable *table = NULL;

	refuse_recovery();
	entry = dshash_find(tables, &key, false);
	if (entry != NULL)
	{
		table = dsa_get_address(dsa, entry->table);
		dshash_release_lock(tables, entry);
		if (table->dropped)
			table = NULL;
	}
	return table;
}

/* Free a table that has no chunks. */
static void
free_table(dsa_pointer pointer)
{
	GstoreTable *table = dsa_get_address(area, pointer);

	Assert(table->nchunks == 0);
	if (DsaPointerIsValid(table->chunks))
		dsa_free(area, table->chunks);
	gstore_schema_stamps_free(table);
	gstore_shelf_close(&table->shelf, false);
	dsa_free(area, pointer);
}

static dsa_pointer
new_table(GstoreTableKey key)
{
	dsa_pointer pointer = dsa_allocate0(area, sizeof(GstoreTable));
	GstoreTable *table = dsa_get_address(area, pointer);

	LWLockInitialize(&table->lock, control->table_tranche);
	table->key = key;
	table->creator = GetTopFullTransactionId();
	table->chunks = InvalidDsaPointer;
	table->schemas = InvalidDsaPointer;
	pg_atomic_init_u64(&table->inserted, 0);
	pg_atomic_init_u64(&table->updated, 0);
	pg_atomic_init_u64(&table->deleted, 0);
	pg_atomic_init_u32(&table->exposed, 0);
	gstore_shelf_init(&table->shelf);
	return pointer;
}

GstoreTable *
gstore_table_get(Oid relid)
{
	GstoreTable *table = gstore_table_find(relid);
	GstoreTableKey key = key_of(relid);
	CatalogEntry *entry;
	dsa_pointer pointer;
	dsa_pointer unused = InvalidDsaPointer;
	bool found;

	if (table != NULL)
		return table;

	/*
	 * Made first, entered second: an error while the partition is locked
	 * would leave an entry without a table.
	 */
	pointer = new_table(key);
	entry = dshash_find_or_insert(tables, &key, &found);
	if (found)
	{
		/*
		 * Somebody else was first; or the entry is of a table that was
		 * dropped, or whose first rows were rolled back, and that the
		 * keeper has not removed yet: it begins anew.
		 */
		unused = pointer;
		pointer = entry->table;
		table = dsa_get_address(area, pointer);
		if (table->dropped)
		{
			table->creator = GetTopFullTransactionId();
			table->dropped = false;
		}
	}
	else
		entry->table = pointer;
	dshash_release_lock(tables, entry);
	if (DsaPointerIsValid(unused))
		free_table(unused);
	return dsa_get_address(area, pointer);
}

void
gstore_catalog_walk(bool may_remove, GstoreTableVisitor visit, void *state)
{
	dsa_area *dsa = gstore_dsa();
	dshash_seq_status status;
	CatalogEntry *entry;

	dshash_seq_init(&status, tables, may_remove);
	while ((entry = dshash_seq_next(&status)) != NULL)
	{
		GstoreTable *table = dsa_get_address(dsa, entry->table);

		if (!visit(table, state) && may_remove)
		{
			dsa_pointer gone = entry->table;

			dshash_delete_current(&status);
			free_table(gone);
		}
	}
	dshash_seq_term(&status);
}
