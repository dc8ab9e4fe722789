/* What legs say: contract.md, "Texts", and rules T1, T3, T5, Q9. */
#include "domain/texts.h"

#include "base/time.h"
#include "domain/segments.h"
#include "domain/texts_locale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SMS CARILLON__V1__CHANNEL__CHANNEL_SMS
#define EMAIL CARILLON__V1__CHANNEL__CHANNEL_EMAIL
#define PUSH CARILLON__V1__CHANNEL__CHANNEL_PUSH
#define KIND(name) CARILLON__V1__KIND__KIND_##name

static struct zones *zones;
static struct default_texts *defaults;

static char *text_of(const char *literal)
{
    return (char *)(uintptr_t)literal; /* protobuf-c's strings are not const; nobody writes */
}

/* An event and its tenant, with room for what a test adds. */
struct scene {
    Carillon__V1__Event event;
    Carillon__V1__Recipient recipient;
    Carillon__V1__Booking booking;
    Google__Protobuf__Timestamp starts_at;
    Carillon__V1__Content content;
    Carillon__V1__Event__VariablesEntry variables[4], *variable_list[4];
    Carillon__V1__Event__LabelsEntry labels[2], *label_list[2];
    struct tenant_sender sender;
    struct named_template tenants[4], configs[4];
    struct tenant tenant;
    struct texts_input input;
    struct arena arena;
    struct texts texts;
    char memory[16384];
};

static struct scene *scene(Carillon__V1__Kind kind, Carillon__V1__Channel channel,
                           const char *locale)
{
    static struct scene s;
    memset(&s, 0, sizeof s);
    s.tenant = tenant_none;
    s.event = (Carillon__V1__Event)CARILLON__V1__EVENT__INIT;
    s.recipient = (Carillon__V1__Recipient)CARILLON__V1__RECIPIENT__INIT;
    s.booking = (Carillon__V1__Booking)CARILLON__V1__BOOKING__INIT;
    s.starts_at = (Google__Protobuf__Timestamp)GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    s.content = (Carillon__V1__Content)CARILLON__V1__CONTENT__INIT;
    s.event.locale = text_of(locale);
    s.event.variables = s.variable_list;
    s.event.labels = s.label_list;
    s.tenant.templates = s.tenants;
    s.input = (struct texts_input){
        .event = &s.event,
        .kind = kind_row_of(kind),
        .channel = channel,
        .tenant = &s.tenant,
        .templates = s.configs,
        .defaults = defaults,
        .due_ms = INT64_C(1772000000000), /* February 2026 */
        .zone = zone_find(zones, BYTES("Europe/Paris")),
    };
    s.arena = arena_of(s.memory, sizeof s.memory);
    assert_non_null(s.input.kind);
    return &s;
}

static void with_variable(struct scene *s, const char *name, const char *value)
{
    size_t i = s->event.n_variables++;
    s->variables[i] =
        (Carillon__V1__Event__VariablesEntry)CARILLON__V1__EVENT__VARIABLES_ENTRY__INIT;
    s->variables[i].key = text_of(name);
    s->variables[i].value = text_of(value);
    s->variable_list[i] = &s->variables[i];
}

static void with_label(struct scene *s, const char *name, const char *value)
{
    size_t i = s->event.n_labels++;
    s->labels[i] = (Carillon__V1__Event__LabelsEntry)CARILLON__V1__EVENT__LABELS_ENTRY__INIT;
    s->labels[i].key = text_of(name);
    s->labels[i].value = text_of(value);
    s->label_list[i] = &s->labels[i];
}

static void with_booking(struct scene *s, const char *starts_at)
{
    int64_t ms;
    assert_int_equal(time_parse_ms(bytes_of(starts_at), &ms), ERR_OK);
    s->starts_at.seconds = ms / 1000;
    s->booking.starts_at = &s->starts_at;
    s->event.booking = &s->booking;
}

