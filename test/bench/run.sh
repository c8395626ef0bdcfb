#!/bin/bash
# This extension, PostgreSQL's heap, DuckDB, loops written by hand and a foreign
# table that keeps nothing, beside each other on the same rows.
#
# Usage: run.sh        (make bench)
#   ROWS=6000000       rows of the lineitem-shaped table (16 columns)
#   REPEAT=5           measurements of each kind; their median counts
#   VARIANTS='numeric float'   type of quantity, price, discount and tax
#   THREADS=           of each side; default: the machine's CPUs
#   DEVICE=host        gstore_fdw.device: auto, host or cuda
#   ONLY=loads         only loads and full reads, without DuckDB; reads: all but
#                      those
#   JSON=FILE          where to write the figures for programs, too
#   KEEP=1             leave the cluster for the next run
#
# One cluster of its own, everything warm and in memory: all sides are measured
# in turn, so what else the machine does hits all.
set -eu
. "$(dirname "$0")/../lib.sh"

ROWS=${ROWS:-6000000}
REPEAT=${REPEAT:-5}
THREADS=${THREADS:-$(nproc)}
VARIANTS=${VARIANTS:-numeric float}
DEVICE=${DEVICE:-host}
ONLY=${ONLY:-}

make -s -C "$top" -j"$(nproc)" --no-print-directory all >/dev/null
bin=$("$top/test/pgtree.sh")
home=$base/bench
data=$home/data
socket=$(mktemp -d /tmp/gstore-bench.XXXXXX)

server_dir "$home"
server_dir "$socket"

stop()
{
	(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -m immediate -w stop) || true
	rm -rf "$socket"
	[ -n "${KEEP:-}" ] || rm -rf "$home"
}
trap stop EXIT

if [ ! -e "$data/PG_VERSION" ]; then
	(cd / && as_server_user "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 \
		--locale=C --no-sync --no-instructions) >/dev/null
fi
# The heap's tables fit shared_buffers with room (a quarter of it is the limit
# below which a scan keeps its pages), so that no side reads files.
buffers=$((ROWS * 200 * 5 / 1048576 + 256))
cat >"$data/postgresql.auto.conf" <<END
shared_preload_libraries = 'gstore_fdw'
gstore_fdw.device = $DEVICE
listen_addresses = ''
unix_socket_directories = '$socket'
shared_buffers = ${buffers}MB
checkpoint_timeout = 1d
max_wal_size = 100GB
fsync = off
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
min_parallel_table_scan_size = 0
parallel_leader_participation = on
max_parallel_workers = $THREADS
END
[ -z "$server_user" ] || chown "$server_user" "$data/postgresql.auto.conf"
(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -l "$home/server.log" -w start)

# DuckDB, where PyPI can be reached; its column stays empty otherwise.
venv=$base/bench-venv
if [ "$ONLY" != loads ] && [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv" &&
		"$venv/bin/pip" install --quiet --disable-pip-version-check duckdb ||
		echo "no DuckDB from PyPI: measured without" >&2
fi
python=$venv/bin/python
[ "$ONLY" != loads ] && [ -x "$python" ] || python=python3
${CC:-cc} -O3 -march=native -pthread -o "$home/loop" "$top/test/bench/loop.c"
${CC:-cc} -O2 -fPIC -shared -I"$("$PG_CONFIG" --includedir-server)" \
	-o "$home/noop_fdw.so" "$top/test/bench/noop_fdw.c"

"$python" "$top/test/bench/bench.py" --psql "$bin/psql" --socket "$socket" \
	--loop "$home/loop" --noop "$home/noop_fdw.so" --only "$ONLY" --folder "$home" --device "$DEVICE" \
	--variants "$VARIANTS" --rows "$ROWS" --repeat "$REPEAT" \
	--threads "$THREADS" ${JSON:+--json "$JSON"}
