/* One judged event as `explain` prints it: a JSON object on a line, or sentences. */
#pragma once

#include "domain/address_hash.h"
#include "domain/judge.h"

#include <stdio.h>

struct explained {
    const struct judge_case *c;
    struct bytes event_id; /* also where the event does not decode; size 0: unknown */
    struct hmac_key address_key;
};

void explain_print_json(const struct explained *explained, FILE *out);
void explain_print_text(const struct explained *explained, FILE *out);
