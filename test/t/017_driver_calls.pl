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

# An error that is no surprise: with its class, and the driver's words, or what
# to do while there is no keeper.
sub is_clean
{
	my ($error, $name) = @_;

	return like($error,
		qr/ERROR:\s+(53200|55000|58000|58030|0A000|22023): .*(DETAIL|HINT):.*\w/s, $name);
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

# Calls of a keeper at work, at its start, those it can do without then, and those
# at its end; besides, words for errors, and what it looks up and does not call.
my @at_work = (
	'cuCtxSetCurrent', 'cuMemGetInfo_v2',
	'cuMemAlloc_v2', 'cuMemFree_v2',
	'cuStreamQuery', 'cuLaunchHostFunc',
	'cuMemcpyHtoDAsync_v2', 'cuMemcpyDtoHAsync_v2', 'cuMemsetD8Async',
	'cuOccupancyMaxActiveBlocksPerMultiprocessor', 'cuLaunchKernel',
	'cuIpcGetMemHandle', 'cuIpcOpenMemHandle_v2', 'cuMemGetAddressRange_v2',
	'cuIpcCloseMemHandle');
my @at_start = (
	'cuInit', 'cuDriverGetVersion', 'cuDeviceGetCount', 'cuDeviceGet',
	'cuDeviceGetName', 'cuDeviceGetUuid_v2', 'cuDeviceTotalMem_v2',
	'cuDeviceGetAttribute', 'cuDevicePrimaryCtxRetain', 'cuMemHostRegister_v2',
	'cuStreamCreate');
my @optional = ('cuDevicePrimaryCtxSetFlags_v2', 'cuModuleLoadData', 'cuModuleGetFunction');
my @at_end = ('cuMemHostUnregister', 'cuDevicePrimaryCtxRelease_v2', 'cuStreamDestroy_v2');
my @others = ('cuGetErrorName', 'cuGetErrorString', 'cuGetProcAddress_v2', 'cuMemcpyDtoDAsync_v2',
	'cuMemcpyHtoD_v2', 'cuMemcpyDtoH_v2');
SKIP:
{
	my @all = qx(nm -D --defined-only '$ENV{GSTORE_CUDASIM}' 2>/dev/null) or skip 'there is no nm', 1;
	is(join(' ', sort @at_work, @at_start, @optional, @at_end, @others),
		join(' ', sort map { / T (cu\w+)$/ ? $1 : () } @all), 'these are all calls there are');
}

fill();
foreach my $call (@at_work)
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
		# by kernels, or by the CPU where they fail
		my ($status, $sum, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT sum(id), count(*) FROM kept");
		if ($status == 0) { is($sum, '1250025000|50000', "$name: what is computed on the device"); }
		else { is_clean($err, "$name: computing on the device fails cleanly"); }
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
foreach my $call (@at_start)
{
	my $before = epoch();
	my $log = -s $node->logfile;

	inject(($call eq 'cuInit' ? 'init' : $call) . '=2');
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

# It can do without some, and ends well without others.
foreach my $call (@optional, @at_end)
{
	my $before = epoch();

	inject("$call=2");
	kill 'TERM', keeper_pid($node);
	ok(wait_for('the device', sub {
		my ($status, $out) = $node->psql('postgres',
			q{SELECT bool_and(state = 'ready') AND max(epoch) > } . $before . ' FROM gstore_devices');
		return $status == 0 && $out eq 't'; }), "$call fails: there is a keeper");
	sql($node, 'DROP FOREIGN TABLE kept');
	fill();
	is(sql($node, $read), $answer, "$call: and it works");
	my $plan = sql($node, 'EXPLAIN (ANALYZE, VERBOSE) SELECT sum(id) FROM kept');
	if ($call =~ /Module/)
	{
		# without nvcc, it was clear before that there would be none
		like($plan, qr/Without Kernels: (?:$call: CUDA_ERROR_OUT_OF_MEMORY|the extension was built without nvcc)/,
			"$call: without kernels, and says why");
	}
	inject('');
}
kill 'TERM', keeper_pid($node);
ok(wait_for('the device', sub {
	my ($status, $out) = $node->psql('postgres', 'EXPLAIN (ANALYZE, VERBOSE) SELECT sum(id) FROM kept');
	return 1 if $status != 0 && ready();
	return 0; }), 'and the next keeper is there');
sql($node, 'DROP FOREIGN TABLE kept');
fill();
like(sql($node, 'EXPLAIN (ANALYZE, VERBOSE) SELECT sum(id) FROM kept'), qr/Kernel Launches: 1/, 'with kernels');

# Nothing of all this stays.
sql($node, 'DROP FOREIGN TABLE kept');
ok(nothing_left($node, $empty, 'in the end'), 'nothing is left behind');
$in = '';
$region->kill_kill;
$node->stop;

done_testing();
