# build/fn-controller, build/fn-node, build/fnctl. `make CC=clang`, `make SAN=1` (ASan + UBSan, in build/san).
ifeq ($(origin CC),default)
CC      := gcc
endif
SAN     ?=
# V=1 shows the commands.
V       ?=
Q       := $(if $(V),,@)
B       := build$(if $(SAN),/san)$(if $(filter clang%,$(CC)),/clang)
PKGS    := yaml-0.1 libpq libcurl jansson libcrypto libarchive libdeflate libmicrohttpd libseccomp

WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wswitch-enum \
           -Wundef -Wwrite-strings -Wpointer-arith -Wold-style-definition -Wnull-dereference -Wdouble-promotion -Wcast-align=strict
ifneq ($(filter clang%,$(CC)),)
WARN    := $(filter-out -Wcast-align=strict,$(WARN)) -Wcast-align
endif
HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS  ?= -O2 -g
ALL_CFLAGS := -std=c17 -D_GNU_SOURCE $(WARN) -Werror -Icontroller -I. -I$(B)/gen -pthread $(CFLAGS) \
           $(if $(SAN),$(SANFLAGS),$(HARDEN)) $(shell pkg-config --cflags $(PKGS))
LDLIBS  := $(shell pkg-config --libs $(PKGS))
# As needed: a program loads the libraries that it calls, and starts the sooner for it.
LDFLAGS += -pthread -Wl,--as-needed $(if $(SAN),$(SANFLAGS),-pie -Wl,-z,relro,-z,now)

# One static library a room; main files stay outside.
ROOMS   := controller/base controller/net controller/engine controller/api controller/archive controller/node \
           controller/cli manifests schema reconcilers
MAINS   := controller/main.c controller/node/main.c controller/cli/main.c schema/gen_schemas.c reconcilers/providers/build_main.c
SRCS    := $(filter-out $(MAINS) manifests/examples/%,$(foreach r,$(ROOMS),$(shell find $(r) -name '*.c' 2>/dev/null)))
OBJS    := $(SRCS:%.c=$(B)/obj/%.o)
GEN     := $(B)/gen/schema_sql.h

.PHONY: help all check up down clean lint tests programs
all: programs
programs: $(B)/fn-controller $(B)/fn-node $(B)/fnctl $(B)/fn-build

$(B)/libfn.a: $(OBJS)
	@rm -f $@
	$(if $(V),,@echo "  AR $@")
	$(Q)ar rcs $@ $^

$(B)/fn-controller: $(B)/obj/controller/main.o $(B)/libfn.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/fn-node: $(B)/obj/controller/node/main.o $(B)/libfn.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/fnctl: $(B)/obj/controller/cli/main.o $(B)/libfn.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
# The build child reads hostile bytes: it is linked with what it needs and nothing else.
$(B)/fn-build: $(B)/obj/reconcilers/providers/build_main.o $(B)/libfn.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(B)/gen-schemas: $(B)/obj/schema/gen_schemas.o $(B)/libfn.a
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The only SQL there is, as C strings.
$(GEN): schema/embed $(wildcard schema/queries/*.sql) $(wildcard schema/migrations/*.sql)
	@mkdir -p $(@D)
	schema/embed > $@.tmp && mv $@.tmp $@
$(filter $(B)/obj/schema/%,$(OBJS)): $(GEN)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC $<")
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# Unit and plan tests: every tests/unit/test_*.c and tests/plan/test_*.c is one program.
TESTS   := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c tests/plan/test_*.c tests/integration/test_*.c))
tests: $(TESTS)
$(B)/tests/%: tests/%.c $(B)/libfn.a
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LD $@")
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/support -MMD -MP $(LDFLAGS) -o $@ $< $(B)/libfn.a $(LDLIBS) -lcmocka -lz
-include $(shell find $(B)/tests -name '*.d' 2>/dev/null)

# clang-tidy (.clang-tidy), once for each file and what it includes: a stamp follows its object.
LINT    := $(patsubst %.c,$(B)/lint/%.ok,$(SRCS) $(MAINS))
lint: $(LINT)
$(B)/lint/%.ok: $(B)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINT $*.c")
	$(Q)clang-tidy --quiet $*.c -- $(filter-out -W%,$(ALL_CFLAGS)) >$@.tmp 2>$@.err || { cat $@.tmp $@.err; exit 1; }
	@rm -f $@.err && mv $@.tmp $@

check: ; ./tests/run
up:    ; ./deploy/up
down:  ; ./deploy/down
clean: ; rm -rf build
help:
	@echo "make            build/fn-controller, fn-build, fn-node, fnctl   (CC=clang, SAN=1, V=1)"
	@echo "make tests      the test programs"
	@echo "make lint       clang-tidy"
	@echo "make check      ./tests/run"
	@echo "make up | down  ./deploy/up, ./deploy/down"
