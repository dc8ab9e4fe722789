#include "http_world.h"
#include "io/resolve.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* A name server of a few names on the same loop: a.test has two addresses, six.test one
 * of each family, port.test where the world's server listens behind one that refuses;
 * silent.test is never answered; all others do not exist. */
struct names {
    struct loop_fd fd;
    uint32_t asked, closed;
    uint8_t ttl;
};

static void add_answer(struct writer *w, uint16_t type, const void *data, uint16_t size,
                       uint8_t ttl)
{
    const uint8_t head[] = {0xc0, 12, 0, (uint8_t)type, 0, 1, 0, 0, 0, ttl, 0, (uint8_t)size};
    write_bytes(w, head, sizeof head);
    write_bytes(w, data, size);
}

static uint8_t add_answers(struct writer *w, const char *name, uint16_t type, uint8_t ttl)
{
    if (strcmp(name, "a.test") == 0 && type == 1) {
        add_answer(w, 1, (uint8_t[]){127, 0, 0, 1}, 4, ttl);
        add_answer(w, 1, (uint8_t[]){127, 0, 0, 2}, 4, ttl);
        return 2;
    }
    if (strcmp(name, "six.test") == 0 && type == 28) {
        uint8_t loopback[16] = {[15] = 1};
        add_answer(w, 28, loopback, 16, ttl);
        return 1;
    }
    if (strcmp(name, "six.test") == 0 && type == 1) {
        add_answer(w, 1, (uint8_t[]){127, 0, 0, 1}, 4, ttl);
        return 1;
    }
    return 0;
}

static void answer_question(struct names *n, uint8_t *packet, size_t size, struct sockaddr *from,
                            socklen_t from_size)
{
    char name[256];
    struct writer text = writer_of(name, sizeof name - 1);
    size_t at = 12;
    while (at < size && packet[at] != 0) {
        if (text.size > 0)
            write_char(&text, '.');
        write_bytes(&text, packet + at + 1, packet[at]);
        at += packet[at] + 1u;
    }
    name[text.size] = '\0';
    n->asked++;
    if (strcmp(name, "silent.test") == 0)
        return;
    uint16_t type = packet[at + 2];
    char out[512];
    struct writer w = writer_of(out, sizeof out);
    write_bytes(&w, packet, at + 5);
    uint8_t count = add_answers(&w, name, type, n->ttl);
    bool exists = strcmp(name, "a.test") == 0 || strcmp(name, "six.test") == 0;
    out[2] = (char)0x81;
    out[3] = (char)(0x80 | (exists ? 0 : 3));
    out[7] = (char)count;
    out[8] = out[9] = out[10] = out[11] = 0; /* no authority, no extension */
    sendto(n->fd.fd, out, w.size, 0, from, from_size);
}

static void on_question(struct loop_fd *f, uint8_t what)
{
    (void)what;
    uint8_t packet[512];
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from;
    ssize_t size =
        recvfrom(f->fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
    if (size > 12)
        answer_question(container_of(f, struct names, fd), packet, (size_t)size,
                        (struct sockaddr *)&from, from_size);
}

static void on_names_closed(struct loop_fd *f)
{
    container_of(f, struct names, fd)->closed++;
}

static const struct loop_events names_events = {.ready = on_question, .closed = on_names_closed};

struct place {
    struct world world;
    struct names names;
    struct resolve *resolve;
};

static void open_place(struct place *p, void **state)
{
    world_open(&p->world, state);
    struct sockaddr_storage a;
    assert_true(resolve_literal("127.0.0.1", 0, &a));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(struct sockaddr_in)), 0);
    socklen_t size = sizeof a;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    p->names = (struct names){.ttl = 100};
    loop_add(p->world.loop, &p->names.fd, fd, &names_events);
    loop_watch(&p->names.fd, LOOP_READ);
    char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&a)->sin_port));
    p->resolve = resolve_open(p->world.loop, servers);
    assert_non_null(p->resolve);
}

static void close_place(struct place *p)
{
    if (p->world.http)
        http_close(p->world.http);
    p->world.http = NULL;
    resolve_close(p->resolve);
    loop_remove(&p->names.fd);
    world_close(&p->world);
    assert_int_equal(p->names.closed, 1);
}

struct question {
    struct resolve_query query;
    uint32_t done;
};

static void on_done(struct resolve_query *q)
{
    container_of(q, struct question, query)->done++;
}

static void ask(struct question *q, struct place *p, const char *host, uint16_t port)
{
    *q = (struct question){.query.done = on_done};
    resolve_start(p->resolve, &q->query, host, port);
    assert_int_equal(q->done, 0); /* never at once */
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
    return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
                                         : ((const struct sockaddr_in6 *)a)->sin6_port);
}

static void a_name_gives_all_its_addresses_with_the_port(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q;
    ask(&q, &p, "a.test", 443);
    UNTIL(&p.world, q.done == 1);
    assert_int_equal(q.query.err, ERR_OK);
    assert_int_equal(q.query.count, 2);
    assert_int_equal(q.query.addresses[0].ss_family, AF_INET);
    assert_int_equal(port_of(&q.query.addresses[1]), 443);
    close_place(&p);
}

static void both_families_are_asked(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q;
    ask(&q, &p, "six.test", 80);
    UNTIL(&p.world, q.done == 1);
    assert_int_equal(q.query.count, 2);
    assert_int_not_equal(q.query.addresses[0].ss_family, q.query.addresses[1].ss_family);
    assert_int_equal(port_of(&q.query.addresses[0]), 80);
    assert_int_equal(port_of(&q.query.addresses[1]), 80);
    close_place(&p);
}

