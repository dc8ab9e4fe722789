/* What other events did, asked in the round trip of the claims: O2, which of two reminders
 * of one minute goes, and C9, how many a customer had already.
 *
 * O2. The key's value is `A|event|origin|claim` of the additional reminder that came first,
 * or `R|event|origin|` of the reminder, and R collapses every additional one. A reminder
 * that finds A makes it `R|...|claim`, so that an additional one that has not gone yet
 * does not go any more, and only then looks at that claim: sent, and the reminder is the
 * one that collapses; under way, and it waits; else it goes. An additional one asks after
 * its claim was taken, so one that still reads A has a claim for the reminder to see.
 *
 * C9. An event counts from the moment it asks; it is taken back when its last leg ended
 * and none went. So a leg that finds too many asks once more, when those have ended that
 * were refused in this very round trip. */
#include "domain/once.h"
#include "stage/admit_batch.h"

enum {
    VALUE_MAX = 2 + CLAIM_OWN_MAX + 1 + CLAIM_KEY_SIZE,
    AGAIN_MS = 250, /* until what others have under way is looked at again */
};

/* --- O2 -------------------------------------------------------------------------------- */

static void write_meeting(struct writer *out, char part, const struct event *event,
                          struct bytes claim)
{
    write_char(out, part);
    write_char(out, '|');
    write_slice(out, event->own);
    write_char(out, '|');
    write_slice(out, claim);
}

/* The claim of the additional reminder; size 0: the value names none. */
static struct bytes claim_in(struct bytes value)
{
    if (value.size <= CLAIM_KEY_SIZE || value.at[value.size - CLAIM_KEY_SIZE - 1] != '|' ||
        memcmp(value.at + value.size - CLAIM_KEY_SIZE, "c1:{", 4) != 0)
        return (struct bytes){0};
    return (struct bytes){value.at + value.size - CLAIM_KEY_SIZE, CLAIM_KEY_SIZE};
}

/* event|origin of who wrote the value. */
static struct bytes owner_in(struct bytes value)
{
    struct bytes claim = claim_in(value);
    return (struct bytes){value.at + 2, value.size - claim.size - 3};
}

static bool announce(struct admit *admit, const struct event *event, const struct leg *leg)
{
    const struct judge_case *c = &event->judged;
    struct redis *redis = admit->options.redis;
    char key[ONCE_KEY_SIZE], memory[VALUE_MAX], ttl_memory[24];
    struct writer value = writer_of(memory, sizeof memory);
    struct writer ttl = writer_of(ttl_memory, sizeof ttl_memory);
    if (!claims_open(admit->options.claims) || redis_room(redis) == 0 ||
        redis_room_bytes(redis) < ADMIT_BYTES_MARGIN)
        return false; /* admission writes it, too */
    once_meeting_key(c, leg, key);
    write_meeting(&value, 'R', event, (struct bytes){0});
    write_i64(&ttl, once_meeting_ttl_ms(c, leg));
    const struct bytes set[] = {BYTES("SET"), bytes_of(key), writer_bytes(&value),
                                BYTES("NX"),  BYTES("PX"),   writer_bytes(&ttl)};
    redis_command(redis, set, countof(set), &admit->given_up, 0);
    return true;
}

void admit_announce(struct admit *admit, const struct list *judged)
{
    bool room = true;
    for (const struct list_node *n = judged->first; n && room; n = n->next) {
        const struct job *job = container_of(n, struct job, node);
        const struct judge_case *c = &job->event->judged;
        if (c->refused || !kind_is(c->kind, KIND_COLLAPSES) || once_part_of(c) != ONCE_KEEPS)
            continue;
        for (uint32_t i = 0; i < c->leg_count && room; i++) {
            const struct leg *leg = &c->legs[i];
            bool goes = leg->decision == DECISION_SEND || leg->decision == DECISION_DEFER;
            if (goes && (!job->leg || job->leg == leg))
                room = announce(admit, job->event, leg);
        }
    }
}

