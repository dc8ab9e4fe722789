/* The simulator's side of TLS, over memory: ciphertext in, ciphertext out. */
#pragma once

#include "base/base.h"

struct server_tls; /* a certificate of its own for localhost and 127.0.0.1 */
struct server_tls_conn;

/* `expired`: valid until yesterday. Writes (expired: appends) the certificate to `pem_path`
 * unless that is NULL. NULL after saying why not. */
struct server_tls *server_tls_open(bool expired, const char *pem_path);
void server_tls_close(struct server_tls *tls);

struct server_tls_conn *server_tls_conn_open(struct server_tls *tls);
void server_tls_conn_close(struct server_tls_conn *conn);
void server_tls_feed(struct server_tls_conn *conn, const char *at, size_t size);
/* Plaintext read, 0: none now, -1: broken or closed by the peer. */
int server_tls_read(struct server_tls_conn *conn, char *to, size_t max);
bool server_tls_write(struct server_tls_conn *conn, const char *at, size_t size);
size_t server_tls_drain(struct server_tls_conn *conn, char *to, size_t max); /* to the wire */
