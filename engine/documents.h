/* The JSON documents of an input, one after the other: a single document, an array, or
 * JSON lines. Whether a document is well-formed is seen here; what is in it is not. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "domain/json.h"

#include <stdio.h>

struct documents {
    struct bytes all;
    struct json json; /* of an array */
    bool array;
    bool alone; /* one document over several lines */
    bool done;
    size_t at;
    uint32_t line;       /* of `at`, from 1 */
    const char *counted; /* up to here lines are in counted_line */
    uint32_t counted_line;
};

enum documents_step {
    DOCUMENTS_ONE,    /* *document is set */
    DOCUMENTS_BROKEN, /* not JSON: *place and *error are set; what follows is read on */
    DOCUMENTS_END,
};

/* `all` is borrowed. */
void documents_init(struct documents *documents, struct bytes all);
enum documents_step documents_next(struct documents *documents, struct bytes *document,
                                   struct json_place *place, const char **error);

/* The line that a document begins in. */
uint32_t documents_line(struct documents *documents, struct bytes document);

/* A whole file, "-" for standard input. ERR_IO: errno says why. */
MUST_USE enum err documents_read(const char *path, struct bytes *all);
void documents_free(struct bytes *all);
