/* The epoll back end, for where io_uring is forbidden: the same operations in the same
 * order. Sockets are registered once, edge-triggered; a send is tried at once and waits
 * only when refused; what completes is queued on `finished` and run later, as the
 * ring's completions are. Waiting for a batch is a sleep of at most 1 ms between two
 * looks at the events, which saves as much as the ring's own way. */
#include "io/loop_backend.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 1024,   /* taken at once */
    READS_MAX = 16,      /* of one fd, before the others have their turn */
    BUFFER_SIZE = 65536, /* what one read may bring */
};

/* Bits of loop_fd.state. */
enum {
    IS_REGISTERED = 1,
    IS_READABLE = 2, /* an edge came that was not read out */
    IS_WRITABLE = 4, /* an edge came that was not used */
    HAS_ENDED = 8,   /* the peer's end or an error was among the edges: read to it */
    HAS_RESULT = 16, /* the connect or send completed: f->result */
    IS_READY = 32,   /* a watched fd (level-triggered) has something */
    IS_READY_WRITE = 64,
};

struct epoll {
    struct loop loop;
    int fd;
    bool coarse;          /* the sandbox has no epoll_pwait2 */
    struct list finished; /* of loop_fd: something is to be run */
    char *buffer;
    struct epoll_event events[EVENTS_MAX];
};

static struct epoll *epoll_of(const struct loop_fd *f)
{
    return (struct epoll *)f->loop;
}

static void set(struct loop_fd *f, uint32_t bits)
{
    f->state = (uint8_t)(f->state | bits);
}

static void clear(struct loop_fd *f, uint32_t bits)
{
    f->state = (uint8_t)(f->state & ~bits);
}

static bool has(const struct loop_fd *f, uint32_t bits)
{
    return (f->state & bits) != 0;
}

static void finish(struct loop_fd *f)
{
    if (!f->node.owner)
        list_push(&epoll_of(f)->finished, &f->node);
}

static void control(struct loop_fd *f, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = f};
    int op = has(f, IS_REGISTERED) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    CHECK(epoll_ctl(epoll_of(f)->fd, op, f->fd, &event) == 0);
    set(f, IS_REGISTERED);
}

static void register_edges(struct loop_fd *f)
{
    if (!has(f, IS_REGISTERED))
        control(f, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void epoll_close(struct loop *loop)
{
    struct epoll *e = (struct epoll *)loop;
    close(e->fd);
    free(e->buffer);
    free(e);
}

static void epoll_connect(struct loop_fd *f, const struct sockaddr *address, socklen_t size)
{
    f->result = connect(f->fd, address, size) == 0 ? 0 : errno;
    if (f->result == EINPROGRESS || f->result == EINTR) {
        register_edges(f);
        return;
    }
    if (f->result == 0)
        register_edges(f);
    set(f, HAS_RESULT);
    finish(f);
}

static void try_send(struct loop_fd *f)
{
    clear(f, IS_WRITABLE);
    ssize_t n = send(f->fd, f->sending.at, f->sending.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) /* the edge comes when there is room */
        return;
    f->result = n >= 0 ? (int)n : -errno;
    set(f, HAS_RESULT);
    finish(f);
}

static void epoll_send(struct loop_fd *f)
{
    CHECK(f->sending.size <= INT32_MAX);
    register_edges(f);
    try_send(f);
}

static void epoll_cancel_send(struct loop_fd *f)
{
    if (has(f, HAS_RESULT))
        return;
    f->result = -ECANCELED;
    set(f, HAS_RESULT);
    finish(f);
}

static void epoll_receive(struct loop_fd *f)
{
    register_edges(f);
    if (has(f, IS_READABLE | HAS_ENDED))
        finish(f);
}

static void epoll_watch(struct loop_fd *f)
{
    control(f, (f->watch & LOOP_READ ? EPOLLIN : 0u) | (f->watch & LOOP_WRITE ? EPOLLOUT : 0u));
}

static void epoll_cancel(struct loop_fd *f)
{
    f->pending = 0;
    if (has(f, IS_REGISTERED)) /* an fd handed on by fork would keep it registered */
        epoll_ctl(epoll_of(f)->fd, EPOLL_CTL_DEL, f->fd, NULL);
    if (f->node.owner)
        list_remove(f->node.owner, &f->node);
}

static void note_event(const struct epoll_event *event)
{
    struct loop_fd *f = event->data.ptr;
    bool in = (event->events & EPOLLIN) != 0, out = (event->events & EPOLLOUT) != 0;
    bool ended = (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (f->watch) {
        if (in || ended)
            set(f, IS_READY);
        if (out || (event->events & EPOLLERR))
            set(f, IS_READY_WRITE);
    } else {
        if (in)
            set(f, IS_READABLE);
        if (out)
            set(f, IS_WRITABLE);
        if (ended)
            set(f, HAS_ENDED | IS_WRITABLE); /* a refused send must see its error */
    }
    finish(f);
}

static uint32_t take_events(struct epoll *e, uint64_t timeout_ns)
{
    int n = -1;
    if (!e->coarse) {
        struct timespec t = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                             .tv_nsec = (long)(timeout_ns % NS_PER_S)};
        n = epoll_pwait2(e->fd, e->events, EVENTS_MAX, &t, NULL);
        e->coarse = n < 0 && (errno == ENOSYS || errno == EPERM);
    }
    if (e->coarse)
        n = epoll_wait(e->fd, e->events, EVENTS_MAX, (int)((timeout_ns + 999999) / NS_PER_MS));
    CHECK(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++)
        note_event(&e->events[i]);
    return n > 0 ? (uint32_t)n : 0;
}

static void epoll_submit(struct loop *loop)
{
    (void)loop; /* everything was tried when it was started */
}

static void epoll_sleep(struct loop *loop, uint64_t now_ns, uint64_t until_ns, uint32_t least)
{
    struct epoll *e = (struct epoll *)loop;
    uint64_t left_ns = until_ns > now_ns ? u64_min(until_ns - now_ns, 3600 * NS_PER_S) : 0;
    if (e->finished.count > 0)
        left_ns = 0;
    if (least <= 1 || left_ns == 0) {
        take_events(e, left_ns);
        return;
    }
    if (take_events(e, 0) >= least)
        return;
    struct timespec t = {.tv_nsec = (long)u64_min(left_ns, NS_PER_MS)};
    nanosleep(&t, NULL);
    take_events(e, 0);
}

static uint32_t run_connect(struct loop_fd *f)
{
    if (!has(f, HAS_RESULT)) {
        if (!has(f, IS_WRITABLE))
            return 0;
        socklen_t size = sizeof f->result;
        if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &f->result, &size) != 0)
            f->result = errno;
    }
    clear(f, HAS_RESULT | IS_WRITABLE);
    loop_ended(f, OP_CONNECT);
    f->events->connected(f, f->result);
    return 1;
}

