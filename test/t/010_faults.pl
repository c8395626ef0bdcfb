
# Whatever ends a statement, and wherever: nothing it asked for is left behind,
# neither requests nor staging nor memory of a device.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

# A small staging area, so that both ways through it are gone: roomy windows for
# chunks of 2 MB, narrow ones for a chunk of 12 MB.
# What is read is brought to the CPU: 035_kernels and 036_merge_kernels have the
# faults of kernels.
my $node = new_node('faults', "gstore_fdw.staging_memory = '16MB'\ngstore_fdw.enable_kernels = off\n");
my $load = q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 100000) i};

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
# On the host device the columns of this one settle where their image is to be.
sql($node, q{CREATE FOREIGN TABLE arrow (id int, note text) SERVER gstore_fdw OPTIONS (format 'arrow')});
sql($node, 'CREATE FOREIGN TABLE small (id int) SERVER gstore_fdw');
sql($node, 'CREATE FOREIGN TABLE full_2 (id int, note text) SERVER gstore_fdw');
sql($node, 'CREATE FOREIGN TABLE full_256 (id int, note text) SERVER gstore_fdw');
foreach my $size (2, 256)
{
	sql($node, "SET gstore_fdw.chunk_size = '${size}MB'; " . $load =~ s/INTO t/INTO full_$size/r);
}
my %answer = (
	'SELECT count(*), sum(length(note)) FROM full_2' => '100000|10488895',
	'SELECT count(*), sum(length(note)) FROM full_256' => '100000|10488895');
my $before = left_behind($node);

# What to do, with the points it passes.
my @writing = qw(image-reserve image-place writer-before-encode
  writer-before-publish writer-after-publish);
my @reading = qw(view-open);
my @asking = qw(request-submit request-submitted request-wait request-done);
my @writing_arrow = @writing;
@writing_arrow = map { $_ eq 'writer-before-encode' ? qw(writer-settled writer-before-close) : $_ } @writing
  if device() eq 'host';
my @cases = (
	[ "SET gstore_fdw.chunk_size = '2MB'; $load", @writing ],
	[ $load, @writing ],
	[ 'INSERT INTO small VALUES (1), (2)', @writing ],
	(map { [ $_, @reading ] } sort keys %answer),
	[ "SET gstore_fdw.chunk_size = '2MB'; " . $load =~ s/INTO t/INTO arrow/r, @writing_arrow ]);
if (device() eq 'cuda')
{
	push @{ $cases[0] }, @asking;
	push @{ $cases[1] }, @asking, 'image-narrow';
	push @{ $cases[3] }, @asking;
	push @{ $cases[4] }, @asking, 'view-narrow';
}

foreach my $case (@cases)
{
	my ($statement, @points) = @$case;
	my $short = substr($statement, 0, 60);

	foreach my $point (@points)
	{
		foreach my $action ('error', 'error:2', 'fatal', 'fatal:3')
		{
			my ($status, $out, $err) = $node->psql('postgres',
				"SET gstore_fdw.debug_fault = '$point:$action'; BEGIN; $statement; ROLLBACK",
				on_error_stop => 1);

			# a statement may pass a point only once
			if ($action !~ /:/)
			{
				like($err, qr/injected .*"$point"/, "$action at $point in: $short");
			}
			nothing_left($node, $before, "nothing left after $action at $point");
		}
	}
}

# An exception block takes the error: the transaction goes on, and so the
# resources must be gone with the subtransaction.
foreach my $point (device() eq 'cuda' ? (@asking, 'view-open') : ('view-open'))
{
	my $out = sql($node, qq{
		SET gstore_fdw.debug_fault = '$point:error:3';
		BEGIN;
		DO \$\$ DECLARE n bigint; BEGIN
			FOR i IN 1..10 LOOP
				BEGIN
					SELECT count(*) INTO n FROM full_2 WHERE note <> '';
				EXCEPTION WHEN internal_error THEN NULL;
				END;
			END LOOP;
		END \$\$;
		SELECT requests, narrow, staging FROM gstore_request_usage();
		COMMIT});

	like($out, qr/^[01]\|0\|0$/m, "after an exception at $point the transaction goes on");
	nothing_left($node, $before, 'and nothing is left');
}

