/* A stream's life: RESOLVING > CONNECTING > HANDSHAKING > OPEN > ENDING > ENDED. An
 * accepted one begins at HANDSHAKING or OPEN. Each state may go to ENDED.
 *
 * Writes go into `filling`; the loop's task before the submission swaps it with
 * `sending`, which does not move while the kernel has it. So writes of one turn leave
 * in one send, and there is never more than one in flight.
 *
 * An end that is seen while a send is in flight waits in ENDING until the send was
 * cancelled and has completed: only then is the count of bytes taken final. */
#include "io/stream.h"

#include "base/clock.h"
#include "io/resolve.h"
#include "io/tls.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_OPEN,
    STREAM_ENDING, /* its end is known, a send is still in flight */
    STREAM_ENDED,  /* its owner was told */
};

enum {
    WRITE_MAX = 256 * 1024, /* the default */
    OPEN_MS = 5000,         /* the default */
    KEEP_SIZE = 64 * 1024,  /* a buffer larger than this is not kept when empty */
    FIRST_SIZE = 2048,
    RECORD_SIZE = 16 * 1024, /* TLS: plain bytes in one record */
    RECORD_COST = 64,        /* TLS: what a record adds at most */
    MARKS = 64,
    PLAIN_SIZE = 4096, /* TLS: bytes shown at once */
    WHY_SIZE = 320,
};

struct buffer {
    char *at;
    size_t size, room;
};

/* Under TLS: when `encrypted` bytes were taken, `plain` bytes count as taken. */
struct mark {
    uint64_t encrypted, plain;
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

struct stream {
    struct loop *loop;
    struct stream_owner *owner; /* NULL: stream_close was called */
    enum stream_state state;
    bool has_fd;
    bool is_cancelled;
    bool is_reset; /* it ends without a goodbye */
    enum err end;  /* ENDING: why */
    struct loop_fd fd;
    struct loop_task task; /* starts it, later flushes it */
    struct opening *opening;

    struct buffer sending, filling;
    size_t sent; /* of sending */
    size_t write_max;
    uint64_t written, taken;
    uint64_t handed_ns;

    struct tls *tls;
    struct tls_output output;
    struct buffer plain; /* TLS: what was reserved */
    uint64_t encrypted_written, encrypted_taken;
    struct mark *marks; /* a ring of MARKS */
    uint32_t mark_first, mark_count;

