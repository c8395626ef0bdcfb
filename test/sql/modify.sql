-- UPDATE, DELETE and TRUNCATE, as the heap does them.
CREATE FOREIGN TABLE g (k int, v text, n numeric) SERVER gstore_fdw;
CREATE TABLE h (LIKE g);
INSERT INTO h SELECT i, 'v' || i % 10, i / 4.0 FROM generate_series(1, 1000) i;
INSERT INTO g TABLE h;
CREATE FUNCTION same() RETURNS boolean LANGUAGE sql AS $$
	SELECT NOT EXISTS ((TABLE g EXCEPT ALL TABLE h) UNION ALL
		(TABLE h EXCEPT ALL TABLE g)) $$;
SELECT same();

\echo -- RETURNING
UPDATE g SET v = v || '!', n = -n WHERE k <= 2 RETURNING k, v, n, g;
UPDATE h SET v = v || '!', n = -n WHERE k <= 2;
DELETE FROM g WHERE k IN (3, 4) RETURNING *, tableoid::regclass;
DELETE FROM h WHERE k IN (3, 4);
SELECT same();

\echo -- joins, self-joins, CTEs, subqueries
UPDATE g SET v = o.v FROM g o WHERE o.k = g.k + 500;
UPDATE h SET v = o.v FROM h o WHERE o.k = h.k + 500;
SELECT same();
DELETE FROM g USING h WHERE g.k = h.k AND h.k % 10 = 0;
DELETE FROM h WHERE k % 10 = 0;
SELECT same();
WITH gone AS (DELETE FROM g WHERE k < 20 RETURNING k, v, n)
INSERT INTO g SELECT k + 5000, v, n FROM gone;
WITH gone AS (DELETE FROM h WHERE k < 20 RETURNING k, v, n)
INSERT INTO h SELECT k + 5000, v, n FROM gone;
SELECT same();
DELETE FROM g WHERE k = (SELECT max(k) FROM g);
DELETE FROM h WHERE k = (SELECT max(k) FROM h);
SELECT same();

\echo -- a row met twice is changed once
UPDATE g SET n = n + 1 FROM (VALUES (21), (21), (21)) d (k) WHERE g.k = d.k;
UPDATE h SET n = n + 1 WHERE k = 21;
DELETE FROM g USING (VALUES (22), (22)) d (k) WHERE g.k = d.k RETURNING g.k;
DELETE FROM h WHERE k = 22;
SELECT same();
WITH a AS (UPDATE g SET v = 'a' WHERE k = 23 RETURNING k),
	b AS (UPDATE g SET v = 'b' WHERE k = 23 RETURNING k)
SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b) AS changed;
UPDATE h SET v = (SELECT v FROM g WHERE k = 23) WHERE k = 23;
SELECT same();

\echo -- one table changed by several nodes of a statement
WITH a AS (UPDATE g SET v = v || '-' WHERE k BETWEEN 30 AND 39 RETURNING *),
	b AS (DELETE FROM g WHERE k BETWEEN 40 AND 49 RETURNING *)
INSERT INTO g SELECT k + 6000, v, n FROM a UNION ALL SELECT k + 6000, v, n FROM b;
WITH a AS (UPDATE h SET v = v || '-' WHERE k BETWEEN 30 AND 39 RETURNING *),
	b AS (DELETE FROM h WHERE k BETWEEN 40 AND 49 RETURNING *)
INSERT INTO h SELECT k + 6000, v, n FROM a UNION ALL SELECT k + 6000, v, n FROM b;
SELECT same();

WITH a AS (UPDATE g SET v = v || 'a' WHERE k BETWEEN 50 AND 59 RETURNING k),
	b AS (UPDATE g SET v = v || 'b' WHERE k BETWEEN 50 AND 59 RETURNING k)
SELECT count(a.k), count(b.k) FROM a FULL JOIN b ON a.k = b.k;
WITH a AS (UPDATE h SET v = v || 'a' WHERE k BETWEEN 50 AND 59 RETURNING k),
	b AS (UPDATE h SET v = v || 'b' WHERE k BETWEEN 50 AND 59 RETURNING k)
SELECT count(a.k), count(b.k) FROM a FULL JOIN b ON a.k = b.k;
SELECT same();
SET enable_hashjoin = off;
SET enable_mergejoin = off;
WITH a AS (UPDATE g SET v = v || 'a' WHERE k BETWEEN 60 AND 69 RETURNING k),
	b AS (UPDATE g SET v = v || 'b' WHERE k BETWEEN 60 AND 69 RETURNING k)
