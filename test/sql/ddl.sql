-- DDL over filled tables: what works, what is refused, and that rows are
-- never misread.
CREATE FOREIGN TABLE t (a int, b text NOT NULL DEFAULT 'b', c numeric) SERVER gstore_fdw;
INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', NULL);

\echo -- columns come, go and change their names
ALTER FOREIGN TABLE t ADD d int, ADD e text;
SELECT * FROM t ORDER BY a;
INSERT INTO t VALUES (3, 'three', 3.5, 30, 'e');
ALTER FOREIGN TABLE t DROP c;
ALTER FOREIGN TABLE t RENAME e TO renamed;
SELECT * FROM t ORDER BY a;
ALTER FOREIGN TABLE t ADD c text;
UPDATE t SET c = 'new' WHERE a > 1;
SELECT * FROM t ORDER BY a;

\echo -- NOT NULL and DEFAULT
ALTER FOREIGN TABLE t ALTER b DROP NOT NULL, ALTER b DROP DEFAULT;
INSERT INTO t (a) VALUES (4);
ALTER FOREIGN TABLE t ALTER a SET NOT NULL, ALTER a SET DEFAULT 7;
INSERT INTO t (b) VALUES ('defaulted');
INSERT INTO t (a) VALUES (NULL);
SELECT a, b FROM t ORDER BY a;

\echo -- a type, over rows and over none
ALTER FOREIGN TABLE t ALTER a TYPE bigint;
SELECT sum(a) FROM t;
BEGIN;
TRUNCATE t;
ALTER FOREIGN TABLE t ALTER a TYPE bigint;
INSERT INTO t (a) VALUES (5000000000);
SELECT a FROM t;
ROLLBACK;
SELECT sum(a) FROM t;
TRUNCATE t;
ALTER FOREIGN TABLE t ALTER a TYPE bigint;
INSERT INTO t (a) VALUES (5000000000);
SELECT a FROM t;
DROP FOREIGN TABLE t;

\echo -- options over rows: they hold for rows that are written from then on
CREATE FOREIGN TABLE t (k int, b bool, n numeric(8,2), x numeric, a int[], w text COLLATE "C")
	SERVER gstore_fdw;
CREATE TABLE h (k int, b bool, n numeric(8,2), x numeric, a int[], w text COLLATE "C");
INSERT INTO h SELECT i, i % 2 = 0, i / 4.0, i / 8.0, ARRAY[i, NULL], 'w' || i % 50
FROM generate_series(1, 3000) i;
INSERT INTO t SELECT * FROM h WHERE k <= 1000;
CREATE FUNCTION formats() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format || ' ' || pinning || ': ' || n, ', ' ORDER BY format)
	FROM (SELECT format, pinning, sum(nitems) AS n FROM pgstrom.gstore_fdw_chunk_info
		WHERE table_oid = 't'::regclass GROUP BY 1, 2) f $$;
CREATE FUNCTION same() RETURNS bool LANGUAGE sql AS $$
	SELECT NOT EXISTS (TABLE h EXCEPT ALL TABLE t) AND (SELECT count(*) FROM h) = (SELECT count(*) FROM t)
		AND (SELECT (sum(n), sum(x), count(DISTINCT w), count(*) FILTER (WHERE b)) FROM h) =
			(SELECT (sum(n), sum(x), count(DISTINCT w), count(*) FILTER (WHERE b)) FROM t) $$;
-- one that the values of a column do not allow is refused when it is used
ALTER FOREIGN TABLE t OPTIONS (ADD format 'arrow');
INSERT INTO t SELECT * FROM h WHERE k > 1000;
ALTER FOREIGN TABLE t ALTER x OPTIONS (ADD scale '3');
INSERT INTO t SELECT * FROM h WHERE k BETWEEN 1001 AND 2000;
ALTER FOREIGN TABLE t OPTIONS (ADD large_text 'on'), ALTER b OPTIONS (ADD bool 'byte');
INSERT INTO t SELECT * FROM h WHERE k > 2000;
SELECT same(), formats();
-- rows written before get them when they are written again
UPDATE t SET k = k;
SELECT gstore_compact('t') IS NOT NULL AS compacted;
SELECT same(), formats();
ALTER FOREIGN TABLE t OPTIONS (SET format 'pgstrom');
ALTER FOREIGN TABLE t ALTER w OPTIONS (ADD compression 'pglz');
UPDATE t SET k = k;
SELECT gstore_compact('t') IS NOT NULL AS compacted;
SELECT same(), formats();
-- and what cannot be written again stays what it was
UPDATE t SET x = 'NaN' WHERE k = 7;
UPDATE h SET x = 'NaN' WHERE k = 7;
ALTER FOREIGN TABLE t OPTIONS (SET format 'arrow');
UPDATE t SET k = k;
SELECT gstore_compact('t') IS NOT NULL AS compacted;
SELECT same(), formats();
ALTER FOREIGN TABLE t OPTIONS (ADD pinning '4711');
DROP FOREIGN TABLE t;
DROP TABLE h;
DROP FUNCTION formats, same;

