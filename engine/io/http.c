/* Calls: one at a time on a connection. A connection that saw anything odd during a
 * call (an error, bytes after the response, a response before the request was taken)
 * is not used again. */
#include "io/http_pool.h"

#include "base/clock.h"

static uint64_t now_of(const struct http_connection *c)
{
    return loop_now_ns(c->origin->http->options.loop);
}

/* The call's end; neither it nor the connection may be touched after it. */
static void finish(struct http_connection *c, enum err err)
{
    struct http_call *call = c->call;
    uint64_t taken = stream_taken(c->stream);
    bool is_unknown = stream_is_sending(c->stream); /* counts as taken whole */
    uint64_t handed_ns = stream_handed_ns(c->stream);
    call->err = err;
    call->all_taken = taken >= c->end || is_unknown;
    call->any_taken = taken > c->begin || is_unknown;
    call->first_byte_ns = handed_ns >= c->started_ns ? handed_ns : 0;
    http1_response(c->parser, &call->response);
    loop_timer_clear(c->origin->http->options.loop, &c->deadline);
    c->state = CONNECTION_DONE;
    c->is_reusable = err == ERR_OK && c->is_clean && taken >= c->end && http1_keep_alive(c->parser);
    call->done(call);
}

void http_on_received(struct http_connection *c, struct bytes bytes)
{
    if (c->state == CONNECTION_DONE) {
        c->is_reusable = false;
        return;
    }
    size_t used;
    enum err err = http1_read(c->parser, bytes, &used);
    if (err == ERR_AGAIN)
        return;
    c->is_clean = used == bytes.size;
    finish(c, err);
}

void http_on_closed(struct http_connection *c, enum err err)
{
    if (c->state == CONNECTION_DONE) {
        c->is_reusable = false;
        return;
    }
    enum err end = err == ERR_CLOSED ? http1_end(c->parser) : err;
    finish(c, end && c->is_late ? ERR_TIMEOUT : end);
}

void http_on_deadline(struct loop_timer *timer)
{
    struct http_connection *c = container_of(timer, struct http_connection, deadline);
    CHECK(c->state == CONNECTION_BUSY);
    c->is_late = true;
    if (stream_cancel(c->stream))
        finish(c, ERR_TIMEOUT);
}

static enum err write_request(struct http_connection *c, const struct http_request *request,
                              struct bytes host, size_t size)
{
    char *at = stream_reserve(c->stream, size);
    if (!at)
        return ERR_AGAIN;
    struct writer w = writer_of(at, size);
    http1_write_request(&w, request, host);
    CHECK(!w.overflow);
    return stream_commit(c->stream, w.size);
}

enum err http_start(struct http_call *call)
{
    struct http_origin *o = call->origin;
    struct bytes host = {o->header, o->header_size};
    size_t size = http1_request_size(call->request, host);
    if (size > o->http->options.request_max)
        return ERR_TOO_LARGE;
    struct http_connection *c = http_take_ready(o);
    if (!c)
        return ERR_AGAIN;
    c->begin = stream_written(c->stream);
    if (write_request(c, call->request, host, size) != ERR_OK) { /* its end is not yet seen */
        http_drop(c);
        return ERR_AGAIN;
    }
    c->end = stream_written(c->stream);
    c->started_ns = now_of(c);
    c->call = call;
    c->is_late = c->is_clean = false;
    call->connection = c;
    call->err = ERR_OK;
    call->response.status = 0;
    loop_timer_set(o->http->options.loop, &c->deadline, call->deadline_ns);
    return ERR_OK;
}

void http_release(struct http_call *call)
{
    struct http_connection *c = call->connection;
    CHECK(c && c->call == call && c->state == CONNECTION_DONE);
    call->connection = NULL;
    call->response.header_count = 0;
    call->response.body = (struct bytes){0};
    c->call = NULL;
    http_give_back(c);
}
