/* How a leg ended, as a record of the outcome topic: its value as protobuf or JSON, and
 * its CloudEvents headers. All is borrowed; what is empty, zero, false or NULL is left
 * out, but for attempts. Text that is no UTF-8 is cut where that begins. */
#pragma once

#include "base/err.h"
#include "base/record.h"
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
    const struct outcome_gate *gates;
    uint32_t gate_count;
    struct bytes origin_topic; /* size 0: no origin */
    int32_t origin_partition;
    int64_t origin_offset;
    struct bytes worker;
    /* What is copied from the event: customer_id ... labels, and traceparent into the
     * headers. NULL: it could not be read. */
    const Carillon__V1__Event *event;
};

/* ERR_TOO_LARGE: it does not fit. OUTCOME_BYTES_MAX always fits what is within limits. */
enum { OUTCOME_BYTES_MAX = 32 * 1024 };
MUST_USE enum err outcome_record_encode(const struct outcome_record *record,
                                        enum outcome_format format, struct writer *out);

enum { OUTCOME_HEADERS = 7, OUTCOME_HEADER_BYTES = 1024 };
/* Returns how many. Their values lie in `memory`, or in what the record borrows. ce_id is
 * the leg (the event where there is none) and its origin: a replay has the same one. */
uint32_t outcome_record_headers(const struct outcome_record *record, enum outcome_format format,
                                char memory[OUTCOME_HEADER_BYTES],
                                struct record_header headers[OUTCOME_HEADERS]);
