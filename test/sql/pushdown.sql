-- Conditions evaluated where the data is: the same rows as a heap twin gives.
CREATE TABLE twin (id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8,
				   n numeric(15,2), free numeric, b bool, d date,
				   ts timestamp, tz timestamptz, t text, v varchar(20),
				   c char(5));
CREATE FOREIGN TABLE mine (id int, i2 int2, i4 int4, i8 int8, f4 float4,
						   f8 float8, n numeric(15,2), free numeric, b bool,
						   d date, ts timestamp, tz timestamptz, t text,
						   v varchar(20), c char(5))
	SERVER gstore_fdw;
INSERT INTO twin
SELECT g, g % 100 - 50, g % 1000 - 500, g::int8 * 1000000007 - 2000000000000,
	   (g % 300) / 4.0 - 20, g / 8.0 - 100, (g % 5000) / 100.0 - 20,
	   g * 1.5, g % 3 = 0, date '1998-01-01' + g % 2000,
	   timestamp '2001-02-03 04:05:06' + g * interval '1 hour',
	   timestamptz '2001-02-03 04:05:06+00' + g * interval '1 hour',
	   'text ' || g % 50, CASE g % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'bb'
									  WHEN 2 THEN '' ELSE 'long enough' END,
	   chr(65 + g % 5)
FROM generate_series(1, 3000) g;
INSERT INTO twin SELECT 10000 + g FROM generate_series(1, 10) g;
INSERT INTO twin VALUES
	(20001, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN',
	 'NaN', 'Infinity', true, 'infinity', 'infinity', 'infinity', '', '', ''),
	(20002, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity',
	 -0.01, 1e30, false, '-infinity', '-infinity', '-infinity', 'é%_\', 'é',
	 'é'),
	(20003, 0, 0, 0, '-0', 0, 0, -1e-30, NULL, '0001-01-01 BC',
	 '0001-01-01 BC', '2000-01-01', 'TEXT 7', ' ', ' ');
INSERT INTO mine SELECT * FROM twin;
DELETE FROM twin WHERE id % 17 = 0;
DELETE FROM mine WHERE id % 17 = 0;

-- Both must give the same rows, or the same error; and the plan must say that
-- the condition was pushed, all of it.
CREATE FUNCTION compare(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	results text[] := '{}';
	result text;
	relation text;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) SELECT id FROM mine WHERE ' || condition
		INTO plan;
	FOREACH relation IN ARRAY '{mine,twin}'::text[] LOOP
		BEGIN
			EXECUTE format('SELECT count(*) || '' rows '' || coalesce(md5(string_agg(id::text, '','' ORDER BY id)), '''') FROM %I WHERE %s',
						   relation, condition) INTO result;
		EXCEPTION WHEN OTHERS THEN
			result := SQLSTATE || ' ' || SQLERRM;
		END;
		results := results || result;
	END LOOP;
	RETURN CASE WHEN results[1] = results[2]
				THEN 'equal, ' || regexp_replace(results[1], 'rows .*', 'rows')
				ELSE 'DIFFERENT: ' || array_to_string(results, ' / ') END ||
		CASE WHEN plan->0->'Plan'->'Pushed Filter' IS NULL THEN ', not pushed'
			 WHEN plan->0->'Plan'->'Filter' IS NOT NULL THEN ', partly pushed'
			 ELSE '' END;
END $$;

SELECT condition, compare(condition) FROM (VALUES
	('i4 = 7'), ('i4 <> 7'), ('i4 < -100 AND i4 >= -200'), ('7 > i2'),
	('i8 > 1000'), ('i2 + i4 > 10'), ('i4 * 2 - i2 < i8'), ('i4 / 3 = 5'),
	('i4 % 7 = 3'), ('-i4 > 480'), ('abs(i4) = 12'), ('i4 / i2 > 1'),
	('i2 <> 0 AND i4 / i2 > 1'), ('i4 + 1 > 0'), ('i4::int2 > 0'),
	('i8 + 1 < 0'), ('i2 + 1::int2 > 0'),
	('CASE WHEN i2 = 0 THEN false ELSE i4 / i2 > 2 END'),
	('f8 > 10.5'), ('f8 = ''NaN'''), ('f8 < ''NaN'''), ('f4 >= 3.25'),
	('f4 = f8'), ('f4 * f8 > 100'), ('1 / f8 > 0'), ('f8 * 1e308 > 0'),
	('f8::int4 = 2'), ('i4::float8 / 3 > 1.3'), ('f8 = 0'),
	('n = 1.5'), ('n > 12.34 AND n <= 20'), ('n * 2 + 1 > 30'),
	('n - i4 < 0'), ('free > 1000.5'), ('free * free > 100'), ('n = ''NaN'''),
	('-n < 3'), ('abs(n) < 0.05'),
	('b'), ('NOT b'), ('b IS TRUE'), ('b IS NOT FALSE'), ('b IS UNKNOWN'),
	('b AND i4 > 0 OR i2 IS NULL'), ('b = (i4 > 0)'),
	('i4 IS NULL'), ('t IS NOT NULL'), ('i4 IS DISTINCT FROM 7'),
	('i4 IS NOT DISTINCT FROM NULL'), ('t IS DISTINCT FROM v'),
	('i4 IN (1, 2, 3, NULL)'), ('i4 NOT IN (1, 2, 3)'),
	('i4 NOT IN (1, NULL)'), ('t = ANY (''{text 1,text 2}'')'),
	('i4 BETWEEN 10 AND 20'), ('coalesce(i4, 7) = 7'),
	('nullif(i4, 7) IS NULL'), ('greatest(i4, i2, 3) = 3'),
	('least(f8, f4) < 0'), ('greatest(n, free) > 100'),
	('CASE i4 WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END = 3'),
	('d < ''1998-12-01'''), ('d + 30 > ''2000-01-01'''),
	('d - date ''1998-01-01'' = 10'), ('d <= date ''1998-12-01'' - interval ''90 day'''),
	('d > ts'), ('ts >= d'), ('ts < ''2001-03-01'''), ('tz > ''2001-03-01 00:00+00'''),
	('d = ''infinity'''), ('extract(year FROM d) = 1999'),
	('extract(month FROM ts) = 4'), ('extract(day FROM d) = 29'),
	('extract(quarter FROM d) = 1'), ('d + 2147483647 > ''2000-01-01'''),
	('t = ''text 7'''), ('t <> ''text 7'''), ('t < ''text 3'' COLLATE "C"'),
	('v = ''bb'''), ('v = '''''), ('c = ''A'''), ('c <> ''A  '''),
	('c >= ''C'' COLLATE "C"'), ('t LIKE ''text 1%'''),
	('t NOT LIKE ''%4_'''), ('v LIKE ''%on%en%'''), ('c LIKE ''A____'''),
	('t LIKE ''\%'''), ('t LIKE ''_\%%'''),
	('length(t) = 6'), ('length(c) = 1'), ('octet_length(v) > 2'),
	('starts_with(t, ''text 4'')'), ('c::text = ''B'''),
	('d < now()::date - 3000'), ('id % 2 = 1 AND t ~ ''9$'''),
	('random() < 2 AND i4 > 0'), ('i4 = 1 AND false')
) c (condition);

