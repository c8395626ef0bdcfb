-- Memory is given back: at commit of a DROP, at rollback, never before.
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql
	AS 'SELECT sum(used)::bigint FROM gstore_devices';
SELECT used() AS before \gset

CREATE FOREIGN TABLE t (i int, t text) SERVER gstore_fdw;
INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 50000) i;
SELECT used() AS filled \gset
SELECT :filled > :before AS grew;

\echo -- rolled back: nothing was taken
BEGIN;
INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 50000) i;
SELECT used() > :filled AS grew;
ROLLBACK;
SELECT used() = :filled AS same;
BEGIN;
SAVEPOINT a;
INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 50000) i;
ROLLBACK TO a;
SELECT used() = :filled AS same;
COMMIT;

\echo -- a DROP that is rolled back, and one that is not
BEGIN;
DROP FOREIGN TABLE t;
SELECT used() = :filled AS same;
ROLLBACK;
SELECT count(*) FROM t;
DROP FOREIGN TABLE t;
SELECT used() = :before AS same;

\echo -- a CREATE that is rolled back leaves nothing
BEGIN;
CREATE FOREIGN TABLE t (i int) SERVER gstore_fdw;
INSERT INTO t SELECT generate_series(1, 1000);
ROLLBACK;
SELECT used() = :before AS same;
SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info;

\echo -- schemas, owners, partitions, truncation
CREATE SCHEMA sc;
CREATE FOREIGN TABLE sc.t (i int) SERVER gstore_fdw;
INSERT INTO sc.t SELECT generate_series(1, 1000);
DROP SCHEMA sc CASCADE;
SELECT used() = :before AS same;
CREATE TABLE p (i int) PARTITION BY HASH (i);
CREATE FOREIGN TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0)
	SERVER gstore_fdw;
INSERT INTO p SELECT generate_series(1, 1000);
DROP TABLE p;
SELECT used() = :before AS same;
CREATE ROLE gstore_owner;
GRANT USAGE ON FOREIGN SERVER gstore_fdw TO gstore_owner;
GRANT CREATE ON SCHEMA public TO gstore_owner;
SET ROLE gstore_owner;
CREATE FOREIGN TABLE o (i int) SERVER gstore_fdw;
INSERT INTO o SELECT generate_series(1, 1000);
RESET ROLE;
DROP OWNED BY gstore_owner;
SELECT used() = :before AS same;
DROP ROLE gstore_owner;
CREATE FOREIGN TABLE t (i int) SERVER gstore_fdw;
INSERT INTO t SELECT generate_series(1, 1000);
TRUNCATE t;
SELECT used() = :before AS same;


\echo -- none of these frees anything when it is rolled back
CREATE SCHEMA sc;
CREATE ROLE gstore_owner;
GRANT USAGE ON FOREIGN SERVER gstore_fdw TO gstore_owner;
GRANT USAGE, CREATE ON SCHEMA sc TO gstore_owner;
SET ROLE gstore_owner;
CREATE FOREIGN TABLE sc.t (i int) SERVER gstore_fdw;
INSERT INTO sc.t SELECT generate_series(1, 1000);
RESET ROLE;
CREATE FUNCTION undone(command text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	before bigint = used();
BEGIN
	BEGIN
		EXECUTE command;
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	RETURN used() = before AND (SELECT sum(i) = 500500 FROM sc.t);
END $$;
SET client_min_messages = warning;
SELECT command, undone(command) FROM unnest(ARRAY['DROP FOREIGN TABLE sc.t',
	'DROP SCHEMA sc CASCADE', 'DROP OWNED BY gstore_owner', 'TRUNCATE sc.t', 'DELETE FROM sc.t',
	'REASSIGN OWNED BY gstore_owner TO current_user',
	'ALTER FOREIGN TABLE sc.t DROP i',
	'ALTER FOREIGN TABLE sc.t OPTIONS (ADD format ''arrow'')']) command;
BEGIN;
DROP EXTENSION gstore_fdw CASCADE;
ROLLBACK;
SELECT sum(i) FROM sc.t;
BEGIN;
DROP OWNED BY gstore_owner;
DROP ROLE gstore_owner;
ROLLBACK;
SELECT sum(i) FROM sc.t;
RESET client_min_messages;
DROP FUNCTION undone;
DROP OWNED BY gstore_owner;
DROP ROLE gstore_owner;
SELECT used() = :before AS same;
DROP SCHEMA sc;

\echo -- the extension itself
INSERT INTO t SELECT generate_series(1, 1000);
DROP EXTENSION gstore_fdw CASCADE;
CREATE EXTENSION gstore_fdw;
SELECT used() = :before AS same;

\echo -- a session that is left alone sees only what it may
CREATE FOREIGN TABLE t (i int) SERVER gstore_fdw;
INSERT INTO t VALUES (1);
CREATE ROLE gstore_nobody;
SET ROLE gstore_nobody;
SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info;
SELECT count(*) FROM gstore_tables;
RESET ROLE;
GRANT SELECT ON t TO gstore_nobody;
SET ROLE gstore_nobody;
SELECT table_oid::regclass, xmax, pinning, format, rawsize > 0 AS sized, nitems
FROM pgstrom.gstore_fdw_chunk_info;
SELECT relname, live_rows, dead_rows, chunks, state FROM gstore_tables;
RESET ROLE;
DROP FOREIGN TABLE t;
DROP ROLE gstore_nobody;
DROP FUNCTION used();
