#!/bin/bash
# Every file of src/ has its line in src/README.md, in its room.
set -u
cd "$(dirname "$0")/.." || exit 2

echo 1..1
missing=$(
	for file in src/*.[ch] src/*/*.[ch]; do
		[ -e "$file" ] || continue
		room=$(dirname "${file#src/}")
		name=$(basename "$file")
		[ "$room" = . ] && heading='^## Of everybody' || heading="^## $room/"
		sed -n "/${heading//\//\\/}/,/^## /{/^|/p}" src/README.md |
			grep -qF -e "\`$name\`" -e "\`${name%.*}\`" || echo "# $file"
	done)
if [ -n "$missing" ]; then
	echo "$missing"
	echo "not ok 1 - every file is on the map (src/README.md)"
	exit 1
fi
echo "ok 1 - every file is on the map"
