#include "domain/countries.h"

enum { CODE_DIGITS_MAX = 3 };

const struct calling_code calling_codes[] = {
#include "data/calling-codes.inc"
};
const uint32_t calling_code_count = countof(calling_codes);

/* By the digits, like strcmp: the table is sorted so. */
static int order_of(const struct calling_code *row, struct bytes digits)
{
    size_t size = strlen(row->digits);
    int order = memcmp(row->digits, digits.at, size < digits.size ? size : digits.size);
    return order ? order : (size > digits.size) - (size < digits.size);
}

static const struct calling_code *row_of(struct bytes digits)
{
    uint32_t low = 0, high = calling_code_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = order_of(&calling_codes[middle], digits);
        if (order == 0)
            return &calling_codes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct calling_code *country_of_number(struct bytes number)
{
    if (number.size < 2 || number.at[0] != '+')
        return NULL;
    size_t size = number.size - 1;
    for (size_t n = size < CODE_DIGITS_MAX ? size : CODE_DIGITS_MAX; n > 0; n--) {
        const struct calling_code *row = row_of((struct bytes){number.at + 1, n});
        if (row)
            return row;
    }
    return NULL;
}

bool country_code_valid(struct bytes code)
{
    return code.size == 2 && code.at[0] >= 'A' && code.at[0] <= 'Z' && code.at[1] >= 'A' &&
           code.at[1] <= 'Z';
}
