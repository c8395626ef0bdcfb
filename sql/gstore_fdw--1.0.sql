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
