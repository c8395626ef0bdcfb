# devices: cuda
# needs: stand-in
#
# Several GPUs: the option pinning picks the one that holds a table, in its
# context and its memory; what befalls the memory of one is no matter of the
# others; and the views tell them apart.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the host device is one' if device() eq 'host';

my $control = PostgreSQL::Test::Utils::tempdir() . '/control';
$ENV{GSTORE_CUDASIM_CONTROL} = $control;
$ENV{GSTORE_CUDASIM_DEVICES} = 3;
$ENV{GSTORE_CUDASIM_MEMORY_MB} = 64;
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM};

sub inject
{
	my ($faults) = @_;

	open(my $file, '>', "$control.new") or die "$control.new: $!";
	print $file "$faults\n";
	close $file;
	rename("$control.new", $control) or die "$control: $!";
}

inject('');
my $node = new_node('devices', "gstore_fdw.chunk_size = '4MB'\ngstore_fdw.staging_memory = 32MB\n");

# Who they are.
is(sql($node, q{
	SELECT count(*), min(number), max(number), count(DISTINCT uuid),
		bool_and(kind = 'cuda' AND name <> '' AND state = 'ready'),
		string_agg(DISTINCT compute_capability, ','), min(total) / 1048576
	FROM gstore_devices}),
	'3|0|2|3|t|7.5|64', 'three devices, with uuid, name, compute capability and memory');

# used() of each device, as a list
sub used_each
{
	sql($node, 'SELECT gstore_request_barrier()');
	return split /\n/, sql($node, 'SELECT used FROM gstore_devices ORDER BY number');
}

my $answer = 'SELECT count(*), sum(id), sum(length(note)) FROM';

sub rows
{
	my ($from, $to) = @_;
	return "SELECT i, repeat('x', 100) || i FROM generate_series($from, $to) i";
}

# Each device gets what is pinned to it and nothing else.
my %expected;
my @sizes = (40000, 50000, 60000);
foreach my $device (0 .. 2)
{
	my @before = used_each();

	sql($node, "CREATE FOREIGN TABLE on_$device (id int, note text) SERVER gstore_fdw OPTIONS (pinning '$device')");
	sql($node, "INSERT INTO on_$device " . rows(1, $sizes[$device]));
	my @after = used_each();
	my @grew = grep { $after[$_] > $before[$_] } 0 .. 2;
	is("@grew", $device, "pinned to device $device, a table is there and nowhere else");
	$expected{$device} = sql($node, "SELECT count(*), sum(i), sum(length(repeat('x', 100) || i)) FROM generate_series(1, $sizes[$device]) i");
	is(sql($node, "SELECT string_agg(DISTINCT pinning::text, ',') FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = 'on_$device'::regclass"),
		$device, "and so says gstore_fdw_chunk_info");
}
sql($node, "CREATE FOREIGN TABLE anywhere (id int, note text) SERVER gstore_fdw");
{
	my @before = used_each();
	sql($node, 'INSERT INTO anywhere ' . rows(1, 30000));
	my @after = used_each();
	is(join(',', grep { $after[$_] > $before[$_] } 0 .. 2), '0', 'without pinning it is device 0');
	sql($node, 'DROP FOREIGN TABLE anywhere');
	is(join(',', used_each()), join(',', @before), 'dropped, it leaves nothing there');
}
is(sql($node, "$answer on_$_"), $expected{$_}, "device $_ is read") foreach 0 .. 2;

# All of them in one statement, and at once.
is(sql($node, 'SELECT count(*), count(b.id), count(c.id) FROM on_0 a LEFT JOIN on_1 b ON b.note = a.note JOIN on_2 c ON c.note = a.note'),
	'40000|40000|40000', 'a join over three devices');
{
	my @sessions = map { start_session($node,
		"INSERT INTO on_$_ " . rows(100001, 105000) . "; $answer on_$_; DELETE FROM on_$_ WHERE id > 100000; $answer on_$_") } (0 .. 2, 0 .. 2);
	my @said = map { end_session($_) } @sessions;
	is(join('', grep { /ERROR/ } @said), '', 'six sessions on three devices');
	# whoever deletes last leaves what was there before
	is(sql($node, "$answer on_$_"), $expected{$_}, "device $_ is as before") foreach 0 .. 2;
}

# From one to the other, changed there, and back.
sql($node, "CREATE FOREIGN TABLE copied (id int, note text) SERVER gstore_fdw OPTIONS (pinning '2')");
sql($node, 'INSERT INTO copied SELECT * FROM on_1');
sql($node, "UPDATE copied SET note = note || '!' WHERE id % 2 = 0; DELETE FROM copied WHERE id % 5 = 0");
is(sql($node, q{SELECT count(*), count(*) FILTER (WHERE note LIKE '%!') FROM copied}), '40000|20000',
	'copied to another device and changed there');
