/* The Redis client on a real Redis (its own, on a socket in a temporary folder), and the
 * decoder on replies cut anywhere. */
#include "base/clock.h"
#include "domain/redis_functions.h"
#include "io/loop.h"
#include "io/redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], path[96];
static pid_t server;

static void start_server(void)
{
    server = fork();
    if (server == 0) {
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--loglevel", "warning", "--dir", folder, (char *)NULL);
        _exit(127);
    }
}

static void stop_server(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/carillon-redis-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/s", folder);
    start_server();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    unlink(path);
    return rmdir(folder);
}

static const struct redis_options *some_options(void)
{
    static struct redis_options options;
    options = (struct redis_options){.host = path, .name = "test", .command_ms = 2000, .seed = 1};
    return &options;
}

static struct redis_sync *sync_when_up(void)
{
    char why[REDIS_WHY_SIZE];
    for (uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S; clock_mono_ns() < until_ns;) {
        struct redis_sync *sync = redis_sync_open(some_options(), why);
        if (sync)
            return sync;
    }
    fail_msg("redis-server does not answer: %s", why);
    return NULL;
}

struct collector {
    struct redis_waiter waiter;
    uint32_t answers, lost, in_order;
    char last[64];
};

static void on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct collector *c = container_of(waiter, struct collector, waiter);
    if (!reply) {
        c->lost++;
        return;
    }
    c->in_order += index == c->answers;
    c->answers++;
    snprintf(c->last, sizeof c->last, "%.*s", (int)reply->text.size, reply->text.at);
}

static void turn_until(struct loop *loop, const uint32_t *count, uint32_t wanted)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (*count < wanted && clock_mono_ns() < until_ns)
        loop_wait(loop, clock_mono_ns() + 10 * NS_PER_MS, 1);
    assert_true(*count >= wanted);
}

static void turn_until_ready(struct loop *loop, struct redis *redis)
{
    uint64_t until_ns = clock_mono_ns() + 10 * NS_PER_S;
    while (redis_room(redis) == 0 && clock_mono_ns() < until_ns)
        loop_wait(loop, clock_mono_ns() + 10 * NS_PER_MS, 1);
    assert_true(redis_room(redis) > 0);
}

static void pipelined_commands_are_answered_in_order(void **state)
{
    (void)state;
    redis_sync_close(sync_when_up());
    const enum loop_choice choices[] = {LOOP_URING, LOOP_EPOLL};
    for (size_t i = 0; i < countof(choices); i++) {
        char why[LOOP_WHY_SIZE];
        struct loop *loop = loop_open(&(struct loop_options){.choice = choices[i]}, why);
        if (!loop)
            continue; /* a machine that forbids io_uring */
        struct redis *redis = redis_open(loop, some_options());
        turn_until_ready(loop, redis);
        struct collector c = {.waiter = {on_answer}};
        for (uint32_t n = 0; n < 3000; n++) {
            const struct bytes command[] = {BYTES("ECHO"), BYTES("a \r\n$ b")};
            redis_command(redis, command, 2, &c.waiter, n);
        }
        turn_until(loop, &c.answers, 3000);
        assert_int_equal(c.in_order, 3000);
        assert_string_equal(c.last, "a \r\n$ b");
        redis_close(redis);
        loop_wait(loop, 0, 1);
        loop_close(loop);
    }
}

static void a_lost_connection_answers_lost_and_comes_back(void **state)
{
    (void)state;
    redis_sync_close(sync_when_up());
    char why[LOOP_WHY_SIZE];
    struct loop *loop = loop_open(&(struct loop_options){.choice = LOOP_AUTO}, why);
    struct redis *redis = redis_open(loop, some_options());
    turn_until_ready(loop, redis);
    uint32_t generation = redis_generation(redis);
    struct collector c = {.waiter = {on_answer}};
    const struct bytes block[] = {BYTES("BLPOP"), BYTES("nothing"), BYTES("0")};
    redis_command(redis, block, 3, &c.waiter, 0);
    loop_wait(loop, clock_mono_ns() + 20 * NS_PER_MS, 1);
    stop_server();
    turn_until(loop, &c.lost, 1);
    uint64_t since_ns;
    assert_non_null(redis_away(redis, &since_ns));
    assert_int_equal(redis_room(redis), 0);
    unlink(path);
    start_server();
    turn_until_ready(loop, redis);
    assert_true(redis_generation(redis) > generation);
    redis_close(redis);
    loop_wait(loop, 0, 1);
    loop_close(loop);
}

