/* Fills a batch: an entry for each event with all its queued jobs, and the commands of
 * their claims; then one MGET of all that is known about the events, and the epoch last. */
#include "domain/state_key.h"
#include "stage/admit_batch.h"

enum { INDEX_STATE = ADMIT_COMMANDS_MAX, INDEX_EPOCH, ANSWER_MAX = 16 * 1024 };

void admit_send(struct admit_batch *batch, const struct admit_command *what,
                const struct bytes *arguments, uint32_t count)
{
    CHECK(batch->command_count < ADMIT_COMMANDS_MAX);
    uint32_t index = batch->command_count++;
    batch->commands[index] = *what;
    batch->awaited++;
    redis_command(batch->admit->options.redis, arguments, count, &batch->waiter, index);
}

static uint16_t index_of(const struct admit_batch *batch, const struct admit_entry *entry)
{
    return (uint16_t)(entry - batch->entries);
}

static void ask_claim(struct admit *admit, struct admit_batch *batch, struct admit_entry *entry,
                      struct job *job)
{
    struct claim_command command;
    admit_aim(admit, job);
    if (!job->claim_ready || job->claim.state != CLAIM_ASKING)
        return;
    claim_command(&job->claim, &admit->world, &command);
    const struct admit_command what = {
        .what = ADMIT_CLAIM, .entry = index_of(batch, entry), .job = job};
    admit_send(batch, &what, command.arg, command.arg_count);
}

/* Whether every address of a customer is a leg's: then no other claim can be the event's. */
static bool all_are_legs(const struct event *event)
{
    const Carillon__V1__Recipient *to = event->judged.event->recipient;
    uint32_t addresses = 0, legs = 0;
    if (admit_of_business(event))
        return false;
    if (to)
        addresses = (uint32_t)((to->sms && *to->sms) + (to->email && *to->email));
    for (uint32_t i = 0; i < event->judged.leg_count; i++)
        legs += event->judged.legs[i].address.size > 0;
    return legs >= addresses;
}

/* Until the event has a job for each leg, any address of it may have a claim. */
static bool is_whole(const struct admit_entry *entry)
{
    return job_of(entry->jobs.first)->leg == NULL;
}

static void ask_candidates(struct admit *admit, struct admit_batch *batch,
                           struct admit_entry *entry)
{
    struct event *event = entry->event;
    const struct judge_case *c = &event->judged;
    bool whole = is_whole(entry);
    if (event->candidates_asked || event_names_legs(event) || (!whole && all_are_legs(event)))
        return;
    entry->asked_candidates = true;
    struct admit_candidates *candidates = arena_take(&admit->scratch, sizeof *candidates);
    CHECK(candidates != NULL);
    admit_candidates_of(event, &admit->scratch, candidates);
    for (uint32_t i = 0; i < candidates->count; i++) {
        const struct leg *leg = &candidates->at[i];
        if (!whole && admit_has_leg(c, leg))
            continue;
        char key[CLAIM_KEY_SIZE];
        admit_claim_key(event, leg, key);
        const struct bytes get[] = {BYTES("GET"), {key, sizeof key}};
        const struct admit_command what = {
            .what = ADMIT_CANDIDATE, .entry = index_of(batch, entry), .candidate = (uint16_t)i};
        admit_send(batch, &what, get, countof(get));
    }
}

/* l1:{event}: business legs come from settings; the first admission stores which. */
static void ask_former(struct admit *admit, struct admit_batch *batch, struct admit_entry *entry,
                       bool sends)
{
    struct event *event = entry->event;
    if (event->former_asked || event_names_legs(event) || !admit_of_business(event))
        return;
    entry->asked_former = true;
    char key_memory[64], ttl_memory[24], *value_memory = arena_take(&admit->scratch, ANSWER_MAX);
    CHECK(value_memory != NULL);
    struct writer key = writer_of(key_memory, sizeof key_memory);
    struct writer ttl = writer_of(ttl_memory, sizeof ttl_memory);
    struct writer value = writer_of(value_memory, ANSWER_MAX);
    const char *bar = memchr(event->own.at, '|', event->own.size);
    write_literal(&key, "l1:{");
    write_bytes(&key, event->own.at, (size_t)(bar - event->own.at));
    write_char(&key, '}');
    const struct admit_command what = {.what = ADMIT_FORMER, .entry = index_of(batch, entry)};
    if (!sends) {
        const struct bytes get[] = {BYTES("GET"), writer_bytes(&key)};
        admit_send(batch, &what, get, countof(get));
        return;
    }
    int64_t day_ms = 24 * 3600 * 1000;
    write_i64(&ttl, i64_max(admit->options.claims->rules.dedup_window_ms,
                            event->judged.expires_ms + day_ms - admit->world.now_ms));
    admit_write_legs(&event->judged, &value);
    const struct bytes set[] = {BYTES("SET"), writer_bytes(&key), writer_bytes(&value), BYTES("NX"),
                                BYTES("GET"), BYTES("PX"),        writer_bytes(&ttl)};
    admit_send(batch, &what, set, countof(set));
}

static void ask_entry(struct admit *admit, struct admit_batch *batch, struct admit_entry *entry)
{
    bool sends = false;
    for (struct list_node *n = entry->jobs.first; n; n = n->next)
        sends = sends || !admit_is_refused(job_of(n));
    arena_reset(&admit->scratch);
    ask_candidates(admit, batch, entry);
    ask_former(admit, batch, entry, sends);
    admit_read_state(admit, batch, entry, sends);
    for (struct list_node *n = entry->jobs.first; n; n = n->next) {
        ask_claim(admit, batch, entry, job_of(n));
        admit_ask_once(admit, batch, index_of(batch, entry), job_of(n));
    }
}

