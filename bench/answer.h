/* What the simulated provider says: the forms of reference A1 and A9, and a webhook's. */
#pragma once

#include "journal.h"

#define ANSWER_MAX 1024

/* Writes the whole answer for the record's channel, route, action and status. */
void answer_write(struct writer *w, const struct sim_record *record, bool close);

/* The status for an action; 0 where nothing is answered. */
uint16_t answer_status(const struct sim_record *record, uint64_t dice);