sql($node, "ALTER FOREIGN TABLE copied OPTIONS (SET pinning '1')");
sql($node, 'INSERT INTO copied ' . rows(200001, 220000));
is(sql($node, q{SELECT string_agg(DISTINCT pinning::text, ',') FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = 'copied'::regclass}),
	'1,2', 'pinned elsewhere, what is written goes there, and what was written stays');
# kernels run where each chunk lies
foreach my $query ('SELECT count(*), sum(id) FROM copied', 'SELECT id % 3, count(*), max(id) FROM copied GROUP BY 1 ORDER BY 1',
	q{SELECT sum(id), count(note) FROM copied WHERE note LIKE '%77!'}, 'SELECT * FROM copied WHERE id % 9001 = 0 ORDER BY 1')
{
	is(sql($node, $query), sql($node, "SET gstore_fdw.enable_kernels = off; $query"), "on both devices: $query");
	like(sql($node, "EXPLAIN (ANALYZE, VERBOSE) $query"), qr/Kernel Launches: [2-9]/, 'by a launch on each');
}
sql($node, "SELECT gstore_compact('copied')");
is(sql($node, q{SELECT count(*), count(*) FILTER (WHERE note LIKE '%!'), max(id) FROM copied}), '60000|20000|220000',
	'compacted, it has all its rows');
sql($node, 'DROP FOREIGN TABLE copied');

# A device that is full says so, and the others are not.
my $error = error_of($node, 'INSERT INTO on_1 ' . rows(1, 700000));
like($error, qr/ERROR:\s+53200: out of memory on device 1/, 'device 1 is full');
like($error, qr/DETAIL:.*on device 1/, 'with bytes wanted and free');
like($error, qr/HINT:.*"pinning"/, 'and the way out');
sql($node, 'INSERT INTO on_2 ' . rows(300001, 330000));
sql($node, 'DELETE FROM on_2 WHERE id > 300000');
is(sql($node, "$answer on_$_"), $expected{$_}, "device $_ is well") foreach 0 .. 2;
like(error_of($node, "CREATE FOREIGN TABLE nowhere (id int) SERVER gstore_fdw OPTIONS (pinning '3')"),
	qr/22023.*device 3.*(0, 1,? (and|or) 2|0 to 2|0, 1, 2)/s, 'a device that is not there is refused, and those that are, are named');

# What is handed out says on which device it is, and is to be opened there.
SKIP:
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $got = $session->query(q{SELECT 'E', encode(handle, 'hex'), length, device, device_uuid = (SELECT uuid FROM gstore_devices WHERE number = 2) FROM gstore_export('on_2')});
	my ($handle, $length, $device, $same) = $got =~ /^E\|(\w+)\|(\d+)\|(\d+)\|(\w)$/m or die "no export: $got";

	is("$device|$same", '2|t', 'an export names number and uuid of its device');
	my $id = sql($node, "SELECT lo_import_gpu(2, '\\x$handle', 0, $length)");
	my $md5 = sql($node, "SELECT md5(lo_get($id))");
	if (system("python3 $ENV{GSTORE_CLIENTS}/have_modules.py 2>/dev/null") != 0)
	{
		$session->quit;
		skip 'there is no numpy or pyarrow', 2;
	}
	my $map = "$ENV{GSTORE_CLIENTS}/map_table.py cuda $handle $length";
	is(qx(python3 $map 2 --md5), "$md5\n", 'another process opens it on device 2');
	isnt(system("python3 $map 1 --md5 >$control.out 2>&1"), 0, 'on another device it cannot be opened');
	$session->quit;
}

# One that fails takes the process with it that owns them all: what they held
# is lost, and says so, and all are there again.
my $epochs = sql($node, q{SELECT string_agg(epoch::text, ',' ORDER BY number) FROM gstore_devices});
inject('lost=3');
like(error_of($node, "$answer on_2"), qr/58030.*device 2 was lost/s, 'device 2 fails: the statement says so');
inject('');
ok(wait_for('the devices', sub {
	my ($status, $out) = $node->psql('postgres', qq{
		SELECT bool_and(state = 'ready' AND epoch > ('{$epochs}'::int[])[number + 1]) FROM gstore_devices});
	return $status == 0 && $out eq 't'; }), 'all devices are there again, in a new epoch');
foreach my $device (0 .. 2)
{
	like(error_of($node, "$answer on_$device"), qr/"on_$device" are lost.*HINT:.*TRUNCATE/s, "what device $device held is lost");
	sql($node, "TRUNCATE on_$device; INSERT INTO on_$device " . rows(1, $sizes[$device]));
	is(sql($node, "$answer on_$device"), $expected{$device}, "and loaded again");
}

sql($node, 'DROP FOREIGN TABLE on_0, on_1, on_2');
ok(wait_for('free memory', sub { return used($node) == 0; }), 'in the end all memory is free');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
