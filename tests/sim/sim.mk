# The whole shard over fakes of io/ and a clock that jumps. `make sim` plays a year.
SIM_O := $(patsubst %,$(OUT)/tests/sim/%.o,world kafka redis provider)
$(OUT)/sim/%: $(OUT)/tests/sim/%.o $(SIM_O) $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(filter-out -ljemalloc,$(LDFLAGS)) -lcmocka $(LIBS)

.PHONY: sim
sim: $(OUT)/sim/year
	@python3 tests/sim/year.py $<
