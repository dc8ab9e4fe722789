#include "judge_world.h"

#include "domain/once.h"

#define EVENT(kind, due, more)                                                                    \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"" kind "\",\"due_at\":\"" due             \
    "\",\"recipient\":{\"sms\":\"+33612345678\",\"email\":\"A@b.fr\",\"zone\":\"Europe/Paris\"}," \
    "\"booking\":{\"booking_id\":\"b\",\"revision\":2,\"starts_at\":\"2026-11-26T14:00:"          \
    "00Z\"}" more "}"

struct keys {
    char meeting[2][ONCE_KEY_SIZE], cap[2][ONCE_KEY_SIZE];
};

static struct keys keys_of(struct world *w, const char *json)
{
    struct keys keys;
    const struct leg *legs = world_judge(w, JUDGE_ALL, json);
    assert_int_equal(w->c.leg_count, 2);
    for (int i = 0; i < 2; i++) {
        once_meeting_key(&w->c, &legs[i], keys.meeting[i]);
        once_cap_key(&w->c, &legs[i], keys.cap[i]);
    }
    return keys;
}

static void both_reminders_meet_under_one_key_per_leg(void **state)
{
    (void)state;
    struct world w = world_open();
    struct keys one = keys_of(&w, EVENT("reminder", "2026-11-24T14:00:00Z", ""));
    struct keys two = keys_of(&w, EVENT("additional_reminder", "2026-11-24T14:00:59.999Z", ""));
    assert_string_equal(one.meeting[0], two.meeting[0]);
    assert_string_equal(one.meeting[1], two.meeting[1]);
    assert_string_not_equal(one.meeting[0], one.meeting[1]);
    assert_int_equal(strncmp(one.meeting[0], "o1:{", 4), 0);
    assert_int_equal(strlen(one.meeting[0]), ONCE_KEY_SIZE - 1);
    world_close(&w);
}

static void another_minute_is_another_key(void **state)
{
    (void)state;
    struct world w = world_open();
    struct keys one = keys_of(&w, EVENT("reminder", "2026-11-24T14:00:59.999Z", ""));
    struct keys two = keys_of(&w, EVENT("reminder", "2026-11-24T14:01:00Z", ""));
    assert_string_not_equal(one.meeting[0], two.meeting[0]);
    world_close(&w);
}

static void the_minute_is_that_of_the_effective_due_time(void **state)
{
    (void)state;
    struct world w = world_open();
    struct keys one = keys_of(&w, EVENT("reminder", "2026-11-24T23:00:00Z", ""));
    struct keys two = keys_of(&w, EVENT("reminder", "2026-11-25T05:00:00Z", ""));
    assert_string_equal(one.meeting[0], two.meeting[0]);
    w.c.now_ms += 20 * HOUR_MS; /* the clock does not count */
    two = keys_of(&w, EVENT("reminder", "2026-11-24T23:00:00Z", ""));
    assert_string_equal(one.meeting[0], two.meeting[0]);
    world_close(&w);
}

static void a_meeting_lives_72_hours_past_its_minute(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs =
        world_judge(&w, JUDGE_ALL, EVENT("reminder", "2026-11-24T14:00:30Z", ""));
    assert_int_equal(once_meeting_ttl_ms(&w.c, legs), 2 * HOUR_MS + 60000 + 72 * HOUR_MS);
    w.c.now_ms += 100 * HOUR_MS;
    assert_int_equal(once_meeting_ttl_ms(&w.c, legs), 1);
    world_close(&w);
}

static void a_cap_counts_the_customer_else_each_address(void **state)
{
    (void)state;
    struct world w = world_open();
    struct keys all =
        keys_of(&w, EVENT("reminder", "2026-11-24T14:00:00Z", ",\"customer_id\":\"c\""));
    struct keys each = keys_of(&w, EVENT("reminder", "2026-11-24T14:00:00Z", ""));
    struct keys other =
        keys_of(&w, EVENT("booking_confirmed", "2026-11-24T14:00:00Z", ",\"customer_id\":\"c\""));
    assert_string_equal(all.cap[0], all.cap[1]);
    assert_string_not_equal(each.cap[0], each.cap[1]);
    assert_string_not_equal(all.cap[0], other.cap[0]);
    world_close(&w);
}

static enum once_part part_of(struct world *w, const char *json)
{
    world_judge(w, JUDGE_ALL, json);
    return once_part_of(&w->c);
}

static void only_reminders_of_a_known_booking_have_a_part(void **state)
{
    (void)state;
    struct world w = world_open();
    assert_int_equal(part_of(&w, EVENT("reminder", "2026-11-24T14:00:00Z", "")), ONCE_KEEPS);
    assert_int_equal(part_of(&w, EVENT("additional_reminder", "2026-11-24T14:00:00Z", "")),
                     ONCE_YIELDS);
    assert_int_equal(part_of(&w, EVENT("reminder", "2026-11-24T14:00:00Z", ",\"resend\":true")),
                     ONCE_NONE);
    assert_int_equal(part_of(&w, EVENT("confirmation_request", "2026-11-24T14:00:00Z", "")),
                     ONCE_NONE);
    assert_int_equal(
        part_of(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"recipient\":"
                    "{\"email\":\"a@b.fr\"},\"booking\":{\"starts_at\":\"2026-11-26T14:00:00Z\"}}"),
        ONCE_NONE);
    world_close(&w);
}

static void the_dedup_key_is_the_events_id_where_it_has_none(void **state)
{
    (void)state;
    Carillon__V1__Event event = CARILLON__V1__EVENT__INIT;
    event.event_id = (char *)"e";
    assert_true(bytes_equal(once_dedup_key(&event), BYTES("e")));
    event.dedup_key = (char *)"k";
    assert_true(bytes_equal(once_dedup_key(&event), BYTES("k")));
}

static void a_window_ends_72_hours_after_the_end_or_a_day_after_expiry(void **state)
{
    (void)state;
    struct judge rules = {.dedup_window_ms = 72 * HOUR_MS};
    assert_int_equal(once_window_end_ms(&rules, 1000, 2000), 1000 + 72 * HOUR_MS);
    assert_int_equal(once_window_end_ms(&rules, 1000, 100 * HOUR_MS), 124 * HOUR_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_reminders_meet_under_one_key_per_leg),
        cmocka_unit_test(another_minute_is_another_key),
        cmocka_unit_test(the_minute_is_that_of_the_effective_due_time),
        cmocka_unit_test(a_meeting_lives_72_hours_past_its_minute),
        cmocka_unit_test(a_cap_counts_the_customer_else_each_address),
        cmocka_unit_test(only_reminders_of_a_known_booking_have_a_part),
        cmocka_unit_test(the_dedup_key_is_the_events_id_where_it_has_none),
        cmocka_unit_test(a_window_ends_72_hours_after_the_end_or_a_day_after_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
