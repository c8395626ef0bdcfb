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

DROP FOREIGN TABLE pgstrom, arrow;
DROP TABLE twin;
DROP FUNCTION compare;
