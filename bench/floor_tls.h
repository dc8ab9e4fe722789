/* The floor's side of TLS: blocking handshake, then memory in and out. The certificate is
 * not verified: the floor is what HTTP costs, not what is safe. */
#pragma once

#include "base/base.h"

struct floor_tls;

struct floor_tls *floor_tls_open(int fd); /* NULL: no handshake */
void floor_tls_close(struct floor_tls *tls);
/* Plaintext to what goes over the wire. */
size_t floor_tls_seal(struct floor_tls *tls, const char *at, size_t size, char *to, size_t max);
void floor_tls_feed(struct floor_tls *tls, const char *at, size_t size);
size_t floor_tls_read(struct floor_tls *tls, char *to, size_t max); /* 0: no more now */
