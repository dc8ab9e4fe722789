#include "scenario.h"

#include "base/time.h"
#include "carillon/v1/event.pb-c.h"
#include "domain/pbjson.h"

#include <inttypes.h>
#include <stdlib.h>

enum address { TO_SMS = 1, TO_EMAIL = 2, TO_BOTH = 3, TO_OWNER = 4 };

/* The mix. What `prefers` leaves out has no leg; a channel without an address is refused.
 * Each row goes with the settings of scenario_print_tenants and no other state. */
static const struct row {
    const char *name;
    Carillon__V1__Kind kind;
    enum address to;
    Carillon__V1__Preference prefers;
    uint32_t weight;
    bool content, urgent, hinted;
} rows[] = {
    {"reminder", CARILLON__V1__KIND__KIND_REMINDER, TO_BOTH, 0, 30, false, false, false},
    {"booking_confirmed", CARILLON__V1__KIND__KIND_BOOKING_CONFIRMED, TO_BOTH,
     CARILLON__V1__PREFERENCE__PREFERENCE_SMS, 20, false, false, false},
    {"receipt", CARILLON__V1__KIND__KIND_RECEIPT, TO_EMAIL, 0, 10, false, false, false},
    {"auto_reply", CARILLON__V1__KIND__KIND_AUTO_REPLY, TO_SMS, 0, 15, false, false, false},
    {"direct_message", CARILLON__V1__KIND__KIND_DIRECT_MESSAGE, TO_EMAIL, 0, 10, true, false,
     false},
    {"feedback_alert", CARILLON__V1__KIND__KIND_FEEDBACK_ALERT, TO_OWNER, 0, 5, false, false,
     false},
    {"one_time_code", CARILLON__V1__KIND__KIND_ONE_TIME_CODE, TO_SMS, 0, 10, false, true, false},
    {"campaign", CARILLON__V1__KIND__KIND_CAMPAIGN, TO_BOTH, 0, 0, true, false, true},
};

static const char *const phrases[2][4] = {
    {"your appointment is tomorrow at 2:30 pm", "50% off & more: \"buy one + get one\" at 5 EUR",
     "thanks for your visit!\nSee you soon", "we said: a=b&c=d%20e\\f"},
    {"votre rendez-vous est demain à 14 h 30", "-50 % & plus : « un acheté = un offert » à 5 €",
     "merci de votre visite 🎉\nÀ bientôt", "nous avons écrit : a=b&c=d%20e\\f"},
};

const char scenario_templates_yaml[] =
    "templates:\n"
    "  - name: bench\n    channel: sms\n    locale: en\n"
    "    text: \"Hello {{name}}, {{phrase}} ({{token}})\"\n"
    "  - name: bench\n    channel: sms\n    locale: fr\n"
    "    text: \"Bonjour {{name}}, {{phrase}} ({{token}})\"\n"
    "  - name: bench\n    channel: email\n    locale: en\n    subject: \"For {{name}}\"\n"
    "    text: \"Hello {{name}}, {{phrase}} ({{token}})\"\n"
    "  - name: bench\n    channel: email\n    locale: fr\n    subject: \"Pour {{name}}\"\n"
    "    text: \"Bonjour {{name}}, {{phrase}} ({{token}})\"\n";

void scenario_print_tenants(const struct scenario *s, FILE *to)
{
    for (uint32_t i = 0; i < s->tenants; i++)
        fprintf(to,
                "{\"tenant_id\":\"tenant-%" PRIu32 "\",\"version\":\"1\",\"verified\":true,"
                "\"zone\":\"Europe/Paris\",\"owner_email\":\"owner@tenant-%" PRIu32
                ".example.com\",\"quiet_hours\":[{\"class\":\"reminder\",\"enabled\":false}]}\n",
                i, i);
}

struct scenario scenario_default(void)
{
    struct scenario s = {.seed = 1, .tenants = 20, .countries = 1};
    for (size_t i = 0; i < countof(rows); i++)
        s.weights[i] = rows[i].weight;
    return s;
}

bool scenario_set_mix(struct scenario *s, const char *value)
{
    memset(s->weights, 0, sizeof s->weights);
    while (*value != '\0') {
        size_t size = strcspn(value, "=");
        size_t at = 0;
        while (at < countof(rows) &&
               !bytes_equal((struct bytes){value, size}, bytes_of(rows[at].name)))
            at++;
        if (at == countof(rows) || value[size] != '=')
            return false;
        char *end;
        s->weights[at] = (uint32_t)strtoul(value + size + 1, &end, 10);
        if (end == value + size + 1 || (*end != ',' && *end != '\0'))
            return false;
        value = *end == ',' ? end + 1 : end;
    }
    return true;
}

/* One of several independent draws for the event. */
static uint64_t draw(const struct scenario *s, uint32_t number, uint32_t what)
{
    uint64_t pair = (uint64_t)what << 32 | number;
    return hash64(&pair, sizeof pair, s->seed);
}

