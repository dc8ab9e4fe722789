#include "domain/texts_program.h"

#include <stdlib.h>

enum {
    KINDS = CARILLON__V1__KIND__KIND_ONE_TIME_CODE + 1,
    MEMORY = 256 * 1024, /* of all ops and of literals in HTML */
    OPS_MAX = 64,        /* of one text */
};

const struct bytes texts_value_names[TEXTS_VALUE_COUNT] = {
    [TEXTS_WHEN] = {"when", 4},           [TEXTS_NEGATIVE] = {"negative", 8},
    [TEXTS_BUSINESS] = {"business", 8},   [TEXTS_NAME] = {"name", 4},
    [TEXTS_REFERENCE] = {"reference", 9}, [TEXTS_TRANSACTION] = {"transaction", 11},
    [TEXTS_FACET] = {"facet", 5},         [TEXTS_MANAGE_URL] = {"manage_url", 10},
    [TEXTS_PAY_URL] = {"pay_url", 7},     [TEXTS_CODE] = {"code", 4},
};

struct default_texts {
    struct texts_programs at[KINDS][TEXTS_LANGUAGE_COUNT];
    struct arena arena;
};

/* ---- HTML ---- */

static const char *const html_heads[TEXTS_LANGUAGE_COUNT] = {
#define HTML_HEAD(language)                                                           \
    "<!doctype html>\n<html lang=\"" language "\">\n"                                 \
    "<head><meta charset=\"utf-8\"></head>\n"                                         \
    "<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5;color:#222;" \
    "max-width:36em\">\n<p>"
    [TEXTS_EN] = HTML_HEAD("en"),
    [TEXTS_FR] = HTML_HEAD("fr"),
};
static const char html_foot[] = "</p>\n</body>\n</html>\n";

/* A blank line parts paragraphs. */
static void write_html(struct writer *w, struct bytes text)
{
    while (text.size > 0) {
        const char *newline = memchr(text.at, '\n', text.size);
        size_t size = newline ? (size_t)(newline - text.at) : text.size;
        template_write_html(w, (struct bytes){text.at, size});
        if (!newline)
            return;
        size_t breaks = size + 1 < text.size && newline[1] == '\n' ? 2 : 1;
        write_text(w, breaks == 2 ? "</p>\n<p>" : "<br>\n");
        text = (struct bytes){newline + breaks, text.size - size - breaks};
    }
}

static void write_html_value(struct writer *w, struct bytes value)
{
    bool link = value.size > 8 && memcmp(value.at, "https://", 8) == 0;
    if (link) {
        write_literal(w, "<a href=\"");
        template_write_html(w, value);
        write_literal(w, "\">");
    }
    write_html(w, value);
    if (link)
        write_literal(w, "</a>");
}

/* ---- compiling ---- */

struct compiling {
    struct arena *arena;
    struct texts_op ops[OPS_MAX];
    struct texts_program program;
};

static struct texts_op *add(struct compiling *c, enum texts_step step)
{
    CHECK(c->program.count < OPS_MAX);
    struct texts_op *op = &c->ops[c->program.count++];
    *op = (struct texts_op){.step = (uint8_t)step};
    return op;
}

/* As it will be written. */
static void set_literal(struct compiling *c, struct texts_op *op, struct bytes text)
{
    if (c->program.html) {
        struct writer w = texts_rest(c->arena);
        write_html(&w, text);
        enum err err = texts_keep(c->arena, &w, &text);
        CHECK(err == ERR_OK);
    }
    op->at = text.at;
    op->size = (uint16_t)text.size;
}

static void add_literal(struct compiling *c, struct bytes text)
{
    if (text.size > 0)
        set_literal(c, add(c, TEXTS_LITERAL), text);
}

/* Takes what stands before `mark`, which must be there, and moves behind it. */
static struct bytes take_before(struct bytes *text, const char *mark)
{
    const char *found = memmem(text->at, text->size, mark, 2);
    CHECK(found);
    struct bytes taken = {text->at, (size_t)(found - text->at)};
    *text = (struct bytes){found + 2, text->size - taken.size - 2};
    return taken;
}

static uint8_t value_named(struct bytes name)
{
    uint8_t value = 0;
    while (value < TEXTS_VALUE_COUNT && !bytes_equal(texts_value_names[value], name))
        value++;
    CHECK(value < TEXTS_VALUE_COUNT);
    return value;
}

