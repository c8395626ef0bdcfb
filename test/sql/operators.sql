-- Every operator of the engine, on both formats, beside a heap twin: NULLs,
-- edge values, overflow; the plan must say that all of it was pushed, and the
-- execution that PostgreSQL was not asked again.
SET timezone = 'UTC';
CREATE TABLE twin (id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8,
				   n numeric(20,4), m numeric(12,2), b bool, d date,
				   tm time, ts timestamp, tz timestamptz, iv interval,
				   t text, v varchar(40), c char(6), u uuid, o oid);
CREATE FOREIGN TABLE pgstrom (id int, i2 int2, i4 int4, i8 int8, f4 float4,
				   f8 float8, n numeric(20,4), m numeric(12,2), b bool, d date,
				   tm time, ts timestamp, tz timestamptz, iv interval,
				   t text, v varchar(40), c char(6), u uuid, o oid)
	SERVER gstore_fdw;
CREATE FOREIGN TABLE arrow (id int, i2 int2, i4 int4, i8 int8, f4 float4,
				   f8 float8, n numeric(20,4), m numeric(12,2), b bool, d date,
				   tm time, ts timestamp, tz timestamptz, iv interval,
				   t text, v varchar(40), c char(6), u uuid, o oid)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO twin
SELECT g, g % 200 - 100, g * 37 % 2001 - 1000, g::int8 * 1000000007 - 1500000000000,
	   (g % 300) / 4.0 - 20, g / 8.0 - 100, (g * 7919 % 100000) / 10000.0 - 4,
	   (g % 5000) / 100.0 - 20, g % 3 = 0, date '1998-01-01' + g % 2000,
	   time '00:00' + g * interval '17 minutes 3.25 s',
	   timestamp '2000-02-25 04:05:06.5' + g * interval '19 hours',
	   timestamptz '1999-12-30 04:05:06+00' + g * interval '7 hours',
	   make_interval(months => g % 14, days => g % 40 - 20, secs => g % 90000),
	   'text ' || g % 50, repeat(chr(97 + g % 26), g % 11),
	   CASE g % 4 WHEN 0 THEN 'Äö' ELSE chr(65 + g % 5) || 'x' END,
	   md5(g::text)::uuid, g * 3
FROM generate_series(1, 2500) g;
INSERT INTO twin (id) SELECT 10000 + g FROM generate_series(1, 10) g;
INSERT INTO twin VALUES
	(20001, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN',
	 -9999999999999999.9999, -9999999999.99, true, '4713-11-24 BC', '00:00',
	 '4713-11-24 00:00:00 BC', '4713-11-24 00:00:00+00 BC', '-10 years',
	 '', '', '', '00000000-0000-0000-0000-000000000000', 0),
	(20002, 32767, 2147483647, 9223372036854775807, 'Infinity', '-Infinity',
	 9999999999999999.9999, 9999999999.99, false, '5874897-12-31',
	 '23:59:59.999999', '294246-12-31 23:59:59.999999',
	 '294246-12-31 23:59:59.999999+00', '178000000 years', 'é%_\ÄB', 'é', 'é',
	 'ffffffff-ffff-ffff-ffff-ffffffffffff', 4294967295),
	(20003, 0, 0, 0, '-0', 0, 0, 0, NULL, '0001-12-31 BC', '12:00',
	 '0001-12-31 23:59:59.999999 BC', '2000-01-01 00:00+00', '0', 'TEXT 7',
	 ' ', ' ', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 7),
	(20004, 1, -1, 1, 1e-30, 1e-300, 0.0001, 0.01, true, '2000-02-29',
	 '00:00:00.000001', '2000-02-29 12:34:56.789', '2000-02-29 00:00+00',
	 '1 mon -30 days', repeat('compressible ', 500), 'ÀÉ', 'abc   ',
	 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 2147483648);
INSERT INTO pgstrom SELECT * FROM twin;
INSERT INTO arrow SELECT * FROM twin;
DELETE FROM twin WHERE id % 17 = 0;
DELETE FROM pgstrom WHERE id % 17 = 0;
DELETE FROM arrow WHERE id % 17 = 0;

