/* A deferral record's headers and key are a stranger's: whatever they say, what is taken is
 * written again as the same bytes. Input: lines of name=value, the last one without '=' is
 * the key. */
#include "domain/deferral.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void headers_come_back(const struct record_header *headers, uint32_t count)
{
    static struct deferral d, again;
    struct record_header out[DEFERRAL_HEADERS_MAX];
    char text[DEFERRAL_TEXT_MAX];
    struct bytes wrong;
    uint32_t out_count;
    if (deferral_decode(headers, count, &d, &wrong) != ERR_OK) {
        CHECK(deferral_owns(wrong));
        return;
    }
    CHECK(deferral_is(headers, count));
    struct writer w = writer_of(text, sizeof(text));
    CHECK(deferral_encode(&d, &w, out, &out_count) == ERR_OK);
    for (uint32_t i = 0; i < out_count; i++)
        CHECK(bytes_equal(out[i].value, record_header_of(headers, count, out[i].name)));
    CHECK(deferral_decode(out, out_count, &again, &wrong) == ERR_OK);
    CHECK(again.leg_count == d.leg_count && again.event_due_ms == d.event_due_ms);
}

static void key_comes_back(struct bytes key)
{
    struct deferral_key k;
    char text[DEFERRAL_KEY_MAX];
    if (deferral_parse_key(key, &k) != ERR_OK)
        return;
    struct writer w = writer_of(text, sizeof(text));
    deferral_write_key(&w, k.event_id, k.seq, k.has_leg ? &k.leg : NULL);
    CHECK(bytes_equal(writer_bytes(&w), key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_header headers[RECORD_HEADERS_MAX];
    uint32_t count = 0;
    const char *at = (const char *)data;
    while (size > 0) {
        const char *end = memchr(at, '\n', size);
        size_t line = end ? (size_t)(end - at) : size;
        const char *equals = memchr(at, '=', line);
        if (!equals)
            key_comes_back((struct bytes){at, line});
        else if (count < RECORD_HEADERS_MAX)
            headers[count++] = (struct record_header){
                {at, (size_t)(equals - at)}, {equals + 1, (size_t)(at + line - equals - 1)}};
        line += end != NULL;
        at += line;
        size -= line;
    }
    headers_come_back(headers, count);
    return 0;
}
