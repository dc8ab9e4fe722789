/* A byte stream on the loop: TCP or a unix socket, plain or TLS, ours or accepted.
 * The owner embeds struct stream_owner and gets the events, from loop_wait only.
 *
 * A stream is its owner's until stream_close, which has to be called exactly once,
 * also after `closed`, and may be called inside any event. After it nothing is called
 * any more and the pointer means nothing. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "io/loop.h"

struct resolve;
struct tls_context;
struct stream;
struct stream_owner;

struct stream_events {
    void (*opened)(struct stream_owner *o);                       /* TLS: hands were shaken */
    void (*received)(struct stream_owner *o, struct bytes bytes); /* borrowed until it returns */
    /* The kernel has taken `total` of all bytes written so far. Under TLS a byte counts
     * once the record that holds it was taken to its last byte. */
    void (*taken)(struct stream_owner *o, uint64_t total);
    /* It ended, or never opened; nothing follows. ERR_CLOSED: the peer's orderly end.
     * `why` in words, borrowed until it returns. */
    void (*closed)(struct stream_owner *o, enum err err, const char *why);
};

struct stream_owner {
    const struct stream_events *events;
};

struct stream_options {
    struct resolve *resolve; /* NULL: host is a literal address or a path */
    const char *host;        /* name, address, or path of a unix socket (begins with '/') */
    uint16_t port;
    struct tls_context *tls; /* NULL: plain */
    const char *tls_host;    /* for SNI and verification; NULL: host */
    uint32_t write_max;      /* bytes that may wait to be taken; 0: 256 KiB */
    uint32_t open_ms;        /* until `opened`: names, connecting, hands; 0: 5,000 */
};

/* Never fails at once: a failure is `closed`, from loop_wait. */
struct stream *stream_open(struct loop *loop, const struct stream_options *options,
                           struct stream_owner *owner);
/* An accepted socket: the server's side. Of the options tls and write_max count. */
struct stream *stream_accept(struct loop *loop, int fd, const struct stream_options *options,
                             struct stream_owner *owner);
void stream_close(struct stream *s); /* what was not taken is dropped */
void stream_reset(struct stream *s); /* the same, and the peer sees a reset */

/* Queues a copy. The writes of one turn leave together, at the next loop_wait.
 * ERR_AGAIN: no room now (wait for `taken`), or it is not open. */
MUST_USE enum err stream_write(struct stream *s, struct bytes bytes);
/* The same in place: room for at most `size` bytes, then how many were written. NULL:
 * no room now. Nothing may come between the two calls. */
MUST_USE char *stream_reserve(struct stream *s, size_t size);
MUST_USE enum err stream_commit(struct stream *s, size_t size);
/* Ends the send in flight and drops what is queued; nothing can be written any more.
 * True: nothing was in flight, so the count of bytes taken is final now. Else `closed`
 * (ERR_CANCELLED, or the end that came first) follows the last `taken`. */
MUST_USE bool stream_cancel(struct stream *s);

uint64_t stream_written(const struct stream *s); /* all bytes so far, as `taken` counts */
uint64_t stream_taken(const struct stream *s);
uint64_t stream_handed_ns(const struct stream *s); /* when bytes last went to an idle socket */
bool stream_is_sending(const struct stream *s);    /* the kernel's answer is outstanding */
bool stream_is_open(const struct stream *s);
bool stream_is_h2(const struct stream *s);              /* what ALPN chose */
const char *stream_tls_version(const struct stream *s); /* NULL: plain */
bool stream_tls_reused(const struct stream *s);

/* A listening socket. `accepted` gets descriptors for stream_accept. */
struct stream_listener;
struct stream_server {
    void (*accepted)(struct stream_server *server, int fd);
};
/* `host` as above (a path is made anew); port 0: any. NULL: `why` says why. */
MUST_USE struct stream_listener *stream_listen(struct loop *loop, const char *host, uint16_t port,
                                               struct stream_server *server,
                                               char why[LOOP_WHY_SIZE]);
uint16_t stream_listener_port(const struct stream_listener *l);
void stream_listener_close(struct stream_listener *l);
