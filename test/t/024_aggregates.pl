
# Random aggregate queries over every type that the engine computes with, on
# tables of both formats, beside heap twins: the same groups, or an error of the
# same class.  Sums of floats may differ by 1e-12 of their size.
#
# GSTORE_STATEMENTS  queries in all
# GSTORE_SEED        which ones

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use GstoreRandom;
use PostgreSQL::Test::Utils;
use Test::More;

my $wanted = $ENV{GSTORE_STATEMENTS} // 3000;
my $seed = $ENV{GSTORE_SEED} // 230924;
# Images of some chunks are large enough for a GPU here, those of others not.
my $node = new_node('aggregates', q{
gstore_fdw.chunk_size = '64kB'
gstore_fdw.debug_small_image = '16kB'
});

note("GSTORE_SEED=$seed GSTORE_STATEMENTS=$wanted");
srand($seed);

# ---- queries ----

my @integers = ('int2', 'int4', 'int8');
my $column = qr/\b(?:b|i2|i4|i8|f4|f8|n|m|d|tm|ts|tz|iv|t|u|o)\b(?!')/;
my @decimals = ('numeric(20,4)', 'numeric(12,2)');

# What is made until it has a column in it.
sub of_column
{
	my $make = shift;
	my $text = '';

	$text = $make->() until $text =~ /$column/;
	return $text;
}

# Of floats only the column itself: what is computed of it can cancel out, and
# then nothing is left of the digits that two orders have in common.
sub aggregate
{
	my @forms = (
		sub { 'count(*)' },
		sub { 'count(' . expression(pick(@names), 1) . ')' },
		sub { pick('sum(', 'avg(') . expression(pick(@integers, @decimals), pick(0, 0, 1, 2)) . ')' },
		# of a constant, PostgreSQL may look at one row only
		sub {
			pick('min(', 'max(')
			  . of_column(sub { expression(pick(@integers, @decimals, qw(float4 float8 date timestamp timestamptz time)), pick(0, 0, 1)) })
			  . ')';
		},
		sub { pick('bool_and(', 'bool_or(', 'every(') . of_column(sub { condition(1) }) . ')' },
		sub { pick('bit_and(', 'bit_or(') . expression(pick(@integers), 0) . ')' },
		sub { pick('avg(f4)', 'sum(f8)', 'avg(f8)') },
		sub {
			pick(qw(variance var_pop var_samp stddev stddev_pop stddev_samp)) . '('
			  . (rand() < 0.4 ? 'f8' : expression(pick(@integers, @decimals), pick(0, 0, 1))) . ')';
		},
		sub {
			pick('count', 'sum') . '(DISTINCT '
			  . expression(pick(@integers, @decimals, 'date', 'text'), 0) . ')';
		});
	my $text = pick(@forms)->();

	$text =~ s/^sum(\(DISTINCT.*(?:\bd\b|\bt\b|::date|::text))/count$1/;
	$text .= ' FILTER (WHERE ' . condition(1) . ')' if rand() < 0.15;
	return $text;
}

# Aggregates of a grouped subquery, with groups of their own or not.  What floats
# there are is only counted: sums of sums cancel out.  Rows beyond 300 have such as
# overflow in some orders only.
sub over
{
	my ($keys, $aggregates) = @_;
	my @outer = ('count(*)', map { "count(a$_)" } 0 .. $#$aggregates);
	my $text;

	for my $i (0 .. $#$aggregates)
	{
		push @outer, pick("sum(a$i)", "min(a$i)", "max(a$i)", "sum(DISTINCT a$i)")
		  if $aggregates->[$i] =~ /^(?:count|sum)\(/ && $aggregates->[$i] !~ /f4|f8/;
		push @outer, "count(*) FILTER (WHERE a$i)" if $aggregates->[$i] =~ /^(?:bool_|every)/;
	}
	$text = 'FROM (SELECT ' . join(', ', (map { "($keys->[$_]) AS k$_" } 0 .. $#$keys),
		(map { "$aggregates->[$_] AS a$_" } 0 .. $#$aggregates)) . ' FROM TABLE WHERE id <= 300 AND ' . condition(1)
	  . ' GROUP BY ' . join(', ', map { "($_)" } @$keys);
	$text .= ' HAVING ' . pick('count(*) > 1', 'min(id) < 200', 'sum(i4) % 2 = 0', 'avg(f8) > 3 OR count(*) < 3') if rand() < 0.4;
	$text .= ') g';
	return 'SELECT json_build_array(' . join(', ', @outer) . ")::text $text" if rand() < 0.7;
	return 'SELECT json_build_array(k0, ' . join(', ', @outer) . ")::text $text GROUP BY k0 ORDER BY k0::text COLLATE \"C\"";
}

# SELECT list, WHERE and the rest; TABLE stands for the table.  Intervals are no
# keys: of two that are equal and look different, any may be shown.
sub query
{
	my @keys = map {
		rand() < 0.7 ? $types{ pick(grep { $_ ne 'interval' } @names) }[0] : expression(pick(@integers, qw(bool date text)), 1)
	} 1 .. pick(0, 0, 1, 1, 1, 2, 3);
	my @aggregates = map { aggregate() } 1 .. pick(1, 1, 2, 3, 5);
	my @where;
	my $text;

	# what does not depend on a row is no key
	@keys = grep { /$column/ } @keys;
	return 'SELECT json_build_array(' . join(', ', map { "k$_" } 0 .. $#keys)
	  . ')::text FROM (SELECT DISTINCT ' . join(', ', map { "$keys[$_] AS k$_" } 0 .. $#keys)
	  . ' FROM TABLE WHERE ' . condition(1) . ') x ORDER BY ' . join(', ', map { "k$_\::text COLLATE \"C\"" } 0 .. $#keys)
	  if @keys && rand() < 0.15;
	return over(\@keys, \@aggregates) if @keys && rand() < 0.15;
	push @where, 'id <= 300' if "@aggregates" =~ /\((?:f4|f8)\)/ || rand() < 0.6;
	push @where, condition(2) if rand() < 0.5;
	$text = 'SELECT json_build_array(' . join(', ', (map { "($_)" } @keys, @aggregates)) . ')::text FROM TABLE';
	$text .= ' WHERE ' . join(' AND ', @where) if @where;
	$text .= ' GROUP BY ' . join(', ', map { "($_)" } @keys) if @keys;
	$text .= ' HAVING ' . pick('count(*) > 1', 'min(id) < 200', 'count(i4) % 2 = 0') if rand() < 0.15;
	$text .= ' ORDER BY ' . join(', ', map { "($_)::text COLLATE \"C\"" } @keys) if @keys;
	return $text;
}

sql($node, twins() . q{
ALTER DATABASE postgres SET timezone = 'America/St_Johns';
CREATE TABLE queries (id int, query text);
CREATE FUNCTION answer(query text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE result text[];
BEGIN
	EXECUTE 'SELECT array_agg(r) FROM (' || query || ') q(r)' INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN ARRAY[SQLSTATE];
END $$;
CREATE FUNCTION same_number(a text, b text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
	RETURN abs(a::float8 - b::float8) <= 1e-12 * greatest(abs(a::float8), abs(b::float8), 1);
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
-- which of several errors is met first depends on the order of a plan
CREATE FUNCTION same(a text[], b text[]) RETURNS bool LANGUAGE sql AS $$
	SELECT a[1] ~ '^22...$' AND b[1] ~ '^22...$' OR a IS NOT DISTINCT FROM b OR (cardinality(a) = cardinality(b) AND a[1] LIKE '[%' AND b[1] LIKE '[%' AND NOT EXISTS (
		SELECT FROM unnest(a, b) r(x, y),
			ROWS FROM (json_array_elements_text(x::json), json_array_elements_text(y::json)) e(v, w)
		WHERE v IS DISTINCT FROM w AND same_number(v, w) IS NOT TRUE)) $$;
CREATE FUNCTION is_pushed(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE plan text := ''; line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan ~ 'Left to PostgreSQL: false';
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
CREATE FUNCTION is_over(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE plan text := ''; line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS off, TIMING off) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan ~ '^Foreign Scan[^>]*Left to PostgreSQL: false';
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
CREATE FUNCTION uses_kernels(query text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE plan text := ''; line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS off) ' || query LOOP plan := plan || line || E'\n'; END LOOP;
	RETURN plan ~ 'Kernel Launches';
EXCEPTION WHEN OTHERS THEN
	RETURN false;
END $$;
CREATE FUNCTION differences(from_id int, to_id int, OUT id int, OUT place text, OUT mine text, OUT twins text, OUT query text)
	RETURNS SETOF record LANGUAGE sql AS $$
	SELECT q.id, f, left(m::text, 300), left(t::text, 300), q.query
	FROM queries q, unnest('{pgstrom,arrow}'::text[]) f,
		LATERAL (SELECT answer(replace(q.query, 'TABLE', f)) AS m OFFSET 0) x,
		LATERAL (SELECT answer(replace(q.query, 'TABLE', 'heap_' || f)) AS t OFFSET 0) y
	WHERE q.id BETWEEN from_id AND to_id AND NOT same(m, t) $$;
});

my @queries = map { "($_, \$e\$" . query() . "\$e\$)" } 1 .. $wanted;

while (my @some = splice(@queries, 0, 500))
{
	sql($node, 'INSERT INTO queries VALUES ' . join(",\n", @some));
}

# Compare a share of the queries; before are statements of the same session.
my $done = 0;

sub compare
{
	my ($name, $share, $before) = @_;
	my $to = $share ? $done + int($wanted * $share) : $wanted;
	my $found = sql($node,
		"$before\nSELECT * FROM differences($done + 1, $to) LIMIT 5;");

	is($found, '', "$name: queries " . ($done + 1) . " to $to");
	$done = $to;
}

compare('empty tables', 0.05, '');
sql($node, fill($_, 1, 400) . in_order($_)) foreach qw(pgstrom arrow);
compare('as inserted', 0.45, '');
sql($node, in_both('DELETE FROM TABLE WHERE id % 7 = 3'));
compare('rows deleted', 0.2, '');

my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN; DELETE FROM pgstrom WHERE id % 5 = 0; DELETE FROM arrow WHERE id < 50;');
compare('another transaction is deleting', 0.1, '');
$other->query_safe('ROLLBACK');
$other->quit;
compare('in a transaction that has changed rows', 0,
	"BEGIN;\n"
	  . join('', map { fill($_, 200, 230) } qw(pgstrom arrow))
	  . in_both('DELETE FROM TABLE WHERE id % 11 = 5'));

my ($pushed, $all, $failing) = split /\|/,
  sql($node, q{SELECT count(*) FILTER (WHERE is_pushed(replace(query, 'TABLE', 'arrow'))), count(*),
		count(*) FILTER (WHERE (answer(replace(query, 'TABLE', 'arrow')))[1] ~ '^[0-9A-Z]{5}$')
	FROM queries WHERE id % 10 = 0});
note("$pushed of $all queries computed by the engine, $failing fail");
cmp_ok($pushed, '>', $all / 4, 'many queries are computed by the engine');
my $over = sql($node, q{SELECT count(*) FROM queries
	WHERE id % 10 = 0 AND query ~ 'g$' AND is_over(replace(query, 'TABLE', 'arrow'))});
note("$over aggregate the groups of a subquery");
cmp_ok($over, '>', $all / 100, 'some aggregate the groups of a subquery');
my ($on_kernels) = sql($node, q{SELECT count(*) FILTER (WHERE uses_kernels(replace(query, 'TABLE', 'arrow')))
	FROM queries WHERE id % 10 = 0});
note("$on_kernels of $all queries computed by kernels");
cmp_ok($on_kernels, device() eq 'cuda' ? '>' : '==', device() eq 'cuda' ? $all / 4 : 0,
	'many of them by kernels, where there is a GPU');
is( sql($node, q{SELECT answer(replace(query, 'TABLE', 'arrow')) a, min(query) FROM queries
	WHERE (answer(replace(query, 'TABLE', 'arrow')))[1] ~ '^(42|XX|58)...$' GROUP BY 1}),
	'', 'no query is malformed');
cmp_ok($failing, '<', $all / 2, 'most queries have an answer');

done_testing();
