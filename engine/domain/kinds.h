/* What the rules know by name: the one table of kinds, and every reason code. What
 * differs between kinds stands in their row; nobody else asks which kind it is. */
#pragma once

#include "base/bytes.h"
#include "carillon/v1/common.pb-c.h"

/* REASON_<name>, its code on the wire. First the refusals of the rules, then why a leg
 * waits, then the reasons of ends that are no refusals. */
#define REASON_LIST(X)                                        \
    X(NONE, "")                                               \
    X(MALFORMED, "malformed")                                 \
    X(TOO_LATE, "too_late")                                   \
    X(BOOKED_AFTER_DUE, "booked_after_due")                   \
    X(CANCELLED, "cancelled")                                 \
    X(SUPERSEDED, "superseded")                               \
    X(ALREADY_CONFIRMED, "already_confirmed")                 \
    X(BLOCKED_PLATFORM, "blocked_platform")                   \
    X(TENANT_UNVERIFIED, "tenant_unverified")                 \
    X(NOT_PERMITTED, "not_permitted")                         \
    X(BLOCKED_BY_TENANT, "blocked_by_tenant")                 \
    X(REPLY_NOT_ALLOWED, "reply_not_allowed")                 \
    X(DO_NOT_DISTURB, "do_not_disturb")                       \
    X(ALERT_FILTERED, "alert_filtered")                       \
    X(KIND_DISABLED, "kind_disabled")                         \
    X(TOO_MANY_ATTACHMENTS, "too_many_attachments")           \
    X(MEDIA_UNSUPPORTED, "media_unsupported")                 \
    X(PREFERENCE_NONE, "preference_none")                     \
    X(CONTACT_MISSING, "contact_missing")                     \
    X(LANDLINE, "landline")                                   \
    X(UNSUBSCRIBED, "unsubscribed")                           \
    X(CONSENT_MISSING, "consent_missing")                     \
    X(MARKETING_CONSENT_MISSING, "marketing_consent_missing") \
    X(FREQUENCY_CAPPED, "frequency_capped")                   \
    X(CONTACT_INVALID, "contact_invalid")                     \
    X(TOO_LONG, "too_long")                                   \
    X(QUIET_PAST_EXPIRY, "quiet_past_expiry")                 \
    X(COLLAPSED, "collapsed")                                 \
    X(DUPLICATE, "duplicate")                                 \
    X(NOT_DUE, "not_due")                                     \
    X(QUIET_HOURS, "quiet_hours")                             \
    X(SEND_WINDOW, "send_window")                             \
    X(RATE, "rate")                                           \
    X(COOL_DOWN, "cool_down")                                 \
    X(BREAKER, "breaker")                                     \
    X(RETRY, "retry")                                         \
    X(BAD_RECIPIENT, "bad_recipient")                         \
    X(OPTED_OUT, "opted_out")                                 \
    X(BLOCKED, "blocked")                                     \
    X(EXPIRED, "expired")                                     \
    X(BAD_REQUEST, "bad_request")                             \
    X(SENDER_REJECTED, "sender_rejected")                     \
    X(AUTH_FAILED, "auth_failed")                             \
    X(NO_CREDIT, "no_credit")                                 \
    X(ATTEMPTS_EXHAUSTED, "attempts_exhausted")               \
    X(NO_ANSWER, "no_answer")                                 \
    X(CLAIMS_LOST, "claims_lost")

enum reason {
#define X(name, code) REASON_##name,
    REASON_LIST(X)
#undef X
        REASON_COUNT
};

const char *reason_code(enum reason reason); /* "" for REASON_NONE */

/* Sets of channels: bits by Carillon__V1__Channel. */
enum {
    CHANNELS_SMS = 1u << CARILLON__V1__CHANNEL__CHANNEL_SMS,
    CHANNELS_EMAIL = 1u << CARILLON__V1__CHANNEL__CHANNEL_EMAIL,
    CHANNELS_PUSH = 1u << CARILLON__V1__CHANNEL__CHANNEL_PUSH,
    CHANNELS_CUSTOMER = CHANNELS_SMS | CHANNELS_EMAIL,
    CHANNELS_BUSINESS = CHANNELS_EMAIL | CHANNELS_PUSH,
};

/* What a row says beyond audience, class and expiry. */
enum kind_flag {
    KIND_BOOKING = 1u << 0,          /* about a booking: G1, G4, C2 */
    KIND_OF_CANCELLED = 1u << 1,     /* a cancelled booking is what it speaks of (G4) */
    KIND_UNTIL_CONFIRMED = 1u << 2,  /* useless once the booking is confirmed (G4) */
    KIND_VERIFIED = 1u << 3,         /* of verified tenants only (G6) */
    KIND_BY_PERSON = 1u << 4,        /* a person sends it: author.role (G1, G7) */
    KIND_PASSES_BLOCK = 1u << 5,     /* goes to customers whom the tenant blocked (G8) */
    KIND_ANSWERS_FEEDBACK = 1u << 6, /* G9, always */
    KIND_MAY_ANSWER = 1u << 7,       /* G9, where in_reply_to is feedback */
    KIND_DISTURBS = 1u << 8,         /* not in do-not-disturb; messaging roles only (G10, C5) */
    KIND_FILTERED = 1u << 9,         /* the tenant's filter for feedback (G10) */
    KIND_ONE_CHANNEL = 1u << 10,     /* C3 */
    KIND_ATTESTED_SMS = 1u << 11,    /* C7 */
    KIND_CONFIRMED_TWICE = 1u << 12, /* C8 */
    KIND_CONFIRMED_ONCE = 1u << 13,  /* C8: the second question */
    KIND_FREE_TEXT = 1u << 14,       /* nothing but what the person wrote (G1) */
    KIND_CODE = 1u << 15,            /* needs variables.code (G1) */
    KIND_QUIET = 1u << 16,           /* quiet hours may hold it, a cap may refuse it (C9, Q3) */
    KIND_LEGAL_HOURS = 1u << 17,     /* Q6 */
    KIND_COLLAPSES = 1u << 18,       /* O2: keeps the additional one away */
    KIND_ADDITIONAL = 1u << 19,      /* O2, O3 */
    KIND_TEXT_IS_CONTENT = 1u << 20, /* its default text counts as `content` */
    KIND_TENANT_ANSWER = 1u << 21,   /* the text of do_not_disturb */
    KIND_OPT_OUT_HINT = 1u << 22,    /* T5 */
};

struct kind_row {
    Carillon__V1__Kind kind;
    const char *name;
    Carillon__V1__Audience audience;
    Carillon__V1__Class class;
    int64_t expiry_ms; /* after due_at; 0: the booking's start */
    /* Whose texts and templates it uses: its own, but for additional_reminder (T1). */
    Carillon__V1__Kind text_kind;
    uint32_t flags;
};

/* NULL where the kind is unknown. */
const struct kind_row *kind_row_of(Carillon__V1__Kind kind);
/* By the name on the wire ("reminder"); NULL where unknown. */
const struct kind_row *kind_row_named(struct bytes name);

static inline bool kind_is(const struct kind_row *row, uint32_t flags)
{
    return (row->flags & flags) != 0;
}

/* The channels that count for an audience (G11). */
static inline uint32_t kind_channels(const struct kind_row *row)
{
    return row->audience == CARILLON__V1__AUDIENCE__AUDIENCE_BUSINESS ? CHANNELS_BUSINESS
                                                                      : CHANNELS_CUSTOMER;
}

const char *class_name(Carillon__V1__Class class);       /* "reminder" */
const char *channel_name(Carillon__V1__Channel channel); /* "sms" */
