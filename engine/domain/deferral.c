/* One row a header says how it is written and read. Every value has one form, so what is
 * decoded and encoded again is the same bytes. */
#include "domain/deferral.h"

#include "io/crypto.h"

struct row {
    const char *name;
    bool needed;
    bool (*is_set)(const struct deferral *d);
    void (*write)(const struct deferral *d, struct writer *w);
    bool (*read)(struct bytes value, struct deferral *d);
};

/* --- numbers ------------------------------------------------------------------------ */

static bool read_number(struct bytes text, int64_t max, int64_t *out)
{
    int64_t n = 0;
    if (text.size == 0 || text.size > 18 || (text.at[0] == '0' && text.size > 1))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (text.at[i] - '0');
    }
    *out = n;
    return n <= max;
}

static bool read_count(struct bytes text, uint32_t *out)
{
    int64_t n;
    if (!read_number(text, DEFERRAL_COUNT_MAX, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool read_positive(struct bytes text, uint32_t *out)
{
    return read_count(text, out) && *out > 0;
}

/* A name of ours or of the config: printable, no space. */
static bool read_name(struct bytes text, struct bytes *out)
{
    if (text.size == 0 || text.size > DEFERRAL_NAME_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    *out = text;
    return true;
}

static bool is_always(const struct deferral *d)
{
    (void)d;
    return true;
}

/* --- a header each ------------------------------------------------------------------- */

static void write_due(const struct deferral *d, struct writer *w)
{
    write_i64(w, d->due_ms);
}

static bool read_due(struct bytes value, struct deferral *d)
{
    return read_number(value, RING_DUE_MAX_MS, &d->due_ms);
}

static bool is_parked(const struct deferral *d)
{
    return d->event_due_ms != d->due_ms;
}

static void write_event_due(const struct deferral *d, struct writer *w)
{
    write_i64(w, d->event_due_ms);
}

static bool read_event_due(struct bytes value, struct deferral *d)
{
    return read_number(value, RING_DUE_MAX_MS, &d->event_due_ms) && d->event_due_ms > d->due_ms;
}

static bool is_in_ring(const struct deferral *d)
{
    return d->ring.slots > 0;
}

static void write_ring(const struct deferral *d, struct writer *w)
{
    ring_write(w, &d->ring);
}

static bool read_ring(struct bytes value, struct deferral *d)
{
    return ring_parse(value, &d->ring) == ERR_OK;
}

static void write_seq(const struct deferral *d, struct writer *w)
{
    write_u64(w, d->seq);
}

static bool read_seq(struct bytes value, struct deferral *d)
{
    return read_positive(value, &d->seq);
}

static void write_reason(const struct deferral *d, struct writer *w)
{
    write_text(w, reason_code(d->reason));
}

static bool read_reason(struct bytes value, struct deferral *d)
{
    static const enum reason waits[] = {REASON_NOT_DUE, REASON_QUIET_HOURS, REASON_SEND_WINDOW,
                                        REASON_RATE,    REASON_COOL_DOWN,   REASON_BREAKER,
                                        REASON_RETRY};
    for (uint32_t i = 0; i < countof(waits); i++)
        if (bytes_equal(value, bytes_of(reason_code(waits[i])))) {
            d->reason = waits[i];
            return true;
        }
    return false;
}

static void write_origin(const struct deferral *d, struct writer *w)
{
    write_slice(w, d->origin.topic);
    write_char(w, '/');
    write_i64(w, d->origin.partition);
    write_char(w, '/');
    write_i64(w, d->origin.offset);
}

/* Cuts off what stands behind the last '/'. */
static bool take_last(struct bytes *text, int64_t max, int64_t *n)
{
    size_t at = text->size;
    while (at > 0 && text->at[at - 1] != '/')
        at--;
    if (at == 0 || !read_number((struct bytes){text->at + at, text->size - at}, max, n))
        return false;
    text->size = at - 1;
    return true;
}

static bool read_origin(struct bytes value, struct deferral *d)
{
    int64_t partition;
    if (!take_last(&value, INT64_MAX, &d->origin.offset) ||
        !take_last(&value, INT32_MAX, &partition) || value.size > DEFERRAL_TOPIC_MAX ||
        (value.size > 0 && memchr(value.at, '/', value.size)))
        return false;
    d->origin.partition = (int32_t)partition;
    return read_name(value, &d->origin.topic);
}

static void write_timestamp(const struct deferral *d, struct writer *w)
{
    write_i64(w, d->timestamp_ms);
}

static bool read_timestamp(struct bytes value, struct deferral *d)
{
    return read_number(value, RING_DUE_MAX_MS, &d->timestamp_ms);
}

static void write_attempts(const struct deferral *d, struct writer *w)
{
    write_u64(w, d->attempts);
}

static bool read_attempts(struct bytes value, struct deferral *d)
{
    return read_count(value, &d->attempts);
}

static void write_kind(const struct deferral *d, struct writer *w)
{
    write_slice(w, d->kind);
}

static bool read_kind(struct bytes value, struct deferral *d)
{
    return read_name(value, &d->kind) && kind_row_named(value);
}

static bool has_route(const struct deferral *d)
{
    return d->route.size > 0;
}

static void write_route(const struct deferral *d, struct writer *w)
{
    write_slice(w, d->route);
}

static bool read_route(struct bytes value, struct deferral *d)
{
    return read_name(value, &d->route);
}

static bool has_segments(const struct deferral *d)
{
    return d->segments > 0;
}

static void write_segments(const struct deferral *d, struct writer *w)
{
    write_u64(w, d->segments);
}

static bool read_segments(struct bytes value, struct deferral *d)
{
    return read_positive(value, &d->segments);
}

static bool has_expiry(const struct deferral *d)
{
    return d->expires_ms > 0;
}

static void write_expires(const struct deferral *d, struct writer *w)
{
    write_i64(w, d->expires_ms);
}

static bool read_expires(struct bytes value, struct deferral *d)
{
    return read_number(value, RING_DUE_MAX_MS, &d->expires_ms) && d->expires_ms > 0;
}

/* --- legs: sms:0123456789abcdef, separated by commas ------------------------------------ */

void deferral_name_leg(Carillon__V1__Channel channel, struct bytes address,
                       struct deferral_leg *out)
{
    uint8_t digest[SHA256_SIZE];
    sha256(&address, 1, digest);
    struct writer w = writer_of(out->address_hash, DEFERRAL_HASH_SIZE);
    write_hex(&w, digest, DEFERRAL_HASH_SIZE / 2);
    out->channel = channel;
}

bool deferral_is_leg(const struct deferral_leg *leg, Carillon__V1__Channel channel,
                     struct bytes address)
{
    struct deferral_leg other;
    deferral_name_leg(channel, address, &other);
    return leg->channel == channel &&
           memcmp(leg->address_hash, other.address_hash, DEFERRAL_HASH_SIZE) == 0;
}

static void write_leg(struct writer *w, const struct deferral_leg *leg)
{
    write_text(w, channel_name(leg->channel));
    write_char(w, ':');
    write_bytes(w, leg->address_hash, DEFERRAL_HASH_SIZE);
}

static bool read_leg(struct bytes text, struct deferral_leg *leg)
{
    static const Carillon__V1__Channel channels[] = {CARILLON__V1__CHANNEL__CHANNEL_SMS,
                                                     CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
                                                     CARILLON__V1__CHANNEL__CHANNEL_PUSH};
    if (text.size <= DEFERRAL_HASH_SIZE + 1)
        return false;
    struct bytes name = {text.at, text.size - DEFERRAL_HASH_SIZE - 1};
    const char *hash = text.at + name.size + 1;
    for (uint32_t i = 0; i < DEFERRAL_HASH_SIZE; i++)
        if (!((hash[i] >= '0' && hash[i] <= '9') || (hash[i] >= 'a' && hash[i] <= 'f')))
            return false;
    if (name.at[name.size] != ':')
        return false;
    for (uint32_t i = 0; i < countof(channels); i++)
        if (bytes_equal(name, bytes_of(channel_name(channels[i])))) {
            leg->channel = channels[i];
            memcpy(leg->address_hash, hash, DEFERRAL_HASH_SIZE);
            return true;
        }
    return false;
}

static bool has_legs(const struct deferral *d)
{
    return d->leg_count > 0;
}

static void write_legs(const struct deferral *d, struct writer *w)
{
    for (uint32_t i = 0; i < d->leg_count; i++) {
        if (i > 0)
            write_char(w, ',');
        write_leg(w, &d->legs[i]);
    }
}

static bool read_legs(struct bytes value, struct deferral *d)
{
    for (d->leg_count = 0; d->leg_count < DEFERRAL_LEGS_MAX;) {
        const char *comma = value.size > 0 ? memchr(value.at, ',', value.size) : NULL;
        size_t size = comma ? (size_t)(comma - value.at) : value.size;
        if (!read_leg((struct bytes){value.at, size}, &d->legs[d->leg_count++]))
            return false;
        if (!comma)
            return true;
        value = (struct bytes){comma + 1, value.size - size - 1};
    }
    return false;
}

/* --- all of them ---------------------------------------------------------------------- */

static const struct row rows[] = {
    {"carillon-due", true, is_always, write_due, read_due}, /* before event-due */
    {"carillon-event-due", false, is_parked, write_event_due, read_event_due},
    {"carillon-ring", false, is_in_ring, write_ring, read_ring},
    {"carillon-seq", true, is_always, write_seq, read_seq},
    {"carillon-reason", true, is_always, write_reason, read_reason},
    {"carillon-origin", true, is_always, write_origin, read_origin},
    {"carillon-timestamp", true, is_always, write_timestamp, read_timestamp},
    {"carillon-attempts", true, is_always, write_attempts, read_attempts},
    {"carillon-kind", true, is_always, write_kind, read_kind},
    {"carillon-route", false, has_route, write_route, read_route},
    {"carillon-segments", false, has_segments, write_segments, read_segments},
    {"carillon-expires", false, has_expiry, write_expires, read_expires},
    {"carillon-legs", false, has_legs, write_legs, read_legs},
};
_Static_assert(countof(rows) <= DEFERRAL_HEADERS_MAX, "a header each");

bool deferral_is(const struct record_header *headers, uint32_t count)
{
    return record_header_of(headers, count, bytes_of(rows[0].name)).at != NULL;
}

bool deferral_owns(struct bytes header)
{
    for (uint32_t i = 0; i < countof(rows); i++)
        if (bytes_equal_nocase(header, bytes_of(rows[i].name)))
            return true;
    return false;
}

enum err deferral_encode(const struct deferral *d, struct writer *text,
                         struct record_header out[DEFERRAL_HEADERS_MAX], uint32_t *count)
{
    CHECK(d->event_due_ms >= d->due_ms && (!is_parked(d) || !is_in_ring(d)));
    CHECK(d->leg_count <= DEFERRAL_LEGS_MAX && d->seq > 0);
    *count = 0;
    for (uint32_t i = 0; i < countof(rows); i++) {
        if (!rows[i].is_set(d))
            continue;
        size_t start = text->size;
        rows[i].write(d, text);
        out[(*count)++] =
            (struct record_header){bytes_of(rows[i].name), {text->at + start, text->size - start}};
    }
    return text->overflow ? ERR_TOO_LARGE : ERR_OK;
}

enum err deferral_decode(const struct record_header *headers, uint32_t count, struct deferral *out,
                         struct bytes *wrong)
{
    *out = (struct deferral){0};
    for (uint32_t i = 0; i < countof(rows); i++) {
        *wrong = bytes_of(rows[i].name);
        struct bytes value = record_header_of(headers, count, *wrong);
        if (value.at ? !rows[i].read(value, out) : rows[i].needed)
            return ERR_INVALID;
        if (i == 0)
            out->event_due_ms = out->due_ms;
    }
    *wrong = BYTES("carillon-event-due");
    if (is_parked(out) && is_in_ring(out))
        return ERR_INVALID; /* only far records are parked */
    *wrong = (struct bytes){0};
    return ERR_OK;
}

/* --- the key ---------------------------------------------------------------------------- */

void deferral_write_key(struct writer *w, struct bytes event_id, uint32_t seq,
                        const struct deferral_leg *leg)
{
    write_slice(w, event_id);
    write_char(w, '#');
    write_u64(w, seq);
    if (!leg)
        return;
    write_char(w, '#');
    write_leg(w, leg);
}

/* Cuts off what stands behind the last '#'. */
static bool take_piece(struct bytes *key, struct bytes *piece)
{
    size_t at = key->size;
    while (at > 0 && key->at[at - 1] != '#')
        at--;
    if (at == 0)
        return false;
    *piece = (struct bytes){key->at + at, key->size - at};
    key->size = at - 1;
    return true;
}

enum err deferral_parse_key(struct bytes key, struct deferral_key *out)
{
    struct bytes piece;
    *out = (struct deferral_key){0};
    if (key.size > DEFERRAL_KEY_MAX || !take_piece(&key, &piece))
        return ERR_INVALID;
    out->has_leg = read_leg(piece, &out->leg);
    if (out->has_leg && !take_piece(&key, &piece))
        return ERR_INVALID;
    if (!read_positive(piece, &out->seq) || key.size == 0 || key.size > DEFERRAL_EVENT_ID_MAX)
        return ERR_INVALID;
    out->event_id = key;
    return ERR_OK;
}