static void with_everything(struct scene *s)
{
    s->recipient.name = text_of("Marie");
    s->event.recipient = &s->recipient;
    with_booking(s, "2026-08-01T12:30:00Z");
    with_variable(s, "manage_url", "https://x.example/m?a=1&b=2");
    with_variable(s, "pay_url", "https://x.example/p");
    with_variable(s, "code", "123456");
    with_label(s, "sentiment", "negative");
    with_label(s, "facet", "accueil");
    s->event.customer_reference = text_of("C-77");
    s->event.transaction_id = text_of("T-88");
    s->sender = (struct tenant_sender){.channel = SMS, .name = BYTES("Salon Lila")};
    s->tenant.senders = &s->sender;
    s->tenant.sender_count = 1;
}

static struct template compiled(struct scene *s, const char *source)
{
    struct template t = {0};
    struct template_error error;
    if (source)
        assert_int_equal(template_compile(bytes_of(source), &s->arena, &t, &error), ERR_OK);
    return t;
}

static void with_tenant_text(struct scene *s, const char *locale, const char *text)
{
    s->tenants[s->tenant.template_count++] = (struct named_template){
        .kind = s->input.kind->text_kind,
        .channel = s->input.channel,
        .locale = bytes_of(locale),
        .text = compiled(s, text),
    };
}

static void with_config_text(struct scene *s, const char *name, const char *locale,
                             const char *subject, const char *text, const char *html)
{
    s->configs[s->input.template_count++] = (struct named_template){
        .name = bytes_of(name),
        .channel = s->input.channel,
        .locale = bytes_of(locale),
        .subject = compiled(s, subject),
        .text = compiled(s, text),
        .html = compiled(s, html),
    };
}

static const char *copy(struct bytes b)
{
    static char texts[4][4096];
    static uint32_t turn;
    char *to = texts[turn++ % 4];
    assert_true(b.size < sizeof texts[0]);
    if (b.size > 0)
        memcpy(to, b.at, b.size);
    to[b.size] = '\0';
    return to;
}

static const char *filled(struct scene *s)
{
    assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_OK);
    return copy(s->texts.text);
}

static bool has(struct bytes text, const char *part)
{
    return text.size > 0 && memmem(text.at, text.size, part, strlen(part)) != NULL;
}

/* Calls for every kind, channel of its audience and language. */
static void for_all(void (*check)(Carillon__V1__Kind, Carillon__V1__Channel, const char *))
{
    static const char *const locales[] = {"en", "fr"};
    for (int kind = 1; kind < KIND_COUNT; kind++)
        for (Carillon__V1__Channel channel = SMS; channel <= PUSH; channel++)
            for (size_t l = 0; l < countof(locales); l++)
                if (kind_channels(kind_row_of((Carillon__V1__Kind)kind)) & 1u << channel)
                    check((Carillon__V1__Kind)kind, channel, locales[l]);
}

static void assert_clean(struct bytes text)
{
    assert_true(text.size > 0);
    assert_false(has(text, "{{") || has(text, "[[") || has(text, "]]") || has(text, "}}"));
    assert_false(has(text, "|") || has(text, "  ") || has(text, " ."));
}

static void check_bare(Carillon__V1__Kind kind, Carillon__V1__Channel channel, const char *locale)
{
    struct scene *s = scene(kind, channel, locale);
    if (kind == KIND(ONE_TIME_CODE)) {
        assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_NOT_FOUND);
        assert_true(bytes_equal(s->texts.missing, BYTES("code")));
        return;
    }
    filled(s);
    assert_clean(s->texts.text);
    assert_true((s->texts.subject.size > 0) == (channel != SMS));
    assert_true((s->texts.html.size > 0) == (channel == EMAIL));
}

static void every_kind_has_a_text_without_anything_known(void **state)
{
    (void)state;
    for_all(check_bare);
}

