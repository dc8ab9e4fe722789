#include "stage/send.h"

#include "base/clock.h"
#include "base/prng.h"
#include "domain/kinds.h"

#include <stdlib.h>

enum { STATE_AGE_MS = 900 }; /* since it was asked for: a change is in force within 1 s */

static void on_cooled(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    (void)waiter, (void)index, (void)reply; /* lost: this shard keeps to it all the same */
}

bool send_init(struct send *send, const struct send_options *options)
{
    *send = (struct send){.options = *options, .random = options->seed, .cooled = {on_cooled}};
    for (uint32_t i = 0; i < options->routes->account_count; i++)
        send->calls_max += options->routes->accounts[i].in_flight_max;
    send->calls = calloc(send->calls_max + 1, sizeof *send->calls);
    send->scratch = malloc(options->request_max);
    if (!send->calls || !send->scratch) {
        send_deinit(send);
        return false;
    }
    for (uint32_t i = 0; i < send->calls_max; i++)
        list_push(&send->free, &send->calls[i].node);
    return true;
}

void send_deinit(struct send *send)
{
    free(send->calls);
    free(send->scratch);
    *send = (struct send){0};
}

void send_put(struct send *send, struct list *ready)
{
    for (struct list_node *n = list_pop(ready); n; n = list_pop(ready)) {
        struct job *job = job_of(n);
        CHECK(job->claim.held && job->route != NULL);
        job_enter(send->options.jobs, job, JOB_SENDING);
        list_push(&job->route->ready, &job->node);
    }
}

/* Doubles with each wait of the job, with half of it random. */
static uint64_t backoff_ns(struct send *send, struct job *job)
{
    uint32_t doubled = job->retries < 20 ? job->retries : 20;
    uint64_t most_ms =
        u64_min(send->options.retry_least_ms << doubled, send->options.retry_most_ms);
    job->retries++;
    return (most_ms / 2 + prng_upto(&send->random, most_ms / 2 + 1)) * NS_PER_MS;
}

static void wait_until(struct job *job, uint64_t due_ns, struct list *out)
{
    job->due_ns = due_ns;
    route_unpromise(job);
    list_push(out, &job->node);
}

/* --- starting ------------------------------------------------------------------------ */

static const char *variable(const Carillon__V1__Event *event, const char *name)
{
    for (size_t i = 0; i < event->n_variables; i++)
        if (strcmp(event->variables[i]->key, name) == 0)
            return event->variables[i]->value;
    return NULL;
}

static void values_of(struct job *job, int64_t now_ms, struct adapter_values *v)
{
    const struct judge_case *c = &job->event->judged;
    const struct leg *leg = job->leg;
    const struct route *route = job->route;
    const struct tenant_sender *sender = tenant_sender_of(c->tenant, leg->channel);
    *v = (struct adapter_values){.now_ms = now_ms, .expires_ms = c->expires_ms};
    v->at[VALUE_LEG] = job_leg_id(job);
    v->at[VALUE_TO] = leg->address;
    v->at[VALUE_FROM] = sender && sender->from.size ? sender->from : route->from;
    v->at[VALUE_FROM_NAME] = sender && sender->name.size ? sender->name : route->from_name;
    v->at[VALUE_REPLY_TO] = sender && sender->reply_to.size ? sender->reply_to : route->reply_to;
    v->at[VALUE_TO_NAME] = bytes_of(c->event->recipient ? c->event->recipient->name : NULL);
    v->at[VALUE_SUBJECT] = leg->subject;
    v->at[VALUE_TEXT] = leg->text;
    v->at[VALUE_HTML] = leg->html;
    v->at[VALUE_EVENT] = bytes_of(c->event->event_id);
    v->at[VALUE_TENANT] = bytes_of(c->event->tenant_id);
    v->at[VALUE_KIND] = bytes_of(c->kind->name);
    v->at[VALUE_CLASS] = bytes_of(class_name(c->kind->class));
    v->at[VALUE_CHANNEL] = bytes_of(channel_name(leg->channel));
    v->at[VALUE_LOCALE] = bytes_of(c->event->locale);
    v->at[VALUE_TRACEPARENT] = bytes_of(c->event->traceparent);
    if (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS)
        v->at[VALUE_ENCODING] =
            leg->encoding == CARILLON__V1__ENCODING__ENCODING_UCS2 ? BYTES("ucs2") : BYTES("gsm7");
    if (c->kind->class == CARILLON__V1__CLASS__CLASS_MARKETING)
        v->at[VALUE_UNSUBSCRIBE_URL] = bytes_of(variable(c->event, "unsubscribe_url"));
    if (leg->channel == CARILLON__V1__CHANNEL__CHANNEL_SMS)
        for (size_t i = 0; i < c->event->n_attachments && i < ADAPTER_MEDIA_MAX; i++)
            v->media[v->media_count++] = bytes_of(c->event->attachments[i]->url);
}

