/* What both back ends share: timers, tasks, the wake-up, the order of a wait.
 *
 * A send completes nearly always while it is submitted. If that ended the sleep, each
 * send would cost its owner an idle turn; so sends are submitted and their completions
 * run before the sleep, and a wait goes on when nothing but whole sends completed. */
#include "io/loop_backend.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    COALESCE_NS = NS_PER_MS, /* the most that a batch may cost */
    SUBMIT_ROUNDS = 8,       /* a send that makes room for the next one, before the sleep */
};

static void ignore_ready(struct loop_fd *f, uint8_t what)
{
    (void)f;
    (void)what;
}

static void ignore_closed(struct loop_fd *f)
{
    (void)f;
}

static const struct loop_events wake_events = {.ready = ignore_ready, .closed = ignore_closed};

struct loop *loop_open(const struct loop_options *options, char why[LOOP_WHY_SIZE])
{
    struct loop *loop = NULL;
    char refusal[LOOP_WHY_SIZE] = "";
    if (options->choice != LOOP_EPOLL)
        loop = loop_uring_open(options, refusal);
    if (!loop && options->choice == LOOP_URING) {
        memcpy(why, refusal, sizeof refusal);
        return NULL;
    }
    if (!loop) {
        loop = loop_epoll_open(options, why);
        if (!loop)
            return NULL;
        snprintf(why, LOOP_WHY_SIZE, "epoll: %.180s",
                 options->choice == LOOP_EPOLL ? "as configured" : refusal);
    } else {
        snprintf(why, LOOP_WHY_SIZE, "io_uring: %s",
                 options->choice == LOOP_URING ? "as configured" : "the kernel allows it");
    }
    loop->now_ns = clock_mono_ns();
    wheel_init(&loop->wheel, NS_PER_MS, loop->now_ns);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(fd >= 0);
    loop_add(loop, &loop->wake, fd, &wake_events);
    loop_watch_event(&loop->wake);
    return loop;
}

void loop_close(struct loop *loop)
{
    loop_remove(&loop->wake);
    while (loop->removed.count > 0)
        loop_wait(loop, 0, 1);
    CHECK(loop->fds == 0);
    loop->backend->close(loop);
}

