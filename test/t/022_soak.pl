
# A long bad day: mixed load, DDL, random cancels and terminations, maintenance
# workers that end; readers with an old snapshot see their rows unchanged all
# the while, and memory returns to its starting level.
#
# GSTORE_SOAK_SECONDS  how long (8)

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{GSTORE_SOAK_SECONDS} // 8;
my $node = new_node('soak', q{
gstore_fdw.autocompact = on
gstore_fdw.staging_memory = '16MB'
gstore_fdw.chunk_size = '256kB'
deadlock_timeout = '50ms'
log_statement = none
log_min_messages = fatal
});
my $digest = q{SELECT count(*) || '/' || sum(id) || '/' || sum(hashtextextended(note, id)::numeric) FROM old};

sql($node, 'CREATE FOREIGN TABLE old (id int, note text) SERVER gstore_fdw');
sql($node, 'CREATE TABLE wrong (what text)');
sql($node, "CREATE FOREIGN TABLE t$_ (id int, note text, v int DEFAULT 0) SERVER gstore_fdw") foreach 1 .. 3;
sql($node, qq{
CREATE FUNCTION digest() RETURNS text LANGUAGE sql AS \$\$ $digest \$\$;
-- one thing at random; in its own subtransaction or not
CREATE PROCEDURE act(me int) LANGUAGE plpgsql AS \$\$
DECLARE t text := 't' || 1 + (random() * 2)::int; a int := (random() * 2000)::int; n bigint; m bigint;
BEGIN
	CASE (random() * 11)::int
	WHEN 0, 1, 2 THEN EXECUTE format('INSERT INTO %I VALUES (%s, ''one'')', t, a);
	WHEN 3 THEN EXECUTE format('INSERT INTO %I SELECT i, repeat(''x'', 50) || i FROM generate_series(1, %s) i', t, a);
	WHEN 4 THEN EXECUTE format('UPDATE %I SET v = v + 1, note = left(note || ''!'', 60) WHERE id BETWEEN %s AND %s', t, a, a + 50);
	WHEN 5 THEN EXECUTE format('DELETE FROM %I WHERE id BETWEEN %s AND %s', t, a, a + 400);
	WHEN 6 THEN EXECUTE format('DELETE FROM %I WHERE id %% 3 = 0', t);
	WHEN 7 THEN
		EXECUTE format('SELECT count(*), count(note) FROM %I', t) INTO n, m;
		IF n <> m THEN
			INSERT INTO wrong VALUES (format('%s: %s rows, %s notes', t, n, m));
		END IF;
	WHEN 8 THEN IF random() < 0.3 THEN EXECUTE format('TRUNCATE %I', t); END IF;
	WHEN 9 THEN
		EXECUTE format('CREATE FOREIGN TABLE IF NOT EXISTS own_%s (id int, note text) SERVER gstore_fdw', me);
		EXECUTE format('INSERT INTO own_%s SELECT i, ''own'' FROM generate_series(1, 500) i', me);
		IF random() < 0.7 THEN EXECUTE format('DROP FOREIGN TABLE own_%s', me); END IF;
	WHEN 10 THEN
		EXECUTE format('ALTER FOREIGN TABLE IF EXISTS own_%s ADD COLUMN IF NOT EXISTS more int', me);
		PERFORM gstore_compact(t::regclass::oid);
	ELSE
		BEGIN
			EXECUTE format('INSERT INTO %I SELECT i, ''taken back'' FROM generate_series(1, 3000) i', t);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END CASE;
	IF random() < 0.2 THEN
		RAISE division_by_zero;
	END IF;
END \$\$;
-- looks again and again with the snapshot it began with
CREATE PROCEDURE look_back(until timestamptz) LANGUAGE plpgsql AS \$\$
DECLARE first text; now_seen text; n int := 0;
BEGIN
	COMMIT;
	SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
	first := digest();
	WHILE clock_timestamp() < until LOOP
		now_seen := digest();
		n := n + 1;
		IF now_seen <> first THEN
			RAISE EXCEPTION 'CHANGED after % looks: %, was %', n, now_seen, first;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE NOTICE 'looked back % times', n;
END \$\$;
-- rewrites the table under the readers
CREATE PROCEDURE churn(until timestamptz) LANGUAGE plpgsql AS \$\$
DECLARE n int := 0; total bigint; rows int;
BEGIN
	WHILE clock_timestamp() < until LOOP
		UPDATE old SET note = note || '.' WHERE id % 50 = n % 50;
		COMMIT;
		FOR i IN 1 .. 12 LOOP
			INSERT INTO old VALUES (-i, 'new');
			COMMIT;
		END LOOP;
		DELETE FROM old WHERE id < 0;
		COMMIT;
		PERFORM gstore_compact('old'::regclass::oid);
		COMMIT;
		n := n + 1;
		SELECT count(*), sum(id) INTO rows, total FROM old;
		IF rows <> 5000 OR total <> 12502500 THEN
			INSERT INTO wrong VALUES (format('old: %s rows, sum %s', rows, total));
		END IF;
		COMMIT;
	END LOOP;
	RAISE NOTICE 'churned % times', n;
END \$\$;
});

