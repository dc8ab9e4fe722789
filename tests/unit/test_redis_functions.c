/* The Redis functions on a real Redis: every branch; what the worker's access list
 * allows; and that the model of the claim protocol's test answers as Redis does. */
#include "base/prng.h"
#include "redis_model.h"
#include "redis_world.h"

#define KEY BYTES("c1:{k}")
#define TTL BYTES("60000")
#define SKEW BYTES("500")
#define OWN "e|t/0/1"
#define NONCE "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define LONG_AGO "1000000000000"
#define FAR_AHEAD "9000000000000"

static struct redis_sync *fresh(void **state)
{
    struct redis_world *w = *state;
    ASK(w->redis, BYTES("FLUSHALL"));
    return w->redis;
}

static void holds(struct redis_sync *redis, const char *value)
{
    const struct redis_reply *reply = ASK(redis, BYTES("GET"), KEY);
    if (!value) {
        assert_int_equal(reply->type, REDIS_NIL);
        return;
    }
    assert_int_equal(reply->type, REDIS_TEXT);
    if (!bytes_equal(reply->text, bytes_of(value)))
        print_message("%.*s instead of %s\n", (int)reply->text.size, reply->text.at, value);
    assert_true(bytes_equal(reply->text, bytes_of(value)));
}

static void given(struct redis_sync *redis, const char *value)
{
    ASK(redis, BYTES("SET"), KEY, bytes_of(value));
}

/* The reply is an array that begins with this tag, and then, unless NULL, this text. */
static void answers(const struct redis_reply *reply, const char *tag, const char *text)
{
    if (reply->type == REDIS_ERROR)
        print_message("%.*s\n", (int)reply->text.size, reply->text.at);
    assert_int_equal(reply->type, REDIS_ARRAY);
    assert_true(reply->element_count >= 1);
    assert_true(bytes_equal(reply->elements[0]->text, bytes_of(tag)));
    if (text) {
        assert_int_equal(reply->element_count, 2);
        assert_true(bytes_equal(reply->elements[1]->text, bytes_of(text)));
    }
}

static const struct redis_reply *takeover(struct redis_sync *redis, const char *seen,
                                          const char *next)
{
    return ASK(redis, BYTES("FCALL"), BYTES("takeover"), BYTES("1"), KEY, bytes_of(seen),
               bytes_of(next), TTL, SKEW);
}

static const struct redis_reply *swap(struct redis_sync *redis, const char *seen, const char *next)
{
    return ASK(redis, BYTES("FCALL"), BYTES("swap"), BYTES("1"), KEY, bytes_of(seen),
               bytes_of(next), TTL);
}

static const struct redis_reply *settle(struct redis_sync *redis, const char *value)
{
    return ASK(redis, BYTES("FCALL"), BYTES("settle"), BYTES("1"), KEY, bytes_of(value), TTL);
}

static const struct redis_reply *restore(struct redis_sync *redis, const char *value)
{
    return ASK(redis, BYTES("FCALL"), BYTES("restore"), BYTES("1"), KEY, bytes_of(value), TTL);
}

static void a_claim_is_taken_over_only_as_it_was_seen(void **state)
{
    struct redis_sync *redis = fresh(state);
    const char *dead = "C|" OWN "|" OTHER "|1|0|" LONG_AGO;
    const char *given_back = "C|" OWN "|" OTHER "|1|1|0";
    const char *busy = "C|" OWN "|" OTHER "|1|0|" FAR_AHEAD;
    const char *mine = "C|" OWN "|" NONCE "|2|1|" FAR_AHEAD;
    answers(takeover(redis, dead, mine), "GONE", NULL);
    holds(redis, NULL);
    given(redis, dead);
    answers(takeover(redis, dead, mine), "AMBIG", dead);
    holds(redis, mine);
    given(redis, given_back);
    answers(takeover(redis, given_back, mine), "FREE", given_back);
    holds(redis, mine);
    answers(takeover(redis, dead, mine), "CHANGED", mine);
    given(redis, "S|" OWN "|" OTHER "|1|0|5|id");
    answers(takeover(redis, dead, mine), "DONE", "S|" OWN "|" OTHER "|1|0|5|id");
    given(redis, "C|nonsense");
    answers(takeover(redis, "C|nonsense", mine), "CORRUPT", "C|nonsense");
    given(redis, busy);
    const struct redis_reply *reply = takeover(redis, busy, mine);
    answers(reply, "BUSY", NULL);
    assert_true(reply->elements[1]->integer > 0);
    holds(redis, busy);
}

