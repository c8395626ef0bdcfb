
# What keeps memory from being freed is shown, whatever it is, and until it lets
# go; and so is how far compacting is.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

my $node = new_node('held', "wal_level = logical\nmax_replication_slots = 2\n");

# Who holds what: rows, whether that is memory, and whether it says since when.
sub held
{
	return sql($node, q{SELECT kind, name, datname, schemaname, relname, rows,
		bytes > 0, since IS NOT NULL FROM gstore_held ORDER BY kind, name});
}

sub nobody_holds
{
	my ($name) = @_;

	return is(held(), '', $name);
}

# A session that stays; its name is in the view.
sub stay
{
	my ($name, $query) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe("SET application_name = '$name'");
	$session->query_safe($query);
	return $session;
}

sql($node, q{
CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw;
CREATE TABLE heap (id int)});
sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 1000) i});
sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1001, 2000) i});
nobody_holds('nobody holds anything');

# An old snapshot: of a session that is idle in its transaction.
my $old = stay('old', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM heap');
sql($node, 'DELETE FROM t WHERE id <= 100');
sql($node, 'DELETE FROM t WHERE id BETWEEN 1001 AND 1200');
my $young = stay('young', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t');
is(held(), 'snapshot|old|postgres|public|t|300|t|t', 'a snapshot holds what was deleted after it, and no other does');
is(sql($node, "SELECT state, usename = current_user, since <= now(), pid = (SELECT pid FROM pg_stat_activity WHERE application_name = 'old') FROM gstore_held"),
	'idle in transaction|t|t|t', 'and the view says whose it is');
my $taken = used($node);
cmp_ok(sql($node, "SELECT gstore_compact('t')"), '>=', 0, 'compacting meanwhile does no harm');
is($old->query_safe('SELECT count(*) FROM t'), '2000', 'the old snapshot sees its rows');
is($young->query_safe('SELECT count(*) FROM t'), '1700', 'and the young one its own');
$old->query_safe('COMMIT');
$old->quit;
$young->query_safe('COMMIT');
$young->quit;
nobody_holds('they let go');
cmp_ok(sql($node, "SELECT gstore_compact('t')"), '>', 0, 'and the rows can be taken back');
cmp_ok(used($node), '<', $taken, 'with their memory');

# A transaction that is open, or prepared and forgotten.
sql($node, q{BEGIN; INSERT INTO heap VALUES (1); PREPARE TRANSACTION 'forgotten'});
my $writer = stay('writer', 'BEGIN; INSERT INTO heap VALUES (2)');
sql($node, 'DELETE FROM t WHERE id > 1900');
is(held(), "prepared transaction|forgotten|postgres|public|t|100|t|t\nsnapshot|writer|postgres|public|t|100|t|t",
	'open and prepared transactions');
is(sql($node, 'SELECT sum(dead_rows) FROM gstore_tables'), '100', 'these are the dead rows of the table');
sql($node, "COMMIT PREPARED 'forgotten'");
$writer->query_safe('ROLLBACK');
$writer->quit;
nobody_holds('ended');
sql($node, "SELECT gstore_compact('t')");

# A replication slot.
sql($node, "SELECT pg_create_logical_replication_slot('slot', 'pgoutput')");
sql($node, 'DELETE FROM t WHERE id > 1850');
is(held(), 'replication slot|slot|postgres|public|t|50|t|f', 'a replication slot');
sql($node, "SELECT pg_drop_replication_slot('slot')");
nobody_holds('dropped');
sql($node, "SELECT gstore_compact('t')");

# A scan of images that a merge has replaced.
sql($node, q{INSERT INTO t SELECT i, 'more' FROM generate_series(1, 500) i});
my $rows = sql($node, 'SELECT count(*) FROM t');
my $reader = stay('reader', 'BEGIN; DECLARE c CURSOR FOR SELECT id FROM t; FETCH 1 FROM c');
sql($node, "SELECT gstore_compact('t')");
is(held(), "scan|reader|postgres|public|t|$rows|t|t", 'a cursor holds the images that a merge replaced');
$taken = used($node);
is(scalar(split /\n/, $reader->query_safe('FETCH ALL FROM c')), $rows - 1, 'and reads on in them');
$reader->query_safe('CLOSE c');
nobody_holds('closed');
cmp_ok(used($node), '<', $taken, 'the old images are gone');
$reader->quit;

# An image that was handed out; on a GPU, one too large to stay in the arena.
sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(3001, 23000) i});
sql($node, "SELECT gstore_compact('t')");
my $exporter = stay('exporter', "SELECT length(gstore_export_ipchandle('t'))");
nobody_holds('an export of the image that the table has takes nothing more');
sql($node, 'DELETE FROM t WHERE id <= 300');
sql($node, "SELECT gstore_compact('t')");
is(held(), 'export|exporter|postgres|public|t||t|t', 'once the table has another it does');
$exporter->query_safe('DISCARD ALL');
$exporter->quit;
nobody_holds('released');

# Who may see it: who may read the table, or all statistics.
$old = stay('old', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM heap');
sql($node, 'DELETE FROM t WHERE id <= 400');
sql($node, 'CREATE ROLE nobody; CREATE ROLE watcher; GRANT pg_monitor TO watcher');
is(sql($node, 'SET ROLE nobody; SELECT count(*) FROM gstore_held'), '0', 'not everybody sees it');
is(sql($node, 'SET ROLE watcher; SELECT name, relname FROM gstore_held'), 'old|t', 'who watches the server does');
is(sql($node, 'GRANT SELECT ON t TO nobody; SET ROLE nobody; SELECT count(*) FROM gstore_dead()'), '1', 'or may read the table');
$old->query_safe('COMMIT');
$old->quit;

# How far compacting is.
my $progress = q{SELECT relid::regclass, phase, chunks_total, chunks_read, bytes_total > 0, bytes_read = bytes_total, datname FROM gstore_progress_compact};
sql($node, 'INSERT INTO t VALUES (1), (2)') foreach 1 .. 3;
my $chunks = sql($node, 'SELECT chunks FROM gstore_tables');
is(sql($node, $progress), '', 'nobody compacts');
foreach my $case (
	[ 'merge-built' => 'writing merged chunk', "SELECT pg_cancel_backend(pid) FROM gstore_progress_compact" ],
	[ 'merge-after-swap' => 'swapping chunks', "SELECT gstore_fault_wakeup('merge-after-swap')" ])
{
	my ($point, $phase, $go_on) = @$case;
	my $session = start_session($node, "SET gstore_fdw.debug_fault = '$point:wait'; SELECT gstore_compact('t') > 0;");

	ok(waiting_at($node, $point), "a merge is at $point");
	is(sql($node, $progress), "t|$phase|$chunks|$chunks|t|t|postgres", 'its progress says so');
	is(sql($node, "SET ROLE nobody; $progress"), '||||||postgres', 'to strangers only that it is');
	is(sql($node, $go_on), 't', 'it goes on');
	like(end_session($session), $point eq 'merge-built' ? qr/57014/ : qr/^t$/m, 'to its end');
	is(sql($node, $progress), '', 'and is shown no more');
}

sql($node, 'DROP FOREIGN TABLE t');
nobody_holds('a dropped table is held by nobody');
is(used($node), '0', 'all memory is free');
$node->stop('fast');
done_testing();
