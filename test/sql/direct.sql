-- UPDATE and DELETE inside the scan: the same changes as in a heap twin.
CREATE SCHEMA direct;
SET search_path = direct, public;
CREATE TABLE h (k int NOT NULL, v int CHECK (v > -1000), n numeric(12,2),
	t text, f float8, d date);
INSERT INTO h SELECT i, i % 100, i / 4.0, 'row ' || i, i * 0.5,
	CASE WHEN i % 6 <> 0 THEN date '2000-01-01' + i END
FROM generate_series(1, 20000) i;
CREATE FOREIGN TABLE p (k int NOT NULL, v int CHECK (v > -1000),
	n numeric(12,2), t text, f float8, d date)
	SERVER gstore_fdw OPTIONS (format 'pgstrom');
CREATE FOREIGN TABLE a (k int NOT NULL, v int CHECK (v > -1000),
	n numeric(12,2), t text, f float8, d date)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO p SELECT * FROM h;
INSERT INTO a SELECT * FROM h;

-- How it is planned.
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, VERBOSE) ' || query
	LOOP
		CONTINUE WHEN line ~ '^ *(Chunks|Rows Stored|Columns Read|Device):';
		RETURN NEXT line;
	END LOOP;
END $$;
SELECT plan('DELETE FROM p WHERE v = 3');
SELECT plan('UPDATE p SET v = v + 1, t = upper(t) WHERE k BETWEEN 10 AND 20 RETURNING k, v');
SELECT plan('DELETE FROM p');
CREATE FUNCTION is_direct(query text) RETURNS bool LANGUAGE sql AS
	$$ SELECT bool_or(x ~ 'Foreign (Update|Delete)') FROM plan(query) x $$;
SELECT is_direct('UPDATE p SET t = md5(t), f = random()');
-- These need rows: a condition that stays with PostgreSQL, a join, a sublink
-- with several columns.
SELECT is_direct('DELETE FROM p WHERE md5(t) = ''x''');
SELECT is_direct('DELETE FROM p USING h WHERE p.k = h.k');
SELECT is_direct('UPDATE p SET (v, n) = (SELECT h.v, h.n FROM h WHERE h.k = p.k) WHERE k = 1');
SELECT is_direct('UPDATE p SET (v, n) = (SELECT max(h.v), 7.5 FROM h) WHERE k = 1');

-- The same statement on the heap and both tables: rows changed, what RETURNING
-- gave, what is in the tables then.
CREATE FUNCTION alike(statement text) RETURNS TABLE (rows bigint, agree bool)
LANGUAGE plpgsql AS $$
DECLARE
	t text;
	contents text;
	texts text[] = '{}';
BEGIN
	FOREACH t IN ARRAY ARRAY['h', 'p', 'a']
	LOOP
		EXECUTE format(statement, t);
		GET DIAGNOSTICS rows = ROW_COUNT;
		EXECUTE format('SELECT %s || md5(string_agg(x::text, '','' ORDER BY x::text)) FROM %I x',
					   rows, t) INTO contents;
		texts = texts || contents;
	END LOOP;
	agree = texts[1] = texts[2] AND texts[1] = texts[3];
	RETURN NEXT;
END $$;
SELECT * FROM alike('DELETE FROM %I WHERE v = 3');
SELECT * FROM alike('DELETE FROM %I WHERE d IS NULL AND k > 19000');
SELECT * FROM alike('DELETE FROM %I WHERE t LIKE ''row 19%%''');
SELECT * FROM alike('DELETE FROM %I WHERE false');
SELECT * FROM alike('DELETE FROM %I WHERE k > 1000000');
SELECT * FROM alike('UPDATE %I SET v = v + 1 WHERE k %% 7 = 0');
SELECT * FROM alike('UPDATE %I SET n = n * 2 - 1, t = t || ''!'' WHERE v > 90');
SELECT * FROM alike('UPDATE %I SET t = NULL, d = d + 1 WHERE k < 500');
SELECT * FROM alike('UPDATE %I SET k = k');
SELECT * FROM alike('UPDATE %I SET v = k / 100, k = v + 20000 WHERE k BETWEEN 5000 AND 6000');
SELECT * FROM alike('UPDATE %I x SET v = (SELECT max(y) FROM generate_series(1, x.v) y) WHERE k < 50');
SELECT * FROM alike('UPDATE %I SET v = DEFAULT WHERE k < 20');

-- RETURNING: the row that was, the row that is.
CREATE FUNCTION returned(statement text) RETURNS TABLE (rows bigint, agree bool)
LANGUAGE plpgsql AS $$
DECLARE
	t text;
	result text;
	texts text[] = '{}';
BEGIN
	FOREACH t IN ARRAY ARRAY['h', 'p', 'a']
	LOOP
		EXECUTE format('WITH x AS (%s) SELECT count(*), count(*) || md5(string_agg(x::text, '','' ORDER BY x::text)) FROM x',
					   format(statement, t)) INTO rows, result;
		texts = texts || result;
	END LOOP;
	agree = texts[1] = texts[2] AND texts[1] = texts[3];
	RETURN NEXT;