static void ask_meeting(struct admit_batch *batch, uint16_t entry, struct job *job,
                        enum once_part part)
{
    const struct event *event = job->event;
    char key[ONCE_KEY_SIZE], memory[VALUE_MAX], ttl_memory[24];
    struct writer value = writer_of(memory, sizeof memory);
    struct writer ttl = writer_of(ttl_memory, sizeof ttl_memory);
    once_meeting_key(&event->judged, job->leg, key);
    write_i64(&ttl, once_meeting_ttl_ms(&event->judged, job->leg));
    if (job->met == MET_OTHER) {
        struct bytes claim = claim_in(job->meets);
        const struct admit_command what = {.what = ADMIT_OVER, .entry = entry, .job = job};
        const struct admit_command look = {.what = ADMIT_OTHER, .entry = entry, .job = job};
        write_meeting(&value, 'R', event, claim);
        const struct bytes swap[] = {BYTES("FCALL"),    BYTES("swap"), BYTES("1"),
                                     bytes_of(key),     job->meets,    writer_bytes(&value),
                                     writer_bytes(&ttl)};
        const struct bytes get[] = {BYTES("GET"), claim};
        admit_send(batch, &what, swap, countof(swap));
        admit_send(batch, &look, get, countof(get));
        return;
    }
    if (part == ONCE_KEEPS)
        write_meeting(&value, 'R', event, (struct bytes){0});
    else
        write_meeting(&value, 'A', event, (struct bytes){job->claim.key, CLAIM_KEY_SIZE});
    const struct admit_command what = {.what = ADMIT_MEETING, .entry = entry, .job = job};
    const struct bytes set[] = {BYTES("SET"), bytes_of(key), writer_bytes(&value), BYTES("NX"),
                                BYTES("GET"), BYTES("PX"),   writer_bytes(&ttl)};
    admit_send(batch, &what, set, countof(set));
}

/* False: there is no memory to keep what was found. */
static bool take_meeting(struct job *job, struct bytes found)
{
    job->met = MET_NOBODY;
    if (found.size < 3)
        return true;
    if (once_part_of(&job->event->judged) == ONCE_YIELDS) {
        if (found.at[0] == 'R')
            job->met = MET_COLLAPSED;
        return true;
    }
    if (claim_in(found).size == 0)
        return true;
    const char *copy =
        bytes_equal(job->meets, found) ? job->meets.at : arena_copy(&job->event->arena, found);
    if (!copy)
        return false;
    job->meets = (struct bytes){copy, found.size};
    job->met = MET_OTHER;
    return true;
}

/* What the additional reminder that came first did. Whose claim cannot be read ends
 * ambiguous, as one whose sender gave up: neither is known to be sent. */
static void take_other(struct job *job, const struct claim_answer *answer)
{
    struct claim_value value;
    job->met = MET_NOBODY;
    if (answer->kind != CLAIM_ANSWER_TEXT || !claim_parse_value(answer->text, &value))
        return;
    /* Where this event, or another one, already wrote R, the owner is not told any more. */
    if (job->meets.at[0] == 'A' && !bytes_equal(value.own, owner_in(job->meets)))
        return;
    if (value.kind == CLAIM_SENT)
        job->met = MET_COLLAPSED;
    else if (value.kind == CLAIM_CLAIMED)
        job->met = MET_UNDER_WAY;
}

/* --- C9 -------------------------------------------------------------------------------- */

/* The tenant's caps for the class, "count/period_ms " each. */
static struct bytes caps_of(const struct judge_case *c, struct arena *arena)
{
    enum { ROW_MAX = 48 };
    const struct tenant *tenant = c->tenant;
    size_t size = tenant->cap_count * (size_t)ROW_MAX;
    char *memory = size > 0 ? arena_take(arena, size) : NULL;
    struct writer out = writer_of(memory, memory ? size : 0);
    for (uint32_t i = 0; memory && i < tenant->cap_count; i++) {
        if (tenant->caps[i].class != c->kind->class)
            continue;
        write_u64(&out, tenant->caps[i].count);
        write_char(&out, '/');
        write_i64(&out, tenant->caps[i].period_ms);
        write_char(&out, ' ');
    }
    return writer_bytes(&out);
}

static void ask_cap(struct admit *admit, struct admit_batch *batch, uint16_t entry, struct job *job)
{
    const struct judge_case *c = &job->event->judged;
    struct bytes caps = caps_of(c, &admit->scratch);
    char key[ONCE_KEY_SIZE], memory[24];
    if (caps.size == 0)
        return;
    struct writer at = writer_of(memory, sizeof memory);
    once_cap_key(c, job->leg, key);
    write_i64(&at, i64_max(job->leg->not_before_ms, admit->world.now_ms));
    const struct admit_command what = {.what = ADMIT_CAP, .entry = entry, .job = job};
    const struct bytes ask[] = {BYTES("FCALL"),  BYTES("cap"),      BYTES("1"), bytes_of(key),
                                job->event->own, writer_bytes(&at), caps};
    admit_send(batch, &what, ask, countof(ask));
}

