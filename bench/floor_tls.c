#include "floor_tls.h"

#include <openssl/ssl.h>
#include <stdlib.h>

struct floor_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

struct floor_tls *floor_tls_open(int fd)
{
    struct floor_tls *tls = calloc(1, sizeof *tls);
    CHECK(tls);
    tls->context = SSL_CTX_new(TLS_client_method());
    CHECK(tls->context);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    tls->ssl = SSL_new(tls->context);
    CHECK(tls->ssl);
    if (SSL_set_fd(tls->ssl, fd) != 1 || SSL_connect(tls->ssl) != 1) {
        floor_tls_close(tls);
        return NULL;
    }
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    CHECK(tls->in && tls->out);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return tls;
}

void floor_tls_close(struct floor_tls *tls)
{
    if (tls) {
        SSL_free(tls->ssl);
        SSL_CTX_free(tls->context);
    }
    free(tls);
}

size_t floor_tls_seal(struct floor_tls *tls, const char *at, size_t size, char *to, size_t max)
{
    CHECK(SSL_write(tls->ssl, at, (int)size) == (int)size);
    int n = BIO_read(tls->out, to, (int)max);
    CHECK(n > 0 && BIO_pending(tls->out) == 0);
    return (size_t)n;
}

void floor_tls_feed(struct floor_tls *tls, const char *at, size_t size)
{
    CHECK(BIO_write(tls->in, at, (int)size) == (int)size);
}

size_t floor_tls_read(struct floor_tls *tls, char *to, size_t max)
{
    int n = SSL_read(tls->ssl, to, (int)max);
    return n > 0 ? (size_t)n : 0;
}
