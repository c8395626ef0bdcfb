# What another program finds in exported memory is what COPY writes: every type,
# every pattern of NULLs, sizes at the edges, both formats.  The readers are
# independent of the extension: test/clients/pgstrom_reader.py and
# postgres_text.py for pgstrom, pyarrow for arrow, which validates it.
#
# GSTORE_LONG=1: all types in the large tables too, and texts of more than 2 GB;
# GSTORE_LONG=texts: those and nothing else.

use strict;
use warnings FATAL => 'all';

# in full it takes half an hour where others are at work
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} = 7200 if $ENV{GSTORE_LONG}; }

use GstoreFault;
use GstoreNode;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = $ENV{GSTORE_CLIENTS};
plan skip_all => 'there is no numpy or pyarrow'
  unless system("python3 $clients/have_modules.py 2>/dev/null") == 0;
$ENV{GSTORE_CUDA_LIBRARY} = $ENV{GSTORE_CUDASIM} if device() eq 'cuda';
$ENV{GSTORE_CUDASIM_MEMORY_MB} = 12000;

my $long = $ENV{GSTORE_LONG} // 0;
my $node = new_node('forms', q{
timezone = 'UTC'
datestyle = 'ISO, YMD'
lc_monetary = 'C'
extra_float_digits = 1
gstore_fdw.max_session_exports = 1000
max_locks_per_transaction = 512
} . ($long ? "gstore_fdw.device_memory = '10GB'\ngstore_fdw.host_memory = '9GB'\n" : ''));
my $folder = $node->basedir;

# The types and edge values of the regression test types.
my $types = slurp_file("$clients/../sql/types.sql");
$types =~ /(SET datestyle.*?)^-- Every type a table can have/ms or die 'types.sql has changed';
sql($node, $1);
sql($node, 'CREATE EXTENSION pageinspect');

# The reader's own limits: types whose values it cannot print, and those it
# prints as numbers.
my $unprinted = q{'tsquery', 'jsonpath', 'aclitem', 'wide', 'fixed3', 'likename'};

# An array of each type, beside the type itself.  The names a to z of k are
# columns; vals are texts.
sql($node, qq{
CREATE TABLE kinds (k serial, oid oid, type text, printed boolean, vals text[]);
INSERT INTO kinds (oid, type, printed, vals)
	SELECT t.oid, CASE type WHEN 'bpchar' THEN type ELSE t.oid::regtype::text END, type NOT IN ($unprinted), vals
	FROM edges JOIN pg_type t ON t.typname = type
	WHERE type <> 'word' ORDER BY type COLLATE "C";
INSERT INTO kinds (oid, type, printed, vals)
	SELECT a.oid, CASE type WHEN 'bpchar' THEN 'bpchar[]' ELSE a.oid::regtype::text END, printed, ARRAY['{}', short::text,
		(short || ARRAY[NULL, short[1]])::text, (short || short)::text,
		ARRAY[short, short]::text,
		array_fill(short[1], '{2,1,2}', '{-1,0,7}')::text,
		array_fill(short[cardinality(short)], '{500}')::text]
	FROM kinds JOIN pg_type t USING (oid) JOIN pg_type a ON a.oid = t.typarray,
	LATERAL (SELECT ARRAY(SELECT v FROM unnest(vals) v WHERE length(v) <= 200)) s (short)
	WHERE t.typcategory <> 'A' AND t.typname <> 'box' ORDER BY k;
-- the value of a row, made by the type's input function
CREATE FUNCTION value_of(type text, vals text[]) RETURNS text LANGUAGE sql AS \$\$
	SELECT coalesce('CASE (i - 1) % ' || cardinality(vals) || string_agg(format(' WHEN %s THEN %L::%s', n - 1, val, type), '') || ' END',
		'NULL::' || type)
	FROM unnest(vals) WITH ORDINALITY v (val, n) \$\$;
-- as the reader prints it
CREATE FUNCTION as_printed(type text) RETURNS text LANGUAGE sql AS
	\$\$ SELECT CASE WHEN type LIKE 'reg%' THEN CASE WHEN type LIKE '%[]' THEN '::oid[]' ELSE '::oid' END ELSE '' END \$\$;
});
cmp_ok(sql($node, 'SELECT count(*) FROM kinds'), '>', 180, 'more than 180 types, arrays included');

