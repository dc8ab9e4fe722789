/* The simulated providers: one thread, one epoll. A turn reads what arrived, decides and
 * journals, writes the journal, and only then sends: what was answered is on record. */
#include "answer.h"
#include "attempts.h"
#include "bench.h"
#include "connection.h"
#include "delays.h"
#include "faults.h"
#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 512, FDS_MAX = 65536, BATCH_MAX = 4096, REFUSE_MS = 50, SCRATCH = 1 << 19 };

struct listener {
    const char *name;
    int fd; /* -1: none, or refusing */
    uint16_t port;
    bool wanted;
    struct server_tls *tls;
};

struct provider {
    int64_t port, tls_port, latency_ms;
    const char *journal_path, *cert_path;
    bool tls, expired;
    struct faults faults;

    int epoll, signals, journal;
    struct listener listeners[3];
    struct connection *by_fd[FDS_MAX];
    struct list ready; /* with staged bytes to send at the turn's end */
    struct delays delays;
    struct attempts attempts;
    uint64_t refuse_until_ns;
    uint64_t seq, connections, accepted, by_action[SIM_ACTION_COUNT];
    int64_t wall_ns; /* this turn's */
    uint64_t mono_ns;
    size_t batch_count;
    struct sim_record batch[BATCH_MAX];
    char scratch[SCRATCH];
};

static int64_t time_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
}

static bool watch(struct provider *p, int fd, uint32_t events, int how)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(p->epoll, how, fd, &e) == 0;
}

static bool listen_at(struct provider *p, struct listener *l)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(l->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(l->fd, (struct sockaddr *)&a, size) != 0 || listen(l->fd, 4096) != 0 ||
        getsockname(l->fd, (struct sockaddr *)&a, &size) != 0 ||
        !watch(p, l->fd, EPOLLIN, EPOLL_CTL_ADD)) {
        fprintf(stderr, "provider: cannot listen on port %u: %s\n", l->port, strerror(errno));
        return false;
    }
    l->port = ntohs(a.sin_port);
    return true;
}

static bool listen_all(struct provider *p)
{
    for (size_t i = 0; i < countof(p->listeners); i++) {
        struct listener *l = &p->listeners[i];
        if (l->wanted && l->fd < 0 && !listen_at(p, l))
            return false;
    }
    return true;
}

static void refuse_for_a_while(struct provider *p)
{
    p->refuse_until_ns = p->mono_ns + REFUSE_MS * NS_PER_MS;
    p->by_action[SIM_REFUSE]++;
    for (size_t i = 0; i < countof(p->listeners); i++) {
        if (p->listeners[i].fd >= 0)
            close(p->listeners[i].fd);
        p->listeners[i].fd = -1;
    }
}

static void drop(struct provider *p, struct connection *c)
{
    if (c->node.owner)
        list_remove(&p->ready, &c->node);
    p->by_fd[c->fd] = NULL;
    connection_close(c);
}

static void accept_all(struct provider *p, struct listener *l)
{
    int on = 1;
    while (l->fd >= 0) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= FDS_MAX) {
            close(fd);
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        uint64_t number = p->connections++;
        struct connection *c = connection_open(fd, (uint32_t)number, l->tls);
        p->by_fd[fd] = c;
        if (faults_refuse(&p->faults, number)) {
            c->end = CONNECTION_RST;
            drop(p, c);
            refuse_for_a_while(p);
        } else if (!watch(p, fd, EPOLLIN, EPOLL_CTL_ADD)) {
            drop(p, c);
        }
    }
}

static void send_later(struct provider *p, struct connection *c, uint32_t delay_ms)
{
    c->held = true;
    delays_put(&p->delays, (struct delay){p->mono_ns + delay_ms * NS_PER_MS, c->fd, c->number});
}

static void send_at_turn_end(struct provider *p, struct connection *c)
{
    if (!c->node.owner)
        list_push(&p->ready, &c->node);
}

