/* HTTP requests and responses as data. Everything is borrowed: a request's bytes
 * must stay until its call is done, a response's until the callback returns. */
#pragma once

#include "base/bytes.h"

enum { HTTP_HEADERS_MAX = 32 };

struct http_header {
    struct bytes name, value;
};

/* What an adapter renders. Host, Content-Length and Connection are the client's;
 * names and values were checked when rendered (tokens; no byte below 0x20 but HTAB). */
struct http_request {
    struct bytes method; /* "POST" */
    struct bytes path;   /* with query; begins with '/' */
    struct http_header headers[HTTP_HEADERS_MAX];
    uint32_t header_count;
    struct bytes body;
};

struct http_response {
    uint16_t status;
    struct http_header headers[HTTP_HEADERS_MAX]; /* more are dropped */
    uint32_t header_count;
    struct bytes body; /* de-chunked; cut at the call's limit, then body_cut */
    bool body_cut;
};

/* The first header of that name, without regard to case; size 0 where absent. */
static inline struct bytes http_header_of(const struct http_response *r, struct bytes name)
{
    for (uint32_t i = 0; i < r->header_count; i++)
        if (bytes_equal_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    return (struct bytes){0};
}
