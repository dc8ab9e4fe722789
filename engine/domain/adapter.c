/* From a file and an account to a program. One block holds all of an adapter. */
#include "domain/adapter.h"

#include "domain/adapter_program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ADAPTER_MEMORY = 192 * 1024 };

const char *verdict_text(enum verdict verdict)
{
    static const char *const texts[VERDICT_COUNT] = {
#define X(name, text) [VERDICT_##name] = text,
        VERDICT_LIST(X)
#undef X
    };
    return texts[verdict];
}

/* The first fault stands. */
void compile_fail(struct compiler *c, const char *path, const char *format, ...)
{
    if (c->failed)
        return;
    c->failed = true;
    snprintf(c->fault->path, sizeof c->fault->path, "%s", path);
    va_list args;
    va_start(args, format);
    vsnprintf(c->fault->text, sizeof c->fault->text, format, args);
    va_end(args);
}

void *compile_take(struct compiler *c, size_t size)
{
    void *at = arena_take(&c->arena, size);
    if (!at)
        compile_fail(c, "name", "the adapter is too large");
    else
        memset(at, 0, size);
    return at;
}

struct bytes compile_copy(struct compiler *c, struct bytes text)
{
    char *at = compile_take(c, text.size + 1);
    if (at && text.size > 0)
        memcpy(at, text.at, text.size);
    return (struct bytes){at ? at : "", at ? text.size : 0};
}

static void compile_name(struct compiler *c)
{
    const char *name = c->spec->name;
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (name[0] == '\0' || name[good] || good >= sizeof c->adapter->name)
        compile_fail(c, "name", "1 to 63 letters, digits, dots, - and _");
    snprintf(c->adapter->name, sizeof c->adapter->name, "%s", name);
}

static void compile_channels(struct compiler *c)
{
    static const char *const words[] = {"sms", "email", "push"}; /* bit 0, 1, 2 */
    for (uint32_t i = 0; i < c->spec->channels_count; i++) {
        uint32_t bits = 0;
        for (uint32_t k = 0; k < countof(words); k++)
            bits |= strcmp(c->spec->channels[i], words[k]) == 0 ? 1u << k : 0;
        if (bits == 0)
            compile_fail(c, "channels", "\"%.20s\" is none of sms, email, push",
                         c->spec->channels[i]);
        c->adapter->channels |= bits;
    }
    if (c->adapter->channels == 0)
        compile_fail(c, "channels", "at least one of sms, email, push");
}

static bool is_visible(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= 0x20 || text.at[i] >= 0x7f)
            return false;
    return true;
}

/* scheme://host[:port][/base]; the base stands before the path. */
static struct bytes compile_origin(struct compiler *c, const char *url)
{
    struct adapter *a = c->adapter;
    const char *path = "base_url";
    a->tls = strncmp(url, "https://", 8) == 0;
    if ((!a->tls && strncmp(url, "http://", 7) != 0) || !is_visible(bytes_of(url)))
        compile_fail(c, path, "\"%.100s\" is not https://host[:port]", url);
    if (c->failed)
        return (struct bytes){0};
    const char *at = url + (a->tls ? 8 : 7);
    bool bracket = *at == '[';
    size_t size = bracket ? strcspn(++at, "]") : strcspn(at, ":/?#");
    const char *rest = at + size + (bracket && at[size] == ']');
    if (size == 0 || size >= sizeof a->host || memchr(at, '@', size))
        compile_fail(c, path, "\"%.100s\" has no host", url);
    else
        memcpy(a->host, at, size);
    unsigned long port = a->tls ? 443 : 80;
    if (*rest == ':') {
        char *end;
        port = strtoul(rest + 1, &end, 10);
        if (end == rest + 1 || port == 0 || port > 65535)
            compile_fail(c, path, "\"%.100s\": a port is 1 to 65535", url);
        rest = end;
    }
    a->port = (uint16_t)port;
    size_t base = strlen(rest);
    while (base > 0 && rest[base - 1] == '/')
        base--;
    if (strpbrk(rest, "?#$@") || (base > 0 && rest[0] != '/'))
        compile_fail(c, path, "\"%.100s\" is not https://host[:port][/path]", url);
    return (struct bytes){rest, base};
}

