#include "judge_world.h"

#include "domain/tenant.h"

static const struct hours_window *only_window(const struct tenant *t, Carillon__V1__Class class)
{
    assert_int_equal(t->quiet[class].count, 1);
    return t->quiet[class].at;
}

static void without_settings_everything_is_on_and_nothing_is_custom(void **state)
{
    (void)state;
    for (int kind = 1; kind < KIND_COUNT; kind++)
        assert_int_equal(tenant_channels(&tenant_none, kind_row_of((Carillon__V1__Kind)kind)),
                         kind_channels(kind_row_of((Carillon__V1__Kind)kind)));
    assert_false(tenant_none.verified);
    assert_int_equal(tenant_none.custom_channels, 0);
    assert_int_equal(tenant_none.max_segments, 10);
    assert_int_equal(only_window(&tenant_none, CARILLON__V1__CLASS__CLASS_REMINDER)->end_minute,
                     6 * 60);
    assert_int_equal(only_window(&tenant_none, CARILLON__V1__CLASS__CLASS_MARKETING)->start_minute,
                     22 * 60);
    assert_int_equal(tenant_none.quiet[CARILLON__V1__CLASS__CLASS_SYSTEM].count, 0);
}

static void empty_settings_are_like_none(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\"}");
    const struct tenant *t = w.tenant;
    assert_int_equal(t->max_segments, tenant_none.max_segments);
    assert_int_equal(t->alerts, tenant_none.alerts);
    assert_false(t->do_not_disturb);
    assert_false(t->location_zone);
    for (int class = 0; class < CLASS_COUNT; class ++)
        assert_int_equal(t->quiet[class].count, tenant_none.quiet[class].count);
    world_close(&w);
}

static void only_false_switches_off(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false},"
                     "{\"kind\":\"message_alert\",\"push\":false}],\"do_not_disturb\":{}}");
    assert_int_equal(tenant_channels(w.tenant, kind_row_named(BYTES("receipt"))), CHANNELS_EMAIL);
    assert_int_equal(tenant_channels(w.tenant, kind_row_named(BYTES("message_alert"))),
                     CHANNELS_EMAIL);
    assert_true(w.tenant->do_not_disturb);
    world_close(&w);
}

static void a_row_replaces_the_reminders_window_and_may_end_it(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"reminder\",\"start\":"
                     "\"12:00\",\"end\":\"13:00\"},{\"class\":\"reminder\",\"start\":\"18:00\","
                     "\"end\":\"24:00\"},{\"class\":\"reminder\",\"start\":\"01:00\",\"enabled\":"
                     "false}]}");
    assert_int_equal(w.tenant->quiet[CARILLON__V1__CLASS__CLASS_REMINDER].count, 2);
    world_tenant(&w, "{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"reminder\",\"enabled\":"
                     "false},{\"class\":\"marketing\",\"enabled\":false}]}");
    assert_int_equal(w.tenant->quiet[CARILLON__V1__CLASS__CLASS_REMINDER].count, 0);
    assert_int_equal(w.tenant->quiet[CARILLON__V1__CLASS__CLASS_MARKETING].count, 1);
    world_tenant(&w, "{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"marketing\",\"start\":"
                     "\"09:00\",\"end\":\"09:00\"},{\"class\":\"reminder\",\"start\":\"09:00\","
                     "\"end\":\"09:00\"}]}");
    assert_int_equal(w.tenant->quiet[CARILLON__V1__CLASS__CLASS_MARKETING].count, 1);
    assert_int_equal(w.tenant->quiet[CARILLON__V1__CLASS__CLASS_REMINDER].count, 0);
    world_close(&w);
}

static void what_cannot_be_read_counts_as_absent(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"reminder\",\"start\":"
                     "\"25:00\"}],\"templates\":[{\"kind\":\"receipt\",\"channel\":\"sms\","
                     "\"text\":\"{{broken\"},{\"kind\":\"additional_reminder\",\"channel\":"
                     "\"sms\",\"text\":\"x\"}],\"max_segments\":0}");
    assert_int_equal(only_window(w.tenant, CARILLON__V1__CLASS__CLASS_REMINDER)->start_minute,
                     22 * 60);
    assert_int_equal(w.tenant->template_count, 0);
    assert_int_equal(w.tenant->max_segments, 10);
    world_close(&w);
}

