
# A long bad day: mixed load, DDL, exports, large objects, kernels, random cancels
# and terminations, keepers and maintenance workers that are told to end.  Every
# answer is checked all the while, readers with an old snapshot see their rows
# unchanged, and in the end memory is back at its starting level.
#
# GSTORE_SOAK_SECONDS  how long (60)
# GSTORE_SEED          of what happens; when it does depends on the machine

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{GSTORE_SOAK_SECONDS} // 60;
my $seed = $ENV{GSTORE_SEED} // 231008;
my $actors = 5;

note("GSTORE_SEED=$seed GSTORE_SOAK_SECONDS=$seconds");
srand($seed);
# no session works longer than the day
$PostgreSQL::Test::Utils::timeout_default = 240 + $seconds;

# Chunks of 1 MB and more are on the device, others in the arena; of those who
# act, chunks of 64 kB and more.
my $node = new_node('soak', q{
gstore_fdw.autocompact = on
gstore_fdw.staging_memory = '16MB'
gstore_fdw.chunk_size = '2MB'
deadlock_timeout = '50ms'
max_worker_processes = 16
log_statement = none
log_min_messages = warning
log_min_error_statement = panic
});

# GPU memory of another program, a part for each who acts.  After the server,
# which would keep the program's input open.
my $region;
if (device() eq 'cuda')
{
	$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM};
	$region = { in => '', out => '' };
	$region->{run} = IPC::Run::start([ 'python3', "$ENV{GSTORE_CLIENTS}/gpu_region.py", ($actors + 1) << 20 ],
		'<', \$region->{in}, '>', \$region->{out}, IPC::Run::timeout(3600 + $seconds));
	$region->{run}->pump until $region->{out} =~ /^(\w+)\n/;
	$region->{handle} = $1;
}

# Small enough to stay in the arena, whatever becomes of the keeper.
sql($node, 'CREATE FOREIGN TABLE old (id int, note text) SERVER gstore_fdw');
sql($node, "CREATE FOREIGN TABLE t$_ (id int, note text, v int DEFAULT 0) SERVER gstore_fdw OPTIONS (format '"
	. ($_ == 2 ? 'arrow' : 'pgstrom') . "')") foreach 1 .. 3;
