#include "demo_show.h"

#include "base/clock.h"
#include "base/metrics.h"
#include "domain/adapter.h"
#include "stage/job.h"
#include "worker.h"

#include <string.h>
#include <unistd.h>

enum { SHARDS_MAX = 16, LIVE_MS = 100, PLAIN_MS = 2000 };

static const char *const outcome_names[SHOW_OUTCOMES] = {
    NULL, "sent", "suppressed", "duplicate", "expired", "cancelled", "failed", "ambiguous", "dead"};
static const char *const channel_names[SHOW_CHANNELS] = {"no channel", "sms", "e-mail", "push"};

enum { SENT = CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT };

/* 12,345 */
struct number {
    char text[32];
};

static struct number number(uint64_t n)
{
    struct number out;
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    out.text[at] = '\0';
    return out;
}

static void read_shard(const struct metrics *m, struct show_counts *out)
{
    out->records +=
        metric_get(m, METRIC_RECORDS_CONSUMED, 0, 0) + metric_get(m, METRIC_RECORDS_CONSUMED, 1, 0);
    out->legs += metric_get(m, METRIC_LEGS_OPENED, 0, 0);
    out->revoked += metric_get(m, METRIC_REVOKED_LEGS, 0, 0);
    out->lag += metric_get(m, METRIC_LAG, 0, 0) + metric_get(m, METRIC_LAG, 1, 0);
    out->dead_records += metric_get(m, METRIC_DEAD_RECORDS, 0, 0);
    for (uint32_t outcome = 1; outcome < SHOW_OUTCOMES; outcome++)
        for (uint32_t channel = 0; channel < SHOW_CHANNELS; channel++)
            out->outcomes[outcome][channel] += metric_get(m, METRIC_OUTCOMES, channel, outcome);
    for (uint32_t i = 1; i < REASON_COUNT; i++)
        out->reasons[i] += metric_get(m, METRIC_REASONS, i, 0);
    for (uint32_t i = JOB_FREE + 1; i < JOB_STATE_COUNT; i++)
        out->in_hand += metric_get(m, METRIC_JOBS, i, 0);
    for (uint32_t provider = 0; provider < m->names->of[LABEL_PROVIDER].count; provider++) {
        out->throttled += metric_get(m, METRIC_CALLS, provider, VERDICT_THROTTLED);
        for (uint32_t verdict = 0; verdict < m->names->of[LABEL_VERDICT].count; verdict++)
            out->calls += metric_get(m, METRIC_CALLS, provider, verdict);
    }
}

void show_read(const struct worker *worker, struct show_counts *out)
{
    const struct metrics *shards[SHARDS_MAX];
    struct hist latency = {0};
    uint32_t count = worker_shards(worker, shards, SHARDS_MAX);
    *out = (struct show_counts){0};
    for (uint32_t i = 0; i < count; i++) {
        read_shard(shards[i], out);
        for (uint32_t channel = 0; channel < SHOW_CHANNELS; channel++)
            hist_merge(&latency, metric_hist(shards[i], METRIC_END_TO_END, channel));
    }
    out->p50_us = hist_quantile_us(&latency, 0.5);
    out->p90_us = hist_quantile_us(&latency, 0.9);
    out->p99_us = hist_quantile_us(&latency, 0.99);
    out->p999_us = hist_quantile_us(&latency, 0.999);
}

static uint64_t outcome_sum(const struct show_counts *c, uint32_t outcome)
{
    uint64_t sum = 0;
    for (uint32_t channel = 0; channel < SHOW_CHANNELS; channel++)
        sum += c->outcomes[outcome][channel];
    return sum;
}

static uint64_t ended(const struct show_counts *c)
{
    uint64_t sum = c->dead_records + c->revoked;
    for (uint32_t outcome = 1; outcome < SHOW_OUTCOMES; outcome++)
        sum += outcome_sum(c, outcome);
    return sum;
}

bool show_adds_up(const struct show_counts *c)
{
    return c->legs == ended(c) + c->in_hand;
}

bool show_is_settled(const struct show_counts *c, uint64_t records)
{
    return c->records == records && c->legs >= records && c->in_hand == 0 && ended(c) == c->legs &&
           c->lag == 0;
}

uint64_t show_sent(const struct show_counts *c)
{
    return outcome_sum(c, SENT);
}

struct show show_open(FILE *out)
{
    return (struct show){.out = out, .live = isatty(fileno(out)) == 1};
}