# Which values the format arrow takes, one by one.
sql($node, q{
CREATE TABLE taken (format text, k int, vals text[]);
CREATE TABLE refused (type text, val text, state text, message text, detail text, hint text);
INSERT INTO taken SELECT 'pgstrom', k, vals FROM kinds;
DO $$
DECLARE
	kind kinds;
	val text;
	good text[];
	fine text;
	state text; message text; detail text; hint text;
BEGIN
	FOR kind IN SELECT * FROM kinds ORDER BY k LOOP
		fine = CASE WHEN kind.type = 'numeric' THEN 'OPTIONS (scale ''4'')' END;
		EXECUTE format('CREATE FOREIGN TABLE one (v %s %s) SERVER gstore_fdw OPTIONS (format ''arrow'')', kind.type, fine);
		good = '{}';
		FOREACH val IN ARRAY kind.vals LOOP
			BEGIN
				EXECUTE format('INSERT INTO one VALUES (%L)', val);
				good = good || val;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
					detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
				INSERT INTO refused VALUES (kind.type, translate(left(val, 60), E'\n', ' '), state, message, translate(detail, E'\n', ' '), hint);
			END;
		END LOOP;
		DROP FOREIGN TABLE one;
		INSERT INTO taken VALUES ('arrow', kind.k, good);
	END LOOP;
END $$;
});
my @documented = (
	qr/the date -?infinity/, qr/the time 24:00:00/, qr/the timestamp -?infinity/,
	qr/timestamps after 294247/, qr/the numeric NaN/, qr/an infinite numeric/, qr/too many digits for decimal128/,
	qr/digits behind the 4 that decimal128/, qr/an array of several dimensions/);
my $refused = sql($node, q{SELECT state, type, val, message, detail, hint FROM refused});
my @surprises = grep {
	my $line = $_;
	$line !~ /^22\w\w\w.*column "v" of foreign table "one"/ || !grep { $line =~ $_ } @documented
} split /\n/, $refused;
is(join("\n", @surprises), '', 'what arrow refuses is documented, and names column and table');
foreach my $what (@documented) { ok($refused =~ $what, "refused: $what"); }
is(sql($node, q{SELECT * FROM refused WHERE hint NOT LIKE '%store%'}), '', 'and says what to do');

# A heap table of the values, a column a type.
my $edge_rows = sql($node, 'SELECT max(cardinality(vals)) FROM kinds');
my (%columns, %list, %declared);
foreach my $format (qw(pgstrom arrow))
{
	$declared{$format} = sql($node, qq{
		SELECT string_agg(format('c%s %s %s', k, type,
			CASE WHEN '$format' = 'arrow' AND type = 'numeric' THEN 'OPTIONS (scale ''4'')' END), ', ' ORDER BY k)
		FROM kinds WHERE printed});
	my $expressions = sql($node, qq{
		SELECT string_agg(format(CASE WHEN type = 'numeric' AND '$format' = 'arrow' THEN '(%s)::numeric(38,4) AS c%s' ELSE '%s AS c%s' END, value_of(type, t.vals), k), ', ' ORDER BY k)
		FROM kinds JOIN taken t USING (k) WHERE format = '$format' AND printed});
	sql($node, "CREATE TABLE edge_$format AS SELECT i, $expressions FROM generate_series(1, $edge_rows) i");
	$columns{$format} = [ split /,/, sql($node, q{SELECT string_agg('c' || k, ',' ORDER BY k) FROM kinds WHERE printed}) ];
}
my %printed = map { split /\|/ } split /\n/, sql($node, q{
	SELECT 'c' || k, 'c' || k || as_printed(type) FROM kinds WHERE printed});

# Columns of many different values.
my %basic = (
	b => [ 'boolean', 'i % 3 = 0' ], i2 => [ 'smallint', '(i % 65536 - 32768)' ],
	i4 => [ 'int', 'hashint4(i)' ], i8 => [ 'bigint', 'hashint4(i) * 4294967311::int8' ],
	f4 => [ 'real', 'hashint4(i) / 1e5::float4' ], f8 => [ 'float8', 'exp(i % 1000 - 500) * hashint4(i)' ],
	n => [ 'numeric(18,4)', 'hashint4(i)::numeric * i / 10000' ], d => [ 'date', q{date '1600-02-29' + i} ],
	ts => [ 'timestamp', q{timestamp '1900-01-01' + i * interval '17:03:05.000007'} ],
	tz => [ 'timestamptz', q{timestamptz '2100-03-01 00:00+00' - i * interval '19:03:05.13'} ],
	t => [ 'text', q{repeat('ü' || i, i % 4)} ], same => [ 'text', q{'one of ' || i % 7} ],
	y => [ 'bytea', q{decode(md5(i::text), 'hex')} ], u => [ 'uuid', 'md5(i::text)::uuid' ],
	a => [ 'int[]', 'CASE i % 4 WHEN 0 THEN ARRAY[]::int[] ELSE ARRAY[i, NULL, -i] END' ],
	iv => [ 'interval', q{make_interval(months => i % 500 - 250, days => i % 61 - 30, secs => i * 1.25)} ]);
