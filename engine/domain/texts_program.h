/* The default texts, compiled: which literals and values follow each other, once plain and
 * once as HTML. For the files of texts only. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "domain/texts.h"
#include "domain/texts_default.h"

/* Text is written into what is left of an arena, and what it took is then taken. */
static inline struct writer texts_rest(struct arena *arena)
{
    char *at = arena_take(arena, 0);
    return at ? writer_of(at, arena_rest(arena)) : (struct writer){.overflow = true};
}

MUST_USE static inline enum err texts_keep(struct arena *arena, const struct writer *w,
                                           struct bytes *out)
{
    if (w->overflow)
        return ERR_TOO_LARGE;
    const char *taken = arena_take(arena, w->size);
    CHECK(taken == w->at);
    *out = writer_bytes(w);
    return ERR_OK;
}

/* `when` is a time; `negative` is nothing, known where the feedback is. */
enum texts_value {
    TEXTS_WHEN,
    TEXTS_NEGATIVE,
    TEXTS_BUSINESS,
    TEXTS_NAME,
    TEXTS_REFERENCE,
    TEXTS_TRANSACTION,
    TEXTS_FACET,
    TEXTS_MANAGE_URL,
    TEXTS_PAY_URL,
    TEXTS_CODE,
    TEXTS_VALUE_COUNT
};
extern const struct bytes texts_value_names[TEXTS_VALUE_COUNT];

enum texts_step { TEXTS_LITERAL, TEXTS_VALUE, TEXTS_CHOICE };

/* A choice with all of its values known goes on to the next op; else its literal is written
 * and `skip` ops are passed over. */
struct texts_op {
    uint8_t step;
    uint8_t value;
    uint16_t needs; /* of a choice, a bit each value */
    uint16_t skip;
    uint16_t size; /* of the literal */
    const char *at;
};

struct texts_program {
    const struct texts_op *ops;
    uint16_t count;
    uint16_t uses; /* every value in it */
    uint16_t must; /* those without which there is no text */
    bool html;
};

struct texts_programs { /* of one kind in one language; without ops: there is none */
    struct texts_program sms, subject, email, html, title, push;
};

const struct texts_programs *texts_programs_of(const struct default_texts *texts,
                                               Carillon__V1__Kind text_kind,
                                               enum texts_language language);

/* What the values are, for one leg. */
struct texts_values {
    uint16_t asked, known;
    struct bytes at[TEXTS_VALUE_COUNT];
};

/* ERR_NOT_FOUND: one that it must have is not known. */
MUST_USE enum err texts_run(const struct texts_program *program, const struct texts_values *values,
                            struct writer *w, struct bytes *missing);