static enum err render(struct send *send, struct job *job, int64_t now_ms,
                       struct http_request *request, const char **field)
{
    struct adapter_values values;
    values_of(job, now_ms, &values);
    struct arena arena = arena_of(send->scratch, send->options.request_max);
    return adapter_render(job->route->account->adapter, &values, &arena, request, field);
}

/* Called by http while it drains completions. The verdict is made in send_take. */
static void on_done(struct http_call *http)
{
    struct call *call = container_of(http, struct call, http);
    list_push(&call->send->answered, &call->node);
    job_fetch(call->job);
}

/* When every limit of the route holds the slots of this job. */
static uint64_t slots_ready_ns(struct job *job, uint64_t now_ns)
{
    uint64_t when_ns = 0;
    for (uint32_t i = 0; i < job->route->limit_count; i++)
        when_ns = u64_max(when_ns,
                          slots_when_ns(&job->route->limits[i]->slots, route_units(job), now_ns));
    return when_ns;
}

static void fail(struct job *job, enum reason reason, const char *detail)
{
    job->end.outcome = claim_doubtful(&job->claim)
                           ? CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS
                           : CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_FAILED;
    job->end.reason = claim_doubtful(&job->claim) ? REASON_NO_ANSWER : reason;
    job->end.detail = detail;
}

/* A value of the event would have left its place in the request; or it is too large. */
static void cannot_be_rendered(struct job *job, const char *field)
{
    if (!field) {
        fail(job, REASON_BAD_REQUEST, "content");
        return;
    }
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD;
    job->end.reason = REASON_MALFORMED;
    job->end.detail = field;
}

/* False: no connection is ready after all. */
static bool start(struct send *send, struct job *job, uint64_t slot_ns, uint64_t now_ns,
                  struct list *done)
{
    struct route *route = job->route;
    struct call *call = container_of(send->free.first, struct call, node);
    const char *field = NULL;
    int64_t now_ms = claims_now_ms(send->options.claims, now_ns);
    enum err err = render(send, job, now_ms, &send->request, &field);
    if (err == ERR_OK) {
        call->http.origin = route->account->origin;
        call->http.request = &send->request;
        call->http.deadline_ns = now_ns + send->options.request_deadline_ns;
        call->http.done = on_done;
        err = http_start(&call->http);
    }
    if (err == ERR_AGAIN)
        return false;
    list_remove(&route->ready, &job->node);
    if (err != ERR_OK) {
        route_unpromise(job);
        cannot_be_rendered(job, field);
        list_push(done, &job->node);
        return true;
    }
    for (uint32_t i = 0; i < route->limit_count; i++)
        slots_use(&route->limits[i]->slots, route_units(job));
    metric_add(send->options.metrics, METRIC_SLOTS_USED, 0, 0, route_units(job));
    route_unpromise(job);
    claim_left(&job->claim);
    list_remove(&send->free, &call->node);
    call->send = send;
    call->job = job;
    call->slot_ns = slot_ns;
    job->call = call;
    route->account->in_flight++;
    return true;
}

