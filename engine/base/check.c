#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "level=fatal event=check_failed condition=\"%s\" at=%s:%d\n", cond, file, line);
    abort();
}
