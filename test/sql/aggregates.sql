-- Aggregates where the data is: the same answers as a heap twin gives.
CREATE SCHEMA aggregates;
SET search_path = aggregates, public;
CREATE TABLE h AS
SELECT i AS k, (i % 7)::int2 AS s, i % 100 AS m, i * 1000000007::int8 AS b,
	   i * 0.5::float8 AS f, (i % 100)::float4 AS f4,
	   (i % 1000 / 100.0)::numeric(12,2) AS n, i / 7.0 AS free,
	   CASE WHEN i % 5 <> 0 THEN 't' || i % 9 END COLLATE "C" AS t,
	   'a longer text ' || i % 13 AS lt, (i % 3)::text::char(4) AS c,
	   CASE WHEN i % 6 <> 0 THEN date '2000-01-01' + i % 40 END AS d,
	   timestamp '2000-01-01' + i * interval '1 min' AS ts,
	   timestamptz '2000-01-01Z' + i * interval '1 min' AS tz,
	   i % 3 = 0 AS bo
FROM generate_series(1, 30000) i;
INSERT INTO h (k) SELECT -i FROM generate_series(1, 10) i;
CREATE TABLE e AS SELECT * FROM h WHERE false;

CREATE FUNCTION make(name text, format text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE %I (%s) SERVER gstore_fdw OPTIONS (format %L)',
				   name,
				   (SELECT string_agg(format('%I %s%s%s', attname, format_type(atttypid, atttypmod),
							CASE WHEN attcollation = '"C"'::regcollation THEN ' COLLATE "C"' ELSE '' END,
							CASE WHEN attname = 'free' THEN ' OPTIONS (scale ''16'')' ELSE '' END),
									  ', ' ORDER BY attnum)
					FROM pg_attribute WHERE attrelid = 'h'::regclass AND attnum > 0),
				   format);
END $$;
SELECT make('p', 'pgstrom'), make('a', 'arrow'), make('pe', 'pgstrom');
-- one scale in one column, as the format arrow needs it
UPDATE h SET free = round(free, 16);
INSERT INTO p SELECT * FROM h;
INSERT INTO a SELECT * FROM h;
DELETE FROM h WHERE k % 11 = 0;
DELETE FROM p WHERE k % 11 = 0;
DELETE FROM a WHERE k % 11 = 0;

