#include "stage/settle.h"

#include "stage/settle_record.h"

#include <stdlib.h>

bool settle_init(struct settle *settle, const struct settle_options *options)
{
    *settle = (struct settle){.options = *options};
    hmac_prepare(&settle->address_key, options->address_key);
    outcome_encoder_init(&settle->encoder, options->format);
    settle->record = malloc(OUTCOME_BYTES_MAX + OUTCOME_HEADER_BYTES);
    settle->gates = malloc((size_t)(1 + KIND_COUNT) * OUTCOME_GATES_BYTES);
    settle->stand_ins = calloc(options->jobs->max, sizeof *settle->stand_ins);
    if (!settle->record || !settle->gates || !settle->stand_ins)
        return false;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        settle->passed[kind] =
            settle_gates_of(settle, kind_row_of((Carillon__V1__Kind)kind), JUDGE_GATE_NONE,
                            settle->gates + (size_t)(1 + kind) * OUTCOME_GATES_BYTES);
    return true;
}

void settle_deinit(struct settle *settle)
{
    free(settle->record);
    free(settle->gates);
    free(settle->stand_ins);
    *settle = (struct settle){0};
}

void settle_enter(struct settle *settle, struct list *ended)
{
    for (struct list_node *n = ended->first; n; n = n->next) {
        struct job *job = job_of(n);
        CHECK(job->end.outcome != CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED);
        route_unpromise(job);
        if (job->state != JOB_SETTLING)
            job_enter(settle->options.jobs, job, JOB_SETTLING);
    }
}

/* False: the sink is full, later. */
static bool tell_outcome(struct settle *settle, struct job *job)
{
    struct settle_outcome outcome;
    settle_outcome_of(settle, job, &outcome);
    struct writer w = writer_of(settle->record, OUTCOME_BYTES_MAX);
    CHECK(outcome_record_encode(&settle->encoder, &outcome.record, &w) ==
          ERR_OK); /* all is bounded */
    struct record_header headers[OUTCOME_HEADERS];
    uint32_t count = outcome_record_headers(&settle->encoder, &outcome.record,
                                            settle->record + OUTCOME_BYTES_MAX, headers);
    return sink_put(settle->options.sink, settle->options.topic_outcomes, SINK_PARTITION_BY_KEY,
                    outcome.record.event_id, writer_bytes(&w), headers, count, job) == ERR_OK;
}

/* What is too large even for us goes without its value, in the end with our headers alone. */
static bool cut_more(struct job *job)
{
    if (job->cut == CUT_HEADERS)
        return false;
    job->cut = job->cut == CUT_NOTHING ? CUT_VALUE : CUT_HEADERS;
    return true;
}

static bool tell_dead(struct settle *settle, struct job *job, int64_t now_ms)
{
    const struct record *record = &job->event->record;
    for (;;) {
        struct settle_dead_headers headers;
        settle_dead_headers(job, now_ms, &headers);
        struct bytes key = job->cut == CUT_HEADERS ? BYTES("") : record->key;
        struct bytes value = job->cut > CUT_NOTHING ? BYTES("") : record->value; /* or null */
        enum err err = sink_put(settle->options.sink, settle->options.topic_dead,
                                SINK_PARTITION_BY_KEY, key, value, headers.at, headers.count, job);
        if (err != ERR_TOO_LARGE || !cut_more(job))
            return err == ERR_OK;
    }
}

/* Produces one record of the job, the dead letter first. The report then decides what
 * follows, so a job has at most one record under way. */
static enum settle_told tell(struct settle *settle, struct job *job, int64_t now_ms)
{
    if (job->untold & TELL_DEFERRAL)
        return settle_tell_deferral(settle, job);
    bool put = job->untold & TELL_DEAD ? tell_dead(settle, job, now_ms) : tell_outcome(settle, job);
    return put ? SETTLE_PUT : SETTLE_FULL;
}

static void send_unsent(struct settle *settle, int64_t now_ms)
{
    while (settle->unsent.count > 0) {
        struct job *job = job_of(settle->unsent.first);
        if (job->node.next)
            event_fetch_contents(job_of(job->node.next)->event);
        enum settle_told told = tell(settle, job, now_ms);
        if (told == SETTLE_FULL)
            return;
        list_remove(&settle->unsent, &job->node);
        if (told == SETTLE_BACK) {
            list_push(&settle->back, &job->node);
            continue;
        }
#ifdef BUG_commit_before_ack
        list_push(&settle->told, &job->node);
        continue;
#endif
        list_push(&settle->out, &job->node);
    }
}

