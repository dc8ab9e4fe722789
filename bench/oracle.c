#include "oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

static const char *const names[] = {
#define X(name, text, help) text,
    INVARIANT_LIST(X)
#undef X
};
static const char *const helps[] = {
#define X(name, text, help) help,
    INVARIANT_LIST(X)
#undef X
};

void oracle_violation(struct oracle *o, enum invariant which, const char *event, const char *format,
                      ...)
{
    uint64_t number = ++o->violations[which];
    if (!o->report || (o->lines_max > 0 && number > o->lines_max))
        return;
    fprintf(o->report, "VIOLATION %s %s ", names[which], event);
    va_list args;
    va_start(args, format);
    vfprintf(o->report, format, args);
    va_end(args);
    fputc('\n', o->report);
}

int origin_compare(const struct origin *a, const struct origin *b)
{
    int by_topic = strcmp(a->topic, b->topic);
    if (by_topic != 0)
        return by_topic;
    if (a->partition != b->partition)
        return a->partition < b->partition ? -1 : 1;
    return a->offset == b->offset ? 0 : a->offset < b->offset ? -1 : 1;
}

struct origin origin_of_load(const struct load_record *load)
{
    struct origin origin = {.partition = load->partition, .offset = load->offset};
    memcpy(origin.topic, load->topic, sizeof origin.topic);
    return origin;
}

static int by_event(const void *a, const void *b)
{
    const struct load_record *x = a, *y = b;
    return strcmp(x->token, y->token);
}