/* Literals and values, without brackets; returns which values. */
static uint16_t add_flat(struct compiling *c, struct bytes text)
{
    uint16_t needs = 0;
    while (text.size > 0) {
        const char *brace = memchr(text.at, '{', text.size);
        size_t size = brace ? (size_t)(brace - text.at) : text.size;
        add_literal(c, (struct bytes){text.at, size});
        if (!brace)
            break;
        text = (struct bytes){brace + 2, text.size - size - 2};
        uint8_t value = value_named(take_before(&text, "}}"));
        add(c, TEXTS_VALUE)->value = value;
        needs |= (uint16_t)(1u << value);
    }
    c->program.uses |= needs;
    return needs;
}

/* [[A|B]]: A where all of its values are known, else B, a literal. */
static void add_choice(struct compiling *c, struct bytes choice)
{
    const char *bar = memchr(choice.at, '|', choice.size);
    size_t size = bar ? (size_t)(bar - choice.at) : choice.size;
    struct texts_op *op = add(c, TEXTS_CHOICE);
    uint16_t first = c->program.count;
    if (bar)
        set_literal(c, op, (struct bytes){bar + 1, choice.size - size - 1});
    op->needs = add_flat(c, (struct bytes){choice.at, size});
    op->skip = (uint16_t)(c->program.count - first);
}

static void compile(struct arena *arena, const char *source, bool html,
                    enum texts_language language, struct texts_program *out)
{
    struct bytes text = bytes_of(source);
    struct compiling c = {.arena = arena, .program.html = html};
    if (!source)
        return;
    if (html)
        *add(&c, TEXTS_LITERAL) = (struct texts_op){.at = html_heads[language],
                                                    .size = (uint16_t)strlen(html_heads[language])};
    while (text.size > 0) {
        const char *bracket = memchr(text.at, '[', text.size);
        size_t size = bracket ? (size_t)(bracket - text.at) : text.size;
        c.program.must |= add_flat(&c, (struct bytes){text.at, size});
        if (!bracket)
            break;
        text = (struct bytes){bracket + 2, text.size - size - 2};
        add_choice(&c, take_before(&text, "]]"));
    }
    if (html)
        *add(&c, TEXTS_LITERAL) =
            (struct texts_op){.at = html_foot, .size = (uint16_t)(sizeof html_foot - 1)};
    struct texts_op *ops = arena_take(arena, c.program.count * sizeof *ops);
    CHECK(ops);
    memcpy(ops, c.ops, c.program.count * sizeof *ops);
    *out = c.program;
    out->ops = ops;
}

struct default_texts *texts_open(void)
{
    struct default_texts *texts = calloc(1, sizeof *texts);
    char *memory = malloc(MEMORY);
    CHECK(texts && memory);
    texts->arena = arena_of(memory, MEMORY);
    for (uint32_t kind = 0; kind < KINDS; kind++)
        for (enum texts_language language = 0; language < TEXTS_LANGUAGE_COUNT; language++) {
            const struct default_text *from = texts_default_of((Carillon__V1__Kind)kind, language);
            struct texts_programs *to = &texts->at[kind][language];
            compile(&texts->arena, from->sms, false, language, &to->sms);
            compile(&texts->arena, from->subject, false, language, &to->subject);
            compile(&texts->arena, from->email, false, language, &to->email);
            compile(&texts->arena, from->email, true, language, &to->html);
            compile(&texts->arena, from->title, false, language, &to->title);
            compile(&texts->arena, from->push, false, language, &to->push);
        }
    return texts;
}

void texts_close(struct default_texts *texts)
{
    if (!texts)
        return;
    free(texts->arena.at);
    free(texts);
}

const struct texts_programs *texts_programs_of(const struct default_texts *texts,
                                               Carillon__V1__Kind text_kind,
                                               enum texts_language language)
{
    CHECK((size_t)text_kind < KINDS);
    return &texts->at[text_kind][language];
}

/* ---- filling ---- */

enum err texts_run(const struct texts_program *program, const struct texts_values *values,
                   struct writer *w, struct bytes *missing)
{
    uint32_t lacks = program->must & ~(uint32_t)values->known;
    for (uint32_t i = 0; lacks && i < TEXTS_VALUE_COUNT; i++)
        if (lacks & 1u << i)
            *missing = texts_value_names[i];
    if (lacks)
        return ERR_NOT_FOUND;
    for (uint32_t i = 0; i < program->count; i++) {
        const struct texts_op *op = &program->ops[i];
        if (op->step == TEXTS_VALUE && program->html)
            write_html_value(w, values->at[op->value]);
        else if (op->step == TEXTS_VALUE)
            write_slice(w, values->at[op->value]);
        else if (op->step == TEXTS_LITERAL || (op->needs & ~values->known))
            write_bytes(w, op->at, op->size);
        if (op->step == TEXTS_CHOICE && (op->needs & ~values->known))
            i += op->skip;
    }
    return ERR_OK;
}