static void a_takeover_waits_for_the_skew(void **state)
{
    struct redis_sync *redis = fresh(state);
    const struct redis_reply *time = ASK(redis, BYTES("TIME"));
    char value[128], seconds[32] = "";
    memcpy(seconds, time->elements[0]->text.at, time->elements[0]->text.size);
    snprintf(value, sizeof(value), "C|" OWN "|" OTHER "|1|0|%s000", seconds);
    given(redis, value);
    const struct redis_reply *reply =
        ASK(redis, BYTES("FCALL"), BYTES("takeover"), BYTES("1"), KEY, bytes_of(value),
            BYTES("C|" OWN "|" NONCE "|2|1|" FAR_AHEAD), TTL, BYTES("60000"));
    answers(reply, "BUSY", NULL);
    assert_true(reply->elements[1]->integer <= 60000);
}

static void a_swap_replaces_or_deletes_what_was_seen(void **state)
{
    struct redis_sync *redis = fresh(state);
    const char *mine = "C|" OWN "|" NONCE "|1|0|" FAR_AHEAD;
    answers(swap(redis, mine, "F|" OWN "|" NONCE "|1|0|5|blocked"), "GONE", NULL);
    holds(redis, NULL);
    given(redis, mine);
    answers(swap(redis, "C|" OWN "|" OTHER "|1|0|5", ""), "CHANGED", mine);
    answers(swap(redis, mine, "F|" OWN "|" NONCE "|1|0|5|blocked"), "OK", NULL);
    holds(redis, "F|" OWN "|" NONCE "|1|0|5|blocked");
    assert_true(ASK(redis, BYTES("PTTL"), KEY)->integer > 50000);
    answers(swap(redis, "F|" OWN "|" NONCE "|1|0|5|blocked", ""), "OK", NULL);
    holds(redis, NULL);
}

static void a_late_settle_counts_what_it_finds(void **state)
{
    struct redis_sync *redis = fresh(state);
    const char *s = "S|" OWN "|" NONCE "|2|0|7|id";
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|2|1|7|id"); /* nothing: lost */
    assert_true(ASK(redis, BYTES("PTTL"), KEY)->integer > 50000);
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|2|1|7|id"); /* its own again */
    given(redis, "C|" OWN "|" NONCE "|3|1|" LONG_AGO);
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|3|1|7|id");
    given(redis, "C|" OWN "|" OTHER "|1|1|" LONG_AGO);
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|3|2|7|id");
    given(redis, "S|" OWN "|" OTHER "|1|0|5|x");
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|3|1|7|id");
    given(redis, "F|" OWN "|" OTHER "|1|0|5|x");
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|3|1|7|id");
    given(redis, "X|" OWN "|" OTHER "|1|1|5|no_answer");
    answers(settle(redis, s), "X", "X|" OWN "|" OTHER "|1|1|5|no_answer");
    holds(redis, "X|" OWN "|" OTHER "|1|1|5|no_answer");
    given(redis, "S|e|t/0/2|" OTHER "|1|0|5|x");
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|2|1|7|id"); /* foreign */
    given(redis, "rubbish");
    answers(settle(redis, s), "OK", "S|" OWN "|" NONCE "|2|1|7|id");
}

static void what_is_written_again_never_covers_what_is_newer(void **state)
{
    struct redis_sync *redis = fresh(state);
    const char *mine = "C|" OWN "|" NONCE "|1|1|" FAR_AHEAD;
    const char *failed = "F|" OWN "|" NONCE "|1|0|5|blocked";
    answers(restore(redis, mine), "OK", mine);
    holds(redis, mine);
    given(redis, "C|" OWN "|" NONCE "|1|0|5");
    answers(restore(redis, mine), "OK", mine);
    given(redis, "C|" OWN "|" NONCE "|2|2|5");
    answers(restore(redis, mine), "CHANGED", "C|" OWN "|" NONCE "|2|2|5");
    given(redis, "C|" OWN "|" OTHER "|1|0|5");
    answers(restore(redis, mine), "CHANGED", "C|" OWN "|" OTHER "|1|0|5");
    answers(restore(redis, failed), "OK", failed);
    answers(restore(redis, mine), "CHANGED", failed);
    given(redis, "S|" OWN "|" OTHER "|1|0|5|id");
    answers(restore(redis, failed), "CHANGED", "S|" OWN "|" OTHER "|1|0|5|id");
    given(redis, "C|e|t/0/2|" OTHER "|1|0|5");
    answers(restore(redis, failed), "CHANGED", "C|e|t/0/2|" OTHER "|1|0|5");
}