const char *loop_backend(const struct loop *loop)
{
    return loop->backend->name;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

struct loop_stats loop_stats(const struct loop *loop)
{
    return loop->stats;
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake.fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is full, so the wake-up is under way */
}

static bool run_removed(struct loop *loop)
{
    bool any = false;
    for (struct list_node *n = loop->removed.first, *next; n; n = next) {
        next = n->next;
        struct loop_fd *f = container_of(n, struct loop_fd, node);
        if (f->pending != 0)
            continue;
        any = true;
        list_remove(&loop->removed, n);
        close(f->fd);
        f->fd = -1;
        loop->fds--;
        f->events->closed(f);
    }
    return any;
}

static bool has_removable(const struct loop *loop)
{
    for (const struct list_node *n = loop->removed.first; n; n = n->next)
        if (container_of(n, const struct loop_fd, node)->pending == 0)
            return true;
    return false;
}

static void run_tasks(struct loop *loop)
{
    for (struct list_node *n = list_pop(&loop->tasks); n; n = list_pop(&loop->tasks)) {
        struct loop_task *task = container_of(n, struct loop_task, node);
        task->run(task);
    }
}

/* Takes all that is due before calling any: one that sets itself again waits a turn. */
static bool run_timers(struct loop *loop)
{
    wheel_take(&loop->wheel, loop->now_ns, UINT32_MAX, &loop->fired);
    bool any = loop->fired.count > 0;
    for (struct list_node *n = list_pop(&loop->fired); n; n = list_pop(&loop->fired)) {
        struct loop_timer *timer = container_of(n, struct loop_timer, timer.node);
        timer->fire(timer);
    }
    return any;
}

static uint32_t run_tasks_and_submit(struct loop *loop)
{
    uint32_t completed = 0;
    for (uint32_t round = 0; round < SUBMIT_ROUNDS && loop->tasks.count > 0; round++) {
        loop->now_ns = clock_mono_ns();
        run_tasks(loop);
        loop->backend->submit(loop);
        completed += loop->backend->run(loop);
    }
    return completed;
}

void loop_wait(struct loop *loop, uint64_t until_ns, uint32_t batch)
{
    bool news = false;
    for (uint32_t least = batch > 1 ? batch : 1; !news; least = 1) {
        uint32_t completed = run_tasks_and_submit(loop);
        uint64_t before_ns = clock_mono_ns();
        uint64_t stop_ns = u64_min(until_ns, wheel_next_ns(&loop->wheel));
        if (completed > 0 || loop->ends || loop->tasks.count > 0 || has_removable(loop))
            stop_ns = 0;
        if (least > 1)
            stop_ns = u64_min(stop_ns, before_ns + COALESCE_NS);
        loop->backend->sleep(loop, before_ns, stop_ns, least);
        loop->now_ns = clock_mono_ns();
        loop->stats.waits++;

        completed += loop->backend->run(loop);
        loop->stats.completions += completed;
        news = completed > 0 || loop->now_ns >= until_ns;
        news = run_timers(loop) || news;
        news = run_removed(loop) || news || loop->ends;
        loop->ends = false;
    }
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_ns)
{
    loop_timer_clear(loop, timer);
    wheel_put(&loop->wheel, &timer->timer, due_ns);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    if (timer->timer.node.owner == &loop->fired)
        list_remove(&loop->fired, &timer->timer.node);
    else if (wheel_holds(&timer->timer))
        wheel_remove(&loop->wheel, &timer->timer);
}

void loop_before_submit(struct loop *loop, struct loop_task *task)
{
    if (!task->node.owner)
        list_push(&loop->tasks, &task->node);
}

void loop_end_wait(struct loop *loop)
{
    loop->ends = true;
}

void loop_task_clear(struct loop_task *task)
{
    if (task->node.owner)
        list_remove(task->node.owner, &task->node);
}

int loop_socket(const struct loop *loop, int family)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | loop->backend->socket_flags, 0);
}

void loop_add(struct loop *loop, struct loop_fd *f, int fd, const struct loop_events *events)
{
    CHECK(fd >= 0 && events->closed);
    *f = (struct loop_fd){.loop = loop, .events = events, .fd = fd};
    loop->fds++;
}

void loop_connect(struct loop_fd *f, const struct sockaddr *address, socklen_t size)
{
    loop_began(f, OP_CONNECT);
    f->loop->backend->connect(f, address, size);
}

void loop_receive(struct loop_fd *f)
{
    loop_began(f, OP_RECEIVE);
    f->loop->backend->receive(f);
}

void loop_send(struct loop_fd *f, struct bytes bytes)
{
    CHECK(bytes.size > 0);
    loop_began(f, OP_SEND);
    f->sending = bytes;
    f->loop->backend->send(f);
}

void loop_cancel_send(struct loop_fd *f)
{
    CHECK(!f->removed);
    if (loop_is_pending(f, OP_SEND))
        f->loop->backend->cancel_send(f);
}

void loop_accept(struct loop_fd *f)
{
    loop_began(f, OP_ACCEPT);
    f->loop->backend->accept(f);
}

void loop_watch(struct loop_fd *f, uint8_t what)
{
    CHECK(!f->removed);
    if (f->watch == what)
        return;
    f->watch = what;
    f->loop->backend->watch(f);
}

void loop_watch_event(struct loop_fd *f)
{
    f->watch_event = true;
    loop_watch(f, LOOP_READ);
}

void loop_run_ready(struct loop_fd *f, uint8_t what)
{
    if (f->watch_event) {
        uint64_t count;
        ssize_t n = read(f->fd, &count, sizeof count);
        (void)n; /* EAGAIN where somebody else drained it: ready all the same */
    }
    f->events->ready(f, what);
}

void loop_remove(struct loop_fd *f)
{
    CHECK(!f->removed);
    f->removed = true;
    f->loop->backend->cancel(f);
    list_push(&f->loop->removed, &f->node);
}
