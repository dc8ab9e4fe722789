/* What a stream sends. Writes go into `filling`; the loop's task before the submission
 * swaps it with `sending`, which does not move while the kernel has it. So writes of one
 * turn leave in one send, and there is never more than one in flight. */
#include "io/stream_impl.h"

#include <errno.h>
#include <stdlib.h>

enum {
    KEEP_SIZE = 64 * 1024, /* a buffer larger than this is not kept when empty */
    FIRST_SIZE = 2048,
    RECORD_SIZE = 16 * 1024, /* TLS: plain bytes in one record */
    RECORD_COST = 64,        /* TLS: what a record adds at most */
    STREAM_MARKS = 64,
};

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

static void swap_buffers(struct stream *s)
{
    struct buffer sending = s->sending;
    s->sending = s->filling;
    s->filling = sending;
}

static void flush(struct stream *s)
{
    if (stream_send_in_flight(s) || s->filling.size == 0 || s->is_cancelled || s->fd.removed)
        return;
    swap_buffers(s);
    s->sent = 0;
    s->handed_ns = loop_now_ns(s->loop);
    loop_send(&s->fd, (struct bytes){s->sending.at, s->sending.size});
}

void stream_on_flush(struct loop_task *task)
{
    flush(container_of(task, struct stream, task));
}

/* What was taken of the encrypted bytes, in plain ones. */
static uint64_t plain_taken(struct stream *s)
{
    uint64_t plain = s->taken;
    while (s->mark_count > 0 && s->marks[s->mark_first].encrypted <= s->encrypted_taken) {
        plain = s->marks[s->mark_first].plain;
        s->mark_first = (s->mark_first + 1) % STREAM_MARKS;
        s->mark_count--;
    }
    return plain;
}

static void add_mark(struct stream *s)
{
    if (s->mark_count ==
        STREAM_MARKS) /* the last one then stands for both: told later, not wrongly */
        s->mark_count--;
    uint32_t at = (s->mark_first + s->mark_count) % STREAM_MARKS;
    s->marks[at] = (struct mark){s->encrypted_written, s->written};
    s->mark_count++;
}

static void count_taken(struct stream *s, size_t size)
{
    s->sent += size;
    s->encrypted_taken += size;
    uint64_t before = s->taken;
    s->taken = s->marks ? plain_taken(s) : s->taken + size;
    if (s->sent == s->sending.size) {
        buffer_empty(&s->sending);
        if (s->filling.size == 0)
            swap_buffers(s); /* the next write finds the memory that is in the cache */
    }
    if (s->taken > before && s->owner && s->owner->events->taken)
        s->owner->events->taken(s->owner, s->taken);
}

void stream_on_sent(struct loop_fd *f, size_t size, int error)
{
    struct stream *s = container_of(f, struct stream, fd);
    count_taken(s, size);
    if (!s->owner)
        return;
    if (s->state == STREAM_ENDING) {
        buffer_empty(&s->sending);
        stream_end_now(s, s->end);
    } else if (s->is_cancelled) {
        buffer_empty(&s->sending);
        stream_end(s, ERR_CANCELLED, "cancelled");
    } else if (error == EPIPE || error == ECONNRESET) {
        /* The end comes by the receive, behind what the peer may have said before it. */
        s->is_cancelled = true;
        buffer_empty(&s->sending);
    } else if (error) {
        buffer_empty(&s->sending);
        stream_end(s, ERR_IO, "sending failed: %s", strerror(error));
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
    if (!stream_send_in_flight(s) || s->state == STREAM_ENDED)
        return true;
    if (s->state != STREAM_ENDING)
        loop_cancel_send(&s->fd);
    return false;
}

/* TLS's last word (an alert, a goodbye), as far as the socket takes it now; never the
 * owner's bytes, whose leaving would not be counted. */
void stream_send_last(struct stream *s)
{
    if (!s->tls || s->mark_count > 0 || s->filling.size == 0)
        return;
    if (!s->has_fd || s->fd.removed || stream_send_in_flight(s))
        return;
    ssize_t n = send(s->fd.fd, s->filling.at, s->filling.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n; /* the stream ends either way */
}

void stream_prepare_tls(struct stream *s)
{
    s->output.write = on_tls_output;
    s->marks = calloc(STREAM_MARKS, sizeof *s->marks);
    CHECK(s->marks);
}

void stream_free_buffers(struct stream *s)
{
    free(s->sending.at);
    free(s->filling.at);
    free(s->plain.at);
    free(s->marks);
}
