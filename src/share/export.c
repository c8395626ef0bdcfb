/*
 * export.c
 *	  SQL functions that hand images out to other processes.
 *
 * A mapping is writable whatever we say: so the table's own memory goes only to
 * who could change the table anyway, its owner and superusers.  Others get a
 * copy of what their snapshot sees; and so does everybody of a table with types
 * whose values we could not tell from what was written over them.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "fault.h"
#include "fdw/columns.h"
#include "fdw/sound.h"
#include "request/devices.h"
#include "request/handle.h"
#include "request/hold.h"
#include "share/layout.h"
#include "share/lease.h"
#include "share/readable.h"
#include "store/copy.h"
#include "store/merge.h"
#include "store/pending.h"

/* A table that is being exported. */
typedef struct Export
{
	Relation relation;
	const GstoreTarget *target;
	GstoreTable *table; /* NULL: never had a row */
	bool in_place;		/* the caller may have the table's own memory */
	GstoreSeenSet *set; /* NULL: not taken */
	List *holds;		/* of leases taken: an error lets go of them */
} Export;

/* ---- which image ---- */

static void
take_set(Export *export)
{
	export->set = gstore_seen_set_take(export->table, GetActiveSnapshot(),
									   export->relation);
}

/* Can all values that somebody writes over be told?  Those of format arrow hold
 * nothing that has to be believed. */
static bool
can_be_checked(const Export *export)
{
	TupleDesc desc = RelationGetDescr(export->relation);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (export->target->codec->format != GSTORE_FORMAT_ARROW &&
			!attribute->attisdropped &&
			!gstore_sound_can_tell(attribute->atttypid))
			return false;
	}
	return true;
}

static void
begin_export(Export *export, Oid relid)
{
	export->relation = gstore_open_readable(relid);
	export->target = gstore_target(export->relation);
	export->in_place = (superuser() ||
						gstore_owns_relation(relid, GetUserId())) &&
					   can_be_checked(export);
	gstore_pending_flush(relid);
	export->table = gstore_table_find(relid);
	export->holds = NIL;
	export->set = NULL;
}

static void
drop_set(Export *export)
{
	if (export->set != NULL)
		gstore_seen_set_release(export->set);
	export->set = NULL;
}

/* All went well: leases stay. */
static void
end_export(Export *export)
{
	ListCell *cell;

	foreach(cell, export->holds)
		gstore_hold_forget(lfirst(cell));
	drop_set(export);
	table_close(export->relation, AccessShareLock);
}

/* The hold's release callback. */
static void
release_lease(void *slot)
{
	gstore_lease_release_slot((int) (intptr_t) slot);
}

/* Do the chunk's columns look as they do today?  What is kept of a column for
 * pruning, and its compression, make no difference to who reads it. */
static bool
is_current(const GstoreTarget *target, const GstoreSeenChunk *seen)
{
	const GstoreSchema *then = &seen->stamp->schema;

	if (then->ncols != target->schema->ncols ||
		then->nfields != target->schema->nfields ||
		seen->chunk->format != target->codec->format)
		return false;
	for (int i = 0; i < then->nfields; i++)
	{
		GstoreColumn now = target->schema->columns[i];

		now.compression = then->columns[i].compression;
		now.order = then->columns[i].order;
		if (memcmp(&now, &then->columns[i], sizeof(now)) != 0 ||
			(i < then->ncols && target->fingerprints[i] !=
									gstore_schema_fingerprints(seen->stamp)[i]))
			return false;
	}
	return true;
}

/* Is the chunk, as it lies, what the snapshot sees of it? */
static bool
is_whole(const Export *export, const GstoreSeenChunk *seen)
{
	return export->in_place && seen->hidden == NULL &&
		   is_current(export->target, seen) &&
		   gstore_handle_is_possible(seen->chunk->location);
}

/* What an image depends on besides its rows. */
static uint64
form_of(const Export *export)
{
	return hash_bytes_extended((const unsigned char *) export->target->schema,
							   gstore_schema_bytes(export->target->schema->nfields),
							   export->target->codec->format);
}

static void
fill_lease(const Export *export, const GstoreChunk *chunk, GstoreLease *lease)
{
	lease->database = MyDatabaseId;
	lease->table = RelationGetRelid(export->relation);
	lease->role = GetUserId();
	lease->revision = export->table->revision;
	lease->chunk = chunk->self;
	lease->chunk_id = chunk->id;
	lease->location = chunk->location;
	lease->bytes = chunk->image_bytes;
	lease->rows = chunk->rows;
	lease->format = chunk->format;
	gstore_handle_make(chunk->location, &lease->handle,
					   psprintf("exporting foreign table \"%s\"",
								export->target->relname));
}