static uint32_t run_send(struct loop_fd *f)
{
    if (!has(f, HAS_RESULT) && has(f, IS_WRITABLE))
        try_send(f);
    if (!has(f, HAS_RESULT))
        return 0;
    clear(f, HAS_RESULT);
    loop_ended(f, OP_SEND);
    int result = f->result;
    bool whole = result >= 0 && (size_t)result == f->sending.size;
    f->events->sent(f, result > 0 ? (size_t)result : 0, result < 0 ? -result : 0);
    return whole ? 0 : 1;
}

/* One read. False: no more for now. */
static bool receive_once(struct epoll *e, struct loop_fd *f)
{
    ssize_t n = recv(f->fd, e->buffer, BUFFER_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        bool again = errno == EINTR;
        if (!again)
            clear(f, IS_READABLE | HAS_ENDED);
        return again;
    }
    if (n > 0) {
        /* A short read has emptied the socket, unless its end is behind it. */
        bool more = n == BUFFER_SIZE || has(f, HAS_ENDED);
        if (!more)
            clear(f, IS_READABLE);
        f->events->received(f, (struct bytes){e->buffer, (size_t)n}, 0);
        return more && !f->removed;
    }
    int error = n < 0 ? errno : 0;
    clear(f, IS_READABLE | HAS_ENDED);
    loop_ended(f, OP_RECEIVE);
    f->events->received(f, (struct bytes){0}, error);
    return false;
}

static uint32_t run_receive(struct loop_fd *f)
{
    if (!has(f, IS_READABLE | HAS_ENDED))
        return 0;
    struct epoll *e = epoll_of(f);
    for (uint32_t i = 0; i < READS_MAX; i++)
        if (!receive_once(e, f))
            return 1;
    finish(f);
    return 1;
}

static uint32_t run_accept(struct loop_fd *f)
{
    if (!has(f, IS_READABLE | HAS_ENDED))
        return 0;
    for (uint32_t i = 0; i < READS_MAX && !f->removed; i++) {
        int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                clear(f, IS_READABLE | HAS_ENDED);
            break; /* an error: the next connection is a new edge */
        }
        f->events->accepted(f, fd);
    }
    if (!f->removed && has(f, IS_READABLE))
        finish(f);
    return 1;
}

static uint32_t run_watch(struct loop_fd *f)
{
    uint32_t told =
        (has(f, IS_READY) ? LOOP_READ : 0u) | (has(f, IS_READY_WRITE) ? LOOP_WRITE : 0u);
    clear(f, IS_READY | IS_READY_WRITE);
    uint8_t what = (uint8_t)(told & f->watch);
    if (what)
        loop_run_ready(f, what);
    return what ? 1 : 0;
}

static uint32_t run_one(struct loop_fd *f)
{
    uint32_t news = 0;
    if (f->watch)
        return run_watch(f);
    if (loop_is_pending(f, OP_CONNECT))
        news += run_connect(f);
    if (loop_is_pending(f, OP_SEND))
        news += run_send(f);
    if (loop_is_pending(f, OP_RECEIVE))
        news += run_receive(f);
    if (loop_is_pending(f, OP_ACCEPT))
        news += run_accept(f);
    return news;
}

static uint32_t epoll_run(struct loop *loop)
{
    struct epoll *e = (struct epoll *)loop;
    uint32_t news = 0;
    for (uint32_t left = e->finished.count; left > 0 && e->finished.count > 0; left--) {
        struct list_node *n = list_pop(&e->finished);
        news += run_one(container_of(n, struct loop_fd, node));
    }
    return news;
}

static const struct loop_backend epoll_backend = {
    .name = "epoll",
    .socket_flags = SOCK_NONBLOCK,
    .close = epoll_close,
    .connect = epoll_connect,
    .receive = epoll_receive,
    .send = epoll_send,
    .cancel_send = epoll_cancel_send,
    .accept = epoll_receive,
    .watch = epoll_watch,
    .cancel = epoll_cancel,
    .submit = epoll_submit,
    .sleep = epoll_sleep,
    .run = epoll_run,
};

struct loop *loop_epoll_open(const struct loop_options *options, char why[LOOP_WHY_SIZE])
{
    (void)options; /* one receive buffer serves all: a read is run at once */
    struct epoll *e = calloc(1, sizeof *e);
    char *buffer = malloc(BUFFER_SIZE);
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (!e || !buffer || fd < 0) {
        snprintf(why, LOOP_WHY_SIZE, "epoll cannot be used: %s", strerror(errno));
        free(e);
        free(buffer);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    e->loop.backend = &epoll_backend;
    e->fd = fd;
    e->buffer = buffer;
    return &e->loop;
}
