
# Random expressions over every type that the engine computes with, and tables of
# both formats with heap twins whose rows lie in the same order, so that the
# first error is the same.
package GstoreRandom;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
our @EXPORT = qw(pick quoted bare literal condition expression twins fill in_order in_both @names %types);

sub pick { return $_[ int(rand(@_)) ]; }

# What to take values from: ordinary ones, and edges.  Type, column, both.
our %types = (
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
	# of a scale and few enough digits for 64 bits
	'numeric(12,2)' => [
		'm', [qw(0 1 -1 0.50 7 12.34 -3.33)],
		[qw(9999999999.99 -9999999999.99 0.01)]
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
	'numeric(12,2)' => ['NaN'],
	date => [ 'infinity', '-infinity' ],
	timestamp => [ 'infinity', '-infinity' ],
	time => ['24:00']);
our @names = sort keys %types;
my @numbers = ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric(20,4)', 'numeric(12,2)');

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
		sub {
			join(' ' . pick(qw(= <> < <= > >=)) . ' ',
				map { expression($_, $depth - 1) } @{ pick([qw(date timestamptz)], [qw(timestamptz timestamp)], [qw(timestamp timestamptz)], [qw(date timestamp)]) });
		},
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
			  . join(', ', map { literal($type) } 1 .. pick(1, 3, $type =~ /^(numeric|interval|bool)/ ? 50 : 80)) . ')';
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
	float4 => sub {
		my ($e) = @_;
		return pick($e->('float8'), $e->('numeric(20,4)')) . '::float4';
	},
	'numeric(20,4)' => sub {
		my ($e) = @_;
		return pick(
			$e->('int4') . '::numeric',
			'round(' . $e->('numeric(20,4)') . ', ' . pick(0 .. 6) . ')',
			$e->('numeric(20,4)') . '::numeric(' . pick('12,2', '20,6', '5') . ')',
			$e->(pick(qw(float4 float8))) . '::numeric',
			'extract('
			  . pick(qw(microseconds milliseconds second minute hour day month quarter year decade century millennium epoch))
			  . ' FROM ' . $e->('interval') . ')',
			'extract('
			  . pick(qw(microseconds second minute hour day week month quarter year isoyear dow doy decade epoch))
			  . ' FROM ' . $e->('timestamptz') . ')',
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
			$e->(pick(qw(timestamp timestamptz))) . '::date');
	},
	time => sub {
		my ($e) = @_;
		return $e->(pick(qw(timestamp timestamptz interval))) . '::time'
		  if rand() < 0.4;
		return '(' . $e->('time') . pick(' + ', ' - ') . $e->('interval') . ')';
	},
	timestamp => sub {
		my ($e) = @_;
		return pick(
			'('	  . $e->(pick(qw(date timestamp))) . pick(' + ', ' - ')
			  . $e->('interval') . ')',
			$e->('date') . '::timestamp',
			$e->('timestamptz') . '::timestamp',
			'(' . $e->('timestamptz') . " AT TIME ZONE 'Asia/Kathmandu')",
			'(' . $e->('date') . ' + ' . $e->('time') . ')',
			"date_trunc('"
			  . pick(qw(hour day week month quarter year decade century millennium second))
			  . "', " . $e->('timestamp') . ')');
	},
	timestamptz => sub {
		my ($e) = @_;
		return pick(
			$e->(pick(qw(date timestamp))) . '::timestamptz',
			'(' . $e->('timestamp') . " AT TIME ZONE 'Asia/Kathmandu')",
			'(' . $e->('timestamptz') . pick(' + ', ' - ')
			  . pick("'1 month'", "'-1 day'", "'36:00'", "'1 year -1 day 01:00'") . '::interval)',
			"date_trunc('"
			  . pick(qw(hour day week month quarter year decade century millennium minute))
			  . "', " . $e->('timestamptz') . ')');
	},
	interval => sub {
		my ($e) = @_;
		return pick(
			'(' . $e->('interval') . pick(' * ', ' / ') . $e->(pick(qw(int4 float8))) . ')',
			$e->('time') . '::interval',
			"date_trunc('" . pick(qw(second minute hour day month quarter year century)) . "', " . $e->('interval') . ')',
			'(' . $e->('timestamptz') . ' - ' . $e->('timestamptz') . ')',
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
	return pick(qw(coalesce nullif greatest least))
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

sub fill
{
	my ($format, $from, $to) = @_;
	my $rows = join(",\n", map { row($_, $format) } $from .. $to);

	return "INSERT INTO $format VALUES $rows;\nINSERT INTO heap_$format VALUES $rows;\n";
}

# An ordinary table puts a row where there is room: this puts it where the other
# one has it.
sub in_order
{
	my ($format) = @_;

	return "CREATE INDEX heap_order ON heap_$format (id); CLUSTER heap_$format USING heap_order; DROP INDEX heap_order;\n";
}

sub in_both
{
	my ($command) = @_;
	return join('', map { $command =~ s/TABLE/$_/r . ";\n" }
		qw(pgstrom heap_pgstrom arrow heap_arrow));
}


# The statements that make the tables.
sub twins
{
	my $columns = join(', ', 'id int', map { "$types{$_}[0] $_" } @names);

	return join('', map {
		"CREATE FOREIGN TABLE $_ ($columns) SERVER gstore_fdw OPTIONS (format '$_');\n"
		  . "CREATE TABLE heap_$_ ($columns);\n" } qw(pgstrom arrow));
}

1;
