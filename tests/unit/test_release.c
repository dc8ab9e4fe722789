/* What a slot's release takes, and who misses it. */
#include "domain/release.h"

#include "base/prng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SMS_FR, SMS_US, EMAIL, ROUTES };
enum { TWILIO, SES, ACCOUNTS };

struct world {
    struct release_route routes[ROUTES];
    struct release_account accounts[ACCOUNTS];
    struct release_lane lanes[ROUTES + ACCOUNTS];
    struct release release;
};

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    CHECK(w);
    w->routes[SMS_FR] = (struct release_route){BYTES("sms_fr"), CARILLON__V1__CHANNEL__CHANNEL_SMS,
                                               TWILIO, 100 / 0.95};
    w->routes[SMS_US] =
        (struct release_route){BYTES("sms_us"), CARILLON__V1__CHANNEL__CHANNEL_SMS, TWILIO, 0};
    w->routes[EMAIL] =
        (struct release_route){BYTES("email"), CARILLON__V1__CHANNEL__CHANNEL_EMAIL, SES, 0};
    w->accounts[TWILIO] = (struct release_account){BYTES("twilio"), 200 / 0.95};
    w->accounts[SES] = (struct release_account){BYTES("ses"), 0};
    w->release = (struct release){.routes = w->routes,
                                  .accounts = w->accounts,
                                  .route_count = ROUTES,
                                  .account_count = ACCOUNTS,
                                  .lanes = w->lanes};
    return w;
}

static void add(struct world *w, const char *kind, const char *route, int64_t slack_ms,
                double count, double segments)
{
    release_add(&w->release, &(struct release_row){.kind = bytes_of(kind),
                                                   .route = bytes_of(route),
                                                   .bucket = slack_ms ? release_bucket(slack_ms)
                                                                      : RELEASE_BUCKET_UNKNOWN,
                                                   .count = count,
                                                   .segments = segments});
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6 * (1 + fabs(b));
}

static void a_bucket_holds_what_has_at_least_its_slack_and_less_than_the_next(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        int64_t slack_ms = (int64_t)(prng_next(&seed) >> (29 + prng_upto(&seed, 30)));
        uint32_t bucket = release_bucket(slack_ms);
        if (bucket == RELEASE_BUCKET_UNKNOWN)
            continue; /* longer than any event lives */
        assert_true(release_bucket_ms(bucket) <= slack_ms);
        assert_true(slack_ms < release_bucket_ms(bucket + 1));
        assert_true(slack_ms < 8000 || release_bucket_ms(bucket) * 5 >= slack_ms * 4 - 5000);
    }
    assert_int_equal(release_bucket(-5000), 0);
    assert_true(release_bucket(400 * TIME_DAY_MS) < RELEASE_BUCKET_UNKNOWN);
}

static void a_field_is_read_as_it_was_written_and_nothing_else_is(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "n",         "n|reminder|sms", "x|reminder|sms|3",
                                      "n|a|b|",   "n|a|b|104", "n|a|b|-1",       "n|a|b|1111",
                                      "n|a|b|3x", "nn|a|b|3",  "n|a|b|c|3"};
    char text[RELEASE_FIELD_MAX];
    for (uint32_t bucket = 0; bucket < RELEASE_BUCKETS; bucket++) {
        struct writer w = writer_of(text, sizeof text);
        struct release_field field = {bucket % 2, BYTES("reminder"), BYTES("sms_fr"), bucket}, read;
        release_write_field(&w, &field);
        assert_true(release_parse_field(writer_bytes(&w), &read));
        assert_true(read.segments == field.segments && read.bucket == bucket);
        assert_true(bytes_equal(read.kind, field.kind) && bytes_equal(read.route, field.route));
    }
    for (uint32_t i = 0; i < countof(bad); i++)
        assert_false(release_parse_field(bytes_of(bad[i]), &(struct release_field){0}));
}

static void the_limit_with_most_seconds_of_work_binds(void **state)
{
    struct world *w = *state = world_new();
    add(w, "reminder", "sms_fr", 0, 500, 1000); /* 10 s at 100/s, 5 s of the account's 200/s */
    struct release_result r = release_close(&w->release, 1800000);
    assert_true(near(r.clear_s, 10));
    assert_int_equal(r.binds, SMS_FR);
    add(w, "reminder", "sms_fr", 0, 1000, 1000);
    add(w, "reminder", "sms_us", 0, 1500, 3000);
    r = release_close(&w->release, 1800000);
    assert_true(near(r.clear_s, 20)); /* 4,000 at the account's 200/s */
    assert_int_equal(r.binds, ROUTES + TWILIO);
    char text[64];
    struct writer name = writer_of(text, sizeof text);
    release_write_lane(&name, &w->release, r.binds);
    assert_true(bytes_equal(writer_bytes(&name), BYTES("account:twilio")));
    free(w);
}

