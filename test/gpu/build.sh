#!/bin/bash
# The programs of this folder: questions, and where there is nvcc, sum_column.
#
# Usage: build.sh FOLDER
set -eu
to=$1
cd "$(dirname "$0")/../.."
mkdir -p "$to"

${CC:-gcc} -std=gnu11 -O1 -g -pthread -Wall -Wextra -Werror -Isrc -Iinclude -I. \
	-o "$to/questions" test/gpu/questions.c -ldl
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
if [ -x "$nvcc" ]; then
	# code for what there is, and for what comes
	"$nvcc" -Werror all-warnings -O2 -cudart static -Iinclude \
		-gencode arch=compute_75,code=compute_75 \
		-gencode arch=compute_90,code=sm_90 \
		-o "$to/sum_column" test/gpu/sum_column.cu
fi
