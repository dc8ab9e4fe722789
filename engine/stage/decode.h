/* Records to events: bytes to a checked Carillon__V1__Event in the event's arena. A record of
 * a deferral topic becomes the event that it was: its origin is the first record's, and so is
 * its timestamp. */
#pragma once

#include "stage/job.h"

/* Takes all of `fresh` (struct event). `decoded`: readable; `refused`: jobs with a
 * refusal whose addresses can be read, so that claims are asked; `done`: jobs whose
 * record holds no address to ask for. */
void decode_all(struct jobs *jobs, struct list *fresh, struct list *decoded, struct list *refused,
                struct list *done);
