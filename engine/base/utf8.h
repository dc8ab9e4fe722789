/* UTF-8 by RFC 3629, strict. */
#pragma once

#include "base/bytes.h"

/* Bytes of the character that begins at `at`; 0 where none does. `at` is before `end`. */
size_t utf8_length(const char *at, const char *end);
/* Size of the longest prefix that is UTF-8; text.size where all is. */
size_t utf8_valid_size(struct bytes text);
