/* Between the files of schedule: queues and slots (schedule.c), events of several legs
 * (schedule_together.c), what leaves for Kafka (schedule_defer.c). */
#pragma once

#include "stage/schedule.h"

/* Whether the route takes calls, and its limits and account have room for one more; what the
 * job's own event is promised is not in its way. NULL: it is promised nothing. */
bool schedule_has_room(const struct schedule *s, const struct job *job, const struct event *own);
struct list *schedule_queue_of(struct job *job);
/* How long a leg would wait in that queue of the route. */
uint64_t schedule_queue_ns(const struct route *route, const struct list *queue);

/* Whether others of its event have to be admitted with it. */
static inline bool schedule_is_joint(const struct job *job)
{
    return job->event->jobs_open > 1 && !job->event->released;
}
/* Due, with its route chosen: beside the others of its event. */
void schedule_gather(struct schedule *s, struct job *job);
/* Puts one leg of each event that lacks it into its queue. */
void schedule_line_up(struct schedule *s);
/* The leader of an event, just out of its queue: with all the others into `due`, or it waits
 * on, as one of them. False: its queue waits with it. */
MUST_USE bool schedule_release_joint(struct schedule *s, struct job *leader, struct list *due);
/* The job left its queue for good; those that waited beside it are in no list then. */
void schedule_disband(struct job *job, struct list *others);
/* The same; they go on waiting. */
void schedule_leave_others(struct schedule *s, struct job *job);

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
