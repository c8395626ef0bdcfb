
# Programs that mapped a table's own memory write all over it while queries of
# every kind run: they fail, or find other values, but nothing crashes, no device
# is lost, and other tables are what they were.  Every type, both formats.
# GSTORE_SCRIBBLE_SECONDS=600 for longer than a few rounds.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{GSTORE_SEED} // int(rand(1000000));
srand($seed);
note("GSTORE_SEED=$seed");
my $seconds = $ENV{GSTORE_SCRIBBLE_SECONDS} // 20;
my $clients = $ENV{GSTORE_CLIENTS};
plan skip_all => 'there is no python3'
  unless system('python3 -c "" 2>/dev/null') == 0;
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM} if device() eq 'cuda';

my $node = new_node('scribbled', q{
timezone = 'UTC'
datestyle = 'ISO, YMD'
work_mem = '32MB'
log_min_messages = error
log_min_error_statement = panic
});

# The types and edge values of the regression test types.
my $types = slurp_file("$clients/../sql/types.sql");
$types =~ /(SET datestyle.*?)^-- Every type a table can have/ms or die 'types.sql has changed';
sql($node, $1);
sql($node, q{
CREATE TABLE kinds (k serial, type text, vals text[]);
INSERT INTO kinds (type, vals)
	SELECT CASE type WHEN 'bpchar' THEN type ELSE t.oid::regtype::text END, vals
	FROM edges JOIN pg_type t ON t.typname = type WHERE type <> 'word' ORDER BY type COLLATE "C";
INSERT INTO kinds (type, vals)
	SELECT CASE type WHEN 'bpchar' THEN 'bpchar[]' ELSE a.oid::regtype::text END,
		ARRAY['{}', short::text, (short || ARRAY[NULL, short[1]])::text, ARRAY[short, short]::text]
	FROM kinds JOIN pg_type t ON t.oid = type::regtype JOIN pg_type a ON a.oid = t.typarray,
	LATERAL (SELECT ARRAY(SELECT v FROM unnest(vals) v WHERE length(v) <= 200)) s (short)
	WHERE t.typcategory <> 'A' AND t.typname <> 'box' ORDER BY k;
UPDATE kinds SET vals = ARRAY(SELECT v FROM unnest(vals) v WHERE length(v) < 1000);
-- what format arrow takes of them
CREATE TABLE taken (format text, k int, vals text[]);
INSERT INTO taken SELECT 'pgstrom', k, vals FROM kinds;
DO $$
DECLARE
	kind kinds;
	val text;
	good text[];
BEGIN
	FOR kind IN SELECT * FROM kinds ORDER BY k LOOP
		EXECUTE format('CREATE FOREIGN TABLE one (v %s %s) SERVER gstore_fdw OPTIONS (format ''arrow'')',
			kind.type, CASE WHEN kind.type = 'numeric' THEN 'OPTIONS (scale ''4'')' END);
		good = '{}';
		FOREACH val IN ARRAY kind.vals LOOP
			BEGIN
				EXECUTE format('INSERT INTO one VALUES (%L)', val);
				good = good || val;
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
		DROP FOREIGN TABLE one;
		INSERT INTO taken VALUES ('arrow', kind.k, good);
	END LOOP;
END $$;
-- Types whose values in format pgstrom have an inside that is not checked: their
-- memory is not handed out, but a copy.
ALTER TABLE kinds ADD is_copied boolean;
UPDATE kinds SET is_copied = regexp_replace(type, '\[\]$', '') IN ('jsonb', 'jsonpath', 'tsvector', 'tsquery',
	'txid_snapshot', 'pg_snapshot', 'likename', 'wide') OR type ~ 'multirange(\[\])?$';
CREATE FUNCTION value_of(type text, vals text[]) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce('CASE (i - 1) % ' || cardinality(vals) + 1 || string_agg(format(' WHEN %s THEN %L::%s', n - 1, val, type), '') || ' END',
		'NULL::' || type)
	FROM unnest(vals) WITH ORDINALITY v (val, n) $$;
CREATE FOREIGN TABLE other (k int, note text) SERVER gstore_fdw;
INSERT INTO other SELECT i, 'other ' || i FROM generate_series(1, 100000) i;
});
my $others = sql($node, 'SELECT count(*), sum(k), md5(string_agg(note, \',\' ORDER BY k)) FROM other');
my $groups = int((sql($node, 'SELECT count(*) FROM kinds') + 7) / 8);

# One table of some types of a format, exported in place by a session that is
# kept; what scribble.py needs to find it, or nothing if the export is a copy.
my $holder = $node->background_psql('postgres', on_error_stop => 0);

