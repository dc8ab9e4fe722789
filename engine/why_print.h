/* What happened to an event, leg by leg, in plain sentences. */
#pragma once

#include "carillon/v1/outcome.pb-c.h"
#include "domain/zones.h"

#include <stdio.h>

struct why_leg {
    const Carillon__V1__Outcome *outcome; /* the first of its leg and origin */
    uint32_t again;                       /* how many more told the same end */
};

/* The event's line, as the leg's outcome names it; before its legs. */
void why_print_event(const Carillon__V1__Outcome *outcome, FILE *out);
/* `zones` NULL: times in UTC. */
void why_print_leg(const struct why_leg *leg, struct zones *zones, FILE *out);
