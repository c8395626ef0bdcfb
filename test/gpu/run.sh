#!/bin/bash
# The tests on a real driver: what `make gpucheck` runs.
#
# Usage: run.sh [questions|sql|specs|tap|tap:NAME...|bench]...      (default: all)
#   PACK=FILE                 what pack.sh made (default: build/gpu/pack.tar.gz;
#                             without it, the PostgreSQL that is installed here)
#   GSTORE_CUDA_LIBRARY=FILE  the driver (default: libcuda.so.1)
#   RESULTS=FOLDER            where the result goes (default: test/gpu/results)
#   LIMIT=SECONDS             for all of it (default: 570): a GPU may be lent for
#                             minutes.  Each part has a limit of its own besides
#   BENCH_ROWS=N              (default: 500000000)
#
# The result is a file DATE-GPU.md with the date, the GPU, the driver, what the
# driver answered, what the suites said, and how fast kernels are.  It is written
# after each part.  The last line printed is "N passed, N failed"; the exit status
# says the same.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
PACK=${PACK:-$top/build/gpu/pack.tar.gz}
RESULTS=${RESULTS:-$here/results}
export GSTORE_CUDA_LIBRARY=${GSTORE_CUDA_LIBRARY:-libcuda.so.1}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(questions sql specs tap bench)
LIMIT=${LIMIT:-570}
BENCH_ROWS=${BENCH_ROWS:-500000000}

# Where a user without privileges can read: a checkout may be root's own.
work=$(mktemp -d /var/tmp/gstore-gpu.XXXXXX)
chmod 755 "$work"

# Servers of tests that were stopped go on: end them.
clean_up()
{
	local file

	for file in "$base"/check/*-gpu*/instance/data/postmaster.pid \
		"$base"/check/*-gpu*/tap/*/tmp_check/*/pgdata/postmaster.pid; do
		[ ! -e "$file" ] || kill -QUIT "$(head -n 1 "$file")" 2>/dev/null
	done
	rm -rf "$work"
	[ -z "${zoneinfo:-}" ] || rm -f /usr/share/zoneinfo
}
base=$(. "$top/test/lib.sh" && echo "$base")
trap clean_up EXIT

if [ -e "$PACK" ]; then
	mkdir "$work/pack"
	tar -C "$work/pack" -xzf "$PACK" || exit 1
	pack=$work/pack
	export PATH=$pack/usr/lib/postgresql/15/bin:$pack/usr/bin:$PATH
	export PG_CONFIG=$pack/usr/lib/postgresql/15/bin/pg_config
	export GSTORE_PG_TREE=
	# what the machine has itself comes first: it is newer, and its own programs
	# need it
	libraries=/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu
	export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries:$pack/usr/lib/x86_64-linux-gnu:$pack/lib/x86_64-linux-gnu
	export PERL5LIB=$pack/usr/share/perl5:$pack/usr/lib/x86_64-linux-gnu/perl5/5.36:$pack/usr/lib/x86_64-linux-gnu/perl/5.36:$pack/usr/share/perl/5.36:$pack/usr/lib/x86_64-linux-gnu/perl-base
	# Debian's PostgreSQL looks for time zones there and nowhere else
	[ -e /usr/share/zoneinfo ] || ln -s "$pack/usr/share/zoneinfo" /usr/share/zoneinfo 2>/dev/null ||
		{ mkdir -p /usr/share/zoneinfo && cp -r "$pack/usr/share/zoneinfo/." /usr/share/zoneinfo; } ||
		{ echo "run.sh: there is no /usr/share/zoneinfo, and it could not be made" >&2; exit 1; }
	[ ! -L /usr/share/zoneinfo ] || zoneinfo=1
	made=$(cat "$pack/made")
	programs=$pack/bin
else
	make -s -C "$top" pgtree >/dev/null || exit 1
	"$here/build.sh" "$work/bin" || exit 1
	made="extension: $(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)
PostgreSQL: $("${PG_CONFIG:-pg_config}" --version)"
	programs=$work/bin
fi
[ ! -x "$programs/sum_column" ] || export GSTORE_CUDA_PROGRAM=$programs/sum_column

export GSTORE_TALLY=$work/tally
: >"$GSTORE_TALLY"

# section NAME COMMAND...: its output is shown, and is part of the result
section()
{
	local name=$1 started=$SECONDS

	shift
	{
		echo
		echo "## $name"
		echo
		"$@" 2>&1
		echo
		echo "($((SECONDS - started)) s)"
	} | tee -a "$work/body"
	write_result
}

