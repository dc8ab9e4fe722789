/* Who was written to, without saying it: a keyed hash of the address in normal form.
 * The same address has the same hash under one key, in outcomes as in `explain`. */
#pragma once

#include "io/crypto.h"

enum { ADDRESS_HASH_SIZE = 17 }; /* 16 hex digits and NUL */

void address_hash(const struct hmac_key *key, struct bytes address, char out[ADDRESS_HASH_SIZE]);
