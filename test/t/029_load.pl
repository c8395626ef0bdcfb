
# gstore_load() by several processes: how far it is can be seen; whichever of
# them ends, wherever, all end, and nothing is left; several at once do not hold
# each other up.  Where they are killed, see 013_kill_points.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

# A small staging area and chunks of 2 MB go through roomy windows, or, where
# others have them, through narrow ones.
my $node = new_node('load', "gstore_fdw.staging_memory = '16MB'\nmax_worker_processes = 16\n"
	  . "gstore_fdw.chunk_size = '2MB'\n");

sql($node, q{CREATE TABLE source AS
	SELECT i AS id, repeat('x', 100) || i AS note FROM generate_series(1, 100000) i});
sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
# On the host device the columns of this one settle where their image is to be.
sql($node, q{CREATE FOREIGN TABLE arrow (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow')});
sql($node, 'CREATE FOREIGN TABLE other (id int, note text) SERVER gstore_fdw');
sql($node, 'INSERT INTO other VALUES (1, NULL)');
my $load = q{SELECT gstore_load('t', 'source', 2)};
# Where the session's process is fast, or the machine busy, it has read all before
# a worker begins: where workers are to have rows, it leaves them all.
my $by_workers = 'SET parallel_leader_participation = off';
sub only_workers
{
	my ($point) = @_;

	return $point =~ /^handover/ ? $by_workers : '';
}
my $before = left_behind($node);
my $blocks = sql($node, q{SELECT pg_relation_size('source') / current_setting('block_size')::int});

sub is_loaded
{
	my ($name) = @_;

	return is(sql($node, 'SELECT count(*), count(DISTINCT id), sum(id), sum(length(note)) FROM t; TRUNCATE t'),
		'100000|100000|5000050000|10488895', $name);
}

# All workers of loads there are.
sub workers
{
	return split(/\n/, sql($node,
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND query LIKE '%gstore_load%' ORDER BY 1}));
}

# ---- seen by others ----

sql($node, 'CREATE ROLE nobody');
my $progress = q{SELECT datname, relid::regclass, source_relid::regclass, phase, workers,
	blocks_total, blocks_done, tuples_done, bytes_done > 0 FROM gstore_progress_load};

# It waits for another writer.
my $writer = start_session($node, q{BEGIN; INSERT INTO t VALUES (1); SELECT pg_advisory_lock(1);
	SELECT pg_sleep(1000); ROLLBACK;});
wait_for('the writer', sub { return sql($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) eq '1'; });
my $session = start_session($node, "SET gstore_fdw.debug_fault = 'load-worker-begin:wait'; $load;");
ok(wait_for('the load', sub { return sql($node, $progress) eq 'postgres|t|source|waiting for writers|0|0|0|0|f'; }),
	'it waits for another writer');
sql($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '$writer->{name}'");
end_session($writer);

# Its workers stand where they begin; it reads all itself and waits for them.
ok(wait_for('the load', sub { return sql($node, $progress) =~ /writing last chunks/; }), 'it has copied what it can');
is(sql($node, $progress), "postgres|t|source|writing last chunks|2|$blocks|$blocks|100000|t", 'and its progress says so');
is(sql($node, "SET ROLE nobody; $progress"), 'postgres||||||||', 'to strangers only that it is');
is(scalar(workers()), 2, 'there are two workers');
is(sql($node, 'SELECT count(*) FROM t'), '0', 'nobody sees a row yet');
ok(wake_up($node, 'load-worker-begin'), 'they are woken');
is(end_session($session), "100000\n", 'and it ends');
is(sql($node, $progress), '', 'it is shown no more');
is_loaded('all rows are there, once');

# Workers do the work.
is(sql($node, "$by_workers; SET gstore_fdw.debug_fault = 'writer-before-encode:error:1000'; $load"),
	'100000', 'by its workers alone');
cmp_ok(sql($node, 'SELECT chunks FROM gstore_tables WHERE relid = \'t\'::regclass'), '>=', 5, 'which wrote several chunks');
is_loaded('all rows are there, once');

# Rows come as they are read: other workers' chunks are published meanwhile.  It
# begins when a worker has filled one, and has rows for another.
$session = start_session($node, "SET gstore_fdw.debug_fault = 'load-launched:wait, handover-posted:wait:1, handover-taken:wait:2';"
	  . "SELECT gstore_load('t', 'source', 1);");
ok(waiting_at($node, 'load-launched') && waiting_at($node, 'handover-posted'), 'a worker has posted a chunk');
wake_up($node, $_) foreach ('handover-posted', 'load-launched');
ok(waiting_at($node, 'handover-taken'), 'it has published a chunk of a worker');
like(sql($node, $progress), qr/^postgres\|t\|source\|(copying rows|writing last chunks)\|1\|$blocks\|\d+\|\d+\|t$/, 'its progress says so');
wake_up($node, 'handover-taken');
is(end_session($session), "100000\n", 'and it ends');
is_loaded('all rows are there, once');

# ---- whichever ends, wherever ----

my @points = qw(load-launched load-worker-begin load-worker-rows handover-posted handover-finished
  handover-taken image-reserve image-place writer-before-encode writer-before-publish writer-after-publish);
push @points, qw(request-submit request-submitted request-wait request-done) if device() eq 'cuda';

my @settling = device() eq 'host' ? qw(writer-settled writer-before-close handover-posted handover-taken image-place) : ();

foreach my $case ((map { [ 't', $_ ] } @points), (map { [ 'arrow', $_ ] } @settling))
{
	my ($table, $point) = @$case;

	foreach my $action ('error', 'error:2', 'fatal', 'fatal:2')
	{
		my ($status, $out, $err) = $node->psql('postgres', qq{
			SET client_min_messages = error;
			BEGIN;
			INSERT INTO other VALUES (2);
			SET gstore_fdw.debug_fault = '$point:$action';
			@{[only_workers($point)]};
			@{[ $load =~ s/'t'/'$table'/r ]};
			ROLLBACK}, on_error_stop => 1);

		# a process may pass a point only once
		like($err, qr/injected .*"$point"/, "$table: $action at $point") if $action !~ /:/;
		nothing_left($node, $before, "nothing is left after $action at $point");
		is(sql($node, "SELECT count(*) FROM $table"), '0', 'and no row');
	}
}
is(sql($node, q{SELECT gstore_load('arrow', 'source', 2); SELECT count(*), count(DISTINCT id), sum(id), sum(length(note)) FROM arrow; TRUNCATE arrow}),
	"100000\n100000|100000|5000050000|10488895", 'arrow: all rows are there');
is_loaded_again('after them');

sub is_loaded_again
{
	my ($name) = @_;

	is(sql($node, $load), '100000', "$name: it is loaded");
	return is_loaded("$name: and all rows are there");
}

# An exception block takes the error: the transaction goes on without it.
foreach my $point (@points)
{
	my $out = sql($node, qq{
		BEGIN;
		INSERT INTO other VALUES (2);
		SET gstore_fdw.debug_fault = '$point:error';
		@{[only_workers($point)]};
		DO \$\$ BEGIN
			FOR i IN 1 .. 3 LOOP
				BEGIN
					PERFORM gstore_load('t', 'source', 2);
				EXCEPTION WHEN internal_error THEN NULL;
				END;
			END LOOP;
		END \$\$;
		SET gstore_fdw.debug_fault = '';
		SELECT count(*) FROM t;
		DO \$\$ BEGIN PERFORM gstore_request_barrier(); END \$\$;
		SELECT requests, narrow, staging FROM gstore_request_usage();
		$load;
		SELECT count(*) FROM t;
		ROLLBACK});

	like($out, qr/^0\n0\|0\|0\n100000\n100000$/, "after an exception at $point the transaction goes on");
	nothing_left($node, $before, 'and nothing is left');
}

# Stopped where they wait: by cancel, by the end of the session or of a worker.
foreach my $point ('load-launched', 'load-worker-begin', 'load-worker-rows', 'handover-posted', 'handover-finished',
	'handover-taken', 'writer-before-encode', 'image-place')
{
	foreach my $how ('pg_cancel_backend', 'pg_terminate_backend', 'a worker', 'a worker cancelled')
	{
		next if $how =~ /worker/ && $point eq 'load-launched';
		my $session = start_session($node, "SET gstore_fdw.debug_fault = '$point:wait'; " . only_workers($point) . "; BEGIN; $load; COMMIT;");

		ok(waiting_at($node, $point), "somebody waits at $point");
		if ($how =~ /worker/)
		{
			my $signal = $how =~ /cancel/ ? 'pg_cancel_backend' : 'pg_terminate_backend';

			wait_for('workers', sub { return scalar(workers()) > 0; });
			sql($node, "SELECT $signal(" . (workers())[0] . ')');
		}
		else
		{
			sql($node, "SELECT $how(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
		}
		# somebody may just have started to wait there again
		wait_for('its end', sub {
			return 1 unless $session->{run}->pumpable;
			return sql($node, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$session->{name}'") eq '0'; });
		like(end_session($session), qr/57014|57P01|terminat/, "$how: it ends");
		is(scalar(workers()), 0, 'with its workers');
		nothing_left($node, $before, 'and nothing is left');
		is(sql($node, 'SELECT count(*) FROM t'), '0', 'and no row');
	}
}

# Without a place for workers it does it alone.
is(sql($node, "SET max_parallel_workers = 0; $load"), '100000', 'without workers');
is_loaded('all rows are there, once');

# ---- several at once ----

# Nobody waits for staging with staging in hand, whoever waits for whom.
my @tables = map { "t$_" } 1 .. 3;
sql($node, "CREATE FOREIGN TABLE $_ (id int, note text) SERVER gstore_fdw OPTIONS (format '"
	  . (/2/ ? 'arrow' : 'pgstrom') . "')") foreach @tables;
my @sessions = map {
	start_session($node, "SET statement_timeout = '300s';\n"
		  . "SET gstore_fdw.chunk_size = '" . (/1/ ? 64 : /2/ ? 2048 : 65536) . "kB';\n"
		  . "SELECT gstore_load('$_', 'source', 3);\n" x 3)
} @tables;
is(end_session($_), "100000\n" x 3, 'loads beside each other') foreach @sessions;
is(sql($node, "SELECT count(*), count(DISTINCT id), sum(length(note)) FROM $_"), '300000|100000|31466685', "$_ has all rows")
  foreach @tables;
is(at_rest($node), '0', 'what is used is what the chunks take');
sql($node, 'DROP FOREIGN TABLE t1, t2, t3');
nothing_left($node, $before, 'and nothing is left');

unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');

$node->stop('fast');
done_testing();
