/* The parts of the claim protocol, for claim*.c only: what would be written
 * (claim_next.c), what was found and how it ends (claim_found.c); goals and answers are
 * claim.c's. Each says what it does where it is defined. */
#pragma once

#include "domain/claim.h"

int64_t claim_lease_ms(const struct claim_world *world);
int64_t claim_start_by_ms(const struct claim_world *world, int64_t deadline_ms);
bool claim_startable(const struct claim_world *world, int64_t deadline_ms);
bool claim_in_force(const struct claim_world *world, const struct claim_value *v);
bool claim_key_honoured(const struct claim *claim, const struct claim_world *world,
                        int64_t first_ms);
uint32_t claim_risk_max(const struct claim *claim);
bool claim_maybe_lost(const struct claim *claim, const struct claim_world *world);
struct claim_value claim_value_of(const struct claim *claim, enum claim_kind kind,
                                  uint32_t attempts, uint32_t risk, int64_t time_ms,
                                  struct bytes text);
void claim_set_next(struct claim *claim, const struct claim_value *v);
/* What `next` says, as parsing it would tell. */
struct claim_value claim_next_value(const struct claim *claim);
void claim_set_seen(struct claim *claim, struct bytes text);
void claim_see_held(struct claim *claim);
int64_t claim_first_unknown_ms(const struct claim *claim);
struct bytes claim_ambiguous_reason(bool lost);
void claim_next_attempt(struct claim *claim, const struct claim_world *world, uint32_t attempts,
                        uint32_t risk, bool unknown, int64_t first_ms, bool lost);
void claim_next_end(struct claim *claim, const struct claim_world *world, enum claim_kind kind,
                    uint32_t attempts, uint32_t risk, struct bytes text);
void claim_next_ambiguous(struct claim *claim, const struct claim_world *world, bool lost);
void claim_next_given_back(struct claim *claim);
void claim_take(struct claim *claim, const struct claim_world *world);
void claim_swap_held(struct claim *claim, const struct claim_world *world);
void claim_ask(struct claim *claim, enum claim_step step);
void claim_next_settle(struct claim *claim, const struct claim_world *world);
void claim_settle_ambiguous(struct claim *claim, bool lost);

enum claim_state claim_over(struct claim *claim, const struct claim_value *v);
enum claim_state claim_over_next(struct claim *claim);
enum claim_state claim_over_corrupt(struct claim *claim, const struct claim_world *world);
enum claim_state claim_wait(struct claim *claim, const struct claim_world *world, bool foreign);
enum claim_state claim_adopt(struct claim *claim, const struct claim_world *world);
bool claim_hold(struct claim *claim, const struct claim_world *world, const struct claim_value *v);
enum claim_state claim_found(struct claim *claim, const struct claim_world *world,
                             struct bytes raw);
enum claim_state claim_found_nothing(struct claim *claim, const struct claim_world *world);
enum claim_state claim_found_foreign(struct claim *claim, const struct claim_world *world,
                                     const struct claim_value *v, struct bytes raw);
void claim_delete_seen(struct claim *claim);
