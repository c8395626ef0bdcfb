
# The keeper obeys SIGTERM and comes back.  What lies in host memory outlives
# it; what a GPU held is lost, and says so.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

my $node = new_node('keeper');
my $empty = used($node);
my $epoch = sql($node, 'SELECT epoch FROM gstore_devices WHERE number = 0');

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 50000) i});
sql($node, 'CREATE FOREIGN TABLE small (id int) SERVER gstore_fdw');
sql($node, 'INSERT INTO small SELECT generate_series(1, 10)');

my $keeper = keeper_pid($node);
ok(defined $keeper, 'the keeper runs');
kill 'TERM', $keeper;
ok(wait_for('another keeper', sub {
	my $now = keeper_pid($node); return defined $now && $now != $keeper; }),
	'terminated, it comes back');
ok(wait_for('a ready device', sub {
	return sql($node, q{SELECT bool_and(state = 'ready') FROM gstore_devices}) eq 't'; }),
	'the devices are ready again');

if (device() eq 'host')
{
	is(sql($node, 'SELECT count(*), sum(id) FROM t'), '50000|1250025000',
		'rows in host memory are still there');
	is(sql($node, 'SELECT epoch FROM gstore_devices WHERE number = 0'), $epoch,
		'in the same epoch');
	sql($node, 'TRUNCATE t');
}
else
{
	my $error = error_of($node, 'SELECT count(*), sum(id) FROM t');

	like($error, qr/ERROR:.*"t" are lost/, 'reading the table says that its rows are lost');
	like($error, qr/HINT:.*TRUNCATE/, 'and the way out');
	cmp_ok(sql($node, 'SELECT epoch FROM gstore_devices WHERE number = 0'), '>', $epoch,
		'the device has another epoch');
	sql($node, 'CREATE FOREIGN TABLE fresh (id int) SERVER gstore_fdw');
	sql($node, 'INSERT INTO fresh SELECT generate_series(1, 500000)');
	is(sql($node, 'SELECT count(*), max(id) FROM fresh'), '500000|500000',
		'a new table works beside it');
	sql($node, 'DROP FOREIGN TABLE fresh');
	sql($node, 'TRUNCATE t');
}
is(sql($node, 'SELECT count(*) FROM t'), '0', 'TRUNCATE empties it');
sql($node, q{INSERT INTO t SELECT i, 'again' FROM generate_series(1, 1000) i});
is(sql($node, 'SELECT count(*) FROM t'), '1000', 'and it can be filled again');
is(sql($node, 'SELECT count(*) FROM small'), '10', 'a small table was never on a GPU');
is(at_rest($node), '0', 'and its memory is on the books still');
sql($node, 'DROP FOREIGN TABLE t, small');
ok(wait_for('free memory', sub { return used($node) == $empty; }),
	'all memory is free in the end');

# SIGHUP is no reason to end
$keeper = keeper_pid($node);
$node->reload;
sleep 1;
is(keeper_pid($node), $keeper, 'a reload leaves the keeper alone');

$node->stop('fast');
pass('stopped');
done_testing();
