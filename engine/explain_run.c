/* Whether a reminder goes may hang on a cap, and the cap on whether additional reminders
 * before it went, which hang on the reminder. So the events are gone through in their
 * order, with the minutes that reminders took in the pass before, until a pass takes the
 * same ones; in all but contrived runs that is the second. */
#include "explain_run.h"

#include "domain/once.h"

#include <stdlib.h>

enum { PASSES_MAX = 8 };

static bool grow(void **memory, uint32_t *max, uint32_t count, size_t size)
{
    if (count < *max)
        return true;
    uint32_t larger = *max ? *max * 2 : 1024;
    void *moved = realloc(*memory, larger * size);
    if (!moved)
        return false;
    *memory = moved;
    *max = larger;
    return true;
}

static struct keyed_key key_of(const struct writer *name)
{
    struct bytes whole = writer_bytes(name);
    CHECK(!name->overflow);
    return keyed_key_of(&whole, 1);
}

static struct run_leg leg_of(const struct judge *rules, const struct judge_case *c,
                             const struct leg *leg)
{
    const Carillon__V1__Event *event = c->event;
    bool goes = leg->refused_by == JUDGE_GATE_NONE;
    int64_t at_ms = goes ? leg->not_before_ms : i64_max(c->due_ms, c->now_ms);
    const struct bytes once[] = {bytes_of(event->tenant_id), once_dedup_key(event),
                                 bytes_of(channel_name(leg->channel)), leg->address};
    struct run_leg to = {
        .not_before_ms = at_ms,
        .window_end_ms = once_window_end_ms(rules, at_ms, c->expires_ms),
        .part = (uint8_t)once_part_of(c),
        .goes = goes,
        .once = keyed_key_of(once, countof(once)),
    };
    char memory[ONCE_NAME_MAX];
    struct writer name = writer_of(memory, sizeof memory);
    if (to.goes && to.part != ONCE_NONE) {
        once_meeting_name(c, leg, &name);
        to.minute = key_of(&name);
        name.size = 0;
    }
    switch (leg->refused_by) {
    case JUDGE_GATE_NONE: /* and what comes after C9 inside a leg */
    case JUDGE_G12:
    case JUDGE_G1:
    case JUDGE_T4:
    case JUDGE_Q3:
    case JUDGE_O3:
        to.capped_first = judge_gate_concerns(JUDGE_C9, c->kind);
    }
    if (to.capped_first) { /* so its address is valid, and not too long to be written */
        once_cap_name(c, leg, &name);
        to.cap = key_of(&name);
    }
    return to;
}

bool run_add(struct run *run, const struct judge *rules, const struct judge_case *c)
{
    if (!grow((void **)&run->events, &run->event_max, run->event_count, sizeof *run->events))
        return false;
    run->events[run->event_count++] = (struct run_event){
        .tenant = c->tenant,
        .class = c->kind ? c->kind->class : CARILLON__V1__CLASS__CLASS_UNSPECIFIED,
        .first_leg = run->leg_count,
        .leg_count = c->refused ? 0 : c->leg_count,
        .has_customer = c->event && c->event->customer_id && *c->event->customer_id,
    };
    for (uint32_t i = 0; !c->refused && i < c->leg_count; i++) {
        if (!grow((void **)&run->legs, &run->leg_max, run->leg_count, sizeof *run->legs))
            return false;
        run->legs[run->leg_count++] = leg_of(rules, c, &c->legs[i]);
    }
    return true;
}

/* C9: how many others went in the window that ends with this leg. */
static bool is_capped(const struct run *run, const struct run_event *event,
                      const struct run_leg *leg)
{
    for (uint32_t i = 0; i < event->tenant->cap_count; i++) {
        const struct tenant_cap *cap = &event->tenant->caps[i];
        if (cap->class != event->class)
            continue;
        const uintptr_t *last = keyed_find(&run->counted, leg->cap);
        uint32_t went = 0;
        for (uintptr_t at = last ? *last : 0; at && went < cap->count;
             at = run->counts[at - 1].previous) {
            int64_t ms = run->counts[at - 1].at_ms;
            went += ms <= leg->not_before_ms && ms > leg->not_before_ms - cap->period_ms;
        }
        if (went >= cap->count)
            return true;
    }
    return false;
}

static bool count_event(struct run *run, struct keyed_key key, int64_t at_ms)
{
    if (!grow((void **)&run->counts, &run->count_max, run->count_count, sizeof *run->counts))
        return false;
    uintptr_t *last = keyed_put(&run->counted, key);
    if (!last)
        return false;
    run->counts[run->count_count] = (struct run_count){.previous = (uint32_t)*last, .at_ms = at_ms};
    *last = ++run->count_count;
    return true;
}

/* An event counts once where it has a customer, at its first leg's time; else each leg
 * counts for its own address. */
