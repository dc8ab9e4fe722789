/* Between the files of schedule: queues and slots (schedule.c), what leaves for Kafka
 * (schedule_defer.c). */
#pragma once

#include "stage/schedule.h"

/* Whether nobody has to keep a claim of it in mind. */
bool schedule_is_free(const struct job *job);
/* Whether it may be deferred now, at all. */
bool schedule_may_leave(const struct schedule *s, const struct job *job);

/* Not due yet, or to be tried again: into the wheel, or out. */
void schedule_wait(struct schedule *s, struct job *job, struct schedule_out *out);

/* Due, with its route chosen: true where it would wait too long there, and left. */
bool schedule_turned_away(struct schedule *s, struct job *job, struct schedule_out *out);

/* Each turn, of each route: those in its queues that wait too long leave. */
void schedule_clear(struct schedule *s, struct route *route, struct schedule_out *out);

static inline bool schedule_is_urgent(const struct job *job)
{
    return job->event->judged.kind->class == CARILLON__V1__CLASS__CLASS_URGENT;
}
