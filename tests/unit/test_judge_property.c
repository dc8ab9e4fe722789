/* What must hold of every decision, over seeded random events, settings and states. */
#include "judge_world.h"

#include "base/prng.h"
#include "base/time.h"
#include "domain/legal.h"

enum { ROUNDS = 20000, FIELDS_MAX = 32, TEXT_MAX = 4096 };

struct maker {
    uint64_t seed;
    int64_t anchor_ms;
    char fields[FIELDS_MAX][512];
    uint32_t count;
    char json[2][TEXT_MAX];
    char tenant[TEXT_MAX];
};

static uint32_t upto(struct maker *m, uint32_t bound)
{
    return (uint32_t)prng_upto(&m->seed, bound);
}

static const char *one_of(struct maker *m, const char *const *words, uint32_t count)
{
    return words[upto(m, count)];
}
#define ONE_OF(m, ...)                              \
    one_of((m), (const char *const[]){__VA_ARGS__}, \
           (uint32_t)countof(((const char *const[]){__VA_ARGS__})))

static void field(struct maker *m, uint32_t percent, const char *format, ...) PRINTF_LIKE(3, 4);
static void field(struct maker *m, uint32_t percent, const char *format, ...)
{
    if (upto(m, 100) >= percent)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(m->fields[m->count++], sizeof m->fields[0], format, args);
    va_end(args);
}

/* Times around a night, both changes of the clock, and Christmas. */
static const int64_t anchors[] = {
    NOW_MS, INT64_C(1774746000000), /* 2026-03-29T01:00Z */
    INT64_C(1792890000000),         /* 2026-10-25T01:00Z */
    INT64_C(1798156800000),         /* 2026-12-25T00:00Z */
};

static int64_t time_near(struct maker *m, int64_t from_h, int64_t until_h)
{
    int64_t ms = m->anchor_ms + (from_h + (int64_t)upto(m, (uint32_t)(until_h - from_h))) * HOUR_MS;
    return upto(m, 3) ? ms : ms + (int64_t)upto(m, 3600000);
}

static void time_text(struct maker *m, int64_t from_h, int64_t until_h, char out[32])
{
    struct writer w = writer_of(out, 31);
    time_write(&w, time_near(m, from_h, until_h));
    out[w.size] = '\0';
}

static void cut_made_at(char *booking)
{
    char *at = strstr(booking, ",\"made_at\"");
    if (at)
        strcpy(at, "}");
}

