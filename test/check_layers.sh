#!/bin/bash
# Includes point one way: who may include whom.
#
# Usage: check_layers.sh [TREE]      (default: the checkout this lies in)
#        check_layers.sh --self-test (proves that it notices)
#
# A room may include itself, the top-level headers port.h, compat.h, guc.h,
# fault.h, and what MAY says.  Files that must build without PostgreSQL may
# include only port.h and each other.  gstore_fdw.c is wiring: anything goes.
set -u

here=$(cd "$(dirname "$0")/.." && pwd)

# room -> rooms, or single headers, it may include
declare -A MAY=(
	[fdw]="exec store codec request device/location.h"
	[share]="store request codec device/location.h fdw/columns.h fdw/sound.h"
	[store]="codec request device/location.h"
	[keeper]="store codec exec device request"
	[exec]="codec request/view.h device/location.h"
	[request]="device codec"
	[device]=""
	[codec]=""
)
COMMON="port.h compat.h guc.h fault.h"

# Does this file have to build without a PostgreSQL header?
is_free()
{
	case $1 in
		src/port.h | src/codec/* | src/device/host.c | src/device/cuda.c | \
		src/device/cuda_*.[ch] | src/device/driver.h | src/device/device.h | \
		src/device/location.h | src/device/arena.h | \
		src/device/headroom.[ch] | src/device/pages.[ch] | src/exec/engine* | \
		cuda/* | include/*) return 0 ;;
	esac
	return 1
}

# The headers that only PostgreSQL has, by the way they are named.
is_postgres()
{
	case $1 in
		postgres*.h | c.h | fmgr.h | funcapi.h | miscadmin.h | pgstat.h | \
		libpq-fe.h | access/* | catalog/* | commands/* | common/* | \
		executor/* | foreign/* | lib/* | libpq/* | mb/* | nodes/* | \
		optimizer/* | parser/* | port/* | postmaster/* | replication/* | \
		storage/* | tcop/* | utils/*) return 0 ;;
	esac
	return 1
}

violation()
{
	echo "# $1: $2"
	violations=$((violations + 1))
}

# check FILE HEADER QUOTE(")or(<)
check()
{
	local file=$1 header=$2 quote=$3 path= room= target= word

	# whose header is it?
	for word in "$(dirname "$file")/$header" "src/$header" \
		"include/$header" "cuda/$header"; do
		if [ -e "$word" ]; then
			path=$word
			break
		fi
	done

	if is_free "$file"; then
		if [ -n "$path" ] && [ "$quote" = '"' ]; then
			is_free "$path" ||
				violation "$file" "must build without PostgreSQL, includes $header"
		elif [ "$quote" = '"' ] || is_postgres "$header"; then
			violation "$file" "must build without PostgreSQL, includes $header"
		fi
	fi

	[ -n "$path" ] && [ "$quote" = '"' ] || return
	case $path in
		src/*/*) ;;
		src/*)
			header=${path#src/}
			case " $COMMON " in
				*" $header "*) ;;
				*) [ "$file" = src/gstore_fdw.c ] ||
					violation "$file" "includes $header, which is not for rooms" ;;
			esac
			return ;;
		*) return ;;
	esac
	case $file in
		src/*/*) room=${file#src/}; room=${room%%/*} ;;
		src/gstore_fdw.c) return ;;
		*) room=top ;;
	esac
	path=${path#src/}
	target=${path%%/*}
	[ "$room" = "$target" ] && return
	if [ "$room" = top ]; then
		violation "$file" "a top-level file includes $path"
		return
	fi
	if [ -z "${MAY[$room]+set}" ]; then
		violation "$file" "room $room is not in check_layers.sh"
		return
	fi
	for word in ${MAY[$room]}; do
		[ "$word" = "$target" ] || [ "$word" = "$path" ] && return
	done
	violation "$file" "$room may not include $path"
}

check_tree()
{
	cd "$1" || exit 2
	violations=0
	while IFS=$'\t' read -r file quote header; do
		check "$file" "$header" "$quote"
	done < <(find src cuda include -name '*.[ch]' -o -name '*.cu' 2>/dev/null |
		sort | xargs -r awk '
			/^[ \t]*#[ \t]*include[ \t]*["<]/ {
				quote = index($0, "\"") ? "\"" : "<"
				split($0, part, quote == "\"" ? "\"" : "[<>]")
				print FILENAME "\t" quote "\t" part[2]
			}')
	return $((violations > 0))
}

self_test()
{
	local want got n

	tree=$(mktemp -d)
	trap 'rm -rf "$tree"' EXIT
	# file|what it includes|allowed (0) or not (1)
	echo 1..10
	n=0
	while IFS='|' read -r file line want; do
		rm -rf "${tree:?}"/*
		mkdir -p "$tree"/src/{fdw,store,codec,device,request,exec,keeper,attic} \
			"$tree"/cuda "$tree"/include
		touch "$tree"/src/port.h "$tree"/src/guc.h "$tree"/src/store/chunk.h \
			"$tree"/src/fdw/scan.h \
			"$tree"/src/codec/codec.h "$tree"/src/device/device.h \
			"$tree"/src/device/location.h "$tree"/src/request/request.h
		echo "$line" >"$tree/$file"
		(check_tree "$tree") >/dev/null
		got=$?
		n=$((n + 1))
		[ $got = "$want" ] || echo -n "not "
		echo "ok $n - $file with $line is $([ "$want" = 0 ] || echo "not ")allowed"
	done <<-'LIST'
		src/fdw/scan.c|#include "store/chunk.h"|0
		src/store/chunk.c|#include "device/location.h"|0
		src/codec/pgstrom.c|#include <string.h>|0
		src/store/chunk.c|#include "device/device.h"|1
		src/store/chunk.c|  #  include "fdw/scan.h" // "x"|1
		src/device/host.c|#include "request/request.h"|1
		src/codec/pgstrom.c|#include "postgres.h"|1
		src/codec/pgstrom.c|#include <utils/builtins.h>|1
		src/codec/pgstrom.c|#include "guc.h"|1
		src/attic/x.c|#include "store/chunk.h"|1
	LIST
}

case ${1:-} in
	--self-test)
		self_test ;;
	*)
		echo 1..1
		if check_tree "${1:-$here}"; then
			echo "ok 1 - includes point one way"
		else
			echo "not ok 1 - includes point one way: $violations do not"
			exit 1
		fi ;;
esac
