/* c-ares on the loop: its sockets are watched, its time-outs are a timer. c-ares closes
 * its sockets itself, so what the loop watches are duplicates of them.
 *
 * One entry per name: the queries that wait for it share one question, later ones take
 * the answer while it is fresh. A name server list that fails is read anew with the
 * next question, because /etc/resolv.conf may have changed. */
#include "io/resolve.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <ares.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ENTRIES_MAX = 256,
    FRESH_MIN_S = 1, /* a burst of connections asks once, whatever the TTL */
    FRESH_MAX_S = 300,
    FAILED_S = 1,
    SERVER_TIMEOUT_MS = 1000,
    SERVER_TRIES = 3,
};

struct entry {
    struct list_node node;
    struct resolve *resolve;
    struct list waiting; /* of resolve_query */
    bool is_asking;
    uint64_t fresh_until_ns;
    enum err err;
    const char *why;
    uint32_t count;
    struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
    char host[];
};

/* A socket of c-ares, duplicated. */
struct watch {
    struct list_node node;
    struct loop_fd fd;
    struct resolve *resolve;
    ares_socket_t socket;
};

struct resolve {
    struct loop *loop;
    ares_channel channel;
    char *servers;
    bool is_stale;   /* make the channel anew before the next question */
    uint32_t asking; /* entries */
    struct list entries;
    struct list watches;
    struct list answered; /* of resolve_query: `done` is due */
    struct loop_task task;
    struct loop_timer timer;
};

/* The port lies at the same place in both families. */
static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

bool resolve_literal(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    char text[INET6_ADDRSTRLEN];
    size_t size = strlen(host);
    bool in_brackets = size > 2 && host[0] == '[' && host[size - 1] == ']';
    if (in_brackets) {
        host++;
        size -= 2;
    }
    if (size >= sizeof text)
        return false;
    memcpy(text, host, size);
    text[size] = '\0';
    if (!in_brackets && inet_pton(AF_INET, text, &((struct sockaddr_in *)out)->sin_addr) == 1)
        out->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)out)->sin6_addr) == 1)
        out->ss_family = AF_INET6;
    else
        return false;
    set_port(out, port);
    return true;
}

/* ---- c-ares on the loop ---- */

static void set_timer(struct resolve *r)
{
    struct timeval t;
    if (ares_timeout(r->channel, NULL, &t)) {
        uint64_t left_ns = (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * 1000;
        loop_timer_set(r->loop, &r->timer, loop_now_ns(r->loop) + left_ns);
    } else {
        loop_timer_clear(r->loop, &r->timer);
    }
}

static void on_timer(struct loop_timer *timer)
{
    struct resolve *r = container_of(timer, struct resolve, timer);
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(r);
}

static void on_ready(struct loop_fd *f, uint8_t what)
{
    struct watch *w = container_of(f, struct watch, fd);
    struct resolve *r = w->resolve; /* w may be gone after the call */
    ares_process_fd(r->channel, what & LOOP_READ ? w->socket : ARES_SOCKET_BAD,
                    what & LOOP_WRITE ? w->socket : ARES_SOCKET_BAD);
    set_timer(r);
}

static void on_closed(struct loop_fd *f)
{
    free(container_of(f, struct watch, fd));
}

static const struct loop_events watch_events = {.ready = on_ready, .closed = on_closed};

static struct watch *watch_of(struct resolve *r, ares_socket_t socket)
{
    for (struct list_node *n = r->watches.first; n; n = n->next) {
        struct watch *w = container_of(n, struct watch, node);
        if (w->socket == socket)
            return w;
    }
    return NULL;
}

static void on_socket_state(void *resolve, ares_socket_t socket, int readable, int writable)
{
    struct resolve *r = resolve;
    struct watch *w = watch_of(r, socket);
    if (!readable && !writable) {
        if (w) {
            list_remove(&r->watches, &w->node);
            loop_remove(&w->fd);
        }
        return;
    }
    if (!w) {
        int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
        w = fd >= 0 ? calloc(1, sizeof *w) : NULL;
        if (!w) {
            close(fd);
            return; /* c-ares's own time-out answers the query */
        }
        w->resolve = r;
        w->socket = socket;
        list_push(&r->watches, &w->node);
        loop_add(r->loop, &w->fd, fd, &watch_events);
    }
    loop_watch(&w->fd, (uint8_t)((readable ? LOOP_READ : 0) | (writable ? LOOP_WRITE : 0)));
}

static bool open_channel(struct resolve *r)
{
    struct ares_options options = {
        .timeout = SERVER_TIMEOUT_MS,
        .tries = SERVER_TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&r->channel, &options, mask) != ARES_SUCCESS)
        return false;
    if (!r->servers || ares_set_servers_ports_csv(r->channel, r->servers) == ARES_SUCCESS)
        return true;
    ares_destroy(r->channel);
    return false;
}

/* ---- entries ---- */

static void answer(struct resolve *r, const struct entry *e, struct resolve_query *q, uint16_t port)
{
    q->err = e->err;
    q->why = e->why;
    q->count = e->count;
    for (uint32_t i = 0; i < e->count; i++) {
        q->addresses[i] = e->addresses[i];
        set_port(&q->addresses[i], port);
    }
    list_push(&r->answered, &q->node);
    loop_before_submit(r->loop, &r->task);
}

