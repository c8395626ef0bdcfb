-- numeric as decimal128 and back: the value, its digits shown and its bytes.

CREATE TABLE h (id int, a numeric(38,0), b numeric(38,37), c numeric(15,3),
	d numeric(9,-2), e numeric(4,6), f numeric(38,20));
CREATE FOREIGN TABLE g (id int, a numeric(38,0), b numeric(38,37),
	c numeric(15,3), d numeric(9,-2), e numeric(4,6), f numeric(38,20))
	SERVER gstore_fdw OPTIONS (format 'arrow');

INSERT INTO h SELECT i, v, v / 1e38, round(v / 1e26, 3), round(v / 1e28, -2),
	round(v / 1e41, 6), v / 1e21
FROM generate_series(0, 4000) i, LATERAL (SELECT CASE i % 2 WHEN 0 THEN 1
	ELSE -1 END * trunc((10::numeric ^ (i % 39) - 1) *
	(hashint8extended(i, 7)::numeric / 9223372036854775808.0))) r (v);
INSERT INTO h SELECT 5000 + i, 10::numeric ^ i, 1 / 10::numeric ^ i,
	CASE WHEN i < 12 THEN 10::numeric ^ i END,
	CASE WHEN i < 11 THEN 10::numeric ^ i END,
	CASE WHEN i > 2 THEN 1 / 10::numeric ^ i END,
	CASE WHEN i < 18 THEN 10::numeric ^ i END
FROM generate_series(0, 37) i;
INSERT INTO h VALUES (6000, repeat('9', 38)::numeric,
	('9.' || repeat('9', 37))::numeric, 999999999999.999, 99999999900,
	0.009999, (repeat('9', 18) || '.' || repeat('9', 20))::numeric);
INSERT INTO h SELECT -id, -a, -b, -c, -d, -e, -f FROM h WHERE id >= 5000;
INSERT INTO h DEFAULT VALUES;
INSERT INTO g TABLE h;

SELECT count(*) FROM g;
SELECT count(*) FROM ((TABLE g EXCEPT ALL TABLE h) UNION ALL
	(TABLE h EXCEPT ALL TABLE g)) differing;
\echo -- nor do the digits shown differ, nor the bytes
SELECT count(*) FROM g JOIN h USING (id) WHERE (g.*)::text <> (h.*)::text;
SELECT count(*) FROM g JOIN h USING (id)
WHERE hash_numeric(g.a) <> hash_numeric(h.a) OR
	numeric_send(g.a) <> numeric_send(h.a) OR
	numeric_send(g.b) <> numeric_send(h.b) OR
	numeric_send(g.c) <> numeric_send(h.c) OR
	numeric_send(g.d) <> numeric_send(h.d) OR
	numeric_send(g.e) <> numeric_send(h.e) OR
	numeric_send(g.f) <> numeric_send(h.f);
\echo -- the datum is as large as the one the server would make
SELECT count(*) FROM g WHERE pg_column_size(a) <> pg_column_size(a + 0) OR
	pg_column_size(c) <> pg_column_size(c + 0) OR
	pg_column_size(f) <> pg_column_size(f + 0);

DROP FOREIGN TABLE g;
DROP TABLE h;
