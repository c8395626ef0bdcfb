# devices: cuda
# needs: stand-in
#
# GPU memory of another program into large objects and back: sizes, offsets,
# refused handles, and what is left of an import that is stopped.  With
# GSTORE_LONG=1 also 3 GiB, compared with lo_from_bytea and lo_get.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'on the host device there is no GPU memory of others'
  if device() eq 'host';

my $MIB = 1 << 20;
my $control = PostgreSQL::Test::Utils::tempdir() . '/control';
$ENV{GSTORE_CUDASIM_CONTROL} = $control;
$ENV{GSTORE_CUDASIM_MEMORY_MB} = 16384;
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM};

sub inject
{
	my ($faults) = @_;

	open(my $file, '>', "$control.new") or die "$control.new: $!";
	print $file "$faults\n";
	close $file;
	rename("$control.new", $control) or die "$control: $!";
}

# A program that has memory, and says the handle of it.
sub region
{
	my ($bytes, $device) = @_;
	my $region = { in => '', out => '', bytes => $bytes };

	$region->{run} = IPC::Run::start(
		[ 'python3', "$ENV{GSTORE_CLIENTS}/gpu_region.py", $bytes, $device // 0 ],
		'<', \$region->{in}, '>', \$region->{out},
		IPC::Run::timeout($ENV{GSTORE_LONG} ? 7200 : 600));
	$region->{handle} = answer($region);
	return $region;
}

sub answer
{
	my ($region, $command) = @_;

	$region->{in} .= "$command\n" if defined $command;
	$region->{run}->pump until $region->{out} =~ s/^(.*)\n//;
	return $1;
}

inject('');
my $node = new_node('largeobjects', "gstore_fdw.staging_memory = '64MB'\nmax_wal_size = '20GB'\nshared_buffers = '256MB'\n");
my $before = left_behind($node);

# there and back
my $size = 20 * $MIB;
my $source = region($size);
my $target = region($size);
answer($source, 'fill 1');
foreach my $range ([ 0, 0 ], [ 0, 1 ], [ 0, 4095 ], [ 0, 2048 * 1024 + 1 ], [ 3, 1 ],
	[ 4097, 4095 ], [ 12345, 2048 * 1024 + 1 ], [ $size - 1, 1 ], [ $size, 0 ],
	[ 0, $size ], [ 1, $size - 1 ], [ 8 * $MIB - 1, 8 * $MIB + 2 ])
{
	my ($offset, $length) = @$range;
	my $md5 = answer($source, "md5 $offset $length");
	my $to = $size - $length - ($offset < $size - $length ? 1 : 0);
	my $loid = sql($node, "SELECT lo_import_gpu(0, '\\x$source->{handle}', $offset, $length)");

	is(sql($node, "SELECT md5(lo_get($loid))"), $md5, "$length bytes at $offset are imported");
	answer($target, 'fill 2');
	is(sql($node, "SELECT lo_export_gpu($loid, 0, '\\x$target->{handle}', $to, $length)"), $length, 'and exported');
	is(answer($target, "md5 $to $length"), $md5, 'to where they belong');
	sql($node, "SELECT lo_unlink($loid)");
}
nothing_left($node, $before, 'nothing is left');

# what the object has not is zero; what the range has no room for stays out
answer($target, 'fill 3');
my $rest = answer($target, 'md5 5000000 ' . ($size - 5000000));
sql($node, q{SELECT lo_from_bytea(1000, 'abc'), lo_from_bytea(1001, convert_to(repeat('0123456789', 100), 'UTF8'))});
is(sql($node, "SELECT lo_export_gpu(1000, 0, '\\x$target->{handle}', 7, 4999993)"), 3, 'a small object');
is(answer($target, 'md5 7 4999993'), sql($node, q{SELECT md5('abc'::bytea || decode(repeat('00', 4999990), 'hex'))}), 'with zeros behind it');
is(answer($target, 'md5 5000000 ' . ($size - 5000000)), $rest, 'and no further');
is(sql($node, "SELECT lo_export_gpu(1001, 0, '\\x$target->{handle}', 0, 10)"), 10, 'the beginning of an object');
is(answer($target, 'md5 0 10'), sql($node, q{SELECT md5('0123456789')}), 'is all that goes there');

# ranges and handles
foreach my $range ([ 0, $size + 1 ], [ $size + 1, 0 ], [ 1, $size ], [ 9223372036854775807, 1 ], [ 5, 9223372036854775807 ])
{
	foreach my $call ("lo_import_gpu(0, '\\x$source->{handle}'", "lo_export_gpu(1000, 0, '\\x$source->{handle}'")
	{
		like(error_of($node, "SELECT $call, $range->[0], $range->[1])"), qr/22023.*DETAIL:\s+It has $size bytes; $range->[1] bytes at offset $range->[0]/s,
			"$range->[1] bytes at $range->[0] of $size: $call");
	}
}
like(error_of($node, "SELECT lo_import_gpu(1, '\\x$source->{handle}', 0, 1)"), qr/22023.*cuIpcOpenMemHandle.*HINT/s, 'memory of another device');
like(error_of($node, 'SELECT lo_import_gpu(0, \'\\x' . 'ab' x 64 . '\', 0, 1)'), qr/22023.*DETAIL:.*CUDA_ERROR_INVALID_VALUE.*HINT:.*pid namespace/s, 'a handle that never was');
foreach my $fault ([ 'open_refuse=801', '0A000', 'MIG' ], [ 'open_refuse=205', '22023', 'container' ],
	[ 'open_refuse=2', '53200', 'container' ], [ 'open_refuse=999', '22023', 'container' ])
{
	my ($what, $state, $hint) = @$fault;
	inject($what);
	like(error_of($node, "SELECT lo_import_gpu(0, '\\x$source->{handle}', 0, 1)"), qr/$state.*DETAIL:.*cuIpcOpenMemHandle.*HINT:.*$hint/s, "$what: $state");
	inject('');
}
is(sql($node, 'SELECT max(epoch) FROM gstore_devices'), '1', 'no device is lost for it');

# a table's memory, after its lease: the driver opens nothing of its own process
sql($node, q{CREATE FOREIGN TABLE t (a int) SERVER gstore_fdw; INSERT INTO t SELECT generate_series(1, 1000000)});
my $handle = sql($node, q{SELECT encode(gstore_export_ipchandle('t'), 'hex')});
like(error_of($node, "SELECT lo_import_gpu(0, '\\x$handle', 0, 1)"), qr/22023.*INVALID_CONTEXT.*HINT:.*while the export lasts/s, 'its lease has ended with its session');
sql($node, 'DROP FOREIGN TABLE t');
nothing_left($node, $before, 'nothing is left of refused ones');

# the exporter's program frees its memory, or ends
my $gone = region(4 * $MIB);
answer($gone, 'free');
like(error_of($node, "SELECT lo_import_gpu(0, '\\x$gone->{handle}', 0, 1)"), qr/22023/, 'memory that was freed');
$gone->{run}->finish;
like(error_of($node, "SELECT lo_import_gpu(0, '\\x$gone->{handle}', 0, 1)"), qr/22023/, 'a program that ended');

# several sessions have one region open
my @sessions = map { start_session($node, "SELECT lo_import_gpu(0, '\\x$source->{handle}', 0, $size) AS loid \\gset\nSELECT md5(lo_get(:loid));\n" x 4) } 1 .. 4;
my $md5 = answer($source, "md5 0 $size");
is(end_session($_), "$md5\n" x 4, 'four at once') foreach @sessions;
nothing_left($node, $before, 'all have closed it');

# stopped in the middle
sql($node, "SELECT lo_from_bytea(1002, 'before'), lo_from_bytea(1003, decode(repeat('11', $size), 'hex'))");
foreach my $case ([ 'lo-import', "lo_import_gpu(0, '\\x$source->{handle}', 0, $size, 1002)" ],
	[ 'lo-export', "lo_export_gpu(1003, 0, '\\x$target->{handle}', 0, $size)" ])
{
	my ($point, $call) = @$case;
	foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
	{
		foreach my $nth (1, 2)
		{
			my $session = start_session($node, "SET gstore_fdw.debug_fault = '$point:wait:$nth'; SELECT $call;");
			ok(waiting_at($node, $point), "$point $nth");
			sql($node, "SELECT $how(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
			like(end_session($session), qr/57014|57P01/, $how);
			is(sql($node, q{SELECT convert_from(lo_get(1002), 'UTF8')}), 'before', 'the object is as it was');
			nothing_left($node, $before, 'and nothing is left');
		}
	}
}
foreach my $n (1 .. 3)
{
	inject("copy_fail=$n");
	like(error_of($node, "SELECT lo_import_gpu(0, '\\x$source->{handle}', 0, $size, 1002)"), qr/58000/, "copy $n of an import fails");
	inject("copy_fail=$n");
	like(error_of($node, "SELECT lo_export_gpu(1003, 0, '\\x$target->{handle}', 0, $size)"), qr/58000/, "copy $n of an export fails");
	inject('');
	is(sql($node, q{SELECT convert_from(lo_get(1002), 'UTF8')}), 'before', 'the object is as it was');
	nothing_left($node, $before, 'and nothing is left');
}
set_for_all($node, 'keeper-open:error');
my $keeper = keeper_pid($node);
ok(wait_for('the keeper to end', sub { $node->psql('postgres', "SELECT lo_import_gpu(0, '\\x$source->{handle}', 0, 1)"); return (keeper_pid($node) // 0) != $keeper; }),
	'the keeper ends while it opens');
set_for_all($node, '');
ok(wait_for('another one', sub { return $node->psql('postgres', "SELECT lo_import_gpu(0, '\\x$source->{handle}', 0, 1)") == 0; }), 'and the next one opens it');
is($_->{run}->finish, 1, 'the programs end') foreach $source, $target;

# what an allocation has beyond its image is nobody else's
foreach my $set ("SET gstore_fdw.chunk_size = '3MB'", 'SELECT 1')
{
	my $session = $node->background_psql('postgres');
	sql($node, q{CREATE FOREIGN TABLE secret (a text) SERVER gstore_fdw; INSERT INTO secret SELECT repeat('secret', 50) || i FROM generate_series(1, 20000) i; DROP FOREIGN TABLE secret});
	sql($node, "$set; CREATE FOREIGN TABLE t (a int) SERVER gstore_fdw; INSERT INTO t SELECT generate_series(1, 300000)");
	my ($image, $length) = $session->query(q{SELECT 'E', encode(handle, 'hex'), length FROM gstore_export('t')}) =~ /^E\|(\w+)\|(\d+)$/m;
	my $all = int(($length + 2 * $MIB - 1) / (2 * $MIB)) * 2 * $MIB;
	my $got = qx(python3 $ENV{GSTORE_CLIENTS}/map_table.py cuda $image $all --md5);
	my $want = sql($node, "SELECT lo_import_gpu(0, '\\x$image', 0, $length)");
	is($got, sql($node, "SELECT md5(lo_get($want) || decode(repeat('00', $all - $length), 'hex'))") . "\n", "$set: the rest of an allocation is zero");
	$session->quit;
	sql($node, 'DROP FOREIGN TABLE t');
}

if ($ENV{GSTORE_LONG})
{
	local $PostgreSQL::Test::Utils::timeout_default = 7200;
	my $large = 3 << 30;
	my $from = region($large);
	my $to = region($large);
	answer($from, 'fill 5');
	my $session = $node->background_psql('postgres');
	my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
	my $own = sub { my ($kb) = slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+)/; return $kb / 1024; };
	my $timed = sub {
		my ($what, $bytes, $query) = @_;
		my $begin = time;
		my $got = $session->query_safe($query);
		my $took = time - $begin;
		diag(sprintf('%s: %.0f MiB in %.1f s, %.0f MiB/s; backend has %.0f MiB', $what, $bytes / $MIB, $took, $bytes / $MIB / $took, $own->()));
		return ($took / $bytes, $got);
	};
	$timed->('lo_import_gpu', $large, "SELECT lo_import_gpu(0, '\\x$from->{handle}', 0, $large, lo_create(2000))");
	cmp_ok($own->(), '<', 64, 'the backend stays small');
	$timed->('lo_export_gpu', $large, "SELECT lo_export_gpu(2000, 0, '\\x$to->{handle}', 0, $large)");
	cmp_ok($own->(), '<', 64, 'the backend stays small');
	is(answer($to, "md5 0 $large"), answer($from, "md5 0 $large"), '3 GiB there and back');
	# in turn, and the best of each: others are at work on this machine
	my $some = 256 * $MIB;
	my %best;
	$session->query_safe("CREATE TEMP TABLE b AS SELECT lo_get(2000, 0, $some) b; SELECT lo_from_bytea(2001, b) FROM b");
	foreach my $turn (1 .. 5)
	{
		my %query = (
			lo_get => 'SELECT length(lo_get(2001))',
			lo_export_gpu => "SELECT lo_export_gpu(2001, 0, '\\x$to->{handle}', 0, $some)",
			lo_from_bytea => "SELECT lo_from_bytea(301$turn, b) FROM b",
			lo_import_gpu => "SELECT lo_import_gpu(0, '\\x$from->{handle}', 0, $some, lo_create(302$turn))");

		foreach my $what (sort keys %query)
		{
			my ($rate) = $timed->($what, $some, $query{$what});
			$best{$what} = $rate if !defined $best{$what} or $rate < $best{$what};
		}
		$session->query_safe("SELECT lo_unlink(301$turn), lo_unlink(302$turn)");
	}
	cmp_ok($best{lo_import_gpu}, '<', 1.5 * $best{lo_from_bytea}, 'importing is as fast as lo_from_bytea');
	cmp_ok($best{lo_export_gpu}, '<', 1.5 * $best{lo_get}, 'exporting is as fast as lo_get');
	$session->quit;
	$_->{run}->finish foreach $from, $to;
}
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal|cudasim: .*refused/, 'no leak, no crash, no mistake of ours');
$node->stop('fast');
done_testing();
