/* The bare ring client: what the worker's requests cost when nothing is behind them.
 * One request outstanding per connection, rendered per request; multishot receives into
 * provided buffers; CPU by getrusage between two completions after the warm-up. */
#include "base/bytes.h"
#include "bench.h"
#include "floor_tls.h"
#include "options.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_COUNT = 2048, BUFFER_SIZE = 2048, REQUEST_MAX = 2048, WARM_UP_MS = 300 };

struct floor_conn {
    int fd;
    bool sending;
    /* the answer so far */
    enum { IN_STATUS, IN_HEADERS, IN_BODY } at;
    size_t line_used, body_left;
    uint32_t status;
    char line[256];
    char request[REQUEST_MAX];
    size_t request_size;
    struct floor_tls *tls; /* NULL: plain */
};

struct floor {
    int64_t port, connections, seconds;
    bool tls;
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char *memory;
    struct floor_conn *conns;
    uint64_t sent, answered, failed;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * UINT64_C(1000000000) +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000;
}

/* What a worker sends for a booking_confirmed of the scenario through Twilio's adapter:
 * the same fields and headers. */
static void render(struct floor *f, struct floor_conn *c)
{
    char memory[1024], plain[REQUEST_MAX];
    struct writer body = writer_of(memory, sizeof memory);
    struct writer w = writer_of(c->tls ? plain : c->request, REQUEST_MAX);
    uint32_t number = (uint32_t)(f->sent++ % 100000000);
    write_format(&body, "To=%%2B336%08" PRIu32, number);
    write_literal(&body, "&From=%2B33755500000&Body=Bonjour+Camille%2C+votre+rendez-vous+est+"
                         "demain+%C3%A0+14+h+30+%28");
    write_format(&body, "bench-00000000-%08" PRIu32 "-0", number);
    write_literal(&body, "%29&ValidityPeriod=36000");
    write_literal(&w, "POST /2010-04-01/Accounts/ACreal/Messages.json HTTP/1.1\r\n"
                      "Host: 127.0.0.1:12345\r\n"
                      "Authorization: Basic QUNyZWFsOm5vdC1hLXNlY3JldA==\r\n"
                      "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ");
    write_u64(&w, body.size);
    write_literal(&w, "\r\n\r\n");
    write_slice(&w, writer_bytes(&body));
    CHECK(!w.overflow && !body.overflow);
    c->request_size =
        c->tls ? floor_tls_seal(c->tls, plain, w.size, c->request, REQUEST_MAX) : w.size;
}

static struct io_uring_sqe *take_sqe(struct floor *f)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&f->ring);
    if (!sqe) {
        io_uring_submit(&f->ring);
        sqe = io_uring_get_sqe(&f->ring);
    }
    CHECK(sqe);
    return sqe;
}

static void arm_receive(struct floor *f, uint32_t index)
{
    struct io_uring_sqe *sqe = take_sqe(f);
    io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, (uint64_t)index << 1);
}

static void send_next(struct floor *f, uint32_t index)
{
    struct floor_conn *c = &f->conns[index];
    render(f, c);
    struct io_uring_sqe *sqe = take_sqe(f);
    io_uring_prep_send(sqe, (int)index, c->request, c->request_size, MSG_WAITALL | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, (uint64_t)index << 1 | 1);
    c->sending = true;
}

static void take_line(struct floor_conn *c)
{
    c->line[c->line_used] = '\0';
    if (c->at == IN_STATUS) {
        c->status = c->line_used > 12 ? (uint32_t)strtoul(c->line + 9, NULL, 10) : 0;
        c->body_left = 0;
        c->at = IN_HEADERS;
    } else if (c->line_used == 0) {
        c->at = IN_BODY;
    } else if ((c->line[0] | 0x20) == 'c' && strncasecmp(c->line, "content-length:", 15) == 0) {
        c->body_left = strtoul(c->line + 15, NULL, 10);
    }
    c->line_used = 0;
}

/* True when the answer is complete. One answer at a time: nothing follows it. */
static bool take_bytes(struct floor_conn *c, const char *at, size_t size)
{
    const char *end = at + size;
    while (at < end && c->at != IN_BODY) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        n = u64_min(n, sizeof c->line - 1 - c->line_used);
        memcpy(c->line + c->line_used, at, n);
        c->line_used += n;
        if (!stop)
            return false;
        if (c->line_used > 0 && c->line[c->line_used - 1] == '\r')
            c->line_used--;
        take_line(c);
        at = stop + 1;
    }
    c->body_left -= u64_min(c->body_left, (size_t)(end - at));
    if (c->at != IN_BODY || c->body_left > 0)
        return false;
    c->at = IN_STATUS;
    return true;
}

static bool take_received(struct floor_conn *c, const char *at, size_t size)
{
    char plain[BUFFER_SIZE];
    bool done = false;
    if (!c->tls)
        return take_bytes(c, at, size);
    floor_tls_feed(c->tls, at, size);
    for (size_t n; (n = floor_tls_read(c->tls, plain, sizeof plain)) > 0;)
        done = take_bytes(c, plain, n) || done;
    return done;
}

