#!/bin/bash
# Apply .clang-format to our code, or say which files it would change.
#
# Usage: format.sh apply|check|here      (here: can it be checked?)
#
# Versions of clang-format disagree, so 14 decides (Debian 12's; from PyPI:
# clang-format==14.0.6); name it with CLANG_FORMAT=.
set -u
cd "$(dirname "$0")/.." || exit 1

for tool in ${CLANG_FORMAT:-clang-format-14 clang-format}; do
	command -v "$tool" >/dev/null && break
done
if ! "$tool" --version 2>/dev/null | grep -q 'version 14\.'; then
	echo "format.sh: clang-format 14 is not here" >&2
	exit 1
fi

mapfile -t files < <(find src include cuda test -name '*.[ch]' -o \
	-name '*.cu' 2>/dev/null | sort)
[ ${#files[@]} -gt 0 ] || exit 0

case $1 in
	here) ;;
	apply) "$tool" -i "${files[@]}" ;;
	check)
		status=0
		for file in "${files[@]}"; do
			if ! "$tool" "$file" | cmp -s - "$file"; then
				echo "$file is not formatted: run make format"
				status=1
			fi
		done
		exit $status ;;
	*) exit 2 ;;
esac
