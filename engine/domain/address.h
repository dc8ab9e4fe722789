/* Addresses: what is valid (rule C10), and their normal form. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

enum { ADDRESS_EMAIL_MAX = 254 };

/* `+`, 7-15 digits, the first 1-9. It is its own normal form. */
bool address_number_valid(struct bytes number);
/* ASCII: a dot-atom of 1-64, `@`, LDH labels; at most 254 bytes. */
bool address_email_valid(struct bytes email);
/* In lower case; the same bytes where they are so already. Size 0 when the arena is full. */
struct bytes address_email_normal(struct bytes email, struct arena *arena);