-- How many rows, or which error; DIFFERENT when a twin disagrees.
CREATE FUNCTION compare(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan json;
	expected text;
	result text;
	relation text;
	remarks text := '';
BEGIN
	FOREACH relation IN ARRAY '{twin,pgstrom,arrow}'::text[] LOOP
		BEGIN
			EXECUTE format('SELECT count(*) || '' '' || coalesce(md5(string_agg(id::text, '','' ORDER BY id)), '''') FROM %I WHERE %s',
						   relation, condition) INTO result;
			IF relation <> 'twin' THEN
				EXECUTE format('EXPLAIN (ANALYZE, COSTS off, TIMING off, FORMAT json) SELECT id FROM %I WHERE %s',
							   relation, condition) INTO plan;
				plan := plan->0->'Plan';
				IF plan->'Pushed Filter' IS NULL THEN
					remarks := remarks || ', not pushed';
				ELSIF plan->'Filter' IS NOT NULL THEN
					remarks := remarks || ', partly pushed';
				END IF;
				IF plan->'Rows Rechecked' IS NOT NULL THEN
					remarks := remarks || ', ' || relation || ' rechecked ' || (plan->>'Rows Rechecked');
				END IF;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			result := SQLSTATE || ' ' || SQLERRM;
		END;
		IF relation = 'twin' THEN
			expected := result;
		ELSIF result <> expected THEN
			remarks := remarks || ' DIFFERENT: ' || relation || ' ' || result;
		END IF;
	END LOOP;
	RETURN regexp_replace(expected, '^(\d+) \w*$', '\1 rows') || remarks;
END $$;

-- Every type as both formats keep it
SELECT condition, compare(condition) FROM (VALUES
	('b'), ('b IS NOT TRUE'), ('b = (i4 > 0)'),
	('n = 0'), ('n > 3.99'), ('n = 9999999999999999.9999'), ('n + m > 1'),
	('m < -19.5 OR m IS NULL'),
	('d = ''2000-02-29'''), ('d < ''1998-02-01'''), ('d >= ''5874897-12-31'''),
	('tm > ''23:00'''), ('tm = ''23:59:59.999999'''), ('tm <= ''00:00:00.000001'''),
	('ts < ''2000-03-01'''), ('ts > ''2100-01-01'''), ('d > ts'),
	('tz >= ''2000-02-29 00:00+00'' AND tz < ''2000-03-01 00:00+00'''),
	('iv = ''1 month'''), ('iv < ''-5 days'''), ('iv > ''1000 years'''),
	('iv <> ''0'''), ('iv BETWEEN ''1 day'' AND ''5 days'''), ('iv >= ''13 months'''),
	('t = ''text 7'''), ('t LIKE ''compress%'''), ('t < ''text 2'' COLLATE "C"'),
	('length(t) > 100'), ('v = '''''), ('v = ''ccc'''), ('c = ''Äö'''), ('c > ''D'' COLLATE "C"'),
	('u = ''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'''), ('u <> ''ffffffff-ffff-ffff-ffff-ffffffffffff'''),
	('u < ''10000000-0000-0000-0000-000000000000'''), ('u >= ''f0000000-0000-0000-0000-000000000000'''),
	('o = 7'), ('o > 2147483647'), ('o < 30'), ('o IS DISTINCT FROM 7'),
	('i2 = 7 AND f4 > 0'), ('i8 < 0 AND f8 < 0'),
	('greatest(u, ''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'') = u'),
	('least(iv, interval ''1 day'') < ''0'''), ('nullif(o, 7) IS NULL'),
	('coalesce(iv, ''1 day'') = ''1 day''')
) q (condition);

