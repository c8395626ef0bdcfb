#!/bin/bash
# From an empty Debian or Ubuntu machine to a GPU table with real data in it.
#
# Usage: quickstart.sh start|stop
#
# start installs what is missing, builds, makes a private PostgreSQL with the
# extension in build/, starts a cluster there that listens on a socket only,
# loads this machine's package index and asks it a few questions.  A second
# start finds it all there.  The system's own PostgreSQL is not touched.
set -eu
dir=$(cd "$(dirname "$0")" && pwd)
action=${1:-start}

[ "$action" = stop ] || "$dir/install-deps.sh" build
. "$dir/lib.sh"

bin=$(pg_bin)
home=$base/quickstart
data=$home/data
# a socket's path may have 107 bytes
socket=$home
if [ ${#socket} -gt 80 ]; then
	socket=/tmp/gstore-$(printf %s "$home" | cksum | cut -d' ' -f1)
fi
log=$home/server.log

running()
{
	[ -e "$data/postmaster.pid" ] &&
		(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" status) >/dev/null 2>&1
}

stop()
{
	(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -m fast -w stop)
}

psql()
{
	"$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -U postgres "$@"
}

say()
{
	printf '\n-- %s\n' "$*"
}

if [ "$action" = stop ]; then
	if running; then
		stop
		echo "Stopped. A gstore table is empty after a restart of its server."
	else
		echo "It is not running."
	fi
	exit
fi
[ "$action" = start ] || die "start or stop?"

say "building"
make -C "$top" -s -j"$(nproc)" --no-print-directory all >"$base/build.log" 2>&1 || {
	cat "$base/build.log"
	exit 1
}
"$dir/pgtree.sh" >/dev/null
echo "gstore_fdw for $("$bin/postgres" --version), installed in $pg_tree"

server_dir "$home"
chmod 700 "$home"
server_dir "$socket"
if [ ! -e "$data/PG_VERSION" ]; then
	say "making a cluster in $data"
	(cd / && as_server_user "$bin/initdb" -D "$data" -U postgres -A trust \
		-E UTF8 --locale=C.UTF-8 --no-instructions >"$home/initdb.log" 2>&1) || {
		cat "$home/initdb.log"
		exit 1
	}
	cat >>"$data/postgresql.conf" <<-END

		# gstore_fdw's quickstart
		shared_preload_libraries = 'gstore_fdw'
		listen_addresses = ''
		unix_socket_directories = '$socket'
	END
fi

# A server that runs an older build is restarted.
library=$pg_tree$("$PG_CONFIG" --pkglibdir)/gstore_fdw.so
version=$(cksum <"$library")
if running && [ "$(cat "$home/version" 2>/dev/null)" != "$version" ]; then
	say "stopping the server of an older build"
	stop
fi
if ! running; then
	say "starting the server"
	(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -l "$log" -w start) || {
		tail -n 30 "$log"
		die "the server did not start, see $log"
	}
	echo "$version" >"$home/version"
fi

if [ -z "$(psql -At -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'gstore'")" ]; then
	psql -d postgres -c 'CREATE DATABASE gstore'
fi
psql -d gstore <<'END'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS gstore_fdw;
CREATE FOREIGN TABLE IF NOT EXISTS package (
    name            text NOT NULL,
    version         text NOT NULL,
    section         text,
    priority        text,
    installed_size  int,        -- kB
    description     text
) SERVER gstore_fdw OPTIONS (pinning '0', format 'pgstrom');
END

if [ "$(psql -At -d gstore -c 'SELECT count(*) FROM package')" = 0 ]; then
	say "loading this machine's package index"
	"$dir/packages.sh" >"$base/packages.tsv"
	psql -d gstore -c '\timing on' -c '\copy package FROM pstdin' \
		<"$base/packages.tsv"
	echo "$(wc -l <"$base/packages.tsv") rows"
	rm -f "$base/packages.tsv"
fi

psql -d gstore -f "$dir/quickstart.sql"

cat <<END
-- The server is running. To connect, and to stop it:

    $bin/psql -h $socket -U postgres gstore
    make quickstart-stop

Its settings and its log: $data/postgresql.conf, $log
END
