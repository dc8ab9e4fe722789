#include "judge_world.h"

#define REMINDER                                                                             \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"recipient\":{\"sms\":"  \
    "\"+33612345678\",\"email\":\"Ann@Example.com\",\"zone\":\"Europe/Paris\"},\"booking\":" \
    "{\"booking_id\":\"b\",\"revision\":2,\"starts_at\":\"2026-11-25T14:00:00Z\"}}"
#define MESSAGE                                                                                   \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"direct_message\",\"author\":{\"role\":"   \
    "\"owner\"},\"content\":{\"text\":\"Hi\"},\"recipient\":{\"sms\":\"+33612345678\",\"email\":" \
    "\"ann@example.com\"}}"
#define VERIFIED "{\"tenant_id\":\"t\",\"verified\":true}"

static void a_plan_asks_no_state(void **state)
{
    (void)state;
    struct world w = world_open();
    w.c.state.sms = world_recipient(&w, "{\"opted_out\":true}");
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    assert_int_equal(w.c.leg_count, 2);
    assert_int_equal(legs[0].decision, DECISION_SEND);
    assert_true(legs[0].text.size > 0);
    world_close(&w);
}

static void state_refuses_a_leg_and_lets_it_go_again(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    w.c.state.sms = world_recipient(&w, "{\"opted_out\":true}");
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].reason, REASON_UNSUBSCRIBED);
    assert_true(legs[0].by_state);
    assert_int_equal(legs[1].decision, DECISION_SEND);

    w.c.state.sms = NULL;
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].decision, DECISION_SEND);
    assert_int_equal(legs[0].refused_by, JUDGE_GATE_NONE);
    world_close(&w);
}

static void what_the_plan_refused_stays_refused(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(
        &w, JUDGE_PLAN,
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"recipient\":{\"email\":"
        "\"ann@example.com\"}}");
    assert_int_equal(legs[0].reason, REASON_CONTACT_MISSING);
    w.c.state.platform_customer = world_recipient(&w, "{\"blocked\":true}");
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].reason, REASON_CONTACT_MISSING);
    assert_int_equal(legs[1].reason, REASON_BLOCKED_PLATFORM);
    world_close(&w);
}

static void state_that_refuses_the_event_tells_it_on_each_leg(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    w.c.state.booking =
        (const void *)world_document(&w, &carillon__v1__booking_state__descriptor,
                                     "{\"booking_id\":\"b\",\"revision\":2,\"cancelled\":true}");
    world_judge(&w, JUDGE_STATE, NULL);
    assert_true(w.c.refused);
    assert_int_equal(w.c.leg_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(legs[i].decision, DECISION_CANCELLED);
        assert_int_equal(legs[i].refused_by, JUDGE_G4);
        assert_int_not_equal(legs[i].channel, CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED);
    }
    w.c.state.booking = NULL;
    world_judge(&w, JUDGE_STATE, NULL);
    assert_false(w.c.refused);
    assert_int_equal(legs[1].decision, DECISION_SEND);
    world_close(&w);
}

static void at_admission_it_may_have_become_too_late(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    w.c.now_ms = NOW_MS + 26 * HOUR_MS;
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].reason, REASON_TOO_LATE);
    world_close(&w);
}

static void at_admission_quiet_hours_may_have_begun(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    w.c.now_ms = NOW_MS + 10 * HOUR_MS; /* 23:00 in Paris */
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].decision, DECISION_DEFER);
    assert_int_equal(legs[0].reason, REASON_QUIET_HOURS);
    assert_int_equal(legs[0].not_before_ms, NOW_MS + 17 * HOUR_MS);
    world_close(&w);
}

static void a_leg_that_could_cross_into_quiet_hours_waits_for_their_end(void **state)
{
    (void)state;
    struct world w = world_open();
    w.rules.start_margin_ms = 10250;
    w.c.now_ms = NOW_MS + 9 * HOUR_MS - 10250; /* 10.25 s before 22:00 in Paris */
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    assert_int_equal(legs[0].decision, DECISION_SEND);
    w.c.now_ms += 1;
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].decision, DECISION_DEFER);
    assert_int_equal(legs[0].reason, REASON_QUIET_HOURS);
    assert_int_equal(legs[0].not_before_ms, NOW_MS + 17 * HOUR_MS);
    world_judge(&w, JUDGE_ALL, REMINDER);
    assert_int_equal(legs[0].decision, DECISION_SEND); /* does not show in explain */
    world_close(&w);
}