static void on_task(struct loop_task *task)
{
    struct resolve *r = container_of(task, struct resolve, task);
    loop_end_wait(r->loop);
    for (uint32_t left = r->answered.count; left > 0 && r->answered.count > 0; left--) {
        struct list_node *n = list_pop(&r->answered);
        struct resolve_query *q = container_of(n, struct resolve_query, node);
        q->done(q);
    }
}

static uint64_t keep_addresses(struct entry *e, const struct ares_addrinfo *found)
{
    uint64_t fresh_s = FRESH_MAX_S;
    e->count = 0;
    for (const struct ares_addrinfo_node *n = found->nodes; n; n = n->ai_next) {
        bool is_known = n->ai_family == AF_INET || n->ai_family == AF_INET6;
        if (!is_known || e->count == RESOLVE_ADDRESSES_MAX)
            continue;
        memset(&e->addresses[e->count], 0, sizeof e->addresses[0]);
        memcpy(&e->addresses[e->count++], n->ai_addr, (size_t)n->ai_addrlen);
        fresh_s = u64_min(fresh_s, n->ai_ttl > 0 ? (uint64_t)n->ai_ttl : 0);
    }
    return u64_max(fresh_s, FRESH_MIN_S);
}

static void on_answer(void *entry, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    struct entry *e = entry;
    struct resolve *r = e->resolve;
    if (status == ARES_EDESTRUCTION)
        return;
    e->is_asking = false;
    r->asking--;
    uint64_t fresh_s = FAILED_S;
    e->err = status == ARES_ETIMEOUT ? ERR_TIMEOUT : ERR_RESOLVE;
    e->why = ares_strerror(status);
    if (status == ARES_SUCCESS) {
        fresh_s = keep_addresses(e, found);
        e->err = e->count > 0 ? ERR_OK : ERR_RESOLVE;
        e->why = "the name has no address";
    } else {
        e->count = 0;
        r->is_stale = true;
    }
    ares_freeaddrinfo(found);
    e->fresh_until_ns = loop_now_ns(r->loop) + fresh_s * NS_PER_S;
    for (struct list_node *n = list_pop(&e->waiting); n; n = list_pop(&e->waiting)) {
        struct resolve_query *q = container_of(n, struct resolve_query, node);
        answer(r, e, q, q->port);
    }
}

static void forget_entry(struct resolve *r, struct entry *e)
{
    list_remove(&r->entries, &e->node);
    while (list_pop(&e->waiting))
        continue;
    free(e);
}

/* The entry of that name, fresh or being asked; NULL where there is none. Drops what
 * is stale, and the oldest where there are too many. */
static struct entry *entry_of(struct resolve *r, const char *host)
{
    for (struct list_node *n = r->entries.first, *next; n; n = next) {
        next = n->next;
        struct entry *e = container_of(n, struct entry, node);
        if (!e->is_asking &&
            (e->fresh_until_ns <= loop_now_ns(r->loop) || r->entries.count > ENTRIES_MAX))
            forget_entry(r, e);
        else if (strcmp(e->host, host) == 0)
            return e;
    }
    return NULL;
}

static void ask(struct resolve *r, struct entry *e)
{
    if (r->is_stale && r->asking == 0) {
        ares_destroy(r->channel);
        CHECK(open_channel(r));
        r->is_stale = false;
    }
    e->is_asking = true;
    r->asking++;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(r->channel, e->host, NULL, &hints, on_answer, e);
    set_timer(r);
}

/* ---- in public ---- */

struct resolve *resolve_open(struct loop *loop, const char *servers)
{
    struct resolve *r = calloc(1, sizeof *r);
    CHECK(r);
    r->loop = loop;
    r->task.run = on_task;
    r->timer.fire = on_timer;
    r->servers = servers ? strdup(servers) : NULL;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || !open_channel(r)) {
        free(r->servers);
        free(r);
        return NULL;
    }
    return r;
}

void resolve_close(struct resolve *r)
{
    loop_timer_clear(r->loop, &r->timer);
    loop_task_clear(&r->task);
    ares_destroy(r->channel); /* tells on_socket_state of each socket it closes */
    ares_library_cleanup();
    CHECK(r->watches.count == 0);
    while (list_pop(&r->answered))
        continue;
    while (r->entries.first)
        forget_entry(r, container_of(r->entries.first, struct entry, node));
    free(r->servers);
    free(r);
}

void resolve_start(struct resolve *r, struct resolve_query *q, const char *host, uint16_t port)
{
    q->port = port;
    q->err = ERR_OK;
    if (resolve_literal(host, port, &q->addresses[0])) {
        q->count = 1;
        list_push(&r->answered, &q->node);
        loop_before_submit(r->loop, &r->task);
        return;
    }
    struct entry *e = entry_of(r, host);
    if (e && !e->is_asking) {
        answer(r, e, q, port);
        return;
    }
    if (!e) {
        size_t size = strlen(host) + 1;
        e = calloc(1, sizeof *e + size);
        CHECK(e);
        e->resolve = r;
        memcpy(e->host, host, size);
        list_push(&r->entries, &e->node);
    }
    list_push(&e->waiting, &q->node);
    if (!e->is_asking)
        ask(r, e);
}

void resolve_cancel(struct resolve *r, struct resolve_query *q)
{
    (void)r;
    if (q->node.owner)
        list_remove(q->node.owner, &q->node);
}
