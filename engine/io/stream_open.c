/* How a stream comes to be: resolving its name, trying its addresses one after the
 * other, each with its share of the time left, then TLS; or taken from a listener. */
#include "io/stream_impl.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WRITE_MAX = 256 * 1024, /* the default */
    OPEN_MS = 5000,         /* the default */
};

/* What is needed until it is open. */
struct opening {
    struct resolve *resolve;
    struct resolve_query query;
    uint32_t next; /* of query.addresses */
    bool is_unix;
    struct sockaddr_un path;
    uint64_t deadline_ns;
    struct loop_timer timer;
    struct stream *stream;
    struct tls_context *tls;
    char *tls_host;
    uint16_t port;
    char host[];
};

void stream_end_opening(struct stream *s)
{
    struct opening *o = s->opening;
    if (!o)
        return;
    s->opening = NULL;
    loop_timer_clear(s->loop, &o->timer);
    if (o->resolve)
        resolve_cancel(o->resolve, &o->query);
    free(o->tls_host);
    free(o);
}

static void on_connected(struct loop_fd *f, int error);
static void on_fd_closed(struct loop_fd *f);

static const struct loop_events fd_events = {
    .connected = on_connected,
    .received = stream_on_received,
    .sent = stream_on_sent,
    .closed = on_fd_closed,
};

static void add_fd(struct stream *s, int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* refused by a unix socket */
    loop_add(s->loop, &s->fd, fd, &fd_events);
    s->has_fd = true;
}

static const struct sockaddr *next_address(struct opening *o, socklen_t *size)
{
    if (o->is_unix) {
        *size = sizeof o->path;
        return (const struct sockaddr *)&o->path;
    }
    const struct sockaddr_storage *a = &o->query.addresses[o->next - 1];
    *size = a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    return (const struct sockaddr *)a;
}

static uint32_t address_count(const struct opening *o)
{
    return o->is_unix ? 1 : o->query.count;
}

/* The time left is shared by the addresses left. */
static void connect_next(struct stream *s)
{
    struct opening *o = s->opening;
    uint64_t now_ns = loop_now_ns(s->loop);
    uint64_t left_ns = o->deadline_ns > now_ns ? o->deadline_ns - now_ns : 0;
    uint64_t share_ns = left_ns / (address_count(o) - o->next);
    o->next++;
    loop_timer_set(s->loop, &o->timer, now_ns + share_ns);
    socklen_t size;
    const struct sockaddr *address = next_address(o, &size);
    s->state = STREAM_CONNECTING;
    int fd = loop_socket(s->loop, address->sa_family);
    if (fd < 0) {
        stream_end(s, ERR_CONNECT, "no socket: %s", strerror(errno));
        return;
    }
    add_fd(s, fd);
    loop_connect(&s->fd, address, size);
}

static void on_connected(struct loop_fd *f, int error)
{
    struct stream *s = container_of(f, struct stream, fd);
    if (!s->owner || s->state != STREAM_CONNECTING)
        return;
    struct opening *o = s->opening;
    if (error) {
        snprintf(s->why, sizeof s->why, "cannot connect to %.200s: %s", o->host, strerror(error));
        loop_remove(f); /* on_fd_closed goes on */
        return;
    }
    loop_timer_set(s->loop, &o->timer, o->deadline_ns);
    loop_receive(f);
    if (o->tls)
        stream_start_tls(s, o->tls, o->tls_host ? o->tls_host : o->host);
    else
        stream_opened(s);
}

static void on_fd_closed(struct loop_fd *f)
{
    struct stream *s = container_of(f, struct stream, fd);
    s->has_fd = false;
    if (!s->owner) {
        stream_free(s);
        return;
    }
    if (s->state != STREAM_CONNECTING)
        return;
    if (s->opening->next < address_count(s->opening))
        connect_next(s);
    else
        stream_end_now(s, ERR_CONNECT); /* why was written by who removed it */
}

static void on_opening_timer(struct loop_timer *timer)
{
    struct opening *o = container_of(timer, struct opening, timer);
    struct stream *s = o->stream;
    if (s->state == STREAM_RESOLVING) {
        stream_end(s, ERR_TIMEOUT, "no answer about the name %.200s in time", o->host);
    } else if (s->state == STREAM_HANDSHAKING) {
        stream_end(s, ERR_TIMEOUT, "no TLS handshake with %.200s in time", o->host);
    } else if (!s->fd.removed) {
        snprintf(s->why, sizeof s->why, "cannot connect to %.200s: no answer in time", o->host);
        loop_remove(&s->fd);
    }
}

static void on_resolved(struct resolve_query *q)
{
    struct opening *o = container_of(q, struct opening, query);
    if (q->err)
        stream_end(o->stream, q->err, "cannot resolve %.200s: %s", o->host, q->why);
    else
        connect_next(o->stream);
}

static void on_task_start(struct loop_task *task)
{
    struct stream *s = container_of(task, struct stream, task);
    struct opening *o = s->opening;
    s->task.run = stream_on_flush;
    if (o->is_unix) {
        if (strlen(o->host) >= sizeof o->path.sun_path) {
            stream_end(s, ERR_CONNECT, "the path %.200s is too long for a socket", o->host);
            return;
        }
        o->path.sun_family = AF_UNIX;
        memcpy(o->path.sun_path, o->host, strlen(o->host) + 1);
        connect_next(s);
    } else if (resolve_literal(o->host, o->port, &o->query.addresses[0])) {
        o->query.count = 1;
        connect_next(s);
    } else if (!o->resolve) {
        stream_end(s, ERR_RESOLVE, "%.200s is no address", o->host);
    } else {
        loop_timer_set(s->loop, &o->timer, o->deadline_ns);
        o->query.done = on_resolved;
        resolve_start(o->resolve, &o->query, o->host, o->port);
    }
}

static struct stream *new_stream(struct loop *loop, const struct stream_options *options,
                                 struct stream_owner *owner)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s);
    s->loop = loop;
    s->owner = owner;
    s->write_max = options->write_max ? options->write_max : WRITE_MAX;
    s->task.run = stream_on_flush;
    return s;
}

struct stream *stream_open(struct loop *loop, const struct stream_options *options,
                           struct stream_owner *owner)
{
    struct stream *s = new_stream(loop, options, owner);
    size_t host_size = strlen(options->host) + 1;
    struct opening *o = calloc(1, sizeof *o + host_size);
    CHECK(o);
    memcpy(o->host, options->host, host_size);
    o->tls_host = options->tls_host ? strdup(options->tls_host) : NULL;
    o->stream = s;
    o->resolve = options->resolve;
    o->tls = options->tls;
    o->port = options->port;
    o->is_unix = options->host[0] == '/';
    o->deadline_ns =
        loop_now_ns(loop) + (options->open_ms ? options->open_ms : OPEN_MS) * NS_PER_MS;
    o->timer.fire = on_opening_timer;
    s->opening = o;
    s->state = STREAM_RESOLVING;
    s->task.run = on_task_start;
    loop_before_submit(loop, &s->task);
    return s;
}

struct stream *stream_accept(struct loop *loop, int fd, const struct stream_options *options,
                             struct stream_owner *owner)
{
    struct stream *s = new_stream(loop, options, owner);
    add_fd(s, fd);
    s->state = STREAM_OPEN;
    loop_receive(&s->fd);
    if (options->tls)
        stream_start_tls(s, options->tls, NULL);
    return s;
}
