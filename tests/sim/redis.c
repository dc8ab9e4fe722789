/* Redis in memory: what the engine asks of it, a command in flight for a while in each
 * direction. The claim's functions are the unit tests' model; `reserve` and `cool` are written
 * after their Lua text. Counters that no decision reads are answered and not kept. */
#include "sim.h"

#include "domain/redis_functions.h"
#include "domain/state_key.h"
#include "unit/redis_model.h"

#include <stdlib.h>

enum { PENDING_MAX = 8192, ARGUMENTS_MAX = 4096, BUCKETS = 65536, TRIP_LEAST_NS = 100000 };
enum { TRIP_MORE_NS = 900000, SLOW_ONE_IN = 200, SLOW_NS = 40000000 };

/* --- keys ---------------------------------------------------------------------------------- */

struct key {
    struct key *next;
    int64_t expires_ms; /* of Redis's clock; 0: never */
    struct bytes name, value;
};

static struct key *buckets[BUCKETS];
static struct bytes recipients; /* what r1 holds, whoever it is; size 0: nothing */

static struct bytes copy_of(struct bytes b)
{
    char *at = malloc(b.size + 1);
    CHECK(at);
    if (b.size > 0)
        memcpy(at, b.at, b.size);
    return (struct bytes){at, b.size};
}

static void free_bytes(struct bytes b)
{
    free((char *)(uintptr_t)b.at);
}

static struct key **place_of(struct bytes name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.size; i++)
        hash = (hash ^ (unsigned char)name.at[i]) * UINT64_C(1099511628211);
    struct key **at = &buckets[hash % BUCKETS];
    int64_t now_ms = sim_server_ms();
    while (*at && !bytes_equal((*at)->name, name)) {
        struct key *k = *at;
        if (k->expires_ms == 0 || k->expires_ms > now_ms) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        free_bytes(k->name);
        free_bytes(k->value);
        free(k);
    }
    return at;
}

static struct key *find(struct bytes name)
{
    struct key *k = *place_of(name);
    return k && (k->expires_ms == 0 || k->expires_ms > sim_server_ms()) ? k : NULL;
}

static struct bytes get(struct bytes name)
{
    if (recipients.size > 0 && name.size > 3 && memcmp(name.at, "r1:", 3) == 0)
        return recipients;
    struct key *k = find(name);
    return k ? k->value : (struct bytes){0};
}

static void set(struct bytes name, struct bytes value, int64_t ttl_ms)
{
    struct key **at = place_of(name), *k = *at;
    if (!k) {
        k = *at = calloc(1, sizeof *k);
        CHECK(k);
        k->name = copy_of(name);
    }
    struct bytes old = k->value;
    k->value = copy_of(value);
    k->expires_ms = ttl_ms > 0 ? sim_server_ms() + ttl_ms : 0;
    free_bytes(old);
}

static void delete (struct bytes name)
{
    struct key **at = place_of(name), *k = *at;
    if (!k)
        return;
    *at = k->next;
    free_bytes(k->name);
    free_bytes(k->value);
    free(k);
}

void sim_redis_keep(struct bytes key, struct bytes value)
{
    if (bytes_equal(key, BYTES("r1:"))) {
        free_bytes(recipients);
        recipients = copy_of(value);
    } else {
        set(key, value, 0);
    }
}

/* --- replies -------------------------------------------------------------------------------- */

struct answer {
    struct redis_reply is, elements[ARGUMENTS_MAX];
    char text[1024 * 1024];
    struct writer w;
};
static struct answer answer;

static struct redis_reply text_of(struct bytes text)
{
    if (!text.at)
        return (struct redis_reply){.type = REDIS_NIL};
    struct bytes kept = {answer.w.at + answer.w.size, text.size};
    write_slice(&answer.w, text);
    CHECK(!answer.w.overflow);
    return (struct redis_reply){.type = REDIS_TEXT, .text = kept};
}

static struct redis_reply number_of(int64_t n)
{
    return (struct redis_reply){.type = REDIS_INTEGER, .integer = n};
}

static struct redis_reply digits_of(int64_t n)
{
    char text[24];
    struct writer w = writer_of(text, sizeof text);
    write_i64(&w, n);
    return text_of(writer_bytes(&w));
}

