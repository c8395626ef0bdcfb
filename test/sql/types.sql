-- Every type of the catalogue: what an ordinary table gives back, a gstore
-- table gives back too, as text and as the bytes of its binary protocol.
SET datestyle = 'ISO, YMD';
SET timezone = 'UTC';
SET client_min_messages = warning;
SET extra_float_digits = 1;

\echo -- types of our own
CREATE TYPE mood AS ENUM ('sad', 'ok', '', 'a label with spaces and ümläuts');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN word AS varchar(20) NOT NULL;
CREATE DOMAIN grid AS int[] CHECK (array_ndims(VALUE) <= 2);
CREATE DOMAIN deeper AS positive;
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nested AS (p pair, m mood, g grid, q pair[], f float8);
CREATE DOMAIN checked_pair AS pair CHECK ((VALUE).a > 0);
CREATE TYPE nothing AS ();
CREATE TYPE moods AS RANGE (subtype = mood);
CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE texts AS RANGE (subtype = text, collation = "C");
CREATE TYPE fixed3;
CREATE FUNCTION fixed3in(cstring) RETURNS fixed3 LANGUAGE internal IMMUTABLE STRICT AS 'charin';
CREATE FUNCTION fixed3out(fixed3) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'charout';
CREATE TYPE fixed3 (INPUT = fixed3in, OUTPUT = fixed3out, INTERNALLENGTH = 1,
	PASSEDBYVALUE, ALIGNMENT = char);
CREATE TYPE likename;
CREATE FUNCTION likenamein(cstring) RETURNS likename LANGUAGE internal IMMUTABLE STRICT AS 'namein';
CREATE FUNCTION likenameout(likename) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'nameout';
CREATE TYPE likename (INPUT = likenamein, OUTPUT = likenameout, INTERNALLENGTH = 64,
	ALIGNMENT = char);
CREATE TYPE wide;
CREATE FUNCTION widein(cstring) RETURNS wide LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION wideout(wide) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE wide (INPUT = widein, OUTPUT = wideout, INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double, STORAGE = extended);

