#include "http_world.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct loop *open_loop(void **state)
{
    char why[LOOP_WHY_SIZE];
    struct loop *loop =
        loop_open(&(struct loop_options){.choice = *(const enum loop_choice *)*state}, why);
    assert_non_null(loop);
    return loop;
}

struct tick {
    struct loop_timer timer;
    struct loop *loop;
    uint64_t fired_ns;
    uint32_t count;
    struct tick *other; /* cleared when this one fires */
};

static void on_tick(struct loop_timer *timer)
{
    struct tick *t = container_of(timer, struct tick, timer);
    t->count++;
    t->fired_ns = clock_mono_ns();
    if (t->other)
        loop_timer_clear(t->loop, &t->other->timer);
}

static void the_back_end_says_its_name_and_why(void **state)
{
    char why[LOOP_WHY_SIZE];
    enum loop_choice choice = *(const enum loop_choice *)*state;
    struct loop *loop = loop_open(&(struct loop_options){.choice = choice}, why);
    assert_string_equal(loop_backend(loop), choice == LOOP_URING ? "io_uring" : "epoll");
    assert_string_equal(why,
                        choice == LOOP_URING ? "io_uring: as configured" : "epoll: as configured");
    loop_close(loop);
}

static void a_timer_is_never_early_and_not_long_late(void **state)
{
    struct loop *loop = open_loop(state);
    struct tick ticks[5] = {0};
    for (uint32_t i = 0; i < countof(ticks); i++) {
        ticks[i].timer.fire = on_tick;
        loop_timer_set(loop, &ticks[i].timer, clock_mono_ns() + (5 - i) * 3 * NS_PER_MS);
    }
    uint64_t due_ns[5];
    for (uint32_t i = 0; i < countof(ticks); i++)
        due_ns[i] = ticks[i].timer.timer.due_ns;
    while (ticks[0].count == 0)
        loop_wait(loop, UINT64_MAX, 1);
    for (uint32_t i = 0; i < countof(ticks); i++) {
        assert_int_equal(ticks[i].count, 1);
        assert_true(ticks[i].fired_ns >= due_ns[i]);
        assert_true(ticks[i].fired_ns < due_ns[i] + 100 * NS_PER_MS);
    }
    loop_close(loop);
}

static void a_timer_may_clear_another_that_is_due_as_well(void **state)
{
    struct loop *loop = open_loop(state);
    struct tick a = {.timer.fire = on_tick, .loop = loop}, b = {.timer.fire = on_tick};
    a.other = &b;
    uint64_t due_ns = clock_mono_ns() + NS_PER_MS;
    loop_timer_set(loop, &a.timer, due_ns);
    loop_timer_set(loop, &b.timer, due_ns);
    while (a.count == 0)
        loop_wait(loop, UINT64_MAX, 1);
    loop_wait(loop, clock_mono_ns() + 3 * NS_PER_MS, 1);
    assert_int_equal(b.count, 0);
    loop_close(loop);
}

static void a_wait_ends_at_its_time(void **state)
{
    struct loop *loop = open_loop(state);
    for (uint32_t batch = 1; batch <= 64; batch += 63) {
        uint64_t until_ns = clock_mono_ns() + 5 * NS_PER_MS;
        loop_wait(loop, until_ns, batch);
        assert_true(loop_now_ns(loop) >= until_ns);
        assert_true(loop_now_ns(loop) < until_ns + 100 * NS_PER_MS);
    }
    loop_close(loop);
}

static void *wake(void *loop)
{
    loop_wake(loop);
    return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
    struct loop *loop = open_loop(state);
    for (uint32_t i = 0; i < 20; i++) {
        pthread_t thread;
        uint64_t until_ns = clock_mono_ns() + 5 * NS_PER_S;
        assert_int_equal(pthread_create(&thread, NULL, wake, loop), 0);
        loop_wait(loop, until_ns, 1);
        assert_true(loop_now_ns(loop) < until_ns);
        pthread_join(thread, NULL);
    }
    loop_close(loop);
}

static void *wait_and_close(void *loop)
{
    loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1);
    loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1);
    loop_close(loop);
    return NULL;
}

static void a_loop_belongs_to_the_thread_that_waits_first(void **state)
{
    struct loop *loop = open_loop(state);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_and_close, loop), 0);
    pthread_join(thread, NULL);
}

struct watch {
    struct loop_fd fd;
    uint32_t ready, closed;
    uint8_t what;
};

static void on_ready(struct loop_fd *f, uint8_t what)
{
    struct watch *w = container_of(f, struct watch, fd);
    w->ready++;
    w->what = what;
}

static void on_closed(struct loop_fd *f)
{
    container_of(f, struct watch, fd)->closed++;
}

static const struct loop_events watch_events = {.ready = on_ready, .closed = on_closed};

static void an_eventfd_is_told_once_for_each_time_it_was_written(void **state)
{
    struct loop *loop = open_loop(state);
    struct watch w = {0};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop_add(loop, &w.fd, fd, &watch_events);
    loop_watch_event(&w.fd);
    loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1);
    assert_int_equal(w.ready, 0);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(eventfd_write(fd, 1), 0);
        assert_int_equal(eventfd_write(fd, 1), 0);
        loop_wait(loop, UINT64_MAX, 1);
        assert_int_equal(w.ready, i);
        loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1);
        assert_int_equal(w.ready, i);
    }
    loop_remove(&w.fd);
    assert_int_equal(w.closed, 0);
    loop_wait(loop, UINT64_MAX, 1);
    assert_int_equal(w.closed, 1);
    loop_close(loop);
}

