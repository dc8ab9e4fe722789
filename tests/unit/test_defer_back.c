/* What comes back from deferral topics: decoded to the event that it was, judged for the legs
 * that its record names. */
#include "unit/stage_world.h"

#define ORIGIN "carillon.events/3/7"
#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS
#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL
#define NUMBER "+33612345678"
#define MAIL "ann@example.com"
#define BOTH "\"recipient\":{\"sms\":\"" NUMBER "\",\"email\":\"" MAIL "\"}"

struct hop {
    struct deferral is;
    struct record_header headers[DEFERRAL_HEADERS_MAX];
    char text[DEFERRAL_TEXT_MAX];
    uint32_t count;
};

static struct hop hop_of(enum reason reason)
{
    return (struct hop){.is = {.due_ms = NOW_MS,
                               .event_due_ms = NOW_MS,
                               .ring = {96, 1800000, 4},
                               .seq = 3,
                               .reason = reason,
                               .origin = {BYTES("carillon.events"), 3, 7},
                               .timestamp_ms = NOW_MS - 60000,
                               .kind = BYTES("booking_cancelled")}};
}

static void name(struct hop *hop, Carillon__V1__Channel channel, const char *address)
{
    deferral_name_leg(channel, bytes_of(address), &hop->is.legs[hop->is.leg_count++]);
}

static void encode(struct hop *hop)
{
    struct writer text = writer_of(hop->text, sizeof hop->text);
    assert_int_equal(deferral_encode(&hop->is, &text, hop->headers, &hop->count), ERR_OK);
}

/* Read from a ring partition that was assigned an hour ago, produced a second ago. */
static struct event *back(struct stage_world *w, struct hop *hop, const char *json)
{
    if (hop->count == 0)
        encode(hop);
    const struct record record = {.key = BYTES("e#3"),
                                  .value = bytes_of(json),
                                  .headers = hop->headers,
                                  .header_count = hop->count,
                                  .timestamp_ms = NOW_MS - 1000};
    struct event *event = stage_record(w, &record);
    event->origin = (struct claim_origin){BYTES("carillon.deferred.1"), 40, 1234};
    event->from_ring = true;
    event->assigned_ms = NOW_MS - 3600000;
    stage_decode(w, event);
    return event;
}

static void judge_back(struct stage_world *w, struct event *event, const struct tenant *tenant)
{
    assert_int_equal(w->decoded.count, 1);
    event->judged.tenant = tenant;
    judge_all(&w->judging, w->now, &w->decoded, &w->judged, &w->refused);
}

static void it_claims_as_at_the_source_and_takes_defaults_from_the_first_record(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct event *first = stage_event(&w, STAGE_EVENT("e", STAGE_SMS));
    list_pop(&w.decoded);
    struct hop hop = hop_of(REASON_NOT_DUE);
    struct event *event = back(&w, &hop, STAGE_EVENT("e", STAGE_SMS));
    assert_true(bytes_equal(event->own, first->own));
    assert_memory_equal(event->own.at + event->own.size - sizeof ORIGIN, "|" ORIGIN, sizeof ORIGIN);
    judge_back(&w, event, &tenant_none);
    assert_int_equal(w.jobs.record_ms[event - w.jobs.events], NOW_MS); /* it is late since then */
    assert_int_equal(event->judged.due_ms, NOW_MS - 60000);
    assert_int_equal(event->deferral->seq, 3);
    stage_close(&w);
}

/* What anybody writes into the events' topic is no deferral. */
static void its_headers_mean_nothing_elsewhere(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_NOT_DUE);
    encode(&hop);
    const struct record record = {.value = BYTES(STAGE_EVENT("e", STAGE_SMS)),
                                  .headers = hop.headers,
                                  .header_count = hop.count,
                                  .timestamp_ms = NOW_MS};
    struct event *event = stage_record(&w, &record);
    event->origin.offset = 99;
    stage_decode(&w, event);
    assert_null(event->deferral);
    assert_int_equal(event->origin.offset, 99);
    stage_close(&w);
}

static void what_is_no_deferral_of_ours_is_dead_and_says_which_header(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_NOT_DUE);
    encode(&hop);
    for (uint32_t i = 0; i < hop.count; i++)
        if (bytes_equal(hop.headers[i].name, BYTES("carillon-origin")))
            hop.headers[i].value = BYTES("nowhere");
    struct event *event = back(&w, &hop, STAGE_EVENT("e", STAGE_SMS));
    struct job *job = stage_job(event);
    assert_int_equal(w.done.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD);
    assert_int_equal(job->end.reason, REASON_MALFORMED);
    assert_string_equal(job->end.detail, "carillon-origin");
    assert_true(job->end.dead_letter);
    assert_false(job->end.letter_only);
    assert_int_equal(event->origin.offset, 1234);
    stage_close(&w);
}