\echo -- edge values, by the name of their type
CREATE TABLE edges (type text PRIMARY KEY, vals text[]);
INSERT INTO edges VALUES
	('bool', '{t,f}'),
	('int2', '{-32768,-1,0,1,32767}'),
	('int4', '{-2147483648,-1,0,1,2147483647}'),
	('int8', '{-9223372036854775808,-1,0,1,9223372036854775807}'),
	('float4', '{NaN,Infinity,-Infinity,0,-0,1e-45,3.4028235e38,-3.4028235e38,0.1}'),
	('float8', '{NaN,Infinity,-Infinity,0,-0,5e-324,1.7976931348623157e308,0.1}'),
	('numeric', ARRAY['NaN', 'Infinity', '-Infinity', '0', '0.00000', '-1', '1e-16383',
		'1e131071', '12345678901234567890123456789012345678901234567890.123456789',
		'99999999999999999999999999999999999999', '-0.1']),
	('money', '{-92233720368547758.08,0,92233720368547758.07}'),
	('text', ARRAY['', ' ', 'a', 'ümläut €', E'\n\t\\', repeat('x', 126), repeat('x', 127),
		repeat('long ', 2000)]),
	('varchar', ARRAY['', ' a ', repeat('y', 300)]),
	('bpchar', ARRAY['', '  a  ', repeat('y', 300)]),
	('char', ARRAY['', 'a', '\377']),
	('name', ARRAY['', 'a', repeat('n', 63)]),
	('bytea', ARRAY['', '\x00', '\x00ff00', '\x' || repeat('00', 126), '\x' || repeat('ab', 5000)]),
	('date', '{-infinity,infinity,4713-01-01 BC,0001-12-31 BC,1969-12-31,1970-01-01,2000-01-01,5874897-12-31}'),
	('time', '{00:00,23:59:59.999999,24:00,12:34:56.789}'),
	('timetz', '{00:00+15:59:59,24:00-15:59:59,12:34:56.789+01}'),
	('timestamp', '{-infinity,infinity,4714-11-24 00:00:00 BC,2000-01-01 00:00,1999-12-31 23:59:59.999999,294276-12-31 23:59:59.999999}'),
	('timestamptz', '{-infinity,infinity,4714-11-24 00:00:00+00 BC,2000-01-01 00:00+00,294276-12-31 23:59:59.999999+00}'),
	('interval', '{0,-1 month,1 mon -1 day 0.000001 s,178000000 years,-178000000 years,-2147483648 days}'),
	('uuid', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'),
	('json', ARRAY['null', '{}', '[]', '  {"a":1, "a":2}  ', '"\u00e9"', '1e400']),
	('jsonb', ARRAY['null', '{}', '[]', '{"a":[1,{"b":null}],"c":1e400}', '"é"',
		'[' || repeat('1,', 3000) || '1]']),
	('jsonpath', ARRAY['$', '$.a[*] ? (@ > 1)', 'strict $."x y"']),
	('xml', ARRAY['', '<a/>', '<a b="1">text &lt;</a>', 'content only']),
	('inet', '{0.0.0.0,255.255.255.255/0,10.1.2.3/8,::,::1/0,ffff::1/64}'),
	('cidr', '{0.0.0.0/0,10.0.0.0/8,192.168.1.1/32,::/0,2001:db8::/32}'),
	('macaddr', '{00:00:00:00:00:00,ff:ff:ff:ff:ff:ff}'),
	('macaddr8', '{00:00:00:00:00:00:00:00,ff:ff:ff:ff:ff:ff:ff:fe}'),
	('bit', ARRAY['0', '1']),
	('varbit', ARRAY['', '0', '1', '10101010', '101010101', repeat('10', 4000)]),
	('point', ARRAY['(0,0)', '(NaN,Infinity)', '(-0,1e-300)']),
	('lseg', ARRAY['[(0,0),(0,0)]', '[(1,2),(-Infinity,4)]']),
	('path', ARRAY['[(0,0)]', '((0,0),(1,1),(2,0))', '[(0,0),(1,1),(2,0)]']),
	('box', ARRAY['(0,0),(0,0)', '(1,2),(3,4)', '(Infinity,1),(-Infinity,0)']),
	('polygon', ARRAY['((0,0))', '((0,0),(1,1),(2,0))']),
	('_box', ARRAY['{}', '{(1,2),(0,0);NULL}', '[0:0][5:6]={{(1,2),(3,4);(5,6),(7,8)}}']),
	('line', ARRAY['{1,-1,0}', '{0,1,5}']),
	('circle', ARRAY['<(0,0),0>', '<(1,2),NaN>']),
	('tsvector', ARRAY['', 'a:1A,2 b', '''quoted word'':16383']),
	('tsquery', ARRAY['', 'a', '!a & (b | c:*AB) <2> d']),
	('txid_snapshot', '{10:20:10\,14\,15,1:1:}'),
	('pg_snapshot', '{10:20:10\,14\,15,1:1:}'),
	('pg_lsn', '{0/0,FFFFFFFF/FFFFFFFF,16/B374D848}'),
	('oid', '{0,1,4294967295}'),
	('xid', '{0,3,4294967295}'),
	('xid8', '{0,18446744073709551615}'),
	('cid', '{0,4294967295}'),
	('tid', ARRAY['(0,0)', '(0,1)', '(4294967295,65535)']),
	('refcursor', ARRAY['', 'a cursor']),
	('aclitem', ARRAY['=r/' || quote_ident(current_user),
		quote_ident(current_user) || '=arw*dDxt/' || quote_ident(current_user)]),
	('oidvector', ARRAY['', '1', '0 4294967295 7']),
	('int2vector', ARRAY['', '1', '-32768 32767']),
	('regproc', '{-,now}'), ('regprocedure', ARRAY['-', 'abs(integer)']),
	('regoper', '{0}'), ('regoperator', ARRAY['0', '+(integer,integer)']),
	('regclass', '{-,pg_class,4294967295}'), ('regtype', '{-,integer,4294967295}'),
	('regcollation', ARRAY['-', '"C"']), ('regrole', '{-,4294967295}'),
	('regnamespace', '{-,pg_catalog}'), ('regconfig', '{-,simple}'),
	('regdictionary', '{-,simple}'),
	('int4range', ARRAY['empty', '(,)', '[1,10)', '(,5]', '[-2147483648,2147483647)']),
	('int8range', ARRAY['empty', '(,)', '[1,10)', '[5,)']),
	('numrange', ARRAY['empty', '(,)', '[1.10,2]', '(-Infinity,NaN]']),
	('tsrange', ARRAY['empty', '(,)', '[-infinity,infinity]', '[2000-01-01,2000-01-02)']),
	('tstzrange', ARRAY['empty', '(,)', '[2000-01-01 00:00+00,)']),
	('daterange', ARRAY['empty', '(,)', '[2000-01-01,2000-02-01)', '(,infinity]']),
	('int4multirange', ARRAY['{}', '{(,)}', '{[1,3),[5,7),[9,)}']),
	('int8multirange', ARRAY['{}', '{(,)}', '{[1,3),[5,7)}']),
	('nummultirange', ARRAY['{}', '{(,)}', '{[1.0,3),[5,7.50]}']),
	('tsmultirange', ARRAY['{}', '{[2000-01-01,2000-01-02),[2001-01-01,infinity]}']),
	('tstzmultirange', ARRAY['{}', '{(,)}']),
	('datemultirange', ARRAY['{}', '{[2000-01-01,2000-02-01)}']),
	('cardinal_number', '{0,2147483647}'), ('character_data', '{"",a}'),
	('sql_identifier', '{"",a}'), ('yes_or_no', '{YES,NO}'),
	('time_stamp', '{2000-01-01 00:00:00.12+00}'),
	('mood', ARRAY['sad', '', 'a label with spaces and ümläuts']),
	('positive', '{1,2147483647}'), ('deeper', '{7}'), ('word', '{"",twelve}'),
	('grid', ARRAY['{}', '{1,NULL,3}', '[0:1][-1:0]={{1,2},{3,4}}']),
	('pair', ARRAY['(,)', '(1,)', '(,"")', '(7,"a ""quoted"", word")', '(1,' || repeat('z', 9000) || ')']),
	('checked_pair', ARRAY['(1,x)']),
	('nested', ARRAY['(,,,,)', '("(1,x)",sad,"{1,NULL}","{""(2,y)"",NULL}",NaN)']),
	('nothing', ARRAY['()']),
	('moods', ARRAY['empty', '[sad,ok]']), 
	('moods_multirange', ARRAY['{}', '{[sad,ok]}']),
	('floats_multirange', ARRAY['{}', '{[1,2],(3,NaN]}']),
	('texts_multirange', ARRAY['{}', '{["",a],(b,c)}']),
	('floats', ARRAY['empty', '[-Infinity,NaN]']),
	('texts', ARRAY['empty', '[a,b)', '("","z z"]']),
	('fixed3', ARRAY['a']), ('likename', ARRAY['', 'a', repeat('n', 63)]),
	('wide', ARRAY['', '\x00', '\x' || repeat('ab', 5000)]);

-- Every type a table can have a column of, with values of its own or, for
-- arrays, of its elements; rows of a catalogue for its row type.
CREATE FUNCTION values_of(t pg_type) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	found text[];
	one text;
	result text[] = '{}';
BEGIN
	SELECT vals INTO found FROM edges WHERE type = t.typname;
	IF found IS NOT NULL THEN
		RETURN found;
	ELSIF t.typcategory = 'A' AND t.typelem <> 0 THEN
		SELECT values_of(e) INTO found FROM pg_type e WHERE e.oid = t.typelem;
		found = ARRAY(SELECT left(v, 200) FROM unnest(found) v WHERE length(v) <= 200);
		result = ARRAY['{}', found::text, (found || ARRAY[NULL, found[1]])::text];
		IF cardinality(found) > 0 THEN
			result = result || ARRAY[ARRAY[found, found]::text,
				array_fill(found[1], '{2,1,2}', '{-1,0,7}')::text,
				array_fill(found[cardinality(found)], '{500}')::text];
		END IF;
		RETURN result;
	ELSIF t.typtype = 'c' AND t.typnamespace = 'pg_catalog'::regnamespace AND
		(SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'r' THEN
		EXECUTE format('SELECT array_agg(v::text) FROM
			(SELECT v FROM pg_catalog.%I v LIMIT 3) v', t.typname) INTO found;
		RETURN coalesce(found, '{}');
	ELSIF t.typtype = 'c' THEN
		RETURN ARRAY['(' || repeat(',', (SELECT relnatts - 1 FROM pg_class
			WHERE oid = t.typrelid)) || ')'];
	END IF;
	RETURN '{}';
END $$;

CREATE TABLE outcome (type regtype, taken int, refused int, bad text);
-- values that PostgreSQL has and Arrow's type for them has not
CREATE TABLE unheld (type regtype, k int, value text, error text);

CREATE FUNCTION differing(answer text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	other text;
	type regtype = (SELECT atttypid FROM pg_attribute
		WHERE attrelid = 'h'::regclass AND attname = 'v');
	n int;
	bad text = '';
BEGIN
	-- in Arrow all have the same number of digits behind the point
	IF type = 'numeric'::regtype THEN
		answer = replace(answer, '%s', 'trim_scale(%s)');
	END IF;
	FOREACH other IN ARRAY '{g,a}'::text[] LOOP
		EXECUTE format('SELECT count(*) FROM h FULL JOIN %s g USING (k) WHERE
			((%s) IS DISTINCT FROM (%s) OR (%s) IS DISTINCT FROM (%s) OR
			(h.v IS NULL) <> (g.v IS NULL) OR h.k IS NULL OR g.k IS NULL) AND
			(%L = ''g'' OR k NOT IN (SELECT u.k FROM unheld u WHERE u.type = %L::regtype))',
			other, format(answer, 'h.v'), format(answer, 'g.v'),
			format(answer, 'h.v'), format(answer, 'g.c'), other, type) INTO n;
		bad = bad || CASE WHEN n > 0 THEN ' ' || other ELSE '' END;
	END LOOP;
	RETURN bad;
END $$;

CREATE FUNCTION round_trip(t pg_type) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	type text = t.oid::regtype;
	one text;
	taken int = 0;
	refused int = 0;
	bad text = '';
	k int = 0;
	at int;
BEGIN
	BEGIN
		EXECUTE format('CREATE TABLE h (k int, v %s)', type);
	EXCEPTION WHEN invalid_table_definition THEN
		RETURN;				-- no column can have it
	END;
	EXECUTE format('CREATE FOREIGN TABLE g (k int, v %1$s, c %1$s %2$s)
		SERVER gstore_fdw', type,
		CASE WHEN t.typlen = -1 AND t.typstorage <> 'p' THEN 'OPTIONS (compression ''pglz'')' END);
	-- by turns with offsets of 32 and of 64 bits
	EXECUTE format('CREATE FOREIGN TABLE a (k int, v %1$s %3$s, c %1$s %3$s)
		SERVER gstore_fdw OPTIONS (format ''arrow'', large_text %2$L)', type,
		CASE WHEN t.oid::bigint % 2 = 0 THEN 'off' ELSE 'on' END,
		CASE WHEN t.oid = 'numeric'::regtype THEN 'OPTIONS (scale ''16'')' END);
	FOREACH one IN ARRAY values_of(t) || NULL::text LOOP
		BEGIN
			k = k + 1;
			EXECUTE format('INSERT INTO h VALUES (%s, %L::%s)', k, one, type);
			taken = taken + 1;
		EXCEPTION WHEN OTHERS THEN
			refused = refused + 1;
		END;
	END LOOP;
	-- one row a command, and all of them at once
	INSERT INTO g SELECT h.k, h.v, h.v FROM h WHERE h.k <= 2;
	INSERT INTO g SELECT h.k, h.v, h.v FROM h WHERE h.k > 2 ORDER BY h.k DESC;
	FOR at IN SELECT h.k FROM h LOOP
		BEGIN
			INSERT INTO a SELECT h.k, h.v, h.v FROM h WHERE h.k = at;
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO unheld SELECT t.oid, h.k, h.v::text, SQLERRM FROM h
			WHERE h.k = at;
		END;
	END LOOP;
	bad = bad || replace(differing('%s::text'), ' ', ' text of ');
	BEGIN
		IF t.typsend <> 0 THEN
			bad = bad || replace(differing(t.typsend::regproc || '(%s)'), ' ', ' binary of ');
		END IF;
	EXCEPTION WHEN undefined_function OR feature_not_supported THEN
		NULL;				-- something in it has no binary output
	END;
	-- an UPDATE carries values over from the old row
	UPDATE g SET k = g.k + 1000;
	UPDATE a SET k = a.k + 1000;
	UPDATE h SET k = h.k + 1000;
	UPDATE unheld SET k = unheld.k + 1000 WHERE unheld.type = t.oid;
	bad = bad || replace(differing('%s::text'), ' ', ' updated ');
	DROP FOREIGN TABLE g, a;
	DROP TABLE h;
	INSERT INTO outcome VALUES (t.oid, taken - 1, refused, bad);
END $$;

-- a transaction a hundred, for the locks
CREATE PROCEDURE walk() LANGUAGE plpgsql AS $$
DECLARE
	t pg_type;
	n int = 0;
BEGIN
	FOR t IN SELECT * FROM pg_type WHERE typtype <> 'p' AND typisdefined AND
		typname NOT IN ('edges', '_edges', 'outcome', '_outcome', 'unheld', '_unheld') AND
		typnamespace <> 'pg_toast'::regnamespace
	LOOP
		PERFORM round_trip(t);
		n = n + 1;
		IF n % 100 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
CALL walk();

SELECT count(*) > 500 AS many_types, sum(taken) > 1500 AS many_values FROM outcome;
SELECT type, bad FROM outcome WHERE bad <> '' ORDER BY type::text;
\echo -- types of which only NULL was stored
SELECT type FROM outcome JOIN pg_type t ON t.oid = type
WHERE taken = 0 AND typtype <> 'c' ORDER BY type::text COLLATE "C";
\echo -- values that the type itself refused
SELECT type, refused FROM outcome JOIN pg_type t ON t.oid = type
WHERE refused > 0 AND (typtype <> 'c' OR typnamespace <> 'pg_catalog'::regnamespace)
	AND typname NOT LIKE '\_pg\_%' ORDER BY type::text COLLATE "C";

\echo -- values that the type in Arrow does not hold
SELECT type, left(value, 40) AS value, left(error, 130) AS error FROM unheld
	JOIN pg_type t ON t.oid = type
WHERE typcategory <> 'A' ORDER BY type::text COLLATE "C", k;
SELECT left(error, 100) AS error, count(*) > 100 AS many FROM unheld
	JOIN pg_type t ON t.oid = type
WHERE typcategory = 'A' GROUP BY 1 ORDER BY 1;

\echo -- every type in one table, NULL in all of them and in none
CREATE FUNCTION unlike(heap regclass, gstore regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (
		(SELECT row1::text FROM %1$s row1 EXCEPT ALL SELECT row2::text FROM %2$s row2) UNION ALL
		(SELECT row2::text FROM %2$s row2 EXCEPT ALL SELECT row1::text FROM %1$s row1)) differing',
		heap, gstore) INTO n;
	RETURN n;
END $$;
DO $$
DECLARE
	columns text;
	vals text;
BEGIN
	SELECT string_agg(format('c%s %s', t.oid, t.oid::regtype), ', ' ORDER BY t.oid),
		string_agg(format('%L::%s', e.vals[cardinality(e.vals)], t.oid::regtype), ', ' ORDER BY t.oid)
	INTO columns, vals
	FROM pg_type t JOIN edges e ON e.type = typname WHERE typname <> 'word';
	EXECUTE format('CREATE TABLE h (%s)', columns);
	EXECUTE format('CREATE FOREIGN TABLE g (%s) SERVER gstore_fdw', columns);
	EXECUTE format('INSERT INTO h VALUES (%s)', vals);
	INSERT INTO h DEFAULT VALUES;
	INSERT INTO h TABLE h;
	INSERT INTO g TABLE h;
END $$;
SELECT count(*), unlike('h', 'g') FROM g;
SELECT count(*) FROM g WHERE NOT (g IS NULL) AND NOT (g IS NOT NULL);
DROP TABLE h;
DROP FOREIGN TABLE g;

\echo -- values from a table that toasts and compresses them
CREATE TABLE h (k int, ext text, main text, x bytea, j jsonb, a int[], t text[],
	p pair, n numeric, r texts, v varbit, d tsvector);
ALTER TABLE h ALTER ext SET STORAGE EXTERNAL, ALTER main SET STORAGE MAIN;
INSERT INTO h SELECT i, repeat(md5(i::text), i * 40), repeat('m', i * 1000),
	decode(repeat(md5(i::text), i * 100), 'hex'),
	(SELECT jsonb_agg(md5((i * j)::text)) FROM generate_series(1, i * 20) j),
	ARRAY(SELECT i * j FROM generate_series(1, i * 300) j),
	ARRAY(SELECT repeat('e', j) FROM generate_series(1, i * 10) j),
	ROW(i, repeat('b', i * 2000))::pair, repeat('123456789', i * 100)::numeric,
	texts(repeat('a', i * 1500), repeat('b', i * 1500)),
	repeat('110', i * 2000)::varbit,
	(SELECT string_agg('w' || j, ' ')::tsvector FROM generate_series(1, i * 100) j)
FROM generate_series(1, 20) i;
-- where the server has lz4, values compressed with it too
DO $$
BEGIN
	SET default_toast_compression = lz4;
EXCEPTION WHEN OTHERS THEN
	NULL;
END $$;
INSERT INTO h SELECT 100 + k, ext || 'l', main || 'l', x || '\x00', j || '1', a || 1, t || repeat('z', 9000),
	ROW(k, (p).b || 'l')::pair, n * 2, r, v || '1', d FROM h;
RESET default_toast_compression;
CREATE FOREIGN TABLE g (k int, ext text, main text, x bytea, j jsonb, a int[], t text[],
	p pair, n numeric, r texts, v varbit, d tsvector) SERVER gstore_fdw;
CREATE FOREIGN TABLE z (k int, ext text OPTIONS (compression 'pglz'),
	main text OPTIONS (compression 'pglz'), x bytea OPTIONS (compression 'pglz'),
	j jsonb OPTIONS (compression 'pglz'), a int[] OPTIONS (compression 'pglz'),
	t text[] OPTIONS (compression 'pglz'), p pair OPTIONS (compression 'pglz'),
	n numeric OPTIONS (compression 'pglz'), r texts OPTIONS (compression 'pglz'),
	v varbit OPTIONS (compression 'pglz'), d tsvector OPTIONS (compression 'pglz'))
	SERVER gstore_fdw;
INSERT INTO g TABLE h;
INSERT INTO z TABLE h;
SELECT unlike('h', 'g'), unlike('h', 'z');
\echo -- and on from one gstore table to another, and back
INSERT INTO g SELECT * FROM z;
INSERT INTO z SELECT * FROM h;
SELECT unlike('z', 'g');
CREATE TABLE back AS SELECT * FROM z WHERE k < 100;
SELECT count(*) FROM back JOIN h USING (k, ext, main, x, j, a, t, p, n, r, v, d);
DROP TABLE h, back;
DROP FOREIGN TABLE g, z;

\echo -- values of several megabytes
CREATE FOREIGN TABLE big (k int, t text, z text OPTIONS (compression 'pglz'), b bytea)
	SERVER gstore_fdw;
INSERT INTO big SELECT i, repeat(chr(96 + i), 5000000 + i), repeat(chr(96 + i), 5000000 + i),
	decode(repeat('00ff', 2000000), 'hex') FROM generate_series(1, 3) i;
SELECT k, length(t), t = z AS same, length(b), md5(t) = md5(repeat(chr(96 + k), 5000000 + k)) AS right
FROM big;
DROP FOREIGN TABLE big;

\echo -- types without an input function
CREATE TABLE defaults (a int DEFAULT 7, b int);
INSERT INTO defaults SELECT i % 10, i % 5 FROM generate_series(1, 1000) i;
CREATE STATISTICS every_kind (ndistinct, dependencies, mcv) ON a, b FROM defaults;
ANALYZE defaults;
CREATE TABLE h AS SELECT stxdndistinct, stxddependencies, stxdmcv,
	(SELECT adbin FROM pg_attrdef WHERE adrelid = 'defaults'::regclass)
FROM pg_statistic_ext_data;
CREATE FOREIGN TABLE g (n pg_ndistinct, d pg_dependencies, m pg_mcv_list, t pg_node_tree) SERVER gstore_fdw;
CREATE FOREIGN TABLE a (n pg_ndistinct, d pg_dependencies, m pg_mcv_list, t pg_node_tree)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO g TABLE h;
INSERT INTO a TABLE g;
SELECT count(*), count(t), unlike('h', 'g'), unlike('h', 'a') FROM a;
DROP TABLE h, defaults;
DROP FOREIGN TABLE g, a;

\echo -- no column
CREATE FOREIGN TABLE none () SERVER gstore_fdw;
INSERT INTO none DEFAULT VALUES;
INSERT INTO none SELECT FROM generate_series(1, 1000);
SELECT count(*) FROM none;
SELECT FROM none LIMIT 2;
DELETE FROM none;
SELECT count(*) FROM none;
DROP FOREIGN TABLE none;

\echo -- 1,600 columns
DO $$
DECLARE
	columns text = (SELECT string_agg(format('c%s %s', i,
		(ARRAY['int', 'text', 'bool', 'float8'])[i % 4 + 1]), ', ')
		FROM generate_series(1, 1600) i);
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE widest (%s) SERVER gstore_fdw', columns);
	EXECUTE format('INSERT INTO widest SELECT %s FROM generate_series(1, 10) k',
		(SELECT string_agg(format((ARRAY['k + %s', '''t%s''', 'k = %s', 'k / 4.0 + %s'])[i % 4 + 1], i), ', ')
			FROM generate_series(1, 1600) i));
END $$;
INSERT INTO widest DEFAULT VALUES;
SELECT c1, c2, c3, c4, c1597, c1598, c1599, c1600 FROM widest ORDER BY c1600;
SELECT count(*), sum(length(widest::text)) > 50000 AS whole FROM widest;
UPDATE widest SET c800 = -1 WHERE c1600 > 1605;
SELECT count(*), sum(c800), sum(c1600) FROM widest;
ALTER FOREIGN TABLE widest ADD more int;
DROP FOREIGN TABLE widest;

\echo -- dropped columns, generated ones, identity, defaults
CREATE FOREIGN TABLE mixed (gone int, k int, twice int GENERATED ALWAYS AS (k * 2) STORED,
	gone_too text, label text GENERATED ALWAYS AS ('no ' || k) STORED NOT NULL,
	d text DEFAULT 'none', now timestamptz DEFAULT '2020-02-02') SERVER gstore_fdw;
INSERT INTO mixed (gone, k, gone_too) VALUES (1, 1, 'a'), (2, NULL, 'b');
INSERT INTO mixed (gone, k, gone_too) VALUES (1, 1, 'a'), (2, 2, 'b');
ALTER FOREIGN TABLE mixed DROP gone, DROP gone_too;
INSERT INTO mixed VALUES (3), (4);
INSERT INTO mixed (k, twice) VALUES (5, 10);
SELECT * FROM mixed ORDER BY k;
UPDATE mixed SET k = k + 10 WHERE k > 2 RETURNING *;
SELECT * FROM mixed ORDER BY k;
COPY mixed (k, d) FROM STDIN;
20	copied
\.
SELECT * FROM mixed WHERE k = 20;
-- identity columns and serial ones
CREATE FOREIGN TABLE ident (k int GENERATED ALWAYS AS IDENTITY, w text) SERVER gstore_fdw;
INSERT INTO ident (w) VALUES ('a'), ('b') RETURNING *;
CREATE FOREIGN TABLE numbered (k serial, w text) SERVER gstore_fdw;
INSERT INTO numbered (w) VALUES ('a'), ('b') RETURNING *;
DROP FOREIGN TABLE mixed, numbered, ident;

\echo -- types that do not allow compressed values
CREATE FOREIGN TABLE bad (v oidvector OPTIONS (compression 'pglz')) SERVER gstore_fdw;

\set VERBOSITY terse
DROP TABLE edges, outcome, unheld CASCADE;
DROP FUNCTION values_of, round_trip, differing, unlike;
DROP PROCEDURE walk;
DROP TYPE nested, pair, nothing, mood, fixed3, likename, wide, floats, texts CASCADE;
DROP DOMAIN deeper, positive, word, grid;
