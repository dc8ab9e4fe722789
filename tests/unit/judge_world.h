/* Judging from JSON: what most tests of the rules need. One world at a time. */
#pragma once

#include "domain/event.h"
#include "domain/hours.h"
#include "domain/judge.h"
#include "domain/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795521600000) /* 2026-11-24T12:00:00Z, a Tuesday */
#define HOUR_MS INT64_C(3600000)

struct world {
    struct judge rules;
    struct arena arena;
    struct arena documents;
    struct tenant *tenant;
    struct judge_case c;
};

static inline struct world world_open(void)
{
    struct world w = {
        .rules = {.zones = zones_open(),
                  .texts = texts_open(),
                  .platform_zone = "UTC",
                  .dedup_window_ms = 72 * HOUR_MS,
                  .sms_carries_media = true},
        .arena = arena_of(malloc(1 << 20), 1 << 20),
        .documents = arena_of(malloc(1 << 20), 1 << 20),
    };
    assert_non_null(w.rules.zones);
    w.c = (struct judge_case){.tenant = &tenant_none, .record_ms = NOW_MS, .now_ms = NOW_MS};
    return w;
}

static inline void world_close(struct world *w)
{
    if (w->tenant)
        tenant_release(w->tenant);
    zones_close(w->rules.zones);
    texts_close(w->rules.texts);
    free(w->arena.at);
    free(w->documents.at);
}

static inline ProtobufCMessage *
world_document(struct world *w, const ProtobufCMessageDescriptor *type, const char *json)
{
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    enum err err = pb_from_json(type, bytes_of(json), &w->documents, NULL, &message, &error);
    if (err != ERR_OK)
        fail_msg("%s: %s: %s", json, error.path, error.word);
    return message;
}

static inline const Carillon__V1__RecipientState *world_recipient(struct world *w, const char *json)
{
    return (const void *)world_document(w, &carillon__v1__recipient_state__descriptor, json);
}

static inline void world_tenant(struct world *w, const char *json)
{
    if (w->tenant)
        tenant_release(w->tenant);
    w->tenant = tenant_compile(
        (const Carillon__V1__Tenant *)world_document(w, &carillon__v1__tenant__descriptor, json));
    assert_non_null(w->tenant);
    w->c.tenant = w->tenant;
}

/* Decodes only. */
static inline void world_event(struct world *w, const char *json)
{
    struct event_error error = {0};
    Carillon__V1__Event *event = NULL;
    arena_reset(&w->arena);
    enum err err = event_decode_json(bytes_of(json), &w->arena, NULL, &event, &error);
    if (err != ERR_OK)
        fail_msg("%s: %s: %s", json, error.what.path, error.what.word);
    w->c.event = event;
    w->c.arena = &w->arena;
    w->c.undecoded = NULL;
}

static inline const struct leg *world_judge(struct world *w, enum judge_scope scope,
                                            const char *json)
{
    if (json)
        world_event(w, json);
    judge(&w->rules, scope, &w->c);
    assert_true(w->c.leg_count > 0);
    return w->c.legs;
}
