/* `carillon check --connect`: whether what the config names answers. */
#pragma once

#include "adapters.h"

/* Adds an error for each that does not, at its key. Waits for at most a few seconds each. */
void reach(const struct config *config, const struct adapters *adapters, struct findings *findings);
