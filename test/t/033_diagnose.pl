
# gstore_diagnose() tells what sharing needs, and what is not so here.

use strict;
use warnings FATAL => 'all';

use GstoreFault;
use GstoreNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $cuda = device() eq 'cuda';
my $control = PostgreSQL::Test::Utils::tempdir() . '/control';
$ENV{GSTORE_CUDASIM_CONTROL} = $control if $cuda;

sub inject
{
	my ($faults) = @_;

	open(my $file, '>', "$control.new") or die "$control.new: $!";
	print $file "$faults\n";
	close $file;
	rename("$control.new", $control) or die "$control: $!";
}

inject('') if $cuda;
my $node = new_node('diagnose');
my $before = left_behind($node);

# device, ok and found, or detail where it is not ok
sub row
{
	my ($subject, $arguments) = @_;

	return sql($node, "SELECT device, coalesce(ok::text, 'depends'), CASE WHEN ok THEN found ELSE detail END "
		  . "FROM gstore_diagnose(" . ($arguments // '') . ") WHERE subject = '$subject'");
}

is(join(',', sort split /\n/, sql($node, 'SELECT DISTINCT subject FROM gstore_diagnose()')),
	join(',', $cuda ? 'MIG' : (), 'device', 'driver', 'exports', 'kind of device', 'pid namespace', 'sharing', 'system', 'user'),
	'all there is to know');
is(sql($node, 'SELECT count(*) FROM gstore_diagnose() WHERE ok IS FALSE'), 0, 'and all is well');
is(row('kind of device'), '|true|' . device(), 'the kind of device');
if ($cuda)
{
	is(row('driver'), '|true|CUDA 12.4', 'the driver');
	is(row('device'), join("\n", map { "$_|true|stand-in for a GPU" } 0, 1), 'each device');
	is(row('MIG'), "0|true|no\n1|true|no", 'is whole');
	is(row('sharing'), "0|true|the driver gives handles\n1|true|the driver gives handles", 'and shares');
}
else
{
	is(row('driver'), '|true|none', 'there is no driver');
	like(row('sharing'), qr{^0\|true\|/proc/\d+/fd/\d+$}, 'the file that is mapped');
}
nothing_left($node, $before, 'asking leaves nothing behind');

# a program beside it: this one, of the same user, in the same namespace
my $namespace = readlink('/proc/self/ns/pid');
my ($name) = getpwuid($>);
is(row('user'), '|depends|The other program must run as this user.', 'the user matters');
like(row('pid namespace'), qr/^\|depends\|The other program must be in this namespace/, 'and the namespace');
is(row('user', $$), "|true|$name ($>)", 'a program of the same user');
is(row('pid namespace', $$), "|true|$namespace", 'in the same namespace');
like(row('user', 1), qr/^\|false\|Process 1 runs as root \(0\)\./, 'one of another user') if $> != 0;
like(row('pid namespace', 1), qr/^\|false\|Process 1: Permission denied\./, 'whose namespace is not told') if $> != 0;
like(row($_, 2147483647), qr/^\|false\|Process 2147483647: No such file or directory\./, "$_: one that is not there")
  foreach 'user', 'pid namespace';

# exports
sql($node, 'CREATE FOREIGN TABLE t (a int) SERVER gstore_fdw; INSERT INTO t VALUES (1)');
is(sql($node, q{SELECT found FROM gstore_export_ipchandle('t'), gstore_diagnose() WHERE subject = 'exports'}), '1 of 1024', 'exports there are');
sql($node, 'DROP FOREIGN TABLE t');

# not for everybody
my $error = '';
sql($node, 'CREATE ROLE nobody');
$node->psql('postgres', 'SET ROLE nobody; SELECT gstore_diagnose()', stderr => \$error);
like($error, qr/permission denied for function gstore_diagnose/, 'not for everybody');

if ($cuda)
{
	# the driver refuses
	inject('export_refuse=801');
	like(row('sharing'), qr/^0\|false\|cuIpcGetMemHandle: CUDA_ERROR_NOT_SUPPORTED.*\n1\|false\|/, 'the driver gives no handle');
	inject('alloc_oom=1');
	like(row('sharing'), qr/^0\|false\|cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY/, 'nor memory');
	inject('');
	nothing_left($node, $before, 'which leaves nothing behind');

	# no driver at all
	$node->append_conf('postgresql.conf', q{gstore_fdw.cuda_library = '/nowhere/libcuda.so.1'});
	$node->restart;
	ok(wait_for('the keeper to say so', sub { return row('driver') ne ''; }), 'the driver is looked for');
	like(row('driver'), qr{^\|false\|dlopen: /nowhere/libcuda.so.1: }, 'and not found');
	is(row('kind of device'), '|false|No device can be used.', 'so there is no device');
	is(row('device'), '', 'to tell of');
}

# not loaded at the start
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;
is(row('kind of device'), '|false|gstore_fdw is not in shared_preload_libraries.', 'without the preload');

unlike(slurp_file($node->logfile), qr/resource leak|PANIC|TRAP|terminated by signal|was lost/, 'no leak, no crash');
$node->stop('fast');
done_testing();
