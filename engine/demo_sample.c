#include "demo_sample.h"

#include "base/prng.h"
#include "base/time.h"
#include "domain/json.h"
#include "domain/zones.h"

const char *const sample_topic_names[SAMPLE_TOPIC_COUNT] = {
    [SAMPLE_EVENTS] = "carillon.events",
    [SAMPLE_URGENT] = "carillon.events.urgent",
    [SAMPLE_SUPPRESSIONS] = "carillon.suppressions",
    [SAMPLE_BOOKINGS] = "carillon.bookings.state",
    [SAMPLE_TENANTS] = "carillon.tenants",
};

/* Whatever the time is, it is the middle of the day somewhere: the customers are there,
 * so that no quiet hours hold up a demo. One zone per hour or so. */
static const char *const world[] = {
    "Pacific/Auckland",    "Pacific/Noumea",    "Australia/Brisbane",  "Asia/Tokyo",
    "Asia/Singapore",      "Asia/Ho_Chi_Minh",  "Asia/Dhaka",          "Asia/Karachi",
    "Indian/Reunion",      "Africa/Nairobi",    "Africa/Johannesburg", "Europe/Paris",
    "Europe/London",       "Atlantic/Azores",   "Atlantic/Cape_Verde", "America/Cayenne",
    "America/Martinique",  "America/New_York",  "America/Chicago",     "America/Denver",
    "America/Los_Angeles", "America/Anchorage", "Pacific/Tahiti",      "Pacific/Pago_Pago",
};
_Static_assert(countof(world) <= SAMPLE_ZONES_MAX, "all may be in use");

static const struct tenant_row {
    const char *id, *name, *locale, *zone, *more;
} tenants[] = {
    {"salon-lumiere", "Salon Lumière", "fr", "Europe/Paris", ""},
    {"clinique-des-lilas", "Clinique des Lilas", "fr", "Europe/Paris",
     ",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false}]"},
    {"studio-nord", "Studio Nord", "fr", "Europe/Brussels",
     ",\"custom_content\":\"all\",\"templates\":[{\"kind\":\"reminder\",\"channel\":\"sms\","
     "\"locale\":\"fr\",\"text\":\"{{first_name}}, Studio Nord vous attend. À très vite !\"}]"},
    {"garage-martin", "Garage Martin", "fr", "Europe/Paris",
     ",\"kinds\":[{\"kind\":\"receipt\",\"sms\":false,\"email\":false}]"},
    {"maison-verte", "La Maison Verte", "fr", "Europe/Zurich", ",\"verified\":false"},
    {"spa-azur", "Spa Azur", "fr", "Indian/Reunion",
     ",\"quiet_hours\":[{\"class\":\"reminder\",\"start\":\"21:00\",\"end\":\"08:00\"}]"},
    {"bright-dental", "Bright Dental", "en", "Europe/London", ""},
    {"the-yoga-room", "The Yoga Room", "en", "Europe/London",
     ",\"custom_content\":\"email\",\"templates\":[{\"kind\":\"booking_confirmed\","
     "\"channel\":\"email\",\"locale\":\"en\",\"subject\":\"See you on the mat\","
     "\"text\":\"Hello {{first_name}},\\n\\nyour place is booked. Change it here: "
     "{{manage_url}}\"}]"},
    {"northside-barbers", "Northside Barbers", "en", "America/New_York",
     ",\"kinds\":[{\"kind\":\"reminder\",\"email\":false}]"},
    {"city-physio", "City Physio", "en", "America/Toronto", ",\"zone_mode\":\"location\""},
    {"paws-and-claws", "Paws & Claws", "en", "Australia/Sydney",
     ",\"quiet_hours\":[{\"class\":\"reminder\",\"enabled\":false}]"},
    {"lang-tailors", "Lang \"Tailors\"", "en", "Asia/Singapore",
     ",\"do_not_disturb\":{\"enabled\":true,\"text\":\"We are closed.\"}"},
};

enum { TO_SMS = 1, TO_EMAIL = 2, TO_BOTH = 3 };

