# carillon: `make` builds, `make demo` shows, `make test` proves. The rest is in README.md.

BUILD ?= release
V ?= 0
ifeq ($(V),0)
Q = @echo "  $(1) $@";
else
Q =
endif
ifeq ($(origin CC),default)
CC := gcc
endif
OUT := build/$(BUILD)
GEN := build/gen
LLHTTP_DIR ?= /usr/share/llhttp

PKGS := liburing rdkafka hiredis openssl libnghttp2 libcurl jemalloc libprotobuf-c yaml-0.1 libcyaml \
        libcares glib-2.0 libmicrohttpd
PKG_CFLAGS := $(shell pkg-config --cflags $(filter-out jemalloc,$(PKGS)) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(filter-out jemalloc,$(PKGS)) 2>/dev/null) -lm -lpthread

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wswitch-enum -Wundef -Wvla -Wwrite-strings -Wno-gnu-statement-expression -Werror
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -ftrivial-auto-var-init=zero
CFLAGS_release := -O2 -g $(HARDEN)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now -ljemalloc
CFLAGS_clang := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_clang := $(LDFLAGS_release)
CFLAGS_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DDEBUG_CHECKS
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -g -fsanitize=thread -DDEBUG_CHECKS
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_coverage := -O0 -g --coverage -DDEBUG_CHECKS
LDFLAGS_coverage := --coverage
CFLAGS_fuzz := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all \
               -fno-omit-frame-pointer -DDEBUG_CHECKS
LDFLAGS_fuzz := -fsanitize=address,undefined

CPPFLAGS := -D_GNU_SOURCE -Iengine -I$(GEN) -I/usr/share/include/llhttp $(PKG_CFLAGS)
CFLAGS := -std=c17 $(WARN) $(CFLAGS_$(BUILD)) $(EXTRA_CFLAGS)
LDFLAGS := $(LDFLAGS_$(BUILD))
LIBS := $(PKG_LIBS)

