/* One BIO of our own per connection: its read side is the bytes that were fed, its
 * write side the owner's output, so a record is copied once each way. Its method is
 * the context's. Sessions are kept per context and host, the latest one (a TLS 1.3
 * ticket serves once); early data is never sent, because it can be replayed. */
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

struct session {
    struct session *next;
    SSL_SESSION *session;
    char host[];
};

enum { SESSIONS_MAX = 64 };

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    bool is_server;
    bool h2;
    struct session *sessions;
    struct tls_stats stats;
};

struct tls {
    SSL *ssl;
    struct tls_context *context;
    struct tls_output *output;
    struct bytes fed;
    bool is_shaken;
    bool is_failed;
    char host[256];
    char why[TLS_WHY_SIZE];
};

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, size_t max, size_t *size)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->fed.size == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *size = max < t->fed.size ? max : t->fed.size;
    memcpy(to, t->fed.at, *size);
    t->fed = (struct bytes){t->fed.at + *size, t->fed.size - *size};
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t size, size_t *taken)
{
    struct tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    t->output->write(t->output, (struct bytes){from, size});
    *taken = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long n, void *at)
{
    (void)bio, (void)n, (void)at;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* ---- contexts ---- */

static void explain(char why[TLS_WHY_SIZE], const char *what, const char *file)
{
    unsigned long error = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(error) ? strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
    snprintf(why, TLS_WHY_SIZE, "%s%s%.150s: %s", what, file ? " " : "", file ? file : "",
             reason ? reason : "unknown error");
    ERR_clear_error();
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_app_data(ssl);
    struct tls_context *c = t->context;
    uint32_t count = 0;
    for (struct session *s = c->sessions; s; s = s->next, count++) {
        if (strcmp(s->host, t->host) != 0)
            continue;
        SSL_SESSION_free(s->session);
        s->session = session;
        return 1; /* ours now */
    }
    size_t size = strlen(t->host) + 1;
    struct session *s = count < SESSIONS_MAX ? malloc(sizeof *s + size) : NULL;
    if (!s)
        return 0;
    *s = (struct session){.next = c->sessions, .session = session};
    memcpy(s->host, t->host, size);
    c->sessions = s;
    return 1;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
                   const unsigned char *in, unsigned in_size, void *context)
{
    (void)ssl;
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    struct tls_context *c = context;
    const unsigned char *mine = c->h2 ? both : both + 3;
    unsigned mine_size = (unsigned)sizeof both - 1 - (c->h2 ? 0 : 3);
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, size, mine, mine_size, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool load_files(struct tls_context *c, const struct tls_options *options,
                       char why[TLS_WHY_SIZE])
{
    if (options->ca_file && SSL_CTX_load_verify_locations(c->ssl, options->ca_file, NULL) != 1) {
        explain(why, "cannot read the CA file", options->ca_file);
        return false;
    }
    if (!options->ca_file && !c->is_server && SSL_CTX_set_default_verify_paths(c->ssl) != 1) {
        explain(why, "cannot read the system's CA certificates", NULL);
        return false;
    }
    if (options->cert_file && SSL_CTX_use_certificate_chain_file(c->ssl, options->cert_file) != 1) {
        explain(why, "cannot read the certificate", options->cert_file);
        return false;
    }
    if (options->key_file &&
        SSL_CTX_use_PrivateKey_file(c->ssl, options->key_file, SSL_FILETYPE_PEM) != 1) {
        explain(why, "cannot read the key", options->key_file);
        return false;
    }
    return true;
}

static struct tls_context *context_open(const struct tls_options *options, bool is_server,
                                        char why[TLS_WHY_SIZE])
{
    struct tls_context *c = calloc(1, sizeof *c);
    CHECK(c);
    c->is_server = is_server;
    c->h2 = options->h2;
    ERR_clear_error();
    c->ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    c->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "carillon");
    CHECK(c->ssl && c->bio);
    CHECK(BIO_meth_set_read_ex(c->bio, bio_read) == 1);
    CHECK(BIO_meth_set_write_ex(c->bio, bio_write) == 1);
    CHECK(BIO_meth_set_ctrl(c->bio, bio_control) == 1);
    CHECK(SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) == 1);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    if (!load_files(c, options, why)) {
        tls_context_close(c);
        return NULL;
    }
    return c;
}

