/* Recipient documents of an input, one after the other: JSON lines (or an array), or CSV
 * whose header names the fields of the contract (an empty cell says nothing; classes are
 * parted by ';'). What it is the first character tells. */
#pragma once

#include "base/arena.h"
#include "carillon/v1/state.pb-c.h"
#include "documents.h"
#include "domain/csv.h"
#include "domain/pbjson.h"

enum { RECIPIENT_COLUMNS_MAX = 32 };

struct recipient_file {
    bool is_csv;
    struct documents documents;
    struct csv csv;
    const ProtobufCFieldDescriptor *columns[RECIPIENT_COLUMNS_MAX];
    uint32_t column_count;
};

enum recipient_step { RECIPIENT_ONE, RECIPIENT_BAD, RECIPIENT_END };
struct recipient_found {
    uint32_t line;
    const Carillon__V1__RecipientState *state;
    char what[200]; /* BAD: what is wrong */
};

/* `all` is borrowed. False: the header is no header, and `what` says why. */
MUST_USE bool recipient_file_init(struct recipient_file *file, struct bytes all,
                                  struct arena *arena, char what[200]);
/* What was found lies in the arena. Documents of lines before `from_line` are passed over. */
enum recipient_step recipient_file_next(struct recipient_file *file, uint32_t from_line,
                                        struct arena *arena, struct recipient_found *out);
