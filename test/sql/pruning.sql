-- Blocks that are left out by the least and greatest values in them: what is
-- left out never changes an answer, and what can be left out is.
SET TimeZone = 'UTC';
CREATE SCHEMA pruning;
SET search_path = pruning, public;

-- Columns that grow with the row, so that few blocks have a value.
CREATE TABLE src AS
SELECT i AS k, (i - 100000)::int4 AS i4, (i / 10)::int2 AS i2,
	   i - 5000000000 AS i8, i::oid AS o,
	   (i - 100000) * 0.37::float8 AS f8, ((i - 100000) / 3.0)::float4 AS f4,
	   ((i - 100000)::numeric / 7)::numeric(18,4) AS n,
	   (1e30 + i * 1e20)::numeric(38,2) AS huge,
	   date '2000-01-01' + (i / 500)::int AS d,
	   timestamp '2000-01-01' + i * interval '1 hour' AS ts,
	   timestamptz '2000-01-01 00:00Z' + i * interval '1 hour' AS tz,
	   time '00:00' + i * interval '400 ms' AS t,
	   i * interval '90 min' AS iv,
	   'k' || to_char(i, 'fm0000000') COLLATE "C" AS c,
	   to_char(i, 'fm0000000')::char(9) COLLATE "C" AS bp,
	   decode(to_char(i, 'fm00000000'), 'hex') AS by,
	   (to_char(i, 'fm00000000') || '-0000-0000-0000-000000000000')::uuid AS u,
	   i > 150000 AS b,
	   CASE WHEN i > 140000 THEN i END AS half
FROM generate_series(1::int8, 200000) i;

-- The odd ones: what is first, last and equal in PostgreSQL's order.
INSERT INTO src (k, f8, f4, d, ts, tz)
VALUES (200001, 'NaN', 'NaN', 'infinity', 'infinity', 'infinity'),
	   (200002, '-0', '-Infinity', '-infinity', '-infinity', '-infinity');

CREATE FUNCTION make(name text, format text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE %I (%s) SERVER gstore_fdw OPTIONS (format %L)',
				   name,
				   (SELECT string_agg(format('%I %s', attname,
											 format_type(atttypid, atttypmod)) ||
									  CASE WHEN attcollation <> 0
										   THEN ' COLLATE "C"' ELSE '' END,
									  ', ' ORDER BY attnum)
					FROM pg_attribute
					WHERE attrelid = 'src'::regclass AND attnum > 0),
				   format);
END $$;
SELECT make('p', 'pgstrom'), make('a', 'arrow');
INSERT INTO p SELECT * FROM src;
-- Infinities have no place in Arrow.
INSERT INTO a SELECT * FROM src WHERE k <= 200000;

CREATE FUNCTION blocks_pruned(query text, OUT blocks int, OUT pruned int)
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
	plan := plan -> 0 -> 'Plan';
	WHILE plan ->> 'Node Type' <> 'Foreign Scan' LOOP
		plan := plan -> 'Plans' -> 0;
	END LOOP;
	blocks := plan ->> 'Blocks';
	pruned := plan ->> 'Blocks Pruned';
END $$;