static void a_watched_fd_is_told_until_it_was_read(void **state)
{
    struct loop *loop = open_loop(state);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    struct watch w = {0};
    loop_add(loop, &w.fd, ends[0], &watch_events);
    loop_watch(&w.fd, LOOP_READ);
    assert_int_equal(write(ends[1], "x", 1), 1);
    loop_wait(loop, UINT64_MAX, 1);
    loop_wait(loop, UINT64_MAX, 1);
    assert_int_equal(w.ready, 2);
    assert_int_equal(w.what, LOOP_READ);
    loop_watch(&w.fd, LOOP_WRITE);
    uint32_t before = w.ready;
    while (w.what != LOOP_WRITE)
        loop_wait(loop, UINT64_MAX, 1);
    assert_true(w.ready > before);
    loop_watch(&w.fd, 0);
    loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1); /* what was under way */
    before = w.ready;
    loop_wait(loop, clock_mono_ns() + 2 * NS_PER_MS, 1);
    assert_int_equal(w.ready, before);
    loop_remove(&w.fd);
    close(ends[1]);
    loop_close(loop);
}

struct ping {
    struct loop_task task;
    struct loop *loop;
    uint32_t runs;
};

static void on_task(struct loop_task *task)
{
    container_of(task, struct ping, task)->runs++;
}

static void a_task_runs_once_however_often_it_is_queued(void **state)
{
    struct loop *loop = open_loop(state);
    struct ping p = {.task.run = on_task};
    loop_before_submit(loop, &p.task);
    loop_before_submit(loop, &p.task);
    loop_wait(loop, 0, 1);
    loop_wait(loop, 0, 1);
    assert_int_equal(p.runs, 1);
    loop_before_submit(loop, &p.task);
    loop_task_clear(&p.task);
    loop_wait(loop, 0, 1);
    assert_int_equal(p.runs, 1);
    loop_close(loop);
}

/* A batch gathers what completes within a millisecond: 64 events need few waits. */
static void a_batch_gathers_completions(void **state)
{
    struct world w;
    world_open_http(&w, state, (struct http_options){0});
    enum { CALLS = 64 };
    http_want(w.origin, CALLS);
    UNTIL(&w, http_ready(w.origin) == CALLS);
    static struct test_call calls[CALLS];
    for (uint32_t i = 0; i < CALLS; i++) {
        prepare(&calls[i], &w, 3000);
        assert_int_equal(http_start(&calls[i].call), ERR_OK);
    }
    uint64_t before = loop_stats(w.loop).waits, done = 0;
    while (done < CALLS) {
        loop_wait(w.loop, clock_mono_ns() + NS_PER_S, CALLS);
        done = 0;
        for (uint32_t i = 0; i < CALLS; i++)
            done += calls[i].done_count;
    }
    assert_true(loop_stats(w.loop).waits - before <= 12);
    for (uint32_t i = 0; i < CALLS; i++)
        http_release(&calls[i].call);
    world_close(&w);
}

/* Makes a system call fail in this process, as a container's profile does. */
static void forbid(uint32_t call, uint32_t error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = countof(program), .filter = program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(77);
}

/* In a child: 0 when auto falls back to epoll, forced fails, and both say `expected`. */
static int probe_without(uint32_t call, uint32_t error, const char *expected)
{
    forbid(call, error);
    char why[LOOP_WHY_SIZE];
    if (loop_open(&(struct loop_options){.choice = LOOP_URING}, why))
        return 1;
    if (strncmp(why, "io_uring cannot be used", 23) != 0 || !strstr(why, expected))
        return 2;
    struct loop *loop = loop_open(&(struct loop_options){.choice = LOOP_AUTO}, why);
    if (!loop || strcmp(loop_backend(loop), "epoll") != 0)
        return 3;
    if (strncmp(why, "epoll: io_uring cannot be used", 30) != 0 || !strstr(why, expected))
        return 4;
    loop_wait(loop, clock_mono_ns() + NS_PER_MS, 1);
    loop_close(loop);
    return 0;
}

static void where_io_uring_is_forbidden_epoll_serves_and_the_remedy_is_said(void **state)
{
    (void)state;
    static const struct {
        uint32_t call, error;
        const char *expected;
    } all[] = {
        {__NR_io_uring_setup, EPERM, "seccomp"},
        {__NR_io_uring_setup, ENOSYS, "Linux 6.1"},
        {__NR_io_uring_setup, EACCES, "security policy"},
        {__NR_io_uring_setup, ENOMEM, "RLIMIT_MEMLOCK"},
        {__NR_io_uring_enter, EPERM, "seccomp"},
        {__NR_io_uring_register, EPERM, "seccomp"},
    };
    for (uint32_t i = 0; i < countof(all); i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(probe_without(all[i].call, all[i].error, all[i].expected));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 77 && WEXITSTATUS(status) != 0)
            fail_msg("case %u: %d", i, WEXITSTATUS(status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(the_back_end_says_its_name_and_why),
        ON_BOTH(a_timer_is_never_early_and_not_long_late),
        ON_BOTH(a_timer_may_clear_another_that_is_due_as_well),
        ON_BOTH(a_wait_ends_at_its_time),
        ON_BOTH(another_thread_wakes_the_loop),
        ON_BOTH(a_loop_belongs_to_the_thread_that_waits_first),
        ON_BOTH(an_eventfd_is_told_once_for_each_time_it_was_written),
        ON_BOTH(a_watched_fd_is_told_until_it_was_read),
        ON_BOTH(a_task_runs_once_however_often_it_is_queued),
        ON_BOTH(a_batch_gathers_completions),
        cmocka_unit_test(where_io_uring_is_forbidden_epoll_serves_and_the_remedy_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