SELECT a.k, (SELECT min(b.k) FROM b WHERE b.k > a.k) FROM a ORDER BY 1 LIMIT 3;
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT count(*), count(DISTINCT k) FROM g WHERE k BETWEEN 60 AND 69;
UPDATE h SET v = (SELECT v FROM g WHERE g.k = h.k) WHERE k BETWEEN 60 AND 69;
SELECT same();

\echo -- a row changed by a function of the same statement
CREATE FUNCTION meddle(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE g SET v = 'meddled' WHERE k = $1;
	RETURN true;
END $$;
CREATE FUNCTION meddle_heap(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE h SET v = 'meddled' WHERE k = $1;
	RETURN true;
END $$;
UPDATE g SET n = 0 WHERE k = 24 AND meddle(24);
UPDATE h SET n = 0 WHERE k = 24 AND meddle_heap(24);
DELETE FROM g WHERE k = 24 AND meddle(24);
DELETE FROM h WHERE k = 24 AND meddle_heap(24);
SELECT same();

\echo -- constraints, generated columns
CREATE FOREIGN TABLE c (a int NOT NULL CHECK (a < 100),
	b int GENERATED ALWAYS AS (a * 2) STORED) SERVER gstore_fdw;
INSERT INTO c VALUES (1), (2) RETURNING *;
UPDATE c SET a = a + 1 RETURNING *;
UPDATE c SET a = 100 WHERE a = 2;
UPDATE c SET a = NULL WHERE a = 2;
SELECT * FROM c ORDER BY a;

\echo -- FOR UPDATE
SELECT * FROM c WHERE a = 2 FOR UPDATE;
SELECT * FROM c WHERE a = 2 FOR SHARE;

\echo -- partitions
CREATE TABLE p (k int, v text) PARTITION BY LIST (k);
CREATE FOREIGN TABLE p1 PARTITION OF p FOR VALUES IN (1) SERVER gstore_fdw;
CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES IN (2) SERVER gstore_fdw;
CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3);
INSERT INTO p SELECT 1 + i % 3, 'x' || i FROM generate_series(1, 9) i;
INSERT INTO p1 VALUES (2, 'out of bounds');
COPY p FROM STDIN;
1	copied
2	copied
3	copied
\.
COPY p1 FROM STDIN;
2	out of bounds
\.
UPDATE p SET v = v || '+' WHERE v LIKE 'x%';
SELECT tableoid::regclass, * FROM p ORDER BY k, v;
UPDATE p SET k = 2 WHERE k = 1;
UPDATE p1 SET k = 2 WHERE k = 1;
UPDATE p SET k = 1 WHERE k = 3 AND v = 'copied';
DELETE FROM p WHERE v = 'copied' RETURNING tableoid::regclass, *;
SELECT tableoid::regclass, count(*) FROM p GROUP BY 1 ORDER BY 1;

\echo -- TRUNCATE
CREATE SEQUENCE s;
CREATE FOREIGN TABLE t1 (i int DEFAULT nextval('s')) SERVER gstore_fdw;
CREATE FOREIGN TABLE t2 (i int) SERVER gstore_fdw;
ALTER SEQUENCE s OWNED BY t1.i;
INSERT INTO t1 SELECT FROM generate_series(1, 3);
INSERT INTO t2 VALUES (1);
BEGIN;
TRUNCATE t1, t2;
SELECT (SELECT count(*) FROM t1), (SELECT count(*) FROM t2);
INSERT INTO t1 VALUES (77);
SELECT * FROM t1;
ROLLBACK;
SELECT (SELECT count(*) FROM t1), (SELECT count(*) FROM t2);
BEGIN;
SAVEPOINT a;
TRUNCATE t1;
ROLLBACK TO a;
SELECT count(*) FROM t1;
TRUNCATE t1 RESTART IDENTITY;
INSERT INTO t1 DEFAULT VALUES;
COMMIT;
SELECT * FROM t1;
TRUNCATE p;
SELECT count(*) FROM p;

\echo -- counters
SELECT relname, live_rows, inserted, updated, deleted FROM gstore_tables
WHERE relname IN ('g', 'c', 't1') ORDER BY relname;

DROP TABLE p, h;
DROP FOREIGN TABLE g, c, t1, t2;
DROP FUNCTION same(), meddle(int), meddle_heap(int);
