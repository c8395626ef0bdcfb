
# Filling a device: an error that says what was wanted and what there is, what
# was committed stays, and dropping something makes room.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use Test::More;

my $node = new_node('memory', q{
gstore_fdw.host_memory = 64MB
gstore_fdw.device_memory = 64MB
gstore_fdw.staging_memory = 32MB
});
my $empty = used($node);

my ($total, $free) = split /\|/,
  sql($node, 'SELECT total, free FROM gstore_devices WHERE number = 0');
cmp_ok($total, '<=', 64 * 1024 * 1024, 'the limit is obeyed');
is($free, $total, 'all is free');

sql($node, "CREATE FOREIGN TABLE $_ (id int, note text) SERVER gstore_fdw")
  foreach ('kept', 'big', 'later');

# some 10 MB
my $rows = q{SELECT i, repeat('x', 200) || i FROM generate_series(1, 45000) i};
sql($node, "INSERT INTO kept $rows");
my $with_kept = used($node);
cmp_ok($with_kept, '>', 9000000, 'the first table takes what it should');

my $error;
my $committed = 0;
for (my $i = 0; $i < 20; $i++)
{
	$error = error_of($node, "INSERT INTO big $rows;");
	last if $error ne '';
	$committed++;
}
like($error, qr/ERROR:\s+53200/, 'in the end: 53200');
like($error, qr/device 0/, 'it names the device');
like($error, qr/DETAIL:.*\d.*\d/, 'and numbers');
like($error, qr/HINT:/, 'and a way out');
cmp_ok($committed, '>=', 2, 'but several went in');
is(sql($node, 'SELECT count(*) FROM big'), 45000 * $committed,
	'what was committed stays');
is(sql($node, 'SELECT count(*), sum(length(note)) FROM kept'),
	'45000|' . (45000 * 200 + 213894), 'the other table too');

my $full = used($node);
# a single statement too large for the whole device, in chunks
like(error_of($node, q{SET gstore_fdw.chunk_size = '1MB';
	INSERT INTO later SELECT i, repeat('x', 1000) || i FROM generate_series(1, 200000) i;}),
	qr/ERROR:\s+53200/, 'a load too large in itself: 53200');
ok(wait_for('free memory', sub { return used($node) == $full; }),
	'and what it had taken is free again');
is(sql($node, 'SELECT count(*) FROM later'), '0', 'nothing of it is seen');

sql($node, 'DROP FOREIGN TABLE big');
ok(wait_for('free memory', sub { return used($node) == $with_kept; }),
	'DROP gave back what it took');
sql($node, "INSERT INTO later $rows");
is(sql($node, 'SELECT count(*) FROM later'), '45000', 'and made room');

# inside a transaction, the error is the statement's
is(sql($node, qq{
	BEGIN;
	INSERT INTO kept VALUES (0, 'zero');
	SAVEPOINT s;
	DO \$\$ BEGIN
		INSERT INTO later SELECT i, repeat('x', 1000) || i FROM generate_series(1, 200000) i;
		RAISE 'this should not fit';
	EXCEPTION WHEN out_of_memory THEN
	END \$\$;
	COMMIT;
	SELECT count(*) FROM kept;}), '45001',
	'a transaction that catches it commits the rest');
is(sql($node, 'SELECT count(*) FROM later'), '45000', 'and only the rest');

sql($node, 'DROP FOREIGN TABLE kept, later');
ok(wait_for('free memory', sub { return used($node) == $empty; }),
	'in the end all is free');
$node->stop;

done_testing();
