# devices: host
# cgroup: 512
#
# In a memory cgroup smaller than what is loaded (512 MB; suite.sh puts us into
# it where it may): an error, and nobody is killed.  Not on the stand-in, whose
# device memory would count as the server's own.

use strict;
use warnings FATAL => 'all';

use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no memory cgroup could be made (needs root)'
  unless defined $ENV{GSTORE_CGROUP_MB};

my $limit = $ENV{GSTORE_CGROUP_MB} * 1024 * 1024;

# chosen from the cgroup's limit, and more than it allows
foreach my $setting ('0', '4GB')
{
	my $node = new_node("cgroup$setting", qq{
gstore_fdw.host_memory = $setting
gstore_fdw.staging_memory = 32MB
gstore_fdw.device_memory = 1GB
max_connections = 20
shared_buffers = 32MB
});
	my $postmaster = slurp_file($node->data_dir . '/postmaster.pid');
	my $empty = used($node);
	my $error = '';

	sql($node, 'CREATE FOREIGN TABLE t (id int, note text) SERVER gstore_fdw');
	# 60 times 24 MB is nearly three times what there is
	for (my $i = 0; $i < 60 && $error eq ''; $i++)
	{
		$error = error_of($node, q{SET gstore_fdw.chunk_size = '8MB';
			INSERT INTO t SELECT i, repeat('x', 500) || i FROM generate_series(1, 45000) i;});
	}
	like($error, qr/ERROR:\s+53200/, "host_memory = $setting: 53200 in the end");
	like($error, qr/DETAIL:.*\d/, 'with numbers');
	cmp_ok(used($node), '<', $limit, 'less than the cgroup allows is used');
	cmp_ok(sql($node, 'SELECT count(*) FROM t'), '>=', 45000,
		'what was committed can be read');

	unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/,
		'nobody was killed');
	is(slurp_file($node->data_dir . '/postmaster.pid'), $postmaster,
		'the server is the same');
	sql($node, 'DROP FOREIGN TABLE t');
	ok(wait_for('free memory', sub { return used($node) == $empty; }),
		'DROP gives all back');
	$node->stop;
}

done_testing();
