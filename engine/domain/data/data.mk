# The tables of this folder become C initialisers: X.csv through X.awk to build/gen/data/X.inc.
DATA_INC := $(patsubst engine/domain/data/%.csv,$(GEN)/data/%.inc,$(wildcard engine/domain/data/*.csv))

$(GEN)/data/%.inc: engine/domain/data/%.csv engine/domain/data/%.awk
	@mkdir -p $(@D)
	@awk -f engine/domain/data/$*.awk $< >$@.new && mv $@.new $@
$(OUT)/engine/domain/countries.o $(OUT)/engine/domain/legal.o: | $(DATA_INC)

# The Redis functions become the bytes of an array.
$(GEN)/data/functions.inc: engine/domain/data/functions.lua
	@mkdir -p $(@D)
	@od -An -v -tu1 $< | sed 's/\([0-9][0-9]*\)/\1,/g' >$@.new && mv $@.new $@
$(OUT)/engine/domain/redis_functions.o: | $(GEN)/data/functions.inc

$(OUT)/zones/%: $(OUT)/tests/zones/%.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)