my @basic = sort keys %basic;

# Is the value of a row in the column there?
my @patterns = (
	sub { 'true' },                       # no NULL
	sub { 'false' },                      # nothing else
	sub { "(i + $_[0]) % 3 <> 0" },
	sub { $_[0] % 2 ? 'i > 1' : 'i <> 9' },
	sub { $_[0] % 3 ? 'true' : 'false' }, # whole columns
	sub { "i % 64 >= 32" });              # whole words of a bitmap

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $manifest = { types => undef, images => [] };
{
	my $reader = slurp_file("$clients/postgres_text.py");
	$reader =~ /CATALOGUE_QUERY = """(.*?)"""/s or die 'postgres_text.py has changed';
	$manifest->{types} = decode_json(sql($node, $1));
}

# What the manifest must say of a table that the session exports.
sub exported
{
	my ($table) = @_;
	my $got = $session->query("SELECT 'E', encode(handle, 'hex'), length FROM gstore_export('$table')");
	my ($handle, $length) = $got =~ /^E\|(\w+)\|(\d+)$/m or die "no export: $got";

	return [ 'cuda', $handle, $length ] if device() eq 'cuda';
	my $file = $session->query("SELECT 'F', path, \"offset\", length FROM gstore_export_host_file('\\x$handle')");
	$file =~ /^F\|(\S+)\|(\d+)\|(\d+)$/m or die "no file: $file";
	return [ 'host', $1, $2, $3 ];
}

my $ntables = 0;

# add(format, rows, pattern, columns of a query, its FROM, options): a table of
# them, exported, and what COPY says of the heap it came from.
sub add
{
	my ($format, $rows, $pattern, $declared, $columns, $from) = @_;
	my $name = "$format, $rows rows, NULL pattern $pattern, " . @$columns . ' columns';
	my $table = 'g' . ++$ntables;
	my $number = 0;
	my @values = map { 'CASE WHEN ' . $patterns[$pattern]->($number++) . " THEN $_ END AS $_" } @$columns;
	my $query = 'SELECT ' . join(', ', @values) . " FROM $from WHERE i <= $rows ORDER BY i";
	my $printed = join ', ', map { $printed{$_} // $_ } @$columns;
	my $expected = "$folder/$table.copy";

	sql($node, "CREATE FOREIGN TABLE $table ($declared) SERVER gstore_fdw OPTIONS (format '$format'); INSERT INTO $table $query");
	sql($node, "COPY (SELECT $printed FROM ($query) q) TO '$expected'");
	sql($node, "COPY (SELECT $printed FROM $table) TO '$expected.own'");
	my $own = slurp_file("$expected.own") eq slurp_file($expected);
	unlink "$expected.own";
	ok($own, "$name: the table itself") unless $own;
	if ($rows == 0)
	{
		like($session->query("SELECT gstore_export_ipchandle('$table') IS NULL"), qr/^t$/m, "$name: no handle");
		return;
	}
	push @{ $manifest->{images} }, { name => $name, table => $table, map => exported($table), expected => $expected };
	return;
}

# Have the reader look at all that is exported; then their memory may go.
my $readings = 0;

sub read_exports
{
	my $file = "$folder/manifest" . ++$readings . '.json';
	append_to_file($file, encode_json($manifest));
	my $said = qx(python3 $clients/read_exports.py $file 2>&1);
	my $status = $?;

	foreach my $line (split /\n/, $said)
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/) { ok(!defined $1, $2); }
		elsif ($line !~ /^1\.\./) { diag($line); }
	}
	is($status, 0, 'the reader ended well');
	$session->query_safe('DISCARD ALL');
	sql($node, "DROP FOREIGN TABLE $_") foreach map { $_->{table} // () } @{ $manifest->{images} };
	unlink(map { $_->{expected} } @{ $manifest->{images} });
	$manifest->{images} = [];
	return;
}