static int64_t integer_of(const struct redis_reply *reply, size_t index)
{
    assert_int_equal(reply->type, REDIS_ARRAY);
    assert_true(index < reply->element_count);
    const struct redis_reply *e = reply->elements[index];
    char text[32] = "";
    if (e->type == REDIS_INTEGER)
        return e->integer;
    assert_true(e->text.size < sizeof(text));
    memcpy(text, e->text.at, e->text.size);
    return strtoll(text, NULL, 10);
}

static const struct redis_reply *reserve(struct redis_sync *redis, const char *interval_us,
                                         const char *n, const char *horizon_us)
{
    return ASK(redis, BYTES("FCALL"), BYTES("reserve"), BYTES("2"), BYTES("s1:{r}"),
               BYTES("s1:{r}:cool"), bytes_of(interval_us), bytes_of(n), bytes_of(horizon_us));
}

static void slots_follow_one_another_at_the_interval(void **state)
{
    struct redis_sync *redis = fresh(state);
    /* an unknown route learns first: one horizon and one interval */
    const struct redis_reply *reply = reserve(redis, "1000", "10", "100000");
    assert_int_equal(integer_of(reply, 0), 0);
    assert_true(integer_of(reply, 1) > 0 && integer_of(reply, 1) <= 1000);
    usleep(3000); /* real time passes on a real Redis */
    reply = reserve(redis, "1000", "2", "100000");
    assert_int_equal(integer_of(reply, 0), 2);
    int64_t first = integer_of(reply, 1);
    reply = reserve(redis, "1000", "1", "100000");
    assert_int_equal(integer_of(reply, 0), 1);
    assert_int_equal(integer_of(reply, 1), first + 2000);
    reply = reserve(redis, "1000", "1000", "1000000"); /* no more than lie in the horizon */
    assert_true(integer_of(reply, 0) > 0 && integer_of(reply, 0) < 1000);
    assert_true(integer_of(reply, 1) <= integer_of(reply, 2) + 1000000);
    assert_true(ASK(redis, BYTES("PTTL"), BYTES("s1:{r}"))->integer > 50000);
}

/* Else the route would stand still for as long as the clock went back. */
static void a_clock_that_went_back_costs_what_an_unknown_route_does(void **state)
{
    struct redis_sync *redis = fresh(state);
    char ahead[32];
    int64_t now = integer_of(reserve(redis, "1000", "1", "100000"), 2);
    snprintf(ahead, sizeof(ahead), "%lld", (long long)now + INT64_C(3600000000));
    ASK(redis, BYTES("SET"), BYTES("s1:{r}"), bytes_of(ahead));
    const struct redis_reply *reply = reserve(redis, "1000", "1", "100000");
    assert_int_equal(integer_of(reply, 0), 0);
    assert_true(integer_of(reply, 1) > 0 && integer_of(reply, 1) <= 1000);
    usleep(3000);
    assert_int_equal(integer_of(reserve(redis, "1000", "1", "100000"), 0), 1);
    /* as far ahead as a reservation of another worker may go, it stands */
    snprintf(ahead, sizeof(ahead), "%lld", (long long)now + 1000000);
    ASK(redis, BYTES("SET"), BYTES("s1:{r}"), bytes_of(ahead));
    reply = reserve(redis, "1000", "1", "100000");
    assert_int_equal(integer_of(reply, 0), 0);
    assert_true(integer_of(reply, 1) > 500000);
}

