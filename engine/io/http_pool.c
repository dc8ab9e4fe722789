/* Origins and their connections. The latest used is taken first, so that what is not
 * needed grows old and goes. After a failure to connect one connection is tried at a
 * time, after a growing pause with jitter, until one succeeds. */
#include "io/http_pool.h"

#include "base/clock.h"
#include "base/prng.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RETRY_FIRST_MS = 100,
    RETRY_MOST_MS = 10000,
    SWEEPS_PER_IDLE = 4,
    TLS_SHARE = 256,       /* TLS adds less than 1/256 to a large request, */
    TLS_LEAST = 64 * 1024, /* and this to any */
};

static void on_opened(struct stream_owner *o);
static void on_received(struct stream_owner *o, struct bytes bytes);
static void on_closed(struct stream_owner *o, enum err err, const char *why);

static const struct stream_events stream_events = {
    .opened = on_opened,
    .received = on_received,
    .closed = on_closed,
};

static struct loop *loop_of(const struct http_origin *o)
{
    return o->http->options.loop;
}

/* ---- http ---- */

static void set_default(uint32_t *value, uint32_t when_zero)
{
    if (*value == 0)
        *value = when_zero;
}

struct http *http_open(const struct http_options *options)
{
    struct http *h = calloc(1, sizeof *h);
    CHECK(h);
    h->options = *options;
    h->jitter = options->seed;
    set_default(&h->options.connections_max, 256);
    set_default(&h->options.idle_ms, 4000);
    set_default(&h->options.lifetime_ms, 600000);
    set_default(&h->options.connect_ms, 5000);
    set_default(&h->options.request_max, 1024 * 1024);
    set_default(&h->options.response_max, 64 * 1024);
    set_default(&h->options.head_max, 16 * 1024);
    return h;
}

static void close_all(struct list *connections)
{
    while (connections->first)
        http_drop(container_of(connections->first, struct http_connection, node));
}

static void close_origin(struct http_origin *o)
{
    close_all(&o->opening);
    close_all(&o->ready);
    close_all(&o->busy);
    loop_timer_clear(loop_of(o), &o->sweep);
    loop_timer_clear(loop_of(o), &o->retry);
    if (o->tls)
        tls_context_close(o->tls);
    free(o->ca_file);
    free(o);
}

void http_close(struct http *h)
{
    for (struct list_node *n = list_pop(&h->origins); n; n = list_pop(&h->origins))
        close_origin(container_of(n, struct http_origin, node));
    free(h);
}

/* ---- connections ---- */

static struct list *list_of(struct http_connection *c)
{
    switch (c->state) {
    case CONNECTION_OPENING:
        return &c->origin->opening;
    case CONNECTION_READY:
        return &c->origin->ready;
    case CONNECTION_BUSY:
    case CONNECTION_DONE:
        break;
    }
    return &c->origin->busy;
}

static void enter(struct http_connection *c, enum http_connection_state next)
{
    list_remove(list_of(c), &c->node);
    c->state = next;
    list_push_front(list_of(c), &c->node);
}

void http_drop(struct http_connection *c)
{
    list_remove(list_of(c), &c->node);
    loop_timer_clear(loop_of(c->origin), &c->deadline);
    stream_close(c->stream);
    http1_close(c->parser);
    free(c);
}

static void open_connection(struct http_origin *o)
{
    const struct http_options *options = &o->http->options;
    struct http_connection *c = calloc(1, sizeof *c);
    CHECK(c);
    c->origin = o;
    c->owner.events = &stream_events;
    c->deadline.fire = http_on_deadline;
    c->parser = http1_open(
        &(struct http1_limits){.head_max = options->head_max, .body_max = options->response_max});
    c->state = CONNECTION_OPENING;
    list_push(&o->opening, &c->node);
    c->stream = stream_open(
        loop_of(o),
        &(struct stream_options){
            .resolve = options->resolve,
            .host = o->host,
            .port = o->port,
            .tls = o->tls,
            .write_max = options->request_max + options->request_max / TLS_SHARE + TLS_LEAST,
            .open_ms = options->connect_ms,
        },
        &c->owner);
}

static void make_ready(struct http_connection *c)
{
    struct http_origin *o = c->origin;
    const struct http_options *options = &o->http->options;
    uint64_t idle_ms = options->idle_ms;
    uint32_t said_ms = http1_keep_alive_ms(c->parser);
    if (said_ms > 0)
        idle_ms = u64_min(idle_ms, said_ms / 2);
    c->idle_ns = loop_now_ns(loop_of(o)) + idle_ms * NS_PER_MS;
    http1_reset(c->parser);
    enter(c, CONNECTION_READY);
    if (!wheel_holds(&o->sweep.timer))
        loop_timer_set(loop_of(o), &o->sweep,
                       loop_now_ns(loop_of(o)) + options->idle_ms * NS_PER_MS / SWEEPS_PER_IDLE);
}

