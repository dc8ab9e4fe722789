/* A client and a scripted server on one loop, for the tests of streams and HTTP. The
 * server reads whole requests and does what its script says. */
#pragma once

#include "base/clock.h"
#include "io/http.h"
#include "io/stream.h"
#include "io/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const enum loop_choice uring = LOOP_URING, epoll = LOOP_EPOLL;

/* Every test of io runs on both back ends. */
#define ON_BOTH(test)                                                   \
    {#test " (io_uring)", test, NULL, NULL, (void *)(uintptr_t)&uring}, \
    {                                                                   \
#test " (epoll)", test, NULL, NULL, (void *)(uintptr_t)&epoll   \
    }

enum after {
    AFTER_KEEP,
    AFTER_CLOSE, /* once the answer was taken */
    AFTER_RESET,
};

struct script {
    struct bytes answer; /* size 0: silence */
    enum after after;
    bool on_first_byte; /* do not wait for the whole request */
};

struct peer {
    struct list_node node;
    struct world *world;
    struct stream_owner owner;
    struct stream *stream;
    char in[65536];
    size_t in_size;
    size_t body_seen;
    bool is_ending;
};

struct world {
    struct loop *loop;
    struct stream_server server;
    struct stream_listener *listener;
    struct tls_context *server_tls;
    struct script script;
    struct list peers;
    bool ignores; /* accepts and never reads */
    int ignored[16];
    uint32_t ignored_count;
    uint32_t accepted, requests, ended;
    char last_request[65536];
    struct http *http;
    struct http_origin *origin;
};

#define ANSWER                                                                                   \
    BYTES("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" \
          "{\"id\":\"17\"}")

static void drop_peer(struct peer *p, bool reset)
{
    list_remove(&p->world->peers, &p->node);
    if (reset)
        stream_reset(p->stream);
    else
        stream_close(p->stream);
    free(p);
}

static void end_peer(struct peer *p)
{
    enum after after = p->world->script.after;
    if (after == AFTER_KEEP)
        return;
    p->world->ended++;
    drop_peer(p, after == AFTER_RESET);
}

static void peer_act(struct peer *p)
{
    struct world *w = p->world;
    w->requests++;
    memcpy(w->last_request, p->in, p->in_size);
    w->last_request[p->in_size] = '\0';
    p->in_size = 0;
    if (w->script.answer.size > 0) {
        assert_int_equal(stream_write(p->stream, w->script.answer), ERR_OK);
        p->is_ending = true;
    } else {
        end_peer(p);
    }
}

static bool is_whole_request(struct peer *p)
{
    p->in[p->in_size] = '\0';
    const char *head_end = strstr(p->in, "\r\n\r\n");
    if (!head_end)
        return false;
    const char *length = strstr(p->in, "Content-Length: ");
    size_t body = length && length < head_end ? strtoul(length + 16, NULL, 10) : 0;
    return p->in_size >= (size_t)(head_end + 4 - p->in) + body;
}

static void peer_received(struct stream_owner *owner, struct bytes bytes)
{
    struct peer *p = container_of(owner, struct peer, owner);
    assert_true(p->in_size + bytes.size < sizeof p->in);
    memcpy(p->in + p->in_size, bytes.at, bytes.size);
    p->in_size += bytes.size;
    if (p->world->script.on_first_byte || is_whole_request(p))
        peer_act(p);
}

static void peer_taken(struct stream_owner *owner, uint64_t total)
{
    struct peer *p = container_of(owner, struct peer, owner);
    if (p->is_ending && total == stream_written(p->stream))
        end_peer(p);
}

static void peer_opened(struct stream_owner *owner)
{
    (void)owner;
}

static void peer_closed(struct stream_owner *owner, enum err err, const char *why)
{
    (void)err, (void)why;
    drop_peer(container_of(owner, struct peer, owner), false);
}

static const struct stream_events peer_events = {
    .opened = peer_opened,
    .received = peer_received,
    .taken = peer_taken,
    .closed = peer_closed,
};

static void world_accepted(struct stream_server *server, int fd)
{
    struct world *w = container_of(server, struct world, server);
    w->accepted++;
    if (w->ignores) {
        assert_true(w->ignored_count < countof(w->ignored));
        w->ignored[w->ignored_count++] = fd;
        return;
    }
    struct peer *p = calloc(1, sizeof *p);
    p->world = w;
    p->owner.events = &peer_events;
    list_push(&w->peers, &p->node);
    p->stream =
        stream_accept(w->loop, fd, &(struct stream_options){.tls = w->server_tls}, &p->owner);
}

static void world_open(struct world *w, void **state)
{
    memset(w, 0, sizeof *w);
    char why[LOOP_WHY_SIZE];
    w->loop = loop_open(&(struct loop_options){.choice = *(const enum loop_choice *)*state}, why);
    assert_non_null(w->loop);
    w->server.accepted = world_accepted;
    w->listener = stream_listen(w->loop, "127.0.0.1", 0, &w->server, why);
    assert_non_null(w->listener);
    w->script.answer = ANSWER;
}

/* scheme: "http" or "https". */
static inline void world_add_origin(struct world *w, const char *scheme, const char *ca_file,
                                    struct http_options options)
{
    options.loop = w->loop;
    w->http = http_open(&options);
    char url[64], why[HTTP_WHY_SIZE];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, stream_listener_port(w->listener));
    w->origin = http_origin_add(w->http, url, ca_file, why);
    assert_non_null(w->origin);
}

