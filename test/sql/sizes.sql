-- How much memory rows take: what is stored is what the layout needs, and a
-- session that loads holds less than two chunks of its own.
CREATE SCHEMA sizes;
SET search_path = sizes, public;
SET client_min_messages = warning;

CREATE FUNCTION padded(bytes numeric, boundary int) RETURNS numeric LANGUAGE sql IMMUTABLE AS
	'SELECT ceil(bytes / boundary) * boundary';

-- Bytes of a variable-length value with a header of four.
CREATE FUNCTION value_bytes(type regtype, name text) RETURNS text LANGUAGE sql AS $$
	SELECT format(CASE type WHEN 'numeric'::regtype THEN 'pg_column_size(%I + 0)'
		WHEN 'int[]'::regtype THEN 'pg_column_size(%I || ''{}''::int[])'
		ELSE 'octet_length(%I) + 4' END, name) $$;

-- The layout that include/gstore_format.h describes, for the rows of an
-- ordinary table that are written as one chunk.
CREATE FUNCTION expected(heap regclass, format text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	total numeric = 0;
	ncolumns int = 0;
	nrows numeric;
	nulls bool;
	values_there bool;
	bytes numeric;
	a pg_attribute;
BEGIN
	EXECUTE format('SELECT count(*) FROM %s', heap) INTO nrows;
	FOR a IN SELECT * FROM pg_attribute WHERE attrelid = heap AND attnum > 0 LOOP
		ncolumns = ncolumns + 1;
		EXECUTE format('SELECT bool_or(%1$I IS NULL), bool_or(%1$I IS NOT NULL) FROM %s',
			a.attname, heap) INTO nulls, values_there;
		CONTINUE WHEN NOT values_there AND format = 'pgstrom';
		IF nulls AND (format = 'arrow' OR a.attlen > 0) THEN
			total = total + padded(nrows / 8, CASE format WHEN 'arrow' THEN 64 ELSE 8 END);
		END IF;
		IF format = 'arrow' THEN
			total = total + CASE
				WHEN a.atttypid = 'bool'::regtype THEN padded(nrows / 8, 64)
				WHEN a.atttypid = 'numeric'::regtype THEN nrows * 16
				WHEN a.attlen > 0 THEN padded(nrows * a.attlen, 64)
				ELSE padded((nrows + 1) * 4, 64) END;
			IF a.attlen = -1 AND a.atttypid <> 'numeric'::regtype THEN
				EXECUTE format(CASE a.atttypid WHEN 'int[]'::regtype
					THEN 'SELECT sum(cardinality(%I) * 4) FROM %s'
					ELSE 'SELECT sum(octet_length(%I)) FROM %s' END, a.attname, heap) INTO bytes;
				total = total + padded(coalesce(bytes, 0), 64);
			END IF;
		ELSIF a.attlen > 0 THEN
			total = total + padded(nrows * padded(a.attlen, CASE a.attalign
				WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END), 8);
		ELSE
			-- a value that comes again is stored once
			EXECUTE format('SELECT sum(ceil((%s) / 8.0) * 8) FROM
				(SELECT DISTINCT %I FROM %s WHERE %2$I IS NOT NULL) v',
				value_bytes(a.atttypid, a.attname), a.attname, heap) INTO bytes;
			total = total + padded(nrows * 4, 8) + coalesce(bytes, 0);
		END IF;
	END LOOP;
	RETURN total + CASE format WHEN 'arrow' THEN 0
		ELSE padded(56 + 24 * ncolumns + padded(64 * ncolumns, 16), 16) END;
END $$;

CREATE TABLE numbers AS SELECT i AS a, i::bigint AS b, i::smallint AS c, i / 7.0::float8 AS d,
	i % 2 = 0 AS e, date '2000-01-01' + i AS f, gen_random_uuid() AS g
FROM generate_series(1, 30000) i;
CREATE TABLE empties AS SELECT CASE WHEN i % 3 = 0 THEN i END AS a, CASE WHEN i % 5 > 0 THEN i / 2.0::float8 END AS b,
	CASE WHEN i > 20000 THEN 'text ' || i END AS c, NULL::bigint AS d
FROM generate_series(1, 30000) i;
CREATE TABLE texts AS SELECT 'number ' || i AS a, repeat(md5(i::text), i % 5) AS b, i::text::bytea AS c
FROM generate_series(1, 30000) i;
CREATE TABLE repeated AS SELECT (ARRAY['a', 'some more', NULL, 'AIR REG', 'TRUCK'])[i % 5 + 1] AS a,
	'category ' || i % 300 AS b, (i % 1000)::numeric(12,2) AS c
FROM generate_series(1, 30000) i;
CREATE TABLE numerics AS SELECT (i / 4.0)::numeric(15,2) AS a, (i * 1000003.000001)::numeric(20,6) AS b
FROM generate_series(1, 30000) i;
CREATE TABLE arrays AS SELECT ARRAY[i, i + 1, i * 2] AS a, array_fill(i, ARRAY[i % 9]) AS b
FROM generate_series(1, 30000) i;

\echo -- bytes of a chunk, against what the layout says
CREATE FUNCTION compare(heap regclass, format text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	stored numeric;
	should numeric = expected(heap, format);
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE g (%s) SERVER gstore_fdw OPTIONS (format %L)',
		(SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ')
			FROM pg_attribute WHERE attrelid = heap AND attnum > 0), format);
	EXECUTE format('INSERT INTO g SELECT * FROM %s', heap);
	SELECT sum(rawsize) INTO stored FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = 'g'::regclass;
	DROP FOREIGN TABLE g;
	RETURN CASE WHEN stored BETWEEN should * 0.95 AND should * 1.05 THEN 'as expected'
		ELSE format('%s bytes instead of %s', stored, should) END;
END $$;
SELECT heap, compare(heap, 'pgstrom') AS pgstrom, compare(heap, 'arrow') AS arrow
FROM unnest('{numbers,empties,texts,repeated,numerics,arrays}'::regclass[]) heap;

\echo -- a session that loads
-- What is private to this process, in MB.
CREATE FUNCTION own_memory() RETURNS numeric LANGUAGE sql AS $$
	SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')::numeric / 1024 $$;
CREATE FUNCTION watch(i int) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	IF i % 5000 = 0 THEN
		PERFORM set_config('sizes.most', greatest(current_setting('sizes.most')::numeric, own_memory())::text, false);
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION load(format text, list text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before numeric;
	chunks int;
	bytes bigint;
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE g (i int, a text, b text, n numeric(12,2))
		SERVER gstore_fdw OPTIONS (format %L)', format);
	before = own_memory();
	PERFORM set_config('sizes.most', '0', false);
	EXECUTE format(command, list);
	SELECT count(*), sum(rawsize) INTO chunks, bytes FROM pgstrom.gstore_fdw_chunk_info
	WHERE table_oid = 'g'::regclass;
	DROP FOREIGN TABLE g;
	RETURN CASE WHEN chunks < 3 THEN format('only %s chunks', chunks)
		WHEN current_setting('sizes.most')::numeric - before < 32 THEN 'less than two chunks'
		ELSE format('%s MB for %s chunks of %s bytes', round(current_setting('sizes.most')::numeric - before),
			chunks, bytes) END;
END $$;
CREATE TABLE loads (kind text, n int, list text);
INSERT INTO loads VALUES ('long texts', 50000, 'i, repeat(md5(i::text), 60), ''x'', i / 4.0'),
	('short ones', 1000000, 'i, ''a'' || i, ''bcd'' || i * 7, i / 4.0');
CREATE FUNCTION load(format text, kind text) RETURNS text LANGUAGE sql AS $$
	SELECT load(format, list, format('INSERT INTO g SELECT %%s FROM generate_series(1, %s) i WHERE watch(i)', n))
	FROM loads WHERE kind = load.kind $$;
ALTER DATABASE :DBNAME SET search_path = sizes, public;
ALTER DATABASE :DBNAME SET gstore_fdw.chunk_size = '16MB';
-- LLVM takes 10 MB, which are not the load's
ALTER DATABASE :DBNAME SET jit = off;
-- each in a session of its own, whose memory nobody has used before
\c
SELECT load('pgstrom', 'long texts');
\c
SELECT load('pgstrom', 'short ones');
\c
SELECT load('arrow', 'long texts');
\c
SELECT load('arrow', 'short ones');

ALTER DATABASE :DBNAME RESET search_path;
ALTER DATABASE :DBNAME RESET gstore_fdw.chunk_size;
ALTER DATABASE :DBNAME RESET jit;
SET client_min_messages = warning;
DROP SCHEMA sizes CASCADE;
