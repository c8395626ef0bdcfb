#!/bin/bash
# Everything the project tests, from nothing: what `make check` runs.
#
# Installs what is missing, builds with gcc and clang without a warning, and
# runs every suite on host memory and on the CUDA driver's stand-in.  The last
# line is "N passed, N failed"; the exit status says the same.
set -u
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

"$top/test/install-deps.sh" check || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GSTORE_TALLY=$work/tally
: >"$GSTORE_TALLY"
jobs=$(nproc)

summary()
{
	awk '{ passed += $1; failed += $2 }
		END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }
		' "$GSTORE_TALLY"
}

# step NAME COMMAND...: one test that is a command; shows its output only when
# it fails.
step()
{
	local name=$1

	shift
	if GSTORE_TALLY='' "$@" >"$work/step.log" 2>&1; then
		echo "$name: ok"
		echo "1 0" >>"$GSTORE_TALLY"
	else
		echo "$name: FAILED"
		grep -v '^\(gcc\|cc\|clang\)\b' "$work/step.log" | tail -n 60 |
			sed 's/^/    /'
		echo "0 1" >>"$GSTORE_TALLY"
		return 1
	fi
}

build()
{
	make -j"$jobs" --no-print-directory "$@"
}

# Without a build there is nothing to run.
step "build with gcc" build all COPT=-Werror || { summary; exit 1; }
step "build with clang" build clang-objects COPT=-Werror
step "layers" test/check_layers.sh
step "layers are noticed" test/check_layers.sh --self-test
step "map" test/check_map.sh
step "headers for others" test/check_format_header.sh
if test/format.sh here 2>/dev/null; then
	step "format" build check-format
else
	echo "format: skipped, there is no clang-format 14"
fi
step "unit test programs" build unit-programs cudasim UNIT_WERROR=-Werror
step "private PostgreSQL" env COPT=-Werror test/pgtree.sh || { summary; exit 1; }

# The rest side by side; their output in one piece each, in this order.
units=()
for file in test/unit/test_*.c; do
	name=$(basename "$file" .c)
	[ -x "build/unit/$name" ] && units+=("build/unit/$name")
done
tasks=()
names=()
task()
{
	names+=("$1")
	shift
	tasks+=("$*")
}
for device in host cuda; do
	task "sql-$device" test/suite.sh sql $device
	task "specs-$device" test/suite.sh specs $device
	for file in test/t/*.pl; do
		[ -e "$file" ] || continue
		name=$(basename "$file" .pl)
		# a test says in its head which devices it is about, if not all
		only=$(sed -n 's/^# devices: *//p' "$file")
		[[ " ${only:-$device} " == *" $device "* ]] &&
			task "tap-$name-$device" env SUITE_SUFFIX="-$name" \
				test/suite.sh tap $device "$name"
	done
done
task images env TAP_RUN=python3 test/tap.sh test/clients/check_images.py
[ ${#units[@]} -eq 0 ] ||
	task unit env GSTORE_CUDASIM="$top/build/cudasim/libcuda.so.1" \
		test/tap.sh "${units[@]}"

# Many of them wait most of the time: for a server to start, for a worker to
# come back.
for i in "${!tasks[@]}"; do
	while [ "$(jobs -rp | wc -l)" -gt "$jobs" ]; do
		wait -n
	done
	# its own tally: appending to one file side by side could tear a line
	(
		# shellcheck disable=SC2086
		started=$SECONDS
		GSTORE_TALLY="$work/tally.$i" ${tasks[$i]} >"$work/log.$i" 2>&1
		status=$?
		[ -z "${CHECK_TIMES:-}" ] || echo "(${names[$i]} took $((SECONDS - started)) s)" >>"$work/log.$i"
		if [ $status -ne 0 ] && [ ! -s "$work/tally.$i" ]; then
			echo "${names[$i]}: exited with status $status" >>"$work/log.$i"
			echo "0 1" >"$work/tally.$i"
		fi
	) &
done
wait
for i in "${!tasks[@]}"; do
	cat "$work/log.$i"
	cat "$work/tally.$i" 2>/dev/null >>"$GSTORE_TALLY"
done

summary
