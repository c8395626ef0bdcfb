
# A server with the extension, for the tests in this folder.
#
# suite.sh names the device in GSTORE_DEVICE and its settings in
# GSTORE_SERVER_CONF.

package GstoreNode;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
# A machine that is busy with other things takes its time.
BEGIN { $ENV{PG_TEST_TIMEOUT_DEFAULT} //= 900; }

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node @INITDB device sql try_psql error_of used children keeper_pid
  wait_until_up wait_for);

# What initdb is told, in whatever locale the tests run: arrow keeps texts as the
# engine knows them only where they are UTF-8 already.
our @INITDB = (extra => [ '--encoding=UTF8', '--locale=C' ]);

sub device { return $ENV{GSTORE_DEVICE}; }

# new_node(name, extra settings): a started server with database postgres and
# the extension in it.
sub new_node
{
	my ($name, $settings) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(@INITDB);
	$node->append_conf('postgresql.conf',
		slurp_file($ENV{GSTORE_SERVER_CONF}));
	$node->append_conf('postgresql.conf', $settings) if defined $settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION gstore_fdw');
	return $node;
}

# The answer of a statement that must succeed.
sub sql
{
	my ($node, $query) = @_;
	return $node->safe_psql('postgres', $query);
}

# psql where the server may be gone: its exit status and what it printed.
sub try_psql
{
	my ($node, $query) = @_;
	my ($status, $out);

	# IPC::Run dies when psql ends before it has read what it is to do.
	eval { ($status, $out) = $node->psql('postgres', $query, on_error_stop => 1); };
	return $@ eq '' ? ($status, $out) : (2, '');
}

# What a statement that must fail says, with its SQLSTATE; empty if it did not
# fail.
sub error_of
{
	my ($node, $query) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\n$query",
		on_error_stop => 1);
	return $status == 0 ? '' : $err;
}

sub used
{
	my ($node) = @_;
	return sql($node, 'SELECT sum(used) FROM gstore_devices');
}

# Process ids of the postmaster's children whose title matches.
sub children
{
	my ($node, $title) = @_;
	my ($postmaster) = split(/\n/, slurp_file($node->data_dir . '/postmaster.pid'));
	my @found;

	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		my ($pid) = $stat =~ m{/proc/(\d+)/};
		open(my $file, '<', $stat) or next;
		my $line = <$file>;
		close $file;
		next unless defined $line and $line =~ /\) \S (\d+) / and $1 == $postmaster;
		open($file, '<', "/proc/$pid/cmdline") or next;
		my $command = <$file>;
		close $file;
		push @found, $pid if defined $command and $command =~ /$title/;
	}
	return @found;
}

sub keeper_pid
{
	my ($node) = @_;
	my ($pid) = children($node, qr/gstore_fdw GPU memory keeper/);
	return $pid;
}

# wait_for(what, condition): until the condition is true, at most five minutes.
sub wait_for
{
	my ($what, $condition) = @_;

	for (my $i = 0; $i < 3000; $i++)
	{
		return 1 if $condition->();
		select(undef, undef, undef, 0.1);
	}
	diag("waited in vain for $what");
	return 0;
}

# After a crash: until the server answers again.
sub wait_until_up
{
	my ($node) = @_;

	return wait_for('the server',
		sub { my ($status) = try_psql($node, 'SELECT 1'); return $status == 0; });
}

1;