sub make_table
{
	my ($table, $format, $group) = @_;
	my $which = "(k % $groups = $group OR type IN ('integer', 'text', 'numeric') AND k % 2 = $group % 2) AND format = '$format'
		AND " . ($format eq 'arrow' ? 'true' : 'NOT is_copied');
	my $columns = sql($node, qq{SELECT string_agg(format('c%s %s %s', k, type,
		CASE WHEN '$format' = 'arrow' AND type = 'numeric' THEN 'OPTIONS (scale ''4'')'
			WHEN '$format' = 'pgstrom' AND $group % 3 = 0 AND t.typlen = -1 AND t.typstorage <> 'p' THEN 'OPTIONS (compression ''pglz'')' END), ', ' ORDER BY k)
		FROM kinds JOIN taken USING (k) JOIN pg_type t ON t.oid = type::regtype WHERE $which});
	my $values = sql($node, qq{SELECT string_agg(value_of(type, t.vals), ', ' ORDER BY k) FROM kinds JOIN taken t USING (k) WHERE $which});
	# chunks of less than 1 MB do not go to a GPU
	my $rows = 3000;
	my @more = map { "f$_" } device() eq 'cuda' ? 1 .. 50 : 1 .. 2;
	$columns .= join '', map { ", $_ float8" } @more;
	$values .= ', i * 0.5' x @more;

	sql($node, qq{CREATE FOREIGN TABLE $table (k int, $columns) SERVER gstore_fdw OPTIONS (format '$format');
		INSERT INTO $table SELECT i, $values FROM generate_series(1, $rows) i});
	my $got = $holder->query("SELECT 'E', encode(handle, 'hex'), length FROM gstore_export('$table')");
	my ($handle, $length) = $got =~ /^E\|(\w+)\|(\d+)$/m or die "no export: $got";
	my ($kind) = $holder->query("SELECT 'K', kind FROM gstore_exports WHERE relname = '$table'") =~ /^K\|(.*)$/m;
	my @columns = split /,/, sql($node, "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 1 AND attname LIKE 'c%'");
	my $direction = "cuda,$handle,$length";

	if (device() eq 'host')
	{
		$got = $holder->query("SELECT 'F', path, \"offset\", length FROM gstore_export_host_file('\\x$handle')");
		$got =~ /^F\|(\S+)\|(\d+)\|(\d+)$/m or die "no file: $got";
		$direction = "host,$1,$2,$3";
	}
	return { name => $table, kind => $kind, direction => $direction, columns => \@columns };
}

# A statement, of those that a table may meet.
sub statement
{
	my ($table) = @_;
	my $t = $table->{name};
	my ($c, $type) = split / /, $table->{columns}[ int(rand(@{ $table->{columns} })) ], 2;
	my ($d) = split / /, $table->{columns}[ int(rand(@{ $table->{columns} })) ];
	my @choices = (
		"SELECT count($c), md5(string_agg($c\::text, ',')) FROM $t",
		"SELECT count($c), md5(string_agg($c\::text, ',')) FROM $t WHERE $d IS NOT NULL",
		"SELECT count(*) FROM $t WHERE $c IS NOT NULL",
		"SELECT * FROM $t ORDER BY $c\::text, k LIMIT 20",
		"SELECT * FROM $t ORDER BY $c LIMIT 20",
		"SELECT $c, count(*), min(k), max(k) FROM $t GROUP BY $c",
		"SELECT $c, $d, count(*) FROM $t GROUP BY $c, $d",
		"SELECT count(DISTINCT $c) FROM $t",
		"SELECT min($c), max($c) FROM $t",
		"SELECT sum(k), avg(k), stddev(k), min(k) FROM $t WHERE k % 3 = 1",
		"SELECT count(*) FROM $t WHERE $c = (SELECT $c FROM $t OFFSET 5 LIMIT 1)",
		"SELECT count(*) FROM $t WHERE $c > (SELECT $c FROM $t OFFSET 7 LIMIT 1)",
		"SELECT count(*) FROM $t WHERE $c\::text LIKE '%a%' OR k BETWEEN 10 AND 100",
		"SELECT count(*) FROM $t a JOIN $t b USING (k) WHERE a.$c = b.$c",
		"SELECT count(*) FROM (SELECT $c FROM $t a JOIN $t b USING ($c) LIMIT 1000) s",
		"SELECT count(to_jsonb(t)) FROM $t t",
		"SELECT count(hash_record(t)) FROM $t t",
		"SELECT count(w::text) FROM (SELECT lag($c) OVER (ORDER BY k) w FROM $t) s",
		"COPY (SELECT * FROM $t) TO STDOUT (FORMAT binary)",
		"COPY (SELECT $c, $d FROM $t) TO STDOUT",
		"SELECT length($c\::text), octet_length($c\::text), upper($c\::text), $c\::text ~ 'x+' FROM $t WHERE k < 500",
		"ANALYZE $t",
		"SELECT gstore_compact('$t')",
		"SELECT gstore_export('$t')",
		"SELECT gstore_export_chunks('$t')",
		"BEGIN; UPDATE $t SET k = k + 1 WHERE k % 7 = 0; SELECT count($c\::text) FROM $t; ROLLBACK",
		"BEGIN; UPDATE $t SET $c = (SELECT $c FROM $t OFFSET 11 LIMIT 1), k = k + 1 WHERE $d IS NOT NULL; SELECT count($c\::text) FROM $t; ROLLBACK",
		"BEGIN; UPDATE $t SET $c = NULL WHERE $d IS NOT NULL RETURNING *; ROLLBACK",
		"BEGIN; DELETE FROM $t WHERE $c\::text = 'x' OR k % 5 = 0; SELECT gstore_export('$t'); SELECT count($c\::text) FROM $t; ROLLBACK",
		"BEGIN; DELETE FROM $t WHERE k % 2 = 0; SELECT gstore_compact('$t'); ROLLBACK",
		"BEGIN; CREATE TABLE IF NOT EXISTS heap_$t (LIKE $t); INSERT INTO heap_$t SELECT * FROM $t; ROLLBACK",
		"BEGIN; CREATE FOREIGN TABLE new_$t (k int, a text, c $type) SERVER gstore_fdw; INSERT INTO new_$t SELECT k, $d\::text, $c FROM $t; SELECT count(a), count(c::text) FROM new_$t; ROLLBACK",
		# seldom, for the image is then no more the table's
		rand() < 0.05 ? "UPDATE $t SET k = k + 10000 WHERE k % 3 = 0; SELECT gstore_compact('$t')" : 'SELECT 1');
	my @settings = ('', 'SET gstore_fdw.enable_pushdown = off;', 'SET gstore_fdw.enable_pruning = off;',
		'SET enable_hashagg = off;', 'SET enable_hashjoin = off;', 'SET gstore_fdw.host_threads = 3;', 'SET gstore_fdw.enable_kernels = off;');

	return $settings[ int(rand(@settings)) ] . $choices[ int(rand(@choices)) ] . '; RESET ALL;';
}