foreach my $format ($long eq 'texts' ? () : qw(pgstrom arrow))
{
	foreach my $rows (0, 1, 7, 8, 9, $edge_rows)
	{
		next if $rows == 0 && $format eq 'arrow' && !$long;
		add($format, $rows, $_, $declared{$format}, $columns{$format}, "edge_$format")
		  foreach $rows == 0 ? (0) : $rows == $edge_rows ? (0, 2) : (0 .. $#patterns);
	}
	my $query = '(SELECT i, ' . join(', ', map { "($basic{$_}[1])::$basic{$_}[0] AS $_" } @basic) . ' FROM generate_series(1, 65537) i) v';
	my $declared = join ', ', map { "$_ $basic{$_}[0]" } @basic;
	foreach my $rows (65535 .. 65537)
	{
		my @which = $long ? 0 .. $#patterns : (0, 2, 5)[$rows - 65535];
		add($format, $rows, $_, $declared, \@basic, $query) foreach @which;
		next unless $long;
		add($format, $rows, 2, $declared{$format}, $columns{$format},
			"(SELECT n AS i, " . join(', ', @{ $columns{$format} }) . " FROM edge_$format, generate_series(i, 65537, $edge_rows) n) v");
		# each takes gigabytes
		read_exports();
	}
}

# What pgstrom keeps is what PostgreSQL's own pages have, byte for byte, of the
# types too that the reader cannot print; compressed columns decompress to it.
foreach my $options ($long eq 'texts' ? () : ('', q{OPTIONS (compression 'pglz')}))
{
	my $name = $options ? 'compressed' : 'plain';
	my $half = 0;
	# a heap page has no room for all of them
	foreach my $which ('NOT is_array', 'is_array AND k % 2 = 0', 'is_array AND k % 2 = 1')
	{
		my $table = "raw_${name}_" . ++$half;
		my $kinds = qq{(SELECT kinds.*, t.typlen, t.typstorage, type LIKE '%[]' AS is_array FROM kinds JOIN pg_type t USING (oid)) kinds WHERE $which};
		my $heap = sql($node, qq{SELECT string_agg(format('c%s %s', k, type), ', ' ORDER BY k) FROM $kinds});
		my $foreign = sql($node, qq{SELECT string_agg(format('c%s %s %s', k, type,
			CASE WHEN typlen = -1 AND typstorage <> 'p' THEN \$o\$$options\$o\$ END), ', ' ORDER BY k) FROM $kinds});
		my $values = sql($node, qq{SELECT string_agg(value_of(type, vals), ', ' ORDER BY k) FROM $kinds});
		sql($node, qq{
			CREATE TABLE heap_$table ($heap);
			CREATE FOREIGN TABLE $table ($foreign) SERVER gstore_fdw;
			DO \$\$ BEGIN FOR n IN 1 .. $edge_rows LOOP
				INSERT INTO heap_$table SELECT $values FROM (VALUES (n)) v (i);
				INSERT INTO $table SELECT * FROM heap_$table OFFSET n - 1;
			END LOOP; END \$\$;
			COPY (SELECT array_to_string(ARRAY(SELECT coalesce(encode(attribute, 'hex'), '\\N')
					FROM unnest(t_attrs) WITH ORDINALITY u (attribute, n) ORDER BY n), E'\\t')
				FROM generate_series(0, pg_relation_size('heap_$table') / 8192 - 1) page,
				LATERAL heap_page_item_attrs(get_raw_page('heap_$table', page::int), 'heap_$table', true)
				ORDER BY page, lp) TO '$folder/$table.raw' (FORMAT csv, QUOTE E'\\b', DELIMITER E'\\v')});
		push @{ $manifest->{images} }, { name => "$table: byte for byte", map => exported($table), expected => "$folder/$table.raw", raw => JSON::PP::true };
	}
}

# Texts of more than 2 GB in one image.
if ($long)
{
	sql($node, q{CREATE FOREIGN TABLE large (t text) SERVER gstore_fdw OPTIONS (format 'arrow', large_text 'on');
		CREATE FOREIGN TABLE small (t text) SERVER gstore_fdw OPTIONS (format 'arrow')});
	foreach my $table (qw(large small))
	{
		sql($node, "INSERT INTO $table SELECT repeat(md5(i::text), 3125) FROM generate_series(1, 22000) i");
	}
	my ($md5) = split / /, qx(psql -XqAt -d '@{[ $node->connstr('postgres') ]}' -c 'COPY (SELECT t FROM large) TO STDOUT' | md5sum);
	my ($heap) = split / /, qx(psql -XqAt -d '@{[ $node->connstr('postgres') ]}' -c 'COPY (SELECT repeat(md5(i::text), 3125) FROM generate_series(1, 22000) i) TO STDOUT' | md5sum);
	is($md5, $heap, 'texts of 2.2 GB: the table itself');
	push @{ $manifest->{images} }, { name => 'texts of 2.2 GB', map => exported('large'), expected => $heap, md5 => JSON::PP::true };
	my $error = error_of($node, q{SELECT gstore_export_ipchandle('small')});
	like($error, qr/ERROR:  54000.*HINT:.*(large_text|gstore_export_chunks)/s, 'in 32-bit offsets there is no room for them');
	diag($error);
}

read_exports();
$session->quit;
unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal|was lost/, 'no leak, no crash, no lost device');
$node->stop('fast');
done_testing();
