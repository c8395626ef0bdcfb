-- gstore_load: what INSERT ... SELECT does, by several processes.
CREATE SCHEMA load;
SET search_path = load, public;
SET client_min_messages = warning;
-- a worker's errors say that they are one's
\set SHOW_CONTEXT never
-- what the loads of one source into tables of both formats differ in
CREATE FUNCTION differ(source regclass, loaded regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((SELECT s::text FROM %1$s s EXCEPT ALL SELECT l::text FROM %2$s l)
		UNION ALL (SELECT l::text FROM %2$s l EXCEPT ALL SELECT s::text FROM %1$s s)) x', source, loaded)
	INTO n;
	RETURN n;
END $$;

\echo -- types, NULLs, values out of line
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN word AS varchar(20) CHECK (VALUE <> 'no');
CREATE TABLE kinds (b bool, i2 int2, i4 int4 NOT NULL, i8 int8, f4 float4, f8 float8, n numeric(12,3),
	t text, vc varchar(30), c char(8), nm name, by bytea, d date, ti time, ts timestamp,
	tz timestamptz, iv interval, u uuid, j jsonb, a int[], m mood, p pair, w word, long text, packed text);
ALTER TABLE kinds ALTER long SET STORAGE EXTERNAL;
INSERT INTO kinds SELECT i % 2 = 0, i % 30000, i, i::int8 * 1000000007, i / 3.0, i / 7.0, i / 8.0,
	CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('t', i % 50) || i END,
	'vc' || i, 'c' || i % 1000, 'n' || i, decode(lpad(to_hex(i), 8, '0'), 'hex'), date '2000-01-01' + i,
	time '00:00' + i * interval '1 s', timestamp '2000-01-01' + i * interval '1 h',
	timestamptz '2000-01-01 UTC' + i * interval '1 h', i * interval '1 min',
	lpad(i::text, 32, '0')::uuid, jsonb_build_object('i', i), ARRAY[i, NULL, i + 1],
	(ARRAY['sad', 'ok'])[i % 2 + 1]::mood, ROW(i, 'p' || i)::pair, 'w' || i,
	CASE WHEN i % 500 = 0 THEN (SELECT string_agg(md5((i + k)::text), '') FROM generate_series(1, 300) k) END,
	CASE WHEN i % 500 = 0 THEN repeat('packed', 2000) END
FROM generate_series(1, 10000) i;
INSERT INTO kinds (i4) VALUES (0), (-1);
-- of other rows before
DELETE FROM kinds WHERE i4 % 10 = 3;
UPDATE kinds SET t = 'changed' WHERE i4 % 10 = 4;
CREATE FOREIGN TABLE kinds_p (b bool, i2 int2, i4 int4 NOT NULL, i8 int8, f4 float4, f8 float8, n numeric(12,3),
	t text, vc varchar(30), c char(8), nm name, by bytea, d date, ti time, ts timestamp,
	tz timestamptz, iv interval, u uuid, j jsonb, a int[], m mood, p pair, w word, long text,
	packed text OPTIONS (compression 'pglz')) SERVER gstore_fdw;
CREATE FOREIGN TABLE kinds_a (b bool, i2 int2, i4 int4 NOT NULL, i8 int8, f4 float4, f8 float8, n numeric(12,3),
	t text, vc varchar(30), c char(8), nm name, by bytea, d date, ti time, ts timestamp,
	tz timestamptz, iv interval, u uuid, j jsonb, a int[], m mood, p pair, w word, long text,
	packed text) SERVER gstore_fdw OPTIONS (format 'arrow');
SELECT gstore_load('kinds_p', 'kinds', 2), gstore_load('kinds_a', 'kinds', 2);
SELECT differ('kinds', 'kinds_p'), differ('kinds', 'kinds_a');
SELECT count(*) FROM kinds;
-- many small chunks, by as many workers as there may be, by this process alone
SET gstore_fdw.chunk_size = '64kB';
TRUNCATE kinds_p, kinds_a;
SELECT gstore_load('kinds_p', 'kinds', 3), gstore_load('kinds_a', 'kinds', 1000);
SELECT differ('kinds', 'kinds_p'), differ('kinds', 'kinds_a');
TRUNCATE kinds_p, kinds_a;
SET parallel_leader_participation = off;
SELECT gstore_load('kinds_p', 'kinds'), gstore_load('kinds_a', 'kinds', 1);
SELECT differ('kinds', 'kinds_p'), differ('kinds', 'kinds_a');
RESET parallel_leader_participation;
TRUNCATE kinds_p, kinds_a;
SET max_parallel_workers = 0;
SELECT gstore_load('kinds_p', 'kinds', 2), gstore_load('kinds_a', 'kinds', 0);
SELECT differ('kinds', 'kinds_p'), differ('kinds', 'kinds_a');
RESET max_parallel_workers;
-- twice in one statement, and a call for each row of a query
TRUNCATE kinds_p, kinds_a;
SELECT gstore_load('kinds_p', 'kinds', 2) + gstore_load('kinds_p', 'kinds', 1) AS both;
SELECT sum(gstore_load(t, 'kinds', n)) FROM (VALUES ('kinds_a'::regclass::reggstore, 0), ('kinds_a', 1), ('kinds_p', 2)) v (t, n);
SELECT (SELECT count(*) FROM kinds_p) AS p, (SELECT count(*) FROM kinds_a) AS a;
RESET gstore_fdw.chunk_size;

\echo -- columns by name: other order, dropped, missing, casts, defaults, generated
CREATE TABLE h (gone int, id int, "Odd name" text, x int, v numeric, twice int GENERATED ALWAYS AS (x * 2) STORED, only_h int GENERATED ALWAYS AS (x * 3) STORED);
INSERT INTO h (id, "Odd name", x, v) SELECT i, 'odd ' || i, i % 10, i / 4.0 FROM generate_series(1, 3000) i;
ALTER TABLE h DROP gone, ADD added int DEFAULT 42;
CREATE FOREIGN TABLE g (x bigint, twice int GENERATED ALWAYS AS (x * 2) STORED, gone text, added int,
	d text DEFAULT 'of the target', "Odd name" varchar(20), id int NOT NULL, v float8, n int,
	plus bigint GENERATED ALWAYS AS (x + 1) STORED) SERVER gstore_fdw;
ALTER FOREIGN TABLE g DROP gone;
SELECT gstore_load('g', 'h', 2);
SELECT count(*), sum(x), sum(twice), sum(added), count(*) FILTER (WHERE d = 'of the target') AS d,
	max("Odd name" COLLATE "C"), sum(id), sum(v), count(n), sum(plus) FROM g;
-- what the source generates is a column like others where the target does not
ALTER FOREIGN TABLE g ADD only_h int;
TRUNCATE g;
SELECT gstore_load('g', 'h', 2);
SELECT sum(only_h) FROM g;
-- a default that no worker may compute
CREATE SEQUENCE numbers;
CREATE FOREIGN TABLE numbered (id int, number bigint DEFAULT nextval('numbers')) SERVER gstore_fdw;
CREATE TABLE ids AS SELECT id FROM h;
SELECT gstore_load('numbered', 'ids', 2);
SELECT count(DISTINCT number), max(number) FROM numbered;
-- identity: as COPY does
CREATE FOREIGN TABLE identified (id int GENERATED ALWAYS AS IDENTITY, other int GENERATED BY DEFAULT AS IDENTITY) SERVER gstore_fdw;
SELECT gstore_load('identified', 'ids', 2);
SELECT sum(id), sum(other) FROM identified;
-- no columns, no rows
CREATE TABLE nothing ();
CREATE FOREIGN TABLE not_much (a int DEFAULT 7) SERVER gstore_fdw;
SELECT gstore_load('not_much', 'nothing', 2);
INSERT INTO nothing DEFAULT VALUES;
INSERT INTO nothing DEFAULT VALUES;
SELECT gstore_load('not_much', 'nothing', 2);
SELECT * FROM not_much;
CREATE TABLE empty (a int);
SELECT gstore_load('not_much', 'empty', 2), gstore_load('not_much', 'empty');
SELECT gstore_load(NULL, 'empty'), gstore_load('not_much', NULL), gstore_load('not_much', 'empty', NULL);

\echo -- what may be a source
CREATE TABLE parted (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE part_2 (v text, gone int, k int);
ALTER TABLE part_2 DROP gone;
ALTER TABLE parted ATTACH PARTITION part_2 FOR VALUES FROM (1000) TO (2000);
CREATE TABLE part_3 PARTITION OF parted FOR VALUES FROM (2000) TO (3000) PARTITION BY LIST (v);
CREATE TABLE part_3_x PARTITION OF part_3 FOR VALUES IN ('x');
INSERT INTO parted SELECT i, 'x' FROM generate_series(0, 2999) i;
CREATE FOREIGN TABLE flat (k int, v text) SERVER gstore_fdw;
SELECT gstore_load('flat', 'parted', 2);
SELECT count(*), count(DISTINCT k), sum(k) FROM flat;
CREATE FOREIGN TABLE wide (v text, k bigint) SERVER gstore_fdw;
SELECT gstore_load('wide', 'parted', 2);
SELECT count(*), count(DISTINCT k), sum(k) FROM wide;
-- a partition that lies in gstore_fdw itself, even the target
CREATE FOREIGN TABLE part_4 PARTITION OF parted FOR VALUES FROM (3000) TO (4000) SERVER gstore_fdw;
INSERT INTO parted VALUES (3001, 'y'), (3002, 'y');
TRUNCATE flat;
SELECT gstore_load('flat', 'parted', 2);
SELECT count(*), sum(k) FROM flat;
CREATE TABLE for_4 AS SELECT i AS k, 'z' AS v FROM generate_series(3100, 3199) i;
SELECT gstore_load('part_4', 'for_4', 2);
INSERT INTO for_4 VALUES (4000, 'too far');
SELECT gstore_load('part_4', 'for_4', 2);
SELECT count(*) FROM part_4;
SELECT gstore_load('part_4', 'parted');
-- inheritance
CREATE TABLE child (extra int) INHERITS (ids);
INSERT INTO child VALUES (-1, 1), (-2, 2);
CREATE FOREIGN TABLE of_ids (id int) SERVER gstore_fdw;
SELECT gstore_load('of_ids', 'ids', 2);
SELECT count(*), min(id) FROM of_ids;
-- materialized views and temporary tables
CREATE MATERIALIZED VIEW mv AS SELECT * FROM parted WHERE k < 500;
TRUNCATE flat;
SELECT gstore_load('flat', 'mv', 2);
CREATE TEMP TABLE temporary AS SELECT k + 10000 AS k, v FROM mv;
SELECT gstore_load('flat', 'temporary', 2), gstore_load('flat', 'temporary');
SELECT count(*), sum(k) FROM flat;
CREATE VIEW a_view AS SELECT * FROM mv;
SELECT gstore_load('flat', 'a_view');
SELECT gstore_load('flat', 'wide');
SELECT gstore_load('flat', 'numbers');
SELECT gstore_load('flat', 'flat');
SELECT gstore_load('mv', 'mv');
SELECT gstore_load('flat', 'parted', -1);
SELECT gstore_load('flat', 'parted', 100000);
SELECT gstore_load('flat', 0);
SELECT gstore_load('-', 'parted');

\echo -- columns that do not fit
CREATE TABLE more (k int, v text, extra int);
SELECT gstore_load('flat', 'more');
CREATE TABLE other_type (k text, v text);
SELECT gstore_load('flat', 'other_type');
CREATE TABLE other_generated (x int, twice int, id int);
SELECT gstore_load('g', 'other_generated');

\echo -- constraints
CREATE TABLE things (k int, v text);
INSERT INTO things SELECT i, 'v' || i FROM generate_series(1, 5000) i;
CREATE FOREIGN TABLE strict (k int NOT NULL CHECK (k <> 4000), v text) SERVER gstore_fdw;
\set VERBOSITY sqlstate
SELECT gstore_load('strict', 'things', 2);
\set VERBOSITY default
UPDATE things SET k = NULL WHERE k = 4000;
SELECT gstore_load('strict', 'things', 2);
SELECT gstore_load('strict', 'things', 0);
SELECT count(*) FROM strict;
UPDATE things SET k = 4001 WHERE k IS NULL;
SELECT gstore_load('strict', 'things', 2);
SELECT count(*), sum(k) FROM strict;
-- a check that no worker may compute, and a value that fails in one
CREATE FUNCTION unsafe(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN $1 > 0; END';
ALTER FOREIGN TABLE strict ADD CONSTRAINT unsafe CHECK (unsafe(k));
SELECT gstore_load('strict', 'things', 2);
CREATE FOREIGN TABLE short (k int, v varchar(4)) SERVER gstore_fdw;
SELECT gstore_load('short', 'things', 2);
CREATE FOREIGN TABLE digits (k int, v text, n numeric(5,2)) SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE TABLE nans AS SELECT k, v, CASE k WHEN 3000 THEN 'NaN'::numeric ELSE k % 100 END AS n FROM things;
SELECT gstore_load('digits', 'nans', 2);
SELECT (SELECT count(*) FROM short) AS short, (SELECT count(*) FROM digits) AS digits;

\echo -- triggers
CREATE TABLE log (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_LEVEL = 'ROW' AND NEW.k % 2 = 0 THEN RETURN NULL; END IF;
	IF TG_LEVEL = 'ROW' THEN NEW.v = NEW.v || ' seen'; RETURN NEW; END IF;
	INSERT INTO log VALUES (TG_WHEN || ' ' || (SELECT count(*) FROM triggered)); RETURN NULL;
END $$;
CREATE FOREIGN TABLE triggered (k int, v text) SERVER gstore_fdw;
CREATE TRIGGER a BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER b BEFORE INSERT ON triggered FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER c AFTER INSERT ON triggered FOR EACH STATEMENT EXECUTE FUNCTION note();
SELECT gstore_load('triggered', 'things', 2);
SELECT count(*), min(k), max(v COLLATE "C") FROM triggered;
SELECT * FROM log;

\echo -- transactions
TRUNCATE flat;
BEGIN;
SELECT gstore_load('flat', 'things', 2);
SAVEPOINT s;
SELECT gstore_load('flat', 'things', 1);
SELECT count(*) FROM flat;
ROLLBACK TO s;
SELECT count(*) FROM flat;
SAVEPOINT s;
SELECT gstore_load('flat', 'mv', 2);
RELEASE s;
COMMIT;
SELECT count(*) FROM flat;
BEGIN;
SELECT gstore_load('flat', 'things', 2);
ROLLBACK;
SELECT count(*) FROM flat;
-- rows, columns and tables of the transaction itself
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO things SELECT i, 'new' FROM generate_series(10001, 10500) i;
SAVEPOINT s;
DELETE FROM things WHERE k % 2 = 0;
UPDATE things SET v = 'updated' WHERE k % 5 = 0;
ALTER TABLE things ADD late int DEFAULT 1;
CREATE FOREIGN TABLE fresh (k int, v text, late int) SERVER gstore_fdw;
SELECT gstore_load('fresh', 'things', 2);
SELECT count(*), sum(k), sum(late), count(*) FILTER (WHERE v = 'updated') AS updated FROM fresh;
SELECT count(*), sum(k), sum(late), count(*) FILTER (WHERE v = 'updated') AS updated FROM things;
CREATE TABLE new_too AS SELECT * FROM things;
SELECT gstore_load('fresh', 'new_too', 2);
SELECT count(*) FROM fresh;
COMMIT;
SELECT count(*) FROM fresh;
-- in functions
CREATE FUNCTION load_some() RETURNS text LANGUAGE plpgsql AS $$
DECLARE before bigint; loaded bigint; after bigint; failed text;
BEGIN
	SELECT count(*) FROM fresh INTO before;
	loaded = gstore_load('fresh', 'things', 2);
	SELECT count(*) FROM fresh INTO after;
	BEGIN
		PERFORM gstore_load('fresh', 'things', 2);
		PERFORM gstore_load('strict', 'nothing', 2);
	EXCEPTION WHEN not_null_violation THEN failed = SQLERRM;
	END;
	RETURN format('%s %s %s %s %s', before, loaded, after, failed, (SELECT count(*) FROM fresh));
END $$;
SELECT load_some();
-- rows of one command are not seen by it
SELECT gstore_load('fresh', 'things', 2), (SELECT count(*) FROM fresh) = gstore_fdw_nitems('fresh') AS same;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT gstore_load('fresh', 'things', 2);
COMMIT;
BEGIN READ ONLY;
\set VERBOSITY sqlstate
SELECT gstore_load('fresh', 'things', 2);
\set VERBOSITY default
ROLLBACK;
SELECT * FROM gstore_progress_load;

\echo -- privileges and row policies, as INSERT ... SELECT has them
CREATE ROLE gstore_loader;
GRANT USAGE ON SCHEMA load TO gstore_loader;
CREATE TABLE owned (k int, owner text, secret int);
INSERT INTO owned SELECT i, CASE WHEN i % 3 = 0 THEN 'gstore_loader' ELSE 'others' END, i FROM generate_series(1, 3000) i;
CREATE FOREIGN TABLE mine (k int, owner text, secret int) SERVER gstore_fdw;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
	EXECUTE statement INTO answer;
	RETURN answer;
EXCEPTION WHEN insufficient_privilege THEN RETURN SQLERRM;
END $$;
-- both ways say the same
CREATE FUNCTION both_ways() RETURNS TABLE (loads text, inserts text) LANGUAGE sql AS $$
	SELECT try($q$SELECT gstore_load('load.mine', 'load.owned', 2)$q$),
		try($q$WITH n AS (INSERT INTO load.mine (k, owner, secret) SELECT k, owner, secret FROM load.owned RETURNING 1) SELECT count(*) FROM n$q$) $$;
GRANT EXECUTE ON FUNCTION both_ways(), try(text) TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
GRANT INSERT ON mine TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
GRANT SELECT (k, owner) ON owned TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
GRANT SELECT (secret) ON owned TO gstore_loader;
REVOKE INSERT ON mine FROM gstore_loader;
GRANT INSERT (k, owner) ON mine TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
GRANT INSERT (secret), SELECT (k) ON mine TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
SELECT count(*) FROM mine;
TRUNCATE mine;
-- a row policy of the source: one that workers can evaluate, and others
CREATE POLICY own ON owned FOR SELECT USING (owner = current_user);
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE owner <> 'gstore_loader') AS others FROM mine;
ALTER POLICY own ON owned USING (k IN (SELECT k FROM things WHERE k < 100));
GRANT SELECT ON things TO gstore_loader;
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
ALTER POLICY own ON owned USING (unsafe(k - 2990));
SET ROLE gstore_loader;
SELECT * FROM both_ways();
RESET ROLE;
ALTER POLICY own ON owned USING (false);
SET ROLE gstore_loader;
SELECT * FROM both_ways();
SET row_security = off;
SELECT * FROM both_ways();
RESET row_security;
RESET ROLE;
-- the owner is not held by it
SELECT * FROM both_ways();
TRUNCATE mine;
ALTER POLICY own ON owned USING (owner = current_user);
DROP FUNCTION both_ways(), try(text);
DROP OWNED BY gstore_loader;
DROP ROLE gstore_loader;
DROP SCHEMA load CASCADE;
