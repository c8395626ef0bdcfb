
# Random transactions of several sessions on a gstore table and on its heap
# twin: what a snapshot sees in one it sees in the other, and what one refuses
# the other refuses with the same SQLSTATE.
#
# Every step changes the gstore table first.  That takes its writer lock until
# the transaction ends, and so the twin needs no lock of its own.  A step that
# may fail takes the lock beforehand, since the failure would give it back.
#
# GSTORE_STATEMENTS  steps in all, over all sessions
# GSTORE_SEED        to see the same scripts again

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $steps = $ENV{GSTORE_STATEMENTS} // 3000;
my $seed = $ENV{GSTORE_SEED} // int(time) % 1000000;
my $sessions = $ENV{GSTORE_SESSIONS} // 5;
my $node = new_node('differential', q{
gstore_fdw.autocompact = on
gstore_fdw.chunk_size = '64kB'
deadlock_timeout = '50ms'
log_min_messages = warning
log_error_verbosity = verbose
});

note("GSTORE_SEED=$seed GSTORE_STATEMENTS=$steps");
srand($seed);

my $columns = 'id int, v int NOT NULL CHECK (v >= 0), note text, n numeric';
sql($node, "CREATE FOREIGN TABLE g ($columns) SERVER gstore_fdw");
sql($node, "CREATE UNLOGGED TABLE h ($columns)");
sql($node, q{
-- a sum over the rows of a query, whatever their order
CREATE FUNCTION digest_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
	EXECUTE 'SELECT count(*) || ''/'' || coalesce(sum(hashtextextended(q::text, 0)::numeric), 0) FROM ('
		|| query || ') q' INTO answer;
	RETURN answer;
END $$;

-- one statement, so one snapshot for both
CREATE FUNCTION compare(place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE g_rows text; h_rows text;
BEGIN
	SELECT (SELECT count(*) || '/' || coalesce(sum(hashtextextended(g::text, 0)::numeric), 0) FROM g),
		(SELECT count(*) || '/' || coalesce(sum(hashtextextended(h::text, 0)::numeric), 0) FROM h)
		INTO g_rows, h_rows;
	IF g_rows <> h_rows THEN
		RAISE WARNING 'MISMATCH % at %: % in gstore, % in heap: %', current_setting('transaction_isolation'),
			place, g_rows, h_rows, (SELECT string_agg(x::text, ' ') FROM (
				(SELECT 'g', * FROM (TABLE g EXCEPT ALL TABLE h) a LIMIT 3) UNION ALL
				(SELECT 'h', * FROM (TABLE h EXCEPT ALL TABLE g) b LIMIT 3)) x);
	END IF;
END $$;

-- with: what is returned counts too
CREATE FUNCTION try(command text, returning_rows boolean, OUT state text, OUT answer text)
	LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	state := '00000';
	IF returning_rows THEN
		EXECUTE 'WITH q AS (' || command || ' RETURNING *) SELECT count(*) || ''/'' || coalesce(sum(hashtextextended(q::text, 0)::numeric), 0) FROM q'
			INTO answer;
	ELSE
		EXECUTE command;
		GET DIAGNOSTICS n = ROW_COUNT;
		answer := n;
	END IF;
EXCEPTION WHEN OTHERS THEN
	state := SQLSTATE;
	answer := SQLERRM;
END $$;

CREATE FUNCTION step(command text, returning_rows boolean, risky boolean) RETURNS void
	LANGUAGE plpgsql AS $$
DECLARE
	g_did record; h_did record;
	level text := current_setting('transaction_isolation');
	twin text := replace(command, 'TTT', 'h');
BEGIN
	IF risky THEN
		PERFORM 1 FROM g LIMIT 1 FOR UPDATE;
	END IF;
	SELECT * INTO g_did FROM try(replace(command, 'TTT', 'g'), returning_rows);
	-- 55006: TRUNCATE below a cursor of our own
	IF g_did.state IN ('40P01', '55006') OR (g_did.state = '40001' AND level = 'serializable') THEN
		RAISE EXCEPTION 'given up: %', g_did.answer USING ERRCODE = g_did.state;
	END IF;
	-- TRUNCATE of a heap is not for old snapshots
	IF command LIKE 'TRUNCATE%' THEN
		twin := 'DELETE FROM h';
		g_did.answer := NULL;
	END IF;
	SELECT * INTO h_did FROM try(twin, returning_rows);
	-- rows of the heap are locked one by one, in an order of their own
	IF h_did.state = '40P01' THEN
		RAISE EXCEPTION 'given up: %', h_did.answer USING ERRCODE = '40P01';
	END IF;
	-- which of two reasons to fail is met first is up to the rows' order
	IF h_did.state = '40001' AND level = 'serializable' OR
		'40001' IN (g_did.state, h_did.state) AND '00000' NOT IN (g_did.state, h_did.state) AND level <> 'read committed' THEN
		RAISE EXCEPTION 'given up: %', h_did.answer USING ERRCODE = '40001';
	END IF;
	IF g_did.state <> h_did.state OR (g_did.state = '00000' AND g_did.answer <> h_did.answer) THEN
		RAISE WARNING 'MISMATCH % in %: % % in gstore, % % in heap', level, command,
			g_did.state, g_did.answer, h_did.state, h_did.answer;
		PERFORM 1/0;
	END IF;
END $$;

-- the rest of a cursor over both, whose snapshot is what it was
CREATE FUNCTION rest_of(name refcursor, name_at text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record; g_sum numeric := 0; h_sum numeric := 0; n int := 0;
BEGIN
	LOOP
		FETCH name INTO r;
		EXIT WHEN NOT FOUND;
		n := n + 1;
		IF r.which = 'g' THEN
			g_sum := g_sum + hashtextextended(r.row, 0);
		ELSE
			h_sum := h_sum + hashtextextended(r.row, 0);
		END IF;
	END LOOP;
	IF g_sum <> h_sum - r_seen(name_at) THEN
		RAISE WARNING 'MISMATCH % in cursor %, rows: %', current_setting('transaction_isolation'), name_at, n;
	END IF;
END $$;
CREATE FUNCTION r_seen(name_at text) RETURNS numeric LANGUAGE sql AS
	$$ SELECT current_setting('gstore_test.seen')::numeric $$;
-- some rows of it, all of them of g: what they add up to is kept for rest_of()
CREATE FUNCTION first_of(name refcursor, many int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record; seen numeric := 0;
BEGIN
	FOR i IN 1 .. many LOOP
		FETCH name INTO r;
		EXIT WHEN NOT FOUND;
		IF r.which = 'g' THEN
			seen := seen + hashtextextended(r.row, 0);
		ELSE
			seen := seen - hashtextextended(r.row, 0);
		END IF;
	END LOOP;
	PERFORM set_config('gstore_test.seen', seen::text, false);
END $$;

-- many changes, some of them taken back, by one statement of the caller's
CREATE FUNCTION blocks(name text, start int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN start .. start + 4 LOOP
		BEGIN
			EXECUTE format('INSERT INTO %I VALUES (%s, %s, ''block'', %s)', name, i, i % 7, i / 3.0);
			EXECUTE format('UPDATE %I SET v = v + 1, n = n + %s WHERE id = %s', name, i, i);
			IF i % 3 = 0 THEN
				RAISE division_by_zero;
			END IF;
			BEGIN
				EXECUTE format('DELETE FROM %I WHERE id = %s', name, i + 20);
				IF i % 2 = 0 THEN
					RAISE division_by_zero;
				END IF;
			EXCEPTION WHEN division_by_zero THEN
				EXECUTE format('UPDATE %I SET note = note || ''!'' WHERE id = %s AND length(note) < 40', name, i + 10);
			END;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
});

# ---- what a step may be ----

sub any { return $_[ int(rand @_) ]; }
sub id { return int(rand 60); }

# Which rows: few, many, all, none; null is among the ids.
sub filter
{
	my $id = id();
	return any("WHERE id = $id", "WHERE id = $id", "WHERE id = $id",
		"WHERE id BETWEEN $id AND $id + 4", "WHERE id % 10 = " . int(rand 10),
		'WHERE v % 3 = 1', "WHERE note LIKE '%b%'", 'WHERE id IS NULL', 'WHERE id < 0', '');
}

sub row
{
	my $id = rand() < 0.05 ? 'NULL' : id();
	my $note = any('NULL', "'x'", "repeat('ab', " . int(rand 30) . ")",
		"repeat('y', " . (rand() < 0.02 ? 5000 : 3) . ')');
	return "($id, " . int(rand 100) . ", $note, " . any('NULL', int(rand 1000) / 8, '12345678901234567890.5') . ')';
}

sub insert { return 'INSERT INTO TTT VALUES ' . join(', ', map { row() } 1 .. $_[0]); }

# [ command, may it fail, may RETURNING be appended ]
my @kinds = (
	sub { [ insert(1), 0, 1 ] },
	sub { [ insert(1), 0, 0 ] },
	sub { [ insert(2 + int rand 20), 0, 1 ] },
	sub { [ 'INSERT INTO TTT SELECT id + 1, v, note, n FROM TTT ' . filter() . any('', ' ORDER BY id, v, note, n'), 0, 1 ] },
	sub { [ 'INSERT INTO TTT SELECT i, i % 50, repeat(chr(97 + i % 26), i % 40), i / 7.0 FROM generate_series(1, ' . int(rand 300) . ') i', 0, 0 ] },
	sub { [ 'UPDATE TTT SET v = v + 1 ' . filter(), 0, 1 ] },
	sub { [ 'UPDATE TTT SET id = id + 1, note = note || v ' . (filter() || 'WHERE v < 5'), 0, 1 ] },
	sub { [ 'UPDATE TTT SET n = NULL, note = NULL ' . filter(), 0, 0 ] },
	sub { [ 'UPDATE TTT SET v = v + abs(100 / (coalesce(id, 0) - ' . id() . ')) ' . filter(), 1, 0 ] },
	sub { [ 'UPDATE TTT SET v = v - 3 ' . filter(), 1, 1 ] },
	sub { [ 'UPDATE TTT SET v = NULL ' . filter(), 1, 0 ] },
	sub { [ 'INSERT INTO TTT SELECT id, abs(5 / (v - 3)), note, n FROM TTT ' . filter(), 1, 0 ] },
	sub { [ 'UPDATE TTT AS a SET v = a.v + 1, n = 1 FROM TTT AS b WHERE a.id = b.id + 1 AND a.id = ' . id(), 0, 0 ] },
	sub { [ 'DELETE FROM TTT ' . (filter() || 'WHERE v > 50'), 0, 1 ] },
	sub { [ 'DELETE FROM TTT WHERE id = ' . id(), 0, 1 ] },
	sub { [ 'DELETE FROM TTT WHERE v / (id - ' . id() . ') = 1', 1, 0 ] },
	sub { [ 'DELETE FROM TTT AS a USING TTT AS b WHERE a.id = b.id + 2 AND b.v = ' . id(), 0, 0 ] },
	sub { [ 'DELETE FROM TTT WHERE id IN (SELECT id FROM TTT GROUP BY id HAVING count(*) > 8)', 0, 1 ] },
	sub { [ 'WITH gone AS (DELETE FROM TTT ' . (filter() || 'WHERE v = 3') . ' RETURNING *) INSERT INTO TTT SELECT id + 1, v, note, n FROM gone', 0, 0 ] },
	sub { [ 'WITH a AS (UPDATE TTT SET v = v + 1 WHERE id < 9 RETURNING *), b AS (DELETE FROM TTT WHERE id BETWEEN 10 AND 12 RETURNING *) INSERT INTO TTT SELECT id, v, note, n FROM a WHERE v = 5 UNION ALL SELECT id + 30, v, note, n FROM b', 0, 0 ] },
	# its first block may be rolled back, and with it the lock
	sub { [ "SELECT blocks('TTT', " . id() . ')', 1, 0 ] },
	sub { [ "DO 'DECLARE r record; BEGIN FOR r IN SELECT DISTINCT id FROM TTT WHERE v % 5 = 1 LOOP UPDATE TTT SET v = v + 1 WHERE id = r.id; END LOOP; END'", 0, 0 ] },
	sub { [ rand() < 0.3 ? 'DELETE FROM TTT' : 'DELETE FROM TTT WHERE id % 2 = 0', 0, 0 ] });

my @harmless = grep { !$_->()->[1] } @kinds;

# TRUNCATE deletes also what a snapshot of its transaction does not see.
my $truncate = [ 'TRUNCATE TTT', 1, 0 ];

# ---- scripts ----

my $take_lock = 'SELECT FROM g LIMIT 1 FOR UPDATE;';

sub reads_too { return scalar(() = $_[0] =~ /TTT/g) > 1; }

sub through_function
{
	my ($kind) = @_;
	my ($command, $risky, $may_return) = @$kind;
	my $returning = $may_return && rand() < 0.5;

	return sprintf("SELECT step(\$c\$%s\$c\$, %s, %s);", $command,
		$returning ? 'true' : 'false', $risky || reads_too($command) ? 'true' : 'false');
}

# As statements of their own: a failure takes the transaction.
sub by_itself
{
	my ($command) = @{ $_[0] };

	return join("\n", reads_too($command) ? $take_lock : (), map { "/* $_ */ " . $command =~ s/TTT/$_/gr . ';' } 'g',
		'h') =~ s/TRUNCATE h/DELETE FROM h/r;
}

sub copy
{
	my $rows = join('', map { id() . "\t" . int(rand 90) . "\t" . any('\N', 'copied', 'y' x int rand 50) . "\t" . any('\N', '1.50') . "\n" } 1 .. int(rand 60));

	$rows .= "7\t-1\tbad\t1\n" if rand() < 0.1;
	return "COPY g FROM stdin;\n${rows}\\.\nCOPY h FROM stdin;\n${rows}\\.";
}

my $made = 0;
my $cursor = "SELECT 'g' AS which, g::text AS row FROM g UNION ALL SELECT 'h', h::text FROM h";

sub step
{
	my ($level) = @_;
	my $what = rand;

	$made++;
	return copy() if $what < 0.04;
	return by_itself($truncate) if $what < 0.045 and $level eq 'READ COMMITTED';
	return through_function($truncate) if $what < 0.05 and $level eq 'READ COMMITTED';
	return by_itself(any(rand() < 0.05 ? @kinds : @harmless)->()) if $what < 0.3;
	return through_function(any(@kinds)->());
}

sub transaction
{
	my ($number) = @_;
	my $level = any('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
	my @lines;
	my (@savepoints, $open);

	if (rand() < 0.1)
	{
		# a transaction of its own, each, cannot be compared in between
		return through_function(any(@kinds)->()) if $made++;
	}
	push @lines, "BEGIN ISOLATION LEVEL $level;";
	push @lines, "SELECT compare('start');" if rand() < 0.3;
	push @lines, 'SELECT 1 FROM g LIMIT 1 ' . any('FOR UPDATE;', 'FOR SHARE;', ';') if rand() < 0.2;
	for my $i (1 .. 1 + int rand 8)
	{
		push @lines, step($level);
		push @lines, "SELECT compare('$level step');" if rand() < 0.2;
		push @lines, "SELECT pg_sleep(0.001 * random());" if rand() < 0.1;
		if (rand() < 0.2)
		{
			push @savepoints, "s$i";
			push @lines, "SAVEPOINT s$i;";
		}
		elsif (@savepoints and rand() < 0.4)
		{
			my $name = any(@savepoints);
			my $release = rand() < 0.3;

			push @lines, ($release ? 'RELEASE' : 'ROLLBACK TO') . " $name;";
			if ($release)
			{
				pop @savepoints while $savepoints[-1] ne $name;
				pop @savepoints;
			}
			else
			{
				pop @savepoints while $savepoints[-1] ne $name;
			}
			push @lines, "SELECT compare('$level savepoint');";
		}
		if (!defined $open and !@savepoints and rand() < 0.15)
		{
			my $hold = rand() < 0.3;

			$open = $hold ? 'hold' : 'plain';
			push @lines, 'DECLARE c NO SCROLL CURSOR ' . ($hold ? 'WITH HOLD ' : '') . "FOR $cursor;",
			  'SELECT first_of(\'c\', ' . int(rand 5) . ');';
		}
		elsif (defined $open and !@savepoints and rand() < 0.3)
		{
			push @lines, "SELECT rest_of('c', '$level');", 'CLOSE c;';
			$open = undef;
		}
	}
	push @lines, "SELECT rest_of('c', '$level');", 'CLOSE c;' if defined $open and $open eq 'plain';
	push @lines, "SELECT compare('$level end');" if rand() < 0.3;
	push @lines, rand() < 0.8 ? 'COMMIT;' : 'ROLLBACK;';
	push @lines, "SELECT rest_of('c', 'held');" if defined $open and $open eq 'hold';
	push @lines, 'CLOSE ALL;' if defined $open;
	push @lines, "SELECT compare('between');" if rand() < 0.5;
	return join("\n", @lines);
}

my @scripts = ("\\set ON_ERROR_STOP off\n") x $sessions;
for (my $i = 0; $made < $steps; $i++)
{
	$scripts[ $i % $sessions ] .= transaction($i) . "\n";
}

# ---- running them ----

sql($node, q{INSERT INTO g SELECT i % 60, i % 100, repeat('s', i % 30), i / 3.0 FROM generate_series(1, 500) i;
	INSERT INTO h SELECT * FROM g});
my $started = time;
my @running = map { start_session($node, $_) } @scripts;

# The table is looked at all the time, also by one with an old snapshot.
my $watcher = start_session($node, join("\n", map {
	"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare('watch first');"
	  . " SELECT pg_sleep(0.5); SELECT compare('watch second'); SELECT pg_sleep(0.5); SELECT compare('watch third'); COMMIT;" } 1 .. 3));

push @running, $watcher;
my @said = map { end_session($_) } @running;
my $all = join('', @said);
my @states = sort $all =~ /ERROR:  (\w{5}):/g;
my %count;

$count{$_}++ foreach @states;
note('steps: ' . $made . ', seconds: ' . (time - $started) . ', errors: '
	  . join(', ', map { "$_ $count{$_}" } sort keys %count));
my @mismatches = $all =~ /^.*MISMATCH.*$/mg;
is(join("\n", grep { defined } @mismatches[ 0 .. 9 ]), '', 'both tables agree, at every look');
# failed, doomed, and what follows in their transactions; to psql the rows of a
# COPY that was refused are statements (42601)
is(join(' ', grep { !/^(22012|23502|23514|25P02|40001|40P01|3B001|34000|42601|55006|22P02)$/ } sort keys %count),
	'', 'no other error');
my ($status, $out, $err) = $node->psql('postgres', "SELECT compare('end')");
is($err, '', 'they agree in the end');
is(sql($node, 'SELECT count(*) FROM ((TABLE g EXCEPT ALL TABLE h) UNION ALL (TABLE h EXCEPT ALL TABLE g)) x'),
	'0', 'row by row');

# A merge gives way to writers, and so a short run may not have seen any.
note('last merge: ' . sql($node, 'SELECT last_merge FROM gstore_tables'));
sql($node, 'INSERT INTO g VALUES (1, 1); INSERT INTO h VALUES (1, 1)') foreach 1 .. 20;
ok(wait_for('a merge', sub { return sql($node, 'SELECT chunks < 10 AND last_merge IS NOT NULL FROM gstore_tables') eq 't'; }),
	'small chunks are merged');
($status, $out, $err) = $node->psql('postgres', "SELECT compare('merged')");
is($err, '', 'and both tables still agree');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|XX000|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
