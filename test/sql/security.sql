-- What a security barrier, a row policy or a privilege hides must not be told by
-- a function, an error or a statistic, wherever the condition is evaluated.
CREATE SCHEMA secure;
SET search_path = secure, public;
CREATE TABLE h (k int, owner text COLLATE "C", secret int, note text);
INSERT INTO h SELECT i, CASE WHEN i % 3 = 0 THEN 'alice' ELSE 'bob' END, i % 7, 'note ' || i
FROM generate_series(1, 60) i;
CREATE FOREIGN TABLE p (k int, owner text COLLATE "C", secret int, note text)
	SERVER gstore_fdw OPTIONS (format 'pgstrom');
CREATE FOREIGN TABLE a (k int, owner text COLLATE "C", secret int, note text)
	SERVER gstore_fdw OPTIONS (format 'arrow');
INSERT INTO p SELECT * FROM h;
INSERT INTO a SELECT * FROM h;
ANALYZE p;
ANALYZE a;

-- Tells when it is given a row of bob's; costs so little that a planner would
-- like it first.
CREATE FUNCTION leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 IMMUTABLE AS $$
BEGIN
	IF $1 ~ '^note' AND substr($1, 6)::int % 3 <> 0 THEN
		RAISE 'leaked %', $1;
	END IF;
	RETURN true;
