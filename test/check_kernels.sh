#!/bin/bash
# The compiler's report on the kernels: none spills registers, none has a stack
# frame, none was left out.  Both would put what belongs in registers into
# memory, without anybody noticing but by the time it takes.
#
# Usage: check_kernels.sh [REPORT]
set -u
cd "$(dirname "$0")/.." || exit 2

report=${1:-build/gen/kernels.report}
if [ ! -e "$report" ]; then
	echo "1..0 # SKIP there is no report: no nvcc built the kernels"
	exit 0
fi
mapfile -t kernels < <(sed -n 's/.*KERNEL([A-Z_]*, \(gstore_kernel_[a-z_]*\)).*/\1/p' \
	cuda/kernel.h)
codes=$(grep -c "gstore_kernel_probe" <(grep 'Compiling entry function' "$report"))
echo "1..$((2 * ${#kernels[@]}))"
n=0
failures=0

# say OK NAME
say()
{
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" || { echo "not ok $n - $2"; failures=1; }
}

for kernel in "${kernels[@]}"; do
	seen=$(grep -c "Compiling entry function '$kernel'" "$report")
	[ "$seen" -gt 0 ] && [ "$seen" = "$codes" ]
	say $? "$kernel is compiled for all of $codes GPUs"
	grep -A1 "Function properties for $kernel\$" "$report" | grep 'stack frame' |
		grep -v ' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' |
		sed 's/^/# /' >build/gen/kernels.faults
	cat build/gen/kernels.faults
	[ ! -s build/gen/kernels.faults ]
	say $? "$kernel has no stack frame and spills nothing"
	sed -n "/Compiling entry function '$kernel'/,/Used/p" "$report" |
		sed -n "s/.*for '\(.*\)'.*/\1/p; s/.*Used \([0-9]* registers\).*/\1/p" |
		paste -d' ' - - | sed 's/^/# /'
done
exit $failures
