/* What is known about recipients, bookings and tenants: which keys an event needs, and
 * the documents that were found there. A key costs a hash, so only what a rule can ask
 * for is read. */
#include "base/log.h"
#include "domain/pbjson.h"
#include "domain/state_key.h"
#include "io/redis_write.h"
#include "stage/admit_batch.h"

static const struct bytes platform = {"*", 1};

static void read_key(struct admit_batch *batch, uint16_t *at, struct bytes key)
{
    CHECK(batch->read_count < ADMIT_READS_MAX);
    *at = (uint16_t)batch->read_count;
    batch->reads[batch->read_count++] = (struct admit_read){0};
    resp_argument(&batch->keys, key);
    CHECK(!batch->keys.overflow);
}

static void read_recipient(struct admit_batch *batch, uint16_t *at, struct bytes tenant,
                           struct bytes subject)
{
    char key[STATE_KEY_SIZE];
    if (subject.size == 0)
        return;
    state_recipient_key(tenant, subject, key);
    read_key(batch, at, (struct bytes){key, sizeof key});
}

/* Events of one tenant mostly come together. */
static void read_version(struct admit_batch *batch, struct admit_entry *entry)
{
    const struct tenant_ref *ref = entry->event->tenant_ref;
    if (!ref)
        return;
    uint32_t index = (uint32_t)(entry - batch->entries);
    for (uint32_t back = 1; back <= 8 && back <= index; back++) {
        const struct admit_entry *other = entry - back;
        if (other->event->tenant_ref == ref && other->read[ADMIT_VERSION] != ADMIT_UNREAD) {
            entry->read[ADMIT_VERSION] = other->read[ADMIT_VERSION];
            return;
        }
    }
    char memory[STATE_VERSION_KEY_MAX];
    struct writer key = writer_of(memory, sizeof memory);
    state_version_key(bytes_of(entry->event->judged.event->tenant_id), &key);
    CHECK(!key.overflow); /* it was looked up before */
    read_key(batch, &entry->read[ADMIT_VERSION], writer_bytes(&key));
}

/* Whether any rule asks for the document of the event's number or e-mail address. */
static bool address_counts(const struct judge_case *c, Carillon__V1__Channel channel)
{
    if (kind_is(c->kind, KIND_ONE_CHANNEL | KIND_ANSWERS_FEEDBACK | KIND_MAY_ANSWER))
        return true;
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].channel == channel)
            return true;
    return false;
}

void admit_read_state(struct admit *admit, struct admit_batch *batch, struct admit_entry *entry,
                      bool state)
{
    const struct judge_case *c = &entry->event->judged;
    uint16_t *read = entry->read;
    read_version(batch, entry);
    if (!state)
        return;
    struct judge_subjects who;
    struct bytes tenant = bytes_of(c->event->tenant_id);
    judge_subjects(c->event, c->tenant, &admit->scratch, &who);
    if (!address_counts(c, CARILLON__V1__CHANNEL__CHANNEL_SMS))
        who.sms = (struct bytes){0};
    if (!address_counts(c, CARILLON__V1__CHANNEL__CHANNEL_EMAIL))
        who.email = (struct bytes){0};
    read_recipient(batch, &read[ADMIT_SMS], tenant, who.sms);
    read_recipient(batch, &read[ADMIT_PLATFORM_SMS], platform, who.sms);
    read_recipient(batch, &read[ADMIT_EMAIL], tenant, who.email);
    read_recipient(batch, &read[ADMIT_PLATFORM_EMAIL], platform, who.email);
    read_recipient(batch, &read[ADMIT_CUSTOMER], tenant, who.customer);
    if (c->kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER)
        read_recipient(batch, &read[ADMIT_PLATFORM_CUSTOMER], platform, who.customer);
    if (who.booking.size > 0) {
        char key[STATE_KEY_SIZE];
        state_booking_key(tenant, who.booking, key);
        read_key(batch, &read[ADMIT_BOOKING], (struct bytes){key, sizeof key});
    }
}

int64_t admit_version_of(const struct admit_batch *batch, const struct admit_entry *entry)
{
    struct bytes value = batch->reads[entry->read[ADMIT_VERSION]].is;
    struct state_piece piece;
    int64_t version = -1;
    while (state_next(&value, &piece))
        version = i64_max(version, piece.offset);
    return version;
}

/* A damaged document is never taken for none: it may be an opt-out. */
static bool document_of(struct arena *arena, const struct admit_batch *batch, uint16_t at,
                        const ProtobufCMessageDescriptor *type, const ProtobufCMessage **out)
{
    *out = NULL;
    if (at == ADMIT_UNREAD || batch->reads[at].missing)
        return true;
    struct bytes value = batch->reads[at].is;
    char *memory = arena_take(arena, value.size);
    ProtobufCMessage *message = NULL;
    struct pb_error error;
    if (!memory)
        return false;
    struct writer wire = writer_of(memory, value.size);
    if (state_document(value, &wire) != ERR_OK ||
        pb_decode(type, writer_bytes(&wire), arena, &message, &error) != ERR_OK) {
        log_limited(LOG_ERROR, "state_damaged", "document=%s remedy=\"write it again\"",
                    type->short_name);
        return false;
    }
    *out = message;
    return true;
}

bool admit_state_of(struct admit *admit, const struct admit_batch *batch,
                    const struct admit_entry *entry, struct judge_state *out)
{
    const ProtobufCMessage *found[ADMIT_VERSION];
    for (uint32_t i = 0; i < ADMIT_VERSION; i++) {
        const ProtobufCMessageDescriptor *type = i == ADMIT_BOOKING
                                                     ? &carillon__v1__booking_state__descriptor
                                                     : &carillon__v1__recipient_state__descriptor;
        if (!document_of(&admit->scratch, batch, entry->read[i], type, &found[i]))
            return false;
    }
    *out = (struct judge_state){
        .sms = (const void *)found[ADMIT_SMS],
        .email = (const void *)found[ADMIT_EMAIL],
        .customer = (const void *)found[ADMIT_CUSTOMER],
        .platform_sms = (const void *)found[ADMIT_PLATFORM_SMS],
        .platform_email = (const void *)found[ADMIT_PLATFORM_EMAIL],
        .platform_customer = (const void *)found[ADMIT_PLATFORM_CUSTOMER],
        .booking = (const void *)found[ADMIT_BOOKING],
    };
    return true;
}

bool admit_is_read(const struct admit_batch *batch, const struct admit_entry *entry)
{
    for (uint32_t i = 0; i < ADMIT_SUBJECT_COUNT; i++)
        if (entry->read[i] != ADMIT_UNREAD &&
            (!batch->state_known || !batch->reads[entry->read[i]].known))
            return false;
    return true;
}
