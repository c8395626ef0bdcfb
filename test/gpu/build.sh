#!/bin/bash
# The programs of this folder: questions, bench, and where there is nvcc,
# sum_column.  The bench has the kernels that the extension was built with.
#
# Usage: build.sh FOLDER
set -eu
to=$1
cd "$(dirname "$0")/../.."
mkdir -p "$to"

flags=(-std=gnu11 -g -pthread -Wall -Wextra -Werror -Isrc -Iinclude -Icuda -I.)
"${CC:-gcc}" "${flags[@]}" -O1 -o "$to/questions" test/gpu/questions.c -ldl
image=build/gen/kernels.fatbin
[ ! -e "$image" ] || flags+=(-DGSTORE_KERNEL_IMAGE="\"$image\"")
"${CC:-gcc}" "${flags[@]}" -O2 -Wno-unused-parameter -o "$to/bench" test/gpu/bench.c \
	src/codec/*.c src/exec/engine*.c src/device/cuda.c src/device/cuda_image.c \
	-ldl -lm
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if [ -x "$nvcc" ]; then
	# code for what there is, and for what comes
	"$nvcc" -Werror all-warnings -O2 -cudart static -Iinclude \
		-gencode arch=compute_75,code=compute_75 \
		-gencode arch=compute_90,code=sm_90 \
		-o "$to/sum_column" test/gpu/sum_column.cu
fi