static bool is_stale(const struct send *send, const struct job *job, uint64_t now_ns)
{
    int64_t now_ms = claims_now_ms(send->options.claims, now_ns);
    return job->claim.state != CLAIM_MINE || /* not written again after a loss of Redis */
           now_ns > job->admitted_ns + send->options.check_ttl_ns ||
           now_ns > job->asked_ns + STATE_AGE_MS * NS_PER_MS || now_ms >= job->claim.start_by_ms ||
           now_ms >= job->event->judged.expires_ms;
}

/* The origin cannot be reached: nothing is claimed for it until it is tried again. */
static void close_if_unreachable(struct route *route)
{
    struct http_origin_stats stats = http_origin_stats(route->account->origin);
    if (stats.ready + stats.busy == 0 && stats.retry_ns > 0)
        route_close(route, stats.retry_ns, REASON_BREAKER);
}

/* Takes out a job that is not to be started now; false: it is. Behind a closed route a
 * claim would outlive its lease, so it is given back. */
static bool sent_back(struct send *send, struct route *route, struct job *job, uint64_t now_ns,
                      struct list *again, struct list *release)
{
    bool stale = is_stale(send, job, now_ns);
    if (stale)
        close_if_unreachable(route);
    bool closed = route->closed_until_ns > now_ns;
    if (!stale && !closed)
        return false;
    list_remove(&route->ready, &job->node);
    wait_until(job, closed ? route->closed_until_ns : now_ns,
               closed && job->claim.state == CLAIM_MINE ? release : again);
    return true;
}

static void start_of_route(struct send *send, struct route *route, uint64_t now_ns,
                           struct list *again, struct list *release, struct list *done)
{
    struct account *account = route->account;
    if (account->promised > 0)
        http_want(account->origin, account->promised);
    while (route->ready.count > 0) {
        struct job *job = job_of(route->ready.first);
        if (sent_back(send, route, job, now_ns, again, release))
            continue;
        if (send->free.count == 0 || account->in_flight >= account->in_flight_max ||
            http_ready(account->origin) == 0)
            break;
        uint64_t when_ns = slots_ready_ns(job, now_ns);
        if (when_ns > now_ns) {
            send->next_ns = u64_min(send->next_ns, when_ns);
            break;
        }
        if (!start(send, job, when_ns, now_ns, done))
            break;
    }
    if (route->ready.count > 0) /* looked at again, at the latest when it is stale */
        send->next_ns = u64_min(send->next_ns, now_ns + 50 * NS_PER_MS);
}

void send_start(struct send *send, uint64_t now_ns, struct list *again, struct list *release,
                struct list *done)
{
    send->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < send->options.routes->count; i++)
        start_of_route(send, &send->options.routes->all[i], now_ns, again, release, done);
}

uint64_t send_next_ns(const struct send *send)
{
    return send->answered.count > 0 ? 0 : send->next_ns;
}

/* --- answers ------------------------------------------------------------------------- */

/* Nobody claims on this route before then. */
static void tell_fleet(struct send *send, const struct route *route, uint64_t now_ns,
                       uint64_t for_ns)
{
    if (route->limit_count == 0 || redis_room(send->options.redis) == 0)
        return;
    char until[24];
    struct writer w = writer_of(until, sizeof until);
    write_u64(&w, (uint64_t)claims_now_ms(send->options.claims, now_ns) * 1000 + for_ns / 1000);
    const struct bytes command[] = {BYTES("FCALL"), BYTES("cool"), BYTES("1"),
                                    bytes_of(route->limits[0]->cool_key), writer_bytes(&w)};
    redis_command(send->options.redis, command, countof(command), &send->cooled, 0);
}

static void accepted(struct send *send, struct job *job, const struct adapter_answer *answer,
                     uint64_t now_ns)
{
    const struct judge_case *c = &job->event->judged;
    struct bytes id = bytes_of(answer->id);
    const char *copy = arena_copy(&job->event->arena, id);
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT;
    job->end.provider_message_id = copy ? (struct bytes){copy, id.size} : (struct bytes){0};
    int64_t since_ms = i64_max(c->record_ms, c->due_ms);
    int64_t took_ms = claims_now_ms(send->options.claims, now_ns) - since_ms;
    metric_observe_us(send->options.metrics, METRIC_END_TO_END, job->leg->channel,
                      took_ms > 0 ? (uint64_t)took_ms * 1000 : 0);
}

