/* What the files of admit share: a batch is what one round trip asks, event by event, and
 * the answers, kept until the last one - the epoch - says whether they count. */
#pragma once

#include "stage/admit.h"

enum {
    ADMIT_COMMANDS_MAX = 1024,
    ADMIT_READS_MAX = ADMIT_BATCH_MAX * 8,
    ADMIT_KEYS_BYTES = ADMIT_READS_MAX * 96,
    ADMIT_MEMORY = 512 * 1024,      /* keys, then answers, of a batch */
    ADMIT_DOCUMENT_MAX = 32 * 1024, /* no honest state document is larger */
    ADMIT_SCRATCH = 512 * 1024,     /* documents of one event, decoded */
    ADMIT_BYTES_MARGIN = 64 * 1024, /* more than one event's commands */
    ADMIT_CANDIDATES_MAX = 32,      /* claims that an event could have */
    ADMIT_LOST_MS = 50,             /* until an answer that was lost is asked for again */
    ADMIT_EVENT_COMMANDS = 4 * LEGS_MAX + ADMIT_CANDIDATES_MAX + 1,
};

/* What is read about an event. */
enum admit_subject {
    ADMIT_SMS,
    ADMIT_EMAIL,
    ADMIT_CUSTOMER,
    ADMIT_PLATFORM_SMS,
    ADMIT_PLATFORM_EMAIL,
    ADMIT_PLATFORM_CUSTOMER,
    ADMIT_BOOKING,
    ADMIT_VERSION, /* of the tenant's settings */
    ADMIT_SUBJECT_COUNT
};

struct admit_read {
    struct bytes is; /* the value, once answered */
    bool known;      /* answered */
    bool missing;    /* there is nothing */
};
enum { ADMIT_UNREAD = UINT16_MAX };

struct admit_entry { /* an event in a batch */
    struct event *event;
    struct list jobs; /* those of its jobs that are in the batch */
    uint16_t read[ADMIT_SUBJECT_COUNT];
    uint32_t found;        /* candidates whose claim is the event's own */
    bool asked_candidates; /* all of them were asked */
    bool asked_former;     /* l1 was */
    bool lost;             /* an answer that the event's turn needs */
    struct bytes former;   /* what l1 held */
};

enum admit_what {
    ADMIT_CLAIM,
    ADMIT_CANDIDATE,
    ADMIT_FORMER,
    ADMIT_MEETING, /* O2: who else is there this minute */
    ADMIT_OVER,    /* the reminder takes over what an additional one holds */
    ADMIT_OTHER,   /* and looks at its claim */
    ADMIT_CAP      /* C9 */
};

struct admit_command {
    enum admit_what what;
    uint16_t entry;
    uint16_t candidate;
    struct job *job;
    struct claim_answer answer;
};

struct admit_batch {
    struct list_node node;
    struct redis_waiter waiter;
    struct admit *admit;
    uint32_t awaited; /* answers */
    uint64_t asked_ns;
    uint32_t entry_count, command_count, read_count;
    bool state_known;   /* the reads were answered */
    bool epoch_known;   /* the epoch was, and is the one that counts */
    bool epoch_other;   /* it is not */
    struct writer keys; /* of the reads, as arguments of a command; in `memory` */
    struct arena memory;
    struct admit_entry entries[ADMIT_BATCH_MAX];
    struct admit_command commands[ADMIT_COMMANDS_MAX];
    struct admit_read reads[ADMIT_READS_MAX];
};

/* admit_ask.c: fills the batch from the queue and sends it. */
/* False: nothing was asked, Redis has no room. */
MUST_USE bool admit_fill(struct admit *admit, struct admit_batch *batch);
void admit_send(struct admit_batch *batch, const struct admit_command *what,
                const struct bytes *arguments, uint32_t count);
void admit_on_answer(struct redis_waiter *waiter, uint32_t index, const struct redis_reply *reply);

/* admit_state.c: the entry's reads, with or without the state of who it goes to. */
void admit_read_state(struct admit *admit, struct admit_batch *batch, struct admit_entry *entry,
                      bool state);
/* All of them were answered. */
bool admit_is_read(const struct admit_batch *batch, const struct admit_entry *entry);
int64_t admit_version_of(const struct admit_batch *batch, const struct admit_entry *entry);
/* In the scratch arena. False: something is damaged, nothing may be decided from it. */
MUST_USE bool admit_state_of(struct admit *admit, const struct admit_batch *batch,
                             const struct admit_entry *entry, struct judge_state *out);

/* admit_legs.c: every (channel, address) whose claim the event may own. */
struct admit_candidates {
    struct leg at[ADMIT_CANDIDATES_MAX];
    uint32_t count;
};
void admit_candidates_of(const struct event *event, struct arena *arena,
                         struct admit_candidates *out);
void admit_claim_key(struct event *event, const struct leg *leg, char key[CLAIM_KEY_SIZE]);
bool admit_has_leg(const struct judge_case *c, const struct leg *leg);
bool admit_of_business(const struct event *event);
/* The legs of the event as l1 keeps them. */
void admit_write_legs(const struct judge_case *c, struct writer *out);
/* Legs in `former` that are no candidates: kept, to be asked for. */
bool admit_keep_former(struct admit *admit, struct event *event, struct bytes former);
/* An event refused as a whole of which something may have gone: told leg by leg. False:
 * there is no room for the jobs. */
MUST_USE bool admit_tell_by_leg(struct admit *admit, struct admit_entry *entry);
/* Legs that settings or preference left out, and that have a claim, exist again. */
MUST_USE bool admit_revive_legs(struct admit *admit, struct admit_entry *entry);
/* C3 is open and a candidate has a claim: it is the one. */
MUST_USE bool admit_keep_channel(struct admit *admit, struct admit_entry *entry);

/* admit_once.c: O2 and C9. */
/* After the claim was asked for: an additional reminder relies on that order. */
void admit_ask_once(struct admit *admit, struct admit_batch *batch, uint16_t entry,
                    struct job *job);
/* False: to be asked again. */
MUST_USE bool admit_take_once(const struct admit_command *command);
void admit_refuse_once(struct admit_entry *entry);
/* A leg that would go has to look at another one first; it was taken. */
MUST_USE bool admit_waits_once(struct admit *admit, struct job *job);

/* admit_decide.c: everything of the batch is answered. */
void admit_decide(struct admit *admit, struct admit_batch *batch);
/* The claim that the job has just taken is deleted; nobody waits for the answer. */
void admit_give_back(struct admit *admit, struct job *job);

/* admit.c: a claim can be asked for where the job is of a leg with an address. */
static inline bool admit_has_claim(const struct job *job)
{
    return job->leg && job->leg->address.size > 0;
}
static inline bool admit_is_refused(const struct job *job)
{
    return job->end.outcome != CARILLON__V1__OUTCOME_KIND__OUTCOME_KIND_UNSPECIFIED;
}
int64_t admit_due_ms(const struct event *event);
/* Sets what the job wants as its claim's goal. */
void admit_aim(struct admit *admit, struct job *job);
/* Each takes the job (in no list) out of admit. */
void admit_wait(struct admit *admit, struct job *job, enum wait_reason why, int64_t ms);
void admit_ready(struct admit *admit, struct job *job);
void admit_done(struct admit *admit, struct job *job);
void admit_rejudge(struct admit *admit, struct job *job);
