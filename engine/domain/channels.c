/* C1 to C8 and C10: from the event to its legs, and whether each address may be used. */
#include "domain/judge_steps.h"

#include "domain/address.h"

static uint32_t bit(Carillon__V1__Channel channel)
{
    return 1u << channel;
}

static uint32_t preferred(const struct judging *j)
{
    if (!kind_is(j->kind, KIND_BOOKING))
        return CHANNELS_CUSTOMER;
    switch (j->to->preference) {
    case CARILLON__V1__PREFERENCE__PREFERENCE_SMS:
        return CHANNELS_SMS;
    case CARILLON__V1__PREFERENCE__PREFERENCE_EMAIL:
        return CHANNELS_EMAIL;
    case CARILLON__V1__PREFERENCE__PREFERENCE_NONE:
        return 0;
    case CARILLON__V1__PREFERENCE__PREFERENCE_BOTH:
    case CARILLON__V1__PREFERENCE__PREFERENCE_UNSPECIFIED:
    case _CARILLON__V1__PREFERENCE_IS_INT_SIZE:
        break;
    }
    return CHANNELS_CUSTOMER;
}

static bool of_business(const struct judging *j)
{
    return j->kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS;
}

/* What is switched on, narrowed to the channel that a person chose. */
static uint32_t switched_on(const struct judging *j)
{
    uint32_t set = tenant_channels(j->tenant, j->kind);
    return j->event->channel && !of_business(j) ? set & bit(j->event->channel) : set;
}

static uint32_t channel_set(const struct judging *j)
{
    return of_business(j) ? switched_on(j) : switched_on(j) & preferred(j);
}

bool g11_switched_off(const struct judging *j, struct refusal *why)
{
    return suppressed_if(switched_on(j) == 0, why, REASON_KIND_DISABLED);
}

bool c2_preference(const struct judging *j, struct refusal *why)
{
    return suppressed_if(channel_set(j) == 0, why, REASON_PREFERENCE_NONE);
}

static struct leg *add_leg(struct judge_case *c, Carillon__V1__Channel channel,
                           struct bytes address)
{
    CHECK(c->leg_count < LEGS_MAX);
    struct leg *leg = &c->legs[c->leg_count++];
    *leg = (struct leg){.channel = channel, .address = address, .refused_by = JUDGE_GATE_NONE};
    return leg;
}

/* Where the arena is full the address stays as it was given: C10 or the provider minds. */
static struct bytes email_normal(const char *email, struct arena *arena)
{
    struct bytes given = bytes_of(email);
    struct bytes normal = given.size > 0 ? address_email_normal(given, arena) : given;
    return normal.size > 0 ? normal : given;
}

static struct bytes address_of(const struct judging *j, Carillon__V1__Channel channel)
{
    return channel == CARILLON__V1__CHANNEL__CHANNEL_SMS ? bytes_of(j->to->sms)
                                                         : email_normal(j->to->email, j->c->arena);
}

static bool has_address(const struct judging *j, Carillon__V1__Channel channel)
{
    const char *address = channel == CARILLON__V1__CHANNEL__CHANNEL_SMS ? j->to->sms : j->to->email;
    return address && *address;
}

/* C5: the owner's e-mail, and every device - of the roles that may message where the
 * kind disturbs. */
static void fan_out_business(const struct judging *j, uint32_t set)
{
    const struct tenant *tenant = j->tenant;
    if (set & CHANNELS_EMAIL)
        add_leg(j->c, CARILLON__V1__CHANNEL__CHANNEL_EMAIL, tenant->owner_email);
    if (!(set & CHANNELS_PUSH))
        return;
    uint32_t others = j->c->leg_count;
    for (uint32_t i = 0; i < tenant->device_count; i++)
        if (tenant->devices[i].may_message || !kind_is(j->kind, KIND_DISTURBS))
            add_leg(j->c, CARILLON__V1__CHANNEL__CHANNEL_PUSH, tenant->devices[i].token);
    if (j->c->leg_count == others)
        add_leg(j->c, CARILLON__V1__CHANNEL__CHANNEL_PUSH, (struct bytes){0});
}