-- numeric: division with its scales, remainder, rounding, casts
SELECT condition, compare(condition) FROM (VALUES
	('n / m > 1'), ('n / 3 = 0.3333333333333333'), ('m <> 0 AND n / m < 0.5'),
	('n / 7.00 > 0.5'), ('(n / 3)::text LIKE ''0.3%'''), ('m / 0.0001 > 100'),
	('n / 9999999999999999.9999 > 0'), ('1 / (n + 100) < 0.0098'),
	('CASE WHEN n = 0 THEN false ELSE 1000000 / n > 1 END'),
	('n % 2 = 1'), ('m % 0.5 > 0.3'), ('n % 0 = 1'), ('round(n, 1) = 1.5'),
	('round(m) = 3'), ('n::int4 = 2'), ('n::int2 < -3'), ('id < 2600 AND n::int2 < -3'), ('id < 2600 AND n::int4 = 2'), ('m::int8 = 0'),
	('n::float8 > 5.5'), ('m > f8'), ('n + i4 > 990'), ('-n > 3.99')
) q (condition);

-- Dates, times, intervals
SELECT condition, compare(condition) FROM (VALUES
	('d + interval ''1 month'' = ''2000-03-29'''), ('ts - interval ''1 year 2 mons 3 days 04:05:06.7'' > ''2000-02-28'''),
	('ts + iv > ''2001-01-01'''), ('ts - iv < ''1999-01-01'''), ('id < 2600 AND ts + iv > ''2001-01-31 12:00'''),
	('id < 2600 AND d - iv > ''2001-01-31 12:00'''), ('id < 2600 AND iv + d < ''1998-01-31'''),
	('ts + interval ''178000000 years'' > ts'), ('tm + interval ''3 hours'' > ''22:00'''),
	('tm - iv < ''01:00'''), ('tm - ''12:00'' > interval ''10 hours'''),
	('id < 2600 AND ts - ''2000-02-29'' > interval ''500 days'''), ('id < 2600 AND tz - ''2000-02-29'' < ''0'''),
	('iv + iv > ''2 years'''), ('iv + interval ''178000000 years'' > ''0'''), ('iv - interval ''1 day'' < ''0'''),
	('-iv > ''10 days'''), ('ts::date = ''2000-02-29'''), ('ts::time > ''23:30'''),
	('extract(year FROM ts) = 2001'), ('extract(year FROM d) < 0'), ('extract(month FROM d) = 2'),
	('extract(day FROM ts) = 31'), ('extract(hour FROM ts) = 23'), ('extract(minute FROM tm) = 17'),
	('extract(second FROM tm) = 59.999999'), ('extract(milliseconds FROM ts) > 59000'),
	('extract(microseconds FROM tm) = 1'), ('extract(quarter FROM d) = 4'), ('extract(week FROM d) = 53'),
	('extract(isoyear FROM d) <> extract(year FROM d)'), ('extract(dow FROM d) = 0'), ('extract(isodow FROM ts) = 7'),
	('extract(doy FROM ts) = 366'), ('extract(decade FROM d) = 200'), ('extract(century FROM d) = 20'),
	('extract(millennium FROM ts) = 3'), ('extract(epoch FROM ts) > 1000000000'), ('extract(epoch FROM d) = 951782400'),
	('extract(epoch FROM tm) < 0.5'), ('extract(epoch FROM tz) = 951782400'), ('extract(hour FROM d) = 1'),
	('date_part(''second'', ts) = 6.5'), ('date_part(''year'', d) = 2002'), ('date_part(''epoch'', tm) > 86399'),
	('date_trunc(''month'', ts) = ''2000-03-01'''), ('date_trunc(''week'', ts) = ''2000-02-28'''),
	('date_trunc(''quarter'', ts) = ''2001-04-01'''), ('date_trunc(''year'', ts) < ''2000-01-01'''),
	('date_trunc(''hour'', ts) = ts - interval ''5 minutes 6.5 seconds'''), ('date_trunc(''century'', ts) = ''1901-01-01'''),
	('date_trunc(''decade'', ts) = ''2000-01-01'''),
	('id < 2600 AND date_trunc(''century'', ts) = ''2001-01-01'''), ('id < 2600 AND date_trunc(''decade'', ts) = ''2000-01-01'''),
	('id < 2600 AND date_part(''year'', d) = 2002'), ('id < 2600 AND d + interval ''1 month'' = ''2000-03-29'''),
	('id < 2600 AND ts - interval ''1 year 2 mons 3 days 04:05:06.7'' > ''2000-02-28'''), ('id < 2600 AND ts - iv < ''2000-03-01''')
) q (condition);

