#include "domain/why.h"

static const char *const reasons[REASON_COUNT] = {
    [REASON_NONE] = "nothing stands against it",
    [REASON_MALFORMED] = "the event is not complete or not well-formed",
    [REASON_TOO_LATE] = "its time is over: it expires before it could go",
    [REASON_BOOKED_AFTER_DUE] = "the booking was made after the reminder was due",
    [REASON_CANCELLED] = "the booking is cancelled",
    [REASON_SUPERSEDED] = "the booking has a newer revision",
    [REASON_ALREADY_CONFIRMED] = "the customer has already confirmed",
    [REASON_BLOCKED_PLATFORM] = "the platform blocks this recipient",
    [REASON_TENANT_UNVERIFIED] = "the business is not verified",
    [REASON_NOT_PERMITTED] = "the author's role may not message customers",
    [REASON_BLOCKED_BY_TENANT] = "the business blocks this customer",
    [REASON_REPLY_NOT_ALLOWED] = "the customer did not agree to be answered",
    [REASON_DO_NOT_DISTURB] = "the business does not want to be disturbed",
    [REASON_ALERT_FILTERED] = "the business filters such alerts out",
    [REASON_KIND_DISABLED] = "the business switched this kind off",
    [REASON_TOO_MANY_ATTACHMENTS] = "more than four attachments",
    [REASON_MEDIA_UNSUPPORTED] = "this channel cannot carry attachments",
    [REASON_PREFERENCE_NONE] = "the customer wants such messages on none of the channels",
    [REASON_CONTACT_MISSING] = "there is no address for this channel",
    [REASON_LANDLINE] = "the number is a land line",
    [REASON_UNSUBSCRIBED] = "the recipient unsubscribed",
    [REASON_CONSENT_MISSING] = "the business did not attest consent for this number",
    [REASON_MARKETING_CONSENT_MISSING] = "the consent that marketing needs is missing",
    [REASON_FREQUENCY_CAPPED] = "the customer has had as many messages as the cap allows",
    [REASON_CONTACT_INVALID] = "the address is not valid",
    [REASON_TOO_LONG] = "the text is too long",
    [REASON_QUIET_PAST_EXPIRY] = "it expires before the quiet hours are over",
    [REASON_COLLAPSED] = "another reminder of the booking goes instead",
    [REASON_DUPLICATE] = "the same message went already",
    [REASON_NOT_DUE] = "it is not due yet",
    [REASON_QUIET_HOURS] = "these are quiet hours",
    [REASON_SEND_WINDOW] = "it could not start before the quiet hours",
    [REASON_RATE] = "the route's limit lets it wait",
    [REASON_COOL_DOWN] = "the provider asked to wait",
    [REASON_BREAKER] = "the route is closed after failures",
    [REASON_RETRY] = "it is tried again",
    [REASON_BAD_RECIPIENT] = "the provider says that the address does not exist",
    [REASON_OPTED_OUT] = "the provider says that the recipient opted out",
    [REASON_BLOCKED] = "the provider blocks it",
    [REASON_EXPIRED] = "the provider says that it expired",
    [REASON_BAD_REQUEST] = "the provider does not take the request",
    [REASON_SENDER_REJECTED] = "the provider does not take the sender",
    [REASON_AUTH_FAILED] = "the provider does not know the account",
    [REASON_NO_CREDIT] = "the provider's account has no credit",
    [REASON_ATTEMPTS_EXHAUSTED] = "every attempt was put off by the provider",
    [REASON_NO_ANSWER] = "no answer came, so nobody knows whether it was sent",
    [REASON_CLAIMS_LOST] = "Redis lost what was claimed, so nobody knows whether it was sent",
};

const char *why_reason(enum reason reason)
{
    CHECK((unsigned)reason < REASON_COUNT && reasons[reason]);
    return reasons[reason];
}

static const char *const gates[JUDGE_GATE_COUNT] = {
    [JUDGE_G1] = "the record is complete",
    [JUDGE_G2] = "it is not too late",
    [JUDGE_G3] = "it was booked before the reminder was due",
    [JUDGE_G4] = "the booking stands as the event says",
    [JUDGE_G5] = "the platform does not block the recipient",
    [JUDGE_G6] = "the business is verified",
    [JUDGE_G7] = "the author's role may message",
    [JUDGE_G8] = "the business does not block the customer",
    [JUDGE_G9] = "the customer agreed to be answered",
    [JUDGE_G10] = "the business wants the alert",
    [JUDGE_G11] = "the kind is switched on",
    [JUDGE_G12] = "attachments can be carried",
    [JUDGE_C1] = "the business's channels",
    [JUDGE_C2] = "the customer's preference",
    [JUDGE_C3] = "the channel of the conversation",
    [JUDGE_C4] = "there is an address, and it is no land line",
    [JUDGE_C5] = "the business's devices and owner",
    [JUDGE_C6] = "the recipient did not unsubscribe",
    [JUDGE_C7] = "the business attested consent",
    [JUDGE_C8] = "marketing was consented to",
    [JUDGE_C9] = "the frequency cap is not reached",
    [JUDGE_C10] = "the address is valid",
    [JUDGE_T4] = "the text is short enough",
    [JUDGE_Q3] = "the quiet hours end before it expires",
    [JUDGE_O3] = "it speaks for the booking's earliest service",
    [JUDGE_O2] = "no other reminder goes instead",
    [JUDGE_O1] = "it did not go before",
};

const char *why_gate(uint32_t gate)
{
    CHECK(gate < JUDGE_GATE_COUNT);
    return gates[gate];
}

const char *why_decision(enum decision decision)
{
    static const char *const names[DECISION_COUNT] = {
        [DECISION_SEND] = "send",
        [DECISION_DEFER] = "defer",
        [DECISION_SUPPRESSED] = "suppressed",
        [DECISION_EXPIRED] = "expired",
        [DECISION_CANCELLED] = "cancelled",
        [DECISION_DUPLICATE] = "duplicate",
        [DECISION_DEAD] = "dead",
    };
    CHECK((unsigned)decision < DECISION_COUNT);
    return names[decision];
}

const char *why_zone(Carillon__V1__ZoneSource source)
{
    static const char *const names[] = {"",       "profile",  "booking", "location",
                                        "tenant", "platform", "guessed"};
    CHECK((unsigned)source < countof(names));
    return names[source];
}

const char *why_encoding(Carillon__V1__Encoding encoding)
{
    static const char *const names[] = {"", "gsm7", "ucs2"};
    CHECK((unsigned)encoding < countof(names));
    return names[encoding];
}