static void give_back(struct floor *f, uint32_t id)
{
    io_uring_buf_ring_add(f->buffers, f->memory + (size_t)id * BUFFER_SIZE, BUFFER_SIZE,
                          (unsigned short)id, BUFFER_COUNT - 1, 0);
    io_uring_buf_ring_advance(f->buffers, 1);
}

static void on_completion(struct floor *f, const struct io_uring_cqe *cqe)
{
    uint32_t index = (uint32_t)(cqe->user_data >> 1);
    struct floor_conn *c = &f->conns[index];
    if (cqe->user_data & 1) {
        c->sending = false;
        f->failed += cqe->res != (int32_t)c->request_size;
        return;
    }
    if (cqe->res > 0) {
        uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        bool done = take_received(c, f->memory + (size_t)id * BUFFER_SIZE, (size_t)cqe->res);
        give_back(f, id);
        if (done) {
            f->answered++;
            f->failed += c->status != 201;
            send_next(f, index);
        }
    } else if (cqe->res != -ENOBUFS) {
        f->failed++;
        return;
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm_receive(f, index);
}

static int connect_one(int64_t port)
{
    int on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static bool open_ring(struct floor *f)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 8192};
    size_t ring_size = BUFFER_COUNT * sizeof(struct io_uring_buf);
    f->buffers = mmap(NULL, ring_size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    f->memory = malloc((size_t)BUFFER_COUNT * BUFFER_SIZE);
    CHECK(f->buffers != MAP_FAILED && f->memory);
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)f->buffers,
                                   .ring_entries = BUFFER_COUNT};
    if (io_uring_queue_init_params(2048, &f->ring, &params) != 0 ||
        io_uring_register_ring_fd(&f->ring) != 1 ||
        io_uring_register_files_sparse(&f->ring, (unsigned)f->connections) != 0 ||
        io_uring_register_buf_ring(&f->ring, &reg, 0) != 0)
        return false;
    io_uring_buf_ring_init(f->buffers);
    for (uint32_t i = 0; i < BUFFER_COUNT; i++)
        give_back(f, i);
    return true;
}

static bool connect_all(struct floor *f)
{
    f->conns = calloc((size_t)f->connections, sizeof *f->conns);
    CHECK(f->conns);
    for (uint32_t i = 0; i < f->connections; i++) {
        int fd = f->conns[i].fd = connect_one(f->port);
        if (fd < 0 || io_uring_register_files_update(&f->ring, i, &fd, 1) != 1)
            return false;
        if (f->tls && !(f->conns[i].tls = floor_tls_open(fd)))
            return false;
        arm_receive(f, i);
        send_next(f, i);
    }
    return true;
}

static void run_until(struct floor *f, uint64_t end_ns)
{
    while (now_ns() < end_ns && f->failed == 0) {
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;
        io_uring_submit_and_wait(&f->ring, 1);
        io_uring_for_each_cqe(&f->ring, head, cqe)
        {
            on_completion(f, cqe);
            n++;
        }
        io_uring_cq_advance(&f->ring, n);
    }
}

static int measure(struct floor *f)
{
    if (!open_ring(f) || !connect_all(f)) {
        perror("floor");
        return EXIT_UNAVAILABLE;
    }
    run_until(f, now_ns() + WARM_UP_MS * UINT64_C(1000000));
    uint64_t cpu = cpu_ns(), start = now_ns(), answered = f->answered;
    run_until(f, start + (uint64_t)f->seconds * UINT64_C(1000000000));
    double count = (double)(f->answered - answered);
    double wall_s = (double)(now_ns() - start) / 1e9, used_us = (double)(cpu_ns() - cpu) / 1e3;
    printf("floor connections=%" PRId64 " us=%.3f rate=%.0f utilisation=%.2f requests=%.0f"
           " failed=%" PRIu64 "\n",
           f->connections, used_us / count, count / wall_s, used_us / 1e6 / wall_s, count,
           f->failed);
    return f->failed > 0 || count < 1 ? EXIT_FOUND : EXIT_OK;
}

int floor_command(int argc, char **argv)
{
    struct floor f = {.connections = 256, .seconds = 1};
    const struct option_row rows[] = {
        {"port", OPTION_NUMBER, &f.port, "the provider's port", NULL},
        {"tls", OPTION_SWITCH, &f.tls, "speak TLS", NULL},
        {"connections", OPTION_NUMBER, &f.connections, "default 256", NULL},
        {"seconds", OPTION_NUMBER, &f.seconds, "the window after 0.3 s of warm-up; default 1",
         NULL},
    };
    if (!options_read("floor", rows, countof(rows), argc, argv) || f.port <= 0 ||
        f.connections < 1 || f.connections > 4096 || f.seconds < 1)
        return EXIT_USAGE;
    int rc = measure(&f);
    for (int64_t i = 0; f.conns && i < f.connections; i++) {
        floor_tls_close(f.conns[i].tls);
        if (f.conns[i].fd > 0)
            close(f.conns[i].fd);
    }
    free(f.conns);
    free(f.memory);
    return rc;
}
