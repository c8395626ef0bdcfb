-- Queries of well-known benchmarks on small tables: each is computed where the
-- data is, and answers as the heap does.
CREATE SCHEMA benchmarks;
SET search_path = benchmarks, public;

CREATE TABLE lineitem AS
SELECT (i / 4)::int8 AS l_orderkey, (i * 7919 % 2000)::int AS l_partkey,
	   (1 + i % 50)::numeric(15,2) AS l_quantity,
	   ((1 + i % 50) * (900 + i * 31 % 1101))::numeric(15,2) AS l_extendedprice,
	   (i % 11 / 100.0)::numeric(15,2) AS l_discount,
	   (i % 9 / 100.0)::numeric(15,2) AS l_tax,
	   substr('RAN', i % 3 + 1, 1)::char(1) AS l_returnflag,
	   substr('OF', i / 3 % 2 + 1, 1)::char(1) AS l_linestatus,
	   date '1992-01-02' + i * 37 % 2526 AS l_shipdate
FROM generate_series(1, 20000) i;
-- Star Schema Benchmark, with the date's columns in the fact table
CREATE TABLE lineorder AS
SELECT i AS lo_orderkey, (1992 + i % 7)::int AS d_year, (199201 + i % 12)::int AS d_yearmonthnum,
	   (1 + i % 53)::int AS d_weeknuminyear, (i % 11)::int AS lo_discount,
	   (1 + i % 50)::int AS lo_quantity, (100 + i * 13 % 10000)::int AS lo_extendedprice
FROM generate_series(1, 20000) i;
-- ClickBench's hits in outline
CREATE TABLE hits AS
SELECT (i * 2654435761 % 4000)::int8 AS userid, (i % 90)::int2 AS advengineid,
	   (800 + i % 700)::int2 AS resolutionwidth, (i * 31 % 60)::int AS regionid,
	   CASE WHEN i % 4 = 0 THEN 'phrase ' || i % 70 ELSE '' END COLLATE "C" AS searchphrase,
	   'http://example.com/' || i % 900 AS url, date '2013-07-01' + i % 31 AS eventdate,
	   timestamp '2013-07-01' + i * interval '7 s' AS eventtime, (i % 60)::int2 AS mobilephone,
	   (i * 977 % 1000000)::int8 AS watchid, (i % 2)::int2 AS isrefresh,
	   i AS clientip
FROM generate_series(1, 20000) i;
CREATE SCHEMA p;
CREATE SCHEMA a;
IMPORT FOREIGN SCHEMA benchmarks LIMIT TO (lineitem, lineorder, hits) FROM SERVER gstore_fdw INTO p;
IMPORT FOREIGN SCHEMA benchmarks LIMIT TO (lineitem, lineorder, hits) FROM SERVER gstore_fdw INTO a OPTIONS (format 'arrow');
INSERT INTO p.lineitem SELECT * FROM lineitem;
INSERT INTO a.lineitem SELECT * FROM lineitem;
INSERT INTO p.lineorder SELECT * FROM lineorder;
INSERT INTO a.lineorder SELECT * FROM lineorder;
INSERT INTO p.hits SELECT * FROM hits;
INSERT INTO a.hits SELECT * FROM hits;
ANALYZE p.lineitem, p.lineorder, p.hits, a.lineitem, a.lineorder, a.hits, lineitem, lineorder, hits;