sql($node, 'CREATE TABLE wrong (what text)');
sql($node, 'CREATE TABLE region (handle bytea)');
sql($node, "INSERT INTO region VALUES ('\\x$region->{handle}')") if defined $region;
sql($node, 'CREATE TABLE ordinary AS SELECT i AS id, repeat(md5(i::text), 5) AS note FROM generate_series(1, 20000) i');
sql($node, 'CREATE SEQUENCE acts');
sql($node, q{
CREATE FUNCTION digest() RETURNS text LANGUAGE sql AS $$
	SELECT count(*) || '/' || sum(id) || '/' || sum(hashtextextended(note, id)::numeric) FROM old $$;

-- reads all of a table by a cursor that is left alone for a while
CREATE PROCEDURE read_slowly(t text) LANGUAGE plpgsql AS $$
DECLARE c refcursor; r record; n bigint; wanted bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM %I', t) INTO wanted;
	OPEN c FOR EXECUTE format('SELECT id, note, count(*) OVER () AS n FROM %I', t);
	FETCH c INTO r;
	PERFORM pg_sleep(random() * 0.5);
	n := CASE WHEN r IS NULL THEN 0 ELSE 1 END;
	WHILE r IS NOT NULL LOOP
		IF r.note IS NULL THEN
			INSERT INTO wrong VALUES (format('%s: a cursor read %s', t, r));
		END IF;
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		n := n + 1;
	END LOOP;
	CLOSE c;
END $$;

-- an exported image becomes a large object
CREATE PROCEDURE import_image(t text) LANGUAGE plpgsql AS $$
DECLARE image record; loid oid; n bigint;
BEGIN
	SELECT handle, length, device INTO image FROM gstore_export(t::reggstore);
	IF image.handle IS NULL THEN
		RETURN;
	END IF;
	loid := lo_import_gpu(image.device, image.handle, 0, image.length);
	n := octet_length(lo_get(loid));
	IF n <> image.length THEN
		INSERT INTO wrong VALUES (format('%s: %s bytes imported of %s', t, n, image.length));
	END IF;
	PERFORM lo_unlink(loid);
	PERFORM gstore_release_ipchandle(image.handle);
END $$;

-- into another program's memory, and back
CREATE PROCEDURE there_and_back(me int, size int) LANGUAGE plpgsql AS $$
DECLARE theirs bytea := (SELECT handle FROM region); sent bytea; loid oid; back oid;
BEGIN
	IF theirs IS NULL THEN -- there is none on the host device
		RETURN;
	END IF;
	sent := convert_to(repeat(md5(random()::text), size), 'UTF8');
	loid := lo_from_bytea(0, sent);
	PERFORM lo_export_gpu(loid, 0, theirs, me::bigint << 20, octet_length(sent) + 10);
	back := lo_import_gpu(0, theirs, me::bigint << 20, octet_length(sent) + 10);
	IF lo_get(back) <> sent || decode(repeat('00', 10), 'hex') THEN
		INSERT INTO wrong VALUES (format('%s: %s bytes came back as others', me, octet_length(sent)));
	END IF;
	PERFORM lo_unlink(loid), lo_unlink(back);
END $$;

-- what engine and kernels compute, and what PostgreSQL does, of one snapshot
CREATE PROCEDURE compute(t text) LANGUAGE plpgsql AS $$
DECLARE here text; there text; grouped bigint; counted bigint;
BEGIN
	EXECUTE format('SELECT (SELECT (count(*), sum(id), min(v), max(v), sum(v) FILTER (WHERE id < 900))::text FROM %1$I WHERE id > 10 AND v < 1000),
			(SELECT (count(*), sum(id), min(v), max(v), sum(v) FILTER (WHERE id < 900))::text FROM (SELECT id, v FROM %1$I OFFSET 0) x WHERE id > 10 AND v < 1000),
			(SELECT sum(n) FROM (SELECT id %% 10, count(*) AS n FROM %1$I GROUP BY 1) x), (SELECT count(*) FROM %1$I)', t)
		INTO here, there, grouped, counted;
	IF here <> there OR coalesce(grouped, 0) <> counted THEN
		INSERT INTO wrong VALUES (format('%s: %s there, %s here; %s in groups, %s', t, there, here, grouped, counted));
	END IF;
END $$;

-- one thing at random; in its own subtransaction or not
CREATE PROCEDURE act(me int) LANGUAGE plpgsql AS $$
DECLARE t text := 't' || 1 + floor(random() * 3); a int := floor(random() * 2000);
	own text := 'own_' || me; n bigint := nextval('acts'); m bigint; handle bytea;
BEGIN
	CASE floor(random() * 23)
	WHEN 0, 1, 2 THEN EXECUTE format('INSERT INTO %I VALUES (%s, ''one'')', t, a);
	WHEN 3 THEN EXECUTE format('INSERT INTO %I SELECT i, repeat(''x'', 50) || i FROM generate_series(1, %s) i', t, a);
	WHEN 4 THEN EXECUTE format('INSERT INTO %I SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, %s) i', t, a * 10);
	WHEN 5 THEN EXECUTE format('UPDATE %I SET v = v + 1, note = left(note || ''!'', 60) WHERE id BETWEEN %s AND %s', t, a, a + 50);
	WHEN 6 THEN EXECUTE format('DELETE FROM %I WHERE id BETWEEN %s AND %s', t, a, a + 400);
	WHEN 7 THEN EXECUTE format('DELETE FROM %I WHERE id %% 3 = 0', t);
	WHEN 8 THEN
		EXECUTE format('SELECT count(*), count(note) FROM %I', t) INTO n, m;
		IF n <> m THEN
			INSERT INTO wrong VALUES (format('%s: %s rows, %s notes', t, n, m));
		END IF;
	WHEN 9 THEN EXECUTE format('SELECT count(*) FROM %I x WHERE x::text LIKE ''%%7%%''', t) INTO n;
	WHEN 10 THEN IF random() < 0.3 THEN EXECUTE format('TRUNCATE %I', t); END IF;
	WHEN 11 THEN
		EXECUTE format('CREATE FOREIGN TABLE IF NOT EXISTS %I (id int, note text) SERVER gstore_fdw', own);
		EXECUTE format('INSERT INTO %I (id, note) SELECT i, repeat(''own'', 20) FROM generate_series(1, %s) i', own, a * 10);
		IF random() < 0.4 THEN EXECUTE format('DROP FOREIGN TABLE %I', own); END IF;
	WHEN 12 THEN
		IF to_regclass(own) IS NOT NULL THEN
			EXECUTE format('ALTER FOREIGN TABLE %I ADD COLUMN more int', own);
			EXECUTE format('UPDATE %I SET more = id WHERE id < 100', own);
			EXECUTE format('ALTER FOREIGN TABLE %I DROP COLUMN more', own);
		END IF;
	WHEN 13 THEN
		EXECUTE format('CREATE SCHEMA room_%s CREATE TABLE nothing ()', me);
		EXECUTE format('CREATE FOREIGN TABLE room_%s.t (id int) SERVER gstore_fdw', me);
		EXECUTE format('INSERT INTO room_%s.t SELECT generate_series(1, %s)', me, a * 10);
		EXECUTE format('DROP SCHEMA room_%s CASCADE', me);
	WHEN 14 THEN
		handle := gstore_export_ipchandle(t::reggstore);
		PERFORM gstore_compact(t::reggstore);
		PERFORM pg_sleep(random() * 0.2);
		IF handle IS NOT NULL AND random() < 0.5 THEN PERFORM gstore_release_ipchandle(handle); END IF;
	WHEN 15 THEN CALL import_image(t);
	WHEN 16 THEN CALL there_and_back(me, a * 10);
	WHEN 17, 18 THEN CALL compute(t);
	WHEN 19 THEN
		EXECUTE format('WITH gone AS (DELETE FROM %1$I WHERE id BETWEEN %2$s AND %2$s + 40 RETURNING id, note, v)
			INSERT INTO %1$I SELECT id, note, v + 1 FROM gone', t, a);
		EXECUTE format('UPDATE %1$I x SET v = y.i FROM generate_series(%2$s, %2$s + 40) y(i) WHERE x.id = y.i', t, a);
		EXECUTE format('ANALYZE %I', t);
	WHEN 20 THEN
		FOR i IN 1 .. 30 LOOP
			EXECUTE format('INSERT INTO %I VALUES (%s, ''one of many'')', t, a);
			IF random() < 0.2 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	WHEN 21 THEN
		n := gstore_load(t::reggstore, 'ordinary', floor(random() * 4)::int);
		IF n <> 20000 THEN
			INSERT INTO wrong VALUES (format('%s: %s rows were loaded', t, n));
		END IF;
	ELSE
		BEGIN
			EXECUTE format('INSERT INTO %I SELECT i, ''taken back'' FROM generate_series(1, 3000) i', t);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
		CALL read_slowly(t);
	END CASE;
	IF random() < 0.2 THEN
		RAISE division_by_zero;
	END IF;
END $$;

-- empties tables whose rows were lost with a keeper; how many
CREATE FUNCTION mend() RETURNS int LANGUAGE plpgsql AS $$
DECLARE t text; n int := 0;
BEGIN
	FOR t IN SELECT ftrelid::regclass FROM pg_foreign_table ORDER BY 1 LOOP
		CONTINUE WHEN t ~ '^\d'; -- dropped since
		BEGIN
			EXECUTE format('SELECT count(x::text) FROM %s x', t);
		EXCEPTION WHEN io_error OR undefined_table THEN
			BEGIN
				EXECUTE format('TRUNCATE %s', t);
				n := n + 1;
			EXCEPTION WHEN undefined_table THEN NULL;
			END;
		END;
	END LOOP;
	RETURN n;
END $$;

-- looks again and again with the snapshot it began with, for some seconds
CREATE PROCEDURE look_back(until timestamptz) LANGUAGE plpgsql AS $$
DECLARE first text; now_seen text; n int; stop timestamptz;
BEGIN
	WHILE clock_timestamp() < until LOOP
		COMMIT;
		SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
		first := digest();
		n := 0;
		stop := least(until, clock_timestamp() + random() * interval '10 s');
		WHILE clock_timestamp() < stop LOOP
			now_seen := digest();
			n := n + 1;
			IF now_seen <> first THEN
				RAISE EXCEPTION 'CHANGED after % looks: %, was %', n, now_seen, first;
			END IF;
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE NOTICE 'looked % times', n;
	END LOOP;
END $$;

-- rewrites the table under the readers
CREATE PROCEDURE churn(until timestamptz) LANGUAGE plpgsql AS $$
DECLARE n int := 0; total bigint; rows int;
BEGIN
	WHILE clock_timestamp() < until LOOP
		DELETE FROM old WHERE id < 0;
		COMMIT;
		UPDATE old SET note = 'row ' || id || ' of ' || n WHERE id % 50 = n % 50;
		COMMIT;
		FOR i IN 1 .. 12 LOOP
			INSERT INTO old VALUES (-i, 'new');
			COMMIT;
		END LOOP;
		PERFORM gstore_compact('old');
		COMMIT;
		n := n + 1;
		SELECT count(*), sum(id) INTO rows, total FROM old WHERE id > 0;
		IF rows <> 5000 OR total <> 12502500 THEN
			INSERT INTO wrong VALUES (format('old: %s rows, sum %s', rows, total));
		END IF;
		COMMIT;
	END LOOP;
	RAISE NOTICE 'churned % times', n;
END $$;

-- cancels and ends those who act
CREATE PROCEDURE disturb(until timestamptz) LANGUAGE plpgsql AS $$
DECLARE victim int; cancelled int := 0; ended int := 0;
BEGIN
	WHILE clock_timestamp() < until LOOP
		PERFORM pg_sleep(random() * 0.1);
		SELECT pid INTO victim FROM pg_stat_activity WHERE query LIKE 'CALL act(%' ORDER BY random() LIMIT 1;
		IF victim IS NULL THEN
			NULL;
		ELSIF random() < 0.85 THEN
			cancelled := cancelled + pg_cancel_backend(victim)::int;
		ELSE
			ended := ended + pg_terminate_backend(victim)::int;
		END IF;
		COMMIT;
	END LOOP;
	RAISE NOTICE 'cancelled % times, ended % sessions', cancelled, ended;
END $$;
});

my $empty = left_behind($node);
sql($node, q{INSERT INTO old SELECT i, 'row ' || i FROM generate_series(1, 5000) i});

# Whoever meets a keeper's end starts again, so long as the day lasts.
my $until = sql($node, "SELECT clock_timestamp() + interval '$seconds seconds'");
my $tireless = "\\set ON_ERROR_STOP off\n";
my @looking = map { start_session($node,
	$tireless . "SELECT setseed(0.$_);\n" . "CALL look_back('$until');\n" x 50) } 1 .. 3;
my $churning = start_session($node, $tireless . "CALL churn('$until');\n" x 1000);
my $disturbing = start_session($node, 'SELECT setseed(0.5); ' . "CALL disturb('$until')");

my (%acting, @said, %restarts);
my $started = time;
my $next_restart = $started + 2;
my ($turn, $databases) = (0, 0);

sub end_worker
{
	my ($name) = @_;
	my ($pid) = children($node, qr/gstore_fdw $name/);

	$restarts{$name} += kill('TERM', $pid) if defined $pid;
	return;
}

while (time < $started + $seconds)
{
	foreach my $who (1 .. $actors)
	{
		my $session = $acting{$who};

		next if defined $session and $session->{run}->pumpable;
		push @said, end_session($session) if defined $session;
		$acting{$who} = start_session($node, $tireless . 'SELECT setseed(' . rand() . ");\n"
			. "SET gstore_fdw.debug_small_image = '64kB';\n"
			. ("CALL act($who);\n" x 20 . "SELECT FROM mend();\n") x 10);
	}
	if (time >= $next_restart)
	{
		end_worker($turn++ % 2 == 0 ? 'GPU memory keeper' : 'maintenance worker');
		if (rand() < 0.2 || $databases == 0)
		{
			# others may be connected to the template for a moment
			my ($status) = $node->psql('postgres', 'CREATE DATABASE other TEMPLATE template0');

			$node->psql('other', 'CREATE EXTENSION gstore_fdw; CREATE FOREIGN TABLE t (id int) SERVER gstore_fdw; INSERT INTO t SELECT generate_series(1, 300000)')
			  if $status == 0;
			$databases += $node->psql('postgres', 'DROP DATABASE other WITH (FORCE)') == 0;
		}
		$next_restart = time + 2 + int(rand(5));
	}
	select(undef, undef, undef, 0.1);
}
foreach my $session (values %acting)
{
	sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
	push @said, end_session($session);
}
my $looked = join('', map { end_session($_) } @looking);
my $churned = end_session($churning);
my $disturbed = end_session($disturbing);
my ($looks, $churns) = (0, 0);
$looks += $_ foreach $looked =~ /looked (\d+) times/g;
$churns += $_ foreach $churned =~ /churned (\d+) times/g;
my ($cancels, $ends) = $disturbed =~ /cancelled (\d+) times, ended (\d+) sessions/;
my %states;
$states{$_}++ foreach join('', @said, $looked, $churned, $disturbed) =~ /(?:ERROR|FATAL):  (\w{5}):/g;
note(join(', ', "$looks looks, $churns rounds under them, " . scalar(@said) . ' sessions that acted',
	sql($node, 'SELECT last_value FROM acts') . ' acts',
	"$cancels cancels, $ends ends, $databases databases dropped",
	(map { "$_ ended $restarts{$_} times" } sort keys %restarts),
	map { "$_ $states{$_}" } sort keys %states));

# 22012 is our own; 42P01 a table that was dropped meanwhile; XX000 never.  A
# keeper that ends takes with it what the devices held (58030), and requests
# made before the next one is there are refused (55000).
is(join(' ', grep { !/^(22012|57014|57P01|40P01|42P01|42703|42P06|42P07|23505|58030|55000)$/ } sort keys %states),
	'', 'no other error')
  or diag(join("\n", grep { !/ERROR:  (22012|57014|58030|55000)/ } join('', @said, $looked, $churned, $disturbed) =~ /^.*ERROR.*$/mg));
unlike($looked, qr/CHANGED/, 'readers with an old snapshot see their rows unchanged');
cmp_ok($looks, '>', 0, 'again and again');
cmp_ok($churns, '>', 0, 'while the table was rewritten');
cmp_ok($cancels + $ends, '>', 0, 'and others were stopped');
is(sql($node, 'SELECT count(*) FROM wrong'), '0', 'no wrong answer')
  or diag(sql($node, 'SELECT * FROM wrong LIMIT 10'));

# At rest.
ok(wait_for('a ready device', sub {
	my ($status, $out) = $node->psql('postgres',
		q{SELECT bool_and(state = 'ready') AND mend() = 0 FROM gstore_devices});
	return $status == 0 && $out eq 't'; }), 'the devices are ready');
ok(wait_for('requests', sub {
	left_behind($node);
	return sql($node, 'SELECT requests = 0 AND narrow = 0 AND staging = 0 FROM gstore_request_usage()') eq 't'; }),
	'no request is stuck');
sql($node, 'INSERT INTO t1 SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 20000) i');
ok(wait_for('memory', sub { return at_rest($node) eq '0'; }),
	'what is used is what the chunks take');
my $leasing = $node->background_psql('postgres');
$leasing->query_safe("SELECT gstore_export_ipchandle('t1') IS NOT NULL");
sql($node, 'TRUNCATE t1');
is(sql($node, 'SELECT count(*) FROM gstore_exports() WHERE retired'), '1', 'an image of no table is leased');
ok(wait_for('memory', sub { return at_rest($node) eq '0'; }),
	'what is used is what chunks and leases take');
$leasing->quit;
$region->{run}->kill_kill if defined $region;
sql($node, q{DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT ftrelid::regclass AS name FROM pg_foreign_table LOOP
		EXECUTE format('DROP FOREIGN TABLE %s', r.name);
	END LOOP; END $$});
nothing_left($node, $empty, 'memory is back to where it started');
is(sql($node, 'SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info'), '0', 'no chunk is left');
is(sql($node, 'SELECT count(*) FROM gstore_held'), '0', 'nobody holds anything');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