-- Which node computes, and what it left to PostgreSQL.
CREATE FUNCTION done_by(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	kind text;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	plan := plan -> 0 -> 'Plan';
	WHILE plan ->> 'Node Type' NOT IN ('Foreign Scan', 'Seq Scan') AND plan -> 'Plans' IS NOT NULL LOOP
		plan := plan -> 'Plans' -> 0;
	END LOOP;
	RETURN CASE WHEN plan -> 'Left to PostgreSQL' IS NULL THEN 'not pushed'
				WHEN plan ->> 'Left to PostgreSQL' = 'true' THEN 'left' ELSE 'pushed' END;
END $$;

-- Each result column as text, floats without their last digits.
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT count(*) || '' '' || md5(coalesce(string_agg(r, '';'' ORDER BY r), ''''))'
		|| ' FROM (SELECT q::text AS r FROM (' || query || ') q) x' INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

CREATE TABLE queries (n serial, query text);
INSERT INTO queries (query) VALUES
	('SELECT count(*) FROM TTT'),
	('SELECT count(*), count(t), count(d), count(1) FROM TTT'),
	('SELECT sum(s), sum(k), sum(b), sum(n), sum(free), sum(f::numeric) FROM TTT'),
	('SELECT avg(s), avg(k), avg(b), avg(n), avg(free) FROM TTT'),
	('SELECT round(sum(f)::numeric, 3), round(avg(f)::numeric, 6), sum(f4), round(avg(f4)::numeric, 6) FROM TTT'),
	('SELECT min(s), max(s), min(k), max(k), min(b), max(b), min(n), max(n), min(free), max(free) FROM TTT'),
	('SELECT min(f), max(f), min(f4), max(f4), min(d), max(d), min(ts), max(ts), min(tz), max(tz) FROM TTT'),
	('SELECT bool_and(bo), bool_or(bo), every(k > -100), bit_and(k), bit_or(s), bit_or(b) FROM TTT'),
	('SELECT round(stddev(f)::numeric, 6), round(var_pop(f)::numeric, 3), round(stddev_pop(f4)::numeric, 6), round(variance(f4)::numeric, 6) FROM TTT'),
	('SELECT variance(s), stddev(k), var_pop(b), stddev_pop(n), variance(k * 1000003::int8) FROM TTT'),
	('SELECT stddev_pop(CASE WHEN k = 2 THEN 999999999975 ELSE 0 END) FROM TTT WHERE k IN (1, 2)'),
	('SELECT stddev_samp(free) FROM TTT'),
	('SELECT s, m, stddev(n), var_samp(k), stddev_pop(s), var_pop(n * 3) FILTER (WHERE bo) FROM TTT WHERE k < 2000 GROUP BY s, m'),
	('SELECT k, variance(n), var_pop(n), stddev(m) FROM TTT WHERE k < 10 GROUP BY k'),
	('SELECT count(*) FILTER (WHERE bo), sum(k) FILTER (WHERE n > 5), min(d) FILTER (WHERE k < 0) FROM TTT'),
	('SELECT sum(k * 2 + s), avg(n * n), sum(CASE WHEN bo THEN n ELSE 0 END), max(k - m) FROM TTT'),
	('SELECT sum(k) + count(*) * 2, avg(n) / 3, coalesce(max(d), ''2000-01-01'') FROM TTT WHERE k > 100'),
	('SELECT t, count(*) FROM TTT GROUP BY t'),
	('SELECT count(*) FROM TTT GROUP BY t, s'),
	('SELECT s, bo, sum(n), avg(k) FROM TTT WHERE m < 50 GROUP BY s, bo'),
	('SELECT lt, min(k), max(ts) FROM TTT GROUP BY lt HAVING count(*) > 2200'),
	('SELECT c, count(*) FROM TTT GROUP BY c'),
	('SELECT d, sum(n) FROM TTT GROUP BY d'),
	('SELECT d - 1, sum(n) FROM TTT GROUP BY d'),
	('SELECT k % 10, count(*), sum(b) FROM TTT GROUP BY k % 10'),
	('SELECT k % 10 + 1, t || ''x'', count(*) FROM TTT GROUP BY k % 10, t'),
	('SELECT n, f4, count(*) FROM TTT GROUP BY n, f4'),
	('SELECT extract(year FROM ts), extract(month FROM ts), count(*) FROM TTT GROUP BY 1, 2'),
	('SELECT extract(hour FROM tz), count(*) FROM TTT GROUP BY 1'),
	('SELECT extract(second FROM ts - ''00:00:01.5''::interval), count(*) FROM TTT GROUP BY 1'),
	('SELECT date_trunc(''day'', tz), date_trunc(''month'', d), count(*) FROM TTT GROUP BY 1, 2'),
	('SELECT date_trunc(''week'', ts), count(*) FROM TTT GROUP BY 1'),
	('SELECT k, count(*) FROM TTT GROUP BY k'),
	('SELECT count(*) FROM TTT WHERE k < -1000'),
	('SELECT sum(k), min(n), avg(f), bool_and(bo), stddev(f) FROM TTT WHERE k < -1000'),
	('SELECT t, count(*) FROM TTT WHERE k < -1000 GROUP BY t'),
	('SELECT count(*) FROM TTT HAVING count(*) > 1000000'),
	('SELECT 1 FROM TTT GROUP BY s HAVING sum(k) > 0'),
	('SELECT sum(b * 1000000007) FROM TTT'),
	('SELECT sum(1 / (k - 17)) FROM TTT'),
	('SELECT s, sum(n) FROM TTT GROUP BY s ORDER BY 2 DESC LIMIT 3'),
	('SELECT x, (SELECT sum(k) FROM TTT WHERE m = x) FROM generate_series(1, 5) x'),
	('SELECT x.s, x.total, y.s FROM (SELECT s, sum(k) AS total FROM TTT GROUP BY s) x JOIN (SELECT s, count(*) AS total FROM TTT GROUP BY s) y USING (s)'),
	('SELECT count(*), sum(n) FROM TTT WHERE t LIKE ''t%'' AND d BETWEEN ''2000-01-05'' AND ''2000-01-20'' AND n > 3'),
	('SELECT count(DISTINCT s) FROM TTT'),
	('SELECT s, count(DISTINCT t), sum(DISTINCT m), avg(DISTINCT n), count(*) FROM TTT GROUP BY s'),
	('SELECT count(DISTINCT lt), sum(DISTINCT f) FILTER (WHERE k < 500), min(DISTINCT k) FROM TTT WHERE m < 50'),
	('SELECT count(DISTINCT d) FROM TTT WHERE k < -5'),
	('SELECT DISTINCT s, t FROM TTT'),
	('SELECT DISTINCT k % 10, bo, d FROM TTT WHERE m > 90'),
	('SELECT DISTINCT lt FROM TTT ORDER BY lt LIMIT 5'),
	-- these stay with PostgreSQL, wholly
	('SELECT count(DISTINCT free) FROM TTT'),
	('SELECT DISTINCT ON (s) s, k FROM TTT ORDER BY s, k'),
	('SELECT min(t), max(lt) FROM TTT'),
	('SELECT free, count(*) FROM TTT GROUP BY free'),
	('SELECT string_agg(t, '','' ORDER BY k) FROM TTT'),
	('SELECT array_agg(s ORDER BY k) FROM TTT WHERE k < 100'),
	('SELECT s, m, sum(k) FROM TTT GROUP BY ROLLUP (s, m)'),
	('SELECT sum(k) FROM TTT WHERE md5(lt) > ''8'''),
	('SELECT s, sum(sum(k)) OVER (ORDER BY s) FROM TTT GROUP BY s'),
	('SELECT variance(DISTINCT k) FROM TTT');

SELECT query, done_by(replace(query, 'TTT', 'p')) AS pgstrom,
	CASE WHEN answer(replace(query, 'TTT', 'p')) = answer(replace(query, 'TTT', 'h'))
		 THEN 'same' ELSE answer(replace(query, 'TTT', 'p')) || ' <> ' || answer(replace(query, 'TTT', 'h')) END
FROM queries WHERE query NOT LIKE '%1 / (%' AND query NOT LIKE '%07)%' ORDER BY n;
SELECT query, answer(replace(query, 'TTT', 'p')), answer(replace(query, 'TTT', 'a'))
FROM queries WHERE query LIKE '%1 / (%' OR query LIKE '%07)%' ORDER BY n;
-- the other format, and a table without rows
SELECT query, answer(replace(query, 'TTT', 'a')), answer(replace(query, 'TTT', 'h'))
FROM queries WHERE answer(replace(query, 'TTT', 'a')) <> answer(replace(query, 'TTT', 'h')) ORDER BY n;
SELECT query, answer(replace(query, 'TTT', 'pe')), answer(replace(query, 'TTT', 'e'))
FROM queries WHERE answer(replace(query, 'TTT', 'pe')) <> answer(replace(query, 'TTT', 'e')) ORDER BY n;

-- Rows of this transaction, rows it took away, and an older snapshot.
BEGIN;
INSERT INTO p (k, s) VALUES (1000000, 1), (1000001, 2);
SELECT max(k), count(*) FROM p;
SAVEPOINT x;
DELETE FROM p WHERE k > 1000;
SELECT max(k), count(*) FROM p;
ROLLBACK TO x;
DECLARE c CURSOR FOR SELECT s, max(k) FROM p GROUP BY s ORDER BY s;
DELETE FROM p WHERE k > 1000;
FETCH 3 FROM c;
ROLLBACK;

-- Too many groups for the memory: PostgreSQL's own, with the same answer.
SET work_mem = '64kB';
SELECT done_by('SELECT k, lt, sum(n) FROM p GROUP BY k, lt');
SET enable_sort = off;
SELECT answer('SELECT k, lt, sum(n) FROM p GROUP BY k, lt') = answer('SELECT k, lt, sum(n) FROM h GROUP BY k, lt');
RESET work_mem;
RESET enable_sort;

-- More groups than each thread wants for itself: they share them.
SET gstore_fdw.host_threads = 4;
SET work_mem = '256MB';
CREATE TABLE mh AS
SELECT i % 70000 AS k, 'text of some length ' || i % 50000 AS t, i % 1000 / 8.0::float8 AS f,
	   CASE WHEN i % 3 = 0 THEN i END AS i
FROM generate_series(1, 400000) i;
INSERT INTO mh VALUES (NULL, NULL, 0, 1);
CREATE FOREIGN TABLE m (k int, t text COLLATE "C", f float8, i int) SERVER gstore_fdw;
INSERT INTO m SELECT * FROM mh;
SELECT query, done_by(replace(query, 'TTT', 'm')),
	   answer(replace(query, 'TTT', 'm')) = answer(replace(query, 'TTT', 'mh')) AS same
FROM (VALUES
	('SELECT k * 5::int8, count(*), sum(f), max(i) FROM TTT GROUP BY 1'),
	('SELECT t, count(i), min(f), sum(k) FROM TTT GROUP BY t'),
	('SELECT t, k, count(*) FROM TTT WHERE k > 10 GROUP BY t, k'),
	('SELECT t, count(DISTINCT k % 10) FROM TTT GROUP BY t')) AS q(query);
SELECT answer('SELECT k * 5::int8, 1 / min(k) FROM m GROUP BY 1');
SET work_mem = '5MB';
SELECT done_by('SELECT t, k, count(*) FROM m GROUP BY t, k');
RESET gstore_fdw.host_threads;
RESET work_mem;

-- Keys close together, NULLs among keys and values, sums beyond 64 bits, and
-- keys that turn out to be far apart.
SET work_mem = '256MB';
CREATE TABLE wh AS
SELECT CASE WHEN i % 1000 <> 7 THEN i / 3 % 90000 - 30000 END AS k,
	   CASE WHEN i % 4 <> 1 THEN i * 7 END AS v,
	   CASE WHEN i % 3 = 0 THEN 9223372036854775000 - i ELSE i END AS b,
	   i % 100 / 4.0::float8 AS f, (i % 977 / 100.0)::numeric(12,2) AS n,
	   i % 2 = 0 AS bo, i / 2::int8 AS far
FROM generate_series(1, 300000) i;
INSERT INTO wh (k, far) VALUES (NULL, 9000000000000), (2000000000, NULL);
CREATE FOREIGN TABLE w (k int, v int, b int8, f float8, n numeric(12,2), bo bool, far int8) SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO w SELECT * FROM wh;
SELECT query, done_by(replace(query, 'TTT', 'w')),
	   answer(replace(query, 'TTT', 'w')) = answer(replace(query, 'TTT', 'wh')) AS same
FROM (VALUES
	('SELECT k, count(*), count(v), sum(v), min(v), max(v) FROM TTT WHERE k < 100000 GROUP BY k'),
	('SELECT k, sum(b), avg(b), min(b), max(n), sum(n), bool_and(bo), bit_or(v) FROM TTT WHERE k IS NULL OR k < 100000 GROUP BY k'),
	('SELECT k, sum(f), count(*) FILTER (WHERE bo), sum(n) FILTER (WHERE v > 5), stddev_pop(v) FROM TTT WHERE k < 100000 GROUP BY k'),
	('SELECT k, count(DISTINCT v), sum(DISTINCT n) FROM TTT WHERE k < 100000 GROUP BY k'),
	('SELECT count(DISTINCT k), sum(DISTINCT k) FROM TTT WHERE k < 100000'),
	('SELECT DISTINCT k FROM TTT WHERE k < 100000'),
	('SELECT k, count(*), sum(b) FROM TTT GROUP BY k'),
	('SELECT far, count(*), sum(b) FROM TTT GROUP BY far'),
	('SELECT k % 50000 + 1, max(f), count(*) FROM TTT GROUP BY 1'),
	('SELECT date ''2000-01-01'' + v % 20000, count(*) FROM TTT GROUP BY 1')) AS q(query);

-- HAVING and aggregates of a grouped subquery, over groups.
SELECT query, done_by(replace(query, 'TTT', 'w')),
	   answer(replace(query, 'TTT', 'w')) = answer(replace(query, 'TTT', 'wh')) AS same
FROM (VALUES
	('SELECT k, sum(n) FROM TTT GROUP BY k HAVING sum(n) > 60'),
	('SELECT k, sum(b) FROM TTT GROUP BY k HAVING sum(b) > 20000000000000000000 AND count(*) > 2'),
	('SELECT k, avg(f) FROM TTT GROUP BY k HAVING avg(f) * 2 > min(f) + 40 AND bool_or(bo)'),
	('SELECT k, avg(n) FROM TTT GROUP BY k HAVING avg(n) > 9'),
	('SELECT k FROM TTT GROUP BY k HAVING avg(n) > 9 AND k % 2 = 0 AND max(v) IS NOT NULL'),
	('SELECT count(*), sum(s), min(s), max(s), sum(c), avg(c), sum(k) FROM (SELECT k, sum(n) AS s, count(*) AS c FROM TTT GROUP BY k) g'),
	('SELECT count(*), sum(s), avg(s), min(b), sum(b) FROM (SELECT k, sum(f) AS s, sum(b) AS b FROM TTT GROUP BY k) g'),
	('SELECT count(*), avg(s * 2 + c) FROM (SELECT k, sum(n) AS s, count(*) AS c FROM TTT GROUP BY k HAVING sum(n) > 12 AND k > 0) g'),
	('SELECT count(*), round(sum(a)::numeric, 3) FROM (SELECT k, avg(f) AS a FROM TTT GROUP BY k HAVING avg(n) > 5) g'),
	('SELECT sum(a) FROM (SELECT k, avg(n) AS a FROM TTT GROUP BY k) g'),
	('SELECT c, count(*), max(k), sum(s) FROM (SELECT k, sum(n) AS s, count(*) AS c FROM TTT GROUP BY k) g GROUP BY c HAVING count(*) > 1'),
	('SELECT count(*) FROM (SELECT DISTINCT k, bo FROM TTT) g'),
	('SELECT count(k), count(DISTINCT c), sum(c) FILTER (WHERE k > 100) FROM (SELECT k, count(v) AS c FROM TTT GROUP BY k) g'),
	('SELECT bo, max(c), min(x) FROM (SELECT k, bo, count(*) AS c, sum(v) + 1 AS x FROM TTT GROUP BY k, bo) g GROUP BY bo'),
	('SELECT max(n) FROM (SELECT c, count(*) AS n FROM (SELECT k, count(*) AS c FROM TTT GROUP BY k) g GROUP BY c) h'),
	('SELECT sum(c) FROM (SELECT k, count(*) AS c FROM TTT GROUP BY k) g WHERE c > 2 AND k > 7'),
	('SELECT count(c) FROM (SELECT k, count(*) AS c FROM TTT GROUP BY k LIMIT 10) g'),
	('SELECT max(c) FROM (SELECT count(*) AS c FROM TTT) g'),
	('SELECT sum(c) FROM (SELECT k, count(*) AS c FROM TTT WHERE k < -40000 GROUP BY k) g'),
	('SELECT x, (SELECT sum(c) FROM (SELECT k, count(*) AS c FROM TTT WHERE k < x GROUP BY k HAVING count(*) > x) g) FROM generate_series(1, 4) x')) AS q(query);
-- nobody asks for its results: there is one row of them nevertheless
SELECT count(*) FROM (SELECT count(*) FROM (SELECT k, count(*) FROM w GROUP BY k) g) one;
-- what a subquery does besides is done for each of its groups
CREATE SEQUENCE calls;
SELECT count(*), sum(c) FROM (SELECT bo, count(*) AS c, nextval('calls') FROM w GROUP BY bo) g;
SELECT last_value FROM calls;
SELECT answer('SELECT k FROM w GROUP BY k HAVING 1 / (count(v) - 2) > 0');
SELECT answer('SELECT sum(1 / (c - 3)) FROM (SELECT k, count(*) AS c FROM w GROUP BY k) g');
EXPLAIN (COSTS OFF) SELECT count(*), sum(s) FROM (SELECT k, sum(n) AS s FROM w GROUP BY k HAVING sum(n) > 5 AND avg(n) > 2) g;
EXPLAIN (COSTS OFF) SELECT count(*), sum(s) FROM (SELECT k, sum(n) AS s FROM w GROUP BY k HAVING sum(n) > 5) g;
SET work_mem = '64kB';
SELECT answer('SELECT count(*), sum(s) FROM (SELECT k, sum(n) AS s FROM w GROUP BY k HAVING count(*) > 1) g')
	 = answer('SELECT count(*), sum(s) FROM (SELECT k, sum(n) AS s FROM wh GROUP BY k HAVING count(*) > 1) g') AS same;
RESET work_mem;
PREPARE over(int, int) AS SELECT count(*), sum(c * $2) FROM (SELECT k, count(*) AS c FROM w GROUP BY k HAVING count(*) > $1) g;
SET plan_cache_mode = force_generic_plan;
EXECUTE over(2, 10);
EXECUTE over(3, 1);
EXECUTE over(NULL, 1);
RESET plan_cache_mode;

-- Partitions, each aggregated where it is.
SET enable_partitionwise_aggregate = on;
CREATE TABLE parted (k int, s int2, b int8, f float8, f4 float4, n numeric(12,2), t text COLLATE "C", bo bool) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE parted_1 (bo bool, t text COLLATE "C", n numeric(12,2), f4 float4, f float8, b int8, s int2, k int) SERVER gstore_fdw OPTIONS (format 'arrow');
ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (10000);
CREATE FOREIGN TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10000) TO (20000) SERVER gstore_fdw;
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (20000) TO (40000);
CREATE FOREIGN TABLE parted_4 PARTITION OF parted FOR VALUES FROM (40000) TO (50000) SERVER gstore_fdw;
INSERT INTO parted SELECT k, s, b, f, f4, n, t, bo FROM h WHERE k >= 0;
CREATE TABLE whole AS SELECT * FROM parted;
EXPLAIN (COSTS OFF) SELECT s, sum(n), avg(b) FROM parted GROUP BY s;
EXPLAIN (COSTS OFF) SELECT k, sum(n) FROM parted WHERE k < 15000 GROUP BY k HAVING count(*) > 0;
SELECT query, answer(replace(query, 'TTT', 'parted')) = answer(replace(query, 'TTT', 'whole')) AS same
FROM (VALUES
	('SELECT count(*), count(t), sum(s), sum(k), sum(b), sum(n) FROM TTT'),
	('SELECT s, count(*), avg(s), avg(k), avg(b), avg(n), min(n), max(k), bool_and(bo), bit_or(s) FROM TTT GROUP BY s'),
	('SELECT t, variance(k), stddev(b), var_pop(n), stddev_samp(s), round(variance(f)::numeric, 4), round(avg(f)::numeric, 6), round(avg(f4)::numeric, 3) FROM TTT GROUP BY t'),
	('SELECT sum(n) FILTER (WHERE bo), avg(b) FILTER (WHERE k < 0) FROM TTT'),
	('SELECT avg(n) / 3, sum(-n), variance(-n) FROM TTT WHERE k > 9000'),
	('SELECT k, sum(b), max(n) FROM TTT GROUP BY k HAVING sum(b) > 10'),
	('SELECT s + 1, count(*) FROM TTT GROUP BY s + 1 HAVING avg(n) > 4'),
	('SELECT count(*) FROM TTT GROUP BY s'),
	('SELECT sum(n), avg(b), variance(k), avg(f), count(n) FROM TTT WHERE k < -5'),
	('SELECT count(DISTINCT s), sum(k) FROM TTT')) AS q(query);
-- more digits than 64 bits have, and a partition that the engine gives up on
SELECT answer('SELECT sum(b * 1000003), avg(n * n), variance(b * 7) FROM parted')
	 = answer('SELECT sum(b * 1000003), avg(n * n), variance(b * 7) FROM whole') AS same;
SET work_mem = '64kB';
SELECT answer('SELECT k % 7919, sum(n) FROM parted GROUP BY k % 7919')
	 = answer('SELECT k % 7919, sum(n) FROM whole GROUP BY k % 7919') AS same;
RESET work_mem;
RESET enable_partitionwise_aggregate;

-- Left to PostgreSQL again and again, into tuples that are kept.
CREATE FOREIGN TABLE odd (k int, n numeric) SERVER gstore_fdw;
INSERT INTO odd SELECT i, CASE WHEN i = 7 THEN 'NaN' ELSE i::numeric END FROM generate_series(1, 3000) i;
SELECT done_by('SELECT count(*), sum(n) FROM odd WHERE n > 1');
DO $$
DECLARE
	c int8;
	total int8 := 0;
BEGIN
	FOR i IN 1 .. 300 LOOP
		EXECUTE 'SELECT count(*) FROM odd WHERE n = 1' INTO c;
		total := total + c;
	END LOOP;
	RAISE NOTICE '%', total;
END $$;

-- Off is off.
SET gstore_fdw.enable_pushdown = off;
SELECT done_by('SELECT sum(k) FROM p');
RESET gstore_fdw.enable_pushdown;

-- What EXPLAIN says.
EXPLAIN (COSTS OFF) SELECT s, sum(n) * 2 FROM p WHERE k > 100 GROUP BY s HAVING count(*) > 3;

-- A generic plan's parameters, in conditions and in arguments.
SET plan_cache_mode = force_generic_plan;
PREPARE q(int, int) AS SELECT count(*), sum(k * $2) FROM p WHERE k < $1;
EXECUTE q(100, 2);
EXECUTE q(1000, 3);
EXECUTE q(NULL, NULL);

\set VERBOSITY terse
DROP SCHEMA aggregates CASCADE;
