#include "state_apply.h"

#include "carillon/v1/state.pb-c.h"
#include "carillon/v1/tenant.pb-c.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"

#include <stdio.h>

const char *const state_topic_names[STATE_TOPIC_COUNT] = {
    [TOPIC_SUPPRESSIONS] = "carillon.suppressions",
    [TOPIC_BOOKINGS] = "carillon.bookings.state",
    [TOPIC_TENANTS] = "carillon.tenants",
};

/* A booking's state is of no use 450 days after its last change. */
#define BOOKING_LIFE_S (INT64_C(450) * 24 * 3600)
enum { BOOKING_MEMORY = 4 * 1024 }; /* ids, and numbers */

static const struct bytes aspects[] = {
    {"opt_out", 7},   {"unsubscribe", 11}, {"block", 5},   {"consent", 7},
    {"marketing", 9}, {"reply", 5},        {"channel", 7}, {"line", 4},
};

static bool is_aspect(struct bytes aspect)
{
    for (size_t i = 0; i < countof(aspects); i++)
        if (bytes_equal(aspects[i], aspect))
            return true;
    return false;
}

static bool parse_key(const struct state_record *record, struct state_subject *out)
{
    switch (record->topic) {
    case TOPIC_SUPPRESSIONS:
        return state_parse_recipient(record->key, out) && is_aspect(out->aspect) &&
               state_tenant_fits(out->tenant);
    case TOPIC_BOOKINGS:
        return state_parse_booking(record->key, out) && state_tenant_fits(out->tenant);
    case TOPIC_TENANTS:
        *out = (struct state_subject){.tenant = record->key, .aspect = BYTES("tenant")};
        return state_tenant_fits(record->key);
    case STATE_TOPIC_COUNT:
        break;
    }
    return false;
}

static const ProtobufCMessageDescriptor *type_of(enum state_topic topic)
{
    switch (topic) {
    case TOPIC_SUPPRESSIONS:
        return &carillon__v1__recipient_state__descriptor;
    case TOPIC_BOOKINGS:
        return &carillon__v1__booking_state__descriptor;
    case TOPIC_TENANTS:
    case STATE_TOPIC_COUNT:
        break;
    }
    return &carillon__v1__tenant__descriptor;
}

static bool is_json(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        if (!strchr(" \t\r\n", value.at[i]))
            return value.at[i] == '{';
    return false;
}

static enum err encode(const ProtobufCMessage *message, struct arena *arena, struct bytes *wire)
{
    size_t room = protobuf_c_message_get_packed_size(message);
    char *at = arena_take(arena, room + 1);
    struct writer out = writer_of(at, room);
    if (!at || pb_encode(message, &out) != ERR_OK || out.overflow)
        return ERR_INVALID;
    *wire = writer_bytes(&out);
    return ERR_OK;
}

/* Who reads the state of a booking asks for these alone. */
static void keep_state(Carillon__V1__BookingState *state)
{
    state->tenant_id = state->booking_id = NULL;
    state->updated_at = NULL;
    state->base.n_unknown_fields = 0;
}

enum err state_wire(const struct state_record *record, struct arena *arena, struct bytes *wire,
                    const char **why)
{
    struct state_subject subject;
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    *wire = record->value;
    *why = "its key is not one of this topic";
    if (!parse_key(record, &subject))
        return ERR_INVALID;
    if (!record->value.at)
        return ERR_OK;
    *why = "its value is no document of this topic";
    bool json = is_json(record->value);
    enum err err =
        json ? pb_from_json(type_of(record->topic), record->value, arena, NULL, &message, &error)
             : pb_decode(type_of(record->topic), record->value, arena, &message, &error);
    bool booking = record->topic == TOPIC_BOOKINGS;
    if (err == ERR_OK && booking)
        keep_state((Carillon__V1__BookingState *)message);
    if (err != ERR_OK || (!json && !booking))
        return err == ERR_OK ? ERR_OK : ERR_INVALID;
    *why = "its value is too large";
    return encode(message, arena, wire);
}

static void append_put(struct redis_sync *redis, struct bytes key, struct bytes aspect,
                       struct bytes offset, struct bytes wire)
{
    const struct bytes put[] = {BYTES("FCALL"),
                                BYTES("put"),
                                BYTES("1"),
                                key,
                                aspect,
                                offset,
                                {wire.at ? wire.at : "", wire.size}};
    redis_sync_append(redis, put, countof(put));
}

static uint32_t append_tenant(struct redis_sync *redis, struct bytes tenant, struct bytes offset,
                              struct bytes wire)
{
    char key[STATE_KEY_SIZE], version[STATE_VERSION_KEY_MAX];
    struct writer w = writer_of(version, sizeof version);
    state_tenant_key(tenant, key);
    state_version_key(tenant, &w);
    CHECK(!w.overflow);
    append_put(redis, (struct bytes){key, sizeof key}, BYTES("tenant"), offset, wire);
    append_put(redis, writer_bytes(&w), BYTES("v"), offset, (struct bytes){0}); /* the last one */
    return 2;
}

