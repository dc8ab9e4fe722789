/* A response read in pieces is the same as read at once, and whatever bytes come, what
 * is shown lies inside its limits. The first bytes of the input choose the cuts. */
#include "io/http1.h"

#include <stdlib.h>

enum { HEAD_MAX = 300, BODY_MAX = 200 };

struct seen {
    struct http1 *parser;
    enum err err;
    struct http_response response;
    size_t used;
};

static struct seen read_all(struct bytes text, struct bytes cuts)
{
    struct seen s = {
        .parser = http1_open(&(struct http1_limits){.head_max = HEAD_MAX, .body_max = BODY_MAX}),
        .err = ERR_AGAIN,
    };
    for (size_t at = 0, turn = 0; at < text.size && s.err == ERR_AGAIN; turn++) {
        size_t size = text.size - at;
        if (cuts.size > 0) {
            size_t cut = (unsigned char)cuts.at[turn % cuts.size] % 32u + 1;
            size = cut < size ? cut : size;
        }
        char *piece = malloc(size); /* its own, so that a read beyond it is seen */
        CHECK(piece);
        memcpy(piece, text.at + at, size);
        size_t used;
        s.err = http1_read(s.parser, (struct bytes){piece, size}, &used);
        CHECK(used <= size);
        s.used += used;
        at += size;
        free(piece);
    }
    if (s.err == ERR_AGAIN)
        s.err = http1_end(s.parser);
    http1_response(s.parser, &s.response);
    return s;
}

static void expect_same(const struct seen *a, const struct seen *b)
{
    CHECK(a->err == b->err);
    CHECK(a->response.status == b->response.status);
    CHECK(a->response.header_count == b->response.header_count);
    for (uint32_t i = 0; i < a->response.header_count; i++) {
        CHECK(bytes_equal(a->response.headers[i].name, b->response.headers[i].name));
        CHECK(bytes_equal(a->response.headers[i].value, b->response.headers[i].value));
    }
    CHECK(bytes_equal(a->response.body, b->response.body));
    CHECK(a->response.body_cut == b->response.body_cut);
    CHECK(http1_keep_alive(a->parser) == http1_keep_alive(b->parser));
    CHECK(http1_keep_alive_ms(a->parser) == http1_keep_alive_ms(b->parser));
    CHECK(a->err != ERR_OK || a->response.body_cut || a->used == b->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CUTS = 4 };
    if (size < CUTS)
        return 0;
    struct bytes cuts = {(const char *)data, CUTS};
    struct bytes text = {(const char *)data + CUTS, size - CUTS};
    struct seen whole = read_all(text, (struct bytes){0}), cut = read_all(text, cuts);
    expect_same(&whole, &cut);
    CHECK(whole.response.body.size <= BODY_MAX);
    CHECK(whole.err != ERR_OK || whole.response.status >= 200 || whole.response.status < 100);

    http1_reset(cut.parser); /* nothing of the last response may show in the next one */
    http1_response(cut.parser, &cut.response);
    CHECK(cut.response.status == 0 && cut.response.header_count == 0);
    http1_close(whole.parser);
    http1_close(cut.parser);
    return 0;
}
