# The tables of this folder become C initialisers: X.csv through X.awk to build/gen/data/X.inc.
DATA_INC := $(patsubst engine/domain/data/%.csv,$(GEN)/data/%.inc,$(wildcard engine/domain/data/*.csv))

$(GEN)/data/%.inc: engine/domain/data/%.csv engine/domain/data/%.awk
	@mkdir -p $(@D)
	@awk -f engine/domain/data/$*.awk $< >$@.new && mv $@.new $@
$(OUT)/engine/domain/countries.o $(OUT)/engine/domain/legal.o: | $(DATA_INC)

$(OUT)/zones/%: $(OUT)/tests/zones/%.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,LD)$(CC) -o $@ $^ $(LDFLAGS) $(LIBS)
