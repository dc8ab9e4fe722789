#include "http_world.h"

#include <netinet/in.h>

struct client {
    struct stream_owner owner;
    struct stream *stream;
    uint32_t opened, closed;
    uint64_t received, taken;
    uint8_t last;
    bool in_order;
    enum err err;
    char why[300];
    char close_in; /* 'o'pened, 'r'eceived, 't'aken, 'c'losed: calls stream_close there */
};

static void maybe_close(struct client *c, char where)
{
    if (c->close_in == where) {
        stream_close(c->stream);
        c->stream = NULL;
    }
}

static void on_opened(struct stream_owner *o)
{
    struct client *c = container_of(o, struct client, owner);
    assert_non_null(c->stream);
    c->opened++;
    maybe_close(c, 'o');
}

static void on_received(struct stream_owner *o, struct bytes bytes)
{
    struct client *c = container_of(o, struct client, owner);
    assert_non_null(c->stream);
    for (size_t i = 0; i < bytes.size; i++, c->last++)
        c->in_order = c->in_order && (uint8_t)bytes.at[i] == c->last;
    c->received += bytes.size;
    maybe_close(c, 'r');
}

static void on_taken(struct stream_owner *o, uint64_t total)
{
    struct client *c = container_of(o, struct client, owner);
    assert_non_null(c->stream);
    assert_true(total > c->taken);
    c->taken = total;
    maybe_close(c, 't');
}

static void on_closed(struct stream_owner *o, enum err err, const char *why)
{
    struct client *c = container_of(o, struct client, owner);
    assert_non_null(c->stream);
    c->closed++;
    c->err = err;
    snprintf(c->why, sizeof c->why, "%s", why);
    maybe_close(c, 'c');
}

static const struct stream_events client_events = {
    .opened = on_opened,
    .received = on_received,
    .taken = on_taken,
    .closed = on_closed,
};

static void connect_client(struct client *c, struct world *w, struct stream_options options)
{
    *c = (struct client){.owner.events = &client_events, .in_order = true, .close_in = c->close_in};
    if (!options.host)
        options.host = "127.0.0.1";
    if (!options.port && w->listener)
        options.port = stream_listener_port(w->listener);
    c->stream = stream_open(w->loop, &options, &c->owner);
}

/* A server that sends back what it gets. */
struct echo {
    struct stream_server server;
    struct loop *loop;
    struct client peer;
    struct stream_listener *listener;
    bool is_mute;
};

static void on_echo_received(struct stream_owner *o, struct bytes bytes)
{
    struct client *c = container_of(o, struct client, owner);
    struct echo *e = container_of(c, struct echo, peer);
    c->received += bytes.size;
    if (!e->is_mute)
        assert_int_equal(stream_write(c->stream, bytes), ERR_OK);
}

static const struct stream_events echo_events = {
    .opened = on_opened,
    .received = on_echo_received,
    .taken = on_taken,
    .closed = on_closed,
};

static void on_echo_accepted(struct stream_server *server, int fd)
{
    struct echo *e = container_of(server, struct echo, server);
    e->peer = (struct client){.owner.events = &echo_events};
    e->peer.stream =
        stream_accept(e->loop, fd, &(struct stream_options){.write_max = 64 << 20}, &e->peer.owner);
}

static void open_echo(struct echo *e, struct world *w, void **state, const char *host)
{
    world_open(w, state);
    stream_listener_close(w->listener);
    w->listener = NULL;
    *e = (struct echo){.server.accepted = on_echo_accepted, .loop = w->loop};
    char why[LOOP_WHY_SIZE];
    w->listener = stream_listen(w->loop, host, 0, &e->server, why);
    assert_non_null(w->listener);
}

static void close_echo(struct echo *e, struct world *w)
{
    if (e->peer.stream)
        stream_close(e->peer.stream);
    world_close(w);
}

static void bytes_go_both_ways_in_order(void **state)
{
    struct world w;
    struct echo e;
    open_echo(&e, &w, state, "127.0.0.1");
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){.write_max = 1 << 20});
    UNTIL(&w, c.opened == 1);
    enum { TOTAL = 5000000 };
    uint8_t piece[70000];
    uint64_t sent = 0;
    while (sent < TOTAL) {
        for (size_t i = 0; i < sizeof piece; i++)
            piece[i] = (uint8_t)(sent + i);
        enum err err = stream_write(c.stream, (struct bytes){(char *)piece, sizeof piece});
        if (err == ERR_OK)
            sent += sizeof piece;
        else
            loop_wait(w.loop, clock_mono_ns() + NS_PER_S, 1);
    }
    UNTIL(&w, c.received == sent);
    assert_true(c.in_order);
    assert_int_equal(c.taken, sent);
    assert_int_equal(stream_written(c.stream), sent);
    stream_close(c.stream);
    UNTIL(&w, e.peer.closed == 1);
    assert_int_equal(e.peer.err, ERR_CLOSED);
    close_echo(&e, &w);
}