static const struct kind {
    const char *name, *class;
    uint32_t weight; /* of 100 */
    int to;
    bool booking, person, code;
} kinds[] = {
    {"reminder", "reminder", 45, TO_BOTH, true, false, false},
    {"booking_confirmed", "system", 20, TO_BOTH, true, false, false},
    {"receipt", "system", 12, TO_EMAIL, false, false, false},
    {"one_time_code", "urgent", 10, TO_SMS, false, false, true},
    {"direct_message", "conversation", 10, TO_BOTH, false, true, false},
    {"payment_request", "conversation", 3, TO_EMAIL, false, true, false},
};

/* What is odd about a booking: at most one thing. */
enum oddity {
    ODD_NOTHING,
    ODD_TWICE,
    ODD_OPTED_OUT,
    ODD_UNSUBSCRIBED,
    ODD_CANCELLED,
    ODD_SUPERSEDED,
    ODD_BAD_NUMBER,
    ODD_LAND_LINE,
    ODD_NO_ADDRESS,
    ODD_BLOCKED, /* by the platform */
    ODD_TOO_LATE,
    ODD_WANTS_NOTHING,
    ODD_NOT_JSON,
    ODD_COUNT
};

static const uint32_t odd_weights[ODD_COUNT] = {
    /* of 1,000; the rest is ODD_NOTHING */
    [ODD_TWICE] = 20,     [ODD_OPTED_OUT] = 25,    [ODD_UNSUBSCRIBED] = 15, [ODD_CANCELLED] = 20,
    [ODD_SUPERSEDED] = 5, [ODD_BAD_NUMBER] = 12,   [ODD_LAND_LINE] = 6,     [ODD_BLOCKED] = 3,
    [ODD_TOO_LATE] = 5,   [ODD_WANTS_NOTHING] = 8, [ODD_NO_ADDRESS] = 10,   [ODD_NOT_JSON] = 1,
};

static const char *const first_names[2][16] = {
    {"Alice", "Oliver", "Grace", "Harry", "Isla", "Jack", "Emily", "George", "Ava", "Noah",
     "Sophie", "Leo", "Freya", "Oscar", "Ruby", "Arthur"},
    {"Camille", "Léa", "Hugo", "Chloé", "Louis", "Manon", "Jules", "Inès", "Zoé", "Théo", "Élodie",
     "François", "Maëlle", "Rémi", "Aurélie", "Noé"},
};
static const char *const last_names[2][8] = {
    {"Smith", "Taylor", "Brown", "Wilson", "Evans", "Walker", "O'Neill", "Hughes"},
    {"Martin", "Lefèvre", "Dubois", "Moreau", "Garnier", "Roux", "Besançon", "Noël"},
};
static const char *const messages[2][4] = {
    {"Thanks for your message! Yes, we can move it to Thursday at 3 pm.",
     "Your parcel is here, come by whenever you like.",
     "Hello, do you still need the 30 minutes, or would 15 do?", "All set. See you soon :-)"},
    {"Merci pour votre message ! Oui, jeudi à 15 h nous va très bien.",
     "Votre commande est arrivée, passez quand vous voulez.",
     "Bonjour, avez-vous toujours besoin de 30 minutes ?",
     "C'est noté. À bientôt \xf0\x9f\x99\x82"},
};

struct booking {
    uint32_t index, tenant, dice;
    const struct kind *kind;
    enum oddity oddity;
    bool french;
    char sms[32], email[64], id[32];
    const char *first_name, *last_name;
};

static enum oddity oddity_of(uint64_t dice)
{
    for (uint32_t i = 1; i < ODD_COUNT; i++) {
        if (dice < odd_weights[i])
            return (enum oddity)i;
        dice -= odd_weights[i];
    }
    return ODD_NOTHING;
}

static const struct kind *kind_of(uint64_t dice)
{
    const struct kind *kind = kinds;
    for (; dice >= kind->weight; kind++)
        dice -= kind->weight;
    return kind;
}

