# devices: cuda
# needs: stand-in
#
# Requests do not wait for each other: one whose copy does not end delays no
# other, can be cancelled at once, and keeps what it works on until its copy has
# ended, whoever wants that meanwhile.  And 64 sessions get their turns evenly.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'nothing is copied on the host device' if device() eq 'host';

# What goes wrong, in the stand-in's words (test/cudasim/README.md).
my $control = PostgreSQL::Test::Utils::tempdir() . '/control';
$ENV{GSTORE_CUDASIM_CONTROL} = $control;

sub inject
{
	my ($faults) = @_;

	open(my $file, '>', "$control.new") or die "$control.new: $!";
	print $file "$faults\n";
	close $file;
	rename("$control.new", $control) or die "$control: $!";
}

$ENV{GSTORE_CUDASIM_MEMORY_MB} = 128;
inject('');
my $node = new_node('streams', qq{
gstore_fdw.staging_memory = '32MB'
gstore_fdw.chunk_size = '2MB'
gstore_fdw.enable_kernels = off
statement_timeout = 120s
max_connections = 100
});
my $rows = q{SELECT i, repeat('x', 100) || i FROM generate_series(1, 50000) i};
my $answer = '50000|5238894';

sub read_of { return "SELECT count(*), sum(length(note)) FROM $_[0]"; }

sub table
{
	my ($name) = @_;
	sql($node, "CREATE FOREIGN TABLE $name (id int, note text) SERVER gstore_fdw");
	sql($node, "INSERT INTO $name $rows");
}

# start_held(statement): a session whose next copy does not end, from when that
# is under way.
my $held = 0;

sub start_held
{
	my ($statement) = @_;

	inject('hold_copy=1');
	my $session = start_session($node,
		"\\set ON_ERROR_STOP 0\n$statement;\nSELECT 'T', extract(epoch FROM clock_timestamp());\n");
	$held++;
	ok(wait_for('a copy that is held', sub {
		my $times = () = slurp_file($node->logfile) =~ /a copy of \d+ bytes is held/g;
		return $times == $held; }), "its copy is under way: $statement");
	return $session;
}

# Milliseconds from when it is told to stop to when it takes the next statement.
sub cancel
{
	my ($session) = @_;
	my $pid = sql($node, "SELECT pid FROM pg_stat_activity WHERE application_name = '$session->{name}'");
	my ($told) = split /\|/, sql($node, "SELECT extract(epoch FROM clock_timestamp()), pg_cancel_backend($pid)");
	my $said = end_session($session);
	my ($next) = $said =~ /^T\|([\d.]+)$/m or die "no time in: $said";

	like($said, qr/57014/, 'it is cancelled');
	return ($next - $told) * 1000;
}

sub in_use { return sql($node, 'SELECT requests, staging > 0 FROM gstore_request_usage()'); }

table('slow');
table('other');
my $before = left_behind($node);

# ---- a request under way, and everybody else ----

foreach my $case ([ 'a read', read_of('slow') ], [ 'a load', "INSERT INTO slow $rows" ])
{
	my ($name, $statement) = @$case;
	my $session = start_held($statement);

	is(sql($node, read_of('other')), $answer, "beside $name: others read") for 1 .. 3;
	sql($node, "BEGIN; INSERT INTO other $rows; DELETE FROM other WHERE id % 2 = 0; ROLLBACK");
	table('another');
	is(sql($node, read_of('another')), $answer, "beside $name: others load, and read that");
	is(sql($node, 'SELECT gstore_export_ipchandle(\'another\') IS NOT NULL'), 't', "beside $name: and export it");
	sql($node, 'DROP FOREIGN TABLE another');
	is(sql($node, "SELECT state, wait_event_type FROM pg_stat_activity WHERE application_name = '$session->{name}'"),
		'active|Extension', "$name is still waiting");

	# it ends as soon as it may
	inject('');
	my $said = end_session($session);
	unlike($said, qr/ERROR/, "$name goes on");
	like($said, qr/^\Q$answer\E$/m, 'and answers') if $name eq 'a read';
}
is(sql($node, read_of('slow')), '100000|10477788', 'what was loaded is there');
sql($node, "TRUNCATE slow; INSERT INTO slow $rows");
nothing_left($node, $before, 'nothing is left');

# ---- memory that is not free yet ----