# limited SECONDS COMMAND...: for as long, at most, of ten minutes, or of as much
# as there is, and not longer than there is left
limited()
{
	local seconds=$(($1 * LIMIT / 570)) left=$((LIMIT - SECONDS)) status

	shift
	[ "$seconds" -lt "$left" ] || seconds=$left
	if [ "$seconds" -le 0 ]; then
		echo "there was no time left for ${1##*/} ${!#}"
		echo "0 1" >>"$GSTORE_TALLY"
		return 1
	fi
	timeout --kill-after=10 "$seconds" "$@"
	status=$?
	if [ $status -eq 124 ] || [ $status -eq 137 ]; then
		echo "${1##*/} ${!#} was stopped after $seconds seconds"
		echo "0 1" >>"$GSTORE_TALLY"
	fi
	return $status
}

as_preformatted()
{
	echo '```'
	"$@"
	echo '```'
}

ask()
{
	# what the stand-in says of misuse is not part of the table
	if limited 120 "$programs/questions" "$GSTORE_CUDA_LIBRARY" 2>"$work/questions.err"; then
		echo "1 0" >>"$GSTORE_TALLY"
	else
		head -n 20 "$work/questions.err"
		echo "0 1" >>"$GSTORE_TALLY"
	fi
}

bench()
{
	if limited 150 "$programs/bench" "$BENCH_ROWS" "$GSTORE_CUDA_LIBRARY" 2>"$work/bench.err"; then
		echo "1 0" >>"$GSTORE_TALLY"
	else
		head -n 20 "$work/bench.err"
		echo "0 1" >>"$GSTORE_TALLY"
	fi
}

# Every TAP test that needs no stand-in, several at a time: a GPU that is lent is
# not to wait for a server to start.
all_tap()
{
	local file name left until=$((SECONDS + 240 * LIMIT / 570))

	for file in "$top"/test/t/*.pl; do
		name=$(basename "$file" .pl)
		grep -q '^# needs: stand-in' "$file" && continue
		grep -q '^# devices: ' "$file" && ! grep -q '^# devices:.*cuda' "$file" &&
			continue
		while [ "$(jobs -rp | wc -l)" -ge $((($(nproc) + 1) / 2)) ]; do
			wait -n
		done
		# one that hangs is not to take the others' time
		left=$(((until - SECONDS) * 570 / LIMIT))
		GSTORE_TALLY=$work/tally.$name SUITE_SUFFIX=-$name \
			limited $((left < 120 ? left : 120)) "$top/test/suite.sh" tap gpu "$name" \
			>"$work/log.$name" 2>&1 ||
			[ -s "$work/tally.$name" ] || echo "0 1" >"$work/tally.$name" &
	done
	wait
	cat "$work"/log.*
	cat "$work"/tally.[0-9]* >>"$GSTORE_TALLY"
}

# The result so far.
write_result()
{
	local gpu name

	summary=$(awk '{ passed += $1; failed += $2 }
		END { printf "%d passed, %d failed\n", passed, failed }' "$GSTORE_TALLY")
	gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null)
	[ -n "$gpu" ] || gpu="$(sed -n 's/^| device and driver | \(.*\) |$/\1/p' "$work/body" 2>/dev/null)"
	[ -n "$gpu" ] || gpu=unknown
	mkdir -p "$RESULTS"
	name=$(head -n 1 <<<"$gpu" | sed 's/[,;].*//; s/[^A-Za-z0-9]\+/-/g; s/^-*//; s/-*$//')
	result=$RESULTS/$started_at-$name.md
	{
		echo "# $(date -u '+%F %T') UTC, $(head -n 1 <<<"$gpu")"
		echo
		echo "$summary"
		echo
		sed 's/^/- /' <<<"$gpu" | sed '1s/^- /- GPU, driver, memory: /'
		echo "- library: $GSTORE_CUDA_LIBRARY"
		echo "- machine: $(uname -srm), $(nproc) CPUs, glibc $(ldd --version | sed -n '1s/.* //p')"
		sed 's/^/- /' <<<"$made"
		cat "$work/body"
	} >"$result"
}

started_at=$(date -u +%F-%H%M)
for part in "${parts[@]}"; do
	case $part in
		questions) section "What the driver answers" ask ;;
		tap) section tap as_preformatted all_tap ;;
		sql) section "$part" as_preformatted limited 150 "$top/test/suite.sh" "$part" gpu ;;
		specs) section "$part" as_preformatted limited 60 "$top/test/suite.sh" "$part" gpu ;;
		tap:*) section "$part" as_preformatted limited 240 "$top/test/suite.sh" tap gpu "${part#tap:}" ;;
		bench) section "How fast kernels are" bench ;;
		*) echo "run.sh: what is \"$part\"?" >&2; exit 2 ;;
	esac
done
echo
echo "$result"
echo "$summary"
[ "${summary##*, }" = "0 failed" ]
