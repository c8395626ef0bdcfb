
# Nothing ever asks the commit log about an old transaction: once it has been
# truncated, tables written before are read and written as ever, whether or not
# anybody froze their stamps meanwhile.
#
# GSTORE_XIDS  transaction ids to use up (1200000: a segment of the log and more)

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $xids = $ENV{GSTORE_XIDS} // 1_200_000;
my $node = new_node('freeze', "synchronous_commit = off\nmax_wal_size = '4GB'\n");

sql($node, q{
CREATE FOREIGN TABLE g (id int, note text) SERVER gstore_fdw;
CREATE FOREIGN TABLE a (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow');
CREATE FOREIGN TABLE gone (id int) SERVER gstore_fdw;
CREATE FOREIGN TABLE frozen (id int) SERVER gstore_fdw;
CREATE FUNCTION digest() RETURNS text LANGUAGE sql AS $$
	SELECT (SELECT count(*) || '/' || sum(hashtextextended(x::text, 0)::numeric) FROM g x) || ' ' ||
		(SELECT count(*) || '/' || sum(hashtextextended(x::text, 0)::numeric) FROM a x) || ' ' ||
		(SELECT count(*) FROM gone) || ' ' || (SELECT sum(id) FROM frozen)
$$;
-- every kind of change; whether it comes to something or not
CREATE PROCEDURE change(t text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO %I SELECT i, ''row '' || i FROM generate_series(1, 3000) i', t);
	COMMIT;
	FOR i IN 1 .. 100 LOOP
		EXECUTE format('INSERT INTO %I VALUES (10000 + %s, ''one'')', t, i);
		IF i % 10 = 0 THEN COMMIT; END IF;
	END LOOP;
	BEGIN
		EXECUTE format('INSERT INTO %I SELECT 20000 + i, ''kept'' FROM generate_series(1, 300) i', t);
		BEGIN
			EXECUTE format('INSERT INTO %I SELECT 30000 + i, ''taken back'' FROM generate_series(1, 300) i', t);
			EXECUTE format('DELETE FROM %I WHERE id < 1000', t);
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
		EXECUTE format('UPDATE %I SET note = note || '' changed'' WHERE id %% 5 = 0', t);
	EXCEPTION WHEN division_by_zero THEN NULL;
	END;
	COMMIT;
	EXECUTE format('DELETE FROM %I WHERE id %% 7 = 0', t);
	COMMIT;
	EXECUTE format('DELETE FROM %I WHERE id %% 2 = 0', t);
	EXECUTE format('INSERT INTO %I SELECT 40000 + i, ''taken back'' FROM generate_series(1, 300) i', t);
	ROLLBACK;
END $$;
CREATE UNLOGGED TABLE used_up (i int);
-- a transaction id each time around
CREATE PROCEDURE use_up(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		BEGIN
			INSERT INTO used_up VALUES (i);
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
		IF i % 20000 = 0 THEN TRUNCATE used_up; COMMIT; END IF;
	END LOOP;
END $$;
INSERT INTO frozen SELECT generate_series(1, 1000)});

sub first_xid
{
	return sql($node, q{SELECT coalesce(min(xmin::text::bigint), 0) FROM pgstrom.gstore_fdw_chunk_info
		WHERE table_oid = 'g'::regclass});
}

ok(wait_for('the worker to freeze', sub {
	return sql($node, q{SELECT bool_and(xmin::text = '2') FROM pgstrom.gstore_fdw_chunk_info
		WHERE table_oid = 'frozen'::regclass}) eq 't'; }), 'what all see is frozen');

# From now on it is not: the worker stands still.
my ($worker) = children($node, qr/gstore_fdw maintenance worker/);
kill 'STOP', $worker;

sql($node, "CALL change('$_')") foreach 'g', 'a';
sql($node, 'INSERT INTO gone SELECT generate_series(1, 1000)');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM gone');
sql($node, 'DELETE FROM gone');
sql($node, q{INSERT INTO gone SELECT generate_series(1, 10)});
sql($node, 'DELETE FROM gone WHERE id <= 10');
$reader->query_safe('COMMIT');
$reader->quit;
# who was ended with work undone
my $writer = start_session($node, q{BEGIN; DELETE FROM g WHERE id > 100;
	INSERT INTO g VALUES (50000, 'ended'); SELECT pg_sleep(600);});
ok(wait_for('the writer', sub { return sql($node, q{SELECT count(*) FROM pg_stat_activity
	WHERE wait_event = 'PgSleep'}) eq '1'; }), 'a writer is under way');
sql($node, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
end_session($writer);

my $rows = sql($node, 'SELECT digest()');
my $first = first_xid();
my $last = sql($node, 'SELECT pg_current_xact_id()');
like($rows, qr/^2915\/\S+ 2915\/\S+ 0 500500$/, 'the tables are filled');
my $changed = sql($node, "SELECT count(*) FILTER (WHERE id % 3 = 0) || ' ' || count(*) FILTER (WHERE id >= 500) || ' 1' FROM g");
cmp_ok($first, '>', 2, 'their stamps are not frozen');
is(sql($node, "SELECT pg_xact_status('$_')"), 'committed', "the commit log knows of $_") foreach $first, $last;

# Use up transaction ids, freeze everything, and so truncate the log.
sql($node, "CALL use_up($xids)");
cmp_ok(sql($node, 'SELECT pg_current_xact_id()'), '>', $last + $xids, "$xids transaction ids later");
sql($node, q{UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'});
$node->command_ok([ 'vacuumdb', '--all', '--freeze', '--quiet' ],
	'an aggressive vacuum of all databases');
is(sql($node, qq{SELECT bool_and(age('$last'::xid) > age(datfrozenxid)) FROM pg_database}), 't',
	'no database keeps an older transaction');
ok(!-e $node->data_dir . '/pg_xact/0000', 'the commit log is truncated');
is(sql($node, "SELECT pg_xact_status('$_') IS NULL"), 't', "it knows of $_ no more") foreach $first, $last;
is(first_xid(), $first, 'which the stamps still name');

foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	is(sql($node, "BEGIN ISOLATION LEVEL $level; SELECT digest(); COMMIT"), $rows, "the rows are there: $level");
	is(sql($node, "BEGIN ISOLATION LEVEL $level; UPDATE g SET note = 'x' WHERE id % 3 = 0;
		DELETE FROM a WHERE id < 500; INSERT INTO gone VALUES (1);
		SELECT (SELECT count(*) FROM g WHERE note = 'x') || ' ' || (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM gone); ROLLBACK"),
		$changed, 'and can be changed');
}
is(sql($node, 'SELECT count(*) FROM (SELECT * FROM g FOR UPDATE) x'), '2915', 'and locked');
is(sql($node, q{SELECT live_rows, dead_rows FROM gstore_tables WHERE relname = 'gone'}), '0|1010',
	'what everyone sees deleted waits for the worker');
sql($node, "SELECT gstore_compact('g')");
is(first_xid(), '2', 'what was compacted is frozen');
is(sql($node, 'SELECT digest()'), $rows, 'and the same');

kill 'CONT', $worker;
ok(wait_for('the worker to freeze', sub {
	return sql($node, q{SELECT bool_and(xmin::text = '2') FROM pgstrom.gstore_fdw_chunk_info}) eq 't'; }),
	'the worker freezes the others');
is(sql($node, q{SELECT chunks FROM gstore_tables WHERE relname = 'gone'}), '0', 'and takes back what is deleted');
is(sql($node, 'SELECT digest()'), $rows, 'the rows are the same');
sql($node, "CALL change('g')");
is(sql($node, 'SELECT count(*) FROM g'), '5830', 'and can be added to');
is(at_rest($node), '0', 'what is used is what the chunks take');
$node->stop('fast');
done_testing();
