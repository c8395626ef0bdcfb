
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
use PostgreSQL::Test::Utils;
use Test::More;

my $wanted = $ENV{GSTORE_STATEMENTS} // 10000;
my $seed = $ENV{GSTORE_SEED} // 230923;
my $node = new_node('conditions', "gstore_fdw.chunk_size = '64kB'\n");

note("GSTORE_SEED=$seed GSTORE_STATEMENTS=$wanted");
srand($seed);

sub pick { return $_[ int(rand(@_)) ]; }

# What to take values from: ordinary ones, and edges.  Type, column, both.
my %types = (
	bool => [ 'b', [qw(true false)], [] ],
	int2 => [ 'i2', [qw(0 1 -1 2 7 100)], [qw(32767 -32768)] ],
	int4 => [ 'i4', [qw(0 1 -1 3 7 1000)], [qw(2147483647 -2147483648)] ],
	int8 => [
		'i8', [qw(0 1 -1 5 7 1000000)],
		[qw(9223372036854775807 -9223372036854775808)]
	],
	float4 =>
	  [ 'f4', [qw(0 1.5 -1 0.25 7)], [qw(3.4e38 1e-40 Infinity NaN)] ],
	float8 =>
	  [ 'f8', [qw(0 0.1 -1 2.5 7)], [qw(1.7e308 1e-310 -Infinity NaN)] ],
	'numeric(20,4)' => [
		'n', [qw(0 1 -1 0.5 7 12.3456 -3.3333)],
		[qw(9999999999999999.9999 -9999999999999999.9999 0.0001)]
	],
	date => [
		'd', [qw(2000-01-01 2000-02-29 1999-12-31 2001-03-31)],
		[ '4713-11-24 BC', '5874897-12-31', '0001-12-31 BC' ]
	],
	time => [
		'tm', [qw(00:00 12:34:56.789 23:59:59.999999)],
		['00:00:00.000001']
	],
	timestamp => [
		'ts',
		[ '2000-01-01 00:00', '2000-02-29 12:34:56.789', '1999-12-31 23:59:59.999999', '2001-03-31' ],
		[ '4713-11-24 BC', '294246-12-31 23:59:59.999999' ]
	],
	timestamptz => [
		'tz', [ '2000-01-01 00:00+00', '2000-02-29 12:34:56+00' ],
		[ '4713-11-24 00:00+00 BC', '294246-12-31+00' ]
	],
	interval => [
		'iv', [ '0', '1 day', '-1 mon', '1 mon -30 days', '36 hours', '1 year 2 mons 3 days' ],
		[ '178000000 years', '-178000000 years', '2147483647 days' ]
	],
	text => [
		't', [ '', 'abc', 'ABC', 'a%c_', 'text 7', 'é€x' ],
		[ 'back\\slash', 'x' x 300 ]
	],
	uuid => [
		'u',
		[qw(00000000-0000-0000-0000-000000000000 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11)],
		['ffffffff-ffff-ffff-ffff-ffffffffffff']
	],
	oid => [ 'o', [qw(0 1 7)], [qw(2147483648 4294967295)] ]);
my %only_pgstrom = (
	'numeric(20,4)' => ['NaN'],
	date => [ 'infinity', '-infinity' ],
	timestamp => [ 'infinity', '-infinity' ],
	time => ['24:00']);
my @names = sort keys %types;
my @numbers = ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric(20,4)');

sub quoted
{
	my ($value) = @_;
	$value =~ s/'/''/g;
	return "'$value'";
}

