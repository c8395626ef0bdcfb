/* gstore_fdw--1.0--1.1.sql */
\echo Use "ALTER EXTENSION gstore_fdw UPDATE TO '1.1'" to load this file. \quit

-- ---- loading ----

CREATE FUNCTION gstore_load(target reggstore, source regclass,
	workers int DEFAULT NULL)
	RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C;

COMMENT ON FUNCTION gstore_load(reggstore, regclass, int) IS
	'insert the rows of an ordinary table, by several processes; returns their number';

-- ---- how far it is ----

CREATE FUNCTION gstore_progress_load(
	OUT pid int, OUT datid oid, OUT relid oid, OUT source_relid oid,
	OUT phase text, OUT workers bigint, OUT blocks_total bigint,
	OUT blocks_done bigint, OUT tuples_done bigint, OUT bytes_done bigint)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

CREATE VIEW gstore_progress_load AS
	SELECT p.pid, p.datid, d.datname, p.relid, p.source_relid, p.phase,
		p.workers, p.blocks_total, p.blocks_done, p.tuples_done, p.bytes_done
	FROM gstore_progress_load() p LEFT JOIN pg_database d ON d.oid = p.datid;

COMMENT ON VIEW gstore_progress_load IS
	'how far each gstore_load() is that is running';

GRANT SELECT ON gstore_progress_load TO PUBLIC;