PROTOS := $(wildcard proto/carillon/v1/*.proto)
PB_C := $(patsubst proto/%.proto,$(GEN)/%.pb-c.c,$(PROTOS)) $(GEN)/google/protobuf/timestamp.pb-c.c
PB_H := $(PB_C:.c=.h)
PB_O := $(patsubst $(GEN)/%.c,$(OUT)/gen/%.o,$(PB_C))
LLHTTP_O := $(patsubst %,$(OUT)/llhttp/%.o,api http llhttp)

ENGINE_C := $(filter-out engine/main.c,$(wildcard engine/*.c engine/*/*.c))
ENGINE_O := $(patsubst %.c,$(OUT)/%.o,$(ENGINE_C))
BENCH_C := $(wildcard bench/*.c)
BENCH_O := $(patsubst %.c,$(OUT)/%.o,$(BENCH_C))
LIB := $(OUT)/libcarillon.a

# build/carillon is always the release; the others stay in their folder.
.PHONY: all clean
ifeq ($(BUILD),release)
all: build/carillon build/carillon-bench
build/carillon: $(OUT)/carillon
	@ln -f $< $@
build/carillon-bench: $(OUT)/carillon-bench
	@ln -f $< $@
else
all: $(OUT)/carillon $(OUT)/carillon-bench
endif
clean:
	rm -rf build
$(OUT)/carillon: $(OUT)/engine/main.o $(LIB)
	$(call Q,LD)$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)
$(OUT)/carillon-bench: $(BENCH_O) $(LIB)
	$(call Q,LD)$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)
$(LIB): $(ENGINE_O) $(PB_O) $(LLHTTP_O)
	@rm -f $@ && ar qcs $@ $^ # q: two members may share a name (http.o)

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: proto/%.proto
	@mkdir -p $(GEN)
	$(call Q,PB)protoc-c -Iproto -I/usr/include --c_out=$(GEN) $<
$(GEN)/google/protobuf/%.pb-c.c $(GEN)/google/protobuf/%.pb-c.h: /usr/include/google/protobuf/%.proto
	@mkdir -p $(GEN)
	$(call Q,PB)protoc-c -I/usr/include --c_out=$(GEN) $<
$(OUT)/gen/%.o: $(GEN)/%.c | $(PB_H)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) -std=c17 -O2 -g $(filter -fsanitize%,$(CFLAGS_$(BUILD))) -fPIE -I$(GEN) -c -o $@ $<
$(OUT)/llhttp/%.o: $(LLHTTP_DIR)/%.c
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) -O2 -g $(filter -fsanitize%,$(CFLAGS_$(BUILD))) -fPIE -I/usr/share/include/llhttp -c -o $@ $<
$(OUT)/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The commit, in the one file that tells it; written anew only when it is another.
COMMIT := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
$(OUT)/engine/main.o: CPPFLAGS += -DCARILLON_COMMIT='"$(COMMIT)"'
$(OUT)/engine/main.o: $(OUT)/commit
$(OUT)/commit: FORCE
	@mkdir -p $(@D); echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@
.PHONY: FORCE

# The main job on embedded defaults; nothing leaves this machine, nothing stays behind.
.PHONY: demo
demo:
	@deploy/deps.sh build
	@$(MAKE) -s -j$$(nproc) all
	@build/carillon demo

# Unit tests: one cmocka program a module; `make unit T=window` runs one. And the whole shard
# under clocks that step.
UNIT_C := $(wildcard tests/unit/test_$(or $(T),*).c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(OUT)/unit/%,$(UNIT_C)) $(if $(T),,$(OUT)/sim/clocks)
.PHONY: unit
unit: $(UNIT_BIN)
	@tests/run-unit.sh $(UNIT_BIN)
$(OUT)/unit/%: $(OUT)/tests/unit/%.o $(OUT)/tests/unit/check_cmocka.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(filter-out -ljemalloc,$(LDFLAGS)) -lcmocka -ljansson $(LIBS)
$(OUT)/tests/%.o: CPPFLAGS += -Itests
.SECONDARY:

# Everything that a commit must pass; the last line is `N passed, N failed`.
.PHONY: test
test:
	@deploy/deps.sh test
	@$(MAKE) -s -j$$(nproc) all
	@tests/all.sh

# Every scenario through a real Kafka, Redis and worker; two minutes.
.PHONY: scenarios-real
scenarios-real: all
	@python3 tests/real/scenarios.py

# 200,000 deferred over 24 slots of seconds, with everything killed meanwhile; five minutes.
.PHONY: deferral-full
deferral-full: all
	@python3 tests/real/deferral.py full

# Times that `make test` only tells, because a busy machine must not fail it; here they decide.
.PHONY: times
times: all
	@python3 tests/real/dead_route.py short --times-decide
	@python3 tests/real/release.py --times-decide

# A route that is dead for ten minutes, in five ways one after the other; an hour and a half.
.PHONY: dead-route
dead-route: all
	@python3 tests/real/dead_route.py full

# libFuzzer targets: `make fuzz F=json FUZZ_S=60`, or all of them in turn.
FUZZ_S ?= 60
FUZZ_C := $(wildcard tests/fuzz/fuzz_$(or $(F),*).c)
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/fuzz/%,$(FUZZ_C))
.PHONY: fuzz
fuzz:
	@$(MAKE) -s BUILD=fuzz CC=clang $(FUZZ_BIN)
	@tests/run-fuzz.sh $(FUZZ_S) $(FUZZ_BIN)
$(OUT)/fuzz/%: $(OUT)/tests/fuzz/%.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(LDFLAGS) -fsanitize=fuzzer -ljansson $(LIBS)

# The same targets without libFuzzer, on their corpora and seeded changes of them.
REPLAY := $(patsubst tests/fuzz/fuzz_%.c,$(OUT)/replay/%,$(FUZZ_C))
.PHONY: replay
replay: $(REPLAY)
	@tests/run-replay.sh $^
$(OUT)/replay/%: $(OUT)/tests/fuzz/fuzz_%.o $(OUT)/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(filter-out -ljemalloc,$(LDFLAGS)) -ljansson $(LIBS)

# Parts of CI, each with a folder of its own under build/.
.PHONY: headers clang asan tsan coverage flavour
headers: $(PB_H)
	@tests/headers.sh $(CC) $(CPPFLAGS) $(CFLAGS)
clang:
	@$(MAKE) -s CC=clang BUILD=clang flavour && echo "1 passed, 0 failed"
flavour: $(OUT)/carillon $(OUT)/carillon-bench $(UNIT_BIN)
asan tsan:
	@UNIT_TIMEOUT=$(SANITIZED_S) $(MAKE) -s BUILD=$@ unit
SANITIZED_S := 240
coverage:
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	@UNIT_TIMEOUT=$(SANITIZED_S) $(MAKE) -s BUILD=coverage build/coverage/carillon unit || true
	@$(MAKE) -s BUILD=coverage replay || true
	@tests/scenarios/run.py --carillon build/coverage/carillon | tail -n 1
	@for t in explain_cli explain_model; do tests/$$t.py build/coverage/carillon | tail -n 1; done
	@tests/coverage.sh build/coverage
	@tests/coverage_branches.py build/coverage domain --least 95

.PHONY: format
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

-include tests/contract/contract.mk tests/sim/sim.mk bench/bench.mk tests/bugs.mk engine/domain/data/data.mk
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