# What is staged is flushed for a query that fails alone, while its statement goes
# on: all rows get there, or it says that some did not.
sql($node, q{CREATE FUNCTION look(name text, i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF i % 7000 = 0 THEN
		BEGIN
			EXECUTE format('SELECT count(*) FROM %I', name);
		EXCEPTION WHEN internal_error THEN NULL;
		END;
	END IF;
	RETURN i;
END $$});
foreach my $case (map { my $table = $_; map { [ $table, $_ ] } '512kB', '5MB', '64MB' } 't', 'arrow')
{
	my ($table, $size) = @$case;

	foreach my $point ($table eq 'arrow' ? @writing_arrow : @writing, device() eq 'cuda' ? @asking : ())
	{
		foreach my $n (1 .. 4)
		{
			my ($status, $out, $err) = $node->psql('postgres', qq{
				\\set VERBOSITY sqlstate
				SET gstore_fdw.chunk_size = '$size';
				SET gstore_fdw.debug_fault = '$point:error:$n';
				BEGIN;
				INSERT INTO $table SELECT look('$table', i), repeat('x', 900) || i FROM generate_series(1, 25000) i;
				SET gstore_fdw.debug_fault = '';
				SELECT count(*), sum(id), sum(length(note)) FROM $table;
				ROLLBACK}, on_error_stop => 1);

			like("$out$err", qr/^25000\|312512500\|22613894$|ERROR:  (XX000|55000)$/,
				"$table, $size: all rows, or an error, after the error at $point $n");
			# nothing was lost yet; where columns settle, it is the statement that reserves
			is($err, '', 'here all rows') if $size eq '64MB' && $n == 1
			  && ($point =~ /before-(encode|close)/ || $point eq 'image-reserve' && "@writing_arrow" !~ /settled/);
			# it was under way
			like($err, qr/55000/, 'here an error') if $size eq '64MB' && $n == 1 && $point =~ /place|publish|request/;
			nothing_left($node, $before, 'and nothing is left');
		}
	}
}

# Stopped while it waits, by cancel and by the end of its session.
foreach my $case (@cases)
{
	my ($statement, @points) = @$case;
	my $point = $points[ -1 ];

	foreach my $how ('pg_cancel_backend', 'pg_terminate_backend')
	{
		my $session = start_session($node,
			"SET gstore_fdw.debug_fault = '$point:wait:1'; BEGIN; $statement;");

		ok(waiting_at($node, $point), "it waits at $point");
		sql($node, "SELECT $how(pid) FROM pg_stat_activity WHERE application_name = '$session->{name}'");
		like(end_session($session), qr/57014|57P01|terminat/, "$how stops it at once");
		nothing_left($node, $before, 'and nothing is left');
	}
}

# A wake-up lets it go on.
my $session = start_session($node,
	"SET gstore_fdw.debug_fault = 'view-open:wait:1'; SELECT count(*) FROM full_2 WHERE note <> '';");
ok(waiting_at($node, 'view-open'), 'it waits');
ok(wake_up($node, 'view-open'), 'it is woken');
is(end_session($session), "100000\n", 'and answers');
ok(!wake_up($node, 'view-open'), 'nobody else is there to wake');

# Open cursors keep their windows and hinder nobody.
my $cursors = start_session($node, join("\n", 'BEGIN;',
	(map { "DECLARE c$_ CURSOR FOR SELECT * FROM full_2; FETCH 1 FROM c$_ \\g /dev/null" } 1 .. 30),
	"SET gstore_fdw.debug_fault = 'view-open:wait:1';",
	'DECLARE last CURSOR FOR SELECT * FROM full_2; FETCH 1 FROM last;'));
ok(waiting_at($node, 'view-open'), 'thirty cursors are open');
foreach my $query (sort keys %answer)
{
	is(sql($node, "SET statement_timeout = '60s'; $query"), $answer{$query},
		"beside them: $query");
}
sql($node, "SET statement_timeout = '60s'; BEGIN; $load; ROLLBACK");
pass('and a load');
wake_up($node, 'view-open');
end_session($cursors);
nothing_left($node, $before, 'closed, they leave nothing');

# All narrow windows are taken: who needs one waits, and can be stopped.
if (device() eq 'cuda')
{
	my ($big) = grep { /full_256/ } sort keys %answer;
	my @holders;

	while (sql($node, 'SELECT narrow FROM gstore_request_usage()') < 4)
	{
		my $holds = sql($node, 'SELECT narrow FROM gstore_request_usage()');

		push @holders, start_session($node,
			"SET gstore_fdw.debug_fault = 'view-narrow:wait:1'; $big;");
		wait_for('one more', sub {
			return sql($node, 'SELECT narrow FROM gstore_request_usage()') > $holds; })
		  or last;
	}
	is(sql($node, 'SELECT narrow FROM gstore_request_usage()'), '4',
		'all narrow windows are taken');
	foreach my $statement ($big, "BEGIN; $load; ROLLBACK")
	{
		like(error_of($node, "SET gstore_fdw.debug_fault = 'staging-wait:error'; $statement;"),
			qr/injected fault at "staging-wait"/, "another one has to wait: $statement");
		like(error_of($node, "SET statement_timeout = '300ms'; $statement;"),
			qr/57014/, 'and is stopped');
	}
	my @waiting = map { start_session($node, "$_;") } ($big, $big, "BEGIN; $load; ROLLBACK");
	is(sql($node, (grep { /full_2\b/ } sort keys %answer)[0]), '100000|10488895',
		'who needs none does not wait');
	ok(wake_up($node, 'view-narrow'), 'they are given back');
	is(end_session($_), "100000|10488895\n", 'who had one goes on') foreach @holders;
	unlike(end_session($_), qr/ERROR/, 'and so does who waited') foreach @waiting;
	nothing_left($node, $before, 'nothing is left');
}

# A session that fails again and again, and goes on, does not grow.
my ($first, $last) = split /\n/, sql($node, join("\n", "SET gstore_fdw.debug_fault = 'view-open:error:3';",
	(q{DO $$ DECLARE n bigint; BEGIN
		FOR i IN 1 .. 300 LOOP
			BEGIN
				PERFORM set_config('gstore_fdw.debug_fault', 'view-open:error:' || i % 5, false);
				SELECT count(*) INTO n FROM full_2 WHERE id % 100 = 0;
			EXCEPTION WHEN internal_error OR invalid_parameter_value THEN NULL;
			END;
		END LOOP;
	END $$;
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts;}) x 2));
cmp_ok($last - $first, '<=', 65536, "hundreds of failed scans later it has not grown");
nothing_left($node, $before, 'nor left anything');

is(sql($node, $_), $answer{$_}, $_) foreach sort keys %answer;
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/resource leak|PANIC|TRAP/, 'the log tells of no leak');
$node->stop('fast');
done_testing();