static void a_unix_socket_is_a_stream_too(void **state)
{
    struct world w;
    struct echo e;
    char folder[] = "/tmp/carillon-stream-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    open_echo(&e, &w, state, path);
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){.host = path});
    UNTIL(&w, c.opened == 1);
    assert_int_equal(stream_write(c.stream, (struct bytes){"\0\1\2", 3}), ERR_OK);
    UNTIL(&w, c.received == 3);
    assert_true(c.in_order);
    stream_close(c.stream);
    close_echo(&e, &w);
    unlink(path);
    rmdir(folder);
}

static void writes_of_one_turn_leave_together(void **state)
{
    struct world w;
    struct echo e;
    open_echo(&e, &w, state, "127.0.0.1");
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){0});
    UNTIL(&w, c.opened == 1);
    for (uint8_t i = 0; i < 10; i++)
        assert_int_equal(stream_write(c.stream, (struct bytes){(char *)&i, 1}), ERR_OK);
    c.close_in = 't';
    UNTIL(&w, c.taken > 0);
    assert_int_equal(c.taken, 10);
    close_echo(&e, &w);
}

static void a_full_buffer_takes_no_more(void **state)
{
    struct world w;
    struct echo e;
    open_echo(&e, &w, state, "127.0.0.1");
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){.write_max = 100});
    assert_int_equal(stream_write(c.stream, BYTES("x")), ERR_AGAIN); /* not open */
    UNTIL(&w, c.opened == 1);
    char text[101] = {0};
    assert_int_equal(stream_write(c.stream, (struct bytes){text, 101}), ERR_AGAIN);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, 60}), ERR_OK);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, 41}), ERR_AGAIN);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, 40}), ERR_OK);
    UNTIL(&w, c.taken == 100);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, 100}), ERR_OK);
    stream_close(c.stream);
    close_echo(&e, &w);
}

static void a_stream_may_be_closed_in_any_event(void **state)
{
    for (const char *where = "ortc"; *where; where++) {
        struct world w;
        struct echo e;
        open_echo(&e, &w, state, "127.0.0.1");
        struct client c = {.close_in = *where};
        connect_client(&c, &w, (struct stream_options){0});
        UNTIL(&w, c.opened == 1);
        if (c.stream)
            assert_int_equal(stream_write(c.stream, (struct bytes){"\0", 1}), ERR_OK);
        if (*where == 'c') {
            UNTIL(&w, e.peer.stream && e.peer.received == 1);
            stream_close(e.peer.stream);
            e.peer.stream = NULL;
        }
        UNTIL(&w, c.stream == NULL);
        world_turn_ms(&w, 3);
        close_echo(&e, &w);
    }
}

static void nothing_is_told_after_close(void **state)
{
    struct world w;
    struct echo e;
    open_echo(&e, &w, state, "127.0.0.1");
    for (uint32_t turns = 0; turns < 6; turns++) {
        struct client c = {0};
        connect_client(&c, &w, (struct stream_options){0});
        for (uint32_t i = 0; i < turns; i++)
            loop_wait(w.loop, 0, 1);
        if (c.opened)
            assert_int_equal(stream_write(c.stream, (struct bytes){"\0\1", 2}), ERR_OK);
        struct client before = c;
        stream_close(c.stream);
        c.stream = NULL; /* an event would fail the test */
        world_turn_ms(&w, 2);
        assert_int_equal(c.opened, before.opened);
        if (e.peer.stream)
            stream_close(e.peer.stream);
        e.peer.stream = NULL;
    }
    close_echo(&e, &w);
}

static void a_failure_to_connect_is_told_once_and_says_why(void **state)
{
    struct world w;
    world_open(&w, state);
    static const struct {
        const char *host, *why;
        enum err err;
    } all[] = {
        {"/none/socket", "cannot connect to /none/socket: No such file or directory", ERR_CONNECT},
        {"some.name", "some.name is no address", ERR_RESOLVE},
        {"127.0.0.1", "cannot connect to 127.0.0.1: Connection refused", ERR_CONNECT},
    };
    for (uint32_t i = 0; i < countof(all); i++) {
        struct client c = {0};
        connect_client(&c, &w, (struct stream_options){.host = all[i].host, .port = 1});
        assert_int_equal(c.closed, 0); /* never at once */
        UNTIL(&w, c.closed == 1);
        assert_string_equal(c.why, all[i].why);
        assert_int_equal(c.err, all[i].err);
        assert_int_equal(c.opened, 0);
        stream_close(c.stream);
    }
    world_close(&w);
}

/* A listener whose queue is full does not answer. */
static void a_connection_that_hangs_is_given_up_in_time(void **state)
{
    struct world w;
    world_open(&w, state);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    for (uint32_t i = 0; i < countof(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], (struct sockaddr *)&a, size);
    }
    struct client c = {0};
    uint64_t start_ns = clock_mono_ns();
    connect_client(&c, &w, (struct stream_options){.port = ntohs(a.sin_port), .open_ms = 30});
    UNTIL(&w, c.closed == 1);
    assert_int_equal(c.err, ERR_CONNECT);
    assert_string_equal(c.why, "cannot connect to 127.0.0.1: no answer in time");
    assert_true(clock_mono_ns() - start_ns < 300 * NS_PER_MS);
    stream_close(c.stream);
    for (uint32_t i = 0; i < countof(fill); i++)
        close(fill[i]);
    close(fd);
    world_close(&w);
}

