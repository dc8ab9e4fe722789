#include "base/err.h"

const char *err_text(enum err err)
{
    static const char *const texts[] = {
#define X(name, text) [ERR_##name] = text,
        ERR_LIST(X)
#undef X
    };
    CHECK(err < ERR_COUNT);
    return texts[err];
}
