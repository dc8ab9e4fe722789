/* A stream's parts, for stream*.c only: stream.c has its life and what it receives,
 * stream_open.c how it comes to be, stream_out.c what it sends. */
#pragma once

#include "io/resolve.h"
#include "io/stream.h"
#include "io/tls.h"

#include <sys/un.h>

enum stream_state {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_OPEN,
    STREAM_ENDING, /* its end is known, a send is still in flight */
    STREAM_ENDED,  /* its owner was told */
};

enum { STREAM_WHY_SIZE = 320 };

struct buffer {
    char *at;
    size_t size, room;
};

/* Under TLS: when `encrypted` bytes were taken, `plain` bytes count as taken. */
struct mark {
    uint64_t encrypted, plain;
};

struct opening;

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
    struct mark *marks; /* a ring of STREAM_MARKS */
    uint32_t mark_first, mark_count;

    char why[STREAM_WHY_SIZE];
};

static inline bool stream_send_in_flight(const struct stream *s)
{
    return s->sending.size > 0;
}

/* stream.c. After the first two the stream may be gone. */
void PRINTF_LIKE(3, 4) stream_end(struct stream *s, enum err err, const char *format, ...);
void stream_end_now(struct stream *s, enum err err); /* s->why was written before */
void stream_start_tls(struct stream *s, struct tls_context *context, const char *host);
void stream_opened(struct stream *s);
void stream_free(struct stream *s);
void stream_on_received(struct loop_fd *f, struct bytes bytes, int error);

/* stream_open.c */
void stream_end_opening(struct stream *s); /* in whatever state */

/* stream_out.c */
void stream_prepare_tls(struct stream *s); /* before anything is written to it */
void stream_on_sent(struct loop_fd *f, size_t size, int error);
void stream_on_flush(struct loop_task *task);
void stream_send_last(struct stream *s);
void stream_free_buffers(struct stream *s);
