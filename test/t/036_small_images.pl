
# Small images share pages: single-row commits take little memory, all of it
# comes back, and nobody who maps an exported image finds others' rows beside it.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('small_images', 'synchronous_commit = off');

sql($node, "CREATE FOREIGN TABLE $_ (id int, note text) SERVER gstore_fdw") foreach 't', 'twice';
sql($node, q{CREATE FOREIGN TABLE a (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow')});
sql($node, q{CREATE TABLE heap (id int, note text);
CREATE PROCEDURE commit_rows(t text, n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		EXECUTE format('INSERT INTO %I VALUES (%s, ''row %s'')', t, i, i);
		IF i % 3 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
	END LOOP;
END $$;
-- of every size between some hundred bytes and more than a page
CREATE PROCEDURE commit_sizes(t text) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 300 LOOP
		EXECUTE format('INSERT INTO %I VALUES (%s, repeat(''x'', 16 * %s) || %s)', t, i, i, i);
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION digest(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
	EXECUTE format('SELECT count(*) || ''/'' || sum(hashtextextended(x::text, 0)::numeric) FROM %I x', t) INTO answer;
	RETURN answer;
END $$});
my $empty = left_behind($node);

# What a row takes, and that all comes back.
my $each;
foreach my $t ('t', 'a')
{
	sql($node, "CALL commit_rows('$t', 300)");
	is(sql($node, "SELECT chunks, live_rows FROM gstore_tables WHERE relname = '$t'"), '200|200', "$t: each row is a chunk");
	$each = sql($node, "SELECT memory / chunks FROM gstore_tables WHERE relname = '$t'");
	cmp_ok($each, '<', 1024, 'which takes less than a page');
	is(at_rest($node), '0', 'what is used is what the chunks take');
	cmp_ok(sql($node, 'SELECT pool FROM gstore_request_usage()'), '<', 4 * used($node), 'and not much more of the pool');
	sql($node, "DELETE FROM $t");
	nothing_left($node, $empty, 'without rows nothing is taken');
}

# Every size, written from two sessions in turn.
sql($node, "CALL commit_sizes('$_')") foreach 'heap', 'a';
my @sessions = map { start_session($node, "CALL commit_sizes('$_')") } 't', 'twice';
is(end_session($_), '', 'rows of all sizes are written') foreach @sessions;
my $digest = sql($node, "SELECT digest('heap')");
foreach my $t ('t', 'twice', 'a')
{
	is(sql($node, "SELECT digest('$t')"), $digest, "$t: they are as they were written");
	sql($node, "SELECT gstore_compact('$t')");
	is(sql($node, "SELECT digest('$t')"), $digest, 'and when they are merged');
}
is(at_rest($node), '0', 'what is used is what the chunks take');

# Shared: a piece of a page is copied first.
sql($node, "TRUNCATE $_") foreach 't', 'twice', 'a';
sql($node, "INSERT INTO t VALUES (1, 'mine'); INSERT INTO twice SELECT i, 'many' FROM generate_series(1, 1000) i");
my $session = $node->background_psql('postgres');
my $kind = "SELECT kind || ' ' || (bytes % 4096) FROM gstore_exports WHERE relname = ";
$session->query_safe("SELECT gstore_export_ipchandle('$_') IS NOT NULL") foreach 't', 'twice';
is($session->query_safe($kind . "'t'"), 'copy 0', 'a small image is exported in pages of its own');
is($session->query_safe($kind . "'twice'"), (device() eq 'host' ? 'in place' : 'copy') . ' 0', 'others as they lie');
if (device() eq 'host')
{
	is($session->query_safe(q{SELECT f."offset" % 4096 || ' ' || f.length FROM gstore_export('t') e, gstore_export_host_file(e.handle) f}),
		'0 ' . sql($node, "SELECT gstore_fdw_rawsize('t')"), 'which can be mapped');
}
is(at_rest($node), '0', 'what is used is what chunks and leases take');
$session->quit;

# The worker is interrupted while it clears away: it goes on later.
sql($node, "TRUNCATE $_") foreach 't', 'twice';
set_for_all($node, 'graveyard-sweep:error:50');
sql($node, "SET gstore_fdw.debug_fault = ''; CALL commit_rows('t', 300); TRUNCATE t; CALL commit_rows('twice', 150); TRUNCATE twice");
ok(wait_for('the worker', sub { return slurp_file($node->logfile) =~ /injected fault at "graveyard-sweep"/; }),
	'the worker is interrupted');
set_for_all($node, '');
nothing_left($node, $empty, 'all memory is free in the end');
sql($node, "CALL commit_rows('t', 30)");
is(sql($node, 'SELECT count(*) FROM t'), '20', 'and can be used');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP/, 'no leak');
$node->stop('fast');
done_testing();
