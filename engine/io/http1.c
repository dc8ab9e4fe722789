/* llhttp with memory: its spans are gathered, because they end where the network's
 * pieces end. Names, values and body lie in two buffers that grow to their limits and
 * are kept between responses; the headers know offsets, as the buffers may move. The
 * parser is never shown more of a head than its limit, so that a response is judged
 * the same however it was cut. Plain responses go another way (http1_plain.h). */
#include "io/http1.h"

#include "io/http1_plain.h"

#include <llhttp.h>
#include <stdlib.h>

enum {
    TEXT_FIRST = 512,
    TEXT_KEPT = 16 * 1024, /* a larger buffer is given back */
    HEADER_COST = 4,       /* written: ": " and the line's end */
};

struct text {
    char *at;
    size_t size, room;
};

struct http1 {
    llhttp_t parser;
    struct http1_limits limits;
    struct text head, body;
    struct http1_header open; /* the header being read */
    uint32_t header_count;
    size_t head_seen; /* bytes, against head_max */
    bool in_value;
    uint16_t status;
    bool has_status;
    bool has_head;
    bool is_whole;
    bool body_cut;
    bool keep_alive;
    bool is_fresh;                                 /* the parser saw nothing yet */
    struct http1_header headers[HTTP_HEADERS_MAX]; /* last: what is used lies together */
};

static struct http1 *http1_of(llhttp_t *parser)
{
    return container_of(parser, struct http1, parser);
}

static bool text_add(struct text *t, const char *at, size_t size)
{
    if (size > t->room - t->size) {
        size_t room = t->room > 0 ? t->room : TEXT_FIRST;
        while (room - t->size < size)
            room *= 2;
        char *moved = realloc(t->at, room);
        if (!moved)
            return false;
        t->at = moved;
        t->room = room;
    }
    if (size > 0)
        memcpy(t->at + t->size, at, size);
    t->size += size;
    return true;
}

static void text_empty(struct text *t)
{
    t->size = 0;
    if (t->room > TEXT_KEPT) {
        free(t->at);
        *t = (struct text){0};
    }
}

/* ---- what llhttp tells ---- */

static int on_status_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    if (parser->http_major != 1 || parser->status_code < 100 || parser->status_code > 599)
        return HPE_USER;
    p->status = parser->status_code;
    p->has_status = p->status / 100 != 1;
    return 0;
}

static int keep_head(struct http1 *p, const char *at, size_t size)
{
    return p->has_head || text_add(&p->head, at, size) ? 0 : HPE_USER; /* trailers: dropped */
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct http1 *p = http1_of(parser);
    p->open.name_size += (uint32_t)size;
    return keep_head(p, at, size);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct http1 *p = http1_of(parser);
    p->open.value_size += (uint32_t)size;
    return keep_head(p, at, size);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    p->open.value = p->open.name + p->open.name_size;
    if (!p->has_head && p->header_count < HTTP_HEADERS_MAX)
        p->headers[p->header_count++] = p->open;
    p->open = (struct http1_header){.name = (uint32_t)p->head.size};
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    uint16_t status = parser->status_code;
    p->has_head = true;
    bool is_bodiless = status / 100 == 1 || status == 204 || status == 304;
    return is_bodiless ? 1 : 0; /* whatever lengths it names */
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct http1 *p = http1_of(parser);
    size_t room = p->limits.body_max - p->body.size;
    p->body_cut = size > room;
    if (!text_add(&p->body, at, p->body_cut ? room : size))
        return HPE_USER;
    return p->body_cut ? HPE_PAUSED : 0; /* enough was read: the connection goes */
}

