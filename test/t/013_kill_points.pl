
# A process is killed in the midst of its work: the server starts over with
# empty tables and with all memory free, and serves again.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

my $node = new_node('kill_points', "gstore_fdw.staging_memory = '16MB'\n");
my $load = q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 100000) i};

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($node, 'CREATE FOREIGN TABLE stays (id int, note text) SERVER gstore_fdw');

# The keeper has no memory of what the backends did, nor the other way round.
my @backends = ('image-reserve', 'writer-before-publish', 'writer-after-publish');
my @keepers;
if (device() eq 'cuda')
{
	push @backends, 'request-submitted', 'request-done', 'image-narrow';
	@keepers = ('keeper-alloc', 'keeper-copy', 'keeper-finish');
}

sub back_again
{
	my ($name) = @_;

	ok(wait_until_up($node), "$name: the server is up again");
	ok(wait_for('the keeper', sub {
		my ($status) = $node->psql('postgres', 'SELECT gstore_request_barrier()');
		return $status == 0; }), 'and the keeper');
	is(sql($node, 'SELECT count(*) FROM t'), '0', 'the table is empty');
	is(left_behind($node), '0|0|0|0|0', 'all memory is free');
	is(sql($node, "SET gstore_fdw.chunk_size = '2MB'; $load; SELECT count(*), max(note) FROM t"),
		'100000|' . 'x' x 100 . '99999', 'it can be filled');
	return;
}

foreach my $point (@backends)
{
	my $reader = start_session($node,
		q{SELECT count(a.note || b.note) FROM t a, generate_series(1, 1000) b(note)});

	sql($node, "INSERT INTO stays SELECT i, 'x' FROM generate_series(1, 1000) i");
	$node->psql('postgres', "SET gstore_fdw.debug_fault = '$point:kill'; $load");
	end_session($reader);
	back_again("killed at $point");
}
foreach my $point (@keepers)
{
	set_for_all($node, "$point:kill");
	for (my $i = 0; $i < 100; $i++)
	{
		my ($status) = $node->psql('postgres', "BEGIN; $load; ROLLBACK",
			on_error_stop => 1);
		last if $status != 0;
	}
	ok(wait_until_up($node), "the server is up after the keeper was killed at $point");
	wait_for('the setting to be taken back', sub {
		return 0 if $node->psql('postgres', 'ALTER SYSTEM RESET gstore_fdw.debug_fault') != 0
		  || $node->psql('postgres', 'SELECT pg_reload_conf()') != 0;
		my ($status, $out) = $node->psql('postgres', 'SHOW gstore_fdw.debug_fault');
		return $status == 0 && $out eq ''; });
	back_again("the keeper killed at $point");
}
$node->stop('fast');
done_testing();
