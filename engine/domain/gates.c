/* G2 to G12: whether an event may go at all, and the same rules where they speak of one
 * leg's address. G1 is in judge_complete.c. */
#include "domain/judge_steps.h"

#include "domain/pbjson.h"

enum { ATTACHMENTS_MAX = 4 };

const char *const judge_gates[] = {
    "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8",  "G9", "G10", "G11", "G12", "C1", "C2",
    "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "T4", "Q3",  "O3",  "O2",  "O1",
};
const uint32_t judge_gate_count = countof(judge_gates);
_Static_assert(countof(judge_gates) == JUDGE_GATE_COUNT, "one id a gate");

bool judge_gate_concerns(uint32_t index, const struct kind_row *kind)
{
    CHECK(index < JUDGE_GATE_COUNT);
    if (!kind)
        return index == JUDGE_G1;
    bool reminder = kind->class == CARILLON__V1__CLASS__CLASS_REMINDER;
    bool customer = kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER;
    switch ((enum judge_gate)index) {
    case JUDGE_G3:
        return reminder;
    case JUDGE_G4:
    case JUDGE_C2:
        return kind_is(kind, KIND_BOOKING);
    case JUDGE_G6:
        return kind_is(kind, KIND_VERIFIED);
    case JUDGE_G7:
        return kind_is(kind, KIND_BY_PERSON);
    case JUDGE_G8:
        return !kind_is(kind, KIND_PASSES_BLOCK);
    case JUDGE_G9:
        return kind_is(kind, KIND_ANSWERS_FEEDBACK | KIND_MAY_ANSWER);
    case JUDGE_G10:
        return kind_is(kind, KIND_DISTURBS | KIND_FILTERED);
    case JUDGE_C3:
    case JUDGE_T4:
        return customer;
    case JUDGE_C5:
        return !customer;
    case JUDGE_C7:
        return kind_is(kind, KIND_ATTESTED_SMS);
    case JUDGE_C8:
        return kind_is(kind, KIND_CONFIRMED_TWICE | KIND_CONFIRMED_ONCE);
    case JUDGE_C9:
    case JUDGE_Q3:
        return kind_is(kind, KIND_QUIET);
    case JUDGE_O3:
        return kind_is(kind, KIND_ADDITIONAL);
    case JUDGE_O2:
        return kind_is(kind, KIND_COLLAPSES | KIND_ADDITIONAL);
    case JUDGE_G1:
    case JUDGE_G2:
    case JUDGE_G5:
    case JUDGE_G11:
    case JUDGE_G12:
    case JUDGE_C1:
    case JUDGE_C4:
    case JUDGE_C6:
    case JUDGE_C10:
    case JUDGE_O1:
    case JUDGE_GATE_COUNT:
        break;
    }
    return true;
}

bool refuse(struct refusal *why, enum decision decision, enum reason reason)
{
    *why = (struct refusal){decision, reason, NULL};
    return true;
}

bool suppressed(struct refusal *why, enum reason reason)
{
    return refuse(why, DECISION_SUPPRESSED, reason);
}

bool refuse_if(bool so, struct refusal *why, enum decision decision, enum reason reason)
{
    return so ? refuse(why, decision, reason) : false;
}

bool suppressed_if(bool so, struct refusal *why, enum reason reason)
{
    return so ? suppressed(why, reason) : false;
}

bool malformed(struct refusal *why, const char *path)
{
    *why = (struct refusal){DECISION_DEAD, REASON_MALFORMED, path};
    return true;
}

bool g2_too_late(const struct judging *j, struct refusal *why)
{
    return refuse_if(i64_max(j->c->now_ms, j->c->due_ms) >= j->c->expires_ms, why, DECISION_EXPIRED,
                     REASON_TOO_LATE);
}

/* The due time as given, before any rounding: what is booked a microsecond after it is
 * booked after it. */
static bool due_is_before(const struct judging *j, const Google__Protobuf__Timestamp *made)
{
    const Google__Protobuf__Timestamp *due =
        j->event->due_at ? j->event->due_at : j->event->created_at;
    if (!due)
        return j->c->due_ms < pb_time_ms_up(made);
    return due->seconds < made->seconds ||
           (due->seconds == made->seconds && due->nanos < made->nanos);
}

bool g3_booked_after_due(const struct judging *j, struct refusal *why)
{
    const Carillon__V1__Booking *booking = j->event->booking;
    return suppressed_if(j->kind->class == CARILLON__V1__CLASS__CLASS_REMINDER && booking &&
                             booking->made_at && due_is_before(j, booking->made_at),
                         why, REASON_BOOKED_AFTER_DUE);
}

bool g4_booking_changed(const struct judging *j, struct refusal *why)
{
    const Carillon__V1__BookingState *known = j->state->booking;
    if (!kind_is(j->kind, KIND_BOOKING) || !known)
        return false;
    uint64_t revision = j->event->booking ? j->event->booking->revision : 0;
    if (known->cancelled && !kind_is(j->kind, KIND_OF_CANCELLED))
        return refuse(why, DECISION_CANCELLED, REASON_CANCELLED);
    if (revision < known->revision)
        return refuse(why, DECISION_CANCELLED, REASON_SUPERSEDED);
    return refuse_if(kind_is(j->kind, KIND_UNTIL_CONFIRMED) && known->confirmed &&
                         revision == known->revision,
                     why, DECISION_CANCELLED, REASON_ALREADY_CONFIRMED);
}

