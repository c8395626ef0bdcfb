#!/bin/bash
# Everything the project tests, from nothing: what `make check` runs.
#
# Installs what is missing, builds with gcc and clang without a warning, and
# runs every suite on host memory and on the CUDA driver's stand-in.  The last
# line is "N passed, N failed"; the exit status says the same.
#
# Usage: check.sh [server]
#   server     only the build and the suites that need a server, of them only
#   SUITES='sql specs tap'   on   DEVICES='host cuda'   and   TAP='name...'
#   RESULTS=FILE             gets a line "NAME PASSED FAILED" for each
set -u
what=${1:-everything}
SUITES=${SUITES:-sql specs tap}
DEVICES=${DEVICES:-host cuda}
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1

# suite.sh sees names of tests as arguments
tap_only=${TAP:-}
unset TAP

if [ -n "${RESULTS:-}" ]; then
	mkdir -p "$(dirname "$RESULTS")"
	: >"$RESULTS"
fi
result()
{
	[ -z "${RESULTS:-}" ] || echo "$*" >>"$RESULTS"
}

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
		result "${name// /-}" 1 0
	else
		echo "$name: FAILED"
		result "${name// /-}" 0 1
		grep -vE '^([a-z0-9_]+-linux-gnu-)?(gcc|cc|clang)\b' "$work/step.log" | tail -n 60 |
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
if [ "$what" = everything ]; then
	step "build with clang" build clang-objects COPT=-Werror
	step "layers" test/check_layers.sh
	step "layers are noticed" test/check_layers.sh --self-test
	step "map" test/check_map.sh
	step "headers for others" test/check_format_header.sh
	step "kernels" test/check_kernels.sh
	step "clients" test/check_clients.sh
	step "what is packaged" test/check_dist.sh
	if test/format.sh here 2>/dev/null; then
		step "format" build check-format
	else
		echo "format: skipped, there is no clang-format 14"
	fi
	step "unit test programs" build unit-programs UNIT_WERROR=-Werror
fi
step "driver's stand-in" build cudasim UNIT_WERROR=-Werror
step "programs that read exports" build programs UNIT_WERROR=-Werror
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
for device in $DEVICES; do
	for suite in $SUITES; do
		if [ "$suite" != tap ]; then
			task "$suite-$device" test/suite.sh "$suite" "$device"
			continue
		fi
		for file in test/t/*.pl; do
			[ -e "$file" ] || continue
			name=$(basename "$file" .pl)
			[[ " ${tap_only:-$name} " == *" $name "* ]] || continue
			# a test says in its head which devices it is about, if not all
			only=$(sed -n 's/^# devices: *//p' "$file")
			[[ " ${only:-$device} " == *" $device "* ]] &&
				task "tap-$name-$device" env SUITE_SUFFIX="-$name" \
					test/suite.sh tap "$device" "$name"
		done
	done
done
if [ "$what" = everything ]; then
	# machines with one GPU
	for suite in sql specs; do
		task "$suite-cuda-1" env GSTORE_CUDASIM_DEVICES=1 SUITE_SUFFIX=-1 \
			test/suite.sh $suite cuda
	done
	task images env TAP_RUN=python3 test/tap.sh test/clients/check_images.py
	task gpu-bench test/tap.sh test/gpu/check_bench.sh
	[ ${#units[@]} -eq 0 ] ||
		task unit env GSTORE_CUDASIM="$top/build/cudasim/libcuda.so.1" \
			test/tap.sh "${units[@]}"
fi

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
	result "${names[$i]}" "$(awk '{ passed += $1; failed += $2 }
		END { print passed + 0, failed + 0 }' "$work/tally.$i")"
done

summary