static void a_cool_route_grants_nothing_and_only_cools_longer(void **state)
{
    struct redis_sync *redis = fresh(state);
    const struct redis_reply *reply = reserve(redis, "1000", "1", "1000");
    int64_t now = integer_of(reply, 2);
    char until[32], earlier[32];
    snprintf(until, sizeof(until), "%lld", (long long)now + 5000000);
    snprintf(earlier, sizeof(earlier), "%lld", (long long)now + 1000000);
    struct bytes cool[] = {BYTES("FCALL"), BYTES("cool"), BYTES("1"), BYTES("s1:{r}:cool"),
                           bytes_of(until)};
    assert_int_equal(redis_ask(redis, cool, countof(cool))->integer, 1);
    cool[4] = bytes_of(earlier);
    assert_int_equal(redis_ask(redis, cool, countof(cool))->integer, 0);
    cool[4] = BYTES("1");
    assert_int_equal(redis_ask(redis, cool, countof(cool))->integer, 0);
    reply = reserve(redis, "1000", "1", "1000");
    assert_int_equal(integer_of(reply, 0), 0);
    assert_true(integer_of(reply, 1) > 4000000);
}

static int64_t put(struct redis_sync *redis, const char *aspect, const char *offset,
                   const char *bytes)
{
    const struct redis_reply *reply = ASK(redis, BYTES("FCALL"), BYTES("put"), BYTES("1"), KEY,
                                          bytes_of(aspect), bytes_of(offset), bytes_of(bytes));
    return reply->type == REDIS_INTEGER ? reply->integer : -1;
}

static void a_piece_is_replaced_only_by_a_higher_offset(void **state)
{
    struct redis_sync *redis = fresh(state);
    assert_int_equal(put(redis, "opt_out", "5", "a|b"), 1);
    assert_int_equal(put(redis, "channel", "2", "xy"), 1);
    assert_int_equal(put(redis, "opt_out", "5", "no"), 0);
    assert_int_equal(put(redis, "opt_out", "4", "no"), 0);
    assert_int_equal(put(redis, "opt_out", "10", "c"), 1);
    holds(redis, "channel|2|2|xyopt_out|10|1|c");
    assert_int_equal(put(redis, "channel", "11", ""), 1);
    holds(redis, "opt_out|10|1|cchannel|11|0|");
    given(redis, "rubbish");
    assert_int_equal(put(redis, "channel", "12", "z"), -1);
    holds(redis, "rubbish");
}

static int64_t book(struct redis_sync *redis, const char *offset, struct bytes revision,
                    struct bytes cancelled, struct bytes confirmed)
{
    const struct redis_reply *reply = ASK(redis, BYTES("FCALL"), BYTES("book"), BYTES("1"), KEY,
                                          bytes_of(offset), revision, cancelled, confirmed);
    return reply->type == REDIS_INTEGER ? reply->integer : -1;
}

#define UNSAID BYTES("")
#define REVISION(n) ((struct bytes){"\x18" n, 2})
#define CANCELLED(n) ((struct bytes){"\x20" n, 2})
#define CONFIRMED(n) ((struct bytes){"\x28" n, 2})

static void what_a_bookings_record_does_not_say_stays(void **state)
{
    struct redis_sync *redis = fresh(state);
    assert_int_equal(book(redis, "1", REVISION("\x07"), UNSAID, UNSAID), 1);
    assert_int_equal(book(redis, "2", UNSAID, CANCELLED("\x01"), UNSAID), 1);
    assert_int_equal(book(redis, "3", REVISION("\x08"), UNSAID, UNSAID), 1);
    holds(redis, "cancelled|2|2|\x20\x01revision|3|2|\x18\x08");
    assert_int_equal(book(redis, "2", REVISION("\x01"), UNSAID, CONFIRMED("\x01")), 1); /* late */
    assert_int_equal(book(redis, "4", UNSAID, CANCELLED("\x02"), UNSAID), 1);
    holds(redis, "revision|3|2|\x18\x08"
                 "confirmed|2|2|\x28\x01"
                 "cancelled|4|2|\x20\x02");
    given(redis, "rubbish");
    assert_int_equal(book(redis, "5", REVISION("\x09"), UNSAID, UNSAID), -1);
    holds(redis, "rubbish");
}

