#!/bin/bash
# What is packaged: the files that say the version agree, an installation has
# every file it should, and an uninstallation leaves none.  Where this is a git
# checkout, also that the archive of `make dist` has what is committed.
set -u
cd "$(dirname "$0")/.." || exit 2
. test/lib.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
failed=0

# check NAME COMMAND...
check()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$work/log" 2>&1; then
		echo "ok $number - $name"
	else
		sed 's/^/# /' "$work/log"
		echo "not ok $number - $name"
		failed=1
	fi
}

version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" gstore_fdw.control)

meta()
{
	python3 -c '
import json, os, sys
meta = json.load(open("META.json"))
provides = meta["provides"]["gstore_fdw"]
assert meta["version"] == provides["version"] == sys.argv[1] + ".0", meta["version"]
assert os.path.exists(provides["file"]), provides["file"]
assert os.path.exists(provides["docfile"])
for field in ("name", "abstract", "maintainer", "license", "meta-spec"):
    assert meta[field], field
' "$version"
}

# The scripts lead from the first version to the default one.
path()
{
	local at=1.0 next

	[ -e "sql/gstore_fdw--$at.sql" ] || return 1
	while [ "$at" != "$version" ]; do
		next=$(ls sql/gstore_fdw--"$at"--*.sql 2>/dev/null | sed 's/.*--\(.*\)\.sql/\1/')
		[ -n "$next" ] || { echo "no script from $at"; return 1; }
		at=$next
	done
}

changes()
{
	grep -q "^## $version\b" CHANGELOG.md
}

install_all()
{
	make -s install DESTDIR="$work/root" || return 1
	local file

	for file in "$(pg_config_dir sharedir)/extension/gstore_fdw.control" \
		"$(pg_config_dir pkglibdir)/gstore_fdw.so" \
		"$("$PG_CONFIG" --includedir-server)/extension/gstore_fdw/gstore_format.h"; do
		[ -s "$work/root$file" ] || { echo "$file is not there"; return 1; }
	done
	for file in sql/*.sql; do
		[ -s "$work/root$(pg_config_dir sharedir)/extension/${file#sql/}" ] ||
			{ echo "$file is not there"; return 1; }
	done
}

pg_config_dir()
{
	"$PG_CONFIG" "--$1"
}

uninstall_all()
{
	make -s uninstall DESTDIR="$work/root" || return 1
	[ -z "$(find "$work/root" -type f -print -quit)" ] ||
		{ find "$work/root" -type f; return 1; }
}

archive()
{
	local name

	make -s dist || return 1
	name=gstore_fdw-$version.0
	python3 -m zipfile -e "build/dist/$name.zip" "$work/unpacked" || return 1
	diff <(git ls-tree -r --name-only HEAD | sort) \
		<(cd "$work/unpacked/$name" && find . -type f | sed 's,^\./,,' | sort)
}

if git rev-parse --git-dir >/dev/null 2>&1; then
	echo 1..6
else
	echo 1..5
fi
if command -v python3 >/dev/null; then
	check "META.json" meta
else
	number=$((number + 1))
	echo "ok $number # SKIP there is no python3"
fi
check "there is a way from 1.0 to $version" path
check "CHANGELOG.md tells of $version" changes
check "make install" install_all
check "make uninstall" uninstall_all
if git rev-parse --git-dir >/dev/null 2>&1; then
	check "make dist" archive
fi
exit $failed
