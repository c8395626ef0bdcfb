-- Loads of many rows, which are staged in batches and encoded beside the
-- executor: every form a row can come in, and errors that are found late.
CREATE SCHEMA loading;
SET search_path = loading, public;
SET client_min_messages = warning;

CREATE TABLE source (a int, dropped text, b bigint, c text, d numeric(12,3), e date,
	f timestamp, g uuid, h interval, i "char", j bool, k float4, l bytea, m name, n smallint);
INSERT INTO source SELECT i, 'gone', i * 7, CASE WHEN i % 5 > 0 THEN repeat('text ', i % 11) || i END,
	CASE WHEN i % 7 > 0 THEN i / 8.0 - 500 END, date '2000-01-01' + i % 4000, timestamp '2001-01-01' + i * interval '1 hour',
	CASE WHEN i % 3 > 0 THEN md5(i::text)::uuid END, i * interval '1 minute', chr(65 + i % 26)::"char",
	CASE WHEN i % 4 > 0 THEN i % 2 = 0 END, i / 3.0::float4, decode(md5(i::text), 'hex'), 'name' || i % 100, i % 1000
FROM generate_series(1, 20000) i;
ALTER TABLE source DROP COLUMN dropped;
-- old tuples lack it
ALTER TABLE source ADD COLUMN o int DEFAULT 42;
INSERT INTO source (a, o) SELECT i, NULL FROM generate_series(1, 100) i;
-- compressed, elsewhere, and longer than a batch
ALTER TABLE source ADD COLUMN p text;
UPDATE source SET p = CASE a % 3 WHEN 0 THEN repeat('x', a) WHEN 1 THEN 'short' END WHERE a % 50 = 0;
ALTER TABLE source ADD COLUMN q text;
ALTER TABLE source ALTER COLUMN q SET STORAGE EXTERNAL;
UPDATE source SET q = repeat('y', 3000 + a) WHERE a % 100 = 7;
UPDATE source SET q = repeat('long', 100000) WHERE a = 10007;

-- where the server has lz4, values compressed with it
DO $$
BEGIN
	SET default_toast_compression = lz4;
EXCEPTION WHEN OTHERS THEN
	NULL;
END $$;
UPDATE source SET c = repeat('lz4 ', 800) || a WHERE a % 200 = 3;
RESET default_toast_compression;

-- Loads in every way, and the rows that came out wrong.
CREATE FUNCTION load(format text, threads int, chunk_size text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	columns text = (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'source'::regclass AND attnum > 0 AND NOT attisdropped);
	wrong int[] = '{}';
	differences int;
	command text;
BEGIN
	PERFORM set_config('gstore_fdw.host_threads', threads::text, true),
		set_config('gstore_fdw.chunk_size', chunk_size, true);
	EXECUTE format('CREATE FOREIGN TABLE g (%s) SERVER gstore_fdw OPTIONS (format %L)', columns, format);
	-- one that a tuple of all columns does not have in its place
	ALTER FOREIGN TABLE g ADD COLUMN r int;
	ALTER FOREIGN TABLE g DROP COLUMN r;
	FOREACH command IN ARRAY ARRAY['INSERT INTO g SELECT * FROM source',
		'INSERT INTO g SELECT * FROM (SELECT * FROM source ORDER BY b DESC) s',
		'INSERT INTO g SELECT (s.x).* FROM (SELECT source AS x FROM source) s',
		'UPDATE g SET n = n + 1'] LOOP
		IF command NOT LIKE 'UPDATE%' THEN TRUNCATE g; END IF;
		EXECUTE command;
		IF command LIKE 'UPDATE%' THEN UPDATE g SET n = n - 1; END IF;
		SELECT count(*) INTO differences FROM (
			(SELECT r::text FROM g r EXCEPT ALL SELECT r::text FROM source r) UNION ALL
			(SELECT r::text FROM source r EXCEPT ALL SELECT r::text FROM g r)) x;
		wrong = wrong || differences;
	END LOOP;
	DROP FOREIGN TABLE g;
	RETURN wrong;
END $$;
SELECT format, threads, chunk_size, load(format, threads, chunk_size)
FROM unnest('{pgstrom,arrow}'::text[]) format,
	(VALUES (1, '256MB'), (3, '256MB'), (2, '4MB'), (2, '64kB')) v (threads, chunk_size);

\echo -- blocks know their bounds
CREATE FOREIGN TABLE blocks (a int, d numeric(12,3), c text) SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO blocks SELECT i, i / 4.0, 'text ' || i / 16384 FROM generate_series(1, 50000) i;
SELECT count(*) FROM blocks WHERE a BETWEEN 20000 AND 20010;
SELECT count(*) FROM blocks WHERE d = 49999 / 4.0;
SELECT count(*) FROM blocks WHERE c = 'text 0';
CREATE FUNCTION pruned(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) ' || query LOOP
		IF line ~ 'Blocks Pruned' THEN RETURN trim(line); END IF;
	END LOOP;
END $$;
SELECT pruned('SELECT count(*) FROM blocks WHERE a BETWEEN 20000 AND 20010'),
	pruned('SELECT count(*) FROM blocks WHERE d = 49999 / 4.0'),
	pruned('SELECT count(*) FROM blocks WHERE c = ''text 0''');

\echo -- values that are refused, late
CREATE FOREIGN TABLE refused (a int, d date, n numeric(6,2)) SERVER gstore_fdw OPTIONS (format 'arrow');
SET gstore_fdw.host_threads = 2;
INSERT INTO refused SELECT i, CASE i WHEN 15000 THEN date 'infinity' ELSE date '2000-01-01' + i END, 1 FROM generate_series(1, 30000) i;
INSERT INTO refused SELECT i, '2000-01-01', CASE i WHEN 30000 THEN 'NaN'::numeric ELSE i % 9999 END FROM generate_series(1, 30000) i;
\echo -- COPY names the line
COPY refused (d) FROM PROGRAM 'yes 2000-01-01 | head -3000; echo infinity; yes 2000-01-01 | head -3000';
SELECT count(*) FROM refused;

\echo -- a trigger that meets the error of an earlier row, and goes on
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a IN (10, 500, 900) THEN
		BEGIN
			RAISE WARNING 'row %: % before it', NEW.a, (SELECT count(*) FROM refused);
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE WARNING 'row %: %', NEW.a, SQLERRM;
		END;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION look();
INSERT INTO refused SELECT i, CASE i WHEN 600 THEN date 'infinity' ELSE date '2000-01-01' + i END, 1 FROM generate_series(1, 1000) i;
SELECT count(*) FROM refused;
INSERT INTO refused SELECT i, date '2000-01-01' + i, 1 FROM generate_series(1, 1000) i;
SELECT count(*), sum(a), max(d) FROM refused;
DROP TRIGGER look ON refused;

\echo -- NOT NULL and CHECK
CREATE FOREIGN TABLE checked (a int NOT NULL, b text NOT NULL CHECK (b <> 'row 777')) SERVER gstore_fdw;
INSERT INTO checked SELECT i, CASE WHEN i <> 500 THEN 'row ' || i END FROM generate_series(1, 1000) i;
INSERT INTO checked SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
ALTER FOREIGN TABLE checked DROP CONSTRAINT checked_b_check;
INSERT INTO checked SELECT i, CASE WHEN i <> 500 THEN 'row ' || i END FROM generate_series(1, 1000) i;
INSERT INTO checked SELECT i, 'row ' || i FROM generate_series(1, 1000) i;
SELECT count(*), count(DISTINCT b) FROM checked;

SET client_min_messages = warning;
DROP SCHEMA loading CASCADE;