static void a_conversation_is_open_until_the_state_is_read(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, VERIFIED);
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, MESSAGE);
    assert_true(w.c.pick_one);
    assert_int_equal(w.c.leg_count, 2);
    w.c.state.customer =
        world_recipient(&w, "{\"last_channel\":\"email\",\"updated_at\":\"2026-11-01T00:00:00Z\"}");
    world_judge(&w, JUDGE_STATE, NULL);
    assert_false(w.c.pick_one);
    assert_int_equal(w.c.leg_count, 1);
    assert_int_equal(legs[0].channel, CARILLON__V1__CHANNEL__CHANNEL_EMAIL);
    assert_int_equal(legs[0].decision, DECISION_SEND);
    world_close(&w);
}

static void a_conversation_with_one_address_is_not_open(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, VERIFIED);
    world_judge(&w, JUDGE_PLAN,
                "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"auto_reply\",\"recipient\":"
                "{\"sms\":\"+33612345678\"}}");
    assert_false(w.c.pick_one);
    assert_int_equal(w.c.leg_count, 1);
    world_close(&w);
}

static void a_picked_leg_keeps_the_plans_refusal(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, VERIFIED);
    const struct leg *legs =
        world_judge(&w, JUDGE_PLAN,
                    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"auto_reply\",\"recipient\":"
                    "{\"sms\":\"12\",\"email\":\"ann@example.com\"}}");
    assert_true(w.c.pick_one);
    world_judge(&w, JUDGE_STATE, NULL);
    assert_int_equal(legs[0].channel, CARILLON__V1__CHANNEL__CHANNEL_SMS);
    assert_int_equal(legs[0].reason, REASON_CONTACT_INVALID);
    world_close(&w);
}

static void an_event_refused_with_the_choice_open_says_why(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, VERIFIED);
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, MESSAGE);
    w.c.state.customer = world_recipient(&w, "{\"blocked\":true}");
    world_judge(&w, JUDGE_STATE, NULL);
    assert_true(w.c.refused);
    assert_int_equal(legs[0].reason, REASON_BLOCKED_BY_TENANT);
    world_close(&w);
}

static void state_needs_a_plan_that_stands(void **state)
{
    (void)state;
    struct world w = world_open();
    world_judge(&w, JUDGE_PLAN, MESSAGE); /* not verified */
    assert_true(w.c.refused);
    expect_assert_failure(judge(&w.rules, JUDGE_STATE, &w.c));
    world_close(&w);
}

static void judging_again_changes_nothing(void **state)
{
    (void)state;
    struct world w = world_open();
    world_judge(&w, JUDGE_PLAN, REMINDER);
    struct leg first = w.c.legs[0];
    world_judge(&w, JUDGE_PLAN, NULL);
    assert_int_equal(w.c.leg_count, 2);
    assert_int_equal(first.decision, w.c.legs[0].decision);
    assert_int_equal(first.not_before_ms, w.c.legs[0].not_before_ms);
    assert_int_equal(first.text.size, w.c.legs[0].text.size);
    world_close(&w);
}

static void a_leg_that_waits_for_a_windows_end_is_smeared(void **state)
{
    (void)state;
    struct world w = world_open();
    w.c.now_ms = NOW_MS + 10 * HOUR_MS;
    w.c.record_ms = w.c.now_ms;
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    assert_true(legs[0].released);
    assert_true(legs[0].moved);
    w.c.now_ms = NOW_MS + 18 * HOUR_MS; /* read again after the window */
    world_judge(&w, JUDGE_PLAN, NULL);
    assert_true(legs[0].released);
    assert_false(legs[0].moved);
    assert_int_equal(legs[0].effective_due_ms, NOW_MS + 17 * HOUR_MS);
    world_close(&w);
}

static void a_leg_due_at_its_own_time_is_not_smeared(void **state)
{
    (void)state;
    struct world w = world_open();
    const struct leg *legs = world_judge(&w, JUDGE_PLAN, REMINDER);
    assert_false(legs[0].released);
    world_close(&w);
}