void show_progress(struct show *show, uint64_t now_ns, double seconds, uint64_t of,
                   const struct show_counts *c)
{
    bool first = show->next_ns == 0;
    if (now_ns < show->next_ns)
        return;
    show->next_ns = now_ns + (show->live ? LIVE_MS : PLAIN_MS) * NS_PER_MS;
    if (first)
        return; /* nothing to tell yet */
    uint64_t sent = show_sent(c), others = ended(c) - sent;
    fprintf(show->out,
            "%s%5.1f s  consumed %s of %s  sent %s (sms %s, e-mail %s)  not sent %s  in hand %s%s",
            show->live ? "\r\033[K" : "", seconds, number(c->records).text, number(of).text,
            number(sent).text, number(c->outcomes[SENT][1]).text, number(c->outcomes[SENT][2]).text,
            number(others).text, number(c->in_hand).text, show->live ? "" : "\n");
    fflush(show->out);
    show->line = show->live;
}

void show_break(struct show *show)
{
    if (show->line)
        fputc('\n', show->out);
    show->line = false;
    fflush(show->out);
}

static void show_outcome(struct show *show, const struct show_counts *c, uint32_t outcome)
{
    uint64_t sum = outcome_sum(c, outcome);
    if (outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD)
        sum += c->dead_records;
    if (sum == 0)
        return;
    fprintf(show->out, "  %-11s %9s  ", outcome_names[outcome], number(sum).text);
    for (uint32_t channel = 0; channel < SHOW_CHANNELS; channel++)
        if (c->outcomes[outcome][channel] > 0)
            fprintf(show->out, " %s %s", channel_names[channel],
                    number(c->outcomes[outcome][channel]).text);
    if (outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD && c->dead_records > 0)
        fprintf(show->out, " unreadable records %s", number(c->dead_records).text);
    fputc('\n', show->out);
}

static void show_reasons(struct show *show, const struct show_counts *c)
{
    bool shown[REASON_COUNT] = {false};
    uint32_t count = 0;
    for (;; count++) { /* the most frequent one first */
        uint32_t most = 0;
        for (uint32_t i = 1; i < REASON_COUNT; i++)
            if (!shown[i] && c->reasons[i] > (most ? c->reasons[most] : 0))
                most = i;
        if (most == 0)
            break;
        shown[most] = true;
        fprintf(show->out, "%s%s %s",
                count == 0  ? "  reasons      "
                : count % 4 ? ", "
                            : ",\n               ",
                reason_code((enum reason)most), number(c->reasons[most]).text);
    }
    if (count > 0)
        fputc('\n', show->out);
}

static void show_books(struct show *show, const struct show_counts *c)
{
    fprintf(show->out, "  books        %s legs =", number(c->legs).text);
    for (uint32_t outcome = 1; outcome < SHOW_OUTCOMES; outcome++) {
        uint64_t sum = outcome_sum(c, outcome);
        if (outcome == CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_DEAD)
            sum += c->dead_records;
        if (sum > 0)
            fprintf(show->out, "%s %s", outcome == SENT ? "" : " +", number(sum).text);
    }
    if (c->revoked > 0)
        fprintf(show->out, " + %s handed over", number(c->revoked).text);
    fprintf(show->out, " + %s in hand: %s\n", number(c->in_hand).text,
            show_adds_up(c) ? "it adds up" : "IT DOES NOT ADD UP");
}

void show_summary(struct show *show, const struct show_counts *c, double cpu_us)
{
    show_break(show);
    fprintf(show->out, "\n  consumed    %9s   records, %s legs\n", number(c->records).text,
            number(c->legs).text);
    for (uint32_t outcome = 1; outcome < SHOW_OUTCOMES; outcome++)
        show_outcome(show, c, outcome);
    show_reasons(show, c);
    fprintf(show->out, "  calls       %9s   %s of them answered 429 and were made again\n",
            number(c->calls).text, number(c->throttled).text);
    fprintf(
        show->out,
        "  latency      p50 %.1f ms, p90 %.1f ms, p99 %.1f ms, p99.9 %.1f ms: from the record's\n"
        "               time to the provider's answer, which takes 5 ms\n",
        (double)c->p50_us / 1e3, (double)c->p90_us / 1e3, (double)c->p99_us / 1e3,
        (double)c->p999_us / 1e3);
    fprintf(
        show->out,
        "  CPU          %.0f us a leg: this whole process, so with the mock Kafka broker and the\n"
        "               writer of the sample, but without Redis and the simulator\n",
        c->legs > 0 ? cpu_us / (double)c->legs : 0.0);
    show_books(show, c);
    fflush(show->out);
}
