/*
 * usage.c
 *	  SQL functions with which tests see that nothing was left behind.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"

#include "device/arena.h"
#include "request/devices.h"
#include "request/request.h"
#include "request/staging.h"

PG_FUNCTION_INFO_V1(gstore_request_usage);
PG_FUNCTION_INFO_V1(gstore_request_barrier);

static void
require_superuser(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to look at requests")));
	(void) gstore_devices();
}

/*
 * gstore_request_usage(OUT requests int, OUT narrow int, OUT staging bigint,
 * OUT pool bigint): slots in use, narrow windows in use, bytes of roomy windows
 * in use, bytes of the arena's pool in use.
 */
Datum
gstore_request_usage(PG_FUNCTION_ARGS)
{
	TupleDesc row;
	GstoreArenaUsage pool;
	GstoreArenaUsage staging;
	Datum values[4];
	bool nulls[4] = {false};

	require_superuser();
	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE ||
		row->natts != lengthof(values))
		elog(ERROR, "gstore_request_usage() is not declared as it should be");
	gstore_arena_usage(GSTORE_ARENA_POOL, &pool);
	gstore_arena_usage(GSTORE_ARENA_STAGING, &staging);
	values[0] = Int32GetDatum(gstore_request_in_use());
	values[1] = Int32GetDatum(gstore_staging_narrow_in_use());
	values[2] = Int64GetDatum(staging.used - gstore_staging_set_aside());
	values[3] = Int64GetDatum(pool.used);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row),
													  values, nulls)));
}

/* gstore_request_barrier() returns void: wait until the keeper has done all it
 * was asked to do before, and freed all that waits to be freed. */
Datum
gstore_request_barrier(PG_FUNCTION_ARGS)
{
	GstoreRequest *request;

	(void) fcinfo;
	require_superuser();
	request = gstore_request_begin(GSTORE_REQUEST_BARRIER, 0);
	gstore_request_submit(request);
	gstore_request_wait(request, "waiting for the keeper");
	gstore_request_end(request);
	PG_RETURN_VOID();
}
