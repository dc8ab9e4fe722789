/* The blocking client: one socket, deadlines by SO_RCVTIMEO, for threads that may wait. */
#include "io/redis.h"

#include "io/redis_write.h"
#include "io/tls.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { BUFFER_MAX = 8 * 1024 * 1024, READ_BYTES = 16 * 1024, DEFAULT_MS = 2000 };

struct redis_sync {
    int fd;
    struct tls *tls; /* NULL: plain */
    struct tls_output tls_output;
    struct redis_decoder *decoder;
    struct writer out;
    bool broken;
    char why[REDIS_WHY_SIZE];
};

static void fail(struct redis_sync *r, const char *what, const char *detail)
{
    r->broken = true;
    snprintf(r->why, sizeof r->why, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
}

static const char *errno_text(void)
{
    return errno == EAGAIN || errno == EINPROGRESS ? "no answer in time" : strerror(errno);
}

static bool send_all(struct redis_sync *r, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t n = send(r->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fail(r, "cannot send", errno_text());
            return false;
        }
        bytes = (struct bytes){bytes.at + n, bytes.size - (size_t)n};
    }
    return true;
}

static void on_encrypted(struct tls_output *output, struct bytes bytes)
{
    struct redis_sync *r = container_of(output, struct redis_sync, tls_output);
    if (!r->broken)
        (void)!send_all(r, bytes);
}

static bool flush(struct redis_sync *r)
{
    struct bytes left = writer_bytes(&r->out);
    r->out.size = 0;
    if (!r->tls)
        return send_all(r, left);
    while (left.size > 0 && !r->broken) {
        size_t taken = 0;
        if (tls_write(r->tls, left, &taken) != ERR_OK)
            fail(r, "TLS", tls_why(r->tls));
        left = (struct bytes){left.at + taken, left.size - taken};
    }
    return !r->broken;
}

/* Some bytes from the socket; 0: it broke. */
static size_t receive(struct redis_sync *r, char *to)
{
    for (;;) {
        ssize_t n = recv(r->fd, to, READ_BYTES, 0);
        if (n > 0)
            return (size_t)n;
        if (n < 0 && errno == EINTR)
            continue;
        fail(r, n == 0 ? "it closed the connection" : "cannot read", n == 0 ? NULL : errno_text());
        return 0;
    }
}

static void feed(struct redis_sync *r, struct bytes raw)
{
    char plain[READ_BYTES];
    size_t size = 0;
    if (!r->tls) {
        redis_decoder_feed(r->decoder, raw);
        return;
    }
    tls_feed(r->tls, raw);
    enum err err;
    while ((err = tls_read(r->tls, plain, sizeof plain, &size)) == ERR_OK)
        redis_decoder_feed(r->decoder, (struct bytes){plain, size});
    if (err != ERR_AGAIN)
        fail(r, "TLS", err == ERR_CLOSED ? "closed" : tls_why(r->tls));
}

const struct redis_reply *redis_sync_take(struct redis_sync *r)
{
    const struct redis_reply *reply = NULL;
    char raw[READ_BYTES];
    if (r->broken || !flush(r))
        return NULL;
    for (;;) {
        enum err err = redis_decoder_take(r->decoder, &reply);
        if (err == ERR_OK)
            return reply;
        if (err == ERR_PROTOCOL) {
            fail(r, "its replies make no sense", NULL);
            return NULL;
        }
        size_t size = receive(r, raw);
        if (size > 0)
            feed(r, (struct bytes){raw, size});
        if (r->broken)
            return NULL;
    }
}

void redis_sync_append(struct redis_sync *r, const struct bytes *arguments, uint32_t count)
{
    size_t need = 32;
    for (uint32_t i = 0; i < count; i++)
        need += arguments[i].size + 32;
    if (need > r->out.max - r->out.size && !r->broken && !flush(r))
        return;
    resp_begin(&r->out, count);
    for (uint32_t i = 0; i < count; i++)
        resp_argument(&r->out, arguments[i]);
    if (r->out.overflow)
        fail(r, "the command is larger than 8 MiB", NULL);
}

const struct redis_reply *redis_sync_command(struct redis_sync *r, const struct bytes *arguments,
                                             uint32_t count)
{
    redis_sync_append(r, arguments, count);
    return redis_sync_take(r);
}

const char *redis_sync_why(const struct redis_sync *r)
{
    return r->why;
}

/* --- opening ------------------------------------------------------------------------- */