static void compile_path(struct compiler *c, struct bytes base)
{
    char whole[TEXT_MAX];
    int size = snprintf(whole, sizeof whole, "%.*s%s", (int)base.size, base.at ? base.at : "",
                        c->spec->path);
    if (size >= (int)sizeof whole || c->spec->path[0] != '/')
        compile_fail(c, "path", "begins with / and is shorter than %d bytes", TEXT_MAX);
    else if (!is_visible(bytes_of(whole)) || strchr(whole, '#'))
        compile_fail(c, "path", "holds a character that no path has");
    if (c->failed)
        return;
    struct adapter_text text = compile_text(c, ENCODE_PATH, whole, "path");
    c->program->path = text;
    if (text.each_media)
        compile_fail(c, "path", "${media} cannot stand here");
    else if (!c->failed && text.count == 1 && text.pieces[0].kind == PIECE_LITERAL)
        c->program->fixed_path = text.pieces[0].text;
}

static bool is_token(const char *name)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "!#$%&'*+-.^_`|~");
    return good > 0 && name[good] == '\0' && good < 64;
}

static void add_header(struct compiler *c, const char *name, struct adapter_text text,
                       uint32_t when, const char *path)
{
    struct adapter_program *p = c->program;
    if (p->header_count == HTTP_HEADERS_MAX - 3) { /* the client adds three */
        compile_fail(c, "headers", "more than %d headers", HTTP_HEADERS_MAX - 3);
        return;
    }
    const char *copy = compile_copy(c, bytes_of(path)).at;
    p->headers[p->header_count++] =
        (struct rendered_header){compile_copy(c, bytes_of(name)), text, when, copy};
}

static void add_fixed_header(struct compiler *c, const char *name, const char *value)
{
    struct piece *piece = compile_take(c, sizeof(*piece));
    if (!piece)
        return;
    *piece = (struct piece){.text = compile_copy(c, bytes_of(value))};
    add_header(c, name, (struct adapter_text){.pieces = piece, .count = 1}, WHEN_ALWAYS, name);
}

/* A text of which nothing is left open: `auth` must be the same for every leg. */
static struct bytes fixed_text(struct compiler *c, const char *source, const char *path)
{
    struct adapter_text text = compile_text(c, ENCODE_HEADER, source, path);
    if (!c->failed && (text.count != 1 || text.pieces[0].kind != PIECE_LITERAL))
        compile_fail(c, path, "must be given, and name nothing but credentials");
    return c->failed ? BYTES("") : text.pieces[0].text;
}

static void compile_auth(struct compiler *c)
{
    enum { NONE, BASIC, BEARER, HEADER };
    const struct adapter_auth *auth = &c->spec->auth;
    char plain[1024], value[2048];
    struct writer p = writer_of(plain, sizeof plain), v = writer_of(value, sizeof value - 1);
    if (auth->kind == NONE)
        return;
    if (auth->kind == BASIC) {
        write_slice(&p, fixed_text(c, auth->user, "auth.user"));
        write_char(&p, ':');
        write_slice(&p, fixed_text(c, auth->password, "auth.password"));
        write_literal(&v, "Basic ");
        write_base64(&v, p.at, p.size);
    } else if (auth->kind == BEARER) {
        write_literal(&v, "Bearer ");
        write_slice(&v, fixed_text(c, auth->token, "auth.token"));
    } else {
        write_slice(&v, fixed_text(c, auth->value, "auth.value"));
        if (!is_token(auth->name))
            compile_fail(c, "auth.name", "\"%.60s\" is no header's name", auth->name);
    }
    if (p.overflow || v.overflow)
        compile_fail(c, "auth", "is too long");
    value[v.size] = '\0';
    if (!c->failed)
        add_fixed_header(c, auth->kind == HEADER ? auth->name : "Authorization", value);
}

static bool is_the_clients(const char *name)
{
    static const char *const names[] = {"Host", "Content-Length", "Connection",
                                        "Transfer-Encoding"};
    for (size_t i = 0; i < countof(names); i++)
        if (bytes_equal_nocase(bytes_of(names[i]), bytes_of(name)))
            return true;
    return false;
}

