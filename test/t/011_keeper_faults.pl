
# Faults in the keeper, and its end in the midst of work: who waits for it gets
# an answer or an error, can be cancelled at any time, and nothing is left.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

plan skip_all => 'on the host device nobody waits for the keeper'
  if device() eq 'host';

my $node = new_node('keeper_faults', "gstore_fdw.staging_memory = '16MB'\n");
my $load = q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 100000) i};
my $read = 'SELECT count(*), sum(length(note)) FROM full';
my $small = "SET gstore_fdw.chunk_size = '2MB';";

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($node, 'CREATE FOREIGN TABLE "full" (id int, note text) SERVER gstore_fdw');

sub fill
{
	sql($node, 'TRUNCATE "full"');
	sql($node, "$small " . $load =~ s/INTO t/INTO "full"/r);
	return left_behind($node);
}

# The keeper reads its settings a moment after it was told to.  A statement
# that gets through before is started again.
sub held_up
{
	my ($point, $query) = @_;

	for (my $i = 0; $i < 100; $i++)
	{
		my $session = start_session($node, "$small BEGIN; $query; ROLLBACK;");

		wait_for("$point, or the end of the statement", sub {
			return 1 if sql($node, "SELECT gstore_fault_waiting('$point')") eq 't';
			return sql($node, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$session->{name}'") eq '0'
			  && !$session->{run}->pumpable;
		}) or last;
		return $session if sql($node, "SELECT gstore_fault_waiting('$point')") eq 't';
		end_session($session);
	}
	return undef;
}

$read =~ s/full/"full"/;
my $before = fill();

# The keeper stands still: others wait, and need not.
foreach my $point ('keeper-alloc', 'keeper-copy', 'keeper-finish')
{
	foreach my $statement ($load, $point eq 'keeper-alloc' ? () : $read)
	{
		set_for_all($node, "$point:wait");
		my $session = held_up($point, $statement);

		ok(defined $session, "the keeper waits at $point");
		sql($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
		like(end_session($session), qr/57014/, 'who waits for it is cancelled at once');
		is(sql($node, "SELECT gstore_fault_waiting('$point')"), 't', 'while it still waits');

		$session = start_session($node, "$small BEGIN; $statement; ROLLBACK;");
		ok(wait_for('another request', sub {
			return sql($node, 'SELECT requests FROM gstore_request_usage()') >= 2; }),
			'another asks');
		sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
		like(end_session($session), qr/57P01|terminat/, 'and is terminated at once');

		set_for_all($node, '');
		ok(wait_for('the keeper to be woken', sub {
			wake_up($node, $point);
			my ($status, $out) = $node->psql('postgres',
				"SET statement_timeout = '200ms'; SELECT gstore_request_barrier()");
			return $status == 0;
		}), 'woken, it works again');
		nothing_left($node, $before, 'and nothing is left');
	}
}
is(sql($node, $read), '100000|10488895', 'the table is as it was');

# It ends on an error, or is told to end, while work is under way.
foreach my $how ('keeper-alloc:error', 'keeper-copy:error', 'keeper-finish:error', 'TERM')
{
	my $keeper = keeper_pid($node);
	my ($point) = $how eq 'TERM' ? 'keeper-copy' : split(/:/, $how);
	my @sessions;

	if ($how eq 'TERM')
	{
		set_for_all($node, 'keeper-copy:wait');
		push @sessions, held_up('keeper-copy', $load);
		push @sessions, start_session($node, "$read;") for 1 .. 4;
		ok(wait_for('other requests', sub {
			return sql($node, 'SELECT requests FROM gstore_request_usage()') >= 5; }),
			'several wait');
		kill 'TERM', $keeper;
		set_for_all($node, '');
		wait_for('its end', sub {
			wake_up($node, 'keeper-copy');
			return (keeper_pid($node) // 0) != $keeper; });
	}
	else
	{
		set_for_all($node, $how);
		for (my $i = 0; $i < 100; $i++)
		{
			my ($status, $out, $err) = $node->psql('postgres',
				"SET statement_timeout = '60s'; $small BEGIN; $load; ROLLBACK",
				on_error_stop => 1);
			next if $status == 0;
			like($err, qr/device 0 was lost|keeper/, "$how: an error, and no wait");
			last;
		}
		set_for_all($node, '');
	}
	foreach my $session (@sessions)
	{
		like(end_session($session), qr/58030.*lost|55000.*not running/s, "$how: who waited hears of it");
	}
	ok(wait_for('another keeper', sub {
		my $now = keeper_pid($node);
		return defined $now && $now != $keeper
		  && sql($node, q{SELECT bool_and(state = 'ready') FROM gstore_devices}) eq 't'
		  && $node->psql('postgres', 'SELECT gstore_request_barrier()') == 0; }),
		'another keeper takes its place');
	like(error_of($node, $read), qr/58030|lost/, 'what the device held is lost');
	is(fill(), $before, 'filled again, as much is in use as before');
	is(sql($node, $read), '100000|10488895', 'and all is there');
}

my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
