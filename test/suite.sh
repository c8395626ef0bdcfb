#!/bin/bash
# Run one suite of server tests on one device, on a cluster of its own.
#
# Usage: suite.sh sql|specs|tap host|cuda|gpu [NAME...]     (default: all of them)
#
# cuda means the driver's stand-in, test/cudasim, with GSTORE_CUDASIM_DEVICES
# (default 2) devices; gpu the driver itself, libcuda.so.1 or what
# GSTORE_CUDA_LIBRARY names (see test/gpu).  Prints what failed with its diffs, then the count; with
# GSTORE_TALLY=FILE, the numbers passed and failed are appended there.
set -u
. "$(dirname "$0")/lib.sh"

suite=${1:?suite}
device=${2:?device}
shift 2

bin=$(pg_bin)
src=$(pgxs_src)
run=$base/check/$suite-$device${SUITE_SUFFIX:-}

# The server's user may be unable to read the checkout: it gets copies.
rm -rf "$run"
server_dir "$base/check"
mkdir -p "$run"
cp -r "$top/expected" "$run/expected"
for part in sql specs t clients; do
	mkdir -p "$run/$part"
	cp -r "$top/test/$part/." "$run/$part/" 2>/dev/null
done
cp "$top"/build/programs/* "$run/clients/" 2>/dev/null
on=$device
driver=
unset GSTORE_REAL_DRIVER
case $device in
	host) ;;
	cuda)
		cp "$top/build/cudasim/libcuda.so.1" "$run/" || die "run make cudasim first"
		driver=$run/libcuda.so.1 ;;
	gpu)
		driver=${GSTORE_CUDA_LIBRARY:-libcuda.so.1}
		device=cuda
		export GSTORE_REAL_DRIVER=1 ;;
	*) die "no device \"$device\"" ;;
esac

GSTORE_CUDASIM_DEVICES=${GSTORE_CUDASIM_DEVICES:-2}
export GSTORE_CUDASIM_DEVICES
[ "$on" != cuda ] || on="cuda with $GSTORE_CUDASIM_DEVICES device(s)"

{
	cat "$top/test/server.conf"
	echo "gstore_fdw.device = $device"
	[ -z "$driver" ] || echo "gstore_fdw.cuda_library = '$driver'"
} >"$run/server.conf"
[ -z "$server_user" ] || chown -R "$server_user:$server_group" "$run"

# Names that are not there are a mistake, not an empty success.
names=("$@")
ending=$suite
case $suite in
	sql) folder=sql ending=sql ;;
	specs) folder=specs ending=spec ;;
	tap) folder=t ending=pl ;;
	*) die "no suite \"$suite\"" ;;
esac
if [ ${#names[@]} -eq 0 ]; then
	for file in "$run/$folder"/*."$ending"; do
		[ -e "$file" ] || continue
		# some are about the stand-in's faults
		[ -n "${GSTORE_REAL_DRIVER:-}" ] &&
			grep -q '^# needs: stand-in' "$file" && continue
		names+=("$(basename "$file" ".$ending")")
	done
fi
for name in ${names[@]+"${names[@]}"}; do
	[ -e "$run/$folder/$name.$ending" ] || die "no test $folder/$name.$ending"
done
[ ${#names[@]} -gt 0 ] || exit 0

cd "$run" || exit 1

tally()
{
	if [ -n "${GSTORE_TALLY:-}" ]; then
		echo "$1 $2" >>"$GSTORE_TALLY"
	else
		echo "$1 passed, $2 failed"
	fi
	[ "$2" -eq 0 ]
	exit
}

# Put this process, and so the test, into a memory cgroup of so many MB.
enter_cgroup()
{
	local megabytes=$1 group parent

	[ -n "$megabytes" ] && [ "$(id -u)" = 0 ] || return 0
	parent=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
	if [ -n "$parent" ]; then
		group=/sys/fs/cgroup/memory$parent/gstore-test-$$
		mkdir "$group" 2>/dev/null || return 0
		echo $((megabytes << 20)) >"$group/memory.limit_in_bytes" || return 0
		# pushed out to swap is no proof
		echo $((megabytes << 20)) 2>/dev/null \
			>"$group/memory.memsw.limit_in_bytes" || true
	else
		parent=$(sed -n 's/^0:://p' /proc/self/cgroup)
		group=/sys/fs/cgroup$parent/gstore-test-$$
		mkdir "$group" 2>/dev/null || return 0
		if ! echo $((megabytes << 20)) 2>/dev/null >"$group/memory.max"; then
			rmdir "$group"
			return 0
		fi
		echo 0 2>/dev/null >"$group/memory.swap.max" || true
	fi
	# shellcheck disable=SC2064
	trap "echo $$ >'${group%/*}/cgroup.procs'; rmdir '$group'" EXIT
	echo $$ >"$group/cgroup.procs" && export GSTORE_CGROUP_MB=$megabytes
}

if [ "$suite" = tap ]; then
	points=$(grep -rhoE --include='*.c' 'FAULT_POINT\("[a-z-]+' "$top/src" |
		cut -d'"' -f2 | sort -u | tr '\n' ' ')
	# each test has a folder of its own, so that none finds another's servers
	cat >tap.run <<-END
		#!/bin/bash
		name=\$(basename "\$1" .pl)
		export TESTDIR="$run/tap/\$name" LC_ALL=C
		export TESTDATADIR="\$TESTDIR" TESTLOGDIR="\$TESTDIR/log"
		export PATH="$bin:\$PATH" PERL5LIB="$run/t:$src/test/perl${PERL5LIB:+:$PERL5LIB}"
		export PG_REGRESS="$src/test/regress/pg_regress"
		export GSTORE_DEVICE=$device GSTORE_SERVER_CONF="$run/server.conf"
		export GSTORE_CUDASIM="$driver" GSTORE_FAULT_POINTS="$points"
		export GSTORE_CLIENTS="$run/clients" GSTORE_VENV="$base/clients/venv"
		mkdir -p "\$TESTDIR"
		exec perl "\$1"
	END
	chmod +x tap.run
	server_dir tap
	# what the clients need, once, by the server's user, who runs them
	server_dir "$base/clients"
	command -v python3 >/dev/null &&
		(cd / && as_server_user env HOME="$base/clients" PIP_NO_CACHE_DIR=1 \
		GSTORE_VENV="$base/clients/venv" \
		python3 "$run/clients/have_modules.py") || true
	# "# cgroup: MB" in a test's head: it runs in a memory cgroup that small,
	# where we may make one
	if [ ${#names[@]} -eq 1 ]; then
		enter_cgroup "$(sed -n 's/^# cgroup: *\([0-9]*\).*/\1/p' "t/${names[0]}.pl")"
	fi
	export -f as_server_user
	export server_user server_group base
	names=("${names[@]/#/t/}")
	TAP_RUN="as_server_user ./tap.run" "$top/test/tap.sh" \
		"${names[@]/%/.pl}"
	exit