static void possible_legs_do_not_ask_the_settings(void **state)
{
    (void)state;
    struct world w = world_open();
    struct leg legs[LEGS_MAX];
    world_tenant(&w, "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"reminder\",\"sms\":false,"
                     "\"email\":false}]}");
    world_event(&w, REMINDER);
    uint32_t n = judge_possible_legs(w.c.event, w.c.tenant, &w.arena, legs);
    assert_int_equal(n, 2);
    assert_int_equal(legs[0].channel, CARILLON__V1__CHANNEL__CHANNEL_SMS);
    assert_true(bytes_equal(legs[1].address, BYTES("ann@example.com")));
    world_close(&w);
}

static void an_alert_may_go_to_owner_and_devices(void **state)
{
    (void)state;
    struct world w = world_open();
    struct leg legs[LEGS_MAX];
    world_tenant(&w, "{\"tenant_id\":\"t\",\"owner_email\":\"Boss@X.fr\",\"devices\":[{\"token\":"
                     "\"a\"},{\"token\":\"b\",\"role\":\"cleaner\"}]}");
    world_event(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"message_alert\","
                    "\"recipient\":{\"sms\":\"+33612345678\"}}");
    uint32_t n = judge_possible_legs(w.c.event, w.c.tenant, &w.arena, legs);
    assert_int_equal(n, 3);
    assert_true(bytes_equal(legs[0].address, BYTES("boss@x.fr")));
    assert_int_equal(legs[2].channel, CARILLON__V1__CHANNEL__CHANNEL_PUSH);
    world_close(&w);
}

static void sixteen_legs_are_never_exceeded(void **state)
{
    (void)state;
    struct world w = world_open();
    char json[4096];
    struct writer text = writer_of(json, sizeof json - 1);
    write_text(&text, "{\"tenant_id\":\"t\",\"owner_email\":\"a@b.fr\",\"devices\":[");
    for (int i = 0; i < 30; i++)
        write_format(&text, "%s{\"token\":\"d%d\"}", i ? "," : "", i);
    write_text(&text, "]}");
    json[text.size] = '\0';
    world_tenant(&w, json);
    world_judge(&w, JUDGE_ALL,
                "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"feedback_alert\"}");
    assert_int_equal(w.c.leg_count, 1 + TENANT_DEVICES_MAX);
    world_close(&w);
}

static void an_event_that_does_not_decode_is_malformed_where_it_stumbled(void **state)
{
    (void)state;
    struct world w = world_open();
    w.c.undecoded = "booking.starts_at";
    w.c.arena = &w.arena;
    judge(&w.rules, JUDGE_ALL, &w.c);
    assert_true(w.c.refused);
    assert_int_equal(w.c.legs[0].reason, REASON_MALFORMED);
    assert_string_equal(w.c.legs[0].detail, "booking.starts_at");
    assert_null(w.c.kind);
    world_close(&w);
}

static void a_route_without_media_refuses_attachments(void **state)
{
    (void)state;
    struct world w = world_open();
    w.rules.sms_carries_media = false;
    const struct leg *legs =
        world_judge(&w, JUDGE_ALL,
                    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"recipient\":"
                    "{\"sms\":\"+33612345678\"},\"attachments\":[{\"url\":\"https://x.fr/a\"}]}");
    assert_int_equal(legs[0].reason, REASON_MEDIA_UNSUPPORTED);
    world_close(&w);
}

static void a_full_arena_ends_the_leg_and_nothing_else(void **state)
{
    (void)state;
    struct world w = world_open();
    world_event(&w, REMINDER);
    w.arena.max = w.arena.used;
    const struct leg *legs = world_judge(&w, JUDGE_ALL, NULL);
    assert_int_equal(legs[0].decision, DECISION_DEAD);
    assert_int_equal(legs[0].reason, REASON_MALFORMED);
    assert_true(w.c.arena_full);
    w.arena.max = 1 << 20;
    world_judge(&w, JUDGE_ALL, NULL);
    assert_false(w.c.arena_full);
    assert_int_equal(legs[0].decision, DECISION_SEND);
    world_close(&w);
}