static void on_opened(struct stream_owner *owner)
{
    struct http_connection *c = container_of(owner, struct http_connection, owner);
    struct http_origin *o = c->origin;
    uint64_t life_ns = o->http->options.lifetime_ms * NS_PER_MS;
    /* Connections that were opened together do not die together. */
    life_ns -= prng_upto(&o->http->jitter, life_ns / 10 + 1);
    c->dies_ns = loop_now_ns(loop_of(o)) + life_ns;
    o->connects++;
    o->failures = 0;
    o->retry_ns = 0;
    make_ready(c);
}

static void on_received(struct stream_owner *owner, struct bytes bytes)
{
    struct http_connection *c = container_of(owner, struct http_connection, owner);
    if (c->call)
        http_on_received(c, bytes);
    else
        http_drop(c); /* nobody asked: whatever it is, it is no answer of ours */
}

static void note_failure(struct http_origin *o, enum err err, const char *why)
{
    uint64_t now_ns = loop_now_ns(loop_of(o));
    o->connects_failed++;
    o->last_err = err;
    snprintf(o->last_why, sizeof o->last_why, "%s", why);
    if (o->retry_ns > now_ns)
        return; /* opened together, failed together: one failure */
    uint64_t pause_ms = (uint64_t)RETRY_FIRST_MS << (o->failures < 10 ? o->failures : 10);
    uint64_t pause_ns = u64_min(pause_ms, RETRY_MOST_MS) * NS_PER_MS;
    o->failures++;
    o->retry_ns = now_ns + pause_ns / 2 + prng_upto(&o->http->jitter, pause_ns / 2);
    loop_timer_set(loop_of(o), &o->retry, o->retry_ns);
}

static void on_retry(struct loop_timer *timer)
{
    (void)timer; /* to have woken the loop is all */
}

static void on_closed(struct stream_owner *owner, enum err err, const char *why)
{
    struct http_connection *c = container_of(owner, struct http_connection, owner);
    if (c->call) {
        http_on_closed(c, err);
        return;
    }
    if (c->state == CONNECTION_OPENING)
        note_failure(c->origin, err, why);
    http_drop(c);
}

static bool is_usable(const struct http_connection *c, uint64_t now_ns)
{
    return now_ns < c->dies_ns && now_ns < c->idle_ns && stream_is_open(c->stream);
}

/* The oldest are at the end, but the peer's own limits may make any go first. */
static void on_sweep(struct loop_timer *timer)
{
    struct http_origin *o = container_of(timer, struct http_origin, sweep);
    uint64_t now_ns = loop_now_ns(loop_of(o));
    for (struct list_node *n = o->ready.first, *next; n; n = next) {
        next = n->next;
        struct http_connection *c = container_of(n, struct http_connection, node);
        if (!is_usable(c, now_ns))
            http_drop(c);
    }
    if (o->ready.count > 0)
        loop_timer_set(loop_of(o), &o->sweep,
                       now_ns + o->http->options.idle_ms * NS_PER_MS / SWEEPS_PER_IDLE);
}

struct http_connection *http_take_ready(struct http_origin *o)
{
    while (o->ready.first) {
        struct http_connection *c = container_of(o->ready.first, struct http_connection, node);
        if (is_usable(c, loop_now_ns(loop_of(o)))) {
            enter(c, CONNECTION_BUSY);
            return c;
        }
        http_drop(c);
    }
    return NULL;
}

void http_give_back(struct http_connection *c)
{
    if (c->is_reusable && stream_is_open(c->stream) && loop_now_ns(loop_of(c->origin)) < c->dies_ns)
        make_ready(c);
    else
        http_drop(c);
}

uint32_t http_ready(const struct http_origin *o)
{
    return o->ready.count;
}

void http_want(struct http_origin *o, uint32_t n)
{
    if (loop_now_ns(loop_of(o)) < o->retry_ns)
        return;
    if (o->failures > 0 && n > o->ready.count + 1)
        n = o->ready.count + 1;
    uint32_t max = o->http->options.connections_max;
    uint32_t room = max > o->busy.count ? max - o->busy.count : 0;
    if (n > room)
        n = room;
    while (o->ready.count + o->opening.count < n)
        open_connection(o);
}