\echo -- a composite type that is altered underneath
CREATE TYPE pair AS (x int, y text);
CREATE FOREIGN TABLE t (k int, p pair) SERVER gstore_fdw;
INSERT INTO t VALUES (1, '(1,one)');
-- some minor releases of the server refuse it, others leave it to us
DO $$
BEGIN
	ALTER TYPE pair ALTER ATTRIBUTE x TYPE text;
	PERFORM * FROM t;
	RAISE EXCEPTION 'read all the same';
EXCEPTION WHEN feature_not_supported OR object_not_in_prerequisite_state THEN
	RAISE NOTICE 'refused';
END $$;
SELECT * FROM t;
\echo -- an attribute that came and went again leaves rows readable
ALTER TYPE pair ADD ATTRIBUTE z int;
SELECT * FROM t;
ALTER TYPE pair DROP ATTRIBUTE z;
SELECT * FROM t;
DROP FOREIGN TABLE t;
DROP TYPE pair;

\echo -- names that format arrow has as text, and what they name
CREATE TYPE mood AS ENUM ('sad', 'ok', 'unused');
CREATE TYPE moods AS (m mood, note text);
CREATE DOMAIN checked AS jsonb CHECK (VALUE ? 'a');
CREATE TABLE renamed ();
CREATE FOREIGN TABLE t (m mood, c regclass, d checked) SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE FOREIGN TABLE t2 (m moods[]) SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE FOREIGN TABLE t3 (m mood) SERVER gstore_fdw;
INSERT INTO t VALUES ('sad', 'renamed', '{"a": 1}');
INSERT INTO t2 VALUES (ARRAY[ROW('sad', 'x')::moods]);
INSERT INTO t3 VALUES ('sad');
ALTER TABLE renamed RENAME TO renamed_since;
ALTER DOMAIN checked ADD CONSTRAINT later CHECK (VALUE ? 'b') NOT VALID;
ALTER TYPE mood ADD VALUE 'new' BEFORE 'ok';
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
TRUNCATE t;
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
TABLE t3;
DELETE FROM t2;
INSERT INTO t (c, d) VALUES ('renamed_since', '{"a": 1}');
INSERT INTO t (m, c, d) VALUES ('new', 'renamed_since', '{"a": 1, "b": 1}');
ALTER DOMAIN checked DROP CONSTRAINT checked_check;
INSERT INTO t (d) VALUES ('{"b": 1}');
ALTER DOMAIN checked ADD CONSTRAINT again CHECK (VALUE ? 'a') NOT VALID;
BEGIN;
TRUNCATE t;
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
SELECT m FROM t3;
ROLLBACK;
BEGIN;
DROP FOREIGN TABLE t;
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
ROLLBACK;
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
SELECT m, c, d FROM t ORDER BY d::text;
SELECT m FROM t3;
DROP FOREIGN TABLE t, t2, t3;
DROP TYPE mood CASCADE;
DROP TYPE moods;
DROP DOMAIN checked;
DROP TABLE renamed_since;

