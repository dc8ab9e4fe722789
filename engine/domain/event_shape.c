#include "domain/event_shape.h"

#include "carillon/v1/event.pb-c.h"

/* clang-format off */

/* Texts with a limit, by field number. */
#define EVENT_TEXTS(X)                                                                             \
    X(1, event_id, 128)                                                                            \
    X(2, tenant_id, 64)                                                                            \
    X(8, dedup_key, 128)                                                                           \
    X(10, locale, 35)                                                                              \
    X(13, service_id, 64)                                                                          \
    X(15, location_id, 64)                                                                         \
    X(16, location_zone, 64)                                                                       \
    X(19, template_, 64)

#define MORE_EVENT_TEXTS(X)                                                                        \
    X(24, customer_id, 64)                                                                         \
    X(25, customer_reference, 64)                                                                  \
    X(26, conversation_id, 64)                                                                     \
    X(27, transaction_id, 64)                                                                      \
    X(28, traceparent, 55)

#define BOOKING_TEXTS(X) X(1, booking_id, 64)
#define SERVICE_TEXTS(X) X(1, service_id, 64)
#define AUTHOR_TEXTS(X) X(1, role, 32) X(2, staff_id, 64)
#define CONTENT_TEXTS(X) X(2, text, 64 * 1024) X(3, html, 256 * 1024)

enum {
    VARIABLES_MAX = 64,
    VARIABLE_KEY_MAX = 64,
    VARIABLE_MAX = 4096,
    LABELS_MAX = 16,
    LABEL_KEY_MAX = 32,
    LABEL_MAX = 128,
};

/* --- for pb_check_sizes --- */

const struct pb_limit event_limits[] = {
#define LIMIT(id, field, max) {TYPE, id, .bytes = (max)},
#define TYPE &carillon__v1__event__descriptor
    EVENT_TEXTS(LIMIT)
    {TYPE, 20, .bytes = VARIABLE_MAX, .keys = VARIABLE_KEY_MAX, .count = VARIABLES_MAX},
    {TYPE, 23, .bytes = LABEL_MAX, .keys = LABEL_KEY_MAX, .count = LABELS_MAX},
    MORE_EVENT_TEXTS(LIMIT)
#undef TYPE
#define TYPE &carillon__v1__booking__descriptor
    BOOKING_TEXTS(LIMIT)
#undef TYPE
#define TYPE &carillon__v1__service__descriptor
    SERVICE_TEXTS(LIMIT)
#undef TYPE
#define TYPE &carillon__v1__author__descriptor
    AUTHOR_TEXTS(LIMIT)
#undef TYPE
#define TYPE &carillon__v1__content__descriptor
    CONTENT_TEXTS(LIMIT)
#undef TYPE
};
const uint32_t event_limit_count = countof(event_limits);

/* --- for pb_read_plain --- */

#define AT(field) .at = offsetof(OF, field)
#define HAS(field) .has = offsetof(OF, has_##field)
#define TEXT(id, field, max) [id] = {.how = PB_TEXT, AT(field), .bytes = (max)},
#define ANY_TEXT(id, field) [id] = {.how = PB_TEXT, AT(field)},
#define U64(id, field) [id] = {.how = PB_U64, AT(field), HAS(field)},
#define BOOL(id, field) [id] = {.how = PB_BOOL, AT(field), HAS(field)},
#define ENUM(id, field, type) \
    [id] = {.how = PB_ENUM, AT(field), HAS(field), .of = &carillon__v1__##type##__descriptor},
#define TIME(id, field) [id] = {.how = PB_TIME, AT(field)},
#define MESSAGE(id, field, shape) [id] = {.how = PB_MESSAGE, AT(field), .of = &(shape)},
#define MANY(id, field, how_, shape, max) \
    [id] = {.how = (how_), AT(field), .has = offsetof(OF, n_##field), .of = &(shape), .count = (max)},
#define SHAPE(rows, type) {&carillon__v1__##type##__descriptor, (rows), countof(rows)}

#define OF Carillon__V1__Recipient
static const struct pb_row recipient_rows[] = {
    ANY_TEXT(1, sms)
    ANY_TEXT(2, email)
    ANY_TEXT(3, name)
    ENUM(4, line_type, line_type)
    ENUM(5, preference, preference)
    ANY_TEXT(6, zone)
    ANY_TEXT(7, booking_zone)
    ANY_TEXT(8, locale)
    ANY_TEXT(9, country)
};
static const struct pb_shape recipient = SHAPE(recipient_rows, recipient);
#undef OF

#define OF Carillon__V1__Service
static const struct pb_row service_rows[] = {
    SERVICE_TEXTS(TEXT)
    TIME(2, starts_at)
};
static const struct pb_shape service = SHAPE(service_rows, service);
#undef OF

#define OF Carillon__V1__Booking
static const struct pb_row booking_rows[] = {
    BOOKING_TEXTS(TEXT)
    U64(2, revision)
    TIME(3, starts_at)
    TIME(4, made_at)
    MANY(5, services, PB_LIST, service, 0)
};
static const struct pb_shape booking = SHAPE(booking_rows, booking);
#undef OF

#define OF Carillon__V1__Author
static const struct pb_row author_rows[] = {
    AUTHOR_TEXTS(TEXT)
};
static const struct pb_shape author = SHAPE(author_rows, author);
#undef OF

#define OF Carillon__V1__Content
static const struct pb_row content_rows[] = {
    ANY_TEXT(1, subject)
    CONTENT_TEXTS(TEXT)
};
static const struct pb_shape content = SHAPE(content_rows, content);
#undef OF

#define OF Carillon__V1__Attachment
static const struct pb_row attachment_rows[] = {
    ANY_TEXT(1, url)
    ANY_TEXT(2, content_type)
};
static const struct pb_shape attachment = SHAPE(attachment_rows, attachment);
#undef OF

#define OF Carillon__V1__Event__VariablesEntry
static const struct pb_row variable_rows[] = {
    TEXT(1, key, VARIABLE_KEY_MAX)
    TEXT(2, value, VARIABLE_MAX)
};
static const struct pb_shape variable = SHAPE(variable_rows, event__variables_entry);
#undef OF

#define OF Carillon__V1__Event__LabelsEntry
static const struct pb_row label_rows[] = {
    TEXT(1, key, LABEL_KEY_MAX)
    TEXT(2, value, LABEL_MAX)
};
static const struct pb_shape label = SHAPE(label_rows, event__labels_entry);
#undef OF

#define OF Carillon__V1__Event
static const struct pb_row event_rows[] = {
    EVENT_TEXTS(TEXT)
    MORE_EVENT_TEXTS(TEXT)
    ENUM(3, kind, kind)
    ENUM(4, audience, audience)
    TIME(5, created_at)
    TIME(6, due_at)
    TIME(7, expires_at)
    BOOL(9, resend)
    MESSAGE(11, recipient, recipient)
    MESSAGE(12, booking, booking)
    ENUM(14, in_reply_to, in_reply_to)
    MESSAGE(17, author, author)
    ENUM(18, channel, channel)
    MANY(20, variables, PB_MAP, variable, VARIABLES_MAX)
    MESSAGE(21, content, content)
    MANY(22, attachments, PB_LIST, attachment, 0)
    MANY(23, labels, PB_MAP, label, LABELS_MAX)
};
const struct pb_shape event_shape = SHAPE(event_rows, event);
#undef OF
/* clang-format on */