/* What `tenants put` refuses, and yet stands in the topic, written by another hand. */
static void rows_that_mean_nothing_are_passed_over(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(
        &w,
        "{\"tenant_id\":\"t\",\"kinds\":[{\"sms\":false},{\"kind\":\"receipt\",\"email\":false}],"
        "\"quiet_hours\":[{\"class\":\"system\",\"start\":\"20:00\",\"end\":\"6\"},"
        "{\"start\":\"01:00\",\"end\":\"02:00\"},{\"class\":\"system\",\"start\":\"03:00\","
        "\"end\":\"04:00\"}],\"templates\":[{\"channel\":\"sms\",\"text\":\"x\"},{\"kind\":"
        "\"additional_reminder\",\"channel\":\"sms\",\"text\":\"x\"},{\"kind\":\"receipt\","
        "\"channel\":\"sms\"},{\"kind\":\"receipt\",\"channel\":\"email\",\"subject\":\"s\"},"
        "{\"kind\":\"receipt\",\"channel\":\"email\",\"html\":\"h\"}],\"devices\":[{},"
        "{\"token\":\"a\"},{\"token\":\"a\"}],\"frequency_caps\":[{\"class\":\"urgent\","
        "\"count\":1,\"period_seconds\":60},{\"class\":\"alert\",\"count\":1,\"period_seconds\""
        ":60},{\"count\":1,\"period_seconds\":60},{\"class\":\"system\",\"count\":0,"
        "\"period_seconds\":60},{\"class\":\"system\",\"count\":3,\"period_seconds\":0},"
        "{\"class\":\"system\",\"count\":3,\"period_seconds\":60}],\"custom_content\":\"none\"}");
    assert_int_equal(tenant_channels(w.tenant, kind_row_named(BYTES("receipt"))), CHANNELS_SMS);
    assert_int_equal(only_window(w.tenant, CARILLON__V1__CLASS__CLASS_SYSTEM)->start_minute, 180);
    assert_int_equal(w.tenant->template_count, 2);
    assert_int_equal(w.tenant->device_count, 1);
    assert_int_equal(w.tenant->custom_channels, 0);
    world_close(&w);
}

static void a_tenant_goes_with_its_last_holder(void **state)
{
    (void)state;
    struct tenant *t = NULL;
    Carillon__V1__Tenant settings = CARILLON__V1__TENANT__INIT;
    settings.tenant_id = (char *)"t";
    t = tenant_compile(&settings);
    assert_non_null(t);
    tenant_retain(t);
    tenant_release(t);
    assert_true(bytes_equal(t->id, BYTES("t")));
    tenant_release(t);
}

static void a_large_document_fits(void **state)
{
    (void)state;
    enum { ROWS = 2000 };
    Carillon__V1__Tenant settings = CARILLON__V1__TENANT__INIT;
    static Carillon__V1__TenantTemplate rows[ROWS];
    static Carillon__V1__TenantTemplate *at[ROWS];
    for (int i = 0; i < ROWS; i++) {
        carillon__v1__tenant_template__init(&rows[i]);
        rows[i].has_kind = rows[i].has_channel = 1;
        rows[i].kind = CARILLON__V1__KIND__KIND_RECEIPT;
        rows[i].channel = CARILLON__V1__CHANNEL__CHANNEL_EMAIL;
        rows[i].text = (char *)"{{a}}{{b}}{{c}}{{d}}";
        at[i] = &rows[i];
    }
    settings.tenant_id = (char *)"t";
    settings.templates = at;
    settings.n_templates = ROWS;
    struct tenant *t = tenant_compile(&settings);
    assert_non_null(t);
    assert_int_equal(t->template_count, ROWS);
    tenant_release(t);
}

static void bytes_that_are_no_protobuf_are_refused(void **state)
{
    (void)state;
    struct tenant *t = NULL;
    assert_int_equal(tenant_decode(BYTES("\x0a\xff"), &t), ERR_INVALID);
}

struct findings_of {
    struct tenant_finder finder;
    char text[2048];
    uint32_t refused, warned;
};

static void note(struct tenant_finder *self, bool refuse, const char *path, const char *what)
{
    struct findings_of *f = (struct findings_of *)self;
    size_t size = strlen(f->text);
    (void)what;
    snprintf(f->text + size, sizeof f->text - size, "%s%s ", refuse ? "!" : "?", path);
    f->refused += refuse;
    f->warned += !refuse;
}

static void assert_findings(const char *json, const char *expected)
{
    struct world w = world_open();
    struct findings_of f = {.finder = {note}};
    const void *settings = world_document(&w, &carillon__v1__tenant__descriptor, json);
    bool good = tenant_check(settings, w.rules.zones, &f.finder);
    assert_string_equal(f.text, expected);
    assert_int_equal(good, f.refused == 0);
    world_close(&w);
}

