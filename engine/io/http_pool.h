/* What http.c (calls) and http_pool.c (origins, their connections) share. */
#pragma once

#include "io/http.h"
#include "io/http1.h"
#include "io/stream.h"
#include "io/tls.h"

struct http {
    struct http_options options;
    struct list origins;
    uint64_t jitter;
};

enum http_connection_state {
    CONNECTION_OPENING, /* in origin->opening */
    CONNECTION_READY,   /* in origin->ready, the latest used first */
    CONNECTION_BUSY,    /* in origin->busy: a call is out */
    CONNECTION_DONE,    /* in origin->busy: its call waits to be released */
};

struct http_connection {
    struct list_node node;
    struct http_origin *origin;
    enum http_connection_state state;
    struct stream_owner owner;
    struct stream *stream;
    struct http1 *parser;
    uint64_t dies_ns; /* takes no call after */
    uint64_t idle_ns; /* READY: the same */

    /* BUSY, DONE */
    struct http_call *call;
    struct loop_timer deadline;
    uint64_t started_ns;
    uint64_t begin, end; /* the request, in the stream's count */
    bool is_late;        /* past its deadline, its send being cancelled */
    bool is_clean;       /* nothing followed the response */
    bool is_reusable;
};

struct http_origin {
    struct list_node node;
    struct http *http;
    struct list opening, ready, busy;
    struct loop_timer sweep;
    struct loop_timer retry; /* wakes the loop, so that who wants connections asks again */
    struct tls_context *tls;
    uint32_t failures;
    uint64_t retry_ns;
    uint64_t connects, connects_failed;
    enum err last_err;
    char last_why[HTTP_WHY_SIZE];
    uint16_t port;
    char *ca_file;    /* NULL: the system's */
    char name[272];   /* scheme://host:port */
    char host[256];   /* for names and certificates */
    char header[264]; /* the Host header */
    size_t header_size;
};

/* Events of a connection that has a call; http.c. */
void http_on_received(struct http_connection *c, struct bytes bytes);
void http_on_closed(struct http_connection *c, enum err err);
void http_on_deadline(struct loop_timer *timer);

/* http_pool.c */
struct http_connection *http_take_ready(struct http_origin *o); /* NULL: none */
void http_give_back(struct http_connection *c);                 /* READY, or gone */
void http_drop(struct http_connection *c);                      /* from any state */
