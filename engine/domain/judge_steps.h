/* What the files of the judge share: judge.c walks two tables of steps, and each step is
 * one sentence of the rules. A step reads, says whether it refuses and why, and changes
 * nothing else. For judge*.c, gates.c, channels.c and once.c only. */
#pragma once

#include "domain/judge.h"

/* What the legs of an event share, once the first was asked. */
struct judge_times {
    bool known;
    int64_t not_before_ms, effective_due_ms;
};

struct judging {
    const struct judge *rules;
    struct judge_case *c;
    const struct kind_row *kind;
    const Carillon__V1__Event *event;
    const Carillon__V1__Recipient *to; /* never NULL */
    const struct tenant *tenant;
    const struct judge_state *state; /* empty where the scope has none */
    struct judge_times *times;
    int64_t start_margin_ms; /* 0 in `explain` */
};

struct refusal {
    enum decision decision;
    enum reason reason;
    const char *detail;
};

/* They return true, so that a step can end with `return suppressed(why, ...)`; or whether
 * it is so. */
bool refuse(struct refusal *why, enum decision decision, enum reason reason);
bool suppressed(struct refusal *why, enum reason reason);
bool malformed(struct refusal *why, const char *path);
bool refuse_if(bool so, struct refusal *why, enum decision decision, enum reason reason);
bool suppressed_if(bool so, struct refusal *why, enum reason reason);
/* The path `format` of G1, in the case's arena; "" where that is full. */
const char *judge_path(const struct judging *j, const char *format, ...) PRINTF_LIKE(2, 3);

/* Steps for the event as a whole. */
bool g1_complete(const struct judging *j, struct refusal *why);
bool g2_too_late(const struct judging *j, struct refusal *why);
bool g3_booked_after_due(const struct judging *j, struct refusal *why);
bool g4_booking_changed(const struct judging *j, struct refusal *why);
bool g5_customer_blocked(const struct judging *j, struct refusal *why);
bool g6_unverified(const struct judging *j, struct refusal *why);
bool g7_not_permitted(const struct judging *j, struct refusal *why);
bool g8_customer_blocked(const struct judging *j, struct refusal *why);
bool g9_no_reply_wanted(const struct judging *j, struct refusal *why);
bool g10_alert_unwanted(const struct judging *j, struct refusal *why);
bool g11_switched_off(const struct judging *j, struct refusal *why);
bool g12_too_many(const struct judging *j, struct refusal *why);
bool c2_preference(const struct judging *j, struct refusal *why);

/* Steps for one leg. */
bool c4_missing(const struct judging *j, struct leg *leg, struct refusal *why);
bool c10_invalid(const struct judging *j, struct leg *leg, struct refusal *why);
bool c4_landline(const struct judging *j, struct leg *leg, struct refusal *why);
bool g5_address_blocked(const struct judging *j, struct leg *leg, struct refusal *why);
bool g8_address_blocked(const struct judging *j, struct leg *leg, struct refusal *why);
bool c6_unsubscribed(const struct judging *j, struct leg *leg, struct refusal *why);
bool c7_consent(const struct judging *j, struct leg *leg, struct refusal *why);
bool c8_marketing_consent(const struct judging *j, struct leg *leg, struct refusal *why);
bool g12_media(const struct judging *j, struct leg *leg, struct refusal *why);
bool g1_text(const struct judging *j, struct leg *leg, struct refusal *why);
bool t4_too_long(const struct judging *j, struct leg *leg, struct refusal *why);
bool q3_quiet_past_expiry(const struct judging *j, struct leg *leg, struct refusal *why);
bool o3_other_service(const struct judging *j, struct leg *leg, struct refusal *why);

/* Not refusals: what the legs are, and when. */
void channels_fan_out(const struct judging *j, bool state_known);
/* C3 with the state at hand: keeps one of the candidates. */
void channels_pick(const struct judging *j);
/* Q1, Q5 into the case. */
void when_find_zones(const struct judging *j);
/* The earliest permitted instant from `from_ms` on, HOURS_NEVER where it is not before
 * expiry. */
int64_t when_open_ms(const struct judging *j, Carillon__V1__Channel channel, struct bytes address,
                     int64_t from_ms);
/* effective_due_ms, not_before_ms and what goes with them. */
void when_leg(const struct judging *j, struct leg *leg);