/* Numbers that regulators keep for fiction: +33 6 39 98 xx xx and +44 7700 900 xxx. */
static void write_number(struct booking *b)
{
    struct writer w = writer_of(b->sms, sizeof b->sms - 1);
    if (b->oddity == ODD_BAD_NUMBER)
        write_format(&w, "06 39 98 %02u %02u", b->index / 100 % 100, b->index % 100);
    else if (b->french)
        write_format(&w, "+3363998%04u", b->index % 10000);
    else
        write_format(&w, "+447700900%03u", b->index % 1000);
    b->sms[w.size] = '\0';
}

static void make_booking(uint32_t index, struct booking *b)
{
    uint64_t seed = index + UINT64_C(20261124);
    *b = (struct booking){.index = index};
    b->tenant = (uint32_t)prng_upto(&seed, countof(tenants));
    b->kind = kind_of(prng_upto(&seed, 100));
    b->oddity = oddity_of(prng_upto(&seed, 1000));
    b->dice = (uint32_t)prng_next(&seed);
    b->french = tenants[b->tenant].locale[0] == 'f' ? b->dice % 10 != 0 : b->dice % 10 == 0;
    b->first_name = first_names[b->french][prng_upto(&seed, 16)];
    b->last_name = last_names[b->french][prng_upto(&seed, 8)];
    write_number(b);
    struct writer w = writer_of(b->email, sizeof b->email - 1);
    write_format(&w, "customer-%u@%s.example", index, b->french ? "fr" : "en");
    b->email[w.size] = '\0';
    w = writer_of(b->id, sizeof b->id - 1);
    write_format(&w, "booking-%u", index);
    b->id[w.size] = '\0';
}

static const char *tenant_of(const struct booking *b)
{
    return tenants[b->tenant].id;
}

static void text(struct writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_string(w, bytes_of(value));
}

static void time(struct writer *w, const char *key, int64_t ms)
{
    json_write_key(w, key);
    write_char(w, '"');
    time_write(w, ms);
    write_char(w, '"');
}

static void begin(struct writer *w, const char *key)
{
    if (key)
        json_write_key(w, key);
    write_char(w, '{');
}

static void end(struct writer *w)
{
    write_char(w, '}');
}

/* Key and value are written one behind the other. */
static struct writer record_begin(struct sample_record *record, enum sample_topic topic,
                                  struct bytes key)
{
    struct writer w = writer_of(record->memory, sizeof record->memory);
    record->topic = topic;
    write_slice(&w, key);
    CHECK(!w.overflow && key.size <= SAMPLE_KEY_MAX);
    record->key = writer_bytes(&w);
    return writer_of(record->memory + w.size, SAMPLE_VALUE_MAX);
}

static void record_end(struct sample_record *record, const struct writer *w)
{
    CHECK(!w->overflow);
    record->value = writer_bytes(w);
}

/* `tenant/subject`, and `/aspect` where there is one. */
static struct bytes key_of(char memory[SAMPLE_KEY_MAX], const char *tenant, const char *subject,
                           const char *aspect)
{
    struct writer w = writer_of(memory, SAMPLE_KEY_MAX);
    write_text(&w, tenant);
    write_char(&w, '/');
    write_text(&w, subject);
    if (aspect) {
        write_char(&w, '/');
        write_text(&w, aspect);
    }
    CHECK(!w.overflow);
    return writer_bytes(&w);
}

/* --- zones and tenants ------------------------------------------------------------------ */

bool sample_open(struct sample *sample, struct zones *zones, int64_t now_ms)
{
    *sample = (struct sample){0};
    for (uint32_t i = 0; i < countof(world); i++) {
        const struct zone *zone = zone_find(zones, bytes_of(world[i]));
        if (!zone)
            continue;
        uint8_t hour = civil_of_ms(zone_wall_ms(zone, now_ms)).hour;
        if (hour >= 9 && hour < 17)
            sample->zones[sample->zone_count++] = world[i];
    }
    return sample->zone_count > 0;
}

uint32_t sample_tenant_count(void)
{
    return countof(tenants);
}

