#!/bin/bash
# What a change costs: it should follow the change, not the table's size.
#
# Usage: change.sh
#   ROWS='1000000 10000000'  sizes of the table that gets 1,000 rows more, and
#                            1,000 fewer
#   BIG=6000000              rows of the table that loses a tenth, also a heap
#   REPEAT=5                 measurements of the tenth; their median counts
#   SMALL=51                 and of the thousand rows
#   DEVICE=host              gstore_fdw.device: auto, host or cuda
#
# Prints medians in ms: the change alone, in a transaction of its own.
set -eu
. "$(dirname "$0")/../lib.sh"

ROWS=${ROWS:-1000000 10000000}
SMALL=${SMALL:-51}
BIG=${BIG:-6000000}
REPEAT=${REPEAT:-5}
DEVICE=${DEVICE:-host}

bin=$(pg_bin)
[ -n "${NO_BUILD:-}" ] || {
	make -s -C "$top" -j"$(nproc)" --no-print-directory all >/dev/null
	bin=$("$top/test/pgtree.sh")
}
home=$base/change
data=$home/data
socket=$(mktemp -d /tmp/gstore-change.XXXXXX)

rm -rf "$home"
server_dir "$home"
server_dir "$socket"

stop()
{
	(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -m immediate -w stop) || true
	rm -rf "$socket" "$home"
}
trap stop EXIT

(cd / && as_server_user "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 \
	--locale=C --no-sync --no-instructions) >/dev/null
cat >>"$data/postgresql.conf" <<END
shared_preload_libraries = 'gstore_fdw'
gstore_fdw.device = $DEVICE
listen_addresses = ''
unix_socket_directories = '$socket'
shared_buffers = 1GB
checkpoint_timeout = 1d
max_wal_size = 100GB
fsync = off
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
END
(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -l "$home/server.log" -w start)

psql()
{
	"$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -U postgres -d postgres "$@"
}

# median COMMAND...: of REPEAT runs; what is before the ';;' is not measured
median()
{
	for ((i = 0; i <= REPEAT; i++)); do
		printf '%s;\n\\timing on\n%s;\n\\timing off\n' "$1" "$2"
	done | psql -At | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' | tail -n +2 |
		sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

psql -c 'CREATE EXTENSION gstore_fdw'
columns='id bigint, grp int, price float8, note text'
row="i, i % 100, i / 3.0, 'note ' || i"
declare -A took
echo "device $DEVICE, medians of $REPEAT, ms"
for rows in $ROWS; do
	psql -c "CREATE FOREIGN TABLE t ($columns) SERVER gstore_fdw" \
		-c "INSERT INTO t SELECT $row FROM generate_series(1, $rows) i"
	took[append-$rows]=$(REPEAT=$SMALL median "SELECT 1" \
		"INSERT INTO t SELECT $row FROM generate_series($rows + 1, $rows + 1000) i")
	used=$(psql -Atc 'SELECT sum(used) FROM gstore_devices')
	took[delete-$rows]=$(REPEAT=$SMALL median "INSERT INTO t SELECT $row FROM generate_series($rows + 1, $rows + 1000) i" \
		"DELETE FROM t WHERE id > $rows")
	took[middle-$rows]=$(REPEAT=$SMALL median "ROLLBACK; BEGIN" \
		"DELETE FROM t WHERE id BETWEEN $((rows / 2)) AND $((rows / 2 + 999))" 2>/dev/null)
	echo "$rows rows: append 1,000 ${took[append-$rows]}, delete 1,000 just appended ${took[delete-$rows]}, 1,000 in the middle ${took[middle-$rows]}; device memory $used"
	psql -c 'DROP FOREIGN TABLE t'
done

psql -c "CREATE UNLOGGED TABLE source ($columns)" \
	-c "INSERT INTO source SELECT $row FROM generate_series(1, $BIG) i" \
	-c "CREATE FOREIGN TABLE g ($columns) SERVER gstore_fdw" \
	-c "CREATE UNLOGGED TABLE h ($columns)" \
	-c 'INSERT INTO g SELECT * FROM source' -c 'INSERT INTO h SELECT * FROM source' \
	-c 'VACUUM ANALYZE h'
for table in h g; do
	took[tenth-$table]=$(median "ROLLBACK; BEGIN" "DELETE FROM $table WHERE id % 10 = 3" 2>/dev/null)
done
awk -v h="${took[tenth-h]}" -v g="${took[tenth-g]}" -v n="$BIG" 'BEGIN {
	printf "DELETE of a tenth of %d rows: heap %.0f, gstore %.0f, heap/gstore %.2f\n", n, h, g, h / g }'