static void a_confirmation_belongs_to_its_revision(void **state)
{
    struct redis_sync *redis = fresh(state);
    book(redis, "1", REVISION("\x07"), UNSAID, UNSAID);
    book(redis, "2", UNSAID, UNSAID, CONFIRMED("\x01"));
    assert_int_equal(book(redis, "3", REVISION("\x07"), UNSAID, UNSAID), 1); /* the same again */
    holds(redis, "confirmed|2|2|\x28\x01"
                 "revision|3|2|\x18\x07");
    assert_int_equal(book(redis, "2", REVISION("\x06"), UNSAID, UNSAID), 0); /* read again */
    holds(redis, "confirmed|2|2|\x28\x01"
                 "revision|3|2|\x18\x07");
    assert_int_equal(book(redis, "5", REVISION("\x09"), UNSAID, CONFIRMED("\x01")), 2);
    assert_int_equal(book(redis, "6", REVISION("\x0a"), UNSAID, UNSAID), 2);
    const struct redis_reply *now = ASK(redis, BYTES("GET"), KEY);
    assert_true(bytes_equal(now->text, ((struct bytes){"revision|6|2|\x18\x0a"
                                                       "confirmed|6|2|\x28\x00",
                                                       31})));
}

#define CAP BYTES("f1:{k}")

static const struct redis_reply *cap(struct redis_sync *redis, const char *own, const char *at_ms,
                                     const char *caps)
{
    return ASK(redis, BYTES("FCALL"), BYTES("cap"), BYTES("1"), CAP, bytes_of(own), bytes_of(at_ms),
               bytes_of(caps));
}

static void a_cap_counts_others_in_the_window_that_ends_now(void **state)
{
    struct redis_sync *redis = fresh(state);
    answers(cap(redis, "a", "1000", "1/500 "), "COUNTED", NULL);
    answers(cap(redis, "b", "1499", "1/500 "), "CAPPED", NULL);
    answers(cap(redis, "b", "1500", "1/500 "), "COUNTED", NULL);
    answers(cap(redis, "c", "1500", "1/500 "), "CAPPED", NULL);
    answers(cap(redis, "c", "1499", "2/499 "), "COUNTED", NULL);
}

static void a_cap_never_counts_the_event_itself(void **state)
{
    struct redis_sync *redis = fresh(state);
    answers(cap(redis, "a", "1000", "1/500 "), "COUNTED", NULL);
    answers(cap(redis, "a", "1100", "1/500 "), "KNOWN", NULL);
    answers(cap(redis, "b", "1500", "1/500 "), "COUNTED", NULL); /* a keeps its time */
    answers(cap(redis, "a", "1600", "1/500 "), "CAPPED", NULL);  /* and has left the window */
}

static void every_cap_must_let_it_pass(void **state)
{
    struct redis_sync *redis = fresh(state);
    answers(cap(redis, "a", "1000", "5/500 2/10000 "), "COUNTED", NULL);
    answers(cap(redis, "b", "5000", "5/500 2/10000 "), "COUNTED", NULL);
    answers(cap(redis, "c", "9000", "5/500 2/10000 "), "CAPPED", NULL);
    assert_int_equal(ASK(redis, BYTES("ZCARD"), CAP)->integer, 2);
    int64_t ttl_ms = ASK(redis, BYTES("PTTL"), CAP)->integer;
    assert_true(ttl_ms > 9000 && ttl_ms <= 10000);
}

static void functions_tell_their_version(void **state)
{
    struct redis_sync *redis = fresh(state);
    const struct redis_reply *reply = ASK(redis, BYTES("FCALL_RO"), BYTES("version"), BYTES("0"));
    assert_int_equal(reply->type, REDIS_INTEGER);
    assert_int_equal(reply->integer, REDIS_FUNCTIONS_VERSION);
    assert_int_equal(ASK(redis, BYTES("FCALL"), BYTES("version"), BYTES("0"))->integer,
                     REDIS_FUNCTIONS_VERSION);
    reply = ASK(redis, BYTES("FCALL"), BYTES("no_such"), BYTES("0"));
    assert_int_equal(redis_error_of(reply), REDIS_ERROR_FUNCTIONS);
}

