#!/bin/bash
# The programs that show how to read exported memory: short, and they compile.
#
# Usage: check_clients.sh        prints TAP
#
# test/t/035_clients.pl runs those that need no GPU.
set -u
cd "$(dirname "$0")/.." || exit 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests=0
failures=0
ok()
{
	tests=$((tests + 1))
	[ "$1" = 0 ] && echo "ok $tests - $2" && return
	echo "not ok $tests - $2"
	failures=$((failures + 1))
	sed 's/^/# /' "$work/log"
}

skip()
{
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

programs="test/clients/sum_column.c test/clients/sum_column.cu
	$(ls test/clients/with_*.py test/clients/host_*.py)"
for program in $programs; do
	wc -l "$program" >"$work/log"
	[ "$(wc -l <"$program")" -lt 60 ]
	ok $? "$program has less than 60 lines"
done

# Names that nobody defined are found without the modules it imports.
for program in test/clients/*.py; do
	python3 - "$program" >"$work/log" 2>&1 <<-'END'
		import builtins, symtable, sys
		text = open(sys.argv[1]).read()
		compile(text, sys.argv[1], "exec")
		top = symtable.symtable(text, sys.argv[1], "exec")
		known = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
		known |= set(dir(builtins)) | {"__file__", "__name__", "__doc__"}
		def unknown(table):
		    for symbol in table.get_symbols():
		        if symbol.is_global() and symbol.is_referenced() and symbol.get_name() not in known:
		            yield symbol.get_name()
		    for child in table.get_children():
		        yield from unknown(child)
		names = sorted(set(unknown(top)))
		sys.exit(f"not defined: {names}" if names else 0)
	END
	ok $? "$program compiles"
done

includes="-Iinclude -I$(${PG_CONFIG:-pg_config} --includedir)"
if ! echo '#include <libpq-fe.h>' | ${CC:-gcc} $includes -fsyntax-only -x c - 2>/dev/null; then
	skip "the C programs" "there is no libpq-fe.h"
else
	# shellcheck disable=SC2086
	${CC:-gcc} -Wall -Wextra -Werror $includes -Isrc -Itest/cudasim \
		-fsyntax-only test/clients/sum_column.c >"$work/log" 2>&1
	ok $? "sum_column.c compiles with the stand-in"
	toolkit=/usr/local/cuda
	if [ -e $toolkit/include/cuda.h ]; then
		# shellcheck disable=SC2086
		${CC:-gcc} -Wall -Wextra -Werror $includes -isystem $toolkit/include \
			-fsyntax-only test/clients/sum_column.c >"$work/log" 2>&1
		ok $? "sum_column.c compiles with the toolkit"
	else
		skip "sum_column.c compiles with the toolkit" "there is none"
	fi
	nvcc=$(command -v nvcc || echo $toolkit/bin/nvcc)
	if [ -x "$nvcc" ]; then
		# shellcheck disable=SC2086
		"$nvcc" -Werror all-warnings $includes -c test/clients/sum_column.cu \
			-o "$work/sum_column.o" >"$work/log" 2>&1
		ok $? "sum_column.cu compiles"
	else
		skip "sum_column.cu compiles" "there is no nvcc"
	fi
fi
echo "1..$tests"
[ $failures -eq 0 ]