static inline void world_open_http(struct world *w, void **state, struct http_options options)
{
    world_open(w, state);
    world_add_origin(w, "http", NULL, options);
}

static void world_close(struct world *w)
{
    if (w->http)
        http_close(w->http);
    while (w->peers.first)
        drop_peer(container_of(w->peers.first, struct peer, node), false);
    for (uint32_t i = 0; i < w->ignored_count; i++)
        close(w->ignored[i]);
    if (w->listener)
        stream_listener_close(w->listener);
    loop_wait(w->loop, 0, 1);
    loop_close(w->loop);
    if (w->server_tls)
        tls_context_close(w->server_tls);
}

/* Turns the loop until the condition holds; fails the test after 5 s. */
#define UNTIL(w, condition)                                            \
    do {                                                               \
        uint64_t end_ns_ = clock_mono_ns() + 5 * NS_PER_S;             \
        while (!(condition)) {                                         \
            loop_wait((w)->loop, clock_mono_ns() + 10 * NS_PER_MS, 1); \
            if (clock_mono_ns() >= end_ns_)                            \
                fail_msg("not in time: %s", #condition);               \
        }                                                              \
    } while (0)

/* Turns it for that long, for what must not happen. */
static inline void world_turn_ms(struct world *w, uint64_t ms)
{
    for (uint64_t end_ns = clock_mono_ns() + ms * NS_PER_MS; clock_mono_ns() < end_ns;)
        loop_wait(w->loop, end_ns, 1);
}

/* ---- calls ---- */

struct test_call {
    struct http_call call;
    struct http_request request;
    uint32_t done_count;
};

static inline void on_call_done(struct http_call *call)
{
    struct test_call *t = container_of(call, struct test_call, call);
    t->done_count++;
}

static const struct http_request post = {
    .method = {"POST", 4},
    .path = {"/v1/messages?x=1", 16},
    .headers = {{{"X-Key", 5}, {"secret", 6}}},
    .header_count = 1,
    .body = {"To=%2B41&Body=hello", 19},
};

static inline void prepare(struct test_call *t, struct world *w, uint64_t ms)
{
    *t = (struct test_call){.request = post};
    t->call.origin = w->origin;
    t->call.request = &t->request;
    t->call.done = on_call_done;
    t->call.deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
}

static inline void start(struct test_call *t, struct world *w, uint64_t ms)
{
    http_want(w->origin, 1);
    UNTIL(w, http_ready(w->origin) > 0);
    prepare(t, w, ms);
    assert_int_equal(http_start(&t->call), ERR_OK);
}

static inline void run(struct test_call *t, struct world *w)
{
    start(t, w, 3000);
    UNTIL(w, t->done_count > 0);
}
