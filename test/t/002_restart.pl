
# A restart empties the tables, says nothing wrong about it, and leaves the
# device as it was at the start.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use Test::More;

my $node = new_node('restart');
my $empty = used($node);

sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
foreach my $mode ('fast', 'immediate')
{
	# large enough for an allocation of its own on a GPU
	sql($node, q{INSERT INTO t SELECT i, repeat('x', 100) || i FROM generate_series(1, 50000) i});
	is(sql($node, 'SELECT count(*), sum(id) FROM t'), '50000|1250025000',
		"rows before the $mode restart");
	cmp_ok(used($node), '>', $empty, 'they take room');

	$node->stop($mode);
	$node->start;

	is(sql($node, 'SELECT count(*) FROM t'), '0', "empty after the $mode restart");
	is(sql($node, 'SELECT count(*) FROM pgstrom.gstore_fdw_chunk_info'), '0',
		'no chunks');
	is(used($node), $empty, 'nothing is used');
	is(sql($node, 'SELECT DISTINCT state FROM gstore_devices'), 'ready',
		'the devices are ready');
}
sql($node, q{INSERT INTO t VALUES (1, 'again')});
is(sql($node, 'SELECT * FROM t'), '1|again', 'it can be filled again');
$node->stop;

done_testing();
