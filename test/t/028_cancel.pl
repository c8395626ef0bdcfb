
# Who cancels a statement does not wait for it: whatever the engine is at, it
# ends within 100 ms.  A machine that is busy with other things may take longer
# now and then; it is the median of several that counts.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use Test::More;

use constant MOST_MS => 100;

my $node = new_node('cancel', "work_mem = '256MB'\n");

# A statement is cancelled once it has been at work for so long; until it has
# ended, in milliseconds.
sql($node, q{CREATE FUNCTION cancel(name text, after_ms float8) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	found int;
	began timestamptz;
BEGIN
	LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT pid INTO found FROM pg_stat_activity
		WHERE application_name = name AND state = 'active'
			AND clock_timestamp() - query_start > after_ms * interval '1 ms';
		EXIT WHEN found IS NOT NULL;
		PERFORM pg_sleep(0.001);
	END LOOP;
	began := clock_timestamp();
	PERFORM pg_cancel_backend(found);
	LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = found AND state = 'active');
		PERFORM pg_sleep(0.001);
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - began) * 1000;
END $$});

sub ends_soon
{
	my ($what, $settings, $query) = @_;
	my @took;
	my $said = '';

	foreach my $i (1 .. 7)
	{
		my $session = start_session($node, "$settings;\n$query");

		push @took, sql($node, "SELECT cancel('$session->{name}', " . 20 * $i . ')');
		$said .= end_session($session);
	}
	@took = sort { $a <=> $b } @took;
	is(() = $said =~ /57014/g, scalar(@took), "$what: is cancelled each time")
	  or diag($said);
	# the second best of seven: the machine may be busy with other things
	cmp_ok($took[1], '<=', MOST_MS, "$what: ends soon");
	note("$what: " . join(' ', map { sprintf '%.1f', $_ } @took) . ' ms');
	return;
}

# Few different texts, each many times: little memory, and much to look at.
sql($node, q{CREATE FOREIGN TABLE texts (id int, t text COLLATE "C")
	SERVER gstore_fdw OPTIONS (format 'pgstrom')});
sql($node, q{CREATE FOREIGN TABLE packed (id int, t text OPTIONS (compression 'pglz') COLLATE "C")
	SERVER gstore_fdw OPTIONS (format 'pgstrom')});
sql($node, q{CREATE FOREIGN TABLE rows (id int, k int) SERVER gstore_fdw OPTIONS (format 'arrow')});
sql($node, "INSERT INTO $_ SELECT i, repeat(chr(97 + i % 4) || '1234567', 125000) FROM generate_series(1, 8000) i")
  foreach 'texts', 'packed';
sql($node, 'INSERT INTO rows SELECT i, i % 1000003 * 7 FROM generate_series(1, 3000000) i');

foreach my $threads (1, 2)
{
	my $set = "SET gstore_fdw.host_threads = $threads";

	ends_soon("$threads: a filter of long texts", $set, q{SELECT count(*) FROM texts WHERE t LIKE '%1235%'});
	ends_soon("$threads: a filter of compressed texts", $set, q{SELECT count(*) FROM packed WHERE t LIKE '%1235%'});
	ends_soon("$threads: a deletion", $set, q{DELETE FROM texts WHERE t LIKE '%1235%'});
	# one long statement: a cancel between two short ones would cancel nothing
	ends_soon("$threads: many groups", $set,
		join(' UNION ALL ', ('SELECT count(*) FROM (SELECT k, count(*) FROM rows GROUP BY k) x') x 20));
	ends_soon("$threads: many distinct values", $set,
		join(' UNION ALL ', ('SELECT k % 3, count(DISTINCT k) FROM rows GROUP BY k % 3') x 20));
}
sql($node, 'CREATE TABLE source AS SELECT * FROM rows');
ends_soon("a load by $_ workers", '', "SELECT gstore_load('rows', 'source', $_), " . join(', ', ("gstore_load('rows', 'source', $_)") x 10))
  foreach 0, 2;
ends_soon('an update', '', 'UPDATE rows SET k = k + 1');

is(sql($node, 'SELECT count(*), sum(id) FROM rows'), '3000000|4500001500000', 'nothing was changed');
is(at_rest($node), '0', 'and nothing is left');
$node->stop('fast');
done_testing();