END $$;
SELECT * FROM returned('DELETE FROM %I WHERE v = 5 RETURNING *');
SELECT * FROM returned('DELETE FROM %I WHERE v = 6 RETURNING k * 2, upper(t), d');
SELECT * FROM returned('UPDATE %I SET v = v + 1, f = f / 3 WHERE v = 7 RETURNING *');
SELECT * FROM returned('UPDATE %I x SET n = n + 1 WHERE v = 9 RETURNING x, n');
SELECT * FROM alike('UPDATE %I SET (v, n) = (SELECT 7, max(h.n) FROM h WHERE h.k < 9) WHERE v = 11');
SELECT * FROM returned('UPDATE %I SET (t, v) = (SELECT ''both'', 3), f = v WHERE v = 12 RETURNING k, t, v, f');
DELETE FROM p WHERE k = 100 RETURNING tableoid::regclass, *;
UPDATE a SET v = 1 WHERE k = 101 RETURNING tableoid::regclass, *;
DELETE FROM h WHERE k IN (100, 101);
DELETE FROM p WHERE k = 101;
DELETE FROM a WHERE k IN (100, 101);
SELECT * FROM alike('DELETE FROM %I WHERE k = 102');

-- The command's rows are counted, those of a WITH are not.
\set QUIET off
UPDATE p SET v = v WHERE k < 30;
DELETE FROM p WHERE k = 29;
WITH gone AS (DELETE FROM p WHERE k < 5) SELECT 'one row';
WITH gone AS (DELETE FROM p WHERE k = 5 RETURNING k), more AS (UPDATE a SET v = 0 WHERE k < 9 RETURNING k)
	SELECT * FROM gone UNION ALL SELECT * FROM more ORDER BY 1;
\set QUIET on

-- Errors leave everything as it was, and are PostgreSQL's.
UPDATE p SET v = v / (k - 50) WHERE k BETWEEN 40 AND 60;
UPDATE p SET k = NULL WHERE k = 60;
UPDATE a SET v = v - 5000 WHERE k = 60;
UPDATE p SET k = k * 1000000;
DELETE FROM p WHERE 10 / (k - 50) = 1;
SELECT count(*), sum(k), sum(v) FROM p;

-- Parameters, also such as are known late; functions that change; once a row.
PREPARE change(int, int) AS UPDATE p SET v = $2 WHERE k = $1 RETURNING k, v;
EXECUTE change(70, 1);
EXECUTE change(71, 2);
SET plan_cache_mode = force_generic_plan;
EXECUTE change(70, 3);
EXECUTE change(71, NULL);
RESET plan_cache_mode;
UPDATE p SET v = 8 WHERE k = (SELECT min(k) + 10 FROM p) RETURNING v;
CREATE SEQUENCE numbers;
UPDATE p SET v = nextval('numbers') WHERE k BETWEEN 80 AND 84;
SELECT k, v FROM p WHERE k BETWEEN 80 AND 84 ORDER BY k;

-- A function of the statement reads what the statement did so far, one that
-- changes the row is refused.
CREATE FUNCTION seen(i int) RETURNS bigint LANGUAGE sql VOLATILE AS
	'SELECT count(*) FROM direct.p WHERE v = -i';
UPDATE p SET v = -90, n = seen(90) WHERE k BETWEEN 90 AND 94 RETURNING k, n;
CREATE FUNCTION steal(i int) RETURNS int LANGUAGE sql VOLATILE AS
	'DELETE FROM direct.p WHERE k = i; SELECT 1';
UPDATE p SET v = steal(k) WHERE k = 95;

-- Savepoints, cursors, and a table that has not been read before.
BEGIN;
DELETE FROM p WHERE k < 5000;
SAVEPOINT one;
UPDATE p SET v = 1;
SELECT count(*), sum(v) FROM p;
ROLLBACK TO one;
DECLARE c CURSOR FOR SELECT k FROM p WHERE k > 10000;
FETCH 1 FROM c;
DELETE FROM p WHERE k > 10000;
FETCH 2 FROM c;
SELECT count(*) FROM p;
ROLLBACK;
SELECT count(*) FROM p;

-- Partitions: changed inside each, row by row where one may have to move.
CREATE TABLE part (k int, v int) PARTITION BY LIST (k);
CREATE FOREIGN TABLE part1 PARTITION OF part FOR VALUES IN (1) SERVER gstore_fdw;
CREATE FOREIGN TABLE part2 (v int, gone int, k int) SERVER gstore_fdw OPTIONS (format 'arrow');
ALTER FOREIGN TABLE part2 DROP COLUMN gone;
ALTER TABLE part ATTACH PARTITION part2 FOR VALUES IN (2);
CREATE TABLE part3 PARTITION OF part FOR VALUES IN (3);
INSERT INTO part SELECT i % 3 + 1, i FROM generate_series(1, 12) i;
SELECT is_direct('UPDATE part SET v = v + 100 WHERE v > 3');
UPDATE part SET v = v + 100 WHERE v > 3 RETURNING tableoid::regclass, *;
DELETE FROM part WHERE v IN (104, 105, 106, 2) RETURNING tableoid::regclass, *;
UPDATE part SET v = v + 1000;
SELECT is_direct('UPDATE part SET k = 3 WHERE v > 3');
UPDATE part1 SET k = 2 WHERE v > 1000;
SELECT tableoid::regclass, * FROM part ORDER BY 1, 3;

-- Row triggers want to see rows.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE NOTICE '% %', TG_OP, OLD.v; RETURN OLD; END $$;
CREATE TRIGGER tell BEFORE DELETE ON part1 FOR EACH ROW EXECUTE FUNCTION tell();
DELETE FROM part1 WHERE v < 1110;

\set VERBOSITY terse
DROP SCHEMA direct CASCADE;
