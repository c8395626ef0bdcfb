
# The programs that show how to read exported memory print what SQL does: on
# the host device those for Python, on the driver's stand-in the one in C.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $python = "$ENV{GSTORE_VENV}/bin/python";
$python = 'python3' unless -x $python;
my $sum_column = "$ENV{GSTORE_CLIENTS}/sum_column";
if (device() eq 'cuda')
{
	plan skip_all => 'there is no libpq-fe.h' unless -x $sum_column;
}
elsif (system("$python -c 'import numpy, pyarrow, psycopg' 2>/dev/null") != 0)
{
	plan skip_all => 'there is no numpy, pyarrow or psycopg';
}

my $node = new_node('clients');
my $before = left_behind($node);
my $connection = $node->connstr('postgres');

# halves of whole numbers: sums are exact in any order
my $rows = q{SELECT i, CASE WHEN i % 7 <> 0 THEN i / 2.0 END, i * 3, NULL::float8 FROM generate_series(1, 50000) i};
foreach my $format (qw(arrow pgstrom))
{
	sql($node, qq{CREATE FOREIGN TABLE $format (k int, x float8, y float8 NOT NULL, z float8)
		SERVER gstore_fdw OPTIONS (format '$format'); INSERT INTO $format $rows});
	sql($node, "DELETE FROM $format WHERE k % 5 = 2");
}
sql($node, q{CREATE FOREIGN TABLE nothing (x float8) SERVER gstore_fdw OPTIONS (format 'arrow')});

# what a program prints, or how it fails
sub answer
{
	my ($out, $error) = ('', '');

	IPC::Run::run([@_], '>', \$out, '2>', \$error, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	chomp($out);
	return $out eq '' ? $error : $out;
}

sub same_sum
{
	my ($got, $table, $column, $name) = @_;
	my $want = sql($node, "SELECT coalesce(sum($column), 0) FROM $table");

	like($got, qr/^-?[\d.]+$/, "$name is a number") && cmp_ok($got, '==', $want, $name);
}

if (device() eq 'cuda')
{
	same_sum(answer($sum_column, $connection, 'arrow', $_), 'arrow', $_, "sum_column: $_") foreach qw(x y z);
	like(answer($sum_column, $connection, 'nothing', 'x'), qr/the table is empty/, 'an empty table');
	like(answer($sum_column, $connection, 'pg_class', 'x'), qr/is not a gstore_fdw table/, 'no gstore table');
}
else
{
	foreach my $table (qw(arrow pgstrom))
	{
		same_sum(answer($python, "$ENV{GSTORE_CLIENTS}/host_numpy.py", $connection, $table, $_), $table, $_, "host_numpy.py, $table: $_")
		  foreach qw(x y z);
	}
	like(answer($python, "$ENV{GSTORE_CLIENTS}/host_$_.py", $connection, 'nothing', 'x'), qr/the table is empty/, "host_$_.py: an empty table")
	  foreach 'numpy';

	# arrays and composites, too
	sql($node, q{CREATE TYPE pair AS (a int, b text);
		CREATE FOREIGN TABLE nested (k int, t text, l int[], p pair, ps pair[], n numeric(9, 2), d date)
			SERVER gstore_fdw OPTIONS (format 'arrow');
		INSERT INTO nested VALUES (1, 'one', '{1,NULL,3}', ROW(7, 'x'), ARRAY[ROW(1, 'p'), ROW(2, NULL)]::pair[], 1.5, '2001-02-03'),
			(2, NULL, NULL, NULL, '{}', NULL, NULL)});
	my $got = answer($python, "$ENV{GSTORE_CLIENTS}/host_pyarrow.py", $connection, 'nested');
	like($got, qr/^p: struct<a: int32, b: string>$/m, 'host_pyarrow.py: the schema');
	like($got, qr/^\Q{'k': 1, 't': 'one', 'l': [1, None, 3], 'p': {'a': 7, 'b': 'x'}, 'ps': [{'a': 1, 'b': 'p'}, {'a': 2, 'b': None}], 'n': Decimal('1.50'), 'd': datetime.date(2001, 2, 3)}\E$/m,
		'and rows');
	like($got, qr/^\Q{'k': 2, 't': None, 'l': None, 'p': None, 'ps': [], 'n': None, 'd': None}\E$/m, 'with NULLs');
	like(answer($python, "$ENV{GSTORE_CLIENTS}/host_pyarrow.py", $connection, 'nothing'), qr/the table is empty/, 'an empty table');

	# columns that came and went after the rows; chunks of two formats
	sql($node, q{ALTER FOREIGN TABLE nested DROP COLUMN t; ALTER FOREIGN TABLE nested ADD COLUMN z int; INSERT INTO nested (k, z) VALUES (3, 33)});
	$got = answer($python, "$ENV{GSTORE_CLIENTS}/host_pyarrow.py", $connection, 'nested');
	unlike($got, qr/^t: /m, 'a dropped column is not there');
	like($got, qr/^\{'k': 1, .*'z': None\}$/m, 'an added one is NULL in older rows');
	like($got, qr/^\{'k': 3, .*'z': 33\}$/m, 'and has the values of newer ones');
	sql($node, q{ALTER FOREIGN TABLE arrow OPTIONS (SET format 'pgstrom'); INSERT INTO arrow VALUES (-1, 0.5, 1, NULL)});
	same_sum(answer($python, "$ENV{GSTORE_CLIENTS}/host_numpy.py", $connection, 'arrow', 'x'), 'arrow', 'x', 'chunks of two formats in one image');
	sql($node, 'DROP FOREIGN TABLE nested');
}

sql($node, 'DROP FOREIGN TABLE arrow, pgstrom, nothing');
ok(wait_for('the leases to end', sub { return sql($node, 'SELECT count(*) FROM gstore_exports') eq '0'; }), 'the programs\' leases end');
nothing_left($node, $before, 'nothing is left');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
