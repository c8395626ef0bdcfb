-- What only newer servers have; "as it should be" also where it is not there.
CREATE SCHEMA newer;
SET search_path = newer, public;
SET client_min_messages = warning;
CREATE FUNCTION since(version int, commands text[], query text, answer text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	command text;
	found text;
BEGIN
	IF current_setting('server_version_num')::int >= version * 10000 THEN
		FOREACH command IN ARRAY commands LOOP
			EXECUTE command;
		END LOOP;
		EXECUTE query INTO found;
		IF found IS DISTINCT FROM answer THEN
			RETURN format('%s instead of %s', found, answer);
		END IF;
	END IF;
	RETURN 'as it should be';
END $$;
CREATE FOREIGN TABLE t (k int, v int DEFAULT 7, w text) SERVER gstore_fdw;
CREATE FOREIGN TABLE a (k int, v int DEFAULT 7, w text)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO t SELECT i, i * 10, 'w' || i FROM generate_series(1, 9) i;
INSERT INTO a SELECT i, i * 10, 'w' || i FROM generate_series(1, 9) i;

\echo -- COPY with DEFAULT; COPY that goes on after errors
SELECT name, since(16, ARRAY[format('COPY %I FROM PROGRAM $x$printf ''20\t@\tcopied\n''$x$ WITH (DEFAULT ''@'')', name)],
	format('SELECT (k, v, w) FROM %I WHERE w = ''copied''', name), '(20,7,copied)')
FROM unnest('{t,a}'::text[]) name;
SELECT name, since(17, ARRAY[format('COPY %I (k, w) FROM PROGRAM $x$printf ''30\tgood\nbad\tbad\n31\tgood\n''$x$ WITH (ON_ERROR ignore, LOG_VERBOSITY default)', name)],
	format('SELECT (sum(k), count(*)) FROM %I WHERE w IN (''good'', ''bad'')', name), '(61,2)')
FROM unnest('{t,a}'::text[]) name;

\echo -- old and new rows in RETURNING, where UPDATE and DELETE go which way they want
SELECT name, since(18, '{}', format('WITH u AS (UPDATE %I SET v = v + 1 WHERE k = 2
		RETURNING old.v AS before, new.v AS after, v) TABLE u', name), '20'),
	since(18, '{}', format('WITH u AS (UPDATE %I SET v = v + 1 WHERE k IN (SELECT 3)
		RETURNING (old.k, old.v, new.k, new.v, w)) TABLE u', name), '(3,30,3,31,w3)'),
	since(18, '{}', format('WITH d AS (DELETE FROM %I WHERE k = 4 RETURNING (old.v, new.v, v)) TABLE d', name), '(40,,40)'),
	since(18, '{}', format('WITH i AS (INSERT INTO %I VALUES (40) RETURNING (old.v, new.v, v)) TABLE i', name), '(,7,7)')
FROM unnest('{t,a}'::text[]) name;

\echo -- virtual generated columns
SELECT format, since(18, ARRAY['DROP FOREIGN TABLE IF EXISTS g', format('CREATE FOREIGN TABLE g (k int,
			twice int GENERATED ALWAYS AS (k * 2) VIRTUAL, s int GENERATED ALWAYS AS (k + 1) STORED)
			SERVER gstore_fdw OPTIONS (format %L)', format),
		'INSERT INTO g (k) SELECT generate_series(1, 1000)', 'UPDATE g SET k = 2000 WHERE twice = 6'],
	'SELECT (sum(twice), count(*) FILTER (WHERE twice > 1000), max(s), min(twice % 7)) FROM g WHERE twice <> 8',
	'(1004986,501,2001,0)')
FROM unnest('{pgstrom,arrow}'::text[]) format;

DROP SCHEMA newer CASCADE;
