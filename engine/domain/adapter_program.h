/* An adapter in compiled form; only adapter*.c include this. */
#pragma once

#include "domain/adapter.h"

/* Where a text goes decides how what it names is written. */
enum encoding {
    ENCODE_HEADER, /* as it is; control characters are refused */
    ENCODE_PATH,   /* percent-encoded */
    ENCODE_FORM,   /* application/x-www-form-urlencoded */
    ENCODE_JSON,   /* inside a JSON string */
};

/* Names that are no text of the leg itself. */
enum piece_kind {
    PIECE_LITERAL, /* already encoded */
    PIECE_VALUE,
    PIECE_MEDIA,
    PIECE_TTL_S,
    PIECE_TTL_MS,
    PIECE_TTL_MINUTES,
    PIECE_EXPIRES_UNIX_S,
    PIECE_EXPIRES_ISO8601,
};

enum filter {
    FILTER_NONE,
    FILTER_E164_PLUS,
    FILTER_E164_NOPLUS,
    FILTER_JSON_STRING, /* the text as a JSON string, quotes included */
    FILTER_BASE64,
    FILTER_MOST, /* a number, at most the argument */
    FILTER_MAP,  /* a=b,c=d: another word for each; none: empty */
    FILTER_JOIN, /* media in one text, the argument between them */
};

struct piece {
    enum piece_kind kind;
    enum filter filter;
    enum adapter_value value;
    struct bytes text; /* the literal, or the filter's argument */
    uint64_t most;
};

struct adapter_text {
    struct piece *pieces;
    uint32_t count;
    bool names_values; /* left out when all of them are empty ... */
    bool keep;         /* ... unless a credential in it is not */
    bool each_media;   /* repeated for each */
};

enum step_kind { STEP_FIELD, STEP_OPEN, STEP_CLOSE };

/* A body is a walk over steps: a form has fields only. */
struct step {
    enum step_kind kind;
    struct bytes key; /* `"to":` or `To=`; of OPEN with its bracket; of CLOSE the bracket */
    struct adapter_text text;
    enum { AS_TEXT, AS_NUMBER, AS_BOOL } as;
    uint32_t when; /* enum adapter_value; WHEN_ALWAYS, WHEN_MEDIA */
    const char *path;
};

enum { WHEN_ALWAYS = VALUE_COUNT, WHEN_MEDIA };

struct rendered_header {
    struct bytes name;
    struct adapter_text text;
    uint32_t when;
    const char *path;
};

/* Where an answer says something. */
struct place {
    enum { PLACE_NOWHERE, PLACE_JSON, PLACE_HEADER } kind;
    struct bytes name; /* pointer, or header */
};

struct verdict_rule {
    struct bytes *codes;
    uint32_t code_count;
    uint16_t status_min, status_max;
    enum verdict verdict;
};

struct adapter_program {
    struct bytes method;
    struct bytes fixed_path; /* where no value is named */
    struct adapter_text path;
    struct rendered_header *headers;
    uint32_t header_count;
    enum { BODY_NONE, BODY_FORM, BODY_JSON } body;
    struct step *steps;
    uint32_t step_count;
    uint32_t used; /* bit per enum adapter_value that some text names */
    struct place id, code, retry_after;
    struct verdict_rule *coded, *exact, *ranges;
    uint32_t coded_count, exact_count, range_count;
};

_Static_assert(VALUE_COUNT <= 32, "a bit for each value");

enum { STEPS_MAX = 192, DEPTH_MAX = 16, TEXT_MAX = 4096 };

/* While compiling. */
struct compiler {
    const struct adapter_spec *spec;
    const struct adapter_account *account;
    struct adapter_fault *fault;
    struct arena arena; /* of the adapter; malloc'd at once */
    struct adapter *adapter;
    struct adapter_program *program;
    bool failed;
};

void compile_fail(struct compiler *c, const char *path, const char *format, ...) PRINTF_LIKE(3, 4);
void *compile_take(struct compiler *c, size_t size); /* NULL: failed */
struct bytes compile_copy(struct compiler *c, struct bytes text);
struct adapter_text compile_text(struct compiler *c, enum encoding encoding, const char *source,
                                 const char *path);
uint32_t compile_when(struct compiler *c, const char *name, const char *path);
void compile_form(struct compiler *c);
void compile_json(struct compiler *c);
void compile_answers(struct compiler *c);

void adapter_encode(struct writer *w, enum encoding encoding, struct bytes text);
/* No control characters but HTAB. */
bool adapter_header_safe(struct bytes text);