static bool chance(const struct scenario *s, uint32_t number, uint32_t what, double share)
{
    return (double)(draw(s, number, what) >> 11) * 0x1p-53 < share;
}

int scenario_repeats(const struct scenario *s, uint32_t number)
{
    if (!chance(s, number, 1, s->duplicates) || chance(s, number, 2, s->malformed))
        return 0;
    return 1 + (int)(draw(s, number, 3) & 1);
}

static const struct row *row_of(const struct scenario *s, uint32_t number)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < countof(rows); i++)
        sum += s->weights[i];
    CHECK(sum > 0);
    uint64_t at = draw(s, number, 4) % sum;
    for (size_t i = 0; i < countof(rows); i++) {
        if (at < s->weights[i])
            return &rows[i];
        at -= s->weights[i];
    }
    CHECK(false);
    return NULL;
}

/* The event and all it points to. */
struct build {
    Carillon__V1__Event event;
    Carillon__V1__Recipient recipient;
    Carillon__V1__Booking booking;
    Carillon__V1__Author author;
    Carillon__V1__Content content;
    Carillon__V1__Event__VariablesEntry entries[4], *variables[4];
    Google__Protobuf__Timestamp created, due, starts;
    char event_id[32], tenant[32], sms[32], email[64], booking_id[48], text[512], code[16];
};

static Google__Protobuf__Timestamp *stamp(Google__Protobuf__Timestamp *t, int64_t ms)
{
    google__protobuf__timestamp__init(t);
    t->seconds = ms / 1000;
    t->nanos = (int32_t)(ms % 1000) * 1000000;
    return t;
}

static void add_variable(struct build *b, const char *name, char *value)
{
    size_t at = b->event.n_variables++;
    CHECK(at < countof(b->entries));
    carillon__v1__event__variables_entry__init(&b->entries[at]);
    b->entries[at].key = (char *)(uintptr_t)name;
    b->entries[at].value = value;
    b->variables[at] = &b->entries[at];
    b->event.variables = b->variables;
}

static void address_it(const struct scenario *s, struct build *b, const struct row *row,
                       uint32_t number, struct load_record *record)
{
    static const char *const codes[SCENARIO_COUNTRIES] = {"336", "447", "491", "346", "393"};
    snprintf(b->sms, sizeof b->sms, "+%s%08" PRIu32, codes[number % s->countries], number);
    snprintf(b->email, sizeof b->email,
             row->to == TO_OWNER ? "owner@%s.example.com" : "camille.%s@example.com",
             row->to == TO_OWNER ? b->tenant : b->sms + 4);
    record->sms_to_hash = hash64(b->sms, strlen(b->sms), 0);
    record->email_to_hash = hash64(b->email, strlen(b->email), 0);
    if (row->to == TO_OWNER)
        return;
    carillon__v1__recipient__init(&b->recipient);
    b->event.recipient = &b->recipient;
    b->recipient.name = (char *)(uintptr_t) "Camille";
    if (row->prefers) {
        b->recipient.has_preference = 1;
        b->recipient.preference = row->prefers;
    }
    if (row->to & TO_SMS)
        b->recipient.sms = b->sms;
    if (row->to & TO_EMAIL)
        b->recipient.email = b->email;
}

/* The text that must arrive goes to b->text. */
static void say_it(const struct scenario *s, struct build *b, const struct row *row,
                   uint32_t number, struct load_record *record)
{
    int french = (int)(draw(s, number, 5) & 1);
    const char *phrase = phrases[french][draw(s, number, 6) % countof(phrases[0])];
    b->event.locale = (char *)(uintptr_t)(french ? "fr-FR" : "en");
    if (row->kind == CARILLON__V1__KIND__KIND_ONE_TIME_CODE) {
        snprintf(b->code, sizeof b->code, "%06" PRIu64, draw(s, number, 7) % 1000000);
        add_variable(b, "code", b->code);
    }
    if (row->content) {
        snprintf(b->text, sizeof b->text, "%s %s", phrase, record->token);
        carillon__v1__content__init(&b->content);
        b->content.text = b->text;
        b->content.subject = (char *)(uintptr_t) "Bonjour";
        b->event.content = &b->content;
    } else {
        snprintf(b->text, sizeof b->text, "%s Camille, %s (%s)", french ? "Bonjour" : "Hello",
                 phrase, record->token);
        b->event.template_ = (char *)(uintptr_t) "bench";
        add_variable(b, "name", (char *)(uintptr_t) "Camille");
        add_variable(b, "phrase", (char *)(uintptr_t)phrase);
        add_variable(b, "token", record->token);
    }
    uint64_t hash = hash64(b->text, strlen(b->text), 0);
    record->sms_text_hash = row->hinted ? 0 : hash;
    record->email_text_hash = row->hinted ? 0 : hash;
}

