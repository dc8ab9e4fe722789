#include "domain/judge.h"

#include "domain/hours.h"
#include "domain/judge_steps.h"

/* When a step is asked. JUDGE_ALL asks every step, in the tables' order. */
enum { AT_PLAN = 1u << 0, AT_STATE = 1u << 1 };

static const struct {
    enum judge_gate gate;
    uint32_t when;
    bool (*refuses)(const struct judging *j, struct refusal *why);
} event_steps[] = {
    {JUDGE_G1, AT_PLAN, g1_complete},          {JUDGE_G2, AT_PLAN | AT_STATE, g2_too_late},
    {JUDGE_G3, AT_PLAN, g3_booked_after_due},  {JUDGE_G4, AT_STATE, g4_booking_changed},
    {JUDGE_G5, AT_STATE, g5_customer_blocked}, {JUDGE_G6, AT_PLAN, g6_unverified},
    {JUDGE_G7, AT_PLAN, g7_not_permitted},     {JUDGE_G8, AT_STATE, g8_customer_blocked},
    {JUDGE_G9, AT_STATE, g9_no_reply_wanted},  {JUDGE_G10, AT_PLAN, g10_alert_unwanted},
    {JUDGE_G11, AT_PLAN, g11_switched_off},    {JUDGE_G12, AT_PLAN, g12_too_many},
    {JUDGE_C2, AT_PLAN, c2_preference},
};

/* In the order inside a leg, which is not that of the reasons. C9 has its place after
 * C8, and O2 and O1 after O3: they ask what other events did, so others ask them. */
static const struct {
    enum judge_gate gate;
    uint32_t when;
    bool (*refuses)(const struct judging *j, struct leg *leg, struct refusal *why);
} leg_steps[] = {
    {JUDGE_C4, AT_PLAN, c4_missing},
    {JUDGE_C10, AT_PLAN, c10_invalid},
    {JUDGE_C4, AT_PLAN | AT_STATE, c4_landline},
    {JUDGE_G5, AT_STATE, g5_address_blocked},
    {JUDGE_G8, AT_STATE, g8_address_blocked},
    {JUDGE_C6, AT_STATE, c6_unsubscribed},
    {JUDGE_C7, AT_STATE, c7_consent},
    {JUDGE_C8, AT_STATE, c8_marketing_consent},
    {JUDGE_G12, AT_PLAN, g12_media},
    {JUDGE_G1, AT_PLAN, g1_text},
    {JUDGE_T4, AT_PLAN, t4_too_long},
    {JUDGE_Q3, AT_PLAN | AT_STATE, q3_quiet_past_expiry},
    {JUDGE_O3, AT_PLAN, o3_other_service},
};

static uint32_t asked_at(enum judge_scope scope)
{
    static const uint32_t asked[] = {
        [JUDGE_PLAN] = AT_PLAN,
        [JUDGE_STATE] = AT_STATE,
        [JUDGE_ALL] = AT_PLAN | AT_STATE,
    };
    return asked[scope];
}

void judge_refuse(struct leg *leg, enum judge_gate gate, enum decision decision, enum reason reason,
                  const char *detail)
{
    leg->refused_by = gate;
    leg->decision = decision;
    leg->reason = reason;
    leg->detail = detail;
}

/* As a whole: one entry without a channel. */
static void refuse_event(struct judge_case *c, enum judge_gate gate, const struct refusal *why)
{
    c->refused = true;
    c->leg_count = 1;
    c->legs[0] = (struct leg){.channel = CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED};
    judge_refuse(&c->legs[0], gate, why->decision, why->reason, why->detail);
}

/* At admission the legs are known: each that was still to go ends for this reason. */
static void refuse_legs(struct judge_case *c, enum judge_gate gate, const struct refusal *why)
{
    c->refused = true;
    for (uint32_t i = 0; i < c->leg_count; i++) {
        if (c->legs[i].refused_by != JUDGE_GATE_NONE)
            continue;
        judge_refuse(&c->legs[i], gate, why->decision, why->reason, why->detail);
        c->legs[i].by_state = true;
    }
}