-- Conditions whose rows lie in one or two of four blocks: pruned blocks, and
-- does the heap say the same?
CREATE TABLE conditions (n serial, condition text);
INSERT INTO conditions (condition) VALUES
	('k = 70000'), ('70000 = k'), ('k BETWEEN 70000 AND 70010'),
	('k < 100'), ('k >= 199990'), ('k > 199990 AND i4 < 100000'),
	('k IN (5, 6, 70000)'), ('k = ANY (ARRAY[7, NULL, 8]::int8[])'),
	('k = 5 OR k = 199000'), ('(k = 5 AND f8 < 0) OR n = 0.5714'),
	('i4 = -1'), ('i4 = -1::int8'), ('i4 <= (-99990)::int8'), ('i2 = 7000'),
	('i8 = -4999999999'), ('o = 70000'), ('o > 199990'),
	('f8 = 0.37'), ('f8 < -36990'), ('f8 = ''NaN'''), ('f8 = 0'),
	('f4 > 33000::float8'), ('f4 = ''-Infinity'''),
	('n = 14.2857'), ('n < -14280'), ('n > 14280'), ('n = 100'),
	('n = 100.00001'), ('huge = 1e30 + 1e20'), ('huge < 1e30 + 10e20'),
	('d = ''2000-01-02'''), ('d < timestamp ''2000-01-02 12:00'''),
	('d > date ''2001-01-01'' + interval ''30 days'''), ('d = ''infinity'''),
	('ts < ''2000-01-02'''), ('ts < date ''2000-01-02'''),
	('ts = ''-infinity'''), ('tz < ''2000-01-02 00:00Z'''),
	('t < ''00:01'''), ('t > ''22:12'''),
	('iv = ''90 min'''), ('iv > ''12490 days'''), ('iv = ''1 mon'''),
	('c = ''k0070000'''), ('c > ''k0199990'''), ('c LIKE ''k00700%'''),
	('c LIKE ''k0199_9%'''), ('bp = ''0070000'''), ('bp < ''0000010'''),
	('by = ''\x00070000'''), ('by < ''\x00000100'''),
	('u = ''00070000-0000-0000-0000-000000000000'''),
	('NOT b'), ('b'), ('half IS NULL AND k < 1000'),
	('half IS NOT NULL'), ('half = 199000'), ('half < 10'),
	('k = NULL'), ('k = (SELECT 70000)'), ('random() < 2 AND k = 70000');

CREATE FUNCTION check_conditions(name text, most text)
RETURNS TABLE (condition text, pruned int, heap int8, ours int8)
LANGUAGE plpgsql AS $$
BEGIN
	FOR condition IN SELECT c.condition FROM conditions c ORDER BY n LOOP
		EXECUTE format('SELECT count(*) FROM src WHERE (%s) AND %s',
					   condition, most) INTO heap;
		EXECUTE format('SELECT count(*) FROM %I WHERE %s', name, condition)
			INTO ours;
		SELECT b.pruned INTO pruned
		FROM blocks_pruned(format('SELECT * FROM %I WHERE %s',
								  name, condition)) b;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM check_conditions('p', 'true');
-- The same from the other format; what differs is shown.
SELECT * FROM check_conditions('a', 'k <= 200000') WHERE heap <> ours;
SELECT p.condition, p.pruned, a.pruned
FROM check_conditions('p', 'true') p JOIN check_conditions('a', 'true') a
	USING (condition)
WHERE p.pruned > a.pruned ORDER BY 1;

-- Where PostgreSQL orders otherwise than bytes, only equality helps.
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE c < ''k0000010'' COLLATE "en-x-icu"');
SELECT count(*) FROM p WHERE c < 'k0000010' COLLATE "en-x-icu";
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE c = ''k0000010'' COLLATE "en-x-icu"');
-- What timestamp a timestamptz is depends on the session, and an hour may come
-- twice.
CREATE TABLE zoned (condition text);
INSERT INTO zoned VALUES ('tz < timestamp ''2000-01-02'''), ('tz >= date ''2022-10-20'''),
	('date ''2000-01-03'' >= tz'), ('tz = timestamp ''2001-10-28 01:30'''), ('ts < timestamptz ''2000-01-02 12:00Z'''),
	('ts = timestamptz ''2001-10-28 05:30Z'''), ('ts = timestamptz ''2001-10-28 06:30Z'''), ('d > timestamptz ''2001-01-31 00:00Z'''),
	('d = timestamptz ''2000-01-05 05:00Z'''), ('tz < date ''infinity'' AND k < 1000'), ('d < timestamptz ''-infinity'''),
	('ts <= timestamptz ''294276-12-31 23:59:59Z'''), ('tz > date ''5874897-12-31''');