END $$;
-- A condition that the engine has and one that it has not.
CREATE VIEW pushed_p WITH (security_barrier) AS SELECT * FROM p WHERE owner = 'alice';
CREATE VIEW pushed_a WITH (security_barrier) AS SELECT * FROM a WHERE owner = 'alice';
CREATE VIEW local_p WITH (security_barrier) AS SELECT * FROM p WHERE md5(owner) = md5('alice');
CREATE VIEW local_a WITH (security_barrier) AS SELECT * FROM a WHERE md5(owner) = md5('alice');
CREATE VIEW both_p WITH (security_barrier) AS SELECT * FROM pushed_p WHERE k < 40;
-- k = 31 is bob's: whoever divides by k - 31 before the barrier, tells
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE query INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION shown(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Filter|Foreign|Aggregate|Cond' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;

\echo -- a leaky function, and operators that raise errors
SELECT v, answer(format('SELECT count(*) FROM %s WHERE leak(note)', v)) AS leaky,
	answer(format('SELECT count(*) FROM %s WHERE 1 / (k - 31) = 0', v)) AS error,
	answer(format('SELECT count(*) FROM %s WHERE 1 / (k - 31) = 0 AND k > 0 AND leak(note)', v)) AS three,
	answer(format('SELECT sum(1 / (k - 31)) FROM %s', v)) AS aggregated,
	answer(format('SELECT count(*) FILTER (WHERE 1 / (k - 31) = 0) FROM %s', v)) AS filtered,
	answer(format('SELECT count(DISTINCT 1 / (k - 31)) FROM %s', v)) AS distincts,
	answer(format('SELECT count(*) FROM (SELECT 1 / (k - 31) FROM %s GROUP BY 1) x', v)) AS keys,
	answer(format('SELECT count(*) FROM %s WHERE (note || ''x'')::text::bytea IS NOT NULL AND note::varchar(8)::text LIKE ''%%1'' AND substr(note, 6)::int / (k - 31) > 0', v)) AS casts
FROM unnest('{pushed_p,pushed_a,local_p,local_a,both_p}'::text[]) v;

\echo -- where they are evaluated
SELECT * FROM shown('SELECT count(*) FROM pushed_p WHERE 1 / (k - 31) = 0');
SELECT * FROM shown('SELECT count(*) FROM pushed_p WHERE k = 30');
SELECT * FROM shown('SELECT sum(1 / (k - 31)) FROM pushed_p');
SELECT * FROM shown('SELECT count(*) FROM local_p WHERE k = 30');
SELECT * FROM shown('SELECT * FROM both_p WHERE leak(note) AND k <> 12 AND note < ''x''');

\echo -- UPDATE and DELETE through them
SELECT v, answer(format('UPDATE %s SET note = note WHERE leak(note) AND k = 31 RETURNING k', v)) AS leaky,
	answer(format('WITH u AS (UPDATE %s SET secret = 1 / (k - 31) RETURNING k) SELECT count(*) FROM u', v)) AS error,
	answer(format('WITH u AS (DELETE FROM %s WHERE 1 / (k - 31) = 7 RETURNING k) SELECT count(*) FROM u', v)) AS deletes
FROM unnest('{pushed_p,pushed_a,local_p,local_a,both_p}'::text[]) v;
SELECT * FROM shown('UPDATE pushed_p SET secret = 1 WHERE k < 10');
SELECT * FROM shown('UPDATE pushed_p SET secret = 1 WHERE 1 / (k - 31) = 0');
SELECT * FROM shown('DELETE FROM pushed_p');
SELECT count(*) FROM p WHERE owner = 'bob' AND secret <> k % 7;

\echo -- joins: conditions derived from them
SELECT v, answer(format('SELECT count(*) FROM %s x JOIN h ON h.k = x.k AND 1 / (x.k - 31) = 0', v)),
	answer(format('SELECT count(*) FROM h LEFT JOIN %s x ON h.k = x.k AND leak(x.note)', v)),
	answer(format('SELECT count(*) FROM %s WHERE k IN (SELECT k FROM h WHERE 1 / (%s.k - 31) = 0)', v, v))
FROM unnest('{pushed_p,local_a}'::text[]) v;

\echo -- row policies of a partitioned table hold for its gstore partitions
CREATE ROLE gstore_alice;
GRANT USAGE ON SCHEMA secure TO gstore_alice;
CREATE TABLE whole (k int, owner text COLLATE "C", note text) PARTITION BY RANGE (k);
CREATE FOREIGN TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (30) SERVER gstore_fdw;
CREATE FOREIGN TABLE high PARTITION OF whole FOR VALUES FROM (30) TO (100)
	SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE TABLE rest PARTITION OF whole DEFAULT;
INSERT INTO whole SELECT k, CASE owner WHEN 'alice' THEN 'gstore_alice' ELSE owner END, note FROM h;
ALTER TABLE whole ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON whole USING (owner = current_user) WITH CHECK (owner = current_user);
GRANT SELECT, INSERT, UPDATE, DELETE ON whole TO gstore_alice;
CREATE VIEW invoker WITH (security_invoker) AS SELECT * FROM whole;
CREATE VIEW definer AS SELECT * FROM whole;
GRANT SELECT, UPDATE ON invoker, definer TO gstore_alice;
SET ROLE gstore_alice;
SELECT count(*) FROM whole;
SELECT count(*), min(k), count(DISTINCT owner) FROM whole WHERE leak(note);
SELECT answer('SELECT count(*) FROM whole WHERE 1 / (k - 31) = 0');
SELECT answer('SELECT sum(1 / (k - 31)) FROM whole');
SELECT owner, count(*) FROM whole GROUP BY 1;
SELECT count(*) FROM invoker;
SELECT count(*) FROM definer;
SELECT answer('SELECT count(*) FROM low');
UPDATE whole SET note = 'mine' WHERE leak(note) AND k < 12;
UPDATE invoker SET note = 'mine' WHERE k BETWEEN 31 AND 33;
UPDATE whole SET owner = 'bob' WHERE k = 3;
INSERT INTO whole VALUES (50, 'bob', 'not mine');
INSERT INTO whole VALUES (51, 'gstore_alice', 'mine'), (300, 'gstore_alice', 'mine');
INSERT INTO whole VALUES (52, 'gstore_alice', 'mine'), (53, 'bob', 'not mine');
-- on its way from an ordinary partition
UPDATE whole SET k = 53, owner = 'bob' WHERE k = 300;
UPDATE whole SET k = 53 WHERE k = 300;
UPDATE invoker SET owner = 'bob' WHERE k = 51;
UPDATE definer SET owner = 'gstore_alice' WHERE k = 31;
DELETE FROM whole WHERE 1 / (k - 31) = 0 AND k > 40;
RESET ROLE;
SELECT owner, note, count(*) FROM whole WHERE note !~ 'note' OR owner <> 'bob' AND k < 10 GROUP BY 1, 2 ORDER BY 1, 2;

\echo -- privileges on tables and columns
GRANT SELECT (k), UPDATE (note) ON p TO gstore_alice;
SET ROLE gstore_alice;
SELECT count(k) FROM p WHERE k < 10;
SELECT count(*) FROM p;
SELECT answer('SELECT count(secret) FROM p');
SELECT answer('SELECT count(*) FROM p WHERE secret = 1');
SELECT answer('SELECT sum(k) FROM p GROUP BY secret');
SELECT answer('UPDATE p SET note = NULL WHERE secret = 1');
SELECT answer('UPDATE p SET k = 1');
SELECT answer('DELETE FROM p');
-- statistics are not a way around
SELECT answer('SELECT most_common_vals FROM pg_stats WHERE tablename = ''p'' AND attname = ''secret''');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA secure CASCADE;
DROP ROLE gstore_alice;
