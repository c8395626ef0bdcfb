-- Options of tables and columns: what is legal, and what refusals say.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
\pset null '(null)'

CREATE FOREIGN TABLE plain (a int) SERVER gstore_fdw;
CREATE FOREIGN TABLE pinned (a int) SERVER gstore_fdw
	OPTIONS (pinning '0', format 'pgstrom');
CREATE FOREIGN TABLE aliased (a int, b text OPTIONS (compression 'pglz'))
	SERVER gstore_fdw OPTIONS (format 'default');
SELECT relname, ftoptions FROM pg_foreign_table JOIN pg_class ON oid = ftrelid
ORDER BY relname;

\set VERBOSITY default
\echo -- names
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinnig '0');
CREATE FOREIGN TABLE bad (a int OPTIONS (pinning '0')) SERVER gstore_fdw;
CREATE FOREIGN TABLE bad (a text) SERVER gstore_fdw OPTIONS (compression 'pglz');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw
	OPTIONS (pinning '0', pinning '0');
CREATE SERVER bad FOREIGN DATA WRAPPER gstore_fdw OPTIONS (pinning '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER gstore_fdw OPTIONS (pinning '0');
ALTER FOREIGN DATA WRAPPER gstore_fdw OPTIONS (ADD pinning '0');
\echo -- values
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinning 'one');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinning '');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinning '1.5');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinning '-1');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (pinning '16');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw
	OPTIONS (pinning '99999999999999999999');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (format 'parquet');
CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw OPTIONS (large_text 'perhaps');
CREATE FOREIGN TABLE bad (a text OPTIONS (compression 'zstd'))
	SERVER gstore_fdw;
-- a device that is not there: the message lists those that are
DO $$
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE bad (a int) SERVER gstore_fdw
		OPTIONS (pinning %L)', (SELECT max(number) + 1 FROM gstore_devices));
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE NOTICE 'refused';
END $$;
\echo -- compression is for columns of variable length
CREATE FOREIGN TABLE bad (a int OPTIONS (compression 'pglz'))
	SERVER gstore_fdw;
ALTER FOREIGN TABLE plain ALTER a OPTIONS (ADD compression 'pglz');
ALTER FOREIGN TABLE plain ADD b uuid OPTIONS (compression 'pglz');
\echo -- options of arrow columns
CREATE FOREIGN TABLE bad (a int OPTIONS (bool 'byte')) SERVER gstore_fdw;
CREATE FOREIGN TABLE bad (a int OPTIONS (scale '2')) SERVER gstore_fdw;
CREATE FOREIGN TABLE bad (a numeric OPTIONS (scale '39')) SERVER gstore_fdw;
\echo -- ALTER
ALTER FOREIGN TABLE plain OPTIONS (ADD pinning '0');
ALTER FOREIGN TABLE plain OPTIONS (SET pinning 'x');
ALTER FOREIGN TABLE plain OPTIONS (DROP pinning);
ALTER FOREIGN TABLE aliased ALTER b OPTIONS (SET compression 'none');

DROP FOREIGN TABLE plain, pinned, aliased;