static bool is_later(const Google__Protobuf__Timestamp *a, const Google__Protobuf__Timestamp *b)
{
    if (!a || !b)
        return a && !b;
    return a->seconds != b->seconds ? a->seconds > b->seconds : a->nanos > b->nanos;
}

/* C3: the last channel of the document that changed last; at a tie sms. */
static Carillon__V1__Channel last_channel(const struct judge_state *state)
{
    const Carillon__V1__RecipientState *documents[] = {state->sms, state->email, state->customer};
    const Carillon__V1__RecipientState *latest = NULL;
    for (size_t i = 0; i < countof(documents); i++) {
        const Carillon__V1__RecipientState *d = documents[i];
        if (!d || !d->last_channel)
            continue;
        bool tie = latest && !is_later(latest->updated_at, d->updated_at) &&
                   !is_later(d->updated_at, latest->updated_at);
        if (!latest || is_later(d->updated_at, latest->updated_at) ||
            (tie && d->last_channel == CARILLON__V1__CHANNEL__CHANNEL_SMS))
            latest = d;
    }
    return latest ? latest->last_channel : CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED;
}

/* The one channel that a conversation takes, of those in the set. */
static Carillon__V1__Channel one_of(const struct judging *j, uint32_t set)
{
    Carillon__V1__Channel last = last_channel(j->state);
    if (last && (set & bit(last)) && has_address(j, last))
        return last;
    if ((set & CHANNELS_SMS) && has_address(j, CARILLON__V1__CHANNEL__CHANNEL_SMS))
        return CARILLON__V1__CHANNEL__CHANNEL_SMS;
    /* without any address, too, e-mail comes first */
    return set & CHANNELS_EMAIL ? CARILLON__V1__CHANNEL__CHANNEL_EMAIL
                                : CARILLON__V1__CHANNEL__CHANNEL_SMS;
}

/* Whether C3 has a choice that only the state can make. */
static bool choice_is_open(const struct judging *j, uint32_t set)
{
    return set == CHANNELS_CUSTOMER && has_address(j, CARILLON__V1__CHANNEL__CHANNEL_SMS) &&
           has_address(j, CARILLON__V1__CHANNEL__CHANNEL_EMAIL);
}

void channels_fan_out(const struct judging *j, bool state_known)
{
    uint32_t set = channel_set(j);
    if (of_business(j)) {
        fan_out_business(j, set);
        return;
    }
    if (kind_is(j->kind, KIND_ONE_CHANNEL)) {
        j->c->pick_one = !state_known && choice_is_open(j, set);
        if (!j->c->pick_one)
            set = bit(one_of(j, set));
    }
    for (Carillon__V1__Channel channel = CARILLON__V1__CHANNEL__CHANNEL_SMS;
         channel <= CARILLON__V1__CHANNEL__CHANNEL_EMAIL; channel++)
        if (set & bit(channel))
            add_leg(j->c, channel, address_of(j, channel));
}

void channels_pick(const struct judging *j)
{
    struct judge_case *c = j->c;
    Carillon__V1__Channel picked = one_of(j, channel_set(j));
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].channel == picked)
            c->legs[0] = c->legs[i];
    CHECK(c->legs[0].channel == picked);
    c->leg_count = 1;
    c->pick_one = false;
}

bool c4_missing(const struct judging *j, struct leg *leg, struct refusal *why)
{
    (void)j;
    return suppressed_if(leg->address.size == 0, why, REASON_CONTACT_MISSING);
}

bool c10_invalid(const struct judging *j, struct leg *leg, struct refusal *why)
{
    (void)j;
    bool invalid = (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS &&
                    !address_number_valid(leg->address)) ||
                   (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_EMAIL &&
                    !address_email_valid(leg->address));
    return suppressed_if(invalid, why, REASON_CONTACT_INVALID);
}

static bool says_landline(const Carillon__V1__RecipientState *document)
{
    return document && document->line_type == CARILLON__V1__LINE_TYPE__LINE_TYPE_LANDLINE;
}

bool c4_landline(const struct judging *j, struct leg *leg, struct refusal *why)
{
    return suppressed_if(leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS &&
                             (j->to->line_type == CARILLON__V1__LINE_TYPE__LINE_TYPE_LANDLINE ||
                              says_landline(j->state->sms) ||
                              says_landline(j->state->platform_sms)),
                         why, REASON_LANDLINE);
}