struct tls_context *tls_client_open(const struct tls_options *options, char why[TLS_WHY_SIZE])
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    struct tls_context *c = context_open(options, false, why);
    if (!c)
        return NULL;
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(c->ssl,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(c->ssl, on_session);
    const unsigned char *offer = c->h2 ? both : both + 3;
    unsigned size = (unsigned)sizeof both - 1 - (c->h2 ? 0 : 3);
    CHECK(SSL_CTX_set_alpn_protos(c->ssl, offer, size) == 0);
    return c;
}

struct tls_context *tls_server_open(const struct tls_options *options, char why[TLS_WHY_SIZE])
{
    struct tls_context *c = context_open(options, true, why);
    if (!c)
        return NULL;
    SSL_CTX_set_alpn_select_cb(c->ssl, on_alpn, c);
    return c;
}

void tls_context_close(struct tls_context *c)
{
    for (struct session *s = c->sessions, *next; s; s = next) {
        next = s->next;
        SSL_SESSION_free(s->session);
        free(s);
    }
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    free(c);
}

struct tls_stats tls_context_stats(const struct tls_context *c)
{
    return c->stats;
}

/* ---- connections ---- */

static bool is_address(const char *host)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(address);
    return address != NULL;
}

static bool expect_host(struct tls *t, const char *host)
{
    snprintf(t->host, sizeof t->host, "%s", host);
    if (is_address(host)) /* SNI holds names only */
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), host) == 1;
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(t->ssl, host) == 1 && SSL_set_tlsext_host_name(t->ssl, host) == 1;
}

static void offer_session(struct tls *t)
{
    for (struct session *s = t->context->sessions; s; s = s->next)
        if (strcmp(s->host, t->host) == 0 && SSL_SESSION_is_resumable(s->session))
            SSL_set_session(t->ssl, s->session);
}

struct tls *tls_open(struct tls_context *c, const char *host, struct tls_output *output)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->context = c;
    t->output = output;
    t->ssl = SSL_new(c->ssl);
    BIO *bio = t->ssl ? BIO_new(c->bio) : NULL;
    if (!bio) {
        tls_close(t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (c->is_server) {
        SSL_set_accept_state(t->ssl);
        return t;
    }
    SSL_set_connect_state(t->ssl);
    if (!expect_host(t, host)) {
        tls_close(t);
        return NULL;
    }
    offer_session(t);
    return t;
}

void tls_close(struct tls *t)
{
    /* Else OpenSSL takes a connection that the peer ended for a failed one, and forbids
     * to take up its session. */
    if (t->is_shaken && !t->is_failed)
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    free(t);
}

void tls_goodbye(struct tls *t)
{
    if (t->is_shaken && !t->is_failed)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

void tls_feed(struct tls *t, struct bytes encrypted)
{
    CHECK(t->fed.size == 0);
    t->fed = encrypted;
}

static enum err fail(struct tls *t)
{
    t->is_failed = true;
    t->fed = (struct bytes){0};
    long verdict = SSL_get_verify_result(t->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (verdict != X509_V_OK && !t->context->is_server)
        snprintf(t->why, sizeof t->why, "the certificate of %.100s is refused: %s", t->host,
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(t->why, sizeof t->why, "TLS: %s", reason ? reason : "the peer broke the protocol");
    ERR_clear_error();
    return ERR_TLS;
}

static enum err result(struct tls *t, int n)
{
    switch (SSL_get_error(t->ssl, n)) {
    case SSL_ERROR_NONE:
        return ERR_OK;
    case SSL_ERROR_WANT_READ:
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        t->fed = (struct bytes){0};
        return ERR_CLOSED;
    default:
        return fail(t);
    }
}

enum err tls_handshake(struct tls *t)
{
    ERR_clear_error();
    enum err err = result(t, SSL_do_handshake(t->ssl));
    if (err == ERR_OK && !t->is_shaken) {
        t->is_shaken = true;
        t->context->stats.handshakes++;
        t->context->stats.resumed += tls_reused(t);
    }
    return err;
}

enum err tls_read(struct tls *t, char *to, size_t max, size_t *size)
{
    ERR_clear_error();
    return result(t, SSL_read_ex(t->ssl, to, max, size));
}

enum err tls_write(struct tls *t, struct bytes plain, size_t *taken)
{
    ERR_clear_error();
    return result(t, SSL_write_ex(t->ssl, plain.at, plain.size, taken));
}

const char *tls_why(const struct tls *t)
{
    return t->why;
}

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

bool tls_reused(const struct tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

struct bytes tls_alpn(const struct tls *t)
{
    const unsigned char *at = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(t->ssl, &at, &size);
    return (struct bytes){(const char *)at, size};
}