/* A user with the rights that deploy/redis/worker.acl gives, and a password. */
static void let_in(struct redis_sync *admin, const char *name, const char *password)
{
    static char line[2048];
    char secret[64];
    FILE *file = fopen("deploy/redis/worker.acl", "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    snprintf(secret, sizeof secret, ">%s", password);
    struct bytes user[64] = {BYTES("ACL"), BYTES("SETUSER"), bytes_of(name), BYTES("reset")};
    uint32_t count = 4, word = 0;
    for (char *at = strtok(line, " \n"); at; at = strtok(NULL, " \n"), word++)
        if (word >= 2 && count < 60) /* after `user NAME` */
            user[count++] = strcmp(at, "nopass") == 0 ? bytes_of(secret) : bytes_of(at);
    assert_int_equal(redis_ask(admin, user, count)->type, REDIS_STATUS);
}

static void a_worker_may_do_its_work_and_nothing_else(void **state)
{
    struct redis_world *w = *state;
    struct redis_sync *admin = fresh(state);
    let_in(admin, "dispatch", "secret");
    struct redis_sync *redis = redis_world_connect(w, "dispatch", "secret");
    assert_non_null(redis);

    const char *mine = "C|" OWN "|" NONCE "|1|0|" LONG_AGO;
    assert_int_equal(
        ASK(redis, BYTES("SET"), KEY, bytes_of(mine), BYTES("NX"), BYTES("GET"), BYTES("PX"), TTL)
            ->type,
        REDIS_NIL);
    assert_int_equal(
        ASK(redis, BYTES("MGET"), BYTES("r1:{a}"), BYTES("b1:{a}"), BYTES("t1v:{t}"), BYTES("e1"))
            ->type,
        REDIS_ARRAY);
    answers(takeover(redis, mine, mine), "AMBIG", mine);
    answers(cap(redis, OWN, "1000", "1/500 "), "COUNTED", NULL);
    assert_int_equal(ASK(redis, BYTES("ZREM"), CAP, BYTES(OWN))->integer, 1);
    answers(swap(redis, mine, ""), "OK", NULL);
    answers(restore(redis, mine), "OK", mine);
    answers(settle(redis, "S|" OWN "|" NONCE "|1|0|5|x"), "OK", NULL);
    assert_int_equal(reserve(redis, "1000", "1", "1000")->type, REDIS_ARRAY);
    assert_int_equal(ASK(redis, BYTES("INFO"), BYTES("server"))->type, REDIS_TEXT);
    assert_int_equal(ASK(redis, BYTES("TIME"))->type, REDIS_ARRAY);
    assert_int_equal(ASK(redis, BYTES("FCALL"), BYTES("put"), BYTES("1"), BYTES("r1:{a}"),
                         BYTES("v"), BYTES("1"), BYTES(""))
                         ->type,
                     REDIS_INTEGER);
    assert_int_equal(ASK(redis, BYTES("SET"), BYTES("m1:{t/0}"), BYTES("x"))->type, REDIS_STATUS);

    assert_int_equal(redis_error_of(ASK(redis, BYTES("FLUSHALL"))), REDIS_ERROR_DENIED);
    assert_int_equal(redis_error_of(ASK(redis, BYTES("KEYS"), BYTES("*"))), REDIS_ERROR_DENIED);
    assert_int_equal(redis_error_of(ASK(redis, BYTES("FUNCTION"), BYTES("FLUSH"))),
                     REDIS_ERROR_DENIED);
    assert_int_equal(redis_error_of(ASK(redis, BYTES("GET"), BYTES("z1:other"))),
                     REDIS_ERROR_DENIED);
    redis_sync_close(redis);
}

/* --- the model ------------------------------------------------------------------ */

static struct bytes random_value(uint64_t *seed, char *memory, size_t max)
{
    static const char *const deadlines[] = {"0", LONG_AGO, FAR_AHEAD};
    char kind = "CCSFX"[prng_upto(seed, 5)];
    int size = snprintf(memory, max, "%c|e|t/0/%u|%s|%u|%u|%s%s", kind,
                        (unsigned)prng_upto(seed, 2), prng_upto(seed, 2) ? NONCE : OTHER,
                        (unsigned)prng_upto(seed, 3), (unsigned)prng_upto(seed, 3),
                        deadlines[prng_upto(seed, 3)], kind == 'C' ? "" : "|text");
    return (struct bytes){memory, (size_t)size};
}

static void random_command(uint64_t *seed, struct bytes standing, struct claim_command *c,
                           char texts[2][256])
{
    struct bytes next = random_value(seed, texts[0], 256);
    struct bytes seen = prng_upto(seed, 4) == 0 || standing.size == 0
                            ? random_value(seed, texts[1], 256)
                            : standing;
    struct bytes deleting = prng_upto(seed, 3) == 0 ? BYTES("") : next;
    const struct bytes commands[][8] = {
        {BYTES("GET"), KEY},
        {BYTES("SET"), KEY, next, BYTES("NX"), BYTES("GET"), BYTES("PX"), TTL},
        {BYTES("SET"), KEY, next, BYTES("GET"), BYTES("PX"), TTL},
        {BYTES("FCALL"), BYTES("takeover"), BYTES("1"), KEY, seen, next, TTL, SKEW},
        {BYTES("FCALL"), BYTES("swap"), BYTES("1"), KEY, seen, deleting, TTL},
        {BYTES("FCALL"), BYTES("settle"), BYTES("1"), KEY, next, TTL},
        {BYTES("FCALL"), BYTES("restore"), BYTES("1"), KEY, next, TTL},
    };
    static const uint32_t counts[] = {2, 7, 6, 8, 7, 6, 6};
    uint64_t which = prng_upto(seed, countof(counts));
    if (which == 5) /* only an S is ever settled so */
        texts[0][0] = 'S';
    if (which == 5 && texts[0][next.size - 1] != 't')
        which = 0;
    c->arg_count = counts[which];
    memcpy(c->arg, commands[which], sizeof(c->arg));
}

static void same_answer(const struct redis_reply *real, const struct claim_answer *model)
{
    if (model->kind == CLAIM_ANSWER_NIL) {
        assert_int_equal(real->type, REDIS_NIL);
    } else if (model->kind == CLAIM_ANSWER_TEXT) {
        assert_int_equal(real->type, REDIS_TEXT);
        assert_true(bytes_equal(real->text, model->text));
    } else {
        assert_int_equal(real->type, REDIS_ARRAY);
        assert_true(bytes_equal(real->elements[0]->text, model->tag));
        if (model->text.size > 0)
            assert_true(bytes_equal(real->elements[1]->text, model->text));
        else if (bytes_equal(model->tag, BYTES("BUSY")))
            assert_int_equal(real->elements[1]->type, REDIS_INTEGER);
        else
            assert_int_equal(real->element_count, 1);
    }
}

static void the_model_answers_as_redis_does(void **state)
{
    struct redis_sync *redis = fresh(state);
    uint64_t seed = 7;
    struct redis_model model = {.now_ms = 1800000000000};
    for (uint32_t i = 0; i < 20000; i++) {
        struct claim_command c;
        struct redis_model_answer answer;
        char texts[2][256], standing[CLAIM_VALUE_MAX];
        memcpy(standing, model.value, model.size);
        if (prng_upto(&seed, 20) == 0) {
            ASK(redis, BYTES("DEL"), KEY);
            model.size = 0;
        }
        random_command(&seed, (struct bytes){standing, model.size}, &c, texts);
        redis_model_run(&model, &c, &answer);
        same_answer(redis_ask(redis, c.arg, c.arg_count), &answer.answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_taken_over_only_as_it_was_seen),
        cmocka_unit_test(a_takeover_waits_for_the_skew),
        cmocka_unit_test(a_swap_replaces_or_deletes_what_was_seen),
        cmocka_unit_test(a_late_settle_counts_what_it_finds),
        cmocka_unit_test(what_is_written_again_never_covers_what_is_newer),
        cmocka_unit_test(slots_follow_one_another_at_the_interval),
        cmocka_unit_test(a_clock_that_went_back_costs_what_an_unknown_route_does),
        cmocka_unit_test(a_cool_route_grants_nothing_and_only_cools_longer),
        cmocka_unit_test(a_piece_is_replaced_only_by_a_higher_offset),
        cmocka_unit_test(what_a_bookings_record_does_not_say_stays),
        cmocka_unit_test(a_confirmation_belongs_to_its_revision),
        cmocka_unit_test(a_cap_counts_others_in_the_window_that_ends_now),
        cmocka_unit_test(a_cap_never_counts_the_event_itself),
        cmocka_unit_test(every_cap_must_let_it_pass),
        cmocka_unit_test(functions_tell_their_version),
        cmocka_unit_test(a_worker_may_do_its_work_and_nothing_else),
        cmocka_unit_test(the_model_answers_as_redis_does),
    };
    return cmocka_run_group_tests(tests, redis_world_open, redis_world_close);
}
