#!/bin/bash
# How fast rows go in and come back by row scan, against an unlogged heap.
#
# Usage: run.sh        (make bench)
#   ROWS=6000000       rows of the lineitem-shaped table (16 columns)
#   REPEAT=6           measurements of each kind; their median counts
#   VARIANTS='numeric float'   type of quantity, price, discount and tax
#   DEVICE=host        gstore_fdw.device: auto, host or cuda
#   KEEP=1             leave the cluster for the next run
#
# One cluster of its own, one session, everything warm: both sides are measured
# in turn, so what else the machine does hits both.  Prints medians in ms and
# the ratio gstore/heap; below 1 is faster than the heap.
set -eu
. "$(dirname "$0")/../lib.sh"

ROWS=${ROWS:-6000000}
REPEAT=${REPEAT:-6}
VARIANTS=${VARIANTS:-numeric float}
DEVICE=${DEVICE:-host}

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
END
[ -z "$server_user" ] || chown "$server_user" "$data/postgresql.auto.conf"
(cd / && as_server_user "$bin/pg_ctl" -s -D "$data" -l "$home/server.log" -w start)

psql()
{
	"$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$socket" -U postgres -d postgres "$@"
}

columns()
{
	local money=$1

	cat <<-END
		l_orderkey bigint NOT NULL, l_partkey int NOT NULL,
		l_suppkey int NOT NULL, l_linenumber int NOT NULL,
		l_quantity $money NOT NULL, l_extendedprice $money NOT NULL,
		l_discount $money NOT NULL, l_tax $money NOT NULL,
		l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL,
		l_shipdate date NOT NULL, l_commitdate date NOT NULL,
		l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL,
		l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL
	END
}

# The distributions of TPC-H's lineitem in outline, the same in every run.
fill()
{
	cat <<-END
		INSERT INTO source
		SELECT i / 4 + 1, h % 200000 + 1, h % 10000 + 1, i % 4 + 1,
		       h % 50 + 1, ((h % 50 + 1) * (90000 + h / 7 % 110001))::numeric / 100,
		       (h / 11 % 11)::numeric / 100, (h / 13 % 9)::numeric / 100,
		       (ARRAY['R', 'A', 'N'])[h / 17 % 3 + 1],
		       (ARRAY['O', 'F'])[h / 19 % 2 + 1],
		       date '1992-01-02' + (h / 23 % 2526)::int,
		       date '1992-01-31' + (h / 29 % 2466)::int,
		       date '1992-01-04' + (h / 31 % 2554)::int,
		       (ARRAY['DELIVER IN PERSON', 'COLLECT COD', 'NONE',
		              'TAKE BACK RETURN'])[h / 37 % 4 + 1],
		       (ARRAY['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL',
		              'FOB'])[h / 41 % 7 + 1],
		       left(md5(h::text) || md5(i::text), 10 + (h / 43 % 34)::int)
		  FROM generate_series(0, $ROWS - 1) i,
		       LATERAL (SELECT (hashint8(i)::bigint & 2147483647) AS h) x;
	END
}

median()
{
	sort -n | awk '{ v[NR] = $1 }
		END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

report()
{
	local what=$1 heap gstore

	heap=$(awk -v l="$2" '$1 == l { print $2 }' "$home/times" | median)
	gstore=$(awk -v l="$3" '$1 == l { print $2 }' "$home/times" | median)
	awk -v what="$what" -v heap="$heap" -v gstore="$gstore" 'BEGIN {
		printf "%-34s %9.0f ms %9.0f ms   %5.2f  %s\n", what, heap, gstore,
			gstore / heap, gstore <= heap ? "" : "slower"
	}'
}

psql -c 'CREATE EXTENSION IF NOT EXISTS gstore_fdw'
printf '%s rows of 16 columns, medians of %s, device %s\n\n%-34s %12s %12s   %5s\n' \
	"$ROWS" "$REPEAT" "$DEVICE" "" heap gstore ratio
for variant in $VARIANTS; do
	case $variant in
		numeric) money='numeric(15,2)' ;;
		float) money='float8' ;;
		*) die "variant \"$variant\" is neither numeric nor float" ;;
	esac
	{
		echo 'SET client_min_messages = warning;'
		echo 'DROP FOREIGN TABLE IF EXISTS rows_gstore;'
		echo 'DROP TABLE IF EXISTS source, rows_heap;'
		echo "CREATE UNLOGGED TABLE source ($(columns "$money"));"
		fill
		echo 'VACUUM ANALYZE source;'
		echo 'SELECT count(*) FROM source;'
	} | psql -At >/dev/null

	{
		echo 'SET client_min_messages = warning;'
		for ((i = 0; i <= REPEAT; i++)); do
			cat <<-END
				DROP FOREIGN TABLE IF EXISTS rows_gstore;
				DROP TABLE IF EXISTS rows_heap;
				CREATE UNLOGGED TABLE rows_heap ($(columns "$money"));
				CREATE FOREIGN TABLE rows_gstore ($(columns "$money"))
				    SERVER gstore_fdw;
				\\timing on
			END
			# who goes second finds another state of caches: take turns
			for table in $([ $((i % 2)) = 0 ] && echo heap gstore || echo gstore heap); do
				echo "\\echo load-$table $i"
				echo "INSERT INTO rows_$table SELECT * FROM source;"
			done
			echo '\timing off'
		done
		echo 'VACUUM ANALYZE rows_heap;'
		for ((i = 0; i <= REPEAT; i++)); do
			echo '\timing on'
			for table in heap gstore; do
				cat <<-END
					\\echo count-$table $i
					SELECT count(*) FROM rows_$table;
					\\echo sum-$table $i
					SELECT sum(l_extendedprice) FROM rows_$table;
					\\echo sums-$table $i
					SELECT sum(l_quantity), sum(l_extendedprice), sum(l_discount),
					       max(l_shipdate), max(l_comment) FROM rows_$table;
				END
			done
			echo '\timing off'
		done
	} >"$home/script.sql"
	psql -At -f "$home/script.sql" >"$home/output"

	# both must have said the same, and the first round only warmed up
	awk '/^(load|count|sum|sums)-/ { label = $1; round = $2; next }
		/^Time:/ { if (round > 0) print label, $2 }' "$home/output" >"$home/times"
	differing=$(awk '/^(count|sum|sums)-/ { label = $1; sub(/-.*/, "", label); next }
		/^Time:/ { label = ""; next }
		label != "" { if (label in seen && seen[label] != $0) print label; seen[label] = $0 }' \
		"$home/output" | sort -u | xargs)
	[ -z "$differing" ] ||
		echo "heap and gstore differ: $differing (last digits of float sums may)"

	report "$variant: INSERT ... SELECT" load-heap load-gstore
	report "$variant: count(*)" count-heap count-gstore
	report "$variant: sum of one column" sum-heap sum-gstore
	report "$variant: five aggregates" sums-heap sums-gstore
done
