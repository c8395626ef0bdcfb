# devices: cuda
#
# Chunks that lie on a GPU are merged there, and exported from there, by kernels:
# with the content, and the bounds of blocks, that going through the CPU gives; and
# when kernels are refused, sessions go away in the midst of it, or the device is
# lost, as well as without them.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $control = PostgreSQL::Test::Utils::tempdir() . '/control';

sub inject
{
	my ($faults) = @_;

	open(my $file, '>', "$control.new") or die "$control.new: $!";
	print $file "$faults\n";
	close $file;
	rename("$control.new", $control) or die "$control: $!";
}

$ENV{GSTORE_CUDASIM_CONTROL} = $control;
inject('');
# All images are on the device, however small.
my $node = new_node('merge_kernels', q{
gstore_fdw.staging_memory = 32MB
gstore_fdw.debug_small_image = 0
gstore_fdw.autocompact = off
max_parallel_workers_per_gather = 0
statement_timeout = 600s
});
my $columns = q{id int, i2 int2, i8 bigint, f8 float8, n numeric(12,2), d date,
	ts timestamp, b bool, u uuid, t text, few text, c char(9), y bytea, v interval, gone int};

sub rows
{
	my ($from, $to) = @_;

	return qq{SELECT i, CASE WHEN i % 3 <> 0 THEN i % 1000 END, i::bigint * 1000003, i / 8.0,
	CASE WHEN i % 5 <> 0 THEN (i::bigint * 7919 % 1000000) / 100.0 END, DATE '1992-01-01' + i % 2500,
	TIMESTAMP '1999-12-31' + i * INTERVAL '13 minutes', CASE WHEN i % 7 <> 0 THEN i % 2 = 0 END,
	md5(i::text)::uuid, CASE WHEN i % 11 <> 0 THEN repeat(chr(97 + i % 26), i % 40) || i END,
	'value ' || i % 5, 'x' || i % 90, decode(md5((i % 17)::text), 'hex'), i * INTERVAL '1 hour', i
	FROM generate_series($from, $to) i};
}

# Several chunks, some rows deleted, some changed.
sub fill
{
	my ($table) = @_;

	sql($node, "INSERT INTO $table " . rows(1 + 9000 * $_, 9000 * ($_ + 1))) foreach 0 .. 3;
	sql($node, "DELETE FROM $table WHERE id % 13 = 5 OR id BETWEEN 12000 AND 17000");
	sql($node, "UPDATE $table SET t = t || '!', i2 = NULL WHERE id % 31 = 7");
}

sub make
{
	my ($table, $options) = @_;

	sql($node, "CREATE FOREIGN TABLE $table ($columns) SERVER gstore_fdw OPTIONS ($options)");
	# a column that is no more has a place in every image
	sql($node, "ALTER FOREIGN TABLE $table DROP COLUMN gone");
	sql($node, "ALTER FOREIGN TABLE $table ADD COLUMN gone int");
	fill($table);
}

sub content
{
	my ($table) = @_;

	return sql($node, "SELECT count(*), md5(string_agg(x::text, ',' ORDER BY id)) FROM $table x");
}

