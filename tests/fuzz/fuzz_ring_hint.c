/* A hint is a stranger's text: whatever it says, the reader stays whole, and what is believed
 * is written again as it was understood. The input's first part is the commit's metadata. */
#include "domain/ring_reader.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void start_with(struct bytes metadata, struct bytes hint)
{
    static const struct ring_clock clock = {.now_ms = 6, .agreed = true};
    const struct ring_reader_start start = {
        .committed = 1000, .metadata = metadata, .log = 7, .hint = hint, .end = 100000};
    struct ring_reader r;
    uint32_t words = (uint32_t)u64_max(ring_reader_words(&start), 1);
    CHECK(words <= WINDOW_WORDS_MAX);
    if (words > 4096)
        return;
    uint64_t *bits = calloc(2 * (size_t)words, sizeof *bits);
    CHECK(bits);
    ring_reader_init(
        &r, &(struct ring_reader_options){
                .ring = {4, 4, 1}, .partition = 1, .lead_ms = 2, .bits = bits, .words = words});
    ring_reader_assigned(&r, &clock, &start);
    ring_reader_validate(&r);
    CHECK(r.window.low >= 1000 && r.log != 0);
    free(bits);
}

static void read_alone(struct bytes text)
{
    static char again[RING_HINT_MAX];
    static uint64_t bits[4096];
    struct ring_hint hint, second;
    struct window w;
    if (ring_hint_parse(text, &hint) != ERR_OK)
        return;
    CHECK(hint.base >= 0 && hint.end >= hint.base && hint.log != 0);
    if (hint.end - hint.base > 4096 * 64)
        return;
    window_init_words(&w, bits, 4096, hint.base);
    window_decode_runs(&w, hint.base, hint.runs);
    struct writer out = writer_of(again, sizeof again);
    ring_hint_write(&out, hint.log, &w);
    CHECK(!out.overflow && ring_hint_parse(writer_bytes(&out), &second) == ERR_OK);
    CHECK(second.base == w.low && second.end == w.end && second.log == hint.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {(const char *)data, size}, metadata = {0};
    const char *newline = size > 0 ? memchr(text.at, '\n', size) : NULL;
    if (newline) {
        metadata = (struct bytes){text.at, (size_t)(newline - text.at)};
        text = (struct bytes){newline + 1, size - metadata.size - 1};
    }
    read_alone(text);
    start_with(metadata, text);
    return 0;
}
