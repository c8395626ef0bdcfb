-- The type reggstore and the functions that take one table.
CREATE SCHEMA "Odd Name";
CREATE FOREIGN TABLE "Odd Name"."Tab" (a int, b text) SERVER gstore_fdw;
CREATE FOREIGN TABLE t (a int, b text, c int) SERVER gstore_fdw OPTIONS (format 'default');
CREATE TABLE heap (a int);
SELECT 't'::reggstore, '"Odd Name"."Tab"'::reggstore, 't'::regclass::reggstore,
	't'::reggstore::oid = 't'::regclass::oid AS same_oid,
	't'::reggstore::regclass, '-'::reggstore;
SELECT 't'::regclass::oid AS t_oid \gset
SELECT :t_oid::oid::reggstore, :'t_oid'::reggstore;
SELECT 'heap'::reggstore;
SELECT 'nothing'::reggstore;
SELECT 1::oid::reggstore;
SELECT 'pg_class'::regclass::reggstore;
CREATE TABLE kept (r reggstore);
INSERT INTO kept VALUES ('t'), ('"Odd Name"."Tab"');
TABLE kept;
SELECT gstore_fdw_format('t'), gstore_fdw_nitems('t'), gstore_fdw_nattrs('t'),
	gstore_fdw_rawsize('t');
SELECT gstore_fdw_nitems('heap');
\echo -- compaction: many small chunks, deleted rows, what others and we still need
DO $$ BEGIN
	FOR i IN 1 .. 20 LOOP
		INSERT INTO t SELECT i, 'row ' || i || '/' || j, j FROM generate_series(1, 50) j;
		COMMIT;
	END LOOP;
END $$;
SELECT gstore_fdw_nitems('t'), chunks, live_rows, dead_rows FROM gstore_tables
WHERE relid = 't'::regclass;
SELECT gstore_compact('t') > 0 AS won;
SELECT chunks, live_rows, dead_rows FROM gstore_tables WHERE relid = 't'::regclass;
SELECT count(*), sum(a), min(b), max(b), sum(c) FROM t;
DELETE FROM t WHERE a <= 5;
UPDATE t SET c = -c WHERE a = 6;
SELECT chunks, live_rows, dead_rows FROM gstore_tables WHERE relid = 't'::regclass;
SELECT gstore_compact('t') > 0 AS won;
SELECT chunks, live_rows, dead_rows FROM gstore_tables WHERE relid = 't'::regclass;
SELECT count(*), sum(a), min(b), max(b), sum(c) FROM t;
\echo -- a transaction keeps its own changes out of it
BEGIN;
DELETE FROM t WHERE a = 7;
SELECT gstore_compact('t');
SELECT count(*) FROM t;
ROLLBACK;
SELECT count(*) FROM t;
DELETE FROM t;
SELECT gstore_compact('t') > 0 AS won;
SELECT chunks, live_rows, dead_rows FROM gstore_tables WHERE relid = 't'::regclass;
\echo -- privileges
CREATE ROLE gstore_reader;
SET ROLE gstore_reader;
SELECT gstore_fdw_nitems('t');
RESET ROLE;
GRANT SELECT ON t TO gstore_reader;
SET ROLE gstore_reader;
SELECT gstore_fdw_nitems('t');
SELECT gstore_compact('t');
RESET ROLE;
DROP FOREIGN TABLE t;
\echo -- a dropped table prints its number
SELECT count(*) FROM kept WHERE r::text = :'t_oid';
\set VERBOSITY sqlstate
SELECT gstore_fdw_nitems(r) FROM kept WHERE r::text = :'t_oid';
SELECT gstore_export(r) FROM kept WHERE r::text = :'t_oid';
SELECT gstore_compact('-'::reggstore);
\set VERBOSITY default
DROP TABLE kept, heap;
DROP SCHEMA "Odd Name" CASCADE;
DROP ROLE gstore_reader;