CREATE FUNCTION done_by(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ' || query LOOP
		IF line ~ 'Left to PostgreSQL' THEN
			RETURN CASE WHEN line ~ 'false' THEN 'engine' ELSE 'left' END;
		END IF;
	END LOOP;
	RETURN 'PostgreSQL';
END $$;
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE 'SELECT string_agg(q::text, ''; '') FROM (' || query || ') q' INTO result;
	RETURN result;
END $$;

CREATE TABLE named (id serial, name text, query text);
INSERT INTO named (name, query) VALUES
	('TPC-H Q1', 'SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)), avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM @lineitem WHERE l_shipdate <= date ''1998-12-01'' - interval ''90 days'' GROUP BY 1, 2 ORDER BY 1, 2'),
	('TPC-H Q6', 'SELECT sum(l_extendedprice * l_discount) FROM @lineitem WHERE l_shipdate >= date ''1994-01-01'' AND l_shipdate < date ''1994-01-01'' + interval ''1 year'' AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24'),
	('TPC-H Q18, inner', 'SELECT l_orderkey FROM @lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 190 ORDER BY 1'),
	('SSB Q1.1', 'SELECT sum(lo_extendedprice * lo_discount) AS revenue FROM @lineorder WHERE d_year = 1993 AND lo_discount BETWEEN 1 AND 3 AND lo_quantity < 25'),
	('SSB Q1.2', 'SELECT sum(lo_extendedprice * lo_discount) AS revenue FROM @lineorder WHERE d_yearmonthnum = 199201 AND lo_discount BETWEEN 4 AND 6 AND lo_quantity BETWEEN 26 AND 35'),
	('SSB Q1.3', 'SELECT sum(lo_extendedprice * lo_discount) AS revenue FROM @lineorder WHERE d_weeknuminyear = 6 AND d_year = 1994 AND lo_discount BETWEEN 5 AND 7 AND lo_quantity BETWEEN 26 AND 35'),
	('ClickBench 0', 'SELECT count(*) FROM @hits'),
	('ClickBench 1', 'SELECT count(*) FROM @hits WHERE advengineid <> 0'),
	('ClickBench 2', 'SELECT sum(advengineid), count(*), avg(resolutionwidth) FROM @hits'),
	('ClickBench 3', 'SELECT avg(userid) FROM @hits'),
	('ClickBench 4', 'SELECT count(DISTINCT userid) FROM @hits'),
	('ClickBench 5', 'SELECT count(DISTINCT searchphrase) FROM @hits'),
	('ClickBench 6', 'SELECT min(eventdate), max(eventdate) FROM @hits'),
	('ClickBench 7', 'SELECT advengineid, count(*) FROM @hits WHERE advengineid <> 0 GROUP BY advengineid ORDER BY count(*) DESC, 1'),
	('ClickBench 8', 'SELECT regionid, count(DISTINCT userid) AS u FROM @hits GROUP BY regionid ORDER BY u DESC, 1 LIMIT 10'),
	('ClickBench 9', 'SELECT regionid, sum(advengineid), count(*) AS c, avg(resolutionwidth), count(DISTINCT userid) FROM @hits GROUP BY regionid ORDER BY c DESC, 1 LIMIT 10'),
	('ClickBench 12', 'SELECT searchphrase, count(*) AS c FROM @hits WHERE searchphrase <> '''' GROUP BY searchphrase ORDER BY c DESC, 1 LIMIT 10'),
	('ClickBench 13', 'SELECT searchphrase, count(DISTINCT userid) AS u FROM @hits WHERE searchphrase <> '''' GROUP BY searchphrase ORDER BY u DESC, 1 LIMIT 10'),
	('ClickBench 15', 'SELECT userid, count(*) FROM @hits GROUP BY userid ORDER BY count(*) DESC, 1 LIMIT 10'),
	('ClickBench 18', 'SELECT userid, extract(minute FROM eventtime) AS m, searchphrase, count(*) FROM @hits GROUP BY userid, m, searchphrase ORDER BY count(*) DESC, 1, 2, 3 LIMIT 10'),
	('ClickBench 19', 'SELECT count(*) FROM @hits WHERE userid = 1761'),
	('ClickBench 20', 'SELECT count(*) FROM @hits WHERE url LIKE ''%example.com/88%'''),
	('ClickBench 27', 'SELECT regionid, avg(length(url)) AS l, count(*) AS c FROM @hits WHERE url <> '''' GROUP BY regionid HAVING count(*) > 100 ORDER BY l DESC, 1 LIMIT 25'),
	('ClickBench 29', 'SELECT sum(resolutionwidth), sum(resolutionwidth + 1), sum(resolutionwidth + 2), sum(resolutionwidth + 3) FROM @hits'),
	('ClickBench 31', 'SELECT watchid, clientip, count(*) AS c, sum(isrefresh), avg(resolutionwidth) FROM @hits WHERE searchphrase <> '''' GROUP BY watchid, clientip ORDER BY c DESC, 1, 2 LIMIT 10'),
	('ClickBench 42', 'SELECT date_trunc(''minute'', eventtime) AS m, count(*) FROM @hits WHERE eventdate >= ''2013-07-14'' AND eventdate <= ''2013-07-15'' AND isrefresh = 0 GROUP BY m ORDER BY m LIMIT 10');

SELECT name, done_by(replace(query, '@', 'p.')) AS pgstrom, done_by(replace(query, '@', 'a.')) AS arrow,
	   answer(replace(query, '@', 'p.')) = answer(replace(query, '@', '')) AND
	   answer(replace(query, '@', 'a.')) = answer(replace(query, '@', '')) AS same
FROM named ORDER BY id;

-- How that looks.
EXPLAIN (COSTS OFF) SELECT l_returnflag, sum(l_extendedprice * (1 - l_discount)) FROM a.lineitem WHERE l_shipdate <= date '1998-09-02' GROUP BY 1 ORDER BY 1;
-- PostgreSQL 16 and later would sort by userid too
DO $$
BEGIN
	PERFORM set_config(name, 'off', false) FROM pg_settings
	WHERE name = 'enable_presorted_aggregate';
END
$$;
EXPLAIN (COSTS OFF) SELECT regionid, count(DISTINCT userid) FROM a.hits GROUP BY regionid;
EXPLAIN (COSTS OFF) SELECT DISTINCT regionid FROM a.hits;
EXPLAIN (COSTS OFF) SELECT l_orderkey FROM a.lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 300;
EXPLAIN (COSTS OFF) SELECT count(*), sum(s) FROM (SELECT l_orderkey, sum(l_extendedprice) AS s FROM a.lineitem GROUP BY 1) g;

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA benchmarks, p, a CASCADE;
