/* A failed CHECK is a cmocka assertion here, which a test may expect. Linked in
 * place of base/check.c, so that the code under test stays as it is. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    mock_assert(0, cond, file, line); /* jumps back into the test */
    abort();
}