static const struct bytes booking_aspects[] = {{"revision", 8}, {"cancelled", 9}, {"confirmed", 9}};

/* One field of what a booking's record says, or nothing. */
static struct bytes said_of(const Carillon__V1__BookingState *all, uint32_t field,
                            struct writer *out)
{
    Carillon__V1__BookingState one = CARILLON__V1__BOOKING_STATE__INIT;
    one.has_revision = field == 0 && all->has_revision;
    one.has_cancelled = field == 1 && all->has_cancelled;
    one.has_confirmed = field == 2 && all->has_confirmed;
    one.revision = all->revision;
    one.cancelled = all->cancelled;
    one.confirmed = all->confirmed;
    enum err err = pb_encode(&one.base, out);
    CHECK(err == ERR_OK && !out->overflow);
    return writer_bytes(out);
}

/* What a record does not say stays (function `book`); what says nothing at all removes. */
static uint32_t append_book(struct redis_sync *redis, struct bytes key, struct bytes offset,
                            struct bytes wire)
{
    enum { FIELDS = countof(booking_aspects), FIELD_MAX = 16 };
    char memory[BOOKING_MEMORY], field[FIELDS][FIELD_MAX];
    struct arena arena = arena_of(memory, sizeof memory);
    struct bytes book[5 + FIELDS] = {BYTES("FCALL"), BYTES("book"), BYTES("1"), key, offset};
    ProtobufCMessage *message = NULL;
    struct pb_error error = {0};
    for (uint32_t i = 0; !wire.at && i < FIELDS; i++)
        append_put(redis, key, booking_aspects[i], offset, wire);
    if (!wire.at)
        return FIELDS;
    enum err err =
        pb_decode(&carillon__v1__booking_state__descriptor, wire, &arena, &message, &error);
    CHECK(err == ERR_OK); /* it was encoded here */
    for (uint32_t i = 0; i < FIELDS; i++) {
        struct writer out = writer_of(field[i], FIELD_MAX);
        book[5 + i] = said_of((const Carillon__V1__BookingState *)message, i, &out);
    }
    redis_sync_append(redis, book, countof(book));
    return 1;
}

static uint32_t append_booking(struct redis_sync *redis, const struct state_record *record,
                               const struct state_subject *subject, struct bytes offset,
                               struct bytes wire, int64_t now_ms)
{
    char key[STATE_KEY_SIZE], seconds[24];
    int64_t left_s = BOOKING_LIFE_S;
    if (record->timestamp_ms > 0 && now_ms > record->timestamp_ms)
        left_s -= (now_ms - record->timestamp_ms) / 1000;
    if (left_s <= 0)
        return 0;
    struct writer w = writer_of(seconds, sizeof seconds);
    write_i64(&w, left_s);
    state_booking_key(subject->tenant, subject->subject, key);
    uint32_t replies = append_book(redis, (struct bytes){key, sizeof key}, offset, wire);
    const struct bytes expire[] = {BYTES("EXPIRE"), {key, sizeof key}, writer_bytes(&w)};
    redis_sync_append(redis, expire, countof(expire));
    return replies + 1;
}

uint32_t state_append(struct redis_sync *redis, const struct state_record *record,
                      struct bytes wire, int64_t now_ms)
{
    struct state_subject subject;
    char digits[24], key[STATE_KEY_SIZE];
    struct writer offset = writer_of(digits, sizeof digits);
    bool parsed = parse_key(record, &subject);
    CHECK(parsed); /* state_wire said so */
    write_i64(&offset, record->offset);
    switch (record->topic) {
    case TOPIC_TENANTS:
        return append_tenant(redis, subject.tenant, writer_bytes(&offset), wire);
    case TOPIC_BOOKINGS:
        return append_booking(redis, record, &subject, writer_bytes(&offset), wire, now_ms);
    case TOPIC_SUPPRESSIONS:
    case STATE_TOPIC_COUNT:
        break;
    }
    state_recipient_key(subject.tenant, subject.subject, key);
    append_put(redis, (struct bytes){key, sizeof key}, subject.aspect, writer_bytes(&offset), wire);
    return 1;
}

bool state_confirm(struct redis_sync *redis, uint32_t replies, char why[REDIS_WHY_SIZE])
{
    bool good = true;
    for (uint32_t i = 0; i < replies; i++) {
        const struct redis_reply *reply = redis_sync_take(redis);
        if (!reply) {
            snprintf(why, REDIS_WHY_SIZE, "%s", redis_sync_why(redis));
            return false;
        }
        if (reply->type == REDIS_ERROR && good) {
            snprintf(why, REDIS_WHY_SIZE, "%.*s",
                     (int)u64_min(reply->text.size, REDIS_WHY_SIZE - 1), reply->text.at);
            good = false;
        }
    }
    return good;
}
