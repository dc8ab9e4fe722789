/* A provider that takes every request, the loop that sleeps, and names that nobody resolves. */
#include "sim.h"

#include "io/resolve.h"

#include <stdlib.h>
#include <unistd.h>

enum { ANSWER_NS = 30000000, CALLS_MAX = 512, CONNECTIONS = 64 };

/* --- HTTP ----------------------------------------------------------------------------------- */

struct http {
    int unused;
};

struct http_origin {
    uint32_t busy;
};

static struct http the_http;
static struct http_origin the_origin;
static struct {
    struct http_call *call;
    int64_t at_ns;
} calls[CALLS_MAX];
static uint32_t call_first, call_count;

struct http *http_open(const struct http_options *options)
{
    (void)options;
    return &the_http;
}

void http_close(struct http *h)
{
    (void)h;
}

struct http_origin *http_origin_add(struct http *h, const char *base_url, const char *ca_file,
                                    char why[HTTP_WHY_SIZE])
{
    (void)h, (void)base_url, (void)ca_file, (void)why;
    return &the_origin;
}

uint32_t http_ready(const struct http_origin *o)
{
    return CONNECTIONS - o->busy;
}

void http_want(struct http_origin *o, uint32_t n)
{
    (void)o, (void)n;
}

struct http_origin_stats http_origin_stats(const struct http_origin *o)
{
    return (struct http_origin_stats){.ready = CONNECTIONS - o->busy, .busy = o->busy};
}

const char *http_origin_name(const struct http_origin *o)
{
    (void)o;
    return "http://provider:80";
}

enum err http_start(struct http_call *call)
{
    if (the_origin.busy == CONNECTIONS)
        return ERR_AGAIN;
    the_origin.busy++;
    call->first_byte_ns = sim_machine_ns();
    uint32_t at = (call_first + call_count++) % CALLS_MAX;
    calls[at].call = call;
    calls[at].at_ns = sim.true_ns + ANSWER_NS;
    if (sim.watcher && sim.watcher->sent)
        sim.watcher->sent(sim.watcher, call->request->body);
    return ERR_OK;
}

void http_release(struct http_call *call)
{
    call->origin->busy--;
}

int64_t sim_http_next_ns(void)
{
    return call_count > 0 ? calls[call_first].at_ns : INT64_MAX;
}

void sim_http_run(void)
{
    while (call_count > 0 && calls[call_first].at_ns <= sim.true_ns) {
        struct http_call *call = calls[call_first].call;
        call_first = (call_first + 1) % CALLS_MAX;
        call_count--;
        call->err = ERR_OK;
        call->any_taken = call->all_taken = true;
        call->response = (struct http_response){.status = 200, .body = BYTES("{\"id\":\"m1\"}")};
        call->done(call);
    }
}

void sim_http_forget(void)
{
    call_count = the_origin.busy = 0;
}

/* --- the loop ------------------------------------------------------------------------------- */

struct loop {
    int unused;
};
static struct loop the_loop;

struct loop *loop_open(const struct loop_options *options, char why[LOOP_WHY_SIZE])
{
    (void)options;
    why[0] = '\0';
    return &the_loop;
}

void loop_close(struct loop *loop)
{
    (void)loop;
}

const char *loop_backend(const struct loop *loop)
{
    (void)loop;
    return "simulated";
}

void loop_wake(struct loop *loop)
{
    (void)loop;
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return sim_machine_ns();
}

struct loop_stats loop_stats(const struct loop *loop)
{
    (void)loop;
    return (struct loop_stats){0};
}

void loop_add(struct loop *loop, struct loop_fd *f, int fd, const struct loop_events *events)
{
    f->loop = loop;
    f->fd = fd;
    f->events = events;
}

void loop_watch_event(struct loop_fd *f)
{
    (void)f;
}

void loop_remove(struct loop_fd *f)
{
    close(f->fd);
    f->events->closed(f);
}

/* What only sockets need, and nobody has one. */

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t due_ns)
{
    (void)due_ns;
    CHECK(!loop && !timer);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
    CHECK(!loop && !timer);
}

void loop_before_submit(struct loop *loop, struct loop_task *task)
{
    CHECK(!loop && !task);
}

void loop_task_clear(struct loop_task *task)
{
    CHECK(!task);
}

void loop_end_wait(struct loop *loop)
{
    CHECK(!loop);
}

int loop_socket(const struct loop *loop, int family)
{
    (void)loop, (void)family;
    return -1;
}

void loop_connect(struct loop_fd *f, const struct sockaddr *address, socklen_t size)
{
    (void)address, (void)size;
    CHECK(!f);
}

void loop_receive(struct loop_fd *f)
{
    CHECK(!f);
}

void loop_send(struct loop_fd *f, struct bytes bytes)
{
    (void)bytes;
    CHECK(!f);
}

void loop_cancel_send(struct loop_fd *f)
{
    CHECK(!f);
}

void loop_accept(struct loop_fd *f)
{
    CHECK(!f);
}

void loop_watch(struct loop_fd *f, uint8_t what)
{
    (void)what;
    CHECK(!f);
}

/* --- names ---------------------------------------------------------------------------------- */

struct resolve {
    int unused;
};
static struct resolve the_resolve;

struct resolve *resolve_open(struct loop *loop, const char *servers)
{
    (void)loop, (void)servers;
    return &the_resolve;
}

void resolve_close(struct resolve *r)
{
    (void)r;
}

void resolve_start(struct resolve *r, struct resolve_query *q, const char *host, uint16_t port)
{
    (void)r, (void)host, (void)port;
    CHECK(!q);
}

void resolve_cancel(struct resolve *r, struct resolve_query *q)
{
    (void)r, (void)q;
}

bool resolve_literal(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    (void)host, (void)port, (void)out;
    return false;
}