static void make_event(struct maker *m)
{
    char t[4][32];
    m->anchor_ms = anchors[upto(m, countof(anchors))];
    time_text(m, -12, 24, t[0]);
    time_text(m, 0, 72, t[1]);
    time_text(m, 6, 96, t[2]);
    time_text(m, -72, 24, t[3]);
    m->count = 0;
    field(m, 100, "\"event_id\":\"e\"");
    field(m, 100, "\"tenant_id\":\"t\"");
    field(m, 100, "\"kind\":\"%s\"",
          kind_row_of((Carillon__V1__Kind)(1 + upto(m, KIND_COUNT - 1)))->name);
    field(m, 70, "\"due_at\":\"%s\"", t[0]);
    field(m, 40, "\"expires_at\":\"%s\"", t[1]);
    field(m, 20, "\"resend\":true");
    field(m, 95, "\"recipient\":{%s%s\"preference\":\"%s\",\"line_type\":\"%s\"%s%s%s}",
          ONE_OF(m, "", "\"sms\":\"+33612345678\",", "\"sms\":\"+12125550100\",",
                 "\"sms\":\"+79161234567\",", "\"sms\":\"12\","),
          ONE_OF(m, "", "\"email\":\"Ann@Example.com\",", "\"email\":\"a@\","),
          ONE_OF(m, "both", "both", "both", "sms", "email", "none"),
          ONE_OF(m, "mobile", "mobile", "unknown", "landline"),
          ONE_OF(m, "", ",\"zone\":\"Europe/Paris\"", ",\"zone\":\"America/New_York\"",
                 ",\"zone\":\"Australia/Lord_Howe\"", ",\"zone\":\"Nowhere\""),
          ONE_OF(m, "", ",\"booking_zone\":\"Asia/Tokyo\""), ONE_OF(m, "", ",\"country\":\"BR\""));
    field(m, 90,
          "\"booking\":{\"booking_id\":\"b\",\"revision\":\"%u\",\"starts_at\":\"%s\"%s%s\"}",
          upto(m, 3), t[2], ",\"made_at\":\"", t[3]);
    if (upto(m, 2)) /* half of them do not say when they were made */
        cut_made_at(m->fields[m->count - 1]);
    field(m, 80, "\"author\":{\"role\":\"%s\"}", ONE_OF(m, "owner", "desk", "cleaner"));
    field(m, 15, "\"channel\":\"%s\"", ONE_OF(m, "sms", "email", "push"));
    field(m, 20, "\"in_reply_to\":\"feedback\"");
    field(m, 50, "\"content\":{%s}",
          ONE_OF(m, "\"text\":\"Hi\"", "\"html\":\"<p>\"", "\"subject\":\"a\\nb\",\"text\":\"x\""));
    field(m, 70, "\"variables\":{\"code\":\"1\"%s}",
          ONE_OF(m, "", "", "", "", ",\"u\":\"http://x\""));
    field(m, 20, "\"attachments\":[{\"url\":\"%s\"}]",
          ONE_OF(m, "https://x.fr/a", "https://x.fr/a", "ftp://x"));
    field(m, 60, "\"customer_id\":\"c\"");
    field(m, 30, "\"labels\":{\"sentiment\":\"negative\"}");
    field(m, 30, "\"location_zone\":\"%s\"", ONE_OF(m, "Europe/London", "Nope"));
    field(m, 20, "\"service_id\":\"s\"");
}

static void write_event(struct maker *m, char out[TEXT_MAX])
{
    struct writer w = writer_of(out, TEXT_MAX - 1);
    write_char(&w, '{');
    for (uint32_t i = 0; i < m->count; i++) {
        write_text(&w, i ? "," : "");
        write_text(&w, m->fields[i]);
    }
    write_char(&w, '}');
    assert_false(w.overflow);
    out[w.size] = '\0';
}

static void shuffle(struct maker *m)
{
    for (uint32_t i = m->count; i > 1; i--) {
        uint32_t k = upto(m, i);
        char keep[sizeof m->fields[0]];
        memcpy(keep, m->fields[k], sizeof keep);
        memcpy(m->fields[k], m->fields[i - 1], sizeof keep);
        memcpy(m->fields[i - 1], keep, sizeof keep);
    }
}

static void make_tenant(struct maker *m)
{
    snprintf(m->tenant, sizeof m->tenant, "{\"tenant_id\":\"t\",\"verified\":%s%s%s%s%s%s}",
             upto(m, 5) ? "true" : "false",
             ONE_OF(m, "", ",\"zone\":\"Europe/Paris\"", ",\"zone\":\"Bad\""),
             ONE_OF(m, "", ",\"zone_mode\":\"location\""),
             ONE_OF(m, "",
                    ",\"quiet_hours\":[{\"class\":\"reminder\",\"start\":\"01:30\",\"end\":\"02:"
                    "30\"},{\"class\":\"system\",\"start\":\"12:00\",\"end\":\"18:30\"},{\"class\":"
                    "\"conversation\"}]",
                    ",\"quiet_hours\":[{\"class\":\"reminder\",\"enabled\":false},{\"class\":"
                    "\"marketing\",\"start\":\"23:30\",\"end\":\"24:00\"}]"),
             ONE_OF(m, "",
                    ",\"kinds\":[{\"kind\":\"reminder\",\"sms\":false},{\"kind\":\"receipt\","
                    "\"email\":false,\"sms\":false}]"),
             ONE_OF(m, "",
                    ",\"owner_email\":\"boss@x.fr\",\"messaging_roles\":[\"desk\"],\"devices\":[{"
                    "\"token\":\"d\"}]"));
}

