#!/bin/bash
# The suites on every version of PostgreSQL that can be had, each in a Debian
# that ships it, and a table of what came out.
#
# Usage: versions.sh [15|17|18]...        (default: all of them; needs root)
#   SUITES='sql specs tap'   which suites
#   DEVICES='host cuda'      on which devices
#   TAP='name...'            of the TAP tests only these
#
# The trees are kept in /var/tmp/gstore-versions-N: what is installed and built
# there is there the next time.  16 and 19 are in no release of Debian, so they
# are said to be untested instead of being left out.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd -P)
SUITES=${SUITES:-sql specs tap}
DEVICES=${DEVICES:-host cuda}
TAP=${TAP:-}
untested='16 19'

suite_of()
{
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo sid ;;
		*) echo "versions.sh: PostgreSQL $1 is in no release of Debian" >&2
			return 1 ;;
	esac
}

# cell RESULTS NAME-PATTERN: "passed" or "passed, failed FAILED"
cell()
{
	[ -s "$1" ] && awk -v pattern="^$2" '
		$1 ~ pattern { seen = 1; passed += $2; failed += $3 }
		END {
			if (!seen)
				print "-"
			else if (failed)
				print passed ", " failed " FAILED"
			else
				print passed
		}' "$1" || echo -
}

versions=${*:-15 17 18}
status=0
rows=()
for version in $versions; do
	debian=$(suite_of "$version") || exit 1
	tree=/var/tmp/gstore-versions-$version
	results=$tree/root/gstore_fdw/build/results
	rm -f "$results"
	SUITE=$debian KEEP=$tree GOALS=check-server VARS="SUITES=$SUITES
DEVICES=$DEVICES
TAP=$TAP
RESULTS=/root/gstore_fdw/build/results" "$top/test/fresh.sh" root || status=1
	server=$(cat "$tree"/var/lib/dpkg/info/postgresql-"$version".list 2>/dev/null |
		grep -c 'bin/postgres$' || true)
	[ "$server" -gt 0 ] || {
		echo "versions.sh: $debian has no PostgreSQL $version" >&2
		status=1
	}
	package=$(chroot "$tree" dpkg-query -W -f '${Version}' \
		"postgresql-$version" 2>/dev/null || echo none)
	for device in $DEVICES; do
		rows+=("$version|$package|$debian|$device|$(cell "$results" build)|$(
			cell "$results" "sql-$device")|$(
			cell "$results" "specs-$device")|$(
			cell "$results" "tap-.*-$device\$")")
	done
done

echo
format='%-4s %-20s %-9s %-7s %-7s %-16s %-16s %-16s\n'
# shellcheck disable=SC2059
{
	printf "$format" '' package Debian device build pg_regress isolation TAP
	for row in "${rows[@]}"; do
		IFS='|' read -r -a cells <<<"$row"
		printf "$format" "${cells[@]}"
	done
	for version in $untested; do
		printf "$format" "$version" 'untested: no release of Debian has it' '' \
			'' '' '' '' ''
	done
} | sed 's/ *$//'
exit $status