static void check_full(Carillon__V1__Kind kind, Carillon__V1__Channel channel, const char *locale)
{
    struct scene *s = scene(kind, channel, locale);
    with_everything(s);
    filled(s);
    assert_clean(s->texts.text);
    bool customer = s->input.kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER;
    if (customer)
        assert_true(has(s->texts.text, "Salon Lila"));
    if (kind_is(s->input.kind, KIND_BOOKING))
        assert_true(has(s->texts.text, locale[0] == 'f' ? "samedi 1er " : "Sat 1 August, 2:30 pm"));
    if (channel == SMS)
        assert_int_equal(segments_count(s->texts.text).encoding,
                         CARILLON__V1__ENCODING__ENCODING_GSM7);
    if (channel == SMS)
        assert_true(segments_count(s->texts.text).segments <= 2);
}

static void every_kind_says_what_is_known_and_sms_keep_to_gsm7(void **state)
{
    (void)state;
    for_all(check_full);
}

static void texts_read_well(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(REMINDER), SMS, "fr-FR");
    with_everything(s);
    assert_string_equal(filled(s), "Salon Lila : rappel de votre rendez-vous du samedi 1er aout à "
                                   "14 h 30. Modifier ou annuler : https://x.example/m?a=1&b=2");
    s = scene(KIND(REMINDER), SMS, "fr");
    assert_string_equal(filled(s), "Rappel de votre rendez-vous.");
    s = scene(KIND(BOOKING_CONFIRMED), EMAIL, "en");
    s->recipient.name = text_of("Marie");
    s->event.recipient = &s->recipient;
    assert_string_equal(filled(s), "Hello Marie,\n\nYour appointment is confirmed. We look forward "
                                   "to seeing you.\n\nKind regards");
    assert_string_equal(copy(s->texts.subject), "Appointment confirmed");
    s = scene(KIND(FEEDBACK_ALERT), PUSH, "en");
    with_label(s, "sentiment", "positive");
    assert_string_equal(filled(s), "A customer has left feedback.");
    with_label(s, "facet", "staff");
    s->labels[0].value = text_of("negative");
    assert_string_equal(filled(s), "A customer has left negative feedback: staff.");
    assert_string_equal(copy(s->texts.subject), "New negative feedback");
}

static void html_is_escaped_and_its_links_can_be_followed(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(REMINDER), EMAIL, "en");
    with_everything(s);
    s->recipient.name = text_of("<b>\"Bob\"</b>");
    filled(s);
    assert_true(has(s->texts.html, "<p>Hello &lt;b&gt;&quot;Bob&quot;&lt;/b&gt;,</p>\n<p>This is"));
    assert_true(has(s->texts.html, "<a href=\"https://x.example/m?a=1&amp;b=2\">"
                                   "https://x.example/m?a=1&amp;b=2</a>"));
    assert_true(has(s->texts.html, "Kind regards,<br>\nSalon Lila</p>\n</body>"));
    assert_true(has(s->texts.html, "<html lang=\"en\">"));
    s->variables[0].value = text_of("javascript:alert(1)");
    filled(s);
    assert_false(has(s->texts.html, "href"));
}

static void an_additional_reminder_takes_the_reminders_texts(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(ADDITIONAL_REMINDER), SMS, "en");
    assert_string_equal(filled(s), "A reminder of your appointment.");
    s->tenant.custom_channels = CHANNELS_SMS;
    with_tenant_text(s, "en", "Soon!");
    assert_string_equal(filled(s), "Soon!");
}

static void the_language_falls_back_to_the_tenants_and_to_english(void **state)
{
    (void)state;
    static const struct {
        const char *event, *recipient, *tenant;
        bool french;
    } cases[] = {{"fr-CA", "en", "en", true}, {"FR", NULL, NULL, true},
                 {NULL, "fr", "en", true},    {NULL, NULL, "fr", true},
                 {"de", "fr", "fr-FR", true}, {"de", "fr", "en", false},
                 {"de", NULL, NULL, false},   {NULL, NULL, NULL, false},
                 {"frr", NULL, "en", false},  {"", "fr", "en", true}};
    for (size_t i = 0; i < countof(cases); i++) {
        struct scene *s = scene(KIND(REMINDER), SMS, cases[i].event);
        s->recipient.locale = text_of(cases[i].recipient);
        s->event.recipient = &s->recipient;
        s->tenant.locale = bytes_of(cases[i].tenant);
        assert_string_equal(filled(s), cases[i].french ? "Rappel de votre rendez-vous."
                                                       : "A reminder of your appointment.");
    }
}

