/* What stands in Redis under a claim's key is a stranger's text. One value has one text, so
 * what is believed is written again byte by byte as it was found. */
#include "domain/claim_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {(const char *)data, size};
    struct claim_value v;
    char again[2 * CLAIM_VALUE_MAX], id[CLAIM_VALUE_MAX], encoded[CLAIM_TEXT_MAX];
    if (!claim_parse_value(text, &v))
        return 0;
    struct writer w = writer_of(again, sizeof again);
    claim_write_value(&w, &v);
    CHECK(bytes_equal(writer_bytes(&w), text));

    size_t read = claim_read_text(v.text, id);
    CHECK(read <= v.text.size);
    struct writer e = writer_of(encoded, sizeof encoded);
    claim_write_text(&e, (struct bytes){id, read});
    CHECK(!e.overflow && !memchr(encoded, '|', e.size));
    return 0;
}
