#!/bin/bash
# Install what building and testing need and is not there, on Debian and
# Ubuntu.  When all is there it neither asks the network nor needs root.
#
# Usage: install-deps.sh [build|check|server]   (default: check)
#   build   PostgreSQL's server and its headers, a compiler
#   check   also clang, g++, clang-format, and what the TAP tests need
#   server  also what a PostgreSQL built from its sources needs (asan.sh)
#
# A server installed here gets no system-wide cluster.
set -u
what=${1:-check}
PG_CONFIG=${PG_CONFIG:-pg_config}

have()
{
	command -v "$1" >/dev/null 2>&1
}

have_postgres()
{
	local pgxs bindir

	have "$PG_CONFIG" || return 1
	pgxs=$("$PG_CONFIG" --pgxs 2>/dev/null) && [ -f "$pgxs" ] &&
		[ -f "$("$PG_CONFIG" --includedir-server)/postgres.h" ] &&
		bindir=$("$PG_CONFIG" --bindir) && [ -x "$bindir/postgres" ] &&
		[ -x "$bindir/initdb" ]
}

# gcc alone is no compiler: the C library's headers are another package.
have_compiler()
{
	have "${CC:-gcc}" && have make &&
		echo '#include <stdlib.h>' | "${CC:-gcc}" -fsyntax-only -x c - 2>/dev/null
}

missing()
{
	have_compiler || echo gcc libc6-dev make
	have_postgres || echo postgres
	if [ "$what" = server ]; then
		have pkg-config || echo pkg-config
		[ -e /usr/include/libxml2 ] || echo libxml2-dev
		[ -e /usr/include/lz4.h ] || echo liblz4-dev
		[ -e /usr/include/unicode/ucol.h ] || echo libicu-dev
		have bison || echo bison
		have flex || echo flex
	fi
	if [ "$what" != build ]; then
		have perl && perl -MTest::More -e1 2>/dev/null || echo perl
		perl -MIPC::Run -e1 2>/dev/null || echo libipc-run-perl
		have clang || echo clang
		have g++ || echo g++
		have clang-format || echo clang-format
	fi
}

# What a test is left out without, where the archives do not have it.
welcome()
{
	if [ "$what" != build ]; then
		have sqlsmith || echo sqlsmith
	fi
}

packages=$(missing | xargs)
welcome=$(welcome | xargs)
[ -n "$packages$welcome" ] || exit 0

if ! have apt-get; then
	[ -n "$packages" ] || exit 0
	echo "install-deps.sh: missing: $packages" >&2
	echo "This is no Debian or Ubuntu: install them by your own means" \
		"(postgres = PostgreSQL 15 or later with its server headers; name its" \
		"pg_config with PG_CONFIG=...)." >&2
	exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
	have sudo || [ -z "$packages" ] || {
		echo "install-deps.sh: missing: $packages; neither root nor sudo" >&2
		exit 1
	}
	have sudo || exit 0
	sudo=sudo
fi
apt()
{
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Dpkg::Use-Pty=0 "$@"
}

echo "Installing what is missing: $(echo $packages $welcome)"
apt update >/dev/null || echo "install-deps.sh: apt-get update failed, trying on" >&2
for package in $welcome; do
	! apt-cache show "$package" >/dev/null 2>&1 || packages="$packages $package"
done
[ -n "$packages" ] || exit 0

# The newest server that this system's archives offer.
if [[ " $packages " == *" postgres "* ]]; then
	version=$(apt-cache search --names-only '^postgresql-server-dev-[0-9]+$' |
		sed 's/^postgresql-server-dev-\([0-9]*\) .*/\1/' | sort -n | tail -1)
	if [ -z "$version" ] || [ "$version" -lt 15 ]; then
		echo "install-deps.sh: the newest PostgreSQL here is ${version:-none}, 15 is needed." >&2
		echo "Add the PostgreSQL project's archive (package postgresql-common:" \
			"/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh) and try again." >&2
		exit 1
	fi
	packages=${packages/postgres/postgresql-$version postgresql-server-dev-$version}

	# No cluster for the system unless somebody asks for one: a package of
	# PostgreSQL just installed would make and start one.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		conf=/etc/postgresql-common/createcluster.d
		$sudo mkdir -p $conf
		echo 'create_main_cluster = false' |
			$sudo tee $conf/gstore-install.conf >/dev/null
		trap '$sudo rm -f $conf/gstore-install.conf' EXIT
	fi
fi

# Hundreds of lines that nobody reads, unless it fails.
log=$(mktemp)
# shellcheck disable=SC2086
if ! apt install --no-install-recommends $packages >"$log" 2>&1; then
	cat "$log" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"

left=$(missing | xargs)
if [ -n "$left" ]; then
	echo "install-deps.sh: still missing after the installation: $left" >&2
	exit 1
fi
