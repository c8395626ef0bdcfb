-- A transaction that writes row by row leaves few chunks behind it, and each of
-- its rows keeps who inserted it and by which command.
CREATE FOREIGN TABLE g (id int, note text) SERVER gstore_fdw;
CREATE FOREIGN TABLE a (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE VIEW few AS SELECT relname, chunks <= 30 AS few, chunks > 100 AS many FROM gstore_tables ORDER BY 1;
CREATE PROCEDURE fill(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN first .. last LOOP
		INSERT INTO g VALUES (i, CASE WHEN i % 7 <> 0 THEN 'row ' || i END);
		INSERT INTO a VALUES (i, CASE WHEN i % 7 <> 0 THEN 'row ' || i END);
	END LOOP;
END $$;
CREATE FUNCTION digest(OUT g text, OUT a text) LANGUAGE sql VOLATILE AS $$
	SELECT (SELECT count(*) || '/' || sum(id) || '/' || count(note) || '/' || sum(length(note)) FROM g),
		(SELECT count(*) || '/' || sum(id) || '/' || count(note) || '/' || sum(length(note)) FROM a)
$$;
SELECT sum(used) AS before FROM gstore_devices \gset

\echo -- few chunks, and the rows in order
BEGIN;
CALL fill(1, 1000);
SELECT * FROM few;
SELECT * FROM digest();
SELECT id, note FROM g OFFSET 500 LIMIT 3;
SELECT bool_and(id = n) AS in_order FROM (SELECT id, row_number() OVER () AS n FROM g) x;
COMMIT;
SELECT * FROM few;
SELECT * FROM digest();

\echo -- statements begun earlier see what they saw
BEGIN;
CALL fill(1001, 1005);
DECLARE c SCROLL CURSOR FOR SELECT count(*) OVER (), id FROM g WHERE id > 998 ORDER BY id;
CALL fill(1006, 1010);
DECLARE d CURSOR FOR SELECT id FROM g WHERE id > 1003;
FETCH 1 FROM d;
CALL fill(1011, 1500);
FETCH ALL FROM c;
FETCH ALL FROM d;
CLOSE c;
CLOSE d;
SELECT * FROM digest();
-- a loop whose query was begun before what it inserts
DO $$
DECLARE r record; seen int := 0;
BEGIN
	FOR r IN SELECT id FROM g WHERE id > 1400 LOOP
		seen := seen + 1;
		INSERT INTO g VALUES (r.id + 10000, 'of the loop');
	END LOOP;
	RAISE NOTICE 'saw %', seen;
END $$;
SELECT count(*), min(id), max(id) FROM g WHERE note = 'of the loop';
-- a statement that looks at its own table does not see its own rows
INSERT INTO g SELECT 20000 + i, (SELECT count(*)::text FROM g WHERE id > 20000 AND i > 0) FROM generate_series(1, 20) i;
SELECT note, count(*) FROM g WHERE id > 20000 GROUP BY note;
ROLLBACK;
SELECT * FROM digest();

\echo -- savepoints take back what came after them, and no more
BEGIN;
CALL fill(1001, 1020);
SAVEPOINT one;
CALL fill(2001, 2100);
SAVEPOINT two;
CALL fill(3001, 3100);
SELECT * FROM digest();
ROLLBACK TO two;
SELECT * FROM digest();
CALL fill(4001, 4100);
RELEASE two;
CALL fill(5001, 5100);
SELECT * FROM digest();
ROLLBACK TO one;
SELECT * FROM digest();
CALL fill(1021, 1200);
RELEASE one;
CALL fill(1201, 1300);
SELECT * FROM digest();
SELECT * FROM few;
COMMIT;
SELECT * FROM digest();
BEGIN;
SAVEPOINT one;
CALL fill(6001, 6100);
RELEASE one;
CALL fill(6101, 6200);
SELECT * FROM digest();
ROLLBACK;
SELECT * FROM digest();

\echo -- rows of its own, changed and deleted
BEGIN;
CALL fill(1301, 1310);
UPDATE g SET note = 'changed' WHERE id BETWEEN 1305 AND 1307;
DELETE FROM a WHERE id = 1302;
CALL fill(1311, 1400);
UPDATE g SET note = 'changed' WHERE id BETWEEN 1306 AND 1320;
SAVEPOINT one;
DELETE FROM g WHERE id > 1300;
UPDATE a SET id = id + 50000 WHERE id > 1300;
CALL fill(1401, 1450);
SELECT * FROM digest();
ROLLBACK TO one;
CALL fill(1401, 1450);
SELECT * FROM digest();
SELECT note, count(*), min(id), max(id) FROM g WHERE note = 'changed' GROUP BY note;
COMMIT;
SELECT * FROM digest();
SELECT count(*), count(DISTINCT id) FROM g WHERE id > 1300;

\echo -- updates row by row count as updates
CREATE FOREIGN TABLE u (id int) SERVER gstore_fdw;
INSERT INTO u SELECT generate_series(1, 200);
DO $$ BEGIN
	FOR i IN 1 .. 200 LOOP
		UPDATE u SET id = -id WHERE id = i;
		IF i % 2 = 0 THEN INSERT INTO u VALUES (1000 + i); END IF;
	END LOOP;
END $$;
SELECT count(*), sum(id) FROM u;
SELECT inserted, updated, deleted, live_rows FROM gstore_tables WHERE relname = 'u';
DROP FOREIGN TABLE u;

\echo -- triggers and functions within a statement
CREATE FOREIGN TABLE t (id int, what text) SERVER gstore_fdw;
CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
	IF NEW.what = 'first' THEN
		FOR i IN 1 .. 10 LOOP
			INSERT INTO t VALUES (NEW.id * 100 + i, 'by the trigger');
		END LOOP;
		SELECT count(*) INTO n FROM t;
		NEW.what := 'saw ' || n;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER more BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION more();
BEGIN;
INSERT INTO t SELECT i, 'first' FROM generate_series(1, 5) i;
SELECT what, count(*) FROM t GROUP BY what ORDER BY what;
UPDATE t SET what = 'first' WHERE id <= 3;
SELECT what, count(*) FROM t GROUP BY what ORDER BY what;
COMMIT;
SELECT count(*), sum(id) FROM t;
DROP FOREIGN TABLE t;

\echo -- a failure in the midst of it takes its statement back, and nothing else
BEGIN;
CALL fill(1501, 1507);
SAVEPOINT one;
SET LOCAL gstore_fdw.debug_fault = 'join-before-swap:error';
CALL fill(1508, 1600);
ROLLBACK TO one;
SELECT * FROM digest();
SET LOCAL gstore_fdw.debug_fault = 'join-after-swap:error';
CALL fill(1508, 1600);
ROLLBACK TO one;
SELECT * FROM digest();
CALL fill(1508, 1600);
COMMIT;
SELECT * FROM digest();

\echo -- columns that came in between
BEGIN;
CALL fill(1601, 1610);
ALTER FOREIGN TABLE g ADD COLUMN more int;
DO $$ BEGIN
	FOR i IN 1611 .. 1650 LOOP
		INSERT INTO g VALUES (i, 'wide', i);
	END LOOP;
END $$;
SELECT count(*), count(more), sum(more) FROM g;
COMMIT;
SELECT count(*), count(more), sum(more) FROM g;

\echo -- nothing is left
DROP FOREIGN TABLE g, a;
SELECT sum(used) = :before AS same FROM gstore_devices;
DROP VIEW few;
DROP PROCEDURE fill;
DROP FUNCTION digest, more;
