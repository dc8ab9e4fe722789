/* HTTP/1.1 as bytes: writes a request, reads a response in pieces of any size. Pure;
 * llhttp stays in the .c file. */
#pragma once

#include "base/err.h"
#include "io/http_message.h"

/* Room that http1_write_request needs at most. */
size_t http1_request_size(const struct http_request *request, struct bytes host);
void http1_write_request(struct writer *w, const struct http_request *request, struct bytes host);

/* Reads one response after the other. */
struct http1;

struct http1_limits {
    uint32_t head_max; /* status line and headers, 1xx included */
    uint32_t body_max; /* kept; the rest is cut */
};

MUST_USE struct http1 *http1_open(const struct http1_limits *limits);
void http1_close(struct http1 *p);
void http1_reset(struct http1 *p); /* for the next response; gives memory back */

/* ERR_AGAIN: more must come. ERR_OK: the response is whole; `*used` bytes belonged to
 * it. ERR_PROTOCOL, ERR_TOO_LARGE: it is broken. */
MUST_USE enum err http1_read(struct http1 *p, struct bytes bytes, size_t *used);
/* The peer ended the connection. ERR_OK: that was the response's end. */
MUST_USE enum err http1_end(struct http1 *p);

/* What is there so far: after an error too. status 0: no full status line. */
void http1_response(const struct http1 *p, struct http_response *out);
bool http1_keep_alive(const struct http1 *p);        /* the connection may be used again */
uint32_t http1_keep_alive_ms(const struct http1 *p); /* `Keep-Alive: timeout`; 0: not said */