static void take_cap(struct job *job, struct bytes tag)
{
    bool capped = bytes_equal(tag, BYTES("CAPPED"));
    job->cap = !capped ? CAP_ROOM : job->cap == CAP_AGAIN ? CAP_FULL : CAP_ASK_AGAIN;
    if (capped)
        return;
    job->counts_anew = job->counts_anew || bytes_equal(tag, BYTES("COUNTED"));
    job->event->counting += !job->counts;
    job->counts = true;
}

/* Whether the job's end leaves its count as it is. A job that ended silently will be
 * read again, under the same name; a replay was counted when it went. */
static bool keeps_count(const struct job_end *end, bool anew)
{
    switch ((int)end->outcome) {
    case CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED:
        return true;
    case CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_SENT:
    case CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_AMBIGUOUS:
        return !end->replay || !anew;
    default:
        return false;
    }
}

void admit_closing(struct admit *admit, struct job *job)
{
    struct event *event = job->event;
    struct redis *redis = admit->options.redis;
    if (!job->counts)
        return;
    bool kept = keeps_count(&job->end, job->counts_anew);
    bool by_customer = bytes_of(event->judged.event->customer_id).size > 0;
    job->counts = false;
    event->counting--;
    event->counted = event->counted || kept;
    if (kept || !job->leg || (by_customer && (event->counted || event->counting > 0)))
        return;
    if (redis_room(redis) == 0 || redis_room_bytes(redis) < ADMIT_BYTES_MARGIN)
        return; /* one message too few in a period, at most */
    char key[ONCE_KEY_SIZE];
    once_cap_key(&event->judged, job->leg, key);
    const struct bytes take_back[] = {BYTES("ZREM"), bytes_of(key), event->own};
    redis_command(redis, take_back, countof(take_back), &admit->given_up, 0);
}

/* --- both -------------------------------------------------------------------------------- */

void admit_ask_once(struct admit *admit, struct admit_batch *batch, uint16_t entry, struct job *job)
{
    if (!admit_has_claim(job) || admit_is_refused(job))
        return;
    enum once_part part = once_part_of(&job->event->judged);
    if (part != ONCE_NONE)
        ask_meeting(batch, entry, job, part);
    ask_cap(admit, batch, entry, job);
}

bool admit_take_once(const struct admit_command *command)
{
    const struct claim_answer *answer = &command->answer;
    struct job *job = command->job;
    if (answer->kind == CLAIM_ANSWER_LOST)
        return false;
    if (command->what == ADMIT_CAP)
        take_cap(job, answer->tag);
    else if (command->what == ADMIT_MEETING)
        return take_meeting(job, answer->text);
    else if (command->what == ADMIT_OTHER)
        take_other(job, answer);
    return true;
}

void admit_refuse_once(struct admit_entry *entry)
{
    for (struct list_node *n = entry->jobs.first; n; n = n->next) {
        struct job *job = job_of(n);
        if (admit_is_refused(job) || job->leg->decision != DECISION_SEND)
            continue;
        if (job->cap == CAP_FULL)
            judge_refuse(job->leg, JUDGE_C9, DECISION_SUPPRESSED, REASON_FREQUENCY_CAPPED, NULL);
        else if (job->met == MET_COLLAPSED)
            judge_refuse(job->leg, JUDGE_O2, DECISION_SUPPRESSED, REASON_COLLAPSED, NULL);
        else
            continue;
        job_refuse(job, job->leg);
    }
}

bool admit_waits_once(struct admit *admit, struct job *job)
{
    if (job->met == MET_OTHER) {
        list_push(&admit->queued, &job->node);
        return true;
    }
    if (job->met == MET_UNDER_WAY || job->cap == CAP_ASK_AGAIN) {
        job->cap = job->cap == CAP_ASK_AGAIN ? CAP_AGAIN : job->cap;
        job->met = MET_NOBODY;
        admit_wait(admit, job, WAIT_CLAIMED_ELSEWHERE, AGAIN_MS);
        return true;
    }
    return false;
}
