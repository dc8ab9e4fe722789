/* A record of a Kafka topic as data. Everything is borrowed. In base, because io
 * carries records, domain reads them and stages keep them. */
#pragma once

#include "base/bytes.h"

enum { RECORD_HEADERS_MAX = 64 };

struct record_header {
    struct bytes name, value;
};

struct record {
    struct bytes key, value;
    const struct record_header *headers;
    uint32_t header_count;
    int64_t timestamp_ms; /* as the topic has it; 0 where unknown */
};

/* The value of the first header of that name, without regard to case; `at` is NULL
 * where there is none. */
static inline struct bytes record_header_of(const struct record_header *headers, uint32_t count,
                                            struct bytes name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal_nocase(headers[i].name, name))
            return headers[i].value;
    return (struct bytes){0};
}
