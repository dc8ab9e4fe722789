#include "findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort(); /* no memory while reading a config: nothing runs yet */
    return text;
}

void findings_add(struct findings *findings, enum finding_level level, const char *file,
                  uint32_t line, uint32_t column, const char *format, ...)
{
    if (findings->count == findings->max) {
        findings->max = findings->max ? findings->max * 2 : 16;
        findings->all = realloc(findings->all, findings->max * sizeof(*findings->all));
        CHECK(findings->all != NULL);
    }
    va_list args;
    va_start(args, format);
    char *text = text_of(format, args);
    va_end(args);
    findings->all[findings->count++] = (struct finding){
        .level = level, .file = strdup(file), .line = line, .column = column, .text = text};
    *(level == FINDING_ERROR ? &findings->errors : &findings->warnings) += 1;
}

void findings_print(const struct findings *findings, FILE *out)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *f = &findings->all[i];
        fputs(f->file, out);
        if (f->line > 0)
            fprintf(out, ":%u:%u", f->line, f->column);
        fprintf(out, ": %s: %s\n", f->level == FINDING_ERROR ? "error" : "warning", f->text);
    }
}

void findings_free(struct findings *findings)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        free(findings->all[i].file);
        free(findings->all[i].text);
    }
    free(findings->all);
    *findings = (struct findings){0};
}