static bool left_class(const Carillon__V1__RecipientState *document, Carillon__V1__Class class)
{
    for (size_t i = 0; document && i < document->n_unsubscribed_classes; i++)
        if (document->unsubscribed_classes[i] == class)
            return true;
    return false;
}

bool c6_unsubscribed(const struct judging *j, struct leg *leg, struct refusal *why)
{
    bool out = (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS && j->state->sms &&
                j->state->sms->opted_out) ||
               (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_EMAIL &&
                left_class(j->state->email, j->kind->class));
    return suppressed_if(out, why, REASON_UNSUBSCRIBED);
}

bool c7_consent(const struct judging *j, struct leg *leg, struct refusal *why)
{
    return suppressed_if(kind_is(j->kind, KIND_ATTESTED_SMS) &&
                             leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS &&
                             !(j->state->sms && j->state->sms->consent_attested),
                         why, REASON_CONSENT_MISSING);
}

bool c8_marketing_consent(const struct judging *j, struct leg *leg, struct refusal *why)
{
    if (!kind_is(j->kind, KIND_CONFIRMED_TWICE | KIND_CONFIRMED_ONCE))
        return false;
    const Carillon__V1__RecipientState *document =
        leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS ? j->state->sms : j->state->email;
    Carillon__V1__MarketingConsent needed =
        kind_is(j->kind, KIND_CONFIRMED_TWICE)
            ? CARILLON__V1__MARKETING_CONSENT__MARKETING_CONSENT_CONFIRMED
            : CARILLON__V1__MARKETING_CONSENT__MARKETING_CONSENT_FIRST_YES;
    return suppressed_if(!(document && document->marketing_consent == needed), why,
                         REASON_MARKETING_CONSENT_MISSING);
}

void judge_subjects(const Carillon__V1__Event *event, const struct tenant *tenant,
                    struct arena *arena, struct judge_subjects *out)
{
    const struct kind_row *kind = kind_row_of(event->kind);
    const Carillon__V1__Recipient *to = event->recipient;
    *out = (struct judge_subjects){.customer = bytes_of(event->customer_id)};
    if (kind && kind->audience == CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS) {
        out->email = tenant->owner_email;
    } else if (to) {
        out->sms = bytes_of(to->sms);
        out->email = email_normal(to->email, arena);
    }
    if (kind && kind_is(kind, KIND_BOOKING) && event->booking)
        out->booking = bytes_of(event->booking->booking_id);
}

uint32_t judge_possible_legs(const Carillon__V1__Event *event, const struct tenant *tenant,
                             struct arena *arena, struct leg out[LEGS_MAX])
{
    const struct kind_row *kind = kind_row_of(event->kind);
    struct judge_subjects subjects;
    uint32_t count = 0;
    judge_subjects(event, tenant, arena, &subjects);
    if (address_number_valid(subjects.sms))
        out[count++] =
            (struct leg){.channel = CARILLON__V1__CHANNEL__CHANNEL_SMS, .address = subjects.sms};
    if (address_email_valid(subjects.email))
        out[count++] = (struct leg){.channel = CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
                                    .address = subjects.email};
    if (!kind || kind->audience != CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS)
        return count;
    for (uint32_t i = 0; i < tenant->device_count; i++)
        out[count++] = (struct leg){.channel = CARILLON__V1__CHANNEL__CHANNEL_PUSH,
                                    .address = tenant->devices[i].token};
    return count;
}

uint32_t judge_legs_now(const Carillon__V1__Event *event, const struct tenant *tenant,
                        struct arena *arena, struct leg out[LEGS_MAX])
{
    static const Carillon__V1__Recipient nobody = CARILLON__V1__RECIPIENT__INIT;
    struct judge_case c = {.event = event, .tenant = tenant, .arena = arena};
    const struct judging j = {.c = &c,
                              .kind = kind_row_of(event->kind),
                              .event = event,
                              .to = event->recipient ? event->recipient : &nobody,
                              .tenant = tenant,
                              .state = &c.state};
    CHECK(j.kind);
    if (channel_set(&j) != 0)
        channels_fan_out(&j, false);
    for (uint32_t i = 0; i < c.leg_count; i++)
        out[i] = c.legs[i];
    return c.leg_count;
}