# Without its modifier: an expression's type.
sub bare { return $_[0] =~ s/\(.*//r; }

sub literal
{
	my ($type) = @_;
	my (undef, $ordinary, $edges) = @{ $types{$type} };

	return 'NULL::' . bare($type) if rand() < 0.04;
	return quoted(rand() < 0.1 && @$edges ? pick(@$edges) : pick(@$ordinary))
	  . '::' . bare($type);
}

# ---- expressions ----

sub expression;

sub condition
{
	my ($depth) = @_;
	my $type = pick(@names);
	my $e = sub { expression($type, $depth - 1) };

	return '(' . $e->() . ' ' . pick(qw(= <> < <= > >=)) . ' ' . $e->() . ')'
	  if $type ne 'bool' && $type ne 'text' && ($depth <= 0 || rand() < 0.45);
	my @forms = (
		sub { $e->() . ' IS ' . pick('', 'NOT ') . 'NULL' },
		sub { $e->() . ' IS ' . pick('', 'NOT ') . 'DISTINCT FROM ' . $e->() },
		sub {
			expression('text', $depth - 1) . ' ' . pick('=', '<>', '<', '>=')
			  . ' ' . expression('text', $depth - 1) . ' COLLATE "C"';
		},
		sub {
			't ' . pick('', 'NOT ') . pick('LIKE ', 'ILIKE ')
			  . quoted(pick('a%', '%C%', '_b_', '%\\\\%', '', 'TEXT%', '%x%x'));
		},
		sub {
			$e->() . pick(' IN (', ' NOT IN (')
			  . join(', ', map { literal($type) } 1 .. pick(1, 3, 80)) . ')';
		},
		sub { $e->() . ' BETWEEN ' . $e->() . ' AND ' . $e->() },
		sub { 'starts_with(t, ' . quoted(pick('', 'a', 'te', 'é')) . ')' });
	push @forms,
	  sub { condition($depth - 1) . pick(' AND ', ' OR ') . condition($depth - 1) },
	  sub { 'NOT ' . condition($depth - 1) },
	  sub {
		condition($depth - 1) . ' IS ' . pick('', 'NOT ')
		  . pick(qw(TRUE FALSE UNKNOWN));
	  }
	  if $depth > 0;
	return '(' . pick(@forms)->() . ')' if $type ne 'text' || $depth > 0;
	return "(t = 'abc')";
}

# Parts of other types, by the type they make.
my %makers = (
	int4 => sub {
		my ($e) = @_;
		return pick(
			'length(' . $e->('text') . ')',
			'octet_length(' . $e->('text') . ')',
			'(' . $e->('date') . ' - ' . $e->('date') . ')',
			$e->('int8') . '::int4',
			$e->('numeric(20,4)') . '::int4',
			$e->('bool') . '::int4');
	},
	int2 => sub { return $_[0]->('int4') . '::int2'; },
	int8 => sub {
		my ($e) = @_;
		return pick($e->('int4') . '::int8', $e->('float8') . '::int8');
	},
	float8 => sub {
		my ($e) = @_;
		return pick($e->('int4') . '::float8',
			$e->('numeric(20,4)') . '::float8',
			"date_part('" . pick(qw(second year epoch doy)) . "', "
			  . $e->('timestamp') . ')');
	},
	float4 => sub { return $_[0]->('float8') . '::float4'; },
	'numeric(20,4)' => sub {
		my ($e) = @_;
		return pick(
			$e->('int4') . '::numeric',
			'round(' . $e->('numeric(20,4)') . ', ' . pick(0 .. 6) . ')',
			'extract('
			  . pick(qw(year month day quarter week isoyear dow isodow doy decade century millennium epoch))
			  . ' FROM ' . $e->(pick(qw(date timestamp))) . ')',
			'extract('
			  . pick(qw(hour minute second milliseconds microseconds))
			  . ' FROM ' . $e->(pick(qw(time timestamp))) . ')');
	},
	date => sub {
		my ($e) = @_;
		return pick('(' . $e->('date') . pick(' + ', ' - ') . $e->('int4') . ')',
			$e->('timestamp') . '::date');
	},
	time => sub {
		my ($e) = @_;
		return '(' . $e->('time') . pick(' + ', ' - ') . $e->('interval') . ')';
	},
	timestamp => sub {
		my ($e) = @_;
		return pick(
			'('	  . $e->(pick(qw(date timestamp))) . pick(' + ', ' - ')
			  . $e->('interval') . ')',
			$e->('date') . '::timestamp',
			"date_trunc('"
			  . pick(qw(hour day week month quarter year decade century millennium second))
			  . "', " . $e->('timestamp') . ')');
	},
	interval => sub {
		my ($e) = @_;
		return pick(
			'('	  . $e->('interval') . pick(' + ', ' - ') . $e->('interval') . ')',
			'(- ' . $e->('interval') . ')',
			'(' . $e->('timestamp') . ' - ' . $e->('timestamp') . ')',
			'(' . $e->('time') . ' - ' . $e->('time') . ')');
	},
	text => sub {
		my ($e) = @_;
		return 'substring(' . $e->('text') . ', ' . pick(-1 .. 4)
		  . pick('', ', ' . pick(0 .. 3)) . ')';
	});

sub expression
{
	my ($type, $depth) = @_;
	my $e = sub { expression($_[0], $depth - 1) };
	my $dice = rand();

	return $types{$type}[0] if $depth <= 0 ? $dice < 0.7 : $dice < 0.3;
	return literal($type) if $depth <= 0 || $dice < 0.4;
	return condition($depth - 1) if $type eq 'bool';
	return 'CASE WHEN ' . condition($depth - 1) . ' THEN ' . $e->($type)
	  . ' ELSE ' . $e->($type) . ' END'
	  if $dice < 0.47;
	return pick('coalesce', 'nullif', $type eq 'text' ? 'coalesce' : pick('greatest', 'least'))
	  . '(' . $e->($type) . ', ' . $e->($type) . ')'
	  if $dice < 0.57;
	return '(' . $e->($type) . ' ' . pick(qw(+ - * / %)) . ' ' . $e->($type) . ')'
	  if $dice < 0.8 && $type =~ /^int[248]|^numeric/;
	return '(' . $e->($type) . ' ' . pick(qw(+ - * /)) . ' ' . $e->($type) . ')'
	  if $dice < 0.8 && $type =~ /^float/;
	return pick('(- ', 'abs(') . $e->($type) . ')'
	  if $dice < 0.85 && grep { $_ eq $type } @numbers;
	return $makers{$type}->($e) if $makers{$type};
	return $types{$type}[0];
}

# ---- tables ----

# One row; id says whether edge values may be in it.
sub row
{
	my ($id, $format) = @_;
	my @values = ($id);

	foreach my $type (@names)
	{
		my (undef, $ordinary, $edges) = @{ $types{$type} };
		my @special = @$edges;

		push @special, @{ $only_pgstrom{$type} // [] } if $format eq 'pgstrom';
		push @values,
		  rand() < 0.12 ? 'NULL'
		  : quoted($id > 300 && @special && rand() < 0.3 ? pick(@special) : pick(@$ordinary));
	}
	return '(' . join(', ', @values) . ')';
}

my $columns = join(', ', 'id int', map { "$types{$_}[0] $_" } @names);
my $filling = '';

sub fill
{
	my ($format, $from, $to) = @_;
	my $rows = join(",\n", map { row($_, $format) } $from .. $to);

	return "INSERT INTO $format VALUES $rows;\nINSERT INTO heap_$format VALUES $rows;\n";
}

sub in_both
{
	my ($command) = @_;
	return join('', map { $command =~ s/TABLE/$_/r . ";\n" }
		qw(pgstrom heap_pgstrom arrow heap_arrow));
}

foreach my $format (qw(pgstrom arrow))
{
	$filling .= "CREATE FOREIGN TABLE $format ($columns) SERVER gstore_fdw OPTIONS (format '$format');\n"
	  . "CREATE TABLE heap_$format ($columns);\n";
}
sql($node, $filling . q{
ALTER DATABASE postgres SET timezone = 'UTC';
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
sql($node, fill($_, 1, 400)) foreach qw(pgstrom arrow);
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
is( sql($node, q{SELECT answer(query_of(kind, expression, 'arrow')) a, min(expression) FROM conditions
	WHERE answer(query_of(kind, expression, 'arrow')) ~ '^(42|XX|58)...$' GROUP BY 1}),
	'', 'no condition is malformed');
cmp_ok($failing, '<', $all / 2, 'most conditions have an answer');

done_testing();