static void the_configs_template_is_taken_by_name(void **state)
{
    (void)state;
    struct world w = world_open();
    struct named_template welcome = {.name = BYTES("welcome"),
                                     .channel = CARILLON__V1__CHANNEL__CHANNEL_SMS,
                                     .locale = BYTES("en")};
    struct template_error error;
    assert_int_equal(template_compile(BYTES("Hello {{who}}"), &w.documents, &welcome.text, &error),
                     ERR_OK);
    w.rules.templates = &welcome;
    w.rules.template_count = 1;
    const struct leg *legs =
        world_judge(&w, JUDGE_ALL,
                    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"template\":"
                    "\"welcome\",\"variables\":{\"who\":\"Ann\"},\"recipient\":{\"sms\":"
                    "\"+33612345678\",\"email\":\"a@b.fr\"}}");
    assert_true(bytes_equal(legs[0].text, BYTES("Hello Ann")));
    assert_int_equal(legs[1].template_source, TEMPLATE_DEFAULT); /* the channel that it lacks */
    legs = world_judge(&w, JUDGE_ALL,
                       "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"template\":"
                       "\"welcome\",\"recipient\":{\"sms\":\"+33612345678\"}}");
    assert_int_equal(legs[0].reason, REASON_MALFORMED);
    assert_string_equal(legs[0].detail, "variables.who");
    world_close(&w);
}

static void a_line_break_of_a_variable_is_told_by_its_name(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"custom_content\":\"all\",\"templates\":[{\"kind\":"
                     "\"receipt\",\"channel\":\"email\",\"subject\":\"For {{who}}\",\"text\":"
                     "\"{{body}}\"}]}");
    const struct leg *legs = world_judge(
        &w, JUDGE_ALL,
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"variables\":{\"body\":"
        "\"a\\nb\",\"who\":\"x\\r\\nBcc: y\"},\"recipient\":{\"email\":\"a@b.fr\"}}");
    assert_int_equal(legs[1].decision, DECISION_DEAD);
    assert_string_equal(legs[1].detail, "variables.who");
    world_close(&w);
}

static void a_line_break_of_a_subject_is_told_by_who_wrote_it(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"verified\":true,\"custom_content\":\"all\","
                     "\"templates\":[{\"kind\":\"receipt\",\"channel\":\"email\",\"subject\":"
                     "\"a\\rb {{who}}\",\"text\":\"x\"}]}");
    const struct leg *legs = world_judge(
        &w, JUDGE_ALL,
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"variables\":{\"who\":"
        "\"Ann\",\"other\":\"c\\nd\"},\"recipient\":{\"email\":\"a@b.fr\"}}");
    assert_int_equal(legs[1].decision, DECISION_DEAD);
    assert_string_equal(legs[1].detail, "subject");
    legs = world_judge(&w, JUDGE_ALL,
                       "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"channel\":"
                       "\"email\",\"content\":{\"subject\":\"a\\rb\",\"text\":\"x\"},"
                       "\"recipient\":{\"email\":\"a@b.fr\"}}");
    assert_int_equal(legs[0].decision, DECISION_DEAD);
    assert_string_equal(legs[0].detail, "content.subject");
    legs = world_judge(&w, JUDGE_ALL,
                       "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"channel\":"
                       "\"email\",\"content\":{\"subject\":\"a\",\"text\":\"x\\ny\"},"
                       "\"recipient\":{\"email\":\"a@b.fr\"}}");
    assert_int_equal(legs[0].decision, DECISION_SEND);
    world_close(&w);
}

/* A refusal asks for claims also where the kind is none, or nothing is switched on. */
static void an_event_could_go_to_its_addresses_whatever_its_kind(void **state)
{
    (void)state;
    struct world w = world_open();
    struct leg legs[LEGS_MAX];
    world_event(&w, "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"recipient\":"
                    "{\"sms\":\"+33612345678\",\"email\":\"A@b.fr\"}}");
    Carillon__V1__Event event = *w.c.event;
    event.kind = CARILLON__V1__KIND__KIND_UNSPECIFIED;
    assert_int_equal(judge_possible_legs(&event, &tenant_none, &w.arena, legs), 2);
    assert_true(bytes_equal(legs[1].address, BYTES("a@b.fr")));
    struct judge_subjects subjects;
    judge_subjects(&event, &tenant_none, &w.arena, &subjects);
    assert_int_equal(subjects.booking.size, 0);
    judge_subjects(w.c.event, &tenant_none, &w.arena, &subjects); /* it has no booking */
    assert_int_equal(subjects.booking.size, 0);
    event.recipient = NULL;
    assert_int_equal(judge_possible_legs(&event, &tenant_none, &w.arena, legs), 0);
    event.kind = CARILLON__V1__KIND__KIND_RECEIPT;
    assert_int_equal(judge_legs_now(&event, &tenant_none, &w.arena, legs), 2);
    world_tenant(&w,
                 "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false,\"email\":"
                 "false}]}");
    assert_int_equal(judge_legs_now(&event, w.tenant, &w.arena, legs), 0);
    world_close(&w);
}

