/* An origin whose calls the test answers. Stands in for the calls of io/http.h at link
 * time. */
#pragma once

#include "io/http.h"

enum { FAKE_CALLS_MAX = 32 };

struct http_origin {
    uint32_t ready, wanted;
    struct http_origin_stats stats;
    struct http_call *calls[FAKE_CALLS_MAX]; /* all there ever were */
    char body[4096];                         /* of the last one */
    uint32_t call_count, released;
};

uint32_t http_ready(const struct http_origin *o)
{
    return o->ready;
}

void http_want(struct http_origin *o, uint32_t n)
{
    o->wanted = n;
}

struct http_origin_stats http_origin_stats(const struct http_origin *o)
{
    return o->stats;
}

enum err http_start(struct http_call *call)
{
    struct http_origin *o = call->origin;
    if (o->ready == 0)
        return ERR_AGAIN;
    CHECK(o->call_count < FAKE_CALLS_MAX && call->request->body.size < sizeof o->body);
    o->ready--;
    o->calls[o->call_count++] = call;
    memset(o->body, 0, sizeof o->body);
    memcpy(o->body, call->request->body.at, call->request->body.size);
    return ERR_OK;
}

void http_release(struct http_call *call)
{
    call->origin->released++;
    call->origin->ready++;
}

/* The n-th call ends. Status 0: no answer; `taken`: the kernel had the whole request. */
static inline void fake_end(struct http_origin *o, uint32_t n, uint64_t first_byte_ns, bool taken,
                            uint16_t status, const char *body)
{
    struct http_call *call = o->calls[n];
    CHECK(n < o->call_count);
    call->err = status == 0 ? ERR_RESET : ERR_OK;
    call->any_taken = call->all_taken = taken;
    call->first_byte_ns = taken ? first_byte_ns : 0;
    call->response = (struct http_response){.status = status, .body = bytes_of(body)};
    call->done(call);
}