/* ---- origins ---- */

static bool parse_port(struct bytes text, uint16_t *port)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.size && n <= UINT16_MAX; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (uint32_t)(text.at[i] - '0');
    }
    *port = (uint16_t)n;
    return text.size > 0 && n > 0 && n <= UINT16_MAX;
}

static bool is_host(struct bytes host, bool in_brackets)
{
    const char *others = in_brackets ? ":." : "-._";
    for (size_t i = 0; i < host.size; i++) {
        char c = host.at[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return host.size > 0 && host.size < 254;
}

/* "http[s]://host[:port][/]" */
static bool parse_url(struct http_origin *o, const char *url, bool *is_tls)
{
    *is_tls = strncmp(url, "https://", 8) == 0;
    if (!*is_tls && strncmp(url, "http://", 7) != 0)
        return false;
    const char *at = url + (*is_tls ? 8 : 7);
    const char *end = at + strlen(at);
    if (end > at && end[-1] == '/')
        end--;
    bool in_brackets = at < end && *at == '[';
    if (in_brackets)
        at++;
    const char *host_end = at;
    while (host_end < end && *host_end != (in_brackets ? ']' : ':'))
        host_end++;
    struct bytes host = {at, (size_t)(host_end - at)};
    if (in_brackets && host_end++ == end)
        return false;
    uint16_t usual = *is_tls ? 443 : 80;
    o->port = usual;
    if (!is_host(host, in_brackets))
        return false;
    if (host_end < end &&
        (*host_end != ':' ||
         !parse_port((struct bytes){host_end + 1, (size_t)(end - host_end - 1)}, &o->port)))
        return false;
    const char *open = in_brackets ? "[" : "", *close = in_brackets ? "]" : "";
    int size = (int)host.size;
    snprintf(o->host, sizeof o->host, "%.*s", size, host.at);
    snprintf(o->name, sizeof o->name, "%s://%s%s%s:%u", *is_tls ? "https" : "http", open, o->host,
             close, o->port);
    if (o->port == usual)
        snprintf(o->header, sizeof o->header, "%s%s%s", open, o->host, close);
    else
        snprintf(o->header, sizeof o->header, "%s%s%s:%u", open, o->host, close, o->port);
    o->header_size = strlen(o->header);
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static struct http_origin *find_origin(struct http *h, const struct http_origin *like)
{
    for (struct list_node *n = h->origins.first; n; n = n->next) {
        struct http_origin *o = container_of(n, struct http_origin, node);
        if (strcmp(o->name, like->name) == 0 && same_text(o->ca_file, like->ca_file))
            return o;
    }
    return NULL;
}

struct http_origin *http_origin_add(struct http *h, const char *base_url, const char *ca_file,
                                    char why[HTTP_WHY_SIZE])
{
    struct http_origin like = {.ca_file = (char *)ca_file};
    bool is_tls;
    if (!parse_url(&like, base_url, &is_tls)) {
        snprintf(why, HTTP_WHY_SIZE, "\"%.150s\" is no origin: https://host or https://host:port",
                 base_url);
        return NULL;
    }
    struct http_origin *o = find_origin(h, &like);
    if (o)
        return o;
    struct tls_context *tls = NULL;
    if (is_tls) {
        tls = tls_client_open(&(struct tls_options){.ca_file = ca_file}, why);
        if (!tls)
            return NULL;
    }
    o = calloc(1, sizeof *o);
    CHECK(o);
    *o = like;
    o->http = h;
    o->tls = tls;
    o->ca_file = ca_file ? strdup(ca_file) : NULL;
    o->sweep.fire = on_sweep;
    o->retry.fire = on_retry;
    list_push(&h->origins, &o->node);
    return o;
}

struct http_origin_stats http_origin_stats(const struct http_origin *o)
{
    struct tls_stats tls = {0};
    if (o->tls)
        tls = tls_context_stats(o->tls);
    return (struct http_origin_stats){
        .opening = o->opening.count,
        .ready = o->ready.count,
        .busy = o->busy.count,
        .failures = o->failures,
        .connects = o->connects,
        .connects_failed = o->connects_failed,
        .handshakes = tls.handshakes,
        .handshakes_resumed = tls.resumed,
        .retry_ns = o->retry_ns,
        .last_why = o->last_why[0] ? o->last_why : NULL,
        .last_err = o->last_err,
    };
}

const char *http_origin_name(const struct http_origin *o)
{
    return o->name;
}