static void compile_headers(struct compiler *c)
{
    for (uint32_t i = 0; i < c->spec->headers_count && !c->failed; i++) {
        const struct adapter_header *h = &c->spec->headers[i];
        char path[64], when[64];
        snprintf(path, sizeof path, "headers[%u].name", i);
        if (!is_token(h->name) || is_the_clients(h->name))
            compile_fail(c, path, "\"%.60s\" is no header that an adapter may set", h->name);
        snprintf(path, sizeof path, "headers[%u].value", i);
        snprintf(when, sizeof when, "headers[%u].when", i);
        struct adapter_text text = compile_text(c, ENCODE_HEADER, h->value, path);
        if (text.each_media || !adapter_header_safe(bytes_of(h->value)))
            compile_fail(c, path, "cannot stand in a header");
        if (text.count > 0)
            add_header(c, h->name, text, compile_when(c, h->when, when), path);
    }
}

static void compile_body(struct compiler *c)
{
    static const char *const types[] = {NULL, "application/x-www-form-urlencoded",
                                        "application/json"};
    uint32_t kind = c->spec->body.kind;
    if (kind == 0 && c->spec->body.fields_count > 0)
        compile_fail(c, "body.kind", "fields need a kind, form or json");
    if (kind == 0 || c->failed)
        return;
    if (c->spec->body.fields_count == 0)
        compile_fail(c, "body", "has no fields");
    add_fixed_header(c, "Content-Type", types[kind]);
    c->program->body = kind == 1 ? BODY_FORM : BODY_JSON;
    if (kind == 1)
        compile_form(c);
    else
        compile_json(c);
}

static void compile_credentials(struct compiler *c)
{
    for (uint32_t i = 0; i < c->spec->credentials_count; i++) {
        bool given = false;
        for (uint32_t k = 0; k < c->account->credential_count; k++)
            given =
                given || (strcmp(c->account->credentials[k].name, c->spec->credentials[i]) == 0 &&
                          c->account->credentials[k].value[0] != '\0');
        if (!given)
            compile_fail(c, "credentials", "the account does not give %.60s",
                         c->spec->credentials[i]);
    }
}

static void compile_all(struct compiler *c)
{
    static const char *const methods[] = {"POST", "PUT", "GET"};
    const struct adapter_spec *spec = c->spec;
    const char *url = c->account->base_url;
    c->adapter->per_second = spec->limits.per_second;
    c->adapter->in_flight = (uint32_t)spec->limits.in_flight;
    c->adapter->idempotency_window_ms = (int64_t)spec->idempotency_window_ms;
    c->program->method = bytes_of(methods[spec->method]);
    compile_name(c);
    compile_channels(c);
    compile_credentials(c);
    struct bytes base = compile_origin(c, url && url[0] ? url : spec->base_url);
    if (!c->failed)
        compile_path(c, base);
    if (!c->failed)
        compile_auth(c);
    if (!c->failed)
        compile_headers(c);
    if (!c->failed)
        compile_body(c);
    if (!c->failed)
        compile_answers(c);
}

struct adapter *adapter_compile(const struct adapter_spec *spec,
                                const struct adapter_account *account, struct adapter_fault *fault)
{
    char *memory = malloc(ADAPTER_MEMORY);
    CHECK(memory != NULL);
    struct compiler c = {.spec = spec,
                         .account = account,
                         .fault = fault,
                         .arena = arena_of(memory, ADAPTER_MEMORY)};
    c.adapter = compile_take(&c, sizeof(*c.adapter)); /* the block's first bytes: adapter_free */
    c.program = compile_take(&c, sizeof(*c.program));
    c.adapter->program = c.program;
    c.program->steps = compile_take(&c, STEPS_MAX * sizeof(struct step));
    c.program->headers = compile_take(&c, HTTP_HEADERS_MAX * sizeof(struct rendered_header));
    compile_all(&c);
    if (!c.failed)
        return c.adapter;
    free(memory);
    return NULL;
}

void adapter_free(struct adapter *adapter)
{
    free(adapter);
}
