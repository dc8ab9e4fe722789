/* The event loop: one header, two back ends. io_uring where the kernel lets us, epoll
 * where not, chosen when the loop is opened and said in words. Everything completes:
 * callbacks run from loop_wait only, one after the other, and may start new
 * operations. One thread owns a loop, the first one that waits on it; only loop_wake
 * may be called by others.
 *
 * Most of the gain lies in waiting for a batch of completions (40-60 % of the CPU per
 * request, on either back end); the ring makes that one call and saves 5-10 % more. */
#pragma once

#include "base/bytes.h"
#include "base/wheel.h"

#include <sys/socket.h>

enum loop_choice { LOOP_AUTO, LOOP_URING, LOOP_EPOLL };

struct loop_options {
    enum loop_choice choice;
    uint32_t receive_buffers;     /* a power of two; 0: 256 */
    uint32_t receive_buffer_size; /* 0: 4096 */
};

struct loop;

enum { LOOP_WHY_SIZE = 200 };

/* NULL when the forced back end cannot be had. `why` says in one line which back end
 * it is and why, or what is missing and the remedy. */
MUST_USE struct loop *loop_open(const struct loop_options *options, char why[LOOP_WHY_SIZE]);
void loop_close(struct loop *loop); /* every fd closed before, and `closed` was called */
const char *loop_backend(const struct loop *loop); /* "io_uring" or "epoll" */

/* Submits what was started, sleeps once until something completed or `until_ns`
 * (CLOCK_BOOTTIME) has come, then runs the callbacks of what completed and of timers
 * that are due. batch > 1: waits for that many completions, but at most 1 ms. */
void loop_wait(struct loop *loop, uint64_t until_ns, uint32_t batch);
void loop_wake(struct loop *loop); /* any thread: loop_wait returns */
/* Read when loop_wait woke, and again before tasks run. */
uint64_t loop_now_ns(const struct loop *loop);

struct loop_stats {
    uint64_t waits;       /* calls that could sleep */
    uint64_t completions; /* callbacks run, without timers */
};
struct loop_stats loop_stats(const struct loop *loop);

/* Timers: the caller's memory; ticks of a millisecond, never early. */
struct loop_timer {
    struct wheel_timer timer;
    void (*fire)(struct loop_timer *timer);
};
void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_ns); /* or moves it */
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);                /* set or not */

/* Work to be done once, right before the next submission: how writes of one turn
 * become one send. */
struct loop_task {
    struct list_node node;
    void (*run)(struct loop_task *task);
};
void loop_before_submit(struct loop *loop, struct loop_task *task); /* queued or not */
void loop_task_clear(struct loop_task *task);
/* From a task, a timer or a whole send, which do not end a wait by themselves: it ends
 * soon, because somebody was told something. */
void loop_end_wait(struct loop *loop);

/* An fd on the loop, in its owner's memory (zeroed, then loop_add). The loop owns the
 * descriptor from then on. After loop_remove nothing is called but `closed`, and until
 * then memory and bytes in flight must stay. A callback that is NULL never happens
 * with the operations used. Errors are errno, for io/ only. */
struct loop_fd {
    struct loop *loop;
    const struct loop_events *events;
    struct list_node node; /* the back end's */
    int fd;
    uint8_t pending;  /* operations that have not completed, a bit each */
    bool removed;     /* loop_remove was called */
    bool watch_event; /* an eventfd: drained before `ready` */
    uint8_t watch;    /* LOOP_READ | LOOP_WRITE */
    uint8_t state;    /* the back end's */
    int result;       /* the back end's */
    struct bytes sending;
};

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_events {
    void (*connected)(struct loop_fd *f, int error); /* 0: it is */
    /* Bytes, borrowed until it returns; or size 0: the peer's end (error 0) or an
     * error, after which nothing more is received. */
    void (*received)(struct loop_fd *f, struct bytes bytes, int error);
    /* `size` bytes were taken by the kernel, maybe fewer than given; or an error. */
    void (*sent)(struct loop_fd *f, size_t size, int error);
    void (*accepted)(struct loop_fd *f, int fd); /* the callee's to keep */
    void (*ready)(struct loop_fd *f, uint8_t what);
    void (*closed)(struct loop_fd *f); /* nothing is in flight: the memory is the owner's */
};

/* A TCP or unix stream socket as the back end wants it; -1: errno says why. */
MUST_USE int loop_socket(const struct loop *loop, int family);
void loop_add(struct loop *loop, struct loop_fd *f, int fd, const struct loop_events *events);
void loop_connect(struct loop_fd *f, const struct sockaddr *address, socklen_t size); /* stays */
void loop_receive(struct loop_fd *f);                  /* from now on, always */
void loop_send(struct loop_fd *f, struct bytes bytes); /* one at a time; bytes stay */
/* Ends the send in flight, if any: no further byte is taken, and `sent` follows (what
 * was taken, or an error). The socket sends nothing after it. */
void loop_cancel_send(struct loop_fd *f);
void loop_accept(struct loop_fd *f); /* a listening socket; from now on, always */
/* `ready` each time the fd is readable or writable, as asked (0: stops). */
void loop_watch(struct loop_fd *f, uint8_t what);
void loop_watch_event(struct loop_fd *f); /* an eventfd: `ready` each time it was written */
/* Cancels what is in flight, closes the descriptor, then calls `closed`. */
void loop_remove(struct loop_fd *f);
