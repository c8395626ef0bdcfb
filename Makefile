# gstore_fdw: builds with PGXS; needs PostgreSQL's server headers, nothing else.
# Where there is an nvcc, the kernels that compute on GPUs are built too.
#
#   make                       build the extension
#   make install               install it (PG_CONFIG=/path/to/pg_config)
#   make quickstart            a private cluster with real data, from nothing
#   make check                 everything the project tests, from nothing
#   make unit                  the tests that need no server; UNIT='name ...'
#   make unit-kernels          the kernels, on a stand-in that is sanitized too
#   make check-regress         SQL tests; DEVICE=host|cuda REGRESS='name ...'
#   make check-isolation       the same of sessions; SPECS='name ...'
#   make check-tap             the same of servers; TAP='name ...'
#   make check-server          of `check', what needs a server
#   make check-asan            the suites on a server with assertions, under ASan
#   make check-versions        the suites on PostgreSQL 15, 17 and 18
#   make check-postgres        PostgreSQL's own tests on gstore tables
#   make coverage              which lines the suites run
#   make fuzz                  the codecs; SECONDS=60; fuzz-keep keeps the inputs
#   make layers                who includes whom
#   make format                apply .clang-format; check-format only looks
#   make bench                 beside heap, DuckDB and C loops; JSON=file
#   make gpucheck              on a machine with a GPU; gpupack for a bare one
#   make fresh                 quickstart and check on an empty Debian
#   make dist                  an archive of what is committed, for PGXN
#   make help                  this list

PG_CONFIG ?= pg_config

# What test/test.mk knows, it does; all else is PGXS's.  The split is needed
# because PGXS has a check target of its own, and because those targets must
# work before there is a PostgreSQL to build against.
TEST_GOALS = check check-% fuzz fuzz-% unit unit-programs unit-kernels programs cudasim layers format quickstart \
	quickstart-% gpucheck gpupack bench bench-% fresh fresh-% deps pgtree dist coverage help

ifneq ($(filter $(TEST_GOALS),$(MAKECMDGOALS)),)

include test/test.mk

all install uninstall clean distclean installcheck:
	+$(MAKE) --no-print-directory $@

else

EXTENSION = gstore_fdw
MODULE_big = gstore_fdw
PGFILEDESC = "gstore_fdw - tables in GPU memory"

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
OBJS := $(SOURCES:.c=.o)
DATA := $(sort $(wildcard sql/*--*.sql))
HEADERS := $(wildcard include/gstore_format.h)

# make installcheck: the SQL tests against a running server that has the
# extension, whatever its device.
REGRESS = $(notdir $(basename $(sort $(wildcard test/sql/*.sql))))
ISOLATION = $(notdir $(basename $(sort $(wildcard test/specs/*.spec))))
REGRESS_OPTS = --inputdir=test $(EXPECTED)
ISOLATION_OPTS = --inputdir=test --outputdir=. $(EXPECTED)
EXPECTED = $(if $(filter 15,$(MAJORVERSION)),,--expecteddir=.)

# PostgreSQL's own headers are given as system headers, so that our warnings
# are about our code.
PG_CPPFLAGS = -Isrc -Iinclude -Icuda -MMD -MP \
	-isystem $(shell $(PG_CONFIG) --includedir-server) \
	-isystem $(shell $(PG_CONFIG) --pkgincludedir)/internal
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wdeclaration-after-statement
SHLIB_LINK = -lpthread -ldl

# The engine's and the codecs' loops are written to be vectorised, and what they
# call is not for others.
$(filter src/exec/engine% src/codec/%,$(OBJS)): override CFLAGS += -O3 \
	-fvisibility=hidden

# The kernels: one fatbin, which becomes part of the library.  For GPUs older
# than the oldest code below, and newer than the newest, there is PTX.
# make NVCC= builds without; NVCC_ARCHS='80 90' for fewer GPUs.
NVCC ?= $(firstword $(wildcard $(shell command -v nvcc 2>/dev/null) \
	/usr/local/cuda/bin/nvcc))
ifneq ($(NVCC),)
NVCC_KNOWS := $(shell $(NVCC) --list-gpu-code 2>/dev/null)
NVCC_ARCHS ?= 80 90 100
KERNEL_IMAGE = build/gen/kernels.fatbin
KERNEL_CODE = $(foreach arch,$(NVCC_ARCHS),$(if $(filter sm_$(arch),$(NVCC_KNOWS)),\
	-gencode arch=compute_$(arch)$(comma)code=sm_$(arch)))
comma := ,
endif

EXTRA_CLEAN = $(SOURCES:.c=.d) build/clang build/unit build/cudasim build/cudasim-sanitized build/gen

# Bitcode for inlining into JIT code: nothing of ours is worth inlining.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(if $(PGXS),$(PGXS),none)),)
$(error No PostgreSQL server headers found with "$(PG_CONFIG)": install postgresql-server-dev-NN, name another one with PG_CONFIG=..., or let "make deps" do it)
endif
include $(PGXS)

-include $(SOURCES:.c=.d)

ifneq ($(NVCC),)
# The report tells what each kernel needs: test/check_kernels.sh reads it.
$(KERNEL_IMAGE): $(wildcard cuda/*.cu cuda/*.h cuda/*.def) src/port.h \
		include/gstore_format.h
	@mkdir -p $(@D)
	$(NVCC) -std=c++17 -O3 --threads 0 -Werror all-warnings \
		-Wno-deprecated-gpu-targets -Isrc -Iinclude -Icuda -Xptxas -v \
		-gencode arch=compute_75,code=compute_75 $(KERNEL_CODE) \
		-fatbin -o $@.new cuda/kernels.cu >$(@D)/kernels.report 2>&1 || \
		{ cat $(@D)/kernels.report; exit 1; }
	@mv $@.new $@

KERNEL_OBJS = src/device/cuda_image.o build/clang/src/device/cuda_image.o
$(KERNEL_OBJS): $(KERNEL_IMAGE)
$(KERNEL_OBJS): override CPPFLAGS += -DGSTORE_KERNEL_IMAGE='"$(KERNEL_IMAGE)"'
endif

# The same sources with clang, only to see that it has nothing to say.
CLANG_FOR_CHECK ?= clang
CLANG_OBJS = $(addprefix build/clang/,$(OBJS))

.PHONY: clang-objects
clang-objects: $(CLANG_OBJS)

$(CLANG_OBJS): build/clang/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG_FOR_CHECK) -Wno-unknown-warning-option \
		-Wno-ignored-optimization-argument \
		$(CFLAGS) $(CPPFLAGS) -c -o $@ $<

-include $(CLANG_OBJS:.o=.d)

endif
