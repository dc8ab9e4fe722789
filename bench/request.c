#include "request.h"

#include <strings.h>

static bool header_is(struct bytes line, const char *name, struct bytes *value)
{
    size_t size = strlen(name);
    if (line.size <= size || line.at[size] != ':' || strncasecmp(line.at, name, size) != 0)
        return false;
    *value = (struct bytes){line.at + size + 1, line.size - size - 1};
    while (value->size > 0 && *value->at == ' ') {
        value->at++;
        value->size--;
    }
    return true;
}

static bool length_of(struct bytes digits, size_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9' || *out > (SIZE_MAX >> 8))
            return false;
        *out = *out * 10 + (size_t)(digits.at[i] - '0');
    }
    return digits.size > 0;
}

static bool parse_first_line(struct bytes line, struct sim_request *out)
{
    const char *space = memchr(line.at, ' ', line.size);
    if (!space)
        return false;
    out->method = (struct bytes){line.at, (size_t)(space - line.at)};
    const char *path = space + 1, *end = line.at + line.size;
    const char *after = memchr(path, ' ', (size_t)(end - path));
    if (!after || after == path || end - after != 9 || memcmp(after, " HTTP/1.1", 9) != 0)
        return false;
    out->path = (struct bytes){path, (size_t)(after - path)};
    return true;
}