static void a_persons_text_is_sent_as_it_is(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(DIRECT_MESSAGE), SMS, "en");
    s->event.content = &s->content;
    s->content.text = text_of("See {{you}} & <me>");
    s->event.template_ = text_of("ignored");
    assert_string_equal(filled(s), "See {{you}} & <me>");
    assert_ptr_equal(s->texts.text.at, s->content.text);
    assert_int_equal(s->texts.source, TEMPLATE_CONTENT);
    s->input.channel = EMAIL;
    s->content.html = text_of("<p>{{you}}</p>");
    filled(s);
    assert_string_equal(copy(s->texts.html), "<p>{{you}}</p>");
    assert_string_equal(copy(s->texts.subject), "A message");
    s->content.subject = text_of("Hi");
    filled(s);
    assert_string_equal(copy(s->texts.subject), "Hi");
}

static void an_attachment_may_come_without_a_word(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(DIRECT_MESSAGE), SMS, "en");
    s->event.n_attachments = 1;
    assert_string_equal(filled(s), "");
    assert_int_equal(s->texts.source, TEMPLATE_CONTENT);
    s = scene(KIND(INVOICE), SMS, "en");
    s->event.n_attachments = 1;
    assert_string_equal(filled(s), "Your invoice is ready.");
}

static void the_config_has_the_template_that_the_event_names(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(RECEIPT), EMAIL, "fr");
    with_config_text(s, "thanks", "en", "Thanks", "Thanks {{who}}", "<p>{{who}}</p>");
    with_config_text(s, "thanks", "fr", "Merci", "Merci {{who}}", "<p>{{who}}</p>");
    s->event.template_ = text_of("thanks");
    assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_NOT_FOUND);
    assert_string_equal(copy(s->texts.missing), "who");
    with_variable(s, "who", "<M>");
    assert_string_equal(filled(s), "Merci <M>");
    assert_string_equal(copy(s->texts.html), "<p>&lt;M&gt;</p>");
    assert_string_equal(copy(s->texts.subject), "Merci");
    assert_int_equal(s->texts.source, TEMPLATE_CONFIG);
    s->input.channel = SMS; /* which it lacks: the kind's text */
    assert_string_equal(filled(s), "Merci pour votre paiement.");
    assert_int_equal(s->texts.source, TEMPLATE_DEFAULT);
    s->event.template_ = text_of("thank");
    assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_INVALID);
}

static void a_tenants_text_goes_only_where_its_plan_allows(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(REMINDER), SMS, "en");
    with_tenant_text(s, "en", "Hey {{who}}");
    s->tenant.custom_channels = CHANNELS_EMAIL;
    assert_string_equal(filled(s), "A reminder of your appointment.");
    assert_string_equal(texts_source_name(s->texts.source), "default(plan)");
    s->tenant.custom_channels = CHANNELS_SMS;
    assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_NOT_FOUND);
    with_variable(s, "who", "you");
    assert_string_equal(filled(s), "Hey you");
    assert_string_equal(texts_source_name(s->texts.source), "tenant");
    s->input.channel = EMAIL; /* of which it has none */
    filled(s);
    assert_string_equal(texts_source_name(s->texts.source), "default");
}