void sample_tenant(uint32_t index, struct sample_record *out)
{
    const struct tenant_row *row = &tenants[index];
    struct writer w = record_begin(out, SAMPLE_TENANTS, bytes_of(row->id));
    begin(&w, NULL);
    text(&w, "tenant_id", row->id);
    text(&w, "version", "1");
    text(&w, "zone", row->zone);
    text(&w, "locale", row->locale);
    if (!strstr(row->more, "verified"))
        write_literal(&w, ",\"verified\":true");
    write_literal(&w, ",\"senders\":[{\"channel\":\"sms\",\"name\":");
    json_write_string(&w, bytes_of(row->name));
    write_literal(&w, "},{\"channel\":\"email\",\"name\":");
    json_write_string(&w, bytes_of(row->name));
    write_literal(&w, "}]");
    write_text(&w, row->more);
    end(&w);
    record_end(out, &w);
}

/* --- what is known beforehand ------------------------------------------------------------ */

static void fact(const struct booking *b, const char *tenant, const char *address,
                 const char *aspect, const char *field, const char *value,
                 struct sample_record *out)
{
    char memory[SAMPLE_KEY_MAX];
    struct writer w =
        record_begin(out, SAMPLE_SUPPRESSIONS, key_of(memory, tenant, address, aspect));
    begin(&w, NULL);
    text(&w, "tenant_id", tenant);
    text(&w, "address", address);
    json_write_key(&w, field);
    write_text(&w, value);
    text(&w, "source", b->french ? "exemple" : "sample");
    end(&w);
    record_end(out, &w);
}

static void booking_fact(const struct booking *b, const char *revision, bool cancelled,
                         struct sample_record *out)
{
    char memory[SAMPLE_KEY_MAX];
    struct writer w = record_begin(out, SAMPLE_BOOKINGS, key_of(memory, tenant_of(b), b->id, NULL));
    begin(&w, NULL);
    text(&w, "tenant_id", tenant_of(b));
    text(&w, "booking_id", b->id);
    text(&w, "revision", revision);
    if (cancelled)
        write_literal(&w, ",\"cancelled\":true");
    end(&w);
    record_end(out, &w);
}

static bool odd_fact(const struct booking *b, struct sample_record *out)
{
    char classes[32];
    switch (b->oddity) {
    case ODD_OPTED_OUT:
        fact(b, tenant_of(b), b->sms, "opt_out", "opted_out", "true", out);
        return true;
    case ODD_UNSUBSCRIBED: {
        struct writer w = writer_of(classes, sizeof classes - 1);
        write_format(&w, "[\"%s\"]", b->kind->class);
        classes[w.size] = '\0';
        fact(b, tenant_of(b), b->email, "unsubscribe", "unsubscribed_classes", classes, out);
        return true;
    }
    case ODD_BLOCKED:
        fact(b, "*", b->email, "block", "blocked", "true", out);
        return true;
    case ODD_CANCELLED:
        booking_fact(b, "1", true, out);
        return true;
    case ODD_SUPERSEDED:
        booking_fact(b, "2", false, out);
        return true;
    case ODD_NOTHING:
    case ODD_TWICE:
    case ODD_BAD_NUMBER:
    case ODD_LAND_LINE:
    case ODD_NO_ADDRESS:
    case ODD_TOO_LATE:
    case ODD_WANTS_NOTHING:
    case ODD_NOT_JSON:
    case ODD_COUNT:
        break;
    }
    return false;
}

uint32_t sample_facts(uint32_t index, struct sample_record out[SAMPLE_FACTS_MAX])
{
    struct booking b;
    make_booking(index, &b);
    uint32_t count = odd_fact(&b, out) ? 1 : 0;
    if (b.kind->person && b.kind->to & TO_SMS && b.oddity != ODD_BAD_NUMBER && b.dice % 4 != 0)
        fact(&b, tenant_of(&b), b.sms, "consent", "consent_attested", "true", &out[count++]);
    return count;
}

/* --- messages ----------------------------------------------------------------------------- */

bool sample_comes_twice(uint32_t index)
{
    struct booking b;
    make_booking(index, &b);
    return b.oddity == ODD_TWICE;
}