static void a_cancelled_write_says_what_was_taken(void **state)
{
    struct world w;
    world_open(&w, state);
    w.ignores = true;
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){.write_max = 64 << 20});
    UNTIL(&w, c.opened == 1);
    assert_true(stream_write(c.stream, BYTES("first")) == ERR_OK);
    UNTIL(&w, c.taken == 5);
    size_t size = 32 << 20;
    char *text = calloc(1, size);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, size}), ERR_OK);
    free(text);
    world_turn_ms(&w, 20);
    assert_true(c.taken > 5 && c.taken < size);
    assert_false(stream_cancel(c.stream));
    assert_int_equal(stream_write(c.stream, BYTES("x")), ERR_AGAIN);
    UNTIL(&w, c.closed == 1);
    assert_int_equal(c.err, ERR_CANCELLED);
    assert_int_equal(c.taken, stream_taken(c.stream));
    assert_true(c.taken < size);
    stream_close(c.stream);

    connect_client(&c, &w, (struct stream_options){0});
    UNTIL(&w, c.opened == 1);
    assert_int_equal(stream_write(c.stream, BYTES("never leaves")), ERR_OK);
    assert_true(stream_cancel(c.stream));
    world_turn_ms(&w, 3);
    assert_int_equal(stream_taken(c.stream), 0);
    stream_close(c.stream);
    world_close(&w);
}

static void an_end_right_behind_the_data_is_seen(void **state)
{
    struct world w;
    world_open(&w, state);
    w.ignores = true;
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){0});
    UNTIL(&w, c.opened == 1 && w.ignored_count == 1);
    loop_wait(w.loop, 0, 1);
    assert_int_equal(write(w.ignored[0], "\0\1", 2), 2);
    shutdown(w.ignored[0], SHUT_WR);
    UNTIL(&w, c.closed == 1);
    assert_int_equal(c.received, 2);
    assert_int_equal(c.err, ERR_CLOSED);
    stream_close(c.stream);
    world_close(&w);
}

static uint64_t read_to_the_end(int fd)
{
    char text[65536];
    uint64_t size = 0;
    for (uint64_t end_ns = clock_mono_ns() + 5 * NS_PER_S; clock_mono_ns() < end_ns;) {
        ssize_t n = recv(fd, text, sizeof text, 0);
        if (n == 0)
            return size;
        size += n > 0 ? (uint64_t)n : 0;
    }
    return UINT64_MAX;
}

/* The peer ends while our send waits: the count is final when the end is told. */
static void an_end_is_told_after_the_send_in_flight(void **state)
{
    struct world w;
    world_open(&w, state);
    w.ignores = true;
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){.write_max = 64 << 20});
    UNTIL(&w, c.opened == 1 && w.ignored_count == 1);
    size_t size = 32 << 20;
    char *text = calloc(1, size);
    assert_int_equal(stream_write(c.stream, (struct bytes){text, size}), ERR_OK);
    free(text);
    world_turn_ms(&w, 10);
    shutdown(w.ignored[0], SHUT_WR);
    char some[65536];
    uint64_t read_size = 0;
    while (read_size < 2 << 20) { /* makes room: the send goes on behind the end */
        ssize_t n = recv(w.ignored[0], some, sizeof some, 0);
        assert_true(n > 0);
        read_size += (uint64_t)n;
    }
    UNTIL(&w, c.closed == 1);
    assert_int_equal(c.err, ERR_CLOSED);
    uint64_t taken = c.taken;
    assert_true(taken < size);
    stream_close(c.stream);
    world_turn_ms(&w, 2);
    assert_int_equal(read_to_the_end(w.ignored[0]), taken - read_size);
    world_close(&w);
}

static void a_reset_is_told_from_an_orderly_end(void **state)
{
    struct world w;
    struct echo e;
    open_echo(&e, &w, state, "127.0.0.1");
    struct client c = {0};
    connect_client(&c, &w, (struct stream_options){0});
    UNTIL(&w, c.opened == 1 && e.peer.stream);
    stream_reset(e.peer.stream);
    e.peer.stream = NULL;
    UNTIL(&w, c.closed == 1);
    assert_int_equal(c.err, ERR_RESET);
    stream_close(c.stream);
    close_echo(&e, &w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(bytes_go_both_ways_in_order),
        ON_BOTH(a_unix_socket_is_a_stream_too),
        ON_BOTH(writes_of_one_turn_leave_together),
        ON_BOTH(a_full_buffer_takes_no_more),
        ON_BOTH(a_stream_may_be_closed_in_any_event),
        ON_BOTH(nothing_is_told_after_close),
        ON_BOTH(a_failure_to_connect_is_told_once_and_says_why),
        ON_BOTH(a_connection_that_hangs_is_given_up_in_time),
        ON_BOTH(a_cancelled_write_says_what_was_taken),
        ON_BOTH(an_end_right_behind_the_data_is_seen),
        ON_BOTH(an_end_is_told_after_the_send_in_flight),
        ON_BOTH(a_reset_is_told_from_an_orderly_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
