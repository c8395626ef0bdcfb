-- Who may call what: nothing without a grant, and no table without SELECT.
CREATE FOREIGN TABLE t (a int, b text) SERVER gstore_fdw;
INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE got text;
BEGIN
	EXECUTE query INTO got;
	RETURN got;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
\echo -- what of the extension everybody may call
SELECT p.oid::regprocedure AS everybody
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'gstore_fdw'
WHERE p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) WHERE grantee = 0)
ORDER BY p.oid::regprocedure::text COLLATE "C";
CREATE ROLE without_grants;
CREATE TABLE call (number int, query text);
INSERT INTO call VALUES
	(1, $$SELECT gstore_export_ipchandle('t')$$),
	(2, $$SELECT gstore_export('t')$$),
	(3, $$SELECT gstore_export_chunks('t')$$),
	(4, $$SELECT gstore_release_ipchandle(sha512('x'))$$),
	(5, $$SELECT gstore_export_host_file(sha512('x'))$$),
	(6, $$SELECT gstore_diagnose()$$),
	(7, $$SELECT lo_import_gpu(0, sha512('x'), 0, 1)$$),
	(8, $$SELECT lo_export_gpu(4711, 0, sha512('x'), 0, 1)$$),
	(9, $$SELECT gstore_fault_wakeup('x')$$),
	(10, $$SELECT gstore_fault_waiting('x')$$),
	(11, $$SELECT gstore_request_usage()$$),
	(12, $$SELECT gstore_request_barrier()$$);
GRANT SELECT ON call TO without_grants;
\echo -- without a grant
SET ROLE without_grants;
SELECT query, try(query) FROM call ORDER BY number;
SELECT try($$SELECT gstore_fdw_nitems('t')$$), try($$SELECT gstore_fdw_rawsize('t')$$), try($$SELECT gstore_fdw_format('t')$$),
	try($$SELECT gstore_fdw_nattrs('t')$$), try($$SELECT gstore_compact('t')$$);
SELECT count(*) FROM gstore_tables;
SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info;
RESET ROLE;
\echo -- with EXECUTE: SELECT is still needed, a handle, or a large object
GRANT EXECUTE ON FUNCTION gstore_export_ipchandle, gstore_export, gstore_export_chunks, gstore_release_ipchandle,
	gstore_export_host_file, lo_import_gpu, lo_export_gpu TO without_grants;
SET ROLE without_grants;
SELECT query, regexp_replace(try(query), 'ERROR:.*', '') FROM call WHERE number <= 5 ORDER BY number;
SELECT try($$SELECT lo_import_gpu(0, sha512('x'), 0, 1)$$) ~ '^22023: ' AS refused,
	try($$SELECT lo_export_gpu(4711, 0, sha512('x'), 0, 1)$$);
RESET ROLE;
-- a column is not the table
GRANT SELECT (a) ON t TO without_grants;
SET ROLE without_grants;
SELECT try($$SELECT gstore_export_ipchandle('t')$$);
RESET ROLE;
-- not even of what another session, or role, exported
SELECT gstore_export_ipchandle('t') AS handle \gset
SET ROLE without_grants;
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, 1)', :'handle'));
RESET ROLE;
\echo -- with SELECT, too: a copy
GRANT SELECT ON t TO without_grants;
SET ROLE without_grants;
SELECT nitems, columns->0->>'name' AS first, handle <> :'handle' AS of_its_own FROM gstore_export('t');
SELECT count(*) FROM gstore_export_chunks('t');
SELECT lo_unlink(lo_import_gpu(0, :'handle', 0, 1));
SELECT usename, kind, exports FROM gstore_exports WHERE pid = pg_backend_pid() AND usename = 'without_grants';
RESET ROLE;
\echo -- a function that runs as its owner hands out what the owner may
CREATE FUNCTION handle_of_t() RETURNS bytea LANGUAGE sql SECURITY DEFINER AS $$ SELECT gstore_export_ipchandle('t') $$;
REVOKE ALL ON t FROM without_grants;
REVOKE SELECT (a) ON t FROM without_grants;
SET ROLE without_grants;
SELECT try($$SELECT gstore_export_ipchandle('t')$$);
SELECT handle_of_t() = :'handle' AS the_owners;
RESET ROLE;
DROP FUNCTION handle_of_t(), try(text);
DROP FOREIGN TABLE t;
DROP TABLE call;
REVOKE ALL ON FUNCTION gstore_export_ipchandle, gstore_export, gstore_export_chunks, gstore_release_ipchandle,
	gstore_export_host_file, lo_import_gpu, lo_export_gpu FROM without_grants;
DROP ROLE without_grants;