static bool count_legs(struct run *run, const struct run_event *event)
{
    const struct run_leg *first = NULL;
    bool relevant = false;
    for (uint32_t i = 0; i < event->tenant->cap_count; i++)
        relevant = relevant || event->tenant->caps[i].class == event->class;
    for (uint32_t i = 0; relevant && i < event->leg_count; i++) {
        const struct run_leg *leg = &run->legs[event->first_leg + i];
        if (!leg->goes || leg->refused)
            continue;
        if (!event->has_customer && !count_event(run, leg->cap, leg->not_before_ms))
            return false;
        if (!first || leg->not_before_ms < first->not_before_ms)
            first = leg;
    }
    return !first || !event->has_customer || count_event(run, first->cap, first->not_before_ms);
}

/* O1: two legs meet when the later one starts before the window of the earlier ends. */
static bool meets(const struct run_leg *a, const struct run_leg *b)
{
    const struct run_leg *earlier = a->not_before_ms <= b->not_before_ms ? a : b;
    const struct run_leg *later = earlier == a ? b : a;
    return later->not_before_ms < earlier->window_end_ms;
}

static bool is_repetition(const struct run *run, const struct run_leg *leg)
{
    const uintptr_t *last = keyed_find(&run->holders, leg->once);
    for (uintptr_t at = last ? *last : 0; at; at = run->legs[at - 1].previous)
        if (meets(leg, &run->legs[at - 1]))
            return true;
    return false;
}

static uint8_t refusal_of(const struct run *run, const struct run_event *event,
                          const struct run_leg *leg)
{
    if (leg->capped_first && is_capped(run, event, leg))
        return JUDGE_C9 + 1;
    if (!leg->goes)
        return 0;
    if (leg->part == ONCE_YIELDS && keyed_find(&run->kept, leg->minute))
        return JUDGE_O2 + 1;
    return is_repetition(run, leg) ? JUDGE_O1 + 1 : 0;
}

static bool hold(struct run *run, uint32_t index)
{
    struct run_leg *leg = &run->legs[index];
    uintptr_t *last = keyed_put(&run->holders, leg->once);
    if (!last)
        return false;
    leg->previous = (uint32_t)*last;
    *last = index + 1;
    return leg->part != ONCE_KEEPS || keyed_put(&run->keeps, leg->minute);
}

static bool pass(struct run *run)
{
    keyed_clear(&run->holders);
    keyed_clear(&run->counted);
    keyed_clear(&run->keeps);
    run->count_count = 0;
    for (uint32_t i = 0; i < run->event_count; i++) {
        const struct run_event *event = &run->events[i];
        for (uint32_t k = event->first_leg; k < event->first_leg + event->leg_count; k++) {
            struct run_leg *leg = &run->legs[k];
            leg->refused = refusal_of(run, event, leg);
            if (leg->goes && !leg->refused && !hold(run, k))
                return false;
        }
        if (!count_legs(run, event))
            return false;
    }
    return true;
}

static bool is_same(const struct keyed *a, const struct keyed *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->max; i++)
        if ((a->rows[i].key.a || a->rows[i].key.b) && !keyed_find(b, a->rows[i].key))
            return false;
    return true;
}

bool run_settle(struct run *run)
{
    for (uint32_t i = 0; i < run->leg_count; i++) /* at first every reminder is taken to go */
        if (run->legs[i].goes && run->legs[i].part == ONCE_KEEPS &&
            !keyed_put(&run->kept, run->legs[i].minute))
            return false;
    for (uint32_t passes = 0; passes < PASSES_MAX; passes++) {
        if (!pass(run))
            return false;
        if (is_same(&run->keeps, &run->kept))
            return true;
        struct keyed kept = run->kept;
        run->kept = run->keeps;
        run->keeps = kept;
    }
    return true;
}

void run_apply(const struct run *run, uint32_t index, struct judge_case *c)
{
    const struct run_event *event = &run->events[index];
    for (uint32_t i = 0; i < event->leg_count; i++) {
        const struct run_leg *from = &run->legs[event->first_leg + i];
        struct leg *leg = &c->legs[i];
        if (from->refused == JUDGE_C9 + 1)
            judge_refuse(leg, JUDGE_C9, DECISION_SUPPRESSED, REASON_FREQUENCY_CAPPED, NULL);
        else if (from->refused == JUDGE_O2 + 1)
            judge_refuse(leg, JUDGE_O2, DECISION_SUPPRESSED, REASON_COLLAPSED, NULL);
        else if (from->refused == JUDGE_O1 + 1)
            judge_refuse(leg, JUDGE_O1, DECISION_DUPLICATE, REASON_DUPLICATE, NULL);
    }
}

void run_free(struct run *run)
{
    free(run->events);
    free(run->legs);
    free(run->counts);
    keyed_free(&run->holders);
    keyed_free(&run->counted);
    keyed_free(&run->kept);
    keyed_free(&run->keeps);
    *run = (struct run){0};
}
