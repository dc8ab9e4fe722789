/* A batch is answered: what became of each claim, what the rules say with the state, and
 * in which list each job goes on. */
#include "domain/once.h"
#include "stage/admit_batch.h"
#include "stage/route.h"
#include "stage/tenants.h"

enum { DAMAGED_MS = 1000, FULL_MS = 20 };

static struct job *take_job(struct admit_entry *entry)
{
    struct list_node *n = list_pop(&entry->jobs);
    return n ? job_of(n) : NULL;
}

static void wait_all(struct admit *admit, struct admit_entry *entry, enum wait_reason why,
                     int64_t ms)
{
    for (struct job *job = take_job(entry); job; job = take_job(entry))
        admit_wait(admit, job, why, ms);
}

/* --- the epoch is not the one that counts ------------------------------------------------ */

void admit_give_back(struct admit *admit, struct job *job)
{
    struct claim_command command;
    struct redis *redis = admit->options.redis;
    if (!job->claim.held)
        return;
    claim_release(&job->claim, &admit->world);
    if (job->claim.state != CLAIM_ASKING || redis_room(redis) == 0 ||
        redis_room_bytes(redis) < ADMIT_BYTES_MARGIN)
        return;
    claim_command(&job->claim, &admit->world, &command);
    redis_command(redis, command.arg, command.arg_count, &admit->given_up, 0);
}

/* What was taken in a Redis that may have lost claims is deleted there; the claim itself
 * hears that its answer was lost, so it asks again in the new epoch. */
static void untake(struct admit *admit, const struct admit_command *command)
{
    const struct claim *claim = &command->job->claim;
    struct redis *redis = admit->options.redis;
    char memory[24];
    struct writer ttl = writer_of(memory, sizeof memory);
    if (claim->step != CLAIM_STEP_TAKE || command->answer.kind != CLAIM_ANSWER_NIL ||
        redis_room(redis) == 0 || redis_room_bytes(redis) < ADMIT_BYTES_MARGIN)
        return;
    write_i64(&ttl, claim_ttl_ms(claim, &admit->world));
    const struct bytes swap[] = {BYTES("FCALL"),
                                 BYTES("swap"),
                                 BYTES("1"),
                                 {claim->key, CLAIM_KEY_SIZE},
                                 {claim->next, claim->next_size},
                                 BYTES(""),
                                 writer_bytes(&ttl)};
    redis_command(redis, swap, countof(swap), &admit->given_up, 0);
}

static void throw_away(struct admit *admit, struct admit_batch *batch)
{
    for (uint32_t i = 0; i < batch->command_count; i++)
        if (batch->commands[i].what == ADMIT_CLAIM)
            untake(admit, &batch->commands[i]);
    for (uint32_t i = 0; i < batch->entry_count; i++)
        wait_all(admit, &batch->entries[i], WAIT_REDIS, ADMIT_LOST_MS);
}

/* --- answers ----------------------------------------------------------------------------- */

static void take_claim(struct admit *admit, struct admit_entry *entry,
                       const struct admit_command *command)
{
    struct job *job = command->job;
    struct claims *claims = admit->options.claims;
    if (command->answer.kind == CLAIM_ANSWER_LOST) {
        list_remove(&entry->jobs, &job->node);
        admit_wait(admit, job, WAIT_REDIS, ADMIT_LOST_MS);
        return;
    }
    if (job->claim.step == CLAIM_STEP_TAKEOVER &&
        (bytes_equal(command->answer.tag, BYTES("AMBIG")) ||
         bytes_equal(command->answer.tag, BYTES("FREE"))))
        claims->stats.takeovers++;
    claim_answer(&job->claim, &admit->world, &command->answer);
}

/* Whether the event made this claim; what cannot be read may be its own. */
static bool is_own(const struct event *event, const struct claim_answer *answer)
{
    struct claim_value value;
    return answer->kind == CLAIM_ANSWER_TEXT &&
           (!claim_parse_value(answer->text, &value) || bytes_equal(value.own, event->own));
}

