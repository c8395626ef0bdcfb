# devices: cuda
# needs: stand-in
#
# Copies that the device refuses, frees that fail, copies that take their time:
# the statement fails or waits, the device goes on, nothing is left behind.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
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

inject('');
my $node = new_node('copies', "gstore_fdw.staging_memory = '16MB'\ngstore_fdw.enable_kernels = off\n");
my $load = q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 100000) i};
my @ways = ([ 'staged', "SET gstore_fdw.chunk_size = '3MB'" ], [ 'in pieces', 'SELECT' ]);

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
foreach my $way (@ways)
{
	my ($name, $set) = @$way;

	# loading
	my $before = left_behind($node);
	foreach my $n (1 .. 4)
	{
		inject("copy_fail=$n");
		like(error_of($node, "$set; $load;"), qr/58000.*DETAIL:.*cuMemcpyHtoD/s,
			"$name: copy $n of a load is refused: 58000");
		inject('');
		nothing_left($node, $before, "$name: and nothing is left");
		is(sql($node, 'SELECT count(*) FROM t'), '0', "$name: nor seen");
	}

	# reading
	sql($node, "$set; $load");
	my $loaded = left_behind($node);
	foreach my $n (1 .. 4)
	{
		inject("copy_fail=$n");
		like(error_of($node, 'SELECT sum(length(note)) FROM t;'),
			qr/58000.*DETAIL:.*cuMemcpyDtoH/s,
			"$name: copy $n of a scan is refused: 58000");
		inject('');
		nothing_left($node, $loaded, "$name: and nothing is left");
	}
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM t'), '100000|10488895',
		"$name: the table is as it was");

	# slowly, and stopped in the midst
	inject('delay=20000');
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM t'), '100000|10488895',
		"$name: the same slowly");
	foreach my $timeout (10, 30, 60, 100, 150)
	{
		like(error_of($node, "SET statement_timeout = '${timeout}ms'; SELECT sum(length(note)) FROM t, generate_series(1, 100);"),
			qr/57014/, "$name: a scan stopped after $timeout ms");
		like(error_of($node, "$set; SET statement_timeout = '${timeout}ms'; " .
			q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 1000000) i;}),
			qr/57014/, "$name: a load stopped after $timeout ms");
	}
	nothing_left($node, $loaded, "$name: nothing is left of them");
	inject('');
	is(sql($node, 'SELECT count(*), sum(length(note)) FROM t'), '100000|10488895',
		"$name: the table is still as it was");

	# a free that fails is not the transaction's business
	inject('free_fail=1');
	sql($node, 'TRUNCATE t');
	nothing_left($node, $before, "$name: a free that failed is off the books");
	inject('');
}
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
like($log, qr/WARNING:.*could not be freed/, 'the log tells of frees that failed');
unlike($log, qr/resource leak|PANIC|TRAP|cudasim: .*refused/, 'and of no mistake of ours');
is(sql($node, 'SELECT max(epoch) FROM gstore_devices'), '1', 'nothing was lost');
# A chunk of texts is brought once, in whatever windows.
foreach my $format (qw(pgstrom arrow))
{
	sql($node, "CREATE FOREIGN TABLE texts (k int, a text, b text) SERVER gstore_fdw OPTIONS (format '$format');"
		  . q{INSERT INTO texts SELECT i, repeat('a', 100) || i, repeat('b', 50) || i % 70000 FROM generate_series(1, 300000) i});
	is(sql($node, 'SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = \'texts\'::regclass'), 1, "$format: one large chunk");
	foreach my $what ('a', 'b', 'a, b', 'k, b', 'k')
	{
		my ($bytes) = sql($node, "EXPLAIN (ANALYZE, COSTS OFF) SELECT $what FROM texts WHERE k > 0") =~ /Bytes Read: (\d+)/;
		my $all = sql($node, q{SELECT gstore_fdw_rawsize('texts')});

		cmp_ok($bytes, '<', 1.3 * $all, "$format: $what is brought once");
	}
	is(sql($node, q{SELECT count(*), sum(length(a)), sum(length(b)), count(DISTINCT b), max(a), min(b) FROM texts}),
		sql($node, q{SELECT count(*), sum(length(a)), sum(length(b)), count(DISTINCT b), max(a), min(b)
			FROM (SELECT repeat('a', 100) || i AS a, repeat('b', 50) || i % 70000 AS b FROM generate_series(1, 300000) i) t}), 'and is what it is');
	sql($node, 'DROP FOREIGN TABLE texts');
}

$node->stop('fast');
done_testing();
