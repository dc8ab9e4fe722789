/* Time, read once per turn and passed on. `mono_ns` is CLOCK_BOOTTIME and only ever
 * compared with itself; wall time in milliseconds is what rules and records speak of.
 * Only clock.c asks the system; tests pass their own values. */
#pragma once

#include "base/base.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_mono_ns(void); /* since boot, suspend included */
int64_t clock_wall_ms(void);  /* since 1970, UTC */