static void build_event(const struct scenario *s, const struct row *row, uint32_t number,
                        int64_t planned_ms, struct build *b, struct load_record *record)
{
    carillon__v1__event__init(&b->event);
    memcpy(b->event_id, record->token, EVENT_ID_SIZE);
    snprintf(b->tenant, sizeof b->tenant, "tenant-%" PRIu64, draw(s, number, 8) % s->tenants);
    b->event.event_id = b->event_id;
    b->event.tenant_id = b->tenant;
    b->event.has_kind = 1;
    b->event.kind = row->kind;
    b->event.created_at = stamp(&b->created, planned_ms);
    record->due_ms = planned_ms;
    if (s->due_spread_ms > 0 && chance(s, number, 9, 0.1))
        record->due_ms += (int64_t)(draw(s, number, 10) % (uint64_t)s->due_spread_ms);
    if (s->defer_over_ms > 0)
        record->due_ms += (int64_t)(draw(s, number, 13) % (uint64_t)s->defer_over_ms);
    b->event.due_at = stamp(&b->due, record->due_ms);
    if (!row->content && row->to != TO_OWNER) {
        carillon__v1__booking__init(&b->booking);
        snprintf(b->booking_id, sizeof b->booking_id, "booking-%" PRIu32, number);
        b->booking.booking_id = b->booking_id;
        b->booking.starts_at = stamp(&b->starts, planned_ms + TIME_DAY_MS);
        b->event.booking = &b->booking;
    }
    if (row->content) {
        carillon__v1__author__init(&b->author);
        b->author.role = (char *)(uintptr_t) "owner";
        b->event.author = &b->author;
    }
    address_it(s, b, row, number, record);
    say_it(s, b, row, number, record);
    snprintf(record->kind, sizeof record->kind, "%s", row->name);
    enum address called = row->prefers ? TO_SMS : row->to;
    snprintf(record->expect, sizeof record->expect, "%s",
             called == TO_BOTH  ? "sms+email"
             : called == TO_SMS ? "sms"
                                : "email");
}

static void encode(const struct scenario *s, const struct build *b, uint32_t number,
                   struct writer *w)
{
    bool json = s->format == SCENARIO_JSON ||
                (s->format == SCENARIO_MIXED && (draw(s, number, 11) & 1) != 0);
    if (json)
        pb_to_json(&b->event.base, w);
    else
        CHECK(pb_encode(&b->event.base, w) == ERR_OK);
    CHECK(!w->overflow);
}

/* Breaks a record in one of several ways. The token must not be found in what is sent. */
static void spoil(const struct scenario *s, struct build *b, uint32_t number,
                  struct load_record *record, struct writer *w)
{
    snprintf(record->kind, sizeof record->kind, "malformed");
    record->sms_text_hash = record->email_text_hash = 0;
    const char *expect = "dead";
    switch (draw(s, number, 12) % (b->event.recipient ? 6 : 4)) {
    case 0: /* an empty value */
        expect = "letter";
        break;
    case 1: /* protobuf that ends too early */
        CHECK(pb_encode(&b->event.base, w) == ERR_OK);
        w->size -= 5;
        expect = "letter";
        break;
    case 2: /* JSON that ends too early */
        pb_to_json(&b->event.base, w);
        w->size -= 5;
        expect = "letter";
        break;
    case 3:
        write_format(w, "{\"event_id\":\"%s\",\"tenant_id\":\"%s\",\"kind\":\"pigeon\"}",
                     b->event_id, b->tenant);
        break;
    case 4:
        b->event.recipient = NULL;
        encode(s, b, number, w);
        break;
    default: /* letters in the number */
        b->recipient.sms = (char *)(uintptr_t) "+336abc";
        b->recipient.email = NULL;
        encode(s, b, number, w);
        expect = "refused";
        break;
    }
    snprintf(record->expect, sizeof record->expect, "%s", expect);
}

void scenario_make(const struct scenario *s, uint32_t number, uint8_t copy, int64_t planned_ms,
                   struct made *out)
{
    struct build b = {0};
    const struct row *row = row_of(s, number);
    CHECK(number < 100000000 && copy < 10);
    out->record = (struct load_record){.partition = -1, .offset = -1, .planned_ms = planned_ms};
    snprintf(out->record.token, sizeof out->record.token, "bench-%08" PRIx32 "-%08" PRIu32 "-%u",
             (uint32_t)s->seed, number, copy);
    build_event(s, row, number, planned_ms, &b, &out->record);
    out->urgent = row->urgent;
    struct writer w = writer_of(out->value, sizeof out->value);
    if (chance(s, number, 2, s->malformed))
        spoil(s, &b, number, &out->record, &w);
    else
        encode(s, &b, number, &w);
    out->value_size = w.size;
    /* a late copy may come by another partition */
    int n = snprintf(out->key, sizeof out->key, "%s/%s%s", b.tenant,
                     row->to & TO_SMS ? b.sms : b.email, copy > 1 ? "#" : "");
    out->key_size = (size_t)n;
}
