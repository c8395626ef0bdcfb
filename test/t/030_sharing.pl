
# What another process finds in exported memory is what the exporting session
# sees, and stays it, whatever becomes of the table.  With GSTORE_LONG=1 after
# 10,000 updates instead of 400.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $client = "$ENV{GSTORE_CLIENTS}/map_table.py";
my $have_modules = system("python3 $ENV{GSTORE_CLIENTS}/have_modules.py 2>/dev/null") == 0;
plan skip_all => 'there is no numpy or pyarrow' unless $have_modules;
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM} if device() eq 'cuda';

my $node = new_node('sharing', "gstore_fdw.chunk_size = '2MB'\nautovacuum_naptime = 3600\nlog_min_messages = warning");

my $columns = 'k int, big int8, x float8, ok boolean, note text';
sql($node, "CREATE FOREIGN TABLE $_ ($columns) SERVER gstore_fdw OPTIONS (format '$_')")
  for qw(pgstrom arrow);
sql($node, 'CREATE ROLE reader LOGIN; GRANT SELECT ON pgstrom, arrow TO reader;'
	  . 'GRANT EXECUTE ON FUNCTION gstore_export(reggstore), gstore_export_ipchandle(reggstore),'
	  . 'gstore_export_chunks(reggstore), gstore_release_ipchandle(bytea), gstore_export_host_file(bytea) TO reader');

sub rows
{
	my ($from, $to) = @_;
	return "SELECT i, i * 10000000000::int8, CASE WHEN i % 7 <> 0 THEN i / 8.0 END, "
	  . "CASE WHEN i % 5 <> 0 THEN i % 2 = 0 END, CASE WHEN i % 3 <> 0 THEN 'note ' || i % 1000 END "
	  . "FROM generate_series($from, $to) i";
}

# What a client needs to map what a session exports by an expression.
sub exported
{
	my ($session, $call) = @_;
	my $got = $session->query("SELECT 'E', encode(handle, 'hex'), length FROM $call");
	my @found;

	foreach my $line (split /\n/, $got)
	{
		next unless $line =~ /^E\|(\w*)\|(\d*)$/;
		my ($handle, $length) = ($1, $2);
		if (device() eq 'cuda')
		{
			push @found, { handle => $handle, arguments => "cuda $handle $length" };
			next;
		}
		my $file = $session->query("SELECT 'F', path, \"offset\", length FROM gstore_export_host_file('\\x$handle')");
		$file =~ /^F\|(\S+)\|(\d+)\|(\d+)$/m or die "no file: $file";
		push @found, { handle => $handle, arguments => "host $1 $2 $3" };
	}
	return @found;
}

# Rows another process reads, sorted as lines.
sub mapped
{
	my $text = '';

	foreach my $image (@_)
	{
		my $rows = qx(python3 $client $image->{arguments});
		is($?, 0, 'the client mapped it') or diag($rows);
		$text .= $rows;
	}
	return join "\n", sort split /\n/, $text;
}

sub md5
{
	my ($image) = @_;
	return qx(python3 $client $image->{arguments} --md5);
}

sub seen
{
	my ($session, $table) = @_;
	my $text = $session->query("COPY (SELECT * FROM $table) TO STDOUT");
	return join "\n", sort split /\n/, $text;
}

sub open_session
{
	my ($user) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0,
		extra_params => defined $user ? [ '-U', $user ] : []);
	return $session;
}

sub leases
{
	return sql($node, 'SELECT count(*) FROM gstore_exports');
}

my $before = left_behind($node);

