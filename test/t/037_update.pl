# ALTER EXTENSION UPDATE: from the first version that was released to this one, with
# the tables in use meanwhile, leads to the same objects as a new installation.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('update');
my ($default) = $node->safe_psql('postgres',
	"SELECT default_version FROM pg_available_extensions WHERE name = 'gstore_fdw'");

sub in_database
{
	my ($database, $query) = @_;

	return $node->safe_psql($database, $query);
}

# Everything that belongs to the extension, with definitions and privileges.
sub objects
{
	my $database = shift;

	return in_database($database, q{
SELECT pg_describe_object(classid, objid, 0),
	CASE classid WHEN 'pg_proc'::regclass THEN
		(SELECT concat_ws(' ', pg_get_functiondef(oid), proacl, obj_description(oid, 'pg_proc')) FROM pg_proc WHERE oid = objid)
	WHEN 'pg_class'::regclass THEN
		(SELECT concat_ws(' ', pg_get_viewdef(oid), relacl, obj_description(oid, 'pg_class')) FROM pg_class WHERE oid = objid)
	END
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND
	refobjid = (SELECT oid FROM pg_extension WHERE extname = 'gstore_fdw')
ORDER BY 1});
}

$node->safe_psql('postgres', "CREATE DATABASE $_") foreach 'old', 'fresh';
in_database('fresh', 'CREATE EXTENSION gstore_fdw');
in_database('old', q{CREATE EXTENSION gstore_fdw VERSION '1.0';
CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw;
INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 1000) i});

is(in_database('old', 'SELECT count(*), sum(id) FROM t'), '1000|500500',
	'the first version works with this library');

# A session that has used the table before goes on.
my $session = $node->background_psql('old');
$session->query_safe('BEGIN; INSERT INTO t VALUES (1001, NULL)');
in_database('old', 'ALTER EXTENSION gstore_fdw UPDATE');
is($session->query_safe('DELETE FROM t WHERE id <= 500; COMMIT; SELECT count(*) FROM t'),
	'501', 'a transaction goes on that was open meanwhile');
$session->quit;

is(in_database('old', "SELECT extversion FROM pg_extension WHERE extname = 'gstore_fdw'"),
	$default, "the version is $default");
is(in_database('old', 'SELECT count(*), sum(id) FROM t'), '501|376251', 'rows are kept');
is(objects('old'), objects('fresh'), 'the objects are those of a new installation');
is(in_database('old', q{CREATE TABLE source AS SELECT i AS id, 'more' AS note FROM generate_series(1, 100) i;
SELECT gstore_load('t', 'source')}), '100', 'what is new works');

$node->stop;
done_testing();
