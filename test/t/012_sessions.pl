
# 64 sessions at once, on a staging area far too small for them, cancelled and
# terminated at random: no wrong answer, no standstill, nothing left behind.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

my $sessions = 64;
my $seconds = $ENV{GSTORE_STRESS_SECONDS} // 8;

# the stand-in's copies take up to 2 ms longer each
$ENV{GSTORE_CUDASIM_FAULTS} = 'delay=2000';
my $node = new_node('sessions', qq{
gstore_fdw.staging_memory = '16MB'
gstore_fdw.enable_kernels = off
gstore_fdw.host_memory = '1GB'
gstore_fdw.chunk_size = '1536kB'
max_connections = 100
});

sql($node, 'CREATE FOREIGN TABLE shared (id int, note text) SERVER gstore_fdw');
sql($node, q{INSERT INTO shared SELECT i, repeat('x', 100) || i FROM generate_series(1, 60000) i});
sql($node, join(";\n", 'BEGIN', (map {
	"CREATE FOREIGN TABLE own_$_ (id int, note text) SERVER gstore_fdw" } 1 .. $sessions), 'COMMIT'));
sql($node, 'CREATE TABLE wrong (who int, what text)');
sql($node, q{
CREATE PROCEDURE work(me int, until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	n bigint; total bigint; rows int; cancelled int := 0;
	c1 refcursor; c2 refcursor; r record;
BEGIN
	WHILE clock_timestamp() < until LOOP
		BEGIN
			CASE (random() * 3)::int
			WHEN 0 THEN
				SELECT count(*), sum(id) INTO n, total FROM shared WHERE note <> '';
				IF n <> 60000 OR total <> 1800030000 THEN
					INSERT INTO wrong VALUES (me, format('shared: %s %s', n, total));
				END IF;
			WHEN 1 THEN
				OPEN c1 FOR SELECT * FROM shared;
				OPEN c2 FOR SELECT * FROM shared;
				FOR i IN 1 .. 5000 LOOP
					FETCH c1 INTO r;
					IF i <= 200 THEN FETCH c2 INTO r; END IF;
				END LOOP;
				IF r.note <> repeat('x', 100) || r.id THEN
					INSERT INTO wrong VALUES (me, format('cursor: %s', r));
				END IF;
				CLOSE c1;
				CLOSE c2;
			ELSE
				rows := (random() * 20000)::int;
				EXECUTE format('INSERT INTO own_%s SELECT i, repeat(''y'', 100) || i FROM generate_series(1, %s) i', me, rows);
				EXECUTE format('SELECT count(*), sum(length(note)) FROM own_%s', me) INTO n, total;
				IF n <> rows THEN
					INSERT INTO wrong VALUES (me, format('own: %s instead of %s', n, rows));
				END IF;
				RAISE division_by_zero;
			END CASE;
		EXCEPTION
			WHEN query_canceled THEN cancelled := cancelled + 1;
			WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$});
my $before = left_behind($node);

my @at_work = map { start_session($node,
	"CALL work($_, clock_timestamp() + interval '$seconds seconds')") } 1 .. $sessions;
my $end = time + $seconds;
my ($stopped, $ended) = (0, 0);
my $round = 0;

while (time < $end)
{
	my $how = ++$round % 10 != 3 ? 'pg_cancel_backend' : 'pg_terminate_backend';
	my $done = sql($node, qq{
		SELECT count($how(pid)) FROM (
			SELECT pid FROM pg_stat_activity
			WHERE application_name LIKE 'gstore_session_%'
			ORDER BY random() LIMIT 3) AS victims});

	$how eq 'pg_cancel_backend' ? ($stopped += $done) : ($ended += $done);
	select(undef, undef, undef, 0.1);
}
my @said = grep { $_ ne '' } map { end_session($_) } @at_work;

cmp_ok($stopped, '>', 0, "statements were cancelled ($stopped)");
cmp_ok($ended, '>', 0, "sessions were ended ($ended)");
is(join("\n", grep { !/57P01|57014|terminat/ } @said), '', 'no other error');
is(sql($node, 'SELECT count(*) FROM wrong'), '0', 'no wrong answer')
  or diag(sql($node, 'SELECT * FROM wrong LIMIT 20'));
nothing_left($node, $before, 'nothing is left behind');
is(sql($node, q{SELECT count(*), sum(id) FROM shared WHERE note = repeat('x', 100) || id}),
	'60000|1800030000', 'the shared table is as it was');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