SET TimeZone = 'America/New_York';
SELECT condition, b.pruned, gstore_count = heap_count AS same FROM zoned,
	blocks_pruned('SELECT * FROM p WHERE ' || condition) b,
	LATERAL (SELECT (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM p WHERE ' || condition, true, true, '')))[1]::text AS gstore_count,
		(xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM src WHERE ' || condition, true, true, '')))[1]::text AS heap_count) c;
SET TimeZone = 'UTC';

-- Off is off.
SET gstore_fdw.enable_pruning = off;
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE k = 70000');
RESET gstore_fdw.enable_pruning;

-- min and max of a whole column read the blocks that may hold them: all there
-- is where a column has few values, and one where it has many.
CREATE FUNCTION extremes(relation regclass)
RETURNS TABLE (columns text, same boolean, blocks int, pruned int) LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	expected text;
BEGIN
	FOREACH columns IN ARRAY '{k,i4,i2,i8,f8,f4,n,huge,d,ts,tz,t,half,"k,half","f8,n,d"}'::text[] LOOP
		SELECT string_agg(format('min(%1$I), max(%1$I)', c), ', ') INTO answer
		FROM string_to_table(columns, ',') c;
		expected := format('SELECT (%s)::text FROM src WHERE %s', 'ROW(' || answer || ')',
						   CASE WHEN relation = 'a'::regclass THEN 'k <= 200000' ELSE 'true' END);
		answer := format('SELECT (%s)::text FROM %s', 'ROW(' || answer || ')', relation);
		SELECT * FROM blocks_pruned(answer) INTO blocks, pruned;
		EXECUTE answer INTO answer;
		EXECUTE expected INTO expected;
		same := answer = expected;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM extremes('p');
SELECT * FROM extremes('a') WHERE NOT same OR pruned = 0;
SELECT * FROM blocks_pruned('SELECT min(k + 1) FROM p');
SELECT * FROM blocks_pruned('SELECT min(k), count(*) FROM p');
SELECT * FROM blocks_pruned('SELECT min(k) FILTER (WHERE b) FROM p');
SET gstore_fdw.enable_pruning = off;
SELECT * FROM blocks_pruned('SELECT min(k) FROM p');
RESET gstore_fdw.enable_pruning;
-- What is gone is not the least, nor is what others have not committed.
BEGIN;
DELETE FROM p WHERE k <= 40000 OR k > 150000;
SELECT min(k), max(k), min(i4), max(ts) FROM p;
SELECT min(half), max(half) FROM p;
INSERT INTO p (k, i4) VALUES (-1, 5000000);
SELECT min(k), max(k), min(i4), max(i4), max(half) FROM p;
SAVEPOINT s;
INSERT INTO p (k) VALUES (-2);
SELECT min(k) FROM p;
ROLLBACK TO s;
SELECT min(k) FROM p;
DELETE FROM p;
SELECT min(k), max(f8) FROM p;
ROLLBACK;
SELECT min(k), max(k) FROM p;

-- Parameters: the plan is made once, each execution and each rescan prunes.
PREPARE q(int8) AS SELECT count(*) FROM p WHERE k BETWEEN $1 AND $1 + 9;
SET plan_cache_mode = force_generic_plan;
EXECUTE q(70000);
EXECUTE q(199991);
EXECUTE q(NULL);
SELECT x, (SELECT count(*) FROM p WHERE k = x OFFSET 0)
FROM unnest(ARRAY[1, 70000, 200000, NULL, 300000]::int8[]) x;

-- A column that came later is NULL in older chunks.
ALTER FOREIGN TABLE p ADD COLUMN late int;
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE late = 1');
INSERT INTO p (k, late) SELECT i, i FROM generate_series(1, 2000) i;
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE late = 1');
SELECT k FROM p WHERE late = 1;
SELECT * FROM blocks_pruned('SELECT * FROM p WHERE late IS NULL AND k = 70000');

-- Changes see the same rows.
DELETE FROM p WHERE k BETWEEN 70000 AND 70009;
UPDATE p SET i4 = 7 WHERE k = 199999 RETURNING k, i4;
SELECT count(*) FROM p WHERE k BETWEEN 69999 AND 70010;
SELECT gstore_compact('p') >= 0 AS compacted;
SELECT count(*) FROM p WHERE k BETWEEN 69999 AND 70010;
SELECT k FROM p WHERE i4 = 7 ORDER BY k;

\set VERBOSITY terse
DROP SCHEMA pruning CASCADE;
