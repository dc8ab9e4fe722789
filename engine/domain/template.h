/* Templates of tenants and of the config: text with {{name}}. Compiled when they are
 * loaded, filled from the event's variables. Blanks inside the braces are allowed; a
 * name is 1-64 of A-Z a-z 0-9 _ . - */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "carillon/v1/event.pb-c.h"
#include "carillon/v1/tenant.pb-c.h"

/* Where the text of a leg came from. */
enum template_source {
    TEMPLATE_NONE,
    TEMPLATE_CONTENT,      /* "content": a person's text */
    TEMPLATE_TENANT,       /* "tenant" */
    TEMPLATE_DEFAULT,      /* "default" */
    TEMPLATE_DEFAULT_PLAN, /* "default(plan)": custom_content does not let the tenant's through */
    TEMPLATE_CONFIG,       /* the config's template that the event names */
};

struct template_piece {
    struct bytes literal; /* comes first; may be empty */
    struct bytes name;    /* size 0: none, the last piece */
};

struct template
{
    const struct template_piece *pieces;
    uint32_t count; /* 0: no such part */
    bool present;   /* false: the part is absent, not empty */
};

struct template_error {
    uint32_t position; /* bytes into the source */
    const char *what;
};

/* The pieces are in the arena and point into `source`, which must stay. */
MUST_USE enum err template_compile(struct bytes source, struct arena *arena, struct template *out,
                                   struct template_error *error);
/* What the arena must have for it. */
size_t template_memory(struct bytes source);

enum template_escape { TEMPLATE_PLAIN, TEMPLATE_HTML };
/* ERR_NOT_FOUND: a variable has no value; *missing is its name. Overflow is the writer's. */
MUST_USE enum err template_fill(const struct template *t, enum template_escape escape,
                                const Carillon__V1__Event *event, struct writer *w,
                                struct bytes *missing);
/* For texts that come from elsewhere: & < > " ' */
void template_write_html(struct writer *w, struct bytes text);
/* The value of a variable of the event; false where it has none. */
bool template_variable(const Carillon__V1__Event *event, struct bytes name, struct bytes *value);

/* One template with its parts, of a tenant (by kind) or of the config (by name). */
struct named_template {
    struct bytes name;       /* config's; tenants' have none */
    Carillon__V1__Kind kind; /* tenants' */
    Carillon__V1__Channel channel;
    struct bytes locale; /* may be empty: the tenant's own */
    struct template subject, text, html;
};
