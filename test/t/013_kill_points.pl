
# A process is killed in the midst of its work, at every point of writing,
# deleting, joining, merging and reclaiming, reading and sharing: the server starts
# over with empty tables and with all memory free, and serves again.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('kill_points', "gstore_fdw.staging_memory = '16MB'\n");
my $load = q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 100000) i};

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($node, q{CREATE FOREIGN TABLE arrow (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow')});
sql($node, 'CREATE FOREIGN TABLE stays (id int, note text) SERVER gstore_fdw');
sql($node, q{CREATE PROCEDURE fill(n int) LANGUAGE plpgsql AS $$
	BEGIN FOR i IN 1 .. n LOOP INSERT INTO t VALUES (i, 'x'); END LOOP; END $$});
sql($node, q{CREATE TABLE source AS SELECT i AS id, repeat('x', 100) || i AS note FROM generate_series(1, 100000) i});

# What a backend does, and where it is killed.  The keeper has no memory of what
# the backends did, nor the other way round.
my @backends = (
	[ $load, qw(image-reserve image-place writer-before-encode
		  writer-before-publish writer-after-publish) ],
	[ "BEGIN; CALL fill(7); SAVEPOINT s; CALL fill(100); COMMIT", qw(join-before-swap join-after-swap) ],
	[ 'DELETE FROM stays WHERE id % 3 = 0', qw(deleter-before-publish deleter-after-publish) ],
	[ "UPDATE stays SET note = 'y' WHERE id % 3 = 0", qw(deleter-before-publish writer-after-publish) ],
	[ q{SELECT count(*) FROM stays WHERE note <> ''}, qw(view-open) ],
	[ q{SELECT gstore_compact('stays')}, qw(merge-built merge-before-swap merge-after-swap) ],
	[ "SET gstore_fdw.chunk_size = '2MB'; SET parallel_leader_participation = off; SELECT gstore_load('t', 'source', 2)",
		qw(load-launched load-worker-begin load-worker-rows handover-posted handover-finished handover-taken) ]);
push @backends, [ "SELECT count(*) FROM gstore_export('stays')", 'export-describe' ],
	[ q{SELECT lo_import_gpu(0, gstore_export_ipchandle('stays'), 0, 100)}, 'lo-import' ];
my @keepers;
# Columns settle where images stay where they are written.
my @on_host = qw(writer-settled writer-before-close);
if (device() eq 'cuda')
{
	push @{ $backends[0] }, qw(request-submit request-submitted request-wait request-done image-narrow);
	push @backends, [ "BEGIN; $load; SELECT count(*), max(note) FROM t; COMMIT", 'view-narrow' ],
		[ "BEGIN; $load; SELECT sum(id) FROM t WHERE id > 10; COMMIT", 'launch' ],
		[ 'TRUNCATE stays; SET gstore_fdw.debug_small_image = 0;'
		  . q{INSERT INTO stays SELECT i, 'x' FROM generate_series(1, 1000) i;} x 3 . q{SELECT gstore_compact('stays')},
			qw(device-memory build-kernels) ];
	@keepers = ('keeper-alloc', 'keeper-copy', 'keeper-finish', 'keeper-launch');
}
else
{
	push @backends, [ "SET gstore_fdw.chunk_size = '2MB'; " . $load =~ s/INTO t/INTO arrow/r, @on_host ];
}

# Nothing of ours is under way at these: waits for what others have, and other
# programs' memory, which 010_faults and 032_largeobjects see to.
my @others = qw(request-slot-wait staging-wait keeper-open lo-export);
# The keeper alone, or nobody, passes these without a GPU.
my @on_cuda = qw(request-submit request-submitted request-wait request-done image-narrow
  view-narrow launch device-memory build-kernels keeper-alloc keeper-copy keeper-finish keeper-launch);
my @workers = qw(view-open image-reserve merge-built merge-before-swap merge-after-swap graveyard-sweep);
my %killed_at = map { $_ => 1 } @others, (device() eq 'cuda' ? @on_host : @on_cuda), @keepers, @workers,
  'reclaim-unlinked', map { my ($work, @points) = @$_; @points } @backends;
is(join(' ', sort keys %killed_at), join(' ', split(' ', $ENV{GSTORE_FAULT_POINTS})),
	'no point is left out');

sub fill_stays
{
	sql($node, "INSERT INTO stays SELECT i, 'x' FROM generate_series(1, 1000) i") foreach 1 .. 3;
	return;
}

sub back_again
{
	my ($name) = @_;

	ok(wait_until_up($node), "$name: the server is up again");
	ok(wait_for('the keeper', sub {
		my ($status) = try_psql($node, 'SELECT gstore_request_barrier()');
		return $status == 0; }), 'and the keeper');
	is(sql($node, 'SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM stays)'), '0|0', 'the tables are empty');
	is(sql($node, 'SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info'), '0', 'no chunk is left');
	is(left_behind($node), '0|0|0|0|0', 'all memory is free');
	is(sql($node, "SET gstore_fdw.chunk_size = '2MB'; $load; SELECT count(*), max(note) FROM t"),
		'100000|' . 'x' x 100 . '99999', 'it can be filled');
	is(at_rest($node), '0', 'what is used is what the chunks take');
	return;
}

# The server has noticed: its processes are other ones.
sub crashed
{
	my ($before, $name) = @_;

	return ok(wait_for('the crash', sub {
		my ($now) = children($node, qr/checkpointer/);
		return !defined $now || $now != $before; }), "killed at $name");
}

foreach my $case (@backends)
{
	my ($work, @points) = @$case;

	foreach my $point (@points)
	{
		fill_stays();
		my ($before) = children($node, qr/checkpointer/);
		my $reader = start_session($node,
			q{SELECT count(a.note || b.note) FROM stays a, generate_series(1, 1000) b(note)});

		try_psql($node, "SET gstore_fdw.debug_fault = '$point:kill'; $work");
		end_session($reader);
		crashed($before, "$point in " . substr($work, 0, 30));
		back_again($point);
	}
}

# A backend that takes back what nobody sees, before the worker does.
{
	my ($worker) = children($node, qr/gstore_fdw maintenance worker/);
	my ($before) = children($node, qr/checkpointer/);
	my $old;

	fill_stays();
	$old = $node->background_psql('postgres');
	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM stays');
	sql($node, 'DELETE FROM stays');
	kill 'STOP', $worker;
	$old->query_safe('COMMIT');
	$old->quit;
	try_psql($node, q{SET gstore_fdw.debug_fault = 'reclaim-unlinked:kill'; SELECT gstore_compact('stays')});
	kill 'CONT', $worker;
	crashed($before, 'reclaim-unlinked');
	back_again('reclaim-unlinked');
}

# The keeper, and the worker that merges and takes back.
sub killed_by_setting
{
	my ($point, $work) = @_;
	my ($before) = children($node, qr/checkpointer/);

	set_for_all($node, "$point:kill");

	# One connection does it all: a new one might find the server back, and
	# leave there what must not be found.
	try_psql($node, "$work; SELECT pg_sleep(0.02);\n" x 100);
	crashed($before, "$point, a background process");
	ok(wait_until_up($node), 'the server is up');
	wait_for('the setting to be taken back', sub {
		foreach my $query ('ALTER SYSTEM RESET gstore_fdw.debug_fault', 'SELECT pg_reload_conf()')
		{
			my ($status) = try_psql($node, $query);
			return 0 if $status != 0;
		}
		my ($status, $out) = try_psql($node, 'SHOW gstore_fdw.debug_fault');
		return $status == 0 && $out eq ''; });
	back_again("a background process killed at $point");
	return;
}

killed_by_setting($_, "BEGIN; $load; SELECT sum(id) FROM t WHERE id > 10; ROLLBACK") foreach @keepers;

# It works again and again; no session passes these points.
sql($node, 'ALTER SYSTEM SET gstore_fdw.autocompact = on');
sql($node, 'SELECT pg_reload_conf()');
my $small = join(';', ("SET gstore_fdw.debug_fault = ''", ('INSERT INTO stays VALUES (1)') x 10));
killed_by_setting($_, $small) foreach @workers;
killed_by_setting('reclaim-unlinked', "$small; DELETE FROM stays WHERE id = 1; INSERT INTO stays VALUES (2)");

unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'no crash but those');
$node->stop('fast');
done_testing();