/* This session's lease of a chunk, or of a copy, once more; false: there is
 * none. */
static bool
lease_again(Export *export, dsa_pointer chunk, uint64 content,
			GstoreLease *lease)
{
	GstoreHold *hold = gstore_hold_prepare("gstore_fdw export", release_lease);

	if (!gstore_lease_again(RelationGetRelid(export->relation), chunk, content,
							lease))
	{
		gstore_hold_forget(hold);
		return false;
	}
	gstore_hold_take(hold, (void *) (intptr_t) lease->slot);
	export->holds = lappend(export->holds, hold);
	return true;
}

/* When it returns, the chunk is the lease's, or pinned by it. */
static void
lease_first(Export *export, GstoreLease *lease)
{
	GstoreHold *hold = gstore_hold_prepare("gstore_fdw export", release_lease);

	export->holds = lappend(export->holds, hold);
	gstore_lease_take(lease);
	gstore_hold_take(hold, (void *) (intptr_t) lease->slot);
}

/* Lease the table's own chunk. */
static void
export_in_place(Export *export, const GstoreChunk *chunk, GstoreLease *lease)
{
	if (lease_again(export, chunk->self, 0, lease))
		return;
	lease->in_place = true;
	/* before anybody can write into it */
	pg_atomic_write_u32(&export->table->exposed, 1);
	fill_lease(export, chunk, lease);
	lease_first(export, lease);
}

/* Lease a copy of some chunks, which content tells from others; false: there is
 * no row. */
static bool
export_copy(Export *export, uint32 first, uint32 count, uint64 content,
			GstoreLease *lease)
{
	GstoreChunk *chunk;
	GstoreHold *hold;

	if (lease_again(export, InvalidDsaPointer, content, lease))
		return true;
	chunk = gstore_copy_rows(export->target, export->set, first, count, &hold);
	if (chunk == NULL)
		return false;
	lease->content = content;
	fill_lease(export, chunk, lease);
	lease_first(export, lease);
	gstore_hold_forget(hold);
	return true;
}

static bool
export_chunk(Export *export, uint32 number, uint64 content, GstoreLease *lease)
{
	const GstoreSeenChunk *seen = &export->set->chunks[number];

	memset(lease, 0, sizeof(*lease));
	if (is_whole(export, seen))
	{
		export_in_place(export, seen->chunk, lease);
		return true;
	}
	return export_copy(export, number, 1, content, lease);
}

/*
 * The whole table in one image; false: it is empty.  Where all may see what we
 * see, the chunks become one, which is then exported as it is: there is no
 * second copy.  But a copy that this session has is as good, and there.
 */
static bool
export_table(Export *export, GstoreLease *lease)
{
	uint64 content;
	int64 won;

	memset(lease, 0, sizeof(*lease));
	if (export->table == NULL)
		return false;
	content = gstore_seen_signature(export->table, GetActiveSnapshot(),
									export->relation, form_of(export));
	if (lease_again(export, InvalidDsaPointer, content, lease))
		return true;
	take_set(export);
	if (export->in_place && !RecoveryInProgress() &&
		(export->set->nchunks > 1 ||
		 (export->set->nchunks == 1 && export->set->chunks[0].hidden != NULL)))
	{
		drop_set(export);
		(void) gstore_merge_table(export->table, UINT64_MAX, true, &won);
		take_set(export);
	}
	if (export->set->nchunks == 0)
		return false;
	if (export->set->nchunks == 1)
		return export_chunk(export, 0, content, lease);
	return export_copy(export, 0, export->set->nchunks, content, lease);
}

/* ---- SQL functions ---- */

static Datum
handle_datum(const GstoreIpcHandle *handle)
{
	bytea *bytes = palloc(VARHDRSZ + sizeof(*handle));

	SET_VARSIZE(bytes, VARHDRSZ + sizeof(*handle));
	memcpy(VARDATA(bytes), handle, sizeof(*handle));
	return PointerGetDatum(bytes);
}

static void
get_handle(bytea *bytes, GstoreIpcHandle *handle)
{
	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(*handle))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a handle has %zu bytes, not %zu", sizeof(*handle),
						(Size) VARSIZE_ANY_EXHDR(bytes)),
				 errhint("Pass what gstore_export_ipchandle() returned.")));
	memcpy(handle, VARDATA_ANY(bytes), sizeof(*handle));
}

PG_FUNCTION_INFO_V1(gstore_export_ipchandle);

Datum
gstore_export_ipchandle(PG_FUNCTION_ARGS)
{
	Export export;
	GstoreLease lease;
	bool any;

	begin_export(&export, PG_GETARG_OID(0));
	any = export_table(&export, &lease);
	end_export(&export);
	if (!any)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(handle_datum(&lease.handle));
}

