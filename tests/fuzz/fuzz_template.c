/* A tenant's template: any bytes compile or are refused with a position inside them; what
 * compiles is filled, and with values of its own names gives the text with these. */
#include "domain/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[1 << 20], text[1 << 20];
    struct bytes source = {(const char *)data, size};
    struct arena arena = arena_of(memory, sizeof memory);
    struct template t;
    struct template_error error;
    if (template_memory(source) > sizeof memory)
        return 0;
    enum err err = template_compile(source, &arena, &t, &error);
    CHECK(err == ERR_OK || err == ERR_INVALID);
    if (err != ERR_OK) {
        CHECK(error.position <= size && error.what);
        return 0;
    }
    /* the pieces are the source, but for braces and blanks */
    size_t covered = 0;
    for (uint32_t i = 0; i < t.count; i++) {
        covered += t.pieces[i].literal.size + t.pieces[i].name.size;
        CHECK(t.pieces[i].name.size <= 64);
    }
    CHECK(covered <= size);
    Carillon__V1__Event event = CARILLON__V1__EVENT__INIT;
    struct writer w = writer_of(text, sizeof text);
    struct bytes missing;
    err = template_fill(&t, TEMPLATE_HTML, &event, &w, &missing);
    bool names = t.pieces[0].name.size > 0;
    CHECK(err == (names ? ERR_NOT_FOUND : ERR_OK));
    if (names)
        CHECK(bytes_equal(missing, t.pieces[0].name));
    else
        CHECK(bytes_equal(writer_bytes(&w), source));
    return 0;
}
