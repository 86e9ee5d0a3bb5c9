# SPDX-License-Identifier: MIT
#
# Builds the C module of sutura into build/FLAVOUR/, where flavours never mix objects, and runs
# everything else from there. `make help` lists the targets.
#
# Nothing here runs a tool while the file is read: on a machine that has make and nothing else,
# `make demo` and `make test` first install what they need and then start make again.

LUA     ?= lua5.4
PREFIX  ?= /usr/local
LUADIR  ?= $(PREFIX)/share/lua/5.4
LIBDIR  ?= $(PREFIX)/lib/lua/5.4
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man/man1
BUILD   ?= build
FLAVOUR ?= release
OUT     := $(BUILD)/$(FLAVOUR)

CFLAGS     ?= -O2 -g
LUA_CFLAGS ?= $(shell pkg-config --cflags lua5.4 || echo "run: make deps" >&2)
LUA_LIBS   ?= $(shell pkg-config --libs lua5.4)
UV_CFLAGS  ?= $(shell pkg-config --cflags libuv)
UV_LIBS    ?= $(shell pkg-config --libs libuv)

# clang would turn pow(0.5, x) into exp2(-x), and results would differ from Lua's in the last bit.
LANGUAGE  = -std=c11 -D_POSIX_C_SOURCE=200809L -fPIC -fvisibility=hidden -fno-builtin-pow
HARDENING = -fno-strict-overflow -fstack-protector-strong
WARNINGS  = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wswitch-enum -Wundef -Wvla \
            -Wdouble-promotion -Wformat=2 -Wwrite-strings -Wpointer-arith -Wimplicit-fallthrough \
            $(if $(findstring clang,$(CC)),,-Wlogical-op -Wduplicated-cond)
FLAGS     = $(LANGUAGE) $(HARDENING) $(WARNINGS) $(if $(filter true,$(CI)),-Werror)

# Lua's own symbols come from the program that loads the module: a second copy of liblua would crash.
# libuv's handlers outlive lua_close, so the module must never be unmapped (nodelete). And two
# copies of libuv in one process lose each other's SIGCHLD, so it is linked as a shared library.
LINK = -shared -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed
LIBS = $(UV_LIBS) -lm -lpthread -ldl

# What users run is linked as a whole: the rings call each other in every step.
FLAGS_release = -fno-plt $(if $(findstring clang,$(CC)),,-flto=auto)
FLAGS_gc = -DSUT_COLLECTS
FLAGS_fuzz = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FLAGS_cover = -O0 -g --coverage -DSUT_SWEPT
FLAGS_oom = -g -DSUT_SWEPT -DSUT_UNPOOLED
FLAGS_tsan = -O1 -g -fno-omit-frame-pointer -fsanitize=thread
FLAGS_asan = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined

# One short line a command; V=1 shows the whole.
say = $(if $(V),,@echo "  $(1)" && )

