# Everything that tests or shows the extension; included by ../Makefile.
#
# Nothing here needs root, nothing touches the system's PostgreSQL: what runs
# runs on a private copy under build/ (see pgtree.sh).

SHELL = /bin/bash
CC ?= gcc
ifeq ($(origin CC),default)
CC = gcc
endif

.DEFAULT_GOAL = help

WARNINGS = -Wall -Wextra -Wno-unused-parameter -Wdeclaration-after-statement \
	-Wmissing-prototypes -Wpointer-arith

# ---- the CUDA driver's stand-in ----

CUDASIM = build/cudasim/libcuda.so.1
CUDASIM_CFLAGS = -std=gnu11 -g -O2 -fPIC -pthread $(WARNINGS) $(UNIT_WERROR) \
	-Isrc -Iinclude -Icuda -I.
CUDASIM_SOURCES := $(sort $(wildcard test/cudasim/*.c))

cudasim: $(if $(CUDASIM_SOURCES),$(CUDASIM))

$(CUDASIM): $(CUDASIM_SOURCES) $(wildcard test/cudasim/*.h src/device/*.h \
		src/*.h cuda/*.h cuda/*.def cuda/*.cu include/*.h)
	@mkdir -p $(@D)
	$(CC) $(CUDASIM_CFLAGS) -fsanitize=alignment -c \
		-o $(@D)/kernels.o test/cudasim/kernels.c
	$(CC) $(CUDASIM_CFLAGS) -shared -Wl,-soname,libcuda.so.1 -o $@ \
		$(filter-out %/kernels.c,$(CUDASIM_SOURCES)) $(@D)/kernels.o \
		-ldl -lrt -lm

# The same under the sanitizers, for the kernels' own tests: out of bounds, and
# what C leaves undefined, is looked for in them too.  A misaligned address stays
# the stand-in's to notice.
CUDASIM_SANITIZED = build/cudasim-sanitized/libcuda.so.1

$(CUDASIM_SANITIZED): $(CUDASIM)
	@mkdir -p $(@D)
	$(CC) $(CUDASIM_CFLAGS) $(SANITIZE) -fsanitize=alignment \
		-fsanitize-recover=alignment,null,object-size -c \
		-o $(@D)/kernels.o test/cudasim/kernels.c
	$(CC) $(CUDASIM_CFLAGS) $(SANITIZE) -shared -Wl,-soname,libcuda.so.1 -o $@ \
		$(filter-out %/kernels.c,$(CUDASIM_SOURCES)) $(@D)/kernels.o \
		-ldl -lrt -lm

# ---- tests without a server ----
#
# Each test/unit/test_NAME.c is a program that prints TAP.  It is linked with
# every object that needs no PostgreSQL header, compiled here once more under
# the sanitizers: `make unit SANITIZE=` leaves them out.

SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=undefined
UNIT_CFLAGS = -std=gnu11 -g -O1 -fno-omit-frame-pointer -pthread $(WARNINGS) \
	$(UNIT_WERROR) $(SANITIZE) -MMD -MP -Isrc -Iinclude -Icuda -Itest/unit -I.

UNIT_FREE := $(sort $(wildcard src/codec/*.c src/device/host.c \
	src/device/cuda.c src/device/cuda_image.c src/device/headroom.c src/device/pages.c src/exec/engine*.c))
UNIT_HELPERS := $(sort $(filter-out $(wildcard test/unit/test_*.c),\
	$(wildcard test/unit/*.c)))
UNIT_TESTS := $(sort $(wildcard test/unit/test_*.c))
# The server's own functions, where its development package has them.
SERVER_COMMON := $(wildcard $(shell $(PG_CONFIG) --pkglibdir)/libpgcommon.a)
ifeq ($(SERVER_COMMON),)
UNIT_TESTS := $(filter-out test/unit/test_pglz_server.c,$(UNIT_TESTS))
endif
# Only UNIT=name ...
ifneq ($(UNIT),)
UNIT_TESTS := $(foreach name,$(UNIT),test/unit/test_$(name).c)
endif
UNIT_OBJS = $(patsubst %.c,build/unit/%.o,$(UNIT_FREE) $(UNIT_HELPERS))
UNIT_PROGRAMS = $(patsubst test/unit/%.c,build/unit/%,$(UNIT_TESTS))

build/unit/%.o: %.c test/test.mk
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -c -o $@ $<

build/unit/test_pglz_server: UNIT_LIBS = $(SERVER_COMMON)
$(UNIT_PROGRAMS): build/unit/%: build/unit/test/unit/%.o $(UNIT_OBJS)
	$(CC) $(UNIT_CFLAGS) -o $@ $^ $(UNIT_LIBS) -ldl -lrt -lm

.SECONDARY: $(UNIT_OBJS)

unit-programs: cudasim $(UNIT_PROGRAMS)

unit: unit-programs
	@GSTORE_CUDASIM='$(CURDIR)/$(CUDASIM)' test/tap.sh $(UNIT_PROGRAMS)

# What runs kernels, on a stand-in that is sanitized too.
KERNEL_PROGRAMS = $(patsubst test/unit/%.c,build/unit/%,\
	$(sort $(wildcard test/unit/test_kernel*.c)))

unit-kernels: $(CUDASIM_SANITIZED) $(KERNEL_PROGRAMS)
	@GSTORE_CUDASIM='$(CURDIR)/$(CUDASIM_SANITIZED)' test/tap.sh $(KERNEL_PROGRAMS)

-include $(shell find build/unit -name '*.d' 2>/dev/null)

# The codecs' fuzz target; what it finds goes to test/fuzz/corpus once it is
# mended, and make fuzz-keep puts the fewest inputs that reach as far as all of
# them into test/fuzz/reached (test_codec_corpus replays both).
# make fuzz SECONDS=600
SECONDS ?= 60
FUZZ_WORK = build/fuzz-corpus

build/fuzz_codec: test/fuzz/fuzz_codec.c test/unit/rows.c \
		$(wildcard src/codec/*.[ch] cuda/*.h include/*.h)
	@mkdir -p $(@D)
	clang -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -Isrc -Iinclude -Icuda -Itest/unit \
		-o $@ $(filter %.c,$^)

fuzz: build/fuzz_codec
	@mkdir -p $(FUZZ_WORK)
	$< -max_total_time=$(SECONDS) -max_len=16384 -artifact_prefix=build/ \
		$(FUZZ_WORK) test/fuzz/corpus test/fuzz/reached

fuzz-keep: build/fuzz_codec
	@rm -rf $(FUZZ_WORK).new && mkdir -p $(FUZZ_WORK).new $(FUZZ_WORK)
	$< -merge=1 -max_len=3000 $(FUZZ_WORK).new test/fuzz/corpus \
		test/fuzz/reached $(FUZZ_WORK)
	rm -rf test/fuzz/reached && mv $(FUZZ_WORK).new test/fuzz/reached

# ---- tests with a server ----

deps:
	@test/install-deps.sh

# A private copy of PostgreSQL with the extension in it: build/pg.
pgtree:
	@test/pgtree.sh

check:
	@test/check.sh

# The SQL and isolation tests, or SUITES='...', with a server that has its
# assertions on, and all under AddressSanitizer.  Builds that server first.
check-asan: unit
	@test/asan.sh

# Which lines the suites run.
coverage:
	@test/coverage.sh

# Of that, what needs a server: SUITES='sql specs tap' DEVICES='host cuda'.
check-server:
	@test/check.sh server

# The same on every version of PostgreSQL that can be had, each in a Debian of
# its own: VERSIONS='15 17 18'.  Needs root and debootstrap.
check-versions:
	@test/versions.sh $(VERSIONS)

# PostgreSQL's own regression tests on gstore tables: DEVICE=cuda TESTS='join'.
check-postgres: pgtree cudasim
	@test/postgres/run.sh $(DEVICE) $(TESTS)

# One suite: DEVICE=host (default) or cuda (the stand-in), REGRESS/SPECS/TAP=
# the names of some tests instead of all.
DEVICE ?= host

check-regress: pgtree cudasim
	@test/suite.sh sql $(DEVICE) $(REGRESS)

check-isolation: pgtree cudasim
	@test/suite.sh specs $(DEVICE) $(SPECS)

# What test/clients has for C programs, linked with the stand-in; without
# libpq's header there is none.
LIBPQ_INCLUDE := $(shell $(PG_CONFIG) --includedir)
PROGRAMS = $(if $(wildcard $(LIBPQ_INCLUDE)/libpq-fe.h),build/programs/sum_column)

build/programs/%: test/clients/%.c $(CUDASIM) $(HEADERS) test/cudasim/cuda.h
	@mkdir -p $(@D)
	$(CC) -O2 $(WARNINGS) $(UNIT_WERROR) -Isrc -Iinclude -Itest/cudasim \
		-I$(LIBPQ_INCLUDE) -o $@ $< $(CUDASIM) \
		-Wl,-rpath,'$$ORIGIN/..' -L$(shell $(PG_CONFIG) --libdir) -lpq

programs: $(PROGRAMS)

check-tap: pgtree cudasim programs
	@test/suite.sh tap $(DEVICE) $(TAP)

# On a machine with a GPU: see test/gpu/README.md.
.PHONY: gpucheck gpupack
gpucheck:
	@test/gpu/run.sh

gpupack:
	@test/gpu/pack.sh

# ---- form ----

layers:
	@test/check_layers.sh

format:
	@test/format.sh apply

check-format:
	@test/format.sh check

# ---- showing ----

# build/dist/gstore_fdw-VERSION.zip: what is committed, in a folder of that name.
VERSION = $(shell sed -n 's/^   "version": "\(.*\)",/\1/p' META.json)

dist:
	@mkdir -p build/dist
	git archive --format=zip --prefix=gstore_fdw-$(VERSION)/ \
		-o build/dist/gstore_fdw-$(VERSION).zip HEAD

quickstart:
	@test/quickstart.sh start

quickstart-stop:
	@test/quickstart.sh stop

bench:
	@test/bench/run.sh

fresh:
	@test/fresh.sh

help:
	@sed -n '/^#   make/s/^#//p' Makefile

.PHONY: cudasim programs fuzz fuzz-keep unit unit-programs unit-kernels deps pgtree check check-server check-versions check-postgres \
	check-regress \
	check-isolation check-tap layers format check-format quickstart \
	quickstart-stop bench dist check-asan coverage fresh help
