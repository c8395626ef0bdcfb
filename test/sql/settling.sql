-- Format arrow on the host device: columns grow where their chunk's image is to be,
-- laid out by the first rows of it.  What comes may be like them, or not.
CREATE TABLE h (gone int, id int, b bool, bb bool, n numeric(12,2), d date, ts timestamptz,
	f float8, s int2, t text, same text, nm name, y bytea, u uuid, late text, o oid);
INSERT INTO h SELECT 0, i, i % 3 = 0, i % 5 = 0, i::numeric / 7, date '2000-01-01' + i % 5000,
	timestamptz '2000-01-01 00:00+00' + i * interval '17 minutes', sqrt(i), i % 1000,
	repeat(md5(i::text), i % 4), 'one of ' || i % 7, 'name ' || i, decode(md5(i::text), 'hex'),
	md5(i::text)::uuid, CASE WHEN i > 25000 THEN 'late ' || i END, i
	FROM generate_series(1, 30000) i;
ALTER TABLE h DROP gone;
CREATE FOREIGN TABLE a (gone int, id int, b bool, bb bool OPTIONS (bool 'byte'), n numeric(12,2), d date, ts timestamptz,
	f float8, s int2, t text, same text, nm name, y bytea, u uuid, late text, o oid)
	SERVER gstore_fdw OPTIONS (format 'arrow');
ALTER FOREIGN TABLE a DROP gone;
CREATE VIEW differ AS
	(TABLE h EXCEPT ALL TABLE a) UNION ALL (TABLE a EXCEPT ALL TABLE h);

\echo -- as they come: in chunks of many sizes, the last of them with few rows
SET gstore_fdw.chunk_size = '64kB';
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;
SET gstore_fdw.chunk_size = '300kB';
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;
SET gstore_fdw.chunk_size = '1MB';
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;
SET gstore_fdw.chunk_size = '6MB';
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;
-- settles, and ends soon after
SET gstore_fdw.chunk_size = '40MB';
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;
RESET gstore_fdw.chunk_size;
INSERT INTO a TABLE h;
SELECT count(*) FROM differ;
TRUNCATE a;

\echo -- texts that become longer, or shorter, than the first ones; NULLs that stop
SET gstore_fdw.chunk_size = '1MB';
UPDATE h SET t = repeat('x', id / 300), late = nullif(late, 'late 29999'),
	d = CASE WHEN id > 2000 THEN d END, b = CASE WHEN id % 1000 > 1 THEN b END;
INSERT INTO a SELECT * FROM h ORDER BY id;
SELECT count(*) FROM differ;
TRUNCATE a;
INSERT INTO a SELECT * FROM h ORDER BY id DESC;
SELECT count(*) FROM differ;
TRUNCATE a;

\echo -- rows too long for a batch, in between; and values that are compressed
SET default_toast_compression = 'pglz';
UPDATE h SET t = repeat(md5(id::text), 3000) WHERE id % 4000 = 3;
UPDATE h SET t = repeat('compressible', 200 + id % 50) WHERE id % 700 = 5;
INSERT INTO a SELECT * FROM h ORDER BY id;
SELECT count(*) FROM differ;

\echo -- read while it is written, by its own statement
SET gstore_fdw.chunk_size = '2MB';
CREATE FUNCTION rows_so_far(int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE n int; BEGIN IF $1 % 5000 = 0 THEN SELECT count(*) INTO n FROM a; END IF; RETURN $1; END $$;
TRUNCATE a;
INSERT INTO a (id, t) SELECT rows_so_far(i), 'text ' || i FROM generate_series(1, 60000) i;
SELECT count(*), sum(id), sum(length(t)), max(t) FROM a;

\echo -- given up in the middle
TRUNCATE a;
INSERT INTO a (id, t) SELECT i / (i - 40000), 'text ' || i FROM generate_series(1, 60000) i;
SELECT count(*) FROM a;

DROP VIEW differ;
DROP FOREIGN TABLE a;
DROP TABLE h;
DROP FUNCTION rows_so_far;