static void what_no_limit_holds_up_takes_no_time(void **state)
{
    struct world *w = *state = world_new();
    add(w, "receipt", "email", 1000, 1e6, 0);
    struct release_result r = release_close(&w->release, 1800000);
    assert_true(r.clear_s <= 0 && r.miss <= 0);
    assert_int_equal(r.binds, RELEASE_NOTHING_BINDS);
    free(w);
}

static void what_cannot_go_before_its_expiry_misses_it_and_holds_up_nobody(void **state)
{
    struct world *w = *state = world_new();
    add(w, "one_time_code", "sms_fr", 4000, 1000, 1000); /* 400 of them go in 4 s */
    add(w, "reminder", "sms_fr", 8000, 300, 300);        /* then these, up to the 8th second */
    struct release_result r = release_close(&w->release, 1800000);
    assert_true(near(r.miss, 600));
    add(w, "one_time_code", "sms_fr", 4000, 1000, 1000);
    add(w, "reminder", "sms_fr", 8000, 250, 500); /* two segments each: 200 have their turn */
    r = release_close(&w->release, 1800000);
    assert_true(near(r.miss, 650));
    free(w);
}

static void what_a_slot_leaves_is_in_the_way_of_the_next(void **state)
{
    struct world *w = *state = world_new();
    add(w, "reminder", "sms_fr", 0, 1500, 1500);
    assert_true(near(release_close(&w->release, 10000).clear_s, 15));
    add(w, "reminder", "sms_fr", 4000, 100, 100); /* behind 500: 5 s */
    struct release_result r = release_close(&w->release, 10000);
    assert_true(near(r.clear_s, 6) && near(r.miss, 100));
    assert_true(near(release_close(&w->release, 10000).clear_s, 0));
    free(w);
}

static void what_was_not_judged_may_take_the_first_route_of_each_of_its_channels(void **state)
{
    struct world *w = *state = world_new();
    w->routes[EMAIL].per_second = 10 / 0.95;
    add(w, "reminder", "", 0, 200, 0);
    struct release_result r = release_close(&w->release, 1800000);
    assert_true(near(r.clear_s, 20));
    assert_int_equal(r.binds, EMAIL);
    add(w, "reminder", "gone", 0, 100, 0); /* a route that the config has no more */
    assert_true(near(release_close(&w->release, 1800000).clear_s, 10));
    free(w);
}

/* Against a queue that is served one segment at a time, the earliest expiry first. */
static void misses_are_those_of_a_queue_by_expiry(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 300; round++) {
        struct world *w = world_new();
        uint32_t count[RELEASE_BUCKETS] = {0}, missed = 0;
        for (int i = 0; i < 8; i++) {
            uint32_t bucket = (uint32_t)prng_upto(&seed, 20), n = (uint32_t)prng_upto(&seed, 400);
            count[bucket] += n;
            release_add(&w->release,
                        &(struct release_row){BYTES("reminder"), BYTES("sms_fr"), bucket, n, n});
        }
        int64_t now_ms = 0; /* 100 a second: one in 10 ms */
        for (uint32_t b = 0; b < RELEASE_BUCKETS; b++)
            for (uint32_t i = 0; i < count[b]; i++) {
                bool late = now_ms + 10 > release_bucket_ms(b);
                missed += late;
                now_ms += late ? 0 : 10;
            }
        assert_true(fabs(release_close(&w->release, 1800000).miss - missed) < 1e-3);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_what_has_at_least_its_slack_and_less_than_the_next),
        cmocka_unit_test(a_field_is_read_as_it_was_written_and_nothing_else_is),
        cmocka_unit_test(the_limit_with_most_seconds_of_work_binds),
        cmocka_unit_test(what_no_limit_holds_up_takes_no_time),
        cmocka_unit_test(what_cannot_go_before_its_expiry_misses_it_and_holds_up_nobody),
        cmocka_unit_test(what_a_slot_leaves_is_in_the_way_of_the_next),
        cmocka_unit_test(what_was_not_judged_may_take_the_first_route_of_each_of_its_channels),
        cmocka_unit_test(misses_are_those_of_a_queue_by_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
