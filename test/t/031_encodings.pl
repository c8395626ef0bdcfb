# Texts of the format arrow are UTF-8 whatever the database's encoding, and come
# back as they were.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('encodings');

foreach my $encoding (qw(LATIN1 SQL_ASCII))
{
	my $database = lc $encoding;

	$node->safe_psql('postgres',
		"CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->safe_psql($database, 'CREATE EXTENSION gstore_fdw');
	my $columns = 'id int, t text, v varchar(3), c char(4), n name, a text[], b bytea';
	$node->safe_psql($database, "CREATE TABLE h ($columns);"
		  . "CREATE FOREIGN TABLE g ($columns) SERVER gstore_fdw OPTIONS (format 'arrow');"
		  . 'CREATE FOREIGN TABLE p (id int, t text) SERVER gstore_fdw;');
	# 'caf' and e acute, in the database's encoding
	my $coffee = $encoding eq 'LATIN1'
	  ? "convert_from('\\x636166e9', 'LATIN1')" : "convert_from('\\x636166c3a9', 'SQL_ASCII')";
	my $letter = $encoding eq 'LATIN1'
	  ? "convert_from('\\xe9', 'LATIN1')" : "'e'::text";
	$node->safe_psql($database,
		"INSERT INTO h SELECT i, $coffee || i, $letter || 'a', $letter, $letter || i, "
		  . "ARRAY[$coffee, NULL, i::text], '\\xe900' FROM generate_series(1, 100) i;"
		  . 'INSERT INTO h (id) VALUES (0); INSERT INTO g SELECT * FROM h;');
	is( $node->safe_psql($database,
			'SELECT count(*) FROM h JOIN g USING (id) WHERE ROW(h.*)::text = ROW(g.*)::text'),
		'101', "$encoding: texts come back as they were");
	is( $node->safe_psql($database,
			"SELECT count(*) FROM g WHERE t = $coffee || '42' OR t > $coffee || '98' OR t LIKE '%' || $letter || '77' AND v IS NULL"),
		$node->safe_psql($database,
			"SELECT count(*) FROM h WHERE t = $coffee || '42' OR t > $coffee || '98' OR t LIKE '%' || $letter || '77' AND v IS NULL"),
		"$encoding: conditions on texts");
	is( $node->safe_psql($database, 'SELECT max(t) FROM g'),
		$node->safe_psql($database, 'SELECT max(t) FROM h'),
		"$encoding: aggregates of texts");
	$node->safe_psql($database, 'DELETE FROM g WHERE id % 2 = 0; SELECT gstore_compact(\'g\')');
	is( $node->safe_psql($database,
			'SELECT count(*) FROM h JOIN g USING (id) WHERE h.t = g.t AND h.a IS NOT DISTINCT FROM g.a'),
		'50', "$encoding: and of merged chunks");

	next if $encoding eq 'LATIN1';
	my ($status, $out, $err) = $node->psql($database,
		"INSERT INTO g (id, a) VALUES (1, ARRAY['x', convert_from('\\x636166e9', 'SQL_ASCII')])");
	isnt($status, 0, 'a text that is not UTF-8 is refused');
	like($err, qr/column "a" of foreign table "g": format "arrow" cannot hold a text that is not UTF-8/,
		'the error names the column');
	like($err, qr/DETAIL:  The value is "caf/, 'and the value');
	$node->safe_psql($database, "INSERT INTO p VALUES (1, convert_from('\\x636166e9', 'SQL_ASCII'))");
	is($node->safe_psql($database, "SELECT convert_to(t, 'SQL_ASCII') FROM p"), '\\x636166e9',
		'format pgstrom takes it');
}

$node->stop;
done_testing();