foreach my $table (qw(pgstrom arrow))
{
	my $session = open_session();
	my $call = "gstore_export('$table')";

	like($session->query("SELECT gstore_export_ipchandle('$table') IS NULL"), qr/^t$/m, "$table: an empty table has no handle");
	sql($node, "INSERT INTO $table " . rows(1, 20000));

	# one chunk, as it is
	my ($image) = exported($session, $call);
	is(mapped($image), seen($session, $table), "$table: one chunk");
	like($session->query("SELECT kind, exports FROM gstore_exports WHERE relname = '$table'"),
		device() eq 'cuda' ? qr/^(copy|in place)\|1$/m : qr/^in place\|1$/m, 'its owner gets the memory itself');
	my ($again) = exported($session, $call);
	is($again->{handle}, $image->{handle}, 'exported again: the same handle');
	like($session->query("SELECT exports FROM gstore_exports"), qr/^2$/m, 'counted');

	# several chunks, rows deleted by others
	sql($node, "INSERT INTO $table " . rows(20001, 120000));
	sql($node, "DELETE FROM $table WHERE k % 10 = 3");
	my @chunks = exported($session, "gstore_export_chunks('$table')");
	cmp_ok(scalar(@chunks), '>', 1, 'several chunks');
	is(mapped(@chunks), seen($session, $table), "$table: chunk by chunk");
	my ($whole) = exported($session, $call);
	is(mapped($whole), seen($session, $table), "$table: several chunks in one image");

	# what is not committed is there for the session that did it, alone
	my $other = open_session();
	$session->query_safe("BEGIN; INSERT INTO $table " . rows(-50, -1) . "; DELETE FROM $table WHERE k BETWEEN 100 AND 200; SAVEPOINT s; DELETE FROM $table; ROLLBACK TO s");
	my ($mine) = exported($session, $call);
	my ($theirs) = exported($other, $call);
	is(mapped($mine), seen($session, $table), "$table: with changes of its own");
	is(mapped($theirs), seen($other, $table), "$table: without those of others");
	isnt(mapped($mine), mapped($theirs), 'which differ');

	# as many rows, but others: each time what is seen then
	$session->query_safe('SAVEPOINT s');
	foreach my $k (300 .. 303)
	{
		$session->query_safe("DELETE FROM $table WHERE k = " . ($k % 2 ? $k : $k + 1000));
		$session->query_safe("INSERT INTO $table SELECT * FROM $table WHERE k = $k") if $k > 301;
		my ($image) = exported($session, $call);
		is(mapped($image), seen($session, $table), "$table: another row than before");
		my ($again) = exported($session, $call);
		is($again->{handle}, $image->{handle}, 'and the same image for the same rows');
		$session->query_safe('ROLLBACK TO s') if $k % 4 < 3;
	}
	$session->query_safe('ROLLBACK TO s');
	my ($back) = exported($session, $call);
	is(mapped($back), seen($session, $table), "$table: as before");

	# an older snapshot
	$other->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM $table");
	my $old = seen($other, $table);
	$session->query_safe('COMMIT');
	sql($node, "UPDATE $table SET note = 'new' WHERE k % 4 = 0");
	my ($older) = exported($other, $call);
	is(mapped($older), $old, "$table: an older snapshot's rows");
	is(seen($other, $table), $old, 'which are those it sees');
	$other->query_safe('COMMIT');

	# who could not change the table gets a copy, whose bytes are its own
	my $reader = open_session('reader');
	my ($copy) = exported($reader, $call);
	is(mapped($copy), seen($session, $table), "$table: a reader's copy");
	like($session->query("SELECT kind FROM gstore_exports WHERE usename = 'reader'"), qr/^copy$/m, 'is a copy');
	my $rows = seen($session, $table);
	is(system("python3 $client $copy->{arguments} --scribble"), 0, 'which the reader scribbles over');
	is(seen($session, $table), $rows, 'and the table is what it was');
	like($reader->query("SELECT encode(gstore_export_ipchandle('$table'), 'hex')"), qr/^$copy->{handle}$/m,
		'the same session gets its own copy again');

	# leased bytes stay, whatever happens to the table
	my %md5 = map { $_->{handle} => md5($_) } @chunks, $whole, $older;
	my $script = $node->basedir . "/busy_$table.sql";
	my $updates = $ENV{GSTORE_LONG} ? 10000 : 400;
	foreach my $k (21 .. 40)
	{
		append_to_file($script, "UPDATE $table SET x = x + 1 WHERE k = $k;\n" x ($updates / 20));
		append_to_file($script, "SELECT gstore_compact('$table');\n") if $k % 5 == 0;
	}
	$node->command_ok([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $script ], "$updates updates and merges");
	sql($node, "DROP FOREIGN TABLE $table");
	is(md5($_), $md5{ $_->{handle} }, 'leased bytes outlive DROP TABLE') foreach @chunks, $whole, $older;

	# the ends of leases
	like($session->query("SELECT gstore_release_ipchandle('\\x$whole->{handle}')"), qr/^t$/m, 'released');
	like($reader->query("SELECT gstore_release_ipchandle('\\x$whole->{handle}')"), qr/^f$/m, 'by nobody else');
	$session->query_safe('DISCARD ALL');
	is(sql($node, "SELECT count(*) FROM gstore_exports WHERE pid = " . ($session->query('SELECT pg_backend_pid()') =~ /(\d+)/)[0]), 0, 'DISCARD ALL ends them');
	$reader->quit;
	kill 'KILL', $other->{run}->{KIDS}[0]{PID};
	wait_for('the leases of sessions that ended', sub { return leases() eq '0'; });
	$session->quit;
	nothing_left($node, $before, "$table: nothing is left");
}