static void take_answers(struct admit *admit, struct admit_batch *batch)
{
    for (uint32_t i = 0; i < batch->command_count; i++) {
        const struct admit_command *command = &batch->commands[i];
        struct admit_entry *entry = &batch->entries[command->entry];
        bool lost = command->answer.kind == CLAIM_ANSWER_LOST;
        switch (command->what) {
        case ADMIT_CLAIM:
            take_claim(admit, entry, command);
            break;
        case ADMIT_CANDIDATE:
            entry->lost = entry->lost || lost;
            if (is_own(entry->event, &command->answer))
                entry->found |= 1u << command->candidate;
            break;
        case ADMIT_FORMER:
            entry->lost = entry->lost || lost;
            if (command->answer.kind == CLAIM_ANSWER_TEXT)
                entry->former = command->answer.text;
            break;
        case ADMIT_MEETING:
        case ADMIT_OVER:
        case ADMIT_OTHER:
        case ADMIT_CAP:
            if (!admit_take_once(command))
                entry->lost = true;
            break;
        }
    }
}

static void end_by_claim(struct admit *admit, struct job *job)
{
    claims_tell_end(job);
    admit->options.claims->stats.lost += job->claim.end.claims_lost;
    admit_done(admit, job);
}

/* Whatever else is to be said of the event, these legs have their end. Not before it is
 * known which others there are: the event goes with its last job. */
static void end_those_over(struct admit *admit, struct admit_entry *entry)
{
    for (struct list_node *n = entry->jobs.first, *next; n; n = next) {
        next = n->next;
        struct job *job = job_of(n);
        if (!job->claim_ready || job->claim.state != CLAIM_OVER)
            continue;
        list_remove(&entry->jobs, n);
        end_by_claim(admit, job);
    }
}

/* --- the rules --------------------------------------------------------------------------- */

static bool any_sends(const struct admit_entry *entry)
{
    for (const struct list_node *n = entry->jobs.first; n; n = n->next)
        if (!admit_is_refused(container_of(n, struct job, node)))
            return true;
    return false;
}

static bool is_here(const struct admit_entry *entry, const struct leg *leg)
{
    for (const struct list_node *n = entry->jobs.first; n; n = n->next)
        if (container_of(n, struct job, node)->leg == leg)
            return true;
    return false;
}

/* With the state of this moment. Legs that are elsewhere on their way stay as they were
 * judged there. False: the state cannot be read. */
static bool judge_now(struct admit *admit, const struct admit_batch *batch,
                      struct admit_entry *entry)
{
    struct judge_case *c = &entry->event->judged;
    uint32_t count = c->leg_count;
    struct leg *before = NULL;
    if (!admit_state_of(admit, batch, entry, &c->state))
        return false;
    if (!c->pick_one && entry->jobs.count < count) {
        before = arena_take(&admit->scratch, count * sizeof *before);
        if (!before)
            return false;
        memcpy(before, c->legs, count * sizeof *before);
    }
    c->refused = false; /* of an earlier state */
    c->now_ms = admit->world.now_ms;
    c->arena = &entry->event->arena;
    judge(admit->options.judge, JUDGE_STATE, c);
    c->state = (struct judge_state){0}; /* lies in the scratch arena */
    for (uint32_t i = 0; before && i < count; i++)
        if (!is_here(entry, &c->legs[i]))
            c->legs[i] = before[i];
    return true;
}

/* --- where a job goes -------------------------------------------------------------------- */

static void wait_for_claim(struct admit *admit, struct job *job)
{
    admit_wait(admit, job, WAIT_CLAIMED_ELSEWHERE, job->claim.again_ms - admit->world.now_ms);
}

