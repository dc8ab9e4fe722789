/* CSV by RFC 4180. Written: fields verbatim, in quotes only where they need them, lines
 * ended by CR LF. Read: also LF alone, blank lines passed over, and a byte order mark. */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* A comma first, unless the line (which began at `line`) is still empty. */
void csv_write_field(struct writer *w, size_t line, struct bytes text);
void csv_write_end(struct writer *w);

struct csv {
    struct bytes rest;
    uint32_t line; /* from 1, of what comes next */
};
void csv_init(struct csv *csv, struct bytes all);

enum csv_step {
    CSV_ROW,
    CSV_BROKEN, /* `error` says why; the row is passed over */
    CSV_END,
};
struct csv_row {
    uint32_t line;  /* where it begins */
    uint32_t count; /* of its fields; at most `max` of them are in `fields` */
    const char *error;
};
/* Quoted fields with quotes in them are copied into the arena. */
enum csv_step csv_next(struct csv *csv, struct arena *arena, struct bytes *fields, uint32_t max,
                       struct csv_row *row);