static const Carillon__V1__RecipientState *make_state(struct maker *m, struct world *w)
{
    char json[512];
    if (upto(m, 3) == 0)
        return NULL;
    snprintf(
        json, sizeof json,
        "{%s%s%s\"reply_allowed\":%s,\"marketing_consent\":\"%s\",\"consent_attested\":%s}",
        ONE_OF(m, "", "", "\"opted_out\":true,\"unsubscribed_classes\":[\"system\",\"reminder\"],"),
        ONE_OF(m, "", "", "\"blocked\":true,"),
        ONE_OF(m, "", "\"last_channel\":\"sms\",",
               "\"last_channel\":\"email\",\"updated_at\":\"2026-01-01T00:00:00Z\","),
        ONE_OF(m, "true", "false"), ONE_OF(m, "none", "first_yes", "confirmed", "confirmed"),
        ONE_OF(m, "true", "false"));
    return world_recipient(w, json);
}

static void make_states(struct maker *m, struct world *w)
{
    w->c.state = (struct judge_state){
        .sms = make_state(m, w),
        .email = make_state(m, w),
        .customer = make_state(m, w),
        .platform_customer = upto(m, 10) ? NULL : make_state(m, w),
    };
    char json[128];
    snprintf(json, sizeof json,
             "{\"booking_id\":\"b\",\"revision\":\"%u\",\"cancelled\":%s,\"confirmed\":%s}",
             upto(m, 2), upto(m, 4) ? "false" : "true", upto(m, 2) ? "false" : "true");
    if (upto(m, 2))
        w->c.state.booking =
            (const void *)world_document(w, &carillon__v1__booking_state__descriptor, json);
}

static bool goes(const struct leg *leg)
{
    return leg->decision == DECISION_SEND || leg->decision == DECISION_DEFER;
}

/* By the plain reading of the wall clock, without the code under test. */
static bool wall_is_closed(const struct world *w, const struct zone *zone, const struct leg *leg)
{
    const struct judge_case *c = &w->c;
    int64_t wall_ms = leg->not_before_ms + 1000 * (int64_t)zone_offset_s(zone, leg->not_before_ms);
    int64_t day = wall_ms / TIME_DAY_MS - (wall_ms % TIME_DAY_MS < 0);
    int64_t minute = (wall_ms - day * TIME_DAY_MS) / 60000;
    const struct tenant_windows *quiet = &c->tenant->quiet[c->kind->class];
    for (uint32_t i = 0; i < quiet->count; i++) {
        int64_t start = quiet->at[i].start_minute, end = quiet->at[i].end_minute;
        if (start < end ? minute >= start && minute < end : minute >= start || minute < end)
            return true;
    }
    const struct legal_hours *legal = c->kind->class == CARILLON__V1__CLASS__CLASS_MARKETING
                                          ? legal_find(leg->address, leg->channel)
                                          : NULL;
    if (!legal)
        return false;
    struct legal_day open = legal_day_of(legal, day);
    return minute < open.open_minute || minute >= open.close_minute;
}

static void assert_leg_is_timely(const struct world *w, const struct leg *leg)
{
    const struct judge_case *c = &w->c;
    assert_true(leg->not_before_ms >= c->due_ms);
    assert_true(leg->not_before_ms >= c->now_ms);
    assert_true(leg->not_before_ms < c->expires_ms);
    assert_true(leg->effective_due_ms >= c->due_ms);
    assert_true(leg->effective_due_ms <= leg->not_before_ms);
    assert_int_equal(leg->decision == DECISION_SEND, leg->not_before_ms <= c->now_ms);
    assert_true(leg->zone.size > 0 && leg->zone_source);
    if (c->zone_alone)
        assert_false(wall_is_closed(w, c->zone_alone, leg));
    for (uint32_t i = 0; !c->zone_alone && i < c->guessed_zones.count; i++)
        assert_false(wall_is_closed(w, c->guessed_zones.at[i], leg));
}

