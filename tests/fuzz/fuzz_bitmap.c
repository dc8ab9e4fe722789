/* Commit metadata is a stranger's text: whatever it says, the window stays whole, and
 * what is read is written again as it was understood. */
#include "base/window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t bits[WINDOW_WORDS];
    struct window w;
    struct bytes worker;
    window_init(&w, bits, 1000);
    if (window_decode(&w, (struct bytes){(const char *)data, size}, &worker) != ERR_OK) {
        CHECK(w.low == 1000 && w.end == 1000);
        return 0;
    }
    window_validate(&w);
    struct window before = w;
    char text[WINDOW_METADATA_MAX];
    struct writer out = writer_of(text, sizeof text);
    window_encode(&w, worker, &out);
    CHECK(!out.overflow);
    static uint64_t again[WINDOW_WORDS];
    window_init(&w, again, 1000);
    CHECK(window_decode(&w, writer_bytes(&out), NULL) == ERR_OK);
    CHECK(w.end == before.end && memcmp(bits, again, sizeof bits) == 0);
    return 0;
}