/* Whether the leg goes now or later, as its times say. */
static void leg_goes(struct judge_case *c, struct leg *leg)
{
    bool later = leg->not_before_ms > c->now_ms;
    leg->refused_by = JUDGE_GATE_NONE;
    leg->by_state = false;
    leg->detail = NULL;
    leg->decision = later ? DECISION_DEFER : DECISION_SEND;
    leg->reason = !later ? REASON_NONE : leg->moved ? REASON_QUIET_HOURS : REASON_NOT_DUE;
}

static void judge_leg(const struct judging *j, enum judge_scope scope, struct leg *leg)
{
    uint32_t asked = asked_at(scope);
    when_leg(j, leg);
    for (size_t i = 0; i < countof(leg_steps); i++) {
        struct refusal why = {0};
        if (!(leg_steps[i].when & asked) || !leg_steps[i].refuses(j, leg, &why))
            continue;
        judge_refuse(leg, leg_steps[i].gate, why.decision, why.reason, why.detail);
        leg->by_state = scope == JUDGE_STATE;
        return;
    }
    leg_goes(j->c, leg);
}

/* Returns whether the event goes on to its legs. */
static bool judge_event(const struct judging *j, enum judge_scope scope)
{
    uint32_t asked = asked_at(scope);
    for (size_t i = 0; i < countof(event_steps); i++) {
        struct refusal why = {0};
        if ((event_steps[i].when & asked) && event_steps[i].refuses(j, &why)) {
            if (scope == JUDGE_STATE)
                refuse_legs(j->c, event_steps[i].gate, &why);
            else
                refuse_event(j->c, event_steps[i].gate, &why);
            return false;
        }
    }
    return true;
}

static void judge_anew(struct judging *j, enum judge_scope scope)
{
    struct judge_case *c = j->c;
    c->refused = c->pick_one = c->arena_full = false;
    c->leg_count = 0;
    c->due_ms = c->created_ms = c->expires_ms = 0;
    if (!judge_event(j, scope))
        return;
    when_find_zones(j);
    channels_fan_out(j, scope == JUDGE_ALL);
    for (uint32_t i = 0; i < c->leg_count; i++)
        judge_leg(j, scope, &c->legs[i]);
}

/* What PLAN refused stays refused; all else is asked with the state of this moment. */
static void judge_with_state(struct judging *j)
{
    struct judge_case *c = j->c;
    CHECK(c->leg_count > 0);
    bool refused_before = c->refused;
    c->refused = false;
    for (uint32_t i = 0; i < c->leg_count; i++) {
        refused_before = refused_before && !c->legs[i].by_state;
        if (c->legs[i].by_state)
            leg_goes(c, &c->legs[i]);
    }
    CHECK(!refused_before); /* JUDGE_PLAN's refusal is the end */
    if (!judge_event(j, JUDGE_STATE))
        return;
    if (c->pick_one)
        channels_pick(j);
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].refused_by == JUDGE_GATE_NONE)
            judge_leg(j, JUDGE_STATE, &c->legs[i]);
}

void judge(const struct judge *rules, enum judge_scope scope, struct judge_case *c)
{
    static const struct judge_state no_state;
    static const Carillon__V1__Event no_event = CARILLON__V1__EVENT__INIT;
    static const Carillon__V1__Recipient no_recipient = CARILLON__V1__RECIPIENT__INIT;
    CHECK(c->tenant);
    const Carillon__V1__Event *event = c->event ? c->event : &no_event;
    struct judge_times times = {.known = false};
    struct judging j = {
        .rules = rules,
        .times = &times,
        .c = c,
        .kind = kind_row_of(event->kind),
        .event = event,
        .to = event->recipient ? event->recipient : &no_recipient,
        .tenant = c->tenant,
        .state = scope == JUDGE_PLAN ? &no_state : &c->state,
        .start_margin_ms = scope == JUDGE_ALL ? 0 : rules->start_margin_ms,
    };
    c->kind = j.kind;
    if (scope == JUDGE_STATE)
        judge_with_state(&j);
    else
        judge_anew(&j, scope);
}
