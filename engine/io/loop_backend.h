/* What loop.c asks of a back end; for loop*.c only. The choice falls at run time,
 * which is what a table of functions is for. */
#pragma once

#include "io/loop.h"

/* Bits of loop_fd.pending: what has been started and has not completed. */
enum loop_op { OP_CONNECT, OP_RECEIVE, OP_SEND, OP_ACCEPT, OP_WATCH, OP_COUNT };

static inline bool loop_is_pending(const struct loop_fd *f, enum loop_op op)
{
    return (f->pending & (1u << op)) != 0;
}

static inline void loop_began(struct loop_fd *f, enum loop_op op)
{
    CHECK(!f->removed);
    CHECK(!loop_is_pending(f, op));
    f->pending = (uint8_t)(f->pending | 1u << op);
}

static inline void loop_ended(struct loop_fd *f, enum loop_op op)
{
    CHECK(loop_is_pending(f, op));
    f->pending = (uint8_t)(f->pending & ~(1u << op));
}

struct loop_backend {
    const char *name;
    int socket_flags; /* the ring waits only for sockets that block, epoll for the others */
    void (*close)(struct loop *loop);
    void (*connect)(struct loop_fd *f, const struct sockaddr *address, socklen_t size);
    void (*receive)(struct loop_fd *f);
    void (*send)(struct loop_fd *f); /* f->sending */
    void (*cancel_send)(struct loop_fd *f);
    void (*accept)(struct loop_fd *f);
    void (*watch)(struct loop_fd *f);  /* f->watch changed */
    void (*cancel)(struct loop_fd *f); /* everything; f->removed is set */
    void (*submit)(struct loop *loop); /* what was started; sends mostly complete by it */
    /* Submits; sleeps until `least` completions or the time. They wait for `run`. */
    void (*sleep)(struct loop *loop, uint64_t now_ns, uint64_t until_ns, uint32_t least);
    /* Runs the callbacks of what completed; returns how many, whole sends left out:
     * they are news to nobody but their stream. */
    uint32_t (*run)(struct loop *loop);
};

/* The first member of each back end's own struct. */
struct loop {
    const struct loop_backend *backend;
    uint64_t now_ns;
    struct wheel wheel;
    struct list fired;
    struct list tasks;
    struct list removed; /* of loop_fd: `closed` is owed */
    struct loop_fd wake;
    struct loop_stats stats;
    uint32_t fds; /* added and not closed */
    bool ends;    /* loop_end_wait was called */
};

struct loop *loop_uring_open(const struct loop_options *options, char why[LOOP_WHY_SIZE]);
struct loop *loop_epoll_open(const struct loop_options *options, char why[LOOP_WHY_SIZE]);

/* Calls `ready`, after draining an eventfd. */
void loop_run_ready(struct loop_fd *f, uint8_t what);
