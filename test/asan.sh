#!/bin/bash
# The suites on a server and an extension built to find their own mistakes:
# PostgreSQL's assertions are on, memory it has freed is overwritten, and
# AddressSanitizer looks at every access; of the extension
# UndefinedBehaviorSanitizer too.
#
# Usage: asan.sh                 (make check-asan)
#   SUITES='sql specs'           which suites; tap too
#   DEVICES='host cuda'          on which devices
#   NAMES='name...'              of their tests only these; by default all but
#                                sizes, for that one measures memory
#
# The server is Debian's source package of the PostgreSQL there is; server and
# extension lie in build/asan.  The last
# line is "N passed, N failed"; a report of a sanitizer ends the process it is
# about, so that some test fails, and is printed.
set -u
. "$(dirname "$0")/lib.sh"
cd "$top" || exit 1
SUITES=${SUITES:-sql specs}
DEVICES=${DEVICES:-host cuda}
NAMES=${NAMES:-}

home=$base/asan
server=$home/server
mkdir -p "$home"
unset GSTORE_PG_TREE MAKEFLAGS MAKELEVEL
export GSTORE_PG_TREE=$home/tree

# run LOG COMMAND...: quietly, unless it fails
run()
{
	local log=$1

	shift
	"$@" >"$home/$log.log" 2>&1 || {
		tail -n 40 "$home/$log.log"
		die "$1 failed"
	}
}

# Sources of the package named postgresql-N, by a list of archives of our own.
fetch_server()
{
	local package=$1 state=$home/apt options

	mkdir -p "$state/lists/partial" "$home/source"
	# shellcheck disable=SC1091
	echo "deb-src ${MIRROR:-http://deb.debian.org/debian}" \
		"$(. /etc/os-release && echo "$VERSION_CODENAME") main" >"$state/sources.list"
	options=(-q -o "Dir::Etc::sourcelist=$state/sources.list"
		-o Dir::Etc::sourceparts=- -o "Dir::State::lists=$state/lists")
	run fetch apt-get "${options[@]}" update
	(cd "$home/source" && run fetch apt-get "${options[@]}" --download-only source "$package")
	rm -rf "$home/source/server"
	mkdir "$home/source/server"
	run fetch tar -xf "$home"/source/"$package"_*.orig.tar.* -C "$home/source/server" \
		--strip-components=1
}

build_server()
{
	(
		cd "$home/source/server" || exit 1
		run configure ./configure --prefix="$server" --enable-cassert --enable-debug \
			--enable-tap-tests --with-libxml --with-lz4 \
			--with-icu --without-readline --without-zlib \
			CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address' \
			LDFLAGS=-fsanitize=address
		run build make -s -j"$(nproc)"
		run install make -s install
		# pg_upgrade's and other tests of ours want amcheck and the like
		run install make -s -C contrib install
	)
}

# A sanitizer's report of what the build itself runs would stop it.  The stack
# stays where PostgreSQL measures its depth; what a server that ends has not
# given back is no leak.
reports=$home/reports
options="detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:disable_coredump=1"
export ASAN_OPTIONS=$options

if [ ! -x "$server/bin/postgres" ]; then
	"$top/test/install-deps.sh" server || exit 1
	fetch_server "postgresql-$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" || exit 1
	build_server || exit 1
fi
export PG_CONFIG=$server/bin/pg_config

# Copies of our sources keep their times: only what has changed is built anew.
copy=$home/checkout
mkdir -p "$copy"
git ls-files -z | tar --null -T - -cf - | tar -C "$copy" -xf -
flags='-fsanitize=undefined -fno-sanitize-recover=undefined'
run extension make -s -C "$copy" -j"$(nproc)" --no-print-directory all NVCC= COPT="$flags"
run extension make -s -C "$copy" --no-print-directory cudasim programs
run extension env COPT="$flags" NVCC= "$copy/test/pgtree.sh"

rm -rf "$reports"
mkdir -p "$reports"
[ -z "$server_user" ] || chown "$server_user:$server_group" "$reports"
export ASAN_OPTIONS="$options:log_path=$reports/asan"
export UBSAN_OPTIONS="print_stacktrace=1:abort_on_error=1:log_path=$reports/ubsan"

GSTORE_TALLY=$(mktemp)
export GSTORE_TALLY
trap 'rm -f "$GSTORE_TALLY"' EXIT
for device in $DEVICES; do
	for suite in $SUITES; do
		names=$NAMES
		if [ -z "$names" ] && [ "$suite" = sql ]; then
			names=$(basename -s .sql -a "$copy"/test/sql/*.sql | grep -vx sizes)
		fi
		# shellcheck disable=SC2086
		"$copy/test/suite.sh" "$suite" "$device" $names || true
	done
done
for report in "$reports"/*; do
	[ -s "$report" ] || continue
	head -n 60 "$report"
	echo "0 1" >>"$GSTORE_TALLY"
done
awk '{ passed += $1; failed += $2 }
	END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }
	' "$GSTORE_TALLY"
