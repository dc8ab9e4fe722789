/* A provider as data: an adapter file, bound to an account's credentials, compiled into
 * pieces. It renders a leg into a request and judges the answer; C knows no provider.
 *
 * Compiling allocates, once, when a config is loaded; rendering and judging allocate
 * nothing but the caller's arena. A compiled adapter is read-only: shards share it. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/http_message.h"

/* What a provider's answer means. The words are those of adapter files and of `reason`. */
#define VERDICT_LIST(X)                                                                \
    X(ACCEPTED, "accepted")                                                            \
    X(DUPLICATE, "duplicate") /* it has this leg already: as good as accepted */       \
    X(THROTTLED, "throttled") /* not accepted; the route cools down */                 \
    X(TEMPORARY, "temporary") /* not accepted; may be tried again */                   \
    X(AMBIGUOUS, "ambiguous") /* perhaps accepted */                                   \
    X(BAD_RECIPIENT, "bad_recipient")                                                  \
    X(OPTED_OUT, "opted_out")                                                          \
    X(BLOCKED, "blocked")                                                              \
    X(EXPIRED, "expired")                                                              \
    X(BAD_REQUEST, "bad_request")                                                      \
    X(SENDER_REJECTED, "sender_rejected") /* these three: not the recipient's fault */ \
    X(AUTH_FAILED, "auth_failed")                                                      \
    X(NO_CREDIT, "no_credit")

enum verdict {
#define X(name, text) VERDICT_##name,
    VERDICT_LIST(X)
#undef X
        VERDICT_COUNT
};

const char *verdict_text(enum verdict verdict);

/* What a file may name as ${value}; beside it the event's field, for messages. */
#define ADAPTER_VALUE_LIST(X)                                                                 \
    X(TO, "to", "recipient") /* E.164, e-mail address or device token */                      \
    X(TO_NAME, "to_name", "recipient.name")                                                   \
    X(FROM, "from", "senders.from")                                                           \
    X(FROM_NAME, "from_name", "senders.name")                                                 \
    X(REPLY_TO, "reply_to", "senders.reply_to")                                               \
    X(SUBJECT, "subject", "content.subject")                                                  \
    X(UNSUBSCRIBE_URL, "unsubscribe_url", "variables.unsubscribe_url") /* marketing e-mail */ \
    X(TEXT, "text", "content.text")                                                           \
    X(HTML, "html", "content.html")                                                           \
    X(LEG, "leg", "leg_id") /* the idempotency key */                                         \
    X(EVENT, "event", "event_id")                                                             \
    X(TENANT, "tenant", "tenant_id")                                                          \
    X(KIND, "kind", "kind")                                                                   \
    X(CLASS, "class", "class")                                                                \
    X(CHANNEL, "channel", "channel")                                                          \
    X(LOCALE, "locale", "locale")                                                             \
    X(ENCODING, "encoding", "encoding") /* gsm7 or ucs2 */                                    \
    X(TRACEPARENT, "traceparent", "traceparent")

enum adapter_value {
#define X(name, word, field) VALUE_##name,
    ADAPTER_VALUE_LIST(X)
#undef X
        VALUE_COUNT
};

enum { ADAPTER_MEDIA_MAX = 10 };

/* One leg's values; size 0 where absent. ${media} stands for the list, ${ttl_s}, ${ttl_ms},
 * ${ttl_minutes}, ${expires_unix_s} and ${expires_iso8601} for what follows from the times. */
struct adapter_values {
    struct bytes at[VALUE_COUNT];
    struct bytes media[ADAPTER_MEDIA_MAX]; /* URLs */
    uint32_t media_count;
    int64_t now_ms, expires_ms; /* expires_ms 0: never */
};

/* The file as it was read: one struct per STRUCT of adapter.def, `struct adapter_NAME`. */
#define STRUCT(name) struct adapter_##name {
#define END(name) \
    }             \
    ;
#define NUM(shape, name, ...) uint64_t name;
#define REAL(shape, name, ...) double name;
#define TEXT(shape, name, ...) char *name;
#define NEED(shape, name, ...) char *name;
#define CHOICE(shape, name, ...) uint32_t name;
#define TEXTS(shape, name, ...) \
    char **name;                \
    uint32_t name##_count;
#define GROUP(shape, name, inner, ...) struct adapter_##inner name;
#define LIST(shape, name, inner, ...) \
    struct adapter_##inner *name;     \
    uint32_t name##_count;
#include "domain/adapter.def"
#undef STRUCT
#undef END
#undef NUM
#undef REAL
#undef TEXT
#undef NEED
#undef CHOICE
#undef TEXTS
#undef GROUP
#undef LIST

/* Bits of adapter.channels. */
enum adapter_channel {
    ADAPTER_SMS = 1,
    ADAPTER_EMAIL = 2,
    ADAPTER_PUSH = 4,
};

struct adapter_credential {
    const char *name, *value;
};

/* What the account adds to the file. */
struct adapter_account {
    const char *base_url; /* NULL or "": the file's */
    const struct adapter_credential *credentials;
    uint32_t credential_count;
};

/* Where in the file the fault is (`body.fields[2].value`) and what it is. */
struct adapter_fault {
    char path[64];
    char text[192];
};

struct adapter {
    char name[64];
    uint32_t channels; /* enum adapter_channel */
    char host[256];    /* without brackets where it is IPv6 */
    uint16_t port;
    bool tls;
    bool carries_media; /* a field names ${media} */
    double per_second;  /* 0: no limit known */
    uint32_t in_flight;
    int64_t idempotency_window_ms; /* 0: no idempotency key is honoured */
    struct adapter_program *program;
};

/* NULL: `fault` says why. The file and the account are not needed afterwards. */
MUST_USE struct adapter *adapter_compile(const struct adapter_spec *spec,
                                         const struct adapter_account *account,
                                         struct adapter_fault *fault);
void adapter_free(struct adapter *adapter);

/* Renders into the arena; *out borrows from the arena, the adapter and the values. No value
 * can end a header or leave its place in the body: ERR_INVALID where one tries to, with the
 * event's field in *field; ERR_NO_MEMORY where the arena is too small (field NULL). */
MUST_USE enum err adapter_render(const struct adapter *adapter, const struct adapter_values *values,
                                 struct arena *arena, struct http_request *out, const char **field);

enum { ADAPTER_ID_MAX = 255, ADAPTER_CODE_MAX = 63 };

struct adapter_answer {
    enum verdict verdict;
    int64_t retry_after_ms;          /* from now; -1: not said */
    char code[ADAPTER_CODE_MAX + 1]; /* as text, cut; "" where there is none */
    char id[ADAPTER_ID_MAX + 1];     /* the provider's message id, as text; "" */
};

/* Judges a whole answer. What is not JSON, or cut, has no code and no id. `now_ms` is wall
 * time, for Retry-After dates. */
void adapter_verdict(const struct adapter *adapter, const struct http_response *response,
                     int64_t now_ms, struct adapter_answer *out);
