/* I10: what a commit covers - all before its value, and what its metadata calls done - had
 * by then its outcomes, its dead letter, or the deferrals that take its place, written; and no
 * commit goes backwards. Of a deferral that is committed itself, only later hops take the
 * place, and only the legs that it holds count. */
#include "oracle.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BITMAP_MAX = 1 << 17 };

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool base64url_decode(const char *text, uint8_t *out, size_t *size)
{
    uint32_t bits = 0, held = 0;
    *size = 0;
    for (; *text && *text != '|'; text++) { /* a ring's finished cycle may follow */
        int digit = digit_of(*text);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[(*size)++] = (uint8_t)(bits >> held);
        }
    }
    return true;
}

bool metadata_decode(const char *text, uint8_t *done, size_t max)
{
    uint8_t runs[4100];
    size_t size, at = 0;
    if (*text == '\0')
        return true;
    if (strncmp(text, "1|", 2) != 0 || strlen(text) >= sizeof runs)
        return false;
    const char *bar = strchr(text + 2, '|');
    if (!bar || !base64url_decode(bar + 1, runs, &size))
        return false;
    bool is_done = false;
    for (size_t i = 0; i < size; is_done = !is_done) {
        uint64_t run = 0;
        uint32_t shift = 0;
        while (i < size && (runs[i] & 0x80) && shift < 56) {
            run |= (uint64_t)(runs[i++] & 0x7f) << shift;
            shift += 7;
        }
        if (i == size)
            return false;
        run |= (uint64_t)runs[i++] << shift;
        for (; run > 0 && at < max; run--)
            done[at++] = is_done;
        if (run > 0)
            return false;
    }
    return true;
}

/* A record of the partition under judgement, and when it was wholly done. */
struct spot {
    int64_t offset, done_ms; /* done_ms INT64_MAX: never */
    const char *token;
    bool covered;
};

/* A record under judgement: a first one (hop 0), or a deferral. */
struct held {
    const struct origin *origin;
    uint32_t seq, channels;
};

/* An end without channel is the whole event's. */
static bool holds(uint32_t channels, uint8_t channel)
{
    return channels == 0 || channel == SIM_NO_CHANNEL || (channels & UINT32_C(1) << channel) != 0;
}

/* When a later hop first held the leg; SIM_NO_CHANNEL: any leg. */
static int64_t deferred_ms(struct deferral_range hops, uint32_t seq, uint8_t channel)
{
    int64_t first_ms = INT64_MAX;
    for (size_t i = 0; i < hops.count; i++)
        if (hops.at[i].seq > seq && holds(hops.at[i].channels, channel))
            first_ms = i64_min(first_ms, hops.at[i].time_ms);
    return first_ms;
}

/* When the event was ended as a whole, which ends each leg of it, too; copies of its record may
 * tell a leg's end again later. */
static int64_t whole_ms(const struct outcome_range *all)
{
    int64_t ms = INT64_MAX;
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i].channel == SIM_NO_CHANNEL)
            ms = i64_min(ms, all->at[i].append_ms);
    return ms;
}

/* The last of its legs' first outcomes, or of the deferrals that came before them. */
static int64_t done_ms_of(const struct oracle *o, const struct held *held)
{
    struct outcome_range all = oracle_outcomes_of(o, held->origin);
    struct deferral_range hops = oracle_deferrals_of(o, held->origin);
    const struct letter_row *letter = oracle_letter_of(o, held->origin);
    int64_t done_ms = letter ? letter->append_ms : INT64_MIN;
    for (size_t i = 0; i < all.count; i++) {
        const struct outcome_row *row = &all.at[i];
        bool first =
            i == 0 || strcmp(row->leg_id, row[-1].leg_id) != 0 || row->channel != row[-1].channel;
        if (first && holds(held->channels, row->channel))
            done_ms = i64_max(done_ms, i64_min(i64_min(row->append_ms, whole_ms(&all)),
                                               deferred_ms(hops, held->seq, row->channel)));
    }
    return done_ms == INT64_MIN ? deferred_ms(hops, held->seq, SIM_NO_CHANNEL) : done_ms;
}

