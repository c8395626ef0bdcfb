
# A reader on an old snapshot, while merges replace the images under it and
# updates are committed: its rows stay what they are, each time it looks.  It
# looks after every merge has swapped its images, and after every update.
#
# GSTORE_REPEAT  how many merges, and as many updates (200)

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Digest::MD5 qw(md5_hex);
use PostgreSQL::Test::Utils;
use Test::More;

my $merges = $ENV{GSTORE_REPEAT} // 200;
# pairs of chunks in a table, each of which becomes one
my $pairs = 20;
# of a chunk: two fit into one of 64 kB, three do not, whatever the format
my $rows = 280;
my $tables = int(($merges + $pairs - 1) / $pairs);
my $node = new_node('old_snapshot', q{
log_statement = none
log_min_messages = warning
max_locks_per_transaction = 256
});

$merges = $tables * $pairs;
$PostgreSQL::Test::Utils::timeout_default = 180 + $merges;
sql($node, qq{
CREATE SEQUENCE at;    -- the table in work
CREATE SEQUENCE looks; -- that the reader has taken
CREATE TABLE digests (t int, digest text);
DO \$\$ BEGIN
	FOR t IN 1 .. $tables LOOP
		EXECUTE format('CREATE FOREIGN TABLE t%s (id int, note text, v int) SERVER gstore_fdw OPTIONS (format %L)',
			t, CASE WHEN t % 2 = 0 THEN 'arrow' ELSE 'pgstrom' END);
	END LOOP;
END \$\$;
CREATE FUNCTION digest(t int) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE answer text;
BEGIN
	EXECUTE format('SELECT count(*) || ''/'' || sum(hashtextextended(x::text, 0)::numeric) FROM t%s x', t) INTO answer;
	RETURN answer;
END \$\$;
CREATE PROCEDURE fill() LANGUAGE plpgsql AS \$\$
BEGIN
	FOR t IN 1 .. $tables LOOP
		FOR c IN 1 .. 2 * $pairs LOOP
			EXECUTE format('INSERT INTO t%s SELECT %s * 1000 + i, md5((%s * 1000 + i)::text) || repeat(''x'', 40), 0 FROM generate_series(1, $rows) i', t, c, c);
			COMMIT;
		END LOOP;
		-- some of them have lost rows before anybody looks
		EXECUTE format('DELETE FROM t%s WHERE id %% 50 = 7 AND id < 20000', t);
		COMMIT;
		INSERT INTO digests VALUES (t, digest(t));
	END LOOP;
END \$\$;
CREATE FUNCTION looked() RETURNS bigint LANGUAGE sql AS 'SELECT last_value FROM looks';
-- until the reader has begun to look after now, and is done
CREATE PROCEDURE let_look() LANGUAGE plpgsql AS \$\$
DECLARE before bigint := looked(); start timestamptz := clock_timestamp();
BEGIN
	WHILE looked() < before + 2 LOOP
		IF clock_timestamp() > start + interval '3 minutes' THEN
			RAISE EXCEPTION 'nobody looks any more';
		END IF;
		PERFORM pg_sleep(0.001);
	END LOOP;
END \$\$;
CREATE PROCEDURE work() LANGUAGE plpgsql AS \$\$
BEGIN
	FOR t IN 1 .. $tables LOOP
		PERFORM setval('at', t);
		COMMIT;
		PERFORM gstore_compact(('t' || t)::reggstore);
		COMMIT;
		FOR i IN 1 .. $pairs LOOP
			EXECUTE format('UPDATE t%s SET v = v + 1, note = note || %L WHERE id %% 100 = %s', t, i, i);
			COMMIT;
			CALL let_look();
			COMMIT;
		END LOOP;
	END LOOP;
	PERFORM setval('at', $tables + 1);
END \$\$;
CREATE FUNCTION read_on() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE mine int; is_merge boolean; seen text; merges int := 0; n int := 0;
BEGIN
	LOOP
		-- who stands there moves no further before it is woken
		is_merge := gstore_fault_waiting('merge-after-swap');
		SELECT last_value INTO mine FROM at;
		EXIT WHEN mine > $tables;
		seen := digest(mine);
		n := n + 1;
		IF seen <> (SELECT digest FROM digests WHERE t = mine) THEN
			RAISE EXCEPTION 'CHANGED: table %, after % looks and % merges: %', mine, n, merges, seen;
		END IF;
		PERFORM nextval('looks');
		IF is_merge THEN
			merges := merges + 1;
			PERFORM gstore_fault_wakeup('merge-after-swap');
		END IF;
	END LOOP;
	RETURN format('%s merges, a look at each and at each update: %s', merges, n >= merges + $merges);
END \$\$;
});
sql($node, 'CALL fill()');
is(sql($node, 'SELECT sum(chunks) FROM gstore_tables'), 2 * $merges, 'there is enough to merge');
my $before = sql($node, 'SELECT md5(string_agg(digest, chr(10) ORDER BY t)) FROM digests');
my $all = q{SELECT md5(string_agg(digest(t), chr(10) ORDER BY t)) FROM digests};

# Two readers of the same age: one looks again and again, the other has open
# cursors and reads on in the end.
my $cursors = $node->background_psql('postgres');
$cursors->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$cursors->query_safe("DECLARE c$_ CURSOR FOR SELECT id, note FROM t$_; FETCH 1 FROM c$_") foreach 1 .. $tables;
my $reader = start_session($node,
	"BEGIN ISOLATION LEVEL REPEATABLE READ; $all; SELECT read_on(); $all; COMMIT;");
ok(wait_for('the reader', sub { return sql($node, 'SELECT looked()') > 2; }), 'the reader looks');
my $writer = start_session($node,
	"SET gstore_fdw.chunk_size = '64kB'; SET gstore_fdw.debug_fault = 'merge-after-swap:wait'; CALL work();");
is(end_session($writer), '', 'merges and updates are made');
sql($node, "SELECT setval('at', $tables + 1)"); # should the writer have failed
is(end_session($reader), "$before\n$merges merges, a look at each and at each update: t\n$before\n",
	"$merges merges and as many updates change nothing of what it sees");
is(sql($node, 'SELECT sum(chunks) >= ' . $merges . ', sum(updated) > ' . $merges . ' FROM gstore_tables'),
	't|t', 'they were made');
isnt(sql($node, $all), $before, 'others see the changes');

my $read = 0;
foreach my $t (1 .. $tables)
{
	my @fetched = split /\n/, $cursors->query_safe("FETCH ALL FROM c$t");

	foreach (@fetched)
	{
		my ($id, $note) = split /\|/;

		$read++ if $note eq md5_hex($id) . 'x' x 40;
	}
}
is($read, $tables * (2 * $pairs * $rows - 19 * 6 - 1), 'cursors read on in images that are no table\'s any more');
cmp_ok(sql($node, q{SELECT count(*) FROM gstore_held WHERE kind = 'scan'}), '>', 0, 'which the view shows');
$cursors->query_safe('COMMIT');
$cursors->quit;
is(sql($node, q{SELECT count(*) FROM gstore_held}), '0', 'closed, they hold nothing');
is(at_rest($node), '0', 'what is used is what the chunks take');
sql($node, 'DO $$ BEGIN FOR t IN 1 .. ' . $tables . q{ LOOP EXECUTE format('DROP FOREIGN TABLE t%s', t); END LOOP; END $$});
is(used($node), '0', 'all memory is free in the end');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP/, 'no leak');
$node->stop('fast');
done_testing();
