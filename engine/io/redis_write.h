/* Commands as Redis reads them (RESP arrays of bulk strings), written without a copy of
 * their arguments in between. Always argument by argument: data is never parsed. */
#pragma once

#include "base/bytes.h"

enum { RESP_NUMBER_MAX = 1 + U64_DIGITS_MAX + 2 };

/* The type, a number and the line's end. */
static inline char *resp_put(char *at, char type, size_t n)
{
    *at++ = type;
    if (n < 10) {
        *at++ = (char)('0' + n);
    } else if (n < 100) {
        at = put_two_digits(at, (uint32_t)n);
    } else {
        at = put_u64(at, n);
    }
    return put_bytes(at, BYTES("\r\n"));
}

/* Room is asked for once, with that for the longest of numbers. */
static inline bool resp_room(struct writer *w, size_t size)
{
    if (!w->overflow && size <= w->max - w->size)
        return true;
    w->overflow = true;
    return false;
}

static inline void resp_begin(struct writer *w, uint32_t count)
{
    if (resp_room(w, RESP_NUMBER_MAX))
        w->size = (size_t)(resp_put(w->at + w->size, '*', count) - w->at);
}

static inline void resp_argument(struct writer *w, struct bytes argument)
{
    if (!resp_room(w, argument.size + RESP_NUMBER_MAX + 2))
        return;
    char *at = put_bytes(resp_put(w->at + w->size, '$', argument.size), argument);
    w->size = (size_t)(put_bytes(at, BYTES("\r\n")) - w->at);
}
