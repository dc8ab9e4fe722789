/* The Redis functions: what `carillon setup` loads, and how their state is told apart.
 * One place for their text; reference/reliability.md, appendix A, explains them. */
#pragma once

#include "base/bytes.h"

#define REDIS_FUNCTIONS_LIBRARY "carillon"
enum { REDIS_FUNCTIONS_VERSION = 1 }; /* what function `version` answers */

extern const struct bytes redis_functions; /* the Lua source, for FUNCTION LOAD */
