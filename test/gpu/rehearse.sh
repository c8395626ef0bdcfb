#!/bin/bash
# test/gpu/run.sh where nothing is prepared: in an empty tree of a newer release
# than the pack was made on, with the driver's stand-in in the driver's place.
#
# Usage: rehearse.sh SUITE [ARGUMENT OF run.sh]...      (needs root)
#
# SUITE (noble, trixie, sid) is one of which test/fresh.sh keeps a tree: run that
# first.  The tree is copied; the copy has no network and is gone afterwards.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd -P)
suite=${1:?SUITE}
shift
kept=/var/tmp/gstore-fresh-$suite/tree
[ "$(id -u)" = 0 ] || { echo "rehearse.sh: needs root" >&2; exit 1; }
[ -d "$kept" ] || { echo "rehearse.sh: no $kept: run SUITE=$suite test/fresh.sh" >&2; exit 1; }
[ -e "$top/build/gpu/pack.tar.gz" ] || { echo "rehearse.sh: run test/gpu/pack.sh" >&2; exit 1; }
make -s -C "$top" cudasim

tree=$(mktemp -d /var/tmp/gstore-rehearse.XXXXXX)
trap 'rm -rf --one-file-system "$tree"' EXIT
cp -a "$kept/." "$tree"
mkdir -p "$tree/root/gstore_fdw/build/gpu"
(cd "$top" && git ls-files -co --exclude-standard -z |
	xargs -0 cp --parents -t "$tree/root/gstore_fdw")
cp "$top/build/gpu/pack.tar.gz" "$tree/root/gstore_fdw/build/gpu/"
cp "$top/build/cudasim/libcuda.so.1" "$tree/opt/"

# shellcheck disable=SC2016
unshare --mount --pid --net --fork --kill-child bash -eu -c '
	tree=$1
	shift
	ip link set lo up 2>/dev/null || true
	mount --rbind /dev "$tree/dev"
	mount -t proc proc "$tree/proc"
	chroot "$tree" env -i HOME=/root LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		GSTORE_CUDASIM_DEVICES="${GSTORE_CUDASIM_DEVICES:-2}" \
		GSTORE_CUDASIM_MEMORY_MB=4096 \
		GSTORE_CUDA_LIBRARY=/opt/libcuda.so.1 RESULTS=/root/results \
		LIMIT="${LIMIT:-3600}" BENCH_ROWS="${BENCH_ROWS:-30000}" \
		/root/gstore_fdw/test/gpu/run.sh "$@"
' rehearse "$tree" "$@" && status=0 || status=$?
mkdir -p "$top/build/gpu/rehearsals"
cp "$tree"/root/results/*.md "$top/build/gpu/rehearsals/$suite.md" 2>/dev/null || true
exit $status
