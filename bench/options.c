#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const char *command, const struct option_row *rows, size_t count)
{
    static const char *const forms[] = {" TEXT", " N", " X", "", " VALUE ..."};
    fprintf(stderr, "usage: carillon-bench %s [FLAG ...]\n", command);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  --%s%s\n        %s\n", rows[i].name, forms[rows[i].form], rows[i].help);
}

static const struct option_row *find(const struct option_row *rows, size_t count, const char *name,
                                     size_t size)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
            return &rows[i];
    return NULL;
}

static bool store(const struct option_row *row, const char *value)
{
    char *end = NULL;
    errno = 0;
    switch (row->form) {
    case OPTION_TEXT:
        *(const char **)row->to = value;
        return true;
    case OPTION_NUMBER:
        *(int64_t *)row->to = strtoll(value, &end, 10);
        return errno == 0 && end != value && *end == '\0';
    case OPTION_REAL:
        *(double *)row->to = strtod(value, &end);
        return errno == 0 && end != value && *end == '\0';
    case OPTION_EACH:
        return row->each(row->to, value);
    case OPTION_SWITCH:
        break;
    }
    return false;
}

bool options_read(const char *command, const struct option_row *rows, size_t count, int argc,
                  char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *flag = argv[i];
        if (strncmp(flag, "--", 2) != 0 || strcmp(flag, "--help") == 0) {
            print_help(command, rows, count);
            return false;
        }
        const char *equals = strchr(flag, '=');
        size_t size = equals ? (size_t)(equals - flag) - 2 : strlen(flag) - 2;
        const struct option_row *row = find(rows, count, flag + 2, size);
        if (!row) {
            fprintf(stderr, "carillon-bench %s: unknown flag %s\n", command, flag);
            return false;
        }
        if (row->form == OPTION_SWITCH) {
            *(bool *)row->to = true;
            continue;
        }
        const char *value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : "";
        if (!store(row, value)) {
            fprintf(stderr, "carillon-bench %s: --%s cannot be \"%s\"\n", command, row->name,
                    value);
            return false;
        }
    }
    return true;
}
