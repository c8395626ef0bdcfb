
# A statement that fails or is cancelled leaves no chunk, pin, staging or
# request behind: many times in a row, at every point, in a transaction of its
# own and in PL/pgSQL exception blocks of one that stays open.
#
# GSTORE_REPEAT  how many times (1000)

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $repeat = $ENV{GSTORE_REPEAT} // (device() eq 'cuda' ? 100 : 1000);
# several chunks a statement, or one that is large enough for the device
my $chunk_size = device() eq 'cuda' ? '2MB' : '64kB';
my $node = new_node('left_behind', qq{
gstore_fdw.staging_memory = '16MB'
gstore_fdw.chunk_size = '$chunk_size'
log_statement = none
log_min_messages = fatal
log_min_error_statement = panic
});

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
# over 1 MB, and no two notes alike: smaller images stay in host memory
sql($node, q{INSERT INTO t SELECT i, repeat(md5(i::text), 14) FROM generate_series(1, 3000) i});

# Fails again and again; a NULL ending lets the error of the fault do it.
sql($node, q{
CREATE PROCEDURE again(command text, many int, OUT failed int) LANGUAGE plpgsql AS $$
BEGIN
	failed := 0;
	FOR i IN 1 .. many LOOP
		BEGIN
			EXECUTE command;
			RAISE division_by_zero;
		EXCEPTION
			WHEN internal_error OR query_canceled THEN failed := failed + 1;
			WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END $$;
});

sub chunks
{
	return sql($node, 'SELECT count(*), sum(rawsize), sum(nitems) FROM pgstrom.gstore_fdw_chunk_info');
}

# What a vector of an aborted deletion costs is taken back in the background.
my $before = left_behind($node);
my $chunks_before = chunks();
my $rows_before = sql($node, 'SELECT count(*), sum(id), sum(length(note)) FROM t');

# Its columns settle, on the host device, where their image is to be.
sql($node, q{CREATE FOREIGN TABLE arrow (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow')});
my %insert = (
	one => q{INSERT INTO t VALUES (1, 'x')},
	many => q{INSERT INTO t SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 1500) i},
	many_arrow => q{INSERT INTO arrow SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 1500) i});
my %other = (
	update => q{UPDATE t SET note = note || '!' WHERE id % 100 = 0},
	delete => 'DELETE FROM t WHERE id % 10 = 0',
	everything => 'DELETE FROM t',
	truncate => 'TRUNCATE t',
	read => q{SELECT count(*) FROM t WHERE note <> ''});
my @writing = qw(image-reserve image-place writer-before-encode
  writer-before-publish writer-after-publish);
my @writing_arrow = @writing;
@writing_arrow = map { $_ eq 'writer-before-encode' ? qw(writer-settled writer-before-close) : $_ } @writing
  if device() eq 'host';
my @deleting = qw(deleter-before-publish deleter-after-publish);
my @asking = qw(request-submit request-submitted request-wait request-done);
my %points = (
	one => [@writing], many => [@writing],
	many_arrow => [ @writing_arrow ],
	update => [ @deleting, @writing, 'view-open' ],
	delete => [ @deleting, 'view-open' ],
	read => ['view-open'],
	everything => [], truncate => []);
if (device() eq 'cuda')
{
	push @{ $points{many} }, @asking;
	push @{ $points{read} }, @asking;
}

foreach my $name (sort keys %points)
{
	my $command = $insert{$name} // $other{$name};

	# '' is no fault: the block's own exception takes the statement back
	foreach my $point ('', @{ $points{$name} })
	{
		my $times = $name =~ /many|update/ || $point eq '' ? int($repeat / 10) || 1 : $repeat;
		my $fault = $point eq '' ? '' : "$point:error";
		my $session = $node->background_psql('postgres', on_error_stop => 0);

		$session->query_safe("SET gstore_fdw.debug_fault = '$fault'");
		$session->query_safe('BEGIN');
		my $failed = $session->query("CALL again(\$c\$$command\$c\$, $times, NULL)");
		like($failed, $point eq '' ? qr/^0$/m : qr/^$times$/m,
			"$name fails $times times at '$point' while the transaction stays open");
		nothing_left($node, $before, 'nothing is left although it is open');
		is(chunks(), $chunks_before, 'and no chunk');
		$session->query_safe("SET gstore_fdw.debug_fault = ''");
		like($session->query('SELECT count(*), sum(id), sum(length(note)) FROM t'),
			qr/^\Q$rows_before\E$/m, 'and the rows are what they were');
		$session->query_safe('COMMIT');
		$session->quit;

		# a transaction each
		my $file = $node->basedir . "/again_$name$point.sql";
		append_to_file($file, "SET gstore_fdw.debug_fault = '$fault';\n"
			  . "BEGIN; $command; ROLLBACK;\n" x int($times / 5 + 1));
		$node->command_ok([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $file ],
			"$name at '$point', in transactions of its own");
		nothing_left($node, $before, 'nothing is left');
		is(chunks(), $chunks_before, 'and no chunk');
	}
}

# Cancelled at no particular place, in a transaction that stays open.
my $session = start_session($node, qq{
	BEGIN;
	SET statement_timeout = '5ms';
	\\set ON_ERROR_STOP off
	} . qq{SAVEPOINT s;
	INSERT INTO t SELECT i, repeat('z', 100) FROM generate_series(1, 1000000) i;
	ROLLBACK TO s;
	UPDATE t SET note = repeat(note, 3), id = (SELECT count(*) FROM t AS other WHERE other.id < t.id);
	ROLLBACK TO s;
	SELECT count(*) FROM t a, t b;
	ROLLBACK TO s;
	} x 20 . q{SET statement_timeout = 0; SELECT pg_advisory_lock(1); SELECT pg_sleep(1); COMMIT;});
wait_for('the cancels', sub { return sql($node, 'SELECT count(*) FROM pg_locks WHERE locktype = \'advisory\'') eq '1'; });
nothing_left($node, $before, 'cancelled 60 times, nothing is left though it is open');
is(chunks(), $chunks_before, 'and no chunk');
my $said = end_session($session);
my @cancels = $said =~ /ERROR:  57014/g;
is(scalar(@cancels), 60, 'all were cancelled') or diag(substr($said, 0, 500));
is(sql($node, 'SELECT count(*), sum(id), sum(length(note)) FROM t'), $rows_before, 'the rows are what they were');
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