-- Parameters, also of a scan that starts over
PREPARE find (int, text) AS SELECT count(*) FROM mine WHERE i4 = $1 AND t <> $2;
SET plan_cache_mode = force_generic_plan;
EXECUTE find (7, 'x');
EXECUTE find (8, NULL);
EXPLAIN (COSTS off) EXECUTE find (7, 'x');
RESET plan_cache_mode;
SELECT g, (SELECT count(*) FROM mine WHERE i4 = g AND id > 0) AS mine,
	   (SELECT count(*) FROM twin WHERE i4 = g AND id > 0) AS twin
FROM generate_series(1, 5) g;
SELECT count(*) FROM mine WHERE i4 = (SELECT max(i2) FROM mine WHERE i4 < 20);
SELECT count(*) FROM twin WHERE i4 = (SELECT max(i2) FROM twin WHERE i4 < 20);
SELECT id FROM mine WHERE i4 > 0 ORDER BY id LIMIT 1;

-- Targets of changes
BEGIN;
UPDATE mine SET t = 'changed' WHERE i4 BETWEEN 5 AND 7;
SELECT count(*) FROM mine WHERE t = 'changed';
DELETE FROM mine WHERE i4 = 6;
SELECT count(*) FROM mine WHERE t = 'changed';
SELECT count(*) FROM mine;
ROLLBACK;

-- Arrow tables give the same answers
CREATE FOREIGN TABLE arrow (id int, i4 int4, t text)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO arrow SELECT id, i4, t FROM mine;
SELECT count(*) FROM arrow WHERE i4 = 7 AND t LIKE 'text%';
SELECT count(*) FROM mine WHERE i4 = 7 AND t LIKE 'text%';

-- A column added later is NULL in older rows
ALTER FOREIGN TABLE mine ADD COLUMN late int;
SELECT count(*) FROM mine WHERE late IS NULL;
SELECT count(*) FROM mine WHERE late = 1;

-- A condition that may leak waits for the security barrier
CREATE FUNCTION seen(int) RETURNS bool LANGUAGE plpgsql COST 1000
	AS 'BEGIN RETURN $1 > 0; END';
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM mine WHERE seen(i4);
EXPLAIN (COSTS off) SELECT id FROM barrier WHERE 1 / (i4 - 7) > 0;

SET gstore_fdw.enable_pushdown = off;
EXPLAIN (COSTS off) SELECT id FROM mine WHERE i4 = 7;
RESET gstore_fdw.enable_pushdown;
EXPLAIN (COSTS off) SELECT id FROM mine WHERE i4 = 7 AND t ~ 'x';
SET gstore_fdw.host_threads = 3;
SELECT count(*) FROM mine WHERE i4 = 7;

DROP VIEW barrier;
DROP FUNCTION seen;
DROP FOREIGN TABLE mine, arrow;
DROP TABLE twin;
DROP FUNCTION compare;
