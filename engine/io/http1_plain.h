/* A response in the form that nearly all have, read at once: the whole of it in one piece,
 * a plain status line, plain headers, a length. Of anything else it says only that, and
 * llhttp, with which it agrees, reads it. Pure. */
#pragma once

#include "io/http_message.h"

struct http1_header {
    uint32_t name, name_size, value, value_size; /* where they lie */
};

struct http1_plain {
    uint16_t status;
    bool keep_alive;
    uint32_t header_count;
    struct http1_header *headers; /* the caller's, HTTP_HEADERS_MAX */
    size_t head_size, body_size;
};

/* False: it has another form, or is not there as a whole, and `out` is of no use. */
MUST_USE bool http1_read_plain(struct bytes piece, struct http1_plain *out);