static int by_token(const void *a, const void *b)
{
    const struct sim_record *x = a, *y = b;
    int order = strcmp(x->token, y->token);
    if (order == 0)
        order = (int)x->channel - (int)y->channel;
    return order != 0 ? order : x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int by_leg(const void *a, const void *b)
{
    const struct outcome_row *x = a, *y = b;
    int order = origin_compare(&x->origin, &y->origin);
    if (order == 0)
        order = strcmp(x->leg_id, y->leg_id);
    if (order == 0)
        order = (int)x->channel - (int)y->channel;
    if (order == 0)
        order = x->partition - y->partition;
    return order != 0 ? order : x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Of one record's letters the earliest is the first: two workers may each write one. */
static int by_letter(const void *a, const void *b)
{
    const struct letter_row *x = a, *y = b;
    int order = origin_compare(&x->origin, &y->origin);
    return order != 0 ? order : x->append_ms < y->append_ms ? -1 : x->append_ms > y->append_ms;
}

static int by_first(const void *a, const void *b)
{
    const struct deferral_row *x = a, *y = b;
    return origin_compare(&x->origin, &y->origin);
}

static void sort(void *rows, size_t count, size_t size, int (*order)(const void *, const void *))
{
    if (count > 0)
        qsort(rows, count, size, order);
}

/* Rows that begin with their origin, in its order: the first of one origin, and how many. */
static size_t find(const void *rows, size_t count, size_t size, const struct origin *origin,
                   size_t *found)
{
    const char *at = rows;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (origin_compare((const struct origin *)(at + middle * size), origin) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (*found = 0; low + *found < count; (*found)++)
        if (origin_compare((const struct origin *)(at + (low + *found) * size), origin) != 0)
            break;
    return low;
}
static_assert(offsetof(struct outcome_row, origin) == 0 &&
                  offsetof(struct deferral_row, origin) == 0 &&
                  offsetof(struct letter_row, origin) == 0,
              "find reads the origin at the front");

struct outcome_range oracle_outcomes_of(const struct oracle *o, const struct origin *origin)
{
    struct outcome_range range;
    range.at = o->outcomes +
               find(o->outcomes, o->outcome_count, sizeof *o->outcomes, origin, &range.count);
    return range;
}

struct deferral_range oracle_deferrals_of(const struct oracle *o, const struct origin *origin)
{
    struct deferral_range range;
    range.at = o->deferrals +
               find(o->deferrals, o->deferral_count, sizeof *o->deferrals, origin, &range.count);
    return range;
}

const struct letter_row *oracle_letter_of(const struct oracle *o, const struct origin *origin)
{
    size_t count, at = find(o->letters, o->letter_count, sizeof *o->letters, origin, &count);
    return count == 0 ? NULL : &o->letters[at];
}

struct call_range oracle_calls_of(const struct oracle *o, const char *token, uint8_t channel)
{
    size_t low = 0, high = o->call_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(o->calls[middle].token, token);
        if (order < 0 || (order == 0 && o->calls[middle].channel < channel))
            low = middle + 1;
        else
            high = middle;
    }
    struct call_range range = {o->calls + low, 0};
    while (low + range.count < o->call_count && range.at[range.count].channel == channel &&
           strcmp(range.at[range.count].token, token) == 0)
        range.count++;
    return range;
}

bool oracle_has_fault(const struct oracle *o, const char *what)
{
    for (size_t i = 0; i < o->fault_count; i++)
        if (strcmp(o->faults[i].what, what) == 0)
            return true;
    return false;
}

static void print_summary(const struct oracle *o)
{
    static const char *const outcomes[] = {"none",      "sent",      "suppressed",
                                           "duplicate", "expired",   "cancelled",
                                           "failed",    "ambiguous", "dead"};
    const struct oracle_counts *c = &o->counts;
    for (int i = 0; i < INVARIANT_COUNT; i++)
        fprintf(o->report, "%-4s %-9s checked=%" PRIu64 " violations=%" PRIu64 "  %s\n", names[i],
                o->violations[i] > 0 ? "VIOLATED" : "ok", o->checked[i], o->violations[i],
                helps[i]);
    fprintf(o->report, "legs");
    for (size_t i = 0; i < countof(outcomes); i++)
        if (c->by_outcome[i] > 0)
            fprintf(o->report, " %s=%" PRIu64, outcomes[i], c->by_outcome[i]);
    fprintf(o->report,
            "\ncounts records=%zu copies=%" PRIu64 " letters=%" PRIu64
            " calls=%zu accepted=%" PRIu64 " extra_accepts=%" PRIu64 " extra_bound=%" PRIu64
            " replays=%" PRIu64 " dup_risk=%" PRIu64 " claims_lost=%" PRIu64 " flips=%" PRIu64
            " lost_claim_repeats=%" PRIu64 " deferrals=%zu commits=%zu uncommitted=%" PRIu64 "\n",
            o->load_count, c->copies, c->letters, o->call_count, c->accepted, c->extra_accepts,
            c->extra_bound, c->replays, c->dup_risk, c->claims_lost, c->flips,
            c->lost_claim_repeats, o->deferral_count, o->commit_count, c->uncommitted);
    fprintf(o->report,
            "latency from due to first byte: p50_ms=%" PRId64 " p99_ms=%" PRId64 " max_ms=%" PRId64
            "\n",
            c->latency_p50_ms, c->latency_p99_ms, c->latency_max_ms);
}

bool oracle_judge(struct oracle *o)
{
    sort(o->loads, o->load_count, sizeof *o->loads, by_event);
    sort(o->calls, o->call_count, sizeof *o->calls, by_token);
    sort(o->outcomes, o->outcome_count, sizeof *o->outcomes, by_leg);
    sort(o->deferrals, o->deferral_count, sizeof *o->deferrals, by_first);
    sort(o->letters, o->letter_count, sizeof *o->letters, by_letter);
    oracle_judge_records(o);
    oracle_judge_calls(o);
    oracle_judge_rates(o);
    oracle_judge_commits(o);
    uint64_t violations = 0;
    for (int i = 0; i < INVARIANT_COUNT; i++)
        violations += o->violations[i];
    if (o->report) {
        print_summary(o);
        fprintf(o->report, "verdict %s violations=%" PRIu64 "\n", violations > 0 ? "BAD" : "good",
                violations);
    }
    return violations == 0;
}
