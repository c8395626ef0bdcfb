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
	OUT compute_capability text, OUT total bigint, OUT used bigint, OUT free bigint,
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
	OUT chunks int, OUT bytes bigint, OUT memory bigint, OUT revision int,
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

CREATE FUNCTION gstore_diagnose(program int DEFAULT NULL,
	OUT subject text, OUT device int, OUT found text, OUT ok boolean,
	OUT detail text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION gstore_diagnose(int) IS
	'what sharing memory with other programs needs, and whether it is so here';
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
	gstore_release_ipchandle(bytea), gstore_export_host_file(bytea),
	gstore_diagnose(int)
	FROM PUBLIC;

CREATE FUNCTION gstore_exports(
	OUT pid int, OUT datid oid, OUT usesysid oid, OUT relid oid,
	OUT revision bigint, OUT device int, OUT bytes bigint, OUT exports int,
	OUT since timestamptz, OUT kind text, OUT retired boolean)
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

-- ---- large objects and GPU memory of other programs ----

CREATE FUNCTION lo_import_gpu(device_nr int, ipc_mhandle bytea,
	"offset" bigint, length bigint, loid oid DEFAULT 0)
	RETURNS oid
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION lo_export_gpu(loid oid, device_nr int, ipc_mhandle bytea,
	"offset" bigint, length bigint)
	RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

COMMENT ON FUNCTION lo_import_gpu(int, bytea, bigint, bigint, oid) IS
	'a large object of a range of device memory; returns its oid';
COMMENT ON FUNCTION lo_export_gpu(oid, int, bytea, bigint, bigint) IS
	'a large object into a range of device memory; returns the bytes it had';

REVOKE ALL ON FUNCTION lo_import_gpu(int, bytea, bigint, bigint, oid),
	lo_export_gpu(oid, int, bytea, bigint, bigint)
	FROM PUBLIC;

-- ---- what keeps memory from being freed ----

CREATE FUNCTION gstore_dead(
	OUT datid oid, OUT relid oid, OUT xid xid, OUT since timestamptz,
	OUT rows bigint, OUT bytes bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

COMMENT ON FUNCTION gstore_dead() IS
	'deleted rows and replaced images whose memory is not free yet';

-- A session keeps what was deleted by a transaction that is not older than its
-- own or its snapshot; one that reads a table, the images replaced meanwhile;
-- and an export its image.
CREATE VIEW gstore_held AS
	WITH dead AS MATERIALIZED (SELECT * FROM gstore_dead()),
	holder AS (
		SELECT a.pid, a.datid, a.usename,
			CASE WHEN a.backend_type = 'walsender' THEN 'standby'
				ELSE 'snapshot' END AS kind,
			a.application_name AS name, a.state, a.xact_start AS since,
			greatest(age(a.backend_xid), age(a.backend_xmin)) AS age
		FROM pg_stat_activity a
		WHERE a.pid <> pg_backend_pid() OR a.xact_start < a.query_start
		UNION ALL
		SELECT NULL, d.oid, p.owner, 'prepared transaction', p.gid, NULL,
			p.prepared, age(p.transaction)
		FROM pg_prepared_xacts p JOIN pg_database d ON d.datname = p.database
		UNION ALL
		SELECT s.active_pid, s.datoid, NULL, 'replication slot', s.slot_name,
			NULL, NULL, greatest(age(s.xmin), age(s.catalog_xmin))
		FROM pg_replication_slots s
	),
	held AS (
		SELECT h.pid, h.usename, h.kind, h.name, h.state, h.since,
			d.datid, d.relid, d.rows, d.bytes
		FROM holder h JOIN dead d ON age(d.xid) <= h.age
		UNION ALL
		SELECT a.pid, a.usename, 'scan', a.application_name, a.state,
			a.xact_start, d.datid, d.relid, d.rows, d.bytes
		FROM dead d
			JOIN pg_locks l ON l.locktype = 'relation' AND l.granted
				AND l.database = d.datid AND l.relation = d.relid
				AND l.mode <> 'ShareUpdateExclusiveLock'
			JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE d.xid IS NULL
		UNION ALL
		SELECT e.pid, pg_get_userbyid(e.usesysid), 'export',
			a.application_name, a.state, e.since, e.datid, e.relid, NULL,
			e.bytes
		FROM gstore_exports() e LEFT JOIN pg_stat_activity a USING (pid)
		WHERE e.retired
	)
	SELECT h.pid, h.usename, h.kind, h.name, h.state, h.since, d.datname,
		n.nspname AS schemaname, c.relname, h.relid,
		sum(h.rows)::bigint AS rows, sum(h.bytes)::bigint AS bytes
	FROM held h
		JOIN pg_database d ON d.oid = h.datid
		LEFT JOIN pg_class c ON c.oid = h.relid AND d.datname = current_database()
		LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
	GROUP BY h.pid, h.usename, h.kind, h.name, h.state, h.since, d.datname,
		n.nspname, c.relname, h.relid;

COMMENT ON VIEW gstore_held IS
	'who keeps memory of deleted rows from being freed, since when, how much';

CREATE FUNCTION gstore_progress_compact(
	OUT pid int, OUT datid oid, OUT relid oid, OUT phase text,
	OUT chunks_total bigint, OUT chunks_read bigint,
	OUT bytes_total bigint, OUT bytes_read bigint, OUT bytes_won bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE VIEW gstore_progress_compact AS
	SELECT p.pid, p.datid, d.datname, p.relid, p.phase, p.chunks_total,
		p.chunks_read, p.bytes_total, p.bytes_read, p.bytes_won
	FROM gstore_progress_compact() p LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW gstore_progress_compact IS
	'how far each gstore_compact() is that is running';

GRANT SELECT ON gstore_held, gstore_progress_compact TO PUBLIC;

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
