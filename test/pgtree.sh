#!/bin/bash
# Make a private copy of the PostgreSQL installation and install the extension
# there, so that tests need no root and leave the system's PostgreSQL alone.
#
# PostgreSQL's programs find lib and share relative to where they lie.  So a
# copy of the programs, with links to everything else, is an installation of
# its own: build/pg/<bindir>, build/pg/<sharedir> and so on.
#
# Usage: pgtree.sh        prints the folder of its programs
set -eu
. "$(dirname "$0")/lib.sh"

bindir=$("$PG_CONFIG" --bindir)
libdir=$("$PG_CONFIG" --pkglibdir)
sharedir=$("$PG_CONFIG" --sharedir)
[ -x "$bindir/postgres" ] || die "no server in $bindir: run make deps"

# Whatever PostgreSQL this is, byte for byte.
stamp="2 $("$PG_CONFIG" --version) $(stat -c '%s %Y' "$bindir/postgres")"

exec 9>"$base/pg.lock"
flock 9

if [ "$(cat "$pg_tree/stamp" 2>/dev/null)" != "$stamp" ]; then
	rm -rf "$pg_tree"
	mkdir -p "$pg_tree$bindir" "$pg_tree$libdir" "$pg_tree$sharedir"
	cp "$bindir"/* "$pg_tree$bindir/"
	cp -rs "$libdir"/*.so "$pg_tree$libdir/"
	# what JIT compiles against, where the server has it
	for entry in "$libdir"/*.bc "$libdir"/bitcode; do
		[ ! -e "$entry" ] || ln -s "$entry" "$pg_tree$libdir/"
	done
	# links, one by one where we add files of our own
	for entry in "$sharedir"/*; do
		case ${entry##*/} in
			extension | man) ;;
			*) ln -s "$entry" "$pg_tree$sharedir/" ;;
		esac
	done
	mkdir "$pg_tree$sharedir/extension"
	ln -s "$sharedir"/extension/* "$pg_tree$sharedir/extension/"
	# a system-wide gstore_fdw must not be taken for ours
	rm -f "$pg_tree$sharedir"/extension/gstore_fdw* "$pg_tree$libdir"/gstore_fdw.so
	echo "$stamp" >"$pg_tree/stamp"
fi

rm -f "$pg_tree$sharedir"/extension/gstore_fdw*
if ! make -s -C "$top" install DESTDIR="$pg_tree" PG_CONFIG="$PG_CONFIG" \
	${COPT:+COPT="$COPT"} >"$base/install.log" 2>&1; then
	cat "$base/install.log" >&2
	exit 1
fi

echo "$pg_tree$bindir"