static void add(struct redis_reply element)
{
    CHECK(answer.is.element_count < ARGUMENTS_MAX);
    answer.elements[answer.is.element_count++] = element;
    answer.is.type = REDIS_ARRAY;
}

/* --- commands ------------------------------------------------------------------------------- */

static bool is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of(text));
}

/* The functions of a claim; `a`: the key and its arguments. */
static void run_claim(struct bytes name, const struct bytes *a)
{
    static struct redis_model model;
    static struct redis_model_answer out;
    struct bytes was = get(a[0]);
    CHECK(was.size <= sizeof model.value);
    model = (struct redis_model){.now_ms = sim_server_ms(), .expires_ms = INT64_MAX};
    model.size = (uint32_t)was.size;
    if (was.size > 0)
        memcpy(model.value, was.at, was.size);
    memset(&out.answer, 0, sizeof out.answer);
    if (is(name, "takeover"))
        model_takeover(&model, a + 1, &out);
    else if (is(name, "swap"))
        model_swap(&model, a + 1, &out);
    else if (is(name, "settle"))
        model_settle(&model, a + 1, &out);
    else
        model_restore(&model, a + 1, &out);
    add(text_of(out.answer.tag));
    if (is(out.answer.tag, "BUSY"))
        add(number_of(out.answer.number));
    else if (out.answer.text.size > 0)
        add(text_of(out.answer.text));
    if (model.size == 0)
        delete (a[0]);
    else if (model.expires_ms != INT64_MAX)
        set(a[0], (struct bytes){model.value, model.size}, model.expires_ms - model.now_ms);
}

/* After the Lua text. */
static void run_reserve(const struct bytes *a)
{
    int64_t now = sim_server_ns() / 1000, every = model_integer(a[2]), n = model_integer(a[3]);
    int64_t ahead = model_integer(a[4]);
    struct bytes cooling = get(a[1]), value = get(a[0]);
    int64_t cool = cooling.size ? model_integer(cooling) : 0;
    if (cool > now) {
        add(number_of(0));
        add(number_of(cool - now));
        add(digits_of(now));
        return;
    }
    int64_t learnt = now + ahead + every, next = value.size ? model_integer(value) : learnt;
    if (next > learnt + ahead + every + 1000000) {
        value.size = 0;
        next = learnt;
    }
    if (next < now)
        next = now;
    int64_t room = next <= now + ahead ? (now + ahead - next) / every + 1 : 0;
    n = i64_min(n, room);
    if (n > 0 || !value.size) {
        char text[24];
        struct writer w = writer_of(text, sizeof text);
        write_i64(&w, next + n * every);
        set(a[0], writer_bytes(&w), (next + n * every - now) / 1000 + 60000);
    }
    add(number_of(n < 1 ? 0 : n));
    add(n < 1 ? number_of(next - now - ahead) : digits_of(next));
    add(digits_of(now));
}

static void run_cool(const struct bytes *a)
{
    int64_t now = sim_server_ns() / 1000, until = model_integer(a[1]);
    struct bytes value = get(a[0]);
    bool later = until > now && (!value.size || until > model_integer(value));
    if (later)
        set(a[0], a[1], (until - now) / 1000 + 1);
    answer.is = number_of(later);
}

static void run_function(const struct bytes *a)
{
    if (is(a[1], "version"))
        answer.is = number_of(REDIS_FUNCTIONS_VERSION);
    else if (is(a[1], "reserve"))
        run_reserve(a + 3);
    else if (is(a[1], "cool"))
        run_cool(a + 3);
    else
        run_claim(a[1], a + 3);
}

/* SET key value [NX] [GET] [PX ttl] */
static void run_set(const struct bytes *a, uint32_t count)
{
    bool only_new = false, tells = false;
    int64_t ttl_ms = 0;
    for (uint32_t i = 3; i < count; i++) {
        only_new |= is(a[i], "NX");
        tells |= is(a[i], "GET");
        if (is(a[i], "PX"))
            ttl_ms = model_integer(a[i + 1]);
    }
    struct bytes was = get(a[1]);
    if (tells)
        answer.is = text_of(was);
    else
        answer.is = (struct redis_reply){.type = only_new && was.at ? REDIS_NIL : REDIS_STATUS};
    if (!only_new || !was.at)
        set(a[1], a[2], ttl_ms);
}