static void a_tenants_text_is_chosen_by_locale(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *tenant, *rows[3], *chosen;
    } cases[] = {
        {"fr-CA", "en", {"fr", "fr-CA", "en"}, "fr-CA"},
        {"fr-BE", "en", {"en", "fr-CA", NULL}, "fr-CA"},
        {"de", "fr", {"en", "fr", NULL}, "fr"},
        {"de", "fr-FR", {"en", "fr", NULL}, "fr"},
        {"de", "fr", {"es", "en", NULL}, "en"},
        {"fr", "fr", {"en", "", NULL}, ""},
        {"de", "it", {"en", "", NULL}, ""},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct scene *s = scene(KIND(REMINDER), SMS, cases[i].wanted);
        s->tenant.custom_channels = CHANNELS_SMS;
        s->tenant.locale = bytes_of(cases[i].tenant);
        for (size_t r = 0; r < 3 && cases[i].rows[r]; r++)
            with_tenant_text(s, cases[i].rows[r], cases[i].rows[r]);
        assert_string_equal(filled(s), cases[i].chosen);
    }
    struct scene *s = scene(KIND(REMINDER), SMS, "de");
    s->tenant.custom_channels = CHANNELS_SMS;
    with_tenant_text(s, "es", "Hola");
    assert_string_equal(filled(s), "A reminder of your appointment.");
    assert_int_equal(s->texts.source, TEMPLATE_DEFAULT);
}

static void an_auto_reply_says_what_the_tenant_wrote_for_it(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(AUTO_REPLY), SMS, "en");
    filled(s);
    assert_string_equal(texts_source_name(s->texts.source), "content");
    s->tenant.do_not_disturb_text = BYTES("Back on Monday.");
    assert_string_equal(filled(s), "Back on Monday.");
    assert_string_equal(texts_source_name(s->texts.source), "tenant");
    s->input.channel = EMAIL;
    assert_string_equal(filled(s), "Back on Monday.");
    assert_string_equal(copy(s->texts.subject), "We have your message");
}

static void marketing_by_sms_says_how_to_opt_out(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(CAMPAIGN), SMS, "fr");
    s->event.content = &s->content;
    s->content.text = text_of("-20 % ce week-end");
    assert_string_equal(filled(s), "-20 % ce week-end\nRépondez STOP pour vous désabonner.");
    assert_true(s->texts.hinted);
    assert_string_equal(texts_source_name(s->texts.source), "content");
    s->input.kind = kind_row_of(KIND(COUPON));
    s->event.locale = text_of("en");
    s->event.content = NULL;
    assert_string_equal(filled(s), "An offer is waiting for you.\nReply STOP to opt out.");
    assert_string_equal(texts_source_name(s->texts.source), "content");
    s->input.channel = EMAIL;
    filled(s);
    assert_false(s->texts.hinted || has(s->texts.text, "STOP"));
    s->input.channel = SMS;
    s->input.kind = kind_row_of(KIND(RECEIPT));
    filled(s);
    assert_false(s->texts.hinted || has(s->texts.text, "STOP"));
}

static void a_business_name_cannot_break_a_subject(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(RECEIPT), EMAIL, "en");
    with_everything(s);
    s->sender.name = BYTES("A\r\nBcc: b");
    filled(s);
    assert_string_equal(copy(s->texts.subject), "Your receipt from A  Bcc: b");
}

static void times_are_shown_in_the_zone_and_in_the_language(void **state)
{
    (void)state;
    static const struct {
        const char *locale, *zone, *at, *text;
        bool uncertain;
    } cases[] = {
        {"fr", "Europe/Paris", "2026-03-03T13:30:00Z", "mardi 3 mars à 14 h 30", false},
        {"fr", "Europe/Paris", "2026-07-01T12:00:00Z", "mercredi 1er juillet à 14 h", false},
        {"fr", "Indian/Reunion", "2026-02-10T21:05:00Z", "mercredi 11 février à 1 h 05", false},
        {"fr", "Europe/Paris", "2027-08-10T22:00:00Z", "mercredi 11 août 2027 à 0 h", false},
        {"en", "Europe/Paris", "2026-03-03T13:30:00Z", "Tue 3 March, 2:30 pm", false},
        {"en-US", "America/New_York", "2026-03-03T13:30:00Z", "Tue, March 3, 8:30 am", false},
        {"en-US", "UTC", "2027-03-03T00:00:00Z", "Wed, March 3, 2027, 12 am", false},
        {"en-GB", "Asia/Kolkata", "2026-03-03T06:30:00Z", "Tue 3 March, 12 pm (UTC+5:30)", true},
        {"en", "America/New_York", "2026-03-03T13:05:00Z", "Tue 3 March, 8:05 am (UTC-5)", true},
        {"en", NULL, "2026-03-03T13:30:00Z", "Tue 3 March, 1:30 pm (UTC)", false},
    };
    for (size_t i = 0; i < countof(cases); i++) {
        struct scene *s = scene(KIND(REMINDER), EMAIL, cases[i].locale);
        with_booking(s, cases[i].at);
        s->input.zone = cases[i].zone ? zone_find(zones, bytes_of(cases[i].zone)) : NULL;
        s->input.zone_uncertain = cases[i].uncertain;
        filled(s);
        if (!has(s->texts.text, cases[i].text))
            fail_msg("%s not in: %s", cases[i].text, copy(s->texts.text));
    }
}

