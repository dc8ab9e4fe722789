/* How a leg ended, as a record of the outcome topic: its value as protobuf or JSON, and
 * its CloudEvents headers. All is borrowed; what is empty, zero, false or NULL is left
 * out, but for attempts. Text that is no UTF-8 is cut where that begins. */
#pragma once

#include "base/err.h"
#include "base/record.h"
#include "base/time.h"
#include "carillon/v1/event.pb-c.h"
#include "carillon/v1/outcome.pb-c.h"

enum outcome_format { OUTCOME_JSON, OUTCOME_PROTOBUF };

struct outcome_gate {
    const char *id; /* "G1" */
    Carillon__V1__Gate__Verdict verdict;
};

struct outcome_record {
    struct bytes event_id, tenant_id;
    struct bytes leg_id; /* as text */
    Carillon__V1__Kind kind;
    Carillon__V1__Class class;
    Carillon__V1__Channel channel;
    struct bytes address_hash; /* as text */
    Carillon__V1__OutcomeKind outcome;
    const char *reason, *detail;
    struct bytes provider, route, provider_message_id;
    uint32_t attempts;
    bool dup_risk, replay;
    struct bytes zone;
    Carillon__V1__ZoneSource zone_source;
    int64_t due_ms, effective_due_ms, sent_at_ms, settled_at_ms;
    uint32_t segments;
    Carillon__V1__Encoding encoding;
    const char *template;
    struct bytes gates;        /* by outcome_gates_encode, in the same form */
    struct bytes origin_topic; /* size 0: no origin */
    int32_t origin_partition;
    int64_t origin_offset;
    struct bytes worker;
    /* What is copied from the event: customer_id ... labels, and traceparent into the
     * headers. NULL: it could not be read. */
    const Carillon__V1__Event *event;
};

/* What does not change from one record to the next. */
enum { OUTCOME_ENUMS = 6, OUTCOME_ENUM_MAX = 32 };
struct outcome_encoder {
    enum outcome_format format;
    struct time_texts times;
    struct outcome_word { /* an enum's value as it stands in JSON */
        char text[31];
        uint8_t size; /* 0: to be looked up */
    } words[OUTCOME_ENUMS][OUTCOME_ENUM_MAX];
};
void outcome_encoder_init(struct outcome_encoder *encoder, enum outcome_format format);

/* Gates are mostly those of an earlier record, so they are written apart. Overflow: more
 * than OUTCOME_GATES_BYTES for what gates there are. */
enum { OUTCOME_GATES_BYTES = 1536 };
void outcome_gates_encode(enum outcome_format format, const struct outcome_gate *gates,
                          uint32_t count, struct writer *out);

/* ERR_TOO_LARGE: it does not fit, with some 30 bytes to spare. OUTCOME_BYTES_MAX always
 * fits what is within limits. */
enum { OUTCOME_BYTES_MAX = 32 * 1024 };
MUST_USE enum err outcome_record_encode(struct outcome_encoder *encoder,
                                        const struct outcome_record *record, struct writer *out);

enum { OUTCOME_HEADERS = 7, OUTCOME_HEADER_BYTES = 1024 };
/* Returns how many. Their values lie in `memory`, or in what the record borrows. ce_id is
 * the leg (the event where there is none) and its origin: a replay has the same one. */
uint32_t outcome_record_headers(struct outcome_encoder *encoder,
                                const struct outcome_record *record,
                                char memory[OUTCOME_HEADER_BYTES],
                                struct record_header headers[OUTCOME_HEADERS]);