/* Not to be sent now: what is held is given back, acknowledged, first. */
static void leave(struct admit *admit, struct job *job)
{
    if (job->claim_ready && job->claim.state == CLAIM_MINE)
        claim_release(&job->claim, &admit->world);
    if (job->claim_ready && job->claim.state == CLAIM_ASKING)
        list_push(&admit->queued, &job->node);
    else if (job->event->revoked)
        admit_wait(admit, job, WAIT_REDIS, 0);
    else
        admit_rejudge(admit, job);
}

static void refuse(struct admit *admit, struct job *job)
{
    bool asked = job->claim_ready && job->claim.goal == CLAIM_GOAL_REFUSE;
    if (!admit_has_claim(job) || (asked && job->claim.state == CLAIM_STANDS)) {
        admit_closing(admit, job); /* who was told to ask again for its place asks soon */
        admit_done(admit, job);
    } else if (asked && job->claim.state == CLAIM_WAITING)
        wait_for_claim(admit, job);
    else
        list_push(&admit->queued, &job->node);
}

static void go(struct admit *admit, struct job *job)
{
    bool asked = job->claim_ready && job->claim.goal == CLAIM_GOAL_SEND;
    if (asked && job->claim.state == CLAIM_MINE)
        admit_ready(admit, job);
    else if (asked && job->claim.state == CLAIM_WAITING)
        wait_for_claim(admit, job);
    else
        list_push(&admit->queued, &job->node);
}

static void move_on(struct admit *admit, struct job *job, bool current)
{
    enum claim_state state = job->claim_ready ? job->claim.state : CLAIM_IDLE;
    if (state == CLAIM_ASKING)
        list_push(&admit->queued, &job->node);
    else if (!current || job->event->revoked || state == CLAIM_RELEASED)
        leave(admit, job);
    else if (admit_is_refused(job))
        refuse(admit, job);
    else if (job->leg->decision == DECISION_SEND && !admit_waits_once(admit, job))
        go(admit, job);
    else if (job->leg->decision != DECISION_SEND)
        leave(admit, job); /* the hours closed meanwhile */
}

static void refuse_by_state(struct admit_entry *entry)
{
    for (struct list_node *n = entry->jobs.first; n; n = n->next) {
        struct job *job = job_of(n);
        if (!admit_is_refused(job) && job->leg->decision != DECISION_SEND &&
            job->leg->decision != DECISION_DEFER)
            job_refuse(job, job->leg);
    }
}

/* --- an event without legs, so far --------------------------------------------------------- */

/* Of what Redis may have lost, a refusal must not say that nothing was sent. */
static bool may_be_lost(const struct admit *admit, const struct event *event)
{
    int64_t due_ms = admit_due_ms(event), epoch_ms = admit->world.epoch_begun_ms;
    return epoch_ms > due_ms && event->assigned_ms > due_ms;
}

/* The refusal of an event as a whole. */
static void decide_refused(struct admit *admit, struct admit_entry *entry)
{
    if ((entry->found || may_be_lost(admit, entry->event)) && !admit_tell_by_leg(admit, entry)) {
        wait_all(admit, entry, WAIT_SLOT, FULL_MS);
        return;
    }
    for (struct job *job = take_job(entry); job; job = take_job(entry))
        refuse(admit, job);
}

static const struct leg *first_by_state(const struct judge_case *c)
{
    for (uint32_t i = 0; i < c->leg_count; i++)
        if (c->legs[i].by_state)
            return &c->legs[i];
    return &c->legs[0];
}

/* C3: the state chooses the channel, unless a claim did before. Then the leg looks for
 * its route and slots. */
