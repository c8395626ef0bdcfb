-- Tables in the format arrow: every kind of column, against a heap twin.
SET datestyle = 'ISO, YMD';
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN small AS int CHECK (VALUE < 100000);
CREATE FOREIGN TABLE g (
	id int, b bool, bb bool OPTIONS (bool 'byte'), i2 int2, i8 int8,
	f4 float4, f8 float8, o oid, d date, t time, ts timestamp, tz timestamptz,
	iv interval, n numeric(12,2), n2 numeric OPTIONS (scale '4'), u uuid,
	x text, v varchar(10), p char(5), y bytea, nm name, j json, jb jsonb,
	e mood, pr pair, ar int[], ta text[], r int4range, ip inet, pt point,
	dm small, bs bit varying(8), ct "char", ttz timetz)
	SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE TABLE h (LIKE g);
INSERT INTO h SELECT i, i % 2 = 0, i % 3 = 0, i - 500, i * 1000000007::int8,
	i / 3.0, sqrt(i), (i * 1000003::bigint % 4294967295)::oid,
	date '1969-12-01' + i, time '00:00' + i * interval '1.000001 s',
	timestamp '1969-12-31' + i * interval '1 h',
	timestamptz '1969-01-01 00:00+00' + i * interval '1 min',
	make_interval(months => i % 30, days => i % 40 - 20, secs => i * 1.5),
	i / 7.0, (-i / 10000.0)::numeric(38,4), md5(i::text)::uuid,
	repeat(chr(97 + i % 26), i % 50), (i % 17)::text, (i % 5)::text,
	decode(md5(i::text), 'hex'), 'name' || i, format('{"k": %s}', i)::json,
	format('{"k": [%s, null]}', i)::jsonb,
	(ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood, (i, 'p' || i)::pair,
	ARRAY[i, NULL, i + 1], ARRAY['a', 'b,' || i], int4range(i, i + 10),
	('10.0.0.' || i % 256)::inet, point(i, i / 2.0), i, (i % 256)::bit(8)::varbit,
	chr(65 + i % 26)::"char", timetz '12:00+01' + i * interval '1 s'
FROM generate_series(1, 2000) i;
UPDATE h SET x = NULL, f8 = NULL, n = NULL, jb = NULL, ar = NULL, b = NULL WHERE id % 3 = 0;
UPDATE h SET b = NULL, u = NULL, d = NULL, iv = NULL, e = NULL, pr = NULL, y = NULL WHERE id % 7 = 0;
INSERT INTO h DEFAULT VALUES;
INSERT INTO g SELECT * FROM h;
CREATE FUNCTION same() RETURNS boolean LANGUAGE sql AS $$
	SELECT NOT EXISTS ((SELECT g::text FROM g EXCEPT ALL SELECT h::text FROM h)
		UNION ALL (SELECT h::text FROM h EXCEPT ALL SELECT g::text FROM g)) $$;
SELECT same();
SELECT format, nitems FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = 'g'::regclass;
SELECT gstore_fdw_format('g'), gstore_fdw_nitems('g');
SELECT * FROM g WHERE id = 42;

\echo -- changes, merges
UPDATE g SET x = 'changed', ar = ar || 7 WHERE id BETWEEN 10 AND 20;
UPDATE h SET x = 'changed', ar = ar || 7 WHERE id BETWEEN 10 AND 20;
DELETE FROM g WHERE id % 5 = 1;
DELETE FROM h WHERE id % 5 = 1;
SELECT same();
SELECT gstore_compact('g') > 0 AS won;
SELECT same();
ANALYZE g;
SELECT attname, n_distinct FROM pg_stats WHERE tablename = 'g' AND attname IN ('e', 'b') ORDER BY 1;

\echo -- what Arrow cannot hold is refused, with the way out
INSERT INTO g (n) VALUES ('NaN');
INSERT INTO g (ts) VALUES ('infinity');
INSERT INTO g (d) VALUES ('-infinity');
INSERT INTO g (n2) VALUES (1.00001);
SELECT same();
CREATE FOREIGN TABLE bad (n numeric) SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO bad VALUES (1);
DROP FOREIGN TABLE bad;

\echo -- settings of the session do not change what is stored
SET datestyle = 'German';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -3;
CREATE TYPE stamped AS (at timestamptz, f float8);
CREATE FOREIGN TABLE s (a stamped) SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO s VALUES (ROW('02.03.2001 04:05:06+00', 0.1::float8 + 0.2)::stamped);
RESET datestyle;
RESET intervalstyle;
RESET extra_float_digits;
SELECT (a).at = '2001-03-02 04:05:06+00' AS same_time, (a).f = 0.1::float8 + 0.2 AS same_float FROM s;
SHOW extra_float_digits;

\echo -- from one format to the other; a table whose format changes
CREATE FOREIGN TABLE c (id int, x text, n numeric(12,2), ar int[]) SERVER gstore_fdw;
INSERT INTO c SELECT id, x, n, ar FROM g;
ALTER FOREIGN TABLE c OPTIONS (ADD format 'arrow');
INSERT INTO c SELECT id, x, n, ar FROM g;
SELECT DISTINCT format FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = 'c'::regclass ORDER BY 1;
SELECT count(*), count(DISTINCT (id, x, n, ar)) FROM c;
SELECT count(*) FROM (SELECT id, x, n, ar FROM c EXCEPT SELECT id, x, n, ar FROM h) d;

\echo -- 64-bit offsets
CREATE FOREIGN TABLE l (x text, y bytea) SERVER gstore_fdw OPTIONS (format 'arrow', large_text 'on');
INSERT INTO l SELECT x, y FROM h;
SELECT count(*) FROM (SELECT x, y FROM l EXCEPT SELECT x, y FROM h) d;

DROP FOREIGN TABLE g, s, c, l;
DROP TABLE h;
DROP FUNCTION same();
DROP TYPE mood, pair, stamped;
DROP DOMAIN small;