static bool has_room(const struct admit *admit, const struct admit_batch *batch)
{
    const struct redis *redis = admit->options.redis;
    return batch->entry_count < ADMIT_BATCH_MAX &&
           batch->command_count + ADMIT_EVENT_COMMANDS <= ADMIT_COMMANDS_MAX &&
           redis_room(redis) > ADMIT_EVENT_COMMANDS + 2 &&
           redis_room_bytes(redis) > batch->keys.size + ADMIT_BYTES_MARGIN;
}

/* The first job of the queue, with those of the same event. */
static void take_event(struct admit *admit, struct admit_entry *entry)
{
    struct list_node *next = admit->queued.first->next;
    *entry = (struct admit_entry){.event = job_of(admit->queued.first)->event};
    if (next) {
        job_fetch(job_of(next));
        event_fetch_contents(job_of(next)->event);
    }
    for (uint32_t i = 0; i < ADMIT_SUBJECT_COUNT; i++)
        entry->read[i] = ADMIT_UNREAD;
    for (struct list_node *n = entry->event->jobs.first; n; n = n->next) {
        struct job *job = job_of_sibling(n);
        if (job->node.owner != &admit->queued)
            continue;
        list_remove(&admit->queued, &job->node);
        list_push(&entry->jobs, &job->node);
    }
}

static void ask_state(struct admit *admit, struct admit_batch *batch)
{
    struct redis *redis = admit->options.redis;
    batch->state_known = batch->read_count == 0;
    if (batch->read_count > 0) {
        redis_begin(redis, batch->read_count + 1);
        redis_argument(redis, BYTES("MGET"));
        redis_arguments(redis, writer_bytes(&batch->keys), batch->read_count);
        redis_end(redis, &batch->waiter, INDEX_STATE);
        batch->awaited++;
    }
    const struct bytes get[] = {BYTES("GET"), BYTES(STATE_EPOCH_KEY)};
    batch->epoch_known = batch->epoch_other = false;
    redis_command(redis, get, countof(get), &batch->waiter, INDEX_EPOCH);
    batch->awaited++;
}

bool admit_fill(struct admit *admit, struct admit_batch *batch)
{
    batch->awaited = batch->entry_count = batch->command_count = batch->read_count = 0;
    arena_reset(&batch->memory);
    batch->keys = writer_of(arena_take(&batch->memory, ADMIT_KEYS_BYTES), ADMIT_KEYS_BYTES);
    while (admit->queued.count > 0 && has_room(admit, batch)) {
        struct admit_entry *entry = &batch->entries[batch->entry_count++];
        take_event(admit, entry);
        ask_entry(admit, batch, entry);
    }
    if (batch->entry_count == 0)
        return false;
    ask_state(admit, batch);
    arena_reset(&batch->memory); /* the answers' */
    batch->asked_ns = admit->now_ns;
    return true;
}

/* --- answers ------------------------------------------------------------------------- */

/* Kept until the batch is whole. What does not fit counts as lost, and is asked again. */
static void keep_answer(struct admit_batch *batch, struct admit_command *command,
                        const struct redis_reply *reply)
{
    struct claim_answer *answer = &command->answer;
    *answer = claims_answer_of(CLAIM_STEP_GET, reply);
    if (answer->text.size > ANSWER_MAX) /* no value of ours: cut, it stays none */
        answer->text.size = ANSWER_MAX;
    const char *tag = arena_copy(&batch->memory, answer->tag);
    const char *text = arena_copy(&batch->memory, answer->text);
    if (!tag || !text)
        *answer = (struct claim_answer){.kind = CLAIM_ANSWER_LOST};
    answer->tag.at = tag;
    answer->text.at = text;
}

static void keep_state(struct admit_batch *batch, const struct redis_reply *reply)
{
    if (!reply || reply->type != REDIS_ARRAY || reply->element_count != batch->read_count)
        return;
    batch->state_known = true;
    for (uint32_t i = 0; i < batch->read_count; i++) {
        const struct redis_reply *value = reply->elements[i];
        struct admit_read *read = &batch->reads[i];
        read->missing = value->type == REDIS_NIL;
        read->is = (struct bytes){0};
        read->known = read->missing;
        if (value->type != REDIS_TEXT || value->text.size > ADMIT_DOCUMENT_MAX)
            continue;
        const char *copy = arena_copy(&batch->memory, value->text);
        read->is = (struct bytes){copy, value->text.size};
        read->known = copy != NULL;
    }
}

static void keep_epoch(struct admit_batch *batch, const struct redis_reply *reply)
{
    if (!reply || (reply->type != REDIS_TEXT && reply->type != REDIS_NIL))
        return;
    batch->epoch_known = reply->type == REDIS_TEXT &&
                         bytes_equal(reply->text, claims_epoch(batch->admit->options.claims));
    batch->epoch_other = !batch->epoch_known;
}

void admit_on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply)
{
    struct admit_batch *batch = container_of(waiter, struct admit_batch, waiter);
    CHECK(batch->awaited > 0);
    if (index == INDEX_STATE)
        keep_state(batch, reply);
    else if (index == INDEX_EPOCH)
        keep_epoch(batch, reply);
    else
        keep_answer(batch, &batch->commands[index], reply);
    if (--batch->awaited == 0)
        list_push(&batch->admit->answered, &batch->node);
}
