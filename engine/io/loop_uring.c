/* The io_uring back end, the only user of liburing: one ring, entered once a turn.
 * Receives are multishot into a ring of provided buffers, which go back when the
 * callback returned; they are taken in turns, so the fewer, the warmer. A turn that needs
 * more arms the rest again. Sends are plain (zero copy costs more below several KiB) and keep
 * their completions, because the bytes taken are what the engine has to know. The
 * completion queue is our queue of completions.
 *
 * The ring is made disabled and enabled by the first wait, so that it belongs to the
 * thread that waits, whoever opened it. liburing 2.3 has no call that sets up a buffer
 * ring: registered by hand. */
#include "io/loop_backend.h"

#include "base/clock.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    BUFFER_GROUP = 0,
    BUFFER_SKEW = 64,      /* buffers a page apart would all meet in the same sets of the cache */
    TAG_CANCEL = OP_COUNT, /* a cancellation's own completion: nobody's */
    TAG_MASK = 7,
};
_Static_assert(TAG_CANCEL <= TAG_MASK, "operations fit the pointer's low bits");
_Static_assert(_Alignof(struct loop_fd) > TAG_MASK, "a pointer's low bits are free");

struct uring {
    struct loop loop;
    struct io_uring ring;
    bool enabled;
    struct io_uring_buf_ring *buffers;
    size_t buffers_size;
    char *buffer_memory;
    uint32_t buffer_count, buffer_size;
};

static struct uring *uring_of(const struct loop_fd *f)
{
    return (struct uring *)f->loop;
}

static char *buffer_at(const struct uring *u, uint16_t id)
{
    return u->buffer_memory + (size_t)id * (u->buffer_size + BUFFER_SKEW);
}

static void give_buffer(struct uring *u, uint16_t id)
{
    io_uring_buf_ring_add(u->buffers, buffer_at(u, id), u->buffer_size, id,
                          io_uring_buf_ring_mask(u->buffer_count), 0);
    io_uring_buf_ring_advance(u->buffers, 1);
}

static int add_buffers(struct uring *u)
{
    u->buffers_size = u->buffer_count * sizeof(struct io_uring_buf);
    void *ring =
        mmap(NULL, u->buffers_size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (ring == MAP_FAILED)
        return -ENOMEM;
    u->buffers = ring;
    u->buffer_memory = malloc((size_t)u->buffer_count * (u->buffer_size + BUFFER_SKEW));
    if (!u->buffer_memory)
        return -ENOMEM;
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)ring,
                                   .ring_entries = u->buffer_count,
                                   .bgid = BUFFER_GROUP};
    int error = io_uring_register_buf_ring(&u->ring, &reg, 0);
    if (error)
        return error;
    io_uring_buf_ring_init(u->buffers);
    for (uint32_t i = 0; i < u->buffer_count; i++)
        give_buffer(u, (uint16_t)i);
    return 0;
}

static int make_ring(struct io_uring *ring, uint32_t entries, uint32_t cq_entries, bool disabled)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
                 (disabled ? IORING_SETUP_R_DISABLED : 0),
        .cq_entries = cq_entries,
    };
    return io_uring_queue_init_params(entries, ring, &params);
}

/* Set-up alone proves little: some sandboxes allow it and refuse to enter. */
static int probe(void)
{
    struct io_uring ring;
    int error = make_ring(&ring, 4, 8, false);
    if (error)
        return error;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    CHECK(sqe);
    io_uring_prep_nop(sqe);
    struct io_uring_cqe *cqe = NULL;
    error = io_uring_submit_and_wait(&ring, 1);
    if (error >= 0)
        error = io_uring_peek_cqe(&ring, &cqe);
    if (error == 0)
        error = cqe->res;
    io_uring_queue_exit(&ring);
    return error;
}

static void explain(int error, char why[LOOP_WHY_SIZE])
{
    const char *text = strerror(-error);
    const char *remedy = "please report it";
    switch (-error) {
    case EPERM:
        remedy = "set sysctl kernel.io_uring_disabled=0, or allow io_uring_* in the container's "
                 "seccomp profile";
        break;
    case EACCES:
        remedy = "a security policy (SELinux, AppArmor) forbids it: allow io_uring there";
        break;
    case ENOSYS:
        remedy = "the kernel has no io_uring or a seccomp profile hides it: Linux 6.1 or later, "
                 "allow io_uring_*";
        break;
    case EINVAL:
        remedy = "the kernel is too old: Linux 6.1 or later";
        break;
    case ENOMEM:
        remedy = "no memory, or RLIMIT_MEMLOCK is too low: raise it (ulimit -l, LimitMEMLOCK=)";
        break;
    case EMFILE:
        remedy = "too many open files: raise RLIMIT_NOFILE";
        break;
    default:
        break;
    }
    snprintf(why, LOOP_WHY_SIZE, "io_uring cannot be used (%s): %s", text, remedy);
}