enum sim_parse request_parse(struct bytes in, struct sim_request *out, size_t *need)
{
    *out = (struct sim_request){0};
    const char *head_end = memmem(in.at, in.size, "\r\n\r\n", 4);
    *need = in.size + 1;
    if (!head_end)
        return SIM_PARSE_MORE;
    size_t length = 0;
    bool first = true;
    for (const char *at = in.at; at < head_end + 2;) {
        const char *end = memmem(at, (size_t)(head_end + 2 - at), "\r\n", 2);
        struct bytes line = {at, (size_t)(end - at)}, value;
        if (first && !parse_first_line(line, out))
            return SIM_PARSE_BAD;
        if (header_is(line, "content-length", &value) && !length_of(value, &length))
            return SIM_PARSE_BAD;
        if (header_is(line, "transfer-encoding", &value))
            return SIM_PARSE_BAD;
        if (header_is(line, "idempotency-key", &value))
            out->key = value;
        if (header_is(line, "connection", &value))
            out->close = bytes_equal_nocase(value, BYTES("close"));
        first = false;
        at = end + 2;
    }
    size_t head = (size_t)(head_end + 4 - in.at);
    out->size = *need = head + length;
    if (in.size < out->size)
        return SIM_PARSE_MORE;
    out->body = (struct bytes){in.at + head, length};
    return SIM_PARSE_DONE;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of a form field, decoded. */
static bool form_field(struct bytes body, const char *name, struct writer *out)
{
    size_t size = strlen(name);
    const char *at = body.at, *end = body.at + body.size;
    while (at && (size_t)(end - at) > size && (memcmp(at, name, size) != 0 || at[size] != '=')) {
        at = memchr(at, '&', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    if (!at || (size_t)(end - at) <= size)
        return false;
    for (at += size + 1; at < end && *at != '&'; at++) {
        if (*at == '%' && end - at > 2 && hex_of(at[1]) >= 0 && hex_of(at[2]) >= 0) {
            write_char(out, (char)(hex_of(at[1]) << 4 | hex_of(at[2])));
            at += 2;
        } else {
            write_char(out, *at == '+' ? ' ' : *at);
        }
    }
    return true;
}

static void write_utf8(struct writer *out, unsigned c)
{
    if (c < 0x80) {
        write_char(out, (char)c);
    } else if (c < 0x800) {
        write_char(out, (char)(0xc0 | c >> 6));
        write_char(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        write_char(out, (char)(0xe0 | c >> 12));
        write_char(out, (char)(0x80 | (c >> 6 & 63)));
        write_char(out, (char)(0x80 | (c & 63)));
    } else {
        write_char(out, (char)(0xf0 | c >> 18));
        write_char(out, (char)(0x80 | (c >> 12 & 63)));
        write_char(out, (char)(0x80 | (c >> 6 & 63)));
        write_char(out, (char)(0x80 | (c & 63)));
    }
}

static unsigned code_unit(const char *at, const char *end)
{
    unsigned c = 0;
    for (int i = 0; i < 4 && at + i < end; i++)
        c = c << 4 | (unsigned)(hex_of(at[i]) & 15);
    return c;
}

/* Decodes a JSON string from behind its opening quote. */
static void json_decode(const char *at, const char *end, struct writer *out)
{
    static const char plain[] = "b\bf\fn\nr\rt\t";
    for (; at < end && *at != '"'; at++) {
        if (*at != '\\' || end - at < 2) {
            write_char(out, *at);
            continue;
        }
        at++;
        const char *known = memchr(plain, *at, sizeof plain - 1);
        if (*at == 'u' && end - at > 4) {
            unsigned c = code_unit(at + 1, end);
            at += 4;
            if (c >= 0xd800 && c < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u') {
                c = 0x10000 + ((c - 0xd800) << 10) + (code_unit(at + 3, end) - 0xdc00);
                at += 6;
            }
            write_utf8(out, c);
        } else {
            write_char(out, known && (known - plain) % 2 == 0 ? known[1] : *at);
        }
    }
}

/* The first string member of that name at or behind `from`. */
static const char *json_member(const char *from, struct bytes body, const char *quoted_name,
                               struct writer *out)
{
    const char *end = body.at + body.size;
    while (from && from < end) {
        const char *at = memmem(from, (size_t)(end - from), quoted_name, strlen(quoted_name));
        if (!at)
            return NULL;
        from = at += strlen(quoted_name);
        while (at < end && (*at == ' ' || *at == ':'))
            at++;
        if (at < end && *at == '"') {
            if (out)
                json_decode(at + 1, end, out);
            return at;
        }
        if (!out)
            return at;
    }
    return NULL;
}

static uint64_t text_hash(const struct writer *w)
{
    return w->size > 0 ? hash64(w->at, w->size, 0) : 0;
}

static void copy_text(char *to, size_t max, struct bytes from)
{
    size_t size = u64_min(from.size, max - 1);
    if (size > 0)
        memcpy(to, from.at, size);
    to[size] = '\0';
}

/* /2010-04-01/Accounts/AC.../Messages.json */
static bool read_twilio(const struct sim_request *request, struct writer *text, struct writer *to,
                        struct sim_record *record)
{
    static const char before[] = "/2010-04-01/Accounts/";
    struct bytes path = request->path;
    if (path.size < sizeof before || memcmp(path.at, before, sizeof before - 1) != 0)
        return false;
    const char *account = path.at + sizeof before - 1;
    const char *slash = memchr(account, '/', path.size - (sizeof before - 1));
    if (!slash || !bytes_equal((struct bytes){slash, (size_t)(path.at + path.size - slash)},
                               BYTES("/Messages.json")))
        return false;
    struct writer route = writer_of(record->route, sizeof record->route - 1);
    write_literal(&route, "twilio/");
    write_bytes(&route, account, u64_min((size_t)(slash - account), route.max - route.size));
    record->channel = SIM_SMS;
    form_field(request->body, "Body", text);
    form_field(request->body, "To", to);
    return true;
}

static bool read_sendgrid(const struct sim_request *request, struct writer *text, struct writer *to,
                          struct sim_record *record)
{
    if (!bytes_equal(request->path, BYTES("/v3/mail/send")))
        return false;
    copy_text(record->route, sizeof record->route, BYTES("sendgrid"));
    record->channel = SIM_EMAIL;
    const char *content = json_member(request->body.at, request->body, "\"content\"", NULL);
    json_member(content, request->body, "\"value\"", text);
    const char *people = json_member(request->body.at, request->body, "\"to\"", NULL);
    json_member(people, request->body, "\"email\"", to);
    struct writer key = writer_of(record->key, sizeof record->key - 1);
    json_member(request->body.at, request->body, "\"leg\"", &key);
    return true;
}

/* The generic webhook's document names the channel. */
static void read_webhook(const struct sim_request *request, struct writer *text, struct writer *to,
                         struct sim_record *record)
{
    char memory[16];
    struct bytes body = request->body;
    struct writer route = writer_of(record->route, sizeof record->route - 1);
    struct writer channel = writer_of(memory, sizeof memory);
    write_literal(&route, "webhook");
    write_bytes(&route, request->path.at, u64_min(request->path.size, route.max - route.size));
    json_member(body.at, body, "\"channel\"", &channel);
    for (uint8_t c = SIM_SMS; c < SIM_CHANNEL_COUNT; c++)
        if (bytes_equal(writer_bytes(&channel), bytes_of(sim_channel_text(c))))
            record->channel = c;
    json_member(body.at, body, "\"text\"", text);
    json_member(json_member(body.at, body, "\"to\"", NULL), body, "\"address\"", to);
}

void request_read(const struct sim_request *request, char *scratch, size_t scratch_max,
                  struct sim_record *record)
{
    char address[512];
    struct writer text = writer_of(scratch, scratch_max);
    struct writer to = writer_of(address, sizeof address);
    record->body_size = (uint32_t)request->body.size;
    record->body_hash = hash64(request->body.at, request->body.size, 0);
    token_find(request->body, record->token);
    copy_text(record->key, sizeof record->key, request->key);
    if (!read_twilio(request, &text, &to, record) && !read_sendgrid(request, &text, &to, record))
        read_webhook(request, &text, &to, record);
    record->text_hash = text_hash(&text);
    record->to_hash = text_hash(&to);
}
