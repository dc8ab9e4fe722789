/* The countries that a phone number may be in, by its calling code. */
#pragma once

#include "base/base.h"
#include "base/bytes.h"

struct calling_code {
    const char *digits;    /* "33", "1" */
    const char *countries; /* ISO codes joined by `+`, alphabetical: "FR", "KZ+RU" */
};

/* The row with the longest prefix of a number in normal form; NULL: none. */
const struct calling_code *country_of_number(struct bytes number);
/* Whether it is written as an ISO 3166 code: two capital letters. */
bool country_code_valid(struct bytes code);

extern const struct calling_code calling_codes[];
extern const uint32_t calling_code_count;