static void uring_close(struct loop *loop)
{
    struct uring *u = (struct uring *)loop;
    io_uring_queue_exit(&u->ring);
    if (u->buffers)
        munmap(u->buffers, u->buffers_size);
    free(u->buffer_memory);
    free(u);
}

static void enable(struct uring *u)
{
    if (u->enabled)
        return;
    /* Debian 12's liburing.so does not export io_uring_enable_rings. */
    CHECK(syscall(__NR_io_uring_register, u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) ==
          0);
    io_uring_register_ring_fd(&u->ring); /* saves a little; not needed */
    u->enabled = true;
}

static struct io_uring_sqe *take_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (sqe)
        return sqe;
    enable(u);
    io_uring_submit(&u->ring);
    sqe = io_uring_get_sqe(&u->ring);
    CHECK(sqe);
    return sqe;
}

static uint64_t tag(const struct loop_fd *f, uint32_t op)
{
    return (uint64_t)(uintptr_t)f | op;
}

static void uring_connect(struct loop_fd *f, const struct sockaddr *address, socklen_t size)
{
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    io_uring_prep_connect(sqe, f->fd, address, size);
    io_uring_sqe_set_data64(sqe, tag(f, OP_CONNECT));
}

static void uring_receive(struct loop_fd *f)
{
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    io_uring_prep_recv_multishot(sqe, f->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, tag(f, OP_RECEIVE));
}

static void uring_send(struct loop_fd *f)
{
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    io_uring_prep_send(sqe, f->fd, f->sending.at, f->sending.size, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, tag(f, OP_SEND));
}

static void uring_accept(struct loop_fd *f)
{
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    io_uring_prep_multishot_accept(sqe, f->fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(f, OP_ACCEPT));
}

static void cancel_op(struct loop_fd *f, enum loop_op op)
{
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    io_uring_prep_cancel64(sqe, tag(f, op), 0);
    io_uring_sqe_set_data64(sqe, TAG_CANCEL);
}

/* Not by a cancellation: a send that is being retried (the kernel does so over and over
 * once the peer has shut its side) is not found by one. After this no byte is taken, and
 * the send completes. */
static void uring_cancel_send(struct loop_fd *f)
{
    shutdown(f->fd, SHUT_WR);
}

static void uring_cancel(struct loop_fd *f)
{
    for (uint32_t op = 0; op < OP_COUNT; op++) {
        if (op == OP_SEND && loop_is_pending(f, op))
            shutdown(f->fd, SHUT_RDWR);
        else if (loop_is_pending(f, op))
            cancel_op(f, op);
    }
}

/* One-shot, armed again after each callback: what is left unread is told again. */
static void arm_watch(struct loop_fd *f)
{
    loop_began(f, OP_WATCH);
    struct io_uring_sqe *sqe = take_sqe(uring_of(f));
    uint32_t events = (f->watch & LOOP_READ ? POLLIN : 0u) | (f->watch & LOOP_WRITE ? POLLOUT : 0u);
    io_uring_prep_poll_add(sqe, f->fd, events);
    io_uring_sqe_set_data64(sqe, tag(f, OP_WATCH));
}

static void uring_watch(struct loop_fd *f)
{
    if (loop_is_pending(f, OP_WATCH))
        cancel_op(f, OP_WATCH); /* its completion arms what is wanted by then */
    else if (f->watch)
        arm_watch(f);
}

static void uring_submit(struct loop *loop)
{
    struct uring *u = (struct uring *)loop;
    enable(u);
    io_uring_submit(&u->ring); /* what it refuses is submitted with the sleep */
}

static void uring_sleep(struct loop *loop, uint64_t now_ns, uint64_t until_ns, uint32_t least)
{
    struct uring *u = (struct uring *)loop;
    enable(u);
    int error = 0;
    if (until_ns <= now_ns) {
        error = io_uring_submit_and_get_events(&u->ring);
    } else {
        uint64_t left_ns = u64_min(until_ns - now_ns, 3600 * NS_PER_S);
        struct __kernel_timespec timeout = {.tv_sec = (int64_t)(left_ns / NS_PER_S),
                                            .tv_nsec = (long long)(left_ns % NS_PER_S)};
        struct io_uring_cqe *cqe;
        error = io_uring_submit_and_wait_timeout(&u->ring, &cqe, least, &timeout, NULL);
    }
    CHECK(error >= 0 || error == -ETIME || error == -EINTR || error == -EAGAIN || error == -EBUSY);
}

