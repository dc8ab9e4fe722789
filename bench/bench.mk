# The bench's part of the build: its tests see bench/, and `make bench-quick` measures.
BENCH_LIB_O := $(filter-out $(OUT)/bench/main.o,$(BENCH_O))
BENCH_TESTS := verify provider
$(BENCH_TESTS:%=$(OUT)/unit/test_%): $(OUT)/unit/test_%: $(OUT)/tests/unit/test_%.o \
        $(OUT)/tests/unit/check_cmocka.o $(BENCH_LIB_O) $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(filter-out -ljemalloc,$(LDFLAGS)) -lcmocka $(LIBS)
$(BENCH_TESTS:%=$(OUT)/tests/unit/test_%.o): CPPFLAGS += -I.

# Fails where the median is above 1 us.
.PHONY: bench-rules
bench-rules: build/carillon-bench
	@build/carillon-bench rules --most-ns 1000

.PHONY: bench-quick
bench-quick: build/carillon build/carillon-bench
	@bench/quick.sh

# 11,000,000 records, about 8 GB; SCALE=tenth or tiny for less.
.PHONY: bench-deferral
bench-deferral: build/carillon build/carillon-bench
	@bench/deferral.sh --scale $(or $(SCALE),full)
