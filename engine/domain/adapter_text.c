/* Texts with ${name|filter:argument}: credentials become part of the literals here, values
 * become pieces for rendering. */
#include "domain/adapter_program.h"

#include <stdlib.h>

static const struct {
    const char *word;
    enum piece_kind kind;
} special[] = {
    {"media", PIECE_MEDIA},
    {"ttl_s", PIECE_TTL_S},
    {"ttl_ms", PIECE_TTL_MS},
    {"ttl_minutes", PIECE_TTL_MINUTES},
    {"expires_unix_s", PIECE_EXPIRES_UNIX_S},
    {"expires_iso8601", PIECE_EXPIRES_ISO8601},
};

static const char *const value_words[] = {
#define X(name, word, field) [VALUE_##name] = word,
    ADAPTER_VALUE_LIST(X)
#undef X
};

static const char *const filter_words[] = {
    [FILTER_NONE] = "",
    [FILTER_E164_PLUS] = "e164_plus",
    [FILTER_E164_NOPLUS] = "e164_noplus",
    [FILTER_JSON_STRING] = "json_string",
    [FILTER_BASE64] = "base64",
    [FILTER_MOST] = "most",
    [FILTER_MAP] = "map",
    [FILTER_JOIN] = "join",
};

/* The text under construction: literals gather until a value ends them. */
struct building {
    struct compiler *c;
    enum encoding encoding;
    const char *path;
    char buffer[TEXT_MAX];
    struct writer literal;
    struct piece pieces[32];
    struct adapter_text out;
};

static bool piece_of(struct bytes name, struct piece *piece)
{
    for (uint32_t i = 0; i < VALUE_COUNT; i++) {
        if (bytes_equal(bytes_of(value_words[i]), name)) {
            *piece = (struct piece){.kind = PIECE_VALUE, .value = (enum adapter_value)i};
            return true;
        }
    }
    for (size_t i = 0; i < countof(special); i++) {
        if (bytes_equal(bytes_of(special[i].word), name)) {
            *piece = (struct piece){.kind = special[i].kind};
            return true;
        }
    }
    return false;
}

uint32_t compile_when(struct compiler *c, const char *name, const char *path)
{
    struct piece piece;
    if (name[0] == '\0')
        return WHEN_ALWAYS;
    if (piece_of(bytes_of(name), &piece) && piece.kind == PIECE_VALUE) {
        c->program->used |= 1u << piece.value;
        return piece.value;
    }
    if (strcmp(name, "media") != 0)
        compile_fail(c, path, "\"%.40s\" is no value that can be empty", name);
    return WHEN_MEDIA;
}

static bool is_among(char *const *names, uint32_t count, struct bytes name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(bytes_of(names[i]), name))
            return true;
    return false;
}

static void push(struct building *b, struct piece piece)
{
    if (b->out.count == countof(b->pieces))
        compile_fail(b->c, b->path, "names more than %zu values", countof(b->pieces));
    else
        b->pieces[b->out.count++] = piece;
}

static void end_literal(struct building *b)
{
    if (b->literal.overflow)
        compile_fail(b->c, b->path, "is longer than %d bytes", TEXT_MAX);
    if (b->literal.size == 0)
        return;
    push(b, (struct piece){.text = compile_copy(b->c, writer_bytes(&b->literal))});
    b->literal = writer_of(b->buffer, sizeof b->buffer);
}

static void add_credential(struct building *b, struct bytes name)
{
    const struct adapter_account *account = b->c->account;
    for (uint32_t i = 0; i < account->credential_count; i++) {
        struct bytes value = bytes_of(account->credentials[i].value);
        if (!bytes_equal(bytes_of(account->credentials[i].name), name))
            continue;
        if (!adapter_header_safe(value))
            compile_fail(b->c, b->path, "the credential %.*s holds a control character",
                         (int)name.size, name.at);
        adapter_encode(&b->literal, b->encoding, value);
        b->out.keep = b->out.keep || value.size > 0;
    }
    /* Where all that is named is an option that the account did not give, the text is empty. */
    b->out.names_values = true;
}

