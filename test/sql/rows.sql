-- Rows in and out: every way SQL has, against what an ordinary table does.
SET datestyle = 'ISO, YMD';

CREATE FOREIGN TABLE g (
	id int, b bool, i2 int2, i8 int8, f4 float4, f8 float8, d date,
	t time, ts timestamp, tz timestamptz, c "char", n numeric(12,2), u uuid,
	x text, v varchar(10), p char(5), y bytea)
	SERVER gstore_fdw;
CREATE TABLE h (LIKE g);

SELECT count(*) FROM g;
INSERT INTO g DEFAULT VALUES;
SELECT * FROM g;

\echo -- the same rows in both
INSERT INTO h SELECT i, i % 2 = 0, i - 500, i * 1000000007::int8, i / 3.0,
	sqrt(i), date '2000-01-01' + i, time '00:00' + i * interval '1 s',
	timestamp '1999-12-31' + i * interval '1 h',
	timestamptz '2001-01-01 00:00+00' + i * interval '1 min',
	chr(65 + i % 26)::"char", i / 7.0, md5(i::text)::uuid,
	repeat(chr(97 + i % 26), i % 50), (i % 17)::text, (i % 5)::text,
	decode(md5(i::text), 'hex')
FROM generate_series(1, 3000) i;
UPDATE h SET x = NULL, f8 = NULL, n = NULL WHERE id % 3 = 0;
UPDATE h SET id = NULL, b = NULL, u = NULL WHERE id % 7 = 0;
INSERT INTO h DEFAULT VALUES;
INSERT INTO g SELECT * FROM h WHERE p IS NOT NULL;
SELECT count(*) FROM g;
SELECT count(*) FROM ((TABLE g EXCEPT ALL TABLE h) UNION ALL
	(TABLE h EXCEPT ALL TABLE g)) differing;

\echo -- in the order they came
SELECT id, n, v FROM g LIMIT 4 OFFSET 1;

\echo -- VALUES, RETURNING, DEFAULT
CREATE SEQUENCE s;
CREATE FOREIGN TABLE r (k int NOT NULL DEFAULT nextval('s'), w text DEFAULT 'none',
	CONSTRAINT positive CHECK (k > 0)) SERVER gstore_fdw;
INSERT INTO r VALUES (DEFAULT, 'one'), (DEFAULT, DEFAULT), (10, NULL)
RETURNING *;
INSERT INTO r (w) SELECT 'again' FROM r RETURNING k, upper(w) AS upper;
INSERT INTO r VALUES (NULL, 'no');
INSERT INTO r VALUES (-1, 'no');
SELECT * FROM r ORDER BY k;

\echo -- COPY
COPY r FROM STDIN WITH (FORMAT csv);
20,twenty
21,"a ""quoted"" one"
22,
\.
COPY r (w) FROM STDIN;
generated
\N
\.
COPY r FROM STDIN;
-5	refused
\.
COPY r FROM STDIN;
\N	refused
\.
COPY (SELECT * FROM r ORDER BY k) TO STDOUT;
COPY (TABLE r) TO STDOUT WITH (FORMAT csv, HEADER);
\echo -- which core refuses for every foreign table
COPY r TO STDOUT;

\echo -- rescan, cursors, prepared statements, joins with ordinary tables
SELECT h.id, (SELECT count(*) FROM r WHERE r.k < h.id) FROM h
WHERE h.id IN (5, 11, 22) ORDER BY 1;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT k, w FROM r;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
MOVE LAST IN c;
FETCH PRIOR FROM c;
COMMIT;
PREPARE q(int) AS SELECT w FROM r WHERE k = $1;
EXECUTE q(20);
EXECUTE q(21);
DEALLOCATE q;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*), sum(a.k) FROM r a JOIN r b ON a.k = b.k;
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT count(*) FROM g JOIN h USING (id, x);

\echo -- whole rows, system columns
SELECT r FROM r WHERE k = 10;
SELECT tableoid::regclass, k FROM r WHERE k = 10;

\echo -- EXPLAIN
EXPLAIN (VERBOSE, COSTS OFF) SELECT k FROM r WHERE w = 'none';
-- 18 prints fractions of rows, and buffers
CREATE FUNCTION explain_analyze(query text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE
		'EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query
	LOOP
		RETURN NEXT regexp_replace(line, 'rows=(\d+)\.00', 'rows=\1');
	END LOOP;
END $$;
SELECT explain_analyze('SELECT w FROM r');
DROP FUNCTION explain_analyze;
EXPLAIN (VERBOSE, COSTS OFF) INSERT INTO r VALUES (1, 'x');

\echo -- several chunks, and one row that is larger than one
SET gstore_fdw.chunk_size = '64kB';
CREATE FOREIGN TABLE many (i int, t text) SERVER gstore_fdw;
INSERT INTO many SELECT i, md5(i::text) FROM generate_series(1, 20000) i;
SELECT count(*) > 5 AS several FROM pgstrom.gstore_fdw_chunk_info
WHERE table_oid = 'many'::regclass;
INSERT INTO many VALUES (0, repeat('x', 1000000));
SELECT count(*), sum(i), count(DISTINCT t), max(length(t)) FROM many;
SELECT string_agg(i::text, ' ') FROM (SELECT i FROM many LIMIT 3 OFFSET 10000) o;
RESET gstore_fdw.chunk_size;

DROP FOREIGN TABLE g, r, many;
DROP TABLE h;
DROP SEQUENCE s;
