/* A stream's life: RESOLVING > CONNECTING > HANDSHAKING > OPEN > ENDING > ENDED. An
 * accepted one begins at HANDSHAKING or OPEN. Each state may go to ENDED.
 *
 * An end that is seen while a send is in flight waits in ENDING until the send was
 * ended and has completed: only then is the count of bytes taken final. */
#include "io/stream_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLAIN_SIZE = 4096 }; /* TLS: bytes shown at once */

void stream_free(struct stream *s)
{
    CHECK(!s->owner && !s->has_fd && !s->opening);
    stream_free_buffers(s);
    free(s);
}

static void release(struct stream *s)
{
    stream_end_opening(s);
    if (s->tls) {
        if (s->state == STREAM_OPEN && !s->is_reset)
            tls_goodbye(s->tls);
        stream_send_last(s);
        tls_close(s->tls);
        s->tls = NULL;
    }
    loop_task_clear(&s->task); /* the goodbye may have queued it */
    if (s->has_fd && !s->fd.removed)
        loop_remove(&s->fd);
}

/* Tells the owner; nothing of the stream may be touched after it. */
void stream_end_now(struct stream *s, enum err err)
{
    struct stream_owner *owner = s->owner;
    s->state = STREAM_ENDED;
    release(s);
    if (!owner)
        return;
    loop_end_wait(s->loop);
    owner->events->closed(owner, err, s->why);
}

void stream_end(struct stream *s, enum err err, const char *format, ...)
{
    if (s->state == STREAM_ENDING || s->state == STREAM_ENDED)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    if (!stream_send_in_flight(s)) {
        stream_end_now(s, err);
        return;
    }
    s->state = STREAM_ENDING;
    s->end = err;
    loop_cancel_send(&s->fd);
}

void stream_opened(struct stream *s)
{
    stream_end_opening(s);
    s->state = STREAM_OPEN;
    s->owner->events->opened(s->owner);
}

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
            stream_end(s, ERR_CLOSED, "the peer closed the connection");
        else
            stream_end(s, err, "%s", tls_why(s->tls));
    }
}

static void shake_hands(struct stream *s)
{
    enum err err = tls_handshake(s->tls);
    if (err == ERR_OK)
        stream_opened(s);
    else if (err != ERR_AGAIN)
        stream_end(s, err, "%s", tls_why(s->tls));
}

void stream_start_tls(struct stream *s, struct tls_context *context, const char *host)
{
    s->state = STREAM_HANDSHAKING;
    stream_prepare_tls(s);
    s->tls = tls_open(context, host, &s->output);
    if (!s->tls)
        stream_end(s, ERR_TLS, "%.200s cannot be a TLS host", host ? host : "this side");
    else if (host)
        shake_hands(s);
}

static void on_end(struct stream *s, int error)
{
    if (error == 0 && s->state == STREAM_HANDSHAKING)
        stream_end(s, ERR_TLS, "the peer closed the connection during the TLS handshake");
    else if (error == 0 && !s->tls)
        stream_end(s, ERR_CLOSED, "the peer closed the connection");
    else if (error == 0)
        stream_end(s, ERR_RESET, "the peer closed the connection without a TLS goodbye");
    else if (error == ECONNRESET || error == EPIPE)
        stream_end(s, ERR_RESET, "the peer reset the connection");
    else
        stream_end(s, ERR_IO, "receiving failed: %s", strerror(error));
}

void stream_on_received(struct loop_fd *f, struct bytes bytes, int error)
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

void stream_close(struct stream *s)
{
    CHECK(s->owner);
    s->owner = NULL;
    release(s);
    if (!s->has_fd)
        stream_free(s);
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
    return s->state != STREAM_ENDED && stream_send_in_flight(s);
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
