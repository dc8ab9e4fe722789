/* Commands as Redis reads them (RESP arrays of bulk strings), written without a copy of
 * their arguments in between. Always argument by argument: data is never parsed. */
#pragma once

#include "base/bytes.h"

static inline void resp_number(struct writer *w, char type, size_t n)
{
    write_char(w, type);
    write_u64(w, n);
    write_literal(w, "\r\n");
}

static inline void resp_begin(struct writer *w, uint32_t count)
{
    resp_number(w, '*', count);
}

static inline void resp_argument(struct writer *w, struct bytes argument)
{
    resp_number(w, '$', argument.size);
    write_slice(w, argument);
    write_literal(w, "\r\n");
}
