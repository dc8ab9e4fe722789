/* What the rules share in a process: zones, the config's templates, platform settings. */
#pragma once

#include "config.h"
#include "domain/judge.h"

struct adapters;
struct rules;

/* NULL: a finding says why. `adapters` NULL: routes for sms (with media), email, push. */
MUST_USE struct rules *rules_open(const struct config *config, const struct adapters *adapters,
                                  struct findings *findings);
const struct judge *rules_judge(const struct rules *rules);
void rules_close(struct rules *rules);
