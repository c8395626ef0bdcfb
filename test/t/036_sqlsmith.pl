
# Statements that SQLsmith makes up, on tables of both formats beside heap twins:
# the same rows and the same changes, and whatever they do, the server stands.
#
# SQLsmith is shown ordinary tables of the same shape, so that it changes them
# too; what it writes is put to the twins, to the gstore tables, and to the twins
# again, each time in a transaction that is rolled back.  A statement whose outcome
# the twins themselves disagree on (the time, an xid) is not judged.
#
# GSTORE_SQLSMITH_SECONDS  how long (10)
# GSTORE_SEED              of the first statements

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use GstoreRandom;
use PostgreSQL::Test::Utils;
use Test::More;

# of one round; a round is a seed
use constant STATEMENTS => 300;

my $seconds = $ENV{GSTORE_SQLSMITH_SECONDS} // 10;
my $seed = $ENV{GSTORE_SEED} // 2311;

plan skip_all => 'there is no SQLsmith'
  if system('sqlsmith --version >/dev/null 2>&1') != 0;

note("GSTORE_SEED=$seed GSTORE_SQLSMITH_SECONDS=$seconds");
srand($seed);

# Images of some chunks are large enough for a GPU here, those of others not.
my $node = new_node('sqlsmith', q{
gstore_fdw.debug_small_image = '16kB'
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = verbose
});

# Whom may a made-up statement harm?  Itself.
sql($node, twins() . q{
CREATE ROLE smith;
CREATE DATABASE shape;
ALTER DATABASE postgres SET timezone = 'UTC';
CREATE TABLE outcomes (query text, gstore text, heap text);
GRANT ALL ON outcomes, pgstrom, arrow, heap_pgstrom, heap_arrow TO smith;
CREATE FUNCTION digest(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT count(*) || '':'' || coalesce(md5(string_agg(x::text, '','' ORDER BY x::text COLLATE "C")), '''') FROM %s x', name)
		INTO result;
	RETURN result;
END $$;
-- what a statement returns, or does to the two tables; or its SQLSTATE
CREATE FUNCTION outcome(query text, prefix text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; failed text; message text;
BEGIN
	query := regexp_replace(query, '\mt\.(pgstrom|arrow)\M', prefix || '\1', 'g');
	IF query ~* '^\s*select' THEN
		result := digest(format('(%s)', query));
	ELSE
		EXECUTE query;
		result := digest(prefix || 'pgstrom') || ' ' || digest(prefix || 'arrow');
	END IF;
	RAISE 'done' USING ERRCODE = 'ZZ000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS failed = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	IF message LIKE 'cannot display a value of type %' THEN
		failed := 'pseudotype';
	END IF;
	RETURN CASE failed WHEN 'ZZ000' THEN result ELSE 'failed: ' || failed END;
END $$;
CREATE PROCEDURE judge(query text) LANGUAGE plpgsql AS $$
DECLARE h text := outcome(query, 'heap_'); g text := outcome(query, '');
BEGIN
	IF g = h OR h = outcome(query, 'heap_') THEN
		INSERT INTO outcomes VALUES (query, g, h);
	END IF;
END $$;
});
sql($node, fill($_, 1, 40) . fill($_, 290, 330)) foreach qw(pgstrom arrow);
sql($node, in_both('DELETE FROM TABLE WHERE id % 9 = 0') . in_both('ANALYZE TABLE'));
# functions of which nobody can say what they return
my @volatile = split(/\n/, sql($node,
	q{SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace}));
my %volatile = map { $_ => 1 } @volatile;
my $columns = join(', ', 'id int', map { "$types{$_}[0] $_" } @names);
$node->safe_psql('shape',
	"CREATE SCHEMA t; CREATE TABLE t.pgstrom ($columns); CREATE TABLE t.arrow ($columns);");

# What can be judged of a round's statements.
sub statements
{
	my ($round) = @_;
	my ($out, $err) = run_command(
		[ 'sqlsmith', '--target=' . $node->connstr('shape'), '--exclude-catalog',
			'--dry-run', "--seed=$round", '--max-queries=' . STATEMENTS ]);
	my @statements;

	foreach my $statement (split(/;\n/, $out))
	{
		next if $statement =~ /^\s*$|^\s*MERGE/;
		# foreign tables have no samples; which rows a limit leaves is anybody's guess
		$statement =~ s/tablesample (?:system|bernoulli) \([\d.]+\)//g;
		$statement =~ s/\blimit \d+(?! offset)//g;
		next if grep { $volatile{$_} } $statement =~ /pg_catalog\.(\w+)\(/g;
		push @statements, $statement;
	}
	return @statements;
}

my $until = time + $seconds;
my ($round, $made) = (0, 0);
while (time < $until)
{
	my @statements = statements($seed + $round++);
	my $session = start_session($node, "\\set ON_ERROR_STOP off\n\\set VERBOSITY terse\n"
		  . "SET ROLE smith; SET statement_timeout = '1s'; SET extra_float_digits = -6;\n"
		  . "SET max_parallel_workers_per_gather = 0; SET jit = off;\n"
		  . join('', map { "CALL judge(\$smith\$$_\$smith\$);\n" } @statements));

	$made += @statements;
	end_session($session);
	last unless wait_until_up($node);
}

my $counts = sql($node, q{SELECT count(*) FILTER (WHERE gstore = heap AND gstore !~ 'failed'),
	count(*) FILTER (WHERE gstore = heap AND gstore ~ 'failed'),
	count(*) FILTER (WHERE gstore <> heap AND gstore ~ 'failed' AND heap ~ 'failed') FROM outcomes});
my ($same, $failed, $otherwise) = split(/\|/, $counts);
note("$made statements: $same with the same outcome, $failed with the same error, $otherwise with another one");
cmp_ok($same, '>', 0, 'statements were judged');
is(sql($node, q{SELECT count(*) FROM outcomes WHERE gstore <> heap AND gstore !~ 'failed' AND heap !~ 'failed'}),
	'0', 'each with the same outcome')
  or diag(sql($node, q{SELECT gstore, heap, query FROM outcomes
	WHERE gstore <> heap AND gstore !~ 'failed' AND heap !~ 'failed' ORDER BY length(query) LIMIT 3}));
# Which of two errors in a statement comes first, or whether a row is looked at
# that has one, is for the plan to say; but no other errors than these.
is(sql($node, q{SELECT DISTINCT gstore FROM outcomes WHERE gstore <> heap
	AND gstore ~ 'failed' AND gstore !~ '(22...|42804|42883|pseudotype)$'}), '', 'no error of our own')
  or diag(sql($node, q{SELECT gstore, heap, query FROM outcomes
	WHERE gstore <> heap AND gstore ~ 'failed' AND gstore !~ '(22...|42804|42883|pseudotype)$' ORDER BY length(query) LIMIT 3}));
sql($node, 'TRUNCATE pgstrom, arrow');
is(at_rest($node), '0', 'nothing is left');
my $log = slurp_file($node->logfile);
unlike($log, qr/resource leak|PANIC|TRAP|terminated by signal/, 'no leak, no crash');
$node->stop('fast');
done_testing();