static void decide_open(struct admit *admit, const struct admit_batch *batch,
                        struct admit_entry *entry)
{
    struct judge_case *c = &entry->event->judged;
    struct job *job = job_of(entry->jobs.first);
    if (entry->found && !admit_keep_channel(admit, entry)) {
        wait_all(admit, entry, WAIT_SLOT, FULL_MS);
        return;
    }
    if (job->leg) {
        wait_all(admit, entry, WAIT_SLOT, 0);
        return;
    }
    if (!judge_now(admit, batch, entry)) {
        wait_all(admit, entry, WAIT_REDIS, DAMAGED_MS);
        return;
    }
    if (c->refused) {
        c->legs[0] = *first_by_state(c);
        job_refuse(job, &c->legs[0]);
        decide_refused(admit, entry);
        return;
    }
    take_job(entry);
    if (c->legs[0].decision == DECISION_DEFER) {
        admit_rejudge(admit, job);
        return;
    }
    job->leg = &c->legs[0];
    if (c->legs[0].decision == DECISION_SEND) {
        admit_wait(admit, job, WAIT_SLOT, 0);
        return;
    }
    job_refuse(job, job->leg);
    refuse(admit, job);
}

/* --- an event ------------------------------------------------------------------------------ */

/* Whether the settings that judged its jobs are the newest; those of the event may be newer
 * than those of a leg that waited while another one was judged again. */
static bool is_current(struct admit *admit, const struct admit_batch *batch,
                       const struct admit_entry *entry)
{
    for (struct list_node *n = entry->jobs.first; n; n = n->next)
        if (job_of(n)->outdated)
            return false;
    return entry->read[ADMIT_VERSION] == ADMIT_UNREAD ||
           tenants_is_current(admit->options.tenants, entry->event->tenant_ref,
                              admit_version_of(batch, entry));
}

static void decide_legs(struct admit *admit, const struct admit_batch *batch,
                        struct admit_entry *entry, bool current)
{
    if (current && entry->found && !admit_revive_legs(admit, entry)) {
        entry->event->candidates_asked = false;
        wait_all(admit, entry, WAIT_SLOT, FULL_MS);
        return;
    }
    end_those_over(admit, entry);
    if (current && any_sends(entry)) {
        if (!judge_now(admit, batch, entry)) {
            wait_all(admit, entry, WAIT_REDIS, DAMAGED_MS);
            return;
        }
        refuse_by_state(entry);
        admit_refuse_once(entry);
    }
    for (struct job *job = take_job(entry); job; job = take_job(entry))
        move_on(admit, job, current);
}

static void decide_entry(struct admit *admit, const struct admit_batch *batch,
                         struct admit_entry *entry)
{
    struct event *event = entry->event;
    if (entry->jobs.count == 0)
        return; /* each one's answer was lost */
    if (entry->lost || !admit_is_read(batch, entry)) {
        wait_all(admit, entry, WAIT_REDIS, ADMIT_LOST_MS);
        return;
    }
    arena_reset(&admit->scratch);
    event->former_asked = event->former_asked || entry->asked_former;
    if (entry->former.size > 0 && admit_keep_former(admit, event, entry->former)) {
        list_move(&entry->jobs, &admit->queued); /* with the claims of those legs */
        return;
    }
    event->candidates_asked = event->candidates_asked || entry->asked_candidates;
    bool current = is_current(admit, batch, entry);
    struct job *job = job_of(entry->jobs.first);
    if (job->leg)
        decide_legs(admit, batch, entry, current);
    else if (!current || event->revoked)
        leave(admit, take_job(entry));
    else if (admit_is_refused(job))
        decide_refused(admit, entry);
    else
        decide_open(admit, batch, entry);
}

static void fetch(const struct admit_batch *batch)
{
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        const struct admit_entry *entry = &batch->entries[i];
        event_fetch(entry->event);
        if (entry->jobs.first)
            job_fetch(job_of(entry->jobs.first));
    }
}

void admit_decide(struct admit *admit, struct admit_batch *batch)
{
    fetch(batch);
    admit->asked_ns = batch->asked_ns;
    if (batch->epoch_other)
        claims_epoch_changed(admit->options.claims);
    if (!batch->epoch_known || !claims_open(admit->options.claims)) {
        throw_away(admit, batch);
        return;
    }
    take_answers(admit, batch);
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        if (i + 1 < batch->entry_count)
            event_fetch_contents(batch->entries[i + 1].event);
        decide_entry(admit, batch, &batch->entries[i]);
    }
}
