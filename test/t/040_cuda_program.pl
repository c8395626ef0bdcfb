# devices: cuda
#
# A CUDA program of somebody else computes on the GPU in exported memory, in both
# formats: what it finds is what SQL says.  Only where test/gpu/run.sh has a
# driver and brought the program.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $program = $ENV{GSTORE_CUDA_PROGRAM};
plan skip_all => 'there is no CUDA program, or no GPU to run it'
  unless defined $program && -x $program && $ENV{GSTORE_REAL_DRIVER};
# what drives the stand-in drives no CUDA runtime
plan skip_all => 'the driver is no real one'
  if qx($program 0 @{[ '0' x 128 ]} 0 2>&1) =~ /driver version is insufficient|no CUDA-capable|initialization/;

my $node = new_node('cuda_program');
my @columns = ([ 's', 'int2' ], [ 'i', 'int4' ], [ 'l', 'int8' ], [ 'g', 'float8' ], [ 'n', 'int4' ]);
my $declared = join ', ', map { "$_->[0] $_->[1]" } @columns;
my $rows = q{SELECT i % 30000, CASE WHEN i % 3 <> 0 THEN -i END, i * 4294967311::int8,
	CASE WHEN i % 5 <> 0 THEN (i % 1024) / 8.0 END, NULL FROM generate_series(1, 1000000) i};

foreach my $format (qw(pgstrom arrow))
{
	sql($node, "CREATE FOREIGN TABLE $format ($declared) SERVER gstore_fdw OPTIONS (format '$format')");
	sql($node, "INSERT INTO $format $rows");
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $got = $session->query("SELECT 'E', device, encode(handle, 'hex') FROM gstore_export('$format')");
	my ($device, $handle) = $got =~ /^E\|(\d+)\|(\w+)$/m or die "no export: $got";

	for (my $i = 0; $i < @columns; $i++)
	{
		my ($name, $type) = @{ $columns[$i] };
		my $sum = $type eq 'float8' ? "coalesce(sum($name), 0)" : "coalesce(sum($name), 0)::int8";

		is(qx($program $device $handle $i 2>&1),
			sql($node, "SELECT count($name) || ' ' || $sum FROM $format") . "\n",
			"$format: count and sum of a column of type $type");
	}
	$session->quit;
	is(sql($node, "SELECT count(*), sum(l) FROM $format"),
		sql($node, 'SELECT 1000000, sum(i * 4294967311::int8) FROM generate_series(1, 1000000) i'),
		"$format: the table is as it was");
}
$node->stop('fast');
done_testing();
