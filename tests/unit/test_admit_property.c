/* Admission, whatever claims and state it finds: what must hold of every leg. */
#include "admit_world.h"
#include "base/prng.h"

enum found {
    FOUND_NOTHING,
    FOUND_OWN_SENT,
    FOUND_OWN_AMBIGUOUS,
    FOUND_OWN_DEAD,  /* its worker died in mid-send */
    FOUND_OWN_GIVEN, /* given back */
    FOUND_OWN_FORCE,
    FOUND_OTHERS_SENT,
    FOUND_OTHERS_FORCE,
    FOUND_COUNT
};

static void set_found(struct admit_world *w, struct event *event, Carillon__V1__Channel channel,
                      const char *address, enum found found)
{
    const struct bytes others = BYTES("other|topic/0/1");
    int64_t now_ms = w->stage.now.ms;
    static const enum claim_kind kinds[FOUND_COUNT] = {
        CLAIM_NOTHING, CLAIM_SENT,    CLAIM_AMBIGUOUS, CLAIM_CLAIMED,
        CLAIM_CLAIMED, CLAIM_CLAIMED, CLAIM_SENT,      CLAIM_CLAIMED,
    };
    const int64_t times[FOUND_COUNT] = {0, now_ms,        now_ms, now_ms - 9000,
                                        0, now_ms + 9000, now_ms, now_ms + 9000};
    const char *text = kinds[found] == CLAIM_SENT        ? "SM1"
                       : kinds[found] == CLAIM_AMBIGUOUS ? "no_answer"
                                                         : "";
    if (found != FOUND_NOTHING)
        set_claim(w, event, channel, address, kinds[found],
                  found >= FOUND_OTHERS_SENT ? others : event->own, times[found], text);
}

static bool is_own_kind(struct admit_world *w, struct event *event, Carillon__V1__Channel channel,
                        const char *address, enum claim_kind kind, uint64_t *nonce)
{
    struct claim_value value;
    struct bytes at = claim_at(w, event, channel, address);
    bool own = at.size > 0 && claim_parse_value(at, &value) && value.kind == kind &&
               bytes_equal(value.own, event->own);
    *nonce = own ? value.nonce : 0;
    return own;
}

static uint32_t jobs_on(const struct list *jobs, Carillon__V1__Channel channel)
{
    uint32_t count = 0;
    for (const struct list_node *n = jobs->first; n; n = n->next) {
        const struct job *job = container_of(n, struct job, node);
        count += job->leg && job->leg->channel == channel;
    }
    return count;
}

/* What must hold of a channel, whatever was found there at first. */
static void check_channel(struct admit_world *w, struct event *event, Carillon__V1__Channel channel,
                          const char *address, enum found found)
{
    uint64_t nonce;
    struct job *job = job_on(event, channel);
    bool ready = job && job->node.owner == &w->ready;
    assert_true(jobs_on(&w->ready, channel) + jobs_on(&w->done, channel) <= 1);
    bool claimed = is_own_kind(w, event, channel, address, CLAIM_CLAIMED, &nonce);
    if (ready) /* its claim stands */
        assert_true(claimed && nonce == job->claim.nonce);
    else if (claimed) /* nothing that was taken is left behind */
        assert_int_equal(nonce, 77);
    if (found == FOUND_OWN_SENT) { /* told as it was */
        assert_true(job && job->node.owner == &w->done);
        assert_int_equal(job->end.outcome, OUTCOME(SENT));
        assert_true(job->end.replay);
    }
    if (found == FOUND_OWN_AMBIGUOUS)
        assert_int_equal(job->end.outcome, OUTCOME(AMBIGUOUS));
    if (found == FOUND_OWN_DEAD) /* sent perhaps: never told as if it had not been */
        assert_true(ready ? job->claim.risk > 0 : job->end.outcome == OUTCOME(AMBIGUOUS));
    if (found == FOUND_OTHERS_SENT && job && job->node.owner == &w->done)
        assert_int_not_equal(job->end.outcome, OUTCOME(SENT));
}

static struct event *random_event(struct admit_world *w, uint64_t *random, uint32_t i,
                                  char number[16], char address[32])
{
    static const char *const more[] = {
        "\"kind\":\"receipt\"",
        "\"kind\":\"receipt\",\"channel\":\"email\"",
        "\"kind\":\"receipt\",\"due_at\":\"2026-01-01T00:00:00Z\","
        "\"created_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":\"2026-01-02T00:00:00Z\"",
        "\"kind\":\"feedback_reply\",\"author\":{\"role\":\"owner\"},\"content\":{\"text\":\"x\"}",
        "\"kind\":\"feedback_reply\",\"author\":{\"role\":\"owner\"},\"content\":{\"text\":\"x\"},"
        "\"channel\":\"email\"",
    };
    char json[512];
    snprintf(number, 16, "+3361%07u", (unsigned)i);
    snprintf(address, 32, "a%u@b.example", (unsigned)i);
    snprintf(json, sizeof json,
             "{\"event_id\":\"%u\",\"tenant_id\":\"t\",\"customer_id\":\"c%u\",%s,"
             "\"recipient\":{\"sms\":\"%s\",\"email\":\"%s\"}}",
             (unsigned)i, (unsigned)i, more[prng_upto(random, countof(more))], number, address);
    if (prng_upto(random, 3) == 0)
        put_recipient(w, "t", number, "{\"opted_out\":true,\"reply_allowed\":true}");
    if (prng_upto(random, 3) == 0)
        put_recipient(w, "t", address, "{\"last_channel\":\"email\",\"reply_allowed\":true}");
    if (prng_upto(random, 5) == 0) {
        char customer[16];
        snprintf(customer, sizeof customer, "c%u", (unsigned)i);
        put_recipient(w, "*", customer, "{\"blocked\":true}");
    }
    return judged(w, json);
}

/* Claims in force end while they are waited for. */
static void end_in_force(struct admit_world *w, struct event *event, Carillon__V1__Channel channel,
                         const char *address, enum found *found)
{
    if (*found != FOUND_OWN_FORCE && *found != FOUND_OTHERS_FORCE)
        return;
    *found = *found == FOUND_OWN_FORCE ? FOUND_OWN_SENT : FOUND_OTHERS_SENT;
    set_found(w, event, channel, address, *found);
}

static void whatever_is_found_every_leg_is_told_or_sent_once(void **state)
{
    struct admit_world *w = *state;
    uint64_t random = 20261124;
    put_tenant(w, "3", "{\"tenant_id\":\"t\",\"verified\":true}");
    for (uint32_t i = 0; i < 400; i++) {
        char number[16], address[32];
        struct event *event = random_event(w, &random, i, number, address);
        enum found sms = (enum found)prng_upto(&random, FOUND_COUNT);
        enum found email = (enum found)prng_upto(&random, FOUND_COUNT);
        set_found(w, event, SMS, number, sms);
        set_found(w, event, EMAIL, address, email);
        admit(w);
        if (w->again.count > 0) {
            end_in_force(w, event, SMS, number, &sms);
            end_in_force(w, event, EMAIL, address, &email);
        }
        for (uint32_t round = 0; round < 4 && w->again.count > 0; round++)
            admit_again(w);
        assert_int_equal(w->again.count + w->rejudge.count, 0);
        assert_int_equal(w->ready.count + w->done.count, event->jobs_open);
        check_channel(w, event, SMS, number, sms);
        check_channel(w, event, EMAIL, address, email);
        close_list(w, &w->ready);
        close_list(w, &w->done);
        assert_int_equal(jobs_in_hand(&w->stage.jobs), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whatever_is_found_every_leg_is_told_or_sent_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