# Limits, and what cannot be exported.
sql($node, "CREATE FOREIGN TABLE t ($columns) SERVER gstore_fdw; INSERT INTO t " . rows(1, 10));
like(error_of($node, 'SET gstore_fdw.max_session_exports = 0; SELECT gstore_export_ipchandle(\'t\')'),
	qr/53400.*too many exported images/s, 'a limit per session');
is(leases(), 0, 'which leaves nothing');
nothing_left($node, left_behind($node), 'really');
like(error_of($node, "SELECT gstore_release_ipchandle('\\x00')"), qr/22023.*64 bytes|22023.*has 64/s, 'a handle has 64 bytes');
like(error_of($node, 'SELECT gstore_export_host_file(\'\\x' . '00' x 64 . '\')'), qr/42704/, 'a handle nobody exported');
my $out = '';
$node->psql('postgres', "SET ROLE reader; SELECT gstore_export_ipchandle('t')", stderr => \$out);
like($out, qr/permission denied for foreign table t/, 'SELECT is needed');
sql($node, 'CREATE ROLE nobody');
$node->psql('postgres', "SET ROLE nobody; SELECT gstore_export_ipchandle('t')", stderr => \$out);
like($out, qr/permission denied for function/, 'and EXECUTE');

# The table's own memory, overwritten by who may: errors or wrong values of
# this table, but no crash and nothing of others.
sql($node, 'CREATE FOREIGN TABLE other (k int) SERVER gstore_fdw; INSERT INTO other SELECT generate_series(1, 100000)');
foreach my $format (qw(pgstrom arrow))
{
	my $session = open_session();
	sql($node, "CREATE FOREIGN TABLE s ($columns) SERVER gstore_fdw OPTIONS (format '$format'); INSERT INTO s " . rows(1, 100000));
	my ($image) = exported($session, 'gstore_export(\'s\')');
	system("python3 $client $image->{arguments} --scribble");
	foreach my $query ('SELECT count(note), sum(k), max(x) FROM s', 'SELECT count(*) FROM s WHERE note LIKE \'%7\' OR ok',
		'SELECT count(*) FROM s WHERE x > 10', 'DELETE FROM s WHERE note = \'x\'', 'SELECT gstore_compact(\'s\')',
		'SELECT gstore_export(\'s\')', 'ANALYZE s', 'SELECT * FROM s ORDER BY note LIMIT 1')
	{
		my $error = error_of($node, $query);
		ok($error eq '' || $error =~ /XX001|22021|22P02/, "$format, overwritten: $query") or diag($error);
	}
	is(sql($node, 'SELECT count(*), sum(k) FROM other'), '100000|5000050000', 'another table is what it was');
	sql($node, 'DROP FOREIGN TABLE s');
	$session->quit;
}
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal|was lost/, 'no leak, no crash, no lost device');
$node->stop('fast');
done_testing();