static void forget_message(struct http1 *p)
{
    p->head.size = 0;
    p->header_count = 0;
    p->open = (struct http1_header){0};
    p->has_head = p->has_status = false;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    if (parser->status_code / 100 == 1 && parser->status_code != 101) {
        forget_message(p); /* the response proper follows */
        return 0;
    }
    p->is_whole = true;
    p->keep_alive = llhttp_should_keep_alive(parser) == 1;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_status_complete = on_status_complete,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- responses ---- */

struct http1 *http1_open(const struct http1_limits *limits)
{
    struct http1 *p = calloc(1, sizeof *p);
    CHECK(p);
    p->limits = *limits;
    http1_reset(p);
    return p;
}

void http1_close(struct http1 *p)
{
    free(p->head.at);
    free(p->body.at);
    free(p);
}

void http1_reset(struct http1 *p)
{
    if (!p->is_fresh)
        llhttp_init(&p->parser, HTTP_RESPONSE, &settings);
    p->is_fresh = true;
    text_empty(&p->head);
    text_empty(&p->body);
    forget_message(p);
    p->head_seen = 0;
    p->is_whole = p->body_cut = p->keep_alive = false;
}

static enum err execute(struct http1 *p, struct bytes bytes, size_t *used)
{
    llhttp_errno_t error = llhttp_execute(&p->parser, bytes.at, bytes.size);
    const char *end = error == HPE_OK ? NULL : llhttp_get_error_pos(&p->parser);
    *used += end ? (size_t)(end - bytes.at) : bytes.size;
    if (p->is_whole || p->body_cut)
        return ERR_OK;
    return error == HPE_OK ? ERR_AGAIN : ERR_PROTOCOL;
}

/* True: it was whole and plain, and the parser need not see it. */
static bool read_plain(struct http1 *p, struct bytes bytes, size_t *used)
{
    struct http1_plain plain = {.headers = p->headers};
    if (!http1_read_plain(bytes, &plain) || plain.head_size >= p->limits.head_max ||
        plain.body_size > p->limits.body_max || !text_add(&p->head, bytes.at, plain.head_size) ||
        !text_add(&p->body, bytes.at + plain.head_size, plain.body_size))
        return false;
    p->header_count = plain.header_count;
    p->status = plain.status;
    p->has_status = p->has_head = p->is_whole = true;
    p->keep_alive = plain.keep_alive;
    *used = plain.head_size + plain.body_size;
    return true;
}

enum err http1_read(struct http1 *p, struct bytes bytes, size_t *used)
{
    *used = 0;
    if (p->is_fresh && !p->is_whole) {
        if (read_plain(p, bytes, used))
            return ERR_OK;
        text_empty(&p->head);
        p->is_fresh = false;
    }
    enum err err = p->is_whole || p->body_cut ? ERR_OK : ERR_AGAIN;
    while (err == ERR_AGAIN && *used < bytes.size) {
        struct bytes rest = {bytes.at + *used, bytes.size - *used};
        if (!p->has_head) {
            rest.size = u64_min(rest.size, p->limits.head_max - p->head_seen);
            p->head_seen += rest.size;
        }
        if (rest.size == 0)
            return ERR_TOO_LARGE;
        err = execute(p, rest, used);
    }
    return err;
}

enum err http1_end(struct http1 *p)
{
    if (!p->is_whole && !p->body_cut && p->has_head)
        (void)llhttp_finish(&p->parser); /* completes what ends with the connection */
    p->keep_alive = false;
    return p->is_whole || p->body_cut ? ERR_OK : ERR_CLOSED;
}

static struct bytes name_of(const struct http1 *p, const struct http1_header *h)
{
    return h->name_size > 0 ? (struct bytes){p->head.at + h->name, h->name_size}
                            : (struct bytes){0};
}

/* Without the blanks behind it. */
static struct bytes value_of(const struct http1 *p, const struct http1_header *h)
{
    if (h->value_size == 0)
        return (struct bytes){0};
    struct bytes value = {p->head.at + h->value, h->value_size};
    while (value.size > 0 && (value.at[value.size - 1] == ' ' || value.at[value.size - 1] == '\t'))
        value.size--;
    return value;
}

void http1_response(const struct http1 *p, struct http_response *out)
{
    out->status = p->has_status ? p->status : 0;
    out->header_count = p->has_status ? p->header_count : 0;
    for (uint32_t i = 0; i < out->header_count; i++) {
        out->headers[i].name = name_of(p, &p->headers[i]);
        out->headers[i].value = value_of(p, &p->headers[i]);
    }
    out->body = (struct bytes){p->body.at, p->body.size};
    out->body_cut = p->body_cut;
}

bool http1_keep_alive(const struct http1 *p)
{
    return p->is_whole && p->keep_alive;
}

uint32_t http1_keep_alive_ms(const struct http1 *p)
{
    for (uint32_t i = 0; i < p->header_count; i++) {
        if (!bytes_equal_nocase(name_of(p, &p->headers[i]), BYTES("keep-alive")))
            continue;
        struct bytes value = value_of(p, &p->headers[i]);
        const char *at = value.size > 0 ? memmem(value.at, value.size, "timeout=", 8) : NULL;
        const char *end = value.size > 0 ? value.at + value.size : NULL;
        uint32_t seconds = 0;
        for (at = at ? at + 8 : end; at < end && *at >= '0' && *at <= '9' && seconds < 86400; at++)
            seconds = seconds * 10 + (uint32_t)(*at - '0');
        return seconds * 1000;
    }
    return 0;
}

/* ---- requests ---- */

static bool says_length(const struct http_request *request)
{
    return request->body.size > 0 || !(bytes_equal(request->method, BYTES("GET")) ||
                                       bytes_equal(request->method, BYTES("HEAD")) ||
                                       bytes_equal(request->method, BYTES("DELETE")));
}

size_t http1_request_size(const struct http_request *request, struct bytes host)
{
    size_t size = request->method.size + request->path.size + host.size + request->body.size;
    for (uint32_t i = 0; i < request->header_count; i++)
        size += request->headers[i].name.size + request->headers[i].value.size + HEADER_COST;
    return size + sizeof "  HTTP/1.1\r\nHost: \r\nContent-Length: 18446744073709551615\r\n\r\n";
}

void http1_write_request(struct writer *w, const struct http_request *request, struct bytes host)
{
    write_slice(w, request->method);
    write_char(w, ' ');
    write_slice(w, request->path);
    write_literal(w, " HTTP/1.1\r\nHost: ");
    write_slice(w, host);
    write_literal(w, "\r\n");
    for (uint32_t i = 0; i < request->header_count; i++) {
        write_slice(w, request->headers[i].name);
        write_literal(w, ": ");
        write_slice(w, request->headers[i].value);
        write_literal(w, "\r\n");
    }
    if (says_length(request)) {
        write_literal(w, "Content-Length: ");
        write_u64(w, request->body.size);
        write_literal(w, "\r\n");
    }
    write_literal(w, "\r\n");
    write_slice(w, request->body);
}
