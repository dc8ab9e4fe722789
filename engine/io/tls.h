/* TLS by OpenSSL, apart from sockets: bytes in, bytes out. A context holds what many
 * connections share (trust, certificate, sessions to resume); contexts live in one
 * thread. Client contexts always verify chain and host. At least TLS 1.2. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

enum { TLS_WHY_SIZE = 256 };

struct tls_options {
    const char *ca_file;   /* trusted roots, PEM; NULL: the system's */
    const char *cert_file; /* the chain we show, PEM; a server must */
    const char *key_file;
    bool h2; /* ALPN: offer (a server: prefer) h2 before http/1.1 */
};

struct tls_context;
MUST_USE struct tls_context *tls_client_open(const struct tls_options *options,
                                             char why[TLS_WHY_SIZE]);
MUST_USE struct tls_context *tls_server_open(const struct tls_options *options,
                                             char why[TLS_WHY_SIZE]);
void tls_context_close(struct tls_context *c); /* connections keep what they need */

struct tls_stats {
    uint64_t handshakes;
    uint64_t resumed; /* of these */
};
struct tls_stats tls_context_stats(const struct tls_context *c);

/* One connection. */
struct tls;
/* Where encrypted bytes go, while tls_* runs. */
struct tls_output {
    void (*write)(struct tls_output *output, struct bytes bytes);
};
/* host: for SNI and verification; NULL on a server's side. */
MUST_USE struct tls *tls_open(struct tls_context *c, const char *host, struct tls_output *output);
void tls_close(struct tls *t);
void tls_goodbye(struct tls *t); /* into `output`; nothing can be written after it */

void tls_feed(struct tls *t, struct bytes encrypted); /* borrowed until tls_read said ERR_AGAIN */
/* ERR_OK: done. ERR_AGAIN: more must come. ERR_TLS: tls_why says why. */
MUST_USE enum err tls_handshake(struct tls *t);
/* Up to `max` bytes of what was fed. ERR_AGAIN: all was read. ERR_CLOSED: the peer's
 * goodbye. ERR_TLS. */
MUST_USE enum err tls_read(struct tls *t, char *to, size_t max, size_t *size);
/* Encrypts at most one record's worth; `*taken` bytes of `plain` went into it. */
MUST_USE enum err tls_write(struct tls *t, struct bytes plain, size_t *taken);

const char *tls_why(const struct tls *t);
const char *tls_version(const struct tls *t);
bool tls_reused(const struct tls *t);
struct bytes tls_alpn(const struct tls *t); /* size 0: none was agreed */