-- Text
SELECT condition, compare(condition) FROM (VALUES
	('t ILIKE ''TEXT 1%'''), ('t NOT ILIKE ''%T 4_'''), ('v ilike ''A%'' COLLATE "C"'), ('t ILIKE ''é%'''),
	('substring(t FROM 6) = ''7'''), ('substring(t FROM 2 FOR 3) = ''ext'''), ('substr(t, 0, 3) = ''te'''),
	('substring(t FROM -5 FOR 3) = '''''), ('substring(t FROM 2 FOR -1) = '''''), ('substring(v FROM 1 FOR 1) = ''é'''),
	('substring(t FROM 3 FOR 2147483647) = ''xt 7'''), ('char_length(v) = 1'), ('length(t) = 6000'),
	('starts_with(t, ''text 4'')'), ('t = ANY (ARRAY(SELECT ''text '' || g FROM generate_series(1, 100, 2) g))')
) q (condition);

-- Lists, short and long
SELECT left(condition, 40) AS condition, compare(condition) FROM (
	SELECT format(c, l) FROM (VALUES
		('i4 IN (%s)'), ('i4 NOT IN (%s)'), ('i2 IN (%s, NULL)'), ('i8 NOT IN (%s, NULL)'),
		('o IN (%s)'), ('o = ANY (ARRAY[%s]::oid[])'), ('t IN (''text 7'', ''%s'')'), ('i8 = ANY (ARRAY[%s]::int8[])')) q (c),
		(SELECT string_agg(g::text, ',') AS l FROM generate_series(-50, 150, 2) g WHERE g <> 0) s
	WHERE c NOT LIKE 'o%%'
	UNION ALL
	SELECT format(c, l) FROM (VALUES
		('t IN (%s)'), ('t NOT IN (%s)'), ('v <> ALL (ARRAY[%s, NULL])')) q (c),
		(SELECT string_agg(quote_literal('text ' || g), ',') AS l FROM generate_series(0, 200, 2) g) s
	UNION ALL
	SELECT format(c, l) FROM (VALUES ('d IN (%s)'), ('d NOT IN (%s)'), ('ts = ANY (ARRAY[%s]::timestamp[])')) q (c),
		(SELECT string_agg(quote_literal(date '1998-01-01' + g), ',') AS l FROM generate_series(0, 200, 2) g) s
	UNION ALL
	SELECT format('o IN (%s)', string_agg(g::text, ',')) FROM generate_series(0, 300, 2) g
) q (condition);

-- Parameters, also of a scan that starts over
SET plan_cache_mode = force_generic_plan;
PREPARE find (int[], interval, numeric) AS
	SELECT count(*) FROM arrow WHERE i4 = ANY ($1) AND ts + $2 > '2000-06-01' AND n / $3 > 0.1;
EXECUTE find ('{1,2,3,5,8,13}', '1 month', 2);
EXECUTE find (string_to_array(repeat('5,', 70) || '7', ',')::int[], '1 month', 2);
EXECUTE find (NULL, '1 month', 2);
EXECUTE find ('{1}', '1 month', 0);
EXPLAIN (COSTS off) EXECUTE find ('{1}', '1 month', 0);
RESET plan_cache_mode;
SELECT g, (SELECT count(*) FROM pgstrom WHERE i4 = ANY (g)) AS mine,
	   (SELECT count(*) FROM twin WHERE i4 = ANY (g)) AS twin
FROM (VALUES ('{1}'::int[]), ('{2,3}'), ('{}'), (NULL)) q (g);

DROP FOREIGN TABLE pgstrom, arrow;
DROP TABLE twin;
DROP FUNCTION compare;
