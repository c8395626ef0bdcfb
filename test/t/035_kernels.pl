# Aggregates over, groups of, and conditions on, what lies on a GPU, by kernels:
# beside a heap twin, with rows deleted, changed and not yet committed, in both formats; then with kernels
# that are refused, sessions that go away, and a device that is lost.
#
# GSTORE_STATEMENTS  random queries
# GSTORE_SEED        which ones

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $wanted = $ENV{GSTORE_STATEMENTS} // 40;
my $seed = $ENV{GSTORE_SEED} // 251121;
my $on_gpu = device() eq 'cuda';
my $control = PostgreSQL::Test::Utils::tempdir() . '/control';

note("GSTORE_SEED=$seed GSTORE_STATEMENTS=$wanted");
srand($seed);

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
# Chunks large enough for a device to keep them, and several of them.
my $node = new_node('kernels', q{
gstore_fdw.chunk_size = '2MB'
gstore_fdw.autocompact = off
max_parallel_workers_per_gather = 0
statement_timeout = 600s
});
my $columns = q{id int, i2 int2, i4 int, i8 bigint, f4 real, f8 float8,
	n numeric(12,2), d date, ts timestamp, b bool, c char(1), s varchar(8), t text};

# Floats are multiples of a quarter, so that sums do not depend on the order.
sub rows
{
	my ($from, $to) = @_;

	return qq{SELECT i, (i % 1000 - 500)::int2, CASE WHEN i % 7 <> 0 THEN i * 37 % 10007 END,
	CASE WHEN i % 11 <> 0 THEN i::bigint * 1000003 % 1000000007 - 500000000 END,
	((i % 400) / 4.0)::real, CASE WHEN i % 13 <> 0 THEN (i * 31 % 4000) / 4.0 END,
	CASE WHEN i % 5 <> 0 THEN (i::bigint * 7919 % 1000000) / 100.0 END,
	DATE '1992-01-01' + i % 2500, CASE WHEN i % 17 <> 0 THEN TIMESTAMP '1999-12-31' + i * INTERVAL '13 minutes' END,
	CASE WHEN i % 3 <> 0 THEN i % 2 = 0 END, substr('NRFO ', i % 5 + 1, 1),
	CASE WHEN i % 31 <> 0 THEN 'k' || (i % 37 + 1) END, CASE WHEN i % 23 <> 0 THEN 'some text ' || i % 501 END
	FROM generate_series($from, $to) i};
}

sql($node, qq{
	CREATE TABLE twin ($columns);
	CREATE FOREIGN TABLE arrow ($columns) SERVER gstore_fdw OPTIONS (format 'arrow');
	CREATE FOREIGN TABLE strom ($columns) SERVER gstore_fdw;});
foreach my $table (qw(twin arrow strom))
{
	sql($node, "INSERT INTO $table " . rows(1, 60000));
	sql($node, "INSERT INTO $table " . rows(60001, 61000));
}

