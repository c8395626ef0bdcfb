# What the scripts here share; sourced, never run.
#
# Sets: top        the checkout
#       PG_CONFIG  the PostgreSQL we build against
#       base       where a private PostgreSQL and its clusters may lie: build/,
#                  or, when root runs us in a checkout that the user the server
#                  runs as cannot enter, a folder in /var/tmp
#       server_user  when we are root: whom the server runs as; else empty

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PG_CONFIG=${PG_CONFIG:-pg_config}
export PG_CONFIG

# Settings of whoever calls us must not reach the servers we start.
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE PGPASSWORD \
	PGSSLMODE PGTZ PGDATESTYLE PGCLIENTENCODING

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# Run a command as the user that may run a server.
as_server_user()
{
	if [ -n "$server_user" ]; then
		setpriv --reuid="$server_user" --regid="$server_group" --clear-groups \
			env HOME="$base" USER="$server_user" LOGNAME="$server_user" "$@"
	else
		"$@"
	fi
}

# A folder, made if need be, that the server's user owns.
server_dir()
{
	mkdir -p "$1"
	if [ -n "$server_user" ]; then
		chown "$server_user:$server_group" "$1"
	fi
}

# PostgreSQL refuses to run as root.
server_user=
server_group=
base=$top/build
if [ "$(id -u)" = 0 ]; then
	server_user=nobody
	if id -u postgres >/dev/null 2>&1; then
		server_user=postgres
	fi
	server_group=$(id -gn "$server_user")
	if ! (cd / && as_server_user test -r "$top/Makefile" -a -x "$top"); then
		base=/var/tmp/gstore-$(printf %s "$top" | cksum | cut -d' ' -f1)
		mkdir -m 755 "$base" 2>/dev/null || true
		[ -O "$base" ] && [ ! -L "$base" ] ||
			die "$base exists and is not ours"
	fi
fi
mkdir -p "$base"

# The private copy of PostgreSQL that pgtree.sh makes; GSTORE_PG_TREE= (empty):
# the installation itself.
pg_tree=${GSTORE_PG_TREE-$base/pg}
pg_bin()
{
	echo "$pg_tree$("$PG_CONFIG" --bindir)"
}

# Where PGXS keeps pg_regress and the TAP modules.
pgxs_src()
{
	local pgxs

	pgxs=$("$PG_CONFIG" --pgxs)
	(cd "$(dirname "$pgxs")/.." && pwd)
}
