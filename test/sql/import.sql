-- IMPORT FOREIGN SCHEMA: gstore tables shaped like this database's own.
CREATE SCHEMA shapes;
CREATE SCHEMA gpu;
CREATE TYPE shapes.mood AS ENUM ('sad', 'ok');
CREATE DOMAIN shapes.small AS int CHECK (VALUE < 100);
CREATE FUNCTION shapes.next() RETURNS int LANGUAGE sql AS 'SELECT 7';
CREATE TABLE shapes.all_kinds (
	id bigint GENERATED ALWAYS AS IDENTITY,
	"Odd name" text COLLATE "C" NOT NULL DEFAULT 'x''y',
	n numeric(12,3), gone int, m shapes.mood, s shapes.small DEFAULT shapes.next(),
	a int[], twice numeric GENERATED ALWAYS AS (n * 2) STORED, t varchar(7));
ALTER TABLE shapes.all_kinds DROP COLUMN gone;
CREATE TABLE shapes."Empty" ();
CREATE TABLE shapes.parted (k int NOT NULL, v text) PARTITION BY RANGE (k);
CREATE TABLE shapes.part_1 PARTITION OF shapes.parted FOR VALUES FROM (0) TO (10);
CREATE VIEW shapes.a_view AS SELECT 1 AS one;
CREATE FOREIGN TABLE shapes.foreign_one (k int) SERVER gstore_fdw;

CREATE FUNCTION shape(name regclass) RETURNS TABLE (attname name, type text, "not null" boolean,
	"collation" text, "default" text)
LANGUAGE sql AS $$
	SELECT a.attname, format_type(atttypid, atttypmod), attnotnull,
		CASE WHEN attcollation <> typcollation THEN attcollation::regcollation::text END,
		pg_get_expr(adbin, adrelid) || CASE attgenerated WHEN 's' THEN ' (stored)' ELSE '' END
	FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
		LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = name AND attnum > 0 AND NOT attisdropped ORDER BY attnum $$;

IMPORT FOREIGN SCHEMA shapes FROM SERVER gstore_fdw INTO gpu;
SELECT c.relname, ftoptions FROM pg_class c JOIN pg_foreign_table ON ftrelid = c.oid
WHERE relnamespace = 'gpu'::regnamespace ORDER BY 1;
SELECT * FROM shape('gpu.all_kinds');
SELECT * FROM shape('gpu.parted');
INSERT INTO shapes.all_kinds (n, m, a) VALUES (1.5, 'ok', '{1,NULL}'), (NULL, 'sad', NULL);
INSERT INTO gpu.all_kinds (id, "Odd name", n, m, s, a, t) SELECT id, "Odd name", n, m, s, a, t FROM shapes.all_kinds;
TABLE gpu.all_kinds EXCEPT TABLE shapes.all_kinds;
INSERT INTO gpu.all_kinds (id) VALUES (1);

-- some of them, with options for each and without what is not wanted
DROP FOREIGN TABLE gpu.all_kinds, gpu.parted, gpu."Empty";
IMPORT FOREIGN SCHEMA shapes LIMIT TO (all_kinds, parted) FROM SERVER gstore_fdw INTO gpu
	OPTIONS (format 'arrow', pinning '0', import_default 'true', import_not_null 'false',
			 import_collate 'false', import_generated 'false');
SELECT c.relname, ftoptions FROM pg_class c JOIN pg_foreign_table ON ftrelid = c.oid
WHERE relnamespace = 'gpu'::regnamespace ORDER BY 1;
SELECT * FROM shape('gpu.all_kinds');
DROP FOREIGN TABLE gpu.all_kinds, gpu.parted;
IMPORT FOREIGN SCHEMA shapes EXCEPT (all_kinds, "Empty") FROM SERVER gstore_fdw INTO gpu;
SELECT relname FROM pg_class WHERE relnamespace = 'gpu'::regnamespace ORDER BY 1;

-- refused
IMPORT FOREIGN SCHEMA nowhere FROM SERVER gstore_fdw INTO gpu;
IMPORT FOREIGN SCHEMA shapes LIMIT TO (parted) FROM SERVER gstore_fdw INTO gpu;
IMPORT FOREIGN SCHEMA shapes LIMIT TO ("Empty") FROM SERVER gstore_fdw INTO gpu OPTIONS (colour 'red');
IMPORT FOREIGN SCHEMA shapes LIMIT TO ("Empty") FROM SERVER gstore_fdw INTO gpu OPTIONS (import_default 'perhaps');

\set VERBOSITY terse
DROP SCHEMA shapes, gpu CASCADE;
DROP FUNCTION shape;
