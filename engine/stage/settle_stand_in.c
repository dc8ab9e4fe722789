/* Stand-ins: deferral records of jobs whose calls are out. Their reports may come when the job
 * is in any state, or closed; so they are told by an entry of their own. */
#include "stage/settle_record.h"

static struct settle_stand_in *stand_in_of(const struct settle *settle, const struct job *job)
{
    return &settle->stand_ins[job - settle->options.jobs->all];
}

/* False: the ring does not take it, or the sink. */
static bool put(struct settle *settle, struct job *job, const struct ring_place *place,
                void *opaque)
{
    const struct settle_ring *ring = settle->options.ring;
    struct settle_deferral record;
    job->defer.reason = REASON_RETRY; /* for the record alone: the job goes on */
    settle_deferral_of(job, &ring->plan.ring, place, &record);
    job->defer.reason = REASON_NONE;
    return sink_put(settle->options.sink,
                    place->where == RING_NEAR ? ring->topic_ring : ring->topic_far,
                    place->partition, record.key, job->event->record.value, record.headers,
                    record.header_count, opaque) == ERR_OK;
}

void settle_put_stand_in(struct settle *settle, struct job *job, int64_t due_ms)
{
    const struct settle_ring *ring = settle->options.ring;
    struct ring_clock clock = settle->options.clock(settle->options.clock_context);
    struct settle_stand_in *entry = stand_in_of(settle, job);
    CHECK(job->stand_in == STAND_IN_NONE && job->call && job->defer.reason == REASON_NONE);
    CHECK(entry->node.owner == NULL);
    if (!ring->open || clock.held || entry->out)
        return;
    job->defer.due_ms = i64_max(due_ms, clock.now_ms + 2 * ring->plan.min_delay_ms);
    struct ring_place place =
        ring_place(&ring->plan, clock.now_ms, job->defer.due_ms,
                   bytes_of(job->event->judged.event->event_id), job->event->far_day);
    if ((place.where != RING_NEAR && place.where != RING_FAR) || !put(settle, job, &place, entry))
        return;
    *entry = (struct settle_stand_in){.job = job, .out = true, .slot_end_ms = place.slot_end_ms};
    job->stand_in = STAND_IN_OUT;
}

static void is_void(struct settle *settle, struct settle_stand_in *entry)
{
    metric_add(settle->options.metrics, METRIC_DEFERRALS_VOID, 0, 0, 1);
    if (entry->job)
        entry->job->stand_in = STAND_IN_VOID;
}

bool settle_stand_in_reported(struct settle *settle, const struct sink_report *report)
{
    struct settle_stand_in *entry = report->opaque;
    if (entry < settle->stand_ins || entry >= settle->stand_ins + settle->options.jobs->max)
        return false;
    entry->out = false;
    if (report->err == ERR_OK)
        list_push(&settle->stand_ins_acked, &entry->node);
    else
        is_void(settle, entry);
    return true;
}

/* The clock is read after the acknowledgements were taken. */
struct job *settle_take_stand_in(struct settle *settle)
{
    if (settle->stand_ins_acked.count == 0)
        return NULL;
    struct ring_clock clock = settle->options.clock(settle->options.clock_context);
    for (struct list_node *n = list_pop(&settle->stand_ins_acked); n;
         n = list_pop(&settle->stand_ins_acked)) {
        struct settle_stand_in *entry = container_of(n, struct settle_stand_in, node);
        if (!ring_ack_counts(entry->slot_end_ms, &clock))
            is_void(settle, entry);
        else if (entry->job)
            return entry->job;
    }
    return NULL;
}

void settle_forget_stand_in(struct settle *settle, const struct job *job)
{
    struct settle_stand_in *entry = stand_in_of(settle, job);
    if (entry->job == job)
        entry->job = NULL;
}

void settle_replaced(struct settle *settle, struct list *jobs)
{
    for (struct list_node *n = list_pop(jobs); n; n = list_pop(jobs)) {
        struct job *job = job_of(n);
        CHECK(job->stand_in == STAND_IN_GOOD && job->slots_promised == 0);
        job_enter(settle->options.jobs, job, JOB_SETTLING);
        job->defer.reason = REASON_RETRY;
        list_push(&settle->told, n);
    }
}
