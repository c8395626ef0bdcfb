-- Arrays and composites in the format arrow: lists and structs, against a heap
-- twin.
SET extra_float_digits = 1;
CREATE SCHEMA nested;
SET search_path = nested, public;
SET datestyle = 'ISO, MDY';
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE TYPE inner_pair AS (a int, b text);
CREATE TYPE gone AS (x int, y text, z numeric(10, 2));
ALTER TYPE gone DROP ATTRIBUTE y;
CREATE TYPE outer_pair AS (p inner_pair, l int[], n numeric, d date, m mood, ps inner_pair[]);
CREATE DOMAIN two AS int[] CHECK (cardinality(VALUE) <= 3);

CREATE TABLE h (id int, b bool[], i2 int2[], i4 int[], i8 int8[], f4 float4[], f8 float8[],
	o oid[], d date[], tm time[], ts timestamp[], tz timestamptz[], iv interval[],
	n numeric(12, 3)[], nu numeric[], u uuid[], t text[], v varchar(5)[], c char(4)[],
	na name[], by bytea[], j jsonb[], e mood[], pt point[], ev even[], dm two,
	ip inner_pair, g gone, op outer_pair, ips inner_pair[], ops outer_pair[]);
-- foreign tables with the columns of h
CREATE FUNCTION make(name text, options text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE %I (%s) SERVER gstore_fdw OPTIONS (%s)', name,
		(SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
		 FROM pg_attribute WHERE attrelid = 'h'::regclass AND attnum > 0), options);
END $$;
SELECT make('g', $$format 'arrow'$$), make('gl', $$format 'arrow', large_text 'on'$$), make('p', $$format 'pgstrom'$$);

INSERT INTO h (id) VALUES (0);
INSERT INTO h VALUES (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
	'(,)', '(,)', '(,,,,,)', '{}', '{}');
INSERT INTO h VALUES (2, '{t,f,NULL,t}', '{-32768,NULL,32767}', '{NULL}', '{9223372036854775807,-1}',
	'{NaN,-0,Infinity,1e-40}', '{NaN,-0,-Infinity,NULL,5e-324}', '{0,4294967295}',
	'{4713-01-01 BC,NULL,2024-02-29}', '{00:00,23:59:59.999999}', '{1969-12-31 23:59:59.999999}',
	'{1970-01-01 00:00:00+00}', '{1 mon -3 days 00:00:00.000001,NULL}', '{0,NULL,-999999999.999}',
	'{1.10,NaN,Infinity,0.000}', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff}',
	'{"",NULL,"é, \"quoted\"",x}', '{abcde}', '{a}', '{pg_class}', '{"\\x00ff",NULL,"\\x"}',
	'{"{\"a\": [1, null]}"}', '{sad,NULL,ok}', '{"(1,2)"}', '{2,NULL}', '{1,2,3}',
	'(1,"a b")', '(7,-0.50)', '("(1,)","{1,NULL,3}",1.50,2000-01-01,sad,"{""(1,x)"",NULL,""(,)""}")',
	'{"(1,x)",NULL,"(,)"}', '{"(\"(1,)\",\"{}\",1.5,2000-01-01,ok,)",NULL}');
-- a NULL composite and one of NULLs are not the same
INSERT INTO h (id, ip, op) VALUES (3, NULL, ROW(ROW(NULL, NULL), NULL, NULL, NULL, NULL, NULL)),
	(4, ROW(NULL, NULL), ROW(NULL, NULL, NULL, NULL, NULL, NULL));
INSERT INTO h (id, b, i4, t, n, ip, ips)
	SELECT i, ARRAY[i % 2 = 0, NULL, i % 3 = 0], (SELECT array_agg(NULLIF(k % 5, 2)) FROM generate_series(1, i % 7) k),
		ARRAY[repeat('x', i % 90), NULL, i::text], ARRAY[i / 8.0, -i],
		CASE WHEN i % 5 > 0 THEN ROW(i, 'row ' || i)::inner_pair END,
		ARRAY[ROW(i, NULL), NULL, ROW(NULL, i)]::inner_pair[]
	FROM generate_series(10, 3000) i;