static void an_answer_that_is_late_closes_the_connection(void **state)
{
    (void)state;
    redis_sync_close(sync_when_up());
    char why[LOOP_WHY_SIZE];
    struct loop *loop = loop_open(&(struct loop_options){.choice = LOOP_AUTO}, why);
    struct redis_options options = *some_options();
    options.command_ms = 40;
    struct redis *redis = redis_open(loop, &options);
    turn_until_ready(loop, redis);
    struct collector c = {.waiter = {on_answer}};
    const struct bytes block[] = {BYTES("BLPOP"), BYTES("nothing"), BYTES("0")};
    redis_command(redis, block, 3, &c.waiter, 0);
    turn_until(loop, &c.lost, 1);
    assert_int_equal(c.answers, 0);
    redis_close(redis);
    loop_wait(loop, 0, 1);
    loop_close(loop);
}

static void the_functions_load_and_answer_their_version(void **state)
{
    (void)state;
    struct redis_sync *sync = sync_when_up();
    const struct bytes load[] = {BYTES("FUNCTION"), BYTES("LOAD"), BYTES("REPLACE"),
                                 redis_functions};
    const struct redis_reply *reply = redis_sync_command(sync, load, 4);
    assert_non_null(reply);
    assert_string_equal(reply->text.at, REDIS_FUNCTIONS_LIBRARY);
    const struct bytes version[] = {BYTES("FCALL"), BYTES("version"), BYTES("0")};
    reply = redis_sync_command(sync, version, 3);
    assert_int_equal(reply->integer, REDIS_FUNCTIONS_VERSION);
    const struct bytes none[] = {BYTES("FCALL"), BYTES("nonesuch"), BYTES("0")};
    reply = redis_sync_command(sync, none, 3);
    assert_int_equal(redis_error_of(reply), REDIS_ERROR_FUNCTIONS);
    redis_sync_close(sync);
}

static void a_reply_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char raw[] = "*3\r\n$5\r\nhe\r\nl\r\n:-42\r\n*2\r\n$-1\r\n+OK\r\n-ERR no\r\n";
    for (size_t cut = 0; cut < sizeof raw; cut++) {
        struct redis_decoder *d = redis_decoder_open();
        const struct redis_reply *reply = NULL;
        redis_decoder_feed(d, (struct bytes){raw, cut});
        enum err early = redis_decoder_take(d, &reply);
        if (early == ERR_AGAIN) {
            redis_decoder_feed(d, (struct bytes){raw + cut, sizeof raw - 1 - cut});
            assert_int_equal(redis_decoder_take(d, &reply), ERR_OK);
        } else {
            redis_decoder_feed(d, (struct bytes){raw + cut, sizeof raw - 1 - cut});
        }
        assert_int_equal(reply->type, REDIS_ARRAY);
        assert_int_equal(reply->element_count, 3);
        assert_string_equal(reply->elements[0]->text.at, "he\r\nl");
        assert_int_equal(reply->elements[1]->integer, -42);
        assert_int_equal(reply->elements[2]->elements[0]->type, REDIS_NIL);
        assert_string_equal(reply->elements[2]->elements[1]->text.at, "OK");
        assert_int_equal(redis_decoder_take(d, &reply), ERR_OK);
        assert_int_equal(reply->type, REDIS_ERROR);
        assert_int_equal(redis_decoder_take(d, &reply), ERR_AGAIN);
        redis_decoder_close(d);
    }
}

static void nonsense_ends_the_decoder(void **state)
{
    (void)state;
    const char *bad[] = {"?\r\n", "*999999999\r\n:1\r\n", "*2\r\n!x\r\n"};
    for (size_t i = 0; i < countof(bad); i++) {
        struct redis_decoder *d = redis_decoder_open();
        const struct redis_reply *reply = NULL;
        redis_decoder_feed(d, bytes_of(bad[i]));
        assert_int_equal(redis_decoder_take(d, &reply), ERR_PROTOCOL);
        assert_int_equal(redis_decoder_take(d, &reply), ERR_PROTOCOL);
        redis_decoder_close(d);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_commands_are_answered_in_order),
        cmocka_unit_test(a_lost_connection_answers_lost_and_comes_back),
        cmocka_unit_test(an_answer_that_is_late_closes_the_connection),
        cmocka_unit_test(the_functions_load_and_answer_their_version),
        cmocka_unit_test(a_reply_may_be_cut_anywhere),
        cmocka_unit_test(nonsense_ends_the_decoder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
