#!/bin/bash
# Everything a bare machine with a GPU needs to run the tests there: PostgreSQL
# 15 with its headers and test programs, Perl for the TAP tests, and the
# extension as it is built here, in one file for test/gpu/run.sh.
#
# Usage: pack.sh        makes build/gpu/pack.tar.gz, under 60 MB
#
# The machine needs a Linux with bash, tar and gzip, glibc 2.36 or later, and the
# driver: no PostgreSQL, no compiler, no network.  PostgreSQL comes from Debian
# 12's packages, unpacked and never installed, so this wants a Debian 12 to run
# on: elsewhere, run it in the tree that test/fresh.sh keeps of one.
set -eu
. "$(dirname "$0")/../lib.sh"
cd "$top"

# Servers, clients, headers, pg_regress; what they are linked with; Perl; the
# names of time zones.
packages=(
	postgresql-15 postgresql-client-15 postgresql-server-dev-15
	libpq5 libssl3 libicu72 libxml2 liblzma5 zlib1g liblz4-1 libzstd1
	libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2
	libkeyutils1 libldap-2.5-0 libsasl2-2 libpam0g libaudit1 libcap-ng0
	libsystemd0 libcap2 libgcrypt20 libgpg-error0 libreadline8 libtinfo6
	libgnutls30 libidn2-0 libunistring2 libp11-kit0 libffi8 libtasn1-6
	libnettle8 libhogweed6 libgmp10 libstdc++6 libgcc-s1 libcrypt1
	perl perl-base perl-modules-5.36 libperl5.36 libipc-run-perl libio-pty-perl
	tzdata
)
limit_mb=60

[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ] ||
	die "this is not Debian 12 (bookworm), whose packages are packed"

out=$top/build/gpu
debs=$out/debs
tree=$out/tree
mkdir -p "$debs"
rm -rf "$tree"
mkdir -p "$tree/bin"

# apt drops its privileges, and then must be able to write there
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
missing=()
files=()
while read -r package version; do
	file=$debs/${package}_${version//:/%3a}_
	files+=("$file")
	compgen -G "$file*.deb" >/dev/null || missing+=("$package=$version")
done < <(apt-cache policy "${packages[@]}" |
	sed -n 's/^\([^ ]*\):$/\1/; T version; h; :version; s/^ *Candidate: //; T; H; x; s/\n/ /; p')
[ ${#files[@]} -eq ${#packages[@]} ] ||
	die "${#files[@]} of ${#packages[@]} packages are known: apt-get update?"
if [ ${#missing[@]} -gt 0 ]; then
	(cd "$work" && apt-get -q download "${missing[@]}" >/dev/null &&
		mv ./*.deb "$debs/")
fi
for file in "${files[@]}"; do
	dpkg -x "$file"*.deb "$tree"
done

# Not needed to run tests.  glibc's own libraries must be the machine's.
rm -rf "$tree"/usr/share/{doc,man,locale,lintian,bug,postgresql-common} \
	"$tree"/usr/share/postgresql/15/man "$tree"/usr/lib/postgresql/15/lib/bitcode \
	"$tree"/usr/lib/postgresql/15/lib/llvmjit* "$tree"/usr/share/zoneinfo/right \
	"$tree"/{etc,var} "$tree"/lib/systemd "$tree"/sbin
for program in "$tree"/usr/lib/postgresql/15/bin/{postgres,initdb,psql,pg_config} \
	"$tree"/usr/bin/perl; do
	[ -x "$program" ] || die "no ${program##*/} in the packages"
done

# The extension, and the programs that ask and use a driver.
packed=$tree/usr/lib/postgresql/15/bin/pg_config
major=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
[ "$major" = 15 ] || die "$PG_CONFIG is of PostgreSQL $major: set PG_CONFIG to one of 15"
make -s PG_CONFIG="$PG_CONFIG"
make -s install DESTDIR="$tree" PG_CONFIG="$PG_CONFIG"
[ -e "$tree$("$PG_CONFIG" --pkglibdir)/gstore_fdw.so" ] ||
	die "the extension was not installed below $tree"
test/gpu/build.sh "$tree/bin"
{
	echo "made: $(date -u '+%F %T') UTC"
	echo "extension: $(git describe --always --dirty 2>/dev/null || echo unknown)"
	echo "PostgreSQL: $(LD_LIBRARY_PATH=$tree/usr/lib/x86_64-linux-gnu:$tree/lib/x86_64-linux-gnu "$packed" --version)"
} >"$tree/made"

tar -C "$tree" --owner=0 --group=0 -czf "$out/pack.tar.gz" .
rm -rf "$tree"
bytes=$(stat -c %s "$out/pack.tar.gz")
[ "$bytes" -lt $((limit_mb * 1000000)) ] ||
	die "$out/pack.tar.gz has $bytes bytes: more than $limit_mb MB"
echo "$out/pack.tar.gz: $((bytes / 1000000)) MB"
