-- lo_import_gpu and lo_export_gpu: errors, and an exported table's image.
CREATE FOREIGN TABLE t (a int, b text) SERVER gstore_fdw;
INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
-- what an expression says: its value, or SQLSTATE and message
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE got text;
BEGIN
	EXECUTE query INTO got;
	RETURN got;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
CREATE FUNCTION a_handle(seed text) RETURNS bytea LANGUAGE sql AS
	$$ SELECT sha512(seed::bytea) $$;
\echo -- arguments
SELECT lo_create(4711), lo_put(4711, 0, 'what was there');
SELECT try($$ SELECT lo_import_gpu(0, '\x00', 0, 0) $$);
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x') || '\x00', 0, 0) $$);
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), -1, 0) $$);
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), 0, -1) $$);
SELECT try($$ SELECT lo_import_gpu(16, a_handle('x'), 0, 0) $$) ~ '^22023: ' AS no_device;
SELECT try($$ SELECT lo_import_gpu(-1, a_handle('x'), 0, 0) $$) ~ '^22023: ' AS no_device;
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), 0, 0) $$);
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), 0, 0, 4711) $$);
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), 0, 0, 4712) $$);
SELECT try($$ SELECT lo_export_gpu(4711, 0, '', 0, 0) $$);
SELECT try($$ SELECT lo_export_gpu(4711, 0, a_handle('x'), -1, 0) $$);
SELECT try($$ SELECT lo_export_gpu(4711, 0, a_handle('x'), 0, -1) $$);
SELECT try($$ SELECT lo_export_gpu(4711, 16, a_handle('x'), 0, 0) $$) ~ '^22023: ' AS no_device;
SELECT try($$ SELECT lo_export_gpu(4711, 0, a_handle('x'), 0, 0) $$) ~ '^(22023|0A000): ' AS refused;
SELECT try($$ SELECT lo_export_gpu(4712, 0, a_handle('x'), 0, 0) $$);
SELECT lo_import_gpu(NULL, a_handle('x'), 0, 0), lo_export_gpu(4711, 0, NULL, 0, 0);
BEGIN READ ONLY;
SELECT lo_import_gpu(0, a_handle('x'), 0, 0);
ROLLBACK;
\echo -- an image of a table, whole and in parts
SELECT handle, length FROM gstore_export('t') \gset
SELECT lo_import_gpu(0, :'handle', 0, :length) AS whole \gset
SELECT length(lo_get(:whole)) = :length AS whole;
CREATE TABLE part AS
SELECT at, bytes, lo_import_gpu(0, :'handle', at, bytes) AS loid
FROM (VALUES (0, 0), (0, 1), (0, 4095), (1, 4096), (17, 2048 * 1024 + 1),
	(2047, 2048), (2049, 2047), (:length - 1, 1), (:length, 0)) range (at, bytes);
SELECT bytes, md5(lo_get(loid)) = md5(substr(lo_get(:whole), at::int + 1, bytes::int)) AS equal
FROM part ORDER BY at, bytes;
SELECT try(format('SELECT lo_import_gpu(0, %L, 1, %s)', :'handle', :length));
SELECT try(format('SELECT lo_import_gpu(0, %L, %s, 0)', :'handle', :length + 1));
SELECT try(format('SELECT lo_import_gpu(0, %L, %s, %s)', :'handle', :length, 9223372036854775807));
\echo -- into one that is there: it becomes just that, and stays whose it is
CREATE ROLE lo_owner;
CREATE ROLE lo_other;
ALTER LARGE OBJECT 4711 OWNER TO lo_owner;
GRANT SELECT ON LARGE OBJECT 4711 TO lo_other;
SELECT lo_import_gpu(0, :'handle', 0, 3000, 4711);
SELECT length(lo_get(4711)), md5(lo_get(4711)) = md5(substr(lo_get(:whole), 1, 3000)) AS equal;
SELECT lo_import_gpu(0, :'handle', 5, 10, 4711);
SELECT lo_get(4711) = substr(lo_get(:whole), 6, 10) AS equal;
SELECT pg_get_userbyid(lomowner) AS owner, lomacl FROM pg_largeobject_metadata WHERE oid = 4711;
-- a failed one leaves it as it was
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, %s, 4711)', :'handle', :length + 1));
SELECT lo_get(4711) = substr(lo_get(:whole), 6, 10) AS equal;
BEGIN;
SELECT lo_import_gpu(0, :'handle', 0, 20000, 4711);
ROLLBACK;
SELECT lo_get(4711) = substr(lo_get(:whole), 6, 10) AS equal;
\echo -- a table is not written to
SELECT try(format('SELECT lo_export_gpu(4711, 0, %L, 0, 1)', :'handle'));
\echo -- who may
SET ROLE lo_other;
SELECT try($$ SELECT lo_import_gpu(0, a_handle('x'), 0, 0) $$);
SELECT try($$ SELECT lo_export_gpu(4711, 0, a_handle('x'), 0, 0) $$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION lo_import_gpu, lo_export_gpu TO lo_other, lo_owner;
SET ROLE lo_other;
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, 1)', :'handle'));
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, 1, 4711)', :'handle'));
SELECT try(format('SELECT lo_export_gpu(%s, 0, %L, 0, 1)', :whole, :'handle')) ~ '^42501' AS refused;
RESET ROLE;
GRANT SELECT ON t TO lo_other, lo_owner;
SET ROLE lo_other;
SELECT lo_import_gpu(0, :'handle', 0, 100) AS mine \gset
SELECT length(lo_get(:mine));
SELECT lo_unlink(:mine);
RESET ROLE;
SET ROLE lo_owner;
SELECT lo_import_gpu(0, :'handle', 0, 1, 4711);
RESET ROLE;
\echo -- after DROP TABLE: only who exported it; after the lease: nobody
DROP FOREIGN TABLE t;
SET ROLE lo_other;
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, 1)', :'handle'));
RESET ROLE;
SELECT lo_import_gpu(0, :'handle', 0, 100, 4711);
SELECT lo_get(4711) = substr(lo_get(:whole), 1, 100) AS equal;
SELECT gstore_release_ipchandle(:'handle');
SELECT try(format('SELECT lo_import_gpu(0, %L, 0, 1)', :'handle'));
SELECT count(lo_unlink(loid)) FROM part;
SELECT lo_unlink(4711), lo_unlink(:whole);
DROP TABLE part;
DROP FUNCTION try(text), a_handle(text);
REVOKE ALL ON FUNCTION lo_import_gpu, lo_export_gpu FROM lo_other, lo_owner;
DROP ROLE lo_owner, lo_other;