static void assert_same_leg(const struct leg *a, const struct leg *b)
{
    assert_int_equal(a->channel, b->channel);
    assert_true(bytes_equal(a->address, b->address));
    assert_int_equal(a->decision, b->decision);
    assert_int_equal(a->reason, b->reason);
    assert_string_equal(a->detail ? a->detail : "", b->detail ? b->detail : "");
    assert_int_equal(a->refused_by, b->refused_by);
    assert_int_equal(a->not_before_ms, b->not_before_ms);
    assert_true(bytes_equal(a->zone, b->zone));
    assert_int_equal(a->segments, b->segments);
    assert_int_equal(a->text.size, b->text.size);
}

static void make_case(struct maker *m, struct world *w, uint64_t seed)
{
    m->seed = seed;
    arena_reset(&w->documents);
    make_event(m);
    write_event(m, m->json[0]);
    shuffle(m);
    write_event(m, m->json[1]);
    make_tenant(m);
    world_tenant(w, m->tenant);
    make_states(m, w);
    w->c.now_ms = time_near(m, -6, 18);
    w->c.record_ms = w->c.now_ms;
}

static void no_leg_goes_at_a_wrong_time(void **state)
{
    (void)state;
    struct world w = world_open();
    static struct maker m;
    uint32_t went = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        make_case(&m, &w, seed);
        world_judge(&w, JUDGE_ALL, m.json[0]);
        for (uint32_t i = 0; i < w.c.leg_count; i++)
            if (goes(&w.c.legs[i])) {
                went++;
                assert_leg_is_timely(&w, &w.c.legs[i]);
            } else {
                assert_true(w.c.legs[i].refused_by < JUDGE_GATE_COUNT);
                assert_true(judge_gate_concerns(w.c.legs[i].refused_by, w.c.kind));
            }
        assert_true(!w.c.refused || (w.c.leg_count == 1 && !w.c.legs[0].channel));
    }
    assert_true(went > ROUNDS / 10); /* else this test says nothing */
    world_close(&w);
}

static void the_order_of_fields_does_not_matter(void **state)
{
    (void)state;
    struct world w = world_open(), other = world_open();
    static struct maker m;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        make_case(&m, &w, seed);
        other.c = w.c;
        world_judge(&w, JUDGE_ALL, m.json[0]);
        world_judge(&other, JUDGE_ALL, m.json[1]);
        assert_int_equal(w.c.leg_count, other.c.leg_count);
        for (uint32_t i = 0; i < w.c.leg_count; i++)
            assert_same_leg(&w.c.legs[i], &other.c.legs[i]);
    }
    world_close(&w);
    world_close(&other);
}

static const struct leg *leg_to(const struct judge_case *c, const struct leg *leg)
{
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].channel == leg->channel && bytes_equal(c->legs[i].address, leg->address))
            return &c->legs[i];
    return NULL;
}

/* The worker may name another of several true reasons, but it never lets another leg go. */
static void the_worker_lets_the_same_legs_go_as_explain(void **state)
{
    (void)state;
    struct world w = world_open(), worker = world_open();
    static struct maker m;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        make_case(&m, &w, seed);
        worker.c = w.c;
        world_judge(&w, JUDGE_ALL, m.json[0]);
        world_judge(&worker, JUDGE_PLAN, m.json[0]);
        if (!worker.c.refused)
            world_judge(&worker, JUDGE_STATE, NULL);
        uint32_t went = 0, went_there = 0;
        for (uint32_t i = 0; i < w.c.leg_count; i++) {
            const struct leg *leg = &w.c.legs[i];
            const struct leg *there = leg_to(&worker.c, leg);
            went += goes(leg);
            if (goes(leg)) {
                assert_non_null(there);
                assert_same_leg(leg, there);
            }
        }
        for (uint32_t i = 0; i < worker.c.leg_count; i++)
            went_there += goes(&worker.c.legs[i]);
        assert_int_equal(went, went_there);
    }
    world_close(&w);
    world_close(&worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_leg_goes_at_a_wrong_time),
        cmocka_unit_test(the_order_of_fields_does_not_matter),
        cmocka_unit_test(the_worker_lets_the_same_legs_go_as_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
