/* Which carillon this is: for `version`, the log, /metrics and /status.json. */
#pragma once

#include "base/bytes.h"

#define CARILLON_VERSION "0.1.0"

/* Of the commit that was built, "-dirty" behind it when files were changed; "unknown" outside
 * of a clone. */
extern const char version_commit[];
/* {"version":...,"commit":...,"libraries":{...},"io":[...]} */
void version_write(struct writer *w);
