#include "domain/address.h"

enum {
    NUMBER_LEAST = 1 + 7,
    NUMBER_MOST = 1 + 15,
    LOCAL_MAX = 64,
    LABEL_MAX = 63,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A set of ASCII characters, a bit each. */
struct set {
    uint64_t bits[4];
};
static const struct set letters_digits = {
    {UINT64_C(0x03ff000000000000), UINT64_C(0x07fffffe07fffffe)}};
/* RFC 5322's atext: these, and !#$%&'*+-/=?^_`{|}~ */
static const struct set atext = {{UINT64_C(0xa3ffacfa00000000), UINT64_C(0x7fffffffc7fffffe)}};

static bool is_in(const struct set *set, char c)
{
    return set->bits[(unsigned char)c >> 6] >> (c & 63) & 1;
}

bool address_number_valid(struct bytes number)
{
    if (number.size < NUMBER_LEAST || number.size > NUMBER_MOST || number.at[0] != '+' ||
        number.at[1] == '0')
        return false;
    for (size_t i = 1; i < number.size; i++)
        if (!is_digit(number.at[i]))
            return false;
    return true;
}

/* Atoms with one dot between two of them. */
static bool local_part_valid(struct bytes local)
{
    if (local.size == 0 || local.size > LOCAL_MAX)
        return false;
    bool in_atom = false;
    for (size_t i = 0; i < local.size; i++) {
        bool dot = local.at[i] == '.';
        if (dot ? !in_atom : !is_in(&atext, local.at[i]))
            return false;
        in_atom = !dot;
    }
    return in_atom;
}

/* Letters, digits and hyphens; a hyphen neither first nor last. */
static bool label_valid(struct bytes label)
{
    if (label.size == 0 || label.size > LABEL_MAX || label.at[0] == '-' ||
        label.at[label.size - 1] == '-')
        return false;
    for (size_t i = 0; i < label.size; i++)
        if (label.at[i] != '-' && !is_in(&letters_digits, label.at[i]))
            return false;
    return true;
}

static bool domain_valid(struct bytes domain)
{
    for (;;) {
        const char *dot = domain.size ? memchr(domain.at, '.', domain.size) : NULL;
        size_t size = dot ? (size_t)(dot - domain.at) : domain.size;
        if (!label_valid((struct bytes){domain.at, size}))
            return false;
        if (!dot)
            return true;
        domain = (struct bytes){dot + 1, domain.size - size - 1};
    }
}

bool address_email_valid(struct bytes email)
{
    if (email.size == 0 || email.size > ADDRESS_EMAIL_MAX)
        return false;
    const char *at = memchr(email.at, '@', email.size);
    if (!at)
        return false;
    size_t local = (size_t)(at - email.at);
    return local_part_valid((struct bytes){email.at, local}) &&
           domain_valid((struct bytes){at + 1, email.size - local - 1});
}

/* Whether one of eight characters is a capital; of bytes that are no ASCII it may say so, too. */
static bool may_have_capital(const char *eight)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t v;
    memcpy(&v, eight, sizeof v);
    uint64_t from_a = v + each * (0x80 - 'A'), after_z = v + each * (0x7f - 'Z');
    return ((v | (from_a & ~after_z)) & each * 0x80) != 0;
}

struct bytes address_email_normal(struct bytes email, struct arena *arena)
{
    size_t i = 0;
    while (email.size - i >= 8 && !may_have_capital(email.at + i))
        i += 8;
    while (i < email.size && !(email.at[i] >= 'A' && email.at[i] <= 'Z'))
        i++;
    if (i == email.size)
        return email;
    char *copy = arena_copy(arena, email);
    if (!copy)
        return (struct bytes){0};
    for (; i < email.size; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] + 32);
    return (struct bytes){copy, email.size};
}
