/*
 * largeobject.c
 *	  lo_import_gpu and lo_export_gpu: large objects to and from device memory
 *	  that other programs, or exports of our tables, have given a handle.
 *
 * Everything goes piece by piece through staging memory; a large object is
 * never in memory as a whole.  Must write to device memory of other programs
 * only, never to a table's.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/be-fsstubs.h"
#include "libpq/libpq-fs.h"
#include "miscadmin.h"
#include "storage/large_object.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "fault.h"
#include "request/devices.h"
#include "request/region.h"
#include "request/view.h"
#include "share/lease.h"

/* What goes at once: a multiple of a large object's page. */
#define PIECE (UINT64_C(8) << 20)

StaticAssertDecl(PIECE % LOBLKSIZE == 0, "whole pages are written");

/* Device memory that a handle names. */
typedef struct Memory
{
	GstoreLocation location;
	uint64 bytes;		  /* that may be touched */
	GstoreRegion *region; /* another program's; NULL: an image of ours */
	dsa_pointer chunk;	  /* of an image of ours */
	GstoreHold *hold;	  /* of the pin on it */
	const char *purpose;
} Memory;

/* ---- what a handle names ---- */

static void
get_handle(bytea *bytes, GstoreIpcHandle *handle)
{
	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(*handle))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a handle has %zu bytes, not %zu", sizeof(*handle),
						(Size) VARSIZE_ANY_EXHDR(bytes)),
				 errhint("Pass the bytes of a CUipcMemHandle, or what gstore_export_ipchandle() returned.")));
	memcpy(handle, VARDATA_ANY(bytes), sizeof(*handle));
}

static void
check_device(int device)
{
	int count = gstore_devices()->count;

	if (device < 0 || device >= count)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no device %d", device),
				 count == 1 ? errdetail("The only device is 0.")
							: errdetail("The devices are 0 to %d.", count - 1),
				 errhint("Pass the number, as in gstore_devices, of the device that has the memory.")));
}

static void
check_not_negative(int64 number, const char *name)
{
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name),
				 errdetail("It is %lld.", (long long) number)));
}

static void
check_range(const Memory *memory, int64 offset, int64 length)
{
	if ((uint64) offset > memory->bytes ||
		(uint64) length > memory->bytes - offset)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the range lies outside the memory that the handle names"),
				 errdetail("It has %llu bytes; %lld bytes at offset %lld were asked for.",
						   (unsigned long long) memory->bytes,
						   (long long) length, (long long) offset),
				 errcontext("%s", memory->purpose)));
}

/* To read an image is to read its table. */
static void
check_readable(const GstoreLease *lease, const char *purpose)
{
	bool is_missing = false;
	AclResult result = ACLCHECK_OK;

	if (lease->database != MyDatabaseId)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the handle is of a table of another database"),
				 errhint("Import it in the database that exported it."),
				 errcontext("%s", purpose)));
	result = pg_class_aclcheck_ext(lease->table, GetUserId(), ACL_SELECT,
								   &is_missing);

	/* Nobody can be asked about a table that was dropped. */
	if (is_missing && !superuser() && lease->role != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the handle is of a table that was dropped"),
				 errdetail("Only the role that exported it may read it."),
				 errcontext("%s", purpose)));
	if (!is_missing && result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FOREIGN_TABLE,
					   get_rel_name(lease->table));
}

static void
unpin(void *chunk)
{
	gstore_chunk_unpin_pointer((dsa_pointer) (uintptr_t) chunk);
}

/* An image that is exported now; false: the handle is not of one. */
static bool
open_image(int device, const GstoreIpcHandle *handle, bool writes,
		   Memory *memory)
{
	GstoreHold *hold = gstore_hold_prepare("gstore_fdw image", unpin);
	GstoreLease lease;

	if (!gstore_lease_pin(handle, &lease))
	{
		gstore_hold_forget(hold);
		return false;
	}
	gstore_hold_take(hold, (void *) (uintptr_t) lease.chunk);
	if (writes)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("an image of a gstore_fdw table is not written to"),
				 errhint("Change the table with INSERT, UPDATE or DELETE."),
				 errcontext("%s", memory->purpose)));
	check_readable(&lease, memory->purpose);
	if (lease.location.device != device)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the handle is of memory of device %d, not of device %d",
						lease.location.device, device),
				 errcontext("%s", memory->purpose)));
	memory->location = lease.location;
	memory->bytes = lease.bytes;
	memory->chunk = lease.chunk;
	memory->hold = hold;
	return true;
}

/* Raises what is wrong with handle, device or range. */
static void
open_memory(int device, bytea *bytes, int64 offset, int64 length, bool writes,
			Memory *memory)
{
	GstoreIpcHandle handle;

	get_handle(bytes, &handle);
	check_not_negative(offset, "offset");
	check_not_negative(length, "length");
	(void) gstore_dsa(); /* says what is wrong without the preload */
	check_device(device);
	if (!open_image(device, &handle, writes, memory))
	{
		if (gstore_devices()->on_host && writes)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("there is no GPU memory to export to"),
					 errdetail("The device is shared host memory, which holds nothing but tables."),
					 errcontext("%s", memory->purpose)));
		if (gstore_devices()->on_host)
			gstore_region_refuse(device, ERRCODE_INVALID_PARAMETER_VALUE,
								 "No exported image has it.",
								 "Export the table again; the session that did must stay connected.",
								 memory->purpose);
		memory->region = gstore_region_open(device, &handle, memory->purpose);
		memory->location = gstore_region_location(memory->region);
		memory->bytes = memory->location.length;
	}
	check_range(memory, offset, length);
}