static void without_a_start_the_earliest_service_counts(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(REMINDER), SMS, "en");
    Google__Protobuf__Timestamp late = GOOGLE__PROTOBUF__TIMESTAMP__INIT, early = late;
    late.seconds = 1772550000; /* 2026-03-03 15:00Z */
    early.seconds = late.seconds - 3600;
    Carillon__V1__Service a = CARILLON__V1__SERVICE__INIT, b = a, c = a;
    a.starts_at = &late;
    b.starts_at = &early;
    Carillon__V1__Service *services[] = {&a, &b, &c};
    s->booking.services = services;
    s->booking.n_services = countof(services);
    s->event.booking = &s->booking;
    assert_string_equal(filled(s), "A reminder of your appointment on Tue 3 March, 3 pm.");
    s->booking.services[0] = s->booking.services[1] = &c;
    assert_string_equal(filled(s), "A reminder of your appointment.");
}

static void an_arena_too_small_is_said_whatever_its_size(void **state)
{
    (void)state;
    static const Carillon__V1__Channel channels[] = {SMS, EMAIL};
    for (size_t i = 0; i < countof(channels); i++) {
        struct scene *s = scene(KIND(COUPON), channels[i], "fr");
        with_everything(s);
        filled(s);
        size_t needed = s->arena.used;
        for (size_t size = 0; size < needed; size++) {
            s->arena = arena_of(s->memory, size);
            assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_TOO_LARGE);
        }
        s->arena = arena_of(s->memory, needed);
        filled(s);
    }
}

/* Wherever the first part ends: in a value, in a text, between two texts. */
static void an_arena_of_two_parts_makes_no_difference(void **state)
{
    (void)state;
    static char further[16 * 1024];
    struct scene *s = scene(KIND(BOOKING_CONFIRMED), EMAIL, "fr");
    with_everything(s);
    filled(s);
    char *text = strndup(s->texts.text.at, s->texts.text.size);
    char *html = strndup(s->texts.html.at, s->texts.html.size);
    size_t needed = s->arena.used;
    for (size_t size = 0; size < needed; size += 16) {
        memset(s->memory, 0, needed);
        memset(further, 0, sizeof further);
        s->arena = arena_of_two(s->memory, size, further, sizeof further);
        filled(s);
        assert_true(bytes_equal(s->texts.text, bytes_of(text)));
        assert_true(bytes_equal(s->texts.html, bytes_of(html)));
    }
    free(text);
    free(html);
}

static int open_zones(void **state)
{
    (void)state;
    zones = zones_open();
    defaults = texts_open();
    return zones == NULL;
}

static int close_zones(void **state)
{
    (void)state;
    zones_close(zones);
    texts_close(defaults);
    return 0;
}