static bool connect_to(struct redis_sync *r, const struct sockaddr *address, socklen_t size,
                       uint32_t ms)
{
    struct timeval patience = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
    int on = 1;
    r->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r->fd < 0) {
        fail(r, "cannot open a socket", strerror(errno));
        return false;
    }
    setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (address->sa_family != AF_UNIX)
        setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(r->fd, address, size) == 0)
        return true;
    fail(r, "cannot connect", errno_text());
    close(r->fd);
    r->fd = -1;
    return false;
}

static bool connect_host(struct redis_sync *r, const struct redis_options *o, uint32_t ms)
{
    if (o->host[0] == '/') {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        if (strlen(o->host) >= sizeof address.sun_path) {
            fail(r, "the socket's path is too long", NULL);
            return false;
        }
        memcpy(address.sun_path, o->host, strlen(o->host));
        return connect_to(r, (struct sockaddr *)&address, sizeof address, ms);
    }
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *all = NULL;
    int rc = getaddrinfo(o->host, port, &hints, &all);
    if (rc != 0) {
        fail(r, "cannot resolve", gai_strerror(rc));
        return false;
    }
    bool connected = false;
    for (struct addrinfo *a = all; a && !connected; a = a->ai_next)
        connected = connect_to(r, a->ai_addr, a->ai_addrlen, ms);
    freeaddrinfo(all);
    r->broken = !connected;
    return connected;
}

static bool shake_hands(struct redis_sync *r, const struct redis_options *o)
{
    char raw[READ_BYTES];
    if (!o->tls)
        return true;
    r->tls_output.write = on_encrypted;
    r->tls = tls_open(o->tls, o->host, &r->tls_output);
    enum err err = ERR_AGAIN;
    while (r->tls && (err = tls_handshake(r->tls)) == ERR_AGAIN && !r->broken) {
        size_t size = receive(r, raw);
        if (size == 0)
            return false;
        tls_feed(r->tls, (struct bytes){raw, size});
    }
    if (r->tls && err == ERR_OK && !r->broken)
        return true;
    fail(r, "TLS", r->tls ? tls_why(r->tls) : NULL);
    return false;
}

static bool good(struct redis_sync *r, const struct bytes *command, uint32_t count,
                 const struct redis_reply **reply)
{
    *reply = redis_sync_command(r, command, count);
    if (*reply && (*reply)->type == REDIS_ERROR)
        fail(r, "it refuses", (*reply)->text.at);
    return *reply && !r->broken;
}

static bool sign_in(struct redis_sync *r, const struct redis_options *o)
{
    const struct redis_reply *reply;
    const struct bytes both[] = {BYTES("AUTH"), bytes_of(o->user), bytes_of(o->password)};
    const struct bytes alone[] = {BYTES("AUTH"), bytes_of(o->password)};
    if (o->password && !(o->user ? good(r, both, 3, &reply) : good(r, alone, 2, &reply)))
        return false;
    char number[12];
    struct writer w = writer_of(number, sizeof number);
    write_u64(&w, o->database);
    const struct bytes select[] = {BYTES("SELECT"), writer_bytes(&w)};
    if (o->database != 0 && !good(r, select, 2, &reply))
        return false;
    const struct bytes role[] = {BYTES("ROLE")};
    if (!good(r, role, 1, &reply))
        return false;
    if (reply->type != REDIS_ARRAY || reply->element_count == 0 ||
        !bytes_equal(reply->elements[0]->text, BYTES("master"))) {
        fail(r, "it is a replica", NULL);
        return false;
    }
    return true;
}

struct redis_sync *redis_sync_open(const struct redis_options *options, char why[REDIS_WHY_SIZE])
{
    struct redis_sync *r = calloc(1, sizeof *r);
    char *out = malloc(BUFFER_MAX);
    CHECK(r && out);
    r->fd = -1;
    r->out = writer_of(out, BUFFER_MAX);
    r->decoder = redis_decoder_open();
    CHECK(r->decoder != NULL);
    uint32_t ms = options->command_ms ? options->command_ms : DEFAULT_MS;
    if (connect_host(r, options, ms) && shake_hands(r, options) && sign_in(r, options))
        return r;
    snprintf(why, REDIS_WHY_SIZE, "%s", r->why);
    redis_sync_close(r);
    return NULL;
}

void redis_sync_close(struct redis_sync *r)
{
    if (r->tls)
        tls_close(r->tls);
    if (r->fd >= 0)
        close(r->fd);
    redis_decoder_close(r->decoder);
    free(r->out.at);
    free(r);
}
