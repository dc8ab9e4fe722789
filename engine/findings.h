/* What is wrong with files that people write, in the order found; printed as
 * `file:line:column: error: key: what, and the remedy`. */
#pragma once

#include "base/base.h"

#include <stdio.h>

enum finding_level { FINDING_WARNING, FINDING_ERROR };

struct finding {
    enum finding_level level;
    char *file;            /* or "environment" */
    uint32_t line, column; /* from 1; 0: of the whole file */
    char *text;
};

struct findings {
    struct finding *all;
    uint32_t count, max;
    uint32_t errors, warnings;
};

void findings_add(struct findings *findings, enum finding_level level, const char *file,
                  uint32_t line, uint32_t column, const char *format, ...) PRINTF_LIKE(6, 7);
void findings_print(const struct findings *findings, FILE *out);
void findings_free(struct findings *findings); /* empty afterwards, usable again */