# What is handed out: the owner's table itself, unless it has such a type.
my $before = left_behind($node);
foreach my $kind (split /\n/, sql($node, 'SELECT k, type, is_copied FROM kinds'))
{
	my ($k, $type, $is_copied) = split /\|/, $kind;
	last if device() eq 'cuda';    # where so small a chunk is always copied

	$holder->query_safe("CREATE FOREIGN TABLE one (v $type, f float8) SERVER gstore_fdw; INSERT INTO one SELECT NULL, i FROM generate_series(1, 2000) i; SELECT gstore_export_ipchandle('one')");
	my ($what) = $holder->query("SELECT 'K', kind FROM gstore_exports WHERE relname = 'one'") =~ /^K\|(.*)$/m;
	is($what, $is_copied eq 't' ? 'copy' : 'in place', "$type: $what");
	$holder->query_safe('DROP FOREIGN TABLE one; DISCARD ALL');
}
my $end = time + $seconds;
my ($round, $images, $total) = (0, 0, 0);
my (%states, %messages);
while (time < $end || $round < 2)
{
	my @tables = map { make_table("t$_", $_ % 3 == 0 ? 'arrow' : 'pgstrom', int(rand($groups))) } 1 .. 6;
	my ($in, $out) = ('', '');

	$round++;
	is(join(' ', grep { $_->{kind} ne 'in place' } @tables), '', "round $round: the tables themselves are handed out");
	$images += @tables;
	my $scribble = IPC::Run::start([ 'python3', "$clients/scribble.py", int(rand(1 << 30)), map { $_->{direction} } @tables ],
		'<', \$in, '>', \$out, IPC::Run::timeout(900));
	$scribble->pump until $out =~ /ready\n/;
	my @sessions = map {
		my $script = join "\n", "SET statement_timeout = '10s'; SET client_min_messages = error;",
		  "\\set ON_ERROR_STOP 0", "\\set VERBOSITY verbose", "\\o /dev/null", map { statement($tables[ int(rand(@tables)) ]) } 1 .. 150;
		start_session($node, $script) } 1 .. 2;
	foreach my $session (@sessions)
	{
		my $said = end_session($session);
		unlike($said, qr/server closed the connection|connection to server|terminating connection/, "round $round: no session is ended")
		  or diag($said);
		while ($said =~ /^psql:[^\n]*ERROR:\s+(\w+): ([^\n]*)/mg)
		{
			my ($state, $message) = ($1, $2);

			$states{$state}++;
			$total++ if $state eq 'XX001';
			fail("round $round: $state: $message") if $state eq 'XX000';
			$message =~ s/"[^"]*"/*/g;
			$messages{"$state $message"}++ if $state =~ /^(XX|22)/;
		}
		unlink $session->{said};
	}
	$in = "stop\n";
	$scribble->finish;
	is(sql($node, 'SELECT count(*), sum(k), md5(string_agg(note, \',\' ORDER BY k)) FROM other'), $others, "round $round: another table is what it was");
	$holder->query('DISCARD ALL');
	sql($node, join ';', map { "DROP FOREIGN TABLE $_->{name}" } @tables);
}
note("$round rounds, $images images; errors: " . join ', ', map { "$_ $states{$_} times" } sort keys %states);
note("$messages{$_} times $_") foreach sort { $messages{$b} <=> $messages{$a} } keys %messages;
cmp_ok($total, '>', 0, 'damage was noticed');
$holder->quit;
nothing_left($node, $before, 'nothing is left');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal|was lost/, 'no leak, no crash, no lost device');
$node->stop('fast');
done_testing();