sub plan_of
{
	my ($query, $settings) = @_;

	return sql($node, ($settings // '') . "EXPLAIN (ANALYZE, VERBOSE, COSTS OFF) $query");
}

# The same of all tables; the query says TABLE.
sub agree
{
	my ($query, $name, $settings) = @_;
	my %results;

	foreach my $table (qw(twin arrow strom))
	{
		(my $text = $query) =~ s/TABLE/$table/g;
		my ($status, $out, $err) = $node->psql('postgres', ($settings // '') . $text);

		# an error: its words
		$out = $err =~ /ERROR:\s+(.*)/ ? $1 : $err if $status != 0;
		$results{$table} = $out;
	}
	is("$results{arrow} | $results{strom}", "$results{twin} | $results{twin}", $name // $query);
}

# ---- what is computed where ----

my $q6 = q{SELECT sum(n * i2), count(*) FROM TABLE
	WHERE d >= DATE '1994-01-01' AND d < DATE '1995-01-01' AND i4 BETWEEN 50 AND 7000 AND i2 < 240};

agree($q6, 'a query like TPC-H 6');
if ($on_gpu)
{
	(my $text = $q6) =~ s/TABLE/arrow/;
	my $plan = plan_of($text);

	like($plan, qr/Kernel Launches: [1-9]/, 'kernels compute it');
	like($plan, qr/Kernel Bytes: [1-9]\d+/, 'and say what they read');
	like($plan, qr/Kernel Share of Peak: \d+\.\d+ %/, 'of what could be read at best')
	  unless $ENV{GSTORE_REAL_DRIVER};
	$plan = plan_of($text, 'SET gstore_fdw.enable_kernels = off;');
	unlike($plan, qr/Kernel Launches/, 'unless they are switched off');
	like($plan, qr/Without Kernels: gstore_fdw.enable_kernels is off/, 'and EXPLAIN says so');
	foreach my $keys ('c, s', 'id', 'd', 'f8, b, c')
	{
		$plan = plan_of("SELECT $keys, sum(i4), stddev(f8) FROM arrow GROUP BY $keys");
		like($plan, qr/Kernel Launches: [1-9]/, "kernels group by $keys");
	}
	like(plan_of('SELECT t, count(*) FROM arrow GROUP BY t'),
		qr/Left to PostgreSQL: false.*Without Kernels: a text of more than 8 bytes to group by/s,
		'long texts are left to the CPU');
	sql($node, q{CREATE FOREIGN TABLE pressed (id int, t text OPTIONS (compression 'pglz')) SERVER gstore_fdw;
		INSERT INTO pressed SELECT i, repeat('ab', 200) || i FROM generate_series(1, 50000) i});
	like(plan_of(q{SELECT count(*) FROM pressed WHERE t LIKE '%17'}),
		qr/Left to PostgreSQL: false.*Without Kernels: a text that is compressed, or long/s,
		'compressed texts, too');
	like(plan_of(q{SELECT id FROM pressed WHERE t LIKE '%17'}),
		qr/rows=500(?:\.00)? .*Without Kernels: many rows that kernels cannot decide on/s, 'also in conditions of rows');
	like(plan_of('SELECT count(DISTINCT i4) FROM arrow'), qr/Without Kernels: DISTINCT in an aggregate/,
		'as are values that count once');
	like(plan_of(q{SELECT id, sum(i4) FROM arrow GROUP BY id}, q{SET work_mem = '64kB'; SET hash_mem_multiplier = 1;}),
		qr/Left to PostgreSQL: true/, 'and more groups than there is memory for, to PostgreSQL');
	like(plan_of('SELECT max(n) FROM strom'), qr/Left to PostgreSQL: false/,
		'numerics that are varlena are brought');
	unlike(plan_of('SELECT max(n) FROM strom'), qr/Kernel Launches/, 'to the CPU');
}
else
{
	(my $text = $q6) =~ s/TABLE/arrow/;
	unlike(plan_of($text), qr/Kernel/, 'no word of kernels where there is no GPU');
}
agree($q6, 'the same without kernels', 'SET gstore_fdw.enable_kernels = off;');
agree(q{SELECT c, s, sum(i2), sum(n), sum(n * (1 - i2)), avg(i4), avg(f8), count(*) FROM TABLE
	WHERE d <= DATE '1998-09-02' GROUP BY c, s ORDER BY c, s}, 'a query like TPC-H 1');
agree(q{SELECT count(*), sum(n), sum(m), sum(l), sum(v) FROM (SELECT id, count(*) AS n, min(i8) AS m, max(length(t)) AS l,
	sum(i8) AS v FROM TABLE GROUP BY id) g}, 'more groups than there is room for at first');
agree(q{SELECT id / 2, count(i4), bool_and(b) FROM TABLE GROUP BY 1 ORDER BY 1 LIMIT 100}, 'many groups in an order');
agree(q{SELECT t, count(*) FROM TABLE GROUP BY t ORDER BY t COLLATE "C"}, 'long texts');
agree(q{SELECT DISTINCT c, b FROM TABLE ORDER BY 1, 2}, 'groups alone');
agree(q{SELECT i2, sum(i4 / (i2 - 7)) FROM TABLE GROUP BY i2}, 'a division by zero');
agree(q{SELECT i2, sum(i4 / (i2 - 7)) FROM TABLE WHERE i2 <> 7 GROUP BY i2 ORDER BY i2}, 'none in rows that pass');
agree(q{SELECT c, sum(i4 / (i2 - 7)) FILTER (WHERE i2 <> 7 AND b) FROM TABLE GROUP BY c ORDER BY c}, 'but an argument has it');

# ---- queries ----

my %values = (
	id => sub { int(rand(62000)) }, i2 => sub { int(rand(1100)) - 550 },
	i4 => sub { int(rand(10010)) }, i8 => sub { int(rand(1e9)) - 500000000 },
	f8 => sub { int(rand(4000)) / 4 }, f4 => sub { int(rand(400)) / 4 },
	n => sub { sprintf('%.2f', rand(10000)) },
	c => sub { "'" . pick(qw(N R F O X), '') . "'" },
	s => sub { "'k" . int(rand(40)) . "'" },
	t => sub { "'some text " . int(rand(510)) . "'" },
	d => sub { 'DATE \'1992-01-01\' + ' . int(rand(2500)) },
	ts => sub { 'TIMESTAMP \'1999-12-31\' + INTERVAL \'' . int(rand(800000)) . ' minutes\'' });

sub pick { return $_[ int(rand(@_)) ]; }

sub condition
{
	my $column = pick(sort keys %values);
	my $value = $values{$column};

	return pick(
		sub { "$column " . pick(qw(< <= > >= = <>)) . ' ' . $value->() . ($column =~ /^[cst]$/ ? ' COLLATE "C"' : '') },
		sub { "$column BETWEEN " . $value->() . ' AND ' . $value->() . ($column =~ /^[cst]$/ ? ' COLLATE "C"' : '') },
		sub { pick('t', 's') . pick(' LIKE ', ' NOT LIKE ') . "'" . pick('%1%', 'some text 4__', '_3', 'k%', '', '%xt 50%1') . "'" },
		sub { 'starts_with(t, ' . $values{t}->() . ')' },
		sub { pick("length(t) < 12", "octet_length(s) = 2", "substring(t, 11, 1) = '3'", "coalesce(s, 'k1') = 'k1'") },
		sub { "$column IN (" . join(', ', map { $value->() } 1 .. pick(2, 5, 70)) . ')' },
		sub { pick("date_part('year', ts) = 2000", "date_trunc('month', ts) = '2000-03-01'") },
		sub { pick('i4', 'n', 'f8', 'b', 'ts') . pick(' IS NULL', ' IS NOT NULL') },
		sub { pick('b', 'NOT b', 'b IS TRUE', 'b IS NOT FALSE') },
		sub { "($column < " . $value->() . ' OR ' . pick('b', 'i4 > 5000') . ')' },
		sub { 'i4 + i2 ' . pick('<', '>') . ' ' . $values{i4}->() },
		sub { 'i4 % 7 = ' . int(rand(7)) },
		sub { "CASE WHEN b THEN i4 ELSE i2 END > " . $values{i2}->() },
		sub { 'coalesce(i4, -1) < ' . $values{i4}->() },
		sub { 'i8 / ' . pick('nullif(i2, 3)', 'i2', '7') . ' < ' . $values{i2}->() })->();
}

sub aggregate
{
	my $text = pick(
		sub { 'count(*)' },
		sub { 'count(' . pick('i4', 'n', 'f8', 'b') . ')' },
		sub { pick('sum', 'avg') . '(' . pick('i2', 'i4', 'i8', 'n', 'n * i2', 'i4 * 3 - i2', 'n + 1') . ')' },
		sub { pick('sum', 'min', 'max') . '(' . pick('f8', 'f4', 'f8 + f4') . ')' },
		sub { 'round(' . pick('variance', 'var_pop', 'stddev') . '(' . pick('f8', 'f4', 'i4', 'n') . ')::numeric, 6)' },
		sub { pick('min', 'max') . '(' . pick('id', 'i2', 'i4', 'i8', 'n', 'd', 'ts', 'd + 3') . ')' },
		sub { pick('bool_and', 'bool_or') . '(' . pick('b', 'i4 > 10') . ')' },
		sub { pick('bit_and', 'bit_or') . '(' . pick('i4', 'i8') . ')' },
		sub { 'sum(CASE WHEN b THEN i4 END)' })->();

	$text .= ' FILTER (WHERE ' . condition() . ')' if rand() < 0.2;
	return $text;
}

sub query
{
	my @where = map { condition() } 1 .. pick(0, 1, 1, 2, 3);
	my @keys = map { pick(qw(i2 c c s b b d), 'i4 % 20', 'id % 1500', 'f4', 'n', 'coalesce(b, i2 < 100)') } 1 .. pick(0, 0, 1, 2, 3);

	return 'SELECT ' . join(', ', @keys, map { aggregate() } 1 .. pick(1, 1, 2, 4)) . ' FROM TABLE'
	  . (@where ? ' WHERE ' . join(' AND ', @where) : '')
	  . ' GROUP BY ' . join(', ', @keys) . ' ORDER BY ' . join(', ', map { "($_)::text COLLATE \"C\"" } @keys)
	  if @keys;
	return 'SELECT ' . join(', ', map { aggregate() } 1 .. pick(1, 1, 2, 4)) . ' FROM TABLE'
	  . (@where ? ' WHERE ' . join(' AND ', @where) : '');
}

# Rows, which kernels only sift: what is shown of them is put together by
# PostgreSQL.
sub rows_query
{
	my @where = map { condition() } 1 .. pick(1, 1, 2);

	return q{SELECT count(*), md5(string_agg(concat_ws(':', id, i4, n, f8, ts, b, c, s, t), ',' ORDER BY id)) FROM TABLE WHERE }
	  . join(' AND ', @where);
}

agree(query()) for 1 .. $wanted / 2;
agree(rows_query()) for 1 .. $wanted / 2;
agree('SELECT id FROM TABLE WHERE i4 = 4711 ORDER BY id LIMIT 3');
agree(q{SELECT x, s.* FROM (VALUES (17), (4711), (9000)) v(x),
	LATERAL (SELECT string_agg(id::text, ',' ORDER BY id) FROM TABLE t WHERE t.i4 = v.x) s ORDER BY x},
	'a scan that starts over, with another parameter');
agree(q{SELECT count(*) FROM TABLE a JOIN TABLE b ON b.id = a.id + 1 WHERE a.i4 < 100 AND b.i2 > 0},
	'two scans at a time');
if ($on_gpu)
{
	my $plan = plan_of('SELECT id FROM arrow WHERE i4 = 4711');

	like($plan, qr/Kernel Launches: [1-9]/, 'kernels sift');
	foreach my $table (qw(arrow strom))
	{
		$plan = plan_of("SELECT * FROM $table WHERE t LIKE 'some%7_'");
		like($plan, qr/Kernel Launches: [1-9]/, "$table: they know texts");
		like($plan, qr/Rows Gathered: [1-9]/, 'and fetch only rows that pass, where these are few');
		unlike(plan_of("SELECT * FROM $table WHERE id % 3 = 0"), qr/Rows Gathered/, 'but not many');
		unlike(plan_of("SELECT * FROM $table WHERE id BETWEEN 1000 AND 17000"), qr/Rows Gathered/, 'nor what is together');
	}
	unlike(plan_of('SELECT id FROM arrow WHERE i4 = 4711', 'SET gstore_fdw.enable_kernels = off;'),
		qr/Kernel Launches/, 'unless they are switched off');
	like(plan_of('SELECT id FROM arrow WHERE extract(year FROM d) = 1994'),
		qr/Without Kernels: a value that does not fit 64 bits/,
		'what kernels cannot compare is brought');
}

# ---- rows that come and go ----

foreach my $table (qw(twin arrow strom))
{
	sql($node, "DELETE FROM $table WHERE id % 19 = 3");
	sql($node, "DELETE FROM $table WHERE id BETWEEN 20000 AND 31000");
	sql($node, "UPDATE $table SET i4 = i4 + 1, f8 = 3 WHERE id % 23 = 5");
}
agree($q6, 'rows deleted and changed');
agree(query()) for 1 .. $wanted / 2;
agree(rows_query()) for 1 .. $wanted / 2;
agree("BEGIN; DELETE FROM TABLE WHERE id < 5000; INSERT INTO TABLE " . rows(70000, 90000)
	  . "; $q6; ROLLBACK", 'one\'s own changes');
foreach my $table (qw(twin arrow strom))
{
	my $reader = $node->background_psql('postgres');
	my ($before, $during, $after);

	(my $text = $q6) =~ s/TABLE/$table/;
	$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$before = $reader->query_safe($text);
	sql($node, "DELETE FROM $table WHERE id % 29 = 1");
	$during = $reader->query_safe($text);
	$reader->query_safe('COMMIT');
	$after = $reader->query_safe($text);
	$reader->quit;
	is($during, $before, "$table: an old snapshot");
	isnt($after, $before, "$table: a new one");
}
agree($q6, 'after that');

# ---- faults ----

if ($on_gpu && !$ENV{GSTORE_REAL_DRIVER})
{
	my $answer = sql($node, $q6 =~ s/TABLE/twin/r);
	my $text = $q6 =~ s/TABLE/arrow/r;
	my $before = left_behind($node);

	foreach my $fault ('cuLaunchKernel@1=1', 'cuLaunchKernel@1=701',
		'cuOccupancyMaxActiveBlocksPerMultiprocessor@1=1', 'alloc_oom=1')
	{
		inject($fault);
		is(sql($node, $text), $answer, "$fault: the CPU computes it");
		inject('');
		is(sql($node, $text), $answer, "$fault: and kernels again");
	}
	my $found = sql($node, 'SELECT count(*), sum(length(id::text)) FROM twin WHERE i4 < 5000 AND id > 100');

	my $few = 'SELECT count(*), md5(string_agg(concat_ws($$:$$, id, t, n, ts), $$,$$ ORDER BY id)) FROM arrow WHERE id % 97 = 5';

	foreach my $fault ('cuLaunchKernel@2=1', 'cuLaunchKernel@3=1', 'alloc_oom=2')
	{
		inject($fault);
		is(sql($node, $few), sql($node, $few =~ s/arrow/twin/r), "$fault: blocks are fetched");
	}
	foreach my $fault ('cuLaunchKernel@1=1', 'alloc_oom=1')
	{
		inject($fault);
		is(sql($node, 'SELECT count(*), sum(length(id::text)) FROM arrow WHERE i4 < 5000 AND id > 100'),
			$found, "$fault: the CPU sifts");
	}
	inject('');
	foreach my $nth (1 .. 6)
	{
		error_of($node, "SET gstore_fdw.debug_fault = 'request-submitted:error:$nth'; $text");
	}
	like(error_of($node, "SET gstore_fdw.debug_fault = 'launch:error'; $text"),
		qr/injected fault/, 'a session that fails before its launch');
	is(sql($node, $text), $answer, 'sessions that went away leave kernels to others');
	nothing_left($node, $before, 'and leave nothing behind');

	inject('kernel_lost=1');
	like(error_of($node, $text), qr/ERROR:\s+(58030|55000): /, 'a device that is lost');
	inject('');
	ok(wait_for('the device', sub {
		my ($status, $out) = $node->psql('postgres',
			q{SELECT bool_and(state = 'ready') FROM gstore_devices});
		return $status == 0 && $out eq 't'; }), 'comes back');
	like(error_of($node, $text), qr/lost/, 'what it held is lost');
	sql($node, 'TRUNCATE arrow');
	sql($node, 'INSERT INTO arrow SELECT * FROM twin');
	is(sql($node, $text), $answer, 'loaded again, kernels compute');
}
$node->stop;

done_testing();