/* Else Redis might lose a claim of an earlier owner, and nobody here would know. */
static void a_leg_that_had_been_due_is_remembered_from_its_hop_on(void **state)
{
    (void)state;
    static const struct {
        enum reason reason;
        uint32_t attempts;
        int64_t assigned_ms;
    } cases[] = {{REASON_NOT_DUE, 0, NOW_MS - 3600000},  {REASON_QUIET_HOURS, 0, NOW_MS - 3600000},
                 {REASON_BREAKER, 0, NOW_MS - 1000},     {REASON_RATE, 0, NOW_MS - 1000},
                 {REASON_SEND_WINDOW, 0, NOW_MS - 1000}, {REASON_QUIET_HOURS, 1, NOW_MS - 1000}};
    for (size_t i = 0; i < countof(cases); i++) {
        struct stage_world w;
        stage_open(&w, 8);
        struct hop hop = hop_of(cases[i].reason);
        hop.is.attempts = cases[i].attempts;
        struct event *event = back(&w, &hop, STAGE_EVENT("e", STAGE_SMS));
        assert_int_equal(event->assigned_ms, cases[i].assigned_ms);
        stage_close(&w);
    }
}

static void urgent_ones_stay_urgent(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_BREAKER);
    assert_false(back(&w, &hop, STAGE_EVENT("e", STAGE_SMS))->urgent);
    assert_true(back(&w, &hop,
                     "{\"event_id\":\"c\",\"tenant_id\":\"t\",\"kind\":\"one_time_code\","
                     "\"variables\":{\"code\":\"123\"}," STAGE_SMS "}")
                    ->urgent);
    stage_close(&w);
}

static void only_the_leg_that_is_named_comes_back(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_BREAKER);
    name(&hop, EMAIL, MAIL);
    struct event *event = back(&w, &hop, STAGE_EVENT("e", BOTH));
    judge_back(&w, event, &tenant_none);
    assert_int_equal(event->jobs_open, 1);
    assert_int_equal(w.judged.count, 1);
    struct job *job = stage_job(event);
    assert_int_equal(job->leg->channel, EMAIL);
    assert_true(bytes_equal(job->leg->address, BYTES(MAIL)));
    assert_true(event_names_legs(event)); /* so no claim of another channel is asked */
    assert_int_equal(job->retries, 3);    /* back-off goes on from there */
    stage_close(&w);
}

static struct tenant *without_email(Carillon__V1__Tenant *settings)
{
    static Carillon__V1__KindSwitch off, *kinds[] = {&off};
    carillon__v1__kind_switch__init(&off);
    off.has_kind = off.has_email = true;
    off.kind = CARILLON__V1__KIND__KIND_BOOKING_CANCELLED;
    carillon__v1__tenant__init(settings);
    settings->n_kinds = 1;
    settings->kinds = kinds;
    struct tenant *tenant = tenant_compile(settings);
    assert_non_null(tenant);
    return tenant;
}

static void a_named_leg_that_settings_no_longer_give_is_refused_with_its_address(void **state)
{
    (void)state;
    struct stage_world w;
    Carillon__V1__Tenant settings;
    stage_open(&w, 8);
    struct tenant *tenant = without_email(&settings);
    struct hop hop = hop_of(REASON_BREAKER);
    name(&hop, EMAIL, MAIL);
    struct event *event = back(&w, &hop, STAGE_EVENT("e", BOTH));
    judge_back(&w, event, tenant);
    struct job *job = stage_job(event);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(w.judged.count, 0);
    assert_int_equal(job->end.reason, REASON_KIND_DISABLED);
    assert_true(bytes_equal(job->leg->address, BYTES(MAIL)));
    tenant_release(tenant);
    stage_close(&w);
}

static void a_named_address_that_is_gone_is_refused(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_BREAKER);
    name(&hop, EMAIL, "other@example.com");
    struct event *event = back(&w, &hop, STAGE_EVENT("e", BOTH));
    judge_back(&w, event, &tenant_none);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(stage_job(event)->end.reason, REASON_CONTACT_MISSING);
    assert_int_equal(stage_job(event)->leg->channel, EMAIL);
    stage_close(&w);
}

static void an_event_that_is_over_is_told_by_the_named_leg(void **state)
{
    (void)state;
    struct stage_world w;
    stage_open(&w, 8);
    struct hop hop = hop_of(REASON_BREAKER);
    name(&hop, SMS, NUMBER);
    struct event *event =
        back(&w, &hop, STAGE_EVENT("e", "\"expires_at\":\"2026-11-24T12:00:00Z\"," BOTH));
    judge_back(&w, event, &tenant_none);
    struct job *job = stage_job(event);
    assert_int_equal(w.refused.count, 1);
    assert_int_equal(job->end.outcome, CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_EXPIRED);
    assert_int_equal(job->leg->channel, SMS);
    assert_true(bytes_equal(job->leg->address, BYTES(NUMBER)));
    stage_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_claims_as_at_the_source_and_takes_defaults_from_the_first_record),
        cmocka_unit_test(its_headers_mean_nothing_elsewhere),
        cmocka_unit_test(what_is_no_deferral_of_ours_is_dead_and_says_which_header),
        cmocka_unit_test(a_leg_that_had_been_due_is_remembered_from_its_hop_on),
        cmocka_unit_test(urgent_ones_stay_urgent),
        cmocka_unit_test(only_the_leg_that_is_named_comes_back),
        cmocka_unit_test(a_named_leg_that_settings_no_longer_give_is_refused_with_its_address),
        cmocka_unit_test(a_named_address_that_is_gone_is_refused),
        cmocka_unit_test(an_event_that_is_over_is_told_by_the_named_leg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