/* Temporary or throttled: not accepted. */
static void try_later(struct send *send, struct job *job, const struct adapter_answer *answer,
                      uint64_t now_ns, struct list *done, struct list *release)
{
    if (job->claim.attempts >= send->options.max_attempts) {
        fail(job, REASON_ATTEMPTS_EXHAUSTED, NULL);
        list_push(done, &job->node);
        return;
    }
    uint64_t delay_ns = backoff_ns(send, job);
    if (answer->retry_after_ms >= 0)
        delay_ns = u64_min(u64_max(delay_ns, (uint64_t)answer->retry_after_ms * NS_PER_MS),
                           3600 * NS_PER_S);
    if (answer->verdict == VERDICT_THROTTLED) {
        route_close(job->route, now_ns + delay_ns, REASON_COOL_DOWN);
        tell_fleet(send, job->route, now_ns, delay_ns);
    }
    wait_until(job, now_ns + delay_ns, release);
}

/* The sender is refused, not the recipient: the route waits, nothing fails. */
static void sender_refused(struct send *send, struct job *job, uint64_t now_ns,
                           struct list *release)
{
    uint64_t for_ns = route_break(job->route, now_ns);
    if (for_ns > 0)
        tell_fleet(send, job->route, now_ns, for_ns);
    job->claim.attempts--; /* max_attempts is for answers about the message */
    wait_until(job, job->route->closed_until_ns, release);
}

/* Perhaps accepted: the class decides (design section 5, the ambiguity table). */
static void unsure(struct send *send, struct job *job, uint64_t now_ns, struct list *done,
                   struct list *again)
{
    struct claim_world world = claims_world(send->options.claims, now_ns);
    claim_unsure(&job->claim, &world);
    if (claim_may_resend(&job->claim, &world)) {
        wait_until(job, now_ns + backoff_ns(send, job), again);
        return;
    }
    job->end.outcome = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS;
    job->end.reason = REASON_NO_ANSWER;
    list_push(done, &job->node);
}

static void judge_verdict(struct send *send, struct job *job, const struct adapter_answer *answer,
                          uint64_t now_ns, struct list *done, struct list *release,
                          struct list *again)
{
    static const enum reason reasons[VERDICT_COUNT] = {
        [VERDICT_BAD_RECIPIENT] = REASON_BAD_RECIPIENT,
        [VERDICT_OPTED_OUT] = REASON_OPTED_OUT,
        [VERDICT_BLOCKED] = REASON_BLOCKED,
        [VERDICT_EXPIRED] = REASON_EXPIRED,
        [VERDICT_BAD_REQUEST] = REASON_BAD_REQUEST,
    };
    switch (answer->verdict) {
    case VERDICT_ACCEPTED:
    case VERDICT_DUPLICATE:
        route_trust(job->route);
        accepted(send, job, answer, now_ns);
        list_push(done, &job->node);
        return;
    case VERDICT_THROTTLED:
    case VERDICT_TEMPORARY:
        job->route->trial = false;
        try_later(send, job, answer, now_ns, done, release);
        return;
    case VERDICT_AMBIGUOUS:
        route_doubt(job->route, now_ns);
        unsure(send, job, now_ns, done, again);
        return;
    case VERDICT_SENDER_REJECTED:
    case VERDICT_AUTH_FAILED:
    case VERDICT_NO_CREDIT:
        sender_refused(send, job, now_ns, release);
        return;
    case VERDICT_BAD_RECIPIENT:
    case VERDICT_OPTED_OUT:
    case VERDICT_BLOCKED:
    case VERDICT_EXPIRED:
    case VERDICT_BAD_REQUEST:
        route_trust(job->route);
        fail(job, reasons[answer->verdict],
             answer->code[0] ? arena_copy(&job->event->arena, bytes_of(answer->code)) : NULL);
        list_push(done, &job->node);
        return;
    case VERDICT_COUNT:
        break;
    }
    CHECK(answer->verdict < VERDICT_COUNT);
}

