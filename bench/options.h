/* Flags of a subcommand as a table: `--name VALUE` or `--name=VALUE`. */
#pragma once

#include "base/base.h"

enum option_form { OPTION_TEXT, OPTION_NUMBER, OPTION_REAL, OPTION_SWITCH, OPTION_EACH };

struct option_row {
    const char *name; /* without the dashes */
    enum option_form form;
    void *to; /* const char *, int64_t, double, bool; for EACH: passed to `each` */
    const char *help;
    bool (*each)(void *to, const char *value); /* false: bad value */
};

/* False after saying on standard error what is wrong (or the help, asked for). */
bool options_read(const char *command, const struct option_row *rows, size_t count, int argc,
                  char **argv) MUST_USE;
