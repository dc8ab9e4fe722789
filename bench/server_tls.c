#include "server_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server_tls {
    SSL_CTX *context;
};

struct server_tls_conn {
    SSL *ssl;
    BIO *in, *out;
};

static X509 *make_certificate(EVP_PKEY *key, bool expired)
{
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), expired ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), expired ? -10 * 86400 : -86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), expired ? -86400 : 30 * 86400);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(cert, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert, key, EVP_sha256());
    return cert;
}

/* HTTP/1.1 whatever is offered: the only protocol spoken here. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *unused)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)unused;
    unsigned char *chosen = NULL;
    int rc = SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

struct server_tls *server_tls_open(bool expired, const char *pem_path)
{
    struct server_tls *tls = calloc(1, sizeof *tls);
    CHECK(tls);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    tls->context = SSL_CTX_new(TLS_server_method());
    CHECK(key && tls->context);
    X509 *cert = make_certificate(key, expired);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(tls->context, on_alpn, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    bool fine = SSL_CTX_use_certificate(tls->context, cert) == 1 &&
                SSL_CTX_use_PrivateKey(tls->context, key) == 1;
    FILE *file = pem_path ? fopen(pem_path, expired ? "a" : "w") : NULL;
    if (pem_path && !file) {
        perror(pem_path);
        fine = false;
    }
    if (file) {
        fine = PEM_write_X509(file, cert) == 1 && fine;
        fine = fclose(file) == 0 && fine;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!fine) {
        server_tls_close(tls);
        return NULL;
    }
    return tls;
}

void server_tls_close(struct server_tls *tls)
{
    if (tls)
        SSL_CTX_free(tls->context);
    free(tls);
}

struct server_tls_conn *server_tls_conn_open(struct server_tls *tls)
{
    struct server_tls_conn *conn = calloc(1, sizeof *conn);
    CHECK(conn);
    conn->ssl = SSL_new(tls->context);
    conn->in = BIO_new(BIO_s_mem());
    conn->out = BIO_new(BIO_s_mem());
    CHECK(conn->ssl && conn->in && conn->out);
    SSL_set_bio(conn->ssl, conn->in, conn->out);
    SSL_set_accept_state(conn->ssl);
    return conn;
}

void server_tls_conn_close(struct server_tls_conn *conn)
{
    if (conn)
        SSL_free(conn->ssl);
    free(conn);
}

void server_tls_feed(struct server_tls_conn *conn, const char *at, size_t size)
{
    CHECK(BIO_write(conn->in, at, (int)size) == (int)size);
}

int server_tls_read(struct server_tls_conn *conn, char *to, size_t max)
{
    ERR_clear_error();
    int n = SSL_read(conn->ssl, to, (int)max);
    if (n > 0)
        return n;
    int why = SSL_get_error(conn->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool server_tls_write(struct server_tls_conn *conn, const char *at, size_t size)
{
    return SSL_write(conn->ssl, at, (int)size) == (int)size;
}

size_t server_tls_drain(struct server_tls_conn *conn, char *to, size_t max)
{
    int n = BIO_read(conn->out, to, (int)max);
    return n > 0 ? (size_t)n : 0;
}
