# devices: cuda
# needs: stand-in
#
# A device that fails, at any time: the statement says so, the keeper comes
# back, what the device held is reported as lost with the way out, and all else
# works.  And servers that find no device at all.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

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

inject('');
my $node = new_node('lost');
my $empty = used($node);
my $rows = q{SELECT i, repeat('x', 100) || i FROM generate_series(1, 50000) i};

sub epoch
{
	return sql($node, 'SELECT max(epoch) FROM gstore_devices');
}

# The device works again, under another epoch than before.
sub recovered
{
	my ($before, $when) = @_;

	inject('');
	ok(wait_for('the device', sub {
		my ($status, $out) = $node->psql('postgres',
			q{SELECT bool_and(state = 'ready') AND max(epoch) > } . $before
			  . ' FROM gstore_devices');
		return $status == 0 && $out eq 't'; }),
		"$when: the keeper came back with a new epoch");
}

sub fill
{
	sql($node, 'DROP FOREIGN TABLE IF EXISTS t');
	sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
	sql($node, "INSERT INTO t $rows");
}

# Its rows are gone, it says so whatever one does, and TRUNCATE is the way out.
sub is_lost
{
	my ($when) = @_;

	foreach my $query ('SELECT sum(length(note)) FROM t', "UPDATE t SET note = ''")
	{
		my $error = error_of($node, $query);

		like($error, qr/ERROR:\s+\w{5}: .*"t" are lost/, "$when: $query: lost");
		like($error, qr/HINT:.*TRUNCATE/, "$when: $query: the way out");
	}
	sql($node, 'CREATE FOREIGN TABLE fresh (id int, note text) SERVER gstore_fdw');
	sql($node, "INSERT INTO fresh $rows");
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM fresh'),
		'50000|5238894', "$when: a new table works");
	sql($node, 'DROP FOREIGN TABLE fresh');

	sql($node, 'TRUNCATE t');
	sql($node, "INSERT INTO t $rows");
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM t'),
		'50000|5238894', "$when: filled again");
	sql($node, 'DROP FOREIGN TABLE t');
	ok(wait_for('free memory', sub { return used($node) == $empty; }),
		"$when: no memory is left behind");
}

# while reading
fill();
my $before = epoch();
inject('lost=1');
like(error_of($node, 'SELECT sum(length(note)) FROM t'), qr/ERROR:\s+58030/,
	'lost while reading: 58030');
recovered($before, 'reading');
is_lost('reading');

# while writing: what was committed is lost with it
fill();
$before = epoch();
inject('copy_lost=1');
my $error = error_of($node, "INSERT INTO t $rows");
like($error, qr/ERROR:\s+58030/, 'lost while writing: 58030');
like($error, qr/device 0/, 'it names the device');
recovered($before, 'writing');
is_lost('writing');

# between writing and commit: the commit must not succeed
fill();
$before = epoch();
my $writer = $node->background_psql('postgres', on_error_stop => 0);
$writer->query_safe('BEGIN');
$writer->query_safe("INSERT INTO t $rows");
inject('lost=1');
error_of($node, 'SELECT sum(length(note)) FROM t');
recovered($before, 'commit');
my $said = $writer->query(q{COMMIT; \echo :LAST_ERROR_SQLSTATE});
like($said, qr{^58030$}, "COMMIT of rows that are lost fails: 58030");
is(sql($node, 'SELECT 1'), '1', 'and the server is well');
$writer->quit;
is_lost('commit');

# a device that is full once is asked again, after what is dead was freed
inject('alloc_oom=1');
sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
sql($node, "INSERT INTO t $rows");
is(sql($node, 'SELECT count(*) FROM t'), '50000',
	'out of memory at one call: the load goes well');

# another device goes on being another one
is(sql($node, 'SELECT count(*) FROM gstore_devices'), '2', 'there are two devices');
sql($node, q{CREATE FOREIGN TABLE second (id int, note text) SERVER gstore_fdw
	OPTIONS (pinning '1')});
sql($node, "INSERT INTO second $rows");
is( sql($node, q{SELECT DISTINCT pinning FROM pgstrom.gstore_fdw_chunk_info
	WHERE table_oid = 'second'::regclass}), '1', 'a table lies where it is pinned');
like(error_of($node, q{CREATE FOREIGN TABLE bad (id int) SERVER gstore_fdw
	OPTIONS (pinning '2')}), qr/ERROR:\s+22023.*device 2.*HINT/s,
	'pinning to a device that is not there: 22023');
$node->stop;

# no device: an error that says why where cuda is asked for, the host's memory
# where it may be either
foreach my $case (
	[ 'no library', q{gstore_fdw.cuda_library = '/nowhere/libcuda.so.1'}, 2 ],
	[ 'no GPU', '', 0 ])
{
	my ($name, $setting, $devices) = @$case;

	$ENV{GSTORE_CUDASIM_DEVICES} = $devices;
	$node->append_conf('postgresql.conf', $setting);
	$node->start;
	foreach my $query ('SELECT * FROM gstore_devices', "INSERT INTO t $rows")
	{
		$error = error_of($node, $query);
		like($error, qr/ERROR:\s+55000/, "$name: $query: 55000");
		like($error, qr/DETAIL:.*\w/, "$name: $query: the driver's words");
		like($error, qr/HINT:.*host/, "$name: $query: the way out");
	}
	$node->stop;

	$node->append_conf('postgresql.conf', 'gstore_fdw.device = auto');
	$node->start;
	is(sql($node, 'SELECT kind FROM gstore_devices'), 'host',
		"$name, device = auto: host memory");
	sql($node, "INSERT INTO t $rows");
	is(sql($node, 'SELECT count(*) FROM t'), '50000', 'which works');
	$node->stop;
	$node->append_conf('postgresql.conf', "gstore_fdw.device = cuda
gstore_fdw.cuda_library = '" . ($ENV{GSTORE_CUDASIM} // 'libcuda.so.1') . "'");
}

done_testing();