static void write_recipient(struct writer *w, const struct sample *sample, const struct booking *b)
{
    static const char *const preferences[] = {"both", "both", "both", "sms", "email"};
    char name[64];
    struct writer n = writer_of(name, sizeof name - 1);
    write_format(&n, "%s %s", b->first_name, b->last_name);
    name[n.size] = '\0';
    begin(w, "recipient");
    if (b->kind->to & TO_SMS)
        text(w, "sms", b->sms);
    if (b->kind->to & TO_EMAIL && b->oddity != ODD_NO_ADDRESS)
        text(w, "email", b->email);
    text(w, "name", name);
    text(w, "locale", b->french ? "fr" : "en");
    text(w, "zone", sample->zones[b->index % sample->zone_count]);
    if (b->oddity == ODD_LAND_LINE)
        text(w, "line_type", "landline");
    text(w, "preference",
         b->oddity == ODD_WANTS_NOTHING ? "none" : preferences[b->dice % countof(preferences)]);
    end(w);
}

static void write_booking(struct writer *w, const struct booking *b, int64_t now_ms)
{
    const int64_t hour_ms = 3600 * 1000;
    int64_t day_ms = now_ms - now_ms % TIME_DAY_MS;
    begin(w, "booking");
    text(w, "booking_id", b->id);
    text(w, "revision", "1");
    time(w, "starts_at", day_ms + TIME_DAY_MS * (2 + b->dice % 5) + hour_ms * (8 + b->dice % 10));
    time(w, "made_at", now_ms - 7 * TIME_DAY_MS);
    end(w);
}

static void write_variables(struct writer *w, const struct booking *b)
{
    char url[96], code[16];
    struct writer u = writer_of(url, sizeof url - 1), c = writer_of(code, sizeof code - 1);
    write_format(&u, "https://book.example/%s/%s", tenant_of(b), b->id);
    write_format(&c, "%06u", b->dice % 1000000);
    url[u.size] = code[c.size] = '\0';
    begin(w, "variables");
    text(w, "first_name", b->first_name);
    if (b->kind->code)
        text(w, "code", code);
    else
        text(w, b->kind->person ? "pay_url" : "manage_url", url);
    end(w);
}

static void write_event(struct writer *w, const struct sample *sample, const struct booking *b,
                        int64_t now_ms)
{
    begin(w, NULL);
    json_write_key(w, "event_id");
    write_format(w, "\"demo-%06u\"", b->index);
    text(w, "tenant_id", tenant_of(b));
    text(w, "kind", b->kind->name);
    int64_t due_ms = b->oddity == ODD_TOO_LATE ? now_ms - 3 * TIME_DAY_MS : now_ms;
    time(w, "created_at", due_ms - 1000);
    time(w, "due_at", due_ms);
    if (b->oddity == ODD_TOO_LATE)
        time(w, "expires_at", now_ms - 1000);
    if (b->kind->to != TO_BOTH)
        text(w, "channel", b->kind->to == TO_SMS ? "sms" : "email");
    write_recipient(w, sample, b);
    if (b->kind->booking)
        write_booking(w, b, now_ms);
    if (b->kind->person) {
        write_literal(w, ",\"author\":{\"role\":\"owner\"},\"content\":{\"subject\":");
        json_write_string(w, bytes_of(tenants[b->tenant].name));
        write_literal(w, ",\"text\":");
        json_write_string(w, bytes_of(messages[b->french][b->dice % 4]));
        write_char(w, '}');
    }
    write_variables(w, b);
    json_write_key(w, "customer_id");
    write_format(w, "\"customer-%u\"", b->index);
    write_literal(w, ",\"labels\":{\"sample\":\"demo\"}");
    end(w);
}

void sample_event(const struct sample *sample, uint32_t index, int64_t now_ms,
                  struct sample_record *out)
{
    struct booking b;
    char memory[SAMPLE_KEY_MAX];
    make_booking(index, &b);
    const char *to = b.kind->to & TO_SMS ? b.sms : b.email;
    struct writer w = record_begin(out, b.kind->code ? SAMPLE_URGENT : SAMPLE_EVENTS,
                                   key_of(memory, tenant_of(&b), to, NULL));
    if (b.oddity == ODD_NOT_JSON)
        write_literal(&w, "{\"event_id\": \"cut off in the mid");
    else
        write_event(&w, sample, &b, now_ms);
    record_end(out, &w);
}
