#!/bin/bash
# The promise of the README on a machine where nothing is prepared: an empty
# Debian 12 tree, `apt-get install make`, then make quickstart (twice) and make
# check, once as root and once as an ordinary user with sudo.
#
# Usage: fresh.sh [root|user]...        (default: both; needs root itself)
#   SUITE=bookworm     or trixie, sid, or Ubuntu's noble
#   GOALS='...'        what is made, in this order
#   VARS='NAME=value'  the environment it is made in, a line for each variable
#   KEEP=FOLDER        the tree lies there and stays: the next run finds what
#                      this one has installed and built
#
# The empty tree and the downloaded packages are kept in /var/tmp.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd -P)
SUITE=${SUITE:-bookworm}
GOALS=${GOALS:-quickstart quickstart quickstart-stop check}
VARS=${VARS:-}
KEEP=${KEEP:-}
components=main
case $SUITE in
	noble | jammy)
		mirror=${MIRROR:-http://archive.ubuntu.com/ubuntu}
		components=main,universe ;;
	*) mirror=${MIRROR:-http://deb.debian.org/debian} ;;
esac
cache=/var/tmp/gstore-fresh-$SUITE

[ "$(id -u)" = 0 ] || { echo "fresh.sh: needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "fresh.sh: needs debootstrap" >&2; exit 1; }

if [ ! -e $cache/tree ]; then
	mkdir -p $cache/debs/partial
	rm -rf $cache/tree.new
	# Ubuntu's own recipe is the same for all its releases
	debootstrap --variant=minbase --components=$components \
		$([ -e "/usr/share/debootstrap/scripts/$SUITE" ] || echo --no-check-gpg) \
		"$SUITE" $cache/tree.new "$mirror" \
		$([ -e "/usr/share/debootstrap/scripts/$SUITE" ] ||
			echo /usr/share/debootstrap/scripts/gutsy)
	mv $cache/tree.new $cache/tree
fi

# inside TREE WHO: in namespaces of its own, so that mounts and servers vanish
# with it
inside()
{
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child bash -eu -c '
		tree=$1 who=$2
		[ -z "$3" ] || mapfile -t vars <<<"$3"
		mount --rbind /dev "$tree/dev"
		mount -t proc proc "$tree/proc"
		mount --bind '$cache'/debs "$tree/var/cache/apt/archives"
		run() { chroot "$tree" env -i HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
		grep -qs " $(hostname)$" "$tree/etc/hosts" ||
			echo "127.0.0.1 $(hostname)" >>"$tree/etc/hosts"
		# an archive that is not refreshed every week is good enough here
		echo "Acquire::Check-Valid-Until false;" >"$tree/etc/apt/apt.conf.d/99gstore"
		# where a run before this one was interrupted
		run dpkg --configure -a >/dev/null
		run apt-get -qq update
		run apt-get -qq -y install make >/dev/null
		cd=/root/gstore_fdw
		as="run"
		if [ "$who" = user ]; then
			run apt-get -qq -y install sudo >/dev/null
			run useradd -m somebody
			echo "somebody ALL=(ALL) NOPASSWD: ALL" >"$tree/etc/sudoers.d/somebody"
			mv "$tree/root/gstore_fdw" "$tree/home/somebody/"
			run chown -R somebody: /home/somebody/gstore_fdw
			cd=/home/somebody/gstore_fdw
			as="run setpriv --reuid=somebody --regid=somebody --init-groups \
				env HOME=/home/somebody USER=somebody"
		fi
		for goal in '"$GOALS"'; do
			echo "==== $who: make $goal"
			start=$SECONDS
			$as env ${vars[@]+"${vars[@]}"} make -C $cd --no-print-directory $goal
			echo "==== $who: make $goal took $((SECONDS - start)) s"
		done
	' inside "$1" "$2" "$VARS"
}

# sources TREE: the checkout's files into the tree, and those it had before and
# no longer has out of it
sources()
{
	local to=$1/root/gstore_fdw

	mkdir -p "$to"
	(cd "$top" && git ls-files -co --exclude-standard | sort) >"$to.files.new"
	if [ -e "$to.files" ]; then
		comm -23 "$to.files" "$to.files.new" | (cd "$to" && xargs -r -d '\n' rm -f)
	fi
	mv "$to.files.new" "$to.files"
	(cd "$top" && xargs -d '\n' cp -u --preserve=mode,timestamps --parents \
		-t "$to" <"$to.files")
}

status=0
for who in "${@:-root user}"; do
	for who in $who; do
		if [ -n "$KEEP" ]; then
			tree=$KEEP
			mkdir -p "$tree"
			[ -e "$tree/etc" ] || cp -a $cache/tree/. "$tree"
		else
			tree=$(mktemp -d /var/tmp/gstore-fresh.XXXXXX)
			cp -a $cache/tree/. "$tree"
		fi
		cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
		sources "$tree"
		if inside "$tree" "$who"; then
			echo "==== $who: all went well"
		else
			echo "==== $who: FAILED"
			status=1
		fi
		[ -n "$KEEP" ] || rm -rf --one-file-system "$tree"
	done
done
exit $status