static void html_beside_a_text_goes_by_sms_as_the_text(void **state)
{
    (void)state;
    struct world w = world_open();
    static const char *const contents[] = {"{\"text\":\"hi\",\"html\":\"<p>\"}",
                                           "{\"text\":\"hi\",\"html\":\"\"}", "{\"text\":\"hi\"}"};
    for (size_t i = 0; i < countof(contents); i++) {
        char json[512];
        snprintf(json, sizeof json,
                 "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"channel\":\"sms\","
                 "\"content\":%s,\"recipient\":{\"sms\":\"+33612345678\"}}",
                 contents[i]);
        const struct leg *leg = world_judge(&w, JUDGE_ALL, json);
        assert_int_equal(leg->decision, DECISION_SEND);
        assert_true(bytes_equal(leg->text, BYTES("hi")));
    }
    world_close(&w);
}

/* Wherever memory ends, a leg is dead for that alone and the case says so, or all is as it
 * would be with more. */
static void a_case_too_large_for_its_memory_says_so(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"reminder\",\"booking\":{\"booking_id\":"
        "\"b\",\"starts_at\":\"2026-11-26T14:00:00Z\"},\"recipient\":{\"sms\":\"+33612345678\","
        "\"email\":\"a@b.fr\",\"zone\":\"Europe/Paris\"}}",
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"campaign\",\"recipient\":{\"sms\":"
        "\"+33612345678\",\"zone\":\"Europe/Paris\"}}",
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"template\":\"none\","
        "\"recipient\":{\"email\":\"a@b.fr\"}}",
        "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"one_time_code\",\"variables\":{"
        "\"code\":"
        "\"http:x\"},\"recipient\":{\"email\":\"a@b.fr\"}}"};
    for (size_t i = 0; i < countof(cases); i++) {
        struct world w = world_open();
        world_tenant(&w, "{\"tenant_id\":\"t\",\"verified\":true}");
        world_event(&w, cases[i]);
        size_t decoded = w.arena.used;
        judge(&w.rules, JUDGE_PLAN, &w.c);
        struct judge_case whole = w.c;
        size_t needed = w.arena.used - decoded;
        assert_false(whole.arena_full);
        for (size_t room = 0; room <= needed; room++) {
            struct arena little = arena_of(w.arena.at + w.arena.used, room);
            w.c.arena = &little;
            judge(&w.rules, JUDGE_PLAN, &w.c);
            assert_int_equal(w.c.refused, whole.refused);
            assert_int_equal(w.c.leg_count, whole.leg_count);
            for (uint32_t k = 0; k < whole.leg_count; k++)
                if (w.c.legs[k].decision == whole.legs[k].decision)
                    assert_true(bytes_equal(w.c.legs[k].text, whole.legs[k].text));
                else
                    assert_true(w.c.arena_full && w.c.legs[k].decision == DECISION_DEAD);
        }
        w.c.arena = &w.arena;
        world_close(&w);
    }
}

static void assert_malformed(struct world *w, const char *json, const char *path)
{
    const struct leg *legs = world_judge(w, JUDGE_ALL, json);
    assert_int_equal(legs[0].decision, DECISION_DEAD);
    assert_int_equal(legs[0].reason, REASON_MALFORMED);
    assert_string_equal(legs[0].detail, path);
}

/* Decoding asks for these too; an event that was made otherwise must not pass either. */
static void an_event_without_ids_or_kind_is_malformed(void **state)
{
    (void)state;
    struct world w = world_open();
    Carillon__V1__Event event = CARILLON__V1__EVENT__INIT;
    w.c.event = &event;
    w.c.arena = &w.arena;
    assert_malformed(&w, NULL, "event_id");
    event.event_id = (char *)"e";
    assert_malformed(&w, NULL, "tenant_id");
    event.tenant_id = (char *)"";
    assert_malformed(&w, NULL, "tenant_id");
    event.tenant_id = (char *)"t";
    assert_malformed(&w, NULL, "kind");
    world_close(&w);
}

#define RECEIPT(more)                                                                        \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"receipt\",\"recipient\":{\"email\":" \
    "\"a@b.fr\"}," more "}"