static void an_answer_serves_until_its_ttl_ends(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q, r;
    ask(&q, &p, "a.test", 1);
    ask(&r, &p, "a.test", 2); /* shares the question */
    UNTIL(&p.world, q.done == 1 && r.done == 1);
    assert_int_equal(port_of(&r.query.addresses[0]), 2);
    assert_int_equal(p.names.asked, 2); /* one a family */
    ask(&q, &p, "a.test", 1);
    UNTIL(&p.world, q.done == 1);
    assert_int_equal(p.names.asked, 2);
    p.names.ttl = 0; /* counts as a second: the shortest that is kept */
    ask(&q, &p, "six.test", 1);
    UNTIL(&p.world, q.done == 1);
    uint32_t before = p.names.asked;
    world_turn_ms(&p.world, 1010);
    ask(&q, &p, "six.test", 1);
    UNTIL(&p.world, q.done == 1);
    assert_int_equal(p.names.asked, before + 2);
    close_place(&p);
}

static void a_name_that_does_not_exist_is_remembered_for_a_moment(void **state)
{
    struct place p;
    open_place(&p, state);
    for (uint32_t i = 0; i < 3; i++) {
        struct question q;
        ask(&q, &p, "none.test", 1);
        UNTIL(&p.world, q.done == 1);
        assert_int_equal(q.query.err, ERR_RESOLVE);
        assert_non_null(q.query.why);
    }
    assert_int_equal(p.names.asked, 2);
    close_place(&p);
}

static void literal_addresses_ask_nobody(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q;
    static const char *const all[] = {"127.0.0.1", "::1", "[::1]"};
    for (uint32_t i = 0; i < countof(all); i++) {
        ask(&q, &p, all[i], 7);
        UNTIL(&p.world, q.done == 1);
        assert_int_equal(q.query.count, 1);
        assert_int_equal(port_of(&q.query.addresses[0]), 7);
    }
    assert_int_equal(p.names.asked, 0);
    struct sockaddr_storage a;
    assert_false(resolve_literal("1.2.3", 1, &a));
    assert_false(resolve_literal("[1.2.3.4]", 1, &a));
    assert_false(resolve_literal("", 1, &a));
    assert_false(resolve_literal("localhost", 1, &a));
    close_place(&p);
}

static void the_hosts_file_is_honoured(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q;
    ask(&q, &p, "localhost", 7);
    UNTIL(&p.world, q.done == 1);
    assert_int_equal(q.query.err, ERR_OK);
    assert_int_equal(p.names.asked, 0);
    close_place(&p);
}

static void a_cancelled_question_is_not_answered(void **state)
{
    struct place p;
    open_place(&p, state);
    struct question q, r;
    ask(&q, &p, "a.test", 1);
    resolve_cancel(p.resolve, &q.query);
    ask(&q, &p, "a.test", 1);
    ask(&r, &p, "127.0.0.1", 1);
    resolve_cancel(p.resolve, &r.query);
    UNTIL(&p.world, q.done == 1);
    resolve_cancel(p.resolve, &q.query);
    assert_int_equal(q.done, 1);
    assert_int_equal(r.done, 0);
    ask(&q, &p, "silent.test", 1);
    close_place(&p); /* with a question out */
    assert_int_equal(q.done, 0);
}

static void a_stream_that_waits_for_a_name_gives_up_in_time(void **state)
{
    struct place p;
    open_place(&p, state);
    p.world.http = http_open(
        &(struct http_options){.loop = p.world.loop, .resolve = p.resolve, .connect_ms = 50});
    char why[HTTP_WHY_SIZE];
    struct http_origin *o = http_origin_add(p.world.http, "http://silent.test", NULL, why);
    http_want(o, 1);
    UNTIL(&p.world, http_origin_stats(o).connects_failed == 1);
    assert_int_equal(http_origin_stats(o).last_err, ERR_TIMEOUT);
    assert_string_equal(http_origin_stats(o).last_why,
                        "no answer about the name silent.test in time");
    close_place(&p);
}

static void the_next_address_is_tried_when_one_refuses(void **state)
{
    struct place p;
    open_place(&p, state);
    p.world.http = http_open(&(struct http_options){.loop = p.world.loop, .resolve = p.resolve});
    char why[HTTP_WHY_SIZE], url[64];
    /* The world listens on 127.0.0.1 alone; six.test is ::1 first. */
    snprintf(url, sizeof url, "http://six.test:%u", stream_listener_port(p.world.listener));
    p.world.origin = http_origin_add(p.world.http, url, NULL, why);
    struct test_call t;
    run(&t, &p.world);
    assert_int_equal(t.call.err, ERR_OK);
    assert_int_equal(http_origin_stats(p.world.origin).connects_failed, 0);
    http_release(&t.call);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_name_gives_all_its_addresses_with_the_port),
        ON_BOTH(both_families_are_asked),
        ON_BOTH(an_answer_serves_until_its_ttl_ends),
        ON_BOTH(a_name_that_does_not_exist_is_remembered_for_a_moment),
        ON_BOTH(literal_addresses_ask_nobody),
        ON_BOTH(the_hosts_file_is_honoured),
        ON_BOTH(a_cancelled_question_is_not_answered),
        ON_BOTH(a_stream_that_waits_for_a_name_gives_up_in_time),
        ON_BOTH(the_next_address_is_tried_when_one_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
