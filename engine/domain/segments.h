/* How many segments an SMS is sent in: GSM-7 (160, or 153 each) or UCS-2 (70, 67), packed
 * greedily so that neither an escape pair nor a surrogate pair is cut. */
#pragma once

#include "base/bytes.h"
#include "carillon/v1/outcome.pb-c.h"

struct segments {
    Carillon__V1__Encoding encoding;
    uint32_t units;       /* septets or UTF-16 units */
    uint32_t segments;    /* 0 for an empty text */
    uint32_t code_points; /* Unicode's */
};

/* The text is UTF-8; bytes that are not count as one character outside GSM-7 each. */
struct segments segments_count(struct bytes text);