static void a_link_that_is_not_https_is_malformed(void **state)
{
    (void)state;
    struct world w = world_open();
    static const char *const bad[] = {
        "http://x", "ftp://x", "x-y.z+1://x", "JavaScript:x",     "data:text/html,x",
        "https://", "https:x", "https://a b", "https://a\\u007f", "mailto:a@b"};
    static const char *const good[] = {"https://x", "HTTPS://x", "12:30",     "1a://x", ":x",
                                       "Note: x",   "Re:x",      "x",         "",       "a b://x",
                                       "//x",       "www.x.fr",  "\\u00e9://"};
    char json[512];
    for (size_t i = 0; i < countof(bad); i++) {
        snprintf(json, sizeof json, RECEIPT("\"variables\":{\"u\":\"%s\"}"), bad[i]);
        assert_malformed(&w, json, "variables.u");
    }
    for (size_t i = 0; i < countof(good); i++) {
        snprintf(json, sizeof json, RECEIPT("\"variables\":{\"u\":\"%s\"}"), good[i]);
        assert_int_equal(world_judge(&w, JUDGE_ALL, json)[1].decision, DECISION_SEND);
    }
    world_close(&w);
}

static void times_are_as_exact_as_they_were_given(void **state)
{
    (void)state;
    struct world w = world_open();
    world_judge(&w, JUDGE_ALL,
                RECEIPT("\"created_at\":\"2026-11-24T12:00:00.0005Z\",\"due_at\":"
                        "\"2027-12-29T12:00:00.0005Z\",\"expires_at\":\"2027-12-30T00:00:00Z\""));
    assert_int_equal(w.c.legs[1].decision, DECISION_DEFER);
    assert_int_equal(w.c.due_ms, NOW_MS + 400 * 24 * HOUR_MS + 1);
    assert_malformed(&w,
                     RECEIPT("\"created_at\":\"2026-11-24T12:00:00.0005Z\",\"due_at\":"
                             "\"2027-12-29T12:00:00.000501Z\""),
                     "due_at");
    assert_malformed(&w,
                     RECEIPT("\"due_at\":\"2026-11-24T12:00:00.0005Z\",\"expires_at\":"
                             "\"2027-12-29T12:00:00.000501Z\""),
                     "expires_at");
    world_close(&w);
}

static void the_record_before_1970_has_times_too(void **state)
{
    (void)state;
    struct world w = world_open();
    w.c.record_ms = w.c.now_ms = -1500;
    world_judge(&w, JUDGE_ALL, RECEIPT("\"resend\":false"));
    assert_int_equal(w.c.due_ms, -1500);
    assert_int_equal(w.c.legs[1].decision, DECISION_SEND);
    world_close(&w);
}

static void the_earliest_service_counts_to_the_nanosecond(void **state)
{
    (void)state;
    struct world w = world_open();
    world_judge(&w, JUDGE_ALL,
                "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"booking_confirmed\","
                "\"recipient\":{\"email\":\"a@b.fr\"},\"booking\":{\"services\":[{\"service_id\":"
                "\"a\"},{\"starts_at\":\"2026-11-25T10:00:00.002Z\"},{\"starts_at\":"
                "\"2026-11-25T10:00:00.001Z\"},{\"starts_at\":\"2026-11-26T10:00:00Z\"}]}}");
    assert_int_equal(w.c.expires_ms, NOW_MS + 22 * HOUR_MS + 1);
    world_close(&w);
}

#define SERVICES(speaks, a, b)                                                                   \
    "{\"event_id\":\"e\",\"tenant_id\":\"t\",\"kind\":\"additional_reminder\",\"service_id\":"   \
    "\"" speaks "\",\"recipient\":{\"email\":\"a@b.fr\"},\"booking\":{\"starts_at\":"            \
    "\"2026-11-26T10:00:00Z\",\"services\":[{\"service_id\":\"a\"" a "},{\"service_id\":\"b\"" b \
    "}]}}"

static void a_service_with_a_start_comes_before_one_without(void **state)
{
    (void)state;
    struct world w = world_open();
#define AT(ms) ",\"starts_at\":\"2026-11-26T10:00:00." ms "Z\""
    assert_int_equal(world_judge(&w, JUDGE_ALL, SERVICES("b", "", AT("0")))[1].decision,
                     DECISION_SEND);
    assert_int_equal(world_judge(&w, JUDGE_ALL, SERVICES("a", "", AT("0")))[1].reason,
                     REASON_COLLAPSED);
    assert_int_equal(world_judge(&w, JUDGE_ALL, SERVICES("a", "", ""))[1].decision, DECISION_SEND);
    assert_int_equal(world_judge(&w, JUDGE_ALL, SERVICES("b", AT("002"), AT("001")))[1].decision,
                     DECISION_SEND);
    world_close(&w);
}