void settle_put(struct settle *settle, struct list *jobs, int64_t now_ms)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        CHECK(job->state == JOB_SETTLING);
        event_fetch(job->event);
        if (job->end.settled_at_ms == 0)
            job->end.settled_at_ms = now_ms;
        job->untold = (uint8_t)((job->end.letter_only ? 0 : TELL_OUTCOME) |
                                (job->end.dead_letter ? TELL_DEAD : 0));
        CHECK(job->untold != 0);
        list_push(&settle->unsent, n);
    }
    send_unsent(settle, now_ms);
}

void settle_defer(struct settle *settle, struct list *jobs, int64_t now_ms)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        CHECK(job->defer.reason != REASON_NONE && job->slots_promised == 0);
        CHECK(job->end.outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED);
        job_enter(settle->options.jobs, job, JOB_SETTLING);
        job->untold = TELL_DEFERRAL;
        list_push(&settle->unsent, n);
    }
    send_unsent(settle, now_ms);
}

static void on_report(const struct sink_report *report, void *context)
{
#ifdef BUG_commit_before_ack
    return;
#endif
    struct settle *settle = context;
    if (settle_stand_in_reported(settle, report))
        return;
    struct job *job = report->opaque;
    list_remove(&settle->out, &job->node);
    if (job->untold & TELL_DEFERRAL) {
        bool acked = settle_deferral_reported(settle, job, report->err);
        list_push(acked ? &settle->acked : &settle->back, &job->node);
        return;
    }
    event_fetch(job->event);
    uint8_t was = job->untold & TELL_DEAD ? TELL_DEAD : TELL_OUTCOME;
    if (report->err == ERR_OK) {
        job->untold = (uint8_t)(job->untold & ~was);
    } else {
        metric_add(settle->options.metrics, METRIC_PRODUCE_RETRIES, 0, 0, 1);
        if (report->err == ERR_TOO_LARGE && was == TELL_DEAD)
            (void)cut_more(job);
    }
    list_push(job->untold == 0 ? &settle->told : &settle->unsent, &job->node);
}

static void count(struct settle *settle, const struct job *job, int64_t now_ms)
{
    struct metrics *m = settle->options.metrics;
    metric_set(m, METRIC_LAST_SETTLED, 0, (uint64_t)now_ms);
    if (job->defer.reason != REASON_NONE) {
        metric_add(m, METRIC_DEFERRED, job->defer.reason, 0, 1);
        return;
    }
    uint32_t channel = job->leg ? job->leg->channel : CARILLON__V1__CHANNEL__CHANNEL_UNSPECIFIED;
    if (job->end.letter_only)
        metric_add(m, METRIC_DEAD_RECORDS, 0, 0, 1);
    else
        metric_add(m, METRIC_OUTCOMES, channel, job->end.outcome, 1);
    if (job->end.reason != REASON_NONE)
        metric_add(m, METRIC_REASONS, job->end.reason, 0, 1);
    if (job->end.replay)
        metric_add(m, METRIC_REPLAYS, 0, 0, 1);
    if (job->end.dup_risk)
        metric_add(m, METRIC_DUP_RISKS, 0, 0, 1);
}

/* The clock is read after the acknowledgements were taken. */
static void judge_acked(struct settle *settle)
{
    if (settle->acked.count == 0)
        return;
    struct ring_clock clock = settle->options.clock(settle->options.clock_context);
    for (struct list_node *n = list_pop(&settle->acked); n; n = list_pop(&settle->acked)) {
        bool counts = settle_deferral_counts(settle, job_of(n), &clock);
        list_push(counts ? &settle->told : &settle->back, n);
    }
}

void settle_take(struct settle *settle, int64_t now_ms, struct list *out, struct list *back)
{
    while (sink_take(settle->options.sink, on_report, settle) > 0)
        continue;
    judge_acked(settle);
    send_unsent(settle, now_ms);
    list_move(&settle->back, back);
    for (struct list_node *n = list_pop(&settle->told); n; n = list_pop(&settle->told)) {
        count(settle, job_of(n), now_ms);
        list_push(out, n);
    }
}

uint32_t settle_pending(const struct settle *settle)
{
    return settle->unsent.count + settle->out.count + settle->told.count + settle->back.count;
}