    char why[WHY_SIZE];
};

static bool send_in_flight(const struct stream *s)
{
    return s->sending.size > 0;
}

static bool buffer_grow(struct buffer *b, size_t room)
{
    if (room <= b->room)
        return true;
    size_t want = b->room > 0 ? b->room : FIRST_SIZE;
    while (want < room)
        want *= 2;
    char *at = realloc(b->at, want);
    if (!at)
        return false;
    b->at = at;
    b->room = want;
    return true;
}

static void buffer_empty(struct buffer *b)
{
    b->size = 0;
    if (b->room > KEEP_SIZE) {
        free(b->at);
        *b = (struct buffer){0};
    }
}

static void end_opening(struct stream *s)
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

static void free_stream(struct stream *s)
{
    CHECK(!s->owner && !s->has_fd && !s->opening);
    free(s->sending.at);
    free(s->filling.at);
    free(s->plain.at);
    free(s->marks);
    free(s);
}

/* TLS's last word (an alert, a goodbye), as far as the socket takes it now; never the
 * owner's bytes, whose leaving would not be counted. */
static void send_last(struct stream *s)
{
    if (!s->tls || s->mark_count > 0 || s->filling.size == 0)
        return;
    if (!s->has_fd || s->fd.removed || send_in_flight(s))
        return;
    ssize_t n = send(s->fd.fd, s->filling.at, s->filling.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n; /* the stream ends either way */
}

static void release(struct stream *s)
{
    loop_task_clear(&s->task);
    end_opening(s);
    if (s->tls) {
        if (s->state == STREAM_OPEN && !s->is_reset)
            tls_goodbye(s->tls);
        send_last(s);
        tls_close(s->tls);
        s->tls = NULL;
    }
    if (s->has_fd && !s->fd.removed)
        loop_remove(&s->fd);
}

/* Tells the owner; nothing of the stream may be touched after it. */
static void end_now(struct stream *s, enum err err)
{
    struct stream_owner *owner = s->owner;
    s->state = STREAM_ENDED;
    release(s);
    if (!owner)
        return;
    loop_end_wait(s->loop);
    owner->events->closed(owner, err, s->why);
}

static void PRINTF_LIKE(3, 4) end(struct stream *s, enum err err, const char *format, ...)
{
    if (s->state == STREAM_ENDING || s->state == STREAM_ENDED)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    if (!send_in_flight(s)) {
        end_now(s, err);
        return;
    }
    s->state = STREAM_ENDING;
    s->end = err;
    loop_cancel_send(&s->fd);
}

static void open_now(struct stream *s)
{
    end_opening(s);
    s->state = STREAM_OPEN;
    s->owner->events->opened(s->owner);
}

/* ---- writing ---- */

static void flush(struct stream *s)
{
    if (send_in_flight(s) || s->filling.size == 0 || s->is_cancelled || s->fd.removed)
        return;
    struct buffer empty = s->sending;
    s->sending = s->filling;
    s->filling = empty;
    s->sent = 0;
    s->handed_ns = loop_now_ns(s->loop);
    loop_send(&s->fd, (struct bytes){s->sending.at, s->sending.size});
}

static void on_task_flush(struct loop_task *task)
{
    flush(container_of(task, struct stream, task));
}

/* What was taken of the encrypted bytes, in plain ones. */
static uint64_t plain_taken(struct stream *s)
{
    uint64_t plain = s->taken;
    while (s->mark_count > 0 && s->marks[s->mark_first].encrypted <= s->encrypted_taken) {
        plain = s->marks[s->mark_first].plain;
        s->mark_first = (s->mark_first + 1) % MARKS;
        s->mark_count--;
    }
    return plain;
}

static void add_mark(struct stream *s)
{
    if (s->mark_count == MARKS) /* the last one then stands for both: told later, not wrongly */
        s->mark_count--;
    uint32_t at = (s->mark_first + s->mark_count) % MARKS;
    s->marks[at] = (struct mark){s->encrypted_written, s->written};
    s->mark_count++;
}

static void count_taken(struct stream *s, size_t size)
{
    s->sent += size;
    s->encrypted_taken += size;
    uint64_t before = s->taken;
    s->taken = s->marks ? plain_taken(s) : s->taken + size;
    if (s->sent == s->sending.size)
        buffer_empty(&s->sending);
    if (s->taken > before && s->owner && s->owner->events->taken)
        s->owner->events->taken(s->owner, s->taken);
}

static void on_sent(struct loop_fd *f, size_t size, int error)
{
    struct stream *s = container_of(f, struct stream, fd);
    count_taken(s, size);
    if (!s->owner)
        return;
    if (s->state == STREAM_ENDING) {
        buffer_empty(&s->sending);
        end_now(s, s->end);
    } else if (s->is_cancelled) {
        buffer_empty(&s->sending);
        end(s, ERR_CANCELLED, "cancelled");
    } else if (error == EPIPE || error == ECONNRESET) {
        /* The end comes by the receive, behind what the peer may have said before it. */
        s->is_cancelled = true;
        buffer_empty(&s->sending);
    } else if (error) {
        buffer_empty(&s->sending);
        end(s, ERR_IO, "sending failed: %s", strerror(error));
    } else if (s->sending.size > 0) {
        loop_send(f, (struct bytes){s->sending.at + s->sent, s->sending.size - s->sent});
    } else {
        flush(s);
    }
}

static void on_tls_output(struct tls_output *output, struct bytes bytes)
{
    struct stream *s = container_of(output, struct stream, output);
    CHECK(buffer_grow(&s->filling, s->filling.size + bytes.size));
    memcpy(s->filling.at + s->filling.size, bytes.at, bytes.size);
    s->filling.size += bytes.size;
    s->encrypted_written += bytes.size;
    loop_before_submit(s->loop, &s->task);
}

static bool has_room(const struct stream *s, size_t size)
{
    if (s->state != STREAM_OPEN || s->is_cancelled)
        return false;
    size_t cost = s->tls ? (size / RECORD_SIZE + 1) * RECORD_COST : 0;
    size_t used = s->filling.size + s->sending.size;
    return used < s->write_max && size + cost <= s->write_max - used;
}

static enum err write_tls(struct stream *s, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t taken = 0;
        enum err err = tls_write(s->tls, bytes, &taken);
        if (err)
            return err;
        bytes = (struct bytes){bytes.at + taken, bytes.size - taken};
        s->written += taken;
        add_mark(s);
    }
    return ERR_OK;
}

enum err stream_write(struct stream *s, struct bytes bytes)
{
    if (s->tls && has_room(s, bytes.size))
        return write_tls(s, bytes);
    char *at = stream_reserve(s, bytes.size);
    if (!at)
        return ERR_AGAIN;
    if (bytes.size > 0)
        memcpy(at, bytes.at, bytes.size);
    return stream_commit(s, bytes.size);
}

char *stream_reserve(struct stream *s, size_t size)
{
    if (!has_room(s, size))
        return NULL;
    struct buffer *b = s->tls ? &s->plain : &s->filling;
    size_t used = s->tls ? 0 : b->size;
    if (!buffer_grow(b, used + size + 1)) /* never NULL for size 0 */
        return NULL;
    return b->at + used;
}

enum err stream_commit(struct stream *s, size_t size)
{
    if (s->tls) {
        CHECK(size <= s->plain.room);
        enum err err = write_tls(s, (struct bytes){s->plain.at, size});
        buffer_empty(&s->plain);
        return err;
    }
    CHECK(size <= s->filling.room - s->filling.size);
    s->filling.size += size;
    s->written += size;
    loop_before_submit(s->loop, &s->task);
    return ERR_OK;
}

bool stream_cancel(struct stream *s)
{
    CHECK(s->owner);
    s->is_cancelled = true;
    buffer_empty(&s->filling);
    if (!send_in_flight(s) || s->state == STREAM_ENDED)
        return true;
    if (s->state != STREAM_ENDING)
        loop_cancel_send(&s->fd);
    return false;
}

/* ---- receiving ---- */

static void read_tls(struct stream *s)
{
    char plain[PLAIN_SIZE];
    while (s->owner && s->state == STREAM_OPEN) {
        size_t size = 0;
        enum err err = tls_read(s->tls, plain, sizeof plain, &size);
        if (err == ERR_AGAIN)
            return;
        if (err == ERR_OK)
            s->owner->events->received(s->owner, (struct bytes){plain, size});
        else if (err == ERR_CLOSED)
            end(s, ERR_CLOSED, "the peer closed the connection");
        else
            end(s, err, "%s", tls_why(s->tls));
    }
}

static void shake_hands(struct stream *s)
{
    enum err err = tls_handshake(s->tls);
    if (err == ERR_OK)
        open_now(s);
    else if (err != ERR_AGAIN)
        end(s, err, "%s", tls_why(s->tls));
}

static void on_end(struct stream *s, int error)
{
    if (error == 0 && s->state == STREAM_HANDSHAKING)
        end(s, ERR_TLS, "the peer closed the connection during the TLS handshake");
    else if (error == 0 && !s->tls)
        end(s, ERR_CLOSED, "the peer closed the connection");
    else if (error == 0)
        end(s, ERR_RESET, "the peer closed the connection without a TLS goodbye");
    else if (error == ECONNRESET || error == EPIPE)
        end(s, ERR_RESET, "the peer reset the connection");
    else
        end(s, ERR_IO, "receiving failed: %s", strerror(error));
}

static void on_received(struct loop_fd *f, struct bytes bytes, int error)
{
    struct stream *s = container_of(f, struct stream, fd);
    if (!s->owner || s->state == STREAM_ENDED)
        return;
    if (bytes.size == 0) {
        on_end(s, error);
        return;
    }
    if (!s->tls) {
        if (s->state == STREAM_OPEN)
            s->owner->events->received(s->owner, bytes);
        return;
    }
    tls_feed(s->tls, bytes);
    if (s->state == STREAM_HANDSHAKING)
        shake_hands(s);
    if (s->owner && s->state == STREAM_OPEN)
        read_tls(s);
}

/* ---- opening ---- */

static void on_connected(struct loop_fd *f, int error);
static void on_fd_closed(struct loop_fd *f);

static const struct loop_events fd_events = {
    .connected = on_connected,
    .received = on_received,
    .sent = on_sent,
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
        end(s, ERR_CONNECT, "no socket: %s", strerror(errno));
        return;
    }
    add_fd(s, fd);
    loop_connect(&s->fd, address, size);
}

