/* Redis: commands in pipelines on the shard's loop, replies in order. hiredis only
 * decodes; the socket is a stream of ours.
 *
 * A connection opens, signs in, makes sure that it speaks to a master, and then takes
 * commands; it comes back by itself (50 ms to 2 s, full jitter). After any missed
 * deadline or broken reply it is closed and every command in flight is answered `lost`:
 * a late reply would be taken for another's. Whether a lost command was executed is
 * not known. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

struct loop;
struct resolve;
struct tls_context;

struct redis_options {
    const char *host; /* name, address, or path of a unix socket */
    uint16_t port;
    const char *user, *password; /* NULL: none */
    uint32_t database;           /* SELECT; 0: the default one */
    const char *name;            /* CLIENT SETNAME; NULL: none */
    uint32_t pending_max;        /* commands in flight; 0: 4096 */
    uint32_t buffer_max;         /* bytes of one turn's commands; 0: 1 MiB */
    uint32_t connect_ms;         /* to connect and sign in; 0: 1,000 */
    uint32_t command_ms;         /* deadline of a command; 0: 2,000 */
    struct resolve *resolve;     /* NULL: host is a literal address or a path */
    struct tls_context *tls;     /* NULL: plain */
    uint64_t seed;               /* for the jitter */
};

enum redis_type { REDIS_NIL, REDIS_TEXT, REDIS_STATUS, REDIS_ERROR, REDIS_INTEGER, REDIS_ARRAY };

/* What an error's first word, or its text, means. */
enum redis_error {
    REDIS_ERROR_OTHER,
    REDIS_ERROR_AWAY,      /* LOADING MASTERDOWN READONLY MISCONF OOM BUSY CLUSTERDOWN
                            * TRYAGAIN NOREPLICAS: later, perhaps elsewhere */
    REDIS_ERROR_FUNCTIONS, /* the functions are not loaded */
    REDIS_ERROR_DENIED,    /* NOPERM NOAUTH WRONGPASS */
    REDIS_ERROR_MOVED,     /* MOVED ASK: a cluster, which needs another set-up */
};

struct redis_reply { /* borrowed until the callback returns */
    enum redis_type type;
    struct bytes text; /* TEXT, STATUS, ERROR */
    int64_t integer;
    struct redis_reply *const *elements; /* ARRAY */
    size_t element_count;
};

enum redis_error redis_error_of(const struct redis_reply *reply);

/* Who waits for a reply; embedded by the caller. NULL: the answer was lost. */
struct redis_waiter {
    void (*done)(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply);
};

struct redis;
MUST_USE struct redis *redis_open(struct loop *loop, const struct redis_options *options);
void redis_close(struct redis *redis); /* answers nothing any more */

/* Rises with each connection that became ready; 0: none is. */
uint32_t redis_generation(const struct redis *redis);
/* Why it is away, in words, and since when; NULL while it is not. */
const char *redis_away(const struct redis *redis, uint64_t *since_ns);
/* Commands and bytes that may still be queued; 0 while it is away. */
uint32_t redis_room(const struct redis *redis);
size_t redis_room_bytes(const struct redis *redis);

/* Queues a command; those of a turn leave together. It must have fitted the room.
 * `index` comes back with the answer. */
void redis_command(struct redis *redis, const struct bytes *arguments, uint32_t count,
                   struct redis_waiter *waiter, uint32_t index);
/* A command of many arguments, piece by piece: begin, `count` times argument, end. */
void redis_begin(struct redis *redis, uint32_t count);
void redis_argument(struct redis *redis, struct bytes argument);
/* Some that were written before, by resp_argument. */
void redis_arguments(struct redis *redis, struct bytes written, uint32_t count);
void redis_end(struct redis *redis, struct redis_waiter *waiter, uint32_t index);

struct redis_stats {
    uint64_t commands, lost, connects;
    uint32_t pending;
};
struct redis_stats redis_stats(const struct redis *redis);

/* The same codec on a blocking socket, for commands and threads that may wait. */
struct redis_sync;
/* Signed in, on a master; NULL: `why` says why. */
enum { REDIS_WHY_SIZE = 200 };
MUST_USE struct redis_sync *redis_sync_open(const struct redis_options *options,
                                            char why[REDIS_WHY_SIZE]);
void redis_sync_close(struct redis_sync *redis);
/* Pipeline: append as many as wanted, then take each reply. A reply is valid until the
 * next call; NULL: the connection broke (then it only can be closed). */
void redis_sync_append(struct redis_sync *redis, const struct bytes *arguments, uint32_t count);
MUST_USE const struct redis_reply *redis_sync_take(struct redis_sync *redis);
MUST_USE const struct redis_reply *
redis_sync_command(struct redis_sync *redis, const struct bytes *arguments, uint32_t count);
const char *redis_sync_why(const struct redis_sync *redis);

/* The codec alone: bytes in, replies out. Also what is fuzzed. */
struct redis_decoder;
MUST_USE struct redis_decoder *redis_decoder_open(void);
void redis_decoder_close(struct redis_decoder *decoder);
void redis_decoder_feed(struct redis_decoder *decoder, struct bytes bytes);
/* ERR_AGAIN: more must come. ERR_PROTOCOL: no replies any more. */
MUST_USE enum err redis_decoder_take(struct redis_decoder *decoder,
                                     const struct redis_reply **reply);
