-- Scans in parallel workers: partitions at the same time, and the other side of
-- a join; what they see is what the leader would.
CREATE SCHEMA parallel;
SET search_path = parallel, public;
CREATE TABLE whole (k int, v int, w text) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE p1 PARTITION OF whole FOR VALUES FROM (0) TO (10000) SERVER gstore_fdw;
CREATE FOREIGN TABLE p2 PARTITION OF whole FOR VALUES FROM (10000) TO (20000)
	SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE FOREIGN TABLE p3 PARTITION OF whole FOR VALUES FROM (20000) TO (30000) SERVER gstore_fdw;
INSERT INTO whole SELECT i, i % 100, 'row ' || i FROM generate_series(0, 29999) i;
CREATE TABLE h AS SELECT * FROM whole;
ANALYZE whole;
ANALYZE h;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
-- only workers read, where there are any
SET parallel_leader_participation = off;

CREATE FUNCTION shown(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Gather|Append|Foreign|Parallel|Aggregate|Join' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;
\echo -- how it is planned
SELECT * FROM shown('SELECT count(*) FROM whole WHERE md5(w) > ''8''');
SELECT * FROM shown('SELECT count(*) FROM h JOIN p1 USING (k) WHERE md5(h.w) > ''8''');
SELECT * FROM shown('UPDATE whole SET v = 0 WHERE md5(w) = ''x''');

\echo -- never more processes than the threads a query may have
SET gstore_fdw.host_threads = 2;
SELECT * FROM shown('SELECT count(*) FROM whole WHERE md5(w) > ''8''');
SELECT * FROM shown('SELECT count(*) FROM h JOIN p1 USING (k) WHERE md5(h.w) > ''8''');
SET gstore_fdw.host_threads = 3;
SELECT * FROM shown('SELECT count(*) FROM whole WHERE md5(w) > ''8''');
RESET gstore_fdw.host_threads;

\echo -- the same answers as of the ordinary table
CREATE FUNCTION same(answer text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	of_heap text;
	of_gstore text;
BEGIN
	EXECUTE format(answer, 'h') INTO of_heap;
	EXECUTE format(answer, 'whole') INTO of_gstore;
	IF of_heap IS DISTINCT FROM of_gstore THEN
		RAISE NOTICE '% instead of %', of_gstore, of_heap;
	END IF;
	RETURN of_heap IS NOT DISTINCT FROM of_gstore;
END $$;
CREATE FUNCTION all_same() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(left(same(answer)::text, 1), '') FROM unnest(ARRAY[
		'SELECT (count(*), sum(k), min(w), max(w)) FROM %s',
		'SELECT (count(*), sum(v), min(k)) FROM %s WHERE md5(w) > ''8''',
		'SELECT (count(*), sum(length(md5(w)))) FROM %s WHERE v BETWEEN 10 AND 20',
		'SELECT array_agg((v, c) ORDER BY v) FROM (SELECT v, count(*) AS c FROM %s GROUP BY v) x',
		'SELECT (count(*), sum(a.k)) FROM %1$s a JOIN %1$s b ON a.k = b.k + 1 WHERE md5(a.w) < ''4''',
		'SELECT count(*) FROM h a LEFT JOIN %s b USING (k) WHERE md5(b.w) > ''c'' OR b.w IS NULL',
		'SELECT (SELECT max(k) FROM %s WHERE md5(w) < ''1'') - (SELECT min(k) FROM %1$s WHERE md5(w) < ''1'')']) answer $$;
SELECT all_same();

\echo -- rows of the same transaction, savepoints rolled back
BEGIN;
INSERT INTO whole SELECT i, -1, 'own' FROM generate_series(0, 29999, 7) i;
INSERT INTO h SELECT i, -1, 'own' FROM generate_series(0, 29999, 7) i;
SELECT all_same();
SAVEPOINT s;
DELETE FROM whole WHERE k % 3 = 0;
DELETE FROM h WHERE k % 3 = 0;
UPDATE whole SET v = v + 1 WHERE k % 5 = 0;
UPDATE h SET v = v + 1 WHERE k % 5 = 0;
SELECT all_same();
ROLLBACK TO s;
SELECT same('SELECT (count(*), sum(v)) FROM %s WHERE md5(w) > ''2''');
DECLARE c CURSOR FOR SELECT count(*), sum(v) FROM whole WHERE md5(w) > '2';
DELETE FROM whole;
FETCH c;
SELECT count(*), sum(v) FROM h WHERE md5(w) > '2';
ROLLBACK;
SELECT all_same();

\echo -- rows that the statement at hand has staged
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	SELECT count(*) INTO n FROM whole WHERE md5(w) > '2' AND v = -2;
	RAISE NOTICE '% rows', n;
	RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON p1 FOR EACH STATEMENT EXECUTE FUNCTION look();
INSERT INTO p1 SELECT i, -2, 'staged ' || i FROM generate_series(1, 1000) i;
SELECT count(*) FROM whole WHERE md5(w) > '2' AND v = -2;
DELETE FROM whole WHERE v = -2;

\echo -- isolation levels
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT all_same();
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT all_same();
COMMIT;

\echo -- an error in a worker ends the query, and leaves nothing
\set VERBOSITY terse
SELECT count(*) FROM whole WHERE md5(w) > '2' AND 1 / (k - 25000) = 7;
SELECT * FROM (SELECT k, md5(w) AS m FROM whole) x WHERE m > '2' AND k % 7 = 1 ORDER BY k LIMIT 3;
SELECT all_same();
SELECT gstore_request_barrier();
SELECT count(*) FROM gstore_held WHERE kind = 'scan';

DROP SCHEMA parallel CASCADE;
