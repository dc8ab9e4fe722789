/* Any event under any settings is judged: at least one leg, each with a decision that its
 * gate or its times explain, in every scope, and twice the same. */
#include "domain/event.h"
#include "domain/judge.h"
#include "domain/texts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1795521600000)

static void check_case(const struct judge_case *c)
{
    if (c->leg_count == 0 || c->leg_count > LEGS_MAX)
        abort();
    for (uint32_t i = 0; i < c->leg_count; i++) {
        const struct leg *leg = &c->legs[i];
        bool goes = leg->decision == DECISION_SEND || leg->decision == DECISION_DEFER;
        if (goes != (leg->refused_by == JUDGE_GATE_NONE))
            abort();
        if (goes && (leg->not_before_ms < c->due_ms || leg->not_before_ms >= c->expires_ms ||
                     (leg->decision == DECISION_SEND) != (leg->not_before_ms <= c->now_ms)))
            abort();
        if (!goes && !judge_gate_concerns(leg->refused_by, c->kind))
            abort();
    }
}

/* The settings come first, in protobuf; then the event, in JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zones *zones;
    static struct default_texts *texts;
    if (!zones) {
        zones = zones_open();
        texts = texts_open();
    }
    if (size < 1)
        return 0;
    struct judge rules = {
        .zones = zones, .texts = texts, .platform_zone = "UTC", .dedup_window_ms = 1000};
    size_t settings = data[0] < size ? data[0] : 0;
    struct bytes document = {(const char *)data + 1 + settings, size - 1 - settings};
    struct tenant *tenant = NULL;
    if (size - 1 < settings ||
        tenant_decode((struct bytes){(const char *)data + 1, settings}, &tenant) != ERR_OK)
        tenant = NULL;
    struct arena arena =
        arena_of(malloc(EVENT_ARENA_BYTES(size) + 65536), EVENT_ARENA_BYTES(size) + 65536);
    Carillon__V1__Event *event = NULL;
    struct event_error error = {0};
    enum err err = event_decode_json(document, &arena, NULL, &event, &error);
    struct judge_case c = {.event = event,
                           .undecoded = err == ERR_OK ? NULL : error.what.path,
                           .tenant = tenant ? tenant : &tenant_none,
                           .record_ms = NOW_MS,
                           .now_ms = NOW_MS,
                           .arena = &arena};
    judge(&rules, JUDGE_ALL, &c);
    check_case(&c);
    judge(&rules, JUDGE_PLAN, &c);
    check_case(&c);
    if (!c.refused) {
        judge(&rules, JUDGE_STATE, &c);
        check_case(&c);
    }
    if (tenant)
        tenant_release(tenant);
    free(arena.at);
    return 0;
}
