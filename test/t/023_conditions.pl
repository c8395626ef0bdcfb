
# Random conditions and expressions over every type that the engine computes
# with, on tables of both formats, beside heap twins: the same rows, or the same
# SQLSTATE.  Rows have NULLs and edge values; some are deleted, some belong to
# open transactions, ours and another's.
#
# The twins' rows lie in the same order, so that the first error is the same.
#
# GSTORE_STATEMENTS  conditions in all
# GSTORE_SEED        which ones

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use GstoreRandom;
use PostgreSQL::Test::Utils;
use Test::More;

my $wanted = $ENV{GSTORE_STATEMENTS} // 10000;
my $seed = $ENV{GSTORE_SEED} // 230923;
# Images of some chunks are large enough for a GPU here, those of others not.
my $node = new_node('conditions', q{
gstore_fdw.chunk_size = '64kB'
gstore_fdw.debug_small_image = '16kB'
});

note("GSTORE_SEED=$seed GSTORE_STATEMENTS=$wanted");
srand($seed);

sql($node, twins() . q{
ALTER DATABASE postgres SET timezone = 'America/St_Johns';
CREATE TABLE conditions (id int, kind text, expression text);
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE query INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION query_of(kind text, expression text, tab text) RETURNS text LANGUAGE sql AS $$
	SELECT format(CASE kind WHEN 'where' THEN 'SELECT count(*) || '':'' || md5(string_agg(id::text, '','' ORDER BY id)) FROM %2$I WHERE %1$s'
		ELSE 'SELECT md5(string_agg(coalesce((%1$s)::text, ''-''), '','' ORDER BY id, (%1$s)::text COLLATE "C")) FROM %2$I WHERE id <= 300' END,
		expression, tab) $$;
CREATE FUNCTION is_pushed(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE plan text := ''; line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan ~ 'Pushed Filter' AND plan !~ '\n *Filter:';
EXCEPTION WHEN OTHERS THEN
	RETURN false; -- a constant in it is an error already
END $$;
CREATE FUNCTION uses_kernels(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE plan text := ''; line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS off) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan ~ 'Kernel Launches';
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
-- what differs
CREATE FUNCTION differences(from_id int, to_id int, OUT id int, OUT place text, OUT mine text, OUT twins text, OUT expression text)
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT c.id, f, m, t, c.expression
	FROM conditions c, unnest('{pgstrom,arrow}'::text[]) f,
		LATERAL (SELECT answer(query_of(c.kind, c.expression, f)) AS m OFFSET 0) x,
		LATERAL (SELECT answer(query_of(c.kind, c.expression, 'heap_' || f)) AS t OFFSET 0) y
	WHERE c.id BETWEEN from_id AND to_id AND m IS DISTINCT FROM t $$;
});

my @conditions;
foreach my $i (1 .. $wanted)
{
	my $kind = rand() < 0.85 ? 'where' : 'value';
	my $text = $kind eq 'where' ? condition(3) : expression(pick(@names), 3);

	$text = "id <= 300 AND ($text)" if $kind eq 'where' && rand() < 0.6;
	push @conditions, "($i, '$kind', \$e\$$text\$e\$)";
}
while (my @some = splice(@conditions, 0, 500))
{
	sql($node, 'INSERT INTO conditions VALUES ' . join(",\n", @some));
}

# Compare a share of the conditions; before are statements of the same session.
my $done = 0;

sub compare
{
	my ($name, $share, $before) = @_;
	my $to = $share ? $done + int($wanted * $share) : $wanted;
	my $found = sql($node,
		"$before\nSELECT * FROM differences($done + 1, $to) LIMIT 5;");

	is($found, '', "$name: conditions " . ($done + 1) . " to $to");
	$done = $to;
}

compare('empty tables', 0.02, '');
sql($node, fill($_, 1, 400) . in_order($_)) foreach qw(pgstrom arrow);
compare('as inserted', 0.38, '');
sql($node, in_both('DELETE FROM TABLE WHERE id % 7 = 3'));
compare('rows deleted', 0.2, '');

my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; DELETE FROM pgstrom WHERE id % 5 = 0; DELETE FROM arrow WHERE id < 50;');
compare('another transaction is deleting', 0.2, '');
$other->query_safe('ROLLBACK');
$other->quit;
compare('in a transaction that has changed rows', 0,
	"BEGIN;\n"
	  . join('', map { fill($_, 200, 230) } qw(pgstrom arrow))
	  . in_both('DELETE FROM TABLE WHERE id % 11 = 5'));

my ($pushed, $all, $failing) = split /\|/,
  sql($node, q{SELECT count(*) FILTER (WHERE is_pushed(query_of(kind, expression, 'arrow'))), count(*),
		count(*) FILTER (WHERE answer(query_of(kind, expression, 'arrow')) ~ '^[0-9A-Z]{5}$')
	FROM conditions WHERE kind = 'where' AND id % 10 = 0});
note("$pushed of $all conditions pushed as a whole, $failing fail");
cmp_ok($pushed, '>', $all / 2, 'most conditions are pushed');
my ($on_kernels) = sql($node, q{SELECT count(*) FILTER (WHERE uses_kernels(query_of(kind, expression, 'arrow')))
	FROM conditions WHERE kind = 'where' AND id % 10 = 0});
note("$on_kernels of $all conditions computed by kernels");
cmp_ok($on_kernels, device() eq 'cuda' ? '>' : '==', device() eq 'cuda' ? $all / 4 : 0,
	'many of them by kernels, where there is a GPU');
is( sql($node, q{SELECT answer(query_of(kind, expression, 'arrow')) a, min(expression) FROM conditions
	WHERE answer(query_of(kind, expression, 'arrow')) ~ '^(42|XX|58)...$' GROUP BY 1}),
	'', 'no condition is malformed');
cmp_ok($failing, '<', $all / 2, 'most conditions have an answer');

done_testing();