static void a_platform_zone_that_nobody_knows_is_utc(void **state)
{
    (void)state;
    struct world w = world_open();
    w.rules.platform_zone = "Nowhere";
    const struct leg *legs = world_judge(&w, JUDGE_ALL, RECEIPT("\"resend\":true"));
    assert_true(bytes_equal(legs[1].zone, BYTES("UTC")));
    assert_int_equal(legs[1].zone_source, CARILLON__V1__ZONE_SOURCE__ZONE_SOURCE_PLATFORM);
    world_close(&w);
}

static void every_gate_says_whether_it_concerns_a_kind(void **state)
{
    (void)state;
    assert_int_equal(judge_gate_count, JUDGE_GATE_COUNT);
    for (uint32_t i = 0; i < judge_gate_count; i++)
        assert_int_equal(judge_gate_concerns(i, NULL), i == JUDGE_G1);
    for (int kind = 1; kind < KIND_COUNT; kind++)
        assert_true(judge_gate_concerns(JUDGE_O1, kind_row_of((Carillon__V1__Kind)kind)));
    expect_assert_failure((void)judge_gate_concerns(JUDGE_GATE_COUNT, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_asks_no_state),
        cmocka_unit_test(state_refuses_a_leg_and_lets_it_go_again),
        cmocka_unit_test(what_the_plan_refused_stays_refused),
        cmocka_unit_test(state_that_refuses_the_event_tells_it_on_each_leg),
        cmocka_unit_test(at_admission_it_may_have_become_too_late),
        cmocka_unit_test(at_admission_quiet_hours_may_have_begun),
        cmocka_unit_test(a_leg_that_could_cross_into_quiet_hours_waits_for_their_end),
        cmocka_unit_test(a_conversation_is_open_until_the_state_is_read),
        cmocka_unit_test(a_conversation_with_one_address_is_not_open),
        cmocka_unit_test(a_picked_leg_keeps_the_plans_refusal),
        cmocka_unit_test(an_event_refused_with_the_choice_open_says_why),
        cmocka_unit_test(state_needs_a_plan_that_stands),
        cmocka_unit_test(judging_again_changes_nothing),
        cmocka_unit_test(a_leg_that_waits_for_a_windows_end_is_smeared),
        cmocka_unit_test(a_leg_due_at_its_own_time_is_not_smeared),
        cmocka_unit_test(possible_legs_do_not_ask_the_settings),
        cmocka_unit_test(an_alert_may_go_to_owner_and_devices),
        cmocka_unit_test(sixteen_legs_are_never_exceeded),
        cmocka_unit_test(an_event_that_does_not_decode_is_malformed_where_it_stumbled),
        cmocka_unit_test(a_route_without_media_refuses_attachments),
        cmocka_unit_test(a_full_arena_ends_the_leg_and_nothing_else),
        cmocka_unit_test(the_configs_template_is_taken_by_name),
        cmocka_unit_test(a_line_break_of_a_variable_is_told_by_its_name),
        cmocka_unit_test(a_line_break_of_a_subject_is_told_by_who_wrote_it),
        cmocka_unit_test(an_event_could_go_to_its_addresses_whatever_its_kind),
        cmocka_unit_test(html_beside_a_text_goes_by_sms_as_the_text),
        cmocka_unit_test(a_case_too_large_for_its_memory_says_so),
        cmocka_unit_test(an_event_without_ids_or_kind_is_malformed),
        cmocka_unit_test(a_link_that_is_not_https_is_malformed),
        cmocka_unit_test(times_are_as_exact_as_they_were_given),
        cmocka_unit_test(the_record_before_1970_has_times_too),
        cmocka_unit_test(the_earliest_service_counts_to_the_nanosecond),
        cmocka_unit_test(a_service_with_a_start_comes_before_one_without),
        cmocka_unit_test(a_platform_zone_that_nobody_knows_is_utc),
        cmocka_unit_test(every_gate_says_whether_it_concerns_a_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
