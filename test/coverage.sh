#!/bin/bash
# Which lines of the extension its tests run: build/coverage/report.txt, a line
# a file with the numbers of the lines that nothing ran.
#
# Usage: coverage.sh             (make coverage)
#   SUITES='sql specs tap'       which suites
#   DEVICES='host cuda'          on which devices
#   NAMES='name...'              of their tests only these
#
# Built in a copy of the checkout, without optimisation.  Needs gcovr, which it
# installs.
set -u
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1
SUITES=${SUITES:-sql specs tap}
DEVICES=${DEVICES:-host cuda}
NAMES=${NAMES:-}

home=$base/coverage
copy=$home/checkout
mkdir -p "$copy"
unset MAKEFLAGS MAKELEVEL
export GSTORE_PG_TREE=$home/tree
"$top/test/install-deps.sh" check || exit 1
if [ ! -x "$home/venv/bin/gcovr" ]; then
	python3 -m venv "$home/venv" &&
		"$home/venv/bin/pip" install --quiet --disable-pip-version-check gcovr ||
		die "there is no gcovr from PyPI"
fi

git ls-files -z | tar --null -T - -cf - | tar -C "$copy" -xf -
(cd "$copy" && make -s -j"$(nproc)" --no-print-directory all NVCC= COPT='--coverage -O0' &&
	make -s --no-print-directory cudasim programs &&
	COPT='--coverage -O0' NVCC= test/pgtree.sh) >"$home/build.log" 2>&1 || {
	tail -n 40 "$home/build.log"
	exit 1
}
# the server's processes write what they counted beside the objects
find "$copy/src" -name '*.gcda' -delete
[ -z "$server_user" ] || find "$copy/src" -type d -exec chown "$server_user:$server_group" {} +

for device in $DEVICES; do
	for suite in $SUITES; do
		# shellcheck disable=SC2086
		"$copy/test/suite.sh" "$suite" "$device" $NAMES
	done
done
"$home/venv/bin/gcovr" --root "$copy" --filter "$copy/src/" --filter "$copy/cuda/" \
	--gcov-ignore-parse-errors all "$copy/src" >"$home/report.txt" || exit 1
grep -E '^(TOTAL|File)' "$home/report.txt"
echo "$home/report.txt"
