# devices: cuda
# needs: stand-in
#
# Each call of the driver that the keeper makes at work fails once, in each way
# there is: the statement is answered or fails cleanly, nobody hangs, nothing is
# left behind, and the next statement works.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the host device has no driver' if device() eq 'host';

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

inject('');
my $node = new_node('driver_calls', q{
gstore_fdw.staging_memory = 16MB
statement_timeout = 60s
});
my $rows = q{SELECT i, repeat('x', 100) || i FROM generate_series(1, 50000) i};
my $read = 'SELECT count(*), sum(length(note)) FROM kept';
my $answer = '50000|5238894';
my $empty = left_behind($node);

sub epoch { return sql($node, 'SELECT max(epoch) FROM gstore_devices'); }

sub ready
{
	return wait_for('the device', sub {
		my ($status, $out) = $node->psql('postgres',
			q{SELECT bool_and(state = 'ready') FROM gstore_devices});
		return $status == 0 && $out eq 't'; });
}

sub fill
{
	sql($node, 'CREATE FOREIGN TABLE kept (id int, note text) SERVER gstore_fdw');
	sql($node, "INSERT INTO kept $rows");
}

# An error that is no surprise: with its class, and the driver's words.
sub is_clean
{
	my ($error, $name) = @_;

	return like($error,
		qr/ERROR:\s+(53200|55000|58000|58030|0A000|22023): .*DETAIL:.*\w/s, $name);
}

# Memory of another process, for the calls that open and close it.
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM};
my ($in, $out) = ('', '');
my $region = IPC::Run::start(
	[ 'python3', "$ENV{GSTORE_CLIENTS}/gpu_region.py", 4 << 20, 0 ],
	'<', \$in, '>', \$out, IPC::Run::timeout(1800));
$region->pump until $out =~ /\n/;
chomp(my $handle = $out);
my $import = "SELECT lo_import_gpu(0, '\\x$handle', 100, 1000)";

fill();
foreach my $call (
	'cuCtxSetCurrent', 'cuMemGetInfo_v2',
	'cuMemAlloc_v2', 'cuMemFree_v2',
	'cuStreamQuery', 'cuLaunchHostFunc',
	'cuMemcpyHtoDAsync_v2', 'cuMemcpyDtoHAsync_v2', 'cuMemsetD8Async',
	'cuIpcGetMemHandle', 'cuIpcOpenMemHandle_v2', 'cuMemGetAddressRange_v2',
	'cuIpcCloseMemHandle')
{
	# refused, no memory, not supported, the context is dead
	foreach my $code (1, 2, 801, 700)
	{
		my $epoch = epoch();
		my $name = "$call fails with $code";
		my $error;
		my $stands;

		inject("$call\@1=$code");
		sql($node, 'CREATE FOREIGN TABLE loaded (id int, note text) SERVER gstore_fdw');
		$error = error_of($node, "INSERT INTO loaded $rows");
		if ($error eq '')
		{
			pass("$name: the load is well");
		}
		else
		{
			is_clean($error, "$name: the load fails cleanly");
		}
		$error = error_of($node, $read);
		is_clean($error, "$name: reading fails cleanly") if $error ne '';
		foreach my $share (q{SELECT gstore_export_ipchandle('kept')}, $import)
		{
			$error = error_of($node, $share);
			is_clean($error, "$name: $share fails cleanly") if $error ne '';
		}
		error_of($node, 'DROP FOREIGN TABLE loaded');
		error_of($node, 'SELECT gstore_request_barrier()');
		inject('');

		ok(ready(), "$name: the device is there");
		sql($node, 'DROP FOREIGN TABLE IF EXISTS loaded');
		if (epoch() == $epoch)
		{
			isnt($code, 700, "$name: a dead context is noticed")
			  if $call !~ /GetInfo|Free/;
			is(sql($node, $read), $answer, "$name: the committed stays");
		}
		else
		{
			# Only what kills a context may cost what the device held, or what
			# leaves open whether copies still run.
			is($code, 700, "$name: the device was lost")
			  if $call ne 'cuStreamQuery';
			like(error_of($node, $read), qr/are lost/, "$name: and says so");
			sql($node, 'DROP FOREIGN TABLE kept');
			fill();
			is(sql($node, $read), $answer, "$name: filled again");
		}
	}
}

# Calls of a keeper that starts: it tries until they go well.
foreach my $call ('cuDeviceGetCount', 'cuDevicePrimaryCtxRetain',
	'cuMemHostRegister_v2', 'cuStreamCreate')
{
	my $before = epoch();
	my $log = -s $node->logfile;

	inject("$call=2");
	kill 'TERM', keeper_pid($node);
	ok(wait_for("a keeper that fails in $call",
		sub { return slurp_file($node->logfile, $log) =~ /\Q$call\E: CUDA_ERROR_OUT_OF_MEMORY/; }),
		"$call fails at the start: the log says so");
	is(sql($node, 'SELECT 1'), '1', "$call: the server is well");
	inject('');
	ok(wait_for('the device', sub {
		my ($status, $out) = $node->psql('postgres',
			q{SELECT bool_and(state = 'ready') AND max(epoch) > } . $before
			  . ' FROM gstore_devices');
		return $status == 0 && $out eq 't'; }),
		"$call: the keeper is back with a new epoch");
	sql($node, 'DROP FOREIGN TABLE kept');
	fill();
	is(sql($node, $read), $answer, "$call: and works");
}

# Nothing of all this stays.
sql($node, 'DROP FOREIGN TABLE kept');
ok(nothing_left($node, $empty, 'in the end'), 'nothing is left behind');
$in = '';
$region->kill_kill;
$node->stop;

done_testing();