my $empty = left_behind($node);
sql($node, q{INSERT INTO old SELECT i, 'row ' || i FROM generate_series(1, 5000) i});

my @looking = map { start_session($node,
	"SELECT pg_sleep(0.3 * $_); CALL look_back(clock_timestamp() + interval '$seconds seconds')") } 0 .. 2;
my $churn = start_session($node, "CALL churn(clock_timestamp() + interval '$seconds seconds')");

# Each act in a call of its own: whoever is ended is replaced.
my (%acting, %said, $number);
my ($ended, $stopped, $restarts, $acts) = (0, 0, 0, 0);
my $until = time + $seconds;
my @all;

while (time < $until)
{
	foreach my $who (1 .. 5)
	{
		my $session = $acting{$who};

		next if defined $session and $session->{run}->pumpable;
		push @all, end_session($session) if defined $session;
		$acting{$who} = start_session($node,
			"\\set ON_ERROR_STOP off\n\\set VERBOSITY verbose\n" . "CALL act($who);\n" x 200);
		sql($node, 'SELECT 1');
	}
	my $names = join(',', map { "'$acting{$_}{name}'" } keys %acting);
	my $how = rand() < 0.9 ? 'pg_cancel_backend' : 'pg_terminate_backend';
	my $done = sql($node, "SELECT count($how(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name IN ($names) ORDER BY random() LIMIT 2) x");
	$how eq 'pg_cancel_backend' ? ($stopped += $done) : ($ended += $done);
	if (rand() < 0.05)
	{
		my ($pid) = children($node, qr/gstore_fdw maintenance worker/);
		$restarts += kill('TERM', $pid) if defined $pid;
	}
	select(undef, undef, undef, 0.05);
}
foreach my $session (values %acting)
{
	sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
	push @all, end_session($session);
}
my $looked = join('', map { end_session($_) } @looking);
my $churned = end_session($churn);
my %states;
$states{$_}++ foreach join('', @all) =~ /(?:ERROR|FATAL):  (\w{5}):/g;
note(join(', ', "cancels $stopped", "ends $ended", "workers ended $restarts", map { "$_ $states{$_}" } sort keys %states));
note($looked . $churned);

# 22012 is our own; 42P01 a table that was dropped meanwhile; XX000 never
is(join(' ', grep { !/^(22012|57014|57P01|40P01|42P01|42P07|23505)$/ } sort keys %states), '', 'no other error');
is(() = $looked =~ /looked back [1-9]/g, 3, 'readers with an old snapshot see their rows unchanged') or diag($looked);
like($churned, qr/churned [1-9]/, 'while the table was rewritten') or diag($churned);
is(sql($node, 'SELECT count(*) FROM wrong'), '0', 'no wrong answer') or diag(sql($node, 'SELECT * FROM wrong LIMIT 10'));

# At rest: what is used is what the chunks take.
ok(wait_for('memory', sub {
	left_behind($node);
	return sql($node, q{SELECT requests = 0 AND narrow = 0 AND staging = 0 AND
		(SELECT sum(used) FROM gstore_devices) >= (SELECT coalesce(sum(rawsize), 0) FROM pgstrom.gstore_fdw_chunk_info)
		FROM gstore_request_usage()}) eq 't'; }), 'no request is stuck');
sql($node, q{DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT foreign_table_name AS name FROM information_schema.foreign_tables LOOP
		EXECUTE format('DROP FOREIGN TABLE %I', r.name);
	END LOOP; END $$});
nothing_left($node, $empty, 'memory is back to where it started');
is(sql($node, 'SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info'), '0', 'no chunk is left');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
