/* What concerns several keys at once, or a text's form: adds to `findings`. */
#pragma once

#include "config.h"

void config_check(const struct config *config, struct findings *findings);