/* An e-mail's template may have HTML alone; a text message's may not. */
static void a_template_speaks_where_it_has_a_part_for_the_channel(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(RECEIPT), EMAIL, "en");
    s->event.template_ = text_of("t");
    with_config_text(s, "t", "en", NULL, NULL, "<p>hi</p>");
    assert_int_equal(texts_fill(&s->input, &s->arena, &s->texts), ERR_OK);
    assert_true(bytes_equal(s->texts.html, BYTES("<p>hi</p>")));
    assert_int_equal(s->texts.text.size, 0);

    s = scene(KIND(RECEIPT), SMS, "en");
    s->event.template_ = text_of("t");
    with_config_text(s, "t", "en", NULL, NULL, "<p>hi</p>");
    with_config_text(s, "t", "en", "subject alone", NULL, NULL);
    assert_true(strncmp(filled(s), "Thank you for your payment", 26) == 0);
    assert_int_equal(s->texts.source, TEMPLATE_DEFAULT);
}

static void a_tenants_text_for_another_kind_is_not_used(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(RECEIPT), SMS, "en");
    s->tenant.custom_channels = 1u << SMS;
    with_tenant_text(s, "en", "of a reminder");
    s->tenants[0].kind = KIND(REMINDER);
    filled(s);
    assert_int_equal(s->texts.source, TEMPLATE_DEFAULT);
}

static void a_senders_name_of_another_channel_does_where_there_is_none(void **state)
{
    (void)state;
    struct tenant_sender senders[] = {{.channel = SMS}, {.channel = EMAIL, .name = BYTES("Lila")}};
    struct scene *s = scene(KIND(RECEIPT), SMS, "en");
    s->tenant.senders = senders;
    s->tenant.sender_count = 2;
    assert_true(strncmp(filled(s), "Lila: ", 6) == 0);
}

static void a_name_leaves_no_control_character_in_a_subject(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(RECEIPT), EMAIL, "en");
    s->sender = (struct tenant_sender){.channel = EMAIL,
                                       .name = BYTES("A\tB\x7f"
                                                     "C")};
    s->tenant.senders = &s->sender;
    s->tenant.sender_count = 1;
    filled(s);
    assert_string_equal(copy(s->texts.subject), "Your receipt from A B C");
}

/* A campaign of attachments alone has no text before the hint. */
static void the_hint_may_be_all_of_a_text(void **state)
{
    (void)state;
    struct scene *s = scene(KIND(CAMPAIGN), SMS, "en");
    s->tenant.custom_channels = 1u << SMS;
    with_tenant_text(s, "en", "");
    assert_string_equal(filled(s), "Reply STOP to opt out.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_speaks_where_it_has_a_part_for_the_channel),
        cmocka_unit_test(a_tenants_text_for_another_kind_is_not_used),
        cmocka_unit_test(a_senders_name_of_another_channel_does_where_there_is_none),
        cmocka_unit_test(a_name_leaves_no_control_character_in_a_subject),
        cmocka_unit_test(the_hint_may_be_all_of_a_text),
        cmocka_unit_test(every_kind_has_a_text_without_anything_known),
        cmocka_unit_test(every_kind_says_what_is_known_and_sms_keep_to_gsm7),
        cmocka_unit_test(texts_read_well),
        cmocka_unit_test(html_is_escaped_and_its_links_can_be_followed),
        cmocka_unit_test(an_additional_reminder_takes_the_reminders_texts),
        cmocka_unit_test(the_language_falls_back_to_the_tenants_and_to_english),
        cmocka_unit_test(a_persons_text_is_sent_as_it_is),
        cmocka_unit_test(an_attachment_may_come_without_a_word),
        cmocka_unit_test(the_config_has_the_template_that_the_event_names),
        cmocka_unit_test(a_tenants_text_goes_only_where_its_plan_allows),
        cmocka_unit_test(a_tenants_text_is_chosen_by_locale),
        cmocka_unit_test(an_auto_reply_says_what_the_tenant_wrote_for_it),
        cmocka_unit_test(marketing_by_sms_says_how_to_opt_out),
        cmocka_unit_test(a_business_name_cannot_break_a_subject),
        cmocka_unit_test(times_are_shown_in_the_zone_and_in_the_language),
        cmocka_unit_test(without_a_start_the_earliest_service_counts),
        cmocka_unit_test(an_arena_too_small_is_said_whatever_its_size),
        cmocka_unit_test(an_arena_of_two_parts_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
