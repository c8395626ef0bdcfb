
# What was dropped, truncated, deleted or rolled back makes room at once, not
# when some worker comes by.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

my $node = new_node('room', q{
gstore_fdw.host_memory = 64MB
gstore_fdw.device_memory = 64MB
gstore_fdw.staging_memory = 16MB
});
my $table = 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw';
# 40 MB of 64: there is no room for two
my $load = q{INSERT INTO t SELECT i, repeat('x', 200) || i FROM generate_series(1, 180000) i};

# 3 MB and a little more take 4 MB of a GPU
foreach my $size ('512kB', '3MB', '256MB')
{
	# the way there may need the memory that the device is on the host
	next if $size eq '256MB' && device() eq 'host';
	sql($node, $table);
	foreach my $case (
		[ 'TRUNCATE', 'TRUNCATE t' ],
		[ 'DELETE', 'DELETE FROM t' ],
		[ 'DROP', "DROP FOREIGN TABLE t; $table" ])
	{
		my ($name, $away) = @$case;
		my $script = join(";\n", "SET gstore_fdw.chunk_size = '$size'",
			(map { ($load, $away) } 1 .. 2), $load, 'SELECT count(*) FROM t', $away);

		is($node->psql('postgres', $script, on_error_stop => 1), 0,
			"$size: after $name the next load finds room");
	}
	my $rolled_back = join(";\n", "SET gstore_fdw.chunk_size = '$size'",
		(map { ('BEGIN', $load, 'ROLLBACK') } 1 .. 2), $load, 'TRUNCATE t');
	is($node->psql('postgres', $rolled_back, on_error_stop => 1), 0,
		"$size: after ROLLBACK too");
	sql($node, 'DROP FOREIGN TABLE t');
}

# but not what somebody still sees
sql($node, $table);
sql($node, $load);
my $reader = start_session($node, q{
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT count(*) FROM t;
	SET gstore_fdw.debug_fault = 'view-open:wait:1';
	SELECT count(*), sum(length(note)) FROM t;
	COMMIT;});
ok(waiting_at($node, 'view-open'), 'a reader stands in the midst of its scan');
sql($node, 'DELETE FROM t');
like(error_of($node, "$load;"), qr/53200/, 'what it sees makes no room');
wake_up($node, 'view-open');
is(end_session($reader), "180000\n180000|36968895\n", 'it sees it to the end');
sql($node, $load);
is(sql($node, 'SELECT count(*) FROM t'), '180000', 'then there is room');

sql($node, 'DROP FOREIGN TABLE t');
nothing_left($node, '0|0|0|0|0', 'nothing is left behind');
$node->stop('fast');
done_testing();
