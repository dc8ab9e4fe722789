#include "domain/kinds.h"

#include "base/base.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

static const char *const reasons[REASON_COUNT] = {
#define X(name, code) [REASON_##name] = code,
    REASON_LIST(X)
#undef X
};

const char *reason_code(enum reason reason)
{
    CHECK((unsigned)reason < REASON_COUNT);
    return reasons[reason];
}

/* clang-format off */
#define ROW(KIND, NAME, AUDIENCE, CLASS, EXPIRY, FLAGS)                                            \
    [CARILLON__V1__KIND__KIND_##KIND] = {CARILLON__V1__KIND__KIND_##KIND, NAME,                    \
        CARILLON__V1__AUDIENCE__AUDIENCE_##AUDIENCE, CARILLON__V1__CLASS__CLASS_##CLASS, EXPIRY,   \
        CARILLON__V1__KIND__KIND_##KIND, FLAGS}

/* What whole families have in common. */
enum {
    OF_BOOKING = KIND_BOOKING | KIND_PASSES_BLOCK | KIND_QUIET,
    OF_PAYMENT = KIND_PASSES_BLOCK | KIND_QUIET,
    OF_CONVERSATION = KIND_VERIFIED | KIND_ONE_CHANNEL | KIND_QUIET,
    OF_MARKETING = KIND_VERIFIED | KIND_CONFIRMED_TWICE | KIND_QUIET | KIND_LEGAL_HOURS |
                   KIND_TEXT_IS_CONTENT | KIND_OPT_OUT_HINT,
};

static const struct kind_row rows[] = {
    ROW(BOOKING_PENDING, "booking_pending", CUSTOMER, SYSTEM, 0, OF_BOOKING),
    ROW(BOOKING_CONFIRMED, "booking_confirmed", CUSTOMER, SYSTEM, 0, OF_BOOKING),
    ROW(BOOKING_DECLINED, "booking_declined", CUSTOMER, SYSTEM, 24 * HOUR_MS, OF_BOOKING | KIND_OF_CANCELLED),
    ROW(BOOKING_CANCELLED, "booking_cancelled", CUSTOMER, SYSTEM, 24 * HOUR_MS, OF_BOOKING | KIND_OF_CANCELLED),
    ROW(BOOKING_RESCHEDULED, "booking_rescheduled", CUSTOMER, SYSTEM, 0, OF_BOOKING),
    ROW(CONFIRMATION_REQUEST, "confirmation_request", CUSTOMER, REMINDER, 0, OF_BOOKING | KIND_UNTIL_CONFIRMED),
    ROW(REMINDER, "reminder", CUSTOMER, REMINDER, 0, OF_BOOKING | KIND_COLLAPSES),
    [CARILLON__V1__KIND__KIND_ADDITIONAL_REMINDER] = {
        CARILLON__V1__KIND__KIND_ADDITIONAL_REMINDER, "additional_reminder",
        CARILLON__V1__AUDIENCE__AUDIENCE_CUSTOMER, CARILLON__V1__CLASS__CLASS_REMINDER, 0,
        CARILLON__V1__KIND__KIND_REMINDER, OF_BOOKING | KIND_ADDITIONAL},
    ROW(RECEIPT, "receipt", CUSTOMER, SYSTEM, 72 * HOUR_MS, OF_PAYMENT),
    ROW(INVOICE, "invoice", CUSTOMER, SYSTEM, 72 * HOUR_MS, OF_PAYMENT | KIND_BY_PERSON),
    ROW(ESTIMATE, "estimate", CUSTOMER, SYSTEM, 72 * HOUR_MS, OF_PAYMENT | KIND_BY_PERSON),
    ROW(PAYMENT_REQUEST, "payment_request", CUSTOMER, CONVERSATION, 72 * HOUR_MS,
        OF_CONVERSATION | KIND_BY_PERSON | KIND_ATTESTED_SMS),
    ROW(DIRECT_MESSAGE, "direct_message", CUSTOMER, CONVERSATION, 24 * HOUR_MS,
        OF_CONVERSATION | KIND_BY_PERSON | KIND_ATTESTED_SMS | KIND_FREE_TEXT),
    ROW(AUTO_REPLY, "auto_reply", CUSTOMER, CONVERSATION, HOUR_MS,
        OF_CONVERSATION | KIND_TEXT_IS_CONTENT | KIND_TENANT_ANSWER),
    ROW(CONSENT_REQUEST, "consent_request", CUSTOMER, URGENT, 24 * HOUR_MS, KIND_VERIFIED),
    ROW(MARKETING_CONSENT_REQUEST, "marketing_consent_request", CUSTOMER, URGENT, 24 * HOUR_MS,
        KIND_VERIFIED | KIND_CONFIRMED_ONCE),
    ROW(COUPON, "coupon", CUSTOMER, MARKETING, 24 * HOUR_MS, OF_MARKETING | KIND_BY_PERSON | KIND_MAY_ANSWER),
    ROW(CAMPAIGN, "campaign", CUSTOMER, MARKETING, 24 * HOUR_MS, OF_MARKETING),
    ROW(FEEDBACK_REPLY, "feedback_reply", CUSTOMER, CONVERSATION, 72 * HOUR_MS,
        OF_CONVERSATION | KIND_BY_PERSON | KIND_ANSWERS_FEEDBACK | KIND_FREE_TEXT),
    ROW(MESSAGE_ALERT, "message_alert", BUSINESS, ALERT, 24 * HOUR_MS, KIND_DISTURBS),
    ROW(FEEDBACK_ALERT, "feedback_alert", BUSINESS, ALERT, 24 * HOUR_MS, KIND_FILTERED | KIND_PASSES_BLOCK),
    ROW(ONE_TIME_CODE, "one_time_code", CUSTOMER, URGENT, 5 * MINUTE_MS, KIND_PASSES_BLOCK | KIND_CODE),
};
/* clang-format on */

const struct kind_row *kind_row_of(Carillon__V1__Kind kind)
{
    unsigned index = (unsigned)kind;
    if (index >= countof(rows) || !rows[index].name)
        return NULL;
    return &rows[index];
}

const struct kind_row *kind_row_named(struct bytes name)
{
    for (size_t i = 0; i < countof(rows); i++)
        if (rows[i].name && bytes_equal(bytes_of(rows[i].name), name))
            return &rows[i];
    return NULL;
}

const char *class_name(Carillon__V1__Class class)
{
    static const char *const names[] = {
        [CARILLON__V1__CLASS__CLASS_URGENT] = "urgent",
        [CARILLON__V1__CLASS__CLASS_SYSTEM] = "system",
        [CARILLON__V1__CLASS__CLASS_REMINDER] = "reminder",
        [CARILLON__V1__CLASS__CLASS_CONVERSATION] = "conversation",
        [CARILLON__V1__CLASS__CLASS_MARKETING] = "marketing",
        [CARILLON__V1__CLASS__CLASS_ALERT] = "alert",
    };
    return (unsigned)class < countof(names) && names[class] ? names[class] : "";
}

const char *channel_name(Carillon__V1__Channel channel)
{
    static const char *const names[] = {
        [CARILLON__V1__CHANNEL__CHANNEL_SMS] = "sms",
        [CARILLON__V1__CHANNEL__CHANNEL_EMAIL] = "email",
        [CARILLON__V1__CHANNEL__CHANNEL_PUSH] = "push",
    };
    return (unsigned)channel < countof(names) && names[channel] ? names[channel] : "";
}
