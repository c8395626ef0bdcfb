#!/bin/bash
# include/gstore_format.h, and the decoders in cuda/, are for programs of others:
# they must compile as what those are written in, without a warning.
#
# Usage: check_format_header.sh
set -u
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests=0
failures=0

# try NAME COMMAND...: the command's output is a failure, too.
try()
{
	local name=$1 output status

	shift
	output=$("$@" 2>&1)
	status=$?
	tests=$((tests + 1))
	if [ $status -eq 0 ] && [ -z "$output" ]; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		sed 's/^/# /' <<<"$output"
		failures=$((failures + 1))
	fi
}

cat >"$work/use.c" <<'END'
#include "gstore_format.h"

extern int use(const void *image, const void **value, uint64_t *length);

int
use(const void *image, const void **value, uint64_t *length)
{
	if (GSTORE_IMAGE_IS_ARROW(image))
		*value = gstore_arrow_text(image, gstore_arrow_column(image, 0), 0,
								   length);
	else
		*value = gstore_pgstrom_value(image, 0, 0);
	return *value != 0;
}
END
cp "$work/use.c" "$work/use.cc"
cat >"$work/use.cu" <<'END'
#include "gstore_format.h"
#include "numeric.h"
#include "pglz.h"
#include "varlena.h"

__global__ void
use(const uint8_t *image, uint8_t *plain, GstoreInt128 *decimal)
{
	GstoreVarlena value = gstore_varlena(gstore_pgstrom_value(image, 0, 0));

	if (gstore_varlena_is_compressed(&value))
		gstore_pglz_decompress(value.body + 4, value.body_bytes - 4, plain,
							   gstore_varlena_raw_bytes(&value));
	else
		gstore_numeric_to_decimal(value.body, value.body_bytes, 38, 2,
								  decimal);
	gstore_decimal_to_numeric(*decimal, 2, plain);
}
END

for compiler in gcc clang; do
	command -v $compiler >/dev/null || continue
	try "C99 with $compiler" $compiler -std=c99 -Wall -Wextra -pedantic \
		-Werror -Iinclude -c -o "$work/use.o" "$work/use.c"
	try "C++11 with $compiler" $compiler -x c++ -std=c++11 -Wall -Wextra \
		-pedantic -Werror -Iinclude -c -o "$work/use.o" "$work/use.cc"
	try "decoders in C11 with $compiler" $compiler -x c -std=gnu11 -Wall \
		-Wextra -Werror -Iinclude -Icuda -fsyntax-only - <<-'END'
		#include "numeric.h"
		#include "pglz.h"
		#include "varlena.h"
	END
done
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if [ -x "$nvcc" ]; then
	try "CUDA" "$nvcc" -Werror all-warnings -Iinclude -Icuda -c \
		-o "$work/use.o" "$work/use.cu"
	# Every operator of programs, for a GPU: called, or nothing is compiled.
	{
		echo '#include "program.h"'
		echo '#define GSTORE_OP1(N, f, r, a) __global__ void k_##N(gstore_##r *x, const gstore_##a *y, uint8 *s) { *s = gstore_op_##f(x, *y); }'
		echo '#define GSTORE_OP2(N, f, r, a, b) __global__ void k_##N(gstore_##r *x, const gstore_##a *y, const gstore_##b *z, uint8 *s) { *s = gstore_op_##f(x, *y, *z); }'
		echo '#include "opcodes.def"'
	} >"$work/operators.cu"
	try "operators in CUDA" "$nvcc" -Werror all-warnings -Isrc -Iinclude \
		-Icuda -ptx -o "$work/operators.ptx" "$work/operators.cu"
else
	for name in CUDA "operators in CUDA"; do
		tests=$((tests + 1))
		echo "ok $tests - $name # SKIP there is no nvcc"
	done
fi
echo "1..$tests"
exit $((failures > 0))
