/* HTTP calls on the loop: pools of kept connections per origin, one call at a time on
 * each. Nothing is ever sent a second time from here. A call is its caller's memory,
 * `done` is called exactly once for each that http_start accepted, from loop_wait; what
 * it says about bytes taken is what makes an ambiguous send visible (design section 8). */
#pragma once

#include "base/err.h"
#include "io/http_message.h"
#include "io/loop.h"

struct resolve;
struct http;
struct http_origin;

struct http_options {
    struct loop *loop;
    struct resolve *resolve;  /* NULL: origins are literal addresses */
    uint32_t connections_max; /* per origin; 0: 256 */
    uint32_t idle_ms;         /* an idle connection is dropped after; 0: 4,000 */
    uint32_t lifetime_ms;     /* a connection takes no call after; 0: 600,000 */
    uint32_t connect_ms;      /* until ready: name, connecting, hands; 0: 5,000 */
    uint32_t request_max;     /* head and body; 0: 1 MiB */
    uint32_t response_max;    /* body bytes kept, the rest is cut; 0: 64 KiB */
    uint32_t head_max;        /* status line and headers; 0: 16 KiB */
    uint64_t seed;            /* for jitter */
};

MUST_USE struct http *http_open(const struct http_options *options);
/* Every call must be released or still out; those still out get no `done`. */
void http_close(struct http *h);

/* "http://host:port", "https://host"; a path after it is refused. ca_file: NULL for the
 * system's roots. The same pair gives the same origin. NULL: `why` says why. */
enum { HTTP_WHY_SIZE = 256 };
MUST_USE struct http_origin *http_origin_add(struct http *h, const char *base_url,
                                             const char *ca_file, char why[HTTP_WHY_SIZE]);

uint32_t http_ready(const struct http_origin *o); /* connections a call can start on now */
/* Opens connections until n are ready or opening; less while backing off. */
void http_want(struct http_origin *o, uint32_t n);

struct http_origin_stats {
    uint32_t opening, ready, busy; /* connections */
    uint32_t failures;             /* to connect, since the last success */
    uint64_t connects, connects_failed;
    uint64_t handshakes, handshakes_resumed;
    uint64_t retry_ns;    /* backing off until; 0: not */
    const char *last_why; /* of the last failure to connect, in words; NULL: none */
    enum err last_err;
};
struct http_origin_stats http_origin_stats(const struct http_origin *o);
const char *http_origin_name(const struct http_origin *o); /* "https://host:443" */

struct http_call {
    /* in */
    struct http_origin *origin;
    const struct http_request *request; /* copied by http_start */
    uint64_t deadline_ns;
    void (*done)(struct http_call *call); /* records and queues */

    /* out, valid once `done` ran */
    enum err err;                  /* ERR_OK: a whole response */
    bool any_taken;                /* of the request, by the kernel */
    bool all_taken;                /* it may have arrived */
    uint64_t first_byte_ns;        /* when the write was handed to the kernel; 0: never */
    struct http_response response; /* status 0: no full status line came */

    /* http's own */
    struct http_connection *connection;
};

/* On a ready connection, at once (it leaves with the next loop_wait). ERR_AGAIN: none
 * is ready. ERR_TOO_LARGE. After an error nothing was started. */
MUST_USE enum err http_start(struct http_call *call);
/* After `done`: gives the response's memory back, and the connection. */
void http_release(struct http_call *call);