SOURCES := $(wildcard csrc/core/*.c csrc/rt/*.c csrc/lua/*.c)
OBJECTS := $(SOURCES:csrc/%.c=$(OUT)/obj/%.o)
CORE    := $(filter $(OUT)/obj/core/%,$(OBJECTS))
RT      := $(filter $(OUT)/obj/rt/%,$(OBJECTS))
TESTS   := $(patsubst spec/%.c,$(OUT)/test/%,$(wildcard $(addsuffix $(or $(SPEC),*_test).c,spec/c/ spec/rt/)))
HOSTS   := $(patsubst spec/host/%.c,$(OUT)/host/%,$(wildcard spec/host/*_host.c))
RACERS  := $(OUT)/peers/floor $(OUT)/peers/spawn
MODULE  := $(OUT)/sutura/core.so

export LUA MAKE OUT FLAVOUR SPEC FAIL_FAST
export LUA_PATH  := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;./?.lua;;
export LUA_CPATH := $(abspath $(OUT))/?.so;;
unexport LUA_INIT LUA_PATH_5_4 LUA_CPATH_5_4

.PHONY: all tests deps test spec lint format demo install doc bench bench-peers test-asan test-tsan test-oom test-faults fuzz cover sim soak test-gc test-generational test-valgrind mutate clean help
.DELETE_ON_ERROR:

all: $(MODULE) ## build the C module (the default)

tests: all $(TESTS) $(HOSTS)

$(MODULE): $(OBJECTS)
	@mkdir -p $(@D)
	$(call say,link $@)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) $(LINK) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OUT)/obj/%.o: csrc/%.c
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -MMD -MP -Icsrc $(LUA_CFLAGS) $(UV_CFLAGS) -c -o $@ $<

# The core alone, without Lua and libuv: that it links is a test in itself.
$(OUT)/test/c/%: spec/c/%.c $(CORE)
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -MMD -MP -Icsrc $(LDFLAGS) -o $@ $(filter %.c %.o,$^) -lcmocka -lm

# And the loop's ring without Lua.
$(OUT)/test/rt/%: spec/rt/%.c $(CORE) $(RT)
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -MMD -MP -Icsrc $(UV_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) -lcmocka $(LIBS)

# Programs that embed Lua, for specs about what the plain interpreter cannot show.
$(OUT)/host/%: spec/host/%.c
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -MMD -MP $(LUA_CFLAGS) $(UV_CFLAGS) $(LDFLAGS) -o $@ $< $(LUA_LIBS) $(UV_LIBS) -ldl

# What notes the lines of Lua that run.
$(OUT)/cover.so: spec/host/cover.c
	@mkdir -p $(@D)
	$(call say,cc $<)$(CC) $(FLAGS) $(CFLAGS) $(LUA_CFLAGS) -shared -o $@ $<

# The race: the floor in C, and what times whole programs.
$(OUT)/peers/floor: $(wildcard bench/peers/floor/*.[ch])
	@mkdir -p $(@D)
	$(call say,cc $@)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) $(LUA_CFLAGS) $(LDFLAGS) -o $@ $(filter %.c,$^) $(LUA_LIBS)

$(OUT)/peers/spawn: bench/peers/spawn.c
	@mkdir -p $(@D)
	$(call say,cc $@)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) $(LDFLAGS) -o $@ $<

# suture, where Go and Debian's package of it are; elsewhere there is nothing, and the race leaves it out.
GOPATH ?= /usr/share/gocode
$(OUT)/peers/suture: bench/peers/suture/main.go
	@mkdir -p $(@D)
	@if command -v go >/dev/null && test -d $(GOPATH)/src/github.com/thejerf/suture/v4; then \
	    echo "  go $@"; GO111MODULE=off GOPATH=$(GOPATH) GOCACHE=$(abspath $(OUT))/go go build -o $@ ./$(<D); fi

# Likewise OTP's supervisor, where Erlang is.
$(OUT)/peers/otp.beam: bench/peers/otp/otp.erl
	@mkdir -p $(@D)
	@if command -v erlc >/dev/null; then echo "  erlc $@"; erlc -o $(@D) $<; fi

# Fuzzers have all that they fuzz in them; what they link with has libFuzzer's main.
$(OUT)/fuzz/core: spec/fuzz/core_fuzz.c $(CORE)
	@mkdir -p $(@D)
	$(call say,cc $@)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -fsanitize=fuzzer -MMD -MP -Icsrc -o $@ $(filter %.c %.o,$^) -lcmocka -lm

$(OUT)/fuzz/lua: spec/fuzz/lua_fuzz.c $(OBJECTS)
	@mkdir -p $(@D)
	$(call say,cc $@)$(CC) $(FLAGS) $(CFLAGS) $(FLAGS_$(FLAVOUR)) -fsanitize=fuzzer -MMD -MP $(LUA_CFLAGS) -o $@ $(filter %.c %.o,$^) $(LUA_LIBS) $(LIBS)

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(HOSTS:=.d)

deps: ## install what building needs (Debian; asks for nothing when it is there)
	@scripts/deps.sh build

test: ## install what is missing, build, lint and run every test
	@scripts/deps.sh test
	@+STRIDE=23 scripts/test.sh build lint unit spec sim sweep collector install

spec: ## the specs in Lua and in C alone; SPEC=name for one file, FAIL_FAST=1 to stop early
	@+scripts/test.sh build unit spec

lint: ## prove the layering, the exports, formats and static checks
	@+scripts/test.sh build lint

format: ## put the C sources into the house format
	@find csrc spec bench -name '*.[ch]' | xargs clang-format -i

test-asan: ## the specs under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/deps.sh test
	@$(MAKE) --no-print-directory FLAVOUR=asan spec

# Specs in which the watchdog and the loop's thread meet in every way; what is about exact times, or
# needs a process of its own, means nothing under ThreadSanitizer.
THREADED = kill_spec runtime_spec host_loop_spec

test-tsan: ## the specs of threads and signals under ThreadSanitizer
	@scripts/deps.sh test
	@+for spec in $(or $(SPEC),$(THREADED)); do \
	    $(MAKE) --no-print-directory FLAVOUR=tsan SPEC=$$spec spec || exit 1; done

# Where memory runs out, a hook is to need none: but a collection takes from a thread the room for the next call.
COLLECTED = $(filter-out memory_spec,$(basename $(notdir $(wildcard spec/*_spec.lua))))

test-gc: ## the specs with garbage collected whenever Lua has been called; SPEC=name for one file
	@scripts/deps.sh test
	@+for spec in $(or $(SPEC),$(COLLECTED)); do \
	    $(MAKE) --no-print-directory FLAVOUR=gc SPEC=$$spec spec || exit 1; done

test-generational: ## the specs under Lua's generational collector
	@scripts/deps.sh test
	@SUTURA_GC=generational $(MAKE) --no-print-directory spec

test-valgrind: ## the specs under valgrind
	@scripts/deps.sh test valgrind
	@+WRAP=valgrind scripts/test.sh build unit spec

# Every commit has its own seeds, and they are printed: what is found can be played again.
SEEDS ?= 100000
BASE  ?= $(shell printf '0x%s' "$$(git rev-parse --short=8 HEAD 2>/dev/null || echo 1)")

sim: all ## play random stories against the reference model; SEEDS=n, BASE=n
	@$(LUA) scripts/sim.lua $(SEEDS) $(BASE) $(shell nproc)

test-oom: ## let every request for memory fail in turn: one, two in a row, and all from there on
	@scripts/deps.sh test
	@+LIMIT=$${LIMIT:-3600} scripts/test.sh sweep

test-faults: ## let system calls fail in turn (by strace), and descriptors and the log run out
	@scripts/deps.sh test faults
	@+scripts/test.sh build faults

cover: ## say which branches of C and which lines of Lua the tests reach (gcovr)
	@scripts/deps.sh test cover
	@rm -rf $(BUILD)/cover
	@+FLAVOUR=cover OUT=$(BUILD)/cover LUA_CPATH="$(CURDIR)/$(BUILD)/cover/?.so;;" scripts/test.sh build unit spec cover

SECONDS ?= 60
TARGET  ?= core options event tree

fuzz: ## fuzz the core, options, events and tree files, two at a time (clang); SECONDS=n each, TARGET=name, SEED=n
	@scripts/deps.sh test fuzz
	@$(MAKE) --no-print-directory CC=clang-14 FLAVOUR=fuzz $(BUILD)/fuzz/fuzz/core $(BUILD)/fuzz/fuzz/lua
	@+BUILD=$(BUILD) scripts/fuzz.sh $(SECONDS) $(TARGET)

MINUTES ?= 30

soak: all ## let everything fail for a while, and look at memory, lateness and events; MINUTES=n
	@$(LUA) scripts/soak.lua $(MINUTES)

mutate: all ## break the code in many ways, and see the specs notice; ONLY=name for one, ONLY=csrc/core for those of a part
	@+$(LUA) scripts/mutate.lua $(ONLY)

demo: ## install what is missing, build, and watch a tree crash and heal
	@scripts/deps.sh demo
	@$(MAKE) --no-print-directory -s all
	@$(LUA) bin/sutura run examples/demo.lua

bench: all ## print what it costs
	@$(LUA) bench/run.lua
	@$(LUA) bench/preemption.lua

bench-peers: all $(RACERS) $(OUT)/peers/suture $(OUT)/peers/otp.beam ## race it against what one would take instead; WORK=name, PEERS="floor lua", ROUNDS=n
	@$(LUA) bench/peers.lua "$(WORK)" "$(PEERS)" "$(ROUNDS)"

doc: all ## write docs/reference.md and docs/state.md
	@$(LUA) scripts/reference.lua

install: all ## install below DESTDIR and PREFIX
	install -d $(DESTDIR)$(LUADIR)/sutura $(DESTDIR)$(LIBDIR)/sutura $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)
	install -m 644 lua/sutura/*.lua $(DESTDIR)$(LUADIR)/sutura
	install -m 755 $(MODULE) $(DESTDIR)$(LIBDIR)/sutura
	install -m 755 bin/sutura $(DESTDIR)$(BINDIR)
	install -m 644 docs/sutura.1 $(DESTDIR)$(MANDIR)

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 20