static void good_settings_have_no_findings(void **state)
{
    (void)state;
    assert_findings("{\"tenant_id\":\"t\",\"zone\":\"Europe/Paris\",\"owner_email\":\"a@b.fr\","
                    "\"quiet_hours\":[{\"class\":\"reminder\",\"start\":\"20:00\",\"end\":"
                    "\"24:00\"}],\"frequency_caps\":[{\"class\":\"system\",\"count\":1000,"
                    "\"period_seconds\":2678400}]}",
                    "");
}

static void each_wrong_setting_is_found_where_it_stands(void **state)
{
    (void)state;
    assert_findings("{}", "!tenant_id ");
    assert_findings("{\"tenant_id\":\"*\"}", "!tenant_id ");
    assert_findings("{\"tenant_id\":\"t\",\"zone\":\"Paris\"}", "?zone ");
    assert_findings("{\"tenant_id\":\"t\",\"owner_email\":\"x\",\"max_segments\":0}",
                    "!owner_email !max_segments ");
    assert_findings("{\"tenant_id\":\"t\",\"kinds\":[{\"kind\":\"receipt\"},{\"kind\":\"receipt\"},"
                    "{}]}",
                    "!kinds[1].kind !kinds[2].kind ");
    assert_findings("{\"tenant_id\":\"t\",\"quiet_hours\":[{\"class\":\"urgent\"},{\"class\":"
                    "\"alert\"},{\"class\":\"system\",\"start\":\"06:00\"},{\"class\":\"system\","
                    "\"start\":\"24:00\",\"end\":\"7\"},{}]}",
                    "?quiet_hours[0].class ?quiet_hours[1].class !quiet_hours[2].end "
                    "!quiet_hours[3].start !quiet_hours[3].end !quiet_hours[4].class ");
    assert_findings("{\"tenant_id\":\"t\",\"templates\":[{\"kind\":\"additional_reminder\","
                    "\"channel\":\"sms\",\"text\":\"x\"},{\"kind\":\"receipt\",\"channel\":"
                    "\"push\",\"text\":\"{{\"},{\"channel\":\"sms\",\"subject\":\"a\\nb\"},"
                    "{\"kind\":\"receipt\",\"channel\":\"sms\"}]}",
                    "!templates[0].kind !templates[1].channel !templates[1].text "
                    "!templates[2].kind !templates[2].subject !templates[3].text ");
    assert_findings("{\"tenant_id\":\"t\",\"devices\":[{},{\"token\":\"a\"},{\"token\":\"a\"}]}",
                    "!devices[0].token ?devices[2].token ");
    assert_findings(
        "{\"tenant_id\":\"t\",\"frequency_caps\":[{\"class\":\"urgent\",\"count\":1001,"
        "\"period_seconds\":2678401},{\"count\":1},{\"class\":\"system\",\"count\":0}]}",
        "?frequency_caps[0].class !frequency_caps[0].count "
        "!frequency_caps[0].period_seconds !frequency_caps[1].class "
        "!frequency_caps[1].period_seconds ");
    assert_findings("{\"tenant_id\":\"t\",\"senders\":[{\"from\":\"a\\nb\",\"name\":\"c\\rd\","
                    "\"reply_to\":\"x\"}]}",
                    "!senders[0].channel !senders[0].from !senders[0].name !senders[0].reply_to ");
}

static void what_may_be_absent_is_not_missed(void **state)
{
    (void)state;
    assert_findings("{\"tenant_id\":\"t\",\"owner_email\":\"\",\"max_segments\":1,\"zone\":\"\","
                    "\"devices\":[{\"token\":\"a\"},{\"token\":\"b\"}],\"senders\":["
                    "{\"channel\":\"email\",\"from\":\"a@b.fr\",\"reply_to\":\"\"},"
                    "{\"channel\":\"email\",\"from\":\"a@b.fr\",\"reply_to\":\"c@d.fr\"},"
                    "{\"channel\":\"sms\",\"from\":\"a\"}],\"templates\":[{\"kind\":\"receipt\","
                    "\"channel\":\"email\",\"html\":\"<p>x</p>\"},{\"kind\":\"receipt\","
                    "\"channel\":\"email\",\"subject\":\"x\"}]}",
                    "");
    assert_findings("{\"tenant_id\":\"t\",\"senders\":[{\"channel\":\"sms\",\"from\":"
                    "\"a\\u007fb\"}],\"templates\":[{\"kind\":\"receipt\",\"channel\":\"email\","
                    "\"text\":\"{{a b}}\",\"html\":\"{{\"}]}",
                    "!templates[0].text !templates[0].html !senders[0].from ");
    assert_findings("{\"tenant_id\":"
                    "\"0123456789012345678901234567890123456789012345678901234567890123456\"}",
                    "!tenant_id ");
}