static void run_info(void)
{
    static const char info[] = "# Server\r\nrun_id:0123456789012345678901234567890123456789\r\n"
                               "uptime_in_seconds:100000\r\n";
    answer.is = text_of(bytes_of(info));
}

static void run_time(void)
{
    int64_t now = sim_server_ns() / 1000;
    add(digits_of(now / 1000000));
    add(digits_of(now % 1000000));
    sim.samples++;
}

static void run(const struct bytes *a, uint32_t count)
{
    answer.is = (struct redis_reply){.type = REDIS_NIL};
    answer.w = writer_of(answer.text, sizeof answer.text);
    if (is(a[0], "FCALL"))
        run_function(a);
    else if (is(a[0], "GET"))
        answer.is = text_of(get(a[1]));
    else if (is(a[0], "SET"))
        run_set(a, count);
    else if (is(a[0], "MGET"))
        for (uint32_t i = 1; i < count; i++)
            add(text_of(get(a[i])));
    else if (is(a[0], "INFO"))
        run_info();
    else if (is(a[0], "TIME"))
        run_time();
    else if (is(a[0], "HINCRBY") || is(a[0], "PEXPIREAT"))
        answer.is = number_of(1);
    else
        check_failed("a command that the simulation knows", __FILE__, __LINE__);
}

/* --- in flight ------------------------------------------------------------------------------ */

struct command {
    struct redis_waiter *waiter;
    uint32_t index, count;
    struct bytes *arguments; /* with what they point to */
    int64_t run_ns, done_ns; /* once it left */
    struct redis_reply is;   /* once it ran */
    struct redis_reply *reply;
};

struct redis {
    struct command *pending[PENDING_MAX];
    uint32_t first, count, left, ran; /* of them have left; have run */
    int64_t last_ns;                  /* answers come in order */
    bool open;
};
static struct redis the_redis;

struct redis *redis_open(struct loop *loop, const struct redis_options *options)
{
    (void)loop, (void)options;
    the_redis.open = true;
    return &the_redis;
}

uint32_t redis_generation(const struct redis *redis)
{
    return redis->open ? 1 : 0;
}

const char *redis_away(const struct redis *redis, uint64_t *since_ns)
{
    (void)redis, (void)since_ns;
    return NULL;
}

uint32_t redis_room(const struct redis *redis)
{
    return 4096 > redis->count ? 4096 - redis->count : 0;
}

size_t redis_room_bytes(const struct redis *redis)
{
    (void)redis;
    return 1024 * 1024;
}

struct redis_stats redis_stats(const struct redis *redis)
{
    return (struct redis_stats){.pending = redis->count, .connects = 1};
}

void redis_command(struct redis *redis, const struct bytes *arguments, uint32_t count,
                   struct redis_waiter *waiter, uint32_t index)
{
    struct command *c = calloc(1, sizeof *c);
    size_t size = count * sizeof *arguments;
    CHECK(c && count <= ARGUMENTS_MAX && redis->count < PENDING_MAX);
    for (uint32_t i = 0; i < count; i++)
        size += arguments[i].size;
    c->arguments = malloc(size);
    CHECK(c->arguments);
    char *at = (char *)(c->arguments + count);
    for (uint32_t i = 0; i < count; i++) {
        c->arguments[i] = (struct bytes){at, arguments[i].size};
        if (arguments[i].size > 0)
            memcpy(at, arguments[i].at, arguments[i].size);
        at += arguments[i].size;
    }
    c->count = count;
    c->waiter = waiter;
    c->index = index;
    redis->pending[(redis->first + redis->count++) % PENDING_MAX] = c;
}

static struct {
    struct bytes arguments[ARGUMENTS_MAX];
    uint32_t count;
    char text[1024 * 1024];
    struct writer w;
} making;

void redis_begin(struct redis *redis, uint32_t count)
{
    (void)redis;
    CHECK(count <= ARGUMENTS_MAX);
    making.count = 0;
    making.w = writer_of(making.text, sizeof making.text);
}

void redis_argument(struct redis *redis, struct bytes argument)
{
    (void)redis;
    making.arguments[making.count++] = (struct bytes){making.text + making.w.size, argument.size};
    write_slice(&making.w, argument);
    CHECK(!making.w.overflow);
}

