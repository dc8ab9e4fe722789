/* A config file of any bytes is refused with findings, or reads back as it prints. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *print(const struct config *config, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    config_print(config, out);
    fclose(out);
    return text;
}

/* Secrets are masked in print, and their files may be gone: such a config is not read again. */
static bool is_open(const char *text)
{
    return !strstr(text, "********") && !strstr(text, "_file: ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct findings findings = {0};
    struct config *config =
        config_load_text((const char *)data, size, "fuzz", "/nonexistent", NULL, &findings);
    if ((config == NULL) != (findings.errors > 0))
        abort();
    if (config) {
        size_t size_a = 0, size_b = 0;
        char *a = print(config, &size_a);
        struct config *again =
            is_open(a) ? config_load_text(a, size_a, "again", "", NULL, &findings) : NULL;
        if (is_open(a) && !again)
            abort();
        char *b = again ? print(again, &size_b) : NULL;
        if (b && strcmp(a, b) != 0)
            abort();
        free(a);
        free(b);
        config_free(again);
    }
    config_free(config);
    findings_free(&findings);
    return 0;
}
