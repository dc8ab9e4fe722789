/* Any input is a row of documents and faults; each document is JSON and lies inside. */
#include "documents.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {(const char *)data, size}, document;
    struct documents documents;
    struct json_place place;
    const char *error = NULL;
    enum documents_step step;
    size_t steps = 0;
    documents_init(&documents, all);
    while ((step = documents_next(&documents, &document, &place, &error)) != DOCUMENTS_END) {
        if (++steps > size + 1)
            abort();
        if (step == DOCUMENTS_BROKEN) {
            if (place.line == 0 || place.column == 0 || !error)
                abort();
            continue;
        }
        struct json_value value;
        if (document.at < all.at || document.at + document.size > all.at + size ||
            json_find(document, BYTES(""), &value) != ERR_OK ||
            documents_line(&documents, document) == 0)
            abort();
    }
    return 0;
}