static void
close_memory(Memory *memory)
{
	if (memory->region != NULL)
		gstore_region_close(memory->region);
	else
		gstore_hold_release(memory->hold);
}

/* ---- large objects ---- */

/* By the functions that clients call: they know who may do what, and clean up
 * when the transaction fails. */
static int
open_object(Oid loid, int mode)
{
	return DatumGetInt32(DirectFunctionCall2(be_lo_open,
											 ObjectIdGetDatum(loid),
											 Int32GetDatum(mode)));
}

static void
close_object(int fd)
{
	(void) DirectFunctionCall1(be_lo_close, Int32GetDatum(fd));
}

static void
write_object(int fd, const char *bytes, int length)
{
	while (length > 0)
	{
		int written = lo_write(fd, bytes, length);

		if (written <= 0)
			elog(ERROR, "a large object could not be written");
		bytes += written;
		length -= written;
	}
}

/* As much as there is, up to length bytes. */
static int
read_object(int fd, char *bytes, int length)
{
	int done = 0;

	while (done < length)
	{
		int got = lo_read(fd, bytes + done, length - done);

		if (got <= 0)
			break;
		done += got;
	}
	return done;
}

/* ---- importing ---- */

static GstoreView *
open_piece(const Memory *memory, uint64 offset, uint64 length)
{
	GstoreByteRange range = {.offset = offset, .length = Min(length, PIECE)};

	return gstore_view_open(memory->location, memory->chunk, &range, 1,
							memory->purpose);
}

/* A piece is on its way while the one before is written. */
static void
import(const Memory *memory, uint64 offset, uint64 length, int fd)
{
	GstoreView *next = length > 0 ? open_piece(memory, offset, length) : NULL;

	while (next != NULL)
	{
		GstoreView *view = next;
		uint64 bytes = Min(length, PIECE);

		gstore_view_wait(view);
		offset += bytes;
		length -= bytes;
		next = length > 0 ? open_piece(memory, offset, length) : NULL;
		GSTORE_FAULT_POINT("lo-import");
		write_object(fd, gstore_view_pointer(view, 0), (int) bytes);
		gstore_view_close(view);
		CHECK_FOR_INTERRUPTS();
	}
}

PG_FUNCTION_INFO_V1(lo_import_gpu);

Datum
lo_import_gpu(PG_FUNCTION_ARGS)
{
	int device = PG_GETARG_INT32(0);
	bytea *handle = PG_GETARG_BYTEA_PP(1);
	int64 offset = PG_GETARG_INT64(2);
	int64 length = PG_GETARG_INT64(3);
	Oid loid = PG_GETARG_OID(4);
	Memory memory = {.purpose = "importing GPU memory into a large object"};
	int fd = -1;

	PreventCommandIfReadOnly("lo_import_gpu()");

	/* An object that is there keeps its owner and its permissions. */
	if (OidIsValid(loid))
		fd = open_object(loid, INV_WRITE);
	open_memory(device, handle, offset, length, false, &memory);
	if (OidIsValid(loid))
		(void) DirectFunctionCall2(be_lo_truncate64, Int32GetDatum(fd),
								   Int64GetDatum(0));
	else
	{
		loid = DatumGetObjectId(DirectFunctionCall1(be_lo_create,
													ObjectIdGetDatum(InvalidOid)));
		fd = open_object(loid, INV_WRITE);
	}
	import(&memory, offset, length, fd);
	close_object(fd);
	close_memory(&memory);
	PG_RETURN_OID(loid);
}

/* ---- exporting ---- */

/* The object's bytes, and zeros for the rest; returns how many it had. */
static uint64 export(const Memory *memory, uint64 offset, uint64 length, int fd)
{
	char *piece = palloc(Min(length, PIECE));
	uint64 had = 0;
	bool ended = false;

	for (uint64 done = 0; done < length;)
	{
		uint64 bytes = Min(length - done, PIECE);

		int got = ended ? 0 : read_object(fd, piece, (int) bytes);

		had += got;
		ended = (uint64) got < bytes;
		memset(piece + got, 0, bytes - got);
		GSTORE_FAULT_POINT("lo-export");
		gstore_region_write(memory->region, offset + done, piece, bytes);
		done += bytes;
		CHECK_FOR_INTERRUPTS();
	}
	gstore_region_flush(memory->region);
	pfree(piece);
	return had;
}

PG_FUNCTION_INFO_V1(lo_export_gpu);

Datum
lo_export_gpu(PG_FUNCTION_ARGS)
{
	Oid loid = PG_GETARG_OID(0);
	int device = PG_GETARG_INT32(1);
	bytea *handle = PG_GETARG_BYTEA_PP(2);
	int64 offset = PG_GETARG_INT64(3);
	int64 length = PG_GETARG_INT64(4);
	Memory memory = {.purpose = "exporting a large object to GPU memory"};
	int fd = open_object(loid, INV_READ);
	uint64 had;

	open_memory(device, handle, offset, length, true, &memory);
	had = export(&memory, offset, length, fd);
	close_object(fd);
	close_memory(&memory);
	PG_RETURN_INT64((int64) had);
}