\echo -- inheritance, views, security barriers
CREATE TABLE parent (k int, w text);
CREATE FOREIGN TABLE child (extra int) INHERITS (parent) SERVER gstore_fdw;
INSERT INTO parent VALUES (1, 'heap');
INSERT INTO child VALUES (2, 'gstore', 20), (3, 'gstore', 30);
SELECT tableoid::regclass, * FROM parent ORDER BY k;
UPDATE parent SET w = w || '!' WHERE k > 1;
DELETE FROM parent WHERE k = 3;
ALTER TABLE parent ADD later int;
SELECT * FROM child;
CREATE VIEW simple AS SELECT k, w FROM child WHERE k < 10 WITH CHECK OPTION;
INSERT INTO simple VALUES (4, 'by view') RETURNING *;
INSERT INTO simple VALUES (40, 'refused');
CREATE FUNCTION tell(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE NOTICE 'saw %', $1;
	RETURN true;
END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM child WHERE k = 2;
SELECT k FROM barrier WHERE tell(w);
UPDATE barrier SET w = 'changed';
SELECT k, w FROM child ORDER BY k;
DROP TABLE parent CASCADE;
DROP FUNCTION tell;

\echo -- partitions
CREATE TABLE whole (k int, w text) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10) SERVER gstore_fdw;
CREATE TABLE high PARTITION OF whole FOR VALUES FROM (10) TO (20);
CREATE FOREIGN TABLE more (k int, w text) SERVER gstore_fdw;
INSERT INTO whole SELECT i, 'r' || i FROM generate_series(0, 19) i;
COPY whole FROM STDIN;
5	copied
15	copied
\.
INSERT INTO low VALUES (10, 'refused');
UPDATE whole SET k = 1 WHERE k = 0;
UPDATE whole SET k = 11 WHERE k = 1;
INSERT INTO more VALUES (25, 'attached');
ALTER TABLE whole ATTACH PARTITION more FOR VALUES FROM (20) TO (30);
SELECT tableoid::regclass, count(*), sum(k) FROM whole GROUP BY 1 ORDER BY 1;
ALTER TABLE whole DETACH PARTITION more;
INSERT INTO more VALUES (99, 'free');
SELECT count(*) FROM more;
DROP FOREIGN TABLE more;
DROP TABLE whole;

\echo -- ON CONFLICT DO NOTHING; what PostgreSQL allows for foreign tables
CREATE FOREIGN TABLE t (k int) SERVER gstore_fdw;
INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (1) ON CONFLICT (k) DO NOTHING;

\echo -- ANALYZE and exact counts
INSERT INTO t SELECT i % 10 FROM generate_series(2, 1000) i;
ANALYZE t;
SELECT reltuples FROM pg_class WHERE oid = 't'::regclass;
SELECT n_distinct, null_frac FROM pg_stats WHERE tablename = 't';
TRUNCATE t;
INSERT INTO t SELECT generate_series(1, 50000);
ANALYZE t;
SELECT correlation FROM pg_stats WHERE tablename = 't';
DROP FOREIGN TABLE t;

\echo -- parallel plans: never wrong
CREATE FOREIGN TABLE t (k int, w text) SERVER gstore_fdw;
INSERT INTO t SELECT i, i FROM generate_series(1, 10000) i;
CREATE TABLE h AS SELECT * FROM t;
ANALYZE t;
ANALYZE h;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*), sum(k) FROM t;
SELECT count(*) FROM h JOIN t USING (k);
BEGIN;
INSERT INTO t VALUES (0, 'own');
SELECT count(*) FROM h RIGHT JOIN t USING (k);
ROLLBACK;
DROP FOREIGN TABLE t;
DROP TABLE h;

-- what a session has found out of a table, it finds out anew once that changed
CREATE FOREIGN TABLE known (note text) SERVER gstore_fdw;
PREPARE fill AS INSERT INTO known SELECT repeat(chr(64 + i), 1000) FROM generate_series(1, 10) i;
EXECUTE fill;
ALTER FOREIGN TABLE known ALTER note OPTIONS (ADD compression 'pglz');
EXECUTE fill;
BEGIN;
ALTER FOREIGN TABLE known ALTER note OPTIONS (DROP compression);
ALTER FOREIGN TABLE known OPTIONS (ADD format 'arrow');
EXECUTE fill;
ROLLBACK;
EXECUTE fill;
ALTER FOREIGN TABLE known ALTER note OPTIONS (DROP compression);
ALTER FOREIGN TABLE known OPTIONS (ADD format 'arrow');
EXECUTE fill;
SELECT format, rawsize > 5000 AS large, nitems FROM pgstrom.gstore_fdw_chunk_info
	WHERE table_oid = 'known'::regclass ORDER BY format DESC, large DESC;
SELECT count(*), count(DISTINCT note), sum(length(note)) FROM known;
DROP FOREIGN TABLE known;
