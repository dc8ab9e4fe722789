/* Any bytes as a text and as addresses: counts keep to their bounds, and what is valid is
 * its own normal form after one pass. */
#include "domain/address.h"
#include "domain/segments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segments(struct bytes text)
{
    struct segments got = segments_count(text);
    bool gsm7 = got.encoding == CARILLON__V1__ENCODING__ENCODING_GSM7;
    uint32_t one = gsm7 ? 160 : 70, each = gsm7 ? 153 : 67;
    CHECK(got.code_points <= text.size && got.units <= 2 * got.code_points);
    CHECK((got.segments == 0) == (text.size == 0));
    CHECK((got.segments <= 1) == (got.units <= one));
    CHECK(got.segments <= 1 || got.segments >= (got.units + each - 1) / each);
    CHECK(got.segments <= 1 || got.segments <= (got.units + each - 2) / (each - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char memory[512];
    struct bytes text = {(const char *)data, size};
    struct arena arena = arena_of(memory, sizeof memory);
    check_segments(text);
    if (address_number_valid(text))
        CHECK(segments_count(text).units == size && size >= 8 && size <= 16);
    if (address_email_valid(text)) {
        struct bytes normal = address_email_normal(text, &arena);
        CHECK(normal.size == size && address_email_valid(normal));
        CHECK(bytes_equal(address_email_normal(normal, &arena), normal));
        CHECK(!memchr(normal.at, '\n', normal.size));
    }
    return 0;
}