fi

if [ "$suite" = sql ]; then
	runner=$src/test/regress/pg_regress
else
	runner=$src/test/isolation/pg_isolation_regress
fi

as_server_user env PATH="$bin:$PATH" "$runner" \
	--bindir="$bin" --temp-instance="$run/instance" --temp-config="$run/server.conf" \
	--inputdir="$run" --outputdir="$run" --dbname=gstore_test \
	--no-locale --encoding=UTF8 --load-extension=gstore_fdw "${names[@]}" >runner.log 2>&1
status=$?

# "test name ... ok 12 ms" until PostgreSQL 15, "ok 1 - name 12 ms" from 16
good=$(grep -cE '^(test .*|     .*)\.\.\. ok\b|^ok [0-9]' runner.log)
bad=$(grep -cE '\.\.\. FAILED|^not ok [0-9]' runner.log)
ran=$((good + bad))
if [ $ran -lt ${#names[@]} ]; then
	bad=$((bad + ${#names[@]} - ran))
elif [ $status -ne 0 ] && [ "$bad" -eq 0 ]; then
	bad=1
fi
if [ "$bad" -gt 0 ]; then
	echo "== $suite on $on: $bad FAILED"
	if [ -s regression.diffs ]; then
		head -n "${DIFF_LINES:-400}" regression.diffs
	else
		tail -n 40 runner.log
		tail -n 40 log/*.log 2>/dev/null
	fi
	grep -hE 'PANIC|TRAP|terminated by signal' log/postmaster.log 2>/dev/null |
		head -5
else
	echo "$suite on $on: $good passed"
fi
tally "$good" "$bad"
