
# A standby: the tables' definitions arrive, their rows do not.  Access says
# so; once promoted, it is a server with empty tables.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1, @INITDB);
$primary->append_conf('postgresql.conf', slurp_file($ENV{GSTORE_SERVER_CONF}));
$primary->append_conf('postgresql.conf', 'gstore_fdw.host_memory = 64MB');
$primary->start;
sql($primary, 'CREATE EXTENSION gstore_fdw');
sql($primary, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($primary, q{INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i});
sql($primary, 'CREATE TABLE ordinary AS SELECT * FROM t');

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
sql($primary, 'CREATE FOREIGN TABLE later (id int) SERVER gstore_fdw');
$primary->wait_for_catchup($standby);

ok(defined keeper_pid($standby), 'the keeper runs on a standby');
is(sql($standby, 'SELECT pg_is_in_recovery()'), 't', 'it is one');
foreach my $query ('SELECT count(*) FROM t', 'SELECT * FROM later',
	'EXPLAIN ANALYZE SELECT * FROM t')
{
	like(error_of($standby, "$query;"), qr/ERROR:\s+55000.*recovery/s, "$query: 55000");
}
isnt(error_of($standby, 'INSERT INTO t VALUES (1, NULL);'), '', 'it takes no rows');
like(error_of($standby, "SELECT gstore_load('t', 'ordinary', 2);"), qr/ERROR:  25006/, 'nor are any loaded');
is(sql($primary, 'SELECT count(*) FROM t'), '1000', 'the primary has its rows');

$standby->promote;
is(sql($standby, 'SELECT count(*) FROM t'), '0', 'promoted, the table is empty');
sql($standby, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 20000) i});
is(sql($standby, 'SELECT count(*), max(id) FROM t'), '20000|20000', 'and takes rows');
is(sql($standby, "SELECT gstore_load('t', 'ordinary', 2)"), '1000', 'loads them, too');
is(sql($primary, 'SELECT count(*) FROM t'), '1000', 'of its own');
$standby->stop('fast');
$primary->stop('fast');
done_testing();