/* Each is $SIZE, its bytes, and a line's end behind both. */
void redis_arguments(struct redis *redis, struct bytes written, uint32_t count)
{
    const char *at = written.at;
    for (uint32_t i = 0; i < count; i++) {
        char *text;
        CHECK(*at == '$');
        size_t size = strtoul(at + 1, &text, 10);
        redis_argument(redis, (struct bytes){text + 2, size});
        at = text + 2 + size + 2;
    }
    CHECK(at == written.at + written.size);
}

void redis_end(struct redis *redis, struct redis_waiter *waiter, uint32_t index)
{
    redis_command(redis, making.arguments, making.count, waiter, index);
}

static void free_command(struct command *c)
{
    free(c->arguments);
    free(c->reply);
    free(c);
}

void redis_close(struct redis *redis)
{
    redis->open = false;
    sim_redis_forget();
}

void sim_redis_flush(void)
{
    struct redis *r = &the_redis;
    int64_t there_ns = TRIP_LEAST_NS + (int64_t)sim_random(TRIP_MORE_NS);
    int64_t back_ns = TRIP_LEAST_NS + (int64_t)sim_random(TRIP_MORE_NS);
    if (sim_random(SLOW_ONE_IN) == 0)
        there_ns += SLOW_NS;
    if (sim_random(SLOW_ONE_IN) == 0)
        back_ns += SLOW_NS;
    for (; r->left < r->count; r->left++) {
        struct command *c = r->pending[(r->first + r->left) % PENDING_MAX];
        c->run_ns = sim.true_ns + there_ns;
        c->done_ns = r->last_ns = i64_max(r->last_ns, c->run_ns + back_ns);
    }
}

/* The reply, out of the one answer that is used for all: elements, pointers to them, texts. */
static void keep_reply(struct command *c)
{
    size_t count = answer.is.element_count, texts = answer.w.size;
    struct redis_reply *elements =
        malloc(count * (sizeof *elements + sizeof(struct redis_reply *)) + texts + 1);
    CHECK(elements);
    struct redis_reply **pointers = (struct redis_reply **)(elements + count);
    char *text = (char *)(pointers + count);
    memcpy(text, answer.text, texts);
    c->reply = elements;
    c->is = answer.is;
    c->is.elements = pointers;
    if (c->is.text.at)
        c->is.text.at = text + (c->is.text.at - answer.text);
    for (size_t i = 0; i < count; i++) {
        elements[i] = answer.elements[i];
        pointers[i] = &elements[i];
        if (elements[i].text.at)
            elements[i].text.at = text + (elements[i].text.at - answer.text);
    }
}

static void run_due(struct redis *r)
{
    for (; r->ran < r->left; r->ran++) {
        struct command *c = r->pending[(r->first + r->ran) % PENDING_MAX];
        if (c->run_ns > sim.true_ns)
            return;
        run(c->arguments, c->count);
        keep_reply(c);
    }
}

void sim_redis_run(void)
{
    struct redis *r = &the_redis;
    run_due(r);
    while (r->ran > 0 && r->pending[r->first]->done_ns <= sim.true_ns) {
        struct command *c = r->pending[r->first];
        r->first = (r->first + 1) % PENDING_MAX;
        r->count--;
        r->left--;
        r->ran--;
        c->waiter->done(c->waiter, c->index, &c->is);
        free_command(c);
    }
}

int64_t sim_redis_next_ns(void)
{
    const struct redis *r = &the_redis;
    int64_t next = INT64_MAX;
    if (r->left > 0)
        next = r->pending[r->first]->done_ns;
    if (r->ran < r->left)
        next = i64_min(next, r->pending[(r->first + r->ran) % PENDING_MAX]->run_ns);
    return next;
}

void sim_redis_forget(void)
{
    struct redis *r = &the_redis;
    for (uint32_t i = 0; i < r->count; i++)
        free_command(r->pending[(r->first + i) % PENDING_MAX]);
    r->count = r->left = r->ran = 0;
    r->last_ns = 0;
}

void sim_redis_free(void)
{
    sim_redis_forget();
    for (uint32_t i = 0; i < BUCKETS; i++)
        while (buckets[i])
            delete (buckets[i]->name);
    free_bytes(recipients);
    recipients = (struct bytes){0};
}