/* Alerts about a customer go to the business: the platform's block on him is not theirs. */
bool g5_customer_blocked(const struct judging *j, struct refusal *why)
{
    const Carillon__V1__RecipientState *customer = j->state->platform_customer;
    return suppressed_if(j->kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER &&
                             customer && customer->blocked,
                         why, REASON_BLOCKED_PLATFORM);
}

bool g6_unverified(const struct judging *j, struct refusal *why)
{
    return suppressed_if(kind_is(j->kind, KIND_VERIFIED) && !j->tenant->verified, why,
                         REASON_TENANT_UNVERIFIED);
}

bool g7_not_permitted(const struct judging *j, struct refusal *why)
{
    return suppressed_if(kind_is(j->kind, KIND_BY_PERSON) &&
                             !tenant_role_may_message(j->tenant, bytes_of(j->event->author->role)),
                         why, REASON_NOT_PERMITTED);
}

bool g8_customer_blocked(const struct judging *j, struct refusal *why)
{
    const Carillon__V1__RecipientState *customer = j->state->customer;
    return suppressed_if(!kind_is(j->kind, KIND_PASSES_BLOCK) && customer && customer->blocked, why,
                         REASON_BLOCKED_BY_TENANT);
}

static bool allows_reply(const Carillon__V1__RecipientState *document)
{
    return document && document->reply_allowed;
}

bool g9_no_reply_wanted(const struct judging *j, struct refusal *why)
{
    bool asked = kind_is(j->kind, KIND_ANSWERS_FEEDBACK) ||
                 (kind_is(j->kind, KIND_MAY_ANSWER) &&
                  j->event->in_reply_to == CARILLON__V1__IN_REPLY_TO__IN_REPLY_TO_FEEDBACK);
    return suppressed_if(asked && !allows_reply(j->state->sms) && !allows_reply(j->state->email) &&
                             !allows_reply(j->state->customer),
                         why, REASON_REPLY_NOT_ALLOWED);
}

static struct bytes label_of(const Carillon__V1__Event *event, struct bytes key)
{
    for (size_t i = 0; i < event->n_labels; i++)
        if (bytes_equal(bytes_of(event->labels[i]->key), key))
            return bytes_of(event->labels[i]->value);
    return (struct bytes){0};
}

static bool location_passes(const struct tenant *tenant, struct bytes location)
{
    for (uint32_t i = 0; i < tenant->alert_location_count; i++)
        if (location.size > 0 && bytes_equal(tenant->alert_locations[i], location))
            return true;
    return tenant->alert_location_count == 0;
}

static bool alert_passes(const struct judging *j)
{
    if (j->tenant->alerts == CARILLON__V1__FEEDBACK_ALERTS__MODE__MODE_OFF)
        return false;
    if (j->tenant->alerts == CARILLON__V1__FEEDBACK_ALERTS__MODE__MODE_NEGATIVE &&
        !bytes_equal(label_of(j->event, BYTES("sentiment")), BYTES("negative")))
        return false;
    return location_passes(j->tenant, bytes_of(j->event->location_id));
}

bool g10_alert_unwanted(const struct judging *j, struct refusal *why)
{
    if (kind_is(j->kind, KIND_DISTURBS) && j->tenant->do_not_disturb)
        return suppressed(why, REASON_DO_NOT_DISTURB);
    return suppressed_if(kind_is(j->kind, KIND_FILTERED) && !alert_passes(j), why,
                         REASON_ALERT_FILTERED);
}

bool g12_too_many(const struct judging *j, struct refusal *why)
{
    return refuse_if(j->event->n_attachments > ATTACHMENTS_MAX, why, DECISION_DEAD,
                     REASON_TOO_MANY_ATTACHMENTS);
}

/* The document of the address that a leg goes to. */
static const Carillon__V1__RecipientState *document_of(const struct leg *leg,
                                                       const Carillon__V1__RecipientState *sms,
                                                       const Carillon__V1__RecipientState *email)
{
    switch (leg->channel) {
    case CARILLON__V1__CHANNEL__CHANNEL_SMS:
        return sms;
    case CARILLON__V1__CHANNEL__CHANNEL_EMAIL:
        return email;
    case CARILLON__V1__CHANNEL__CHANNEL_PUSH:
    case CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED:
    case _CARILLON__V1__CHANNEL_IS_INT_SIZE:
        break;
    }
    return NULL;
}

bool g5_address_blocked(const struct judging *j, struct leg *leg, struct refusal *why)
{
    const Carillon__V1__RecipientState *address =
        document_of(leg, j->state->platform_sms, j->state->platform_email);
    return suppressed_if(address && address->blocked, why, REASON_BLOCKED_PLATFORM);
}

bool g8_address_blocked(const struct judging *j, struct leg *leg, struct refusal *why)
{
    const Carillon__V1__RecipientState *address = document_of(leg, j->state->sms, j->state->email);
    return suppressed_if(!kind_is(j->kind, KIND_PASSES_BLOCK) && address && address->blocked, why,
                         REASON_BLOCKED_BY_TENANT);
}

/* Sms carries attachments where the route does; e-mail and push never do. */
bool g12_media(const struct judging *j, struct leg *leg, struct refusal *why)
{
    bool carries =
        leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS && j->rules->sms_carries_media;
    return suppressed_if(j->event->n_attachments > 0 && !carries, why, REASON_MEDIA_UNSUPPORTED);
}
