-- Every operator, function and cast that the engine has, on rows with edge
-- values, of both formats: the value is the heap's, bit for bit, or the error;
-- all of it was pushed.  operators.sql has conditions as people write them.
CREATE SCHEMA every_operator;
SET search_path = every_operator, public;
SET timezone = 'America/New_York';
SET extra_float_digits = 1;
SET datestyle = 'ISO, YMD';
CREATE TABLE h (id int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8,
	n numeric(20,4), m numeric(12,2), b bool, d date, tm time, ts timestamp,
	tz timestamptz, iv interval, t text COLLATE "C", v varchar(40) COLLATE "C",
	c char(6) COLLATE "C", u uuid, o oid);
INSERT INTO h VALUES
	(1, 0, 0, 0, 0, 0, 0, 0, false, '2000-01-01', '00:00', '2000-01-01 00:00',
	 '2000-01-01 00:00-05', '0', '', '', '', '00000000-0000-0000-0000-000000000000', 0),
	(2, 1, 1, 1, 1, 1, 1, 1, true, '2000-02-29', '00:00:00.000001', '2000-02-29 12:34:56.789',
	 '2000-02-29 12:34:56.789-05', '1 mon', 'a', 'a', 'a', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1),
	(3, -1, -1, -1, -1, -1, -1, -1, false, '1999-12-31', '23:59:59.999999', '1999-12-31 23:59:59.999999',
	 '1999-12-31 23:59:59.999999-05', '-1 mon -2 days -03:04:05.678901', 'Ab%_', 'ab', 'Ab', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 7),
	(4, 32767, 2147483647, 9223372036854775807, '3.4028235e38', '1.7976931348623157e308',
	 9999999999999999.9999, 9999999999.99, true, '5874897-12-31', '12:00', '294246-12-31 23:59:59.999999',
	 '294246-12-31 23:59:59.999999+00', '178000000 years', 'é%_\ÄB', 'é', 'é', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', 4294967295),
	(5, -32768, -2147483648, -9223372036854775808, '-3.4028235e38', '-1.7976931348623157e308',
	 -9999999999999999.9999, -9999999999.99, NULL, '4713-11-24 BC', '11:59:59.5', '4713-11-24 00:00:00 BC',
	 '4713-11-24 00:00:00+00 BC', '-178000000 years', repeat('long ', 900), 'a b', 'a b', '7fffffff-ffff-ffff-ffff-ffffffffffff', 2147483648),
	(6, 7, 12345, 1234567890123, '1.17549435e-38', '2.2250738585072014e-308', 0.0001, 0.01, true,
	 '2000-12-31', '17:00:03.25', '2000-12-31 17:00:03.25', '2000-12-31 17:00:03.25-05', '3 days 36:00:00',
	 ' ', ' x ', ' x', '00000000-0000-0000-0000-000000000001', 12345),
	(7, -7, -12345, -1234567890123, 'NaN', 'NaN', -0.0001, -0.01, false, '0001-12-31 BC', '06:30',
	 '0001-12-31 23:59:59.999999 BC', '0001-06-15 12:00:00+00', '-13 mons +40 days', 'TEXT 7', 'x', 'X',
	 '80000000-0000-0000-0000-000000000000', 3),
	(8, 100, 100, 100, 'Infinity', '-Infinity', 12.3456, 99.95, true, '2004-02-29', '02:30', '2004-04-04 02:30',
	 '2004-04-04 02:30:00-05', '1 year 2 mons 3 days 04:05:06.7', 'text 8', 'text 8', 'text 8',
	 '12345678-1234-1234-1234-123456789abc', 8),
	(9, 3, -3, 3, 0.1, 0.1, -3.3333, 3.33, false, '2004-10-31', '01:30', '2004-10-31 01:30', '2004-10-31 01:30:00-04',
	 '-1 days +23:00:00', 'b', 'B', 'b', '12345678-1234-1234-1234-123456789abd', 9),
	(10, 2, 2, 2, '-0', '-0', 0.5, 2.5, true, '2004-10-31', '01:30', '2004-10-31 02:00', '2004-10-31 01:30:00-05',
	 '30 days', 'c', 'c', 'c', '12345678-1234-1234-1234-123456789abe', 10),
	(11, 5, 5, 5, 123456.7, 123456789012345.6, 1.5, 1.25, true, '1883-11-18', '12:03:57', '1883-11-18 12:03:57',
	 '1883-11-18 12:03:57-05', '00:00:00.000001', 'd', 'd', 'd', '12345678-1234-1234-1234-123456789abf', 11),
	(12, 9, 10, 11, 16777217, 9007199254740993, 16777217, 16777217, false, '2100-03-01', '23:30',
	 '2100-03-14 03:00', '2100-03-14 03:00-04', '100 years -100 days', 'e', 'e', 'e',
	 '12345678-1234-1234-1234-123456789ac0', 12);
INSERT INTO h (id) VALUES (13);
CREATE SCHEMA made;
IMPORT FOREIGN SCHEMA every_operator LIMIT TO (h) FROM SERVER gstore_fdw INTO made;
ALTER FOREIGN TABLE made.h RENAME TO pgstrom;
IMPORT FOREIGN SCHEMA every_operator LIMIT TO (h) FROM SERVER gstore_fdw INTO made OPTIONS (format 'arrow');
ALTER FOREIGN TABLE made.h RENAME TO arrow;
SET search_path = every_operator, made, public;
INSERT INTO pgstrom SELECT * FROM h;
INSERT INTO arrow SELECT * FROM h;
-- what Arrow does not hold
INSERT INTO h VALUES
	(14, 1, 1, 1, 1, 1, 'NaN', 'NaN', true, 'infinity', '24:00', 'infinity', 'infinity', '1 day', 'f', 'f', 'f', NULL, 1),
	(15, 1, 1, 1, 1, 1, 1, 1, true, '-infinity', '24:00', '-infinity', '-infinity', '-1 day', 'f', 'f', 'f', NULL, 1);
INSERT INTO pgstrom SELECT * FROM h WHERE id > 13;

CREATE TABLE expressions (n serial, kind text, e text);
INSERT INTO expressions (kind, e)
	SELECT 'arithmetic', format('%s %s %s', a, op, b)
	FROM unnest('{i2,i4,i8}'::text[]) a, unnest('{i2,i4,i8,3}'::text[]) b, unnest('{+,-,*,/,%}'::text[]) op
	UNION ALL
	SELECT 'arithmetic', format('%s %s %s', a, op, b)
	FROM unnest('{f4,f8}'::text[]) a, unnest('{f4,f8,i4,0.5::float4}'::text[]) b, unnest('{+,-,*,/}'::text[]) op
	UNION ALL
	SELECT 'arithmetic', format('%s %s %s', a, op, b)
	FROM unnest('{n,m,i4,i8}'::text[]) a, unnest('{n,m,0.5}'::text[]) b, unnest('{+,-,*,/,%}'::text[]) op
	UNION ALL
	SELECT 'arithmetic', format(op, a)
	FROM unnest('{i2,i4,i8,f4,f8,n,m}'::text[]) a, unnest('{- %s,+ %s,@ %s,abs(%s)}'::text[]) op
	UNION ALL
	SELECT 'arithmetic', format('mod(%1$s, %1$s + 1::int2)', a) FROM unnest('{i2,i4,i8,n}'::text[]) a
	UNION ALL
	SELECT 'arithmetic', format('round(%s, %s)', a, digits) FROM unnest('{n,m,0.00005 * n}'::text[]) a, generate_series(0, 5) digits
	UNION ALL
	SELECT 'arithmetic', e FROM unnest('{round(n),i2 * 1000 + 1::int8,(i4 + 1) * (i8 - 1)}'::text[]) e;
INSERT INTO expressions (kind, e)
	SELECT 'comparison', format('%s %s %s', a, op, b)
	FROM (SELECT unnest(types) AS a, types FROM (VALUES ('{i2,i4,i8,f4,f8,n,m}'::text[]), ('{d,ts,tz}'), ('{t,v}'), ('{c,''a''::char(6)}'),
			('{tm,''12:00''::time}'), ('{iv,''1 mon''::interval}'), ('{u,''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11''::uuid}'),
			('{o,7::oid}'), ('{b,(i4 > 0)}')) v (types)) x, unnest(types) b, unnest('{=,<>,<,<=,>,>=}'::text[]) op
	WHERE a ~ '^[a-z]+[0-9]?$'
	UNION ALL
	SELECT 'comparison', format(e, a)
	FROM unnest('{i2,i4,i8,f4,f8,n,m,b,d,tm,ts,tz,iv,t,v,c,u,o}'::text[]) a,
		unnest(ARRAY['%s IS NULL', '%s IS NOT NULL', '%1$s IS DISTINCT FROM nullif(%1$s, %1$s)',
			'coalesce(%s, NULL)', 'nullif(%1$s, %1$s)', 'greatest(%1$s, NULL, %1$s)', 'least(%1$s, %1$s)',
			'CASE WHEN b THEN %s END', 'CASE %1$s WHEN %1$s THEN 1 ELSE 2 END', '%1$s BETWEEN %1$s AND %1$s',
			'%1$s NOT BETWEEN SYMMETRIC %1$s AND NULL']) e
	UNION ALL
	SELECT 'comparison', format('%s(%s, %s)', f, a, b)
	FROM unnest('{greatest,least}'::text[]) f, (VALUES ('i2', 'i8'), ('f4', 'f8'), ('n', 'm'), ('t', 'v'), ('c', '''b'''), ('b', 'i4 > 0'),
		('ts', '''2000-06-01'''), ('d', '''2000-06-01'''), ('tm', '''12:00'''), ('iv', '''30 days'''), ('u', '''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11''')) x (a, b);
INSERT INTO expressions (kind, e)
	SELECT 'boolean', e FROM unnest(ARRAY['b', 'NOT b', 'b AND i4 > 0', 'b OR i4 > 0', 'b IS TRUE', 'b IS NOT TRUE', 'b IS FALSE',
		'b IS NOT FALSE', 'b IS UNKNOWN', 'b IS NOT UNKNOWN', 'b AND 1 / i4 > 0', 'i4 = 0 OR 1 / i4 > 0', 'CASE WHEN i4 = 0 THEN b ELSE 1 / i4 > 0 END']) e
	UNION ALL
	SELECT 'list', format(e, a, b)
	FROM (VALUES ('i2', '7'), ('i4', '12345'), ('i8', '5'), ('d', '''2004-02-29'''), ('ts', '''2000-02-29 12:34:56.789'''), ('tz', '''2000-01-01 00:00-05'''),
			('o', '7'), ('t', '''text 8'''), ('v', '''x'''), ('n', '0.0001'), ('f8', '1'), ('iv', '''30 days'''), ('tm', '''12:00'''),
			('u', '''ffffffff-ffff-ffff-ffff-ffffffffffff'''), ('c', '''X'''), ('b', 'true')) x (a, b),
		unnest(ARRAY['%s IN (%s)', '%1$s NOT IN (%2$s)', '%1$s IN (%2$s, NULL)', '%1$s NOT IN (%2$s, NULL)', '%1$s IN (%2$s, %2$s)']) e
	UNION ALL
	SELECT 'list', format(e, a, b)
	FROM (VALUES ('i2', '(7 + g * 100)::int2'), ('i4', '12345 + g'), ('i8', '5::int8 + g'), ('d', 'date ''2004-02-29'' + g'),
			('ts', 'timestamp ''2000-02-29 12:34:56.789'' + g * interval ''1 day'''), ('o', '(7 + g)::oid'), ('t', '''text '' || 8 + g'),
			('f4', 'CASE g % 7 WHEN 0 THEN ''NaN'' ELSE g / 10.0 END::float4'), ('f8', 'CASE g % 7 WHEN 0 THEN ''NaN'' ELSE g / 10.0 END::float8'),
			('f4', '(g / 10.0)::float8'), ('c', '(''text '' || g)::char(9)'), ('u', '(''12345678-1234-1234-1234-123456789a'' || to_hex(160 + g % 96))::uuid')) x (a, b),
		unnest(ARRAY['%s = ANY (ARRAY(SELECT %s FROM generate_series(0, 99) g))', '%1$s <> ALL (ARRAY(SELECT %2$s FROM generate_series(0, 99) g))']) e;
INSERT INTO expressions (kind, e)
	SELECT 'time', format('%s %s %s', a, op, b)
	FROM (VALUES ('d', '+', 'i4'), ('d', '-', 'i4'), ('i4', '+', 'd'), ('d', '-', 'd'), ('d', '-', '''2000-01-01'''), ('d', '+', 'tm'), ('tm', '+', 'd'), ('d', '+', 'iv'), ('d', '-', 'iv'),
		('iv', '+', 'd'), ('ts', '+', 'iv'), ('ts', '-', 'iv'), ('iv', '+', 'ts'), ('ts', '-', 'ts'), ('ts', '-', '''2000-01-01'''), ('tz', '-', 'tz'), ('tz', '-', '''2000-01-01'''),
		('tm', '+', 'iv'), ('tm', '-', 'iv'), ('iv', '+', 'tm'), ('tm', '-', 'tm'), ('tm', '-', '''12:00'''), ('iv', '+', 'iv'), ('iv', '-', 'iv'), ('-', '', 'iv'),
		('iv', '*', 'f8'), ('f8', '*', 'iv'), ('iv', '/', 'f8'), ('iv', '*', 'i2'), ('iv', '/', 'i4'), ('iv', '*', '1.7'), ('iv', '/', '3'), ('iv', '*', '0.1'), ('interval ''1 month''', '+', 'tz')) x (a, op, b)
	UNION ALL
	SELECT 'time', format('tz %s interval %L', op, i) FROM unnest('{+,-}'::text[]) op,
		unnest('{1 month,-13 mons,1 day,-40 days,1 hour,24:00,1 mon -1 day 12:00,178000000 years,0}'::text[]) i
	UNION ALL
	SELECT 'time', format('extract(%s FROM %s)', f, a)
	FROM (VALUES ('d', '{}'::text[]), ('ts', '{hour,minute,second,milliseconds,microseconds}'), ('tz', '{hour,minute,second,milliseconds,microseconds}')) x (a, more),
		unnest('{day,week,month,quarter,year,decade,century,millennium,dow,isodow,doy,isoyear,epoch}'::text[] || more) f
	UNION ALL
	SELECT 'time', format(e, f)
	FROM unnest('{hour,minute,second,milliseconds,microseconds,epoch}'::text[]) f,
		unnest('{extract(%s FROM tm),extract(%s FROM iv),"date_part(''%s'', tm)","date_part(''%s'', iv)","date_part(''%s'', ts)","date_part(''%s'', tz)"}'::text[]) e
	UNION ALL
	SELECT 'time', format(e, f)
	FROM unnest('{day,month,quarter,year,decade,century,millennium}'::text[]) f,
		unnest('{extract(%s FROM iv),"date_part(''%s'', iv)","date_trunc(''%s'', iv)"}'::text[]) e
	UNION ALL
	SELECT 'time', format(e, f)
	FROM unnest('{microseconds,milliseconds,second,minute,hour,day,week,month,quarter,year,decade,century,millennium}'::text[]) f,
		unnest('{"date_trunc(''%s'', ts)","date_trunc(''%s'', tz)"}'::text[]) e
	UNION ALL
	SELECT 'time', format('date_trunc(%L, tz, ''Europe/Berlin'')', f) FROM unnest('{second,hour,day,year}'::text[]) f
	UNION ALL
	SELECT 'time', format('%s AT TIME ZONE %L', a, z) FROM unnest('{ts,tz}'::text[]) a, unnest('{Europe/Berlin,Asia/Kathmandu,UTC}'::text[]) z
	UNION ALL
	SELECT 'time', format('date_trunc(%L, iv)', f) FROM unnest('{microseconds,milliseconds,second,minute,hour}'::text[]) f
	UNION ALL
	SELECT 'time', format('date_trunc(%L, d)', f) FROM unnest('{day,week,month,year}'::text[]) f
	UNION ALL
	SELECT 'time', format('date_part(%L, %s)', f, a) FROM unnest('{day,dow,doy,week,year}'::text[]) f, unnest('{d,ts,tz}'::text[]) a;
INSERT INTO expressions (kind, e)
	SELECT 'cast', format('%s::%s', a, b)
	FROM unnest('{i2,i4,i8,f4,f8,n,m}'::text[]) a, unnest('{int2,int4,int8,float4,float8,numeric,"numeric(6,2)","numeric(38,6)"}'::text[]) b
	UNION ALL
	SELECT 'cast', e FROM unnest('{b::int4,i4::bool,d::timestamp,d::timestamptz,ts::date,ts::time,ts::timestamptz,tz::date,tz::time,tz::timestamp,tm::interval,iv::time,c::text,v::text,t::varchar,(n * 3)::numeric(20\,1),(f8 / 3)::numeric}'::text[]) e
	UNION ALL
	SELECT 'text', e FROM unnest(ARRAY['t LIKE ''text%''', 't NOT LIKE ''_''', 't LIKE ''%\%%''', 'v LIKE ''%x%''', 'c LIKE ''a%''', 'c NOT LIKE ''a%''', 'c ILIKE ''A%''', 'c NOT ILIKE ''%B''', '"like"(t, ''a%'')', 'notlike(t, ''%b%_'')', 't LIKE v', 'v NOT LIKE t', 't LIKE substring(t, 1, 3)', 'c LIKE t', 't ILIKE ''TEXT%''',
		't NOT ILIKE ''%B%''', 'v ILIKE ''X''', 't ~~ ''''', 'starts_with(t, ''te'')', 't ^@ ''''', 'length(t)', 'length(v)', 'length(c)', 'char_length(c)',
		'character_length(c)', 'char_length(t)', 'textlen(t)', 'character_length(t)', 'octet_length(t)', 'octet_length(c)', 'substring(t, 2)', 'substring(t FROM 0 FOR 3)', 'substring(t FROM 2 FOR 2)',
		'substring(t FROM 2 FOR -1)', 'substring(v FROM i4)', 'substr(t, 3)', 'substr(t, -1, 4)', 'substr(t, 2147483647, 2147483647)']) e;

-- The value of an expression in a row of the heap must be what the other tables
-- have in theirs; or the error.
CREATE FUNCTION wrong(e text, OUT failing int, OUT remarks text) LANGUAGE plpgsql AS $$
DECLARE
	row_id int;
	value text;
	type text;
	state text;
	condition text;
	relation text;
	found int;
	plan json;
BEGIN
	failing := 0;
	remarks := '';
	FOR row_id IN SELECT id FROM h ORDER BY id LOOP
		state := '';
		BEGIN
			EXECUTE format('SELECT (%s)::text, pg_typeof(%1$s)::text FROM h WHERE id = %s', e, row_id) INTO value, type;
			type := CASE type WHEN 'character' THEN 'bpchar' ELSE type END;
			-- a condition has no comparison around it
			condition := CASE WHEN type <> 'boolean' THEN format('(%s) IS NOT DISTINCT FROM %L::%s', e, value, type)
				WHEN value IS NULL THEN format('(%s) IS NULL', e) WHEN value = 'true' THEN e ELSE format('NOT (%s)', e) END;
		EXCEPTION WHEN OTHERS THEN
			state := SQLSTATE;
			failing := failing + 1;
			IF state LIKE '42%' THEN
				remarks := SQLERRM;
				RETURN;
			END IF;
			condition := format('(%s) IS NULL', e);
		END;
		-- rows before it are not evaluated, whatever comes first in a plan
		condition := format('CASE WHEN id = %s THEN %s END', row_id, condition);
		FOREACH relation IN ARRAY CASE WHEN row_id > 13 THEN '{pgstrom}' ELSE '{pgstrom,arrow}' END::text[] LOOP
			BEGIN
				EXECUTE format('SELECT count(*) FROM %I WHERE %s', relation, condition) INTO found;
				IF state <> '' OR found <> 1 THEN
					remarks := remarks || format(' %s row %s: not %s', relation, row_id, coalesce(nullif(state, ''), value, 'NULL'));
				END IF;
			EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE <> state THEN
					remarks := remarks || format(' %s row %s: %s instead of %s', relation, row_id, SQLSTATE, coalesce(nullif(state, ''), value, 'NULL'));
				END IF;
			END;
		END LOOP;
	END LOOP;
	FOREACH relation IN ARRAY '{pgstrom,arrow}'::text[] LOOP
		EXECUTE format('EXPLAIN (FORMAT json) SELECT id FROM %I WHERE (%s) IS NULL', relation, e) INTO plan;
		IF plan->0->'Plan'->'Pushed Filter' IS NULL OR plan->0->'Plan'->'Filter' IS NOT NULL THEN
			remarks := remarks || ' not pushed in ' || relation;
		END IF;
	END LOOP;
END $$;
CREATE TABLE outcomes AS SELECT x.*, w.* FROM expressions x, wrong(e) w;
-- (how many fail is another number in other versions)
SELECT kind, count(*) AS expressions, sum(failing) > 0 AS errors FROM outcomes GROUP BY 1 ORDER BY 1;
SELECT e, left(remarks, 200) AS remarks FROM outcomes WHERE remarks <> '' ORDER BY n;
-- few rows are left to PostgreSQL to decide: those that fail, and what is beyond
-- the engine
CREATE FUNCTION rechecked(e text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE format('EXPLAIN (ANALYZE, FORMAT json) SELECT id FROM arrow WHERE id BETWEEN 8 AND 11 AND (%s) IS NULL', e) INTO plan;
	RETURN coalesce((plan->0->'Plan'->>'Rows Rechecked')::int, 0);
EXCEPTION WHEN OTHERS THEN
	RETURN -1;
END $$;
SELECT e, rechecked(e) FROM outcomes WHERE kind <> 'text' AND rechecked(e) > 0 AND e !~ 'f[48]' ORDER BY n;

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA every_operator, made CASCADE;
