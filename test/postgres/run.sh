#!/bin/bash
# PostgreSQL's own regression tests, once with ordinary tables and once with the
# tables they create as gstore tables (see as_gstore.c): the answers are the same
# but for what is in deviations/, and README.md says why.
#
# Usage: run.sh host|cuda [NAME...]      (default: those listed below)
#   PGSOURCE=FOLDER   the source of this PostgreSQL; otherwise its Debian source
#                     package is fetched to build/postgres-source, with a list
#                     of archives of its own
#   UPDATE=1          what differs now becomes what may differ
set -u
. "$(dirname "$0")/../lib.sh"

device=${1:?device}
shift
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(boolean char varchar text int2 int4 int8
	float4 float8 numeric date time timestamp timestamptz interval geometry
	horology arrays json select select_into select_distinct select_distinct_on
	select_implicit select_having insert copy copyselect copy2 join union case
	subselect aggregates groupingsets window limit with returning update delete
	tsrf inherit transactions partition_join partition_aggregate
	incremental_sort memoize)

version=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')

# The source package: a folder of its own for apt's lists, so that the machine's
# configuration stays as it is.  The archive of security updates may be without
# its sources; then an older minor release does.
fetch_from()
{
	local to=$base/postgres-source archive

	rm -rf "$to" && mkdir -p "$to/lists/partial" "$to/cache/archives/partial"
	for archive in "$@"; do
		echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"http://deb.debian.org/$archive main"
	done >"$to/sources.list"
	(cd "$to" && for command in update "source postgresql-$version"; do
		# shellcheck disable=SC2086
		apt-get -qq -o Dir::Etc::SourceList="$to/sources.list" \
			-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$to/lists" \
			-o Dir::Cache="$to/cache" -o APT::Sandbox::User=root \
			-o Acquire::Check-Valid-Until=false $command || exit 1
	done) >"$to.log" 2>&1
}

fetch()
{
	local release

	PGSOURCE=$(echo "$base/postgres-source/postgresql-$version"-*/)
	[ ! -d "$PGSOURCE/src/test/regress" ] || return 0
	command -v dpkg-source >/dev/null ||
		die "dpkg-source is needed (package dpkg-dev), or PGSOURCE=..."
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	fetch_from "debian $release" "debian-security $release-security" ||
		fetch_from "debian $release" ||
		{ tail -n 20 "$base/postgres-source.log"; die "no source package"; }
	PGSOURCE=$(echo "$base/postgres-source/postgresql-$version"-*/)
}
[ -n "${PGSOURCE:-}" ] || fetch
tests=${PGSOURCE%/}/src/test/regress
[ -f "$tests/regress.c" ] || die "no regression tests in $PGSOURCE"

bin=$(pg_bin)
run=$base/check/postgres-$device
rm -rf "$run"
server_dir "$base/check"
mkdir -p "$run/lib"
cp -r "$tests/sql" "$tests/expected" "$tests/data" "$run/"
for source in "$top/test/postgres/as_gstore.c" "$tests/regress.c"; do
	# shellcheck disable=SC2046
	${CC:-gcc} -O2 -g -fPIC -shared $("$PG_CONFIG" --cflags) \
		-I"$("$PG_CONFIG" --includedir-server)" $("$PG_CONFIG" --cppflags) \
		-o "$run/lib/$(basename "$source" .c).so" "$source" 2>"$run/cc.log" ||
		{ cat "$run/cc.log"; die "$source does not build"; }
done
[ -z "$server_user" ] || chown -R "$server_user:$server_group" "$run"
cd "$run" || exit 1

# run_tests PRELOAD: into results/.  Its setup makes tables that others use, and
# so do a few tests.
run_tests()
{
	{
		cat "$top/test/server.conf"
		echo "shared_preload_libraries = '$1'"
		echo "gstore_fdw.device = $device"
		if [ "$device" = cuda ]; then
			cp "$top/build/cudasim/libcuda.so.1" "$run/lib/"
			echo "gstore_fdw.cuda_library = '$run/lib/libcuda.so.1'"
		fi
	} >server.conf
	as_server_user env PATH="$bin:$PATH" "$(pgxs_src)/test/regress/pg_regress" \
		--bindir="$bin" --temp-instance="$run/instance" \
		--temp-config="$run/server.conf" --inputdir="$run" --outputdir="$run" \
		--dlpath="$run/lib" --no-locale --encoding=UTF8 --dbname=regression \
		--load-extension=gstore_fdw \
		gstore_setup test_setup create_misc create_aggregate "${names[@]}" >runner.log 2>&1
	if grep -hE 'PANIC|TRAP|terminated by signal' log/postmaster.log | head -5 |
			grep .; then
		[ -n "${UPDATE:-}" ] || die "the server crashed"
	fi
}

# Who may make tables there may make them here.
echo 'GRANT USAGE ON FOREIGN SERVER gstore_fdw TO PUBLIC;' >sql/gstore_setup.sql
echo 'GRANT USAGE ON FOREIGN SERVER gstore_fdw TO PUBLIC;' >expected/gstore_setup.out

# First ordinary tables: what this very server says, for the tests may be of
# another minor release.
run_tests gstore_fdw
rm -rf heap && mv results heap
mv runner.log heap.log
run_tests "gstore_fdw, $run/lib/as_gstore.so"

python3 "$top/test/postgres/compare.py" ${UPDATE:+--update} \
	heap results "$top/test/postgres/deviations" "${names[@]}"
