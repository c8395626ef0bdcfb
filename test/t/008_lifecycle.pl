
# What becomes of tables when databases go, dumps are made and restored, and on
# a standby before and after its promotion, and through pg_upgrade.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('lifecycle', "wal_level = replica\nmax_wal_senders = 4\nwal_log_hints = off\n");
my $empty = used($node);

# DROP DATABASE
sql($node, 'CREATE DATABASE gone');
$node->safe_psql('gone', q{CREATE EXTENSION gstore_fdw;
	CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw;
	INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i});
cmp_ok(used($node), '>', $empty, 'a table of another database takes room');
sql($node, 'DROP DATABASE gone');
ok(wait_for('the memory',
		sub { sql($node, 'SELECT gstore_request_barrier()'); return used($node) == $empty; }),
	'DROP DATABASE gives it back');

# pg_dump
sql($node, q{CREATE FOREIGN TABLE t (id int NOT NULL,
	note text OPTIONS (compression 'pglz')) SERVER gstore_fdw OPTIONS (pinning '0');
	INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, 100) i});
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '--include-foreign-data=gstore_fdw',
		$node->connstr('postgres') ], 'pg_dump with rows');
sql($node, 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-f', $dump,
		$node->connstr('restored') ], 'restore');
is($node->safe_psql('restored', 'SELECT count(*), sum(id), max(note) FROM t'),
	'100|5050|row 99', 'the rows are there');
is($node->safe_psql('restored', q{SELECT ftoptions, attfdwoptions
	FROM pg_foreign_table JOIN pg_attribute ON attrelid = ftrelid AND attname = 'note'}),
	'{pinning=0}|{compression=pglz}', 'and the options');

# a standby
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
like(error_of($standby, 'SELECT * FROM t;'), qr/55000/, 'a standby refuses to read');
$standby->promote;
is(sql($standby, 'SELECT count(*) FROM t'), '0', 'promoted, the table is empty');
sql($standby, q{INSERT INTO t VALUES (1, 'promoted')});
is(sql($standby, 'SELECT * FROM t'), '1|promoted', 'and can be filled');
is(sql($node, 'SELECT count(*) FROM t'), '100', 'the other still has its rows');
$standby->stop;
$node->stop;

# pg_upgrade: asked whether it could, and then doing it
my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init(@INITDB);
$new->append_conf('postgresql.conf',
	PostgreSQL::Test::Utils::slurp_file($ENV{GSTORE_SERVER_CONF}));
my ($bin) = grep { -x "$_/pg_upgrade" } split /:/, $ENV{PATH};
# it writes where it is called
chdir $new->basedir;
foreach my $check ([ '--check' ], [])
{
	$new->command_ok([ 'pg_upgrade', @$check, '--old-bindir', $bin,
			'--new-bindir', $bin, '--old-datadir', $node->data_dir,
			'--new-datadir', $new->data_dir, '--socketdir', $new->host,
			'--old-port', $node->port, '--new-port', $new->port ],
		"pg_upgrade @$check");
}
$new->start;
is(sql($new, 'SELECT count(*) FROM t'), '0', 'the table is there, and empty');
is($new->safe_psql('restored', q{SELECT ftoptions, attfdwoptions
	FROM pg_foreign_table JOIN pg_attribute ON attrelid = ftrelid AND attname = 'note'}),
	'{pinning=0}|{compression=pglz}', 'with its options');
sql($new, q{INSERT INTO t VALUES (1, 'upgraded')});
is(sql($new, 'SELECT * FROM t'), '1|upgraded', 'and can be filled');
$new->stop;

done_testing();