static int by_offset(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static struct spot spot_of_load(const struct oracle *o, const struct load_record *load)
{
    struct origin origin = origin_of_load(load);
    return (struct spot){load->offset, done_ms_of(o, &(struct held){.origin = &origin}),
                         load->token, false};
}

static struct spot spot_of_deferral(const struct oracle *o, const struct deferral_row *row)
{
    return (struct spot){row->place.offset,
                         done_ms_of(o, &(struct held){&row->origin, row->seq, row->channels}),
                         "a deferral", false};
}

/* The partition's records: first ones, or deferrals. */
static size_t take_spots(const struct oracle *o, const char *topic, int32_t partition,
                         struct spot *spots)
{
    size_t count = 0;
    for (size_t i = 0; i < o->load_count; i++) {
        const struct load_record *load = &o->loads[i];
        if (load->offset >= 0 && load->partition == partition && strcmp(load->topic, topic) == 0)
            spots[count++] = spot_of_load(o, load);
    }
    for (size_t i = 0; i < o->deferral_count; i++) {
        const struct deferral_row *row = &o->deferrals[i];
        if (row->place.partition == partition && strcmp(row->place.topic, topic) == 0)
            spots[count++] = spot_of_deferral(o, row);
    }
    if (count > 0)
        qsort(spots, count, sizeof *spots, by_offset);
    return count;
}

static void cover(struct oracle *o, struct spot *spot, const struct commit_row *commit)
{
    if (spot->covered)
        return;
    spot->covered = true;
    o->checked[INVARIANT_I10]++;
    if (spot->done_ms == INT64_MAX)
        oracle_violation(o, INVARIANT_I10, spot->token,
                         "committed (%s/%" PRId32 ", %" PRId64 ") without any end", commit->topic,
                         commit->partition, commit->value);
    else if (spot->done_ms > commit->time_ms)
        oracle_violation(
            o, INVARIANT_I10, spot->token,
            "committed (%s/%" PRId32 ", %" PRId64 ") %" PRId64 " ms before its last outcome",
            commit->topic, commit->partition, commit->value, spot->done_ms - commit->time_ms);
}

static void judge_commit(struct oracle *o, struct spot *spots, size_t count, size_t *below,
                         const struct commit_row *commit, uint8_t *done)
{
    memset(done, 0, BITMAP_MAX);
    while (*below < count && spots[*below].offset < commit->value)
        cover(o, &spots[(*below)++], commit);
    if (!metadata_decode(commit->metadata, done, BITMAP_MAX)) {
        oracle_violation(o, INVARIANT_I10, "-", "metadata of %s/%" PRId32 " is malformed: %.60s",
                         commit->topic, commit->partition, commit->metadata);
        return;
    }
    for (size_t i = *below; i < count; i++) {
        int64_t at = spots[i].offset - commit->value;
        if (at >= BITMAP_MAX)
            break;
        if (at >= 0 && done[at])
            cover(o, &spots[i], commit);
    }
}

/* All commits of one group for one partition, in their order from `from`. */
static void judge_partition(struct oracle *o, const struct commit_row *from, bool *seen)
{
    struct spot *spots = calloc(o->load_count + o->deferral_count + 1, sizeof *spots);
    uint8_t *done = malloc(BITMAP_MAX);
    CHECK(spots && done);
    size_t count = take_spots(o, from->topic, from->partition, spots), below = 0;
    int64_t last = -1;
    for (const struct commit_row *c = from; c < o->commits + o->commit_count; c++) {
        if (c->partition != from->partition || strcmp(c->topic, from->topic) != 0 ||
            strcmp(c->group, from->group) != 0)
            continue;
        seen[c - o->commits] = true;
        if (c->value < last)
            oracle_violation(o, INVARIANT_I10, "-",
                             "%s/%" PRId32 " goes back from %" PRId64 " to %" PRId64, c->topic,
                             c->partition, last, c->value);
        last = i64_max(last, c->value);
        judge_commit(o, spots, count, &below, c, done);
    }
    o->counts.uncommitted += count - below;
    free(done);
    free(spots);
}

void oracle_judge_commits(struct oracle *o)
{
    bool *seen = calloc(o->commit_count + 1, sizeof *seen);
    CHECK(seen);
    char events[64], urgent[64], deferred[64];
    snprintf(events, sizeof events, "%scarillon.events", o->prefix ? o->prefix : "");
    snprintf(urgent, sizeof urgent, "%scarillon.events.urgent", o->prefix ? o->prefix : "");
    snprintf(deferred, sizeof deferred, "%scarillon.deferred.", o->prefix ? o->prefix : "");
    for (size_t i = 0; i < o->commit_count; i++) {
        const struct commit_row *c = &o->commits[i];
        bool ours = strcmp(c->topic, events) == 0 || strcmp(c->topic, urgent) == 0 ||
                    strncmp(c->topic, deferred, strlen(deferred)) == 0;
        if (ours && !seen[i])
            judge_partition(o, c, seen);
    }
    free(seen);
}
