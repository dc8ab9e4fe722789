# Rules broken on purpose: the protocol's own test, built with one of these flags, has to
# fail. `make bugs` says which one goes unnoticed.
CLAIM_BUGS := repeat_on_reset lease_in_ttl settle_over_takeover left_out_channel tail_not_written
CLAIM_BUG_BIN := $(patsubst %,$(OUT)/bugs/claim_%,$(CLAIM_BUGS))

$(OUT)/bugs/claim_%: tests/unit/test_claim.c $(wildcard engine/domain/claim*.c engine/domain/claim*.h tests/unit/*.h) $(LIB)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) -Itests -std=c17 -O2 -DBUG_$* -o $@ $< $(wildcard engine/domain/claim*.c) $(LIB) -lcmocka $(LIBS)

RING_BUGS := late_ack_counts held_ack_counts trust_mark owed_is_over seen_begins_at_end passed_is_done \
             no_going_back end_asked_before finished_while_open finished_while_held finished_at_slot_end \
             fired_while_held hint_of_any_log jumped_is_done \
             stay_behind_the_jump
RING_BUG_BIN := $(patsubst %,$(OUT)/bugs/ring_%,$(RING_BUGS))
RING_BUG_C := engine/domain/ring.c engine/domain/ring_reader.c engine/domain/ring_hint.c

$(OUT)/bugs/ring_%: tests/unit/test_ring_reader.c $(RING_BUG_C) engine/domain/ring.h engine/domain/ring_reader.h engine/domain/ring_hint.h tests/unit/ring_model.h tests/unit/ring_explore.h $(LIB)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) -Itests -std=c17 -O2 -DBUG_$* -o $@ $< $(RING_BUG_C) $(LIB) -lcmocka $(LIBS)

# Those that only a whole worker shows: `carillon-bench verify` has to name the invariant.
$(OUT)/bugs/carillon_commit_before_ack: engine/stage/settle.c
$(OUT)/bugs/carillon_slot_overspend: engine/base/slots.c
$(OUT)/bugs/carillon_%: $(OUT)/engine/main.o $(LIB)
	@mkdir -p $(@D)
	$(call Q,CC)$(CC) $(CPPFLAGS) $(filter-out -Werror,$(CFLAGS)) -w -DBUG_$* -o $@ \
	    $(filter engine/%.c,$^) $(OUT)/engine/main.o $(LIB) $(LDFLAGS) $(LIBS)
REAL_BUG_BIN := $(OUT)/bugs/carillon_commit_before_ack $(OUT)/bugs/carillon_slot_overspend

.PHONY: bugs-real
bugs-real: all $(REAL_BUG_BIN)
	@python3 tests/real/bugs.py $(OUT)/bugs

.PHONY: bugs
bugs: $(CLAIM_BUG_BIN) $(RING_BUG_BIN)
	@failed=0; passed=0; for b in $(CLAIM_BUG_BIN) $(RING_BUG_BIN); do \
	    if timeout 120 $$b >$$b.log 2>&1; then echo "bugs: $$b goes unnoticed"; failed=$$((failed + 1)); \
	    else echo "$$(basename $$b): $$(grep -m1 -o 'violated: .*' $$b.log)"; passed=$$((passed + 1)); fi; done; \
	echo "$$passed passed, $$failed failed"; [ $$failed -eq 0 ]
