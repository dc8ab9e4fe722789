/* Listening sockets: the server's side of a stream, for tests and the simulator. */
#include "io/resolve.h"
#include "io/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

struct stream_listener {
    struct loop_fd fd;
    struct stream_server *server;
    uint16_t port;
};

enum { BACKLOG = 4096 };

static void on_accepted(struct loop_fd *f, int fd)
{
    struct stream_listener *l = container_of(f, struct stream_listener, fd);
    l->server->accepted(l->server, fd);
}

static void on_closed(struct loop_fd *f)
{
    free(container_of(f, struct stream_listener, fd));
}

static const struct loop_events events = {.accepted = on_accepted, .closed = on_closed};

static bool address_of(const char *host, uint16_t port, struct sockaddr_storage *a, socklen_t *size)
{
    if (host[0] != '/') {
        bool is_literal = resolve_literal(host, port, a);
        *size = a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        return is_literal;
    }
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    if (strlen(host) >= sizeof path.sun_path)
        return false;
    memcpy(path.sun_path, host, strlen(host) + 1);
    unlink(host);
    memset(a, 0, sizeof *a);
    memcpy(a, &path, sizeof path);
    *size = sizeof path;
    return true;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t size = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

struct stream_listener *stream_listen(struct loop *loop, const char *host, uint16_t port,
                                      struct stream_server *server, char why[LOOP_WHY_SIZE])
{
    struct sockaddr_storage a;
    socklen_t size;
    if (!address_of(host, port, &a, &size)) {
        snprintf(why, LOOP_WHY_SIZE, "%.100s is no address to listen on", host);
        return NULL;
    }
    int fd = loop_socket(loop, a.ss_family);
    int one = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct stream_listener *l = calloc(1, sizeof *l);
    if (fd < 0 || !l || bind(fd, (struct sockaddr *)&a, size) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, LOOP_WHY_SIZE, "cannot listen on %.100s port %u: %s", host, port,
                 strerror(errno));
        free(l);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    l->server = server;
    l->port = port_of(fd);
    loop_add(loop, &l->fd, fd, &events);
    loop_accept(&l->fd);
    return l;
}

uint16_t stream_listener_port(const struct stream_listener *l)
{
    return l->port;
}

void stream_listener_close(struct stream_listener *l)
{
    loop_remove(&l->fd);
}