static void start_tls(struct stream *s, struct tls_context *context, const char *host)
{
    s->state = STREAM_HANDSHAKING;
    s->output.write = on_tls_output;
    s->marks = calloc(MARKS, sizeof *s->marks);
    s->tls = s->marks ? tls_open(context, host, &s->output) : NULL;
    CHECK(s->tls);
    if (host)
        shake_hands(s);
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
        start_tls(s, o->tls, o->tls_host ? o->tls_host : o->host);
    else
        open_now(s);
}

static void on_fd_closed(struct loop_fd *f)
{
    struct stream *s = container_of(f, struct stream, fd);
    s->has_fd = false;
    if (!s->owner) {
        free_stream(s);
        return;
    }
    if (s->state != STREAM_CONNECTING)
        return;
    if (s->opening->next < address_count(s->opening))
        connect_next(s);
    else
        end_now(s, ERR_CONNECT); /* why was written by who removed it */
}

static void on_opening_timer(struct loop_timer *timer)
{
    struct opening *o = container_of(timer, struct opening, timer);
    struct stream *s = o->stream;
    if (s->state == STREAM_RESOLVING) {
        end(s, ERR_TIMEOUT, "no answer about the name %.200s in time", o->host);
    } else if (s->state == STREAM_HANDSHAKING) {
        end(s, ERR_TIMEOUT, "no TLS handshake with %.200s in time", o->host);
    } else if (!s->fd.removed) {
        snprintf(s->why, sizeof s->why, "cannot connect to %.200s: no answer in time", o->host);
        loop_remove(&s->fd);
    }
}

