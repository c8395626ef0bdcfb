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
my $node = new_node('copies', "gstore_fdw.staging_memory = '16MB'\n");
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
$node->stop('fast');
done_testing();