static void write_journal(struct provider *p)
{
    const char *at = (const char *)p->batch;
    size_t left = p->batch_count * sizeof p->batch[0];
    while (p->journal >= 0 && left > 0) {
        ssize_t n = write(p->journal, at, left);
        CHECK(n > 0 || errno == EINTR);
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    p->batch_count = 0;
}

/* What a provider of this kind does with this request. */
static void decide(struct provider *p, const struct connection *c,
                   const struct sim_request *request, struct sim_record *r, uint64_t *dice)
{
    request_read(request, p->scratch, sizeof p->scratch, r);
    *dice = 0;
    if (!bytes_equal(request->method, BYTES("POST"))) {
        r->action = SIM_NOT_FOUND;
        r->status = answer_status(r, 0);
        return;
    }
    if (p->journal >= 0 || p->faults.any) {
        r->attempt =
            attempts_add(&p->attempts, hash64(r->token, sizeof r->token, (uint64_t)r->channel + 1));
        r->action = (uint8_t)faults_draw(&p->faults, r->token, r->channel, r->attempt, dice);
        if (r->action == SIM_REUSE && c->served == 0)
            r->action = SIM_OK;
    }
    r->status = answer_status(r, *dice);
    uint64_t coin = *dice >> 32 & 1;
    r->accepted = r->action == SIM_OK || r->action == SIM_DELAY || r->action == SIM_RESET ||
                  r->action == SIM_FIN || r->action == SIM_SILENCE || r->action == SIM_TRUNCATE ||
                  ((r->action == SIM_ERROR || r->action == SIM_REUSE) && coin);
    r->delay_ms =
        r->action == SIM_DELAY ? (uint16_t)(500 + (*dice >> 33) % 2500) : (uint16_t)p->latency_ms;
}

static struct bytes write_answer(struct sim_record *r, bool close, uint64_t dice, char *memory,
                                 size_t max)
{
    struct writer w = writer_of(memory, max);
    if (r->status != 0)
        answer_write(&w, r, close);
    CHECK(!w.overflow);
    if (r->action == SIM_TRUNCATE)
        w.size = 1 + (dice >> 33) % (w.size - 1);
    r->answer_size = (uint32_t)w.size;
    return writer_bytes(&w);
}

static void take_request(struct provider *p, struct connection *c,
                         const struct sim_request *request)
{
    char memory[ANSWER_MAX];
    uint64_t dice;
    if (p->batch_count == BATCH_MAX)
        write_journal(p);
    struct sim_record *r = &p->batch[p->batch_count++];
    *r = (struct sim_record){.magic = SIM_MAGIC,
                             .size = sizeof *r,
                             .seq = p->seq++,
                             .connection = c->number,
                             .first_ns = c->first_ns,
                             .last_ns = c->last_ns,
                             .read_ns = p->wall_ns,
                             .mono_ns = p->mono_ns,
                             .tls = c->tls != NULL};
    decide(p, c, request, r, &dice);
    struct bytes answer = write_answer(r, request->close, dice, memory, sizeof memory);
    p->accepted += r->accepted;
    p->by_action[r->action]++;
    c->served++;
    c->held = true;
    if (r->action == SIM_SILENCE)
        return;
    if (answer.size > 0)
        connection_stage(c, answer);
    if (r->action == SIM_RESET)
        c->end = CONNECTION_RST;
    else if (r->status == 0 || r->action == SIM_TRUNCATE || request->close)
        c->end = CONNECTION_FIN;
    if (r->delay_ms > 0)
        send_later(p, c, r->delay_ms);
    else
        send_at_turn_end(p, c);
}

static void take_requests(struct provider *p, struct connection *c)
{
    bool broken = false;
    struct sim_request request;
    if (!c->held && connection_request(c, &request, &broken)) {
        take_request(p, c, &request);
        connection_consume(c, request.size);
    }
    if (broken)
        drop(p, c);
}

static void on_readable(struct provider *p, struct connection *c)
{
    if (!connection_read(c, p->wall_ns)) {
        drop(p, c);
        return;
    }
    if (c->tls && !c->held)
        send_at_turn_end(p, c); /* the handshake's own bytes, if any */
    take_requests(p, c);
}

static void flush(struct provider *p, struct connection *c)
{
    bool broken = false;
    bool all = connection_flush(c, &broken);
    if (broken || (all && c->end != CONNECTION_STAYS && c->held)) {
        drop(p, c);
        return;
    }
    if (c->stuck == all) {
        c->stuck = !all;
        CHECK(watch(p, c->fd, all ? EPOLLIN : EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD));
    }
    if (all) {
        c->held = false;
        if (c->in_used > 0)
            take_requests(p, c);
    }
}

/* Requests that a flush let in are journalled before they are answered, too. */
static void flush_all(struct provider *p)
{
    while (p->ready.count > 0) {
        write_journal(p);
        struct list now = {0};
        list_move(&p->ready, &now);
        for (struct list_node *n = list_pop(&now); n; n = list_pop(&now))
            flush(p, container_of(n, struct connection, node));
    }
    write_journal(p);
}

static void take_delayed(struct provider *p)
{
    struct delay delay;
    while (delays_take(&p->delays, p->mono_ns, &delay)) {
        struct connection *c = p->by_fd[delay.fd];
        if (c && c->number == delay.number)
            send_at_turn_end(p, c);
    }
}

static int next_wait_ms(const struct provider *p)
{
    uint64_t due_ns = p->delays.count > 0 ? p->delays.heap[0].due_ns : UINT64_MAX;
    if (p->refuse_until_ns != 0)
        due_ns = u64_min(due_ns, p->refuse_until_ns);
    if (due_ns == UINT64_MAX)
        return -1;
    uint64_t now_ns = (uint64_t)time_ns(CLOCK_MONOTONIC);
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void on_event(struct provider *p, const struct epoll_event *e)
{
    int fd = e->data.fd;
    for (size_t i = 0; i < countof(p->listeners); i++) {
        if (p->listeners[i].fd == fd) {
            accept_all(p, &p->listeners[i]);
            return;
        }
    }
    struct connection *c = fd < FDS_MAX ? p->by_fd[fd] : NULL;
    if (!c)
        return;
    if (e->events & EPOLLOUT)
        send_at_turn_end(p, c);
    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(p, c);
}

static int serve(struct provider *p)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int n = epoll_wait(p->epoll, events, EVENTS_MAX, next_wait_ms(p));
        p->wall_ns = time_ns(CLOCK_REALTIME);
        p->mono_ns = (uint64_t)time_ns(CLOCK_MONOTONIC);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == p->signals)
                return EXIT_OK;
            on_event(p, &events[i]);
        }
        take_delayed(p);
        flush_all(p);
        if (p->refuse_until_ns != 0 && p->mono_ns >= p->refuse_until_ns) {
            p->refuse_until_ns = 0;
            if (!listen_all(p))
                return EXIT_UNAVAILABLE;
        }
    }
}