static uint32_t run_receive(struct uring *u, struct loop_fd *f, int result, uint32_t flags)
{
    bool more = (flags & IORING_CQE_F_MORE) != 0;
    if (!more)
        loop_ended(f, OP_RECEIVE);
    if (result == -ENOBUFS || result == -EINTR) {
        if (!f->removed && !more)
            loop_receive(f); /* buffers go back as callbacks return */
        return 0;
    }
    if (flags & IORING_CQE_F_BUFFER) {
        uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
        if (result > 0 && !f->removed)
            f->events->received(f, (struct bytes){buffer_at(u, id), (size_t)result}, 0);
        give_buffer(u, id);
    }
    if (result > 0 && !more && !f->removed)
        loop_receive(f);
    if (result <= 0 && !f->removed)
        f->events->received(f, (struct bytes){0}, -result);
    return 1;
}

static uint32_t run_send(struct loop_fd *f, int result)
{
    loop_ended(f, OP_SEND);
    if (f->removed)
        return 0;
    bool whole = result >= 0 && (size_t)result == f->sending.size;
    f->events->sent(f, result > 0 ? (size_t)result : 0, result < 0 ? -result : 0);
    return whole ? 0 : 1;
}

static uint32_t run_accept(struct loop_fd *f, int result, uint32_t flags)
{
    if (!(flags & IORING_CQE_F_MORE))
        loop_ended(f, OP_ACCEPT);
    if (f->removed) {
        if (result >= 0)
            close(result);
        return 0;
    }
    if (result >= 0)
        f->events->accepted(f, result);
    if (!f->removed && !loop_is_pending(f, OP_ACCEPT))
        loop_accept(f);
    return 1;
}

static uint32_t run_watch(struct loop_fd *f, int result)
{
    loop_ended(f, OP_WATCH);
    if (f->removed)
        return 0;
    uint8_t what = 0;
    if (result > 0 && result & (POLLIN | POLLHUP | POLLERR))
        what |= LOOP_READ;
    if (result > 0 && result & (POLLOUT | POLLERR))
        what |= LOOP_WRITE;
    what &= f->watch;
    if (what)
        loop_run_ready(f, what);
    if (!f->removed && f->watch && !loop_is_pending(f, OP_WATCH))
        arm_watch(f);
    return what ? 1 : 0;
}

static uint32_t run_one(struct uring *u, const struct io_uring_cqe *cqe)
{
    uint32_t op = (uint32_t)(cqe->user_data & TAG_MASK);
    struct loop_fd *f = (struct loop_fd *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);
    switch (op) {
    case OP_CONNECT:
        loop_ended(f, OP_CONNECT);
        if (!f->removed)
            f->events->connected(f, -cqe->res);
        return 1;
    case OP_RECEIVE:
        return run_receive(u, f, cqe->res, cqe->flags);
    case OP_SEND:
        return run_send(f, cqe->res);
    case OP_ACCEPT:
        return run_accept(f, cqe->res, cqe->flags);
    case OP_WATCH:
        return run_watch(f, cqe->res);
    default:
        CHECK(op == TAG_CANCEL);
        return 0;
    }
}

/* The head moves before each callback: one that fills the submission queue makes the
 * kernel submit, which may need room for completions. */
static uint32_t uring_run(struct loop *loop)
{
    struct uring *u = (struct uring *)loop;
    uint32_t news = 0;
    struct io_uring_cqe *cqe;
    for (uint32_t left = io_uring_cq_ready(&u->ring); left > 0; left--) {
        if (io_uring_peek_cqe(&u->ring, &cqe) != 0)
            break;
        struct io_uring_cqe copy = *cqe;
        io_uring_cqe_seen(&u->ring, cqe);
        news += run_one(u, &copy);
    }
    return news;
}

static const struct loop_backend uring_backend = {
    .name = "io_uring",
    .close = uring_close,
    .connect = uring_connect,
    .receive = uring_receive,
    .send = uring_send,
    .cancel_send = uring_cancel_send,
    .accept = uring_accept,
    .watch = uring_watch,
    .cancel = uring_cancel,
    .submit = uring_submit,
    .sleep = uring_sleep,
    .run = uring_run,
};

struct loop *loop_uring_open(const struct loop_options *options, char why[LOOP_WHY_SIZE])
{
    int error = probe();
    struct uring *u = error ? NULL : calloc(1, sizeof *u);
    if (!error && !u)
        error = -ENOMEM;
    if (!error)
        error = make_ring(&u->ring, SQ_ENTRIES, CQ_ENTRIES, true);
    if (error) {
        free(u);
        explain(error, why);
        return NULL;
    }
    u->loop.backend = &uring_backend;
    u->buffer_count = options->receive_buffers ? options->receive_buffers : 256;
    u->buffer_size = options->receive_buffer_size ? options->receive_buffer_size : 4096;
    CHECK(u->buffer_count <= 32768 && (u->buffer_count & (u->buffer_count - 1)) == 0);
    error = add_buffers(u);
    if (error) {
        explain(error, why);
        uring_close(&u->loop);
        return NULL;
    }
    return &u->loop;
}
