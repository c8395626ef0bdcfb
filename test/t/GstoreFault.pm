# Sessions in the background, and faults in them, for the tests in this folder.

package GstoreFault;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use GstoreNode;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(start_session end_session waiting_at wake_up left_behind
  nothing_left at_rest set_for_all);

# start_session(node, query): psql at work on it in the background.  Its
# backend's application_name is {name}.
sub start_session
{
	my ($node, $query) = @_;
	my $name = "gstore_session_" . ++$main::gstore_sessions;
	my $file = $node->basedir . "/$name.sql";
	my $session = { said => $node->basedir . "/$name.out", name => $name };

	# Pipes would only flow while somebody pumps: a session that has much to say
	# would stop, with its locks, while another one is waited for.
	append_to_file($file, $query);
	local $ENV{PGAPPNAME} = $name;
	$session->{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose',
			'-d', $node->connstr('postgres'), '-f', $file ],
		'<', '/dev/null', '>', $session->{said}, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $session;
}

# What it printed, errors included, once it has ended.
sub end_session
{
	my ($session) = @_;

	# IPC::Run dies when a process without pipes ends while it looks.
	eval { $session->{run}->finish; };
	die $@ if $@ ne '' && $@ !~ /process ended prematurely/;
	return slurp_file($session->{said});
}

# Wait until somebody stands at a fault point.
sub waiting_at
{
	my ($node, $point) = @_;

	return wait_for("somebody at $point",
		sub { return sql($node, "SELECT gstore_fault_waiting('$point')") eq 't'; });
}

sub wake_up
{
	my ($node, $point) = @_;

	return sql($node, "SELECT gstore_fault_wakeup('$point')") eq 't';
}

# Requests, windows and bytes in use, once the keeper has done what is to do.
sub left_behind
{
	my ($node) = @_;

	sql($node, 'SELECT gstore_request_barrier()');
	return sql($node, 'SELECT requests, narrow, staging, pool FROM gstore_request_usage()')
	  . '|' . used($node);
}

# nothing_left(node, before, name): is all as left_behind() said before?  An
# abandoned request, and the end of a backend, may take a moment.
sub nothing_left
{
	my ($node, $before, $name) = @_;
	my $now = '';

	for (my $i = 0; $i < 100; $i++)
	{
		$now = left_behind($node);
		last if $now eq $before;
		select(undef, undef, undef, 0.05);
	}
	return is($now, $before, $name);
}

# At rest: by how much what is used of the devices differs from what the chunks
# of this database's tables and the images handed out take.
sub at_rest
{
	my ($node) = @_;

	sql($node, 'SELECT gstore_request_barrier()');
	return sql($node, q{SELECT (SELECT sum(used) FROM gstore_devices)
		- (SELECT coalesce(sum(memory), 0) FROM gstore_tables)
		- (SELECT coalesce(sum(bytes), 0) FROM gstore_exports() WHERE retired)});
}

# Faults for all processes that are not told otherwise: the keeper's way to
# get one.  It is in force a moment later.
sub set_for_all
{
	my ($node, $faults) = @_;

	sql($node, "ALTER SYSTEM SET gstore_fdw.debug_fault = '$faults'");
	sql($node, 'SELECT pg_reload_conf()');
	return;
}

1;
