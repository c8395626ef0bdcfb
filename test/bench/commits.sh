#!/bin/bash
# Single-row INSERTs, each a transaction of its own, beside an unlogged heap
# table with synchronous_commit off.
#
# Usage: commits.sh
#   COMMITS=100000     of each run, all sessions together
#   SESSIONS='1 8'     so many sessions, each with a table of its own
#   REPEAT=3           runs of each side, in turn; their median counts
#   PROTOCOL=simple    of pgbench: simple, extended or prepared
#   DEVICE=host        gstore_fdw.device: auto, host or cuda (test/cudasim)
#
# Beside them one more session asks, five times a second and the same of both
# sides, what is in the tables; every answer is checked.  Prints commits per
# second, the median of what each run on gstore comes to beside the one on the heap
# before it, and how many chunks they left: at once, and after at most a minute.
set -eu
. "$(dirname "$0")/../lib.sh"

COMMITS=${COMMITS:-100000}
SESSIONS=${SESSIONS:-1 8}
REPEAT=${REPEAT:-3}
PROTOCOL=${PROTOCOL:-simple}
DEVICE=${DEVICE:-host}

bin=$(pg_bin)
[ -n "${NO_BUILD:-}" ] || {
	make -s -C "$top" -j"$(nproc)" --no-print-directory all >/dev/null
	bin=$("$top/test/pgtree.sh")
}
home=$base/commits
data=$home/data
socket=$(mktemp -d /tmp/gstore-commits.XXXXXX)
asking=

rm -rf "$home"
server_dir "$home"
server_dir "$socket"

stop()
{
	[ -z "$asking" ] || kill "$asking" 2>/dev/null || true
	(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -m immediate -w stop) || true
	rm -rf "$socket" "$home"
}
trap stop EXIT

(cd / && as_server_user "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 \
	--locale=C --no-sync --no-instructions) >/dev/null
{
	cat <<-END
		shared_preload_libraries = 'gstore_fdw'
		gstore_fdw.device = $DEVICE
		listen_addresses = ''
		unix_socket_directories = '$socket'
		shared_buffers = 1GB
		synchronous_commit = off
		checkpoint_timeout = 1d
		max_wal_size = 100GB
		jit = off
		max_parallel_workers_per_gather = 0
	END
	if [ "$DEVICE" = cuda ]; then
		make -s -C "$top" --no-print-directory cudasim >/dev/null
		cp "$top/build/cudasim/libcuda.so.1" "$home/"
		echo "gstore_fdw.cuda_library = '$home/libcuda.so.1'"
	fi
} >>"$data/postgresql.conf"
(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -l "$home/server.log" -w start)

psql()
{
	"$bin/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$socket" -U postgres -d postgres "$@"
}

psql -c 'CREATE EXTENSION gstore_fdw' -f - <<'END'
-- A table's rows are 1 to n, so many as are committed.
CREATE FUNCTION rows_of(name text, before bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; highest bigint; total numeric; notes bigint;
BEGIN
	EXECUTE format('SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0), count(DISTINCT note) FROM %I', name)
		INTO n, highest, total, notes;
	IF n < before OR highest <> n OR total <> n::numeric * (n + 1) / 2 OR notes > 1 THEN
		RAISE EXCEPTION '%: % rows up to %, sum %, % notes, % before', name, n, highest, total, notes, before;
	END IF;
	RETURN n;
END $$;
END
cat >"$home/heap.sql" <<'END'
\set n :n + 1
INSERT INTO heap:client_id VALUES (:n, now(), 'something to be told');
END
sed 's/heap/gstore/' "$home/heap.sql" >"$home/gstore.sql"

# Chunks once there are few, or after a minute.
chunks_left()
{
	local i chunks

	for ((i = 0; i < 60; i++)); do
		chunks=$(psql -c 'SELECT sum(chunks) FROM gstore_tables')
		[ "$chunks" -gt $((8 * $1)) ] || break
		sleep 1
	done
	echo "$chunks after $i s"
}

# run KIND SESSIONS: sets tps; new tables each time
run()
{
	local kind=$1 sessions=$2 last=$(($2 - 1)) each=$((COMMITS / $2)) s told

	for s in $(seq 0 $last); do
		if [ "$kind" = heap ]; then
			echo "DROP TABLE IF EXISTS heap$s; CREATE UNLOGGED TABLE heap$s (id bigint, at timestamptz, note text);"
		else
			echo "DROP FOREIGN TABLE IF EXISTS gstore$s; CREATE FOREIGN TABLE gstore$s (id bigint, at timestamptz, note text) SERVER gstore_fdw;"
		fi
	done | psql 2>/dev/null
	# between its questions it has no snapshot
	for s in $(seq 0 $last); do
		echo "SELECT rows_of('$kind$s', :seen$s) AS seen$s \gset"
		echo '\sleep 200 ms'
	done >"$home/ask.sql"
	"$bin/pgbench" -h "$socket" -U postgres -n -T 86400 -f "$home/ask.sql" \
		$(seq -f '-D seen%g=0' 0 $last) postgres >"$home/asked" 2>&1 &
	asking=$!
	told=$("$bin/pgbench" -h "$socket" -U postgres -n -c "$sessions" -j "$sessions" \
		-t "$each" -D n=0 -M "$PROTOCOL" -f "$home/$kind.sql" postgres 2>&1) ||
		die "$told"
	tps=$(sed -n 's/^tps = \([0-9]*\).*without initial.*/\1/p' <<<"$told")
	[ "$kind" = heap ] || {
		chunks=$(psql -c 'SELECT sum(chunks) FROM gstore_tables')
		later=$(chunks_left "$sessions")
	}
	kill "$asking" || die "$(cat "$home/asked")"
	wait "$asking" 2>/dev/null || true
	! grep -q ERROR "$home/asked" || die "$(cat "$home/asked")"
	asking=
	for s in $(seq 0 $last); do
		[ "$(psql -c "SELECT rows_of('$kind$s', $each)")" = $each ] ||
			die "$kind$s does not have $each rows"
	done
}

median()
{
	tr ' ' '\n' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "device $DEVICE, $COMMITS commits of one row, protocol $PROTOCOL, medians of $REPEAT"
for sessions in $SESSIONS; do
	heap= gstore= ratios=
	for ((i = 0; i < REPEAT; i++)); do
		run heap "$sessions"
		heap="$heap${heap:+ }$tps"
		run gstore "$sessions"
		gstore="$gstore${gstore:+ }$tps"
		ratios="$ratios${ratios:+ }$(awk "BEGIN { printf \"%.3f\", $tps / ${heap##* } }")"
	done
	h=$(echo "$heap" | median)
	g=$(echo "$gstore" | median)
	echo "$sessions sessions: heap $h/s ($heap), gstore $g/s ($gstore), gstore/heap $(echo "$ratios" | median); chunks $chunks, $later"
done