# A free waits until its device is idle.  A load that needs what is being freed
# waits for that, and no other one does.
my ($total) = split /\n/, sql($node, 'SELECT total FROM gstore_devices WHERE number = 0');
my $others = used($node);
my $much = 600000;
sql($node, "CREATE FOREIGN TABLE large (id int, note text) SERVER gstore_fdw");
sql($node, "INSERT INTO large SELECT i, repeat('x', 100) || i FROM generate_series(1, $much) i");
my $takes = used($node) - $others;
cmp_ok($takes, ">", $total / 2, "a table takes more than half of the memory ($takes)");
{
	my $session = start_held(read_of('slow'));
	my $load = "INSERT INTO larger SELECT i, repeat('x', 100) || i FROM generate_series(1, $much) i";

	sql($node, 'DROP FOREIGN TABLE large');
	table('another');
	is(sql($node, read_of('another')), $answer, 'others still load while it is being freed');
	sql($node, 'CREATE FOREIGN TABLE larger (id int, note text) SERVER gstore_fdw');
	my @waiting = map { start_session($node, "BEGIN; $load; ROLLBACK;") } 1 .. 2;
	ok(wait_for('loads that wait', sub {
		return sql($node, q{SELECT string_agg(wait_event_type, ' ' ORDER BY wait_event_type) FROM pg_stat_activity WHERE query ~ '^INSERT INTO larger'})
		  =~ /^Extension (?:Extension|Lock)$/; }),
		'a load that needs that memory waits, another one behind it');
	sql($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '$waiting[1]->{name}'");
	like(end_session($waiting[1]), qr/57014/, 'who waits behind it can be cancelled');
	sql($node, 'DROP FOREIGN TABLE another');
	inject('');
	like(end_session($session), qr/^\Q$answer\E$/m, 'the slow one ends');
	is(end_session($waiting[0]), '', 'and then there is memory for the other load');
	sql($node, 'DROP FOREIGN TABLE larger');
}
nothing_left($node, $before, 'nothing is left');

# ---- cancelled ----

foreach my $case ([ 'a read', read_of('slow') ], [ 'a load', "INSERT INTO slow $rows" ])
{
	my ($name, $statement) = @$case;
	my @times;

	foreach my $try (1 .. 5)
	{
		my $session = start_held($statement);

		push @times, cancel($session);
		like(in_use(), qr/^[1-9]\d*\|t$/, "$name, cancelled: its request stays, with its window, while its copy runs");

		# Its window and its memory are wanted now: the stand-in refuses copies
		# that meet on two streams, and frees of what is being copied.
		if ($try == 1)
		{
			foreach my $round (1 .. 4)
			{
				sql($node, "CREATE FOREIGN TABLE another (id int, note text) SERVER gstore_fdw; INSERT INTO another $rows");
				is(sql($node, read_of('another')), $answer, "meanwhile others load and read ($round)");
				sql($node, 'DROP FOREIGN TABLE another');
			}
			sql($node, 'DROP FOREIGN TABLE slow');
			is(sql($node, read_of('other')), $answer, 'and its table is dropped');
			table('slow');
			like(in_use(), qr/^[1-9]\d*\|t$/, 'its request is still there');
		}
		inject('');
		nothing_left($node, $before, "$name: nothing is left once its copy has ended");
	}
	my ($least) = sort { $a <=> $b } @times;
	cmp_ok($least, '<', 100, sprintf('%s: cancel returns within 100 ms (%s)', $name,
		join(', ', map { sprintf '%.1f', $_ } @times)));
}
is(sql($node, read_of($_)), $answer, "$_ is as it was") foreach qw(slow other);

# ---- 64 sessions ----

# What takes its time here is the device: up to 20 ms for each thing it is asked.
# With that the machine's own load counts for little.
my $sessions = 64;
my $times = 10;

sql($node, q{
CREATE UNLOGGED TABLE took (try int, ms float8);
CREATE PROCEDURE work(query text, expected bigint, try int, times int) LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz; n bigint; all_ms float8[] := '{}';
BEGIN
	PERFORM pg_advisory_lock_shared(64);
	FOR i IN 1 .. times LOOP
		began := clock_timestamp();
		EXECUTE query INTO n;
		all_ms := all_ms || 1000 * extract(epoch FROM clock_timestamp() - began)::float8;
		IF n <> expected THEN
			RAISE 'sum %', n;
		END IF;
	END LOOP;
	INSERT INTO took SELECT try, ms FROM unnest(all_ms) ms;
END $$});
inject('delay=20000');
my $tries = 0;

# What is asked of the device is a little, much (more than there is room for of all
# of them), or a kernel.
foreach my $kind (
	[ 'little', 'off', 'SELECT sum(id) FROM slow', 1250025000 ],
	[ 'much', 'off', 'SELECT sum(length(note)) FROM slow', 5238894 ],
	[ 'kernels', 'on', 'SELECT sum(id) FROM slow', 1250025000 ])
{
	my ($name, $kernels, $query, $expected) = @$kind;
	my $best;

	foreach my $try (1 .. 3)
	{
		my $gate = $node->background_psql('postgres');

		# all begin at once
		$tries++;
		$gate->query('SELECT pg_advisory_lock(64)');
		my @at_work = map {
			start_session($node, "SET gstore_fdw.enable_kernels = $kernels; CALL work('$query', $expected, $tries, $times)") } 1 .. $sessions;
		ok(wait_for('all sessions', sub {
			return sql($node, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == $sessions; }),
			"$name: $sessions sessions wait");
		$gate->query('SELECT pg_advisory_unlock(64)');
		is(join('', map { end_session($_) } @at_work), '', 'they get the right answers');
		$gate->quit;
		my ($count, $median, $p99, $most) = split /\|/, sql($node, qq{
			SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY ms),
				percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), max(ms)
			FROM took WHERE try = $tries});
		is($count, $sessions * $times, sprintf('%s: median %.1f ms, p99 %.1f ms, longest %.1f ms', $name, $median, $p99, $most));
		$best = $p99 / $median if !defined $best || $p99 / $median < $best;
		last if $best < 10;
	}
	cmp_ok($best, '<', 10, sprintf('%s: of equal requests, p99 is within 10 times the median (%.1f)', $name, $best));
}
inject('');
nothing_left($node, $before, 'nothing is left');

my $log = slurp_file($node->logfile);
unlike($log, qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
unlike($log, qr/cudasim: .*refused/, 'no copy met another one, nothing was freed early');
$node->stop('fast');
done_testing();