static bool filter_fits(const struct piece *p)
{
    bool number =
        p->kind != PIECE_VALUE && p->kind != PIECE_MEDIA && p->kind != PIECE_EXPIRES_ISO8601;
    switch (p->filter) {
    case FILTER_NONE:
        return true;
    case FILTER_JOIN:
        return p->kind == PIECE_MEDIA;
    case FILTER_MOST:
        return number;
    case FILTER_E164_PLUS:
    case FILTER_E164_NOPLUS:
    case FILTER_JSON_STRING:
    case FILTER_BASE64:
    case FILTER_MAP:
        return p->kind == PIECE_VALUE;
    }
    return false;
}

static void add_filter(struct building *b, struct piece *piece, struct bytes filter)
{
    const char *colon = memchr(filter.at, ':', filter.size);
    struct bytes word = {filter.at, colon ? (size_t)(colon - filter.at) : filter.size};
    struct bytes argument = {0};
    if (colon)
        argument = (struct bytes){colon + 1, filter.size - word.size - 1};
    for (uint32_t i = 1; i < countof(filter_words); i++)
        if (bytes_equal(bytes_of(filter_words[i]), word))
            piece->filter = (enum filter)i;
    bool wants =
        piece->filter == FILTER_MOST || piece->filter == FILTER_MAP || piece->filter == FILTER_JOIN;
    if (piece->filter == FILTER_NONE || !filter_fits(piece) || wants != (argument.size > 0)) {
        compile_fail(b->c, b->path, "\"|%.*s\" does not fit here", (int)filter.size, filter.at);
        return;
    }
    piece->text = compile_copy(b->c, argument);
    if (piece->filter == FILTER_MOST && !b->c->failed)
        piece->most = strtoull(piece->text.at, NULL, 10);
    if (piece->filter == FILTER_MOST && piece->most == 0)
        compile_fail(b->c, b->path, "\"|most:\" needs a number above 0");
}

static void add_name(struct building *b, struct bytes inside)
{
    const char *bar = memchr(inside.at, '|', inside.size);
    struct bytes name = {inside.at, bar ? (size_t)(bar - inside.at) : inside.size};
    const struct adapter_spec *spec = b->c->spec;
    struct piece piece;
    if (piece_of(name, &piece)) {
        if (bar)
            add_filter(b, &piece, (struct bytes){bar + 1, inside.size - name.size - 1});
        end_literal(b);
        push(b, piece);
        b->out.names_values = true;
        b->out.each_media |= piece.kind == PIECE_MEDIA && piece.filter != FILTER_JOIN;
        if (piece.kind == PIECE_VALUE)
            b->c->program->used |= 1u << piece.value;
        b->c->adapter->carries_media |= piece.kind == PIECE_MEDIA;
    } else if (!bar && (is_among(spec->credentials, spec->credentials_count, name) ||
                        is_among(spec->options, spec->options_count, name))) {
        add_credential(b, name);
    } else {
        compile_fail(b->c, b->path,
                     "${%.*s} is neither a value nor a name of credentials or options",
                     (int)inside.size, inside.at);
    }
}

/* What the file itself writes into a path stays as it is: it is the provider's URL. */
static void add_literal(struct building *b, struct bytes text)
{
    if (b->encoding == ENCODE_PATH)
        write_slice(&b->literal, text);
    else
        adapter_encode(&b->literal, b->encoding, text);
}

struct adapter_text compile_text(struct compiler *c, enum encoding encoding, const char *source,
                                 const char *path)
{
    struct building b = {.c = c, .encoding = encoding, .path = path};
    b.literal = writer_of(b.buffer, sizeof b.buffer);
    while (*source && !c->failed) {
        const char *open = strstr(source, "${");
        size_t size = open ? (size_t)(open - source) : strlen(source);
        add_literal(&b, (struct bytes){source, size});
        source += size;
        if (!open)
            break;
        const char *close = strchr(open, '}');
        if (!close) {
            compile_fail(c, path, "\"${\" without its \"}\"");
            break;
        }
        add_name(&b, (struct bytes){open + 2, (size_t)(close - open - 2)});
        source = close + 1;
    }
    end_literal(&b);
    b.out.pieces = compile_take(c, b.out.count * sizeof(struct piece));
    if (b.out.pieces)
        memcpy(b.out.pieces, b.pieces, b.out.count * sizeof(struct piece));
    return b.out;
}
