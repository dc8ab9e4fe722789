/* How far the partitions are goes back to the group: commits, and the winding down of an
 * assignment, which ends with the last of them. */
#include "stage/consume_parts.h"

#include "base/clock.h"
#include "base/log.h"

enum {
    COMPLETE_MAX = 10000,       /* then a commit does not wait for its time */
    ASKED_MS = 100,             /* commits that are asked for follow no closer */
    COMMIT_PATIENCE_MS = 60000, /* librdkafka answers before; if not, ask again */
    REVOKE_PATIENCE_MS = 3000,  /* for the last commit; others wait for us meanwhile */
};

static void commit(struct consume *consume)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < consume->partition_count; i++) {
        struct consume_partition *p = &consume->partitions[i];
        if ((!p->dirty && !consume->commit_asked) || p->window.low < p->floor)
            continue;
        struct writer text =
            writer_of(consume->metadata + (size_t)count * WINDOW_METADATA_MAX, WINDOW_METADATA_MAX);
        window_encode(&p->window, bytes_of(consume->options.worker), &text);
        CHECK(!text.overflow);
        consume->scratch[count++] = (struct source_partition){
            .topic = p->topic,
            .partition = p->partition,
            .offset = p->window.low,
            .metadata = writer_bytes(&text),
        };
        p->floor = p->window.low;
        p->dirty = false;
    }
    consume->dirty = consume->commit_asked = false;
    consume->complete_count = 0;
    consume->commit_ns = consume->now_ns;
    if (count == 0)
        return;
    if (source_commit(consume->options.source, consume->scratch, count, ++consume->commit_id) ==
        ERR_OK) {
        consume->commit_out = true;
        return;
    }
    consume->stats.commit_failures++;
    for (uint32_t i = 0; i < consume->partition_count; i++)
        consume->partitions[i].dirty = true;
    consume->dirty = true;
}

void consume_on_committed(struct consume *consume, const struct source_event *e)
{
    if (!consume->commit_out || e->commit_id != consume->commit_id)
        return; /* of partitions that went since */
    bool good = true;
    consume->commit_out = false;
    for (uint32_t i = 0; i < e->partition_count; i++) {
        struct consume_partition *p =
            consume_find(consume, e->partitions[i].topic, e->partitions[i].partition);
        if (e->partitions[i].err == ERR_OK || !p)
            continue;
        good = false;
        p->dirty = consume->dirty = true;
    }
    if (good) {
        consume->stats.commits++;
        consume->acked_ns = consume->commit_ns;
    } else {
        consume->stats.commit_failures++;
    }
}

void consume_serve_commits(struct consume *consume)
{
    uint64_t waited_ns = consume->now_ns - consume->commit_ns;
    if (consume->commit_out && waited_ns < COMMIT_PATIENCE_MS * NS_PER_MS)
        return;
    if ((consume->commit_asked && waited_ns >= ASKED_MS * NS_PER_MS) ||
        (consume->dirty && (consume->complete_count >= COMPLETE_MAX ||
                            waited_ns >= consume->options.commit_interval_ms * NS_PER_MS)))
        commit(consume);
}

void consume_commit(struct consume *consume)
{
    consume->commit_asked = true;
}

uint64_t consume_acked_ns(const struct consume *consume)
{
    return consume->acked_ns;
}

/* Revocation. */

static void mark_revoked(struct consume *consume)
{
    const struct jobs *jobs = consume->options.jobs;
    for (uint32_t i = 0; i < jobs->max; i++)
        if (jobs->events[i].jobs_open > 0 && !jobs->events[i].from_ring)
            jobs->events[i].revoked = true; /* eager: all partitions go at once */
    consume->revoke_marked = true;
}

static void let_go(struct consume *consume)
{
    log_event(LOG_INFO, "partitions_revoked", "count=%u", consume->partition_count);
    consume_drop(consume);
    source_unassign(consume->options.source);
}

void consume_on_revoked(struct consume *consume, bool lost)
{
    consume->stats.rebalances++;
    consume->acked_ns = 0; /* another generation begins */
    mark_revoked(consume);
    consume->revoke_ns = consume->now_ns;
    if (lost || consume->partition_count == 0)
        let_go(consume);
    else
        consume->state = CONSUME_REVOKING;
}

bool consume_something_runs(const struct consume *consume)
{
    for (uint32_t i = 0; i < consume->partition_count; i++)
        if (consume->partitions[i].window.open_count > consume->partitions[i].abandoned)
            return true;
    return false;
}

void consume_serve_revocation(struct consume *consume)
{
    uint64_t waited_ns = consume->now_ns - consume->revoke_ns;
    uint64_t patience_ns = consume->options.revoke_wait_ms * NS_PER_MS;
    if (!consume->commit_last && !consume->commit_out &&
        (!consume_something_runs(consume) || waited_ns >= patience_ns)) {
        commit(consume);
        consume->commit_last = true;
    }
    if ((consume->commit_last && !consume->commit_out) ||
        waited_ns >= patience_ns + REVOKE_PATIENCE_MS * NS_PER_MS)
        let_go(consume);
}