/* Columns of gstore_export and gstore_export_chunks. */
#define EXPORT_COLUMNS 8

static void
fill_export(const Export *export, const GstoreLease *lease, Datum *values,
			bool *nulls)
{
	GstoreDeviceSlot *slot = gstore_device_slot(lease->location.device);

	GSTORE_FAULT_POINT("export-describe");
	memset(nulls, false, EXPORT_COLUMNS * sizeof(bool));
	values[0] = handle_datum(&lease->handle);
	values[1] = Int32GetDatum(lease->location.device);
	nulls[2] = slot->info.uuid[0] == '\0';
	if (!nulls[2])
		values[2] = DirectFunctionCall1(uuid_in,
										CStringGetDatum(slot->info.uuid));
	values[3] = CStringGetTextDatum(gstore_codec((GstoreFormat) lease->format)->name);
	values[4] = Int64GetDatum(lease->revision);
	values[5] = Int64GetDatum(lease->rows);
	values[6] = Int64GetDatum(lease->bytes);
	values[7] = JsonbPGetDatum(gstore_layout(lease->location, lease->chunk,
											 lease->bytes,
											 export->target->relname));
}

PG_FUNCTION_INFO_V1(gstore_export);

Datum
gstore_export(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	Export export;
	GstoreLease lease;
	Datum values[EXPORT_COLUMNS];
	bool nulls[EXPORT_COLUMNS];
	bool any;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	begin_export(&export, PG_GETARG_OID(0));
	any = export_table(&export, &lease);
	if (any)
		fill_export(&export, &lease, values, nulls);
	end_export(&export);
	if (!any)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

PG_FUNCTION_INFO_V1(gstore_export_chunks);

Datum
gstore_export_chunks(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Export export;

	InitMaterializedSRF(fcinfo, 0);
	begin_export(&export, PG_GETARG_OID(0));
	take_set(&export);
	for (uint32 i = 0; i < export.set->nchunks; i++)
	{
		uint64 content = gstore_seen_chunk_signature(&export.set->chunks[i],
													 GetActiveSnapshot(),
													 form_of(&export));
		GstoreLease lease;
		Datum values[EXPORT_COLUMNS];
		bool nulls[EXPORT_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		if (!export_chunk(&export, i, content, &lease))
			continue;
		fill_export(&export, &lease, values, nulls);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	end_export(&export);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(gstore_release_ipchandle);

Datum
gstore_release_ipchandle(PG_FUNCTION_ARGS)
{
	GstoreIpcHandle handle;

	get_handle(PG_GETARG_BYTEA_PP(0), &handle);
	(void) gstore_dsa(); /* says what is wrong without the preload */
	PG_RETURN_BOOL(gstore_lease_release(&handle));
}

/* gstore_export_host_file(handle): how to map what a handle of the host device
 * names.  The handle is the capability: whoever knows it may. */
PG_FUNCTION_INFO_V1(gstore_export_host_file);

Datum
gstore_export_host_file(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	GstoreIpcHandle handle;
	GstoreLease lease;
	uint64 offset;
	Datum values[3];
	bool nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	get_handle(PG_GETARG_BYTEA_PP(0), &handle);
	(void) gstore_dsa();
	if (!gstore_lease_find(&handle, &lease))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no exported image has this handle"),
				 errhint("Export the table again; the session that did must stay connected.")));
	values[0] = CStringGetTextDatum(gstore_handle_host_file(lease.location,
															&offset));
	values[1] = Int64GetDatum(offset);
	values[2] = Int64GetDatum(lease.bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

PG_FUNCTION_INFO_V1(gstore_exports_view);

Datum
gstore_exports_view(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GstoreLease *leases;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	leases = gstore_leases(&count);
	for (int i = 0; i < count; i++)
	{
		const GstoreLease *lease = &leases[i];
		Datum values[11];
		bool nulls[11] = {false};

		values[0] = Int32GetDatum(lease->pid);
		values[1] = ObjectIdGetDatum(lease->database);
		values[2] = ObjectIdGetDatum(lease->role);
		values[3] = ObjectIdGetDatum(lease->table);
		values[4] = Int64GetDatum(lease->revision);
		values[5] = Int32GetDatum(lease->location.device);
		values[6] = Int64GetDatum(lease->location.length);
		values[7] = Int32GetDatum(lease->count);
		values[8] = TimestampTzGetDatum(lease->since);
		values[9] = CStringGetTextDatum(lease->in_place ? "in place" : "copy");
		values[10] = BoolGetDatum(lease->is_retired);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