# What a session says at DEBUG1.
sub said
{
	my ($query, $settings) = @_;
	my ($status, $out, $err) = $node->psql('postgres',
		"SET client_min_messages = debug1; " . ($settings // '') . $query);

	return "$out\n$err";
}

sub chunks
{
	my ($table) = @_;

	return sql($node, "SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info WHERE table_oid = '$table'::regclass");
}

my %options = (arrow => "format 'arrow'", strom => "format 'pgstrom'", large => "format 'arrow', large_text 'on'");

sql($node, "CREATE TABLE twin ($columns)");
fill('twin');
my $expected = content('twin');

# ---- merges ----

foreach my $table (sort keys %options)
{
	make($table, $options{$table});
	make("by_cpu_$table", $options{$table});
	is(content($table), $expected, "$table: as the heap's");
	cmp_ok(chunks($table), '>', 4, "$table: several chunks");
	like(said("SELECT gstore_compact('$table')"), qr/merging chunks: kernels made one of \d+ chunks, of \d+ rows/,
		"$table: kernels merge them");
	is(chunks($table), 1, "$table: one chunk is left");
	is(content($table), $expected, "$table: with the rows it had");
	like(said("SELECT gstore_compact('by_cpu_$table')", 'SET gstore_fdw.enable_kernels = off;'),
		qr/without kernels: gstore_fdw.enable_kernels is off/, "$table: not where they are switched off");
	is(content("by_cpu_$table"), $expected, "$table: with the same rows");
	is(sql($node, "SELECT gstore_fdw_rawsize('$table') <= 1.1 * gstore_fdw_rawsize('by_cpu_$table')"), 't',
		"$table: and images of one size");

	# what bounds leave out is what the CPU's bounds do
	foreach my $condition ('id < 500', 'i8 > 30000000000', "ts < '2000-01-20'", 'f8 BETWEEN 3000 AND 3010',
		"d = '1992-03-01'", "n < 5", "t LIKE 'zz%'", "u < '01000000-0000-0000-0000-000000000000'", "c = 'x3'", "v > '4000 days'", 'i2 IS NULL', 'gone IS NOT NULL')
	{
		my ($blocks, $by_cpu) = map {
			join(' ', sql($node, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM $_ WHERE $condition")
				  =~ /(Blocks(?: Pruned)?: \d+)/g) } $table, "by_cpu_$table";

		is($blocks, $by_cpu, "$table: blocks where $condition ($blocks)");
		is(sql($node, "SELECT count(*), sum(id) FROM $table WHERE $condition"),
			sql($node, "SELECT count(*), sum(id) FROM twin WHERE $condition"), "$table: rows where $condition");
	}
	is(sql($node, "SELECT min(id), max(i8), min(d), max(ts), min(n), max(f8) FROM $table"),
		sql($node, "SELECT min(id), max(i8), min(d), max(ts), min(n), max(f8) FROM twin"), "$table: extremes");
}

# what kernels leave to the CPU
sql($node, "CREATE FOREIGN TABLE nested (id int, a int[]) SERVER gstore_fdw OPTIONS (format 'arrow')");
sql($node, 'INSERT INTO nested SELECT i, ARRAY[i, i + 1] FROM generate_series(1, 5000) i') for 1 .. 3;
like(said("SELECT gstore_compact('nested')"), qr/without kernels: arrays or composites/, 'nested columns are left to the CPU');
is(sql($node, 'SELECT count(*), sum(a[2]) FROM nested'), '15000|37522500', 'and their rows are there');
sql($node, 'CREATE FOREIGN TABLE words (id int, w text) SERVER gstore_fdw');
sql($node, q{INSERT INTO words SELECT i, md5((i % 2000)::text) || md5((i % 2000 + 1)::text) FROM generate_series(1, 8000) i}) for 1 .. 6;
like(said("SELECT gstore_compact('words')"), qr/without kernels: values that repeat from chunk to chunk/,
	'and dictionaries that say the same');
is(sql($node, q{SELECT count(DISTINCT w), count(*), gstore_fdw_rawsize('words') < 700000 FROM words}), '2000|48000|t',
	'whose values become one again');
sql($node, 'ALTER FOREIGN TABLE words ADD COLUMN more int');
sql($node, "INSERT INTO words SELECT i, 'new', i FROM generate_series(1, 8000) i");
sql($node, q{CREATE FOREIGN TABLE wordy (id int, w text) SERVER gstore_fdw});
sql($node, q{SET gstore_fdw.debug_small_image = 1024; INSERT INTO wordy SELECT i, md5(i::text) FROM generate_series(1, 100) i}) for 1 .. 3;
like(said("SELECT gstore_compact('wordy')"), qr/without kernels: a chunk in host memory/, 'and what is in host memory');

# ---- exports ----

sql($node, q{
	CREATE ROLE reader LOGIN;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
	GRANT EXECUTE ON FUNCTION gstore_export(reggstore), gstore_export_chunks(reggstore),
		lo_import_gpu(int, bytea, bigint, bigint, oid) TO reader});

# md5 of an image, rows, bytes; of a session of its own, which has no copy yet.
sub exported
{
	my ($table, $settings, $function) = @_;
	my $said = said('CREATE TEMP TABLE images AS SELECT lo_import_gpu(device, handle, 0, length) AS image, nitems, length FROM '
		  . ($function // 'gstore_export') . "('$table');"
		  . "SELECT string_agg(md5(lo_get(image)) || ' ' || nitems || ' ' || length, ', ') FROM images;"
		  . 'SELECT count(lo_unlink(image)) FROM images', $settings);

	my ($image) = $said =~ /^([0-9a-f]{32} \d+ \d+(?:, [0-9a-f]{32} \d+ \d+)*)$/m or diag($said);
	return ($image, $said);
}

foreach my $table (sort keys %options)
{
	# again several chunks, and rows that are gone
	sql($node, "INSERT INTO $table " . rows(100001 + 5000 * $_, 100000 + 5000 * ($_ + 1))) foreach 0 .. 1;
	sql($node, "DELETE FROM $table WHERE id % 17 = 2");
	my ($image, $said) = exported($table, 'SET ROLE reader;');

	like($said, qr/copying foreign table "$table": kernels made one of \d+ chunks/, "$table: kernels copy what a reader exports");
	my ($by_cpu, $said_cpu) = exported($table, 'SET ROLE reader; SET gstore_fdw.enable_kernels = off;');
	like($said_cpu, qr/without kernels/, "$table: or the CPU");
	my ($rows, $bytes) = $image =~ / (\d+) (\d+)$/;
	is($rows, sql($node, "SELECT count(*) FROM $table"), "$table: all rows that are seen");
	if ($table eq 'strom')
	{
		# the values of few and y are there once for each chunk
		my ($bytes_cpu) = $by_cpu =~ /(\d+)$/;
		cmp_ok($bytes, '<', 1.1 * $bytes_cpu, "$table: as many bytes, or little more");
	}
	else
	{
		is($image, $by_cpu, "$table: byte by byte the same");
	}
	($image, $said) = exported($table, 'SET ROLE reader;', 'gstore_export_chunks');
	like($said, qr/kernels made one of 1 chunks/, "$table: chunk by chunk");
	($by_cpu) = exported($table, 'SET ROLE reader; SET gstore_fdw.enable_kernels = off;', 'gstore_export_chunks');
	is($image =~ s/[0-9a-f]{32} (\d+) \d+/$1/gr, $by_cpu =~ s/[0-9a-f]{32} (\d+) \d+/$1/gr, "$table: rows of each");
	is($image, $by_cpu, "$table: and all bytes") if $table ne 'strom';

	# one's own changes
	my $changes = "BEGIN; DELETE FROM $table WHERE id % 7 = 1; INSERT INTO $table " . rows(200001, 203000) . ';';
	($image, $said) = exported($table, $changes);
	like($said, qr/copying foreign table "$table": kernels/, "$table: with changes of one's own");
	($by_cpu) = exported($table, $changes . 'SET gstore_fdw.enable_kernels = off;');
	is($image =~ s/^\w+ (\d+) .*/$1/r, $by_cpu =~ s/^\w+ (\d+) .*/$1/r, "$table: the same rows");
	is($image, $by_cpu, "$table: and bytes") if $table ne 'strom';

	# in place
	my $before = content($table);
	($image, $said) = exported($table);
	like($said, qr/merging chunks: kernels made one/, "$table: what its owner exports is merged");
	is(content($table), $before, "$table: and is what it was");
}

sub refill
{
	my ($table) = @_;

	sql($node, "TRUNCATE $table");
	sql($node, "INSERT INTO $table " . rows(1 + 3000 * $_, 3000 * ($_ + 1))) foreach 0 .. 3;
	sql($node, "DELETE FROM $table WHERE id % 3 = 0");
	return content($table);
}

# ---- faults ----

sub faults
{
	my $rows = refill('arrow');
	is(refill('strom'), $rows, 'smaller tables');
	my $before = left_behind($node);

	foreach my $table ('arrow', 'strom')
	{
		# at every request it makes
		foreach my $point ('request-submit', 'request-submitted', 'request-wait', 'request-done', 'device-memory', 'launch', 'build-kernels')
		{
			foreach my $nth (1, 2, 3, 5, 8, 11)
			{
				foreach my $action ('error', $nth == 1 || $nth == 5 ? 'fatal' : ())
				{
					my ($status, $out, $err) = $node->psql('postgres',
						"SET ROLE reader; RESET ROLE; SET gstore_fdw.debug_fault = '$point:$action:$nth'; SET ROLE reader; SELECT nitems FROM gstore_export('$table')");

					last if $status == 0;
					like($err, qr/injected/, "$table: $action at $point, $nth");
					nothing_left($node, $before, 'nothing is left');
				}
			}
		}
		is(content($table), $rows, "$table is what it was");

		# refused: then the CPU does it
		foreach my $fault ((map { "cuLaunchKernel\@$_=701" } 1 .. 4), (map { "alloc_oom=$_" } 1 .. 2),
			'cuOccupancyMaxActiveBlocksPerMultiprocessor@2=1', 'cuMemsetD8Async@1=1')
		{
			inject($fault);
			my ($image, $said) = exported($table, 'SET ROLE reader;');

			inject('');
			like($image, qr/^\w+ 8000 /, "$table, $fault: it is exported all the same");
			nothing_left($node, $before, "$table, $fault: and nothing is left");
		}
	}

	# ---- cancelled while it is at it ----

	inject('delay=30000');
	foreach my $table ('arrow', 'strom')
	{
		my $cancelled = 0;

		foreach my $ms (map { 40 * $_ } 1 .. 12)
		{
			my $said = said("SELECT nitems FROM gstore_export('$table')", "SET ROLE reader; SET statement_timeout = '${ms}ms';");

			$cancelled++ if $said =~ /canceling statement/;
		}
		cmp_ok($cancelled, '>', 3, "$table: cancelled $cancelled times");
		nothing_left($node, $before, "$table: nothing is left");
	}
	inject('');
	is(content('arrow'), $rows, 'the rows are there');
	unlike(slurp_file($node->logfile), qr/cudasim: .*refused/, 'nothing was freed that a kernel worked on');

	# ---- the device is lost ----

	{
		inject('kernel_lost=2');
		like(error_of($node, "SELECT gstore_compact('arrow')"), qr/ERROR:\s+(58030|55000): /, 'the device is lost meanwhile');
		inject('');
		ok(wait_for('the device', sub {
			my ($status, $out) = $node->psql('postgres', q{SELECT bool_and(state = 'ready') FROM gstore_devices});
			return $status == 0 && $out eq 't'; }), 'and comes back');
		like(error_of($node, 'SELECT * FROM arrow'), qr/lost/, 'what it held is lost');
		is(refill('arrow'), $rows, 'loaded again');
		like(said("SELECT gstore_compact('arrow')"), qr/kernels made one/, 'kernels merge again');
		is(content('arrow'), $rows, 'with the same rows');
	}
	return;
}

# ---- in the background ----

sql($node, q{
	CREATE FOREIGN TABLE busy (id int, t text) SERVER gstore_fdw OPTIONS (format 'arrow');
	ALTER SYSTEM SET gstore_fdw.autocompact = on;
	ALTER SYSTEM SET log_min_messages = debug1;
	ALTER SYSTEM SET gstore_fdw.debug_small_image = 0;
	SELECT pg_reload_conf()});
sql($node, 'INSERT INTO busy SELECT i, md5(i::text) FROM generate_series(1, 3000) i') for 1 .. 12;
ok(wait_for('the background worker', sub {
	return chunks('busy') < 8; }),
	'the background worker merges');
like(slurp_file($node->logfile), qr/merging chunks: kernels made one of \d+ chunks/, 'by kernels');
is(sql($node, 'SELECT count(*), count(DISTINCT t) FROM busy'), '36000|3000', 'its rows are there');
sql($node, 'ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()');
sql($node, 'DROP FOREIGN TABLE busy');

# What goes wrong is the stand-in's to do.
faults() if !$ENV{GSTORE_REAL_DRIVER};
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
