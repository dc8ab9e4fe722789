/* llhttp with memory: its spans are gathered, because they end where the network's
 * pieces end. Names, values and body lie in two buffers that grow to their limits and
 * are kept between responses; the headers know offsets, as the buffers may move.
 *
 * What counts against a limit is counted in spans, so that a response is judged the
 * same however it was cut. */
#include "io/http1.h"

#include <llhttp.h>
#include <stdlib.h>

enum {
    TEXT_FIRST = 512,
    TEXT_KEPT = 16 * 1024, /* a larger buffer is given back */
    HEADER_COST = 4,       /* ": " and the line's end */
};

struct text {
    char *at;
    size_t size, room;
};

struct header_at {
    size_t name, name_size, value, value_size;
};

struct http1 {
    llhttp_t parser;
    struct http1_limits limits;
    struct text head, body;
    struct header_at headers[HTTP_HEADERS_MAX];
    uint32_t header_count;
    struct header_at open; /* the header being read */
    size_t head_seen;      /* against head_max */
    bool in_value;
    bool has_status;
    bool has_head;
    bool is_whole;
    bool is_too_large;
    bool body_cut;
    bool keep_alive;
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

static int count_head(struct http1 *p, size_t size)
{
    p->head_seen += size;
    p->is_too_large = p->head_seen > p->limits.head_max;
    return p->is_too_large ? HPE_USER : 0;
}

static int on_status(llhttp_t *parser, const char *at, size_t size)
{
    (void)at;
    return count_head(http1_of(parser), size);
}

static int on_status_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    p->has_status = parser->status_code / 100 != 1;
    return count_head(p, HEADER_COST);
}

static int keep_head(struct http1 *p, const char *at, size_t size)
{
    int error = count_head(p, size);
    if (error || p->has_head) /* a trailer: counted and dropped */
        return error;
    return text_add(&p->head, at, size) ? 0 : HPE_USER;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct http1 *p = http1_of(parser);
    p->open.name_size += size;
    return keep_head(p, at, size);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct http1 *p = http1_of(parser);
    p->open.value_size += size;
    return keep_head(p, at, size);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http1 *p = http1_of(parser);
    if (!p->has_head && p->header_count < HTTP_HEADERS_MAX) {
        p->open.value = p->open.name + p->open.name_size;
        p->headers[p->header_count++] = p->open;
    }
    p->open = (struct header_at){.name = p->head.size};
    return count_head(p, HEADER_COST);
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
    p->open = (struct header_at){0};
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
    .on_status = on_status,
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
    llhttp_init(&p->parser, HTTP_RESPONSE, &settings);
    text_empty(&p->head);
    text_empty(&p->body);
    forget_message(p);
    p->head_seen = 0;
    p->is_whole = p->is_too_large = p->body_cut = p->keep_alive = false;
}

enum err http1_read(struct http1 *p, struct bytes bytes, size_t *used)
{
    *used = 0;
    if (p->is_whole || p->body_cut || bytes.size == 0)
        return p->is_whole || p->body_cut ? ERR_OK : ERR_AGAIN;
    llhttp_errno_t error = llhttp_execute(&p->parser, bytes.at, bytes.size);
    *used = bytes.size;
    if (error == HPE_OK)
        return ERR_AGAIN;
    const char *end = llhttp_get_error_pos(&p->parser);
    if (end)
        *used = (size_t)(end - bytes.at);
    if (p->is_whole || p->body_cut)
        return ERR_OK;
    return p->is_too_large ? ERR_TOO_LARGE : ERR_PROTOCOL;
}

enum err http1_end(struct http1 *p)
{
    if (!p->is_whole && !p->body_cut && p->has_head)
        (void)llhttp_finish(&p->parser); /* completes what ends with the connection */
    p->keep_alive = false;
    return p->is_whole || p->body_cut ? ERR_OK : ERR_CLOSED;
}

static struct bytes trimmed(const char *at, size_t size)
{
    while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
        size--;
    return (struct bytes){at, size};
}

void http1_response(const struct http1 *p, struct http_response *out)
{
    out->status = p->has_status ? p->parser.status_code : 0;
    out->header_count = p->has_status ? p->header_count : 0;
    for (uint32_t i = 0; i < out->header_count; i++) {
        const struct header_at *h = &p->headers[i];
        out->headers[i].name = (struct bytes){p->head.at + h->name, h->name_size};
        out->headers[i].value = trimmed(p->head.at + h->value, h->value_size);
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
        const struct header_at *h = &p->headers[i];
        if (!bytes_equal_nocase((struct bytes){p->head.at + h->name, h->name_size},
                                BYTES("keep-alive")))
            continue;
        struct bytes v = {p->head.at + h->value, h->value_size};
        const char *at = memmem(v.at, v.size, "timeout=", 8);
        uint32_t seconds = 0;
        for (at = at ? at + 8 : NULL;
             at && at < v.at + v.size && *at >= '0' && *at <= '9' && seconds < 86400; at++)
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
