# devices: host
#
# Without shared_preload_libraries the extension can be created, restored and
# dropped, and whatever needs the memory says what to do.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('preload');
$node->init(@INITDB);
$node->start;

sql($node, 'CREATE EXTENSION gstore_fdw');
sql($node, q{CREATE FOREIGN TABLE t (id int, note text OPTIONS (compression 'pglz'))
	SERVER gstore_fdw OPTIONS (pinning '0')});
pass('the extension and a table can be created');

like(error_of($node, q{CREATE FOREIGN TABLE bad (id int) SERVER gstore_fdw OPTIONS (pining '0')}),
	qr/ERROR:\s+HV00D.*pining/s, 'options are checked all the same');

foreach my $query (
	'SELECT * FROM t',
	q{INSERT INTO t VALUES (1, 'one')},
	'SELECT * FROM gstore_devices',
	'SELECT * FROM pgstrom.gstore_fdw_chunk_info')
{
	my $error = error_of($node, $query);

	like($error, qr/ERROR:\s+55000/, "$query: 55000");
	like($error, qr/HINT:.*shared_preload_libraries/, "$query: the way out");
}
is(sql($node, 'SELECT 1'), '1', 'the server is well');

sql($node, 'ALTER FOREIGN TABLE t ADD COLUMN more int');
sql($node, 'DROP FOREIGN TABLE t');
sql($node, 'CREATE FOREIGN TABLE t (id int) SERVER gstore_fdw');

# the same cluster, preloaded
$node->append_conf('postgresql.conf', slurp_file($ENV{GSTORE_SERVER_CONF}));
$node->restart;
sql($node, 'INSERT INTO t SELECT generate_series(1, 10)');
is(sql($node, 'SELECT count(*) FROM t'), '10',
	'preloaded, the table made before works');
ok(defined keeper_pid($node), 'the keeper runs');

sql($node, 'DROP EXTENSION gstore_fdw CASCADE');
sql($node, 'CREATE EXTENSION gstore_fdw');
is(sql($node, 'SELECT sum(used) FROM gstore_devices'), '0',
	'dropping the extension freed its memory');

# a server preloaded for nothing stops in order
$node->stop('fast');
pass('stopped');

done_testing();
