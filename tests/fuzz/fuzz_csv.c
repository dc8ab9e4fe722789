/* Any bytes are rows, errors or nothing; what was read is written and read back alike. */
#include "domain/csv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 16, ROOM = 1 << 16 };

static void again(const struct bytes *fields, uint32_t count)
{
    static char written[2 * ROOM + 8 * FIELDS_MAX], memory[ROOM];
    struct writer w = writer_of(written, sizeof written);
    struct arena arena = arena_of(memory, sizeof memory);
    struct bytes read[FIELDS_MAX];
    struct csv_row row;
    struct csv csv;
    for (uint32_t i = 0; i < count; i++)
        csv_write_field(&w, 0, fields[i]);
    csv_write_end(&w);
    CHECK(!w.overflow);
    csv = (struct csv){.rest = writer_bytes(&w), .line = 1};
    CHECK(csv_next(&csv, &arena, read, FIELDS_MAX, &row) == CSV_ROW && row.count == count);
    for (uint32_t i = 0; i < count; i++)
        CHECK(bytes_equal(read[i], fields[i]));
    CHECK(csv.rest.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[ROOM];
    struct bytes fields[FIELDS_MAX];
    struct csv_row row;
    struct csv csv;
    enum csv_step step;
    uint32_t line = 0;
    if (size > ROOM / 2)
        return 0;
    csv_init(&csv, (struct bytes){(const char *)data, size});
    do {
        struct arena arena = arena_of(memory, sizeof memory);
        step = csv_next(&csv, &arena, fields, FIELDS_MAX, &row);
        CHECK(row.line >= line);
        line = row.line;
        if (step == CSV_ROW && row.count <= FIELDS_MAX)
            again(fields, row.count);
    } while (step != CSV_END);
    return 0;
}