/* A restart goes on: attempts and numbers are those of the whole journal. */
static bool open_journal(struct provider *p)
{
    p->journal = -1;
    if (!p->journal_path)
        return true;
    p->journal = open(p->journal_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct sim_record r;
    off_t end = 0;
    while (p->journal >= 0 && read(p->journal, &r, sizeof r) == (ssize_t)sizeof r &&
           r.magic == SIM_MAGIC) {
        attempts_add(&p->attempts, hash64(r.token, sizeof r.token, (uint64_t)r.channel + 1));
        p->seq++;
        end += (off_t)sizeof r;
    }
    if (p->journal < 0 || ftruncate(p->journal, end) != 0 ||
        lseek(p->journal, end, SEEK_SET) != end) {
        perror(p->journal_path);
        return false;
    }
    return true;
}

static bool open_all(struct provider *p)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    p->listeners[0] = (struct listener){"plain", -1, (uint16_t)p->port, true, NULL};
    p->listeners[1] = (struct listener){"tls", -1, (uint16_t)p->tls_port, p->tls, NULL};
    p->listeners[2] = (struct listener){"expired", -1, 0, p->expired, NULL};
    if (p->tls && !(p->listeners[1].tls = server_tls_open(false, p->cert_path)))
        return false;
    if (p->expired && !(p->listeners[2].tls = server_tls_open(true, p->cert_path)))
        return false;
    return p->epoll >= 0 && p->signals >= 0 && watch(p, p->signals, EPOLLIN, EPOLL_CTL_ADD) &&
           open_journal(p) && listen_all(p);
}

static void say_ports(const struct provider *p)
{
    printf("{\"pid\":%d", (int)getpid());
    for (size_t i = 0; i < countof(p->listeners); i++)
        if (p->listeners[i].fd >= 0)
            printf(",\"%s\":%u", p->listeners[i].name, p->listeners[i].port);
    printf("}\n");
    fflush(stdout);
}

static void close_all(struct provider *p)
{
    printf("{\"requests\":%" PRIu64 ",\"accepted\":%" PRIu64 ",\"connections\":%" PRIu64, p->seq,
           p->accepted, p->connections);
    for (uint8_t i = 0; i < SIM_ACTION_COUNT; i++)
        if (p->by_action[i] > 0)
            printf(",\"%s\":%" PRIu64, sim_action_text(i), p->by_action[i]);
    printf("}\n");
    for (int fd = 0; fd < FDS_MAX; fd++)
        if (p->by_fd[fd])
            drop(p, p->by_fd[fd]);
    for (size_t i = 0; i < countof(p->listeners); i++)
        server_tls_close(p->listeners[i].tls);
    free(p->delays.heap);
    attempts_deinit(&p->attempts);
}

static bool set_fault(void *to, const char *value)
{
    return faults_set(to, value);
}

int provider_command(int argc, char **argv)
{
    struct provider *p = calloc(1, sizeof *p);
    CHECK(p);
    int64_t seed = 1;
    const struct option_row rows[] = {
        {"port", OPTION_NUMBER, &p->port, "of plain HTTP; 0 (default): a free one", NULL},
        {"tls", OPTION_SWITCH, &p->tls, "listen with TLS as well", NULL},
        {"tls-port", OPTION_NUMBER, &p->tls_port, "0 (default): a free one", NULL},
        {"expired", OPTION_SWITCH, &p->expired, "a TLS listener with an expired certificate", NULL},
        {"cert", OPTION_TEXT, &p->cert_path,
         "write the certificates (PEM) to this file, in order to be trusted", NULL},
        {"journal", OPTION_TEXT, &p->journal_path, "append to this file", NULL},
        {"latency", OPTION_NUMBER, &p->latency_ms, "milliseconds before each answer", NULL},
        {"seed", OPTION_NUMBER, &seed, "of the faults; default 1", NULL},
        {"fault", OPTION_EACH, &p->faults,
         "KIND=RATE, repeatable; all=RATE; kinds: delay 429 429-after 5xx 503-after reset fin "
         "silence truncate reuse reject refuse",
         set_fault},
    };
    int rc = EXIT_USAGE;
    if (options_read("provider", rows, countof(rows), argc, argv)) {
        p->faults.seed = (uint64_t)seed;
        rc = EXIT_UNAVAILABLE;
        if (open_all(p)) {
            say_ports(p);
            rc = serve(p);
            close_all(p);
        }
    }
    free(p);
    return rc;
}