static void on_resolved(struct resolve_query *q)
{
    struct opening *o = container_of(q, struct opening, query);
    if (q->err)
        end(o->stream, q->err, "cannot resolve %.200s: %s", o->host, q->why);
    else
        connect_next(o->stream);
}

static void on_task_start(struct loop_task *task)
{
    struct stream *s = container_of(task, struct stream, task);
    struct opening *o = s->opening;
    s->task.run = on_task_flush;
    if (o->is_unix) {
        if (strlen(o->host) >= sizeof o->path.sun_path) {
            end(s, ERR_CONNECT, "the path %.200s is too long for a socket", o->host);
            return;
        }
        o->path.sun_family = AF_UNIX;
        memcpy(o->path.sun_path, o->host, strlen(o->host) + 1);
        connect_next(s);
    } else if (resolve_literal(o->host, o->port, &o->query.addresses[0])) {
        o->query.count = 1;
        connect_next(s);
    } else if (!o->resolve) {
        end(s, ERR_RESOLVE, "%.200s is no address", o->host);
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
    s->task.run = on_task_flush;
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
        start_tls(s, options->tls, NULL);
    return s;
}

void stream_close(struct stream *s)
{
    CHECK(s->owner);
    s->owner = NULL;
    release(s);
    if (!s->has_fd)
        free_stream(s);
}

void stream_reset(struct stream *s)
{
    s->is_reset = true;
    if (s->has_fd && !s->fd.removed) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(s->fd.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    stream_close(s);
}

uint64_t stream_written(const struct stream *s)
{
    return s->written;
}

uint64_t stream_taken(const struct stream *s)
{
    return s->taken;
}

uint64_t stream_handed_ns(const struct stream *s)
{
    return s->handed_ns;
}

bool stream_is_sending(const struct stream *s)
{
    return s->state != STREAM_ENDED && send_in_flight(s);
}

bool stream_is_open(const struct stream *s)
{
    return s->state == STREAM_OPEN && !s->is_cancelled;
}

bool stream_is_h2(const struct stream *s)
{
    return s->tls && bytes_equal(tls_alpn(s->tls), BYTES("h2"));
}

const char *stream_tls_version(const struct stream *s)
{
    return s->tls ? tls_version(s->tls) : NULL;
}

bool stream_tls_reused(const struct stream *s)
{
    return s->tls && tls_reused(s->tls);
}
