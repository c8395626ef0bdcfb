/* gstore_fdw--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION gstore_fdw" to load this file. \quit

-- ---- the wrapper and its one server ----

CREATE FUNCTION gstore_fdw_handler() RETURNS fdw_handler
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FUNCTION gstore_fdw_validator(text[], oid) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FOREIGN DATA WRAPPER gstore_fdw
	HANDLER gstore_fdw_handler VALIDATOR gstore_fdw_validator;

CREATE SERVER gstore_fdw FOREIGN DATA WRAPPER gstore_fdw;

-- ---- reggstore: a gstore_fdw table, as regclass is a relation ----

CREATE TYPE reggstore;

CREATE FUNCTION reggstorein(cstring) RETURNS reggstore
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION reggstoreout(reggstore) RETURNS cstring
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION reggstorerecv(internal) RETURNS reggstore
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION reggstoresend(reggstore) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

CREATE TYPE reggstore (
	INPUT = reggstorein, OUTPUT = reggstoreout,
	RECEIVE = reggstorerecv, SEND = reggstoresend,
	LIKE = oid, CATEGORY = 'N');

CREATE FUNCTION reggstore(oid) RETURNS reggstore
	AS 'MODULE_PATHNAME', 'reggstore_from_oid'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION reggstore(regclass) RETURNS reggstore
	AS 'MODULE_PATHNAME', 'reggstore_from_oid'
	LANGUAGE C STABLE STRICT PARALLEL SAFE;

CREATE CAST (oid AS reggstore) WITH FUNCTION reggstore(oid) AS IMPLICIT;
CREATE CAST (regclass AS reggstore) WITH FUNCTION reggstore(regclass)
	AS IMPLICIT;
CREATE CAST (reggstore AS oid) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (reggstore AS regclass) WITHOUT FUNCTION AS ASSIGNMENT;

-- ---- what a table is ----

CREATE FUNCTION gstore_fdw_format(reggstore) RETURNS text
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION gstore_fdw_nitems(reggstore) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_fdw_nattrs(reggstore) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION gstore_fdw_rawsize(reggstore) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- ---- maintenance ----

CREATE FUNCTION gstore_compact(reggstore) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

COMMENT ON FUNCTION gstore_compact(reggstore) IS
	'merge the chunks of a table now; returns the bytes won';

-- ---- views ----

CREATE FUNCTION gstore_devices(
	OUT number int, OUT kind text, OUT name text, OUT uuid uuid,
	OUT total bigint, OUT used bigint, OUT free bigint,
	OUT epoch int, OUT state text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gstore_devices_view' LANGUAGE C STRICT;

CREATE VIEW gstore_devices AS SELECT * FROM gstore_devices();

COMMENT ON VIEW gstore_devices IS
	'devices that hold gstore_fdw tables, and how much of them is used';

-- The name and the columns are those that programs written for PG-Strom's
-- gstore_fdw look for.
CREATE SCHEMA pgstrom;

CREATE FUNCTION gstore_fdw_chunk_info(
	OUT database_oid oid, OUT table_oid oid, OUT revision int,
	OUT xmin xid, OUT xmax xid, OUT pinning int, OUT format text,
	OUT rawsize bigint, OUT nitems bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE VIEW pgstrom.gstore_fdw_chunk_info AS
	SELECT * FROM gstore_fdw_chunk_info();

COMMENT ON VIEW pgstrom.gstore_fdw_chunk_info IS
	'chunks of gstore_fdw tables (xid 2 = frozen, 0 = none)';

CREATE FUNCTION gstore_tables(
	OUT relid oid, OUT live_rows bigint, OUT dead_rows bigint,
	OUT chunks int, OUT bytes bigint, OUT revision int,
	OUT inserted bigint, OUT updated bigint, OUT deleted bigint,
	OUT last_merge timestamptz, OUT state text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE VIEW gstore_tables AS
	SELECT n.nspname AS schemaname, c.relname, t.*
	FROM gstore_tables() t
		JOIN pg_class c ON c.oid = t.relid
		JOIN pg_namespace n ON n.oid = c.relnamespace;

COMMENT ON VIEW gstore_tables IS
	'gstore_fdw tables of this database: rows, chunks and what changed';

GRANT USAGE ON SCHEMA pgstrom TO PUBLIC;
GRANT SELECT ON gstore_devices, gstore_tables, pgstrom.gstore_fdw_chunk_info
	TO PUBLIC;

-- ---- sharing ----

CREATE FUNCTION gstore_export_ipchandle(reggstore) RETURNS bytea
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_export(reggstore,
	OUT handle bytea, OUT device int, OUT device_uuid uuid, OUT format text,
	OUT revision bigint, OUT nitems bigint, OUT length bigint,
	OUT columns jsonb)
	RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_export_chunks(reggstore,
	OUT handle bytea, OUT device int, OUT device_uuid uuid, OUT format text,
	OUT revision bigint, OUT nitems bigint, OUT length bigint,
	OUT columns jsonb)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_release_ipchandle(bytea) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_export_host_file(handle bytea,
	OUT path text, OUT "offset" bigint, OUT length bigint)
	RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

COMMENT ON FUNCTION gstore_export_ipchandle(reggstore) IS
	'the CUipcMemHandle of an image of the table; NULL if it is empty';
COMMENT ON FUNCTION gstore_export(reggstore) IS
	'an image of the table for other programs: its handle and its layout';
COMMENT ON FUNCTION gstore_export_chunks(reggstore) IS
	'images of the table for other programs, one for each chunk';
COMMENT ON FUNCTION gstore_release_ipchandle(bytea) IS
	'release once what this session exported; false if it did not';
COMMENT ON FUNCTION gstore_export_host_file(bytea) IS
	'the file and range to map for a handle of the host device';

REVOKE ALL ON FUNCTION gstore_export_ipchandle(reggstore),
	gstore_export(reggstore), gstore_export_chunks(reggstore),
	gstore_release_ipchandle(bytea), gstore_export_host_file(bytea)
	FROM PUBLIC;

CREATE FUNCTION gstore_exports(
	OUT pid int, OUT datid oid, OUT usesysid oid, OUT relid oid,
	OUT revision bigint, OUT device int, OUT bytes bigint, OUT exports int,
	OUT since timestamptz, OUT kind text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'gstore_exports_view' LANGUAGE C STRICT;

CREATE VIEW gstore_exports AS
	SELECT e.pid, d.datname, pg_get_userbyid(e.usesysid) AS usename,
		n.nspname AS schemaname, c.relname, e.relid, e.revision, e.device,
		e.bytes, e.exports, e.since, e.kind
	FROM gstore_exports() e
		LEFT JOIN pg_database d ON d.oid = e.datid
		LEFT JOIN pg_class c ON c.oid = e.relid AND d.datname = current_database()
		LEFT JOIN pg_namespace n ON n.oid = c.relnamespace;

COMMENT ON VIEW gstore_exports IS
	'images handed out to other programs, and the sessions that keep them';

GRANT SELECT ON gstore_exports TO PUBLIC;

-- ---- for tests ----

CREATE FUNCTION gstore_fault_wakeup(point text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_fault_waiting(point text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE FUNCTION gstore_request_usage(
	OUT requests int, OUT narrow int, OUT staging bigint, OUT pool bigint)
	RETURNS record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION gstore_request_barrier() RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

REVOKE ALL ON FUNCTION gstore_fault_wakeup(text), gstore_fault_waiting(text),
	gstore_request_usage(), gstore_request_barrier()
	FROM PUBLIC;
