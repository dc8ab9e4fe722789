# The same assertions on the fake and on the real thing: `make contract` starts a Kafka
# and a Redis of its own and stops them.
CONTRACT_C := $(wildcard tests/contract/contract_$(or $(T),*).c)
CONTRACT_BIN := $(patsubst tests/contract/%.c,$(OUT)/contract/%,$(CONTRACT_C))
.PHONY: contract contract-build
contract-build: $(CONTRACT_BIN)
contract: $(CONTRACT_BIN) all
	@tests/contract/run.sh $(CONTRACT_BIN)
$(OUT)/contract/%: $(OUT)/tests/contract/%.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(filter-out -ljemalloc,$(LDFLAGS)) -lcmocka $(LIBS)