CREATE FUNCTION difference(a regclass, b regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (
		(SELECT x::text FROM %1$s x EXCEPT ALL SELECT y::text FROM %2$s y) UNION ALL
		(SELECT y::text FROM %2$s y EXCEPT ALL SELECT x::text FROM %1$s x)) d', a, b) INTO n;
	RETURN n;
END $$;

INSERT INTO g SELECT * FROM h;
INSERT INTO gl SELECT * FROM h;
SELECT difference('h', 'g'), difference('h', 'gl');
SELECT count(*) FROM h JOIN g USING (id) WHERE (h.ip IS NULL) <> (g.ip IS NULL)
	OR h.ip IS DISTINCT FROM g.ip OR h.op IS DISTINCT FROM g.op OR h.i4 IS DISTINCT FROM g.i4;
SELECT id, ip IS NULL AS is_null, ip IS NOT DISTINCT FROM NULL AS is_nothing, op FROM g WHERE id IN (3, 4) ORDER BY id;
SELECT id, i4, t, (ip).b, ops FROM g WHERE id IN (1, 2, 15) ORDER BY id;
SELECT sum(cardinality(i4)), count(ip), count((ip).a), count(*) FILTER (WHERE t[1] = 'x') FROM g;

\echo -- updates, deletes, rolled back rows, and the chunks merged
UPDATE g SET i4 = i4 || id, ip.b = 'changed' WHERE id % 10 = 0;
UPDATE h SET i4 = i4 || id, ip.b = 'changed' WHERE id % 10 = 0;
DELETE FROM g WHERE id % 7 = 3;
DELETE FROM h WHERE id % 7 = 3;
BEGIN;
INSERT INTO g SELECT * FROM h;
SAVEPOINT s;
DELETE FROM g;
ROLLBACK;
SELECT difference('h', 'g');
DO $$
BEGIN
	FOR i IN 5001 .. 5040 LOOP
		INSERT INTO g (id, i4, ip) VALUES (i, ARRAY[i, NULL], ROW(i, 'x'));
		INSERT INTO h (id, i4, ip) VALUES (i, ARRAY[i, NULL], ROW(i, 'x'));
	END LOOP;
END $$;
SELECT difference('h', 'g');
SELECT gstore_compact('g') >= 0 AS compacted;
SELECT difference('h', 'g');
TRUNCATE gl;
INSERT INTO gl SELECT * FROM g;
SELECT difference('h', 'gl');
ANALYZE g;

\echo -- tables of the other format
INSERT INTO p SELECT * FROM g;
SELECT difference('h', 'p');
TRUNCATE g;
INSERT INTO g SELECT * FROM p;
SELECT difference('h', 'g');
SELECT cardinality(i4) AS n, count(*) FROM g GROUP BY 1 ORDER BY 1;

\echo -- what a list cannot hold is refused, with the value and the way out
INSERT INTO g (id, i4) VALUES (1, '{{1,2},{3,4}}');
INSERT INTO g (id, i4) VALUES (1, '[0:1]={1,2}');
INSERT INTO g (id, op) VALUES (1, ROW(NULL, '[2:2]={5}'::int[], NULL, NULL, NULL, NULL));
INSERT INTO g (id, d) VALUES (1, '{2000-01-01,infinity}');
INSERT INTO g (id, t, n) VALUES (1, ARRAY[repeat('long ', 100)], '{1,NaN}');
INSERT INTO g (id, t) VALUES (1, ARRAY[[repeat('long ', 100)]]);
SELECT difference('h', 'g');

\echo -- what gstore_export tells of them
CREATE FUNCTION fields(name reggstore) RETURNS TABLE (path text, field jsonb, image_bytes bigint) LANGUAGE sql AS $$
	WITH RECURSIVE e AS MATERIALIZED (SELECT columns, length FROM gstore_export(name)),
	f AS (
		SELECT c->>'name' AS path, c FROM e, jsonb_array_elements(columns) c
		UNION ALL
		SELECT path || '.' || (k->>'name'), k FROM f, jsonb_array_elements(f.c->'children') k)
	SELECT path, c, length FROM f, e ORDER BY path COLLATE "C"
$$;
SELECT path, field->>'type' AS type, field->>'format' AS format, field ? 'offsets' AS offsets, field ? 'children' AS children
FROM fields('g') WHERE path ~ '^(id|i4|nu|e|g|op|ops)(\.|$)';
SELECT g.path, g.field->>'format' AS format, l.field->>'format' AS large
FROM fields('g') g JOIN fields('gl') l USING (path) WHERE g.field->>'format' <> l.field->>'format' AND path ~ '^[no]'
ORDER BY path COLLATE "C";
-- children have as many rows as their parents' lists have elements, and lie
-- with all their buffers in what is their parent's data
SELECT (SELECT field->'rows' FROM fields('g') WHERE path LIKE 'i4.%') = to_jsonb((SELECT sum(cardinality(i4)) FROM g)) AS elements,
	(SELECT field->'rows' FROM fields('g') WHERE path = 'op.p') = to_jsonb((SELECT count(*) FROM g)) AS fields;
SELECT count(*) > 100 AS buffers, bool_and(at % 64 = 0 AND at >= low AND at + bytes <= high) AS good
FROM fields('g') f, jsonb_path_query(f.field, '$.children[*]') k,
	unnest(ARRAY['validity', 'offsets', 'data']) buffer,
	LATERAL (SELECT (field->'data'->>'offset')::bigint AS low, (field->'data'->>'offset')::bigint + (field->'data'->>'length')::bigint AS high) d,
	LATERAL (SELECT (k->buffer->>'offset')::bigint AS at, (k->buffer->>'length')::bigint AS bytes) b
WHERE k ? buffer;

\echo -- arrays whose subscripts begin at 0 by their type are texts
CREATE FOREIGN TABLE v (o oidvector, i int2vector, oo oidvector[]) SERVER gstore_fdw
	OPTIONS (format 'arrow');
INSERT INTO v VALUES ('0 4294967295', '', ARRAY['1 2'::oidvector, '']), (NULL, '-32768 7', '{}');
SELECT *, o[1], i[1] FROM v;
DROP FOREIGN TABLE v;

\echo -- a type changed underneath
CREATE FOREIGN TABLE s (x inner_pair[]) SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO s VALUES (ARRAY[ROW(1, 'a')]::inner_pair[]);
DROP TABLE h;
DROP FOREIGN TABLE g, gl, p;
ALTER TYPE inner_pair ADD ATTRIBUTE c int CASCADE;
SELECT * FROM s;
TRUNCATE s;
INSERT INTO s VALUES (ARRAY[ROW(1, 'a', 3)]::inner_pair[]);
SELECT * FROM s;
SET client_min_messages = warning;
DROP SCHEMA nested CASCADE;
