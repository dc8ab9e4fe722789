/* The Redis functions: what `carillon setup` loads, and how their state is told apart.
 * One place for their text; reference/reliability.md, appendix A, explains them. */
#pragma once

#include "base/bytes.h"

#define REDIS_FUNCTIONS_LIBRARY "carillon"
/* What function `version` answers. A version only adds to the one before, so that workers
 * of the one before go on under it while a fleet is being renewed. */
enum { REDIS_FUNCTIONS_VERSION = 4 };

extern const struct bytes redis_functions; /* the Lua source, for FUNCTION LOAD */
