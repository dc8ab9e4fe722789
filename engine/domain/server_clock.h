/* Redis's time by this machine's clock: CLOCK_BOOTTIME + an offset that samples keep true. A
 * sample says what the server's clock showed at some moment between asking and answer, so it
 * bounds the offset from both sides, however slow the answer was: the offset is never taken
 * from the upper side, so that a slow answer puts us behind the server and never ahead.
 *
 * It goes forward at once and back by a tenth of the time that passes, so that it never runs
 * backwards. What differs by more than RING_CLOCK_ERROR_MS is a step: it holds until three
 * samples in a row agree on another offset, or on the old one again. */
#pragma once

#include "domain/ring.h"

enum { SERVER_CLOCK_SAMPLES = 3 };

struct server_clock {
    uint64_t sample_ns; /* how far apart samples are that agree after a start or a stall */
    uint64_t stall_ns;  /* a turn that comes later than this had stood still; 0: never */
    int64_t offset_ns;  /* server's - CLOCK_BOOTTIME, as of slew_ns */
    int64_t excess_ns;  /* by which it is to go back */
    uint64_t slew_ns;
    bool known;      /* sampled since the start, or the last stall */
    bool stepped;    /* held; `candidate_ns` is what the newest samples say */
    uint32_t same;   /* samples in a row that agree on the candidate */
    uint32_t agreed; /* samples that agreed, sample_ns apart, since the start, a stall or a step */
    int64_t candidate_ns;
    uint64_t counted_ns; /* when the last of them was asked */
    uint64_t sampled_ns; /* the answer of the newest sample */
    uint64_t turn_ns;    /* the last turn */
    uint64_t since_ns;   /* what was asked before tells nothing */
};

struct server_sample {
    int64_t server_ns;
    uint64_t asked_ns, answered_ns;
};

/* `offset_ns`: a guess until the first sample. */
void server_clock_init(struct server_clock *clock, uint64_t sample_ns, uint64_t stall_ns,
                       int64_t offset_ns);
/* Each turn, before anything is sampled. True: it stood still, so it has to be sampled now. */
bool server_clock_turn(struct server_clock *clock, uint64_t now_ns);
void server_clock_sample(struct server_clock *clock, const struct server_sample *sample);

int64_t server_clock_offset_ns(const struct server_clock *clock, uint64_t now_ns);
/* The same as the newest sample has it: for what may go back at once. */
static inline int64_t server_clock_newest_ns(const struct server_clock *clock)
{
    return clock->offset_ns - clock->excess_ns;
}
/* Nothing is sent, deferred or finished. */
bool server_clock_held(const struct server_clock *clock, uint64_t now_ns);
struct ring_clock server_clock_read(const struct server_clock *clock, uint64_t now_ns);
