#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_FIRST = 4096, IN_MAX = 1 << 20 };

struct connection *connection_open(int fd, uint32_t number, struct server_tls *tls)
{
    struct connection *c = calloc(1, sizeof *c);
    CHECK(c);
    c->fd = fd;
    c->number = number;
    c->in_max = IN_FIRST;
    c->in = malloc(c->in_max);
    CHECK(c->in);
    c->tls = tls ? server_tls_conn_open(tls) : NULL;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    return c;
}

void connection_close(struct connection *c)
{
    if (c->end == CONNECTION_RST) {
        struct linger at_once = {.l_onoff = 1};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    close(c->fd);
    server_tls_conn_close(c->tls);
    free(c->in);
    free(c);
}

/* The kernel's own time of arrival, so that our lag is not taken for the sender's. */
static ssize_t receive(int fd, char *to, size_t max, int64_t *at_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec piece = {to, max};
    struct msghdr msg = {.msg_iov = &piece,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
    if (n <= 0)
        return n;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        *at_ns = (int64_t)t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
    }
    return n;
}

static bool make_room(struct connection *c)
{
    if (c->in_used < c->in_max)
        return true;
    if (c->in_max >= IN_MAX)
        return false;
    c->in_max *= 4;
    c->in = realloc(c->in, c->in_max);
    CHECK(c->in);
    return true;
}

static bool read_plaintext(struct connection *c)
{
    for (;;) {
        if (!make_room(c))
            return false;
        int n = server_tls_read(c->tls, c->in + c->in_used, c->in_max - c->in_used);
        if (n <= 0)
            return n == 0;
        c->in_used += (size_t)n;
    }
}

bool connection_read(struct connection *c, int64_t now_ns)
{
    char cipher[16384];
    int64_t at_ns = now_ns;
    bool fresh = c->in_used == 0;
    if (!make_room(c))
        return false;
    ssize_t n = c->tls ? receive(c->fd, cipher, sizeof cipher, &at_ns)
                       : receive(c->fd, c->in + c->in_used, c->in_max - c->in_used, &at_ns);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (c->tls) {
        server_tls_feed(c->tls, cipher, (size_t)n);
        if (!read_plaintext(c))
            return false;
    } else {
        c->in_used += (size_t)n;
    }
    c->last_ns = at_ns;
    if (fresh)
        c->first_ns = at_ns;
    return true;
}

bool connection_request(struct connection *c, struct sim_request *request, bool *broken)
{
    size_t need;
    if (c->in_used == 0)
        return false;
    enum sim_parse parse = request_parse((struct bytes){c->in, c->in_used}, request, &need);
    *broken = parse == SIM_PARSE_BAD || need > IN_MAX;
    return parse == SIM_PARSE_DONE && !*broken;
}

void connection_consume(struct connection *c, size_t size)
{
    CHECK(size <= c->in_used);
    c->in_used -= size;
    memmove(c->in, c->in + size, c->in_used);
    c->first_ns = c->last_ns;
}

void connection_stage(struct connection *c, struct bytes answer)
{
    if (c->tls) {
        CHECK(server_tls_write(c->tls, answer.at, answer.size));
        return;
    }
    CHECK(c->out_used + answer.size <= sizeof c->out);
    memcpy(c->out + c->out_used, answer.at, answer.size);
    c->out_used += answer.size;
}

bool connection_flush(struct connection *c, bool *broken)
{
    for (;;) {
        if (c->out_sent == c->out_used) {
            c->out_sent = c->out_used = 0;
            if (c->tls)
                c->out_used = server_tls_drain(c->tls, c->out, sizeof c->out);
            if (c->out_used == 0)
                return true;
        }
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            *broken = errno != EAGAIN && errno != EINTR;
            return false;
        }
        c->out_sent += (size_t)n;
    }
}
