#!/bin/bash
# The bench runs, and measures all it says it does: on the driver's stand-in, with
# few rows.  Its times mean nothing there.
#
# Usage: check_bench.sh       prints TAP
set -u
cd "$(dirname "$0")/../.." || exit 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
simulator=build/cudasim/libcuda.so.1
if [ ! -e "$simulator" ]; then
	echo "1..0 # SKIP there is no $simulator"
	exit 0
fi
echo 1..3
failures=0
say()
{
	[ "$1" = 0 ] && echo "ok $2" || { echo "not ok $2"; failures=1; }
}

test/gpu/build.sh "$work" >"$work/build.log" 2>&1
say $? "1 - it is built" || sed 's/^/# /' "$work/build.log"
GSTORE_CUDASIM_MEMORY_MB=1024 "$work/bench" 8000 "$PWD/$simulator" >"$work/said" 2>&1
say $? "2 - it runs, and what kernels compute is right"
sed 's/^/# /' "$work/said"
! grep -q 'not measured' "$work/said" && [ "$(grep -c '^| [a-z].*%' "$work/said")" -ge 16 ]
say $? "3 - nothing is left out"
exit $failures