/* What is ours to answer for: a call waits for its due time and for its slot. */
static int64_t late_ms_of(const struct send *send, const struct call *call)
{
    const struct job *job = call->job;
    int64_t wanted_ms = i64_max(job->event->judged.record_ms, job->wanted_ms);
    if (call->slot_ns > 0)
        wanted_ms = i64_max(wanted_ms, claims_now_ms(send->options.claims, call->slot_ns));
    return claims_now_ms(send->options.claims, call->http.first_byte_ns) - wanted_ms;
}

static void observe(struct send *send, const struct call *call, enum verdict verdict,
                    uint64_t now_ns)
{
    struct metrics *m = send->options.metrics;
    const struct job *job = call->job;
    uint32_t account = job->route->account->index;
    metric_add(m, METRIC_CALLS, account, verdict, 1);
    metric_observe_us(m, METRIC_CALL_SECONDS, account, (now_ns - call->http.first_byte_ns) / 1000);
    int64_t late_ms = late_ms_of(send, call);
    metric_observe_us(m, METRIC_LATENESS, job->leg->channel,
                      late_ms > 0 ? (uint64_t)late_ms * 1000 : 0);
}

static void judge_call(struct send *send, struct call *call, uint64_t now_ns, struct list *done,
                       struct list *release, struct list *again)
{
    struct job *job = call->job;
    struct http_call *http = &call->http;
    if (http->response.status == 0 && !http->all_taken) { /* it provably never left */
        metric_add(send->options.metrics, METRIC_CALLS_NOT_SENT, job->route->account->index, 0, 1);
        job->claim.attempts--; /* claim_left counted it: only calls that left count */
        wait_until(job, now_ns + backoff_ns(send, job), release);
        return;
    }
    job->end.sent_at_ms = claims_now_ms(send->options.claims, http->first_byte_ns);
    struct adapter_answer answer = {.verdict = VERDICT_AMBIGUOUS, .retry_after_ms = -1};
    if (http->response.status != 0)
        adapter_verdict(job->route->account->adapter, &http->response,
                        claims_now_ms(send->options.claims, now_ns), &answer);
    observe(send, call, answer.verdict, now_ns);
    judge_verdict(send, job, &answer, now_ns, done, release, again);
}

void send_take(struct send *send, uint64_t now_ns, struct list *done, struct list *release,
               struct list *again)
{
    for (struct list_node *n = send->answered.first; n; n = n->next)
        event_fetch(container_of(n, struct call, node)->job->event);
    for (struct list_node *n = list_pop(&send->answered); n; n = list_pop(&send->answered)) {
        struct call *call = container_of(n, struct call, node);
        struct job *job = call->job;
        job->call = NULL;
        CHECK(job->route->account->in_flight > 0);
        job->route->account->in_flight--;
        judge_call(send, call, now_ns, done, release, again);
        http_release(&call->http);
        list_push_front(&send->free, &call->node);
    }
}

struct job *send_next_out(const struct send *send, uint64_t since_ns, uint32_t *at)
{
    while (*at < send->calls_max) {
        const struct call *call = &send->calls[(*at)++];
        uint64_t started_ns = call->http.deadline_ns - send->options.request_deadline_ns;
        if (call->job && call->job->call == call && started_ns < since_ns)
            return call->job;
    }
    return NULL;
}

void send_drop_revoked(struct send *send, struct list *release)
{
    for (uint32_t i = 0; i < send->options.routes->count; i++) {
        struct list *ready = &send->options.routes->all[i].ready;
        for (struct list_node *n = ready->first, *next; n; n = next) {
            next = n->next;
            struct job *job = job_of(n);
            if (!job->event->revoked)
                continue;
            list_remove(ready, n);
            wait_until(job, 0, release);
        }
    }
}
