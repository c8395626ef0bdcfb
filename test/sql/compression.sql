-- compression 'pglz': values as the server's own pglz makes and reads them.
SET default_toast_compression = 'pglz';

CREATE TABLE h (id int, t text, a smallint[], n numeric);
CREATE FOREIGN TABLE plain (id int, t text, a smallint[], n numeric)
	SERVER gstore_fdw;
CREATE FOREIGN TABLE packed (id int,
	t text OPTIONS (compression 'pglz'),
	a smallint[] OPTIONS (compression 'pglz'),
	n numeric OPTIONS (compression 'pglz'))
	SERVER gstore_fdw;

\echo -- short and long, that shrink and do not, stored compressed in a heap
INSERT INTO h SELECT i,
	CASE i % 4
		WHEN 0 THEN repeat(md5(i::text), i % 150)
		WHEN 1 THEN md5(i::text)
		WHEN 2 THEN repeat('x', i * 7)
		ELSE NULL END,
	ARRAY(SELECT CASE WHEN (i * 31 + j) % 20 = 0 THEN (i + j) % 3000 ELSE 0
		END FROM generate_series(1, i % 500) j),
	(i::numeric / 7) ^ 30
FROM generate_series(1, 4000) i;
SELECT count(*) > 0 AS some_are_compressed FROM h
WHERE pg_column_compression(t) = 'pglz';

INSERT INTO plain TABLE h;
INSERT INTO packed TABLE h;
SELECT count(*) FROM ((TABLE plain EXCEPT ALL TABLE h) UNION ALL
	(TABLE h EXCEPT ALL TABLE plain)) differing;
SELECT count(*) FROM ((TABLE packed EXCEPT ALL TABLE h) UNION ALL
	(TABLE h EXCEPT ALL TABLE packed)) differing;

\echo -- plain values are plain, compressed ones compressed where that shrinks
SELECT count(*) FROM plain WHERE pg_column_compression(t) IS NOT NULL OR
	pg_column_compression(a) IS NOT NULL;
SELECT bool_and(pg_column_compression(t) = 'pglz') FROM packed
WHERE id % 4 = 2 AND id > 10;
SELECT count(*) FROM packed WHERE id % 4 = 1 AND
	pg_column_compression(t) IS NOT NULL;

\echo -- from one to the other
CREATE FOREIGN TABLE again (id int, t text, a smallint[], n numeric)
	SERVER gstore_fdw;
INSERT INTO again TABLE packed;
SELECT count(*) FROM ((TABLE again EXCEPT ALL TABLE h) UNION ALL
	(TABLE h EXCEPT ALL TABLE again)) differing;
SELECT count(*) FROM again WHERE pg_column_compression(t) IS NOT NULL;
UPDATE packed SET id = -id WHERE id % 3 = 0;
SELECT count(*) FROM packed p JOIN h ON h.id = abs(p.id)
WHERE h.t IS NOT DISTINCT FROM p.t AND h.a = p.a AND h.n = p.n;

\echo -- an array that is mostly zero shrinks the table at least five times
CREATE FOREIGN TABLE wide (a smallint[]) SERVER gstore_fdw;
CREATE FOREIGN TABLE narrow (a smallint[] OPTIONS (compression 'pglz'))
	SERVER gstore_fdw;
INSERT INTO wide SELECT ARRAY(SELECT
	CASE WHEN hashint4(i * 10000 + j) % 20 = 0 THEN j ELSE 0 END
	FROM generate_series(1, 1000) j) FROM generate_series(1, 500) i;
INSERT INTO narrow TABLE wide;
SELECT gstore_fdw_rawsize('wide'::regclass) >
	5 * gstore_fdw_rawsize('narrow'::regclass) AS at_least_five_times;

DROP FOREIGN TABLE plain, packed, again, wide, narrow;
DROP TABLE h;
