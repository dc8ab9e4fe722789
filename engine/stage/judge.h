/* Runs the rules (domain/judge) over events and makes a job of each leg. What is not due
 * waits as one job and is judged when its time comes, with the settings of then (Q7);
 * before it is due it is refused only for what time cannot change.
 *
 * Of an event that comes back from deferral only the legs that its record names are judged. */
#pragma once

#include "domain/judge.h"
#include "stage/job.h"

struct judge_options {
    struct jobs *jobs;
    const struct judge *rules;
    int64_t smear_ms; /* Q10 */
};

/* Clock of a turn: rules speak of Redis's milliseconds, timers of monotonic time. */
struct judge_now {
    int64_t ms;
    uint64_t ns;
};

/* Takes all of `events` (struct event, its tenant held). `judged`: jobs that wait until
 * their due_ns (now or later); `refused`: jobs with a refusal, to be asked for. */
void judge_all(const struct judge_options *options, struct judge_now now, struct list *events,
               struct list *judged, struct list *refused);

/* A leg that waited for its own time, whose event was planned: judged anew, alone. */
void judge_leg_again(const struct judge_options *options, struct judge_now now, struct job *job,
                     struct list *judged, struct list *refused);
