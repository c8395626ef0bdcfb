-- What make quickstart shows, once the table package is filled.
\pset footer off

\echo
\echo '== the table: a foreign table like any other, but its rows are in device memory'
SELECT count(*) AS packages, count(DISTINCT section) AS sections,
       pg_size_pretty(sum(installed_size)::bigint * 1024) AS installed
  FROM package;

\echo '== what takes the most room'
SELECT section, count(*) AS packages,
       pg_size_pretty(sum(installed_size)::bigint * 1024) AS installed,
       round(avg(installed_size)) AS average_kb
  FROM package
 GROUP BY section
 ORDER BY sum(installed_size) DESC NULLS LAST
 LIMIT 8;

\echo '== by priority'
SELECT priority, count(*) AS packages, max(installed_size) AS largest_kb
  FROM package
 GROUP BY priority
 ORDER BY packages DESC;

\echo '== what has to do with GPUs'
SELECT name, version, left(description, 50) AS description
  FROM package
 WHERE description ~ '\mGPUs?\M'
 ORDER BY installed_size DESC NULLS LAST
 LIMIT 6;

\echo '== how PostgreSQL reads it'
EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT section, count(*) FROM package GROUP BY section;

\echo '== its chunks: pgstrom.gstore_fdw_chunk_info'
SELECT table_oid::regclass AS "table", revision, xmin, xmax, pinning, format,
       pg_size_pretty(rawsize) AS size, nitems AS rows
  FROM pgstrom.gstore_fdw_chunk_info;

\echo '== the devices: gstore_devices'
\x on
SELECT * FROM gstore_devices;
\x off
