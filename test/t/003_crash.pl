
# kill -9 of a backend in the middle of a load, and of the keeper: the server
# restarts, works, and nothing of the memory stays behind.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('crash');
my $empty = used($node);

sub loads_again
{
	my ($when) = @_;

	is(sql($node, 'SELECT count(*) FROM t'), '0', "$when: the table is empty");
	is(used($node), $empty, "$when: nothing is used");
	sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i});
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM t'), '50000|5000000',
		"$when: it can be filled again");
}

# Start a load that goes on until it is killed; returns its session and pid
# once chunks of it have reached the device.
sub endless_load
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $before = used($node);

	# chunks of 2 MB, so that the crash finds many of them published or on
	# their way
	$session->query_safe(q{SET gstore_fdw.chunk_size = '2MB'});
	$session->query_until(qr/begun/, q{\echo begun
INSERT INTO t SELECT i, repeat('x', 200) || i FROM (SELECT generate_series(1, 1000000000) AS i) x;
});
	ok( wait_for('chunks', sub { return used($node) > $before + 8 * 1024 * 1024; }),
		'a load is under way');
	return ($session, $pid);
}

sql($node, 'CREATE FOREIGN TABLE t (id bigint, note text) SERVER gstore_fdw');
sql($node, q{INSERT INTO t SELECT i, 'before' FROM generate_series(1, 1000) i});

my ($session, $pid) = endless_load();
my $postmaster_children = join(' ', children($node, qr/checkpointer/));
kill 'KILL', $pid;
eval { $session->quit };
ok(wait_for('the crash', sub {
	return join(' ', children($node, qr/checkpointer/)) ne $postmaster_children; }),
	'the server restarted itself');
ok(wait_until_up($node), 'and is up');
loads_again('backend killed');

# the keeper
my $keeper = keeper_pid($node);
ok(defined $keeper, 'the keeper runs');
kill 'KILL', $keeper;
ok(wait_for('another keeper', sub {
	my $now = keeper_pid($node); return defined $now && $now != $keeper; }),
	'another keeper after the crash');
ok(wait_until_up($node), 'the server is up');
loads_again('keeper killed');

# a load that is cancelled or terminated leaves nothing either, without a crash
foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
{
	sql($node, 'DROP FOREIGN TABLE t');
	sql($node, 'CREATE FOREIGN TABLE t (id bigint, note text) SERVER gstore_fdw');
	ok(wait_for('free memory', sub { return used($node) == $empty; }),
		'DROP gave the memory back');
	$keeper = keeper_pid($node);
	($session, $pid) = endless_load();
	sql($node, "SELECT $how($pid)");
	ok(wait_for('free memory', sub { return used($node) == $empty; }),
		"$how: what the load took is free again");
	eval { $session->quit };
	is(keeper_pid($node), $keeper, "$how: the keeper did not mind");
	loads_again($how);
}

# a server in the middle of a load stops at once
($session, $pid) = endless_load();
$node->stop('fast');
pass('a fast stop ends a load');
eval { $session->quit };

done_testing();