/* `run` compiles what it finds; only commands listen to what is wrong with it. */
static void settings_are_checked_also_where_nobody_listens(void **state)
{
    (void)state;
    struct world w = world_open();
    assert_false(tenant_check(
        (const void *)world_document(&w, &carillon__v1__tenant__descriptor, "{}"), NULL, NULL));
    assert_true(tenant_check((const void *)world_document(&w, &carillon__v1__tenant__descriptor,
                                                          "{\"tenant_id\":\"t\",\"zone\":\"x\"}"),
                             NULL, NULL));
    world_close(&w);
}

static void too_many_devices_are_refused(void **state)
{
    (void)state;
    char json[1024] = "{\"tenant_id\":\"t\",\"devices\":[";
    for (int i = 0; i < 15; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s{\"token\":\"d%d\"}",
                 i ? "," : "", i);
    strcat(json, "]}");
    assert_findings(json, "!devices ");
}

static void roles_are_compared_byte_by_byte(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"messaging_roles\":[\"desk\"]}");
    assert_true(tenant_role_may_message(w.tenant, BYTES("owner")));
    assert_true(tenant_role_may_message(w.tenant, BYTES("full_access")));
    assert_true(tenant_role_may_message(w.tenant, BYTES("desk")));
    assert_false(tenant_role_may_message(w.tenant, BYTES("Desk")));
    assert_false(tenant_role_may_message(w.tenant, BYTES("")));
    world_close(&w);
}

static void a_sender_is_found_by_its_channel(void **state)
{
    (void)state;
    struct world w = world_open();
    world_tenant(&w, "{\"tenant_id\":\"t\",\"senders\":[{\"channel\":\"email\",\"from\":"
                     "\"a@b.fr\"},{\"channel\":\"sms\",\"from\":\"+33700000000\"}]}");
    assert_true(bytes_equal(tenant_sender_of(w.tenant, CARILLON__V1__CHANNEL__CHANNEL_SMS)->from,
                            BYTES("+33700000000")));
    assert_null(tenant_sender_of(w.tenant, CARILLON__V1__CHANNEL__CHANNEL_PUSH));
    world_close(&w);
}

static void every_kind_has_its_row(void **state)
{
    (void)state;
    assert_null(kind_row_of(CARILLON__V1__KIND__KIND_UNSPECIFIED));
    assert_null(kind_row_of((Carillon__V1__Kind)KIND_COUNT));
    assert_null(kind_row_of((Carillon__V1__Kind)-1));
    for (int kind = 1; kind < KIND_COUNT; kind++) {
        const struct kind_row *row = kind_row_of((Carillon__V1__Kind)kind);
        assert_non_null(row);
        assert_int_equal((int)row->kind, kind);
        assert_ptr_equal(kind_row_named(bytes_of(row->name)), row);
        assert_true(*class_name(row->class) != '\0');
    }
    assert_null(kind_row_named(BYTES("last_visit")));
    assert_string_equal(channel_name(CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED), "");
    assert_string_equal(channel_name((Carillon__V1__Channel)99), "");
    assert_string_equal(class_name((Carillon__V1__Class)99), "");
    assert_string_equal(reason_code(REASON_TOO_LATE), "too_late");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_settings_everything_is_on_and_nothing_is_custom),
        cmocka_unit_test(empty_settings_are_like_none),
        cmocka_unit_test(only_false_switches_off),
        cmocka_unit_test(a_row_replaces_the_reminders_window_and_may_end_it),
        cmocka_unit_test(what_cannot_be_read_counts_as_absent),
        cmocka_unit_test(rows_that_mean_nothing_are_passed_over),
        cmocka_unit_test(a_tenant_goes_with_its_last_holder),
        cmocka_unit_test(a_large_document_fits),
        cmocka_unit_test(bytes_that_are_no_protobuf_are_refused),
        cmocka_unit_test(good_settings_have_no_findings),
        cmocka_unit_test(each_wrong_setting_is_found_where_it_stands),
        cmocka_unit_test(what_may_be_absent_is_not_missed),
        cmocka_unit_test(settings_are_checked_also_where_nobody_listens),
        cmocka_unit_test(too_many_devices_are_refused),
        cmocka_unit_test(roles_are_compared_byte_by_byte),
        cmocka_unit_test(a_sender_is_found_by_its_channel),
        cmocka_unit_test(every_kind_has_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
